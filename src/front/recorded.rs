//! Code assembled at run time, with all that the assembler notes of it.
//!
//! A stub that is baked at compile time is assembled again for its record, so a listing
//! and the code that runs come from the same lines. This file formats nothing.

use alloc::{vec, vec::Vec};
use barejit_asm::{Asm, Code, Error, Mark, Needs, Record, Slot, Tables};

/// Owns the parts that a [`Code`] borrows: one function with its marks and, for a listing,
/// the record of its instructions.
#[derive(Debug)]
pub struct Recorded {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    records: Vec<Record>,
    entry: u32,
    name: &'static str,
}

impl Recorded {
    /// Runs `emit`, which gives the entry offset, with a little room, and again with enough
    /// if that was too little. With `record`, a record is kept.
    ///
    /// # Errors
    /// Those of the assembler except [`Error::Full`].
    pub(super) fn new(
        name: &'static str,
        record: bool,
        emit: &mut dyn FnMut(&mut Asm<'_>) -> u32,
    ) -> Result<Self, Error> {
        let records = if record { 256 } else { 0 };
        let room = Needs { bytes: 2048, slots: 64, marks: 32, symbols: 0, relocations: 0, records };
        Self::with_room(name, room, emit)
    }

    /// Likewise with this much room at first. A record is kept if it has room for one.
    ///
    /// # Errors
    /// Those of the assembler except [`Error::Full`].
    pub(super) fn with_room(
        name: &'static str,
        mut needs: Needs,
        emit: &mut dyn FnMut(&mut Asm<'_>) -> u32,
    ) -> Result<Self, Error> {
        let mut slots = Vec::new();
        let mut made = Self { bytes: Vec::new(), marks: Vec::new(), records: Vec::new(), entry: 0, name };
        loop {
            made.bytes = vec![0; needs.bytes];
            slots.resize(needs.slots, Slot::EMPTY);
            made.marks.resize(needs.marks, Mark::EMPTY);
            made.records.resize(needs.records, Record::EMPTY);
            let (marks, records) = (&mut made.marks[..], &mut made.records[..]);
            let tables = Tables { slots: &mut slots, marks, records, ..Tables::none() };
            let mut a = Asm::new(&mut made.bytes, tables);
            made.entry = emit(&mut a);
            needs = a.needs();
            match a.finish() {
                // The assembler counts on without room, so the needs are known now.
                Err(Error::Full(_)) => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    made.bytes.truncate(needs.bytes);
                    made.marks.truncate(needs.marks);
                    made.records.truncate(needs.records);
                    return Ok(made);
                }
            }
        }
    }

    /// The code that `emit` emits, with a record.
    ///
    /// # Panics
    /// If the code cannot be finished.
    pub fn of(emit: &dyn Fn(&mut Asm<'_>)) -> Self {
        let assembled = Self::new("", true, &mut |a| {
            emit(a);
            0
        });
        match assembled {
            Ok(recorded) => recorded,
            Err(error) => error.raise(),
        }
    }

    /// The finished code.
    pub fn code(&self) -> Code<'_> {
        let code = Code::new(&self.bytes).with_marks(&self.marks).entered_at(self.entry);
        code.named(self.name).with_records(&self.records)
    }

    /// Adds the record to `code`, which was made by the same function from the same
    /// arguments.
    pub fn annotate<'a>(&'a self, code: &mut Code<'a>) {
        debug_assert_eq!(code.bytes(), &self.bytes[..]);
        *code = code.with_records(&self.records);
    }
}
