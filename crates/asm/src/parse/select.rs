//! From a mnemonic and operands to the shortest encoding: every row of that name is tried.

use super::fields::{Choice, Fields, Misses, has_a_word, kind_of};
use super::lexer::{Lexer, Token};
use super::mnemonic::{Mnemonic, Name, is_att, prefix};
use super::operand::{MOST, Operand, Operands};
use super::optimise::rewritten;
use super::{Error, Place, Reason, Statement};
use crate::code::form::{Prefix, Third};
use crate::code::spec::{fixed, kind, order_letters, size};
use crate::table::{Marks, Row};
use core::fmt;

/// The kind of an operand, registers and sizes by their numbers in forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Register(u64),
    /// Its size, if that is told.
    Memory(Option<u64>),
    Number,
}

/// The kinds of the operands of a statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kinds {
    list: [Kind; MOST],
    used: usize,
}

impl Kinds {
    fn of(operands: &Operands) -> Self {
        let mut kinds = Self { list: [Kind::Number; MOST], used: operands.all().len() };
        for (kind, operand) in kinds.list.iter_mut().zip(operands.all()) {
            *kind = match operand {
                Operand::Register(register) => Kind::Register(kind_of(register).unwrap_or(0).into()),
                Operand::Memory(memory) => Kind::Memory(memory.size.map(u64::from)),
                Operand::Number(_) => Kind::Number,
            };
        }
        kinds
    }

    fn all(&self) -> &[Kind] {
        &self.list[..self.used]
    }
}

/// Writes the operands that a mnemonic takes, as the manual does: some of many, and those
/// forms first whose operands are the most like `given`.
pub(super) fn write_forms(f: &mut fmt::Formatter<'_>, word: &str, given: &Kinds) -> fmt::Result {
    const SHOWN: usize = 6;
    let Some(mnemonic) = Mnemonic::named(word) else { return Ok(()) };
    // Numbers of eight bits and of more are one kind of operand.
    let is_narrow = |row: &Row| row.first_form().third_operand() == Third::SIGNED_BYTE;
    let wide = mnemonic.rows().any(|row| !is_narrow(row));
    let rows = || mnemonic.rows().filter(move |row| !(wide && is_narrow(row)));
    let every = || rows().flat_map(|row| row.widths().map(move |width| (row, width)));
    // Some instructions have two encodings of the same operands.
    let all = || {
        every().enumerate().filter(|(n, form)| {
            let same = |other: (&Row, u16)| wanted(other.0, other.1).eq(wanted(form.0, form.1));
            !every().take(*n).any(same)
        })
    };
    let distances = 0..=FARTHEST;
    let mut forms = distances
        .flat_map(|distance| all().filter(move |(_, form)| distance_to(form.0, form.1, given) == distance));
    for (n, (_, (row, width))) in forms.by_ref().take(SHOWN).enumerate() {
        f.write_str(if n > 0 { "; " } else { "" })?;
        write_wanted(f, row, width)?;
    }
    if forms.next().is_some() { f.write_str("; and more") } else { Ok(()) }
}

/// The operand that a form has in one place.
#[derive(PartialEq, Eq)]
enum Wanted {
    /// A register of this kind.
    Register(u64),
    /// Memory of this size, or a register of that kind.
    Memory(u64, Option<u64>),
    Number,
    Label,
    /// Memory at an address of 64 bits.
    Offset,
    /// The one with this number (`spec::fixed`).
    Fixed(u8),
}

/// The operands that a row has with this width.
fn wanted(row: &Row, width: u16) -> impl Iterator<Item = Wanted> {
    let form = row.form(width, row.has_memory());
    let register = row.has_register().then(|| row.form(width, false).rm_kind());
    let mut fixed = 0;
    order_letters(form.operand_order()).iter().map(move |letter| match letter {
        b'M' if form.is_memory() => Wanted::Memory(form.rm_kind(), register),
        b'M' | b'O' => Wanted::Register(form.rm_kind()),
        b'R' | b'V' | b'S' => Wanted::Register(form.reg_kind()),
        b'I' => Wanted::Number,
        b'D' => Wanted::Label,
        b'T' => Wanted::Offset,
        _ => {
            fixed += 1;
            Wanted::Fixed(form.fixed_operand(fixed - 1) as u8)
        }
    })
}

