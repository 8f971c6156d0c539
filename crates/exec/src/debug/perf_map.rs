//! A perf map: where the code lies and what it is called, one line a name, in
//! the file that `perf report` looks for (tools/perf, jit-interface.txt). It looks
//! there only for samples in anonymous memory: of code that lies in a file, as dual,
//! sealed and file have it, it shows offsets into that file. A jitdump names those.

use super::{WRITTEN, names, own_file};
use alloc::string::String;
use barejit_asm::Code;
use barejit_sys::{self as sys, Error, linux};
use core::{fmt::Write, sync::atomic::Ordering::Relaxed};

/// Writes /tmp/perf-PID.map, which stays: it is read after this process is gone.
///
/// # Errors
/// The syscall that refused.
pub fn write(code: &Code<'_>, start: usize) -> Result<(), Error> {
    let mut lines = String::new();
    let names = names(code);
    let more = WRITTEN.fetch_add(names.len() as u32, Relaxed) > 0;
    for symbol in &names {
        let (start, size) = (start + symbol.offset as usize, symbol.size as usize);
        // A string takes everything.
        let _ = writeln!(lines, "{start:x} {size:x} {}", symbol.name);
    }
    let file = own_file("/tmp/perf-", linux::getpid()? as u64, ".map", more)?;
    sys::write_all(file.fd(), lines.as_bytes())
}
