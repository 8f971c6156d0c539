//! An x86-64 assembler whose every method is `const fn`.
//!
//! [`Asm`] is a cursor over borrowed bytes. It never allocates and never stops:
//! past the end of its slices it goes on counting, so a caller measures, gets
//! room and runs the same code again. The same methods bake a `static` at compile
//! time ([`bake!`](crate::bake)) and emit at run time.
//!
//! One method is one instruction form, named by mnemonic and operand kinds: `r`
//! register, `m` memory, `i` immediate, `x` and `y` vectors. Widths are types,
//! so `add_rr(RAX, EDI)` does not compile. This file owns bytes, labels and
//! fixups; it refuses to know where code will run, or whether.
//!
//! ```
//! use barejit_asm::{Asm, RAX, RDI, Tables};
//!
//! let mut bytes = [0; 16];
//! let mut a = Asm::new(&mut bytes, Tables::none());
//! a.mov_rr(RAX, RDI).add_ri(RAX, 1).ret();
//! let code = a.finish().unwrap();
//! assert_eq!(code.bytes(), [0x48, 0x89, 0xF8, 0x48, 0x83, 0xC0, 0x01, 0xC3]);
//! ```
//!
//! Mixed widths do not compile:
//! ```compile_fail
//! # use barejit_asm::{Asm, RAX, EDI, Tables};
//! Asm::new(&mut [], Tables::none()).add_rr(RAX, EDI);
//! ```
//! nor does a width that the instruction lacks:
//! ```compile_fail
//! # use barejit_asm::{Asm, AL, CL, Tables};
//! Asm::new(&mut [], Tables::none()).imul_rr(AL, CL);
//! ```

mod bake;
pub(crate) mod encode;
#[cfg(feature = "alloc")]
mod growing;
mod nop;
mod open;
mod operand;
mod operation;
mod reference;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use crate::code::Label;
pub use bake::Baked;
#[cfg(feature = "alloc")]
pub use growing::{Growing, Room};
pub use operand::*;
pub use operation::{Alu, Shift};
pub use reference::Labels;
pub use tables::{Needs, Slot, Tables};

use crate::code::address::{Address, Base};
use crate::code::form::{Form, Third};
use crate::code::spec::order_number;
use crate::code::{Code, Hole, Mark, Record, RecordKind, Relocation, Symbol};
use encode::{Bytes, Fault, encode, encode_specialised, fits_i8, fits_i32};
use tables::{FixupKind, Table, UNBOUND};

/// Why code could not be finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// A slice was too short; these lengths suffice.
    Full(Needs),
    /// This label is referred to and was never bound.
    Unbound(Label),
    /// The hole at this offset cannot reach its label.
    OutOfReach(u32),
    /// The instruction at this offset has an immediate wider than its operand.
    Immediate(u32),
    /// The instruction at this offset has RSP as an index, or an index with RIP.
    Index(u32),
    /// The instruction at this offset has AH, BH, CH or DH beside an operand that
    /// takes a REX prefix.
    HighByte(u32),
    /// The instruction at this offset has an operand that its form does not have.
    Operand(u32),
    /// No code at all, more than 2 GiB of it, or more than 2^26 labels.
    Size,
}

impl Error {
    /// Panics with the error's name: how a constant says that it cannot be baked.
    #[cold]
    pub const fn raise(self) -> ! {
        let why = match self {
            Self::Full(_) => "the assembler ran out of room",
            Self::Unbound(_) => "a label is referred to but never bound",
            Self::OutOfReach(_) => "a displacement does not fit its hole",
            Self::Immediate(_) => "an immediate is wider than its operand",
            Self::Index(_) => "RSP cannot be an index, and RIP takes none",
            Self::HighByte(_) => "AH, BH, CH and DH cannot be used with a REX prefix",
            Self::Operand(_) => "an operand is not one that the form has",
            Self::Size => "code must have between 1 byte and 2 GiB, and at most 2^26 labels",
        };
        panic!("{}", why)
    }
}

/// The largest code, and a window to write its end through.
const MAX_ROOM: usize = i32::MAX as usize + 16;

