//! The listing of code: offset, bytes, Intel notation and comment, with labels, data and
//! source lines in between.
//!
//! The text comes from the assembler's record. Code without a record is disassembled.

use super::columns::{ColumnWriter, DATA, INSTRUCTION};
use super::disassembly::Disassembly;
use crate::host::Output;
use alloc::{string::String, vec, vec::Vec};
use barejit_asm::{Code, Data, Hexadecimal, Label, Line, RecordKind, decode};
use barejit_sys::{Error, Fd};
use core::fmt::{self, Write};

/// Prints the listing of `code` on standard output. It is not inlined: the code for a run
/// must stay within few pages.
///
/// # Errors
/// The error of write(2).
pub(super) fn print(code: &Code<'_>) -> Result<(), Error> {
    let mut buffer = vec![0; 16 * 1024];
    let mut sheet = ColumnWriter::new(Output::new(Fd::STDOUT, &mut buffer));
    // Only the sheet itself can refuse.
    let _ = list(&mut sheet, code);
    sheet.finish()
}

fn list(sheet: &mut ColumnWriter<'_>, code: &Code<'_>) -> fmt::Result {
    if code.lines().next().is_none() {
        return unrecorded(sheet, code);
    }
    let before = code.before().filter(|before| before.lines().next().is_some());
    let columns = Columns::of(code, before.is_some());
    if before.is_some() {
        sheet.write_str("; left: the placeholder; right: its hole filled\n")?;
    }
    let left = |at| {
        before.and_then(|before| before.lines().find(|line| line.offset() == at && !line.bytes().is_empty()))
    };
    let labels = Labels::of(code);
    let mut marks = code.marks();
    let (mut comment, mut last) = (None, String::new());
    for line in code.lines() {
        while let [mark, rest @ ..] = marks
            && mark.code <= line.offset()
        {
            marks = rest;
            if let Some(source) = code.source() {
                let mut text = String::new();
                writeln!(text, "; {}", fmt::from_fn(|f| source.describe(*mark, f)))?;
                if text != last {
                    sheet.write_str(&text)?;
                    last = text;
                }
            }
        }
        if line.offset() == code.entry() && !line.bytes().is_empty() && !code.name().is_empty() {
            writeln!(sheet, "{}:", code.name())?;
        }
        match line.kind() {
            RecordKind::Bind(_) => writeln!(sheet, "{line}")?,
            RecordKind::Comment(text) => comment = Some(text),
            _ if line.bytes().is_empty() => {}
            _ => {
                let comments = (labels.target(&line), comment.take());
                columns.line(sheet, &line, left(line.offset()).as_ref(), comments)?;
            }
        }
    }
    Ok(())
}

/// Lists code of which there are only the bytes, under the names that it has.
fn unrecorded<'a>(sheet: &mut ColumnWriter<'_>, code: &Code<'a>) -> fmt::Result {
    let names = |each: &mut dyn FnMut(u64, &'a [u8])| {
        code.names().for_each(|symbol| each(symbol.offset.into(), symbol.name.as_bytes()));
    };
    Disassembly::new(code.bytes(), 0).with_names(&names).list(sheet)
}

/// Where labels are bound.
struct Labels(Vec<(u32, Label)>);

impl Labels {
    fn of(code: &Code<'_>) -> Self {
        let bound = code.lines().filter_map(|line| match line.kind() {
            RecordKind::Bind(label) => Some((line.offset(), label)),
            _ => None,
        });
        // Records stand in the order of the code.
        Self(bound.collect())
    }

    /// The label that a branch leads to.
    fn target(&self, line: &Line<'_>) -> Option<Label> {
        let instruction = decode(line.bytes()).ok().filter(|_| line.kind() != RecordKind::Data)?;
        let end = line.offset() as usize + instruction.size();
        let target = (end as u64).checked_add_signed(instruction.distance()?)?;
        let first = self.0.partition_point(|(offset, _)| u64::from(*offset) < target);
        let (offset, label) = *self.0.get(first)?;
        (u64::from(offset) == target).then_some(label)
    }
}

/// The columns of a row.
struct Columns {
    /// Text, where there is one stage only.
    text: usize,
    /// The second stage.
    right: usize,
    comment: usize,
}

impl Columns {
    fn of(code: &Code<'_>, two: bool) -> Self {
        let widest = code.lines().map(|line| line.bytes().len().min(Self::fit(&line))).max();
        let text = 6 + 3 * widest.unwrap_or(0) + 1;
        let right = text + 18;
        Self { text, right, comment: if two { right + text + 14 } else { text + 32 } }
    }

    /// How many bytes of `line` fit a row.
    fn fit(line: &Line<'_>) -> usize {
        if line.kind() == RecordKind::Data { DATA } else { INSTRUCTION }
    }

    /// One line of the record, in as many rows as it takes.
    fn line(
        &self,
        sheet: &mut ColumnWriter<'_>,
        line: &Line<'_>,
        left: Option<&Line<'_>>,
        (target, comment): (Option<Label>, Option<&str>),
    ) -> fmt::Result {
        let size = Self::fit(line);
        for at in (0..line.bytes().len()).step_by(size) {
            write!(sheet, "{:04x}  ", line.offset() as usize + at)?;
            if let Some(left) = left {
                self.stage(sheet, left, at, size, 0)?;
                sheet.tab(self.right)?;
                sheet.write_str("| ")?;
                self.stage(sheet, line, at, size, self.right - 4)?;
            } else {
                self.stage(sheet, line, at, size, 0)?;
            }
            if at == 0 && (target.is_some() || comment.is_some()) {
                sheet.tab(self.comment)?;
                sheet.write_str(";")?;
                target.map_or(Ok(()), |label| write!(sheet, " {label}"))?;
                comment.map_or(Ok(()), |text| write!(sheet, " {text}"))?;
            }
            sheet.write_str("\n")?;
        }
        Ok(())
    }

    /// Bytes and text of one row of one stage, `indent` further to the right.
    fn stage(
        &self,
        sheet: &mut ColumnWriter<'_>,
        line: &Line<'_>,
        at: usize,
        size: usize,
        indent: usize,
    ) -> fmt::Result {
        let bytes = &line.bytes()[at..];
        let bytes = bytes.get(..size).unwrap_or(bytes);
        write!(sheet, "{}", Hexadecimal(bytes))?;
        if line.kind() == RecordKind::Data {
            sheet.tab(self.text + indent)?;
            write!(sheet, "{}", Data(bytes))
        } else if at == 0 {
            sheet.tab(self.text + indent)?;
            write!(sheet, "{line}")
        } else {
            Ok(())
        }
    }
}
