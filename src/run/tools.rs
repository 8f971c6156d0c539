//! What people and their tools may ask to see of code: a listing or the bare
//! bytes instead of a run, a narration of it, and names for perf and gdb.

use super::{Error, listing};
use barejit_asm::Code;
use barejit_exec::{
    debug::{
        gdb::{Caller, Registered},
        jitdump::{self, Marker},
        perf_map,
    },
    fault,
};
use barejit_sys::{self as sys, Fd, linux};

/// What perf is told by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Perf {
    /// Names and addresses.
    Map,
    /// Names, bytes and lines of the source.
    Jitdump,
}

/// Which of them are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tools {
    /// Print the code and do not run it.
    pub listing: bool,
    /// Write its bytes to this file, `-` being standard output, and do not run it.
    pub raw: Option<&'static [u8]>,
    /// Tell on standard error what happens to the code while it happens.
    pub trace: bool,
    /// Leave a file that tells perf about the code.
    pub perf: Option<Perf>,
    /// Register the code with debuggers.
    pub gdb: bool,
}

impl Tools {
    /// None of them.
    pub const NONE: Self = Self { listing: false, raw: None, trace: false, perf: None, gdb: false };

    /// Whether code had better bring its record and what it came from.
    pub const fn explain(&self) -> bool {
        self.listing || self.trace || matches!(self.perf, Some(Perf::Jitdump))
    }

    /// Shows `code`, and says whether that is all that is wanted. What is not wanted
    /// most times is called and not inlined.
    pub(super) fn show(&self, code: &Code<'_>) -> Result<bool, Error> {
        if self.listing {
            listing::print(code)?;
        }
        if let Some(path) = self.raw {
            write_file(path, code.bytes()).map_err(|error| Error::File(path, error))?;
        }
        Ok(self.listing || self.raw.is_some())
    }

    /// Tells debuggers and perf that `code` lies at `start`, until the result is
    /// dropped.
    pub(super) fn announce(&self, code: &Code<'_>, start: usize) -> Result<Announced, Error> {
        if self.perf.is_none() && !self.gdb { Ok(Announced(None, None)) } else { self.tell(code, start) }
    }

    #[cold]
    #[inline(never)]
    fn tell(&self, code: &Code<'_>, start: usize) -> Result<Announced, Error> {
        let marker = match self.perf {
            None => None,
            Some(Perf::Map) => perf_map::write(code, start).map(|()| None).map_err(Error::Perf)?,
            Some(Perf::Jitdump) => jitdump::write(code, start).map(Some).map_err(Error::Perf)?,
        };
        let registered = if self.gdb {
            let (frame, caller) = fault::caller();
            Some(Registered::new(code, start, &Caller { frame, code: caller }).ok_or(Error::Busy)?)
        } else {
            None
        };
        Ok(Announced(marker, registered))
    }
}

/// Code that others know of.
pub(super) struct Announced(
    #[expect(dead_code, reason = "held for perf")] Option<Marker>,
    #[expect(dead_code, reason = "held for debuggers")] Option<Registered>,
);

#[inline(never)]
fn write_file(path: &[u8], bytes: &[u8]) -> Result<(), sys::Error> {
    if path == b"-" {
        return sys::write_all(Fd::STDOUT, bytes);
    }
    sys::ignore_sigxfsz()?;
    let file = sys::at(path, &linux::create)?;
    sys::write_all(file.fd(), bytes)?;
    file.close()
}