/// The assembler: a cursor over borrowed bytes, as the head of this crate shows.
#[derive(Debug)]
pub struct Asm<'a> {
    /// The buffer, or nothing while a record is kept, so that one test of room
    /// sends an instruction the fast way.
    open: &'a mut [u8],
    /// The buffer while a record is kept, or nothing.
    recorded: &'a mut [u8],
    /// Offset of the next byte, 4 GiB at most.
    pos: u32,
    slots: &'a mut [Slot],
    labels: usize,
    fixups: usize,
    marks: Table<'a, Mark>,
    symbols: Table<'a, Symbol<'a>>,
    relocations: Table<'a, Relocation>,
    records: Table<'a, Record>,
    /// The first thing that went wrong.
    error: Option<Error>,
    /// Whether to stop at it: in a constant, the compiler then shows its line.
    strict: bool,
}

/// With the feature `compact` the methods that are called often are never inlined, which saves
/// barejit 1.2 KB for labels, jumps and comments, 0.3 KB for `fail`, `record`, `bytes`, `mark`
/// and `slot_at`, and 80 bytes for `new`.
impl<'a> Asm<'a> {
    /// An assembler that writes to `buf` and keeps its notes in `tables`.
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn new(buf: &'a mut [u8], tables: Tables<'a>) -> Self {
        // Offsets have 31 bits, so code never uses bytes beyond.
        let room = if buf.len() > MAX_ROOM { MAX_ROOM } else { buf.len() };
        let (buf, _) = buf.split_at_mut(room);
        let (open, recorded) = buf.split_at_mut(if tables.records.is_empty() { room } else { 0 });
        Self {
            open,
            recorded,
            pos: 0,
            slots: tables.slots,
            labels: 0,
            fixups: 0,
            marks: Table::new(tables.marks),
            symbols: Table::new(tables.symbols),
            relocations: Table::new(tables.relocations),
            records: Table::new(tables.records),
            error: None,
            strict: false,
        }
    }

    /// The same assembler, which panics where an operand cannot be encoded: in a
    /// constant, the compiler names the line. Else the error waits for
    /// [`Asm::finish`].
    #[must_use]
    pub const fn strict(self) -> Self {
        Self { strict: true, ..self }
    }

    /// Offset of the next byte.
    pub const fn offset(&self) -> u32 {
        self.pos
    }

    /// The room that everything so far takes.
    pub const fn needs(&self) -> Needs {
        Needs {
            bytes: self.pos as usize,
            slots: self.labels + self.fixups,
            marks: self.marks.used,
            symbols: self.symbols.used,
            relocations: self.relocations.used,
            records: self.records.used,
        }
    }

    /// Encodes one instruction, and notes its record, its fixup and its error. Every form goes
    /// through here. Inlined, it folds to a few stores; with the feature `compact` it exists
    /// once, and a call costs its arguments.
    #[cfg_attr(feature = "compact", inline(never))]
    #[cfg_attr(not(feature = "compact"), inline(always))]
    pub(crate) const fn emit(&mut self, form: Form, reg: u64, rm: u64, third: u64) -> &mut Self {
        let inst = if cfg!(feature = "compact") {
            encode_specialised(form, reg, rm, third)
        } else {
            encode(form, reg, rm, third)
        };
        self.put_encoded(inst, form, [reg, rm, third], !cfg!(feature = "compact") && form.is_brief())
    }

    /// Puts an instruction, and notes its record, its fixup and its error.
    #[inline(always)]
    const fn put_encoded(
        &mut self,
        inst: Bytes,
        form: Form,
        operands: [u64; 3],
        is_brief: bool,
    ) -> &mut Self {
        self.put_window(inst.word, inst.size, form, operands, is_brief);
        if !matches!(inst.fault, Fault::None) {
            self.refuse(inst.fault, inst.size);
        }
        let address = Address::unpack(operands[1]);
        if form.is_memory() && matches!(address.relative_to(), Base::Label) {
            self.fix(address.target(), FixupKind::Rel32, inst.after as u8, 4);
        }
        self
    }

