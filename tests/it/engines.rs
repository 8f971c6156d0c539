//! The probe's predictions for engines, compared with the engines: each is run with its JIT on
//! in each regime, and must end as its line of `barejit probe` says.
//!
//! Whether the JIT was on is seen from outside: strace(1) shows memory that the kernel made
//! executable besides what the program was loaded from.

mod table;

use crate::support::{
    BAREJIT, Run, finish,
    json::Json,
    place::{self, Need},
    regime::{self, Answer},
    scratch,
};
use std::{fmt::Write, path::Path, process::Command};
use table::{ENGINES, Engine};

/// A way to deny.
struct Regime {
    letter: &'static str,
    what: &'static str,
    set: fn(&mut Command),
    /// The command that runs the program, if the regime is not set by `set` alone.
    outer: &'static [&'static str],
}

const EPERM: Answer = Answer::Errno(libc::EPERM as u16);
const MIB: u64 = 1 << 20;

const fn filtered(letter: &'static str, what: &'static str, set: fn(&mut Command)) -> Regime {
    Regime { letter, what, set, outer: &[] }
}

const REGIMES: [Regime; 14] = [
    filtered("–", "nothing is denied", |_| {}),
    filtered("M", "prctl(PR_SET_MDWE)", regime::mdwe),
    filtered("S", "seccomp: EPERM, as systemd has it", |c| regime::like_systemd(c, EPERM)),
    filtered("P", "seccomp: EPERM for mprotect X alone", |c| regime::deny_protection(c, EPERM)),
    filtered("W", "seccomp: EPERM for mmap W+X alone", |c| regime::deny_writable_execution(c, EPERM)),
    filtered("K", "seccomp: kill for mmap W+X and mprotect X", |c| regime::deny_execution(c, Answer::Kill)),
    filtered("L", "seccomp: mprotect X answers 0", |c| regime::deny_protection(c, Answer::Errno(0))),
    filtered("E", "seccomp: EPERM for memfd_create", |c| {
        regime::deny(c, libc::SYS_memfd_create as u32, EPERM)
    }),
    filtered("D", "seccomp: kill for memfd_create", |c| {
        regime::deny(c, libc::SYS_memfd_create as u32, Answer::Kill)
    }),
    Regime {
        letter: "F",
        what: "firejail --memory-deny-write-execute",
        set: |_| {},
        outer: &["firejail", "--quiet", "--noprofile", "--memory-deny-write-execute", "--"],
    },
    Regime {
        letter: "N",
        what: "noexec /tmp, /var/tmp, /dev/shm and vm.memfd_noexec=2",
        set: regime::noexec_mounts,
        outer: &[
            "unshare",
            "--pid",
            "--fork",
            "--mount-proc",
            "sh",
            "-c",
            "echo 2 > /proc/sys/vm/memfd_noexec; exec \"$@\"",
            "sh",
        ],
    },
    filtered("A½", "RLIMIT_AS of 512 MiB", |c| regime::limit(c, libc::RLIMIT_AS, 512 * MIB)),
    filtered("A1", "RLIMIT_AS of 1 GiB", |c| regime::limit(c, libc::RLIMIT_AS, 1024 * MIB)),
    filtered("A4", "RLIMIT_AS of 4 GiB", |c| regime::limit(c, libc::RLIMIT_AS, 4096 * MIB)),
];

/// How an engine ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Did {
    Worked,
    Degraded,
    Failed,
}

/// `program` and its arguments in a regime, in a directory of its own.
fn within(regime: &Regime, program: &[&str], directory: &Path) -> Run {
    let all = [regime.outer, &["timeout", "-s", "KILL", "60"], program].concat();
    let mut command = Command::new(all[0]);
    command.args(&all[1..]).current_dir(directory).env_remove("TMPDIR");
    (regime.set)(&mut command);
    finish(command)
}

/// Whether the kernel made memory executable besides what the program was loaded from.
fn grants_memory_for_code(log: &str) -> bool {
    log.lines().any(|line| {
        let granted =
            line.rsplit_once(" = ").is_some_and(|(_, answer)| answer == "0" || answer.starts_with("0x"));
        let own = line.contains("mprotect(")
            || line.contains("PROT_WRITE|PROT_EXEC")
            || line.contains("MAP_SHARED");
        // The loader changes what it has mapped from files, never to PROT_EXEC.
        granted && own && line.contains("PROT_EXEC")
    })
}

