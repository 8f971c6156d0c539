//! Limits of setrlimit(2): a small stack and files that may not grow. Each command works
//! or says in one line why not.

use crate::support::*;
use std::{fs::File, process::Stdio};

/// Commands of every kind, and what they print where nothing limits them.
const COMMANDS: [(&[&str], &str); 24] = [
    (&["hello"], "Hello World!"),
    (&["hello", "--sandbox"], "Hello World!"),
    (&["hello", "--map", "dual", "--verbose"], "Hello World!"),
    (&["hello", "--listing"], "barejit_hello:"),
    (&["ret", "0"], ""),
    (&["ret", "0", "--raw", "-"], "\u{FFFD}"),
    (&["call"], "Hello, JIT!\n"),
    (&["call", "--listing"], "barejit_call:"),
    (&["call", "--sandbox", "text"], "text\n"),
    (&["run", "b82a000000c3"], "42 0x2a\n"),
    (&["run", "--listing", "b82a000000c3"], "0000  b8 2a"),
    (&["run", "--raw", "-", "c3"], "\u{FFFD}"),
    (&["bf", "-e", "++++++++[>++++++++<-]>+."], "A"),
    (&["bf", "--opt", "0", "--sandbox", "-e", "++++++++[>++++++++<-]>+."], "A"),
    (&["bf", "--listing", "-e", "+[>,[->+<]<.]"], "barejit_bf:"),
    (&["chain", "-e", "+2 *3 -5", "--start", "0", "--terms", "2"], "Term 0: 0\nTerm 1: 1\nTerm 2: 4\n"),
    (&["chain", "--listing", "-e", "+2 *3 -5", "--start", "0", "--terms", "2"], "barejit_chain:"),
    (&["rpn", "-e", "(1) (2) +", "--start", "0,1", "--terms", "2"], "0: 0\n1: 1\n2: 1\n"),
    (&["rpn", "--listing", "-e", "(1) Q", "--start", "2", "--terms", "2"], "barejit_rpn:"),
    (&["probe", "--list"], "anon-wx"),
    (&["probe", "--json", "--strategy", "anon-wx"], "{"),
    (&["--help"], "Usage:"),
    (&["bf", "--help"], "Usage:"),
    (&["--version"], "barejit "),
];

/// Whether these make a fixed list of syscalls and no others.
fn is_fixed(args: &[&str]) -> bool {
    ["hello", "ret", "call"].contains(&args[0]) && !args.iter().any(|arg| arg.starts_with("--"))
}

/// Sizes of stacks in KiB. The first has room for what the kernel lays out there.
const STACKS: [u64; 9] = [8, 12, 16, 24, 32, 48, 64, 96, 128];

/// Limits the stack of `command`, whose address the kernel would otherwise lower by up to
/// 8 KiB at random: then there might be nothing left, and execve(2) fails.
fn with_stack(command: &mut std::process::Command, kib: u64) {
    command.env_clear();
    regime::same_addresses(command);
    regime::limit(command, libc::RLIMIT_STACK, kib << 10);
}

#[test]
fn every_command_works_on_a_small_stack() {
    for kib in STACKS {
        for (args, printed) in COMMANDS {
            // The three with a fixed list of syscalls stay on the kernel's stack, and an
            // unoptimised build has large frames.
            if cfg!(debug_assertions) && kib == 8 && is_fixed(args) {
                continue;
            }
            let mut command = command(args);
            with_stack(&mut command, kib);
            let run = finish(command);
            let right = run.text().contains(printed) && run.status == 0 && run.stderr.is_empty();
            assert!(right, "{kib} KiB: {args:?}: {run:?}");
        }
        let mut wrong = command(&["probe", "x"]);
        with_stack(&mut wrong, kib);
        finish(wrong).expect("", "barejit: probe: unexpected argument 'x'\n", 2);
    }
}

#[test]
fn the_probe_finds_the_same_on_every_stack() {
    let verdicts = |kib: Option<u64>| {
        // Two strategies depend on the environment, which a small stack has no room for.
        let mut command = command(&["probe", "--all"]);
        command.env_clear();
        if let Some(kib) = kib {
            with_stack(&mut command, kib);
        }
        let run = finish(command);
        assert!(matches!(run.status, 0 | 4) && run.stderr.is_empty(), "{kib:?}: {run:?}");
        run.text()
            .lines()
            .take_while(|line| !line.starts_with("because"))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    let expected = verdicts(None);
    assert!(expected.len() > 20, "{expected:#?}");
    for kib in STACKS {
        assert_eq!(verdicts(Some(kib)), expected, "{kib} KiB");
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_answer_and_no_signal() {
    for (args, printed) in COMMANDS {
        // A fixed list of syscalls does not change a disposition.
        if is_fixed(args) && !printed.is_empty() {
            continue;
        }
        let path = scratch("limited");
        let file = File::create(&path).expect("made");
        let mut command = command(args);
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("duplicated")).stderr(Stdio::piped());
        regime::limit(&mut command, libc::RLIMIT_FSIZE, 0);
        let run = Run::new(command.spawn().expect("started").wait_with_output().expect("it ends"));
        assert_eq!(file.metadata().expect("open").len(), 0, "{args:?}");
        std::fs::remove_file(&path).expect("ours");
        let (status, lines) = if printed.is_empty() { (0, 0) } else { (1, 1) };
        assert_eq!((run.status, run.stderr.lines().count()), (status, lines), "{args:?}: {run:?}");
        assert!(printed.is_empty() || run.stderr.ends_with("EFBIG (File too large)\n"), "{args:?}: {run:?}");
    }
}

#[test]
fn a_message_that_fits_no_file_leaves_the_status() {
    for (args, status) in [
        (&["ret"][..], 2),
        (&["nonsense"], 2),
        (&["bf", "--nonsense"], 2),
        (&["run", "0f0b"], 3),
        (&["hello", "--map", "none"], 3),
        (&["run", "/nonexistent"], 1),
    ] {
        let path = scratch("limited");
        let mut command = command(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&path).expect("made"));
        regime::limit(&mut command, libc::RLIMIT_FSIZE, 0);
        let run = Run::new(command.spawn().expect("started").wait_with_output().expect("it ends"));
        std::fs::remove_file(&path).expect("ours");
        assert_eq!(run.status, status, "{args:?}: {run:?}");
    }
}
