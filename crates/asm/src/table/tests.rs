//! Holds every row against iced-x86, with a register and with memory, at each width:
//! text, length, accesses, implied registers and memory, flags, features, prefixes.

use super::{Effects, Feature, Marks, OperandKind, Register, Row, TABLE};
use crate::assembler::{Asm, Cond, Tables};
use crate::code::form::Third;
use crate::code::spec::{fixed, kind, size};
use crate::code::{Form, Record};
use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, OpAccess};
use std::collections::{BTreeMap, BTreeSet};
use std::{format, string::String, vec::Vec};

/// Registers that samples have: ModRM.reg, ModRM.rm, VEX.vvvv, is4.
const SAMPLE: [u64; 4] = [1, 2, 3, 4];

/// Whether a register or memory is read and written, each from 0 to 2: never, perhaps, always.
type Uses = BTreeMap<String, (u8, u8)>;

fn join(uses: &mut Uses, name: String, (read, write): (u8, u8)) {
    let entry = uses.entry(name).or_default();
    *entry = (entry.0.max(read), entry.1.max(write));
}

fn levels(access: OpAccess) -> (u8, u8) {
    match access {
        OpAccess::None | OpAccess::NoMemAccess => (0, 0),
        OpAccess::Read => (2, 0),
        OpAccess::CondRead => (1, 0),
        OpAccess::Write => (0, 2),
        OpAccess::CondWrite => (0, 1),
        OpAccess::ReadWrite => (2, 2),
        OpAccess::ReadCondWrite => (2, 1),
    }
}

/// The name of the full register that a register is a part of.
fn family(register: iced_x86::Register) -> String {
    let name = format!("{:?}", register.full_register()).to_lowercase();
    match name.as_str() {
        name if name.starts_with("zmm") => format!("vector{}", &name[3..]),
        name => String::from(name),
    }
}

/// A register of this kind as `family` names it.
fn of_kind(kind: u64, number: u64) -> String {
    const GENERAL: [&str; 8] = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
    match kind as u8 {
        kind::R8..=kind::R64 if number < 8 => String::from(GENERAL[number as usize]),
        kind::R8..=kind::R64 => format!("r{number}"),
        kind::XMM | kind::YMM => format!("vector{number}"),
        kind::MMX => format!("mm{number}"),
        kind::OPMASK => format!("k{number}"),
        kind::SEGMENT => String::from(["es", "cs", "ss", "ds", "fs", "gs"][number as usize]),
        kind::CONTROL => format!("cr{number}"),
        kind::DEBUG => format!("dr{number}"),
        kind::X87 => format!("st{number}"),
        other => panic!("no register of kind {other}"),
    }
}

/// A row at a width in one of its variants, as bytes.
struct Sample {
    form: Form,
    operands: [u64; 3],
    bytes: Vec<u8>,
    text: String,
}

impl Sample {
    fn new(row: &Row, width: u16, memory: bool) -> Self {
        let mut form = row.form(width, memory);
        if form.has_condition() {
            form = form.on(Cond::Ne as u8);
        }
        // No register is the same as an implied one: the samples are 9 and up, where
        // there are so many.
        let shift = |kind: u64| if kind <= u64::from(kind::YMM) { 8 } else { 0 };
        let reg = match form.reg_kind() as u8 {
            0 => 0,
            kind::SEGMENT => 4,
            kind::CONTROL => 3,
            _ if row.operands().next().is_some_and(|operand| operand.kind == OperandKind::Vvvv) => 0,
            kind => SAMPLE[0] + shift(u64::from(kind)),
        };
        let rm = if form.is_memory() {
            let mem = crate::assembler::Mem::<8>::base(crate::assembler::R13);
            let address = crate::code::Address::unpack(mem.packed());
            let index = form.index_kind() != 0;
            if index { address.index(15, crate::code::Scale::X1).packed() } else { address.packed() }
        } else if form.rm_kind() != 0 {
            SAMPLE[1] + shift(form.rm_kind())
        } else {
            0
        };
        let vvvv = (SAMPLE[2] + shift(form.reg_kind())) << 8;
        let third = match form.third_operand() {
            Third::NONE => 0,
            Third::VVVV => vvvv,
            Third::VVVV_BYTE => vvvv | 5,
            Third::VVVV_IS4 => vvvv | (SAMPLE[3] + 8) << 4,
            Third::TWO_BYTES => 5 | 6 << 8,
            Third::WORD_BYTE => 5 | 1 << 16,
            _ => 5,
        };
        let (mut bytes, mut records) = ([0; 32], [Record::EMPTY; 1]);
        let mut a = Asm::new(&mut bytes, Tables { records: &mut records, ..Tables::none() });
        a.inst(form, [reg, rm, third]);
        let code = a.finish().expect("a row's sample assembles");
        let text = format!("{}", code.lines().next().expect("a record"));
        Self { form, operands: [reg, rm, third], bytes: code.bytes().to_vec(), text }
    }

