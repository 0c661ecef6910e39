use futures_util::FutureExt;

use super::*;
use crate::caller::PromptEnvironment;
use crate::prompt::Question;
use crate::purpose::{Language, Purpose};

/// Shows what it was asked by whom, and answers when told.
#[derive(Default)]
struct Person {
    seen: Mutex<Vec<String>>,
    open: Mutex<Vec<oneshot::Sender<Decision>>>,
}

impl Person {
    fn seen(&self) -> String {
        self.seen.lock().expect("seen").concat()
    }

    async fn answer(&self, decision: Decision) {
        loop {
            let open = self.open.lock().expect("open").pop();
            match open {
                Some(open) => return open.send(decision).expect("a dialog"),
                None => tokio::task::yield_now().await,
            }
        }
    }
}

impl Prompter for Person {
    fn pin(&self, _: PinRequest) -> BoxFuture<'_, Result<LockedBuffer, PromptError>> {
        unreachable!("only decisions are asked for here")
    }

    fn confirm(&self, request: ConfirmRequest) -> BoxFuture<'_, Result<Decision, PromptError>> {
        Box::pin(async move {
            let (sender, receiver) = oneshot::channel();
            self.seen.lock().expect("seen").push(request.subject.path);
            {
                let mut open = self.open.lock().expect("open");
                assert!(open.iter().all(oneshot::Sender::is_closed), "two at once");
                open.clear();
                open.push(sender);
            }
            receiver.await.map_err(|_| PromptError::Cancelled)
        })
    }

    fn inform(&self, _: InformRequest) -> BoxFuture<'_, Result<(), PromptError>> {
        unreachable!("only decisions are asked for here")
    }
}

fn request(program: &str) -> ConfirmRequest {
    ConfirmRequest {
        subject: Subject {
            language: Language::Fr,
            environment: PromptEnvironment::default(),
            program: program.to_owned(),
            path: program.to_owned(),
            app_id: None,
            purpose: Purpose::ReadExercises,
            card: "90000001".to_owned(),
            holder: None,
        },
        question: Question::AllowOnce,
    }
}

/// A person, and dialogs whose time goes on when told.
fn turns() -> (Arc<Person>, Turns, impl Fn(Duration)) {
    let person = Arc::new(Person::default());
    let now = Arc::new(Mutex::new(Instant::now()));
    let clock = Arc::clone(&now);
    let clock = Box::new(move || *clock.lock().expect("clock"));
    let turns = Turns::with_clock(Arc::clone(&person) as Arc<dyn Prompter>, clock);
    (person, turns, move |time| {
        *now.lock().expect("clock") += time
    })
}

async fn ask(
    turns: &Turns,
    person: &Person,
    program: &str,
    decision: Decision,
) -> Result<Decision, PromptError> {
    let asked = turns.confirm(request(program));
    tokio::pin!(asked);
    tokio::select! {
        biased;
        answer = &mut asked => answer,
        () = person.answer(decision) => asked.await,
    }
}

fn held(seconds: u64) -> Result<Decision, PromptError> {
    Err(PromptError::HeldOff { seconds })
}

#[tokio::test]
async fn a_refused_program_is_held_off_longer_each_time_and_the_others_are_not() {
    let (person, turns, pass) = turns();
    for seconds in [1, 2, 4, 8] {
        let refused = ask(&turns, &person, "a", Decision::Deny).await;
        assert_eq!(refused, Ok(Decision::Deny));
        assert_eq!(
            ask(&turns, &person, "a", Decision::Once).await,
            held(seconds)
        );
        let other = ask(&turns, &person, "b", Decision::Once).await;
        assert_eq!(other, Ok(Decision::Once));
        pass(Duration::from_secs(seconds));
    }
    assert_eq!(person.seen(), "abababab", "no dialog while held off");
    // An answer makes all good.
    let allowed = ask(&turns, &person, "a", Decision::Once).await;
    assert_eq!(allowed, Ok(Decision::Once));
    let refused = ask(&turns, &person, "a", Decision::Deny).await;
    assert_eq!(refused, Ok(Decision::Deny));
    assert_eq!(ask(&turns, &person, "a", Decision::Once).await, held(1));
}

#[tokio::test]
async fn the_pause_has_an_end_and_is_forgotten() {
    let (person, turns, pass) = turns();
    for _ in 0..40 {
        let refused = ask(&turns, &person, "a", Decision::Deny).await;
        assert_eq!(refused, Ok(Decision::Deny));
        pass(LONGEST);
    }
    pass(FORGOTTEN);
    let other = ask(&turns, &person, "b", Decision::Once).await;
    assert_eq!(other, Ok(Decision::Once));
    assert!(lock(&turns.desk).held.is_empty(), "memory stays bounded");
}

#[tokio::test]
async fn dialogs_that_wait_are_refused_with_the_one_shown() {
    let (person, turns, _) = turns();
    let (requests, answer) = (["a", "a", "a"].map(request), person.answer(Decision::Deny));
    let all = futures_util::future::join_all(requests.map(|request| turns.confirm(request)));
    let (answers, ()) = tokio::join!(all, answer);
    assert_eq!(answers, [Ok(Decision::Deny), held(1), held(1)]);
    assert_eq!(person.seen(), "a");
}

#[tokio::test]
async fn one_who_asks_once_is_not_behind_one_who_asks_a_lot() {
    let (person, turns, _) = turns();
    let asked = ["a", "a", "a", "a", "b"].map(|program| turns.confirm(request(program)));
    let answers = async {
        for _ in 0..5 {
            person.answer(Decision::Once).await;
        }
    };
    tokio::join!(futures_util::future::join_all(asked), answers);
    assert!(
        matches!(person.seen().as_str(), "abaaa" | "aabaa"),
        "{}",
        person.seen()
    );
}

#[tokio::test]
async fn a_dialog_that_its_program_takes_away_counts_from_the_second_on() {
    let (person, turns, _) = turns();
    for _ in 0..2 {
        let mut request = turns.confirm(request("a"));
        assert!((&mut request).now_or_never().is_none());
    }
    assert_eq!(person.seen(), "aa");
    assert_eq!(ask(&turns, &person, "a", Decision::Once).await, held(1));
}

#[tokio::test]
async fn whoever_leaves_while_waiting_passes_the_turn_on() {
    let (person, turns, _) = turns();
    let mut first = turns.confirm(request("a"));
    let mut second = turns.confirm(request("b"));
    let third = turns.confirm(request("c"));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    drop((second, first));
    let (answer, ()) = tokio::join!(third, person.answer(Decision::Once));
    assert_eq!(answer, Ok(Decision::Once));
    assert_eq!(person.seen(), "ac");
}
