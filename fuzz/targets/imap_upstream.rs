//! What an operator's IMAP server says before anybody is logged in: a choice of the dialogue, how
//! the rest is cut, the rest.
#![no_main]

use cps_mail::imap::{Authentication, StartTls};
use cps_mail::sasl::Login;
use cps_mail::{Dialogue, Language, Step, Trouble};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|bytes: &[u8]| {
    let [choice, cut, server @ ..] = bytes else {
        return;
    };
    let (user, token) = ("a@b.fr".to_owned(), Zeroizing::new("eyJ".to_owned()));
    let login = match choice >> 1 {
        0 => {
            talk(StartTls::new(), server, *cut);
            return;
        }
        1 => Login::None,
        2 => Login::External {
            authorization: None,
        },
        3 => Login::XOauth2 { user, token },
        _ => Login::OauthBearer {
            user,
            host: "mail.example".to_owned(),
            port: 143,
            token,
        },
    };
    let authentication = Authentication::new(login, "a1".to_owned(), choice & 1 == 1);
    if let Some(done) = talk(authentication, server, *cut) {
        assert!(done.forward.len() + done.rest.len() <= server.len() + 64);
        let line = done.forward.strip_suffix(b"\n").expect("whole lines");
        let last = line.rsplit(|byte| *byte == b'\n').next();
        assert!(last.is_some_and(|last| last.starts_with(b"a1 ")));
    }
});

fn talk<D: Dialogue>(mut dialogue: D, server: &[u8], cut: u8) -> Option<D::Done> {
    let mut step = dialogue.advance(b"");
    for bytes in server.chunks(usize::from(cut).max(1)) {
        match step {
            Ok(Step::More(send)) => assert!(send.is_empty() || send.ends_with(b"\r\n")),
            Ok(Step::Done { done, .. }) => return Some(done),
            Err(refused) => {
                // An operator's refusal never makes a client ask for its password.
                assert!(!Trouble::from(refused.clone()).is_credentials());
                Trouble::from(refused).imap("a1", Language::French);
                return None;
            }
        }
        step = dialogue.advance(bytes);
    }
    dialogue.closed();
    match step {
        Ok(Step::Done { done, .. }) => Some(done),
        _ => None,
    }
}
