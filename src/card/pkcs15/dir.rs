//! EF.DIR: the applications of the card (ISO 7816-4 §12.2.2).

use super::{MF, absolute};
use crate::error::Error;
use crate::tlv::Reader;

/// Path of the application with this identifier, out of EF.DIR or its beginning.
///
/// `None` when no complete record names it; a record cut at the end of `file` is not an error, so
/// that reading can stop as soon as the application is found.
pub(crate) fn application(file: &[u8], aid: &[u8]) -> Option<Vec<u8>> {
    Reader::padded(file)
        .flatten()
        .filter(|record| record.tag.0 == 0x61)
        .find(|record| matches!(record.find(0x4F), Ok(Some(found)) if found.value == aid))
        .and_then(|record| record.find(0x51).ok().flatten())
        .and_then(|path| absolute(path.value, MF))
}

/// Paths of all applications, in the order of the records.
///
/// # Errors
/// [`Error::Malformed`] when the framing is broken.
pub(crate) fn applications(file: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    super::entries(file, "EF.DIR", |record| {
        let path = record.find(0x51).ok().flatten()?;
        absolute(path.value, MF)
    })
}
