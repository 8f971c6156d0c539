//! The tracer's process from its start to its end: forks the command, seizes it before it
//! runs anything, serves its stops, and writes the report.
//!
//! ```text
//! command:  filter ──▶ "ready" ──▶ wait ──────────────────────▶ execve
//! tracer:              read "ready" ──▶ seize, interrupt ──▶ "go" ──▶ serve
//! ```

use super::finding::End;
use super::relay::{self, ENDED, LEAVE, Message, STOPPED, tell};
use super::tracer::{Mode, News, Tracer, options};
use super::{Request, calls, json, proc, report};
use alloc::{ffi::CString, string::String, vec::Vec};
use barejit_sys::{
    self as sys, Errno, Error, Fd, Lossy, OwnedFd, Sysno,
    linux::{
        self,
        tracing::{self, Event, Status, Tid},
        trial,
    },
    process,
    signal::Signal,
};
use core::{ffi::CStr, sync::atomic::Ordering::Relaxed};

/// How the command's filter came about, as it tells the tracer.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Filter {
    None,
    /// As the administrator's.
    Installed,
    /// With no_new_privs.
    Unprivileged,
}

/// The pipes between tracer and command before that runs.
struct Handshake {
    /// From the command: a byte of [`Filter`], and the error of execve(2) if that fails.
    told: [OwnedFd; 2],
    /// To the command: that it may go on.
    go: [OwnedFd; 2],
}

/// Restrictions of this process, which the command inherits.
struct Place {
    /// A filter is active already.
    filtered: bool,
    mdwe: bool,
}

impl Place {
    fn here() -> Self {
        const PR_GET_MDWE: u32 = 66;
        let status = proc::file_of_self("status");
        // SAFETY: (1) it takes nothing.
        let mdwe = unsafe { linux::prctl(PR_GET_MDWE, 0) };
        Self {
            filtered: proc::number(&status, "Seccomp:").is_some_and(|mode| mode != 0),
            mdwe: mdwe.is_ok_and(|bits| bits & 1 != 0),
        }
    }
}

/// Traces the command to its end and beyond, and tells the monitor about it.
pub(super) fn trace(request: &Request<'_>, monitor: &OwnedFd, parent: Tid) {
    let report = match request.output {
        Some(path) => sys::at(path, &linux::create),
        None => tracing::duplicate(Fd::STDERR),
    };
    let tracer = report.and_then(|report| {
        // Should the monitor be killed, so is the tracer, and with it the command.
        tracing::end_with_parent(Signal::KILL)?;
        Ok((report, begin(request, parent)?))
    });
    match tracer {
        Ok((report, Some((mut tracer, told)))) => {
            serve(request, &mut tracer, &Outlets { monitor, report: &report, told: &told });
        }
        Ok((_, None)) => tell(monitor.fd(), Message::Failed, 0),
        Err(error) => {
            let path = request.output.map_or(Lossy(b""), Lossy);
            let colon = if request.output.is_some() { ": " } else { "" };
            sys::report(format_args!("probe: {path}{colon}{error}"));
            tell(monitor.fd(), Message::Failed, 0);
        }
    }
}

/// Forks and seizes the command. `None` if it cannot be traced, which has been told.
fn begin(request: &Request<'_>, parent: Tid) -> Result<Option<(Tracer, OwnedFd)>, Error> {
    let here = Place::here();
    let handshake = Handshake { told: tracing::pipe()?, go: tracing::pipe()? };
    let wants_filter = !request.slow && !here.filtered;
    // SAFETY: (1) the process has one thread.
    let Some(command) = unsafe { trial::fork() }? else { become_command(request, handshake, wants_filter) };
    let command = command.tid();
    relay::pass_on(command, Some(parent))?;
    let Handshake { told: [told, _], go: [_, go] } = handshake;
    let mut filter = [0];
    sys::read_some(told.fd(), &mut filter)?;
    let [filter] = filter;
    let own_filters = u64::from(filter != Filter::None as u8);
    let privileged = filter != Filter::Unprivileged as u8 && tracing::user() == 0;
    let mode = Mode { every: own_filters == 0, own_filters, privileged, mdwe: here.mdwe };
    if let Err(error) = seize(command, mode) {
        let _ = tracing::kill(command, Signal::KILL.number());
        denied(error, here.filtered);
        return Ok(None);
    }
    let mut tracer = Tracer::new(command, mode);
    tracer.start();
    sys::write_all(go.fd(), b"!")?;
    Ok(Some((tracer, told)))
}

