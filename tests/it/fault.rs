//! Faults in generated code: each is one line and status 3, and breaks nothing.

use crate::support::*;

/// Every signal that code can raise, by code that raises it.
const FAULTS: [(&str, &str, &str); 23] = [
    // ud2
    ("0F0B", " at 0x0 [0f 0b] ud2", "SIGILL (invalid instruction)"),
    // nop; int3
    ("90CC", " at 0x1 [cc] int3", "SIGTRAP (breakpoint or single step)"),
    // int 3 in two bytes; the same behind a byte that int3 could be
    ("CD03C3", " at 0x0 [cd 03] int 3", "SIGTRAP (breakpoint or single step)"),
    ("B8000000CDCCC3", " at 0x5 [cc] int3", "SIGTRAP (breakpoint or single step)"),
    ("B8000000CCCD03", " at 0x5 [cd 03] int 3", "SIGTRAP (breakpoint or single step)"),
    // int 4; then int 5 and hlt behind bytes that int 4 could be
    ("CD04C3", " at 0x0 [cd 04] int 4", "SIGSEGV (the overflow trap, int 4)"),
    (
        "B80000CD04CD05C3",
        " at 0x5 [cd 05] int 5",
        "SIGSEGV (a privileged instruction, or an address not aligned or not canonical)",
    ),
    ("B80000CD04F4C3", " at 0x5 [f4] hlt", "SIGSEGV (a privileged instruction)"),
    // nop; int1
    ("90F1C3", " at 0x1 [f1] int1", "SIGTRAP (breakpoint or single step)"),
    // xor ecx, ecx; idiv ecx; ret
    ("31C9F7F9C3", " at 0x2 [f7 f9] idiv ecx", "SIGFPE (arithmetic error)"),
    // mov eax, [0]; ret
    (
        "8B042500000000C3",
        " at 0x0 [8b 04 25 00 00 00 00] mov eax, dword ptr [0]",
        "SIGSEGV (nothing is mapped at 0x0)",
    ),
    // mov [rip-7], eax: code is not writable
    (
        "8905F9FFFFFFC3",
        " at 0x0 [89 05 f9 ff ff ff] mov dword ptr [rip-7], eax",
        "SIGSEGV (access to ADDRESS is not permitted)",
    ),
    // mov rax, 1<<63; mov eax, [rax]
    (
        "48B800000000000000808B00C3",
        " at 0xa [8b 00] mov eax, dword ptr [rax]",
        "SIGSEGV (a privileged instruction, or an address not aligned or not canonical)",
    ),
    // hlt
    ("F4", " at 0x0 [f4] hlt", "SIGSEGV (a privileged instruction)"),
    // the same through rbp, whose segment is the stack's
    (
        "48B800000000000000804889C58B4500C3",
        " at 0xd [8b 45 00] mov eax, dword ptr [rbp]",
        "SIGBUS (an address that is not canonical)",
    ),
    // push 0; ret
    ("6A00C3", ", gone astray to 0x0", "SIGSEGV (nothing is mapped at 0x0)"),
    // pushfq; or dword [rsp], 0x100; popfq; nop: a single step
    ("9C810C24000100009D90C3", " at 0xa [c3] ret", "SIGTRAP (breakpoint or single step)"),
    // kill(getpid(), SIGSYS)
    ("B8270000000F0589C7BE1F000000B83E0000000F05C3", " at 0x15 [c3] ret", "SIGSYS (sent by a process)"),
    // alignment check on, then an unaligned load from the stack
    (
        "9C810C24000004009D8B442401C3",
        " at 0x9 [8b 44 24 01] mov eax, dword ptr [rsp+1]",
        "SIGBUS (an address that is not aligned)",
    ),
    // push rax; jmp to itself: until the stack is used up
    ("50EBFD", " at 0x0 [50] push rax", "SIGSEGV (access to ADDRESS is not permitted)"),
    // push rax; ret 27 to itself: until the stack is behind it
    ("50C21B00", " at 0x0 [50] push rax", "SIGSEGV (access to ADDRESS is not permitted)"),
    // the same, 64 KiB a time
    ("50C2FFFF", " at 0x0 [50] push rax", "SIGSEGV (access to ADDRESS is not permitted)"),
    // endless call of itself
    (
        "E8FBFFFFFF",
        " at 0x0 [e8 fb ff ff ff] call 0x0 (barejit_run)",
        "SIGSEGV (access to ADDRESS is not permitted)",
    ),
];

