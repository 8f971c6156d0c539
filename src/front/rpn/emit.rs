//! Operations as SSE2 instructions: one term.
//!
//! ```text
//! xmm0 … xmm(W−1)   window: the last W terms; each unrolled copy of the loop puts
//!                   its term where the oldest was, so nothing moves
//! xmmW … xmm14      operands between operations; the oldest spill into memory, but not
//!                   those with several readers
//! xmm15             the index, if the relation uses it
//! ```
//!
//! Constants and terms beyond the window are operands in memory.

use super::fold::SHARED;
use super::parse::{Op, Part};
use crate::front::pool::Pool;
use crate::front::series::Layout;
use alloc::vec::Vec;
use barejit_asm::{Asm, Gpr64, Mem, RSI, XMM0, Xmm, qword};

/// Back-references up to this one find their term in a register.
pub(super) const WINDOW: usize = 8;

/// Where the index of the term is, as an f64.
pub(super) const INDEX: Xmm = Xmm::new(15);

/// The factor that a sum does the work of.
const TWO: Place = Place::Constant(2f64.to_bits());

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Constant(u64),
    /// A register that has other readers: a term of the window, the index, or a result
    /// that is shared.
    Term(Xmm),
    /// A term in memory.
    Back(usize),
    /// A register of its own.
    Own(Xmm),
    Spilled,
}

/// What all copies of the loop have in common.
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
    /// How many terms the window has.
    pub(super) window: usize,
    /// Whether the index is used.
    pub(super) indexed: bool,
    pub(super) layout: Layout,
}

impl Plan {
    /// The register that holds the term `back` before the one of this copy.
    pub(super) fn slot(&self, copy: usize, back: usize) -> Xmm {
        Xmm::new(copy.checked_sub(back).unwrap_or(copy + self.window - back) as u8)
    }
}

pub(super) struct Emitter<'e, 'a> {
    a: &'e mut Asm<'a>,
    pool: &'e mut Pool,
    plan: &'e Plan,
    /// The base of the layout.
    base: Gpr64,
    copy: usize,
    stack: Vec<Place>,
    /// Below this place of the stack everything that could be spilled is.
    spilled: usize,
    /// Registers that nobody has, a bit each.
    free: u16,
    /// How often each register is still to be read until it is nobody's.
    reads: [usize; 16],
    /// Where shared results are.
    shared: [Xmm; SHARED as usize],
}

impl<'e, 'a> Emitter<'e, 'a> {
    /// For the term of this copy.
    pub(super) fn new(
        a: &'e mut Asm<'a>,
        pool: &'e mut Pool,
        plan: &'e Plan,
        base: Gpr64,
        copy: usize,
    ) -> Self {
        let last = if plan.indexed { 15 } else { 16 };
        let free = ((1u32 << last) - (1 << plan.window)) as u16;
        let (reads, shared) = ([usize::MAX; 16], [XMM0; SHARED as usize]);
        let mut emitter =
            Self { a, pool, plan, base, copy, stack: Vec::new(), spilled: 0, free, reads, shared };
        if let Some(slot) = emitter.oldest_slot() {
            emitter.is_read(slot, emitter.count(Op::Back(plan.window)));
        }
        emitter
    }

    /// How often the term reads a value.
    fn count(&self, op: Op) -> usize {
        self.plan.parts.iter().filter(|part| part.op == op).count()
    }

    /// A register is nobody's after so many reads.
    fn is_read(&mut self, register: Xmm, reads: usize) {
        self.reads[register.number() as usize] = reads;
        if reads == 0 {
            self.free |= 1 << register.number();
        }
    }

    /// One term, into the register that it gives. RSI points to where it belongs
    /// in memory.
    pub(super) fn term(mut self) -> Xmm {
        let (plan, copy) = (self.plan, self.copy);
        let mut end = 0;
        for part in &plan.parts {
            end = part.end;
            if part.op.takes() > 0 {
                self.a.mark(end);
            }
            match part.op {
                Op::Constant(value) => self.push(Place::Constant(value.to_bits())),
                Op::Back(back) if back <= plan.window => {
                    self.push(Place::Term(plan.slot(copy, back)));
                }
                Op::Back(back) => self.push(Place::Back(back)),
                Op::Index => self.push(Place::Term(INDEX)),
                Op::Again(shared) => self.push(Place::Term(self.shared[shared as usize - 1])),
                Op::Sqrt | Op::Negate => self.unary(part.op),
                Op::Add | Op::Sub | Op::Mul | Op::Div => self.binary(part.op),
            }
            if part.shared > 0
                && let Some(top) = self.stack.last_mut()
                && let Place::Own(register) = *top
            {
                *top = Place::Term(register);
                self.shared[part.shared as usize - 1] = register;
                self.is_read(register, 1 + self.count(Op::Again(part.shared)));
            }
        }
        let result = self.pop();
        let to = match result {
            _ if plan.window > 0 => plan.slot(copy, plan.window),
            Place::Own(register) => return register,
            _ => XMM0,
        };
        if result != Place::Own(to) && result != Place::Term(to) {
            self.a.mark(end);
            self.load(to, result);
        }
        to
    }

    /// The oldest term of the window, whose register gets the result.
    fn oldest_slot(&self) -> Option<Xmm> {
        (self.plan.window > 0).then(|| self.plan.slot(self.copy, self.plan.window))
    }

