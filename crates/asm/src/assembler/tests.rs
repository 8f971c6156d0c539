//! Holds every form against an independent disassembler, iced-x86: our text of
//! an instruction must be its reading of our bytes.

mod extended;

use super::*;
use crate::code::Scale;
use iced_x86::{Decoder, DecoderOptions, Formatter, FormatterOptions, IntelFormatter};
use std::{collections::BTreeMap, format, string::String, vec, vec::Vec};

/// A form: method, width, and an emitter that picks its operands.
pub(crate) type Exercise = (&'static str, u16, fn(&mut Asm<'_>, &mut Source));

std::thread_local! {
    /// The exercises that [`add`] registered.
    static EXERCISES: std::cell::RefCell<Vec<Exercise>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Adds an exercise; the table calls it for each of its methods.
pub(crate) fn add(exercise: Exercise) {
    EXERCISES.with_borrow_mut(|exercises| exercises.push(exercise));
}

/// Every method of the table at every width.
fn exercises() -> Vec<Exercise> {
    crate::table::exercises();
    EXERCISES.take()
}

/// Forms with at most this many combinations of operands are tried with all.
const ALL: usize = 4096;

/// How often the others are tried, at random; `lea` is tried with all.
const ROUNDS: usize = 500;

/// Where choices come from: all of them one after the other, or random ones.
pub(crate) enum Source {
    /// The choices on the way to the current combination, each out of how many,
    /// and how many of them have been asked for.
    Walk(Vec<(usize, usize)>, usize),
    Random(u64),
}

impl Source {
    fn below(&mut self, bound: usize) -> usize {
        match self {
            Self::Walk(choices, asked) => {
                if *asked == choices.len() {
                    choices.push((0, bound));
                }
                *asked += 1;
                choices[*asked - 1].0
            }
            Self::Random(state) => {
                // SplitMix64 (Steele, Lea, Flood, 2014).
                *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                ((z ^ (z >> 31)) % bound as u64) as usize
            }
        }
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// How many combinations there are at most, once the first one was taken.
    fn combinations(&self) -> usize {
        match self {
            Self::Walk(choices, _) => choices.iter().map(|(_, bound)| bound).product(),
            Self::Random(_) => usize::MAX,
        }
    }

    /// Goes on to the next combination, if there is one.
    fn advance(&mut self) -> bool {
        if let Self::Walk(choices, asked) = self {
            *asked = 0;
            while choices.pop_if(|(choice, bound)| *choice + 1 == *bound).is_some() {}
            match choices.last_mut() {
                Some((choice, _)) => *choice += 1,
                None => return false,
            }
        }
        true
    }
}

/// Operands that can be picked for an instruction of a width.
pub(crate) trait Pick {
    fn pick(source: &mut Source, bits: u16) -> Self;
}

impl<const B: u16> Pick for Gpr<B> {
    fn pick(source: &mut Source, _: u16) -> Self {
        source.of(&Self::ALL)
    }
}

impl Pick for Cond {
    fn pick(source: &mut Source, _: u16) -> Self {
        source.of(&Self::ALL)
    }
}

const EDGES: [i64; 14] =
    [0, 1, -1, 2, 127, 128, -128, -129, 32767, -32768, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];

impl Pick for i64 {
    fn pick(source: &mut Source, bits: u16) -> Self {
        let fits = |value: &i64| value << (64 - bits) >> (64 - bits) == *value;
        source.of(&EDGES.into_iter().filter(fits).collect::<Vec<i64>>())
    }
}

impl Pick for i32 {
    fn pick(source: &mut Source, bits: u16) -> Self {
        i64::pick(source, bits.min(32)) as i32
    }
}

impl Pick for i8 {
    fn pick(source: &mut Source, _: u16) -> Self {
        source.of(&[0, 1, -1, 2, 127, -128])
    }
}

impl Pick for u16 {
    fn pick(source: &mut Source, _: u16) -> Self {
        source.of(&[0, 1, 8, 255, 256, 32767])
    }
}

impl Pick for u64 {
    fn pick(source: &mut Source, _: u16) -> Self {
        source.of(&[0, 1, 127, 1 << 32, i64::MAX as u64])
    }
}

macro_rules! pick_numbered {
    ($($ty:ident $count:literal)*) => {
        $(impl Pick for $ty {
            fn pick(source: &mut Source, _: u16) -> Self {
                Self::new(source.below($count) as u8)
            }
        })*
    };
}
pick_numbered!(Xmm 16 Ymm 16 Mmx 8 Opmask 8 St 8 Debug 8);

impl Pick for Control {
    fn pick(source: &mut Source, _: u16) -> Self {
        Self::new(source.of(&[0, 2, 3, 4, 8]))
    }
}

impl Pick for Segment {
    fn pick(source: &mut Source, _: u16) -> Self {
        // CS cannot be written.
        source.of(&[Self::Es, Self::Ss, Self::Ds, Self::Fs, Self::Gs])
    }
}

impl Pick for Vsib<128> {
    fn pick(source: &mut Source, _: u16) -> Self {
        let index = Xmm::pick(source, 0);
        Self::xmm(source.of(&Gpr64::ALL), index, source.of(&SCALES)).disp(i32::pick(source, 32))
    }
}

impl Pick for Vsib<256> {
    fn pick(source: &mut Source, _: u16) -> Self {
        let index = Ymm::pick(source, 0);
        Self::ymm(source.of(&Gpr64::ALL), index, source.of(&SCALES)).disp(i32::pick(source, 32))
    }
}

const SCALES: [Scale; 4] = [Scale::X1, Scale::X2, Scale::X4, Scale::X8];

impl Pick for u8 {
    fn pick(source: &mut Source, bits: u16) -> Self {
        source.of(&[0, 1, 2, 7, (bits - 1) as u8])
    }
}

impl<const B: u16> Pick for Mem<B> {
    fn pick(source: &mut Source, _: u16) -> Self {
        // The choice that leads to most others comes first: it is what counts.
        let base = source.below(18);
        let disp = i32::pick(source, 32);
        let mem: Self = match base {
            17 => return Mem::rip(disp),
            16 => Mem::absolute(disp),
            number => Mem::base(Gpr64::ALL[number]).disp(disp),
        };
        // Too many choices to try all: segments are for the random ones.
        let mem = match source {
            Source::Random(_) => match source.below(8) {
                0 => mem.segment(Segment::Fs),
                1 => mem.segment(Segment::Gs),
                _ => mem,
            },
            Source::Walk(..) => mem,
        };
        match source.of(&Gpr64::ALL) {
            RSP => mem,
            index => mem.index(index, source.of(&SCALES)),
        }
    }
}

/// Whether the vector registers in a line have different numbers.
fn distinct(line: &str) -> bool {
    let numbers: Vec<&str> = line.split("mm").skip(1).collect();
    let numbers: Vec<&str> =
        numbers.iter().map(|text| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("")).collect();
    numbers.iter().enumerate().all(|(i, number)| !numbers[..i].contains(number))
}

fn formatter() -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options: &mut FormatterOptions = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_number_base(iced_x86::NumberBase::Decimal);
    options.set_signed_immediate_operands(true);
    options.set_rip_relative_addresses(true);
    options.set_memory_size_options(iced_x86::MemorySizeOptions::Always);
    options.set_always_show_scale(true);
    options.set_use_pseudo_ops(false);
    formatter
}

/// iced's text of the one instruction that `bytes` are, at offset `ip`.
pub(crate) fn outside(bytes: &[u8], ip: u64) -> String {
    let mut decoder = Decoder::with_ip(64, bytes, ip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    let mut text = String::new();
    formatter().format(&instruction, &mut text);
    if instruction.len() == bytes.len() {
        text
    } else {
        format!("{text} (+{} bytes)", bytes.len() - instruction.len())
    }
}

/// Assembles with `emit` and gives the lines as (bytes, text).
fn lines(emit: impl Fn(&mut Asm<'_>)) -> Vec<(Vec<u8>, String)> {
    let (mut bytes, mut slots, mut records) = ([0; 512], [Slot::EMPTY; 16], [Record::EMPTY; 16]);
    let tables = Tables { slots: &mut slots, records: &mut records, ..Tables::none() };
    let mut a = Asm::new(&mut bytes, tables);
    emit(&mut a);
    let code = a.finish().expect("assembles");
    code.lines().map(|line| (line.bytes().to_vec(), format!("{line}"))).collect()
}

#[test]
fn every_form_reads_back_as_itself() {
    let mut random = Source::Random(2026);
    let mut seen = BTreeMap::new();
    let (mut total, mut exhausted) = (0, 0);
    let mut wrong = Vec::new();
    for (name, bits, emit) in exercises() {
        let mut try_one = |source: &mut Source| {
            let (mut bytes, mut records) = ([0; 32], [Record::EMPTY; 1]);
            let mut a = Asm::new(&mut bytes, Tables { records: &mut records, ..Tables::none() });
            emit(&mut a, source);
            let code = match a.finish() {
                // A segment is in the way of notrack.
                Err(Error::Operand(_)) if name.starts_with("notrack") => return true,
                code => code.expect("assembles"),
            };
            let ours = format!("{}", code.lines().next().expect("one record"));
            let theirs = outside(code.bytes(), 0);
            // The segment of `lea` has no effect and is not shown.
            if name == "lea" && ours.contains("s:[") {
                return true;
            }
            // The three vectors of a gather must differ.
            if name.contains("gather") && theirs.starts_with("(bad)") && !distinct(&ours) {
                return true;
            }
            total += 1;
            if ours != theirs {
                wrong.push(format!(
                    "{name} at {bits} bits: {:02x?}\n  ours:     {ours}\n  iced-x86: {theirs}",
                    code.bytes()
                ));
            }
            ours == theirs
        };
        let mut walk = Source::Walk(Vec::new(), 0);
        let mut right = try_one(&mut walk);
        if walk.combinations() <= ALL || (name, bits) == ("lea", 64) {
            exhausted += 1;
            while right && walk.advance() {
                right = try_one(&mut walk);
            }
        } else {
            (1..ROUNDS).all(|_| try_one(&mut random));
        }
        *seen.entry(name).or_insert(0) += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    std::println!(
        "{} forms at {} widths, {exhausted} of them with every combination of operands: \
         {total} instructions, all read back",
        seen.len(),
        seen.values().sum::<usize>()
    );
    assert!(total >= 200_000, "only {total} instructions");
}

#[test]
fn multi_byte_nops_are_one_instruction_each() {
    for size in 1..=9 {
        let line = &lines(|a| {
            a.nop(size);
        })[0];
        assert_eq!(line.0.len(), usize::from(size));
        if size != 2 {
            assert_eq!(line.1, outside(&line.0, 0), "{:02x?}", line.0);
        }
    }
}

#[test]
fn branches_are_short_when_bound_and_near() {
    for gap in [0, 100, 126, 127, 2000] {
        let mut bytes = vec![0; gap + 64];
        let (mut slots, mut records) = ([Slot::EMPTY; 16], vec![Record::EMPTY; 32]);
        let mut a =
            Asm::new(&mut bytes, Tables { slots: &mut slots, records: &mut records, ..Tables::none() });
        let back = a.here();
        let ahead = a.label();
        a.bytes(&vec![0x90; gap]);
        let start = a.needs().records;
        a.jmp(back).jcc(Cond::Ne, back).call(back).jmp(ahead).jcc(Cond::L, ahead);
        a.mov_rm(RAX, Mem::label(ahead)).cmp_mi(Mem::<8>::label(back), 5);
        a.bind(ahead).ret();
        let code = a.finish().expect("assembles");
        for line in code.lines().skip(start).filter(|line| !line.bytes().is_empty()) {
            let theirs = outside(line.bytes(), u64::from(line.offset()));
            // Jumps: iced gives the target in decimal, with the short ones so marked.
            let theirs = match theirs.rsplit_once(' ') {
                Some((head, target)) if head.starts_with('j') || head == "call" => {
                    let target: u64 = target.trim_end_matches('h').parse().expect("a decimal target");
                    format!("{} 0x{target:x}", head.trim_end_matches(" short"))
                }
                _ => theirs,
            };
            assert_eq!(format!("{line}"), theirs, "gap {gap}: {:02x?}", line.bytes());
        }
        let jmp = code.lines().nth(start).expect("the jump");
        assert_eq!(jmp.bytes().len(), if gap <= 126 { 2 } else { 5 }, "gap {gap}");
    }
}

#[test]
fn counting_past_the_end_measures_and_a_second_run_fits() {
    fn emit(a: &mut Asm<'_>) {
        let end = a.label();
        let top = a.here();
        a.dec_r(RDI).jcc(Cond::E, end).jmp(top).bind(end).ret();
    }
    let mut a = Asm::new(&mut [], Tables::none());
    emit(&mut a);
    let needs = a.needs();
    assert!(matches!(a.finish(), Err(Error::Full(n)) if n == needs));
    let (mut bytes, mut slots) = (vec![0; needs.bytes], vec![Slot::EMPTY; needs.slots]);
    let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
    emit(&mut a);
    let code = a.finish().expect("what was measured is enough");
    assert!(code.bytes().len() <= needs.bytes);
    // Every shorter buffer is refused, and nothing is written past its end.
    for room in 0..code.bytes().len() {
        let (mut bytes, mut slots) = (vec![0xEE; room + 32], vec![Slot::EMPTY; needs.slots]);
        let (inside, outside) = bytes.split_at_mut(room);
        let mut a = Asm::new(inside, Tables::slots(&mut slots));
        emit(&mut a);
        assert!(matches!(a.finish(), Err(Error::Full(_))), "room {room}");
        assert!(outside.iter().all(|byte| *byte == 0xEE));
    }
}

#[test]
fn impossible_operands_are_refused() {
    let finish = |emit: fn(&mut Asm<'_>)| {
        let (mut bytes, mut slots) = ([0; 256], [Slot::EMPTY; 4]);
        let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
        a.ret();
        emit(&mut a);
        a.finish().err()
    };
    assert_eq!(
        finish(|a| {
            a.mov_rm(RAX, qword(RAX).index(RSP, Scale::X1));
        }),
        Some(Error::Index(1))
    );
    assert_eq!(
        finish(|a| {
            a.mov_rm(RAX, Mem::rip(0).index(RAX, Scale::X1));
        }),
        Some(Error::Index(1))
    );
    assert_eq!(
        finish(|a| {
            a.add_ri(CL, 256);
        }),
        Some(Error::Immediate(1))
    );
    assert_eq!(
        finish(|a| {
            a.add_ri(CL, 255);
        }),
        None
    );
    assert_eq!(
        finish(|a| {
            a.mov_ri(ECX, 1 << 32);
        }),
        Some(Error::Immediate(1))
    );
    assert_eq!(
        finish(|a| {
            a.imul_rri(CX, CX, -32769);
        }),
        Some(Error::Immediate(1))
    );
    let unbound = finish(|a| {
        let label = a.label();
        a.jmp(label);
    });
    assert_eq!(unbound, Some(Error::Unbound(Label(0))));
    let far = finish(|a| {
        let label = a.label();
        a.jmp_short(label).bytes(&[0; 128]).bind(label);
    });
    assert_eq!(far, Some(Error::OutOfReach(2)));
    // Behind the end of what a displacement reaches, by its own and the label's distance.
    let further = finish(|a| {
        let label = a.label();
        a.mov_rm(RAX, Mem::label(label).disp(i32::MAX)).bytes(&[0; 20]).bind(label);
    });
    assert_eq!(further, Some(Error::OutOfReach(4)));
}

#[test]
fn addresses_are_left_to_the_loader() {
    let (mut bytes, mut slots, mut relocations) = ([0; 64], [Slot::EMPTY; 8], [Relocation { at: 0 }; 2]);
    let tables = Tables { slots: &mut slots, relocations: &mut relocations, ..Tables::none() };
    let mut a = Asm::new(&mut bytes, tables);
    let data = a.label();
    a.mov_r64_label(RAX, data).ret().bind(data).address_of(data);
    let code = a.finish().expect("assembles");
    let mut cells: Vec<u32> = code.relocations().iter().map(|relocation| relocation.at).collect();
    cells.sort_unstable();
    assert_eq!(cells, [2, 11]);
    assert_eq!(code.bytes()[2..10], 11u64.to_le_bytes());
    assert_eq!(code.bytes()[11..19], 11u64.to_le_bytes());
}

/// The bytes of what `emit` puts, without and with a record.
fn both_ways(emit: &dyn Fn(&mut Asm<'_>)) -> Vec<u8> {
    let made = [0, 64].map(|records| {
        let (mut bytes, mut slots) = ([0; 1024], [Slot::EMPTY; 64]);
        let mut records = vec![Record::EMPTY; records];
        let tables = Tables { slots: &mut slots, records: &mut records, ..Tables::none() };
        let mut a = Asm::new(&mut bytes, tables);
        emit(&mut a);
        a.finish().expect("it fits").bytes().to_vec()
    });
    let [plain, recorded] = made;
    assert_eq!(plain, recorded);
    plain
}

#[test]
fn a_jump_back_needs_no_label() {
    for size in [0, 100, 124, 125, 126, 127, 200] {
        let by_label = both_ways(&|a| {
            let top = a.here();
            a.bytes(&[0x90; 256][..size]).jcc(Cond::Ne, top);
        });
        let by_offset = both_ways(&|a| {
            let top = a.backward();
            a.bytes(&[0x90; 256][..size]).jcc_backward(Cond::Ne, top);
        });
        assert_eq!(by_offset, by_label, "{size} bytes");
    }
}

#[test]
fn a_folded_method_emits_what_the_method_emits() {
    for disp in [0, 1, -128, 128, i32::MIN] {
        for base in [RAX, RBX, RSP, RBP, R12, R13] {
            let cell = address(base).disp(disp);
            let called = both_ways(&|a| {
                a.inc_m::<8>(cell.resize()).add_mi::<16>(cell.resize(), 300).mov_mi::<32>(cell.resize(), -1);
                a.movzx_m8(R9D, cell.resize()).mov_mr::<8>(cell.resize(), SIL).add_ri(EAX, 1000);
            });
            let folded = both_ways(&|a| {
                a.folded().inc_m::<8>(cell.resize());
                a.folded().add_mi::<16>(cell.resize(), 300);
                a.folded().mov_mi::<32>(cell.resize(), -1);
                a.folded().movzx_m8(R9D, cell.resize());
                a.folded().mov_mr::<8>(cell.resize(), SIL);
                a.folded().add_ri(EAX, 1000);
            });
            assert_eq!(folded, called, "{base:?} {disp}");
        }
    }
    let mut bytes = [0; 16];
    let mut a = Asm::new(&mut bytes, Tables::none());
    a.folded().add_mi::<8>(byte(RBX), 1000);
    assert_eq!(a.finish().err(), Some(Error::Immediate(0)));
}
