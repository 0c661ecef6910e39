//! SASL messages (RFC 4422): what mail clients send to the gateway, what it sends to operators.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

use crate::trouble::Trouble;

/// What a mail client logs in with.
pub struct Credentials {
    /// The mailbox, as the client writes it.
    pub user: String,
    /// The application password.
    pub password: Zeroizing<String>,
}

impl Credentials {
    /// Credentials from bytes; `None` unless both are UTF-8 without NUL and neither is empty.
    pub fn new(user: &[u8], password: &[u8]) -> Option<Self> {
        let word = |bytes: &[u8]| -> Option<Zeroizing<String>> {
            let text = str::from_utf8(bytes).ok()?;
            (!text.is_empty() && !text.contains('\0')).then(|| Zeroizing::new(text.to_owned()))
        };
        Some(Self {
            user: word(user)?.as_str().to_owned(),
            password: word(password)?,
        })
    }

    /// The message of PLAIN (RFC 4616): `[authzid] NUL authcid NUL passwd`. An authorisation
    /// identity other than the user's own is not provided for.
    pub fn plain(message: &[u8]) -> Option<Self> {
        let mut parts = message.splitn(3, |byte| *byte == 0);
        let (other, user, password) = (parts.next()?, parts.next()?, parts.next()?);
        if !other.is_empty() && other != user {
            return None;
        }
        Self::new(user, password)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A client's authentication in progress: PLAIN (RFC 4616) or LOGIN
/// (draft-murchison-sasl-login), in base64 on lines without their ends.
pub enum Exchange {
    /// The message of PLAIN is awaited.
    Plain,
    /// The user name of LOGIN is awaited.
    LoginUser,
    /// The password of LOGIN is awaited, after this user name.
    LoginPassword(Zeroizing<Vec<u8>>),
}

impl Exchange {
    /// Begins with a mechanism, in any case of letters.
    ///
    /// # Errors
    ///
    /// [`Trouble::UnknownMechanism`].
    pub fn begin(mechanism: &str) -> Result<Self, Trouble> {
        if mechanism.eq_ignore_ascii_case("PLAIN") {
            Ok(Self::Plain)
        } else if mechanism.eq_ignore_ascii_case("LOGIN") {
            Ok(Self::LoginUser)
        } else {
            Err(Trouble::UnknownMechanism)
        }
    }

    /// Takes the initial response that came with the command (RFC 4959, RFC 4954), where `=` stands
    /// for an empty one.
    ///
    /// # Errors
    ///
    /// [`Trouble::MalformedAuthentication`].
    pub fn initial(&mut self, response: &[u8]) -> Result<Option<Credentials>, Trouble> {
        match response {
            b"=" => self.take(Zeroizing::new(Vec::new())),
            _ => self.take(decode(response).ok_or(Trouble::MalformedAuthentication)?),
        }
    }

    /// Takes the client's answer to a challenge.
    ///
    /// # Errors
    ///
    /// [`Trouble::Cancelled`] for `*`, [`Trouble::MalformedAuthentication`].
    pub fn answer(&mut self, line: &[u8]) -> Result<Option<Credentials>, Trouble> {
        match line {
            b"*" => Err(Trouble::Cancelled),
            _ => self.take(decode(line).ok_or(Trouble::MalformedAuthentication)?),
        }
    }

    /// What the client is to answer next, in base64.
    pub fn challenge(&self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::LoginUser => "VXNlcm5hbWU6",
            Self::LoginPassword(_) => "UGFzc3dvcmQ6",
        }
    }

    fn take(&mut self, message: Zeroizing<Vec<u8>>) -> Result<Option<Credentials>, Trouble> {
        let credentials = match self {
            Self::Plain => Credentials::plain(&message),
            Self::LoginUser => {
                *self = Self::LoginPassword(message);
                return Ok(None);
            }
            Self::LoginPassword(user) => Credentials::new(user, &message),
        };
        credentials
            .map(Some)
            .ok_or(Trouble::MalformedAuthentication)
    }
}

/// How the gateway logs in at an operator.
pub enum Login {
    /// EXTERNAL (RFC 4422, appendix A): the client certificate says who it is.
    External {
        /// The authorisation identity: a shared mailbox, else nothing.
        authorization: Option<String>,
    },
    /// XOAUTH2: an access token, in the form that Google began.
    XOauth2 {
        /// The mailbox.
        user: String,
        /// The access token.
        token: Zeroizing<String>,
    },
    /// OAUTHBEARER (RFC 7628).
    OauthBearer {
        /// The mailbox.
        user: String,
        /// The operator's server, as it was asked for.
        host: String,
        /// Its port.
        port: u16,
        /// The access token.
        token: Zeroizing<String>,
    },
    /// The client certificate is enough, no command is sent (SMTP only).
    None,
}

impl Login {
    /// The mechanism's name, if there is one.
    pub fn mechanism(&self) -> Option<&'static str> {
        match self {
            Self::External { .. } => Some("EXTERNAL"),
            Self::XOauth2 { .. } => Some("XOAUTH2"),
            Self::OauthBearer { .. } => Some("OAUTHBEARER"),
            Self::None => None,
        }
    }

