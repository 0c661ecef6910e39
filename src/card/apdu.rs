//! Command and response APDUs of ISO 7816-4, short form only: no CPS card supports extended
//! length (EF.ATR, card capabilities `94 01 80`).

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Transmission protocol that the reader chose from the ATR (ISO 7816-3).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Protocol {
    /// Byte oriented: a command with data never carries Le, answers are fetched with GET RESPONSE.
    T0,
    /// Block oriented: data in both directions in one exchange.
    T1,
}

/// A command APDU before encoding. Its data field is wiped when dropped.
///
/// The four cases of ISO 7816-3 §12.1 follow from whether there is data and an expected length:
/// a command that [expects](Self::expecting) an answer gets it whatever the protocol needs for
/// that, one that does not never asks for it.
#[derive(Clone, Eq, PartialEq)]
pub struct Command {
    /// Class byte, logical channel included, chaining bit excluded.
    pub cla: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    data: Zeroizing<Vec<u8>>,
    expected: Option<u16>,
}

impl Command {
    /// A command without data that expects no answer data (case 1).
    pub fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Self {
            cla,
            ins,
            p1,
            p2,
            data: Zeroizing::new(Vec::new()),
            expected: None,
        }
    }

    /// The same command with this data field. More than 255 bytes are sent as a chain of commands.
    pub fn with_data(mut self, data: &[u8]) -> Self {
        self.data = Zeroizing::new(data.to_vec());
        self
    }

    /// The same command expecting up to `length` bytes of answer; more than 256 means 256.
    /// Zero means that no answer is expected.
    pub fn expecting(mut self, length: u16) -> Self {
        self.expected = (length != 0).then_some(length.min(MAX_ANSWER));
        self
    }

    /// Reads a command as it travels: what a card (or an emulated one) receives.
    ///
    /// Five bytes are case 2; on T=0 that is also how case 1 arrives, only the instruction tells.
    ///
    /// # Errors
    /// [`InvalidCommand`] when the length byte does not match what follows.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidCommand> {
        let (&[cla, ins, p1, p2], rest) = bytes.split_first_chunk().ok_or(InvalidCommand)?;
        let command = Self::new(cla, ins, p1, p2);
        match rest {
            [] => Ok(command),
            [le] => Ok(command.expecting(decode_length(*le))),
            [0, ..] => Err(InvalidCommand),
            [lc, rest @ ..] => match rest.split_at_checked(usize::from(*lc)) {
                Some((data, [])) => Ok(command.with_data(data)),
                Some((data, [le])) => Ok(command.with_data(data).expecting(decode_length(*le))),
                _ => Err(InvalidCommand),
            },
        }
    }

    /// The bytes to send for `protocol`: one block, or several of them (ISO 7816-4 §5.3.3 command
    /// chaining, class bit `10` on all but the last) when the data field exceeds 255 bytes.
    ///
    /// On T=0 a case 4 command loses its Le (the card announces the answer with `61 xx`) and a
    /// case 1 command gets P3 = `00`.
    pub fn encode(&self, protocol: Protocol) -> Vec<Zeroizing<Vec<u8>>> {
        let mut blocks = self.data.chunks(MAX_DATA).peekable();
        let mut encoded = Vec::new();
        while let Some(block) = blocks.next() {
            let last = blocks.peek().is_none();
            let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER + block.len() + 2));
            let chained = if last { 0 } else { CHAINING };
            // `chunks` bounds the block by 255.
            let lc = block.len() as u8;
            bytes.extend([self.cla | chained, self.ins, self.p1, self.p2, lc]);
            bytes.extend(block);
            if let (true, Protocol::T1, Some(expected)) = (last, protocol, self.expected) {
                bytes.push(encode_length(expected));
            }
            encoded.push(bytes);
        }
        if encoded.is_empty() {
            let mut bytes = vec![self.cla, self.ins, self.p1, self.p2];
            match (self.expected, protocol) {
                (Some(expected), _) => bytes.push(encode_length(expected)),
                (None, Protocol::T0) => bytes.push(0),
                (None, Protocol::T1) => {}
            }
            encoded.push(Zeroizing::new(bytes));
        }
        encoded
    }

    /// The data field.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// How many bytes of answer are expected at most, 1 to 256; `None` when none are.
    pub fn expected(&self) -> Option<u16> {
        self.expected
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = self.encode(Protocol::T1);
        f.debug_list()
            .entries(blocks.iter().map(|block| Redacted(block).to_string()))
            .finish()
    }
}

/// The bytes are not a short command APDU: the length byte does not match what follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a short command APDU")]
pub struct InvalidCommand;

