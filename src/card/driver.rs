//! The seam between what all cards share and what each applet does its own way.

use zeroize::Zeroizing;

use crate::apdu::{Command, StatusWord};
use crate::error::Error;
use crate::exchange::Link;
use crate::key::{KeyEntry, Scheme};
use crate::pin::{PinRules, Tries};
use crate::tlv::Reader;

/// What differs between the two applets. Implementations hold no state.
pub(crate) trait Driver: Sync {
    /// Class byte of every command of this applet.
    fn class(&self) -> u8;

    /// SELECT commands that bring the applet back after `status`; `None` when the status does not
    /// say that it was lost.
    fn recovery(&self, status: StatusWord) -> Option<Vec<Command>>;

    /// Selects a directory, without answer.
    fn select_directory(&self, path: &[u8]) -> Command;

    /// Selects a file for reading.
    fn select_file(&self, path: &[u8]) -> Command;

    /// Selects a directory or file and asks for its control template.
    fn describe(&self, path: &[u8]) -> Command;

    /// Selects the directory that holds a code, ahead of a PIN command.
    fn select_pin_holder(&self, path: &[u8]) -> Command;

    /// Asks for the tries left without spending one.
    fn tries_question(&self, rules: &PinRules) -> Command;

    /// Reads the answer to [`Self::tries_question`]; `None` when it does not tell.
    fn tries_answer(&self, rules: &PinRules, status: StatusWord, data: &[u8]) -> Option<Tries>;

    /// Asks for the description of a private key.
    fn key_question(&self, reference: u8) -> Option<Command>;

    /// Changes a code. `old` and `new` are encoded; the holder of the code is current.
    fn change(
        &self,
        link: &mut Link<'_>,
        rules: &PinRules,
        old: &[u8],
        new: &[u8],
    ) -> Result<StatusWord, Error>;

    /// Gives a new code; the unblocking code was just verified.
    fn reset(&self, link: &mut Link<'_>, rules: &PinRules, new: &[u8])
    -> Result<StatusWord, Error>;

    /// Signs a digest of the right length for the scheme, one that the key offers.
    fn sign(
        &self,
        link: &mut Link<'_>,
        key: &KeyEntry,
        scheme: Scheme,
        digest: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error>;

    /// Deciphers a cryptogram as long as the modulus and takes its padding off.
    fn decipher(
        &self,
        link: &mut Link<'_>,
        key: &KeyEntry,
        cryptogram: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error>;
}

/// Size in bytes out of a file control template (`62` or `6F`, tag `80`; ISO 7816-4 §7.4.3).
pub(crate) fn declared_size(template: &[u8]) -> Option<usize> {
    let template = Reader::padded(template).next()?.ok()?;
    if !matches!(template.tag.0, 0x62 | 0x6F) {
        return None;
    }
    match template.find(0x80).ok()??.value {
        [high, low] => Some(usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

/// Whether a refusal can come from the card standing elsewhere than believed: worth one more try
/// from a fresh selection. None of these statuses spends a PIN try.
pub(crate) fn may_be_misplaced(status: StatusWord) -> bool {
    matches!(
        status,
        StatusWord::CONDITIONS
            | StatusWord::NO_CURRENT_FILE
            | StatusWord::NOT_FOUND
            | StatusWord::NO_REFERENCE
            | StatusWord::BAD_PARAMETERS
            | StatusWord::BAD_CLASS
            | StatusWord::NO_CHANNEL
    )
}

pub(crate) const VERIFY: u8 = 0x20;

#[cfg(test)]
mod tests {
    use super::declared_size;
    use crate::script::hex;

    #[test]
    fn the_size_comes_from_either_kind_of_template() {
        let body = "25 80 02 00 0C 82 01 01 83 02 D0 03 88 01 E0 A1 12 8C 07 7B FF FF FF FF FF 00 \
            9C 07 7B FF FF FF FF FF 00 8A 01 05";
        assert_eq!(declared_size(&hex(&format!("62 {body}"))), Some(12));
        assert_eq!(declared_size(&hex(&format!("6F {body}"))), Some(12));
        let directory = "62 23 82 01 38 83 02 00 01 84 0D E828BD080F8025000001FF0010 \
            A1 08 8C 02 02 00 9C 02 02 00 8A 01 05";
        assert_eq!(declared_size(&hex(directory)), None);
        assert_eq!(declared_size(&[]), None);
        assert_eq!(declared_size(&hex("62 03 80 02 00")), None);
    }
}
