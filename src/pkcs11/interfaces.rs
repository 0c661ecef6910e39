//! The function lists, and the interfaces through which a host finds them.

use std::cell::UnsafeCell;

use cryptoki_sys::*;

use crate::entry;
use crate::functions::*;
use crate::module;
use crate::pointers::{Output, read, write};
use crate::rv::Rv;

/// `C_GetFunctionList`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn function_list(out: *mut *mut CK_FUNCTION_LIST) -> Result<(), Rv> {
    // SAFETY: by contract. Nobody writes to the list, whatever the type says.
    unsafe { write(out, (&raw const LIST_2_40).cast_mut()) }
}

/// `C_GetInterfaceList`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn interface_list(
    out: *mut CK_INTERFACE,
    count: *mut CK_ULONG,
) -> Result<(), Rv> {
    // SAFETY: by contract.
    let output = unsafe { Output::new(out, count) }?;
    // SAFETY: what a host may write there at the same time, it may not by contract.
    output.give(&unsafe { INTERFACES.0.get().read() })
}

/// `C_GetInterface`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn interface(
    name: *mut CK_UTF8CHAR,
    version: *mut CK_VERSION,
    out: *mut *mut CK_INTERFACE,
    flags: CK_FLAGS,
) -> Result<(), Rv> {
    if out.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    // None of our interfaces goes on after a fork, or has any other flag.
    if flags != 0 {
        return Err(Rv::FUNCTION_FAILED);
    }
    if !name.is_null() {
        // SAFETY: by contract, a text that ends with NUL.
        let name = unsafe { std::ffi::CStr::from_ptr(name.cast_const().cast()) };
        if name.to_bytes_with_nul() != NAME {
            return Err(Rv::FUNCTION_FAILED);
        }
    }
    let index = if version.is_null() {
        0
    } else {
        // SAFETY: by contract.
        let version = unsafe { read(version) }?;
        let versions = [V3_0, V2_40].map(|known| (known.major, known.minor));
        let found = versions
            .iter()
            .position(|it| *it == (version.major, version.minor));
        found.ok_or(Rv::FUNCTION_FAILED)?
    };
    // SAFETY: `index` is that of one of the interfaces.
    let interface = unsafe { INTERFACES.0.get().cast::<CK_INTERFACE>().add(index) };
    // SAFETY: by contract.
    unsafe { write(out, interface) }
}

/// `C_GetInfo` of the 3.0 list.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn info_3_0(out: *mut CK_INFO) -> Result<(), Rv> {
    // SAFETY: by contract.
    unsafe { module::info(V3_0, out) }
}

/// `C_GetInfo` of the 2.40 list: a host that knows no other refuses a library of version 3.
///
/// # Safety
/// As PKCS#11 says of its arguments.
unsafe extern "C" fn info_2_40(out: *mut CK_INFO) -> CK_RV {
    // SAFETY: by contract.
    entry::answer(|| unsafe { module::info(V2_40, out) })
}

/// The interfaces, the preferred one first. A host is given pointers to them that let it write, and
/// OpenSC's pkcs11-spy does: it puts its own function list in the place of ours.
struct Interfaces(UnsafeCell<[CK_INTERFACE; 2]>);

// SAFETY: nothing of ours writes to it, and its pointers lead to constants.
unsafe impl Sync for Interfaces {}

static INTERFACES: Interfaces = Interfaces(UnsafeCell::new([
    CK_INTERFACE {
        pInterfaceName: NAME.as_ptr().cast_mut(),
        pFunctionList: (&raw const LIST_3_0).cast_mut().cast(),
        flags: 0,
    },
    CK_INTERFACE {
        pInterfaceName: NAME.as_ptr().cast_mut(),
        pFunctionList: (&raw const LIST_2_40).cast_mut().cast(),
        flags: 0,
    },
]));

/// Name of the standard's own interface.
const NAME: &[u8] = b"PKCS 11\0";

const V2_40: CK_VERSION = CK_VERSION {
    major: 2,
    minor: 40,
};
const V3_0: CK_VERSION = CK_VERSION { major: 3, minor: 0 };

macro_rules! list {
    ($type:ident, $version:expr, $($name:ident)*) => {
        $type {
            version: $version,
            $($name: Some($name),)*
        }
    };
}

static LIST_2_40: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
    C_GetInfo: Some(info_2_40),
    ..list! {
        CK_FUNCTION_LIST, V2_40,
    C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo
    C_GetTokenInfo C_GetMechanismList C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN
    C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo C_GetOperationState
    C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject
    C_GetObjectSize C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects
    C_FindObjectsFinal C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit
    C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest C_DigestUpdate C_DigestKey
    C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover
    C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover
    C_DigestEncryptUpdate C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate
    C_GenerateKey C_GenerateKeyPair C_WrapKey C_UnwrapKey C_DeriveKey C_SeedRandom
    C_GenerateRandom C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent
    }
};

static LIST_3_0: CK_FUNCTION_LIST_3_0 = list! {
    CK_FUNCTION_LIST_3_0, V3_0,
    C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo
    C_GetTokenInfo C_GetMechanismList C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN
    C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo C_GetOperationState
    C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject
    C_GetObjectSize C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects
    C_FindObjectsFinal C_EncryptInit C_Encrypt C_EncryptUpdate C_EncryptFinal C_DecryptInit
    C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest C_DigestUpdate C_DigestKey
    C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover
    C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover
    C_DigestEncryptUpdate C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate
    C_GenerateKey C_GenerateKeyPair C_WrapKey C_UnwrapKey C_DeriveKey C_SeedRandom
    C_GenerateRandom C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent C_GetInterfaceList
    C_GetInterface C_LoginUser C_SessionCancel C_MessageEncryptInit C_EncryptMessage
    C_EncryptMessageBegin C_EncryptMessageNext C_MessageEncryptFinal C_MessageDecryptInit
    C_DecryptMessage C_DecryptMessageBegin C_DecryptMessageNext C_MessageDecryptFinal
    C_MessageSignInit C_SignMessage C_SignMessageBegin C_SignMessageNext C_MessageSignFinal
    C_MessageVerifyInit C_VerifyMessage C_VerifyMessageBegin C_VerifyMessageNext
    C_MessageVerifyFinal
};

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn interface() -> *mut CK_INTERFACE {
        let mut found = ptr::null_mut();
        let any = ptr::null_mut();
        // SAFETY: null name and version ask for the preferred interface.
        let answer = unsafe { C_GetInterface(any, ptr::null_mut(), &raw mut found, 0) };
        assert_eq!((answer, found.is_null()), (CKR_OK, false));
        found
    }

    /// As OpenSC's pkcs11-spy does with the interface of the module that it listens to.
    #[test]
    fn a_host_may_write_to_the_interface_it_was_given() {
        // SAFETY: the interface is there for ever; no other test writes to it.
        unsafe {
            let list = (*interface()).pFunctionList;
            (*interface()).pFunctionList = ptr::null_mut();
            assert!((*interface()).pFunctionList.is_null());
            (*interface()).pFunctionList = list;
        }
    }
}
