//! `run`: machine code as hexadecimal digits. It checks the digits, not the code.

use alloc::vec::Vec;

/// Why text is not hexadecimal bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// There is no digit.
    Empty,
    /// The last byte has one digit only.
    OddDigits,
    /// This byte of the text is neither a digit nor white space.
    NotHexadecimal(usize),
}

/// Bytes from pairs of hexadecimal digits, with white space anywhere.
///
/// # Errors
/// The first thing that is wrong with the text.
pub fn parse(text: &[u8]) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (at, character) in text.iter().enumerate() {
        if character.is_ascii_whitespace() {
            continue;
        }
        let digit = char::from(*character).to_digit(16).ok_or(Error::NotHexadecimal(at))? as u8;
        high = match high {
            None => Some(digit << 4),
            Some(high) => {
                bytes.push(high | digit);
                None
            }
        };
    }
    match (high, bytes.is_empty()) {
        (Some(_), _) => Err(Error::OddDigits),
        (None, true) => Err(Error::Empty),
        (None, false) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_make_bytes() {
        assert_eq!(parse(b"B8 2a 0000\n00C3"), Ok(std::vec![0xB8, 0x2A, 0, 0, 0, 0xC3]));
        assert_eq!(parse(b" \n"), Err(Error::Empty));
        assert_eq!(parse(b"c"), Err(Error::OddDigits));
        assert_eq!(parse(b"c3 ret"), Err(Error::NotHexadecimal(3)));
    }
}
