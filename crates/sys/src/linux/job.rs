//! The syscalls of a program that runs others on a terminal: process groups, the
//! terminal's foreground and modes, children that stop, timers.

use super::super::{Errno, Error, Sysno, signal::Signal};
use super::trial::{Pid, fork};
use super::{Fd, long, short, syscall};
use core::{ops::Range, ptr::NonNull};

/// The state of a child that may stop, by wait4(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It called exit with this status.
    Exited(u8),
    /// This signal ended it.
    Killed(Signal),
    /// This signal stopped it.
    Stopped(Signal),
    /// Another signal came in between, and nothing is known.
    Interrupted,
}

/// wait4(2) for `child` to end or to stop (WUNTRACED).
///
/// # Errors
/// Any errno but EINTR, which is [`Change::Interrupted`].
pub fn wait(child: Pid) -> Result<Change, Error> {
    const WUNTRACED: usize = 2;
    let mut status = 0i32;
    // SAFETY: the kernel writes one int.
    let result = unsafe { syscall!(wait4, child.number(), &raw mut status, WUNTRACED, 0) };
    match result {
        Err(error) if error.is(Errno::EINTR) => Ok(Change::Interrupted),
        Err(error) => Err(error),
        Ok(_) => Ok(match (status & 0x7F, (status >> 8) as u8) {
            (0, code) => Change::Exited(code),
            (0x7F, signal) => Change::Stopped(Signal::new(signal)),
            (signal, _) => Change::Killed(Signal::new(signal as u8)),
        }),
    }
}

/// fork(2) of a process that calls `body` with `argument` on another stack, whose end is
/// `stack`: clone(2) makes the copy, and the copy alone has the new stack. So an answer of 0
/// on the old one is a filter's.
///
/// # Safety
/// 1. The process has one thread.
/// 2. The memory below `stack`, a multiple of 16, is nobody else's stack, and all that `body`
///    uses is inherited ([`inherit`]).
/// 3. `argument` is what `body` takes.
///
/// # Errors
/// The errno of clone(2); errno 0 if it claims success and has made no process.
pub unsafe fn fork_onto(
    stack: usize,
    body: extern "sysv64" fn(usize) -> !,
    argument: usize,
) -> Result<Pid, Error> {
    // SAFETY: the caller's duties, handed on.
    match unsafe { clone_onto(stack, body, argument) } {
        0 => Err(Error::without_effect(Sysno::clone)),
        answer @ ..0 => Err(Error::new(Sysno::clone, Errno::new(-answer as i32))),
        child => Ok(Pid::new(child as i32)),
    }
}

/// The call of [`fork_onto`], and its answer.
///
/// # Safety
/// 1 to 3. As there.
#[unsafe(naked)]
unsafe extern "sysv64" fn clone_onto(
    stack: usize,
    body: extern "sysv64" fn(usize) -> !,
    argument: usize,
) -> isize {
    core::arch::naked_asm!(
        "mov r8, rsi",  // r8 = body
        "mov r9, rdx",  // r9 = argument
        "mov rsi, rdi", // rsi = stack
        "mov edi, 17",  // SIGCHLD
        "xor edx, edx",
        "xor r10d, r10d",
        "mov eax, 56", // clone
        "syscall",
        "test rax, rax",
        "jnz 2f",
        "cmp rsp, rsi",
        "jne 2f",
        "xor ebp, ebp",
        "mov rdi, r9",
        "call r8",
        "ud2",
        "2: ret",
    )
}

/// madvise(2) with MADV_DOFORK or MADV_DONTFORK: whether children have these whole pages.
///
/// # Safety
/// 1. Children that do not have them use nothing in them.
///
/// # Errors
/// The errno of the call.
pub unsafe fn inherit(pages: Range<usize>, inherited: bool) -> Result<(), Error> {
    let advice = if inherited { 11 } else { 10 };
    if pages.is_empty() {
        return Ok(());
    }
    // SAFETY: the pages stay as they are in this process; the rest is duty 1 of the caller.
    unsafe { syscall!(madvise, pages.start, pages.len(), advice) }.map(drop)
}

