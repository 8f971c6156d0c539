//! Loops: their tests, their ends, and what registers hold where ways meet.

use super::{Emitter, HOMES, Outline, touches_first};
use crate::front::bf::cache::Cache;
use crate::front::bf::ir::{BALANCED, ENTERED, FAR, Kind, MAYBE, ONCE, Op, Reach, THREADED, TOUCHES};
use crate::front::bf::registers::{Home, Region};
use crate::front::bf::{Cells, width};
use barejit_asm::*;

/// Steps of a scan before it jumps back or calls for vectors, each with a jump that is
/// not taken before the end: those cost less. Most scans are over by then, and what was
/// just stored is in the cache.
const STEPS: i32 = 4;

/// Bytes of code of a loop's body at most, if there is no loop in it; more than any
/// if its end is elsewhere.
fn innermost(behind: &[Op], cells: Cells) -> Option<usize> {
    let mut bytes = 0;
    for op in behind {
        match op.kind {
            Kind::Close if op.flags & (FAR | THREADED) != 0 => return Some(usize::MAX),
            Kind::Close => return Some(bytes),
            Kind::Open => break,
            _ => bytes += width::size(op, cells),
        }
    }
    None
}

/// The probe of `[at]`, if it is among those that `ops` begin with.
pub(super) fn next_probe(at: i32, ops: &[Op]) -> Option<&Op> {
    let mut probes = ops.iter().take_while(|op| matches!(op.kind, Kind::Nop | Kind::Probe));
    probes.find(|op| op.kind == Kind::Probe && op.at == at && !op.is(FAR | MAYBE))
}

/// Where the body of a loop is, and its cells are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    InLine,
    /// In line, and its cells live in registers alone.
    Region,
    /// Of an [`Aside`](super::aside::Aside).
    Aside,
}

/// A loop that is being emitted.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) top: Label,
    pub(super) end: Label,
    pub(super) body: Body,
    /// What registers hold where it is passed over, if it ever is.
    pub(super) passed: Option<Cache>,
    /// What registers hold at the top of the loop around it.
    pub(super) outer: Cache,
    /// What exists when a round is over.
    pub(super) exists: Reach,
}

/// A way out of a loop before its end.
pub(super) struct Exit {
    from: Label,
    /// How far the base is behind, in cells.
    behind: i32,
    /// What registers hold once it has caught up.
    cache: Cache,
}

impl Emitter<'_, '_> {
    /// What exists when a round of a loop is over, as far as registers care.
    pub(super) fn exists_after(&self, open: &Op) -> Reach {
        if open.is(BALANCED) {
            // Registers hold cells that existed before.
            return Reach::ALL;
        }
        self.ir.loops.get(open.b as usize).map_or(Reach::NONE, |about| about.back)
    }

    /// Sets the zero flag by a cell.
    fn test(&mut self, at: i32) {
        if self.out.knows_flags(at) {
            return;
        }
        match self.held(at) {
            Some(register) => self.out.test_r(at, register),
            None => self.out.cmp_m(at),
        }
    }

    /// Sets the zero flag by the cell of a loop or a scan where it starts, or of a way out.
    pub(super) fn test_start(&mut self, op: &Op) {
        if op.kind != Kind::Scan && !self.out.knows_flags(op.at) {
            self.operand(op.at, None);
        }
        self.test(op.at);
    }

    /// The start of a loop, where it may be passed over: by a short jump, if so few
    /// bytes are in between. Gives a label for its end and what registers hold on the
    /// way there.
    fn pass_over(&mut self, op: &Op, body: Option<usize>) -> (Label, Option<Cache>) {
        let threaded = self.threaded.take();
        let (end, mut passed) = threaded.unwrap_or_else(|| (self.out.a.label(), None));
        if !op.is(ENTERED) {
            self.test_start(op);
            // What aligns it, ends it and lets registers hold what they did before.
            let around = 15 + 30 + 16 * self.cache.held();
            if body.is_some_and(|body| body.saturating_add(around) <= 127) {
                self.out.a.jcc_short(Cond::E, end);
            } else {
                self.out.a.jcc(Cond::E, end);
            }
            passed.get_or_insert(self.cache).meet(self.cache);
        }
        (end, passed)
    }

    /// The end of a loop, which is also reached by passing it over.
    pub(super) fn end_loop(&mut self, end: Label, passed: Option<Cache>) {
        self.out.bind(end);
        if let Some(passed) = passed {
            self.cache.meet(passed);
        }
    }

    pub(super) fn open(&mut self, op: &Op, probes: &[Op], index: u32) {
        let behind = self.ahead.ops;
        let innermost = innermost(behind, self.out.cells);
        let region = self.regions.binary_search_by_key(&index, |region| region.open).ok();
        let homes = region.and_then(|region| self.regions.get(region)).map(Region::homes);
        let body = innermost.filter(|_| probes.is_empty() && homes.is_none());
        let (end, passed) = self.pass_over(op, body);
        for probe in probes {
            let loaded = |homes: &[Home]| homes.iter().any(|home| home.at == probe.at);
            self.probe(probe, homes.map_or_else(|| touches_first(probe.at, behind, self.out.cells), loaded));
        }
        let (outer, exists) = (self.ahead.turned, self.exists_after(op));
        if let Some(homes) = homes {
            for (home, &register) in homes.iter().zip(&HOMES) {
                self.out.load(register, home.at);
            }
            self.homes = homes;
            self.cache = Cache::EMPTY;
            self.ahead.turned = Cache::EMPTY;
        } else if !op.is(ONCE) {
            if let Some(at) = self.ahead.first_test() {
                self.operand(at, None);
            }
            self.ahead.turned = Cache::EMPTY;
            // On the way back other cells may not exist.
            self.cache.retain(|at| exists.has(at) && self.ahead.reads(at));
            self.ahead.turned = self.cache;
        }
        if innermost.is_some() && !op.is(ONCE) && self.options.passes.placement {
            self.out.a.align_code(16);
        }
        let top = self.out.a.label();
        self.out.bind(top);
        let body = if homes.is_some() { Body::Region } else { Body::InLine };
        self.frames.push(Frame { top, end, body, passed, outer, exists });
    }

