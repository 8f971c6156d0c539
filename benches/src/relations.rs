//! How fast `chain` and `rpn` compute and print, next to C: the loops of `--last`
//! against the same relation compiled by gcc and by clang, at their best for this
//! processor, with start and count passed at run time, and all terms to /dev/null
//! against printf.
//!
//! Processor time of whole processes, less that of a run of one term. Relations that
//! algebra collapses, here or there, are told apart: they take no time in proportion
//! to their terms.

use crate::measure::{BAREJIT, Row, Scratch, cpu, medians, run, silent};
use std::{path::PathBuf, process::Command};

const ROUNDS: usize = 7;
/// How long a run should take, in seconds.
const SPAN: f64 = 0.02;
/// More terms than this in that time, and there is no loop.
const COLLAPSED: u64 = 100_000_000_000;
/// Random relations of each kind.
const RANDOM: usize = 40;
const SEED: u64 = 0x5EED;
const FLAGS: [&str; 5] = ["-O3", "-march=native", "-fwrapv", "-ffp-contract=off", "-fno-math-errno"];

/// A C compiler, and its name in the table.
#[derive(Clone, Copy)]
struct Compiler {
    command: &'static str,
    name: &'static str,
}

const GCC: Compiler = Compiler { command: "gcc", name: "gcc -O3" };
const COMPILERS: [Compiler; 2] = [GCC, Compiler { command: "clang", name: "clang -O3" }];

/// A relation both ways.
struct Pair {
    command: &'static str,
    relation: String,
    start: Vec<String>,
    compiler: Compiler,
    program: PathBuf,
}

impl Pair {
    fn new(
        (command, relation, start): (&'static str, &str, &[&str]),
        compiler: Compiler,
        scratch: &Scratch,
        body: &str,
    ) -> Self {
        let source = format!(
            "#include <stdio.h>\n#include <stdlib.h>\n\
             int main(int c, char **v) {{ long n = atol(v[1]);\n{body} }}\n"
        );
        let start = start.iter().map(|term| term.to_string()).collect();
        let program = scratch.compiled(compiler.command, &source, &FLAGS);
        Self { command, relation: relation.into(), start, compiler, program }
    }

    fn c(&self, terms: u64) -> Command {
        let mut command = silent(&self.program, &[&terms.to_string()]);
        command.args(&self.start);
        command
    }

    fn ours(&self, terms: u64) -> Command {
        let (terms, start) = (terms.to_string(), self.start.join(","));
        silent(BAREJIT, &[self.command, "-e", &self.relation, "--start", &start, "--terms", &terms])
    }

    fn last(&self, terms: u64) -> Command {
        let mut command = self.ours(terms);
        command.arg("--last");
        command
    }

    /// Both must print the same last term, in whatever notation.
    fn check(&self, terms: u64, scratch: &Scratch) {
        let last = |mut command: Command| {
            String::from_utf8(scratch.run(&mut command).output).expect("text").trim().to_string()
        };
        let (ours, theirs) = (last(self.last(terms)), last(self.c(terms)));
        let value = |text: &str| text.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        let same = ours == theirs || value(&ours).map(f64::to_bits) == value(&theirs).map(f64::to_bits);
        assert!(same || ours.contains("nan"), "{}: {ours} and in C {theirs}", self.relation);
    }

    /// Our time and C's, or why there is none.
    fn times(&self, scratch: &Scratch) -> Result<(f64, f64), &'static str> {
        let both = |terms| {
            let times = medians(ROUNDS, &mut [cpu(self.last(terms)), cpu(self.c(terms))]);
            (times[0], times[1])
        };
        let (our_idle, idle) = both(1);
        let mut terms = 1_000_000;
        while terms <= COLLAPSED {
            let taken = run(&mut self.c(terms)).cpu - idle;
            if taken > SPAN * 0.6 {
                break;
            }
            terms = (terms as f64 * (SPAN / taken.max(SPAN / 50.0)).max(1.5)) as u64;
        }
        let loops = run(&mut self.last(terms.min(100_000_000))).cpu - our_idle > SPAN / 20.0;
        self.check(terms.min(100_000_000), scratch);
        match (terms > COLLAPSED, loops) {
            (true, true) => Err("collapsed by it alone"),
            (_, false) => Err("collapsed"),
            (false, true) => {
                let (ours, theirs) = both(terms);
                Ok((ours - our_idle, theirs - idle))
            }
        }
    }
}

