//! Baking: the assembler run by the compiler, so that machine code is a constant.

/// Code assembled at compile time: its bytes, and what the emitting function
/// returned, such as the holes it left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Baked<const N: usize, T> {
    /// The machine code.
    pub bytes: [u8; N],
    /// The value that the emitting function returned.
    pub with: T,
}

/// Bakes code at compile time: runs a `const fn(&mut Asm, …)` twice, once to
/// measure and once to fill, and gives a [`Baked`]; a third time if it has more than 64
/// labels and fixups. With `static` in front it declares one whose size it finds itself.
///
/// An operand that cannot be encoded, a label that is never bound or out of reach fails
/// the build; the compiler shows the line with such an operand. The compiler interprets each
/// instruction, and its lint `long_running_const_eval` stops a constant that takes long.
///
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
/// use barejit_asm::{Asm, EAX, Hole, bake};
///
/// const fn answer(a: &mut Asm<'_>, value: i64) -> Hole<4> {
///     a.mov_ri(EAX, value);
///     let hole = a.hole();
///     a.ret();
///     hole
/// }
/// bake! {
///     /// Returns 42, or whatever is put into the hole.
///     pub static ANSWER: Hole<4> = answer, 42;
/// }
/// assert_eq!(ANSWER.bytes, [0xB8, 42, 0, 0, 0, 0xC3]);
/// assert_eq!(ANSWER.with.at(), 1);
/// ```
#[macro_export]
macro_rules! bake {
    ($(#[$meta:meta])* $vis:vis static $name:ident: $with:ty = $emit:path $(, $argument:expr)* $(,)?;) => {
        $(#[$meta])*
        $vis static $name: $crate::Baked<{ $crate::__needs!($emit $(, $argument)*).bytes }, $with> =
            $crate::bake!($emit $(, $argument)*);
    };
    ($emit:path $(, $argument:expr)* $(,)?) => {{
        const NEEDS: $crate::Needs = $crate::__needs!($emit $(, $argument)*);
        let mut bytes = [0; NEEDS.bytes];
        let mut slots = [$crate::Slot::EMPTY; NEEDS.slots];
        let mut a = $crate::Asm::new(&mut bytes, $crate::Tables::slots(&mut slots)).strict();
        let with = $emit(&mut a $(, $argument)*);
        if let Err(error) = a.finish() {
            error.raise();
        }
        $crate::Baked { bytes, with }
    }};
}

/// How much room an emitting function needs, exactly.
#[doc(hidden)]
#[macro_export]
macro_rules! __needs {
    ($emit:path $(, $argument:expr)*) => {{
        const FIRST: $crate::Needs = {
            let mut slots = [$crate::Slot::EMPTY; 64];
            let mut a = $crate::Asm::new(&mut [], $crate::Tables::slots(&mut slots)).strict();
            let _ = $emit(&mut a $(, $argument)*);
            a.needs()
        };
        // With too few slots, branches were long.
        const SLOTS: usize = if FIRST.slots > 64 { FIRST.slots } else { 0 };
        const NEEDS: $crate::Needs = if SLOTS == 0 {
            FIRST
        } else {
            let mut slots = [$crate::Slot::EMPTY; SLOTS];
            let mut a = $crate::Asm::new(&mut [], $crate::Tables::slots(&mut slots)).strict();
            let _ = $emit(&mut a $(, $argument)*);
            a.needs()
        };
        NEEDS
    }};
}
