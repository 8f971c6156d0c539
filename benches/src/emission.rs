//! How fast barejit's assembler emits, next to iced-x86's `CodeAssembler` and
//! dynasm-rs.
//!
//! All emit the same function of 28 instructions, with operands known to the
//! compiler and with operands chosen at run time, and must give the same
//! instructions. Each shot emits it 64 times in its assembler's cheapest steady
//! state: into a buffer that is kept, labels resolved once at the end. Then the
//! assemblers that grow, each from nothing: the same function, and a compiler's loop over
//! operations picked at random.

use crate::dispatch;
use crate::functions::{self, CONSTANT, INSTRUCTIONS, Operands};
use crate::measure::{Row, Shot, medians};
use barejit_asm::{Asm, Baked, Growing, Slot, Tables};
use dynasmrt::{VecAssembler, x64::X64Relocation};
use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, code_asm::CodeAssembler};
use std::{hint::black_box, time::Instant};

/// Copies of the function in a shot.
const COPIES: usize = 64;
/// Shots of each.
const ROUNDS: usize = 1000;

/// The function as constant bytes, which is how barejit emits what is known.
static BAKED: Baked<{ functions::SIZE }, ()> = barejit_asm::bake!(functions::barejit, &CONSTANT);

/// Buffers for barejit's assembler, which borrows them.
struct Buffers {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
}

impl Buffers {
    fn assemble(&mut self, emit: impl Fn(&mut Asm<'_>)) -> &[u8] {
        let mut a = Asm::new(&mut self.bytes, Tables::slots(&mut self.slots));
        for _ in 0..COPIES {
            emit(&mut a);
        }
        a.finish().expect("assembles").bytes()
    }
}

/// Emits the copies: the seconds that it took and the bytes.
type Emission<'a> = Box<dyn FnMut() -> (f64, Vec<u8>) + 'a>;

fn barejit<'a>(emit: impl Fn(&mut Asm<'_>) + 'a) -> Emission<'a> {
    let mut buffers = Buffers { bytes: vec![0; COPIES * 256], slots: vec![Slot::EMPTY; COPIES * 4] };
    Box::new(move || {
        let start = Instant::now();
        let bytes = buffers.assemble(&emit);
        (start.elapsed().as_secs_f64(), bytes.to_vec())
    })
}

fn dynasm<'a>(emit: impl Fn(&mut VecAssembler<X64Relocation>) + 'a) -> Emission<'a> {
    let mut ops = VecAssembler::new(0);
    ops.reserve_ops(COPIES * 256);
    Box::new(move || {
        let start = Instant::now();
        for _ in 0..COPIES {
            emit(&mut ops);
        }
        ops.commit().expect("assembles");
        (start.elapsed().as_secs_f64(), ops.drain().expect("assembles").collect())
    })
}

fn iced<'a>(emit: impl Fn(&mut CodeAssembler) + 'a) -> Emission<'a> {
    let mut a = CodeAssembler::new(64).expect("64 bits");
    Box::new(move || {
        let start = Instant::now();
        for _ in 0..COPIES {
            emit(&mut a);
        }
        let bytes = a.assemble(0).expect("assembles");
        let time = start.elapsed().as_secs_f64();
        a.reset();
        (time, bytes)
    })
}

/// The instructions in `bytes`, without jump targets, to compare different encodings.
fn instructions(bytes: &[u8]) -> Vec<Instruction> {
    let without_target = |mut instruction: Instruction| {
        if instruction.op0_kind() == OpKind::NearBranch64 {
            instruction.set_near_branch64(0);
        }
        instruction
    };
    Decoder::new(64, bytes, DecoderOptions::NONE).into_iter().map(without_target).collect()
}

/// The same where even the order of two registers in the encoding may differ.
fn meanings(bytes: &[u8]) -> Vec<String> {
    let meaning = |i: &Instruction| {
        let memory = (i.memory_base(), i.memory_index(), i.memory_index_scale(), i.memory_displacement64());
        format!("{:?} {:?} {:?} {memory:?}", i.mnemonic(), i.op0_register(), i.op1_register())
    };
    instructions(bytes).iter().map(meaning).collect()
}

