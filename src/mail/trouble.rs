//! Everything that can go wrong between a mail client and its mailbox, and what the client is told.
//!
//! A client that is told of an authentication failure forgets its password or asks for it, so only
//! a wrong application password is answered so (RFC 5530 `AUTHENTICATIONFAILED`, RFC 4954 `535`);
//! all else is a passing state. Texts are US-ASCII: neither protocol carries more in a reply
//! before it is agreed (RFC 3501 §9 `TEXT-CHAR`, RFC 5321 §4.2).

use std::borrow::Cow;

use crate::dialogue::Refused;

mod words;

/// The protocol that a client speaks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Protocol {
    /// IMAP4rev1 (RFC 3501).
    Imap,
    /// Message submission (RFC 6409).
    Smtp,
}

/// The language of the texts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Language {
    /// English.
    English,
    /// French, without its accents.
    #[default]
    French,
}

/// What stands between a client and its mailbox: the rows of the error mapping (domain page
/// "mssante", section 11).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// 1: the application password is wrong.
    WrongPassword,
    /// 2: the application password belongs to another mailbox.
    OtherMailbox,
    /// 3: the client runs as another user of this computer.
    OtherUser,
    /// 4: an unknown SASL mechanism.
    UnknownMechanism,
    /// 4: a malformed authentication.
    MalformedAuthentication,
    /// 4: the client cancelled its authentication.
    Cancelled,
    /// 6: a command that needs a login before it.
    NotLoggedIn,
    /// 7: no reader, or the reader service is not running.
    NoReader,
    /// 8: no card.
    NoCard,
    /// 9: the card of somebody else.
    OtherCard,
    /// 10: the PIN dialog is open.
    PinPending,
    /// 11: the person closed the dialog, or did not answer it.
    PinCancelled,
    /// 13: the PIN is blocked.
    PinBlocked,
    /// 14: the card's certificate is over, not begun, or revoked.
    CardCertificate,
    /// 15: the card is busy.
    CardBusy,
    /// 16: card and server have no signature in common.
    NoCommonScheme,
    /// 17: the card was taken out.
    CardRemoved,
    /// 18: the telephone (e-CPS) is being asked.
    PhonePending,
    /// 19: the request on the telephone was refused, or not answered.
    PhoneRefused,
    /// 20: the Pro Santé Connect session is over.
    SessionOver,
    /// 21: the operator refuses the token.
    TokenRefused,
    /// 22: nothing gives a token.
    NoToken,
    /// 23: the operator cannot be reached.
    Unreachable,
    /// The operator does not offer the configured way to log in; its name.
    NoMechanism(&'static str),
    /// 24: the connection to the operator cannot be secured.
    Insecure,
    /// 25: the operator's certificate is refused.
    ServerCertificate,
    /// 26: no current revocation list.
    NoRevocationList,
    /// 27: the operator did not accept the card; its words.
    CardNotAccepted(String),
    /// 28: the operator does not open this mailbox to this card; its words.
    NotYourMailbox(String),
    /// 29: the operator has a failure of its own; its words.
    Operator(String),
    /// 30: the sender's address is not one of this identity.
    Sender,
    /// 31: a recipient outside the trust space.
    Recipient,
    /// 32: the message is larger than the limit, in MiB.
    TooLarge(u32),
    /// 32: the message is larger than what patients' mailboxes (Mon espace santé) take.
    PatientTooLarge,
    /// 33: suspend, shutdown, network change, lock.
    Closing,
    /// 34: too many connections.
    TooMany,
    /// The person has not allowed this program to use the card.
    NotAllowed,
    /// Our own failure.
    Internal,
}

