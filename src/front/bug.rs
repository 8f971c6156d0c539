//! The stop for a broken invariant of a compiler.
//!
//! It owns one cold function. It is not for errors of a program that is compiled:
//! those are values.

/// Stops because the compiler broke one of its own invariants; the panic names the
/// line that found it. Going on with a default would compile something else than the
/// program.
#[cold]
#[track_caller]
pub(super) fn bug(invariant: &'static str) -> ! {
    panic!("{}", invariant)
}
