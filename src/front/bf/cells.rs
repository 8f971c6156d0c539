//! The width-generic emitter of cell operations: instructions on cells of 8, 16 or 32
//! bits, each of which chooses the width once.
//!
//! A cell in memory is addressed from RBX, the data pointer. A cell in a register is the
//! register's low bits; the bits above are undefined. The emitter also knows which cell
//! the zero flag describes, and turns instructions into deopt points.

use super::Cells;
use super::bounds::fuse::{self, Pending};
use super::deopt::DeoptTable;
use super::ir::Op;
use barejit_asm::*;

/// Does something with the cell width as the constant `$W`.
macro_rules! by_width {
    ($self:ident, $W:ident => $body:expr) => {
        match $self.cells {
            Cells::Eight => {
                const $W: u16 = 8;
                $body;
            }
            Cells::Sixteen => {
                const $W: u16 = 16;
                $body;
            }
            Cells::ThirtyTwo => {
                const $W: u16 = 32;
                $body;
            }
        }
    };
}

/// An assembler that knows how wide a cell is.
#[derive(Debug)]
pub(super) struct CellEmitter<'a, 'b> {
    pub(super) a: &'a mut Asm<'b>,
    pub(super) cells: Cells,
    /// At this code offset the zero flag is set if this cell is zero.
    flag: (u32, i32),
    pub(super) deopt_points: DeoptTable,
    /// Checks that accesses are to be.
    pending: Option<Pending>,
}

/// A 32-bit view of a register.
pub(super) const fn low(register: Gpr64) -> Gpr32 {
    register.resize()
}

impl<'a, 'b> CellEmitter<'a, 'b> {
    pub(super) fn new(a: &'a mut Asm<'b>, cells: Cells) -> Self {
        Self { a, cells, flag: (u32::MAX, 0), deopt_points: DeoptTable::default(), pending: None }
    }

    /// Makes the next instruction a deopt point for its access to `[cell]`, where baseline
    /// code is at `position` with its data pointer at `pointer`. Returns the point's number.
    pub(super) fn deopt_point(&mut self, cell: i32, position: u32, pointer: i32) -> u32 {
        self.deopt_points.add(self.a.offset(), position, self.bytes(pointer - cell))
    }

    /// Makes the next access to `[cell]` its check, if that can wait; see [`fuse`].
    pub(super) fn defer_check(&mut self, cell: i32, position: u32, pointer: i32) -> bool {
        fuse::defer(&mut self.pending, cell, position, pointer)
    }

    /// Cells to bytes. Distances are small enough by the parser's limit.
    pub(super) const fn bytes(&self, cells: i32) -> i32 {
        cells << self.cells as u32
    }

    /// The address of a cell. Folded into its caller, like all that only adds to it: the encoder
    /// then knows that it is a base with a displacement.
    #[inline(always)]
    pub(super) const fn address(&self, at: i32) -> Mem<0> {
        address(RBX).disp(self.bytes(at))
    }

    /// The operand of an instruction on a cell, which comes next.
    #[inline(always)]
    fn operand(&mut self, cell: i32) -> Mem<0> {
        if self.pending.is_some() {
            self.take_check(cell);
        }
        self.address(cell)
    }

    /// Makes the next instruction, an access to `[cell]`, a deopt point if a check waits for it.
    fn take_check(&mut self, cell: i32) {
        if let Some((position, pointer)) = fuse::due(&mut self.pending, cell) {
            self.deopt_point(cell, position, pointer);
        }
    }

    /// Notes that the zero flag describes `[at]`.
    const fn flag_describes(&mut self, at: i32) {
        self.flag = (self.a.offset(), at);
    }

    /// Notes that the zero flag describes no cell.
    pub(super) const fn forget_flag(&mut self) {
        self.flag = (u32::MAX, 0);
    }

    /// Binds `label`, a merge of control flow where the zero flag describes no cell.
    pub(super) fn bind(&mut self, label: Label) {
        self.a.bind(label);
        self.forget_flag();
    }

