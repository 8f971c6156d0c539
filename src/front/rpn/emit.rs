//! Instruction selection and register allocation for one term, as SSE2 instructions.
//!
//! ```text
//! xmm0 … xmm(W−1)   window: the last W terms. Each unrolled copy of the loop writes its
//!                   term over the oldest, so no copy moves the others
//! xmmW … xmm14      results, by next free register; the oldest on the stack spill first,
//!                   kept results never
//! xmm15             the index, if the relation uses it
//! ```
//!
//! The stack machine runs at compile time: its stack holds the place of each operand,
//! and an operation emits one instruction. Constants and terms beyond the window are
//! operands in memory.
//!
//! Invariant: a register is free, or owned by one entry of the stack, or shared by a
//! counted number of reads; at the last read it becomes free or the result's. Linear
//! time.

use super::ir::Op;
use super::share::KEPT;
use super::window::{INDEX, Plan};
use crate::front::bug;
use crate::front::pool::Pool;
use alloc::vec::Vec;
use barejit_asm::{Asm, Gpr64, Mem, RSI, XMM0, Xmm, qword};

/// A factor of 2: a sum takes its place, which is exact as well and takes less time.
const TWO: Operand = Operand::Constant(2f64.to_bits());

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Constant(u64),
    /// A register with other readers: a term of the window, the index, or a kept result.
    Shared(Xmm),
    /// A term in memory, so many before this one.
    Memory(usize),
    /// A register that this operand owns.
    Owned(Xmm),
    Spilled,
}

/// Emits one term.
pub(super) struct Emitter<'e, 'a> {
    a: &'e mut Asm<'a>,
    pool: &'e mut Pool,
    plan: &'e Plan,
    /// The base of the layout.
    base: Gpr64,
    copy: usize,
    stack: Vec<Operand>,
    /// Below this entry of the stack every owned register has been spilled.
    spilled: usize,
    /// The free registers, a bit each.
    free: u16,
    /// The reads of each register before it becomes free.
    reads: [usize; 16],
    /// The registers of the kept results, by name from 1.
    kept: [Option<Xmm>; KEPT as usize],
}

impl<'e, 'a> Emitter<'e, 'a> {
    /// For the term of this copy of the loop body.
    pub(super) fn new(
        a: &'e mut Asm<'a>,
        pool: &'e mut Pool,
        plan: &'e Plan,
        base: Gpr64,
        copy: usize,
    ) -> Self {
        let last = if plan.indexed { 15 } else { 16 };
        let free = ((1u32 << last) - (1 << plan.window)) as u16;
        let (reads, kept) = ([usize::MAX; 16], [None; KEPT as usize]);
        let mut emitter =
            Self { a, pool, plan, base, copy, stack: Vec::new(), spilled: 0, free, reads, kept };
        if let Some(slot) = emitter.oldest_slot() {
            emitter.set_reads(slot, emitter.count(Op::Term { back: plan.window }));
        }
        emitter
    }

    /// How often the term uses this operation.
    fn count(&self, op: Op) -> usize {
        self.plan.operations.iter().filter(|operation| operation.op == op).count()
    }

    /// The reads that are left of a register.
    fn reads(&mut self, register: Xmm) -> &mut usize {
        &mut self.reads[register.number() as usize]
    }

    /// The register of the result that is kept under this name.
    fn kept(&mut self, name: u8) -> &mut Option<Xmm> {
        &mut self.kept[usize::from(name) - 1]
    }

    /// The register becomes free after so many reads.
    fn set_reads(&mut self, register: Xmm, reads: usize) {
        *self.reads(register) = reads;
        if reads == 0 {
            self.set_free(register);
        }
    }

    fn set_free(&mut self, register: Xmm) {
        self.free |= 1 << register.number();
    }

    /// Emits the term and gives its register. RSI points to where the term belongs in
    /// memory.
    pub(super) fn term(mut self) -> Xmm {
        let (plan, copy) = (self.plan, self.copy);
        let mut end = 0;
        for operation in &plan.operations {
            end = operation.end;
            if operation.op.operands() > 0 {
                self.a.mark(end);
            }
            match operation.op {
                Op::Constant { value } => self.stack.push(Operand::Constant(value.to_bits())),
                Op::Term { back } if back <= plan.window => {
                    self.stack.push(Operand::Shared(plan.slot(copy, back)));
                }
                Op::Term { back } => self.stack.push(Operand::Memory(back)),
                Op::Index => self.stack.push(Operand::Shared(INDEX)),
                Op::Reuse { name } => match *self.kept(name) {
                    Some(register) => self.stack.push(Operand::Shared(register)),
                    None => bug!("a result is reused before it is kept"),
                },
                Op::Sqrt | Op::Negate => self.unary(operation.op),
                Op::Add | Op::Sub | Op::Mul | Op::Div => self.binary(operation.op),
            }
            if let Some(name) = operation.keep {
                self.keep(name);
            }
        }
        let result = self.pop();
        let to = match result {
            _ if plan.window > 0 => plan.slot(copy, plan.window),
            Operand::Owned(register) => return register,
            _ => XMM0,
        };
        if result != Operand::Owned(to) && result != Operand::Shared(to) {
            self.a.mark(end);
            self.load(to, result);
        }
        to
    }

    /// Keeps the result on the stack under this name: its register gets counted reads.
    fn keep(&mut self, name: u8) {
        let Some(top @ &mut Operand::Owned(register)) = self.stack.last_mut() else {
            bug!("a kept result has no register of its own")
        };
        *top = Operand::Shared(register);
        *self.kept(name) = Some(register);
        self.set_reads(register, 1 + self.count(Op::Reuse { name }));
    }

