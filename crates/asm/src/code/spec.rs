//! Forms from the text of the instruction table, in the notation of SDM vol. 2A,
//! 3.1.1: opcode, operand encoding, operand kinds. Read at compile time; text
//! that is not in the notation stops the build with the word that is not.

use super::form::{Form, Third};

/// Orders of operands: in ModRM.reg (R), in ModRM.rm (M), in VEX.vvvv (V), in
/// bits 4 to 7 of a byte (S), in the opcode (O), an immediate (I), a branch
/// target (D), a 64-bit offset (T), not encoded (F). A form has their number.
pub(crate) const ORDERS: &str = "ZO  M   O   MI  OI  I   II  RM  MR  RMI MRI RVM RMV MVR MRV RVMIRVMSRVSMVM  \
    VMI MF  FM  MRF OF  FI  IF  F   FF  FT  TF  MII RMIID   ";

/// Kinds of registers, numbered as forms have them. The first six are also the
/// sizes of memory: 8, 16, 32, 64, 128 and 256 bits.
pub(crate) mod kind {
    pub(crate) const R8: u8 = 1;
    pub(crate) const R16: u8 = 2;
    pub(crate) const R32: u8 = 3;
    pub(crate) const R64: u8 = 4;
    pub(crate) const XMM: u8 = 5;
    pub(crate) const YMM: u8 = 6;
    pub(crate) const MMX: u8 = 7;
    pub(crate) const OPMASK: u8 = 8;
    pub(crate) const SEGMENT: u8 = 9;
    pub(crate) const CONTROL: u8 = 10;
    pub(crate) const DEBUG: u8 = 11;
    pub(crate) const X87: u8 = 12;
}

/// Sizes of memory beyond the first six.
pub(crate) mod size {
    /// Nothing is said of it.
    pub(crate) const NONE: u8 = 0;
    /// 10 bytes.
    pub(crate) const TBYTE: u8 = 7;
    /// 6 bytes, or a descriptor-table register of 10.
    pub(crate) const FWORD: u8 = 8;
    /// The x87 environment, 14 or 28 bytes.
    pub(crate) const ENV_14: u8 = 9;
    pub(crate) const ENV_28: u8 = 10;
    /// The x87 state, 94 or 108 bytes.
    pub(crate) const STATE_94: u8 = 11;
    pub(crate) const STATE_108: u8 = 12;
    /// 64 bytes.
    pub(crate) const ZMMWORD: u8 = 13;
    /// The 512 bytes of `fxsave`, which no word stands for.
    pub(crate) const FXSAVE: u8 = 14;
}

/// Operands that are not encoded. The first four are accumulators by width.
pub(crate) mod fixed {
    pub(crate) const AL: u8 = 1;
    pub(crate) const CL: u8 = 5;
    pub(crate) const DX: u8 = 6;
    pub(crate) const ONE: u8 = 7;
    pub(crate) const ST0: u8 = 8;
    pub(crate) const FS: u8 = 9;
    pub(crate) const GS: u8 = 10;
    /// Memory at RDI in ES, by width.
    pub(crate) const RDI: u8 = 11;
    /// Memory at RSI, by width.
    pub(crate) const RSI: u8 = 15;
    /// Memory at RBX and AL.
    pub(crate) const RBX: u8 = 19;
    pub(crate) const ECX: u8 = 20;
}

/// An operand kind of the table at one width.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Kind of register, or 0.
    pub(crate) reg: u8,
    /// Size of memory; nothing if it is a register only.
    pub(crate) mem: Option<u8>,
    /// Kind of a vector index: 1 XMM, 2 YMM.
    pub(crate) index: u8,
    /// The operands encoded behind ModRM.
    pub(crate) third: Third,
    /// An operand that is not encoded, or 0.
    pub(crate) fixed: u8,
}

const NO_KIND: Kind = Kind { reg: 0, mem: None, index: 0, third: Third::NONE, fixed: 0 };

const fn reg(reg: u8) -> Kind {
    Kind { reg, ..NO_KIND }
}

