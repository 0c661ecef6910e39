//! `cps mail` against a daemon that answers what it is told to.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use cps_api::{Code, Problem};
use serde_json::{Value, json};

use crate::support::{Answer, Ended, Fake};

const ADDRESS: &str = "jean.exemple@medecin.mssante.fr";
const PATH: &str = "/v1/mail/mailboxes/jean.exemple%40medecin.mssante.fr";

fn mailbox(clients: &[&str]) -> Value {
    let passwords: Vec<Value> = clients
        .iter()
        .enumerate()
        .map(|(id, client)| {
            json!({"id": format!("p{id}"), "client": client,
                "created_at": "2026-11-22T08:00:00Z", "last_used_at": null})
        })
        .collect();
    json!({
        "address": ADDRESS, "operator": "Mailiz", "source": "configuration",
        "imap": {"host": "imap.example", "port": 143, "tls": "starttls"},
        "smtp": {"host": "smtp.example", "port": 587, "tls": "starttls"},
        "login": "external", "smtp_login": "external", "shared": false,
        "national_id": "899700000013", "holder": "Jean EXEMPLE",
        "created_at": "2026-11-22T08:00:00Z", "passwords": passwords
    })
}

fn mail(clients: &[&str]) -> Value {
    json!({
        "imap": "127.0.0.1:1143", "smtp": "127.0.0.1:1587", "autoconfig": "127.0.0.1:1480",
        "imaps": null, "smtps": null,
        "imap_socket": "/run/user/1/cpsd/imap.sock", "smtp_socket": "/run/user/1/cpsd/smtp.sock",
        "authority": null, "mailboxes": [mailbox(clients)], "sessions": 3
    })
}

/// A daemon with one mailbox.
fn daemon(clients: &[&str]) -> Fake {
    let made = json!({"id": "p9", "client": "made", "password": "aaaaa-bbbbb-ccccc-ddddd"});
    let added = json!({"mailbox": mailbox(clients), "password": "aaaaa-bbbbb-ccccc-ddddd"});
    Fake::answering(&[
        ("GET /v1/mail", Answer::json(&mail(clients))),
        (&format!("POST {PATH}/passwords"), Answer::json(&made)),
        ("POST /v1/mail/mailboxes", Answer::json(&added)),
        ("DELETE", Answer::raw("HTTP/1.1 204 No Content\r\n\r\n")),
    ])
}

fn body(fake: &Fake, at: usize) -> Value {
    serde_json::from_slice(&fake.requests()[at].body).unwrap()
}

#[test]
fn a_new_mailbox_comes_with_all_that_a_mail_program_asks() {
    let fake = daemon(&["mail"]);
    let said = fake.run(&["mail", "add", ADDRESS, "--client", "tb"]).done();
    assert_eq!(body(&fake, 0)["client"], "tb");
    for expected in [
        "127.0.0.1, port 1143, no security",
        "127.0.0.1, port 1587, no security",
        "User name        jean.exemple@medecin.mssante.fr\n",
        "Password         aaaaa-bbbbb-ccccc-ddddd\n",
        "\n  cps mail test jean.exemple@medecin.mssante.fr",
    ] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
    assert_eq!(said.matches("aaaaa-bbbbb").count(), 1, "{said}");
    let french = fake.run_in_french(&["mail", "add", ADDRESS]).done();
    assert!(french.contains("Boîte ajoutée\u{a0}: "), "{french}");
    assert!(french.contains("aucune sécurité"), "{french}");
    let document = fake.run(&["mail", "add", ADDRESS, "--json"]).done();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["password"], "aaaaa-bbbbb-ccccc-ddddd");
    assert_eq!(document["imap"], "127.0.0.1:1143");
}

#[test]
fn the_list_has_no_password_and_says_which_programs_have_one() {
    let fake = daemon(&["Thunderbird", "mbsync"]);
    let said = fake.run(&["mail", "list"]).done();
    assert!(said.contains("IMAP               "), "{said}");
    assert!(said.contains("127.0.0.1:1143"), "{said}");
    assert!(said.contains("Open sessions          3\n"), "{said}");
    assert!(said.contains("Thunderbird, never used"), "{said}");
    assert!(said.contains("mbsync, never used"), "{said}");
}

#[test]
fn a_password_replaces_the_one_of_its_program_only() {
    let fake = daemon(&["Thunderbird"]);
    let said = fake.run(&["mail", "rotate", ADDRESS]).done();
    assert!(said.contains("aaaaa-bbbbb-ccccc-ddddd"), "{said}");
    let expected = json!({"client": "Thunderbird", "replace": "Thunderbird"});
    assert_eq!(body(&fake, 1), expected);
    // Another program gets one of its own.
    fake.run(&["mail", "rotate", ADDRESS, "--client", "mutt"])
        .done();
    assert_eq!(body(&fake, 3), json!({"client": "mutt"}));

    let fake = daemon(&["Thunderbird", "mbsync"]);
    let told = fake
        .run(&["mail", "rotate", ADDRESS])
        .refused(Code::MailClientAmbiguous);
    assert!(told.contains("Thunderbird, mbsync"), "{told}");
    fake.run(&["mail", "rotate", "other@medecin.mssante.fr"])
        .refused(Code::MailMailboxUnknown);
}