#[test]
fn every_signal_comes_back_as_one_line() {
    for (code, place, reason) in FAULTS {
        let mut run = run(&["run", code]);
        run.stderr = mask(&run.stderr) + "\n";
        // The end of the stack is a guard or a hole.
        run.stderr = run.stderr.replace("nothing is mapped at ADDRESS", "access to ADDRESS is not permitted");
        run.expect("", &format!("barejit: run: generated code{place}: {reason}\n"), 3);
    }
}

#[test]
fn guards_stand_around_code_and_stack() {
    // mov al, [rip+4096]; mov al, [rip-14]; both beyond the one page of code
    for code in ["8A0500100000C3", "8A05F2FFFFFFC3"] {
        for map in ["wx", "dual", "sealed", "file"] {
            let run = run(&["run", "--map", map, code]);
            assert!(run.stderr.ends_with(" is not permitted)\n") && run.status == 3, "{map}: {run:?}");
        }
    }
}

#[test]
fn guards_stand_around_the_data_of_generated_code() {
    for args in [
        &["chain", "-e", "+1", "--start", "0", "--terms", "999999999"][..],
        &["rpn", "-e", "(1) 1 +", "--start", "0", "--terms", "999999999"],
        &["bf", "-e", "+[.]"],
    ] {
        let mut command = command(args);
        command.stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("started");
        // Soon nobody reads what it prints, and it waits.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", child.id())).expect("it lives");
        child.kill().expect("it lives");
        child.wait().expect("it was started");
        let lines: Vec<(&str, &str)> = maps
            .lines()
            .filter_map(|line| {
                let (range, rest) = line.split_once(' ')?;
                Some((range, &rest[..4]))
            })
            .collect();
        let adjacent = |a: &str, b: &str| a.split('-').nth(1) == b.split('-').next();
        let guarded = |rights: &str| {
            let between = |three: &[(&str, &str)]| {
                (three[0].1, three[1].1, three[2].1) == ("---p", rights, "---p")
                    && adjacent(three[0].0, three[1].0)
                    && adjacent(three[1].0, three[2].0)
            };
            lines.windows(3).filter(|three| between(three)).count()
        };
        // The data; the stack of the code, and that of the handlers; more by chance.
        assert!(guarded("r-xp") == 1 && guarded("rw-p") >= 3, "{args:?}\n{maps}");
    }
}

#[test]
fn output_stands_before_the_message() {
    for (args, printed) in [
        (&["bf", "-e", "++++++++[>++++++++<-]>+.<<+"][..], "A"),
        (
            &["chain", "--as-documented", "-e", "-5 /1", "--start", "7", "--terms", "4"],
            "Term 0: 7\nTerm 1: 2\n",
        ),
    ] {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = command(args);
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let mut child = command.spawn().expect("started");
        drop(command);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(3));
        assert!(text.starts_with(&format!("{printed}barejit: {}: ", args[0])), "{text}");
    }
}

#[test]
fn code_that_is_no_documented_bytes_can_be_branched_to() {
    for args in [
        &["call"][..],
        &["chain", "-e", "+1", "--start", "0", "--terms", "5"],
        &["chain", "-e", "+1", "--start", "0", "--terms", "5", "--last"],
        &["rpn", "-e", "(1)", "--start", "1", "--terms", "5"],
        &["rpn", "-e", "(1)", "--start", "1", "--terms", "5", "--last"],
        &["rpn", "-e", "(30)", "--start", &["1"; 30].join(","), "--terms", "99", "--last"],
        &["bf", "-e", "+."],
        &["bf", "--opt", "0", "-e", "+."],
    ] {
        let listing = run(&[args, &["--listing"]].concat()).text();
        let name = format!("barejit_{}:", args[0]);
        let first = listing
            .lines()
            .skip_while(|line| !line.starts_with(&name))
            .find(|line| line.contains("f3 0f 1e fa"));
        assert!(first.is_some_and(|line| line.contains("endbr64")), "{args:?}: {listing}");
    }
}

