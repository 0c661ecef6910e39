//! Distinguished names and addresses of the test PKI.

use super::{Authority, Domain, Gamme};
use crate::asn1;
use crate::holder::Person;

const COUNTRY: &str = "2.5.4.6";
const STATE: &str = "2.5.4.8";
const ORGANISATION: &str = "2.5.4.10";
const UNIT: &str = "2.5.4.11";
const COMMON_NAME: &str = "2.5.4.3";
const SURNAME: &str = "2.5.4.4";
const GIVEN_NAME: &str = "2.5.4.42";
const TITLE: &str = "2.5.4.12";
const PSEUDONYM: &str = "2.5.4.65";

/// Organisation of every authority: no one can take it for ANS.
const OPERATOR: &str = "CPSD-TEST";
const OPERATOR_UNIT: &str = "IGC CPSD TEST";

impl Gamme {
    pub(super) const ALL: [Self; 3] = [Self::Elementaire, Self::Standard, Self::Fort];

    fn label(self) -> &'static str {
        match self {
            Self::Elementaire => "ELEMENTAIRE",
            Self::Standard => "STANDARD",
            Self::Fort => "FORT",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Elementaire => "EL",
            Self::Standard => "ST",
            Self::Fort => "FO",
        }
    }
}

impl Domain {
    fn label(self) -> &'static str {
        match self {
            Self::Personnes => "PERSONNES",
            Self::Organisations => "ORGANISATIONS",
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Personnes => "PP",
            Self::Organisations => "ORG",
        }
    }
}

impl Authority {
    /// Every authority: the legacy one, the roots, the intermediates.
    pub const ALL: [Self; 10] = [
        Self::Legacy,
        Self::Root(Gamme::Elementaire),
        Self::Root(Gamme::Standard),
        Self::Root(Gamme::Fort),
        Self::Intermediate(Gamme::Elementaire, Domain::Personnes),
        Self::Intermediate(Gamme::Elementaire, Domain::Organisations),
        Self::Intermediate(Gamme::Standard, Domain::Personnes),
        Self::Intermediate(Gamme::Standard, Domain::Organisations),
        Self::Intermediate(Gamme::Fort, Domain::Personnes),
        Self::Intermediate(Gamme::Fort, Domain::Organisations),
    ];

    /// Common name: `CPSD TEST AC RACINE FORT`, `CPSD TEST AC FORT PERSONNES`, …
    pub fn common_name(self) -> String {
        match self {
            Self::Root(gamme) => format!("CPSD TEST AC RACINE {}", gamme.label()),
            Self::Intermediate(gamme, domain) => {
                format!("CPSD TEST AC {} {}", gamme.label(), domain.label())
            }
            Self::Legacy => "CPSD TEST CLASSE-1".into(),
        }
    }

    /// File name of the certificate and of the revocation list, without extension: `ACI-FO-PP-TEST`.
    pub fn file_name(self) -> String {
        match self {
            Self::Root(gamme) => format!("ACR-{}-TEST", gamme.code()),
            Self::Intermediate(gamme, domain) => {
                format!("ACI-{}-{}-TEST", gamme.code(), domain.code())
            }
            // The closed PKI published its lists under names with unescaped spaces.
            Self::Legacy => "CPSD TEST CLASSE-1".into(),
        }
    }

    /// Name of the committed key file.
    pub(super) fn key_name(self) -> String {
        match self {
            Self::Root(gamme) => format!("root-{}", gamme.label().to_lowercase()),
            Self::Intermediate(gamme, domain) => {
                format!(
                    "ca-{}-{}",
                    gamme.label().to_lowercase(),
                    domain.label().to_lowercase()
                )
            }
            Self::Legacy => "ca-legacy".into(),
        }
    }

    /// The authority that certifies this one; roots certify themselves.
    pub(super) fn parent(self) -> Self {
        match self {
            Self::Intermediate(gamme, _) => Self::Root(gamme),
            root => root,
        }
    }

