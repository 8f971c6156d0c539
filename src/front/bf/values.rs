//! Known values, through loops; loops to ifs and formulas; dead stores; constant
//! output.
//!
//! One walk over the program that carries [`Known`]. Laws:
//! - what a loop does not write is known behind it as before it; its own cell is
//!   zero behind it;
//! - a loop whose cell is known to be zero at its start is nothing, and one whose
//!   cell is known to be zero at its end runs at most once;
//! - a store is dead if the next thing that happens to its cell, in a straight
//!   line, is another store;
//! - output of a known value is output of a constant.
//!
//! Stores never move over a probe or a change of the base: there memory must be
//! what plain code would have left.

use super::ir::{BALANCED, ENTERED, FAR, Ir, Kind, Loop, MAYBE, NOWHERE, ONCE, Op, THREADED, TOUCHES, body};
use super::known::Known;
use super::{Cells, Eof, solve};
use alloc::vec::Vec;

/// A loop that is open.
struct Frame {
    /// Index of its `Open` among the operations kept.
    open: usize,
    /// Whether what was known before it is on the stack of such.
    saved: bool,
}

/// No store.
const NONE: u32 = u32::MAX;

struct Walk<'a> {
    loops: &'a [Loop],
    cells: Cells,
    eof: Eof,
    known: Known,
    /// By the lowest five bits of a cell's distance: the store to it that nothing
    /// has read yet, as an index.
    stores: [u32; 32],
    frames: Vec<Frame>,
    saved: Vec<Known>,
    /// What was known before the loop that was closed last, and how much was kept
    /// when it was.
    closed: Option<(usize, Known)>,
    /// The cell whose loop has just been entered and that nothing has written to.
    entered: Option<i32>,
    kept: usize,
}

/// Rewrites the program, in place.
#[inline(never)]
pub(super) fn propagate(ir: &mut Ir, cells: Cells, eof: Eof) {
    let Ir { ops, loops, .. } = ir;
    let mut walk = Walk {
        loops,
        cells,
        eof,
        known: Known::START,
        stores: [NONE; 32],
        frames: Vec::new(),
        saved: Vec::new(),
        closed: None,
        entered: None,
        kept: 0,
    };
    let mut read = 0;
    while let Some(&op) = ops.get(read) {
        read += 1;
        if matches!(op.kind, Kind::Open | Kind::Scan) && walk.known.get(op.at) == Some(0) {
            if op.kind == Kind::Open {
                read = behind(ops, read);
            }
            continue;
        }
        walk.step(ops, op);
    }
    ops.truncate(walk.kept);
}

/// Index of the operation behind the loop whose body begins at `from`.
fn behind(ops: &[Op], from: usize) -> usize {
    from + ops.get(from..).map_or(0, |ops| body(ops).map_or(ops.len(), |body| body + 1))
}