    /// The message, in base64. It may be empty: then `=` is written as an initial response, and an
    /// empty line as an answer to a challenge.
    pub fn response(&self) -> Zeroizing<String> {
        let message = Zeroizing::new(match self {
            Self::External { authorization } => authorization.clone().unwrap_or_default(),
            Self::XOauth2 { user, token } => {
                format!("user={user}\x01auth=Bearer {}\x01\x01", token.as_str())
            }
            Self::OauthBearer {
                user,
                host,
                port,
                token,
            } => format!(
                "n,a={},\x01host={host}\x01port={port}\x01auth=Bearer {}\x01\x01",
                user.replace('=', "=3D").replace(',', "=2C"),
                token.as_str()
            ),
            Self::None => String::new(),
        });
        Zeroizing::new(STANDARD.encode(message.as_bytes()))
    }

    /// What a challenge after the message is answered with, in base64: the server says there why it
    /// refuses, and waits for this before it does. `None` where it may not send one.
    pub fn acknowledgement(&self) -> Option<&'static str> {
        match self {
            Self::XOauth2 { .. } => Some(""),
            Self::OauthBearer { .. } => Some("AQ=="),
            Self::External { .. } | Self::None => None,
        }
    }

    /// Whether a token is presented: then a refusal, or a connection closed after the challenge,
    /// is a refusal of the token.
    pub fn is_token(&self) -> bool {
        matches!(self, Self::XOauth2 { .. } | Self::OauthBearer { .. })
    }
}

