//! Finished code: bytes, where to enter them, and what is known about them.
//!
//! A [`Code`] is what the assembler makes and what code memory loads. It owns
//! nothing, runs nothing and knows neither; it only keeps the promise that its
//! entry, symbols and relocations lie inside its bytes. Holes in baked bytes are
//! filled here, at compile time or at run time, by the same functions.

pub(crate) mod address;
pub(crate) mod form;
pub(crate) mod notation;
mod operand;
pub(crate) mod spec;

pub use address::{Address, Label, Scale};
pub use form::{Form, Prefix};
pub use notation::{Data, Hexadecimal, Line, Record, RecordKind};

use core::sync::atomic::AtomicU8;

/// Ties a code offset to an opaque value of the front end that wrote it. It
/// holds for every byte from `code` up to the next mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Offset into the code, in bytes.
    pub code: u32,
    /// Meaning private to the front end.
    pub source: u32,
}

impl Mark {
    /// A filler for slices of marks that are yet to be written.
    pub const EMPTY: Self = Self { code: 0, source: 0 };
}

/// A named range of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symbol<'a> {
    /// The name that perf and gdb show.
    pub name: &'a str,
    /// Offset of the first byte.
    pub offset: u32,
    /// Length in bytes.
    pub size: u32,
}

/// Eight bytes of code that hold the offset of a label and must have the load
/// address added: what ELF calls R_X86_64_RELATIVE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relocation {
    /// Offset of the eight bytes.
    pub at: u32,
}

/// Finished machine code, which a static can hold:
/// ```
/// # use barejit_asm::Code;
/// static ANSWER: Code<'static> = Code::new(&[0xB8, 42, 0, 0, 0, 0xC3]);
/// assert_eq!(ANSWER.bytes().len(), 6);
/// ```
///
/// Invariant: `entry` is inside `bytes`, and so is every symbol and every
/// relocation; the constructors check it.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    bytes: &'a [u8],
    entry: u32,
    symbols: &'a [Symbol<'a>],
    marks: &'a [Mark],
    relocations: &'a [Relocation],
    records: &'a [Record],
    name: &'a str,
    before: Option<Before<'a>>,
    source: Option<&'a dyn Source>,
}

/// The stage before the last hole was filled, for listings.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    /// The bytes; as many as afterwards.
    pub bytes: &'a [u8],
    /// The assembler's record of them, if there is one.
    records: &'a [Record],
    /// Offset of the hole.
    pub at: u32,
    /// Size of the hole in bytes.
    pub size: u32,
}

impl<'a> Before<'a> {
    /// The lines of this stage, as [`Code::lines`].
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        let bytes = self.bytes;
        self.records.iter().map(move |record| Line::new(record, bytes))
    }
}

/// Describes the source that the marks of a front end point into. It can be read by
/// any thread, so that [`Code`] can be in a static.
pub trait Source: Sync {
    /// The name of the source, a file's if it has one.
    fn name(&self) -> &str;

    /// The line that a mark leads to, counted from 1.
    fn line(&self, mark: Mark) -> u32;

    /// Writes the piece of source that a mark stands for, in one line.
    ///
    /// # Errors
    /// The error of the formatter.
    fn describe(&self, mark: Mark, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result;
}

impl core::fmt::Debug for dyn Source + '_ {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// Constructors and builders are inlined: each stores one or two of nine fields, and a call
/// would copy all of them.
impl<'a> Code<'a> {
    /// Code that is entered at its first byte.
    ///
    /// # Panics
    /// If `bytes` is empty or does not fit 31-bit offsets; for a constant,
    /// that is a compile error.
    #[inline(always)]
    pub const fn new(bytes: &'a [u8]) -> Self {
        check(!bytes.is_empty(), "code without bytes has no entry");
        check(bytes.len() <= i32::MAX as usize, "code larger than 2 GiB");
        Self {
            bytes,
            entry: 0,
            symbols: &[],
            marks: &[],
            relocations: &[],
            records: &[],
            name: "",
            before: None,
            source: None,
        }
    }

    /// The same code, entered at `offset`.
    ///
    /// # Panics
    /// If `offset` is outside the bytes.
    #[inline(always)]
    pub const fn entered_at(self, offset: u32) -> Self {
        check((offset as usize) < self.bytes.len(), "entry outside the code");
        Self { entry: offset, ..self }
    }

    /// The same code with names for its parts.
    ///
    /// # Panics
    /// If a symbol reaches outside the bytes.
    #[inline(always)]
    pub const fn with_symbols(self, symbols: &'a [Symbol<'a>]) -> Self {
        let mut i = 0;
        while i < symbols.len() {
            let end = symbols[i].offset as usize + symbols[i].size as usize;
            check(end <= self.bytes.len(), "symbol outside the code");
            i += 1;
        }
        Self { symbols, ..self }
    }

