//! `rpn`: its terms, its errors, and its compiler against an evaluator that
//! knows nothing of it.

use crate::native::{self, Random};
use crate::support::*;
use barejit::front::{relation::Relation as _, rpn::Relation};

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
        let initial = Relation::parse_initial(start.as_bytes());
        let relation = initial.and_then(|initial| Relation::parse(text.as_bytes(), initial));
        let relation = relation.unwrap_or_else(|error| panic!("'{text}' from {start}: {error}"));
        let (index, count) = (reach, 1 + random.below(30));
        for _ in 0..count {
            let term = evaluate(&tokens, &terms);
            terms.push(term);
        }
        let layout = relation.layout();
        let initial: Vec<u64> = terms[..reach as usize].iter().map(|term| term.to_bits()).collect();
        let history = &initial[initial.len() - layout.history..];
        let what = || format!("program {program}: '{text}' from {start}, {count} terms");
        if relation.is_direct() {
            let code = relation.code(true, false).expect("short");
            let last = native::last(&code.code(), layout.words(), history, index, count);
            same(last, terms[terms.len() - 1], &what);
        }
        if program % 3 == 0 {
            let code = relation.code(false, false).expect("short");
            let series = native::series(&code.code(), layout.words(), history, index, count);
            for (term, expected) in series.iter().zip(&terms[reach as usize..]) {
                same(*term, *expected, &what);
            }
            assert_eq!(series.len() as u64, count);
        }
    }
}

fn rpn(args: &[&str]) -> Run {
    run(&[&["rpn"], args].concat())
}

#[test]
fn terms_print_one_a_line() {
    let args = ["rpn", "-e", "(1) (2) +", "--start", "0,1", "--terms", "5"];
    let expected = "0: 0\n1: 1\n2: 1\n3: 2\n4: 3\n5: 5\n";
    run(&args).expect(expected, "", 0);
    qemu(&args).expect(expected, "", 0);
    rpn(&["-e", "(1)(2)+", "--start", "0,1", "--terms", "20", "--last"]).expect("20: 6765\n", "", 0);
    for input in ["(1) (2) +\n0:0\n1:1\n5\n", "(1) (2) +\r\n1: 1\r\n0 :0\r\n\r\n5"] {
        feed(command(&["rpn"]), input.as_bytes()).expect(expected, "", 0);
    }
    let decimals = feed(command(&["rpn", "--precision", "15"]), b"(1) (2) +\n0:0\n1:1\n2");
    decimals.expect("0: 0.000000000000000\n1: 1.000000000000000\n2: 1.000000000000000\n", "", 0);
    rpn(&["-e", "(1) (2) +", "--start", "3,4", "--terms", "0"]).expect("0: 3\n", "", 0);
    rpn(&["-e", "(1) (2) +", "--start", "3,4", "--terms", "1", "--last"]).expect("1: 4\n", "", 0);
}

#[test]
fn tokens_mean_what_they_say() {
    for (relation, start, terms, value) in [
        ("n n * 2 /", "", "5", "12.5"),
        ("n ~", "", "0", "-0"),
        ("2 Q", "", "0", "1.4142135623730951"),
        ("1 -2 +", "", "0", "-1"),
        ("1 2-", "", "0", "-1"),
        ("1.5e2 .5 *", "", "0", "75"),
        ("1e300 (1) *", "1e300", "1", "inf"),
        ("-1e300 (1) *", "1e300", "1", "-inf"),
        ("1 10 /", "", "0", "0.1"),
        ("(1) 1e22 *", "1", "1", "1e+22"),
        ("(40)", &vec!["7"; 40].join(","), "41", "7"),
    ] {
        let run = rpn(&["-e", relation, "--start", start, "--terms", terms, "--last"]);
        run.expect(&format!("{terms}: {value}\n"), "", 0);
    }
    let run = rpn(&["-e", "0 0 /", "--terms", "0"]);
    assert!(matches!(run.text().as_str(), "0: nan\n" | "0: -nan\n"), "{run:?}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (input, message) in [
        ("", "line 1, column 1: no input, expected a line with the relation"),
        ("\n5", "line 1, column 1: empty relation, expected an operand"),
        ("1 +\n5", "line 1, column 3: '+' expects two operands, found 1"),
        ("Q\n5", "line 1, column 1: 'Q' expects one operand, found 0"),
        ("1 2 3 +\n5", "line 1, column 3: 1 operand left over, expected an operator"),
        ("(1) (3) +\n0:1\n5", "line 1, column 5: missing initial term 1, which the relation refers to"),
        ("(0)\n0:1\n5", "line 1, column 1: back-reference 0, expected 1 or more"),
        ("(x)\n0:1\n5", "line 1, column 1: expected a back-reference like (1)"),
        ("1 x\n5", "line 1, column 3: unknown token 'x', expected a number, (k), n or one of + - * / Q ~"),
        ("1\n", "line 2, column 1: missing last line, expected the number of the last term"),
        ("1\nx", "line 2, column 1: expected the number of the last term"),
        ("1\nx:1\n5", "line 2, column 1: expected an initial term as INDEX:VALUE"),
        ("1\n0:x\n5", "line 2, column 3: expected a number"),
        ("1\n0:1\n0:2\n5", "line 4, column 2: initial term 0 is given twice"),
        ("1\n5\n6", "line 3, column 1: text after the number of the last term"),
    ] {
        let run = feed(command(&["rpn"]), input.as_bytes());
        run.expect("", &format!("barejit: rpn: {message}\n"), 2);
    }
    let run = rpn(&["-e", "(1)", "--start", "1,x", "--terms", "3"]);
    run.expect("", "barejit: rpn: --start: byte 3: expected a number\n", 2);
    let run = rpn(&["-e", "(1)", "--start", "1", "--terms", "3", "--precision", "23"]);
    run.expect("", "barejit: rpn: --precision: '23' is not in 0 to 22\n", 2);
}

#[test]
fn expressions_can_be_deep_and_references_can_reach_far() {
    let deep = "1 ".repeat(200_000) + &"+ ".repeat(199_999);
    let input = format!("{deep}\n2\n");
    feed(command(&["rpn"]), input.as_bytes()).expect("0: 200000\n1: 200000\n2: 200000\n", "", 0);
    let terms: String = (0..10_000).map(|index| format!("{index}:{index}\n")).collect();
    let input = format!("(10000) 1 +\n{terms}30000\n");
    let run = feed(command(&["rpn"]), input.as_bytes());
    assert_eq!(run.text().lines().last(), Some("30000: 3"), "{}", run.stderr);
    let run = feed(command(&["rpn", "--last"]), input.as_bytes());
    run.expect("30000: 3\n", "", 0);
    let garbage = vec![b'x'; 64 << 20];
    assert_eq!(feed(command(&["rpn"]), &garbage).status, 2);
    let digits = vec![b'7'; 64 << 20];
    let run = feed(command(&["rpn"]), &digits);
    assert!(run.stderr.contains("missing last line"), "{}", run.stderr);
}
