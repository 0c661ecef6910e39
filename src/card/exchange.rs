//! One transmit function for every command: chaining, answers fetched in pieces, corrected
//! lengths, one re-selection when another program moved the card, and bounds on all of it.

use zeroize::Zeroizing;

use crate::apdu::{Command, Protocol, StatusWord};
use crate::driver::Driver;
use crate::error::{Error, Operation};
use crate::hex::Hex;
use crate::pkcs15::MF;
use crate::transmit::{Transmit, TransmitError};

/// What is believed of the card between two operations.
pub(crate) struct State {
    pub(crate) driver: &'static dyn Driver,
    pub(crate) protocol: Protocol,
    pub(crate) position: Position,
}

/// Where the card stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Position {
    /// After a reset, or when another program may have moved it.
    Unknown,
    /// In this directory, with a file of it selected or none.
    At { directory: Hex, file: Option<Hex> },
}

/// The way to the card during one operation.
pub(crate) struct Link<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) operation: Operation,
    transmit: &'a mut dyn Transmit,
}

/// An answer put together from all its pieces.
pub(crate) struct Answer {
    pub(crate) data: Zeroizing<Vec<u8>>,
    pub(crate) status: StatusWord,
}

impl<'a> Link<'a> {
    pub(crate) fn new(
        state: &'a mut State,
        transmit: &'a mut dyn Transmit,
        operation: Operation,
    ) -> Self {
        Self {
            state,
            operation,
            transmit,
        }
    }

    /// Sends a command that must succeed and returns the answer's data.
    pub(crate) fn require(&mut self, command: &Command) -> Result<Zeroizing<Vec<u8>>, Error> {
        let answer = self.ask(command)?;
        match answer.status.is_success() {
            true => Ok(answer.data),
            false => Err(self.refused(answer.status)),
        }
    }

    /// Sends a command. When the status says that another applet or channel is current, selects
    /// the right applet and the believed file again, and repeats the command once.
    pub(crate) fn ask(&mut self, command: &Command) -> Result<Answer, Error> {
        let answer = self.exchange(command)?;
        let driver = self.state.driver;
        let Some(recovery) = driver.recovery(answer.status) else {
            return Ok(answer);
        };
        for select in recovery {
            self.exchange(&select)?;
        }
        let before = core::mem::replace(&mut self.state.position, Position::mf());
        if command.ins != SELECT {
            self.restore(before)?;
        }
        self.exchange(command)
    }

    /// One command with everything that the transport level adds to it.
    pub(crate) fn exchange(&mut self, command: &Command) -> Result<Answer, Error> {
        let mut trips = Trips(0);
        let mut blocks = command.encode(self.state.protocol);
        let Some(mut last) = blocks.pop() else {
            return Err(Error::Malformed { what: "command" });
        };
        for block in &blocks {
            let (data, status) = self.round(block, &mut trips)?;
            if status != StatusWord::OK {
                return Ok(Answer { data, status });
            }
        }
        let (mut data, mut status) = self.round(&last, &mut trips)?;
        let Some(_) = command.expected() else {
            return Ok(Answer { data, status });
        };
        // On T=0 a command with data has no Le that could be corrected.
        let has_le = command.data().is_empty() || self.state.protocol == Protocol::T1;
        if status.sw1() == WRONG_LE && has_le {
            if let Some(le) = last.last_mut() {
                *le = status.sw2();
            }
            (data, status) = self.round(&last, &mut trips)?;
        }
        while status.is_waiting() {
            let mut fetch = [command.cla, GET_RESPONSE, 0x00, 0x00, status.sw2()];
            let (mut more, mut next) = self.round(&fetch, &mut trips)?;
            if next.sw1() == WRONG_LE {
                fetch[4] = next.sw2();
                (more, next) = self.round(&fetch, &mut trips)?;
            }
            if data.len() + more.len() > MAX_ANSWER {
                return Err(self.lost("answer, longer than any object of the card"));
            }
            data.extend_from_slice(&more);
            status = next;
        }
        Ok(Answer { data, status })
    }

    /// Makes `directory` the current one, unless it is believed to be already.
    pub(crate) fn enter(&mut self, directory: &[u8]) -> Result<(), Error> {
        if self.state.position.is_in(directory) {
            return Ok(());
        }
        let command = self.state.driver.select_directory(directory);
        self.select(&command)?;
        self.state.position = Position::in_directory(directory);
        Ok(())
    }

