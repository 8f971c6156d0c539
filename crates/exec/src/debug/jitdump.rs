//! A jitdump: the code itself with names and lines, for `perf inject --jit`
//! (tools/perf, jitdump-specification.txt).
//!
//! ```text
//! header │ DEBUG_INFO: address → line │ LOAD: name, bytes │ LOAD …
//! ```
//!
//! perf learns of the file by seeing it mapped for execution.

use super::{File, WRITTEN, names, own_file};
use barejit_asm::{Code, Symbol};
use barejit_sys::{self as sys, Contents, Error, Guard, PageSize, Prot, Region, linux};
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
    file.patch(start + 4, file.0.len() - start);
}

/// Which lines of the source the code called `symbol` came from.
fn lines(file: &mut File, code: &Code<'_>, symbol: &Symbol<'_>, start: usize) {
    let Some(source) = code.source() else { return };
    let record = begin(file, kind::DEBUG_INFO);
    file.longs(&[(start + symbol.offset as usize) as u64]);
    let count = file.0.len();
    file.longs(&[0]);
    let (mut lines, mut last) = (0, 0);
    for mark in code.marks() {
        let line = source.line(*mark);
        if mark.code >= symbol.offset && line != last {
            const DISCRIMINATOR: u32 = 0;
            file.longs(&[(start + mark.code as usize) as u64]);
            file.words(&[line, DISCRIMINATOR]);
            file.text(source.name());
            (lines, last) = (lines + 1, line);
        }
    }
    file.patch(count, lines);
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
    let names = names(code);
    let first = WRITTEN.fetch_add(names.len() as u32, Relaxed);
    // "JiTD" for a reader of the same byte order, version 1, size of this header,
    // EM_X86_64, nothing, the process; the time, no flags.
    if first == 0 {
        dump.words(&[0x4A69_5444, 1, 40, 62, 0, process]);
        dump.longs(&[linux::nanoseconds(), 0]);
    }
    if let [whole, ..] = &names[..] {
        lines(&mut dump, code, whole, start);
    }
    for (index, symbol) in (first..).zip(&names) {
        let record = begin(&mut dump, kind::LOAD);
        // The only thread has the number of the process.
        dump.words(&[process, process]);
        let address = (start + symbol.offset as usize) as u64;
        dump.longs(&[address, address, symbol.size.into(), index.into()]);
        dump.text(symbol.name);
        let bytes = code.bytes().iter().skip(symbol.offset as usize).take(symbol.size as usize);
        dump.0.extend(bytes);
        end(&mut dump, record);
    }
    let file = own_file("jit-", process.into(), ".dump", first > 0)?;
    sys::write_all(file.fd(), &dump.0)?;
    if first > 0 {
        // perf has seen the file already, and would read all of it once more.
        return Ok(Marker(None));
    }
    let contents = Contents::Private(file.fd());
    Region::map(PageSize::needed(1)?, Guard::None, contents, Prot::READ_EXECUTE)
        .map(|region| Marker(Some(region)))
}
