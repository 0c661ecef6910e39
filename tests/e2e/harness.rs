//! The harness itself: what the other tests rely on.

use std::time::SystemTime;

use cps_emulator::Pki;
use cps_tests::{Nginx, Pcscd, Sandbox, Site, TlsVersions, openssl, until};

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

/// nginx demands a client certificate of the test PKI and writes down whom it verified.
#[test]
fn nginx_demands_a_client_certificate() {
    let sandbox = Sandbox::new();
    let pki = Pki::new(SystemTime::now());
    let authorities = [pki.anchors_der(), pki.intermediates_der()].concat();
    let anchors = openssl::pem(&sandbox, "anchors.pem", &authorities);
    let site = Site::new(TlsVersions::Both);
    let identity = pki.server(&["localhost"]);
    let nginx = Nginx::start(&sandbox, &identity, &anchors, std::slice::from_ref(&site));

    let client = pki.organisation_authentication();
    let certificate = sandbox.write("client.pem", &client.chain_pem);
    let key = sandbox.write("client.key", &client.key_pem);
    let request = sandbox.write("request", "GET /hello HTTP/1.0\r\n\r\n");
    let mut command = sandbox.command("openssl");
    command
        .args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-verify_hostname",
            "localhost",
        ])
        .args(["-connect", &format!("127.0.0.1:{}", site.port)])
        .args(["-CAfile".as_ref(), anchors.as_os_str()])
        .stdin(std::fs::File::open(&request).unwrap());
    let anonymous = command.output().unwrap();
    assert!(
        String::from_utf8_lossy(&anonymous.stdout).contains("400"),
        "{anonymous:?}"
    );

    command.args([
        "-cert".as_ref(),
        certificate.as_os_str(),
        "-key".as_ref(),
        key.as_os_str(),
    ]);
    command.stdin(std::fs::File::open(&request).unwrap());
    let known = command.output().unwrap();
    assert!(
        String::from_utf8_lossy(&known.stdout).contains("200 OK"),
        "{known:?}"
    );

    let requests = until("two lines in the log", || {
        Some(nginx.requests()).filter(|requests| requests.len() == 2)
    });
    assert_eq!(requests[0]["verify"], "NONE");
    assert_eq!(requests[1]["verify"], "SUCCESS");
    assert_eq!(requests[1]["uri"], "/hello");
    assert_ne!(requests[1]["dn"], "");
}