const fn mem(mem: u8) -> Kind {
    Kind { mem: Some(mem), ..NO_KIND }
}

const fn either(reg: u8, mem: u8) -> Kind {
    Kind { reg, mem: Some(mem), ..NO_KIND }
}

const fn third(third: Third) -> Kind {
    Kind { third, ..NO_KIND }
}

const fn fixed(fixed: u8) -> Kind {
    Kind { fixed, ..NO_KIND }
}

/// The number of a width in bits.
pub(crate) const fn width_number(bits: u16) -> u8 {
    match bits {
        8 => 1,
        16 => 2,
        32 => 3,
        64 => 4,
        128 => 5,
        256 => 6,
        _ => 0,
    }
}

impl Kind {
    /// The kind with this name where instructions are `bits` wide.
    pub(crate) const fn parse(name: &[u8], bits: u16) -> Self {
        let n = width_number(bits);
        if let Some(kind) = Self::general(name, n) {
            return kind;
        }
        if let Some(kind) = Self::memory(name) {
            return kind;
        }
        match Self::vector(name, n) {
            Some(kind) => kind,
            None => Self::other(name, n),
        }
    }

    /// General-purpose registers, and what may be one or in memory.
    const fn general(name: &[u8], n: u8) -> Option<Self> {
        use kind::{R8, R16, R32, R64};
        Some(match name {
            b"r" => reg(n),
            b"rm" => either(n, n),
            b"m" => mem(n),
            b"r8" => reg(R8),
            b"r16" => reg(R16),
            b"r32" => reg(R32),
            b"r64" => reg(R64),
            b"rm8" => either(R8, 1),
            b"rm16" => either(R16, 2),
            b"rm32" => either(R32, 3),
            b"rm64" => either(R64, 4),
            b"r32m8" => either(R32, 1),
            b"r32m16" => either(R32, 2),
            b"r64m8" => either(R64, 1),
            b"r64m16" => either(R64, 2),
            b"r64m32" => either(R64, 3),
            _ => return None,
        })
    }

