//! A card report as a layout: the directory files are played byte for byte, the contents that the
//! report hides come from the holder.

use std::collections::BTreeMap;

use cps_card::tlv::{Reader, Tlv};
use cps_card::{FileRole, Hex, KeyUse, Kind, Report, ReportedFile};

use super::{
    Algorithm, Application, CertificateFile, DataFile, Directory, DirectoryKind, Habits, Key,
    Layout, LayoutError, Mechanism, PinObject,
};
use crate::Profile;

pub(super) fn convert(report: &Report) -> Result<Layout, LayoutError> {
    let name = format!("of the report of a {}", report.kind);
    if report.format != Report::FORMAT {
        let problem = format!(
            "its format is {}, this program knows {}",
            report.format,
            Report::FORMAT
        );
        return Err(LayoutError::Unusable { name, problem });
    }
    let profile = match report.kind {
        Kind::Cps3 => Profile::Cps3,
        Kind::Cps3Contactless => Profile::Cps3Contactless,
        Kind::Cps4 => Profile::Cps4,
    };
    let pins = pins(report);
    let [pin, puk] = [false, true].map(|unblocks| {
        let mut candidates = pins.iter().filter(|(other, _)| *other == unblocks);
        candidates.next().map(|(_, pin)| pin.clone())
    });
    Ok(Layout {
        name,
        profile,
        atr: report.atr.clone(),
        protocol: report.protocol,
        applications: applications(report),
        directories: directories(report),
        token_label: String::new(),
        token_label_has_number: false,
        pin,
        puk,
        keys: keys(report),
        certificates: certificates(report),
        data: data(report),
        algorithms: algorithms(report, profile),
        habits: Habits {
            short_identifiers: has_short_identifiers(report),
            ..Habits::default()
        },
        contents: contents(report),
    })
}

/// Path of a reported file without `3F00`.
fn relative(path: &[u8]) -> Hex {
    Hex::from(path.strip_prefix(&[0x3F, 0x00]).unwrap_or(path))
}

fn with_role(report: &Report, role: FileRole) -> impl Iterator<Item = &ReportedFile> {
    report.files.iter().filter(move |file| file.role == role)
}

fn content_of(report: &Report, role: FileRole) -> Vec<u8> {
    with_role(report, role)
        .filter_map(|file| file.content.as_ref())
        .flat_map(|content| content.to_vec())
        .collect()
}

fn applications(report: &Report) -> Vec<Application> {
    let directory = content_of(report, FileRole::EfDir);
    let record = |record: Tlv<'_>| {
        let field = |tag: u32| record.find(tag).ok().flatten().map(|field| field.value);
        let path = relative(field(0x51)?);
        let present = with_role(report, FileRole::Df)
            .any(|file| relative(&file.path) == path && file.select.is_success());
        Some(Application {
            aid: Hex::from(field(0x4F)?),
            label: String::from_utf8_lossy(field(0x50).unwrap_or_default()).into_owned(),
            path,
            present,
        })
    };
    Reader::padded(&directory)
        .map_while(Result::ok)
        .filter_map(record)
        .collect()
}

fn directories(report: &Report) -> Vec<Directory> {
    let kind = |role| match role {
        FileRole::Aodf => Some(DirectoryKind::Aodf),
        FileRole::Cdf => Some(DirectoryKind::Cdf),
        FileRole::Dodf => Some(DirectoryKind::Dodf),
        FileRole::Prkdf => Some(DirectoryKind::Prkdf),
        FileRole::Pukdf => Some(DirectoryKind::Pukdf),
        _ => None,
    };
    report
        .files
        .iter()
        .filter(|file| file.select.is_success())
        .filter_map(|file| {
            Some(Directory {
                kind: kind(file.role)?,
                path: relative(&file.path),
            })
        })
        .collect()
}

