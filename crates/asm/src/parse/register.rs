//! Registers by name.

/// The files that registers are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// al to r15b; 4 to 7 are spl to dil.
    Byte,
    /// ah, ch, dh, bh: 4 to 7 without REX.
    High,
    Word,
    Dword,
    Qword,
    Segment,
    Control,
    Debug,
    X87,
    Mmx,
    Xmm,
    Ymm,
    Mask,
    Bound,
    /// rip, or with number 1 eip.
    Pointer,
}

/// A register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Register {
    pub(crate) class: Class,
    pub(crate) number: u8,
}

/// Names of general-purpose registers 0 to 7, without what tells the width.
const LEGACY: [&[u8]; 8] = [b"ax", b"cx", b"dx", b"bx", b"sp", b"bp", b"si", b"di"];

impl Register {
    const fn new(class: Class, number: u8) -> Self {
        Self { class, number }
    }

    /// The register of this name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let mut lower = [0; 5];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        general(lower).or_else(|| numbered(lower)).or_else(|| special(lower))
    }
}

fn general(name: &[u8]) -> Option<Register> {
    let legacy = |word: &[u8]| LEGACY.iter().position(|known| *known == word).map(|number| number as u8);
    let (class, number) = match name {
        [b'r', word @ ..] if word.len() == 2 && legacy(word).is_some() => (Class::Qword, legacy(word)?),
        [b'e', word @ ..] if word.len() == 2 && legacy(word).is_some() => (Class::Dword, legacy(word)?),
        [_, _] if legacy(name).is_some() => (Class::Word, legacy(name)?),
        [first, b'l'] | [first, b'h'] if b"acdb".contains(first) => {
            let number = legacy(&[*first, b'x'])?;
            if name[1] == b'l' { (Class::Byte, number) } else { (Class::High, number + 4) }
        }
        [first @ .., b'l'] if first.len() == 2 => (Class::Byte, legacy(first).filter(|number| *number >= 4)?),
        [b'r', digits @ .., width @ (b'b' | b'l' | b'w' | b'd')] => {
            let class = match width {
                b'w' => Class::Word,
                b'd' => Class::Dword,
                _ => Class::Byte,
            };
            (class, decimal(digits, 15)?)
        }
        [b'r', digits @ ..] => (Class::Qword, decimal(digits, 15)?),
        _ => return None,
    };
    Some(Register::new(class, number)).filter(|_| !matches!(name, [b'r', b'0'..=b'7', ..]))
}

fn numbered(name: &[u8]) -> Option<Register> {
    const FILES: [(&[u8], Class, u8); 8] = [
        (b"xmm", Class::Xmm, 15),
        (b"ymm", Class::Ymm, 15),
        (b"bnd", Class::Bound, 3),
        (b"mm", Class::Mmx, 7),
        (b"st", Class::X87, 7),
        (b"cr", Class::Control, 15),
        (b"dr", Class::Debug, 15),
        (b"k", Class::Mask, 7),
    ];
    FILES.iter().find_map(|(file, class, last)| {
        let number = decimal(name.strip_prefix(*file)?, *last)?;
        Some(Register::new(*class, number))
    })
}

fn special(name: &[u8]) -> Option<Register> {
    let segments: [&[u8]; 6] = [b"es", b"cs", b"ss", b"ds", b"fs", b"gs"];
    match name {
        b"st" => Some(Register::new(Class::X87, 0)),
        b"rip" => Some(Register::new(Class::Pointer, 0)),
        b"eip" => Some(Register::new(Class::Pointer, 1)),
        _ => {
            let number = segments.iter().position(|known| *known == name)?;
            Some(Register::new(Class::Segment, number as u8))
        }
    }
}

/// A decimal number from 0 to `last`, without leading zeros.
fn decimal(digits: &[u8], last: u8) -> Option<u8> {
    let number = match digits {
        [one @ b'0'..=b'9'] => one - b'0',
        [b'1', one @ b'0'..=b'9'] => 10 + one - b'0',
        _ => return None,
    };
    (number <= last).then_some(number)
}
