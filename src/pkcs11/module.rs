//! The state of this process: initialised, finalised, forked.

use std::process;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use cryptoki_sys::{
    CK_C_INITIALIZE_ARGS, CK_INFO, CK_VERSION, CK_VOID_PTR, CKF_OS_LOCKING_OK, CKR_CANT_LOCK,
    CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_CRYPTOKI_NOT_INITIALIZED,
};

use crate::daemon::Daemon;
use crate::events::Bell;
use crate::lock;
use crate::pointers::{padded, read, write};
use crate::rv::Rv;
use crate::tokens::Tokens;

/// What lives from `C_Initialize` to `C_Finalize`.
pub(crate) struct Module {
    pub(crate) daemon: Daemon,
    /// Rung when `C_WaitForSlotEvent` has something to look at.
    pub(crate) bell: Bell,
    tokens: Mutex<Tokens>,
}

impl Module {
    /// The module of this process.
    pub(crate) fn current() -> Result<Arc<Self>, Rv> {
        let module = lock(&Process::this().module).clone();
        module.ok_or(Rv(CKR_CRYPTOKI_NOT_INITIALIZED))
    }

    /// Whether this module is still that of the process.
    pub(crate) fn is_current(self: &Arc<Self>) -> bool {
        let current = lock(&Process::this().module);
        current.as_ref().is_some_and(|it| Arc::ptr_eq(it, self))
    }

    /// The slots and sessions, as the daemon's cards are now. The guard is not to be held while the
    /// daemon is asked anything.
    pub(crate) fn tokens(&self) -> MutexGuard<'_, Tokens> {
        let view = self.daemon.look();
        let mut tokens = lock(&self.tokens);
        if tokens.follow(&view) {
            self.bell.ring();
        }
        tokens
    }
}

/// The state of one process. A child of a fork has its own: that of its parent, copied in the
/// middle of anything, with locks held by threads that the child does not have, is never looked at
/// again. Its memory is not freed, and its connections are not spoken on.
struct Process {
    /// Whose it is; [`NOBODY`] before the first call.
    id: AtomicU32,
    module: Mutex<Option<Arc<Module>>>,
}

impl Process {
    const fn of(id: u32) -> Self {
        Self {
            id: AtomicU32::new(id),
            module: Mutex::new(None),
        }
    }

    fn this() -> &'static Self {
        let id = process::id();
        loop {
            let known = PROCESS.load(Ordering::Acquire);
            // SAFETY: the first one, or one of the boxes leaked below; neither is ever freed.
            let process = unsafe { &*known };
            let claimed =
                process
                    .id
                    .compare_exchange(NOBODY, id, Ordering::AcqRel, Ordering::Acquire);
            if claimed.is_ok() || claimed == Err(id) {
                return process;
            }
            let new = Box::into_raw(Box::new(Self::of(id)));
            let swapped = PROCESS.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire);
            if swapped.is_err() {
                // SAFETY: made just above, and given to nobody.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }
}

/// The state of the process that loaded the library. No memory of it outlives the library.
static FIRST: Process = Process::of(NOBODY);

static PROCESS: AtomicPtr<Process> = AtomicPtr::new((&raw const FIRST).cast_mut());

/// No process has this number.
const NOBODY: u32 = 0;

/// `C_Initialize`. Asks the daemon nothing: the first call that needs it does.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn initialize(arguments: CK_VOID_PTR) -> Result<(), Rv> {
    if !arguments.is_null() {
        // SAFETY: not null, so by contract a CK_C_INITIALIZE_ARGS.
        check(&unsafe { read(arguments.cast_const().cast()) }?)?;
    }
    let mut module = lock(&Process::this().module);
    if module.is_some() {
        return Err(Rv(CKR_CRYPTOKI_ALREADY_INITIALIZED));
    }
    *module = Some(Arc::new(Module {
        daemon: Daemon::new(),
        bell: Bell::default(),
        tokens: Mutex::default(),
    }));
    Ok(())
}

/// The locks are the system's (§5.4 of PKCS#11 2.40): a host that forbids them cannot be served.
fn check(arguments: &CK_C_INITIALIZE_ARGS) -> Result<(), Rv> {
    let callbacks = [
        arguments.CreateMutex.is_some(),
        arguments.DestroyMutex.is_some(),
        arguments.LockMutex.is_some(),
        arguments.UnlockMutex.is_some(),
    ];
    let (any, all) = (callbacks.contains(&true), !callbacks.contains(&false));
    if !arguments.pReserved.is_null() || any != all {
        return Err(Rv::ARGUMENTS_BAD);
    }
    if any && arguments.flags & CKF_OS_LOCKING_OK == 0 {
        return Err(Rv(CKR_CANT_LOCK));
    }
    Ok(())
}

/// `C_Finalize`. Calls that run in other threads end by themselves; those that wait for an event
/// are woken.
pub(crate) fn finalize(reserved: CK_VOID_PTR) -> Result<(), Rv> {
    if !reserved.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    let ended = lock(&Process::this().module).take();
    let ended = ended.ok_or(Rv(CKR_CRYPTOKI_NOT_INITIALIZED))?;
    ended.bell.ring();
    Ok(())
}

/// `C_GetInfo`, of the version of the function list that it was called through.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn info(version: CK_VERSION, out: *mut CK_INFO) -> Result<(), Rv> {
    Module::current()?;
    let info = CK_INFO {
        cryptokiVersion: version,
        manufacturerID: padded("cpsd"),
        flags: 0,
        libraryDescription: padded("CPS cards through cpsd"),
        libraryVersion: VERSION,
    };
    // SAFETY: by contract.
    unsafe { write(out, info) }
}

/// Version of this library: that of the package, without its patch level.
pub(crate) const VERSION: CK_VERSION = CK_VERSION {
    major: decimal(env!("CARGO_PKG_VERSION_MAJOR")),
    minor: decimal(env!("CARGO_PKG_VERSION_MINOR")),
};

const fn decimal(text: &str) -> u8 {
    let bytes = text.as_bytes();
    let (mut value, mut index) = (0, 0);
    while index < bytes.len() {
        value = value * 10 + (bytes[index] - b'0');
        index += 1;
    }
    value
}
