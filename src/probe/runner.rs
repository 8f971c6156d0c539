//! The trial runner: something that may be refused, faulted, killed or hung, done where
//! that harms nobody.
//!
//! ```text
//! parent ──fork──▶ child        signals on an alternate stack, no core file,
//!   │               │           an alarm; dies with its parent
//!   │    Record     ├─ enter(step) … syscall, jump … enter(step) …
//!   │  ┌────────┐◀──┤  refused: errno and call
//!   │  │ shared │◀──┤  signal: number, code, address
//!   │  └────────┘◀──┘  tokens that the code returned
//!   └──wait──▶ Record and wait status ──▶ Outcome
//! ```
//!
//! The child has no heap and prints nothing. Where fork(2) is refused, the trial runs in
//! this process, and a signal ends it by a jump back to [`Runner::run`]; a signal that
//! cannot be caught then ends the probe. The runner does not know what is tried.

use super::outcome::{Fresh, Outcome, Step, Verdict};
use barejit_sys::{
    Errno, Error, Fd, Guard, MapFlags, Prot, Sysno, linux as base, set_signal_stack,
    signal::{self, Context, Disposition, Info, Mask, Signal},
};
use base::trial::{self as linux, Pid, Segment, Wait};
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// How long a trial may take, in seconds, before it counts as hung.
const PATIENCE: u32 = 2;

/// Room for a handler of signals, besides what the kernel pushes.
const HANDLER: usize = 8192;

/// The record that the child leaves to its parent in shared memory: a number for
/// each [`Cell`]. All zero before the trial.
#[derive(Debug)]
pub(super) struct Record([AtomicU64; CELLS]);

impl Default for Record {
    /// Nothing has been tried.
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; CELLS])
    }
}

#[derive(Clone, Copy)]
enum Cell {
    /// The current step.
    Step,
    /// One more than the stage of its preparation.
    Stage,
    /// Whether all questions are answered.
    Finished,
    /// The word of the refusal.
    Refusal,
    /// The signal that ended the trial, and its `si_code`.
    Signal,
    Code,
    /// The results of the code before and after the rewrite.
    First,
    Second,
    /// The remedy that made a stale rewrite visible.
    Fresh,
    /// The price of a rewrite.
    Nanoseconds,
    /// One more than the System V segment that is to go, if the child does not
    /// get to it.
    Segment,
}

const CELLS: usize = Cell::Segment as usize + 1;

impl Record {
    fn set(&self, cell: Cell, value: u64) {
        self.0[cell as usize].store(value, Relaxed);
    }

    fn get(&self, cell: Cell) -> u64 {
        self.0[cell as usize].load(Relaxed)
    }

    /// Says what is tried next.
    pub(super) fn enter(&self, step: Step) {
        self.set(Cell::Step, step as u64);
    }

    /// The value of `result`. A refusal ends the trial here.
    pub(super) fn need<T>(&self, result: Result<T, Error>) -> T {
        result.unwrap_or_else(|error| self.refuse(error))
    }

    /// Keeps why the trial ends, and ends it.
    pub(super) fn refuse(&self, error: Error) -> ! {
        self.set(Cell::Refusal, error.into_word());
        end()
    }

    /// Whether something refused.
    pub(super) fn is_refused(&self) -> bool {
        self.get(Cell::Refusal) != 0
    }

    /// Whether a signal ended the trial, or a process it had started.
    pub(super) fn is_signalled(&self) -> bool {
        self.get(Cell::Signal) != 0
    }

    /// Keeps the signal that ended the trial, or a process it had started.
    pub(super) fn signal(&self, signal: i32, code: i32) {
        self.set(Cell::Signal, signal as u64);
        self.set(Cell::Code, code as u64);
    }

    /// Keeps what the code returned: 0 before, 1 after the rewrite.
    pub(super) fn token(&self, run: usize, token: u32) {
        self.set(if run == 0 { Cell::First } else { Cell::Second }, token.into());
    }