    /// Makes `file` the current one and returns its size where the card tells.
    pub(crate) fn open(&mut self, file: &[u8]) -> Result<Option<usize>, Error> {
        let command = self.state.driver.select_file(file);
        let template = self.select(&command)?;
        self.state.position = Position::at_file(file);
        Ok(crate::driver::declared_size(&template))
    }

    /// What a refusal means where no operation gives it a meaning of its own.
    pub(crate) fn refused(&self, status: StatusWord) -> Error {
        match status.0 {
            0x6982 | 0x9804 => Error::PinRequired,
            _ => Error::Refused {
                operation: self.operation,
                status,
            },
        }
    }

    /// A SELECT that must succeed. Cards that refuse one without answer data are asked again for
    /// the file control template.
    fn select(&mut self, command: &Command) -> Result<Zeroizing<Vec<u8>>, Error> {
        // Whatever the card says now, the former position cannot be relied upon after a failure.
        let answer = self
            .ask(command)
            .inspect_err(|_| self.state.position = Position::Unknown)?;
        if answer.status.is_success() {
            return Ok(answer.data);
        }
        if answer.status == StatusWord::BAD_PARAMETERS && command.p2 == NO_TEMPLATE {
            let mut verbose = command.clone().expecting(256);
            verbose.p2 = TEMPLATE;
            return self.require(&verbose);
        }
        Err(self.refused(answer.status))
    }

    fn restore(&mut self, position: Position) -> Result<(), Error> {
        let driver = self.state.driver;
        let select = match &position {
            Position::Unknown => return Ok(()),
            Position::At {
                directory,
                file: None,
            } if **directory == *MF => return Ok(()),
            Position::At {
                directory,
                file: None,
            } => driver.select_directory(directory),
            Position::At {
                file: Some(file), ..
            } => driver.select_file(file),
        };
        if self.exchange(&select)?.status.is_success() {
            self.state.position = position;
        }
        Ok(())
    }

    fn round(
        &mut self,
        bytes: &[u8],
        trips: &mut Trips,
    ) -> Result<(Zeroizing<Vec<u8>>, StatusWord), Error> {
        trips.0 += 1;
        if trips.0 > MAX_TRIPS {
            return Err(self.lost("answer, without end"));
        }
        let operation = self.operation;
        let failed = |source| Error::Transmit { operation, source };
        let answer = match self.transmit.transmit(bytes) {
            Ok(answer) => Zeroizing::new(answer),
            Err(source) => {
                self.state.position = Position::Unknown;
                return Err(failed(source));
            }
        };
        let Some((data, &[sw1, sw2])) = answer.split_last_chunk() else {
            self.state.position = Position::Unknown;
            return Err(failed(TransmitError::Removed));
        };
        if data.len() > MAX_PIECE {
            return Err(self.lost("answer, longer than a short APDU"));
        }
        Ok((
            Zeroizing::new(data.to_vec()),
            StatusWord(u16::from_be_bytes([sw1, sw2])),
        ))
    }

    fn lost(&mut self, what: &'static str) -> Error {
        self.state.position = Position::Unknown;
        Error::Malformed { what }
    }
}

impl Position {
    pub(crate) fn mf() -> Self {
        Self::in_directory(MF)
    }

    pub(crate) fn in_directory(path: &[u8]) -> Self {
        Self::At {
            directory: Hex::from(path),
            file: None,
        }
    }

    /// A file is selected together with the directory that holds it (ISO 7816-4 §8.2.2.2).
    fn at_file(path: &[u8]) -> Self {
        let parent = &path[..path.len().saturating_sub(2)];
        Self::At {
            directory: Hex::from(parent),
            file: Some(Hex::from(path)),
        }
    }

    pub(crate) fn is_in(&self, path: &[u8]) -> bool {
        matches!(self, Self::At { directory, .. } if **directory == *path)
    }
}

struct Trips(usize);

const GET_RESPONSE: u8 = 0xC0;
/// Far above any object read in one command: a PIN or key description, a signature.
const MAX_ANSWER: usize = 4096;
const MAX_PIECE: usize = 256;
/// Blocks of the longest chain and pieces of the longest answer, with room.
const MAX_TRIPS: usize = 32;
pub(crate) const NO_TEMPLATE: u8 = 0x0C;
pub(crate) const SELECT: u8 = 0xA4;
pub(crate) const TEMPLATE: u8 = 0x04;
const WRONG_LE: u8 = 0x6C;
