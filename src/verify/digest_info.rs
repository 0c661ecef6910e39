//! `DigestInfo`, what RSASSA-PKCS1-v1_5 signs (RFC 8017 §9.2 and appendix A.2.4).

use crate::Hash;

/// The DER `DigestInfo` of a digest by this hash.
pub fn digest_info(hash: Hash, digest: &[u8]) -> Vec<u8> {
    [&prefix(hash, NULL), digest].concat()
}

/// The hash and the digest of a `DigestInfo`. DER is demanded, and nothing may follow; the
/// parameters may be NULL or absent, since both are in use (RFC 8017 §9.2, note 1).
pub fn parse_digest_info(info: &[u8]) -> Option<(Hash, &[u8])> {
    // In DER each hash has two prefixes only, so there is nothing to parse.
    Hash::ALL.into_iter().find_map(|hash| {
        let (start, digest) = info.split_at(info.len().checked_sub(hash.len())?);
        let known = [NULL, ABSENT].map(|parameters| prefix(hash, parameters));
        known
            .iter()
            .any(|prefix| prefix == start)
            .then_some((hash, digest))
    })
}

/// All that precedes the digest.
fn prefix(hash: Hash, parameters: &[u8]) -> Vec<u8> {
    let oid = object_identifier(hash);
    // No length reaches 128, so each takes one byte.
    let digest = [0x04, hash.len() as u8];
    let algorithm = [&[0x06, oid.len() as u8], oid, parameters].concat();
    let info = algorithm.len() + 2 + digest.len() + hash.len();
    let start = [0x30, info as u8, 0x30, algorithm.len() as u8];
    [&start[..], &algorithm, &digest].concat()
}

/// 1.3.14.3.2.26 and 2.16.840.1.101.3.4.2.{1,2,3}
fn object_identifier(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha1 => &[0x2B, 0x0E, 0x03, 0x02, 0x1A],
        Hash::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        Hash::Sha384 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
        Hash::Sha512 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
    }
}

const ABSENT: &[u8] = &[];
const NULL: &[u8] = &[0x05, 0x00];
