//! Certificates of cards and servers, and the practitioner read from them.
#![no_main]

use cps_identity::{Certificate, Practitioner};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(certificate) = Certificate::from_der(bytes) {
        // Signatures are made over the issuer's bytes: they must be those that came in.
        assert_eq!(certificate.der(), bytes);
        let _ = certificate.usage();
        let _ = certificate.is_test();
        let _ = certificate.is_obsolete();
        let _ = certificate.key_id();
        if let Ok(practitioner) = Practitioner::from_certificate(&certificate) {
            let _ = practitioner.display_name();
            let _ = practitioner.author_name();
        }
    }
});
