//! `rpn`: its terms, its errors, and its compiler against an evaluator that
//! knows nothing of it.

use crate::native::{self, Random};
use crate::support::*;
use barejit::front::rpn::Relation;

#[derive(Clone, Copy)]
enum Token {
    Number(f64),
    Back(usize),
    Index,
    Operator(char),
}

/// Term `index` after `terms`, one token at a time.
fn evaluate(tokens: &[Token], terms: &[f64]) -> f64 {
    let mut stack = Vec::new();
    for token in tokens {
        let value = match *token {
            Token::Number(number) => number,
            Token::Back(back) => terms[terms.len() - back],
            Token::Index => terms.len() as f64,
            Token::Operator(operator @ ('Q' | '~')) => {
                let x: f64 = stack.pop().expect("an operand");
                if operator == 'Q' { x.sqrt() } else { -x }
            }
            Token::Operator(operator) => {
                let (y, x): (f64, f64) = (stack.pop().expect("an operand"), stack.pop().expect("an operand"));
                match operator {
                    '+' => x + y,
                    '-' => x - y,
                    '*' => x * y,
                    _ => x / y,
                }
            }
        };
        stack.push(value);
    }
    stack.pop().expect("a result")
}

/// A relation at random, deep or broad, with references up to `reach`.
fn tokens(random: &mut Random, reach: u64) -> Vec<Token> {
    let operands = if random.below(50) == 0 { 1 + random.below(60) } else { 1 + random.below(7) };
    // Now and then all operands come first, so that many are alive at once.
    let (mut left, mut depth, pushy) = (operands, 0, random.below(4) == 0);
    let mut tokens = Vec::new();
    while left > 0 || depth > 1 {
        let push = left > 0 && (depth < 2 || pushy || random.below(2) == 0);
        if push {
            tokens.push(match random.below(6) {
                0 | 1 => Token::Number(literal(random)),
                2 if reach == 0 || random.below(2) == 0 => Token::Index,
                _ if reach > 0 => Token::Back(1 + random.below(reach) as usize),
                _ => Token::Number(literal(random)),
            });
            left -= 1;
            depth += 1;
        } else {
            tokens.push(Token::Operator(random.pick(&['+', '-', '*', '/'])));
            depth -= 1;
        }
        if random.below(8) == 0 {
            tokens.push(Token::Operator(random.pick(&['Q', '~', '~'])));
        }
    }
    tokens
}

fn literal(random: &mut Random) -> f64 {
    match random.below(6) {
        0 => random.pick(&[0.0, -0.0, 1.0, 2.0, 0.5, -2.0, 4.0, 1e300, 1e-310]),
        1 => random.below(100) as f64 / 10.0,
        2 => {
            let any = f64::from_bits(random.next());
            if any.is_finite() { any } else { 1.5 }
        }
        _ => random.below(1000) as f64 / 256.0 - 2.0,
    }
}

fn spelled(random: &mut Random, tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        text += &match *token {
            Token::Number(number) if random.below(2) == 0 => format!("{number:e}"),
            Token::Number(number) => format!("{number:?}"),
            Token::Back(back) => format!("({back})"),
            Token::Index => "n".into(),
            Token::Operator(operator) => operator.into(),
        };
        text.push(' ');
    }
    text
}

#[track_caller]
fn same(actual: u64, expected: f64, what: &dyn Fn() -> String) {
    let actual = f64::from_bits(actual);
    let same = actual.to_bits() == expected.to_bits() || actual.is_nan() && expected.is_nan();
    assert!(same, "{actual:e}, expected {expected:e}: {}", what());
}

#[test]
fn random_relations_compute_what_their_tokens_say() {
    const PROGRAMS: usize = 50_000;
    let mut random = Random(0x5EED_0004);
    for program in 0..PROGRAMS {
        let reach = random.pick(&[0, 1, 1, 2, 2, 3, 5, 8, 9, 20]);
        let tokens = tokens(&mut random, reach);
        let text = spelled(&mut random, &tokens);
        let mut terms: Vec<f64> = (0..reach).map(|_| literal(&mut random)).collect();
        let start = terms.iter().map(|term| format!("{term:?}")).collect::<Vec<_>>().join(",");
        let relation = Relation::parse(text.as_bytes(), start.as_bytes())
            .unwrap_or_else(|(_, error)| panic!("'{text}' from {start}: {error}"));
        let (index, count) = (reach, 1 + random.below(30));
        for _ in 0..count {
            let term = evaluate(&tokens, &terms);
            terms.push(term);
        }
        let layout = relation.layout();
        let initial: Vec<u64> = terms[..reach as usize].iter().map(|term| term.to_bits()).collect();
        let history = &initial[initial.len() - layout.history..];
        let what = || format!("program {program}: '{text}' from {start}, {count} terms");
        let last =
            native::last(&relation.last(false).expect("short").code(), layout.words(), history, index, count);
        same(last, terms[terms.len() - 1], &what);
        if program % 3 == 0 {
            let code = relation.series(false).expect("short");
            let series = native::series(&code.code(), layout.words(), history, index, count);
            for (term, expected) in series.iter().zip(&terms[reach as usize..]) {
                same(*term, *expected, &what);
            }
            assert_eq!(series.len() as u64, count);
        }
    }
}
