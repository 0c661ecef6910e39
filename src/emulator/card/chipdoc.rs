//! The ChipDoc applet of a CPS4: logical channel 1, its own environments, raw RSA by "decipher".

use cps_card::KeyUse;
use cps_card::tlv::{Reader, Tlv};

use super::VirtualCard;
use super::build::APPLET;
use super::files::Path;
use super::pins::Status;
use super::session::{Applet, Template};
use super::transport::{Command, Reply};
use crate::layout::Mechanism;
use crate::rsa::Hash;

const SECURITY_DOMAIN: [u8; 7] = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00];
const CPS2TER: [u8; 8] = [0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x02];

/// "The data is already a digest", beside the key reference.
const DIGESTED: u8 = 0x80;

impl VirtualCard {
    pub(super) fn chipdoc_command(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let by_name = command.ins == 0xA4 && command.p1 == 0x04;
        if command.cla == 0x00 {
            // Nothing but the older applet lives on the basic channel.
            return if by_name && command.data == CPS2TER {
                Ok(Reply::ok())
            } else {
                Err(Status(0x6E00))
            };
        }
        if by_name {
            return self.select_applet(command);
        }
        if !self.session.channel {
            return Err(Status(0x6881));
        }
        if self.session.applet == Applet::SecurityDomain {
            return Err(Status(0x6985));
        }
        match command.ins {
            0x20 => self.verify(command),
            0x22 => self.chipdoc_environment(command),
            0x24 => self.change_after_verify(command),
            0x2A => self.chipdoc_operation(command),
            0x2C if command.p1 == 0x03 && command.data.is_empty() => {
                self.unblock(command.p2 & 0x7F, None)
            }
            0x2C => Err(Status(0x6A86)),
            0xA4 => self.select(command),
            0xB0 => self.read_binary(command),
            0xD6 => self.update_binary(command),
            _ => Err(Status(0x6D00)),
        }
    }

    /// Selecting the applet opens channel 1; no MANAGE CHANNEL is needed.
    fn select_applet(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if command.data == SECURITY_DOMAIN {
            self.session.channel = true;
            self.session.applet = Applet::SecurityDomain;
            return Ok(Reply::ok());
        }
        if command.data == APPLET {
            self.session.channel = true;
            self.session.applet = Applet::Main;
            self.session.directory = Path::new();
        } else if !self.session.channel || self.session.applet != Applet::Main {
            return Err(Status(0x6A82));
        }
        self.select(command)
    }

    fn chipdoc_environment(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let objects: Vec<_> = Reader::new(command.data)
            .collect::<Result<_, _>>()
            .map_err(|_| Status(0x6A80))?;
        let value = |wanted: u32| match objects[..] {
            [Tlv { tag, value, .. }] if tag.0 == wanted => Ok(value),
            _ => Err(Status(0x6A80)),
        };
        let template = match command.parameters() {
            (0x81, 0xB6) => {
                let &[algorithm, key] = value(0x91)? else {
                    return Err(Status(0x6A80));
                };
                if key & DIGESTED == 0 {
                    return Err(Status(0x6A80));
                }
                let allowed = [
                    Mechanism::SignSha1,
                    Mechanism::SignSha256,
                    Mechanism::PssSha1,
                    Mechanism::PssSha256,
                ];
                let mechanism = self
                    .layout
                    .mechanism(algorithm, &allowed)
                    .ok_or(Status(0x6A80))?;
                Template {
                    mechanism,
                    key: key & !DIGESTED,
                }
            }
            (0x41, 0xB8) => {
                let &[key] = value(0x83)? else {
                    return Err(Status(0x6A80));
                };
                Template {
                    mechanism: Mechanism::Decipher,
                    key,
                }
            }
            _ => return Err(Status(0x6A86)),
        };
        if !self.in_application() || self.layout.key(template.key).is_none() {
            return Err(Status(0x6A88));
        }
        let environment = &mut self.session.environment;
        match template.mechanism {
            Mechanism::Decipher => environment.confidentiality = Some(template),
            _ => environment.signature = Some(template),
        }
        Ok(Reply::ok())
    }

    fn chipdoc_operation(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        match command.parameters() {
            (0x9E, 0x9A) => self.sign_digest(command.data),
            (0x80, 0x86) => self.raw_rsa(command.data),
            _ => Err(Status(0x6A86)),
        }
    }

    fn sign_digest(&mut self, digest: &[u8]) -> Result<Reply, Status> {
        let Template { mechanism, key } =
            self.session.environment.signature.ok_or(Status(0x6985))?;
        let key_use = self.layout.key(key).ok_or(Status(0x6A88))?.key_use;
        let (hash, pss) = match mechanism {
            Mechanism::PssSha1 => (Hash::Sha1, true),
            Mechanism::PssSha256 => (Hash::Sha256, true),
            Mechanism::SignSha1 => (Hash::Sha1, false),
            _ => (Hash::Sha256, false),
        };
        // The authentication key does PKCS#1 only with padding by the host.
        if !pss && key_use != KeyUse::Signature {
            return Err(Status(0x6985));
        }
        self.usable(key, key_use)?;
        if digest.len() != hash.length() {
            return Err(Status(0x6A80));
        }
        let key = self.private_key(key_use)?;
        let signature = if pss {
            key.sign_pss(hash, digest)
        } else {
            key.sign_pkcs1(hash, digest)
        };
        self.counters.key_operations += 1;
        Ok(Reply::data(signature))
    }

    fn raw_rsa(&mut self, block: &[u8]) -> Result<Reply, Status> {
        let template = self
            .session
            .environment
            .confidentiality
            .ok_or(Status(0x6985))?;
        self.usable(template.key, KeyUse::Authentication)?;
        let key = self.private_key(KeyUse::Authentication)?;
        let result = (block.len() == key.size())
            .then(|| key.raw(block))
            .flatten()
            .ok_or(Status(0x6A80))?;
        self.counters.key_operations += 1;
        Ok(Reply::data(result))
    }
}
