//! Operands of a statement: registers, memory, numbers.

use super::expression::{Symbol, Value, expression};
use super::lexer::{Lexer, Token};
use super::register::{Class, Register};
use super::{Error, Place, Reason, resolve};
use crate::code::Scale;
use crate::code::address::Address;
use crate::code::spec::size;

/// An operand as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operand {
    Register(Register),
    Memory(Memory),
    /// A number, or the address of a label.
    Number(i64),
}

/// An operand in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Memory {
    /// The number of its size, if that is told.
    pub(super) size: Option<u8>,
    pub(super) address: Address,
    /// Kind of a vector index: 1 XMM, 2 YMM, 0 none.
    pub(super) index: u8,
    /// The address that a displacement from RIP has to lead to.
    pub(super) target: Option<u64>,
    /// The address, if it is nothing but a number.
    pub(super) absolute: Option<i64>,
}

/// The decorations of a statement, beside its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Manner {
    /// `short`
    pub(super) short: bool,
    /// `near`
    pub(super) near: bool,
}

/// The number that `st` has, without parentheses.
pub(super) const TOP: u8 = 8;

/// The most operands that an instruction has.
pub(super) const MOST: usize = 4;

/// Operands up to the end of the statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operands {
    list: [Operand; MOST],
    /// Where each of them begins in the line.
    places: [usize; MOST],
    used: usize,
    pub(super) manner: Manner,
}

impl Operands {
    /// Reads them.
    pub(super) fn read<'a>(lexer: &mut Lexer<'a>, place: &Place<'_>) -> Result<Self, Error<'a>> {
        let mut operands =
            Self { list: [Operand::Number(0); MOST], places: [0; MOST], used: 0, manner: Manner::default() };
        if lexer.token() == Token::End {
            return Ok(operands);
        }
        loop {
            if operands.used == MOST {
                return lexer.error(Reason::Expected("at most four operands"));
            }
            operands.places[operands.used] = lexer.at();
            operands.list[operands.used] = operand(lexer, place, &mut operands.manner)?;
            operands.used += 1;
            if !lexer.take(b',')? {
                super::end(lexer)?;
                return Ok(operands);
            }
        }
    }

    /// The operands in the order written.
    pub(super) fn all(&self) -> &[Operand] {
        &self.list[..self.used]
    }

    /// Where the operand in memory begins.
    pub(super) fn place_of_memory(&self) -> Option<usize> {
        let place = self.all().iter().position(|operand| matches!(operand, Operand::Memory(_)))?;
        Some(self.places[place])
    }

    /// Where the last number begins.
    pub(super) fn place_of_number(&self) -> Option<usize> {
        let place = self.all().iter().rposition(|operand| matches!(operand, Operand::Number(_)))?;
        Some(self.places[place])
    }

    /// The same with another operand in one place.
    pub(super) fn with(mut self, place: usize, operand: Operand) -> Self {
        self.list[place] = operand;
        self
    }

    /// The same with two operands in the other order, if there are two.
    pub(super) fn swapped(mut self) -> Option<Self> {
        self.list.swap(0, 1);
        (self.used == 2).then_some(self)
    }

    /// The same with `st` in place of `st(0)`, or the other way round.
    pub(super) fn topped(mut self) -> Self {
        for operand in &mut self.list {
            if let Operand::Register(Register { class: Class::X87, number: number @ (0 | TOP) }) = operand {
                *number = TOP - *number;
            }
        }
        self
    }

    /// The same with the first operand twice, if there are two: `imul eax, 3`.
    pub(super) fn repeated(mut self) -> Option<Self> {
        self.list[2] = self.list[1];
        self.list[1] = self.list[0];
        self.used += 1;
        (self.used == 3).then_some(self)
    }
}

/// Words for sizes of memory, and the numbers that forms have for them.
const SIZES: [(&str, u8); 11] = [
    ("byte", 1),
    ("word", 2),
    ("dword", 3),
    ("qword", 4),
    ("xmmword", 5),
    ("oword", 5),
    ("ymmword", 6),
    ("zmmword", size::ZMMWORD),
    ("tbyte", size::TBYTE),
    ("tword", size::TBYTE),
    ("fword", size::FWORD),
];

fn operand<'a>(lexer: &mut Lexer<'a>, place: &Place<'_>, manner: &mut Manner) -> Result<Operand, Error<'a>> {
    let mut told = None;
    loop {
        match lexer.token() {
            Token::Name(word) if !lexer.followed_by(b':') => {
                let size = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
                if let Some((_, size)) = size {
                    told = Some(*size);
                } else if word.eq_ignore_ascii_case("short") {
                    manner.short = true;
                } else if word.eq_ignore_ascii_case("near") {
                    manner.near = true;
                } else if !(word.eq_ignore_ascii_case("ptr") && told.is_some()) {
                    break;
                }
                lexer.advance()?;
            }
            _ => break,
        }
    }
    let segment = segment(lexer)?;
    if lexer.token() == Token::Mark(b'[') {
        return memory(lexer, place, told, segment);
    }
    if segment != 0 {
        return lexer.error(Reason::Expected("'['"));
    }
    let here = *lexer;
    if let Some(register) = x87(lexer)? {
        return Ok(Operand::Register(register));
    }
    let value = expression(lexer, place.constants, true)?;
    match value {
        Value { constant: 0, label: None, registers: [Some((register, 1)), None] } => {
            Ok(Operand::Register(register))
        }
        value => Ok(Operand::Number(super::absolute(&here, &value, place)?)),
    }
}

