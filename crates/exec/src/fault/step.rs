//! Generated code that is entered with a whole processor state, and run instruction by
//! instruction.
//!
//! ```text
//!   resume ──▶ enter_context ──rt_sigreturn──▶ generated code
//!     ▲          saves into RECORD                │ signal
//!     │                                           ▼
//!     │                    ┌── a step ────── on_fault ──▶ Stepper::step
//!     │                    └─rt_sigreturn─▶ code  │
//!     └───────────── leave ◀──────────────────────┘ the end: the state is captured
//! ```
//!
//! The state goes in as a signal frame and comes out of one, so general registers, flags,
//! vectors and x87 are one mechanism. A step is a trap by TF (SDM vol. 3B, 17.3.1.4).

use super::{Args, Busy, Ending, Entry, RECORD, STACK, claim, ended, leave, state};
use crate::State;
use barejit_sys::{
    Error, linux,
    signal::{self, Context, Info, Signal},
};
use core::{
    arch::naked_asm,
    fmt, mem,
    ops::Range,
    ptr,
    sync::atomic::{AtomicPtr, Ordering::Relaxed},
};

/// Enters generated code with all of `state`, and leaves in `state` what was there when it
/// ended: at a signal, which a trap behind the code's last instruction is. A return to
/// where [`return_address`] is [`Ending::Returned`], with RAX.
///
/// With a `stepper` the code is run instruction by instruction.
///
/// # Safety
/// 1. [`install`](super::install) has been called, and code that is entered so does nothing undefined but
///    raise a signal, return there, or call back.
/// 2. The stack pointer in `state` leads to memory of the code's own.
/// 3. Call-backs that panic own nothing that must be dropped.
/// 4. The bytes at `code` can be read until this returns.
///
/// # Errors
/// Generated code is running already, or what sigaltstack(2) answers; nothing has been
/// called.
pub unsafe fn resume(
    state: &mut State,
    code: Range<usize>,
    stepper: Option<&mut dyn Stepper>,
) -> Result<Ending, NotEntered> {
    let flags = state.flags & !State::TRAP;
    let mut context =
        Context::new(&state.general, state.rip, flags, state.extended(), linux::alternate_stack()?);
    claim()?;
    let mut stepping =
        stepper.map(|stepper| Stepping { stepper, code: code.clone(), armed: false, resumes_at: 0 });
    if let Some(stepping) = &mut stepping {
        // The first trap comes behind the first instruction.
        let inside = code.contains(&(context.rip as usize));
        if stepping.stepper.step(&mut context, inside) == Next::Step {
            context.rflags |= State::TRAP;
            stepping.armed = true;
        }
    }
    STEPPING.store(stepping.as_mut().map_or(ptr::null_mut(), ptr::from_mut).cast(), Relaxed);
    CAPTURED.store(ptr::from_mut(state), Relaxed);
    // SAFETY: duties 1 to 3 of the caller; the record is this call's.
    let value = unsafe { enter_context(&context) };
    CAPTURED.store(ptr::null_mut(), Relaxed);
    STEPPING.store(ptr::null_mut(), Relaxed);
    // SAFETY: (1) duty 4 of the caller.
    Ok(unsafe { ended(value, code) })
}

/// Why code was not entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotEntered {
    /// Generated code is running already.
    Busy,
    /// A syscall refused.
    Refused(Error),
}

impl From<Busy> for NotEntered {
    fn from(_: Busy) -> Self {
        Self::Busy
    }
}

