//! Why rows fail: causes, each with the evidence that it rests on, and what a
//! person can do. No cause is named without evidence; if rows fail and none is found,
//! that is said.

use super::host::{Answer, DIRECTORIES, Fact, Host, LIMITS, Name, invalid_call};
use super::out::{Out, Text, all, contains, fill, number, word};
use super::report::{ending, errno_name};
use super::rows::{COUNT, place, set};
use super::{Fresh, Outcome, ROWS, Report, Use, Verdict};
use barejit_sys::{Errno, Error, Sysno, piece, signal::Signal};

/// A reason why rows fail.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    /// Its name in reports.
    pub name: &'static str,
    /// What shows that it holds.
    pub evidence: Text<200>,
}

/// All causes that hold.
#[derive(Default, Debug)]
pub struct Causes {
    list: [Option<Cause>; Self::MOST],
}

impl Causes {
    /// There is room for no more.
    pub(super) const MOST: usize = 20;

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Cause> {
        self.list.iter().flatten()
    }

    /// Whether this one holds.
    pub fn holds(&self, name: &str) -> bool {
        self.iter().any(|cause| cause.name == name)
    }
}

/// Where causes are collected, with what they are inferred from.
struct Inference<'a> {
    host: &'a Host,
    outcomes: &'a [Option<Outcome>; COUNT],
    causes: &'a mut Causes,
}

/// Rows that test memory in which no file system has a say.
const MEMORY: u32 = set(&[
    "anon-wx",
    "anon-repatch",
    "reserve-commit",
    "pkey-mprotect",
    "mremap-rx-to-rw",
    "mremap-rw-to-rx",
    "anon-rwx",
    "brk",
    "stack",
]);
/// Rows that a level of vm.memfd_noexec denies.
const PROGRAMS: u32 = set(&["memfd-dual-exec", "execveat-memfd"]);
/// Rows that use a file in one of [`DIRECTORIES`], in that order.
const FILES: [u32; 4] =
    [set(&["tmp-dual"]), set(&["shm-dual"]), set(&["vartmp-dual"]), set(&["otmpfile-dual"])];
const PTRACE: u32 = set(&["ptrace-poke"]);
const CONTROL: u32 = set(&["control"]);
const ALL: u32 = u32::MAX;

/// A row that shows that a cause holds.
type Shown<'a> = Option<&'a Outcome>;

