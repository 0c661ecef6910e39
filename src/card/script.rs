//! Cards for unit tests: one that follows a transcript to the letter, one that says anything.

use crate::hex::Hex;
use crate::transmit::{Transmit, TransmitError};

/// A card that expects exactly these commands, in this order, and gives these answers.
pub(crate) struct Script {
    exchanges: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    pub(crate) apdus: usize,
    pub(crate) bytes: usize,
}

impl Script {
    /// Commands and answers in hexadecimal, spaces anywhere.
    pub(crate) fn new(exchanges: &[(&str, &str)]) -> Self {
        let exchanges: Vec<_> = exchanges
            .iter()
            .map(|(command, answer)| (hex(command), hex(answer)))
            .collect();
        Self {
            exchanges: exchanges.into_iter(),
            apdus: 0,
            bytes: 0,
        }
    }

    /// Runs `test`, then checks that the whole transcript was used.
    pub(crate) fn run<T>(exchanges: &[(&str, &str)], test: impl FnOnce(&mut Self) -> T) -> T {
        let mut script = Self::new(exchanges);
        let result = test(&mut script);
        assert_eq!(script.exchanges.next(), None, "expected one more command");
        result
    }
}

impl Transmit for Script {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        let sent = Hex::from(command);
        let (expected, answer) = self
            .exchanges
            .next()
            .unwrap_or_else(|| panic!("command {sent} after the end of the transcript"));
        assert_eq!(
            sent,
            Hex(expected),
            "command {} of the transcript",
            self.apdus + 1
        );
        self.apdus += 1;
        self.bytes += command.len() + answer.len();
        Ok(answer)
    }
}

/// A card that answers from a list, whatever it is asked, then is gone.
pub(crate) struct Babble {
    pub(crate) answers: Vec<Vec<u8>>,
    pub(crate) asked: usize,
}

impl Transmit for Babble {
    fn transmit(&mut self, _command: &[u8]) -> Result<Vec<u8>, TransmitError> {
        self.asked += 1;
        match self.answers.is_empty() {
            true => Err(TransmitError::Removed),
            false => Ok(self.answers[(self.asked - 1) % self.answers.len()].clone()),
        }
    }
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .collect::<String>()
        .parse::<Hex>()
        .unwrap()
        .0
}
