//! The probe in real regimes: kernels, filters, mounts, limits, emulators and
//! sandboxes that deny, each with the table that it must find, row by row.

mod filters;
mod report;

use crate::support::{
    self, BAREJIT, command, finish,
    place::{self, Need},
    regime::{self, Answer, like_systemd},
    tool,
};
use report::{Report, probe, probe_under};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const MPROTECT_DENIED: &str = "anon-wx anon-repatch reserve-commit reserve-512m reserve-1g reserve-4g file-modified \
     anon-mprotect-rwx reserve-rwx brk bss stack text mremap-rw-to-rx";

#[test]
fn plain() {
    let report = probe(|_| {});
    report.expect("", &[], 0);
    assert_eq!(report.engine("Node.js"), "works");
}

#[test]
fn mdwe() {
    let report = probe(regime::mdwe);
    report.expect(
        &format!(
            "{MPROTECT_DENIED} pkey-mprotect memfd-mprotect = denied protect EACCES
             anon-rwx read-implies-exec = denied obtain EACCES"
        ),
        &["mdwe"],
        0,
    );
    assert!(report.evidence("mdwe").starts_with("prctl(PR_GET_MDWE) = 1; anon-wx: EACCES at protect"));
    for (engine, says) in [
        ("Node.js", "needs NODE_OPTIONS=--jitless"),
        (".NET", "fails"),
        ("HotSpot", "fails"),
        ("PCRE2", "degrades"),
        ("QEMU TCG", "needs -accel tcg,split-wx=on"),
        ("Julia", "works"),
        ("Erlang/OTP", "works"),
    ] {
        assert_eq!(report.engine(engine), says, "{engine}");
    }
    let advice = report.0.get("advice").text();
    assert_eq!(advice, "use memfd-dual; to have more: MemoryDenyWriteExecute=no in the systemd unit");
}

#[test]
fn seccomp_that_answers_eperm() {
    let report = probe(|command| like_systemd(command, Answer::Errno(libc::EPERM as u16)));
    report.expect(
        &format!(
            "{MPROTECT_DENIED} pkey-mprotect memfd-mprotect = denied protect EPERM
             anon-rwx sysv-shm = denied obtain EPERM"
        ),
        &["seccomp"],
        0,
    );
    let evidence = report.evidence("seccomp");
    let calls = "Seccomp: 2; invalid mmap W+X, mprotect X, pkey_mprotect X, shmat X answer EPERM, not EINVAL";
    assert!(evidence.starts_with(calls), "{evidence}");
}

#[test]
fn seccomp_that_traps() {
    let report = probe(|command| like_systemd(command, Answer::Trap));
    report.expect(
        &format!(
            "{MPROTECT_DENIED} pkey-mprotect memfd-mprotect = killed protect SIGSYS
             anon-rwx sysv-shm = killed obtain SIGSYS"
        ),
        &["seccomp"],
        0,
    );
    assert!(report.evidence("seccomp").contains("mprotect X, pkey_mprotect X, shmat X raise SIGSYS"));
}

#[test]
fn seccomp_that_kills() {
    let report = probe(|command| like_systemd(command, Answer::Kill));
    report.expect(
        &format!(
            "{MPROTECT_DENIED} pkey-mprotect memfd-mprotect = killed protect SIGSYS
             anon-rwx sysv-shm = killed obtain SIGSYS"
        ),
        &["seccomp"],
        0,
    );
    assert!(report.evidence("seccomp").contains("are killed by SIGSYS"));
}

#[test]
fn seccomp_that_lies() {
    let report = probe(|command| like_systemd(command, Answer::Errno(0)));
    report.expect(
        "anon-wx anon-repatch reserve-commit reserve-512m reserve-1g reserve-4g = lied run SIGSEGV
         file-modified anon-mprotect-rwx brk bss stack mremap-rw-to-rx = lied run SIGSEGV
         pkey-mprotect memfd-mprotect = lied run SIGSEGV
         text reserve-rwx = lied write SIGSEGV
         anon-rwx sysv-shm = lied obtain",
        &["seccomp"],
        0,
    );
    assert!(report.evidence("seccomp").contains("claim success"));
}

