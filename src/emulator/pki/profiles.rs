//! What each kind of certificate contains: order and criticality of the extensions as in the
//! certificates of the health PKI.

use sha2::{Digest, Sha256};

use super::extensions::{self as ext, key_usage as bits};
use super::issue::{self, Request, Validity};
use super::{Authority, ORGANISATIONS, Pki, ServerFlaw, holder_key, keys, names, technical_key};
use crate::Holder;
use crate::holder::Person;
use crate::rsa::PrivateKey;

/// Product category of a test card and of test software, as hexadecimal digits.
const TEST_CARD: u8 = 0x80;
const TEST_SOFTWARE: u8 = 0x83;

impl Pki {
    pub(super) fn issue_authority(&self, authority: Authority) -> Vec<u8> {
        let issuer = self.issuer(authority.parent());
        let key = self.authority_key(authority);
        let root = authority == authority.parent();
        let policies = format!("{}/PC%20TEST", self.base_url);
        let mut extensions = vec![
            ext::authority((!root).then_some(0)),
            ext::key_usage(&[bits::KEY_CERT_SIGN, bits::CRL_SIGN]),
            ext::policy(ext::ANY_POLICY, &policies),
            ext::subject_key(&key),
            ext::authority_key(&issuer.key),
        ];
        if !root {
            extensions.push(self.revocation_lists(authority.parent()));
        }
        // Eighteen bytes with a common beginning.
        let serial = [&[0x11, 0x21], &serial(authority, "authority")[..]].concat();
        issue::certificate(
            &issuer,
            &Request {
                serial: &serial,
                subject: &authority.subject(),
                validity: if root {
                    self.validity(-1825, 5475)
                } else {
                    self.validity(-1825, 5474)
                },
                public_key: &key.public_key_info(),
                extensions: &extensions,
            },
        )
    }

    pub(super) fn issue_authentication(&self, holder: Holder) -> Vec<u8> {
        let person = holder.person();
        let key = holder_key(holder, "authentication");
        if holder == Holder::CpsLegacy {
            return self.issue_legacy(holder, &key, "authentication");
        }
        let extensions = [
            self.beginning(holder_issuer(holder), &key, &[bits::DIGITAL_SIGNATURE]),
            vec![
                ext::extended_key_usage(&[ext::CLIENT_AUTH, ext::SMARTCARD_LOGON]),
                ext::principal_name(&format!("{}@carte-cps.fr", person.national_id)),
            ],
            self.addresses(holder_issuer(holder)),
            card_extensions(&person),
        ]
        .concat();
        self.issue_holder(holder, &key, "authentication", &extensions)
    }

    pub(super) fn issue_signature(&self, holder: Holder, key_period: Validity) -> Vec<u8> {
        let key = holder_key(holder, "signature");
        if holder == Holder::CpsLegacy {
            return self.issue_legacy(holder, &key, "signature");
        }
        let extensions = [
            self.beginning(holder_issuer(holder), &key, &[bits::NON_REPUDIATION]),
            vec![
                ext::extended_key_usage(&[ext::EMAIL_PROTECTION]),
                ext::private_key_usage_period(key_period),
            ],
            self.addresses(holder_issuer(holder)),
            card_extensions(&holder.person()),
        ]
        .concat();
        self.issue_holder(holder, &key, "signature", &extensions)
    }

    pub(super) fn issue_technical(&self, holder: Holder) -> Vec<u8> {
        let person = holder.person();
        let key = technical_key();
        // The closed PKI had no contactless cards.
        let authority = match holder_issuer(holder) {
            Authority::Legacy => holder_issuer(Holder::CpsMedecin),
            current => current,
        };
        let extensions = [
            self.beginning(authority, &key, &[bits::DIGITAL_SIGNATURE]),
            vec![ext::extended_key_usage(&[ext::CLIENT_AUTH])],
            self.addresses(authority),
            vec![
                ext::product_category(TEST_CARD),
                ext::card_type(person.card_type),
                ext::card_number(&full_card_number(&person)),
            ],
        ]
        .concat();
        issue::certificate(
            &self.issuer(authority),
            &Request {
                serial: &serial(authority, &format!("{holder} technical")),
                subject: &names::technical(&full_card_number(&person)),
                validity: self.validity_of(holder),
                public_key: &key.public_key_info(),
                extensions: &extensions,
            },
        )
    }

