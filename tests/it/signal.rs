//! INT, TERM and HUP while generated code runs: buffered output is flushed, and the process
//! dies of the signal.

use crate::support::*;
use std::{
    io::Read,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Prints "AB" without a newline, then runs for ever.
const ENDLESS: &str = "++++++++[>++++++++<-]>+.+.[]";

const ENDS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

fn start(command: Command) -> Child {
    start_with(command, |_| {})
}

/// The same after `set`, which has the last word on signals.
fn start_with(mut command: Command, set: impl FnOnce(&mut Command)) -> Child {
    for signal in ENDS {
        regime::end_by(&mut command, signal);
    }
    set(&mut command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("started")
}

fn send(child: &Child, signal: i32) {
    // SAFETY: a signal to a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

/// Waits until the code runs in `process`, which /proc shows by an executable page of no
/// file, and a little longer.
fn until_it_runs(process: u32) {
    let start = Instant::now();
    let loaded = || {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        maps.lines().any(|line| line.contains(" r-xp 00000000 00:00 0") && !line.ends_with(']'))
    };
    while !loaded() {
        assert!(start.elapsed() < Duration::from_secs(20), "there is no code in it");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
}

/// The only child of `parent`, once there is one.
fn only_child(parent: &Child) -> u32 {
    let path = format!("/proc/{0}/task/{0}/children", parent.id());
    let start = Instant::now();
    loop {
        let children = std::fs::read_to_string(&path).expect("it lives");
        if let Ok(child) = children.trim().parse() {
            return child;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it has no child");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The kernel ignores a signal to the first process of a PID namespace whose action is
/// the default one (pid_namespaces(7)).
#[test]
fn the_first_process_of_a_namespace_ends_too() {
    if lacks(Need::ProcessNamespace) {
        return;
    }
    for (args, output) in [
        (&["bf", "-e", ENDLESS][..], "AB"),
        (&["bf", "--sandbox", "-e", ENDLESS], "AB"),
        (&["bf", "-e", "++++++++[>++++++++<-]>+.,"], "A"),
        // jmp to itself
        (&["run", "ebfe"], ""),
    ] {
        for signal in ENDS {
            let mut unshare = place::process_namespace();
            unshare.arg(BAREJIT).args(args);
            let parent = start(unshare);
            let first = only_child(&parent);
            until_it_runs(first);
            // SAFETY: a signal to a child of a child.
            assert_eq!(unsafe { libc::kill(first as i32, signal) }, 0);
            ending(parent).expect(output, "", 128 + signal);
        }
    }
}

fn ending(child: Child) -> Run {
    Run::new(child.wait_with_output().expect("it ends"))
}

#[test]
fn output_is_flushed_before_death() {
    for sandbox in [false, true] {
        for signal in ENDS {
            let mut command = command(&["bf", "-e", ENDLESS]);
            if sandbox {
                command.arg("--sandbox");
            }
            let child = start(command);
            until_it_runs(child.id());
            send(&child, signal);
            ending(child).expect("AB", "", -signal);
        }
    }
}

#[test]
fn death_comes_while_input_is_waited_for() {
    let child = start(command(&["bf", "-e", "++++++++[>++++++++<-]>+.,"]));
    until_it_runs(child.id());
    send(&child, libc::SIGINT);
    let run = ending(child);
    run.expect("A", "", -libc::SIGINT);
}

#[test]
fn a_flush_is_finished_first_unless_the_signal_comes_twice() {
    for twice in [false, true] {
        let mut child = start(command(&["bf", "-e", "++++++++[>++++++++<-]>+[.]"]));
        until_it_runs(child.id());
        send(&child, libc::SIGTERM);
        std::thread::sleep(Duration::from_millis(50));
        if twice {
            send(&child, libc::SIGTERM);
            assert_eq!(ending(child).status, -libc::SIGTERM);
        } else {
            assert_eq!(child.try_wait().expect("it can be asked"), None, "nobody has read yet");
            let mut text = Vec::new();
            child.stdout.take().expect("a pipe").read_to_end(&mut text).expect("bytes");
            assert!(text.iter().all(|byte| *byte == b'A') && text.len() > 65536, "{}", text.len());
            assert_eq!(ending(child).status, -libc::SIGTERM);
        }
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let mut child =
        start_with(command(&["bf", "-e", ENDLESS]), |command| regime::ignore(command, libc::SIGHUP));
    until_it_runs(child.id());
    send(&child, libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(child.try_wait().expect("it can be asked"), None);
    send(&child, libc::SIGTERM);
    ending(child).expect("AB", "", -libc::SIGTERM);
}

#[test]
fn terms_are_whole_lines_to_the_end() {
    for (args, label) in [
        (["chain", "-e", "+0", "--start", "7", "--terms", "999999999"], "Term "),
        (["rpn", "-e", "(1)", "--start", "7", "--terms", "999999999"], ""),
    ] {
        let mut child = start(command(&args));
        let mut stdout = child.stdout.take().expect("a pipe");
        let mut text = vec![0; 1 << 20];
        stdout.read_exact(&mut text).expect("bytes");
        send(&child, libc::SIGTERM);
        stdout.read_to_end(&mut text).expect("bytes");
        assert_eq!(ending(child).status, -libc::SIGTERM);
        let lines = text.split_inclusive(|byte| *byte == b'\n').enumerate();
        for (n, line) in lines {
            assert!(line == format!("{label}{n}: 7\n").as_bytes(), "{}", String::from_utf8_lossy(line));
        }
    }
}
