//! The one type that a program needs: a card.

mod directory;
mod freshness;
mod keys;
mod pins;
mod report;

use crate::apdu::{Protocol, StatusWord};
use crate::atr;
use crate::cps3::Cps3;
use crate::cps4::{self, Cps4};
use crate::driver::Driver;
use crate::error::{Error, Operation};
use crate::exchange::{Link, Position, State};
use crate::files::PublicFiles;
use crate::hex::Hex;
use crate::kind::Kind;
use crate::metier::UpdateDates;
use crate::read::{self, Extent};
use crate::serial::Serial;
use crate::tlv::Header;
use crate::transmit::Transmit;

/// A CPS card.
///
/// It owns no transport: each operation is handed one, and the caller makes sure that nobody else
/// talks to the card meanwhile (a PC/SC transaction). Between operations it remembers where the
/// card stands, and what public files it read; [`forget_position`](Self::forget_position) after a
/// reset. No operation spends a PIN try unless its name says so, and none is repeated once a PIN
/// was refused.
pub struct Card {
    atr: Hex,
    kind: Kind,
    recognised: bool,
    pin_allowed: bool,
    serial: Serial,
    state: State,
    update: Option<UpdateState>,
    files: PublicFiles,
}

/// Whether the card was updated on line since it was issued (EF_ACTUA).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UpdateState {
    /// Never, or the card does not say (contactless, CPS4).
    Never,
    /// It was; the dates change at every update.
    Done {
        /// Content of EF_ACTUA.
        raw: Vec<u8>,
        /// What it says.
        dates: UpdateDates,
    },
    /// An update was begun and not finished: the official software then calls the card unusable.
    /// Its certificates stay readable. The holder should run the update again.
    Unfinished {
        /// Content of EF_ACTUA, possibly empty.
        raw: Vec<u8>,
    },
}

impl Card {
    /// Recognises a card by its ATR and reads its serial number.
    ///
    /// One command on a CPS3 and two on a CPS4 when the card was just inserted. A French health
    /// card with an unknown ATR is asked a few harmless questions to find the driver that fits; see
    /// [`recognised`](Self::recognised).
    ///
    /// # Errors
    /// [`Error::UnknownCard`] when it is not a CPS card, else what the card answered.
    pub fn open(
        atr: &[u8],
        protocol: Protocol,
        transmit: &mut dyn Transmit,
    ) -> Result<Self, Error> {
        let unknown = || Error::UnknownCard { atr: atr.to_vec() };
        let known = atr::kind(atr);
        let candidates: &[Kind] = match &known {
            Some(kind) => core::slice::from_ref(kind),
            None if atr::is_french_health_card(atr) => &[Kind::Cps3, Kind::Cps4],
            None => return Err(unknown()),
        };
        for kind in candidates {
            let mut state = State {
                driver: driver(*kind),
                protocol,
                position: Position::Unknown,
            };
            let mut link = Link::new(&mut state, transmit, Operation::Identify);
            let serial = match identify(&mut link, *kind) {
                Ok(serial) => serial,
                Err(error @ Error::Transmit { .. }) => return Err(error),
                Err(error) if known.is_some() => return Err(error),
                Err(_) => continue,
            };
            if known.is_none() && !answers_like(&mut link, *kind)? {
                continue;
            }
            return Ok(Self {
                atr: Hex::from(atr),
                kind: *kind,
                recognised: known.is_some(),
                pin_allowed: known.is_some(),
                files: PublicFiles::new(*kind, serial.clone()),
                serial,
                state,
                update: None,
            });
        }
        Err(unknown())
    }

    /// Reads whether the card was updated on line. One command on most cards; none on a CPS4 and
    /// contactless.
    ///
    /// # Errors
    /// What the card answered.
    pub fn update_state(&mut self, transmit: &mut dyn Transmit) -> Result<UpdateState, Error> {
        if let Some(known) = &self.update {
            return Ok(known.clone());
        }
        let update = match self.kind {
            Kind::Cps3 => read_update(&mut Link::new(
                &mut self.state,
                transmit,
                Operation::ReadUpdateState,
            ))?,
            Kind::Cps3Contactless | Kind::Cps4 => UpdateState::Never,
        };
        self.files.set_update(match &update {
            UpdateState::Never => None,
            UpdateState::Done { raw, .. } | UpdateState::Unfinished { raw } => {
                Some(Hex::from(&raw[..]))
            }
        });
        self.update = Some(update.clone());
        Ok(update)
    }

    /// Takes over what was read from this card before. Call it after
    /// [`update_state`](Self::update_state); returns false, and takes nothing, when the files are
    /// those of another card, or are older than its last update.
    pub fn restore(&mut self, files: PublicFiles) -> bool {
        match self.update {
            None | Some(UpdateState::Unfinished { .. }) => false,
            Some(_) => self.files.take(files),
        }
    }

