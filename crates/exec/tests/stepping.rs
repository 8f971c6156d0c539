//! Code that is run instruction by instruction, in copies.

use barejit_exec::{
    Guard, Memory, PageSize, State, Strategy,
    fault::{self, Ending, Next, Place, Stepper},
};
use barejit_sys::signal::{Context, Signal};

/// Goes through all instructions, and keeps their addresses.
struct Addresses(Vec<u64>);

impl Stepper for Addresses {
    fn step(&mut self, context: &mut Context, _: bool) -> Next {
        self.0.push(context.rip);
        Next::Step
    }
}

#[test]
fn a_fault_in_a_copy_leaves_the_registers_of_the_instruction() {
    // nop; call rcx: the copy loads RCX to RAX, then pushes, where no stack is.
    let code = [0x90, 0xFF, 0xD1];
    let (strategy, size) = (Strategy::WriteThenExecute, PageSize::needed(code.len()).expect("it is small"));
    let mut memory = Memory::obtain(strategy, size, Guard::None).expect("memory");
    memory.bytes()[..code.len()].copy_from_slice(&code);
    let start = memory.address();
    let memory = memory.seal().expect("sealed");
    fault::install().expect("handlers");
    let displaced = fault::displace(strategy, &code, start).expect("copies");
    let mut state = State::INITIAL;
    state.rip = start as u64;
    (state.general[0], state.general[1], state.general[4]) = (7, 9, 16);
    let mut addresses = Addresses(Vec::new());
    // SAFETY: (1 to 5) it faults at its second instruction, whose handler has a stack of its
    // own; it calls nothing, lies in `memory`, and is what the copies are of.
    let ending = unsafe {
        fault::resume(&mut state, start..start + code.len(), Some(&mut addresses), Some(&displaced))
    };
    let Ok(Ending::Faulted(fault)) = ending else { panic!("{ending:?}") };
    assert_eq!((fault.signal, fault.place, fault.address), (Signal::SEGV, Place::Code(1), 8), "{fault:?}");
    assert_eq!(addresses.0, [start as u64, start as u64 + 1]);
    assert_eq!(state.rip, start as u64 + 1);
    assert_eq!([0, 1, 4].map(|n| state.general[n]), [7, 9, 16], "RAX, RCX and RSP");
    memory.release().expect("released");
}
