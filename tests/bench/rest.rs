//! The daemon's own binary: starting, and doing nothing.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use cps_api::Client;
use cps_emulator::{Holder, Profile};
use cps_tests::{Cpsd, Peer, Pinentry, Practice, Sandbox, Settings};

use crate::Metrics;

pub(crate) fn measure(metrics: &mut Metrics) {
    start(metrics);
    let mut practice = Practice::new();
    let _card = practice.insert(0, practice.card(Holder::CpsMedecin, Profile::Cps3));
    practice.json(&["identity"]);
    // What was started for the reading has ended by then.
    thread::sleep(Duration::from_secs(10));
    let rss = practice.cpsd.peer().memory("VmRSS");
    metrics.set("idle.rss_mb", rss as f64 / 1_000_000.0);
    let pid = practice.cpsd.peer().pid();
    let before = wakeups(pid);
    thread::sleep(IDLE);
    let per_minute = (wakeups(pid) - before) as f64 * 60.0 / IDLE.as_secs_f64();
    metrics.set("idle.wakeups_per_minute", per_minute);
}

/// From `exec` to the first answered request, asked again every 100 µs.
fn start(metrics: &mut Metrics) {
    let mut milliseconds: Vec<f64> = (0..11)
        .map(|_| {
            let sandbox = Sandbox::new();
            let pinentry = Pinentry::new(&sandbox);
            let configuration = sandbox.write("cpsd.toml", Settings::default().toml(&pinentry));
            let client = Client::new(sandbox.join("run/cpsd/cpsd.sock"));
            let command = Cpsd::run_command(&sandbox, &configuration);
            let start = Instant::now();
            let mut peer = Peer::start(&sandbox, "cpsd", "cpsd", command);
            while client.status().is_err() {
                assert!(start.elapsed() < Duration::from_secs(10), "{}", peer.log());
                thread::sleep(Duration::from_micros(100));
            }
            let ready = start.elapsed();
            peer.stop();
            ready.as_secs_f64() * 1000.0
        })
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    metrics.set("start.ready_ms", milliseconds[5]);
}

/// Voluntary context switches of all threads so far.
fn wakeups(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .expect("cpsd runs")
        .map(|task| {
            let status = fs::read_to_string(task.expect("a thread").path().join("status"));
            let status = status.unwrap_or_default();
            let line = status
                .lines()
                .find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
            line.map_or(0, |count| count.trim().parse::<u64>().expect("a number"))
        })
        .sum()
}

const IDLE: Duration = Duration::from_secs(30);
