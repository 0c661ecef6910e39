//! Thunderbird at an IMAP server that knows its users by their certificates.

use cps_emulator::{Holder, Profile};
use cps_tests::{Dovecot, Practice, Thunderbird, artefact};

/// The certificate's common name is the user that Dovecot lets in; the person is asked once.
#[test]
fn thunderbird_logs_in_with_the_card() {
    let practice = Practice::new();
    let card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps4));
    let user = Holder::CpsMedecin.national_id();
    let identity = practice.pki.server(&["localhost"]);
    let dovecot = Dovecot::start(&practice.sandbox, &identity, &practice.anchors);
    let (root, port) = (&identity.root_der, dovecot.port());
    let profile = Thunderbird::profile(&practice.sandbox, root, port, user);
    practice.cps(&["setup", "mail", "--yes"]);

    let mut thunderbird = Thunderbird::start(&practice.sandbox, &profile);
    let login = thunderbird.get_until("the login", || dovecot.logins().pop());
    assert!(login.contains(&format!("user=<{user}>")), "{login}");
    assert!(login.contains("method=EXTERNAL"), "{login}");
    artefact("Thunderbird.png", &thunderbird.picture());

    let pinentry = &practice.pinentry;
    assert_eq!((pinentry.pins_asked(), pinentry.dialogs()), (1, 1));
    let question = pinentry.questions().concat();
    assert!(question.contains("thunderbird"), "{question}");
    assert!(card.counters().key_operations >= 1);
    let journal = practice.json(&["journal"]);
    let mut entries = journal["entries"].as_array().unwrap().iter();
    let used = entries.any(|entry| entry["operation"] == "key_authenticate");
    assert!(used, "{journal}");
}
