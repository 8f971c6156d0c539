//! The rows of the table as a program reads them: 24 bytes a line, made at compile
//! time, and what they say as types. Programs that only emit do not link them.

use super::GROUPS;
use super::access::{Access, access_number};
use super::effects::Effects;
use super::feature::{Feature, features};
use crate::code::Form;
use crate::code::spec::{Kind, order_letters, order_number, same, width_number, word};

/// A line of the table as it is written.
pub(crate) struct Line {
    pub(crate) text: &'static str,
    pub(crate) opcode: &'static str,
    pub(crate) order: &'static str,
    pub(crate) widths: &'static [u16],
    /// How the operands are accessed, with spaces between them.
    pub(crate) access: &'static str,
    /// The kinds of the operands, with spaces between them.
    pub(crate) kinds: &'static str,
    pub(crate) effects: &'static str,
    pub(crate) features: &'static str,
}

/// Where an operand is encoded: a letter of the Op/En column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperandKind {
    /// A register in ModRM.reg.
    Reg,
    /// A register or memory in ModRM.rm.
    Rm,
    /// A register in VEX.vvvv.
    Vvvv,
    /// A register in bits 4 to 7 of a byte behind ModRM.
    Is4,
    /// A register in the opcode.
    Opcode,
    /// An immediate.
    Immediate,
    /// A branch distance.
    Distance,
    /// A 64-bit offset.
    Offset,
    /// Not encoded.
    Fixed,
}

/// An operand of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operand {
    /// Where it is encoded.
    pub kind: OperandKind,
    /// How it is accessed; immediates and distances are read.
    pub access: Access,
}

/// Properties of a row, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Marks(u16);

impl Marks {
    /// Of 66, F3 and F2 only those may stand before it that are its own (`NP`).
    pub const NO_PREFIX: u16 = 1 << 0;
    /// VEX.W is ignored.
    pub const W_IGNORED: u16 = 1 << 1;
    /// VEX.L is ignored.
    pub const L_IGNORED: u16 = 1 << 2;
    /// It takes `lock`, with memory.
    pub const LOCK: u16 = 1 << 3;
    /// It takes `rep`, or `repe`.
    pub const REP: u16 = 1 << 4;
    /// It takes `repne`.
    pub const REPNE: u16 = 1 << 5;
    /// It takes `bnd`.
    pub const BND: u16 = 1 << 6;
    /// It takes `notrack`.
    pub const NOTRACK: u16 = 1 << 7;
    /// It takes `xacquire`.
    pub const XACQUIRE: u16 = 1 << 8;
    /// It takes `xrelease`.
    pub const XRELEASE: u16 = 1 << 9;
    /// Only the kernel may run it.
    pub const CPL0: u16 = 1 << 10;
    /// The third feature is for 256 bits, and the others for 128.
    const BY_LENGTH: u16 = 1 << 11;
    /// Neither F3 nor F2 may stand before it (`NFx`).
    pub const NO_REPEAT: u16 = 1 << 12;

    /// Whether all bits of `marks` are set.
    pub const fn has(self, marks: u16) -> bool {
        self.0 & marks == marks
    }

    const fn parse(line: &Line) -> Self {
        let mut marks = 0;
        let mut rest = line.effects.as_bytes();
        loop {
            let (next, after) = word(rest);
            rest = after;
            marks |= match next {
                [] => break,
                b"lock" => Self::LOCK,
                b"rep" => Self::REP,
                b"repne" => Self::REPNE,
                b"bnd" => Self::BND,
                b"notrack" => Self::NOTRACK,
                b"xacquire" => Self::XACQUIRE,
                b"xrelease" => Self::XRELEASE,
                b"cpl0" => Self::CPL0,
                _ => 0,
            };
        }
        let (first, _) = word(line.opcode.as_bytes());
        if contains(line.opcode.as_bytes(), b"NP ") {
            marks |= Self::NO_PREFIX;
        }
        if contains(line.opcode.as_bytes(), b"NFx ") {
            marks |= Self::NO_REPEAT;
        }
        if contains(first, b".WIG") {
            marks |= Self::W_IGNORED;
        }
        if contains(first, b".LIG") {
            marks |= Self::L_IGNORED;
        }
        if contains(line.features.as_bytes(), b"/") {
            marks |= Self::BY_LENGTH;
        }
        Self(marks)
    }
}

