//! The settings that `cps mail config` writes, read by the programs that they are for.

use std::fs;
use std::process::Command;

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{Login, Office, Operator, address};
use cps_tests::until;
use serde_json::Value;

/// The person adds a mailbox and lets `cps` set up the programs of the terminal: they read and send,
/// by the ports and around them, with passwords of their own that stand in no setting.
#[test]
fn the_settings_that_cps_writes_read_and_send() {
    let (holder, other) = (Holder::CpsMedecin, Holder::CpsInfirmier);
    let office = Office::new(|ground| {
        let dovecot = ground.dovecot("operator", Login::Card);
        let operators = [holder, other].map(|holder| {
            let domain = address(holder).split_once('@').unwrap().1;
            Operator::dovecot(domain, &dovecot)
        });
        (dovecot, operators.to_vec())
    });
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(holder, Profile::Cps4));
    let mine = address(holder);
    practice.cps(&["mail", "add", mine, "--client", "first"]);
    until("the ports of the gateway", || {
        practice.json(&["mail", "list"])["imap"].as_str().map(drop)
    });

    let letter = b"From: a\nTo: b\nSubject: Avis\n\nCher confrere\n";
    office.mailboxes.deliver(mine, letter);
    let home = practice.sandbox.join("home");
    fs::create_dir_all(home.join("Mail").join(mine)).unwrap();
    let sent = practice.sandbox.write("sent", letter);
    for (round, way) in [&[][..], &["--tunnel"]].into_iter().enumerate() {
        let file = |program: &str| {
            let out = practice.sandbox.join(&format!("{program}-{round}"));
            let place = out.to_str().unwrap();
            let arguments = [
                "mail",
                "config",
                program,
                mine,
                "--new-password",
                "--out",
                place,
            ];
            practice.cps(&[&arguments[..], way].concat());
            let settings = fs::read_to_string(&out).unwrap();
            let password = home.join(format!(".config/cpsd/passwords/{mine}.{program}"));
            let password = fs::read_to_string(password).unwrap();
            assert!(!settings.contains(password.trim()), "{settings}");
            out
        };
        let run = |command: &mut Command| {
            // The tunnel finds the daemon as every program does.
            let socket = practice.cpsd.socket();
            let output = command.env("CPSD_SOCKET", socket).output().unwrap();
            assert!(output.status.success(), "{way:?}: {output:?}");
        };
        let mut mbsync = practice.sandbox.command("timeout");
        run(mbsync
            .args(["20", "mbsync", "-c"])
            .arg(file("mbsync"))
            .arg(mine));
        let copies = ["new", "cur"].map(|folder| {
            let folder = home.join("Mail").join(mine).join("INBOX").join(folder);
            fs::read_dir(folder).map_or(0, Iterator::count)
        });
        assert_eq!(copies.iter().sum::<usize>(), 1, "{way:?}");
        fs::remove_dir_all(home.join("Mail").join(mine).join("INBOX")).unwrap();

        let mut msmtp = practice.sandbox.command("timeout");
        let msmtp = msmtp.args(["20", "msmtp", "--file"]).arg(file("msmtp"));
        let msmtp = msmtp.args(["-a", mine, "--", address(other)]);
        run(msmtp.stdin(fs::File::open(&sent).unwrap()));
        let arrived = until("the message", || {
            let messages = office.mailboxes.messages(address(other));
            (messages.len() > round).then_some(messages)
        });
        let arrived = String::from_utf8_lossy(&arrived[round]).into_owned();
        assert!(arrived.contains("Cher confrere"), "{way:?}: {arrived}");

        // neomutt takes its commands from the last lines of its settings.
        let copy = practice.sandbox.join(&format!("copy-{round}"));
        let settings = file("neomutt");
        let mut text = fs::read_to_string(&settings).unwrap();
        text.push_str(&format!(
            "set pipe_decode=no wait_key=no quit=yes\n\
             push \"<first-entry><pipe-message>cat >{}<enter><exit>\"\n",
            copy.display()
        ));
        fs::write(&settings, text).unwrap();
        let mut neomutt = practice.sandbox.command("timeout");
        let neomutt = neomutt.args(["20", "script", "--quiet", "--return", "--command"]);
        let neomutt = neomutt.arg(format!("neomutt -n -F {}", settings.display()));
        run(neomutt.arg("/dev/null").env("TERM", "xterm"));
        let read = fs::read(&copy).unwrap_or_default();
        assert!(
            String::from_utf8_lossy(&read).contains("Cher confrere"),
            "{way:?}"
        );
    }
    // One PIN for all of it.
    assert_eq!(practice.pinentry.pins_asked(), 1);
    let journal = practice.json(&["mail", "journal"]);
    assert_eq!(journal["verified"], true, "{journal}");
    let entries = journal["entries"].as_array().unwrap();
    assert!(
        entries.iter().any(|entry| entry["action"] == "send"),
        "{journal}"
    );
    practice.cps(&["mail", "journal", "--verify"]);
}

