//! How long a process lives that prints by generated code: `barejit hello` next to
//! the same in assembly, in C and with dynasm-rs, and next to the least that prints
//! at all. The time runs from before the process is started until it is gone; the kernel
//! takes most of it.

use crate::measure::{BAREJIT, Row, Scratch, Shot, medians, run, silent};
use barejit_asm::{Asm, EAX, EDI, EDX, ESI, Mem, R8, R9, R10, RAX, RBX, RCX, RDI, RSI, Slot, Tables, qword};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const ROUNDS: usize = 1000;

/// The calls of `hello` by their numbers in the kernel.
const WRITE: i64 = 1;
const MMAP: i64 = 9;
const MPROTECT: i64 = 10;
const MUNMAP: i64 = 11;
const EXIT_GROUP: i64 = 231;

/// The same in C.
const C: &str = r#"
#include <string.h>
#include <sys/mman.h>
static const unsigned char stub[43] =
    "\x48\xC7\xC0\x01\x00\x00\x00\x48\xC7\xC7\x01\x00\x00\x00\x48\xC7\xC2\x0C\x00\x00\x00"
    "\x48\x8D\x35\x03\x00\x00\x00\x0F\x05\xC3Hello World!";
int main(void) {
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) return 1;
    memcpy(code, stub, sizeof stub);
    if (mprotect(code, 4096, PROT_READ | PROT_EXEC)) return 1;
    ((void (*)(void))code)();
    return munmap(code, 4096) != 0;
}
"#;

/// The six instructions and their text.
fn stub(a: &mut Asm<'_>) {
    let text = a.label();
    a.mov_ri(EAX, WRITE).mov_ri(EDI, 1).mov_ri(EDX, 12).lea(RSI, Mem::label(text)).syscall().ret();
    a.bind(text).bytes(b"Hello World!");
}

fn exit(a: &mut Asm<'_>) {
    a.mov_ri(EAX, EXIT_GROUP).mov_ri(EDI, 0).syscall();
}

/// Prints and ends.
fn least(a: &mut Asm<'_>) {
    let there = a.label();
    a.call(there);
    exit(a);
    a.bind(there);
    stub(a);
}

/// The calls of `hello`, none of which is checked.
fn same_calls(a: &mut Asm<'_>) {
    let from = a.label();
    a.mov_ri(EAX, MMAP).mov_ri(EDI, 0).mov_ri(ESI, 4096).mov_ri(EDX, 3);
    a.mov_ri(R10, 0x22).mov_ri(R8, -1).mov_ri(R9, 0).syscall();
    a.mov_rr(RBX, RAX).lea(RSI, Mem::label(from));
    for at in (0..48).step_by(8) {
        a.mov_rm(RCX, qword(RSI).disp(at)).mov_mr(qword(RBX).disp(at), RCX);
    }
    a.mov_ri(EAX, MPROTECT).mov_rr(RDI, RBX).mov_ri(ESI, 4096).mov_ri(EDX, 5).syscall();
    a.call_r(RBX);
    a.mov_ri(EAX, MUNMAP).mov_rr(RDI, RBX).mov_ri(ESI, 4096).syscall();
    exit(a);
    a.bind(from);
    stub(a);
}

/// An executable of one segment: two headers, then the code.
fn elf(scratch: &Scratch, code: fn(&mut Asm<'_>)) -> PathBuf {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (mut buffer, mut slots) = ([0; 512], [Slot::EMPTY; 8]);
    let mut a = Asm::new(&mut buffer, Tables::slots(&mut slots));
    code(&mut a);
    let code = a.finish().expect("assembles");
    let size = HEADERS + code.bytes().len() as u64;
    let mut file = b"\x7FELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([2u16, 62].map(u16::to_le_bytes).concat()); // ET_EXEC, EM_X86_64
    file.extend(1u32.to_le_bytes());
    file.extend([BASE + HEADERS, 64, 0].map(u64::to_le_bytes).concat()); // entry, segments, sections
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([1u32, 5].map(u32::to_le_bytes).concat()); // PT_LOAD, R X
    file.extend([0, BASE, BASE, size, size, 4096].map(u64::to_le_bytes).concat());
    file.extend(code.bytes());
    let path = scratch.path();
    std::fs::write(&path, file).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    path
}

/// A copy, as installing makes one: a file that a linker has just written is 4 % slower to
/// start, as long as the page cache holds it the way it was written.
pub fn installed(scratch: &Scratch, program: impl AsRef<Path>) -> PathBuf {
    let path = scratch.path();
    std::fs::copy(program, &path).expect("copied");
    path
}

pub fn rows(scratch: &Scratch) -> Vec<Row> {
    let peers = [
        ("assembly, the same syscalls", elf(scratch, same_calls)),
        ("assembly, write and exit", elf(scratch, least)),
        ("C, static", installed(scratch, scratch.c(C, &["-O2", "-static"]))),
        ("C, dynamic", installed(scratch, scratch.c(C, &["-O2"]))),
        ("Rust with dynasm-rs", installed(scratch, env!("CARGO_BIN_EXE_dynasm-hello"))),
    ];
    let mut commands = vec![silent(installed(scratch, BAREJIT), &["hello"])];
    commands.extend(peers.iter().map(|(_, program)| silent(program, &[])));
    for command in &mut commands {
        assert_eq!(scratch.run(command).output, b"Hello World!", "{command:?}");
        command.stdout(Stdio::null());
    }
    let shot = |mut command: Command| -> Shot<'_> { Box::new(move || run(&mut command).wall) };
    let times = medians(ROUNDS, &mut commands.into_iter().map(shot).collect::<Vec<_>>());
    let row = |((peer, _), time): (&(&str, _), &f64)| Row::times("start", "`hello`", times[0], peer, *time);
    let mut rows: Vec<Row> = peers.iter().zip(&times[1..]).map(row).collect();
    let size = |program: &Path| std::fs::metadata(program).expect("a program").len();
    let sized = peers.iter().filter(|(peer, _)| matches!(*peer, "C, static" | "Rust with dynasm-rs"));
    rows.extend(sized.map(|(peer, program)| {
        let (ours, theirs) = (size(Path::new(BAREJIT)), size(program));
        Row::sizes("size", "all commands", ours, &format!("only `hello`, {peer}"), theirs)
    }));
    rows
}
