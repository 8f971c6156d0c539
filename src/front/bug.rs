//! The stop for a broken invariant of a compiler.
//!
//! It owns one macro and its cold function. They are not for errors of a program that is
//! compiled: those are values.

/// Stops because the compiler broke one of its own invariants; the message names the
/// line that found it. Going on with a default would compile something else than the
/// program.
///
/// A macro and no function with `#[track_caller]`: a `Location` for each call would be
/// relocated at every start.
macro_rules! bug {
    ($invariant:literal) => {
        $crate::front::bug::stop(file!(), line!(), $invariant)
    };
}

pub(super) use bug;

/// Stops with the place and the text of a broken invariant.
#[cold]
pub(super) fn stop(file: &str, line: u32, invariant: &str) -> ! {
    panic!("{file}:{}: {invariant}", u64::from(line))
}
