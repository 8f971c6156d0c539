//! `--gdb` and `--perf`, checked with the real gdb and the real perf.

use crate::support::*;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

/// A loop that takes long enough for some samples, then returns 0: mov ecx,
/// 0x10000000; dec ecx; jnz; xor eax, eax; ret.
const LOOP: &str = "B900000010 FFC9 75FC 31C0 C3";

/// Every command that generates code, what it prints and its status.
const COMMANDS: &[(&str, &[&str], &str, i32)] = &[
    ("barejit_hello", &["hello"], "Hello World!", 0),
    ("barejit_ret", &["ret", "42"], "", 42),
    ("barejit_call", &["call"], "Hello, JIT!\n", 0),
    ("barejit_run", &["run", "B807000000C3"], "7 0x7\n", 0),
    (
        "barejit_chain",
        &["chain", "-e", "*3 +7 ^5", "--start", "1", "--terms", "2", "--last"],
        "Term 2: 49\n",
        0,
    ),
    ("barejit_rpn", &["rpn", "-e", "(1) (2) +", "--start", "0,1", "--terms", "9", "--last"], "9: 34\n", 0),
    ("barejit_bf", &["bf", "-e", "++++++++[>++++++++<-]>+."], "A", 0),
];

/// Runs `commands` in gdb on `program` with these arguments and returns its output.
fn gdb(program: &Path, args: &[&str], commands: &[&str]) -> String {
    let mut gdb = tool("gdb", "gdb");
    gdb.args(["-nx", "-batch", "-ex", "set breakpoint pending on", "-ex", "set debuginfod enabled off"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let run = finish({
        gdb.arg("--args").arg(program).args(args);
        gdb
    });
    run.text() + &run.stderr
}

#[test]
fn gdb_stops_in_generated_code_and_names_it() {
    if lacks(Need::Tracing) {
        return;
    }
    // As some distribution would ship it.
    let stripped = scratch("stripped");
    let mut strip = tool("strip", "binutils");
    strip.args(["--strip-all", "-o"]).arg(&stripped).arg(BAREJIT);
    assert_eq!(finish(strip).status, 0);
    for program in [Path::new(BAREJIT), &stripped] {
        for (name, args, output, status) in COMMANDS {
            let breakpoint = format!("break {name}");
            let commands =
                [&breakpoint, "run", "bt", "info symbol $pc", "x/2i $pc", "stepi 1", "bt", "continue"];
            let said = gdb(program, &[args, &["--gdb"][..]].concat(), &commands);
            for expected in [
                "Breakpoint 1, 0x",
                &format!(" in {name} ()\n#0  0x"),
                &format!("{name} in section .text of "),
                &format!(" <{name}>:\t"),
                &format!(" <{name}+"),
                output.trim_end(),
                &if *status == 0 {
                    "exited normally".into()
                } else {
                    format!("exited with code 0{status:o}")
                },
            ] {
                assert!(said.contains(expected), "{expected:?} is not in what gdb said of {args:?}:\n{said}");
            }
            // Two frames each time: the code, and what it returns to.
            assert_eq!([0, 1, 2].map(|n| said.matches(&format!("\n#{n}  0x")).count()), [2, 2, 0], "{said}");
        }
    }
    std::fs::remove_file(&stripped).expect("was there");
}

#[test]
fn gdb_finds_the_caller_whatever_code_does_to_its_stack() {
    if lacks(Need::Tracing) {
        return;
    }
    // push 1; sub rsp, 40; mov rbp, rsp; xor esp, esp; mov rsp, rbp; ud2
    let code = "6A01 4883EC28 4889E5 31E4 4889EC 0F0B";
    let steps = ["stepi", "bt"].repeat(5);
    let commands =
        [&["break barejit_run", "run", "bt"][..], &steps, &["continue", "bt", "continue"]].concat();
    let said = gdb(Path::new(BAREJIT), &["run", code, "--gdb"], &commands);
    let callers: Vec<&str> = said.lines().filter(|line| line.starts_with("#1 ")).collect();
    assert_eq!(callers, [callers[0]; 7], "{said}");
    assert!(!said.contains("#2 ") && said.contains("SIGILL"), "{said}");
}

#[test]
fn gdb_finishes_generated_code() {
    if lacks(Need::Tracing) {
        return;
    }
    let said =
        gdb(Path::new(BAREJIT), &["ret", "--gdb", "5"], &["break barejit_ret", "run", "finish", "p $eax"]);
    assert!(said.contains("$1 = 5"), "{said}");
}

#[test]
fn gdb_forgets_code_that_is_gone() {
    if lacks(Need::Tracing) {
        return;
    }
    let commands = [
        "break barejit_ret",
        "run",
        "info symbol barejit_ret",
        "break __jit_debug_register_code",
        "continue",
        "stepi",
        "info symbol barejit_ret",
        "continue",
    ];
    let said = gdb(Path::new(BAREJIT), &["ret", "--gdb", "5"], &commands);
    assert_eq!(said.matches("barejit_ret in section .text of ").count(), 1, "{said}");
    assert!(said.contains("exited with code 05"), "{said}");
}

#[test]
fn a_run_that_debuggers_may_see_is_like_any_other() {
    for (_, args, output, status) in COMMANDS {
        let args = [args, &["--gdb"][..]].concat();
        run(&args).expect(output, "", *status);
        qemu(&args).expect(output, "", *status);
    }
}

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = scratch("perf");
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    /// Runs the executable in here; its process and all there is to say.
    fn run(&self, args: &[&str]) -> (u32, Run) {
        let mut command = command(args);
        command.current_dir(&self.0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("runs");
        (child.id(), Run::new(child.wait_with_output().expect("was started")))
    }

    fn perf(&self, args: &[&str]) -> Run {
        let mut perf = tool("perf", "linux-perf");
        perf.args(args).current_dir(&self.0);
        finish(perf)
    }

    /// Samples a run with these arguments; `None` where that cannot be done.
    fn sampled(&self, kind: &str, args: &[&str]) -> Option<u32> {
        let arguments = ["record", "-e", "cpu-clock", "-k", "1", "-o", "perf.data", BAREJIT];
        let recorded = self.perf(&[&arguments[..], args, &["--perf", kind]].concat());
        let script = self.perf(&["script", "-i", "perf.data", "-F", "pid"]);
        let process = script.text().lines().next().and_then(|line| line.trim().parse().ok());
        if process.is_none() {
            let why = recorded.stderr;
            untested(&format!("perf cannot sample, so only the file for --perf {kind} is: {why}"));
        }
        process
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_perf_map_has_a_line_for_each_name() {
    let folder = Folder::new();
    for (name, args, output, status) in COMMANDS {
        let (process, run) = folder.run(&[args, &["--perf", "map"][..]].concat());
        run.expect(output, "", *status);
        let path = format!("/tmp/perf-{process}.map");
        let map = std::fs::read_to_string(&path).expect("a map");
        std::fs::remove_file(&path).expect("was there");
        let words: Vec<&str> = map.split_ascii_whitespace().collect();
        let [start, size, named] = words[..] else { panic!("{map}") };
        let numbers = [start, size].map(|text| u64::from_str_radix(text, 16).expect("hexadecimal"));
        let raw = finish(command(&[args, &["--raw", "-"][..]].concat())).stdout.len() as u64;
        let data = if *name == "barejit_call" { 12 } else { 0 };
        assert_eq!((numbers[0] % 4096, numbers[1], named), (data, raw - data, *name), "{map}");
    }
}

#[test]
fn perf_report_names_the_code_by_its_map() {
    let folder = Folder::new();
    let Some(process) = folder.sampled("map", &["run", LOOP]) else { return };
    let report = folder.perf(&["report", "--stdio", "-i", "perf.data"]).text();
    let _ = std::fs::remove_file(format!("/tmp/perf-{process}.map"));
    let line = report.lines().find(|line| line.contains("%") && !line.starts_with('#'));
    assert!(line.is_some_and(|line| line.ends_with("[.] barejit_run")), "{report}");
}

#[test]
fn perf_inject_makes_a_library_of_a_jitdump() {
    let folder = Folder::new();
    let Some(process) = folder.sampled("jitdump", &["run", LOOP]) else { return };
    let injected = folder.perf(&["inject", "--jit", "-i", "perf.data", "-o", "injected"]);
    assert_eq!(injected.status, 0, "{injected:?}");
    let report = folder.perf(&["report", "--stdio", "-i", "injected"]).text();
    let library = format!("jitted-{process}-0.so");
    let line = report.lines().find(|line| line.contains("%") && !line.starts_with('#'));
    let named = |line: &str| line.contains(&library) && line.ends_with("[.] barejit_run");
    assert!(line.is_some_and(named), "{report}");
}

#[test]
fn perf_report_leads_to_lines_of_the_source() {
    let folder = Folder::new();
    let program = "-[\n>-[\n>-[->+<]\n<-]\n<-] nested in line 3";
    std::fs::write(folder.0.join("nested.bf"), program).expect("written");
    let Some(_) = folder.sampled("jitdump", &["bf", "--opt", "0", "nested.bf"]) else { return };
    let injected = folder.perf(&["inject", "--jit", "-i", "perf.data", "-o", "injected"]);
    assert_eq!(injected.status, 0, "{injected:?}");
    let report = folder.perf(&["report", "--stdio", "--sort", "srcline", "-i", "injected"]).text();
    let line = report.lines().find(|line| line.contains("%") && !line.starts_with('#'));
    assert!(line.is_some_and(|line| line.trim_end().ends_with(" nested.bf:3")), "{report}");
}

#[test]
fn marks_for_profilers_change_no_verdict() {
    let folder = Folder::new();
    for program in ["+[>+]", "<", ">>[-]<<<.", "+[<+>>+]", "++[->+<]>[<<<]+[<]", ",[.,]+.<<<+"] {
        for level in ["0", "1", "2"] {
            let args = ["bf", "--tape", "4096", "--opt", level, "-e", program];
            let (_, plain) = folder.run(&args);
            let (_, explained) = folder.run(&[&args[..], &["--perf", "jitdump"]].concat());
            assert_eq!(plain, explained, "{program} at --opt {level}");
        }
    }
}

#[test]
fn code_that_another_takes_over_from_stays_in_the_files() {
    let folder = Folder::new();
    // Optimised code cannot tell what is wrong here, and hands over to plain code.
    let args = ["bf", "--tape", "4096", "-e", "+.<+", "--perf"];
    let (process, run) = folder.run(&[&args[..], &["jitdump"]].concat());
    assert_eq!((run.text().as_str(), run.status), ("\u{1}", 3), "{run:?}");
    let dump = std::fs::read(folder.0.join(format!("jit-{process}.dump"))).expect("a dump");
    let (mut records, mut at) = (vec![], 40);
    while at < dump.len() {
        let word = |at: usize| u32::from_le_bytes(dump[at..at + 4].try_into().expect("four"));
        records.push((word(at), if word(at) == 0 { word(at + 48) } else { 0 }));
        at += word(at + 4) as usize;
    }
    assert_eq!((records, at), (vec![(2, 0), (0, 0), (2, 0), (0, 1)], dump.len()));
    let (process, _) = folder.run(&[&args[..], &["map"]].concat());
    let path = format!("/tmp/perf-{process}.map");
    let map = std::fs::read_to_string(&path).expect("a map");
    std::fs::remove_file(&path).expect("was there");
    assert_eq!(map.lines().count(), 2, "{map}");
}

#[test]
fn a_jitdump_holds_the_code() {
    let folder = Folder::new();
    for (name, args, output, status) in COMMANDS {
        let (process, run) = folder.run(&[args, &["--perf", "jitdump"][..]].concat());
        run.expect(output, "", *status);
        let dump = std::fs::read(folder.0.join(format!("jit-{process}.dump"))).expect("a dump");
        let word = |at: usize| u32::from_le_bytes(dump[at..at + 4].try_into().expect("four"));
        let long = |at: usize| u64::from_le_bytes(dump[at..at + 8].try_into().expect("eight"));
        let header = [0, 4, 8, 12, 16, 20].map(word);
        assert_eq!(header, [0x4A69_5444, 1, 40, 62, 0, process]);
        assert!(long(24) > 0 && long(48) >= long(24), "time runs backwards");
        // Only what has a source has lines; then comes a load, to the end of the file.
        let has_source = ["barejit_chain", "barejit_rpn", "barejit_bf"].contains(name);
        let lines = if has_source { word(44) as usize } else { 0 };
        assert_eq!(word(40), if has_source { 2 } else { 0 });
        let load = 40 + lines;
        let (kind, size, size_of_code) = (word(load), word(load + 4), long(load + 40) as usize);
        assert_eq!((kind, size as usize), (0, dump.len() - load));
        assert_eq!([word(load + 16), word(load + 20)], [process; 2]);
        let named = &dump[load + 56..][..name.len() + 1];
        assert_eq!(named, [name.as_bytes(), b"\0"].concat(), "{name}");
        assert_eq!(dump.len(), load + 56 + named.len() + size_of_code);
        if *name == "barejit_run" {
            assert!(dump.ends_with(b"\0\xB8\x07\0\0\0\xC3"));
        }
    }
}

#[test]
fn the_dump_is_mapped_as_perf_wants_it() {
    if lacks(Need::Tracing) {
        return;
    }
    let folder = Folder::new();
    let log = folder.0.join("log");
    let mut strace = tool("strace", "strace");
    strace.arg("-o").arg(&log).args([BAREJIT, "ret", "--perf", "jitdump", "1"]).current_dir(&folder.0);
    assert_eq!(finish(strace).status, 1);
    let log = std::fs::read_to_string(&log).expect("a log");
    let marker = "mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, ";
    assert!(log.lines().any(|line| line.starts_with(marker) && line.contains(", 0) = 0x")), "{log}");
}

#[test]
fn a_file_that_perf_cannot_have_is_an_error() {
    if lacks(Need::Tracing) {
        return;
    }
    let message = "barejit: ret: --perf: open: EACCES (Permission denied)\n";
    for kind in ["map", "jitdump"] {
        inject("open:error=EACCES", &["ret", "--perf", kind, "7"]).expect("", message, 1);
    }
    let mut elsewhere = command(&["hello", "--perf", "jitdump"]);
    elsewhere.current_dir("/proc");
    let refused = finish(elsewhere);
    let place = "barejit: hello: --perf: open: ";
    assert!(refused.stderr.starts_with(place) && refused.status == 1, "{refused:?}");
    run(&["ret", "--perf=stat", "7"]).expect("", "barejit: ret: --perf: 'stat' is none of map jitdump\n", 2);
}
