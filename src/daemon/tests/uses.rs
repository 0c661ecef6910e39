//! Using a key: grant, consent, journal, and what ends a login.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use cps_api::Code;
use cps_verify::Scheme;
use cpsd::broker::{BrokerError, TrustRefusal, Why};
use cpsd::caller::Caller;
use cpsd::cards::{CallerKey, CardId};
use cpsd::desktop::Leaving;
use cpsd::journal::Journal;
use cpsd::prompt::{Decision, Question};
use cpsd::purpose::Purpose;
use cpsd::token::KeyRole;

use support::desk::{Answer, Asked};
use support::logind::{Bus, Logind, lock};
use support::{Bench, HOST, PIN, Setting, WRONG, until};

fn tls() -> Purpose {
    Purpose::TlsClientAuth {
        host: HOST.to_owned(),
        port: 443,
    }
}

fn document(name: &str) -> Purpose {
    Purpose::SignCms {
        name: Some(name.to_owned()),
        size: 12,
    }
}

async fn sign(bench: &Bench, purpose: Purpose) -> Result<Vec<u8>, BrokerError> {
    sign_for(bench, &bench.caller, purpose).await
}

async fn sign_for(
    bench: &Bench,
    caller: &Caller,
    purpose: Purpose,
) -> Result<Vec<u8>, BrokerError> {
    let role = match purpose {
        Purpose::SignCms { .. } => KeyRole::Signature,
        _ => KeyRole::Authentication,
    };
    let digest = vec![7; 32];
    bench
        .broker
        .sign(
            caller,
            &bench.card,
            purpose,
            role,
            Scheme::Pkcs1Sha256,
            digest,
        )
        .await
}

fn code(result: Result<Vec<u8>, BrokerError>) -> &'static str {
    result.expect_err("refused").code().as_str()
}

/// Another program: a process that runs until it is dropped.
struct Other(std::process::Child);

impl Other {
    fn start() -> (Self, Caller) {
        let child = Self(Command::new("sleep").arg("600").spawn().expect("sleep"));
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let caller = Caller::of_pid(child.0.id()).expect("caller");
            if caller.display == "sleep" {
                return (child, caller);
            }
            assert!(Instant::now() < limit, "{}", caller.display);
        }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_pin_typed_for_a_use_is_the_consent_to_it() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN)]);
    assert_eq!(sign(&bench, tls()).await.expect("signed").len(), 256);
    let asked = bench.desk.asked();
    assert!(matches!(&asked[..], [Asked::Pin(request)] if request.subject.purpose == tls()));
    // The grant lasts: no dialog for the same program and destination.
    sign(&bench, tls()).await.expect("signed");
    assert_eq!(bench.desk.asked().len(), 0);
    assert_eq!(bench.verifies(), 1);
    assert_eq!(
        bench.journal(),
        ["grant done", "tls_client_auth done", "tls_client_auth done"]
    );
    let entries = bench.broker.journal().entries(1, 1).expect("entries");
    let record = &entries[0].record;
    assert_eq!(record.destination.as_deref(), Some("dmp.example:443"));
    assert_eq!(record.card.as_deref(), Some(bench.card.serial.as_str()));
    assert_eq!(record.certificate.as_ref().map(String::len), Some(64));
    assert_eq!(
        record.caller.as_ref().expect("caller").pid,
        std::process::id()
    );
}

#[tokio::test]
async fn another_program_is_asked_about_apart() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN)]);
    sign(&bench, tls()).await.expect("signed");
    let (_other, other) = Other::start();
    bench.desk.asked();

    bench.desk.will([Answer::Decide(Decision::Deny)]);
    assert_eq!(code(sign_for(&bench, &other, tls()).await), "grant.denied");
    assert!(matches!(&bench.desk.asked()[..],
        [Asked::Confirm(request)] if request.question == Question::Allow { days: 0 }
            && request.subject.program == "sleep"));

    bench.desk.will([
        Answer::Decide(Decision::Once),
        Answer::Decide(Decision::ForSession),
    ]);
    for _ in 0..3 {
        sign_for(&bench, &other, tls()).await.expect("signed");
    }
    assert_eq!(bench.desk.asked().len(), 2, "once is once, a session lasts");
    assert!(
        bench
            .journal()
            .contains(&"tls_client_auth grant.denied".to_owned())
    );

    let grant = bench
        .broker
        .grants()
        .into_iter()
        .find(|grant| grant.program == "sleep");
    let id = grant.expect("a grant").id;
    bench
        .broker
        .revoke(&bench.caller, &id)
        .await
        .expect("revoked");
    assert_eq!(
        bench
            .broker
            .revoke(&bench.caller, &id)
            .await
            .expect_err("gone")
            .code(),
        Code::GrantUnknown
    );
    bench.desk.will([Answer::Decide(Decision::Deny)]);
    assert_eq!(code(sign_for(&bench, &other, tls()).await), "grant.denied");
}