    fn decoded(&self) -> Instruction {
        let mut decoder = Decoder::with_ip(64, &self.bytes, 0, DecoderOptions::NONE);
        decoder.decode()
    }

    /// Registers, and memory by its base and size, that the row says are used.
    fn uses(&self, row: &Row) -> Uses {
        let mut uses = Uses::new();
        let (mut fixed_operands, mut first) = (0, String::new());
        for (i, operand) in row.operands().enumerate() {
            let level = |reads, always_reads| if always_reads { 2 } else { u8::from(reads) };
            let access = operand.access;
            let levels = (
                level(access.reads(), access.always_reads()),
                level(access.writes(), access.always_writes()),
            );
            let [reg, _, third] = self.operands;
            let name = match operand.kind {
                OperandKind::Reg => of_kind(self.form.reg_kind(), reg),
                OperandKind::Vvvv => of_kind(self.form.reg_kind(), third >> 8 & 15),
                OperandKind::Is4 => of_kind(self.form.reg_kind(), third >> 4 & 15),
                OperandKind::Rm | OperandKind::Opcode => self.rm(&mut uses, access.is_ignored()),
                OperandKind::Fixed => {
                    fixed_operands += 1;
                    fixed_use(&mut uses, self.form.fixed_operand(fixed_operands - 1) as u8)
                }
                OperandKind::Offset => format!("[] {}", 1 << (self.form.width() - 1)),
                OperandKind::Immediate | OperandKind::Distance => continue,
            };
            if i == 0 {
                first.clone_from(&name);
            }
            if !name.is_empty() {
                join(&mut uses, name, levels);
            }
        }
        implied(&mut uses, &row.effects(), &first);
        uses.retain(|_, levels| *levels != (0, 0));
        uses
    }

    fn rm(&self, uses: &mut Uses, ignored: bool) -> String {
        if !self.form.is_memory() {
            return of_kind(self.form.rm_kind(), self.operands[1]);
        }
        if !ignored {
            join(uses, String::from("r13"), (2, 0));
        }
        if self.form.index_kind() != 0 {
            join(uses, String::from("vector15"), (2, 0));
        }
        let bytes = match self.form.rm_kind() as u8 {
            size::NONE | size::FWORD => String::from("?"),
            size::TBYTE => String::from("10"),
            size::ENV_14 => String::from("14"),
            size::ENV_28 => String::from("28"),
            size::STATE_94 => String::from("94"),
            size::STATE_108 => String::from("108"),
            size::ZMMWORD => String::from("64"),
            size::FXSAVE => String::from("512"),
            number => format!("{}", 1 << (number - 1)),
        };
        format!("[r13] {bytes}")
    }
}

/// The register or memory of an operand that is not encoded; empty for a constant.
fn fixed_use(uses: &mut Uses, number: u8) -> String {
    match number {
        fixed::AL..=4 => String::from("rax"),
        fixed::CL | fixed::ECX => String::from("rcx"),
        fixed::DX => String::from("rdx"),
        fixed::ST0 => String::from("st0"),
        fixed::FS => String::from("fs"),
        fixed::GS => String::from("gs"),
        fixed::RDI..fixed::RSI => format!("[rdi] {}", 1 << (number - fixed::RDI)),
        fixed::RSI..fixed::RBX => format!("[rsi] {}", 1 << (number - fixed::RSI)),
        fixed::RBX => {
            join(uses, String::from("rbx"), (2, 0));
            join(uses, String::from("rax"), (2, 0));
            String::from("[rbx] 1")
        }
        _ => String::new(),
    }
}

