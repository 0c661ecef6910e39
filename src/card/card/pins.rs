//! PIN and PUK.

use super::Card;
use crate::apdu::{Command, StatusWord};
use crate::cps3;
use crate::driver::{VERIFY, may_be_misplaced};
use crate::error::{Error, Operation};
use crate::exchange::{Link, Position};
use crate::pin::{Pin, PinRole, PinRules, Tries};
use crate::pkcs15::aodf::{self, PinObject};
use crate::pkcs15::odf::Directory;
use crate::pkcs15::prkdf;
use crate::transmit::Transmit;

impl Card {
    /// What the card declares about a code.
    ///
    /// # Errors
    /// [`Error::NotPresent`] when the card has no such code (contactless), else what the card
    /// answered.
    pub fn pin_rules(
        &mut self,
        transmit: &mut dyn Transmit,
        role: PinRole,
    ) -> Result<PinRules, Error> {
        let all = self.entries(transmit, Directory::Authentication, aodf::read)?;
        // More than one candidate: the keys say which one opens them.
        let needed = match aodf::pins(&all).nth(1) {
            Some(_) => self.key_auth_id(transmit)?,
            None => None,
        };
        let pin = aodf::pins(&all)
            .find(|pin| needed.as_ref() == Some(&pin.rules.auth_id))
            .or_else(|| aodf::pins(&all).next());
        let found = match role {
            PinRole::Pin => pin,
            PinRole::Puk => aodf::puk(&all, pin),
        };
        match found {
            None => Err(Error::NotPresent {
                what: role.to_string(),
            }),
            Some(PinObject {
                supported: false, ..
            }) => Err(Error::Unsupported {
                what: "codes of this type with this program",
            }),
            Some(found) => Ok(found.rules.clone()),
        }
    }

    /// Reads how many tries are left. Spends none, and leaves the card where a PIN command wants
    /// it.
    ///
    /// # Errors
    /// As [`pin_rules`](Self::pin_rules).
    pub fn tries(&mut self, transmit: &mut dyn Transmit, role: PinRole) -> Result<Tries, Error> {
        let rules = self.pin_rules(transmit, role)?;
        let mut link = Link::new(&mut self.state, transmit, Operation::ReadTries);
        link.enter(&rules.holder)?;
        let driver = link.state.driver;
        let question = driver.tries_question(&rules);
        let mut answer = link.ask(&question)?;
        if let Some(tries) = driver.tries_answer(&rules, answer.status, &answer.data) {
            return Ok(tries);
        }
        // A card that does not describe the code may still answer the general question.
        let general = cps3::empty_verify(driver.class(), &rules);
        if question != general {
            answer = link.ask(&general)?;
        }
        cps3::empty_verify_answer(answer.status).ok_or_else(|| link.refused(answer.status))
    }

    /// Verifies a code: **spends a try when it is wrong**.
    ///
    /// # Errors
    /// [`Error::PinFormat`] when the code cannot be right: nothing was sent, no try is spent.
    /// [`Error::PinIncorrect`] with the tries left, [`Error::PinBlocked`] when there are none.
    pub fn verify(
        &mut self,
        transmit: &mut dyn Transmit,
        role: PinRole,
        pin: &Pin,
    ) -> Result<(), Error> {
        let rules = self.usable(transmit, role)?;
        let code = pin.encode(role, &rules)?;
        let mut link = Link::new(&mut self.state, transmit, Operation::VerifyPin);
        let status = verify(&mut link, &rules, &code)?;
        Self::judge(role, status, Operation::VerifyPin)
    }

    /// Changes the PIN: **spends a try when the old one is wrong**.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), about either code.
    pub fn change_pin(
        &mut self,
        transmit: &mut dyn Transmit,
        old: &Pin,
        new: &Pin,
    ) -> Result<(), Error> {
        let rules = self.usable(transmit, PinRole::Pin)?;
        let old = old.encode(PinRole::Pin, &rules)?;
        let new = new.encode(PinRole::Pin, &rules)?;
        let mut link = Link::new(&mut self.state, transmit, Operation::ChangePin);
        enter_for_pin(&mut link, &rules)?;
        let status = link.state.driver.change(&mut link, &rules, &old, &new)?;
        Self::judge(PinRole::Pin, status, Operation::ChangePin)
    }

