//! Engines people run, and what they will meet here: derived from the rows that
//! stand for what each does by default, not from running them.

use super::out::Text;
use super::rows::set;
use super::{Report, Step};

/// An engine and what it needs.
#[derive(Debug)]
pub struct Engine {
    name: Text<20>,
    /// Ways that it tries, as sets of rows: it works if all rows of one work.
    ways: [u32; 5],
    /// What makes it do without those, or nothing.
    setting: Text<32>,
    /// What it needs then.
    then: u32,
}

/// What an engine will do here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prospect<'a> {
    /// It works as it comes.
    Works,
    /// It works with this setting.
    Needs(&'a str),
    /// It fails there.
    Fails(Step),
}

impl Engine {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.text()
    }

    /// What it will do; `None` if rows that matter were not tried.
    pub fn prospect(&self, report: &Report) -> Option<Prospect<'_>> {
        let (tried, works) = report.sets();
        let passes = |rows: u32| rows & !works == 0;
        if self.ways.iter().any(|rows| rows & !tried != 0) {
            return None;
        }
        if self.ways.iter().any(|rows| passes(*rows)) {
            return Some(Prospect::Works);
        }
        if !self.setting.is_empty() && passes(self.then) {
            return Some(Prospect::Needs(self.setting.text()));
        }
        let failing = (self.ways[0] & !works).trailing_zeros() as usize;
        let step = report.outcomes.get(failing).copied().flatten().and_then(|outcome| outcome.step);
        Some(Prospect::Fails(step.unwrap_or(Step::Obtain)))
    }
}

/// Needs no executable memory at all.
const NOTHING: u32 = 0;

/// `ways` of one row or several each; the last is repeated to fill the table.
const fn engine(name: &str, ways: &[&[&str]], setting: &str, then: u32) -> Engine {
    let (mut sets, mut i) = ([0; 5], 0);
    while i < sets.len() {
        sets[i] = set(if i < ways.len() { ways[i] } else { ways[ways.len() - 1] });
        i += 1;
    }
    Engine { name: Text::whole(name), ways: sets, setting: Text::whole(setting), then }
}

const DUAL: &[&[&str]] = &[&["memfd-dual"], &["shm-dual"], &["tmp-dual"]];
const ANY: &[&[&str]] = &[&["anon-rwx"], &["memfd-dual"], &["shm-dual"], &["tmp-dual"], &["vartmp-dual"]];
const RWX: &[&[&str]] = &[&["anon-rwx"]];
const COMMIT: &[&[&str]] = &[&["reserve-commit"]];
const COMMIT_RWX: &[&str] = &["reserve-commit", "anon-rwx"];

/// All engines.
pub static ENGINES: [Engine; 15] = [
    engine("V8, Node.js", &[COMMIT_RWX], "--jitless", NOTHING),
    engine(".NET", &[&["memfd-mprotect"]], "DOTNET_EnableWriteXorExecute=0", set(COMMIT_RWX)),
    engine("HotSpot", RWX, "", NOTHING),
    engine("LuaJIT", &[&["anon-wx", "anon-repatch"]], "-joff", NOTHING),
    engine("PCRE2, git grep -P", RWX, "(*NO_JIT) before the pattern", NOTHING),
    engine("PHP opcache", &[&["anon-repatch"]], "opcache.jit=disable", NOTHING),
    engine("PHP preg", RWX, "pcre.jit=0", NOTHING),
    engine("libffi closures", ANY, "static trampolines (3.4)", NOTHING),
    engine("Wasmtime", &[&["anon-wx"]], "--target pulley64", NOTHING),
    engine("SpiderMonkey", COMMIT, "--no-jit-backend", NOTHING),
    engine("Julia", &[&["self-mem"], &["memfd-dual"], &["shm-dual"], &["tmp-dual"]], "", NOTHING),
    engine("AsmJit", ANY, "", NOTHING),
    engine("Erlang/OTP", DUAL, "+JMsingle true", set(&["anon-rwx"])),
    engine("Ruby YJIT", COMMIT, "--disable-yjit", NOTHING),
    engine("QEMU TCG", RWX, "-accel tcg,split-wx=on", set(&["memfd-dual"])),
];
