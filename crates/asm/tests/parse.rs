//! The parser, judged by the decoder and by iced-x86: the text of an instruction assembles
//! to bytes that iced decodes to the same instruction.

use barejit_asm::{
    decode,
    parse::{self, Place, Reason, Statement},
};
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, Register};

const ADDRESS: u64 = 0x4000_0000;

fn assemble(text: &str) -> Result<Vec<u8>, parse::Error<'_>> {
    let mut bytes = Vec::new();
    let place =
        Place { address: ADDRESS, short: true, optimise: false, symbols: &|_| None, constants: &|_| None };
    parse::parse(text, &place, &mut |more| bytes.extend_from_slice(more)).map(|_| bytes)
}

fn iced(bytes: &[u8]) -> Instruction {
    Decoder::with_ip(64, bytes, ADDRESS, DecoderOptions::NONE).decode()
}

/// The text that iced-x86 gives an instruction. A redundant prefix moves the end of the
/// instruction, so memory relative to RIP is told by its displacement; an index with a
/// factor of 1 and no base is a base, which is shorter.
fn reading(instruction: &Instruction, formatter: &mut IntelFormatter) -> String {
    let mut text = String::new();
    formatter.format(instruction, &mut text);
    // A redundant prefix in front of a short branch makes it reach less far.
    let text = text.replace(" short", "");
    // An exchange is the same in either order.
    if let Some(operands) = text.strip_prefix("xchg ") {
        let mut operands: Vec<&str> = operands.split(',').collect();
        operands.sort_unstable();
        return format!("xchg {}", operands.join(","));
    }
    match (instruction.memory_base(), instruction.memory_index_scale()) {
        (Register::None, 1) => text.replace("*1", ""),
        _ => text,
    }
}

/// Texts that disassemblers write for prefixes without a meaning there, and nobody else.
fn is_odd(text: &str) -> bool {
    let strings = ["ins", "outs", "movs", "stos", "lods", "cmps", "scas"];
    let is_string = strings.iter().any(|name| text.split(' ').any(|word| word.starts_with(name)));
    ["hint-", "addr32 ", "data16 ", "data64 ", "xacquire ", "xrelease "]
        .iter()
        .any(|prefix| text.contains(prefix))
        || text.contains("fpu")
        || text.starts_with("xlat") && text.contains("[ebx]")
        // A redundant prefix moves their end out of reach.
        || text.starts_with("loop") || text.starts_with("jrcxz") || text.starts_with("jecxz")
        || is_string && (text.contains("repne") || text.contains("[e"))
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn the_text_of_a_decoded_instruction_assembles_to_the_same_instruction() {
    let rounds = std::env::var("ROUNDS").map_or(100_000, |rounds| rounds.parse().expect("a number"));
    let mut state = std::env::var("SEED").map_or(20, |seed| seed.parse().expect("a number"));
    let mut formatter = IntelFormatter::new();
    formatter.options_mut().set_rip_relative_addresses(true);
    formatter.options_mut().set_always_show_scale(true);
    let (mut tried, mut odd) = (0, 0);
    let (mut refused, mut wrong, mut longer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (low, high) = (next(&mut state).to_le_bytes(), next(&mut state).to_le_bytes());
        let mut bytes: Vec<u8> = low.into_iter().chain(high).take(15).collect();
        match next(&mut state) % 6 {
            0 => bytes[0] = 0x0F,
            1 => (bytes[0], bytes[1]) = (0x48, 0x0F),
            2 => (bytes[0], bytes[1]) = (0x66, 0x0F),
            3 => bytes[0] = 0xC5,
            _ => {}
        }
        let Ok(instruction) = decode(&bytes) else { continue };
        let (text, bytes) = (instruction.at(ADDRESS).to_string(), &bytes[..instruction.size()]);
        tried += 1;
        match assemble(&text) {
            Err(_) if is_odd(&text) => odd += 1,
            _ if text.contains("es:[") => odd += 1,
            Err(error) => refused.push(format!("{bytes:02x?} {text}: {}", error.reason)),
            Ok(assembled)
                if reading(&iced(bytes), &mut formatter) != reading(&iced(&assembled), &mut formatter) =>
            {
                wrong.push(format!("{bytes:02x?} {text}: {assembled:02x?} {}", iced(&assembled)));
            }
            Ok(assembled)
                if assembled.len() > bytes.len()
                    && !iced(bytes).is_jcc_short()
                    && !iced(bytes).is_jmp_short() =>
            {
                longer.push(format!("{bytes:02x?} {text}: {assembled:02x?}"));
            }
            Ok(_) => {}
        }
    }
    println!(
        "{tried} texts, {odd} that only disassemblers write, {} refused, {} wrong, {} longer",
        refused.len(),
        wrong.len(),
        longer.len()
    );
    let shown = |list: &[String]| list.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "other instructions:\n{}", shown(&wrong));
    assert!(longer.is_empty(), "longer than they need be:\n{}", shown(&longer));
    assert!(refused.is_empty(), "refused:\n{}", shown(&refused));
    assert!(odd * 50 < tried, "{odd} of {tried} were not judged");
}

