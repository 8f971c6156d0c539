//! `chain` and `rpn` on any text: a reader and an evaluator that know nothing of
//! theirs say what the text means, or that it means nothing; the compiled code
//! must agree.

use super::number::{decimal, integer};
use crate::native;
use crate::random::Random;
use barejit::front::{
    chain,
    relation::{Function, Recurrence as _},
    rpn,
    text::Error,
};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many relations have been compiled: the others meant nothing.
pub(crate) static COMPILED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Terms to compute: few, or now and then about as many as fill a batch.
fn length(random: &mut Random) -> u64 {
    match random.below(200) {
        0 => 4090 + random.below(12) as u64,
        _ => 1 + random.below(40) as u64,
    }
}

/// Where something is wrong, and what.
type Wrong = (usize, String);

fn told(error: Error) -> Wrong {
    (error.at, error.to_string())
}

/// A byte as messages show it, behind `before`.
fn shown(before: &str, byte: u8) -> String {
    match byte {
        b'!'..=b'~' => format!("{before} '{}'", char::from(byte)),
        _ => format!("{before}, byte {byte:#04x}"),
    }
}

#[derive(Clone, Copy, Debug)]
struct Step {
    operator: u8,
    operand: i64,
    at: usize,
}

/// Parses a chain: its steps, or its first mistake.
fn steps(text: &[u8]) -> Result<Vec<Step>, Wrong> {
    let spaces = |at: usize| at + text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let (mut steps, mut at) = (Vec::new(), spaces(0));
    while at < text.len() {
        let operator = text[at];
        if !OPERATORS.contains(&operator) {
            let what = shown("unknown operator", operator);
            return Err((at, format!("{what}, expected one of + - * / % ^ < > & |")));
        }
        let number = spaces(at + 1);
        let (operand, size) = match integer(&text[number..], 64) {
            None => {
                let what = shown("missing operand after", operator);
                return Err((number, format!("{what}, expected an integer")));
            }
            Some((None, _)) => return Err((number, "integer does not fit 64 bits".into())),
            Some((Some(operand), size)) => (operand, size),
        };
        match operator {
            b'/' | b'%' if operand == 0 => return Err((at, "zero divisor".into())),
            b'<' | b'>' if !(0..=63).contains(&operand) => {
                return Err((at, format!("shift count {operand} is not in 0 to 63")));
            }
            _ => steps.push(Step { operator, operand, at }),
        }
        at = spaces(number + size);
    }
    Ok(steps)
}

fn apply(x: i64, &Step { operator, operand, .. }: &Step) -> i64 {
    match operator {
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
    }
}

/// The documented division takes the dividend for a natural number; `None` is
/// its #DE.
fn documented(x: i64, step: &Step) -> Option<i64> {
    match step.operator {
        b'/' => i64::try_from(i128::from(x as u64) / i128::from(step.operand)).ok(),
        _ => Some(apply(x, step)),
    }
}

const OPERATORS: &[u8] = b"+-*/%^<>&|";

fn chain_text(random: &mut Random, operators: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..random.below(10) {
        let operator = random.of(operators);
        let operand = match operator {
            b'<' | b'>' => random.below(64) as i64,
            b'/' | b'%' => Some(random.integer()).filter(|operand| *operand != 0).unwrap_or(1),
            _ => random.integer(),
        };
        let space = random.of(&["", " ", "\t", "  "]);
        text.extend_from_slice(space.as_bytes());
        text.push(operator);
        text.extend_from_slice(random.of(&["", " "]).as_bytes());
        text.extend(random.integer_text(operand).bytes());
    }
    text
}

