//! Selection, reading, writing and PIN commands, common to both applets.

use super::VirtualCard;
use super::files::{Access, Node, Path, control_template, parse_path};
use super::pins::{Code, Status};
use super::session::Environment;
use super::transport::{Command, Reply};
use crate::Profile;

impl VirtualCard {
    /// SELECT within the files of the main applet.
    pub(super) fn select(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if !matches!(command.p2, 0x00 | 0x04 | 0x0C) {
            return Err(Status(0x6A86));
        }
        let here = &self.session.directory;
        let absolute = |data: &[u8]| parse_path(data).ok_or(Status(0x6A80));
        let child = |data: &[u8]| match data {
            [] => Ok(Path::new()),
            [0x3F, 0x00] => Ok(Path::new()),
            &[high, low] => Ok([&here[..], &[u16::from_be_bytes([high, low])]].concat()),
            _ => Err(Status(0x6A80)),
        };
        let index = match command.p1 {
            0x00 | 0x02 => self.files.find(&child(command.data)?),
            0x04 => self.files.find_name(command.data),
            0x08 => self.files.find(&absolute(command.data)?),
            // Relative to the current directory, unless the path itself begins at the MF.
            0x09 if command.data.starts_with(&[0x3F, 0x00]) => {
                self.files.find(&absolute(command.data)?)
            }
            0x09 => self
                .files
                .find(&[&here[..], &absolute(command.data)?].concat()),
            _ => return Err(Status(0x6A86)),
        };
        let entry = self.files.get(index.ok_or(Status(0x6A82))?).clone();
        match entry.node {
            Node::Directory { .. } => {
                self.enter(entry.path.clone());
                self.session.file = None;
            }
            Node::File { .. } => {
                self.enter(entry.path[..entry.path.len() - 1].to_vec());
                self.session.file = Some(entry.path.clone());
            }
        }
        if command.p2 == 0x0C {
            return Ok(Reply::ok());
        }
        let tag = if self.layout.profile == Profile::Cps4 {
            0x6F
        } else {
            0x62
        };
        Ok(Reply::data(control_template(tag, &entry)))
    }

    /// Makes a directory current. Its keys are others, so the environment ends; a digest stays.
    fn enter(&mut self, directory: Path) {
        if self.session.directory != directory {
            self.session.directory = directory;
            self.session.environment = Environment::default();
        }
    }

    pub(super) fn read_binary(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let expected = command.expected.ok_or(Status(0x6700))?;
        let (file, offset) = self.addressed(command)?;
        let Node::File { content, read, .. } = &self.files.get(file).node else {
            return Err(Status(0x6986));
        };
        self.permit(*read)?;
        let rest = content.get(offset..).ok_or(Status(0x6B00))?;
        if rest.is_empty() {
            return Err(Status(0x6282));
        }
        Ok(Reply::data(rest[..rest.len().min(expected)].to_vec()))
    }

    pub(super) fn update_binary(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let (file, offset) = self.addressed(command)?;
        let entry = self.files.get(file);
        let Node::File { update, .. } = &entry.node else {
            return Err(Status(0x6986));
        };
        self.permit(*update)?;
        let path = entry.path.clone();
        let content = self.files.content_mut(&path).ok_or(Status(0x6986))?;
        let place = content
            .get_mut(offset..offset + command.data.len())
            .ok_or(Status(0x6B00))?;
        place.copy_from_slice(command.data);
        Ok(Reply::ok())
    }

    /// File and offset that READ BINARY and UPDATE BINARY name: by short identifier, or in the
    /// current file.
    fn addressed(&mut self, command: &Command<'_>) -> Result<(usize, usize), Status> {
        let (p1, p2) = command.parameters();
        if p1 & 0x80 == 0 {
            let path = self.session.file.as_ref().ok_or(Status(0x6986))?;
            let file = self.files.find(path).ok_or(Status(0x6986))?;
            return Ok((file, usize::from(u16::from_be_bytes([p1, p2]))));
        }
        let file = self
            .files
            .find_short(&self.session.directory, p1 & 0x1F)
            .ok_or(Status(0x6A82))?;
        self.session.file = Some(self.files.get(file).path.clone());
        Ok((file, usize::from(p2)))
    }

    /// Whether the holder's state grants an access.
    pub(super) fn permit(&self, access: Access) -> Result<(), Status> {
        match access {
            Access::Always => Ok(()),
            Access::Pin if self.pin_verified() => Ok(()),
            Access::Issuer | Access::Never | Access::Pin => Err(Status(0x6982)),
        }
    }

    pub(super) fn verify(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if command.p1 != 0 {
            return Err(Status(0x6A86));
        }
        let code = self.code(command.p2)?;
        if command.data.is_empty() {
            return Err(code.state());
        }
        let result = code.verify(command.data);
        self.counters.verify += 1;
        result.map(|()| Reply::ok())
    }

    /// CHANGE REFERENCE DATA with the old code in front (CPS3).
    pub(super) fn change_with_old(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if command.p1 != 0 {
            return Err(Status(0x6A86));
        }
        let pin = self.pin_only(command.p2)?;
        let (old, new) = command
            .data
            .split_at_checked(pin.field())
            .ok_or(Status(0x6700))?;
        // The new value is judged first, so that a bad one costs no try.
        pin.clone().replace(new)?;
        pin.verify(old)?;
        pin.replace(new)?;
        Ok(Reply::ok())
    }

    /// CHANGE REFERENCE DATA after a VERIFY, new code only (CPS4).
    pub(super) fn change_after_verify(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        if command.p1 != 1 {
            return Err(Status(0x6A86));
        }
        let unblocking = self.puk.as_ref().is_some_and(|puk| puk.verified);
        let pin = self.pin_only(command.p2)?;
        if !pin.verified && !unblocking {
            return Err(Status(0x6982));
        }
        pin.replace(command.data)?;
        Ok(Reply::ok())
    }

    /// RESET RETRY COUNTER after a VERIFY of the PUK, with (`new`) or without a new PIN.
    pub(super) fn unblock(&mut self, reference: u8, new: Option<&[u8]>) -> Result<Reply, Status> {
        let permitted = self.puk.as_ref().is_some_and(|puk| puk.verified);
        let pin = self.pin_only(reference)?;
        if !permitted {
            return Err(Status(0x6982));
        }
        if let Some(new) = new {
            pin.replace(new)?;
        }
        pin.unblock();
        Ok(Reply::ok())
    }

    fn code(&mut self, reference: u8) -> Result<&mut Code, Status> {
        if self.layout.habits.pin_needs_mf && !self.session.directory.is_empty() {
            return Err(Status(0x6A88));
        }
        [&mut self.pin, &mut self.puk]
            .into_iter()
            .flatten()
            .find(|code| code.rules.reference == reference)
            .ok_or(Status(0x6A88))
    }

    /// The PIN; the PUK itself can be neither changed nor unblocked.
    fn pin_only(&mut self, reference: u8) -> Result<&mut Code, Status> {
        let puk = self.puk.as_ref().map(|puk| puk.rules.reference);
        if puk == Some(reference) {
            return Err(Status(0x6982));
        }
        self.code(reference)
    }

    /// Whether the directory that holds the keys is current.
    pub(super) fn in_application(&self) -> bool {
        parse_path(&self.layout.application().path).as_ref() == Some(&self.session.directory)
    }
}
