//! Instructions that are not in the table: by a form, or by a line of one's own.

use super::{Asm, Error};
use crate::code::Form;

impl Asm<'_> {
    /// Puts an instruction by its form: what a parser or decoder found, or one that the
    /// table lacks. The operands are as in [`RecordKind::Inst`](crate::RecordKind::Inst):
    /// the number in ModRM.reg; the number in ModRM.rm or [`Mem::packed`](super::Mem::packed);
    /// and what is elsewhere: an immediate, and a register in VEX.vvvv from bit 8 on.
    /// Those that the form does not have are 0. AH, CH, DH and BH are 20 to 23.
    ///
    /// An operand that the form cannot have is [`Error::Operand`]. A form whose operand
    /// is a label of this assembler is not for this method.
    pub const fn inst(&mut self, form: Form, operands: [u64; 3]) -> &mut Self {
        if !form.takes(operands) {
            let at = self.offset();
            self.fail(Error::Operand(at));
            return self;
        }
        let [reg, rm, third] = operands;
        self.emit(form, reg, rm, third)
    }
}

/// Makes free `const fn`s from lines in the notation of the [`table`](crate::table), in
/// the crate of the one who needs them: they emit at run time and bake at compile time,
/// and appear in listings.
///
/// A line is that of the table without widths, effects and features, with the name of the
/// function and, before the mnemonic, R for a register or M for memory where there is a
/// choice.
///
/// # Examples
/// ```
/// use barejit_asm::{Asm, Mem, RDI, Tables, XMM0, XMM1, instruction};
///
/// instruction! {
///     /// `vpdpwusd xmm, xmm, xmm`.
///     pub fn vpdpwusd_xxx = R "vpdpwusd" "VEX.F3.0F38.W0 D2 /r" RVM (rw x, r x, r xm128);
///     /// The same with memory.
///     pub fn vpdpwusd_xxm = M "vpdpwusd" "VEX.F3.0F38.W0 D2 /r" RVM (rw x, r x, r xm128);
/// }
///
/// let mut bytes = [0; 32];
/// let mut a = Asm::new(&mut bytes, Tables::none());
/// vpdpwusd_xxx(&mut a, XMM0, XMM1, XMM1);
/// vpdpwusd_xxm(&mut a, XMM0, XMM1, Mem::base(RDI));
/// let code = a.finish().unwrap();
/// assert_eq!(code.bytes(), [0xC4, 0xE2, 0x72, 0xD2, 0xC1, 0xC4, 0xE2, 0x72, 0xD2, 0x07]);
/// ```
/// A word that is not in the notation stops the build:
/// ```compile_fail
/// barejit_asm::instruction! {
///     fn wrong = R "wrong" "0F 0B /9" ZO ();
/// }
/// # fn main() { wrong(&mut barejit_asm::Asm::new(&mut [], barejit_asm::Tables::none())); }
/// ```
#[macro_export]
macro_rules! instruction {
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident = $variant:ident $text:literal $opcode:literal $order:ident
            ($($access:ident $kind:ident),*);
    )*) => {
        $($crate::__by_order! {
            [$crate::__function] $order ($($kind)*)
            [$(#[$doc])* $vis fn $name] $variant None 0 $text $opcode $order ($($kind)*)
        })*
    };
}

/// A free function, from what `__by_order!` found.
#[doc(hidden)]
#[macro_export]
macro_rules! __function {
    (
        ($($arg:ident $kind:ident),*) ($reg:expr, $rm:expr, $third:expr $(; $cond:ident)?)
        [$(#[$doc:meta])* $vis:vis fn $name:ident] $variant:ident $($form:tt)*
    ) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "one an operand")]
        $vis const fn $name(a: &mut $crate::Asm<'_>, $($arg: $crate::__operand_type!($variant $kind)),*) {
            let form = const { $crate::__form!($variant $($form)*) } $(.on($cond as u8))?;
            a.inst(form, [$reg, $rm, $third]);
        }
    };
}
