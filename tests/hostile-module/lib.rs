//! A PKCS#11 module that means harm, for tests: it holds one token with a certificate and an RSA
//! key, and misbehaves as the environment variable `HOSTILE` says.
#![allow(non_snake_case, reason = "the names of the standard")]
#![allow(clippy::missing_safety_doc, reason = "the contracts of the standard")]

mod attempts;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::{ptr, slice};

use cryptoki_sys::*;

/// What the module does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mischief {
    /// Ends the process in a signature (`SIGABRT`).
    Abort,
    /// Ends the process while it is loaded.
    AbortAtStart,
    /// Closes every descriptor in a signature.
    CloseAll,
    /// Ends the process in a signature, as if all were well.
    Exit,
    /// Writes an answer of its own on the daemon's line in a signature.
    Forge,
    /// Never returns from a signature.
    Hang,
    /// Never returns from `C_Initialize`.
    HangAtStart,
    /// Says that a certificate is a terabyte long.
    HugeLength,
    /// Says that there are more slots than addresses.
    HugeSlotCount,
    /// Takes memory in a signature until there is none.
    Memory,
    /// Nothing but a wrong signature.
    None,
    /// Writes noise on the daemon's line in a signature.
    Noise,
    /// Says, after the fact, that a certificate is longer than the buffer.
    Overlong,
    /// Tries to get out; the signature is the report.
    Probe,
    /// Reads address zero in a signature.
    Segfault,
    /// Another serial number at each look.
    Shifting,
    /// Finds objects without end.
    Unending,
}

static MISCHIEF: LazyLock<Mischief> = LazyLock::new(|| {
    use Mischief::*;
    let name = std::env::var("HOSTILE").unwrap_or_default();
    let all = [
        Abort,
        AbortAtStart,
        CloseAll,
        Exit,
        Forge,
        Hang,
        HangAtStart,
        HugeLength,
        HugeSlotCount,
        Memory,
        None,
        Noise,
        Overlong,
        Probe,
        Segfault,
        Shifting,
        Unending,
    ];
    let named = all.into_iter().find(|one| format!("{one:?}") == name);
    named.unwrap_or(None)
});

/// What the token shows as its certificate: the file `HOSTILE_CERTIFICATE`, or none at all.
static CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let file = std::env::var_os("HOSTILE_CERTIFICATE");
    file.and_then(|file| std::fs::read(file).ok())
        .unwrap_or_else(|| b"no certificate at all".to_vec())
});

/// Runs before any function of the module is called.
#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = constructor;

extern "C" fn constructor() {
    attempts::constructor();
}

unsafe extern "C" fn C_Initialize(_: CK_VOID_PTR) -> CK_RV {
    match *MISCHIEF {
        Mischief::AbortAtStart => std::process::abort(),
        Mischief::HangAtStart => hang(),
        _ => CKR_OK,
    }
}

unsafe extern "C" fn C_Finalize(_: CK_VOID_PTR) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn C_GetSlotList(
    _: CK_BBOOL,
    list: CK_SLOT_ID_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    let slots = if *MISCHIEF == Mischief::HugeSlotCount {
        CK_ULONG::MAX
    } else {
        1
    };
    // SAFETY: `count` can be written, and `list` when there is one (PKCS#11 2.40 §5.5).
    unsafe {
        if !list.is_null() {
            *list = SLOT;
        }
        *count = slots;
    }
    CKR_OK
}

unsafe extern "C" fn C_GetSlotInfo(_: CK_SLOT_ID, info: CK_SLOT_INFO_PTR) -> CK_RV {
    let told = CK_SLOT_INFO {
        slotDescription: padded("Hostile slot"),
        manufacturerID: padded("Mallory"),
        flags: CKF_TOKEN_PRESENT,
        ..CK_SLOT_INFO::default()
    };
    // SAFETY: `info` can be written (PKCS#11 2.40 §5.5).
    unsafe { info.write(told) };
    CKR_OK
}

unsafe extern "C" fn C_GetTokenInfo(_: CK_SLOT_ID, info: CK_TOKEN_INFO_PTR) -> CK_RV {
    static LOOKS: AtomicU64 = AtomicU64::new(0);
    let look = match *MISCHIEF {
        Mischief::Shifting => LOOKS.fetch_add(1, Ordering::Relaxed),
        _ => 0,
    };
    let told = CK_TOKEN_INFO {
        // The line break would forge a line of a log.
        label: padded("hostile\nforged"),
        manufacturerID: padded("Mallory"),
        model: padded("M"),
        serialNumber: padded(&look.to_string()),
        flags: CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_LOGIN_REQUIRED,
        ulMaxPinLen: CK_ULONG::MAX,
        ..CK_TOKEN_INFO::default()
    };
    // SAFETY: `info` can be written (PKCS#11 2.40 §5.5).
    unsafe { info.write(told) };
    CKR_OK
}

