//! Files of small named cases that pin the passes of a compiler.
//!
//! ```text
//! The head of the file says which pass it pins.
//!
//! == a name in plain words
//! Why the pass does this, in one line or more.
//! -- before
//! the text that goes in
//! -- after
//! the text that comes out
//! ```
//!
//! A case fails if the pass gives another text. With `BLESS=1` in the environment the
//! file is written anew, to be read before it is kept.

use super::Recorded;
use barejit_asm::{Asm, RecordKind};
use std::{env, format, fs, path::PathBuf, string::String, string::ToString, vec::Vec};

/// One case of a file.
struct Case<'a> {
    name: &'a str,
    /// The reason, as it stands in the file.
    why: &'a str,
    before: &'a str,
    after: &'a str,
}

impl<'a> Case<'a> {
    fn parse(path: &str, text: &'a str) -> Self {
        let (head, rest) =
            text.split_once("-- before\n").unwrap_or_else(|| panic!("{path}: no before: {text}"));
        let (before, after) =
            rest.split_once("-- after\n").unwrap_or_else(|| panic!("{path}: no after: {text}"));
        let (name, why) = head.split_once('\n').unwrap_or_else(|| panic!("{path}: no reason: {text}"));
        assert!(!why.trim().is_empty(), "{path}: no reason: {name}");
        Self { name, why, before, after: after.trim_end() }
    }
}

/// Runs every case of `tests/ir/NAME` through `pass`.
pub(super) fn check(name: &str, pass: &dyn Fn(&str) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ir").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut parts = text.split("== ");
    let head = parts.next().unwrap_or_default();
    let cases: Vec<Case<'_>> = parts.map(|part| Case::parse(name, part)).collect();
    assert!(!cases.is_empty(), "{name} has no case");
    let mut blessed = String::from(head);
    let mut wrong = String::new();
    for case in &cases {
        let actual = pass(case.before);
        let actual = actual.trim_end();
        if actual != case.after {
            wrong += &format!(
                "\n{name}: {}\nbefore:\n{}expected:\n{}\nactual:\n{actual}\n",
                case.name, case.before, case.after
            );
        }
        let last = cases.last().is_some_and(|last| last.name == case.name);
        let Case { name, why, before, .. } = case;
        blessed += &format!(
            "== {name}\n{why}-- before\n{before}-- after\n{actual}\n{}",
            if last { "" } else { "\n" }
        );
    }
    if env::var_os("BLESS").is_some() {
        return fs::write(&path, blessed).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The value of `key=…` among the words of a line.
pub(super) fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The instructions, labels and constants of the code that `emit` makes, a line each, without
/// padding.
pub(super) fn instructions(emit: &dyn Fn(&mut Asm<'_>)) -> String {
    let code = Recorded::of(emit);
    let code = code.code();
    let lines =
        code.lines().filter(|line| !line.bytes().is_empty() || matches!(line.kind(), RecordKind::Bind(_)));
    lines.map(|line| line.to_string() + "\n").filter(|line| line != "db 0x00\n").collect()
}
