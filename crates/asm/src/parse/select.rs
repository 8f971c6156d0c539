//! From a mnemonic and operands to the shortest encoding: every row of that name is tried.

use super::lexer::{Lexer, Token};
use super::operand::{Memory, Operand, Operands};
use super::register::{Class, Register};
use super::{Error, Place, Reason, Statement};
use crate::assembler::encode::{Bytes, Fault, encode, fits_i8, fits_i32};
use crate::code::address::Address;
use crate::code::form::{Form, Prefix, Third};
use crate::code::spec::{fixed, kind, order_letters};
use crate::table::{Marks, Row, TABLE};
use core::fmt::{self, Write};

/// A mnemonic: its name in the table, and the condition that ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mnemonic {
    name: u64,
    condition: Option<u8>,
}

/// The longest mnemonic, with the second word of some.
const LONGEST: usize = 24;

/// Conditions by their codes, and the other names that they have (SDM vol. 1, appendix B).
const CONDITIONS: [&str; 30] = [
    "o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g", "c", "nc", "nae",
    "nb", "z", "nz", "na", "nbe", "pe", "po", "nge", "nl", "ng", "nle",
];

/// The code of the condition with this name.
fn condition(name: &str) -> Option<u8> {
    const CODES: [u8; 14] = [2, 3, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15];
    let place = CONDITIONS.iter().position(|known| *known == name)?;
    Some(CODES.get(place.wrapping_sub(16)).copied().unwrap_or(place as u8))
}

/// Other names of mnemonics.
const ALIASES: [(&str, &str); 8] = [
    ("sal", "shl"),
    ("movabs", "mov"),
    ("retn", "ret"),
    ("retf", "ret far"),
    ("xlat", "xlatb"),
    ("wait", "fwait"),
    ("ud2a", "ud2"),
    ("pushfd", "pushfq"),
];

/// Prefixes by their words.
const PREFIXES: [(&str, Prefix); 8] = [
    ("lock", Prefix::Lock),
    ("rep", Prefix::Rep),
    ("repe", Prefix::Repe),
    ("repz", Prefix::Repe),
    ("repne", Prefix::Repne),
    ("repnz", Prefix::Repne),
    ("bnd", Prefix::Bnd),
    ("notrack", Prefix::Notrack),
];

pub(super) fn is_prefix(word: &str) -> bool {
    prefix(word).is_some()
}

fn prefix(word: &str) -> Option<Prefix> {
    PREFIXES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, prefix)| *prefix)
}

impl Mnemonic {
    /// The mnemonic that `word` is, in any case.
    fn named(word: &str) -> Option<Self> {
        let mut buffer = [0; LONGEST];
        let lower = buffer.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        let word = core::str::from_utf8(lower).ok()?;
        let word = ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word, |(_, name)| name);
        let whole = Form::name_number(word).map(|name| Self { name, condition: None });
        let exact = whole.filter(|mnemonic| mnemonic.rows().next().is_some());
        exact.or_else(|| {
            ["cmov", "set", "j"].iter().find_map(|stem| {
                let condition = condition(word.strip_prefix(*stem)?)?;
                Some(Self { name: Form::name_number(stem)?, condition: Some(condition) })
            })
        })
    }

    fn rows(self) -> impl Iterator<Item = &'static Row> {
        TABLE.iter().filter(move |row| {
            row.name_number() == self.name && row.first_form().has_condition() == self.condition.is_some()
        })
    }
}

pub(super) fn is_mnemonic(word: &str) -> bool {
    Mnemonic::named(word).is_some()
}

/// Text in a buffer that has room for every mnemonic.
pub(super) struct Name {
    bytes: [u8; LONGEST],
    used: usize,
}

impl Name {
    fn of(row: &Row, condition: &str) -> Self {
        let mut name = Self { bytes: [0; LONGEST], used: 0 };
        // There is room.
        let _ = write!(name, "{:?}{condition}", row.named_form());
        name
    }

    fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.used]).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.used..self.used + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.used += text.len();
        Ok(())
    }
}

/// Calls `found` with every mnemonic; neighbours in the table have one name.
pub(super) fn mnemonics(found: &mut dyn FnMut(&str)) {
    let mut last = 0;
    for row in &TABLE {
        if row.name_number() == last {
            continue;
        }
        last = row.name_number();
        if row.first_form().has_condition() {
            CONDITIONS.iter().for_each(|condition| found(Name::of(row, condition).text()));
        } else {
            found(Name::of(row, "").text());
        }
    }
}

/// The mnemonic that differs least from `word`, if it is near.
pub(super) fn nearest(word: &str) -> Option<Name> {
    const NEAR: usize = 2;
    let mut best: Option<(usize, Name)> = None;
    mnemonics(&mut |name| {
        let distance = distance(word.as_bytes(), name.as_bytes());
        if distance <= NEAR && best.as_ref().is_none_or(|(least, _)| distance < *least) {
            let mut copy = Name { bytes: [0; LONGEST], used: 0 };
            if copy.write_str(name).is_ok() {
                best = Some((distance, copy));
            }
        }
    });
    best.map(|(_, name)| name)
}

/// Levenshtein's distance of short words; a long one is far from all.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: [usize; LONGEST + 1] = core::array::from_fn(|i| i);
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Writes what operands a mnemonic takes, as the manual does; some of many.
pub(super) fn write_forms(f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    const SHOWN: usize = 5;
    let Some(mnemonic) = Mnemonic::named(word) else { return Ok(()) };
    let mut forms = mnemonic.rows().flat_map(|row| row.widths().map(move |width| (row, width)));
    for (n, (row, width)) in forms.by_ref().take(SHOWN).enumerate() {
        f.write_str(if n > 0 { "; " } else { "" })?;
        write_kinds(f, row.form(width, row.has_memory()), row.has_register())?;
    }
    if forms.next().is_some() { f.write_str("; and more") } else { Ok(()) }
}

/// Writes the kinds of operands of a form, which may also have a register in place of its
/// memory.
fn write_kinds(f: &mut fmt::Formatter<'_>, form: Form, register: bool) -> fmt::Result {
    let bits = |number: u64| 4u64 << number.min(6);
    let mut separator = "";
    let mut fixed = 0;
    for letter in order_letters(form.operand_order()) {
        f.write_str(separator)?;
        separator = ", ";
        match letter {
            b'M' if form.is_memory() && has_a_word(form.rm_kind()) && form.rm_kind() <= 6 => {
                write!(f, "{}m{}", if register { "r/" } else { "" }, bits(form.rm_kind()))?;
            }
            b'M' if form.is_memory() => f.write_str("m")?,
            b'M' | b'O' => write_register(f, form.rm_kind())?,
            b'R' | b'V' | b'S' => write_register(f, form.reg_kind())?,
            b'I' => f.write_str("imm")?,
            b'D' => f.write_str("label")?,
            b'T' => f.write_str("[offset]")?,
            _ => {
                let number = form.fixed_operand(fixed) as u8;
                fixed += 1;
                f.write_str(match number {
                    fixed::CL => "cl",
                    fixed::DX => "dx",
                    fixed::ONE => "1",
                    fixed::ECX => "ecx",
                    fixed::ST0 => "st",
                    fixed::FS => "fs",
                    fixed::GS => "gs",
                    fixed::RDI..fixed::RSI => "[rdi]",
                    fixed::RSI..fixed::RBX => "[rsi]",
                    fixed::RBX => "[rbx]",
                    1 => "al",
                    2 => "ax",
                    3 => "eax",
                    _ => "rax",
                })?;
            }
        }
    }
    if separator.is_empty() { f.write_str("no operands") } else { Ok(()) }
}

