//! The function that an address in a mapped ELF file belongs to, by its symbol tables
//! (ELF gABI, chapter 4). The file is hostile input: every offset and count in it is
//! checked by reading, reads past the end find nothing, and work is bounded. Tables are
//! read in blocks, so memory is bounded too. No debug information, no relocation.

use super::proc::clean;
use alloc::string::String;
use barejit_sys::{Fd, linux::tracing};

/// The most section headers and program headers that are looked at.
const HEADERS: u64 = 4096;

/// The most symbols of one table that are looked at: more than Chromium has.
const SYMBOLS: u64 = 4 << 20;

/// The longest name that is told; longer ones are cut.
const NAME: usize = 256;

/// A function, and how far in it the address is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Symbol {
    pub(super) name: String,
    pub(super) offset: u64,
}

/// An ELF file of this machine: 64 bits, little-endian, x86-64.
struct Elf<'file> {
    fd: Fd<'file>,
    header: [u8; 64],
}

/// The little-endian number of `SIZE` bytes at `at`; 0 if it is not there.
fn number<const SIZE: usize>(bytes: &[u8], at: usize) -> u64 {
    little_endian(bytes.get(at..at + SIZE).unwrap_or_default())
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl<'file> Elf<'file> {
    fn open(fd: Fd<'file>) -> Option<Self> {
        let mut header = [0; 64];
        let read = tracing::read_at(fd, &mut header, 0).ok()?;
        let native = header.starts_with(b"\x7fELF\x02\x01") && number::<2>(&header, 18) == 62;
        (read == header.len() && native).then_some(Self { fd, header })
    }

    /// Entry `index` of a table of entries of `SIZE` bytes.
    fn entry<const SIZE: usize>(&self, table: u64, index: u64) -> Option<[u8; SIZE]> {
        let mut entry = [0; SIZE];
        let at = table.checked_add(index * SIZE as u64)?;
        (tracing::read_at(self.fd, &mut entry, at).ok()? == SIZE).then_some(entry)
    }

    /// The address at link time of what stands at `offset` in the file.
    fn address(&self, offset: u64) -> Option<u64> {
        const LOAD: u64 = 1;
        let (table, count) = (number::<8>(&self.header, 32), number::<2>(&self.header, 56));
        for index in 0..count.min(HEADERS) {
            let segment: [u8; 56] = self.entry(table, index)?;
            let [start, address, _, size] = [8, 16, 24, 32].map(|at| number::<8>(&segment, at));
            let inside = offset.wrapping_sub(start) < size && offset >= start;
            if number::<4>(&segment, 0) == LOAD && inside {
                return Some(address.wrapping_add(offset - start));
            }
        }
        None
    }

    /// The function at `address` by one symbol table, which ends at a section of names.
    fn search(&self, section: &[u8; 64], sections: u64, address: u64) -> Option<Symbol> {
        const ENTRY: usize = 24;
        let [table, size] = [24, 32].map(|at| number::<8>(section, at));
        let mut best: Option<(u64, u64)> = None;
        let mut block = [0; ENTRY * 512];
        let mut done = 0;
        let count = (size / ENTRY as u64).min(SYMBOLS);
        while done < count {
            let read = tracing::read_at(self.fd, &mut block, table.checked_add(done * ENTRY as u64)?).ok()?;
            let (symbols, _) = block.get(..read)?.as_chunks::<ENTRY>();
            for symbol in symbols.iter().take((count - done) as usize) {
                let [start, length] = [8, 16].map(|at| number::<8>(symbol, at));
                // STT_FUNC, STT_GNU_IFUNC; in a section.
                let function = matches!(symbol[4] & 0xF, 2 | 10) && number::<2>(symbol, 6) != 0;
                let inside = address >= start && address - start < length.max(1);
                if function && inside && best.is_none_or(|(_, offset)| address - start < offset) {
                    best = Some((number::<4>(symbol, 0), address - start));
                }
            }
            if symbols.len() < 512 {
                break;
            }
            done += 512;
        }
        let (name, offset) = best?;
        let names: [u8; 64] = self.entry(sections, number::<4>(section, 40))?;
        let mut text = [0; NAME];
        let at = number::<8>(&names, 24).checked_add(name)?;
        let read = tracing::read_at(self.fd, &mut text, at).ok()?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(NAME).min(read);
        let name = demangle(clean(text.get(..end)?));
        (!name.is_empty()).then_some(Symbol { name, offset })
    }
}

/// The function that stands at `offset` in the ELF file behind `fd`, by .symtab or else
/// by .dynsym.
pub(super) fn symbol(fd: Fd, offset: u64) -> Option<Symbol> {
    const SYMTAB: u64 = 2;
    const DYNSYM: u64 = 11;
    let elf = Elf::open(fd)?;
    let address = elf.address(offset)?;
    let (table, count) = (number::<8>(&elf.header, 40), number::<2>(&elf.header, 60));
    for kind in [SYMTAB, DYNSYM] {
        for index in 0..count.min(HEADERS) {
            let section: [u8; 64] = elf.entry(table, index)?;
            if number::<4>(&section, 4) == kind
                && let Some(symbol) = elf.search(&section, table, address)
            {
                return Some(symbol);
            }
        }
    }
    None
}

/// The nested name of a mangled C++ function without its parameters (Itanium C++ ABI,
/// 5.1): `_ZN2v84base2OS8AllocateEPvm` is `v8::base::OS::Allocate`. Names that hold
/// anything else than plain identifiers stay as they are.
fn demangle(name: String) -> String {
    plain(&name).unwrap_or(name)
}

fn plain(name: &str) -> Option<String> {
    let rest = name.strip_prefix("_Z")?;
    let (mut rest, nested) = match rest.strip_prefix('N') {
        Some(rest) => (rest.strip_prefix('K').unwrap_or(rest), true),
        None => (rest, false),
    };
    let mut text = String::new();
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let size: usize = rest.get(..digits)?.parse().ok()?;
        if !text.is_empty() {
            text.push_str("::");
        }
        text.push_str(rest.get(digits..)?.get(..size)?);
        rest = rest.get(digits + size..)?;
        if !nested || rest.starts_with('E') {
            return Some(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barejit_sys::linux;
    use std::{env, ffi::CString, fs, process::Command, string::ToString, vec::Vec};

    fn look_up(path: &str, offset: u64) -> Option<Symbol> {
        let file = linux::open(&CString::new(path).expect("no NUL")).expect(path);
        symbol(file.fd(), offset)
    }

    /// The functions of this test's own executable as nm(1) and readelf(1) tell them:
    /// every five-hundredth is looked up by a byte in its middle.
    #[test]
    fn functions_are_those_that_nm_tells() {
        let path = env::current_exe().expect("this test").to_str().expect("UTF-8").to_string();
        let output = Command::new("nm").args(["--defined-only", "-S", &path]).output().expect("binutils");
        let listing = String::from_utf8(output.stdout).expect("text");
        let file = linux::open(&CString::new(path.clone()).expect("no NUL")).expect("this test");
        let elf = Elf::open(file.fd()).expect("an ELF file");
        let count = number::<2>(&elf.header, 56);
        let table = number::<8>(&elf.header, 32);
        let segments: Vec<[u8; 56]> = (0..count).filter_map(|index| elf.entry(table, index)).collect();
        let functions: Vec<(u64, u64)> = listing
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let [start, size, "t" | "T", _] = words[..] else { return None };
                let parse = |text| u64::from_str_radix(text, 16).expect("a number");
                Some((parse(start), parse(size)))
            })
            .collect();
        assert!(functions.len() > 500, "{} functions", functions.len());
        for (start, size) in functions.iter().step_by(500).filter(|(_, size)| *size > 1) {
            let address = start + size / 2;
            let offset = segments.iter().find_map(|segment| {
                let [offset, start, size] = [8, 16, 32].map(|at| number::<8>(segment, at));
                let load = number::<4>(segment, 0) == 1;
                (load && address >= start && address - start < size).then(|| offset + address - start)
            });
            let found = look_up(&path, offset.expect("a segment")).expect("a function");
            assert_eq!(address - found.offset, *start, "{found:?} at {address:#x}");
        }
    }

    #[test]
    fn files_that_lie_are_no_harm() {
        let path = env::temp_dir().join(std::format!("barejit-elf-{}", std::process::id()));
        let original = fs::read(env::current_exe().expect("this test")).expect("readable");
        let name = path.to_str().expect("UTF-8");
        // The header, cut anywhere, and with each byte set to all ones.
        for size in [0, 1, 4, 63, 64, 65, 4096] {
            fs::write(&path, &original[..size]).expect("written");
            assert_eq!(look_up(name, 0x1000), None, "{size} bytes");
        }
        for at in 4..64 {
            let mut bytes = original[..8192].to_vec();
            bytes[at] = 0xFF;
            fs::write(&path, &bytes).expect("written");
            look_up(name, 0x1000);
        }
        fs::remove_file(&path).expect("there");
    }

    #[test]
    fn names_of_cpp_lose_their_mangling() {
        for (mangled, plain) in [
            ("_ZN2v84base2OS8AllocateEPvm", "v8::base::OS::Allocate"),
            ("_ZNK2v86String6LengthEv", "v8::String::Length"),
            ("_Z3addii", "add"),
            ("mprotect", "mprotect"),
            ("_ZN2v8", "_ZN2v8"),
            ("_ZN99999999999999999999v8E", "_ZN99999999999999999999v8E"),
            ("_ZNSt6vectorIiE4sizeEv", "_ZNSt6vectorIiE4sizeEv"),
        ] {
            assert_eq!(demangle(mangled.to_string()), plain);
        }
    }
}
