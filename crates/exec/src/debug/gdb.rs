//! GDB's JIT interface: an object file in memory, and two symbols that debuggers
//! look for (gdb manual, "JIT Compilation Interface").
//!
//! ```text
//! __jit_debug_descriptor ──▶ ENTRY ──▶ ELF header
//!                                      sections: none, .text, .symtab,
//! .text has no bytes, it says where              .debug_frame, .strtab
//! the code lies                        symbols
//!                                      how to unwind
//!                                      names
//! ```
//!
//! Generated code has one frame, however it uses its stack. Its caller is found by a word in
//! memory and not by the stack. The caller's frame is the outermost: without unwind
//! information a debugger would guess the frames further out.
//!
//! Both symbols are in the dynamic symbol table, which no stripping removes.

use super::{File, names};
use alloc::vec::Vec;
use barejit_asm::Code;
use core::{
    ops::Range,
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering::SeqCst},
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
#[inline(never)] // Debuggers set a breakpoint on it.
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

/// The caller of generated code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The address of a word that holds RSP as it was just before the call, while
    /// generated code runs.
    pub frame: usize,
    /// Where the instructions lie that call it.
    pub code: Range<usize>,
}

/// Set while there is a [`Registered`], which has the entry.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Code that debuggers know, as long as this lives. There is one at a time.
#[derive(Debug)]
pub struct Registered(#[expect(dead_code, reason = "the debugger reads it")] Vec<u8>);

impl Registered {
    /// Tells debuggers that `code` lies at `start` and is called by `caller`; `None` if they
    /// know other code.
    pub fn new(code: &Code<'_>, start: usize, caller: &Caller) -> Option<Self> {
        if TAKEN.swap(true, SeqCst) {
            return None;
        }
        let mut file = object(code, start, caller);
        ENTRY.file.store(file.as_mut_ptr(), SeqCst);
        ENTRY.size.store(file.len() as u64, SeqCst);
        let entry = ptr::from_ref(&ENTRY).cast_mut();
        __jit_debug_descriptor.first.store(entry, SeqCst);
        tell(action::REGISTER);
        Some(Self(file))
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        __jit_debug_descriptor.first.store(ptr::null_mut(), SeqCst);
        tell(action::UNREGISTER);
        TAKEN.store(false, SeqCst);
    }
}

fn tell(action: u32) {
    __jit_debug_descriptor.action.store(action, SeqCst);
    __jit_debug_descriptor.relevant.store(ptr::from_ref(&ENTRY).cast_mut(), SeqCst);
    __jit_debug_register_code();
}

/// An executable ELF file (elf(5)) that says what is where and has no contents.
fn object(code: &Code<'_>, start: usize, caller: &Caller) -> Vec<u8> {
    const HEADER: u32 = 64;
    const SECTION: u32 = 64;
    const SYMBOL: u32 = 24;
    const SYMBOLS: u32 = HEADER + 5 * SECTION;
    /// The size of what `unwinding` writes.
    const FRAMES: u32 = 88;
    let names = names(code);
    let symbols = (1 + names.len() as u32) * SYMBOL;
    let frames = SYMBOLS + symbols;
    let mut texts = File::default();
    texts.text("\0.text\0.symtab\0.debug_frame\0.strtab");

    let mut file = File::default();
    // Magic, 64 bits, little-endian, version 1; ET_EXEC, EM_X86_64, version 1; no
    // entry and no segments; where the sections are.
    file.words(&[0x464C_457F, 0x0001_0102, 0, 0, 2 | 62 << 16, 1, 0, 0, 0, 0, HEADER, 0]);
    // Sizes of headers, five sections, their names in the last.
    file.words(&[0, HEADER, SECTION << 16, 5 | 4 << 16]);
    file.longs(&[0; 8]);
    // .text: SHT_NOBITS, SHF_ALLOC and SHF_EXECINSTR.
    file.words(&[1, 8, 6, 0]);
    file.longs(&[start as u64, SYMBOLS.into(), code.bytes().len() as u64, 0, 1, 0]);
    // .symtab: SHT_SYMTAB, its names in section 4, symbols from 1 on global.
    file.words(&[7, 2, 0, 0, 0, 0, SYMBOLS, 0, symbols, 0, 4, 1, 8, 0, SYMBOL, 0]);
    // .debug_frame: SHT_PROGBITS.
    file.words(&[15, 1, 0, 0, 0, 0, frames, 0, FRAMES, 0, 0, 0, 8, 0, 0, 0]);
    // .strtab: SHT_STRTAB. Its size is known in the end.
    file.words(&[28, 3, 0, 0, 0, 0, frames + FRAMES, 0]);
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
    unwinding(&mut file, start..start + code.bytes().len(), caller);
    file.patch(size, texts.0.len());
    file.0.extend_from_slice(&texts.0);
    file.0
}

/// Call frame information (DWARF 5, 6.4.1): the frame of `code` begins where
/// `caller.frame` says, with the return address below; the caller's frame begins there
/// too, and is the outermost.
fn unwinding(file: &mut File, code: Range<usize>, caller: &Caller) {
    let extent = |range: &Range<usize>| [range.start as u64, (range.end - range.start) as u64];
    // The common entry: 28 more bytes; CIE_id; version 1, no augmentation, code in
    // units of 1 byte, data in units of -8 (0x78); the return address is register 16.
    // DW_CFA_def_cfa_expression of 10 bytes: DW_OP_addr,
    file.words(&[28, 0xFFFF_FFFF, 0x7801_0001, 0x030A_0F10]);
    file.longs(&[caller.frame as u64]);
    // DW_OP_deref. DW_CFA_offset(16), 1 unit. DW_CFA_nop to the end.
    file.words(&[0x0001_9006, 0]);
    // The code: 20 more bytes, by the entry at 0.
    file.words(&[20, 0]);
    file.longs(&extent(&code));
    // The caller: 28 more bytes, by the entry at 0. DW_CFA_undefined, 16.
    file.words(&[28, 0]);
    file.longs(&extent(&caller.code));
    file.words(&[0x1007, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_registration_waits_for_the_end_of_the_first() {
        let (code, caller) = (Code::new(&[0xC3]), Caller { frame: 0, code: 0..1 });
        let first = Registered::new(&code, 0x1000, &caller).expect("there is no other");
        assert!(Registered::new(&code, 0x2000, &caller).is_none());
        drop(first);
        assert!(Registered::new(&code, 0x2000, &caller).is_some());
    }

    #[test]
    fn the_object_file_is_as_long_as_it_says() {
        let code = Code::new(&[0x90, 0xC3]).named("two").entered_at(1);
        let file = object(&code, 0x1234_5000, &Caller { frame: 0x5678, code: 0x9ABC..0x9AFF });
        let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        assert_eq!(file[..4], *b"\x7FELF");
        assert_eq!(file.len() as u64, word(64 + 4 * 64 + 24) + word(64 + 4 * 64 + 32));
        assert_eq!(word(64 + 5 * 64 + 24 + 8), 0x1234_5001);
        assert!(file.ends_with(b"two\0"));
    }
}
