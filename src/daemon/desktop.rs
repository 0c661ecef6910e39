//! The desktop's session: cards are locked when the screen is, and before the machine sleeps.
//!
//! Speaks to logind on the system bus (org.freedesktop.login1(5)): `Manager.PrepareForSleep`,
//! `Session.Lock`, `Session.Unlock`, `Session.LockedHint`, and a delay inhibitor, so that sleep waits until the cards are reset. Without a
//! system bus or logind the daemon works on, and says once that it will not notice.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use zbus::message::Type;
use zbus::zvariant::{OwnedFd, OwnedObjectPath, Value};
use zbus::{Connection, MatchRule, Message, MessageStream, proxy};

/// Why the practitioner is leaving.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leaving {
    /// The screen is being locked.
    Lock,
    /// The machine is about to sleep.
    Sleep,
}

impl Leaving {
    /// The word for the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "screen lock",
            Self::Sleep => "suspend",
        }
    }
}

/// Calls `leave` whenever the practitioner leaves, and lets the machine sleep once it has ended;
/// calls `back` when the screen is unlocked again. Returns when there is no session manager to follow; the reason has been logged.
pub async fn watch(
    bus: impl Future<Output = zbus::Result<Connection>>,
    leave: impl Fn(Leaving) -> BoxFuture<'static, ()>,
    back: impl Fn(),
) {
    let followed = async { follow(&bus.await?, leave, back).await };
    match followed.await {
        Ok(()) => tracing::info!("logind went away: screen lock and suspend are not noticed"),
        Err(error) => tracing::info!(
            %error,
            "no session manager (logind): screen lock and suspend do not lock the card by \
             themselves; idle time, removal and `cps lock` do"
        ),
    }
}

#[proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1",
    gen_blocking = false
)]
trait Manager {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
    fn list_sessions(&self) -> zbus::Result<Vec<(String, u32, String, String, OwnedObjectPath)>>;
    #[zbus(signal)]
    fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
}

async fn follow(
    bus: &Connection,
    leave: impl Fn(Leaving) -> BoxFuture<'static, ()>,
    back: impl Fn(),
) -> zbus::Result<()> {
    let manager = ManagerProxy::new(bus).await?;
    let mut sleeps = manager.receive_prepare_for_sleep().await?;
    // Sessions come and go; the signal says which one is locked, so one rule fits all of them.
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.login1")?
        .interface("org.freedesktop.login1.Session")?
        .build();
    let mut locks = MessageStream::for_match_rule(rule, bus, None).await?;
    // Desktops that unlock by themselves only set a property.
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.login1")?
        .interface("org.freedesktop.DBus.Properties")?
        .member("PropertiesChanged")?
        .path_namespace("/org/freedesktop/login1/session")?
        .build();
    let mut hints = MessageStream::for_match_rule(rule, bus, None).await?;
    let mut delay = Some(inhibit(&manager).await?);
    loop {
        let (sleep, lock) = (pin!(sleeps.next()), pin!(locks.next()));
        let hint = pin!(hints.next());
        tokio::select! {
            sleep = sleep => {
                let Some(sleep) = sleep else { return Ok(()) };
                if *sleep.args()?.start() {
                    bounded(leave(Leaving::Sleep)).await;
                    // Closing the descriptor is what lets the machine sleep.
                    drop(delay.take());
                } else {
                    // None to be had (too many programs hold one) is no reason to follow no longer.
                    delay = inhibit(&manager)
                        .await
                        .inspect_err(|error| tracing::warn!(%error, "sleep will not wait for us"))
                        .ok();
                }
            }
            lock = lock => {
                let Some(lock) = lock else { return Ok(()) };
                let lock = lock?;
                let header = lock.header();
                let (Some(path), Some(member)) = (header.path(), header.member()) else {
                    continue;
                };
                match member.as_str() {
                    "Lock" if is_ours(&manager, path.as_str()).await => {
                        bounded(leave(Leaving::Lock)).await;
                    }
                    "Unlock" if is_ours(&manager, path.as_str()).await => back(),
                    _ => {}
                }
            }
            hint = hint => {
                let Some(hint) = hint else { return Ok(()) };
                let hint = hint?;
                let header = hint.header();
                let Some(path) = header.path() else { continue };
                if is_unlocked(&hint) && is_ours(&manager, path.as_str()).await {
                    back();
                }
            }
        }
    }
}

async fn inhibit(manager: &ManagerProxy<'_>) -> zbus::Result<OwnedFd> {
    manager
        .inhibit("sleep", "cpsd", "the card is locked before sleep", "delay")
        .await
}

/// Whether a session belongs to this user. When logind does not tell, it does: locking a card once
/// too often costs a PIN entry, once too rarely costs more.
async fn is_ours(manager: &ManagerProxy<'_>, path: &str) -> bool {
    let uid = rustix::process::getuid().as_raw();
    match manager.list_sessions().await {
        Ok(sessions) => sessions
            .iter()
            .find(|(.., session)| session.as_str() == path)
            .is_none_or(|(_, owner, ..)| *owner == uid),
        Err(_) => true,
    }
}

/// Whether a change of properties says that the screen is not locked any more.
fn is_unlocked(change: &Message) -> bool {
    let body = change.body();
    let changed: Result<(&str, HashMap<&str, Value<'_>>, Vec<&str>), _> = body.deserialize();
    changed
        .is_ok_and(|(_, properties, _)| properties.get("LockedHint") == Some(&Value::Bool(false)))
}

/// logind itself waits 5 s by default (`InhibitDelayMaxSec`); a card that does not answer must not
/// keep later signals waiting.
async fn bounded(leaving: BoxFuture<'static, ()>) {
    if tokio::time::timeout(Duration::from_secs(4), leaving)
        .await
        .is_err()
    {
        tracing::error!("the cards were not all locked in time");
    }
}
