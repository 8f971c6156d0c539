//! `--step`: each instruction that runs, in a copy or by the trap flag, is shown.

use crate::playground::{REGISTERS, ROOM, numbers, prompt, random_line};
use crate::support::*;
use std::process::{Command, Stdio};

/// The lines of `--step` for a command line, natively or in qemu-user.
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
        assert_eq!(mov, "0 mov ecx, 2 rcx 0 -> 2", "{lines:?}");
        assert_eq!(add, "5 add eax, ecx rax 0 -> 2", "{lines:?}");
        assert!(dec.starts_with("7 dec ecx rcx 2 -> 1") && jnz.ends_with(" taken"), "{lines:?}");
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
fn instructions_are_shown_in_the_sandbox_too() {
    for map in ["wx", "dual", "sealed", "file"] {
        let code = "mov eax, 39; syscall; ret";
        let lines = steps(false, &["run", "--sandbox", "--map", map, "--step", "-a", code]);
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let [mov, syscall, ret] = texts[..] else { panic!("{map}: {lines:?}") };
        assert_eq!(mov, "0 mov eax, 39 rax 0 -> 0x27", "{map}: {lines:?}");
        assert!(syscall.contains("getpid") && ret.starts_with("7 ret"), "{map}: {lines:?}");
    }
}

/// Memory is read without asking the kernel: a sandbox would refuse that.
#[test]
fn stores_are_shown_without_a_call() {
    let code = "mov dword ptr [rsp-8], 0x1234567; call 1f; ret; 1: ret";
    for options in [&["--map", "wx"][..], &["--map", "rwx"], &["--sandbox"]] {
        let lines = steps(false, &[&["run", "--step"], options, &["-a", code]].concat());
        assert!(lines[0].ends_with("] = 0x01234567"), "{options:?}: {lines:?}");
    }
    if lacks(Need::Tracing) {
        return;
    }
    let loads = "mov ecx, 99; 1: push rcx; pop rdx; mov [rsp-8], rdx; dec ecx; jnz 1b; ret";
    let count = |arguments: &[&str]| strace(&[], arguments).1.len();
    let [stepped, not] = [&["run", "--step", "-a", loads][..], &["run", "-a", loads]].map(count);
    assert!(stepped < not + 20, "{stepped} calls, {not} without --step");
}

/// A function of a loop with branches of all kinds among random lines.
fn random_function(seed: u64) -> String {
    let mut next = numbers(seed);
    let mut text = format!("{ROOM}mov r14d, {}\n1:\n", 1 + next(3));
    for _ in 0..2 + next(12) {
        let (a, number, line) = (REGISTERS[next(10) as usize], next(1 << 31), random_line(&mut next));
        let condition = ["o", "b", "e", "be", "s", "p", "l", "le", "ne", "g", "a"][next(11) as usize];
        text += &match next(16) {
            0 | 1 => format!("cmp {a}, {number}; j{condition} 2f; {line}2:\n"),
            2 => format!("test {a}, {number}; j{condition} 2f; {line}2:\n"),
            3 => "jmp 2f; ud2; 2:\n".into(),
            4 => "call 6f\n".into(),
            5 => "push 5; call 7f\n".into(),
            // No address of the code's stays.
            6 => "lea r9, [6f+rip]; call r9; xor r9d, r9d\n".into(),
            7 => "lea r9, [6f+rip]; push r9; call qword [rsp]; pop r9; xor r9d, r9d\n".into(),
            8 => "lea r9, [2f+rip]; jmp r9; ud2; 2: xor r9d, r9d\n".into(),
            9 => format!("add {a}, [8f+rip]; imul {a}, [8f+rip], {number}; cmp {a}, 0\n"),
            10 => format!("cmp qword [8f+rip], {number}; movdqu xmm3, [8f+rip]; cmp byte [8f+rip], 7\n"),
            11 => format!("pushfq; pop {a}\n"),
            12 => format!("mov ecx, {}; 2: inc rbx; loop 2b; jrcxz 2f; ud2; 2:\n", 1 + next(4)),
            13 => format!(
                "lea rsi, [r15+8]; lea rdi, [r15+96]; mov ecx, {}; rep movsb; xor esi, esi; xor edi, edi\n",
                next(9)
            ),
            14 => "push 0x202; popfq\n".into(),
            _ => line,
        };
    }
    let [a, b] = [(); 2].map(|()| random_line(&mut next));
    text + "dec r14d; jnz 1b\nadd rsp, 4096; ret\n6: "
        + &a
        + "ret\n7: "
        + &b
        + "ret 8\n8: dq 0x1122334455667788, -1\n"
}

