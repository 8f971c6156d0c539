//! How fast barejit's assembler emits, next to iced-x86's `CodeAssembler` and
//! dynasm-rs.
//!
//! All emit the same function of 28 instructions, with operands known to the
//! compiler and with operands chosen at run time, and must give the same
//! instructions. Each shot emits it 64 times in its assembler's cheapest steady
//! state: into a buffer that is kept, labels resolved once at the end.

use crate::functions::{self, CONSTANT, INSTRUCTIONS, Operands};
use crate::measure::{Row, Shot, medians};
use barejit::asm::{Asm, Baked, Slot, Tables};
use dynasmrt::{VecAssembler, x64::X64Relocation};
use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, code_asm::CodeAssembler};
use std::{hint::black_box, time::Instant};

/// Copies of the function in a shot.
const COPIES: usize = 64;
/// Shots of each.
const ROUNDS: usize = 1000;

/// The function as constant bytes, which is how barejit emits what is known.
static BAKED: Baked<{ functions::SIZE }, ()> = barejit::bake!(functions::barejit, &CONSTANT);

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

/// Emits the copies, hands their bytes to the sink and gives the seconds that it took.
type Emission<'a> = dyn FnMut(Sink<'_>) -> f64 + 'a;

type Sink<'a> = &'a mut dyn FnMut(&[u8]);

struct Contender<'a> {
    name: &'static str,
    emission: Box<Emission<'a>>,
}

impl<'a> Contender<'a> {
    fn barejit(name: &'static str, emit: impl Fn(&mut Asm<'_>) + 'a) -> Self {
        let mut buffers = Buffers { bytes: vec![0; COPIES * 256], slots: vec![Slot::EMPTY; COPIES * 4] };
        Self::new(name, move |sink| {
            let start = Instant::now();
            let bytes = buffers.assemble(&emit);
            let time = start.elapsed();
            sink(bytes);
            time.as_secs_f64()
        })
    }

    fn dynasm(name: &'static str, emit: impl Fn(&mut VecAssembler<X64Relocation>) + 'a) -> Self {
        let mut ops = VecAssembler::new(0);
        ops.reserve_ops(COPIES * 256);
        let mut bytes = Vec::with_capacity(COPIES * 256);
        Self::new(name, move |sink| {
            let start = Instant::now();
            for _ in 0..COPIES {
                emit(&mut ops);
            }
            ops.commit().expect("assembles");
            let time = start.elapsed();
            bytes.clear();
            bytes.extend(ops.drain().expect("assembles"));
            sink(&bytes);
            time.as_secs_f64()
        })
    }

    fn iced(name: &'static str, emit: impl Fn(&mut CodeAssembler) + 'a) -> Self {
        let mut a = CodeAssembler::new(64).expect("64 bits");
        Self::new(name, move |sink| {
            let start = Instant::now();
            for _ in 0..COPIES {
                emit(&mut a);
            }
            let bytes = a.assemble(0).expect("assembles");
            let time = start.elapsed();
            sink(&bytes);
            a.reset();
            time.as_secs_f64()
        })
    }

    fn new(name: &'static str, emission: impl FnMut(Sink<'_>) -> f64 + 'a) -> Self {
        Self { name, emission: Box::new(emission) }
    }

    fn shot(mut self) -> Shot<'a> {
        Box::new(move || {
            (self.emission)(&mut |bytes| {
                black_box(bytes);
            })
        })
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        (self.emission)(&mut |bytes| all.extend_from_slice(bytes));
        all
    }
}

/// What the bytes mean, however encoded, jump targets left out.
fn instructions(bytes: &[u8]) -> Vec<Instruction> {
    let without_target = |mut instruction: Instruction| {
        if instruction.op0_kind() == OpKind::NearBranch64 {
            instruction.set_near_branch64(0);
        }
        instruction
    };
    Decoder::new(64, bytes, DecoderOptions::NONE).into_iter().map(without_target).collect()
}

/// Measures `ours` and `peers`; the rows have the time of one instruction.
fn compare(operands: &str, ours: Vec<Contender<'_>>, peers: Vec<Contender<'_>>) -> Vec<Row> {
    let count = ours.len();
    let mut all: Vec<_> = ours.into_iter().chain(peers).collect();
    let expected = all[0].bytes();
    for contender in &mut all {
        let bytes = contender.bytes();
        if bytes != expected {
            // Where a base is not known before run time, dynasm-rs always gives it
            // a SIB byte.
            assert_eq!(instructions(&bytes), instructions(&expected), "{}", contender.name);
        }
    }
    let names: Vec<_> = all.iter().map(|contender| contender.name).collect();
    let times = medians(ROUNDS, &mut all.into_iter().map(Contender::shot).collect::<Vec<_>>());
    let each = |i: usize| times[i] / (COPIES * INSTRUCTIONS) as f64;
    let pairs = (0..count).flat_map(|i| (count..names.len()).map(move |k| (i, k)));
    let row = |(i, k): (usize, usize)| {
        Row::times("emission", &format!("{}, {operands}", names[i]), each(i), names[k], each(k))
    };
    pairs.map(row).collect()
}

/// The time of one instruction.
pub fn rows() -> Vec<Row> {
    let constant = compare(
        "constant operands",
        vec![
            Contender::barejit("baked", |a| {
                a.bytes(&BAKED.bytes);
            }),
            Contender::barejit("assembled", |a| functions::barejit(a, &CONSTANT)),
        ],
        vec![
            Contender::dynasm("dynasm-rs", functions::dynasm_constant),
            Contender::iced("iced-x86", |a| functions::iced(a, &CONSTANT).expect("assembles")),
        ],
    );
    let operands: Operands = black_box(CONSTANT);
    let run_time = compare(
        "run-time operands",
        vec![Contender::barejit("assembled", |a| functions::barejit(a, &operands))],
        vec![
            Contender::dynasm("dynasm-rs", |ops| functions::dynasm(ops, &operands)),
            Contender::iced("iced-x86", |a| functions::iced(a, &operands).expect("assembles")),
        ],
    );
    constant.into_iter().chain(run_time).collect()
}
