//! `make demo`: the main job, from the card to the other program, on a virtual card.
//!
//! The daemon runs in this process with the virtual card as its reader. Everything else is real:
//! the `cps` command, nginx, openssl. Only loopback, no privileges, nothing left behind.

use std::fs::File;
use std::process::{ExitCode, Output};
use std::time::Instant;

use cps_emulator::{Holder, Profile, VirtualCard};
use cps_tests::{Embedded, Nginx, Site, TlsVersions, openssl, until};

fn main() -> ExitCode {
    let start = Instant::now();
    match std::panic::catch_unwind(demonstrate) {
        Ok(()) => {
            println!(
                "\nDone in {} seconds. Every step above was checked.",
                start.elapsed().as_secs()
            );
            ExitCode::SUCCESS
        }
        // The panic has said what failed.
        Err(_) => ExitCode::FAILURE,
    }
}

fn demonstrate() {
    println!(
        "cpsd: a practitioner's smart card (CPS), lent to programs that know nothing of cards."
    );
    println!("The card is virtual; nginx, openssl and the cps command are the real ones.");

    let site = Site::new(TlsVersions::Both);
    let demo = Demo {
        practice: Embedded::with_destinations(&[site.port]),
    };
    let practice = &demo.practice;
    let identity = practice.pki.server(&["localhost"]);
    let nginx = Nginx::start(
        &practice.sandbox,
        &identity,
        &practice.anchors,
        std::slice::from_ref(&site),
    );

    step("The practitioner inserts a CPS3 card.");
    let holder = Holder::CpsMedecin;
    practice.insert(VirtualCard::new(&practice.pki, holder, Profile::Cps3));
    demo.shown(&["status"]);

    step("Who is it? (No PIN is needed for that.)");
    let shown = demo.shown(&["identity"]);
    assert!(shown.contains(holder.family_name().unwrap_or_default()));
    assert_eq!(practice.pinentry.dialogs(), 0);

    step("A program opens a TLS connection to a server that demands a client certificate.");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let request = practice.sandbox.write("request", request);
    let target = format!("localhost:{}", site.port);
    let output = practice
        .command(&["tunnel", &target])
        .stdin(File::open(request).expect("the request"))
        .output()
        .expect("the cps command");
    checked(&output);
    println!("  $ cps tunnel {target} <request");
    println!("  The daemon asked the practitioner (this demonstration answers by itself):");
    for question in practice.pinentry.questions() {
        indent(question.as_bytes());
        println!();
    }
    // nginx answers first and writes its log afterwards.
    let seen = until("nginx to write its log", || nginx.requests().pop());
    assert_eq!(seen["verify"], "SUCCESS");
    println!(
        "  nginx verified the certificate over {} and knows the practitioner:",
        text(&seen["protocol"])
    );
    println!("    {}", text(&seen["dn"]));

    step("A document is signed. The PIN is not asked again.");
    practice
        .sandbox
        .write("letter.txt", "Cher confrère, merci de votre avis.\n");
    demo.shown(&["sign", "letter.txt", "-o", "letter.p7s"]);
    assert_eq!(practice.pinentry.pins_asked(), 1, "one PIN for both uses");
    let signature = practice.sandbox.join("letter.p7s");
    let letter = practice.sandbox.join("letter.txt");
    let judged = openssl::cms_verify(
        &practice.sandbox,
        &signature,
        Some(&letter),
        &practice.anchors,
    );
    checked(&judged);
    println!("  $ openssl cms -verify -in letter.p7s -content letter.txt");
    println!("    {}", String::from_utf8_lossy(&judged.stderr).trim());

    step("What the card was used for is in the journal, and nobody has changed it.");
    demo.shown(&["journal", "list"]);
    demo.shown(&["journal", "verify"]);

    step("The practitioner takes the card out.");
    practice.remove();
    let output = practice.cps(&["identity"]);
    assert_eq!(output.status.code(), Some(1));
    println!("  $ cps identity");
    indent(&output.stderr);
}

struct Demo {
    practice: Embedded,
}

impl Demo {
    /// Runs `cps` and shows command and answer as a terminal would.
    fn shown(&self, arguments: &[&str]) -> String {
        println!("  $ cps {}", arguments.join(" "));
        let output = self.practice.cps(arguments);
        checked(&output);
        indent(&output.stdout);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn step(text: &str) {
    println!("\n{text}");
}

fn indent(bytes: &[u8]) {
    for line in String::from_utf8_lossy(bytes).trim_end().lines() {
        println!("    {line}");
    }
}

fn checked(output: &Output) {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}
