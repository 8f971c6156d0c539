//! The whole refusal matrix: every syscall of every command by every way into
//! executable memory, refused in every way, one at a time.
//!
//! A cell is right if it ends as if nothing had happened, or with status 1 and
//! one line that names the call and what it answered. It is wrong if a signal
//! ends it, if it hangs, if it claims a success it did not have, or if it leaves
//! a descriptor, a file or executable memory behind.

use crate::support::*;
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::Path,
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

/// A use of a command, and how it ends when nothing is refused.
struct Case {
    args: Vec<String>,
    run: Run,
    /// Whether the command handles no signals, so that a kernel that lies about
    /// mprotect may kill it.
    bare: bool,
}

/// What is done to one call of one case.
struct Cell<'a> {
    case: &'a Case,
    call: String,
    /// Which occurrence, from 1; or all from that one on.
    when: String,
    /// `error=NAME` or `retval=NUMBER`.
    what: String,
}

fn cases(path: &str) -> Vec<Case> {
    const ALL: [&str; 6] = ["", "wx", "rwx", "dual", "sealed", "file"];
    /// What is not about memory for code needs no more than these.
    const SOME: [&str; 2] = ["", "file"];
    let mut cases = Vec::new();
    let mut add = |bare: bool, maps: &[&str], args: &[&str]| {
        for sandbox in [false, true] {
            for &map in maps {
                let mut args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
                let mut options = Vec::new();
                if !map.is_empty() {
                    options.extend(["--map".into(), map.to_string()]);
                }
                if sandbox {
                    options.push("--sandbox".into());
                }
                args.splice(1..1, options);
                // With a sandbox one way is like another.
                if !sandbox || map.is_empty() {
                    cases.push(Case { args, run: Run::default(), bare: bare && !sandbox });
                }
            }
        }
    };
    add(true, &ALL, &["hello"]);
    add(true, &ALL, &["ret", "7"]);
    add(true, &ALL, &["call"]);
    add(true, &ALL, &["call", "--panic"]);
    add(false, &ALL, &["run", "b82a000000c3"]);
    add(false, &ALL, &["run", "31c9f7f9c3"]);
    add(false, &ALL, &["bf", "-e", "++++++++[>++++++++<-]>+[.-]"]);
    add(false, &SOME, &["bf", "-e", ",.<.<+"]);
    add(false, &SOME, &["bf", path]);
    add(false, &SOME, &["chain", "-e", "+2 *3 -5", "--start", "0", "--terms", "5"]);
    add(false, &SOME, &["rpn", "-e", "(1) (2) +", "--start", "0,1", "--terms", "20", "--last"]);
    for args in [&["hello", "--map", "inplace"][..], &["hello", "--map", "none"]] {
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        cases.push(Case { bare: args[2] == "inplace", args, run: Run::default() });
    }
    for case in &mut cases {
        case.run = finish(command(&case.args));
        assert!(matches!(case.run.status, 0 | 3 | 7), "{:?}: {:?}", case.args, case.run);
    }
    cases
}

/// Runs the case under strace and gives the end and the lines of the log.
fn traced(case: &Case, log: &Path, injection: Option<&str>) -> (Run, Vec<String>) {
    // A cell that hangs is killed, and then wrong.
    let mut strace = tool("timeout", "coreutils");
    strace.args(["-s", "KILL", "20", "strace", "-qq", "-o"]).arg(log);
    if let Some(injection) = injection {
        strace.args(["-e", &format!("inject={injection}")]);
    }
    strace.arg(BAREJIT).args(&case.args);
    let run = finish(strace);
    let text = std::fs::read_to_string(log).unwrap_or_default();
    (run, text.lines().map(str::to_string).collect())
}

fn name(line: &str) -> Option<&str> {
    let name = line.split_once('(')?.0;
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_').then_some(name)
}

/// Every way to refuse every call of a case.
fn cells<'a>(case: &'a Case, log: &Path) -> Vec<Cell<'a>> {
    let (run, lines) = traced(case, log, None);
    assert_eq!(run, case.run, "{:?}: strace alone makes a difference", case.args);
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
            match call {
                "mmap" | "mprotect" => add(occurrence.to_string(), "retval=0".into()),
                "write" => add(occurrence.to_string(), "retval=1".into()),
                _ => {}
            }
        }
    }
    cells
}

