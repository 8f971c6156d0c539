//! Baking: the assembler run by the compiler, so that machine code is a constant.

/// Code assembled at compile time: its bytes, and what the emitting function
/// returned, such as the holes it left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Baked<const N: usize, T> {
    /// The machine code.
    pub bytes: [u8; N],
    /// What the emitting function returned.
    pub with: T,
}

/// Bakes code at compile time: runs a `const fn(&mut Asm, …)` twice, once to
/// measure and once to fill, and gives a [`Baked`]. Up to 64 labels and fixups.
///
/// A label that is never bound, or out of reach, fails the build:
/// ```compile_fail
/// use barejit_asm::{Asm, Baked};
/// const fn lost(a: &mut Asm<'_>) { let nowhere = a.label(); a.jmp(nowhere); }
/// const LOST: Baked<5, ()> = barejit_asm::bake!(lost);
/// # fn main() { let _ = LOST; }
/// ```
/// ```compile_fail
/// use barejit_asm::{Asm, Baked};
/// const fn far(a: &mut Asm<'_>) { let end = a.label(); a.jmp_short(end).bytes(&[0; 128]).bind(end).ret(); }
/// const FAR: Baked<131, ()> = barejit_asm::bake!(far);
/// # fn main() { let _ = FAR; }
/// ```
///
/// # Examples
/// ```
/// use barejit_asm::{Asm, Baked, EAX};
/// const fn answer(a: &mut Asm<'_>) { a.mov_ri(EAX, 42).ret(); }
/// static ANSWER: Baked<6, ()> = barejit_asm::bake!(answer);
/// assert_eq!(ANSWER.bytes, [0xB8, 42, 0, 0, 0, 0xC3]);
/// ```
#[macro_export]
macro_rules! bake {
    ($emit:path $(, $argument:expr)* $(,)?) => {{
        const BAKED: usize = {
            let mut slots = [$crate::Slot::EMPTY; 64];
            let tables = $crate::Tables::slots(&mut slots);
            let mut a = $crate::Asm::new(&mut [], tables);
            let _ = $emit(&mut a $(, $argument)*);
            a.needs().bytes
        };
        let mut bytes = [0; BAKED];
        let mut slots = [$crate::Slot::EMPTY; 64];
        let tables = $crate::Tables::slots(&mut slots);
        let mut a = $crate::Asm::new(&mut bytes, tables);
        let with = $emit(&mut a $(, $argument)*);
        if let Err(error) = a.finish() {
            error.raise();
        }
        $crate::Baked { bytes, with }
    }};
}
