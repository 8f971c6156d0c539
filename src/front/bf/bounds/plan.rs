//! The plan of bounds checks: measures checked regions, and inserts a check of each
//! outermost cell that is not known to exist.
//!
//! Deoptimisation is permanent, so a check should fail only if the baseline code would
//! fault too. To the left, where programs use cells close to the end of the tape, only
//! the accesses that a region makes on its own level count: it is bound to make them, or
//! never to end. To the right, the accesses of its inner loops count too; few programs
//! come near that end, and those lose speed only.
//!
//! Two walks over the program, both linear.

use super::super::abi::GUARD;
use super::super::interval::Interval;
use super::super::ir::{Access, Ir, List, Loop, LoopFlags, Op, bit};
use super::super::{Cells, Options};
use crate::front::bug;
use alloc::vec::Vec;

/// The cells to check of each region, in the order in which the regions begin: with the
/// program, with the body of a loop, behind an unbalanced loop.
type Regions = List<Interval>;

/// The first walk.
struct Measure<'a> {
    loops: &'a mut List<Loop>,
    /// The cells that an interrupted region accesses stand here before it ends.
    regions: Regions,
    /// The numbers of the loops that are open; [`Loop::Open`] has the rest.
    open: Vec<u32>,
    /// The region that the walk is in, and the cells that it accesses.
    region: u32,
    accessed: Interval,
    /// The cells that exist where the region begins, besides those.
    known: Interval,
    /// The cells that the loop writes, as a set of [`bit`]s.
    writes: u64,
    /// How many loops are open around the unbalanced loop that ended last. If the innermost
    /// of these ends next at its depth, it contains that loop, and is unbalanced, too.
    drifted: usize,
}

/// Fills in [`Ir::loops`] and returns the cells to check.
fn measure(ir: &mut Ir) -> Vec<Interval> {
    let Ir { ops, loops, .. } = ir;
    let mut walk = Measure {
        regions: List::new(Vec::with_capacity(loops.len() + 1)),
        loops,
        open: Vec::new(),
        region: 0,
        accessed: Interval::EMPTY,
        known: Interval::EMPTY,
        writes: 0,
        drifted: 0,
    };
    walk.begin_region();
    // The cell of a loop that has just ended.
    let mut ended = None;
    for op in ops.iter() {
        let ended_before = ended.take();
        match *op {
            Op::Nop => {}
            Op::Open { flags, cell, number, .. } => walk.open(flags, cell, number),
            Op::Close { flags, cell, drift, .. } => {
                walk.close(flags, cell, drift, ended_before == Some(cell.wrapping_add(drift)));
                ended = Some(cell);
            }
            Op::Output { cell, .. } => walk.accessed.include(cell),
            _ => {
                let cell =
                    op.cell().unwrap_or_else(|| bug!("an operation without a cell before bounds checks"));
                walk.accessed.include(cell);
                walk.writes |= bit(cell);
            }
        }
    }
    walk.end_region();
    walk.regions.into_vec()
}

impl Measure<'_> {
    fn begin_region(&mut self) {
        self.region = self.regions.len() as u32;
        self.regions.push(Interval::EMPTY);
    }

    fn end_region(&mut self) {
        self.regions[self.region as usize] = self.accessed;
    }

    fn open(&mut self, flags: LoopFlags, cell: i32, number: u32) {
        self.accessed.include(cell);
        self.open.push(number);
        self.loops[number as usize] =
            Loop::Open { region: self.region, known: self.known, writes: self.writes };
        self.end_region();
        self.known = if flags.contains(LoopFlags::BALANCED) {
            self.known.hull(self.accessed)
        } else {
            Interval::EMPTY
        };
        self.writes = bit(cell);
        self.begin_region();
        self.accessed = Interval::cell(cell);
    }

    fn close(&mut self, flags: LoopFlags, cell: i32, drift: i32, is_once: bool) {
        let Some(number) = self.open.pop() else { bug!("a loop ends that never began") };
        self.end_region();
        let facts = &mut self.loops[number as usize];
        let Loop::Open { region, known, writes } = *facts else { bug!("a loop that is not measured") };
        let accessed = self.regions[region as usize];
        if flags.contains(LoopFlags::BALANCED) {
            *facts = Loop::Balanced { is_once, writes: self.writes, zeros: 0 };
            let high = self.accessed.high;
            (self.region, self.accessed) = (region, accessed);
            self.accessed.high = self.accessed.high.max(high);
            self.known = known;
            self.writes |= writes;
        } else {
            let mut exists = self.known.hull(self.accessed).shifted(drift);
            exists.include(cell);
            let around = self.open.len();
            let is_uniform = self.drifted != around + 1;
            self.drifted = around;
            *facts = Loop::Unbalanced { is_once, is_uniform, exists };
            self.known = facts.exists_after((cell, drift), known.hull(accessed), exists);
            self.writes = u64::MAX;
            self.begin_region();
            self.accessed = Interval::cell(cell);
        }
    }
}