/// Text of a chain, or of nothing: parsed, and if it means something run.
pub(super) fn chains(random: &mut Random) {
    const WORDS: [&[u8]; 10] =
        [b"+", b"-", b"/", b"<", b"1", b" ", b"0", b"0x", b"9223372036854775808", b"^-1"];
    let text = match random.below(4) {
        0 => random.text(&WORDS, 20),
        1 | 2 => chain_text(random, OPERATORS),
        _ => {
            let text = chain_text(random, OPERATORS);
            random.mutated(text, &WORDS)
        }
    };
    let said = || String::from_utf8_lossy(&text).into_owned();
    let (start, count) = (random.integer(), length(random));
    let (relation, steps) = match (chain::Relation::parse(&text, start), steps(&text)) {
        (Ok(relation), Ok(steps)) => (relation, steps),
        (Err(actual), Err(expected)) => {
            assert_eq!(told(actual), expected, "'{}'", said());
            return;
        }
        (actual, expected) => panic!("'{}': {actual:?}, expected {expected:?}", said()),
    };
    COMPILED[0].fetch_add(1, Relaxed);
    let terms = std::iter::successors(Some(start), |x| Some(steps.iter().fold(*x, apply)));
    let terms: Vec<u64> = terms.skip(1).take(count as usize).map(|term| term as u64).collect();
    let last = relation.code(Function::LastTerm, false).expect("a short program");
    let n = random.below(terms.len() + 1);
    let words = relation.layout().words();
    let value = native::last(&last.code(), words, &[start as u64], 1, n as u64);
    let expected = if n == 0 { start as u64 } else { terms[n - 1] };
    assert_eq!(value as i64, expected as i64, "term {n} of '{}' from {start}", said());
    let series = relation.code(Function::Series, false).expect("a short program");
    let actual = native::series(&series.code(), words, &[start as u64], 1, count);
    assert_eq!(actual, terms, "'{}' from {start}", said());
    if random.below(16) == 0 {
        let recorded = relation.code(Function::Series, true).expect("a short program");
        assert_eq!(recorded.code().bytes(), series.code().bytes(), "'{}', with a record", said());
    }
}

/// The documented bytes, up to the term that faults.
pub(super) fn documented_chains(random: &mut Random) {
    let operators = random.of(&[OPERATORS, b"+-*/", b"+-*/", b"+-*/"]);
    let text = chain_text(random, operators);
    let said = || String::from_utf8_lossy(&text).into_owned();
    let steps = steps(&text).expect("it is well-formed");
    let foreign = steps.iter().find(|step| !b"+-*/".contains(&step.operator));
    let (start, count) = (random.integer(), length(random));
    let relation = chain::Relation::parse(&text, start).expect("it is well-formed");
    let relation = match (relation.as_documented(), foreign) {
        (Ok(relation), None) => relation,
        (Err(error), Some(step)) => {
            let what = shown("the article has no operator", step.operator);
            assert_eq!(told(error), (step.at, format!("{what}, only + - * /")));
            return;
        }
        (relation, step) => panic!("'{}': {relation:?}, expected {step:?}", said()),
    };
    let code = relation.code(Function::Series, false).expect("a short program");
    let next = |x: &i64| steps.iter().try_fold(*x, documented);
    let terms = std::iter::successors(Some(start), next).skip(1).take(count as usize);
    let terms: Vec<u64> = terms.map(|term| term as u64).collect();
    if !terms.is_empty() {
        let words = relation.layout().words();
        let actual = native::series(&code.code(), words, &[start as u64], 1, terms.len() as u64);
        assert_eq!(actual, terms, "'{}' from {start}", said());
    }
}

/// The two lines of a chain's file.
pub(super) fn chain_lines(random: &mut Random) {
    let mut text = chain_text(random, OPERATORS);
    text.extend_from_slice(random.of(&["\n", "\r\n", "", "\n\n"]).as_bytes());
    for _ in 0..random.below(4) {
        let number = random.integer();
        text.extend(random.integer_text(number).bytes());
        text.extend_from_slice(random.of(&[" ", "\n", "\t", ""]).as_bytes());
    }
    if random.below(2) == 0 {
        text = random.mutated(text, &[b"\n", b" ", b"-", b"0", b"0x"]);
    }
    let mut lines = text.splitn(2, |byte| *byte == b'\n');
    let relation = steps(lines.next().unwrap_or_default());
    let rest = lines.next().unwrap_or_default();
    let words: Vec<&[u8]> = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let numbers: Vec<Option<i64>> = words
        .iter()
        .map(|word| integer(word, 64).and_then(|(value, size)| value.filter(|_| size == word.len())))
        .collect();
    let expected = match (relation, &numbers[..]) {
        (Ok(_), &[Some(start), Some(last @ 0..)]) if !text.is_empty() => Some((start, last as u64)),
        _ => None,
    };
    let actual = chain::Relation::parse_lines(&text);
    if let Err(error) = actual {
        assert!(error.at <= text.len() && !error.to_string().contains('\n'), "{error:?}");
    }
    let actual = actual.ok().map(|(relation, last)| (relation.given()[0] as i64, last));
    assert_eq!(actual, expected, "'{}'", String::from_utf8_lossy(&text));
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Number(f64),
    Back(usize),
    Index,
    Operator(u8),
}

