//! Running code: load, seal, call, release, in that order and nowhere else.
//!
//! Every command comes through [`run`], and every option that changes how code is
//! run is handled here. What the result means is the command's business.

use crate::code::{Code, Page};
use crate::exec::{InPlace, Memory, PageSize, Unprotected};
use crate::sys::{Errno, Error};

/// Integer arguments in the order of the System V ABI: rdi, rsi, rdx, rcx, r8,
/// r9. A function that takes fewer does not notice the others.
pub type Args = [u64; 6];

type Entry = extern "sysv64" fn(u64, u64, u64, u64, u64, u64) -> u64;

/// How code gets into executable memory.
#[derive(Clone, Copy, Debug)]
pub enum Map {
    /// Written, then sealed: never writable and executable at once.
    WriteThenExecute,
    /// One mapping of 128 bytes for everything, as the articles have it.
    Unprotected,
    /// The code is at this offset in a static page, which becomes executable.
    InPlace(&'static Page, u32),
}

/// How to run code.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The way into executable memory.
    pub map: Map,
}

impl Options {
    /// What every command does unless it is told otherwise.
    pub const DEFAULT: Self = Self { map: Map::WriteThenExecute };
}

/// Runs `code` with `args` and gives what it left in RAX.
///
/// # Safety
/// 1. The code keeps to the System V ABI as a function of integer arguments.
/// 2. Called with `args` it does nothing undefined.
///
/// # Errors
/// The syscall that refused to give, seal or take back the memory.
pub unsafe fn run(code: &Code<'_>, args: Args, options: &Options) -> Result<u64, Error> {
    match options.map {
        Map::WriteThenExecute => {
            let size = PageSize::covering(code.bytes().len());
            let size = size.ok_or(Error { call: "mmap", errno: Errno::ENOMEM })?;
            let mut memory = Memory::map(size)?;
            memory.load(code);
            let memory = memory.seal()?;
            // SAFETY: (1, 2) the caller's duties 1 and 2.
            let entry = unsafe { memory.function(code.entry()) };
            let value = call(&entry, args);
            memory.release()?;
            Ok(value)
        }
        Map::Unprotected => {
            // SAFETY: (1) nothing else learns the address.
            let mut memory = unsafe { Unprotected::map(code.bytes().len().next_multiple_of(128)) }?;
            memory.load(code);
            // SAFETY: (1, 2) the caller's duties 1 and 2.
            let entry = unsafe { memory.function(code.entry()) };
            Ok(call(&entry, args))
        }
        Map::InPlace(page, offset) => {
            let memory = InPlace::seal(page)?;
            // SAFETY: (1, 2) the caller's duties 1 and 2.
            let entry = unsafe { memory.function(offset + code.entry()) };
            Ok(call(&entry, args))
        }
    }
}

fn call(entry: &Entry, args: Args) -> u64 {
    let [a, b, c, d, e, f] = args;
    entry(a, b, c, d, e, f)
}
