//! Expressions at the prompt: registers, labels, numbers, memory.

use super::session::Session;
use crate::front::assembly::Mistake;
use alloc::{format, string::ToString};
use barejit_asm::parse;
use barejit_exec::State;

/// Words for the size of memory in an expression.
const SIZES: [(&str, usize); 6] =
    [("byte", 1), ("word", 2), ("dword", 4), ("qword", 8), ("xmmword", 16), ("ymmword", 32)];

/// The value of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number of 64 bits.
    Number(u64),
    /// A vector of 16 or 32 bytes, the rest zero.
    Vector([u8; 32], usize),
    /// Memory.
    Memory {
        /// The address of its first byte.
        address: usize,
        /// How many bytes.
        size: usize,
    },
}

/// Whether `line` is an expression and not an instruction.
pub fn is_expression(line: &str, session: &Session) -> bool {
    if parse::label(line).is_some() {
        return false;
    }
    let end = line.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.'))).unwrap_or(line.len());
    let word = &line[..end];
    match word.bytes().next() {
        None => line.starts_with(['[', '(', '-', '~', '\'', '"']),
        Some(b'0'..=b'9') => true,
        Some(_) if parse::is_mnemonic(word) => false,
        Some(_) => {
            let size = SIZES.iter().any(|(name, _)| name.eq_ignore_ascii_case(word));
            size || vector(word).is_some()
                || register(word, &session.state).is_some()
                || session.label(word).is_some() && !line[end..].trim_start().starts_with("equ ")
        }
    }
}

/// The value of an expression in a session.
///
/// # Errors
/// Why it has none.
pub fn evaluate(text: &str, session: &Session) -> Result<Value, Mistake> {
    let text = text.trim();
    if let Some((n, size)) = vector(text) {
        let mut bytes = session.state.vector(n);
        bytes[size..].fill(0);
        return Ok(Value::Vector(bytes, size));
    }
    let (mut rest, mut size) = (text, 8);
    let word = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    if let Some((_, told)) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        size = *told;
        rest = text[word.len()..].trim_start();
        rest = rest.strip_prefix("ptr").unwrap_or(rest).trim_start();
    }
    let names = |name: &str| {
        let value =
            register(name, &session.state).or_else(|| session.label(name).map(|address| address as u64));
        value.map(u64::cast_signed)
    };
    let column = text.len() - rest.len();
    let number = |text: &str, column: usize| {
        let value = parse::evaluate(text, &names);
        value.map_err(|error| Mistake {
            line: 0,
            column: column + error.at,
            message: error.reason.to_string(),
        })
    };
    match rest.strip_prefix('[').map(|inside| inside.strip_suffix(']')) {
        Some(Some(inside)) => Ok(Value::Memory { address: number(inside, column + 1)? as usize, size }),
        Some(None) => Err(Mistake { line: 0, column: text.len(), message: "expected ']'".into() }),
        None => Ok(Value::Number(number(rest, column)?.cast_unsigned())),
    }
}

/// The number and the size in bytes of a vector register.
fn vector(name: &str) -> Option<(usize, usize)> {
    let sized = [("xmm", 16), ("ymm", 32)];
    let (digits, size) = sized.iter().find_map(|(file, size)| Some((name.strip_prefix(*file)?, *size)))?;
    digits.parse().ok().filter(|n| *n < 16).map(|n| (n, size))
}

/// The value of a general-purpose register of any width, RIP or RFLAGS.
fn register(name: &str, state: &State) -> Option<u64> {
    let general =
        |name: &str| State::GENERAL.iter().position(|known| *known == name).map(|n| state.general[n]);
    if let Some(value) = general(name) {
        return Some(value);
    }
    match name.as_bytes() {
        b"flags" | b"rflags" => Some(state.flags),
        // eax, and r8d.
        [b'e', ..] => general(&format!("r{}", &name[1..])).map(|value| value & 0xFFFF_FFFF),
        [b'r', .., b'd'] => general(&name[..name.len() - 1]).map(|value| value & 0xFFFF_FFFF),
        [b'r', .., b'w'] => general(&name[..name.len() - 1]).map(|value| value & 0xFFFF),
        [b'r', .., b'b'] => general(&name[..name.len() - 1]).map(|value| value & 0xFF),
        // al and ah, ax, spl.
        [letter @ (b'a' | b'b' | b'c' | b'd'), b'l'] => {
            general(&format!("r{}x", char::from(*letter))).map(|value| value & 0xFF)
        }
        [letter @ (b'a' | b'b' | b'c' | b'd'), b'h'] => {
            general(&format!("r{}x", char::from(*letter))).map(|value| value >> 8 & 0xFF)
        }
        [_, _] => general(&format!("r{name}")).map(|value| value & 0xFFFF),
        [_, _, b'l'] => general(&format!("r{}", &name[..2])).map(|value| value & 0xFF),
        _ => None,
    }
}

/// Calls `found` with the names of registers.
pub fn registers(found: &mut dyn FnMut(&str)) {
    State::GENERAL.iter().for_each(|name| found(name));
    for name in ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "al", "cl", "dl", "bl", "rip"] {
        found(name);
    }
    for n in 0..16 {
        found(&format!("xmm{n}"));
        found(&format!("ymm{n}"));
    }
}