/// A configuration profile is a property list with the keys of Apple's reference; a data source of
/// Evolution is a key file.
#[test]
fn the_other_formats_are_what_their_readers_take() {
    let holder = Holder::CpsMedecin;
    let office = Office::new(|ground| {
        let dovecot = ground.dovecot("operator", Login::Card);
        let domain = address(holder).split_once('@').unwrap().1;
        let operator = Operator::dovecot(domain, &dovecot);
        (dovecot, vec![operator])
    });
    let practice = &office.practice;
    let _card = practice.insert(0, practice.card(holder, Profile::Cps4));
    let mine = address(holder);
    let access = office.add(mine);
    let profile = practice.sandbox.join("mail.mobileconfig");
    let sources = practice.sandbox.join("sources");
    for (program, out) in [("apple", &profile), ("evolution", &sources)] {
        let out = out.to_str().unwrap();
        practice.cps(&["mail", "config", program, mine, "--out", out]);
    }
    let mut python = practice.sandbox.command("/usr/bin/python3");
    let output = python
        .args(["-c", PYTHON])
        .args([&profile, &sources])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mail = &seen["profile"]["PayloadContent"][0];
    assert_eq!(mail["PayloadType"], "com.apple.mail.managed");
    assert_eq!(mail["EmailAccountType"], "EmailTypeIMAP");
    assert_eq!(mail["EmailAddress"], mine);
    assert_eq!(mail["IncomingMailServerHostName"], "127.0.0.1");
    assert_eq!(
        mail["IncomingMailServerPortNumber"],
        access.imap.address.port()
    );
    assert_eq!(
        mail["OutgoingMailServerPortNumber"],
        access.smtp.address.port()
    );
    assert_eq!(mail["IncomingMailServerUseSSL"], false);
    let sources = seen["sources"].as_object().unwrap();
    assert_eq!(sources.len(), 3, "{sources:?}");
    let part = |name: &str, key: &str| {
        let mut sources = sources.iter();
        let found = sources.find_map(|(id, source)| Some((id, source.get(name)?.get(key)?)));
        found.unwrap_or_else(|| panic!("{name}, {key}"))
    };
    let uid = |id: &str| id.trim_end_matches(".source").to_owned();
    // The account leads to its identity, and that one to its transport.
    let (_, identity) = part("Mail Account", "IdentityUid");
    let (found, _) = part("Mail Identity", "Address");
    assert_eq!(identity, &uid(found));
    let (_, transport) = part("Mail Submission", "TransportUid");
    let (found, backend) = part("Mail Transport", "BackendName");
    assert_eq!(
        (transport, backend.as_str()),
        (&uid(found).into(), Some("smtp"))
    );
}

/// Both formats as JSON, by the readers of Python's library.
const PYTHON: &str = "
import configparser, json, os, plistlib, sys
def source(path):
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read(path)
    return {name: dict(parser[name]) for name in parser.sections()}
print(json.dumps({
    'profile': plistlib.load(open(sys.argv[1], 'rb')),
    'sources': {name: source(os.path.join(sys.argv[2], name)) for name in os.listdir(sys.argv[2])},
}))
";
