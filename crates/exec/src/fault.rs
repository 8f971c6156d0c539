//! Guarded calls: a fault in generated code, or a panic in its call-back, returns to the
//! call site as a value.
//!
//! ```text
//!   call ──▶ enter ──▶ generated code ──▶ call-back (Rust)
//!    ▲         │ ▲           │ signal          │ panic
//!    │         │ │           ▼                 ▼
//!    │       saves into    on_fault          escape
//!    │       RECORD, then    │ jumps           │ jumps
//!    └───── leave ◀──────────┴─────────────────┘
//!           restores everything from RECORD
//! ```
//!
//! [`call`] alone makes no syscall and already survives a call-back that panics;
//! [`install`] adds the signals. The stack between the call site and the place of
//! the fault is abandoned, never unwound.
//!
//! The handler of a fault in generated code jumps to `leave`, as siglongjmp(3) does. It
//! never returns through rt_sigreturn(2), which would restore what generated code may
//! have ruined: CS and SS, RFLAGS, MXCSR and the x87 state, PKRU, the alternate stack.
//! The kernel enters a handler with all of these in order. Handlers run with no signal
//! blocked that was not blocked before, so there is no mask to restore either.
//!
//! A fault on the way from the handler through `leave` ends the process: one line, status
//! 3. A fault in barejit's own code, call-backs included, is one line, then death by that
//! signal; so is a signal of this kind that a process has sent.
//!
//! One call at a time in a process: a second one, by another thread or by a call-back, is
//! [`Busy`]. A fault counts as generated code's on the thread that made the call only.

/// The instructions that save the state of the caller in `record`, for [`leave`], and say that
/// code runs.
macro_rules! save_caller {
    () => {
        concat!(
            "lea rax, [rip + {record}]",
            "\n",
            "mov [rax], rbx",
            "\n",
            "mov [rax + 8], rbp",
            "\n",
            "mov [rax + 16], r12",
            "\n",
            "mov [rax + 24], r13",
            "\n",
            "mov [rax + 32], r14",
            "\n",
            "mov [rax + 40], r15",
            "\n",
            "mov [rax + 48], rsp",
            "\n",
            "mov rcx, [rsp]",
            "\n",
            "mov [rax + 56], rcx",
            "\n",
            "stmxcsr [rax + 64]",
            "\n",
            "fnstcw [rax + 68]",
            "\n",
            "mov dword ptr [rax + 80], {generated}",
            "\n",
        )
    };
}

mod displaced;
mod step;
mod termination;

pub use displaced::Displaced;
pub use step::{Next, NotEntered, Stepper, call_stepped, displace, resume, return_address};
pub use termination::{FlushOnTermination, defer_termination};

use barejit_sys::{
    self as sys, Errno, Error, Guard, PageSize, Region, linux, process,
    signal::{self, Context, Disposition, Info, Mask, Signal},
};
use core::{
    arch::naked_asm,
    cell::UnsafeCell,
    fmt, mem,
    ops::Range,
    sync::atomic::{
        AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Integer arguments in the order of the System V ABI: rdi, rsi, rdx, rcx, r8,
/// r9. A function that takes fewer does not notice the others.
pub type Args = [u64; 6];

/// Generated code as [`call`] enters it.
pub type Entry = extern "sysv64" fn(u64, u64, u64, u64, u64, u64) -> u64;

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The code returned and left this in RAX.
    Returned(u64),
    /// A signal stopped it.
    Faulted(Fault),
    /// A call-back panicked; the panic handler has said so.
    Panicked,
}

/// Why a call was not made: generated code is running, on another thread, or it has called
/// back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("generated code is running already")
    }
}

impl core::error::Error for Busy {}

/// A signal raised by generated code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Fault {
    /// Which signal.
    pub signal: Signal,
    /// Its `si_code`.
    pub reason: i32,
    /// The instruction.
    pub place: Place,
    /// Where the code lay in memory.
    pub start: usize,
    /// The address that the instruction wanted; of SIGSYS, the instruction's own.
    pub address: usize,
    /// Whether it wanted to store there.
    pub store: bool,
    /// Whether it was `int 4`, the overflow trap.
    pub overflow: bool,
    /// The syscall that was refused, if the signal is SIGSYS.
    pub syscall: i32,
}

