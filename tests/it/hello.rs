//! `hello`: its output, its exact syscalls, and what it says when one is refused.

use crate::support::*;
use barejit::front::hello::{self, Layout};
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use std::{io::Read, process::Stdio};

const TEXT: &str = "Hello World!";

#[test]
fn prints_twelve_bytes_in_every_layout_by_every_map() {
    run(&[]).expect(TEXT, "", 0);
    run(&["hello"]).expect(TEXT, "", 0);
    for layout in ["listing", "words"] {
        for map in ["wx", "rwx", "inplace"] {
            let args = ["hello", "--layout", layout, "--map", map];
            run(&args).expect(TEXT, "", 0);
            qemu(&args).expect(TEXT, "", 0);
        }
    }
}

#[test]
fn makes_six_syscalls_write_then_execute() {
    if lacks(Need::Tracing) {
        return;
    }
    let expected = [
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ADDRESS",
        "mprotect(ADDRESS, 4096, PROT_READ|PROT_EXEC) = 0",
        "write(1, \"Hello World!\", 12) = 12",
        "munmap(ADDRESS, 4096) = 0",
        "exit_group(0) = ?",
    ];
    assert_calls(&[], &expected);
    assert_calls(&["hello"], &expected);
    assert_calls(&["hello", "--layout", "words", "--map", "wx"], &expected);
}

#[test]
fn rwx_is_the_articles_recipe_to_the_letter() {
    if lacks(Need::Tracing) {
        return;
    }
    let expected = [
        "mmap(NULL, 128, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ADDRESS",
        "write(1, \"Hello World!\", 12) = 12",
        "exit_group(0) = ?",
    ];
    assert_calls(&["hello", "--map", "rwx"], &expected);
}

#[test]
fn inplace_makes_only_the_static_page_executable() {
    if lacks(Need::Tracing) {
        return;
    }
    let expected = [
        "mprotect(ADDRESS, 4096, PROT_READ|PROT_EXEC) = 0",
        "write(1, \"Hello World!\", 12) = 12",
        "exit_group(0) = ?",
    ];
    assert_calls(&["hello", "--map", "inplace"], &expected);
}

#[test]
fn a_refused_write_is_reported() {
    if lacks(Need::Tracing) {
        return;
    }
    for (errno, description) in [
        ("ENOMEM", "Out of memory"),
        ("EACCES", "Permission denied"),
        ("EPERM", "Operation not permitted"),
        ("ENOSPC", "No space left on device"),
    ] {
        let message = format!("barejit: hello: write: {errno} ({description})\n");
        inject(&format!("write:error={errno}:when=1"), &["hello"]).expect("", &message, 1);
    }
}

#[test]
fn a_refused_mapping_is_reported() {
    if lacks(Need::Tracing) {
        return;
    }
    for (errno, description) in [
        ("ENOMEM", "Out of memory"),
        ("EACCES", "Permission denied"),
        ("EPERM", "Operation not permitted"),
        ("EAGAIN", "Try again"),
    ] {
        for map in ["wx", "rwx"] {
            let message = format!("barejit: hello: mmap: {errno} ({description})\n");
            inject(&format!("mmap:error={errno}"), &["hello", "--map", map]).expect("", &message, 1);
        }
        for map in ["wx", "inplace"] {
            let message = format!("barejit: hello: mprotect: {errno} ({description})\n");
            inject(&format!("mprotect:error={errno}"), &["hello", "--map", map]).expect("", &message, 1);
        }
    }
    inject("munmap:error=EINVAL", &["hello"]).expect(
        TEXT,
        "barejit: hello: munmap: EINVAL (Invalid argument)\n",
        1,
    );
}

#[test]
fn interrupted_and_short_writes_are_completed() {
    if lacks(Need::Tracing) {
        return;
    }
    inject("write:error=EINTR:when=1", &["hello"]).expect(TEXT, "", 0);
    // strace answers 1 without writing anything, so the first byte is lost.
    inject("write:retval=1:when=1", &["hello"]).expect(&TEXT[1..], "", 0);
}

