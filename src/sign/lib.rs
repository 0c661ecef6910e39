//! Builders of what a CPS card signs.
//!
//! This crate is pure: it never sees a key, a card, a file or a socket. It says which digest must
//! be signed, and turns the signature that comes back into the finished document. Between the two
//! the caller may wait as long as it likes, for a PIN dialog and for the card:
//!
//! ```no_run
//! # fn card_signs(digest: &[u8; 32]) -> Vec<u8> { Vec::new() }
//! # fn main() -> Result<(), cps_sign::Error> {
//! # let (certificate, chain, pieces) = (Vec::new(), Vec::<Vec<u8>>::new(), [b"content"]);
//! let mut builder = cps_sign::SignedDataBuilder::detached();
//! for piece in pieces {
//!     builder.update(piece);
//! }
//! let unsigned = builder.prepare(&certificate, &chain, jiff::Timestamp::now())?;
//! let signature = card_signs(unsigned.digest());
//! let der = unsigned.finish(&signature)?;
//! # Ok(()) }
//! ```
//!
//! # Layout
//!
//! - [`SignedDataBuilder`], [`ToBeSigned`] (`cms.rs`): CMS SignedData (RFC 5652) with the signed
//!   attributes of CAdES-BES, today's baseline level B-B (ETSI EN 319 122-1).
//! - `certificate.rs`: the few fields of the signer's certificate that a signature names, taken as
//!   the bytes the issuer signed.
//! - `asn1.rs`: the ASN.1 structures, nothing else.
#![forbid(unsafe_code)]

mod asn1;
mod certificate;
mod cms;

pub use crate::cms::{Algorithm, SignedDataBuilder, ToBeSigned};

/// Why a document could not be built. Nothing here is the fault of the content to be signed.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// A certificate is not a DER `Certificate` (RFC 5280 §4.1), or the signer's key is neither RSA nor on P-256.
    ///
    /// The signer's certificate comes from the card, the others from the trust store: read them
    /// again, or import them again.
    #[error("{which} cannot be used in a signature: {reason}")]
    Certificate {
        /// "the signer's certificate" or "a certificate of the chain".
        which: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The document is too large to be built in memory, or the signing time is not a date that
    /// RFC 5652 can carry.
    #[error("the signature cannot be encoded: {0}")]
    Encoding(String),
    /// The signature that came back does not have the length of the signer's RSA modulus, or is
    /// longer than any of ECDSA, so it cannot be one made with the key of that certificate.
    #[error("the signature has {found} bytes where the signer's key makes {expected}")]
    SignatureLength {
        /// Length that the key of the certificate gives, in bytes; for ECDSA the longest.
        expected: usize,
        /// Length of the signature handed to [`ToBeSigned::finish`], in bytes.
        found: usize,
    },
}