impl Fault {
    /// Whether the instruction itself was what could not be fetched.
    pub fn at_itself(&self) -> bool {
        self.signal == Signal::SEGV
            && !self.store
            && match self.place {
                Place::Code(offset) => self.start + offset as usize == self.address,
                Place::Wild(rip) => rip == self.address,
            }
    }

    /// Whether not even the first instruction, at `entry`, could run.
    pub fn not_executable(&self, entry: u32) -> bool {
        self.place == Place::Code(entry) && self.at_itself()
    }
}

/// Where the instruction pointer was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// At this offset into the code.
    Code(u32),
    /// At this address outside, where a wild jump led.
    Wild(usize),
}

/// The activity of the thread.
mod state {
    /// Code of ours, outside of a guarded call.
    pub(super) const IDLE: u32 = 0;
    /// Generated code.
    pub(super) const GENERATED: u32 = 1;
    /// Code of ours that generated code has called.
    pub(super) const CALL_BACK: u32 = 2;
    /// The way back from generated code, in the handler of its fault or in `leave`.
    pub(super) const LEAVING: u32 = 3;
    /// A fault has been told that ends the process.
    pub(super) const DYING: u32 = 4;
    /// A thread has the record, and has not called the code yet.
    pub(super) const ENTERING: u32 = 5;
}

/// How the code came back to [`leave`].
mod ending {
    pub(super) const RETURNED: u8 = 0;
    pub(super) const FAULTED: u8 = 1;
    pub(super) const PANICKED: u8 = 2;
}

/// The state that `enter` saves and `leave` restores. A static, because generated code may
/// overwrite its stack.
#[repr(C)]
struct Record {
    /// rbx, rbp, r12, r13, r14, r15, rsp, return address: 8 bytes each; then
    /// MXCSR (4) and the x87 control word (2). Only `enter` and `leave` touch it.
    saved: UnsafeCell<[u64; 9]>,
    /// RSP just before the code was called, for debuggers; at offset 72.
    frame: AtomicUsize,
    /// One of [`state`]; at offset 80, where `enter` and `leave` know it.
    state: AtomicU32,
    /// One of [`ending`].
    ending: AtomicU8,
    /// The result of [`thread`] on the thread that made the call.
    thread: AtomicUsize,
    /// The fault as `on_fault` saw it.
    signal: AtomicU8,
    reason: AtomicI32,
    rip: AtomicUsize,
    address: AtomicUsize,
    error: AtomicU64,
    exception: AtomicU64,
    syscall: AtomicI32,
}

// SAFETY: the cell is written and read in `enter` and `leave`, by the one thread that has
// made `state` ENTERING; the rest is atomic.
unsafe impl Sync for Record {}

static RECORD: Record = Record {
    saved: UnsafeCell::new([0; 9]),
    frame: AtomicUsize::new(0),
    state: AtomicU32::new(state::IDLE),
    ending: AtomicU8::new(ending::RETURNED),
    thread: AtomicUsize::new(0),
    signal: AtomicU8::new(0),
    reason: AtomicI32::new(0),
    rip: AtomicUsize::new(0),
    address: AtomicUsize::new(0),
    error: AtomicU64::new(0),
    exception: AtomicU64::new(0),
    syscall: AtomicI32::new(0),
};

const _: () = assert!(
    mem::offset_of!(Record, saved) == 0
        && mem::offset_of!(Record, frame) == 72
        && mem::offset_of!(Record, state) == 80
);

