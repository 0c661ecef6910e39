//! Browsers at a portal that demands a client certificate: judged by whom nginx verified, by the
//! card and by the journal. Everything is done by Firefox and by Chromium.

use std::thread;
use std::time::Duration;

use cps_emulator::{Holder, Profile};
use cps_tests::{
    Answer, Browser, Chromium, Firefox, InsertedCard, Nginx, Pcscd, Practice, Site, TlsVersions,
    artefact, until,
};

#[test]
fn firefox_opens_the_portal_with_a_cps3() {
    opens_the_portal_with_a_cps3(&mut Portal::new(firefox), "Firefox");
}

#[test]
fn chromium_opens_the_portal_with_a_cps3() {
    opens_the_portal_with_a_cps3(&mut Portal::new(chromium), "chromium");
}

/// The browser runs already when the card comes. The person is asked once, for this browser by its
/// name; the next page needs nobody.
fn opens_the_portal_with_a_cps3(portal: &mut Portal<impl Browser>, name: &str) {
    let card = portal.insert(Holder::CpsMedecin, Profile::Cps3);
    portal.shows_soon(TlsVersions::Tls12, Holder::CpsMedecin);
    let page = portal.browser.text();
    assert!(page.contains("ALIX EXEMPLE"), "{page}");
    artefact(&format!("{name}-cps3.png"), &portal.browser.picture());

    let pinentry = &portal.practice.pinentry;
    assert_eq!((pinentry.pins_asked(), pinentry.dialogs()), (1, 1));
    let question = pinentry.questions().concat();
    assert!(question.contains(name), "{question}");

    portal.shows(TlsVersions::Tls12, Holder::CpsMedecin);
    assert_eq!(portal.practice.pinentry.dialogs(), 1);
    let counters = card.counters();
    assert_eq!(counters.verify, 1);
    assert!(counters.key_operations >= 2, "{counters:?}");

    let grants = portal.practice.json(&["grants"]).to_string();
    assert!(grants.contains(name), "{grants}");
    let journal = portal.practice.json(&["journal"]);
    let entries = journal["entries"].as_array().unwrap().iter();
    let uses = entries.filter(|entry| entry["operation"] == "key_authenticate");
    assert_eq!(uses.count() as u64, counters.key_operations, "{journal}");
}

#[test]
fn firefox_opens_the_portal_with_a_cps4() {
    opens_the_portal_with_a_cps4(&mut Portal::new(firefox), "Firefox");
}

#[test]
fn chromium_opens_the_portal_with_a_cps4() {
    opens_the_portal_with_a_cps4(&mut Portal::new(chromium), "chromium");
}

/// Both protocol versions in one session of the browser, with one PIN.
fn opens_the_portal_with_a_cps4(portal: &mut Portal<impl Browser>, name: &str) {
    let _card = portal.insert(Holder::CpsAccents, Profile::Cps4);
    portal.shows_soon(TlsVersions::Both, Holder::CpsAccents);
    for (versions, protocol) in [
        (TlsVersions::Both, "TLSv1.3"),
        (TlsVersions::Tls12, "TLSv1.2"),
    ] {
        assert_eq!(portal.shows(versions, Holder::CpsAccents), protocol);
        let page = portal.browser.text();
        let holder = "ANNE-ZOÉ D'ÉTÉ-LEFÈVRE DE LA GARENNE";
        assert!(page.contains(holder), "{page}");
        let picture = portal.browser.picture();
        artefact(&format!("{name}-cps4-{protocol}.png"), &picture);
    }
    assert_eq!(portal.practice.pinentry.dialogs(), 1);
}

#[test]
fn firefox_with_a_cps3_is_refused_by_a_server_of_tls_1_3_only() {
    let visit = is_refused_at_once(&mut Portal::new(firefox));
    // It finds no signature that both sides can, and goes on without a certificate.
    assert_eq!(visit, Visit::WithoutCertificate);
}

#[test]
fn chromium_with_a_cps3_is_refused_by_a_server_of_tls_1_3_only() {
    let visit = is_refused_at_once(&mut Portal::new(chromium));
    let reason = "net::ERR_SSL_CLIENT_AUTH_NO_COMMON_ALGORITHMS";
    assert_eq!(visit, Visit::Failed(reason.to_owned()));
}

/// A CPS3 has no signature that TLS 1.3 accepts. Nobody is asked for a PIN, nothing is signed, and
/// the browser goes on working.
fn is_refused_at_once(portal: &mut Portal<impl Browser>) -> Visit {
    let card = portal.insert(Holder::CpsMedecin, Profile::Cps3);
    let refused = portal.visit(TlsVersions::Tls13);
    assert_eq!(portal.practice.pinentry.dialogs(), 0);
    assert_eq!(card.counters().key_operations, 0);
    portal.shows(TlsVersions::Tls12, Holder::CpsMedecin);
    refused
}

#[test]
fn firefox_outlives_the_daemon() {
    outlives_the_daemon(&mut Portal::new(firefox));
}

#[test]
fn chromium_outlives_the_daemon() {
    outlives_the_daemon(&mut Portal::new(chromium));
}

/// The daemon is killed between two pages, and while a page waits for the PIN. Each time one page
/// fails at most, and the browser is not restarted.
fn outlives_the_daemon(portal: &mut Portal<impl Browser>) {
    let _card = portal.insert(Holder::CpsMedecin, Profile::Cps3);
    portal.shows_soon(TlsVersions::Tls12, Holder::CpsMedecin);

    portal.practice.cpsd.crash();
    portal.restart_daemon();
    portal.shows_soon(TlsVersions::Tls12, Holder::CpsMedecin);

    portal.practice.cps(&["lock"]);
    let asked = portal.practice.pinentry.pins_asked();
    portal.practice.pinentry.queue(&[Answer::Wait]);
    let url = portal.site(TlsVersions::Tls12).url("/");
    portal.browser.begin(&url);
    until("the PIN dialog", || {
        (portal.practice.pinentry.pins_asked() > asked).then_some(())
    });
    portal.practice.cpsd.crash();
    portal.restart_daemon();
    portal.shows_soon(TlsVersions::Tls12, Holder::CpsMedecin);
}

