//! Expressions: sums of constants, at most one label, and, in brackets, registers times
//! scales.
//!
//! Operators and their order are those of C: `|`, `^`, `&`, `<<` `>>`, `+` `-`, `*` `/`
//! `%`, then the unary `-` `+` `~`. Constants have 64 bits and wrap. A value keeps apart
//! what only the assembler or the processor will know, so `[8+rbx+4*rcx+table]` may be
//! written in any order.

use super::{Error, Lexer, Reason, lexer::Token, register::Register};

/// A place that a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symbol<'a> {
    /// A label.
    Name(&'a str),
    /// The nearest numeric local label of this number; later in the text if so said.
    Local(u32, bool),
    /// The start of the statement, `$`.
    Here,
}

/// Constants by name: the value that `equ` gave it, if any.
pub type Constants<'c> = &'c dyn Fn(&str) -> Option<i64>;

/// The values of names in an expression.
#[derive(Clone, Copy)]
struct Names<'c> {
    constants: Constants<'c>,
    /// Whether names of registers are registers. If not, they are constants.
    registers: bool,
}

/// The value of an expression: `constant + label + first * scale + second`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Value<'a> {
    pub(super) constant: i64,
    pub(super) label: Option<Symbol<'a>>,
    /// Registers with their factors, in the order written.
    pub(super) registers: [Option<(Register, i64)>; 2],
}

/// Parentheses and signs may nest this deep.
const DEPTH: u32 = 64;

impl<'a> Value<'a> {
    fn constant(constant: i64) -> Self {
        Self { constant, ..Self::default() }
    }

    /// The constant, unless labels or registers are in the value.
    pub(super) fn plain(&self) -> Option<i64> {
        (self.label.is_none() && self.registers == [None; 2]).then_some(self.constant)
    }

    /// Adds `other`, or nothing if there are two labels or three registers.
    fn plus(mut self, other: Self) -> Option<Self> {
        self.constant = self.constant.wrapping_add(other.constant);
        if let Some(label) = other.label {
            if self.label.is_some() {
                return None;
            }
            self.label = Some(label);
        }
        for (register, factor) in other.registers.into_iter().flatten() {
            // `rax+rax` is two registers, but behind a third one it is `rax*2`.
            let full = self.registers.iter().all(Option::is_some);
            let place = self.registers.iter_mut().find(|place| match place {
                None => true,
                Some((known, _)) => full && *known == register,
            })?;
            let before = place.map_or(0, |(_, factor)| factor);
            *place = Some((register, before + factor));
        }
        Some(self)
    }

    fn negated(self) -> Option<Self> {
        Some(Self::constant(self.plain()?.wrapping_neg()))
    }

    fn times(self, other: Self) -> Option<Self> {
        let (value, factor) = match (self.plain(), other.plain()) {
            (_, Some(factor)) => (self, factor),
            (Some(factor), None) => (other, factor),
            (None, None) => return None,
        };
        if value.label.is_some() {
            return None;
        }
        let scaled = |place: Option<(Register, i64)>| match place {
            None => Some(None),
            Some((register, known)) => Some(Some((register, known.checked_mul(factor)?))),
        };
        let [first, second] = value.registers;
        Some(Self {
            constant: value.constant.wrapping_mul(factor),
            label: None,
            registers: [scaled(first)?, scaled(second)?],
        })
    }
}

/// How tightly an operator binds; 0 is none.
fn binding(mark: u8) -> u8 {
    match mark {
        b'|' => 1,
        b'^' => 2,
        b'&' => 3,
        b'<' | b'>' => 4,
        b'+' | b'-' => 5,
        b'*' | b'/' | b'%' => 6,
        _ => 0,
    }
}

/// Reads an expression; `registers` says whether it may have registers in it.
pub(super) fn expression<'a>(
    lexer: &mut Lexer<'a>,
    constants: Constants<'_>,
    registers: bool,
) -> Result<Value<'a>, Error<'a>> {
    binary(lexer, Names { constants, registers }, 1, DEPTH)
}

