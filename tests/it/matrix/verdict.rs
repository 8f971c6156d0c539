//! Whether a cell ended well.

use super::{Cell, End, case::Case, name};
use crate::support::Run;

/// The beginnings of the lines of `--trace` and `--stats`, whose addresses and times differ
/// from run to run.
const ON_THE_WAY: &str = "reserve |write |patch |seal |jump |return |no return|release: |bf: source |\
     bf: parse: |bf: run: ";

/// Standard error without these lines.
fn message(case: &Case, run: &Run) -> String {
    if !case.has("--trace") && !case.has("--stats") {
        return run.stderr.clone();
    }
    let told = |line: &str| {
        let line = line.strip_prefix("barejit: ").unwrap_or(line);
        ON_THE_WAY.split('|').any(|start| line.starts_with(start))
            || line.ends_with(" µs")
            || line.contains("; falling back to ")
    };
    run.stderr.lines().filter(|line| !told(line)).map(|line| format!("{line}\n")).collect()
}

/// Whether both runs end alike: output, message and status.
pub(super) fn alike(case: &Case, run: &Run) -> bool {
    run.status == case.run.status
        && run.stdout == case.run.stdout
        && message(case, run) == message(case, &case.run)
}

/// The mistake in the way a cell ended, if there is one.
pub(super) fn verdict(cell: &Cell, end: &End) -> Option<String> {
    let Cell { case, call, what, .. } = cell;
    let End { run, lines, .. } = end;
    let tampered = lines.iter().find(|line| line.contains("(INJECTED)"));
    let tampered = tampered.map_or("", String::as_str);
    let on_stderr = tampered.starts_with("write(2,");
    let refused = what.strip_prefix("error=");
    if run.status < 0 || run.status > 128 {
        let lie = call == "mprotect" && what == "retval=0x0" && case.bare;
        let silent = run.stdout.is_empty() && message(case, run).is_empty();
        return (!lie || !silent).then(|| "a signal ended it".into());
    }
    // Out of memory ends the process where it is, whatever is open.
    if let Some(left) = left_behind(cell, end)
        && !run.stderr.starts_with("barejit: out of memory: ")
    {
        return Some(left);
    }
    if case.has("--quiet") {
        // A probe expects refusals: it finds a strategy, or its status says that there is none.
        let documented =
            matches!(run.status, 0 | 1 | 4) && run.stdout.is_empty() && run.stderr.lines().count() <= 1;
        return (!documented).then(|| "not a documented end".into());
    }
    let answer = match refused {
        // brk(2) of the kernel knows one error only.
        _ if call == "brk" => "brk: ENOMEM (".into(),
        Some(error) => format!("{call}: {error} ("),
        None => format!("{call}: claimed success without effect"),
    };
    let maps = matches!(call.as_str(), "open" | "read") && tampered.contains("maps");
    if maps
        && refused.is_some_and(|error| !super::ERRORS[super::FINAL..].contains(&error))
        && !run.stderr.contains(&answer)
    {
        return Some(format!("the trace does not say '{answer}'"));
    }
    let unkept = call == "close" && case.has("--raw") && refused.is_some_and(|error| error != "EINTR");
    if unkept && !tampered.is_empty() && !run.stderr.contains(&answer) {
        return Some("what --raw has written may be lost".into());
    }
    let (stdout, stderr) = (case.run.stdout.as_slice(), message(case, &case.run));
    // A write that claims one byte has written none.
    let lost = what == "retval=0x1" && call == "write";
    let printed = match lost && tampered.starts_with("write(1,") {
        true => (0..stdout.len()).any(|at| run.stdout == [&stdout[..at], &stdout[at + 1..]].concat()),
        false => run.stdout == stdout,
    };
    let line = message(case, run);
    if run.status == case.run.status && printed && (line == stderr || on_stderr) {
        let same = end.raw == case.raw || lost;
        return (!same).then(|| "--raw claims to have written what it has not".into());
    }
    if cell.when == "1+" && call == "write" && matches!(run.status, 1 | 3) && run.stdout.is_empty() {
        // Nothing can be said at all.
        return None;
    }
    if call == "read" && refused.is_none() {
        // A read that claims another size gives the command another input.
        let documented = matches!(run.status, 0..=3) && line.lines().count() <= 1;
        return (!documented).then(|| "other input, no documented end".into());
    }
    let line = line.strip_suffix('\n').unwrap_or_default();
    if line.contains('\n') || !line.starts_with("barejit: ") {
        return Some("not one line".into());
    }
    let lie = call == "mprotect" && what == "retval=0x0" && line.ends_with("(the page is not executable)");
    // Output that needs no generated code may be printed before the refusal.
    let begun = run.stdout.is_empty() || (run.stdout.len() < stdout.len() && stdout.starts_with(&run.stdout));
    match run.status {
        1 if !line.contains(&answer) => Some(format!("the line does not say '{answer}'")),
        // The last read and the last unmapping come after all output.
        1 if begun || (printed && matches!(call.as_str(), "munmap" | "read")) => None,
        3 if lie && begun => None,
        _ => Some("not a documented end".into()),
    }
}

/// A file, a descriptor or memory for code that is left at the end.
fn left_behind(cell: &Cell, end: &End) -> Option<String> {
    let Cell { case, call, .. } = cell;
    let given = |line: &str| line.rsplit_once(" = ").map(|(_, value)| value.to_string());
    let mut open = Vec::new();
    let mut code = Vec::new();
    for line in end.lines.iter().filter(|line| !line.contains("(INJECTED)")) {
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
    // A probe that cannot have a process for a trial is the trial, and ends.
    let stays = ["rwx", "inplace", "--sandbox", "probe"].iter().any(|way| case.has(way));
    let mut files = end.files.clone();
    files.retain(|file| match file.split_once('-') {
        Some(("jit", _)) => !case.has("jitdump"),
        Some(("perf", _)) => !case.has("map"),
        _ => file != super::case::RAW || !case.has("--raw"),
    });
    // A descriptor of which nothing is known is left alone.
    let unproven = call == "fcntl"
        && end.lines.iter().any(|line| line.contains("F_GETFD") && line.contains("(INJECTED)"));
    if !open.is_empty() && call != "close" && !unproven {
        Some(format!("descriptors {open:?} stay open"))
    } else if !code.is_empty() && !stays && call != "munmap" {
        Some(format!("code stays mapped at {code:x?}"))
    } else if !files.is_empty() {
        Some(format!("files {files:?} stay"))
    } else {
        None
    }
}
