//! The border with C: nothing of ours unwinds into the host program, every failure becomes one
//! return value.

use std::mem;
use std::panic::{self, AssertUnwindSafe};

use cryptoki_sys::{CK_RV, CKR_OK};

use crate::rv::Rv;

/// Runs the body of a C function.
///
/// A panic is a defect of ours, and the host program is not to die of it. State stays usable: no
/// lock is left poisoned (see [`crate::lock`]), and what a body changes, it changes at its end.
pub(crate) fn answer(body: impl FnOnce() -> Result<(), Rv>) -> CK_RV {
    match panic::catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CKR_OK,
        Ok(Err(Rv(value))) => value,
        Err(payload) => {
            // Dropping a payload may panic again.
            mem::forget(payload);
            Rv::GENERAL_ERROR.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_general_error() {
        assert_eq!(answer(|| panic!("on purpose")), Rv::GENERAL_ERROR.0);
    }

    #[test]
    fn a_panic_that_panics_again_is_one_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let answered = answer(|| panic::panic_any(Bomb));
        assert_eq!(answered, Rv::GENERAL_ERROR.0);
    }
}
