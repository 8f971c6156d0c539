//! Operations as instructions, for the least latency: each term waits for the
//! one before, so nothing else counts.
//!
//! The term lives in a register that each operation may change: high halves of
//! products come out in RDX, dividends have to be in RAX. RDI, RSI, RBX, RBP and
//! R11 to R15 stay as they are. Constants beyond 32 bits stand behind the code.

use super::fold::{Op, Part};
use super::magic::Magic;
use super::state::State;
use crate::front::pool::Pool;
use barejit_asm::{Asm, Cond, Gpr32, Gpr64, Mem, R8, R9, R10, RAX, RCX, RDX, Scale, address};

/// Where a term can be.
pub(super) const HOMES: [Gpr64; 4] = [RAX, RDX, RCX, R8];

const SCRATCH: [Gpr64; 5] = [RCX, R8, R9, R10, RAX];

pub(super) struct Emitter<'e, 'a> {
    pub(super) a: &'e mut Asm<'a>,
    pool: &'e mut Pool,
}

#[derive(Clone, Copy)]
enum Alu {
    Add,
    And,
    Or,
    Xor,
}

const fn low(register: Gpr64) -> Gpr32 {
    register.resize()
}

const fn short(value: i64) -> Option<i32> {
    if value as i32 as i64 == value { Some(value as i32) } else { None }
}

/// A scratch register that is none of these.
#[inline(never)]
fn other_than(taken: &[Gpr64]) -> Gpr64 {
    *SCRATCH.iter().find(|register| !taken.contains(register)).unwrap_or(&R10)
}

impl<'e, 'a> Emitter<'e, 'a> {
    pub(super) fn new(a: &'e mut Asm<'a>, pool: &'e mut Pool) -> Self {
        Self { a, pool }
    }

    /// `value` in memory.
    fn constant(&mut self, value: i64) -> Mem<64> {
        self.pool.quad(self.a, value as u64)
    }

    #[inline(never)]
    pub(super) fn mov(&mut self, to: Gpr64, from: Gpr64) {
        if to != from {
            self.a.mov_rr(to, from);
        }
    }

    /// All of `parts`, with the term in `x` and this state; gives where it is then.
    pub(super) fn parts(&mut self, mut parts: &[Part], mut x: Gpr64, mut state: State) -> Gpr64 {
        while let [first, rest @ ..] = parts {
            self.mark(first);
            parts = rest;
            let between = first.op.state(state);
            if let [second, rest @ ..] = rest
                && let Some(place) = self.pair(first.op, second, x, state)
            {
                x = place;
                state = second.op.state(between);
                parts = rest;
                continue;
            }
            let wanted = rest.first().filter(|next| next.op.multiplies()).map(|_| RAX);
            x = self.op(first.op, x, state, wanted);
            state = between;
        }
        x
    }

    /// Marks what comes next as the code of `part`.
    #[inline(never)]
    pub(super) fn mark(&mut self, part: &Part) {
        self.a.mark(part.end);
        if part.turned != 0 {
            self.a.mark(part.turned);
        }
    }

    /// Two operations that take fewer instructions together, if they do.
    fn pair(&mut self, first: Op, second: &Part, x: Gpr64, state: State) -> Option<Gpr64> {
        let between = first.state(state);
        Some(match (first, second.op) {
            // Up and down again extends the sign.
            (Op::Affine { a, b: 0 }, Op::Sar(k @ (32 | 48 | 56))) if 1 << k == a => {
                self.mark(second);
                match k {
                    32 => self.a.movsxd_rr(x, low(x)),
                    48 => self.a.movsx_r16(x, x.resize()),
                    _ => self.a.movsx_r8(x, x.resize()),
                };
                x
            }
            // The factor and the reciprocal are one factor.
            (Op::Affine { a, b }, Op::Rem(d)) if between.is_natural() && second.op.multiplies() => {
                let factor = Magic::direct(d, between.high)? as i64;
                self.mark(second);
                self.direct(x, factor.wrapping_mul(a), factor.wrapping_mul(b), d)
            }
            // What the dividend and its rounding add, they add at once.
            (Op::Affine { a, b }, Op::Div(d)) if d.is_power_of_two() && d > 2 => {
                let x = self.affine(x, a, 0, None);
                self.mark(second);
                self.halve(x, b, d.trailing_zeros(), false)
            }
            // The sign is in the flags.
            (Op::Bits { and, xor }, Op::Div(d)) if d.is_power_of_two() => {
                let tested = self.bits(x, and, xor);
                self.mark(second);
                self.halve(x, 0, d.trailing_zeros(), tested)
            }
            // The sign is taken from the quotient, or the quotient from the sign.
            (Op::Div(d), Op::Affine { a: -1, b }) if first.multiplies() && !state.is_natural() => {
                let sign = self.reciprocal(x, d, state, true);
                self.mark(second);
                self.a.sar_ri(sign, 63).sub_rr(sign, RDX);
                self.add(sign, b);
                sign
            }
            _ => return None,
        })
    }

