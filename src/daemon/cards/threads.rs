//! Counts the threads that are still at work, so that the end of the service can wait for them.

use std::time::Duration;

use tokio::sync::watch;

/// The count. Clones share it.
#[derive(Clone)]
pub(super) struct Threads(watch::Sender<usize>);

impl Threads {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    /// Counts a thread for as long as it holds the answer.
    pub(super) fn alive(&self) -> Alive {
        self.0.send_modify(|count| *count += 1);
        Alive(self.clone())
    }

    /// Waits until none is left, `limit` at most. Whether none is left.
    pub(super) async fn ended(&self, limit: Duration) -> bool {
        let mut count = self.0.subscribe();
        let ended = count.wait_for(|count| *count == 0);
        tokio::time::timeout(limit, ended).await.is_ok()
    }
}

/// A thread at work.
pub(super) struct Alive(Threads);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