#[test]
fn a_feature_that_this_cpu_lacks_is_named() {
    for (code, instruction, feature) in [
        ("C5FDFEC0C3", "[c5 fd fe c0] vpaddd ymm0, ymm0, ymm0", "AVX2"),
        ("C5FC58C0C3", "[c5 fc 58 c0] vaddps ymm0, ymm0, ymm0", "AVX"),
        ("C4E2F8F3C8C3", "[c4 e2 f8 f3 c8] blsr rax, rax", "BMI1"),
        ("C4E27999C0C3", "[c4 e2 79 99 c0] vfmadd132ss xmm0, xmm0, xmm0", "FMA"),
        ("660F38DCC1C3", "[66 0f 38 dc c1] aesenc xmm0, xmm1", "AES"),
        // vaddps zmm0, zmm0, zmm0, which the decoder leaves out
        ("62F17C4858C0C3", "[62 f1 7c 48 58 c0 c3]", "AVX512F"),
    ] {
        let mut emulator = tool("qemu-x86_64", "qemu-user");
        emulator.args(["-cpu", "Nehalem", BAREJIT, "run", code]);
        let line =
            format!("generated code at 0x0 {instruction}: SIGILL (needs {feature}, which this CPU lacks)");
        finish(emulator).expect("", &format!("barejit: run: {line}\n"), 3);
    }
    // An instruction that no CPU has needs no feature.
    let mut emulator = tool("qemu-x86_64", "qemu-user");
    emulator.args(["-cpu", "Nehalem", BAREJIT, "run", "0F0B"]);
    let line = "barejit: run: generated code at 0x0 [0f 0b] ud2: SIGILL (invalid instruction)\n";
    finish(emulator).expect("", line, 3);
}

#[test]
fn the_emulator_raises_them_too() {
    let version = place::major_version("qemu-x86_64", "qemu-user");
    for (code, place, reason) in &FAULTS[..12] {
        // QEMU tells no exception's number, so int 4 and hlt look the same.
        if *code == "B80000CD04F4C3" {
            continue;
        }
        // QEMU 7 has no int1; QEMU 10 raises it as a single step, behind the instruction.
        let (place, reason) = match (*code, version) {
            ("90F1C3", 7) => (place, "SIGILL (invalid instruction)"),
            ("90F1C3", 10) => (&" at 0x2 [c3] ret", "SIGTRAP (breakpoint or single step)"),
            ("90F1C3", _) => {
                untested(&format!("int1 under QEMU {version}, only under 7 and 10"));
                continue;
            }
            _ => (place, *reason),
        };
        let mut run = qemu(&["run", code]);
        run.stderr = mask(&run.stderr) + "\n";
        run.expect("", &format!("barejit: run: generated code{place}: {reason}\n"), 3);
    }
}

