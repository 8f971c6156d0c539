//! The macros that make methods of lines of the table.

/// The type of an operand kind. The first word tells which of two kinds is meant:
/// R register or M memory, X 128 or Y 256 bits.
#[doc(hidden)]
#[macro_export]
macro_rules! __operand_type {
    ($v:ident r) => { $crate::Gpr<W> };
    (R rm) => { $crate::Gpr<W> };
    (M rm) => { $crate::Mem<W> };
    ($v:ident m) => { $crate::Mem<W> };
    ($v:ident r8) => { $crate::Gpr8 };
    ($v:ident r16) => { $crate::Gpr16 };
    ($v:ident r32) => { $crate::Gpr32 };
    ($v:ident r64) => { $crate::Gpr64 };
    (R rm8) => { $crate::Gpr8 };
    (R rm16) => { $crate::Gpr16 };
    (R rm32) => { $crate::Gpr32 };
    (R rm64) => { $crate::Gpr64 };
    (R r32m8) => { $crate::Gpr32 };
    (R r32m16) => { $crate::Gpr32 };
    (R r64m8) => { $crate::Gpr64 };
    (R r64m16) => { $crate::Gpr64 };
    (R r64m32) => { $crate::Gpr64 };
    (M rm8) => { $crate::Mem<8> };
    (M r32m8) => { $crate::Mem<8> };
    (M r64m8) => { $crate::Mem<8> };
    (M rm16) => { $crate::Mem<16> };
    (M r32m16) => { $crate::Mem<16> };
    (M r64m16) => { $crate::Mem<16> };
    (M rm32) => { $crate::Mem<32> };
    (M r64m32) => { $crate::Mem<32> };
    (M rm64) => { $crate::Mem<64> };
    ($v:ident m8) => { $crate::Mem<8> };
    ($v:ident m16) => { $crate::Mem<16> };
    ($v:ident m32) => { $crate::Mem<32> };
    ($v:ident m64) => { $crate::Mem<64> };
    ($v:ident m128) => { $crate::Mem<128> };
    ($v:ident m256) => { $crate::Mem<256> };
    ($v:ident m512) => { $crate::Mem<512> };
    ($v:ident m80) => { $crate::Mem<80> };
    ($v:ident mbcd) => { $crate::Mem<80> };
    ($v:ident far16) => { $crate::Mem<32> };
    ($v:ident far32) => { $crate::Mem<48> };
    ($v:ident far64) => { $crate::Mem<80> };
    ($v:ident m0) => { $crate::Mem<0> };
    ($v:ident mxs) => { $crate::Mem<0> };
    ($v:ident mfx) => { $crate::Mem<0> };
    ($v:ident mdesc) => { $crate::Mem<0> };
    ($v:ident menv14) => { $crate::Mem<0> };
    ($v:ident menv28) => { $crate::Mem<0> };
    ($v:ident mst94) => { $crate::Mem<0> };
    ($v:ident mst108) => { $crate::Mem<0> };
    ($v:ident vm32x) => { $crate::Vsib<128> };
    ($v:ident vm64x) => { $crate::Vsib<128> };
    ($v:ident vm32y) => { $crate::Vsib<256> };
    ($v:ident vm64y) => { $crate::Vsib<256> };
    ($v:ident x) => { $crate::Xmm };
    ($v:ident y) => { $crate::Ymm };
    ($v:ident q) => { $crate::Mmx };
    ($v:ident k) => { $crate::Opmask };
    ($v:ident st) => { $crate::St };
    ($v:ident sreg) => { $crate::Segment };
    ($v:ident cr) => { $crate::Control };
    ($v:ident dr) => { $crate::Debug };
    (R xm8) => { $crate::Xmm };
    (R xm16) => { $crate::Xmm };
    (R xm32) => { $crate::Xmm };
    (R xm64) => { $crate::Xmm };
    (R xm128) => { $crate::Xmm };
    (R ym256) => { $crate::Ymm };
    (R qm32) => { $crate::Mmx };
    (R qm64) => { $crate::Mmx };
    (R km8) => { $crate::Opmask };
    (R km16) => { $crate::Opmask };
    (R km32) => { $crate::Opmask };
    (R km64) => { $crate::Opmask };
    (M xm8) => { $crate::Mem<8> };
    (M xm16) => { $crate::Mem<16> };
    (M xm32) => { $crate::Mem<32> };
    (M xm64) => { $crate::Mem<64> };
    (M xm128) => { $crate::Mem<128> };
    (M ym256) => { $crate::Mem<256> };
    (M qm32) => { $crate::Mem<32> };
    (M qm64) => { $crate::Mem<64> };
    (M km8) => { $crate::Mem<8> };
    (M km16) => { $crate::Mem<16> };
    (M km32) => { $crate::Mem<32> };
    (M km64) => { $crate::Mem<64> };
    (X v) => { $crate::Xmm };
    (Y v) => { $crate::Ymm };
    (XM v) => { $crate::Xmm };
    (YM v) => { $crate::Ymm };
    (X vm) => { $crate::Xmm };
    (Y vm) => { $crate::Ymm };
    (XM vm) => { $crate::Mem<128> };
    (YM vm) => { $crate::Mem<256> };
    (X mv) => { $crate::Mem<128> };
    (Y mv) => { $crate::Mem<256> };
    ($v:ident cc) => { $crate::Cond };
    ($v:ident imm8) => { u8 };
    ($v:ident simm8) => { i8 };
    ($v:ident imm16) => { u16 };
    ($v:ident imm) => { i32 };
    ($v:ident imm32) => { i32 };
    ($v:ident imm64) => { i64 };
    ($v:ident alu) => { i32 };
    ($v:ident tst) => { i32 };
    ($v:ident mul) => { i32 };
    ($v:ident any) => { i64 };
    ($v:ident pushed) => { i32 };
    ($v:ident count) => { u8 };
    ($v:ident moffs) => { u64 };
}

