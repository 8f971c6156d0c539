//! Text going out, piece by piece. Not `core::fmt`: a report is made of plain
//! strings and whole numbers, and formatting machinery would outweigh it.

use barejit_sys::piece;

/// Where text goes. What becomes of it is the receiver's knowledge.
pub trait Out {
    /// Takes one more piece.
    fn put(&mut self, text: &str);
}

impl Out for alloc::string::String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }
}

/// Puts several pieces.
pub(super) fn all(out: &mut dyn Out, texts: &[&str]) {
    for text in texts {
        out.put(text);
    }
}

/// Puts a text with a value for each `~` in it.
pub(super) fn fill(out: &mut dyn Out, text: &str, values: &[&str]) {
    for i in 0..=values.len() {
        all(out, &[piece(text, b'~', i), values.get(i).unwrap_or(&"")]);
    }
}

/// One of the `words`, which have a blank between each two.
pub(super) fn word(words: &str, place: usize) -> &str {
    piece(words, b' ', place)
}

/// Puts as many blanks.
pub(super) fn blanks(out: &mut dyn Out, count: usize) {
    for _ in 0..count {
        out.put(" ");
    }
}

/// A short text: printable ASCII, cut at its capacity. Bytes from outside that
/// would do something to a terminal become `?`.
#[derive(Clone, Copy, Debug)]
pub struct Text<const SIZE: usize> {
    /// How many of the bytes are the text; no more than there are.
    used: u8,
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Text<SIZE> {
    /// No text.
    pub(super) const EMPTY: Self = Self { used: 0, bytes: [0; SIZE] };

    /// The text that `bytes` are.
    pub(super) const fn new(bytes: &[u8]) -> Self {
        const { assert!(SIZE <= u8::MAX as usize) }
        let mut text = Self::EMPTY;
        append(&mut text.bytes, &mut text.used, bytes);
        text
    }

    /// Adds as much as there is room for.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        append(&mut self.bytes, &mut self.used, bytes);
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8] {
        // SAFETY: `append` counts no more than it has stored.
        unsafe { core::slice::from_raw_parts(self.bytes.as_ptr(), self.used as usize) }
    }

    /// The same as a string.
    pub const fn text(&self) -> &str {
        // SAFETY: `append` lets printable ASCII pass and nothing else.
        unsafe { core::str::from_utf8_unchecked(self.bytes()) }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }
}

impl<const SIZE: usize> Default for Text<SIZE> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const SIZE: usize> Out for Text<SIZE> {
    fn put(&mut self, text: &str) {
        self.append(text.as_bytes());
    }
}

/// Adds to the first `used` bytes of `text`, as much as there is room for.
const fn append(text: &mut [u8], used: &mut u8, bytes: &[u8]) {
    let mut i = 0;
    while i < bytes.len() && (*used as usize) < text.len() {
        let plain = bytes[i] == b' ' || bytes[i].is_ascii_graphic();
        text[*used as usize] = if plain { bytes[i] } else { b'?' };
        *used += 1;
        i += 1;
    }
}

/// Whether `part` occurs in `bytes`.
pub(super) fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// A whole number, in decimal.
pub(super) fn number(mut value: u64) -> Text<20> {
    let mut digits = [b' '; 20];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    Text::new(digits.trim_ascii_start())
}