    /// Keeps what made a stale rewrite visible.
    pub(super) fn freshened(&self, fresh: Fresh) {
        self.set(Cell::Fresh, fresh as u64);
    }

    /// Records that the verdict is complete; the rest of the trial measures only freshness and
    /// speed.
    pub(super) fn finish(&self) {
        self.set(Cell::Finished, 1);
    }

    /// Keeps what one re-patch costs.
    pub(super) fn cost(&self, nanoseconds: u64) {
        self.set(Cell::Nanoseconds, nanoseconds);
    }

    /// Makes the parent remove a System V segment if the child cannot.
    pub(super) fn owns_segment(&self, segment: Option<Segment>) {
        self.set(Cell::Segment, segment.map_or(0, |segment| segment.number() as u64 + 1));
    }

    /// That segment.
    pub(super) fn segment(&self) -> Option<Segment> {
        (self.get(Cell::Segment) as usize).checked_sub(1).map(Segment::from_number)
    }

    /// The part of the trial that was entered last.
    fn step(&self) -> Step {
        Step::ALL.get(self.get(Cell::Step) as usize).copied().unwrap_or(Step::Obtain)
    }

    /// Whether the code has run once.
    pub(super) fn has_run(&self) -> bool {
        self.step() >= Step::Run
    }

    /// Whether all questions were answered.
    pub(super) fn is_finished(&self) -> bool {
        self.get(Cell::Finished) != 0
    }

    /// The refusal.
    pub(super) fn refusal(&self) -> Option<Error> {
        Error::from_word(self.get(Cell::Refusal))
    }

    /// The signal that a handler saw.
    pub(super) fn caught(&self) -> Option<Signal> {
        Some(self.get(Cell::Signal) as u8).filter(|signal| *signal != 0).map(Signal::new)
    }

    /// The outcome of the trial by its record and the end of its process, for code
    /// that returns `tokens` before and after its rewrite.
    pub(super) fn judge(&self, end: Wait, tokens: [u32; 2]) -> Outcome {
        let step = self.step();
        let cost = self.get(Cell::Nanoseconds);
        let mut outcome = Outcome {
            verdict: Verdict::Works,
            step: Some(step),
            error: None,
            signal: None,
            fresh_after: None,
            repatch_ns: Some(cost).filter(|cost| *cost != 0),
        };
        if self.is_finished() {
            let seen = [self.get(Cell::First) as u32, self.get(Cell::Second) as u32];
            (outcome.verdict, outcome.step) = match seen {
                _ if seen == tokens => (Verdict::Works, None),
                [first, _] if first != tokens[0] => (Verdict::Lied, Some(Step::Run)),
                [first, second] if first == second => (Verdict::Stale, Some(Step::Rerun)),
                _ => (Verdict::Lied, Some(Step::Rerun)),
            };
            if outcome.verdict == Verdict::Stale {
                let fresh = (self.get(Cell::Fresh) as usize).wrapping_sub(1);
                outcome.fresh_after = Fresh::ALL.get(fresh).copied();
            }
        } else if let Some(error) = self.refusal() {
            outcome.error = Some(error);
            outcome.verdict = refused(error);
        } else {
            let signal = match (self.caught(), end) {
                (Some(signal), _) => i32::from(signal.number()),
                (None, Wait::Killed(signal) | Wait::Stopped(signal)) => signal,
                (None, Wait::Exited(_)) => 0,
            };
            outcome.signal = Some(signal as u8).filter(|signal| *signal != 0);
            // The calls before claimed that this memory may be used so.
            let promised = matches!(step, Step::Write | Step::Run | Step::Rewrite | Step::Rerun);
            // Not a general protection fault: that is about the instruction.
            let page =
                signal == i32::from(Signal::SEGV.number()) && self.get(Cell::Code) as i32 != signal::KERNEL;
            outcome.verdict = if page && promised { Verdict::Lied } else { Verdict::Killed };
        }
        outcome
    }
}