/// The distance of a form that has another number of operands.
const FARTHEST: u32 = 16;

/// How far the operands of a row are from those that were given. The first one, which most
/// instructions write to, counts as much as all others.
fn distance_to(row: &Row, width: u16, given: &Kinds) -> u32 {
    if wanted(row, width).count() != given.all().len() {
        return FARTHEST;
    }
    let weights = [3, 1, 1, 1];
    let pairs = wanted(row, width).zip(given.all()).zip(weights);
    pairs.map(|((wanted, given), weight)| weight * difference(&wanted, *given)).sum()
}

/// 0 for an operand of the same kind and size, 1 for another size or one operand of many,
/// 2 for another kind.
fn difference(wanted: &Wanted, given: Kind) -> u32 {
    let is_general = |kind: u64| (1..=4).contains(&kind);
    let registers = |wanted: u64, given: u64| match wanted == given {
        true => 0,
        false if is_general(wanted) && is_general(given) => 1,
        false => 2,
    };
    match (wanted, given) {
        (Wanted::Register(wanted) | Wanted::Memory(_, Some(wanted)), Kind::Register(given)) => {
            registers(*wanted, given)
        }
        (Wanted::Memory(size, _), Kind::Memory(told)) => u32::from(told.is_some_and(|told| told != *size)),
        (Wanted::Number | Wanted::Label, Kind::Number) => 0,
        (Wanted::Offset, Kind::Memory(_)) | (Wanted::Fixed(fixed::ONE), Kind::Number) => 1,
        (Wanted::Fixed(number), Kind::Memory(_)) if (fixed::RDI..=fixed::RBX).contains(number) => 1,
        (Wanted::Fixed(number), Kind::Register(given)) => {
            let kind = match *number {
                fixed::CL => kind::R8,
                fixed::DX => kind::R16,
                fixed::ECX => kind::R32,
                fixed::ST0 => kind::X87,
                fixed::FS | fixed::GS => kind::SEGMENT,
                number => number,
            };
            registers(kind.into(), given).max(1)
        }
        _ => 2,
    }
}

/// Writes the kinds of operands of a row, which may also have a register in place of its
/// memory.
fn write_wanted(f: &mut fmt::Formatter<'_>, row: &Row, width: u16) -> fmt::Result {
    let mut separator = "";
    for wanted in wanted(row, width) {
        f.write_str(separator)?;
        separator = ", ";
        match wanted {
            Wanted::Register(kind) => write_register(f, kind)?,
            Wanted::Memory(size, register) => {
                match register {
                    Some(kind @ 1..=4) if kind == size => f.write_str("r/")?,
                    Some(kind) => {
                        write_register(f, kind)?;
                        f.write_str("/")?;
                    }
                    None => {}
                }
                write_memory(f, size)?;
            }
            Wanted::Number => f.write_str("imm")?,
            Wanted::Label => f.write_str("label")?,
            Wanted::Offset => f.write_str("[offset]")?,
            Wanted::Fixed(number) => f.write_str(match number {
                fixed::CL => "cl",
                fixed::DX => "dx",
                fixed::ONE => "1",
                fixed::ECX => "ecx",
                fixed::ST0 => "st",
                fixed::FS => "fs",
                fixed::GS => "gs",
                fixed::RDI..fixed::RSI => "[rdi]",
                fixed::RSI..fixed::RBX => "[rsi]",
                fixed::RBX => "[rbx]",
                1 => "al",
                2 => "ax",
                3 => "eax",
                _ => "rax",
            })?,
        }
    }
    if separator.is_empty() { f.write_str("no operands") } else { Ok(()) }
}

