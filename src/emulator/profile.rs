//! The three families of cards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Family of a virtual card.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// CPS3, contact interface: IAS-ECC applet, T=0, CLA `00`.
    Cps3,
    /// CPS3, contactless interface: technical certificate only, no PIN, T=1.
    Cps3Contactless,
    /// CPS4, contact interface: ChipDoc applet, T=1, logical channel 1 (CLA `01`).
    Cps4,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Cps3, Self::Cps3Contactless, Self::Cps4];

    /// `cps3`, `cps3-contactless` or `cps4`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cps3 => "cps3",
            Self::Cps3Contactless => "cps3-contactless",
            Self::Cps4 => "cps4",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| {
                format!("no card profile named `{text}`; use cps3, cps3-contactless or cps4")
            })
    }
}
