//! Code that a front end assembled at run time, with all its notes.

use crate::asm::{Asm, Error, Slot, Tables};
use crate::code::{Code, Mark, Record};
use alloc::{vec, vec::Vec};

/// Owns what a [`Code`] borrows: one function.
#[derive(Debug)]
pub struct Assembled {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
    records: Vec<Record>,
    entry: u32,
    name: &'static str,
}

impl Assembled {
    /// Runs `emit`, which answers where the code is entered, with a little room,
    /// and again with enough if that was too little; with `record`, the code
    /// brings a record for a listing.
    ///
    /// # Errors
    /// What the assembler answers, but never that room was missing.
    pub(super) fn new(
        name: &'static str,
        record: bool,
        emit: &mut dyn FnMut(&mut Asm<'_>) -> u32,
    ) -> Result<Self, Error> {
        let (mut room, mut slots, mut marks, mut kept) = (2048, 64, 32, 256);
        loop {
            let (mut bytes, mut slot_table) = (vec![0; room], vec![Slot::EMPTY; slots]);
            let mut mark_table = vec![Mark::EMPTY; marks];
            let mut records = vec![Record::EMPTY; if record { kept } else { 0 }];
            let tables = Tables {
                slots: &mut slot_table,
                marks: &mut mark_table,
                records: &mut records,
                ..Tables::none()
            };
            let mut a = Asm::new(&mut bytes, tables);
            let entry = emit(&mut a);
            let needs = a.needs();
            match a.finish() {
                Ok(_) => {
                    bytes.truncate(needs.bytes);
                    mark_table.truncate(needs.marks);
                    records.truncate(needs.records);
                    return Ok(Self { bytes, marks: mark_table, records, entry, name });
                }
                Err(Error::Full(_)) => {
                    (room, slots) = (needs.bytes.max(room), needs.slots.max(slots));
                    (marks, kept) = (needs.marks.max(marks), needs.records.max(kept));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The code.
    pub fn code(&self) -> Code<'_> {
        Code::new(&self.bytes)
            .with_marks(&self.marks)
            .with_records(&self.records)
            .entered_at(self.entry)
            .named(self.name)
    }
}
