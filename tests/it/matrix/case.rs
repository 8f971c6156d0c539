//! The cases: every command by every way into memory, with every tool.

use super::traced;
use crate::support::*;
use std::path::{Path, PathBuf};

/// A use of a command, and how it ends when nothing is refused.
#[derive(Default)]
pub(super) struct Case {
    pub(super) args: Vec<String>,
    /// The file on standard input, if there is one.
    pub(super) input: Option<PathBuf>,
    pub(super) run: Run,
    /// The bytes that `--raw` leaves.
    pub(super) raw: Vec<u8>,
    /// Whether the command handles no signals, so that a kernel that lies about
    /// mprotect may kill it.
    pub(super) bare: bool,
}

/// Where `--raw` writes, in the directory of the one who runs the case.
pub(super) const RAW: &str = "raw";

impl Case {
    pub(super) fn has(&self, arg: &str) -> bool {
        self.args.iter().any(|given| given == arg)
    }
}

const ALL: [&str; 6] = ["", "wx", "rwx", "dual", "sealed", "file"];

/// The ways for cases that test something else than memory for code.
const SOME: [&str; 2] = ["", "file"];

const TOOLS: [&[&str]; 8] = [
    &["--trace"],
    &["--trace", "--sandbox"],
    &["--perf", "map"],
    &["--perf", "jitdump"],
    &["--gdb"],
    &["--raw", RAW],
    &["--raw", "-"],
    &["--listing"],
];

/// One use of each command that runs code. The first three are bare.
const COMMANDS: [&[&str]; 7] = [
    &["hello"],
    &["ret", "7"],
    &["call"],
    &["run", "31c9f7f9c3"],
    &["bf", "-e", "++++++++[>++++++++<-]>+[.-]"],
    &["chain", "-e", "+2 *3 -5", "--start", "0", "--terms", "5"],
    &["rpn", "-e", "(1) (2) +", "--start", "0,1", "--terms", "20", "--last"],
];

/// All cases. `files` is where their input may lie.
pub(super) fn cases(files: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |bare: bool, maps: &[&str], args: &[&str], input: Option<&str>| {
        for (map, sandbox) in maps.iter().map(|map| (*map, false)).chain([("", true)]) {
            let mut all: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
            if !map.is_empty() {
                all.splice(1..1, ["--map".into(), map.into()]);
            }
            // The sandbox is the same for every way into memory, so one is enough.
            if sandbox {
                all.insert(1, "--sandbox".into());
            }
            let input = input.map(|text| {
                let path = files.join(cases.len().to_string());
                std::fs::write(&path, text).expect("written");
                path
            });
            cases.push(Case { args: all, input, bare: bare && !sandbox, ..Case::default() });
        }
    };
    let source = files.join("source");
    std::fs::write(&source, "++++++++[>++++++++<-]>+.").expect("written");
    let source = source.to_str().expect("text");
    // So long that the heap grows by moving.
    let long = files.join("long");
    std::fs::write(&long, [&[b' '; 150_000][..], b"++++++++[>++++++++<-]>+."].concat()).expect("written");
    let long = long.to_str().expect("text");
    for (place, command) in COMMANDS.iter().enumerate() {
        add(place < 3, &ALL, command, None);
    }
    add(true, &ALL, &["call", "--panic"], None);
    add(false, &ALL, &["run", "b82a000000c3"], None);
    // push 42; pop rax; ret; then no text
    add(false, &SOME, &["run", "-"], Some("j*Xé\0"));
    add(false, &SOME, &["bf", "-e", ",.<.<+"], None);
    add(false, &ALL, &["bf", "--eof", "zero", "-e", ",[.,]"], Some("abc"));
    add(false, &SOME, &["bf", "--eof", "zero", "-"], Some("+[,.]!xyz"));
    add(false, &SOME, &["bf", source], None);
    add(false, &[""], &["bf", long], None);
    add(false, &[""], &["bf", "--stats", source], None);
    add(false, &SOME, &["chain"], Some("+2 *3 -5 ^7\n3 9\n"));
    add(false, &SOME, &["chain", "-e", "*5 ^3", "--start", "1", "--terms", "9", "--last"], None);
    add(false, &SOME, &["chain", "--as-documented", "-e", "-5 /1", "--start", "7", "--terms", "4"], None);
    add(false, &ALL, &["rpn"], Some("(1) (2) +\n0:1\n1:1\n9\n"));
    for (place, command) in COMMANDS.iter().enumerate() {
        for tool in TOOLS {
            let args = [command, tool].concat().iter().map(|arg| arg.to_string()).collect();
            cases.push(Case { args, bare: place < 3 && !tool.contains(&"--sandbox"), ..Case::default() });
        }
    }
    let report = files.join("report");
    std::fs::write(&report, run(&["probe", "--json", "--strategy", "anon-wx"]).stdout).expect("written");
    let report = report.to_str().expect("text");
    for args in [
        &["hello", "--map", "inplace"][..],
        &["hello", "--map", "none"],
        &["--help"],
        &["probe", "--list"],
        &["probe", "--quiet", "--strategy", "anon-wx"],
        &["probe", "--summary", report],
    ] {
        let args: Vec<String> = args.iter().map(|arg| arg.to_string()).collect();
        cases.push(Case { bare: args.last().is_some_and(|last| last == "inplace"), args, ..Case::default() });
    }
    for case in &mut cases {
        let end = traced(command(&case.args), case, files);
        assert!(matches!(end.run.status, 0 | 3 | 7), "{:?}: {:?}", case.args, end.run);
        (case.run, case.raw) = (end.run, end.raw);
    }
    cases
}
