//! Code read back from its bytes, with labels where its own branches lead.
//!
//! The assembler gives the sizes of its instructions and data. Without them a linear sweep
//! tells them apart: a byte that begins no instruction is data, and the sweep goes on behind
//! it. Code that follows data inside of it may be out of step for some instructions. The first
//! pass notes where instructions begin and what they branch to, a bit a byte; the second
//! prints.

use super::columns::{ColumnWriter, DATA, INSTRUCTION};
use crate::host::Output;
use alloc::{vec, vec::Vec};
use barejit_asm::{Data, Hexadecimal, Instruction, decode};
use barejit_sys::{Error, Fd, Lossy};
use core::fmt::{self, Write};

/// A set of offsets.
struct Offsets {
    words: Vec<u64>,
    /// How many are in the words before.
    before: Vec<u32>,
}

impl Offsets {
    fn below(end: usize) -> Self {
        Self { words: vec![0; end.div_ceil(64)], before: Vec::new() }
    }

    fn insert(&mut self, offset: usize) {
        if let Some(word) = self.words.get_mut(offset / 64) {
            *word |= 1 << (offset % 64);
        }
    }

    fn contains(&self, offset: usize) -> bool {
        self.words.get(offset / 64).is_some_and(|word| word >> (offset % 64) & 1 != 0)
    }

    fn remove(&mut self, offset: usize) {
        if let Some(word) = self.words.get_mut(offset / 64) {
            *word &= !(1 << (offset % 64));
        }
    }

    /// Keeps those that `other` has.
    fn keep(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// Numbers them.
    fn number(&mut self) {
        let mut sum = 0;
        self.before.clear();
        self.before.reserve_exact(self.words.len());
        for word in &self.words {
            self.before.extend_from_slice(&[sum]);
            sum += word.count_ones();
        }
    }

    /// The number of `offset`, if it is in the set.
    fn number_of(&self, offset: usize) -> Option<u32> {
        let word = self.words.get(offset / 64)?;
        let lower = word & ((1 << (offset % 64)) - 1);
        (word >> (offset % 64) & 1 != 0).then_some(self.before.get(offset / 64)? + lower.count_ones())
    }
}

/// A visitor of symbols: it calls the closure with each address and its name.
pub type Names<'n, 'a> = &'n dyn Fn(&mut dyn FnMut(u64, &'a [u8]));

/// An instruction or a piece of data, by the word of the assembler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// How many bytes.
    pub size: usize,
    /// Whether it is data.
    pub is_data: bool,
}

/// Code, and what the first pass found.
pub struct Disassembly<'a> {
    bytes: &'a [u8],
    address: u64,
    /// All of `bytes` in pieces, where they are known.
    extents: Option<&'a [Extent]>,
    /// Where instructions and data begin, and the end.
    starts: Offsets,
    /// Where branches lead that have no name.
    labels: Offsets,
    /// Names and their offsets, ascending.
    names: Vec<(usize, &'a [u8])>,
    /// The underscores in labels between L and the number, so many that no name is like them.
    underscores: usize,
}

impl fmt::Debug for Disassembly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x}", self.bytes.len(), self.address)
    }
}

/// An instruction, or bytes that are none.
struct Row<'a> {
    offset: usize,
    bytes: &'a [u8],
    instruction: Option<Instruction>,
}

impl Row<'_> {
    /// How many of its bytes fit a line.
    const fn fits(&self) -> usize {
        if self.instruction.is_some() { INSTRUCTION } else { DATA }
    }
}

/// The rows of code, in order.
struct Rows<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The pieces from `at` on, where they are known.
    extents: Option<&'a [Extent]>,
    /// The instruction behind data, if that has been decoded already.
    ahead: Option<Instruction>,
}

impl Rows<'_> {
    /// The size of the row at `rest`, and its instruction unless it is data.
    fn sweep(&mut self, rest: &[u8]) -> (usize, Option<Instruction>) {
        if let Some(instruction) = self.ahead.take().or_else(|| decode(rest).ok()) {
            return (instruction.size(), Some(instruction));
        }
        let mut size = 1;
        while size < DATA && size < rest.len() && self.ahead.is_none() {
            self.ahead = decode(&rest[size..]).ok();
            size += usize::from(self.ahead.is_none());
        }
        (size, None)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let offset = self.at;
        let (size, instruction) = match self.extents {
            None => self.sweep(rest),
            Some(extents) => {
                let (first, behind) = extents.split_first()?;
                self.extents = Some(behind);
                let instruction = if first.is_data { None } else { decode(rest).ok() };
                (first.size, instruction)
            }
        };
        self.at += size;
        Some(Row { offset, bytes: &rest[..size], instruction })
    }
}

