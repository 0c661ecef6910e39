//! The rows of the domain page "mssante", section 11, that our own reasons lead to.

use std::io;
use std::time::Duration;

use cps_api::{Code, Problem};
use cps_mail::{Refused, Trouble};

use super::{of_code, of_tls};
use crate::broker::BrokerError;
use crate::cards::CardsError;
use crate::login::LoginError;
use crate::mail::conversation::Failed;
use crate::tls::TlsError;
use crate::tls::client::Obstacle;

#[test]
fn each_code_has_its_row() {
    let rows: [(Trouble, &[&str]); 12] = [
        (
            Trouble::NoReader,
            &["reader.absent", "reader.error", "reader.service_absent"],
        ),
        (
            Trouble::NoCard,
            &[
                "card.absent",
                "card.mute",
                "card.removed",
                "card.technical_only",
                "card.unknown",
            ],
        ),
        (
            Trouble::CardBusy,
            &[
                "card.busy",
                "card.reading",
                "card.reset",
                "module.timeout",
                "queue.deadline",
                "queue.full",
            ],
        ),
        (
            Trouble::PinCancelled,
            &[
                "pin.already_refused",
                "pin.cancelled",
                "pin.format",
                "pin.incorrect",
                "pin.last_try_declined",
                "pin.required",
                "prompt.held_off",
                "prompt.timeout",
            ],
        ),
        (Trouble::PinBlocked, &["pin.blocked", "puk.blocked"]),
        (
            Trouble::CardCertificate,
            &[
                "certificate.clock_skew",
                "certificate.expired",
                "certificate.key_period_over",
                "certificate.not_yet_valid",
                "certificate.obsolete",
                "certificate.revoked",
                "certificate.test_in_production",
                "certificate.untrusted",
            ],
        ),
        (
            Trouble::NotAllowed,
            &[
                "caller.too_many",
                "caller.unknown",
                "grant.denied",
                "grant.missing",
                "tls.destination_not_allowed",
            ],
        ),
        (
            Trouble::NoCommonScheme,
            &["tls.needs_pss", "tls.needs_tls13"],
        ),
        (
            Trouble::ServerCertificate,
            &[
                "tls.server_expired",
                "tls.server_name",
                "tls.server_revoked",
                "tls.server_untrusted",
            ],
        ),
        (Trouble::OtherUser, &["caller.denied"]),
        (Trouble::NoRevocationList, &["tls.revocation_unknown"]),
        (Trouble::Unreachable, &["tls.unreachable"]),
    ];
    let expected = |code: &Code| {
        let named = |row: &&(Trouble, &[&str])| row.1.contains(&code.as_str());
        match (rows.iter().find(named), code) {
            (Some((trouble, _)), _) => trouble.clone(),
            (None, Code::DaemonStopping) => Trouble::Closing,
            (None, _) => Trouble::Internal,
        }
    };
    for code in Code::ALL {
        assert_eq!(of_code(*code), expected(code), "{code}");
    }
    let named: usize = rows.iter().map(|(_, codes)| codes.len()).sum();
    let known = |text: &&&str| text.parse::<Code>().is_ok();
    let found = rows.iter().flat_map(|(_, codes)| *codes).filter(known);
    assert_eq!(found.count(), named, "a code that does not exist");
}

#[test]
fn nothing_of_ours_makes_a_client_forget_its_password() {
    let all = Code::ALL.iter().map(|code| of_code(*code));
    assert!(all.into_iter().all(|trouble| !trouble.is_credentials()));
}

#[test]
fn each_failure_of_tls_has_its_row() {
    let words = |trouble: Trouble| match trouble {
        Trouble::CardNotAccepted(words) => words,
        other => panic!("{other:?}"),
    };
    let issuer = TlsError::IssuerNotAccepted {
        accepted: vec!["CN=Autre".to_owned()],
        issuer: "CN=Notre".to_owned(),
    };
    assert!(words(of_tls(issuer)).contains("CN=Autre"));
    assert!(words(of_tls(TlsError::CertificateRefused("UnknownCA".to_owned()))).contains("Unkno"));
    words(of_tls(TlsError::NoClientAuth));
    for refused in [Refused::NoStartTls, Refused::Injected] {
        assert_eq!(of_tls(TlsError::Prelude(refused)), Trouble::Insecure);
    }
    let handshake = TlsError::Handshake("HandshakeFailure".to_owned());
    assert_eq!(of_tls(handshake), Trouble::Insecure);
    let unreachable = TlsError::Unreachable {
        host: "h".to_owned(),
        port: 143,
        source: io::ErrorKind::ConnectionRefused.into(),
    };
    for error in [
        TlsError::Lost(String::new()),
        TlsError::TimedOut(Duration::from_secs(30)),
        unreachable,
    ] {
        assert_eq!(of_tls(error), Trouble::Unreachable);
    }
    let offered = String::new();
    for error in [
        TlsError::NeedsPss,
        TlsError::NeedsTls13,
        TlsError::NoCommonScheme { offered },
    ] {
        assert_eq!(of_tls(error), Trouble::NoCommonScheme);
    }
    let signature = |code| TlsError::Signature(Box::new(Problem::new(code)));
    assert_eq!(of_tls(signature(Code::PinBlocked)), Trouble::PinBlocked);
    assert_eq!(of_tls(signature(Code::CardRemoved)), Trouble::NoCard);
}

#[test]
fn what_the_person_and_the_operator_do_is_told_apart() {
    let login = |error| Trouble::from(Obstacle::from(BrokerError::Login(error)));
    assert_eq!(login(LoginError::Blocked), Trouble::PinBlocked);
    let wrong = LoginError::Incorrect { left: Some(2) };
    assert_eq!(login(wrong), Trouble::PinCancelled);
    let denied = Obstacle::from(BrokerError::Denied);
    assert_eq!(Trouble::from(denied), Trouble::NotAllowed);
    let busy = Obstacle::from(BrokerError::Cards(CardsError::Busy));
    assert_eq!(Trouble::from(busy), Trouble::CardBusy);

    assert_eq!(Trouble::from(Failed::TimedOut), Trouble::Unreachable);
    let gone = Failed::Broken(io::ErrorKind::ConnectionReset.into());
    assert_eq!(Trouble::from(gone), Trouble::Unreachable);
    // In TLS 1.3 an operator refuses the certificate after the handshake.
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked);
    let late = Failed::Broken(io::Error::new(io::ErrorKind::InvalidData, alert));
    assert!(matches!(Trouble::from(late), Trouble::CardNotAccepted(_)));
    let mailbox = Failed::Refused(Refused::Mailbox("no".to_owned()));
    assert_eq!(
        Trouble::from(mailbox),
        Trouble::NotYourMailbox("no".to_owned())
    );
}