    /// Forgets where the card stands: after a reset, or when another program may have moved it.
    pub fn forget_position(&mut self) {
        self.state.position = Position::Unknown;
    }

    /// Forgets every file that was read or restored, for instance when a signature does not fit
    /// the certificate of a restored file.
    pub fn forget_files(&mut self) {
        self.files.clear();
    }

    /// Allows PIN and PUK to be sent to a card whose ATR is not a known one. Only on an explicit
    /// configuration that names the card.
    pub fn allow_pin_on_unrecognised(&mut self) {
        self.pin_allowed = true;
    }

    /// The ATR.
    pub fn atr(&self) -> &[u8] {
        &self.atr
    }

    /// Which profile the card follows.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The public files read or restored so far.
    pub fn public_files(&self) -> &PublicFiles {
        &self.files
    }

    /// Whether its ATR is one of the known ones. If not, its profile is a guess, and it is not sent
    /// a PIN.
    pub fn recognised(&self) -> bool {
        self.recognised
    }

    /// The serial number.
    pub fn serial(&self) -> &Serial {
        &self.serial
    }
}

fn driver(kind: Kind) -> &'static dyn Driver {
    match kind {
        Kind::Cps3 | Kind::Cps3Contactless => &Cps3,
        Kind::Cps4 => &Cps4,
    }
}

/// Reads EF.SN: by short identifier, which works where a card stands after its insertion; by path
/// when that does not give a serial number.
fn identify(link: &mut Link<'_>, kind: Kind) -> Result<Serial, Error> {
    if kind == Kind::Cps4 {
        open_channel(link)?;
    }
    match read::short_file(
        link,
        SERIAL_SHORT_ID,
        Extent::Length(SERIAL_SIZE),
        SERIAL_SIZE as u16,
    )
    .map(|content| Serial::read(&content.bytes))
    {
        Ok(Some(serial)) => {
            link.state.position = Position::mf();
            return Ok(serial);
        }
        Err(error @ Error::Transmit { .. }) => return Err(error),
        Ok(None) | Err(_) => {}
    }
    let size = link.open(SERIAL_FILE)?;
    let content = read::current_file(link, 0, size, Extent::FirstTlv, SERIAL_SIZE as u16)?;
    Serial::read(&content.bytes).ok_or(Error::Malformed {
        what: "serial number",
    })
}

fn open_channel(link: &mut Link<'_>) -> Result<(), Error> {
    let mut answer = link.exchange(&cps4::open_channel())?;
    if !answer.status.is_success() {
        for select in cps4::deselect_and_select() {
            answer = link.exchange(&select)?;
        }
    }
    if !answer.status.is_success() {
        return Err(link.refused(answer.status));
    }
    link.state.position = Position::mf();
    Ok(())
}

/// Whether a card of unknown ATR describes its files as cards of this kind do: `62` on a CPS3,
/// `6F` on a CPS4.
fn answers_like(link: &mut Link<'_>, kind: Kind) -> Result<bool, Error> {
    let describe = link.state.driver.describe(SERIAL_FILE);
    let answer = link.ask(&describe)?;
    link.state.position = Position::Unknown;
    let expected = if kind == Kind::Cps4 { 0x6F } else { 0x62 };
    Ok(answer.status.is_success() && answer.data.first() == Some(&expected))
}

fn read_update(link: &mut Link<'_>) -> Result<UpdateState, Error> {
    let size = match link.open(UPDATE_FILE) {
        Ok(size) => size,
        Err(Error::Refused {
            status: StatusWord::NOT_FOUND,
            ..
        }) => {
            return Ok(UpdateState::Never);
        }
        Err(error) => return Err(error),
    };
    // A file that ends too early is not an error here: it is what an unfinished update leaves.
    let whole = |content: &[u8]| {
        let total = Header::read(content).ok().and_then(|header| header.total());
        total.is_some_and(|total| total <= content.len())
    };
    let raw = read::current_file(link, 0, size, Extent::Until(&whole), UPDATE_SIZE)?.bytes;
    Ok(match UpdateDates::parse(&raw) {
        Ok(dates) if dates.start.is_some() && dates.end.is_some() => {
            UpdateState::Done { raw, dates }
        }
        _ => UpdateState::Unfinished { raw },
    })
}

/// EF.SN.ICC, which every card of the family has at this place.
const SERIAL_FILE: &[u8] = &[0x3F, 0x00, 0xD0, 0x03];
const SERIAL_SHORT_ID: u8 = 0x1C;
const SERIAL_SIZE: usize = 12;
/// EF_ACTUA. Its size is a guess for the first READ BINARY only.
const UPDATE_FILE: &[u8] = &[0x3F, 0x00, 0xD0, 0x10];
const UPDATE_SIZE: u16 = 20;

#[cfg(test)]
mod tests;
