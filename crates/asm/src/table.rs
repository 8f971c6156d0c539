//! The instruction table: one line a form, and that line is all there is of it.
//!
//! A line reads, from left to right:
//!
//! ```text
//! "add" "00+w /r" MR [8 16 32 64] (rw rm, r r) "lock w=oszapc" "" [add_rr add_mr] + [M Lock lock_add_mr];
//!  |     |        |   |            |            |               |   methods
//!  |     |        |   |            |            |               CPU features beyond x86-64-v1
//!  |     |        |   |            |            prefixes, flags, implicit operands
//!  |     |        |   |            operands in Intel order: access and kind
//!  |     |        |   widths it exists in; [] if there is one
//!  |     |        where the operands are encoded: Op/En
//!  |     opcode
//!  mnemonic
//! ```
//! Opcodes are written as in SDM vol. 2A, 3.1.1, with these additions: `+w` is bit 0
//! of the opcode, which tells bytes from larger operands; `+r` is a register in the
//! opcode, `+i` one of the x87 stack, `+cc` a condition; `i` is an immediate as wide as the
//! operands, up to 32 bits, and `mo` a 64-bit offset; `o16`, `o64` and `a32` are 66 or 16-bit operands, REX.W
//! and 67; widths of 16 and 64 in brackets imply `o16` and W1; a YMM register implies
//! VEX.256. Op/En is a letter an operand: R is ModRM.reg, M ModRM.rm, V VEX.vvvv, S a
//! register in a byte behind ModRM, O in the opcode, I an immediate, D a branch
//! distance, T a 64-bit offset; F is not encoded. A C before them is a condition.
//!
//! Access is `r` read, `w` written, both, `n` neither, `i` ignored; `c` before one of
//! them tells that it depends on a condition. Kinds are those of `code::spec`.
//! The effects are words: prefixes that the form takes; `cpl0` for the kernel only;
//! flags read `r=`, written `w=`, cleared `0=`, set `1=` and undefined `u=`, where
//! o s z a p c d i k are OF SF ZF AF PF CF DF IF AC and 0 1 2 3 the condition codes of
//! x87; registers that are no operands, with their access; memory that is none, by its
//! base register, with access and number of bytes.
//!
//! From a line come the methods of [`Asm`](crate::Asm) with their documentation, its
//! row in [`TABLE`] and, in tests, the generator that holds it against iced-x86. The
//! methods are named by mnemonic and operand kinds: `r` general-purpose register, `m`
//! memory, `i` immediate, `x` XMM, `y` YMM, `q` MMX, `k` opmask; an underscore is for
//! a form without one, because another form of the same operands is as short.

mod access;
mod effects;
mod feature;
#[macro_use]
mod methods;
mod row;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use effects::{Effects, Register};
pub use feature::{Cpuid, Feature};
pub use row::{Marks, Operand, OperandKind, Row, TABLE};

pub(crate) use row::rows_named;
use row::{Line, Parsed};

groups! {
    general stack flow strings bits system
    x87 mmx sse sse_integer sse4 crypto
    vex_general opmask avx avx_integer avx_convert fma fma4
}
