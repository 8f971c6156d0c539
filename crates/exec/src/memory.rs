//! Memory for machine code, in phases that the type shows.
//!
//! ```text
//!                     ┌──────────── make_writable(self) ─────────────┐
//!                     ▼                                              │
//! obtain ──▶ Memory<Writable> ──make_executable(self)──▶ Memory<Patchable>
//!             filled  │                                   called     │
//!                     └─seal(self)─▶ Memory<Executable> ◀─seal(self)─┘
//!                                      called ──release(self)──▶ gone
//! ```
//!
//! No safe path makes a page writable and executable at once, calls what is not
//! sealed, or calls what is no longer mapped. How that is done is a [`Strategy`];
//! a host that denies one may grant another. The recipes of the classic articles
//! that break these rules stand apart: [`Unprotected`] needs an `unsafe fn`, and
//! [`seal_in_place`] makes a static page executable and ends its being writable. This file
//! does not know what the bytes mean.

mod file;

pub use barejit_sys::{Error, Guard, PageSize};
pub use file::{DIRECTORIES, Directory};

use barejit_asm::{Code, Page};
use barejit_sys::{Contents, Errno, Fd, MapFlags, OwnedFd, Prot, Region, linux, piece};
use core::{marker::PhantomData, mem, ptr::NonNull};

/// How memory is first writable and then executable without ever being both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Strategy {
    /// Anonymous pages change their protection. The cheapest, and what hardened
    /// hosts deny: mmap, mprotect.
    WriteThenExecute,
    /// A memory file seen twice, writable here and executable there: passes
    /// PR_SET_MDWE and the usual seccomp filters. getrlimit, memfd_create,
    /// ftruncate, mmap, mmap.
    TwoViews,
    /// A memory file that is written through a view, sealed against change for good,
    /// then mapped executable over a reservation: mmap, getrlimit, memfd_create,
    /// ftruncate, mmap, munmap, fcntl, mmap.
    SealedFile,
    /// Two views of a nameless file in a directory for such: for hosts without
    /// memory files. getrlimit, open, fallocate, mmap, mmap.
    UnlinkedFile,
}

impl Strategy {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::WriteThenExecute, Self::TwoViews, Self::SealedFile, Self::UnlinkedFile];

    /// The name that `--map` and messages have for it.
    pub fn name(self) -> &'static str {
        piece("wx dual sealed file", b' ', self as usize)
    }
}

/// The phase in which code is written.
#[derive(Debug)]
pub struct Writable(());

/// The phase in which code runs and may be opened for writing again.
#[derive(Debug)]
pub struct Patchable(());

/// The phase in which code runs and nothing of this program can write to it.
#[derive(Debug)]
pub struct Executable(());

/// Phases in which code runs.
pub trait Runs: sealed::Sealed {}
impl sealed::Sealed for Patchable {}
impl sealed::Sealed for Executable {}
impl Runs for Patchable {}
impl Runs for Executable {}

/// Memory for code in one phase of its life. Holding one in a phase that
/// [`Runs`] proves that its pages are mapped, executable and not writable where
/// they are executed.
#[derive(Debug)]
pub struct Memory<Phase> {
    /// Where the code runs.
    region: Region,
    backing: Backing,
    phase: PhantomData<Phase>,
}

/// The backing of the pages, and how they are written.
#[derive(Debug)]
enum Backing {
    /// Nothing but themselves, in place.
    Pages,
    /// A file, through another view of it.
    File(OwnedFd, Region),
    /// A file that is still open for nothing but this, through another view,
    /// which goes before the file is sealed. `None` once it is.
    Sealed(Option<(OwnedFd, Region)>),
}

impl<Phase> Memory<Phase> {
    /// Where the code runs.
    pub fn address(&self) -> usize {
        self.region.address()
    }

    /// How large the memory is.
    pub fn size(&self) -> PageSize {
        self.region.size()
    }

