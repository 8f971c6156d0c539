//! The passes of `chain`, each by a file of named cases, and by random chains: a pass
//! must not change the term that a chain computes.

use super::abstract_value::AbstractValue;
use super::ir::{Op, Operation};
use super::loops::Plan;
use super::magic::Magic;
use super::parse::Step;
use super::select::Selector;
use super::{Listed, Relation, combine, demand, fixpoint, lower, rotate, simplify, transfer};
use crate::front::cases::{check, field, instructions};
use crate::front::pool::Pool;
use crate::front::relation::{Function, Recurrence as _};
use crate::front::text::Text;
use barejit_asm::RAX;
use std::{format, string::String, string::ToString, vec::Vec};

/// An integer as the text form writes it.
fn integer(text: &str) -> i64 {
    match text.strip_prefix("0x") {
        Some(digits) => {
            u64::from_str_radix(digits, 16).unwrap_or_else(|error| panic!("{text}: {error}")) as i64
        }
        None => text.parse().unwrap_or_else(|error| panic!("{text}: {error}")),
    }
}

/// Reads one line of the text form.
fn operation(line: &str, end: u32) -> Operation {
    let value = |key, neutral| field(line, key).map_or(neutral, integer);
    let op = match line.split(' ').next() {
        Some("affine") => Op::Affine { factor: value("factor", 1), addend: value("addend", 0) },
        Some("bits") => Op::Bits { and: value("and", -1), xor: value("xor", 0) },
        Some("sar") => Op::Sar { count: value("count", 0) as u32 },
        Some("quotient") => Op::Quotient { divisor: divisor(line) },
        Some("remainder") => Op::Remainder { divisor: divisor(line) },
        Some("constant") => Op::Constant { value: value("value", 0) },
        _ => panic!("no operation: {line}"),
    };
    assert_eq!(op.to_string(), line, "the text form reads back");
    Operation { op, end, rotated: None }
}

fn divisor(line: &str) -> u64 {
    field(line, "divisor").and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no divisor: {line}"))
}

/// Reads an abstract value: `any`, or `[low, high]` and perhaps `, bits VALUE of MASK`.
fn value(text: &str) -> AbstractValue {
    if text == "any" {
        return AbstractValue::TOP;
    }
    let (range, bits) = text.split_once("], bits ").unwrap_or((text.trim_end_matches(']'), "0x0 of 0x0"));
    let (low, high) = range.trim_start_matches('[').split_once(", ").expect("a range");
    let (known, mask) = bits.split_once(" of ").expect("bits");
    AbstractValue::between(integer(low).into(), integer(high).into())
        .meet(AbstractValue::bits(!integer(mask), integer(known)))
}

/// Reads `; x in VALUE` and the operations below it.
fn read(text: &str) -> (AbstractValue, Vec<Operation>) {
    let (first, rest) = match text.strip_prefix("; x in ") {
        Some(text) => text.split_once('\n').unwrap_or((text, "")),
        None => ("any", text),
    };
    let operations = rest.lines().zip(1..).map(|(line, end)| operation(line, end)).collect();
    (value(first), operations)
}

fn listed(operations: &[Operation]) -> String {
    Listed(operations, None).to_string()
}

fn steps(text: &str) -> Vec<Step> {
    super::parse::relation(&mut Text::new(text.trim_end().as_bytes())).expect("a chain")
}

#[test]
fn lower() {
    check("chain/lower.ir", &|text| listed(&lower::lower(&steps(text))));
}

#[test]
fn combine() {
    check("chain/combine.ir", &|text| listed(&combine::combine(&read(text).1)));
}

#[test]
fn transfer() {
    check("chain/transfer.ir", &|text| {
        let (first, operations) = read(text);
        let after = transfer::transfer_all(&operations, first);
        format!("{}; x in {after}", Listed(&operations, Some(first)))
    });
}

#[test]
fn fixpoint() {
    check("chain/fixpoint.ir", &|text| {
        let (start, operations) = read(text);
        assert_eq!(start.low, start.high, "a start");
        format!("; x in {}", fixpoint::fixpoint(&operations, start.low))
    });
}

#[test]
fn simplify() {
    check("chain/simplify.ir", &|text| {
        let (first, operations) = read(text);
        listed(&simplify::simplify(&operations, first))
    });
}

#[test]
fn demand() {
    check("chain/demand.ir", &|text| {
        let (first, mut operations) = read(text);
        demand::demand(&mut operations, first);
        listed(&operations)
    });
}

#[test]
fn rotate() {
    check("chain/rotate.ir", &|text| match rotate::rotate(&read(text).1) {
        Some(body) => listed(&body),
        None => "not rotated".into(),
    });
}

