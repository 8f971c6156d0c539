//! `hello`: a stub that writes "Hello World!" by a syscall of its own.
//!
//! The placeholder is the stub before linking, with a hole in its `lea`. The *listing*
//! layout is the placeholder with its hole filled. The *words* layout is the same program
//! from 23 words of 16 bits. All are assembled at compile time, and the build fails if
//! they are not the documented bytes.

use super::Recorded;
use super::documented::same_bytes;
use barejit_asm::{Asm, Baked, Code, Hole, Mem, Page, RAX, RDI, RDX, RSI, bake, patch_rip};

/// The text that the stub writes, without a newline.
pub const TEXT: [u8; 12] = *b"Hello World!";

// ANCHOR: stub
/// The stub up to its data: `write(1, text, 12)`, returning what the kernel
/// left in RAX.
const fn write_stub(a: &mut Asm<'_>, text: Mem<0>) -> Hole<4> {
    a.comment("write").mov_r64_imm32(RAX, 1);
    a.comment("stdout").mov_r64_imm32(RDI, 1);
    a.comment("12 bytes").mov_r64_imm32(RDX, TEXT.len() as i32);
    a.comment("from here").lea(RSI, text);
    let hole = a.hole();
    a.syscall().ret();
    hole
}
// ANCHOR_END: stub

/// The stub as its author writes it first: the displacement is not known yet.
const fn placeholder(a: &mut Asm<'_>, filler: &[u8], end: &[u8]) -> Hole<4> {
    let hole = write_stub(a, Mem::rip(0));
    a.bytes(filler).bytes(&TEXT).bytes(end);
    hole
}

/// The same as an assembler with labels does it.
const fn linked(a: &mut Asm<'_>, filler: &[u8], end: &[u8]) {
    let text = a.label();
    write_stub(a, Mem::label(text));
    a.bytes(filler).bind(text).bytes(&TEXT).bytes(end);
}

/// `int3` after `ret` lets the data begin on a word.
const FILLER: [u8; 1] = [0xCC];

/// Nothing prints the last two bytes of the words.
const END: [u8; 2] = [0x00, 0x0A];

const PLACEHOLDER: Baked<43, Hole<4>> = bake!(placeholder, &[], &[]);

// ANCHOR: listing
/// The placeholder with its hole filled, as a linker does: the displacement becomes
/// 0x1F − 0x1C = 3, counted from the end of the `lea`.
static LISTING: [u8; 43] = patch_rip(PLACEHOLDER.bytes, PLACEHOLDER.with, 0x1F);
// ANCHOR_END: listing

const WORDS: [u8; 46] = expand(&DOCUMENTED_WORDS);

// ANCHOR: documented
/// The documented placeholder.
#[rustfmt::skip]
const DOCUMENTED: [u8; 31] = [
    0x48, 0xC7, 0xC0, 0x01, 0x00, 0x00, 0x00, // 00  mov rax, 1
    0x48, 0xC7, 0xC7, 0x01, 0x00, 0x00, 0x00, // 07  mov rdi, 1
    0x48, 0xC7, 0xC2, 0x0C, 0x00, 0x00, 0x00, // 0E  mov rdx, 12
    0x48, 0x8D, 0x35, 0x00, 0x00, 0x00, 0x00, // 15  lea rsi, [rip+0], which is 1C, not 15
    0x0F, 0x05,                               // 1C  syscall
    0xC3,                                     // 1E  ret
];
// ANCHOR_END: documented

/// The documented words. They are called little-endian, yet are meant to be
/// read high byte first; the CC in them is called a no-op and is `int3`.
const DOCUMENTED_WORDS: [u16; 23] = [
    0x48c7, 0xc001, 0x0000, 0x0048, 0xc7c7, 0x0100, 0x0000, 0x48c7, 0xc20c, 0x0000, 0x0048, 0x8d35, 0x0400,
    0x0000, 0x0f05, 0xc3cc, 0x4865, 0x6c6c, 0x6f20, 0x576f, 0x726c, 0x6421, 0x000a,
];