#[test]
fn a_full_disk_and_a_closed_output_are_errors() {
    let mut full = command(&["hello"]);
    full.stdout(std::fs::File::options().write(true).open("/dev/full").expect("/dev/full"));
    let full = full.stdin(Stdio::null()).stderr(Stdio::piped()).output().expect("runs");
    assert_eq!(
        (String::from_utf8_lossy(&full.stderr).as_ref(), full.status.code()),
        ("barejit: hello: write: ENOSPC (No space left on device)\n", Some(1))
    );
    let mut closed = std::process::Command::new("sh");
    closed.args(["-c", "exec \"$0\" hello >&-", BAREJIT]);
    finish(closed).expect("", "barejit: hello: write: EBADF (Bad file number)\n", 1);
}

#[test]
fn the_page_is_r_xp_while_the_code_runs() {
    // The stub blocks in write(2) on a full pipe; that is the moment to look.
    let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
    fill(&mut writer);
    for map in ["wx", "inplace"] {
        let mut child = command(&["hello", "--map", map]);
        let mut child =
            child.stdin(Stdio::null()).stdout(writer.try_clone().expect("dup")).spawn().expect("runs");
        let in_write = format!("/proc/{}/syscall", child.id());
        let rip = loop {
            let ended = child.try_wait().expect("it was started");
            assert_eq!(ended, None, "--map {map}: ended instead of blocking");
            let state = std::fs::read_to_string(&in_write).unwrap_or_default();
            if state.starts_with("1 ") {
                let rip = state.split_whitespace().last().expect("the last field is RIP");
                break u64::from_str_radix(rip.trim_start_matches("0x"), 16).expect("hexadecimal");
            }
            std::thread::yield_now();
        };
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", child.id())).expect("maps");
        let mut writable_and_executable = 0;
        let mut found = None;
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').expect("a range");
            let (start, end) = range.split_once('-').expect("two ends");
            let (start, end) = (parse_hex(start), parse_hex(end));
            writable_and_executable += usize::from(rest.starts_with("rwx"));
            if (start..end).contains(&rip) {
                found = Some(((end - start) / 4096, rest[..4].to_string()));
            }
        }
        assert_eq!(found, Some((1, "r-xp".into())), "--map {map}, RIP {rip:x}:\n{maps}");
        assert_eq!(writable_and_executable, 0, "--map {map}:\n{maps}");
        child.kill().expect("it is blocked");
        child.wait().expect("it was started");
    }
    drop(writer);
    reader.read_to_end(&mut Vec::new()).expect("drains");
}

fn parse_hex(text: &str) -> u64 {
    u64::from_str_radix(text, 16).expect("hexadecimal")
}

/// Fills a pipe to the last byte.
fn fill(writer: &mut std::io::PipeWriter) {
    use std::{io::Write, os::fd::AsRawFd};
    let fd = writer.as_raw_fd();
    // SAFETY: the descriptor is open; O_NONBLOCK is set for the filling alone.
    unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) };
    for size in [4096, 1] {
        while writer.write(&[0; 4096][..size]).is_ok() {}
    }
    // SAFETY: as above.
    unsafe { libc::fcntl(fd, libc::F_SETFL, 0) };
}

#[test]
fn the_baked_bytes_disassemble_to_the_documented_instructions() {
    for (layout, lea) in [(Layout::Listing, "lea rsi,[rip+3]"), (Layout::Words, "lea rsi,[rip+4]")] {
        let code = hello::code(layout);
        let mut formatter = IntelFormatter::new();
        formatter.options_mut().set_rip_relative_addresses(true);
        let mut decoder = Decoder::with_ip(64, code.bytes(), 0, DecoderOptions::NONE);
        let mut lines = Vec::new();
        for _ in 0..6 {
            let (instruction, mut text) = (decoder.decode(), String::new());
            formatter.format(&instruction, &mut text);
            lines.push(format!("{:02X} {text}", instruction.ip()));
        }
        let lea = format!("15 {lea}");
        let expected = ["00 mov rax,1", "07 mov rdi,1", "0E mov rdx,0Ch", &lea, "1C syscall", "1E ret"];
        assert_eq!(lines, expected, "{layout:?}: {:02x?}", code.bytes());
    }
}