/// Parses a relation in reverse Polish notation: its tokens, or the place and the reason
/// of its first mistake. The caller checks for operands left over.
fn tokens(text: &[u8]) -> Result<Vec<Token>, Wrong> {
    let unknown = |byte| {
        let what = shown("unknown token", byte);
        format!("{what}, expected a number, (k), n or one of + - * / Q ~")
    };
    let (mut tokens, mut operands, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let byte = text[at];
        let fail = |what: &str| Err((at, what.to_string()));
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let signed = matches!(byte, b'+' | b'-') && (at == 0 || text[at - 1].is_ascii_whitespace());
        let (token, size) = match (byte, if signed { decimal(&text[at + 1..]) } else { None }) {
            (_, Some((value, size))) => (Token::Number(if byte == b'-' { -value } else { value }), 1 + size),
            (b'0'..=b'9' | b'.', _) => match decimal(&text[at..]) {
                Some((value, size)) => (Token::Number(value), size),
                None => return fail(&unknown(byte)),
            },
            (b'(', _) => {
                let digits: String = text[at + 1..]
                    .iter()
                    .take_while(|b| b.is_ascii_digit())
                    .map(|b| char::from(*b))
                    .collect();
                if digits.is_empty() || text.get(at + 1 + digits.len()) != Some(&b')') {
                    return fail("expected a back-reference like (1)");
                }
                match digits.parse().unwrap_or(usize::MAX) {
                    0 => return fail("back-reference 0, expected 1 or more"),
                    back => (Token::Back(back), digits.len() + 2),
                }
            }
            (b'n', _) => (Token::Index, 1),
            (b'+' | b'-' | b'*' | b'/' | b'Q' | b'~', _) => {
                let takes = if matches!(byte, b'Q' | b'~') { 1 } else { 2 };
                if operands < takes {
                    let expected = ["one operand", "two operands"][takes - 1];
                    let operator = char::from(byte);
                    return fail(&format!("'{operator}' expects {expected}, found {operands}"));
                }
                operands -= takes;
                (Token::Operator(byte), 1)
            }
            _ => return fail(&unknown(byte)),
        };
        operands += 1;
        tokens.push(token);
        at += size;
    }
    match operands {
        0 => Err((0, "empty relation, expected an operand".into())),
        1 => Ok(tokens),
        2 => Err((0, "1 operand left over, expected an operator".into())),
        more => Err((0, format!("{} operands left over, expected an operator", more - 1))),
    }
}

fn evaluate(tokens: &[Token], terms: &[f64]) -> f64 {
    let mut stack = Vec::new();
    for token in tokens {
        let mut pop = || stack.pop().expect("it was counted");
        let value = match *token {
            Token::Number(number) => number,
            Token::Back(back) => terms[terms.len() - back],
            Token::Index => terms.len() as f64,
            Token::Operator(b'Q') => f64::sqrt(pop()),
            Token::Operator(b'~') => -pop(),
            Token::Operator(operator) => {
                let (y, x) = (pop(), pop());
                match operator {
                    b'+' => x + y,
                    b'-' => x - y,
                    b'*' => x * y,
                    _ => x / y,
                }
            }
        };
        stack.push(value);
    }
    stack.pop().expect("one is left")
}

fn rpn_text(random: &mut Random, reach: usize) -> Vec<u8> {
    let (mut text, mut depth) = (Vec::new(), 0);
    let most = random.of(&[8, 8, 8, 8, 8, 8, 8, 60]);
    // Now and then all operands come first, so that many are alive at once.
    let (mut left, pushy) = (1 + random.below(most), random.below(4) == 0);
    while left > 0 || depth > 1 {
        if left > 0 && (depth < 2 || pushy || random.below(2) == 0) {
            let operand = match random.below(5) {
                0 => "n".into(),
                1 | 2 if reach > 0 => format!("({})", 1 + random.below(reach)),
                _ => random.float_text(),
            };
            // A sign right behind an operator would be one too.
            text.push(b' ');
            text.extend(operand.bytes());
            text.push(b' ');
            (left, depth) = (left - 1, depth + 1);
        } else {
            text.push(random.of(b"+-*/"));
            depth -= 1;
        }
        if random.below(6) == 0 {
            text.push(random.of(b"Q~"));
        }
        text.extend_from_slice(random.of(&["", " ", "\t"]).as_bytes());
    }
    if random.below(4) == 0 {
        // The same again, and something else again in between.
        let other = rpn_text(random, reach);
        let mut operator = || [random.of(b"+-*/")];
        text = [&text[..], &other, &operator(), &text, &operator(), &other, &operator()].concat();
    }
    text
}

