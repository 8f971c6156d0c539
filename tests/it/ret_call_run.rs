//! `ret`, `call` and `run`: statuses, outputs, exact syscalls, refusals.

use crate::support::*;

#[test]
fn ret_exits_with_the_low_eight_bits() {
    for (number, status) in [
        ("0", 0),
        ("5", 5),
        ("+5", 5),
        ("-1", 255),
        ("256", 0),
        ("2147483647", 255),
        ("-2147483648", 0),
        ("0x2A", 42),
        ("0xFFFFFFFF", 255),
        ("-0x80000000", 0),
    ] {
        run(&["ret", number]).expect("", "", status);
        qemu(&["ret", number]).expect("", "", status);
    }
}

#[test]
fn ret_refuses_what_is_no_number_of_32_bits() {
    run(&["ret"]).expect("", "Usage: barejit ret <integer>\n", 2);
    for number in ["", "x", "0x", "1.5", "2147483648", "-2147483649", "0x100000000", "--5x", "+-5", "0x-5"] {
        let run = run(&["ret", "--", number]);
        let expected = format!("barejit: ret: '{number}' is not an integer of 32 bits\n");
        run.expect("", &expected, 2);
    }
    run(&["ret", "1", "2"]).expect("", "barejit: ret: unexpected argument '2'\n", 2);
}

const LIFECYCLE: [&str; 3] = [
    "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ADDRESS",
    "mprotect(ADDRESS, 4096, PROT_READ|PROT_EXEC) = 0",
    "munmap(ADDRESS, 4096) = 0",
];

#[test]
fn ret_makes_five_syscalls() {
    if lacks(Need::Tracing) {
        return;
    }
    let [map, seal, unmap] = LIFECYCLE;
    assert_calls(&["ret", "7"], &[map, seal, unmap, "exit_group(7) = ?"]);
}

#[test]
fn call_makes_six_syscalls() {
    if lacks(Need::Tracing) {
        return;
    }
    let [map, seal, unmap] = LIFECYCLE;
    let print = "write(1, \"Hello, JIT!\\n\", 12) = 12";
    assert_calls(&["call"], &[map, seal, print, unmap, "exit_group(0) = ?"]);
    assert_calls(&["call", "--as-documented"], &[map, seal, print, unmap, "exit_group(0) = ?"]);
}

#[test]
fn call_prints_any_text() {
    run(&["call"]).expect("Hello, JIT!\n", "", 0);
    run(&["call", "--as-documented"]).expect("Hello, JIT!\n", "", 0);
    run(&["call", ""]).expect("\n", "", 0);
    run(&["call", "--", "--panic"]).expect("--panic\n", "", 0);
    qemu(&["call", "näïve"]).expect("näïve\n", "", 0);
    let long = "x".repeat(100_000);
    run(&["call", &long]).expect(&(long + "\n"), "", 0);
}

#[test]
fn call_reports_what_its_call_back_could_not_write() {
    if lacks(Need::Tracing) {
        return;
    }
    inject("write:error=ENOSPC:when=1", &["call"]).expect(
        "",
        "barejit: call: write: ENOSPC (No space left on device)\n",
        1,
    );
    inject("write:error=EINTR:when=1", &["call"]).expect("Hello, JIT!\n", "", 0);
}

#[test]
fn a_panicking_call_back_ends_the_call_and_nothing_else() {
    if lacks(Need::Tracing) {
        return;
    }
    let panicked = run(&["call", "--panic"]);
    assert_eq!((panicked.text().as_str(), panicked.status), ("", 3), "{panicked:?}");
    assert!(
        panicked.stderr.starts_with("barejit: the call-back panicked at src/host/callback.rs:")
            && panicked.stderr.lines().count() == 1,
        "{panicked:?}"
    );
    // The memory is still released: the call site went on.
    let (_, calls) = strace(&[], &["call", "--panic"]);
    let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
    assert_eq!(names, ["mmap", "mprotect", "write", "munmap", "exit_group"]);
}

#[test]
fn every_refusal_is_reported() {
    if lacks(Need::Tracing) {
        return;
    }
    for command in [&["ret", "1"][..], &["call"], &["call", "--as-documented"]] {
        let tried = ["wx", "dual", "sealed", "file"]
            .map(|map| format!("{map}: mmap: EPERM (Operation not permitted)"));
        let message = format!("barejit: {}: no executable memory: {}\n", command[0], tried.join("; "));
        inject("mmap:error=EPERM", command).expect("", &message, 1);
        for call in ["mmap", "mprotect"] {
            let explicit = [command, &["--map", "wx"]].concat();
            let message = format!("barejit: {}: {call}: EPERM (Operation not permitted)\n", command[0]);
            inject(&format!("{call}:error=EPERM"), &explicit).expect("", &message, 1);
        }
    }
    inject("munmap:error=EINVAL", &["ret", "3"]).expect(
        "",
        "barejit: ret: munmap: EINVAL (Invalid argument)\n",
        1,
    );
}

