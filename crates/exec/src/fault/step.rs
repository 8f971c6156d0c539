//! Generated code that is entered with a whole processor state, and run instruction by
//! instruction.
//!
//! ```text
//!   resume ──▶ enter_context ──rt_sigreturn──▶ generated code
//!     ▲          saves into RECORD                │ signal       │ the end of a slot
//!     │                                           ▼              ▼
//!     │                    ┌── a step ─────── on_fault        leave_slot
//!     │                    └─rt_sigreturn─▶ code  │ └──▶ Stepper::step ◀─┘ └──▶ next slot
//!     └───────────── leave ◀──────────────────────┘ the end: the state is captured
//! ```
//!
//! The state goes in as a signal frame and comes out of one, so general registers, flags,
//! vectors and x87 are one mechanism. An instruction that has a displaced copy runs there, and
//! `leave_slot` saves the same in a frame of its own. A step of any other is a trap by TF (SDM
//! vol. 3B, 17.3.1.4).

use super::displaced::{Displaced, Original, exit};
use super::{Args, Busy, Ending, Entry, RECORD, STACK, claim, ended, leave, state};
use crate::{State, Strategy};
use barejit_sys::{
    Error, linux,
    signal::{self, Context, Info, Signal},
};
use core::{
    arch::{naked_asm, x86_64::__cpuid},
    cell::UnsafeCell,
    fmt,
    mem::{self, MaybeUninit},
    ops::Range,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU8, Ordering::Relaxed},
};

/// Enters generated code with all of `state`, and leaves in `state` what was there when it
/// ended: at a signal, which a trap behind the code's last instruction is. A return to
/// where [`return_address`] is [`Ending::Returned`], with RAX.
///
/// With a `stepper` the code is run instruction by instruction, in copies where `displaced`
/// has them.
///
/// # Safety
/// 1. [`install`](super::install) has been called, and code that is entered so does nothing undefined but
///    raise a signal, return there, or call back.
/// 2. The stack pointer in `state` leads to memory of the code's own.
/// 3. Call-backs that panic own nothing that must be dropped.
/// 4. The bytes at `code` can be read until this returns.
/// 5. `displaced` is of this code.
///
/// # Errors
/// Generated code is running already, or what sigaltstack(2) answers; nothing has been
/// called.
pub unsafe fn resume(
    state: &mut State,
    code: Range<usize>,
    stepper: Option<&mut dyn Stepper>,
    displaced: Option<&Displaced>,
) -> Result<Ending, NotEntered> {
    let flags = state.flags & !State::TRAP;
    let stack = linux::alternate_stack()?;
    let mut context = Context::new(&state.general, state.rip, flags, state.extended(), stack);
    claim()?;
    let mut stepping = stepper.map(|stepper| Stepping {
        stepper,
        code: code.clone(),
        displaced,
        armed: false,
        copied: None,
        rip: 0,
        rax: 0,
        rsp: 0,
        resumes_at: 0,
    });
    if let Some(stepping) = &mut stepping {
        // SAFETY: `claim` has given the frame to this call, whose code does not run yet.
        unsafe { FRAME.prepare(stack) };
        stepping.advance(&mut context);
    }
    STEPPING.store(stepping.as_mut().map_or(ptr::null_mut(), ptr::from_mut).cast(), Relaxed);
    CAPTURED.store(ptr::from_mut(state), Relaxed);
    // SAFETY: duties 1 to 3 and 5 of the caller; the record is this call's.
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
/// 7. `displaced` is of this code.
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
    displaced: Option<&Displaced>,
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
    // SAFETY: (1, 3, 4, 5) the caller's, for install has made the stack; (2) the stack is the
    // code's.
    unsafe { resume(&mut state, code, Some(stepper), displaced) }
}

/// Executable copies of the instructions of `code`, which is going to run at `start`.
///
/// # Errors
/// The syscall that refused.
pub fn displace(strategy: Strategy, code: &[u8], start: usize) -> Result<Displaced, Error> {
    Displaced::new(strategy, code, start, [next, taken, indirect].map(|exit| exit as *const () as usize))
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
    displaced: Option<&'a Displaced>,
    /// Whether the instruction runs with the trap flag, which POPF may clear.
    armed: bool,
    /// The instruction whose copy runs, and the address of the copy.
    copied: Option<(&'a Original, u64)>,
    /// The address of the instruction that runs, and registers before it.
    rip: u64,
    rax: u64,
    rsp: u64,
    /// Where the code goes on when the function returns that is stepped over.
    resumes_at: usize,
}

impl Stepping<'_> {
    /// Shows the next instruction to the stepper, and makes `context` lead to its copy or have
    /// the trap flag.
    fn advance(&mut self, context: &mut Context) {
        let inside = self.code.contains(&(context.rip as usize));
        let next = self.stepper.step(context, inside);
        context.rflags &= !State::TRAP;
        (self.rip, self.rax, self.rsp) = (context.rip, context.rax, context.rsp);
        (self.armed, self.copied) = (false, None);
        match next {
            Next::Step => {
                // SAFETY: (1) duties 4 and 5 of `resume`.
                self.copied = self.displaced.and_then(|displaced| unsafe { displaced.find(self.rip) });
                match self.copied {
                    Some((_, slot)) => context.rip = slot,
                    None => {
                        context.rflags |= State::TRAP;
                        self.armed = true;
                    }
                }
            }
            Next::Run => {}
            Next::Over(back) => {
                self.resumes_at = back;
                // SAFETY: the code has just written its return address there.
                unsafe { (context.rsp as *mut u64).write(over as *const () as u64) };
            }
        }
    }

    /// The same while the code is stopped.
    fn step(&mut self, context: &mut Context) {
        // A fault from here on is ours.
        RECORD.state.store(state::CALL_BACK, Relaxed);
        self.advance(context);
        RECORD.state.store(state::GENERATED, Relaxed);
    }
}

