//! `probe -- COMMAND` and processes: threads, forks, chains of execve, daemons, privileges,
//! `--pid`, and the messages where tracing is denied.

use crate::support::{
    BAREJIT, Need, Run, command, finish,
    json::Json,
    lacks, place,
    regime::{self, Answer},
    scratch, tool,
};
use std::{
    fs,
    io::Read,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

const LOOP: &str = "local x = 0 for i = 1, 100000 do x = x + i % 7 end print(x)";

/// `barejit probe OPTION… -- WORD…`.
pub(crate) fn probe(options: &[&str], words: &[&str]) -> Command {
    let mut probe = command(&["probe"]);
    probe.args(options).arg("--").args(words);
    probe
}

/// Runs the words watched in a regime, and gives the report, too.
#[track_caller]
fn watched(words: &[&str], set: impl Fn(&mut Command)) -> (Run, Json) {
    let path = scratch("report");
    let mut probe = command(&["probe", "--json", "--output"]);
    probe.arg(&path).arg("--").args(words);
    set(&mut probe);
    let run = finish(probe);
    (run, report(&path))
}

#[track_caller]
fn report(path: &Path) -> Json {
    let text = fs::read_to_string(path).expect("a report");
    fs::remove_file(path).expect("there");
    Json::parse(text.trim_end())
}

pub(crate) fn script(text: &str) -> PathBuf {
    let path = scratch("script.py");
    fs::write(&path, text).expect("written");
    path
}

pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Gives a command the default dispositions: nohup(1) and a shell's background ignore
/// signals, and a shell cannot trap what was ignored before it began.
fn is_ended_by_signals(command: &mut Command) {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        regime::end_by(command, signal);
    }
}

