//! Why a call was refused: the answer, the limits and restrictions of the process that
//! made it, and the file that it was about. A cause is named only with its evidence.

use super::calls::{self, Call};
use super::proc::{self, Maps};
use alloc::{format, string::String};
use barejit_sys::{Errno, Sysno, linux::tracing::Tid};

/// How a watched call was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// It answered this errno.
    Errno(Errno),
    /// This signal came in its place, or ended the process.
    Signal(u8),
    /// It claimed success, and the mapping is not executable.
    NoEffect,
}

/// A reason, by the name that the probe has for it, and what shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cause {
    pub(super) name: &'static str,
    pub(super) evidence: String,
}

/// Restrictions that a process was seen to put upon itself, or its parents before it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Restrictions {
    /// PR_SET_MDWE is in force.
    pub(super) mdwe: bool,
    /// It was set while this was watched.
    pub(super) mdwe_seen: bool,
    /// Filters that were installed while this was watched.
    pub(super) filters_seen: u32,
    /// landlock_restrict_self(2) was called.
    pub(super) landlock: bool,
}

/// A refused call with all that its cause is inferred from.
pub(super) struct Case<'a> {
    pub(super) tid: Tid,
    pub(super) process: i32,
    pub(super) call: &'a Call,
    pub(super) answer: Answer,
    pub(super) maps: &'a Maps,
    pub(super) restrictions: Restrictions,
    /// How many of the process's filters are the tracer's.
    pub(super) own_filters: u64,
}

/// The mount flag ST_RDONLY, and ST_NOEXEC (statfs(2)).
const READ_ONLY: u64 = 1;
const NOEXEC: u64 = 8;

impl Case<'_> {
    fn errno(&self) -> Option<Errno> {
        match self.answer {
            Answer::Errno(errno) => Some(errno),
            _ => None,
        }
    }

    fn is_errno(&self, errno: Errno) -> bool {
        self.errno() == Some(errno)
    }

    /// The filters of the thread that are not the tracer's, if there are any.
    fn filters(&self, status: &[u8]) -> Option<String> {
        let mode = proc::number(status, "Seccomp:")?;
        let all = proc::number(status, "Seccomp_filters:");
        let count = all.unwrap_or(self.own_filters + 1).saturating_sub(self.own_filters);
        if mode == 0 || count == 0 {
            return None;
        }
        let seen = self.restrictions.filters_seen;
        let mut text = format!("Seccomp: {mode}, {count} filter{}", if count == 1 { "" } else { "s" });
        if seen > 0 {
            text += &format!(", {} of them installed since the command began", u64::from(seen));
        }
        Some(text)
    }

    /// The mount that refuses execution or writing, by the file that the call is about.
    fn mount(&self) -> Option<Cause> {
        let (flags, path) = if let Some(descriptor) = self.call.descriptor() {
            let name = format!("fd/{}", i64::from(descriptor));
            (proc::mount_flags(self.process, name.as_bytes())?, proc::link(self.process, &name))
        } else if self.call.is(Sysno::execve) {
            let path = proc::string(self.tid, self.call.arguments[0])?;
            let folder: &[u8] = if path.starts_with(b"/") { b"root" } else { b"cwd/" };
            (proc::mount_flags(self.process, &[folder, &path].concat())?, path)
        } else {
            let mapping = self.maps.at(self.call.memory()?[0]).filter(|mapping| mapping.is_file())?;
            let name = [&b"root"[..], &mapping.path].concat();
            (proc::mount_flags(self.process, &name)?, mapping.path.clone())
        };
        let (name, what) = match flags {
            flags if flags & NOEXEC != 0 => ("noexec", "a file system mounted noexec"),
            flags if flags & READ_ONLY != 0 && self.is_errno(Errno::EROFS) => {
                ("read-only", "a file system mounted read-only")
            }
            _ => return None,
        };
        Some(Cause { name, evidence: format!("{} is on {what}", proc::clean(&path)) })
    }

    /// The limit that the call exceeds.
    fn limit(&self, status: &[u8]) -> Option<Cause> {
        const KIB: u64 = 1024;
        let size = self.call.memory().map_or(0, |[_, size]| size);
        let exceeded = |resource: &str, name: &str, used: u64| {
            let limit = proc::limit(self.process, name)?;
            let evidence = format!("{resource} = {limit}, {used} in use, {size} more wanted");
            (used.saturating_add(size) > limit).then_some(Cause { name: "limits", evidence })
        };
        let used = |key| proc::number(status, key).unwrap_or(0).saturating_mul(KIB);
        let most = proc::level("vm/max_map_count");
        let count = self.maps.len() as u64;
        let mappings = most.filter(|most| count.saturating_add(2) >= *most).map(|most| Cause {
            name: "limits",
            evidence: format!("vm.max_map_count = {most}, {count} mappings in use"),
        });
        exceeded("RLIMIT_AS", "Max address space", used("VmSize:"))
            .or_else(|| exceeded("RLIMIT_DATA", "Max data size", used("VmData:")))
            .or(mappings)
            .or_else(|| {
                let strict = proc::level("vm/overcommit_memory") == Some(2);
                let evidence =
                    String::from("vm.overcommit_memory = 2: memory is promised no more than there is");
                strict.then_some(Cause { name: "limits", evidence })
            })
    }

    /// EACCES: MDWE, a mount, a level of vm.memfd_noexec, a filter, a policy.
    fn denied(&self, filters: Option<String>, status: &[u8]) -> Option<Cause> {
        let Restrictions { mdwe, mdwe_seen, landlock, .. } = self.restrictions;
        if mdwe && self.call.asks_for_execution() && self.call.protection().is_some() {
            let by = if mdwe_seen { "set since the command began" } else { "inherited" };
            return Some(Cause { name: "mdwe", evidence: format!("prctl(PR_GET_MDWE) = 1, {by}") });
        }
        let level = proc::level("vm/memfd_noexec").unwrap_or(0);
        let memory_file = self.call.is(Sysno::memfd_create) || self.call.is(Sysno::execveat);
        if level > 0 && memory_file {
            return Some(Cause { name: "memfd_noexec", evidence: format!("vm.memfd_noexec = {level}") });
        }
        let cause = self.mount().or_else(|| filtered(filters));
        if cause.is_some() {
            return cause;
        }
        if landlock && !self.call.asks_for_execution() {
            let evidence = String::from("landlock_restrict_self(2) was called");
            return Some(Cause { name: "landlock", evidence });
        }
        let pax = proc::value(status, "PaX:").filter(|flags| flags.contains(&b'M'));
        if let Some(flags) = pax {
            return Some(Cause { name: "pax", evidence: format!("PaX: {}", proc::clean(flags)) });
        }
        let context = proc::context(self.process);
        let labelled = context.bytes().filter(|byte| *byte == b':').count() >= 3;
        labelled.then(|| Cause {
            name: "selinux",
            evidence: format!("no MDWE, no filter, security context {context}"),
        })
    }
}

