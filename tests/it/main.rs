//! The executable, judged from outside: by strace, qemu-user, readelf, an
//! independent disassembler and /proc. One file per behaviour, one `support`.

mod support;

mod bf;
mod chain;
mod cli;
mod debugger;
mod disasm;
mod docs;
mod elf;
mod engines;
mod fault;
mod fuzz;
mod heap_blocks;
mod hello;
mod hostile;
mod house;
mod io;
mod limits;
mod listing;
mod manual;
mod matrix;
mod native;
mod paste;
mod playground;
mod playground_terminal;
mod probe;
mod probe_command;
mod probe_command_jobs;
mod probe_command_processes;
mod probe_forms;
mod random;
mod refusal;
mod ret_call_run;
mod rpn;
mod sandbox;
mod signal;
mod stepping;
mod trace;

/// For the heap before it says that memory is exhausted; a test is relocated already.
fn relocate() {}

/// The heap is in the executable alone, where no test harness is.
#[path = "../../src/rt/heap.rs"]
mod heap;

/// The memory functions are in the executable alone, where no test harness is.
#[path = "../../src/rt/mem.rs"]
mod mem;