/// Whether a variant has memory in ModRM.rm where there is a choice.
#[doc(hidden)]
#[macro_export]
macro_rules! __in_memory {
    (M) => {
        true
    };
    (XM) => {
        true
    };
    (YM) => {
        true
    };
    ($v:ident) => {
        false
    };
}

/// Calls `$then` with the parameters of an order of operands, each with its kind, and
/// with what is encoded in ModRM.reg, in ModRM.rm and elsewhere.
#[doc(hidden)]
#[macro_export]
macro_rules! __by_order {
    ([$($then:tt)*] ZO () $($x:tt)*) => { $($then)*! { () (0, 0, 0) $($x)* } };
    ([$($then:tt)*] F ($f:ident) $($x:tt)*) => { $($then)*! { () (0, 0, 0) $($x)* } };
    ([$($then:tt)*] FF ($f:ident $g:ident) $($x:tt)*) => { $($then)*! { () (0, 0, 0) $($x)* } };
    ([$($then:tt)*] M ($m:ident) $($x:tt)*) => { $($then)*! { (rm $m) (0, rm.packed(), 0) $($x)* } };
    ([$($then:tt)*] O ($m:ident) $($x:tt)*) => { $($then)*! { (rm $m) (0, rm.packed(), 0) $($x)* } };
    ([$($then:tt)*] MF ($m:ident $f:ident) $($x:tt)*) => { $($then)*! { (rm $m) (0, rm.packed(), 0) $($x)* } };
    ([$($then:tt)*] OF ($m:ident $f:ident) $($x:tt)*) => { $($then)*! { (rm $m) (0, rm.packed(), 0) $($x)* } };
    ([$($then:tt)*] FM ($f:ident $m:ident) $($x:tt)*) => { $($then)*! { (rm $m) (0, rm.packed(), 0) $($x)* } };
    ([$($then:tt)*] I ($i:ident) $($x:tt)*) => { $($then)*! { (imm $i) (0, 0, imm as i64 as u64) $($x)* } };
    ([$($then:tt)*] FI ($f:ident $i:ident) $($x:tt)*) => { $($then)*! { (imm $i) (0, 0, imm as i64 as u64) $($x)* } };
    ([$($then:tt)*] IF ($i:ident $f:ident) $($x:tt)*) => { $($then)*! { (imm $i) (0, 0, imm as i64 as u64) $($x)* } };
    ([$($then:tt)*] FT ($f:ident $i:ident) $($x:tt)*) => { $($then)*! { (at $i) (0, 0, at) $($x)* } };
    ([$($then:tt)*] TF ($i:ident $f:ident) $($x:tt)*) => { $($then)*! { (at $i) (0, 0, at) $($x)* } };
    ([$($then:tt)*] II ($i:ident $j:ident) $($x:tt)*) => {
        $($then)*! { (imm $i, second $j) (0, 0, imm as u64 | (second as u64) << 16) $($x)* }
    };
    ([$($then:tt)*] MI ($m:ident $i:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, imm $i) (0, rm.packed(), imm as i64 as u64) $($x)* }
    };
    ([$($then:tt)*] OI ($m:ident $i:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, imm $i) (0, rm.packed(), imm as i64 as u64) $($x)* }
    };
    ([$($then:tt)*] MII ($m:ident $i:ident $j:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, imm $i, second $j) (0, rm.packed(), imm as u64 | (second as u64) << 8) $($x)* }
    };
    ([$($then:tt)*] RM ($r:ident $m:ident) $($x:tt)*) => {
        $($then)*! { (reg $r, rm $m) (reg.packed(), rm.packed(), 0) $($x)* }
    };
    ([$($then:tt)*] MR ($m:ident $r:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, reg $r) (reg.packed(), rm.packed(), 0) $($x)* }
    };
    ([$($then:tt)*] MRF ($m:ident $r:ident $f:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, reg $r) (reg.packed(), rm.packed(), 0) $($x)* }
    };
    ([$($then:tt)*] RMI ($r:ident $m:ident $i:ident) $($x:tt)*) => {
        $($then)*! { (reg $r, rm $m, imm $i) (reg.packed(), rm.packed(), imm as i64 as u64) $($x)* }
    };
    ([$($then:tt)*] MRI ($m:ident $r:ident $i:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, reg $r, imm $i) (reg.packed(), rm.packed(), imm as i64 as u64) $($x)* }
    };
    ([$($then:tt)*] RMII ($r:ident $m:ident $i:ident $j:ident) $($x:tt)*) => {
        $($then)*! {
            (reg $r, rm $m, imm $i, second $j)
            (reg.packed(), rm.packed(), imm as u64 | (second as u64) << 8) $($x)*
        }
    };
    ([$($then:tt)*] VM ($v:ident $m:ident) $($x:tt)*) => {
        $($then)*! { (vvvv $v, rm $m) (0, rm.packed(), vvvv.packed() << 8) $($x)* }
    };
    ([$($then:tt)*] VMI ($v:ident $m:ident $i:ident) $($x:tt)*) => {
        $($then)*! { (vvvv $v, rm $m, imm $i) (0, rm.packed(), vvvv.packed() << 8 | imm as u64) $($x)* }
    };
    ([$($then:tt)*] RVM ($r:ident $v:ident $m:ident) $($x:tt)*) => {
        $($then)*! { (reg $r, vvvv $v, rm $m) (reg.packed(), rm.packed(), vvvv.packed() << 8) $($x)* }
    };
    ([$($then:tt)*] RMV ($r:ident $m:ident $v:ident) $($x:tt)*) => {
        $($then)*! { (reg $r, rm $m, vvvv $v) (reg.packed(), rm.packed(), vvvv.packed() << 8) $($x)* }
    };
    ([$($then:tt)*] MVR ($m:ident $v:ident $r:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, vvvv $v, reg $r) (reg.packed(), rm.packed(), vvvv.packed() << 8) $($x)* }
    };
    ([$($then:tt)*] MRV ($m:ident $r:ident $v:ident) $($x:tt)*) => {
        $($then)*! { (rm $m, reg $r, vvvv $v) (reg.packed(), rm.packed(), vvvv.packed() << 8) $($x)* }
    };
    ([$($then:tt)*] RVMI ($r:ident $v:ident $m:ident $i:ident) $($x:tt)*) => {
        $($then)*! {
            (reg $r, vvvv $v, rm $m, imm $i)
            (reg.packed(), rm.packed(), vvvv.packed() << 8 | imm as u64) $($x)*
        }
    };
    ([$($then:tt)*] RVMS ($r:ident $v:ident $m:ident $s:ident) $($x:tt)*) => {
        $($then)*! {
            (reg $r, vvvv $v, rm $m, is4 $s)
            (reg.packed(), rm.packed(), vvvv.packed() << 8 | is4.packed() << 4) $($x)*
        }
    };
    ([$($then:tt)*] RVSM ($r:ident $v:ident $s:ident $m:ident) $($x:tt)*) => {
        $($then)*! {
            (reg $r, vvvv $v, is4 $s, rm $m)
            (reg.packed(), rm.packed(), vvvv.packed() << 8 | is4.packed() << 4) $($x)*
        }
    };
    ([$($then:tt)*] CM ($m:ident) $($x:tt)*) => { $($then)*! { (cond cc, rm $m) (0, rm.packed(), 0; cond) $($x)* } };
    ([$($then:tt)*] CRM ($r:ident $m:ident) $($x:tt)*) => {
        $($then)*! { (cond cc, reg $r, rm $m) (reg.packed(), rm.packed(), 0; cond) $($x)* }
    };
}

