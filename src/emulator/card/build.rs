//! Files and keys of a layout and a holder.

use cps_card::{Hex, KeyUse};

use super::files::{Access, Files, Node, Path, parse_path};
use super::{UpdateState, objects, pkcs15};
use crate::asn1::{bcd, tlv};
use crate::layout::{DirectoryKind, Layout};
use crate::pki::{holder_key, technical_key};
use crate::rsa::PrivateKey;
use crate::{Holder, Pki, Profile};

pub(super) struct Built {
    pub(super) files: Files,
    pub(super) volet: Vec<(Path, Vec<u8>)>,
    pub(super) keys: Vec<(KeyUse, PrivateKey)>,
}

/// Name of the applet, which selects the MF.
pub(super) const APPLET: [u8; 8] = [0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x01, 0x00];

/// EF.ATR of a real CPS3.
const EF_ATR: [u8; 57] = [
    0x80, 0x43, 0x01, 0xB8, 0x46, 0x04, 0x04, 0xB0, 0xEC, 0xC1, 0x47, 0x03, 0x94, 0x01, 0x80, 0x4F,
    0x08, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x01, 0x00, 0xE0, 0x10, 0x02, 0x02, 0x01, 0x04, 0x02,
    0x02, 0x01, 0x04, 0x02, 0x02, 0x01, 0x00, 0x02, 0x02, 0x01, 0x00, 0x78, 0x08, 0x06, 0x06, 0x2B,
    0x81, 0x22, 0xF8, 0x78, 0x02, 0x82, 0x02, 0x90, 0x00,
];

const EF_DIR: u16 = 0x2F00;
const EF_ATR_ID: u16 = 0x2F01;
const EF_SN: u16 = 0xD003;
const EF_ACTUA: u16 = 0xD010;
const EF_ODF: u16 = 0x5031;
const EF_TOKEN_INFO: u16 = 0x5032;

pub(super) fn build(pki: &Pki, holder: Holder, layout: &Layout) -> Built {
    let person = holder.person();
    let dates = pki.card_dates(holder);
    let keys: Vec<_> = layout
        .keys
        .iter()
        .map(|key| (key.key_use, private_key(holder, key.key_use)))
        .collect();
    let modulus_bits = keys.first().map_or(2048, |(_, key)| 8 * key.size() as u32);

    let mut files = Files::default();
    files.add(
        Path::new(),
        Node::Directory {
            name: APPLET.to_vec(),
        },
    );
    let short = |id: u8| layout.habits.short_identifiers.then_some(id);
    let file = |content: Vec<u8>, update: Access, short_id: Option<u8>| Node::File {
        content,
        read: Access::Always,
        update,
        short_id,
    };
    files.add(
        vec![EF_DIR],
        file(
            pkcs15::application_templates(layout),
            Access::Issuer,
            short(0x1E),
        ),
    );
    files.add(
        vec![EF_ATR_ID],
        file(EF_ATR.to_vec(), Access::Issuer, short(0x1D)),
    );
    files.add(
        vec![EF_SN],
        file(
            pkcs15::serial_number(&holder.serial()),
            Access::Never,
            short(0x1C),
        ),
    );

    let application = layout.application();
    let root = path(&application.path);
    files.add(
        root.clone(),
        Node::Directory {
            name: application.aid.to_vec(),
        },
    );
    let below = |id: u16| [&root[..], &[id]].concat();
    files.add(
        below(EF_ODF),
        file(pkcs15::object_directory(layout), Access::Never, None),
    );
    files.add(
        below(EF_TOKEN_INFO),
        file(
            pkcs15::token_info(layout, person.card_number),
            Access::Never,
            None,
        ),
    );
    let present = |label: &str| objects::content(label, &person, &dates).is_some();
    for directory in &layout.directories {
        let content = pkcs15::directory(directory.kind, layout, modulus_bits, present);
        files.add(path(&directory.path), file(content, Access::Never, None));
    }
    for certificate in &layout.certificates {
        let der = match certificate.key_use {
            KeyUse::Authentication => pki.authentication_der(holder),
            KeyUse::Signature => pki.signature_der(holder),
            KeyUse::Technical => pki.technical_der(holder),
        };
        files.add(path(&certificate.path), file(der, Access::Never, None));
    }
    for data in &layout.data {
        let place = path(&data.path);
        let content = match objects::content(&data.label, &person, &dates) {
            Some(content) => content,
            // A directory played as it was read lists objects that this holder lacks.
            None if dodf_is_fixed(layout) => Vec::new(),
            None => continue,
        };
        let read = if objects::is_private(&data.label) {
            Access::Pin
        } else {
            Access::Always
        };
        let update = if objects::is_writable(&data.label) {
            Access::Pin
        } else {
            Access::Never
        };
        files.add(
            place,
            Node::File {
                content,
                read,
                update,
                short_id: None,
            },
        );
    }
    for (place, Hex(content)) in &layout.contents {
        let Some(path) = place
            .parse::<Hex>()
            .ok()
            .and_then(|place| parse_path(&place))
        else {
            continue;
        };
        match files.content_mut(&path) {
            Some(old) => content.clone_into(old),
            None => files.add(path, file(content.clone(), Access::Never, None)),
        }
    }
    Built {
        files,
        volet: volet(layout, holder, pki),
        keys,
    }
}

fn dodf_is_fixed(layout: &Layout) -> bool {
    let mut dodf = layout
        .directories
        .iter()
        .filter(|directory| directory.kind == DirectoryKind::Dodf);
    dodf.any(|directory| layout.contents.contains_key(&directory.path.to_string()))
}

fn private_key(holder: Holder, key_use: KeyUse) -> PrivateKey {
    match key_use {
        KeyUse::Authentication => holder_key(holder, "authentication"),
        KeyUse::Signature => holder_key(holder, "signature"),
        KeyUse::Technical => technical_key(),
    }
}

/// Files of the CPS2ter volet: billing situations, and a twin of each activity.
fn volet(layout: &Layout, holder: Holder, pki: &Pki) -> Vec<(Path, Vec<u8>)> {
    if layout.profile != Profile::Cps3 {
        return Vec::new();
    }
    let person = holder.person();
    let content = |label: &str| objects::content(label, &person, &pki.card_dates(holder));
    let twins = (1..=16).filter_map(|index: u16| {
        Some((
            vec![0x400F + index],
            content(&format!("CPS2TER_ACTIVITY_{index:02}_PS"))?,
        ))
    });
    content("CPS_SIT_FACT")
        .map(|billing| (vec![0x7F01, 0x4000], billing))
        .into_iter()
        .chain(twins)
        .collect()
}

/// Writes or removes EF_ACTUA.
pub(super) fn write_update_state(files: &mut Files, state: &UpdateState) {
    let content = match state {
        UpdateState::Never => {
            files.remove(&[EF_ACTUA]);
            return;
        }
        UpdateState::Empty => Vec::new(),
        UpdateState::Unfinished { start } => tlv(0xEC, &tlv(0x81, &bcd(start))),
        UpdateState::Done { start, end } => tlv(
            0xEC,
            &[tlv(0x81, &bcd(start)), tlv(0x82, &bcd(end))].concat(),
        ),
    };
    let node = Node::File {
        content,
        read: Access::Always,
        update: Access::Never,
        short_id: None,
    };
    files.add(vec![EF_ACTUA], node);
}

/// A path that [`Layout`] has already checked.
fn path(bytes: &[u8]) -> Path {
    parse_path(bytes).unwrap_or_default()
}