/// `st(3)`, with or without the parentheses, and `st`.
fn x87<'a>(lexer: &mut Lexer<'a>) -> Result<Option<Register>, Error<'a>> {
    let is_top = matches!(lexer.token(), Token::Name(name) if name.eq_ignore_ascii_case("st"));
    if !is_top {
        return Ok(None);
    }
    lexer.advance()?;
    // `st` alone is the top, where nothing else can be; `st(0)` is one of the eight.
    let mut number = TOP;
    if lexer.take(b'(')? {
        match lexer.token() {
            Token::Number(n @ 0..8) => number = n as u8,
            _ => return lexer.error(Reason::Expected("a number from 0 to 7")),
        }
        lexer.advance()?;
        if !lexer.take(b')')? {
            return lexer.error(Reason::Expected("')'"));
        }
    }
    Ok(Some(Register { class: Class::X87, number }))
}

/// A segment override and its colon: 1 ES to 6 GS, or 0.
fn segment<'a>(lexer: &mut Lexer<'a>) -> Result<u8, Error<'a>> {
    let Token::Name(word) = lexer.token() else { return Ok(0) };
    match Register::named(word) {
        Some(Register { class: Class::Segment, number }) if lexer.followed_by(b':') => {
            lexer.advance()?;
            lexer.advance()?;
            Ok(number + 1)
        }
        _ => Ok(0),
    }
}

fn memory<'a>(
    lexer: &mut Lexer<'a>,
    place: &Place<'_>,
    size: Option<u8>,
    outside: u8,
) -> Result<Operand, Error<'a>> {
    let open = *lexer;
    lexer.advance()?;
    let inside = segment(lexer)?;
    // nasm's words for how an address is encoded.
    let relative = lexer.take_word("rel")?;
    let absolute = !relative && lexer.take_word("abs")?;
    let value = expression(lexer, place.constants, true)?;
    if !lexer.take(b']')? {
        return lexer.error(Reason::Expected("']'"));
    }
    let memory = address(&open, &value, place, relative, absolute)?;
    let segment = outside.max(inside);
    let address = if segment == 0 { memory.address } else { memory.address.segment(segment) };
    Ok(Operand::Memory(Memory { size, address, ..memory }))
}

/// The address that a value is.
fn address<'a>(
    open: &Lexer<'a>,
    value: &Value<'a>,
    place: &Place<'_>,
    relative: bool,
    absolute: bool,
) -> Result<Memory, Error<'a>> {
    let bare = Memory { size: None, address: Address::absolute(), index: 0, target: None, absolute: None };
    let fault = |reason| open.error(reason);
    let constant = match value.label {
        None => value.constant,
        Some(symbol) => value.constant.wrapping_add(resolve(open, symbol, place)?.cast_signed()),
    };
    let labelled = value.label.is_some_and(|symbol| symbol != Symbol::Here) || relative;
    let displacement = i32::try_from(constant);
    match value.registers {
        [None, None] if labelled && !absolute => {
            Ok(Memory { address: Address::rip(), target: Some(constant.cast_unsigned()), ..bare })
        }
        [None, None] => {
            let address = bare.address.disp(displacement.unwrap_or(0));
            Ok(Memory { address, absolute: Some(constant), ..bare })
        }
        [Some((Register { class: Class::Pointer, number }, 1)), None] => {
            let rip = if number == 1 { Address::rip().narrow() } else { Address::rip() };
            if labelled {
                return Ok(Memory { address: rip, target: Some(constant.cast_unsigned()), ..bare });
            }
            match displacement {
                Ok(displacement) => Ok(Memory { address: rip.disp(displacement), ..bare }),
                Err(_) => fault(Reason::Range),
            }
        }
        [first, second] => {
            let Some((address, index)) = registers(first, second) else { return fault(Reason::Address) };
            match displacement {
                Ok(displacement) => Ok(Memory { address: address.disp(displacement), index, ..bare }),
                Err(_) => fault(Reason::Range),
            }
        }
    }
}

/// Base and index: the register without a factor is the base, in case of doubt the first.
fn registers(first: Option<(Register, i64)>, second: Option<(Register, i64)>) -> Option<(Address, u8)> {
    const RSP: u8 = 4;
    let vector = |register: &Register| matches!(register.class, Class::Xmm | Class::Ymm);
    let (base, index) = match (first, second) {
        (Some((one, 1)), None) if !vector(&one) => (Some(one), None),
        (Some((one, factor @ (3 | 5 | 9))), None) if !vector(&one) => (Some(one), Some((one, factor - 1))),
        (Some(one), None) => (None, Some(one)),
        // RSP is never an index; XMM4 and YMM4, of the same number, are.
        (Some((one, 1)), Some((two, factor)))
            if !(vector(&one) || factor == 1 && two.number == RSP && !vector(&two)) =>
        {
            (Some(one), Some((two, factor)))
        }
        (Some(one), Some((two, 1))) if !vector(&two) => (Some(two), Some(one)),
        _ => return None,
    };
    let width = base.or(index.map(|(register, _)| register).filter(|register| !vector(register)));
    let narrow = match width.map(|register| register.class) {
        Some(Class::Dword) => true,
        Some(Class::Qword) | None => false,
        _ => return None,
    };
    let mut address = base.map_or(Address::absolute(), |base| Address::base(base.number));
    let mut kind = 0;
    if let Some((register, factor)) = index {
        let scale = match factor {
            1 => Scale::X1,
            2 => Scale::X2,
            4 => Scale::X4,
            8 => Scale::X8,
            _ => return None,
        };
        kind = match register.class {
            Class::Xmm => 1,
            Class::Ymm => 2,
            class if Some(class) != width.map(|width| width.class) || register.number == RSP => return None,
            _ => 0,
        };
        address = address.index(register.number, scale);
    }
    if narrow {
        address = address.narrow();
    }
    Some((address, kind))
}
