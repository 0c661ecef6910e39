//! `C_Digest…`, `C_Sign…`, `C_Verify…`, `C_Encrypt…`, `C_Decrypt…` and the mechanisms: from pointers to the
//! operations of a session and back.
//!
//! An operation is taken out of its session for the time of a call, and put back if it goes on: no
//! lock is held while the card works or a person thinks, and any failure ends the operation, as
//! the standard wants.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cps_api::types::{ObjectDecryptRequest, ObjectSignRequest};
use cryptoki_sys::{
    CK_BYTE, CK_MECHANISM, CK_MECHANISM_INFO, CK_MECHANISM_TYPE, CK_OBJECT_HANDLE,
    CK_SESSION_HANDLE, CK_SLOT_ID, CK_ULONG, CKR_KEY_HANDLE_INVALID, CKR_MECHANISM_INVALID,
    CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN,
};
use zeroize::Zeroizing;

use crate::mechanisms::{self, Mechanism};
use crate::module::Module;
use crate::objects::Object;
use crate::operations::{Decryption, Digest, Encryption, SignRequest, Signing, Verification};
use crate::pointers::{Output, bytes, read, write};
use crate::rv::Rv;
use crate::schemes;
use crate::sessions::Session;

/// `C_GetMechanismList`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn mechanism_list(
    slot: CK_SLOT_ID,
    list: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    // SAFETY: by contract.
    let output = unsafe { Output::new(list, count) }?;
    let all = mechanisms::mechanisms(&module.tokens().slots.token(slot)?.objects);
    let kinds: Vec<_> = all.into_iter().map(|(kind, _)| kind).collect();
    output.give(&kinds)
}

/// `C_GetMechanismInfo`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn mechanism_info(
    slot: CK_SLOT_ID,
    kind: CK_MECHANISM_TYPE,
    out: *mut CK_MECHANISM_INFO,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let all = mechanisms::mechanisms(&module.tokens().slots.token(slot)?.objects);
    let found = all.into_iter().find(|(known, _)| *known == kind);
    let (_, info) = found.ok_or(Rv(CKR_MECHANISM_INVALID))?;
    // SAFETY: by contract.
    unsafe { write(out, info) }
}

/// An operation of a session.
pub(crate) struct Begun<T> {
    operation: T,
    /// Whether a part was given: the one call that does it all is out of the question then.
    in_parts: bool,
}

impl<T> Begun<T> {
    fn new(operation: T) -> Self {
        Self {
            operation,
            in_parts: false,
        }
    }
}

/// Where a session keeps an operation of one kind.
type Place<T> = fn(&mut Session) -> &mut Option<Begun<T>>;

impl Module {
    /// Begins an operation, made from an object of the token when `handle` names one.
    fn begin<T>(
        &self,
        session: CK_SESSION_HANDLE,
        place: Place<T>,
        handle: CK_OBJECT_HANDLE,
        make: impl FnOnce(&Object) -> Result<T, Rv>,
    ) -> Result<(), Rv> {
        let mut tokens = self.tokens();
        let (open, token) = tokens.session_mut(session)?;
        if place(open).is_some() {
            return Err(Rv(CKR_OPERATION_ACTIVE));
        }
        let object = token.objects.iter().find(|it| it.handle == handle);
        let object = object.ok_or(Rv(CKR_KEY_HANDLE_INVALID))?;
        if !token.shows(object) {
            return Err(Rv(CKR_USER_NOT_LOGGED_IN));
        }
        *place(open) = Some(Begun::new(make(object)?));
        Ok(())
    }

    /// Takes an operation out of its session.
    fn take<T>(&self, session: CK_SESSION_HANDLE, place: Place<T>) -> Result<Begun<T>, Rv> {
        let mut tokens = self.tokens();
        let begun = place(tokens.session_mut(session)?.0).take();
        begun.ok_or(Rv(CKR_OPERATION_NOT_INITIALIZED))
    }

    /// As [`Self::take`], by a call that does it all at once.
    fn take_whole<T>(&self, session: CK_SESSION_HANDLE, place: Place<T>) -> Result<Begun<T>, Rv> {
        let begun = self.take(session, place)?;
        if begun.in_parts {
            self.put_back(session, place, begun);
            return Err(Rv(CKR_OPERATION_ACTIVE));
        }
        Ok(begun)
    }

    /// The operation that ends with this call, once its output has a place to go; `None` when the
    /// host only asked for the length.
    fn ending<T>(
        &self,
        session: CK_SESSION_HANDLE,
        place: Place<T>,
        begun: Begun<T>,
        room: Result<bool, Rv>,
    ) -> Result<Option<T>, Rv> {
        if room == Ok(true) {
            return Ok(Some(begun.operation));
        }
        self.put_back(session, place, begun);
        room.map(|_| None)
    }

