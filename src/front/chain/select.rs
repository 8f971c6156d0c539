//! Instruction selection with strength reduction, for the least latency: each term
//! waits for the one before, so nothing else counts.
//!
//! ```text
//! rax rdx rcx r8       the term, in any of them; every operation may move it
//! rax rdx              rax has dividends, rdx the high half of a product
//! rcx r8 r9 r10 rax    scratch
//! rdi rsi rbx rbp r11 … r15   unchanged
//! ```
//!
//! Products by a constant become shifts, sums and `lea` where that takes fewer cycles
//! (Bernstein, 1986; two shifts and a sum, or two `lea`, are faster than a product, three
//! are not).
//! Division by a constant becomes multiplication by its reciprocal ([`divide`]). Two
//! neighbours that take fewer instructions together are matched first ([`pair`], a
//! peephole). Constants beyond 32 bits stand in the pool behind the code.
//!
//! Invariant: the emitted code computes [`Op::apply`] for every term in the abstract
//! value that it is told. Linear time.

mod divide;
mod pair;

use super::abstract_value::AbstractValue;
use super::ir::{Op, Operation};
use crate::front::bug;
use crate::front::pool::Pool;
use barejit_asm::{Asm, Gpr64, Mem, R8, R9, R10, RAX, RCX, RDX, Scale, address};

/// The registers that can hold the term where a loop begins.
pub(super) const TERM_REGISTERS: [Gpr64; 4] = [RAX, RDX, RCX, R8];

const SCRATCH: [Gpr64; 5] = [RCX, R8, R9, R10, RAX];

/// Emits operations.
pub(super) struct Selector<'e, 'a> {
    pub(super) a: &'e mut Asm<'a>,
    pool: &'e mut Pool,
}

/// A two-operand instruction that takes a constant.
#[derive(Clone, Copy)]
enum Alu {
    Add,
    And,
    Or,
    Xor,
}

/// `value` as an immediate operand, if it has 32 bits.
fn immediate(value: i64) -> Option<i32> {
    i32::try_from(value).ok()
}

/// A scratch register that is none of these.
fn other_than(taken: &[Gpr64]) -> Gpr64 {
    match SCRATCH.into_iter().find(|register| !taken.contains(register)) {
        Some(register) => register,
        None => bug!("more registers are taken than there are scratch registers"),
    }
}

impl<'e, 'a> Selector<'e, 'a> {
    pub(super) fn new(a: &'e mut Asm<'a>, pool: &'e mut Pool) -> Self {
        Self { a, pool }
    }

    /// `value` in memory.
    fn constant(&mut self, value: i64) -> Mem<64> {
        self.pool.quad(self.a, value as u64)
    }

    /// A copy, unless both are the same register.
    pub(super) fn mov(&mut self, to: Gpr64, from: Gpr64) {
        if to != from {
            self.a.mov_rr(to, from);
        }
    }

    /// Marks the next instructions as the code of `operation`.
    pub(super) fn mark(&mut self, operation: &Operation) {
        self.a.mark(operation.end);
        if let Some(rotated) = operation.rotated {
            self.a.mark(rotated);
        }
    }

    /// Emits all of `operations` for a term in `x` with this abstract value, and gives the
    /// register of the result.
    pub(super) fn emit(&mut self, mut operations: &[Operation], mut x: Gpr64, value: AbstractValue) -> Gpr64 {
        let mut value = value;
        while let [first, rest @ ..] = operations {
            self.mark(first);
            operations = rest;
            let between = first.op.transfer(value);
            if let [second, rest @ ..] = rest
                && let Some(register) = self.pair(first.op, second, x, value)
            {
                x = register;
                value = second.op.transfer(between);
                operations = rest;
                continue;
            }
            let preferred = rest.first().filter(|next| next.op.needs_reciprocal()).map(|_| RAX);
            x = self.operation(first.op, x, value, preferred);
            value = between;
        }
        x
    }

