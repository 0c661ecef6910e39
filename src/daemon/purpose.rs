//! What a program wants the card for, in the words shown to the practitioner.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::caller::visible;
use crate::token::KeyRole;

/// One purpose of one request. The text that a person confirms is made from this value and from
/// nothing else, so what is shown is what is done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// Replace the PIN by a new one.
    ChangePin,
    /// Sign a digest with the authentication key for a program that does not say why, such as a
    /// browser that opens a TLS connection through the PKCS#11 module.
    KeyAuthenticate,
    /// Decrypt with a key of the card.
    KeyDecrypt,
    /// Sign a digest with the signature key, of a document that the daemon does not see.
    KeySign,
    /// Only unlock the card, for later requests.
    Login,
    /// Open the practitioner's mailboxes at an MSSanté operator, to read and to send.
    Mail {
        /// DNS name or address of the operator's IMAP server.
        operator: String,
    },
    /// Prove identity to a server with a handshake signature that the program itself asks for:
    /// the daemon sees a hash and must believe the destination.
    RawTlsSign {
        /// `host:port` the program says it is connected to.
        destination: String,
    },
    /// Read the practice situations, which the card shows after the PIN only.
    ReadExercises,
    /// Sign one document.
    SignCms {
        /// The file's name as the program gives it; shown, never kept.
        name: Option<String>,
        /// Length of the content in bytes.
        size: u64,
    },
    /// Prove identity to a server over a connection that the daemon itself opens.
    TlsClientAuth {
        /// DNS name or address.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// Give a blocked PIN a new value with the unblocking code.
    UnblockPin,
}

/// A purpose without its particulars: what a grant and a journal entry are filed under.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PurposeKind {
    /// See [`Purpose::ChangePin`].
    ChangePin,
    /// See [`Purpose::KeyAuthenticate`].
    KeyAuthenticate,
    /// See [`Purpose::KeyDecrypt`].
    KeyDecrypt,
    /// See [`Purpose::KeySign`].
    KeySign,
    /// See [`Purpose::Login`].
    Login,
    /// See [`Purpose::Mail`].
    Mail,
    /// See [`Purpose::RawTlsSign`].
    RawTlsSign,
    /// See [`Purpose::ReadExercises`].
    ReadExercises,
    /// See [`Purpose::SignCms`].
    SignCms,
    /// See [`Purpose::TlsClientAuth`].
    TlsClientAuth,
    /// See [`Purpose::UnblockPin`].
    UnblockPin,
}

/// Language of what the practitioner reads.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    En,
    /// French, the default.
    #[default]
    Fr,
}

impl Purpose {
    /// The kind alone.
    pub fn kind(&self) -> PurposeKind {
        match self {
            Self::ChangePin => PurposeKind::ChangePin,
            Self::KeyAuthenticate => PurposeKind::KeyAuthenticate,
            Self::KeyDecrypt => PurposeKind::KeyDecrypt,
            Self::KeySign => PurposeKind::KeySign,
            Self::Login => PurposeKind::Login,
            Self::Mail { .. } => PurposeKind::Mail,
            Self::RawTlsSign { .. } => PurposeKind::RawTlsSign,
            Self::ReadExercises => PurposeKind::ReadExercises,
            Self::SignCms { .. } => PurposeKind::SignCms,
            Self::TlsClientAuth { .. } => PurposeKind::TlsClientAuth,
            Self::UnblockPin => PurposeKind::UnblockPin,
        }
    }

    /// `host:port` of the server this is for, lower case, if it is for one; the host alone of a
    /// mail operator, whose servers have several ports.
    pub fn destination(&self) -> Option<String> {
        match self {
            Self::Mail { operator } => Some(operator.to_ascii_lowercase()),
            Self::RawTlsSign { destination } => Some(destination.to_ascii_lowercase()),
            Self::TlsClientAuth { host, port } => {
                Some(format!("{}:{port}", host.to_ascii_lowercase()))
            }
            Self::ChangePin
            | Self::KeyAuthenticate
            | Self::KeyDecrypt
            | Self::KeySign
            | Self::Login
            | Self::ReadExercises
            | Self::SignCms { .. }
            | Self::UnblockPin => None,
        }
    }

    /// Whether each single use needs a person's consent: a signature on a document has legal
    /// effect, so no earlier answer covers it.
    pub fn needs_consent_each_time(&self) -> bool {
        matches!(self, Self::KeySign | Self::SignCms { .. })
    }

    /// Whether a grant is needed at all: unlocking the card and changing its PIN are done by the
    /// practitioner in the dialog itself, and lend nothing to the program.
    pub fn needs_grant(&self) -> bool {
        !matches!(self, Self::ChangePin | Self::Login | Self::UnblockPin)
    }

    /// The certificate whose key it uses, if it uses one.
    pub fn role(&self) -> Option<KeyRole> {
        match self {
            Self::KeyAuthenticate
            | Self::KeyDecrypt
            | Self::Mail { .. }
            | Self::RawTlsSign { .. }
            | Self::TlsClientAuth { .. } => Some(KeyRole::Authentication),
            Self::KeySign | Self::SignCms { .. } => Some(KeyRole::Signature),
            Self::ChangePin | Self::Login | Self::ReadExercises | Self::UnblockPin => None,
        }
    }

