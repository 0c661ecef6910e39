//! The card report.

use super::Card;
use super::directory::{EF_DIR, ODF, TOKEN_INFO};
use crate::apdu::{Protocol, StatusWord};
use crate::error::{Error, Operation};
use crate::exchange::{Link, Position};
use crate::hex::Hex;
use crate::key::KeyEntry;
use crate::pin::PinRole;
use crate::pkcs15::dodf::DataPlace;
use crate::pkcs15::odf::{self, Directory};
use crate::pkcs15::token_info::TokenInfo;
use crate::pkcs15::{MF, aodf, cdf, dir, dodf, prkdf};
use crate::read::{self, Extent};
use crate::redact;
use crate::report::{FileRole, Report, ReportedAlgorithm, ReportedFile, ReportedKey, ReportedPin};
use crate::transmit::Transmit;

impl Card {
    /// Reads all that the card declares about itself and hides what concerns its holder.
    ///
    /// No PIN is asked or sent, and no PIN-protected file is read even when the PIN happens to be
    /// verified. Whatever the card refuses is part of the report.
    ///
    /// # Errors
    /// Only when the card no longer answers, or answers out of all bounds.
    pub fn report(&mut self, transmit: &mut dyn Transmit) -> Result<Report, Error> {
        let mut survey = Survey {
            files: Vec::new(),
            link: Link::new(&mut self.state, transmit, Operation::Report),
        };
        survey.directory(MF, FileRole::Mf)?;
        let in_mf = |file: &[u8]| [MF, file].concat();
        let applications = survey.file(&in_mf(EF_DIR), FileRole::EfDir, keep)?;
        survey.file(&in_mf(&[0x2F, 0x01]), FileRole::EfAtr, keep)?;
        survey.file(&in_mf(&[0xD0, 0x03]), FileRole::EfSn, redact::serial)?;
        survey.file(&in_mf(&[0xD0, 0x10]), FileRole::EfActua, redact::data)?;

        let (mut pins, mut keys, mut algorithms) = (Vec::new(), Vec::new(), Vec::new());
        for application in dir::applications(&applications).unwrap_or_default() {
            survey.directory(&application, FileRole::Df)?;
            let in_it = |file: &[u8]| [&application[..], file].concat();
            let odf = survey.file(&in_it(ODF), FileRole::Odf, keep)?;
            let token = survey.file(&in_it(TOKEN_INFO), FileRole::TokenInfo, redact::token_info)?;
            let token = TokenInfo::read(&token).unwrap_or_default();
            for (directory, path) in odf::read(&odf, &application).unwrap_or_default() {
                let content = survey.file(&path, role(directory), redact::directory)?;
                match directory {
                    Directory::Authentication => {
                        pins.extend(survey.pins(&aodf::read(&content, &application))?);
                    }
                    Directory::PrivateKeys => {
                        let found = prkdf::read(&content, &application).unwrap_or_default();
                        for key in found {
                            let key = KeyEntry::new(self.kind, key, &token);
                            keys.push(survey.key(&key)?);
                        }
                    }
                    Directory::Data => {
                        for object in dodf::read(&content, &application).unwrap_or_default() {
                            survey.data(&object)?;
                        }
                    }
                    Directory::PublicKeys => {}
                    Directory::Certificates
                    | Directory::TrustedCertificates
                    | Directory::UsefulCertificates => {
                        for entry in cdf::read(&content, &application).unwrap_or_default() {
                            let path = &entry.location.path;
                            survey.file(path, FileRole::Certificate, redact::certificate)?;
                            survey.label(&entry.label);
                        }
                    }
                }
            }
            algorithms.extend(token.algorithms.iter().map(|algorithm| ReportedAlgorithm {
                reference: algorithm.reference,
                mechanism: algorithm.mechanism,
                card_reference: algorithm.card_reference,
            }));
        }
        let Survey { files, link } = survey;
        let protocol: Protocol = link.state.protocol;
        Ok(Report {
            format: Report::FORMAT,
            kind: self.kind,
            recognised: self.recognised,
            atr: self.atr.clone(),
            protocol,
            files,
            pins,
            keys,
            algorithms,
        })
    }
}

/// One walk through a card.
struct Survey<'a> {
    files: Vec<ReportedFile>,
    link: Link<'a>,
}

