//! CPS4: NXP ChipDoc applet, reached on logical channel 1. Commands as the ANS Cryptolib sends
//! them to real cards.

use zeroize::Zeroizing;

use crate::apdu::{Command, StatusWord};
use crate::cps3::{APPLET, empty_verify, empty_verify_answer};
use crate::driver::Driver;
use crate::error::Error;
use crate::exchange::{Link, NO_TEMPLATE, SELECT};
use crate::key::{KeyEntry, KeyUse, Scheme};
use crate::padding;
use crate::pin::{PinRules, Tries};

pub(crate) struct Cps4;

impl Driver for Cps4 {
    fn class(&self) -> u8 {
        CLA
    }

    fn recovery(&self, status: StatusWord) -> Option<Vec<Command>> {
        match status {
            StatusWord::CONDITIONS => Some(deselect_and_select()),
            StatusWord::NO_CHANNEL | StatusWord::BAD_PARAMETERS => Some(vec![select_applet()]),
            _ if status.sw1() == 0x6E => Some(vec![select_applet()]),
            _ => None,
        }
    }

    /// Paths start below the MF. The template that this form announces is not fetched.
    fn select_directory(&self, path: &[u8]) -> Command {
        match path {
            [0x3F, 0x00] => self.select_pin_holder(path),
            [0x3F, 0x00, below @ ..] | below => {
                Command::new(CLA, SELECT, 0x08, 0x00).with_data(below)
            }
        }
    }

    fn select_file(&self, path: &[u8]) -> Command {
        self.select_directory(path).expecting(256)
    }

    fn describe(&self, path: &[u8]) -> Command {
        self.select_file(path)
    }

    fn select_pin_holder(&self, path: &[u8]) -> Command {
        match path {
            [0x3F, 0x00] => Command::new(CLA, SELECT, 0x00, 0x00).with_data(path),
            _ => self.select_directory(path),
        }
    }

    fn tries_question(&self, rules: &PinRules) -> Command {
        empty_verify(CLA, rules)
    }

    fn tries_answer(&self, _rules: &PinRules, status: StatusWord, _data: &[u8]) -> Option<Tries> {
        empty_verify_answer(status)
    }

    fn key_question(&self, _reference: u8) -> Option<Command> {
        None
    }

    /// The old code is verified, then the new one takes its place.
    fn change(
        &self,
        link: &mut Link<'_>,
        rules: &PinRules,
        old: &[u8],
        new: &[u8],
    ) -> Result<StatusWord, Error> {
        let verify = empty_verify(CLA, rules).with_data(old);
        let verified = link.ask(&verify)?.status;
        if !verified.is_success() {
            return Ok(verified);
        }
        self.replace(link, rules, new)
    }

    fn reset(
        &self,
        link: &mut Link<'_>,
        rules: &PinRules,
        new: &[u8],
    ) -> Result<StatusWord, Error> {
        let unblock = Command::new(CLA, 0x2C, 0x03, rules.reference | LOCAL);
        let unblocked = link.ask(&unblock)?.status;
        if !unblocked.is_success() {
            return Ok(unblocked);
        }
        self.replace(link, rules, new)
    }

    /// The card pads for PSS and for the signature key. PKCS#1 v1.5 with the authentication key is
    /// padded here and goes through the raw operation that also deciphers: nothing but a DigestInfo
    /// built from a digest ever gets there.
    fn sign(
        &self,
        link: &mut Link<'_>,
        key: &KeyEntry,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        if key.key_use != KeyUse::Signature && !scheme.is_pss() {
            let padded = padding::sign(&scheme.digest_info(digest), key.modulus_len())?;
            return self.raw(link, key, &padded);
        }
        let unsupported = Error::Unsupported {
            what: "this signature scheme",
        };
        let algorithm = key.algorithms.reference(scheme).ok_or(unsupported)?;
        // Bit 8 of the key reference says that the data is already a digest.
        let environment = Command::new(CLA, 0x22, 0x81, 0xB6).with_data(&[
            0x91,
            0x02,
            algorithm,
            key.reference | 0x80,
        ]);
        link.require(&environment)?;
        let sign = Command::new(CLA, 0x2A, 0x9E, 0x9A)
            .with_data(digest)
            .expecting(256);
        link.require(&sign)
    }

    fn decipher(
        &self,
        link: &mut Link<'_>,
        key: &KeyEntry,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self.raw(link, key, cryptogram) {
            Ok(message) => padding::strip(&message, key.modulus_len()).ok_or(Error::Cryptogram),
            Err(Error::Refused {
                status: StatusWord::BAD_DATA,
                ..
            }) => Err(Error::Cryptogram),
            Err(error) => Err(error),
        }
    }
}

impl Cps4 {
    fn raw(
        &self,
        link: &mut Link<'_>,
        key: &KeyEntry,
        block: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let environment =
            Command::new(CLA, 0x22, 0x41, 0xB8).with_data(&[0x83, 0x01, key.reference]);
        link.require(&environment)?;
        let command = Command::new(CLA, 0x2A, 0x80, 0x86)
            .with_data(block)
            .expecting(256);
        link.require(&command)
    }

    fn replace(
        &self,
        link: &mut Link<'_>,
        rules: &PinRules,
        new: &[u8],
    ) -> Result<StatusWord, Error> {
        let command = Command::new(CLA, 0x24, 0x01, rules.reference).with_data(new);
        Ok(link.ask(&command)?.status)
    }
}

/// Opens channel 1 by selecting the applet on it.
pub(crate) fn open_channel() -> Command {
    Command::new(CLA, SELECT, 0x04, NO_TEMPLATE).with_data(APPLET)
}

/// Selects two other applets first, so that the wanted one is really selected again.
pub(crate) fn deselect_and_select() -> Vec<Command> {
    vec![
        Command::new(CLA, SELECT, 0x04, NO_TEMPLATE).with_data(ISSUER_DOMAIN),
        Command::new(0x00, SELECT, 0x04, NO_TEMPLATE).with_data(CPS2TER_APPLET),
        open_channel(),
    ]
}

fn select_applet() -> Command {
    Command::new(CLA, SELECT, 0x04, 0x04).with_data(APPLET)
}

const CLA: u8 = 0x01;
const CPS2TER_APPLET: &[u8] = &[0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x00, 0x02];
const ISSUER_DOMAIN: &[u8] = &[0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00];
const LOCAL: u8 = 0x80;
