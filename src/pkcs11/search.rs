//! `C_FindObjects…` and `C_GetAttributeValue`.

use std::vec;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG, CKR_ATTRIBUTE_SENSITIVE,
    CKR_ATTRIBUTE_TYPE_INVALID, CKR_OBJECT_HANDLE_INVALID, CKR_OPERATION_ACTIVE,
    CKR_OPERATION_NOT_INITIALIZED,
};
use zeroize::Zeroizing;

use crate::attributes::Attribute;
use crate::crypto::decoded;
use crate::module::Module;
use crate::pointers::{NO_LENGTH, attributes, template, write};
use crate::rv::Rv;

/// What a search found and has not given yet.
pub(crate) type Search = vec::IntoIter<CK_OBJECT_HANDLE>;

/// `C_FindObjectsInit`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn find_objects_init(
    session: CK_SESSION_HANDLE,
    wanted: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut tokens = module.tokens();
    let (open, token) = tokens.session_mut(session)?;
    if open.search.is_some() {
        return Err(Rv(CKR_OPERATION_ACTIVE));
    }
    // SAFETY: by contract.
    let wanted = unsafe { template(wanted, count) }?;
    let shown = token.objects.iter().filter(|object| token.shows(object));
    let found = shown.filter(|object| object.matches(&wanted));
    let found: Vec<_> = found.map(|object| object.handle).collect();
    open.search = Some(found.into_iter());
    Ok(())
}

/// `C_FindObjects`.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn find_objects(
    session: CK_SESSION_HANDLE,
    out: *mut CK_OBJECT_HANDLE,
    most: CK_ULONG,
    count: *mut CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut tokens = module.tokens();
    let (open, _) = tokens.session_mut(session)?;
    let search = open.search.as_mut();
    let search = search.ok_or(Rv(CKR_OPERATION_NOT_INITIALIZED))?;
    if count.is_null() || (out.is_null() && most > 0) {
        return Err(Rv::ARGUMENTS_BAD);
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut given = 0;
    for handle in search.by_ref().take(most) {
        // SAFETY: by contract there is room for `most` of them.
        unsafe { write(out.add(given), handle) }?;
        given += 1;
    }
    // SAFETY: by contract.
    unsafe { write(count, given as CK_ULONG) }
}

/// `C_FindObjectsFinal`.
pub(crate) fn find_objects_final(session: CK_SESSION_HANDLE) -> Result<(), Rv> {
    let module = Module::current()?;
    let mut tokens = module.tokens();
    let search = tokens.session_mut(session)?.0.search.take();
    search.map(drop).ok_or(Rv(CKR_OPERATION_NOT_INITIALIZED))
}

/// `C_GetAttributeValue`. Every attribute is answered, whatever happens to the others; when several
/// cannot be given, the first one decides what the call returns.
///
/// # Safety
/// As PKCS#11 says of its arguments.
pub(crate) unsafe fn attribute_value(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    wanted: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<(), Rv> {
    let module = Module::current()?;
    if wanted.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    // SAFETY: by contract.
    let asked = unsafe { attributes(wanted, count) }?;
    let mut result = Ok(());
    for (index, one) in asked.iter().enumerate() {
        let answer = module.attribute(session, object, one)?;
        // SAFETY: by contract, `pValue` is null or has room for `ulValueLen` bytes.
        let length = unsafe { give(one, answer) };
        let length = length.unwrap_or_else(|failure| {
            result = result.and(Err(failure));
            NO_LENGTH
        });
        // SAFETY: by contract there are `count` attributes, and this is one of them.
        unsafe { write(&raw mut (*wanted.add(index)).ulValueLen, length) }?;
    }
    result
}

/// Puts a value where it is wanted, and tells its length.
///
/// # Safety
/// `pValue` is null or has room for `ulValueLen` bytes.
unsafe fn give(wanted: &CK_ATTRIBUTE, value: Result<Value, Rv>) -> Result<CK_ULONG, Rv> {
    let value = value?;
    let length = value.len() as CK_ULONG;
    if wanted.pValue.is_null() {
        return Ok(length);
    }
    if wanted.ulValueLen < length {
        return Err(Rv::BUFFER_TOO_SMALL);
    }
    // SAFETY: by contract there is room for `ulValueLen` bytes, no fewer than the value has.
    unsafe {
        wanted
            .pValue
            .cast::<u8>()
            .copy_from_nonoverlapping(value.as_ptr(), value.len());
    }
    Ok(length)
}

/// The value of an attribute, which may be a secret.
type Value = Zeroizing<Vec<u8>>;

/// The value of a data object, kept between the question for its length and that for itself.
pub(crate) struct Fetched {
    object: CK_OBJECT_HANDLE,
    value: Value,
}

impl Module {
    /// The value of an attribute, or why there is none to give.
    ///
    /// # Errors
    /// Those of the whole call: the session or the object is not there.
    fn attribute(
        &self,
        session: CK_SESSION_HANDLE,
        handle: CK_OBJECT_HANDLE,
        wanted: &CK_ATTRIBUTE,
    ) -> Result<Result<Value, Rv>, Rv> {
        let id = {
            let mut tokens = self.tokens();
            let (open, token) = tokens.session_mut(session)?;
            let mut objects = token.objects.iter().filter(|object| token.shows(object));
            let object = objects.find(|object| object.handle == handle);
            let object = object.ok_or(Rv(CKR_OBJECT_HANDLE_INVALID))?;
            match object.attribute(wanted.type_) {
                Attribute::Sensitive => return Ok(Err(Rv(CKR_ATTRIBUTE_SENSITIVE))),
                Attribute::Unknown => return Ok(Err(Rv(CKR_ATTRIBUTE_TYPE_INVALID))),
                Attribute::Value(value) => return Ok(Ok(Zeroizing::new(value.to_vec()))),
                Attribute::Fetch(id) => match open.fetched.take() {
                    Some(fetched) if fetched.object == handle => return Ok(Ok(fetched.value)),
                    _ => id.to_owned(),
                },
            }
        };
        let answer = self.daemon.ask(|client| client.object_value(&id));
        let value = answer.and_then(|answer| decoded(answer.value));
        if let Ok(value) = &value
            && wanted.pValue.is_null()
            && let Ok((open, _)) = self.tokens().session_mut(session)
        {
            open.fetched = Some(Fetched {
                object: handle,
                value: value.clone(),
            });
        }
        Ok(value)
    }
}