impl Trouble {
    /// The text for the client, without codes: one sentence of US-ASCII.
    pub fn text(&self, language: Language) -> Cow<'static, str> {
        self.words(language)
    }

    /// Whether this is an authentication failure: the only troubles that may make a client ask for
    /// its password again.
    pub fn is_credentials(&self) -> bool {
        matches!(self, Self::WrongPassword | Self::OtherMailbox)
    }

    /// The answer to an IMAP command: `tag NO [CODE] text`, with its line end.
    pub fn imap(&self, tag: &str, language: Language) -> Vec<u8> {
        let status = self.imap_status();
        format!("{tag} {status} {}\r\n", self.text(language)).into_bytes()
    }

    /// The untagged `BYE` that ends an IMAP session, or stands for its greeting.
    pub fn imap_bye(&self, language: Language) -> Vec<u8> {
        // RFC 5530 `UNAVAILABLE` says: later. It would be wrong for what stays as it is.
        let code = match self {
            Self::OtherUser | Self::WrongPassword | Self::MalformedAuthentication => "",
            _ => "[UNAVAILABLE] ",
        };
        format!("* BYE {code}{}\r\n", self.text(language)).into_bytes()
    }

    /// The reply to an SMTP command: code, enhanced code (RFC 3463) and text, with its line end.
    pub fn smtp(&self, language: Language) -> Vec<u8> {
        let code = self.smtp_code();
        format!("{code} {}\r\n", self.text(language)).into_bytes()
    }

    /// The greeting of an SMTP connection that is not served: `554` for good, `421` for now.
    pub fn smtp_greeting(&self, language: Language) -> Vec<u8> {
        match self {
            Self::OtherUser => format!("554 {}\r\n", self.text(language)).into_bytes(),
            _ => self.smtp_closing(language),
        }
    }

    /// The `421` that ends an SMTP session.
    pub fn smtp_closing(&self, language: Language) -> Vec<u8> {
        let code = match self {
            Self::OtherUser | Self::TooMany | Self::WrongPassword => "4.7.0",
            _ => "4.3.2",
        };
        format!("421 {code} {}\r\n", self.text(language)).into_bytes()
    }

    /// Status and code of an IMAP answer (RFC 5530). Not `EXPIRED` for a card, nor `PRIVACYREQUIRED`
    /// for an operator: clients take them for troubles with the password.
    fn imap_status(&self) -> &'static str {
        match self {
            Self::WrongPassword => "NO [AUTHENTICATIONFAILED]",
            Self::OtherMailbox | Self::NotYourMailbox(_) => "NO [AUTHORIZATIONFAILED]",
            Self::UnknownMechanism => "NO",
            Self::MalformedAuthentication | Self::Cancelled | Self::NotLoggedIn => "BAD",
            Self::PinBlocked
            | Self::CardCertificate
            | Self::NoCommonScheme
            | Self::NoMechanism(_)
            | Self::Insecure
            | Self::ServerCertificate
            | Self::CardNotAccepted(_) => "NO [CONTACTADMIN]",
            // Nothing in IMAP leads to these.
            Self::Sender | Self::Recipient | Self::TooLarge(_) | Self::PatientTooLarge => {
                "NO [CANNOT]"
            }
            Self::OtherUser
            | Self::NoReader
            | Self::NoCard
            | Self::OtherCard
            | Self::PinPending
            | Self::PinCancelled
            | Self::CardBusy
            | Self::CardRemoved
            | Self::PhonePending
            | Self::PhoneRefused
            | Self::SessionOver
            | Self::TokenRefused
            | Self::NoToken
            | Self::Unreachable
            | Self::NoRevocationList
            | Self::Operator(_)
            | Self::Closing
            | Self::TooMany
            | Self::NotAllowed
            | Self::Internal => "NO [UNAVAILABLE]",
        }
    }

    /// Reply code (RFC 5321, RFC 4954) and enhanced code.
    fn smtp_code(&self) -> &'static str {
        match self {
            Self::WrongPassword | Self::OtherMailbox => "535 5.7.8",
            Self::OtherUser => "554 5.7.1",
            Self::UnknownMechanism => "504 5.5.4",
            Self::MalformedAuthentication => "501 5.5.2",
            Self::Cancelled => "501 5.7.0",
            Self::NotLoggedIn => "530 5.7.0",
            Self::NoCommonScheme | Self::ServerCertificate => "454 4.7.5",
            Self::Sender => "553 5.7.1",
            Self::Recipient => "550 5.7.1",
            Self::TooLarge(_) | Self::PatientTooLarge => "552 5.3.4",
            Self::CardRemoved | Self::Closing => "421 4.3.2",
            Self::TooMany => "421 4.7.0",
            Self::NoReader
            | Self::NoCard
            | Self::OtherCard
            | Self::PinPending
            | Self::PinCancelled
            | Self::PinBlocked
            | Self::CardCertificate
            | Self::CardBusy
            | Self::PhonePending
            | Self::PhoneRefused
            | Self::SessionOver
            | Self::TokenRefused
            | Self::NoToken
            | Self::Unreachable
            | Self::NoMechanism(_)
            | Self::Insecure
            | Self::NoRevocationList
            | Self::CardNotAccepted(_)
            | Self::NotYourMailbox(_)
            | Self::Operator(_)
            | Self::NotAllowed
            | Self::Internal => "454 4.7.0",
        }
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NoStartTls | Refused::Injected => Self::Insecure,
            Refused::Protocol(_) => Self::Operator(String::new()),
            Refused::NoMechanism(name) => Self::NoMechanism(name),
            Refused::Certificate(words) => Self::CardNotAccepted(words),
            Refused::Mailbox(words) => Self::NotYourMailbox(words),
            Refused::Token => Self::TokenRefused,
            Refused::Unavailable(words) => Self::Operator(words),
        }
    }
}

#[cfg(test)]
mod tests;
