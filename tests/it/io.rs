//! Reading and writing where the other side is slow, impatient or gone.

use crate::support::*;
use std::{
    io::{PipeReader, PipeWriter, Read, Write},
    os::fd::AsRawFd,
    process::Stdio,
    time::Duration,
};

/// Makes the open file behind `fd` answer EAGAIN instead of waiting.
fn do_not_block(fd: &impl AsRawFd) {
    // SAFETY: a flag of a descriptor that is open.
    let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().expect("a pipe")
}

#[test]
fn output_that_does_not_block_is_waited_for() {
    let text = "x".repeat(100_000);
    let (mut reader, writer) = pipe();
    do_not_block(&writer);
    let mut command = command(&["call", &text]);
    command.stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().expect("started");
    drop(command);
    // The pipe is full long before the text is through.
    std::thread::sleep(Duration::from_millis(50));
    let mut received = String::new();
    reader.read_to_string(&mut received).expect("text");
    let run = Run::new(child.wait_with_output().expect("it ends"));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert!(received == text + "\n", "{} bytes arrived", received.len());
}

#[test]
fn input_that_comes_in_pieces_or_does_not_block_is_waited_for() {
    for blocking in [true, false] {
        let (reader, mut writer) = pipe();
        if !blocking {
            do_not_block(&reader);
        }
        let mut command = command(&["run", "-"]);
        command.stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("started");
        drop(command);
        for byte in b"\xB8\x2A\x00\x00\x00\xC3" {
            writer.write_all(&[*byte]).expect("it reads");
            std::thread::sleep(Duration::from_millis(3));
        }
        drop(writer);
        let run = Run::new(child.wait_with_output().expect("it ends"));
        run.expect("42 0x2a\n", "", 0);
    }
}

#[test]
fn a_reader_that_is_gone_ends_it_by_sigpipe() {
    let text = "x".repeat(100_000);
    let (reader, writer) = pipe();
    drop(reader);
    let mut command = command(&["call", &text]);
    command.stdout(writer);
    let status = command.status().expect("started");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGPIPE));
}
