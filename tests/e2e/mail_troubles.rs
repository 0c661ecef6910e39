//! What a mail client is told when its mailbox does not open (domain page "mssante", section 11), in
//! both protocols, in French; and what each trouble must not cost.

use cps_emulator::{CrlVariant, Holder, Profile, ServerFlaw};
use cps_tests::mail::clients::curl_reads;
use cps_tests::mail::{
    Access, Dovecot, Impostor, Login, Manner, Office, Operator, Postfix, Token, Tokens, address,
};
use cps_tests::{Answer, InsertedCard, TlsVersions, until};

/// Row 1: an authentication failure, and the client may try again on the same connection.
#[test]
fn a_wrong_application_password_keeps_the_connection() {
    let (office, _card) = physician();
    let access = office.add(ALIX);
    let mut imap = access.imap();
    let answer = imap.imap_login(ALIX, "not the password");
    assert_says(
        &answer,
        "NO [AUTHENTICATIONFAILED] Mot de passe d'application incorrect",
    );
    let right = format!("LOGIN {ALIX} \"{}\"", access.imap.password);
    assert_says(&imap.imap_answer(&right), "OK");

    let mut smtp = access.smtp();
    let answer = smtp.smtp_login(ALIX, "not the password");
    assert_says(&answer, "535 5.7.8 Mot de passe d'application incorrect");
    assert_says(&smtp.smtp("NOOP"), "250");
    let (_, answer) = access.send();
    assert_says(&answer, "235");

    let mut guesser = access.imap();
    guesser.imap_login(ALIX, "one");
    guesser.imap("LOGIN alix two");
    guesser.send("t LOGIN alix three\r\n");
    let last: Vec<_> = std::iter::from_fn(|| guesser.line()).collect();
    assert!(
        last.iter().any(|line| line.starts_with("* BYE")),
        "{last:?}"
    );
    assert_eq!(office.practice.pinentry.pins_asked(), 1);
}

/// Row 2: the password is right, but for another mailbox.
#[test]
fn the_password_of_another_mailbox_opens_nothing() {
    let (office, _card) = physician();
    let (access, other) = (
        office.add(ALIX),
        office.add("a.exemple@medecin.test.mssante.fr"),
    );
    let answer = access.imap().imap_login(ALIX, &other.imap.password);
    assert_says(&answer, "NO [AUTHORIZATIONFAILED]");
    let answer = access.smtp().smtp_login(ALIX, &other.smtp.password);
    assert_says(&answer, "535 5.7.8");
    assert_eq!(office.practice.pinentry.pins_asked(), 0);
}

/// Rows 8 and 9: the card is elsewhere, or another one is here. Nobody is asked for a PIN.
#[test]
fn without_the_right_card_the_client_is_told_to_wait() {
    let (office, card) = physician();
    let access = office.add(ALIX);
    card.remove();
    let practice = &office.practice;
    let client = practice.cpsd.client();
    until("the card gone", || {
        client.cards().unwrap().cards.is_empty().then_some(())
    });
    refused(
        &access,
        "NO [UNAVAILABLE] Inserez votre carte CPS",
        "454 4.7.0 Inserez votre carte CPS",
    );

    let _other = practice.insert(0, practice.card(Holder::CpsInfirmier, Profile::Cps4));
    let text = "La carte inseree n'est pas celle de cette boite";
    refused(
        &access,
        &format!("NO [UNAVAILABLE] {text}"),
        &format!("454 4.7.0 {text}"),
    );
    assert_eq!(practice.pinentry.dialogs(), 0);
}

/// Rows 10 and 11: the dialog is closed; the clients that try again open no other one.
#[test]
fn a_cancelled_pin_is_not_asked_for_again() {
    let (office, card) = physician();
    let access = office.add(ALIX);
    let practice = &office.practice;
    practice.pinentry.queue(&[Answer::Cancel]);
    let text = "Saisie du code annulee";
    for _ in 0..3 {
        refused(
            &access,
            &format!("NO [UNAVAILABLE] {text}"),
            &format!("454 4.7.0 {text}"),
        );
    }
    // Nor does another program.
    let ended = curl_reads(&practice.sandbox, &access.imap);
    assert!(
        !ended.success && ended.said.contains(text),
        "{}",
        ended.said
    );
    assert_eq!(practice.pinentry.dialogs(), 1);
    assert_eq!(card.counters().verify, 0);

    // The person turns to the card: a client that comes back is let in.
    practice.cps(&["login"]);
    until("the mailbox open", || {
        access.read().1.starts_with("OK").then_some(())
    });
}