/// Adds registers and memory that are no operands.
fn implied(uses: &mut Uses, effects: &Effects, first: &str) {
    for (number, name) in REGISTERS.iter().enumerate() {
        let level = |always: u32, may: u32| {
            if always >> number & 1 != 0 { 2 } else { (may >> number & 1) as u8 }
        };
        let levels = (level(effects.reads, effects.may_read), level(effects.writes, effects.may_write));
        join(uses, String::from(*name), levels);
    }
    for (base, access, bytes) in effects.memory {
        let base = match usize::from(base) {
            255 => continue,
            number if number == Register::First as usize => first,
            number => REGISTERS[number],
        };
        join(uses, format!("[{base}] {bytes}"), (access & 3, access >> 2));
    }
}

const REGISTERS: [&str; Register::First as usize] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15", "es", "cs", "ss", "ds", "fs", "gs", "vector0", "st0", "st1", "x87", "cr0", "cr", "dr", "vectors",
];

/// The same by iced-x86.
fn theirs(instruction: &Instruction, sample: &Sample) -> Uses {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    let mut uses = Uses::new();
    for used in info.used_registers() {
        let name = family(used.register());
        let operand = matches!(sample.form.reg_kind() as u8, kind::CONTROL | kind::DEBUG);
        let name = match name.get(..2) {
            Some("cr") if name != "cr0" && !operand => String::from("cr"),
            Some("dr") if !operand => String::from("dr"),
            _ => name,
        };
        join(&mut uses, name, levels(used.access()));
    }
    let mut memory: BTreeMap<(String, (u8, u8)), usize> = BTreeMap::new();
    for used in info.used_memory() {
        let base = if used.base() == iced_x86::Register::None { String::new() } else { family(used.base()) };
        let access = levels(used.access());
        *memory.entry((base, access)).or_default() += used.memory_size().size();
    }
    let unsaid = matches!(sample.form.rm_kind() as u8, size::NONE | size::FWORD) && sample.form.is_memory();
    for ((base, access), bytes) in memory {
        let bytes = if base == "r13" && unsaid { String::from("?") } else { format!("{bytes}") };
        join(&mut uses, format!("[{base}] {bytes}"), access);
    }
    collect_states(&mut uses);
    uses.retain(|_, levels| *levels != (0, 0));
    uses
}

/// Puts all registers of a state under one name.
fn collect_states(uses: &mut Uses) {
    for (prefix, name) in [("st", "x87"), ("mm", "x87"), ("vector", "vectors")] {
        let parts: Vec<(String, (u8, u8))> = uses
            .iter()
            .filter(|(part, _)| part.starts_with(prefix) && part[prefix.len()..].parse::<u8>().is_ok())
            .map(|(part, levels)| (part.clone(), *levels))
            .collect();
        if parts.len() >= 8 {
            for (part, levels) in parts {
                uses.remove(&part);
                join(uses, String::from(name), levels);
            }
        }
    }
}

/// Flags by iced-x86 as the table has them.
fn flags(bits: u32) -> u16 {
    use iced_x86::RflagsBits as R;
    let order =
        [R::OF, R::SF, R::ZF, R::AF, R::PF, R::CF, R::DF, R::IF, R::AC, R::UIF, R::C0, R::C1, R::C2, R::C3];
    let mut set = 0;
    for (i, flag) in order.into_iter().enumerate() {
        set |= u16::from(bits & flag != 0) << i;
    }
    set
}

/// The features of every x86-64 processor, by iced-x86's names.
const BASE: [&str; 18] = [
    "INTEL8086",
    "INTEL186",
    "INTEL286",
    "INTEL386",
    "INTEL486",
    "X64",
    "MULTIBYTENOP",
    "CPUID",
    "CMOV",
    "CX8",
    "SYSCALL",
    "MSR",
    "TSC",
    "RDPMC",
    "SEP",
    "FXSR",
    "PAUSE",
    "CLFSH",
];