/// What is wrong with the way a cell ended.
fn verdict(cell: &Cell, run: &Run, lines: &[String]) -> Option<String> {
    let Cell { case, call, what, .. } = cell;
    let tampered = lines.iter().find(|line| line.contains("(INJECTED)"));
    let tampered = tampered.map_or("", String::as_str);
    let on_stderr = tampered.starts_with("write(2,");
    // A write that claims one byte has written none.
    let (mut stdout, mut stderr) = (case.run.stdout.as_slice(), case.run.stderr.as_str());
    if what == "retval=1" {
        if on_stderr { stderr = &stderr[1..] } else { stdout = &stdout[1..] }
    }
    if run.status < 0 || run.status > 128 {
        let lie = call == "mprotect" && what == "retval=0" && case.bare;
        let silent = run.stdout.is_empty() && run.stderr.is_empty();
        return (!lie || !silent).then(|| "a signal ended it".into());
    }
    // Out of memory ends the process where it is, whatever is open.
    if let Some(left) = left_behind(cell, lines)
        && !run.stderr.starts_with("barejit: out of memory: ")
    {
        return Some(left);
    }
    if run.status == case.run.status && run.stdout == stdout && (run.stderr == stderr || on_stderr) {
        return None;
    }
    if cell.when == "1+" && call == "write" && matches!(run.status, 1 | 3) && run.stdout.is_empty() {
        // Nothing can be said at all.
        return None;
    }
    let line = run.stderr.strip_suffix('\n').unwrap_or_default();
    if line.contains('\n') || !line.starts_with("barejit: ") {
        return Some("not one line".into());
    }
    let answer = match what.strip_prefix("error=") {
        // brk(2) of the kernel knows one error only.
        Some(_) if call == "brk" => "brk: ENOMEM (".into(),
        Some(error) => format!("{call}: {error} ("),
        None => format!("{call}: claimed success without effect"),
    };
    let lie = call == "mprotect" && what == "retval=0" && line.ends_with("(the page is not executable)");
    // What is known without running may be printed before.
    let begun = run.stdout.is_empty() || (run.stdout.len() < stdout.len() && stdout.starts_with(&run.stdout));
    let printed = run.stdout == stdout;
    match run.status {
        1 if !line.contains(&answer) => Some(format!("the line does not say '{answer}'")),
        1 if begun || (printed && call == "munmap") => None,
        3 if lie && begun => None,
        _ => Some("not a documented end".into()),
    }
}

/// What is still there at the end: descriptors, or memory for code.
fn left_behind(cell: &Cell, lines: &[String]) -> Option<String> {
    let Cell { case, call, .. } = cell;
    let given = |line: &str| line.rsplit_once(" = ").map(|(_, value)| value.to_string());
    let mut open = Vec::new();
    let mut code = Vec::new();
    for line in lines.iter().filter(|line| !line.contains("(INJECTED)")) {
        let number = |text: &str| usize::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        let arguments: Vec<&str> =
            line.split_once('(').map_or("", |(_, rest)| rest).split([',', ')']).map(str::trim).collect();
        let Some(call) = name(line) else { continue };
        match (call, given(line)) {
            ("open" | "memfd_create", Some(fd)) if !fd.starts_with('-') => open.push(fd),
            ("close", _) => open.retain(|fd| fd != arguments[0]),
            ("mmap", Some(address)) if line.contains("PROT_EXEC") => code.extend(number(&address)),
            ("mprotect", Some(result)) if line.contains("PROT_EXEC") && result == "0" => {
                code.extend(number(arguments[0]));
            }
            ("munmap", Some(result)) if result == "0" => {
                let (start, size) = (number(arguments[0])?, arguments[1].parse::<usize>().ok()?);
                code.retain(|address| !(start..start + size).contains(address));
            }
            _ => {}
        }
    }
    let stays = ["rwx", "inplace", "--sandbox"];
    let documented = case.args.iter().any(|arg| stays.contains(&arg.as_str())) || call == "munmap";
    if !open.is_empty() && call != "close" {
        Some(format!("descriptors {open:?} stay open"))
    } else if !code.is_empty() && !documented {
        Some(format!("code stays mapped at {code:x?}"))
    } else {
        None
    }
}

fn names_in_shared_directories() -> Vec<std::path::PathBuf> {
    let all = ["/dev/shm", "/tmp", "/var/tmp"].into_iter().filter_map(|dir| std::fs::read_dir(dir).ok());
    all.flatten().flatten().map(|entry| entry.path()).filter(|path| path.ends_with(".barejit")).collect()
}

#[test]
fn every_refusal_of_every_call_ends_well() {
    let source = scratch("source");
    std::fs::write(&source, "++++++++[>++++++++<-]>+.").expect("written");
    let cases = cases(source.to_str().expect("text"));
    let first = scratch("matrix");
    let cells: Vec<Cell> = cases.iter().flat_map(|case| cells(case, &first)).collect();
    let _ = std::fs::remove_file(&first);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let log = scratch("cell");
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let injection = format!("{}:{}:when={}", cell.call, cell.what, cell.when);
                    let (run, lines) = traced(cell.case, &log, Some(&injection));
                    if let Some(why) = verdict(cell, &run, &lines) {
                        let mut wrong = wrong.lock().expect("no thread panics with it");
                        let _ = writeln!(wrong, "{:?} {injection}: {why}: {run:?}", cell.case.args);
                    }
                }
                let _ = std::fs::remove_file(&log);
            });
        }
    });
    std::fs::remove_file(&source).expect("was there");
    let wrong = wrong.into_inner().expect("no thread panics with it");
    println!("refusal matrix: {} cases, {} cells, {} wrong", cases.len(), cells.len(), wrong.lines().count());
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cells.len() >= 1000, "only {} cells", cells.len());
    assert_eq!(names_in_shared_directories(), Vec::<std::path::PathBuf>::new(), "files left behind");
}