    /// The file that the code runs from, if what changes in it changes there.
    ///
    /// # Safety
    /// 1. Nothing changes the file's bytes or its size by it while the memory lives.
    ///
    /// # Examples
    /// ```compile_fail,E0133
    /// # use barejit_exec::{Executable, Memory};
    /// fn file(memory: &Memory<Executable>) {
    ///     let _ = memory.file();
    /// }
    /// ```
    pub unsafe fn file(&self) -> Option<Fd<'_>> {
        if let Backing::File(file, _) = &self.backing { Some(file.fd()) } else { None }
    }

    /// Gives the pages back to the kernel.
    ///
    /// # Errors
    /// The error of munmap(2); the pages then stay.
    pub fn release(self) -> Result<(), Error> {
        self.region.release()
    }

    fn becomes<Next>(self) -> Memory<Next> {
        Memory { region: self.region, backing: self.backing, phase: PhantomData }
    }
}

impl Memory<Writable> {
    /// Fresh zeroed pages, `size` bytes between guards.
    ///
    /// # Errors
    /// The syscall that refused.
    pub fn obtain(strategy: Strategy, size: PageSize, guard: Guard) -> Result<Self, Error> {
        match strategy {
            Strategy::WriteThenExecute => {
                let region = Region::zeroed(size, guard)?;
                Ok(Self { region, backing: Backing::Pages, phase: PhantomData })
            }
            Strategy::TwoViews => Self::two_views(file::memory(size)?, size, guard),
            Strategy::SealedFile => {
                let region = Region::reserve(size, guard)?;
                let backing = Backing::Sealed(Some(Self::to_be_sealed(size, guard)?));
                Ok(Self { region, backing, phase: PhantomData })
            }
            Strategy::UnlinkedFile => {
                file::first_directory(|directory| Self::obtain_in(directory, size, guard))
            }
        }
    }

    /// The same by [`Strategy::UnlinkedFile`], in this directory only.
    ///
    /// # Errors
    /// The syscall that refused.
    pub fn obtain_in(directory: &Directory, size: PageSize, guard: Guard) -> Result<Self, Error> {
        Self::two_views(file::nameless(directory, size)?, size, guard)
    }

    fn two_views(file: OwnedFd, size: PageSize, guard: Guard) -> Result<Self, Error> {
        let view = Self::view(&file, size, guard)?;
        let region = Region::map(size, guard, Contents::Shared(file.fd()), Prot::READ_EXECUTE)?;
        Ok(Self { region, backing: Backing::File(file, view), phase: PhantomData })
    }

    fn to_be_sealed(size: PageSize, guard: Guard) -> Result<(OwnedFd, Region), Error> {
        let file = file::memory(size)?;
        let view = Self::view(&file, size, guard)?;
        Ok((file, view))
    }

    /// The file as it is written. Guards here, too, since what is mapped between them is shown
    /// to be mapped.
    fn view(file: &OwnedFd, size: PageSize, guard: Guard) -> Result<Region, Error> {
        Region::map(size, guard, Contents::Shared(file.fd()), Prot::READ_WRITE)
    }

    /// The bytes, to be filled.
    pub fn bytes(&mut self) -> &mut [u8] {
        let view = match &self.backing {
            Backing::File(_, view) | Backing::Sealed(Some((_, view))) => view,
            Backing::Pages | Backing::Sealed(None) => &self.region,
        };
        // SAFETY: that many bytes are mapped there, readable and in this phase
        // writable, filled by the kernel or through here, borrowed through `self`.
        unsafe { core::slice::from_raw_parts_mut(view.base().as_ptr(), view.size().bytes()) }
    }

    /// Copies `code` to the beginning and relocates it to run there.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn load(&mut self, code: &Code<'_>) {
        let base = self.address();
        load(self.bytes(), code, base);
    }

    /// Ends writing for now: the code can run, and be opened for writing again.
    ///
    /// # Errors
    /// The syscall that refused; the memory is then gone.
    pub fn make_executable(mut self) -> Result<Memory<Patchable>, Error> {
        self.close()?;
        Ok(self.becomes())
    }

    /// Ends writing for good.
    ///
    /// # Errors
    /// The syscall that refused; the memory is then gone.
    pub fn seal(mut self) -> Result<Memory<Executable>, Error> {
        self.close()?;
        self.becomes::<Patchable>().seal()
    }

    /// Does what [`make_executable`](Self::make_executable) is for, after which nobody
    /// may write any more.
    fn close(&mut self) -> Result<(), Error> {
        match &mut self.backing {
            // SAFETY: (1) nobody but `self` writes to the pages, and its caller consumes it;
            // (2) it ends writing.
            Backing::Pages => unsafe { self.region.protect(Prot::READ_EXECUTE) },
            Backing::File(..) => Ok(()),
            Backing::Sealed(backing) => {
                if let Some((file, view)) = backing.take() {
                    // The kernel seals no file that somebody can write to.
                    view.release()?;
                    file::seal(&file)?;
                    self.region.fill(Contents::Private(file.fd()), Prot::READ_EXECUTE)?;
                }
                Ok(())
            }
        }
    }
}

