//! Signals as the kernel delivers them on x86-64: numbers, dispositions, and
//! what a handler is shown.

/// A signal, by its number (signal(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signal(u8);

impl Signal {
    /// The terminal or its session is gone.
    pub const HUP: Self = Self(1);
    /// Interrupt from the keyboard.
    pub const INT: Self = Self(2);
    /// Quit from the keyboard.
    pub const QUIT: Self = Self(3);
    /// An instruction that does not exist.
    pub const ILL: Self = Self(4);
    /// A breakpoint or a single step.
    pub const TRAP: Self = Self(5);
    /// An access that the memory behind the page refuses, or a stack address
    /// that is not canonical.
    pub const BUS: Self = Self(7);
    /// Division by zero, a quotient too large, an unmasked exception.
    pub const FPE: Self = Self(8);
    /// Ends the process; it cannot be handled or blocked.
    pub const KILL: Self = Self(9);
    /// For the program's own use.
    pub const USR1: Self = Self(10);
    /// A page that is not mapped or not for this use.
    pub const SEGV: Self = Self(11);
    /// For the program's own use.
    pub const USR2: Self = Self(12);
    /// Nobody reads the pipe.
    pub const PIPE: Self = Self(13);
    /// The time of alarm(2) is over.
    pub const ALRM: Self = Self(14);
    /// A request to end.
    pub const TERM: Self = Self(15);
    /// A child has ended or stopped.
    pub const CHLD: Self = Self(17);
    /// Go on after a stop.
    pub const CONT: Self = Self(18);
    /// Stops the process; it cannot be handled or blocked.
    pub const STOP: Self = Self(19);
    /// The keyboard's request to stop.
    pub const TSTP: Self = Self(20);
    /// A process in the background reads from the terminal.
    pub const TTIN: Self = Self(21);
    /// The same for writing.
    pub const TTOU: Self = Self(22);
    /// A file that would exceed RLIMIT_FSIZE.
    pub const XFSZ: Self = Self(25);
    /// A syscall that a filter refuses.
    pub const SYS: Self = Self(31);

    /// The signal with this number.
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The bit that stands for it in a set.
    pub(super) const fn bit(self) -> u64 {
        1 << (self.0 - 1)
    }

    /// Its name, as kill(1) lists it; real-time signals have none here.
    pub fn name(self) -> &'static str {
        const NAMES: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD \
            CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS ";
        match super::piece(NAMES, b' ', usize::from(self.0).wrapping_sub(1)) {
            "" => "?",
            name => name,
        }
    }
}

/// `si_code` of a signal that the processor raised without a finer reason
/// (SI_KERNEL).
pub const KERNEL: i32 = 0x80;

/// `si_code` of a SIGSYS that a filter raised (SYS_SECCOMP).
pub const SECCOMP: i32 = 1;

/// `si_code` of a SIGTRAP that is a debug exception for no reason that DR6 names
/// (TRAP_BRKPT): INT1.
pub const BREAKPOINT: i32 = 1;

/// Numbers of the processor's exceptions (SDM vol. 3A, 6.3.1), as
/// [`Context::exception`] has them.
pub mod exception {
    /// #DB, a debug exception.
    pub const DEBUG: u64 = 1;
    /// #OF, by `int 4`.
    pub const OVERFLOW: u64 = 4;
    /// The last one that Intel reserves. Above it the kernel, or an emulator, tells no
    /// number.
    pub const LAST: u64 = 31;
}

/// The information for a handler: the beginning of siginfo_t (sigaction(2)).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Info {
    /// The signal.
    pub signal: i32,
    errno: i32,
    /// Why: `si_code`. Zero and below: a process sent it ([`sender`](Self::sender)).
    pub code: i32,
    padding: i32,
    /// Where: `si_addr`, or `si_call_addr` of SIGSYS.
    pub address: usize,
    /// The syscall's number, for SIGSYS.
    pub syscall: i32,
}

impl Info {
    /// The process that sent the signal by kill(2), tgkill(2) or sigqueue(3); `None` if
    /// the processor or the kernel raised it. 0 is a process outside of this PID
    /// namespace, or a source that has no number.
    pub fn sender(&self) -> Option<u32> {
        const SI_USER: i32 = 0;
        const SI_QUEUE: i32 = -1;
        const SI_TKILL: i32 = -6;
        match self.code {
            // si_pid is the low half of the word that is si_addr elsewhere.
            SI_USER | SI_QUEUE | SI_TKILL => Some(self.address as u32),
            code if code < 0 => Some(0),
            _ => None,
        }
    }
}

