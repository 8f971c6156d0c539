//! Where code must find out whether cells exist.
//!
//! A *stretch* runs from where the base gets a new meaning, or a loop body
//! begins, to the next change of the base or the end of that body. When it begins
//! its outermost cells are probed; if one does not exist, plain code takes over
//! and finds out whether it is ever touched. The tape has no holes, so cells
//! between two that exist exist.
//!
//! Handing over is for ever, so it should not be for nothing. To the left, where
//! programs live close to the edge, only what the stretch does on its own level
//! counts: it is bound to touch that, or never to end. To the right its inner
//! loops count too: few programs come near that edge, and those that do lose speed
//! only.
//!
//! Law: behind the probes every touch is of a cell that exists, except where an
//! operation is flagged [`TOUCHES`], and nothing has been changed since plain code
//! was at the position of a probe.

use super::abi::GUARD;
use super::ir::{BALANCED, FAR, Ir, Kind, Op, Reach, TOUCHES, bit};
use super::{Cells, Options};
use alloc::{vec, vec::Vec};

/// A stretch, by where it begins: with the program, with the body of a loop, or behind
/// the loop. What is probed there, for each.
type Stretches = Vec<Reach>;

const START: usize = 0;

const fn body(number: usize) -> usize {
    2 * number + 1
}

const fn behind(number: usize) -> usize {
    2 * number + 2
}

/// A loop that is open while it is measured.
#[derive(Clone, Copy)]
struct Frame {
    number: usize,
    /// What the loop around it wrote before.
    writes: u64,
    /// The stretch that a balanced loop interrupts.
    outer: (usize, Reach),
    /// What exists where the stretch around the loop begins, besides what it touches.
    known: Reach,
    /// Whether the base moves in loops inside.
    wanders: bool,
}

/// Fills in [`Ir::loops`], and gives what is to be probed.
#[inline(never)]
fn measure(ir: &mut Ir) -> Stretches {
    let Ir { ops, loops, .. } = ir;
    let mut stretches = vec![Reach::NONE; 2 * loops.len() + 1];
    let mut keep = |stretch: usize, reach| {
        if let Some(place) = stretches.get_mut(stretch) {
            *place = reach;
        }
    };
    let mut frames: Vec<Frame> = Vec::new();
    let (mut stretch, mut reach) = (START, Reach::NONE);
    let mut writes = 0u64;
    // What exists where the stretch begins, besides what it touches.
    let mut known = Reach::NONE;
    // The cell of a loop that ended just before.
    let mut zero = None;
    for op in ops.iter() {
        let ended = zero.take();
        match op.kind {
            Kind::Nop => {}
            Kind::Open => {
                reach.join(op.at);
                let number = op.b as usize;
                frames.push(Frame { number, writes, outer: (stretch, reach), known, wanders: false });
                if op.is(BALANCED) {
                    known = known.joined(reach);
                } else {
                    keep(stretch, reach);
                    known = Reach::NONE;
                }
                writes = bit(op.at);
                (stretch, reach) = (body(number), Reach::cell(op.at));
            }
            Kind::Close => {
                let Some(Frame { number, writes: before, outer, known: outside, wanders }) = frames.pop()
                else {
                    continue;
                };
                let Some(about) = loops.get_mut(number) else { continue };
                keep(stretch, reach);
                zero = Some(op.at);
                about.once = ended == Some(op.at.wrapping_add(op.b));
                let back = known.joined(reach);
                known = outside;
                if let Some(around) = frames.last_mut() {
                    around.wanders |= wanders || !op.is(BALANCED);
                }
                if op.is(BALANCED) {
                    let high = reach.high;
                    (stretch, reach) = outer;
                    reach.high = reach.high.max(high);
                } else {
                    writes = u64::MAX;
                    about.back = back.shifted(op.b);
                    about.back.join(op.at);
                    about.strides = !wanders;
                    known = about.leave(op, known.joined(outer.1), about.back);
                    (stretch, reach) = (behind(number), Reach::cell(op.at));
                }
                about.writes = writes;
                writes |= before;
            }
            _ => {
                reach.join(op.at);
                writes |= bit(op.at);
            }
        }
    }
    keep(stretch, reach);
    stretches
}

/// What is known to exist while probes are placed.
struct Placer {
    /// Probes, each with the index of the operation that it comes behind.
    probes: Vec<(usize, Op)>,
    valid: Reach,
    cells: Cells,
}