#[test]
fn firefox_follows_the_card() {
    follows_the_card(&mut Portal::new(firefox));
}

#[test]
fn chromium_follows_the_card() {
    follows_the_card(&mut Portal::new(chromium));
}

/// The card is pulled out and put back, then another one takes its place.
fn follows_the_card(portal: &mut Portal<impl Browser>) {
    let card = portal.insert(Holder::CpsMedecin, Profile::Cps3);
    portal.shows_soon(TlsVersions::Tls12, Holder::CpsMedecin);

    portal.remove(card);
    let card = portal.insert(Holder::CpsMedecin, Profile::Cps3);
    portal.shows_soon(TlsVersions::Tls12, Holder::CpsMedecin);

    portal.remove(card);
    let _card = portal.insert(Holder::CpsInfirmier, Profile::Cps4);
    portal.shows_soon(TlsVersions::Tls12, Holder::CpsInfirmier);
}

/// What became of a page.
#[derive(Debug, Eq, PartialEq)]
enum Visit {
    /// The browser showed its own page with this reason.
    Failed(String),
    /// The server knew who asked.
    Shown { name: String, protocol: String },
    /// The server was shown no certificate, and said so.
    WithoutCertificate,
}

/// A browser at the portal. The fields end in the order in which they stand here.
struct Portal<B> {
    browser: B,
    nginx: Nginx,
    sites: Vec<Site>,
    visits: usize,
    practice: Practice,
}

impl<B: Browser> Portal<B> {
    /// A portal for each choice of protocol versions, and the browser, without a card.
    fn new(start: fn(&Practice) -> B) -> Self {
        let practice = Practice::new();
        let versions = [TlsVersions::Both, TlsVersions::Tls12, TlsVersions::Tls13];
        let sites: Vec<_> = versions.into_iter().map(Site::new).collect();
        let identity = practice.pki.server(&["localhost"]);
        let nginx = Nginx::start(&practice.sandbox, &identity, &practice.anchors, &sites);
        Self {
            browser: start(&practice),
            nginx,
            sites,
            visits: 0,
            practice,
        }
    }

    fn insert(&self, holder: Holder, profile: Profile) -> InsertedCard {
        let card = self.practice.card(holder, profile);
        self.practice.insert(0, card)
    }

    fn remove(&self, card: InsertedCard) {
        card.remove();
        let client = self.practice.cpsd.client();
        until("the card gone", || {
            client.cards().unwrap().cards.is_empty().then_some(())
        });
    }

    /// Starts the daemon again and waits until it can use the card.
    fn restart_daemon(&mut self) {
        let practice = &mut self.practice;
        practice.cpsd.restart(&practice.sandbox, &practice.pcscd);
        practice.cpsd.card_ready(&Pcscd::reader_name(0));
    }

    fn site(&self, versions: TlsVersions) -> &Site {
        let mut sites = self.sites.iter();
        sites.find(|site| site.versions == versions).unwrap()
    }

    /// Opens a page that was never opened before.
    fn visit(&mut self, versions: TlsVersions) -> Visit {
        self.visits += 1;
        let path = format!("/{}", self.visits);
        let url = self.site(versions).url(&path);
        if let Err(reason) = self.browser.open(&url) {
            return Visit::Failed(reason);
        }
        // nginx answers first and writes its log afterwards.
        let request = until("the line in the log of nginx", || {
            let requests = self.nginx.requests();
            requests.into_iter().find(|request| request["uri"] == *path)
        });
        let text = |field: &str| request[field].as_str().unwrap().to_owned();
        match (&text("status")[..], &text("verify")[..]) {
            ("200", "SUCCESS") => Visit::Shown {
                name: text("dn"),
                protocol: text("protocol"),
            },
            ("400", "NONE") => Visit::WithoutCertificate,
            _ => panic!("{request}"),
        }
    }

    /// Opens a page after something happened to the card or to the daemon: the second one at the
    /// latest must show this practitioner.
    fn shows_soon(&mut self, versions: TlsVersions, holder: Holder) {
        if !matches!(self.visit(versions), Visit::Shown { .. }) {
            thread::sleep(NSS_PRESENCE);
            self.shows(versions, holder);
        }
    }

    /// Opens a page that must show this practitioner; the protocol version.
    fn shows(&mut self, versions: TlsVersions, holder: Holder) -> String {
        match self.visit(versions) {
            Visit::Shown { name, protocol } => {
                assert!(name.contains(holder.national_id()), "{name}");
                protocol
            }
            visit => panic!("{visit:?}"),
        }
    }
}

fn firefox(practice: &Practice) -> Firefox {
    let root = practice.pki.server(&["localhost"]).root_der;
    let profile = Firefox::profile(&practice.sandbox, &root);
    practice.cps(&["setup", "browsers", "--yes"]);
    Firefox::start(&practice.sandbox, &profile)
}

fn chromium(practice: &Practice) -> Chromium {
    let root = practice.pki.server(&["localhost"]).root_der;
    Chromium::database(&practice.sandbox, &root);
    practice.cps(&["setup", "browsers", "--yes"]);
    Chromium::start(&practice.sandbox)
}

/// NSS believes for one second what it saw of a slot. A person does not open a second page faster.
const NSS_PRESENCE: Duration = Duration::from_millis(1100);
