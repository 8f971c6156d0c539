//! Parsing, with runs folded and pointer motion deferred.
//!
//! These are known of Brainfuck as contraction, operation offsets and clear loops (Linander,
//! *brainfuck optimization strategies*, 2016).
//!
//! Consecutive commands of one kind become one operation. `<` and `>` only change the
//! distance at which the next commands name their cell; `[-]` and `[+]` become a `Set`.
//! A loop whose cell is certain to be zero is dead code and is not parsed. A loop that is nothing
//! but a loop over the same cell is that loop.
//!
//! Invariant: the list does to cells, input and output what the source does, in the same
//! order. Every byte but the eight commands is a comment. Linear in the source.

use super::Error;
use super::ir::{Access, Ir, List, Loop, LoopFlags, Op};
use crate::front::bug;
use alloc::vec::Vec;

/// The farthest that a cell may be from the data pointer; a program that goes further is
/// translated as baseline code.
const FARTHEST: u32 = 1 << 27;

/// The command of a byte of the source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Command {
    Comment,
    Move,
    Add,
    Output,
    Input,
    Open,
    Close,
}

static COMMANDS: [Command; 256] = {
    let mut commands = [Command::Comment; 256];
    commands[b'>' as usize] = Command::Move;
    commands[b'<' as usize] = Command::Move;
    commands[b'+' as usize] = Command::Add;
    commands[b'-' as usize] = Command::Add;
    commands[b'.' as usize] = Command::Output;
    commands[b',' as usize] = Command::Input;
    commands[b'[' as usize] = Command::Open;
    commands[b']' as usize] = Command::Close;
    commands
};

/// The amount by which a `<`, `>`, `+` or `-` moves or changes: 1 or −1.
const fn step(byte: u8) -> i32 {
    match byte {
        b'>' | b'+' => 1,
        _ => -1,
    }
}

