//! Instructions on cells, whatever their width: each chooses it once.
//!
//! A cell in memory is `at` cells from RBX. A cell in a register is its low bits;
//! the others are anything.

use super::Cells;
use super::ir::{Kind, Op};
use super::place::Site;
use alloc::vec::Vec;
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
pub(super) struct Out<'a, 'b> {
    pub(super) a: &'a mut Asm<'b>,
    pub(super) cells: Cells,
    /// The cell whose being zero the zero flag tells at this code offset.
    flag: (u32, i32),
    pub(super) sites: Vec<Site>,
    /// While it is something, instructions on cells are probes.
    probes: Option<Pending>,
}

/// Cells that are still to be touched before anything is changed.
#[derive(Debug)]
struct Pending {
    /// Where plain code would be.
    position: u32,
    /// Where its pointer would be.
    pointer: i32,
    low: Option<i32>,
    high: Option<i32>,
}

/// A 32-bit view of a register.
pub(super) const fn low(register: Gpr64) -> Gpr32 {
    register.resize()
}

impl<'a, 'b> Out<'a, 'b> {
    pub(super) const fn new(a: &'a mut Asm<'b>, cells: Cells) -> Self {
        Self { a, cells, flag: (u32::MAX, 0), sites: Vec::new(), probes: None }
    }

    /// Marks the next instruction as one that may be the first to touch `[at]`, where
    /// plain code is at `position` with its pointer at `pointer`.
    pub(super) fn mark(&mut self, at: i32, position: u32, pointer: i32) {
        self.a.mark(self.sites.len() as u32);
        self.sites.push(Site { position, delta: self.bytes(pointer - at) });
    }

    /// Does so for each instruction on a cell until one was on `[at]`, or says that it
    /// cannot.
    pub(super) fn mark_until(&mut self, at: i32, position: u32, pointer: i32) -> bool {
        let pending = self.probes.get_or_insert(Pending { position, pointer, low: None, high: None });
        let room = if pending.low.is_none() { &mut pending.low } else { &mut pending.high };
        let possible = pending.position == position && pending.pointer == pointer && room.is_none();
        if possible {
            *room = Some(at);
        }
        possible
    }

    /// Cells to bytes. Distances are small enough by the parser's limit.
    pub(super) const fn bytes(&self, cells: i32) -> i32 {
        cells << self.cells as u32
    }

    /// The address of a cell.
    pub(super) const fn address(&self, at: i32) -> Mem<0> {
        address(RBX).disp(self.bytes(at))
    }

    /// The operand of an instruction on a cell, which comes next.
    fn cell(&mut self, at: i32) -> Mem<0> {
        if let Some(Pending { position, pointer, low, high }) = self.probes.take() {
            self.mark(at, position, pointer);
            let rest = |cell: &i32| *cell != at;
            let (low, high) = (low.filter(rest), high.filter(rest));
            if low.is_some() || high.is_some() {
                self.probes = Some(Pending { position, pointer, low, high });
            }
        }
        self.address(at)
    }

    /// Notes that the zero flag tells of the cell at `at`.
    const fn flags_tell(&mut self, at: i32) {
        self.flag = (self.a.offset(), at);
    }

    /// Forgets what the zero flag tells.
    pub(super) const fn forget_flags(&mut self) {
        self.flag = (u32::MAX, 0);
    }

    /// Binds `label`: another way leads here, on which the zero flag tells something else.
    #[inline(never)]
    pub(super) fn bind(&mut self, label: Label) {
        self.a.bind(label);
        self.forget_flags();
    }

    /// Whether the zero flag tells of the cell at `at` now.
    pub(super) fn knows_flags(&self, at: i32) -> bool {
        self.flag == (self.a.offset(), at) && self.probes.is_none()
    }

    /// `[at] += value`
    #[inline(never)]
    pub(super) fn add_mi(&mut self, at: i32, value: i32) {
        let cell = self.cell(at);
        by_width!(self, W => match value {
            1 => self.a.inc_m::<W>(cell.resize()),
            -1 => self.a.dec_m::<W>(cell.resize()),
            _ => self.a.add_mi::<W>(cell.resize(), value),
        });
        self.flags_tell(at);
    }

    /// `[at] = value`
    #[inline(never)]
    pub(super) fn mov_mi(&mut self, at: i32, value: i32) {
        let cell = self.cell(at);
        by_width!(self, W => self.a.mov_mi::<W>(cell.resize(), value));
    }

    /// Sets the zero flag by `[at]`.
    #[inline(never)]
    pub(super) fn cmp_m(&mut self, at: i32) {
        let cell = self.cell(at);
        by_width!(self, W => self.a.cmp_mi::<W>(cell.resize(), 0));
        self.flags_tell(at);
    }

    /// Touches `[at]` and changes only flags.
    #[inline(never)]
    pub(super) fn probe(&mut self, at: i32) {
        let cell = self.cell(at);
        by_width!(self, W => self.a.test_mr::<W>(cell.resize(), RAX.resize()));
    }

