//! `rpn`: its terms, its errors, and its compiler against an evaluator that
//! knows nothing of it.

use crate::fuzz;
use crate::support::*;
use std::sync::atomic::Ordering::Relaxed;

#[test]
fn random_relations_compute_what_their_tokens_say() {
    // `make test` comes here twice, and without optimisation it takes its time.
    let rounds = if cfg!(debug_assertions) { 20_000 } else { 120_000 };
    fuzz::rounds("rpn", rounds);
    let compiled = fuzz::relation::COMPILED[1].load(Relaxed);
    assert!(compiled > rounds / 2, "{compiled} of {rounds}");
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
        ("0.1 0.9 + (1) 3 / *", "6", "1", "2"),
        // Zeros of both signs are not the same.
        ("1 0 (1) + / 1 -0 (1) + / -", "-0", "1", "inf"),
        ("(1) (1) * (1) (1) * + (1) (1) * /", "3", "1", "2"),
        ("(40)", &vec!["7"; 40].join(","), "41", "7"),
    ] {
        let run = rpn(&["-e", relation, "--start", start, "--terms", terms, "--last"]);
        run.expect(&format!("{terms}: {value}\n"), "", 0);
    }
    let run = rpn(&["-e", "0 0 /", "--terms", "0"]);
    assert!(matches!(run.text().as_str(), "0: nan\n" | "0: -nan\n"), "{run:?}");
}

#[test]
fn the_last_of_many_terms_of_a_cycle_is_found_at_once() {
    type Next = fn(&[f64]) -> f64;
    // The last term stands behind the others.
    let relations: [(&str, &[f64], Next); 6] = [
        ("(1) 3.2 * 1 (1) - *", &[0.3], |u| u[0] * 3.2 * (1.0 - u[0])),
        ("(1) 0.5 * 3 +", &[1.0], |u| u[0] * 0.5 + 3.0),
        ("1 (1) -", &[0.25], |u| 1.0 - u[0]),
        ("0 (1) -", &[0.0], |u| 0.0 - u[0]),
        ("(1) (2) -", &[1.0, 2.0], |u| u[1] - u[0]),
        ("(5)", &[1.0, 2.0, 3.0, 4.0, 5.0], |u| u[0]),
    ];
    for (relation, given, next) in relations {
        let depth = given.len();
        let mut series = given.to_vec();
        while series.len() < 5000 {
            series.push(next(&series[series.len() - depth..]));
        }
        let bits: Vec<u64> = series.iter().map(|term| term.to_bits()).collect();
        let again = |period: &usize| bits[4000..].iter().eq(&bits[4000 - period..5000 - period]);
        let period = (1..1000).find(again).unwrap_or_else(|| panic!("{relation} has no period"));
        let start = given.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        for terms in [depth, depth + 1, 15, 16, 17, 96, 97, 4000, 999_999_999_999_999, i64::MAX as usize] {
            let index = if terms < 5000 { terms } else { 4000 + (terms - 4000) % period };
            let number = terms.to_string();
            let run = rpn(&["-e", relation, "--start", &start, "--terms", &number, "--last"]);
            let printed: f64 =
                run.text().trim().rsplit(' ').next().and_then(|term| term.parse().ok()).expect("a term");
            assert_eq!(printed.to_bits(), bits[index], "{relation}, term {terms}: {run:?}");
        }
    }
}

#[test]
fn ir_prints_the_relation_after_each_pass() {
    let start = vec!["1"; 20].join(",");
    let relation = "(1) 4 / n Q + (1) 4 / (20) * ~ -";
    rpn(&["-e", relation, "--start", &start, "--terms", "3", "--ir"]).expect(
        include_str!("../ir/rpn-passes.txt"),
        "",
        0,
    );
}

#[test]
fn errors_are_said_with_their_place() {
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