/// The form of a line at a width, in a variant, behind a prefix.
#[doc(hidden)]
#[macro_export]
macro_rules! __form {
    ($variant:ident $prefix:ident $bits:tt $text:literal $opcode:literal $order:ident ($($kind:ident)*)) => {
        $crate::Form::new(
            $text,
            $opcode,
            stringify!($order),
            concat!($(stringify!($kind), " "),*),
            $bits,
            $crate::__in_memory!($variant),
        )
        .behind($crate::Prefix::$prefix)
    };
}

/// A method: its parameters, where they are encoded, and its form. With the feature `compact`
/// it is never inlined, which saves barejit 2.0 KB of 443 KB of code.
macro_rules! method {
    (
        ($($arg:ident $kind:ident),*) ($reg:expr, $rm:expr, $third:expr $(; $cond:ident)?)
        $name:ident [] $variant:ident $($form:tt)*
    ) => {
        #[doc = describe!($variant $($form)*)]
        #[cfg_attr(feature = "compact", inline(never))]
        #[cfg_attr(not(feature = "compact"), inline)]
        pub const fn $name(&mut self, $($arg: $crate::__operand_type!($variant $kind)),*) -> &mut Self {
            self.emit(const { $crate::__form!($variant $($form)*) } $(.on($cond as u8))?, $reg, $rm, $third)
        }
    };
    (
        ($($arg:ident $kind:ident),*) ($reg:expr, $rm:expr, $third:expr $(; $cond:ident)?)
        $name:ident [$($width:literal)+] $variant:ident $($form:tt)*
    ) => {
        #[doc = concat!(describe!($variant $($form)*), " In widths of", $(" ", $width,)+ " bits.")]
        #[cfg_attr(feature = "compact", inline(never))]
        #[cfg_attr(not(feature = "compact"), inline)]
        pub const fn $name<const W: u16>(&mut self, $($arg: $crate::__operand_type!($variant $kind)),*) -> &mut Self {
            const { assert!(matches!(W, $($width)|+), "the instruction does not exist at this width") }
            self.emit(const { $crate::__form!($variant $($form)*) } $(.on($cond as u8))?, $reg, $rm, $third)
        }
    };
}