    /// Memory only.
    const fn memory(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"m0" | b"mxs" => mem(size::NONE),
            b"m8" => mem(1),
            b"m16" => mem(2),
            b"m32" | b"far16" => mem(3),
            b"m64" => mem(4),
            b"m128" => mem(5),
            b"m256" => mem(6),
            b"m512" => mem(size::ZMMWORD),
            b"m80" | b"mbcd" | b"far64" => mem(size::TBYTE),
            b"mdesc" | b"far32" => mem(size::FWORD),
            b"menv14" => mem(size::ENV_14),
            b"menv28" => mem(size::ENV_28),
            b"mst94" => mem(size::STATE_94),
            b"mst108" => mem(size::STATE_108),
            b"mfx" => mem(size::FXSAVE),
            b"vm32x" => Kind { index: 1, ..mem(3) },
            b"vm32y" => Kind { index: 2, ..mem(3) },
            b"vm64x" => Kind { index: 1, ..mem(4) },
            b"vm64y" => Kind { index: 2, ..mem(4) },
            _ => return None,
        })
    }

    /// Vectors, MMX and opmask registers, and what may be one or in memory.
    const fn vector(name: &[u8], n: u8) -> Option<Self> {
        use kind::{MMX, OPMASK, XMM, YMM};
        Some(match name {
            b"v" => reg(n),
            b"vm" => either(n, n),
            b"mv" => mem(n),
            b"x" => reg(XMM),
            b"y" => reg(YMM),
            b"q" => reg(MMX),
            b"k" => reg(OPMASK),
            b"xm8" => either(XMM, 1),
            b"xm16" => either(XMM, 2),
            b"xm32" => either(XMM, 3),
            b"xm64" => either(XMM, 4),
            b"xm128" => either(XMM, 5),
            b"ym256" => either(YMM, 6),
            b"qm32" => either(MMX, 3),
            b"qm64" => either(MMX, 4),
            b"km8" => either(OPMASK, 1),
            b"km16" => either(OPMASK, 2),
            b"km32" => either(OPMASK, 3),
            b"km64" => either(OPMASK, 4),
            _ => return None,
        })
    }

    /// Immediates, and what is not encoded.
    const fn other(name: &[u8], n: u8) -> Self {
        match name {
            b"sreg" => reg(kind::SEGMENT),
            b"cr" => reg(kind::CONTROL),
            b"dr" => reg(kind::DEBUG),
            b"st" => reg(kind::X87),
            b"imm8" => third(Third::BYTE),
            b"simm8" => third(Third::SIGNED_BYTE),
            b"imm16" => third(Third::WORD),
            b"imm" | b"imm32" => third(Third::FULL),
            b"imm64" => third(Third::QUAD),
            b"alu" => third(Third::ALU),
            b"tst" => third(Third::TEST),
            b"mul" => third(Third::IMUL),
            b"any" => third(Third::MOV),
            b"pushed" => third(Third::PUSH),
            b"count" => third(Third::COUNT),
            b"rel8" => third(Third::REL8),
            b"rel32" => third(Third::REL32),
            b"moffs" => Kind { mem: Some(n), ..third(Third::OFFSET) },
            b"A" => fixed(fixed::AL + n - 1),
            b"A8" => fixed(fixed::AL),
            b"A16" => fixed(fixed::AL + 1),
            b"A32" => fixed(fixed::AL + 2),
            b"A64" => fixed(fixed::AL + 3),
            b"C32" => fixed(fixed::ECX),
            b"CL" => fixed(fixed::CL),
            b"DX" => fixed(fixed::DX),
            b"ONE" => fixed(fixed::ONE),
            b"ST0" => fixed(fixed::ST0),
            b"FS" => fixed(fixed::FS),
            b"GS" => fixed(fixed::GS),
            b"DI8" => fixed(fixed::RDI),
            b"DI16" => fixed(fixed::RDI + 1),
            b"DI32" => fixed(fixed::RDI + 2),
            b"DI64" => fixed(fixed::RDI + 3),
            b"SI8" => fixed(fixed::RSI),
            b"SI16" => fixed(fixed::RSI + 1),
            b"SI32" => fixed(fixed::RSI + 2),
            b"SI64" => fixed(fixed::RSI + 3),
            b"BX8" => fixed(fixed::RBX),
            _ => panic!("no such operand kind"),
        }
    }
}

/// Number of the order of operands with this name: of a conditional one without
/// its C.
pub(crate) const fn order_number(name: &str) -> u8 {
    let wanted = match name.as_bytes() {
        [b'C', rest @ ..] | rest => packed_order(rest),
    };
    let mut order = 0;
    while order < ORDERS_PACKED.len() {
        if ORDERS_PACKED[order] == wanted {
            return order as u8;
        }
        order += 1;
    }
    panic!("no such order of operands")
}

/// The letters of an order in a number, so that the compiler compares them at once.
const fn packed_order(letters: &[u8]) -> u32 {
    let (mut packed, mut i) = (0, 0);
    while i < letters.len() && letters[i] != b' ' {
        packed = packed << 8 | letters[i] as u32;
        i += 1;
    }
    packed
}

const ORDERS_PACKED: [u32; ORDERS.len() / 4] = {
    let mut packed = [0; ORDERS.len() / 4];
    let mut order = 0;
    while order < packed.len() {
        packed[order] = packed_order(ORDERS.as_bytes().split_at(4 * order).1.split_at(4).0);
        order += 1;
    }
    packed
};

/// The letters of the order with this number.
pub(crate) const fn order_letters(order: usize) -> &'static [u8] {
    let (_, rest) = ORDERS.as_bytes().split_at(4 * order);
    let (mut letters, _) = rest.split_at(4);
    if order == 0 {
        return &[];
    }
    while let [start @ .., b' '] = letters {
        letters = start;
    }
    letters
}