fn write_register(f: &mut fmt::Formatter<'_>, kind: u64) -> fmt::Result {
    f.write_str(match kind as u8 {
        kind::R8 => "r8",
        kind::R16 => "r16",
        kind::R32 => "r32",
        kind::R64 => "r64",
        kind::XMM => "xmm",
        kind::YMM => "ymm",
        kind::MMX => "mm",
        kind::OPMASK => "k",
        kind::SEGMENT => "a segment register",
        kind::CONTROL => "cr",
        kind::DEBUG => "dr",
        _ => "st(i)",
    })
}

/// An encoding that fits.
#[derive(Clone, Copy)]
struct Choice {
    bytes: Bytes,
    /// Whether it is a branch with eight bits.
    short: bool,
}

/// What the rows were like that did not fit.
#[derive(Clone, Copy, Default)]
struct Misses {
    range: bool,
    distance: bool,
    prefix: bool,
}

/// Assembles the instruction that begins at `lexer`, prefixes included.
pub(super) fn instruction<'a>(
    mut lexer: Lexer<'a>,
    place: &Place<'_>,
    out: &mut dyn FnMut(&[u8]),
) -> Result<Statement<'a>, Error<'a>> {
    let mut before = (Prefix::None, "");
    let (start, word) = loop {
        let Token::Name(word) = lexer.token() else { return lexer.error(Reason::Expected("a mnemonic")) };
        let start = lexer;
        lexer.advance()?;
        match prefix(word) {
            // `rep` in front of nothing is no prefix.
            Some(prefix) if before.0 == Prefix::None && lexer.token() != Token::End => {
                before = (prefix, word)
            }
            _ => break (start, word),
        }
    };
    let mut buffer = Name { bytes: [0; LONGEST], used: 0 };
    let far = matches!(lexer.token(), Token::Name(next) if next.eq_ignore_ascii_case("far"))
        && write!(buffer, "{word} far").is_ok()
        && Mnemonic::named(buffer.text()).is_some();
    if far {
        lexer.advance()?;
    }
    let mnemonic = if far { Mnemonic::named(buffer.text()) } else { Mnemonic::named(word) };
    let Some(mnemonic) = mnemonic else { return start.error(Reason::Mnemonic(word)) };
    let operands = Operands::read(&mut lexer, place)?;
    let mut misses = Misses::default();
    let mut best = shortest(mnemonic, &operands, place, before.0, &mut misses);
    if best.is_none() {
        best = variants(mnemonic, &operands)
            .find_map(|operands| shortest(mnemonic, &operands, place, before.0, &mut Misses::default()));
    }
    match best {
        Some(Found::One(choice)) => {
            let (bytes, size) = (choice.bytes.word.to_le_bytes(), choice.bytes.size as usize);
            out(&bytes[..size]);
            Ok(Statement::Instruction { can_grow: choice.short && !operands.manner.short })
        }
        Some(Found::Sizes) => start.error(Reason::Size),
        None if misses.prefix => start.error(Reason::Prefix(before.1)),
        None if misses.range => start.error(Reason::Range),
        None if misses.distance => start.error(Reason::Distance),
        None => start.error(Reason::Operands(word)),
    }
}

/// Other ways to write operands: in the other order where that makes no difference, and
/// the first one told once where it is used twice.
fn variants(mnemonic: Mnemonic, operands: &Operands) -> impl Iterator<Item = Operands> {
    let is = |name: &str| Form::name_number(name) == Some(mnemonic.name);
    let swapped = if is("test") || is("xchg") { operands.swapped() } else { None };
    let repeated = if is("imul") { operands.repeated() } else { None };
    swapped.into_iter().chain(repeated)
}

enum Found {
    One(Choice),
    /// Memory of several sizes fits.
    Sizes,
}