    /// The same, folded into its caller even with the feature `compact`.
    #[inline(always)]
    pub(crate) const fn emit_folded(&mut self, form: Form, reg: u64, rm: u64, third: u64) {
        self.put_encoded(encode(form, reg, rm, third), form, [reg, rm, third], form.is_brief());
    }

    /// The methods for instructions that are emitted most often, folded into their callers:
    /// each call is larger and faster than one of the same method here with the feature
    /// `compact`.
    #[inline(always)]
    pub const fn folded(&mut self) -> Folded<'_, 'a> {
        Folded(self)
    }

    /// Puts an instruction: the low `size` bytes of `word`.
    #[inline(always)]
    pub(crate) const fn put(&mut self, word: u128, size: u32, form: Form, operands: [u64; 3]) -> &mut Self {
        self.put_window(word, size, form, operands, !cfg!(feature = "compact") && form.is_brief())
    }

    /// The same; `is_brief` if eight bytes are enough for it.
    #[inline(always)]
    const fn put_window(
        &mut self,
        word: u128,
        size: u32,
        form: Form,
        operands: [u64; 3],
        is_brief: bool,
    ) -> &mut Self {
        let start = self.pos as usize;
        // One unaligned store of the whole window: what lies past `size` is
        // overwritten by the next instruction.
        if start + 16 <= self.open.len()
            && let Some(window) = self.open.split_at_mut(start).1.first_chunk_mut::<16>()
        {
            if is_brief && let Some(half) = window.first_chunk_mut::<8>() {
                *half = (word as u64).to_le_bytes();
            } else {
                *window = word.to_le_bytes();
            }
            self.pos += size;
        } else {
            let [reg, rm, third] = operands;
            self.put_slowly(word, size, form, reg, rm, third);
        }
        self
    }

    /// The same at the edge of the buffer, or with a record.
    #[cold]
    const fn put_slowly(&mut self, word: u128, size: u32, form: Form, reg: u64, rm: u64, third: u64) {
        self.put_bytes(word.to_le_bytes().split_at(size as usize).0);
        self.record(size, RecordKind::Inst(form, [reg, rm, third]));
    }

    const fn buf(&mut self) -> &mut [u8] {
        if self.records.items.is_empty() { self.open } else { self.recorded }
    }

    /// Writes all the bytes or, where there is no room, none, and counts them.
    const fn put_bytes(&mut self, bytes: &[u8]) {
        let start = self.pos as usize;
        let end = start + bytes.len();
        if let Some((head, _)) = self.buf().split_at_mut_checked(end) {
            head.split_at_mut(start).1.copy_from_slice(bytes);
        }
        self.pos = if end > u32::MAX as usize { u32::MAX } else { end as u32 };
    }

    #[cold]
    const fn refuse(&mut self, fault: Fault, size: u32) {
        let at = self.offset() - size;
        self.fail(match fault {
            Fault::Index => Error::Index(at),
            Fault::HighByte => Error::HighByte(at),
            Fault::Segment => Error::Operand(at),
            _ => Error::Immediate(at),
        });
    }

    #[cfg_attr(feature = "compact", inline(never))]
    const fn fail(&mut self, error: Error) {
        if self.strict {
            error.raise();
        }
        if self.error.is_none() {
            self.error = Some(error);
        }
    }

    /// Notes what the `size` bytes before the cursor are, if a record is kept.
    #[cfg_attr(feature = "compact", inline(never))]
    const fn record(&mut self, size: u32, kind: RecordKind) {
        if !self.records.items.is_empty() {
            self.records.push(Record { offset: self.pos - size, size, kind });
        }
    }