impl Placer {
    /// How the touch of `[at]` must be made.
    fn flags(&self, at: i32) -> u8 {
        // Cells that cannot be passed without hitting a guard.
        let step = GUARD as i64 >> self.cells as u32;
        let Reach { low, high } = self.valid;
        if self.valid.has(at) {
            0
        } else if !self.valid.is_empty() && at as i64 > low as i64 - step && (at as i64) < high as i64 + step
        {
            TOUCHES
        } else {
            TOUCHES | FAR
        }
    }

    /// Probes a stretch that begins behind the operation at `index`, where plain
    /// code is at `position` with its pointer at `pointer`.
    fn stretch(&mut self, index: usize, reach: Reach, position: u32, pointer: i32) {
        for at in [reach.low, reach.high] {
            let flags = self.flags(at);
            if !reach.is_empty() && flags != 0 {
                self.probes.push((index, Op { flags, ..Op::new(Kind::Probe, at, pointer, position) }));
                self.valid.join(at);
            }
        }
    }
}

/// What exists when a program starts.
fn tape(options: &Options) -> Reach {
    Reach { low: 0, high: i32::try_from(options.tape - 1).unwrap_or(i32::MAX) }
}

/// Measures the program and puts probes into it.
#[inline(never)]
pub(super) fn probe(ir: &mut Ir, options: &Options) {
    let stretches = measure(ir);
    let mut placer = Placer { probes: Vec::new(), valid: tape(options), cells: options.cells };
    // Per open loop, what is valid outside.
    let mut outside: Vec<(usize, Reach)> = Vec::new();
    for (index, op) in ir.ops.iter_mut().enumerate() {
        let (stretch, position) = match op.kind {
            Kind::Open => {
                let number = op.b as usize;
                let Some(about) = ir.loops.get(number) else { continue };
                outside.push((number, placer.valid));
                if !op.is(BALANCED) && !about.once {
                    placer.valid = placer.valid.common(about.back);
                }
                placer.valid.join(op.at);
                (body(number), op.c + 1)
            }
            Kind::Close => {
                let Some((number, valid)) = outside.pop() else { continue };
                if op.is(BALANCED) {
                    placer.valid = valid;
                    continue;
                }
                let Some(about) = ir.loops.get(number) else { continue };
                placer.valid = placer.valid.shifted(op.b);
                op.flags |= placer.flags(op.at);
                placer.valid.join(op.at);
                placer.valid = about.leave(op, valid, placer.valid);
                (behind(number), op.c + 1)
            }
            Kind::Nop => (START, 0),
            _ => continue,
        };
        if let Some(reach) = stretches.get(stretch) {
            placer.stretch(index, *reach, position, op.at);
        }
    }
    insert(&mut ir.ops, placer.probes);
}

/// Puts each of `probes` behind the operation whose index comes with it, from the
/// last to the first, so that every operation moves at most once.
fn insert(ops: &mut Vec<Op>, mut probes: Vec<(usize, Op)>) {
    let mut end = ops.len();
    ops.resize(end + probes.len(), Op::NOP);
    while let Some((index, probe)) = probes.pop() {
        let start = index + 1;
        // Behind this one, as many probes as are left and itself make room.
        ops.copy_within(start..end, start + probes.len() + 1);
        ops[start + probes.len()] = probe;
        end = start;
    }
}

/// Flags the operations of plain code, to begin at `resume` if it is given.
#[inline(never)]
pub(super) fn flag_plain(ir: &mut Ir, options: &Options, resume: Option<u32>) {
    let mut placer = Placer { probes: Vec::new(), valid: tape(options), cells: options.cells };
    // Behind this the pointer may be anywhere.
    let anywhere = resume.map(|position| ir.ops.partition_point(|op| op.c < position));
    for (index, op) in ir.ops.iter_mut().enumerate() {
        if anywhere == Some(index) {
            placer.valid = Reach::NONE;
        }
        match op.kind {
            Kind::Nop => continue,
            Kind::Move => {
                placer.valid = placer.valid.shifted(op.b);
                continue;
            }
            Kind::Open | Kind::Close => {
                op.flags = placer.flags(0);
                placer.valid = Reach::cell(0);
            }
            _ => {
                op.flags = placer.flags(0);
                placer.valid.join(0);
            }
        }
    }
}
