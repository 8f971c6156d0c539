//! Code with the assembler's record of it, for listings.
//!
//! The function that bakes a stub is run once more with room for records: what a
//! listing says and what runs come from the same lines. Nothing here formats.

use crate::asm::{Asm, Error, Slot, Tables};
use crate::code::{Code, Record};
use alloc::{vec, vec::Vec};

/// Code that owns its bytes and the record of how they came about.
#[derive(Debug)]
pub struct Recorded {
    bytes: Vec<u8>,
    records: Vec<Record>,
    size: usize,
    kept: usize,
}

impl Recorded {
    /// What `emit` makes, which has at most 64 labels and references to them.
    ///
    /// # Panics
    /// If it makes nothing that can be finished.
    pub fn of(emit: &dyn Fn(&mut Asm<'_>)) -> Self {
        let (mut room, mut kept) = (64, 32);
        loop {
            let (mut bytes, mut records) = (vec![0; room], vec![Record::EMPTY; kept]);
            let mut slots = [Slot::EMPTY; 64];
            let tables = Tables { records: &mut records, ..Tables::slots(&mut slots) };
            let mut a = Asm::new(&mut bytes, tables);
            emit(&mut a);
            let needs = a.needs();
            match a.finish() {
                Ok(_) => return Self { bytes, records, size: needs.bytes, kept: needs.records },
                Err(Error::Full(needs)) if needs.bytes > room || needs.records > kept => {
                    (room, kept) = (needs.bytes.max(room), needs.records.max(kept));
                }
                Err(error) => error.raise(),
            }
        }
    }

    /// The finished code.
    pub fn code(&self) -> Code<'_> {
        self.annotate(Code::new(&self.bytes[..self.size]))
    }

    /// `code`, which was made by the same function from the same arguments, with
    /// the record.
    pub fn annotate<'a>(&'a self, code: Code<'a>) -> Code<'a> {
        debug_assert_eq!(code.bytes(), &self.bytes[..self.size]);
        code.with_records(&self.records[..self.kept])
    }
}
