//! The messages and signals between the three processes: messages of the tracer to the monitor, and signals
//! from the monitor by way of the tracer to the command.
//!
//! ```text
//! keyboard ──INT, QUIT, TSTP──▶ monitor, tracer, command    all in the foreground group
//! kill(2) of the monitor ──▶ monitor ──▶ tracer ──▶ command
//! ```
//!
//! A signal from the keyboard reaches the command by itself. One that was sent to the
//! monitor alone is passed on.

use barejit_sys::{
    self as sys, Error, Fd,
    linux::{
        self,
        tracing::{self, Tid},
        trial,
    },
    signal::{Context, Disposition, Info, Mask, Signal},
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
