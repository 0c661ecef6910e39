//! Unlocking the card: no PIN try is spent that nobody typed, and never the last one silently.

mod support;

use cpsd::broker::BrokerError;
use cpsd::journal::Journal;
use cpsd::prompt::{Decision, Message, PinNote, PinRequest, PromptError, Question, Secret};
use cpsd::purpose::Purpose;
use tokio::sync::oneshot;

use support::desk::{Answer, Asked};
use support::{Bench, PIN, Setting, WRONG, until};

fn code(result: Result<(), BrokerError>) -> String {
    result.expect_err("refused").code().as_str().to_owned()
}

fn pin_request(asked: &Asked) -> &PinRequest {
    match asked {
        Asked::Pin(request) => request,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_dialog_one_verify_and_the_tries_are_shown_before() {
    for profile in [cps_emulator::Profile::Cps3, cps_emulator::Profile::Cps4] {
        let bench = Bench::with(Setting {
            profile,
            ..Setting::default()
        })
        .await;
        bench.desk.will([Answer::Type(PIN)]);
        bench
            .broker
            .login(&bench.caller, &bench.card)
            .await
            .expect("unlocked");
        let asked = bench.desk.asked();
        assert_eq!(asked.len(), 1);
        let request = pin_request(&asked[0]);
        assert_eq!(request.tries_left, bench.tries());
        assert_eq!(request.subject.purpose, Purpose::Login);
        assert_eq!(request.subject.card, bench.card.serial);
        assert!(
            request.subject.holder.is_some(),
            "the holder's name is on the certificate"
        );
        assert_eq!((bench.verifies(), bench.verified_on_card()), (1, true));
        // Unlocked is unlocked: no dialog, nothing to journal.
        bench
            .broker
            .login(&bench.caller, &bench.card)
            .await
            .expect("still unlocked");
        assert_eq!(bench.desk.asked().len(), 0);
        assert_eq!(bench.journal(), ["login done"]);
    }
}

#[tokio::test]
async fn callers_that_wait_share_one_dialog() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(PIN)]);
    let login = || bench.broker.login(&bench.caller, &bench.card);
    let (first, second, third) = tokio::join!(login(), login(), login());
    first.and(second).and(third).expect("unlocked");
    assert_eq!((bench.desk.asked().len(), bench.verifies()), (1, 1));
}

#[tokio::test]
async fn a_wrong_pin_is_told_and_nothing_retries() {
    let bench = Bench::new().await;
    let before = bench.tries().expect("tries");
    bench.desk.will([Answer::Type(WRONG), Answer::Type(PIN)]);
    let error = bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect_err("wrong");
    let problem = error.problem();
    assert_eq!(problem.code, "pin.incorrect");
    assert_eq!(problem.members["tries_left"], before - 1);
    assert_eq!((bench.desk.asked().len(), bench.verifies()), (1, 1));
    assert_eq!(bench.tries(), Some(before - 1));
    assert_eq!(bench.journal(), ["login pin.incorrect"]);
}

#[tokio::test]
async fn callers_that_share_a_wrong_pin_cost_one_try() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(WRONG)]);
    let login = || bench.broker.login(&bench.caller, &bench.card);
    let (first, second) = tokio::join!(login(), login());
    assert_eq!(
        (code(first), code(second)),
        ("pin.incorrect".to_owned(), "pin.incorrect".to_owned())
    );
    assert_eq!((bench.desk.asked().len(), bench.verifies()), (1, 1));
}

#[tokio::test]
async fn a_refused_pin_is_never_sent_again_in_this_insertion() {
    let mut bench = Bench::new().await;
    bench.desk.will([Answer::Type(WRONG)]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect_err("wrong");
    let left = bench.tries();
    bench.desk.asked();

    // Typed again, it is said in the next dialog; the right one then goes through.
    bench.desk.will([
        Answer::Type(WRONG),
        Answer::Type(WRONG),
        Answer::Type(WRONG),
    ]);
    assert_eq!(
        code(bench.broker.login(&bench.caller, &bench.card).await),
        "pin.already_refused"
    );
    let notes: Vec<_> = bench
        .desk
        .asked()
        .iter()
        .map(|asked| pin_request(asked).note)
        .collect();
    assert_eq!(
        notes,
        [
            None,
            Some(PinNote::AlreadyRefused),
            Some(PinNote::AlreadyRefused)
        ]
    );
    assert_eq!((bench.verifies(), bench.tries()), (1, left));

    // Another insertion is another card as far as we know.
    bench.reinsert().await;
    bench.desk.will([Answer::Type(WRONG)]);
    assert_eq!(
        code(bench.broker.login(&bench.caller, &bench.card).await),
        "pin.incorrect"
    );
    assert_eq!(bench.tries(), left.map(|left| left - 1));
}

#[tokio::test]
async fn the_right_pin_after_a_refused_one_is_sent_from_the_same_request() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type(WRONG)]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect_err("wrong");
    bench.desk.will([Answer::Type(WRONG), Answer::Type(PIN)]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("unlocked");
    assert_eq!(bench.verifies(), 2);
}

