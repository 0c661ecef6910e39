use std::fs;

use proptest::prelude::*;

use super::*;

const SHIPPED: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../packaging/cpsd.toml"
));

/// Every key that the structures accept, asked of serde itself through its error message.
fn keys(text: &str) -> Vec<String> {
    let error = Config::parse(text, "x").expect_err("an unknown key");
    let message = error.to_string();
    let (_, list) = message
        .split_once("expected one of ")
        .expect("the list of keys");
    let list = list.lines().next().expect("a line");
    list.split(", ")
        .map(|key| key.trim_matches('`').to_owned())
        .collect()
}

fn refusal(text: &str) -> String {
    Config::parse(text, "cpsd.toml")
        .expect_err(text)
        .to_string()
}

#[test]
fn the_shipped_file_is_the_default() {
    assert_eq!(
        Config::parse(SHIPPED, "shipped").expect("parses"),
        Config::default()
    );
    assert_eq!(
        Config::parse("", "empty").expect("parses"),
        Config::default()
    );
}

#[test]
fn the_shipped_examples_are_right_too() {
    // Every commented key and table, with the comment sign taken away.
    let is_example = |line: &str| line.ends_with("]]") || line.split_once(" = ").is_some();
    let text: String = SHIPPED
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| is_example(rest))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = Config::parse(&text, "examples").expect("parses");
    assert_eq!(config.language, Some(Language::Fr));
    assert!(config.journal.is_some());
    assert_eq!(config.modules.len(), 1);
    let operator = config.operators.first().expect("an operator");
    assert!(operator.serves("Medecin.EXAMPLE.mssante.fr"));
    assert!(!operator.serves("example.mssante.fr"));
    assert_eq!(operator.imap.tls, MailTls::StartTls);
    assert_eq!(operator.login, MailLogin::Xoauth2);
    assert_eq!(operator.smtp_login(), MailLogin::Certificate);
    assert_eq!(
        config.destination("MESSAGERIE.example.mssante.fr", 443),
        config.destinations.first()
    );
    assert_eq!(
        config.destination("messagerie.example.mssante.fr", 993),
        None
    );
}

#[test]
fn every_key_is_explained_in_the_shipped_file() {
    let top = keys("nonsense = 1");
    assert!(top.len() >= 12, "{top:?}");
    for key in top {
        let heading = match key.as_str() {
            "destination" | "module" | "operator" => format!("# [[{key}]]: "),
            "mail" | "pkcs11" => format!("# [{key}]: "),
            _ => format!("# {key}: "),
        };
        assert!(
            SHIPPED.lines().any(|line| line.starts_with(&heading)),
            "{key} is not explained"
        );
    }
    let tables = [
        "[[destination]]\nnonsense = 1",
        "[mail]\nnonsense = 1",
        "[[module]]\nnonsense = 1",
        "[[operator]]\nnonsense = 1",
        "[pkcs11]\nnonsense = 1",
    ];
    for key in tables.into_iter().flat_map(keys) {
        let heading = format!("#   {key} ");
        assert!(
            SHIPPED.lines().any(|line| line.starts_with(&heading)),
            "{key} is not explained"
        );
    }
}

#[test]
fn what_cannot_be_read_names_file_line_and_key() {
    for (text, line, key) in [
        ("\npin = \"1234\"\n", "line 2", "pin"),
        ("idle_minutes = \"ten\"", "line 1", "idle_minutes"),
        ("exclusive = 1", "line 1", "exclusive"),
        ("environment = \"prod\"", "line 1", "prod"),
        ("language = \"de\"", "line 1", "de"),
        ("journal_mib = -1", "line 1", "journal_mib"),
        ("pinentry = 3", "line 1", "pinentry"),
        ("anchors = \"file\"", "line 1", "anchors"),
        ("grant_days = 70000", "line 1", "grant_days"),
        ("accepted_atrs = [\"3B A\"]", "line 1", "accepted_atrs"),
        ("a = [", "line 1", "a ="),
        ("prefer = \"vendor\"", "line 1", "vendor"),
        ("[mail]\nimap = \"localhost:143\"", "line 2", "imap"),
        ("[mail]\ndns = [\"203.0.113.53\"]", "line 2", "dns"),
        ("[mail]\noutside = \"drop\"", "line 2", "drop"),
        ("[[operator]]\nname = \"o\"", "line 1", "domains"),
        (
            "[[operator]]\nimap = { host = \"h\", port = 1, tls = \"none\" }",
            "line 2",
            "none",
        ),
        ("[[operator]]\nlogin = \"password\"", "line 2", "password"),
        ("[[module]]\nname = \"m\"", "line 1", "path"),
        ("exclusive = true\nexclusive = true", "line 2", "exclusive"),
        (
            "[[destination]]\nhost = \"h\"\nport = 70000\npurpose = \"p\"",
            "line 3",
            "port",
        ),
        (
            "[[destination]]\nhost = \"h\"\nport = 1\npurpose = \"p\"\npath = \"/\"",
            "line 5",
            "path",
        ),
        (
            "[[destination]]\nhost = \"h\"\nport = 1",
            "line 1",
            "purpose",
        ),
    ] {
        let message = refusal(text);
        for part in ["cpsd.toml", line, key] {
            assert!(message.contains(part), "{part:?} in {message}");
        }
    }
}

