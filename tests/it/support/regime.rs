//! Hosts that deny: limits and filters that the child puts upon itself before it
//! becomes the executable.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::Path,
    process::Command,
};

fn checked(result: i64) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has `command` call `set` after fork(2).
fn before_exec(command: &mut Command, set: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the functions that callers here pass make system calls and nothing else.
    unsafe { command.pre_exec(set) };
}

/// prctl(PR_SET_MDWE): a mapping that is not executable never becomes so, and none is
/// writable and executable.
pub(crate) fn mdwe(command: &mut Command) {
    const SET_MDWE: i32 = 65;
    before_exec(command, || {
        // SAFETY: numbers only.
        checked(unsafe { libc::prctl(SET_MDWE, 1, 0, 0, 0) }.into())
    });
}

/// The same addresses in every run (personality(2)).
pub(crate) fn same_addresses(command: &mut Command) {
    before_exec(command, || {
        // SAFETY: numbers only.
        checked(unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as u64) }.into())
    });
}

/// Makes readable pages executable, too (personality(2), READ_IMPLIES_EXEC).
pub(crate) fn read_implies_exec(command: &mut Command) {
    before_exec(command, || {
        // SAFETY: numbers only.
        checked(unsafe { libc::personality(libc::READ_IMPLIES_EXEC as u64) }.into())
    });
}

/// A descriptor of userfaultfd(2) for faults of user mode.
pub(crate) fn user_faults(command: &mut Command) {
    const USER_MODE_ONLY: i32 = 1;
    before_exec(command, || {
        // SAFETY: numbers only.
        checked(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY) })
    });
}

/// pkey_mprotect(2) with no key of its own, on no page at all.
pub(crate) fn key_protection(command: &mut Command) {
    before_exec(command, || {
        // SAFETY: a range of 0 bytes.
        checked(unsafe { libc::syscall(libc::SYS_pkey_mprotect, 0, 0, libc::PROT_READ, -1) })
    });
}

/// A disposition without a handler, SIG_IGN or SIG_DFL, in place of what was inherited.
fn disposition(command: &mut Command, signal: i32, disposition: libc::sighandler_t) {
    before_exec(command, move || {
        // SAFETY: a disposition without a handler.
        let before = unsafe { libc::signal(signal, disposition) };
        if before == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
    });
}

/// A signal that does nothing, as nohup(1) has it.
pub(crate) fn ignore(command: &mut Command, signal: i32) {
    disposition(command, signal, libc::SIG_IGN);
}

/// A signal that ends the process, though the tests may run under nohup(1), or in the
/// background of a shell, which has SIGINT ignored.
pub(crate) fn end_by(command: &mut Command, signal: i32) {
    disposition(command, signal, libc::SIG_DFL);
}

/// A file as a descriptor that survives execve(2).
pub(crate) fn inherit(command: &mut Command, file: fs::File, descriptor: i32) {
    before_exec(command, move || {
        // SAFETY: numbers only.
        checked(unsafe { libc::dup2(file.as_raw_fd(), descriptor) }.into())?;
        // It may have had that number before; then it is still close-on-exec.
        // SAFETY: numbers only.
        checked(unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) }.into())
    });
}

/// A limit of setrlimit(2), soft and hard.
pub(crate) fn limit(command: &mut Command, resource: u32, value: u64) {
    before_exec(command, move || {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the structure is read.
        checked(unsafe { libc::setrlimit(resource, &limit) }.into())
    });
}

/// Empty tmpfs, mounted noexec, on every directory for nameless files. If the
/// executable is in one of them, it alone stays visible there, and can run.
pub(crate) fn noexec_mounts(command: &mut Command) {
    fn mount(what: &CStr, at: &CStr, kind: &CStr, flags: u64) -> io::Result<()> {
        // SAFETY: strings that end.
        checked(unsafe {
            libc::mount(what.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, std::ptr::null()).into()
        })
    }
    const DIRECTORIES: [&CStr; 3] = [c"/dev/shm", c"/tmp", c"/var/tmp"];
    let string = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("no NUL in a path");
    let file = fs::File::open(super::BAREJIT).expect("the executable");
    let itself = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("no NUL");
    let path = Path::new(super::BAREJIT);
    let hidden = DIRECTORIES.iter().any(|directory| path.starts_with(directory.to_str().expect("ASCII")));
    let (path, mut folders) = (string(path), path.ancestors().skip(1).map(string).collect::<Vec<_>>());
    folders.reverse();
    before_exec(command, move || {
        // SAFETY: numbers only.
        checked(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into())?;
        mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE)?;
        // A file opened outside belongs to another mount namespace and cannot be mounted here.
        // SAFETY: a string that ends.
        let inside = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
        checked(inside.into())?;
        // SAFETY: both are open.
        checked(unsafe { libc::dup3(inside, file.as_raw_fd(), libc::O_CLOEXEC) }.into())?;
        for directory in DIRECTORIES {
            mount(c"tmpfs", directory, c"tmpfs", libc::MS_NOEXEC)?;
        }
        if !hidden {
            return Ok(());
        }
        for folder in &folders {
            // SAFETY: a string that ends. Those that are there stay.
            unsafe { libc::mkdir(folder.as_ptr(), 0o755) };
        }
        // SAFETY: a string that ends.
        checked(unsafe { libc::creat(path.as_ptr(), 0o755) }.into())?;
        mount(&itself, &path, c"none", libc::MS_BIND)
    });
}

/// The answer of a filter to a call that would make memory executable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// This errno; 0 is a lie.
    Errno(u16),
    /// SIGSYS, to be handled.
    Trap,
    /// SIGSYS, the end.
    Kill,
}

