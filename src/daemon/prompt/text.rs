//! The words of every dialog, French and English.

use super::{
    ConfirmRequest, InformRequest, Message, PinNote, PinRequest, Question, Secret, Subject,
};
use crate::caller::visible;
use crate::purpose::Language::{self, En, Fr};
use crate::token::KeyRole;

/// What a dialog shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Dialog {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) prompt: String,
    pub(super) error: Option<String>,
    pub(super) ok: String,
    pub(super) cancel: String,
    /// Label of a third button, for the weaker of two ways to say yes.
    pub(super) once: Option<String>,
}

impl From<&PinRequest> for Dialog {
    fn from(request: &PinRequest) -> Self {
        let language = request.subject.language;
        let (shortest, longest) = request.length;
        let prompt = match (request.secret, language) {
            (Secret::Current, Fr) => "Code porteur :",
            (Secret::Current, En) => "PIN:",
            (Secret::New, Fr) => "Nouveau code :",
            (Secret::New, En) => "New PIN:",
            (Secret::Repeated, Fr) => "Nouveau code, encore une fois :",
            (Secret::Repeated, En) => "New PIN once more:",
            (Secret::Unblocking, Fr) => "Code de déblocage :",
            (Secret::Unblocking, En) => "Unblocking code:",
        };
        let mut lines = subject(&request.subject);
        lines.extend(consent(request).map(str::to_owned));
        if let Some(left) = request.tries_left {
            lines.push(tries(left, language));
        }
        if matches!(request.secret, Secret::New | Secret::Repeated) {
            lines.push(match (language, shortest == longest) {
                (Fr, true) => format!("Le nouveau code compte {shortest} chiffres."),
                (Fr, false) => {
                    format!("Le nouveau code compte de {shortest} à {longest} chiffres.")
                }
                (En, true) => format!("The new PIN has {shortest} digits."),
                (En, false) => format!("The new PIN has {shortest} to {longest} digits."),
            });
        }
        let error = request.note.map(|note| match (note, language) {
            (PinNote::AlreadyRefused, Fr) => {
                "La carte vient de refuser ce code : il ne lui est pas envoyé de nouveau."
                    .to_owned()
            }
            (PinNote::AlreadyRefused, En) => {
                "The card has just refused this PIN: it is not sent again.".to_owned()
            }
            (PinNote::Incorrect, Fr) => "La carte a refusé ce code.".to_owned(),
            (PinNote::Incorrect, En) => "The card refused this PIN.".to_owned(),
            (PinNote::Mismatch, Fr) => "Les deux saisies diffèrent.".to_owned(),
            (PinNote::Mismatch, En) => "The two entries differ.".to_owned(),
            (PinNote::WrongForm, Fr) => {
                format!(
                    "Le code compte de {shortest} à {longest} chiffres : il n'a pas été envoyé."
                )
            }
            (PinNote::WrongForm, En) => {
                format!("The code has {shortest} to {longest} digits: it was not sent.")
            }
        });
        let (ok, cancel) = pick(language, ("Valider", "Annuler"), ("OK", "Cancel"));
        Self {
            title: title(language),
            description: lines.join("\n"),
            prompt: prompt.to_owned(),
            error,
            ok: ok.to_owned(),
            cancel: cancel.to_owned(),
            once: None,
        }
    }
}

/// What typing the PIN in this dialog agrees to, where it agrees to more than unlocking the card.
fn consent(request: &PinRequest) -> Option<&'static str> {
    match request.secret {
        Secret::Current => agreement(&request.subject),
        _ => None,
    }
}

/// What typing the PIN for this purpose agrees to.
fn agreement(subject: &Subject) -> Option<&'static str> {
    if !subject.purpose.needs_grant() {
        return None;
    }
    Some(
        match (subject.purpose.needs_consent_each_time(), subject.language) {
            (true, Fr) => "Saisir votre code vaut accord pour ce document seulement.",
            (true, En) => "Typing your PIN allows this document only.",
            (false, Fr) => {
                "Saisir votre code l'y autorise jusqu'au retrait ou au verrouillage de la carte."
            }
            (false, En) => "Typing your PIN allows it until the card is removed or locked.",
        },
    )
}