impl From<Error> for NotEntered {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for NotEntered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => Busy.fmt(f),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for NotEntered {}

/// Calls `entry` as [`call`](super::call) does, instruction by instruction.
///
/// # Safety
/// 1 to 6. As [`call`](super::call).
///
/// # Errors
/// As [`resume`].
///
/// # Panics
/// If [`install`](super::install) has not been called.
pub unsafe fn call_stepped(
    entry: Entry,
    args: &Args,
    code: Range<usize>,
    stepper: &mut dyn Stepper,
) -> Result<Ending, NotEntered> {
    let mut state = State::INITIAL;
    let stack = STACK.load(Relaxed);
    assert!(stack != 0, "no stack before faults are handled");
    let [rdi, rsi, rdx, rcx, r8, r9] = *args;
    let rsp = stack - size_of::<usize>();
    // SAFETY: the top of the stack of generated code, which nothing uses.
    unsafe { (rsp as *mut usize).write(return_address()) };
    RECORD.frame.store(stack, Relaxed);
    state.general = [0, rcx, rdx, 0, rsp as u64, 0, rsi, rdi, r8, r9, 0, 0, 0, 0, 0, 0];
    state.rip = entry as usize as u64;
    // SAFETY: (1, 3, 4) the caller's, for install has made the stack; (2) the stack is the code's.
    unsafe { resume(&mut state, code, Some(stepper)) }
}

/// Where generated code that [`resume`] has entered returns to.
pub fn return_address() -> usize {
    leave as *const () as usize
}

/// Sees code that is run instruction by instruction.
pub trait Stepper {
    /// Called before the first instruction and after each: RIP is that of the next one.
    /// Changes in `context` take effect when the code goes on; the trap flag does not
    /// count. `inside` says whether the next instruction is one of the code's.
    fn step(&mut self, context: &mut Context, inside: bool) -> Next;
}

/// How code that is stepped through goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Up to the next instruction.
    Step,
    /// At full speed up to the instruction at this address, to which the function
    /// returns that has just been called: the return address is at RSP.
    Over(usize),
    /// At full speed to the end.
    Run,
}

/// A stepper at work.
struct Stepping<'a> {
    stepper: &'a mut dyn Stepper,
    /// The code that is stepped through.
    code: Range<usize>,
    /// Whether the trap flag was set before the last instruction: POPF may have cleared it.
    armed: bool,
    /// Where the code goes on when the function returns that is stepped over.
    resumes_at: usize,
}

/// The [`Stepping`] of the call that runs, or null.
static STEPPING: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Where the state at the end of the code goes, or null.
static CAPTURED: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());

/// Shows a stopped instruction to the stepper, if this is one. Whether it was: the code
/// then goes on as `context` has it.
pub(super) fn stepped(signal: Signal, info: &Info, context: &mut Context) -> bool {
    let stepping = STEPPING.load(Relaxed).cast::<Stepping<'_>>();
    if stepping.is_null() || signal != Signal::TRAP || info.sender().is_some() {
        return false;
    }
    // SAFETY: `resume` has stored the address of one that lives until it is done, and is
    // not used meanwhile.
    let stepping = unsafe { &mut *stepping };
    let over = over as *const () as u64;
    if info.code == signal::KERNEL {
        // An `int3`: that of `over`, or one of the code's.
        if context.rip != over + 1 || stepping.resumes_at == 0 {
            return false;
        }
        context.rip = mem::take(&mut stepping.resumes_at) as u64;
    } else if !stepping.armed {
        return false;
    }
    let inside = stepping.code.contains(&(context.rip as usize));
    // A fault from here on is ours.
    RECORD.state.store(state::CALL_BACK, Relaxed);
    let next = stepping.stepper.step(context, inside);
    RECORD.state.store(state::GENERATED, Relaxed);
    context.rflags &= !State::TRAP;
    stepping.armed = next == Next::Step;
    match next {
        Next::Step => context.rflags |= State::TRAP,
        Next::Run => {}
        Next::Over(back) => {
            stepping.resumes_at = back;
            // SAFETY: the code has just written its return address there.
            unsafe { (context.rsp as *mut u64).write(over) };
        }
    }
    true
}

/// Where a function that is stepped over returns to.
#[unsafe(naked)]
unsafe extern "sysv64" fn over() -> ! {
    naked_asm!("int3", "ud2")
}

/// Saves the caller's state as [`enter`](super::enter) does, and goes on with `context`. `leave` comes
/// back from it.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter_context(context: &Context) -> u64 {
    naked_asm!(
        save_caller!(),
        "jmp {resume}",
        record = sym RECORD,
        generated = const state::GENERATED,
        resume = sym linux::resume,
    )
}

/// Keeps the state at the end of the code, if [`resume`] has entered it.
///
/// # Safety
/// 1. The kernel has given `context` to a handler that still runs.
pub(super) unsafe fn capture(context: &Context) {
    let captured = CAPTURED.load(Relaxed);
    if !captured.is_null() {
        // SAFETY: `resume` has stored the address of one that lives until it is done, and
        // is not used meanwhile.
        let captured = unsafe { &mut *captured };
        // SAFETY: (1) the caller's.
        unsafe { captured.capture(context) };
    }
}
