//! Mailboxes opened at operators on loopback, good and bad, with the card and with tokens.

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use cps_emulator::{CrlVariant, Holder, Pki, Profile, ServerFlaw};
use cps_identity::{Certificate, Practitioner};
use cps_mail::{Protocol, Trouble};
use jiff::Timestamp;
use rustls::{CipherSuite, ProtocolVersion, SignatureScheme};
use serde_json::json;

use super::bench::{Bench, Setup, soon};
use crate::caller::Caller;
use crate::mail::mailboxes::{Mailbox, Source};
use crate::mail::operator::{Endpoint, LoginKind, Operator as Known};
use crate::mail::upstream::{self, Opened};
use crate::testing::operator::{Manner, Operator};
use crate::testing::{Behaviour, Publisher, TLS12, TLS13};

const PROTOCOLS: [Protocol; 2] = [Protocol::Imap, Protocol::Smtp];

/// A daemon, an operator, and a mailbox there.
struct Office {
    bench: Bench,
    operator: Operator,
    mailbox: Mailbox,
    protocol: Protocol,
}

/// What differs from office to office.
struct Plan {
    manner: Manner,
    setup: Setup,
    host: &'static str,
    flaw: ServerFlaw,
    command: Vec<String>,
}

impl Plan {
    fn of(manner: Manner) -> Self {
        Self {
            manner,
            setup: Setup::default(),
            host: "localhost",
            flaw: ServerFlaw::None,
            command: Vec::new(),
        }
    }

    async fn start(mut self) -> Office {
        let (publisher, pki) = Publisher::of_lists(self.setup.lists).await;
        let identity = pki.server_with(&[self.host], self.flaw);
        let protocol = self.manner.protocol;
        let login = match self.manner.tokens {
            Some(_) => LoginKind::XOauth2,
            None => LoginKind::External,
        };
        let starttls = self.manner.starttls;
        let operator = Operator::start(&pki, &identity, self.manner).await;
        let port = operator.address.port();
        self.setup.destinations += &format!(
            "[[operator]]\nname = \"test\"\ndomains = [\"medecin.test.mssante.fr\"]\n\
             imap = {{ host = \"localhost\", port = {port} }}\n\
             smtp = {{ host = \"localhost\", port = {port} }}\n"
        );
        let mailbox = mailbox(&pki, port, starttls, login, self.command);
        let bench = self.setup.start_with(publisher, pki).await;
        Office {
            bench,
            operator,
            mailbox,
            protocol,
        }
    }
}

fn mailbox(
    pki: &Pki,
    port: u16,
    starttls: bool,
    login: LoginKind,
    token_command: Vec<String>,
) -> Mailbox {
    let endpoint = Endpoint {
        host: "localhost".to_owned(),
        port,
        starttls,
    };
    let operator = Known {
        name: "test".to_owned(),
        imap: endpoint.clone(),
        smtp: endpoint,
        login,
        smtp_login: login,
        anchors: Vec::new(),
        token_command,
        found: false,
    };
    let certificate = Certificate::from_der(&pki.authentication_der(Holder::CpsMedecin));
    let holder = Practitioner::from_certificate(&certificate.expect("parses")).expect("a person");
    Mailbox {
        address: cps_mail::Address::parse("jean.dupont@medecin.test.mssante.fr").expect("one"),
        operator,
        source: Source::Configuration,
        holder: holder.national_id.as_str().to_owned(),
        holder_name: "JEAN DUPONT".to_owned(),
        shared: false,
        passwords: Vec::new(),
        created: Timestamp::now(),
    }
}

impl Office {
    async fn open(&self) -> Result<Opened, Trouble> {
        let caller = Caller::of_pid(std::process::id()).expect("this process");
        let app = &self.bench.daemon.app;
        upstream::open(app, &caller, &self.mailbox, self.protocol, "a7").await
    }

    async fn refused(&self) -> Trouble {
        match self.open().await {
            Ok(_) => panic!("opened, where a refusal was expected"),
            Err(trouble) => trouble,
        }
    }

    /// PIN dialogs and questions.
    fn dialogs(&self) -> usize {
        let dialogs = &self.bench.dialogs;
        dialogs.shown.load(Ordering::SeqCst) + dialogs.asked.load(Ordering::SeqCst)
    }

