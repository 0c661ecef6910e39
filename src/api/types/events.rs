//! `GET /v1/events`: server-sent events (WHATWG HTML §9.2).

use serde::{Deserialize, Serialize};

/// One change. The kind is the SSE `event` field; the rest is the JSON object of its `data`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Event {
    /// Name of the reader concerned.
    pub reader: Option<String>,
    /// Serial number of the card concerned, once known.
    pub card: Option<String>,
}

/// Name of an event.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A card was put in a reader; it is not read yet.
    CardInserted,
    /// A card is read: its identity can be asked.
    CardReady,
    /// A card was taken out.
    CardRemoved,
    /// A card was reset, by another program or by this one: its login is over.
    CardReset,
    /// A PIN was verified.
    Login,
    /// A login ended.
    Logout,
    /// The reader service came.
    PcscStarted,
    /// The reader service went.
    PcscStopped,
    /// A dialog closed.
    PromptClosed,
    /// A dialog waits for the practitioner.
    PromptOpened,
    /// A reader was plugged in.
    ReaderAdded,
    /// A reader was unplugged.
    ReaderRemoved,
}

impl EventKind {
    /// Every event of this version.
    pub const ALL: [Self; 12] = [
        Self::CardInserted,
        Self::CardReady,
        Self::CardRemoved,
        Self::CardReset,
        Self::Login,
        Self::Logout,
        Self::PcscStarted,
        Self::PcscStopped,
        Self::PromptClosed,
        Self::PromptOpened,
        Self::ReaderAdded,
        Self::ReaderRemoved,
    ];

    /// The SSE `event` field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CardInserted => "card_inserted",
            Self::CardReady => "card_ready",
            Self::CardRemoved => "card_removed",
            Self::CardReset => "card_reset",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::PcscStarted => "pcsc_started",
            Self::PcscStopped => "pcsc_stopped",
            Self::PromptClosed => "prompt_closed",
            Self::PromptOpened => "prompt_opened",
            Self::ReaderAdded => "reader_added",
            Self::ReaderRemoved => "reader_removed",
        }
    }
}