impl Memory<Patchable> {
    /// Opens the memory for writing again; it holds what it held. Where the
    /// pages change in place nothing can run meanwhile; a sealed file is replaced
    /// by a copy.
    ///
    /// # Errors
    /// The syscall that refused; the memory is then gone.
    pub fn make_writable(self) -> Result<Memory<Writable>, Error> {
        let mut memory: Memory<Writable> = self.becomes();
        match &memory.backing {
            // SAFETY: (1) nothing can be called in the phase that this begins; (2) it ends
            // executing.
            Backing::Pages => unsafe { memory.region.protect(Prot::READ_WRITE) }?,
            Backing::File(..) => {}
            Backing::Sealed(_) => {
                let new = Memory::to_be_sealed(memory.size(), Guard::PAGE)?;
                let (from, to) = (memory.region.base(), new.1.base());
                // SAFETY: both have that size, the one is readable, the other
                // writable, and they are different pages.
                unsafe { from.copy_to_nonoverlapping(to, memory.size().bytes()) };
                memory.backing = Backing::Sealed(Some(new));
            }
        }
        Ok(memory)
    }

    /// Ends writing for good.
    ///
    /// # Errors
    /// The syscall that refused; the memory is then gone.
    pub fn seal(self) -> Result<Memory<Executable>, Error> {
        let mut memory: Memory<Executable> = self.becomes();
        if let Backing::File(file, view) = mem::replace(&mut memory.backing, Backing::Pages) {
            drop(file);
            view.release()?;
        }
        Ok(memory)
    }
}

impl<Phase: Runs> Memory<Phase> {
    /// The function at `offset`: `F` is a pointer to a function of up to eight arguments,
    /// `extern "sysv64"` or `extern "C"`, `unsafe` or not, whose arguments may be references
    /// of any lifetime.
    ///
    /// # Safety
    /// 1. `F` is such a pointer, and the bytes from `offset` on are machine code that keeps
    ///    to the System V ABI as such a function.
    /// 2. Calling it with any arguments of that type does nothing undefined, unless `F` is an
    ///    unsafe function, whose duties are then the caller's.
    ///
    /// # Panics
    /// If `offset` is outside the memory.
    ///
    /// # Examples
    /// ```
    /// # use barejit_asm::Code;
    /// # use barejit_exec::{Error, Guard, Memory, PageSize, Strategy};
    /// # fn main() -> Result<(), Error> {
    /// let size = PageSize::needed(6)?;
    /// let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::None)?;
    /// memory.load(&Code::new(&[0xB8, 42, 0, 0, 0, 0xC3]));
    /// let memory = memory.seal()?;
    /// // SAFETY: (1, 2) mov eax, 42; ret
    /// let answer = unsafe { memory.function::<extern "sysv64" fn() -> u32>(0) };
    /// assert_eq!(answer.call(), 42);
    /// memory.release()
    /// # }
    /// ```
    /// References in arguments need no lifetime of the memory's:
    /// ```
    /// # use barejit_asm::Code;
    /// # use barejit_exec::{Error, Guard, Memory, PageSize, Strategy};
    /// # fn main() -> Result<(), Error> {
    /// # let mut memory = Memory::obtain(Strategy::WriteThenExecute, PageSize::needed(7)?, Guard::None)?;
    /// memory.load(&Code::new(&[0x48, 0xFF, 0x07, 0x48, 0x8B, 0x07, 0xC3]));
    /// let memory = memory.seal()?;
    /// type Increment = for<'a> extern "C" fn(&'a mut u64) -> u64;
    /// // SAFETY: (1, 2) inc qword [rdi]; mov rax, [rdi]; ret
    /// let increment = unsafe { memory.function::<Increment>(0) };
    /// for start in [1, 5] {
    ///     let mut number = start;
    ///     assert_eq!(increment.call(&mut number), number);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    /// It cannot be called when the memory is gone:
    /// ```compile_fail,E0505
    /// # use barejit_exec::{Executable, Memory};
    /// fn late(memory: Memory<Executable>) -> u32 {
    ///     // SAFETY: none is needed, this must not compile.
    ///     let answer = unsafe { memory.function::<extern "sysv64" fn() -> u32>(0) };
    ///     let _ = memory.release();
    ///     answer.call()
    /// }
    /// ```
    pub unsafe fn function<F: Copy>(&self, offset: u32) -> Callable<'_, F> {
        assert!((offset as usize) < self.size().bytes(), "entry outside the code memory");
        // SAFETY: the address is mapped and executable as long as `self` is
        // borrowed; the rest are the caller's duties.
        unsafe { Callable::at(self.address() + offset as usize) }
    }
}

