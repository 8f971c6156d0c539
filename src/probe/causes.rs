//! Why strategies fail: causes, each with the evidence that it rests on.
//!
//! No cause is named without evidence. If a strategy fails and no cause is found, that is
//! said. A cause can hide another; each is looked for by itself.

mod filter;

use super::host::{Answer, DIRECTORIES, Fact, Host, LIMITS, Name};
use super::out::{Out, contains, fill, number, word};
use super::outcome::{Outcome, Verdict, errno_name};
use super::outcomes::Outcomes;
use super::strategies::{Set, Strategy};
use barejit_sys::signal::Signal;
use barejit_sys::{Errno, Error, Sysno};
pub use filter::Filter;

/// A reason why strategies fail, with the values that show it.
#[derive(Clone, Copy, Debug)]
pub enum Cause<'a> {
    /// PR_SET_MDWE: prctl(PR_GET_MDWE) answers these bits.
    Mdwe(u64),
    /// A seccomp filter.
    Seccomp(Filter<'a>),
    /// SELinux enforces its policy on this security context.
    Selinux(&'a str),
    /// PaX, with these flags.
    Pax(&'a str),
    /// This directory is mounted noexec.
    Noexec(&'static str),
    /// This directory is mounted read-only.
    ReadOnly(&'static str),
    /// The permissions of this directory let the process not write.
    NotWritable(&'static str),
    /// Permissions grant to write to this directory, and open(2) refuses.
    Landlock(&'static str),
    /// vm.memfd_noexec has this level.
    MemfdNoexec(u64),
    /// A resource limit of this name has this soft value.
    Limit(&'static str, u64),
    /// QEMU's user mode, by the name in CPUID.
    Qemu(&'a str),
    /// valgrind answers its client request.
    Valgrind,
    /// The kernel's log names gVisor; the kernel's release.
    Gvisor(&'a str),
    /// Windows' first subsystem for Linux, by the kernel's release.
    Wsl1(&'a str),
    /// Apple's translator, by the processor's name.
    Rosetta(&'a str),
    /// kernel.yama.ptrace_scope has this level.
    Yama(u64),
    /// This process traces the trials.
    Tracer(u64),
    /// Trials ran in one process, for this refusal of fork(2) or wait4(2).
    Confined(Error),
    /// Nothing explains it.
    Unknown,
}

impl Cause<'_> {
    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mdwe(_) => "mdwe",
            Self::Seccomp(_) => "seccomp",
            Self::Selinux(_) => "selinux",
            Self::Pax(_) => "pax",
            Self::Noexec(_) => "noexec",
            Self::ReadOnly(_) => "read-only",
            Self::NotWritable(_) => "not-writable",
            Self::Landlock(_) => "landlock",
            Self::MemfdNoexec(_) => "memfd_noexec",
            Self::Limit(..) => "limits",
            Self::Qemu(_) => "qemu",
            Self::Valgrind => "valgrind",
            Self::Gvisor(_) => "gvisor",
            Self::Wsl1(_) => "wsl1",
            Self::Rosetta(_) => "rosetta",
            Self::Yama(_) => "yama",
            Self::Tracer(_) => "tracer",
            Self::Confined(_) => "confined",
            Self::Unknown => "unknown",
        }
    }

    /// The values that show it, in words.
    fn evidence(&self, out: &mut dyn Out) {
        match *self {
            Self::Mdwe(bits) => fill(out, "prctl(PR_GET_MDWE) = ~", &[number(bits).text()]),
            Self::Seccomp(ref filter) => filter.evidence(out),
            Self::Selinux(context) => fill(out, "no MDWE, no filter, security context ~", &[context]),
            Self::Pax(flags) => fill(out, "PaX: ~", &[flags]),
            Self::Noexec(directory) => fill(out, "mounted noexec: ~", &[directory]),
            Self::ReadOnly(directory) => fill(out, "mounted read-only: ~", &[directory]),
            Self::NotWritable(directory) => fill(out, "access(W_OK) is refused: ~", &[directory]),
            Self::Landlock(directory) => {
                fill(out, "access(W_OK) is granted and open is refused: ~", &[directory]);
            }
            Self::MemfdNoexec(level) => fill(out, "vm.memfd_noexec = ~", &[number(level).text()]),
            Self::Limit(name, soft) => fill(out, "RLIMIT_~ = ~", &[name, number(soft).text()]),
            Self::Qemu(name) => fill(out, "CPUID leaf 0x40000000 says ~", &[name]),
            Self::Valgrind => out.put("valgrind answers its client request"),
            Self::Gvisor(release) => fill(out, "a kernel log that names gVisor, release ~", &[release]),
            Self::Wsl1(release) => fill(out, "release ~", &[release]),
            Self::Rosetta(processor) => fill(out, "processor ~", &[processor]),
            Self::Yama(level) => fill(out, "kernel.yama.ptrace_scope = ~", &[number(level).text()]),
            Self::Tracer(process) => fill(out, "TracerPid: ~", &[number(process).text()]),
            Self::Confined(error) => {
                let errno =
                    if error.errno().into_raw() == 0 { "no effect" } else { errno_name(error.errno()) };
                fill(out, "trials ran in one process, for ~ answers ~", &[error.name(), errno]);
            }
            Self::Unknown => {}
        }
    }

    /// The setting that lifts it here; empty if there is none.
    pub(super) fn remedy(&self, out: &mut dyn Out) -> bool {
        match *self {
            Self::Seccomp(ref filter) => {
                out.put("a seccomp profile that allows ");
                filter.denied(out);
            }
            Self::Noexec(directory) => fill(out, "~ mounted exec", &[directory]),
            Self::ReadOnly(directory) => fill(out, "~ mounted writable", &[directory]),
            Self::NotWritable(directory) => fill(out, "permission to write to ~", &[directory]),
            Self::Landlock(directory) => {
                fill(out, "a Landlock rule that lets files be made in ~", &[directory])
            }
            Self::Limit(name, _) => fill(out, "a higher RLIMIT_~", &[name]),
            _ => match remedy(self.name()) {
                Some(text) => out.put(text),
                None => return false,
            },
        }
        true
    }
}

/// The setting that lifts a cause of this name, whatever it denies, if there is one.
pub fn remedy(cause: &str) -> Option<&'static str> {
    Some(match cause {
        "mdwe" => "MemoryDenyWriteExecute=no in the systemd unit",
        "seccomp" => "a seccomp profile that allows the call",
        "selinux" => "execmem for this domain",
        "pax" => "paxctl -m on the executable",
        "noexec" => "a mount with exec",
        "read-only" => "a writable mount",
        "not-writable" => "permission to write there",
        "landlock" => "a Landlock rule that lets files be made there",
        "memfd_noexec" => "sysctl vm.memfd_noexec=0",
        "limits" => "higher limits",
        _ => return None,
    })
}

/// A cause that holds, and a strategy that shows it.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The cause.
    pub cause: Cause<'a>,
    /// A strategy that fails by it.
    pub shown_by: Option<Strategy>,
}

impl Found<'_> {
    /// The evidence, in words.
    pub fn evidence(&self, outcomes: &Outcomes, out: &mut dyn Out) {
        self.cause.evidence(out);
        let Some(strategy) = self.shown_by else { return };
        let Some(outcome) = outcomes.of(strategy) else { return };
        let separator = if matches!(self.cause, Cause::Unknown) { "" } else { "; " };
        fill(out, "~~: ", &[separator, strategy.name()]);
        outcome.describe(out);
    }
}

/// All causes that hold.
#[derive(Default, Debug)]
pub struct Causes<'a> {
    list: [Option<Found<'a>>; MOST],
}

/// The most causes that can hold: one of each kind, and one for each directory and limit.
pub(super) const MOST: usize = 32;

impl<'a> Causes<'a> {
    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Found<'a>> {
        self.list.iter().flatten()
    }

    /// Keeps one more.
    ///
    /// # Panics
    /// If there are more than can be.
    fn add(&mut self, cause: Cause<'a>, shown_by: Option<Strategy>) {
        let place = self.list.iter_mut().find(|place| place.is_none());
        *place.expect("room for every kind of cause") = Some(Found { cause, shown_by });
    }
}

/// Strategies of memory in which no file system has a say.
const MEMORY: Set = Set::of(&[
    Strategy::AnonWx,
    Strategy::AnonRepatch,
    Strategy::ReserveCommit,
    Strategy::PkeyMprotect,
    Strategy::MremapRxToRw,
    Strategy::MremapRwToRx,
    Strategy::AnonRwx,
    Strategy::AnonMprotectRwx,
    Strategy::ReserveRwx,
    Strategy::Brk,
    Strategy::Stack,
]);

/// Strategies that use a file in one of the directories, in their order.
const FILES: [Strategy; 6] = [
    Strategy::TmpDual,
    Strategy::ShmDual,
    Strategy::VartmpDual,
    Strategy::OtmpfileDual,
    Strategy::HomeDual,
    Strategy::TmpdirDual,
];

/// The evidence that causes are inferred from.
struct Inference<'a, 'b> {
    host: &'a Host,
    outcomes: &'b Outcomes,
    causes: Causes<'a>,
}

impl<'a> Inference<'a, '_> {
    /// The first of the `strategies` whose outcome `is` what is looked for.
    fn first(&self, strategies: Set, is: &dyn Fn(&Outcome) -> bool) -> Option<Strategy> {
        let mut tried = self.outcomes.tried().filter(|(strategy, _)| strategies.contains(*strategy));
        tried.find(|(_, outcome)| is(outcome)).map(|(strategy, _)| strategy)
    }

    fn refused(&self, strategies: Set, errno: Errno) -> Option<Strategy> {
        self.first(strategies, &|outcome| outcome.is_refused_with(errno))
    }

    /// Adds a cause if a strategy shows it and `value` is something.
    fn add_shown(&mut self, value: u64, cause: Cause<'a>, shown_by: Option<Strategy>) {
        if value != 0 && shown_by.is_some() {
            self.causes.add(cause, shown_by);
        }
    }

    /// MDWE, SELinux, PaX.
    fn policies(&mut self) {
        let host = self.host;
        let eacces = self.refused(MEMORY, Errno::EACCES);
        let mdwe = host.level(Fact::Mdwe);
        self.add_shown(mdwe & 1, Cause::Mdwe(mdwe), eacces);
        // An invalid call that the kernel itself refused means that no filter did.
        let unfiltered = host.invalid[1] == Answer::Kernel;
        let context = host.name(Name::Context);
        let labelled = context.bytes().filter(|byte| *byte == b':').count() >= 3;
        let enforced = labelled && host.fact(Fact::SelinuxEnforce) != Some(0);
        if eacces.is_some() && enforced && unfiltered && mdwe == 0 {
            self.causes.add(Cause::Selinux(context), eacces);
        }
        let flags = host.name(Name::Pax);
        let denied = self.first(MEMORY, &|outcome| outcome.verdict == Verdict::Denied);
        self.add_shown(contains(flags.as_bytes(), "M").into(), Cause::Pax(flags), denied);
    }

    /// An answer that no kernel gives to valid arguments.
    fn impossible(&self) -> Option<(Strategy, Error)> {
        let emulated = contains(self.host.name(Name::Hypervisor).as_bytes(), "TCGTCGTCGTCG")
            || self.host.level(Fact::Valgrind) != 0
            || self.host.level(Fact::Gvisor) != 0;
        if emulated {
            return None;
        }
        let mut answers =
            self.outcomes.tried().filter_map(|(strategy, outcome)| Some((strategy, outcome.error?)));
        answers.find(|(_, error)| {
            let never =
                |call| [Errno::ENOSYS, Errno::EINVAL].iter().any(|errno| *error == Error::new(call, *errno));
            never(Sysno::mmap) || never(Sysno::mprotect) || never(Sysno::brk)
        })
    }

    fn seccomp(&mut self) {
        let host = self.host;
        // Under qemu-user the field is the host's, and invalid calls do not reach it.
        let mode = host.fact(Fact::Seccomp);
        if !matches!(mode, None | Some(2)) {
            return;
        }
        let killed = self.first(Set::ALL, &|outcome| outcome.signal == Some(Signal::SYS.number()));
        // A call that needs no privilege and is not about memory is refused with EPERM
        // by filters alone.
        let harmless = |error: Error| {
            [Sysno::personality, Sysno::memfd_create, Sysno::execveat, Sysno::shmget]
                .into_iter()
                .any(|call| error == Error::new(call, Errno::EPERM))
        };
        let denied = self.first(Set::ALL, &|outcome| outcome.error.is_some_and(harmless));
        let impossible = self.impossible().filter(|_| mode.is_some());
        let answered = host.invalid.iter().any(|answer| !matches!(answer, Answer::Unknown | Answer::Kernel));
        let lied = self.first(Set::ALL, &|outcome| outcome.verdict == Verdict::Lied);
        let row = killed
            .or(denied.filter(|_| mode.is_some()))
            .or(impossible.map(|(strategy, _)| strategy))
            .or(lied.filter(|_| mode.is_some()));
        if answered || row.is_some() {
            let filter =
                Filter { mode, answers: &host.invalid, impossible: impossible.map(|(_, error)| error) };
            self.causes.add(Cause::Seccomp(filter), row);
        }
    }

    /// Mounts and permissions.
    fn directories(&mut self) {
        for (i, strategy) in FILES.into_iter().enumerate() {
            let Some(outcome) = self.outcomes.of(strategy) else { continue };
            if outcome.verdict != Verdict::Denied {
                continue;
            }
            let (path, flags) = (word(DIRECTORIES, i), self.host.directories[i].unwrap_or(0));
            // EACCES of open(2): another step or errno has another cause.
            let closed = outcome.error == Some(Error::new(Sysno::open, Errno::EACCES));
            let cause = match self.host.writable[i] {
                _ if flags & Host::NOEXEC != 0 => Cause::Noexec(path),
                _ if flags & Host::READ_ONLY != 0 => Cause::ReadOnly(path),
                Some(false) if closed => Cause::NotWritable(path),
                Some(true) if closed => Cause::Landlock(path),
                _ => continue,
            };
            self.causes.add(cause, Some(strategy));
        }
        let level = self.host.level(Fact::MemfdNoexec);
        // Of level 2 the kernel says so; a filter that answers first hides it, not from us.
        let programs = Set::of(&[Strategy::MemfdDualExec, Strategy::ExecveatMemfd]);
        let row = self.refused(programs, Errno::EACCES).or_else(|| {
            let hidden = self.first(programs, &|outcome| !outcome.works());
            hidden.filter(|_| level >= 2)
        });
        self.add_shown(level, Cause::MemfdNoexec(level), row);
    }

    fn limits(&mut self) {
        // Emulators refuse mremap for reasons of their own.
        let alias = Error::new(Sysno::mremap, Errno::ENOMEM);
        let memory = self.first(Set::ALL, &|outcome| {
            outcome.is_refused_with(Errno::ENOMEM) && outcome.error != Some(alias)
        });
        let file = self.refused(Set::ALL, Errno::EFBIG);
        let descriptors = self.refused(Set::ALL, Errno::EMFILE);
        let forks = self.host.no_fork.is_some_and(|error| error.is(Errno::EAGAIN));
        for (i, row) in [memory, memory, file, None, descriptors].into_iter().enumerate() {
            if let Some(soft) = self.host.limits[i]
                && (row.is_some() || (i == 3 && forks))
            {
                self.causes.add(Cause::Limit(word(LIMITS, i), soft), row);
            }
        }
    }

    fn emulators(&mut self) {
        let host = self.host;
        let odd = self.first(Set::ALL, &|outcome| {
            matches!(outcome.verdict, Verdict::Stale | Verdict::Lied | Verdict::Unavailable)
        });
        let says = |name: Name, part: &str| u64::from(contains(host.name(name).as_bytes(), part));
        let (hypervisor, release) = (host.name(Name::Hypervisor), host.name(Name::Release));
        self.add_shown(says(Name::Hypervisor, "TCGTCGTCGTCG"), Cause::Qemu(hypervisor), odd);
        self.add_shown(host.level(Fact::Valgrind), Cause::Valgrind, odd);
        self.add_shown(host.level(Fact::Gvisor), Cause::Gvisor(release), odd);
        self.add_shown(says(Name::Release, "Microsoft"), Cause::Wsl1(release), odd);
        let processor = host.name(Name::Processor);
        self.add_shown(says(Name::Processor, "VirtualApple"), Cause::Rosetta(processor), odd);
    }

    /// Debugging and forking.
    fn processes(&mut self) {
        let row = self.refused(Set::of(&[Strategy::PtracePoke]), Errno::EPERM);
        let scope = self.host.level(Fact::PtraceScope);
        self.add_shown(scope & !1, Cause::Yama(scope), row);
        let tracer = self.host.level(Fact::Tracer);
        self.add_shown(tracer, Cause::Tracer(tracer), row);
        if let Some(error) = self.host.no_fork
            && !error.is(Errno::EAGAIN)
        {
            self.causes.add(Cause::Confined(error), None);
        }
    }

    /// A failure that nothing explains. An active filter is named, though nothing shows
    /// that it answers.
    fn rest(&mut self) {
        let row = self
            .first(Set::ALL.without(Set::of(&[Strategy::PtracePoke, Strategy::PlainPage])), &|outcome| {
                matches!(outcome.verdict, Verdict::Denied | Verdict::Killed | Verdict::Lied)
            });
        if row.is_none() || self.causes.iter().next().is_some() {
            return;
        }
        let mode = self.host.fact(Fact::Seccomp);
        let cause = match mode {
            Some(2) => Cause::Seccomp(Filter { mode, answers: &self.host.invalid, impossible: None }),
            _ => Cause::Unknown,
        };
        self.causes.add(cause, row);
    }
}

/// Finds out why.
pub(super) fn infer<'a>(host: &'a Host, outcomes: &Outcomes) -> Causes<'a> {
    let mut inference = Inference { host, outcomes, causes: Causes::default() };
    inference.policies();
    inference.seccomp();
    inference.directories();
    inference.limits();
    inference.emulators();
    inference.processes();
    inference.rest();
    inference.causes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::advice::advise;
    use crate::probe::findings::{Report, Request};
    use crate::probe::host;
    use crate::probe::out::Text;
    use crate::probe::outcome::Step;
    use std::boxed::Box;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn ended(verdict: Verdict, step: Step, errno: Option<Errno>) -> Outcome {
        let error = errno.map(|errno| Error::new(Sysno::mprotect, errno));
        let (signal, fresh_after, repatch_ns) = (None, None, None);
        Outcome { verdict, step: Some(step), error, signal, fresh_after, repatch_ns }
    }

    /// The causes inferred from facts, if all rows but these work.
    fn inferred(told: impl FnOnce(&mut Host), rows: &[(Strategy, Outcome)]) -> (Vec<String>, String) {
        let mut host = Host::UNKNOWN;
        host.invalid = [Answer::Kernel; host::INVALID_CALLS];
        told(&mut host);
        let works = Outcome { verdict: Verdict::Works, step: None, ..ended(Verdict::Works, Step::Run, None) };
        let mut outcomes = Outcomes::NONE;
        for strategy in Strategy::ALL {
            outcomes.keep(strategy, works);
        }
        for (strategy, outcome) in rows {
            outcomes.keep(*strategy, *outcome);
        }
        let host: &Host = Box::leak(Box::new(host));
        let causes = infer(host, &outcomes);
        let report = Report { host, outcomes, causes };
        assert!(report.is_usable(Request::default()));
        let mut text = Text::<250>::EMPTY;
        advise(&report, &mut text);
        let causes = report.causes.iter();
        (
            causes
                .map(|found| {
                    let mut evidence = Text::<250>::EMPTY;
                    found.evidence(&report.outcomes, &mut evidence);
                    [found.cause.name(), ": ", evidence.text()].concat()
                })
                .collect(),
            text.text().to_string(),
        )
    }

    fn eacces() -> [(Strategy, Outcome); 1] {
        [(Strategy::AnonWx, ended(Verdict::Denied, Step::Protect, Some(Errno::EACCES)))]
    }

    #[test]
    fn selinux_needs_a_label_and_nobody_else() {
        let label = |host: &mut Host| host.set_name(Name::Context, b"system_u:system_r:container_t:s0");
        let (causes, advice) = inferred(label, &eacces());
        assert_eq!(
            causes,
            ["selinux: no MDWE, no filter, security context system_u:system_r:container_t:s0; \
              anon-wx: EACCES at protect (mprotect)"]
        );
        assert_eq!(advice, "use memfd-dual; to have more: execmem for this domain");
        assert!(inferred(label, &[]).0.is_empty());
        let permissive = |host: &mut Host| {
            label(host);
            host.set_fact(Fact::SelinuxEnforce, Some(0));
        };
        assert!(inferred(permissive, &eacces()).0[0].starts_with("unknown: anon-wx: EACCES"));
        let mdwe = |host: &mut Host| {
            label(host);
            host.set_fact(Fact::Mdwe, Some(1));
        };
        let (causes, _) = inferred(mdwe, &eacces());
        assert_eq!(causes.len(), 1);
        assert!(causes[0].starts_with("mdwe: prctl(PR_GET_MDWE) = 1; anon-wx"));
    }

    #[test]
    fn pax_needs_its_line() {
        let pax = |host: &mut Host| host.set_name(Name::Pax, b"PeMRs");
        assert_eq!(inferred(pax, &eacces()).0, ["pax: PaX: PeMRs; anon-wx: EACCES at protect (mprotect)"]);
        assert!(inferred(pax, &[]).0.is_empty());
        assert!(inferred(|host| host.set_name(Name::Pax, b"Pemrs"), &eacces()).0[0].starts_with("unknown"));
    }

    #[test]
    fn emulators_need_their_names_and_a_row_that_is_odd() {
        let stale = [(Strategy::MemfdDual, ended(Verdict::Stale, Step::Rerun, None))];
        for (name, text, cause) in [
            (Name::Release, &b"4.4.0-19041-Microsoft"[..], "wsl1"),
            (Name::Processor, b"VirtualApple @ 2.50GHz", "rosetta"),
            (Name::Hypervisor, b"TCGTCGTCGTCG", "qemu"),
        ] {
            let (causes, _) = inferred(|host| host.set_name(name, text), &stale);
            assert_eq!(causes.len(), 1);
            assert!(causes[0].starts_with(cause) && causes[0].contains("; memfd-dual: stale at rerun"));
            assert!(inferred(|host| host.set_name(name, text), &[]).0.is_empty());
        }
        let wsl2 = |host: &mut Host| host.set_name(Name::Release, b"5.15.90.1-microsoft-standard-WSL2");
        assert!(inferred(wsl2, &stale).0.is_empty());
    }

    #[test]
    fn limits_are_no_cause_of_what_emulators_refuse() {
        let limit = |host: &mut Host| host.limits[0] = Some(1 << 36);
        let denied = |call| Outcome {
            error: Some(Error::new(call, Errno::ENOMEM)),
            ..ended(Verdict::Denied, Step::Obtain, None)
        };
        let (causes, _) = inferred(limit, &[(Strategy::MremapRxToRw, denied(Sysno::mremap))]);
        assert_eq!(causes, ["unknown: mremap-rx-to-rw: ENOMEM at obtain (mremap)"]);
        let (causes, _) = inferred(limit, &[(Strategy::AnonWx, denied(Sysno::mmap))]);
        assert_eq!(causes, ["limits: RLIMIT_AS = 68719476736; anon-wx: ENOMEM at obtain (mmap)"]);
    }
}
