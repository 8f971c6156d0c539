//! The tracer: receives the stops of all threads, pairs entries of calls with their exits,
//! and has what was refused looked into. It changes nothing in them.
//!
//! ```text
//! no filter active     PTRACE_CONT ──▶ SECCOMP_RET_TRACE at a watched call
//!                                  ──▶ PTRACE_SYSCALL to its exit
//! a filter is active   PTRACE_SYSCALL ──▶ every entry ──▶ every exit
//! ```
//!
//! Answers of a filter like ERRNO, TRAP and KILL outrank SECCOMP_RET_TRACE (seccomp(2)),
//! so where one is active calls are seen by entry stops, which come before all filters.
//! A thread that installs a filter is followed that way from then on, and so are its
//! children.
//!
//! A call that a filter answers with SIGSYS leaves the call's own number in RAX, if its
//! exit is seen at all; the signal, or the end of the thread, then tells.

use super::calls::{self, Call};
use super::cause::{Answer, Case, Restrictions};
use super::finding::{End, Findings, is_library};
use super::proc::{self, Maps};
use alloc::{format, string::String, vec::Vec};
use barejit_sys::{
    Errno, Error, Sysno,
    linux::tracing::{self, Event, Place, Resume, Status, Tid, options},
    signal::{self, Signal},
};

/// A traced thread.
#[derive(Clone, Copy)]
struct Thread {
    tid: Tid,
    /// Its process, once that was asked for.
    process: Option<Tid>,
    /// It stops at every call.
    every: bool,
    restrictions: Restrictions,
    /// The watched call that it is in.
    call: Option<Call>,
    /// The watched call that it was in last, if RAX then held the number of the call.
    doubt: Option<Call>,
}

/// News about the command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// It stopped by this signal, as ^Z has it.
    Stopped,
    /// It goes on.
    Continued,
    /// It ended.
    Ended(End),
    /// The first refusal was found.
    Refused,
}

/// How threads are traced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// Every call stops, for a filter is active or there is none of ours.
    pub(super) every: bool,
    /// Filters of ours that the threads have: one or none.
    pub(super) own_filters: u64,
    /// The tracer is the administrator's: it changes no privilege of a tracee.
    pub(super) privileged: bool,
    /// MDWE is in force from the start.
    pub(super) mdwe: bool,
}

/// The tracer of a command and of all that it starts.
pub(super) struct Tracer {
    /// Sorted by number.
    threads: Vec<Thread>,
    command: Tid,
    mode: Mode,
    pub(super) findings: Findings,
    /// Whether the command runs what it was started for.
    pub(super) executed: bool,
}

/// The options that tracees are seized with.
pub(super) fn options(mode: Mode) -> u32 {
    let common = options::SYSGOOD | options::CHILDREN | options::EXEC | options::SECCOMP | options::EXITKILL;
    if mode.every { common | options::EXIT } else { common }
}

impl Tracer {
    /// The tracer of a command that was seized and has stopped.
    pub(super) fn new(command: Tid, mode: Mode) -> Self {
        let restrictions = Restrictions { mdwe: mode.mdwe, ..Restrictions::default() };
        let (call, doubt) = (None, None);
        let first =
            Thread { tid: command, process: Some(command), every: mode.every, restrictions, call, doubt };
        let findings = Findings { threads: 1, ..Findings::default() };
        Self { threads: Vec::from([first]), command, mode, findings, executed: false }
    }

    fn place(&self, tid: Tid) -> Result<usize, usize> {
        self.threads.binary_search_by_key(&tid, |thread| thread.tid)
    }

    fn thread(&mut self, tid: Tid) -> Option<&mut Thread> {
        let place = self.place(tid).ok()?;
        self.threads.get_mut(place)
    }

    /// Lets a stopped thread go on. One that was killed meanwhile is waited for like any
    /// other.
    fn resume(&mut self, tid: Tid, signal: u8) {
        let to_call = self.thread(tid).is_some_and(|thread| thread.every || thread.call.is_some());
        let how = if to_call { Resume::ToSyscall } else { Resume::Run };
        let _ = tracing::resume(tid, how, signal);
    }

