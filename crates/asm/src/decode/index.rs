//! Which rows of the table have an opcode: made by the compiler, read by the decoder.
//!
//! Rows that differ in prefixes, ModRM or width share an opcode. They stand in the order
//! in which the decoder should try them: those with a mandatory prefix before those that
//! ignore it, those with 67, a ModRM of their own, W or 66 before those without.

use crate::table::TABLE;

/// Maps of opcodes: one byte, 0F, 0F 38, 0F 3A, and the last three with VEX.
const MAPS: usize = 7;

const OPCODES: usize = MAPS * 256;

/// Number of an opcode among all; `map` is 0 to 3.
const fn slot(map: u8, vex: bool, opcode: u8) -> usize {
    let map = if vex { map as usize + 3 } else { map as usize };
    map * 256 + opcode as usize
}

/// The rows to try for an opcode, by their numbers in the table.
pub(super) fn rows(map: u8, vex: bool, opcode: u8) -> &'static [u16] {
    let slot = slot(map, vex, opcode);
    let (start, end) = (INDEX.starts[slot], INDEX.starts[slot + 1]);
    &INDEX.rows[usize::from(start)..usize::from(end)]
}

struct Index {
    /// Of each opcode, where its rows begin; and where the last ones end.
    starts: [u16; OPCODES + 1],
    rows: [u16; ENTRIES],
}

/// The opcodes of a row: the first one, and how many more follow.
const fn opcodes(row: usize) -> (usize, u8) {
    let row = &TABLE[row];
    let form = row.first_form();
    let free = if form.has_condition() {
        15
    } else if form.has_plus_r() {
        7
    } else {
        // One bit tells bytes from larger operands, if there are both.
        (row.has_opcode_width() && row.has_width(8)) as u8
    };
    (slot(form.opcode_map() as u8, form.is_vex(), form.opcode() as u8), free)
}

/// Rows with less are tried first.
const fn rank(row: usize) -> usize {
    let form = TABLE[row].first_form();
    let width = if form.is_64() && !TABLE[row].has_widths() {
        0
    } else if form.is_16() && !TABLE[row].has_widths() {
        1
    } else {
        2
    };
    // PAUSE and NOP are an XCHG with a register in the opcode, too.
    24 * form.has_plus_r() as usize
        + width
        + 3 * (!form.has_fixed_modrm() as usize)
        + 6 * (!form.has_address_32() as usize)
        + 12 * ((form.pp() == 0) as usize)
}

const RANKS: usize = 48;

/// How many pairs of opcode and row there are.
const ENTRIES: usize = {
    let (mut entries, mut row) = (0, 0);
    while row < TABLE.len() {
        entries += opcodes(row).1 as usize + 1;
        row += 1;
    }
    entries
};

/// A counting sort by opcode, with a round for each rank.
static INDEX: Index = {
    let mut starts = [0; OPCODES + 1];
    let mut row = 0;
    while row < TABLE.len() {
        let (slot, free) = opcodes(row);
        let mut i = 0;
        while i <= free as usize {
            starts[slot + i + 1] += 1;
            i += 1;
        }
        row += 1;
    }
    let mut slot = 0;
    while slot < OPCODES {
        starts[slot + 1] += starts[slot];
        slot += 1;
    }
    let mut next = starts;
    let mut rows = [0; ENTRIES];
    let mut rank_now = 0;
    while rank_now < RANKS {
        let mut row = 0;
        while row < TABLE.len() {
            if rank(row) == rank_now {
                let (slot, free) = opcodes(row);
                let mut i = 0;
                while i <= free as usize {
                    rows[next[slot + i] as usize] = row as u16;
                    next[slot + i] += 1;
                    i += 1;
                }
            }
            row += 1;
        }
        rank_now += 1;
    }
    Index { starts, rows }
};