#[test]
fn a_mailbox_or_the_password_of_one_program_is_removed() {
    let fake = daemon(&["Thunderbird", "mbsync"]);
    fake.run(&["mail", "remove", ADDRESS, "--client", "mbsync"])
        .done();
    fake.run(&["mail", "remove", ADDRESS, "--client", "none"])
        .refused(Code::MailPasswordUnknown);
    fake.run(&["mail", "remove", ADDRESS]).done();
    let deletions: Vec<String> = fake
        .requests()
        .into_iter()
        .map(|request| request.line)
        .filter(|line| line.starts_with("DELETE"))
        .collect();
    assert_eq!(
        deletions,
        [
            format!("DELETE {PATH}/passwords/p1"),
            format!("DELETE {PATH}")
        ]
    );
}

#[test]
fn a_test_says_in_words_what_works_and_what_to_do() {
    let refused = json!({
        "imap": {"ok": true, "code": null, "detail": null, "answer": null},
        "smtp": {"ok": false, "code": "card.absent", "detail": "no card in 1 reader",
            "answer": "454 4.7.0 Inserez votre carte CPS"}
    });
    let fake = Fake::answering(&[(&format!("POST {PATH}/test"), Answer::json(&refused))]);
    let ended = fake.run(&["mail", "test", ADDRESS]);
    assert_eq!(ended.status, 1);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[0], "✓ Reading (IMAP)\u{a0}: works");
    assert!(
        lines[1].starts_with("✗ Sending (SMTP)\u{a0}: "),
        "{lines:?}"
    );
    assert!(lines[1].ends_with("[card.absent]"), "{lines:?}");
    assert!(lines[2].starts_with("  → "), "{lines:?}");
    assert!(lines[4].ends_with("454 4.7.0 Inserez votre carte CPS"));
    let json = fake.run(&["mail", "test", ADDRESS, "--json"]);
    assert_eq!(json.status, 1, "scripts are told as well");
    let document: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(document, refused);
}

#[test]
fn the_journal_shows_the_last_actions_and_can_be_checked() {
    let entry = |sequence: u64| {
        json!({"sequence": sequence, "at": "2026-11-22T08:00:00Z", "author": "899700000013",
            "mailbox": ADDRESS, "protocol": "smtp", "action": "send",
            "request": "RCPT TO:<a@hop.mssante.fr>", "answer": "250 2.1.5 Ok",
            "program": "thunderbird", "hash": "00"})
    };
    let page = |entries: &[Value]| Answer::json(&json!({"entries": entries, "verified": true}));
    let broken =
        json!({"verified": false, "entries": 3, "broken_at": 2, "head": "00", "detail": "x"});
    let fake = Fake::answering(&[
        ("GET /v1/mail/journal?after=0", page(&[entry(7), entry(8)])),
        ("GET /v1/mail/journal?after=8", page(&[entry(9)])),
        ("GET /v1/mail/journal?after=9", page(&[])),
        ("GET /v1/mail/journal/verify", Answer::json(&broken)),
    ]);
    let said = fake.run(&["mail", "journal", "--limit", "2"]).done();
    let numbers: Vec<&str> = said.lines().filter_map(|line| line.get(..1)).collect();
    assert_eq!(numbers, ["8", "9"], "{said}");
    assert!(said.contains("RCPT TO:<a@hop.mssante.fr>"), "{said}");
    let told = fake
        .run(&["mail", "journal", "--verify"])
        .refused(Code::JournalBroken);
    assert!(told.contains('2'), "{told}");
}

