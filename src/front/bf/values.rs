//! Known values, through loops; loops to ifs and formulas; dead stores; constant
//! output.
//!
//! One walk over the program that carries [`Known`]. Laws:
//! - what a loop does not write is known behind it as before it; its own cell is
//!   zero behind it, and what it leaves as it was is known in it and behind it too;
//! - a loop whose cell is known to be zero at its start is nothing, and one whose
//!   cell is known to be zero at its end runs at most once;
//! - a store is dead if the next thing that happens to its cell, in a straight
//!   line, is another store;
//! - what is cleared and then gets back what it was copied to was never cleared, and if
//!   that was a multiple, it was multiplied;
//! - output of a known value is output of a constant.
//!
//! Stores never move over a probe or a change of the base: there memory must be
//! what plain code would have left.

use super::ir::{BALANCED, ENTERED, FAR, Ir, Kind, Loop, MAYBE, NOWHERE, ONCE, Op, THREADED, TOUCHES, body};
use super::known::Known;
use super::{Eof, Options, solve, zeros};
use alloc::vec::Vec;
use core::slice;

/// No store.
const NONE: u32 = u32::MAX;

struct Walk<'a> {
    /// The operations kept, and those still to be read.
    ops: &'a mut [Op],
    loops: &'a [Loop],
    /// Cuts a value to a cell.
    mask: u32,
    eof: Eof,
    known: Known,
    /// By the lowest five bits of a cell's distance: the store to it that nothing
    /// has read yet, as an index.
    stores: [u32; 32],
    /// Of loops that are open: the index of the `Open` among the operations kept.
    opens: Vec<usize>,
    /// What was known before each of them.
    before: Vec<Known>,
    /// How much was kept when a loop was closed last, and what was known before it.
    closed: (usize, Known),
    /// The cell whose loop has just been entered and that nothing has written to.
    entered: Option<i32>,
    kept: usize,
}

/// Rewrites the program, in place.
#[inline(never)]
pub(super) fn propagate(ir: &mut Ir, options: &Options) {
    zeros::find(ir);
    let Ir { ops, loops, .. } = ir;
    let mut walk = Walk {
        ops,
        loops,
        mask: u32::MAX >> (32 - 8 * options.cells.bytes()),
        eof: options.eof,
        known: Known::START,
        stores: [NONE; 32],
        opens: Vec::new(),
        before: Vec::new(),
        closed: (0, Known::START),
        entered: None,
        kept: 0,
    };
    let mut read = 0;
    while let Some(op) = walk.ops.get(read) {
        read += 1;
        if !matches!(op.kind, Kind::Open | Kind::Scan) || walk.get(op.at) != Some(0) {
            walk.step(*op);
        } else if op.kind == Kind::Open {
            let behind = walk.ops.get(read..).unwrap_or_default();
            read += body(behind).map_or(behind.len(), |body| body + 1);
        }
    }
    let kept = walk.kept;
    ops.truncate(kept);
}

