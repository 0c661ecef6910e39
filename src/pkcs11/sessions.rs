//! Sessions: a program's connections to a token, and its login.

use std::collections::BTreeMap;

use cps_api::types::ProgramPin;
use cryptoki_sys::{
    CK_FLAGS, CK_NOTIFY, CK_SESSION_HANDLE, CK_SESSION_INFO, CK_SLOT_ID, CK_STATE, CK_ULONG,
    CK_USER_TYPE, CK_UTF8CHAR, CK_VOID_PTR, CKF_RW_SESSION, CKF_SERIAL_SESSION,
    CKR_OPERATION_NOT_INITIALIZED, CKR_SESSION_PARALLEL_NOT_SUPPORTED, CKR_USER_ALREADY_LOGGED_IN,
    CKR_USER_NOT_LOGGED_IN, CKR_USER_TYPE_INVALID, CKS_RO_PUBLIC_SESSION, CKS_RO_USER_FUNCTIONS,
    CKS_RW_PUBLIC_SESSION, CKS_RW_USER_FUNCTIONS, CKU_CONTEXT_SPECIFIC, CKU_USER,
};

use crate::crypto::{Begun, Decrypting};
use crate::module::Module;
use crate::operations::{Digest, Encryption, Signing, Verification};
use crate::pointers::write;
use crate::rv::Rv;
use crate::search::{Fetched, Search};
use crate::slots::Token;
use crate::tokens::Tokens;

/// `C_OpenSession`. Never calls `notify`: there is nothing that the host should give up waiting for.
/// A read-write session is opened, though nothing can be written: ssh asks for no other.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn open_session(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: CK_VOID_PTR,
    _notify: CK_NOTIFY,
    out: *mut CK_SESSION_HANDLE,
) -> Result<(), Rv> {
    let module = Module::current()?;
    if out.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    if flags & CKF_SERIAL_SESSION == 0 {
        return Err(Rv(CKR_SESSION_PARALLEL_NOT_SUPPORTED));
    }
    let mut tokens = module.tokens();
    tokens.slots.token(slot)?;
    let handle = tokens.sessions.open(slot, flags & CKF_RW_SESSION != 0);
    // SAFETY: by contract.
    unsafe { write(out, handle) }
}

/// `C_CloseSession`.
pub(crate) fn close_session(handle: CK_SESSION_HANDLE) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut tokens = module.tokens();
    let closed = tokens.sessions.close(handle)?;
    tokens.forget_login_without_sessions(closed.slot);
    Ok(())
}

/// `C_CloseAllSessions`.
pub(crate) fn close_all_sessions(slot: CK_SLOT_ID) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut tokens = module.tokens();
    tokens.slots.exists(slot)?;
    tokens.sessions.end(slot);
    tokens.forget_login_without_sessions(slot);
    Ok(())
}

/// `C_GetSessionInfo`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn session_info(
    handle: CK_SESSION_HANDLE,
    out: *mut CK_SESSION_INFO,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let info = {
        let tokens = module.tokens();
        let (session, token) = tokens.session(handle)?;
        let writes = if session.writes { CKF_RW_SESSION } else { 0 };
        CK_SESSION_INFO {
            slotID: session.slot,
            state: state(session, token),
            flags: CKF_SERIAL_SESSION | writes,
            ulDeviceError: 0,
        }
    };
    // SAFETY: by contract.
    unsafe { write(out, info) }
}

/// `C_Login`: the daemon asks the person. A PIN given is never read (see `docs/pkcs11.md`).
pub(crate) fn login(
    handle: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    pin_length: CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let given = !pin.is_null() && pin_length > 0;
    let refused = given && module.daemon.settings().program_pin != ProgramPin::Ignore;
    let card = {
        let tokens = module.tokens();
        let (session, token) = tokens.session(handle)?;
        match user {
            CKU_USER if token.is_logged_in() => return Err(Rv(CKR_USER_ALREADY_LOGGED_IN)),
            CKU_USER | CKU_CONTEXT_SPECIFIC if refused => return Err(Rv::ARGUMENTS_BAD),
            CKU_USER => token.description.card.clone(),
            // For one use of a key. The daemon asks when that comes.
            CKU_CONTEXT_SPECIFIC if session.uses_key() => return Ok(()),
            CKU_CONTEXT_SPECIFIC => return Err(Rv(CKR_OPERATION_NOT_INITIALIZED)),
            _ => return Err(Rv(CKR_USER_TYPE_INVALID)),
        }
    };
    module.daemon.ask(|client| client.login(Some(&card)))?;
    // Programs ask at once whether they are logged in.
    module.daemon.doubt();
    let mut tokens = module.tokens();
    let slot = tokens.session(handle)?.0.slot;
    tokens.slots.token_mut(slot)?.logged_in = true;
    Ok(())
}

