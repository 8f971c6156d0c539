//! Reading and writing where the other side is slow, impatient or gone.

use crate::support::*;
use barejit::host::{
    Output,
    number::{Counter, Format},
    series::Series,
};
use barejit_sys::linux;
use std::{
    ffi::CString,
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

/// No compiler here makes such code. The count that code passes is limited to the batch.
#[test]
fn a_count_beyond_the_batch_is_limited_to_it() {
    let path = scratch("terms");
    let name = CString::new(path.to_str().expect("UTF-8")).expect("no NUL");
    let file = linux::create(&name).expect("a file");
    let mut buffer = vec![0; 64 * 1024];
    let mut output = Output::new(file.fd(), &mut buffer);
    let counter = Counter::new("Term ", 7);
    let mut series = Series::new(&mut output, 5, 2, counter, Format::Integer, false).expect("memory");
    series.batch().copy_from_slice(&[10, 20, 30]);
    series.take(2).expect("printed");
    series.take(100).expect("printed");
    assert_eq!(series.taken(), 5);
    output.flush().expect("written");
    let lines = std::fs::read_to_string(&path).expect("the file");
    std::fs::remove_file(&path).expect("ours");
    assert_eq!(lines, "Term 7: 10\nTerm 8: 20\nTerm 9: 10\nTerm 10: 20\nTerm 11: 30\n");
}

fn pipe() -> (PipeReader, PipeWriter) {
    std::io::pipe().expect("a pipe")
}

/// Twenty thousand terms.
const TERMS: [&str; 7] = ["chain", "-e", "+3", "--start", "0", "--terms", "20000"];

fn terms() -> String {
    (0..=20_000).map(|n| format!("Term {n}: {}\n", 3 * n)).collect()
}

#[test]
fn output_that_does_not_block_is_waited_for() {
    let text = "x".repeat(100_000);
    for (args, expected) in [(&["call", &text][..], text.clone() + "\n"), (&TERMS, terms())] {
        let (mut reader, writer) = pipe();
        do_not_block(&writer);
        let mut command = command(args);
        command.stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().expect("started");
        drop(command);
        // The pipe is full long before the text is through.
        std::thread::sleep(Duration::from_millis(50));
        let mut received = String::new();
        reader.read_to_string(&mut received).expect("text");
        let run = Run::new(child.wait_with_output().expect("it ends"));
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        assert!(received == expected, "{} bytes arrived", received.len());
    }
}

#[test]
fn input_that_comes_in_pieces_or_does_not_block_is_waited_for() {
    for (args, input, output) in [
        (&["run", "-"][..], &b"\xB8\x2A\x00\x00\x00\xC3"[..], "42 0x2a\n"),
        (&["bf", "--eof", "zero", "-"], b"[!],[.,]!xyz", "xyz"),
        (&["bf", "--eof", "zero", "-e", ",[.,]"], b"xyz", "xyz"),
        (&["chain"], b"+2\n0 1\n", "Term 0: 0\nTerm 1: 2\n"),
        (&["rpn", "-"], b"(1)\n0:5\n1", "0: 5\n1: 5\n"),
    ] {
        for blocking in [true, false] {
            let (reader, mut writer) = pipe();
            if !blocking {
                do_not_block(&reader);
            }
            let mut command = command(args);
            command.stdin(reader).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().expect("started");
            drop(command);
            for byte in input {
                writer.write_all(&[*byte]).expect("it reads");
                std::thread::sleep(Duration::from_millis(3));
            }
            drop(writer);
            let run = Run::new(child.wait_with_output().expect("it ends"));
            run.expect(output, "", 0);
        }
    }
}

#[test]
fn waiting_can_be_interrupted_or_refused() {
    if lacks(Need::Tracing) {
        return;
    }
    let wait = |call: &str, errno: &str, args: &[&str]| {
        let injections = [format!("inject={call}:error=EAGAIN:when=1"), format!("inject=poll:error={errno}")];
        strace(&["-e", &injections[0], "-e", &injections[1]], args).0
    };
    for (call, args, output) in [("write", &["call"][..], "Hello, JIT!\n"), ("read", &["bf", "-"], "")] {
        wait(call, "EINTR", args).expect(output, "", 0);
        let said = format!("barejit: {}: poll: ENOMEM (Out of memory)\n", args[0]);
        wait(call, "ENOMEM", args).expect("", &said, 1);
    }
}

#[test]
fn a_reader_that_is_gone_ends_it_by_sigpipe() {
    let text = "x".repeat(100_000);
    for args in [&["hello"][..], &["call", &text], &TERMS, &["bf", "-e", "+[.]"]] {
        let (reader, writer) = pipe();
        drop(reader);
        let mut command = command(args);
        command.stdout(writer);
        let status = command.status().expect("started");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGPIPE));
    }
}

/// The reads of standard input and the writes of a program whose input has ended.
fn reads_and_writes(program: &str) -> [usize; 2] {
    let (run, calls) = strace(&[], &["bf", "--eof", "zero", "-e", program]);
    assert_eq!(run.status, 0, "{run:?}");
    ["read", "write"].map(|name| calls.iter().filter(|call| call.name == name).count())
}

#[test]
fn the_end_of_the_input_is_read_once() {
    if lacks(Need::Tracing) {
        return;
    }
    // A thousand commands each, and what was printed between them leaves at once.
    assert_eq!(reads_and_writes(&",".repeat(1000)), [1, 0]);
    assert_eq!(reads_and_writes(&format!("+{}", ".,".repeat(1000))), [1, 2]);
}

/// End-of-file at a terminal ends one read only; later input is read.
#[test]
fn behind_the_end_of_a_terminal_there_can_be_more() {
    let mut script = tool("script", "bsdutils");
    // Put `,`, which ends, then what the next one reads.
    script.args(["--quiet", "--return", "--command"]);
    script.arg(format!("stty -echo; {BAREJIT} bf --eof minus-one -e ',+[-.[-]],.'")).arg("/dev/null");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().expect("started");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::sleep(Duration::from_millis(500));
    stdin.write_all(b"\x04").expect("typed");
    std::thread::sleep(Duration::from_millis(500));
    stdin.write_all(b"x\n").expect("typed");
    let run = Run::new(child.wait_with_output().expect("it ends"));
    drop(stdin);
    assert!(run.status == 0 && run.text().ends_with('x'), "{run:?}");
}