    /// A way out of the innermost loop.
    pub(super) fn exit(&mut self, op: &Op) {
        if op.is(TOUCHES) {
            self.first_touch(op, op.at);
        }
        self.test_start(op);
        let mut cache = self.cache;
        cache.shift(op.b);
        let from = self.way_out(op.b, cache);
        self.out.a.jcc(Cond::E, from);
    }

    /// A label for a way out of a loop where the base is so many cells behind; what
    /// registers hold once it has caught up.
    fn way_out(&mut self, behind: i32, cache: Cache) -> Label {
        let from = self.out.a.label();
        self.exits.push(Exit { from, behind, cache });
        from
    }

    /// Lets the base catch up on each way out of a loop, which ends behind that: up to the
    /// one before, and on.
    fn catch_up(&mut self, end: Label) {
        self.out.a.jmp_short(end);
        while let Some(exit) = self.exits.pop() {
            self.out.bind(exit.from);
            self.out.shift(exit.behind - self.exits.last().map_or(0, |exit| exit.behind));
            self.cache.meet(exit.cache);
        }
        self.out.bind(end);
    }

    pub(super) fn close(&mut self, op: &Op) {
        let Some(Frame { top, end, body, passed, outer, exists }) = self.frames.pop() else { return };
        let turned = core::mem::replace(&mut self.ahead.turned, outer);
        if !self.ir.plain {
            self.out.shift(op.b);
            self.cache.shift(op.b);
        }
        if !op.is(ONCE) {
            self.rejoin_by_moves(turned);
            let other = self.cache.lacking(turned).find(|&(_, at)| at != op.at);
            let touches = op.is(TOUCHES) && !self.ir.plain;
            if touches {
                self.first_touch(op, op.at);
            }
            match turned.find(op.at) {
                Some(held) if self.cache.find(op.at) != Some(held) => self.reload(held, op.at),
                // What other cells exist is known only then.
                None if touches && other.is_some() => self.out.cmp_m(op.at),
                _ => {}
            }
            self.rejoin(turned, exists, true);
            self.test(op.at);
            self.out.a.jcc(Cond::Ne, top);
        }
        if !self.exits.is_empty() {
            let over = self.out.a.label();
            self.catch_up(over);
        }
        if body == Body::Region {
            for (home, &register) in core::mem::take(&mut self.homes).iter().zip(&HOMES) {
                if home.written {
                    self.out.store(home.at, register);
                }
            }
        }
        if op.is(ONCE)
            && let Some(passed) = passed
        {
            self.rejoin(passed, exists, body == Body::Aside);
        }
        if body == Body::Aside {
            self.out.a.jmp(end);
            return;
        }
        if op.is(THREADED) {
            self.threaded = Some((end, passed));
            self.out.forget_flags();
        } else {
            self.end_loop(end, passed);
        }
    }

    /// Lets registers hold what they do on another way to where this one leads; at
    /// least what is read soon there, or all of it. `[at]` is known to be there if
    /// `exists` has it.
    fn rejoin(&mut self, other: Cache, exists: Reach, all: bool) {
        self.rejoin_by_moves(other);
        for (held, at) in self.cache.lacking(other) {
            if !all && !self.ahead.reads(at) {
                continue;
            }
            if !exists.has(at) {
                let Some(probe) = next_probe(at, self.ahead.ops) else { continue };
                self.first_touch(probe, probe.b);
            }
            self.reload(held, at);
        }
    }

    /// Does so with what registers hold already.
    fn rejoin_by_moves(&mut self, other: Cache) {
        for (held, at) in self.cache.lacking(other) {
            if self.held(at).is_some() {
                self.reload(held, at);
            }
        }
    }

    /// Lets one of the registers that hold cells besides memory hold `[at]`.
    fn reload(&mut self, held: usize, at: i32) {
        if let Some(&register) = HOMES.get(held) {
            self.read(register, at);
            self.cache.set(held, at);
        }
    }

    pub(super) fn scan(&mut self, op: &Op) {
        let (end, _) = self.pass_over(op, None);
        let stride = op.b;
        let bytes = self.out.bytes(stride);
        let scanner = if self.options.avx2 { self.scanners.find(self.out.a, bytes) } else { None };
        if self.options.passes.placement && scanner.is_none() {
            self.out.a.align_code(16);
        }
        let round = self.out.a.here();
        // The mark holds for all steps; none is so long that it could jump over a guard.
        debug_assert!(!op.is(FAR));
        self.first_touch(op, op.at);
        for step in 1..STEPS {
            let from = self.way_out(step * stride, Cache::EMPTY);
            self.out.cmp_m(op.at + step * stride);
            self.out.a.jcc_short(Cond::E, from);
        }
        self.out.shift(STEPS * stride);
        self.out.cmp_m(op.at);
        match scanner {
            Some(scanner) => {
                let from = self.out.a.label();
                self.out.a.jcc(Cond::Ne, from);
                self.outline(Outline::Scan { from, back: end, scanner, op: *op });
            }
            None => drop(self.out.a.jcc(Cond::Ne, round)),
        }
        self.cache = Cache::EMPTY;
        self.catch_up(end);
        self.become_known(op.at, 0);
    }
}