/// Contents to play as they were read. EF.SN, certificates and data come from the holder, unless
/// the holder has no such object.
fn contents(report: &Report) -> BTreeMap<String, Hex> {
    let played = |file: &&ReportedFile| match file.role {
        FileRole::Certificate | FileRole::EfActua | FileRole::EfSn => false,
        FileRole::Data => file
            .label
            .as_deref()
            .is_some_and(|label| !label.starts_with("CPS")),
        _ => true,
    };
    report
        .files
        .iter()
        .filter(played)
        .filter_map(|file| Some((relative(&file.path).to_string(), file.content.clone()?)))
        .collect()
}

/// The codes of the AODF, and whether each serves to unblock another one.
fn pins(report: &Report) -> Vec<(bool, PinObject)> {
    let directory = content_of(report, FileRole::Aodf);
    Reader::padded(&directory)
        .map_while(Result::ok)
        .filter_map(|entry| pin(report, &entry))
        .collect()
}

/// One entry (PKCS#15 v1.1 §6.8): common attributes, authentication id, PIN attributes.
fn pin(report: &Report, entry: &Tlv<'_>) -> Option<(bool, PinObject)> {
    const UNBLOCKS: u8 = 0x03;
    let mut parts = entry.children().map_while(Result::ok);
    let (common, class, attributes) = (parts.next()?, parts.next()?, parts.next()?);
    let text = |tlv: &Tlv<'_>, tag: u32| Some(tlv.find(tag).ok()??.value.to_vec());
    let attributes = attributes.find(0x30).ok()??;
    let lengths: Vec<u8> = attributes
        .children()
        .map_while(Result::ok)
        .filter(|field| field.tag.0 == 0x02)
        .filter_map(|field| field.value.last().copied())
        .collect();
    let flags = text(&attributes, 0x03)?;
    let &[min, stored, ..] = &lengths[..] else {
        return None;
    };
    let max = lengths.get(2).copied().unwrap_or(stored);
    let reference = text(&attributes, 0x80)
        .and_then(|value| value.last().copied())
        .unwrap_or(0);
    // A length between the bounds, made of the digits 1 2 3 …
    let length = usize::from(stored.clamp(min, max));
    let value = "123456789012345678901234567890".get(..length)?.to_owned();
    Some((
        flags.get(1).is_some_and(|bits| bits & UNBLOCKS != 0),
        PinObject {
            label: String::from_utf8_lossy(&text(&common, 0x0C).unwrap_or_default()).into_owned(),
            reference,
            auth_id: Hex(text(&class, 0x04)?),
            min,
            stored,
            max,
            padding: needs_padding(&flags)
                .then(|| Hex(text(&attributes, 0x04).unwrap_or_else(|| vec![0xFF]))),
            tries: tries(report, reference),
            value,
        },
    ))
}

fn needs_padding(flags: &[u8]) -> bool {
    const NEEDS_PADDING: u8 = 0x04;
    flags.get(1).is_some_and(|bits| bits & NEEDS_PADDING != 0)
}

/// Greatest number of tries, from the answer to the question about them.
fn tries(report: &Report, reference: u8) -> u8 {
    const USUAL: u8 = 3;
    let Some(pin) = report.pins.iter().find(|pin| pin.reference == reference) else {
        return USUAL;
    };
    let maximum = || {
        let mut place = Reader::new(&pin.answer).find_tag(0x70).ok()??;
        for _ in 0..2 {
            place = place.children().next()?.ok()?;
        }
        place.find(0x9A).ok()??.value.first().copied()
    };
    maximum()
        .or_else(|| pin.status.tries_left())
        .filter(|&tries| tries > 0)
        .unwrap_or(USUAL)
}

fn keys(report: &Report) -> Vec<Key> {
    let key = |key: &cps_card::ReportedKey| Key {
        key_use: key.key_use,
        label: key.label.clone(),
        // The PrKDF is played as it was read: the identifier in it counts.
        id: Hex::default(),
        reference: key.reference,
    };
    report.keys.iter().map(key).collect()
}

