//! The prompt, `--step` and `asm`, judged by what they print, by the processor and by
//! qemu-user.

use crate::support::*;
use std::{
    io::Write,
    process::{Command, Stdio},
    time::Instant,
};

/// What the prompt prints for these lines, its errors and its status.
fn prompt(options: &[&str], lines: &str) -> (String, String, Option<i32>) {
    let mut command = Command::new(BAREJIT);
    command.arg("repl").args(options);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("barejit starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn a_line_shows_its_bytes_and_what_it_changed() {
    let (out, err, status) = prompt(&[], "inc rax\nmov rbx, 5; add rax, rbx\nrax+8\nrbx\n");
    let expected = "  48 ff c0                       inc rax\n  rax 0 -> 1\n  \
        48 c7 c3 05 00 00 00           mov rbx, 5\n  48 01 d8                       add rax, rbx\n  \
        rax 1 -> 6\n  rbx 0 -> 5\n  pf 0 -> 1\n  0xe\n  5\n";
    assert_eq!((out.as_str(), err.as_str(), status), (expected, "", Some(0)));
}

#[test]
fn a_line_that_fails_costs_itself_and_nothing_of_the_session() {
    let hostile = [
        "ud2",
        "mov rsp, 0; push rax",
        "mov eax, [0]",
        "xor edx, edx; xor ecx, ecx; div ecx",
        "jmp $",
        "mov eax, 231; mov edi, 3; syscall",
        "mov eax, 39; syscall; mov edi, eax; mov esi, 9; mov eax, 62; syscall",
        // The first page of the session's data, then down over all that is mapped below.
        "lea rdi, [here]; std; mov rcx, -1; rep stosb",
        "mov eax, 57; syscall; jmp $",
        "int3; mov ebx, 9",
        "push 0x23; push 0; retfq",
    ];
    let mut lines = String::from("here: dq 7\nmov ebx, 41\nmov xmm1, xmm1\nmovd xmm2, ebx\n");
    for line in hostile {
        lines.push_str(line);
        lines.push('\n');
    }
    lines.push_str("inc ebx\nrbx\nqword [here]\nxmm2\n");
    let start = Instant::now();
    let (out, _, _) = prompt(&["--timeout", "300"], &lines);
    let end = "  ff c3                          inc ebx\n  rbx 0x29 -> 0x2a\n  af 0 -> 0\n  0x2a\n  7\n  \
        0x00000000000000000000000000000029\n";
    let end: String =
        end.lines().filter(|line| !line.contains("af 0 -> 0")).map(|line| format!("{line}\n")).collect();
    assert!(out.ends_with(&end), "{out}");
    let undone = out.matches("undone").count();
    assert!(undone >= hostile.len() - 1, "{undone} lines were undone:\n{out}");
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn undo_and_redo_change_registers_memory_and_labels() {
    let lines = "mov eax, 1\nvalue: dd 5\nmov dword [value], 6\n:undo\ndword [value]\n:undo\nvalue\n:redo\ndword [value]\n:undo\n:undo\nrax\n:undo\n";
    let (out, err, status) = prompt(&[], lines);
    let values: Vec<&str> = out.lines().filter(|line| !line.contains("->") && line.len() < 20).collect();
    assert_eq!(values, ["  5", "  5", "  0"], "{out}{err}");
    assert!(
        err.contains("no instruction is called 'value'") && err.contains("there is nothing to go to"),
        "{err}"
    );
    assert_eq!(status, Some(2));
}

#[test]
fn mistakes_name_line_and_column_and_give_a_status() {
    let (_, err, status) = prompt(&[], "mov eax, 1\nmovv eax, 2\n");
    assert_eq!(
        err,
        "barejit: repl: line 2: column 1: no instruction is called 'movv'; did you mean 'mov'?\n"
    );
    assert_eq!(status, Some(2));
    let (_, _, status) = prompt(&[], "ud2\n");
    assert_eq!(status, Some(3));
    let (out, _, status) = prompt(&["--json"], "inc rax\nmovv\n");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[0],
        "{\"input\":\"inc rax\",\"bytes\":\"48 ff c0\",\"listing\":[\"inc rax\"],\"end\":\"end\",\
         \"registers\":{\"rax\":[\"0x0\",\"0x1\"]},\"flags\":{},\"vectors\":{},\"memory\":[]}"
    );
    assert!(lines[1].starts_with("{\"error\":") && status == Some(2), "{out}");
}

/// What `--step` prints, without addresses, of a command line; by qemu-user if so said.
fn steps(emulated: bool, arguments: &[&str]) -> Vec<String> {
    let mut command = if emulated { Command::new("qemu-x86_64") } else { Command::new(BAREJIT) };
    if emulated {
        command.arg(BAREJIT);
    }
    let output = command.args(arguments).stdin(Stdio::null()).output().expect("it runs");
    let text = String::from_utf8(output.stderr).expect("UTF-8");
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn each_instruction_is_shown_with_what_it_changed() {
    let code = "mov ecx, 2; 1: add eax, ecx; dec ecx; jnz 1b; ret";
    for emulated in [false, true] {
        let lines = steps(emulated, &["run", "--step", "-a", code]);
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let [mov, add, dec, jnz, ..] = texts[..] else { panic!("{lines:?}") };
        assert_eq!(mov, "0 mov ecx, 2 rcx 0x0 -> 0x2", "{lines:?}");
        assert_eq!(add, "5 add eax, ecx rax 0x0 -> 0x2", "{lines:?}");
        assert!(dec.starts_with("7 dec ecx rcx 0x2 -> 0x1") && jnz.ends_with(" taken"), "{lines:?}");
        assert_eq!(lines.len(), 8, "{lines:?}");
        assert!(lines[6].ends_with("not taken") && lines[7].starts_with("b ret"), "{lines:?}");
    }
}

#[test]
fn the_trap_flag_does_not_show() {
    let code = "pushfq; pop rax; and eax, 0x100; push 0; popfq; mov ecx, 1; ret";
    let lines = steps(false, &["run", "--step", "-a", code]);
    assert_eq!(lines.len(), 7, "popf ended the stepping: {lines:?}");
    assert!(
        !lines.iter().any(|line| line.starts_with("2 and eax") && line.contains("-> 0x100")),
        "{lines:?}"
    );
    let output = Command::new(BAREJIT).args(["run", "--step", "-a", code]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 0x0\n");
}

#[test]
fn calls_of_the_kernel_and_call_backs_are_one_line() {
    let lines = steps(false, &["hello", "--step"]);
    let calls: Vec<&String> = lines.iter().filter(|line| line.contains("write(0x1")).collect();
    assert_eq!(calls.len(), 1, "{lines:?}");
    assert!(calls[0].ends_with("= 12") && calls[0].contains(" syscall "), "{lines:?}");
    let lines = steps(false, &["call", "--step"]);
    assert!(lines.iter().any(|line| line.contains("call rax")), "{lines:?}");
    assert!(lines.last().is_some_and(|line| line.contains(" ret ")), "{lines:?}");
    assert!(lines.len() < 12, "{lines:?}");
    let lines = steps(false, &["run", "--step", "-a", "mov ecx, 5; lea rdi, [rsp-64]; rep stosb; ret"]);
    assert!(lines.iter().any(|line| line.contains("rep stosb") && line.ends_with("5 times")), "{lines:?}");
    assert_eq!(steps(false, &["chain", "-e", "+1", "--start", "1", "--terms", "2", "--step=3"]).len(), 3);
}

#[test]
fn text_is_assembled_in_the_shapes_that_people_paste() {
    for (arguments, expected) in [
        (&["asm", "--hex", "xor eax, eax; ret"][..], "31 c0 c3\n"),
        (&["asm", "--rust", "ret"], "const CODE: [u8; 1] = [\n    0xc3,\n];\n"),
        (&["asm", "--c", "ret"], "static const unsigned char code[1] = {\n    0xc3,\n};\n"),
        (&["run", "-a", "mov eax, 42; ret"], "42 0x2a\n"),
    ] {
        let output = Command::new(BAREJIT).args(arguments).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{arguments:?}");
    }
    let output = Command::new(BAREJIT).args(["asm", "mov eax, ebx, ecx"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("barejit: asm: TEXT:1:1: 'mov' has no form"));
}
