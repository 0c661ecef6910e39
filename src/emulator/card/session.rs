//! What a reset clears: position, security environment, hash state, chain and pending answer.

use super::files::Path;
use crate::layout::Mechanism;
use crate::rsa::Hash;

/// Which applet the commands reach.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Applet {
    /// Files and keys of the PKCS#15 card.
    #[default]
    Main,
    /// CPS2ter volet of a CPS3.
    Volet,
    /// Issuer security domain of a CPS4: the card answers `69 85` to everything else.
    SecurityDomain,
}

/// One template of the security environment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Template {
    pub(super) mechanism: Mechanism,
    pub(super) key: u8,
}

/// The security environment: each template is set on its own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Environment {
    pub(super) authentication: Option<Template>,
    pub(super) confidentiality: Option<Template>,
    pub(super) hash: Option<Hash>,
    pub(super) signature: Option<Template>,
}

/// A command being received in parts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Chain {
    pub(super) header: [u8; 3],
    pub(super) data: Vec<u8>,
}

/// Volatile state.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) applet: Applet,
    /// Logical channel 1 of a CPS4 was opened by selecting the applet on it.
    pub(super) channel: bool,
    pub(super) directory: Path,
    pub(super) file: Option<Path>,
    pub(super) environment: Environment,
    /// Digest computed by the card, waiting for a signature command.
    pub(super) digest: Option<(Hash, Vec<u8>)>,
    pub(super) chain: Option<Chain>,
    pub(super) pending: Vec<u8>,
    pub(super) volet_path: Path,
}