/// Whether [`fork`] can make a process, asked without making one: the kernel refuses to
/// share signal handlers without memory (clone(2), EINVAL), a filter refuses the call with
/// another answer. Then a process is made, which ends at once.
///
/// # Errors
/// As [`fork`].
pub fn try_fork() -> Result<(), Error> {
    const CLONE_SIGHAND: usize = 0x800;
    let own = super::getpid();
    // SAFETY: no process is made; if one is, it has a copy of the memory and only ends.
    let answer = unsafe { syscall!(clone, CLONE_SIGHAND, 0, 0, 0, 0) };
    if super::getpid() != own {
        super::exit(0);
    }
    if answer.is_err_and(|error| error.is(Errno::EINVAL)) {
        return Ok(());
    }
    // SAFETY: (1) the child calls exit(2) and nothing else.
    match unsafe { fork() }? {
        None => super::exit(0),
        Some(child) => wait(child).map(drop),
    }
}

/// wait4(2) for any child that has ended, without waiting; whether there was one.
pub fn reap() -> bool {
    const ANY: isize = -1;
    const WNOHANG: usize = 1;
    // SAFETY: nothing is written.
    unsafe { syscall!(wait4, ANY, 0, WNOHANG, 0) }.is_ok_and(|pid| pid != 0)
}

/// kill(2) of every process in the group that `leader` leads.
///
/// # Errors
/// The errno of the call.
pub fn kill_group(leader: Pid, signal: Signal) -> Result<(), Error> {
    // SAFETY: what the signal does to the group is the caller's wish.
    unsafe { syscall!(kill, -(leader.number() as isize), signal.number()) }.map(drop)
}

/// kill(2) of one process.
///
/// # Errors
/// The errno of the call.
pub fn kill(process: Pid, signal: Signal) -> Result<(), Error> {
    // SAFETY: what the signal does to the process is the caller's wish.
    unsafe { syscall!(kill, process.number(), signal.number()) }.map(drop)
}

/// getpgid(2): the process group of a process.
///
/// # Errors
/// The errno of the call.
pub fn group_of(process: u32) -> Result<u32, Error> {
    // SAFETY: asking for a number touches nothing.
    unsafe { syscall!(getpgid, process as usize) }.map(|group| group as u32)
}

/// The status flags of an open file (fcntl(2), F_GETFL).
///
/// # Errors
/// The errno of the call.
pub fn status_flags(fd: Fd) -> Result<usize, Error> {
    const F_GETFL: usize = 3;
    // SAFETY: asking for flags touches nothing.
    unsafe { syscall!(fcntl, fd.number(), F_GETFL) }
}

/// Sets them (F_SETFL).
///
/// # Errors
/// The errno of the call.
pub fn set_status_flags(fd: Fd, flags: usize) -> Result<(), Error> {
    const F_SETFL: usize = 4;
    // SAFETY: flags are no memory.
    unsafe { syscall!(fcntl, fd.number(), F_SETFL, flags) }.map(drop)
}

/// setpgid(2): `process` leads a group of its own; `None` is the caller.
///
/// # Errors
/// The errno of the call.
pub fn lead_group(process: Option<Pid>) -> Result<(), Error> {
    // SAFETY: a group is no memory.
    unsafe { syscall!(setpgid, process.map_or(0, Pid::number), 0) }.map(drop)
}

/// tcsetpgrp(3): the group that `leader` leads, or the caller's own, is the terminal's
/// foreground. The caller must not be stopped by SIGTTOU.
///
/// # Errors
/// The errno of ioctl(2).
pub fn set_foreground(terminal: Fd, leader: Option<Pid>) -> Result<(), Error> {
    const TIOCSPGRP: usize = 0x5410;
    let group = match leader {
        Some(leader) => leader.number(),
        // SAFETY: asking for a number touches nothing.
        None => unsafe { syscall!(getpgrp) }? as i32,
    };
    // SAFETY: the kernel reads one int.
    unsafe { syscall!(ioctl, terminal.number(), TIOCSPGRP, &raw const group) }.map(drop)
}

/// The modes of a terminal: the kernel's struct termios.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Modes {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    discipline: u8,
    characters: [u8; 19],
}