    fn op(&mut self, op: Op, x: Gpr64, state: State, wanted: Option<Gpr64>) -> Gpr64 {
        match op {
            Op::Affine { a, b } => self.affine(x, a, b, wanted),
            Op::Bits { and, xor } => {
                self.bits(x, and, xor);
                x
            }
            Op::Sar(k) => {
                self.a.sar_ri(x, k as u8);
                x
            }
            Op::Div(d) if d.is_power_of_two() => self.halve(x, 0, d.trailing_zeros(), false),
            Op::Div(d) => self.quotient(x, d, state),
            Op::Rem(d) if d.is_power_of_two() => {
                self.low_bits(x, d);
                x
            }
            Op::Rem(d) => self.remainder(x, d, state),
            Op::Set(value) => {
                self.a.mov_ri(x, value);
                x
            }
        }
    }

    fn add(&mut self, x: Gpr64, b: i64) {
        if b != 0 {
            self.alu(Alu::Add, x, b);
        }
    }

    /// An operation with a constant: in the instruction or in memory.
    fn alu(&mut self, op: Alu, x: Gpr64, value: i64) {
        if let Some(value) = short(value) {
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

    /// `a·x + b`. Two shifts and a sum are faster than a product, three are not.
    fn affine(&mut self, x: Gpr64, a: i64, b: i64, wanted: Option<Gpr64>) -> Gpr64 {
        let free = wanted.filter(|register| *register != x);
        let t = free.unwrap_or_else(|| other_than(&[x]));
        let up = a.trailing_zeros() as u8;
        let odd = a >> up;
        match (odd, short(b)) {
            (1, Some(b)) if up == 0 && free.is_some() => {
                self.a.lea(t, address(x).disp(b));
                return t;
            }
            (1, _) => {
                if up > 0 {
                    self.a.shl_ri(x, up);
                }
                self.add(x, b);
                return x;
            }
            (-1, Some(0)) if up == 0 => {
                self.a.neg_r(x);
                return x;
            }
            (-1, _) => {
                if up > 0 {
                    self.a.shl_ri(x, up);
                }
                self.a.mov_ri(t, b).sub_rr(t, x);
                return t;
            }
            (3 | 5 | 9, Some(b)) if up == 0 => {
                let scale = [Scale::X2, Scale::X4, Scale::X8][odd as usize >> 2];
                let to = free.unwrap_or(x);
                self.a.lea(to, address(x).index(x, scale).disp(b));
                return to;
            }
            _ => {}
        }
        let powers = [odd.wrapping_sub(1), odd.wrapping_add(1), 1i64.wrapping_sub(odd)];
        let sum = (0..).zip(powers).find(|(_, power)| *power > 1 && power & (power - 1) == 0);
        let Some((form, power)) = sum else {
            let to = free.unwrap_or(x);
            match short(a) {
                Some(a) => self.a.imul_rri(to, x, a),
                None => {
                    let a = self.constant(a);
                    self.mov(to, x);
                    self.a.imul_rm(to, a)
                }
            };
            self.add(to, b);
            return to;
        };
        self.a.mov_rr(t, x).shl_ri(t, power.trailing_zeros() as u8 + up);
        // The lesser part of the sum has time for `b` or for its shift.
        if up > 0 {
            self.a.shl_ri(x, up);
        } else {
            self.add(x, if form == 1 { b.wrapping_neg() } else { b });
        }
        let to = if form == 2 { x } else { t };
        match form {
            0 => self.a.add_rr(t, x),
            1 => self.a.sub_rr(t, x),
            _ => self.a.sub_rr(x, t),
        };
        if up > 0 {
            self.add(to, b);
        }
        to
    }

    /// `(x & and) ^ xor`; whether SF is its sign.
    fn bits(&mut self, x: Gpr64, and: i64, xor: i64) -> bool {
        if and == !xor {
            self.alu(Alu::Or, x, xor);
            return true;
        }
        let anded = match (and, short(and), u32::try_from(and)) {
            (-1, ..) => false,
            (0xFFFF_FFFF, ..) => {
                self.a.mov_rr(low(x), low(x));
                false
            }
            (_, None, Ok(mask)) => {
                self.a.and_ri(low(x), mask as i32);
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

    /// `(x + b) / 2^k`: negative dividends first go up by 2^k − 1. If it was `tested`, SF
    /// is the sign of x.
    fn halve(&mut self, x: Gpr64, b: i64, k: u32, tested: bool) -> Gpr64 {
        let t = other_than(&[x]);
        if k == 1 {
            self.add(x, b);
            self.a.mov_rr(t, x).shr_ri(t, 63).add_rr(x, t).sar_ri(x, 1);
            return x;
        }
        let up = ((1u64 << k) - 1) as i64;
        let up = up.wrapping_add(b);
        match short(up) {
            Some(up) => self.a.lea(t, address(x).disp(up)),
            None => self.a.mov_ri(t, up).add_rr(t, x),
        };
        match b {
            0 if tested && short(up).is_some() => {}
            0 => _ = self.a.test_rr(x, x),
            _ => self.add(x, b),
        }
        self.a.cmovcc_rr(Cond::S, x, t).sar_ri(x, k as u8);
        x
    }

    /// `x % d` for a power of two: the low bits, and for a negative x that has
    /// any, all the bits above too. Unsigned, the sign and low bits alone are
    /// above 2⁶³ then and only then.
    fn low_bits(&mut self, x: Gpr64, d: u64) {
        let (negative, tell) = (other_than(&[x]), other_than(&[x, other_than(&[x])]));
        let mask = (d - 1) as i64;
        let sign = self.constant(i64::MIN);
        self.a.mov_rr(tell, x);
        self.alu(Alu::And, tell, mask | i64::MIN);
        self.a.mov_rr(negative, x);
        self.alu(Alu::Or, negative, !mask);
        self.bits(x, mask, 0);
        self.a.cmp_rm(tell, sign).cmovcc_rr(Cond::A, x, negative);
    }

    /// The high half of `x·m / 2^shift` in RDX, which is the quotient of a natural
    /// x, or of a negative x the quotient less 1. `keep` x in the register given.
    fn reciprocal(&mut self, x: Gpr64, d: u64, state: State, keep: bool) -> Gpr64 {
        let magic = Magic::new(d, state.low, state.high);
        let kept = if x == RAX || x == RDX { RCX } else { x };
        if keep {
            self.mov(kept, x);
        }
        self.mov(RAX, x);
        let factor = self.constant(magic.factor as i64);
        if state.is_natural() {
            self.a.mul_m(factor);
            if magic.shift > 0 {
                self.a.shr_ri(RDX, magic.shift as u8);
            }
        } else {
            self.a.imul1_m(factor);
            // As a signed number the factor may be 2⁶⁴ too small.
            if magic.factor >> 63 != 0 {
                self.a.add_rr(RDX, kept);
            }
            if magic.shift > 0 {
                self.a.sar_ri(RDX, magic.shift as u8);
            }
        }
        kept
    }

    fn quotient(&mut self, x: Gpr64, d: u64, state: State) -> Gpr64 {
        let natural = state.is_natural();
        let kept = self.reciprocal(x, d, state, !natural);
        if !natural {
            self.a.sar_ri(kept, 63).sub_rr(RDX, kept);
        }
        RDX
    }

    fn remainder(&mut self, x: Gpr64, d: u64, state: State) -> Gpr64 {
        if state.is_natural()
            && let Some(factor) = Magic::direct(d, state.high)
        {
            return self.direct(x, factor as i64, 0, d);
        }
        let kept = self.reciprocal(x, d, state, true);
        if !state.is_natural() {
            // The quotient of a negative x is 1 too small: take d from x instead,
            // while the product is under way.
            let t = other_than(&[kept, RAX]);
            self.a.mov_rr(t, kept).sar_ri(t, 63);
            self.alu(Alu::And, t, d as i64);
            self.a.sub_rr(kept, t);
        }
        let product = self.times(RDX, d, kept);
        self.a.sub_rr(kept, product);
        kept
    }

    /// `x·d` without touching `kept`.
    fn times(&mut self, x: Gpr64, d: u64, kept: Gpr64) -> Gpr64 {
        let t = other_than(&[x, kept]);
        self.affine(x, d as i64, 0, Some(t))
    }

    /// The remainder by `d` of what has `x·a + b` as its product with the
    /// reciprocal of d.
    fn direct(&mut self, x: Gpr64, a: i64, b: i64, d: u64) -> Gpr64 {
        let (a, d) = (self.constant(a), self.constant(d as i64));
        self.mov(RAX, x);
        self.a.imul_rm(RAX, a);
        self.add(RAX, b);
        self.a.mul_m(d);
        RDX
    }
}
