//! The process that the shell knows: starts the tracer, stops when the command stops,
//! passes signals on, and ends as the command ended.
//!
//! ```text
//! keyboard ──INT, QUIT, TSTP──▶ monitor, tracer, command    all in the foreground group
//! kill(2) of the monitor ──▶ monitor ──▶ tracer ──▶ command
//! ```
//!
//! A signal from the keyboard reaches the command by itself. One that was sent to the
//! monitor alone is passed on.

use super::{Ended, Request, start};
use barejit_sys::{
    self as sys, Error, Fd, OwnedFd,
    linux::{
        self,
        tracing::{self, Tid},
        trial,
    },
    signal::{self, Context, Disposition, Info, Mask, Signal},
};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering::Relaxed};

/// A message of the tracer: its kind and a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Message {
    /// The command stopped.
    Stopped = 1,
    /// It exited with this status.
    Exited,
    /// This signal ended it.
    Killed,
    /// There is nothing to watch; it has been told why.
    Failed,
}

/// Sends a message to the monitor, which may be gone.
pub(super) fn tell(monitor: Fd, message: Message, number: u8) {
    let _ = sys::write_all(monitor, &[message as u8, number]);
}

/// The process that signals are passed on to; 0 is none.
static NEXT: AtomicI32 = AtomicI32::new(0);

/// The process that passes them on to this one; 0 if this is the monitor.
static BEFORE: AtomicI32 = AtomicI32::new(0);

/// Signals that were sent to the whole group, a bit each: the command has them already.
static SENT_TO_ALL: AtomicU64 = AtomicU64::new(0);

/// Whether the command is stopped, so that SIGCONT must reach it.
pub(super) static STOPPED: AtomicBool = AtomicBool::new(false);

/// Whether the command has ended, so that a signal is for the tracer.
pub(super) static ENDED: AtomicBool = AtomicBool::new(false);

/// Whether such a signal came.
pub(super) static LEAVE: AtomicBool = AtomicBool::new(false);

/// Passes a signal on, by the rules above. `si_pid` is at the place of `si_addr`.
unsafe extern "sysv64" fn on_signal(number: i32, info: &Info, _: &mut Context) {
    let (next, before) = (NEXT.load(Relaxed), BEFORE.load(Relaxed));
    let (sender, by_kernel) = (info.address as i32, info.code > 0);
    let number = number as u8;
    if before != 0 && ENDED.load(Relaxed) {
        LEAVE.store(true, Relaxed);
        // Should the wait not have begun yet, it is interrupted in a second.
        trial::alarm(1);
        return;
    }
    if next == 0 || by_kernel {
        return;
    }
    if before != 0 {
        let bit = 1 << number;
        if sender != before {
            SENT_TO_ALL.fetch_or(bit, Relaxed);
            return;
        }
        let sent = SENT_TO_ALL.fetch_and(!bit, Relaxed) & bit != 0;
        if sent || number == Signal::CONT.number() && !STOPPED.load(Relaxed) {
            return;
        }
    }
    let _ = tracing::kill(Tid::new(next), number);
}

/// Does nothing: by this a signal interrupts a wait, and execve(2) makes it the default.
unsafe extern "sysv64" fn on_alarm(_: i32, _: &Info, _: &mut Context) {}

/// The signals that are passed on.
const PASSED: [Signal; 11] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::TERM,
    Signal::CONT,
    Signal::TSTP,
    Signal::PIPE,
    Signal::TTIN,
    Signal::TTOU,
];

/// Has signals passed on to `next`. Those that were ignored before stay ignored.
///
/// # Errors
/// The errno of sigaction(2).
pub(super) fn pass_on(next: Tid, before: Option<Tid>) -> Result<(), Error> {
    let none = Mask::of(&[]);
    NEXT.store(next.number(), Relaxed);
    BEFORE.store(before.map_or(0, Tid::number), Relaxed);
    for signal in PASSED {
        // SAFETY: (1) the handler uses atomics and kill(2).
        if unsafe { linux::rt_sigaction(signal, Disposition::Handled(on_signal, none)) }? {
            // SAFETY: (1) there is no handler.
            unsafe { linux::rt_sigaction(signal, Disposition::Ignored) }?;
        }
    }
    // SAFETY: (1) the handler does nothing.
    unsafe { linux::rt_sigaction(Signal::ALRM, Disposition::Handled(on_alarm, none)) }?;
    // SAFETY: (1) there is no handler.
    unsafe { linux::rt_sigaction(Signal::CHLD, Disposition::Default) }?;
    trial::unblock_signals();
    Ok(())
}

/// Runs the command, watches it and reports, and says how it ended.
///
/// # Errors
/// The call that the system refused before there was a command.
pub fn run(request: &Request<'_>) -> Result<Ended, Error> {
    let monitor = Tid::new(linux::getpid()? as i32);
    let [news, tell] = tracing::pipe()?;
    // SAFETY: (1) the process has one thread.
    let Some(tracer) = unsafe { trial::fork() }? else {
        drop(news);
        start::trace(request, &tell, monitor);
        linux::exit(0)
    };
    drop(tell);
    pass_on(tracer.tid(), None)?;
    Ok(follow(&news, tracer.tid()))
}

/// Does as the messages say.
fn follow(news: &OwnedFd, tracer: Tid) -> Ended {
    let mut message = [0; 2];
    loop {
        // Two bytes are written and read at once (pipe(7), PIPE_BUF).
        match sys::read_some(news.fd(), &mut message) {
            Ok(2) => {}
            _ => {
                sys::report(format_args!("probe: the tracer ended before the command"));
                return Ended::Failed;
            }
        }
        let [kind, number] = message;
        match kind {
            kind if kind == Message::Stopped as u8 => {
                let _ = linux::kill_self(Signal::STOP);
                let _ = tracing::kill(tracer, Signal::CONT.number());
            }
            kind if kind == Message::Exited as u8 => return Ended::Exited(number),
            kind if kind == Message::Killed as u8 => return Ended::Killed(number),
            _ => return Ended::Failed,
        }
    }
}

/// Ends this process by the signal that ended the command. A core file was written
/// already, if any.
pub fn die(signal: u8) -> ! {
    const SHELLS_STATUS: i32 = 128;
    let signal = signal::Signal::new(signal);
    let _ = tracing::forbid_core_file();
    // SAFETY: (1) there is no handler.
    let _ = unsafe { linux::rt_sigaction(signal, Disposition::Default) };
    trial::unblock_signals();
    let _ = linux::kill_self(signal);
    linux::exit(SHELLS_STATUS + i32::from(signal.number()))
}