impl<'a> Inference<'a> {
    /// The first of the `rows` whose outcome `is` what is looked for.
    #[inline(never)]
    fn first(&self, rows: u32, is: &dyn Fn(&Outcome) -> bool) -> Shown<'a> {
        let tried = self.outcomes.iter().enumerate().filter(|(row, _)| rows >> row & 1 != 0);
        tried.filter_map(|(_, outcome)| outcome.as_ref()).find(|outcome| is(outcome))
    }

    #[inline(never)]
    fn ended(&self, rows: u32, verdict: Verdict) -> Shown<'a> {
        self.first(rows, &|outcome| outcome.verdict == verdict)
    }

    #[inline(never)]
    fn refused(&self, rows: u32, errno: Errno) -> Shown<'a> {
        self.first(rows, &|outcome| outcome.error.is_some_and(|error| error.is(errno)))
    }

    /// Notes a cause. Its evidence is what follows its name and a blank in
    /// `cause`, values and a row.
    #[inline(never)]
    fn add(&mut self, cause: &'static str, values: &[&str], row: Shown<'_>) {
        let Some(place) = self.causes.list.iter_mut().find(|place| place.is_none()) else { return };
        let name = word(cause, 0);
        let text = &mut place.insert(Cause { name, evidence: Text::EMPTY }).evidence;
        text.put(cause.get(name.len() + 1..).unwrap_or_default());
        all(text, values);
        if let Some(outcome) = row {
            let separator = if text.is_empty() { "" } else { "; " };
            all(text, &[separator, outcome.row.name(), ": "]);
            ending(outcome, text);
        }
    }

    /// The same if a fact has a bit of the `mask`, with that for the value.
    #[inline(never)]
    fn add_level(&mut self, cause: &'static str, fact: Fact, mask: u64, row: Shown<'_>) {
        let level = self.host.level(fact);
        if level & mask != 0 {
            self.add(cause, &[number(level).text()], row);
        }
    }

    /// The same if a row shows it and a name contains `part`.
    #[inline(never)]
    fn add_name(&mut self, cause: &'static str, name: Name, part: &str, row: Shown<'_>) {
        let name = self.host.name(name);
        if row.is_some() && contains(name.as_bytes(), part) {
            self.add(cause, &[name], row);
        }
    }

    /// MDWE, SELinux, PaX, an execution domain.
    #[inline(never)]
    fn policies(&mut self) {
        let host = self.host;
        let eacces = self.refused(MEMORY, Errno::EACCES);
        self.add_level("mdwe prctl(PR_GET_MDWE) = ", Fact::Mdwe, 1, eacces);
        // An invalid call that the kernel itself refused means that no filter did.
        let unfiltered = host.invalid[1] == Answer::Kernel;
        let context = host.name(Name::Context);
        let labelled = context.bytes().filter(|byte| *byte == b':').count() >= 3;
        let enforced = labelled && host.fact(Fact::SelinuxEnforce) != Some(0);
        if eacces.is_some() && enforced && unfiltered && host.level(Fact::Mdwe) == 0 {
            self.add("selinux no MDWE, no filter, security context ", &[context], eacces);
        }
        self.add_name("pax PaX: ", Name::Pax, "M", self.ended(MEMORY, Verdict::Denied));
        let control = self.ended(CONTROL, Verdict::Works);
        self.add_level("read-implies-exec personality = ", Fact::Personality, 0x0040_0000, control);
    }

    #[inline(never)]
    fn seccomp(&mut self) {
        let host = self.host;
        // Under qemu-user the field is the host's, and invalid calls do not reach it.
        let mode = host.fact(Fact::Seccomp);
        if !matches!(mode, None | Some(2)) {
            return;
        }
        let killed = self.first(ALL, &|outcome| outcome.signal == Some(Signal::SYS.number()));
        // What needs no privilege and is not about memory is refused with EPERM
        // by filters alone.
        let harmless = |error: Error| {
            [Sysno::personality, Sysno::memfd_create, Sysno::execveat, Sysno::shmget]
                .into_iter()
                .any(|call| error == Error::new(call, Errno::EPERM))
        };
        let denied = self.first(ALL, &|outcome| outcome.error.is_some_and(harmless));
        let row = killed.or(denied.filter(|_| mode.is_some()));
        let mut evidence = Text::<200>::EMPTY;
        evidence.put(if mode.is_some() { "Seccomp: 2" } else { "Seccomp: unknown" });
        let mut answered = false;
        // Calls with the same answer share a clause.
        'answers: for (i, answer) in host.invalid.iter().enumerate() {
            if matches!(answer, Answer::Unknown | Answer::Kernel) {
                continue;
            }
            let mut word = "; invalid ";
            for (which, other) in host.invalid.iter().enumerate() {
                if other != answer {
                    continue;
                }
                if which < i {
                    continue 'answers;
                }
                all(&mut evidence, &[word, invalid_call(which)]);
                word = ", ";
            }
            let (says, errno) = match *answer {
                Answer::Errno(errno) => (" answer ", errno_name(errno)),
                Answer::Success => (" claim success", ""),
                Answer::Trap => (" raise SIGSYS", ""),
                _ => (" are killed by SIGSYS", ""),
            };
            let instead = if errno.is_empty() { "" } else { ", not EINVAL" };
            all(&mut evidence, &[says, errno, instead]);
            answered = true;
        }
        if answered || row.is_some() {
            self.add("seccomp ", &[evidence.text()], row);
        }
    }

    /// Files and limits.
    #[inline(never)]
    fn places(&mut self) {
        let host = self.host;
        for (i, &rows) in FILES.iter().enumerate() {
            let (path, flags) = (word(DIRECTORIES, i), host.directories[i].unwrap_or(0));
            let denied = self.ended(rows, Verdict::Denied);
            if denied.is_some() && flags & Host::NOEXEC != 0 {
                self.add("noexec mounted noexec: ", &[path], denied);
            } else if denied.is_some() && flags & Host::READ_ONLY != 0 {
                self.add("read-only mounted read-only: ", &[path], denied);
            }
        }
        let row = self.refused(PROGRAMS, Errno::EACCES);
        if row.is_some() {
            self.add_level("memfd_noexec vm.memfd_noexec = ", Fact::MemfdNoexec, ALL.into(), row);
        }
        // Emulators refuse mremap for reasons of their own.
        let alias = Error::new(Sysno::mremap, Errno::ENOMEM);
        let memory = self.first(ALL, &|outcome| {
            outcome.error.is_some_and(|error| error.is(Errno::ENOMEM) && error != alias)
        });
        let file = self.first(ALL, &|outcome| {
            outcome.signal == Some(Signal::XFSZ.number())
                || outcome.error.is_some_and(|error| error.is(Errno::EFBIG))
        });
        let forks = host.confined.is_some_and(|error| error.is(Errno::EAGAIN));
        for (i, &row) in [memory, memory, file, None].iter().enumerate() {
            let more = if i == 3 && forks { "; fork: EAGAIN" } else { "" };
            if let Some(soft) = host.limits[i]
                && (row.is_some() || !more.is_empty())
            {
                let soft = number(soft);
                self.add("limits RLIMIT_", &[word(LIMITS, i), " = ", soft.text(), more], row);
            }
        }
    }

    #[inline(never)]
    fn emulators(&mut self) {
        let host = self.host;
        let row = self.first(ALL, &|outcome| {
            matches!(outcome.verdict, Verdict::Stale | Verdict::Lied | Verdict::Unavailable)
        });
        self.add_name("qemu CPUID leaf 0x40000000 says ", Name::Hypervisor, "TCGTCGTCGTCG", row);
        if row.is_some() && host.level(Fact::Valgrind) != 0 {
            self.add("valgrind valgrind answers its client request", &[], row);
        }
        if row.is_some() && host.level(Fact::Gvisor) != 0 {
            self.add("gvisor a kernel log that names gVisor, release ", &[host.name(Name::Release)], row);
        }
        self.add_name("wsl1 release ", Name::Release, "Microsoft", row);
        self.add_name("rosetta processor ", Name::Processor, "VirtualApple", row);
    }

    /// Debugging and forking.
    #[inline(never)]
    fn processes(&mut self) {
        let row = self.refused(PTRACE, Errno::EPERM);
        if row.is_some() {
            self.add_level("yama kernel.yama.ptrace_scope = ", Fact::PtraceScope, !1, row);
            self.add_level("tracer TracerPid: ", Fact::Tracer, !0, row);
        }
        if let Some(error) = self.host.confined
            && !self.causes.holds("limits")
        {
            let values = [error.name(), " answers ", errno_name(error.errno())];
            self.add("confined trials ran in one process, for ", &values, None);
        }
    }

    /// A failure that nothing explains.
    fn rest(&mut self) {
        let row = self.first(!(PTRACE | CONTROL), &|outcome| {
            matches!(outcome.verdict, Verdict::Denied | Verdict::Killed | Verdict::Lied)
        });
        if row.is_some() && self.causes.iter().next().is_none() {
            self.add("unknown", &[], row);
        }
    }
}

