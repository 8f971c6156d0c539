//! The message for a fault in generated code.

use barejit_asm::{Code, Hexadecimal, Mark};
use barejit_exec::fault::{Fault, Place};
use barejit_sys::signal::{self, Signal};
use core::fmt;

/// A fault and the code it happened in, as one line says it:
/// `generated code at 0x5 [F7 F9 C3]: SIGFPE (arithmetic error)`.
#[derive(Clone, Copy, Debug)]
pub struct Diagnosis<'a> {
    /// The fault.
    pub fault: Fault,
    /// The code in which it happened.
    pub code: &'a Code<'a>,
}

impl Diagnosis<'_> {
    /// The front end's mark of the instruction.
    pub fn mark(&self) -> Option<Mark> {
        match self.fault.place {
            Place::Code(offset) => self.code.mark_at(offset),
            Place::Wild(_) => None,
        }
    }

    /// The size of the code.
    fn size(&self) -> u64 {
        self.code.bytes().len() as u64
    }

    /// Whether `address` is in the rest of the last page, which is zero, or just behind
    /// it, so that the code got there by running on.
    fn ran_off(&self, address: usize) -> bool {
        const PAGE: usize = 4096;
        let end = self.fault.start + self.code.bytes().len();
        (end..=end.next_multiple_of(PAGE)).contains(&address)
    }

    fn place(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// As many bytes as show most instructions whole.
        const SHOWN: usize = 8;
        let offset = match self.fault.place {
            Place::Code(offset) => offset,
            Place::Wild(address) if self.ran_off(address) => {
                return write!(f, "generated code ran off its end at {:#x} (is a ret missing?)", self.size());
            }
            Place::Wild(address) => return write!(f, "generated code, gone astray to {address:#x}"),
        };
        write!(f, "generated code at {:#x}", u64::from(offset))?;
        if let Some(symbol) = self.code.symbol_at(offset) {
            write!(f, " in {}", symbol.name)?;
        }
        let rest = &self.code.bytes()[offset as usize..];
        write!(f, " [{}]", Hexadecimal(rest.get(..SHOWN).unwrap_or(rest)))
    }
}

impl fmt::Display for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// SEGV_MAPERR and BUS_ADRALN of sigaction(2).
        const MAPERR: i32 = 1;
        const ADRALN: i32 = 1;
        self.place(f)?;
        let Fault { signal, reason, address, .. } = self.fault;
        write!(f, ": SIG{} (", signal.name())?;
        match signal {
            _ if reason <= 0 => f.write_str("sent by a process")?,
            Signal::SEGV if self.fault.overflow => f.write_str("the overflow trap, int 4")?,
            // #GP and #SS (SDM vol. 3A, 6.15) bring no address.
            Signal::SEGV if reason == signal::KERNEL => {
                f.write_str("a privileged instruction, or an address not aligned or not canonical")?;
            }
            Signal::BUS if reason == signal::KERNEL => f.write_str("an address that is not canonical")?,
            Signal::BUS if reason == ADRALN => f.write_str("an address that is not aligned")?,
            Signal::SEGV if reason == MAPERR => write!(f, "nothing is mapped at {address:#x}")?,
            Signal::SEGV if self.fault.at_itself() => f.write_str("the page is not executable")?,
            Signal::SEGV => write!(f, "access to {address:#x} is not permitted")?,
            Signal::BUS => write!(f, "no memory behind {address:#x}")?,
            Signal::ILL => f.write_str("invalid instruction")?,
            Signal::FPE => f.write_str("arithmetic error")?,
            Signal::TRAP => f.write_str("breakpoint or single step")?,
            _ => write!(f, "syscall {} is refused", i64::from(self.fault.syscall))?,
        }
        f.write_str(")")
    }
}
