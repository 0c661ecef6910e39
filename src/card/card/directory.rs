//! Certificates and data objects, found through EF.DIR and EF.ODF.

use super::Card;
use crate::apdu::StatusWord;
use crate::cps2ter;
use crate::error::{Error, Operation};
use crate::exchange::Link;
use crate::hex::Hex;
use crate::kind::Kind;
use crate::pkcs15::cdf::{self, CertificateEntry};
use crate::pkcs15::dodf::{self, DataEntry, DataPlace};
use crate::pkcs15::odf::{self, Directory};
use crate::pkcs15::token_info::TokenInfo;
use crate::pkcs15::{Location, MF, dir};
use crate::read::{self, Extent};
use crate::tlv::Header;
use crate::transmit::Transmit;

impl Card {
    /// The certificates that the card declares.
    ///
    /// # Errors
    /// What the card answered; [`Error::Malformed`] when its directory cannot be read.
    pub fn certificates(
        &mut self,
        transmit: &mut dyn Transmit,
    ) -> Result<Vec<CertificateEntry>, Error> {
        self.entries(transmit, Directory::Certificates, cdf::read)
    }

    /// The DER of a certificate, from what was read before if possible.
    ///
    /// # Errors
    /// What the card answered; [`Error::Malformed`] when the file does not hold one whole DER
    /// object.
    pub fn read_certificate(
        &mut self,
        transmit: &mut dyn Transmit,
        entry: &CertificateEntry,
    ) -> Result<Vec<u8>, Error> {
        let Location {
            path,
            offset,
            length,
        } = &entry.location;
        // A part of a file is not cached: the cache knows whole values by their file.
        let whole = *offset == 0 && length.is_none();
        let cached = self
            .files
            .get(path)
            .filter(|der| whole && is_whole_der(der));
        if let Some(cached) = cached {
            return Ok(cached.to_vec());
        }
        let mut link = Link::new(&mut self.state, transmit, Operation::ReadCertificate);
        let size = link.open(path)?;
        let der = read::current_file(&mut link, *offset, size, Extent::FirstTlv, 0)?.bytes;
        if !is_whole_der(&der) {
            return Err(Error::Malformed {
                what: "certificate",
            });
        }
        if whole {
            self.files.insert(path.clone(), der.clone());
        }
        Ok(der)
    }

    /// The data objects that the card declares, and on a CPS3 in a contact reader those of its
    /// second application: CPS_SIT_FACT, and the twin of each CPS_ACTIVITY. Whether the latter
    /// exist only reading them tells.
    ///
    /// # Errors
    /// What the card answered; [`Error::Malformed`] when its directory cannot be read.
    pub fn data_objects(&mut self, transmit: &mut dyn Transmit) -> Result<Vec<DataEntry>, Error> {
        let mut objects = self.entries(transmit, Directory::Data, dodf::read)?;
        if self.kind == Kind::Cps3 {
            cps2ter::add_objects(&mut objects);
        }
        Ok(objects)
    }

    /// The value of a data object. Public ones come from what was read before if possible; private
    /// and modifiable ones are read each time and kept nowhere.
    ///
    /// # Errors
    /// [`Error::PinRequired`] for a private object without login, [`Error::NotPresent`] when the
    /// card declares the object but does not have it, else what the card answered.
    pub fn read_data(
        &mut self,
        transmit: &mut dyn Transmit,
        entry: &DataEntry,
    ) -> Result<Vec<u8>, Error> {
        let absent = |status| match status {
            StatusWord::NOT_FOUND | cps2ter::NOT_FOUND => Error::NotPresent {
                what: entry.label.clone(),
            },
            status => Error::Refused {
                operation: Operation::ReadData,
                status,
            },
        };
        let read = match &entry.place {
            DataPlace::Cps2ter(path) => {
                let mut link = Link::new(&mut self.state, transmit, Operation::ReadData);
                cps2ter::read(&mut link, path)
            }
            DataPlace::File(location) => self.read_data_file(transmit, entry, location),
        };
        read.map_err(|error| match error {
            Error::Refused { status, .. } => absent(status),
            error => error,
        })
    }

    fn read_data_file(
        &mut self,
        transmit: &mut dyn Transmit,
        entry: &DataEntry,
        location: &Location,
    ) -> Result<Vec<u8>, Error> {
        let Location {
            path,
            offset,
            length,
        } = location;
        let whole = *offset == 0 && length.is_none();
        let cacheable = whole && !entry.private && !entry.modifiable;
        if let Some(cached) = self.files.get(path).filter(|_| cacheable) {
            return Ok(cached.to_vec());
        }
        let mut link = Link::new(&mut self.state, transmit, Operation::ReadData);
        let size = link.open(path)?;
        let extent = length.map_or(Extent::File, Extent::Length);
        let value = read::current_file(&mut link, *offset, size, extent, 0)?.bytes;
        if cacheable {
            self.files.insert(path.clone(), value.clone());
        }
        Ok(value)
    }

