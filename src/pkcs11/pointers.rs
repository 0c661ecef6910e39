//! Pointers of the host program, checked before they are followed.
//!
//! The standard lets a host give any pointer; what can be checked is that it is not null and that
//! its length makes sense. All of these functions are unsafe for the same reason, the contract of
//! PKCS#11 itself: a pointer that is not null must point to what its argument is declared to be, of
//! the length given beside it, for the length of the call.

use std::slice;

use cryptoki_sys::{CK_ATTRIBUTE, CK_ULONG, CK_UNAVAILABLE_INFORMATION};

use crate::rv::Rv;

/// The value at `pointer`.
///
/// # Safety
/// As said of this module.
pub(crate) unsafe fn read<T: Copy>(pointer: *const T) -> Result<T, Rv> {
    if pointer.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    // SAFETY: not null, and by contract a T; hosts in C need not have aligned it.
    Ok(unsafe { pointer.read_unaligned() })
}

/// Puts `value` at `pointer`.
///
/// # Safety
/// As said of this module.
pub(crate) unsafe fn write<T>(pointer: *mut T, value: T) -> Result<(), Rv> {
    if pointer.is_null() {
        return Err(Rv::ARGUMENTS_BAD);
    }
    // SAFETY: not null, and by contract room for a T; hosts in C need not have aligned it.
    unsafe { pointer.write_unaligned(value) };
    Ok(())
}

/// `length` bytes at `pointer`; a null pointer stands for no bytes.
///
/// # Safety
/// As said of this module, for as long as the bytes are used.
pub(crate) unsafe fn bytes<'a>(pointer: *const u8, length: CK_ULONG) -> Result<&'a [u8], Rv> {
    let length = sensible(length)?;
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Rv::ARGUMENTS_BAD),
        // SAFETY: not null, and by contract so many bytes, no more than a slice may have.
        (false, _) => Ok(unsafe { slice::from_raw_parts(pointer, length) }),
    }
}

/// Room for `length` bytes at `pointer`, which hold something already.
///
/// # Safety
/// As said of this module, for as long as the bytes are used, and nothing else may use them then.
pub(crate) unsafe fn bytes_mut<'a>(pointer: *mut u8, length: CK_ULONG) -> Result<&'a mut [u8], Rv> {
    let length = sensible(length)?;
    match (pointer.is_null(), length) {
        (true, _) => Err(Rv::ARGUMENTS_BAD),
        (false, 0) => Ok(&mut []),
        // SAFETY: not null, and by contract so many bytes, no more than a slice may have.
        (false, _) => Ok(unsafe { slice::from_raw_parts_mut(pointer, length) }),
    }
}

/// An attribute of a template: its type, and its value.
pub(crate) type Attribute<'a> = (CK_ULONG, &'a [u8]);

/// The template of a search.
///
/// # Safety
/// As said of this module, for as long as the template is used.
pub(crate) unsafe fn template<'a>(
    pointer: *const CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<Vec<Attribute<'a>>, Rv> {
    // SAFETY: by contract so many attributes at the pointer.
    let attributes = unsafe { attributes(pointer, count) }?;
    let mut template = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        // SAFETY: by contract, the value has the length that stands beside it.
        let value = unsafe { bytes(attribute.pValue.cast(), attribute.ulValueLen) }?;
        template.push((attribute.type_, value));
    }
    Ok(template)
}