#[test]
fn nothing_left_is_status_4() {
    let report = probe(|command| {
        regime::deny(command, libc::SYS_mmap as u32, Answer::Errno(libc::EPERM as u16));
        regime::deny(command, libc::SYS_mprotect as u32, Answer::Errno(libc::EPERM as u16));
        regime::deny(command, libc::SYS_pkey_mprotect as u32, Answer::Errno(libc::EPERM as u16));
        regime::deny(command, libc::SYS_shmat as u32, Answer::Errno(libc::EPERM as u16));
    });
    assert_eq!(report.1.status, 4);
    let advice = report.0.get("advice").text();
    assert!(advice.starts_with("no way is left for a JIT: interpret"), "{advice}");
}

#[test]
fn deadly_questions_are_survived() {
    for call in [libc::SYS_prctl, libc::SYS_uname, libc::SYS_statfs, libc::SYS_personality, libc::SYS_unlink]
    {
        let report = probe(|command| regime::deny(command, call as u32, Answer::Kill));
        let rows = report.rows();
        assert_eq!(rows["anon-wx"], "works", "without call {call}");
        assert_eq!(report.1.status, 0);
    }
}

#[test]
fn noexec_mounts() {
    if place::lacks(Need::Mounts) {
        return;
    }
    let report = probe(regime::noexec_mounts);
    report.expect("tmp-dual shm-dual vartmp-dual = denied obtain EPERM", &["noexec", "noexec", "noexec"], 0);
    for directory in ["/tmp", "/dev/shm", "/var/tmp"] {
        assert!(report.evidence("noexec").contains(&format!("mounted noexec: {directory}; ")));
    }
}

#[test]
fn memfd_noexec_in_a_namespace_of_processes() {
    if place::lacks(Need::MemfdPolicy) {
        return;
    }
    let mut outer = tool("unshare", "util-linux");
    outer.args(["--pid", "--fork", "--mount-proc", "sh", "-c"]);
    outer.arg("echo 2 > /proc/sys/vm/memfd_noexec && exec \"$@\"").arg("sh");
    let report = probe_under(outer, Path::new(BAREJIT));
    report.expect(
        "memfd-dual-exec = denied obtain EACCES
         execveat-memfd = denied run EACCES",
        &["memfd_noexec"],
        0,
    );
    assert!(report.evidence("memfd_noexec").starts_with("vm.memfd_noexec = 2; "));
}

#[test]
fn limits() {
    let report = probe(|command| regime::limit(command, libc::RLIMIT_AS, 8 << 20));
    report.expect(
        "reserve-commit reserve-512m reserve-1g reserve-4g reserve-rwx = denied obtain ENOMEM",
        &["limits"],
        0,
    );
    assert!(report.evidence("limits").starts_with("RLIMIT_AS = 8388608; reserve-commit: ENOMEM"));

    // The least with which the executable starts, and then not a page more.
    let data = (4096..).step_by(4096).find(|size| {
        let mut list = command(&["probe", "--list"]);
        regime::limit(&mut list, libc::RLIMIT_DATA, *size);
        finish(list).status == 0
    });
    let report = probe(|command| regime::limit(command, libc::RLIMIT_DATA, data.expect("a limit")));
    assert_eq!(report.rows()["anon-wx"], "denied obtain ENOMEM");
    assert_eq!(report.rows()["memfd-dual"], "works");
    report.expect_causes(&["limits"]);

    let report = probe(|command| regime::limit(command, libc::RLIMIT_FSIZE, 0));
    report.expect(
        "memfd-dual memfd-sealed tmp-dual shm-dual vartmp-dual home-dual = denied obtain EFBIG
         memfd-dual-exec memfd-dual-noexec-seal memfd-mprotect = denied obtain EFBIG
         memfd-private otmpfile-dual = denied obtain EFBIG
         execveat-memfd = denied write EFBIG",
        &["limits"],
        0,
    );

    let report = probe(|command| regime::limit(command, libc::RLIMIT_NOFILE, 3));
    let names = "memfd-dual memfd-dual-exec memfd-dual-noexec-seal memfd-mprotect memfd-private memfd-sealed \
        tmp-dual shm-dual vartmp-dual home-dual otmpfile-dual file-modified self-mem userfaultfd execveat-memfd";
    report.expect(&format!("{names} = denied obtain EMFILE"), &["limits"], 0);
    assert!(report.evidence("limits").starts_with("RLIMIT_NOFILE = 3; memfd-dual: EMFILE"));
}

