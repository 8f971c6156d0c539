//! Whether an instruction reads and writes an operand, and the words that say so in a line.

/// How an operand is accessed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access(u8);

impl Access {
    /// The access with this number; see [`access_number`].
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether it is read; under a condition, too.
    pub const fn reads(self) -> bool {
        matches!(self.0 & 3, 1 | 2)
    }

    /// Whether it is written; under a condition, too.
    pub const fn writes(self) -> bool {
        self.0 >> 2 != 0
    }

    /// Whether it is read always.
    pub const fn always_reads(self) -> bool {
        self.0 & 3 == 2
    }

    /// Whether it is not looked at at all: not even an address is computed, as for
    /// the operand of `nop`.
    pub const fn is_ignored(self) -> bool {
        self.0 == 3
    }

    /// Whether it is written always.
    pub const fn always_writes(self) -> bool {
        self.0 >> 2 == 2
    }
}

/// Bits 0 and 1 read, 2 and 3 write: 1 under a condition, 2 always.
pub(super) const fn access_number(word: &[u8]) -> u8 {
    match word {
        b"n" => 0,
        b"i" => 3,
        b"cr" => 1,
        b"r" => 2,
        b"cw" => 4,
        b"crcw" => 5,
        b"rcw" => 6,
        b"w" => 8,
        b"crw" => 9,
        b"rw" => 10,
        _ => panic!("no such access"),
    }
}