#[tokio::test]
async fn a_raw_hash_needs_its_own_grant() {
    let bench = Bench::new().await;
    bench
        .desk
        .will([Answer::Type(PIN), Answer::Decide(Decision::Deny)]);
    sign(&bench, tls()).await.expect("signed");
    let raw = Purpose::RawTlsSign {
        destination: format!("{HOST}:443"),
    };
    assert_eq!(code(sign(&bench, raw).await), "grant.denied");
}

#[tokio::test]
async fn each_document_is_consented_to() {
    let bench = Bench::new().await;
    bench.desk.will([
        Answer::Type(PIN),
        // Whatever the dialog answers, a document is never allowed for longer.
        Answer::Decide(Decision::ForSession),
        Answer::Decide(Decision::Days(30)),
        Answer::Decide(Decision::Deny),
    ]);
    for name in ["a.pdf", "b.pdf", "c.pdf"] {
        sign(&bench, document(name)).await.expect("signed");
    }
    assert_eq!(code(sign(&bench, document("d.pdf")).await), "grant.denied");
    let asked = bench.desk.asked();
    assert!(
        matches!(&asked[0], Asked::Pin(request) if request.subject.purpose == document("a.pdf"))
    );
    for (asked, name) in asked[1..].iter().zip(["b.pdf", "c.pdf", "d.pdf"]) {
        assert!(matches!(asked, Asked::Confirm(request)
            if request.question == Question::AllowOnce && request.subject.purpose == document(name)));
    }
    assert_eq!(bench.broker.grants(), []);
    // The journal does not name documents.
    let text = std::fs::read_dir(bench.folder.path().join("journal"))
        .expect("journal")
        .map(|item| std::fs::read_to_string(item.expect("item").path()).expect("text"))
        .collect::<String>();
    assert!(
        text.contains("sign_cms") && !text.contains(".pdf"),
        "{text}"
    );
}

#[tokio::test]
async fn a_login_for_another_is_no_consent() {
    let bench = Bench::new().await;
    let (_other, other) = Other::start();
    let (tell, told) = tokio::sync::oneshot::channel();
    bench.desk.will([
        Answer::TypeWhenTold(told, PIN),
        Answer::Decide(Decision::Deny),
    ]);
    let both = async {
        tokio::join!(sign(&bench, tls()), async {
            until("the dialog opens", || bench.desk.open() == 1).await;
            let waits = sign_for(&bench, &other, tls());
            let tells = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                tell.send(()).expect("open");
            };
            tokio::join!(waits, tells).0
        })
    };
    let (ours, theirs) = both.await;
    ours.expect("signed");
    assert_eq!(code(theirs), "grant.denied");
    assert!(matches!(
        &bench.desk.asked()[..],
        [Asked::Pin(_), Asked::Confirm(_)]
    ));
}

/// A browser opens several connections at once.
#[tokio::test]
async fn requests_of_one_program_at_once_ask_once() {
    let bench = Bench::new().await;
    let all = || async {
        tokio::join!(
            sign(&bench, tls()),
            sign(&bench, tls()),
            sign(&bench, tls())
        )
    };
    bench.desk.will([Answer::Type(PIN)]);
    for signed in <[_; 3]>::from(all().await) {
        signed.expect("signed");
    }
    // The PIN was typed for the whole program; another use of it is a question of its own.
    bench.desk.will([Answer::Decide(Decision::ForSession)]);
    let key = || sign(&bench, Purpose::KeyAuthenticate);
    let (one, other) = tokio::join!(key(), key());
    one.expect("signed");
    other.expect("signed");
    assert!(matches!(
        &bench.desk.asked()[..],
        [Asked::Pin(_), Asked::Confirm(_)]
    ));
    let grants = bench.journal();
    let grants = grants.iter().filter(|line| *line == "grant done");
    assert_eq!(grants.count(), 2);
}