/// Whether `part` is somewhere in `text`. By index: a slice of a slice is a dozen calls,
/// and calls are what takes the compiler time.
const fn contains(text: &[u8], part: &[u8]) -> bool {
    let mut at = 0;
    while at + part.len() <= text.len() {
        let mut i = 0;
        while i < part.len() && text[at + i] == part[i] {
            i += 1;
        }
        if i == part.len() {
            return true;
        }
        at += 1;
    }
    false
}

/// A line of the table: an instruction in all its widths, with a register and with
/// memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The form with a register, if it has one, at the first width.
    bits: u64,
    /// Index into the names.
    name: u16,
    /// Index into the effects.
    effects: u16,
    /// Four bits an operand.
    access: u16,
    /// A bit a width, 8 bits first.
    widths: u8,
    /// The parts that depend on the width, a bit each.
    generic: u8,
    /// Memory where there is a choice: 16, its size, and 32 for each kind of index.
    memory: u8,
    features: [Feature; 3],
    marks: Marks,
}

/// The register in ModRM.reg is as wide as the instruction.
const REG: u8 = 1;
/// So is what is in ModRM.rm.
const RM: u8 = 2;
/// So is the first operand that is not encoded.
const FIXED_0: u8 = 4;
/// So is the second.
const FIXED_1: u8 = 8;
/// Bit 0 of the opcode tells bytes from larger operands.
const OPCODE: u8 = 16;
/// Memory is there, but no register.
const MEMORY_ONLY: u8 = 32;

impl Row {
    const EMPTY: Self = Self {
        bits: 0,
        name: 0,
        effects: 0,
        access: 0,
        widths: 0,
        generic: 0,
        memory: 0,
        features: [Feature::NONE; 3],
        marks: Marks(0),
    };

    const fn new(line: &Line, features: [Feature; 3]) -> Self {
        let letters = order_letters(order_number(line.order) as usize);
        let bits = if line.widths.is_empty() { 0 } else { line.widths[0] };
        let (mut kinds, mut accesses) = (line.kinds.as_bytes(), line.access.as_bytes());
        let (mut access, mut generic, mut memory, mut fixed_operands) = (0, 0, 0, 0);
        let mut i = 0;
        while i < letters.len() {
            let (kind, how);
            (kind, kinds) = word(kinds);
            (how, accesses) = word(accesses);
            access |= (access_number(how) as u16) << (4 * i);
            let parsed = Kind::parse(kind, bits);
            let by_width = matches!(kind, b"r" | b"rm" | b"m" | b"v" | b"vm" | b"mv" | b"A");
            match letters[i] {
                b'M' | b'O' => {
                    if let (Some(size), true) = (parsed.mem, parsed.reg != 0) {
                        memory = 16 | size;
                    }
                    generic |= if by_width { RM } else { 0 };
                    generic |= if parsed.reg == 0 { MEMORY_ONLY } else { 0 };
                }
                b'R' => generic |= if by_width { REG } else { 0 },
                b'V' if letters[0] == b'V' => generic |= if by_width { REG } else { 0 },
                b'F' => {
                    generic |= if !by_width {
                        0
                    } else if fixed_operands == 0 {
                        FIXED_0
                    } else {
                        FIXED_1
                    };
                    fixed_operands += 1;
                }
                _ => {}
            }
            i += 1;
        }
        if contains(line.opcode.as_bytes(), b"+w") {
            generic |= OPCODE;
        }
        let form = Form::new(line.text, line.opcode, line.order, line.kinds, bits, false);
        let (mut widths, mut i) = (0, 0);
        while i < line.widths.len() {
            widths |= 1 << (width_number(line.widths[i]) - 1);
            i += 1;
        }
        Self {
            bits: form.words().0,
            name: 0,
            effects: 0,
            access,
            widths,
            generic,
            memory,
            features,
            marks: Marks::parse(line),
        }
    }

    /// The widths in bits that it exists in, or 0 if there is one only.
    pub fn widths(&self) -> impl Iterator<Item = u16> + use<> {
        let widths = self.widths;
        let listed = (0..6).filter(move |n| widths >> n & 1 != 0).map(|n| 8 << n);
        listed.chain((widths == 0).then_some(0))
    }

    /// Whether it exists with a register in ModRM.rm, or without ModRM.
    pub const fn has_register(&self) -> bool {
        self.generic & MEMORY_ONLY == 0
    }

    /// Whether it exists with memory in ModRM.rm.
    pub const fn has_memory(&self) -> bool {
        self.memory != 0 || self.generic & MEMORY_ONLY != 0
    }

    /// The number of its mnemonic.
    pub(crate) fn name_number(&self) -> u64 {
        CONTENT.names.get(usize::from(self.name)).copied().expect("a name of the table")
    }

