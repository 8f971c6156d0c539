//! How far each stretch of the program reaches, and what each loop writes.
//!
//! A *stretch* runs from where the base gets a new meaning (the start, the body
//! of an unbalanced loop, its end) to the next such place on the same level;
//! balanced loops are inside it, whole. Law: a stretch touches no cell outside
//! its reach, and a balanced loop changes no cell outside its writes. No
//! operation is changed.

use super::ir::{BALANCED, Ir, Kind, Loop, Reach, bit};
use alloc::vec::Vec;

/// A stretch, by where it begins.
#[derive(Clone, Copy)]
pub(super) enum Stretch {
    Start,
    Body(usize),
    After(usize),
}

impl Stretch {
    /// Where the reach of this stretch is kept.
    pub(super) fn reach<'a>(self, loops: &'a mut [Loop], start: &'a mut Reach) -> &'a mut Reach {
        match self {
            Self::Start => start,
            Self::Body(number) => &mut loops[number].body,
            Self::After(number) => &mut loops[number].after,
        }
    }
}

/// Fills in [`Ir::loops`] of a program that is not plain.
pub(super) fn measure(ir: &mut Ir) {
    let Ir { ops, loops, start, .. } = ir;
    let mut stretch = Stretch::Start;
    let mut reach = Reach::NONE;
    // Per open loop: its number, and what the loop around it wrote before.
    let mut outer: Vec<(usize, u64)> = Vec::new();
    let mut writes = 0u64;
    for (index, op) in ops.iter().enumerate() {
        match op.kind {
            Kind::Nop | Kind::PutByte | Kind::Move => {}
            Kind::Open => {
                reach.join(op.at);
                let number = op.b as usize;
                outer.push((number, writes));
                writes = bit(op.at);
                loops[number].size = index as u32;
                if !op.is(BALANCED) {
                    *stretch.reach(loops, start) = reach;
                    (stretch, reach) = (Stretch::Body(number), Reach::cell(op.at));
                }
            }
            Kind::Close => {
                let Some((number, before)) = outer.pop() else { continue };
                if !op.is(BALANCED) {
                    writes = u64::MAX;
                    *stretch.reach(loops, start) = reach;
                    (stretch, reach) = (Stretch::After(number), Reach::cell(op.at));
                }
                loops[number].writes = writes;
                loops[number].size = index as u32 - loops[number].size;
                writes |= before;
            }
            _ => {
                reach.join(op.at);
                writes |= bit(op.at);
            }
        }
    }
    *stretch.reach(loops, start) = reach;
}