/// Code that changes what a return from a signal handler restores, and then faults.
const RUINED: [(&str, &str); 9] = [
    ("push 0x23; push 0; retfq: to 32-bit code", "6a23 6a00 48cb"),
    ("the same by iretq", "4889e0 6a2b 50 9c 6a23 6a00 48cf"),
    ("iretq to a null SS", "4889e0 6a00 50 9c 6a33 6a00 48cf"),
    (
        "mmap(0, 4096, 7, MAP_32BIT, …), ud2 there, and retfq to it as 32-bit code",
        "b809000000 31ff be00100000 ba07000000 41ba62000000 41b8ffffffff 4531c9 0f05 \
         66c7000f0b 6a23 50 48cb",
    ),
    ("rt_sigreturn of zeros", "4881ec00100000 4889e7 b900020000 31c0 f348ab b80f000000 0f05"),
    (
        "rt_sigreturn to here with a null SS",
        "4881ec00100000 4889e7 b900020000 31c0 f348ab c7042406000000 488d0500000000 48898424a8000000 \
         66c78424b80000003300 b80f000000 0f05",
    ),
    ("flags TF, DF, NT and AC; ud2", "9c 810c2400454400 66810c240045 9d 0f0b"),
    (
        "MXCSR 0, so that every exception is unmasked; 1/0",
        "6a00 0fae1424 6a01 58 f3480f2ac0 0f57c9 f30f5ec1 0f0b",
    ),
    ("an x87 exception that waits; ud2", "6a00 d92c24 d9e8 d9ee def9 0f0b"),
];

#[test]
fn whatever_code_has_ruined_its_fault_is_one_line() {
    for (what, code) in RUINED {
        for sandbox in [false, true] {
            let mut command = command(&["run", code]);
            if sandbox {
                command.arg("--sandbox");
            }
            // A fault that leads to itself ends here.
            regime::limit(&mut command, libc::RLIMIT_CPU, 5);
            let run = finish(command);
            let one_line =
                run.stderr.starts_with("barejit: run: generated code") && run.stderr.lines().count() == 1;
            assert!(run.status == 3 && run.text().is_empty() && one_line, "{what}: {code}: {run:?}");
        }
        // QEMU 7.2 fails an assertion of its own at such a frame.
        if what.starts_with("rt_sigreturn") {
            continue;
        }
        let mut command = tool("qemu-x86_64", "qemu-user");
        command.arg(BAREJIT).args(["run", code]);
        regime::limit(&mut command, libc::RLIMIT_CPU, 20);
        let run = finish(command);
        assert!(run.status == 3 && run.stderr.lines().count() == 1, "{what}: {code}: {run:?}");
    }
}

#[test]
fn a_fault_on_the_way_back_from_a_fault_ends_the_process() {
    // mov rax, [rsp]; movsxd rcx, [rax+3]; lea rax, [rax+rcx+7]: from `lea rdx, [rip+…]`,
    // which code returns to, the record. Then mov qword [rax+48], 1, the stack pointer of
    // the call site; ud2.
    let code = "488b0424 48634803 488d440807 48c7403001000000 0f0b";
    for mut command in [command(&["run", code]), {
        let mut qemu = tool("qemu-x86_64", "qemu-user");
        qemu.arg(BAREJIT).args(["run", code]);
        qemu
    }] {
        regime::limit(&mut command, libc::RLIMIT_CPU, 20);
        let mut run = finish(command);
        run.stderr = mask(&run.stderr) + "\n";
        let line =
            "barejit: generated code has broken the way back from it: SIGSEGV at ADDRESS, address 0x1\n";
        run.expect("", line, 3);
    }
}

#[test]
fn broken_promises_of_returning_code_do_no_harm() {
    // Every preserved register, the direction flag and the alignment check.
    let ruin = "bbffffffffbdffffffff41bcffffffff41bdffffffff41beffffffff41bfffffffff";
    let flags = "9c810c24000404009db82a000000c3";
    run(&["run", &format!("{ruin}{flags}")]).expect("42 0x2a\n", "", 0);
}

#[test]
fn a_jump_to_what_is_not_executable_is_explained() {
    let line = "barejit: hello: generated code at 0x0 [48 c7 c0 01 00 00 00] mov rax, 1: \
        SIGSEGV (the page is not executable)\n";
    run(&["hello", "--map", "none"]).expect("", line, 3);
    qemu(&["hello", "--map", "none"]).expect("", line, 3);
    let words = run(&["hello", "--map", "none", "--layout", "words"]);
    words.expect("", line, 3);
}

