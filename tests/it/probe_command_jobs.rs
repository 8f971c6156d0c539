//! `probe -- COMMAND` as a job: signals to barejit and to its group, stops, and the
//! keyboard of a terminal.

use crate::{
    probe_command_processes::{exists, line, probe, script, send, spawn, start, until, wait},
    support::{Need, finish, lacks, scratch},
};
use std::{
    fs,
    os::unix::process::{CommandExt, ExitStatusExt},
    thread,
    time::Duration,
};

#[test]
fn the_command_ends_by_its_own_signal() {
    if lacks(Need::Tracing) {
        return;
    }
    for (name, number) in [("KILL", libc::SIGKILL), ("TERM", libc::SIGTERM), ("SEGV", libc::SIGSEGV)] {
        let shell = format!("echo {name}; kill -{name} $$; echo never");
        let run = finish(probe(&[], &["sh", "-c", &shell]));
        run.expect(&format!("{name}\n"), "", -number);
    }
}

#[test]
fn a_command_that_stops_itself_is_continued() {
    if lacks(Need::Tracing) {
        return;
    }
    let mut child = start(probe(&[], &["sh", "-c", "echo $$; kill -STOP $$; echo on; exit 4"]));
    let command: i32 = line(&mut child).parse().expect("a number");
    let status = wait(&mut child);
    assert_eq!(status.stopped_signal(), Some(libc::SIGSTOP), "{status:?}");
    let state = fs::read_to_string(format!("/proc/{command}/stat")).expect("it is there");
    assert!(state.contains(") t ") || state.contains(") T "), "{state}");
    // Of barejit alone, as kill(1) does it.
    send(child.id() as i32, libc::SIGCONT);
    assert_eq!(line(&mut child), "on");
    assert_eq!(wait(&mut child).code(), Some(4));
}

/// ^Z and fg: signals to the whole group.
#[test]
fn a_group_that_is_stopped_is_continued() {
    if lacks(Need::Tracing) {
        return;
    }
    // Without children: one that is stopped between vfork(2) and execve(2) holds its
    // parent up, and the parent does not stop.
    let mark = scratch("mark");
    // And with write(2), for print() must not be entered again by a handler.
    let script = script(
        "import signal, sys, os, time
signal.signal(signal.SIGCONT, lambda *_: os.write(1, b'resumed\\n'))
print('ready', flush=True)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
sys.exit(6)
",
    );
    let words = ["/usr/bin/python3", script.to_str().expect("UTF-8"), mark.to_str().expect("UTF-8")];
    let mut child = start(probe(&[], &words));
    assert_eq!(line(&mut child), "ready");
    for _ in 0..3 {
        send(-(child.id() as i32), libc::SIGTSTP);
        let status = wait(&mut child);
        assert!(status.stopped_signal().is_some(), "{status:?}");
        send(-(child.id() as i32), libc::SIGCONT);
        assert_eq!(line(&mut child), "resumed");
    }
    fs::write(&mark, "").expect("written");
    assert_eq!(wait(&mut child).code(), Some(6));
    fs::remove_file(mark).expect("there");
    fs::remove_file(script).expect("there");
}

#[test]
fn signals_to_barejit_reach_the_command_once() {
    if lacks(Need::Tracing) {
        return;
    }
    let shell =
        "n=0; trap 'n=$((n+1)); echo got $n' INT; trap 'exit 7' TERM; echo $$; while :; do sleep 0.05; done";
    let mut child = start(probe(&[], &["sh", "-c", shell]));
    line(&mut child);
    // To barejit alone, and to the group.
    send(child.id() as i32, libc::SIGINT);
    assert_eq!(line(&mut child), "got 1");
    thread::sleep(Duration::from_millis(300));
    send(child.id() as i32, libc::SIGTERM);
    assert_eq!(wait(&mut child).code(), Some(7));
}

#[test]
fn an_endless_command_ends_with_barejit() {
    if lacks(Need::Tracing) {
        return;
    }
    for (signal, to_group) in [(libc::SIGINT, true), (libc::SIGTERM, false), (libc::SIGKILL, false)] {
        let mut child = start(probe(&[], &["sh", "-c", "echo $$; exec sleep 1000"]));
        let command: i32 = line(&mut child).parse().expect("a number");
        until("sleep runs", || {
            fs::read_to_string(format!("/proc/{command}/comm")).is_ok_and(|name| name == "sleep\n")
        });
        let target = child.id() as i32;
        send(if to_group { -target } else { target }, signal);
        let status = wait(&mut child);
        assert_eq!(status.signal(), Some(signal), "{status:?}");
        until("the command ends", || !exists(command));
    }
}

/// ^C from a real terminal.
#[test]
fn the_keyboard_ends_both() {
    if lacks(Need::Tracing) {
        return;
    }
    let (mut main, mut terminal) = (0, 0);
    // SAFETY: two ints are written.
    let result = unsafe {
        libc::openpty(
            &raw mut main,
            &raw mut terminal,
            std::ptr::null_mut(),
            std::ptr::null(),
            std::ptr::null(),
        )
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    let mark = scratch("mark");
    let shell = "echo $$ >$0; exec sleep 1000";
    let mut probe = probe(&[], &["sh", "-c", shell, mark.to_str().expect("UTF-8")]);
    let session = move || {
        // SAFETY: numbers only.
        if unsafe { libc::setsid() } < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: numbers only.
        let result = unsafe { libc::ioctl(terminal, libc::TIOCSCTTY, 0) };
        if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: it makes system calls and nothing else.
    unsafe { probe.pre_exec(session) };
    let mut child = spawn(probe);
    until("the command runs", || fs::read_to_string(&mark).is_ok_and(|text| text.ends_with('\n')));
    let command: i32 = fs::read_to_string(&mark).expect("there").trim().parse().expect("a number");
    fs::remove_file(mark).expect("there");
    let sleeps = || fs::read_to_string(format!("/proc/{command}/comm")).is_ok_and(|name| name == "sleep\n");
    until("sleep runs", sleeps);
    // SAFETY: the byte is read.
    assert_eq!(unsafe { libc::write(main, b"\x03".as_ptr().cast(), 1) }, 1);
    let status = wait(&mut child);
    assert_eq!(status.signal(), Some(libc::SIGINT), "{status:?}");
    until("the command ends", || !exists(command));
    for fd in [main, terminal] {
        // SAFETY: both are open, and nothing else's.
        unsafe { libc::close(fd) };
    }
}
