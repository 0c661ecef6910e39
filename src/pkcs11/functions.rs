//! The table of all C functions of PKCS#11 2.40 and 3.0. The exported names, the function lists and
//! `docs/pkcs11.md` come from it, so that none of them can say something else.

use cryptoki_sys::*;

use crate::module::{self, Module};
use crate::pointers::bytes_mut;
use crate::rv::Rv;
use crate::{crypto, entry, events, interfaces, search, sessions, slots};

/// A C function.
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The version of PKCS#11 whose function list it came with.
    pub since: &'static str,
    /// What it does; `None` for one that answers `CKR_FUNCTION_NOT_SUPPORTED`.
    pub does: Option<&'static str>,
    /// Calls it with nothing but zeros and null pointers.
    #[cfg(test)]
    pub(crate) call_with_zeros: fn() -> CK_RV,
}

macro_rules! functions {
    (
        does {$(
            $name:ident($($argument:ident: $type:ty),*) = $call:path, $since:literal, $does:literal;
        )*}
        refuses {$(
            $refused:ident($($ignored:ty),*), $refused_since:literal;
        )*}
    ) => {
        $(
            #[doc = $does]
            ///
            /// # Safety
            /// As PKCS#11 says of its arguments.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> CK_RV {
                // SAFETY: by contract of the function itself, which is that of the standard. Some
                // bodies are safe.
                #[allow(unused_unsafe)]
                entry::answer(|| unsafe { $call($($argument),*) })
            }
        )*
        $(
            /// Not supported.
            ///
            /// # Safety
            /// Any arguments will do.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $refused($(_: $ignored),*) -> CK_RV {
                entry::answer(not_supported)
            }
        )*

        /// Every function.
        pub const TABLE: &[Function] = &[
            $(Function {
                name: stringify!($name),
                since: $since,
                does: Some($does),
                #[cfg(test)]
                // SAFETY: null pointers are refused, and zero is a value of all the other types.
                call_with_zeros: || unsafe { $name($(std::mem::zeroed::<$type>()),*) },
            },)*
            $(Function {
                name: stringify!($refused),
                since: $refused_since,
                does: None,
                #[cfg(test)]
                // SAFETY: the function uses none of them.
                call_with_zeros: || unsafe { $refused($(std::mem::zeroed::<$ignored>()),*) },
            },)*
        ];
    };
}

