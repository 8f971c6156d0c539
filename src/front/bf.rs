//! The Brainfuck compiler: source text in, machine code out.
//!
//! ```text
//! source ─parse─▶ IR ─passes─▶ IR ─emit─▶ code, deopt points
//!                                             │
//!            baseline code ◀─deoptimise───────┘ a bounds check fails
//! ```
//!
//! There are two tiers. The *optimising tier* defers pointer motion and checks the
//! outermost cells of a region of the program before anything in the region is done. If a
//! check fails, the program's state is exactly that of the *baseline tier* at the same
//! command: [`Runner`] compiles baseline code that begins there, and that runs to the end.
//! Baseline code accesses exactly the cells that the source accesses, so its faults are the
//! program's own.
//!
//! This room knows no memory, no kernel and no files. [`abi`] declares what generated code
//! expects around it.

pub mod abi;
mod bounds;
mod cells;
mod deopt;
mod emit;
mod interval;
mod ir;
mod local;
mod loop_idiom;
mod loop_zeros;
mod parse;
mod promote;
mod propagate;
mod runner;
mod source_map;
mod state;
mod stubs;
mod summarise;
mod unroll;
mod vector_scan;

pub use ir::Snapshot;
pub use runner::{Called, End, Machine, Runner};
pub use source_map::SourceMap;

use super::Recorded;
use alloc::vec::Vec;
use barejit_asm::Code;
use deopt::DeoptTable;
use ir::{Ir, List};

/// The width of a cell. Arithmetic wraps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cells {
    /// 8 bits.
    Eight,
    /// 16 bits.
    Sixteen,
    /// 32 bits.
    ThirtyTwo,
}

impl Cells {
    /// Bytes in a cell: 1, 2 or 4.
    pub const fn bytes(self) -> usize {
        const { assert!(Self::Eight as u32 == 0 && Self::ThirtyTwo as u32 == 2) }
        1 << self as u32
    }

    /// `value` cut to a cell and sign-extended.
    const fn signed(self, value: u32) -> i32 {
        match self {
            Self::Eight => value as i8 as i32,
            Self::Sixteen => value as i16 as i32,
            Self::ThirtyTwo => value as i32,
        }
    }
}

/// The effect of `,` at the end of the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eof {
    /// The cell keeps its value.
    Unchanged,
    /// The cell becomes 0.
    Zero,
    /// The cell becomes −1.
    MinusOne,
}

/// The passes that work on a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passes {
    /// Deferred pointer motion, with hoisted bounds checks. Without it the program becomes
    /// baseline code, command by command, and there are no other passes.
    pub motion: bool,
    /// Loop idiom recognition.
    pub idioms: bool,
    /// Constant propagation, dead store elimination, loop summarisation.
    pub propagation: bool,
    /// Loop unrolling.
    pub unrolling: bool,
    /// Register promotion in loops, and local register allocation.
    pub registers: bool,
    /// Alignment of innermost loops, and cold-path outlining.
    pub layout: bool,
}

impl Passes {
    /// The baseline tier.
    pub const BASELINE: Self = Self {
        motion: false,
        idioms: false,
        propagation: false,
        unrolling: false,
        registers: false,
        layout: false,
    };
    /// The passes that gain most for their time.
    pub const CHEAP: Self = Self { motion: true, idioms: true, ..Self::BASELINE };
    /// All passes.
    pub const FULL: Self =
        Self { propagation: true, unrolling: true, registers: true, layout: true, ..Self::CHEAP };

    /// Those of them that are worth their time in a program of so many operations: of one that
    /// is huge, most do not run often.
    const fn worthwhile(self, operations: usize) -> Self {
        if operations > HUGE {
            Self { motion: self.motion, idioms: self.idioms, ..Self::BASELINE }
        } else {
            self
        }
    }
}

/// Operations beyond which a program gets only the cheap passes.
const HUGE: usize = 1 << 20;

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The width of a cell.
    pub cells: Cells,
    /// The meaning of `,` at the end of the input.
    pub eof: Eof,
    /// The passes that work on the program.
    pub passes: Passes,
    /// Cells on the tape, at least one.
    pub tape: u64,
    /// Whether the processor and the kernel support AVX2.
    pub avx2: bool,
    /// Whether output must be flushed after each newline.
    pub lines: bool,
    /// Whether to keep a record of the code and its [source map](SourceMap).
    pub explain: bool,
}

