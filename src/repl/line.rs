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
//! The child can ruin what it likes: its memory is its own, but for the report. The
//! session takes the report for bytes from anybody; it holds numbers, and every pattern
//! of bits is one. It is taken at all only from a child that has come to its end.

use super::memory::{OldPage, PAGES, Pages, Space};
use crate::run::step::Printer;
use alloc::{boxed::Box, vec::Vec};
use barejit_exec::{
    State,
    fault::{self, Ending, Place, Stepper},
};
use barejit_sys::{
    Contents, Errno, Error, Fd, Guard, PageSize, Prot, Region, Sysno,
    linux::{
        self,
        job::{self, Change, Modes},
        trial::{Pid, fork},
    },
    signal::{Context, Disposition, Info, Mask, Signal},
};
use core::{
    ops::Range,
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
}

/// What became of a line.
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
    /// It took longer than it may.
    TimedOut,
}

/// What a child leaves behind. Numbers only.
#[repr(C)]
struct Report {
    /// The number of the child once all of the report is there.
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
    /// The pages that have changed, a bit each.
    changed: u64,
    state: State,
    /// The session's pages as they were before the line, and where they have changed, as
    /// they are afterwards.
    pages: Pages,
}

mod kind {
    pub(super) const END: u64 = 0;
    pub(super) const RETURNED: u64 = 1;
    pub(super) const FAULT: u64 = 2;
}

/// The code of a line: where it is entered, all addresses that count as its own, and the
/// trap behind its last instruction.
#[derive(Clone, Debug)]
pub struct Code {
    /// The first instruction.
    pub entry: usize,
    /// Everything that may be called a place in the code.
    pub range: Range<usize>,
    /// The address of the trap that ends the line.
    pub end: usize,
    /// Whether the code has an instruction that can change mappings.
    pub has_syscall: bool,
}