    /// One sentence part, to follow "The program wants to".
    pub fn in_words(&self, language: Language) -> String {
        use Language::{En, Fr};
        match (self, language) {
            (Self::ChangePin, Fr) => "changer le code porteur de la carte".to_owned(),
            (Self::ChangePin, En) => "change the card's PIN".to_owned(),
            (Self::KeyAuthenticate, Fr) => {
                "prouver votre identité, à un serveur qu'il ne nomme pas".to_owned()
            }
            (Self::KeyAuthenticate, En) => {
                "prove your identity, to a server it does not name".to_owned()
            }
            (Self::KeyDecrypt, Fr) => "déchiffrer des données qui vous sont destinées".to_owned(),
            (Self::KeyDecrypt, En) => "decrypt data that were sent to you".to_owned(),
            (Self::KeySign, Fr) => "signer en votre nom un document qu'il ne montre pas".to_owned(),
            (Self::KeySign, En) => "sign a document in your name, without showing it".to_owned(),
            (Self::Login, Fr) => "déverrouiller la carte".to_owned(),
            (Self::Login, En) => "unlock the card".to_owned(),
            (Self::Mail { operator }, Fr) => {
                format!("ouvrir votre messagerie MSSanté ({})", visible(operator))
            }
            (Self::Mail { operator }, En) => {
                format!("open your MSSanté mail ({})", visible(operator))
            }
            (Self::RawTlsSign { destination }, Fr) => format!(
                "prouver votre identité au serveur qu'il désigne comme {}",
                visible(destination)
            ),
            (Self::RawTlsSign { destination }, En) => {
                format!(
                    "prove your identity to a server it names as {}",
                    visible(destination)
                )
            }
            (Self::ReadExercises, Fr) => "lire vos situations d'exercice".to_owned(),
            (Self::ReadExercises, En) => "read your practice situations".to_owned(),
            (Self::SignCms { name, size }, Fr) => match name {
                Some(name) => format!("signer « {} » ({size} octets)", visible(name)),
                None => format!("signer un document sans nom ({size} octets)"),
            },
            (Self::SignCms { name, size }, En) => match name {
                Some(name) => format!("sign “{}” ({size} bytes)", visible(name)),
                None => format!("sign a document without a name ({size} bytes)"),
            },
            (Self::TlsClientAuth { host, port }, Fr) => {
                format!("prouver votre identité au serveur {}:{port}", visible(host))
            }
            (Self::TlsClientAuth { host, port }, En) => {
                format!("prove your identity to the server {}:{port}", visible(host))
            }
            (Self::UnblockPin, Fr) => "débloquer le code porteur de la carte".to_owned(),
            (Self::UnblockPin, En) => "unblock the card's PIN".to_owned(),
        }
    }
}

impl PurposeKind {
    /// The stable name, as written in grants, in the journal and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChangePin => "change_pin",
            Self::KeyAuthenticate => "key_authenticate",
            Self::KeyDecrypt => "key_decrypt",
            Self::KeySign => "key_sign",
            Self::Login => "login",
            Self::Mail => "mail",
            Self::RawTlsSign => "raw_tls_sign",
            Self::ReadExercises => "read_exercises",
            Self::SignCms => "sign_cms",
            Self::TlsClientAuth => "tls_client_auth",
            Self::UnblockPin => "unblock_pin",
        }
    }
}

impl fmt::Display for PurposeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Language {
    /// From a locale name such as `fr_FR.UTF-8`; `None` when it names neither language.
    pub fn of_locale(locale: &str) -> Option<Self> {
        match locale.split(['_', '.', '@']).next()? {
            "fr" => Some(Self::Fr),
            "en" | "C" | "POSIX" => Some(Self::En),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_cannot_rewrite_the_sentence() {
        let name = "ok\u{202e}fdp.exe\nSETDESC lie".to_owned();
        let words = Purpose::SignCms {
            name: Some(name),
            size: 3,
        }
        .in_words(Language::En);
        assert!(!words.contains(['\n', '\u{202e}']), "{words}");
        assert!(words.contains("3 bytes"));
    }

    #[test]
    fn destinations_are_compared_without_case() {
        let purpose = Purpose::TlsClientAuth {
            host: "Example.FR".to_owned(),
            port: 443,
        };
        assert_eq!(purpose.destination().as_deref(), Some("example.fr:443"));
    }

    #[test]
    fn mail_is_one_purpose_for_all_servers_of_an_operator() {
        let purpose = Purpose::Mail {
            operator: "IMAP.Operateur.test".to_owned(),
        };
        assert_eq!(
            purpose.destination().as_deref(),
            Some("imap.operateur.test")
        );
        assert!(purpose.needs_grant() && !purpose.needs_consent_each_time());
        let words = purpose.in_words(Language::Fr);
        assert!(words.ends_with("MSSanté (IMAP.Operateur.test)"), "{words}");
    }

    #[test]
    fn locales_choose_the_language() {
        assert_eq!(Language::of_locale("fr_FR.UTF-8"), Some(Language::Fr));
        assert_eq!(Language::of_locale("en_GB"), Some(Language::En));
        assert_eq!(Language::of_locale("C.UTF-8"), Some(Language::En));
        assert_eq!(Language::of_locale("de_DE"), None);
    }
}