#[test]
fn without_fork_trials_share_a_process() {
    let nothing = "ptrace-poke = denied obtain EPERM\nexecveat-memfd = denied run EPERM";
    let deny_fork = |command: &mut Command| {
        regime::deny(command, libc::SYS_clone as u32, Answer::Errno(libc::EPERM as u16));
        regime::deny(command, libc::SYS_fork as u32, Answer::Errno(libc::EPERM as u16));
    };
    let report = probe(deny_fork);
    report.expect(nothing, &["confined"], 0);
    assert_eq!(report.0.get("host").get("confined").text(), "EPERM");

    let report = probe(|command| {
        like_systemd(command, Answer::Trap);
        deny_fork(command);
    });
    assert_eq!(report.rows()["anon-wx"], "killed protect SIGSYS");
    assert_eq!(report.rows()["memfd-dual"], "works");
    assert_eq!(report.rows()["control"], "denied run SIGSEGV");

    // Nor is there a way to learn how a process ended.
    let refused = |command: &mut Command| {
        regime::deny(command, libc::SYS_wait4 as u32, Answer::Errno(libc::EPERM as u16));
    };
    let nothing = "ptrace-poke = denied obtain EPERM\nexecveat-memfd = denied run EPERM";
    probe(refused).expect(nothing, &["confined"], 0);
}

/// From some call on, when trials have processes of their own in turn: they end there.
#[test]
fn without_wait_in_the_middle_there_is_one_report() {
    if place::lacks(Need::Tracing) {
        return;
    }
    for when in [10, 20, 30] {
        let mut strace = tool("strace", "strace");
        strace.args(["-f", "-o", "/dev/null", "-e", &format!("inject=wait4:error=EINVAL:when={when}")]);
        strace.args([BAREJIT, "probe", "--json"]);
        let run = finish(strace);
        assert_eq!(run.text().lines().count(), 1, "when={when}: {}", run.text());
    }
}

/// Root is exempt from the limit on processes.
#[test]
fn a_limit_on_processes_has_trials_share_one() {
    // SAFETY: it asks and changes nothing.
    let root = unsafe { libc::geteuid() } == 0;
    if root && place::lacks(Need::AnotherUser) {
        return;
    }
    let barejit = place::public_copy("nobody");
    let mut limited = Command::new(&barejit);
    limited.args(["probe", "--json"]);
    // Where the user that runs the tests may not write either.
    limited.current_dir("/").env("HOME", "/");
    regime::limit(&mut limited, libc::RLIMIT_NPROC, 0);
    if root {
        regime::nobody(&mut limited);
    }
    let report = Report::of(finish(limited));
    fs::remove_file(barejit).expect("the copy");
    report.expect(
        "ptrace-poke = denied obtain EAGAIN
         execveat-memfd = denied run EAGAIN
         otmpfile-dual home-dual = denied obtain EACCES",
        &["not-writable", "not-writable", "limits"],
        0,
    );
}