#[test]
fn what_people_write_assembles_to_what_they_mean() {
    for (text, expected) in [
        ("mov eax, 1", "b8 01 00 00 00"),
        ("mov rax, 1", "48 c7 c0 01 00 00 00"),
        ("MOV RAX, 0x1122334455667788", "48 b8 88 77 66 55 44 33 22 11"),
        ("add rax, 8", "48 83 c0 08"),
        ("lea rax, [8+rbx+4*rcx]", "48 8d 44 8b 08"),
        ("mov byte [rdi], 'A'", "c6 07 41"),
        ("mov dword ptr fs:[0x28], eax", "64 89 04 25 28 00 00 00"),
        ("movzx eax, byte ptr [rsi]", "0f b6 06"),
        ("jz 0x40000002", "74 00"),
        ("jmp near 0x40000005", "e9 00 00 00 00"),
        ("lock xadd [rdi], rax", "f0 48 0f c1 07"),
        ("rep movsb", "f3 a4"),
        ("sal eax, 1", "d1 e0"),
        ("imul eax, 3", "6b c0 03"),
        ("test [rax], ecx", "85 08"),
        ("vpaddd ymm1, ymm2, [rax+32]", "c5 ed fe 48 20"),
        ("db 1, \"ab\", 0x7f ; comment", "01 61 62 7f"),
        ("dq -1", "ff ff ff ff ff ff ff ff"),
        ("push 0b10", "6a 02"),
        ("xchg eax, esp", "94"),
        ("xchg rax, rbx", "48 93"),
        ("vpgatherqq ymm14, [r14+ymm4*1], ymm15", "c4 42 85 91 34 26"),
        ("mov eax, [rax+rsp]", "8b 04 04"),
        ("fadd st, st(2)", "d8 c2"),
        ("fadd st(2), st", "dc c2"),
    ] {
        let hex =
            |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        assert_eq!(
            assemble(text).map(hex).map_err(|error| error.reason.to_string()),
            Ok(expected.into()),
            "{text}"
        );
    }
}

/// The bytes of `text`, with the rewrites of the optimiser.
fn optimised(text: &str) -> Result<Vec<u8>, parse::Error<'_>> {
    let mut bytes = Vec::new();
    let place =
        Place { address: ADDRESS, short: true, optimise: true, symbols: &|_| None, constants: &|_| None };
    parse::parse(text, &place, &mut |more| bytes.extend_from_slice(more)).map(|_| bytes)
}

#[test]
fn the_listed_rewrites_are_made_where_they_are_shorter() {
    for (text, rewritten) in [
        ("mov rax, 1", "mov eax, 1"),
        ("mov r9, 0xffffffff", "mov r9d, 0xffffffff"),
        ("and rdx, 0x7fffffff", "and edx, 0x7fffffff"),
        ("test rdi, 0x1000", "test edi, 0x1000"),
        ("test ebx, 1", "test bl, 1"),
        ("test rsi, 127", "test sil, 127"),
        ("sub rax, rax", "sub eax, eax"),
        ("lea rax, [rbx*2]", "lea rax, [rbx+rbx]"),
        ("mov ecx, dword ptr fs:[rbp*2+8]", "mov ecx, dword ptr fs:[rbp+rbp*1+8]"),
        // Nothing of these is in the list.
        ("mov rax, -1", "mov rax, -1"),
        ("mov rax, 0x100000000", "mov rax, 0x100000000"),
        ("and rdx, 0x80000000", "and rdx, 0x80000000"),
        ("test ebx, 128", "test ebx, 128"),
        ("test bl, 1", "test bl, 1"),
        ("xor rax, rbx", "xor rax, rbx"),
        // As long with 32 bits, because r8 needs REX anyhow.
        ("xor r8, r8", "xor r8, r8"),
        ("add rax, 1", "add rax, 1"),
        ("lea rax, [rbx*4]", "lea rax, [rbx*4]"),
        ("lea rax, [rcx+rbx*2]", "lea rax, [rcx+rbx*2]"),
    ] {
        let ours = optimised(text);
        let same = assemble(rewritten);
        // Some of them exist in neither way.
        assert_eq!(ours.as_ref().ok(), same.as_ref().ok(), "{text}: {ours:02x?}");
        if let (Ok(short), Ok(plain)) = (&ours, assemble(text)) {
            assert_eq!(short.len() < plain.len(), text != rewritten, "{text}: {short:02x?}, {plain:02x?}");
        }
    }
}

