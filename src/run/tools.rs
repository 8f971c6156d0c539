//! What people and their tools may ask to see of code: a listing or the bare
//! bytes instead of a run, a narration of it, and names for perf and gdb.

use super::{Error, listing};
use crate::code::Code;
use crate::sys::{self, Errno, Fd, linux};
use alloc::ffi::CString;

/// Which of them are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tools {
    /// Print the code and do not run it.
    pub listing: bool,
    /// Write its bytes to this file, `-` being standard output, and do not run it.
    pub raw: Option<&'static [u8]>,
    /// Tell on standard error what happens to the code while it happens.
    pub trace: bool,
}

impl Tools {
    /// None of them.
    pub const NONE: Self = Self { listing: false, raw: None, trace: false };

    /// Whether code had better bring its record.
    pub const fn explain(&self) -> bool {
        self.listing || self.trace
    }

    /// Shows `code`, and says whether that is all that is wanted.
    pub(super) fn show(&self, code: &Code<'_>) -> Result<bool, Error> {
        if self.listing {
            listing::print(code)?;
        }
        if let Some(path) = self.raw {
            write_file(path, code.bytes()).map_err(|error| Error::File(path, error))?;
        }
        Ok(self.listing || self.raw.is_some())
    }
}

fn write_file(path: &[u8], bytes: &[u8]) -> Result<(), sys::Error> {
    if path == b"-" {
        return sys::write_all(Fd::STDOUT, bytes);
    }
    let path = CString::new(path).map_err(|_| sys::Error { call: "open", errno: Errno::EINVAL })?;
    sys::write_all(linux::create(&path)?.fd(), bytes)
}
