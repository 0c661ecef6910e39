//! Where callers hand their operations to the thread of a card.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::{CallerKey, CardsError};
use crate::queue::{Limits, Queue, Ticket};
use crate::token::{Token, TokenError};

/// The counter between callers and one card thread.
pub(super) struct Desk {
    changed: Condvar,
    health: watch::Sender<Health>,
    inner: Mutex<Inner>,
}

/// Whether waiting still makes sense.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Health {
    Closed(CardsError),
    Mute,
    Open,
}

/// What the card thread is to do.
pub(super) enum Next {
    Close,
    Idle,
    Run(Box<dyn Job>),
    TryAgain,
}

struct Inner {
    activity: Activity,
    closed: Option<CardsError>,
    mute: bool,
    queue: Queue<CallerKey, Box<dyn Job>>,
    try_again: bool,
}

/// What the card thread is blocked in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Activity {
    /// In the reader or the card, since then.
    Card(Instant),
    /// In nothing that blocks.
    None,
    /// In the transaction of another program.
    OtherProgram,
}

impl Desk {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            changed: Condvar::new(),
            health: watch::Sender::new(Health::Open),
            inner: Mutex::new(Inner {
                activity: Activity::None,
                closed: None,
                mute: false,
                queue: Queue::new(limits),
                try_again: false,
            }),
        }
    }

    /// Puts an operation into the queue and waits for its result.
    pub(super) async fn run<R: Send + 'static>(
        self: Arc<Self>,
        caller: CallerKey,
        deadline: Instant,
        operation: impl FnOnce(&mut dyn Token) -> Result<R, TokenError> + Send + 'static,
    ) -> Result<R, CardsError> {
        let mut health = self.health.subscribe();
        let (reply, mut result) = oneshot::channel();
        let begun = Arc::new(AtomicBool::new(false));
        let _place = self.submit(
            caller,
            Box::new(Operation {
                begun: Arc::clone(&begun),
                deadline,
                operation,
                reply,
            }),
        )?;
        tokio::select! {
            biased;
            result = &mut result => result.unwrap_or_else(|_| Err(self.reason())),
            // The sender lives as long as the desk, which we hold.
            _ = health.wait_for(|health| *health != Health::Open) => Err(self.reason()),
            () = tokio::time::sleep_until(deadline.into()) => {
                Err(self.late(begun.load(Ordering::SeqCst)))
            }
        }
    }

    /// Ends the desk: everything that waits fails with `error`.
    pub(super) fn close(&self, error: CardsError) {
        let mut inner = self.lock();
        inner.closed.get_or_insert_with(|| error.clone());
        let waiting = inner.queue.drain();
        drop(inner);
        self.changed.notify_all();
        self.health.send_replace(Health::Closed(error.clone()));
        for job in waiting {
            job.fail(error.clone());
        }
    }

    /// Sends the card thread to try a card again that could not be reached.
    pub(super) fn try_again(&self) {
        self.lock().try_again = true;
        self.changed.notify_all();
    }

    /// The next thing to do; idle when there is nothing until `limit`.
    pub(super) fn next(&self, limit: Option<Instant>) -> Next {
        let mut inner = self.lock();
        loop {
            if inner.closed.is_some() {
                return Next::Close;
            }
            if std::mem::take(&mut inner.try_again) {
                return Next::TryAgain;
            }
            if let Some(job) = inner.queue.pop() {
                return Next::Run(job);
            }
            inner = match limit {
                None => self
                    .changed
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let left = limit.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Next::Idle;
                    }
                    self.changed
                        .wait_timeout(inner, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// Notes what the card thread is about to block in.
    pub(super) fn block_in(&self, activity: Activity) {
        self.lock().activity = activity;
    }

    /// Notes that the card thread is no longer blocked. Whether the card was declared mute since.
    pub(super) fn unblock(&self) -> bool {
        let mut inner = self.lock();
        inner.activity = Activity::None;
        inner.mute
    }

    /// Whether the card was declared mute.
    pub(super) fn is_mute(&self) -> bool {
        self.lock().mute
    }

    /// Whether somebody waits for the card thread.
    pub(super) fn is_wanted(&self) -> bool {
        let inner = self.lock();
        inner.closed.is_some() || !inner.queue.is_empty()
    }

    /// Whether the card is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// The thread came back from a mute card.
    pub(super) fn recover(&self) {
        let mut inner = self.lock();
        inner.mute = false;
        self.health.send_if_modified(|health| {
            let was_mute = *health == Health::Mute;
            if was_mute {
                *health = Health::Open;
            }
            was_mute
        });
    }

    /// Marks the card as mute when the thread is blocked in it for longer than `limit`. Returns
    /// when to look again (nothing when the thread is not blocked in the card) and whether the
    /// card was marked now; [`Self::tell_mute`] follows.
    pub(super) fn inspect(&self, limit: Duration) -> (Option<Instant>, bool) {
        let mut inner = self.lock();
        let Activity::Card(since) = inner.activity else {
            return (None, false);
        };
        if inner.mute || inner.closed.is_some() {
            return (None, false);
        }
        let due = since + limit;
        if Instant::now() < due {
            return (Some(due), false);
        }
        inner.mute = true;
        (None, true)
    }

    /// Tells all who wait that the card is mute, unless it came back meanwhile.
    pub(super) fn tell_mute(&self) {
        let mut inner = self.lock();
        if !inner.mute {
            return;
        }
        let waiting = inner.queue.drain();
        self.health.send_if_modified(|health| {
            let was_open = *health == Health::Open;
            if was_open {
                *health = Health::Mute;
            }
            was_open
        });
        drop(inner);
        for job in waiting {
            job.fail(CardsError::Mute);
        }
    }

    fn submit(self: &Arc<Self>, caller: CallerKey, job: Box<dyn Job>) -> Result<Place, CardsError> {
        let mut inner = self.lock();
        if let Some(error) = &inner.closed {
            return Err(error.clone());
        }
        if inner.mute {
            return Err(CardsError::Mute);
        }
        let ticket = inner
            .queue
            .push(caller, job)
            .map_err(|_| CardsError::QueueFull)?;
        drop(inner);
        self.changed.notify_all();
        Ok(Place {
            desk: Arc::clone(self),
            ticket,
        })
    }

    /// Why an operation got no answer.
    fn reason(&self) -> CardsError {
        let inner = self.lock();
        match &inner.closed {
            Some(error) => error.clone(),
            None if inner.mute => CardsError::Mute,
            None => CardsError::Removed,
        }
    }

    fn late(&self, begun: bool) -> CardsError {
        match self.lock().activity {
            Activity::OtherProgram => CardsError::Busy,
            _ => CardsError::Deadline { begun },
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue; given back when dropped.
struct Place {
    desk: Arc<Desk>,
    ticket: Ticket<CallerKey>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // Dropped outside the lock: what the operation captured may do anything.
        let _job = self.desk.lock().queue.cancel(&self.ticket);
    }
}

/// An operation in the queue.
pub(super) trait Job: Send {
    /// Runs it; what is returned hands the result to the caller.
    fn run(self: Box<Self>, token: &mut dyn Token) -> Delivery;

    /// Refuses it.
    fn fail(self: Box<Self>, error: CardsError);

    /// Whether its caller has given up or its time is over.
    fn is_late(&self) -> bool;
}

/// Hands the result of an operation to its caller.
pub(super) type Delivery = Box<dyn FnOnce() + Send>;

struct Operation<R, F> {
    begun: Arc<AtomicBool>,
    deadline: Instant,
    operation: F,
    reply: oneshot::Sender<Result<R, CardsError>>,
}

impl<R, F> Job for Operation<R, F>
where
    R: Send + 'static,
    F: FnOnce(&mut dyn Token) -> Result<R, TokenError> + Send,
{
    fn run(self: Box<Self>, token: &mut dyn Token) -> Delivery {
        self.begun.store(true, Ordering::SeqCst);
        let result = (self.operation)(token).map_err(CardsError::Token);
        let reply = self.reply;
        // A caller that gave up does not hear it.
        Box::new(move || drop(reply.send(result)))
    }

    fn fail(self: Box<Self>, error: CardsError) {
        drop(self.reply.send(Err(error)));
    }

    fn is_late(&self) -> bool {
        self.reply.is_closed() || Instant::now() >= self.deadline
    }
}
