use super::*;
use Trouble::*;

/// The table of the domain page "mssante", section 11: situation, IMAP answer, SMTP answer, text.
/// An empty answer stands for one that the protocol has no use for.
const TABLE: &[(u8, Trouble, &str, &str, &str)] = &[
    (
        1,
        WrongPassword,
        "a NO [AUTHENTICATIONFAILED]",
        "535 5.7.8",
        "Mot de passe d'application incorrect pour ce compte",
    ),
    (
        2,
        OtherMailbox,
        "a NO [AUTHORIZATIONFAILED]",
        "535 5.7.8",
        "Ce mot de passe ne correspond pas a cette boite",
    ),
    (
        4,
        UnknownMechanism,
        "a NO",
        "504 5.5.4",
        "Mecanisme non pris en charge",
    ),
    // The page has one text for the three of row 4; these say what happened.
    (
        4,
        MalformedAuthentication,
        "a BAD",
        "501 5.5.2",
        "Authentification mal formee",
    ),
    (
        4,
        Cancelled,
        "a BAD",
        "501 5.7.0",
        "Authentification annulee",
    ),
    (
        6,
        NotLoggedIn,
        "a BAD",
        "530 5.7.0",
        "Authentification requise",
    ),
    (
        7,
        NoReader,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Lecteur de carte non detecte",
    ),
    (
        8,
        NoCard,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Inserez votre carte CPS",
    ),
    (
        9,
        OtherCard,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "La carte inseree n'est pas celle de cette boite",
    ),
    (
        10,
        PinPending,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Code PIN attendu dans la fenetre cpsd",
    ),
    // Row 12, a wrong PIN, stays in the dialog and ends as row 11.
    (
        11,
        PinCancelled,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Saisie du code annulee",
    ),
    (
        13,
        PinBlocked,
        "a NO [CONTACTADMIN]",
        "454 4.7.0",
        "Carte bloquee : deblocage necessaire",
    ),
    (
        14,
        CardCertificate,
        "a NO [CONTACTADMIN]",
        "454 4.7.0",
        "Certificat de la carte expire",
    ),
    (
        15,
        CardBusy,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Carte occupee, nouvel essai automatique",
    ),
    (
        16,
        NoCommonScheme,
        "a NO [CONTACTADMIN]",
        "454 4.7.5",
        "Serveur incompatible avec cette carte (TLS 1.3)",
    ),
    (
        18,
        PhonePending,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Validez la demande sur votre e-CPS",
    ),
    (
        19,
        PhoneRefused,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Demande e-CPS refusee ou expiree",
    ),
    (
        20,
        SessionOver,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Session Pro Sante Connect terminee, reconnectez-vous",
    ),
    (
        21,
        TokenRefused,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "L'operateur refuse le jeton pour le moment",
    ),
    (
        22,
        NoToken,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Pro Sante Connect injoignable",
    ),
    (
        23,
        Unreachable,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Operateur MSSante injoignable",
    ),
    (
        24,
        Insecure,
        "a NO [CONTACTADMIN]",
        "454 4.7.0",
        "Connexion non securisable : refusee",
    ),
    (
        25,
        ServerCertificate,
        "a NO [CONTACTADMIN]",
        "454 4.7.5",
        "Certificat du serveur refuse",
    ),
    (
        26,
        NoRevocationList,
        "a NO [UNAVAILABLE]",
        "454 4.7.0",
        "Liste de revocation indisponible",
    ),
    (
        27,
        CardNotAccepted(String::new()),
        "a NO [CONTACTADMIN]",
        "454 4.7.0",
        "L'operateur n'a pas accepte la carte",
    ),
    (
        28,
        NotYourMailbox(String::new()),
        "a NO [AUTHORIZATIONFAILED]",
        "454 4.7.0",
        "Cette boite n'est pas rattachee a votre carte",
    ),
    (
        30,
        Sender,
        "",
        "553 5.7.1",
        "Adresse d'expediteur non rattachee a votre identite",
    ),
    (
        31,
        Recipient,
        "",
        "550 5.7.1",
        "Destinataire hors espace de confiance MSSante",
    ),
    (
        32,
        PatientTooLarge,
        "",
        "552 5.3.4",
        "Message trop volumineux (25 Mo maximum vers Mon espace sante)",
    ),
];

/// The rows that end a session, or stand for its greeting.
const CLOSING: &[(u8, Trouble, &str, &str, &str)] = &[
    (
        17,
        CardRemoved,
        "* BYE [UNAVAILABLE]",
        "421 4.3.2",
        "Carte retiree : session fermee",
    ),
    (
        20,
        SessionOver,
        "* BYE [UNAVAILABLE]",
        "421 4.3.2",
        "Session Pro Sante Connect terminee, reconnectez-vous",
    ),
    (
        33,
        Closing,
        "* BYE [UNAVAILABLE]",
        "421 4.3.2",
        "Session fermee, reconnexion automatique",
    ),
    (
        34,
        TooMany,
        "* BYE [UNAVAILABLE]",
        "421 4.7.0",
        "Trop de connexions simultanees",
    ),
];

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("US-ASCII")
}

