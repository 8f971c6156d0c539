//! Loops: their tests, their ends, and what registers hold at control-flow merges.
//!
//! A loop has its test at the end (loop inversion; Muchnick, *Advanced Compiler Design and
//! Implementation*, 18.5), and one at the start that passes it over, unless it is known to be
//! entered. A merge looks at six registers: constant time for each loop. Invariant: at a merge, registers hold their join,
//! what they hold on every edge; on the edge back to the loop's top, they hold what they
//! held when it was reached first, the *loop-header state*.

use super::{ASSIGNABLE, Emitter, Point};
use crate::front::bf::bounds::fuse::{accesses_first, leading_check};
use crate::front::bf::interval::Interval;
use crate::front::bf::ir::{Access, Assigned, LoopFlags, Op, Promoted};
use crate::front::bf::local::{Cache, Registers, register};
use crate::front::bf::{Cells, cells};
use crate::front::bug;
use alloc::vec::Vec;
use barejit_asm::*;

/// Bytes of a loop's body at most, if there is no loop in it; more than any code has if the
/// label of its end is bound elsewhere.
fn innermost_size(behind: &[Op], width: Cells) -> Option<usize> {
    let mut bytes = 0;
    for op in behind {
        match *op {
            Op::Close { access, flags, .. } => {
                let is_far = access == Access::Explicit || flags.contains(LoopFlags::THREADED);
                return Some(if is_far { usize::MAX } else { bytes });
            }
            Op::Open { .. } => break,
            // No jump is that short.
            _ if bytes > 127 => {}
            _ => bytes += cells::size(op, width),
        }
    }
    None
}

/// Where the body of a loop stands, and where its cells are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    InLine,
    /// In line, and the loop is promoted.
    Promoted,
    /// A [`ColdBody`](super::cold::ColdBody).
    Cold,
}

/// A loop that is being emitted.
pub(super) struct OpenLoop {
    pub(super) top: Backward,
    pub(super) end: Label,
    pub(super) body: Body,
    /// The cells in registers where it is passed over, if it ever is.
    pub(super) passed: Option<Cache>,
    /// The header state of the loop around it.
    pub(super) outer_header: Cache,
    /// The cells that exist after an iteration.
    pub(super) exists: Interval,
}

/// The loops that are being emitted, one in another. There can be millions, so only those
/// registers of a [`Cache`] are kept that hold a cell, and only intervals that say something.
#[derive(Default)]
pub(super) struct LoopStack {
    loops: Vec<PackedLoop>,
    cells: Vec<i32>,
}

/// An [`OpenLoop`] whose caches are sets of registers; their cells lie on a stack, and so does
/// the interval if it is not [`Interval::ALL`].
struct PackedLoop {
    top: Backward,
    end: Label,
    body: Body,
    has_interval: bool,
    /// [`Registers::NEVER`] if it is never passed over.
    passed: Registers,
    outer_header: Registers,
}

const _: () = assert!(size_of::<PackedLoop>() == 12);

impl LoopStack {
    pub(super) fn is_empty(&self) -> bool {
        self.loops.is_empty()
    }

    pub(super) fn push(&mut self, open: OpenLoop) {
        let OpenLoop { top, end, body, passed, outer_header, exists } = open;
        let passed = passed.map_or(Registers::NEVER, |passed| passed.push_to(&mut self.cells));
        let outer_header = outer_header.push_to(&mut self.cells);
        let has_interval = exists != Interval::ALL;
        if has_interval {
            self.cells.extend([exists.low, exists.high]);
        }
        self.loops.push(PackedLoop { top, end, body, has_interval, passed, outer_header });
    }

    pub(super) fn pop(&mut self) -> Option<OpenLoop> {
        let PackedLoop { top, end, body, has_interval, passed, outer_header } = self.loops.pop()?;
        let mut exists = Interval::ALL;
        if has_interval {
            (exists.high, exists.low) = (self.cells.pop()?, self.cells.pop()?);
        }
        let outer_header = Cache::pop_from(&mut self.cells, outer_header);
        let passed = (passed != Registers::NEVER).then(|| Cache::pop_from(&mut self.cells, passed));
        Some(OpenLoop { top, end, body, passed, outer_header, exists })
    }
}

/// An edge out of a loop before its end.
pub(super) struct EarlyExit {
    from: Label,
    /// How far the data pointer still has to move, in cells.
    behind: i32,
    /// The cells in registers after that.
    cache: Cache,
}

/// The cell that the test of a loop, a scan or an early exit reads.
fn tested(op: &Op) -> i32 {
    op.cell().unwrap_or_else(|| bug!("a test of no cell"))
}

