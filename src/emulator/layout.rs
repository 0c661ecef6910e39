//! How one card is laid out: file identifiers, references, rules and habits, as data.
//!
//! A layout is one JSON document (`fixtures/layouts`), or a report that `cps doctor --card-report`
//! took from a real card. It says where things are; what they contain comes from the holder.

mod report;

use std::collections::BTreeMap;

use cps_card::{Hex, KeyUse, Protocol};
use serde::{Deserialize, Serialize};

use crate::Profile;

/// Layout of a virtual card.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Name shown in messages.
    pub name: String,
    /// Command set.
    pub profile: Profile,
    /// Answer to reset.
    pub atr: Hex,
    /// Protocol whose rules are enforced.
    pub protocol: Protocol,
    /// Applications that EF.DIR lists, in order. Exactly one is present on this interface.
    pub applications: Vec<Application>,
    /// PKCS#15 directory files besides EF.ODF and EF.TokenInfo, in the order of EF.ODF.
    pub directories: Vec<Directory>,
    /// Beginning of the label in EF.TokenInfo, before the card number.
    pub token_label: String,
    /// Whether the card number follows in that label.
    pub token_label_has_number: bool,
    /// PIN (*code porteur*); none on a contactless interface.
    pub pin: Option<PinObject>,
    /// PUK (*code de déblocage*).
    pub puk: Option<PinObject>,
    /// Private keys, in the order of the PrKDF.
    pub keys: Vec<Key>,
    /// Certificates, in the order of the CDF.
    pub certificates: Vec<CertificateFile>,
    /// Data objects, in the order of the DODF. Objects that the holder lacks are left out.
    pub data: Vec<DataFile>,
    /// Algorithms of EF.TokenInfo.
    pub algorithms: Vec<Algorithm>,
    /// Where cards may differ in what they answer.
    #[serde(default)]
    pub habits: Habits,
    /// Exact contents that replace what would be generated: path from the MF (without `3F00`) →
    /// bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contents: BTreeMap<String, Hex>,
}

/// An application in EF.DIR.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Application identifier.
    pub aid: Hex,
    /// Label.
    pub label: String,
    /// Path of its directory from the MF, without `3F00`: two bytes for each level.
    pub path: Hex,
    /// Whether the directory exists on this interface.
    pub present: bool,
}

/// Kind of a PKCS#15 directory file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectoryKind {
    /// PINs.
    Aodf,
    /// Certificates.
    Cdf,
    /// Data objects.
    Dodf,
    /// Private keys.
    Prkdf,
    /// Public keys; always empty.
    Pukdf,
}

/// A PKCS#15 directory file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// What it lists.
    pub kind: DirectoryKind,
    /// Path from the MF, without `3F00`.
    pub path: Hex,
}

/// PIN or PUK.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PinObject {
    /// Label in the AODF.
    pub label: String,
    /// Reference in P2 of VERIFY.
    pub reference: u8,
    /// PKCS#15 authentication identifier.
    pub auth_id: Hex,
    /// Least number of digits.
    pub min: u8,
    /// Length stored by the card: the length of the data field when padding is needed.
    pub stored: u8,
    /// Greatest number of digits.
    pub max: u8,
    /// Padding character, when padding is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<Hex>,
    /// Tries of a new card.
    pub tries: u8,
    /// The code of a new card.
    pub value: String,
}

/// A private key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What it does.
    pub key_use: KeyUse,
    /// Label.
    pub label: String,
    /// PKCS#15 identifier, shared with the certificate.
    pub id: Hex,
    /// Reference in security environments.
    pub reference: u8,
}

/// A certificate file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// Which certificate of the holder.
    pub key_use: KeyUse,
    /// Label.
    pub label: String,
    /// PKCS#15 identifier.
    pub id: Hex,
    /// Path from the MF, without `3F00`.
    pub path: Hex,
}

/// A data object. Its label decides its content and its access rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataFile {
    /// Label: `CPS_NAME_PS`, `CPS_ACTIVITY_03_PS`, …
    pub label: String,
    /// Path from the MF, without `3F00`.
    pub path: Hex,
}

/// What an algorithm reference stands for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// PKCS#1 v1.5 client authentication, hash chosen by the host.
    Authenticate,
    /// PKCS#1 v1.5 decryption (CPS3), raw RSA (CPS4).
    Decipher,
    /// SHA-1.
    HashSha1,
    /// SHA-256.
    HashSha256,
    /// PSS with SHA-1.
    PssSha1,
    /// PSS with SHA-256.
    PssSha256,
    /// PKCS#1 v1.5 signature with SHA-1.
    SignSha1,
    /// PKCS#1 v1.5 signature with SHA-256.
    SignSha256,
}

/// An entry of supportedAlgorithms.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Algorithm {
    /// What it does.
    pub mechanism: Mechanism,
    /// PKCS#15 reference.
    pub reference: u8,
    /// Reference in security environments.
    pub card: u8,
}

