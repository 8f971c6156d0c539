//! Random numbers and texts.

/// Random numbers, repeatable: SplitMix64 (Steele, Lea, Flood, 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Bytes, each from the `words` three times in four.
    pub(crate) fn text(&mut self, words: &[&[u8]], pieces: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(pieces) {
            match self.below(4) {
                0 => text.push(self.next() as u8),
                _ => text.extend_from_slice(self.of(words)),
            }
        }
        text
    }

    /// The text after a few slips of the pen.
    pub(crate) fn mutated(&mut self, mut text: Vec<u8>, words: &[&[u8]]) -> Vec<u8> {
        for _ in 0..1 + self.below(3) {
            let at = self.below(text.len() + 1);
            let end = (at + self.below(4)).min(text.len());
            match self.below(5) {
                0 => drop(text.drain(at..end)),
                1 => text.insert(at, self.next() as u8),
                2 => drop(text.splice(at..end, self.of(words).iter().copied())),
                3 => drop(text.splice(at..at, self.of(words).iter().copied())),
                _ => text.extend_from_within(at..end),
            }
        }
        text
    }

    /// An integer: small, around a power of two, or any.
    pub(crate) fn integer(&mut self) -> i64 {
        match self.below(8) {
            0 | 1 => self.below(21) as i64 - 10,
            2 => self.of(&[i64::MIN, i64::MAX, i64::MIN + 1, -1, 0, 1]),
            3 => (1i64 << self.below(64)).wrapping_add(self.below(5) as i64 - 2),
            4 => (-1i64 << self.below(64)).wrapping_add(self.below(5) as i64 - 2),
            5 => self.below(100_000) as i64 - 1000,
            _ => self.next() as i64 >> self.below(64),
        }
    }

    pub(crate) fn integer_text(&mut self, number: i64) -> String {
        match self.below(4) {
            0 => format!("{number:#x}"),
            1 if number >= 0 => format!("+{number}"),
            _ => format!("{number}"),
        }
    }

    /// Text of a finite number without a space.
    pub(crate) fn float_text(&mut self) -> String {
        let number = match self.below(5) {
            0 => self.of(&[0.0, -0.0, 1.0, 2.0, 0.5, -2.0, 4.0, 1e300, 1e-310]),
            1 => self.below(100) as f64 / 10.0,
            2 => f64::from_bits(self.next()),
            _ => self.below(1000) as f64 / 256.0 - 2.0,
        };
        let number = if number.is_finite() { number } else { 1.5 };
        if self.below(2) == 0 { format!("{number:e}") } else { format!("{number:?}") }
    }
}