/// The verdict that a refusal means.
fn refused(error: Error) -> Verdict {
    // Every kernel has these calls, and the trials pass them arguments that are valid.
    let known =
        [Sysno::mmap, Sysno::mprotect].into_iter().any(|call| error == Error::new(call, error.errno()));
    match error.errno() {
        errno if errno.into_raw() == 0 => Verdict::Lied,
        Errno::ENOSYS | Errno::EINVAL if known => Verdict::Denied,
        Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENODEV => Verdict::Unavailable,
        Errno::ENOENT | Errno::ENOTDIR | Errno::EISDIR => Verdict::Unavailable,
        _ => Verdict::Denied,
    }
}

/// Signals that a refusal can take the form of, and SIGALRM for a hang.
const CAUGHT: [Signal; 8] = [
    Signal::ILL,
    Signal::TRAP,
    Signal::BUS,
    Signal::FPE,
    Signal::SEGV,
    Signal::new(14),
    Signal::new(24),
    Signal::SYS,
];

/// The fate of a trial whose parent dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Orphan {
    /// It dies at once.
    Dies,
    /// It runs to its end, to remove what would outlive it, such as files.
    Finishes,
}

/// Runs trials, one after the other.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    record: &'a Record,
    /// The record for trials inside this process.
    own: &'a Record,
    /// Why trials cannot be processes of their own.
    no_fork: Option<Error>,
}

/// Where [`caught`] writes to.
static CURRENT: AtomicPtr<Record> = AtomicPtr::new(core::ptr::null_mut());

/// The stack pointer in [`attempt`], if signals are to lead back there; 0 if
/// they end the process.
static WAY_BACK: AtomicUsize = AtomicUsize::new(0);

impl<'a> Runner<'a> {
    /// A runner that keeps records in `shared`, memory that children share, or the reason
    /// why there is none; `own` is for trials inside this process.
    ///
    /// A filter may kill the process for one of these calls, which trials cannot do
    /// without. `announce` is told the name of each before it is made for the first time.
    pub(super) fn new(
        shared: Result<&'a Record, Error>,
        own: &'a Record,
        announce: &mut dyn FnMut(&str),
    ) -> Self {
        announce("rt_sigaction");
        // With SIGCHLD ignored, and that is inherited, there is no wait status.
        // SAFETY: (1) there is no handler.
        let _ = unsafe { base::rt_sigaction(Signal::new(17), Disposition::Default) };
        // A write beyond RLIMIT_FSIZE is then EFBIG in every trial, and no signal.
        // SAFETY: (1) there is no handler.
        let _ = unsafe { base::rt_sigaction(Signal::XFSZ, Disposition::Ignored) };
        announce("clone");
        let mut runner = match shared {
            Ok(record) => Self { record, own, no_fork: None },
            Err(error) => Self { record: own, own, no_fork: Some(error) },
        };
        // A trial that does nothing: a strategy is not the cause if it is killed.
        let mut first = true;
        for _ in 0..STAGES {
            let (record, _) = runner.observe(Orphan::Dies, &mut |_| {}, &mut || {
                if core::mem::take(&mut first) {
                    announce("wait4");
                }
            });
            match record.get(Cell::Stage) {
                0 => break,
                stage => DEADLY.fetch_or(1 << (stage - 1), Relaxed),
            };
        }
        runner
    }

    /// Why trials run in this process, if they do.
    pub(super) fn no_fork(&self) -> Option<Error> {
        self.no_fork
    }

