//! The table of what is tried: names, in the order of the report, and what each
//! is for.

use super::elsewhere::Elsewhere;
use super::ours::Ours;
use super::out::Text;
use super::ways::Way;
use crate::exec::Strategy;

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
    name: Text<24>,
    how: Text<52>,
    /// What it is good for.
    pub purpose: Use,
    pub(super) way: Try,
}

impl Row {
    /// Its name on the command line and in JSON.
    pub fn name(&self) -> &str {
        self.name.text()
    }

    /// The calls it makes, in order.
    pub fn how(&self) -> &str {
        self.how.text()
    }
}

/// All rows.
pub static ROWS: [Row; COUNT] = TABLE;

/// How many there are.
pub(super) const COUNT: usize = 28;

// Texts and no references to texts, which would need relocating, and so the data
// segment would grow beyond the page that every start-up copies.
const TABLE: [Row; COUNT] = [
    ours("anon-wx", "mmap RW, mprotect RX; for a rewrite again", Ours::Once(Strategy::WriteThenExecute)),
    ours("anon-repatch", "mmap RW, mprotect RX, RW, RX", Ours::Again(Strategy::WriteThenExecute)),
    wx("reserve-commit", "mmap NONE 256 MiB, mprotect RW, RX", Way::ReserveCommit),
    wx("pkey-mprotect", "mmap RW, pkey_mprotect RX with key -1", Way::PkeyMprotect),
    ours("memfd-dual", "memfd, views RW and RX", Ours::Again(Strategy::TwoViews)),
    wx("memfd-dual-exec", "the same with MFD_EXEC", Way::MemfdDualExec),
    wx("memfd-dual-noexec-seal", "the same with MFD_NOEXEC_SEAL", Way::MemfdDualNoexecSeal),
    wx("memfd-mprotect", "memfd, views RW and NONE, mprotect RX", Way::MemfdMprotect),
    wx("memfd-private", "memfd, write, private view RX", Way::MemfdPrivate),
    ours("memfd-sealed", "memfd, view RW gone, seals, view RX", Ours::Again(Strategy::SealedFile)),
    ours("tmp-dual", "nameless file in /tmp, views RW and RX", Ours::In(1)),
    ours("shm-dual", "nameless file in /dev/shm, views RW and RX", Ours::In(0)),
    ours("vartmp-dual", "nameless file in /var/tmp, views RW and RX", Ours::In(2)),
    wx("otmpfile-dual", "O_TMPFILE in the working directory, two views", Way::OtmpfileDual),
    wx("self-mem", "mmap RX, write to /proc/self/mem", Way::SelfMem),
    wx("mremap-rx-to-rw", "shared RX, mremap alias, mprotect alias RW", Way::MremapRxToRw),
    wx("mremap-rw-to-rx", "shared RW, mremap alias, mprotect alias RX", Way::MremapRwToRx),
    wx("sysv-shm", "shmat RW and shmat SHM_EXEC", Way::SysvShm),
    rwx("anon-rwx", "mmap RWX", Way::AnonRwx),
    rwx("read-implies-exec", "personality, mmap RW", Way::ReadImpliesExec),
    rwx("brk", "program break, mprotect RWX", Way::Brk),
    rwx("bss", "own data, mprotect RWX", Way::Bss),
    rwx("stack", "own stack, mprotect RWX", Way::Stack),
    rwx("text", "own code, mprotect RWX", Way::Text),
    row("userfaultfd", "mmap RX, UFFDIO_COPY", Use::Curiosity, Try::Here(Way::Userfault)),
    row("ptrace-poke", "mmap RX, PTRACE_POKEDATA", Use::Curiosity, Try::Elsewhere(Elsewhere::PtracePoke)),
    row("execveat-memfd", "memfd, write, execveat", Use::Curiosity, Try::Elsewhere(Elsewhere::ExecveatMemfd)),
    row("control", "mmap RW", Use::Control, Try::Here(Way::Control)),
];

const fn row(name: &str, how: &str, purpose: Use, way: Try) -> Row {
    Row { name: Text::whole(name), how: Text::whole(how), purpose, way }
}

const fn ours(name: &str, how: &str, ours: Ours) -> Row {
    row(name, how, Use::Wx, Try::Ours(ours))
}

const fn wx(name: &str, how: &str, way: Way) -> Row {
    row(name, how, Use::Wx, Try::Here(way))
}

const fn rwx(name: &str, how: &str, way: Way) -> Row {
    row(name, how, Use::Unprotected, Try::Here(way))
}

/// The place in [`ROWS`] of the row called `name`.
pub fn find(name: &[u8]) -> Option<usize> {
    ROWS.iter().position(|row| row.name.bytes() == name)
}

/// The same at compile time.
///
/// # Panics
/// If there is none, which fails the build.
pub(super) const fn place(name: &str) -> usize {
    let mut i = 0;
    while i < COUNT {
        if same(TABLE[i].name.bytes(), name.as_bytes()) {
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
