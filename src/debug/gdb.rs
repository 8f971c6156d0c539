//! GDB's JIT interface: an object file in memory, and two symbols that debuggers
//! look for (gdb manual, "JIT Compilation Interface").
//!
//! ```text
//! __jit_debug_descriptor ──▶ ENTRY ──▶ ELF header
//!                                      sections: none, .text, .symtab, .strtab
//! .text has no bytes, it says where    symbols
//! the code lies                        names
//! ```
//!
//! Both symbols are in the dynamic symbol table, which no stripping removes.

use super::{File, names};
use crate::code::Code;
use alloc::vec::Vec;
use core::{
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering::SeqCst},
};

/// `struct jit_code_entry`.
#[repr(C)]
#[derive(Debug)]
struct Entry {
    next: AtomicPtr<Entry>,
    previous: AtomicPtr<Entry>,
    file: AtomicPtr<u8>,
    size: AtomicU64,
}

/// `struct jit_descriptor`.
#[repr(C)]
#[derive(Debug)]
pub struct Descriptor {
    version: u32,
    action: AtomicU32,
    relevant: AtomicPtr<Entry>,
    first: AtomicPtr<Entry>,
}

/// `jit_actions_t`.
mod action {
    pub(super) const NONE: u32 = 0;
    pub(super) const REGISTER: u32 = 1;
    pub(super) const UNREGISTER: u32 = 2;
}

/// Where a debugger finds the list of generated code, which is one entry long or
/// empty.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "debuggers look for this name")]
pub static __jit_debug_descriptor: Descriptor = Descriptor {
    version: 1,
    action: AtomicU32::new(action::NONE),
    relevant: AtomicPtr::new(ptr::null_mut()),
    first: AtomicPtr::new(ptr::null_mut()),
};

/// Where a debugger stops to read the list.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn __jit_debug_register_code() {
    // SAFETY: no instruction at all, but the compiler must not know.
    unsafe { core::arch::asm!("", options(nostack, preserves_flags)) };
}

static ENTRY: Entry = Entry {
    next: AtomicPtr::new(ptr::null_mut()),
    previous: AtomicPtr::new(ptr::null_mut()),
    file: AtomicPtr::new(ptr::null_mut()),
    size: AtomicU64::new(0),
};

/// Code that debuggers know, as long as this lives. One at a time.
#[derive(Debug)]
pub struct Registered(#[expect(dead_code, reason = "the debugger reads it")] Vec<u8>);

impl Registered {
    /// Tells debuggers that `code` lies at `start`.
    pub fn new(code: &Code<'_>, start: usize) -> Self {
        let mut file = object(code, start);
        ENTRY.file.store(file.as_mut_ptr(), SeqCst);
        ENTRY.size.store(file.len() as u64, SeqCst);
        let entry = ptr::from_ref(&ENTRY).cast_mut();
        __jit_debug_descriptor.first.store(entry, SeqCst);
        tell(action::REGISTER);
        Self(file)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        __jit_debug_descriptor.first.store(ptr::null_mut(), SeqCst);
        tell(action::UNREGISTER);
    }
}

fn tell(action: u32) {
    __jit_debug_descriptor.action.store(action, SeqCst);
    __jit_debug_descriptor.relevant.store(ptr::from_ref(&ENTRY).cast_mut(), SeqCst);
    __jit_debug_register_code();
}

/// An executable ELF file (elf(5)) that says what is where and has no contents.
fn object(code: &Code<'_>, start: usize) -> Vec<u8> {
    const HEADER: u32 = 64;
    const SECTION: u32 = 64;
    const SYMBOL: u32 = 24;
    const SYMBOLS: u32 = HEADER + 4 * SECTION;
    let names = names(code);
    let symbols = (1 + names.len() as u32) * SYMBOL;
    let mut texts = File::default();
    texts.text("\0.text\0.symtab\0.strtab");

    let mut file = File::default();
    // Magic, 64 bits, little-endian, version 1; ET_EXEC, EM_X86_64, version 1; no
    // entry and no segments; where the sections are.
    file.words(&[0x464C_457F, 0x0001_0102, 0, 0, 2 | 62 << 16, 1, 0, 0, 0, 0, HEADER, 0]);
    // Sizes of headers, four sections, their names in the last.
    file.words(&[0, HEADER, SECTION << 16, 4 | 3 << 16]);
    file.longs(&[0; 8]);
    // .text: SHT_NOBITS, SHF_ALLOC and SHF_EXECINSTR.
    file.words(&[1, 8, 6, 0]);
    file.longs(&[start as u64, SYMBOLS.into(), code.bytes().len() as u64, 0, 1, 0]);
    // .symtab: SHT_SYMTAB, its names in section 3, symbols from 1 on global.
    file.words(&[7, 2, 0, 0, 0, 0, SYMBOLS, 0, symbols, 0, 3, 1, 8, 0, SYMBOL, 0]);
    // .strtab: SHT_STRTAB. Its size is known in the end.
    file.words(&[15, 3, 0, 0, 0, 0, SYMBOLS + symbols, 0]);
    let size = file.0.len();
    file.longs(&[0, 0, 1, 0]);
    file.longs(&[0; 3]);
    for symbol in &names {
        /// STB_GLOBAL and STT_FUNC, in section 1.
        const GLOBAL_FUNCTION: u32 = 0x12 | 1 << 16;
        file.words(&[texts.0.len() as u32, GLOBAL_FUNCTION]);
        file.longs(&[(start + symbol.offset as usize) as u64, symbol.size.into()]);
        texts.text(symbol.name);
    }
    file.patch(size, texts.0.len());
    file.0.extend_from_slice(&texts.0);
    file.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_file_is_as_long_as_it_says() {
        let code = Code::new(&[0x90, 0xC3]).named("two").entered_at(1);
        let file = object(&code, 0x1234_5000);
        let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        assert_eq!(file[..4], *b"\x7FELF");
        assert_eq!(file.len() as u64, word(64 + 3 * 64 + 24) + word(64 + 3 * 64 + 32));
        assert_eq!(word(64 + 4 * 64 + 24 + 8), 0x1234_5001);
        assert!(file.ends_with(b"two\0"));
    }
}
