//! The sentences of the error mapping (domain page "mssante", section 11).

use std::borrow::Cow;

use super::{Language, Trouble};

impl Trouble {
    pub(super) fn words(&self, language: Language) -> Cow<'static, str> {
        let [french, english] = match self {
            Self::WrongPassword => [
                "Mot de passe d'application incorrect pour ce compte",
                "Wrong application password for this account",
            ],
            Self::OtherMailbox => [
                "Ce mot de passe ne correspond pas a cette boite",
                "This password is not the one of this mailbox",
            ],
            Self::OtherUser => [
                "Acces refuse : autre utilisateur",
                "Access denied: another user",
            ],
            Self::UnknownMechanism => ["Mecanisme non pris en charge", "Mechanism not supported"],
            Self::MalformedAuthentication => {
                ["Authentification mal formee", "Malformed authentication"]
            }
            Self::Cancelled => ["Authentification annulee", "Authentication cancelled"],
            Self::NotLoggedIn => ["Authentification requise", "Authentication required"],
            Self::NoReader => ["Lecteur de carte non detecte", "No card reader found"],
            Self::NoCard => ["Inserez votre carte CPS", "Insert your CPS card"],
            Self::OtherCard => [
                "La carte inseree n'est pas celle de cette boite",
                "The inserted card is not the one of this mailbox",
            ],
            Self::PinPending => [
                "Code PIN attendu dans la fenetre cpsd",
                "The PIN is awaited in the window of cpsd",
            ],
            Self::PinCancelled => ["Saisie du code annulee", "The PIN was not entered"],
            Self::PinBlocked => [
                "Carte bloquee : deblocage necessaire",
                "The card is blocked and must be unblocked",
            ],
            Self::CardCertificate => [
                "Certificat de la carte expire",
                "The card's certificate has expired",
            ],
            Self::CardBusy => [
                "Carte occupee, nouvel essai automatique",
                "The card is busy, to be tried again",
            ],
            Self::NoCommonScheme => [
                "Serveur incompatible avec cette carte (TLS 1.3)",
                "The server is not compatible with this card (TLS 1.3)",
            ],
            Self::CardRemoved => [
                "Carte retiree : session fermee",
                "The card was removed: session closed",
            ],
            Self::PhonePending => [
                "Validez la demande sur votre e-CPS",
                "Approve the request on your e-CPS",
            ],
            Self::PhoneRefused => [
                "Demande e-CPS refusee ou expiree",
                "The e-CPS request was refused or has expired",
            ],
            Self::SessionOver => [
                "Session Pro Sante Connect terminee, reconnectez-vous",
                "The Pro Sante Connect session is over, log in again",
            ],
            Self::TokenRefused => [
                "L'operateur refuse le jeton pour le moment",
                "The operator refuses the token at the moment",
            ],
            Self::NoToken => [
                "Pro Sante Connect injoignable",
                "Pro Sante Connect cannot be reached",
            ],
            Self::Unreachable => [
                "Operateur MSSante injoignable",
                "The MSSante operator cannot be reached",
            ],
            Self::Insecure => [
                "Connexion non securisable : refusee",
                "The connection cannot be secured: refused",
            ],
            Self::ServerCertificate => [
                "Certificat du serveur refuse",
                "The server's certificate is refused",
            ],
            Self::NoRevocationList => [
                "Liste de revocation indisponible",
                "No revocation list available",
            ],
            Self::Sender => [
                "Adresse d'expediteur non rattachee a votre identite",
                "The sender's address does not belong to your identity",
            ],
            Self::Recipient => [
                "Destinataire hors espace de confiance MSSante",
                "The recipient is outside the MSSante trust space",
            ],
            Self::Closing => [
                "Session fermee, reconnexion automatique",
                "Session closed, to be opened again",
            ],
            Self::TooMany => [
                "Trop de connexions simultanees",
                "Too many connections at once",
            ],
            Self::NotAllowed => [
                "Ce programme n'a pas recu l'autorisation d'utiliser la carte",
                "This program was not allowed to use the card",
            ],
            Self::Internal => ["Erreur interne de cpsd", "Internal error of cpsd"],
            Self::PatientTooLarge => [
                "Message trop volumineux (25 Mo maximum vers Mon espace sante)",
                "Message too large (25 MB at most to Mon espace sante)",
            ],
            Self::TooLarge(limit) => {
                return Cow::Owned(match language {
                    Language::French => format!("Message trop volumineux ({limit} Mo maximum)"),
                    Language::English => format!("Message too large ({limit} MB at most)"),
                });
            }
            Self::NoMechanism(name) => {
                return with(
                    language,
                    [
                        "L'operateur ne propose pas la connexion prevue",
                        "The operator does not offer the configured login",
                    ],
                    name,
                );
            }
            Self::CardNotAccepted(words) => {
                return with(
                    language,
                    [
                        "L'operateur n'a pas accepte la carte",
                        "The operator did not accept the card",
                    ],
                    words,
                );
            }
            Self::NotYourMailbox(words) => {
                return with(
                    language,
                    [
                        "Cette boite n'est pas rattachee a votre carte",
                        "This mailbox does not belong to your card",
                    ],
                    words,
                );
            }
            Self::Operator(words) => {
                return with(
                    language,
                    [
                        "Incident chez l'operateur MSSante",
                        "The MSSante operator has a failure",
                    ],
                    words,
                );
            }
        };
        Cow::Borrowed(match language {
            Language::French => french,
            Language::English => english,
        })
    }
}

/// Our sentence, and behind it the operator's own words.
fn with(language: Language, [french, english]: [&str; 2], words: &str) -> Cow<'static, str> {
    let words = visible(words);
    let (sentence, colon) = match language {
        Language::French => (french, " : "),
        Language::English => (english, ": "),
    };
    Cow::Owned(match words.is_empty() {
        true => sentence.to_owned(),
        false => format!("{sentence}{colon}{words}"),
    })
}

/// What may be shown of an operator's words: one line of printable US-ASCII, no more than
/// [`WORDS`] bytes, and in place of what looks like a token, base64 or a national identifier three
/// dots.
fn visible(words: &str) -> String {
    let mut shown = String::new();
    for word in words.split(|c: char| !c.is_ascii_graphic()) {
        if word.is_empty() {
            continue;
        }
        let word = match is_confidential(word) {
            true => "...",
            false => word,
        };
        if shown.len() + 1 + word.len() > WORDS {
            break;
        }
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
    }
    shown
}

/// Whether a word may be a token, base64, or hold a national identifier (RPPS: 11 digits with its
/// type before them 12, ADELI: 9 and 10, INS: 15).
fn is_confidential(word: &str) -> bool {
    let digits = word
        .split(|c: char| !c.is_ascii_digit())
        .map(str::len)
        .max();
    word.len() > LONGEST_WORD || digits >= Some(9)
}

/// How much of an operator's words is shown.
const WORDS: usize = 200;

/// The longest mail address that is likely, and shorter than any token.
const LONGEST_WORD: usize = 64;
