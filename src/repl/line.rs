//! One line of machine code, run in a child process that can be thrown away.
//!
//! ```text
//!   session                         child, in a process group of its own
//!   State, pages ────fork─────────▶ the same, copied on write
//!        ▲                            │ resume: registers, flags, vectors, RIP
//!        │                            ▼
//!        │                          the line … int3 behind it
//!        │        ┌────────┐          │
//!        └──read──│ Report │◀─────────┘ state, fault, pages that have changed
//!                 └────────┘
//! ```
//!
//! The child can ruin everything: its memory is its own, but for the report. The
//! session takes the report for bytes from anybody; it holds numbers, and every pattern
//! of bits is one. It is taken at all only from a child that has come to its end.

use super::{
    filter,
    memory::{OldPage, PAGE, PAGES, Pages, Space, View, is_zero, mappings},
};
use crate::run::step::Printer;
use alloc::vec::Vec;
use barejit_exec::{
    State,
    fault::{self, Ending, Place, Stepper},
};
use barejit_sys::{
    Contents, Errno, Error, Fd, Guard, PageSize, Prot, Region, Sysno,
    linux::{
        self,
        job::{self, Change, Modes},
        trial::{self, Pid},
    },
    signal::{Context, Disposition, Info, Mask, Signal},
};
use core::{
    arch::naked_asm,
    mem::MaybeUninit,
    ops::Range,
    ptr::NonNull,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
};

/// How a line ended that left a state behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// At the trap behind its last instruction.
    End,
    /// It returned from the outermost frame.
    Returned,
    /// A signal stopped it. Nothing of the line counts.
    Fault(Crash),
}

/// A signal that an instruction of the line raised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Crash {
    /// Which signal.
    pub signal: Signal,
    /// Its `si_code`.
    pub reason: i32,
    /// Where: an offset into the code that was given, or an address outside.
    pub place: Place,
    /// The address that the instruction wanted.
    pub address: usize,
    /// Whether it wanted to store there.
    pub store: bool,
    /// Whether not even the first instruction could be fetched.
    pub not_executable: bool,
}

/// The outcome of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It came to a stop.
    Stopped {
        /// How.
        stop: Stop,
        /// Whether it made or removed mappings, which are gone with the child.
        lost_mappings: bool,
    },
    /// The process called exit with this status, or ran another program that did.
    Exited(u8),
    /// A signal ended the process.
    Killed(Signal),
    /// The process has stopped itself, and was ended.
    Stopping(Signal),
    /// It took longer than it may.
    TimedOut,
}

/// The memory of the session that the process of a line can do without. Fewer pages to
/// inherit are fewer to copy when one of the two writes to them.
#[derive(Clone, Debug)]
pub struct OwnMemory {
    /// Where the stack lies on which the session runs.
    pub stack: Range<usize>,
    /// Where the heap lies.
    pub heap: fn() -> Range<usize>,
}

/// The task of a child.
#[derive(Clone)]
struct Job {
    view: View,
    code: Code,
    terminal: Option<Fd<'static>>,
    /// The number of the session.
    session: u32,
    printer: Option<NonNull<Printer>>,
}

/// Memory in common with the child: its task, and its report, of numbers only.
#[repr(C)]
struct Report {
    /// The session writes it, before there is a child, and never reads it.
    job: MaybeUninit<Job>,
    /// 1 once all of the report is there.
    finished: AtomicU64,
    /// One of [`kind`].
    kind: u64,
    signal: u64,
    reason: u64,
    /// 1 if `place` is an offset into the code.
    inside: u64,
    place: u64,
    address: u64,
    store: u64,
    lost_mappings: u64,
    not_executable: u64,
    /// The pages that have changed, a bit each.
    changed: u64,
    /// The state before the line, and then behind it.
    state: State,
    /// The session's pages: those in use as they were before the line; where they have
    /// changed, as they are afterwards.
    pages: Pages,
}

mod kind {
    pub(super) const END: u64 = 0;
    pub(super) const RETURNED: u64 = 1;
    pub(super) const FAULT: u64 = 2;
}

/// The code of a line.
#[derive(Clone, Debug)]
pub struct Code {
    /// The address of the first instruction.
    pub entry: usize,
    /// The address of the trap behind the last one, which ends the line.
    pub end: usize,
    /// Whether nothing in it can call the kernel.
    pub is_confined: bool,
}

/// Where lines run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Each in a child process of its own.
    Protected,
    /// In this process, because no other can be made.
    Unprotected,
}