    /// `register = [at]`, zero-extended; flags stay.
    #[inline(never)]
    pub(super) fn load(&mut self, register: Gpr64, at: i32) {
        let flags = self.flag.0 == self.a.offset();
        let (to, cell) = (low(register), self.cell(at));
        match self.cells {
            Cells::Eight => self.a.movzx_m8(to, cell.resize()),
            Cells::Sixteen => self.a.movzx_m16(to, cell.resize()),
            Cells::ThirtyTwo => self.a.mov_rm(to, cell.resize()),
        };
        self.flags_stay(flags);
    }

    /// `[at] = register`; flags stay.
    #[inline(never)]
    pub(super) fn store(&mut self, at: i32, register: Gpr64) {
        let flags = self.flag.0 == self.a.offset();
        let cell = self.cell(at);
        by_width!(self, W => self.a.mov_mr::<W>(cell.resize(), register.resize()));
        self.flags_stay(flags);
    }

    /// If it did before the last instruction, the zero flag still tells of its cell.
    const fn flags_stay(&mut self, told: bool) {
        if told {
            self.flag.0 = self.a.offset();
        }
    }

    /// `[at] += register`, or `-=`
    #[inline(never)]
    pub(super) fn add_mr(&mut self, at: i32, register: Gpr64, subtract: bool) {
        let cell = self.cell(at);
        by_width!(self, W => match subtract {
            false => self.a.add_mr::<W>(cell.resize(), register.resize()),
            true => self.a.sub_mr::<W>(cell.resize(), register.resize()),
        });
        self.flags_tell(at);
    }

    /// `register += [from]`, or `-=`; the register is the cell at `at`.
    #[inline(never)]
    pub(super) fn add_rm(&mut self, at: i32, register: Gpr64, from: i32, subtract: bool) {
        let cell = self.cell(from);
        by_width!(self, W => match subtract {
            false => self.a.add_rm::<W>(register.resize(), cell.resize()),
            true => self.a.sub_rm::<W>(register.resize(), cell.resize()),
        });
        self.flags_tell(at);
    }

    /// `register += other`, or `-=`; the register is the cell at `at`.
    #[inline(never)]
    pub(super) fn add_rr(&mut self, at: i32, register: Gpr64, other: Gpr64, subtract: bool) {
        by_width!(self, W => match subtract {
            false => self.a.add_rr::<W>(register.resize(), other.resize()),
            true => self.a.sub_rr::<W>(register.resize(), other.resize()),
        });
        self.flags_tell(at);
    }

    /// `register += value`; the register is the cell at `at`.
    #[inline(never)]
    pub(super) fn add_ri(&mut self, at: i32, register: Gpr64, value: i32) {
        by_width!(self, W => self.a.add_ri::<W>(register.resize(), value));
        self.flags_tell(at);
    }

    /// Sets the zero flag by a register, which is the cell at `at`.
    #[inline(never)]
    pub(super) fn test_r(&mut self, at: i32, register: Gpr64) {
        by_width!(self, W => self.a.test_rr::<W>(register.resize(), register.resize()));
        self.flags_tell(at);
    }

    /// `register = value`, for any register.
    #[inline(never)]
    pub(super) fn mov_ri(&mut self, register: Gpr64, value: i32) {
        if value == 0 {
            self.a.xor_rr(low(register), low(register));
        } else {
            self.a.mov_ri(low(register), value as i64);
        }
    }

    /// `to = from`
    #[inline(never)]
    pub(super) fn mov_rr(&mut self, to: Gpr64, from: Gpr64) {
        if to != from {
            self.a.mov_rr(low(to), low(from));
        }
    }

    /// `to = factor × from`
    #[inline(never)]
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

    /// `base += cells`
    #[inline(never)]
    pub(super) fn shift(&mut self, cells: i32) {
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

/// Bytes of code that an operation takes at most, what is out of line left out.
pub(super) fn size(op: &Op, cells: Cells) -> usize {
    // Of an operand-size prefix, an immediate, a displacement.
    let (prefix, value) = if let Cells::Eight = cells { (0, 1) } else { (1, 4) };
    let is_near = |at: i32| at << cells as u32 == ((at << cells as u32) as i8) as i32;
    let near = is_near(op.at) && (!op.kind.is_product() || is_near(op.b));
    let cell = if near { 1 } else { 4 };
    let (load, store) = (4 + cell, 3 + prefix + cell);
    match op.kind {
        Kind::Nop => 0,
        Kind::Probe => 40,
        Kind::Add => load + 3 + prefix + value + store,
        Kind::Set => store + value + 6,
        Kind::Mul => load + 7 + load + 3 + prefix + store,
        Kind::Copy => load + 7 + store,
        Kind::Product => 48,
        Kind::Put => load + 8 + 5 * op.d as usize,
        Kind::PutByte => 10 + 5 * op.d as usize,
        Kind::Get => 24,
        Kind::Open | Kind::Close => 24,
        // With what lets the base catch up.
        Kind::Exit => 27,
        Kind::Scan => 110,
        Kind::Move => 13,
    }
}