    pub(super) fn issue_server(&self, server_names: &[&str], flaw: ServerFlaw) -> Vec<u8> {
        let extensions = |key: &PrivateKey| {
            [
                self.beginning(
                    ORGANISATIONS,
                    key,
                    &[bits::DIGITAL_SIGNATURE, bits::KEY_ENCIPHERMENT],
                ),
                vec![
                    ext::extended_key_usage(&[ext::SERVER_AUTH, ext::CLIENT_AUTH]),
                    ext::server_names(server_names),
                ],
                self.addresses(ORGANISATIONS),
                vec![ext::product_category(TEST_SOFTWARE)],
            ]
            .concat()
        };
        let key = PrivateKey::from_pem(keys::pem("server"));
        let purpose = match flaw {
            // The revocation list must name it whatever the host is called.
            ServerFlaw::Revoked => REVOKED_SERVER.to_owned(),
            _ => format!("server {flaw:?} {}", server_names.join(" ")),
        };
        issue::certificate(
            &self.issuer(ORGANISATIONS),
            &Request {
                serial: &serial(ORGANISATIONS, &purpose),
                subject: &names::organisation(server_names.first().copied().unwrap_or("server")),
                validity: match flaw {
                    ServerFlaw::Expired => self.validity(-1125, -30),
                    _ => self.validity(-365, 730),
                },
                public_key: &key.public_key_info(),
                extensions: &extensions(&key),
            },
        )
    }

    pub(super) fn issue_organisation_authentication(&self) -> Vec<u8> {
        let key = PrivateKey::from_pem(keys::pem("org-authentication"));
        let extensions = [
            self.beginning(ORGANISATIONS, &key, &[bits::DIGITAL_SIGNATURE]),
            vec![ext::extended_key_usage(&[ext::CLIENT_AUTH])],
        ]
        .concat();
        self.issue_organisation(&key, "CPSD TEST ORG AUTH_CLI", extensions)
    }

    pub(super) fn issue_organisation_signature(&self) -> Vec<u8> {
        let key = PrivateKey::from_pem(keys::pem("org-signature"));
        let extensions = [
            self.beginning(
                ORGANISATIONS,
                &key,
                &[bits::DIGITAL_SIGNATURE, bits::NON_REPUDIATION],
            ),
            vec![
                ext::extended_key_usage(&[ext::EMAIL_PROTECTION]),
                // Ends one month before the certificate does.
                ext::private_key_usage_period(self.validity(-365, 700)),
            ],
        ]
        .concat();
        self.issue_organisation(&key, "CPSD TEST ORG SIGN", extensions)
    }

    fn issue_organisation(
        &self,
        key: &PrivateKey,
        name: &str,
        mut extensions: Vec<Vec<u8>>,
    ) -> Vec<u8> {
        extensions.extend(self.addresses(ORGANISATIONS));
        extensions.push(ext::product_category(TEST_SOFTWARE));
        issue::certificate(
            &self.issuer(ORGANISATIONS),
            &Request {
                serial: &serial(ORGANISATIONS, name),
                subject: &names::organisation(name),
                validity: self.validity(-365, 730),
                public_key: &key.public_key_info(),
                extensions: &extensions,
            },
        )
    }

    fn issue_holder(
        &self,
        holder: Holder,
        key: &PrivateKey,
        purpose: &str,
        extensions: &[Vec<u8>],
    ) -> Vec<u8> {
        issue::certificate(
            &self.issuer(holder_issuer(holder)),
            &Request {
                serial: &holder_serial(holder, purpose),
                subject: &names::holder(&holder.person()),
                validity: self.validity_of(holder),
                public_key: &key.public_key_info(),
                extensions,
            },
        )
    }

