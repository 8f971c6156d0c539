//! The Brainfuck compiler: source text in, machine code out.
//!
//! ```text
//! source ─parse─▶ operations ─optimise─▶ fewer, stronger ones ─emit─▶ Code
//! ```
//!
//! Optimised code is indistinguishable from plain code because it knows where it
//! stops knowing: it touches the outermost cells of a stretch of program *before*
//! anything in it is done. If that touch faults, nothing has happened that plain
//! code would not have done, and [`Program::fault`] names the command at which
//! plain code, which [`compile`] makes to begin there, must take over. Plain code touches
//! exactly what the source touches, so that its faults are the program's own.
//!
//! This room knows no memory, no kernel and no files. What generated code expects
//! around it is written down in [`abi`].

pub mod abi;
mod cache;
mod emit;
mod explain;
mod idiom;
mod ir;
mod known;
mod parse;
mod place;
mod reach;
mod registers;
mod scan;
mod solve;
mod stubs;
mod unroll;
mod values;
mod width;
mod zeros;

pub use explain::Explained;
pub use place::Verdict;

use super::Recorded;
use alloc::vec::Vec;
use barejit_asm::Code;
use ir::Ir;
use place::Site;

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
    /// Bytes in a cell: 1 << its number.
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

/// What `,` does at the end of the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eof {
    /// The cell keeps its value.
    Unchanged,
    /// The cell becomes 0.
    Zero,
    /// The cell becomes −1.
    MinusOne,
}

/// Which passes work on a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passes {
    /// Pointer motion is deferred, and the cells that it leads to are probed. If it
    /// is not, translation is command by command, and there are no other passes.
    pub motion: bool,
    /// Innermost loops become arithmetic.
    pub idioms: bool,
    /// Values are followed through the program.
    pub values: bool,
    /// Small loops that move the base have several rounds for one jump back.
    pub unrolling: bool,
    /// Cells of loops live in registers.
    pub registers: bool,
    /// Innermost loops are aligned, and what is seldom run stands aside.
    pub placement: bool,
}

impl Passes {
    /// Command by command.
    pub const PLAIN: Self = Self {
        motion: false,
        idioms: false,
        values: false,
        unrolling: false,
        registers: false,
        placement: false,
    };
    /// What finds most for its time.
    pub const CHEAP: Self = Self { motion: true, idioms: true, ..Self::PLAIN };
    /// Everything.
    pub const FULL: Self =
        Self { values: true, unrolling: true, registers: true, placement: true, ..Self::CHEAP };
}

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The width of a cell.
    pub cells: Cells,
    /// What input does at its end.
    pub eof: Eof,
    /// Which passes work on it.
    pub passes: Passes,
    /// Cells on the tape, at least one.
    pub tape: u64,
    /// Whether the processor and the kernel do AVX2.
    pub avx2: bool,
    /// Whether output must be flushed after each newline.
    pub lines: bool,
    /// Whether to keep a record of the code and to mark what each piece of it came
    /// from.
    pub explain: bool,
}

impl Options {
    /// Bytes on the tape.
    const fn tape_bytes(&self) -> i64 {
        (self.tape << self.cells as u32) as i64
    }
}

/// Who is told of passes: their names, and how to count the operations behind them.
pub type Watch<'a> = dyn FnMut(&'static str, &dyn Fn() -> usize) + 'a;

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

/// Compiles `source`, or with `resume` makes plain code of it that begins with the command
/// at that byte. `watch` is told of each pass behind it.
///
/// # Errors
/// What is wrong with the source.
pub fn compile(
    source: &[u8],
    options: &Options,
    resume: Option<u32>,
    watch: &mut Watch<'_>,
) -> Result<Program, Error> {
    if source.len() > i32::MAX as usize {
        return Err(Error::TooLarge);
    }
    let plain = Options { passes: Passes::PLAIN, ..*options };
    let options = if resume.is_some() { &plain } else { options };
    let mut ir = parse::parse(source, !options.passes.motion)?;
    watch("parse", &|| ir.len());
    if ir.plain {
        reach::flag_plain(&mut ir, options, resume);
    } else {
        improve(&mut ir, options, watch);
    }
    emit::emit(&ir, options, resume)
}

/// The passes between reading and emitting.
fn improve(ir: &mut Ir, options: &Options, watch: &mut Watch<'_>) {
    type Pass = fn(&mut Ir, &Options);
    let Passes { idioms, values, unrolling, .. } = options.passes;
    let passes: [(_, _, Pass); _] = [
        (true, "reach", reach::probe),
        (idioms, "idioms", idiom::fold),
        (values, "values", values::propagate),
        (unrolling, "unrolling", unroll::unroll),
    ];
    for (wanted, name, pass) in passes {
        if wanted {
            pass(ir, options);
            watch(name, &|| ir.len());
        }
    }
}

/// Finished machine code, and how to read its faults.
#[derive(Debug)]
pub struct Program {
    code: Recorded,
    sites: Vec<Site>,
    cells: Cells,
    plain: bool,
}

impl Program {
    /// The code.
    pub fn code(&self) -> Code<'_> {
        self.code.code()
    }
}
