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
//! plain code, made by [`Draft::resuming`], must take over. Plain code touches
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

pub use super::text::Position;
pub use explain::Explained;
pub use parse::Unmatched;
pub use place::Verdict;

use crate::code::{Code, Mark, Record};
use alloc::vec::Vec;
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
    /// Bytes in a cell.
    pub const fn bytes(self) -> usize {
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
    /// Cells on the tape.
    pub tape: u64,
    /// Whether the processor and the kernel do AVX2.
    pub avx2: bool,
    /// Whether output must be flushed after each newline.
    pub lines: bool,
    /// Whether to keep a record of the code and to mark what each piece of it came
    /// from.
    pub explain: bool,
}

/// A program on its way to machine code.
#[derive(Debug)]
pub struct Draft {
    ir: Ir,
    options: Options,
    resume: Option<u32>,
}

impl Draft {
    /// Reads `source`, of which at most 2 GiB are looked at.
    ///
    /// # Errors
    /// A bracket without its partner.
    pub fn parse(source: &[u8], options: &Options) -> Result<Self, Unmatched> {
        let source = &source[..source.len().min(i32::MAX as usize)];
        let ir = if options.passes.motion { parse::parse(source)? } else { parse::parse_plain(source)? };
        Ok(Self { ir, options: *options, resume: None })
    }

    /// Plain code of the same source that begins with the command at `position`.
    ///
    /// # Errors
    /// A bracket without its partner.
    pub fn resuming(source: &[u8], options: &Options, position: u32) -> Result<Self, Unmatched> {
        let options = Options { passes: Passes::PLAIN, ..*options };
        Ok(Self { resume: Some(position), ..Self::parse(source, &options)? })
    }

    /// Operations at this point, counted one by one.
    pub fn operations(&self) -> usize {
        self.ir.len()
    }

    /// Improves the program, and tells `watch` the name of each pass behind it.
    pub fn optimise(&mut self, watch: &mut dyn FnMut(&'static str, &Self)) {
        if self.ir.plain {
            return reach::flag_plain(&mut self.ir, &self.options, self.resume);
        }
        let Options { cells, eof, passes, .. } = self.options;
        reach::probe(&mut self.ir, &self.options);
        watch("reach", self);
        if passes.idioms {
            idiom::fold(&mut self.ir, cells);
            watch("idioms", self);
        }
        if passes.values {
            values::propagate(&mut self.ir, cells, eof);
            watch("values", self);
        }
        if passes.unrolling {
            unroll::unroll(&mut self.ir);
            watch("unrolling", self);
        }
    }

    /// Makes machine code.
    ///
    /// # Errors
    /// `None`: the code would be larger than 2 GiB.
    pub fn emit(self) -> Option<Program> {
        emit::emit(&self.ir, &self.options, self.resume)
    }
}

/// Finished machine code, and how to read its faults.
#[derive(Debug)]
pub struct Program {
    bytes: Vec<u8>,
    size: usize,
    marks: Vec<Mark>,
    records: Vec<Record>,
    sites: Vec<Site>,
    cells: Cells,
    plain: bool,
}

impl Program {
    /// The code.
    pub fn code(&self) -> Code<'_> {
        Code::new(&self.bytes[..self.size]).with_marks(&self.marks).with_records(&self.records)
    }
}
