//! `asm`, `run -a` and the prompt: assembly text to bytes, labels and a listing, for the
//! place where it will lie.
//!
//! Statements stand in lines of their own, or with `;` between them; `#` begins a comment,
//! and in files `;` does, too.
//! Branches begin short, and grow where they do not reach, until nothing moves any more: a
//! size never shrinks, so that ends.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use barejit_asm::{
    Data, decode,
    parse::{self, Place, Statement, Symbol},
};
use core::cell::Cell;

/// A piece of text, assembled.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The address of the first byte.
    pub origin: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The labels that the text defines, as offsets.
    pub labels: Vec<(String, usize)>,
    /// Whether there are data and no instruction in it.
    pub is_data: bool,
    /// Whether one of the instructions is a call of the kernel.
    pub has_syscall: bool,
    /// Each instruction and piece of data.
    pub listing: Vec<Listed>,
}

/// A line of the listing.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Offset of the first byte.
    pub offset: usize,
    /// How many bytes.
    pub size: usize,
    /// Whether it is data.
    pub is_data: bool,
    /// The text.
    pub text: String,
}

/// Why text is not what the assembler takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The line in the text, from 0.
    pub line: usize,
    /// The byte in that line, from 0.
    pub column: usize,
    /// Why.
    pub message: String,
}

/// A statement, or a label.
struct Piece<'a> {
    line: usize,
    column: usize,
    text: &'a str,
    label: Option<Symbol<'a>>,
    /// Where it began in the last round, and how many bytes it took.
    offset: usize,
    size: usize,
    /// Whether it is a branch that did not reach with eight bits.
    long: bool,
}

/// How `;` is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Semicolon {
    /// As the end of a statement.
    Separates,
    /// As the beginning of a comment.
    Comments,
}

/// A line cut at each `;` outside of quotes, up to its comment.
fn statements(line: &str, semicolon: Semicolon) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = Some(0);
    core::iter::from_fn(move || {
        let start = rest?;
        let mut quote = None;
        for (at, byte) in line.bytes().enumerate().skip(start) {
            match (byte, quote) {
                (b'"' | b'\'' | b'`', None) => quote = Some(byte),
                (byte, Some(open)) if byte == open => quote = None,
                (b';', None) if semicolon == Semicolon::Separates => {
                    rest = Some(at + 1);
                    return Some((start, &line[start..at]));
                }
                (b'#' | b';', None) => {
                    rest = None;
                    return Some((start, &line[start..at]));
                }
                _ => {}
            }
        }
        rest = None;
        Some((start, &line[start..]))
    })
}

fn pieces(text: &str, semicolon: Semicolon) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (mut column, mut rest) in statements(line, semicolon) {
            let piece = |column, text, label| Piece {
                line: number,
                column,
                text,
                label,
                offset: 0,
                size: 0,
                long: false,
            };
            while let Some((label, behind)) = parse::label(rest) {
                pieces.push(piece(column, "", Some(label)));
                column += rest.len() - behind.len();
                rest = behind;
            }
            if !rest.trim().is_empty() {
                pieces.push(piece(column, rest, None));
            }
        }
    }
    pieces
}

/// The named labels of a text: a hash table with open addressing.
struct Labels {
    /// Pieces, counted from 1; 0 is a free slot.
    slots: Vec<u32>,
}

impl Labels {
    fn new(pieces: &[Piece<'_>]) -> Self {
        let count = pieces.iter().filter(|piece| piece.label.is_some()).count();
        let mut labels = Self { slots: vec![0; (2 * count + 1).next_power_of_two()] };
        for (n, piece) in pieces.iter().enumerate() {
            if let Some(Symbol::Name(name)) = piece.label {
                let slot = labels.slot(pieces, name);
                if labels.slots[slot] == 0 {
                    labels.slots[slot] = n as u32 + 1;
                }
            }
        }
        labels
    }

    /// The slot that has `name`, or the free one that would.
    fn slot(&self, pieces: &[Piece<'_>], name: &str) -> usize {
        // FNV-1a, 32 bits.
        let hash = name
            .bytes()
            .fold(0x811C_9DC5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot].checked_sub(1) {
                Some(piece) if pieces[piece as usize].label != Some(Symbol::Name(name)) => {
                    slot = (slot + 1) & mask;
                }
                _ => return slot,
            }
        }
    }

    /// The piece with the label that `symbol` means at piece `here`.
    fn find(&self, pieces: &[Piece<'_>], here: usize, symbol: Symbol<'_>) -> Option<usize> {
        let is = |piece: &Piece<'_>| match (piece.label, symbol) {
            (Some(Symbol::Local(number, _)), Symbol::Local(wanted, _)) => number == wanted,
            _ => false,
        };
        match symbol {
            Symbol::Local(_, false) => pieces[..here].iter().rposition(is),
            Symbol::Local(_, true) => pieces[here..].iter().position(is).map(|after| here + after),
            Symbol::Name(name) => self.slots[self.slot(pieces, name)].checked_sub(1).map(|n| n as usize),
            Symbol::Here => None,
        }
    }
}

/// The options of the assembler.
struct Task<'t> {
    labels: Labels,
    origin: usize,
    known: &'t dyn Fn(&str) -> Option<u64>,
    optimise: bool,
    /// Whether a statement has used a label of the text.
    labelled: Cell<bool>,
}

