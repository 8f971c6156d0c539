//! The prompt and `asm`, judged by what they print, by the processor and by
//! qemu-user.

use crate::random::Random;
use crate::support::*;
use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Instant,
};

/// Runs the prompt on these lines and returns its output, its errors and its status.
pub(crate) fn prompt(options: &[&str], lines: &str) -> (String, String, Option<i32>) {
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
fn nothing_is_coloured_or_moved_on_a_pipe() {
    for (variable, value) in [("NO_COLOR", "1"), ("NO_COLOR", ""), ("TERM", "xterm"), ("TERM", "dumb")] {
        let mut session = command(&["repl"]);
        session.env_remove("NO_COLOR").env(variable, value);
        let run = feed(session, b"inc rax\nmovv\nud2\n:step inc rax\n:help\nrax\n");
        assert!(run.text().ends_with("  2\n"), "{run:?}");
        assert!(!run.stdout.contains(&0x1B) && !run.stderr.contains('\x1b'), "{variable}={value}: {run:?}");
    }
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
        // The page of the executable that a `ret` leads to, from its begin.
        "mov rdi, [rsp]; and rdi, -4096; mov ecx, 4096; rep stosb",
        // No register leads anywhere.
        "mov rsp, 0x8000000000000000; mov rax, rsp; mov rcx, rsp; mov rdi, rsp; mov rbp, rsp; \
         cld; rep movsb",
        "xor esp, esp; call $",
        "mov eax, 60; mov edi, 0; syscall",
    ];
    let mut lines = String::from("here: dq 7\nmov ebx, 41\nmov xmm1, xmm1\nmovd xmm2, ebx\n");
    for line in hostile {
        lines.push_str(line);
        lines.push('\n');
    }
    lines.push_str("inc ebx\nrbx\nqword [here]\nxmm2\n");
    let start = Instant::now();
    let (out, _, _) = prompt(&["--timeout", "300"], &lines);
    let end = "  ff c3                          inc ebx\n  rbx 0x29 -> 0x2a\n  0x2a\n  7\n  \
        0x00000000000000000000000000000029\n";
    assert!(out.ends_with(end), "{out}");
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
fn the_list_has_the_lines_that_count() {
    let (out, _, _) = prompt(&[], "mov al, 1\nud2\nmov al, 2\n:undo\n:list\n:redo\n:list\n");
    assert!(out.ends_with("mov al, 1\nmov al, 1\nmov al, 2\n"), "{out}");
}

#[test]
fn a_return_ends_a_line_and_its_registers_count() {
    let (out, _, status) = prompt(&[], "mov ebx, 7; ret\nrbx\nlong:\nmov ecx, 9\nret\n\ncall long\nrcx\n");
    assert!(out.contains("  returned from the outermost frame\n  rbx 0 -> 7\n"), "{out}");
    assert!(out.ends_with("  9\n") && status == Some(0), "{out}");
}

/// Calls of the kernel that aim at the session, each in a line of its own that leaves the
/// answer in RAX. RDI is the number of the session.
const HOSTILE: [(&str, &str); 15] = [
    ("kill", "mov esi, 9; mov eax, 62"),
    ("stop", "mov esi, 19; mov eax, 62"),
    ("kill all", "mov rdi, -1; mov esi, 9; mov eax, 62"),
    ("kill the group", "neg rdi; mov esi, 9; mov eax, 62"),
    ("tgkill", "mov esi, edi; mov edx, 9; mov eax, 234"),
    ("tkill", "mov esi, 9; mov eax, 200"),
    ("rt_sigqueueinfo", "mov esi, 9; mov rdx, rsp; mov eax, 129"),
    ("pidfd_open", "xor esi, esi; mov eax, 434"),
    ("ptrace", "mov rsi, rdi; mov edi, 16; xor edx, edx; xor r10d, r10d; mov eax, 101"),
    (
        "process_vm_writev",
        "xor esi, esi; xor edx, edx; xor r10d, r10d; xor r8d, r8d; xor r9d, r9d; mov eax, 311",
    ),
    ("prlimit64", "xor esi, esi; xor edx, edx; xor r10d, r10d; mov eax, 302"),
    ("setsid", "mov eax, 112"),
    ("setpgid", "mov esi, edi; xor edi, edi; mov eax, 109"),
    ("PR_SET_PDEATHSIG", "mov edi, 1; xor esi, esi; mov eax, 157"),
    ("F_SETOWN", "mov edx, edi; xor edi, edi; mov esi, 8; mov eax, 72"),
];

#[test]
fn calls_that_aim_at_the_session_are_refused() {
    for (name, code) in HOSTILE {
        let lines = format!("mov eax, 110; syscall; mov rdi, rax\n{code}; syscall\nrax\ninc rbx\nrbx\n");
        let mut session = command(&["repl"]);
        // Nobody else is in its group.
        session.process_group(0);
        let run = feed(session, lines.as_bytes());
        let (out, err, status) = (run.text(), &run.stderr, run.status);
        let answers: Vec<&str> = out.lines().filter(|line| line.starts_with("  0x")).collect();
        assert_eq!((&answers[..], status), (&["  0xffffffffffffffff (-1)"][..], 0), "{name}: {out}{err}");
        assert!(out.ends_with("  1\n"), "{name}: {out}{err}");
    }
}

#[test]
fn a_line_changes_its_own_process_and_not_the_session() {
    for (name, code, told) in [
        (
            "stops",
            "mov eax, 39; syscall; mov edi, eax; mov esi, 19; mov eax, 62; syscall",
            "stopped itself by SIGSTOP",
        ),
        ("closes", "mov edi, 1; mov eax, 3; syscall", ""),
        ("makes reads fail", "xor edi, edi; mov esi, 4; mov edx, 0x800; mov eax, 72; syscall", ""),
        (
            "maps",
            "mov eax, 9; xor edi, edi; mov esi, 4096; mov edx, 3; mov r10d, 0x22; mov r8, -1; xor r9d, r9d; syscall",
            "mappings that the line has made or removed are as before it",
        ),
        ("limits", "mov rdi, 4; push 0; push 0; mov rsi, rsp; mov eax, 160; syscall", ""),
        ("leaves a child", "mov eax, 57; syscall; test eax, eax; jz $", ""),
    ] {
        let mut command = Command::new(BAREJIT);
        command.arg("repl").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("barejit starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(format!("{code}\n").as_bytes()).expect("it reads");
        // The session waits for more while its flags have been changed.
        std::thread::sleep(std::time::Duration::from_millis(100));
        input.write_all(b"mov ebx, 5\nrbx\n").expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        let out = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(out.contains(told) && out.ends_with("  5\n"), "{name}: {out}");
    }
}

#[test]
fn where_no_process_can_be_made_lines_run_unprotected_if_asked() {
    let lines = b"inc rax\nmov qword [rsp-8], 3; ud2\nqword [rsp-8]\nrax\n";
    let mut denied = command(&["repl"]);
    for call in [libc::SYS_clone, libc::SYS_fork] {
        regime::deny(&mut denied, call as u32, regime::Answer::Errno(libc::EPERM as u16));
    }
    let run = feed(denied, lines);
    let advice =
        "fork: EPERM (Operation not permitted); --unprotected runs lines without processes of their own";
    let expected = format!(
        "barejit: repl: no line can run: {advice}\nbarejit: repl: line 1: {advice}\nbarejit: repl: line 2: {advice}\n"
    );
    run.expect("  0\n  0\n", &expected, 1);
    // It is told before any line comes, and is no error of what needs no process.
    for (options, out, err) in [
        (&["repl"][..], "  2\n".to_string(), format!("barejit: repl: no line can run: {advice}\n")),
        (
            &["repl", "--json"],
            format!(
                "{{\"error\":\"no line can run: {advice}\",\"line\":0}}\n{{\"input\":\"1+1\",\"value\":\"2\"}}\n"
            ),
            String::new(),
        ),
    ] {
        let mut denied = command(options);
        for call in [libc::SYS_clone, libc::SYS_fork] {
            regime::deny(&mut denied, call as u32, regime::Answer::Errno(libc::EPERM as u16));
        }
        feed(denied, b"1+1\n").expect(&out, &err, 0);
    }
    // One of the two calls is enough, and an answer without effect is none.
    for (call, answer) in [
        (libc::SYS_clone, regime::Answer::Errno(libc::ENOSYS as u16)),
        (libc::SYS_fork, regime::Answer::Errno(0)),
    ] {
        let mut half = command(&["repl"]);
        regime::deny(&mut half, call as u32, answer);
        feed(half, b"mov ebx, 3\nrbx\n").expect(
            "  bb 03 00 00 00                 mov ebx, 3\n  rbx 0 -> 3\n  3\n",
            "",
            0,
        );
    }
    let mut asked = command(&["repl", "--unprotected"]);
    for call in [libc::SYS_clone, libc::SYS_fork] {
        regime::deny(&mut asked, call as u32, regime::Answer::Errno(libc::EPERM as u16));
    }
    let run = feed(asked, lines);
    let out = run.text();
    assert!(out.contains("SIGILL at ud2; the line is undone") && out.ends_with("  0\n  1\n"), "{out}");
}

#[test]
fn a_host_that_denies_changes_of_protection_has_other_ways() {
    let mut mdwe = command(&["repl"]);
    regime::mdwe(&mut mdwe);
    let run = feed(mdwe, b"inc rax\nud2\nrax\n");
    let out = run.text();
    assert!(out.ends_with("  1\n") && out.contains("SIGILL"), "{out}{}", run.stderr);
}

/// Random numbers below others.
pub(crate) fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut random = Random(seed);
    move |below| random.next() % below
}

/// Makes R15 the start of memory for [`random_line`]. Signal handlers overwrite memory below
/// the stack pointer.
pub(crate) const ROOM: &str = "lea r15, [rsp-2048]; sub rsp, 4096\n";

pub(crate) const REGISTERS: [&str; 10] =
    ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r12", "r13"];

/// A line of arithmetic, logic, shifts, stack, memory or vectors.
pub(crate) fn random_line(next: &mut impl FnMut(u64) -> u64) -> String {
    let [a, b] = [(); 2].map(|()| REGISTERS[next(10) as usize]);
    let [x, y] = [(); 2].map(|()| next(16));
    let (number, at) = (next(1 << 32) as i32, next(200) * 8);
    let operation = ["add", "sub", "adc", "sbb", "cmp", "mov"][next(6) as usize];
    match next(10) {
        0 | 1 => format!("{operation} {a}, {b}\n"),
        2 => format!("{operation} qword [r15+{at}], {number}\n"),
        3 => format!("{operation} {a}, [r15+{at}]\n"),
        // Their undefined flags are made defined.
        4 => format!("shl {a}, {}; xor {b}, {a}; cmp {b}, {number}\n", next(64)),
        5 => format!("imul {a}, {b}; cmp {a}, {b}\n"),
        6 => format!("lea {a}, [{b}+{a}*4+{number}]\n"),
        7 => format!("push {a}; push {number}; pop {b}; pop rcx\n"),
        8 => format!("movq xmm{x}, {a}; paddq xmm{y}, xmm{x}; pshufd xmm{x}, xmm{y}, {}\n", next(256)),
        _ => format!("movdqu [r15+{at}], xmm{x}; movdqu xmm{y}, [r15+{at}]; pxor xmm{x}, xmm{y}\n"),
    }
}

/// Lines for the prompt, which ask for the state at their end.
fn random_lines(seed: u64, count: usize) -> String {
    let mut next = numbers(seed);
    let lines: String = (0..count).map(|_| random_line(&mut next)).collect();
    format!("{ROOM}{lines}rax\nrbx\nrcx\nrdx\nxmm0\nxmm7\nxmm15\n:flags\n")
}

#[test]
fn an_emulator_has_the_same_state_after_random_lines() {
    let lines = random_lines(0x2545_F491_4F6C_DD1D, 250);
    let own = feed(command(&["repl"]), lines.as_bytes());
    let mut emulator = tool("qemu-x86_64", "qemu-user");
    emulator.args([BAREJIT, "repl"]);
    let other = feed(emulator, lines.as_bytes());
    // Addresses differ.
    let shown = |run: &Run| -> Vec<String> {
        let text = run.text();
        let kept = text.lines().filter(|line| !line.contains("rsp") && !line.contains("r15"));
        kept.map(|line| line.split_once(']').map_or(line, |(_, bytes)| bytes).into()).collect()
    };
    let (own, other) = (shown(&own), shown(&other));
    let differing = own.iter().zip(&other).find(|(a, b)| a != b);
    assert!(
        own.len() > 500 && own.len() == other.len() && differing.is_none(),
        "{differing:?} {}",
        own.len()
    );
}

#[test]
fn files_that_cannot_be_saved_or_loaded_are_one_line() {
    let there = scratch("there");
    std::fs::write(&there, "kept").expect("written");
    let path = there.display();
    let (_, err, status) = prompt(&[], &format!("inc rax\n:save {path}\n"));
    assert!(err.contains("exists, and is left as it is") && err.lines().count() == 1, "{err}");
    assert_eq!(status, Some(2));
    assert_eq!(std::fs::read(&there).expect("there"), b"kept");
    let (_, err, status) = prompt(&[], ":save /no/such/folder/x\n");
    assert!(err.lines().count() == 1 && err.contains("ENOENT") && status == Some(1), "{err}");
    let (_, err, status) = prompt(&[], ":load /no/such/file\n");
    assert!(err.lines().count() == 1 && err.contains("ENOENT") && status == Some(1), "{err} {status:?}");
    std::fs::write(&there, [0xFF, 0xFE, b'\n', 0, 1, 2, b'\n']).expect("written");
    let (_, err, status) = prompt(&[], &format!(":load {path}\n"));
    assert!(err.contains(":1: not UTF-8") && status == Some(2), "{err}");
    std::fs::remove_file(&there).expect("there");
}

/// The disk is full when the lines are written: nothing of the file is left, so that the
/// next try finds it free, and the session goes on.
#[test]
fn a_full_disk_is_one_line() {
    let (_, err, status) = prompt(&[], "inc rax\n:save /dev/full\nrax\n");
    assert_eq!(
        (err.as_str(), status),
        ("barejit: repl: line 2: /dev/full exists, and is left as it is\n", Some(2))
    );
    if lacks(Need::Tracing) {
        return;
    }
    let path = scratch("full");
    let lines = format!("inc rax\n:save {0}\n:save {0}\nrax\n", path.display());
    let mut strace = tool("strace", "strace");
    strace.args(["-o", "/dev/null", "-P"]).arg(&path);
    strace.args(["-e", "inject=write:error=ENOSPC:when=1", BAREJIT, "repl"]);
    let run = feed(strace, lines.as_bytes());
    let expected =
        format!("barejit: repl: line 2: {}: write: ENOSPC (No space left on device)\n", path.display());
    assert_eq!((run.stderr.as_str(), run.status), (expected.as_str(), 1), "{run:?}");
    assert!(run.text().ends_with("  1\n"), "{run:?}");
    assert_eq!(std::fs::read(&path).expect("saved by the second try"), b"inc rax\n");
    std::fs::remove_file(&path).expect("there");
}

#[test]
fn memory_is_shown_as_far_as_it_is_there() {
    // Eight bytes below the end of the stack.
    let (out, err, status) = prompt(&[], ":mem rsp+8 64\n:mem 0\nqword [0]\nqword [rsp+12]\ninc rax\n");
    let [first, rest @ ..] = &out.lines().collect::<Vec<_>>()[..] else { panic!("{out}{err}") };
    let bytes = first.split_whitespace().skip(1).take_while(|word| word.len() == 2).collect::<Vec<_>>();
    assert!(bytes == ["00"; 8] && rest.len() == 2, "{out}");
    let errors: Vec<&str> = err.lines().collect();
    let [a, b, c] = errors[..] else { panic!("{err}") };
    assert_eq!([a, b], [2, 3].map(|line| format!("barejit: repl: line {line}: no memory at 0x0")));
    assert!(c.starts_with("barejit: repl: line 4: no memory at 0x7") && status == Some(2), "{err}");
}

/// The process of a line inherits the session's heap only if it steps.
#[test]
fn a_line_has_no_heap_of_the_session() {
    let show = "mov eax, 2; mov rdi, path; xor esi, esi; syscall; mov edi, eax; lea rsi, [rsp-8192]; \
        mov edx, 8192; xor eax, eax; syscall; mov edx, eax; mov edi, 1; mov eax, 1; syscall";
    let path = "path: db \"/proc/self/maps\", 0";
    let heap = |line: &str| {
        let (out, err, status) = prompt(&[], &format!("{path}\n{line}\n"));
        assert!(out.contains("[stack]") && status == Some(0), "{out}{err}");
        out.contains("[heap]")
    };
    assert_eq!([heap(show), heap(&format!(":step {show}"))], [false, true]);
}

#[test]
fn a_line_that_cannot_call_the_kernel_takes_few_calls() {
    if lacks(Need::Tracing) {
        return;
    }
    let log = scratch("calls");
    let mut strace = tool("strace", "strace");
    strace.args(["-f", "-e", "signal=none", "-o"]).arg(&log).args([BAREJIT, "repl"]);
    assert_eq!(feed(strace, b"inc rax\n").status, 0);
    let text = std::fs::read_to_string(&log).expect("a log");
    std::fs::remove_file(log).expect("there");
    let calls: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let (process, call) = line.split_once(' ')?;
            Some((process, call.trim_start().split_once('(')?.0))
        })
        .filter(|(_, call)| call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect();
    let session = calls[0].0;
    let [own, line] = [true, false].map(|own| {
        let of = calls.iter().filter(|(process, _)| (*process == session) == own);
        of.map(|(_, call)| *call).collect::<Vec<_>>()
    });
    assert_eq!(line, ["setpgid", "prctl", "sigaltstack", "rt_sigreturn", "exit_group"], "{text}");
    let from = own.iter().rposition(|call| *call == "clone").expect("a process");
    assert_eq!(
        own[from..].iter().take(6).copied().collect::<Vec<_>>(),
        ["clone", "setitimer", "wait4", "setitimer", "munmap", "write"],
        "{text}"
    );
}

