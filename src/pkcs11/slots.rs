//! Slots: where tokens appear. A token keeps its slot when it comes back, and slots never go.

use cps_api::types::{KeyPair, ModuleLogin, ModuleSettings, ObjectToken, Objects};
use cryptoki_sys::{
    CK_BBOOL, CK_EFFECTIVELY_INFINITE, CK_FALSE, CK_FLAGS, CK_SLOT_ID, CK_SLOT_INFO, CK_TOKEN_INFO,
    CK_ULONG, CK_UNAVAILABLE_INFORMATION, CK_VERSION, CKF_HW_SLOT, CKF_LOGIN_REQUIRED,
    CKF_PROTECTED_AUTHENTICATION_PATH, CKF_REMOVABLE_DEVICE, CKF_RNG, CKF_TOKEN_INITIALIZED,
    CKF_TOKEN_PRESENT, CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_INITIALIZED,
    CKF_USER_PIN_LOCKED, CKF_WRITE_PROTECTED,
};

use crate::module::Module;
use crate::objects::{Object, objects};
use crate::pointers::{Output, padded, write};
use crate::rv::Rv;

/// `C_GetSlotList`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn slot_list(
    present_only: CK_BBOOL,
    list: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    // SAFETY: by contract.
    let output = unsafe { Output::new(list, count) }?;
    let ids = module.tokens().slots.ids(present_only != CK_FALSE);
    output.give(&ids)
}

/// `C_GetSlotInfo`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn slot_info(id: CK_SLOT_ID, out: *mut CK_SLOT_INFO) -> Result<(), Rv> {
    let module = Module::current()?;
    let info = module.tokens().slots.get(id)?.info();
    // SAFETY: by contract.
    unsafe { write(out, info) }
}

/// `C_GetTokenInfo`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn token_info(id: CK_SLOT_ID, out: *mut CK_TOKEN_INFO) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut info = {
        let tokens = module.tokens();
        let (sessions, writers) = tokens.sessions.count(id);
        CK_TOKEN_INFO {
            ulSessionCount: sessions,
            ulRwSessionCount: writers,
            ..tokens.slots.token(id)?.info()
        }
    };
    info.flags |= face(&module.daemon.settings());
    // SAFETY: by contract.
    unsafe { write(out, info) }
}

/// How a token tells that its use needs a person. Not at all by default: the daemon asks whenever a
/// key is used, and Chromium cannot handle a protected authentication path.
fn face(settings: &ModuleSettings) -> CK_FLAGS {
    match settings.login {
        ModuleLogin::ProtectedPath => CKF_LOGIN_REQUIRED | CKF_PROTECTED_AUTHENTICATION_PATH,
        ModuleLogin::None | ModuleLogin::Other => 0,
    }
}

/// Every slot; its position is its number.
pub(crate) struct Slots(Vec<Slot>);

/// A place for a token.
#[derive(Default)]
pub(crate) struct Slot {
    token: Option<Token>,
    /// Which token was in it last.
    last: Option<Name>,
    /// Whether the daemon lists the token. One that was just started may still have to read it.
    listed: bool,
    /// Whether something happened that `C_WaitForSlotEvent` has not told yet.
    event: bool,
}

/// A token in a slot.
pub(crate) struct Token {
    pub(crate) description: ObjectToken,
    pub(crate) objects: Vec<Object>,
    /// Whether this program logged in to it.
    pub(crate) logged_in: bool,
}

/// What happened to the token of a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// A token is there.
    Came(CK_SLOT_ID),
    /// The token went: its sessions are over.
    Ended(CK_SLOT_ID),
}

/// What remains the same of a token through insertions: the card's serial number, and the pair.
type Name = (String, KeyPair);

impl Slots {
    /// The numbers of all slots, or of those with a token.
    fn ids(&self, present_only: bool) -> Vec<CK_SLOT_ID> {
        let all = self.0.iter().enumerate();
        all.filter(|(_, slot)| !present_only || slot.token.is_some())
            .map(|(index, _)| index as CK_SLOT_ID)
            .collect()
    }

