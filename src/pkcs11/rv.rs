//! Return values: what a C function answers, and which one a failure of the daemon becomes.

use cps_api::{Code, Error};
use cryptoki_sys as ck;
use cryptoki_sys::CK_RV;

/// A return value other than `CKR_OK`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Rv(pub(crate) CK_RV);

impl Rv {
    pub(crate) const ARGUMENTS_BAD: Self = Self(ck::CKR_ARGUMENTS_BAD);
    pub(crate) const BUFFER_TOO_SMALL: Self = Self(ck::CKR_BUFFER_TOO_SMALL);
    pub(crate) const DEVICE_ERROR: Self = Self(ck::CKR_DEVICE_ERROR);
    pub(crate) const DEVICE_REMOVED: Self = Self(ck::CKR_DEVICE_REMOVED);
    pub(crate) const FUNCTION_CANCELED: Self = Self(ck::CKR_FUNCTION_CANCELED);
    pub(crate) const FUNCTION_FAILED: Self = Self(ck::CKR_FUNCTION_FAILED);
    pub(crate) const FUNCTION_NOT_PARALLEL: Self = Self(ck::CKR_FUNCTION_NOT_PARALLEL);
    pub(crate) const FUNCTION_NOT_SUPPORTED: Self = Self(ck::CKR_FUNCTION_NOT_SUPPORTED);
    pub(crate) const GENERAL_ERROR: Self = Self(ck::CKR_GENERAL_ERROR);
    pub(crate) const SESSION_HANDLE_INVALID: Self = Self(ck::CKR_SESSION_HANDLE_INVALID);
    pub(crate) const SLOT_ID_INVALID: Self = Self(ck::CKR_SLOT_ID_INVALID);
    pub(crate) const TOKEN_NOT_PRESENT: Self = Self(ck::CKR_TOKEN_NOT_PRESENT);
}

/// What a failure of the daemon is to a program.
impl From<Error> for Rv {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => problem.code.parse().map_or(Self::FUNCTION_FAILED, of),
            // Nobody answered in the time that the program was to wait.
            Error::TimedOut => Self::FUNCTION_CANCELED,
            // A daemon that is away or ended in the middle, or nonsense. The card may still be there.
            _ => Self::DEVICE_ERROR,
        }
    }
}

fn of(code: Code) -> Rv {
    match code {
        Code::GrantDenied
        | Code::PinCancelled
        | Code::PinLastTryDeclined
        | Code::PromptHeldOff
        | Code::PromptTimeout
        | Code::QueueDeadline => Rv::FUNCTION_CANCELED,
        Code::PinBlocked => Rv(ck::CKR_PIN_LOCKED),
        Code::PinAlreadyRefused | Code::PinIncorrect => Rv(ck::CKR_PIN_INCORRECT),
        Code::PinFormat => Rv(ck::CKR_PIN_LEN_RANGE),
        Code::PinRequired => Rv(ck::CKR_USER_NOT_LOGGED_IN),
        Code::CardAbsent
        | Code::CardRemoved
        | Code::DaemonStopping
        | Code::ObjectUnknown
        | Code::ReaderAbsent => Rv::DEVICE_REMOVED,
        Code::ObjectUndecryptable => Rv(ck::CKR_ENCRYPTED_DATA_INVALID),
        Code::CardBusy
        | Code::CardMalformed
        | Code::CardMute
        | Code::CardRefused
        | Code::CardReset
        | Code::ReaderError
        | Code::ReaderServiceAbsent => Rv::DEVICE_ERROR,
        _ => Rv::FUNCTION_FAILED,
    }
}