/// Saves the caller's state and calls `entry` on the stack that ends at `stack`, or
/// on the caller's if that is 0. No register leads into our memory but, on the
/// caller's stack, RSP. What comes back is in RAX, and means nothing unless the
/// ending is `RETURNED`.
///
/// The second half is [`leave`], the way back from generated code, however it ended
/// and whatever it did to the registers: restores the caller's and returns, keeping
/// RAX.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter(entry: Entry, args: &Args, stack: usize) -> u64 {
    naked_asm!(
        save_caller!(),
        "mov r10, rsi", // r10 = args
        "sub rsp, 8",   // rsp = 16n, as the ABI wants it at a call
        "test rdx, rdx",
        "cmovnz rsp, rdx", // rdx = stack, 16n too
        "mov [rax + 72], rsp",
        "mov rax, rdi", // rax = entry
        "mov rdi, [r10]",
        "mov rsi, [r10 + 8]",
        "mov rdx, [r10 + 16]",
        "mov rcx, [r10 + 24]",
        "mov r8, [r10 + 32]",
        "mov r9, [r10 + 40]",
        "xor r10d, r10d",
        "xor r11d, r11d",
        "xor ebx, ebx",
        "xor ebp, ebp",
        "xor r12d, r12d",
        "xor r13d, r13d",
        "xor r14d, r14d",
        "xor r15d, r15d",
        "call rax",
        ".globl barejit_leave, barejit_leave_end",
        ".hidden barejit_leave, barejit_leave_end",
        "barejit_leave:",
        "lea rdx, [rip + {record}]",
        "mov dword ptr [rdx + 80], {leaving}",
        "mov rbx, [rdx]",
        "mov rbp, [rdx + 8]",
        "mov r12, [rdx + 16]",
        "mov r13, [rdx + 24]",
        "mov r14, [rdx + 32]",
        "mov r15, [rdx + 40]",
        "mov rsp, [rdx + 48]",
        "mov rcx, [rdx + 56]",
        "mov [rsp], rcx",
        "push 2", // no direction, no trap, no alignment check, no nested task
        "popfq",
        "fninit",
        "fldcw [rdx + 68]",
        "ldmxcsr [rdx + 64]",
        "ret",
        "barejit_leave_end:",
        record = sym RECORD,
        generated = const state::GENERATED,
        leaving = const state::LEAVING,
    )
}

unsafe extern "sysv64" {
    #[link_name = "barejit_leave"]
    fn leave() -> !;
    #[link_name = "barejit_leave_end"]
    static LEAVE_END: u8;
}

/// Whether threads are told apart by their thread pointers.
static THREADS: AtomicBool = AtomicBool::new(false);

/// The number of this thread: its thread pointer, which is at FS:0 (ELF Handling For
/// Thread-Local Storage, variant II). 0 for all before [`install`], and if `rt` and no C
/// library started the process, which then has one.
fn thread() -> usize {
    let mut pointer = 0;
    if THREADS.load(Relaxed) {
        // SAFETY: `install` has seen that FS has a base, and the ABI says what is there.
        unsafe {
            core::arch::asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags));
        }
    }
    pointer
}

/// Calls `entry` and says how that ended. The addresses in `code` are the code's,
/// for telling its faults from wild jumps.
///
/// # Safety
/// 1. `entry` keeps to the System V ABI, or breaks it only by raising a signal
///    while [`install`] has been called.
/// 2. Called with `args` it does nothing undefined.
/// 3. Call-backs that panic own nothing that must be dropped.
/// 4. The bytes at `code` can be read until this returns, unless the code unmaps them
///    itself and never comes back to them.
///
/// 5. The code leaves the bases of FS and GS as they are, where the program has threads or a
///    C library: that is how they find thread-local storage.
/// 6. [`install`] has not been called by another thread, or this one has an alternate
///    stack of its own (sigaltstack(2)), as the threads of Rust's standard library have.
///
/// # Errors
/// Generated code is running already; nothing has been called.
pub unsafe fn call(entry: Entry, args: &Args, code: Range<usize>) -> Result<Ending, Busy> {
    claim()?;
    // SAFETY: duties 1 to 6 of the caller; neither record nor stack is in use.
    let value = unsafe { enter(entry, args, STACK.load(Relaxed)) };
    // SAFETY: (1) duty 4 of the caller.
    Ok(unsafe { ended(value, code) })
}