    /// The operation goes on, unless its session ended in the meantime.
    fn put_back<T>(&self, session: CK_SESSION_HANDLE, place: Place<T>, begun: Begun<T>) {
        if let Ok((open, _)) = self.tokens().session_mut(session) {
            *place(open) = Some(begun);
        }
    }

    /// A part of the data, for an operation that goes on.
    fn update<T>(
        &self,
        session: CK_SESSION_HANDLE,
        place: Place<T>,
        add: impl FnOnce(&mut T) -> Result<(), Rv>,
    ) -> Result<(), Rv> {
        let mut begun = self.take(session, place)?;
        add(&mut begun.operation)?;
        begun.in_parts = true;
        self.put_back(session, place, begun);
        Ok(())
    }

    /// The id by which the daemon knows a key now.
    fn key_id(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Result<String, Rv> {
        let tokens = self.tokens();
        let (_, token) = tokens.session(session)?;
        let object = token.objects.iter().find(|it| it.handle == key);
        let key = object.and_then(Object::key).ok_or(Rv::DEVICE_REMOVED)?;
        Ok(key.id.clone())
    }

    fn sign(&self, session: CK_SESSION_HANDLE, wanted: &SignRequest) -> Result<Vec<u8>, Rv> {
        let id = self.key_id(session, wanted.key)?;
        let request = ObjectSignRequest {
            scheme: schemes::to_wire(wanted.scheme),
            digest: BASE64_STANDARD.encode(&wanted.digest),
        };
        let answer = self
            .daemon
            .ask(|client| client.object_sign(&id, &request))?;
        let signature = BASE64_STANDARD.decode(answer.signature);
        wanted.signature(signature.map_err(|_| Rv::DEVICE_ERROR)?)
    }

    fn decrypt(
        &self,
        session: CK_SESSION_HANDLE,
        wanted: Decryption,
    ) -> Result<Zeroizing<Vec<u8>>, Rv> {
        let (key, cryptogram) = wanted.finish()?;
        let id = self.key_id(session, key)?;
        let request = ObjectDecryptRequest {
            cryptogram: BASE64_STANDARD.encode(cryptogram),
        };
        let answer = self
            .daemon
            .ask(|client| client.object_decrypt(&id, &request))?;
        decoded(answer.plaintext)
    }
}

/// The bytes of a secret that came as text.
pub(crate) fn decoded(text: String) -> Result<Zeroizing<Vec<u8>>, Rv> {
    let text = Zeroizing::new(text);
    let bytes = BASE64_STANDARD.decode(text.as_bytes());
    Ok(Zeroizing::new(bytes.map_err(|_| Rv::DEVICE_ERROR)?))
}

/// The mechanism at a pointer.
///
/// # Safety
/// As PKCS#11 says of mechanisms.
unsafe fn mechanism(pointer: *const CK_MECHANISM) -> Result<Mechanism, Rv> {
    // SAFETY: by contract.
    let mechanism = unsafe { read(pointer) }?;
    // SAFETY: by contract, the parameter has the length that stands beside it.
    let parameter = unsafe {
        bytes(
            mechanism.pParameter.cast_const().cast(),
            mechanism.ulParameterLen,
        )
    }?;
    Mechanism::parse(mechanism.mechanism, parameter)
}

/// `C_DigestInit`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn digest_init(
    session: CK_SESSION_HANDLE,
    kind: *mut CK_MECHANISM,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut tokens = module.tokens();
    let (open, _) = tokens.session_mut(session)?;
    // SAFETY: by contract.
    let kind = unsafe { mechanism(kind) }?;
    if open.digest.is_some() {
        return Err(Rv(CKR_OPERATION_ACTIVE));
    }
    open.digest = Some(Begun::new(Digest::new(kind)?));
    Ok(())
}

/// `C_Digest`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn digest(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take_whole(session, DIGEST)?;
    // SAFETY: by contract.
    let (data, output) = unsafe { (bytes(data, length)?, Output::new(out, out_length)?) };
    let room = output.takes(begun.operation.output_len());
    if let Some(mut digest) = module.ending(session, DIGEST, begun, room)? {
        digest.update(data);
        output.give(&digest.finish())?;
    }
    Ok(())
}

/// `C_DigestUpdate`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn digest_update(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
) -> Result<(), Rv> {
    Module::current()?.update(session, DIGEST, |digest| {
        // SAFETY: by contract.
        digest.update(unsafe { bytes(data, length) }?);
        Ok(())
    })
}