/// The text with the pages of addresses left out, which differ from process to process.
fn without_pages(text: &str) -> String {
    let pieces = text.split("0x").enumerate().map(|(n, piece)| {
        let number = piece.trim_start_matches('0');
        let digits = number.bytes().take_while(u8::is_ascii_hexdigit).count();
        match (n, digits, number.as_bytes()) {
            (0, ..) => piece.into(),
            (_, 12, [b'7', ..]) => format!("0x…{}", &number[9..]),
            _ => format!("0x{piece}"),
        }
    });
    pieces.collect()
}

/// The trace of a function, and its result.
fn trace(map: &str, code: &str) -> (String, String) {
    let run = finish(command(&["run", "--step", "--map", map, "-a", code]));
    (without_pages(&run.stderr), run.text())
}

#[test]
fn copies_of_instructions_do_what_the_instructions_do() {
    for seed in 1..=200 {
        let code = random_function(seed);
        // Code that can write to itself is run in place, by the trap flag.
        let (copied, in_place) = (trace("wx", &code), trace("rwx", &code));
        let differing = copied.0.lines().zip(in_place.0.lines()).find(|(a, b)| a != b);
        assert_eq!((differing, &copied.1), (None, &in_place.1), "seed {seed}:\n{code}");
        assert_eq!(copied.0.lines().count(), in_place.0.lines().count(), "seed {seed}:\n{code}");
        assert!(copied.0.contains(" ret") && copied.1.contains("0x"), "seed {seed}: {copied:?}\n{code}");
    }
}

#[test]
fn copies_run_without_a_signal() {
    if lacks(Need::Tracing) {
        return;
    }
    for map in ["wx", "dual", "sealed", "file", "rwx"] {
        let code = "call 1f; lea rax, [2f+rip]; call rax; xor eax, eax; jz 1f; ud2; \
            1: push 2; pop rcx; 3: loop 3b; mov rax, [2f+rip]; ret; 2: nop; ret";
        let mut strace = tool("strace", "strace");
        strace.args(["-e", "trace=none", "-e", "signal=trap", "-o", "/dev/stdout", BAREJIT]);
        strace.args(["run", "--step", "--map", map, "-a", code]);
        let run = finish(strace);
        let (traps, lines) = (run.text().matches("--- SIGTRAP").count(), run.stderr.lines().count());
        let expected = if map == "rwx" { lines } else { 0 };
        assert!(traps == expected && lines == 19, "{map}: {traps} traps\n{}{}", run.text(), run.stderr);
    }
}

#[test]
fn a_fault_in_a_copy_is_one_of_the_instruction() {
    for code in [
        "nop; ud2",
        "nop; mov eax, [0x10]; ret",
        "nop; mov [0x10], eax; ret",
        "nop; mov byte [1f+rip], 1; 1: ret",
        "nop; hlt",
        "xor ecx, ecx; div ecx",
        "mov esp, 16; call 1f; 1: ret",
        "mov esp, 16; lea rax, [1f+rip]; call rax; 1: ret",
        "mov esp, 16; ret",
        "mov esp, 16; push rax",
        "nop; jmp qword [0x10]",
        "mov rax, 0x1234567890abcdef; jmp rax",
        "mov rax, 0x1234567890abcdef; call rax",
        "mov rax, 0x1234567890abcdef; push rax; ret",
        "mov eax, 0x1230; call rax",
        "mov edi, 16; mov ecx, 3; rep stosb; ret",
        "mov rsp, 0x1234567890abcdef; pop rax",
        "nop; int3",
        "nop; int 3",
        "nop; int 4",
        "nop; cli",
    ] {
        let last = |options: &[&str]| {
            let run = finish(command(&[&["run"], options, &["-a", code]].concat()));
            (without_pages(run.stderr.lines().last().unwrap_or_default()), run.status)
        };
        let plain = last(&[]);
        assert!(plain.0.contains("SIG") && plain.1 == 3, "{code}: {plain:?}");
        assert_eq!(last(&["--step"]), plain, "{code}");
        let lines = steps(false, &["run", "--step", "-a", code]);
        assert!(lines.len() > 1, "{code}: {lines:?}");
    }
}