/// Runs an engine and says what it did, and what it printed.
fn observe(engine: &Engine, regime: &Regime, directory: &Path) -> (Did, Run) {
    let traced = [
        "strace",
        "-ff",
        "-qq",
        "-o",
        "log",
        "-e",
        "trace=mmap,mprotect,pkey_mprotect",
        "sh",
        "-c",
        engine.run,
    ];
    let plain = within(regime, &["sh", "-c", engine.run], directory);
    let worked = |run: &Run| run.status == 0 && run.text().contains("OK");
    if !worked(&plain) {
        return (Did::Failed, plain);
    }
    let run = within(regime, &traced, directory);
    // A file for each thread, so that no line is cut by another's.
    let mut log = String::new();
    for entry in std::fs::read_dir(directory).expect("was made").flatten() {
        if entry.file_name().to_string_lossy().starts_with("log.") {
            log += &String::from_utf8_lossy(&std::fs::read(entry.path()).expect("readable"));
            std::fs::remove_file(entry.path()).expect("is there");
        }
    }
    let did = if grants_memory_for_code(&log) { Did::Worked } else { Did::Degraded };
    (if worked(&run) { did } else { Did::Failed }, plain)
}

/// The probe's line about an engine.
struct Said {
    verdict: String,
    message: String,
    setting: String,
}

fn report(regime: &Regime, directory: &Path) -> Option<Json> {
    let run = within(regime, &[BAREJIT, "probe", "--json"], directory);
    let text = run.text();
    let line = text.lines().rfind(|line| line.starts_with('{'))?;
    Some(Json::parse(line))
}

fn said(report: &Json, line: &str) -> Said {
    let engines = report.get("engines").items().iter();
    let engine = engines.into_iter().find(|engine| engine.get("engine").text() == line).expect(line);
    let text = |key: &str| engine.get(key).text().to_string();
    Said { verdict: text("verdict"), message: text("message"), setting: text("setting") }
}

/// Runs the engine and compares: how it ended, and the probe's mistake if there is one.
fn wrong(engine: &Engine, regime: &Regime, said: &Said, directory: &Path) -> (Did, Option<String>) {
    let (did, run) = observe(engine, regime, directory);
    let expected = match said.verdict.as_str() {
        "works" => Did::Worked,
        "degrades" => Did::Degraded,
        _ => Did::Failed,
    };
    let printed = format!("{}{}", run.text(), run.stderr);
    let tail: String = printed.chars().take(300).collect();
    if did != expected {
        let Said { verdict, message, .. } = said;
        return (did, Some(format!("said {verdict} ({message}), it {did:?}, status {}: {tail}", run.status)));
    }
    // These messages are the shell's about a signal; here the status shows the signal.
    let signal = match said.message.as_str() {
        "Segmentation fault" => Some(libc::SIGSEGV),
        "Bad system call" => Some(libc::SIGSYS),
        "Aborted" => Some(libc::SIGABRT),
        "Trace/breakpoint trap" => Some(libc::SIGTRAP),
        _ => None,
    };
    // timeout(1) ends a program that hangs, with this status.
    let waits = said.message == "pages never load, without a message" && run.status == 124;
    let ended = waits || signal.is_some_and(|signal| run.status == 128 + signal || run.status == -signal);
    if did == Did::Failed && !printed.contains(&said.message) && !ended {
        return (did, Some(format!("it does not print '{}', status {}: {tail}", said.message, run.status)));
    }
    if said.verdict == "needs" {
        let run = within(regime, &["sh", "-c", engine.cured], directory);
        if run.status != 0 || !run.text().contains("OK") {
            return (
                did,
                Some(format!("{} is no cure, status {}: {}", said.setting, run.status, run.stderr)),
            );
        }
    }
    (did, None)
}

/// Whether the place lacks what a regime needs.
fn lacks(regime: &Regime) -> bool {
    match regime.letter {
        "N" => place::lacks(Need::Mounts) || place::lacks(Need::MemfdPolicy),
        _ => false,
    }
}

/// Whether the filter of firejail is there at all: in a container it runs programs without.
fn is_in_force(regime: &Regime, directory: &Path) -> bool {
    let filters =
        |outer: &Regime| within(outer, &["grep", "^Seccomp", "/proc/self/status"], directory).text();
    regime.letter != "F" || filters(regime) != filters(&REGIMES[0])
}

/// The version that an engine prints; `None` if it is not installed.
fn version(engine: &Engine) -> Option<String> {
    let mut command = Command::new("sh");
    command.args(["-c", engine.version]);
    let run = finish(command);
    let said = format!("{}{}", run.text(), run.stderr);
    let line = said.lines().find(|line| line.chars().any(|c| c.is_ascii_digit()))?;
    (run.status == 0).then(|| line.trim().to_string())
}