impl<'a> Disassembly<'a> {
    /// Sweeps `bytes`, which lie at `address`.
    pub fn new(bytes: &'a [u8], address: u64) -> Self {
        Self::scan(bytes, address, None)
    }

    /// Reads `bytes`, which lie at `address` and are these pieces.
    pub fn of_extents(bytes: &'a [u8], address: u64, extents: &'a [Extent]) -> Self {
        Self::scan(bytes, address, Some(extents))
    }

    fn scan(bytes: &'a [u8], address: u64, extents: Option<&'a [Extent]>) -> Self {
        let empty = || Offsets::below(bytes.len() + 1);
        let (mut starts, mut targets) = (empty(), empty());
        starts.insert(bytes.len());
        let (labels, names) = (empty(), Vec::new());
        let mut this = Self { bytes, address, extents, starts: empty(), labels, names, underscores: 0 };
        for row in this.rows() {
            starts.insert(row.offset);
            if let Some(offset) = this.target(&row).and_then(|target| this.offset_of(target)) {
                targets.insert(offset);
            }
        }
        targets.keep(&starts);
        targets.number();
        (this.starts, this.labels) = (starts, targets);
        this
    }

    /// The same code with names for its parts: `visit` calls what it is given with each
    /// address and name. Of several names of an address, the first stands for it.
    pub fn with_names(mut self, visit: Names<'_, 'a>) -> Self {
        let mut names = Vec::new();
        visit(&mut |address, name| {
            if let Some(offset) = self.offset_of(address).filter(|offset| self.starts.contains(*offset)) {
                names.push((offset, name));
            }
        });
        names.sort_by_key(|(offset, _)| *offset);
        names.iter().for_each(|(offset, _)| self.labels.remove(*offset));
        self.labels.number();
        let alike = names.iter().filter_map(|(_, name)| underscores(name));
        self.underscores = alike.max().map_or(0, |most| most + 1);
        self.names = names;
        self
    }