    /// The first resumption of the command.
    pub(super) fn start(&mut self) {
        self.resume(self.command, 0);
    }

    /// Adds a thread that `parent` made. It inherits all but the call.
    fn adopt(&mut self, tid: Tid, parent: Tid) {
        let Err(place) = self.place(tid) else { return };
        let (every, restrictions) = match self.thread(parent) {
            Some(parent) => (parent.every, parent.restrictions),
            None => (self.mode.every, Restrictions { mdwe: self.mode.mdwe, ..Restrictions::default() }),
        };
        let thread = Thread { tid, process: None, every, restrictions, call: None, doubt: None };
        self.threads.insert(place, thread);
    }

    /// Adds a thread whose first stop came before its parent's.
    fn adopt_early(&mut self, tid: Tid) {
        let status = proc::file(tid.number(), "status");
        let number = |key| proc::number(&status, key).map_or(tid, |number| Tid::new(number as i32));
        let process = number("Tgid:");
        self.adopt(tid, if process == tid { number("PPid:") } else { process });
    }

    /// The process of a thread.
    fn process(&mut self, tid: Tid) -> Tid {
        if let Some(known) = self.thread(tid).and_then(|thread| thread.process) {
            return known;
        }
        let status = proc::file(tid.number(), "status");
        let process = proc::number(&status, "Tgid:").map_or(tid, |number| Tid::new(number as i32));
        if let Some(thread) = self.thread(tid) {
            thread.process = Some(process);
        }
        process
    }

    /// Waits for what comes next and deals with it; `None` is the end of all tracees.
    ///
    /// # Errors
    /// The errno of wait4(2): EINTR if a signal came to the tracer.
    pub(super) fn step(&mut self) -> Result<Option<News>, Error> {
        loop {
            let Some((tid, status)) = tracing::wait_any(true)? else { return Ok(None) };
            if let Some(news) = self.stopped(tid, status) {
                return Ok(Some(news));
            }
        }
    }

    fn stopped(&mut self, tid: Tid, status: Status) -> Option<News> {
        let gone = matches!(status, Status::Exited(_) | Status::Killed(_));
        if !gone && self.place(tid).is_err() {
            self.adopt_early(tid);
        }
        let refused = self.findings.refusals.len();
        let mut news = None;
        match status {
            Status::Exited(status) => return self.ended(tid, End::Exited(status)),
            Status::Killed(signal) => return self.ended(tid, End::Killed(signal)),
            Status::Syscall => {
                self.at_call(tid);
                self.resume(tid, 0);
            }
            Status::Signal(number) => {
                self.delivered(tid, number);
                self.resume(tid, number);
            }
            Status::Event(Event::Stop(number)) if number != Signal::TRAP.number() => {
                let _ = tracing::resume(tid, Resume::Listen, 0);
                news = (tid == self.command).then_some(News::Stopped);
            }
            Status::Event(event) => {
                self.event(tid, event);
                self.resume(tid, 0);
                let command = tid == self.command && matches!(event, Event::Stop(_));
                news = command.then_some(News::Continued);
            }
        }
        if refused == 0 && !self.findings.refusals.is_empty() { Some(News::Refused) } else { news }
    }

    fn ended(&mut self, tid: Tid, end: End) -> Option<News> {
        if end == End::Killed(Signal::SYS.number()) {
            // The thread is gone, and with it the stack that told the function that asked.
            self.trapped(tid);
        }
        if let Ok(place) = self.place(tid) {
            self.threads.remove(place);
        }
        self.findings.end(tid, end);
        (tid == self.command).then_some(News::Ended(end))
    }

