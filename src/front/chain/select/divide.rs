//! Strength reduction of divisions: quotients and remainders by a constant without a
//! division instruction.
//!
//! A power of two becomes a shift or a mask with a correction for negative dividends.
//! Every other divisor becomes a product with its reciprocal ([`Magic`]).
//!
//! Invariant: the code computes [`Op::apply`](super::super::ir::Op::apply) for every dividend
//! in the abstract value that it is told. Constant time.

use super::super::abstract_value::AbstractValue;
use super::super::magic::Magic;
use super::{Alu, Selector, immediate, other_than};
use barejit_asm::{Cond, Gpr64, RAX, RCX, RDX, address};

impl Selector<'_, '_> {
    /// `(x + addend) / 2^k`: a negative dividend first grows by 2^k − 1. If `tested`, SF is
    /// the sign of x.
    pub(super) fn divide_by_power(&mut self, x: Gpr64, addend: i64, k: u32, tested: bool) -> Gpr64 {
        let t = other_than(&[x]);
        if k == 1 {
            self.add(x, addend);
            self.a.mov_rr(t, x).shr_ri(t, 63).add_rr(x, t).sar_ri(x, 1);
            return x;
        }
        let rounding = ((1u64 << k) - 1) as i64;
        let rounding = rounding.wrapping_add(addend);
        match immediate(rounding) {
            Some(rounding) => self.a.lea(t, address(x).disp(rounding)),
            None => self.a.mov_ri(t, rounding).add_rr(t, x),
        };
        match addend {
            // `lea` leaves the flags as they are.
            0 if tested && immediate(rounding).is_some() => {}
            0 => _ = self.a.test_rr(x, x),
            _ => self.add(x, addend),
        }
        self.a.cmovcc_rr(Cond::S, x, t).sar_ri(x, k as u8);
        x
    }

    /// `x % divisor` for a power of two: the low bits, and for a negative x with low bits
    /// that are not all zero, all higher bits too. As an unsigned number, the sign and the
    /// low bits alone exceed 2⁶³ in exactly this case.
    pub(super) fn remainder_by_power(&mut self, x: Gpr64, divisor: u64) {
        let negative = other_than(&[x]);
        let tell = other_than(&[x, negative]);
        let mask = (divisor - 1) as i64;
        let sign = self.constant(i64::MIN);
        self.a.mov_rr(tell, x);
        self.alu(Alu::And, tell, mask | i64::MIN);
        self.a.mov_rr(negative, x);
        self.alu(Alu::Or, negative, !mask);
        self.bits(x, mask, 0);
        self.a.cmp_rm(tell, sign).cmovcc_rr(Cond::A, x, negative);
    }

    /// The high half of `x·m / 2^shift` in RDX: the quotient of a non-negative x, or the
    /// quotient minus 1 of a negative x. With `keep`, x stays in the register given.
    pub(super) fn reciprocal(&mut self, x: Gpr64, divisor: u64, value: AbstractValue, keep: bool) -> Gpr64 {
        let magic = Magic::new(divisor, value.low, value.high);
        let kept = if x == RAX || x == RDX { RCX } else { x };
        if keep {
            self.mov(kept, x);
        }
        self.mov(RAX, x);
        let factor = self.constant(magic.factor as i64);
        if value.is_non_negative() {
            self.a.mul_m(factor);
            if magic.shift > 0 {
                self.a.shr_ri(RDX, magic.shift as u8);
            }
        } else {
            self.a.imul1_m(factor);
            // A factor of 2⁶³ or more reads as a signed number that is 2⁶⁴ too small.
            if magic.factor >> 63 != 0 {
                self.a.add_rr(RDX, kept);
            }
            if magic.shift > 0 {
                self.a.sar_ri(RDX, magic.shift as u8);
            }
        }
        kept
    }

    pub(super) fn quotient(&mut self, x: Gpr64, divisor: u64, value: AbstractValue) -> Gpr64 {
        let signed = !value.is_non_negative();
        let kept = self.reciprocal(x, divisor, value, signed);
        if signed {
            self.a.sar_ri(kept, 63).sub_rr(RDX, kept);
        }
        RDX
    }

    pub(super) fn remainder(&mut self, x: Gpr64, divisor: u64, value: AbstractValue) -> Gpr64 {
        if value.is_non_negative()
            && let Some(factor) = Magic::direct(divisor, value.high)
        {
            return self.direct_remainder(x, factor as i64, 0, divisor);
        }
        let kept = self.reciprocal(x, divisor, value, true);
        if !value.is_non_negative() {
            // The quotient of a negative x is 1 too small: x grows by −divisor while the
            // product is computed.
            let t = other_than(&[kept, RAX]);
            self.a.mov_rr(t, kept).sar_ri(t, 63);
            self.alu(Alu::And, t, divisor as i64);
            self.a.sub_rr(kept, t);
        }
        let t = other_than(&[RDX, kept]);
        let product = self.affine(RDX, divisor as i64, 0, Some(t));
        self.a.sub_rr(kept, product);
        kept
    }

    /// The remainder by `divisor` without a quotient; `x·factor + addend` is the product of
    /// the dividend and the reciprocal.
    pub(super) fn direct_remainder(&mut self, x: Gpr64, factor: i64, addend: i64, divisor: u64) -> Gpr64 {
        let (factor, divisor) = (self.constant(factor), self.constant(divisor as i64));
        self.mov(RAX, x);
        self.a.imul_rm(RAX, factor);
        self.add(RAX, addend);
        self.a.mul_m(divisor);
        RDX
    }
}