/// QEMU 7 and 10 were seen, the rows between them were not: 7 has neither execveat(2) nor
/// mremap(2) of shared memory with a size of 0, and does not execute what shmat(2) maps.
#[test]
fn qemu() {
    let always = "memfd-dual memfd-dual-exec memfd-dual-noexec-seal memfd-mprotect = stale rerun rx-r-rx
         tmp-dual shm-dual vartmp-dual home-dual otmpfile-dual self-mem = stale rerun rx-r-rx
         pkey-mprotect = unavailable protect ENOSYS
         read-implies-exec = lied run SIGSEGV
         userfaultfd ptrace-poke = unavailable obtain ENOSYS";
    let seven = "mremap-rx-to-rw mremap-rw-to-rx = denied obtain ENOMEM
         sysv-shm = lied run SIGSEGV
         execveat-memfd = unavailable run ENOSYS";
    let ten = "mremap-rx-to-rw mremap-rw-to-rx sysv-shm = stale rerun rx-r-rx";
    let own = match place::major_version("qemu-x86_64", "qemu-user") {
        7 => seven,
        10 => ten,
        version => return place::untested(&format!("no table for QEMU {version}, only for 7 and 10")),
    };
    let report = probe_under(tool("qemu-x86_64", "qemu-user"), Path::new(BAREJIT));
    report.expect(&format!("{always}\n{own}"), &["qemu"], 0);
    assert!(report.evidence("qemu").starts_with("CPUID leaf 0x40000000 says TCGTCGTCGTCG; "));
    assert_eq!(report.engine(".NET"), "works");
    assert_eq!(report.engine("Erlang/OTP"), "fails");
    assert_eq!(report.engine("PCRE2"), "works");
}

#[test]
fn valgrind() {
    let mut outer = tool("valgrind", "valgrind");
    outer.arg("-q");
    let report = probe_under(outer, Path::new(BAREJIT));
    let rows = report.rows();
    for name in ["memfd-dual", "memfd-dual-exec", "memfd-mprotect", "tmp-dual", "shm-dual", "otmpfile-dual"] {
        assert_eq!(rows[name], "stale rerun rx-r-rx", "{name}");
    }
    for name in ["anon-wx", "anon-repatch", "anon-rwx", "memfd-private", "memfd-sealed", "stack"] {
        assert_eq!(rows[name], "works", "{name}");
    }
    report.expect_causes(&["valgrind"]);

    // The cure that valgrind itself knows.
    let mut outer = tool("valgrind", "valgrind");
    outer.args(["-q", "--smc-check=all"]);
    let report = probe_under(outer, Path::new(BAREJIT));
    assert_eq!(report.rows()["memfd-dual"], "works");
}

#[test]
fn strace() {
    if place::lacks(Need::Tracing) {
        return;
    }
    let mut outer = tool("strace", "strace");
    outer.args(["-f", "-o", "/dev/null"]);
    let report = probe_under(outer, Path::new(BAREJIT));
    report.expect("ptrace-poke = denied obtain EPERM", &["tracer"], 0);
}

