//! The practitioner's desk: dialogs answered from a script.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cpsd::prompt::{
    ConfirmRequest, Decision, InformRequest, LockedBuffer, PinRequest, PromptError, Prompter,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

/// What the person does with the next dialog.
pub enum Answer {
    Decide(Decision),
    Fail(PromptError),
    /// Reads a message and closes it.
    Read,
    /// Types a PIN.
    Type(&'static str),
    /// Types a PIN after doing something first.
    TypeAfter(Box<dyn FnOnce() + Send>, &'static str),
    /// Types a PIN once told to.
    TypeWhenTold(tokio::sync::oneshot::Receiver<()>, &'static str),
    /// Leaves the dialog open for ever.
    Wait,
}

/// A dialog that was opened.
#[derive(Clone, Debug)]
pub enum Asked {
    Confirm(ConfirmRequest),
    Inform(InformRequest),
    Pin(PinRequest),
}

#[derive(Default)]
pub struct Desk {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    open: AtomicUsize,
}

impl Desk {
    pub fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.lock().expect("answers").extend(answers);
    }

    /// The dialogs since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().expect("asked"))
    }

    /// How many dialogs are open now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    async fn answer(&self, asked: Asked) -> Result<Reply, PromptError> {
        self.asked.lock().expect("asked").push(asked);
        let _open = Open::new(&self.open);
        let answer = self.answers.lock().expect("answers").pop_front();
        let typed = match answer {
            Some(Answer::Decide(decision)) => return Ok(Reply::Decision(decision)),
            Some(Answer::Fail(error)) => return Err(error),
            Some(Answer::Read) => return Ok(Reply::Read),
            Some(Answer::Type(typed)) => typed,
            Some(Answer::TypeAfter(action, typed)) => {
                action();
                typed
            }
            Some(Answer::TypeWhenTold(told, typed)) => {
                told.await.expect("told");
                typed
            }
            Some(Answer::Wait) => std::future::pending().await,
            None => {
                let what = "a dialog that no test expects".to_owned();
                return Err(PromptError::Unavailable { what });
            }
        };
        Ok(Reply::Pin(
            LockedBuffer::holding(typed.as_bytes()).expect("locked"),
        ))
    }
}

enum Reply {
    Decision(Decision),
    Pin(LockedBuffer),
    Read,
}

fn wrong<T>() -> Result<T, PromptError> {
    Err(PromptError::Unavailable {
        what: "the script answers another kind of dialog".to_owned(),
    })
}

impl Prompter for Desk {
    fn pin(&self, request: PinRequest) -> BoxFuture<'_, Result<LockedBuffer, PromptError>> {
        async move {
            match self.answer(Asked::Pin(request)).await? {
                Reply::Pin(typed) => Ok(typed),
                _ => wrong(),
            }
        }
        .boxed()
    }

    fn confirm(&self, request: ConfirmRequest) -> BoxFuture<'_, Result<Decision, PromptError>> {
        async move {
            match self.answer(Asked::Confirm(request)).await? {
                Reply::Decision(decision) => Ok(decision),
                _ => wrong(),
            }
        }
        .boxed()
    }

    fn inform(&self, request: InformRequest) -> BoxFuture<'_, Result<(), PromptError>> {
        async move {
            match self.answer(Asked::Inform(request)).await? {
                Reply::Read => Ok(()),
                _ => wrong(),
            }
        }
        .boxed()
    }
}

/// Counts a dialog as long as its future lives.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