/// What is allowed once is not allowed twice, and one document is not another.
#[tokio::test]
async fn requests_at_once_that_are_asked_about_each_for_itself() {
    let bench = Bench::new().await;
    let answers = [Answer::Type(PIN), Answer::Decide(Decision::Once)];
    bench.desk.will(answers);
    let document = || {
        let purpose = Purpose::SignCms {
            name: None,
            size: 1,
        };
        bench.broker.sign(
            &bench.caller,
            &bench.card,
            purpose,
            KeyRole::Signature,
            Scheme::Pkcs1Sha256,
            vec![7; 32],
        )
    };
    let (one, other) = tokio::join!(document(), document());
    one.expect("signed");
    other.expect("signed");
    assert_eq!(bench.desk.asked().len(), 2);
    let answers = [Decision::Once, Decision::Deny].map(Answer::Decide);
    bench.desk.will(answers);
    let (one, other) = tokio::join!(sign(&bench, tls()), sign(&bench, tls()));
    assert_eq!(bench.desk.asked().len(), 2);
    assert!(one.is_ok() != other.is_ok());
}

#[tokio::test]
async fn only_configured_destinations_are_reached_and_nobody_is_asked() {
    let bench = Bench::new().await;
    for purpose in [
        Purpose::TlsClientAuth {
            host: "evil.example".to_owned(),
            port: 443,
        },
        Purpose::TlsClientAuth {
            host: HOST.to_owned(),
            port: 444,
        },
        Purpose::RawTlsSign {
            destination: HOST.to_owned(),
        },
        Purpose::RawTlsSign {
            destination: String::new(),
        },
        Purpose::RawTlsSign {
            destination: "dmp.example:443:443".to_owned(),
        },
        // The dialog shows the first 80 characters.
        Purpose::RawTlsSign {
            destination: format!("{}{HOST}:443", "[".repeat(80)),
        },
        Purpose::RawTlsSign {
            destination: format!("{HOST}:+0443"),
        },
    ] {
        assert_eq!(
            code(sign(&bench, purpose).await),
            "tls.destination_not_allowed"
        );
    }
    assert_eq!((bench.desk.asked().len(), bench.signatures()), (0, 0));
}

#[tokio::test]
async fn a_certificate_that_must_not_be_used_is_refused_before_the_pin() {
    let bench = Bench::new().await;
    let refusal = TrustRefusal {
        code: Code::CertificateExpired,
        detail: "expired since May".to_owned(),
    };
    *bench.verdict.0.lock().expect("verdict") = Some(refusal);
    assert_eq!(code(sign(&bench, tls()).await), "certificate.expired");
    assert_eq!(bench.desk.asked().len(), 0);
    assert_eq!(bench.journal(), ["tls_client_auth certificate.expired"]);
}

#[tokio::test]
async fn a_program_that_ended_gets_nothing() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN)]);
    sign(&bench, tls()).await.expect("signed");
    let (mut process, other) = Other::start();
    process.0.kill().expect("kill");
    process.0.wait().expect("wait");
    assert_eq!(
        code(sign_for(&bench, &other, tls()).await),
        "caller.unknown"
    );
    // Nor when it ends while the person decides.
    let (process, other) = Other::start();
    let mut process = process;
    let end = Box::new(move || {
        process.0.kill().expect("kill");
        process.0.wait().expect("wait");
    });
    bench
        .broker
        .lock(None, None, Why::Idle)
        .await
        .expect("locked");
    bench.desk.will([Answer::TypeAfter(end, PIN)]);
    let before = bench.signatures();
    assert_eq!(
        code(sign_for(&bench, &other, tls()).await),
        "caller.unknown"
    );
    assert_eq!(bench.signatures(), before);
}

