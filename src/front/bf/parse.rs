//! Source text to operations: runs are folded, pointer motion is deferred, and the
//! commonest loop of all, `[-]`, never becomes one.
//!
//! Law: the list does to cells, input and output what the source does, command
//! for command. Everything but the eight commands is a comment.

use super::Error;
use super::ir::{BALANCED, Ir, Kind, Loop, Op};
use alloc::vec::Vec;

/// How far from the base a cell may be named; beyond it plain translation serves.
const FARTHEST: u32 = 1 << 27;

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

/// Reads `source`: with deferred motion or, if `plain` says so or a distance gets too
/// large, command by command, where only runs are folded.
pub(super) fn parse(source: &[u8], plain: bool) -> Result<Ir, Error> {
    let mut ops: Vec<Op> = Vec::with_capacity(source.len() / 8 + 64);
    let mut loops = Vec::with_capacity(source.len() / 64);
    // Indices of the `Open`s that have no partner yet.
    let mut opens: Vec<usize> = Vec::new();
    ops.push(Op::NOP);
    let mut at = 0i32;
    let mut next = 0;
    while let Some(&byte) = source.get(next) {
        let kind = KINDS[byte as usize];
        let mut op = Op::new(kind, at, 0, next as u32);
        next += 1;
        match kind {
            Kind::Nop => continue,
            Kind::Put => {
                while op.d < i16::MAX && source.get(next) == Some(&byte) {
                    op.d += 1;
                    next += 1;
                }
            }
            Kind::Move | Kind::Add => {
                let more = run(source, next, byte);
                next += more;
                op.b = step(byte) * (more as i32 + 1);
                if kind == Kind::Move && !plain {
                    at += op.b;
                    if at.unsigned_abs() > FARTHEST {
                        return parse(source, true);
                    }
                    continue;
                }
                if let Some(last) = ops.last_mut()
                    && (last.kind == kind || last.kind == Kind::Set)
                    && last.at == at
                {
                    last.b = last.b.wrapping_add(op.b);
                    continue;
                }
            }
            Kind::Open if !plain && matches!(source.get(next..next + 2), Some(b"-]" | b"+]")) => {
                next += 2;
                op.kind = Kind::Set;
            }
            Kind::Open => {
                (op.flags, op.b) = (BALANCED, loops.len() as i32);
                opens.push(ops.len());
                loops.push(Loop::NEW);
            }
            Kind::Close => {
                let Some(open) = opens.pop().and_then(|open| ops.get_mut(open)) else {
                    return Err(Error::Unexpected(op.c as usize));
                };
                (at, op.at, op.b) = (open.at, open.at, at - open.at);
                if op.b != 0 {
                    open.flags = 0;
                }
                op.flags = open.flags;
                if let Some(outer) = opens.last().and_then(|&outer| ops.get_mut(outer)) {
                    outer.flags &= op.flags;
                }
            }
            _ => {}
        }
        ops.push(op);
    }
    match opens.pop().and_then(|open| ops.get(open)) {
        Some(open) => Err(Error::Unclosed(open.c as usize)),
        None => Ok(Ir { ops, loops, plain }),
    }
}
