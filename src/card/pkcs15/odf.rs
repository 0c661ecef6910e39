//! EF.ODF: where the other directory files are (PKCS#15 v1.1 §6.2).

use super::{Location, SEQUENCE, entries};
use crate::error::Error;
use crate::hex::Hex;

/// Which directory file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Directory {
    Authentication,
    Certificates,
    Data,
    PrivateKeys,
    PublicKeys,
    TrustedCertificates,
    UsefulCertificates,
}

/// The directory files, in the order of the ODF.
pub(crate) fn read(file: &[u8], application: &[u8]) -> Result<Vec<(Directory, Hex)>, Error> {
    entries(file, "ODF", |entry| {
        let directory = match entry.tag.0 {
            0xA0 => Directory::PrivateKeys,
            0xA1 => Directory::PublicKeys,
            0xA4 => Directory::Certificates,
            0xA5 => Directory::TrustedCertificates,
            0xA6 => Directory::UsefulCertificates,
            0xA7 => Directory::Data,
            0xA8 => Directory::Authentication,
            _ => return None,
        };
        let path = entry.find(SEQUENCE).ok().flatten()?;
        Some((directory, Location::read(&path, application)?.path))
    })
}
