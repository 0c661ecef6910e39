//! Return values: what a C function answers, and which one a failure of the daemon becomes.

use cryptoki_sys as ck;
use cryptoki_sys::CK_RV;

/// A return value other than `CKR_OK`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rv(pub(crate) CK_RV);

impl Rv {
    pub(crate) const ARGUMENTS_BAD: Self = Self(ck::CKR_ARGUMENTS_BAD);
    pub(crate) const BUFFER_TOO_SMALL: Self = Self(ck::CKR_BUFFER_TOO_SMALL);
    pub(crate) const DATA_INVALID: Self = Self(ck::CKR_DATA_INVALID);
    pub(crate) const DATA_LEN_RANGE: Self = Self(ck::CKR_DATA_LEN_RANGE);
    pub(crate) const DEVICE_ERROR: Self = Self(ck::CKR_DEVICE_ERROR);
    pub(crate) const DEVICE_REMOVED: Self = Self(ck::CKR_DEVICE_REMOVED);
    pub(crate) const FUNCTION_CANCELED: Self = Self(ck::CKR_FUNCTION_CANCELED);
    pub(crate) const FUNCTION_FAILED: Self = Self(ck::CKR_FUNCTION_FAILED);
    pub(crate) const FUNCTION_NOT_PARALLEL: Self = Self(ck::CKR_FUNCTION_NOT_PARALLEL);
    pub(crate) const FUNCTION_NOT_SUPPORTED: Self = Self(ck::CKR_FUNCTION_NOT_SUPPORTED);
    pub(crate) const GENERAL_ERROR: Self = Self(ck::CKR_GENERAL_ERROR);
    pub(crate) const KEY_HANDLE_INVALID: Self = Self(ck::CKR_KEY_HANDLE_INVALID);
    pub(crate) const KEY_TYPE_INCONSISTENT: Self = Self(ck::CKR_KEY_TYPE_INCONSISTENT);
    pub(crate) const MECHANISM_INVALID: Self = Self(ck::CKR_MECHANISM_INVALID);
    pub(crate) const MECHANISM_PARAM_INVALID: Self = Self(ck::CKR_MECHANISM_PARAM_INVALID);
    pub(crate) const OPERATION_ACTIVE: Self = Self(ck::CKR_OPERATION_ACTIVE);
    pub(crate) const OPERATION_NOT_INITIALIZED: Self = Self(ck::CKR_OPERATION_NOT_INITIALIZED);
    pub(crate) const SESSION_HANDLE_INVALID: Self = Self(ck::CKR_SESSION_HANDLE_INVALID);
    pub(crate) const SLOT_ID_INVALID: Self = Self(ck::CKR_SLOT_ID_INVALID);
    pub(crate) const TOKEN_NOT_PRESENT: Self = Self(ck::CKR_TOKEN_NOT_PRESENT);
}