/// The interrupted state: the beginning of ucontext_t. Writing to it changes
/// where and how the thread goes on.
#[derive(Debug)]
#[repr(C)]
pub struct Context {
    /// UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS (asm/ucontext.h).
    flags: u64,
    link: usize,
    stack: AlternateStack,
    r8_to_r15: [u64; 8],
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    /// RAX: the answer of an interrupted syscall.
    pub rax: u64,
    rcx: u64,
    /// RSP
    pub rsp: u64,
    /// RIP
    pub rip: u64,
    /// RFLAGS
    pub rflags: u64,
    /// CS, GS, FS and SS, 16 bits each.
    segments: u64,
    /// The processor's error code. Of a page fault, bit 1 is set if the access
    /// was a store (SDM vol. 3A, 4.7).
    pub error: u64,
    /// The number of the exception; see [`exception`]. QEMU's user mode says −1.
    pub exception: u64,
    old_mask: u64,
    cr2: u64,
    /// Where the x87, SSE and extended state is: an XSAVE area in the standard format.
    /// Null restores the initial state.
    extended: *const u8,
    reserved: [u64; 8],
    /// The signals that are blocked.
    mask: u64,
}

/// FP_XSTATE_MAGIC1 in the bytes of FXSAVE that are left to software: an extended size
/// follows (asm/sigcontext.h).
const MAGIC: u32 = 0x4650_5853;
const SOFTWARE: usize = 464;

/// Says in an area that XSAVE fills, as the kernel does, how many bytes of it count.
///
/// # Panics
/// If FXSAVE has more than the area.
pub fn set_extended_size(area: &mut [u8], size: u32) {
    area[SOFTWARE..SOFTWARE + 4].copy_from_slice(&MAGIC.to_le_bytes());
    area[SOFTWARE + 4..SOFTWARE + 8].copy_from_slice(&size.to_le_bytes());
}

/// The segment selectors of 64-bit user code: CS 0x33 and SS 0x2B.
const USER_SEGMENTS: u64 = 0x33 | 0x2B << 48;

impl Context {
    /// A context for [`resume`](super::linux::resume): registers in the order of their
    /// encoding, RIP and RFLAGS, no signal blocked. `stack` is the thread's own alternate
    /// stack.
    pub fn new(
        general: &[u64; 16],
        rip: u64,
        rflags: u64,
        extended: *const u8,
        stack: AlternateStack,
    ) -> Self {
        /// UC_SIGCONTEXT_SS and UC_STRICT_RESTORE_SS; with them SS is restored.
        const SS: u64 = 6;
        let mut context = Self {
            flags: SS | u64::from(!extended.is_null()),
            link: 0,
            stack,
            r8_to_r15: [0; 8],
            rdi: 0,
            rsi: 0,
            rbp: 0,
            rbx: 0,
            rdx: 0,
            rax: 0,
            rcx: 0,
            rsp: 0,
            rip,
            rflags,
            segments: USER_SEGMENTS,
            error: 0,
            exception: 0,
            old_mask: 0,
            cr2: 0,
            extended,
            reserved: [0; 8],
            mask: 0,
        };
        context.set_general(general);
        context
    }

    /// The general-purpose registers in the order of their encoding: RAX, RCX, RDX, RBX,
    /// RSP, RBP, RSI, RDI, R8 to R15.
    pub fn general(&self) -> [u64; 16] {
        let [r8, r9, r10, r11, r12, r13, r14, r15] = self.r8_to_r15;
        let (rbp, rsi, rdi) = (self.rbp, self.rsi, self.rdi);
        let (rax, rcx, rdx, rbx, rsp) = (self.rax, self.rcx, self.rdx, self.rbx, self.rsp);
        [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15]
    }

    /// Sets them, in the same order.
    pub fn set_general(&mut self, general: &[u64; 16]) {
        let [rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8_to_r15 @ ..] = *general;
        (self.rax, self.rcx, self.rdx, self.rbx) = (rax, rcx, rdx, rbx);
        (self.rsp, self.rbp, self.rsi, self.rdi) = (rsp, rbp, rsi, rdi);
        self.r8_to_r15 = r8_to_r15;
    }