#[test]
fn values_that_cannot_be_meant_name_the_key() {
    let destination = |host: &str, port: u16, purpose: &str| {
        format!("[[destination]]\nhost = \"{host}\"\nport = {port}\npurpose = \"{purpose}\"\n")
    };
    let module = |name: &str, rest: &str| {
        format!("[[module]]\nname = \"{name}\"\npath = \"/lib/module.so\"\n{rest}\n")
    };
    for (text, key) in [
        ("pinentry = \"\"".to_owned(), "pinentry"),
        ("prompt_seconds = 0".to_owned(), "prompt_seconds"),
        ("idle_minutes = 100000".to_owned(), "idle_minutes"),
        ("grant_days = 91".to_owned(), "grant_days"),
        ("journal_mib = 0".to_owned(), "journal_mib"),
        ("accepted_atrs = [\"3B\"]".to_owned(), "accepted_atrs"),
        ("journal = \"relative\"".to_owned(), "journal"),
        (
            "[pkcs11]\nwait_seconds = 4".to_owned(),
            "pkcs11.wait_seconds",
        ),
        (
            "[pkcs11]\nwait_seconds = 601".to_owned(),
            "pkcs11.wait_seconds",
        ),
        (module("", ""), "module[0].name"),
        (module("Card", ""), "module[0].name"),
        (module("a:b", ""), "module[0].name"),
        (module(&"m".repeat(33), ""), "module[0].name"),
        (module("m", "") + &module("m", ""), "module[1].name"),
        (module("m", "writable = [\"tokens\"]"), "module[0].writable"),
        (
            module("m", "environment = { PATH = \"/tmp\" }"),
            "module[0].environment",
        ),
        (
            module("m", "environment = { \"A=B\" = \"\" }"),
            "module[0].environment",
        ),
        (module("m", "").replace("/lib/", ""), "module[0].path"),
        (
            (0..17).map(|n| module(&format!("m{n}"), "")).collect(),
            "module",
        ),
        (destination("", 1, "p"), "destination[0].host"),
        (destination("https://h", 1, "p"), "destination[0].host"),
        (destination("été.fr", 1, "p"), "destination[0].host"),
        (destination("*", 1, "p"), "destination[0].host"),
        (destination("h", 0, "p"), "destination[0].port"),
        (destination("h", 1, ""), "destination[0].purpose"),
        (
            destination("h", 1, "p") + &destination("H", 1, "q"),
            "destination[1].host",
        ),
    ] {
        let message = refusal(&text);
        assert!(
            message.starts_with(&format!("cpsd.toml: {key}: ")),
            "{message}"
        );
    }
}

#[test]
fn the_gateway_listens_on_this_computer_only() {
    for elsewhere in [
        "0.0.0.0:1143",
        "[::]:1143",
        "192.168.1.2:1143",
        "[::ffff:127.0.0.1]:1",
    ] {
        for key in ["imap", "smtp", "autoconfig", "imaps", "smtps"] {
            let message = refusal(&format!("[mail]\n{key} = \"{elsewhere}\""));
            assert!(message.contains(&format!("mail.{key}: ")), "{message}");
            assert!(message.contains("[::1]"), "{message}");
        }
    }
    let here =
        "[mail]\nimap = \"[::1]:1143\"\nsmtp = \"127.0.0.2:0\"\nautoconfig = \"127.0.0.1:0\"";
    let mail = Config::parse(here, "x").expect("parses").mail;
    assert_eq!(mail.imap, "[::1]:1143".parse().expect("an address"));
    // The same port of another address is another place; port 0 is a different one each time.
    assert_eq!((mail.smtp.port(), mail.autoconfig.port()), (0, 0));
}

