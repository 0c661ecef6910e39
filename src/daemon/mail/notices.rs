//! What the gateway tells the person on the desktop: what a mail client shows badly or not at all.

use cps_mail::Protocol;

use crate::caller::visible;
use crate::notify::Notifier;
use crate::purpose::Language::{self, En, Fr};

/// The language of messages, as locale(7) finds it.
fn of_environment() -> Language {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
    let language = locale.and_then(|locale| Language::of_locale(&locale));
    language.unwrap_or_default()
}

/// The gateway's notifications, each kind once in a while.
#[derive(Debug, Default)]
pub struct Notices {
    notifier: Notifier,
    language: Language,
}

impl Notices {
    /// Notifications in the configured language, or else that of the daemon's environment.
    pub fn new(notifier: Notifier, language: Option<Language>) -> Self {
        Self {
            notifier,
            language: language.unwrap_or_else(of_environment),
        }
    }

    /// The language in which the person and clients are told things.
    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// A client speaks TLS on a port that does not (domain page "mssante", section 11, row 5).
    pub(super) fn tls_client(&self, program: Option<&str>, protocol: Protocol) {
        let what = match protocol {
            Protocol::Imap => "IMAP",
            Protocol::Smtp => "SMTP",
        };
        let program = program.map(visible);
        let (title, body) = match self.language {
            Fr => (
                "Réglage du compte MSSanté",
                format!(
                    "{} chiffre sa connexion locale. Réglez le compte ({what}, 127.0.0.1) sur \
                     « aucune sécurité » : la liaison vers l'opérateur, elle, est toujours chiffrée.",
                    program.as_deref().unwrap_or("Le logiciel de messagerie"),
                ),
            ),
            En => (
                "MSSanté account settings",
                format!(
                    "{} encrypts its local connection. Set the account ({what}, 127.0.0.1) to \
                     'no security': the way to the operator is always encrypted.",
                    program.as_deref().unwrap_or("The mail program"),
                ),
            ),
        };
        self.notifier.tell("mail-tls", title, &body);
    }

    /// A message goes to a recipient outside the trust space.
    pub fn outside(&self, domain: &str) {
        let domain = visible(domain);
        let (title, body) = match self.language {
            Fr => (
                "Destinataire hors MSSanté",
                format!(
                    "Un message part vers {domain}, hors de l'espace de confiance : l'opérateur \
                     peut le refuser, et rien n'y protège des données de santé."
                ),
            ),
            En => (
                "Recipient outside MSSanté",
                format!(
                    "A message goes to {domain}, outside the trust space: the operator may refuse \
                     it, and nothing protects health data there."
                ),
            ),
        };
        self.notifier.tell("mail-outside", title, &body);
    }

    /// The operator does not accept the card, or does not open this mailbox to it.
    pub(super) fn card_refused(&self, operator: &str, words: &str) {
        let (operator, words) = (visible(operator), visible(words));
        let (title, body) = match self.language {
            Fr => (
                "Carte refusée par l'opérateur",
                format!("{operator} n'ouvre pas cette boîte à votre carte : {words}"),
            ),
            En => (
                "Card refused by the operator",
                format!("{operator} does not open this mailbox to your card: {words}"),
            ),
        };
        self.notifier.tell("mail-card", title, &body);
    }

    /// Nobody is asked for a while.
    pub(super) fn quiet(&self) {
        let (title, body) = match self.language {
            Fr => (
                "Messagerie MSSanté en attente",
                "La carte n'a pas été déverrouillée : la messagerie ne redemandera pas d'elle-même. \
                 Réinsérez la carte, ou lancez « cps login », pour relever vos messages.",
            ),
            En => (
                "MSSanté mail is waiting",
                "The card was not unlocked: mail will not ask again by itself. Insert the card \
                 again, or run 'cps login', to get your mail.",
            ),
        };
        self.notifier.tell("mail-quiet", title, body);
    }
}