fn binary<'a>(
    lexer: &mut Lexer<'a>,
    names: Names<'_>,
    least: u8,
    depth: u32,
) -> Result<Value<'a>, Error<'a>> {
    let mut left = unary(lexer, names, depth)?;
    while let Token::Mark(mark) = lexer.token() {
        let power = binding(mark);
        if power < least || power == 0 {
            break;
        }
        let here = *lexer;
        lexer.advance()?;
        let right = binary(lexer, names, power + 1, depth)?;
        left = match combine(mark, left, right) {
            Some(value) => value,
            None => return here.error(Reason::NotLinear),
        };
    }
    Ok(left)
}

fn combine<'a>(mark: u8, left: Value<'a>, right: Value<'a>) -> Option<Value<'a>> {
    match mark {
        b'+' => return left.plus(right),
        b'-' => return left.plus(right.negated()?),
        b'*' => return left.times(right),
        _ => {}
    }
    let (a, b) = (left.plain()?, right.plain()?);
    Some(Value::constant(match mark {
        b'|' => a | b,
        b'^' => a ^ b,
        b'&' => a & b,
        b'/' => a.checked_div(b)?,
        b'%' => a.checked_rem(b)?,
        b'<' => a.wrapping_shl(u32::try_from(b).ok().filter(|count| *count < 64)?),
        _ => (a.cast_unsigned() >> u32::try_from(b).ok().filter(|count| *count < 64)?).cast_signed(),
    }))
}

fn unary<'a>(lexer: &mut Lexer<'a>, names: Names<'_>, depth: u32) -> Result<Value<'a>, Error<'a>> {
    let Some(deeper) = depth.checked_sub(1) else { return lexer.error(Reason::TooDeep) };
    let here = *lexer;
    let value = match lexer.token() {
        Token::Mark(b'+') => {
            lexer.advance()?;
            return unary(lexer, names, deeper);
        }
        Token::Mark(sign @ (b'-' | b'~')) => {
            lexer.advance()?;
            let value = unary(lexer, names, deeper)?;
            let plain = value.plain().map(|value| if sign == b'~' { !value } else { value.wrapping_neg() });
            return match plain {
                Some(value) => Ok(Value::constant(value)),
                None => here.error(Reason::NotLinear),
            };
        }
        Token::Mark(b'(') => {
            lexer.advance()?;
            let value = binary(lexer, names, 1, deeper)?;
            if !lexer.take(b')')? {
                return lexer.error(Reason::Expected("')'"));
            }
            return Ok(value);
        }
        Token::Mark(b'%') => return lexer.error(Reason::AttSyntax),
        Token::Mark(b'*') if lexer.followed_by(b'%') => return lexer.error(Reason::AttSyntax),
        Token::Number(value) => Value::constant(value.cast_signed()),
        Token::Text(text) => match characters(text) {
            Some(value) => Value::constant(value),
            None => return lexer.error(Reason::LongText),
        },
        Token::Local(number, later) => label(Symbol::Local(number, later)),
        Token::Name("$") => label(Symbol::Here),
        Token::Name(name) if is_att_immediate(name) => return lexer.error(Reason::AttSyntax),
        Token::Name(name) => {
            match (Register::named(name).filter(|_| names.registers), (names.constants)(name)) {
                (Some(register), _) => Value { registers: [Some((register, 1)), None], ..Value::default() },
                (None, Some(value)) => Value::constant(value),
                (None, None) => label(Symbol::Name(name)),
            }
        }
        _ => return lexer.error(Reason::Expected("an operand")),
    };
    lexer.advance()?;
    Ok(value)
}

fn label(label: Symbol<'_>) -> Value<'_> {
    Value { label: Some(label), ..Value::default() }
}

/// `$5`, `$0x10`: an immediate of AT&T syntax.
fn is_att_immediate(name: &str) -> bool {
    matches!(name.as_bytes(), [b'$', b'0'..=b'9', ..])
}

/// The number that up to eight characters are, the first one lowest, as in nasm.
fn characters(text: &str) -> Option<i64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    (!text.is_empty()).then_some(i64::from_le_bytes(bytes))
}