    /// The XSAVE area that the kernel filled for a handler, as many bytes as it says
    /// that it is; empty if there is none.
    ///
    /// # Safety
    /// 1. This is the context that the kernel has given to a handler which still runs, or its
    ///    area is as long as it says.
    pub unsafe fn extended(&self) -> &[u8] {
        const LEGACY: usize = 512;
        if self.extended.is_null() {
            return &[];
        }
        // SAFETY: (1) it has 512 bytes at least.
        let legacy = unsafe { core::slice::from_raw_parts(self.extended, LEGACY) };
        let word =
            |at: usize| u32::from_le_bytes([legacy[at], legacy[at + 1], legacy[at + 2], legacy[at + 3]]);
        match (word(SOFTWARE), word(SOFTWARE + 4) as usize) {
            // SAFETY: (1) it has as many.
            (MAGIC, size) if size >= LEGACY => unsafe { core::slice::from_raw_parts(self.extended, size) },
            _ => legacy,
        }
    }
}

/// The stack that signal handlers run on: stack_t (sigaltstack(2)).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct AlternateStack {
    pub(super) base: usize,
    pub(super) flags: i32,
    pub(super) size: usize,
}

/// A function that the kernel calls when a signal arrives.
pub type Handler = unsafe extern "sysv64" fn(i32, &Info, &mut Context);

/// The disposition of a signal.
#[derive(Clone, Copy, Debug)]
pub enum Disposition {
    /// The action that signal(7) lists.
    Default,
    /// Nothing.
    Ignored,
    /// The handler runs on the alternate stack while the given signals wait, and no
    /// others: the signal itself can interrupt it unless it is one of them.
    Handled(Handler, Mask),
}

/// A set of signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mask(u64);

impl Mask {
    /// The set of `signals`.
    pub const fn of(signals: &[Signal]) -> Self {
        let mut set = 0;
        let mut i = 0;
        while i < signals.len() {
            set |= signals[i].bit();
            i += 1;
        }
        Self(set)
    }

    /// The same set without `signal`.
    pub const fn without(self, signal: Signal) -> Self {
        Self(self.0 & !signal.bit())
    }
}

/// The kernel's struct sigaction, which is not the C library's.
#[repr(C)]
pub(super) struct Action {
    pub(super) handler: usize,
    flags: u64,
    restorer: usize,
    mask: u64,
}

impl Action {
    const SIGINFO: u64 = 0x4;
    const RESTORER: u64 = 0x0400_0000;
    const ONSTACK: u64 = 0x0800_0000;
    const NODEFER: u64 = 0x4000_0000;
    const SIG_DFL: usize = 0;
    pub(super) const SIG_IGN: usize = 1;

    /// `restorer` is where a handler returns to.
    pub(super) fn new(disposition: Disposition, restorer: usize) -> Self {
        const FLAGS: u64 = Action::SIGINFO | Action::RESTORER | Action::ONSTACK | Action::NODEFER;
        let (handler, flags, mask) = match disposition {
            Disposition::Default => (Self::SIG_DFL, 0, 0),
            Disposition::Ignored => (Self::SIG_IGN, 0, 0),
            Disposition::Handled(handler, mask) => (handler as usize, FLAGS, mask.0),
        };
        Self { handler, flags, restorer, mask }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_at_their_numbers() {
        for (signal, name) in [
            (Signal::HUP, "HUP"),
            (Signal::TRAP, "TRAP"),
            (Signal::BUS, "BUS"),
            (Signal::SEGV, "SEGV"),
            (Signal::TERM, "TERM"),
            (Signal::new(16), "STKFLT"),
            (Signal::new(26), "VTALRM"),
            (Signal::SYS, "SYS"),
            (Signal::new(0), "?"),
            (Signal::new(32), "?"),
        ] {
            assert_eq!(signal.name(), name, "signal {}", signal.number());
        }
    }

    #[test]
    fn the_context_is_laid_out_as_the_kernel_has_it() {
        assert_eq!(core::mem::offset_of!(Context, rip), 40 + 16 * 8);
        assert_eq!(core::mem::offset_of!(Context, extended), 40 + 23 * 8);
        assert_eq!(core::mem::offset_of!(Context, mask), 40 + 32 * 8);
        // uc_mcontext begins at 40; r8 to r15 come first, then as sigcontext(7) has it.
        assert_eq!(core::mem::offset_of!(Context, exception), 40 + 20 * 8);
        assert_eq!(core::mem::offset_of!(Info, address), 16);
    }
}
