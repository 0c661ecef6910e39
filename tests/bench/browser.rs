//! Exchanges with the card for one page in a browser: in Firefox over new TLS sessions, in Chromium
//! over a resumed one. Firefox resumes no session in which it showed a certificate (NSS hands
//! nothing of such a session to Firefox's cache).

use cps_emulator::{Holder, Profile, VirtualCard};
use cps_tests::{Browser, Chromium, Embedded, Firefox, Nginx, Site, TlsVersions, until};

use crate::Metrics;

pub(crate) fn measure(metrics: &mut Metrics) {
    for profile in [Profile::Cps3, Profile::Cps4] {
        page(metrics, profile);
    }
}

/// Over TLS 1.2, which both cards can.
fn page(metrics: &mut Metrics, profile: Profile) {
    let practice = Embedded::new();
    practice.insert(VirtualCard::new(&practice.pki, Holder::CpsMedecin, profile));
    practice.client().identity(None).expect("the identity");
    let identity = practice.pki.server(&["localhost"]);
    let fresh = Site::new(TlsVersions::Tls12);
    let resumed = Site {
        resumption: true,
        ..Site::new(TlsVersions::Tls12)
    };
    let sites = [fresh.clone(), resumed.clone()];
    let nginx = Nginx::start(&practice.sandbox, &identity, &practice.anchors, &sites);
    let folder = Firefox::profile(&practice.sandbox, &identity.root_der);
    Chromium::database(&practice.sandbox, &identity.root_der);
    let registered = practice.cps(&["setup", "browsers", "--yes"]);
    assert!(registered.status.success(), "{registered:?}");

    let mut visits = 0;
    let mut open = |browser: &mut dyn Browser, site: &Site| {
        visits += 1;
        let path = format!("/{visits}");
        browser.open(&site.url(&path)).expect("a page");
        // nginx answers first and writes its log afterwards.
        let request = until("the line in the log of nginx", || {
            let requests = nginx.requests();
            requests.into_iter().find(|request| request["uri"] == *path)
        });
        assert_eq!(request["verify"], "SUCCESS", "{request}");
        request["reused"] == "r"
    };
    let mut set = |phase: &str| {
        let apdus = practice.counters().apdus;
        metrics.set(format!("apdu.{profile}.page_{phase}"), apdus as f64);
        practice.reset_counters();
    };
    practice.reset_counters();
    let mut firefox = Firefox::start(&practice.sandbox, &folder);
    open(&mut firefox, &fresh);
    set("first");
    open(&mut firefox, &fresh);
    set("fresh");
    drop(firefox);

    let mut chromium = Chromium::start(&practice.sandbox);
    open(&mut chromium, &resumed);
    // It may have opened a second connection of its own accord: that one is over by now.
    open(&mut chromium, &resumed);
    practice.reset_counters();
    let again = open(&mut chromium, &resumed);
    assert!(again, "Chromium did not resume its TLS session");
    set("resumed");
}
