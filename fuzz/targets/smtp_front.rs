//! What a mail client says over SMTP before it is logged in. The first byte cuts the rest.
#![no_main]

use cps_mail::smtp::{Front, Settings};
use cps_mail::{Language, Reaction, Trouble};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, client)) = bytes.split_first() else {
        return;
    };
    let whole = talk(client, client.len());
    assert_eq!(talk(client, usize::from(*cut)), whole);
});

/// What the client is told when each login is refused: the first for its password.
fn talk(client: &[u8], piece: usize) -> Vec<u8> {
    let mut front = Front::new(Settings {
        host_name: "cpsd.localhost".to_owned(),
        size: 1000,
        language: Language::French,
        product: None,
    });
    let mut told = front.greeting();
    let mut closed = false;
    let mut trouble = Trouble::WrongPassword;
    for bytes in client.chunks(piece.max(1)) {
        let mut reactions = front.receive(bytes);
        while !reactions.is_empty() {
            let mut login = false;
            for reaction in reactions {
                assert!(!closed && !login, "nothing follows a login or the end");
                match reaction {
                    Reaction::Send(bytes) => told.extend(bytes),
                    Reaction::Login(credentials) => {
                        assert!(!credentials.user.is_empty() && !credentials.password.is_empty());
                        login = true;
                    }
                    Reaction::TlsHello => {}
                    Reaction::Close => closed = true,
                }
            }
            reactions = Vec::new();
            if login {
                reactions = front.refuse(&trouble);
                trouble = Trouble::PinPending;
            }
        }
    }
    assert!(front.into_rest().len() <= client.len());
    told
}