    /// Runs `body` to its end, whatever that is. The record tells more.
    pub(super) fn run(&mut self, orphan: Orphan, body: &mut dyn FnMut(&'a Record)) -> (&'a Record, Wait) {
        self.observe(orphan, body, &mut || {})
    }

    /// The same; `forked` is called between fork(2) and wait4(2).
    fn observe(
        &mut self,
        orphan: Orphan,
        body: &mut dyn FnMut(&'a Record),
        forked: &mut dyn FnMut(),
    ) -> (&'a Record, Wait) {
        let end = match self.no_fork {
            Some(_) => None,
            None => self.fork(orphan, body, forked).map_err(|error| self.no_fork = Some(error)).ok(),
        };
        let end = end.unwrap_or_else(|| {
            // A child that cannot be waited for may still write to the other record.
            self.record = self.own;
            begin(self.own);
            in_process(self.own, body);
            Wait::Exited(0)
        });
        self.tidy();
        (self.record, end)
    }

    /// Runs `body` in a process of its own.
    fn fork(
        &self,
        orphan: Orphan,
        body: &mut dyn FnMut(&'a Record),
        forked: &mut dyn FnMut(),
    ) -> Result<Wait, Error> {
        begin(self.record);
        // SAFETY: (1) the process has one thread.
        match unsafe { linux::fork() }? {
            Some(child) => {
                forked();
                linux::wait(child)
            }
            None => {
                prepare(orphan, self.record);
                body(self.record);
                self.record.finish();
                base::exit(0)
            }
        }
    }

    /// Removes what a killed child could not.
    fn tidy(&mut self) {
        let Some(segment) = self.record.segment() else { return };
        let remove = || {
            let _ = segment.remove();
        };
        if self.no_fork.is_some() {
            return remove();
        }
        // In a process of its own again, for what killed the child would also
        // kill its parent.
        // SAFETY: (1) the process has one thread.
        match unsafe { linux::fork() } {
            Ok(Some(child)) => drop(linux::wait(child)),
            Ok(None) => {
                remove();
                base::exit(0);
            }
            Err(_) => {}
        }
    }
}

/// Empties `record` and has signals write there.
fn begin(record: &Record) {
    for cell in &record.0 {
        cell.store(0, Relaxed);
    }
    CURRENT.store(core::ptr::from_ref(record).cast_mut(), Relaxed);
}

/// Ends a trial from within.
pub(super) fn end() -> ! {
    match WAY_BACK.load(Relaxed) {
        0 => base::exit(0),
        // SAFETY: (1) `attempt` keeps it there while it runs.
        stack => unsafe { jump(stack) },
    }
}

/// A value in memory that children share, for as long as the process lives.
///
/// # Errors
/// The error of mmap(2).
pub(super) fn shared<T>(value: T) -> Result<&'static mut T, Error> {
    const { assert!(align_of::<T>() <= 4096) }
    let (prot, flags) = (Prot::READ_WRITE, MapFlags::SHARED.union(MapFlags::ANONYMOUS));
    // SAFETY: (1) the mapping is not fixed.
    let memory = unsafe { base::mmap(0, size_of::<T>(), prot, flags, Fd::NONE, 0) }?;
    let mut memory = memory.cast::<T>();
    // SAFETY: the mapping is new, large enough and aligned to pages.
    unsafe { memory.write(value) };
    // SAFETY: it holds a value now, is never unmapped, and nothing else leads there.
    Ok(unsafe { memory.as_mut() })
}

/// The stages of [`prepare`] that a filter kills for, a bit each: left out.
static DEADLY: AtomicU32 = AtomicU32::new(0);

/// How many stages [`prepare`] has.
const STAGES: u32 = 6;

/// Prepares a new process to be a trial. If the kernel refuses a part of this, the report
/// about the end of the trial is less precise.
fn prepare(orphan: Orphan, record: &Record) {
    const PR_SET_PDEATHSIG: u32 = 1;
    const SIGKILL: usize = 9;
    const RLIMIT_CORE: u32 = 4;
    for stage in 0..STAGES {
        if DEADLY.load(Relaxed) >> stage & 1 != 0 {
            continue;
        }
        record.set(Cell::Stage, u64::from(stage) + 1);
        match stage {
            // SAFETY: (1) it takes a signal.
            0 if orphan == Orphan::Dies => drop(unsafe { base::prctl(PR_SET_PDEATHSIG, SIGKILL) }),
            1 => drop(base::setrlimit(RLIMIT_CORE, 0)),
            // Without one of their own, handlers run on the stack that there is.
            2 => drop(set_signal_stack(HANDLER, Guard::None)),
            3 => handle(Disposition::Handled(caught, Mask::of(&[]))),
            4 => linux::unblock_signals(),
            5 => linux::alarm(PATIENCE),
            _ => {}
        }
    }
    record.set(Cell::Stage, 0);
}

fn handle(disposition: Disposition) {
    for signal in CAUGHT {
        // SAFETY: (1) it ends the trial, which owns nothing that must be dropped.
        let _ = unsafe { base::rt_sigaction(signal, disposition) };
    }
}

/// The handler of all signals in a trial.
unsafe extern "sysv64" fn caught(signal: i32, info: &Info, context: &mut Context) {
    let record = CURRENT.load(Relaxed);
    // SAFETY: a trial sets it to a record that outlives it.
    let record = unsafe { &*record };
    record.signal(signal, info.code);
    match WAY_BACK.load(Relaxed) {
        0 => base::exit(0),
        stack => {
            context.rsp = stack as u64;
            context.rip = leave as *const () as u64;
            context.rflags = 2;
        }
    }
}

/// Runs a trial in this process.
fn in_process<'a>(record: &'a Record, body: &mut dyn FnMut(&'a Record)) {
    prepare(Orphan::Finishes, record);
    let mut run = || {
        body(record);
        record.finish();
    };
    let mut body: &mut dyn FnMut() = &mut run;
    // SAFETY: (1) `trampoline` takes a pointer to such a reference.
    unsafe { attempt(trampoline, &raw mut body as usize, WAY_BACK.as_ptr()) };
    WAY_BACK.store(0, Relaxed);
    linux::alarm(0);
    handle(Disposition::Default);
}

extern "sysv64" fn trampoline(body: usize) {
    let body = body as *mut &mut dyn FnMut();
    // SAFETY: `in_process` hands its own over and waits.
    unsafe { (*body)() };
}

/// Calls `body(argument)` and comes back, either because it returned or through
/// [`leave`]. What `body` held then is lost, not dropped.
///
/// # Safety
/// 1. `argument` is what `body` takes.
#[unsafe(naked)]
unsafe extern "sysv64" fn attempt(body: extern "sysv64" fn(usize), argument: usize, way_back: *mut usize) {
    core::arch::naked_asm!(
        // rdi = body, rsi = argument, rdx = where to keep rsp
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov [rdx], rsp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "jmp {leave}",
        leave = sym leave,
    )
}

/// The end of [`attempt`], with the stack as it was before its call. Handlers
/// lead here.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() -> ! {
    core::arch::naked_asm!(
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Takes the stack back to where [`leave`] wants it.
///
/// # Safety
/// 1. `stack` is what [`attempt`] keeps, and it has not come back.
#[unsafe(naked)]
unsafe extern "sysv64" fn jump(stack: usize) -> ! {
    core::arch::naked_asm!("mov rsp, rdi", "jmp {leave}", leave = sym leave)
}

/// Starts a helper process of the trial's; it dies with the trial.
pub(super) fn helper(record: &Record) -> Result<Option<Pid>, Error> {
    let trial = base::getpid().ok();
    // SAFETY: (1) the process has one thread.
    let child = unsafe { linux::fork() }?;
    if child.is_none() {
        // Its end is no way back into what its parent was doing.
        WAY_BACK.store(0, Relaxed);
        prepare(Orphan::Dies, record);
        // The parent may have died before that. Its successor as parent, or a tracer, never
        // wakes this process.
        if let (Some(trial), Some(parent)) = (trial, linux::getppid().ok())
            && trial != parent
        {
            base::exit(0);
        }
    }
    Ok(child)
}