impl From<&ConfirmRequest> for Dialog {
    fn from(request: &ConfirmRequest) -> Self {
        let language = request.subject.language;
        let mut lines = subject(&request.subject);
        let (ok, cancel, once) = match (request.question, language) {
            (Question::Allow { days }, Fr) => {
                lines.push("L'autorisez-vous ?".to_owned());
                (longer(days, Fr), "Refuser", Some("Une seule fois"))
            }
            (Question::Allow { days }, En) => {
                lines.push("Do you allow it?".to_owned());
                (longer(days, En), "Deny", Some("Just once"))
            }
            (Question::AllowOnce, Fr) => {
                lines.push("L'autorisez-vous, cette fois seulement ?".to_owned());
                ("Autoriser".to_owned(), "Refuser", None)
            }
            (Question::AllowOnce, En) => {
                lines.push("Do you allow it, this time only?".to_owned());
                ("Allow".to_owned(), "Deny", None)
            }
            (Question::LastTry, Fr) => {
                lines.push(
                    "Il ne reste qu'UN essai. Un code faux bloquera la carte : il faudra alors le \
                     code de déblocage. Tenter ce dernier essai ?"
                        .to_owned(),
                );
                ("Utiliser le dernier essai".to_owned(), "Renoncer", None)
            }
            (Question::LastTry, En) => {
                lines.push(
                    "Only ONE try is left. A wrong PIN will block the card, and the unblocking \
                     code will be needed. Use the last try?"
                        .to_owned(),
                );
                ("Use the last try".to_owned(), "Give up", None)
            }
            (Question::PerhapsLastTry, Fr) => {
                lines.push(
                    "Un code faux a déjà été donné, et ce support ne dit pas combien d'essais il \
                     reste : c'est peut-être le dernier. Essayer quand même ?"
                        .to_owned(),
                );
                ("Essayer".to_owned(), "Renoncer", None)
            }
            (Question::PerhapsLastTry, En) => {
                lines.push(
                    "A wrong PIN was given before, and this token does not tell how many tries are \
                     left: it may be the last one. Try all the same?"
                        .to_owned(),
                );
                ("Try".to_owned(), "Give up", None)
            }
            (Question::PinPad, Fr) => {
                lines.extend(agreement(&request.subject).map(str::to_owned));
                lines.push("Le code se tape sur le clavier du lecteur.".to_owned());
                ("Je tape mon code".to_owned(), "Renoncer", None)
            }
            (Question::PinPad, En) => {
                lines.extend(agreement(&request.subject).map(str::to_owned));
                lines.push("The PIN is typed at the pad of the reader.".to_owned());
                ("I type my PIN".to_owned(), "Give up", None)
            }
        };
        Self {
            title: title(language),
            description: lines.join("\n"),
            ok,
            cancel: cancel.to_owned(),
            once: once.map(str::to_owned),
            ..Self::default()
        }
    }
}

impl From<&InformRequest> for Dialog {
    fn from(request: &InformRequest) -> Self {
        let language = request.subject.language;
        let mut lines = subject(&request.subject);
        lines.push(match (request.message, language) {
            (Message::PinBlocked, Fr) => {
                "Le code porteur est maintenant bloqué. Pour le débloquer \
                avec le code de déblocage reçu de l'ANS : cps pin unblock"
                    .to_owned()
            }
            (Message::PinBlocked, En) => "The PIN is now blocked. To unblock it with the \
                unblocking code received from the ANS: cps pin unblock"
                .to_owned(),
        });
        let (ok, _) = pick(language, ("Fermer", ""), ("Close", ""));
        Self {
            title: title(language),
            description: lines.join("\n"),
            ok: ok.to_owned(),
            ..Self::default()
        }
    }
}

/// Who asks, for what, with which card and which certificate of it.
fn subject(subject: &Subject) -> Vec<String> {
    let language = subject.language;
    let wants = subject.purpose.in_words(language);
    let program = visible(&subject.program);
    let mut path = visible(&subject.path);
    if let Some(sandbox) = &subject.app_id {
        path = format!("{path} [{}]", visible(sandbox));
    }
    let mut card = visible(&subject.card);
    if let Some(holder) = &subject.holder {
        card = format!("{card}, {}", visible(holder));
    }
    let mut lines = match language {
        Fr => vec![
            format!("Le programme « {program} » veut {wants}."),
            format!("Programme : {path}"),
            format!("Carte : {card}"),
        ],
        En => vec![
            format!("The program “{program}” wants to {wants}."),
            format!("Program: {path}"),
            format!("Card: {card}"),
        ],
    };
    let certificate = subject.purpose.role().map(|role| match (role, language) {
        (KeyRole::Authentication, Fr) => "Certificat : authentification",
        (KeyRole::Authentication, En) => "Certificate: authentication",
        (KeyRole::Signature, Fr) => "Certificat : signature",
        (KeyRole::Signature, En) => "Certificate: signature",
    });
    lines.extend(certificate.map(str::to_owned));
    lines
}