    /// The form at one of [`Row::widths`], with a register or memory in ModRM.rm; that
    /// which exists, if only one does.
    pub fn form(&self, width: u16, memory: bool) -> Form {
        let name = self.name_number();
        let steps = match self.widths.trailing_zeros() {
            8 => 0,
            first => u64::from(width_number(width) - 1) - u64::from(first),
        };
        let has = |bit: u8| u64::from(self.generic & bit != 0);
        let mut form = self.bits;
        form += steps * (has(REG) << 38 | has(RM) << 42 | has(FIXED_0) << 54 | has(FIXED_1) << 59);
        if steps != 0 {
            form |= has(OPCODE);
        }
        let mut form = Form::from_words(form, name);
        if self.widths != 0 {
            form = form.at_width(width);
        }
        if memory && self.memory != 0 {
            let size = if self.generic & RM != 0 { form.rm_kind() as u8 } else { self.memory & 15 };
            form = form.with_memory(size);
        }
        form
    }

    /// The form at the first width, with a register if it has one, and without a name.
    pub(crate) const fn first_form(&self) -> Form {
        Form::from_words(self.bits, 0)
    }

    /// The same with its name.
    pub(crate) fn named_form(&self) -> Form {
        Form::from_words(self.bits, self.name_number())
    }

    /// Whether it exists in widths, as [`Row::widths`] lists them.
    pub(crate) const fn has_widths(&self) -> bool {
        self.widths != 0
    }

    /// Whether this width in bits is listed.
    pub(crate) const fn has_width(&self, bits: u16) -> bool {
        self.widths >> (width_number(bits) - 1) & 1 != 0
    }

    /// Whether bit 0 of its opcode tells bytes from larger operands.
    pub(crate) const fn has_opcode_width(&self) -> bool {
        self.generic & OPCODE != 0
    }

    /// The operands in Intel order.
    pub fn operands(&self) -> impl Iterator<Item = Operand> + use<> {
        let form = Form::from_words(self.bits, 0);
        let access = self.access;
        order_letters(form.operand_order()).iter().enumerate().map(move |(i, letter)| {
            let kind = match letter {
                b'R' => OperandKind::Reg,
                b'M' => OperandKind::Rm,
                b'V' => OperandKind::Vvvv,
                b'S' => OperandKind::Is4,
                b'O' => OperandKind::Opcode,
                b'I' => OperandKind::Immediate,
                b'D' => OperandKind::Distance,
                b'T' => OperandKind::Offset,
                _ => OperandKind::Fixed,
            };
            Operand { kind, access: Access::from_bits((access >> (4 * i)) as u8 & 15) }
        })
    }

    /// Flags, registers and memory that are implied.
    pub fn effects(&self) -> Effects {
        CONTENT.effects.get(usize::from(self.effects)).copied().expect("effects of the table")
    }

    /// The features that the CPU must have, at one of [`Row::widths`].
    pub const fn features(&self, width: u16) -> [Feature; 2] {
        match (self.marks.has(Marks::BY_LENGTH), width) {
            (true, 256) => [self.features[2], Feature::NONE],
            _ => [self.features[0], self.features[1]],
        }
    }

    /// Its properties.
    pub const fn marks(&self) -> Marks {
        self.marks
    }
}

/// How many lines there are.
const ROWS: usize = {
    let (mut rows, mut group) = (0, 0);
    while group < GROUPS.len() {
        rows += GROUPS[group].len();
        group += 1;
    }
    rows
};

/// A line that was read: its row, and what the row will have an index of.
#[derive(Clone, Copy)]
pub(super) struct Parsed {
    row: Row,
    name: u64,
    effects: Effects,
}

impl Parsed {
    /// Reads the lines of a file.
    pub(super) const fn all<const N: usize>(lines: &[Line]) -> [Self; N] {
        let mut all = [Self { row: Row::EMPTY, name: 0, effects: Effects::NONE }; N];
        let mut last = &Line {
            text: "",
            opcode: "",
            order: "",
            widths: &[],
            access: "",
            kinds: "",
            effects: "",
            features: "",
        };
        let (mut last_features, mut effects) = ([Feature::NONE; 3], Effects::NONE);
        let mut i = 0;
        while i < N {
            let line = &lines[i];
            // Neighbours are alike, and reading is what takes time.
            if !same(line.features.as_bytes(), last.features.as_bytes()) {
                last_features = features(line.features);
            }
            if !same(line.effects.as_bytes(), last.effects.as_bytes()) {
                effects = Effects::parse(line.effects);
            }
            let name = crate::code::form::pack_name(line.text);
            all[i] = Self { row: Row::new(line, last_features), name, effects };
            last = line;
            i += 1;
        }
        all
    }
}

