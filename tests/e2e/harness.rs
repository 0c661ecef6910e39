//! The harness itself: what the other tests rely on.

use cps_tests::{Pcscd, Sandbox, until};

/// Two pcscd side by side, each with its own reader, both stopped cleanly.
#[test]
fn pcscd_is_private_to_each_test() {
    let sandboxes = [Sandbox::new(), Sandbox::new()];
    let mut services = sandboxes.each_ref().map(Pcscd::start);
    assert_ne!(services[0].port(0), services[1].port(0));
    for (sandbox, pcscd) in sandboxes.iter().zip(&mut services) {
        until("both readers", || {
            let mut command = sandbox.command("opensc-tool");
            pcscd.open_to(&mut command);
            let output = command.arg("--list-readers").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (text.contains(&Pcscd::reader_name(0)) && text.contains(&Pcscd::reader_name(1)))
                .then_some(())
        });
        assert!(pcscd.stop().success());
    }
}

/// The tests must not pass only because they run as root, nor listen beyond the loopback.
#[test]
fn the_namespace_has_no_root_and_no_network() {
    Sandbox::require_namespace();
    assert_ne!(rustix::process::getuid().as_raw(), 0);
    let devices = std::fs::read_to_string("/proc/net/dev").unwrap();
    let names: Vec<_> = devices
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next())
        .collect();
    assert!(names.iter().all(|name| name.trim() == "lo"), "{names:?}");
}