/// Compares engines with the probe in all regimes, and writes the table.
fn compare(engines: &[&Engine], table: &mut String) -> Vec<String> {
    let directory = scratch("engines");
    std::fs::create_dir(&directory).expect("made");
    // Where nothing is hidden by a mount of a regime.
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("engines-{}", std::process::id()));
    std::fs::create_dir_all(&home).expect("made");
    let mut rows: Vec<String> =
        engines.iter().map(|engine| format!("| {} | {} ", engine.line, engine.what)).collect();
    let (mut head, mut rule) = ("| line | run ".to_string(), "|---|---".to_string());
    let mut faults = Vec::new();
    for regime in &REGIMES {
        if lacks(regime) {
            continue;
        }
        if !is_in_force(regime, &home) {
            place::untested("firejail runs without a filter");
            continue;
        }
        let _ = write!(head, "| {} ", regime.letter);
        rule.push_str("|---");
        let report = report(regime, &home).unwrap_or_else(|| panic!("no report in regime {}", regime.letter));
        for (engine, row) in engines.iter().zip(&mut rows) {
            let said = said(&report, engine.line);
            let (did, fault) = wrong(engine, regime, &said, &home);
            let word = match did {
                Did::Worked => "works",
                Did::Degraded => "degrades",
                Did::Failed if said.verdict == "needs" => "needs",
                Did::Failed => "fails",
            };
            let _ = write!(row, "| {word}{} ", if fault.is_some() { " (the probe is wrong)" } else { "" });
            if let Some(fault) = fault {
                faults.push(format!("{} in {} ({}): {fault}", engine.what, regime.letter, regime.what));
            }
        }
    }
    std::fs::remove_dir_all(&home).expect("was there");
    std::fs::remove_dir_all(directory).expect("was there");
    let _ = writeln!(table, "{head}|\n{rule}|");
    for row in rows {
        let _ = writeln!(table, "{row}|");
    }
    faults
}

#[test]
fn common_engines_do_what_the_probe_says() {
    if place::lacks(Need::Tracing) {
        return;
    }
    let mut common = Vec::new();
    for engine in ENGINES {
        let Some(measured) = engine.common else { continue };
        let found = version(engine);
        let found = found.unwrap_or_else(|| panic!("{} is missing; make test installs it", engine.what));
        if found.contains(measured) {
            common.push(engine);
        } else {
            place::untested(&format!("{}: measured in {measured}, here {found}", engine.what));
        }
    }
    let mut table = String::new();
    let faults = compare(&common, &mut table);
    assert!(faults.is_empty(), "{}\n{table}", faults.join("\n"));
}

/// Runs every engine that is there and writes docs/engines.md: `make engines`. With a name
/// in ENGINE it runs that one and writes nothing.
#[test]
#[ignore = "runs all engines, for minutes: make engines"]
fn every_engine_does_what_the_probe_says() {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    let mut versions = String::new();
    let only = std::env::var("ENGINE").unwrap_or_default();
    for engine in ENGINES.iter().filter(|engine| engine.what.starts_with(&only)) {
        match version(engine) {
            Some(version) => {
                let _ = writeln!(versions, "- {}: {version}", engine.what);
                there.push(engine);
            }
            _ => missing.push(engine.what),
        }
    }
    let mut table = String::new();
    let faults = compare(&there, &mut table);
    if !only.is_empty() {
        println!("{table}\n{versions}");
        assert!(faults.is_empty() && !there.is_empty(), "{}", faults.join("\n"));
        return;
    }
    let date = finish({
        let mut date = Command::new("date");
        date.args(["-u", "+%Y-%m-%d"]);
        date
    });
    let mut text = include_str!("engines/head.md").to_string();
    let _ = writeln!(text, "\n## Runs of {}\n\n{table}\n{} lines wrong.\n", date.text().trim(), faults.len());
    for regime in &REGIMES {
        let _ = writeln!(text, "- **{}**: {}", regime.letter, regime.what);
    }
    let _ = writeln!(text, "\nVersions:\n\n{versions}");
    if !missing.is_empty() {
        let _ = writeln!(text, "Not run: {}.\n", missing.join(", "));
    }
    for fault in &faults {
        let _ = writeln!(text, "- wrong: {}", fault.lines().collect::<Vec<_>>().join(" "));
    }
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/engines.md"), text).expect("written");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