#[tokio::test]
async fn no_plaintext_is_released_that_cannot_be_journalled() {
    let bench = Bench::with(Setting {
        journal_rotate_at: 1,
        ..Setting::default()
    })
    .await;
    let decrypt = || {
        let (role, cryptogram) = (KeyRole::Authentication, vec![7; 256]);
        let card = &bench.card;
        bench.broker.decrypt(&bench.caller, card, role, cryptogram)
    };
    bench.desk.will([Answer::Type(PIN)]);
    let refused = decrypt().await.expect_err("not a cryptogram");
    assert_eq!(refused.code().as_str(), "object.undecryptable");
    assert_eq!(
        bench.journal(),
        ["grant done", "key_decrypt object.undecryptable"]
    );
    // The next entry needs a new file, and a folder stands in its place.
    let blocker = bench.folder.path().join("journal/000000000003.jsonl");
    std::fs::create_dir(&blocker).expect("blocker");
    let commands = || bench.slot.counters().map(|counters| counters.apdus);
    let before = commands();
    let refused = decrypt().await.expect_err("not journalled");
    assert_eq!(refused.code().as_str(), "journal.unavailable");
    assert!(commands() > before, "tried, and nothing told of it");
}

#[tokio::test]
async fn nothing_is_released_that_cannot_be_journalled() {
    let bench = Bench::with(Setting {
        journal_rotate_at: 1,
        ..Setting::default()
    })
    .await;
    bench.desk.will([Answer::Type(PIN)]);
    sign(&bench, tls()).await.expect("signed");
    // The next entry needs a new file, and a folder stands in its place.
    let blocker = bench.folder.path().join("journal/000000000003.jsonl");
    std::fs::create_dir(&blocker).expect("blocker");
    let before = bench.signatures();
    assert_eq!(code(sign(&bench, tls()).await), "journal.unavailable");
    assert_eq!(bench.signatures(), before + 1, "made, but not released");
    std::fs::remove_dir(&blocker).expect("unblock");
    sign(&bench, tls()).await.expect("signed");
    assert!(
        Journal::verify_folder(&bench.folder.path().join("journal"))
            .expect("read")
            .is_whole()
    );
}

#[tokio::test]
async fn a_card_that_another_program_reset_asks_for_the_pin_again() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN), Answer::Type(PIN)]);
    sign(&bench, tls()).await.expect("signed");
    bench.slot.reset_by_rival();
    sign(&bench, tls())
        .await
        .expect("signed after a second PIN");
    assert_eq!((bench.desk.asked().len(), bench.verifies()), (2, 2));
}

#[tokio::test]
async fn exercises_are_read_with_consent() {
    let bench = Bench::new().await;
    bench
        .desk
        .will([Answer::Type(PIN), Answer::Decide(Decision::Deny)]);
    let data = bench
        .broker
        .practice(&bench.caller, &bench.card)
        .await
        .expect("read");
    assert!(!data.activities.is_empty());
    let (_other, other) = Other::start();
    let refused = bench.broker.practice(&other, &bench.card).await;
    assert_eq!(
        refused.expect_err("refused").code().as_str(),
        "grant.denied"
    );
    assert_eq!(
        bench.journal(),
        [
            "grant done",
            "read_exercises done",
            "read_exercises grant.denied"
        ]
    );
}

#[tokio::test]
async fn an_authorisation_is_for_its_own_use_and_can_be_taken_back() {
    let bench = Bench::new().await;
    bench.desk.will([
        Answer::Type(PIN),
        Answer::Decide(Decision::Once),
        Answer::Decide(Decision::Deny),
    ]);
    let signed = async |caller: &Caller, grant: &cpsd::grants::Grant| {
        let (role, scheme) = (KeyRole::Authentication, Scheme::Pkcs1Sha256);
        let (grant, card) = (grant.clone(), bench.card.clone());
        bench
            .broker
            .sign_authorised(grant, caller, &card, tls(), role, scheme, vec![7; 32])
            .await
    };
    let grant = bench
        .broker
        .authorise(&bench.caller, &bench.card, &tls())
        .await
        .expect("allowed");
    signed(&bench.caller, &grant).await.expect("signed");
    // Another program cannot use it.
    let (_other, other) = Other::start();
    assert_eq!(code(signed(&other, &grant).await), "grant.denied");
    // What was allowed once is not asked twice.
    let once = bench
        .broker
        .authorise(&other, &bench.card, &tls())
        .await
        .expect("once");
    signed(&other, &once).await.expect("signed");
    assert_eq!(bench.desk.asked().len(), 2);
    // Taken back meanwhile: asked again, and refused.
    bench
        .broker
        .revoke(&bench.caller, &grant.id)
        .await
        .expect("revoked");
    assert_eq!(code(signed(&bench.caller, &grant).await), "grant.denied");
}