    /// Gives a new PIN with the PUK, whether the old one is blocked or not: **spends a try of the
    /// PUK when it is wrong**.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), about the PUK; [`Error::PinFormat`] about either code.
    pub fn unblock_pin(
        &mut self,
        transmit: &mut dyn Transmit,
        puk: &Pin,
        new: &Pin,
    ) -> Result<(), Error> {
        let puk_rules = self.usable(transmit, PinRole::Puk)?;
        let pin_rules = self.usable(transmit, PinRole::Pin)?;
        let puk = puk.encode(PinRole::Puk, &puk_rules)?;
        let new = new.encode(PinRole::Pin, &pin_rules)?;
        let mut link = Link::new(&mut self.state, transmit, Operation::UnblockPin);
        enter_for_pin(&mut link, &puk_rules)?;
        let status = verify(&mut link, &puk_rules, &puk)?;
        Self::judge(PinRole::Puk, status, Operation::UnblockPin)?;
        let mut link = Link::new(&mut self.state, transmit, Operation::UnblockPin);
        let status = link.state.driver.reset(&mut link, &pin_rules, &new)?;
        // What still refuses now is the right to unblock, not the new code.
        Self::judge(PinRole::Puk, status, Operation::UnblockPin)
    }

    /// The rules of a code that may be sent to this card.
    fn usable(&mut self, transmit: &mut dyn Transmit, role: PinRole) -> Result<PinRules, Error> {
        match self.pin_allowed {
            true => self.pin_rules(transmit, role),
            false => Err(Error::Unrecognised),
        }
    }

    fn key_auth_id(&mut self, transmit: &mut dyn Transmit) -> Result<Option<Vec<u8>>, Error> {
        let keys = self.entries(transmit, Directory::PrivateKeys, prkdf::read)?;
        Ok(keys.into_iter().find_map(|key| key.auth_id))
    }

    fn judge(role: PinRole, status: StatusWord, operation: Operation) -> Result<(), Error> {
        match status {
            _ if status.is_success() => Ok(()),
            StatusWord::BLOCKED => Err(Error::PinBlocked { role }),
            StatusWord(0x6300) => Err(Error::PinIncorrect { role, left: None }),
            _ => Err(match status.tries_left() {
                Some(left) => Error::PinIncorrect {
                    role,
                    left: Some(left),
                },
                None => Error::Refused { operation, status },
            }),
        }
    }
}

/// Sends VERIFY where the card stands when the code is valid everywhere, else in the directory
/// that holds it. A card that does not find the code where it stands spends no try: it is then
/// asked once more from that directory.
fn verify(link: &mut Link<'_>, rules: &PinRules, code: &[u8]) -> Result<StatusWord, Error> {
    let command =
        Command::new(link.state.driver.class(), VERIFY, 0x00, rules.reference).with_data(code);
    let global = rules.reference & LOCAL == 0;
    if link.state.position != Position::Unknown || !global {
        enter_for_pin(link, rules)?;
        return Ok(link.ask(&command)?.status);
    }
    let status = link.ask(&command)?.status;
    if !may_be_misplaced(status) {
        return Ok(status);
    }
    enter_for_pin(link, rules)?;
    Ok(link.ask(&command)?.status)
}

fn enter_for_pin(link: &mut Link<'_>, rules: &PinRules) -> Result<(), Error> {
    if link.state.position.is_in(&rules.holder) {
        return Ok(());
    }
    let select = link.state.driver.select_pin_holder(&rules.holder);
    link.require(&select)?;
    link.state.position = Position::in_directory(&rules.holder);
    Ok(())
}

const LOCAL: u8 = 0x80;
