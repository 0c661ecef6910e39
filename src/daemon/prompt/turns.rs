//! Whose dialog is shown: one at a time, in turns that are fair between programs; and a program
//! whose dialogs are refused is held off, so that nobody is worn down into a yes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::{
    ConfirmRequest, Decision, InformRequest, LockedBuffer, PinRequest, PromptError, Prompter,
    Subject,
};
use crate::queue::{Limits, Queue, Ticket};

/// A [`Prompter`] that shows the dialogs of another one in turns.
///
/// After a dialog that was refused, cancelled or left unanswered, further ones of the same program
/// fail with [`PromptError::HeldOff`] for a second, which doubles each time up to five minutes. A
/// dialog that the program itself takes away counts too, but the first one costs nothing: people
/// interrupt commands. One that is answered makes all good.
pub struct Turns {
    inner: Arc<dyn Prompter>,
    desk: Arc<Mutex<Desk>>,
}

/// What refusals are counted for, as grants are given: path of the executable, and application. A
/// copy of the program under another name is another program; a script is its interpreter.
type Program = (String, Option<String>);

struct Desk {
    clock: Clock,
    showing: bool,
    waiting: Queue<Program, oneshot::Sender<Turn>>,
    held: HashMap<Program, Held>,
}

/// Tells the time.
type Clock = Box<dyn Fn() -> Instant + Send>;

#[derive(Clone, Copy)]
struct Held {
    refusals: u32,
    until: Instant,
}

impl Turns {
    /// Shows the dialogs of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Prompter>) -> Self {
        Self::with_clock(inner, Box::new(Instant::now))
    }

    fn with_clock(inner: Arc<dyn Prompter>, clock: Clock) -> Self {
        Self {
            inner,
            desk: Arc::new(Mutex::new(Desk {
                clock,
                showing: false,
                waiting: Queue::new(WAITING),
                held: HashMap::new(),
            })),
        }
    }

    async fn ask<R>(
        &self,
        subject: &Subject,
        dialog: impl Future<Output = Result<R, PromptError>>,
        agreed: impl FnOnce(&R) -> bool,
    ) -> Result<R, PromptError> {
        let program = program(subject);
        self.check(&program)?;
        let _turn = self.turn(&program).await?;
        // Another dialog of the same program may have been refused meanwhile.
        self.check(&program)?;
        let mut shown = Shown {
            desk: &self.desk,
            program,
            end: End::Abandoned,
        };
        let answer = dialog.await;
        shown.end = match &answer {
            Ok(answer) if agreed(answer) => End::Agreed,
            Ok(_) | Err(PromptError::Cancelled | PromptError::TimedOut) => End::Refused,
            Err(_) => End::Failed,
        };
        answer
    }

    fn check(&self, program: &Program) -> Result<(), PromptError> {
        let desk = lock(&self.desk);
        let Some(held) = desk.held.get(program) else {
            return Ok(());
        };
        let left = held.until.saturating_duration_since((desk.clock)());
        match left.is_zero() {
            true => Ok(()),
            false => Err(PromptError::HeldOff {
                seconds: left.as_secs() + u64::from(left.subsec_nanos() > 0),
            }),
        }
    }

    async fn turn(&self, program: &Program) -> Result<Turn, PromptError> {
        let (place, turn) = {
            let mut desk = lock(&self.desk);
            if !desk.showing {
                desk.showing = true;
                return Ok(Turn(Arc::clone(&self.desk)));
            }
            let (sender, receiver) = oneshot::channel();
            let ticket = desk.waiting.push(program.clone(), sender);
            let ticket = ticket.map_err(|_| PromptError::HeldOff { seconds: 1 })?;
            let desk = &self.desk;
            (Place { desk, ticket }, receiver)
        };
        let turn = turn.await.map_err(|_| PromptError::Cancelled);
        drop(place);
        turn
    }
}

impl Prompter for Turns {
    fn pin(&self, request: PinRequest) -> BoxFuture<'_, Result<LockedBuffer, PromptError>> {
        Box::pin(async move {
            let subject = request.subject.clone();
            self.ask(&subject, self.inner.pin(request), |_| true).await
        })
    }

    fn confirm(&self, request: ConfirmRequest) -> BoxFuture<'_, Result<Decision, PromptError>> {
        Box::pin(async move {
            let subject = request.subject.clone();
            let agreed = |decision: &Decision| *decision != Decision::Deny;
            self.ask(&subject, self.inner.confirm(request), agreed)
                .await
        })
    }

    /// What must not go unseen is not held off: the program did not ask for it.
    fn inform(&self, request: InformRequest) -> BoxFuture<'_, Result<(), PromptError>> {
        Box::pin(async move {
            let _turn = self.turn(&program(&request.subject)).await?;
            self.inner.inform(request).await
        })
    }
}

/// The right to show a dialog; passed on when dropped.
struct Turn(Arc<Mutex<Desk>>);

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut desk = lock(&self.0);
            let next = desk.waiting.pop();
            desk.showing = next.is_some();
            next
        };
        if let Some(next) = next {
            // One who has just left gives it back, which passes it on.
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

/// A place among those who wait; given up when dropped.
struct Place<'a> {
    desk: &'a Mutex<Desk>,
    ticket: Ticket<Program>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        drop(lock(self.desk).waiting.cancel(&self.ticket));
    }
}

/// A dialog being shown; how it ended is noted when it is dropped.
struct Shown<'a> {
    desk: &'a Mutex<Desk>,
    program: Program,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Abandoned,
    Agreed,
    Failed,
    Refused,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        let mut desk = lock(self.desk);
        let now = (desk.clock)();
        desk.held.retain(|_, held| now < held.until + FORGOTTEN);
        if let End::Failed = self.end {
            return;
        }
        let before = desk.held.remove(&self.program);
        let refusals = before.map_or(1, |held| held.refusals.saturating_add(1));
        let steps = match self.end {
            End::Refused => refusals,
            End::Abandoned => refusals - 1,
            End::Agreed | End::Failed => return,
        };
        let until = now + pause(steps);
        let program = std::mem::take(&mut self.program);
        desk.held.insert(program, Held { refusals, until });
    }
}

/// Nothing, then 1, 2, 4 … seconds.
fn pause(steps: u32) -> Duration {
    match steps {
        0 => Duration::ZERO,
        steps => LONGEST.min(Duration::from_secs(1 << (steps - 1).min(30))),
    }
}

fn program(subject: &Subject) -> Program {
    (subject.path.clone(), subject.app_id.clone())
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long after its end a pause is remembered.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// As many as there may be connections.
const WAITING: Limits = Limits {
    per_caller: 32,
    total: 256,
};

#[cfg(test)]
mod tests;