/// How a process is asked to end.
const ENDS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// Runs lines.
#[derive(Debug)]
pub struct Runner {
    report: Region,
    kind: Kind,
    own: OwnMemory,
    /// The parts of it that children do not inherit.
    hidden: [Range<usize>; 2],
    /// The number of this process.
    number: u32,
    /// The terminal and its modes while a line runs, if there is one.
    terminal: Option<(Fd<'static>, Modes)>,
    /// The most that a line may take, in milliseconds; 0 is no limit.
    pub patience: u64,
}

impl Runner {
    /// Prepares to run lines, which may take `patience` milliseconds, on `terminal` if there is
    /// one, where `kind` says. Their processes need not have `own`.
    ///
    /// # Errors
    /// The syscall that refused.
    pub fn new(
        terminal: Option<(Fd<'static>, Modes)>,
        patience: u64,
        kind: Kind,
        own: OwnMemory,
    ) -> Result<Self, Error> {
        fault::install()?;
        let size = PageSize::needed(size_of::<Report>())?;
        let report = Region::map(size, Guard::None, Contents::Common, Prot::READ_WRITE)?;
        // Where that is refused, a process that a line leaves behind goes to init.
        let _ = job::adopt_orphans();
        if terminal.is_some() {
            // As in a shell. The foreground is taken back from the background; and ^C or ^\ that
            // is typed between two lines ends no session. Children have the defaults back.
            let ignored: &[Signal] = match kind {
                Kind::Protected => &[Signal::TTOU, Signal::INT, Signal::QUIT],
                Kind::Unprotected => &[Signal::TTOU],
            };
            for signal in ignored {
                // SAFETY: (1) nothing is called.
                unsafe { linux::rt_sigaction(*signal, Disposition::Ignored) }?;
            }
        } else {
            // Every line is written at once, so nothing has to be flushed for the end; and
            // children need not change this.
            for signal in ENDS {
                // SAFETY: (1) nothing is called.
                if unsafe { linux::rt_sigaction(signal, Disposition::Default) }? {
                    // SAFETY: (1) nothing is called.
                    unsafe { linux::rt_sigaction(signal, Disposition::Ignored) }?;
                }
            }
        }
        if patience > 0 {
            // SAFETY: (1) the handler does nothing.
            unsafe { linux::rt_sigaction(Signal::ALRM, Disposition::Handled(interrupts, Mask::of(&[]))) }?;
        }
        let number = linux::getpid()? as u32;
        Ok(Self { report, terminal, patience, kind, own, hidden: [0..0, 0..0], number })
    }

    fn report(&mut self) -> &mut Report {
        let report = self.report.base().cast::<Report>();
        // SAFETY: the region is as large and aligned to a page; a report is any bits. A
        // child that still writes to it has been killed before anything is read.
        unsafe { &mut *report.as_ptr() }
    }

    /// Runs `code` with `state` and `space`, which become what they are after it if it
    /// comes to a stop without a fault. Gives, too, the pages that have changed as they
    /// were, by their numbers.
    ///
    /// # Safety
    /// 1. What the code does to a process that is only good for this, and to everything
    ///    outside of processes, is what the user wants; to this process, too, if it is
    ///    [`Kind::Unprotected`].
    ///
    /// # Errors
    /// The syscall that refused to make the child or to wait for it.
    pub unsafe fn run(
        &mut self,
        state: &mut State,
        space: &mut Space,
        code: &Code,
        printer: Option<&mut Printer>,
    ) -> Result<(Outcome, Vec<OldPage>), Error> {
        if self.kind == Kind::Unprotected {
            // SAFETY: (1) the caller's.
            return unsafe { run_here(state, space, code, printer) };
        }
        self.prepare(state, space, code, printer);
        let flags = if code.is_confined { None } else { Some(shared_flags()) };
        // SAFETY: (1) the caller's.
        let child = unsafe { self.fork() }?;
        let ended = self.wait(child);
        if !code.is_confined {
            // Everything that the line has started ends with it.
            let _ = job::kill_group(child, Signal::KILL);
            while job::reap() {}
        }
        self.take_terminal();
        if let Some(flags) = flags {
            restore_flags(flags);
        }
        let outcome = match ended? {
            Ended::TimedOut => Outcome::TimedOut,
            Ended::Change(Change::Exited(0)) if self.is_finished() => return Ok(self.take(state, space)),
            Ended::Change(Change::Exited(status)) => Outcome::Exited(status),
            Ended::Change(Change::Killed(signal)) => Outcome::Killed(signal),
            Ended::Change(Change::Stopped(signal)) => Outcome::Stopping(signal),
            Ended::Change(Change::Interrupted) => return Err(Error::new(Sysno::wait4, Errno::EINTR)),
        };
        Ok((outcome, Vec::new()))
    }

    /// Makes the report what a child begins with, and hides what it does not need.
    fn prepare(&mut self, state: &State, space: &Space, code: &Code, printer: Option<&mut Printer>) {
        // A printer uses the heap, and stands on the stack.
        let own = if printer.is_some() { [0..0, 0..0] } else { [self.own.stack.clone(), (self.own.heap)()] };
        self.hide(own);
        let job = Job {
            view: space.view(),
            code: code.clone(),
            terminal: self.terminal.map(|(terminal, _)| terminal),
            session: self.number,
            printer: printer.map(NonNull::from),
        };
        let report = self.report();
        report.job.write(job);
        report.finished.store(0, Release);
        report.state.clone_from(state);
        for n in used(space) {
            if report.pages[n] != *space.page(n) {
                report.pages[n].copy_from_slice(space.page(n));
            }
        }
    }

    /// Has children inherit all but these parts of this process's own memory. Where the kernel
    /// refuses that, they inherit more.
    fn hide(&mut self, own: [Range<usize>; 2]) {
        for (hidden, wanted) in self.hidden.iter_mut().zip(own) {
            if *hidden == wanted {
                continue;
            }
            // SAFETY: (1) children have these again.
            let _ = unsafe { job::inherit(pages(hidden), true) };
            // SAFETY: (1) a child runs on a stack of its own, and without a printer it uses
            // neither stack nor heap of this process.
            let _ = unsafe { job::inherit(pages(&wanted), false) };
            *hidden = wanted;
        }
    }

    /// Makes the child of a line for which all is prepared.
    ///
    /// # Safety
    /// 1. As [`run`](Self::run).
    unsafe fn fork(&mut self) -> Result<Pid, Error> {
        let report = self.report.address();
        // QEMU's user mode wants the rest of a signal frame to be mapped behind the context.
        let stack = fault::stack_end() - PAGE;
        // SAFETY: (1) this process has one thread; (2) guarded calls alone would use that
        // stack, and `prepare` hides nothing that the child uses; (3) it is the report's
        // address.
        if let Ok(child) = unsafe { job::fork_onto(stack, be_child, report) } {
            return Ok(child);
        }
        // The old call has no other stack.
        self.own.stack = 0..0;
        self.hide([0..0, self.hidden[1].clone()]);
        // SAFETY: (1) this process has one thread.
        match unsafe { trial::fork() }? {
            Some(child) => Ok(child),
            None => be_child(report),
        }
    }

    fn is_finished(&mut self) -> bool {
        self.report().finished.load(Acquire) == 1
    }

    /// Takes over the state and the pages that the child has left.
    fn take(&mut self, state: &mut State, space: &mut Space) -> (Outcome, Vec<OldPage>) {
        let report = self.report();
        let mut old = Vec::new();
        let stop = match report.kind {
            kind::END => Stop::End,
            kind::RETURNED => Stop::Returned,
            _ => Stop::Fault(Crash {
                signal: Signal::new(report.signal as u8),
                reason: report.reason as i32,
                place: match report.inside {
                    1 => Place::Code(report.place as u32),
                    _ => Place::Wild(report.place as usize),
                },
                address: report.address as usize,
                store: report.store != 0,
                not_executable: report.not_executable != 0,
            }),
        };
        let lost_mappings = report.lost_mappings != 0;
        if !matches!(stop, Stop::Fault(_)) {
            state.clone_from(&report.state);
            state.distrust();
            for n in (0..PAGES).filter(|n| report.changed >> n & 1 != 0) {
                old.push((n, space.page(n).to_vec()));
                space.page_mut(n).copy_from_slice(&report.pages[n]);
            }
        }
        (Outcome::Stopped { stop, lost_mappings }, old)
    }

    /// Waits for `child` to end. ^Z stops this process too, as a shell's foreground job;
    /// both go on together.
    fn wait(&self, child: Pid) -> Result<Ended, Error> {
        if self.patience > 0 {
            job::alarm_after(self.patience)?;
        }
        let ended = loop {
            match job::wait(child)? {
                Change::Stopped(Signal::TSTP) if self.terminal.is_some() => {
                    self.take_terminal();
                    let _ = linux::kill_self(Signal::STOP);
                    self.lend_terminal(child);
                    let _ = job::kill_group(child, Signal::CONT);
                }
                Change::Interrupted if self.patience > 0 => break Ended::TimedOut,
                Change::Interrupted => {}
                change => break Ended::Change(change),
            }
        };
        if self.patience > 0 {
            let _ = job::alarm_after(0);
        }
        if let Ended::TimedOut | Ended::Change(Change::Stopped(_)) = ended {
            // It may not lead its group yet.
            let _ = job::kill(child, Signal::KILL);
            while let Ok(Change::Interrupted | Change::Stopped(_)) = job::wait(child) {}
        }
        Ok(ended)
    }

    /// Gives the terminal to the child's group.
    fn lend_terminal(&self, child: Pid) {
        if let Some((terminal, _)) = self.terminal {
            let _ = job::set_foreground(terminal, Some(child));
        }
    }

    /// Takes the terminal back and makes its modes what they were before.
    fn take_terminal(&self) {
        if let Some((terminal, modes)) = &self.terminal {
            let _ = job::set_foreground(*terminal, None);
            let _ = job::set_modes(*terminal, modes);
        }
    }
}

/// The child: runs the code and reports.
extern "sysv64" fn be_child(report: usize) -> ! {
    // SAFETY: the session hands over the address of its report, which is mapped here, too, as
    // long as this process lives; meanwhile it uses nothing of it but `finished`.
    let report = unsafe { &mut *(report as *mut Report) };
    // SAFETY: `prepare` has written it.
    let mut job = unsafe { report.job.assume_init_ref() }.clone();
    let _ = job::lead_group(None);
    if let Some(terminal) = job.terminal {
        let _ = job::set_foreground(terminal, None);
    }
    if job.terminal.is_some() || !job.code.is_confined {
        for signal in ENDS.into_iter().chain([Signal::QUIT, Signal::TSTP, Signal::TTOU, Signal::ALRM]) {
            // SAFETY: (1) nothing is called.
            let _ = unsafe { linux::rt_sigaction(signal, Disposition::Default) };
        }
    }
    let _ = job::die_with_parent(Signal::KILL);
    let stop = if job.code.is_confined {
        report.lost_mappings = 0;
        // SAFETY: (1) the user has typed it, for this.
        unsafe { execute(&mut report.state, &job.code.clone(), job.printer()) }
    } else {
        // SAFETY: (1) as above.
        unsafe { execute_any(report, &mut job) }
    };
    match stop {
        Stop::End | Stop::Returned => {
            report.kind = if stop == Stop::End { kind::END } else { kind::RETURNED };
            report.changed = 0;
            let used = job.view.used();
            for (n, copy) in report.pages.iter_mut().enumerate() {
                // SAFETY: (1) the session's memory is inherited, and the line has ended.
                let page = unsafe { job.view.page(n) };
                let same = if used >> n & 1 == 0 { is_zero(page) } else { copy == page };
                if !same {
                    copy.copy_from_slice(page);
                    report.changed |= 1 << n;
                }
            }
        }
        Stop::Fault(crash) => {
            report.kind = kind::FAULT;
            report.signal = crash.signal.number().into();
            report.reason = crash.reason as u64;
            report.inside = u64::from(matches!(crash.place, Place::Code(_)));
            report.place = match crash.place {
                Place::Code(offset) => offset.into(),
                Place::Wild(address) => address as u64,
            };
            report.address = crash.address as u64;
            report.store = crash.store.into();
            report.not_executable = crash.not_executable.into();
        }
    }
    report.finished.store(1, Release);
    linux::exit(0)
}

/// Runs code that can call the kernel, held back from what aims at the session.
///
/// # Safety
/// 1. As [`Runner::run`], for this process.
#[inline(never)] // Its frame has a state, which is more than a page, and most lines do without.
unsafe fn execute_any(report: &mut Report, job: &mut Job) -> Stop {
    let own = linux::getpid();
    // SAFETY: (1) this process runs the line and needs no others.
    let _ = unsafe { job::close_all_but_standard() };
    // Where filters are refused, as by qemu-user, the line is not held back.
    let _ = filter::protect(job.session);
    let before = mappings();
    // Copies of this process that the line makes have a state each.
    let mut state = report.state.clone();
    // SAFETY: (1) the caller's.
    let stop = unsafe { execute(&mut state, &job.code.clone(), job.printer()) };
    // Such a copy is none of the session's.
    if linux::getpid() != own {
        linux::exit(0);
    }
    report.lost_mappings = u64::from(before != mappings());
    report.state.clone_from(&state);
    stop
}

impl Job {
    /// The printer of the child's copy of the session.
    fn printer(&mut self) -> Option<&mut Printer> {
        // SAFETY: the session has handed over its own, which is inherited, and there is no
        // other reference to it in this process.
        self.printer.as_mut().map(|printer| unsafe { printer.as_mut() })
    }
}

/// Where a line returns to: a trap, which keeps the state as the one behind a line does.
pub fn return_address() -> usize {
    returned as *const () as usize
}

#[unsafe(naked)]
unsafe extern "sysv64" fn returned() -> ! {
    naked_asm!("int3", "ud2")
}

/// Runs `code` up to its stop.
///
/// # Safety
/// 1. As [`Runner::run`], for this process.
unsafe fn execute(state: &mut State, code: &Code, mut printer: Option<&mut Printer>) -> Stop {
    let range = code.entry..code.end + 1;
    // SAFETY: (1) handlers are installed, the rest is the caller's; (2) the state's stack
    // pointer is the user's; (3) there are no call-backs; (4) the code's pages stay mapped
    // in the session.
    let ending = unsafe {
        let stepper = printer.as_deref_mut().map(|printer| printer as &mut dyn Stepper);
        fault::resume(state, range, stepper, None)
    };
    let stop = match ending {
        Ok(Ending::Faulted(fault)) => match fault.place {
            Place::Code(offset)
                if fault.signal == Signal::TRAP && code.entry + offset as usize == code.end =>
            {
                Stop::End
            }
            Place::Wild(at) if fault.signal == Signal::TRAP && at == return_address() => {
                // The next line finds the address to return to again.
                state.general[4] = state.general[4].wrapping_sub(8);
                Stop::Returned
            }
            place => Stop::Fault(Crash {
                signal: fault.signal,
                reason: fault.reason,
                place,
                address: fault.address,
                store: fault.store,
                not_executable: fault.not_executable(0),
            }),
        },
        // Nobody has told the code where a call would return to, there are no call-backs, and
        // nothing else runs generated code.
        Ok(Ending::Returned(_) | Ending::Panicked) | Err(_) => linux::exit(5),
    };
    if let Some(printer) = printer {
        printer.finish(match &stop {
            Stop::Fault(crash) => Some(crash.signal.name()),
            _ => None,
        });
    }
    stop
}

/// Runs `code` in this process: its effects outside of the session's state and memory
/// cannot be undone.
///
/// # Safety
/// 1. As [`Runner::run`].
#[inline(never)] // Its frame has a state, which is more than a page.
unsafe fn run_here(
    state: &mut State,
    space: &mut Space,
    code: &Code,
    printer: Option<&mut Printer>,
) -> Result<(Outcome, Vec<OldPage>), Error> {
    let before = state.clone();
    let mut old: Vec<OldPage> = (0..PAGES).map(|n| (n, space.page(n).to_vec())).collect();
    // SAFETY: (1) the caller's.
    let stop = unsafe { execute(state, code, printer) };
    state.distrust();
    old.retain(|(n, page)| page != space.page(*n));
    for (n, page) in &old {
        // The code has written to it without saying so.
        let now = space.page_mut(*n);
        if matches!(stop, Stop::Fault(_)) {
            now.copy_from_slice(page);
        }
    }
    if matches!(stop, Stop::Fault(_)) {
        *state = before;
        old.clear();
    }
    Ok((Outcome::Stopped { stop, lost_mappings: false }, old))
}

/// The whole pages of memory that nobody else uses; the end of the last one is unused.
fn pages(memory: &Range<usize>) -> Range<usize> {
    memory.start.next_multiple_of(PAGE)..memory.end.next_multiple_of(PAGE)
}

/// The numbers of the pages in use.
fn used(space: &Space) -> impl Iterator<Item = usize> {
    let used = space.used();
    (0..PAGES).filter(move |n| used >> n & 1 != 0)
}

/// The status flags of descriptors 0 to 2, which belong to the open files and not to the
/// process: a child that sets O_NONBLOCK sets it for the session.
fn shared_flags() -> [Option<usize>; 3] {
    [Fd::STDIN, Fd::STDOUT, Fd::STDERR].map(|fd| job::status_flags(fd).ok())
}

fn restore_flags(flags: [Option<usize>; 3]) {
    for (fd, before) in [Fd::STDIN, Fd::STDOUT, Fd::STDERR].into_iter().zip(flags) {
        if let Some(before) = before
            && job::status_flags(fd) != Ok(before)
        {
            let _ = job::set_status_flags(fd, before);
        }
    }
}

/// The handler of the timer: the call that waits answers EINTR.
unsafe extern "sysv64" fn interrupts(_: i32, _: &Info, _: &mut Context) {}

/// How the wait for a child ended.
enum Ended {
    Change(Change),
    TimedOut,
}
