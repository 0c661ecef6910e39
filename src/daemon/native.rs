//! The native card driver as a token ([`crate::token::Token`]): login state, selection of keys and
//! certificates, check of each signature, and repetition of what a reset interrupted.

mod check;
mod data;
mod token;

use std::sync::Arc;

use cps_card::{
    Card, CertificateEntry, Error, Hex, Kind, Protocol, Serial, Transmit, Tries, UpdateState,
};
use cps_identity::{Candidate, Certificate, select};
use jiff::Timestamp;

use crate::cache::Cache;
use crate::cards::Warning;
use crate::readers::Exchange;
use crate::token::{CertificateRole, TokenCertificate, TokenError};

pub use self::check::Comparison;

/// What is known of one card between operations.
pub struct Native {
    card: Card,
    certificates: Vec<Known>,
    /// Whether all certificates were read, not only the one that identifies the holder.
    complete: bool,
    /// Whether files of an earlier insertion are relied upon.
    from_cache: bool,
    logged_in: bool,
    logout_requested: bool,
    protocol: Protocol,
    stored: usize,
    tries: Option<Tries>,
    /// The card was reset: its serial number is read again before anything else.
    unchecked: bool,
    /// Why a certificate could not be read. It is tried again when asked for.
    unread: Option<TokenError>,
    warnings: Vec<Warning>,
    was_reset: bool,
}

/// A certificate with where it came from.
struct Known {
    entry: CertificateEntry,
    token: TokenCertificate,
}

/// A card during one operation.
pub struct NativeToken<'a> {
    native: &'a mut Native,
    wire: &'a mut dyn Exchange,
}

impl Native {
    /// Recognises a card and reads its serial number. A card of an unknown version is sent no PIN
    /// unless its ATR is one of `accepted`.
    pub fn open(
        atr: &[u8],
        protocol: Protocol,
        accepted: &[Hex],
        wire: &mut dyn Transmit,
    ) -> Result<Self, TokenError> {
        let mut card = Card::open(atr, protocol, wire)?;
        if accepted.iter().any(|known| **known == *atr) {
            card.allow_pin_on_unrecognised();
        }
        let warnings = match card.recognised() {
            true => Vec::new(),
            false => vec![Warning::UnrecognisedVersion],
        };
        Ok(Self {
            card,
            certificates: Vec::new(),
            complete: false,
            from_cache: false,
            logged_in: false,
            logout_requested: false,
            protocol,
            stored: 0,
            tries: None,
            unchecked: false,
            unread: None,
            warnings,
            was_reset: false,
        })
    }

    /// Learns who holds the card, from one certificate: out of the cache if that is of this card
    /// in its present state, else read.
    pub fn read_identity(
        &mut self,
        cache: Option<&Cache>,
        wire: &mut dyn Transmit,
    ) -> Result<(), TokenError> {
        if let UpdateState::Unfinished { .. } = self.card.update_state(wire)? {
            self.warnings.push(Warning::UpdateUnfinished);
        }
        if let Some(files) = cache.and_then(|cache| cache.load(self.card.serial())) {
            self.from_cache = self.card.restore(files);
            self.stored = self.card.public_files().len();
        }
        let serial = self.card.serial().clone();
        let forget = || cache.into_iter().for_each(|cache| cache.remove(&serial));
        match self.read_first_certificate(wire) {
            Err(error) if self.from_cache && !is_transport(&error) => {
                tracing::warn!(%error, card = %self.card.serial(), "what was cached of the card is of no use");
                self.distrust_cache();
                forget();
                self.read_first_certificate(wire)
            }
            Ok(()) if self.from_cache && self.has_expired() => {
                tracing::info!(card = %self.card.serial(), "the cached certificate has expired, reading the card again");
                self.distrust_cache();
                forget();
                self.read_first_certificate(wire)
            }
            result => result,
        }
    }

    /// Keeps what was read, if there is more than what was kept before.
    pub fn store(&mut self, cache: Option<&Cache>) {
        let files = self.card.public_files();
        let unfinished = self.warnings.contains(&Warning::UpdateUnfinished);
        if let Some(cache) = cache
            && files.len() != self.stored
            && !unfinished
        {
            cache.store(files);
            self.stored = files.len();
        }
    }

    /// The card was reset by others.
    pub fn after_reset(&mut self) {
        self.card.forget_position();
        self.logged_in = false;
        self.unchecked = true;
        self.was_reset = true;
    }

    /// Others may have used the card.
    pub fn forget_position(&mut self) {
        self.card.forget_position();
    }

    /// The connection broke: whatever the PIN state is, it is not relied upon.
    pub fn connection_lost(&mut self) {
        self.card.forget_position();
        self.logged_in = false;
        self.unchecked = true;
    }

    /// Whether a reset was noticed since the last call.
    pub fn take_reset(&mut self) -> bool {
        std::mem::take(&mut self.was_reset)
    }

    /// Whether the PIN state is to be taken from the card now.
    pub fn take_logout_request(&mut self) -> bool {
        std::mem::take(&mut self.logout_requested)
    }