#[tokio::test]
async fn a_refused_authorisation_is_journalled() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(WRONG)]);
    let refused = bench
        .broker
        .authorise(&bench.caller, &bench.card, &tls())
        .await;
    assert_eq!(refused.expect_err("wrong").code().as_str(), "pin.incorrect");
    assert_eq!(bench.journal(), ["tls_client_auth pin.incorrect"]);
}

#[tokio::test]
async fn removal_ends_login_and_session_grants() {
    let mut bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN)]);
    sign(&bench, tls()).await.expect("signed");
    let old: CardId = bench.card.clone();
    bench.reinsert().await;
    assert!(!bench.logged_in());
    until("the grant has ended", || bench.broker.grants().is_empty()).await;
    // A request that still means the card of before is told so.
    bench.card = old;
    assert_eq!(code(sign(&bench, tls()).await), "card.removed");
}

#[tokio::test]
async fn days_last_beyond_the_insertion_but_not_beyond_the_pin() {
    let mut bench = Bench::with(Setting {
        grant_days: 7,
        ..Setting::default()
    })
    .await;
    bench.desk.will([
        Answer::Type(PIN),
        Answer::Decide(Decision::Days(7)),
        Answer::Type(PIN),
    ]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("unlocked");
    sign(&bench, tls()).await.expect("signed");
    assert!(matches!(&bench.desk.asked()[1],
        Asked::Confirm(request) if request.question == Question::Allow { days: 7 }));
    bench.reinsert().await;
    sign(&bench, tls()).await.expect("signed");
    assert!(
        matches!(&bench.desk.asked()[..], [Asked::Pin(_)]),
        "the PIN, but no question"
    );
}

#[tokio::test]
async fn locking_resets_the_card_and_is_journalled() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN)]);
    sign(&bench, tls()).await.expect("signed");
    assert!(bench.verified_on_card());
    let locked = bench
        .broker
        .lock(Some(&bench.caller), None, Why::Asked)
        .await
        .expect("locked");
    assert_eq!(locked, std::slice::from_ref(&bench.card.serial));
    until("the card is reset", || !bench.verified_on_card()).await;
    assert!(!bench.logged_in());
    assert_eq!(bench.broker.grants(), []);
    assert_eq!(
        bench.journal().last().map(String::as_str),
        Some("lock done")
    );
    let nothing = bench
        .broker
        .lock(Some(&bench.caller), None, Why::Asked)
        .await
        .expect("nothing to do");
    assert_eq!(nothing, [""; 0]);
}

#[tokio::test]
async fn an_idle_card_is_locked_and_a_used_one_is_not() {
    let idle = Duration::from_millis(1500);
    let bench = Bench::with(Setting {
        idle: Some(idle),
        ..Setting::default()
    })
    .await;
    bench.desk.will([Answer::Type(PIN)]);
    let start = Instant::now();
    sign(&bench, tls()).await.expect("signed");
    let mut last = Instant::now();
    while start.elapsed() < idle + idle / 2 {
        last = Instant::now();
        sign(&bench, tls()).await.expect("in use, hence unlocked");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until("the idle card is locked", || !bench.logged_in()).await;
    assert!(last.elapsed() >= idle, "too early: {:?}", last.elapsed());
    until("it is journalled", || {
        bench.journal().iter().any(|entry| entry == "lock done")
    })
    .await;
}

#[tokio::test]
async fn screen_lock_and_suspend_lock_the_card_within_a_second() {
    for suspend in [true, false] {
        let bench = Bench::new().await;
        let bus = Bus::start();
        let logind = Logind::of(&[]);
        let served = logind.serve(&bus).await;
        let broker = bench.broker.clone();
        let client = bus.connect().await;
        tokio::spawn(async move { broker.follow_desktop(async { client }).await });
        until("the inhibitor is taken", || logind.held()).await;
        bench.desk.will([Answer::Type(PIN)]);
        sign(&bench, tls()).await.expect("signed");
        assert!(bench.verified_on_card());

        let start = Instant::now();
        match suspend {
            true => Logind::sleep(&served, true).await,
            false => lock(&served, "/session/any").await,
        }
        until("the card is reset", || !bench.verified_on_card()).await;
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{:?}",
            start.elapsed()
        );
        if suspend {
            until("the machine may sleep", || !logind.held()).await;
        }
        until("it is journalled", || {
            bench.journal().iter().any(|entry| entry == "lock done")
        })
        .await;
        assert!(!bench.logged_in());
    }
}