/// `C_Logout`: this program's login only. That of the daemon serves other programs too, and ends as
/// its configuration says.
pub(crate) fn logout(handle: CK_SESSION_HANDLE) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut tokens = module.tokens();
    let (session, token) = tokens.session(handle)?;
    if !token.logged_in {
        return Err(Rv(CKR_USER_NOT_LOGGED_IN));
    }
    let slot = session.slot;
    tokens.slots.log_out(slot);
    Ok(())
}

/// Every open session.
#[derive(Default)]
pub(crate) struct Sessions {
    open: BTreeMap<CK_SESSION_HANDLE, Session>,
    last: CK_SESSION_HANDLE,
}

/// A connection to a token, and what was begun on it.
pub(crate) struct Session {
    pub(crate) slot: CK_SLOT_ID,
    /// Opened to write, which nothing allows.
    writes: bool,
    pub(crate) decryption: Option<Begun<Decrypting>>,
    pub(crate) digest: Option<Begun<Digest>>,
    pub(crate) encryption: Option<Begun<Encryption>>,
    pub(crate) search: Option<Search>,
    pub(crate) signing: Option<Begun<Signing>>,
    pub(crate) verification: Option<Begun<Verification>>,
    /// A value whose length was asked for: the question for the value itself follows.
    pub(crate) fetched: Option<Fetched>,
}

impl Session {
    fn new(slot: CK_SLOT_ID, writes: bool) -> Self {
        Self {
            slot,
            writes,
            decryption: None,
            digest: None,
            encryption: None,
            search: None,
            signing: None,
            verification: None,
            fetched: None,
        }
    }

    /// Whether an operation with a private key was begun.
    fn uses_key(&self) -> bool {
        self.signing.is_some() || self.decryption.is_some()
    }
}

impl Sessions {
    /// A handle is never given twice.
    fn open(&mut self, slot: CK_SLOT_ID, writes: bool) -> CK_SESSION_HANDLE {
        self.last += 1;
        self.open.insert(self.last, Session::new(slot, writes));
        self.last
    }

    fn close(&mut self, handle: CK_SESSION_HANDLE) -> Result<Session, Rv> {
        self.open.remove(&handle).ok_or(Rv::SESSION_HANDLE_INVALID)
    }

    /// Closes every session with the token of a slot.
    pub(crate) fn end(&mut self, slot: CK_SLOT_ID) {
        self.open.retain(|_, session| session.slot != slot);
    }

    /// How many sessions a slot has, and how many of them were opened to write.
    pub(crate) fn count(&self, slot: CK_SLOT_ID) -> (CK_ULONG, CK_ULONG) {
        let of_slot = self.open.values().filter(|session| session.slot == slot);
        of_slot.fold((0, 0), |(all, writers), session| {
            (all + 1, writers + CK_ULONG::from(session.writes))
        })
    }
}

impl Tokens {
    /// An open session, and its token.
    ///
    /// # Errors
    /// `CKR_SESSION_HANDLE_INVALID`: sessions end with their token.
    pub(crate) fn session(&self, handle: CK_SESSION_HANDLE) -> Result<(&Session, &Token), Rv> {
        let session = self.sessions.open.get(&handle);
        let session = session.ok_or(Rv::SESSION_HANDLE_INVALID)?;
        Ok((session, self.slots.token(session.slot)?))
    }

    /// As [`Self::session`], to begin something or to go on with it.
    ///
    /// # Errors
    /// As [`Self::session`].
    pub(crate) fn session_mut(
        &mut self,
        handle: CK_SESSION_HANDLE,
    ) -> Result<(&mut Session, &Token), Rv> {
        let session = self.sessions.open.get_mut(&handle);
        let session = session.ok_or(Rv::SESSION_HANDLE_INVALID)?;
        let token = self.slots.token(session.slot)?;
        Ok((session, token))
    }

    /// A program that closed its last session is logged out (PKCS#11 2.40, C_CloseSession).
    fn forget_login_without_sessions(&mut self, slot: CK_SLOT_ID) {
        if self.sessions.count(slot).0 == 0 {
            self.slots.log_out(slot);
        }
    }
}

fn state(session: &Session, token: &Token) -> CK_STATE {
    match (session.writes, token.is_logged_in()) {
        (false, false) => CKS_RO_PUBLIC_SESSION,
        (false, true) => CKS_RO_USER_FUNCTIONS,
        (true, false) => CKS_RW_PUBLIC_SESSION,
        (true, true) => CKS_RW_USER_FUNCTIONS,
    }
}
