//! The passes of `rpn`, each by a file of named cases, and by random relations: a pass
//! must not change a bit of the term that a relation computes.

use super::emit::Emitter;
use super::ir::{Op, Operation};
use super::window::Plan;
use super::{Listed, fold, negate, parse, share};
use crate::front::cases::{check, instructions};
use crate::front::pool::Pool;
use crate::front::text::Text;
use barejit_asm::RDI;
use std::{format, string::String, string::ToString, vec::Vec};

/// Reads the text form.
fn read(text: &str) -> Vec<Operation> {
    text.lines().zip(1..).map(|(line, end)| operation(line, end)).collect()
}

fn operation(line: &str, end: u32) -> Operation {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let mut argument = || words.next().unwrap_or_else(|| panic!("no argument: {line}"));
    let op = match name {
        "const" => Op::Constant { value: argument().parse().expect("a number") },
        "term" => Op::Term { back: argument().parse().expect("a number") },
        "index" => Op::Index,
        "reuse" => Op::Reuse { name: argument().parse().expect("a number") },
        "add" => Op::Add,
        "sub" => Op::Sub,
        "mul" => Op::Mul,
        "div" => Op::Div,
        "sqrt" => Op::Sqrt,
        "neg" => Op::Negate,
        _ => panic!("no operation: {line}"),
    };
    let keep =
        words.find(|word| *word == "keep").map(|_| words.next().expect("a name").parse().expect("a name"));
    let operation = Operation { op, end, keep };
    assert_eq!(operation.to_string(), line, "the text form reads back");
    operation
}

fn listed(operations: &[Operation]) -> String {
    Listed(operations).to_string()
}

#[test]
fn parse() {
    check("rpn/parse.ir", &|text| {
        let parsed = parse::relation(&mut Text::new(text.trim_end().as_bytes())).expect("a relation");
        listed(&parsed.operations)
    });
}

#[test]
fn fold() {
    check("rpn/fold.ir", &|text| listed(&fold::fold(&read(text))));
}

#[test]
fn negate() {
    check("rpn/negate.ir", &|text| listed(&negate::negate(&read(text))));
}

#[test]
fn share() {
    check("rpn/share.ir", &|text| {
        let mut operations = read(text);
        share::share(&mut operations);
        listed(&operations)
    });
}

#[test]
fn window() {
    check("rpn/window.ir", &|text| Plan::new(read(text)).to_string());
}

#[test]
fn emit() {
    check("rpn/emit.ir", &|text| {
        let plan = Plan::new(read(text));
        (0..plan.copies())
            .map(|copy| {
                let code = instructions(&|a| {
                    let mut pool = Pool::default();
                    Emitter::new(a, &mut pool, &plan, RDI, copy).term();
                    a.ret();
                    pool.put(a);
                });
                format!("; copy {copy}\n{code}")
            })
            .collect()
    });
}

#[test]
fn loops() {
    check("rpn/loops.ir", &last_term);
}

fn last_term(text: &str) -> String {
    let plan = Plan::new(read(text));
    instructions(&|a| {
        let mut pool = Pool::default();
        plan.last_term(a, &mut pool);
        pool.put(a);
    })
}

/// The search for a cycle has copies of the loop body, so long relations go without.
#[test]
fn a_relation_of_more_than_256_operations_is_not_searched_for_a_cycle() {
    for (pairs, copies) in [(127, 2), (128, 1)] {
        let code = last_term(&format!("term 1\n{}", "const 0.1\nadd\n".repeat(pairs)));
        assert_eq!(code.matches("addsd").count(), copies * pairs, "{code}");
    }
}

#[test]
fn relations_of_more_than_64_operations_share_nothing() {
    for (roots, kept) in [(57, 1), (58, 0)] {
        let sum = "term 1\nterm 2\nadd\n";
        let mut operations = read(&format!("{sum}{sum}mul\n{}", "sqrt\n".repeat(roots)));
        share::share(&mut operations);
        let shared = listed(&operations);
        assert_eq!(shared.matches("keep").count(), kept, "{shared}");
    }
}