/// The state of the second walk.
struct Placement {
    /// Checks, each with the index of the operation that it comes behind.
    checks: Vec<(u32, Op)>,
    /// The cells that are known to exist.
    exists: Interval,
    cells: Cells,
}

impl Placement {
    fn new(options: &Options) -> Self {
        let last = i32::try_from(options.tape - 1).unwrap_or(i32::MAX);
        Self { checks: Vec::new(), exists: Interval { low: 0, high: last }, cells: options.cells }
    }

    /// How an access to `[cell]` has to be made.
    fn access(&self, cell: i32) -> Access {
        // Cells that cannot be passed without hitting a guard.
        let guard = GUARD as i64 >> self.cells as u32;
        let Interval { low, high } = self.exists;
        let is_near = || cell as i64 > low as i64 - guard && (cell as i64) < high as i64 + guard;
        if self.exists.contains(cell) {
            Access::InBounds
        } else if !self.exists.is_empty() && is_near() {
            Access::MayFault
        } else {
            Access::Explicit
        }
    }

    /// Checks the region that begins behind the operation at `index`, where the baseline
    /// code is at `position` with its data pointer at `pointer`.
    fn check(&mut self, index: usize, region: Interval, position: u32, pointer: i32) {
        if region.is_empty() {
            return;
        }
        for cell in [region.low, region.high] {
            let access = self.access(cell);
            if access != Access::InBounds {
                let check = Op::Check { access, predicated: false, cell, pointer, position };
                self.checks.push((index as u32, check));
                self.exists.include(cell);
            }
        }
    }
}

/// Measures the program and inserts its checks.
pub(in crate::front::bf) fn insert(ir: &mut Ir, options: &Options) {
    let mut regions = measure(ir).into_iter();
    let mut walk = Placement::new(options);
    // For each open loop: its number, and the cells that exist before it.
    let mut open: Vec<(u32, Interval)> = Vec::new();
    for (index, op) in ir.ops.iter_mut().enumerate() {
        let (position, pointer) = match op {
            Op::Nop if index == 0 => (0, 0),
            Op::Open { flags, cell, number, position, .. } => {
                let facts = &ir.loops[*number as usize];
                open.push((*number, walk.exists));
                if !flags.contains(LoopFlags::BALANCED) && !facts.is_once() {
                    walk.exists = walk.exists.join(facts.exists());
                }
                walk.exists.include(*cell);
                (*position + 1, *cell)
            }
            Op::Close { access, flags, cell, drift, position } => {
                let Some((number, before)) = open.pop() else { bug!("a loop ends that never began") };
                if flags.contains(LoopFlags::BALANCED) {
                    walk.exists = before;
                    continue;
                }
                let facts = &ir.loops[number as usize];
                walk.exists = walk.exists.shifted(*drift);
                *access = walk.access(*cell);
                walk.exists.include(*cell);
                walk.exists = facts.exists_after((*cell, *drift), before, walk.exists);
                (*position + 1, *cell)
            }
            _ => continue,
        };
        let Some(region) = regions.next() else { bug!("a region that was not measured") };
        walk.check(index, region, position, pointer);
    }
    drop((regions, open));
    insert_all(&mut ir.ops, walk.checks);
}

/// Inserts each of `checks` behind the operation whose index comes with it. It goes from
/// the last to the first, so that every operation moves at most once.
fn insert_all(ops: &mut List<Op>, mut checks: Vec<(u32, Op)>) {
    let mut end = ops.len();
    ops.resize(end + checks.len(), Op::Nop);
    while let Some((index, check)) = checks.pop() {
        let start = index as usize + 1;
        // This check and those before it make room.
        ops.copy_within(start..end, start + checks.len() + 1);
        ops[start + checks.len()] = check;
        end = start;
    }
}

/// Says of the accesses of baseline code how they have to be made. With `resume`, the code
/// is also entered at that position, with the data pointer anywhere.
pub(in crate::front::bf) fn mark_baseline(ir: &mut Ir, options: &Options, resume: Option<u32>) {
    let mut walk = Placement::new(options);
    let entry = resume.map(|position| first_from(&ir.ops, position));
    for (index, op) in ir.ops.iter_mut().enumerate() {
        if entry == Some(index) {
            walk.exists = Interval::EMPTY;
        }
        match op {
            Op::Nop => {}
            Op::Move { distance, .. } => walk.exists = walk.exists.shifted(*distance),
            Op::Open { access, .. } | Op::Close { access, .. } => {
                *access = walk.access(0);
                walk.exists = Interval::cell(0);
            }
            Op::Add { access, .. } | Op::Output { access, .. } | Op::Input { access, .. } => {
                *access = walk.access(0);
                walk.exists.include(0);
            }
            _ => bug!("an operation that baseline code has not"),
        }
    }
}

/// The index of the first operation of baseline code at `position` or behind it.
pub(in crate::front::bf) fn first_from(ops: &[Op], position: u32) -> usize {
    ops.partition_point(|op| op.position().unwrap_or(0) < position)
}
