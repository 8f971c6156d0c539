//! `chain`: its terms, its errors, its form as documented, and its compiler
//! against an evaluator that knows nothing of it.

use crate::fuzz;
use crate::native;
use crate::support::*;
use barejit::front::{
    chain::Relation,
    relation::{Function, Recurrence as _},
};
use std::sync::atomic::Ordering::Relaxed;

#[test]
fn random_chains_compute_what_their_operators_say() {
    // `make test` comes here twice, and without optimisation it takes its time.
    let rounds = if cfg!(debug_assertions) { 20_000 } else { 120_000 };
    fuzz::rounds("chain", rounds);
    let compiled = fuzz::relation::COMPILED[0].load(Relaxed);
    assert!(compiled > rounds / 2, "{compiled} of {rounds}");
}

fn chain(args: &[&str]) -> Run {
    run(&[&["chain"], args].concat())
}

#[test]
fn terms_print_one_a_line() {
    let expected = "Term 0: 0\nTerm 1: 1\nTerm 2: 4\nTerm 3: 13\nTerm 4: 40\nTerm 5: 121\n";
    let args = ["chain", "-e", "+2 *3 -5", "--start", "0", "--terms", "5"];
    run(&args).expect(expected, "", 0);
    qemu(&args).expect(expected, "", 0);
    for input in ["+2 *3 -5\n0 5\n", "+2*3-5\r\n0 5", "  + 2 * 3 - 5 \n\n 0\n5\n\n"] {
        feed(command(&["chain"]), input.as_bytes()).expect(expected, "", 0);
        feed(command(&["chain", "-"]), input.as_bytes()).expect(expected, "", 0);
    }
    chain(&["-e", "+2 *3 -5", "--start", "0", "--terms", "0"]).expect("Term 0: 0\n", "", 0);
    chain(&["-e", "+2 *3 -5", "--start", "0", "--terms", "0", "--last"]).expect("Term 0: 0\n", "", 0);
    chain(&["-e", "+2 *3 -5", "--start", "0", "--terms", "5", "--last"]).expect("Term 5: 121\n", "", 0);
}

#[test]
fn operators_mean_what_they_mean_in_c() {
    for (relation, start, value) in [
        ("", "7", "7"),
        ("/2", "-7", "-3"),
        ("%2", "-7", "-1"),
        ("/-1", "-9223372036854775808", "-9223372036854775808"),
        ("%-1", "-9223372036854775808", "0"),
        ("--9", "1", "10"),
        ("^0xFF", "0x0F", "240"),
        ("<63", "1", "-9223372036854775808"),
        (">63", "-5", "-1"),
        ("&0xFFFFFFFFFFFFFFFF |1", "-2", "-1"),
        ("*9223372036854775807 +1", "2", "-1"),
    ] {
        let run = chain(&["-e", relation, "--start", start, "--terms", "1", "--last"]);
        run.expect(&format!("Term 1: {value}\n"), "", 0);
    }
}

/// Every dividend and divisor near a power of two, through a product that could
/// be anything, so that no range is known.
#[test]
fn quotients_and_remainders_are_right_at_every_edge() {
    const FACTOR: i64 = 0x5851_F42D_4C95_7F2D;
    let inverse = (0..6).fold(FACTOR, |x, _| x.wrapping_mul(2i64.wrapping_sub(FACTOR.wrapping_mul(x))));
    let edges: Vec<i64> = (0..64)
        .flat_map(|bit| [-2, -1, 0, 1, 2].map(|by| (1i64 << bit).wrapping_add(by)))
        .chain([7, 10, 12, 100, 641, 1_000_003, 6_700_417])
        .flat_map(|edge| [edge, edge.wrapping_neg()])
        .collect();
    for divisor in edges.iter().filter(|divisor| **divisor != 0) {
        for operator in ['/', '%'] {
            let text = format!("*{FACTOR} {operator}{divisor}");
            // The same code for all: as if the start could be anything.
            let relation = Relation::parse(text.as_bytes(), i64::MAX).expect("a relation");
            let code = relation.code(Function::LastTerm, false).expect("a short program");
            let loaded = native::Loaded::new(&code.code());
            for dividend in &edges {
                let start = dividend.wrapping_mul(inverse);
                // The only term so far, before where the next ones go.
                let terms = [start as u64, 0];
                let value = loaded.call([terms[1..].as_ptr() as u64, 1, 0, 0, 0, 0]) as i64;
                let expected = match operator {
                    '/' => dividend.wrapping_div(*divisor),
                    _ => dividend.wrapping_rem(*divisor),
                };
                assert_eq!(value, expected, "{dividend} {operator} {divisor}");
            }
        }
    }
}

