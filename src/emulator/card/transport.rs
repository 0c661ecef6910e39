//! Framing: what a command looks like, and how an answer gets back under T=0 and T=1
//! (ISO 7816-3 §12.1, ISO 7816-4 §5.3).

use std::time::Instant;

use cps_card::Protocol;

use super::VirtualCard;
use super::pins::Status;
use super::session::{Applet, Chain};
use crate::Profile;
use crate::layout::ShortRead;

/// Greatest command that is put together from parts.
const CHAIN_LIMIT: usize = 1024;

/// A parsed command.
pub(super) struct Command<'a> {
    pub(super) cla: u8,
    pub(super) ins: u8,
    pub(super) p1: u8,
    pub(super) p2: u8,
    pub(super) data: &'a [u8],
    /// Le: how many bytes may come back.
    pub(super) expected: Option<usize>,
}

impl<'a> Command<'a> {
    fn parse(bytes: &'a [u8], protocol: Protocol) -> Result<Self, Status> {
        let (&[cla, ins, p1, p2], rest) = bytes.split_first_chunk().ok_or(Status(0x6700))?;
        let length = |le: u8| if le == 0 { 256 } else { usize::from(le) };
        let (data, expected) = match rest {
            [] => (&[][..], None),
            &[le] => (&[][..], Some(length(le))),
            // A zero here would begin an extended length, which no CPS understands.
            [0, ..] => return Err(Status(0x6700)),
            [lc, body @ ..] if body.len() == usize::from(*lc) => (body, None),
            // A T=0 reader cannot carry Le next to data.
            [lc, body @ .., le] if protocol == Protocol::T1 && body.len() == usize::from(*lc) => {
                (body, Some(length(*le)))
            }
            _ => return Err(Status(0x6700)),
        };
        Ok(Self {
            cla,
            ins,
            p1,
            p2,
            data,
            expected,
        })
    }

    pub(super) fn parameters(&self) -> (u8, u8) {
        (self.p1, self.p2)
    }
}

/// What a command produced.
pub(super) struct Reply {
    pub(super) data: Vec<u8>,
    pub(super) status: u16,
}

impl Reply {
    pub(super) fn ok() -> Self {
        Self {
            data: Vec::new(),
            status: 0x9000,
        }
    }

    pub(super) fn data(data: Vec<u8>) -> Self {
        Self {
            data,
            status: 0x9000,
        }
    }
}

const CHAINING: u8 = 0x10;
const GET_RESPONSE: u8 = 0xC0;
const PSO: u8 = 0x2A;
const VOLET_CLASS: u8 = 0xA0;

impl VirtualCard {
    /// Executes one command, uncounted and without faults: answer data and status word.
    pub(crate) fn execute(&mut self, bytes: &[u8]) -> Vec<u8> {
        let start = Instant::now();
        let (data, status) = match self.answer(bytes) {
            Ok(Reply { data, status }) => (data, status),
            Err(Status(status)) => (Vec::new(), status),
        };
        self.counters.computing += start.elapsed();
        [&data[..], &status.to_be_bytes()].concat()
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<Reply, Status> {
        let command = Command::parse(bytes, self.protocol())?;
        if command.ins == GET_RESPONSE {
            return self.get_response(&command);
        }
        self.session.pending.clear();
        let chain = self.session.chain.take();
        let header = [command.ins, command.p1, command.p2];
        let mut data = match chain {
            Some(chain) if chain.header == header => chain.data,
            _ => Vec::new(),
        };
        data.extend_from_slice(command.data);
        if command.cla & CHAINING != 0 && command.cla != VOLET_CLASS {
            if command.ins != PSO {
                return Err(Status(0x6884));
            }
            if data.len() > CHAIN_LIMIT {
                return Err(Status(0x6700));
            }
            self.session.chain = Some(Chain { header, data });
            return Ok(Reply::ok());
        }
        let reply = self.dispatch(&Command {
            data: &data,
            ..command
        })?;
        self.frame(&command, reply)
    }

    fn dispatch(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        match (self.layout.profile, command.cla) {
            (Profile::Cps3, VOLET_CLASS) => self.volet_command(command),
            (Profile::Cps3 | Profile::Cps3Contactless, 0x00) => self.ias_command(command),
            (Profile::Cps4, 0x00 | 0x01) => self.chipdoc_command(command),
            _ => Err(Status(0x6E00)),
        }
    }

    /// Hands an answer over, or keeps it for GET RESPONSE.
    fn frame(&mut self, command: &Command<'_>, reply: Reply) -> Result<Reply, Status> {
        if reply.data.is_empty() {
            return Ok(reply);
        }
        match command.expected {
            None => {
                let waiting = self.waiting(reply.data.len());
                self.session.pending = reply.data;
                Err(waiting)
            }
            Some(expected) if reply.data.len() > expected => match self.protocol() {
                Protocol::T0 => Err(wrong_length(reply.data.len())),
                Protocol::T1 => {
                    let mut data = reply.data;
                    self.session.pending = data.split_off(expected);
                    let Status(status) = self.waiting(self.session.pending.len());
                    Ok(Reply { data, status })
                }
            },
            Some(expected) if reply.data.len() < expected => {
                match (self.protocol(), self.layout.habits.short_read) {
                    // "Up to 256 bytes" was asked for, so fewer are no surprise.
                    (Protocol::T1, _) if expected == 256 => Ok(reply),
                    (_, ShortRead::WrongLength) => Err(wrong_length(reply.data.len())),
                    (_, ShortRead::EndOfFile) if command.ins == READ_BINARY => Ok(Reply {
                        status: 0x6282,
                        ..reply
                    }),
                    (_, ShortRead::EndOfFile) => Ok(reply),
                }
            }
            Some(_) => Ok(reply),
        }
    }

    fn get_response(&mut self, command: &Command<'_>) -> Result<Reply, Status> {
        let mut data = std::mem::take(&mut self.session.pending);
        if data.is_empty() {
            return Err(Status(0x6985));
        }
        let expected = command.expected.ok_or(Status(0x6700))?;
        if expected > data.len() && expected != 256 {
            let length = data.len();
            self.session.pending = data;
            return Err(wrong_length(length));
        }
        if expected < data.len() {
            self.session.pending = data.split_off(expected);
            let Status(status) = self.waiting(self.session.pending.len());
            return Ok(Reply { data, status });
        }
        Ok(Reply::data(data))
    }

    /// "There are so many bytes": `61 xx`, or `9F xx` in the volet; `00` means 256 or more.
    fn waiting(&self, length: usize) -> Status {
        let first = if self.session.applet == Applet::Volet {
            0x9F00
        } else {
            0x6100
        };
        Status(first | if length > 255 { 0 } else { length as u16 })
    }
}

pub(super) const READ_BINARY: u8 = 0xB0;

fn wrong_length(length: usize) -> Status {
    Status(0x6C00 | if length > 255 { 0 } else { length as u16 })
}