/// Row 10: the client is answered before it gives up; the dialog stays, and what is typed then counts.
#[test]
fn a_slow_person_finds_the_dialog_still_open() {
    let office = with("hold_seconds = 1", Login::Card);
    let _card = insert(&office, Profile::Cps4);
    let access = office.add(ALIX);
    let practice = &office.practice;
    practice.pinentry.queue(&[Answer::Wait]);
    let (_, answer) = access.read();
    assert_says(
        &answer,
        "NO [UNAVAILABLE] Code PIN attendu dans la fenetre cpsd",
    );
    let (_, answer) = access.send();
    assert_says(&answer, "454 4.7.0 Code PIN attendu dans la fenetre cpsd");
    assert!(practice.pinentry.running());
    assert_eq!(practice.pinentry.dialogs(), 1);
}

/// Row 13: no dialog that cannot succeed.
#[test]
fn a_blocked_card_is_for_the_administrator() {
    let office = with("", Login::Card);
    let mut card = office.practice.card(Holder::CpsMedecin, Profile::Cps3);
    card.set_pin_tries(0);
    let _card = office.practice.insert(0, card);
    let access = office.add(ALIX);
    let text = "Carte bloquee : deblocage necessaire";
    refused(
        &access,
        &format!("NO [CONTACTADMIN] {text}"),
        &format!("454 4.7.0 {text}"),
    );
    assert_eq!(office.practice.pinentry.pins_asked(), 0);
}

/// Row 16: said before the PIN is asked.
#[test]
fn a_cps3_cannot_send_to_an_operator_of_tls_1_3() {
    let office: Office<(Dovecot, Postfix)> = Office::new(|ground| {
        let servers = (
            ground.dovecot("card", Login::Card),
            ground.postfix("tls-1.3", TlsVersions::Tls13),
        );
        let operator = Operator::dovecot(MEDECIN, &servers.0).sending_to(&servers.1);
        (servers, vec![operator])
    });
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    let (_, answer) = office.add(ALIX).send();
    assert_says(
        &answer,
        "454 4.7.5 Serveur incompatible avec cette carte (TLS 1.3)",
    );
    assert_eq!(practice.pinentry.pins_asked(), 0);
}

/// Row 21: a token that is refused is exchanged once, and only once.
#[test]
fn a_refused_token_is_exchanged_once() {
    let office: Office<(Dovecot, Tokens)> = Office::new(|ground| {
        let tokens = Tokens::new(ground.sandbox, ground.pki);
        let dovecot = ground.dovecot("token", Login::Token(&tokens));
        let operator = Operator::dovecot(MEDECIN, &dovecot).by_token("xoauth2", &tokens);
        ((dovecot, tokens), vec![operator])
    });
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    let access = office.add(ALIX);
    let (dovecot, tokens) = &office.servers;
    let mint = |token| tokens.mint(&practice.sandbox, ALIX, token);
    tokens.hand_out(&[mint(Token::Expired), mint(Token::Good)]);
    let (_, answer) = access.read();
    assert_says(&answer, "OK");
    assert_eq!(tokens.asked(), 2);

    assert_eq!(dovecot.logins().len(), 1);

    tokens.hand_out(&[mint(Token::OtherIssuer)]);
    let text = "L'operateur refuse le jeton pour le moment";
    let (_, answer) = access.read();
    assert_says(&answer, &format!("NO [UNAVAILABLE] {text}"));
    assert_eq!(tokens.asked(), 4);
    let (_, answer) = access.send();
    assert_says(&answer, &format!("454 4.7.0 {text}"));
    assert_eq!(tokens.asked(), 6);
}

/// Row 21: as a real operator was seen to do it, by closing the connection behind its challenge.
#[test]
fn an_operator_that_drops_a_refused_token_is_asked_once_more() {
    let office: Office<(Impostor, Tokens)> = Office::new(|ground| {
        let tokens = Tokens::new(ground.sandbox, ground.pki);
        let server = Impostor::start(ground.pki, &ground.identity, Manner::RefusesAndDrops);
        let operator = Operator::impostor(MEDECIN, &server).by_token("xoauth2", &tokens);
        ((server, tokens), vec![operator])
    });
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    let access = office.add(ALIX);
    let (server, tokens) = &office.servers;
    let mint = || tokens.mint(&practice.sandbox, ALIX, Token::Good);
    tokens.hand_out(&[mint(), mint(), mint(), mint(), mint()]);
    let text = "L'operateur refuse le jeton pour le moment";
    let attempts = |verb: &str| {
        server
            .heard()
            .iter()
            .filter(|line| line.contains(verb))
            .count()
    };
    let (_, answer) = access.read();
    assert_says(&answer, &format!("NO [UNAVAILABLE] {text}"));
    assert_eq!((attempts("AUTHENTICATE XOAUTH2"), tokens.asked()), (2, 2));
    let (_, answer) = access.send();
    assert_says(&answer, &format!("454 4.7.0 {text}"));
    assert_eq!(attempts("AUTH XOAUTH2"), 2);
}