    fn rows(&self) -> Rows<'a> {
        Rows { bytes: self.bytes, at: 0, extents: self.extents, ahead: None }
    }

    /// The offset of an address in the code, or of its end.
    fn offset_of(&self, address: u64) -> Option<usize> {
        let offset = usize::try_from(address.wrapping_sub(self.address)).ok()?;
        (offset <= self.bytes.len()).then_some(offset)
    }

    /// The address that an instruction branches to, or names relative to RIP.
    fn target(&self, row: &Row<'_>) -> Option<u64> {
        let instruction = row.instruction?;
        let distance = instruction.distance().or(instruction.rip_distance().map(i64::from))?;
        let end = self.address.wrapping_add((row.offset + instruction.size()) as u64);
        Some(end.wrapping_add_signed(distance))
    }

    /// The names at an offset.
    fn names(&self, offset: usize) -> impl Iterator<Item = &'a [u8]> {
        let first = self.names.partition_point(|(named, _)| *named < offset);
        self.names[first..].iter().take_while(move |(named, _)| *named == offset).map(|(_, name)| *name)
    }

    /// Writes what stands for an offset: a name or a label.
    fn describe(&self, offset: usize, f: &mut dyn Write) -> fmt::Result {
        match (self.names(offset).next(), self.labels.number_of(offset)) {
            (Some(name), _) => write!(f, "{}", Lossy(name)),
            (None, Some(number)) => {
                f.write_str("L")?;
                (0..self.underscores).try_for_each(|_| f.write_str("_"))?;
                write!(f, "{}", u64::from(number))
            }
            (None, None) => Ok(()),
        }
    }

    fn is_label(&self, offset: usize) -> bool {
        self.labels.contains(offset) || self.names(offset).next().is_some()
    }

    /// Writes a line for each name of an offset.
    fn headings(&self, offset: usize, sheet: &mut ColumnWriter<'_>) -> fmt::Result {
        if self.labels.contains(offset) {
            self.describe(offset, sheet)?;
            sheet.write_str(":\n")?;
        }
        self.names(offset).try_for_each(|name| writeln!(sheet, "{}:", Lossy(name)))
    }

    /// Prints everything to `fd`, as JSON or for people.
    ///
    /// # Errors
    /// The error of write(2).
    pub fn print(&self, fd: Fd, json: bool) -> Result<(), Error> {
        let mut buffer = vec![0; 64 * 1024];
        let mut sheet = ColumnWriter::new(Output::new(fd, &mut buffer));
        // Only the sheet itself can refuse.
        let _ = if json { self.json(&mut sheet) } else { self.list(&mut sheet) };
        sheet.finish()
    }

    /// Prints rows of address, bytes, text and comment.
    pub(super) fn list(&self, sheet: &mut ColumnWriter<'_>) -> fmt::Result {
        let last = self.address.wrapping_add(self.bytes.len() as u64 - 1);
        let digits = if last < self.address { 16 } else { (16 - last.leading_zeros() as usize / 4).max(4) };
        let widest = self.rows().map(|row| row.bytes.len().min(row.fits())).max().unwrap_or(0);
        let text = digits + 2 + 3 * widest + 1;
        for row in self.rows() {
            let address = self.address.wrapping_add(row.offset as u64);
            self.headings(row.offset, sheet)?;
            let size = row.fits();
            for (i, bytes) in row.bytes.chunks(size).enumerate() {
                let address = address.wrapping_add((i * size) as u64);
                write!(sheet, "{address:0digits$x}  {}", Hexadecimal(bytes))?;
                match row.instruction {
                    None => {
                        sheet.tab(text)?;
                        write!(sheet, "{}", Data(bytes))?;
                    }
                    Some(_) if i == 0 => {
                        sheet.tab(text)?;
                        self.text(&row, address, sheet)?;
                        self.comment(&row, sheet, text + 32)?;
                    }
                    Some(_) => {}
                }
                sheet.write_str("\n")?;
            }
        }
        self.headings(self.bytes.len(), sheet)
    }

    fn text(&self, row: &Row<'_>, address: u64, f: &mut dyn Write) -> fmt::Result {
        match &row.instruction {
            Some(instruction) => write!(f, "{}", instruction.at(address)),
            None => write!(f, "{}", Data(row.bytes)),
        }
    }

    /// Writes where a branch or an address relative to RIP leads.
    fn comment(&self, row: &Row<'_>, sheet: &mut ColumnWriter<'_>, column: usize) -> fmt::Result {
        let Some(target) = self.target(row) else { return Ok(()) };
        let label = self.offset_of(target).filter(|offset| self.is_label(*offset));
        let branches = row.instruction.is_some_and(|instruction| instruction.distance().is_some());
        if branches && label.is_none() {
            return Ok(());
        }
        sheet.tab(column)?;
        sheet.write_str("; ")?;
        if !branches {
            write!(sheet, "{target:#x}")?;
        }
        let Some(offset) = label else { return Ok(()) };
        sheet.write_str(if branches { "" } else { " " })?;
        self.describe(offset, sheet)
    }

    /// Prints an array with an object a row.
    fn json(&self, sheet: &mut ColumnWriter<'_>) -> fmt::Result {
        let mut before = "[\n";
        for row in self.rows() {
            let address = self.address.wrapping_add(row.offset as u64);
            write!(sheet, "{before}{{\"address\":{address},\"bytes\":\"")?;
            before = ",\n";
            for byte in row.bytes {
                write!(sheet, "{:02x}", u64::from(*byte))?;
            }
            sheet.write_str("\",\"text\":\"")?;
            self.text(&row, address, &mut Escaped(sheet))?;
            sheet.write_str("\"")?;
            if self.is_label(row.offset) {
                sheet.write_str(",\"label\":\"")?;
                self.describe(row.offset, &mut Escaped(sheet))?;
                sheet.write_str("\"")?;
            }
            if let Some(target) = self.target(&row) {
                write!(sheet, ",\"target\":{target}")?;
            }
            if row.instruction.is_none() {
                sheet.write_str(",\"data\":true")?;
            }
            sheet.write_str("}")?;
        }
        sheet.write_str("\n]\n")
    }
}

/// How many underscores `name` has after L, if only a number follows them.
fn underscores(name: &[u8]) -> Option<usize> {
    let rest = name.strip_prefix(b"L")?;
    let count = rest.iter().take_while(|byte| **byte == b'_').count();
    let number = &rest[count..];
    (!number.is_empty() && number.iter().all(u8::is_ascii_digit)).then_some(count)
}

/// Text written to it goes into a string of JSON (RFC 8259, 7).
struct Escaped<'a, 'b>(&'a mut ColumnWriter<'b>);

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' | '\\' => write!(self.0, "\\{character}")?,
                '\0'..' ' => write!(self.0, "\\u{:04x}", u64::from(u32::from(character)))?,
                _ => self.0.write_char(character)?,
            }
        }
        Ok(())
    }
}
