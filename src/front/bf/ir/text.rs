//! The text form of the intermediate representation, for people and for tests.
//!
//! One operation a line, loops indented. Values and factors are signed; facts that
//! passes noted about a loop stand behind `;`.

use super::{Access, Ir, LoopFlags, Op};
use crate::front::bug;
use core::fmt::{self, Display, Formatter};

/// The program as it is after a pass. Its [`Display`] is the text form.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a>(pub(in crate::front::bf) &'a Ir);

impl Snapshot<'_> {
    /// How many operations there are.
    pub fn operations(&self) -> usize {
        self.0.ops.iter().filter(|op| **op != Op::Nop).count()
    }
}

impl Display for Snapshot<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut depth = 0usize;
        let mut promoted = self.0.promoted.iter().peekable();
        for (index, op) in self.0.ops.iter().enumerate() {
            if *op == Op::Nop {
                continue;
            }
            if let Op::Close { .. } = op {
                let Some(outer) = depth.checked_sub(1) else { bug!("a loop ends that never began") };
                depth = outer;
            }
            // `width$` pads to as many columns as 64 bits can say.
            write!(f, "{:width$}{op}", "", width = 2 * depth)?;
            if let Op::Open { number, .. } = op {
                depth += 1;
                self.facts(*number, f)?;
            }
            if let Some(region) = promoted.next_if(|region| region.open as usize == index) {
                f.write_str(" ; in registers:")?;
                for register in region.registers() {
                    write!(f, " [{}]{}", register.cell, if register.written { "*" } else { "" })?;
                }
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Snapshot<'_> {
    /// Facts about a loop that no operation says.
    fn facts(&self, number: u32, f: &mut Formatter<'_>) -> fmt::Result {
        let facts = self.0.facts(number);
        let exists = facts.exists();
        if !exists.is_empty() {
            write!(f, " ; after an iteration [{}] to [{}] exist", exists.low, exists.high)?;
        }
        if facts.is_uniform() {
            f.write_str(" ; uniform drift")?;
        }
        if facts.is_once() {
            f.write_str(" ; ends with a loop on its cell")?;
        }
        let mut separator = " ; zero again:";
        for cell in (0..64).filter(|cell| facts.zeros() >> cell & 1 == 1) {
            write!(f, "{separator} [{cell}]")?;
            separator = "";
        }
        Ok(())
    }
}

/// `value × [cell]` without a factor of one.
fn times(factor: u32) -> impl Display {
    fmt::from_fn(move |f| match factor as i32 {
        1 => Ok(()),
        factor => write!(f, "{factor} × "),
    })
}

/// The mark of an access that may fault.
fn access(access: Access) -> &'static str {
    match access {
        Access::InBounds => "",
        Access::MayFault => " ; may fault",
        Access::Explicit => " ; may fault, explicit check",
    }
}

fn flags(flags: LoopFlags) -> impl Display {
    fmt::from_fn(move |f| {
        let name = |flag, name| if flags.contains(flag) { name } else { "" };
        f.write_str(name(LoopFlags::BALANCED, " ; balanced"))?;
        f.write_str(name(LoopFlags::ONCE, " ; at most once"))?;
        f.write_str(name(LoopFlags::ENTERED, " ; entered"))?;
        f.write_str(name(LoopFlags::THREADED, " ; threaded"))
    })
}

fn repeats(more: u16) -> impl Display {
    fmt::from_fn(move |f| match more {
        0 => Ok(()),
        more => write!(f, ", {} times", i64::from(more) + 1),
    })
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Nop => f.write_str("nop"),
            Self::Check { access: how, predicated, cell, pointer, position } => {
                write!(f, "check [{cell}]")?;
                if predicated {
                    write!(f, " if [{pointer}] != 0")?;
                }
                write!(f, ", deopt to {position} with pointer {pointer}")?;
                f.write_str(if how == Access::Explicit { " ; explicit check" } else { "" })
            }
            Self::Add { access: how, cell, value, .. } => write!(f, "[{cell}] += {value}{}", access(how)),
            Self::Set { access: how, cell, value, .. } => write!(f, "[{cell}] = {value}{}", access(how)),
            Self::MulAdd { predicated, cell, source, factor } => {
                if predicated {
                    write!(f, "if [{source}] != 0: ")?;
                }
                write!(f, "[{cell}] += {}[{source}]", times(factor))
            }
            Self::Copy { cell, source, factor } => write!(f, "[{cell}] = {}[{source}]", times(factor)),
            Self::Product { right, cell, left, factor } => {
                write!(f, "[{cell}] += {}[{left}] × [{}]", times(factor), left + i32::from(right))
            }
            Self::Output { access: how, repeats: more, cell, .. } => {
                write!(f, "output [{cell}]{}{}", repeats(more), access(how))
            }
            Self::OutputByte { byte, repeats: more, .. } => {
                write!(f, "output byte {}{}", i64::from(byte), repeats(more))
            }
            Self::Input { access: how, cell, .. } => write!(f, "input [{cell}]{}", access(how)),
            Self::Open { access: how, flags: facts, cell, .. } => {
                write!(f, "while [{cell}] {{{}{}", flags(facts), access(how))
            }
            Self::Close { access: how, flags: facts, cell, drift, .. } => {
                f.write_str("}")?;
                if drift != 0 {
                    write!(f, " pointer += {drift}, tests [{cell}]")?;
                }
                let noted = facts.difference(LoopFlags::BALANCED | LoopFlags::ONCE);
                write!(f, "{}{}", flags(noted), access(how))
            }
            Self::Exit { access: how, cell, drift, .. } => {
                write!(f, "exit if [{cell}] == 0, pointer += {drift}{}", access(how))
            }
            Self::Scan { entered, cell, stride, .. } => {
                write!(f, "scan from [{cell}] by {stride}{}", if entered { " ; entered" } else { "" })
            }
            Self::Move { distance, .. } => write!(f, "pointer += {distance}"),
        }
    }
}