    /// Distinguished name, DER.
    pub(super) fn subject(self) -> Vec<u8> {
        let common_name = self.common_name();
        if self == Self::Legacy {
            return name(&[
                country(),
                single(ORGANISATION, asn1::teletex(OPERATOR)),
                single(UNIT, asn1::teletex("CPSD TEST PROFESSIONNEL")),
                single(COMMON_NAME, asn1::teletex(&common_name)),
            ]);
        }
        name(&[
            country(),
            single(ORGANISATION, asn1::utf8(OPERATOR)),
            single(UNIT, asn1::utf8("0002 000000000")),
            single(UNIT, asn1::utf8(OPERATOR_UNIT)),
            single(COMMON_NAME, asn1::utf8(&common_name)),
        ])
    }

    /// LDAP address of this authority's lists: not the issuer's name, it has one unit more.
    pub(super) fn ldap_url(self, attribute: &str) -> String {
        let escape = |text: &str| text.replace(' ', "%20");
        format!(
            "ldap://annuaire-igc.localhost/cn={},ou={},ou={},ou=0002%20000000000,o={OPERATOR},c=FR?{attribute};binary?base?objectClass=pkiCA",
            escape(&self.common_name()),
            escape(&self.parent().common_name()),
            escape(OPERATOR_UNIT),
        )
    }
}

/// Subject of both certificates of a holder's card.
pub(super) fn holder(person: &Person) -> Vec<u8> {
    let mut rdns = vec![country()];
    if let Some([state, organisation, structure]) = person.employer {
        rdns.push(single(STATE, asn1::utf8(state)));
        rdns.push(single(ORGANISATION, asn1::utf8(organisation)));
        rdns.push(single(UNIT, asn1::utf8(structure)));
    }
    if let Some(title) = person.title {
        rdns.push(single(TITLE, asn1::utf8(title)));
    }
    let mut members = vec![attribute(COMMON_NAME, asn1::utf8(person.national_id))];
    let optional = [
        (SURNAME, person.family_name),
        (GIVEN_NAME, person.given_names.first().copied()),
        (PSEUDONYM, person.pseudonym),
    ];
    for (kind, value) in optional {
        members.extend(value.map(|value| attribute(kind, asn1::utf8(value))));
    }
    rdns.push(asn1::set_sorted(members));
    name(&rdns)
}

/// Subject in the closed PKI: TeletexString, members of the SET in an order DER forbids.
pub(super) fn legacy_holder(person: &Person) -> Vec<u8> {
    let mut members = vec![attribute(COMMON_NAME, asn1::printable(person.national_id))];
    members.extend(
        person
            .family_name
            .map(|value| attribute(SURNAME, asn1::teletex(value))),
    );
    members.extend(
        person
            .given_names
            .first()
            .map(|value| attribute(GIVEN_NAME, asn1::teletex(value))),
    );
    members.sort();
    members.reverse();
    name(&[
        country(),
        single(ORGANISATION, asn1::printable("TEST")),
        single(UNIT, asn1::teletex("Médecin")),
        asn1::tlv(0x31, &members.concat()),
    ])
}

/// Subject of a technical certificate: the card, not the person.
pub(super) fn technical(card_number: &str) -> Vec<u8> {
    name(&[
        country(),
        single(ORGANISATION, asn1::utf8(OPERATOR)),
        single(UNIT, asn1::utf8("Certificat technique")),
        single(COMMON_NAME, asn1::utf8(card_number)),
    ])
}

/// Subject of a server or an organisation.
pub(super) fn organisation(common_name: &str) -> Vec<u8> {
    name(&[
        country(),
        single(STATE, asn1::utf8("Paris (75)")),
        single(ORGANISATION, asn1::utf8("CPSD TEST HOPITAL EXEMPLE")),
        single(UNIT, asn1::utf8("1990000010")),
        single(COMMON_NAME, asn1::utf8(common_name)),
    ])
}

fn name(rdns: &[Vec<u8>]) -> Vec<u8> {
    asn1::tlv(0x30, &rdns.concat())
}

fn country() -> Vec<u8> {
    single(COUNTRY, asn1::printable("FR"))
}

fn single(kind: &str, value: Vec<u8>) -> Vec<u8> {
    asn1::tlv(0x31, &attribute(kind, value))
}

fn attribute(kind: &str, value: Vec<u8>) -> Vec<u8> {
    asn1::sequence(&[&asn1::oid(kind), &value])
}
