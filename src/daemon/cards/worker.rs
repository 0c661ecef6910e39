//! The thread of one inserted card, the only one that talks to it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cps_card::TransmitError;

use super::desk::{Activity, Delivery, Desk, Job, Next};
use super::monitor::Monitor;
use super::publish::Publisher;
use super::threads::Alive;
use super::watchdog::Watchdog;
use super::wire::Wire;
use super::{CardsError, Options, Phase};
use crate::cache::Cache;
use crate::native::{Comparison, Native, NativeToken};
use crate::readers::{Connection, Connector, Disposition, ReaderObservation};
use crate::token::TokenError;

/// One card, from its insertion to its removal.
pub(super) struct Worker {
    cache: Option<Cache>,
    /// Whether the cached files were compared with the card, or that was tried in vain.
    cache_checked: bool,
    /// What the reader counted when the card was inserted.
    changes: u32,
    /// Open while in use, while logged in, and a moment after.
    connection: Option<Box<dyn Connection>>,
    connector: Arc<dyn Connector>,
    desk: Arc<Desk>,
    last_use: Instant,
    /// Nothing while the card could not be identified.
    native: Option<Native>,
    options: Options,
    publisher: Publisher,
    watchdog: Arc<Watchdog>,
    _alive: Alive,
}

impl Worker {
    pub(super) fn new(
        monitor: &Monitor,
        seen: &ReaderObservation,
        insertion: u64,
        desk: Arc<Desk>,
    ) -> Self {
        let publisher = Publisher::new(Arc::clone(&monitor.hub), seen.name.clone(), insertion);
        let on_mute = publisher.clone();
        monitor
            .watchdog
            .add(&desk, Arc::new(move || on_mute.unusable(TokenError::Mute)));
        Self {
            cache: monitor.cache.clone(),
            cache_checked: false,
            changes: seen.changes,
            connection: None,
            connector: Arc::clone(&monitor.connector),
            desk,
            last_use: Instant::now(),
            native: None,
            options: monitor.options.clone(),
            publisher,
            watchdog: Arc::clone(&monitor.watchdog),
            _alive: monitor.threads.alive(),
        }
    }

    pub(super) fn run(mut self) {
        self.publisher.let_modules_look_first();
        self.identify();
        self.publisher.settled();
        loop {
            match self.desk.next(self.idle_at()) {
                Next::Close => break,
                Next::Idle if self.must_check_cache() => self.check_cache(),
                Next::Idle => self.release(Disposition::Leave),
                Next::Run(job) if job.is_late() => job.fail(CardsError::Deadline { begun: false }),
                Next::Run(job) => self.serve(job),
                Next::TryAgain if self.native.is_none() => self.identify(),
                Next::TryAgain => {}
            }
        }
        if self.logged_in() {
            self.log_out();
        }
        self.release(Disposition::Leave);
    }

    /// Finds out which card this is and who holds it, and tells so.
    fn identify(&mut self) {
        for pause in ATTEMPTS {
            thread::sleep(pause);
            let error = match self.identify_once() {
                Ok(()) => return,
                Err(error) => error,
            };
            self.native = None;
            // A reset clears most of what can have gone wrong; nobody is logged in yet.
            self.release(match &error {
                TokenError::Removed => Disposition::Leave,
                _ => Disposition::Reset,
            });
            self.desk.recover();
            let reader = self.publisher.reader();
            tracing::warn!(reader, %error, "the card cannot be used");
            let lasting = matches!(
                error,
                TokenError::Exclusive | TokenError::NotPresent(_) | TokenError::UnknownCard(_)
            );
            // Once the removal is known this says nothing any more.
            self.publisher.unusable(error);
            if lasting || self.desk.is_closed() {
                return;
            }
        }
    }

