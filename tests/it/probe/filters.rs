//! The probe under filters that answer strangely or kill, where one cause hides another, and
//! where permissions and not mounts deny.

use super::MPROTECT_DENIED;
use super::report::{Report, probe, probe_under};
use crate::support::{
    BAREJIT, command, finish,
    place::{self, Need},
    regime::{self, Answer, like_systemd},
    tool,
};
use std::{fs, path::Path, process::Command};

#[test]
fn filters_that_answer_as_no_kernel_does_are_causes() {
    for (errno, name) in [(libc::ENOSYS, "ENOSYS"), (libc::EINVAL, "EINVAL")] {
        let report = probe(|command| like_systemd(command, Answer::Errno(errno as u16)));
        report.expect(
            &format!(
                "{MPROTECT_DENIED} memfd-mprotect = denied protect {name}
                 pkey-mprotect = unavailable protect {name}
                 anon-rwx = denied obtain {name}
                 sysv-shm = unavailable obtain {name}"
            ),
            &["seccomp"],
            0,
        );
        let evidence = report.evidence("seccomp");
        let never =
            format!("mprotect answers {name}, which the kernel never does; anon-wx: {name} at protect");
        assert!(evidence.contains(&never), "{evidence}");
        let advice = report.0.get("advice").text();
        let allow = if errno == libc::ENOSYS { "mmap W+X, mprotect X, shmat X" } else { "mprotect" };
        assert!(advice.ends_with(&format!("a seccomp profile that allows {allow}")), "{advice}");
    }
}

#[test]
fn a_call_that_ends_a_process_is_not_taken_for_those_before() {
    let mut command = command(&["probe", "--json"]);
    regime::deny(&mut command, libc::SYS_exit_group as u32, Answer::Kill);
    let run = finish(command);
    assert_eq!(run.status, -libc::SIGSYS, "{run:?}");
    let report = Report::of(run);
    let evidence = report.evidence("seccomp");
    assert!(evidence.starts_with("Seccomp: 2; a filter is active; "), "{evidence}");
}

/// Without mprotect(2) ld.so(8) loads no program, whatever that would ask for.
#[test]
fn engines_that_are_not_loaded_are_told_so() {
    for errno in [libc::EPERM, libc::EINVAL, libc::ENOSYS] {
        let set = |command: &mut Command| {
            regime::deny(command, libc::SYS_mprotect as u32, Answer::Errno(errno as u16));
        };
        let mut python = Command::new("/usr/bin/python3");
        python.arg("--version");
        set(&mut python);
        let said = finish(python);
        let report = probe(set);
        for engine in report.0.get("engines").items() {
            let name = engine.get("engine").text();
            assert_eq!(engine.get("verdict").text(), "fails", "{name}");
            assert!(said.stderr.contains(engine.get("message").text()), "{name}: {said:?}");
        }
    }
}

/// The calls that a probe makes, but for write and exit_group, without which no program can
/// say anything.
const CALLS: [(&str, i64); 43] = [
    ("access", libc::SYS_access),
    ("brk", libc::SYS_brk),
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clone", libc::SYS_clone),
    ("close", libc::SYS_close),
    ("execveat", libc::SYS_execveat),
    ("fallocate", libc::SYS_fallocate),
    ("fcntl", libc::SYS_fcntl),
    ("fork", libc::SYS_fork),
    ("ftruncate", libc::SYS_ftruncate),
    ("getpid", libc::SYS_getpid),
    ("getppid", libc::SYS_getppid),
    ("getrlimit", libc::SYS_getrlimit),
    ("ioctl", libc::SYS_ioctl),
    ("kill", libc::SYS_kill),
    ("madvise", libc::SYS_madvise),
    ("memfd_create", libc::SYS_memfd_create),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("mremap", libc::SYS_mremap),
    ("munmap", libc::SYS_munmap),
    ("open", libc::SYS_open),
    ("personality", libc::SYS_personality),
    ("pkey_mprotect", libc::SYS_pkey_mprotect),
    ("prctl", libc::SYS_prctl),
    ("ptrace", libc::SYS_ptrace),
    ("pwrite64", libc::SYS_pwrite64),
    ("read", libc::SYS_read),
    ("rt_sigaction", libc::SYS_rt_sigaction),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
    ("rt_sigreturn", libc::SYS_rt_sigreturn),
    ("setrlimit", libc::SYS_setrlimit),
    ("shmat", libc::SYS_shmat),
    ("shmctl", libc::SYS_shmctl),
    ("shmget", libc::SYS_shmget),
    ("sigaltstack", libc::SYS_sigaltstack),
    ("statfs", libc::SYS_statfs),
    ("syslog", libc::SYS_syslog),
    ("uname", libc::SYS_uname),
    ("unlink", libc::SYS_unlink),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("wait4", libc::SYS_wait4),
    ("alarm", libc::SYS_alarm),
];

