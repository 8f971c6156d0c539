//! What tools from outside need to see generated code: names for perf and gdb.
//!
//! Each file speaks one tool's language and nothing else. None of them runs code
//! or knows how it got into memory; they are told where it is.

pub mod gdb;
pub mod jitdump;
pub mod perf_map;

use crate::code::{Code, Symbol};

/// A name of code at an address, as every tool wants it.
struct Place<'a> {
    name: &'a str,
    address: u64,
    size: u64,
}

/// The names of `code`, which lies at `start`.
fn places<'a>(code: &Code<'a>, start: usize) -> impl Iterator<Item = Place<'a>> {
    let place = move |symbol: Symbol<'a>| Place {
        name: symbol.name,
        address: start as u64 + u64::from(symbol.offset),
        size: symbol.size.into(),
    };
    code.names().map(place)
}
