//! What the tests of this crate share: one test PKI at one fixed moment.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use cps_emulator::{Holder, Pki};
use jiff::{SignedDuration, Timestamp};

use crate::Certificate;

/// 2030-06-15, midday; certificates are issued relative to its midnight.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_907_755_200, 0);

pub(crate) static PKI: LazyLock<Pki> =
    LazyLock::new(|| Pki::new(UNIX_EPOCH + Duration::from_secs(NOW.as_second().unsigned_abs())));

pub(crate) fn authentication(holder: Holder) -> Certificate {
    Certificate::from_der(&PKI.authentication_der(holder)).unwrap()
}

pub(crate) fn signature(holder: Holder) -> Certificate {
    Certificate::from_der(&PKI.signature_der(holder)).unwrap()
}

pub(crate) fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}
