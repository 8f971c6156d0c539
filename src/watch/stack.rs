//! The function that made a call: the frames of a stopped thread up to the first outside
//! the C library.
//!
//! ```text
//!   RIP            the instruction behind `syscall`, in the C library or not
//!   [RSP]          of a function that has pushed nothing, its return address
//!   RBP ─▶ [RBP]   the caller's RBP, if functions keep frame pointers
//!          [RBP+8] a return address
//! ```
//!
//! A word counts as a return address if it is in an executable mapping of a file and a
//! call instruction stands before it. Where RBP leads to none outside the C library, the
//! stack is scanned upwards for such words; a stale one may lie there, so it is said.

use super::elf::{self, Symbol};
use super::proc::{self, Mapping, Maps};
use alloc::{format, string::String, vec, vec::Vec};
use barejit_sys::linux::tracing::{self, Memory, Tid};

/// How much of the stack is looked at.
const DEPTH: usize = 64 << 10;

/// The most frames that RBP is followed for.
const FRAMES: usize = 64;

/// How a frame was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    /// The thread was there.
    Instruction,
    /// By return address and frame pointers.
    FramePointers,
    /// By scanning the stack.
    Scan,
}

impl Method {
    /// Its name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Instruction => "instruction pointer",
            Self::FramePointers => "frame pointers",
            Self::Scan => "stack scan",
        }
    }
}

/// The code that made a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asker {
    /// The file of the code, or what /proc/PID/maps says instead.
    pub(super) module: String,
    /// Where in the file.
    pub(super) offset: u64,
    pub(super) symbol: Option<Symbol>,
    pub(super) method: Method,
}

/// A stopped thread with what its stack is read by.
struct Walk<'a> {
    maps: &'a Maps,
    memory: Memory,
    stack: Vec<u8>,
    /// The address of the first byte of `stack`.
    base: u64,
}

/// Whether a mapping is the C library's, its dynamic linker's or the kernel's.
fn is_libc(mapping: &Mapping) -> bool {
    let name = mapping.name();
    name == b"[vdso]"
        || "libc.so libc- ld-linux ld-musl ld-2 libpthread"
            .split(' ')
            .any(|prefix| name.starts_with(prefix.as_bytes()))
}

impl Walk<'_> {
    /// The word at `address`, if that is in the part of the stack that was read.
    fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.base)?).ok()?;
        let bytes = self.stack.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The mapping that `address` returns to, if a call instruction stands before it (SDM
    /// vol. 2A, CALL): E8 with 4 bytes behind, or FF /2 with none to 5.
    fn returns_to(&self, address: u64) -> Option<&Mapping> {
        let mapping = self.maps.at(address).filter(|mapping| mapping.is_executable() && mapping.is_file())?;
        let mut code = [0; 7];
        let start = address.checked_sub(code.len() as u64).filter(|start| *start >= mapping.start)?;
        self.memory.read(start, &mut code).filter(|read| *read == code.len())?;
        let indirect = |at: usize| matches!(code.get(at..at + 2), Some([0xFF, form]) if form >> 3 & 7 == 2);
        let call = code[2] == 0xE8 || [5, 4, 3, 1, 0].into_iter().any(indirect);
        call.then_some(mapping)
    }

    /// The first return address outside the C library, by RBP.
    fn by_frame_pointers(&self, rsp: u64, rbp: u64) -> Option<u64> {
        let outside = |address: &u64| self.returns_to(*address).is_some_and(|mapping| !is_libc(mapping));
        // Functions that make a call without a frame: the address is on top.
        if let Some(address) = self.word(rsp).filter(outside) {
            return Some(address);
        }
        let mut frame = rbp;
        for _ in 0..FRAMES {
            let address = self.word(frame.checked_add(8)?)?;
            self.returns_to(address)?;
            if outside(&address) {
                return Some(address);
            }
            // Stacks grow downwards: a caller's frame is above.
            frame = self.word(frame).filter(|next| *next > frame)?;
        }
        None
    }

    fn by_scan(&self) -> Option<u64> {
        let (words, _) = self.stack.as_chunks::<8>();
        let mut addresses = words.iter().map(|word| u64::from_le_bytes(*word));
        addresses.find(|address| self.returns_to(*address).is_some_and(|mapping| !is_libc(mapping)))
    }
}

/// Whether a function is the C library's for this call, in a program that is linked
/// statically: its name, with underscores before it and 64 behind it, or syscall(2).
fn is_wrapper(symbol: &Symbol, call: &str) -> bool {
    let name = symbol.name.as_bytes();
    let underscores = name.iter().take_while(|byte| **byte == b'_').count();
    let name = name.get(underscores..).unwrap_or_default();
    name == b"syscall" || name.strip_prefix(call.as_bytes()).is_some_and(|rest| matches!(rest, b"" | b"64"))
}

/// The code that made this call, at which the thread stands.
pub(super) fn asker(tid: Tid, process: i32, call: &str, maps: &Maps) -> Option<Asker> {
    let registers = tracing::registers(tid).ok()?;
    let here = maps.at(registers.rip)?;
    let direct = describe(process, here, registers.rip, Method::Instruction);
    let wrapper = direct.symbol.as_ref().is_some_and(|symbol| is_wrapper(symbol, call));
    if !is_libc(here) && !wrapper {
        return Some(direct);
    }
    let memory = Memory::open(tid).ok()?;
    let end = maps.at(registers.rsp).map_or(0, |stack| stack.end);
    let size = usize::try_from(end.saturating_sub(registers.rsp)).unwrap_or(0).min(DEPTH);
    let mut stack = vec![0; size];
    let read = memory.read(registers.rsp, &mut stack).unwrap_or(0);
    stack.truncate(read);
    let walk = Walk { maps, memory, stack, base: registers.rsp };
    let framed = walk.by_frame_pointers(registers.rsp, registers.rbp).map(|at| (at, Method::FramePointers));
    let found = framed.or_else(|| walk.by_scan().map(|at| (at, Method::Scan)));
    let Some((address, method)) = found else { return Some(direct) };
    Some(describe(process, maps.at(address)?, address, method))
}

/// The code at an address in a mapping.
fn describe(process: i32, mapping: &Mapping, address: u64, method: Method) -> Asker {
    // The call is before the address that it returns to.
    let offset = (address - 1).wrapping_sub(mapping.start).wrapping_add(mapping.offset);
    let symbol = if mapping.is_file() { symbol(process, mapping, offset) } else { None };
    let module = match proc::clean(&mapping.path) {
        name if name.is_empty() => format!("anonymous memory at {:#x}", mapping.start),
        name => name,
    };
    Asker { module, offset, symbol, method }
}

/// By the file as the process sees it, if it still is the one that is mapped.
fn symbol(process: i32, mapping: &Mapping, offset: u64) -> Option<Symbol> {
    let (file, stat) = proc::open_seen(process, &mapping.path)?;
    if stat.inode != mapping.inode {
        return None;
    }
    elf::symbol(file.fd(), offset)
}