#[test]
fn mistakes_have_a_column_and_a_reason() {
    for (text, at, message) in [
        ("foo eax, 1", 0, "no instruction is called 'foo'"),
        ("mvo eax, 1", 0, "no instruction is called 'mvo'; did you mean 'mov'?"),
        ("movv eax, 1", 0, "no instruction is called 'movv'; did you mean 'mov'?"),
        ("mov [rax], 1", 4, "the size of the memory is not told: write byte, word, dword or qword"),
        ("mov %rax, %rbx", 4, "this is AT&T syntax; write Intel syntax: mov eax, 1"),
        ("add al, 300", 8, "the number does not fit"),
        ("movl $5, %eax", 0, "this is AT&T syntax; write Intel syntax: mov eax, 1"),
        ("jmp *%rax", 4, "this is AT&T syntax; write Intel syntax: mov eax, 1"),
        ("loop 0x50000000", 5, "a short jump does not reach it"),
        (
            "vpaddd ymm1, xmm2, ymm3",
            0,
            "'vpaddd' has no form with ymm, xmm, ymm; it takes ymm, ymm, ymm/m256; xmm, xmm, xmm/m128",
        ),
        (
            "imul rax, rbx, rcx",
            0,
            "'imul' has no form with r64, r64, r64; it takes r64, r/m64, imm; r16, r/m16, imm; \
             r32, r/m32, imm; r/m8; r/m16; r/m32; and more",
        ),
        (
            "mov eax, bl",
            0,
            "'mov' has no form with r32, r8; it takes r/m32, r32; r32, r/m32; r32/m16, a segment register; \
             r32, imm; r/m32, imm; r/m8, r8; and more",
        ),
        (
            "movzx eax",
            0,
            "'movzx' has no form with r32; it takes r16, r/m8; r32, r/m8; r64, r/m8; r16, r/m16; \
             r32, r/m16; r64, r/m16",
        ),
        (
            "movzx rax, rcx",
            0,
            "'movzx' has no form with r64, r64; it takes r64, r/m8; r64, r/m16; r16, r/m8; r32, r/m8; \
             r16, r/m16; r32, r/m16",
        ),
        ("addss xmm0, qword [rax]", 0, "'addss' has no form with xmm, m64; it takes xmm, xmm/m32"),
        (
            "shl eax, ecx",
            0,
            "'shl' has no form with r32, r32; it takes r/m32, cl; r/m32, imm; r/m32, 1; r/m8, cl; \
             r/m16, cl; r/m64, cl; and more",
        ),
        ("bswap bl", 0, "'bswap' has no form with r8; it takes r16; r32; r64"),
        ("lea eax, 5", 0, "'lea' has no form with r32, imm; it takes r32, m; r16, m; r64, m"),
        ("cpuid eax", 0, "'cpuid' has no form with r32; it takes no operands"),
        ("not", 0, "'not' has no form with no operands; it takes r/m8; r/m16; r/m32; r/m64"),
        ("lock mov [rax], eax", 5, "the instruction does not take 'lock' here"),
        ("mov eax, [rax*3+rbx*2]", 9, "no instruction can address this"),
        ("jmp there", 4, "no label 'there'"),
        ("mov eax, 0x1ffffffffffffffff", 9, "a number of more than 64 bits"),
    ] {
        let error = assemble(text).expect_err(text);
        assert_eq!((error.at, error.reason.to_string().as_str()), (at, message), "{text}");
    }
    let error = assemble("bswap al").expect_err("no such form");
    assert!(matches!(error.reason, Reason::Operands { mnemonic: "bswap", .. }), "{error:?}");
    assert!(error.reason.to_string().contains("r32"), "{}", error.reason);
}

#[test]
fn labels_and_branches_that_can_grow_are_told() {
    let place =
        Place { address: 0, short: true, optimise: false, symbols: &|_| Some(2), constants: &|_| None };
    let statement = parse::parse("jmp near_by", &place, &mut |_| {});
    assert_eq!(statement, Ok(Statement::Instruction { can_grow: true }));
    assert!(parse::label("loop: dec ecx").is_some_and(|(_, rest)| rest == " dec ecx"));
    assert!(parse::label("mov eax, fs:[0]").is_none());
}