/// Takes the record for a call by this thread.
fn claim() -> Result<(), Busy> {
    let taken = RECORD.state.compare_exchange(state::IDLE, state::ENTERING, Acquire, Relaxed);
    taken.map_err(|_| Busy)?;
    RECORD.thread.store(thread(), Relaxed);
    RECORD.ending.store(ending::RETURNED, Relaxed);
    Ok(())
}

/// How the call ended whose RAX is `value`. Gives the record back.
///
/// # Safety
/// 1. As [`fault`].
unsafe fn ended(value: u64, code: Range<usize>) -> Ending {
    let ending = match RECORD.ending.load(Relaxed) {
        ending::RETURNED => Ending::Returned(value),
        // SAFETY: (1) the caller's.
        ending::FAULTED => Ending::Faulted(unsafe { fault(code) }),
        _ => Ending::Panicked,
    };
    RECORD.state.store(state::IDLE, Release);
    ending
}

/// The fault that `on_fault` left in the record.
///
/// # Safety
/// 1. The bytes at `code` can be read where the code has just run.
unsafe fn fault(code: Range<usize>) -> Fault {
    let (signal, reason) = (Signal::new(RECORD.signal.load(Relaxed)), RECORD.reason.load(Relaxed));
    let mut rip = RECORD.rip.load(Relaxed);
    let exception = RECORD.exception.load(Relaxed);
    // A byte before RIP, 0 if that is none of the code's.
    let before = |distance: usize| {
        let at = rip.wrapping_sub(distance);
        // SAFETY: duty 1 of the caller: it is part of an instruction that has run.
        if code.contains(&at) { unsafe { (at as *const u8).read_volatile() } } else { 0 }
    };
    // `CD n` is `int n`. Its first byte is asked for if the second one fits, so both are
    // of one instruction.
    let int = |n: u8| before(1) == n && before(2) == 0xCD;
    // Emulators tell no number. A general protection fault for a reason has an error code.
    let unknown = exception > signal::exception::LAST && RECORD.error.load(Relaxed) == 0;
    let overflow = (signal, reason) == (Signal::SEGV, signal::KERNEL)
        && (exception == signal::exception::OVERFLOW || unknown && int(4));
    // RIP is behind a trap and at a fault (SDM vol. 3A, 6.5), and behind a `syscall`.
    rip = rip.wrapping_sub(match (signal, reason) {
        _ if overflow => 2,
        (Signal::TRAP, signal::KERNEL) if int(3) => 2,
        // CC, `int3`.
        (Signal::TRAP, signal::KERNEL) => 1,
        // F1, `int1`: a trap on a processor; virtual machines have it as a fault.
        (Signal::TRAP, signal::BREAKPOINT) if exception == signal::exception::DEBUG && before(1) == 0xF1 => 1,
        (Signal::SYS, signal::SECCOMP) => 2,
        _ => 0,
    });
    let place = if code.contains(&rip) { Place::Code((rip - code.start) as u32) } else { Place::Wild(rip) };
    Fault {
        signal,
        reason,
        place,
        start: code.start,
        address: RECORD.address.load(Relaxed),
        store: RECORD.error.load(Relaxed) & STORE != 0,
        overflow,
        syscall: RECORD.syscall.load(Relaxed),
    }
}

/// The bit of a page fault's error code for a store (SDM vol. 3A, 4.7).
const STORE: u64 = 2;

/// Debuggers unwind generated code by this: the address of a word that holds its
/// canonical frame address (DWARF 5, 6.4) while it runs, whatever it does to its stack,
/// and where the instructions lie that call it.
pub fn caller() -> (usize, Range<usize>) {
    (&raw const RECORD.frame as usize, enter as *const () as usize..&raw const LEAVE_END as usize)
}

