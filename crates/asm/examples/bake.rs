//! Bakes a function with a hole at compile time, and fills the hole at run time.

use barejit_asm::{Asm, Hole, Mem, RAX, RDI, bake};

/// Adds a constant to what RDI points to, and gives the sum. The constant is a hole.
const fn add_to(a: &mut Asm<'_>) -> Hole<4> {
    // 0x1000 does not fit in imm8, so ADD takes imm32: 05 id, the short form for RAX.
    a.mov_rm(RAX, Mem::base(RDI)).add_ri(RAX, 0x1000);
    let constant = a.hole();
    a.mov_mr(Mem::base(RDI), RAX).ret();
    constant
}

bake! {
    /// In the executable as it is: nothing assembles it when the program runs.
    static ADD_TO: Hole<4> = add_to;
}

fn main() {
    println!("baked:  {:02x?}", ADD_TO.bytes);
    let mut bytes = ADD_TO.bytes;
    ADD_TO.with.fill(&mut bytes, 7_i32.to_le_bytes());
    println!("filled: {bytes:02x?}");
    assert_eq!(ADD_TO.with.read(&bytes), [7, 0, 0, 0]);
}
