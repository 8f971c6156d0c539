//! Machine code in ELF files (ELF gABI, chapter 4): a section, a symbol, or the place where
//! a program starts.
//!
//! An ELF file is hostile input: each offset, size and count is checked by reading, and
//! what is not in the file is not there. A symbol must lie in its section, a start address
//! in code. Nothing is loaded, relocated or run.

use core::fmt;

/// Why a file has no such code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The headers contradict each other or the size of the file.
    Malformed,
    /// It is not for x86-64.
    OtherMachine,
    /// It has no section, or no symbol, of this name.
    Missing,
    /// The section or symbol has no bytes in the file.
    NoBytes,
    /// Neither a start address nor a section `.text`.
    NoEntry,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "an ELF file whose headers are wrong",
            Self::OtherMachine => "an ELF file for another processor than x86-64",
            Self::Missing => "the file has nothing of this name",
            Self::NoBytes => "it has no bytes in the file",
            Self::NoEntry => "an ELF file without a start address in code and without .text",
        })
    }
}

/// Consecutive code of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece<'a> {
    /// The address of the first byte; in an object file, its offset in the section.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// The number of the section, or 0.
    section: u64,
}

impl<'a> Piece<'a> {
    /// Bytes that are no part of an image.
    pub fn loose(bytes: &'a [u8]) -> Self {
        Self { address: 0, bytes, section: 0 }
    }
}

/// An ELF file for x86-64.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    file: &'a [u8],
}

/// A section header.
struct Section {
    number: u64,
    name: u64,
    kind: u64,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u64,
}

/// A symbol.
struct Symbol<'a> {
    name: &'a [u8],
    kind: u64,
    section: u64,
    value: u64,
    size: u64,
}

const SHT_SYMTAB: u64 = 2;
const SHT_NOBITS: u64 = 8;
const SHT_DYNSYM: u64 = 11;
const SHF_EXECINSTR: u64 = 4;
const PT_LOAD: u64 = 1;
const PF_X: u64 = 1;
const ET_REL: u64 = 1;
const EM_X86_64: u64 = 62;

