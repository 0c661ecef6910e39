//! A TLS client on a port that speaks without TLS: its first bytes, and what it understands.

/// Whether the first bytes of a connection are a TLS record with a handshake message (RFC 8446
/// §5.1: type 22, version 3.x); `None` as long as there are too few to say.
pub(crate) fn is_tls(first: &[u8]) -> Option<bool> {
    match first {
        [] | [0x16] | [0x16, 0x03] => None,
        [0x16, 0x03, 0x00..=0x04, ..] => Some(true),
        _ => Some(false),
    }
}

/// A fatal alert, `protocol_version` (RFC 8446 §6): no version of TLS is spoken here. Every client
/// gives up at once, without waiting.
pub(crate) const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46];
