//! What an operator's SMTP server says before anybody is logged in: a choice of the dialogue, how
//! the rest is cut, the rest.
#![no_main]

use cps_mail::sasl::Login;
use cps_mail::smtp::{Authentication, StartTls};
use cps_mail::{Dialogue, Language, Step, Trouble};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|bytes: &[u8]| {
    let [choice, cut, server @ ..] = bytes else {
        return;
    };
    let (user, token) = ("a@b.fr".to_owned(), Zeroizing::new("eyJ".to_owned()));
    let name = "[192.0.2.1]".to_owned();
    let login = match choice >> 1 {
        0 => {
            talk(StartTls::new(name), server, *cut);
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
            port: 587,
            token,
        },
    };
    talk(
        Authentication::new(login, name, choice & 1 == 1),
        server,
        *cut,
    );
});

fn talk<D: Dialogue>(mut dialogue: D, server: &[u8], cut: u8) {
    let mut step = dialogue.advance(b"");
    for bytes in server.chunks(usize::from(cut).max(1)) {
        match step {
            Ok(Step::More(send)) => assert!(send.is_empty() || send.ends_with(b"\r\n")),
            Ok(Step::Done { send, .. }) => {
                assert!(send.is_empty());
                return;
            }
            Err(refused) => {
                // An operator's refusal never makes a client ask for its password.
                assert!(!Trouble::from(refused.clone()).is_credentials());
                Trouble::from(refused).smtp(Language::French);
                return;
            }
        }
        step = dialogue.advance(bytes);
    }
    dialogue.closed();
}
