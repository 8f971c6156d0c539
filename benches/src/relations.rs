//! How fast `chain` and `rpn` compute and print, next to C: the loops of `--last`
//! against the same relation compiled by `gcc -O3` with start and count passed at
//! run time, and all terms to /dev/null against printf.
//!
//! Whole processes, by the processor time that the kernel has counted for them,
//! less that of a run of one term; runs are interleaved and the best of each
//! counts. Relations that algebra collapses, here or there, are told apart: they
//! take no time in proportion to their terms. Build the executable first; `gcc`
//! must be in the path.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BAREJIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/release/barejit");
const ROUNDS: usize = 7;
/// How long a run should take, in seconds.
const SPAN: f64 = 0.02;
/// More terms than this in that time, and there is no loop.
const COLLAPSED: u64 = 100_000_000_000;
/// Random relations of each kind.
const RANDOM: usize = 200;

/// Runs `command` and gives its processor time in seconds and its output.
fn time(command: &mut Command, output: &Path) -> (f64, String) {
    command.stdout(File::create(output).expect("a file for the output")).stdin(Stdio::null());
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    let mut status = 0;
    // SAFETY: the child is ours, and there is room for what the kernel writes.
    let waited = unsafe { libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) };
    assert!(waited > 0 && status == 0, "{command:?} ended with {status:#x}");
    // SAFETY: zeroed or written by the kernel.
    let usage = unsafe { usage.assume_init() };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let text = if output == Path::new("/dev/null") {
        String::new()
    } else {
        std::fs::read_to_string(output).unwrap_or_default()
    };
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), text)
}

/// A relation both ways.
struct Pair {
    command: &'static str,
    relation: String,
    start: Vec<String>,
    program: PathBuf,
}

impl Pair {
    fn new(command: &'static str, relation: &str, start: &[&str], folder: &Path, body: &str) -> Self {
        let source = folder.join("relation.c");
        let program =
            folder.join(format!("relation{}", std::fs::read_dir(folder).map_or(0, Iterator::count)));
        std::fs::write(&source, body).expect("a file for the C source");
        let flags = ["-O3", "-fwrapv", "-ffp-contract=off", "-fno-math-errno", "-w", "-o"];
        let built = Command::new("gcc").args(flags).arg(&program).arg(&source).arg("-lm").status();
        assert!(built.expect("gcc runs").success(), "{body}");
        let start = start.iter().map(|term| term.to_string()).collect();
        Self { command, relation: relation.into(), start, program }
    }

    fn c(&self, count: u64) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(count.to_string()).args(&self.start);
        command
    }

    fn ours(&self, count: u64) -> Command {
        let mut command = Command::new(BAREJIT);
        let count = count.to_string();
        let start = self.start.join(",");
        command.args([self.command, "-e", &self.relation, "--start", &start, "--terms", &count, "--last"]);
        command
    }

    /// Our time over C's, or `None` where either has no loop.
    fn ratio(&self, scratch: &Path) -> Option<f64> {
        let best =
            |command: &mut Command| (0..ROUNDS).map(|_| time(command, scratch).0).fold(f64::MAX, f64::min);
        let (idle, our_idle) = (best(&mut self.c(1)), best(&mut self.ours(1)));
        let mut count = 1_000_000;
        loop {
            let taken = time(&mut self.c(count), scratch).0 - idle;
            if taken > SPAN * 0.6 || count > COLLAPSED {
                break;
            }
            count = (count as f64 * (SPAN / taken.max(SPAN / 50.0)).max(1.5)) as u64;
        }
        let ours = time(&mut self.ours(count.min(100_000_000)), scratch).0 - our_idle;
        if count > COLLAPSED && ours > SPAN / 20.0 {
            println!("  collapsed by gcc alone: {} {}", self.command, self.relation);
        }
        if count > COLLAPSED || ours < SPAN / 20.0 {
            return None;
        }
        let (mut c, mut ours) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            let (theirs, expected) = time(&mut self.c(count), scratch);
            let (taken, text) = time(&mut self.ours(count), scratch);
            let value =
                |text: &str| text.rsplit(' ').next().and_then(|value| value.trim().parse::<f64>().ok());
            let same =
                text == expected || value(&text).map(f64::to_bits) == value(&expected).map(f64::to_bits);
            assert!(same || text.contains("nan"), "{}: {text} and in C {expected}", self.relation);
            c = c.min(theirs - idle);
            ours = ours.min(taken - our_idle);
        }
        Some(ours / c)
    }
}