    fn get(&self, id: CK_SLOT_ID) -> Result<&Slot, Rv> {
        let slot = usize::try_from(id).ok().and_then(|index| self.0.get(index));
        slot.ok_or(Rv::SLOT_ID_INVALID)
    }

    /// The token in a slot.
    pub(crate) fn token(&self, id: CK_SLOT_ID) -> Result<&Token, Rv> {
        self.get(id)?.token.as_ref().ok_or(Rv::TOKEN_NOT_PRESENT)
    }

    /// The token in a slot.
    pub(crate) fn token_mut(&mut self, id: CK_SLOT_ID) -> Result<&mut Token, Rv> {
        self.get(id)?;
        let slot = usize::try_from(id)
            .ok()
            .and_then(|index| self.0.get_mut(index));
        slot.and_then(|slot| slot.token.as_mut())
            .ok_or(Rv::TOKEN_NOT_PRESENT)
    }

    /// Fails unless there is such a slot.
    pub(crate) fn exists(&self, id: CK_SLOT_ID) -> Result<(), Rv> {
        self.get(id).map(|_| ())
    }

    /// This program is logged in to the token of a slot no more.
    pub(crate) fn log_out(&mut self, id: CK_SLOT_ID) {
        let slot = usize::try_from(id)
            .ok()
            .and_then(|index| self.0.get_mut(index));
        if let Some(token) = slot.and_then(|slot| slot.token.as_mut()) {
            token.logged_in = false;
        }
    }

    /// A slot whose token came or went, once each.
    pub(crate) fn take_event(&mut self) -> Option<CK_SLOT_ID> {
        let index = self.0.iter().position(|slot| slot.event)?;
        self.0[index].event = false;
        Some(index as CK_SLOT_ID)
    }

    /// These tokens are there, and no others. Another insertion is another token; but a daemon that
    /// was started again gives new names to what did not move, and may need a moment to see it:
    /// until then the token stays as it was last seen.
    pub(crate) fn show(&mut self, shown: &Objects, same_daemon: bool) -> Vec<Change> {
        let (tokens, login) = (&shown.tokens, shown.module.login);
        let mut changes = Vec::new();
        let mut placed = vec![false; tokens.len()];
        for (index, slot) in self.0.iter_mut().enumerate() {
            let id = index as CK_SLOT_ID;
            let named = same_daemon && slot.listed;
            let Some(token) = &mut slot.token else {
                continue;
            };
            let found = (0..tokens.len()).find(|index| match named {
                _ if placed[*index] => false,
                true => tokens[*index].id == token.description.id,
                false => same(&token.description, &tokens[*index]),
            });
            if let Some(found) = found {
                placed[found] = true;
                token.renew(&tokens[found], login);
                slot.listed = true;
            } else if !named && !shown.complete {
                slot.listed = false;
            } else {
                slot.token = None;
                slot.event = true;
                changes.push(Change::Ended(id));
            }
        }
        let new = tokens.iter().zip(placed).filter(|(_, placed)| !placed);
        for (token, _) in new {
            changes.push(Change::Came(self.place(token, login)));
        }
        changes
    }

    /// Puts a token in the slot where it was before, else in the first empty one.
    fn place(&mut self, description: &ObjectToken, login: ModuleLogin) -> CK_SLOT_ID {
        let name = name(description);
        let empty = |slot: &Slot| slot.token.is_none();
        let own = |slot: &Slot| empty(slot) && slot.last.as_ref() == Some(&name);
        let index = self.0.iter().position(own);
        let index = index.or_else(|| self.0.iter().position(empty));
        let index = index.unwrap_or_else(|| {
            self.0.push(Slot::default());
            self.0.len() - 1
        });
        self.0[index] = Slot {
            token: Some(Token::new(description, login)),
            last: Some(name),
            listed: true,
            event: true,
        };
        index as CK_SLOT_ID
    }
}

