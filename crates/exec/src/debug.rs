//! Registration of generated code with gdb and perf.
//!
//! Each file serves one format. None of them runs code or knows how it got into memory.

#[cfg(feature = "gdb")]
pub mod gdb;
pub mod jitdump;
pub mod perf_map;

use alloc::{string::String, vec::Vec};
use barejit_asm::{Code, Symbol};
use barejit_sys::{self as sys, Error, OwnedFd, linux};
use core::{fmt::Write, sync::atomic::AtomicU32};

/// The names of `code`.
fn names<'a>(code: &Code<'a>) -> Vec<Symbol<'a>> {
    code.names().collect()
}

/// The number of names written to the file so far. Code that is compiled anew, as by
/// deoptimisation, is appended.
static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// The file that is called `before`, the number of this process, `after`; with
/// `more`, to be written on at its end.
fn own_file(before: &str, process: u64, after: &str, more: bool) -> Result<OwnedFd, Error> {
    sys::ignore_sigxfsz()?;
    let mut path = String::new();
    // A string takes everything.
    let _ = write!(path, "{before}{process}{after}");
    sys::at(path.as_bytes(), &|path| linux::create_own(path, more))
}

/// The bytes of a file, little-endian.
#[derive(Default)]
struct File(Vec<u8>);

impl File {
    fn words(&mut self, words: &[u32]) {
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn longs(&mut self, longs: &[u64]) {
        for long in longs {
            self.words(&[*long as u32, (*long >> 32) as u32]);
        }
    }

    /// Writes over the word at `at`.
    fn patch(&mut self, at: usize, word: usize) {
        if let Some(place) = self.0.get_mut(at..at + 4) {
            place.copy_from_slice(&(word as u32).to_le_bytes());
        }
    }

    /// Text and the NUL behind it.
    fn text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
        self.0.extend_from_slice(&[0]);
    }
}