/// The shortest encoding of all rows.
fn shortest(
    mnemonic: Mnemonic,
    operands: &Operands,
    place: &Place<'_>,
    prefix: Prefix,
    misses: &mut Misses,
) -> Option<Found> {
    let mut best: Option<Choice> = None;
    // The size of memory that is not told, as the rows have it.
    let mut sizes = 0u32;
    let can_be_long = mnemonic.rows().any(|row| row.first_form().third_operand() == Third::REL32);
    for row in mnemonic.rows() {
        for width in row.widths() {
            for memory in [false, true] {
                if if memory { !row.has_memory() } else { !row.has_register() } {
                    continue;
                }
                let form = row.form(width, memory);
                let form = mnemonic.condition.map_or(form, |condition| form.on(condition));
                let Some(fields) = Fields::fill(form, row, operands) else { continue };
                if !takes(row, prefix, memory) {
                    misses.prefix = true;
                    continue;
                }
                let Some(choice) = fields.encode(form.behind(prefix), place, operands, can_be_long, misses)
                else {
                    continue;
                };
                if memory && fields.untold {
                    sizes |= 1 << form.rm_kind();
                }
                if best.is_none_or(|best| choice.bytes.size < best.bytes.size) {
                    best = Some(choice);
                }
            }
        }
    }
    if sizes.count_ones() > 1 { Some(Found::Sizes) } else { best.map(Found::One) }
}

/// Whether a row takes a prefix.
fn takes(row: &Row, prefix: Prefix, memory: bool) -> bool {
    let marks = row.marks();
    match prefix {
        Prefix::None => true,
        Prefix::Lock => marks.has(Marks::LOCK) && memory,
        Prefix::Rep | Prefix::Repe => marks.has(Marks::REP),
        Prefix::Repne => marks.has(Marks::REPNE),
        Prefix::Bnd => marks.has(Marks::BND),
        Prefix::Notrack => marks.has(Marks::NOTRACK),
    }
}

/// The operands where a form has them.
#[derive(Clone, Copy)]
struct Fields {
    reg: u64,
    rm: u64,
    third: u64,
    immediates: u32,
    memory: Option<Memory>,
    /// Whether there is memory whose size was not told.
    untold: bool,
    /// The number in an immediate or branch, for the test of its range.
    number: Option<i64>,
}

impl Fields {
    /// The operands in the fields of `form`, if they are of its kinds.
    fn fill(form: Form, row: &Row, operands: &Operands) -> Option<Self> {
        let letters = order_letters(form.operand_order());
        let mut fields =
            Self { reg: 0, rm: 0, third: 0, immediates: 0, memory: None, untold: false, number: None };
        let implied = letters.iter().all(|letter| *letter == b'F');
        // String operations may do without their operands.
        if operands.all().is_empty() && implied && !row.has_widths() {
            return Some(fields);
        }
        if letters.len() != operands.all().len() {
            return None;
        }
        let mut fixed = 0;
        for (letter, operand) in letters.iter().zip(operands.all()) {
            match letter {
                b'F' => {
                    fields.is_fixed(form.fixed_operand(fixed), operand, form)?;
                    fixed += 1;
                }
                b'I' => fields.immediate(form, operand)?,
                b'D' => match operand {
                    Operand::Number(target) => fields.number = Some(*target),
                    _ => return None,
                },
                b'T' => fields.offset(form, operand)?,
                _ => fields.encoded(*letter, form, operand)?,
            }
        }
        Some(fields)
    }

    fn encoded(&mut self, letter: u8, form: Form, operand: &Operand) -> Option<()> {
        match (letter, operand) {
            (b'M', Operand::Memory(memory)) if form.is_memory() => {
                if u64::from(memory.index) != form.index_kind() {
                    return None;
                }
                self.sized(memory, form.rm_kind())?;
                self.memory = Some(*memory);
                self.rm = memory.address.packed();
            }
            (b'M', _) if form.is_memory() => return None,
            (b'M' | b'O', Operand::Register(register)) => self.rm = number(register, form.rm_kind())?,
            (b'R', Operand::Register(register)) => self.reg = number(register, form.reg_kind())?,
            (b'V', Operand::Register(register)) => self.third |= number(register, form.reg_kind())? << 8,
            (b'S', Operand::Register(register)) => self.third |= number(register, form.reg_kind())? << 4,
            _ => return None,
        }
        Some(())
    }