/// The marks of code name the text that it came from.
#[test]
fn combined_operations_keep_the_end_of_their_text() {
    let (_, operations) = read("affine addend=3\naffine factor=2\nbits and=0xff\naffine factor=5");
    let marks = |operations: &[Operation]| -> Vec<_> {
        operations.iter().map(|operation| (operation.end, operation.rotated)).collect()
    };
    let combined = combine::combine(&operations);
    assert_eq!(marks(&combined), [(2, None), (3, None), (4, None)]);
    // The first operation, from the end of piece 2, is combined into that of piece 4.
    let body = rotate::rotate(&combined).expect("a shorter body");
    assert_eq!(marks(&body), [(3, None), (4, Some(2))]);
}

#[test]
fn select() {
    check("chain/select.ir", &|text| {
        let (first, operations) = read(text);
        instructions(&|a| {
            let mut pool = Pool::default();
            let x = Selector::new(a, &mut pool).emit(&operations, RAX, first);
            a.mov_rr(RAX, x).ret();
            pool.put(a);
        })
    });
}

/// The last-term function.
fn last_term(text: &str) -> String {
    let (terms, operations) = read(text);
    instructions(&|a| {
        let mut pool = Pool::default();
        let plan = Plan { operations: operations.clone(), terms };
        plan.last_term(&mut Selector::new(a, &mut pool));
        pool.put(a);
    })
}

#[test]
fn loops() {
    check("chain/loops.ir", &last_term);
}

/// The search for a cycle has a copy of the body, so long chains go without.
#[test]
fn a_chain_of_more_than_256_operations_is_not_searched_for_a_cycle() {
    for (pairs, copies) in [(128, 2), (129, 1)] {
        let code = last_term(&"affine addend=1\nbits xor=0x2\n".repeat(pairs));
        assert_eq!(code.matches("xor rax, 2\n").count(), copies * pairs, "{code}");
    }
}

#[test]
fn a_chain_of_more_than_4096_operations_is_combined_and_not_analysed() {
    for (more, passes) in [("", 6), ("+1", 2)] {
        let text = "+1 ^2 ".repeat(2048) + more;
        let relation = Relation::parse(text.as_bytes(), 0).expect("a chain");
        let mut names = Vec::new();
        relation.passes(Function::Series, &mut |name, _| names.push(name.to_string()));
        assert_eq!(names.len(), passes, "{names:?}");
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An integer: small, near a power of two, or any.
    fn integer(&mut self) -> i64 {
        match self.below(4) {
            0 => self.below(21) as i64 - 10,
            1 => (1i64 << self.below(64)).wrapping_add(self.below(5) as i64 - 2),
            2 => (-1i64 << self.below(64)).wrapping_add(self.below(5) as i64 - 2),
            _ => self.next() as i64 >> self.below(64),
        }
    }

    fn step(&mut self) -> Step {
        let operator = b"+-*/%^<>&|"[self.below(10) as usize];
        let operand = match operator {
            b'<' | b'>' => self.below(64) as i64,
            b'/' | b'%' => Some(self.integer()).filter(|operand| *operand != 0).unwrap_or(1),
            _ => self.integer(),
        };
        Step { operator, operand, at: 0, end: 1 }
    }

    /// An abstract value that contains `x`.
    fn around(&mut self, x: i64) -> AbstractValue {
        let (near, far) = (self.integer(), self.integer());
        let low = x.saturating_sub(near.saturating_abs());
        let high = x.saturating_add(far.saturating_abs());
        let range = AbstractValue::between(low.into(), high.into());
        let bits = AbstractValue::bits(self.integer() | self.integer(), x);
        match self.below(4) {
            0 => AbstractValue::TOP,
            1 => range,
            2 => bits,
            _ => range.meet(bits),
        }
    }
}

/// The result of the steps, as the operators are documented.
fn expected(steps: &[Step], x: i64) -> i64 {
    steps.iter().fold(x, |x, &Step { operator, operand, .. }| match operator {
        b'+' => x.wrapping_add(operand),
        b'-' => x.wrapping_sub(operand),
        b'*' => x.wrapping_mul(operand),
        b'/' => x.wrapping_div(operand),
        b'%' => x.wrapping_rem(operand),
        b'^' => x ^ operand,
        b'<' => x << operand,
        b'>' => x >> operand,
        b'&' => x & operand,
        _ => x | operand,
    })
}

fn apply(operations: &[Operation], x: i64) -> i64 {
    operations.iter().fold(x, |x, operation| operation.op.apply(x))
}

#[track_caller]
fn contains(value: AbstractValue, x: i64, context: &dyn Fn() -> String) {
    assert_eq!(value.value & value.unknown, 0, "{value}: {}", context());
    let inside = value.low <= x && x <= value.high && (x ^ value.value) & !value.unknown == 0;
    assert!(inside, "{x} is not in {value}: {}", context());
}

/// A chain is short, or long enough to meet itself.
fn chain(random: &mut Random) -> Vec<Step> {
    (0..1 + random.below(8)).map(|_| random.step()).collect()
}

#[test]
fn no_pass_changes_a_term() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let steps = chain(&mut random);
        let x = random.integer();
        let first = random.around(x);
        let term = expected(&steps, x);
        let lowered = lower::lower(&steps);
        let combined = combine::combine(&lowered);
        let simplified = simplify::simplify(&combined, first);
        let mut demanded = simplified.clone();
        demand::demand(&mut demanded, first);
        for (pass, operations) in
            [("lower", &lowered), ("combine", &combined), ("simplify", &simplified), ("demand", &demanded)]
        {
            let context = || format!("seed {seed}, {pass} of\n{}from {x} in {first}", listed(operations));
            assert_eq!(apply(operations, x), term, "{}", context());
            let mut value = first;
            let mut x = x;
            for operation in operations {
                (value, x) = (operation.op.transfer(value), operation.op.apply(x));
                contains(value, x, &context);
            }
        }
        assert!(combined.len() <= lowered.len() && simplified.len() <= combined.len() + 1, "seed {seed}");
    }
}