/// Seizes the command and stops it. A kernel or an emulator that cannot tell where in a
/// call a thread stands is found out here.
fn seize(command: Tid, mode: Mode) -> Result<(), Error> {
    tracing::seize(command, options(mode))?;
    tracing::interrupt(command)?;
    loop {
        match tracing::wait_any(true) {
            Err(error) if error.is(Errno::EINTR) => {}
            Err(error) => return Err(error),
            Ok(Some((_, Status::Event(Event::Stop(_))))) => break,
            Ok(Some((_, Status::Signal(signal)))) => tracing::resume(command, tracing::Resume::Run, signal)?,
            Ok(_) => return Err(Error::new(Sysno::ptrace, Errno::ESRCH)),
        }
    }
    tracing::place(command).map(drop)
}

/// Says by what tracing is denied, and what can be done instead.
fn denied(error: Error, filtered: bool) {
    let status = proc::file_of_self("status");
    let tracer = proc::number(&status, "TracerPid:").unwrap_or(0);
    let scope = proc::level("kernel/yama/ptrace_scope").unwrap_or(0);
    let instead = "; instead: barejit probe in the same place, or barejit probe --pid from outside";
    let by = |text: core::fmt::Arguments<'_>| {
        sys::report(format_args!("probe: tracing is denied: {error}: {text}{instead}"));
    };
    if sys::processor::hypervisor() == *b"TCGTCGTCGTCG" {
        by(format_args!("this runs under qemu-user, which has no ptrace"));
    } else if tracer != 0 {
        by(format_args!("process {tracer} traces this one already"));
    } else if scope >= 2 {
        by(format_args!("by Yama, kernel.yama.ptrace_scope = {scope}"));
    } else if filtered {
        by(format_args!("by a seccomp filter; in a container ask for the capability SYS_PTRACE"));
    } else if error.is(Errno::ENOSYS) || error.is(Errno::EIO) || error.is(Errno::EINVAL) {
        by(format_args!("this kernel cannot tell (before Linux 5.3, or gVisor)"));
    } else {
        by(format_args!("by a policy of this host"));
    }
}

/// The command's process up to execve(2).
fn become_command(request: &Request<'_>, handshake: Handshake, wants_filter: bool) -> ! {
    let Handshake { told: [_, told], go: [go, kept] } = handshake;
    drop(kept);
    let filter = match wants_filter.then(calls::install) {
        Some(Ok(false)) => Filter::Installed,
        Some(Ok(true)) => Filter::Unprivileged,
        Some(Err(_)) | None => Filter::None,
    };
    let _ = sys::write_all(told.fd(), &[filter as u8]);
    // Without a byte the tracer has given up.
    if sys::read_some(go.fd(), &mut [0]) == Ok(1) {
        let error = execute(request.command);
        let _ = sys::write_all(told.fd(), &error.into_word().to_le_bytes());
    }
    linux::exit(NOT_FOUND.into())
}

/// Statuses of a command that does not run, as env(1) has them.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// execve(2) of a command, which is looked for as execvp(3) does if it has no slash. Comes
/// back only to say why not.
fn execute(command: &[&'static [u8]]) -> Error {
    let missing = Error::new(Sysno::execve, Errno::ENOENT);
    // Arguments come from C strings, and so have no NUL in them.
    let strings: Vec<CString> = command.iter().filter_map(|word| CString::new(*word).ok()).collect();
    let (Some(name), Some(environment)) = (strings.first(), process::environment()) else { return missing };
    let mut arguments: Vec<_> = strings.iter().map(|argument| argument.as_ptr()).collect();
    arguments.push(core::ptr::null());
    let run = |path: &CStr| {
        // SAFETY: (1) both end with a null pointer, and hold C strings of this process.
        unsafe { tracing::execve(path, arguments.as_ptr(), environment) }
    };
    if name.to_bytes().contains(&b'/') || name.is_empty() {
        return run(name);
    }
    let mut worst = missing;
    let folders = process::variable(b"PATH").unwrap_or(b"/usr/local/bin:/usr/bin:/bin");
    for folder in folders.split(|byte| *byte == b':') {
        let folder = if folder.is_empty() { b"." } else { folder };
        let Ok(path) = CString::new([folder, b"/", name.to_bytes()].concat()) else { continue };
        // A watched execve(2) costs two stops: files that are missing are passed over.
        if tracing::open_unblocked(&path).is_err_and(|error| error.is(Errno::ENOENT)) {
            continue;
        }
        let error = run(&path);
        if error.is(Errno::EACCES) {
            worst = error;
        } else if !error.is(Errno::ENOENT) && !error.is(Errno::ENOTDIR) {
            return error;
        }
    }
    worst
}

/// Where the tracer's words go.
struct Outlets<'a> {
    monitor: &'a OwnedFd,
    report: &'a OwnedFd,
    /// From the command: why it does not run.
    told: &'a OwnedFd,
}