    /// Emits one operation, its result best in `preferred`.
    fn operation(&mut self, op: Op, x: Gpr64, value: AbstractValue, preferred: Option<Gpr64>) -> Gpr64 {
        match op {
            Op::Affine { factor, addend } => self.affine(x, factor, addend, preferred),
            Op::Bits { and, xor } => {
                self.bits(x, and, xor);
                x
            }
            Op::Sar { count } => {
                self.a.sar_ri(x, count as u8);
                x
            }
            Op::Quotient { divisor } if divisor.is_power_of_two() => {
                self.divide_by_power(x, 0, divisor.trailing_zeros(), false)
            }
            Op::Quotient { divisor } => self.quotient(x, divisor, value),
            Op::Remainder { divisor } if divisor.is_power_of_two() => {
                self.remainder_by_power(x, divisor);
                x
            }
            Op::Remainder { divisor } => self.remainder(x, divisor, value),
            Op::Constant { value } => {
                self.a.mov_ri(x, value);
                x
            }
        }
    }

    fn add(&mut self, x: Gpr64, addend: i64) {
        if addend != 0 {
            self.alu(Alu::Add, x, addend);
        }
    }

    /// An operation with a constant: in the instruction or in memory.
    fn alu(&mut self, op: Alu, x: Gpr64, value: i64) {
        if let Some(value) = immediate(value) {
            match op {
                Alu::Add => self.a.add_ri(x, value),
                Alu::And => self.a.and_ri(x, value),
                Alu::Or => self.a.or_ri(x, value),
                Alu::Xor => self.a.xor_ri(x, value),
            };
        } else {
            let memory = self.constant(value);
            match op {
                Alu::Add => self.a.add_rm(x, memory),
                Alu::And => self.a.and_rm(x, memory),
                Alu::Or => self.a.or_rm(x, memory),
                Alu::Xor => self.a.xor_rm(x, memory),
            };
        }
    }

    /// `x·factor + addend`, the factor an odd number shifted left.
    fn affine(&mut self, x: Gpr64, factor: i64, addend: i64, preferred: Option<Gpr64>) -> Gpr64 {
        let free = preferred.filter(|register| *register != x);
        let t = free.unwrap_or_else(|| other_than(&[x]));
        let shift = factor.trailing_zeros() as u8;
        let odd = factor >> shift;
        match (odd, immediate(addend)) {
            (1, Some(addend)) if shift == 0 && free.is_some() => {
                self.a.lea(t, address(x).disp(addend));
                t
            }
            (1, _) => {
                self.shift_left(x, shift);
                self.add(x, addend);
                x
            }
            (-1, Some(0)) if shift == 0 => {
                self.a.neg_r(x);
                x
            }
            (-1, _) => {
                self.shift_left(x, shift);
                self.a.mov_ri(t, addend).sub_rr(t, x);
                t
            }
            (3 | 5 | 9, Some(addend)) if shift == 0 => {
                let scale = [Scale::X2, Scale::X4, Scale::X8][odd as usize >> 2];
                let to = free.unwrap_or(x);
                self.a.lea(to, address(x).index(x, scale).disp(addend));
                to
            }
            _ => {
                let to = free.unwrap_or(x);
                if let Some(form) = Self::shift_and_sum(odd) {
                    self.sum_of_shifts(x, t, form, shift, addend)
                } else if let Some((first, second)) = Self::two_sums(factor) {
                    self.a.lea(t, address(x).index(x, first));
                    // While that is computed, x can take the addend if it is a base only.
                    let (early, late) = if second.base_is_x { (addend, 0) } else { (0, addend) };
                    self.add(x, early);
                    let [base, index] =
                        [second.base_is_x, second.index_is_x].map(|is_x| if is_x { x } else { t });
                    self.a.lea(to, address(base).index(index, second.scale));
                    self.add(to, late);
                    to
                } else {
                    self.product(x, to, factor, addend)
                }
            }
        }
    }

    /// The two sums, each a `lea`, that multiply by `factor`: x plus x scaled, and one of x
    /// and the first.
    fn two_sums(factor: i64) -> Option<(Scale, ScaledSum)> {
        const SCALES: [(i64, Scale); 3] = [(2, Scale::X2), (4, Scale::X4), (8, Scale::X8)];
        for (base_is_x, index_is_x) in [(true, false), (false, true), (false, false)] {
            for (one, first) in SCALES {
                for (two, second) in SCALES {
                    let multiple = |is_x: bool| if is_x { 1 } else { 1 + one };
                    if factor == multiple(base_is_x) + multiple(index_is_x) * two {
                        return Some((first, ScaledSum { base_is_x, index_is_x, scale: second }));
                    }
                }
            }
        }
        None
    }