const fn expand<const WORDS: usize, const BYTES: usize>(words: &[u16; WORDS]) -> [u8; BYTES] {
    assert!(BYTES == 2 * WORDS);
    let mut bytes = [0; BYTES];
    let mut i = 0;
    while i < BYTES {
        bytes[i] = words[i / 2].to_be_bytes()[i % 2];
        i += 1;
    }
    bytes
}

// One wrong byte above is a build that fails here.
const _: () = assert!(same_bytes(PLACEHOLDER.bytes.split_at(31).0, &DOCUMENTED));
const _: () = assert!(PLACEHOLDER.with.at() == 0x18);
const _: () = {
    const LINKED: Baked<43, ()> = bake!(linked, &[], &[]);
    assert!(same_bytes(&LINKED.bytes, &LISTING));
};
const _: () = {
    const ASSEMBLED: Baked<46, ()> = bake!(linked, &FILLER, &END);
    assert!(same_bytes(&ASSEMBLED.bytes, &WORDS));
};

// ANCHOR: page
/// The page that both layouts have to themselves.
pub static PAGE: Page = Page::holding(&[&LISTING, &WORDS]);
// ANCHOR_END: page

/// How the stub is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// 43 bytes, data right behind the code.
    Listing,
    /// 46 bytes, from 16-bit words.
    Words,
}

/// The stub in this layout.
pub const fn code(layout: Layout) -> Code<'static> {
    Code::new(match layout {
        Layout::Listing => LISTING.as_slice(),
        Layout::Words => WORDS.as_slice(),
    })
    .named("barejit_hello")
}

/// The stub assembled anew with a record, before and after linking.
#[derive(Debug)]
pub struct Stages {
    before: Recorded,
    after: Recorded,
    hole: Hole<4>,
}

impl Stages {
    /// The stub in this layout.
    #[inline(never)] // A plain `hello` does not touch the page of this code.
    pub fn of(layout: Layout) -> Self {
        let (filler, end) = match layout {
            Layout::Listing => (&[][..], &[][..]),
            Layout::Words => (&FILLER[..], &END[..]),
        };
        Self {
            before: Recorded::of(&|a| {
                placeholder(a, filler, end);
            }),
            after: Recorded::of(&|a| linked(a, filler, end)),
            hole: PLACEHOLDER.with,
        }
    }

    /// Adds the record and the placeholder to `code`, the stub in the same layout.
    #[inline(never)] // As above.
    pub fn annotate<'a>(&'a self, code: &mut Code<'a>) {
        self.after.annotate(code);
        *code = code.with_before(&self.before.code(), self.hole);
    }
}

/// Where in [`PAGE`] the stub of this layout begins, in bytes.
pub const fn offset(layout: Layout) -> u32 {
    match layout {
        Layout::Listing => 0,
        Layout::Words => 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listing_is_the_placeholder_with_its_hole_filled() {
        let differing: std::vec::Vec<usize> =
            (0..43).filter(|i| PLACEHOLDER.bytes[*i] != LISTING[*i]).collect();
        assert_eq!(differing, [0x18]);
        assert_eq!(LISTING[0x18], 3);
        assert_eq!(code(Layout::Listing).bytes()[0x1F..], TEXT);
    }

    #[test]
    fn both_stages_assembled_anew_are_the_baked_bytes() {
        for layout in [Layout::Listing, Layout::Words] {
            let stages = Stages::of(layout);
            assert_eq!(stages.after.code().bytes(), code(layout).bytes());
            let mut annotated = code(layout);
            stages.annotate(&mut annotated);
            let before = annotated.before().unwrap();
            assert_eq!((before.at, before.size), (0x18, 4));
            assert_eq!(before.bytes[..31], DOCUMENTED);
            assert_eq!(before.bytes[31..], code(layout).bytes()[31..]);
        }
    }

    #[test]
    fn the_words_begin_their_data_on_a_word() {
        assert_eq!(WORDS[0x18], 4);
        assert_eq!(code(Layout::Words).bytes()[0x20..0x2C], TEXT);
        assert_eq!(code(Layout::Words).bytes(), WORDS);
    }
}