functions! {
does {
    C_Initialize(arguments: CK_VOID_PTR) = module::initialize, "2.40",
        "Starts; asks the daemon nothing yet. Locks are the system's: `CKR_CANT_LOCK` for a host that allows only its own.";
    C_Finalize(reserved: CK_VOID_PTR) = module::finalize, "2.40",
        "Ends; wakes `C_WaitForSlotEvent`. The daemon's login is left to its configuration.";
    C_GetInfo(out: *mut CK_INFO) = interfaces::info_3_0, "2.40",
        "This library and the version of the function list.";
    C_GetFunctionList(out: *mut *mut CK_FUNCTION_LIST) = interfaces::function_list, "2.40",
        "The functions of 2.40.";
    C_GetSlotList(present_only: CK_BBOOL, out: *mut CK_SLOT_ID, count: *mut CK_ULONG) = slots::slot_list, "2.40",
        "At least four slots; more appear with more tokens, and none goes.";
    C_GetSlotInfo(slot: CK_SLOT_ID, out: *mut CK_SLOT_INFO) = slots::slot_info, "2.40",
        "The reader. Removable.";
    C_GetTokenInfo(slot: CK_SLOT_ID, out: *mut CK_TOKEN_INFO) = slots::token_info, "2.40",
        "The card; the login face that the configuration sets. What is known of the PIN, without asking the card.";
    C_GetMechanismList(slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: *mut CK_ULONG) = crypto::mechanism_list, "2.40",
        "What the keys of the token do, and digests; nothing that the card cannot do.";
    C_GetMechanismInfo(slot: CK_SLOT_ID, kind: CK_MECHANISM_TYPE, out: *mut CK_MECHANISM_INFO) = crypto::mechanism_info, "2.40",
        "As above; signing and decryption in hardware, the rest in this library.";
    C_OpenSession(slot: CK_SLOT_ID, flags: CK_FLAGS, application: CK_VOID_PTR, notify: CK_NOTIFY, out: *mut CK_SESSION_HANDLE) = sessions::open_session, "2.40",
        "Read-only or, for programs that know no other, read-write; nothing can be written. Notifications are never called.";
    C_CloseSession(session: CK_SESSION_HANDLE) = sessions::close_session, "2.40",
        "Closes; with the last session, this program is logged out.";
    C_CloseAllSessions(slot: CK_SLOT_ID) = sessions::close_all_sessions, "2.40",
        "Closes the sessions of one slot, as above.";
    C_GetSessionInfo(session: CK_SESSION_HANDLE, out: *mut CK_SESSION_INFO) = sessions::session_info, "2.40",
        "State of the session; a user state while this program's login and the daemon's both last.";
    C_Login(session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: *mut CK_UTF8CHAR, pin_length: CK_ULONG) = sessions::login, "2.40",
        "The daemon asks the person, unless its login is open. A PIN given here is never read: `CKR_ARGUMENTS_BAD`, or ignored (see above). `CKU_CONTEXT_SPECIFIC` needs nothing: the daemon asks when the key is used.";
    C_Logout(session: CK_SESSION_HANDLE) = sessions::logout, "2.40",
        "Ends this program's login; the daemon's serves other programs, and ends as its configuration says.";
    C_GetAttributeValue(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG) = search::attribute_value, "2.40",
        "Attributes; the value of a data object is fetched from the daemon, which may ask the person.";
    C_FindObjectsInit(session: CK_SESSION_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG) = search::find_objects_init, "2.40",
        "Objects whose attributes equal all of the template.";
    C_FindObjects(session: CK_SESSION_HANDLE, objects: *mut CK_OBJECT_HANDLE, most: CK_ULONG, count: *mut CK_ULONG) = search::find_objects, "2.40",
        "The next of them.";
    C_FindObjectsFinal(session: CK_SESSION_HANDLE) = search::find_objects_final, "2.40",
        "Ends the search.";
    C_EncryptInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, object: CK_OBJECT_HANDLE) = crypto::encrypt_init, "2.40",
        "`CKM_RSA_PKCS`, with the public half of keys that decrypt.";
    C_Encrypt(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::encrypt, "2.40",
        "Encrypts, in this library.";
    C_EncryptUpdate(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::encrypt_update, "2.40",
        "Collects the message; gives nothing yet.";
    C_EncryptFinal(session: CK_SESSION_HANDLE, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::encrypt_final, "2.40",
        "As `C_Encrypt`.";
    C_DecryptInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, object: CK_OBJECT_HANDLE) = crypto::decrypt_init, "2.40",
        "`CKM_RSA_PKCS`, with keys that decrypt.";
    C_Decrypt(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::decrypt, "2.40",
        "The card decrypts; the daemon may ask the person. A plaintext that does not fit is kept for the next call.";
    C_DecryptUpdate(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::decrypt_update, "2.40",
        "Collects the block; gives nothing yet.";
    C_DecryptFinal(session: CK_SESSION_HANDLE, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::decrypt_final, "2.40",
        "As `C_Decrypt`.";
    C_DigestInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM) = crypto::digest_init, "2.40",
        "SHA-1, SHA-256, SHA-384, SHA-512.";
    C_Digest(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::digest, "2.40",
        "The digest, made in this library.";
    C_DigestUpdate(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG) = crypto::digest_update, "2.40",
        "A part of the message.";
    C_DigestFinal(session: CK_SESSION_HANDLE, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::digest_final, "2.40",
        "The digest of all parts.";
    C_SignInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, object: CK_OBJECT_HANDLE) = crypto::sign_init, "2.40",
        "Checks the key and the mechanism.";
    C_Sign(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::sign, "2.40",
        "The card signs; the daemon may ask the person, and this call waits for the answer, within a bound. Only a hash or a `DigestInfo` is ever signed.";
    C_SignUpdate(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG) = crypto::sign_update, "2.40",
        "A part of the message.";
    C_SignFinal(session: CK_SESSION_HANDLE, out: *mut CK_BYTE, out_length: *mut CK_ULONG) = crypto::sign_final, "2.40",
        "As `C_Sign`.";
    C_VerifyInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, object: CK_OBJECT_HANDLE) = crypto::verify_init, "2.40",
        "Checks the public key and the mechanism.";
    C_Verify(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG, out: *mut CK_BYTE, out_length: CK_ULONG) = crypto::verify, "2.40",
        "Checks a signature, in this library.";
    C_VerifyUpdate(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG) = crypto::verify_update, "2.40",
        "A part of the message.";
    C_VerifyFinal(session: CK_SESSION_HANDLE, out: *mut CK_BYTE, out_length: CK_ULONG) = crypto::verify_final, "2.40",
        "As `C_Verify`.";
    C_SeedRandom(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG) = no_seed, "2.40",
        "The operating system needs no seed: `CKR_RANDOM_SEED_NOT_SUPPORTED`.";
    C_GenerateRandom(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, data_length: CK_ULONG) = random, "2.40",
        "Random bytes of the operating system.";
    C_GetFunctionStatus(session: CK_SESSION_HANDLE) = not_parallel, "2.40",
        "Nothing runs in parallel: `CKR_FUNCTION_NOT_PARALLEL`.";
    C_CancelFunction(session: CK_SESSION_HANDLE) = not_parallel, "2.40",
        "Nothing runs in parallel: `CKR_FUNCTION_NOT_PARALLEL`.";
    C_WaitForSlotEvent(flags: CK_FLAGS, out: *mut CK_SLOT_ID, reserved: CK_VOID_PTR) = events::wait_for_slot_event, "2.40",
        "Sleeps without polling until a token comes or goes, or `C_Finalize`.";
    C_GetInterfaceList(out: *mut CK_INTERFACE, count: *mut CK_ULONG) = interfaces::interface_list, "3.0",
        "`PKCS 11` 3.0 and 2.40.";
    C_GetInterface(name: *mut CK_UTF8CHAR, version: *mut CK_VERSION, out: *mut *mut CK_INTERFACE, flags: CK_FLAGS) = interfaces::interface, "3.0",
        "`PKCS 11` 3.0 by default, or 2.40.";
}
refuses {
    C_InitToken(CK_SLOT_ID, *mut CK_UTF8CHAR, CK_ULONG, *mut CK_UTF8CHAR), "2.40";
    C_InitPIN(CK_SESSION_HANDLE, *mut CK_UTF8CHAR, CK_ULONG), "2.40";
    C_SetPIN(CK_SESSION_HANDLE, *mut CK_UTF8CHAR, CK_ULONG, *mut CK_UTF8CHAR, CK_ULONG), "2.40";
    C_GetOperationState(CK_SESSION_HANDLE, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_SetOperationState(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE), "2.40";
    C_CreateObject(CK_SESSION_HANDLE, *mut CK_ATTRIBUTE, CK_ULONG, *mut CK_OBJECT_HANDLE), "2.40";
    C_CopyObject(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, *mut CK_ATTRIBUTE, CK_ULONG, *mut CK_OBJECT_HANDLE), "2.40";
    C_DestroyObject(CK_SESSION_HANDLE, CK_OBJECT_HANDLE), "2.40";
    C_GetObjectSize(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, *mut CK_ULONG), "2.40";
    C_SetAttributeValue(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, *mut CK_ATTRIBUTE, CK_ULONG), "2.40";
    C_DigestKey(CK_SESSION_HANDLE, CK_OBJECT_HANDLE), "2.40";
    C_SignRecoverInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE), "2.40";
    C_SignRecover(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_VerifyRecoverInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE), "2.40";
    C_VerifyRecover(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_DigestEncryptUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_DecryptDigestUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_SignEncryptUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_DecryptVerifyUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_GenerateKey(CK_SESSION_HANDLE, *mut CK_MECHANISM, *mut CK_ATTRIBUTE, CK_ULONG, *mut CK_OBJECT_HANDLE), "2.40";
    C_GenerateKeyPair(CK_SESSION_HANDLE, *mut CK_MECHANISM, *mut CK_ATTRIBUTE, CK_ULONG, *mut CK_ATTRIBUTE, CK_ULONG, *mut CK_OBJECT_HANDLE, *mut CK_OBJECT_HANDLE), "2.40";
    C_WrapKey(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE, *mut CK_BYTE, *mut CK_ULONG), "2.40";
    C_UnwrapKey(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_ATTRIBUTE, CK_ULONG, *mut CK_OBJECT_HANDLE), "2.40";
    C_DeriveKey(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE, *mut CK_ATTRIBUTE, CK_ULONG, *mut CK_OBJECT_HANDLE), "2.40";
    C_LoginUser(CK_SESSION_HANDLE, CK_USER_TYPE, *mut CK_UTF8CHAR, CK_ULONG, *mut CK_UTF8CHAR, CK_ULONG), "3.0";
    C_SessionCancel(CK_SESSION_HANDLE, CK_FLAGS), "3.0";
    C_MessageEncryptInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE), "3.0";
    C_EncryptMessage(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "3.0";
    C_EncryptMessageBegin(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG), "3.0";
    C_EncryptMessageNext(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG, CK_FLAGS), "3.0";
    C_MessageEncryptFinal(CK_SESSION_HANDLE), "3.0";
    C_MessageDecryptInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE), "3.0";
    C_DecryptMessage(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "3.0";
    C_DecryptMessageBegin(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG), "3.0";
    C_DecryptMessageNext(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG, CK_FLAGS), "3.0";
    C_MessageDecryptFinal(CK_SESSION_HANDLE), "3.0";
    C_MessageSignInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE), "3.0";
    C_SignMessage(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "3.0";
    C_SignMessageBegin(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG), "3.0";
    C_SignMessageNext(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG), "3.0";
    C_MessageSignFinal(CK_SESSION_HANDLE), "3.0";
    C_MessageVerifyInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE), "3.0";
    C_VerifyMessage(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, CK_ULONG), "3.0";
    C_VerifyMessageBegin(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG), "3.0";
    C_VerifyMessageNext(CK_SESSION_HANDLE, CK_VOID_PTR, CK_ULONG, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, CK_ULONG), "3.0";
    C_MessageVerifyFinal(CK_SESSION_HANDLE), "3.0";
}
}

/// The body of every function that does nothing.
fn not_supported() -> Result<(), Rv> {
    Module::current()?;
    Err(Rv::FUNCTION_NOT_SUPPORTED)
}

/// `C_GetFunctionStatus` and `C_CancelFunction`: remains of a parallel mode that never was.
fn not_parallel(session: CK_SESSION_HANDLE) -> Result<(), Rv> {
    Module::current()?.tokens().session(session)?;
    Err(Rv::FUNCTION_NOT_PARALLEL)
}

fn no_seed(session: CK_SESSION_HANDLE, _: *mut CK_BYTE, _: CK_ULONG) -> Result<(), Rv> {
    Module::current()?.tokens().session(session)?;
    Err(Rv(CKR_RANDOM_SEED_NOT_SUPPORTED))
}

/// `C_GenerateRandom`.
unsafe fn random(
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    length: CK_ULONG,
) -> Result<(), Rv> {
    Module::current()?.tokens().session(session)?;
    // SAFETY: by contract.
    crypto::fill_random(unsafe { bytes_mut(out, length) }?)
}

#[cfg(test)]
mod tests;