unsafe extern "C" fn C_GetMechanismList(
    _: CK_SLOT_ID,
    list: CK_MECHANISM_TYPE_PTR,
    count: CK_ULONG_PTR,
) -> CK_RV {
    // SAFETY: `count` can be written, and `list` when there is one (PKCS#11 2.40 §5.5).
    unsafe {
        if !list.is_null() {
            *list = CKM_RSA_PKCS;
        }
        *count = 1;
    }
    CKR_OK
}

unsafe extern "C" fn C_OpenSession(
    _: CK_SLOT_ID,
    _: CK_FLAGS,
    _: CK_VOID_PTR,
    _: CK_NOTIFY,
    session: CK_SESSION_HANDLE_PTR,
) -> CK_RV {
    // SAFETY: `session` can be written (PKCS#11 2.40 §5.6).
    unsafe { session.write(1) };
    CKR_OK
}

unsafe extern "C" fn C_CloseSession(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn C_GetSessionInfo(_: CK_SESSION_HANDLE, info: CK_SESSION_INFO_PTR) -> CK_RV {
    let told = CK_SESSION_INFO {
        slotID: SLOT,
        state: CKS_RO_PUBLIC_SESSION,
        flags: CKF_SERIAL_SESSION,
        ulDeviceError: 0,
    };
    // SAFETY: `info` can be written (PKCS#11 2.40 §5.6).
    unsafe { info.write(told) };
    CKR_OK
}

unsafe extern "C" fn C_Login(
    _: CK_SESSION_HANDLE,
    _: CK_USER_TYPE,
    _: CK_UTF8CHAR_PTR,
    _: CK_ULONG,
) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn C_Logout(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

/// The class that is looked for, which is also the handle of its only object.
static WANTED: AtomicU64 = AtomicU64::new(CKO_CERTIFICATE);
static FOUND: AtomicBool = AtomicBool::new(false);

unsafe extern "C" fn C_FindObjectsInit(
    _: CK_SESSION_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    // SAFETY: `template` holds `count` attributes with readable values (PKCS#11 2.40 §5.7).
    let class = unsafe {
        let template = slice::from_raw_parts(template, count as usize);
        let class = template.iter().find(|one| one.type_ == CKA_CLASS);
        class.map_or(CKO_DATA, |one| *one.pValue.cast::<CK_ULONG>())
    };
    WANTED.store(class, Ordering::Relaxed);
    FOUND.store(false, Ordering::Relaxed);
    CKR_OK
}

unsafe extern "C" fn C_FindObjects(
    _: CK_SESSION_HANDLE,
    objects: CK_OBJECT_HANDLE_PTR,
    room: CK_ULONG,
    count: CK_ULONG_PTR,
) -> CK_RV {
    let number = if *MISCHIEF == Mischief::Unending {
        room
    } else {
        (!FOUND.swap(true, Ordering::Relaxed)).into()
    };
    // SAFETY: `objects` has room for that many, and `count` can be written (PKCS#11 2.40 §5.7).
    unsafe {
        for index in 0..number {
            *objects.add(index as usize) = WANTED.load(Ordering::Relaxed);
        }
        *count = number;
    }
    CKR_OK
}

unsafe extern "C" fn C_FindObjectsFinal(_: CK_SESSION_HANDLE) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn C_GetAttributeValue(
    _: CK_SESSION_HANDLE,
    _: CK_OBJECT_HANDLE,
    template: CK_ATTRIBUTE_PTR,
    count: CK_ULONG,
) -> CK_RV {
    // SAFETY: `template` holds `count` attributes (PKCS#11 2.40 §5.7).
    let template = unsafe { slice::from_raw_parts_mut(template, count as usize) };
    for one in template {
        let value: Vec<u8> = match one.type_ {
            CKA_ID => vec![1],
            CKA_LABEL => b"\x1b[2Jlabel".to_vec(),
            CKA_VALUE => CERTIFICATE.clone(),
            CKA_KEY_TYPE => CKK_RSA.to_ne_bytes().to_vec(),
            CKA_SIGN | CKA_DECRYPT => vec![1],
            _ => {
                one.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                continue;
            }
        };
        let room = one.ulValueLen as usize;
        one.ulValueLen = value.len() as CK_ULONG;
        if !one.pValue.is_null() && room >= value.len() {
            // SAFETY: the caller says that there is room (PKCS#11 2.40 §5.7).
            unsafe { ptr::copy_nonoverlapping(value.as_ptr(), one.pValue.cast(), value.len()) };
        }
        if one.type_ == CKA_VALUE {
            match *MISCHIEF {
                Mischief::HugeLength => one.ulValueLen = 1 << 40,
                Mischief::Overlong if !one.pValue.is_null() => one.ulValueLen = 1 << 30,
                _ => {}
            }
        }
    }
    CKR_OK
}

unsafe extern "C" fn C_SignInit(
    _: CK_SESSION_HANDLE,
    _: CK_MECHANISM_PTR,
    _: CK_OBJECT_HANDLE,
) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn C_Sign(
    _: CK_SESSION_HANDLE,
    _: CK_BYTE_PTR,
    _: CK_ULONG,
    signature: CK_BYTE_PTR,
    length: CK_ULONG_PTR,
) -> CK_RV {
    static REPORT: LazyLock<Vec<u8>> = LazyLock::new(|| match *MISCHIEF {
        Mischief::Probe => attempts::all().into_bytes(),
        _ => vec![0x5A; 256],
    });
    match *MISCHIEF {
        Mischief::Abort => std::process::abort(),
        Mischief::CloseAll => attempts::close_all(),
        Mischief::Exit => std::process::exit(0),
        Mischief::Forge => attempts::speak(br#"{"id":1,"result":{"Ok":"done"}}"#),
        Mischief::Hang => hang(),
        Mischief::Memory => return attempts::memory(),
        Mischief::Noise => attempts::speak(b"\xFF\xFE noise"),
        // SAFETY: none; a segmentation fault is what is wanted.
        Mischief::Segfault => unsafe { ptr::null_mut::<u8>().write_volatile(1) },
        _ => {}
    }
    // SAFETY: `length` can be written, and `signature` when there is one, with room for what the
    // first call said (PKCS#11 2.40 §5.11).
    unsafe {
        if !signature.is_null() {
            ptr::copy_nonoverlapping(REPORT.as_ptr(), signature, REPORT.len());
        }
        *length = REPORT.len() as CK_ULONG;
    }
    CKR_OK
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// A fixed field, padded with blanks.
fn padded<const N: usize>(text: &str) -> [CK_UTF8CHAR; N] {
    let mut field = [b' '; N];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

const SLOT: CK_SLOT_ID = 7;

/// The only exported function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: CK_FUNCTION_LIST_PTR_PTR) -> CK_RV {
    static FUNCTIONS: LazyLock<usize> = LazyLock::new(|| {
        let functions = CK_FUNCTION_LIST {
            version: CK_VERSION {
                major: 2,
                minor: 40,
            },
            C_Initialize: Some(C_Initialize),
            C_Finalize: Some(C_Finalize),
            C_GetFunctionList: Some(C_GetFunctionList),
            C_GetSlotList: Some(C_GetSlotList),
            C_GetSlotInfo: Some(C_GetSlotInfo),
            C_GetTokenInfo: Some(C_GetTokenInfo),
            C_GetMechanismList: Some(C_GetMechanismList),
            C_OpenSession: Some(C_OpenSession),
            C_CloseSession: Some(C_CloseSession),
            C_GetSessionInfo: Some(C_GetSessionInfo),
            C_Login: Some(C_Login),
            C_Logout: Some(C_Logout),
            C_FindObjectsInit: Some(C_FindObjectsInit),
            C_FindObjects: Some(C_FindObjects),
            C_FindObjectsFinal: Some(C_FindObjectsFinal),
            C_GetAttributeValue: Some(C_GetAttributeValue),
            C_SignInit: Some(C_SignInit),
            C_Sign: Some(C_Sign),
            ..CK_FUNCTION_LIST::default()
        };
        // Callers keep the pointer for as long as the library is loaded.
        ptr::from_mut(Box::leak(Box::new(functions))).expose_provenance()
    });
    // SAFETY: `list` can be written (PKCS#11 2.40 §5.4).
    unsafe { list.write(ptr::with_exposed_provenance_mut(*FUNCTIONS)) };
    CKR_OK
}
