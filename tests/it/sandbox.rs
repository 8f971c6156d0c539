//! `--sandbox`: the rest of a run goes on, and nothing else does.

use crate::support::{
    regime::{Answer, deny, inherit},
    *,
};
use std::process::Command;

/// mov eax, number; mov edi, argument; syscall; ret
fn syscall(number: u32, argument: u32) -> String {
    let hex = |value: u32| value.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
    format!("b8{}bf{}0f05c3", hex(number), hex(argument))
}

#[test]
fn a_sandboxed_run_keeps_the_calls_it_needs() {
    for map in ["wx", "dual", "sealed", "file", "inplace"] {
        run(&["hello", "--sandbox", "--map", map]).expect("Hello World!", "", 0);
    }
    run(&["ret", "--sandbox", "7"]).expect("", "", 7);
    run(&["call", "--sandbox"]).expect("Hello, JIT!\n", "", 0);
    run(&["run", "--sandbox", "b82a000000c3"]).expect("42 0x2a\n", "", 0);
    assert_eq!(run(&["run", "--sandbox", &syscall(libc::SYS_getpid as u32, 0)]).status, 0);
}

#[test]
fn other_syscalls_are_refused_at_the_instruction() {
    for number in [libc::SYS_openat, libc::SYS_execve, libc::SYS_socket, libc::SYS_mprotect, libc::SYS_fork] {
        let line = format!(
            "barejit: run: generated code at 0xa [0f 05] syscall: SIGSYS (syscall {number} is refused)\n"
        );
        run(&["run", "--sandbox", &syscall(number as u32, 0)]).expect("", &line, 3);
    }
    // kill: oneself may be, init may not.
    let line = format!(
        "barejit: run: generated code at 0xa [0f 05] syscall: SIGSYS (syscall {} is refused)\n",
        libc::SYS_kill
    );
    run(&["run", "--sandbox", &syscall(libc::SYS_kill as u32, 1)]).expect("", &line, 3);
    // int 0x80 is another architecture's way in: the filter knows only ours.
    let run = run(&["run", "--sandbox", "b814000000cd80c3"]);
    assert_eq!((run.text().as_str(), run.status), ("", 3), "{run:?}");
}

/// The bytes of a function that makes a syscall with six arguments; the `syscall` is at
/// offset 0x26.
fn syscall_of_six(number: i64, arguments: [u32; 6]) -> String {
    let opcodes = ["bf", "be", "ba", "41ba", "41b8", "41b9"];
    let hex = |value: u32| value.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
    let moves: String =
        opcodes.iter().zip(arguments).map(|(op, value)| format!("{op}{}", hex(value))).collect();
    format!("b8{}{moves}0f05c3", hex(number as u32))
}