/// Row 23.
#[test]
fn an_operator_that_is_down_is_told_apart_from_a_wrong_password() {
    let (mut office, _card) = physician();
    let access = office.add(ALIX);
    office.servers.stop();
    let text = "Operateur MSSante injoignable";
    refused(
        &access,
        &format!("NO [UNAVAILABLE] {text}"),
        &format!("454 4.7.0 {text}"),
    );
    assert_eq!(office.practice.pinentry.pins_asked(), 0);
}

/// Row 24: nothing that could prove or open anything goes over a connection that stays in the clear.
#[test]
fn a_connection_that_cannot_be_secured_gets_nothing() {
    for manner in [
        Manner::NoStartTls,
        Manner::Injects,
        Manner::PreAuthenticated,
    ] {
        let (office, _card) = meeting(manner, ServerFlaw::None, "localhost");
        let access = office.add(ALIX);
        let text = "Connexion non securisable : refusee";
        let (_, answer) = access.read();
        assert_says(&answer, &format!("NO [CONTACTADMIN] {text}"));
        // PREAUTH is a word of IMAP alone.
        if manner != Manner::PreAuthenticated {
            let (_, answer) = access.send();
            assert_says(&answer, &format!("454 4.7.0 {text}"));
        }
        nothing_heard(&office);
    }
}

/// Row 25: expired, revoked, of another authority, for another name: no handshake is completed, so
/// not one byte of a login is sent.
#[test]
fn a_server_with_a_bad_certificate_hears_nothing() {
    for (flaw, name) in [
        (ServerFlaw::Expired, "localhost"),
        (ServerFlaw::Revoked, "localhost"),
        (ServerFlaw::RogueRoot, "localhost"),
        (ServerFlaw::None, "elsewhere.test"),
    ] {
        let (office, _card) = meeting(Manner::Proper, flaw, name);
        let practice = &office.practice;
        practice
            .publisher
            .publish(&practice.pki, CrlVariant::Revoked);
        let access = office.add(ALIX);
        let text = "Certificat du serveur refuse";
        refused(
            &access,
            &format!("NO [CONTACTADMIN] {text}"),
            &format!("454 4.7.5 {text}"),
        );
        nothing_heard(&office);
        assert_eq!(office.servers.handshakes(), 0, "{flaw:?} {name}");
    }
}

/// A server that knows the card already asks for no login.
#[test]
fn a_client_that_is_logged_in_by_the_handshake_is_let_through() {
    let office: Office<Impostor> = Office::new(|ground| {
        let server = Impostor::start(ground.pki, &ground.identity, Manner::PreAuthenticatedInTls);
        let operator = Operator::impostor(MEDECIN, &server).in_tls();
        (server, vec![operator])
    });
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    let (mut talk, answer) = office.add(ALIX).read();
    assert_says(&answer, "OK");
    assert_says(&talk.imap_answer("NOOP"), "OK");
    let heard = office.servers.heard();
    assert!(
        heard.iter().all(|line| !line.contains("AUTHENTICATE")),
        "{heard:?}"
    );
}

/// Row 27: the operator knows that the card was revoked, this computer does not yet.
#[test]
fn a_card_that_the_operator_refuses_is_for_the_administrator() {
    let mut office = with("", Login::Card);
    let practice = &office.practice;
    office.servers.believe(&practice.pki, CrlVariant::Revoked);
    let _card = practice.insert(0, practice.card(Holder::CpsRevoked, Profile::Cps4));
    let access = office.add(ALIX);
    let (_, answer) = access.read();
    assert_says(
        &answer,
        "NO [CONTACTADMIN] L'operateur n'a pas accepte la carte",
    );
    assert!(
        answer.contains("Client didn't present valid SSL certificate"),
        "{answer}"
    );
    let (_, answer) = access.send();
    assert_says(&answer, "454 4.7.0 L'operateur n'a pas accepte la carte");
}