/// Status bytes SW1 SW2 that end every answer (ISO 7816-4 §5.6; `9x xx` of the older CPS2ter part).
///
/// Displays as `6A 82 (file or application not found)`; serialises as the text `6A82`.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Done.
    pub const OK: Self = Self(0x9000);
    /// The end of the file came before Le bytes; the data is valid.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// The logical channel is not open.
    pub const NO_CHANNEL: Self = Self(0x6881);
    /// A PIN must be verified first.
    pub const SECURITY: Self = Self(0x6982);
    /// The PIN is blocked.
    pub const BLOCKED: Self = Self(0x6983);
    /// The PIN or key exists but may not be used.
    pub const INVALIDATED: Self = Self(0x6984);
    /// Conditions of use not satisfied: no security environment, wrong key, applet deselected.
    pub const CONDITIONS: Self = Self(0x6985);
    /// No current file.
    pub const NO_CURRENT_FILE: Self = Self(0x6986);
    /// Bad data field.
    pub const BAD_DATA: Self = Self(0x6A80);
    /// File or application not found.
    pub const NOT_FOUND: Self = Self(0x6A82);
    /// Bad P1 or P2.
    pub const BAD_PARAMETERS: Self = Self(0x6A86);
    /// Referenced PIN, key or object not found.
    pub const NO_REFERENCE: Self = Self(0x6A88);
    /// Offset beyond the end of the file.
    pub const BAD_OFFSET: Self = Self(0x6B00);
    /// Instruction not supported.
    pub const BAD_INSTRUCTION: Self = Self(0x6D00);
    /// Class not supported.
    pub const BAD_CLASS: Self = Self(0x6E00);

    /// First status byte.
    pub fn sw1(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// Second status byte.
    pub fn sw2(self) -> u8 {
        self.0.to_be_bytes()[1]
    }

    /// Whether the command was carried out: `90 00`, or an answer is waiting (`61 xx`, `9F xx`).
    pub fn is_success(self) -> bool {
        self == Self::OK || self.is_waiting()
    }

    /// Whether an answer waits to be fetched: `61 xx`, or `9F xx` of the CPS2ter part.
    pub fn is_waiting(self) -> bool {
        matches!(self.sw1(), 0x61 | 0x9F)
    }

    /// Tries left after a wrong PIN: `63 Cx`.
    pub fn tries_left(self) -> Option<u8> {
        (self.0 & 0xFFF0 == 0x63C0).then_some(self.sw2() & 0x0F)
    }

    fn meaning(self) -> &'static str {
        match (self.sw1(), self.sw2()) {
            (0x61 | 0x9F, _) => "answer waiting",
            (0x62, 0x82) => "end of file",
            (0x63, 0xC0..=0xCF) => "wrong PIN",
            (0x67, _) => "wrong length",
            (0x68, 0x81) => "logical channel not open",
            (0x69, 0x82) => "PIN not verified",
            (0x69, 0x83) | (0x98, 0x40) => "PIN blocked",
            (0x69, 0x84) => "PIN or key invalidated",
            (0x69, 0x85) => "conditions of use not satisfied",
            (0x69, 0x86) => "no current file",
            (0x6A, 0x80) => "bad data field",
            (0x6A, 0x82) | (0x94, 0x04) => "file or application not found",
            (0x6A, 0x86) => "bad parameters",
            (0x6A, 0x88) => "object not found",
            (0x6B, _) | (0x94, 0x02) => "offset beyond the file",
            (0x6C, _) => "wrong expected length",
            (0x6D, _) => "instruction not supported",
            (0x6E, _) => "class not supported",
            (0x6F, _) => "no diagnosis from the card",
            (0x90, 0x00) => "done",
            (0x92, 0x40) => "corrupt file header",
            (0x94, 0x08) => "file unfit for this command",
            (0x98, 0x02) => "PIN not active",
            (0x98, 0x04) => "PIN wrong or not given",
            (0x98, 0x08 | 0x10) => "PIN or file invalidated",
            _ => "unknown status",
        }
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:02X} {:02X} ({})",
            self.sw1(),
            self.sw2(),
            self.meaning()
        )
    }
}

impl Serialize for StatusWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04X}", self.0))
    }
}

impl<'de> Deserialize<'de> for StatusWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u16::from_str_radix(&text, 16)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

/// Displays a command as hexadecimal for traces and errors, without the data field of the commands
/// that carry a PIN: VERIFY (`20`), CHANGE REFERENCE DATA (`24`), RESET RETRY COUNTER (`2C`), and
/// their odd-numbered BER-TLV forms.
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a [u8]);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = match self.0.get(1) {
            Some(ins) => matches!(ins & 0xFE, 0x20 | 0x24 | 0x2C),
            None => false,
        };
        let shown = if secret {
            self.0.len().min(HEADER)
        } else {
            self.0.len()
        };
        for (index, byte) in self.0[..shown].iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{byte:02X}")?;
        }
        match self.0.len() - shown {
            0 => Ok(()),
            hidden => write!(f, " [{hidden} bytes hidden]"),
        }
    }
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn decode_length(le: u8) -> u16 {
    if le == 0 { MAX_ANSWER } else { u16::from(le) }
}

fn encode_length(expected: u16) -> u8 {
    // 256 is written `00`.
    (expected & 0xFF) as u8
}

const CHAINING: u8 = 0x10;
const HEADER: usize = 4;
const MAX_ANSWER: u16 = 256;
const MAX_DATA: usize = 255;

#[cfg(test)]
mod tests;
