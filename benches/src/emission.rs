//! How fast barejit's assembler emits, next to iced-x86's `CodeAssembler` and
//! dynasm-rs.
//!
//! All emit the same function of 28 instructions, with operands known to the
//! compiler and with operands chosen at run time, and must give the same
//! instructions. Each shot emits it 64 times in its assembler's cheapest steady
//! state: into a buffer that is kept, labels resolved once at the end. Shots are
//! interleaved and the best of each counts, so that whatever else the machine does
//! hits no one in particular.

mod functions;

use barejit::asm::{Asm, Baked, Slot, Tables};
use dynasmrt::{VecAssembler, x64::X64Relocation};
use functions::{CONSTANT, INSTRUCTIONS, Operands};
use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind, code_asm::CodeAssembler};
use std::{hint::black_box, time::Instant};

/// Copies of the function in a shot.
const COPIES: usize = 64;
/// Shots of each.
const ROUNDS: usize = 2000;

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

/// Emits the copies, hands their bytes to the sink and gives the nanoseconds that
/// it took.
type Shot<'a> = dyn FnMut(Sink<'_>) -> u64 + 'a;

type Sink<'a> = &'a mut dyn FnMut(&[u8]);

struct Contender<'a> {
    name: &'static str,
    shot: Box<Shot<'a>>,
    /// The best time so far.
    nanoseconds: u64,
    /// How many bytes it makes.
    bytes: usize,
}

impl<'a> Contender<'a> {
    fn barejit(name: &'static str, emit: impl Fn(&mut Asm<'_>) + 'a) -> Self {
        let mut buffers = Buffers { bytes: vec![0; COPIES * 256], slots: vec![Slot::EMPTY; COPIES * 4] };
        Self::new(name, move |sink| {
            let start = Instant::now();
            let bytes = buffers.assemble(&emit);
            let time = start.elapsed();
            sink(bytes);
            time.as_nanos() as u64
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
            time.as_nanos() as u64
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
            time.as_nanos() as u64
        })
    }

    fn new(name: &'static str, shot: impl FnMut(Sink<'_>) -> u64 + 'a) -> Self {
        Self { name, shot: Box::new(shot), nanoseconds: u64::MAX, bytes: 0 }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        (self.shot)(&mut |bytes| all.extend_from_slice(bytes));
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

/// Measures the contenders, the first of which is what ratios refer to.
fn compare(title: &str, mut contenders: Vec<Contender<'_>>) {
    let expected = contenders[0].bytes();
    for contender in &mut contenders {
        let bytes = contender.bytes();
        if bytes != expected {
            // Where a base is not known before run time, dynasm-rs always gives it
            // a SIB byte.
            assert_eq!(instructions(&bytes), instructions(&expected), "{}", contender.name);
        }
        contender.bytes = bytes.len();
    }
    for round in 0..ROUNDS {
        // Everyone follows everyone else at some time.
        let count = contenders.len();
        for i in 0..count {
            let contender = &mut contenders[(i + round) % count];
            let time = (contender.shot)(&mut |bytes| {
                black_box(bytes);
            });
            contender.nanoseconds = contender.nanoseconds.min(time);
        }
    }
    println!("{title}: {INSTRUCTIONS} instructions, {} bytes", expected.len() / COPIES);
    println!("  {:28}{:>14}{:>14}{:>12}", "", "instructions/s", "bytes/s", "time");
    let base = contenders[0].nanoseconds as f64;
    for contender in contenders {
        let time = contender.nanoseconds as f64;
        println!(
            "  {:28}{:>12.0} M{:>12.0} M{:>10.2} x",
            contender.name,
            (COPIES * INSTRUCTIONS) as f64 / time * 1e3,
            contender.bytes as f64 / time * 1e3,
            time / base,
        );
    }
}

fn main() {
    compare(
        "constant operands",
        vec![
            Contender::barejit("barejit, baked", |a| {
                a.bytes(&BAKED.bytes);
            }),
            Contender::barejit("barejit", |a| functions::barejit(a, &CONSTANT)),
            Contender::dynasm("dynasm-rs", functions::dynasm_constant),
            Contender::iced("iced-x86", |a| functions::iced(a, &CONSTANT).expect("assembles")),
        ],
    );
    let operands: Operands = black_box(CONSTANT);
    compare(
        "run-time operands",
        vec![
            Contender::barejit("barejit", |a| functions::barejit(a, &operands)),
            Contender::dynasm("dynasm-rs", |ops| functions::dynasm(ops, &operands)),
            Contender::iced("iced-x86", |a| functions::iced(a, &operands).expect("assembles")),
        ],
    );
}
