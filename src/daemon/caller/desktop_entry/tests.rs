use proptest::prelude::*;

use super::*;

fn application(text: &str) -> DesktopEntry {
    match DesktopEntry::parse(text) {
        Parsed::Application(entry) => entry,
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_are_read_in_the_language_of_the_dialog() {
    let entry = application(
        "# comment\n[Desktop Entry]\nType=Application\nName=Mail\nName[fr]=Messagerie\n\
         Name[de]=Post\nIcon=mail\n[Desktop Action New]\nName=New mail\nIcon=new\n",
    );
    assert_eq!(entry.name(Language::Fr), "Messagerie");
    assert_eq!(entry.name(Language::En), "Mail");
    assert_eq!(entry.icon.as_deref(), Some("mail"));
    let untranslated = application("[Desktop Entry]\nType=Application\nName=Mail\nName[fr]=\n");
    assert_eq!(untranslated.name(Language::Fr), "Mail");
}

#[test]
fn what_is_no_application_names_nothing() {
    for other in [
        "",
        "Type=Application\nName=Before any group\n",
        "[Desktop Entry]\nType=Link\nName=Page\nURL=https://example/\n",
        "[Desktop Entry]\nType=Application\n",
        "[Other]\nType=Application\nName=x\n",
    ] {
        assert_eq!(DesktopEntry::parse(other), Parsed::Other, "{other}");
    }
    let hidden = "[Desktop Entry]\nType=Application\nName=x\nHidden=true\n";
    assert_eq!(DesktopEntry::parse(hidden), Parsed::Hidden);
}

#[test]
fn the_program_of_a_command_line_is_found() {
    for (exec, program, options, runs_another) in [
        ("/usr/bin/firefox %u", "/usr/bin/firefox", 0, false),
        ("libreoffice --writer %U", "libreoffice", 1, false),
        (
            r#""/opt/Mon logiciel/lps" "%f""#,
            "/opt/Mon logiciel/lps",
            0,
            false,
        ),
        // Backslashes are escaped once as a string and once inside the quotes.
        (
            r#""/opt/a \\"b\\" \\$c/lps""#,
            r#"/opt/a "b" $c/lps"#,
            0,
            false,
        ),
        (
            "env BAMF_DESKTOP_FILE_HINT=/x.desktop A=b /snap/bin/firefox %u",
            "/snap/bin/firefox",
            0,
            false,
        ),
        ("pkexec synaptic", "pkexec", 0, true),
        ("java -jar /opt/lps.jar", "java", 1, true),
        ("wine C:\\\\\\\\lps.exe", "wine", 0, true),
    ] {
        let entry = format!("[Desktop Entry]\nType=Application\nName=x\nExec={exec}\n");
        let expected = Command {
            program: program.to_owned(),
            options,
            runs_another,
        };
        assert_eq!(application(&entry).command, Some(expected), "{exec}");
    }
    for broken in ["", "\"/opt/x", "env -i /usr/bin/x", "env"] {
        let entry = format!("[Desktop Entry]\nType=Application\nName=x\nExec={broken}\n");
        assert_eq!(application(&entry).command, None, "{broken}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_panic(text in any::<String>(), exec in "[ a-z\"%\\\\=-]{0,40}") {
        let _ = DesktopEntry::parse(&text);
        let _ = DesktopEntry::parse(&format!("[Desktop Entry]\nType=Application\nExec={exec}\n{text}"));
    }
}
