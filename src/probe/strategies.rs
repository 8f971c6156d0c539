//! The table of strategies: ways to get code into executable memory, in the order of the
//! report. Each is one function in the files below.

mod anonymous;
mod exec;
mod file;
mod process;
mod stub;

use super::runner::Record;
use barejit_exec::Strategy as Exec;
use barejit_sys::process::variable;
pub(super) use stub::TOKENS;
use stub::Trial;

/// The purpose of a strategy that works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// A JIT: no mapping is writable and executable at once.
    Wx,
    /// A JIT that gives that protection up.
    Unprotected,
    /// No JIT: it shows what the host lets pass.
    Curiosity,
    /// It must not work.
    Control,
}
use Purpose::{Control, Curiosity, Unprotected, Wx};

macro_rules! strategies {
    ($($strategy:ident $name:literal $how:literal $purpose:ident $attempt:expr;)*) => {
        /// A way to get code into executable memory.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Strategy {
            $(#[doc = $how] $strategy,)*
        }

        impl Strategy {
            /// All of them.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$strategy),*];

            /// Its name on the command line and in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$strategy => $name,)* }
            }

            /// The calls it makes, in order.
            pub fn how(self) -> &'static str {
                match self { $(Self::$strategy => $how,)* }
            }

            /// Its purpose.
            pub const fn purpose(self) -> Purpose {
                match self { $(Self::$strategy => $purpose,)* }
            }

            /// Makes the whole trial. In a process of its own.
            pub(super) fn attempt(self, record: &Record, bench: bool) {
                let trial = &Trial { record, bench };
                match self { $(Self::$strategy => ($attempt as fn(&Trial<'_>))(trial),)* }
            }
        }
    };
}
strategies! {
    AnonWx "anon-wx" "mmap RW, mprotect RX; for a rewrite again" Wx |t| exec::once(t, Exec::WriteThenExecute);
    AnonRepatch "anon-repatch" "mmap RW, mprotect RX, RW, RX" Wx |t| exec::again(t, Exec::WriteThenExecute);
    ReserveCommit "reserve-commit" "mmap NONE 256 MiB, mprotect RW, RX" Wx |t| anonymous::reserve_commit(t, 256 << 20);
    Reserve512 "reserve-512m" "mmap NONE 512 MiB, mprotect RW, RX" Wx |t| anonymous::reserve_commit(t, 512 << 20);
    Reserve1024 "reserve-1g" "mmap NONE 1 GiB, mprotect RW, RX" Wx |t| anonymous::reserve_commit(t, 1 << 30);
    Reserve4096 "reserve-4g" "mmap NONE 4 GiB, mprotect RW, RX" Wx |t| anonymous::reserve_commit(t, 4 << 30);
    PkeyMprotect "pkey-mprotect" "mmap RW, pkey_mprotect RX with key -1" Wx anonymous::pkey_mprotect;
    MemfdDual "memfd-dual" "memfd, views RW and RX" Wx |t| exec::again(t, Exec::TwoViews);
    MemfdDualExec "memfd-dual-exec" "memfd with MFD_EXEC, views RW and RX" Wx |t| file::memfd_dual(t, file::MFD_EXEC);
    MemfdDualNoexecSeal "memfd-dual-noexec-seal" "memfd with MFD_NOEXEC_SEAL, views RW and RX" Wx |t| file::memfd_dual(t, file::MFD_NOEXEC_SEAL);
    MemfdMprotect "memfd-mprotect" "memfd, views RW and NONE, mprotect RX" Wx file::memfd_mprotect;
    MemfdPrivate "memfd-private" "memfd, write, private view RX" Wx file::memfd_private;
    MemfdSealed "memfd-sealed" "memfd, view RW gone, seals, view RX" Wx |t| exec::again(t, Exec::SealedFile);
    TmpDual "tmp-dual" "nameless file in /tmp, views RW and RX" Wx |t| exec::in_directory(t, 1);
    ShmDual "shm-dual" "nameless file in /dev/shm, views RW and RX" Wx |t| exec::in_directory(t, 0);
    VartmpDual "vartmp-dual" "nameless file in /var/tmp, views RW and RX" Wx |t| exec::in_directory(t, 2);
    HomeDual "home-dual" "O_TMPFILE in $HOME, two views" Wx |t| file::directory_dual(t, b"HOME");
    TmpdirDual "tmpdir-dual" "O_TMPFILE in $TMPDIR, two views" Wx |t| file::directory_dual(t, b"TMPDIR");
    OtmpfileDual "otmpfile-dual" "O_TMPFILE in the working directory, two views" Wx file::otmpfile_dual;
    FileModified "file-modified" "own file mapped privately, written, mprotect RX" Wx file::file_modified;
    SelfMem "self-mem" "mmap RX, write to /proc/self/mem" Wx file::self_mem;
    MremapRxToRw "mremap-rx-to-rw" "shared RX, mremap alias, mprotect alias RW" Wx anonymous::mremap_rx_to_rw;
    MremapRwToRx "mremap-rw-to-rx" "shared RW, mremap alias, mprotect alias RX" Wx anonymous::mremap_rw_to_rx;
    SysvShm "sysv-shm" "shmat RW and shmat SHM_EXEC" Wx anonymous::sysv_shm;
    AnonRwx "anon-rwx" "mmap RWX" Unprotected anonymous::anon_rwx;
    AnonMprotectRwx "anon-mprotect-rwx" "mmap RW, mprotect RWX" Unprotected anonymous::anon_mprotect_rwx;
    ReserveRwx "reserve-rwx" "mmap NONE 256 MiB, mprotect RWX" Unprotected anonymous::reserve_rwx;
    ReadImpliesExec "read-implies-exec" "personality, mmap RW" Unprotected anonymous::read_implies_exec;
    Brk "brk" "program break, mprotect RWX" Unprotected anonymous::brk;
    Bss "bss" "own data, mprotect RWX" Unprotected anonymous::bss;
    Stack "stack" "own stack, mprotect RWX" Unprotected anonymous::stack;
    Text "text" "own code, mprotect RWX" Unprotected anonymous::text;
    Userfaultfd "userfaultfd" "mmap RX, UFFDIO_COPY" Curiosity anonymous::userfaultfd;
    PtracePoke "ptrace-poke" "mmap RX, PTRACE_POKEDATA" Curiosity process::ptrace_poke;
    ExecveatMemfd "execveat-memfd" "memfd, write, execveat" Curiosity process::execveat_memfd;
    PlainPage "control" "mmap RW" Control anonymous::control;
}

impl Strategy {
    /// The strategy called `name`.
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name().as_bytes() == name)
    }

    /// Whether it can be tried: two need a variable of the environment.
    pub fn is_applicable(self) -> bool {
        let set = |name| variable(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::HomeDual => set(b"HOME"),
            Self::TmpdirDual => set(b"TMPDIR"),
            _ => true,
        }
    }

    /// Whether something has a name for a moment, or outlives the process.
    pub(super) fn leaves_something(self) -> bool {
        matches!(self, Self::TmpDual | Self::ShmDual | Self::VartmpDual | Self::SysvShm)
    }
}

/// A set of strategies.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Set(u64);

const _: () = assert!(Strategy::ALL.len() <= u64::BITS as usize);

impl Set {
    /// These.
    pub const fn of(strategies: &[Strategy]) -> Self {
        let (mut set, mut i) = (0, 0);
        while i < strategies.len() {
            set |= 1 << strategies[i] as u8;
            i += 1;
        }
        Self(set)
    }

    /// All.
    pub const ALL: Self = Self::of(&Strategy::ALL);

    /// Whether it contains this one.
    pub const fn contains(self, strategy: Strategy) -> bool {
        self.0 >> strategy as u8 & 1 != 0
    }

    /// Puts one more in.
    pub fn insert(&mut self, strategy: Strategy) {
        self.0 |= 1 << strategy as u8;
    }

    /// All that are not in the other.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_once() {
        for strategy in Strategy::ALL {
            assert_eq!(Strategy::find(strategy.name().as_bytes()), Some(strategy));
        }
        assert_eq!(Strategy::find(b""), None);
    }
}