impl Walk<'_> {
    fn get(&self, at: i32) -> Option<u32> {
        self.known.get(at)
    }

    #[inline(never)] // Many keep.
    fn keep(&mut self, op: Op) {
        self.ops[self.kept] = op;
        self.kept += 1;
    }

    /// Keeps a store that nothing has read yet.
    fn keep_store(&mut self, op: Op) {
        self.stores[(op.at & 31) as usize] = self.kept as u32;
        self.keep(op);
    }

    /// The store to `at` that nothing has read, if there is one.
    fn store(&mut self, at: i32) -> Option<&mut Op> {
        let op = self.ops.get_mut(self.stores[(at & 31) as usize] as usize)?;
        if op.at == at { Some(op) } else { None }
    }

    fn reads(&mut self, at: i32) {
        self.stores[(at & 31) as usize] = NONE;
    }

    /// No store moves over what comes here.
    #[inline(never)] // Many bar.
    fn bar(&mut self) {
        self.stores = [NONE; 32];
    }

    fn step(&mut self, mut op: Op) {
        let entered = self.entered == Some(op.at);
        match op.kind {
            Kind::Open | Kind::Scan => {
                op.flags |= if entered { ENTERED } else { 0 };
                self.thread(op.at);
                self.entered = if op.kind == Kind::Open { Some(op.at) } else { None };
            }
            Kind::Nop | Kind::Probe | Kind::Put | Kind::PutByte => {}
            _ if entered || op.kind == Kind::Close => self.entered = None,
            _ => {}
        }
        match op.kind {
            // Loops are unrolled later.
            Kind::Nop | Kind::Move | Kind::Exit => {
                if self.kept == 0 {
                    self.keep(op);
                }
            }
            Kind::Add => self.add(op.at, op.b as u32, op.c),
            Kind::Set => self.set(op.at, op.b as u32, op.c),
            Kind::Mul => self.mul(op),
            Kind::Copy => match self.get(op.b) {
                Some(value) => self.set(op.at, value.wrapping_mul(op.c), NOWHERE),
                None => {
                    self.reads(op.b);
                    self.overwrite(op);
                }
            },
            Kind::Product => self.product(op),
            Kind::Put => match self.get(op.at) {
                Some(value) => {
                    self.keep(Op { d: op.d, ..Op::new(Kind::PutByte, 0, value as u8 as i32, op.c) });
                }
                None => {
                    self.reads(op.at);
                    self.keep(op);
                }
            },
            Kind::PutByte => self.keep(op),
            Kind::Probe => {
                self.bar();
                self.keep(op);
            }
            Kind::Get => {
                if self.eof == Eof::Unchanged {
                    self.reads(op.at);
                    self.keep(op);
                    self.known.forget(op.at);
                } else {
                    self.overwrite(op);
                    self.reads(op.at);
                }
            }
            Kind::Open => self.open(op),
            Kind::Close => self.close(op),
            Kind::Scan => {
                self.keep(op);
                self.bar();
                self.known.forget_all(u64::MAX, 0);
                self.known.set(op.at, 0);
            }
        }
    }

    fn add(&mut self, at: i32, value: u32, c: u32) {
        if let Some(known) = self.get(at) {
            return self.set(at, known.wrapping_add(value), c);
        }
        if value & self.mask == 0 {
            return;
        }
        match self.store(at) {
            Some(store) if store.kind == Kind::Add => store.b = (store.b as u32).wrapping_add(value) as i32,
            _ => self.keep_store(Op::new(Kind::Add, at, value as i32, c)),
        }
    }

    fn set(&mut self, at: i32, value: u32, c: u32) {
        let value = value & self.mask;
        if self.get(at) == Some(value) {
            return;
        }
        self.known.set(at, value);
        let op = Op::new(Kind::Set, at, value as i32, c);
        match self.store(at) {
            Some(store) => *store = op,
            None => self.keep_store(op),
        }
    }

    /// A store of something unknown; what was stored before is dead.
    fn overwrite(&mut self, op: Op) {
        if let Some(store) = self.store(op.at) {
            *store = Op::NOP;
        }
        self.keep_store(op);
        self.known.forget(op.at);
    }

    fn mul(&mut self, op: Op) {
        if let Some(value) = self.get(op.b) {
            return self.add(op.at, value.wrapping_mul(op.c), NOWHERE);
        }
        if op.c & self.mask == 0 {
            return;
        }
        let clears = self.get(op.at) == Some(0) && !op.is(MAYBE);
        if clears && let Some(factor) = self.restores(op.at, op.b) {
            let c = op.c.wrapping_mul(factor) & self.mask;
            self.reads(op.at);
            self.known.forget(op.at);
            return match c {
                0 => self.set(op.at, 0, NOWHERE),
                1 => {}
                _ => self.keep_store(Op { kind: Kind::Copy, b: op.at, c, ..op }),
            };
        }
        self.reads(op.b);
        if clears {
            return self.overwrite(Op { kind: Kind::Copy, ..op });
        }
        self.reads(op.at);
        self.keep(op);
        self.known.forget(op.at);
    }

    /// The multiple that `[copy]` is of what `[at]`, known to be zero, was before it was
    /// cleared, if it is one; then it is cleared no more. Nothing has read the zero, for
    /// who would have had a constant instead.
    fn restores(&mut self, at: i32, copy: i32) -> Option<u32> {
        let copied = self.stores[(copy & 31) as usize] as usize;
        let [made, between @ ..] = self.ops.get_mut(copied..self.kept)? else { return None };
        if made.kind != Kind::Copy || (made.at, made.b) != (copy, at) {
            return None;
        }
        let mut writes = between.iter_mut().filter(|op| op.changes(at));
        match (writes.next(), writes.next()) {
            (Some(clear), None) if clear.kind == Kind::Set => {
                *clear = Op::NOP;
                Some(made.c)
            }
            _ => None,
        }
    }

    fn product(&mut self, op: Op) {
        let (one, other) = (op.b, op.other_factor());
        for (known, unknown) in [(one, other), (other, one)] {
            if let Some(value) = self.get(known) {
                let c = op.c.wrapping_mul(value) & self.mask;
                return self.mul(Op::new(Kind::Mul, op.at, unknown, c));
            }
        }
        self.reads(one);
        self.reads(other);
        self.reads(op.at);
        self.keep(op);
        self.known.forget(op.at);
    }

    /// A loop over `[at]` follows. If another ends right here, and `[at]` was zero
    /// before that, then both are passed over together.
    fn thread(&mut self, at: i32) {
        let (kept, before) = &self.closed;
        if *kept == self.kept
            && before.get(at) == Some(0)
            && let Some(close) = self.ops.get_mut(kept - 1)
        {
            close.flags |= THREADED;
        }
    }

    fn open(&mut self, mut op: Op) {
        if self.get(op.at).is_some() {
            op.flags |= ENTERED;
        }
        let Some(about) = self.loops.get(op.b as usize) else { return };
        self.opens.push(self.kept);
        // From place to place: it is as large as many operations.
        self.before.extend_from_slice(slice::from_ref(&self.known));
        self.keep(op);
        self.bar();
        if !op.is(ONCE) && !about.once {
            self.known.forget_all(about.writes, about.zeros);
        }
    }

    fn close(&mut self, mut op: Op) {
        let Some(start) = self.opens.pop() else { return };
        let outside = self.opens.len();
        let (Some([last, open, body @ ..]), Some(before)) =
            (self.ops.get_mut(start - 1..self.kept), self.before.get(outside))
        else {
            return;
        };
        // From the new base; here the old one still counts.
        if self.known.get(op.at.wrapping_add(op.b)) == Some(0) {
            if open.is(ENTERED) && op.is(BALANCED) {
                // It runs exactly once: no loop at all. The body stays open to
                // what comes behind it.
                *open = Op::NOP;
                return self.before.truncate(outside);
            }
            open.flags |= ONCE;
            op.flags = op.flags & !(TOUCHES | FAR) | ONCE;
        } else if op.is(BALANCED)
            && let Some(answer) = solve::solve(op.at, open.b, body, before, self.mask)
            // It takes no more room than the loop.
            && answer.ops().len() <= body.len() + 2
        {
            self.kept = start;
            // What the loop before it was threaded to is no more.
            last.flags &= !THREADED;
            self.known = *before;
            self.before.truncate(outside);
            self.bar();
            for op in answer.ops() {
                self.step(*op);
            }
            return;
        }
        if !op.is(BALANCED) {
            self.known.forget_all(u64::MAX, 0);
        } else if !open.is(ENTERED) {
            let about = self.loops.get(open.b as usize);
            self.known.or(before, about.map_or(u64::MAX, |about| about.writes & !about.zeros));
        }
        self.known.set(op.at, 0);
        self.closed = (self.kept + 1, *before);
        self.before.truncate(outside);
        self.keep(op);
        self.bar();
    }
}
