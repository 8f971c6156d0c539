//! Source text to operations: runs are folded, pointer motion is deferred, and the
//! commonest loop of all, `[-]`, never becomes one.
//!
//! Law: the list does to cells, input and output what the source does, command
//! for command. Everything but the eight commands is a comment.

use super::Error;
use super::ir::{BALANCED, Ir, Kind, Loop, Op};
use alloc::vec::Vec;

/// How far from the base a cell may be named; beyond it plain translation serves.
const FARTHEST: i32 = 1 << 27;

/// What each byte asks for; `Nop` if it is a comment.
static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Nop; 256];
    kinds[b'>' as usize] = Kind::Move;
    kinds[b'<' as usize] = Kind::Move;
    kinds[b'+' as usize] = Kind::Add;
    kinds[b'-' as usize] = Kind::Add;
    kinds[b'.' as usize] = Kind::Put;
    kinds[b',' as usize] = Kind::Get;
    kinds[b'[' as usize] = Kind::Open;
    kinds[b']' as usize] = Kind::Close;
    kinds
};

/// By how much a `<`, `>`, `+` or `-` moves or changes: in ASCII, `=` stands between the
/// former two and `,` between the latter.
const fn step(byte: u8) -> i32 {
    if byte < b'<' { b',' as i32 - byte as i32 } else { byte as i32 - b'=' as i32 }
}

/// A loop that is still open.
#[derive(Clone, Copy)]
struct Frame {
    /// Index of its `Open`.
    open: u32,
    /// Whether a loop inside it is unbalanced.
    unbalanced: bool,
}

/// How often `byte` stands in `source` from `from` on, eight at a time.
fn run(source: &[u8], from: usize, byte: u8) -> usize {
    let same = u64::from_le_bytes([byte; 8]);
    let mut rest = source.get(from..).unwrap_or_default();
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        let differs = u64::from_le_bytes(*chunk) ^ same;
        if differs != 0 {
            let used = source.len() - rest.len() - from;
            return used + differs.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    let tail = rest.iter().take_while(|&&next| next == byte).count();
    source.len() - rest.len() - from + tail
}

/// Reads `source` with deferred motion, or plainly if a distance gets too large.
pub(super) fn parse(source: &[u8]) -> Result<Ir, Error> {
    let mut ops: Vec<Op> = Vec::with_capacity(source.len() / 8 + 64);
    let mut loops = Vec::with_capacity(source.len() / 64);
    let mut frames: Vec<Frame> = Vec::new();
    ops.push(Op::NOP);
    // The cell of the last operation, if that is an `Add` or a `Set`.
    let mut cell = i32::MIN;
    let mut at = 0i32;
    let mut next = 0;
    while let Some(&byte) = source.get(next) {
        let position = next as u32;
        next += 1;
        let kind = KINDS[byte as usize];
        if let Kind::Move | Kind::Add = kind {
            let count = run(source, next, byte);
            next += count;
            let step = step(byte) * (count as i32 + 1);
            if kind == Kind::Move {
                at += step;
                if at.unsigned_abs() > FARTHEST as u32 {
                    return parse_plain(source);
                }
            } else if at == cell
                && let Some(last) = ops.last_mut()
            {
                last.b = last.b.wrapping_add(step);
            } else {
                ops.push(Op::new(Kind::Add, at, step, position));
                cell = at;
            }
            continue;
        }
        let op = match kind {
            Kind::Put | Kind::Get => Op::new(kind, at, 0, position),
            b'[' if matches!(source.get(next..next + 2), Some(b"-]" | b"+]")) => {
                next += 2;
                cell = at;
                Op::new(Kind::Set, at, 0, position)
            }
            b'[' => {
                frames.push(Frame { open: ops.len() as u32, unbalanced: false });
                loops.push(Loop::NEW);
                Op::new(Kind::Open, at, loops.len() as i32 - 1, position)
            }
            _ => {
                let Some(frame) = frames.pop() else {
                    return Err(Error::Unexpected(position as usize));
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
        ops.push(op);
    }
    if let Some(frame) = frames.last() {
        return Err(Error::Unclosed(ops[frame.open as usize].c as usize));
    }
    Ok(Ir { ops, loops, plain: false })
}

/// Reads `source` command by command: only runs are folded.
pub(super) fn parse_plain(source: &[u8]) -> Result<Ir, Error> {
    let mut ops: Vec<Op> = Vec::with_capacity(source.len().min(1 << 20) + 1);
    let mut opens: Vec<u32> = Vec::new();
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
                    opens.push(position);
                    (Kind::Open, 0)
                }
                _ => match opens.pop() {
                    Some(_) => (Kind::Close, 0),
                    None => return Err(Error::Unexpected(position as usize)),
                },
            },
        };
        match ops.last_mut() {
            Some(run) if run.kind == kind && step != 0 => run.b += step as i32,
            _ => ops.push(Op::new(kind, 0, step as i32, position)),
        }
    }
    if let Some(&open) = opens.last() {
        return Err(Error::Unclosed(open as usize));
    }
    Ok(Ir { ops, loops: Vec::new(), plain: true })
}
