//! Loops: their tests, their ends, and what registers hold where ways meet.

use super::super::Cells;
use super::super::cache::{self, Cache};
use super::super::ir::{BALANCED, ENTERED, FAR, Kind, MAYBE, ONCE, Op, THREADED, TOUCHES};
use super::super::registers::{Home, Region};
use super::super::width;
use super::{Emitter, HOMES, touches_first};
use crate::asm::*;

/// Cells that a scan looks at before it calls for vectors: most scans are over by
/// then.
const SCALAR_STEPS: i32 = 8;

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

/// A loop that is being emitted.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    top: Label,
    end: Label,
    /// Whether its cells live in registers.
    region: bool,
    /// What registers hold where it is passed over, if it ever is.
    passed: Option<Cache>,
    /// What registers hold at its top.
    turned: Cache,
}

impl Emitter<'_> {
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

    /// The start of a loop, where it may be passed over: by a short jump, if so few
    /// bytes are in between. Gives a label for its end and what registers hold on the
    /// way there.
    fn pass_over(&mut self, op: &Op, body: Option<usize>) -> (Label, Option<Cache>) {
        let threaded = self.threaded.take();
        let (end, mut passed) = threaded.unwrap_or_else(|| (self.out.a.label(), None));
        if !op.is(ENTERED) {
            if op.kind == Kind::Open && !self.out.knows_flags(op.at) {
                self.operand(op.at, None);
            }
            self.test(op.at);
            // What aligns it, ends it and lets registers hold what they did before.
            let around = if op.kind == Kind::Open { 15 + 30 + 16 * self.cache.held() } else { 0 };
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
        self.out.a.bind(end);
        self.out.forget_flags();
        if let Some(passed) = passed {
            self.cache.meet(passed);
        }
    }

    pub(super) fn open(&mut self, op: &Op, probes: &[Op], index: u32) {
        let behind = self.behind;
        let innermost = innermost(behind, self.out.cells);
        let region = matches!(self.regions.first(), Some(region) if region.open == index);
        let body = innermost.filter(|_| probes.is_empty() && !region);
        let (end, passed) = self.pass_over(op, body);
        let homes = if region { self.regions.first().map(Region::homes) } else { None };
        for probe in probes {
            let loaded = |homes: &[Home]| homes.iter().any(|home| home.at == probe.at);
            self.probe(probe, homes.map_or_else(|| touches_first(probe.at, behind, self.out.cells), loaded));
        }
        if region && let Some((first, rest)) = self.regions.split_first() {
            for (home, &register) in first.homes().iter().zip(&HOMES) {
                self.out.load(register, home.at);
            }
            self.homes = first.homes();
            self.regions = rest;
            self.cache = Cache::EMPTY;
        } else if !op.is(ONCE) {
            // On the way back other cells of an unbalanced loop may not exist.
            let possible = |at| op.is(BALANCED) || at == op.at;
            self.cache.retain(|at| possible(at) && cache::is_read_soon(at, behind));
        }
        self.out.forget_flags();
        if innermost.is_some() && !op.is(ONCE) && self.options.passes.alignment {
            self.out.a.align_code(16);
        }
        let top = self.out.a.here();
        self.frames.push(Frame { top, end, region, passed, turned: self.cache });
    }

    pub(super) fn close(&mut self, op: &Op) {
        let Some(Frame { top, end, region, passed, turned }) = self.frames.pop() else { return };
        if !self.ir.plain {
            self.out.shift(op.b);
            self.cache.shift(op.b);
            if op.is(TOUCHES) {
                self.first_touch(op, op.at);
            }
        }
        if !op.is(ONCE) {
            for (held, at) in self.cache.lacking(turned) {
                self.out.load(HOMES[held], at);
                self.cache.set(held, at);
            }
            self.test(op.at);
            self.out.a.jcc(Cond::Ne, top);
        }
        if region {
            for (home, &register) in core::mem::take(&mut self.homes).iter().zip(&HOMES) {
                if home.written {
                    self.out.store(home.at, register);
                }
            }
        }
        if op.is(ONCE)
            && let Some(passed) = passed
        {
            self.rejoin(op, passed);
        }
        if op.is(THREADED) {
            self.threaded = Some((end, passed));
            self.out.forget_flags();
        } else {
            self.end_loop(end, passed);
        }
    }

    /// At the end of what ran once: lets registers hold what they would if it had not
    /// run, where that is wanted.
    fn rejoin(&mut self, op: &Op, passed: Cache) {
        let probes = self.behind.iter().take_while(|op| matches!(op.kind, Kind::Nop | Kind::Probe));
        for (held, at) in self.cache.lacking(passed) {
            if !cache::is_read_soon(at, self.behind) {
                continue;
            }
            let probe = probes.clone().find(|probe| probe.at == at && probe.kind == Kind::Probe);
            match probe {
                Some(probe) if !probe.is(FAR | MAYBE) => self.first_touch(probe, probe.b),
                None if op.is(BALANCED) => {}
                _ => continue,
            }
            self.out.load(HOMES[held], at);
            self.cache.set(held, at);
        }
    }

    pub(super) fn scan(&mut self, op: &Op) {
        let (end, _) = self.pass_over(op, Some(0));
        let stride = self.out.bytes(op.d as i32);
        let scanner = if self.options.avx2 { self.scanners.find(&mut self.out.a, stride) } else { None };
        if let Some(scanner) = scanner {
            let last = address(RBX).disp(stride.saturating_mul(SCALAR_STEPS));
            self.out.a.lea(RDX, last);
            let step = self.scan_step(op);
            self.out.a.jcc_short(Cond::E, end).cmp_rr(RBX, RDX).jcc(Cond::Ne, step);
            let next = address(RBX).disp(self.out.bytes(op.at) + stride);
            let back = address(RAX).disp(-self.out.bytes(op.at));
            self.out.a.lea(RAX, next).call(scanner).lea(RBX, back);
            // Beyond the tape, this faults.
            self.first_touch(op, op.at);
            self.out.probe(op.at);
        } else {
            let step = self.scan_step(op);
            self.out.a.jcc(Cond::Ne, step);
        }
        self.end_loop(end, Some(Cache::EMPTY));
        if let Some(register) = self.hold(op.at, None) {
            self.out.mov_ri(register, 0);
        }
    }

    /// One step of a scan: sets the zero flag by the next cell.
    fn scan_step(&mut self, op: &Op) -> Label {
        if self.options.passes.alignment {
            self.out.a.align_code(16);
        }
        let step = self.out.a.here();
        self.out.shift(op.d as i32);
        self.first_touch(op, op.at);
        self.out.cmp_m(op.at);
        step
    }
}
