//! The three kinds of card.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Which of the CPS profiles a card follows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// CPS3 in a contact reader: IAS-ECC applet.
    Cps3,
    /// CPS3 on a contactless reader: technical certificate only, no PIN.
    Cps3Contactless,
    /// CPS4 in a contact reader: NXP ChipDoc applet.
    Cps4,
}

impl Kind {
    /// The name used in the interfaces: `cps3`, `cps3-contactless`, `cps4`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cps3 => "cps3",
            Self::Cps3Contactless => "cps3-contactless",
            Self::Cps4 => "cps4",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