#[test]
fn bubblewrap() {
    let sandbox = || {
        let mut outer = tool("bwrap", "bubblewrap");
        outer.args(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all"]);
        outer
    };
    let mut trial = sandbox();
    trial.arg("true");
    let started = finish(trial);
    if started.status != 0 {
        return place::untested(&format!("no bubblewrap: {}", started.stderr));
    }
    let report = probe_under(sandbox(), Path::new(BAREJIT));
    report.expect(
        "tmp-dual vartmp-dual home-dual otmpfile-dual = denied obtain EROFS",
        &["read-only", "read-only", "read-only", "read-only"],
        0,
    );
}

#[test]
fn firejail() {
    let sandbox = || {
        let mut outer = tool("firejail", "firejail");
        outer.args(["--quiet", "--noprofile", "--seccomp", "--memory-deny-write-execute"]);
        outer
    };
    // In a container firejail runs the program without any sandbox and succeeds, so the
    // filters are counted from inside.
    let filters = |mut command: Command| {
        command.args(["grep", "^Seccomp", "/proc/self/status"]);
        finish(command)
    };
    let (inside, outside) = (filters(sandbox()), filters(Command::new("env")));
    if inside.status != 0 || inside.text() == outside.text() {
        return place::untested(&format!("firejail runs without a filter ({})", inside.stderr));
    }
    let report = probe_under(sandbox(), Path::new(BAREJIT));
    let rows = report.rows();
    assert_eq!(rows["anon-wx"], "denied protect EPERM");
    assert_eq!(rows["anon-rwx"], "denied obtain EPERM");
    assert_eq!(rows["memfd-dual"], "denied obtain EPERM");
    assert_eq!(rows["tmp-dual"], "works");
    assert!(report.causes().contains(&"seccomp"), "{:?}", report.0.get("causes"));
    assert_eq!(report.1.status, 0);
}

#[test]
fn gvisor() {
    let barejit = place::public_copy("runsc");
    let mut outer = tool("runsc", "runsc");
    outer.args(["--rootless", "--network=none", "do"]);
    let mut trial = tool("runsc", "runsc");
    let started = finish({
        trial.args(["--rootless", "--network=none", "do"]).arg(&barejit).args(["probe", "--list"]);
        trial
    });
    if started.status != 0 {
        fs::remove_file(barejit).expect("the copy");
        return place::untested(&format!("no gVisor: {}", started.stderr));
    }
    let report = probe_under(outer, &barejit);
    fs::remove_file(barejit).expect("the copy");
    let rows = report.rows();
    assert_eq!(rows["anon-wx"], "works");
    assert_eq!(rows["memfd-dual"], "works");
    assert_eq!(rows["memfd-dual-exec"], "unavailable obtain EINVAL");
    assert_eq!(rows["userfaultfd"], "unavailable obtain ENOSYS");
    report.expect_causes(&["gvisor"]);
}

/// How long they take is in `make bench`; here, that none waits for a timer.
#[test]
fn trials_do_not_wait() {
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        assert_eq!(support::run(&["probe", "--quiet"]).status, 0);
        best = best.min(start.elapsed());
    }
    assert!(best <= Duration::from_secs(1), "{best:?}");
}

/// Names in the directories for nameless files, and System V segments.
fn leftovers() -> Vec<String> {
    let mut names = Vec::new();
    for directory in ["/tmp", "/dev/shm", "/var/tmp", "."] {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".barejit") {
                names.push(format!("{directory}/{name}"));
            }
        }
    }
    let segments = fs::read_to_string("/proc/sysvipc/shm").expect("System V segments");
    names.extend(segments.lines().skip(1).map(str::to_string));
    names
}

/// Processes of this executable.
fn processes(barejit: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    processes.filter(|path| fs::read_link(path.join("exe")).is_ok_and(|exe| exe == barejit)).collect()
}

#[test]
fn nothing_stays_even_when_killed_half_way() {
    let (barejit, before) = (place::public_copy("killed"), leftovers());
    let mut seen = 0;
    for microseconds in (0..12_000).step_by(150) {
        let mut child = Command::new(&barejit).args(["probe", "--quiet"]).spawn().expect("the probe");
        std::thread::sleep(Duration::from_micros(microseconds));
        seen += usize::from(child.try_wait().expect("a status").is_none());
        child.kill().expect("killed");
        child.wait().expect("gone");
    }
    assert!(seen > 5, "only {seen} of the probes were killed before their end");
    // They die when their parent does, which takes a moment where much else runs.
    for _ in 0..100 {
        if processes(&barejit).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(processes(&barejit), [] as [PathBuf; 0]);
    // Other tests probe at the same time, and a segment of theirs lives for a
    // moment.
    let mut new = leftovers();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(10));
        let now = leftovers();
        new.retain(|name| now.contains(name) && !before.contains(name));
    }
    assert_eq!(new, [] as [String; 0]);
    fs::remove_file(barejit).expect("the copy");
}
