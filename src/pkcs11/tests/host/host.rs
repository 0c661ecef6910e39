//! A host program: the library loaded as a browser does, and its functions called through C.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fs, ptr};

use cryptoki_sys::*;
use tempfile::TempDir;

/// The library in a copy of its own, so that each test has its own state in the one process that
/// tests share.
pub(crate) struct Host {
    list: *mut CK_FUNCTION_LIST_3_0,
    folder: TempDir,
    /// Last, for the pointers lead into it.
    _library: Pkcs11,
}

// SAFETY: the library is meant to be called from every thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

macro_rules! call {
    ($host:expr, $name:ident $(, $argument:expr)*) => {{
        let function = $host.list().$name.expect(stringify!($name));
        #[allow(unused_unsafe)]
        // SAFETY: tests give arguments that the standard allows, or that must be refused.
        unsafe { function($($argument),*) }
    }};
}
pub(crate) use call;

impl Host {
    /// The library, loaded and not initialised; its daemon is to be at [`Self::socket`].
    pub(crate) fn load() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("libcpsd_pkcs11.so");
        let mut built = env::current_exe().expect("the test");
        built.set_file_name("libcpsd_pkcs11.so");
        fs::copy(&built, &copy).expect("the library, which Cargo builds beside its tests");
        // SAFETY: a library of ours, whose initialisers do nothing.
        let library = unsafe { Pkcs11::new(&copy) }.expect("the library loads");
        let mut interface = ptr::null_mut();
        // SAFETY: as the standard wants it; null asks for the default.
        let got = unsafe {
            library.C_GetInterface(ptr::null_mut(), ptr::null_mut(), &raw mut interface, 0)
        };
        assert_eq!(got, CKR_OK);
        // SAFETY: the library just gave it.
        let list = unsafe { (*interface).pFunctionList.cast() };
        Self {
            list,
            folder,
            _library: library,
        }
    }

    /// Loaded and initialised.
    pub(crate) fn start() -> Self {
        let host = Self::load();
        assert_eq!(host.initialize(), CKR_OK);
        host
    }

    pub(crate) fn initialize(&self) -> CK_RV {
        let _alone = self.environment();
        call!(self, C_Initialize, ptr::null_mut())
    }

    /// The environment of the process names this host's daemon for as long as the guard lives. A
    /// child that is to initialise the library is forked meanwhile.
    pub(crate) fn environment(&self) -> MutexGuard<'static, ()> {
        static ENVIRONMENT: Mutex<()> = Mutex::new(());
        let alone = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: all threads of this process that use the environment in C hold the lock.
        unsafe { env::set_var("CPSD_SOCKET", self.socket()) };
        alone
    }

    pub(crate) fn list(&self) -> &CK_FUNCTION_LIST_3_0 {
        // SAFETY: lives as long as the library.
        unsafe { &*self.list }
    }

    /// Where the library looks for the daemon; its folder does not exist yet.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("run/cpsd/s")
    }

    pub(crate) fn slots(&self, present: bool) -> Vec<CK_SLOT_ID> {
        let present = if present { CK_TRUE } else { CK_FALSE };
        let mut count = 0;
        let got = call!(
            self,
            C_GetSlotList,
            present,
            ptr::null_mut(),
            &raw mut count
        );
        assert_eq!(got, CKR_OK);
        // A token may come in the meantime.
        count += 8;
        let mut slots = vec![0; count as usize];
        let got = call!(
            self,
            C_GetSlotList,
            present,
            slots.as_mut_ptr(),
            &raw mut count
        );
        assert_eq!(got, CKR_OK);
        slots.truncate(count as usize);
        slots
    }

    pub(crate) fn token_info(&self, slot: CK_SLOT_ID) -> Result<CK_TOKEN_INFO, CK_RV> {
        let mut info = CK_TOKEN_INFO::default();
        match call!(self, C_GetTokenInfo, slot, &raw mut info) {
            CKR_OK => Ok(info),
            error => Err(error),
        }
    }

    pub(crate) fn open(&self, slot: CK_SLOT_ID) -> Result<CK_SESSION_HANDLE, CK_RV> {
        let mut session = 0;
        let null = ptr::null_mut();
        match call!(
            self,
            C_OpenSession,
            slot,
            CKF_SERIAL_SESSION,
            null,
            None,
            &raw mut session
        ) {
            CKR_OK => Ok(session),
            error => Err(error),
        }
    }

    pub(crate) fn session_state(&self, session: CK_SESSION_HANDLE) -> Result<CK_STATE, CK_RV> {
        let mut info = CK_SESSION_INFO::default();
        match call!(self, C_GetSessionInfo, session, &raw mut info) {
            CKR_OK => Ok(info.state),
            error => Err(error),
        }
    }

    /// The objects of a class.
    pub(crate) fn find(
        &self,
        session: CK_SESSION_HANDLE,
        class: CK_OBJECT_CLASS,
    ) -> Vec<CK_OBJECT_HANDLE> {
        let mut class = class;
        let mut template = [CK_ATTRIBUTE {
            type_: CKA_CLASS,
            pValue: (&raw mut class).cast(),
            ulValueLen: size_of::<CK_OBJECT_CLASS>() as CK_ULONG,
        }];
        let begun = call!(self, C_FindObjectsInit, session, template.as_mut_ptr(), 1);
        assert_eq!(begun, CKR_OK);
        let (mut found, mut count) = ([0; 8], 0);
        let got = call!(
            self,
            C_FindObjects,
            session,
            found.as_mut_ptr(),
            8,
            &raw mut count
        );
        assert_eq!(got, CKR_OK);
        assert_eq!(call!(self, C_FindObjectsFinal, session), CKR_OK);
        found[..count as usize].to_vec()
    }

    pub(crate) fn sign_init(
        &self,
        session: CK_SESSION_HANDLE,
        kind: CK_MECHANISM_TYPE,
        key: CK_OBJECT_HANDLE,
    ) -> CK_RV {
        let mut mechanism = plain(kind);
        call!(self, C_SignInit, session, &raw mut mechanism, key)
    }

    /// Signs at once, with room for 256 bytes.
    pub(crate) fn sign(
        &self,
        session: CK_SESSION_HANDLE,
        data: &mut [u8],
    ) -> Result<Vec<u8>, CK_RV> {
        let (mut signature, mut length) = (vec![0; 256], 256);
        let (data, count) = (data.as_mut_ptr(), data.len() as CK_ULONG);
        let out = signature.as_mut_ptr();
        match call!(self, C_Sign, session, data, count, out, &raw mut length) {
            CKR_OK => {
                signature.truncate(length as usize);
                Ok(signature)
            }
            error => Err(error),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        call!(self, C_Finalize, ptr::null_mut());
    }
}

/// A mechanism without parameter.
pub(crate) fn plain(kind: CK_MECHANISM_TYPE) -> CK_MECHANISM {
    CK_MECHANISM {
        mechanism: kind,
        pParameter: ptr::null_mut(),
        ulParameterLen: 0,
    }
}

/// Text of a padded field.
pub(crate) fn text(field: &[u8]) -> &str {
    str::from_utf8(field).expect("UTF-8").trim_end()
}
