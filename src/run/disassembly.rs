//! Code that nobody has recorded, read back from its bytes: a linear sweep, with labels
//! where its own branches lead.
//!
//! The first sweep notes where instructions begin and what they branch to, a bit a byte;
//! the second prints. A byte that begins no instruction is data, and the sweep goes on
//! behind it. Code that follows data inside of it may be out of step for some
//! instructions, as in every linear sweep.

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

    /// Keeps those that `other` has, or, inverted, has not, and numbers them.
    fn number(&mut self, other: &Self, inverted: bool) {
        let mut sum = 0;
        self.before.clear();
        self.before.reserve_exact(self.words.len());
        let inversion = if inverted { u64::MAX } else { 0 };
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other ^ inversion;
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

/// Code, and what the first sweep found.
pub struct Disassembly<'a> {
    bytes: &'a [u8],
    address: u64,
    /// Where instructions begin.
    starts: Offsets,
    /// Where branches lead that have no name.
    labels: Offsets,
    named: Offsets,
    /// By their numbers among `named`.
    names: Vec<&'a [u8]>,
}

impl fmt::Debug for Disassembly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x}", self.bytes.len(), self.address)
    }
}

/// A row: an instruction, or bytes that are none.
struct Row<'a> {
    offset: usize,
    bytes: &'a [u8],
    instruction: Option<Instruction>,
}

/// The rows of code, in order.
struct Rows<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The instruction behind data, if that has been decoded already.
    ahead: Option<Instruction>,
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let offset = self.at;
        let instruction = self.ahead.take().or_else(|| decode(rest).ok());
        let size = match instruction {
            Some(instruction) => instruction.size(),
            None => {
                let mut size = 1;
                while size < DATA && size < rest.len() && self.ahead.is_none() {
                    self.ahead = decode(&rest[size..]).ok();
                    size += usize::from(self.ahead.is_none());
                }
                size
            }
        };
        self.at += size;
        Some(Row { offset, bytes: &rest[..size], instruction })
    }
}

impl<'a> Disassembly<'a> {
    /// Sweeps `bytes`, which lie at `address`.
    pub fn new(bytes: &'a [u8], address: u64) -> Self {
        let empty = || Offsets::below(bytes.len());
        let (mut starts, mut targets) = (empty(), empty());
        let mut this =
            Self { bytes, address, starts: empty(), labels: empty(), named: empty(), names: Vec::new() };
        for row in this.rows() {
            starts.insert(row.offset);
            if let Some(offset) = this.target(&row).and_then(|target| this.offset_of(target)) {
                targets.insert(offset);
            }
        }
        targets.number(&starts, false);
        (this.starts, this.labels) = (starts, targets);
        this
    }

    /// The same code with names for its parts: `visit` calls what it is given with each
    /// address and name, twice the same. The first name of an address counts.
    pub fn with_names(mut self, visit: Names<'_, 'a>) -> Self {
        let mut named = Offsets::below(self.bytes.len());
        visit(&mut |address, _| {
            if let Some(offset) = self.offset_of(address) {
                named.insert(offset);
            }
        });
        named.number(&self.starts, false);
        self.labels.number(&named, true);
        let count = named.words.iter().map(|word| word.count_ones() as usize).sum();
        let mut names = vec![&b""[..]; count];
        visit(&mut |address, name| {
            let number = self.offset_of(address).and_then(|offset| named.number_of(offset));
            if let Some(place) = number.and_then(|number| names.get_mut(number as usize))
                && place.is_empty()
            {
                *place = name;
            }
        });
        (self.named, self.names) = (named, names);
        self
    }

    fn rows(&self) -> Rows<'a> {
        Rows { bytes: self.bytes, at: 0, ahead: None }
    }

    /// The offset of an address in the code.
    fn offset_of(&self, address: u64) -> Option<usize> {
        let offset = usize::try_from(address.wrapping_sub(self.address)).ok()?;
        (offset < self.bytes.len()).then_some(offset)
    }

    /// The address that an instruction branches to, or names relative to RIP.
    fn target(&self, row: &Row<'_>) -> Option<u64> {
        let instruction = row.instruction?;
        let distance = instruction.distance().or(instruction.rip_distance().map(i64::from))?;
        let end = self.address.wrapping_add((row.offset + instruction.size()) as u64);
        Some(end.wrapping_add_signed(distance))
    }

    /// The name at an offset.
    fn name(&self, offset: usize) -> Option<&'a [u8]> {
        self.names.get(self.named.number_of(offset)? as usize).copied()
    }

    /// Writes what stands for an offset: a name or a label.
    fn describe(&self, offset: usize, f: &mut dyn Write) -> fmt::Result {
        match (self.name(offset), self.labels.number_of(offset)) {
            (Some(name), _) => write!(f, "{}", Lossy(name)),
            (None, Some(number)) => write!(f, "L{}", u64::from(number)),
            (None, None) => Ok(()),
        }
    }

    fn is_label(&self, offset: usize) -> bool {
        self.labels.contains(offset) || self.named.contains(offset)
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
        let widest = self.rows().map(|row| row.bytes.len().min(INSTRUCTION)).max().unwrap_or(0);
        let text = digits + 2 + 3 * widest + 1;
        for row in self.rows() {
            let address = self.address.wrapping_add(row.offset as u64);
            if self.is_label(row.offset) {
                self.describe(row.offset, sheet)?;
                sheet.write_str(":\n")?;
            }
            for (i, bytes) in row.bytes.chunks(INSTRUCTION).enumerate() {
                let address = address.wrapping_add((i * INSTRUCTION) as u64);
                write!(sheet, "{address:0digits$X}  {}", Hexadecimal(bytes))?;
                if i == 0 {
                    sheet.tab(text)?;
                    self.text(&row, address, sheet)?;
                    self.comment(&row, sheet, text + 32)?;
                }
                sheet.write_str("\n")?;
            }
        }
        Ok(())
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
