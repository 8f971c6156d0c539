//! `chain`: its terms, its errors, its form as documented, and its compiler
//! against an evaluator that knows nothing of it.

use crate::native::{self, Random};
use crate::support::*;
use barejit::front::chain::Relation;

/// What a step of a chain is supposed to do, one operator at a time.
fn apply(operator: char, x: i64, k: i64) -> i64 {
    match operator {
        '+' => x.wrapping_add(k),
        '-' => x.wrapping_sub(k),
        '*' => x.wrapping_mul(k),
        '/' => x.wrapping_div(k),
        '%' => x.wrapping_rem(k),
        '^' => x ^ k,
        '&' => x & k,
        '|' => x | k,
        '<' => ((x as u64) << k) as i64,
        '>' => x >> k,
        _ => unreachable!("'{operator}' is no operator"),
    }
}

fn evaluate(steps: &[(char, i64)], x: i64) -> i64 {
    steps.iter().fold(x, |x, (operator, operand)| apply(*operator, x, *operand))
}

fn steps(random: &mut Random) -> Vec<(char, i64)> {
    let count = random.below(9);
    (0..count)
        .map(|_| {
            loop {
                let operator = random.pick(&['+', '-', '*', '/', '%', '^', '&', '|', '<', '>']);
                let operand = match operator {
                    '<' | '>' => random.below(64) as i64,
                    _ => random.integer(),
                };
                if operand != 0 || !matches!(operator, '/' | '%') {
                    break (operator, operand);
                }
            }
        })
        .collect()
}

fn spelled(random: &mut Random, steps: &[(char, i64)]) -> String {
    let mut text = String::new();
    for (operator, operand) in steps {
        let spaces = |random: &mut Random| " ".repeat(random.below(3) as usize);
        text += &spaces(random);
        text.push(*operator);
        text += &spaces(random);
        text += &match random.below(4) {
            0 => format!("{operand:#x}"),
            1 if *operand >= 0 => format!("+{operand}"),
            _ => format!("{operand}"),
        };
    }
    text
}

#[test]
fn random_chains_compute_what_their_operators_say() {
    const PROGRAMS: usize = 60_000;
    let mut random = Random(0x5EED_0003);
    for program in 0..PROGRAMS {
        let steps = steps(&mut random);
        let text = spelled(&mut random, &steps);
        let relation = Relation::parse(text.as_bytes()).unwrap_or_else(|error| panic!("'{text}': {error}"));
        let (start, last) = (random.integer(), random.below(40));
        let terms: Vec<i64> = std::iter::successors(Some(start), |x| Some(evaluate(&steps, *x)))
            .take(last as usize + 1)
            .collect();
        let code = relation.last(start, false).expect("a short program");
        let value = native::call(&code.code(), [start as u64, last, 0, 0, 0, 0]) as i64;
        assert_eq!(value, terms[last as usize], "program {program}: term {last} of '{text}' from {start}");
        if program % 4 == 0 && last > 0 {
            let code = relation.series(start, false).expect("a short program");
            let words = relation.layout().words();
            let series = native::series(&code.code(), words, &[start as u64], 1, last);
            let series: Vec<i64> = series.into_iter().map(|term| term as i64).collect();
            assert_eq!(series, terms[1..], "program {program}: '{text}' from {start}");
        }
    }
}
