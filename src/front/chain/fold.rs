//! A chain as the fewest operations: neighbours of one kind become one, and what
//! the range of the terms makes superfluous goes.
//!
//! Sums, products and left shifts are all `a·x + b` modulo 2⁶⁴; the operations on
//! bits are all `(x & and) ^ xor`. Both kinds are closed under composition.

use super::parse::Step;
use super::state::State;
use alloc::vec::Vec;

/// One operation on the term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// `a·x + b` modulo 2⁶⁴.
    Affine { a: i64, b: i64 },
    /// `(x & and) ^ xor`.
    Bits { and: i64, xor: i64 },
    /// Right shift by 1 to 63 that keeps the sign.
    Sar(u32),
    /// Quotient by 2 to 2⁶³, rounded towards zero.
    Div(u64),
    /// Remainder by 2 to 2⁶³, with the sign of the dividend.
    Rem(u64),
    /// Whatever x was, it is this.
    Set(i64),
}

impl Op {
    fn new(step: &Step) -> [Self; 2] {
        let Step { operator, operand: k, .. } = *step;
        let magnitude = k.unsigned_abs();
        let first = match operator {
            b'+' => Self::Affine { a: 1, b: k },
            b'-' => Self::Affine { a: 1, b: k.wrapping_neg() },
            b'*' => Self::Affine { a: k, b: 0 },
            b'<' => Self::Affine { a: 1i64 << k, b: 0 },
            b'>' if k == 0 => Self::NOTHING,
            b'>' => Self::Sar(k as u32),
            b'/' if magnitude == 1 => Self::NOTHING,
            b'/' => Self::Div(magnitude),
            b'%' if magnitude == 1 => Self::Set(0),
            b'%' => Self::Rem(magnitude),
            b'^' => Self::Bits { and: -1, xor: k },
            b'&' => Self::Bits { and: k, xor: 0 },
            _ => Self::Bits { and: !k, xor: k },
        };
        // A negative divisor negates the quotient and leaves the remainder.
        let negated = operator == b'/' && k < 0;
        [first, if negated { Self::Affine { a: -1, b: 0 } } else { Self::NOTHING }]
    }

    const NOTHING: Self = Self::Affine { a: 1, b: 0 };

    /// The same as one operation, where one is simpler.
    #[inline(never)]
    fn simple(self) -> Self {
        match self {
            Self::Affine { a: 0, b } => Self::Set(b),
            Self::Bits { and: 0, xor } => Self::Set(xor),
            Self::Bits { and: -1, xor: 0 } => Self::NOTHING,
            op => op,
        }
    }

    /// `self`, then `next`, as one operation, if there is one.
    fn then(self, next: Self) -> Option<Self> {
        Some(match (self, next) {
            (_, Self::Set(value)) => Self::Set(value),
            (Self::Set(value), next) => Self::Set(next.apply(value)),
            (first, Self::NOTHING) => first,
            (Self::NOTHING, next) => next,
            (Self::Affine { a, b }, Self::Affine { a: c, b: d }) => {
                Self::Affine { a: a.wrapping_mul(c), b: b.wrapping_mul(c).wrapping_add(d) }
            }
            (Self::Bits { and, xor }, Self::Bits { and: mask, xor: flip }) => {
                Self::Bits { and: and & mask, xor: xor & mask ^ flip }
            }
            // Flipping all bits, or the highest, is a sum as well.
            (affine @ Self::Affine { .. }, Self::Bits { and: -1, xor }) => {
                return affine.then(Self::as_sum(xor)?);
            }
            (Self::Bits { and: -1, xor }, affine @ Self::Affine { .. }) => {
                return Self::as_sum(xor)?.then(affine);
            }
            (Self::Sar(j), Self::Sar(k)) => Self::Sar((j + k).min(63)),
            (Self::Div(c), Self::Div(d)) => match c.checked_mul(d) {
                Some(divisor) if divisor <= 1 << 63 => Self::Div(divisor),
                _ => Self::Set(0),
            },
            (Self::Rem(c), Self::Rem(d)) if d >= c => Self::Rem(c),
            (Self::Rem(c), Self::Rem(d)) if c.checked_rem(d) == Some(0) => Self::Rem(d),
            _ => return None,
        })
    }

    fn as_sum(xor: i64) -> Option<Self> {
        match xor {
            -1 => Some(Self::Affine { a: -1, b: -1 }),
            i64::MIN => Some(Self::Affine { a: 1, b: i64::MIN }),
            _ => None,
        }
    }

    /// Whether this is a product with a reciprocal.
    #[inline(never)] // Counting bits takes 90 bytes.
    pub(super) fn multiplies(self) -> bool {
        matches!(self, Self::Div(d) | Self::Rem(d) if !d.is_power_of_two())
    }