#[test]
fn the_fixpoint_contains_every_term_and_the_rotated_loop_computes_them() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let operations = combine::combine(&lower::lower(&chain(&mut random)));
        let start = random.integer();
        let terms = fixpoint::fixpoint(&operations, start);
        let series: Vec<i64> =
            std::iter::successors(Some(start), |x| Some(apply(&operations, *x))).take(40).collect();
        for x in &series {
            contains(terms, *x, &|| format!("seed {seed}: {}from {start}", listed(&operations)));
        }
        if let Some(body) = rotate::rotate(&operations) {
            let (first, rest) = operations.split_at(1);
            let x = apply(first, start);
            let x = (1..39).fold(x, |x, _| apply(&body, x));
            assert_eq!(apply(rest, x), series[39], "seed {seed}: {}", listed(&operations));
        }
    }
}

#[test]
fn join_and_widening_only_add_values_and_meet_keeps_the_common_ones() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let x = random.integer();
        let (one, other) = (random.around(x), random.around(x));
        let y = random.integer();
        let elsewhere = random.around(y);
        let context = || format!("seed {seed}: {one} and {other} or {elsewhere}");
        contains(one, x, &context);
        contains(one.meet(other), x, &context);
        contains(one.join(elsewhere), x, &context);
        contains(one.join(elsewhere), y, &context);
        contains(one.widened(), x, &context);
        let widened = one.widened();
        assert!(widened.low <= one.low && widened.high >= one.high, "{}", context());
        assert_eq!(widened.widened(), widened, "{}", context());
        // No further than the next power of two, and on the same side of zero.
        let size = |end: i64| if end < 0 { !end } else { end };
        assert!(size(widened.low) <= size(one.low).saturating_mul(2).max(1), "{}", context());
        assert!(size(widened.high) <= size(one.high).saturating_mul(2).max(1), "{}", context());
        assert!(widened.high < 0 || one.high >= 0, "{}", context());
    }
}

/// Dividends at the ends of the range and anywhere in it, by the definition of the magic
/// number.
#[test]
fn a_magic_number_divides_every_dividend_of_its_range() {
    let mut direct = 0;
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let divisor = random.integer().unsigned_abs().max(3);
        if divisor.is_power_of_two() || divisor > i64::MAX as u64 {
            continue;
        }
        let x = random.integer();
        let range = random.around(x);
        let magic = Magic::new(divisor, range.low, range.high);
        let context = || format!("seed {seed}: {x} of {range} by {divisor} with {magic:?}");
        for x in [x, range.low, range.high] {
            let high = (i128::from(x) * i128::from(magic.factor)) >> 64 >> magic.shift;
            let quotient = i128::from(x) / i128::from(divisor);
            assert_eq!(high, if x < 0 { quotient - 1 } else { quotient }, "{}", context());
        }
        if let (true, Some(factor)) = (range.is_non_negative(), Magic::direct(divisor, range.high)) {
            direct += 1;
            for x in [x, range.low, range.high] {
                let low = (x as u64).wrapping_mul(factor);
                let remainder = (u128::from(low) * u128::from(divisor)) >> 64;
                assert_eq!(remainder, u128::from(x as u64 % divisor), "{}", context());
            }
        }
    }
    assert!(direct > 100, "{direct}");
}