/// What runs lines.
#[derive(Debug)]
pub struct Runner {
    report: Region,
    /// The terminal and its modes while a line runs, if there is one.
    terminal: Option<(Fd<'static>, Modes)>,
    /// The most that a line may take, in milliseconds; 0 is no limit.
    pub patience: u64,
}

impl Runner {
    /// Prepares to run lines, on `terminal` if there is one.
    ///
    /// # Errors
    /// The syscall that refused.
    pub fn new(terminal: Option<(Fd<'static>, Modes)>, patience: u64) -> Result<Self, Error> {
        fault::install()?;
        let size = PageSize::needed(size_of::<Report>())?;
        let report = Region::map(size, Guard::None, Contents::Common, Prot::READ_WRITE)?;
        // Where that is refused, a process that a line leaves behind goes to init.
        let _ = job::adopt_orphans();
        if terminal.is_some() {
            // The foreground is taken back from the background.
            // SAFETY: (1) nothing is called.
            unsafe { linux::rt_sigaction(Signal::TTOU, Disposition::Ignored) }?;
        }
        if patience > 0 {
            // SAFETY: (1) the handler does nothing.
            unsafe { linux::rt_sigaction(Signal::ALRM, Disposition::Handled(interrupts, Mask::of(&[]))) }?;
        }
        Ok(Self { report, terminal, patience })
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
    ///    outside of processes, is what the user wants.
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
        self.prepare(space);
        // SAFETY: (1) this process has one thread.
        let Some(child) = unsafe { fork() }? else {
            // SAFETY: (1) the caller's.
            unsafe { self.be_child(state, space, code, printer) }
        };
        // The child does the same: whoever comes first.
        let _ = job::lead_group(Some(child));
        let ended = self.wait(child);
        // Whatever the line has started ends with it.
        let _ = job::kill_group(child, Signal::KILL);
        while job::reap() {}
        self.take_terminal();
        let outcome = match ended? {
            Ended::TimedOut => Outcome::TimedOut,
            Ended::Change(Change::Exited(0)) if self.is_finished(child) => return Ok(self.take(state, space)),
            Ended::Change(Change::Exited(status)) => Outcome::Exited(status),
            Ended::Change(Change::Killed(signal) | Change::Stopped(signal)) => Outcome::Killed(signal),
            Ended::Change(Change::Interrupted) => return Err(Error::new(Sysno::wait4, Errno::EINTR)),
        };
        Ok((outcome, Vec::new()))
    }

    /// Makes the report what a child begins with.
    fn prepare(&mut self, space: &Space) {
        let report = self.report();
        report.finished.store(0, Release);
        for (copy, page) in report.pages.iter_mut().zip(space.pages()) {
            if copy != page {
                copy.copy_from_slice(page);
            }
        }
    }

    fn is_finished(&mut self, child: Pid) -> bool {
        self.report().finished.load(Acquire) == child.number() as u64
    }

    /// Takes over what the child has left.
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
            }),
        };
        let lost_mappings = report.lost_mappings != 0;
        if !matches!(stop, Stop::Fault(_)) {
            state.clone_from(&report.state);
            state.distrust();
            for n in (0..PAGES).filter(|n| report.changed >> n & 1 != 0) {
                let page = space.page_mut(n);
                old.push((n, Box::new(*page)));
                page.copy_from_slice(&report.pages[n]);
            }
        }
        (Outcome::Stopped { stop, lost_mappings }, old)
    }

    /// Waits for `child` to end. One that stops, stops this process too, as a shell's
    /// foreground job does; both go on together.
    fn wait(&self, child: Pid) -> Result<Ended, Error> {
        if self.patience > 0 {
            job::alarm_after(self.patience)?;
        }
        let ended = loop {
            match job::wait(child)? {
                Change::Stopped(_) => {
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
        if let Ended::TimedOut = ended {
            let _ = job::kill_group(child, Signal::KILL);
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

    /// The child: runs the code and reports.
    ///
    /// # Safety
    /// 1. As [`run`](Self::run).
    unsafe fn be_child(
        &mut self,
        state: &mut State,
        space: &Space,
        code: &Code,
        mut printer: Option<&mut Printer>,
    ) -> ! {
        let own = linux::getpid().unwrap_or(0);
        let _ = job::lead_group(None);
        if let Some((terminal, _)) = self.terminal {
            let _ = job::set_foreground(terminal, None);
        }
        for signal in
            [Signal::INT, Signal::QUIT, Signal::TERM, Signal::HUP, Signal::TSTP, Signal::TTOU, Signal::ALRM]
        {
            // SAFETY: (1) nothing is called.
            let _ = unsafe { linux::rt_sigaction(signal, Disposition::Default) };
        }
        let _ = job::die_with_parent(Signal::KILL);
        // SAFETY: (1) this process runs the line and needs no others.
        let _ = unsafe { job::close_all_but_standard() };
        let before = if code.has_syscall { super::memory::count_mappings() } else { 0 };
        // SAFETY: (1) handlers are installed, the rest is the caller's; (2) the state's
        // stack pointer is the user's; (3) there are no call-backs; (4) the code's pages
        // stay mapped in the session.
        let ending = unsafe {
            let stepper = printer.as_deref_mut().map(|printer| printer as &mut dyn Stepper);
            fault::resume(state, code.range.clone(), stepper)
        };
        if let Some(printer) = printer {
            let fault = match &ending {
                Ok(Ending::Faulted(fault)) if fault.signal != Signal::TRAP => Some(fault.signal.name()),
                _ => None,
            };
            printer.finish(fault);
        }
        // A copy of this process that the line made is none of the session's.
        if linux::getpid() != Ok(own) {
            linux::exit(0);
        }
        let after = if code.has_syscall { super::memory::count_mappings() } else { 0 };
        let report = self.report();
        report.lost_mappings = u64::from(before != after);
        report.kind = kind::FAULT;
        match ending {
            Ok(Ending::Returned(_)) => report.kind = kind::RETURNED,
            Ok(Ending::Faulted(fault)) => {
                let at = match fault.place {
                    Place::Code(offset) => code.range.start + offset as usize,
                    Place::Wild(address) => address,
                };
                if fault.signal == Signal::TRAP && at == code.end {
                    report.kind = kind::END;
                }
                report.signal = fault.signal.number().into();
                report.reason = fault.reason as u64;
                report.inside = u64::from(matches!(fault.place, Place::Code(_)));
                report.place = match fault.place {
                    Place::Code(offset) => offset.into(),
                    Place::Wild(address) => address as u64,
                };
                report.address = fault.address as u64;
                report.store = fault.store.into();
            }
            // There are no call-backs, and nothing else runs generated code.
            Ok(Ending::Panicked) | Err(_) => linux::exit(5),
        }
        report.changed = 0;
        for (n, (copy, page)) in report.pages.iter_mut().zip(space.pages()).enumerate() {
            if copy != page {
                copy.copy_from_slice(page);
                report.changed |= 1 << n;
            }
        }
        report.state.clone_from(state);
        report.finished.store(own as u64, Release);
        linux::exit(0)
    }
}

/// The handler of the timer: the call that waits answers EINTR.
unsafe extern "sysv64" fn interrupts(_: i32, _: &Info, _: &mut Context) {}

/// How the wait for a child ended.
enum Ended {
    Change(Change),
    TimedOut,
}
