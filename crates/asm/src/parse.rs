//! Text to instructions: Intel syntax, one statement at a time. No allocation.
//!
//! A statement is read into operands, and each row of the instruction table
//! with its mnemonic is tried with them. Of all encodings that fit, the
//! shortest is taken; of several as short, that of the first row. Nothing is rewritten into
//! another instruction: `mov rax, 1` stays seven bytes. [`Place::optimise`] permits
//! these rewrites where they are shorter, which GNU as -O2 or nasm make, too:
//!
//! | written | assembled | where |
//! |---|---|---|
//! | `mov rax, 1` | `mov eax, 1` | numbers of 32 bits without a sign |
//! | `and rax, 1`, `test rax, 1` | `and eax, 1`, `test eax, 1` | numbers of 31 bits |
//! | `test ebx, 1` | `test bl, 1` | registers, numbers of 7 bits |
//! | `xor rax, rax`, `sub rax, rax` | `xor eax, eax`, `sub eax, eax` | a register with itself |
//! | `[rbx*2]` | `[rbx+rbx]` | an index with the factor 2, and no base |
//!
//! Labels are numbers here: the caller resolves them, and parses again when they move. In
//! front of a branch it says whether the short form may be taken.

mod expression;
mod fields;
mod lexer;
mod mnemonic;
mod operand;
mod optimise;
mod register;
mod select;

pub use expression::{Constants, Symbol};
#[doc(hidden)]
pub use mnemonic::distance;
pub use select::Kinds;

use crate::assembler::{Asm, Tables};
use core::fmt;
use expression::{Value, expression};
use lexer::{Lexer, Token};

/// Why a statement cannot be assembled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error<'a> {
    /// Offset of the first byte that it is about.
    pub at: usize,
    /// The mistake there.
    pub reason: Reason<'a>,
}

/// A mistake in a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason<'a> {
    /// A number of more than 64 bits.
    TooLarge,
    /// A word that begins like a number and is none.
    NoNumber(&'a str),
    /// A string without its closing quote.
    OpenString,
    /// Something else was expected.
    Expected(&'static str),
    /// An operation on labels or registers that no operand can hold.
    NotLinear,
    /// Parentheses and signs nested too deep.
    TooDeep,
    /// A string that is no number: more than eight characters.
    LongText,
    /// Percent and dollar signs: AT&T syntax.
    AttSyntax,
    /// No instruction has this mnemonic; the nearest one that has, if any is near.
    Mnemonic(&'a str),
    /// The instruction has no form for these operands.
    Operands {
        /// Its mnemonic.
        mnemonic: &'a str,
        /// The kinds of these.
        given: Kinds,
    },
    /// Memory of several sizes fits: `byte ptr` or the like has to tell.
    Size,
    /// The number does not fit the operand.
    Range,
    /// An address that the processor cannot form.
    Address,
    /// The instruction does not take this prefix.
    Prefix(&'a str),
    /// A label that the caller does not know.
    Label(&'a str),
    /// A short jump that does not reach.
    Distance,
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("a number of more than 64 bits"),
            Self::NoNumber(word) => write!(f, "'{word}' is no number"),
            Self::OpenString => f.write_str("the string has no closing quote"),
            Self::Expected(what) => write!(f, "expected {what}"),
            Self::NotLinear => f.write_str("no operand can hold this expression"),
            Self::TooDeep => f.write_str("nested too deep"),
            Self::LongText => f.write_str("a string of more than eight characters is no number"),
            Self::AttSyntax => f.write_str("this is AT&T syntax; write Intel syntax: mov eax, 1"),
            Self::Mnemonic(word) => {
                write!(f, "no instruction is called '{word}'")?;
                match mnemonic::nearest(word) {
                    Some(near) => write!(f, "; did you mean '{near}'?"),
                    None => Ok(()),
                }
            }
            Self::Operands { mnemonic, given } => {
                write!(f, "'{mnemonic}' has no form with ")?;
                select::write_given(f, given)?;
                f.write_str("; it takes ")?;
                select::write_forms(f, mnemonic, given)
            }
            Self::Size => f.write_str("the size of the memory is not told: write byte, word, dword or qword"),
            Self::Range => f.write_str("the number does not fit"),
            Self::Address => f.write_str("no instruction can address this"),
            Self::Prefix(prefix) => write!(f, "the instruction does not take '{prefix}' here"),
            Self::Label(name) => write!(f, "no label '{name}'"),
            Self::Distance => f.write_str("a short jump does not reach it"),
        }
    }
}

/// Where a statement stands, and what names mean there.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    /// The address of its first byte.
    pub address: u64,
    /// Whether a branch may be short; if not, it has 32 bits.
    pub short: bool,
    /// Whether another instruction of the same effect may be taken where it is shorter.
    pub optimise: bool,
    /// The address of a label, if it is known.
    pub symbols: &'p dyn Fn(Symbol<'_>) -> Option<u64>,
    /// The value of a name that `equ` has defined.
    pub constants: Constants<'p>,
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)
    }
}

