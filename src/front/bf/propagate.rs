//! Constant propagation and dead store elimination, with what they make possible.
//!
//! One forward walk carries the abstract [`State`] and rewrites operations as it goes
//! (Kildall, *A unified approach to global program optimization*, 1973):
//! - *constant propagation*: an operation on constants becomes a `Set`; output of a
//!   constant becomes `OutputByte`;
//! - *dead store elimination*: a store is deleted if the next operation on its cell, with
//!   no bar in between, is another store;
//! - *copy propagation*: a cell that is copied, cleared and copied back keeps its value, so
//!   the clear and the copy back are deleted; of a multiple, one multiplication remains;
//! - *dead loops*: a loop whose cell is zero before it is deleted, and one whose cell is
//!   zero after an iteration runs at most once;
//! - *jump threading*: a loop that follows another and does not run if that one does not is
//!   passed over together with it;
//! - loops with a closed form become it, by [`summarise`].
//!
//! Invariants: after a loop, a cell that it does not write has the state that it had
//! before, and the loop's own cell is zero. No store moves over a *bar*: a bounds check, a
//! loop, a change of the data pointer. There, memory must be as baseline code would have
//! left it.
//!
//! Each operation takes constant time, so the pass is linear.

use super::ir::{Access, Ir, List, Loop, LoopFlags, NOWHERE, Op, body_length};
use super::state::State;
use super::summarise::{self, Summary};
use super::{Eof, Options};
use crate::front::bug;
use alloc::vec::Vec;

/// Loops in so many others have an unknown state before them. A [`State`] is as large as
/// many operations, which millions of nested loops would each pay for.
const DEEPEST: usize = 256;

/// No store.
const NONE: u32 = u32::MAX;

struct Walk<'a> {
    /// The operations kept, then those still to be read.
    ops: &'a mut List<Op>,
    loops: &'a List<Loop>,
    /// Cuts a value to a cell.
    mask: u32,
    eof: Eof,
    state: State,
    /// By the lowest five bits of a cell's distance: the index of the store to it that
    /// nothing has read since.
    stores: [u32; 32],
    /// For each open loop: the index of its `Open` among the operations kept.
    opens: Vec<u32>,
    /// By depth, up to [`DEEPEST`]: the state before the loop that was opened last there.
    before: List<State>,
    /// How many operations were kept when the last loop ended, and the state before it.
    closed: (usize, State),
    /// The cell of a loop that has just been entered, until it is written to.
    entered: Option<i32>,
    kept: usize,
}

/// Rewrites the program, in place.
pub(super) fn propagate(ir: &mut Ir, options: &Options) {
    let Ir { ops, loops, .. } = ir;
    let mut walk = Walk {
        ops,
        loops,
        mask: u32::MAX >> (32 - 8 * options.cells.bytes()),
        eof: options.eof,
        state: State::START,
        stores: [NONE; 32],
        opens: Vec::new(),
        before: List::new(Vec::new()),
        closed: (0, State::START),
        entered: None,
        kept: 0,
    };
    let mut read = 0;
    while let Some(op) = walk.ops.get(read) {
        read += 1;
        match *op {
            Op::Open { cell, .. } if walk.state.get(cell) == Some(0) => {
                let Some(length) = walk.ops.get(read..).and_then(body_length) else {
                    bug!("a loop without an end")
                };
                read += length + 1;
            }
            Op::Scan { cell, .. } if walk.state.get(cell) == Some(0) => {}
            op => walk.step(op),
        }
    }
    let kept = walk.kept;
    ops.truncate(kept);
}