    /// Whether memory may have the size with this number.
    fn sized(&mut self, memory: &Memory, size: u64) -> Option<()> {
        match memory.size {
            // Some forms say nothing of their size: `lea`, `fxsave`.
            Some(told) if u64::from(told) != size && has_a_word(size) => None,
            Some(_) => Some(()),
            None => {
                self.untold = true;
                Some(())
            }
        }
    }

    fn immediate(&mut self, form: Form, operand: &Operand) -> Option<()> {
        let Operand::Number(value) = *operand else { return None };
        self.immediates += 1;
        let shift = match form.third_operand() {
            Third::TWO_BYTES => 8 * (self.immediates - 1),
            Third::WORD_BYTE => 16 * (self.immediates - 1),
            _ => 0,
        };
        let masked = match form.third_operand() {
            Third::VVVV_BYTE | Third::VVVV_IS4 | Third::TWO_BYTES => value.cast_unsigned() & 0xFF,
            Third::WORD_BYTE => value.cast_unsigned() & 0xFFFF,
            _ => value.cast_unsigned(),
        };
        self.third |= masked << shift;
        // The second of two is a byte.
        self.number = Some(match self.number {
            Some(first) if !(-128..256).contains(&value) => first | i64::MIN,
            Some(first) => first,
            None => value,
        });
        Some(())
    }

    fn offset(&mut self, form: Form, operand: &Operand) -> Option<()> {
        let Operand::Memory(memory) = operand else { return None };
        self.sized(memory, form.width())?;
        self.third = memory.absolute?.cast_unsigned();
        self.rm = Address::absolute().segment(memory.address.segment_number() as u8).packed();
        // Its size is that of the accumulator.
        self.untold = false;
        Some(())
    }

    /// Whether `operand` is the one that is not encoded.
    fn is_fixed(&mut self, expected: u64, operand: &Operand, form: Form) -> Option<()> {
        let register = |class, number| *operand == Operand::Register(Register { class, number });
        let accumulator = [Class::Byte, Class::Word, Class::Dword, Class::Qword];
        let is = match expected as u8 {
            fixed::CL => register(Class::Byte, 1),
            fixed::DX => register(Class::Word, 2),
            fixed::ONE => *operand == Operand::Number(1),
            fixed::ECX => register(Class::Dword, 1),
            fixed::ST0 => register(Class::X87, 0),
            fixed::FS => register(Class::Segment, 4),
            fixed::GS => register(Class::Segment, 5),
            n @ fixed::RDI..fixed::RSI => self.implied_memory(operand, 7, n - fixed::RDI, form)?,
            n @ fixed::RSI..fixed::RBX => self.implied_memory(operand, 6, n - fixed::RSI, form)?,
            fixed::RBX => self.implied_memory(operand, 3, 0, form)?,
            n => register(*accumulator.get(usize::from(n.wrapping_sub(fixed::AL)))?, 0),
        };
        is.then_some(())
    }

    fn implied_memory(&mut self, operand: &Operand, base: u8, size: u8, form: Form) -> Option<bool> {
        let Operand::Memory(memory) = operand else { return Some(false) };
        let segment = memory.address.segment_number() as u8;
        let address = if form.has_address_32() { Address::base(base).narrow() } else { Address::base(base) };
        let plain = memory.address.segment(0) == address;
        let told = memory.size.is_none_or(|told| told == size + 1);
        // ES of RDI cannot be another one.
        if segment != 0 && !(base == 7 && segment == 1) {
            self.rm = Address::base(0).segment(segment).packed();
        }
        Some(plain && told && !(base == 7 && segment > 1))
    }