/// fork(2) makes each page that both processes write to a fault, and each window of text.
#[test]
#[cfg(not(debug_assertions))]
#[expect(clippy::zombie_processes, reason = "wait4 waits for it and tells what it used")]
fn a_line_takes_few_page_faults() {
    let faults = |lines: usize| {
        let path = scratch("lines");
        std::fs::write(&path, "inc rax\n".repeat(lines)).expect("written");
        let fewest = (0..5).map(|_| {
            let file = std::fs::File::open(&path).expect("there");
            let child = command(&["repl"]).stdin(file).stdout(Stdio::null()).spawn().expect("it starts");
            // SAFETY: all zeroes are a usage.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: the child has not been waited for, and the usage is written.
            let ended = unsafe { libc::wait4(child.id() as i32, std::ptr::null_mut(), 0, &mut usage) };
            assert_eq!(ended, child.id() as i32);
            usage.ru_minflt
        });
        let fewest = fewest.min().expect("some");
        std::fs::remove_file(path).expect("there");
        fewest
    };
    let each = (faults(300) - faults(100)) / 200;
    assert!(each < 14, "{each} page faults a line");
}

/// A process of the line that makes others without end: they end with the line. Root is
/// exempt from RLIMIT_NPROC, so another user runs it.
#[test]
fn a_line_that_forks_without_end_leaves_nothing() {
    if lacks(Need::AnotherUser) {
        return;
    }
    let copy = place::public_copy("forks");
    let mut session = Command::new(&copy);
    session.args(["repl", "--timeout", "500"]);
    regime::limit(&mut session, libc::RLIMIT_NPROC, 60);
    regime::nobody(&mut session);
    let run = feed(session, b"mov ebx, 4\nnop; 1: mov eax, 57; syscall; jmp 1b\nmov eax, 57; syscall\nrbx\n");
    assert!(run.text().contains("took too long") && run.text().ends_with("  4\n"), "{run:?}");
    let left = std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter(|process| std::fs::read_link(process.path().join("exe")).is_ok_and(|exe| exe == copy));
    assert_eq!(left.count(), 0);
    std::fs::remove_file(copy).expect("there");
}