impl<'a> Emitter<'a, '_> {
    /// The cells that exist after an iteration of a loop, as far as registers care.
    pub(super) fn exists_after(&self, open: &Op) -> Interval {
        match *open {
            // Registers hold cells that existed before, if any.
            Op::Open { flags, .. }
                if flags.contains(LoopFlags::BALANCED) || !self.options.passes.registers =>
            {
                Interval::ALL
            }
            Op::Open { number, .. } => self.ir.facts(number).exists(),
            _ => bug!("not the start of a loop"),
        }
    }

    /// Sets the zero flag by `[cell]`.
    fn test(&mut self, cell: i32) {
        if self.out.flag_is_of(cell) {
            return;
        }
        match self.held(cell) {
            Some(register) => self.out.test_r(cell, register),
            None => self.out.cmp_m(cell),
        }
    }

    /// Sets the zero flag by the cell of a loop or a scan where it starts, or of an early
    /// exit.
    pub(super) fn test_start(&mut self, op: &Op) {
        let cell = tested(op);
        if !matches!(op, Op::Scan { .. }) && !self.out.flag_is_of(cell) {
            self.operand(cell, None);
        }
        self.test(cell);
    }

    /// The start of a loop, where it may be passed over: by a short jump, if so few bytes
    /// are in between. Returns the label of its end and what registers hold on that edge.
    pub(super) fn pass_over(&mut self, op: &Op, body: Option<usize>) -> (Label, Option<Cache>) {
        let threaded = self.threaded.take();
        let (end, mut passed) = threaded.unwrap_or_else(|| (self.out.a.label(), None));
        let is_entered = match *op {
            Op::Open { flags, .. } => flags.contains(LoopFlags::ENTERED),
            Op::Scan { entered, .. } => entered,
            _ => bug!("neither a loop nor a scan"),
        };
        if !is_entered {
            self.test_start(op);
            // Alignment, the end of the loop, loads that restore what registers held.
            let around = 15 + 30 + 16 * self.cache.held();
            if body.is_some_and(|body| body.saturating_add(around) <= 127) {
                self.out.a.jcc_short(Cond::E, end);
            } else {
                self.out.a.jcc(Cond::E, end);
            }
            passed.get_or_insert(self.cache).join(self.cache);
        }
        (end, passed)
    }

    /// The end of a loop, a merge with the edge that passes it over.
    pub(super) fn end_loop(&mut self, end: Label, passed: Option<Cache>) {
        self.out.bind(end);
        if let Some(passed) = passed {
            self.cache.join(passed);
        }
    }

    /// The start of the loop `op`, at this index of the list, whose body begins with
    /// `checks` and goes on with the operations ahead.
    pub(super) fn open(&mut self, op: &Op, checks: &[Op], index: u32) {
        let Op::Open { flags, .. } = *op else { bug!("not the start of a loop") };
        let body = self.ahead.ops;
        let innermost = innermost_size(body, self.out.cells);
        let ir = self.ir;
        let assigned = if flags.contains(LoopFlags::PROMOTED) {
            let promoted = ir.promoted.binary_search_by_key(&index, |promoted| promoted.open).ok();
            promoted.and_then(|found| ir.promoted.get(found)).map(Promoted::registers)
        } else {
            None
        };
        let size = innermost.filter(|_| checks.is_empty() && assigned.is_none());
        let (end, passed) = self.pass_over(op, size);
        for check in checks {
            self.leading_check(check, assigned, body);
        }
        let (outer_header, exists) = (self.ahead.header, self.exists_after(op));
        if let Some(assigned) = assigned {
            self.load_promoted(assigned);
        } else if !flags.contains(LoopFlags::ONCE) && self.options.passes.registers {
            self.set_header(exists);
        }
        if innermost.is_some() && !flags.contains(LoopFlags::ONCE) && self.options.passes.layout {
            self.out.a.align_code(16);
        }
        let top = self.out.a.backward();
        self.out.forget_flag();
        let body = if assigned.is_some() { Body::Promoted } else { Body::InLine };
        self.loops.push(OpenLoop { top, end, body, passed, outer_header, exists });
    }

    /// A check in front of a loop's `body`. The loads of a promoted loop can be the check.
    fn leading_check(&mut self, check: &Op, assigned: Option<&[Assigned]>, body: &[Op]) {
        let Op::Check { access, cell, pointer, position, .. } = *check else { bug!("not a check") };
        let is_loaded = |assigned: &[Assigned]| assigned.iter().any(|assigned| assigned.cell == cell);
        let is_fused = assigned.map_or_else(|| accesses_first(cell, body, self.out.cells), is_loaded);
        self.check(Point { access, cell, position, pointer }, is_fused);
    }

    /// Loads the cells of a promoted loop.
    fn load_promoted(&mut self, assigned: &'a [Assigned]) {
        for (assigned, &register) in assigned.iter().zip(&ASSIGNABLE) {
            self.out.load(register, assigned.cell);
        }
        self.assigned = assigned;
        self.cache = Cache::EMPTY;
        self.ahead.header = Cache::EMPTY;
    }

    /// Chooses the header state of a loop, after whose iterations these cells exist.
    fn set_header(&mut self, exists: Interval) {
        if let Some(cell) = self.ahead.first_test() {
            self.operand(cell, None);
        }
        self.ahead.header = Cache::EMPTY;
        self.cache.retain(|cell| exists.contains(cell) && self.ahead.reads(cell));
        self.ahead.header = self.cache;
    }

    /// An early exit of the innermost loop.
    pub(super) fn exit(&mut self, op: &Op) {
        let Op::Exit { access, cell, drift, position } = *op else { bug!("not an early exit") };
        self.access_by(access, cell, position);
        self.test_start(op);
        let mut cache = self.cache;
        cache.shift(drift);
        let from = self.early_exit(drift, cache);
        self.out.a.jcc(Cond::E, from);
    }

    /// A label for an early exit where the data pointer still has to move by so many cells;
    /// `cache` is what registers hold after that.
    pub(super) fn early_exit(&mut self, behind: i32, cache: Cache) -> Label {
        let from = self.out.a.label();
        self.exits.push(EarlyExit { from, behind, cache });
        from
    }

    /// Moves the data pointer on each early exit of a loop, whose end is `end`: each by what
    /// the exit before it does not need, then falling through to that one.
    pub(super) fn catch_up(&mut self, end: Label) {
        self.out.a.jmp_short(end);
        while let Some(exit) = self.exits.pop() {
            self.out.bind(exit.from);
            self.out.move_pointer(exit.behind - self.exits.last().map_or(0, |exit| exit.behind));
            self.cache.join(exit.cache);
        }
        self.out.bind(end);
    }

    pub(super) fn close(&mut self, op: &Op) {
        let Op::Close { access, flags, cell, drift, position } = *op else { bug!("not the end of a loop") };
        if self.ir.is_baseline {
            self.access_by(access, cell, position);
        }
        let Some(OpenLoop { top, end, body, passed, outer_header, exists }) = self.loops.pop() else {
            bug!("a loop ends that never began")
        };
        let header = core::mem::replace(&mut self.ahead.header, outer_header);
        if !self.ir.is_baseline {
            self.out.move_pointer(drift);
            self.cache.shift(drift);
        }
        if !flags.contains(LoopFlags::ONCE) {
            self.jump_back(Point { access, cell, position, pointer: cell }, header, exists);
            self.out.a.jcc_backward(Cond::Ne, top);
        }
        if !self.exits.is_empty() {
            let over = self.out.a.label();
            self.catch_up(over);
        }
        if body == Body::Promoted {
            self.store_promoted();
        }
        if flags.contains(LoopFlags::ONCE)
            && let Some(passed) = passed
        {
            self.rejoin(passed, exists, body == Body::Cold);
        }
        if body == Body::Cold {
            self.out.a.jmp(end);
        } else if flags.contains(LoopFlags::THREADED) {
            self.threaded = Some((end, passed));
            self.out.forget_flag();
        } else {
            self.end_loop(end, passed);
        }
    }

    /// Before the jump back to a loop's top: makes registers hold the header state, and tests
    /// the loop's cell, which may not exist.
    fn jump_back(&mut self, point: Point, header: Cache, exists: Interval) {
        let cell = point.cell;
        let may_fault = point.access != Access::InBounds && !self.ir.is_baseline;
        if !self.options.passes.registers {
            if may_fault {
                self.deopt_point(point);
            }
            return self.test(cell);
        }
        self.rejoin_by_moves(header);
        let needs_loads = self.cache.lacking(header).any(|(_, other)| other != cell);
        if may_fault {
            self.deopt_point(point);
        }
        match header.find(cell) {
            // Nothing, if it holds the cell already.
            Some(register) => self.reload(register, cell),
            // Only this access shows that the other cells exist.
            None if may_fault && needs_loads => self.out.cmp_m(cell),
            None => {}
        }
        self.rejoin(header, exists, true);
        self.test(cell);
    }

    /// Stores the cells of the promoted loop that ends here.
    fn store_promoted(&mut self) {
        for (assigned, &register) in core::mem::take(&mut self.assigned).iter().zip(&ASSIGNABLE) {
            if assigned.written {
                self.out.store(assigned.cell, register);
            }
        }
    }

    /// Makes registers hold what they do on another edge to a merge: `all` of it, or what is
    /// read soon behind the merge. A cell is known to exist if `exists` contains it.
    fn rejoin(&mut self, other: Cache, exists: Interval, all: bool) {
        self.rejoin_by_moves(other);
        for (register, cell) in self.cache.lacking(other) {
            if !all && !self.ahead.reads(cell) {
                continue;
            }
            if !exists.contains(cell) {
                let Some((position, pointer)) = leading_check(cell, self.ahead.ops) else { continue };
                self.deopt_point(Point { access: Access::MayFault, cell, position, pointer });
            }
            self.reload(register, cell);
        }
    }

    /// Does so with the cells that registers hold already.
    fn rejoin_by_moves(&mut self, other: Cache) {
        for (register, cell) in self.cache.lacking(other) {
            if self.held(cell).is_some() {
                self.reload(register, cell);
            }
        }
    }

    /// Makes the register with this number hold `[cell]` besides memory.
    fn reload(&mut self, number: usize, cell: i32) {
        self.read(register(&ASSIGNABLE, number), cell);
        self.cache.set(number, cell);
    }
}