/// Programs that enumerate slots once see room for later cards.
impl Default for Slots {
    fn default() -> Self {
        Self(std::iter::repeat_with(Slot::default).take(LEAST).collect())
    }
}

impl Slot {
    fn info(&self) -> CK_SLOT_INFO {
        let token = self.token.as_ref();
        let reader = token.map_or("Card reader", |token| &token.description.reader);
        let present = if token.is_some() {
            CKF_TOKEN_PRESENT
        } else {
            0
        };
        CK_SLOT_INFO {
            slotDescription: padded(reader),
            manufacturerID: padded("cpsd"),
            flags: CKF_HW_SLOT | CKF_REMOVABLE_DEVICE | present,
            hardwareVersion: NO_VERSION,
            firmwareVersion: NO_VERSION,
        }
    }
}

impl Token {
    fn new(description: &ObjectToken, login: ModuleLogin) -> Self {
        Self {
            description: description.clone(),
            objects: objects(description, login),
            logged_in: false,
        }
    }

    /// The same token, as the daemon describes it now.
    fn renew(&mut self, description: &ObjectToken, login: ModuleLogin) {
        if self.description != *description {
            let logged_in = self.logged_in;
            *self = Self {
                logged_in,
                ..Self::new(description, login)
            };
        }
    }

    /// Whether programs see an object: private ones only after this program logged in. They remain
    /// after the daemon's login ended, for the daemon asks anew.
    pub(crate) fn shows(&self, object: &Object) -> bool {
        !object.private || self.logged_in
    }

    /// Whether sessions are in a user state: this program logged in, and the login still holds.
    pub(crate) fn is_logged_in(&self) -> bool {
        self.logged_in && self.description.logged_in
    }

    fn info(&self) -> CK_TOKEN_INFO {
        let token = &self.description;
        let pin = [
            (token.pin.count_low, CKF_USER_PIN_COUNT_LOW),
            (token.pin.final_try, CKF_USER_PIN_FINAL_TRY),
            (token.pin.locked, CKF_USER_PIN_LOCKED),
        ];
        let pin = pin.iter().filter(|(set, _)| *set).map(|(_, flag)| flag);
        let always =
            CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_WRITE_PROTECTED;
        CK_TOKEN_INFO {
            label: padded(&token.label),
            manufacturerID: padded(&token.manufacturer),
            model: padded(&token.model),
            serialNumber: padded(&token.serial),
            flags: pin.fold(always, |flags, flag| flags | flag),
            ulMaxSessionCount: CK_EFFECTIVELY_INFINITE,
            ulSessionCount: 0,
            ulMaxRwSessionCount: CK_EFFECTIVELY_INFINITE,
            ulRwSessionCount: 0,
            // No PIN passes here; the daemon knows what the card takes.
            ulMaxPinLen: 255,
            ulMinPinLen: 0,
            ulTotalPublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePublicMemory: CK_UNAVAILABLE_INFORMATION,
            ulTotalPrivateMemory: CK_UNAVAILABLE_INFORMATION,
            ulFreePrivateMemory: CK_UNAVAILABLE_INFORMATION,
            hardwareVersion: NO_VERSION,
            firmwareVersion: NO_VERSION,
            // The token has no clock.
            utcTime: [b' '; 16],
        }
    }
}

fn name(token: &ObjectToken) -> Name {
    (token.card.clone(), token.pair)
}

/// Whether two tokens of different names are one: the same card, with the same keys.
fn same(one: &ObjectToken, other: &ObjectToken) -> bool {
    let keys = |token: &ObjectToken| -> Vec<String> {
        token.keys.iter().map(|key| key.spki.clone()).collect()
    };
    name(one) == name(other) && keys(one) == keys(other)
}

/// Slots that exist from the beginning.
const LEAST: usize = 4;

/// Neither readers nor cards tell theirs.
const NO_VERSION: CK_VERSION = CK_VERSION { major: 0, minor: 0 };
