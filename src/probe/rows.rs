//! The table of what is tried: names, in the order of the report, and what each
//! is for.

use super::elsewhere::Elsewhere;
use super::ours::Ours;
use super::ways::{self, Way};
use barejit_exec::Strategy;
use barejit_sys::piece;

/// What a strategy that works is good for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A JIT: no mapping is writable and executable at once.
    Wx,
    /// A JIT that gives that protection up.
    Unprotected,
    /// Nobody's JIT: it shows what the host lets pass.
    Curiosity,
    /// It must not work.
    Control,
}

/// How a row is tried.
#[derive(Clone, Copy, Debug)]
pub(super) enum Try {
    /// As barejit itself does it.
    Ours(Ours),
    /// A place is obtained, then run, rewritten and run again.
    Here(Way),
    /// In another process.
    Elsewhere(Elsewhere),
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// Where in the table it stands, and so its texts.
    pub(super) place: u8,
    /// What it is good for.
    pub purpose: Use,
    pub(super) way: Try,
}

impl Row {
    /// Its name on the command line and in JSON.
    #[inline(never)]
    pub fn name(&self) -> &'static str {
        piece(TEXT, b'|', 2 * usize::from(self.place))
    }

    /// The calls it makes, in order.
    pub fn how(&self) -> &'static str {
        piece(TEXT, b'|', 2 * usize::from(self.place) + 1)
    }
}

/// How many there are.
pub(super) const COUNT: usize = 28;

macro_rules! rows {
    ($($name:literal $how:literal $purpose:ident $way:expr;)*) => {
        /// All rows.
        pub static ROWS: [Row; COUNT] = {
            let mut rows = [$(Row { place: 0, purpose: Use::$purpose, way: $way }),*];
            let mut i = 0;
            while i < COUNT {
                rows[i].place = i as u8;
                i += 1;
            }
            rows
        };
        const NAMES: [&str; COUNT] = [$($name),*];
        /// One text, for references to texts would need relocating, and so the data
        /// segment would grow beyond the pages that every start-up copies.
        const TEXT: &str = concat!($($name, "|", $how, "|"),*);
    };
}
use Elsewhere::{ExecveatMemfd, PtracePoke};
use Ours::{Again, In, Once};
use Strategy::{SealedFile, TwoViews, WriteThenExecute};
use Try::{Elsewhere as There, Here, Ours as Exec};
rows! {
    "anon-wx" "mmap RW, mprotect RX; for a rewrite again" Wx Exec(Once(WriteThenExecute));
    "anon-repatch" "mmap RW, mprotect RX, RW, RX" Wx Exec(Again(WriteThenExecute));
    "reserve-commit" "mmap NONE 256 MiB, mprotect RW, RX" Wx Here(ways::RESERVE_COMMIT);
    "pkey-mprotect" "mmap RW, pkey_mprotect RX with key -1" Wx Here(ways::PKEY_MPROTECT);
    "memfd-dual" "memfd, views RW and RX" Wx Exec(Again(TwoViews));
    "memfd-dual-exec" "the same with MFD_EXEC" Wx Here(ways::MEMFD_DUAL_EXEC);
    "memfd-dual-noexec-seal" "the same with MFD_NOEXEC_SEAL" Wx Here(ways::MEMFD_DUAL_NOEXEC_SEAL);
    "memfd-mprotect" "memfd, views RW and NONE, mprotect RX" Wx Here(ways::MEMFD_MPROTECT);
    "memfd-private" "memfd, write, private view RX" Wx Here(ways::MEMFD_PRIVATE);
    "memfd-sealed" "memfd, view RW gone, seals, view RX" Wx Exec(Again(SealedFile));
    "tmp-dual" "nameless file in /tmp, views RW and RX" Wx Exec(In(1));
    "shm-dual" "nameless file in /dev/shm, views RW and RX" Wx Exec(In(0));
    "vartmp-dual" "nameless file in /var/tmp, views RW and RX" Wx Exec(In(2));
    "otmpfile-dual" "O_TMPFILE in the working directory, two views" Wx Here(ways::OTMPFILE_DUAL);
    "self-mem" "mmap RX, write to /proc/self/mem" Wx Here(ways::SELF_MEM);
    "mremap-rx-to-rw" "shared RX, mremap alias, mprotect alias RW" Wx Here(ways::MREMAP_RX_TO_RW);
    "mremap-rw-to-rx" "shared RW, mremap alias, mprotect alias RX" Wx Here(ways::MREMAP_RW_TO_RX);
    "sysv-shm" "shmat RW and shmat SHM_EXEC" Wx Here(ways::SYSV_SHM);
    "anon-rwx" "mmap RWX" Unprotected Here(ways::ANON_RWX);
    "read-implies-exec" "personality, mmap RW" Unprotected Here(ways::READ_IMPLIES_EXEC);
    "brk" "program break, mprotect RWX" Unprotected Here(ways::BRK);
    "bss" "own data, mprotect RWX" Unprotected Here(ways::BSS);
    "stack" "own stack, mprotect RWX" Unprotected Here(ways::STACK);
    "text" "own code, mprotect RWX" Unprotected Here(ways::TEXT);
    "userfaultfd" "mmap RX, UFFDIO_COPY" Curiosity Here(ways::USERFAULT);
    "ptrace-poke" "mmap RX, PTRACE_POKEDATA" Curiosity There(PtracePoke);
    "execveat-memfd" "memfd, write, execveat" Curiosity There(ExecveatMemfd);
    "control" "mmap RW" Control Here(ways::CONTROL);
}

/// The place in [`ROWS`] of the row called `name`.
pub fn find(name: &[u8]) -> Option<usize> {
    ROWS.iter().position(|row| row.name().as_bytes() == name)
}

/// The same at compile time.
///
/// # Panics
/// If there is none, which fails the build.
pub(super) const fn place(name: &str) -> usize {
    let mut i = 0;
    while i < COUNT {
        if same(NAMES[i].as_bytes(), name.as_bytes()) {
            return i;
        }
        i += 1;
    }
    panic!("no row has this name");
}

/// The set of the rows with these names, a bit each.
pub(super) const fn set(names: &[&str]) -> u32 {
    let (mut set, mut i) = (0, 0);
    while i < names.len() {
        set |= 1 << place(names[i]);
        i += 1;
    }
    set
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    a.len() == b.len() && i == a.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_of_exec_has_a_row() {
        for strategy in Strategy::ALL {
            let tries = |row: &Row| match row.way {
                Try::Ours(Ours::Once(ours) | Ours::Again(ours)) => ours == strategy,
                Try::Ours(Ours::In(_)) => strategy == Strategy::UnlinkedFile,
                _ => false,
            };
            assert!(ROWS.iter().any(tries), "{}", strategy.name());
        }
    }

    #[test]
    fn names_are_found_once() {
        for (i, row) in ROWS.iter().enumerate() {
            assert_eq!(find(row.name().as_bytes()), Some(i));
        }
        assert_eq!(find(b""), None);
    }
}
