//! Words for the person that no dialog needs: notifications of the desktop
//! (org.freedesktop.Notifications, Desktop Notifications Specification 1.2). Nobody waits for them,
//! and without a desktop they are only logged.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use zbus::zvariant::Value;
use zbus::{Connection, connection, proxy};

/// Shows notifications, not too many of one kind.
#[derive(Debug, Default)]
pub struct Notifier {
    /// Address of the message bus; that of the user's session when absent.
    bus: Option<String>,
    last: Mutex<HashMap<&'static str, Instant>>,
}

impl Notifier {
    /// Notifications on another bus than the session's.
    #[must_use]
    pub fn on(bus: String) -> Self {
        Self {
            bus: Some(bus),
            last: Mutex::default(),
        }
    }

    /// Shows a notification, unless one of this kind was shown a moment ago. Must be called inside
    /// the runtime; returns at once.
    pub fn tell(&self, kind: &'static str, title: &str, body: &str) {
        if !self.is_due(kind, Instant::now()) {
            return;
        }
        tracing::info!(kind, title, body, "the person is told");
        let (bus, title, body) = (self.bus.clone(), title.to_owned(), escaped(body));
        tokio::spawn(async move {
            let shown = tokio::time::timeout(PATIENCE, show(bus, &title, &body)).await;
            match shown {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "no notification was shown"),
                Err(_) => tracing::debug!("the desktop did not take a notification in time"),
            }
        });
    }

    fn is_due(&self, kind: &'static str, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last
            .get(kind)
            .is_none_or(|last| now.saturating_duration_since(*last) >= PAUSE);
        if due {
            last.insert(kind, now);
        }
        due
    }
}

#[proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_blocking = false
)]
trait Notifications {
    #[allow(clippy::too_many_arguments, reason = "those of the specification")]
    fn notify(
        &self,
        app_name: &str,
        replaces_id: u32,
        app_icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expire_timeout: i32,
    ) -> zbus::Result<u32>;
}

/// A connection of its own, closed behind: notifications are rare, an idle one would be kept for
/// nothing.
async fn show(bus: Option<String>, title: &str, body: &str) -> zbus::Result<()> {
    let connection = match bus {
        Some(address) => {
            connection::Builder::address(address.as_str())?
                .build()
                .await?
        }
        None => Connection::session().await?,
    };
    let desktop = NotificationsProxy::new(&connection).await?;
    desktop
        .notify("cpsd", 0, "", title, body, &[], HashMap::new(), -1)
        .await?;
    Ok(())
}

/// Bodies may be read as markup (specification, "Markup").
fn escaped(body: &str) -> String {
    body.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// How long a kind stays silent after it was shown.
const PAUSE: Duration = Duration::from_secs(10 * 60);
/// How long the desktop may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_is_told_once_in_a_while_whatever_others_are() {
        let (notifier, start) = (Notifier::default(), Instant::now());
        assert!(notifier.is_due("tls", start));
        assert!(!notifier.is_due("tls", start + Duration::from_secs(9 * 60)));
        assert!(notifier.is_due("outside", start));
        assert!(notifier.is_due("tls", start + Duration::from_secs(10 * 60)));
    }
}