/// The same method of [`Folded`](crate::Folded).
macro_rules! folded {
    (
        ($($arg:ident $kind:ident),*) ($reg:expr, $rm:expr, $third:expr $(; $cond:ident)?)
        $name:ident [] $variant:ident $($form:tt)*
    ) => {
        #[inline(always)]
        pub const fn $name(&mut self, $($arg: $crate::__operand_type!($variant $kind)),*) {
            self.0.emit_folded(const { $crate::__form!($variant $($form)*) } $(.on($cond as u8))?, $reg, $rm, $third);
        }
    };
    (
        ($($arg:ident $kind:ident),*) ($reg:expr, $rm:expr, $third:expr $(; $cond:ident)?)
        $name:ident [$($width:literal)+] $variant:ident $($form:tt)*
    ) => {
        #[inline(always)]
        pub const fn $name<const W: u16>(&mut self, $($arg: $crate::__operand_type!($variant $kind)),*) {
            const { assert!(matches!(W, $($width)|+), "the instruction does not exist at this width") }
            self.0.emit_folded(const { $crate::__form!($variant $($form)*) } $(.on($cond as u8))?, $reg, $rm, $third);
        }
    };
}

/// The documentation of a method.
macro_rules! describe {
    ($variant:ident $prefix:ident $bits:tt $text:literal $opcode:literal $order:ident ($($kind:ident)*)) => {
        concat!("`", $text, $(" ", stringify!($kind),)* "`: `", $opcode, "`.")
    };
}

