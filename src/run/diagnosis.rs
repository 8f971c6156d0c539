//! The message for a fault in generated code.

use barejit_asm::{
    Code, Hexadecimal, Instruction, Mark, decode,
    table::{Cpuid, Feature, Marks},
};
use barejit_exec::fault::{Fault, Place};
use barejit_sys::signal::{self, Signal};
use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};
use core::fmt;

/// A fault and the code it happened in, as one line says it:
/// `generated code at 0x5 [f7 f9] idiv ecx: SIGFPE (arithmetic error)`.
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

    /// The bytes from the instruction that faulted on.
    fn rest(&self) -> &[u8] {
        match self.fault.place {
            Place::Code(offset) => self.code.bytes().get(offset as usize..).unwrap_or_default(),
            Place::Wild(_) => &[],
        }
    }

    /// The instruction that faulted.
    fn instruction(&self) -> Option<Instruction> {
        decode(self.rest()).ok()
    }

    /// Whether only the kernel may run the instruction.
    fn is_privileged(&self) -> bool {
        self.instruction().is_some_and(|instruction| instruction.row().marks().has(Marks::CPL0))
    }

    /// Why the processor knows no such instruction: a feature that it lacks, or none.
    fn invalid(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = match self.instruction() {
            Some(instruction) => instruction.row().features(instruction.width()),
            // The decoder leaves out EVEX, which 62 begins (SDM vol. 2A, 2.7).
            None if self.rest().first() == Some(&0x62) => [Feature::AVX512F; 2],
            None => return f.write_str("invalid instruction"),
        };
        match needed.into_iter().find(|feature| is_lacking(*feature)) {
            Some(feature) => write!(f, "needs {}, which this CPU lacks", feature.name()),
            None => f.write_str("invalid instruction"),
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
        /// Bytes of what is no instruction.
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
        let (rest, instruction) = (self.rest(), self.instruction());
        let size = instruction.map_or(SHOWN, |instruction| instruction.size());
        write!(f, " [{}]", Hexadecimal(rest.get(..size).unwrap_or(rest)))?;
        let Some(instruction) = instruction else { return Ok(()) };
        write!(f, " {}", instruction.at(offset.into()))?;
        let end = i64::from(offset) + size as i64;
        let target = instruction.distance().and_then(|distance| u32::try_from(end + distance).ok());
        match self.code.names().find(|symbol| Some(symbol.offset) == target) {
            Some(symbol) => write!(f, " ({})", symbol.name),
            None => Ok(()),
        }
    }
}

/// Whether this CPU says by CPUID that it lacks `feature`.
fn is_lacking(feature: Feature) -> bool {
    let Some(Cpuid { leaf, subleaf, register, bit }) = feature.cpuid() else { return false };
    // The first leaf of a range has the number of its last one.
    if __cpuid(leaf & 0x8000_0000).eax < leaf {
        return true;
    }
    let CpuidResult { eax, ebx, ecx, edx } = __cpuid_count(leaf, subleaf);
    [eax, ebx, ecx, edx].get(register).is_none_or(|word| word >> bit & 1 == 0)
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
            Signal::SEGV if reason == signal::KERNEL && self.is_privileged() => {
                f.write_str("a privileged instruction")?;
            }
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
            Signal::ILL => self.invalid(f)?,
            Signal::FPE => f.write_str("arithmetic error")?,
            Signal::TRAP => f.write_str("breakpoint or single step")?,
            _ => write!(f, "syscall {} is refused", i64::from(self.fault.syscall))?,
        }
        f.write_str(")")
    }
}
