//! The rights and tools that tests need and that a container, a chroot or an ordinary user may
//! lack. Each need is tried for real, once. A test that cannot run here records one line in
//! `target/tmp/untested`; `make test` ends with these lines and their number. No need is
//! tried by means of barejit.

use super::{finish, regime, tool};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// A right or tool that a test needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// ptrace(2): strace and gdb.
    Tracing,
    /// A mount namespace of its own, with mounts (CAP_SYS_ADMIN).
    Mounts,
    /// A PID namespace of its own whose vm.memfd_noexec can be written.
    MemfdPolicy,
    /// A PID namespace of its own, as root or as the root of a user namespace.
    ProcessNamespace,
    /// To become the user nobody (CAP_SETUID).
    AnotherUser,
    /// personality(2) with ADDR_NO_RANDOMIZE.
    FixedAddresses,
    /// personality(2) with READ_IMPLIES_EXEC.
    ReadImpliesExec,
    /// userfaultfd(2) of user mode only.
    UserFaults,
    /// Landlock rules for itself.
    Landlock,
    /// pkey_mprotect(2) with the key −1.
    KeyProtection,
}

/// Rows of `barejit probe` that a place may deny by itself, which is asked without barejit:
/// common filters of containers do.
const ROWS: [(&str, Need); 4] = [
    ("ptrace-poke", Need::Tracing),
    ("read-implies-exec", Need::ReadImpliesExec),
    ("userfaultfd", Need::UserFaults),
    ("pkey-mprotect", Need::KeyProtection),
];

/// The rows of `barejit probe` that the place denies by itself. The running test is recorded
/// as one that did not compare them.
#[track_caller]
pub(crate) fn denied_rows() -> Vec<&'static str> {
    let denied = ROWS.iter().filter_map(|(row, need)| Some((*row, missing(*need)?)));
    denied.map(|(row, why)| (row, untested(&format!("the row {row}: {why}"))).0).collect()
}

/// Whether the place lacks `need`. If so, the running test is recorded as not run and has
/// to return.
#[track_caller]
pub(crate) fn lacks(need: Need) -> bool {
    let why = missing(need);
    if let Some(why) = why {
        untested(why);
    }
    why.is_some()
}

/// Why `need` is not granted, if so.
pub(crate) fn missing(need: Need) -> Option<&'static str> {
    static FOUND: [OnceLock<Option<String>>; 10] = [const { OnceLock::new() }; 10];
    FOUND[need as usize].get_or_init(|| attempt(need)).as_deref()
}

/// unshare(1) for a program that is to be the first process of a PID namespace.
pub(crate) fn process_namespace() -> Command {
    let mut unshare = tool("unshare", "util-linux");
    // SAFETY: it asks and changes nothing.
    if unsafe { libc::geteuid() } != 0 {
        unshare.arg("--map-root-user");
    }
    unshare.args(["--pid", "--fork", "--kill-child"]);
    unshare
}

/// Whether the tests themselves run behind a filter, which barejit may then name as a cause.
pub(crate) fn is_filtered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]))
}

/// Tries what `need` stands for on true(1).
fn attempt(need: Need) -> Option<String> {
    let mut command = Command::new("true");
    let what = match need {
        Need::Tracing => {
            command = tool("strace", "strace");
            command.args(["-o", "/dev/null", "true"]);
            "ptrace is denied"
        }
        Need::Mounts => {
            regime::noexec_mounts(&mut command);
            "no mounts in a namespace of its own, which root may make"
        }
        Need::MemfdPolicy => {
            command = tool("unshare", "util-linux");
            command.args(["--pid", "--fork", "--mount-proc", "sh", "-c"]);
            command.arg("echo 2 > /proc/sys/vm/memfd_noexec");
            "no vm.memfd_noexec in a PID namespace of its own, which root may set"
        }
        Need::ProcessNamespace => {
            command = process_namespace();
            command.arg("true");
            "no PID namespace of its own"
        }
        Need::AnotherUser => {
            regime::nobody(&mut command);
            "cannot become the user nobody, which root may"
        }
        Need::FixedAddresses => {
            regime::same_addresses(&mut command);
            "personality(ADDR_NO_RANDOMIZE) is denied"
        }
        Need::ReadImpliesExec => {
            regime::read_implies_exec(&mut command);
            "personality(READ_IMPLIES_EXEC) is denied"
        }
        Need::Landlock => {
            regime::landlock(&mut command, Path::new("/"));
            "Landlock is not enabled"
        }
        Need::UserFaults => {
            regime::user_faults(&mut command);
            "userfaultfd is denied"
        }
        Need::KeyProtection => {
            regime::key_protection(&mut command);
            "pkey_mprotect is denied"
        }
    };
    let said = match command.output() {
        Ok(output) if output.status.success() => return None,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    Some(format!("{what} ({})", said.lines().next().unwrap_or_default()))
}

/// Records that the running test was not run, or not in full: one line, shown past the test
/// harness, which hides what passing tests print.
#[track_caller]
pub(crate) fn untested(why: &str) {
    let thread = std::thread::current();
    let caller = std::panic::Location::caller();
    // With --test-threads=1 a test has no thread of its own, and so no name.
    let test = match thread.name() {
        Some(name) if name != "main" => name.to_string(),
        _ => format!("{}:{}", caller.file(), caller.line()),
    };
    let line = format!("{test}: {}", why.lines().collect::<Vec<_>>().join(" "));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("untested");
    let file = File::options().append(true).create(true).open(&path);
    let mut file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // One write, so that lines of tests beside this one do not mix.
    file.write_all(format!("{line}\n").as_bytes()).expect("the record of what is not tested");
    let _ = std::io::stderr().write_all(format!("\nNOT TESTED HERE: {line}\n").as_bytes());
}

/// A copy of the executable that every user may run and no other test starts. Another
/// process writes it: processes that parallel tests start inherit the descriptors of this
/// one, and the kernel runs no file that is open for writing (ETXTBSY).
pub(crate) fn public_copy(name: &str) -> PathBuf {
    let path = super::scratch(name);
    let status = Command::new("install").args(["-m", "755", super::BAREJIT]).arg(&path).status();
    assert!(status.expect("coreutils").success(), "a copy");
    path
}

/// The major version that `NAME --version` says: the first number with a point behind it.
pub(crate) fn major_version(name: &str, package: &str) -> u32 {
    let mut command = tool(name, package);
    command.arg("--version");
    let text = finish(command).text();
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let number = words.filter_map(|word| word.split_once('.')?.0.parse().ok()).next();
    number.unwrap_or_else(|| panic!("{name} --version says no number:\n{text}"))
}
