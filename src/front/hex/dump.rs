//! Rows of dumps: which columns are offsets and text, and in which order a group has
//! its bytes.
//!
//! An offset with a colon behind it is one wherever it stands (xxd, objdump, gdb). One
//! without a colon (od, hexdump, barejit's listings) looks like bytes, so the whole text
//! must count: each row's offset is that of the row before plus its bytes.

use super::{Error, Lines, Reader, Reason, Span, digit, find};
use crate::front::text::cut;
use alloc::vec::Vec;

/// The headings and labels that objdump, gdb and barejit print between rows.
pub(super) fn is_heading(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let headings: [&[u8]; 3] = [b"Disassembly of section", b"Dump of assembler", b"End of assembler dump"];
    if headings.iter().any(|heading| line.starts_with(heading)) {
        return true;
    }
    let Some(label) = line.strip_suffix(b":") else { return find(line, b"file format ").is_some() };
    label.ends_with(b">") && find(label, b" <").is_some()
        || !label.is_empty() && !label.iter().any(u8::is_ascii_whitespace)
}

/// The facts about a row that begins with an address and a colon.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// Where its groups begin, from the start of the line.
    groups: usize,
}

/// The address column of a row: `401000:`, `0x401000 <main+4>:`, or the same behind `=>`.
pub(super) fn address(line: &[u8]) -> Option<Column> {
    let start = line.trim_ascii_start();
    let start = start.strip_prefix(b"=>").unwrap_or(start).trim_ascii_start();
    let digits = start.strip_prefix(b"0x").unwrap_or(start);
    let size = digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = cut(digits, size..digits.len());
    let named = rest.trim_ascii_start();
    let rest = match find(named, b">:") {
        Some(at) if named.starts_with(b"<") => cut(named, at + 1..named.len()),
        _ => rest,
    };
    let groups = rest.strip_prefix(b":").filter(|_| size > 0)?;
    Some(Column { groups: line.len() - groups.len() })
}

/// Reads the groups of a row with an address: pairs or larger groups of digits, up to a
/// tab or two spaces, behind which are mnemonics or characters.
pub(super) fn row<'a>(reader: &mut Reader<'a>, line: Span, column: Column) -> Result<(), Error<'a>> {
    let text = reader.text;
    let mut at = line.start + column.groups;
    let mut groups = 0;
    loop {
        let rest = cut(text, at..line.end);
        let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = at + space;
        let word = cut(text, start..line.end);
        let size = word.iter().position(u8::is_ascii_whitespace).unwrap_or(word.len());
        let prefixed = word.starts_with(b"0x");
        let ends = space > 1 || rest.starts_with(b"\t");
        if size == 0 || ends && groups > 0 && !prefixed {
            return Ok(());
        }
        at = start + size;
        match cut(text, start..at) {
            b"..." => return reader.error(start, at, Reason::Elided),
            [b'0', b'x', digits @ ..] => {
                if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return reader.error(start, at, Reason::NotHexadecimal);
                }
                if digits.len() % 2 == 1 {
                    return reader.error(start, at, Reason::OddDigits);
                }
                little_endian(reader, digits);
            }
            // A row without a column of bytes has an instruction here.
            _ => reader.digits(start, at)?,
        }
        groups += 1;
    }
}

/// Adds the bytes of a number, the last two digits first.
fn little_endian(reader: &mut Reader<'_>, digits: &[u8]) {
    for pair in digits.rchunks_exact(2) {
        reader.add(digit(pair[0]) << 4 | digit(pair[1]));
    }
}

/// The bytes of a dump whose offsets have no colon, if `text` is one: offsets are in
/// hexadecimal, octal or decimal, and count.
pub(super) fn counted(text: &[u8]) -> Option<Result<Vec<u8>, Error<'_>>> {
    [16, 8, 10].into_iter().find_map(|radix| in_radix(text, radix))
}

/// An offset at the beginning of a line.
struct Offset {
    value: usize,
    digits: usize,
    /// It has a `0x`, as in radare's dumps, which have bytes in order.
    prefixed: bool,
    /// Behind it, and the spaces behind it.
    rest: usize,
    /// How many spaces follow.
    spaces: usize,
}