/// Assembles `text` for the address `origin`; `known` gives the addresses of labels that
/// it does not define.
///
/// # Errors
/// The first statement that is wrong.
pub fn assemble(
    text: &str,
    semicolon: Semicolon,
    origin: usize,
    known: &dyn Fn(&str) -> Option<u64>,
) -> Result<Assembled, Mistake> {
    rounds(text, semicolon, origin, known, false)
}

/// The same for address 0, with the rewrites that [`parse`] lists.
///
/// # Errors
/// The first statement that is wrong.
pub fn optimise(text: &str, semicolon: Semicolon) -> Result<Assembled, Mistake> {
    rounds(text, semicolon, 0, &|_| None, true)
}

fn rounds(
    text: &str,
    semicolon: Semicolon,
    origin: usize,
    known: &dyn Fn(&str) -> Option<u64>,
    optimise: bool,
) -> Result<Assembled, Mistake> {
    let mut pieces = pieces(text, semicolon);
    let task = Task { labels: Labels::new(&pieces), origin, known, optimise, labelled: Cell::new(false) };
    let mut first = true;
    loop {
        let (mut assembled, moved) = round(&mut pieces, &task, first)?;
        // Without a label nothing depends on what comes later.
        if !moved && !first || !task.labelled.get() {
            for Listed { offset, size, is_data, text } in &mut assembled.listing {
                let address = (origin + *offset) as u64;
                *text = describe(&assembled.bytes[*offset..*offset + *size], address, *is_data);
            }
            return Ok(assembled);
        }
        first = false;
    }
}

/// Assembles everything with the places of the last round; whether one has changed. In the
/// `first` round all labels are taken for near. The listing has no texts yet.
fn round(pieces: &mut [Piece<'_>], task: &Task<'_>, first: bool) -> Result<(Assembled, bool), Mistake> {
    let origin = task.origin;
    let mut assembled = Assembled {
        origin,
        bytes: Vec::new(),
        labels: Vec::new(),
        is_data: false,
        has_syscall: false,
        listing: Vec::new(),
    };
    let mut constants: Vec<(&str, i64)> = Vec::new();
    let (mut moved, mut code, mut data) = (false, false, false);
    for n in 0..pieces.len() {
        let offset = assembled.bytes.len();
        let Piece { line, column, text, label, size, long, .. } = pieces[n];
        let drift = offset.wrapping_sub(pieces[n].offset);
        moved |= drift != 0;
        if let Some(label) = label {
            if let Symbol::Name(name) = label {
                if task.labels.find(pieces, n, label) != Some(n) {
                    return Err(Mistake {
                        line,
                        column,
                        message: format!("the label '{name}' is there already"),
                    });
                }
                assembled.labels.push((name.into(), offset));
            }
            pieces[n].offset = offset;
            continue;
        }
        let symbols = |symbol: Symbol<'_>| match (task.labels.find(pieces, n, symbol), symbol) {
            (Some(label), _) => {
                task.labelled.set(true);
                // Labels that follow have moved as far as this statement.
                let moved = if label > n { drift } else { 0 };
                let offset = if first { offset } else { pieces[label].offset.wrapping_add(moved) };
                Some((origin + offset) as u64)
            }
            (None, Symbol::Name(name)) => (task.known)(name),
            (None, _) => None,
        };
        let equal = |name: &str| constants.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let place = Place {
            address: (origin + offset) as u64,
            short: !long,
            optimise: task.optimise,
            symbols: &symbols,
            constants: &equal,
        };
        let parsed = parse::parse(text, &place, &mut |bytes| assembled.bytes.extend_from_slice(bytes));
        let statement = parsed.map_err(|error| Mistake {
            line,
            column: column + error.at,
            message: error.reason.to_string(),
        })?;
        let bytes = &assembled.bytes[offset..];
        match statement {
            Statement::Empty => {}
            Statement::Equ(name, value) => constants.push((name, value)),
            Statement::Data => data = true,
            Statement::Instruction { can_grow } => {
                code = true;
                assembled.has_syscall |= matches!(bytes, [0x0F, 0x05 | 0x34, ..] | [0xCD, ..]);
                pieces[n].long |= !first && !can_grow && size == 2 && bytes.len() > 2;
            }
        }
        if !bytes.is_empty() {
            let is_data = matches!(statement, Statement::Data);
            assembled.listing.push(Listed { offset, size: bytes.len(), is_data, text: String::new() });
        }
        moved |= size != bytes.len();
        (pieces[n].offset, pieces[n].size) = (offset, bytes.len());
    }
    assembled.is_data = data && !code;
    Ok((assembled, moved))
}

/// The text of bytes: that of an instruction, or of data.
fn describe(bytes: &[u8], address: u64, data: bool) -> String {
    match decode(bytes) {
        Ok(instruction) if !data => instruction.at(address).to_string(),
        _ => Data(bytes).to_string(),
    }
}

/// Whether `line` is the first of a block: it begins with a label, and no data follow.
pub fn begins_block(line: &str) -> bool {
    let Some((_, mut rest)) = parse::label(line) else { return false };
    while let Some((_, behind)) = parse::label(rest) {
        rest = behind;
    }
    let word = rest.split_whitespace().next().unwrap_or("");
    !parse::is_directive(word)
}
