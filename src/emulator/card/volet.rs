//! The CPS2ter volet of a CPS3: a few older files behind CLA `A0`, selected one level at a time.

use super::VirtualCard;
use super::pins::Status;
use super::session::Applet;
use super::transport::{Command, Reply};

/// File types in the answer to a selection.
const MASTER: u8 = 1;
const DIRECTORY: u8 = 2;
const FILE: u8 = 4;

impl VirtualCard {
    pub(super) fn volet_command(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        match command.ins {
            0xA4 => self.volet_select(command),
            0xB0 if self.session.applet == Applet::Volet => self.volet_read(command),
            0xB0 => Err(Status(0x9402)),
            _ => Err(Status(0x6D00)),
        }
    }

    fn volet_select(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let &[high, low] = command.data else {
            return Err(Status(0x6700));
        };
        if command.parameters() != (0, 0) {
            return Err(Status(0x6B00));
        }
        // From here on CLA 00 is foreign, whether the file exists or not.
        self.session.applet = Applet::Volet;
        let id = u16::from_be_bytes([high, low]);
        let mut path = self.session.volet_path.clone();
        if id == 0x3F00 {
            path.clear();
        } else {
            // A file does not contain others: go on from its directory.
            if self.volet_file(&path).is_some() {
                path.pop();
            }
            path.push(id);
        }
        let (kind, size) = match self.volet_file(&path) {
            Some(content) => (FILE, content.len() as u16),
            None if path.is_empty() => (MASTER, 0),
            None if self.volet.iter().any(|(file, _)| file.starts_with(&path)) => (DIRECTORY, 0),
            None => return Err(Status(0x9404)),
        };
        self.session.volet_path = path;
        let [size_high, size_low] = size.to_be_bytes();
        Ok(Reply::data(vec![
            0x85, 0x05, size_high, size_low, high, low, kind,
        ]))
    }

    fn volet_read(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let expected = command.expected.ok_or(Status(0x6700))?;
        let content = self
            .volet_file(&self.session.volet_path)
            .ok_or(Status(0x9408))?;
        // Every file of the volet that is kept here is protected.
        if !self.pin_verified() {
            return Err(Status(0x9804));
        }
        let offset = usize::from(u16::from_be_bytes([command.p1, command.p2]));
        let rest = content.get(offset..).ok_or(Status(0x9402))?;
        Ok(Reply::data(rest[..rest.len().min(expected)].to_vec()))
    }

    fn volet_file(&self, path: &[u16]) -> Option<&[u8]> {
        self.volet
            .iter()
            .find(|(file, _)| file == path)
            .map(|(_, content)| &content[..])
    }
}