#[test]
fn mail_settings_that_cannot_be_meant_name_the_key() {
    let operator = |rest: &str| {
        let mut lines = vec![
            ("name", "\"o\""),
            ("domains", "[\"o.test\"]"),
            ("imap", "{ host = \"h\", port = 143 }"),
            ("smtp", "{ host = \"h\", port = 587 }"),
        ];
        let changed = rest.lines().filter_map(|line| line.split_once(" = "));
        for (key, value) in changed {
            lines.retain(|(known, _)| *known != key);
            lines.push((key, value));
        }
        let lines = lines
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"));
        lines.fold("[[operator]]\n".to_owned(), |text, line| text + &line)
    };
    Config::parse(&operator(""), "x").expect("the operator that is changed below");
    for (text, key) in [
        ("[mail]\nsmtp = \"127.0.0.1:1143\"".to_owned(), "mail.smtp"),
        (
            "[mail]\nsmtps = \"127.0.0.1:1993\"".to_owned(),
            "mail.smtps",
        ),
        ("[mail]\nhold_seconds = 0".to_owned(), "mail.hold_seconds"),
        ("[mail]\nhold_seconds = 26".to_owned(), "mail.hold_seconds"),
        ("[mail]\nconnections = 0".to_owned(), "mail.connections"),
        ("[mail]\nconnections = 10001".to_owned(), "mail.connections"),
        (
            "[mail]\nkeep_minutes = 1441".to_owned(),
            "mail.keep_minutes",
        ),
        (
            "[mail]\ndomains = [\"*.mssante.fr\"]".to_owned(),
            "mail.domains",
        ),
        ("[mail]\ndomains = [\"\"]".to_owned(), "mail.domains"),
        ("[mail]\ndomains = [\".fr\"]".to_owned(), "mail.domains"),
        ("[mail]\ndomains = [\"-a.fr\"]".to_owned(), "mail.domains"),
        (
            "[mail]\ndomains = [\"192.0.2.1\"]".to_owned(),
            "mail.domains",
        ),
        ("[mail]\nsize_mib = 0".to_owned(), "mail.size_mib"),
        (
            "[mail]\nproduct = \"a\\r\\nBcc: x\"".to_owned(),
            "mail.product",
        ),
        ("[mail]\nproduct = \"é\"".to_owned(), "mail.product"),
        ("[mail]\ndns = [\"203.0.113.53:0\"]".to_owned(), "mail.dns"),
        ("[mail]\njournal_days = 183".to_owned(), "mail.journal_days"),
        (operator("name = \"\""), "operator[0].name"),
        (operator("name = \" o\""), "operator[0].name"),
        (operator("domains = []"), "operator[0].domains"),
        (operator("domains = [\"o\", \"O\"]"), "operator[0].domains"),
        (operator("") + &operator(""), "operator[1].name"),
        (
            operator("") + &operator("name = \"p\""),
            "operator[1].domains",
        ),
        (
            operator("imap = { host = \"h h\", port = 1 }"),
            "operator[0].imap.host",
        ),
        (
            operator("smtp = { host = \"h\", port = 0 }"),
            "operator[0].smtp.port",
        ),
        (operator("login = \"certificate\""), "operator[0].login"),
        (operator("login = \"xoauth2\""), "operator[0].token_command"),
        (
            operator("smtp_login = \"oauthbearer\""),
            "operator[0].token_command",
        ),
        (
            operator("token_command = [\"/t\"]"),
            "operator[0].token_command",
        ),
        (
            operator("login = \"xoauth2\"\ntoken_command = [\"t\"]"),
            "operator[0].token_command",
        ),
    ] {
        let message = refusal(&text);
        assert!(
            message.starts_with(&format!("cpsd.toml: {key}: ")),
            "{message}"
        );
    }
}

#[test]
fn a_file_that_is_missing_or_too_long_is_an_error() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("cpsd.toml");
    assert!(matches!(
        Config::load(&path),
        Err(ConfigError::Unreadable { .. })
    ));
    fs::write(&path, "exclusive = true").expect("write");
    assert!(Config::load(&path).expect("parses").exclusive);
    fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).expect("write");
    assert!(matches!(
        Config::load(&path),
        Err(ConfigError::Unreadable { .. })
    ));
    fs::write(&path, [0xFF, 0xFE]).expect("write");
    assert!(matches!(
        Config::load(&path),
        Err(ConfigError::Unreadable { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_is_an_error_or_a_configuration(text in any::<String>()) {
        let _ = Config::parse(&text, "random");
    }

    #[test]
    fn a_mutated_file_never_panics(position: prop::sample::Index, byte in 0_u8..128) {
        let mut bytes = SHIPPED.as_bytes().to_vec();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let _ = Config::parse(text, "mutated");
        }
    }
}

#[test]
fn what_is_no_file_is_an_error_and_never_waited_for() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("cpsd.toml");
    crate::testing::fifo(&path);
    assert!(crate::testing::in_time(move || Config::load(&path).is_err()));
    assert!(crate::testing::in_time(|| {
        Config::load(Path::new("/dev/zero")).is_err()
    }));
}