/// The kind of a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Statement<'a> {
    /// Nothing, or a comment.
    Empty,
    /// An instruction; whether it is a branch that could be longer.
    Instruction {
        /// It was encoded short, and has a form of 32 bits.
        can_grow: bool,
    },
    /// Data, or padding.
    Data,
    /// A name for a number.
    Equ(&'a str, i64),
}

/// The label that `line` begins with, and what follows it.
pub fn label(line: &str) -> Option<(Symbol<'_>, &str)> {
    let text = line.trim_start();
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '$' | '?')))?;
    let rest = text.get(end..)?.trim_start().strip_prefix(':')?;
    let name = text.get(..end).filter(|name| !name.is_empty())?;
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((Symbol::Local(name.parse().ok()?, false), rest));
    }
    let is_name =
        !name.starts_with(|c: char| c.is_ascii_digit()) && register::Register::named(name).is_none();
    is_name.then_some((Symbol::Name(name), rest))
}

/// Whether `word` is a mnemonic, a prefix or a directive.
pub fn is_mnemonic(word: &str) -> bool {
    is_directive(word) || mnemonic::is_prefix(word) || mnemonic::is_mnemonic(word)
}

/// Whether `word` is a mnemonic of AT&T syntax only: `movl`.
pub fn is_att_mnemonic(word: &str) -> bool {
    !is_mnemonic(word) && mnemonic::is_att(word)
}

/// Whether `word` is a directive that puts data: `db`, `dw`, `dd`, `dq`, `align`.
pub fn is_directive(word: &str) -> bool {
    data_size(word).is_some() || word.eq_ignore_ascii_case("align")
}

/// Calls `found` with every mnemonic, those with a condition under each of its names.
pub fn mnemonics(found: &mut dyn FnMut(&str)) {
    mnemonic::mnemonics(found);
}

/// The value of an expression in which names are what `constants` says.
///
/// # Errors
/// Why it is none.
pub fn evaluate<'a>(text: &'a str, constants: Constants<'_>) -> Result<i64, Error<'a>> {
    let mut lexer = Lexer::new(text)?;
    let value = expression(&mut lexer, constants, false)?;
    if lexer.token() != Token::End {
        return lexer.error(Reason::Expected("an operator or the end"));
    }
    match value {
        Value { label: Some(Symbol::Name(name)), .. } => Err(Error { at: 0, reason: Reason::Label(name) }),
        value => value.plain().ok_or(Error { at: 0, reason: Reason::NotLinear }),
    }
}

fn data_size(word: &str) -> Option<usize> {
    const DIRECTIVES: [(&str, usize); 4] = [("db", 1), ("dw", 2), ("dd", 4), ("dq", 8)];
    DIRECTIVES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, size)| *size)
}

