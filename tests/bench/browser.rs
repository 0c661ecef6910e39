//! Exchanges with the card for one page in Firefox.

use cps_emulator::{Holder, Profile, VirtualCard};
use cps_tests::{Browser, Embedded, Firefox, Nginx, Site, TlsVersions, until};

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
    let registered = practice.cps(&["setup", "browsers", "--yes"]);
    assert!(registered.status.success(), "{registered:?}");

    practice.reset_counters();
    let mut firefox = Firefox::start(&practice.sandbox, &folder);
    let mut visits = 0;
    let mut open = |site: &Site| {
        visits += 1;
        let path = format!("/{visits}");
        firefox.open(&site.url(&path)).expect("a page");
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
    open(&fresh);
    set("first");
    open(&fresh);
    set("fresh");
    open(&resumed);
    practice.reset_counters();
    assert!(open(&resumed), "Firefox did not resume its TLS session");
    set("resumed");
}