/// What a card answers to a READ BINARY that asks for more than there is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShortRead {
    /// The bytes there are, with `62 82` (with `90 00` on T=1 when Le was `00`).
    #[default]
    EndOfFile,
    /// `6C xx` and no bytes.
    WrongLength,
}

/// Where cards may differ in what they answer.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Habits {
    /// Answer to reading beyond the end.
    pub short_read: ShortRead,
    /// Whether PIN commands need the MF to be current (`6A 88` otherwise).
    pub pin_needs_mf: bool,
    /// Status word for CLA `00` while the CPS2ter volet is current.
    pub foreign_class: Hex,
    /// Whether EF.SN, EF.DIR and EF.ATR have short identifiers.
    pub short_identifiers: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            short_read: ShortRead::default(),
            pin_needs_mf: false,
            foreign_class: Hex(vec![0x6E, 0x00]),
            short_identifiers: true,
        }
    }
}

/// Why a layout cannot be played.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Not JSON of the expected shape.
    #[error("not a card layout and not a card report: {0}")]
    Format(#[from] serde_json::Error),
    /// The document is well formed but describes no card that can work.
    #[error("the layout {name} cannot be played: {problem}")]
    Unusable {
        /// Name of the layout.
        name: String,
        /// What is missing or contradictory.
        problem: String,
    },
}

macro_rules! shipped {
    ($($function:ident = $file:literal),* $(,)?) => {
        $(
            #[doc = concat!("The shipped layout `", $file, "`.")]
            pub fn $function() -> Self {
                Self::from_json(include_str!(concat!("../../fixtures/layouts/", $file, ".json")))
                    .expect(concat!("fixtures/layouts/", $file, ".json is valid"))
            }
        )*

        /// Every shipped layout.
        pub fn shipped() -> Vec<Self> {
            vec![$(Self::$function()),*]
        }
    };
}

impl Layout {
    shipped! {
        cps3 = "cps3",
        cps3_contactless = "cps3-contactless",
        cps3_variant = "cps3-variant",
        cps4 = "cps4",
        cps4_variant = "cps4-variant",
    }

    /// The default layout of a profile.
    pub fn of(profile: Profile) -> Self {
        match profile {
            Profile::Cps3 => Self::cps3(),
            Profile::Cps3Contactless => Self::cps3_contactless(),
            Profile::Cps4 => Self::cps4(),
        }
    }

    /// Reads a layout, or makes one of a card report.
    ///
    /// # Errors
    /// [`LayoutError`] when the document is neither, or when a card laid out so could not work.
    pub fn from_json(text: &str) -> Result<Self, LayoutError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        let layout = if value.get("format").is_some() {
            report::convert(&serde_json::from_value(value)?)?
        } else {
            serde_json::from_value(value)?
        };
        layout.checked()
    }

    /// The application that exists on this interface.
    pub fn application(&self) -> &Application {
        // `checked` refuses layouts without one.
        self.applications
            .iter()
            .find(|application| application.present)
            .unwrap_or(&self.applications[0])
    }

    fn checked(self) -> Result<Self, LayoutError> {
        let problem = self.problem();
        match problem {
            None => Ok(self),
            Some(problem) => Err(LayoutError::Unusable {
                name: self.name,
                problem,
            }),
        }
    }

    fn problem(&self) -> Option<String> {
        if self.atr.len() < 2 || self.atr.len() > 33 {
            return Some("an ATR has 2 to 33 bytes".into());
        }
        if !self
            .applications
            .iter()
            .any(|application| application.present)
        {
            return Some("no application is present".into());
        }
        let paths = self
            .applications
            .iter()
            .map(|application| &application.path)
            .chain(self.directories.iter().map(|directory| &directory.path))
            .chain(
                self.certificates
                    .iter()
                    .map(|certificate| &certificate.path),
            )
            .chain(self.data.iter().map(|data| &data.path));
        for path in paths {
            if path.is_empty() || path.len() % 2 != 0 || path.len() > 8 {
                return Some(format!(
                    "`{path}` is not a path of one to four file identifiers"
                ));
            }
        }
        for pin in [&self.pin, &self.puk].into_iter().flatten() {
            let length = pin.value.len();
            let digits = pin.value.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || length < pin.min.into() || length > pin.max.into() || pin.max > 16 {
                return Some(format!("the value of `{}` breaks its own rules", pin.label));
            }
            if pin
                .padding
                .as_ref()
                .is_some_and(|padding| padding.len() != 1 || pin.stored < pin.max)
            {
                return Some(format!("the padding of `{}` cannot work", pin.label));
            }
        }
        if self.habits.foreign_class.len() != 2 {
            return Some("foreign_class is not a status word".into());
        }
        None
    }

    pub(crate) fn mechanism(&self, card_reference: u8, among: &[Mechanism]) -> Option<Mechanism> {
        self.algorithms
            .iter()
            .find(|algorithm| {
                algorithm.card == card_reference && among.contains(&algorithm.mechanism)
            })
            .map(|algorithm| algorithm.mechanism)
    }

    pub(crate) fn key(&self, reference: u8) -> Option<&Key> {
        self.keys.iter().find(|key| key.reference == reference)
    }
}