/// A copy of `count` attributes, their values unread.
///
/// # Safety
/// As said of this module.
pub(crate) unsafe fn attributes(
    pointer: *const CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<Vec<CK_ATTRIBUTE>, Rv> {
    if count > MAX_ATTRIBUTES || (pointer.is_null() && count > 0) {
        return Err(Rv::ARGUMENTS_BAD);
    }
    let count = sensible(count)?;
    let mut all = Vec::with_capacity(count);
    for index in 0..count {
        // SAFETY: by contract there are `count` attributes, and this is one of them.
        all.push(unsafe { read(pointer.add(index)) }?);
    }
    Ok(all)
}

/// A buffer for values of unknown length: a null buffer asks for the length alone (PKCS#11 2.40,
/// §5.2).
pub(crate) struct Output<T> {
    buffer: *mut T,
    length: *mut CK_ULONG,
    /// What the host says the buffer holds.
    room: CK_ULONG,
}

impl<T: Copy> Output<T> {
    /// # Safety
    /// As said of this module, for as long as the output is used.
    pub(crate) unsafe fn new(buffer: *mut T, length: *mut CK_ULONG) -> Result<Self, Rv> {
        // SAFETY: as for this function.
        let room = unsafe { read(length) }?;
        Ok(Self {
            buffer,
            length,
            room,
        })
    }

    /// Whether only the length is asked.
    pub(crate) fn is_query(&self) -> bool {
        self.buffer.is_null()
    }

    /// Tells the length; `Ok(false)` when that was all the host asked for.
    ///
    /// # Errors
    /// `CKR_BUFFER_TOO_SMALL`, the length told.
    pub(crate) fn takes(&self, length: usize) -> Result<bool, Rv> {
        let needed = length as CK_ULONG;
        if self.is_query() {
            self.tell(needed)?;
            return Ok(false);
        }
        if self.room < needed {
            self.tell(needed)?;
            return Err(Rv::BUFFER_TOO_SMALL);
        }
        Ok(true)
    }

    /// Gives the values, or as [`Self::takes`].
    pub(crate) fn give(&self, values: &[T]) -> Result<(), Rv> {
        if !self.takes(values.len())? {
            return Ok(());
        }
        for (index, value) in values.iter().enumerate() {
            // SAFETY: the contract of `new`: `room` values fit, which `takes` compared.
            unsafe { self.buffer.add(index).write_unaligned(*value) };
        }
        self.tell(values.len() as CK_ULONG)
    }

    fn tell(&self, length: CK_ULONG) -> Result<(), Rv> {
        // SAFETY: the contract of `new`.
        unsafe { write(self.length, length) }
    }
}

/// Fills a fixed field with text, padded with blanks and cut between characters (PKCS#11 2.40, §3).
pub(crate) fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut end = text.len().min(N);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut field = [b' '; N];
    field[..end].copy_from_slice(&text.as_bytes()[..end]);
    field
}

/// A length that a slice may have.
fn sensible(length: CK_ULONG) -> Result<usize, Rv> {
    let length = isize::try_from(length).map_err(|_| Rv::ARGUMENTS_BAD)?;
    Ok(length.unsigned_abs())
}

/// `ulValueLen` of an attribute that has no value to give (PKCS#11 2.40, C_GetAttributeValue).
pub(crate) const NO_LENGTH: CK_ULONG = CK_UNAVAILABLE_INFORMATION;

/// Attributes in a template: there are not that many kinds.
const MAX_ATTRIBUTES: CK_ULONG = 4096;

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(padded::<4>("ab"), *b"ab  ");
        assert_eq!(padded::<4>("abcdef"), *b"abcd");
        assert_eq!(&padded::<4>("abcé"), b"abc ");
        assert_eq!(padded::<2>(""), *b"  ");
    }

    #[test]
    fn lengths_that_no_memory_has_are_refused() {
        let byte = 0_u8;
        for length in [CK_ULONG::MAX, 1 << 63] {
            // SAFETY: refused before the pointer is followed.
            let read = unsafe { bytes(&raw const byte, length) };
            assert_eq!(read, Err(Rv::ARGUMENTS_BAD));
            // SAFETY: as above.
            let read = unsafe { attributes(ptr::dangling(), length) };
            assert!(read.is_err());
        }
    }

    #[test]
    fn null_is_nothing_only_without_a_length() {
        // SAFETY: null is never followed.
        unsafe {
            assert_eq!(bytes(ptr::null(), 0), Ok([].as_slice()));
            assert_eq!(bytes(ptr::null(), 1), Err(Rv::ARGUMENTS_BAD));
            assert!(attributes(ptr::null(), 0).is_ok_and(|all| all.is_empty()));
            assert!(attributes(ptr::null(), 1).is_err());
        }
    }

    #[test]
    fn a_buffer_too_small_is_left_alone_and_the_length_told() {
        let mut buffer = [7_u8; 2];
        for (room, answer) in [(1, Err(Rv::BUFFER_TOO_SMALL)), (2, Ok(()))] {
            let mut length = room;
            // SAFETY: the buffer has room for what its length says.
            let output = unsafe { Output::new(buffer.as_mut_ptr(), &raw mut length) }.unwrap();
            assert_eq!(output.give(&[1, 2]), answer);
            assert_eq!(length, 2);
            assert_eq!(buffer, if answer.is_ok() { [1, 2] } else { [7, 7] });
        }
        let mut length = 0;
        // SAFETY: a null buffer is never followed.
        let output = unsafe { Output::<u8>::new(ptr::null_mut(), &raw mut length) }.unwrap();
        assert_eq!(output.give(&[1, 2]), Ok(()));
        assert_eq!(length, 2);
    }
}