/// Fills in why.
pub(super) fn infer(report: &mut Report<'_>) {
    let mut inference =
        Inference { host: report.host, outcomes: &report.outcomes, causes: &mut report.causes };
    inference.policies();
    inference.seccomp();
    inference.places();
    inference.emulators();
    inference.processes();
    inference.rest();
}

/// W^X rows in the order in which a JIT should want them: no mapping writable and
/// executable at once, cheap to rewrite, and coherent everywhere. The others
/// follow in the order of the table.
const PREFERENCE: [usize; 9] = [
    place("anon-wx"),
    place("memfd-dual"),
    place("memfd-dual-exec"),
    place("memfd-sealed"),
    place("tmp-dual"),
    place("shm-dual"),
    place("vartmp-dual"),
    place("otmpfile-dual"),
    place("mremap-rx-to-rw"),
];

impl Report<'_> {
    /// The outcome that a JIT should want most of those for a purpose that are
    /// as asked for.
    #[inline(never)]
    fn first(&self, purpose: Use, is: &dyn Fn(&Outcome) -> bool) -> Option<&Outcome> {
        let rows = PREFERENCE.iter().copied().chain(0..COUNT);
        let mut tried = rows.filter_map(|row| self.outcomes.get(row)?.as_ref());
        tried.find(|outcome| outcome.row.purpose == purpose && is(outcome))
    }
}

/// The eight causes that something lifts, a blank between each two.
const LIFTED: &str = "mdwe seccomp selinux pax noexec read-only memfd_noexec limits";

/// What lifts them, in that order, a bar between each two.
const REMEDIES: &str = "MemoryDenyWriteExecute=no in the systemd unit|a seccomp profile that lets PROT_EXEC pass|\
    execmem for this domain|paxctl -m on the executable|a mount with exec|a writable mount|\
    sysctl vm.memfd_noexec=0|higher limits";

