//! How a mailbox opened, or why it did not: a row of the error mapping as a code of the catalogue.

use cps_api::{Code, types};
use cps_mail::{Language, Protocol, Trouble};

/// What a trial came to; `language` is that of the answers to mail programs.
pub(in crate::surface::http) fn trial(
    outcome: Result<(), Trouble>,
    protocol: Protocol,
    language: Language,
) -> types::MailTrial {
    let Err(trouble) = outcome else {
        return types::MailTrial {
            ok: true,
            code: None,
            detail: None,
            answer: None,
        };
    };
    let answer = match protocol {
        Protocol::Imap => trouble.imap(TAG, language),
        Protocol::Smtp => trouble.smtp(language),
    };
    let answer = String::from_utf8_lossy(&answer);
    let answer = answer.trim_end().trim_start_matches(TAG).trim_start();
    types::MailTrial {
        ok: false,
        code: Some(code(&trouble).as_str().to_owned()),
        detail: Some(trouble.text(Language::English).into_owned()),
        answer: Some(answer.to_owned()),
    }
}

fn code(trouble: &Trouble) -> Code {
    match trouble {
        Trouble::NoReader => Code::ReaderAbsent,
        Trouble::NoCard => Code::CardAbsent,
        Trouble::OtherCard => Code::MailOtherCard,
        Trouble::PinPending => Code::PinRequired,
        Trouble::PinCancelled => Code::PinCancelled,
        Trouble::PinBlocked => Code::PinBlocked,
        Trouble::CardCertificate => Code::MailCardUnusable,
        Trouble::CardBusy => Code::CardBusy,
        Trouble::CardRemoved => Code::CardRemoved,
        Trouble::NoCommonScheme => Code::TlsNeedsTls13,
        Trouble::NoMechanism(_) => Code::MailNoMechanism,
        Trouble::TokenRefused => Code::MailTokenRefused,
        Trouble::NoToken | Trouble::PhonePending | Trouble::PhoneRefused | Trouble::SessionOver => {
            Code::MailNoToken
        }
        Trouble::Unreachable => Code::TlsUnreachable,
        Trouble::Insecure => Code::MailInsecure,
        Trouble::ServerCertificate => Code::TlsServerUntrusted,
        Trouble::NoRevocationList => Code::TlsRevocationUnknown,
        Trouble::CardNotAccepted(_) => Code::MailCardNotAccepted,
        Trouble::NotYourMailbox(_) => Code::MailNotYourMailbox,
        Trouble::Operator(_) => Code::MailOperatorFailed,
        Trouble::NotAllowed => Code::GrantDenied,
        Trouble::Closing => Code::DaemonStopping,
        Trouble::TooMany => Code::CallerTooMany,
        // What only mail programs and their messages cause.
        Trouble::WrongPassword
        | Trouble::OtherMailbox
        | Trouble::OtherUser
        | Trouble::UnknownMechanism
        | Trouble::MalformedAuthentication
        | Trouble::Cancelled
        | Trouble::NotLoggedIn
        | Trouble::Sender
        | Trouble::Recipient
        | Trouble::TooLarge(_)
        | Trouble::PatientTooLarge
        | Trouble::Internal => Code::Internal,
    }
}

/// Stands for the tag of a program's own command, and is taken away again.
const TAG: &str = "-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_has_a_code_and_the_answer_that_programs_get() {
        let absent = trial(Err(Trouble::NoCard), Protocol::Imap, Language::French);
        assert!(!absent.ok);
        assert_eq!(absent.code.as_deref(), Some("card.absent"));
        let answer = absent.answer.expect("an answer");
        assert!(answer.starts_with("NO [UNAVAILABLE] "), "{answer}");
        assert!(!answer.ends_with('\n'));
        let refused = Trouble::NotYourMailbox("no such mailbox".to_owned());
        let refused = trial(Err(refused), Protocol::Smtp, Language::English);
        assert_eq!(refused.code.as_deref(), Some("mail.not_your_mailbox"));
        assert!(refused.answer.expect("an answer").starts_with("454 4.7.0 "));
        assert!(trial(Ok(()), Protocol::Smtp, Language::English).ok);
    }
}
