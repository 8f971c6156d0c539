//! From a mnemonic and operands to the shortest encoding: every row of that name is tried.

use super::fields::{Choice, Fields, Misses, has_a_word};
use super::lexer::{Lexer, Token};
use super::mnemonic::{Mnemonic, Name, is_att, prefix};
use super::operand::Operands;
use super::optimise::rewritten;
use super::{Error, Place, Reason, Statement};
use crate::code::form::{Form, Prefix, Third};
use crate::code::spec::{fixed, kind, order_letters};
use crate::table::{Marks, Row};
use core::fmt;

/// Writes the operands that a mnemonic takes, as the manual does: some of many, and those
/// forms first that have as many as `count`.
pub(super) fn write_forms(f: &mut fmt::Formatter<'_>, word: &str, count: usize) -> fmt::Result {
    const SHOWN: usize = 6;
    let Some(mnemonic) = Mnemonic::named(word) else { return Ok(()) };
    // Numbers of eight bits and of more are one kind of operand.
    let is_narrow = |row: &Row| row.first_form().third_operand() == Third::SIGNED_BYTE;
    let wide = mnemonic.rows().any(|row| !is_narrow(row));
    let rows = || mnemonic.rows().filter(move |row| !(wide && is_narrow(row)));
    let all = || rows().flat_map(|row| row.widths().map(move |width| (row, width)));
    let has = |(row, _): &(&Row, u16)| order_letters(row.first_form().operand_order()).len() == count;
    let mut forms = all().filter(has).chain(all().filter(|form| !has(form)));
    for (n, (row, width)) in forms.by_ref().take(SHOWN).enumerate() {
        f.write_str(if n > 0 { "; " } else { "" })?;
        write_kinds(f, row.form(width, row.has_memory()), row.has_register())?;
    }
    if forms.next().is_some() { f.write_str("; and more") } else { Ok(()) }
}

/// Writes the kinds of operands of a form, which may also have a register in place of its
/// memory.
fn write_kinds(f: &mut fmt::Formatter<'_>, form: Form, register: bool) -> fmt::Result {
    let bits = |number: u64| 4u64 << number.min(6);
    let mut separator = "";
    let mut fixed = 0;
    for letter in order_letters(form.operand_order()) {
        f.write_str(separator)?;
        separator = ", ";
        match letter {
            b'M' if form.is_memory() && has_a_word(form.rm_kind()) && form.rm_kind() <= 6 => {
                write!(f, "{}m{}", if register { "r/" } else { "" }, bits(form.rm_kind()))?;
            }
            b'M' if form.is_memory() => f.write_str("m")?,
            b'M' | b'O' => write_register(f, form.rm_kind())?,
            b'R' | b'V' | b'S' => write_register(f, form.reg_kind())?,
            b'I' => f.write_str("imm")?,
            b'D' => f.write_str("label")?,
            b'T' => f.write_str("[offset]")?,
            _ => {
                let number = form.fixed_operand(fixed) as u8;
                fixed += 1;
                f.write_str(match number {
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
                })?;
            }
        }
    }
    if separator.is_empty() { f.write_str("no operands") } else { Ok(()) }
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
        _ => "st(i)",
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
        None => start.error(Reason::Operands { mnemonic: word, count: operands.all().len() }),
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
