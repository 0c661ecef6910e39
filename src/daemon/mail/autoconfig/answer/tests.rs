use http_body_util::BodyExt;

use super::*;

fn offer() -> Offer {
    Offer {
        domains: vec![
            "cabinet.mssante.fr".to_owned(),
            "medecin.mssante.fr".to_owned(),
        ],
        servers: Some(Servers {
            tls: false,
            imap: "127.0.0.1:1143".parse().expect("an address"),
            smtp: "[::1]:1587".parse().expect("an address"),
        }),
    }
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

fn get(offer: &Offer, path: &str) -> Response<Full<Bytes>> {
    offer.answer(&request(path, &[("Host", "127.0.0.1:1480")]))
}

async fn body(response: Response<Full<Bytes>>) -> String {
    let bytes = response.into_body().collect().await.expect("a body");
    String::from_utf8(bytes.to_bytes().to_vec()).expect("text")
}

/// As Mozilla documents it, with what this gateway is.
const EXPECTED: &str = r#"<clientConfig version="1.1">
  <emailProvider id="medecin.mssante.fr">
    <domain>medecin.mssante.fr</domain>
    <displayName>MSSanté (cpsd)</displayName>
    <displayShortName>MSSanté</displayShortName>
    <incomingServer type="imap">
      <hostname>127.0.0.1</hostname>
      <port>1143</port>
      <socketType>plain</socketType>
      <username>%EMAILADDRESS%</username>
      <authentication>password-cleartext</authentication>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname>::1</hostname>
      <port>1587</port>
      <socketType>plain</socketType>
      <username>%EMAILADDRESS%</username>
      <authentication>password-cleartext</authentication>
    </outgoingServer>
  </emailProvider>
</clientConfig>
"#;

#[tokio::test]
async fn a_mailbox_finds_its_settings_wherever_programs_look() {
    for path in [
        "/v1.1/medecin.mssante.fr",
        "/v1.1/Medecin.MSSANTE.fr",
        "/mail/config-v1.1.xml?emailaddress=alix%40medecin.mssante.fr",
        "/mail/config-v1.1.xml?emailaddress=alix@medecin.mssante.fr&x=y",
        "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=alix%40medecin.mssante.fr",
    ] {
        let response = get(&offer(), path);
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(
            response.headers()["content-type"],
            "text/xml; charset=utf-8"
        );
        assert_eq!(body(response).await, EXPECTED, "{path}");
    }
    let all = body(get(&offer(), "/mail/config-v1.1.xml")).await;
    assert!(all.contains("<domain>cabinet.mssante.fr</domain>"));
    assert!(all.contains("<domain>medecin.mssante.fr</domain>"));
}

#[tokio::test]
async fn tls_is_offered_where_it_is_spoken() {
    let mut offer = offer();
    offer.servers = Some(Servers {
        tls: true,
        imap: "127.0.0.1:1993".parse().expect("an address"),
        smtp: "127.0.0.1:1465".parse().expect("an address"),
    });
    let text = body(get(&offer, "/v1.1/medecin.mssante.fr")).await;
    assert_eq!(text.matches("<socketType>SSL</socketType>").count(), 2);
    assert!(text.contains("<port>1993</port>") && text.contains("<port>1465</port>"));
}

#[test]
fn other_accounts_are_sent_where_they_would_have_asked() {
    let response = get(&offer(), "/v1.1/gmail.com");
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(
        response.headers()["location"],
        "https://live.thunderbird.net/autoconfig/v1.1/gmail.com"
    );
    // A sub-domain is another operator's.
    let below = get(&offer(), "/v1.1/x.medecin.mssante.fr");
    assert_eq!(below.status(), StatusCode::FOUND);
    for path in [
        "/v1.1/",
        "/v1.1/../x",
        "/v1.1/a%0d%0ab",
        "/v1.1/a/b",
        "/v1.1/a@b",
        "/",
        "/mail/config-v1.1.xml?emailaddress=alix@gmail.com",
        "/mail/config-v1.1.xml?emailaddress=%",
        "/mail/config-v1.1.xml?emailaddress=%ff",
        "/mail/config-v1.1.xml?emailaddress=",
    ] {
        let response = get(&offer(), path);
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!response.headers().contains_key("location"), "{path}");
    }
}

#[test]
fn web_pages_are_told_nothing() {
    let path = "/v1.1/medecin.mssante.fr";
    for headers in [
        &[("Host", "attacker.example")] as &[(&str, &str)],
        &[("Host", "attacker.example:1480")],
        &[("Host", "127.0.0.1.attacker.example")],
        &[("Host", "localhost.attacker.example:1480")],
        &[("Host", "192.168.1.1:1480")],
        &[("Host", "")],
        &[],
        &[
            ("Host", "127.0.0.1:1480"),
            ("Origin", "https://attacker.example"),
        ],
        &[("Host", "127.0.0.1:1480"), ("Origin", "null")],
    ] {
        let response = offer().answer(&request(path, headers));
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{headers:?}");
    }
    for host in [
        "127.0.0.1:1480",
        "localhost:1480",
        "LOCALHOST",
        "[::1]:1480",
        "[::1]",
        "127.0.0.1",
    ] {
        let response = offer().answer(&request(path, &[("Host", host)]));
        assert_eq!(response.status(), StatusCode::OK, "{host}");
    }
}

#[test]
fn nothing_else_is_done_there() {
    let post = Request::post("/v1.1/medecin.mssante.fr").header("Host", "localhost");
    let response = offer().answer(&post.body(()).expect("a request"));
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    let mut closed = offer();
    closed.servers = None;
    let response = get(&closed, "/v1.1/medecin.mssante.fr");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
