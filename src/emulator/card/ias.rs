//! The IAS-ECC applet of a CPS3: object data, security environments, signatures.

use cps_card::KeyUse;
use cps_card::tlv::{Reader, Tlv};

use super::VirtualCard;
use super::build::APPLET;
use super::pins::Status;
use super::session::{Applet, Template};
use super::transport::{Command, Reply};
use crate::Profile;
use crate::asn1::{constructed, tlv};
use crate::layout::Mechanism;
use crate::rsa::{Hash, PrivateKey};

impl VirtualCard {
    pub(super) fn ias_command(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let by_name = command.ins == 0xA4 && command.p1 == 0x04;
        if self.session.applet == Applet::Volet {
            if !(by_name && command.data == APPLET) {
                let status = &self.layout.habits.foreign_class;
                return Err(Status(u16::from_be_bytes([status[0], status[1]])));
            }
            self.session.applet = Applet::Main;
        }
        let contact = self.layout.profile == Profile::Cps3;
        match command.ins {
            0x20 => self.verify(command),
            0x22 => self.ias_environment(command),
            0x24 if contact => self.change_with_old(command),
            0x2A if contact => self.ias_operation(command),
            0x2C if contact && command.p1 == 0x02 => self.unblock(command.p2, Some(command.data)),
            0x2C if contact => Err(Status(0x6A86)),
            0x88 => self.internal_authenticate(command),
            0xA4 => self.select(command),
            0xB0 => self.read_binary(command),
            0xCB => self.get_data(command),
            0xD6 => self.update_binary(command),
            _ => Err(Status(0x6D00)),
        }
    }

    /// GET DATA of a security data object: tries of a code, rules of a key.
    fn get_data(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if command.parameters() != (0x3F, 0xFF) {
            return Err(Status(0x6A86));
        }
        let bad = |_| Status(0x6A80);
        let list = Reader::new(command.data)
            .find_tag(0x4D)
            .map_err(bad)?
            .ok_or(Status(0x6A80))?;
        let template = list.find(0x70).map_err(bad)?.ok_or(Status(0x6A80))?;
        let Some(Ok(object)) = template.children().next() else {
            return Err(Status(0x6A80));
        };
        let [class @ (0xBF81 | 0xBF90), number] = split_tag(&object) else {
            return Err(Status(0x6A88));
        };
        match object.value {
            // The public part is refused, and peers rely on this very status.
            [0x7F, 0x41 | 0x48, 0x80] => Err(Status(0x6A80)),
            [0xA0, 0x80] if class == 0xBF81 => self.code_object(number as u8),
            [0xA0, 0x80] => self.key_object(number as u8),
            _ => Err(Status(0x6A80)),
        }
    }

    fn code_object(&mut self, number: u8) -> Result<Reply, Status> {
        // The codes belong to the MF.
        if !self.session.directory.is_empty() {
            return Err(Status(0x6A88));
        }
        let code = [&self.pin, &self.puk]
            .into_iter()
            .flatten()
            .find(|code| code.rules.reference == number)
            .ok_or(Status(0x6A88))?;
        let uses = code
            .uses
            .map(|uses| tlv(0x9D, &uses.to_be_bytes()))
            .unwrap_or_default();
        // CHANGE, VERIFY, RESET, PUT, GET. The PIN is reset by whoever gave the PUK; the PUK may
        // only be verified and read.
        let rules: [u8; 6] = match code.uses {
            None => [0xF3, 0x00, 0x00, 0x13, 0xFF, 0x00],
            Some(_) => [0xF3, 0xFF, 0x00, 0xFF, 0xFF, 0x00],
        };
        let body = constructed(
            0xA0,
            &[
                &tlv(0x9A, &[code.rules.tries]),
                &tlv(0x9B, &[code.left]),
                &uses,
                &tlv(0xA1, &tlv(0x8C, &rules)),
            ],
        );
        Ok(Reply::data(tlv(
            0x70,
            &tlv(0x00BF_8100 | u32::from(number), &body),
        )))
    }

    fn key_object(&mut self, number: u8) -> Result<Reply, Status> {
        let key = self
            .layout
            .key(number | 0x80)
            .filter(|_| self.in_application())
            .ok_or(Status(0x6A88))?;
        let signature = key.key_use == KeyUse::Signature;
        // SIGN, INTERNAL AUTHENTICATE, DECIPHER, GENERATE, PUT, GET.
        let rules: [u8; 7] = if signature {
            [0xFB, 0x11, 0xFF, 0xFF, 0xFF, 0xFF, 0x00]
        } else {
            [0xFB, 0xFF, 0x11, 0x11, 0xFF, 0xFF, 0x00]
        };
        let body = constructed(
            0xA0,
            &[
                &tlv(0xA1, &tlv(0x8C, &rules)),
                &tlv(
                    0x80,
                    &(self.private_key(key.key_use)?.size() as u16).to_be_bytes(),
                ),
                &tlv(0x9E, &[u8::from(signature)]),
            ],
        );
        Ok(Reply::data(tlv(
            0x70,
            &tlv(0x00BF_9000 | u32::from(number), &body),
        )))
    }