/// The differences between a row and iced-x86, if any.
fn differences(row: &Row, width: u16, sample: &Sample) -> Vec<String> {
    let mut wrong = Vec::new();
    let instruction = sample.decoded();
    let branch = row.operands().any(|operand| operand.kind == OperandKind::Distance);
    let text = crate::assembler::tests::outside(&sample.bytes, 0);
    if branch {
        let (ours, theirs) = (sample.text.split(' ').next(), text.split(' ').next());
        if ours != theirs {
            wrong.push(format!("text {} / {text}", sample.text));
        }
    } else if sample.text != text {
        wrong.push(format!("text {} / {text}", sample.text));
    }
    if instruction.is_invalid() {
        return wrong;
    }
    let (ours, others) = (sample.uses(row), theirs(&instruction, sample));
    // A conditional move of 32 bits clears the upper half in any case.
    if ours != others && !(row.form(width, false).has_condition() && width == 32) {
        wrong.push(format!("uses {ours:?}\n     / {others:?}"));
    }
    let effects = row.effects();
    let mut read = flags(instruction.rflags_read());
    if effects.flags_read == Effects::CONDITION {
        assert!(read != 0, "{text}");
        read = Effects::CONDITION;
    }
    let all = [
        ("read", effects.flags_read, read),
        ("written", effects.flags_written, flags(instruction.rflags_written())),
        ("cleared", effects.flags_cleared, flags(instruction.rflags_cleared())),
        ("set", effects.flags_set, flags(instruction.rflags_set())),
        ("undefined", effects.flags_undefined, flags(instruction.rflags_undefined())),
    ];
    for (name, ours, theirs) in all {
        if ours != theirs {
            wrong.push(format!("flags {name} {ours:#b} / {theirs:#b}"));
        }
    }
    let ours: BTreeSet<String> =
        row.features(width).into_iter().map(Feature::name).map(String::from).collect();
    let theirs = instruction.cpuid_features().iter().map(|feature| format!("{feature:?}"));
    let theirs: BTreeSet<String> = theirs.filter(|name| !BASE.contains(&name.as_str())).collect();
    if ours.iter().filter(|name| !name.is_empty()).ne(theirs.iter()) {
        wrong.push(format!("features {ours:?} / {theirs:?}"));
    }
    let code = instruction.op_code();
    for (mark, theirs) in [
        (Marks::LOCK, code.can_use_lock_prefix()),
        (Marks::REP, code.can_use_rep_prefix()),
        (Marks::REPNE, code.can_use_repne_prefix()),
        (Marks::BND, code.can_use_bnd_prefix()),
        (Marks::NOTRACK, code.can_use_notrack_prefix()),
        (Marks::XACQUIRE, code.can_use_xacquire_prefix()),
        (Marks::XRELEASE, code.can_use_xrelease_prefix()),
        (Marks::CPL0, code.must_be_cpl0()),
    ] {
        if row.marks().has(mark) != theirs {
            wrong.push(format!("mark {mark:#x} is {theirs} there"));
        }
    }
    wrong
}

#[test]
fn every_row_is_what_iced_says() {
    let mut wrong = Vec::new();
    let mut codes = BTreeSet::new();
    let mut samples = 0;
    for row in &TABLE {
        for width in row.widths() {
            for memory in [false, true] {
                if if memory { !row.has_memory() } else { !row.has_register() } {
                    continue;
                }
                let sample = Sample::new(row, width, memory);
                samples += 1;
                codes.insert(format!("{:?}", sample.decoded().code()));
                for condition in 0..16 {
                    if row.form(width, memory).has_condition() {
                        let mut bytes = sample.bytes.clone();
                        let opcode = bytes.iter().rposition(|byte| byte & 0xF == 5 && byte >> 4 >= 4);
                        bytes[opcode.expect("the condition of the sample")] += condition;
                        bytes[opcode.expect("the same")] -= 5;
                        let mut decoder = Decoder::with_ip(64, &bytes, 0, DecoderOptions::NONE);
                        codes.insert(format!("{:?}", decoder.decode().code()));
                    }
                }
                for difference in differences(row, width, &sample) {
                    wrong.push(format!("{:02x?} {}: {difference}", sample.bytes, sample.text));
                }
            }
        }
    }
    let all = iced_x86::Code::values().filter(|code| {
        let code = code.op_code();
        let legacy = matches!(code.encoding(), iced_x86::EncodingKind::Legacy | iced_x86::EncodingKind::VEX);
        code.is_instruction() && code.mode64() && legacy
    });
    let all = all.count();
    std::println!("{} rows, {samples} samples, {} of {all} codes of iced-x86", TABLE.len(), codes.len());
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(codes.len() * 10 >= all * 9, "{} of {all} codes", codes.len());
}
