//! INT, TERM and HUP: the output is flushed, and the process ends by the signal.
//!
//! Owns the handler of these signals and the way to end by a signal. It knows no output: a
//! [`FlushOnTermination`] is told how to flush one.

use super::call_back;
use barejit_sys::{
    Error, linux,
    signal::{Context, Disposition, Info, Mask, Signal},
};
use core::{
    arch::naked_asm,
    mem,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed},
};

/// How a process is asked to end.
const ENDS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// Has these signals handled. Those that were ignored stay ignored.
///
/// # Errors
/// The error of sigaction(2).
pub(super) fn install() -> Result<(), Error> {
    for signal in ENDS {
        let handled = Disposition::Handled(end_entry, Mask::of(&ENDS).without(signal));
        // SAFETY: (1) it ends the process, or does nothing.
        if unsafe { linux::rt_sigaction(signal, handled) }? {
            // SAFETY: (1) there is no handler.
            unsafe { linux::rt_sigaction(signal, Disposition::Ignored) }?;
        }
    }
    Ok(())
}

/// The function that flushes the output when the process is asked to end, and its
/// argument.
static FLUSH: AtomicUsize = AtomicUsize::new(0);
static OUTPUT: AtomicUsize = AtomicUsize::new(0);

/// How many flushes are going on: meanwhile output must not be flushed for the end.
static DEFERRED: AtomicU32 = AtomicU32::new(0);
/// The signal that arrived meanwhile.
static PENDING: AtomicU8 = AtomicU8::new(0);
/// Set once the process is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The output is flushed when the process is asked to end, as long as this lives.
#[derive(Debug)]
pub struct FlushOnTermination(());

impl FlushOnTermination {
    /// From now on `flush` is called with `output` when INT, TERM or HUP arrive,
    /// before the process ends, if [`install`](super::install) has been called.
    ///
    /// # Safety
    /// 1. `flush` may be called with `output` at any instruction while this lives but in
    ///    [`defer_termination`], on the alternate stack, by any thread.
    pub unsafe fn register(output: *mut (), flush: unsafe fn(*mut ())) -> Self {
        OUTPUT.store(output as usize, Relaxed);
        FLUSH.store(flush as usize, Relaxed);
        Self(())
    }
}

impl Drop for FlushOnTermination {
    fn drop(&mut self) {
        FLUSH.store(0, Relaxed);
    }
}

/// Calls `flush` with the terminating signals deferred, so that a second flush cannot
/// interrupt it. The same signal a second time is not deferred.
pub fn defer_termination<T>(flush: impl FnOnce() -> T) -> T {
    DEFERRED.fetch_add(1, Relaxed);
    let result = flush();
    let others = DEFERRED.fetch_sub(1, Relaxed) - 1;
    let pending = PENDING.load(Relaxed);
    if pending != 0 && others == 0 {
        flush_and_die(Signal::new(pending));
    }
    result
}

/// The first instructions of the handler of requests to end, as for faults.
#[unsafe(naked)]
unsafe extern "sysv64" fn end_entry(number: i32, info: &Info, context: &mut Context) {
    naked_asm!(
        "push 2",
        "popfq",
        "mov rbx, rsp",
        "and rsp, -16",
        "call {on_end}",
        "mov rsp, rbx",
        "ret",
        on_end = sym on_end
    )
}

/// The handler of requests to end. One that comes while the output is flushed for the
/// end changes nothing.
extern "sysv64" fn on_end(number: i32) {
    let signal = Signal::new(number as u8);
    if ENDING.load(Relaxed) {
        return;
    }
    if DEFERRED.load(Relaxed) == 0 {
        // Generated code may have been interrupted; this is ours.
        call_back(|| flush_and_die(signal));
    }
    if PENDING.swap(signal.number(), Relaxed) == signal.number() {
        die_of(signal);
    }
}

fn flush_and_die(signal: Signal) -> ! {
    ENDING.store(true, Relaxed);
    let flush = FLUSH.swap(0, Relaxed);
    if flush != 0 {
        // SAFETY: only `FlushOnTermination` stores here, and a function's address.
        let flush = unsafe { mem::transmute::<usize, unsafe fn(*mut ())>(flush) };
        // SAFETY: (1) the promise made to `FlushOnTermination::register`.
        unsafe { flush(OUTPUT.load(Relaxed) as *mut ()) };
    }
    die_of(signal)
}

/// Ends the process as if nobody had handled `signal`, which is not blocked in its own
/// handler. The first process of a PID namespace survives what it sends to itself
/// (pid_namespaces(7)), and a filter can refuse the calls: then it exits, with what a
/// shell says of a process that died of a signal.
pub(super) fn die_of(signal: Signal) -> ! {
    // SAFETY: (1) there is no handler.
    let restored = unsafe { linux::rt_sigaction(signal, Disposition::Default) };
    let _ = restored.and_then(|_| linux::kill_self(signal));
    linux::exit(128 + i32::from(signal.number()))
}