/// The little-endian number of `size` bytes at `at`.
fn number(bytes: &[u8], at: usize, size: usize) -> Result<u64, Error> {
    let bytes = bytes.get(at..at + size).ok_or(Error::Malformed)?;
    Ok(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// The name that begins at `at`.
fn name(names: &[u8], at: u64) -> &[u8] {
    let rest = usize::try_from(at).ok().and_then(|at| names.get(at..)).unwrap_or_default();
    rest.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl<'a> Image<'a> {
    /// Whether `bytes` claim to be an ELF file.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"\x7FELF")
    }

    /// The file that `file` is.
    ///
    /// # Errors
    /// If it is for another processor, or has no header.
    pub fn new(file: &'a [u8]) -> Result<Self, Error> {
        // 64 bits, little-endian.
        if file.get(4..6).ok_or(Error::Malformed)? != [2, 1] || number(file, 18, 2)? != EM_X86_64 {
            return Err(Error::OtherMachine);
        }
        number(file, 62, 2)?;
        Ok(Self { file })
    }

    /// The bytes from `offset` on.
    fn part(&self, offset: u64, size: u64) -> Result<&'a [u8], Error> {
        let end =
            offset.checked_add(size).and_then(|end| usize::try_from(end).ok()).ok_or(Error::Malformed)?;
        self.file.get(offset as usize..end).ok_or(Error::Malformed)
    }

    /// An entry of a table whose offset and size of an entry stand in the header.
    fn entry(&self, [offset, size]: [usize; 2], index: u64, least: u64) -> Result<&'a [u8], Error> {
        let (start, size) = (number(self.file, offset, 8)?, number(self.file, size, 2)?);
        if size < least {
            return Err(Error::Malformed);
        }
        let offset =
            index.checked_mul(size).and_then(|skip| start.checked_add(skip)).ok_or(Error::Malformed)?;
        self.part(offset, size)
    }

    fn section_at(&self, index: u64) -> Result<Section, Error> {
        let entry = self.entry([40, 58], index, 64)?;
        Ok(Section {
            number: index,
            name: number(entry, 0, 4)?,
            kind: number(entry, 4, 4)?,
            flags: number(entry, 8, 8)?,
            address: number(entry, 16, 8)?,
            offset: number(entry, 24, 8)?,
            size: number(entry, 32, 8)?,
            link: number(entry, 40, 4)?,
        })
    }

    /// The first section for which `is` says so.
    fn find(&self, is: &mut dyn FnMut(&Section) -> bool) -> Result<Option<Section>, Error> {
        if number(self.file, 40, 8)? == 0 {
            return Ok(None);
        }
        let count = match number(self.file, 60, 2)? {
            // More than 65279: the first header has the number.
            0 => self.section_at(0)?.size,
            count => count,
        };
        for index in 0..count {
            let section = self.section_at(index)?;
            if is(&section) {
                return Ok(Some(section));
            }
        }
        Ok(None)
    }

    /// The bytes of a section in the file; none if it is only in memory.
    fn bytes(&self, section: &Section) -> Result<&'a [u8], Error> {
        if section.kind == SHT_NOBITS { Ok(&[]) } else { self.part(section.offset, section.size) }
    }

    /// The code from the start address to the end of its symbol, section or segment; of
    /// a file that is not linked, all of `.text`.
    ///
    /// # Errors
    /// If there is neither.
    pub fn entry_code(&self) -> Result<Piece<'a>, Error> {
        let entry = number(self.file, 24, 8)?;
        if entry == 0 || !self.is_linked()? {
            return self.section(b".text").map_err(|error| match error {
                Error::Missing => Error::NoEntry,
                other => other,
            });
        }
        let mut found = None;
        self.symbols(&mut |symbol| {
            if symbol.value == entry && symbol.size > 0 && found.is_none() {
                found = self.piece(&symbol).ok();
            }
        })?;
        match found {
            Some(piece) => Ok(piece),
            None => self.code_at(entry)?.ok_or(Error::NoEntry),
        }
    }

    /// The section of this name.
    ///
    /// # Errors
    /// If there is none, or it has no bytes.
    pub fn section(&self, wanted: &[u8]) -> Result<Piece<'a>, Error> {
        let names = match number(self.file, 62, 2)? {
            0xFFFF => self.section_at(0)?.link,
            index => index,
        };
        let names = match self.find(&mut |section| section.number == names)? {
            Some(section) => self.bytes(&section)?,
            None => return Err(Error::Missing),
        };
        let found = self.find(&mut |section| name(names, section.name) == wanted)?;
        let section = found.ok_or(Error::Missing)?;
        match self.bytes(&section)? {
            [] => Err(Error::NoBytes),
            bytes => Ok(Piece { address: section.address, bytes, section: section.number }),
        }
    }

    /// The code of the symbol of this name; if it has no size, up to the next symbol.
    ///
    /// # Errors
    /// If there is none, or it has no bytes.
    pub fn symbol(&self, wanted: &[u8]) -> Result<Piece<'a>, Error> {
        let mut found = None;
        self.symbols(&mut |symbol| {
            if symbol.name == wanted && symbol.section != 0 && found.is_none() {
                found = Some(symbol);
            }
        })?;
        self.piece(&found.ok_or(Error::Missing)?)
    }

    /// Calls `each` with the names of functions and labels that lie in `piece`, and their
    /// addresses, in the order of the file.
    ///
    /// # Errors
    /// If the symbol tables are wrong.
    pub fn names(&self, piece: &Piece<'_>, each: &mut dyn FnMut(u64, &'a [u8])) -> Result<(), Error> {
        let linked = self.is_linked()?;
        self.symbols(&mut |symbol| {
            // STT_NOTYPE, STT_FUNC, STT_GNU_IFUNC.
            let code = matches!(symbol.kind, 0 | 2 | 10) && symbol.section != 0;
            let here = linked || symbol.section == piece.section;
            let inside = symbol.value.wrapping_sub(piece.address) < piece.bytes.len() as u64;
            if code && here && inside && !symbol.name.is_empty() {
                each(symbol.value, symbol.name);
            }
        })
    }

    /// Whether addresses are those of a program, and not offsets into sections.
    fn is_linked(&self) -> Result<bool, Error> {
        Ok(number(self.file, 16, 2)? != ET_REL)
    }

    /// Calls `each` with every symbol, those of the linker first.
    fn symbols(&self, each: &mut dyn FnMut(Symbol<'a>)) -> Result<(), Error> {
        for kind in [SHT_SYMTAB, SHT_DYNSYM] {
            let Some(table) = self.find(&mut |section| section.kind == kind)? else { continue };
            let names = self.bytes(&self.section_at(table.link)?)?;
            for entry in self.bytes(&table)?.chunks_exact(24) {
                each(Symbol {
                    name: name(names, number(entry, 0, 4)?),
                    kind: number(entry, 4, 1)? & 15,
                    section: number(entry, 6, 2)?,
                    value: number(entry, 8, 8)?,
                    size: number(entry, 16, 8)?,
                });
            }
        }
        Ok(())
    }

    /// The bytes of a symbol, which must be in its section.
    fn piece(&self, symbol: &Symbol<'_>) -> Result<Piece<'a>, Error> {
        let found = self.find(&mut |section| section.number == symbol.section)?;
        let section = found.ok_or(Error::NoBytes)?;
        let base = if self.is_linked()? { section.address } else { 0 };
        let bytes = self.bytes(&section)?;
        let start = symbol.value.checked_sub(base).ok_or(Error::Malformed)?;
        let rest = usize::try_from(start).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
        let mut size = symbol.size;
        if size == 0 {
            // Up to the next symbol of the section.
            size = rest.len() as u64;
            self.symbols(&mut |other| {
                if other.section == symbol.section && other.value > symbol.value {
                    size = size.min(other.value - symbol.value);
                }
            })?;
        }
        match usize::try_from(size).ok().and_then(|size| rest.get(..size)) {
            None => Err(Error::Malformed),
            Some([]) => Err(Error::NoBytes),
            Some(bytes) => Ok(Piece { address: symbol.value, bytes, section: symbol.section }),
        }
    }

    /// The code from `address` on in the section or else the segment that has it.
    fn code_at(&self, address: u64) -> Result<Option<Piece<'a>>, Error> {
        let rest = |start: u64, bytes: &'a [u8], section| {
            let from = usize::try_from(address.checked_sub(start)?).ok()?;
            let bytes = bytes.get(from..).filter(|bytes| !bytes.is_empty())?;
            Some(Piece { address, bytes, section })
        };
        let inside = |section: &Section| {
            section.flags & SHF_EXECINSTR != 0 && address.wrapping_sub(section.address) < section.size
        };
        if let Some(section) = self.find(&mut |section| inside(section))? {
            return Ok(rest(section.address, self.bytes(&section)?, section.number));
        }
        for index in 0..number(self.file, 56, 2)? {
            let entry = self.entry([32, 54], index, 56)?;
            if number(entry, 0, 4)? == PT_LOAD && number(entry, 4, 4)? & PF_X != 0 {
                let bytes = self.part(number(entry, 8, 8)?, number(entry, 32, 8)?)?;
                if let Some(piece) = rest(number(entry, 16, 8)?, bytes, 0) {
                    return Ok(Some(piece));
                }
            }
        }
        Ok(None)
    }
}