fn chain(relation: &str, folder: &Path) -> Pair {
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
        "#include <stdio.h>\n#include <stdlib.h>\nint main(int c, char **v) {{ long n = atol(v[1]), x = atol(v[2]);\n\
         for (long i = 0; i < n; i++) x = {term};\nprintf(\"Term %ld: %ld\\n\", n, x); }}\n"
    );
    Pair::new("chain", relation, &["1"], folder, &body)
}

fn rpn(relation: &str, start: &[&str], folder: &Path) -> Pair {
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
        "#include <stdio.h>\n#include <stdlib.h>\nint main(int c, char **v) {{ long n = atol(v[1]);\n{given}\
         for (long i = {depth}; i <= n; i++) {{ double t = {}; {moves}u1 = t; }}\n\
         printf(\"%ld: %.17g\\n\", n, u1); }}\n",
        stack[0]
    );
    Pair::new("rpn", relation, start, folder, &body)
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

fn report(what: &str, ratios: &[f64], collapsed: usize) {
    if ratios.is_empty() {
        println!("{what:48} collapsed");
        return;
    }
    let geomean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    println!("{what:48} {geomean:.3} worst {worst:.3} of {}, {collapsed} collapsed", ratios.len());
}

fn measure(what: &str, pairs: impl Iterator<Item = Pair>, scratch: &Path) {
    let (mut ratios, mut collapsed) = (Vec::new(), 0);
    for pair in pairs {
        match pair.ratio(scratch) {
            Some(ratio) => {
                if ratio > 1.1 {
                    println!("  {ratio:.3} {} {}", pair.command, pair.relation);
                }
                ratios.push(ratio);
            }
            None => collapsed += 1,
        }
    }
    report(what, &ratios, collapsed);
}

/// All terms to /dev/null, C's time over ours.
fn printing(folder: &Path) {
    let null = Path::new("/dev/null");
    let cases = [
        (
            "chain",
            "*6364136223846793005 +1442695040888963407",
            "1",
            "10000000",
            "long x = 1",
            "x = x * 6364136223846793005 + 1442695040888963407",
            "Term %ld: %ld\\n",
        ),
        (
            "rpn",
            "(1) 3.7 * 1 (1) - *",
            "0.3",
            "5000000",
            "double x = 0.3",
            "x = x * 3.7 * (1 - x)",
            "%ld: %.17g\\n",
        ),
    ];
    for (command, relation, start, terms, first, next, format) in cases {
        let body = format!(
            "#include <stdio.h>\n#include <stdlib.h>\nint main(int c, char **v) {{ long n = atol(v[1]); {first};\n\
             for (long i = 0; i <= n; i++) {{ printf(\"{format}\", i, x); {next}; }} }}\n"
        );
        let pair = Pair::new(command, relation, &[start], folder, &body);
        let mut ours = Command::new(BAREJIT);
        ours.args([command, "-e", relation, "--start", start, "--terms", terms]);
        let (mut best, mut best_c) = (f64::MAX, f64::MAX);
        for _ in 0..3 {
            best_c = best_c.min(time(&mut pair.c(terms.parse().expect("a number")), null).0);
            best = best.min(time(&mut ours, null).0);
        }
        println!("{terms} terms of {command:38} {:.2} times as fast as printf", best_c / best);
    }
}

fn main() {
    let folder = std::env::temp_dir().join(format!("barejit-relations-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the C programs");
    let scratch = folder.join("output");
    println!("time over that of gcc -O3");
    for relation in [
        "*6364136223846793005 +1442695040888963407",
        "*1103515245 +12345 %2147483648",
        "/7 +3 %1000003 *31",
        "^0x5DEECE66D *31 <3 >2",
    ] {
        measure(relation, std::iter::once(chain(relation, &folder)), &scratch);
    }
    for (relation, start) in [
        ("(1) (2) +", &["0", "1e-300"][..]),
        ("(1) 3.7 * 1 (1) - *", &["0.3"]),
        ("(1) (2) + (3) + (4) + (5) + 0.2 *", &["1", "2", "3", "4", "5"]),
    ] {
        measure(relation, std::iter::once(rpn(relation, start, &folder)), &scratch);
    }
    let mut random = Random(0x5EED);
    let chains = (0..RANDOM).map(|_| chain(&random.chain(), &folder));
    measure("chains at random", chains, &scratch);
    let mut random = Random(0x5EED);
    let relations = (0..RANDOM).map(|_| {
        let (relation, start) = random.rpn();
        rpn(&relation, &start, &folder)
    });
    measure("relations over f64 at random", relations, &scratch);
    printing(&folder);
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}