    /// Whether the zero flag describes `[at]` here.
    pub(super) fn flag_is_of(&self, at: i32) -> bool {
        self.flag == (self.a.offset(), at) && self.pending.is_none()
    }

    /// `[at] += value`
    pub(super) fn add_mi(&mut self, at: i32, value: i32) {
        let cell = self.operand(at);
        by_width!(self, W => match value {
            1 => self.a.folded().inc_m::<W>(cell.resize()),
            -1 => self.a.folded().dec_m::<W>(cell.resize()),
            _ => self.a.folded().add_mi::<W>(cell.resize(), value),
        });
        self.flag_describes(at);
    }

    /// `[at] = value`
    pub(super) fn mov_mi(&mut self, at: i32, value: i32) {
        let cell = self.operand(at);
        by_width!(self, W => self.a.folded().mov_mi::<W>(cell.resize(), value));
    }

    /// Sets the zero flag by `[at]`.
    pub(super) fn cmp_m(&mut self, at: i32) {
        let cell = self.operand(at);
        by_width!(self, W => self.a.folded().cmp_mi::<W>(cell.resize(), 0));
        self.flag_describes(at);
    }

    /// Accesses `[at]` and changes only flags.
    pub(super) fn access(&mut self, at: i32) {
        let cell = self.operand(at);
        by_width!(self, W => self.a.folded().test_mr::<W>(cell.resize(), RAX.resize()));
    }

    /// `register = [at]`, zero-extended; keeps flags.
    pub(super) fn load(&mut self, register: Gpr64, at: i32) {
        let before = self.flag.0 == self.a.offset();
        let (to, cell) = (low(register), self.operand(at));
        match self.cells {
            Cells::Eight => self.a.folded().movzx_m8(to, cell.resize()),
            Cells::Sixteen => self.a.folded().movzx_m16(to, cell.resize()),
            Cells::ThirtyTwo => self.a.folded().mov_rm(to, cell.resize()),
        };
        self.flag_kept(before);
    }

    /// `[at] = register`; keeps flags.
    pub(super) fn store(&mut self, at: i32, register: Gpr64) {
        let before = self.flag.0 == self.a.offset();
        let cell = self.operand(at);
        by_width!(self, W => self.a.folded().mov_mr::<W>(cell.resize(), register.resize()));
        self.flag_kept(before);
    }

    /// The last instruction kept the zero flag, which describes the same cell if it did
    /// `before`.
    const fn flag_kept(&mut self, before: bool) {
        if before {
            self.flag.0 = self.a.offset();
        }
    }

    /// `[at] += register`, or `-=`
    pub(super) fn add_mr(&mut self, at: i32, register: Gpr64, subtract: bool) {
        let cell = self.operand(at);
        by_width!(self, W => match subtract {
            false => self.a.add_mr::<W>(cell.resize(), register.resize()),
            true => self.a.sub_mr::<W>(cell.resize(), register.resize()),
        });
        self.flag_describes(at);
    }

    /// `register += [from]`, or `-=`; the register is the cell at `at`.
    pub(super) fn add_rm(&mut self, at: i32, register: Gpr64, from: i32, subtract: bool) {
        let cell = self.operand(from);
        by_width!(self, W => match subtract {
            false => self.a.add_rm::<W>(register.resize(), cell.resize()),
            true => self.a.sub_rm::<W>(register.resize(), cell.resize()),
        });
        self.flag_describes(at);
    }

    /// `register += other`, or `-=`; the register is the cell at `at`.
    pub(super) fn add_rr(&mut self, at: i32, register: Gpr64, other: Gpr64, subtract: bool) {
        by_width!(self, W => match subtract {
            false => self.a.add_rr::<W>(register.resize(), other.resize()),
            true => self.a.sub_rr::<W>(register.resize(), other.resize()),
        });
        self.flag_describes(at);
    }

    /// `register += value`; the register is the cell at `at`.
    pub(super) fn add_ri(&mut self, at: i32, register: Gpr64, value: i32) {
        by_width!(self, W => self.a.folded().add_ri::<W>(register.resize(), value));
        self.flag_describes(at);
    }