    fn identify_once(&mut self) -> Result<(), TokenError> {
        self.connect()?;
        let Some(mut connection) = self.connection.take() else {
            return Err(TokenError::Removed);
        };
        let (atr, protocol) = (connection.atr().to_vec(), connection.protocol());
        let mut result = Err(TokenError::Reset);
        for _ in ATTEMPTS {
            if !matches!(result, Err(TokenError::Reset)) {
                break;
            }
            let cache = self.cache.as_ref();
            let publisher = &self.publisher;
            let accepted = &self.options.accepted_atrs;
            result = self.talk(&mut *connection, |wire| {
                let mut native = Native::open(&atr, protocol, accepted, wire)?;
                publisher.card(&mut native, Phase::Reading);
                native.read_identity(cache, wire)?;
                Ok(native)
            });
        }
        self.connection = Some(connection);
        self.last_use = Instant::now();
        let mut native = result?;
        self.publisher.card(&mut native, Phase::Ready);
        native.store(self.cache.as_ref());
        self.native = Some(native);
        Ok(())
    }

    /// When the quiet has lasted long enough for what is left to do with the connection.
    fn idle_at(&self) -> Option<Instant> {
        let quiet = match (self.must_check_cache(), self.logged_in()) {
            _ if self.connection.is_none() => return None,
            (true, _) => self.options.settle,
            (false, true) => return None,
            (false, false) => self.options.linger,
        };
        Some(self.last_use + quiet)
    }

    fn must_check_cache(&self) -> bool {
        let native = self.native.as_ref();
        !self.cache_checked && native.is_some_and(Native::relies_on_cache)
    }

    /// Compares what the cache gave with the card: once an insertion, when nobody has asked for
    /// anything for a moment, and giving way to whoever asks meanwhile.
    fn check_cache(&mut self) {
        let (Some(mut native), Some(mut connection)) = (self.native.take(), self.connection.take())
        else {
            return;
        };
        let result = self.talk(&mut *connection, |wire| {
            NativeToken::new(&mut native, wire).check_files(&|| self.desk.is_wanted())
        });
        self.connection = Some(connection);
        self.last_use = Instant::now();
        match result {
            Ok(Comparison::GaveWay) => {}
            Ok(Comparison::Same) => self.cache_checked = true,
            Ok(Comparison::Different) => {
                tracing::info!(card = %native.serial(), "the card has changed since it was cached, reading it again");
                if let Some(cache) = &self.cache {
                    cache.remove(native.serial());
                }
                // Whoever entered the PIN did so for the identity that was shown.
                if native.logged_in() {
                    self.log_out();
                }
                return self.identify();
            }
            Err(TokenError::Reset) => native.after_reset(),
            Err(error) => {
                tracing::warn!(card = %native.serial(), %error, "the cached files cannot be compared with the card");
                self.cache_checked = true;
                native.connection_lost();
                self.release(match error {
                    TokenError::Removed => Disposition::Leave,
                    _ => Disposition::Reset,
                });
                if self.desk.is_mute() {
                    self.desk.recover();
                    return self.identify();
                }
            }
        }
        self.publisher.card(&mut native, Phase::Ready);
        self.native = Some(native);
    }

    /// Runs an operation, and hands its result over when all that it changed is published.
    fn serve(&mut self, job: Box<dyn Job>) {
        if self.native.is_none() {
            self.identify();
        }
        let Some(mut native) = self.native.take() else {
            return job.fail(CardsError::Token(self.publisher.problem()));
        };
        let fresh = self.connection.is_none();
        if let Err(error) = self.connect() {
            self.native = Some(native);
            return job.fail(error.into());
        }
        if fresh {
            native.forget_position();
        }
        let outcome = self.run_job(&mut native, job);
        self.last_use = Instant::now();
        let mute = self.desk.is_mute();
        if let Some(error) = &outcome.broken {
            native.connection_lost();
            self.release(match error {
                TransmitError::Removed => Disposition::Leave,
                _ => Disposition::Reset,
            });
        }
        if native.take_logout_request() {
            self.log_out();
        }
        if mute {
            // What the card did after it was given up is unknown: begin anew.
            self.desk.recover();
            (outcome.deliver)();
            return self.identify();
        }
        self.publisher.card(&mut native, Phase::Ready);
        (outcome.deliver)();
        native.store(self.cache.as_ref());
        self.native = Some(native);
    }

