//! DODF: the data objects (PKCS#15 v1.1 §6.7).

use serde::{Deserialize, Serialize};

use super::{Location, Object, SEQUENCE, UTF8_STRING, entries, text};
use crate::error::Error;

/// A data object that the card declares.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DataEntry {
    /// The card's own label (`CPS_NAME_PS`, `CPS_ACTIVITY_01_PS`, …).
    pub label: String,
    /// Name of the application that it belongs to.
    pub application: String,
    /// Whether the PIN is needed to read it.
    pub private: bool,
    /// Whether programs may write it; such an object is never cached.
    pub modifiable: bool,
    /// Where its value is.
    pub place: DataPlace,
}

/// Where the value of a data object is.
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataPlace {
    /// In the second application of a CPS3 ("volet CPS2ter"), which keeps the files of the former
    /// card; path from its own MF.
    Cps2ter(crate::hex::Hex),
    /// In a file of the PKCS#15 application.
    File(Location),
}

/// The data objects held in files, in order.
pub(crate) fn read(file: &[u8], application: &[u8]) -> Result<Vec<DataEntry>, Error> {
    entries(file, "DODF", |entry| {
        if entry.tag.0 != SEQUENCE {
            return None;
        }
        let object = Object::read(&entry)?;
        let value = object
            .kind_value()
            .filter(|value| value.tag.0 == SEQUENCE)?;
        // The path stands bare in an opaque object; some writers wrap it as in other types.
        let path = value.find(SEQUENCE).ok().flatten().unwrap_or(value);
        let name = object.class.find(UTF8_STRING).ok().flatten();
        Some(DataEntry {
            place: DataPlace::File(Location::read(&path, application)?),
            application: name.map(|name| text(name.value)).unwrap_or_default(),
            private: object.common.private,
            modifiable: object.common.modifiable,
            label: object.common.label,
        })
    })
}