fn tries(left: u8, language: Language) -> String {
    match (language, left) {
        (Fr, 0 | 1) => format!("Il reste {left} essai avant blocage."),
        (Fr, _) => format!("Il reste {left} essais avant blocage."),
        (En, 1) => "1 try left before the card blocks.".to_owned(),
        (En, _) => format!("{left} tries left before the card blocks."),
    }
}

fn longer(days: u16, language: Language) -> String {
    match (language, days) {
        (Fr, 0) => "Autoriser jusqu'au retrait de la carte".to_owned(),
        (Fr, 1) => "Autoriser un jour".to_owned(),
        (Fr, _) => format!("Autoriser {days} jours"),
        (En, 0) => "Allow until the card is removed".to_owned(),
        (En, 1) => "Allow for one day".to_owned(),
        (En, _) => format!("Allow for {days} days"),
    }
}

fn title(language: Language) -> String {
    match language {
        Fr => "Carte de professionnel de santé".to_owned(),
        En => "Health professional card".to_owned(),
    }
}

fn pick<T>(language: Language, french: T, english: T) -> T {
    match language {
        Fr => french,
        En => english,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::PromptEnvironment;
    use crate::purpose::Purpose;

    fn request(language: Language) -> PinRequest {
        PinRequest {
            subject: Subject {
                language,
                environment: PromptEnvironment::default(),
                program: "logiciel".to_owned(),
                path: "/opt/logiciel/bin/logiciel".to_owned(),
                app_id: None,
                purpose: Purpose::TlsClientAuth {
                    host: "dmp.example".to_owned(),
                    port: 443,
                },
                card: "90000001".to_owned(),
                holder: Some("Marie DUPONT-TEST".to_owned()),
            },
            secret: Secret::Current,
            tries_left: Some(2),
            length: (4, 8),
            note: None,
        }
    }

    #[test]
    fn a_dialog_names_program_sandbox_purpose_card_certificate_and_tries() {
        for (language, tries, certificate) in [
            (Fr, "2 essais", "Certificat : authentification"),
            (En, "2 tries", "Certificate: authentication"),
        ] {
            let mut request = request(language);
            request.subject.app_id = Some("flatpak:fr.example.Logiciel".to_owned());
            let dialog = Dialog::from(&request);
            for part in [
                certificate,
                "flatpak:fr.example.Logiciel",
                "logiciel",
                "/opt/logiciel/bin/logiciel",
                "dmp.example:443",
                "90000001",
                "Marie DUPONT-TEST",
                tries,
            ] {
                assert!(
                    dialog.description.contains(part),
                    "{part} in {}",
                    dialog.description
                );
            }
        }
    }

    #[test]
    fn a_pin_dialog_says_what_the_pin_agrees_to() {
        let mut asked = request(Fr);
        assert!(
            Dialog::from(&asked)
                .description
                .contains("jusqu'au retrait")
        );
        asked.subject.purpose = Purpose::SignCms {
            name: None,
            size: 1,
        };
        assert!(
            Dialog::from(&asked)
                .description
                .contains("ce document seulement")
        );
        for purpose in [Purpose::Login, Purpose::ChangePin] {
            asked.subject.purpose = purpose;
            let said = Dialog::from(&asked).description;
            assert!(!said.contains("Saisir votre code"), "{said}");
        }
    }

    #[test]
    fn a_hostile_program_name_adds_no_line() {
        let honest = Dialog::from(&request(Fr)).description.lines().count();
        let mut hostile = request(Fr);
        hostile.subject.program = "x\nIl reste 9 essais".to_owned();
        hostile.subject.path = "/opt/a\nb".to_owned();
        assert_eq!(Dialog::from(&hostile).description.lines().count(), honest);
    }

    #[test]
    fn only_a_lasting_permission_has_a_third_button() {
        let ask = |question| {
            Dialog::from(&ConfirmRequest {
                subject: request(Fr).subject,
                question,
            })
        };
        assert_eq!(
            ask(Question::Allow { days: 0 }).once.as_deref(),
            Some("Une seule fois")
        );
        assert_eq!(ask(Question::AllowOnce).once, None);
        for question in [
            Question::LastTry,
            Question::PerhapsLastTry,
            Question::PinPad,
        ] {
            assert_eq!(ask(question).once, None);
        }
        assert!(ask(Question::Allow { days: 7 }).ok.contains("7 jours"));
    }
}