#[tokio::test]
async fn what_cannot_be_a_pin_is_not_sent() {
    let bench = Bench::new().await;
    let before = bench.tries();
    bench.desk.will(["", "12", "12a4"].map(Answer::Type));
    let error = bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect_err("form");
    assert_eq!(error.code().as_str(), "pin.format");
    assert!(error.problem().members.contains_key("min"));
    let notes: Vec<_> = bench
        .desk
        .asked()
        .iter()
        .map(|asked| pin_request(asked).note)
        .collect();
    assert_eq!(
        notes,
        [None, Some(PinNote::WrongForm), Some(PinNote::WrongForm)]
    );
    assert_eq!((bench.verifies(), bench.tries()), (0, before));
}

#[tokio::test]
async fn the_last_try_needs_a_yes() {
    let bench = Bench::new().await;
    bench.slot.with_card(|card| card.set_pin_tries(1));
    bench.desk.will([Answer::Decide(Decision::Deny)]);
    let refused = bench.broker.login(&bench.caller, &bench.card).await;
    assert_eq!(code(refused), "pin.last_try_declined");
    assert_eq!((bench.verifies(), bench.tries()), (0, Some(1)));
    assert!(matches!(&bench.desk.asked()[..],
        [Asked::Confirm(request)] if request.question == Question::LastTry));

    bench
        .desk
        .will([Answer::Decide(Decision::Once), Answer::Type(PIN)]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("unlocked");
    assert_eq!(bench.verifies(), 1);
}

#[tokio::test]
async fn a_try_lost_while_the_dialog_was_open_makes_ours_the_last_and_is_asked_for() {
    let bench = Bench::new().await;
    bench.slot.with_card(|card| card.set_pin_tries(2));
    let rival = bench.slot.clone();
    let spend = Box::new(move || {
        rival.with_card(|card| card.set_pin_tries(1)).expect("card");
    });
    bench.desk.will([
        Answer::TypeAfter(spend, WRONG),
        Answer::Decide(Decision::Deny),
    ]);
    let refused = bench.broker.login(&bench.caller, &bench.card).await;
    assert_eq!(code(refused), "pin.last_try_declined");
    assert_eq!((bench.verifies(), bench.tries()), (0, Some(1)));
}

#[tokio::test]
async fn a_pin_that_is_blocked_is_explained_without_a_question() {
    let bench = Bench::new().await;
    bench.slot.with_card(|card| card.set_pin_tries(1));
    bench.desk.will([
        Answer::Decide(Decision::Once),
        Answer::Type(WRONG),
        Answer::Read,
    ]);
    assert_eq!(
        code(bench.broker.login(&bench.caller, &bench.card).await),
        "pin.blocked"
    );
    assert!(
        matches!(&bench.desk.asked()[..], [Asked::Confirm(_), Asked::Pin(_), Asked::Inform(told)]
        if told.message == Message::PinBlocked)
    );

    let error = bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect_err("blocked");
    assert!(error.problem().remedy_fr.contains("cps pin unblock"));
    assert_eq!((bench.desk.asked().len(), bench.verifies()), (0, 1));
}

#[tokio::test]
async fn closing_the_dialog_costs_nothing() {
    let bench = Bench::new().await;
    let before = bench.tries();
    for (answer, expected) in [
        (PromptError::Cancelled, "pin.cancelled"),
        (PromptError::TimedOut, "prompt.timeout"),
        (
            PromptError::Unavailable {
                what: "none".to_owned(),
            },
            "prompt.unavailable",
        ),
        (
            PromptError::Misbehaved {
                what: "odd".to_owned(),
            },
            "prompt.unavailable",
        ),
    ] {
        bench.desk.will([Answer::Fail(answer)]);
        assert_eq!(
            code(bench.broker.login(&bench.caller, &bench.card).await),
            expected
        );
    }
    assert_eq!((bench.verifies(), bench.tries()), (0, before));
    assert_eq!(bench.journal().len(), 4, "refusals are journalled");
}

#[tokio::test]
async fn a_caller_that_leaves_closes_its_dialog_unless_another_waits() {
    let bench = Bench::new().await;
    let (tell, told) = oneshot::channel();
    bench.desk.will([Answer::TypeWhenTold(told, PIN)]);
    let login = || {
        let (broker, caller, card) = (
            bench.broker.clone(),
            bench.caller.clone(),
            bench.card.clone(),
        );
        tokio::spawn(async move { broker.login(&caller, &card).await })
    };
    let first = login();
    until("the dialog opens", || bench.desk.open() == 1).await;
    let second = login();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    assert_eq!(bench.desk.open(), 1, "another waits for the same login");
    tell.send(()).expect("the dialog is open");
    second.await.expect("task").expect("unlocked");
    assert_eq!((bench.desk.asked().len(), bench.verifies()), (1, 1));

    let bench = Bench::new().await;
    bench.desk.will([Answer::Wait]);
    let (broker, caller, card) = (
        bench.broker.clone(),
        bench.caller.clone(),
        bench.card.clone(),
    );
    let only = tokio::spawn(async move { broker.login(&caller, &card).await });
    until("the dialog opens", || bench.desk.open() == 1).await;
    only.abort();
    until("the dialog closes", || bench.desk.open() == 0).await;
    // And the next request gets a dialog of its own.
    bench.desk.will([Answer::Type(PIN)]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("unlocked");
}

#[tokio::test]
async fn a_card_taken_out_during_the_dialog_is_told() {
    let bench = Bench::new().await;
    let slot = bench.slot.clone();
    let take = Box::new(move || drop(slot.remove()));
    bench.desk.will([Answer::TypeAfter(take, PIN)]);
    assert_eq!(
        code(bench.broker.login(&bench.caller, &bench.card).await),
        "card.removed"
    );
}

#[tokio::test]
async fn the_pin_is_changed_only_when_typed_twice() {
    let bench = Bench::new().await;
    let change = || bench.broker.change_pin(&bench.caller, &bench.card);
    bench
        .desk
        .will([PIN, "4321", "4322", "4321", "4321"].map(Answer::Type));
    change().await.expect("changed");
    let asked = bench.desk.asked();
    let secrets: Vec<_> = asked
        .iter()
        .map(|asked| pin_request(asked).secret)
        .collect();
    let expected = [
        Secret::Current,
        Secret::New,
        Secret::Repeated,
        Secret::New,
        Secret::Repeated,
    ];
    assert_eq!(secrets, expected);
    assert_eq!(pin_request(&asked[3]).note, Some(PinNote::Mismatch));

    bench.desk.will([Answer::Type("4321")]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("the new PIN");
    assert_eq!(bench.journal(), ["change_pin done", "login done"]);
}

#[tokio::test]
async fn a_wrong_old_pin_changes_nothing_and_is_remembered() {
    let bench = Bench::new().await;
    bench.desk.will([WRONG, "4321", "4321"].map(Answer::Type));
    let changed = bench.broker.change_pin(&bench.caller, &bench.card).await;
    assert_eq!(changed.expect_err("wrong").code().as_str(), "pin.incorrect");
    bench.desk.asked();
    bench.desk.will([Answer::Type(WRONG), Answer::Type(PIN)]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("the old PIN still holds");
    let asked = bench.desk.asked();
    assert_eq!(pin_request(&asked[1]).note, Some(PinNote::AlreadyRefused));
}

#[tokio::test]
async fn a_blocked_pin_is_unblocked_with_the_puk() {
    let bench = Bench::new().await;
    bench.slot.with_card(|card| card.set_pin_tries(0));
    let puk = bench
        .slot
        .with_card(|card| card.puk_value().map(str::to_owned))
        .flatten();
    let puk: &'static str = Box::leak(puk.expect("a PUK").into_boxed_str());
    bench
        .desk
        .will(["00000000", "5678", "5678"].map(Answer::Type));
    let wrong = bench.broker.unblock_pin(&bench.caller, &bench.card).await;
    assert_eq!(
        wrong.expect_err("wrong PUK").code().as_str(),
        "puk.incorrect"
    );
    bench.desk.asked();
    bench.desk.will([puk, "5678", "5678"].map(Answer::Type));
    bench
        .broker
        .unblock_pin(&bench.caller, &bench.card)
        .await
        .expect("unblocked");
    assert_eq!(
        pin_request(&bench.desk.asked()[0]).secret,
        Secret::Unblocking
    );
    bench.desk.will([Answer::Type("5678")]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("the new PIN");
    assert_eq!(
        bench.journal(),
        [
            "unblock_pin puk.incorrect",
            "unblock_pin done",
            "login done"
        ]
    );
}

#[tokio::test]
async fn a_blocked_puk_asks_nothing() {
    let bench = Bench::new().await;
    bench.slot.with_card(|card| card.set_puk_tries(0));
    let refused = bench.broker.unblock_pin(&bench.caller, &bench.card).await;
    assert_eq!(refused.expect_err("blocked").code().as_str(), "puk.blocked");
    assert_eq!(bench.desk.asked().len(), 0);
}

#[tokio::test]
async fn the_pin_is_in_no_file() {
    let bench = Bench::new().await;
    bench.desk.will([Answer::Type("7319"), Answer::Type(PIN)]);
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect_err("wrong");
    bench
        .broker
        .login(&bench.caller, &bench.card)
        .await
        .expect("unlocked");
    assert_eq!(bench.journal(), ["login pin.incorrect", "login done"]);
    let mut folders = vec![bench.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).expect("folder") {
            let path = item.expect("item").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read(&path).expect("file");
            // Hashes and numbers may hold these digits by chance; a field would be quoted.
            for pin in ["\"7319\"", "\"1234\""] {
                let found = text
                    .windows(pin.len())
                    .any(|window| window == pin.as_bytes());
                assert!(!found, "{pin} in {}", path.display());
            }
        }
    }
    assert!(
        Journal::verify_folder(&bench.folder.path().join("journal"))
            .expect("read")
            .is_whole()
    );
}

#[tokio::test]
async fn a_try_lost_before_the_pin_is_changed_is_asked_for_as_well() {
    let bench = Bench::new().await;
    let rival = bench.slot.clone();
    let spend = Box::new(move || {
        rival.with_card(|card| card.set_pin_tries(1)).expect("card");
    });
    bench.desk.will([
        Answer::TypeAfter(spend, WRONG),
        Answer::Type("4321"),
        Answer::Type("4321"),
        Answer::Decide(Decision::Deny),
    ]);
    let changed = bench.broker.change_pin(&bench.caller, &bench.card).await;
    assert_eq!(
        changed.expect_err("declined").code().as_str(),
        "pin.last_try_declined"
    );
    assert_eq!(bench.tries(), Some(1));
}

#[tokio::test]
async fn a_refused_puk_is_not_sent_again_and_says_nothing_of_the_pin() {
    let bench = Bench::new().await;
    let wrong = "00000000";
    bench.desk.will([wrong, "5678", "5678"].map(Answer::Type));
    let refused = bench.broker.unblock_pin(&bench.caller, &bench.card).await;
    assert_eq!(refused.expect_err("wrong").code().as_str(), "puk.incorrect");
    let left = bench.slot.with_card(|card| card.puk_tries());
    bench.desk.asked();
    bench.desk.will([wrong, wrong, wrong].map(Answer::Type));
    let refused = bench.broker.unblock_pin(&bench.caller, &bench.card).await;
    assert_eq!(
        refused.expect_err("refused before").code().as_str(),
        "pin.already_refused"
    );
    assert_eq!(
        pin_request(&bench.desk.asked()[1]).note,
        Some(PinNote::AlreadyRefused)
    );
    assert_eq!(bench.slot.with_card(|card| card.puk_tries()), left);
    // As a PIN the same digits are another thing.
    bench.desk.will([Answer::Type(wrong)]);
    let refused = bench.broker.login(&bench.caller, &bench.card).await;
    assert_eq!(code(refused), "pin.incorrect");
}
