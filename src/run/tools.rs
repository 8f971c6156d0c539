//! Views of generated code: a listing or the bare bytes instead of a run, a trace of the
//! run, and registration with perf and gdb.

use super::step::Steps;
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

/// The file by which perf learns of the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Perf {
    /// Names and addresses.
    Map,
    /// Names, bytes and lines of the source.
    Jitdump,
}

/// The views that were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tools {
    /// Print the code and do not run it.
    pub listing: bool,
    /// Write its bytes to this file, `-` being standard output, and do not run it.
    pub raw: Option<&'static [u8]>,
    /// Trace each step of the run on standard error.
    pub trace: bool,
    /// Print on standard error each instruction that runs, and what it changed.
    pub step: Option<Steps>,
    /// Write a file for perf.
    pub perf: Option<Perf>,
    /// Register the code with debuggers.
    pub gdb: bool,
}

impl Tools {
    /// None of them.
    pub const NONE: Self =
        Self { listing: false, raw: None, trace: false, step: None, perf: None, gdb: false };

    /// Whether the code is run instruction by instruction.
    pub(super) const fn is_stepping(&self) -> bool {
        self.step.is_some()
    }

    /// Whether the code needs its record and its source.
    pub const fn explain(&self) -> bool {
        self.listing || self.trace || matches!(self.perf, Some(Perf::Jitdump))
    }

    /// Prints or writes `code` if that was asked for, and returns whether it was: then it is
    /// not run.
    pub(super) fn show(&self, code: &Code<'_>) -> Result<bool, Error> {
        if self.listing {
            listing::print(code)?;
        }
        if let Some(path) = self.raw {
            write_file(path, code.bytes()).map_err(|error| Error::File(path, error))?;
        }
        Ok(self.listing || self.raw.is_some())
    }

    /// Registers `code`, which lies at `start`, with perf and debuggers until the result is
    /// dropped.
    pub(super) fn announce(&self, code: &Code<'_>, start: usize) -> Result<Registration, Error> {
        if self.perf.is_none() && !self.gdb { Ok(Registration(None, None)) } else { self.tell(code, start) }
    }

    #[cold]
    fn tell(&self, code: &Code<'_>, start: usize) -> Result<Registration, Error> {
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
        Ok(Registration(marker, registered))
    }
}

/// Code that is registered.
pub(super) struct Registration(
    #[expect(dead_code, reason = "held for perf")] Option<Marker>,
    #[expect(dead_code, reason = "held for debuggers")] Option<Registered>,
);

fn write_file(path: &[u8], bytes: &[u8]) -> Result<(), sys::Error> {
    if path == b"-" {
        return sys::write_all(Fd::STDOUT, bytes);
    }
    sys::ignore_sigxfsz()?;
    let file = sys::at(path, &linux::create)?;
    sys::write_all(file.fd(), bytes)?;
    file.close()
}
