//! Operations as values: one method for eight instructions, so that a compiler's
//! match arms over them are one; and a move of an immediate in its shortest form.

use super::{Asm, Gpr, Gpr64, Mem};
use crate::code::Form;
use crate::code::form::pack_name;

/// One of the eight operations that share their encodings (SDM vol. 2D, table A-6,
/// group 1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Alu {
    /// Addition.
    Add = 0,
    /// Bitwise or.
    Or = 1,
    /// Addition with carry.
    Adc = 2,
    /// Subtraction with borrow.
    Sbb = 3,
    /// Bitwise and.
    And = 4,
    /// Subtraction.
    Sub = 5,
    /// Bitwise exclusive or.
    Xor = 6,
    /// Subtraction that only sets flags.
    Cmp = 7,
}

/// A shift or rotation (SDM vol. 2D, table A-6, group 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Shift {
    /// Rotation to the left.
    Rol = 0,
    /// Rotation to the right.
    Ror = 1,
    /// Rotation to the left through the carry flag.
    Rcl = 2,
    /// Rotation to the right through the carry flag.
    Rcr = 3,
    /// Shift to the left.
    Shl = 4,
    /// Logical shift to the right.
    Shr = 5,
    /// Arithmetic shift to the right.
    Sar = 7,
}

const fn pack_names(names: [&str; 8]) -> [u64; 8] {
    let mut packed = [0; 8];
    let mut i = 0;
    while i < 8 {
        packed[i] = pack_name(names[i]);
        i += 1;
    }
    packed
}

static ALU: [u64; 8] = pack_names(["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"]);
static SHIFT: [u64; 8] = pack_names(["rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar"]);

macro_rules! operations {
    ($(
        $(#[$doc:meta])*
        $method:ident($enum:ident $names:ident, $($arg:ident: $ty:ty),*)
            = $opcode:literal $order:literal $kinds:literal $memory:literal ($reg:expr, $rm:expr, $third:expr);
    )*) => {
        impl Asm<'_> {
            $($(#[$doc])*
            #[cfg_attr(not(feature = "compact"), inline)]
            pub const fn $method<const W: u16>(&mut self, operation: $enum, $($arg: $ty),*) -> &mut Self {
                let form = const { Form::new("", $opcode, $order, $kinds, W, $memory) };
                let form = form.operation(operation as u8, &$names);
                self.emit(form, $reg, $rm, $third)
            })*
        }
    };
}

operations! {
    /// An operation on two registers: 00+8n /r.
    alu_rr(Alu ALU, dst: Gpr<W>, src: Gpr<W>) = "00+w /r" "MR" "rm r" false (src.packed(), dst.packed(), 0);
    /// An operation on a register and memory: 02+8n /r.
    alu_rm(Alu ALU, dst: Gpr<W>, src: Mem<W>) = "02+w /r" "RM" "r rm" true (dst.packed(), src.packed(), 0);
    /// An operation on memory and a register: 00+8n /r.
    alu_mr(Alu ALU, dst: Mem<W>, src: Gpr<W>) = "00+w /r" "MR" "rm r" true (src.packed(), dst.packed(), 0);
    /// An operation on a register and an immediate, in its shortest form: 83 /n ib,
    /// 04+8n, 80 /n ib or 81 /n id.
    alu_ri(Alu ALU, dst: Gpr<W>, imm: i32) = "80+w /0" "MI" "rm alu" false (0, dst.packed(), imm as i64 as u64);
    /// An operation on memory and an immediate likewise.
    alu_mi(Alu ALU, dst: Mem<W>, imm: i32) = "80+w /0" "MI" "rm alu" true (0, dst.packed(), imm as i64 as u64);
    /// A shift of a register by a count: C0 /n ib, or D0 /n by one.
    shift_ri(Shift SHIFT, dst: Gpr<W>, count: u8) = "C0+w /0" "MI" "rm count" false (0, dst.packed(), count as u64);
    /// A shift of memory by a count likewise.
    shift_mi(Shift SHIFT, dst: Mem<W>, count: u8) = "C0+w /0" "MI" "rm count" true (0, dst.packed(), count as u64);
    /// A shift of a register by CL: D2 /n.
    shift_rcl(Shift SHIFT, dst: Gpr<W>) = "D2+w /0" "MF" "rm CL" false (0, dst.packed(), 0);
    /// A shift of memory by CL: D2 /n.
    shift_mcl(Shift SHIFT, dst: Mem<W>) = "D2+w /0" "MF" "rm CL" true (0, dst.packed(), 0);
}

impl Asm<'_> {
    /// `mov` of any value into a 64-bit register, in its shortest form: the 32-bit
    /// register for what fits 32 bits unsigned (B8+r id, 5 or 6 bytes), a
    /// sign-extended doubleword (C7 /0 id, 7 bytes), or 64 bits (10 bytes). Flags stay
    /// as they are. [`Asm::mov_ri`] keeps the register that it is given.
    pub const fn mov_imm(&mut self, dst: Gpr64, value: i64) -> &mut Self {
        if value as u32 as i64 == value {
            self.mov_ri(dst.resize::<32>(), value)
        } else {
            self.mov_ri(dst, value)
        }
    }
}