    /// What the operation makes of `x`.
    pub(super) fn apply(self, x: i64) -> i64 {
        match self {
            Self::Affine { a, b } => x.wrapping_mul(a).wrapping_add(b),
            Self::Bits { and, xor } => x & and ^ xor,
            Self::Sar(k) => x >> k,
            // A divisor is not 0.
            Self::Div(d) => signed(x.unsigned_abs().checked_div(d).unwrap_or(0), x),
            Self::Rem(d) => signed(x.unsigned_abs().checked_rem(d).unwrap_or(0), x),
            Self::Set(value) => value,
        }
    }

    /// For a remainder that is a difference, as the quotient is the same for all `x`.
    fn difference(self, x: State) -> Option<i64> {
        let Self::Rem(d) = self else { return None };
        let [low, high] = [x.low, x.high].map(|end| Self::Div(d).apply(end));
        (low == high).then(|| self.apply(x.low).wrapping_sub(x.low))
    }

    /// What is known afterwards of a term of which `x` is known.
    pub(super) fn state(self, x: State) -> State {
        let wide = i128::from;
        match self {
            Self::Affine { a, b } => {
                // As many low bits as are known, and as the factor shifts in.
                let known = x.unknown.trailing_zeros() + a.trailing_zeros();
                let unknown = (-1i64).checked_shl(known).unwrap_or(0);
                let bits = State::bits(unknown, self.apply(x.value));
                State::between(wide(a) * wide(x.low) + wide(b), wide(a) * wide(x.high) + wide(b)).and(bits)
            }
            Self::Bits { and, .. } => State::bits(x.unknown & and, self.apply(x.value)),
            Self::Sar(k) => {
                let bits = State::bits(x.unknown >> k, x.value >> k);
                State::between(wide(x.low >> k), wide(x.high >> k)).and(bits)
            }
            Self::Rem(d) if self.difference(x).is_none() => {
                let most = (d - 1) as i64;
                State::between(wide(x.low.max(-most).min(0)), wide(x.high.min(most).max(0)))
            }
            Self::Div(_) | Self::Rem(_) => State::between(wide(self.apply(x.low)), wide(self.apply(x.high))),
            Self::Set(value) => State::one(value),
        }
    }

    /// The same for such an `x`, as something simpler.
    fn within(self, x: State) -> Self {
        let after = self.state(x);
        if after.low == after.high {
            return Self::Set(after.low);
        }
        if let Some(b) = self.difference(x) {
            return Self::Affine { a: 1, b };
        }
        match self {
            Self::Rem(d) if x.is_natural() && d.is_power_of_two() => {
                Self::Bits { and: (d - 1) as i64, xor: 0 }
            }
            Self::Div(d) if x.is_natural() && d.is_power_of_two() => Self::Sar(d.trailing_zeros()),
            // A mask of known bits flips them, or does nothing.
            Self::Bits { and, xor } if x.unknown & !and == 0 => {
                Self::Bits { and: -1, xor: xor ^ x.value & !and }
            }
            op => op,
        }
    }

    /// Flipping known bits of `x` as a sum.
    fn known_sum(self, x: State) -> Option<Self> {
        match self {
            Self::Bits { and: -1, xor } if xor & x.unknown == 0 => {
                Some(Self::Affine { a: 1, b: (xor & !x.value).wrapping_sub(xor & x.value) })
            }
            _ => None,
        }
    }

    /// The same if only the bits `wanted` of the result matter, as something with
    /// fewer or smaller constants; and the bits of x that matter then.
    fn wanted(self, x: State, wanted: i64) -> (Self, i64) {
        match self {
            Self::Affine { a, b } => {
                let unused = (wanted as u64).leading_zeros();
                if unused > 63 {
                    return (self, 0);
                }
                let (a, b) = (a << unused >> unused, b << unused >> unused);
                // Low bits of b that meet zeros carry nothing to higher bits.
                let zeros = (x.unknown | x.value).trailing_zeros() + a.trailing_zeros();
                let b = b & (-1i64).checked_shl(zeros.min(wanted.trailing_zeros())).unwrap_or(0);
                (Self::Affine { a, b }, (u64::MAX >> unused) as i64)
            }
            Self::Bits { and, xor } => {
                // What is known or does not matter may be masked or not: best is no mask,
                // then one that makes this a disjunction, then no flip.
                let (open, known) = (wanted & x.unknown, wanted & !x.unknown);
                let after = self.apply(x.value);
                let (set, cleared) = (known & after & !x.value, known & x.value & !after);
                let (mask, flip) = if open & !and == 0 {
                    (-1, open & xor | set | cleared)
                } else if open & (and ^ !xor) == 0 && cleared == 0 {
                    (!(open & xor | set), open & xor | set)
                } else if open & xor == 0 && set == 0 {
                    (and & !(known & x.value) | known & x.value & !cleared, 0)
                } else {
                    (and, xor & wanted)
                };
                (Self::Bits { and: mask, xor: flip }, wanted & mask)
            }
            Self::Sar(k) => {
                let sign = if wanted as u64 >> (64 - k) != 0 { i64::MIN } else { 0 };
                (self, wanted << k | sign)
            }
            Self::Div(_) | Self::Rem(_) => (self, -1),
            Self::Set(_) => (self, 0),
        }
    }
}