#[test]
fn each_row_is_answered_as_the_table_says() {
    for (row, trouble, imap, smtp, words) in TABLE {
        if !imap.is_empty() {
            assert_eq!(
                text(trouble.imap("a", Language::French)),
                format!("{imap} {words}\r\n"),
                "row {row}"
            );
        }
        assert_eq!(
            text(trouble.smtp(Language::French)),
            format!("{smtp} {words}\r\n"),
            "row {row}"
        );
    }
    for (row, trouble, imap, smtp, words) in CLOSING {
        assert_eq!(
            text(trouble.imap_bye(Language::French)),
            format!("{imap} {words}\r\n"),
            "row {row}"
        );
        assert_eq!(
            text(trouble.smtp_closing(Language::French)),
            format!("{smtp} {words}\r\n"),
            "row {row}"
        );
        assert_eq!(
            trouble.smtp_greeting(Language::French),
            trouble.smtp_closing(Language::French)
        );
    }
    // Row 3.
    let words = "Acces refuse : autre utilisateur\r\n";
    assert_eq!(
        text(OtherUser.imap_bye(Language::French)),
        format!("* BYE {words}")
    );
    assert_eq!(
        text(OtherUser.smtp_greeting(Language::French)),
        format!("554 {words}")
    );
}

#[test]
fn only_a_wrong_password_is_an_authentication_failure() {
    for trouble in all() {
        for language in [Language::French, Language::English] {
            let imap = [trouble.imap("a", language), trouble.imap_bye(language)].concat();
            let smtp = [
                trouble.smtp(language),
                trouble.smtp_greeting(language),
                trouble.smtp_closing(language),
            ];
            assert_eq!(
                text(imap).contains("AUTHENTICATIONFAILED"),
                trouble == WrongPassword
            );
            assert_eq!(
                smtp.iter().any(|reply| reply.starts_with(b"535")),
                matches!(trouble, WrongPassword | OtherMailbox)
            );
        }
        assert_eq!(
            trouble.is_credentials(),
            matches!(trouble, WrongPassword | OtherMailbox)
        );
    }
}

#[test]
fn an_operators_refusal_has_its_row() {
    let words = || "words".to_owned();
    for (refused, trouble) in [
        (Refused::NoStartTls, Insecure),
        (Refused::Injected, Insecure),
        (Refused::Protocol("x"), Operator(String::new())),
        (Refused::NoMechanism("EXTERNAL"), NoMechanism("EXTERNAL")),
        (Refused::Certificate(words()), CardNotAccepted(words())),
        (Refused::Mailbox(words()), NotYourMailbox(words())),
        (Refused::Token, TokenRefused),
        (Refused::Unavailable(words()), Operator(words())),
    ] {
        assert_eq!(Trouble::from(refused), trouble);
    }
}

#[test]
fn each_answer_is_one_short_line_of_ascii() {
    for trouble in all() {
        for language in [Language::French, Language::English] {
            for answer in [
                trouble.imap("a", language),
                trouble.imap_bye(language),
                trouble.smtp(language),
                trouble.smtp_greeting(language),
                trouble.smtp_closing(language),
            ] {
                // RFC 5321 section 4.5.3.1.5: a reply line has 512 octets at most.
                assert!(answer.len() <= 512);
                let line = answer.strip_suffix(b"\r\n").expect("a line end");
                assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
            }
        }
    }
}

#[test]
fn an_operator_is_quoted_without_what_must_not_be_shown() {
    let shown = |words: &str| CardNotAccepted(words.to_owned()).text(Language::English);
    assert_eq!(
        shown("Client didn't present valid SSL certificate"),
        "The operator did not accept the card: Client didn't present valid SSL certificate"
    );
    let quoted = |words: &str| {
        let text = shown(words).into_owned();
        let quoted = text.strip_prefix("The operator did not accept the card: ");
        quoted.map(str::to_owned)
    };
    assert_eq!(
        quoted("two\r\n* OK lines").as_deref(),
        Some("two * OK lines")
    );
    assert_eq!(
        quoted("acces refus\u{e9}\0!").as_deref(),
        Some("acces refus !")
    );
    assert_eq!(
        quoted("<279035121518989@patient.mssante.fr>: no").as_deref(),
        Some("... no")
    );
    assert_eq!(quoted("id 899700366240").as_deref(), Some("id ..."));
    let token = "eyJhbGciOiJSUzI1NiJ9".repeat(5);
    assert_eq!(quoted(&format!("bad {token}")).as_deref(), Some("bad ..."));
    let long = quoted(&"word ".repeat(1000)).expect("quoted");
    assert!(long.len() <= 200);
    assert_eq!(quoted("\u{e9}\u{e9}"), None);
}

/// Each trouble once, those with words with hostile ones.
fn all() -> Vec<Trouble> {
    let words = || "AUTHENTICATION\u{e9}\r\n535 5.7.8 x ".repeat(100);
    let mut all: Vec<Trouble> = TABLE
        .iter()
        .chain(CLOSING)
        .map(|(_, trouble, ..)| trouble.clone())
        .collect();
    all.extend([
        OtherUser,
        TooLarge(10),
        NoMechanism("EXTERNAL"),
        NotAllowed,
        Internal,
        CardNotAccepted(words()),
        NotYourMailbox(words()),
        Operator(words()),
    ]);
    all
}
