//! Whether what was restored is still what the card holds.

use super::Card;
use super::directory::TOKEN_INFO;
use crate::error::{Error, Operation};
use crate::exchange::Link;
use crate::hex::Hex;
use crate::pkcs15::cdf;
use crate::pkcs15::odf::Directory;
use crate::read::{self, Extent};
use crate::transmit::Transmit;

impl Card {
    /// Compares the restored files with the card: EF.TokenInfo and the directory of certificates
    /// whole, the beginning of each certificate, which holds its length and its serial number.
    /// Forgets every file and returns false when one differs; the caller then reads anew.
    ///
    /// A CPS4 keeps no update dates, and a certificate can be renewed without a new key: this is
    /// what tells. It takes some ten commands, so it has its place after the holder was
    /// recognised, not before.
    ///
    /// # Errors
    /// Only when the card does not answer: a file that it refuses to give has changed.
    pub fn check_files(&mut self, transmit: &mut dyn Transmit) -> Result<bool, Error> {
        for (path, known) in self.known_parts(transmit)? {
            let mut link = Link::new(&mut self.state, transmit, Operation::ReadDirectory);
            let found = link.open(&path).and_then(|size| {
                read::current_file(&mut link, 0, size, Extent::Length(known.len()), 0)
            });
            match found {
                Ok(content) if content.bytes == known => {}
                Err(error @ Error::Transmit { .. }) => return Err(error),
                Ok(_) | Err(_) => {
                    self.forget_files();
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Known files, or their beginnings.
    fn known_parts(&mut self, transmit: &mut dyn Transmit) -> Result<Vec<(Hex, Vec<u8>)>, Error> {
        let application = self.application(transmit)?;
        let directories = self.object_directory(transmit)?;
        let lists = directories
            .into_iter()
            .filter(|(directory, _)| *directory == Directory::Certificates)
            .map(|(_, path)| path);
        let mut compared = Vec::new();
        for path in lists.chain([Hex([&application[..], TOKEN_INFO].concat())]) {
            let Some(known) = self.files.get(&path) else {
                continue;
            };
            for entry in cdf::read(known, &application).unwrap_or_default() {
                let path = entry.location.path;
                if let Some(certificate) = self.files.get(&path) {
                    let head = certificate.len().min(CERTIFICATE_HEAD);
                    compared.push((path, certificate[..head].to_vec()));
                }
            }
            compared.push((path.clone(), known.to_vec()));
        }
        Ok(compared)
    }
}

/// Enough for the lengths, the version and the longest serial number (RFC 5280 §4.1.2.2).
const CERTIFICATE_HEAD: usize = 64;