/// Rows, and what several of them share, with room for the largest table.
struct Built {
    rows: [Row; ROWS],
    names: [u64; ROWS],
    names_used: usize,
    effects: [Effects; ROWS],
    effects_used: usize,
    /// Indices of effects plus 1, by a hash of them.
    slots: [u16; SLOTS],
}

/// A power of two, more than there are different effects.
const SLOTS: usize = 1024;

const BUILT: Built = {
    let mut built = Built {
        rows: [Row::EMPTY; ROWS],
        names: [0; ROWS],
        names_used: 0,
        effects: [Effects::NONE; ROWS],
        effects_used: 0,
        slots: [0; SLOTS],
    };
    let (mut at, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut i = 0;
        while i < GROUPS[group].len() {
            let parsed = &GROUPS[group][i];
            let (name, effects) = (built.name(parsed.name), built.effects(&parsed.effects));
            built.rows[at] = Row { name, effects, ..parsed.row };
            at += 1;
            i += 1;
        }
        group += 1;
    }
    built
};

impl Built {
    /// The index of a name; lines of one name stand together.
    const fn name(&mut self, name: u64) -> u16 {
        if self.names_used == 0 || self.names[self.names_used - 1] != name {
            self.names[self.names_used] = name;
            self.names_used += 1;
        }
        self.names_used as u16 - 1
    }

    /// The index of the effects that are the same.
    const fn effects(&mut self, effects: &Effects) -> u16 {
        let mut slot = effects.hash() as usize % SLOTS;
        while self.slots[slot] != 0 {
            let index = self.slots[slot] - 1;
            if self.effects[index as usize].same(effects) {
                return index;
            }
            slot = (slot + 1) % SLOTS;
        }
        self.effects[self.effects_used] = *effects;
        self.effects_used += 1;
        self.slots[slot] = self.effects_used as u16;
        self.slots[slot] - 1
    }
}

/// The data that rows share.
struct Content {
    names: [u64; BUILT.names_used],
    /// The first row of each name, and the end.
    starts: [u16; BUILT.names_used + 1],
    /// The indices of the names, in the order of the names.
    sorted: [u16; BUILT.names_used],
    effects: [Effects; BUILT.effects_used],
}

static CONTENT: Content = {
    let (mut names, mut effects) = ([0; BUILT.names_used], [Effects::NONE; BUILT.effects_used]);
    let mut i = 0;
    while i < names.len() {
        names[i] = BUILT.names[i];
        i += 1;
    }
    let mut i = 0;
    while i < effects.len() {
        effects[i] = BUILT.effects[i];
        i += 1;
    }
    let mut starts = [ROWS as u16; BUILT.names_used + 1];
    let mut row = ROWS;
    while row > 0 {
        row -= 1;
        starts[BUILT.rows[row].name as usize] = row as u16;
    }
    Content { sorted: sorted(&names), names, starts, effects }
};

/// The indices of names in the order of names, those of one name in the order of the table.
/// Shell's sort (1959), because a recursion is slow in the compiler.
const fn sorted<const N: usize>(names: &[u64; N]) -> [u16; N] {
    let mut order = [0; N];
    let mut i = 0;
    while i < N {
        order[i] = i as u16;
        i += 1;
    }
    let mut gap = N / 2;
    while gap > 0 {
        let mut i = gap;
        while i < N {
            let moved = order[i];
            let (name, mut at) = (names[moved as usize], i);
            while at >= gap {
                let (before, other) = (order[at - gap], names[order[at - gap] as usize]);
                if other < name || other == name && before < moved {
                    break;
                }
                order[at] = before;
                at -= gap;
            }
            order[at] = moved;
            i += 1;
        }
        gap /= 2;
    }
    order
}

/// The rows whose mnemonic has this number, in the order of the table.
pub(crate) fn rows_named(name: u64) -> impl Iterator<Item = &'static Row> {
    let name_of = |index: u16| CONTENT.names[usize::from(index)];
    let start = CONTENT.sorted.partition_point(|index| name_of(*index) < name);
    let same = CONTENT.sorted[start..].iter().take_while(move |index| name_of(**index) == name);
    same.flat_map(|index| {
        let index = usize::from(*index);
        &TABLE[usize::from(CONTENT.starts[index])..usize::from(CONTENT.starts[index + 1])]
    })
}

/// The table: a row a line, in the order of the files.
pub static TABLE: [Row; ROWS] = BUILT.rows;