/// Writes the kinds of operands that were given.
pub(super) fn write_given(f: &mut fmt::Formatter<'_>, given: &Kinds) -> fmt::Result {
    let mut separator = "";
    for kind in given.all() {
        f.write_str(separator)?;
        separator = ", ";
        match *kind {
            Kind::Register(kind) => write_register(f, kind)?,
            Kind::Memory(size) => write_memory(f, size.unwrap_or(size::NONE.into()))?,
            Kind::Number => f.write_str("imm")?,
        }
    }
    if separator.is_empty() { f.write_str("no operands") } else { Ok(()) }
}

fn write_memory(f: &mut fmt::Formatter<'_>, size: u64) -> fmt::Result {
    if has_a_word(size) && size <= 6 { write!(f, "m{}", 4u64 << size) } else { f.write_str("m") }
}

fn write_register(f: &mut fmt::Formatter<'_>, kind: u64) -> fmt::Result {
    f.write_str(match kind as u8 {
        kind::R8 => "r8",
        kind::R16 => "r16",
        kind::R32 => "r32",
        kind::R64 => "r64",
        kind::XMM => "xmm",
        kind::YMM => "ymm",
        kind::MMX => "mm",
        kind::OPMASK => "k",
        kind::SEGMENT => "a segment register",
        kind::CONTROL => "cr",
        kind::DEBUG => "dr",
        kind::X87 => "st(i)",
        _ => "rip or bnd",
    })
}

/// Assembles the instruction that begins at `lexer`, prefixes included.
pub(super) fn instruction<'a>(
    mut lexer: Lexer<'a>,
    place: &Place<'_>,
    out: &mut dyn FnMut(&[u8]),
) -> Result<Statement<'a>, Error<'a>> {
    let mut before = (Prefix::None, "");
    let (start, word) = loop {
        let Token::Name(word) = lexer.token() else { return lexer.error(Reason::Expected("a mnemonic")) };
        let start = lexer;
        lexer.advance()?;
        match prefix(word) {
            // `rep` in front of nothing is no prefix.
            Some(prefix) if before.0 == Prefix::None && lexer.token() != Token::End => {
                before = (prefix, word)
            }
            _ => break (start, word),
        }
    };
    // Some mnemonics are two words: `ret far`, `data16 push`.
    let two = match lexer.token() {
        Token::Name(next) => {
            Name::joined(format_args!("{word} {next}")).and_then(|name| Mnemonic::named(name.text()))
        }
        _ => None,
    };
    if two.is_some() {
        lexer.advance()?;
    }
    let Some(mnemonic) = two.or_else(|| Mnemonic::named(word)) else {
        let att = is_att(word) && lexer.rest_has(b"%$");
        return start.error(if att { Reason::AttSyntax } else { Reason::Mnemonic(word) });
    };
    let operands = Operands::read(&mut lexer, place)?;
    let mut misses = Misses::default();
    let mut best = shortest(mnemonic, &operands, place, before.0, &mut misses);
    if best.is_none() || mnemonic.is("xchg") {
        let better = |found: &Found| match (found, &best) {
            (Found::One(choice), Some(Found::One(best))) => choice.bytes.size < best.bytes.size,
            _ => best.is_none(),
        };
        let other = variants(mnemonic, &operands)
            .filter_map(|operands| shortest(mnemonic, &operands, place, before.0, &mut Misses::default()))
            .find(better);
        best = other.or(best);
    }
    if let (true, Some(Found::One(choice))) = (place.optimise, &best) {
        let size = choice.bytes.size;
        let smaller = rewritten(mnemonic, &operands)
            .filter_map(|operands| shortest(mnemonic, &operands, place, before.0, &mut Misses::default()))
            .find(|found| matches!(found, Found::One(choice) if choice.bytes.size < size));
        best = smaller.or(best);
    }
    let blame = |at: Option<usize>, reason| Err(Error { at: at.unwrap_or(start.at()), reason });
    match best {
        Some(Found::One(choice)) => {
            let (bytes, size) = (choice.bytes.word.to_le_bytes(), choice.bytes.size as usize);
            out(&bytes[..size]);
            Ok(Statement::Instruction { can_grow: choice.short && !operands.manner.short })
        }
        Some(Found::Sizes) => blame(operands.place_of_memory(), Reason::Size),
        None if misses.prefix => start.error(Reason::Prefix(before.1)),
        None if misses.range => blame(operands.place_of_number(), Reason::Range),
        None if misses.distance => blame(operands.place_of_number(), Reason::Distance),
        None => start.error(Reason::Operands { mnemonic: word, given: Kinds::of(&operands) }),
    }
}