fn chain(relation: &str, compiler: Compiler, scratch: &Scratch) -> Pair {
    let mut term = String::from("x");
    for step in relation.split_whitespace() {
        let (operator, operand) = step.split_at(1);
        let operator = match operator {
            "<" => "<<",
            ">" => ">>",
            other => other,
        };
        term = format!("({term} {operator} ({operand}L))");
    }
    let body = format!(
        "long x = atol(v[2]); for (long i = 0; i < n; i++) x = {term};\n\
         printf(\"Term %ld: %ld\\n\", n, x);"
    );
    Pair::new(("chain", relation, &["1"]), compiler, scratch, &body)
}

fn rpn(relation: &str, start: &[&str], compiler: Compiler, scratch: &Scratch) -> Pair {
    let mut stack: Vec<String> = Vec::new();
    for token in relation.split_whitespace() {
        let term = match token {
            "+" | "-" | "*" | "/" => {
                let (y, x) = (stack.pop().expect("an operand"), stack.pop().expect("an operand"));
                format!("({x} {token} {y})")
            }
            "~" => format!("(-{})", stack.pop().expect("an operand")),
            back if back.starts_with('(') => format!("u{}", back.trim_matches(['(', ')'])),
            number => format!("({:?})", number.parse::<f64>().expect("a number")),
        };
        stack.push(term);
    }
    let depth = start.len();
    let given: String = (1..=depth).map(|k| format!("double u{k} = atof(v[{}]);\n", depth - k + 2)).collect();
    let moves: String = (2..=depth).rev().map(|k| format!("u{k} = u{}; ", k - 1)).collect();
    let body = format!(
        "{given}for (long i = {depth}; i <= n; i++) {{ double t = {}; {moves}u1 = t; }}\n\
         printf(\"%ld: %.17g\\n\", n, u1);",
        stack[0]
    );
    Pair::new(("rpn", relation, start), compiler, scratch, &body)
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn chain(&mut self) -> String {
        let steps = (0..=self.below(6)).map(|_| {
            let operator = char::from(b"+-*/%^<>&|"[self.below(10) as usize]);
            let bits = [4, 10, 31, 63][self.below(4) as usize];
            let operand = match operator {
                '<' | '>' => 1 + self.below(20),
                _ => 2 + self.below((1 << bits) - 2),
            };
            let sign = if !matches!(operator, '<' | '>') && self.below(7) == 0 { "-" } else { "" };
            format!("{operator}{sign}{operand}")
        });
        steps.collect::<Vec<_>>().join(" ")
    }

    fn rpn(&mut self) -> (String, Vec<&'static str>) {
        let depth = [1, 1, 2, 2, 3, 5][self.below(6) as usize];
        let (mut left, mut operands, mut tokens) = (2 + self.below(6), 0, Vec::new());
        while left > 0 || operands > 1 {
            if left > 0 && (operands < 2 || self.below(2) == 0) {
                tokens.push(match self.below(5) {
                    0 | 1 => {
                        ["0.5", "2.0", "3.0", "1.25", "0.1", "0.9", "0.7"][self.below(7) as usize].into()
                    }
                    _ => format!("({})", 1 + self.below(depth)),
                });
                left -= 1;
                operands += 1;
            } else {
                tokens.push(["+", "-", "*", "/"][self.below(4) as usize].into());
                operands -= 1;
            }
        }
        let start = (0..depth).map(|_| ["0.5", "0.25", "1.5", "2", "0.3"][self.below(5) as usize]).collect();
        (tokens.join(" "), start)
    }
}

/// Measures one relation.
fn one(pair: &Pair, scratch: &Scratch) -> Row {
    let what = format!("`{}`", pair.relation);
    match pair.times(scratch) {
        Ok((ours, theirs)) => Row::times(pair.command, &what, ours, pair.compiler.name, theirs),
        Err(why) => Row::none(pair.command, &format!("{what}, {why}"), pair.compiler.name),
    }
}

