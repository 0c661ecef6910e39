use proptest::prelude::*;

use super::*;

/// In the form that Mozilla documents (wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat).
const PUBLISHED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- settings -->
<clientConfig version="1.1">
  <emailProvider id="medecin.example.mssante.fr">
    <domain>medecin.example.mssante.fr</domain>
    <displayName>Messagerie &amp; sant&#xE9;</displayName>
    <displayShortName>MS</displayShortName>
    <incomingServer type="pop3">
      <hostname>pop.example.mssante.fr</hostname>
    </incomingServer>
    <incomingServer type="imap">
      <hostname>mail.example.mssante.fr</hostname>
      <port>143</port>
      <socketType>STARTTLS</socketType>
      <username>%EMAILADDRESS%</username>
      <authentication>TLS-client-cert</authentication>
      <authentication>OAuth2</authentication>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname><![CDATA[mail.example.mssante.fr]]></hostname>
      <port> 587 </port>
      <socketType>STARTTLS</socketType>
      <authentication>none</authentication>
    </outgoingServer>
    <documentation url="https://example.mssante.fr/"><descr lang="fr">Aide</descr></documentation>
  </emailProvider>
  <emailProvider id="other"><displayName>Other</displayName>
    <incomingServer type="imap"><hostname>other</hostname></incomingServer>
  </emailProvider>
</clientConfig>
"#;

#[test]
fn a_published_document_is_read() {
    let document = read(PUBLISHED.as_bytes()).expect("read");
    assert_eq!(document.name, "Messagerie & santé");
    let kinds: Vec<&str> = document
        .incoming
        .iter()
        .map(|one| one.kind.as_str())
        .collect();
    assert_eq!(kinds, ["pop3", "imap"]);
    assert_eq!(
        document.incoming[1],
        Server {
            kind: "imap".into(),
            host: "mail.example.mssante.fr".into(),
            port: "143".into(),
            socket: "STARTTLS".into(),
            authentication: vec!["TLS-client-cert".into(), "OAuth2".into()],
        }
    );
    let [outgoing] = document.outgoing.as_slice() else {
        panic!("one server: {:?}", document.outgoing);
    };
    assert_eq!(
        (outgoing.host.as_str(), outgoing.port.as_str()),
        ("mail.example.mssante.fr", "587")
    );
}

#[test]
fn hostile_documents_are_refused() {
    let nested = "<clientConfig>".to_owned() + &"<a>".repeat(1_000_000);
    let many = "<clientConfig>".to_owned() + &"<a/>".repeat(3000) + "</clientConfig>";
    let host = "h".repeat(1000);
    let long = PUBLISHED.replace("mail.example.mssante.fr", &host);
    let bomb = r#"<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
        <clientConfig><emailProvider><displayName>&b;</displayName></emailProvider></clientConfig>"#;
    let file = r#"<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><clientConfig/>"#;
    let entity = "<clientConfig>&f;</clientConfig>";
    for hostile in [
        nested.as_str(),
        &many,
        &long,
        bomb,
        file,
        entity,
        "<clientConfig>&#x110000;</clientConfig>",
        "",
        "text",
        "<html></html>",
        "<clientConfig>",
        "<clientConfig></b>",
        "<clientConfig",
    ] {
        let start: String = hostile.chars().take(60).collect();
        assert!(read(hostile.as_bytes()).is_err(), "{start}");
    }
    assert!(read(b"<clientConfig>\xff</clientConfig>").is_err());
}

#[test]
fn long_descriptions_do_not_matter() {
    let text = format!("<descr>{}</descr>", "long ".repeat(2000));
    let document = PUBLISHED.replace("<descr lang=\"fr\">Aide</descr>", &text);
    assert_eq!(read(document.as_bytes()), read(PUBLISHED.as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_mutated_document_is_read_or_refused(position: prop::sample::Index, byte: u8) {
        let mut bytes = PUBLISHED.as_bytes().to_vec();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        if let Ok(document) = read(&bytes) {
            let longest = document.incoming.iter().chain(&document.outgoing);
            prop_assert!(longest.map(|server| server.host.len()).all(|length| length <= LENGTH));
        }
    }
}