#[test]
fn stepped_code_finds_its_own_addresses_and_bytes() {
    for (code, expected) in [
        ("call 1f; 1: pop rax; lea rcx, [1b+rip]; sub rax, rcx; ret", "0 0x0"),
        ("call 1f; 2: ret; 1: mov rax, [rsp]; lea rcx, [2b+rip]; sub rax, rcx; ret", "0 0x0"),
        (
            "lea rdx, [1f+rip]; call rdx; 2: ret; 1: mov rax, [rsp]; sub rax, rdx; ret",
            "-1 0xffffffffffffffff",
        ),
        ("mov eax, [1f+rip]; ret; 1: dd 77", "77 0x4d"),
        ("mov eax, [1f+rip]; ret; 1: mov eax, 5", "1464 0x5b8"),
        ("lea rcx, [1f+rip]; push rcx; jmp qword [rsp]; ud2; 1: pop rcx; mov eax, 6; ret", "6 0x6"),
        // Into an instruction: mov al, 5; ret.
        ("xor eax, eax; lea rcx, [1f+rip+2]; jmp rcx; 1: mov eax, 0xc305b000; ud2", "5 0x5"),
        ("xor eax, eax; jmp 1f+1; 1: mov eax, 0x90c305b0; ud2", "5 0x5"),
        ("xor eax, eax; mov ecx, 100; 1: add eax, ecx; loop 1b; ret", "5050 0x13ba"),
        // Code that makes itself writable changes the instruction at 2.
        (
            "lea rdi, [1f+rip]; 1: and rdi, -4096; mov esi, 4096; mov edx, 7; mov eax, 10; syscall; \
             mov byte [2f+rip+1], 42; 2: mov eax, 7; ret",
            "42 0x2a",
        ),
    ] {
        for options in [&["run", "-a"][..], &["run", "--step", "-a"]] {
            let run = finish(command(&[options, &[code]].concat()));
            assert_eq!(
                (run.text().trim_end(), run.status),
                (expected, 0),
                "{options:?} {code}: {}",
                run.stderr
            );
        }
    }
}

#[test]
fn stepped_code_keeps_its_rounding_and_its_vectors() {
    // Round towards zero in MXCSR and in the x87 control word, and a vector with high bits.
    let code = "push 0x7f80; ldmxcsr [rsp]; push 0xf7f; fldcw [rsp]; pcmpeqb xmm5, xmm5; xor eax, eax; \
        stmxcsr [rsp]; mov eax, [rsp]; fnstcw [rsp]; movzx edx, word ptr [rsp]; \
        shl rax, 16; or rax, rdx; pmovmskb edx, xmm5; add rax, rdx; pop rcx; pop rcx; ret";
    let expected = finish(command(&["run", "-a", code])).text();
    for map in ["wx", "rwx"] {
        assert_eq!(finish(command(&["run", "--step", "--map", map, "-a", code])).text(), expected, "{map}");
    }
}

#[test]
fn loading_the_stack_segment_takes_the_next_instruction_along() {
    let code = "mov eax, ss; mov ss, ax; inc ebx; nop";
    let (out, err, status) = prompt(&[], &format!(":step {code}\n{code}\n:step nop\n"));
    let joined: Vec<String> = out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| line.contains("as one step"))
        .collect();
    assert_eq!(joined, ["2 mov ss, ax rbx 0 -> 1 and the instruction behind it, as one step"], "{out}{err}");
    assert!(out.contains("  rbx 1 -> 2\n") && status == Some(0), "{out}");
    let lines = steps(false, &["run", "--step", "-a", &format!("{code}; ret")]);
    assert_eq!(lines[1], joined[0], "{lines:?}");
    // The trap that ends the line is held back, too.
    let (out, err, status) = prompt(&[], ":step mov eax, ss; mov ss, ax\n");
    let last = out.lines().find(|line| line.starts_with("     2  mov ss, ax "));
    assert!(last.is_some_and(|line| line.ends_with(" and the end, as one step")), "{out}{err}");
    assert_eq!(status, Some(0));
    let (out, _, _) = prompt(&["--json"], ":step mov eax, ss; mov ss, ax\n");
    assert!(out.contains("\"text\":\"mov ss, ax\",\"note\":\"and the end, as one step\"}\n"), "{out}");
    // POP of SS is no instruction of 64-bit code.
    let (out, err, status) = prompt(&[], "pop ss\n");
    let message = "barejit: repl: line 1: column 1: 'pop' has no form with a segment register; it takes ";
    assert!(out.is_empty() && err.starts_with(message) && status == Some(2), "{out}{err}");
}
