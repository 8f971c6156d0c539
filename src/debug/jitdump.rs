//! A jitdump: the code itself with names and lines, for `perf inject --jit`
//! (tools/perf, jitdump-specification.txt).
//!
//! ```text
//! header │ DEBUG_INFO: address → line │ LOAD: name, bytes │ LOAD …
//! ```
//!
//! perf learns of the file by seeing it mapped for execution.

use super::places;
use crate::code::Code;
use crate::sys::{self, Error, Guard, PageSize, Prot, Region, Source, linux};
use alloc::{ffi::CString, format, vec::Vec};

/// The mapping that leads perf to the file. One that attaches later looks for it
/// too, so it lives as long as the code.
#[derive(Debug)]
pub struct Marker(#[expect(dead_code, reason = "perf sees it")] Region);

/// What a record begins with: its kind, its size with this, and the time.
const RECORD: usize = 16;

/// Kinds of records.
mod kind {
    pub(super) const LOAD: u32 = 0;
    pub(super) const DEBUG_INFO: u32 = 2;
}

struct Dump(Vec<u8>);

impl Dump {
    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.0.extend(word.to_le_bytes()));
    }

    fn longs(&mut self, longs: &[u64]) {
        longs.iter().for_each(|long| self.0.extend(long.to_le_bytes()));
    }

    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    /// A record with what `body` writes.
    fn record(&mut self, kind: u32, body: impl FnOnce(&mut Self)) {
        let start = self.0.len();
        self.words(&[kind, 0]);
        self.longs(&[linux::nanoseconds()]);
        debug_assert_eq!(self.0.len(), start + RECORD);
        body(self);
        let size = (self.0.len() - start) as u32;
        self.0[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
    }

    /// Which lines of the source the code from offset `from` on came from.
    fn lines(&mut self, code: &Code<'_>, from: u32, start: usize) {
        let Some(source) = code.source() else { return };
        let mut lines: Vec<(u64, u32)> = Vec::new();
        for mark in code.marks().iter().filter(|mark| mark.code >= from) {
            let line = source.line(*mark);
            if lines.last().is_none_or(|last| last.1 != line) {
                lines.push((start as u64 + u64::from(mark.code), line));
            }
        }
        self.record(kind::DEBUG_INFO, |dump| {
            dump.longs(&[start as u64 + u64::from(from), lines.len() as u64]);
            for (address, line) in lines {
                const DISCRIMINATOR: u32 = 0;
                dump.longs(&[address]);
                dump.words(&[line, DISCRIMINATOR]);
                dump.text(source.name());
            }
        });
    }
}

/// Writes jit-PID.dump into the current directory, with the bytes as they were
/// assembled.
///
/// # Errors
/// The syscall that refused; EPERM of mmap(2) says that nothing in this directory
/// may be executed.
pub fn write(code: &Code<'_>, start: usize) -> Result<Marker, Error> {
    let process = linux::process_id()?;
    let path = CString::new(format!("jit-{process}.dump")).unwrap_or_default();
    let mut dump = Dump(Vec::new());
    // "JiTD" for a reader of the same byte order, version 1, size of this header,
    // EM_X86_64, nothing, the process; the time, no flags.
    dump.words(&[0x4A69_5444, 1, 40, 62, 0, process]);
    dump.longs(&[linux::nanoseconds(), 0]);
    for (index, place) in places(code, start).enumerate() {
        let offset = (place.address - start as u64) as usize;
        if index == 0 {
            dump.lines(code, offset as u32, start);
        }
        dump.record(kind::LOAD, |dump| {
            // The only thread has the number of the process.
            dump.words(&[process, process]);
            dump.longs(&[place.address, place.address, place.size, index as u64]);
            dump.text(place.name);
            dump.0.extend_from_slice(&code.bytes()[offset..][..place.size as usize]);
        });
    }
    let file = linux::create_own(&path)?;
    sys::write_all(file.fd(), &dump.0)?;
    let prot = Prot::READ.union(Prot::EXEC);
    Region::map(PageSize::needed(1)?, Guard::None, Source::Private(file.fd()), prot).map(Marker)
}