/// What lifts a cause, if anything does.
pub fn remedy(cause: &str) -> Option<&'static str> {
    (0..8).find(|i| word(LIFTED, *i) == cause).map(|i| piece(REMEDIES, b'|', i))
}

/// Says what to do, in a sentence.
pub(super) fn advice(report: &Report<'_>, out: &mut dyn Out) {
    let best = report.first(Use::Wx, &Outcome::works);
    let stale = report.first(Use::Wx, &|outcome| outcome.fresh_after.is_some());
    let fresh = stale.and_then(|outcome| outcome.fresh_after).map_or("", Fresh::name);
    let name = |outcome: &Outcome| outcome.row.name();
    match (best, stale, report.first(Use::Unprotected, &Outcome::works)) {
        (Some(row), ..) => fill(out, "use ~", &[name(row)]),
        (_, Some(row), _) => {
            fill(out, "use ~ and make every rewrite visible by ~", &[name(row), fresh]);
        }
        (.., Some(row)) => fill(out, "only ~ works, which gives W^X up", &[name(row)]),
        _ => out.put("no way is left for a JIT: interpret"),
    }
    if let (Some(_), Some(row)) = (best, stale) {
        fill(out, "; after a rewrite ~ runs old code until ~", &[name(row), fresh]);
    }
    let works = report.sets().1;
    if works >> PREFERENCE[0] & 1 != 0 {
        if works >> PREFERENCE[1] & 1 != 0 {
            fill(out, "; ~ where rewrites must be cheap", &[ROWS[PREFERENCE[1]].name()]);
        }
        return;
    }
    let mut before = "; to have more: ";
    for i in 0..8 {
        if report.causes.holds(word(LIFTED, i)) {
            all(out, &[before, piece(REMEDIES, b'|', i)]);
            before = ", ";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Request, Step, host};
    use super::*;
    use std::boxed::Box;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn ended(verdict: Verdict, step: Step, errno: Option<Errno>) -> Outcome {
        let error = errno.map(|errno| Error::new(Sysno::mprotect, errno));
        let (signal, fresh_after, repatch_ns) = (None, None, None);
        Outcome { row: &ROWS[0], verdict, step: Some(step), error, signal, fresh_after, repatch_ns }
    }

    /// What is inferred from facts, if all rows but these work.
    fn inferred(told: impl FnOnce(&mut Host), rows: &[(&str, Outcome)]) -> (Vec<String>, String) {
        let mut host = Host::UNKNOWN;
        host.invalid = [Answer::Kernel; host::INVALID_CALLS];
        told(&mut host);
        let works = Outcome { verdict: Verdict::Works, step: None, ..ended(Verdict::Works, Step::Run, None) };
        let mut report = Report {
            host: Box::leak(Box::new(host)),
            outcomes: core::array::from_fn(|i| Some(Outcome { row: &ROWS[i], ..works })),
            causes: Causes::default(),
        };
        for (name, outcome) in rows {
            let row = place(name);
            report.outcomes[row] = Some(Outcome { row: &ROWS[row], ..*outcome });
        }
        infer(&mut report);
        assert!(report.is_usable(Request::default()));
        let mut text = Text::<250>::EMPTY;
        advice(&report, &mut text);
        let causes = report.causes.iter();
        (
            causes.map(|cause| [cause.name, ": ", cause.evidence.text()].concat()).collect(),
            text.text().to_string(),
        )
    }

    fn eacces() -> [(&'static str, Outcome); 1] {
        [("anon-wx", ended(Verdict::Denied, Step::Protect, Some(Errno::EACCES)))]
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
        let stale = [("memfd-dual", ended(Verdict::Stale, Step::Rerun, None))];
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
        let (causes, _) = inferred(limit, &[("mremap-rx-to-rw", denied(Sysno::mremap))]);
        assert_eq!(causes, ["unknown: mremap-rx-to-rw: ENOMEM at obtain (mremap)"]);
        let (causes, _) = inferred(limit, &[("anon-wx", denied(Sysno::mmap))]);
        assert_eq!(causes, ["limits: RLIMIT_AS = 68719476736; anon-wx: ENOMEM at obtain (mmap)"]);
    }

    #[test]
    fn a_control_that_runs_is_explained_by_the_personality() {
        let persona = |host: &mut Host| host.set_fact(Fact::Personality, Some(0x0040_0000));
        let (causes, _) = inferred(persona, &[]);
        assert_eq!(causes.len(), 1);
        assert!(causes[0].starts_with("read-implies-exec: personality = 4194304; control: works"));
    }
}
