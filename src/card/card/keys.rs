//! Private keys: signatures and decipherment.

use zeroize::Zeroizing;

use super::Card;
use crate::driver::may_be_misplaced;
use crate::error::{Error, Operation};
use crate::exchange::{Link, Position};
use crate::key::{KeyEntry, Scheme};
use crate::pkcs15::odf::Directory;
use crate::pkcs15::prkdf;
use crate::transmit::Transmit;

impl Card {
    /// The private keys that the card declares.
    ///
    /// # Errors
    /// What the card answered; [`Error::Malformed`] when its directory cannot be read.
    pub fn keys(&mut self, transmit: &mut dyn Transmit) -> Result<Vec<KeyEntry>, Error> {
        let objects = self.entries(transmit, Directory::PrivateKeys, prkdf::read)?;
        let token = self.token_info(transmit)?;
        let keys = objects
            .into_iter()
            .map(|object| KeyEntry::new(self.kind, object, &token));
        Ok(keys.collect())
    }

    /// The schemes that a key signs with, the preferred one first.
    pub fn schemes(&self, key: &KeyEntry) -> Vec<Scheme> {
        key.schemes()
    }

    /// Signs a digest. The signature is as long as the modulus; check it against the certificate
    /// before use, since a card that another program moved may have used another key.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the key does not offer the scheme or the digest has another
    /// length, [`Error::PinRequired`] without login, else what the card answered.
    pub fn sign(
        &mut self,
        transmit: &mut dyn Transmit,
        key: &KeyEntry,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Vec<u8>, Error> {
        if digest.len() != scheme.digest_len() {
            return Err(Error::Unsupported {
                what: "a digest of this length",
            });
        }
        let signature = self.with_key(transmit, key, Operation::Sign, |link| {
            link.state.driver.sign(link, key, scheme, digest)
        })?;
        if signature.len() != key.modulus_len() {
            return Err(Error::Malformed { what: "signature" });
        }
        Ok(signature.to_vec())
    }

    /// Deciphers an RSAES-PKCS1-v1_5 cryptogram and returns the message without its padding.
    ///
    /// # Errors
    /// [`Error::Cryptogram`] for every cryptogram that does not give a padded message,
    /// [`Error::Unsupported`] when the key does not decipher, [`Error::PinRequired`] without login,
    /// else what the card answered.
    pub fn decipher(
        &mut self,
        transmit: &mut dyn Transmit,
        key: &KeyEntry,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        if !key.deciphers() {
            return Err(Error::Unsupported {
                what: "decipherment with this key",
            });
        }
        if cryptogram.len() != key.modulus_len() {
            return Err(Error::Cryptogram);
        }
        self.with_key(transmit, key, Operation::Decipher, |link| {
            link.state.driver.decipher(link, key, cryptogram)
        })
    }

    /// Runs an operation in the directory of the key. When the card refuses in a way that may come
    /// from standing elsewhere than believed, selects that directory anew and repeats once.
    fn with_key(
        &mut self,
        transmit: &mut dyn Transmit,
        key: &KeyEntry,
        operation: Operation,
        mut run: impl FnMut(&mut Link<'_>) -> Result<Zeroizing<Vec<u8>>, Error>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut link = Link::new(&mut self.state, transmit, operation);
        let believed = link.state.position.is_in(&key.directory);
        link.enter(&key.directory)?;
        match run(&mut link) {
            Err(Error::Refused { status, .. }) if believed && may_be_misplaced(status) => {
                link.state.position = Position::Unknown;
                link.enter(&key.directory)?;
                run(&mut link)
            }
            result => result,
        }
    }
}