    /// Puts bytes as they are: data, or instructions that were baked before.
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.put_bytes(bytes);
        self.record(bytes.len() as u32, RecordKind::Data);
        self
    }

    /// Pads with zeros to a multiple of `alignment` bytes, a power of two, for
    /// data. It is counted from the first byte of the code.
    pub const fn align(&mut self, alignment: usize) -> &mut Self {
        debug_assert!(alignment.is_power_of_two());
        while self.pos as usize & (alignment - 1) != 0 {
            self.bytes(&[0]);
        }
        self
    }

    /// Pads likewise with multi-byte no-ops, for code that is run through.
    pub const fn align_code(&mut self, alignment: usize) -> &mut Self {
        debug_assert!(alignment.is_power_of_two());
        loop {
            let gap = (self.pos as usize).wrapping_neg() & (alignment - 1);
            if gap == 0 {
                return self;
            }
            self.nop(if gap < 9 { gap as u8 } else { 9 });
        }
    }

    /// Ties what comes next to a value of the front end.
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn mark(&mut self, source: u32) -> &mut Self {
        self.marks.push(Mark { code: self.offset(), source });
        self
    }

    /// Names everything from offset `start` to here.
    pub const fn symbol(&mut self, name: &'a str, start: u32) -> &mut Self {
        self.symbols.push(Symbol { name, offset: start, size: self.offset() - start });
        self
    }

    /// Puts a comment into the listing.
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn comment(&mut self, text: &'static str) -> &mut Self {
        self.record(0, RecordKind::Comment(text));
        self
    }

    /// The `SIZE` bytes just put, to be filled later: an immediate or a
    /// displacement at the end of an instruction.
    pub const fn hole<const SIZE: usize>(&self) -> Hole<SIZE> {
        Hole::new(self.offset() - SIZE as u32)
    }

    /// Makes a label that is not bound yet.
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn label(&mut self) -> Label {
        let label = Label(self.labels as u32);
        if self.labels + self.fixups < self.slots.len() {
            *self.slot_at(self.labels) = Slot::EMPTY;
        }
        self.labels += 1;
        label
    }

    /// Binds `label` to the next byte.
    ///
    /// # Panics
    /// In debug builds, if it is bound already.
    pub const fn bind(&mut self, label: Label) -> &mut Self {
        let offset = self.offset();
        if let Some(slot) = self.slot(label) {
            debug_assert!(slot.at == UNBOUND, "a label is bound twice");
            slot.at = offset;
        }
        self.record(0, RecordKind::Bind(label));
        self
    }

    /// Makes a label bound to the next byte.
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn here(&mut self) -> Label {
        let label = self.label();
        self.bind(label);
        label
    }

    /// One place for all, because each takes room.
    #[cfg_attr(feature = "compact", inline(never))]
    const fn slot_at(&mut self, place: usize) -> &mut Slot {
        &mut self.slots[place]
    }

    const fn slot(&mut self, label: Label) -> Option<&mut Slot> {
        let index = label.0 as usize;
        if index < self.labels && self.labels + self.fixups <= self.slots.len() {
            Some(self.slot_at(index))
        } else {
            None
        }
    }

    /// The offset of `label`, once it is bound.
    pub const fn bound(&mut self, label: Label) -> Option<u32> {
        match self.slot(label) {
            Some(Slot { at: UNBOUND, .. }) | None => None,
            Some(slot) => Some(slot.at),
        }
    }

    /// Notes a hole of `size` bytes that ends `after` bytes before the cursor.
    const fn fix(&mut self, label: Label, kind: FixupKind, after: u8, size: u32) {
        self.fixups += 1;
        if self.labels + self.fixups <= self.slots.len() {
            let at = self.offset() - after as u32 - size;
            let place = self.slots.len() - self.fixups;
            *self.slot_at(place) = Slot::fixup(at, label, kind, after);
        }
    }

    /// A jump or call: short where `label` is bound and near enough, if there is
    /// such an opcode (`short` is not 0), else near.
    #[cfg_attr(feature = "compact", inline(never))]
    #[cfg_attr(not(feature = "compact"), inline(always))]
    const fn branch(&mut self, form: Form, short: u8, label: Label) -> &mut Self {
        let target = self.bound(label);
        self.branch_to(form, short, target, label);
        if target.is_none() {
            self.fix(label, FixupKind::Rel32, 0, 4);
        }
        self
    }

    /// The same to an offset, if it is known. `label` is for the record.
    #[cfg_attr(feature = "compact", inline(never))]
    #[cfg_attr(not(feature = "compact"), inline(always))]
    const fn branch_to(&mut self, form: Form, short: u8, target: Option<u32>, label: Label) {
        let opcode = form.opcode();
        let (near, size) = if form.opcode_map() == 0 { (opcode, 5) } else { (opcode << 8 | 0x0F, 6) };
        let (word, size) = match target {
            None => (near, size),
            Some(target) => {
                let back = target as i64 - (self.pos as i64 + 2);
                if short != 0 && fits_i8(back) {
                    (short as u64 | (back as u8 as u64) << 8, 2)
                } else {
                    let back = target.wrapping_sub(self.pos.wrapping_add(size));
                    (near | (back as u64) << (8 * (size - 4)), size)
                }
            }
        };
        self.put(word as u128, size, form, [0, 0, label.0 as u64]);
    }

    /// The next byte, to jump back to. Unlike a label it takes no slot, if no record is kept.
    pub const fn backward(&mut self) -> Backward {
        Backward(if self.records.items.is_empty() { self.pos } else { self.here().0 })
    }

    /// [`Asm::jcc`] back to a place that this assembler has given out.
    pub const fn jcc_backward(&mut self, cond: Cond, to: Backward) -> &mut Self {
        if !self.records.items.is_empty() {
            return self.jcc(cond, Label(to.0));
        }
        self.branch_to(JCC.on(cond as u8), 0x70 | cond as u8, Some(to.0), Label(0));
        self
    }

    /// A jump in two bytes; it is an error if it does not reach.
    #[cfg_attr(feature = "compact", inline(never))]
    #[cfg_attr(not(feature = "compact"), inline(always))]
    const fn branch_short(&mut self, form: Form, opcode: u8, label: Label) -> &mut Self {
        self.put(opcode as u128, 2, form, [0, 0, label.0 as u64]);
        self.fix(label, FixupKind::Rel8, 0, 1);
        self
    }

    /// `jmp label`, short (EB cb) if the label is bound and in reach, else near
    /// (E9 cd).
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn jmp(&mut self, label: Label) -> &mut Self {
        self.branch(JMP, 0xEB, label)
    }

    /// `jcc label`, short (70+cc cb) if the label is bound and in reach, else
    /// near (0F 80+cc cd).
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn jcc(&mut self, cond: Cond, label: Label) -> &mut Self {
        self.branch(JCC.on(cond as u8), 0x70 | cond as u8, label)
    }

    /// `call label` (E8 cd).
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn call(&mut self, label: Label) -> &mut Self {
        self.branch(const { target(Form::op(0xE8).named("call")) }, 0, label)
    }

    /// `jmp label` in two bytes (EB cb), bound or not; a label out of reach is
    /// [`Error::OutOfReach`].
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn jmp_short(&mut self, label: Label) -> &mut Self {
        self.branch_short(JMP, 0xEB, label)
    }

    /// `jcc label` in two bytes (70+cc cb), bound or not; a label out of reach
    /// is [`Error::OutOfReach`].
    #[cfg_attr(feature = "compact", inline(never))]
    pub const fn jcc_short(&mut self, cond: Cond, label: Label) -> &mut Self {
        self.branch_short(JCC.on(cond as u8), 0x70 | cond as u8, label)
    }

    /// `mov r64, imm64` with the address that `label` will have once loaded.
    pub const fn mov_r64_label(&mut self, dst: Gpr64, label: Label) -> &mut Self {
        let form = const { Form::new("mov", "o64 B8+r", "OI", "r64 imm64", 0, false).to_label() };
        self.emit(form, 0, dst.packed(), label.0 as u64);
        self.fix(label, FixupKind::Abs64, 0, 8);
        self
    }

    /// Eight bytes of data with the address that `label` will have once loaded.
    pub const fn address_of(&mut self, label: Label) -> &mut Self {
        self.bytes(&[0; 8]);
        self.fix(label, FixupKind::Abs64, 0, 8);
        self
    }

    /// Resolves every label and gives the finished code.
    ///
    /// # Errors
    /// The first of: an operand that cannot be encoded, a slice that was too
    /// short, a label that is unbound or out of reach.
    pub const fn finish(mut self) -> Result<Code<'a>, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.pos == 0 || self.pos > i32::MAX as u32 || self.labels > Address::MAX_LABELS {
            return Err(Error::Size);
        }
        let pos = self.pos as usize;
        if pos > self.buf().len()
            || self.labels + self.fixups > self.slots.len()
            || (self.marks.overflowed() && !self.marks.items.is_empty())
            || (self.symbols.overflowed() && !self.symbols.items.is_empty())
            || (self.records.overflowed() && !self.records.items.is_empty())
        {
            return Err(Error::Full(self.needs()));
        }
        let buf = if self.records.items.is_empty() { self.open } else { self.recorded };
        (self.open, self.recorded) = (&mut [], &mut []);
        let (_, mut fixups) = self.slots.split_at(self.slots.len() - self.fixups);
        while let [rest @ .., fixup] = fixups {
            fixups = rest;
            let target = target_of(self.slots, fixup.label());
            if target == UNBOUND {
                return Err(Error::Unbound(fixup.label()));
            }
            match fixup.kind() {
                FixupKind::Rel8 => {
                    let distance = target as i64 - (fixup.at as i64 + 1);
                    if !fits_i8(distance) {
                        return Err(Error::OutOfReach(fixup.at));
                    }
                    Hole::new(fixup.at).fill(buf, [distance as u8]);
                }
                FixupKind::Rel32 => {
                    let end = fixup.at as i64 + 4 + fixup.after() as i64;
                    let hole = Hole::new(fixup.at);
                    let distance = target as i64 - end + i32::from_le_bytes(hole.read(buf)) as i64;
                    // Code is at most 2 GiB; only a displacement leads further.
                    if !fits_i32(distance) {
                        return Err(Error::OutOfReach(fixup.at));
                    }
                    hole.fill(buf, (distance as i32).to_le_bytes());
                }
                FixupKind::Abs64 => {
                    Hole::new(fixup.at).fill(buf, (target as u64).to_le_bytes());
                    self.relocations.push(Relocation { at: fixup.at });
                }
            }
        }
        if self.relocations.overflowed() {
            return Err(Error::Full(self.needs()));
        }
        self.resolve_records();
        let (bytes, _) = buf.split_at(pos);
        Ok(Code::new(bytes)
            .with_symbols(self.symbols.finish())
            .with_marks(self.marks.finish())
            .with_relocations(self.relocations.finish())
            .with_records(self.records.finish()))
    }

    /// Replaces the labels in the record by the offsets they are bound to.
    const fn resolve_records(&mut self) {
        let mut i = 0;
        while i < self.records.items.len() && i < self.records.used {
            let record = &mut self.records.items[i];
            if let RecordKind::Inst(form, [_, rm, third]) = &mut record.kind {
                let address = Address::unpack(*rm);
                if matches!(form.third_operand(), Third::LABEL) {
                    *third = target_of(self.slots, Label(*third as u32)) as u64;
                } else if form.is_memory() && matches!(address.relative_to(), Base::Label) {
                    let target = target_of(self.slots, address.target());
                    let distance = target.wrapping_sub(record.offset + record.size) as i32;
                    *rm = Address::rip().disp(distance.wrapping_add(address.displacement())).packed();
                }
            }
            i += 1;
        }
    }
}

/// A target for jumps back, by [`Asm::backward`]: its offset, or its label if a record is kept.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Backward(u32);

/// [`Asm::folded`]: general-purpose instructions by the names of [`Asm`]'s methods.
#[derive(Debug)]
pub struct Folded<'a, 'b>(pub(crate) &'a mut Asm<'b>);

/// The offset that a label is bound to.
const fn target_of(slots: &[Slot], label: Label) -> u32 {
    match slots.split_at_checked(label.0 as usize) {
        Some((_, [slot, ..])) => slot.at,
        _ => UNBOUND,
    }
}

/// A form whose only operand is a label.
const fn target(form: Form) -> Form {
    form.order(order_number("D")).to_label()
}

const JMP: Form = target(Form::op(0xE9).named("jmp"));
const JCC: Form = target(Form::op(0x80).map(1).plus_cc().named("j"));