/// Certificates by their labels; one without a telling label takes the use that is left over.
fn certificates(report: &Report) -> Vec<CertificateFile> {
    let by_label = |label: &str| {
        let telling = [
            ("signature", KeyUse::Signature),
            ("authentification", KeyUse::Authentication),
            ("technique", KeyUse::Technical),
        ];
        let label = label.to_lowercase();
        telling
            .into_iter()
            .find(|(word, _)| label.contains(word))
            .map(|(_, key_use)| key_use)
    };
    let files: Vec<_> = with_role(report, FileRole::Certificate).collect();
    let label = |file: &ReportedFile| file.label.clone().unwrap_or_default();
    let taken: Vec<_> = files
        .iter()
        .filter_map(|file| by_label(&label(file)))
        .collect();
    let mut left = report
        .keys
        .iter()
        .map(|key| key.key_use)
        .filter(|key_use| !taken.contains(key_use));
    files
        .iter()
        .filter_map(|file| {
            Some(CertificateFile {
                key_use: by_label(&label(file)).or_else(|| left.next())?,
                label: label(file),
                id: Hex::default(),
                path: relative(&file.path),
            })
        })
        .collect()
}

fn data(report: &Report) -> Vec<DataFile> {
    with_role(report, FileRole::Data)
        .filter(|file| file.select.is_success())
        .map(|file| DataFile {
            label: file.label.clone().unwrap_or_default(),
            path: relative(&file.path),
        })
        .collect()
}

/// Algorithms by PKCS#11 mechanism number; what EF.TokenInfo does not tell is as on known cards.
fn algorithms(report: &Report, profile: Profile) -> Vec<Algorithm> {
    let mut found: Vec<Algorithm> = Vec::new();
    for algorithm in &report.algorithms {
        let candidates: &[Mechanism] = match algorithm.mechanism {
            0x01 if deciphers(report, algorithm.reference) => &[Mechanism::Decipher],
            0x01 => &[Mechanism::Authenticate],
            0x06 => &[Mechanism::SignSha1],
            0x0E => &[Mechanism::PssSha1],
            0x40 => &[Mechanism::SignSha256],
            0x43 => &[Mechanism::PssSha256],
            0x0220 => &[Mechanism::HashSha1],
            0x0250 => &[Mechanism::HashSha256],
            _ => &[],
        };
        let is_new =
            |mechanism: &&Mechanism| found.iter().all(|known| known.mechanism != **mechanism);
        let (Some(&mechanism), Some(card)) =
            (candidates.iter().find(is_new), algorithm.card_reference)
        else {
            continue;
        };
        found.push(Algorithm {
            mechanism,
            reference: algorithm.reference as u8,
            card,
        });
    }
    for known in Layout::of(profile).algorithms {
        if found
            .iter()
            .all(|algorithm| algorithm.mechanism != known.mechanism)
        {
            found.push(known);
        }
    }
    found
}

/// Whether EF.TokenInfo says that this algorithm deciphers: the mechanism number alone does not.
fn deciphers(report: &Report, reference: u32) -> bool {
    const DECIPHER: u8 = 0x04;
    let token = content_of(report, FileRole::TokenInfo);
    let entries = || Reader::padded(&token).next()?.ok()?.find(0xA2).ok()?;
    let Some(entries) = entries() else {
        return false;
    };
    let mut algorithms = entries.children().map_while(Result::ok);
    algorithms.any(|entry| {
        let first = |tag: u32| entry.find(tag).ok().flatten().map(|field| field.value);
        first(0x02).and_then(<[u8]>::last) == Some(&(reference as u8))
            && first(0x03)
                .and_then(|bits| bits.get(1))
                .is_some_and(|bits| bits & DECIPHER != 0)
    })
}

fn has_short_identifiers(report: &Report) -> bool {
    with_role(report, FileRole::EfSn).any(|file| {
        let template = Reader::new(&file.fcp).next().and_then(Result::ok);
        template.is_some_and(
            |template| matches!(template.find(0x88), Ok(Some(short)) if !short.value.is_empty()),
        )
    })
}