/// `C_DigestFinal`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn digest_final(
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take(session, DIGEST)?;
    // SAFETY: by contract.
    let output = unsafe { Output::new(out, out_length) }?;
    let room = output.takes(begun.operation.output_len());
    if let Some(digest) = module.ending(session, DIGEST, begun, room)? {
        output.give(&digest.finish())?;
    }
    Ok(())
}

/// `C_SignInit`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn sign_init(
    session: CK_SESSION_HANDLE,
    kind: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> Result<(), Rv> {
    Module::current()?.begin(session, SIGNING, key, |object| {
        // SAFETY: by contract.
        Signing::new(object, unsafe { mechanism(kind) }?)
    })
}

/// `C_Sign`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take_whole(session, SIGNING)?;
    // SAFETY: by contract.
    let (data, output) = unsafe { (bytes(data, length)?, Output::new(out, out_length)?) };
    let room = output.takes(begun.operation.output_len());
    if let Some(mut signing) = module.ending(session, SIGNING, begun, room)? {
        signing.update(data)?;
        output.give(&module.sign(session, &signing.finish()?)?)?;
    }
    Ok(())
}

/// `C_SignUpdate`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn sign_update(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
) -> Result<(), Rv> {
    Module::current()?.update(session, SIGNING, |signing| {
        // SAFETY: by contract.
        signing.update(unsafe { bytes(data, length) }?)
    })
}

/// `C_SignFinal`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn sign_final(
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take(session, SIGNING)?;
    // SAFETY: by contract.
    let output = unsafe { Output::new(out, out_length) }?;
    let room = output.takes(begun.operation.output_len());
    if let Some(signing) = module.ending(session, SIGNING, begun, room)? {
        output.give(&module.sign(session, &signing.finish()?)?)?;
    }
    Ok(())
}

/// `C_VerifyInit`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn verify_init(
    session: CK_SESSION_HANDLE,
    kind: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> Result<(), Rv> {
    Module::current()?.begin(session, VERIFICATION, key, |object| {
        // SAFETY: by contract.
        Verification::new(object, unsafe { mechanism(kind) }?)
    })
}

/// `C_Verify`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn verify(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_length: CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut verification = module.take_whole(session, VERIFICATION)?.operation;
    // SAFETY: by contract.
    let (data, signature) =
        unsafe { (bytes(data, length)?, present(signature, signature_length)?) };
    verification.update(data)?;
    verification.finish(signature)
}

/// `C_VerifyUpdate`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn verify_update(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
) -> Result<(), Rv> {
    Module::current()?.update(session, VERIFICATION, |verification| {
        // SAFETY: by contract.
        verification.update(unsafe { bytes(data, length) }?)
    })
}

/// `C_VerifyFinal`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn verify_final(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    length: CK_ULONG,
) -> Result<(), Rv> {
    let verification = Module::current()?.take(session, VERIFICATION)?.operation;
    // SAFETY: by contract.
    verification.finish(unsafe { present(signature, length) }?)
}

/// `C_EncryptInit`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn encrypt_init(
    session: CK_SESSION_HANDLE,
    kind: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> Result<(), Rv> {
    Module::current()?.begin(session, ENCRYPTION, key, |object| {
        // SAFETY: by contract.
        Encryption::new(object, unsafe { mechanism(kind) }?)
    })
}

/// `C_Encrypt`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn encrypt(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take_whole(session, ENCRYPTION)?;
    // SAFETY: by contract.
    let (data, output) = unsafe { (bytes(data, length)?, Output::new(out, out_length)?) };
    let room = output.takes(begun.operation.output_len());
    if let Some(mut encryption) = module.ending(session, ENCRYPTION, begun, room)? {
        encryption.update(data)?;
        output.give(&encrypted(encryption)?)?;
    }
    Ok(())
}

/// `C_EncryptUpdate`: gives nothing, for there is one block, which ends with the message.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn encrypt_update(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    Module::current()?.update(session, ENCRYPTION, |encryption| {
        // SAFETY: by contract.
        let (data, output) = unsafe { (bytes(data, length)?, Output::new(out, out_length)?) };
        if !output.is_query() {
            encryption.update(data)?;
        }
        output.give(&[])
    })
}

/// `C_EncryptFinal`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn encrypt_final(
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take(session, ENCRYPTION)?;
    // SAFETY: by contract.
    let output = unsafe { Output::new(out, out_length) }?;
    let room = output.takes(begun.operation.output_len());
    if let Some(encryption) = module.ending(session, ENCRYPTION, begun, room)? {
        output.give(&encrypted(encryption)?)?;
    }
    Ok(())
}

