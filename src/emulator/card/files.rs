//! Files of one card, and their file control templates.

use crate::asn1::{constructed, tlv};

/// Path from the MF (without `3F00`), one element for each level; the MF is the empty path.
pub(super) type Path = Vec<u16>;

/// Who may do something with a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Access {
    Always,
    Never,
    Pin,
    /// Secure messaging of the issuer: never granted here.
    Issuer,
}

impl Access {
    /// Access condition byte of IAS-ECC.
    fn byte(self) -> u8 {
        match self {
            Self::Always => 0x00,
            Self::Never => 0xFF,
            Self::Pin => 0x11,
            Self::Issuer => 0x45,
        }
    }
}

/// What is at a path.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Directory {
        name: Vec<u8>,
    },
    File {
        content: Vec<u8>,
        read: Access,
        update: Access,
        short_id: Option<u8>,
    },
}

/// One file or directory.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) path: Path,
    pub(super) node: Node,
}

/// All files of one card. An index is stable for the life of the card.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(Vec<Entry>);

impl Files {
    pub(super) fn add(&mut self, path: Path, node: Node) {
        // Directories on the way exist even if nothing described them.
        for depth in 1..path.len() {
            if self.find(&path[..depth]).is_none() {
                self.0.push(Entry {
                    path: path[..depth].to_vec(),
                    node: Node::Directory { name: Vec::new() },
                });
            }
        }
        match self.find(&path) {
            Some(index) => self.0[index].node = node,
            None => self.0.push(Entry { path, node }),
        }
    }

    pub(super) fn find(&self, path: &[u16]) -> Option<usize> {
        self.0.iter().position(|entry| entry.path == path)
    }

    /// The directory whose name begins with `aid`.
    pub(super) fn find_name(&self, aid: &[u8]) -> Option<usize> {
        self.0.iter().position(
            |entry| matches!(&entry.node, Node::Directory { name } if !name.is_empty() && name.starts_with(aid)),
        )
    }

    /// The file with this short identifier in a directory.
    pub(super) fn find_short(&self, directory: &[u16], short: u8) -> Option<usize> {
        self.0.iter().position(|entry| {
            entry.path.len() == directory.len() + 1
                && entry.path.starts_with(directory)
                && matches!(entry.node, Node::File { short_id: Some(id), .. } if id == short)
        })
    }

    pub(super) fn get(&self, index: usize) -> &Entry {
        &self.0[index]
    }

    pub(super) fn content_mut(&mut self, path: &[u16]) -> Option<&mut Vec<u8>> {
        let index = self.find(path)?;
        match &mut self.0[index].node {
            Node::File { content, .. } => Some(content),
            Node::Directory { .. } => None,
        }
    }

    pub(super) fn remove(&mut self, path: &[u16]) {
        self.0.retain(|entry| entry.path != path);
    }
}

/// File control template under `tag` (`62` on a CPS3, `6F` on a CPS4).
pub(super) fn control_template(tag: u32, entry: &Entry) -> Vec<u8> {
    let id = entry.path.last().copied().unwrap_or(0x3F00).to_be_bytes();
    match &entry.node {
        Node::Directory { name } => {
            // The MF answers to a name but does not show it.
            let hidden = name.is_empty() || entry.path.is_empty();
            let name = if hidden { Vec::new() } else { tlv(0x84, name) };
            let rules = constructed(
                0xA1,
                &[&tlv(0x8C, &[0x02, 0x00]), &tlv(0x9C, &[0x02, 0x00])],
            );
            constructed(
                tag,
                &[
                    &tlv(0x82, &[0x38]),
                    &tlv(0x83, &id),
                    &name,
                    &rules,
                    &tlv(0x8A, &[0x05]),
                ],
            )
        }
        Node::File {
            content,
            read,
            update,
            short_id,
        } => {
            let size = u16::try_from(content.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes();
            let short = short_id
                .map(|short| tlv(0x88, &[short << 3]))
                .unwrap_or_default();
            // DELETE, TERMINATE, ACTIVATE, DEACTIVATE never; then UPDATE and READ.
            let rules = [0x7B, 0xFF, 0xFF, 0xFF, 0xFF, update.byte(), read.byte()];
            constructed(
                tag,
                &[
                    &tlv(0x80, &size),
                    &tlv(0x82, &[0x01]),
                    &tlv(0x83, &id),
                    &short,
                    &constructed(0xA1, &[&tlv(0x8C, &rules), &tlv(0x9C, &rules)]),
                    &tlv(0x8A, &[0x05]),
                ],
            )
        }
    }
}

/// Path of big-endian file identifiers; a leading `3F00` is dropped. `None` for an odd length.
pub(super) fn parse_path(bytes: &[u8]) -> Option<Path> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let mut path: Path = bytes
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    if path.first() == Some(&0x3F00) {
        path.remove(0);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: Vec<u8>) -> String {
        cps_card::Hex(bytes).to_string()
    }

    #[test]
    fn templates_have_the_bytes_of_real_cards() {
        let serial = Entry {
            path: vec![0xD003],
            node: Node::File {
                content: vec![0; 12],
                read: Access::Always,
                update: Access::Never,
                short_id: Some(0x1C),
            },
        };
        let body = "8002000C8201018302D0038801E0A1128C077BFFFFFFFFFF009C077BFFFFFFFFFF008A0105";
        assert_eq!(hex(control_template(0x62, &serial)), format!("6225{body}"));
        assert_eq!(hex(control_template(0x6F, &serial)), format!("6F25{body}"));

        let aid = [
            0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x10,
        ];
        let application = Entry {
            path: vec![1],
            node: Node::Directory { name: aid.to_vec() },
        };
        assert_eq!(
            hex(control_template(0x62, &application)),
            "6223820138830200 01840DE828BD080F8025000001FF0010A1088C0202009C0202008A0105"
                .replace(' ', "")
        );
    }
}