/// The shift takes every term beyond 2⁶³, but all by the same, to where the
/// dividend is smaller than the divisor.
#[test]
fn a_remainder_of_what_is_smaller_is_left_out() {
    let last = ["--start", "1", "--terms", "6", "--last"];
    let relation = "&451 ^1117789441007863193 <14 %4054317916688005596";
    let args = [&["-e", relation][..], &last].concat();
    chain(&args).expect("Term 6: -3754663720754200576\n", "", 0);
    let listing = chain(&[&args[..], &["--listing"]].concat()).text();
    assert!(listing.contains("shl rax, 14") && !listing.contains("mul"), "{listing}");
    // It is divided where only some of the terms are smaller.
    let larger = relation.replace("%4054317916688005596", "%3754663720754210000");
    let listing = chain(&[&["-e", &larger][..], &last, &["--listing"]].concat()).text();
    assert!(listing.contains("mul"), "{listing}");
}

#[test]
fn ir_prints_the_chain_after_each_pass() {
    let args = ["-e", "+7 *75 &0xffff /4 -1", "--start", "0", "--terms", "3", "--last"];
    let run = chain(&[&args[..], &["--ir"]].concat());
    run.expect(include_str!("../ir/chain-passes.txt"), "", 0);
    chain(&["-e", "+1 /2", "--start", "0", "--terms", "3", "--as-documented", "--ir"]).expect(
        "; after lower (translation of the text)\naffine addend=1\nquotient divisor=2\n",
        "",
        0,
    );
}

/// 75 generates all of 1 to 65536 modulo 65537, so the period is 65536. One operation a
/// nanosecond would take ten days for the terms asked for.
#[test]
fn the_last_of_many_terms_of_a_cycle_is_found_at_once() {
    let power = |exponent: u64| {
        let bits = (0..64).rev().map(|bit| exponent >> bit & 1);
        bits.fold(1u64, |x, bit| x * x % 65537 * if bit == 1 { 75 } else { 1 } % 65537)
    };
    for terms in [1, 15, 16, 17, 65_535, 65_536, 65_537, 999_999_999_999_999, i64::MAX as u64] {
        let number = terms.to_string();
        let run = chain(&["-e", "*75 %65537", "--start", "1", "--terms", &number, "--last"]);
        run.expect(&format!("Term {terms}: {}\n", power(terms)), "", 0);
    }
    // A rotated loop, whose body is not the chain: u(n) = 5·((u(n−1) + 3) & 255).
    let step = |x: i64| 5 * ((x + 3) & 255);
    let series: Vec<i64> = std::iter::successors(Some(1), |x| Some(step(*x))).take(600).collect();
    let (first, again) = (1..600)
        .flat_map(|i| (0..i).map(move |j| (j, i)))
        .find(|(j, i)| series[*j] == series[*i])
        .expect("a cycle");
    let period = again - first;
    for terms in [1, 2, first, again, again + 1, 1_000_000_000_000_007] {
        let index = if terms < again { terms } else { first + (terms - first) % period };
        let number = terms.to_string();
        let run = chain(&["-e", "+3 &255 *5", "--start", "1", "--terms", &number, "--last"]);
        run.expect(&format!("Term {terms}: {}\n", series[index]), "", 0);
    }
}