/// Other ways to write operands: in the other order where that makes no difference, and
/// the first one told once where it is used twice.
fn variants(mnemonic: Mnemonic, operands: &Operands) -> impl Iterator<Item = Operands> {
    let swapped = if mnemonic.is("test") || mnemonic.is("xchg") { operands.swapped() } else { None };
    let repeated = if mnemonic.is("imul") { operands.repeated() } else { None };
    swapped.into_iter().chain(repeated).chain([operands.topped()])
}

enum Found {
    One(Choice),
    /// Memory of several sizes fits.
    Sizes,
}

/// The shortest encoding of all rows.
fn shortest(
    mnemonic: Mnemonic,
    operands: &Operands,
    place: &Place<'_>,
    prefix: Prefix,
    misses: &mut Misses,
) -> Option<Found> {
    let mut best: Option<Choice> = None;
    // The size of memory that is not told, as the rows have it.
    let mut sizes = 0u32;
    let can_be_long = || mnemonic.rows().any(|row| row.first_form().third_operand() == Third::REL32);
    let has_memory = operands.place_of_memory().is_some();
    for row in mnemonic.rows() {
        for width in row.widths() {
            for memory in [false, true] {
                if if memory { !row.has_memory() || !has_memory } else { !row.has_register() } {
                    continue;
                }
                let form = row.form(width, memory);
                let form = mnemonic.condition.map_or(form, |condition| form.on(condition));
                let Some(fields) = Fields::fill(form, row, operands) else { continue };
                if !takes(row, prefix, memory) {
                    misses.prefix = true;
                    continue;
                }
                // XCHG of EAX with itself clears the upper half of RAX; 90 is NOP.
                let is_nop = form.has_plus_r() && fields.rm == 0 && form.fixed_operand(0) == 3;
                if is_nop && form.opcode() == 0x90 {
                    continue;
                }
                let Some(choice) = fields.encode(form.behind(prefix), place, operands, &can_be_long, misses)
                else {
                    continue;
                };
                if memory && fields.untold {
                    sizes |= 1 << form.rm_kind();
                }
                if best.is_none_or(|best| choice.bytes.size < best.bytes.size) {
                    best = Some(choice);
                }
            }
        }
    }
    if sizes.count_ones() > 1 && best_size_has_word(sizes) {
        Some(Found::Sizes)
    } else {
        best.map(Found::One)
    }
}

/// Whether each of these sizes has a word. Of several, that without one is meant where no
/// word is written.
fn best_size_has_word(sizes: u32) -> bool {
    (0..16).filter(|size| sizes >> size & 1 != 0).all(has_a_word)
}

/// Whether a row takes a prefix.
fn takes(row: &Row, prefix: Prefix, memory: bool) -> bool {
    let marks = row.marks();
    match prefix {
        Prefix::None => true,
        Prefix::Lock => marks.has(Marks::LOCK) && memory,
        // A way around a branch predictor of old, which compilers wrote.
        Prefix::Rep if row.first_form().opcode() == 0xC3 => true,
        Prefix::Rep | Prefix::Repe => marks.has(Marks::REP),
        Prefix::Repne => marks.has(Marks::REPNE),
        Prefix::Bnd => marks.has(Marks::BND),
        Prefix::Notrack => marks.has(Marks::NOTRACK),
    }
}