    /// Sets the zero flag by a register, which is the cell at `at`.
    pub(super) fn test_r(&mut self, at: i32, register: Gpr64) {
        by_width!(self, W => self.a.folded().test_rr::<W>(register.resize(), register.resize()));
        self.flag_describes(at);
    }

    /// `register = value`, for any register.
    pub(super) fn mov_ri(&mut self, register: Gpr64, value: i32) {
        if value == 0 {
            self.a.xor_rr(low(register), low(register));
        } else {
            self.a.mov_ri(low(register), value as i64);
        }
    }

    /// `to = from`
    pub(super) fn mov_rr(&mut self, to: Gpr64, from: Gpr64) {
        if to != from {
            self.a.mov_rr(low(to), low(from));
        }
    }

    /// `to = factor × from`
    pub(super) fn scale(&mut self, to: Gpr64, from: Gpr64, factor: i32) {
        let a = &mut *self.a;
        let wide = address(from);
        match factor {
            1 => {
                self.mov_rr(to, from);
            }
            -1 => {
                self.mov_rr(to, from);
                self.a.neg_r(low(to));
            }
            2 => {
                a.lea(low(to), wide.index(from, Scale::X1));
            }
            3 => {
                a.lea(low(to), wide.index(from, Scale::X2));
            }
            5 => {
                a.lea(low(to), wide.index(from, Scale::X4));
            }
            9 => {
                a.lea(low(to), wide.index(from, Scale::X8));
            }
            _ if factor.count_ones() == 1 => {
                self.mov_rr(to, from);
                self.a.shl_ri(low(to), factor.trailing_zeros() as u8);
            }
            _ => {
                a.imul_rri(low(to), low(from), factor);
            }
        }
    }

    /// `pointer += cells`
    pub(super) fn move_pointer(&mut self, cells: i32) {
        let bytes = (cells as i64) << self.cells as u32;
        match i32::try_from(bytes) {
            Ok(0) => {}
            Ok(bytes) => {
                self.a.add_ri(RBX, bytes);
            }
            Err(_) => {
                self.a.mov_ri(RAX, bytes).add_rr(RBX, RAX);
            }
        }
    }
}

/// The most bytes of code that a scan takes which is a plain loop.
pub(super) const PLAIN_SCAN: usize = 40;

/// The most bytes of code that an operation takes which is no scan and no output.
pub(super) const LARGEST: usize = 48;

/// The most bytes of code that an operation takes, without code out of line.
pub(super) fn size(op: &Op, cells: Cells) -> usize {
    // An operand-size prefix, an immediate.
    let (prefix, immediate) = if let Cells::Eight = cells { (0, 1) } else { (1, 4) };
    let is_near = |cell: i32| i8::try_from(cell << cells as u32).is_ok();
    let near = match *op {
        Op::MulAdd { cell, source, .. } | Op::Copy { cell, source, .. } => is_near(cell) && is_near(source),
        _ => op.cell().is_none_or(is_near),
    };
    let displacement = if near { 1 } else { 4 };
    let (load, store) = (4 + displacement, 3 + prefix + displacement);
    match *op {
        Op::Nop => 0,
        Op::Check { .. } => 40,
        Op::Add { .. } => load + 3 + prefix + immediate + store,
        Op::Set { .. } => store + immediate + 6,
        Op::MulAdd { .. } => load + 7 + load + 3 + prefix + store,
        Op::Copy { .. } => load + 7 + store,
        Op::Product { .. } => 48,
        Op::Output { repeats, .. } => load + 8 + 5 * repeats as usize,
        Op::OutputByte { repeats, .. } => 10 + 5 * repeats as usize,
        Op::Input { .. } => 24,
        Op::Open { .. } | Op::Close { .. } => 24,
        // With the move of the data pointer on the edge out of the loop.
        Op::Exit { .. } => 27,
        Op::Scan { .. } => 110,
        Op::Move { .. } => 13,
    }
}
