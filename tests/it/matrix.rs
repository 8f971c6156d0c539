//! The whole refusal matrix: every syscall of every command by every way into
//! executable memory and with every tool, refused in every way, one at a time.
//!
//! A cell is right if it ends as if nothing had happened, or with status 1 and
//! one line that names the call and what it answered. It is wrong if a signal
//! ends it, if it hangs, if it claims a success it did not have, or if it leaves
//! a descriptor, a file or executable memory behind.

mod case;
mod verdict;

use crate::support::*;
use case::{Case, RAW};
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The errors of every call; those that ask for another try come last.
const ERRORS: [&str; 7] = ["ENOMEM", "EACCES", "EPERM", "ENOSYS", "EIO", "EINTR", "EAGAIN"];
const FINAL: usize = 5;

/// Calls that cannot fail: the kernel ends the process instead.
const INFALLIBLE: [&str; 3] = ["execve", "exit_group", "rt_sigreturn"];

/// A refusal or lie that strace injects into one call of one case.
struct Cell<'a> {
    case: &'a Case,
    call: String,
    /// Which occurrence, from 1; or all from that one on.
    when: String,
    /// `error=NAME` or `retval=NUMBER`.
    what: String,
}

/// How a run ended, and what it left.
struct End {
    run: Run,
    /// The lines of strace's log.
    lines: Vec<String>,
    /// The bytes that `--raw` has written.
    raw: Vec<u8>,
    /// The names of files that were not there before.
    files: Vec<String>,
}

const LOG: &str = "log";

/// Runs `command` in `directory`, which has what it had before afterwards.
fn traced(mut command: Command, case: &Case, directory: &Path) -> End {
    let before = names(directory);
    command.current_dir(directory).stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(match &case.input {
        Some(path) => std::fs::File::open(path).expect("was written").into(),
        None => Stdio::null(),
    });
    regime::limit(&mut command, libc::RLIMIT_CPU, 10);
    // Code that holds an address is the same each time.
    regime::same_addresses(&mut command);
    let child = command.spawn().expect("started");
    let own = format!("/tmp/perf-{}.map", child.id());
    let mut run = Run::new(child.wait_with_output().expect("it ends"));
    // strace warns of what it would do to a process of 32 bits.
    let warns = |line: &&str| line.starts_with("strace: Injected return value ");
    run.stderr = run.stderr.split_inclusive('\n').filter(|line| !warns(line)).collect();
    let read = |name: &str| std::fs::read(directory.join(name)).unwrap_or_default();
    let log = String::from_utf8_lossy(&read(LOG)).into_owned();
    let (lines, raw) = (log.lines().map(str::to_string).collect(), read(RAW));
    let mut files = names(directory);
    files.retain(|name| !before.contains(name));
    for name in &files {
        std::fs::remove_file(directory.join(name)).expect("was there");
    }
    files.retain(|name| name != LOG);
    // A perf map lies where perf looks for it.
    let map = log.split('"').find(|path| path.starts_with("/tmp/perf-")).unwrap_or(&own);
    if case.has("map") && std::fs::remove_file(map).is_ok() {
        files.push(map.trim_start_matches("/tmp/").into());
    }
    End { run, lines, raw, files }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("was made").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Runs the case under strace.
fn strace(case: &Case, directory: &Path, injection: Option<&str>) -> End {
    // A cell that hangs is killed, and then wrong.
    let mut strace = Command::new("timeout");
    strace.args(["-s", "KILL", "20", "strace", "-qq", "-o", LOG]);
    if let Some(injection) = injection {
        strace.args(["-e", &format!("inject={injection}")]);
    }
    strace.arg(BAREJIT).args(&case.args);
    traced(strace, case, directory)
}

fn name(line: &str) -> Option<&str> {
    let name = line.split_once('(')?.0;
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some(name)
}

/// Every way to refuse every call of a case.
fn cells<'a>(case: &'a Case, directory: &Path) -> Vec<Cell<'a>> {
    let End { run, lines, .. } = strace(case, directory, None);
    assert!(verdict::alike(case, &run), "{:?}: {run:?}, without strace {:?}", case.args, case.run);
    let mut counts = BTreeMap::<&str, usize>::new();
    // Inside a filter of the process's own strace cannot answer calls: it makes
    // them call −1, which the filter refuses.
    let filter = lines.iter().position(|line| name(line) == Some("seccomp"));
    for name in lines[..filter.map_or(lines.len(), |at| at + 1)].iter().filter_map(|line| name(line)) {
        // strace names what it does not know by number, and cannot refuse it.
        if !INFALLIBLE.contains(&name) && !name.starts_with("syscall_") {
            *counts.entry(name).or_default() += 1;
        }
    }
    let mut cells = Vec::new();
    let lies = lies(&lines);
    for (call, count) in counts {
        let mut add = |when: String, what: String| {
            cells.push(Cell { case, call: call.into(), when, what });
        };
        for error in &ERRORS[..FINAL] {
            add("1+".into(), format!("error={error}"));
        }
        for occurrence in 1..=count {
            for error in ERRORS {
                add(occurrence.to_string(), format!("error={error}"));
            }
            for lie in lies.iter().filter(|lie| lie.call == call && lie.occurrence == occurrence) {
                add(occurrence.to_string(), format!("retval={:#x}", lie.answer));
            }
        }
    }
    cells
}