impl Options {
    /// Bytes on the tape.
    const fn tape_bytes(&self) -> i64 {
        (self.tape << self.cells as u32) as i64
    }
}

/// A function that is called after each pass with its name and the program.
pub type Watch<'a> = dyn FnMut(&'static str, Snapshot<'_>) + 'a;

/// Why a program cannot be compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The `[` at this byte has no partner.
    Unclosed(usize),
    /// The `]` at this byte has none.
    Unexpected(usize),
    /// Source or code has more than 2 GiB.
    TooLarge,
}

/// Compiles `source`. `watch` sees the program after each pass.
///
/// # Errors
/// An error in the source.
pub fn compile(source: &[u8], options: &Options, watch: &mut Watch<'_>) -> Result<Program, Error> {
    compile_from(source, options, None, watch)
}

/// Compiles `source`, to be entered at the command at byte `resume` if it is given; that
/// takes baseline code.
fn compile_from(
    source: &[u8],
    options: &Options,
    resume: Option<u32>,
    watch: &mut Watch<'_>,
) -> Result<Program, Error> {
    if source.len() > i32::MAX as usize {
        return Err(Error::TooLarge);
    }
    let mut ir = parse::parse(source, !options.passes.motion)?;
    watch("parse", Snapshot(&ir));
    // The parser also falls back to baseline code.
    let passes = if ir.is_baseline { Passes::BASELINE } else { options.passes.worthwhile(ir.ops.len()) };
    let options = &Options { passes, ..*options };
    for pass in Pass::ALL {
        if pass.is_wanted(&options.passes) {
            pass.run(&mut ir, options);
            watch(pass.name(), Snapshot(&ir));
        }
    }
    if ir.is_baseline {
        bounds::mark_baseline(&mut ir, options, resume);
        watch("bounds checks", Snapshot(&ir));
    }
    if !options.passes.registers {
        // Nothing asks for them any more, and there can be millions.
        ir.loops = List::new(Vec::new());
    }
    emit::emit(&ir, options, resume)
}

/// A pass of the optimising tier over the intermediate representation.
#[derive(Clone, Copy)]
enum Pass {
    Bounds,
    Idioms,
    Zeros,
    Propagation,
    Unrolling,
    Promotion,
}

impl Pass {
    /// All passes, in their order.
    const ALL: [Self; 6] =
        [Self::Bounds, Self::Idioms, Self::Zeros, Self::Propagation, Self::Unrolling, Self::Promotion];

    fn name(self) -> &'static str {
        match self {
            Self::Bounds => "bounds-check hoisting",
            Self::Idioms => "loop idiom recognition",
            Self::Zeros => "loop-invariant zeros",
            Self::Propagation => "constant propagation",
            Self::Unrolling => "loop unrolling",
            Self::Promotion => "register promotion",
        }
    }

    fn is_wanted(self, passes: &Passes) -> bool {
        match self {
            Self::Bounds => passes.motion,
            Self::Idioms => passes.idioms,
            Self::Zeros | Self::Propagation => passes.propagation,
            Self::Unrolling => passes.unrolling,
            Self::Promotion => passes.registers,
        }
    }

    fn run(self, ir: &mut Ir, options: &Options) {
        match self {
            Self::Bounds => bounds::insert(ir, options),
            Self::Idioms => loop_idiom::recognise(ir, options),
            Self::Zeros => loop_zeros::find(ir, options),
            Self::Propagation => propagate::propagate(ir, options),
            Self::Unrolling => unroll::unroll(ir, options),
            Self::Promotion => promote::promote(ir, options),
        }
    }
}

/// Finished machine code, and its deopt points.
#[derive(Debug)]
pub struct Program {
    code: Recorded,
    deopt_points: DeoptTable,
    cells: Cells,
    is_baseline: bool,
}

impl Program {
    /// The code.
    pub fn code(&self) -> Code<'_> {
        self.code.code()
    }
}
