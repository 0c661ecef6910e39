//! Certificates in files: DER, PEM, PKCS#7.

/// Reads every certificate of a DER, PEM or P7B file, as DER.
///
/// # Errors
///
/// None of the three formats, or more certificates or bytes than any real bundle has.
pub fn read_certificates(_bytes: &[u8]) -> Result<Vec<Vec<u8>>, BundleError> {
    todo!()
}

/// The file holds no readable certificate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BundleError(&'static str);