/// Marks `body` as Rust code called by generated code: a panic in it ends the
/// guarded call, a signal in it is a bug of ours. Outside a guarded call it is code like
/// any other.
pub fn call_back<T>(body: impl FnOnce() -> T) -> T {
    let change = |from, to| RECORD.state.compare_exchange(from, to, Relaxed, Relaxed).is_ok();
    let called = is_caller() && change(state::GENERATED, state::CALL_BACK);
    let result = body();
    if called {
        change(state::CALL_BACK, state::GENERATED);
    }
    result
}

/// Whether this thread made the last guarded call.
fn is_caller() -> bool {
    RECORD.thread.load(Relaxed) == thread()
}

/// Whether a panic now is one of a call-back, which [`escape`] can end.
pub fn in_call_back() -> bool {
    is_caller() && RECORD.state.load(Relaxed) == state::CALL_BACK
}

/// Abandons the call-back and the generated code that called it: [`call`] then
/// answers [`Ending::Panicked`].
///
/// # Safety
/// 1. [`in_call_back`] says so, on the thread that made the call.
pub unsafe fn escape() -> ! {
    RECORD.ending.store(ending::PANICKED, Relaxed);
    // SAFETY: by duty 1 generated code has been called, so `enter` has filled the
    // record, and the frame it was called from waits for the code to return.
    unsafe { leave() }
}

/// The signals of faults in generated code.
const FAULTS: [Signal; 6] = [Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE, Signal::TRAP, Signal::SYS];

/// Room for a handler that shows an instruction with all registers, besides what the kernel
/// pushes. Only touched pages take memory.
const HANDLER: usize = 128 * 1024;

/// The stack of generated code and of what it calls back.
const CODE_STACK: usize = 1 << 20;

/// More than an operand of 16 bits moves RSP, as that of `ret` (SDM vol. 2B): what
/// comes next on that stack is a fault.
const STACK_GUARD: usize = 128 * 1024;

/// Where the stack of generated code ends; 0 before faults are handled.
static STACK: AtomicUsize = AtomicUsize::new(0);

/// Where the stack of generated code ends, which [`call`] switches to and [`resume`] does not
/// use; 0 before faults are handled.
pub fn stack_end() -> usize {
    STACK.load(Relaxed)
}

/// Catches the signals of faults from now on, on a stack of their own. Generated code gets
/// one, too, between guards: an overflow of it is a fault and damages no other stack.
/// INT, TERM and HUP end the process after [`FlushOnTermination`] has flushed what was printed,
/// unless they were ignored. A limit on the size of files is an answer and no signal.
/// Only the first call does anything.
///
/// # Errors
/// The syscall that refused.
pub fn install() -> Result<(), Error> {
    if STACK.load(Relaxed) != 0 {
        return Ok(());
    }
    // Before there is a handler that asks.
    THREADS.store(!process::is_started() && linux::thread_pointer() != 0, Relaxed);
    sys::set_signal_stack(HANDLER, Guard::PAGE)?;
    for signal in FAULTS {
        let handled = Disposition::Handled(fault_entry, Mask::of(&[]));
        // SAFETY: (1) it leaves nothing unfinished but generated code.
        unsafe { linux::rt_sigaction(signal, handled) }?;
    }
    termination::install()?;
    sys::ignore_sigxfsz()?;
    let (size, guard) = (PageSize::needed(CODE_STACK)?, PageSize::needed(STACK_GUARD)?);
    let stack = Region::zeroed(size, Guard::Pages(guard))?;
    STACK.store(stack.address() + size.bytes(), Relaxed);
    // It is in use until the process ends.
    mem::forget(stack);
    Ok(())
}

/// The first instructions of the handler of faults. The kernel leaves AC and NT as they
/// were; Rust wants neither. It aligns the stack as the psABI says; QEMU's user mode need not.
#[unsafe(naked)]
unsafe extern "sysv64" fn fault_entry(number: i32, info: &Info, context: &mut Context) {
    naked_asm!(
        "push 2",
        "popfq",
        "mov rbx, rsp", // rt_sigreturn(2) restores rbx
        "and rsp, -16",
        "call {on_fault}", // al = 1: generated code has ended
        "mov rsp, rbx",
        "test al, al",
        "jnz {leave}",
        "ret", // to rt_sigreturn
        on_fault = sym on_fault,
        leave = sym leave,
    )
}

