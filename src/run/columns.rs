//! The paper that listings are written on: output that knows its column, so that texts and
//! comments stand below each other.

use crate::host::Output;
use barejit_sys::Error;
use core::fmt::{self, Write};

/// Bytes of an instruction in a row; a longer one goes on in the next.
pub(super) const INSTRUCTION: usize = 10;

/// Bytes of data in a row.
pub(super) const DATA: usize = 8;

/// Output that knows its column.
pub(super) struct ColumnWriter<'a> {
    output: Output<'a>,
    column: usize,
    refused: Option<Error>,
}

impl Write for ColumnWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // Bytes that continue a character take no room.
            self.column = if byte == b'\n' { 0 } else { self.column + usize::from(byte & 0xC0 != 0x80) };
        }
        self.output.write(text.as_bytes()).map_err(|error| {
            self.refused = Some(error);
            fmt::Error
        })
    }
}

impl<'a> ColumnWriter<'a> {
    /// An empty one, which leaves by `output`.
    pub(super) fn new(output: Output<'a>) -> Self {
        Self { output, column: 0, refused: None }
    }

    /// Sees that everything has left.
    ///
    /// # Errors
    /// The result of write(2) so far.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        match self.refused {
            Some(error) => Err(error),
            None => self.output.flush(),
        }
    }

    /// Fills with spaces up to `column`, with one at least.
    pub(super) fn tab(&mut self, column: usize) -> fmt::Result {
        self.write_char(' ')?;
        while self.column < column {
            self.write_char(' ')?;
        }
        Ok(())
    }
}