/// Calls `__by_order!` with `$then` for each method of a line that has a name.
macro_rules! each_method {
    ($then:ident $widths:tt [] $line:tt) => {};
    ($then:ident [128 256] [$a:tt $b:tt] $line:tt) => {
        one_method! { $then $a [] X None 128 $line }
        one_method! { $then $b [] Y None 256 $line }
    };
    ($then:ident [128 256] [$a:tt $b:tt $c:tt $d:tt] $line:tt) => {
        one_method! { $then $a [] X None 128 $line }
        one_method! { $then $b [] XM None 128 $line }
        one_method! { $then $c [] Y None 256 $line }
        one_method! { $then $d [] YM None 256 $line }
    };
    ($then:ident [] [$a:tt] $line:tt) => {
        one_method! { $then $a [] R None 0 $line }
    };
    ($then:ident [] [$a:tt $b:tt] $line:tt) => {
        one_method! { $then $a [] R None 0 $line }
        one_method! { $then $b [] M None 0 $line }
    };
    ($then:ident $widths:tt [$a:tt] $line:tt) => {
        one_method! { $then $a $widths R None W $line }
    };
    ($then:ident $widths:tt [$a:tt $b:tt] $line:tt) => {
        one_method! { $then $a $widths R None W $line }
        one_method! { $then $b $widths M None W $line }
    };
    // Behind a prefix.
    ($then:ident [] + [$($v:ident $prefix:ident $name:ident),+] $line:tt) => {
        $(one_method! { $then $name [] $v $prefix 0 $line })+
    };
    ($then:ident $widths:tt + [$($v:ident $prefix:ident $name:ident),+] $line:tt) => {
        $(one_method! { $then $name $widths $v $prefix W $line })+
    };
}

/// The same for one method, unless it is an underscore.
macro_rules! one_method {
    ($then:ident _ $($rest:tt)*) => {};
    (
        $then:ident $name:ident $widths:tt $v:ident $prefix:ident $bits:tt
        { $text:literal $opcode:literal $order:ident $kinds:tt }
    ) => {
        $crate::__by_order! { [$then] $order $kinds $name $widths $v $prefix $bits $text $opcode $order $kinds }
    };
}