/// The [`Stepping`] of the call that runs, or null.
static STEPPING: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// The [`Stepping`] of the call that runs.
///
/// # Safety
/// 1. The code has stopped, and nothing else that this has given is used any more.
unsafe fn stepping<'a>() -> Option<&'a mut Stepping<'a>> {
    let stepping = STEPPING.load(Relaxed).cast::<Stepping<'_>>();
    // SAFETY: `resume` has stored the address of one that lives until it is done, and is not
    // used meanwhile; the rest is duty 1 of the caller.
    unsafe { stepping.as_mut() }
}

/// Where the state at the end of the code goes, or null.
static CAPTURED: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());

/// Shows a stopped instruction to the stepper, if this is one. Whether it was: the code
/// then goes on as `context` has it.
pub(super) fn stepped(signal: Signal, info: &Info, context: &mut Context) -> bool {
    if signal != Signal::TRAP || info.sender().is_some() {
        return false;
    }
    // SAFETY: (1) this is the handler of its stop.
    let Some(stepping) = (unsafe { stepping() }) else { return false };
    if !stepping.armed {
        return false;
    }
    if info.code != signal::KERNEL {
        stepping.step(context);
    } else if context.rip == arm as *const () as u64 + 1 {
        // The instruction has not run yet.
        context.rip = stepping.rip;
        context.rflags |= State::TRAP;
    } else {
        // An `int3` of the code's.
        return false;
    }
    true
}

/// Attributes a fault in a copy to the original instruction: puts its RIP and RAX into
/// `context`. `address` is the one that the copy could not access; gives the one that the
/// original would not have accessed.
pub(super) fn attribute_to_original(context: &mut Context, address: usize) -> usize {
    // SAFETY: (1) this is the handler of its stop.
    let Some(stepping) = (unsafe { stepping() }) else { return address };
    let Some((_, slot)) = stepping.copied.take() else { return address };
    let displaced = mem::replace(&mut context.rip, stepping.rip);
    if displaced != slot {
        // The second instruction of the copy of a call, behind the load of RAX.
        context.rax = stepping.rax;
    }
    if address == displaced as usize { stepping.rip as usize } else { address }
}

/// Goes on from an exit.
extern "sysv64" fn on_exit(context: &mut Context) {
    // SAFETY: (1) the code has come to an exit.
    let stepping = unsafe { stepping() }.expect("slots run while code is stepped through");
    let (mut faults, exit) = (false, EXIT.load(Relaxed));
    context.rip = match stepping.copied {
        Some((original, _)) if exit == exit::NEXT => original.next(stepping.rip),
        Some((original, _)) if exit == exit::TAKEN => original.target,
        Some(_) => {
            let target = mem::replace(&mut context.rax, stepping.rax);
            // A branch to an address that is not canonical faults where it stands.
            faults = target.cast_signed() << 16 >> 16 != target.cast_signed();
            target
        }
        None => mem::take(&mut stepping.resumes_at) as u64,
    };
    if faults {
        (context.rsp, stepping.copied, stepping.armed) = (stepping.rsp, None, true);
    } else {
        stepping.step(context);
    }
    if stepping.armed {
        // Only a handler can return to code with the trap flag.
        context.rflags &= !State::TRAP;
        context.rip = arm as *const () as u64;
    }
}

/// Raises the signal whose handler sets the trap flag.
#[unsafe(naked)]
unsafe extern "sysv64" fn arm() -> ! {
    naked_asm!("int3", "ud2")
}

/// The exit that the code has come to.
static EXIT: AtomicU8 = AtomicU8::new(0);

/// The exit that is no slot's: where a function that is stepped over returns to.
const OVER: u8 = 3;

macro_rules! exits {
    ($($name:ident $number:expr;)*) => {$(
        #[unsafe(naked)]
        unsafe extern "sysv64" fn $name() -> ! {
            naked_asm!(
                "mov byte ptr [rip + {exit}], {number}",
                "jmp {leave_slot}",
                exit = sym EXIT,
                number = const $number,
                leave_slot = sym leave_slot,
            )
        }
    )*};
}

