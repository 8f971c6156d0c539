//! `call`: generated code that calls back into Rust.
//!
//! ```text
//! stack at the call-back                 default        as documented
//!   return address of the caller         rsp = 16n+8    rsp = 16n+8
//!   sub rsp, 8                           rsp = 16n      (left out)
//!   call rax                             aligned        off by 8
//! ```
//! The call-back is `extern "sysv64" fn(text: *const u8, size: u64) -> u8`.

use super::Recorded;
use crate::asm::{Asm, Baked, Mem, RAX, RDI, RSI, RSP, Tables};
use crate::bake;
use crate::code::{Code, Hole};
use alloc::{vec, vec::Vec};

/// What is printed unless another text is given.
pub const TEXT: &[u8] = b"Hello, JIT!";

// ANCHOR: greeting
/// The text with a newline, then the function that has it printed. The hole is
/// for `print`, the address of the call-back; the offset is the entry.
const fn greeting(a: &mut Asm<'_>, text: &[u8], print: u64, aligned: bool) -> (Hole<8>, u32) {
    let start = a.here();
    a.bytes(text).bytes(b"\n");
    let entry = a.offset();
    if aligned {
        a.endbr64().comment("align").sub_ri(RSP, 8);
    }
    a.comment("text").lea(RDI, Mem::label(start));
    a.comment("size").mov_r64_imm64(RSI, text.len() as i64 + 1);
    a.comment("call-back").mov_r64_imm64(RAX, print.cast_signed());
    let hole = a.hole();
    a.call_r(RAX);
    if aligned {
        a.add_ri(RSP, 8);
    }
    a.ret();
    (hole, entry)
}
// ANCHOR_END: greeting

const DEFAULT: Baked<54, (Hole<8>, u32)> = bake!(greeting, TEXT, 0, true);
const AS_DOCUMENTED: Baked<42, (Hole<8>, u32)> = bake!(greeting, TEXT, 0, false);

/// The documented bytes from the entry on, without the address.
#[rustfmt::skip]
const DOCUMENTED: [u8; 30] = [
    0x48, 0x8D, 0x3D, 0xED, 0xFF, 0xFF, 0xFF,                   // 0C  lea rdi, [rip-19]
    0x48, 0xBE, 0x0C, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 13  mov rsi, 12
    0x48, 0xB8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // 1D  mov rax, imm64
    0xFF, 0xD0,                                                 // 27  call rax
    0xC3,                                                       // 29  ret
];

const _: () = {
    let (text, code) = AS_DOCUMENTED.bytes.split_at(12);
    assert!(AS_DOCUMENTED.with.1 == 12 && text[11] == b'\n');
    let mut i = 0;
    while i < 30 {
        assert!(code[i] == DOCUMENTED[i], "not the documented bytes");
        i += 1;
    }
};

/// Bytes of machine code that somebody owns.
pub trait Bytes: AsRef<[u8]> + AsMut<[u8]> + Clone {}
impl<B: AsRef<[u8]> + AsMut<[u8]> + Clone> Bytes for B {}

/// Machine code that owns its bytes, which is all that differs from
/// [`Code`].
#[derive(Debug)]
pub struct Greeting<B> {
    /// Without the address.
    before: B,
    bytes: B,
    hole: Hole<8>,
    entry: u32,
    print: u64,
    aligned: bool,
}

impl<B: Bytes> Greeting<B> {
    fn new(before: B, (hole, entry): (Hole<8>, u32), print: u64, aligned: bool) -> Self {
        let mut bytes = before.clone();
        hole.fill(bytes.as_mut(), print.to_le_bytes());
        Self { before, bytes, hole, entry, print, aligned }
    }

    /// The finished code.
    pub fn code(&self) -> Code<'_> {
        let before = Code::new(self.before.as_ref());
        Code::new(self.bytes.as_ref())
            .entered_at(self.entry)
            .named("barejit_call")
            .with_before(&before, self.hole)
    }

    /// The same code assembled anew, for its record.
    pub fn recorded(&self) -> Recorded {
        // Before the entry stand the text and a newline.
        let text = &self.bytes.as_ref()[..self.entry as usize - 1];
        Recorded::of(&|a| {
            greeting(a, text, self.print, self.aligned);
        })
    }
}

/// Code that has [`TEXT`] printed by the function at address `print`.
pub fn default(print: u64) -> Greeting<[u8; 54]> {
    Greeting::new(DEFAULT.bytes, DEFAULT.with, print, true)
}

/// The same as the tutorial has it, with the stack off by 8 at the call.
pub fn as_documented(print: u64) -> Greeting<[u8; 42]> {
    Greeting::new(AS_DOCUMENTED.bytes, AS_DOCUMENTED.with, print, false)
}

/// Code that has `text` printed, emitted at run time by what baked the others.
pub fn with_text(text: &[u8], print: u64) -> Greeting<Vec<u8>> {
    use crate::asm::Slot;
    // The text and what stands around it, which is less than 64 bytes.
    let mut bytes = vec![0; text.len() + 64];
    let mut slots = [Slot::EMPTY; 2];
    let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
    let with = greeting(&mut a, text, 0, true);
    let size = match a.finish() {
        Ok(code) => code.bytes().len(),
        Err(error) => error.raise(),
    };
    bytes.truncate(size);
    Greeting::new(bytes, with, print, true)
}
