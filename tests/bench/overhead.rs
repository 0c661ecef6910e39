//! What the daemon adds to a signature.

use std::time::Instant;

use cps_emulator::{Holder, Profile, VirtualCard};
use cps_tests::Embedded;

use crate::Metrics;
use crate::exchanges::tls_request;

pub(crate) fn measure(metrics: &mut Metrics) {
    let practice = Embedded::with_destinations(&[443]);
    let client = practice.client();
    practice.insert(VirtualCard::new(
        &practice.pki,
        Holder::CpsMedecin,
        Profile::Cps4,
    ));
    let request = tls_request();
    for _ in 0..WARMING_UP {
        client.tls_sign(&request).expect("a TLS signature");
    }
    let mut milliseconds: Vec<f64> = (0..MEASURED)
        .map(|_| {
            practice.reset_counters();
            let start = Instant::now();
            client.tls_sign(&request).expect("a TLS signature");
            let all = start.elapsed();
            let ours = all.saturating_sub(practice.counters().computing);
            ours.as_secs_f64() * 1000.0
        })
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    metrics.set("overhead.sign_p50_ms", milliseconds[MEASURED / 2]);
    metrics.set("overhead.sign_p99_ms", milliseconds[MEASURED * 99 / 100]);
}

const WARMING_UP: usize = 50;
const MEASURED: usize = 500;