    fn signatures(&self) -> u64 {
        self.bench.slot.counters().expect("a card").key_operations
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_card_opens_its_holders_mailbox() {
    for (profile, version) in [
        (Profile::Cps3, ProtocolVersion::TLSv1_2),
        (Profile::Cps4, ProtocolVersion::TLSv1_3),
    ] {
        for (protocol, starttls) in PROTOCOLS.into_iter().zip([true, false]) {
            let mut plan = Plan::of(Manner::good(protocol, starttls));
            plan.setup = Setup::of(Holder::CpsMedecin, profile);
            let office = plan.start().await;
            let opened = office.open().await.expect("opened");
            match protocol {
                Protocol::Imap => {
                    let said = String::from_utf8(opened.forward).expect("text");
                    assert_eq!(said, "a7 OK [CAPABILITY IMAP4rev1 IDLE] welcome\r\n");
                }
                Protocol::Smtp => assert!(opened.smtp.is_some()),
            }
            let card = opened.permission.card().expect("with the card");
            assert_eq!(*card, office.bench.daemon.app.cards.cards()[0].id);
            let handshakes = office.operator.handshakes();
            let pki = &office.bench.pki;
            assert_eq!(handshakes.len(), 1);
            assert_eq!(handshakes[0].version, version);
            assert_eq!(
                handshakes[0].certificate,
                Some(pki.authentication_der(Holder::CpsMedecin))
            );
            assert_eq!(office.dialogs(), 1, "one PIN");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_suites_of_mssante_are_offered() {
    let mut manner = Manner::good(Protocol::Imap, true);
    manner.tls.versions = TLS12;
    manner.tls.suites = &[CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256];
    let office = Plan::of(manner).start().await;
    assert_eq!(office.refused().await, Trouble::Insecure);

    let mut manner = Manner::good(Protocol::Imap, true);
    manner.tls.versions = TLS12;
    manner.tls.suites = &[
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ];
    let office = Plan::of(manner).start().await;
    office.open().await.expect("opened");
    let suite = office.operator.handshakes()[0].suite;
    assert_eq!(suite, CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pin_and_one_signature_serve_many_connections() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut plan = Plan::of(Manner::good(Protocol::Imap, true));
        plan.setup = Setup::of(Holder::CpsMedecin, profile);
        let office = plan.start().await;
        for _ in 0..6 {
            office.open().await.expect("opened");
        }
        assert_eq!(office.dialogs(), 1, "{profile:?}");
        assert_eq!(office.signatures(), 1, "{profile:?}");
        let resumed = office.operator.handshakes();
        let resumed = resumed.iter().filter(|one| one.resumed).count();
        assert_eq!(resumed, 5, "{profile:?}");
        let journal = office.bench.get("/v1/journal").await.good();
        let uses = journal["entries"].as_array().expect("a list").iter();
        let uses = uses.filter(|one| one["operation"] == "mail" && one["result"] == "done");
        assert_eq!(uses.count(), 6, "a resumed session is a use too");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_begin_together_cost_one_signature() {
    for profile in [Profile::Cps3, Profile::Cps4] {
        let mut plan = Plan::of(Manner::good(Protocol::Imap, true));
        plan.setup = Setup::of(Holder::CpsMedecin, profile);
        let office = plan.start().await;
        let opened = futures_util::future::join_all((0..6).map(|_| office.open())).await;
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        assert_eq!(office.dialogs(), 1, "{profile:?}");
        assert_eq!(office.signatures(), 1, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_secured_costs_no_pin_and_hears_no_login() {
    for protocol in PROTOCOLS {
        for injects in [false, true] {
            let mut manner = Manner::good(protocol, true);
            manner.strips = !injects;
            manner.injects = injects;
            let office = Plan::of(manner).start().await;
            assert_eq!(office.refused().await, Trouble::Insecure);
            assert_eq!(office.dialogs(), 0);
            assert_eq!(office.operator.logins(), [""; 0]);
            assert_eq!(office.operator.handshakes().len(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_certificate_costs_no_pin_and_hears_no_login() {
    let refused = [
        ("localhost", ServerFlaw::Expired, CrlVariant::Empty),
        ("localhost", ServerFlaw::RogueRoot, CrlVariant::Empty),
        ("localhost", ServerFlaw::Revoked, CrlVariant::Revoked),
        ("other.example", ServerFlaw::None, CrlVariant::Empty),
    ];
    for (host, flaw, lists) in refused {
        for manner in [
            Manner::good(Protocol::Imap, true),
            Manner::good(Protocol::Smtp, false),
        ] {
            let mut plan = Plan::of(manner);
            (plan.host, plan.flaw, plan.setup.lists) = (host, flaw, lists);
            let office = plan.start().await;
            assert_eq!(
                office.refused().await,
                Trouble::ServerCertificate,
                "{flaw:?}"
            );
            assert_eq!(office.dialogs(), 0, "{flaw:?}");
            // Nor when the card is unlocked, and nothing is looked at before.
            office.bench.post("/v1/login", json!({})).await.good();
            assert_eq!(
                office.refused().await,
                Trouble::ServerCertificate,
                "{flaw:?}"
            );
            assert_eq!(office.signatures(), 0, "{flaw:?}");
            assert_eq!(office.operator.logins(), [""; 0], "{flaw:?}");
        }
        // Nor is a token fetched for it.
        let tokens = Tokens::new(&["first"]);
        let mut plan = Plan::of(Manner::of_tokens(Protocol::Imap, &["first"]));
        (plan.host, plan.flaw, plan.setup.lists) = (host, flaw, lists);
        plan.command = tokens.command();
        let office = plan.start().await;
        assert_eq!(
            office.refused().await,
            Trouble::ServerCertificate,
            "{flaw:?}"
        );
        assert_eq!(tokens.runs(), [""; 0], "{flaw:?}");
        assert_eq!(office.operator.logins(), [""; 0], "{flaw:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_asks_for_no_certificate_is_told_as_such() {
    let mut manner = Manner::good(Protocol::Imap, true);
    manner.tls.asks = false;
    let office = Plan::of(manner).start().await;
    let trouble = office.refused().await;
    assert!(
        matches!(trouble, Trouble::CardNotAccepted(_)),
        "{trouble:?}"
    );
    assert_eq!(office.dialogs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cps3_cannot_sign_is_told_before_the_pin() {
    let behaviours = [
        Behaviour {
            versions: TLS13,
            ..Behaviour::default()
        },
        Behaviour {
            versions: TLS12,
            schemes: &[SignatureScheme::RSA_PSS_SHA256],
            ..Behaviour::default()
        },
    ];
    for behaviour in behaviours {
        let mut manner = Manner::good(Protocol::Smtp, true);
        manner.tls = behaviour;
        let office = Plan::of(manner).start().await;
        assert_eq!(office.refused().await, Trouble::NoCommonScheme);
        assert_eq!(office.dialogs(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_die_at_any_step() {
    for protocol in PROTOCOLS {
        let mut deaths = 0;
        loop {
            let mut manner = Manner::good(protocol, true);
            manner.dies_at = deaths;
            let office = Plan::of(manner).start().await;
            match office.open().await {
                Ok(_) => break,
                Err(Trouble::Unreachable | Trouble::Operator(_)) => deaths += 1,
                Err(other) => panic!("reply {deaths}: {other:?}"),
            }
        }
        // Greeting, STARTTLS and the login at least.
        assert!(deaths >= 3, "{deaths}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_holders_card_opens_a_mailbox() {
    let mut plan = Plan::of(Manner::good(Protocol::Imap, true));
    plan.setup = Setup::of(Holder::CpsInfirmier, Profile::Cps3);
    let office = plan.start().await;
    assert_eq!(office.refused().await, Trouble::OtherCard);
    office.bench.slot.remove().expect("a card");
    let app = &office.bench.daemon.app;
    soon("the card is gone", || app.cards.cards().is_empty()).await;
    assert_eq!(office.refused().await, Trouble::NoCard);
    office.bench.readers.unplug("Virtual reader");
    soon("the reader is gone", || app.cards.readers().is_empty()).await;
    assert_eq!(office.refused().await, Trouble::NoReader);
    assert_eq!(office.operator.connections.load(Ordering::SeqCst), 0);
    assert_eq!(office.dialogs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_when_only_what_is_granted_counts() {
    let office = Plan::of(Manner::good(Protocol::Imap, true)).start().await;
    let caller = Caller::of_pid(std::process::id()).expect("this process");
    let app = &office.bench.daemon.app;
    let granted = upstream::granted(app, &caller, &office.mailbox, Protocol::Imap).await;
    assert!(granted.expect("no trouble").is_none());
    assert_eq!(office.dialogs(), 0);
    office.open().await.expect("opened");
    let granted = upstream::granted(app, &caller, &office.mailbox, Protocol::Imap).await;
    let permission = granted.expect("no trouble").expect("granted");
    let (protocol, mailbox) = (Protocol::Imap, &office.mailbox);
    let opened = upstream::connect(app, &caller, mailbox, protocol, "a8", permission).await;
    let opened = opened.expect("opened");
    assert!(opened.forward.starts_with(b"a8 OK "));
    assert_eq!(office.dialogs(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_nobody_named_gets_nothing() {
    let mut office = Plan::of(Manner::good(Protocol::Imap, true)).start().await;
    office.mailbox.operator.imap.host = "127.0.0.1".to_owned();
    assert_eq!(office.refused().await, Trouble::NotAllowed);
    assert_eq!(office.dialogs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_was_looked_up_is_not_sought_on_this_computer() {
    let mut office = Plan::of(Manner::good(Protocol::Imap, true)).start().await;
    office.mailbox.operator.found = true;
    assert_eq!(office.refused().await, Trouble::Unreachable);
    assert_eq!(office.operator.connections.load(Ordering::SeqCst), 0);
}

/// A program that prints one token after the other, and notes what it was told.
struct Tokens(tempfile::TempDir);

impl Tokens {
    fn new(tokens: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display();
        let script = format!(
            "#!/bin/sh\necho \"refused=$CPSD_TOKEN_REFUSED\" >> {path}/runs\n\
             sed -n \"$(wc -l < {path}/runs)p\" {path}/tokens\n"
        );
        std::fs::write(folder.path().join("tokens"), tokens.join("\n") + "\n").expect("written");
        let program = folder.path().join("program");
        std::fs::write(&program, script).expect("written");
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).expect("changed");
        Self(folder)
    }

    /// Through the shell: a file just written may still be open for writing in a child of another
    /// test, and cannot be executed then.
    fn command(&self) -> Vec<String> {
        let program = self.0.path().join("program").display().to_string();
        vec!["/bin/sh".to_owned(), program]
    }

    fn runs(&self) -> Vec<String> {
        let runs = std::fs::read_to_string(self.0.path().join("runs")).unwrap_or_default();
        runs.lines().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_a_mailbox_without_any_card() {
    for protocol in PROTOCOLS {
        let tokens = Tokens::new(&["eyJ.e.s"]);
        let mut plan = Plan::of(Manner::of_tokens(protocol, &["eyJ.e.s"]));
        plan.command = tokens.command();
        let office = plan.start().await;
        office.bench.slot.remove().expect("a card");
        let opened = office.open().await.expect("opened");
        assert!(opened.permission.card().is_none());
        assert_eq!(tokens.runs(), ["refused="]);
        assert_eq!(office.operator.handshakes()[0].certificate, None);
        assert_eq!(office.dialogs(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_replaced_once() {
    for protocol in PROTOCOLS {
        let tokens = Tokens::new(&["first", "second", "third"]);
        let mut plan = Plan::of(Manner::of_tokens(protocol, &["second"]));
        plan.command = tokens.command();
        let office = plan.start().await;
        office.open().await.expect("opened");
        assert_eq!(tokens.runs(), ["refused=", "refused=1"]);

        let tokens = Tokens::new(&["first", "second", "third", "fourth"]);
        let mut plan = Plan::of(Manner::of_tokens(protocol, &["third", "fourth"]));
        plan.command = tokens.command();
        let office = plan.start().await;
        assert_eq!(office.refused().await, Trouble::TokenRefused);
        assert_eq!(tokens.runs().len(), 2);
        assert_eq!(office.operator.logins().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_refused_by_leaving_is_refused_too() {
    for protocol in PROTOCOLS {
        let tokens = Tokens::new(&["first", "second"]);
        let mut manner = Manner::of_tokens(protocol, &["second"]);
        manner.leaves = true;
        let mut plan = Plan::of(manner);
        plan.command = tokens.command();
        let office = plan.start().await;
        office.open().await.expect("opened");
        assert_eq!(tokens.runs(), ["refused=", "refused=1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_said() {
    let commands: [&[&str]; 5] = [
        &[],
        &["true"],
        &["/bin/false"],
        &["/nonexistent/program"],
        &["/bin/echo", "two words"],
    ];
    for command in commands {
        let mut plan = Plan::of(Manner::of_tokens(Protocol::Imap, &[]));
        plan.command = command.iter().map(|&word| word.to_owned()).collect();
        let office = plan.start().await;
        assert_eq!(office.refused().await, Trouble::NoToken, "{command:?}");
        assert_eq!(office.operator.logins(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_opens_and_leaves() {
    for (protocol, farewell) in [(Protocol::Imap, "cpsd2 LOGOUT"), (Protocol::Smtp, "QUIT")] {
        let office = Plan::of(Manner::good(protocol, false)).start().await;
        let caller = Caller::of_pid(std::process::id()).expect("this process");
        let app = &office.bench.daemon.app;
        upstream::test(app, &caller, &office.mailbox, protocol)
            .await
            .expect("opened");
        soon("the farewell", || {
            office
                .operator
                .heard()
                .last()
                .is_some_and(|last| last == farewell)
        })
        .await;
    }
}