/// An operation of another program that keeps the card until told to end.
fn keep_card(bench: &Bench) -> std::sync::mpsc::Sender<()> {
    let (end, ended) = std::sync::mpsc::channel();
    let (cards, card) = (bench.cards.clone(), bench.card.clone());
    tokio::spawn(async move {
        let operation = move |_: &mut dyn cpsd::token::Token| {
            ended.recv().expect("told");
            Ok(())
        };
        let deadline = Instant::now() + PATIENCE;
        cards.run(&card, CallerKey(1), deadline, operation).await
    });
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_taken_back_while_its_use_waits_is_not_used() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN)]);
    sign(&bench, tls()).await.expect("signed");
    let grant = bench.broker.grants().remove(0);
    let moment = || tokio::time::sleep(Duration::from_millis(300));
    let first = keep_card(&bench);
    moment().await;
    let waiting = sign(&bench, tls());
    let taken_back = async {
        // Behind the question whether the card is unlocked, and before the signature.
        moment().await;
        let second = keep_card(&bench);
        moment().await;
        first.send(()).expect("it waits");
        moment().await;
        let revoked = bench.broker.revoke(&bench.caller, &grant.id).await;
        revoked.expect("revoked");
        second.send(()).expect("it waits");
    };
    let (signed, ()) = tokio::join!(waiting, taken_back);
    // The practitioner is asked anew; nobody answers here.
    assert_eq!(code(signed), "prompt.unavailable");
    assert_eq!(bench.signatures(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_typed_before_the_lock_unlocks_nothing_after_it() {
    let bench = Bench::new().await;
    let rival = std::sync::Arc::new(bench.slot.connect().expect("connected"));
    let holder = std::sync::Arc::clone(&rival);
    let hold = Box::new(move || holder.begin_transaction(PATIENCE).expect("the card"));
    bench.desk.will([Answer::TypeAfter(hold, PIN)]);
    let login = bench.broker.login(&bench.caller, &bench.card);
    let lock = async {
        // The PIN is typed, and waits for the card.
        until("the dialog is closed", || {
            !bench.desk.asked().is_empty() && bench.desk.open() == 0
        })
        .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let locked = bench
            .broker
            .lock(None, None, Why::Leaving(Leaving::Lock))
            .await;
        locked.expect("locked");
    };
    let release = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        rival.end_transaction();
    };
    let (login, (), ()) = tokio::join!(login, lock, release);
    assert_eq!(login.expect_err("locked").code().as_str(), "pin.required");
    assert_eq!((bench.verifies(), bench.logged_in()), (0, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_not_free_is_locked_as_soon_as_it_is() {
    let bench = Bench::with(Setting {
        grant_days: 7,
        ..Setting::default()
    })
    .await;
    bench
        .desk
        .will([Answer::Type(PIN), Answer::Decide(Decision::Days(7))]);
    let unlocked = bench.broker.login(&bench.caller, &bench.card).await;
    unlocked.expect("unlocked");
    sign(&bench, tls()).await.expect("signed");
    let kept = keep_card(&bench);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let locked = bench
        .broker
        .lock(None, None, Why::Leaving(Leaving::Lock))
        .await;
    assert_eq!(locked.expect("journalled"), [""; 0], "not yet");
    kept.send(()).expect("it waits");
    // The grant is good for a week, but the PIN is not.
    assert_eq!(code(sign(&bench, tls()).await), "prompt.unavailable");
    assert_eq!((bench.signatures(), bench.logged_in()), (1, false));
}

/// How long another program waits for the card.
const PATIENCE: Duration = Duration::from_secs(20);
