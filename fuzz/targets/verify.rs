//! Public keys from certificates, and signatures from cards and from PKCS#11 modules.
#![no_main]

use cps_verify::{Hash, PublicKey, Scheme, ecdsa_from_der, ecdsa_to_der, parse_digest_info};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The length of the key, the key, the signature.
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return;
    };
    let Some((spki, signature)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
        return;
    };
    if let Some(key) = PublicKey::parse(spki) {
        for hash in Hash::ALL {
            let schemes = [Some(Scheme::pkcs1(hash)), Some(Scheme::pss(hash)), Scheme::ecdsa(hash)];
            for scheme in schemes.into_iter().flatten() {
                let _ = key.verifies(scheme, &vec![0; hash.len()], signature);
            }
        }
    }
    if let Some((hash, digest)) = parse_digest_info(signature) {
        assert_eq!(digest.len(), hash.len());
    }
    if let Some(raw) = ecdsa_from_der(signature) {
        assert_eq!(ecdsa_to_der(&raw).as_deref(), Some(signature));
    }
});