    /// The bytes, if the numbers fit.
    fn encode(
        &self,
        form: Form,
        place: &Place<'_>,
        operands: &Operands,
        can_be_long: bool,
        misses: &mut Misses,
    ) -> Option<Choice> {
        let third = form.third_operand();
        if let Some(number) = self.number
            && !matches!(third, Third::REL8 | Third::REL32)
            && !in_range(form, number)
        {
            misses.range = true;
            return None;
        }
        let bytes = match third {
            Third::REL8 | Third::REL32 => return self.branch(form, place, operands, can_be_long, misses),
            _ => encode(form, self.reg, self.rm, self.third),
        };
        let bytes = match self.memory.and_then(|memory| Some((memory, memory.target?))) {
            None => bytes,
            Some((memory, target)) => {
                let end = place.address.wrapping_add(bytes.size.into());
                let Ok(distance) = i32::try_from(target.wrapping_sub(end).cast_signed()) else {
                    misses.distance = true;
                    return None;
                };
                encode(form, self.reg, memory.address.disp(distance).packed(), self.third)
            }
        };
        if let Some(Memory { absolute: Some(address), .. }) = self.memory
            && !fits_i32(address)
        {
            misses.range = true;
            return None;
        }
        match bytes.fault {
            Fault::None => Some(Choice { bytes, short: false }),
            Fault::Immediate => {
                misses.range = true;
                None
            }
            Fault::Index | Fault::HighByte | Fault::Segment => None,
        }
    }

    /// A branch to an address: with eight bits if that is allowed and reaches.
    fn branch(
        &self,
        form: Form,
        place: &Place<'_>,
        operands: &Operands,
        can_be_long: bool,
        misses: &mut Misses,
    ) -> Option<Choice> {
        let target = self.number?.cast_unsigned();
        let size = encode(form, self.reg, self.rm, 0).size;
        let distance = target.wrapping_sub(place.address.wrapping_add(size.into())).cast_signed();
        let short = form.third_operand() == Third::REL8;
        let reaches = if short { fits_i8(distance) } else { fits_i32(distance) };
        let wanted = if short {
            (place.short || operands.manner.short || !can_be_long) && !operands.manner.near
        } else {
            !operands.manner.short
        };
        misses.distance |= wanted && !reaches;
        (wanted && reaches).then(|| Choice {
            bytes: encode(form, self.reg, self.rm, distance.cast_unsigned()),
            short: short && can_be_long,
        })
    }
}

/// Whether there is a word for memory of the size with this number.
fn has_a_word(size: u64) -> bool {
    use crate::code::spec::size::{FXSAVE, NONE};
    ![NONE, FXSAVE].contains(&(size as u8))
}

/// Whether an immediate can be `value`.
fn in_range(form: Form, value: i64) -> bool {
    match form.third_operand() {
        Third::BYTE | Third::VVVV_BYTE | Third::COUNT | Third::TWO_BYTES | Third::VVVV_IS4 => {
            (-128..256).contains(&value)
        }
        Third::SIGNED_BYTE => fits_i8(value),
        Third::WORD | Third::WORD_BYTE => (-32768..65536).contains(&value),
        Third::PUSH => fits_i32(value),
        // REX.W extends the sign of 32 bits.
        Third::FULL | Third::ALU | Third::TEST | Third::IMUL if form.is_64() => fits_i32(value),
        _ => true,
    }
}

/// The number of a register of the kind that a form has.
fn number(register: &Register, wanted: u64) -> Option<u64> {
    let kind = match register.class {
        Class::Byte | Class::High => kind::R8,
        Class::Word => kind::R16,
        Class::Dword => kind::R32,
        Class::Qword => kind::R64,
        Class::Segment => kind::SEGMENT,
        Class::Control => kind::CONTROL,
        Class::Debug => kind::DEBUG,
        Class::X87 => kind::X87,
        Class::Mmx => kind::MMX,
        Class::Xmm => kind::XMM,
        Class::Ymm => kind::YMM,
        Class::Mask => kind::OPMASK,
        Class::Bound | Class::Pointer => return None,
    };
    // AH, CH, DH and BH are 20 to 23.
    let high = if register.class == Class::High { 16 } else { 0 };
    (u64::from(kind) == wanted).then_some(u64::from(register.number) + high)
}