/// An operation with where its text ends; the marks of its code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) op: Op,
    pub(super) end: u32,
    /// Where the text ends of another operation that was joined to it from the
    /// beginning of the chain, or 0.
    pub(super) turned: u32,
}

/// A magnitude with the sign of `x`.
fn signed(magnitude: u64, x: i64) -> i64 {
    if x < 0 { (magnitude as i64).wrapping_neg() } else { magnitude as i64 }
}

/// Appends `part` to `parts`, joining it with what is there.
pub(super) fn push(parts: &mut Vec<Part>, mut part: Part) {
    part.op = part.op.simple();
    while let Some(last) = parts.last() {
        let Some(joined) = last.op.then(part.op) else { break };
        part.op = joined.simple();
        if last.end > part.end {
            (part.end, part.turned) = (last.end, part.end);
        }
        parts.pop();
    }
    let instead = match (part.op, parts.last().map(|last| last.op)) {
        (Op::NOTHING, _) => return,
        // A quotient can be negated later: it is not the one number that cannot.
        (Op::Div(_), Some(Op::Affine { a: -1, b: 0 }))
            if matches!(parts[..], [.., Part { op: Op::Div(_), .. }, _]) =>
        {
            [part.op, Op::Affine { a: -1, b: 0 }]
        }
        // A shift that keeps the sign does to all bits alike, so it can come first.
        (Op::Sar(k), Some(Op::Bits { and, xor })) => [part.op, Op::Bits { and: and >> k, xor: xor >> k }],
        // So can one to the left, where it joins another operation.
        (Op::Affine { a, b: 0 }, Some(Op::Bits { and, xor }))
            if a.count_ones() == 1 && matches!(parts[..], [.., Part { op: Op::Affine { .. }, .. }, _]) =>
        {
            [part.op, Op::Bits { and: and.wrapping_mul(a), xor: xor.wrapping_mul(a) }]
        }
        // Down and up again by the same bits clears them; the rest of the way is
        // up or down.
        (Op::Affine { a, b }, Some(Op::Sar(k))) if a.trailing_zeros() >= k => {
            [Op::Bits { and: -1 << k, xor: 0 }, Op::Affine { a: a >> k, b }]
        }
        (Op::Affine { a, b: 0 }, Some(Op::Sar(k))) if a > 0 && a & (a - 1) == 0 => {
            let up = a.trailing_zeros();
            [Op::Sar(k - up), Op::Bits { and: -1 << up, xor: 0 }]
        }
        _ => return parts.push(part),
    };
    parts.pop();
    for &op in &instead {
        push(parts, Part { op, ..part });
    }
}

/// The operations that these steps come to.
pub(super) fn fold(steps: &[Step]) -> Vec<Part> {
    let mut parts = Vec::new();
    for step in steps {
        for &op in &Op::new(step) {
            push(&mut parts, Part { op, end: step.end, turned: 0 });
        }
    }
    parts
}

fn join(parts: &[Part]) -> Vec<Part> {
    let mut joined = Vec::new();
    for part in parts {
        push(&mut joined, *part);
    }
    joined
}

/// What is known after `parts` of a term of which `state` is known.
#[inline(never)] // Two callers.
pub(super) fn after(parts: &[Part], state: State) -> State {
    parts.iter().fold(state, |state, part| part.op.state(state))
}

/// What is known of `start` and every term after it.
pub(super) fn orbit(parts: &[Part], start: State) -> State {
    let mut state = start;
    // Bits only get lost and rounding up doubles an end at least, so this ends.
    for round in 0.. {
        let next = after(parts, state).join(state);
        if next == state {
            break;
        }
        state = if round < 4 { next } else { next.rounded() };
    }
    state
}

/// The same operations without what terms like `state` do not need.
pub(super) fn narrow(parts: &[Part], first: State) -> Vec<Part> {
    let mut state = first;
    let mut narrowed = Vec::new();
    let is_sum = |index: usize| parts.get(index).is_some_and(|part| matches!(part.op, Op::Affine { .. }));
    for (index, part) in parts.iter().enumerate() {
        let op = part.op.within(state);
        // Between two sums it becomes one with them.
        let sum = if is_sum(index.wrapping_sub(1)) && is_sum(index + 1) { op.known_sum(state) } else { None };
        push(&mut narrowed, Part { op: sum.unwrap_or(op), ..*part });
        state = part.op.state(state);
    }
    let mut states = Vec::new();
    let mut state = first;
    for part in &narrowed {
        states.push(state);
        state = part.op.state(state);
    }
    let mut wanted = -1;
    for part in narrowed.iter_mut().rev() {
        let state = states.pop().unwrap_or(State::ANY);
        (part.op, wanted) = part.op.wanted(state, wanted);
    }
    join(&narrowed)
}