    #[inline(never)]
    fn push(&mut self, place: Place) {
        self.stack.push(place);
    }

    #[inline(never)]
    fn pop(&mut self) -> Place {
        // The text was checked: there is an operand.
        let place = self.stack.pop().unwrap_or(Place::Constant(0));
        self.spilled = self.spilled.min(self.stack.len());
        place
    }

    /// A register of one's own, best the one where the result belongs.
    fn own(&mut self) -> Xmm {
        while self.free == 0 {
            // Temporaries outnumber the registers, so there is one to spill.
            let at = self.spilled;
            self.spilled += 1;
            let memory = self.spill(at);
            if let Some(place) = self.stack.get_mut(at)
                && let Place::Own(register) = *place
            {
                *place = Place::Spilled;
                self.a.movsd_mx(memory, register);
                self.free |= 1 << register.number();
            }
        }
        let best = self.oldest_slot().filter(|slot| self.free & 1 << slot.number() != 0);
        let register = best.unwrap_or_else(|| Xmm::new(self.free.trailing_zeros() as u8));
        self.free &= !(1 << register.number());
        register
    }

    fn spill(&self, at: usize) -> Mem<64> {
        qword(self.base).disp(self.plan.layout.scratch(at))
    }

    /// An operand in memory. One that was spilled was the lowest of those popped: all
    /// that is above it was computed later.
    fn memory(&mut self, place: Place) -> Mem<64> {
        match place {
            Place::Constant(bits) => self.pool.quad(self.a, bits),
            Place::Back(back) => qword(RSI).disp(-(back as i32 * 8)),
            _ => self.spill(self.stack.len()),
        }
    }

    /// Copies the operand that was on top of the stack.
    fn load(&mut self, to: Xmm, place: Place) {
        match place {
            Place::Own(from) | Place::Term(from) => {
                self.a.movapd_xx(to, from);
            }
            Place::Constant(0) => {
                self.a.xorpd_xx(to, to);
            }
            _ => {
                let memory = self.memory(place);
                self.a.movsd_xm(to, memory);
            }
        }
    }

    /// Whether the term in this register is read for the last time, by so many
    /// operands.
    #[inline(never)] // Three callers.
    fn dies(&self, place: Place, reads: usize) -> bool {
        matches!(place, Place::Term(register) if self.reads[register.number() as usize] == reads)
    }

    /// Makes `place`, popped before, a register of its own.
    fn owned(&mut self, place: Place, reads: usize) -> Xmm {
        match place {
            Place::Own(register) => register,
            Place::Term(register) if self.dies(place, reads) => {
                self.free &= !(1 << register.number());
                register
            }
            _ => {
                let to = self.own();
                self.load(to, place);
                to
            }
        }
    }

    /// Tells that the operands at these places were read for a result in `to`.
    fn read(&mut self, places: &[Place], to: Xmm) {
        for &place in places {
            if let Place::Term(register) = place {
                let reads = &mut self.reads[register.number() as usize];
                *reads -= 1;
                if *reads == 0 && register != to {
                    self.free |= 1 << register.number();
                }
            }
        }
    }

    fn unary(&mut self, op: Op) {
        let operand = self.pop();
        let to = self.owned(operand, 1);
        self.read(&[operand], to);
        match op {
            Op::Sqrt => self.a.sqrtsd_xx(to, to),
            _ => {
                let sign = self.pool.sign(self.a);
                self.a.xorpd_xm(to, sign)
            }
        };
        self.push(Place::Own(to));
    }

    fn binary(&mut self, op: Op) {
        let right = self.pop();
        let left = self.pop();
        let reads = 1 + usize::from(left == right);
        let own = |e: &Self, place| matches!(place, Place::Own(_)) || e.dies(place, reads);
        // In a sum or product the register of either operand serves, best that of the
        // term whose place the result takes.
        let commutes = matches!(op, Op::Add | Op::Mul);
        let doubles = op == Op::Mul && left == TWO;
        let swapped =
            doubles || commutes && own(self, right) && (!own(self, left) || self.dies(right, reads));
        let (first, second) = if swapped { (right, left) } else { (left, right) };
        // The second must not be spilled or overwritten meanwhile: it is off the
        // stack, and its register is not free.
        let to = self.owned(first, reads);
        match second {
            // Exact as well, and a sum takes less time than a product.
            TWO if op == Op::Mul => self.with_register(Op::Add, to, to),
            Place::Own(from) | Place::Term(from) => self.with_register(op, to, from),
            _ => {
                let memory = self.memory(second);
                self.with_memory(op, to, memory);
            }
        }
        if let Place::Own(register) = second {
            self.free |= 1 << register.number();
        }
        self.read(&[left, right], to);
        self.push(Place::Own(to));
    }

    fn with_register(&mut self, op: Op, to: Xmm, from: Xmm) {
        match op {
            Op::Add => self.a.addsd_xx(to, from),
            Op::Sub => self.a.subsd_xx(to, from),
            Op::Mul => self.a.mulsd_xx(to, from),
            _ => self.a.divsd_xx(to, from),
        };
    }

    fn with_memory(&mut self, op: Op, to: Xmm, from: Mem<64>) {
        match op {
            Op::Add => self.a.addsd_xm(to, from),
            Op::Sub => self.a.subsd_xm(to, from),
            Op::Mul => self.a.mulsd_xm(to, from),
            _ => self.a.divsd_xm(to, from),
        };
    }
}