#[test]
fn errors_are_said_with_their_place() {
    for (input, message) in [
        ("", "line 1, column 1: no input, expected a line with the relation"),
        ("+2", "line 1, column 3: missing second line, expected 'START LAST'"),
        ("+2\n", "line 2, column 1: missing second line, expected 'START LAST'"),
        ("+2\n5", "line 2, column 2: missing number of the last term, expected an integer"),
        ("+2\nx 5", "line 2, column 1: missing start value, expected an integer"),
        ("+2\n0 -5", "line 2, column 3: number of the last term is negative"),
        ("+2\n0 5 6", "line 2, column 5: text after the number of the last term"),
        ("+2 *\n0 5", "line 1, column 5: missing operand after '*', expected an integer"),
        ("+2 ? 3\n0 5", "line 1, column 4: unknown operator '?', expected one of + - * / % ^ < > & |"),
        ("+2 \0\n0 5", "line 1, column 4: unknown operator, byte 0x00, expected one of + - * / % ^ < > & |"),
        ("+2 /0\n0 5", "line 1, column 4: zero divisor"),
        ("%0\n0 5", "line 1, column 1: zero divisor"),
        ("<64\n0 5", "line 1, column 1: shift count 64 is not in 0 to 63"),
        ("> -1\n0 5", "line 1, column 1: shift count -1 is not in 0 to 63"),
        ("+9223372036854775808\n0 5", "line 1, column 2: integer does not fit 64 bits"),
    ] {
        let run = feed(command(&["chain"]), input.as_bytes());
        run.expect("", &format!("barejit: chain: {message}\n"), 2);
    }
    let needs = "barejit: chain: -e needs --terms, the number of the last term\n";
    chain(&["-e", "+1", "--start", "0"]).expect("", needs, 2);
    let needs = "barejit: chain: -e needs --start, the value of term 0\n";
    chain(&["-e", "+1", "--terms", "0"]).expect("", needs, 2);
    let refused = "barejit: chain: --terms: '-1' is not a natural number\n";
    chain(&["-e", "+1", "--start", "0", "--terms", "-1"]).expect("", refused, 2);
}

#[test]
fn large_input_is_read_once_and_refused_at_its_place() {
    let garbage = vec![b'x'; 64 << 20];
    let run = feed(command(&["chain"]), &garbage);
    assert!(run.stderr.contains("line 1, column 1: unknown operator 'x'"), "{}", run.stderr);
    assert_eq!(run.status, 2);
    let spaces = vec![b' '; 64 << 20];
    assert_eq!(feed(command(&["chain"]), &spaces).status, 2);
    // A million operators, none of which meets another of its kind.
    let mut long = b"+1 ^2 ".repeat(500_000);
    long.extend(b"\n1 1\n");
    let value = (0..500_000).fold(1i64, |x, _| x.wrapping_add(1) ^ 2);
    feed(command(&["chain"]), &long).expect(&format!("Term 0: 1\nTerm 1: {value}\n"), "", 0);
}

#[test]
fn the_documented_division_is_wrong_as_documented() {
    let args = ["-e", "/2 -3", "--start", "7", "--terms", "4"];
    chain(&args).expect("Term 0: 7\nTerm 1: 0\nTerm 2: -3\nTerm 3: -4\nTerm 4: -5\n", "", 0);
    let documented = [&args[..], &["--as-documented"]].concat();
    let expected =
        "Term 0: 7\nTerm 1: 0\nTerm 2: -3\nTerm 3: 9223372036854775803\nTerm 4: 4611686018427387898\n";
    chain(&documented).expect(expected, "", 0);
    let run = chain(&["--as-documented", "-e", "-5 /1", "--start", "7", "--terms", "4"]);
    assert_eq!((run.text().as_str(), run.status), ("Term 0: 7\nTerm 1: 2\n", 3));
    let place = "barejit: chain: term 2: line 1, column 4, '/1': generated code at 0x1d [48 f7 ff] idiv rdi";
    assert!(run.stderr.starts_with(place), "{}", run.stderr);
    assert!(run.stderr.contains("SIGFPE"), "{}", run.stderr);
    let refused = "barejit: chain: line 1, column 4: the article has no operator '%', only + - * /\n";
    chain(&["--as-documented", "-e", "+1 %2", "--start", "7", "--terms", "4"]).expect("", refused, 2);
}

#[test]
fn a_refused_write_is_reported() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let mut program = command(&["chain", "-e", "+1", "--start", "0", "--terms", "100000"]);
    program.stdout(full);
    let run = finish(program);
    assert_eq!(run.status, 1);
    assert!(run.stderr.starts_with("barejit: chain: write: ENOSPC"), "{}", run.stderr);
}

#[test]
fn a_long_series_is_whole() {
    let run = chain(&["-e", "+3", "--start", "-5", "--terms", "20000"]);
    let expected: String = (0..=20_000).map(|n| format!("Term {n}: {}\n", 3 * n - 5)).collect();
    assert!(run.text() == expected, "{} bytes, expected {}", run.stdout.len(), expected.len());
}