#[test]
fn settings_are_printed_alone_and_written_for_their_owner_only() {
    let fake = daemon(&["mail"]);
    let home = fake.path("home");
    let run = |arguments: &[&str]| {
        let mut command = fake.command(&[&["mail", "config"], arguments].concat());
        Ended::of(command.env("HOME", &home).output().unwrap())
    };
    let printed = run(&["msmtp", ADDRESS]).done();
    assert!(printed.starts_with("# jean.exemple@"), "{printed}");
    assert!(printed.ends_with("\"\n"), "{printed}");
    assert!(!fake.requests().iter().any(|r| r.line.starts_with("POST")));

    let out = fake.path("msmtprc");
    let arguments = ["msmtp", ADDRESS, "--out", out.to_str().unwrap()];
    let with = |more: &[&str]| run(&[&arguments[..], more].concat());
    let said = with(&["--new-password"]).done();
    assert!(!said.contains("aaaaa-bbbbb"), "it is in its file: {said}");
    assert_eq!(fs::read_to_string(&out).unwrap(), printed);
    let kept = home.join(format!(".config/cpsd/passwords/{ADDRESS}.msmtp"));
    assert_eq!(
        fs::read_to_string(&kept).unwrap(),
        "aaaaa-bbbbb-ccccc-ddddd\n"
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&out), mode(&kept)), (0o600, 0o600));
    assert_eq!(mode(kept.parent().unwrap()), 0o700);
    assert!(printed.contains(kept.to_str().unwrap()), "{printed}");
    let last = fake.requests().len() - 1;
    assert_eq!(body(&fake, last), json!({"client": "msmtp"}));

    fs::write(&out, "mine").unwrap();
    with(&[]).refused(Code::FileExists);
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    with(&["--force"]).done();
    assert_eq!(fs::read_to_string(&out).unwrap(), printed);

    // A program with a window asks for the password: it is said.
    let folder = fake.path("sources");
    let folder = folder.to_str().unwrap();
    let said = run(&["evolution", ADDRESS, "--out", folder, "--new-password"]).done();
    assert!(
        said.contains("Password: aaaaa-bbbbb-ccccc-ddddd\n"),
        "{said}"
    );
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
    run(&["apple", ADDRESS, "--tunnel"]).refused(Code::MailTunnelUnsupported);
    run(&["apple", "x@y.fr"]).refused(Code::MailMailboxUnknown);
    assert_eq!(run(&["apple", ADDRESS, "--new-password"]).status, 2);
}

#[test]
fn a_refused_password_is_told_and_a_closed_gateway_too() {
    let mut closed = mail(&["mail"]);
    closed["imap"] = Value::Null;
    closed["autoconfig"] = Value::Null;
    let problem = Answer::problem(&Problem::new(Code::MailTooMany));
    let fake = Fake::answering(&[("GET", Answer::json(&closed)), ("POST", problem)]);
    let home = fake.path("home");
    fs::create_dir(&home).unwrap();
    let run = |arguments: &[&str]| {
        Ended::of(fake.command(arguments).env("HOME", &home).output().unwrap())
    };
    run(&["mail", "config", "mbsync", ADDRESS]).refused(Code::MailClosed);
    run(&["setup", "mail", "--gateway", "--yes"]).refused(Code::MailClosed);
    run(&["mail", "rotate", ADDRESS]).refused(Code::MailTooMany);
}

#[test]
fn thunderbird_is_told_where_settings_are_and_nothing_else() {
    let fake = daemon(&["mail"]);
    let home = fake.path("home");
    let profile = home.join(".thunderbird/a.default");
    fs::create_dir_all(&profile).unwrap();
    let list = "[Profile0]\nName=default\nIsRelative=1\nPath=a.default\n";
    fs::write(home.join(".thunderbird/profiles.ini"), list).unwrap();
    let preferences = profile.join("prefs.js");
    fs::write(&preferences, "user_pref(\"mail.x\", 1);\n").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = fake.command(&[&["setup", "mail"], arguments].concat());
        Ended::of(command.env("HOME", &home).output().unwrap()).done()
    };
    let shown = run(&["--gateway", "--dry-run"]);
    let line = "+ preference mailnews.auto_config_url = http://127.0.0.1:1480/v1.1/";
    assert!(shown.contains(line), "{shown}");
    run(&["--gateway", "--yes"]);
    let text = fs::read_to_string(&preferences).unwrap();
    let expected = "user_pref(\"mailnews.auto_config_url\", \"http://127.0.0.1:1480/v1.1/\");\n";
    assert!(text.contains(expected), "{text}");
    assert!(!home.join(".config").exists(), "no word of the module");
    run(&["--undo", "--yes"]);
    let text = fs::read_to_string(&preferences).unwrap();
    assert_eq!(text, "user_pref(\"mail.x\", 1);\n");
}

#[test]
fn a_tunnel_joins_the_gateways_socket() {
    let fake = daemon(&["mail"]);
    // Beside the socket of the API.
    let listener = UnixListener::bind(fake.path("imap.sock")).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"* OK\r\n").unwrap();
        let mut said = String::default();
        stream.read_to_string(&mut said).unwrap();
        stream.write_all(b"* BYE\r\n").unwrap();
        said
    });
    let mut command = fake.command(&["tunnel", "imap"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a LOGOUT").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"* OK\r\n* BYE\r\n");
    assert_eq!(server.join().unwrap(), "a LOGOUT");

    // The daemon is there and the gateway is not; an ordinary file is no socket.
    fake.run(&["tunnel", "smtp"]).refused(Code::MailClosed);
    fs::write(fake.path("smtp.sock"), "").unwrap();
    fake.run(&["tunnel", "smtp"]).refused(Code::MailClosed);
    assert_eq!(fake.run(&["tunnel", "imap", "--listen", "0"]).status, 2);
    // Without any daemon that is what is said.
    let nowhere = fake.path("none/s");
    let nowhere = nowhere.to_str().unwrap();
    fake.run(&["tunnel", "imap", "--socket", nowhere])
        .refused(Code::DaemonAbsent);
}