#[test]
fn run_prints_rax() {
    run(&["run", "B82A000000C3"]).expect("42 0x2a\n", "", 0);
    run(&["run", "48 89 f8\nc3", "-1"]).expect("-1 0xffffffffffffffff\n", "", 0);
    // lea rax, [rdi+rsi]; add rax, rdx, rcx, r8, r9; ret
    let sum = "48 8d 04 37 48 01 d0 48 01 c8 4c 01 c0 4c 01 c8 c3";
    run(&["run", sum, "1", "20", "300", "4000", "50000", "0x927C0"]).expect("654321 0x9fbf1\n", "", 0);
    qemu(&["run", sum, "1", "2"]).expect("3 0x3\n", "", 0);
}

#[test]
fn run_reads_bytes_from_a_file_or_standard_input() {
    let path = scratch("code");
    std::fs::write(&path, b"\x31\xC0\xC3").expect("written");
    run(&["run", path.to_str().expect("text")]).expect("0 0x0\n", "", 0);
    std::fs::write(&path, b"").expect("written");
    let shown = path.to_str().expect("text");
    run(&["run", shown]).expect("", &format!("barejit: run: {shown}: no machine code\n"), 2);
    std::fs::remove_file(&path).expect("was there");
    feed(command(&["run", "-"]), b"\x31\xC0\xFF\xC0\xC3").expect("1 0x1\n", "", 0);
}

#[test]
fn run_reads_text_in_files_as_on_the_command_line() {
    let path = scratch("text");
    let shown = path.to_str().expect("text");
    std::fs::write(&path, "const CODE: [u8; 6] = [\n    0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3, // answer\n];\n")
        .expect("written");
    run(&["run", shown]).expect("42 0x2a\n", "", 0);
    std::fs::write(&path, "b8 2a 00 00 00\nretn\n").expect("written");
    let message = format!(
        "barejit: run: {shown}: 'retn' is an instruction, not hexadecimal; `barejit run -a FILE` runs text, \
         `barejit asm FILE` assembles it\n"
    );
    run(&["run", shown]).expect("", &message, 2);
    std::fs::write(&path, "b8 2a 00 00 00\nreturn\n").expect("written");
    let message = format!("barejit: run: {shown}: line 2, column 1: 'return': not hexadecimal\n");
    run(&["run", shown]).expect("", &message, 2);
    std::fs::remove_file(&path).expect("was there");
    feed(command(&["run", "-"]), b"00000000: b82a 0000 00c3  .*....\n").expect("42 0x2a\n", "", 0);
}

#[test]
fn run_says_what_else_was_meant() {
    let quote = "'f8' is not an integer of 64 bits; if it is code, quote all of it: barejit run '48 …'";
    run(&["run", "48", "89", "f8", "c3"]).expect("", &format!("barejit: run: {quote}\n"), 2);
    let image = format!(
        "barejit: run: {BAREJIT}: an ELF file; run takes the bare bytes, as objcopy -O binary -j .text makes them\n"
    );
    run(&["run", BAREJIT]).expect("", &image, 2);
    for (command, text, word) in [
        ("run", "mov eax, 42; ret", "mov"),
        ("disasm", "mov eax, 42; ret", "mov"),
        ("run", "movl $42, %eax", "movl"),
        // Letters that are digits, an odd and an even number of them.
        ("run", "add eax, 42", "add"),
        ("run", "fadd st, st(1)", "fadd"),
        ("run", "=> 0x1139 <main+4>:\tpush rbp", "push"),
        ("run", "ret", "ret"),
    ] {
        let message = format!(
            "barejit: {command}: '{word}' is an instruction, not hexadecimal; `barejit run -a TEXT` runs \
             text, `barejit asm TEXT` assembles it\n"
        );
        run(&[command, text]).expect("", &message, 2);
    }
    let message = "barejit: run: 'eax,' is not an integer of 64 bits; if it is assembly text, quote all of it: \
                   barejit run -a 'mov …'\n";
    run(&["run", "mov", "eax,", "42"]).expect("", message, 2);
    run(&["run", "-a", "mov", "eax,", "42"]).expect("", message, 2);
    // mov eax, 42, and then the zeros behind it: add [rax], al
    run(&["run", "b8 2a 00 00 00"]).expect(
        "",
        "barejit: run: generated code ran off its end at 0x5 (is a ret missing?): \
         SIGSEGV (nothing is mapped at 0x2a)\n",
        3,
    );
}

#[test]
fn run_refuses_what_is_no_code() {
    run(&["run"]).expect("", "Usage: barejit run HEX|FILE|-a TEXT [ARG…]\n", 2);
    run(&["run", " "]).expect("", "barejit: run: no machine code\n", 2);
    let odd = |text: &str, column: usize, group: &str| {
        let why = "an odd number of digits, but a byte has two";
        let message = format!("barejit: run: line 1, column {column}: '{group}': {why}\n");
        run(&["run", text]).expect("", &message, 2);
    };
    odd("c3c", 1, "c3c");
    odd("b8 2 00 00 00 c3", 4, "2");
    run(&["run", "c3", "x"]).expect("", "barejit: run: 'x' is not an integer of 64 bits\n", 2);
    run(&["run", "c3", "1", "2", "3", "4", "5", "6", "7"]).expect(
        "",
        "barejit: run: more than six arguments\n",
        2,
    );
    run(&["run", "/nonexistent"]).expect(
        "",
        "barejit: run: /nonexistent: open: ENOENT (No such file or directory)\n",
        1,
    );
    run(&["run", "/"]).expect("", "barejit: run: /: read: EISDIR (Is a directory)\n", 1);
}