    /// MANAGE SECURITY ENVIRONMENT: SET. The tags come in any order.
    fn ias_environment(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if command.p1 != 0x41 {
            return Err(Status(0x6A86));
        }
        let allowed: &[Mechanism] = match command.p2 {
            0xA4 => &[Mechanism::Authenticate],
            0xAA => &[Mechanism::HashSha1, Mechanism::HashSha256],
            0xB6 => &[Mechanism::SignSha1, Mechanism::SignSha256],
            0xB8 => &[Mechanism::Decipher],
            _ => return Err(Status(0x6A86)),
        };
        let byte = |tag: u32| match Reader::new(command.data).find_tag(tag) {
            Ok(Some(Tlv { value: &[byte], .. })) => Ok(Some(byte)),
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(_) => Err(Status(0x6A80)),
        };
        let algorithm = byte(0x80)?.ok_or(Status(0x6A80))?;
        let mechanism = self
            .layout
            .mechanism(algorithm, allowed)
            .ok_or(Status(0x6A80))?;
        if command.p2 == 0xAA {
            self.session.environment.hash = Some(if mechanism == Mechanism::HashSha1 {
                Hash::Sha1
            } else {
                Hash::Sha256
            });
            return Ok(Reply::ok());
        }
        let key = byte(0x84)?.ok_or(Status(0x6A80))?;
        if !self.in_application() || self.layout.key(key).is_none() {
            return Err(Status(0x6A88));
        }
        let template = Some(Template { mechanism, key });
        let environment = &mut self.session.environment;
        match command.p2 {
            0xA4 => environment.authentication = template,
            0xB6 => environment.signature = template,
            _ => environment.confidentiality = template,
        }
        Ok(Reply::ok())
    }

    /// PERFORM SECURITY OPERATION.
    fn ias_operation(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        match command.parameters() {
            (0x90, 0xA0) => self.hash_last_block(command.data),
            (0x9E, 0x9A) => self.compute_signature(command.data),
            (0x80, 0x86) => self.decipher(command.data),
            _ => Err(Status(0x6A86)),
        }
    }

    fn hash_last_block(&mut self, data: &[u8]) -> Result<Reply, Status> {
        let hash = self.session.environment.hash.ok_or(Status(0x6985))?;
        let find = |tag: u32| Reader::new(data).find_tag(tag).map_err(|_| Status(0x6A80));
        let intermediate = find(0x90)?.ok_or(Status(0x6A80))?;
        let last = find(0x80)?.ok_or(Status(0x6A80))?;
        let digest = hash
            .finish(intermediate.value, last.value)
            .ok_or(Status(0x6A80))?;
        self.session.digest = Some((hash, digest));
        Ok(Reply::ok())
    }

    /// COMPUTE DIGITAL SIGNATURE over a digest from the host, or over the one the card computed.
    fn compute_signature(&mut self, data: &[u8]) -> Result<Reply, Status> {
        let template = self.session.environment.signature.ok_or(Status(0x6985))?;
        let hash = if template.mechanism == Mechanism::SignSha1 {
            Hash::Sha1
        } else {
            Hash::Sha256
        };
        self.usable(template.key, KeyUse::Signature)?;
        let digest = if data.is_empty() {
            let (computed, digest) = self.session.digest.take().ok_or(Status(0x6985))?;
            if computed != hash {
                return Err(Status(0x6985));
            }
            digest
        } else if data.len() == hash.length() {
            data.to_vec()
        } else {
            return Err(Status(0x6A80));
        };
        let signature = self
            .private_key(KeyUse::Signature)?
            .sign_pkcs1(hash, &digest);
        self.counters.key_operations += 1;
        Ok(Reply::data(signature))
    }

    fn decipher(&mut self, data: &[u8]) -> Result<Reply, Status> {
        let template = self
            .session
            .environment
            .confidentiality
            .ok_or(Status(0x6985))?;
        self.usable(template.key, KeyUse::Authentication)?;
        // Padding indicator: the cryptogram is one RSA block.
        let cryptogram = data.strip_prefix(&[0x81]).ok_or(Status(0x6A80))?;
        let key = self.private_key(KeyUse::Authentication)?;
        let plain = key.decipher_pkcs1(cryptogram).ok_or(Status(0x6A80))?;
        self.counters.key_operations += 1;
        Ok(Reply::data(plain))
    }

    fn internal_authenticate(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if command.parameters() != (0, 0) {
            return Err(Status(0x6A86));
        }
        let template = self
            .session
            .environment
            .authentication
            .ok_or(Status(0x6985))?;
        let contact = self.layout.profile == Profile::Cps3;
        let key_use = if contact {
            KeyUse::Authentication
        } else {
            KeyUse::Technical
        };
        self.usable(template.key, key_use)?;
        let key = self.private_key(key_use)?;
        // At most 40 % of the modulus: 102 bytes with 2048 bits.
        if command.data.is_empty() || command.data.len() > key.size() * 2 / 5 {
            return Err(Status(0x6A80));
        }
        let signature = key.pad_and_sign(command.data).ok_or(Status(0x6A80))?;
        self.counters.key_operations += 1;
        Ok(Reply::data(signature))
    }

    /// Whether the key of a template is of this use and open.
    pub(super) fn usable(&self, reference: u8, key_use: KeyUse) -> Result<(), Status> {
        match self.layout.key(reference) {
            Some(key) if key.key_use == key_use => {}
            _ => return Err(Status(0x6985)),
        }
        if key_use != KeyUse::Technical && !self.pin_verified() {
            return Err(Status(0x6982));
        }
        Ok(())
    }

    pub(super) fn private_key(&self, key_use: KeyUse) -> Result<&PrivateKey, Status> {
        let found = self.keys.iter().find(|(other, _)| *other == key_use);
        found.map(|(_, key)| key).ok_or(Status(0x6A88))
    }
}

/// Class and number of a three-byte tag.
fn split_tag(object: &Tlv<'_>) -> [u32; 2] {
    [object.tag.0 >> 8, object.tag.0 & 0xFF]
}
