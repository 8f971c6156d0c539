//! Signals as the kernel delivers them on x86-64: numbers, dispositions, and
//! what a handler is shown.

use super::{Error, Guard, PageSize, Region, linux, process};

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
    /// The end, whatever the process has to say.
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
    /// Stop, whatever the process has to say.
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
    #[inline(never)]
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

/// What a handler is told: the beginning of siginfo_t (sigaction(2)).
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
    flags: u64,
    link: usize,
    stack: AlternateStack,
    /// r8 to r15, rdi, rsi, rbp, rbx, rdx.
    general: [u64; 13],
    /// RAX: what an interrupted syscall answers.
    pub rax: u64,
    rcx: u64,
    /// RSP
    pub rsp: u64,
    /// RIP
    pub rip: u64,
    /// RFLAGS
    pub rflags: u64,
    segments: u64,
    /// The processor's error code. Of a page fault, bit 1 is set if the access
    /// was a store (SDM vol. 3A, 4.7).
    pub error: u64,
    /// The number of the exception; see [`exception`]. QEMU's user mode says −1.
    pub exception: u64,
}

/// stack_t (sigaltstack(2)).
#[derive(Debug)]
#[repr(C)]
pub(super) struct AlternateStack {
    pub(super) base: usize,
    pub(super) flags: i32,
    pub(super) size: usize,
}

/// A function that the kernel calls when a signal arrives.
pub type Handler = unsafe extern "sysv64" fn(i32, &Info, &mut Context);

/// Gives handlers a stack of their own with `room` bytes besides what the kernel
/// pushes, for as long as the process lives.
///
/// # Errors
/// What mmap(2) and sigaltstack(2) answer.
pub fn stack(room: usize, guard: Guard) -> Result<(), Error> {
    let size = PageSize::needed(process::signal_frame().saturating_add(room))?;
    linux::sigaltstack(Region::zeroed(size, guard)?)
}

/// What happens when a signal arrives.
#[derive(Clone, Copy, Debug)]
pub enum Disposition {
    /// What signal(7) lists as its action.
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
        // uc_mcontext begins at 40; r8 to r15 come first, then as sigcontext(7) has it.
        assert_eq!(core::mem::offset_of!(Context, exception), 40 + 20 * 8);
        assert_eq!(core::mem::offset_of!(Info, address), 16);
    }
}