/// Decodes base64 as clients write it, with or without its padding.
fn decode(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    LENIENT.decode(text).ok().map(Zeroizing::new)
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    const MAILBOX: &str = "jean.dupont@medecin.test.mssante.fr";

    fn token() -> Zeroizing<String> {
        Zeroizing::new("eyJ.e.s".to_owned())
    }

    // The worked examples of the domain page "mssante", sections 4.1 to 4.5.

    #[test]
    fn external_carries_the_shared_mailbox() {
        let login = Login::External {
            authorization: Some("secretariat@cabinet.test.mssante.fr".to_owned()),
        };
        assert_eq!(
            *login.response(),
            "c2VjcmV0YXJpYXRAY2FiaW5ldC50ZXN0Lm1zc2FudGUuZnI="
        );
        assert_eq!(
            *Login::External {
                authorization: None
            }
            .response(),
            ""
        );
    }

    #[test]
    fn xoauth2_carries_mailbox_and_token() {
        let login = Login::XOauth2 {
            user: MAILBOX.to_owned(),
            token: token(),
        };
        assert_eq!(
            *login.response(),
            "dXNlcj1qZWFuLmR1cG9udEBtZWRlY2luLnRlc3QubXNzYW50ZS5mcgFhdXRoPUJlYXJlciBleUouZS5zAQE="
        );
        assert_eq!(login.acknowledgement(), Some(""));
    }

    #[test]
    fn oauthbearer_carries_mailbox_server_and_token() {
        let login = |user: &str| Login::OauthBearer {
            user: user.to_owned(),
            host: "mail.operateur.test".to_owned(),
            port: 143,
            token: token(),
        };
        assert_eq!(
            *login(MAILBOX).response(),
            "bixhPWplYW4uZHVwb250QG1lZGVjaW4udGVzdC5tc3NhbnRlLmZyLAFob3N0PW1haWwub3BlcmF0ZXVyLn\
             Rlc3QBcG9ydD0xNDMBYXV0aD1CZWFyZXIgZXlKLmUucwEB"
        );
        assert_eq!(login(MAILBOX).acknowledgement(), Some("AQ=="));
        // RFC 5801 section 4: a comma and an equals sign have a notation of their own.
        let odd = STANDARD.decode(login("a,b=c@d").response().as_bytes());
        assert!(odd.expect("base64").starts_with(b"n,a=a=2Cb=3Dc@d,\x01"));
    }

    #[test]
    fn plain_is_understood() {
        let message = b"AGplYW4uZHVwb250QG1lZGVjaW4udGVzdC5tc3NhbnRlLmZyAGxvY2FsLXRva2Vu";
        for answered in [false, true] {
            let mut exchange = Exchange::begin("plain").expect("known");
            assert_eq!(exchange.challenge(), "");
            let credentials = match answered {
                true => exchange.answer(message),
                false => exchange.initial(message),
            };
            let credentials = credentials.expect("well formed").expect("complete");
            assert_eq!(credentials.user, MAILBOX);
            assert_eq!(*credentials.password, "local-token");
        }
    }

    #[test]
    fn login_asks_for_name_and_password() {
        let mut exchange = Exchange::begin("LOGIN").expect("known");
        assert_eq!(exchange.challenge(), "VXNlcm5hbWU6");
        let name = STANDARD.encode(MAILBOX);
        assert!(exchange.answer(name.as_bytes()).expect("a name").is_none());
        assert_eq!(exchange.challenge(), "UGFzc3dvcmQ6");
        let password = STANDARD.encode("local-token");
        let credentials = exchange.answer(password.as_bytes());
        let credentials = credentials.expect("a password").expect("complete");
        assert_eq!(credentials.user, MAILBOX);
        assert_eq!(*credentials.password, "local-token");
    }

    #[test]
    fn padding_may_be_left_out() {
        let mut exchange = Exchange::begin("PLAIN").expect("known");
        // "\0a\0b" is AGEAYg==.
        assert!(exchange.answer(b"AGEAYg").expect("base64").is_some());
    }

    #[test]
    fn bad_exchanges_are_refused() {
        assert_eq!(
            Exchange::begin("CRAM-MD5").err(),
            Some(Trouble::UnknownMechanism)
        );
        let refused = |answer: &[u8]| Exchange::Plain.answer(answer).err();
        assert_eq!(refused(b"*"), Some(Trouble::Cancelled));
        let malformed = Some(Trouble::MalformedAuthentication);
        assert_eq!(refused(b"?"), malformed);
        for message in [
            &b""[..],
            b"user",
            b"\0user",
            b"\0user\0",
            b"\0\0password",
            b"other\0user\0password",
            b"\0user\0pass\0word",
            b"\0us\xFFer\0password",
        ] {
            assert_eq!(refused(STANDARD.encode(message).as_bytes()), malformed);
        }
        assert_eq!(Exchange::Plain.initial(b"=").err(), malformed);
    }

    #[test]
    fn a_password_is_not_printed() {
        let credentials = Credentials::new(b"user", b"verysecret").expect("credentials");
        assert!(!format!("{credentials:?}").contains("verysecret"));
    }
}