impl Memory<Executable> {
    /// Makes the memory what it is until the process ends, where the kernel can
    /// (Linux 6.10): nobody can change, move or unmap it any more, this program
    /// included. Else the memory comes back as it was.
    ///
    /// # Errors
    /// The error of mseal(2), but for ENOSYS.
    pub fn mseal(self) -> Result<Option<Self>, Error> {
        match self.region.mseal() {
            Ok(()) => {
                mem::forget(self);
                Ok(None)
            }
            Err(error) if error.is(Errno::ENOSYS) => Ok(Some(self)),
            Err(error) => Err(error),
        }
    }
}

/// A mapping that is readable, writable and executable at once, as the first
/// JIT articles have it. Anything that can write to it can run anything, so it
/// serves to show that recipe and no other purpose. It is never unmapped, as in
/// the articles: the end of the process does that.
#[derive(Debug)]
pub struct Unprotected {
    base: NonNull<u8>,
    size: usize,
}

impl Unprotected {
    /// Maps `size` bytes for everything.
    ///
    /// # Safety
    /// 1. As long as the process lives, nothing writes to the mapping but
    ///    [`load`](Self::load).
    ///
    /// # Errors
    /// The error of mmap(2).
    pub unsafe fn map(size: usize) -> Result<Self, Error> {
        // SAFETY: (1) the mapping is not fixed.
        let base = unsafe { linux::mmap(0, size, Prot::all(), MapFlags::PRIVATE_ANONYMOUS, Fd::NONE, 0) }?;
        Ok(Self { base, size })
    }

    /// Where the mapping begins.
    pub fn address(&self) -> usize {
        self.base.as_ptr() as usize
    }

    /// Copies `code` to the beginning.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn load(&mut self, code: &Code<'_>) {
        // SAFETY: `size` bytes at `base` are mapped and only `self` leads to them.
        let bytes = unsafe { core::slice::from_raw_parts_mut(self.base.as_ptr(), self.size) };
        load(bytes, code, self.base.as_ptr() as usize);
    }
}

/// Makes a static page readable and executable where it stands: the articles'
/// other cure. It is not writable any more then, and because it is a whole page nothing
/// else becomes executable.
///
/// # Errors
/// The error of mprotect(2).
pub fn seal_in_place(page: &'static Page) -> Result<(), Error> {
    // SAFETY: (1) a `Page` fills its page, and nobody writes to a static.
    unsafe { linux::mprotect(NonNull::from(page).cast(), size_of::<Page>(), Prot::READ_EXECUTE) }
}

/// Puts `code` into `memory`, which will be executed at address `base`.
fn load(memory: &mut [u8], code: &Code<'_>, base: usize) {
    memory[..code.bytes().len()].copy_from_slice(code.bytes());
    for relocation in code.relocations() {
        let cell = barejit_asm::Hole::<8>::new(relocation.at);
        let offset = u64::from_le_bytes(cell.read(memory));
        cell.fill(memory, (base as u64 + offset).to_le_bytes());
    }
}

/// A function in code memory, which can be called as long as the memory is borrowed. The
/// pointer to it stays in here: a copy could outlive the memory.
#[derive(Debug)]
pub struct Callable<'memory, F> {
    function: F,
    memory: PhantomData<&'memory ()>,
}

