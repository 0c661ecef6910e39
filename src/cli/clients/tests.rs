use super::*;

fn account(tunnel: bool) -> Account {
    Account {
        address: "jean.exemple@medecin.mssante.fr".into(),
        name: "Jean \"le $HOME\" <EXEMPLE> & Cie\nX: y".into(),
        imap: "127.0.0.1:1143".parse().unwrap(),
        smtp: "127.0.0.1:1587".parse().unwrap(),
        autoconfig: Some("127.0.0.1:1480".parse().unwrap()),
        tunnel: tunnel.then(|| Tunnel {
            cps: "/opt/mes outils/cps".into(),
            smtp: "/run/user/1000/cpsd/smtp.sock".into(),
        }),
        password: "/home/l'autre/.config/cpsd/passwords/a".into(),
    }
}

fn content(program: Program, tunnel: bool) -> String {
    let settings = program.settings(&account(tunnel));
    settings.into_iter().map(|file| file.content).collect()
}

const ALL: [Program; 6] = [
    Program::Apple,
    Program::Evolution,
    Program::Mbsync,
    Program::Msmtp,
    Program::Neomutt,
    Program::Thunderbird,
];

#[test]
fn every_program_is_told_the_loopback_ports_and_the_user_name() {
    for program in ALL {
        let content = content(program, false);
        let ports: &[&str] = match program {
            Program::Mbsync => &["1143"],
            Program::Msmtp => &["1587"],
            _ => &["1143", "1587"],
        };
        for expected in ports
            .iter()
            .chain(&["127.0.0.1", "jean.exemple@medecin.mssante.fr"])
        {
            assert!(
                content.contains(expected),
                "{program:?}: {expected}\n{content}"
            );
        }
    }
}

/// A name comes from a card or a directory: it ends no line and runs no command.
#[test]
fn a_name_stays_a_name() {
    for program in ALL {
        let content = content(program, false);
        assert!(!content.contains("\nX: y"), "{program:?}: {content}");
    }
    let neomutt = content(Program::Neomutt, false);
    // neomuttrc(5): a backslash keeps what follows it as it is.
    let expected = "set realname=\"Jean \\\"le \\$HOME\\\" <EXEMPLE> & CieX: y\"\n";
    assert!(neomutt.contains(expected), "{neomutt}");
    let apple = content(Program::Apple, false);
    assert!(apple.contains("&lt;EXEMPLE&gt; &amp; Cie"), "{apple}");
}

#[test]
fn a_tunnel_needs_no_port() {
    let mbsync = content(Program::Mbsync, true);
    let expected = "\nTunnel \"'/opt/mes outils/cps' tunnel imap\"\n";
    assert!(mbsync.contains(expected), "{mbsync}");
    assert!(!mbsync.contains("Host"), "{mbsync}");
    let msmtp = content(Program::Msmtp, true);
    assert!(
        msmtp.contains("\nsocket /run/user/1000/cpsd/smtp.sock\n"),
        "{msmtp}"
    );
    let neomutt = content(Program::Neomutt, true);
    assert!(
        neomutt.contains("set tunnel=\"'/opt/mes outils/cps' tunnel imap\""),
        "{neomutt}"
    );
    assert!(!neomutt.contains("1587"), "{neomutt}");
}

#[test]
fn the_password_is_read_from_a_file_whatever_its_path() {
    let expected = "cat '/home/l'\\''autre/.config/cpsd/passwords/a'";
    let doubled = expected.replace('\\', "\\\\");
    for program in [Program::Mbsync, Program::Msmtp, Program::Neomutt] {
        assert!(program.reads_password_file());
        let content = content(program, false);
        assert!(content.contains(&doubled), "{program:?}: {content}");
    }
}

/// RFC 9562: version 4, variant 10.
#[test]
fn each_profile_has_identifiers_of_its_own() {
    let profiles = [
        content(Program::Apple, false),
        content(Program::Apple, false),
    ];
    let identifiers = profiles.each_ref().map(|profile| {
        let mut lines = profile.lines();
        let mut found = Vec::default();
        while lines.by_ref().any(|line| line.contains("PayloadUUID")) {
            let value = lines.next().unwrap().trim();
            let value = value.strip_prefix("<string>").unwrap();
            found.push(value.strip_suffix("</string>").unwrap());
        }
        found
    });
    let mut all = identifiers.concat();
    assert_eq!(all.len(), 4);
    for identifier in &all {
        let groups: Vec<&str> = identifier.split('-').collect();
        assert_eq!(
            groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(groups[2].starts_with('4'), "{identifier}");
        assert!(groups[3].starts_with(['8', '9', 'A', 'B']), "{identifier}");
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4);
}
