//! Running the executable: plainly, under strace, with a syscall made to fail,
//! under an emulator. A missing tool is a failure that says how to get it; a place that
//! denies what a test needs is recorded (`place`).

pub(crate) mod json;
pub(crate) mod place;
pub(crate) mod regime;

pub(crate) use place::{Need, lacks, untested};
use std::{
    ffi::OsStr,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// The executable under test.
pub(crate) const BAREJIT: &str = env!("CARGO_BIN_EXE_barejit");

/// The output and the status of a finished run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    /// Exit status, or the signal that ended it as a negative number.
    pub(crate) status: i32,
}

impl Run {
    pub(crate) fn new(output: Output) -> Self {
        let status = output.status;
        Self {
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Panics unless output, message and status are these.
    #[track_caller]
    pub(crate) fn expect(&self, stdout: &str, stderr: &str, status: i32) {
        let actual = (self.text(), self.stderr.clone(), self.status);
        assert_eq!(
            actual,
            (stdout.into(), stderr.into(), status),
            "(standard output, standard error, status)"
        );
    }
}

/// The executable with these arguments.
pub(crate) fn command<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(BAREJIT);
    command.args(args);
    command
}

/// Runs `command` with nothing to read.
pub(crate) fn finish(mut command: Command) -> Run {
    command.stdin(Stdio::null());
    Run::new(command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// Runs `command` with `input` to read.
pub(crate) fn feed(mut command: Command, input: &[u8]) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that does not read its input is no failure of the test's.
        let _ = stdin.write_all(&input);
    });
    let run = Run::new(child.wait_with_output().expect("the child was started"));
    writer.join().expect("the writer does not panic");
    run
}

/// Runs the executable with these arguments.
pub(crate) fn run(args: &[&str]) -> Run {
    finish(command(args))
}

/// A tool from a Debian package.
#[track_caller]
pub(crate) fn tool(name: &str, package: &str) -> Command {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(found.is_ok(), "{name} is missing; run: apt-get install -y {package}");
    Command::new(name)
}

/// Runs the executable under qemu-user.
pub(crate) fn qemu(args: &[&str]) -> Run {
    let mut qemu = tool("qemu-x86_64", "qemu-user");
    qemu.arg(BAREJIT).args(args);
    finish(qemu)
}

/// A path of our own that no other test uses.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let unique = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("barejit-{}-{unique}-{name}", std::process::id()))
}

/// One syscall as strace saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The line from the name on, result included.
    pub(crate) line: String,
}

/// Runs the executable under strace with extra `options` and gives its syscalls
/// after execve, without addresses that differ from run to run.
pub(crate) fn strace(options: &[&str], args: &[&str]) -> (Run, Vec<Call>) {
    strace_under(|_| {}, options, args)
}

/// The same, strace and executable both under a regime.
#[track_caller]
pub(crate) fn strace_under(
    regime: impl FnOnce(&mut Command),
    options: &[&str],
    args: &[&str],
) -> (Run, Vec<Call>) {
    if let Some(why) = place::missing(place::Need::Tracing) {
        panic!("{why}; a test that needs it begins with `lacks(Need::Tracing)`");
    }
    let log = scratch("strace");
    let mut strace = tool("strace", "strace");
    strace.arg("-o").arg(&log).args(options).arg(BAREJIT).args(args);
    regime(&mut strace);
    let run = finish(strace);
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    std::fs::remove_file(&log).unwrap_or_else(|error| panic!("strace left no log: {error}\n{run:?}"));
    let calls = text
        .lines()
        .filter_map(|line| {
            let name = line.split_once('(')?.0;
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_')
                .then(|| Call { name: name.into(), line: mask(line) })
        })
        .filter(|call| call.name != "execve")
        .collect();
    (run, calls)
}

/// The syscalls of a run, one line each, with addresses as `ADDRESS`.
#[track_caller]
pub(crate) fn assert_calls(args: &[&str], expected: &[&str]) {
    let (run, calls) = strace(&[], args);
    let lines: Vec<&str> = calls.iter().map(|call| call.line.as_str()).collect();
    assert_eq!(lines, expected, "syscalls of barejit {args:?}, which ended with {run:?}");
}

/// Runs the executable with one syscall made to answer as `injection` says
/// (strace(1), `-e inject`).
pub(crate) fn inject(injection: &str, args: &[&str]) -> Run {
    strace(&["-e", &format!("inject={injection}")], args).0
}

/// Replaces what looks like an address (0x and at least 9 digits) and folds the
/// spaces before the result.
pub(crate) fn mask(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("0x") {
        let digits = rest[at + 2..].bytes().take_while(u8::is_ascii_hexdigit).count();
        masked.push_str(&rest[..at]);
        masked.push_str(if digits >= 9 { "ADDRESS" } else { &rest[at..at + 2 + digits] });
        rest = &rest[at + 2 + digits..];
    }
    masked.push_str(rest);
    masked.split_whitespace().collect::<Vec<_>>().join(" ")
}