/// MOV to SS holds the trap of the instruction behind it back (SDM vol. 3, 6.8.3).
/// gVisor's kernel in place of Linux: lines, faults, endless loops and single steps.
#[test]
fn gvisor_runs_lines_and_steps() {
    let copy = place::public_copy("playground");
    let inside = |arguments: &[&str], input: &[u8]| {
        let mut runsc = tool("runsc", "runsc");
        runsc.args(["--rootless", "--network=none", "do"]).arg(&copy).args(arguments);
        feed(runsc, input)
    };
    let started = inside(&["asm", "--hex", "ret"], b"");
    if started.status != 0 {
        std::fs::remove_file(&copy).expect("the copy");
        return untested(&format!("no gVisor: {}", started.stderr));
    }
    let run = inside(
        &["repl", "--timeout", "2000"],
        b"inc rax\nud2\njmp $\nmov eax, 110; syscall\n:step inc rbx\nrbx\n",
    );
    let out = run.text();
    for part in
        ["rax 0 -> 1\n", "SIGILL at ud2; the line is undone", "the line took too long", "rbx 0 -> 1\n"]
    {
        assert!(out.contains(part), "{part:?} is missing: {run:?}");
    }
    assert!(out.ends_with("  1\n") && run.status == 3, "{run:?}");
    let run = inside(&["run", "--step", "-a", "mov ecx, 2; 1: dec ecx; jnz 1b; mov eax, 9; ret"], b"");
    assert_eq!((run.text().as_str(), run.stderr.lines().count(), run.status), ("9 0x9\n", 7, 0), "{run:?}");
    std::fs::remove_file(&copy).expect("the copy");
}

