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
use super::documented::same_bytes;
use barejit_asm::{Asm, Baked, Code, Hole, Mem, RAX, RDI, RSI, RSP, Slot, Tables, bake};

/// The text that is printed unless another is given.
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
    assert!(same_bytes(code, &DOCUMENTED), "not the documented bytes");
};

/// The function, before and after its hole is filled with the address of the call-back.
#[derive(Debug)]
pub struct Greeting<'a> {
    before: &'a [u8],
    bytes: &'a [u8],
    hole: Hole<8>,
    entry: u32,
    print: u64,
    aligned: bool,
}

/// An upper bound of the bytes of the function without its text.
const OVERHEAD: usize = 64;

impl<'a> Greeting<'a> {
    /// How much room [`new`](Self::new) needs for `text`, in bytes.
    pub const fn room(text: Option<&[u8]>) -> usize {
        match text {
            None => OVERHEAD,
            Some(text) => 2 * (text.len() + OVERHEAD),
        }
    }

    /// Code that calls the function at address `print` with `text`, or with [`TEXT`], for
    /// which the code is baked. It is put into `room`. Unless `aligned`, the stack is off by
    /// 8 at the call, as in the tutorial.
    ///
    /// # Panics
    /// If there is less room than [`room`](Self::room) says.
    pub fn new(text: Option<&[u8]>, aligned: bool, print: u64, room: &'a mut [u8]) -> Self {
        let (before, room, (hole, entry)): (&[u8], _, _) = match text {
            None if aligned => (&DEFAULT.bytes, room, DEFAULT.with),
            None => (&AS_DOCUMENTED.bytes, room, AS_DOCUMENTED.with),
            Some(text) => {
                // The function that baked the others runs now.
                let (before, room) = room.split_at_mut(text.len() + OVERHEAD);
                let mut slots = [Slot::EMPTY; 2];
                let mut a = Asm::new(&mut *before, Tables::slots(&mut slots));
                let with = greeting(&mut a, text, 0, aligned);
                let size = match a.finish() {
                    Ok(code) => code.bytes().len(),
                    Err(error) => error.raise(),
                };
                (&before[..size], room, with)
            }
        };
        let bytes = &mut room[..before.len()];
        bytes.copy_from_slice(before);
        hole.fill(bytes, print.to_le_bytes());
        Self { before, bytes, hole, entry, print, aligned }
    }

    /// The finished code.
    pub fn code(&self) -> Code<'a> {
        Code::new(self.bytes)
            .entered_at(self.entry)
            .named("barejit_call")
            .with_before(&Code::new(self.before), self.hole)
    }

    /// The same code assembled anew, for its record.
    pub fn recorded(&self) -> Recorded {
        // Before the entry stand the text and a newline.
        let text = self.bytes.get(..self.entry as usize - 1).unwrap_or_default();
        Recorded::of(&|a| {
            greeting(a, text, self.print, self.aligned);
        })
    }
}