fn filtered(filters: Option<String>) -> Option<Cause> {
    filters.map(|evidence| Cause { name: "seccomp", evidence })
}

/// Infers why.
pub(super) fn infer(case: &Case<'_>) -> Cause {
    let status = proc::file(case.tid.number(), "status");
    let filters = case.filters(&status);
    let because = |text: &str| filtered(filters.as_ref().map(|filters| format!("{filters}; {text}")));
    let cause = match case.answer {
        Answer::Signal(_) => because("only a filter ends a call by SIGSYS"),
        Answer::NoEffect => because("it claimed success, and /proc/PID/maps shows none"),
        Answer::Errno(Errno::ENOMEM) => {
            case.limit(&status).or_else(|| because("an ENOMEM that no limit explains"))
        }
        Answer::Errno(Errno::EMFILE) => {
            let limit = proc::limit(case.process, "Max open files");
            limit.map(|limit| Cause { name: "limits", evidence: format!("RLIMIT_NOFILE = {limit}") })
        }
        Answer::Errno(Errno::EFBIG) => {
            let limit = proc::limit(case.process, "Max file size");
            limit.map(|limit| Cause { name: "limits", evidence: format!("RLIMIT_FSIZE = {limit}") })
        }
        Answer::Errno(Errno::EACCES) => case.denied(filters.clone(), &status),
        Answer::Errno(Errno::EPERM) if case.mount().is_some() => case.mount(),
        Answer::Errno(Errno::EPERM) => because("the kernel itself has no EPERM for this call"),
        Answer::Errno(Errno::EROFS) => case.mount(),
        Answer::Errno(Errno::ENOSYS) => because("this kernel has the call"),
        Answer::Errno(_) => because("a filter is active"),
    };
    cause.unwrap_or_else(|| Cause {
        name: "unknown",
        evidence: String::from("nothing that is known here refuses this"),
    })
}

/// Whether an error of this call means that executable memory was refused. `after` says
/// that the process was refused some before.
pub(super) fn matters(case: &Case<'_>, after: bool) -> bool {
    let call = case.call;
    let about_memory_file = || {
        let link = call.descriptor().map(|fd| proc::link(case.process, &format!("fd/{}", i64::from(fd))));
        link.is_some_and(|link| link.starts_with(b"/memfd:"))
    };
    let Some(errno) = case.errno() else { return true };
    if call.asks_for_execution() {
        return errno != Errno::EEXIST;
    }
    match call.number {
        number if number == Sysno::mmap as u64 => errno == Errno::ENOMEM && call.protection() == Some(0),
        number if number == Sysno::memfd_create as u64 => true,
        number if number == Sysno::personality as u64 => true,
        number if [Sysno::ftruncate, Sysno::fallocate].iter().any(|call| number == *call as u64) => {
            about_memory_file()
        }
        number if number == Sysno::fcntl as u64 => after && about_memory_file(),
        number if number == Sysno::mremap as u64 => case
            .maps
            .at(call.arguments[0])
            .is_some_and(|mapping| mapping.is_executable() || mapping.is_shared()),
        number if [Sysno::open, Sysno::openat].iter().any(|call| number == *call as u64) => after,
        number if number == Sysno::execve as u64 => errno == Errno::EACCES && case.mount().is_some(),
        number if number == Sysno::execveat as u64 => errno != Errno::ENOENT && about_memory_file(),
        _ => false,
    }
}

/// The protection bits that a refusal is told apart by.
pub(super) fn kind(call: &Call) -> u64 {
    call.protection().map_or(0, |protection| protection & (calls::PROT_EXEC | calls::PROT_WRITE))
}
