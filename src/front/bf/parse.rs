//! Source text to operations: runs are folded, pointer motion is deferred.
//!
//! Law: the list does to cells, input and output what the source does, command
//! for command. Everything but the eight commands is a comment.

use super::ir::{BALANCED, Ir, Kind, Loop, Op, Reach};
use alloc::vec::Vec;

/// A bracket without its partner, by its byte offset in the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmatched {
    /// A `[` that nothing closes.
    Unclosed(usize),
    /// A `]` that closes nothing.
    Unexpected(usize),
}

/// How far from the base a cell may be named; beyond it plain translation serves.
const FAR: i32 = 1 << 27;

/// Source bytes between two looks at the room left in the list.
const BLOCK: usize = 1024;

const COMMENT: u8 = 0;
const MOTION: u8 = 1;
const CHANGE: u8 = 2;
const OTHER: u8 = 3;

/// What a byte does: to the pointer, to the cell, and its class.
#[derive(Clone, Copy)]
struct Byte {
    motion: i8,
    change: i8,
    class: u8,
}

static BYTES: [Byte; 256] = {
    let mut bytes = [Byte { motion: 0, change: 0, class: COMMENT }; 256];
    bytes[b'>' as usize] = Byte { motion: 1, change: 0, class: MOTION };
    bytes[b'<' as usize] = Byte { motion: -1, change: 0, class: MOTION };
    bytes[b'+' as usize] = Byte { motion: 0, change: 1, class: CHANGE };
    bytes[b'-' as usize] = Byte { motion: 0, change: -1, class: CHANGE };
    let others = b".,[]";
    let mut i = 0;
    while i < others.len() {
        bytes[others[i] as usize].class = OTHER;
        i += 1;
    }
    bytes
};

/// A loop that is still open.
#[derive(Clone, Copy)]
struct Frame {
    /// Index of its `Open`.
    open: u32,
    /// Whether a loop inside it is unbalanced.
    unbalanced: bool,
}

/// Reads `source` with deferred motion, or plainly if a distance gets too large.
pub(super) fn parse(source: &[u8]) -> Result<Ir, Unmatched> {
    let mut ops = Vec::with_capacity(operations(source) + BLOCK + 2);
    let mut loops = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    ops.push(Op::NOP);
    // `ops[last]` is the operation being built; its cell, if it is an `Add`.
    let mut last = 0;
    let mut cell = i32::MIN;
    let mut value = 0i32;
    let mut from = 0u32;
    let mut at = 0i32;
    for (number, block) in source.chunks(BLOCK).enumerate() {
        if ops.len() < last + BLOCK + 2 {
            ops.resize(last + BLOCK + 2, Op::NOP);
        }
        if at.unsigned_abs() > FAR as u32 {
            return parse_plain(source);
        }
        let start = number * BLOCK;
        for (i, &byte) in block.iter().enumerate() {
            let Byte { motion, change, class } = BYTES[byte as usize];
            let position = (start + i) as u32;
            if class != OTHER {
                // No branches: runs are short and their ends unpredictable. What
                // is no change is written to the free place behind.
                let changes = change != 0;
                at += motion as i32;
                let fresh = changes & (at != cell);
                last += fresh as usize;
                value = if fresh { 0 } else { value } + change as i32;
                from = if fresh { position } else { from };
                cell = if changes { at } else { cell };
                ops[last + !changes as usize] = Op::new(Kind::Add, at, value, from);
                continue;
            }
            last += 1;
            cell = i32::MIN;
            ops[last] = match byte {
                b'.' => Op::new(Kind::Put, at, 0, position),
                b',' => Op::new(Kind::Get, at, 0, position),
                b'[' => {
                    frames.push(Frame { open: last as u32, unbalanced: false });
                    loops.push(Loop::NEW);
                    Op::new(Kind::Open, at, loops.len() as i32 - 1, position)
                }
                _ => {
                    let Some(frame) = frames.pop() else {
                        return Err(Unmatched::Unexpected(position as usize));
                    };
                    let open = &mut ops[frame.open as usize];
                    let shift = at - open.at;
                    at = open.at;
                    let flags = if shift == 0 && !frame.unbalanced { BALANCED } else { 0 };
                    open.flags = flags;
                    if flags == 0
                        && let Some(outer) = frames.last_mut()
                    {
                        outer.unbalanced = true;
                    }
                    Op { flags, ..Op::new(Kind::Close, at, shift, position) }
                }
            };
        }
    }
    if let Some(frame) = frames.last() {
        return Err(Unmatched::Unclosed(ops[frame.open as usize].c as usize));
    }
    ops.truncate(last + 1);
    Ok(Ir { ops, loops, start: Reach::NONE, plain: false })
}

/// Reads `source` command by command: only runs are folded.
pub(super) fn parse_plain(source: &[u8]) -> Result<Ir, Unmatched> {
    let mut ops: Vec<Op> = Vec::with_capacity(source.len().min(1 << 20) + 1);
    let mut opens: Vec<u32> = Vec::new();
    let mut loops = 0;
    ops.push(Op::NOP);
    for (position, &byte) in source.iter().enumerate() {
        let Byte { motion, change, class } = BYTES[byte as usize];
        let position = position as u32;
        let (kind, step) = match class {
            COMMENT => continue,
            MOTION => (Kind::Move, motion),
            CHANGE => (Kind::Add, change),
            _ => match byte {
                b'.' => (Kind::Put, 0),
                b',' => (Kind::Get, 0),
                b'[' => {
                    opens.push(ops.len() as u32);
                    loops += 1;
                    ops.push(Op::new(Kind::Open, 0, loops - 1, position));
                    continue;
                }
                _ => match opens.pop() {
                    Some(_) => (Kind::Close, 0),
                    None => return Err(Unmatched::Unexpected(position as usize)),
                },
            },
        };
        match ops.last_mut() {
            Some(run) if run.kind == kind && step != 0 => run.b += step as i32,
            _ => ops.push(Op::new(kind, 0, step as i32, position)),
        }
    }
    if let Some(&open) = opens.last() {
        return Err(Unmatched::Unclosed(ops[open as usize].c as usize));
    }
    Ok(Ir { ops, loops: Vec::new(), start: Reach::NONE, plain: true })
}

/// An upper bound of the operations in `source`: the bytes that begin one.
fn operations(source: &[u8]) -> usize {
    let begins = |(&byte, &before): (&u8, &u8)| {
        let command = (byte == b'+') | (byte == b'-') | (byte == b'.') | (byte == b',');
        let command = command | (byte == b'[') | (byte == b']');
        let repeats = (byte == before) & ((byte == b'+') | (byte == b'-'));
        (command & !repeats) as u8
    };
    // Sums of bytes over short pieces, so that the compiler can count in vectors.
    let rest = source.get(1..).unwrap_or_default();
    let pieces = rest.chunks(128).zip(source.chunks(128));
    let count = pieces.map(|(now, before)| now.iter().zip(before).map(begins).sum::<u8>() as usize);
    count.sum::<usize>() + 1
}
