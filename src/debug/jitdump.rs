//! A jitdump: the code itself with names and lines, for `perf inject --jit`
//! (tools/perf, jitdump-specification.txt).
//!
//! ```text
//! header │ DEBUG_INFO: address → line │ LOAD: name, bytes │ LOAD …
//! ```
//!
//! perf learns of the file by seeing it mapped for execution.

use super::{File, Place, WRITTEN, own_file, places};
use crate::code::Code;
use crate::sys::{self, Error, Guard, PageSize, Prot, Region, Source, linux};
use core::sync::atomic::Ordering::Relaxed;

/// The mapping that leads perf to the file. One that attaches later looks for it
/// too, so it lives as long as the code.
#[derive(Debug)]
pub struct Marker(#[expect(dead_code, reason = "perf sees it")] Option<Region>);

/// Kinds of records. Each begins with its kind, its size with this, and the time.
mod kind {
    pub(super) const LOAD: u32 = 0;
    pub(super) const DEBUG_INFO: u32 = 2;
}

/// Begins a record.
fn begin(file: &mut File, kind: u32) -> usize {
    let start = file.0.len();
    file.words(&[kind, 0]);
    file.longs(&[linux::nanoseconds()]);
    start
}

/// Ends the record that began at `start`.
fn end(file: &mut File, start: usize) {
    let size = (file.0.len() - start) as u32;
    file.0[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
}

/// Which lines of the source the code at `place` came from.
fn lines(file: &mut File, code: &Code<'_>, place: &Place<'_>, start: usize) {
    let Some(source) = code.source() else { return };
    let record = begin(file, kind::DEBUG_INFO);
    file.longs(&[place.address]);
    let count = file.0.len();
    file.longs(&[0]);
    let (mut lines, mut last) = (0u32, 0);
    for mark in code.marks() {
        let (address, line) = (start as u64 + u64::from(mark.code), source.line(*mark));
        if address >= place.address && line != last {
            const DISCRIMINATOR: u32 = 0;
            file.longs(&[address]);
            file.words(&[line, DISCRIMINATOR]);
            file.text(source.name());
            (lines, last) = (lines + 1, line);
        }
    }
    file.0[count..count + 4].copy_from_slice(&lines.to_le_bytes());
    end(file, record);
}

/// Writes jit-PID.dump into the current directory, with the bytes as they were
/// assembled.
///
/// # Errors
/// The syscall that refused; EPERM of mmap(2) says that nothing in this directory
/// may be executed.
pub fn write(code: &Code<'_>, start: usize) -> Result<Marker, Error> {
    let process = linux::getpid()? as u32;
    let mut dump = File::default();
    let places = places(code, start);
    let first = WRITTEN.fetch_add(places.len() as u32, Relaxed);
    // "JiTD" for a reader of the same byte order, version 1, size of this header,
    // EM_X86_64, nothing, the process; the time, no flags.
    if first == 0 {
        dump.words(&[0x4A69_5444, 1, 40, 62, 0, process]);
        dump.longs(&[linux::nanoseconds(), 0]);
    }
    for (index, place) in places.iter().enumerate() {
        if index == 0 {
            lines(&mut dump, code, place, start);
        }
        let record = begin(&mut dump, kind::LOAD);
        // The only thread has the number of the process.
        dump.words(&[process, process]);
        dump.longs(&[place.address, place.address, place.size, u64::from(first) + index as u64]);
        dump.text(place.name);
        let offset = (place.address - start as u64) as usize;
        dump.0.extend_from_slice(&code.bytes()[offset..][..place.size as usize]);
        end(&mut dump, record);
    }
    let file = own_file("jit-", process, ".dump", first > 0)?;
    sys::write_all(file.fd(), &dump.0)?;
    if first > 0 {
        // perf has seen the file already, and would read all of it once more.
        return Ok(Marker(None));
    }
    let prot = Prot::READ.union(Prot::EXEC);
    Region::map(PageSize::needed(1)?, Guard::None, Source::Private(file.fd()), prot)
        .map(|region| Marker(Some(region)))
}