/// Waits until `child` waits in a syscall of this number, and says where.
fn until_it_waits(child: &std::process::Child, syscall: i64) -> u64 {
    let path = format!("/proc/{}/syscall", child.id());
    let start = std::time::Instant::now();
    loop {
        let line = std::fs::read_to_string(&path).expect("it lives");
        let mut words = line.split_whitespace();
        if words.next() == Some(&syscall.to_string()) {
            let rip = words.next_back().expect("RIP").trim_start_matches("0x");
            return u64::from_str_radix(rip, 16).expect("hexadecimal");
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "it does not wait: {line}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn a_fault_of_barejits_own_is_one_line_and_a_death_by_that_signal() {
    let text = "x".repeat(100_000);
    // A call-back waits, and what reads before there is any code.
    for (args, syscall) in [
        (&["call", "--sandbox", &text][..], libc::SYS_write),
        (&["bf", "-e", ",[.,]"], libc::SYS_read),
        (&["run", "-"], libc::SYS_read),
        (&["bf", "-"], libc::SYS_read),
        (&["chain", "-"], libc::SYS_read),
        (&["rpn", "-"], libc::SYS_read),
    ] {
        let (mut output, writer) = std::io::pipe().expect("a pipe");
        let (reader, mut input) = std::io::pipe().expect("a pipe");
        let mut command = command(args);
        command.stdin(reader).stdout(writer).stderr(std::process::Stdio::piped());
        let child = command.spawn().expect("started");
        drop(command);
        let rip = until_it_waits(&child, syscall);
        // A process may write to the memory of its child: ud2 where that goes on.
        let memory = std::fs::File::options().write(true).open(format!("/proc/{}/mem", child.id()));
        let memory = memory.expect("the memory of a child");
        std::os::unix::fs::FileExt::write_all_at(&memory, &[0x0F, 0x0B], rip).expect("written");
        if syscall == libc::SYS_read {
            std::io::Write::write_all(&mut input, b"+").expect("it reads");
        } else {
            std::io::Read::read_exact(&mut output, &mut vec![0; text.len()]).expect("it writes");
        }
        let run = Run::new(child.wait_with_output().expect("it ends"));
        assert_eq!(run.status, -libc::SIGILL, "{args:?}: {run:?}");
        let line =
            format!("barejit: SIGILL in barejit itself at {rip:#x}, address {rip:#x}; this is a bug\n");
        assert_eq!(run.stderr, line, "{args:?}");
    }
}

#[test]
fn a_signal_that_a_process_sends_is_no_fault_of_barejits() {
    use libc::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    for args in [&["bf", "-e", ","][..], &["bf", "--sandbox", "-e", ","], &["bf", "-"], &["chain", "-"]] {
        for (signal, name) in [
            (SIGSEGV, "SEGV"),
            (SIGFPE, "FPE"),
            (SIGILL, "ILL"),
            (SIGBUS, "BUS"),
            (SIGTRAP, "TRAP"),
            (SIGSYS, "SYS"),
        ] {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let mut command = command(args);
            command.stdin(reader).stderr(std::process::Stdio::piped());
            let child = command.spawn().expect("started");
            drop(command);
            until_it_waits(&child, libc::SYS_read);
            // SAFETY: a signal to a child that has not been waited for.
            assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
            let run = Run::new(child.wait_with_output().expect("it ends"));
            drop(writer);
            run.expect(
                "",
                &format!("barejit: SIG{name} (sent by process {})\n", std::process::id()),
                -signal,
            );
        }
    }
}

#[test]
fn a_fault_that_cannot_be_handled_ends_the_process() {
    // sigaltstack(0, rsp-64); munmap(what it says); ud2
    let no_stack = "4883ec40 31ff 4889e6 b883000000 0f05 \
                    488b3c24 488b742410 b80b000000 0f05 0f0b";
    run(&["run", no_stack]).expect("", "", -libc::SIGSEGV);
    // rt_sigprocmask(SIG_BLOCK, all, 0, 8); ud2
    let blocked = "48c7c0ffffffff 50 31ff 4889e6 31d2 41ba08000000 b80e000000 0f05 0f0b";
    run(&["run", blocked]).expect("", "", -libc::SIGILL);
}
