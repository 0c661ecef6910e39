//! What may be sent from this workstation: the daemon's rules for a submission session (domain page
//! "mssante", sections 6, 7 and 10.8). Operators check less: some let any sender through.

use cps_mail::smtp::Rules;
use cps_mail::{Address, Trouble};

use crate::config::{MailConfig, Outside};

/// The rules of one session.
///
/// - The sender is a mailbox of the holder, in whatever case it is written; or the null sender,
///   which read receipts have (RFC 8098 §3).
/// - Recipients are in the trust space, or it is done with them as configured.
/// - A message is no larger than configured, nor than what Mon espace santé takes if one of its
///   recipients is a patient.
pub struct SendingRules<W> {
    senders: Vec<Address>,
    domains: Vec<String>,
    outside: Outside,
    size_mib: u32,
    warn: W,
    message: Message,
}

impl<W: FnMut(&Address)> SendingRules<W> {
    /// Rules for a holder with these mailboxes. A message that goes to a recipient outside the trust
    /// space is told to `warn`, once, where the configuration wants a warning.
    pub fn new(senders: Vec<Address>, config: &MailConfig, warn: W) -> Self {
        Self {
            senders,
            domains: config.domains.clone(),
            outside: config.outside,
            size_mib: config.size_mib,
            warn,
            message: Message::default(),
        }
    }

    fn limit(&self, to_patient: bool) -> u32 {
        match to_patient {
            true => self.size_mib.min(PATIENT_MIB),
            false => self.size_mib,
        }
    }
}

impl<W: FnMut(&Address)> Rules for SendingRules<W> {
    fn sender(&mut self, from: Option<&Address>, size: Option<u64>) -> Result<(), Trouble> {
        self.message = Message {
            declared: size.unwrap_or_default(),
            ..Message::default()
        };
        if let Some(from) = from
            && !self.senders.iter().any(|own| own.is_same_mailbox(from))
        {
            return Err(Trouble::Sender);
        }
        check(self.message.declared, self.limit(false))
    }

    fn recipient(&mut self, to: &Address) -> Result<(), Trouble> {
        if !to.is_under(&self.domains) {
            match self.outside {
                Outside::Refuse => return Err(Trouble::Recipient),
                Outside::Warn if !self.message.warned => {
                    self.message.warned = true;
                    (self.warn)(to);
                }
                Outside::Warn | Outside::Allow => {}
            }
        }
        if to.is_patient() {
            check(self.message.declared, self.limit(true))?;
            self.message.to_patient = true;
        }
        Ok(())
    }

    fn size(&mut self, so_far: u64) -> Result<(), Trouble> {
        check(so_far, self.limit(self.message.to_patient))
    }
}

/// The message that began last.
#[derive(Default)]
struct Message {
    declared: u64,
    to_patient: bool,
    warned: bool,
}

fn check(size: u64, limit: u32) -> Result<(), Trouble> {
    match size > u64::from(limit) * MIB {
        true => Err(Trouble::TooLarge(limit)),
        false => Ok(()),
    }
}

const MIB: u64 = 1024 * 1024;

/// The largest message that Mon espace santé takes (domain page "mssante", section 7).
const PATIENT_MIB: u32 = 25;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect(text)
    }

    fn config(outside: Outside, size_mib: u32) -> MailConfig {
        MailConfig {
            outside,
            size_mib,
            ..MailConfig::default()
        }
    }

    fn rules(config: &MailConfig) -> SendingRules<impl FnMut(&Address) + use<>> {
        let own = [
            "jean.dupont@medecin.mssante.fr",
            "cabinet@cabinet.mssante.fr",
        ];
        SendingRules::new(own.map(address).to_vec(), config, |_| {})
    }

    #[test]
    fn only_the_holders_mailboxes_send() {
        let mut rules = rules(&MailConfig::default());
        for own in [
            "jean.dupont@medecin.mssante.fr",
            "Jean.Dupont@MEDECIN.mssante.fr",
            "cabinet@cabinet.mssante.fr",
        ] {
            assert_eq!(rules.sender(Some(&address(own)), None), Ok(()), "{own}");
        }
        for other in [
            "anne.martin@medecin.mssante.fr",
            "jean.dupont@cabinet.mssante.fr",
        ] {
            let refused = rules.sender(Some(&address(other)), None);
            assert_eq!(refused, Err(Trouble::Sender), "{other}");
        }
    }

    #[test]
    fn a_read_receipt_has_no_sender() {
        assert_eq!(rules(&MailConfig::default()).sender(None, None), Ok(()));
    }

    #[test]
    fn recipients_outside_are_treated_as_configured() {
        for (outside, answer, warnings) in [
            (Outside::Allow, Ok(()), 0),
            (Outside::Warn, Ok(()), 2),
            (Outside::Refuse, Err(Trouble::Recipient), 0),
        ] {
            let config = config(outside, 25);
            let own = address("jean.dupont@medecin.mssante.fr");
            let mut warned = 0;
            let mut rules = SendingRules::new(vec![own.clone()], &config, |_| warned += 1);
            for _message in 0..2 {
                assert_eq!(rules.sender(Some(&own), None), Ok(()));
                let inside = address("anne.martin@infirmier.mssante.fr");
                assert_eq!(rules.recipient(&inside), Ok(()));
                for outsider in ["someone@gmail.com", "someone@notmssante.fr"] {
                    assert_eq!(rules.recipient(&address(outsider)), answer, "{outside:?}");
                }
            }
            drop(rules);
            assert_eq!(warned, warnings, "{outside:?}");
        }
    }

    #[test]
    fn a_message_to_a_patient_has_the_limit_of_patients() {
        let config = config(Outside::Warn, 40);
        let mut rules = rules(&config);
        let doctor = address("anne.martin@infirmier.mssante.fr");
        let patient = address("279015935012345@patient.mssante.fr");
        let mib = |count: u64| count * 1024 * 1024;

        // Declared: refused as early as can be.
        assert_eq!(
            rules.sender(None, Some(mib(41))),
            Err(Trouble::TooLarge(40))
        );
        assert_eq!(rules.sender(None, Some(mib(30))), Ok(()));
        assert_eq!(rules.recipient(&patient), Err(Trouble::TooLarge(25)));
        // To the others it goes.
        assert_eq!(rules.recipient(&doctor), Ok(()));
        assert_eq!(rules.size(mib(30)), Ok(()));

        // Not declared: when it has come.
        assert_eq!(rules.sender(None, None), Ok(()));
        assert_eq!(rules.recipient(&patient), Ok(()));
        assert_eq!(rules.recipient(&doctor), Ok(()));
        assert_eq!(rules.size(mib(25)), Ok(()));
        assert_eq!(rules.size(mib(25) + 1), Err(Trouble::TooLarge(25)));

        // The next message is another one.
        assert_eq!(rules.sender(None, None), Ok(()));
        assert_eq!(rules.recipient(&doctor), Ok(()));
        assert_eq!(rules.size(mib(40)), Ok(()));
        assert_eq!(rules.size(mib(40) + 1), Err(Trouble::TooLarge(40)));
    }
}
