use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::Config;
use crate::mail::operator::{Endpoint, LoginKind};

const ALIX: &str = "alix@medecin.mssante.fr";

fn address(text: &str) -> Address {
    Address::parse(text).expect(text)
}

fn operator(host: &str, found: bool) -> Operator {
    let endpoint = |port| Endpoint {
        host: host.to_owned(),
        port,
        starttls: true,
    };
    Operator {
        name: host.to_owned(),
        imap: endpoint(143),
        smtp: endpoint(587),
        login: LoginKind::External,
        smtp_login: LoginKind::External,
        anchors: Vec::new(),
        token_command: Vec::new(),
        found,
    }
}

/// Adds a mailbox found in DNS, and tells its application password.
fn add(mailboxes: &Mailboxes, at: &str, holder: &str) -> (AppPassword, Zeroizing<String>) {
    let (password, secret) = mailboxes.random_password("Thunderbird").expect("random");
    mailboxes
        .add(Mailbox {
            address: address(at),
            operator: operator("mail.operateur.mssante.fr", true),
            source: Source::Dns,
            holder: holder.to_owned(),
            holder_name: "ALIX EXEMPLE".to_owned(),
            shared: false,
            passwords: vec![password.clone()],
            created: Timestamp::now(),
        })
        .expect("added");
    (password, secret)
}

struct Folder {
    _folder: tempfile::TempDir,
    file: PathBuf,
}

fn folder() -> Folder {
    let folder = tempfile::tempdir().expect("folder");
    Folder {
        file: folder.path().join("mailboxes.json"),
        _folder: folder,
    }
}

impl Folder {
    fn open(&self) -> Mailboxes {
        self.open_with("")
    }

    fn open_with(&self, config: &str) -> Mailboxes {
        let config = Config::parse(config, "test").expect("a configuration");
        Mailboxes::open(&self.file, &config).expect("opened")
    }