/// Measures `ours` and `peers`; the rows have the time of one instruction.
fn compare<'a>(
    operands: &str,
    ours: Vec<(&'static str, Emission<'a>)>,
    peers: [(&'static str, Emission<'a>); 2],
) -> Vec<Row> {
    let count = ours.len();
    let (names, mut emissions): (Vec<_>, Vec<_>) = ours.into_iter().chain(peers).unzip();
    let expected = emissions[0]().1;
    for (name, emission) in names.iter().zip(&mut emissions) {
        let (_, bytes) = emission();
        // Where a base is not known before run time, dynasm-rs always gives it a SIB byte.
        let same = bytes == expected || instructions(&bytes) == instructions(&expected);
        assert!(same, "{name}, {operands}");
    }
    let shot = |mut emission: Emission<'a>| -> Shot<'a> { Box::new(move || emission().0) };
    let times = medians(ROUNDS, &mut emissions.into_iter().map(shot).collect::<Vec<_>>());
    let each = |i: usize| times[i] / (COPIES * INSTRUCTIONS) as f64;
    let pairs = (0..count).flat_map(|i| (count..names.len()).map(move |k| (i, k)));
    let row = |(i, k): (usize, usize)| {
        Row::times("emission", &format!("{}, {operands}", names[i]), each(i), names[k], each(k))
    };
    pairs.map(row).collect()
}

/// The assemblers that own their buffers, each made anew for a shot.
fn growing(operands: &Operands) -> Vec<Row> {
    let ours = || {
        let mut g = Growing::new();
        for _ in 0..COPIES {
            functions::barejit(&mut g.asm(), operands);
        }
        g.finish().expect("assembles").bytes().to_vec()
    };
    let theirs = || {
        let mut ops: VecAssembler<X64Relocation> = VecAssembler::new(0);
        for _ in 0..COPIES {
            functions::dynasm(&mut ops, operands);
        }
        ops.finalize().expect("assembles")
    };
    assert!(instructions(&ours()) == instructions(&theirs()), "growing");
    let list = dispatch::operations();
    assert_eq!(meanings(&dispatch::barejit(&list)), meanings(&dispatch::dynasm(&list)));
    let times = medians(
        ROUNDS,
        &mut [
            timed(ours),
            timed(theirs),
            timed(|| dispatch::barejit(&list)),
            timed(|| dispatch::dynasm(&list)),
        ],
    );
    let [function, operation] = [(COPIES * INSTRUCTIONS) as f64, dispatch::OPERATIONS as f64];
    let row = |what, ours, theirs, count| {
        Row::times("emission", what, times[ours] / count, "dynasm-rs", times[theirs] / count)
    };
    vec![
        row("growing, run-time operands", 0, 1, function),
        row("growing, one of 16 operations at a time", 2, 3, operation),
    ]
}

/// A shot that times `emit`, the bytes of which are dropped afterwards.
fn timed<'a>(emit: impl Fn() -> Vec<u8> + 'a) -> Shot<'a> {
    Box::new(move || {
        let start = Instant::now();
        let bytes = emit();
        let time = start.elapsed().as_secs_f64();
        black_box(bytes);
        time
    })
}

pub fn rows() -> Vec<Row> {
    let baked = |a: &mut Asm<'_>| {
        a.bytes(&BAKED.bytes);
    };
    let constant = compare(
        "constant operands",
        vec![("baked", barejit(baked)), ("assembled", barejit(|a| functions::barejit(a, &CONSTANT)))],
        [
            ("dynasm-rs", dynasm(functions::dynasm_constant)),
            ("iced-x86", iced(|a| functions::iced(a, &CONSTANT).expect("assembles"))),
        ],
    );
    let operands: Operands = black_box(CONSTANT);
    let run_time = compare(
        "run-time operands",
        vec![("assembled", barejit(|a| functions::barejit(a, &operands)))],
        [
            ("dynasm-rs", dynasm(|ops| functions::dynasm(ops, &operands))),
            ("iced-x86", iced(|a| functions::iced(a, &operands).expect("assembles"))),
        ],
    );
    constant.into_iter().chain(run_time).chain(growing(&operands)).collect()
}