/// Assembles one statement without a label and gives its bytes to `out`.
///
/// # Errors
/// Why it cannot be; `out` may have got a part of its data.
pub fn parse<'a>(
    line: &'a str,
    place: &Place<'_>,
    out: &mut dyn FnMut(&[u8]),
) -> Result<Statement<'a>, Error<'a>> {
    let mut lexer = Lexer::new(line)?;
    let word = match lexer.token() {
        Token::End => return Ok(Statement::Empty),
        Token::Name(word) => word,
        Token::Mark(b'%') => return lexer.error(Reason::AttSyntax),
        _ => return lexer.error(Reason::Expected("a mnemonic")),
    };
    let start = lexer;
    lexer.advance()?;
    if let Some(size) = data_size(word) {
        data(&mut lexer, place, size, out)?;
        return Ok(Statement::Data);
    }
    if word.eq_ignore_ascii_case("align") {
        align(&mut lexer, place, out)?;
        return Ok(Statement::Data);
    }
    if lexer.take_word("equ")? {
        let value = expression(&mut lexer, place.constants, true)?;
        let value = absolute(&lexer, &value, place)?;
        end(&lexer)?;
        return Ok(Statement::Equ(word, value));
    }
    select::instruction(start, place, out)
}

fn end<'a>(lexer: &Lexer<'a>) -> Result<(), Error<'a>> {
    if lexer.token() == Token::End {
        Ok(())
    } else {
        lexer.error(Reason::Expected("',' or the end of the statement"))
    }
}

/// The number that a value is once labels are addresses.
fn absolute<'a>(lexer: &Lexer<'a>, value: &Value<'a>, place: &Place<'_>) -> Result<i64, Error<'a>> {
    if value.registers != [None; 2] {
        return lexer.error(Reason::Expected("a number"));
    }
    match value.label {
        None => Ok(value.constant),
        Some(symbol) => Ok(value.constant.wrapping_add(resolve(lexer, symbol, place)?.cast_signed())),
    }
}

fn resolve<'a>(lexer: &Lexer<'a>, symbol: Symbol<'a>, place: &Place<'_>) -> Result<u64, Error<'a>> {
    match (symbol, (place.symbols)(symbol)) {
        (Symbol::Here, _) => Ok(place.address),
        (_, Some(address)) => Ok(address),
        (Symbol::Name(name), None) => lexer.error(Reason::Label(name)),
        (Symbol::Local(..), None) => lexer.error(Reason::Label("of this number")),
    }
}

fn data<'a>(
    lexer: &mut Lexer<'a>,
    place: &Place<'_>,
    size: usize,
    out: &mut dyn FnMut(&[u8]),
) -> Result<(), Error<'a>> {
    loop {
        match lexer.token() {
            Token::Text(text) if size == 1 || text.len() > 8 => {
                out(text.as_bytes());
                let gap = text.len().wrapping_neg() % size;
                out(&[0; 8][..gap]);
                lexer.advance()?;
            }
            _ => {
                let here = *lexer;
                let value = expression(lexer, place.constants, true)?;
                let value = absolute(&here, &value, place)?;
                let bits = 8 * size as u32;
                let fits = size == 8 || value >> (bits - 1) == -1 || value.cast_unsigned() >> bits == 0;
                if !fits {
                    return here.error(Reason::Range);
                }
                out(&value.to_le_bytes()[..size]);
            }
        }
        if !lexer.take(b',')? {
            return end(lexer);
        }
    }
}

/// Pads with no-ops to a multiple of a power of two, counted from address 0.
fn align<'a>(lexer: &mut Lexer<'a>, place: &Place<'_>, out: &mut dyn FnMut(&[u8])) -> Result<(), Error<'a>> {
    const MOST: i64 = 4096;
    let here = *lexer;
    let value = expression(lexer, place.constants, true)?;
    let alignment = absolute(&here, &value, place)?;
    end(lexer)?;
    if !(1..=MOST).contains(&alignment) || alignment & (alignment - 1) != 0 {
        return here.error(Reason::Expected("a power of two up to 4096"));
    }
    let mut gap = (place.address.wrapping_neg() & (alignment as u64 - 1)) as usize;
    while gap > 0 {
        let mut bytes = [0; 32];
        let size = gap.min(9);
        Asm::new(&mut bytes, Tables::none()).nop(size as u8);
        out(&bytes[..size]);
        gap -= size;
    }
    Ok(())
}