/// Row 28: the card is good, the mailbox is not its holder's.
#[test]
fn a_mailbox_that_the_operator_does_not_open_to_this_card_is_told_apart() {
    let office = with("", Login::Card);
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(Holder::CpfMedecin, Profile::Cps4));
    let access = office.add("dominique.specimen@medecin.test.mssante.fr");
    let text = "Cette boite n'est pas rattachee a votre carte";
    refused(
        &access,
        &format!("NO [AUTHORIZATIONFAILED] {text}"),
        &format!("454 4.7.0 {text}"),
    );
}

/// Rows 30 to 32: refused here, although the operator would take all of it.
#[test]
fn the_rules_of_the_space_are_kept_before_the_operator_sees_anything() {
    let office = with("outside = \"refuse\"\nsize_mib = 1", Login::Card);
    let _card = insert(&office, Profile::Cps4);
    let access = office.add(ALIX);
    let (mut smtp, answer) = access.send();
    assert_says(&answer, "235");
    let spoofed = format!("MAIL FROM:<{}>", address(Holder::CpsInfirmier));
    assert_says(
        &smtp.smtp(&spoofed),
        "553 5.7.1 Adresse d'expediteur non rattachee a votre identite",
    );
    let too_large = smtp.smtp(&format!("MAIL FROM:<{ALIX}> SIZE=2000000"));
    assert_says(&too_large, "552 5.3.4 Message trop volumineux");
    assert_says(&smtp.smtp(&format!("MAIL FROM:<{ALIX}>")), "250");
    assert_says(
        &smtp.smtp("RCPT TO:<someone@example.org>"),
        "550 5.7.1 Destinataire hors espace de confiance MSSante",
    );
    let unknown = smtp.smtp("RCPT TO:<inconnu@labo.test.mssante.fr>");
    assert_says(&unknown, "550");
    assert_says(
        &smtp.smtp(&format!("RCPT TO:<{}>", address(Holder::CpsInfirmier))),
        "250",
    );
    assert_says(&smtp.smtp("DATA"), "354");
    smtp.send(b"Subject: a\r\n\r\n");
    smtp.send(format!("{}\r\n", "x".repeat(900)).repeat(2000));
    smtp.send(b".\r\n");
    assert_says(&smtp.reply(), "552 5.3.4 Message trop volumineux");
    assert_eq!(office.sink.messages(), 0);
}

const ALIX: &str = "alix.exemple@medecin.test.mssante.fr";
const MEDECIN: &str = "medecin.test.mssante.fr";

/// An operator that knows people by their cards, and the physician's card in the reader.
fn physician() -> (Office<Dovecot>, InsertedCard) {
    let office = with("", Login::Card);
    let card = insert(&office, Profile::Cps4);
    (office, card)
}

fn with(more: &str, login: Login<'_>) -> Office<Dovecot> {
    Office::with(more, |ground| {
        let dovecot = ground.dovecot("operator", login);
        let operator = Operator::dovecot(MEDECIN, &dovecot);
        (dovecot, vec![operator])
    })
}

/// The physician meets an impostor with this certificate.
fn meeting(manner: Manner, flaw: ServerFlaw, name: &str) -> (Office<Impostor>, InsertedCard) {
    let office = Office::new(|ground| {
        let identity = ground.pki.server_with(&[name], flaw);
        let server = Impostor::start(ground.pki, &identity, manner);
        let operator = Operator::impostor(MEDECIN, &server);
        (server, vec![operator])
    });
    let practice = &office.practice;
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    (office, card)
}

fn insert(office: &Office<Dovecot>, profile: Profile) -> InsertedCard {
    let practice = &office.practice;
    practice.insert(0, practice.card(Holder::CpsMedecin, profile))
}

/// Both protocols refuse the login so, and the client may try again on the same connection.
fn refused(access: &Access, imap: &str, smtp: &str) {
    let (mut talk, answer) = access.read();
    assert_says(&answer, imap);
    assert_says(&talk.imap_answer("NOOP"), "OK");
    let (mut talk, answer) = access.send();
    assert_says(&answer, smtp);
    assert_says(&talk.smtp("NOOP"), "250");
}

fn assert_says(answer: &str, beginning: &str) {
    assert!(
        answer.starts_with(beginning),
        "{answer} (expected: {beginning})"
    );
}

fn nothing_heard(office: &Office<Impostor>) {
    let heard = office.servers.heard();
    assert!(
        heard
            .iter()
            .all(|line| !line.to_uppercase().contains("AUTH")),
        "{heard:?}"
    );
    assert_eq!(office.practice.pinentry.pins_asked(), 0);
}
