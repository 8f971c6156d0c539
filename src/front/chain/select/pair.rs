//! Peephole: two neighbouring operations that take fewer instructions together.
//!
//! Source: McKeeman, *Peephole optimization*, 1965, on operations in place of instructions.
//! Invariant: the code computes the second operation of the first, for every term in the
//! abstract value. Constant time.

use super::super::abstract_value::AbstractValue;
use super::super::ir::{Op, Operation};
use super::super::magic::Magic;
use super::Selector;
use barejit_asm::{Gpr64, RDX};

impl Selector<'_, '_> {
    /// Emits `first` and `second` together, if they match a pattern.
    pub(super) fn pair(
        &mut self,
        first: Op,
        second: &Operation,
        x: Gpr64,
        value: AbstractValue,
    ) -> Option<Gpr64> {
        let between = first.transfer(value);
        Some(match (first, second.op) {
            // A left and a right shift by the same count extend the sign.
            (Op::Affine { factor, addend: 0 }, Op::Sar { count: count @ (32 | 48 | 56) })
                if 1 << count == factor =>
            {
                self.mark(second);
                match count {
                    32 => self.a.movsxd_rr(x, x.resize()),
                    48 => self.a.movsx_r16(x, x.resize()),
                    _ => self.a.movsx_r8(x, x.resize()),
                };
                x
            }
            // The factor and the reciprocal are one factor.
            (Op::Affine { factor, addend }, Op::Remainder { divisor })
                if between.is_non_negative() && second.op.needs_reciprocal() =>
            {
                let magic = Magic::direct(divisor, between.high)? as i64;
                self.mark(second);
                self.direct_remainder(x, magic.wrapping_mul(factor), magic.wrapping_mul(addend), divisor)
            }
            // The addend and the rounding of the dividend are one addend.
            (Op::Affine { factor, addend }, Op::Quotient { divisor })
                if divisor.is_power_of_two() && divisor > 2 =>
            {
                let x = self.affine(x, factor, 0, None);
                self.mark(second);
                self.divide_by_power(x, addend, divisor.trailing_zeros(), false)
            }
            // The first leaves the sign of the dividend in SF.
            (Op::Bits { and, xor }, Op::Quotient { divisor }) if divisor.is_power_of_two() => {
                let tested = self.bits(x, and, xor);
                self.mark(second);
                self.divide_by_power(x, 0, divisor.trailing_zeros(), tested)
            }
            // A quotient is the product minus the sign, a negated one the sign minus the
            // product.
            (Op::Quotient { divisor }, Op::Affine { factor: -1, addend })
                if first.needs_reciprocal() && !value.is_non_negative() =>
            {
                let sign = self.reciprocal(x, divisor, value, true);
                self.mark(second);
                self.a.sar_ri(sign, 63).sub_rr(sign, RDX);
                self.add(sign, addend);
                sign
            }
            _ => return None,
        })
    }
}