/// Serves the tracees until none is left, or until a signal asks to leave them.
fn serve(request: &Request<'_>, tracer: &mut Tracer, outlets: &Outlets<'_>) {
    let mut end = None;
    let mut reported = false;
    loop {
        match tracer.step() {
            Ok(Some(News::Stopped)) => {
                STOPPED.store(true, Relaxed);
                tell(outlets.monitor.fd(), Message::Stopped, 0);
            }
            Ok(Some(News::Continued)) => STOPPED.store(false, Relaxed),
            Ok(Some(News::Ended(how))) => {
                end = Some(refused(request, tracer, outlets, how));
                ENDED.store(true, Relaxed);
                if tracer.left() > 0 && linux::is_terminal(Fd::STDERR) {
                    let left = tracer.left();
                    sys::report(format_args!(
                        "probe: the command ended, and {left} threads that it left go on; ^C reports and leaves \
                         them"
                    ));
                }
            }
            Ok(Some(News::Refused)) if request.first => {
                write(request, tracer, None, outlets);
                reported = true;
            }
            Ok(Some(News::Refused)) => {}
            Err(error) if error.is(Errno::EINTR) => {}
            Ok(None) | Err(_) => break,
        }
        if LEAVE.load(Relaxed) {
            break;
        }
    }
    // Only a bug or a kernel that loses tracees ends the loop before the command.
    let end = end.unwrap_or(End::Killed(Signal::KILL.number()));
    if !reported {
        write(request, tracer, Some(end), outlets);
    }
    // The monitor ends when it is told so, and this process would with it.
    let stays = tracer.left() > 0 && tracing::outlive_parent().is_ok();
    match end {
        End::Exited(status) => tell(outlets.monitor.fd(), Message::Exited, status),
        End::Killed(signal) => tell(outlets.monitor.fd(), Message::Killed, signal),
    }
    if stays {
        stay(tracer);
    }
}

/// Serves what the command has left behind until that ends, for a filter that asks a
/// tracer cannot be taken back. Descriptors that a shell may read
/// to their end are closed.
fn stay(tracer: &mut Tracer) {
    for fd in [Fd::STDIN, Fd::STDOUT, Fd::STDERR] {
        // SAFETY: (1) nothing is written or read any more.
        let _ = unsafe { linux::close(fd) };
    }
    loop {
        match tracer.step() {
            Ok(Some(_)) => {}
            Err(error) if error.is(Errno::EINTR) => {}
            _ => return,
        }
    }
}

/// The end of the command; if it never ran, it is told why.
fn refused(request: &Request<'_>, tracer: &Tracer, outlets: &Outlets<'_>, end: End) -> End {
    let mut word = [0; 8];
    if tracer.executed || sys::read_some(outlets.told.fd(), &mut word) != Ok(8) {
        return end;
    }
    let Some(error) = Error::from_word(u64::from_le_bytes(word)) else { return end };
    let name = request.command.first().copied().unwrap_or_default();
    sys::report(format_args!("probe: {}: {error}", Lossy(name)));
    End::Exited(if error.is(Errno::ENOENT) { NOT_FOUND } else { NOT_EXECUTABLE })
}

/// Writes the report.
fn write(request: &Request<'_>, tracer: &Tracer, end: Option<End>, outlets: &Outlets<'_>) {
    let mut text = String::new();
    let name = request.command.first().copied().unwrap_or_default();
    let subject = report::Subject { command: proc::clean(name), end, executed: tracer.executed };
    if request.json {
        json::print(&subject, &tracer.findings, &mut text);
    } else {
        report::print(&subject, &tracer.findings, request.verbose, &mut text);
    }
    if let Err(error) = sys::write_all(outlets.report.fd(), text.as_bytes()) {
        sys::report(format_args!("probe: the report: {error}"));
    }
}