impl Survey<'_> {
    fn directory(&mut self, path: &[u8], role: FileRole) -> Result<(), Error> {
        let (file, _) = self.describe(path, role, false)?;
        self.files.push(file);
        Ok(())
    }

    /// Describes and reads a file; returns its true content, empty when there is none.
    fn file(
        &mut self,
        path: &[u8],
        role: FileRole,
        redact: fn(&mut [u8]),
    ) -> Result<Vec<u8>, Error> {
        let (mut file, found) = self.describe(path, role, false)?;
        let mut content = Vec::new();
        if found {
            match read::current_file(&mut self.link, 0, file.size, Extent::File, 0) {
                Ok(read) => {
                    file.read = Some(read.status);
                    file.size = file.size.or(Some(read.bytes.len()));
                    let mut shown = read.bytes.clone();
                    redact(&mut shown);
                    file.redacted = shown != read.bytes;
                    file.content = Some(Hex(shown));
                    content = read.bytes;
                }
                Err(Error::PinRequired) => file.read = Some(StatusWord::SECURITY),
                Err(Error::Refused { status, .. }) => file.read = Some(status),
                Err(error) => return Err(error),
            }
        }
        self.files.push(file);
        Ok(content)
    }

    fn data(&mut self, object: &dodf::DataEntry) -> Result<(), Error> {
        let DataPlace::File(location) = &object.place else {
            return Ok(());
        };
        if object.private {
            let (file, _) = self.describe(&location.path, FileRole::Data, true)?;
            self.files.push(file);
        } else {
            let hide = if object.modifiable {
                redact::opaque
            } else {
                redact::data
            };
            self.file(&location.path, FileRole::Data, hide)?;
        }
        self.label(&object.label);
        Ok(())
    }

    /// Selects a file or directory and reads its control template.
    fn describe(
        &mut self,
        path: &[u8],
        role: FileRole,
        private: bool,
    ) -> Result<(ReportedFile, bool), Error> {
        let command = self.link.state.driver.describe(path);
        self.link.state.position = Position::Unknown;
        let answer = self.link.ask(&command)?;
        let found = answer.status.is_success();
        Ok((
            ReportedFile {
                path: Hex::from(path),
                role,
                label: None,
                select: answer.status,
                size: crate::driver::declared_size(&answer.data),
                fcp: Hex(answer.data.to_vec()),
                read: None,
                content: None,
                redacted: false,
                private,
            },
            found,
        ))
    }

    fn pins(
        &mut self,
        pins: &Result<Vec<aodf::PinObject>, Error>,
    ) -> Result<Vec<ReportedPin>, Error> {
        let Ok(pins) = pins else {
            return Ok(Vec::new());
        };
        let driver = self.link.state.driver;
        let mut reported = Vec::new();
        for pin in pins {
            let command = driver.tries_question(&pin.rules);
            match self.link.enter(&pin.rules.holder) {
                Ok(()) | Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            let answer = self.link.ask(&command)?;
            reported.push(ReportedPin {
                role: if pin.unblocks {
                    PinRole::Puk
                } else {
                    PinRole::Pin
                },
                reference: pin.rules.reference,
                question: question(&command, self.link.state.protocol),
                status: answer.status,
                answer: Hex(answer.data.to_vec()),
            });
        }
        Ok(reported)
    }

    fn key(&mut self, key: &KeyEntry) -> Result<ReportedKey, Error> {
        let mut reported = ReportedKey {
            label: label(&key.label),
            key_use: key.key_use,
            reference: key.reference,
            modulus_bits: key.modulus_bits,
            question: Hex::default(),
            status: None,
            answer: Hex::default(),
        };
        if let Some(command) = self.link.state.driver.key_question(key.reference) {
            match self.link.enter(&key.directory) {
                Ok(()) | Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            let answer = self.link.ask(&command)?;
            reported.question = question(&command, self.link.state.protocol);
            reported.status = Some(answer.status);
            reported.answer = Hex(answer.data.to_vec());
        }
        Ok(reported)
    }

    /// Labels the file reported last.
    fn label(&mut self, text: &str) {
        if let Some(file) = self.files.last_mut() {
            file.label = Some(label(text));
        }
    }
}

fn question(command: &crate::apdu::Command, protocol: Protocol) -> Hex {
    Hex(command
        .encode(protocol)
        .iter()
        .flat_map(|block| block.to_vec())
        .collect())
}

/// A label without the numbers that it may hold.
fn label(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    redact::long_numbers(&mut bytes);
    // Only ASCII digits were replaced, by ASCII digits.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn role(directory: Directory) -> FileRole {
    match directory {
        Directory::Authentication => FileRole::Aodf,
        Directory::Certificates
        | Directory::TrustedCertificates
        | Directory::UsefulCertificates => FileRole::Cdf,
        Directory::Data => FileRole::Dodf,
        Directory::PrivateKeys => FileRole::Prkdf,
        Directory::PublicKeys => FileRole::Pukdf,
    }
}

fn keep(_: &mut [u8]) {}
