//! INT, TERM and HUP: the output is flushed, and the process ends by the signal.
//!
//! Owns the handler of these signals and the way to end by a signal. It knows no output: a
//! [`Rescue`] is told how to flush one.

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
/// What sigaction(2) answers.
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

/// What saves the output when the process is asked to end: a function and its
/// argument.
static RESCUE: AtomicUsize = AtomicUsize::new(0);
static RESCUED: AtomicUsize = AtomicUsize::new(0);

/// How many flushes are going on: meanwhile output must not be flushed for the end.
static HELD: AtomicU32 = AtomicU32::new(0);
/// The signal that arrived meanwhile.
static PENDING: AtomicU8 = AtomicU8::new(0);
/// Set once the process is about to end.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Output that is saved when the process is asked to end, as long as this lives.
#[derive(Debug)]
pub struct Rescue(());

impl Rescue {
    /// From now on `rescue` is called with `what` when INT, TERM or HUP arrive,
    /// before the process ends, if [`install`](super::install) has been called.
    ///
    /// # Safety
    /// 1. `rescue` may be called with `what` at any instruction while this lives but in
    ///    [`held`], on the alternate stack, by any thread.
    #[inline(never)]
    pub unsafe fn prepare(what: *mut (), rescue: unsafe fn(*mut ())) -> Self {
        RESCUED.store(what as usize, Relaxed);
        RESCUE.store(rescue as usize, Relaxed);
        Self(())
    }
}

impl Drop for Rescue {
    fn drop(&mut self) {
        RESCUE.store(0, Relaxed);
    }
}

/// Calls `flush`, which a second flush must not interrupt: a signal that asks
/// the process to end waits until it is done. The same signal a second time does not.
pub fn held<T>(flush: impl FnOnce() -> T) -> T {
    HELD.fetch_add(1, Relaxed);
    let result = flush();
    let others = HELD.fetch_sub(1, Relaxed) - 1;
    let pending = PENDING.load(Relaxed);
    if pending != 0 && others == 0 {
        rescue_and_die(Signal::new(pending));
    }
    result
}

/// The first instructions of the handler of requests to end, as for faults.
#[unsafe(naked)]
unsafe extern "sysv64" fn end_entry(number: i32, info: &Info, context: &mut Context) {
    naked_asm!("push 2", "popfq", "jmp {on_end}", on_end = sym on_end)
}

/// The handler of requests to end. One that comes while the output is flushed for the
/// end changes nothing.
extern "sysv64" fn on_end(number: i32) {
    let signal = Signal::new(number as u8);
    if ENDING.load(Relaxed) {
        return;
    }
    if HELD.load(Relaxed) == 0 {
        // Generated code may have been interrupted; this is ours.
        call_back(|| rescue_and_die(signal));
    }
    if PENDING.swap(signal.number(), Relaxed) == signal.number() {
        die_of(signal);
    }
}

fn rescue_and_die(signal: Signal) -> ! {
    ENDING.store(true, Relaxed);
    let rescue = RESCUE.swap(0, Relaxed);
    if rescue != 0 {
        // SAFETY: only `Rescue` stores here, and a function's address.
        let rescue = unsafe { mem::transmute::<usize, unsafe fn(*mut ())>(rescue) };
        // SAFETY: (1) the promise made to `Rescue::prepare`.
        unsafe { rescue(RESCUED.load(Relaxed) as *mut ()) };
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
