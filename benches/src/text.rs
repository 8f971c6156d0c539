//! How fast instructions are read and written: `barejit disasm` next to objdump, the decoder
//! next to that of iced-x86, `barejit asm` next to GNU as and nasm.

use crate::measure::{BAREJIT, Row, Scratch, Shot, cpu, medians, silent};
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use std::{fmt::Write, process::Command, time::Instant};

const ROUNDS: usize = 11;
const LINES: usize = 1_000_000;

/// Statements that every assembler takes as they are.
const STATEMENTS: [&str; 16] = [
    "mov rax, [rbx+8]",
    "lea rdi, [rsi+rcx*4+16]",
    "mov [rsp+0x20], edx",
    "add rax, 1",
    "cmp eax, 100",
    "test rcx, rcx",
    "push rbp",
    "mov rbp, rsp",
    "xor ecx, ecx",
    "movzx eax, al",
    "imul rdx, rax, 24",
    "shl rdx, 4",
    "pxor xmm0, xmm0",
    "vaddpd ymm1, ymm2, ymm3",
    "pop rbp",
    "ret",
];

/// The code of bash without its file.
fn code(scratch: &Scratch) -> Vec<u8> {
    let bare = scratch.path();
    let made = Command::new("objcopy").args(["-O", "binary", "-j", ".text", "/bin/bash"]).arg(&bare).status();
    assert!(made.expect("objcopy runs").success());
    std::fs::read(&bare).expect("written")
}

fn disassembly(scratch: &Scratch) -> Vec<Row> {
    let (code, path) = (code(scratch), scratch.path());
    std::fs::write(&path, &code).expect("written");
    let name = path.to_str().expect("text");
    let what = format!("{:.1} MB of bash to text", code.len() as f64 / 1e6);
    let theirs = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", name];
    let times =
        medians(ROUNDS, &mut [cpu(silent(BAREJIT, &["disasm", name])), cpu(silent("objdump", &theirs))]);
    let ours: Shot<'_> = Box::new(|| {
        let (start, mut at, mut text) = (Instant::now(), 0, String::new());
        while at < code.len() {
            text.clear();
            match barejit_asm::decode(&code[at..]) {
                Ok(instruction) => {
                    write!(text, "{}", instruction.at(at as u64)).expect("a string");
                    at += instruction.size();
                }
                Err(_) => at += 1,
            }
            std::hint::black_box(&text);
        }
        start.elapsed().as_secs_f64()
    });
    let iced: Shot<'_> = Box::new(|| {
        let (start, mut text) = (Instant::now(), String::new());
        let mut formatter = IntelFormatter::new();
        for instruction in &mut Decoder::with_ip(64, &code, 0, DecoderOptions::NONE) {
            text.clear();
            formatter.format(&instruction, &mut text);
            std::hint::black_box(&text);
        }
        start.elapsed().as_secs_f64()
    });
    let library = medians(ROUNDS, &mut [ours, iced]);
    vec![
        Row::times("disasm", &what, times[0], "objdump", times[1]),
        Row::times("disasm", &format!("{what}, as a library"), library[0], "iced-x86", library[1]),
    ]
}

fn assembly(scratch: &Scratch) -> Vec<Row> {
    let text: String = STATEMENTS.iter().cycle().take(LINES).flat_map(|line| [line, "\n"]).collect();
    let write = |head: &str| {
        let path = scratch.path();
        std::fs::write(&path, [head, &text].concat()).expect("written");
        path.to_str().expect("text").to_string()
    };
    let (plain, gas, nasm) = (write(""), write(".intel_syntax noprefix\n"), write("bits 64\n"));
    let silenced = |program: &str, args: &[&str]| cpu(silent(program, args));
    let times = medians(
        ROUNDS,
        &mut [
            silenced(BAREJIT, &["asm", "--raw", "/dev/null", &plain]),
            silenced("as", &["-o", "/dev/null", &gas]),
            silenced("nasm", &["-O0", "-f", "bin", "-o", "/dev/null", &nasm]),
        ],
    );
    ["GNU as", "nasm"]
        .iter()
        .zip(&times[1..])
        .map(|(name, time)| Row::times("asm", "a million lines", times[0], name, *time))
        .collect()
}

pub fn rows(scratch: &Scratch) -> Vec<Row> {
    let mut rows = disassembly(scratch);
    rows.extend(assembly(scratch));
    rows
}