/// The length of the run of `byte` in `source` from `from` on, compared eight bytes at a
/// time.
fn run_length(source: &[u8], from: usize, byte: u8) -> usize {
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

/// The index behind the `]` of the loop whose body begins at `start`.
fn behind_loop(source: &[u8], start: usize) -> Result<usize, Error> {
    let mut depth = 1u32;
    let body = source.get(start..).unwrap_or_default();
    let end = body.iter().position(|byte| {
        depth = match byte {
            b'[' => depth + 1,
            b']' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    if let Some(end) = end {
        return Ok(start + end + 1);
    }
    // The last `[` behind which as many are closed as opened is the innermost unclosed one.
    let mut closed = 0u32;
    let unclosed = source.iter().rposition(|byte| match byte {
        b']' => {
            closed += 1;
            false
        }
        b'[' if closed == 0 => true,
        b'[' => {
            closed -= 1;
            false
        }
        _ => false,
    });
    match unclosed {
        Some(position) => Err(Error::Unclosed(position)),
        None => bug!("a loop that is not closed and has no start"),
    }
}

struct Parser {
    ir: Ir,
    /// Indices of the `Open`s whose `Close` is still to come.
    opens: Vec<u32>,
    /// The distance of the current cell from the data pointer.
    cell: i32,
    /// A cell that exists and is certain to be zero here: the first at the start; then the one
    /// whose loop ended or that was cleared last, until it changes.
    zero: Option<i32>,
    /// Where the loop that ended last begins.
    ended: u32,
}

/// Parses `source`: with deferred motion, or as `baseline`, where every command acts on
/// `[0]`. Baseline too if a distance gets too large.
pub(super) fn parse(source: &[u8], baseline: bool) -> Result<Ir, Error> {
    let mut ops = List::new(Vec::with_capacity(source.len() / 8 + 64));
    ops.push(Op::Nop);
    let loops = List::new(Vec::with_capacity(source.len() / 64));
    let ir = Ir { ops, loops, promoted: Vec::new(), is_baseline: baseline };
    let mut parser = Parser { ir, opens: Vec::new(), cell: 0, zero: Some(0), ended: 0 };
    let mut next = 0;
    while let Some(&byte) = source.get(next) {
        let position = next as u32;
        next += 1;
        let (access, cell) = (Access::InBounds, parser.cell);
        match COMMANDS[byte as usize] {
            Command::Comment => {}
            Command::Output => {
                let mut repeats = 0;
                while repeats < i16::MAX as u16 && source.get(next) == Some(&byte) {
                    repeats += 1;
                    next += 1;
                }
                parser.ir.ops.push(Op::Output { access, repeats, cell, position });
            }
            Command::Input => {
                parser.changes(cell);
                parser.ir.ops.push(Op::Input { access, cell, position });
            }
            Command::Move => {
                let more = if source.get(next) == Some(&byte) { run_length(source, next, byte) } else { 0 };
                next += more;
                let distance = step(byte) * (more as i32 + 1);
                if baseline {
                    parser.move_baseline(distance, position);
                } else {
                    parser.cell += distance;
                    if parser.cell.unsigned_abs() > FARTHEST {
                        return parse(source, true);
                    }
                }
            }
            Command::Add => {
                let more = if source.get(next) == Some(&byte) { run_length(source, next, byte) } else { 0 };
                next += more;
                parser.changes(cell);
                parser.add(step(byte) * (more as i32 + 1), position);
            }
            Command::Open if !baseline && parser.zero == Some(cell) => next = behind_loop(source, next)?,
            Command::Open if !baseline && matches!(source.get(next..next + 2), Some(b"-]" | b"+]")) => {
                next += 2;
                parser.zero = Some(cell);
                parser.ir.ops.push(Op::set(cell, 0, position));
            }
            Command::Open => parser.open(position),
            Command::Close => parser.close(position)?,
        }
    }
    match parser.opens.pop().map(|open| parser.ir.ops[open as usize]) {
        None => Ok(parser.ir),
        Some(Op::Open { position, .. }) => Err(Error::Unclosed(position as usize)),
        Some(_) => bug!("the parser's stack of loops names an operation that opens none"),
    }
}

impl Parser {
    fn move_baseline(&mut self, by: i32, position: u32) {
        if let Some(Op::Move { distance, .. }) = self.ir.ops.last_mut() {
            *distance = distance.wrapping_add(by);
        } else {
            self.ir.ops.push(Op::Move { distance: by, position });
        }
    }

    /// Notes a write to `[cell]`.
    fn changes(&mut self, cell: i32) {
        if self.zero == Some(cell) {
            self.zero = None;
        }
    }

    fn add(&mut self, by: i32, position: u32) {
        match self.ir.ops.last_mut() {
            Some(Op::Add { cell, value, .. } | Op::Set { cell, value, .. }) if *cell == self.cell => {
                *value = value.wrapping_add(by);
            }
            _ => self.ir.ops.push(Op::add(self.cell, by as u32, position)),
        }
    }

    fn open(&mut self, position: u32) {
        let (access, flags) = (Access::InBounds, LoopFlags::BALANCED);
        let number = self.ir.loops.len() as u32;
        self.opens.push(self.ir.ops.len() as u32);
        self.zero = None;
        self.ir.ops.push(Op::Open { access, flags, cell: self.cell, number, position });
        self.ir.loops.push(Loop::NEW);
    }

    fn close(&mut self, position: u32) -> Result<(), Error> {
        let Some(open) = self.opens.pop() else { return Err(Error::Unexpected(position as usize)) };
        let current = self.cell;
        let (flags, cell) = self.opened(open);
        let drift = current - cell;
        if drift != 0 {
            *flags = LoopFlags::empty();
        }
        let flags = *flags;
        // A loop around an unbalanced loop is unbalanced.
        if let Some(&outer) = self.opens.last() {
            *self.opened(outer).0 &= flags;
        }
        let is_inner = !self.ir.is_baseline
            && self.ended == open + 1
            && matches!(self.ir.ops.last(), Some(Op::Close { cell, .. }) if *cell == current)
            && drift == 0;
        self.cell = cell;
        self.zero = Some(cell);
        self.ended = open;
        if is_inner && let Some(outer) = self.ir.ops.get_mut(open as usize) {
            *outer = Op::Nop;
            return Ok(());
        }
        self.ir.ops.push(Op::Close { access: Access::InBounds, flags, cell, drift, position });
        Ok(())
    }

    /// The flags and the cell of the `Open` at this index.
    fn opened(&mut self, index: u32) -> (&mut LoopFlags, i32) {
        match self.ir.ops.get_mut(index as usize) {
            Some(Op::Open { flags, cell, .. }) => (flags, *cell),
            _ => bug!("the parser's stack of loops names an operation that opens none"),
        }
    }
}