fn encrypted(encryption: Encryption) -> Result<Vec<u8>, Rv> {
    let mut padding = vec![0; encryption.padding_len()];
    // A byte that came out as zero is drawn again.
    while let Some(first) = padding.iter().position(|byte| *byte == 0) {
        let mut drawn = vec![0; padding.len() - first];
        fill_random(&mut drawn)?;
        let zeros = padding.iter_mut().filter(|byte| **byte == 0);
        zeros.zip(drawn).for_each(|(zero, byte)| *zero = byte);
    }
    encryption.finish(&padding)
}

/// Fills with random bytes of the operating system.
pub(crate) fn fill_random(mut rest: &mut [u8]) -> Result<(), Rv> {
    while !rest.is_empty() {
        let got = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty());
        match got {
            Ok(got) => rest = &mut rest[got..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(Rv::FUNCTION_FAILED),
        }
    }
    Ok(())
}

/// A decryption, with its result when the host had no room for that.
pub(crate) enum Decrypting {
    Begun(Decryption),
    Done(Zeroizing<Vec<u8>>),
}

impl Decrypting {
    fn update(&mut self, part: &[u8]) -> Result<(), Rv> {
        match self {
            Self::Begun(decryption) => decryption.update(part),
            Self::Done(_) => Err(Rv(CKR_OPERATION_ACTIVE)),
        }
    }
}

/// `C_DecryptInit`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn decrypt_init(
    session: CK_SESSION_HANDLE,
    kind: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> Result<(), Rv> {
    Module::current()?.begin(session, DECRYPTION, key, |object| {
        // SAFETY: by contract.
        Decryption::new(object, unsafe { mechanism(kind) }?).map(Decrypting::Begun)
    })
}

/// `C_Decrypt`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn decrypt(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take_whole(session, DECRYPTION)?;
    // SAFETY: by contract.
    let (data, output) = unsafe { (bytes(data, length)?, Output::new(out, out_length)?) };
    decrypted(&module, session, begun, data, &output)
}

/// `C_DecryptUpdate`: gives nothing, for the plaintext comes with the end of the only block.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn decrypt_update(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    Module::current()?.update(session, DECRYPTION, |decrypting| {
        // SAFETY: by contract.
        let (data, output) = unsafe { (bytes(data, length)?, Output::new(out, out_length)?) };
        if !output.is_query() {
            decrypting.update(data)?;
        }
        output.give(&[])
    })
}

/// `C_DecryptFinal`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn decrypt_final(
    session: CK_SESSION_HANDLE,
    out: *mut CK_BYTE,
    out_length: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let begun = module.take(session, DECRYPTION)?;
    // SAFETY: by contract.
    let output = unsafe { Output::new(out, out_length) }?;
    decrypted(&module, session, begun, &[], &output)
}

/// Ends a decryption with the last part of its data. Only the card knows how long the plaintext is:
/// a question for the length is answered with the most it can be, and a plaintext that does not fit
/// is kept for the next call, rather than asked for again.
fn decrypted(
    module: &Module,
    session: CK_SESSION_HANDLE,
    begun: Begun<Decrypting>,
    last: &[u8],
    output: &Output<CK_BYTE>,
) -> Result<(), Rv> {
    let in_parts = begun.in_parts;
    let plaintext = match begun.operation {
        Decrypting::Done(plaintext) => plaintext,
        Decrypting::Begun(decryption) if output.is_query() => {
            output.takes(decryption.max_output_len())?;
            let operation = Decrypting::Begun(decryption);
            module.put_back(
                session,
                DECRYPTION,
                Begun {
                    operation,
                    in_parts,
                },
            );
            return Ok(());
        }
        Decrypting::Begun(mut decryption) => {
            decryption.update(last)?;
            module.decrypt(session, decryption)?
        }
    };
    let room = output.takes(plaintext.len());
    let operation = Decrypting::Done(plaintext);
    let begun = Begun {
        operation,
        in_parts,
    };
    match module.ending(session, DECRYPTION, begun, room)? {
        Some(Decrypting::Done(plaintext)) => output.give(&plaintext),
        _ => Ok(()),
    }
}

/// As [`bytes`], where no bytes make no sense.
///
/// # Safety
/// As for [`bytes`].
unsafe fn present<'a>(pointer: *const u8, length: CK_ULONG) -> Result<&'a [u8], Rv> {
    if pointer.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    // SAFETY: as for this function.
    unsafe { bytes(pointer, length) }
}

const DECRYPTION: Place<Decrypting> = |session| &mut session.decryption;
const DIGEST: Place<Digest> = |session| &mut session.digest;
const ENCRYPTION: Place<Encryption> = |session| &mut session.encryption;
const SIGNING: Place<Signing> = |session| &mut session.signing;
const VERIFICATION: Place<Verification> = |session| &mut session.verification;
