//! The prompt as a process, fed with lines of all kinds.

use crate::random::Random;
use crate::support::{json::Json, *};
use barejit::front::assembly::begins_block;

/// Instructions, mistakes, commands and expressions, which all end by themselves.
const LINES: [&str; 44] = [
    "inc rax",
    "mov rbx, 0x1122334455667788; add rax, rbx",
    "push rax; push rbx; pop rcx",
    "lea rsi, [rsp-64]; mov rdi, rsi; mov ecx, 8; rep stosq",
    "movq xmm1, rax; paddq xmm2, xmm1",
    "fld1; fldpi; faddp st(1), st",
    "mov ecx, 3; 1: dec ecx; jnz 1b",
    "xor edx, edx; xor ecx, ecx; div ecx",
    "ud2",
    "int3",
    "hlt",
    "mov eax, [0]",
    "mov rsp, 0",
    "add rsp, 64",
    "mov rax, -1; jmp rax",
    "ret",
    "jmp $",
    "call $+5",
    "std; mov rcx, -1; mov rdi, rsp; rep stosb",
    "mov eax, 39; syscall",
    "mov eax, 231; mov edi, 7; syscall",
    "mov eax, 57; syscall",
    "mov eax, 110; syscall; mov edi, eax; mov esi, 9; mov eax, 62; syscall",
    "data: dq 1, 2, 3",
    "text: db \"Hi\", 0",
    "inc qword [data]",
    "here:",
    "movv eax, 1",
    "mov eax",
    "mov eax, bl",
    "rax+8",
    "qword [rsp]",
    "xmm1",
    "0x7fffffffffffffff*2",
    "1/0",
    ":undo",
    ":redo",
    ":reset",
    ":regs",
    ":mem rsp 16",
    ":mem 0",
    ":bytes inc rax",
    ":step inc rax; ud2",
    ":nothing",
];

/// Each line has its entry, the status is a documented one, and no process is left behind.
pub(super) fn lines(random: &mut Random) {
    const BITS: [&[u8]; 12] =
        [b"rax", b"mov ", b", ", b"[", b"]", b"(", b":", b";", b"\"", b"\0", b"\xFF", b"9"];
    let mut input = Vec::new();
    for _ in 0..1 + random.below(12) {
        let line = random.of(&LINES).as_bytes().to_vec();
        let line = match random.below(6) {
            0 => random.mutated(line, &BITS),
            1 => random.text(&BITS, 12),
            _ => line,
        };
        // The session itself must not end by accident.
        input.extend(line.into_iter().filter(|byte| *byte != b'\n'));
        input.push(b'\n');
    }
    let said = String::from_utf8_lossy(&input).into_owned();
    let is_json = random.below(2) == 0;
    let mut session = command(&["repl", "--timeout", "50"]);
    session.args(is_json.then_some("--json"));
    // `:save` leaves files of any name.
    let directory = scratch("prompt");
    std::fs::create_dir(&directory).expect("made");
    session.current_dir(&directory);
    let run = feed(session, &input);
    let left = std::fs::read_dir("/proc").expect("/proc").flatten();
    let left = left
        .filter(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == directory));
    assert_eq!(left.count(), 0, "{said:?} leaves processes behind: {run:?}");
    std::fs::remove_dir_all(&directory).expect("was there");
    assert!((0..=3).contains(&run.status), "{said:?}: {run:?}");
    if is_json {
        let text = run.text();
        let objects = text.lines().map(Json::parse);
        // Each instruction of `:step` has an object, too, without an input.
        let is_entry =
            |object: &Json| ["input", "error"].iter().any(|key| !matches!(object.get(key), Json::Null));
        assert_eq!(objects.filter(is_entry).count(), entries(&input), "{said:?}: {run:?}");
        assert_eq!(run.stderr, "", "{said:?}");
    }
}

/// How many entries these lines have: one each, blocks one together, blank lines none.
fn entries(input: &[u8]) -> usize {
    let (mut count, mut in_block) = (0, false);
    for line in input.split(|byte| *byte == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else {
            count += 1;
            continue;
        };
        let is_blank = text.trim().is_empty();
        count += usize::from(if in_block { is_blank } else { !is_blank && !begins_block(text) });
        in_block = !is_blank && (in_block || begins_block(text));
    }
    count + usize::from(in_block)
}
