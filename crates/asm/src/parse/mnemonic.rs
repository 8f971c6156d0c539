//! Mnemonics: their names in the table, their aliases, conditions and prefixes, and the one
//! that is nearest to a word that is none.

use crate::code::form::{Form, Prefix};
use crate::table::{Row, TABLE, rows_named};
use core::fmt::{self, Write};

/// A mnemonic: its name in the table, and the condition that ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Mnemonic {
    pub(super) name: u64,
    pub(super) condition: Option<u8>,
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
    ("xlatb", "xlat"),
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

pub(super) fn prefix(word: &str) -> Option<Prefix> {
    PREFIXES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, prefix)| *prefix)
}

impl Mnemonic {
    /// The mnemonic that `word` is, in any case.
    pub(super) fn named(word: &str) -> Option<Self> {
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

    pub(super) fn rows(self) -> impl Iterator<Item = &'static Row> {
        rows_named(self.name).filter(move |row| row.first_form().has_condition() == self.condition.is_some())
    }

    /// Whether this is its name.
    pub(super) fn is(self, name: &str) -> bool {
        Form::name_number(name) == Some(self.name)
    }
}

pub(super) fn is_mnemonic(word: &str) -> bool {
    Mnemonic::named(word).is_some()
}

/// Whether `word` is a mnemonic of AT&T syntax: one of Intel's with the letter of a size.
pub(super) fn is_att(word: &str) -> bool {
    let size = |last: char| matches!(last.to_ascii_lowercase(), 'b' | 'w' | 'l' | 'q');
    word.strip_suffix(size).is_some_and(is_mnemonic)
}

/// Text in a buffer that has room for every mnemonic.
pub(super) struct Name {
    bytes: [u8; LONGEST],
    used: usize,
}

impl Name {
    /// The words that `parts` are, if there is room.
    pub(super) fn joined(parts: fmt::Arguments<'_>) -> Option<Self> {
        let mut name = Self { bytes: [0; LONGEST], used: 0 };
        name.write_fmt(parts).is_ok().then_some(name)
    }

    fn of(row: &Row, condition: &str) -> Self {
        Self::joined(format_args!("{:?}{condition}", row.named_form())).expect("room for every mnemonic")
    }

    pub(super) fn text(&self) -> &str {
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

/// The mnemonic that is nearest to `word` by [`distance`], if any is near.
pub(super) fn nearest(word: &str) -> Option<Name> {
    let mut best: Option<(u8, Name)> = None;
    mnemonics(&mut |name| {
        if let Some(distance) = distance(word.as_bytes(), name.as_bytes())
            && best.as_ref().is_none_or(|(least, _)| distance < *least)
        {
            best = Name::joined(format_args!("{name}")).map(|name| (distance, name));
        }
    });
    best.map(|(_, name)| name)
}

/// The edit distance from a mistyped `word` to `name` if it is at most a third of the word's
/// letters, or 1: the limit of rustc's suggestions. An edit inserts, deletes or replaces a
/// letter or exchanges two neighbours (optimal string alignment, row by row); the case of
/// letters is no difference. A word or name of more than 31 letters is near to none.
pub fn distance(word: &[u8], name: &[u8]) -> Option<u8> {
    if word.len().max(name.len()) > 31 {
        return None;
    }
    let mut before = [0; 32];
    let mut last: [u8; 32] = core::array::from_fn(|j| j as u8);
    for i in 1..=word.len() {
        let mut row = [i as u8; 32];
        for j in 1..=name.len() {
            let same = |back: usize, forth: usize| word[i - back].eq_ignore_ascii_case(&name[j - forth]);
            let replaced = last[j - 1] + u8::from(!same(1, 1));
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && same(1, 2) && same(2, 1) {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        (before, last) = (last, row);
    }
    Some(last[name.len()]).filter(|distance| usize::from(*distance) <= (word.len() / 3).max(1))
}