    /// The same code with marks, which must ascend.
    ///
    /// # Panics
    /// If they do not ascend.
    #[inline(always)]
    pub const fn with_marks(self, marks: &'a [Mark]) -> Self {
        let mut i = 1;
        while i < marks.len() {
            check(marks[i - 1].code <= marks[i].code, "marks out of order");
            i += 1;
        }
        Self { marks, ..self }
    }

    /// The same code with cells that need the load address added.
    ///
    /// # Panics
    /// If a cell is outside the bytes.
    #[inline(always)]
    pub const fn with_relocations(self, relocations: &'a [Relocation]) -> Self {
        let mut i = 0;
        while i < relocations.len() {
            check(relocations[i].at as usize + 8 <= self.bytes.len(), "relocation outside the code");
            i += 1;
        }
        Self { relocations, ..self }
    }

    /// The same code with the assembler's record of it, for a listing.
    #[inline(always)]
    pub const fn with_records(self, records: &'a [Record]) -> Self {
        Self { records, ..self }
    }

    /// The same code under a name, which is that of everything from the entry on.
    #[inline(always)]
    pub const fn named(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    /// The same code with what `before` was until `hole` was filled.
    ///
    /// # Panics
    /// If `before` has another size, or the hole is outside of it.
    #[inline(always)]
    pub const fn with_before<const SIZE: usize>(self, before: &Self, hole: Hole<SIZE>) -> Self {
        check(before.bytes.len() == self.bytes.len(), "another size before the hole was filled");
        check(hole.at as usize + SIZE <= self.bytes.len(), "hole outside the code");
        let (bytes, records) = (before.bytes, before.records);
        Self { before: Some(Before { bytes, records, at: hole.at, size: SIZE as u32 }), ..self }
    }

    /// The same code with what is known about its marks.
    #[inline(always)]
    pub const fn with_source(self, source: &'a dyn Source) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The bytes, before relocation.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Offset of the first instruction to run.
    pub const fn entry(&self) -> u32 {
        self.entry
    }

    /// The name of the whole, or nothing.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The stage before the last hole was filled, if it was kept.
    pub const fn before(&self) -> Option<Before<'a>> {
        self.before
    }

    /// The description of the source that the marks point into.
    pub const fn source(&self) -> Option<&'a dyn Source> {
        self.source
    }

    /// Names as debuggers want them: that of the whole, which begins with the
    /// entry, and those of parts.
    pub fn names(&self) -> impl Iterator<Item = Symbol<'a>> {
        let size = self.bytes.len() as u32 - self.entry;
        let whole = Symbol { name: self.name, offset: self.entry, size };
        let whole = (!self.name.is_empty()).then_some(whole);
        whole.into_iter().chain(self.symbols.iter().copied())
    }

    /// Names of parts of the code.
    pub const fn symbols(&self) -> &'a [Symbol<'a>] {
        self.symbols
    }

    /// Source marks, ascending by code offset.
    pub const fn marks(&self) -> &'a [Mark] {
        self.marks
    }

    /// Where the load address must be added.
    pub const fn relocations(&self) -> &'a [Relocation] {
        self.relocations
    }

    /// The mark that covers the instruction at `offset`, if any.
    pub fn mark_at(&self, offset: u32) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.code <= offset);
        self.marks.get(..after)?.last().copied()
    }

    /// The symbol that covers `offset`, if any.
    pub fn symbol_at(&self, offset: u32) -> Option<Symbol<'a>> {
        let covers = |s: &&Symbol<'_>| s.offset <= offset && offset - s.offset < s.size;
        self.symbols.iter().find(covers).copied()
    }

    /// The code line by line in Intel notation, if it was assembled with a
    /// record; else nothing.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        let bytes = self.bytes;
        self.records.iter().map(move |record| Line::new(record, bytes))
    }
}

/// Panics with `why` unless `holds`: one place for all, because each takes room.
const fn check(holds: bool, why: &str) {
    #[cold]
    const fn fail(why: &str) -> ! {
        panic!("{}", why)
    }
    if !holds {
        fail(why);
    }
}

/// A page that holds code and nothing else, so that its protection can change without
/// touching other data. A page on x86-64 has 4096 bytes.
///
/// Nothing writes to it, and yet a static one is writable data: constants may lie
/// among the code of a program, and there they could be run as they are.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Page([AtomicU8; 4096]);

impl Page {
    /// A page with `parts`, each on a multiple of 64 bytes, in order; the rest
    /// is `int3`.
    ///
    /// # Panics
    /// If they do not fit; for a static, a compile error.
    pub const fn holding(parts: &[&[u8]]) -> Self {
        let mut page = [const { AtomicU8::new(0xCC) }; 4096];
        let mut at = 0;
        let mut i = 0;
        while i < parts.len() {
            let mut j = 0;
            while j < parts[i].len() {
                page[at + j] = AtomicU8::new(parts[i][j]);
                j += 1;
            }
            at += parts[i].len().next_multiple_of(64);
            i += 1;
        }
        Self(page)
    }