impl Modes {
    /// The same without echo, lines, signals and translation of what is typed: each byte
    /// comes as it is, at once (termios(3), cfmakeraw without OPOST).
    pub const fn raw(mut self) -> Self {
        const BRKINT_INPCK_ISTRIP_ICRNL_IXON: u32 = 0o2 | 0o20 | 0o40 | 0o400 | 0o2000;
        const ISIG_ICANON_ECHO_IEXTEN: u32 = 0o1 | 0o2 | 0o10 | 0o100_000;
        const VTIME: usize = 5;
        const VMIN: usize = 6;
        self.input &= !BRKINT_INPCK_ISTRIP_ICRNL_IXON;
        self.local &= !ISIG_ICANON_ECHO_IEXTEN;
        self.characters[VTIME] = 0;
        self.characters[VMIN] = 1;
        self
    }
}

/// tcgetattr(3). `None` if this is no terminal.
pub fn modes(terminal: Fd) -> Option<Modes> {
    const TCGETS: usize = 0x5401;
    let mut modes = Modes { input: 0, output: 0, control: 0, local: 0, discipline: 0, characters: [0; 19] };
    // SAFETY: the kernel writes one struct termios, 36 bytes.
    unsafe { syscall!(ioctl, terminal.number(), TCGETS, &raw mut modes) }.ok()?;
    Some(modes)
}

/// tcsetattr(3), once what was printed is out (TCSADRAIN).
///
/// # Errors
/// The errno of ioctl(2).
pub fn set_modes(terminal: Fd, modes: &Modes) -> Result<(), Error> {
    const TCSETSW: usize = 0x5403;
    // SAFETY: the kernel reads one struct termios.
    unsafe { syscall!(ioctl, terminal.number(), TCSETSW, core::ptr::from_ref(modes)) }.map(drop)
}

/// setitimer(2) with ITIMER_REAL: SIGALRM after so many milliseconds; 0 takes it back.
///
/// # Errors
/// The errno of the call.
pub fn alarm_after(milliseconds: u64) -> Result<(), Error> {
    const ITIMER_REAL: usize = 0;
    let timer = [0, 0, milliseconds / 1000, milliseconds % 1000 * 1000];
    // SAFETY: the kernel reads one struct itimerval, four words.
    unsafe { syscall!(setitimer, ITIMER_REAL, timer.as_ptr(), 0) }.map(drop)
}

/// prctl(2) with PR_SET_CHILD_SUBREAPER: children of children that end become this
/// process's.
///
/// # Errors
/// The errno of the call.
pub fn adopt_orphans() -> Result<(), Error> {
    const SET_CHILD_SUBREAPER: u32 = 36;
    // SAFETY: (1) the operation points at no memory.
    unsafe { super::prctl(SET_CHILD_SUBREAPER, 1) }.map(drop)
}

/// prctl(2) with PR_SET_PDEATHSIG: the caller gets `signal` when its parent ends.
///
/// # Errors
/// The errno of the call.
pub fn die_with_parent(signal: Signal) -> Result<(), Error> {
    const SET_PDEATHSIG: u32 = 1;
    // SAFETY: (1) the operation points at no memory.
    unsafe { super::prctl(SET_PDEATHSIG, usize::from(signal.number())) }.map(drop)
}

/// madvise(2) with MADV_POPULATE_READ: the pages are mapped now instead of one by one
/// when they are read. Kernels before 5.14 do not know it.
///
/// # Errors
/// The errno of the call.
pub fn populate(address: NonNull<u8>, size: usize) -> Result<(), Error> {
    const MADV_POPULATE_READ: usize = 22;
    // SAFETY: what the pages hold stays.
    unsafe { syscall!(madvise, address.as_ptr(), size, MADV_POPULATE_READ) }.map(drop)
}

/// close_range(2) from descriptor 3 on. Kernels before 5.9 do not know it.
///
/// # Safety
/// 1. Nothing in this process uses a descriptor but 0, 1 and 2 afterwards.
///
/// # Errors
/// The errno of the call.
pub unsafe fn close_all_but_standard() -> Result<(), Error> {
    // SAFETY: duty 1 of the caller.
    unsafe { syscall!(close_range, 3, u32::MAX, 0) }.map(drop)
}