    fn event(&mut self, tid: Tid, event: Event) {
        match event {
            Event::Child => {
                if let Ok(child) = tracing::event_message(tid) {
                    self.adopt(Tid::new(child as i32), tid);
                    self.findings.threads += 1;
                }
            }
            Event::Exec => self.executed(tid),
            Event::Seccomp => self.at_call(tid),
            // Of a thread that SIGSYS ends, registers and mappings are still there.
            Event::Exit => {
                let by_sigsys = |status| status & 0x7F == u64::from(Signal::SYS.number());
                if tracing::event_message(tid).is_ok_and(by_sigsys) {
                    self.trapped(tid);
                }
            }
            // One that was made to stop because a filter holds for it now, too.
            Event::Stop(_) if self.thread(tid).is_some_and(|thread| thread.every) => {
                let _ = tracing::set_options(tid, options(Mode { every: true, ..self.mode }));
            }
            Event::Stop(_) | Event::Other(_) => {}
        }
    }

    /// Another program runs. Its thread has the number of the process now, and the other
    /// threads are gone.
    fn executed(&mut self, tid: Tid) {
        let former = tracing::event_message(tid).map_or(tid, |former| Tid::new(former as i32));
        if former != tid
            && let Ok(place) = self.place(former)
        {
            let thread = self.threads.remove(place);
            if let Some(first) = self.thread(tid) {
                *first = Thread { tid, ..thread };
            }
        }
        self.executed |= tid == self.command;
        if let Some(program) = self.gains_privileges(tid) {
            self.findings.differs(format!(
                "{program} is setuid, setgid or has file capabilities: traced or under no_new_privs it runs \
                 without them; run barejit as root"
            ));
        }
    }

    /// The program that a process has begun, if it would have more rights untraced.
    fn gains_privileges(&self, tid: Tid) -> Option<String> {
        if self.mode.privileged {
            return None;
        }
        let path = proc::link(tid.number(), "exe");
        let (file, stat) = proc::open_seen(tid.number(), &path)?;
        let gains = stat.mode & 0o6000 != 0 && stat.owner != tracing::user();
        (gains || tracing::has_capabilities(file.fd())).then(|| proc::clean(&path))
    }

    /// An entry, an exit, or the stop that our filter asks for at an entry.
    fn at_call(&mut self, tid: Tid) {
        match tracing::place(tid) {
            Ok(Some(Place::Entry(number, arguments))) => {
                let call = Call { number, arguments };
                let watched = call.is_watched();
                if let Some(thread) = self.thread(tid) {
                    thread.doubt = None;
                    thread.call = watched.then_some(call);
                }
            }
            Ok(Some(Place::Exit(answer))) => {
                let Some(thread) = self.thread(tid) else { return };
                let Some(call) = thread.call.take() else { return };
                if thread.every && answer as u64 == call.number {
                    thread.doubt = Some(call);
                } else {
                    self.answered(tid, &call, answer);
                }
                self.findings.calls += 1;
            }
            // A call of another architecture, or a thread that was killed.
            Ok(None) => {
                self.findings.differs(String::from("a 32-bit or x32 program ran: its calls are not watched"))
            }
            Err(_) => {}
        }
    }

    /// A signal is about to be delivered.
    fn delivered(&mut self, tid: Tid, number: u8) {
        let by_filter = |code| code == signal::SECCOMP;
        if number == Signal::SYS.number() && tracing::signal_code(tid).is_ok_and(by_filter) {
            self.trapped(tid);
        } else if let Some(thread) = self.thread(tid) {
            thread.doubt = None;
        }
    }

    /// A filter has answered the call that the thread was in with SIGSYS.
    fn trapped(&mut self, tid: Tid) {
        let Some(thread) = self.thread(tid) else { return };
        if let Some(call) = thread.call.take().or(thread.doubt.take()) {
            self.refuse(tid, &call, Answer::Signal(Signal::SYS.number()));
        }
    }