exits! {
    next exit::NEXT;
    taken exit::TAKEN;
    indirect exit::INDIRECT;
    over OVER;
}

/// The state of code that has come to an exit.
#[repr(C, align(64))]
struct Frame {
    /// The registers of x87, SSE and AVX, as XSAVE or FXSAVE stores them; at offset 0.
    area: UnsafeCell<[u8; AREA]>,
    context: UnsafeCell<MaybeUninit<Context>>,
    /// Whether the kernel has enabled XSAVE.
    has_xsave: AtomicU8,
}

/// Bytes of an area with x87, SSE and AVX.
const AREA: usize = 832;

// SAFETY: the one thread that has the record uses it.
unsafe impl Sync for Frame {}

static FRAME: Frame = Frame {
    area: UnsafeCell::new([0; AREA]),
    context: UnsafeCell::new(MaybeUninit::uninit()),
    has_xsave: AtomicU8::new(0),
};

impl Frame {
    /// Fills in the parts that `leave_slot` does not write.
    ///
    /// # Safety
    /// 1. The caller has the record, and no code runs.
    unsafe fn prepare(&self, stack: signal::AlternateStack) {
        /// CPUID.1:ECX.OSXSAVE
        const OSXSAVE: u32 = 1 << 27;
        let has_xsave = __cpuid(1).ecx & OSXSAVE != 0;
        self.has_xsave.store(has_xsave.into(), Relaxed);
        // SAFETY: duty 1 of the caller.
        let area = unsafe { &mut *self.area.get() };
        if has_xsave {
            signal::set_extended_size(area, AREA as u32);
        }
        // SAFETY: duty 1 of the caller.
        let context = unsafe { &mut *self.context.get() };
        context.write(Context::new(&[0; 16], 0, 0, area.as_ptr(), stack));
    }
}

/// The general-purpose registers in a [`Context`] lie before RSP, RIP and RFLAGS.
const RSP: usize = mem::offset_of!(Context, rsp);
const _: () = assert!(
    mem::offset_of!(Context, rip) == RSP + 8
        && mem::offset_of!(Context, rflags) == RSP + 16
        && mem::offset_of!(Context, rax) == RSP - 16
);

/// Saves all of the state of the code in [`FRAME`], and goes on from there with what the
/// stepper has made of it. Neither memory of the code's nor a flag changes.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave_slot() -> ! {
    naked_asm!(
        "mov [rip + {frame} + {rsp}], rsp",
        "lea rsp, [rip + {frame} + {rsp} + 24]", // the end of RFLAGS
        "pushfq",
        "lea rsp, [rsp - 16]", // RIP, RSP
        "push rcx",
        "push rax",
        "push rdx",
        "push rbx",
        "push rbp",
        "push rsi",
        "push rdi",
        "push r15",
        "push r14",
        "push r13",
        "push r12",
        "push r11",
        "push r10",
        "push r9",
        "push r8",
        "lea rbx, [rip + {frame}]",
        "mov rsp, [rip + {record} + 48]", // of the caller of `enter_context`
        "and rsp, -16",
        "push 2", // no direction, no alignment check, no nested task
        "popfq",
        "mov eax, 7", // x87, SSE, AVX
        "xor edx, edx",
        "cmp byte ptr [rbx + {has_xsave}], 0",
        "je 2f",
        "xsave64 [rbx]",
        "jmp 3f",
        "2:",
        "fxsave64 [rbx]",
        "3:",
        "ldmxcsr [rip + {record} + 64]", // of the caller, as Rust expects it
        "lea rdi, [rbx + {context}]",
        "call {on_exit}",
        "mov eax, 7",
        "xor edx, edx",
        "cmp byte ptr [rbx + {has_xsave}], 0",
        "je 4f",
        "xrstor64 [rbx]",
        "jmp 5f",
        "4:",
        "fxrstor64 [rbx]",
        "5:",
        "lea rsp, [rbx + {rsp} - 15 * 8]",
        "pop r8",
        "pop r9",
        "pop r10",
        "pop r11",
        "pop r12",
        "pop r13",
        "pop r14",
        "pop r15",
        "pop rdi",
        "pop rsi",
        "pop rbp",
        "pop rbx",
        "pop rdx",
        "pop rax",
        "pop rcx",
        "lea rsp, [rsp + 16]",
        "popfq",
        "mov rsp, [rip + {frame} + {rsp}]",
        "jmp [rip + {frame} + {rsp} + 8]",
        frame = sym FRAME,
        rsp = const mem::offset_of!(Frame, context) + RSP,
        context = const mem::offset_of!(Frame, context),
        has_xsave = const mem::offset_of!(Frame, has_xsave),
        record = sym RECORD,
        on_exit = sym on_exit,
    )
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