    fn names(&self) -> Vec<String> {
        let folder = self.file.parent().expect("a folder");
        let entries = fs::read_dir(folder).expect("listed");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("entry").file_name();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry).to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn what_was_added_is_there_after_a_restart() {
    let folder = folder();
    let (first, secret) = add(&folder.open(), ALIX, "899700000013");
    let mailboxes = folder.open();
    let (mailbox, id) = mailboxes.authenticate(ALIX, &secret).expect("logged in");
    assert_eq!(mailbox.holder, "899700000013");
    assert_eq!(id, first.id);
    let mode = fs::metadata(&folder.file).expect("the file").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let text = fs::read_to_string(&folder.file).expect("text");
    assert!(!text.contains(secret.as_str()));
    assert_eq!(folder.names(), ["mailboxes.json"]);
}

#[test]
fn without_a_mailbox_there_is_no_file() {
    let folder = folder();
    let mailboxes = folder.open();
    assert!(mailboxes.is_empty() && folder.names().is_empty());
    assert_eq!(
        mailboxes.authenticate(ALIX, "").map(drop),
        Err(Trouble::WrongPassword)
    );
}

#[test]
fn only_the_right_password_of_the_right_mailbox_opens_it() {
    let folder = folder();
    let mailboxes = folder.open();
    let (_, alix) = add(&mailboxes, ALIX, "899700000013");
    let (_, camille) = add(&mailboxes, "camille@infirmier.mssante.fr", "899700000021");
    let refused = |user: &str, password: &str| {
        let answer = mailboxes.authenticate(user, password);
        answer.map(drop).expect_err("refused")
    };
    assert_eq!(refused(ALIX, "wrong"), Trouble::WrongPassword);
    assert_eq!(refused(ALIX, &camille), Trouble::OtherMailbox);
    assert_eq!(refused("alix", &alix), Trouble::OtherMailbox);
    assert_eq!(
        refused("nobody@medecin.mssante.fr", &alix),
        Trouble::OtherMailbox
    );
    assert_eq!(
        refused("nobody@medecin.mssante.fr", "x"),
        Trouble::WrongPassword
    );
    // Operators do not tell addresses apart by case, and people do not type it alike.
    assert!(
        mailboxes
            .authenticate("Alix@MEDECIN.mssante.fr", &alix)
            .is_ok()
    );
}

#[test]
fn a_revoked_or_replaced_password_is_wrong_at_once() {
    let folder = folder();
    let mailboxes = folder.open();
    let at = address(ALIX);
    let (first, secret) = add(&mailboxes, ALIX, "899700000013");
    let (second, other) = mailboxes
        .new_password(&at, "mbsync", None)
        .expect("a second one");
    mailboxes.revoke(&at, &first.id).expect("revoked");
    assert!(!mailboxes.holds(&at, &first.id) && mailboxes.holds(&at, &second.id));
    assert_eq!(
        mailboxes.authenticate(ALIX, &secret).map(drop),
        Err(Trouble::WrongPassword)
    );
    assert!(mailboxes.authenticate(ALIX, &other).is_ok());

    let (_, third) = mailboxes
        .new_password(&at, "mbsync", Some("mbsync"))
        .expect("instead of the second");
    assert!(mailboxes.authenticate(ALIX, &other).is_err());
    assert!(mailboxes.authenticate(ALIX, &third).is_ok());
    assert!(matches!(
        mailboxes.new_password(&at, "mutt", Some("mutt")),
        Err(MailboxError::NoPassword(_))
    ));
    assert_eq!(mailboxes.find(&at).expect("there").passwords.len(), 1);
}

#[test]
fn a_mailbox_is_there_once_and_goes_with_its_passwords() {
    let folder = folder();
    let mailboxes = folder.open();
    let (password, secret) = add(&mailboxes, ALIX, "899700000013");
    let again = mailboxes.find(&address(ALIX)).expect("there");
    let again = Mailbox {
        address: address("ALIX@medecin.mssante.fr"),
        ..again
    };
    assert!(matches!(mailboxes.add(again), Err(MailboxError::Exists(_))));
    let mut changes = mailboxes.subscribe();
    mailboxes.remove(&address(ALIX)).expect("removed");
    assert!(changes.has_changed().expect("told"));
    changes.mark_unchanged();
    assert!(!mailboxes.holds(&address(ALIX), &password.id));
    assert!(mailboxes.authenticate(ALIX, &secret).is_err());
    assert!(matches!(
        mailboxes.remove(&address(ALIX)),
        Err(MailboxError::Unknown(_))
    ));
    assert!(!changes.has_changed().expect("told"), "nothing changed");
    assert!(folder.open().is_empty());
}

#[test]
fn a_person_sends_from_the_own_mailboxes_only() {
    let folder = folder();
    let mailboxes = folder.open();
    add(&mailboxes, ALIX, "899700000013");
    add(&mailboxes, "cabinet@cabinet.mssante.fr", "899700000013");
    add(&mailboxes, "camille@infirmier.mssante.fr", "899700000021");
    assert_eq!(
        mailboxes.belongs("899700000013"),
        [address(ALIX), address("cabinet@cabinet.mssante.fr")]
    );
    assert!(mailboxes.belongs("").is_empty());
}

#[test]
fn a_damaged_file_is_put_aside_whole() {
    for damaged in ["", "{", "[{}]", "\0\0\0\0", "[] []"] {
        let folder = folder();
        fs::write(&folder.file, damaged).expect("written");
        let mailboxes = folder.open();
        assert!(mailboxes.is_empty());
        let aside = mailboxes.set_aside().expect("put aside").to_owned();
        assert_eq!(fs::read_to_string(&aside).expect("kept"), damaged);
        add(&mailboxes, ALIX, "1");
        // A second time, the first is not written over.
        fs::write(&folder.file, "half").expect("written");
        assert_ne!(folder.open().set_aside(), Some(aside.as_path()));
        assert_eq!(fs::read_to_string(&aside).expect("kept"), damaged);
    }
}

#[test]
fn a_change_that_cannot_be_written_is_not_made() {
    let folder = folder();
    let mailboxes = folder.open();
    let (password, secret) = add(&mailboxes, ALIX, "1");
    // What is written first cannot be: a folder has its name.
    fs::create_dir(folder.file.with_extension("new")).expect("in the way");
    assert!(matches!(
        mailboxes.revoke(&address(ALIX), &password.id),
        Err(MailboxError::Io { .. })
    ));
    assert!(mailboxes.authenticate(ALIX, &secret).is_ok());
    assert!(mailboxes.remove(&address(ALIX)).is_err());
    assert!(folder.open().authenticate(ALIX, &secret).is_ok());
}

#[test]
fn a_login_is_remembered_without_a_write_for_each() {
    let folder = folder();
    let mailboxes = folder.open();
    let (_, secret) = add(&mailboxes, ALIX, "1");
    let before = fs::read(&folder.file).expect("the file");
    mailboxes.authenticate(ALIX, &secret).expect("logged in");
    assert_eq!(fs::read(&folder.file).expect("the file"), before);
    let used = mailboxes.list()[0].passwords[0].last_used;
    assert!(used.is_some());
    mailboxes.flush().expect("written");
    assert_eq!(folder.open().list()[0].passwords[0].last_used, used);
    // Another change keeps it too.
    mailboxes.authenticate(ALIX, &secret).expect("logged in");
    add(&mailboxes, "camille@infirmier.mssante.fr", "2");
    assert!(mailboxes.list()[0].passwords[0].last_used >= used);
}

#[test]
fn an_hour_later_the_file_knows() {
    let folder = folder();
    let mailboxes = folder.open();
    let (_, secret) = add(&mailboxes, ALIX, "1");
    let an_hour_ago = Timestamp::now() - SignedDuration::from_mins(61);
    *mailboxes.inner.written() = an_hour_ago;
    mailboxes.authenticate(ALIX, &secret).expect("logged in");
    assert!(folder.open().list()[0].passwords[0].last_used.is_some());
}

const CONFIGURED: &str = r#"
[[operator]]
name = "Exemple"
domains = ["medecin.mssante.fr"]
imap = { host = "localhost", port = 1430 }
smtp = { host = "localhost", port = 5870, tls = "implicit" }
smtp_login = "certificate"
"#;

#[test]
fn the_configuration_is_believed_before_what_was_found() {
    let folder = folder();
    let (_, secret) = add(&folder.open(), ALIX, "1");
    let mailboxes = folder.open_with(CONFIGURED);
    let (mailbox, _) = mailboxes.authenticate(ALIX, &secret).expect("logged in");
    assert_eq!(mailbox.source, Source::Configuration);
    assert_eq!(mailbox.operator.imap.host, "localhost");
    assert!(!mailbox.operator.smtp.starttls);
    assert_eq!(mailbox.operator.smtp_login, LoginKind::Certificate);
    assert!(mailboxes.is_operator("LOCALHOST"));
    assert!(!mailboxes.is_operator("mail.operateur.mssante.fr"));
}

#[test]
fn what_the_configuration_no_longer_allows_does_not_open() {
    let folder = folder();
    let (_, found) = add(&folder.open(), ALIX, "1");
    // Found within a trust space that is another one now.
    let mailboxes = folder.open_with("[mail]\ndomains = [\"hopital.example\"]");
    assert_eq!(
        mailboxes.authenticate(ALIX, &found).map(drop),
        Err(Trouble::Unreachable)
    );
    assert!(!mailboxes.is_operator("mail.operateur.mssante.fr"));
    assert!(folder.open().authenticate(ALIX, &found).is_ok());

    // Named by an administrator who names it no longer.
    let named = folder.open_with(CONFIGURED);
    named
        .new_password(&address(ALIX), "x", None)
        .expect("written");
    let mailboxes = folder.open();
    assert_eq!(mailboxes.list()[0].source, Source::Withdrawn);
    assert!(mailboxes.authenticate(ALIX, &found).is_err());
}

#[test]
fn there_are_bounds() {
    let folder = folder();
    let mailboxes = folder.open();
    add(&mailboxes, ALIX, "1");
    let mut refused = None;
    for _ in 0..60 {
        refused = mailboxes.new_password(&address(ALIX), "x", None).err();
    }
    assert!(matches!(refused, Some(MailboxError::TooMany(50))));
}