#[test]
fn hostile_text_is_one_line_each() {
    let deep = format!("{}1{}\n", "(".repeat(100_000), ")".repeat(100_000));
    let long = format!("{}\n", "a".repeat(1_100_000));
    let exact = |start: &str| format!("{start}{}\n", "a".repeat((1 << 20) - start.len()));
    for (name, lines) in [
        ("deep", deep),
        ("open", "(".repeat(50_000) + "\n"),
        ("brackets", format!("mov eax, {}\n", "[".repeat(50_000))),
        ("signs", format!("{}1\n", "-~".repeat(50_000))),
        ("long", long),
        ("a mebibyte", exact("")),
        ("a mebibyte of a command", exact(":")),
        ("a mebibyte of a label", exact("mov eax, ")),
        ("control", "\u{1}\u{7f}\u{202e}\n".into()),
        ("NUL", "\0\n".into()),
        ("NUL in text", "mov\0 eax, 1\n".into()),
        ("NUL in a name", ":save \0\n".into()),
    ] {
        let (out, err, status) = prompt(&[], &(lines + "7\n"));
        // A name with a NUL is one that the system refuses.
        let expected = if name == "NUL in a name" { 1 } else { 2 };
        assert_eq!(
            (out.as_str(), err.lines().count(), status),
            ("  7\n", 1, Some(expected)),
            "{name}: {:.300}",
            err
        );
    }
    let run = feed(command(&["repl", "--json"]), b"\xFF\xFE\n\x80\n\n7\n");
    let lines = run.text();
    let errors = lines.lines().filter(|line| line.starts_with("{\"error\":\"not UTF-8\"")).count();
    assert!(errors == 2 && lines.lines().count() == 3 && run.status == 2, "{run:?}");
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