    /// The shape of the PKI closed in 2021: other order, other encodings, SHA-1.
    fn issue_legacy(&self, holder: Holder, key: &PrivateKey, purpose: &str) -> Vec<u8> {
        let person = holder.person();
        let issuer = self.issuer(Authority::Legacy);
        let validity = self.validity_of(holder);
        let authentication = purpose == "authentication";
        let mut extensions = vec![
            ext::authority_key(&issuer.key),
            ext::subject_key(key),
            ext::key_usage(if authentication {
                &[bits::DIGITAL_SIGNATURE]
            } else {
                &[bits::DIGITAL_SIGNATURE, bits::NON_REPUDIATION]
            }),
        ];
        if authentication {
            // National identifier of the old type 0: type, dot, number.
            let (kind, number) = person.national_id.split_at(1);
            extensions.extend([
                ext::policy("1.2.250.1.71.3.7.9.1.1.1.1", &self.base_url),
                ext::principal_name(&format!("{kind}.{number}@carte-cps.fr")),
                ext::extended_key_usage(&[ext::CLIENT_AUTH, ext::SMARTCARD_LOGON]),
                ext::netscape_type(0),
            ]);
        } else {
            extensions.extend([
                ext::private_key_usage_period(validity),
                ext::policy("1.2.250.1.71.3.7.9.1.1.2.1", &self.base_url),
                ext::extended_key_usage(&[ext::EMAIL_PROTECTION]),
                ext::netscape_type(2),
            ]);
        }
        extensions.push(ext::revocation_lists(&[&self.list_url(Authority::Legacy)]));
        extensions.extend([
            ext::card_number(&full_card_number(&person)),
            ext::product_category(TEST_CARD),
            ext::card_type(person.card_type),
        ]);
        extensions.extend(person.profession.map(ext::profession));
        extensions.extend(person.speciality.map(ext::speciality));
        issue::certificate(
            &issuer,
            &Request {
                serial: &holder_serial(holder, purpose),
                subject: &names::legacy_holder(&person),
                validity,
                public_key: &key.public_key_info(),
                extensions: &extensions,
            },
        )
    }

    /// Serial numbers that [`super::CrlVariant::Revoked`] lists for an authority.
    pub(super) fn revoked_by(&self, authority: Authority) -> Vec<Vec<u8>> {
        if authority == ORGANISATIONS {
            return vec![serial(ORGANISATIONS, REVOKED_SERVER)];
        }
        let holder = Holder::CpsRevoked;
        if authority == holder_issuer(holder) {
            return ["authentication", "signature"]
                .map(|purpose| holder_serial(holder, purpose))
                .to_vec();
        }
        // The other authorities revoke a certificate that is not among the fixtures.
        vec![serial(authority, "never issued")]
    }

    /// Extensions common to all end entities, before the purpose.
    fn beginning(&self, issuer: Authority, key: &PrivateKey, usage: &[u8]) -> Vec<Vec<u8>> {
        vec![
            ext::end_entity(),
            ext::subject_key(key),
            ext::authority_key(&self.authority_key(issuer)),
            ext::key_usage(usage),
            ext::policy(ext::TEST_POLICY, &format!("{}/PC%20TEST", self.base_url)),
        ]
    }

    /// Extensions common to all end entities, after the purpose.
    fn addresses(&self, issuer: Authority) -> Vec<Vec<u8>> {
        vec![
            self.revocation_lists(issuer),
            ext::freshest_list(&issuer.ldap_url("deltarevocationlist")),
            ext::information_access(
                &format!("{}/ocsp", self.base_url),
                &format!("{}{}", self.base_url, self.issuer_path(issuer)),
            ),
        ]
    }

    fn revocation_lists(&self, issuer: Authority) -> Vec<u8> {
        ext::revocation_lists(&[
            &self.list_url(issuer),
            &issuer.ldap_url("certificaterevocationlist"),
        ])
    }

    fn list_url(&self, issuer: Authority) -> String {
        format!("{}{}", self.base_url, self.crl_path(issuer))
    }
}

const REVOKED_SERVER: &str = "revoked server";

fn holder_issuer(holder: Holder) -> Authority {
    Pki::issuer_of(holder)
}

fn card_extensions(person: &Person) -> Vec<Vec<u8>> {
    let mut extensions = vec![
        ext::product_category(TEST_CARD),
        ext::card_type(person.card_type),
        ext::card_number(&full_card_number(person)),
    ];
    extensions.extend(person.profession.map(ext::profession));
    extensions.extend(person.in_training.map(ext::profession_in_training));
    extensions.extend(person.speciality.map(ext::speciality));
    extensions
}

fn full_card_number(person: &Person) -> String {
    format!("8025000001/{}", person.card_number)
}

fn holder_serial(holder: Holder, purpose: &str) -> Vec<u8> {
    match holder_issuer(holder) {
        // Three bytes, in the closed PKI.
        Authority::Legacy => vec![0x01, 0x7A, if purpose == "signature" { 0x12 } else { 0x11 }],
        issuer => serial(issuer, &format!("{holder} {purpose}")),
    }
}

/// Sixteen bytes: eight that the issuer always begins with, eight drawn from the purpose.
fn serial(issuer: Authority, purpose: &str) -> Vec<u8> {
    let mut beginning = Sha256::digest(issuer.common_name())[..8].to_vec();
    // Positive, and of the same length for every issuer.
    beginning[0] = beginning[0] & 0x3F | 0x40;
    [beginning, Sha256::digest(purpose)[..8].to_vec()].concat()
}