impl Walk<'_> {
    fn mask(&self) -> u32 {
        u32::MAX >> (32 - 8 * self.cells.bytes() as u32)
    }

    fn get(&self, at: i32) -> Option<u32> {
        self.known.get(at)
    }

    #[inline(never)] // Many keep.
    fn keep(&mut self, ops: &mut [Op], op: Op) {
        ops[self.kept] = op;
        self.kept += 1;
    }

    /// The store to `at` that nothing has read, if there is one.
    fn store<'o>(&self, ops: &'o mut [Op], at: i32) -> Option<&'o mut Op> {
        let op = ops.get_mut(self.stores[(at & 31) as usize] as usize)?;
        if op.at == at { Some(op) } else { None }
    }

    fn reads(&mut self, at: i32) {
        self.stores[(at & 31) as usize] = NONE;
    }

    /// The next operation kept is a store to `at`.
    fn stores(&mut self, at: i32) {
        self.stores[(at & 31) as usize] = self.kept as u32;
    }

    fn step(&mut self, ops: &mut [Op], mut op: Op) {
        let entered = self.entered == Some(op.at);
        match op.kind {
            Kind::Open | Kind::Scan => {
                op.flags |= if entered { ENTERED } else { 0 };
                self.thread(ops, op.at);
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
                    self.keep(ops, op);
                }
            }
            Kind::Add => self.add(ops, op.at, op.b as u32, op.c),
            Kind::Set => self.set(ops, op.at, op.b as u32, op.c),
            Kind::Mul => self.mul(ops, op),
            Kind::Copy => match self.get(op.b) {
                Some(value) => self.set(ops, op.at, value.wrapping_mul(op.c), NOWHERE),
                None => {
                    self.reads(op.b);
                    self.overwrite(ops, op);
                }
            },
            Kind::Product => self.product(ops, op),
            Kind::Put => match self.get(op.at) {
                Some(value) => self.keep(ops, Op::new(Kind::PutByte, 0, value as u8 as i32, op.c)),
                None => {
                    self.reads(op.at);
                    self.keep(ops, op);
                }
            },
            Kind::PutByte => self.keep(ops, op),
            Kind::Probe => {
                self.stores = [NONE; 32];
                self.keep(ops, op);
            }
            Kind::Get => {
                if self.eof == Eof::Unchanged {
                    self.reads(op.at);
                    self.keep(ops, op);
                    self.known.forget(op.at);
                } else {
                    self.overwrite(ops, op);
                    self.reads(op.at);
                }
            }
            Kind::Open => self.open(ops, op),
            Kind::Close => self.close(ops, op),
            Kind::Scan => {
                self.keep(ops, op);
                self.forget_base(op.at);
            }
        }
    }

    fn add(&mut self, ops: &mut [Op], at: i32, value: u32, c: u32) {
        if let Some(known) = self.get(at) {
            return self.set(ops, at, known.wrapping_add(value), c);
        }
        if value & self.mask() == 0 {
            return;
        }
        match self.store(ops, at) {
            Some(store) if store.kind == Kind::Add => store.b = (store.b as u32).wrapping_add(value) as i32,
            _ => {
                self.stores(at);
                self.keep(ops, Op::new(Kind::Add, at, value as i32, c));
            }
        }
    }

    fn set(&mut self, ops: &mut [Op], at: i32, value: u32, c: u32) {
        let value = value & self.mask();
        if self.get(at) == Some(value) {
            return;
        }
        self.known.set(at, value);
        match self.store(ops, at) {
            Some(store) => *store = Op::new(Kind::Set, at, value as i32, c),
            None => {
                self.stores(at);
                self.keep(ops, Op::new(Kind::Set, at, value as i32, c));
            }
        }
    }

    /// A store of something unknown; what was stored before is dead.
    fn overwrite(&mut self, ops: &mut [Op], op: Op) {
        if let Some(store) = self.store(ops, op.at) {
            *store = Op::NOP;
        }
        self.stores(op.at);
        self.keep(ops, op);
        self.known.forget(op.at);
    }

    fn mul(&mut self, ops: &mut [Op], op: Op) {
        if let Some(value) = self.get(op.b) {
            return self.add(ops, op.at, value.wrapping_mul(op.c), NOWHERE);
        }
        if op.c & self.mask() == 0 {
            return;
        }
        self.reads(op.b);
        if self.get(op.at) == Some(0) && !op.is(MAYBE) {
            return self.overwrite(ops, Op { kind: Kind::Copy, ..op });
        }
        self.reads(op.at);
        self.keep(ops, op);
        self.known.forget(op.at);
    }

    fn product(&mut self, ops: &mut [Op], op: Op) {
        let (one, other) = (op.b, op.other_factor());
        for (known, unknown) in [(one, other), (other, one)] {
            if let Some(value) = self.get(known) {
                let c = op.c.wrapping_mul(value) & self.mask();
                return self.mul(ops, Op::new(Kind::Mul, op.at, unknown, c));
            }
        }
        self.reads(one);
        self.reads(other);
        self.reads(op.at);
        self.keep(ops, op);
        self.known.forget(op.at);
    }

    /// A loop over `[at]` follows. If another ends right here, and `[at]` was zero
    /// before that, then both are passed over together.
    fn thread(&self, ops: &mut [Op], at: i32) {
        if let Some((kept, before)) = &self.closed
            && *kept == self.kept
            && before.get(at) == Some(0)
        {
            ops[kept - 1].flags |= THREADED;
        }
    }

    /// The base changes; the cell at `at` is zero then.
    fn forget_base(&mut self, at: i32) {
        self.stores = [NONE; 32];
        self.known.forget_all(u64::MAX);
        self.known.set(at, 0);
    }

    fn open(&mut self, ops: &mut [Op], mut op: Op) {
        if self.get(op.at).is_some() {
            op.flags |= ENTERED;
        }
        self.stores = [NONE; 32];
        let about = self.loops[op.b as usize];
        let saved = (about.size as usize) < solve::BODY;
        if saved {
            self.saved.push(self.known);
        }
        self.frames.push(Frame { open: self.kept, saved });
        self.keep(ops, op);
        if op.is(BALANCED) {
            self.known.forget_all(about.writes);
        } else {
            self.known.forget_all(u64::MAX);
        }
    }

    fn close(&mut self, ops: &mut [Op], mut op: Op) {
        let Some(Frame { open, saved }) = self.frames.pop() else { return };
        let before = if saved { self.saved.pop() } else { None };
        let Op { b: number, flags, .. } = ops[open];
        if !op.is(BALANCED) {
            // From the new base; here the old one still counts.
            if self.get(op.at.wrapping_add(op.b)) == Some(0) {
                ops[open].flags |= ONCE;
                op.flags = op.flags & !(TOUCHES | FAR) | ONCE;
            }
            self.keep(ops, op);
            self.closed = before.map(|before| (self.kept, before));
            return self.forget_base(op.at);
        }
        if self.get(op.at) == Some(0) {
            if flags & ENTERED != 0 {
                // It runs exactly once: no loop at all. The body stays open to
                // what comes behind it.
                ops[open] = Op::NOP;
                return;
            }
            ops[open].flags |= ONCE;
            op.flags |= ONCE;
        } else if let Some(before) = before
            && let Some((answer, used)) =
                solve::solve(op.at, number, &ops[open + 1..self.kept], &before, self.mask())
            && self.fits(&answer[..used], open)
        {
            self.kept = open;
            // What the loop before it was threaded to is no more.
            ops[open - 1].flags &= !THREADED;
            self.known = before;
            self.stores = [NONE; 32];
            for op in &answer[..used] {
                self.step(ops, *op);
            }
            return;
        }
        self.keep(ops, op);
        self.closed = before.map(|before| (self.kept, before));
        self.stores = [NONE; 32];
        self.known.forget_all(self.loops[number as usize].writes);
        self.known.set(op.at, 0);
    }

    /// Whether an answer takes no more room than the loop that began at `open`.
    fn fits(&self, answer: &[Op], open: usize) -> bool {
        answer.len() <= self.kept + 1 - open
    }
}