/// Measures many and tells the mean and the worst; what is slow goes to standard error.
fn many(
    (command, compiler): (&'static str, Compiler),
    pairs: impl Iterator<Item = Pair>,
    scratch: &Scratch,
) -> [Row; 2] {
    let (mut ratios, mut collapsed) = (Vec::new(), 0);
    for pair in pairs {
        match pair.times(scratch) {
            Ok((ours, theirs)) => {
                let ratio = ours / theirs;
                if ratio > 1.1 {
                    let (name, start) = (compiler.name, pair.start.join(","));
                    eprintln!("{ratio:.3} × {name}: {command} {} {start}", pair.relation);
                }
                ratios.push(ratio);
            }
            Err(why) => {
                if why != "collapsed" {
                    eprintln!("{why}, {}: {command} {}", compiler.name, pair.relation);
                }
                collapsed += 1;
            }
        }
    }
    let mean = (ratios.iter().map(|ratio: &f64| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    let worst = ratios.iter().copied().fold(f64::NAN, f64::max);
    let many = format!("{} at random, {collapsed} more collapse", ratios.len());
    [
        Row::ratio(command, &format!("{many}: geometric mean"), compiler.name, mean),
        Row::ratio(command, "the worst of these", compiler.name, worst),
    ]
}

/// `count` random chains from this seed, next to each compiler.
fn random_chains(seed: u64, count: usize, scratch: &Scratch) -> [[Row; 2]; 2] {
    COMPILERS.map(|compiler| {
        let mut random = Random(seed);
        let pairs = (0..count).map(|_| chain(&random.chain(), compiler, scratch));
        many(("chain", compiler), pairs, scratch)
    })
}

/// The same for `rpn`.
fn random_rpn(seed: u64, count: usize, scratch: &Scratch) -> [[Row; 2]; 2] {
    COMPILERS.map(|compiler| {
        let mut random = Random(seed);
        let pairs = (0..count).map(|_| {
            let (relation, start) = random.rpn();
            rpn(&relation, &start, compiler, scratch)
        });
        many(("rpn", compiler), pairs, scratch)
    })
}

/// `count` random relations of each kind from this seed.
pub fn random(seed: u64, count: usize, scratch: &Scratch) -> Vec<Row> {
    let both = [random_chains(seed, count, scratch), random_rpn(seed, count, scratch)];
    both.into_iter().flatten().flatten().collect()
}

/// All terms to /dev/null.
fn printing(scratch: &Scratch) -> [Row; 2] {
    let cases = [
        (
            "chain",
            ("*6364136223846793005 +1442695040888963407", "1", 2_000_000),
            ("long x = 1", "x = x * 6364136223846793005 + 1442695040888963407", "Term %ld: %ld\\n"),
        ),
        (
            "rpn",
            ("(1) 3.7 * 1 (1) - *", "0.3", 1_000_000),
            ("double x = 0.3", "x = x * 3.7 * (1 - x)", "%ld: %.17g\\n"),
        ),
    ];
    cases.map(|(command, (relation, start, terms), (first, next, format))| {
        let body =
            format!("{first}; for (long i = 0; i <= n; i++) {{ printf(\"{format}\", i, x); {next}; }}");
        let pair = Pair::new((command, relation, &[start]), GCC, scratch, &body);
        let times = medians(ROUNDS, &mut [cpu(pair.ours(terms)), cpu(pair.c(terms))]);
        let what = format!("{terms} terms of {command}");
        Row::times("print", &what, times[0], "printf", times[1])
    })
}

pub fn rows(scratch: &Scratch) -> Vec<Row> {
    let chains = [
        "*6364136223846793005 +1442695040888963407",
        "*1103515245 +12345 %2147483648",
        "/7 +3 %1000003 *31",
        "^0x5DEECE66D *31 <3 >2",
    ];
    let relations = [
        ("(1) (2) +", &["0", "1e-300"][..]),
        ("(1) 3.7 * 1 (1) - *", &["0.3"]),
        ("(1) (2) + (3) + (4) + (5) + 0.2 *", &["1", "2", "3", "4", "5"]),
    ];
    let mut rows = Vec::new();
    for relation in chains {
        rows.extend(COMPILERS.map(|compiler| one(&chain(relation, compiler, scratch), scratch)));
    }
    rows.extend(random_chains(SEED, RANDOM, scratch).into_iter().flatten());
    for (relation, start) in relations {
        rows.extend(COMPILERS.map(|compiler| one(&rpn(relation, start, compiler, scratch), scratch)));
    }
    rows.extend(random_rpn(SEED, RANDOM, scratch).into_iter().flatten());
    rows.extend(printing(scratch));
    rows
}