impl Walk<'_> {
    fn keep(&mut self, op: Op) {
        self.ops[self.kept] = op;
        self.kept += 1;
    }

    /// Keeps a store to `[cell]` that nothing has read yet.
    fn keep_store(&mut self, cell: i32, op: Op) {
        self.stores[(cell & 31) as usize] = self.kept as u32;
        self.keep(op);
    }

    /// The store to `[cell]` that nothing has read, if there is one.
    fn store(&mut self, cell: i32) -> Option<&mut Op> {
        let op = self.ops.get_mut(self.stores[(cell & 31) as usize] as usize)?;
        if op.assigned() == Some(cell) { Some(op) } else { None }
    }

    /// Notes that `[cell]` is read here.
    fn read(&mut self, cell: i32) {
        self.stores[(cell & 31) as usize] = NONE;
    }

    /// No store moves over what comes here.
    fn bar(&mut self) {
        self.stores = [NONE; 32];
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Nop => {
                // The one in front of the program stays.
                if self.kept == 0 {
                    self.keep(op);
                }
                return;
            }
            Op::Check { .. } => {
                self.bar();
                return self.keep(op);
            }
            Op::Output { repeats, cell, position, .. } => return self.output(op, repeats, cell, position),
            Op::OutputByte { .. } => return self.keep(op),
            Op::Open { flags, cell, number, position, access } => {
                let flags = flags | self.entered_by(cell);
                self.thread(cell);
                self.entered = Some(cell);
                return self.open(Op::Open { access, flags, cell, number, position });
            }
            Op::Scan { entered, cell, stride, position } => {
                let entered = entered || !self.entered_by(cell).is_empty();
                self.thread(cell);
                self.entered = None;
                return self.scan(Op::Scan { entered, cell, stride, position }, cell);
            }
            Op::Close { .. } => {
                self.entered = None;
                return self.close(op);
            }
            _ => {}
        }
        if self.entered == op.assigned() {
            self.entered = None;
        }
        match op {
            Op::Add { cell, value, position, .. } => self.add(cell, value as u32, position),
            Op::Set { cell, value, position, .. } => self.set(cell, value as u32, position),
            Op::MulAdd { predicated, cell, source, factor } => self.mul_add(predicated, cell, source, factor),
            Op::Copy { cell, source, factor } => match self.state.get(source) {
                Some(value) => self.set(cell, value.wrapping_mul(factor), NOWHERE),
                None => {
                    self.read(source);
                    self.overwrite(cell, op);
                }
            },
            Op::Product { right, cell, left, factor } => {
                self.product(op, cell, [left, left + i32::from(right)], factor)
            }
            Op::Input { cell, .. } if self.eof == Eof::Unchanged => {
                // At the end of the input the cell keeps its value, which is then read.
                self.read(cell);
                self.keep(op);
                self.state.forget(cell);
            }
            Op::Input { cell, .. } => {
                self.overwrite(cell, op);
                self.read(cell);
            }
            _ => bug!("an operation that a later pass makes"),
        }
    }

    /// The flag of a loop over `[cell]` that begins here, if a loop over the same cell has
    /// just been entered.
    fn entered_by(&self, cell: i32) -> LoopFlags {
        if self.entered == Some(cell) { LoopFlags::ENTERED } else { LoopFlags::empty() }
    }

    fn output(&mut self, op: Op, repeats: u16, cell: i32, position: u32) {
        match self.state.get(cell) {
            Some(value) => self.keep(Op::OutputByte { byte: value as u8, repeats, position }),
            None => {
                self.read(cell);
                self.keep(op);
            }
        }
    }

    fn scan(&mut self, op: Op, cell: i32) {
        self.keep(op);
        self.bar();
        self.state.forget_all(u64::MAX, 0);
        self.state.set(cell, 0);
    }

    fn add(&mut self, cell: i32, by: u32, position: u32) {
        if let Some(known) = self.state.get(cell) {
            return self.set(cell, known.wrapping_add(by), position);
        }
        if by & self.mask == 0 {
            return;
        }
        match self.store(cell) {
            Some(Op::Add { value, .. }) => *value = (*value as u32).wrapping_add(by) as i32,
            _ => self.keep_store(cell, Op::add(cell, by, position)),
        }
    }

    fn set(&mut self, cell: i32, value: u32, position: u32) {
        let value = value & self.mask;
        if self.state.get(cell) == Some(value) {
            return;
        }
        self.state.set(cell, value);
        let op = Op::set(cell, value, position);
        match self.store(cell) {
            Some(store) => *store = op,
            None => self.keep_store(cell, op),
        }
    }

    /// A store of something unknown; the store before it is dead.
    fn overwrite(&mut self, cell: i32, op: Op) {
        if let Some(store) = self.store(cell) {
            *store = Op::Nop;
        }
        self.keep_store(cell, op);
        self.state.forget(cell);
    }

    fn mul_add(&mut self, predicated: bool, cell: i32, source: i32, factor: u32) {
        if let Some(value) = self.state.get(source) {
            return self.add(cell, value.wrapping_mul(factor), NOWHERE);
        }
        if factor & self.mask == 0 {
            return;
        }
        let is_zero = self.state.get(cell) == Some(0) && !predicated;
        if is_zero && let Some(multiple) = self.copied_back(cell, source) {
            let factor = factor.wrapping_mul(multiple) & self.mask;
            self.read(cell);
            self.state.forget(cell);
            return match factor {
                0 => self.set(cell, 0, NOWHERE),
                1 => {}
                _ => self.keep_store(cell, Op::Copy { cell, source: cell, factor }),
            };
        }
        self.read(source);
        if is_zero {
            return self.overwrite(cell, Op::Copy { cell, source, factor });
        }
        self.read(cell);
        self.keep(Op::MulAdd { predicated, cell, source, factor });
        self.state.forget(cell);
    }

    /// Copy propagation: `[cell]`, which is zero, is to become a multiple of `[copy]`. If
    /// that is a multiple of the value that `[cell]` had before it was cleared, the clear is
    /// deleted and the multiple returned. Nothing has read the zero: a read of a constant
    /// became the constant.
    fn copied_back(&mut self, cell: i32, copy: i32) -> Option<u32> {
        let copied = self.stores[(copy & 31) as usize] as usize;
        let [Op::Copy { cell: to, source, factor }, between @ ..] = self.ops.get_mut(copied..self.kept)?
        else {
            return None;
        };
        if (*to, *source) != (copy, cell) {
            return None;
        }
        let factor = *factor;
        let mut writes = between.iter_mut().filter(|op| op.assigned() == Some(cell));
        match (writes.next(), writes.next()) {
            (Some(clear @ Op::Set { .. }), None) => {
                *clear = Op::Nop;
                Some(factor)
            }
            _ => None,
        }
    }

    fn product(&mut self, op: Op, cell: i32, [left, right]: [i32; 2], factor: u32) {
        for (known, unknown) in [(left, right), (right, left)] {
            if let Some(value) = self.state.get(known) {
                let factor = factor.wrapping_mul(value) & self.mask;
                return self.mul_add(false, cell, unknown, factor);
            }
        }
        self.read(left);
        self.read(right);
        self.read(cell);
        self.keep(op);
        self.state.forget(cell);
    }

    /// Jump threading: a loop over `[cell]` follows. If another ends right here, and
    /// `[cell]` was zero before that one, both are passed over together.
    fn thread(&mut self, cell: i32) {
        let (kept, before) = &self.closed;
        if *kept == self.kept
            && before.get(cell) == Some(0)
            && let Some(Op::Close { flags, .. }) = self.ops.get_mut(kept - 1)
        {
            *flags |= LoopFlags::THREADED;
        }
    }

    fn open(&mut self, mut op: Op) {
        let Op::Open { flags, cell, number, .. } = &mut op else { bug!("not the start of a loop") };
        if self.state.get(*cell).is_some() {
            *flags |= LoopFlags::ENTERED;
        }
        let facts = &self.loops[*number as usize];
        let depth = self.opens.len();
        self.opens.push(self.kept as u32);
        if depth == self.before.len() && depth < DEEPEST {
            self.before.push(State::UNKNOWN);
        }
        if let Some(before) = self.before.get_mut(depth) {
            before.restore(&self.state);
        }
        if !flags.contains(LoopFlags::ONCE) && !facts.is_once() {
            self.state.forget_all(facts.writes(), facts.zeros());
        }
        self.keep(op);
        self.bar();
    }

    fn close(&mut self, op: Op) {
        let Op::Close { mut access, mut flags, cell, drift, position } = op else {
            bug!("not the end of a loop")
        };
        let Some(start) = self.opens.pop() else { bug!("a loop ends that never began") };
        let (start, outside) = (start as usize, self.opens.len());
        let before = self.before.get(outside).unwrap_or(&State::UNKNOWN);
        let [last, first, body @ ..] = &mut self.ops[start - 1..self.kept] else {
            bug!("a loop without a start")
        };
        let Op::Open { flags: open, number, .. } = first else { bug!("a loop without a start") };
        let facts = &self.loops[*number as usize];
        // The cell is counted from the pointer after its move, the state from before.
        if self.state.get(cell.wrapping_add(drift)) == Some(0) {
            if open.contains(LoopFlags::ENTERED) && flags.contains(LoopFlags::BALANCED) {
                // It runs exactly once, so it is no loop. No bar: the body's stores stay open
                // to what follows.
                *first = Op::Nop;
                return;
            }
            *open |= LoopFlags::ONCE;
            flags |= LoopFlags::ONCE;
            access = Access::InBounds;
        } else if flags.contains(LoopFlags::BALANCED)
            && let Some(summary) = summarise::summarise((cell, *number), body, before, self.mask)
            // It takes no more room than the loop.
            && summary.ops().len() <= body.len() + 2
        {
            // The loop that the one before was threaded to is gone.
            if let Op::Close { flags, .. } = last {
                flags.remove(LoopFlags::THREADED);
            }
            return self.replace(start, &summary);
        }
        if !flags.contains(LoopFlags::BALANCED) {
            self.state.forget_all(u64::MAX, 0);
        } else if !open.contains(LoopFlags::ENTERED) {
            self.state.join(before, facts.writes() & !facts.zeros());
        }
        self.state.set(cell, 0);
        self.closed.0 = self.kept + 1;
        self.closed.1.restore(before);
        self.keep(Op::Close { access, flags, cell, drift, position });
        self.bar();
    }

    /// Goes back to where the last loop began, at the index `start`, and goes through its
    /// summary instead.
    fn replace(&mut self, start: usize, summary: &Summary) {
        self.kept = start;
        self.state.restore(self.before.get(self.opens.len()).unwrap_or(&State::UNKNOWN));
        self.bar();
        for op in summary.ops() {
            self.step(*op);
        }
    }
}