#[test]
fn no_call_that_claims_success_is_believed() {
    for (name, call) in CALLS {
        let run = {
            let mut command = command(&["probe", "--json"]);
            regime::deny(&mut command, call as u32, Answer::Errno(0));
            finish(command)
        };
        assert!(matches!(run.status, 0 | 1 | 4), "{name} answers 0: {run:?}");
        if run.status != 1 {
            let report = Report::of(run);
            let verdict = &report.rows()["control"];
            assert!(verdict == "denied run SIGSEGV" || verdict.starts_with("lied"), "{name}: {verdict}");
        }
    }
}

#[test]
fn a_deadly_call_costs_its_rows_or_is_the_last_word() {
    for (name, call) in CALLS {
        let run = |args: &[&str]| {
            let mut command = command(args);
            regime::deny(&mut command, call as u32, Answer::Kill);
            finish(command)
        };
        let json = run(&["probe", "--json"]);
        // At the end the process gives its stack back, when all is said.
        if json.status != -libc::SIGSYS || json.text().ends_with("}\n") {
            let report = Report::of(json);
            assert_eq!(report.rows()["control"], "denied run SIGSEGV", "{name}");
            continue;
        }
        // The start of the process asks for the limit on files and maps a stack; output asks
        // for a terminal.
        if ["getrlimit", "mmap", "ioctl"].contains(&name) {
            continue;
        }
        let text = run(&["probe"]).text();
        assert!(json.text().ends_with(&format!("\"{name}\"")), "{name}: {}", json.text());
        assert!(text.ends_with(&format!(" {name}")), "{name}: {text}");
    }
}

#[test]
fn an_ordinary_user_is_told_what_it_may_not_write() {
    if place::lacks(Need::AnotherUser) {
        return;
    }
    let barejit = place::public_copy("ordinary");
    let mut ordinary = Command::new(&barejit);
    ordinary.args(["probe", "--json"]).current_dir("/").env("HOME", "/etc");
    regime::nobody(&mut ordinary);
    let report = Report::of(finish(ordinary));
    fs::remove_file(barejit).expect("the copy");
    report.expect("otmpfile-dual home-dual = denied obtain EACCES", &["not-writable", "not-writable"], 0);
    assert!(report.evidence("not-writable").contains("access(W_OK) is refused: $HOME; home-dual: EACCES"));
}

#[test]
fn landlock() {
    if place::lacks(Need::Landlock) {
        return;
    }
    let folder = Path::new(BAREJIT).parent().expect("a directory");
    let report = probe(|command| regime::landlock(command, folder));
    let rows = report.rows();
    for name in ["tmp-dual", "shm-dual", "vartmp-dual", "home-dual", "otmpfile-dual"] {
        assert_eq!(rows[name], "denied obtain EACCES", "{name}");
    }
    assert_eq!((rows["anon-wx"].as_str(), rows["memfd-dual"].as_str()), ("works", "works"));
    assert_eq!(report.causes(), ["landlock"; 5]);
    assert!(
        report.evidence("landlock").contains("access(W_OK) is granted and open is refused: /tmp; tmp-dual")
    );
}

#[test]
fn causes_do_not_hide_each_other() {
    let memfd = |command: &mut Command| {
        regime::deny(command, libc::SYS_memfd_create as u32, Answer::Errno(libc::EPERM as u16));
    };
    if !place::lacks(Need::Mounts) {
        let report = probe(|command| {
            regime::noexec_mounts(command);
            regime::mdwe(command);
            memfd(command);
        });
        assert_eq!(report.causes(), ["mdwe", "seccomp", "noexec", "noexec", "noexec"]);
        assert_eq!(report.engine("libffi closures"), "works", "by $HOME");
        assert_eq!(report.engine("Erlang/OTP"), "fails");
        let advice = report.0.get("advice").text();
        assert!(
            advice.contains("a seccomp profile that allows memfd_create, /dev/shm mounted exec")
                || advice.contains("a seccomp profile that allows memfd_create, /tmp mounted exec"),
            "{advice}"
        );
    }
    if !place::lacks(Need::MemfdPolicy) {
        let mut outer = tool("unshare", "util-linux");
        outer.args(["--pid", "--fork", "--mount-proc", "sh", "-c"]);
        outer.arg("echo 2 > /proc/sys/vm/memfd_noexec && exec \"$@\"").arg("sh");
        memfd(&mut outer);
        let report = probe_under(outer, Path::new(BAREJIT));
        assert_eq!(report.causes(), ["seccomp", "memfd_noexec"]);
    }
}

#[test]
fn an_active_filter_that_nothing_shows_is_named() {
    let report = probe(|command| {
        regime::deny(command, libc::SYS_open as u32, Answer::Errno(libc::EPERM as u16));
    });
    // /proc/self/status cannot be read then, and prctl(2) tells.
    assert_eq!(report.causes(), ["seccomp"]);
    assert!(report.evidence("seccomp").starts_with("Seccomp: 2; a filter is active; "));
}

#[test]
fn no_verdict_depends_on_the_stack() {
    for kibibytes in [128, 256, 1024] {
        let report = probe(|command| regime::limit(command, libc::RLIMIT_STACK, kibibytes * 1024));
        report.expect("", &[], 0);
    }
}
