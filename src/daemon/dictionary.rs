//! The dictionary of codes that the configuration names.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use cps_identity::{Dictionary, InvalidDictionary};

/// The dictionary of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DictionaryError {
    /// It is not an official dictionary, or was altered on its way here.
    #[error("dictionary: {path}: {source}; fetch the file again or remove the key")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: InvalidDictionary,
    },
    /// It cannot be read.
    #[error("dictionary: {path}: {source}; correct the path or remove the key")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// Reads an official dictionary file.
///
/// # Errors
///
/// [`DictionaryError`].
pub fn read(path: &Path) -> Result<Dictionary, DictionaryError> {
    let name = || path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|source| DictionaryError::Unreadable {
            path: name(),
            source,
        })?;
    Dictionary::from_gip(&bytes).map_err(|source| DictionaryError::Invalid {
        path: name(),
        source,
    })
}

/// One more than any dictionary has, so that a larger file is seen to be one.
const MAX_BYTES: u64 = (4 << 20) + 1;

#[cfg(test)]
pub(crate) mod tests {
    use ring::digest;

    use super::*;

    /// The official form of these rows: ISO-8859-1, with the checksum.
    pub(crate) fn gip(rows: &str) -> Vec<u8> {
        let mut bytes: Vec<u8> = rows.chars().map(|letter| letter as u8).collect();
        let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &bytes);
        let sum: String = sum.as_ref().iter().map(|b| format!("{b:02X}")).collect();
        bytes.extend(format!("G999\tChecksum\t\t\t48\tSHA-1 : {sum}\r\n").into_bytes());
        bytes
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dictionary");
        let refused = |path: &Path| {
            let told = read(path).unwrap_err().to_string();
            assert!(told.contains(&path.display().to_string()), "{told}");
            told
        };
        assert!(refused(&path).contains("No such file"));
        assert!(refused(folder.path()).contains("directory"));
        let mut altered = gip("G15\t10\t\t\t7\tMedecin\r\n");
        std::fs::write(&path, &altered).unwrap();
        assert!(read(&path).is_ok());
        altered[4] ^= 1;
        std::fs::write(&path, altered).unwrap();
        assert!(refused(&path).contains("SHA-1"));
        std::fs::write(&path, vec![0; 5 << 20]).unwrap();
        assert!(refused(&path).contains("larger"));
    }
}
