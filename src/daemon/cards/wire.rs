//! The way to the card during one operation: timed, traced, and watched for silence.

use std::time::Instant;

use cps_card::apdu::Redacted;
use cps_card::{Transmit, TransmitError};

use super::desk::{Activity, Desk};
use super::watchdog::Watchdog;
use crate::readers::Exchange;

/// Passes commands to the card.
pub(super) struct Wire<'a> {
    desk: &'a Desk,
    exchange: Box<dyn Exchange + 'a>,
    /// What broke the connection, if anything did.
    broken: Option<TransmitError>,
    watchdog: &'a Watchdog,
}

impl<'a> Wire<'a> {
    pub(super) fn new(
        exchange: Box<dyn Exchange + 'a>,
        desk: &'a Desk,
        watchdog: &'a Watchdog,
    ) -> Self {
        Self {
            desk,
            exchange,
            broken: None,
            watchdog,
        }
    }

    /// What broke the connection, if anything did. A reset does not.
    pub(super) fn broken(&self) -> Option<TransmitError> {
        self.broken.clone()
    }

    fn timed<R>(
        &mut self,
        exchange: impl FnOnce(&mut dyn Exchange) -> Result<R, TransmitError>,
    ) -> Result<R, TransmitError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.desk.block_in(Activity::Card(Instant::now()));
        self.watchdog.alert();
        let result = exchange(&mut *self.exchange);
        let mute = self.desk.unblock();
        // An answer that comes after the card was given up is nobody's: the operation ends here.
        let result = if mute {
            Err(TransmitError::TimedOut)
        } else {
            result
        };
        if let Err(error) = &result
            && *error != TransmitError::Reset
        {
            self.broken = Some(error.clone());
        }
        result
    }
}

impl Transmit for Wire<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        let result = self.timed(|exchange| match exchange.transmit(command)? {
            // pcscd reports success without data when a card is pulled in mid-command.
            answer if answer.len() < 2 => Err(TransmitError::Removed),
            answer => Ok(answer),
        });
        match &result {
            // Answers may hold what the PIN protects: only their length and status are traced.
            Ok(answer) => tracing::trace!(
                command = %Redacted(command),
                length = answer.len() - 2,
                status = format_args!("{:02X?}", &answer[answer.len() - 2..]),
            ),
            Err(error) => tracing::trace!(command = %Redacted(command), %error),
        }
        result
    }
}

impl Exchange for Wire<'_> {
    fn reconnect(&mut self) -> Result<(), TransmitError> {
        self.timed(|exchange| exchange.reconnect())
    }
}