/// A false answer to one occurrence of a call.
struct Lie<'a> {
    call: &'a str,
    occurrence: usize,
    answer: u64,
}

/// The false answers that the calls of a log could get: descriptors that the process was
/// started with or that do not exist, addresses that are not aligned, that nobody may
/// map, or where something is mapped already.
fn lies(lines: &[String]) -> Vec<Lie<'_>> {
    const HIGH: u64 = 1000;
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut mapped = Vec::<u64>::new();
    let mut lies = Vec::new();
    for line in lines {
        let Some(call) = name(line) else { continue };
        let occurrence = *counts.entry(call).and_modify(|count| *count += 1).or_insert(1);
        let address = |text: &str| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok();
        let answered = line.rsplit_once(" = ").and_then(|(_, answer)| address(answer));
        let first = line.split(['(', ',', ')']).nth(1).and_then(address);
        let mut answers = match call {
            "open" | "memfd_create" => vec![0, 1, 2, HIGH],
            "mmap" | "mremap" => vec![0, 1, 4096],
            "brk" => vec![1],
            "mprotect" => vec![0],
            "write" => vec![1],
            "read" => vec![0, 1],
            _ => vec![],
        };
        match (call, answered, first) {
            ("mmap", Some(new), _) if !line.contains("MAP_FIXED") => {
                answers.extend(mapped.first());
                mapped.push(new);
            }
            ("mremap", Some(new), Some(old)) => {
                mapped.retain(|address| *address != old);
                answers.extend(mapped.first());
                mapped.push(new);
            }
            ("munmap", Some(0), Some(old)) => mapped.retain(|address| *address != old),
            _ => {}
        }
        lies.extend(answers.into_iter().map(|answer| Lie { call, occurrence, answer }));
    }
    lies
}

fn names_in_shared_directories() -> Vec<std::path::PathBuf> {
    let all = ["/dev/shm", "/tmp", "/var/tmp"].into_iter().filter_map(|dir| std::fs::read_dir(dir).ok());
    all.flatten().flatten().map(|entry| entry.path()).filter(|path| path.ends_with(".barejit")).collect()
}

/// A directory for one who runs cases.
fn directory() -> std::path::PathBuf {
    let directory = scratch("matrix");
    std::fs::create_dir(&directory).expect("made");
    directory
}

#[test]
fn every_refusal_of_every_call_ends_well() {
    if lacks(Need::Tracing) || lacks(Need::FixedAddresses) {
        return;
    }
    tool("strace", "strace");
    tool("timeout", "coreutils");
    let first = directory();
    let cases = case::cases(&first);
    // `make test` comes here twice; without optimisation a third is enough.
    let step = if cfg!(debug_assertions) { 3 } else { 1 };
    let cells: Vec<Cell> = cases.iter().flat_map(|case| cells(case, &first)).step_by(step).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let own = directory();
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let injection = format!("{}:{}:when={}", cell.call, cell.what, cell.when);
                    let end = strace(cell.case, &own, Some(&injection));
                    if let Some(why) = verdict::verdict(cell, &end) {
                        let mut wrong = wrong.lock().expect("no thread panics with it");
                        let _ = writeln!(wrong, "{:?} {injection}: {why}: {:?}", cell.case.args, end.run);
                    }
                }
                std::fs::remove_dir(own).expect("empty");
            });
        }
    });
    std::fs::remove_dir_all(first).expect("was there");
    let wrong = wrong.into_inner().expect("no thread panics with it");
    println!("refusal matrix: {} cases, {} cells, {} wrong", cases.len(), cells.len(), wrong.lines().count());
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cells.len() >= 1000, "only {} cells", cells.len());
    assert_eq!(names_in_shared_directories(), Vec::<std::path::PathBuf>::new(), "files left behind");
}
