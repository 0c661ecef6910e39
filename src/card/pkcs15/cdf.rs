//! CDF: the certificates (PKCS#15 v1.1 §6.6).

use serde::{Deserialize, Serialize};

use super::{BOOLEAN, Location, OCTET_STRING, Object, SEQUENCE, entries};
use crate::error::Error;

/// An X.509 certificate that the card declares.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateEntry {
    /// The card's own label (`Certificat d'Authentification CPS`, …).
    pub label: String,
    /// PKCS#15 identifier. It differs between cards of one kind: match keys by public key.
    pub id: Vec<u8>,
    /// Whether it belongs to an authority rather than to the holder.
    pub authority: bool,
    /// Where its DER is.
    pub location: Location,
}

/// The certificates held in files, in order.
pub(crate) fn read(file: &[u8], application: &[u8]) -> Result<Vec<CertificateEntry>, Error> {
    entries(file, "CDF", |entry| {
        if entry.tag.0 != SEQUENCE {
            return None;
        }
        let object = Object::read(&entry)?;
        let id = object.class.find(OCTET_STRING).ok().flatten();
        let authority = object.class.find(BOOLEAN).ok().flatten();
        let path = object.kind_value()?.find(SEQUENCE).ok().flatten()?;
        Some(CertificateEntry {
            location: Location::read(&path, application)?,
            label: object.common.label,
            id: id.map_or_else(Vec::new, |id| id.value.to_vec()),
            authority: authority.is_some_and(|flag| flag.value.first().is_some_and(|b| *b != 0)),
        })
    })
}