const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const ANY: u16 = 0x45;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;
const NUMBER: u32 = 0;
const ALLOW: u32 = 0x7FFF_0000;

const fn op(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

impl Answer {
    fn value(self) -> u32 {
        match self {
            Self::Errno(errno) => 0x0005_0000 | u32::from(errno),
            Self::Trap => 0x0003_0000,
            Self::Kill => 0x8000_0000,
        }
    }
}

fn filter(command: &mut Command, filter: Vec<libc::sock_filter>) {
    before_exec(command, move || {
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
        // SAFETY: numbers only.
        checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
        // SAFETY: the program is read.
        checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program).into() })
    });
}

/// A seccomp filter that answers one call.
pub(crate) fn deny(command: &mut Command, call: u32, answer: Answer) {
    filter(
        command,
        vec![
            op(LOAD, 0, 0, NUMBER),
            op(EQUAL, 0, 1, call),
            op(RETURN, 0, 0, answer.value()),
            op(RETURN, 0, 0, ALLOW),
        ],
    );
}

/// Low half of the third argument of mmap and mprotect.
const PROT: u32 = 16 + 2 * 8;

/// A seccomp filter like that of systemd's MemoryDenyWriteExecute.
pub(crate) fn deny_execution(command: &mut Command, answer: Answer) {
    let denied = answer.value();
    filter(
        command,
        vec![
            op(LOAD, 0, 0, NUMBER),
            op(EQUAL, 2, 0, libc::SYS_mmap as u32),
            op(EQUAL, 4, 0, libc::SYS_mprotect as u32),
            op(EQUAL, 3, 7, libc::SYS_pkey_mprotect as u32),
            // mmap: writable and executable at once?
            op(LOAD, 0, 0, PROT),
            op(AND, 0, 0, 6),
            op(EQUAL, 3, 4, 6),
            // mprotect: executable?
            op(LOAD, 0, 0, PROT),
            op(ANY, 1, 0, 4),
            op(RETURN, 0, 0, ALLOW),
            op(RETURN, 0, 0, denied),
            op(RETURN, 0, 0, ALLOW),
        ],
    );
}

/// A seccomp filter that answers mmap(2) for writing and executing at once.
pub(crate) fn deny_writable_execution(command: &mut Command, answer: Answer) {
    filter(
        command,
        vec![
            op(LOAD, 0, 0, NUMBER),
            op(EQUAL, 0, 4, libc::SYS_mmap as u32),
            op(LOAD, 0, 0, PROT),
            op(AND, 0, 0, 6),
            op(EQUAL, 0, 1, 6),
            op(RETURN, 0, 0, answer.value()),
            op(RETURN, 0, 0, ALLOW),
        ],
    );
}

/// A seccomp filter that answers mprotect(2) and pkey_mprotect(2) for executing.
pub(crate) fn deny_protection(command: &mut Command, answer: Answer) {
    for call in [libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        filter(
            command,
            vec![
                op(LOAD, 0, 0, NUMBER),
                op(EQUAL, 0, 3, call as u32),
                op(LOAD, 0, 0, PROT),
                op(ANY, 0, 1, 4),
                op(RETURN, 0, 0, answer.value()),
                op(RETURN, 0, 0, ALLOW),
            ],
        );
    }
}

/// The whole filter of systemd's MemoryDenyWriteExecute.
pub(crate) fn like_systemd(command: &mut Command, answer: Answer) {
    deny_execution(command, answer);
    deny_shared_execution(command, answer);
}

/// A seccomp filter that answers shmat(2) with SHM_EXEC.
pub(crate) fn deny_shared_execution(command: &mut Command, answer: Answer) {
    const FLAGS: u32 = 16 + 2 * 8;
    const SHM_EXEC: u32 = 0o100_000;
    filter(
        command,
        vec![
            op(LOAD, 0, 0, NUMBER),
            op(EQUAL, 0, 3, libc::SYS_shmat as u32),
            op(LOAD, 0, 0, FLAGS),
            op(ANY, 0, 1, SHM_EXEC),
            op(RETURN, 0, 0, answer.value()),
            op(RETURN, 0, 0, ALLOW),
        ],
    );
}

/// A Landlock ruleset that lets files below `directory` be read and executed, and no other
/// file be opened or made (landlock(7)).
pub(crate) fn landlock(command: &mut Command, directory: &Path) {
    const EXECUTE: u64 = 1;
    const WRITE_FILE: u64 = 1 << 1;
    const READ_FILE: u64 = 1 << 2;
    const MAKE_REG: u64 = 1 << 8;
    const RULE_PATH_BENEATH: i32 = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        allowed: u64,
        parent: i32,
    }
    let directory = fs::File::open(directory).expect("the directory");
    before_exec(command, move || {
        let handled = EXECUTE | WRITE_FILE | READ_FILE | MAKE_REG;
        // SAFETY: the kernel reads one word.
        let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, 8, 0) };
        checked(ruleset)?;
        let rule = PathBeneath { allowed: EXECUTE | READ_FILE, parent: directory.as_raw_fd() };
        // SAFETY: the kernel reads one rule.
        checked(unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &raw const rule, 0)
        })?;
        // SAFETY: numbers only.
        checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
        // SAFETY: numbers only.
        checked(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) })
    });
}

/// No user in particular, without capabilities: limits that root is exempt from
/// hold.
pub(crate) fn nobody(command: &mut Command) {
    const NOBODY: u32 = 65_534;
    before_exec(command, || {
        // SAFETY: numbers only.
        checked(unsafe { libc::setgid(NOBODY) }.into())?;
        // SAFETY: numbers only.
        checked(unsafe { libc::setuid(NOBODY) }.into())
    });
}
