//! `ret`: the smallest JIT, six bytes with a hole for a number.

use crate::asm::{Asm, Baked, EAX};
use crate::bake;
use crate::code::Hole;

// ANCHOR: ret
const fn constant(a: &mut Asm<'_>) -> Hole<4> {
    a.mov_ri(EAX, 0);
    let hole = a.hole();
    a.ret();
    hole
}

const TEMPLATE: Baked<6, Hole<4>> = bake!(constant);

// The documented bytes: mov eax, imm32; ret.
const _: () = assert!(matches!(TEMPLATE.bytes, [0xB8, 0, 0, 0, 0, 0xC3]));

/// A function that returns `number`.
pub const fn code(number: i32) -> [u8; 6] {
    let mut bytes = TEMPLATE.bytes;
    TEMPLATE.with.fill(&mut bytes, number.to_le_bytes());
    bytes
}
// ANCHOR_END: ret
