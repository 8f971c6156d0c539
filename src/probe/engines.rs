//! Engines people run, and what they will meet here: derived from the rows that
//! stand for what each does by default, not from running them.

use super::rows::set;
use super::{Report, Step};
use barejit_sys::piece;

/// An engine and what it needs.
#[derive(Debug)]
pub struct Engine {
    /// Where in the table it stands, and so its texts.
    place: u8,
    /// Ways that it tries, as sets of rows: it works if all rows of one work.
    ways: [u32; 5],
    /// What it needs with that setting.
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
    pub fn name(&self) -> &'static str {
        piece(TEXT, b'|', 2 * usize::from(self.place))
    }

    /// What it will do; `None` if rows that matter were not tried.
    pub fn prospect(&self, report: &Report<'_>) -> Option<Prospect<'_>> {
        let (tried, works) = report.sets();
        let passes = |rows: u32| rows & !works == 0;
        if self.ways.iter().any(|rows| rows & !tried != 0) {
            return None;
        }
        if self.ways.iter().any(|rows| passes(*rows)) {
            return Some(Prospect::Works);
        }
        let setting = piece(TEXT, b'|', 2 * usize::from(self.place) + 1);
        if !setting.is_empty() {
            if self.then & !tried != 0 {
                return None;
            }
            if passes(self.then) {
                return Some(Prospect::Needs(setting));
            }
        }
        let failing = (self.ways[0] & !works).trailing_zeros() as usize;
        let step = report.outcomes.get(failing).copied().flatten().and_then(|outcome| outcome.step);
        Some(Prospect::Fails(step.unwrap_or(Step::Obtain)))
    }
}

/// The setting by which the engine of this name does without executable memory, and its
/// price.
pub fn cure(name: &str) -> Option<(&'static str, &'static str)> {
    let engine = ENGINES.iter().find(|engine| engine.name().starts_with(name))?;
    let setting = piece(TEXT, b'|', 2 * usize::from(engine.place) + 1);
    (!setting.is_empty()).then_some((setting, ""))
}

/// Needs no executable memory at all.
const NOTHING: u32 = 0;

/// `ways` of one row or several each; the last is repeated to fill the table.
const fn sets(ways: &[&[&str]]) -> [u32; 5] {
    let (mut sets, mut i) = ([0; 5], 0);
    while i < sets.len() {
        sets[i] = set(if i < ways.len() { ways[i] } else { ways[ways.len() - 1] });
        i += 1;
    }
    sets
}

const DUAL: &[&[&str]] = &[&["memfd-dual"], &["shm-dual"], &["tmp-dual"]];
const ANY: &[&[&str]] = &[&["anon-rwx"], &["memfd-dual"], &["shm-dual"], &["tmp-dual"], &["vartmp-dual"]];
const RWX: &[&[&str]] = &[&["anon-rwx"]];
const COMMIT: &[&[&str]] = &[&["reserve-commit"]];
const COMMIT_RWX: &[&str] = &["reserve-commit", "anon-rwx"];

macro_rules! engines {
    ($($name:literal $ways:expr, $setting:literal $then:expr;)*) => {
        /// All engines.
        pub static ENGINES: [Engine; COUNT] = {
            let mut engines = [$(Engine { place: 0, ways: sets($ways), then: $then }),*];
            let mut i = 0;
            while i < COUNT {
                engines[i].place = i as u8;
                i += 1;
            }
            engines
        };
        /// Names, and what makes them do without those ways, or nothing.
        const TEXT: &str = concat!($($name, "|", $setting, "|"),*);
    };
}
const COUNT: usize = 15;
engines! {
    "V8, Node.js" &[COMMIT_RWX], "--jitless" NOTHING;
    ".NET" &[&["memfd-mprotect"]], "DOTNET_EnableWriteXorExecute=0" set(COMMIT_RWX);
    "HotSpot" RWX, "" NOTHING;
    "LuaJIT" &[&["anon-wx", "anon-repatch"]], "-joff" NOTHING;
    "PCRE2, git grep -P" RWX, "(*NO_JIT) before the pattern" NOTHING;
    "PHP opcache" &[&["anon-repatch"]], "opcache.jit=disable" NOTHING;
    "PHP preg" RWX, "pcre.jit=0" NOTHING;
    "libffi closures" ANY, "static trampolines (3.4)" NOTHING;
    "Wasmtime" &[&["anon-wx"]], "--target pulley64" NOTHING;
    "SpiderMonkey" COMMIT, "--no-jit-backend" NOTHING;
    "Julia" &[&["self-mem"], &["memfd-dual"], &["shm-dual"], &["tmp-dual"]], "" NOTHING;
    "AsmJit" ANY, "" NOTHING;
    "Erlang/OTP" DUAL, "+JMsingle true" set(&["anon-rwx"]);
    "Ruby YJIT" COMMIT, "--disable-yjit" NOTHING;
    "QEMU TCG" RWX, "-accel tcg,split-wx=on" set(&["memfd-dual"]);
}