    fn answered(&mut self, tid: Tid, call: &Call, answer: i64) {
        const LAST_ERRNO: i64 = 4095;
        if (-LAST_ERRNO..0).contains(&answer) {
            let errno = Errno::new(-answer as i32);
            if call.is(Sysno::ptrace) && errno == Errno::EPERM {
                let program = proc::clean(&proc::link(tid.number(), "exe"));
                self.findings.differs(format!(
                    "{program} traces itself or another process, which a tracer refuses: it may behave \
                     differently; start barejit inside, or use --pid"
                ));
            }
            self.refuse(tid, call, Answer::Errno(errno));
            return;
        }
        self.restricted(tid, call);
        if !call.asks_for_execution() {
            return;
        }
        let every = self.thread(tid).is_some_and(|thread| thread.every);
        if every && !self.has_effect(tid, call, answer as u64) {
            self.refuse(tid, call, Answer::NoEffect);
        } else if !is_library(call) && !self.findings.refusals.is_empty() {
            let process = self.process(tid);
            self.findings.grant(process, call, &mut || Maps::of(process.number()));
        }
    }

    /// Whether memory that a call claims to have made executable is so.
    fn has_effect(&mut self, tid: Tid, call: &Call, answer: u64) -> bool {
        let process = self.process(tid);
        let address = if call.is(Sysno::mmap) || call.is(Sysno::shmat) { answer } else { call.arguments[0] };
        let maps = Maps::of(process.number());
        // Of a process whose mappings cannot be read nothing is claimed.
        let nothing = call.memory().is_some_and(|[_, size]| size == 0);
        nothing || maps.len() == 0 || maps.at(address).is_some_and(proc::Mapping::is_executable)
    }

    fn refuse(&mut self, tid: Tid, call: &Call, answer: Answer) {
        let process = self.process(tid);
        if self.findings.repeats(tid, process, call, answer) {
            return;
        }
        let maps = Maps::of(process.number());
        let case = Case {
            tid,
            process: process.number(),
            call,
            answer,
            maps: &maps,
            restrictions: self.thread(tid).map_or_else(Restrictions::default, |thread| thread.restrictions),
            own_filters: self.mode.own_filters,
        };
        self.findings.refuse(&case);
    }

    /// Has threads bear what a call that succeeded put upon them.
    fn restricted(&mut self, tid: Tid, call: &Call) {
        const FLAG_TSYNC: u64 = 1;
        let [first, second, ..] = call.arguments;
        let filter =
            call.is(Sysno::seccomp) && first <= 1 || call.is(Sysno::prctl) && first == calls::PR_SET_SECCOMP;
        let mdwe = call.is(Sysno::prctl) && first == calls::PR_SET_MDWE;
        let landlock = call.is(Sysno::landlock_restrict_self);
        if !(filter || mdwe || landlock) {
            return;
        }
        let process = self.process(tid);
        let all = mdwe || call.is(Sysno::seccomp) && second & FLAG_TSYNC != 0;
        let tids: Vec<Tid> = self.threads.iter().map(|thread| thread.tid).collect();
        for other in tids {
            if other == tid || all && self.process(other) == process {
                self.bear(other, filter, mdwe, landlock);
                // One that runs must be made to stop, to go on from call to call.
                if filter && other != tid {
                    let _ = tracing::interrupt(other);
                }
            }
        }
        let program = proc::clean(&proc::link(process.number(), "exe"));
        let what = match (filter, mdwe) {
            (true, _) => "a seccomp filter on itself; every call is watched from then on",
            (_, true) => "MDWE on itself (prctl(PR_SET_MDWE))",
            _ => "a Landlock ruleset on itself",
        };
        self.findings.restricts(format!("{program} put {what}"));
    }

    fn bear(&mut self, tid: Tid, filter: bool, mdwe: bool, landlock: bool) {
        let Some(thread) = self.thread(tid) else { return };
        thread.restrictions.mdwe |= mdwe;
        thread.restrictions.mdwe_seen |= mdwe;
        thread.restrictions.landlock |= landlock;
        if filter {
            thread.restrictions.filters_seen += 1;
            thread.every = true;
            // One that runs cannot take options, and is interrupted.
            let _ = tracing::set_options(tid, options(Mode { every: true, ..self.mode }));
        }
    }

    /// How many threads are left.
    pub(super) fn left(&self) -> usize {
        self.threads.len()
    }
}
