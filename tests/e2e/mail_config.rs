//! The settings that `cps mail config` writes, read by the programs that they are for.

use cps_emulator::{Holder, Profile};
use cps_tests::mail::{Login, Office, Operator, address};
use serde_json::Value;

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