/// The next word of `text` and what follows it.
pub(crate) const fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let mut text = text;
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    let mut end = 0;
    while end < text.len() && text[end] != b' ' {
        end += 1;
    }
    text.split_at(end)
}

/// Whether two words are the same.
pub(crate) const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

const fn digit(letter: u8) -> Option<u8> {
    match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'A'..=b'F' => Some(letter - b'A' + 10),
        _ => None,
    }
}

/// An opcode as it is read, from left to right.
struct Opcode {
    form: Form,
    /// The opcode byte, once it was read.
    byte: Option<u8>,
    bits: u16,
}

impl Opcode {
    const fn read(text: &str, bits: u16) -> Form {
        let mut opcode = Self { form: Form::op(0), byte: None, bits };
        let mut rest = text.as_bytes();
        loop {
            let (next, after) = word(rest);
            if next.is_empty() {
                break;
            }
            rest = after;
            let more = matches!(after, [b' ', b'0'..=b'9' | b'A'..=b'F', ..]);
            opcode = opcode.take(next, more);
        }
        let Some(byte) = opcode.byte else { panic!("an opcode has a byte in hexadecimal") };
        let form = opcode.form;
        Form::from_words(form.words().0 | byte as u64, 0)
    }

    /// Takes one word; `more` tells that hexadecimal digits follow.
    const fn take(self, word: &[u8], more: bool) -> Self {
        let form = self.form;
        match word {
            b"NP" | b"NFx" | b"/r" | b"/is4" => self,
            b"i" | b"ib" | b"iw" | b"id" | b"io" | b"cb" | b"cd" | b"mo" => self,
            b"o16" => Self { form: form.w16(), ..self },
            b"o64" => Self { form: form.w(), ..self },
            b"a32" => Self { form: form.address_32(), ..self },
            [b'/', digit @ b'0'..=b'7'] => Self { form: form.digit(*digit - b'0'), ..self },
            [b'V', b'E', b'X', b'.', rest @ ..] => Self { form: vex(form.vex(), rest), ..self },
            [high, low, suffix @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => self.byte(high << 4 | low, suffix, more),
                _ => panic!("no such word in an opcode"),
            },
            _ => panic!("no such word in an opcode"),
        }
    }

    /// Takes a byte: a prefix, an escape, the opcode or a ModRM of its own.
    const fn byte(self, byte: u8, suffix: &[u8], more: bool) -> Self {
        let form = self.form;
        match (byte, self.byte) {
            (0x66, None) if more => return Self { form: form.mandatory(1), ..self },
            (0xF3, None) if more => return Self { form: form.mandatory(2), ..self },
            (0xF2, None) if more => return Self { form: form.mandatory(3), ..self },
            (0x0F, None) if more && form.opcode_map() == 0 => return Self { form: form.map(1), ..self },
            (0x38, None) if more && form.opcode_map() == 1 => return Self { form: form.map(2), ..self },
            (0x3A, None) if more && form.opcode_map() == 1 => return Self { form: form.map(3), ..self },
            (_, Some(_)) => match suffix {
                b"+i" => return Self { form: form.digit(byte >> 3 & 7), ..self },
                _ => return Self { form: form.modrm(byte), ..self },
            },
            _ => {}
        }
        match suffix {
            b"" => Self { byte: Some(byte), ..self },
            b"+r" => Self { byte: Some(byte), form: form.plus_r(), ..self },
            b"+cc" => Self { byte: Some(byte), form: form.plus_cc(), ..self },
            b"+w" => Self { byte: Some(if self.bits == 8 { byte } else { byte | 1 }), ..self },
            _ => panic!("no such suffix of an opcode byte"),
        }
    }
}