/// For the tests: a method with operands picked at random, at each width.
#[cfg(test)]
macro_rules! exercise {
    (
        ($($arg:ident $kind:ident),*) $encoded:tt $name:ident [] $v:ident $p:ident $bits:tt $($form:tt)*
    ) => {
        crate::assembler::tests::add((stringify!($name), 64, |a, _source| {
            a.$name($(<$crate::__operand_type!($v $kind)>::pick(_source, 64)),*);
        }));
    };
    (
        ($($arg:ident $kind:ident),*) $encoded:tt $name:ident $widths:tt $v:ident $p:ident $bits:tt
        $($form:tt)*
    ) => {
        exercise! { @ $widths $name $v ($($kind)*) }
    };
    (@ [] $name:ident $v:ident ($($kind:ident)*)) => {};
    (@ [$width:literal $($more:literal)*] $name:ident $v:ident ($($kind:ident)*)) => {
        {
            const W: u16 = $width;
            crate::assembler::tests::add((stringify!($name), W, |a, _source| {
                a.$name::<W>($(<$crate::__operand_type!($v $kind)>::pick(_source, W)),*);
            }));
        }
        exercise! { @ [$($more)*] $name $v ($($kind)*) }
    };
}

/// The lines of a file: methods, rows, and what tests them. `#![folded]` stands before lines
/// whose methods [`Folded`](crate::Folded) has, too.
macro_rules! lines {
    (#![folded] $($lines:tt)*) => {
        lines! { $($lines)* }
        lines! { @folded $($lines)* }
    };
    (@folded @methods
        $($text:literal $opcode:literal $order:ident $widths:tt $kinds:tt $methods:tt $(+ $prefixed:tt)?;)*
    ) => {
        #[doc(hidden)]
        #[allow(missing_docs, reason = "the methods of Asm have it")]
        impl Folded<'_, '_> {
            $(each_method! { folded $widths $methods { $text $opcode $order $kinds } })*
        }
    };
    (@folded $(
        $text:literal $opcode:literal $order:ident $widths:tt ($($access:ident $kind:ident),*)
        $effects:literal $features:literal $methods:tt $(+ $prefixed:tt)?;
    )*) => {
        lines! { @folded @methods $($text $opcode $order $widths ($($kind)*) $methods;)* }
    };
    ($(
        $text:literal $opcode:literal $order:ident [$($width:tt)*] ($($access:ident $kind:ident),*)
        $effects:literal $features:literal $methods:tt $(+ $prefixed:tt)?;
    )*) => {
        lines! { @methods $($text $opcode $order [$($width)*] ($($kind)*) $methods $(+ $prefixed)?;)* }

        /// The rows of this file.
        pub(super) const ROWS: [Parsed; LINES.len()] = Parsed::all(LINES);

        const LINES: &[Line] = &[$(Line {
            text: $text,
            opcode: $opcode,
            order: stringify!($order),
            widths: &[$($width),*],
            access: concat!($(stringify!($access), " "),*),
            kinds: concat!($(stringify!($kind), " "),*),
            effects: $effects,
            features: $features,
        }),*];
    };
    (@methods $($text:literal $opcode:literal $order:ident $widths:tt $kinds:tt $methods:tt $(+ $prefixed:tt)?;)*) => {
        #[allow(unused_imports, reason = "no file has every kind of operand")]
        use crate::assembler::{Asm, *};
        #[allow(unused_imports, reason = "shortcuts are no rows")]
        use super::{Line, Parsed};

        /// Instructions of this group.
        impl Asm<'_> {
            $(each_method! { method $widths $methods { $text $opcode $order $kinds } }
            $(each_method! { method $widths + $prefixed { $text $opcode $order $kinds } })?)*
        }

        /// Adds every method of this file, with operands picked at random.
        #[cfg(test)]
        pub(super) fn exercises() {
            #[allow(unused_imports, reason = "a file may have no operands")]
            use crate::assembler::tests::Pick;
            $(each_method! { exercise $widths $methods { $text $opcode $order $kinds } }
            $(each_method! { exercise $widths + $prefixed { $text $opcode $order $kinds } })?)*
        }
    };
}

/// The files of the table.
macro_rules! groups {
    ($($group:ident)*) => {
        $(mod $group;)*
        mod shortest;

        /// The rows of all files, in order.
        const GROUPS: &[&[Parsed]] = &[$(&$group::ROWS),*];

        /// Adds every method, with operands picked at random.
        #[cfg(test)]
        pub(crate) fn exercises() {
            $($group::exercises();)*
            shortest::exercises();
        }
    };
}
