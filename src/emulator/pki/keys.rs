//! The committed test keys.

macro_rules! keys {
    ($($name:literal),* $(,)?) => {
        /// PEM (PKCS#8) of the key with this file name, without extension.
        pub(crate) fn pem(name: &str) -> &'static str {
            match name {
                $($name => include_str!(concat!("../../../fixtures/keys/", $name, ".pem")),)*
                _ => unreachable!("no committed key is named {name}"),
            }
        }
    };
}

keys!(
    "ca-elementaire-organisations",
    "ca-elementaire-personnes",
    "ca-fort-organisations",
    "ca-fort-personnes",
    "ca-legacy",
    "ca-rogue",
    "ca-standard-organisations",
    "ca-standard-personnes",
    "cpa-authentication",
    "cpa-signature",
    "cpe-nominative-authentication",
    "cpe-nominative-signature",
    "cpe-service-authentication",
    "cpe-service-signature",
    "cpf-medecin-authentication",
    "cpf-medecin-signature",
    "cps-accents-authentication",
    "cps-accents-signature",
    "cps-expired-authentication",
    "cps-expired-signature",
    "cps-infirmier-authentication",
    "cps-infirmier-signature",
    "cps-legacy-authentication",
    "cps-legacy-signature",
    "cps-medecin-authentication",
    "cps-medecin-signature",
    "cps-multi-authentication",
    "cps-multi-signature",
    "cps-revoked-authentication",
    "cps-revoked-signature",
    "org-authentication",
    "org-signature",
    "root-elementaire",
    "root-fort",
    "root-rogue",
    "root-standard",
    "server",
    "technical",
);
