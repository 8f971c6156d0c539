//! Small cases for each pass of the compiler, in the text form of the intermediate
//! representation, and for its code generator, in assembly.
//!
//! The cases of a pass are in `tests/bf/passes/PASS.txt`. With `BLESS=1` in the environment
//! the texts below `before:`, `after:` and `code:` are written anew, to be read and
//! committed.
//!
//! ```text
//! # Title: a sentence.
//! # Why, in more sentences.
//! program: ,[->++<]{>*1000}+
//! options: cells=16 eof=zero tape=8192 avx2 without=unrolling   (any of these, or no line)
//! before:
//!   …
//! after:
//!   …                                                            (or: the same)
//! ```

use super::options;
use barejit::front::bf::{Cells, Eof, Options, Runner};
use std::fmt::Write;

/// One case: the part written by hand, and the part written by the compiler.
struct Case {
    title: String,
    /// The lines up to `before:`, `after:` or `code:`.
    head: String,
    program: String,
    options: Options,
}

impl Case {
    fn parse(text: &str) -> Self {
        let title = text.lines().next().expect("a title").to_string();
        let is_given = |line: &&str| !["before:", "after:", "code:"].contains(line);
        let head: Vec<&str> = text.lines().take_while(is_given).collect();
        let field = |name: &str| head.iter().find_map(|line| line.strip_prefix(name));
        let program = expand(field("program: ").unwrap_or_else(|| panic!("{title}: no program")));
        let mut options = options(Cells::Eight, Eof::Unchanged);
        for word in field("options: ").unwrap_or_default().split_whitespace() {
            match word {
                "cells=16" => options.cells = Cells::Sixteen,
                "cells=32" => options.cells = Cells::ThirtyTwo,
                "eof=zero" => options.eof = Eof::Zero,
                "eof=minus-one" => options.eof = Eof::MinusOne,
                "avx2" => options.avx2 = true,
                "without=motion" => options.passes.motion = false,
                "without=idioms" => options.passes.idioms = false,
                "without=propagation" => options.passes.propagation = false,
                "without=unrolling" => options.passes.unrolling = false,
                "without=registers" => options.passes.registers = false,
                "without=layout" => options.passes.layout = false,
                _ => {
                    let tape = word.strip_prefix("tape=").and_then(|cells| cells.parse().ok());
                    options.tape = tape.unwrap_or_else(|| panic!("{title}: {word}"));
                }
            }
        }
        Self { title, head: head.join("\n"), program, options }
    }

    /// The case as the compiler has it now: around the pass with this name.
    fn around(&self, pass: &str) -> String {
        let (mut before, mut after) = (String::new(), None);
        Runner::new(self.source(), &self.options, &mut |name, snapshot| match (name == pass, &after) {
            (true, None) => after = Some(snapshot.to_string()),
            (false, None) => before = snapshot.to_string(),
            _ => {}
        })
        .unwrap_or_else(|error| panic!("{}: {error:?}", self.title));
        let after = after.unwrap_or_else(|| panic!("{}: {pass} did not run", self.title));
        let mut text = self.head.clone();
        if !before.is_empty() {
            text += &section("before", &before);
        }
        text += &section("after", if after == before { "the same\n" } else { &after });
        text
    }

    /// The case with the code that it comes to, without prologue and shared routines.
    fn code(&self) -> String {
        let options = Options { explain: true, ..self.options };
        let runner = Runner::new(self.source(), &options, &mut |_, _| {});
        let runner = runner.unwrap_or_else(|error| panic!("{}: {error:?}", self.title));
        let code = runner.program().code();
        // The prologue jumps to the first label, where the program begins.
        let lines = code.lines().map(|line| line.to_string()).skip_while(|line| line != "L0:").skip(1);
        let indent = |line: String| if line.ends_with(':') { line } else { format!("  {line}") };
        let text = lines.map(indent).filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n");
        self.head.clone() + &section("code", &text)
    }

    fn source(&self) -> &[u8] {
        self.program.as_bytes()
    }
}

/// The program with each `{>*1000}` as so many commands.
fn expand(program: &str) -> String {
    let mut parts = program.split(['{', '}']);
    let mut expanded = parts.next().unwrap_or_default().to_string();
    while let (Some(run), Some(rest)) = (parts.next(), parts.next()) {
        let (command, count) = run.split_once('*').expect("a command and a count");
        expanded += &command.repeat(count.parse().expect("a count"));
        expanded += rest;
    }
    expanded
}

fn section(name: &str, text: &str) -> String {
    let mut section = format!("\n{name}:");
    for line in text.lines() {
        write!(section, "\n  {line}").expect("a string");
    }
    section
}

/// Compares each case of a file with what `now` makes of it.
fn compare(file: &str, now: impl Fn(&Case) -> String) {
    let path = format!("tests/bf/passes/{file}.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let cases: Vec<&str> = text.trim_end().split("\n\n").collect();
    assert!(cases.len() > 1, "{path} has hardly a case");
    let made: Vec<String> = cases.iter().map(|text| now(&Case::parse(text))).collect();
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(&path, made.join("\n\n") + "\n").expect("written");
    }
    let pairs = cases.iter().zip(&made);
    let wrong: Vec<String> = pairs
        .filter(|(expected, actual)| **expected != actual.as_str())
        .map(|(expected, actual)| format!("expected:\n{expected}\n\nactual:\n{actual}"))
        .collect();
    assert!(wrong.is_empty(), "{path} (BLESS=1 writes it anew):\n\n{}", wrong.join("\n\n"));
}

#[test]
fn parsing_folds_runs_and_defers_motion() {
    compare("parse", |case| case.around("parse"));
}

#[test]
fn bounds_checks_are_hoisted_to_the_start_of_a_region() {
    compare("bounds-check-hoisting", |case| case.around("bounds-check hoisting"));
}

#[test]
fn baseline_accesses_that_may_fault_are_marked() {
    compare("bounds-checks", |case| case.around("bounds checks"));
}

#[test]
fn loop_idioms_become_multiply_adds_and_scans() {
    compare("loop-idiom-recognition", |case| case.around("loop idiom recognition"));
}

#[test]
fn cells_that_loops_leave_zero_are_found() {
    compare("loop-invariant-zeros", |case| case.around("loop-invariant zeros"));
}

#[test]
fn constants_are_propagated_and_dead_stores_eliminated() {
    compare("constant-propagation", |case| case.around("constant propagation"));
}

#[test]
fn loops_with_a_closed_form_are_summarised() {
    compare("loop-summarisation", |case| case.around("constant propagation"));
}

#[test]
fn small_unbalanced_loops_are_unrolled() {
    compare("loop-unrolling", |case| case.around("loop unrolling"));
}

#[test]
fn cells_of_balanced_loops_are_promoted_to_registers() {
    compare("register-promotion", |case| case.around("register promotion"));
}

#[test]
fn checks_are_fused_with_accesses_or_emitted() {
    compare("code-of-bounds-checks", Case::code);
}

#[test]
fn cells_that_are_read_again_soon_are_kept_in_registers() {
    compare("code-of-local-register-allocation", Case::code);
}

#[test]
fn unlikely_code_is_outlined_and_tests_are_threaded() {
    compare("code-layout", Case::code);
}

#[test]
fn arithmetic_uses_the_cheapest_instructions() {
    compare("code-of-arithmetic", Case::code);
}