    fn shift_left(&mut self, x: Gpr64, shift: u8) {
        if shift > 0 {
            self.a.shl_ri(x, shift);
        }
    }

    /// The form that multiplies by `odd` with one shift, and how far it shifts.
    fn shift_and_sum(odd: i64) -> Option<(Sum, u8)> {
        let shift =
            |power: i64| (power > 1 && power & (power - 1) == 0).then(|| power.trailing_zeros() as u8);
        let plus = shift(odd.wrapping_sub(1)).map(|shift| (Sum::ShiftedPlusX, shift));
        let minus = || shift(odd.wrapping_add(1)).map(|shift| (Sum::ShiftedMinusX, shift));
        let reverse = || shift(1i64.wrapping_sub(odd)).map(|shift| (Sum::XMinusShifted, shift));
        plus.or_else(minus).or_else(reverse)
    }

    /// `x·odd·2^shift + addend` in `t` or `x`.
    fn sum_of_shifts(&mut self, x: Gpr64, t: Gpr64, (form, by): (Sum, u8), shift: u8, addend: i64) -> Gpr64 {
        self.a.mov_rr(t, x).shl_ri(t, by + shift);
        // The operand that is not shifted by `by` is ready a cycle earlier: it takes the
        // addend or its own shift.
        if shift > 0 {
            self.a.shl_ri(x, shift);
        } else {
            self.add(x, if form == Sum::ShiftedMinusX { addend.wrapping_neg() } else { addend });
        }
        let to = if form == Sum::XMinusShifted { x } else { t };
        match form {
            Sum::ShiftedPlusX => self.a.add_rr(t, x),
            Sum::ShiftedMinusX => self.a.sub_rr(t, x),
            Sum::XMinusShifted => self.a.sub_rr(x, t),
        };
        if shift > 0 {
            self.add(to, addend);
        }
        to
    }

    /// `x·factor + addend` in `to`, by a multiplication.
    fn product(&mut self, x: Gpr64, to: Gpr64, factor: i64, addend: i64) -> Gpr64 {
        match immediate(factor) {
            Some(factor) => self.a.imul_rri(to, x, factor),
            None => {
                let factor = self.constant(factor);
                self.mov(to, x);
                self.a.imul_rm(to, factor)
            }
        };
        self.add(to, addend);
        to
    }

    /// `(x & and) ^ xor`. The answer is whether SF is the sign of the result.
    fn bits(&mut self, x: Gpr64, and: i64, xor: i64) -> bool {
        if and == !xor {
            self.alu(Alu::Or, x, xor);
            return true;
        }
        let anded = match (and, immediate(and), u32::try_from(and)) {
            (-1, ..) => false,
            // An instruction on 32 bits clears the upper half.
            (0xFFFF_FFFF, ..) => {
                self.a.mov_rr(x.resize::<32>(), x.resize());
                false
            }
            (_, None, Ok(mask)) => {
                self.a.and_ri(x.resize::<32>(), mask as i32);
                false
            }
            _ => {
                self.alu(Alu::And, x, and);
                true
            }
        };
        match xor {
            0 => anded,
            -1 => {
                self.a.not_r(x);
                false
            }
            _ => {
                self.alu(Alu::Xor, x, xor);
                true
            }
        }
    }
}

/// A base plus a scaled index, as `lea` takes them; each is x or the sum before.
#[derive(Clone, Copy)]
struct ScaledSum {
    base_is_x: bool,
    index_is_x: bool,
    scale: Scale,
}

/// A product by 2^k ± 1 as a shifted x and x.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sum {
    /// `x·2^k + x`.
    ShiftedPlusX,
    /// `x·2^k − x`.
    ShiftedMinusX,
    /// `x − x·2^k`.
    XMinusShifted,
}
