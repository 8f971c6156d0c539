//! Code memory for JITs on x86-64 Linux that is never writable and executable at once,
//! guarded calls of the code in it, and its registration with debuggers and profilers.
//!
//! ```text
//!           obtain                 load              seal              function
//!   Strategy ────▶ Memory<Writable> ──▶ bytes, holes ──▶ Memory<Executable> ──▶ Callable
//!                    rw-p                                  r-xp      │  F::call(…)
//!                      ▲              make_writable                  │
//!                      └─────────────────────────────────────────────┘
//! ```
//!
//! [`Memory`] spends itself to change its phase, so code that still runs cannot be written
//! and memory that is still written cannot be called. [`fault`] turns a signal of generated
//! code into a value. [`debug`] gives names and lines to gdb and perf. Bytes come from
//! [`barejit_asm`] or from anywhere else.
//!
//! # Examples
//! A function from bytes, sealed and called:
//! ```
//! use barejit_asm::Code;
//! use barejit_exec::{Guard, Memory, PageSize, Strategy};
//!
//! # fn main() -> Result<(), barejit_exec::Error> {
//! let size = PageSize::needed(4)?;
//! let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::PAGE)?;
//! memory.load(&Code::new(&[0x8D, 0x04, 0x37, 0xC3]));
//! let memory = memory.seal()?;
//! // SAFETY: (1, 2) lea eax, [rdi+rsi]; ret
//! let add = unsafe { memory.function::<extern "sysv64" fn(u32, u32) -> u32>(0) };
//! assert_eq!(add.call(40, 2), 42);
//! memory.release()
//! # }
//! ```
//! Code that is written again, through a second view of a memory file, where the host lets no
//! page change its protection:
//! ```
//! # use barejit_asm::Code;
//! # use barejit_exec::{Guard, Memory, PageSize, Strategy};
//! # fn main() -> Result<(), barejit_exec::Error> {
//! let mut memory = Memory::obtain(Strategy::TwoViews, PageSize::needed(6)?, Guard::None)?;
//! for value in [1u8, 2] {
//!     memory.load(&Code::new(&[0xB8, value, 0, 0, 0, 0xC3]));
//!     let executable = memory.make_executable()?;
//!     // SAFETY: (1, 2) mov eax, value; ret
//!     let number = unsafe { executable.function::<extern "sysv64" fn() -> u32>(0) };
//!     assert_eq!(number.call(), value.into());
//!     memory = executable.make_writable()?;
//! }
//! memory.release()
//! # }
//! ```
//! A fault that comes back as a value:
//! ```
//! # use barejit_asm::Code;
//! # use barejit_exec::{Guard, Memory, PageSize, Strategy};
//! use barejit_exec::fault::{self, Ending, Place};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut memory = Memory::obtain(Strategy::WriteThenExecute, PageSize::needed(2)?, Guard::None)?;
//! memory.load(&Code::new(&[0x0F, 0x0B]));
//! let memory = memory.seal()?;
//! fault::install()?;
//! // SAFETY: (1, 2) it is only handed to `fault::call`.
//! let entry = unsafe { memory.function::<fault::Entry>(0).pointer() };
//! let code = memory.address()..memory.address() + 2;
//! // SAFETY: (1, 2) ud2 raises a signal; (3, 4, 5) it does nothing else, and the memory stays;
//! // (6) no other thread has called `install`.
//! let ending = unsafe { fault::call(entry, &[0; 6], code) };
//! let Ok(Ending::Faulted(fault)) = ending else { panic!("{ending:?}") };
//! assert_eq!((fault.signal.name(), fault.place), ("ILL", Place::Code(0)));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! | feature | what it adds |
//! |---|---|
//! | `gdb` | [`debug`]`::gdb`, registration with debuggers by GDB's JIT interface; it brings the symbols `__jit_debug_register_code` and `__jit_debug_descriptor`, of which a process can have one pair |
//!
//! # Strategies
//! | [`Strategy`] | way | passes where protection may not change |
//! |---|---|:--:|
//! | `WriteThenExecute` | anonymous pages, written, then made executable | no |
//! | `TwoViews` | a memory file mapped twice, writable here, executable there | yes |
//! | `SealedFile` | a memory file, sealed for good, then mapped executable | yes |
//! | `UnlinkedFile` | two views of a nameless file | yes |
//!
//! # Guarantees
//! - No sequence of safe calls makes a page writable and executable, or calls code that is
//!   not sealed or no longer mapped. [`Unprotected`], which is both, is for demonstrations,
//!   and its constructor is unsafe.
//! - A refused call is an [`Error`] that names the call and the errno. Guards are mapped by
//!   `MAP_FIXED`, whose answer shows the effect, so a success that did not happen is an error
//!   too.
//! - One guarded call runs at a time in a process; a second caller gets [`fault::Busy`].
//! - Nothing is printed, no thread is started, and no handler is installed before
//!   [`fault::install`].
//!
//! # Minimum supported Rust version
//! 1.94, held by clippy. The target is x86-64 Linux; anything else does not compile.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("barejit-exec runs x86-64 machine code on Linux; barejit-asm builds it on any host");

pub mod debug;
pub mod fault;
mod memory;
mod state;

pub use memory::*;
pub use state::State;