/// The handler of faults. In generated code: notes what happened and says that the
/// thread goes on in [`leave`]. Anywhere else the process ends, unless the signal is a
/// filter's question.
extern "sysv64" fn on_fault(number: i32, info: &Info, context: &mut Context) -> bool {
    let signal = Signal::new(number as u8);
    // On another thread it is nothing that the guarded call can end with.
    let state = if is_caller() { RECORD.state.load(Relaxed) } else { state::IDLE };
    match state {
        state::GENERATED if step::stepped(signal, info, context) => false,
        state::GENERATED => {
            RECORD.state.store(state::LEAVING, Relaxed);
            let address = step::attribute_to_original(context, info.address);
            // SAFETY: (1) this is what the handler was given.
            unsafe { step::capture(context) };
            // ANCHOR: record
            RECORD.signal.store(signal.number(), Relaxed);
            RECORD.reason.store(info.code, Relaxed);
            RECORD.rip.store(context.rip as usize, Relaxed);
            RECORD.address.store(address, Relaxed);
            RECORD.error.store(context.error, Relaxed);
            RECORD.exception.store(context.exception, Relaxed);
            RECORD.syscall.store(info.syscall, Relaxed);
            RECORD.ending.store(ending::FAULTED, Relaxed);
            // ANCHOR_END: record
            true
        }
        _ if context.rip == copy_up_to_fault as *const () as u64 && info.sender().is_none() => {
            context.rip += REP_MOVSB;
            false
        }
        state::IDLE | state::CALL_BACK if signal == Signal::SYS && info.code == signal::SECCOMP => {
            // A filter that asks instead of answering: ours is the answer.
            context.rax = -i64::from(Errno::EPERM.into_raw()) as u64;
            false
        }
        before => end_of_fault(signal, info, context.rip, before),
    }
}

/// Reads memory that may not be there, after [`install`]: gives how many bytes from `address` on
/// could be read. Nothing else may write to them meanwhile.
///
/// The fault of a load goes on behind the copy, as in the kernel's copy_from_user.
pub fn peek(address: usize, buffer: &mut [u8]) -> usize {
    // SAFETY: the buffer is borrowed; `on_fault` looks after faults of the loads, and bytes that
    // can be read are any.
    buffer.len() - unsafe { copy_up_to_fault(buffer.as_mut_ptr(), address, 0, buffer.len()) }
}

/// Copies `size` bytes from the address `from`, and gives how many a fault has left: its first
/// instruction is the only one that faults.
#[unsafe(naked)]
unsafe extern "sysv64" fn copy_up_to_fault(to: *mut u8, from: usize, _: usize, size: usize) -> usize {
    naked_asm!("rep movsb", "mov rax, rcx", "ret")
}

/// How many bytes `rep movsb` has.
const REP_MOVSB: u64 = 2;

/// Tells of a fault that is no [`Fault`], in one line, and ends the process.
#[cold]
fn end_of_fault(signal: Signal, info: &Info, rip: u64, before: u32) -> ! {
    /// The exit status for generated code that has failed.
    const STATUS: i32 = 3;
    // From here on another fault is not told.
    RECORD.state.store(state::DYING, Relaxed);
    let (name, address) = (signal.name(), info.address);
    match (before, info.sender()) {
        (state::DYING, _) => {}
        (_, Some(0)) => sys::report(format_args!("SIG{name} (sent by a process)")),
        (_, Some(process)) => {
            sys::report(format_args!("SIG{name} (sent by process {})", u64::from(process)));
        }
        (state::LEAVING, None) => {
            sys::report(format_args!(
                "generated code has broken the way back from it: SIG{name} at {rip:#x}, address {address:#x}"
            ));
            linux::exit(STATUS);
        }
        (_, None) => sys::report(format_args!(
            "SIG{name} in barejit itself at {rip:#x}, address {address:#x}; this is a bug"
        )),
    }
    termination::die_of(signal)
}

#[cfg(test)]
mod tests;