fn offset(line: &[u8], radix: u32) -> Option<Offset> {
    let digits = line.strip_prefix(b"0x").unwrap_or(line);
    let prefixed = digits.len() < line.len();
    let size = digits.iter().position(u8::is_ascii_whitespace).unwrap_or(digits.len());
    let number = core::str::from_utf8(&digits[..size]).ok().filter(|number| number.len() >= 4)?;
    let value = usize::from_str_radix(number, radix).ok()?;
    let rest = &digits[size..];
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Some(Offset { value, digits: size, prefixed, rest: line.len() - rest.len() + spaces, spaces })
}

/// See [`counted`].
fn in_radix(text: &[u8], radix: u32) -> Option<Result<Vec<u8>, Error<'_>>> {
    let mut reader = Reader::new(text);
    let mut base = None;
    let (mut rows, mut certain, mut width) = (0, false, 1);
    for line in (Lines { text, at: 0 }) {
        let row = line.of(text).trim_ascii_end();
        if row.is_empty() || is_heading(row) || row.starts_with(b";") {
            continue;
        }
        if row == b"*" && rows > 0 {
            return Some(reader.error(line.start, line.start + 1, Reason::Elided));
        }
        let offset = offset(row, radix)?;
        let base = *base.get_or_insert(offset.value);
        let expected = base + reader.bytes.len();
        if offset.rest == row.len() {
            // The last line of od and hexdump has the end alone, which a group may pass.
            if rows == 0 {
                return None;
            }
            let end = offset.value.checked_sub(base)?;
            if end > reader.bytes.len() || end + width <= reader.bytes.len() {
                return None;
            }
            reader.bytes.truncate(end);
            rows += 1;
            continue;
        }
        if offset.value != expected {
            return None;
        }
        // Digits that begin with another digit may be seven of the user's own.
        let zero = row.trim_ascii_start().starts_with(b"0");
        certain |= offset.digits == 7 && zero || offset.value == 0 && offset.spaces > 1;
        let start = line.start + offset.rest;
        if let [group @ .., b' '] | group =
            cut(text, start..line.start + row.len()).get(..7).unwrap_or_default()
            && offset.digits == 7
            && group.len() == 6
            && group.iter().all(|byte| matches!(byte, b'0'..=b'7'))
        {
            return Some(reader.error(start, start + 6, Reason::Octal));
        }
        width = width.max(groups(&mut reader, Span { start, end: line.start + row.len() }, &offset)?);
        rows += 1;
    }
    let dump = (rows > 1 || certain) && !reader.bytes.is_empty();
    dump.then_some(Ok(reader.bytes))
}

/// Reads the groups of a row behind its offset; gives the bytes of one. Groups of more
/// than one byte are numbers of this processor, except in a dump with `0x` offsets.
fn groups(reader: &mut Reader<'_>, line: Span, offset: &Offset) -> Option<usize> {
    let text = reader.text;
    let row = line.of(text);
    // hexdump -C ends with characters between bars, od's z with those in angle brackets.
    let canonical = find(row, b"  |").filter(|_| row.ends_with(b"|"));
    let shown = find(row, b"  >").filter(|_| row.ends_with(b"<"));
    let end = canonical.or(shown).map_or(line.end, |at| line.start + at);
    let (mut at, mut width, mut gap) = (line.start, 0, 0);
    while at < end {
        let size = cut(text, at..end).iter().position(u8::is_ascii_whitespace).unwrap_or(end - at);
        let group = cut(text, at..at + size);
        let hexadecimal = size > 0 && size % 2 == 0 && group.iter().all(u8::is_ascii_hexdigit);
        // The text of an instruction, or characters, behind at least two spaces.
        if width > 0
            && gap > 1
            && canonical.is_none()
            && (!hexadecimal || size / 2 != width || offset.spaces == 2)
        {
            break;
        }
        if !hexadecimal || width != 0 && width != size / 2 {
            return None;
        }
        width = size / 2;
        if width > 1 && !offset.prefixed {
            little_endian(reader, group);
        } else {
            reader.digits(at, at + size).ok()?;
        }
        at += size;
        gap = cut(text, at..end).iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at += gap;
    }
    Some(width)
}
