//! CPS3: IAS-ECC applet, in contact and contactless readers. Commands as the ANS Cryptolib sends
//! them to real cards.

use zeroize::Zeroizing;

use crate::apdu::{Command, StatusWord};
use crate::driver::{Driver, VERIFY};
use crate::error::Error;
use crate::exchange::{Link, NO_TEMPLATE, SELECT, TEMPLATE};
use crate::key::{KeyEntry, KeyUse, Scheme};
use crate::pin::{PinRules, Tries};
use crate::tlv::{self, Reader, Tag};

pub(crate) struct Cps3;

/// The applet that holds the PKCS#15 application; selecting it selects the MF.
pub(crate) const APPLET: &[u8] = &[0x80, 0x25, 0x00, 0x00, 0x01, 0xFF, 0x01, 0x00];

impl Driver for Cps3 {
    fn class(&self) -> u8 {
        CLA
    }

    fn recovery(&self, status: StatusWord) -> Option<Vec<Command>> {
        let lost = status.sw1() == 0x6E || status == StatusWord::BAD_PARAMETERS;
        lost.then(|| vec![select_applet()])
    }

    fn select_directory(&self, path: &[u8]) -> Command {
        Command::new(CLA, SELECT, BY_PATH, NO_TEMPLATE).with_data(path)
    }

    fn select_file(&self, path: &[u8]) -> Command {
        self.select_directory(path)
    }

    fn describe(&self, path: &[u8]) -> Command {
        Command::new(CLA, SELECT, BY_PATH, TEMPLATE)
            .with_data(path)
            .expecting(256)
    }

    fn select_pin_holder(&self, path: &[u8]) -> Command {
        match path {
            [0x3F, 0x00] => Command::new(CLA, SELECT, 0x02, NO_TEMPLATE).with_data(path),
            _ => self.select_directory(path),
        }
    }

    /// GET DATA on the security data object of the code (class `01`, IAS-ECC §7.7.3).
    fn tries_question(&self, rules: &PinRules) -> Command {
        get_object(Tag(0xBF_8100 | u32::from(rules.reference & 0x7F)))
    }

    fn tries_answer(&self, rules: &PinRules, status: StatusWord, data: &[u8]) -> Option<Tries> {
        if !status.is_success() {
            return None;
        }
        let object = Tag(0xBF_8100 | u32::from(rules.reference & 0x7F));
        let outer = Reader::padded(data).find_tag(0x70).ok()??;
        let attributes = outer.find(object).ok()??.find(0xA0).ok()??;
        let byte = |tag: u32| attributes.find(tag).ok()??.value.first().copied();
        Some(Tries {
            left: Some(byte(0x9B)?),
            max: byte(0x9A),
            verified: false,
        })
    }

    /// GET DATA on the security data object of the key (class `10`).
    fn key_question(&self, reference: u8) -> Option<Command> {
        Some(get_object(Tag(0xBF_9000 | u32::from(reference & 0x7F))))
    }

    fn change(
        &self,
        link: &mut Link<'_>,
        rules: &PinRules,
        old: &[u8],
        new: &[u8],
    ) -> Result<StatusWord, Error> {
        let both = Zeroizing::new([old, new].concat());
        let command = Command::new(CLA, 0x24, 0x00, rules.reference).with_data(&both);
        Ok(link.ask(&command)?.status)
    }

    fn reset(
        &self,
        link: &mut Link<'_>,
        rules: &PinRules,
        new: &[u8],
    ) -> Result<StatusWord, Error> {
        let command = Command::new(CLA, 0x2C, 0x02, rules.reference).with_data(new);
        Ok(link.ask(&command)?.status)
    }

    /// The signature key signs a digest that the host computed (PSO: COMPUTE DIGITAL SIGNATURE);
    /// the others sign a DigestInfo (INTERNAL AUTHENTICATE). The card pads.
    fn sign(
        &self,
        link: &mut Link<'_>,
        key: &KeyEntry,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let unsupported = Error::Unsupported {
            what: "this signature scheme",
        };
        let algorithm = key.algorithms.reference(scheme).ok_or(unsupported)?;
        let (template, sign) = match key.key_use {
            KeyUse::Signature => (
                DIGITAL_SIGNATURE,
                Command::new(CLA, 0x2A, 0x9E, 0x9A).with_data(digest),
            ),
            KeyUse::Authentication | KeyUse::Technical => {
                let info = scheme.digest_info(digest);
                (
                    AUTHENTICATION,
                    Command::new(CLA, 0x88, 0x00, 0x00).with_data(&info),
                )
            }
        };
        link.require(&set_environment(template, algorithm, key.reference))?;
        link.require(&sign.expecting(256))
    }

    /// The card removes the padding itself.
    fn decipher(
        &self,
        link: &mut Link<'_>,
        key: &KeyEntry,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let unsupported = Error::Unsupported {
            what: "decipherment",
        };
        let algorithm = key.algorithms.decipher.ok_or(unsupported)?;
        link.require(&set_environment(CONFIDENTIALITY, algorithm, key.reference))?;
        // Padding indicator: the cryptogram follows as it is (ISO 7816-8 §5.3.1, `81` = RSA).
        let data = [&[0x81], cryptogram].concat();
        let command = Command::new(CLA, 0x2A, 0x80, 0x86)
            .with_data(&data)
            .expecting(256);
        let answer = link.ask(&command)?;
        match answer.status {
            status if status.is_success() => Ok(answer.data),
            status if status == StatusWord::BAD_DATA => Err(Error::Cryptogram),
            status => Err(link.refused(status)),
        }
    }
}

/// VERIFY without data: tells the tries left and spends none.
pub(crate) fn empty_verify(class: u8, rules: &PinRules) -> Command {
    Command::new(class, VERIFY, 0x00, rules.reference)
}

/// Reads the answer to [`empty_verify`].
pub(crate) fn empty_verify_answer(status: StatusWord) -> Option<Tries> {
    let tries = |left, verified| {
        Some(Tries {
            left,
            max: None,
            verified,
        })
    };
    match status {
        StatusWord::OK => tries(None, true),
        StatusWord::BLOCKED => tries(Some(0), false),
        _ => tries(Some(status.tries_left()?), false),
    }
}

/// Selects the applet. What it answers is not asked for.
pub(crate) fn select_applet() -> Command {
    Command::new(CLA, SELECT, 0x04, TEMPLATE).with_data(APPLET)
}

/// GET DATA of the attributes (`A0`) of a security data object, in an extended header list.
fn get_object(object: Tag) -> Command {
    let mut attributes = Vec::new();
    tlv::write_tag(&mut attributes, object);
    attributes.extend([0x02, 0xA0, 0x80]);
    let list = tlv::encode(0x4D, &tlv::encode(0x70, &attributes));
    Command::new(CLA, 0xCB, 0x3F, 0xFF)
        .with_data(&list)
        .expecting(256)
}

/// MANAGE SECURITY ENVIRONMENT: SET for computing and deciphering (ISO 7816-4 §11.5.11).
fn set_environment(template: u8, algorithm: u8, key: u8) -> Command {
    Command::new(CLA, 0x22, 0x41, template).with_data(&[0x80, 0x01, algorithm, 0x84, 0x01, key])
}

const CLA: u8 = 0x00;
const BY_PATH: u8 = 0x09;
const AUTHENTICATION: u8 = 0xA4;
const CONFIDENTIALITY: u8 = 0xB8;
const DIGITAL_SIGNATURE: u8 = 0xB6;