    /// The address of `size` bytes from `offset` on.
    ///
    /// # Panics
    /// If they are not all in the page.
    pub fn address(&self, offset: usize, size: usize) -> usize {
        check(offset <= self.0.len() && size <= self.0.len() - offset, "outside the page");
        self.0.as_ptr() as usize + offset
    }
}

/// A hole of `SIZE` bytes in code, to be filled once the value is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hole<const SIZE: usize> {
    at: u32,
}

impl<const SIZE: usize> Hole<SIZE> {
    /// The hole at `at`.
    pub const fn new(at: u32) -> Self {
        Self { at }
    }

    /// Offset of the hole's first byte.
    pub const fn at(self) -> u32 {
        self.at
    }

    /// Writes `value` into the hole.
    ///
    /// # Panics
    /// If the hole is not inside `code`; in a constant, a compile error.
    pub const fn fill(self, code: &mut [u8], value: [u8; SIZE]) {
        match code.split_at_mut_checked(self.at as usize) {
            Some((_, hole)) if hole.len() >= SIZE => hole.split_at_mut(SIZE).0.copy_from_slice(&value),
            _ => check(false, "hole outside the code"),
        }
    }

    /// Reads the bytes in the hole.
    ///
    /// # Panics
    /// If the hole is not inside `code`.
    pub const fn read(self, code: &[u8]) -> [u8; SIZE] {
        let mut value = [0; SIZE];
        match code.split_at_checked(self.at as usize) {
            Some((_, hole)) if hole.len() >= SIZE => value.copy_from_slice(hole.split_at(SIZE).0),
            _ => check(false, "hole outside the code"),
        }
        value
    }
}

impl Hole<4> {
    /// Fills a displacement at the end of an instruction so that code that lies at
    /// `loaded_at` reaches `target`, as for [`Asm::call_hole`](crate::Asm::call_hole).
    ///
    /// # Errors
    /// [`Error::OutOfReach`](crate::Error::OutOfReach) if that is further than 2 GiB; the
    /// hole stays as it is.
    ///
    /// # Panics
    /// If the hole is not inside `code`.
    ///
    /// # Examples
    /// ```
    /// use barejit_asm::{Asm, Error, Tables};
    ///
    /// let mut bytes = [0; 16];
    /// let mut a = Asm::new(&mut bytes, Tables::none());
    /// let hole = a.call_hole();
    /// a.finish().unwrap();
    /// hole.reach(&mut bytes, 0x7000_0000, 0x7000_1000).unwrap();
    /// assert_eq!(bytes[..5], [0xE8, 0xFB, 0x0F, 0, 0]);
    /// let far = hole.reach(&mut bytes, 0x7000_0000, 0x1_7000_0000);
    /// assert_eq!(far, Err(Error::OutOfReach(1)));
    /// ```
    pub const fn reach(self, code: &mut [u8], loaded_at: u64, target: u64) -> Result<(), crate::Error> {
        let end = loaded_at.wrapping_add(self.at as u64 + 4);
        let distance = target.wrapping_sub(end) as i64;
        if distance as i32 as i64 != distance {
            return Err(crate::Error::OutOfReach(self.at));
        }
        self.fill(code, (distance as i32).to_le_bytes());
        Ok(())
    }
}

/// Fills a 32-bit RIP-relative `hole` so that it reaches offset `target`, as a
/// linker does for R_X86_64_PC32. The displacement counts from the end of the
/// instruction, which must be the end of the hole (SDM vol. 2A, 2.2.1.6).
///
/// # Panics
/// If hole or target lies outside the code; in a constant that is a compile
/// error:
///
/// ```compile_fail
/// use barejit_asm::{Hole, patch_rip};
/// const LEA: [u8; 8] = [0x48, 0x8D, 0x35, 0, 0, 0, 0, 0xC3];
/// const BEYOND: [u8; 8] = patch_rip(LEA, Hole::new(3), 9);
/// # fn main() { let _ = BEYOND; }
/// ```
///
/// # Examples
/// ```
/// use barejit_asm::{Hole, patch_rip};
/// const LEA: [u8; 8] = [0x48, 0x8D, 0x35, 0, 0, 0, 0, 0xC3];
/// const REACHES_RET: [u8; 8] = patch_rip(LEA, Hole::new(3), 7);
/// assert_eq!(REACHES_RET, LEA);
/// ```
pub const fn patch_rip<const N: usize>(mut code: [u8; N], hole: Hole<4>, target: u32) -> [u8; N] {
    check(target as usize <= N, "target outside the code");
    let end = hole.at + 4;
    hole.fill(&mut code, target.wrapping_sub(end).to_le_bytes());
    code
}