/// Reads what follows `VEX.`: length, prefix, map, W, with points between them.
const fn vex(mut form: Form, mut text: &[u8]) -> Form {
    loop {
        let mut end = 0;
        while end < text.len() && text[end] != b'.' {
            end += 1;
        }
        let (part, rest) = text.split_at(end);
        form = match part {
            b"128" | b"L0" | b"LZ" | b"LIG" | b"NP" | b"W0" | b"WIG" => form,
            b"256" | b"L1" => form.long(),
            b"66" => form.mandatory(1),
            b"F3" => form.mandatory(2),
            b"F2" => form.mandatory(3),
            b"0F" => form.map(1),
            b"0F38" => form.map(2),
            b"0F3A" => form.map(3),
            b"W1" => form.w(),
            _ => panic!("no such field of a VEX prefix"),
        };
        match rest {
            [_, rest @ ..] => text = rest,
            [] => return form,
        }
    }
}

impl Form {
    /// The form that a line of the table describes: its mnemonic, opcode, order of
    /// operands and their kinds with spaces between them, at a width in bits or 0, with
    /// memory or a register in ModRM.rm where there is a choice. A width of 16 sets 66,
    /// one of 64 sets W. [`table`](crate::table) has the notation.
    ///
    /// # Panics
    /// If a word is not in the notation; in a constant, that is a compile error.
    ///
    /// # Examples
    /// ```
    /// use barejit_asm::{Asm, Form, Tables};
    ///
    /// const INT1: Form = Form::new("int1", "F1", "ZO", "", 0, false);
    /// let mut bytes = [0; 16];
    /// let mut a = Asm::new(&mut bytes, Tables::none());
    /// a.inst(INT1, [0; 3]);
    /// assert_eq!(a.finish().unwrap().bytes(), [0xF1]);
    /// ```
    pub const fn new(name: &str, opcode: &str, order: &str, kinds: &str, bits: u16, memory: bool) -> Self {
        let number = order_number(order);
        let mut form = Opcode::read(opcode, bits).order(number).named(name);
        form = match bits {
            16 => form.w16(),
            64 => form.w(),
            _ => form,
        };
        let letters = order_letters(number as usize);
        let mut rest = kinds.as_bytes();
        let (mut i, mut fixed) = (0, 0);
        let mut behind = Behind { third: Third::NONE, vvvv: false, immediates: 0 };
        while i < letters.len() {
            let (next, after) = word(rest);
            rest = after;
            let kind = Kind::parse(next, bits);
            if kind.reg == kind::YMM && !form.is_long() {
                form = form.long();
            }
            match letters[i] {
                b'R' => form = form.reg(kind.reg),
                b'V' if i == 0 => form = form.reg(kind.reg),
                b'M' | b'O' => form = form.in_rm(kind, memory),
                b'F' => {
                    form = form.fixed(fixed, kind.fixed);
                    fixed += 1;
                }
                _ => {}
            }
            behind = behind.take(letters[i], kind.third);
            i += 1;
        }
        assert!(word(rest).0.is_empty(), "the order has another number of operands");
        form.third(behind.third())
    }

    const fn in_rm(self, kind: Kind, memory: bool) -> Self {
        match kind.mem {
            Some(size) if memory || kind.reg == 0 => self.memory(size).vector_index(kind.index),
            _ => self.rm(kind.reg),
        }
    }
}

/// The operands behind ModRM: an immediate, or two of them, or one and VEX.vvvv.
#[derive(Clone, Copy)]
struct Behind {
    third: Third,
    vvvv: bool,
    immediates: u8,
}

impl Behind {
    const fn take(self, letter: u8, kind: Third) -> Self {
        match letter {
            b'V' => Self { vvvv: true, ..self },
            b'S' => Self { third: Third::VVVV_IS4, ..self },
            b'I' | b'D' | b'T' => {
                let third = match (self.immediates, self.third) {
                    (1, Third::WORD) => Third::WORD_BYTE,
                    (1, Third::BYTE) => Third::TWO_BYTES,
                    _ => kind,
                };
                Self { third, immediates: self.immediates + 1, ..self }
            }
            _ => self,
        }
    }

    const fn third(self) -> Third {
        match self.third {
            Third::NONE if self.vvvv => Third::VVVV,
            Third::BYTE if self.vvvv => Third::VVVV_BYTE,
            third => third,
        }
    }
}