    /// All entries of the directory files of one type.
    pub(super) fn entries<T>(
        &mut self,
        transmit: &mut dyn Transmit,
        directory: Directory,
        parse: impl Fn(&[u8], &[u8]) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let application = self.application(transmit)?;
        let files = self.object_directory(transmit)?;
        let mut entries = Vec::new();
        for (_, path) in files.iter().filter(|(found, _)| *found == directory) {
            entries.extend(self.parsed(transmit, path, |file| parse(file, &application))?);
        }
        Ok(entries)
    }

    /// The files that EF.ODF points to.
    pub(super) fn object_directory(
        &mut self,
        transmit: &mut dyn Transmit,
    ) -> Result<Vec<(Directory, Hex)>, Error> {
        let application = self.application(transmit)?;
        let path = Hex([&application[..], ODF].concat());
        self.parsed(transmit, &path, |file| odf::read(file, &application))
    }

    /// EF.TokenInfo; empty when the card has none.
    pub(super) fn token_info(&mut self, transmit: &mut dyn Transmit) -> Result<TokenInfo, Error> {
        let application = self.application(transmit)?;
        let path = Hex([&application[..], TOKEN_INFO].concat());
        match self.parsed(transmit, &path, TokenInfo::read) {
            Err(Error::Refused {
                status: StatusWord::NOT_FOUND,
                ..
            }) => Ok(TokenInfo::default()),
            read => read,
        }
    }

    /// Path of the PKCS#15 application's directory, from EF.DIR.
    pub(super) fn application(&mut self, transmit: &mut dyn Transmit) -> Result<Hex, Error> {
        let aid = application_id(self.kind);
        let path = Hex([MF, EF_DIR].concat());
        if let Some(found) = self
            .files
            .get(&path)
            .and_then(|file| dir::application(file, aid))
        {
            return Ok(Hex(found));
        }
        let mut link = Link::new(&mut self.state, transmit, Operation::ReadDirectory);
        let found = |file: &[u8]| dir::application(file, aid).is_some();
        let extent = Extent::Until(&found);
        let content = if link.state.position.is_in(MF) {
            match read::short_file(&mut link, EF_DIR_SHORT_ID, extent, EF_DIR_SIZE) {
                Err(Error::Refused { .. }) => None,
                read => Some(read?),
            }
        } else {
            None
        };
        let content = match content {
            Some(content) => content,
            None => {
                let size = link.open(&path)?;
                read::current_file(&mut link, 0, size, extent, EF_DIR_SIZE)?
            }
        };
        let application =
            dir::application(&content.bytes, aid).ok_or_else(|| Error::NotPresent {
                what: "PKCS#15 application in EF.DIR".into(),
            })?;
        self.files.insert(path, content.bytes);
        Ok(Hex(application))
    }

    /// A directory file, from what was read before if possible. It is kept only once it was
    /// understood, so that a bad read is not repeated from the cache.
    fn parsed<T>(
        &mut self,
        transmit: &mut dyn Transmit,
        path: &Hex,
        parse: impl Fn(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(Ok(parsed)) = self.files.get(path).map(&parse) {
            return Ok(parsed);
        }
        let mut link = Link::new(&mut self.state, transmit, Operation::ReadDirectory);
        let size = link.open(path)?;
        let content = read::current_file(&mut link, 0, size, Extent::Tlvs, 0)?.bytes;
        let parsed = parse(&content)?;
        self.files.insert(path.clone(), content);
        Ok(parsed)
    }
}

/// Whether the bytes are one DER SEQUENCE, no more and no less.
fn is_whole_der(bytes: &[u8]) -> bool {
    let total = Header::read(bytes).ok().and_then(|header| header.total());
    bytes.first() == Some(&0x30) && total == Some(bytes.len())
}

/// Application identifier of the PKCS#15 application.
fn application_id(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Cps3 | Kind::Cps4 => CONTACT_AID,
        Kind::Cps3Contactless => CONTACTLESS_AID,
    }
}

const CONTACT_AID: &[u8] = &[
    0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x10,
];
const CONTACTLESS_AID: &[u8] = &[
    0xE8, 0x28, 0xBD, 0x08, 0x0F, 0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x20,
];
pub(super) const EF_DIR: &[u8] = &[0x2F, 0x00];
const EF_DIR_SHORT_ID: u8 = 0x1E;
/// Length of the first READ BINARY on EF.DIR: its size on real cards. Another size costs one more.
const EF_DIR_SIZE: u16 = 101;
pub(super) const ODF: &[u8] = &[0x50, 0x31];
pub(super) const TOKEN_INFO: &[u8] = &[0x50, 0x32];