    fn run_job(&mut self, native: &mut Native, job: Box<dyn Job>) -> Outcome {
        let Some(mut connection) = self.connection.take() else {
            return Outcome::failed(Some(job), TokenError::Removed);
        };
        let mut job = Some(job);
        let mut outcome = None;
        for _ in ATTEMPTS {
            let result = self.talk(&mut *connection, |wire| {
                outcome = job
                    .take()
                    .map(|job| job.run(&mut NativeToken::new(native, wire)));
                Ok(wire.broken())
            });
            match (result, outcome.take()) {
                (Ok(broken), Some(deliver)) => {
                    self.connection = Some(connection);
                    return Outcome { broken, deliver };
                }
                (Err(TokenError::Reset), _) => native.after_reset(),
                (Err(error), _) => {
                    self.connection = Some(connection);
                    return Outcome::failed(job, error);
                }
                (Ok(_), None) => break,
            }
        }
        self.connection = Some(connection);
        Outcome::failed(job, TokenError::Reset)
    }

    /// Talks to the card in one transaction. When the card had been reset before it began, accepts
    /// that and says [`TokenError::Reset`] without having talked.
    fn talk<R>(
        &self,
        connection: &mut dyn Connection,
        talk: impl FnOnce(&mut Wire<'_>) -> Result<R, TokenError>,
    ) -> Result<R, TokenError> {
        self.desk.block_in(Activity::OtherProgram);
        let error = match connection.transaction() {
            Ok(exchange) => {
                self.desk.unblock();
                let mut wire = Wire::new(exchange, &self.desk, &self.watchdog);
                return talk(&mut wire);
            }
            Err(error) => error,
        };
        self.desk.unblock();
        if error == TransmitError::Reset {
            self.block(|| connection.reconnect())?;
        }
        Err(error.into())
    }

    fn connect(&mut self) -> Result<(), TokenError> {
        if self.connection.is_some() {
            return Ok(());
        }
        let reader = self.publisher.reader();
        let connection = self.block(|| self.connector.connect(reader))?;
        if connection.changes() != self.changes {
            // Another insertion, which the monitor is about to see.
            connection.disconnect(Disposition::Leave);
            return Err(TokenError::Removed);
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn release(&mut self, disposition: Disposition) {
        if let Some(connection) = self.connection.take() {
            self.block(|| connection.disconnect(disposition));
        }
    }

    /// Takes the PIN state away from the card, unless another program is connected to it.
    fn log_out(&mut self) {
        self.release(Disposition::Leave);
        let reader = self.publisher.reader();
        if let Ok(true) = self.block(|| self.connector.in_use(reader)) {
            tracing::info!(
                reader,
                "another program is connected: the card is not reset"
            );
            return;
        }
        if self.connect().is_ok() {
            self.release(Disposition::Reset);
        }
    }

    fn logged_in(&self) -> bool {
        self.native.as_ref().is_some_and(Native::logged_in)
    }

    /// Does something that blocks in the reader.
    fn block<R>(&self, something: impl FnOnce() -> R) -> R {
        self.desk.block_in(Activity::Card(Instant::now()));
        self.watchdog.alert();
        let result = something();
        self.desk.unblock();
        result
    }
}

/// How an operation ended.
struct Outcome {
    /// What broke the connection during the operation.
    broken: Option<TransmitError>,
    deliver: Delivery,
}

impl Outcome {
    fn failed(job: Option<Box<dyn Job>>, error: TokenError) -> Self {
        let broken = Some(match &error {
            TokenError::Removed => TransmitError::Removed,
            other => TransmitError::Reader(other.to_string()),
        });
        Self {
            broken,
            deliver: Box::new(move || {
                if let Some(job) = job {
                    job.fail(error.into());
                }
            }),
        }
    }
}

/// Pauses before the attempts to make sense of a card.
const ATTEMPTS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_secs(1),
];