/// Text of a relation in reverse Polish notation, or of nothing.
pub(super) fn polish(random: &mut Random) {
    const WORDS: [&[u8]; 12] =
        [b"n", b"(1)", b"(2)", b"+", b"-", b"*", b"/", b"Q", b"~", b" ", b"1.5e3", b"(99999999999999999999)"];
    let reach = random.of(&[0, 1, 1, 2, 3, 5, 9, 20]);
    let text = match random.below(4) {
        0 => random.text(&WORDS, 20),
        1 | 2 => rpn_text(random, reach),
        _ => {
            let text = rpn_text(random, reach);
            random.mutated(text, &WORDS)
        }
    };
    let start: Vec<String> = (0..reach).map(|_| random.float_text()).collect();
    let mut terms: Vec<f64> = start.iter().map(|term| term.parse().expect("a number")).collect();
    let start = start.join(",");
    let said = || format!("'{}' from {start}", String::from_utf8_lossy(&text));
    let deepest = |tokens: &[Token]| {
        tokens
            .iter()
            .fold(0, |deepest, token| if let Token::Back(n) = token { deepest.max(*n) } else { deepest })
    };
    let expected = match tokens(&text) {
        Ok(tokens) if deepest(&tokens) > reach => {
            Err(format!("missing initial term {reach}, which the relation refers to"))
        }
        Ok(tokens) => Ok(tokens),
        Err((_, what)) => Err(what),
    };
    let initial = rpn::Relation::parse_initial(start.as_bytes()).expect("they are well-formed");
    let (relation, tokens) = match (rpn::Relation::parse(&text, initial), expected) {
        (Ok(relation), Ok(tokens)) => (relation, tokens),
        (Err(actual), Err(expected)) => {
            assert_eq!(actual.to_string(), expected, "{}", said());
            assert!(actual.at <= text.len() && !expected.contains('\n'), "{}", said());
            return;
        }
        (actual, expected) => panic!("{}: {:?}, expected {expected:?}", said(), actual.err()),
    };
    COMPILED[1].fetch_add(1, Relaxed);
    let (index, count) = (reach as u64, length(random));
    for _ in 0..count {
        terms.push(evaluate(&tokens, &terms));
    }
    let layout = relation.layout();
    let initial: Vec<u64> = terms[..reach].iter().map(|term| term.to_bits()).collect();
    let history = &initial[reach - layout.history..];
    let same = |actual: u64, expected: f64| {
        let actual = f64::from_bits(actual);
        let same = actual.to_bits() == expected.to_bits() || actual.is_nan() && expected.is_nan();
        assert!(same, "{actual:e}, expected {expected:e}: {}, {count} terms", said());
    };
    let n = 1 + random.below(count as usize);
    if relation.has_last_term() {
        let last = relation.code(Function::LastTerm, false).expect("a short program");
        same(native::last(&last.code(), layout.words(), history, index, n as u64), terms[reach + n - 1]);
    }
    let series = relation.code(Function::Series, false).expect("a short program");
    let actual = native::series(&series.code(), layout.words(), history, index, count);
    assert_eq!(actual.len() as u64, count);
    for (actual, expected) in actual.iter().zip(&terms[reach..]) {
        same(*actual, *expected);
    }
}

/// The lines of a file for `rpn`.
pub(super) fn polish_lines(random: &mut Random) {
    let given = random.below(4);
    let reach = random.of(&[0, given]);
    let mut text = rpn_text(random, reach);
    let mut order: Vec<usize> = (0..given).collect();
    for i in 0..given {
        order.swap(i, random.below(given));
    }
    let line = random.of(&["\n", "\r\n", "\n\n"]);
    let values: Vec<String> = (0..given).map(|_| random.float_text()).collect();
    for index in order {
        text.extend(format!("{line}{index}:{}", values[index]).bytes());
    }
    let last = random.below(1000) as u64;
    text.extend(format!("{line}{last}").bytes());
    if random.below(2) == 0 {
        text = random.mutated(text, &[b"\n", b":", b"0:1\n", b"-", b" "]);
        match rpn::Relation::parse_lines(&text) {
            Ok((relation, _)) => {
                relation.code(Function::Series, false).expect("a short program");
            }
            Err(error) => assert!(error.at <= text.len() && !error.to_string().contains('\n'), "{error:?}"),
        }
        return;
    }
    let said = String::from_utf8_lossy(&text);
    let (relation, number) =
        rpn::Relation::parse_lines(&text).unwrap_or_else(|error| panic!("{said}: {error}"));
    let bits = |value: &String| value.parse::<f64>().expect("a number").to_bits();
    let values: Vec<u64> = values.iter().map(bits).collect();
    assert_eq!((relation.given(), number), (&values[..], last), "{said}");
}