impl<F: Copy> Callable<'_, F> {
    // ANCHOR: cast
    /// The only place where an address becomes a function of generated code.
    ///
    /// # Safety
    /// 1. At `address` is machine code of type `F`, mapped and executable for the
    ///    life that the caller gives the result.
    pub unsafe fn at(address: usize) -> Self {
        const { assert!(size_of::<F>() == size_of::<usize>()) }
        // SAFETY: a function pointer is an address (psABI, 3.1.2), and this one
        // is of an `F` by duty 1.
        let function = unsafe { mem::transmute_copy(&address) };
        Self { function, memory: PhantomData }
    }
    // ANCHOR_END: cast

    /// The pointer.
    ///
    /// # Safety
    /// 1. Nobody calls it when the memory is no longer what it is now.
    pub unsafe fn pointer(self) -> F {
        self.function
    }
}

mod sealed {
    pub trait Sealed {}
}

/// Calls of functions with so many arguments. A method for `fn(A)` is one for
/// `for<'a> fn(&'a T)`, too, which is a subtype of it with a lifetime put in.
macro_rules! functions {
    ($($argument:ident)*) => {
        functions!("sysv64": $($argument)*);
        functions!("C": $($argument)*);
    };
    ($abi:literal: $($argument:ident)*) => {
        #[allow(non_snake_case, reason = "an argument is called like its type")]
        #[allow(clippy::too_many_arguments, reason = "they are the function's")]
        impl<R, $($argument),*> Callable<'_, extern $abi fn($($argument),*) -> R> {
            /// Calls the function.
            pub fn call(&self, $($argument: $argument),*) -> R {
                (self.function)($($argument),*)
            }
        }

        #[allow(non_snake_case, reason = "an argument is called like its type")]
        #[allow(clippy::too_many_arguments, reason = "they are the function's")]
        impl<R, $($argument),*> Callable<'_, unsafe extern $abi fn($($argument),*) -> R> {
            /// Calls the function.
            ///
            /// # Safety
            /// 1. The arguments are such as the function wants them.
            pub unsafe fn call(&self, $($argument: $argument),*) -> R {
                // SAFETY: duty 1 of the caller.
                unsafe { (self.function)($($argument),*) }
            }
        }
    };
}
functions!();
functions!(A);
functions!(A B);
functions!(A B C);
functions!(A B C D);
functions!(A B C D E);
functions!(A B C D E G);
functions!(A B C D E G H);
functions!(A B C D E G H I);

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = extern "sysv64" fn() -> u32;

    /// endbr64; mov eax, answer; ret
    fn write(memory: &mut Memory<Writable>, answer: u32) {
        let [a, b, c, d] = answer.to_le_bytes();
        let code = [0xF3, 0x0F, 0x1E, 0xFA, 0xB8, a, b, c, d, 0xC3];
        memory.bytes()[..code.len()].copy_from_slice(&code);
    }

    fn answer<Phase: Runs>(memory: &Memory<Phase>) -> u32 {
        // SAFETY: (1) `write` has put a function of this type at offset 0; (2) it
        // does nothing but answer.
        let function = unsafe { memory.function::<Answer>(0) };
        function.call()
    }

    #[test]
    fn every_strategy_runs_what_was_written_and_what_was_written_over_it() {
        for strategy in Strategy::ALL {
            for guard in [Guard::None, Guard::PAGE] {
                let size = PageSize::covering(2 * PageSize::PAGE).expect("it is small");
                let mut memory = Memory::obtain(strategy, size, guard).expect("memory");
                write(&mut memory, 1);
                let memory = memory.make_executable().expect("paused");
                assert_eq!(answer(&memory), 1, "{strategy:?}");
                let mut memory = memory.make_writable().expect("open again");
                assert_eq!(memory.bytes()[4], 0xB8, "{strategy:?}: it holds what it held");
                write(&mut memory, 2);
                let memory = memory.make_executable().expect("paused again");
                assert_eq!(answer(&memory), 2, "{strategy:?}");
                let mut memory = memory.make_writable().expect("open once more");
                write(&mut memory, 3);
                let memory = memory.seal().expect("sealed");
                assert_eq!(answer(&memory), 3, "{strategy:?}");
                memory.release().expect("released");
            }
        }
    }
}