#[test]
fn inherited_descriptors_are_out_of_reach() {
    const TEXT: &str = "somebody else's";
    let paths = ["read", "write"].map(scratch);
    let run = |args: &[&str]| {
        let mut command = command(args);
        for (path, descriptor) in paths.iter().zip([3, 4]) {
            std::fs::write(path, TEXT).expect("written");
            let file = std::fs::File::options().read(true).write(true).open(path).expect("was written");
            inherit(&mut command, file, descriptor);
        }
        feed(command, b"own input")
    };
    // A shared mapping of the file, a private one, and shared memory of no file.
    let mmap = |prot: i32, flags: i32, fd: i32| [0, 4096, prot as u32, flags as u32, fd as u32, 0];
    let rw = libc::PROT_READ | libc::PROT_WRITE;
    let calls = [
        (libc::SYS_read, [3, 0, 0, 0, 0, 0]),
        (libc::SYS_write, [4, 0, 0, 0, 0, 0]),
        (libc::SYS_write, [0, 0, 0, 0, 0, 0]),
        (libc::SYS_read, [1, 0, 0, 0, 0, 0]),
        (libc::SYS_close, [0, 0, 0, 0, 0, 0]),
        (libc::SYS_close, [3, 0, 0, 0, 0, 0]),
        (libc::SYS_mmap, mmap(rw, libc::MAP_SHARED, 4)),
        (libc::SYS_mmap, mmap(libc::PROT_READ, libc::MAP_PRIVATE, 3)),
        (libc::SYS_mmap, mmap(rw, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)),
        (libc::SYS_mmap, mmap(rw, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED, -1)),
        (libc::SYS_mmap, mmap(rw | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1)),
        (libc::SYS_mremap, [0, 4096, 4096, 3, 0, 0]),
    ];
    for (number, arguments) in calls {
        let run = run(&["run", "--sandbox", &syscall_of_six(number, arguments)]);
        let line = format!(
            "barejit: run: generated code at 0x26 [0f 05] syscall: SIGSYS (syscall {number} is refused)\n"
        );
        run.expect("", &line, 3);
    }
    // Without the sandbox the same calls reach the descriptors. The allowed calls work in it.
    let written = run(&["run", &syscall_of_six(libc::SYS_write, [4, 0, 0, 0, 0, 0])]);
    written.expect("0 0x0\n", "", 0);
    for call in [libc::SYS_write, libc::SYS_read] {
        let own = if call == libc::SYS_write { 1 } else { 0 };
        run(&["run", "--sandbox", &syscall_of_six(call, [own, 0, 0, 0, 0, 0])]).expect("0 0x0\n", "", 0);
    }
    run(&["bf", "--sandbox", "-e", ",.,.,."]).expect("own", "", 0);
    for path in &paths {
        assert_eq!(std::fs::read_to_string(path).expect("is there"), TEXT);
        std::fs::remove_file(path).expect("is there");
    }
}

#[test]
fn code_that_could_change_itself_is_no_sandbox() {
    let because = "--sandbox and --map rwx exclude each other: the code could change itself";
    for args in [
        &["hello", "--sandbox", "--map", "rwx"][..],
        &["hello", "--map", "rwx", "--sandbox"],
        &["run", "--map", "rwx", "--sandbox", "c3"],
        &["bf", "--sandbox", "--map", "rwx", "-e", "+"],
    ] {
        run(args).expect("", &format!("barejit: {}: {because}\n", args[0]), 2);
    }
}

#[test]
fn faults_and_panics_are_caught_as_without_it() {
    run(&["run", "--sandbox", "0f0b"]).expect(
        "",
        "barejit: run: generated code at 0x0 [0f 0b] ud2: SIGILL (invalid instruction)\n",
        3,
    );
    assert_eq!(run(&["call", "--sandbox", "--panic"]).status, 3);
}

#[test]
fn sealed_code_is_not_unmapped_where_the_kernel_seals() {
    if lacks(Need::Tracing) {
        return;
    }
    const MSEAL: u32 = 462;
    let released = |regime: &dyn Fn(&mut Command)| {
        let (run, calls) = strace_under(regime, &[], &["hello", "--sandbox"]);
        run.expect("Hello World!", "", 0);
        // A page of code between two guards.
        calls.iter().any(|call| call.name == "munmap" && call.line.contains(", 12288)"))
    };
    assert!(released(&|command| deny(command, MSEAL, Answer::Errno(libc::ENOSYS as u16))));
    // SAFETY: a probe of an empty range; nothing is sealed.
    let known = unsafe { libc::syscall(MSEAL.into(), 0, 0, 0) } == 0;
    assert_eq!(released(&|_| {}), !known);
}

#[test]
fn a_sandbox_that_cannot_be_set_up_is_an_error() {
    if lacks(Need::Tracing) {
        return;
    }
    for (call, errno) in
        [("seccomp", "EINVAL (Invalid argument)"), ("prctl", "EPERM (Operation not permitted)")]
    {
        let name = errno.split(' ').next().expect("a name");
        inject(&format!("{call}:error={name}"), &["hello", "--sandbox"]).expect(
            "",
            &format!("barejit: hello: {call}: {errno}\n"),
            1,
        );
    }
    let emulated = qemu(&["hello", "--sandbox"]);
    assert_eq!((emulated.text().as_str(), emulated.status), ("", 1), "{emulated:?}");
    assert!(emulated.stderr.starts_with("barejit: hello: seccomp: E"), "{emulated:?}");
}
