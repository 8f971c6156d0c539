//! `ret`: the smallest JIT, six bytes with a hole for a number. The bytes are baked; only
//! the hole is filled at run time.

use super::Recorded;
use barejit_asm::{Asm, Baked, Code, EAX, Hole, bake};

// ANCHOR: ret
const fn constant(a: &mut Asm<'_>, number: i32) -> Hole<4> {
    a.mov_ri(EAX, number as i64);
    let hole = a.hole();
    a.ret();
    hole
}

const TEMPLATE: Baked<6, Hole<4>> = bake!(constant, 0);

// The documented bytes: mov eax, imm32; ret.
const _: () = assert!(matches!(TEMPLATE.bytes, [0xB8, 0, 0, 0, 0, 0xC3]));

/// A function that returns a number, and the template it was made from.
#[derive(Debug)]
pub struct Constant {
    number: i32,
    bytes: [u8; 6],
}

impl Constant {
    /// A function that returns `number`.
    pub const fn new(number: i32) -> Self {
        let mut bytes = TEMPLATE.bytes;
        TEMPLATE.with.fill(&mut bytes, number.to_le_bytes());
        Self { number, bytes }
    }

    /// The finished code.
    pub const fn code(&self) -> Code<'_> {
        const BEFORE: Code<'static> = Code::new(&TEMPLATE.bytes);
        Code::new(&self.bytes).named("barejit_ret").with_before(&BEFORE, TEMPLATE.with)
    }

    /// The same code assembled anew, for its record.
    pub fn recorded(&self) -> Recorded {
        Recorded::of(&|a| {
            constant(a, self.number);
        })
    }
}
// ANCHOR_END: ret