/// Starts a command in a process group of its own.
pub(crate) fn start(mut command: Command) -> Child {
    is_ended_by_signals(&mut command);
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Starts a command that nobody listens to.
pub(crate) fn spawn(mut command: Command) -> Child {
    is_ended_by_signals(&mut command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub(crate) fn send(process: i32, signal: i32) {
    // SAFETY: numbers only.
    let result = unsafe { libc::kill(process, signal) };
    assert_eq!(result, 0, "kill({process}, {signal}): {}", std::io::Error::last_os_error());
}

/// Waits for the child to stop or to end, and gives the status.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let mut status = 0;
    // SAFETY: the kernel writes one int.
    let result = unsafe { libc::waitpid(child.id() as i32, &raw mut status, libc::WUNTRACED) };
    assert_eq!(result, child.id() as i32, "{}", std::io::Error::last_os_error());
    ExitStatus::from_raw(status)
}

/// Waits until the child has printed a line.
pub(crate) fn line(child: &mut Child) -> String {
    let mut text = Vec::new();
    let output = child.stdout.as_mut().expect("a pipe");
    while !text.ends_with(b"\n") {
        let mut byte = [0];
        assert_eq!(output.read(&mut byte).expect("readable"), 1, "after {text:?}");
        text.push(byte[0]);
    }
    String::from_utf8(text).expect("text").trim_end().into()
}

pub(crate) fn exists(process: i32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

#[test]
fn the_thread_that_asked_is_told() {
    if lacks(Need::Tracing) {
        return;
    }
    let script = script(
        "import ctypes, threading, os
def call(): print(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)(41), threading.get_native_id())
thread = threading.Thread(target=call)
thread.start()
thread.join()
print(os.getpid())
",
    );
    let (run, report) = watched(&["/usr/bin/python3", script.to_str().expect("UTF-8")], regime::mdwe);
    fs::remove_file(script).expect("there");
    let text = run.text();
    let numbers: Vec<&str> = text.split_whitespace().collect();
    let first = &report.get("refusals").items()[0];
    assert_eq!(*first.get("thread"), Json::Number(numbers[1].parse().expect("a number")), "{text}");
    assert_eq!(*first.get("process"), Json::Number(numbers[2].parse().expect("a number")), "{text}");
    assert_ne!(first.get("thread"), first.get("process"));
}

#[test]
fn a_chain_of_programs_is_followed_to_its_end() {
    if lacks(Need::Tracing) {
        return;
    }
    tool("luajit", "luajit");
    let chain = format!("exec sh -c 'exec env A=1 luajit -e \"{LOOP}\"'");
    let (run, report) = watched(&["sh", "-c", &chain], regime::mdwe);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.stderr.contains("runtime code generation failed"), "{run:?}");
    let first = &report.get("refusals").items()[0];
    assert!(first.get("program").text().contains("luajit"), "{first:?}");
    assert_eq!(*first.get("status"), Json::Number(1));
}

/// execve(2) by a thread that is not the first: it takes the number of the process over.
#[test]
fn a_thread_that_runs_another_program_is_followed() {
    if lacks(Need::Tracing) {
        return;
    }
    tool("luajit", "luajit");
    let text = format!(
        "import threading, os, time
threading.Thread(target=lambda: os.execvp('luajit', ['luajit', '-e', '{LOOP}'])).start()
time.sleep(60)
"
    );
    for options in [&[][..], &["--slow"]] {
        let script = script(&text);
        let path = scratch("report");
        let mut probe = command(&["probe", "--json", "--output"]);
        probe.arg(&path).args(options).args(["--", "/usr/bin/python3"]).arg(&script);
        regime::mdwe(&mut probe);
        let run = finish(probe);
        fs::remove_file(script).expect("there");
        assert_eq!(run.status, 1, "{options:?}: {run:?}");
        let report = report(&path);
        let first = &report.get("refusals").items()[0];
        assert_eq!(first.get("process"), first.get("thread"), "{options:?}");
        assert!(first.get("program").text().contains("luajit"), "{options:?}");
    }
}

#[test]
fn a_filter_for_all_threads_is_seen_by_all_threads() {
    if lacks(Need::Tracing) {
        return;
    }
    let script = script(
        "import ctypes, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
def op(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
program = b''.join([
    op(0x20, 0, 0, 0), op(0x15, 0, 4, 9), op(0x20, 0, 0, 32), op(0x54, 0, 0, 6),
    op(0x15, 0, 1, 6), op(0x06, 0, 0, 0x50001), op(0x06, 0, 0, 0x7fff0000)])
memory = ctypes.create_string_buffer(program)
class Program(ctypes.Structure): _fields_ = [('size', ctypes.c_ushort), ('at', ctypes.c_void_p)]
argument = Program(7, ctypes.addressof(memory))
gate = threading.Event()
def call():
    gate.wait()
    print(ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)(41))
thread = threading.Thread(target=call)
thread.start()
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.syscall(317, 1, 1, ctypes.byref(argument)) == 0
gate.set()
thread.join()
",
    );
    let (run, report) = watched(&["/usr/bin/python3", script.to_str().expect("UTF-8")], |_| {});
    fs::remove_file(script).expect("there");
    assert_eq!(run.text(), "42\n", "{run:?}");
    let refusals = report.get("refusals").items();
    let first = refusals.first().unwrap_or_else(|| panic!("nothing refused: {report:?}"));
    assert_eq!([first.get("call").text(), first.get("errno").text()], ["mmap", "EPERM"]);
    assert_ne!(first.get("thread"), first.get("process"));
}

#[test]
fn five_thousand_processes() {
    if lacks(Need::Tracing) {
        return;
    }
    let shell = "i=0; while [ $i -lt 5000 ]; do (exit 3); i=$((i+1)); done; echo $?; exit 9";
    let (run, report) = watched(&["sh", "-c", shell], |_| {});
    assert_eq!((run.text().as_str(), run.status), ("0\n", 9), "{run:?}");
    assert_eq!(*report.get("threads"), Json::Number(5001));
}

#[test]
fn many_processes_at_once() {
    if lacks(Need::Tracing) {
        return;
    }
    let shell = "i=0; while [ $i -lt 300 ]; do (sleep 0.2; exit 1) & i=$((i+1)); done; wait; echo all";
    let (run, report) = watched(&["sh", "-c", shell], |_| {});
    assert_eq!((run.text().as_str(), run.status), ("all\n", 0), "{run:?}");
    assert_eq!(*report.get("threads"), Json::Number(601));
}

/// The report waits for what the command leaves behind.
#[test]
fn a_daemon_is_watched_to_its_end() {
    if lacks(Need::Tracing) {
        return;
    }
    tool("luajit", "luajit");
    let shell =
        format!("setsid sh -c 'sleep 0.3; luajit -e \"{LOOP}\" >/dev/null; exit 5' & echo left; exit 3");
    let (run, report) = watched(&["sh", "-c", &shell], regime::mdwe);
    assert_eq!((run.text().as_str(), run.status), ("left\n", 3), "{run:?}");
    let first = &report.get("refusals").items()[0];
    assert!(first.get("program").text().contains("luajit"), "{first:?}");
    assert_eq!(*report.get("status"), Json::Number(3));
}

/// A signal ends the wait for a daemon. It lives on, and runs other programs, which a
/// filter without a tracer would refuse.
#[test]
fn a_daemon_can_be_left() {
    if lacks(Need::Tracing) {
        return;
    }
    let mark = scratch("mark");
    let shell =
        format!("setsid sh -c 'sleep 2; sh -c \"/bin/echo on >{}\"' & echo $!; exit 3", mark.display());
    let mut child = start(probe(&[], &["sh", "-c", &shell]));
    let daemon: i32 = line(&mut child).parse().expect("a number");
    // The command itself is gone before the signal comes.
    thread::sleep(Duration::from_millis(500));
    send(child.id() as i32, libc::SIGTERM);
    let status = wait(&mut child);
    assert_eq!(status.code(), Some(3), "{status:?}");
    assert!(exists(daemon) && !mark.exists(), "the daemon lives on");
    until("the daemon does its work", || fs::read_to_string(&mark).is_ok_and(|text| text == "on\n"));
    fs::remove_file(mark).expect("there");
}

#[test]
fn the_first_refusal_is_reported_while_the_program_runs() {
    if lacks(Need::Tracing) {
        return;
    }
    let path = scratch("report");
    let shell = "echo ab | grep -oP 'a(?=b)'; exec sleep 1000";
    let mut probe = probe(&["--first", "--output", path.to_str().expect("UTF-8")], &["sh", "-c", shell]);
    regime::mdwe(&mut probe);
    let mut child = start(probe);
    assert_eq!(line(&mut child), "a");
    until("a report", || fs::read_to_string(&path).is_ok_and(|text| text.ends_with("it runs on\n")));
    let text = fs::read_to_string(&path).expect("there");
    fs::remove_file(path).expect("there");
    assert!(text.contains("  refused:  mmap(0, 65536, PROT_READ|PROT_WRITE|PROT_EXEC, "), "{text}");
    send(child.id() as i32, libc::SIGTERM);
    assert_eq!(wait(&mut child).signal(), Some(libc::SIGTERM));
}

#[test]
fn a_command_that_cannot_be_run_is_told_as_env_does() {
    if lacks(Need::Tracing) {
        return;
    }
    finish(probe(&[], &["no-such-command"])).expect(
        "",
        "barejit: probe: no-such-command: execve: ENOENT (No such file or directory)\n",
        127,
    );
    finish(probe(&["--slow"], &["/etc/passwd"])).expect(
        "",
        "barejit: probe: /etc/passwd: execve: EACCES (Permission denied)\n",
        126,
    );
    finish(probe(&["--output", "/nowhere/file"], &["true"])).expect(
        "",
        "barejit: probe: /nowhere/file: open: ENOENT (No such file or directory)\n",
        1,
    );
}

/// A program that gains privileges, run by a user who has none.
#[test]
fn setuid_is_told() {
    if lacks(Need::Tracing) || lacks(Need::AnotherUser) {
        return;
    }
    let path = scratch("setuid-id");
    let install = Command::new("install").args(["-m", "4755", "/usr/bin/id"]).arg(&path).status();
    assert!(install.expect("coreutils").success(), "root");
    let words = [path.to_str().expect("UTF-8")];
    let run_as = |mut command: Command| {
        regime::nobody(&mut command);
        finish(command)
    };
    let alone = run_as(Command::new(&path));
    assert!(alone.text().contains("euid=0(root)"), "{alone:?}");
    let copy = place::public_copy("setuid");
    for options in [&[][..], &["--slow"]] {
        let mut probe = Command::new(&copy);
        probe.arg("probe").args(options).arg("--").args(words);
        let run = run_as(probe);
        assert!(!run.text().contains("euid="), "{run:?}");
        let told =
            "is setuid, setgid or has file capabilities: traced or under no_new_privs it runs without them";
        assert!(run.stderr.contains(told), "{options:?}: {run:?}");
    }
    // The administrator's tracer changes nothing.
    let run = finish(probe(&[], &words));
    assert_eq!(run.stderr, "");
    fs::remove_file(path).expect("there");
    fs::remove_file(copy).expect("there");
}

#[test]
fn a_program_that_traces_itself_is_told() {
    if lacks(Need::Tracing) {
        return;
    }
    let text = "import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0))";
    let run = finish(probe(&[], &["/usr/bin/python3", "-c", text]));
    assert_eq!(run.text(), "-1\n");
    assert!(run.stderr.contains("traces itself or another process, which a tracer refuses"), "{run:?}");
}

/// One line, by what tracing is denied and what to do; the command does not run.
#[test]
fn denied_tracing_is_told() {
    let instead = "; instead: barejit probe in the same place, or barejit probe --pid from outside\n";
    let words = ["sh", "-c", "echo never"];
    let mut traced = tool("strace", "strace");
    traced.args(["-f", "-o", "/dev/null", BAREJIT, "probe", "--"]).args(words);
    let mut emulated = tool("qemu-x86_64", "qemu-user");
    emulated.args([BAREJIT, "probe", "--"]).args(words);
    let mut filtered = probe(&[], &words);
    regime::deny(&mut filtered, libc::SYS_ptrace as u32, Answer::Errno(libc::EPERM as u16));
    let copy = place::public_copy("sentry");
    let gvisor = |args: &[&str]| {
        let mut runsc = tool("runsc", "runsc");
        runsc.args(["--rootless", "--network=none", "do"]).arg(&copy).args(args);
        runsc
    };
    let started = finish(gvisor(&["probe", "--list"]));
    if started.status == 0 {
        let run = finish(gvisor(&["probe", "--", "sh", "-c", "echo never"]));
        assert_eq!((run.text().as_str(), run.status), ("", 1), "{run:?}");
        let why = "this kernel cannot tell (before Linux 5.3, or gVisor)";
        let message = format!("barejit: probe: tracing is denied: ptrace: EIO (I/O error): {why}{instead}");
        assert_eq!(run.stderr, message);
    } else {
        place::untested(&format!("no gVisor: {}", started.stderr));
    }
    fs::remove_file(&copy).expect("there");
    for (command, why) in [
        (traced, "traces this one already"),
        (emulated, "this runs under qemu-user, which has no ptrace"),
        (filtered, "by a seccomp filter; in a container ask for the capability SYS_PTRACE"),
    ] {
        let run = finish(command);
        assert_eq!((run.text().as_str(), run.status), ("", 1), "{run:?}");
        let message = &run.stderr;
        assert!(message.starts_with("barejit: probe: tracing is denied: ptrace: E"), "{message}");
        assert!(message.ends_with(&format!("{why}{instead}")), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

/// A sleeping process in a regime, and what --pid tells of it.
fn described(words: &[&str], set: impl Fn(&mut Command), ready: &str) -> (i32, String) {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    set(&mut command);
    let mut child = command.spawn().expect("started");
    let process = child.id() as i32;
    until("the program is ready", || {
        fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| maps.contains(ready))
    });
    let run = finish(crate::support::command(&["probe", "--pid", &process.to_string()]));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert_eq!((run.stderr.as_str(), run.status), ("", 0), "{run:?}");
    (process, run.text())
}

#[test]
fn a_live_process_is_described() {
    let (process, text) = described(&["node", "-e", "setTimeout(() => {}, 60000)"], |_| {}, "/node");
    assert!(text.starts_with(&format!("process {process}: ")), "{text}");
    for line in [
        "  seccomp filters: none\n",
        "  no_new_privs:    0\n",
        "  limits:          RLIMIT_AS none, RLIMIT_DATA none, RLIMIT_FSIZE none\n",
        "  engine:          Node.js, by node; without executable memory: NODE_OPTIONS=--jitless (no WebAssembly, and fetch throws)",
        "  not told:        MDWE (prctl(PR_GET_MDWE) answers the process itself alone), Landlock\n",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    let rwx = "import mmap, time
page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
time.sleep(60)";
    let (_, text) = described(&["/usr/bin/python3", "-c", rwx], |_| {}, "rwxp");
    assert!(text.contains(", 1 writable and executable at once (4 KiB)\n"), "{text}");
    if lacks(Need::Mounts) {
        return;
    }
    let limited = |command: &mut Command| {
        regime::deny(command, libc::SYS_swapoff as u32, Answer::Kill);
        regime::limit(command, libc::RLIMIT_AS, 1 << 33);
        regime::noexec_mounts(command);
    };
    let (_, text) = described(&["sleep", "60"], limited, "libc");
    for line in [
        "  seccomp filters: 1; which calls they refuse is not told from outside\n",
        "  no_new_privs:    1\n",
        "  limits:          RLIMIT_AS 8589934592, RLIMIT_DATA none, RLIMIT_FSIZE none\n",
        "  mounts:          /tmp noexec, /dev/shm noexec, /var/tmp noexec\n",
        "0 writable and executable at once (0 KiB)\n",
        "  engine:          none that is known\n",
        "  to get inside:   ",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
}

#[test]
fn nobody_is_described() {
    let run = finish(command(&["probe", "--pid", "2147483647"]));
    run.expect("", "barejit: probe: kill: ESRCH (No such process)\n", 1);
    let run = finish(command(&["probe", "--pid", "0"]));
    assert_eq!(run.status, 2, "{run:?}");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    for (args, message) in [
        (&["--first"][..], "--first, --verbose, --slow and --output need -- COMMAND"),
        (&["--bench", "--", "true"], "options for the host do not go with a COMMAND or --pid"),
        (&["--list", "--", "true"], "options for the host do not go with a COMMAND or --pid"),
        (&["--pid", "1", "--", "true"], "--pid goes with no other option and no COMMAND"),
        (&["--pid", "1", "--json"], "--pid goes with no other option and no COMMAND"),
    ] {
        let mut command = command(&["probe"]);
        command.args(args);
        finish(command).expect("", &format!("barejit: probe: {message}\n"), 2);
    }
}