    /// The register of the oldest term of the window, which the new term overwrites.
    fn oldest_slot(&self) -> Option<Xmm> {
        (self.plan.window > 0).then(|| self.plan.slot(self.copy, self.plan.window))
    }

    fn pop(&mut self) -> Operand {
        let Some(operand) = self.stack.pop() else { bug!("an operation without an operand") };
        self.spilled = self.spilled.min(self.stack.len());
        operand
    }

    /// A register for a result, best the one where the term belongs.
    fn allocate(&mut self) -> Xmm {
        while self.free == 0 {
            // At most window, index and kept results are shared, 12 registers: an owned
            // one is on the stack.
            let at = self.spilled;
            self.spilled += 1;
            if let Operand::Owned(register) = self.stack[at] {
                let memory = self.spill_slot(at);
                self.stack[at] = Operand::Spilled;
                self.a.movsd_mx(memory, register);
                self.set_free(register);
            }
        }
        let best = self.oldest_slot().filter(|slot| self.free & 1 << slot.number() != 0);
        let register = best.unwrap_or_else(|| Xmm::new(self.free.trailing_zeros() as u8));
        self.free &= !(1 << register.number());
        register
    }

    /// The memory of the stack's entry `at`.
    fn spill_slot(&self, at: usize) -> Mem<64> {
        qword(self.base).disp(self.plan.layout.scratch(at))
    }

    /// An operand in memory, just popped. If spilled, it was the lowest of those popped: the
    /// entries above it were computed later.
    fn memory(&mut self, operand: Operand) -> Mem<64> {
        match operand {
            Operand::Constant(bits) => self.pool.quad(self.a, bits),
            Operand::Memory(back) => qword(RSI).disp(-(back as i32 * 8)),
            Operand::Spilled => self.spill_slot(self.stack.len()),
            Operand::Shared(_) | Operand::Owned(_) => bug!("an operand in a register"),
        }
    }

    /// Copies an operand, just popped, to a register.
    fn load(&mut self, to: Xmm, operand: Operand) {
        match operand {
            Operand::Owned(from) | Operand::Shared(from) => {
                self.a.movapd_xx(to, from);
            }
            Operand::Constant(0) => {
                self.a.xorpd_xx(to, to);
            }
            _ => {
                let memory = self.memory(operand);
                self.a.movsd_xm(to, memory);
            }
        }
    }

    /// Whether the next so many reads of a shared register are its last.
    fn is_last_read(&self, operand: Operand, reads: usize) -> bool {
        matches!(operand, Operand::Shared(register) if self.reads[register.number() as usize] == reads)
    }

    /// Materialises an operand, just popped, in a register that may be overwritten.
    fn materialise(&mut self, operand: Operand, reads: usize) -> Xmm {
        match operand {
            Operand::Owned(register) => register,
            Operand::Shared(register) if self.is_last_read(operand, reads) => {
                self.free &= !(1 << register.number());
                register
            }
            _ => {
                let to = self.allocate();
                self.load(to, operand);
                to
            }
        }
    }

    /// Counts the reads of these operands for a result in `to`.
    fn count_reads(&mut self, operands: &[Operand], to: Xmm) {
        for &operand in operands {
            if let Operand::Shared(register) = operand {
                let reads = self.reads(register);
                *reads -= 1;
                if *reads == 0 && register != to {
                    self.set_free(register);
                }
            }
        }
    }

    fn unary(&mut self, op: Op) {
        let operand = self.pop();
        let to = self.materialise(operand, 1);
        self.count_reads(&[operand], to);
        if op == Op::Sqrt {
            self.a.sqrtsd_xx(to, to);
        } else {
            let sign = self.pool.sign(self.a);
            self.a.xorpd_xm(to, sign);
        }
        self.stack.push(Operand::Owned(to));
    }

    fn binary(&mut self, op: Op) {
        let right = self.pop();
        let left = self.pop();
        let reads = 1 + usize::from(left == right);
        let is_writable =
            |e: &Self, operand| matches!(operand, Operand::Owned(_)) || e.is_last_read(operand, reads);
        // The register of either operand of a sum or product can take the result, best the
        // one of the term that the result replaces.
        let commutes = matches!(op, Op::Add | Op::Mul);
        let doubles = op == Op::Mul && left == TWO;
        let swapped = doubles
            || commutes
                && is_writable(self, right)
                && (!is_writable(self, left) || self.is_last_read(right, reads));
        let (first, second) = if swapped { (right, left) } else { (left, right) };
        // The second operand is off the stack and its register is not free, so nothing
        // spills or overwrites it meanwhile.
        let to = self.materialise(first, reads);
        match second {
            TWO if op == Op::Mul => self.with_register(Op::Add, to, to),
            Operand::Owned(from) | Operand::Shared(from) => self.with_register(op, to, from),
            _ => {
                let memory = self.memory(second);
                self.with_memory(op, to, memory);
            }
        }
        if let Operand::Owned(register) = second {
            self.set_free(register);
        }
        self.count_reads(&[left, right], to);
        self.stack.push(Operand::Owned(to));
    }

    fn with_register(&mut self, op: Op, to: Xmm, from: Xmm) {
        match op {
            Op::Add => self.a.addsd_xx(to, from),
            Op::Sub => self.a.subsd_xx(to, from),
            Op::Mul => self.a.mulsd_xx(to, from),
            Op::Div => self.a.divsd_xx(to, from),
            _ => bug!("no operation on two operands"),
        };
    }

    fn with_memory(&mut self, op: Op, to: Xmm, from: Mem<64>) {
        match op {
            Op::Add => self.a.addsd_xm(to, from),
            Op::Sub => self.a.subsd_xm(to, from),
            Op::Mul => self.a.mulsd_xm(to, from),
            Op::Div => self.a.divsd_xm(to, from),
            _ => bug!("no operation on two operands"),
        };
    }
}
