//! `GET /v1/status` and `GET /v1/readers`.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/status`: the daemon in one line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// State of the reader service.
    pub pcsc: PcscState,
    /// How many readers are connected.
    pub readers: u32,
    /// How many cards are recognised.
    pub cards: u32,
    /// Process number of the daemon.
    pub pid: u32,
    /// When the daemon started, RFC 3339.
    pub started_at: String,
    /// Which certification authorities it believes.
    pub environment: Environment,
}

/// State of the PC/SC service, as the daemon sees it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PcscState {
    /// The service answers.
    Running,
    /// The service is not installed, not started, or refuses this user.
    Stopped,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// Whose certification authorities are believed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// Anchors named in the configuration, in place of those of the IGC-Santé.
    Custom,
    /// The IGC-Santé used with real cards.
    Production,
    /// The test IGC-Santé.
    Test,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}

/// Answer of `GET /v1/readers`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Readers {
    /// Every reader connected, in the order in which the reader service names them.
    pub readers: Vec<Reader>,
}

/// One card reader.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reader {
    /// Name given by the reader service.
    pub name: String,
    /// What is in it.
    pub state: ReaderState,
    /// Serial number of the card in it, once read.
    pub card: Option<String>,
}

/// What a reader holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReaderState {
    /// A health card.
    Card,
    /// No card.
    Empty,
    /// A card that does not answer: inserted the wrong way round, or damaged.
    Mute,
    /// The reader itself does not work, or another program holds it exclusively.
    Unavailable,
    /// A card of another kind.
    UnknownCard,
    /// A value newer than this library.
    #[serde(other)]
    Other,
}
