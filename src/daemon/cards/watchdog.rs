//! Notices cards that do not answer. Sleeps without a timer while no card is at work.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::desk::Desk;

/// Watches the desks whose threads are at work.
pub(super) struct Watchdog {
    changed: Condvar,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    awake: bool,
    ended: bool,
    watched: Vec<Watched>,
}

struct Watched {
    desk: Weak<Desk>,
    on_mute: Arc<dyn Fn() + Send + Sync>,
}

impl Watchdog {
    /// Starts the thread. A command may take `limit`.
    pub(super) fn start(limit: Duration) -> Arc<Self> {
        let watchdog = Arc::new(Self {
            changed: Condvar::new(),
            inner: Mutex::default(),
        });
        let thread = Arc::clone(&watchdog);
        let spawned = thread::Builder::new()
            .name("card watchdog".to_owned())
            .spawn(move || thread.watch(limit));
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start the card watchdog: a mute card will block its callers until their deadline");
        }
        watchdog
    }

    /// Adds a desk; `on_mute` is called each time its card is found mute, before its callers are
    /// told.
    pub(super) fn add(&self, desk: &Arc<Desk>, on_mute: Arc<dyn Fn() + Send + Sync>) {
        self.lock().watched.push(Watched {
            desk: Arc::downgrade(desk),
            on_mute,
        });
    }

    /// Says that a card is being put to work. Cheap while the watchdog is awake anyway.
    pub(super) fn alert(&self) {
        let mut inner = self.lock();
        if !inner.awake {
            inner.awake = true;
            self.changed.notify_all();
        }
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn watch(&self, limit: Duration) {
        let mut inner = self.lock();
        while !inner.ended {
            if !inner.awake {
                inner = self
                    .changed
                    .wait(inner)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let mut due = None;
            let mut mute = Vec::new();
            inner.watched.retain(|watched| {
                let Some(desk) = watched.desk.upgrade() else {
                    return false;
                };
                let (next, now_mute) = desk.inspect(limit);
                due = due.into_iter().chain(next).min();
                if now_mute {
                    mute.push((desk, Arc::clone(&watched.on_mute)));
                }
                true
            });
            if !mute.is_empty() {
                drop(inner);
                for (desk, on_mute) in mute {
                    on_mute();
                    desk.tell_mute();
                }
                inner = self.lock();
                continue;
            }
            match due {
                Some(due) => {
                    // Never shorter than this, so that a burst of commands does not wake it for each.
                    let time = due
                        .saturating_duration_since(Instant::now())
                        .max(limit / 10);
                    inner = self
                        .changed
                        .wait_timeout(inner, time)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                None => inner.awake = false,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