/// −x + y becomes y − x wherever it stands.
#[test]
fn operands_change_places_if_both_together_have_at_most_64_operations() {
    for (roots, negations) in [(61, 0), (62, 1)] {
        let [far, roots] = [64, roots].map(|count| format!("term 1\n{}", "sqrt\n".repeat(count)));
        let negated = listed(&negate::negate(&read(&format!("{far}{roots}neg\nterm 2\nadd\nadd\n"))));
        assert_eq!(negated.matches("neg").count(), negations, "{negated}");
    }
}

/// A linear congruential generator (Knuth, MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn number(&mut self) -> f64 {
        match self.below(4) {
            0 => f64::from_bits(self.below(1 << 31) << 33 | self.below(1 << 31)),
            _ => {
                [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 4.0, 0.1, 3.0, 1e300, 5e-324, 0.125][self.below(12) as usize]
            }
        }
    }

    /// A relation with `left` operands.
    fn relation(&mut self, mut left: u64) -> Vec<Operation> {
        let (mut operations, mut depth) = (Vec::new(), 0);
        while left > 0 || depth > 1 {
            let op = if left > 0 && (depth < 2 || self.below(2) == 0) {
                (left, depth) = (left - 1, depth + 1);
                match self.below(4) {
                    0 => Op::Index,
                    1 => Op::Term { back: 1 + self.below(2) as usize },
                    _ => Op::Constant { value: self.number() },
                }
            } else {
                depth -= 1;
                [Op::Add, Op::Sub, Op::Mul, Op::Div][self.below(4) as usize]
            };
            operations.push(Operation { op, end: 0, keep: None });
            if self.below(4) == 0 {
                let op = [Op::Negate, Op::Sqrt][self.below(2) as usize];
                operations.push(Operation { op, end: 0, keep: None });
            }
        }
        if self.below(3) == 0 {
            let other = self.relation(2);
            let op = Operation { op: Op::Sub, end: 0, keep: None };
            operations = [&operations[..], &other, &[op], &operations, &[op], &other, &[op]].concat();
        }
        operations
    }
}

/// The value of the stack code.
fn evaluate(operations: &[Operation], index: f64, terms: [f64; 2]) -> f64 {
    let (mut stack, mut kept) = (Vec::new(), [None; 4]);
    for operation in operations {
        let mut pop = || stack.pop().expect("an operand");
        let value = match operation.op {
            Op::Constant { value } => value,
            Op::Term { back } => terms[back - 1],
            Op::Index => index,
            Op::Reuse { name } => kept[usize::from(name)].expect("a kept result"),
            Op::Sqrt => f64::sqrt(pop()),
            Op::Negate => -pop(),
            op => {
                let (y, x) = (pop(), pop());
                match op {
                    Op::Add => x + y,
                    Op::Sub => x - y,
                    Op::Mul => x * y,
                    _ => x / y,
                }
            }
        };
        if let Some(name) = operation.keep {
            kept[usize::from(name)] = Some(value);
        }
        stack.push(value);
    }
    let value = stack.pop().expect("a result");
    assert!(stack.is_empty());
    value
}

#[test]
fn no_pass_changes_a_bit_of_a_term() {
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let operands = 1 + random.below(8);
        let relation = random.relation(operands);
        let (index, terms) = (random.below(50) as f64, [random.number(), random.number()]);
        let expected = evaluate(&relation, index, terms);
        let folded = fold::fold(&relation);
        let negated = negate::negate(&folded);
        let mut shared = fold::fold(&negated);
        share::share(&mut shared);
        for (pass, operations) in [("fold", &folded), ("negate", &negated), ("share", &shared)] {
            let actual = evaluate(operations, index, terms);
            let same = actual.to_bits() == expected.to_bits() || actual.is_nan() && expected.is_nan();
            assert!(same, "seed {seed}, {pass}: {actual:e}, expected {expected:e}:\n{}", listed(operations));
        }
        assert!(negated.len() <= folded.len() && shared.len() <= negated.len(), "seed {seed}");
    }
}