    /// Which card.
    pub fn serial(&self) -> &Serial {
        self.card.serial()
    }

    /// Which profile.
    pub fn kind(&self) -> Kind {
        self.card.kind()
    }

    /// Whether the PIN was verified by us, as far as is known.
    pub fn logged_in(&self) -> bool {
        self.logged_in
    }

    /// The certificates read so far.
    pub fn known_certificates(&self) -> Vec<TokenCertificate> {
        self.certificates
            .iter()
            .map(|known| known.token.clone())
            .collect()
    }

    /// The PIN tries as last told.
    pub fn known_tries(&self) -> Option<Tries> {
        self.tries
    }

    /// What the holder should know.
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    fn read_first_certificate(&mut self, wire: &mut dyn Transmit) -> Result<(), TokenError> {
        let entries = self.certificate_entries(wire)?;
        // All certificates of a card have the same holder; the label only says which is the
        // better one to begin with.
        let first = entries
            .iter()
            .find(|entry| entry.label.contains(AUTHENTICATION_LABEL))
            .or_else(|| entries.first())
            .ok_or_else(|| TokenError::NotPresent("certificate".to_owned()))?;
        let known = self.read_certificate(first, wire)?;
        self.complete = entries.len() == 1;
        self.certificates = vec![known];
        self.assign_roles();
        Ok(())
    }

    fn read_all_certificates(&mut self, wire: &mut dyn Transmit) -> Result<(), TokenError> {
        let mut all = Vec::new();
        self.unread = None;
        for entry in self.certificate_entries(wire)? {
            let position = self
                .certificates
                .iter()
                .position(|known| known.entry == entry);
            match position {
                Some(position) => all.push(self.certificates.swap_remove(position)),
                None => match self.read_certificate(&entry, wire) {
                    Ok(known) => all.push(known),
                    Err(error @ (TokenError::Malformed(_) | TokenError::Refused { .. })) => {
                        tracing::warn!(%error, label = entry.label, "a certificate of the card cannot be read");
                        self.unread = Some(error);
                    }
                    Err(error) => {
                        self.certificates.append(&mut all);
                        return Err(error);
                    }
                },
            }
        }
        self.certificates = all;
        self.complete = self.unread.is_none();
        self.assign_roles();
        Ok(())
    }

    fn certificate_entries(
        &mut self,
        wire: &mut dyn Transmit,
    ) -> Result<Vec<CertificateEntry>, TokenError> {
        let mut entries = self.card.certificates(wire)?;
        entries.retain(|entry| !entry.authority);
        entries.truncate(MAX_CERTIFICATES);
        Ok(entries)
    }

    fn read_certificate(
        &mut self,
        entry: &CertificateEntry,
        wire: &mut dyn Transmit,
    ) -> Result<Known, TokenError> {
        let der = self.card.read_certificate(wire, entry)?;
        let certificate = Certificate::from_der(&der)
            .map_err(|error| TokenError::Malformed(format!("{}: {error}", entry.label)))?;
        Ok(Known {
            entry: entry.clone(),
            token: TokenCertificate {
                role: CertificateRole::Other,
                label: entry.label.clone(),
                certificate: Arc::new(certificate),
            },
        })
    }

    fn assign_roles(&mut self) {
        let contactless = self.card.kind() == Kind::Cps3Contactless;
        let technical = |known: &Known| contactless || known.entry.label.contains(TECHNICAL_LABEL);
        let selection = select(
            self.certificates.iter().map(|known| Candidate {
                certificate: &known.token.certificate,
                technical: technical(known),
            }),
            Timestamp::now(),
        );
        for (index, known) in self.certificates.iter_mut().enumerate() {
            known.token.role = if selection.authentication == Some(index) {
                CertificateRole::Authentication
            } else if selection.signature == Some(index) {
                CertificateRole::Signature
            } else if technical(known) {
                CertificateRole::Technical
            } else {
                CertificateRole::Other
            };
        }
    }

    fn has_expired(&self) -> bool {
        let now = Timestamp::now();
        self.certificates
            .iter()
            .any(|known| known.token.certificate.not_after() < now)
    }

    fn distrust_cache(&mut self) {
        self.card.forget_files();
        self.certificates.clear();
        self.complete = false;
        self.from_cache = false;
        self.stored = 0;
    }
}

/// Whether the card could not be reached, rather than answered something of no use.
fn is_transport(error: &TokenError) -> bool {
    matches!(
        error,
        TokenError::Mute | TokenError::Reader(_) | TokenError::Removed | TokenError::Reset
    )
}

/// Whether an error is the report of a reset.
fn is_reset<R>(result: &Result<R, Error>) -> bool {
    matches!(
        result,
        Err(Error::Transmit {
            source: cps_card::TransmitError::Reset,
            ..
        })
    )
}

/// In the labels that ANS gives to the certificates of a card (Cryptolib CPS external
/// specification, table 3).
const AUTHENTICATION_LABEL: &str = "Authentification";
const TECHNICAL_LABEL: &str = "Technique";
/// A card holds two, or one when contactless.
const MAX_CERTIFICATES: usize = 8;
