//! Memory for machine code, in phases that the type shows.
//!
//! ```text
//! Memory<Writable> ──seal(self)──▶ Memory<Executable> ──release(self)──▶ gone
//!   rw-p, filled                     r-xp, called
//! ```
//!
//! No safe path makes a page writable and executable at once, calls what is not
//! sealed, or calls what is no longer mapped. The two recipes of the classic
//! articles that break these rules have types of their own: [`Unprotected`] needs
//! an `unsafe fn`, [`InPlace`] makes a static page executable but never writable.
//! This file does not know what the bytes mean.

use crate::code::{Code, Page};
pub use crate::sys::PageSize;
use crate::sys::{Error, Fd, MapFlags, Prot, linux};
use core::{marker::PhantomData, mem, ops::Deref, ptr::NonNull};

/// The phase in which code is written: readable and writable.
#[derive(Debug)]
pub struct Writable(());

/// The phase in which code runs: readable and executable.
#[derive(Debug)]
pub struct Executable(());

/// A private mapping of this process in one phase of its life. Holding a
/// `Memory<Executable>` proves that its pages are mapped, executable and not
/// writable.
#[derive(Debug)]
pub struct Memory<Phase> {
    base: NonNull<u8>,
    size: PageSize,
    phase: PhantomData<Phase>,
}

impl<Phase> Memory<Phase> {
    /// Where the memory begins.
    pub fn address(&self) -> usize {
        self.base.as_ptr() as usize
    }

    /// How large it is.
    pub fn size(&self) -> PageSize {
        self.size
    }

    /// Gives the pages back to the kernel.
    ///
    /// # Errors
    /// What munmap(2) answers; the pages then stay.
    pub fn release(self) -> Result<(), Error> {
        let (base, size) = (self.base, self.size);
        mem::forget(self);
        // SAFETY: (1) the pages were this object's, which is gone.
        unsafe { linux::munmap(base, size.bytes()) }
    }
}

impl<Phase> Drop for Memory<Phase> {
    /// The way out when something else has failed already; what it answers
    /// would hide the first reason.
    fn drop(&mut self) {
        // SAFETY: (1) the pages are this object's, which is about to be gone.
        let _ = unsafe { linux::munmap(self.base, self.size.bytes()) };
    }
}

impl Memory<Writable> {
    /// Maps fresh zeroed pages, readable and writable.
    ///
    /// # Errors
    /// What mmap(2) answers.
    pub fn map(size: PageSize) -> Result<Self, Error> {
        let base = map_anonymous(size.bytes(), Prot::READ.union(Prot::WRITE))?;
        Ok(Self { base, size, phase: PhantomData })
    }

    /// The bytes, to be filled.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `size` bytes at `base` are mapped readable and writable, zeroed
        // by the kernel, and borrowed through `self` alone.
        unsafe { core::slice::from_raw_parts_mut(self.base.as_ptr(), self.size.bytes()) }
    }

    /// Copies `code` to the beginning and relocates it to run there.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn load(&mut self, code: &Code<'_>) {
        let base = self.address();
        load(self.bytes(), code, base);
    }

    /// Ends writing and begins running.
    ///
    /// # Errors
    /// What mprotect(2) answers; the memory is then unmapped.
    pub fn seal(self) -> Result<Memory<Executable>, Error> {
        // SAFETY: (1) the pages are this object's, and it is consumed, so nobody
        // can write to them any more.
        unsafe { linux::mprotect(self.base, self.size.bytes(), Prot::READ.union(Prot::EXEC)) }?;
        let sealed = Memory { base: self.base, size: self.size, phase: PhantomData };
        mem::forget(self);
        Ok(sealed)
    }
}

impl Memory<Executable> {
    /// The function at `offset`.
    ///
    /// # Safety
    /// 1. The bytes from `offset` on are machine code that keeps to the System V
    ///    ABI as a function of type `F`.
    /// 2. Calling it with any arguments of that type does nothing undefined.
    ///
    /// # Panics
    /// If `offset` is outside the memory.
    pub unsafe fn function<F: Function>(&self, offset: u32) -> Symbol<'_, F> {
        assert!((offset as usize) < self.size.bytes(), "entry outside the code memory");
        // SAFETY: the address is mapped and executable as long as `self` is
        // borrowed; the rest are duties 1 and 2 of the caller.
        unsafe { Symbol::at(self.address() + offset as usize) }
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
    /// What mmap(2) answers.
    pub unsafe fn map(size: usize) -> Result<Self, Error> {
        let base = map_anonymous(size, Prot::all())?;
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

    /// The function at `offset`.
    ///
    /// # Safety
    /// As [`Memory::function`].
    ///
    /// # Panics
    /// If `offset` is outside the memory.
    pub unsafe fn function<F: Function>(&self, offset: u32) -> Symbol<'_, F> {
        assert!((offset as usize) < self.size, "entry outside the code memory");
        // SAFETY: the address stays mapped and executable; the rest are the
        // caller's duties.
        unsafe { Symbol::at(self.base.as_ptr() as usize + offset as usize) }
    }
}

/// A static page made executable where it stands: the articles' other cure.
#[derive(Debug)]
pub struct InPlace(&'static Page);

impl InPlace {
    /// Makes the page readable and executable. It never becomes writable, and
    /// because it is a whole page nothing else becomes executable.
    ///
    /// # Errors
    /// What mprotect(2) answers.
    pub fn seal(page: &'static Page) -> Result<Self, Error> {
        // SAFETY: (1) a `Page` fills its page, and nobody writes to a static.
        unsafe {
            linux::mprotect(NonNull::from(page).cast(), size_of::<Page>(), Prot::READ.union(Prot::EXEC))
        }?;
        Ok(Self(page))
    }

    /// Where the page begins.
    pub fn address(&self) -> usize {
        core::ptr::from_ref(self.0) as usize
    }

    /// The function `offset` bytes into the page.
    ///
    /// # Safety
    /// As [`Memory::function`].
    ///
    /// # Panics
    /// If `offset` is outside the page.
    pub unsafe fn function<F: Function>(&self, offset: u32) -> Symbol<'_, F> {
        assert!((offset as usize) < size_of::<Page>(), "entry outside the page");
        // SAFETY: the address stays mapped and executable; the rest are the
        // caller's duties.
        unsafe { Symbol::at(self.address() + offset as usize) }
    }
}

/// A static page as it is, which nobody made executable: the articles' first
/// attempt. Its functions fault.
#[derive(Debug)]
pub struct NotExecutable(pub &'static Page);

impl NotExecutable {
    /// Where the page begins.
    pub fn address(&self) -> usize {
        core::ptr::from_ref(self.0) as usize
    }

    /// What would be the function `offset` bytes into the page.
    ///
    /// # Safety
    /// 1. The signal that calling it raises is handled.
    ///
    /// # Panics
    /// If `offset` is outside the page.
    pub unsafe fn function<F: Function>(&self, offset: u32) -> Symbol<'_, F> {
        assert!((offset as usize) < size_of::<Page>(), "entry outside the page");
        // SAFETY: the address is mapped; that it is not executable is the
        // caller's duty 1.
        unsafe { Symbol::at(self.address() + offset as usize) }
    }
}

fn map_anonymous(size: usize, prot: Prot) -> Result<NonNull<u8>, Error> {
    let flags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
    // SAFETY: (1) the mapping is not fixed.
    unsafe { linux::mmap(0, size, prot, flags, Fd::NONE, 0) }
}

/// Puts `code` into `memory`, which will be executed at address `base`.
fn load(memory: &mut [u8], code: &Code<'_>, base: usize) {
    memory[..code.bytes().len()].copy_from_slice(code.bytes());
    for relocation in code.relocations() {
        let cell = crate::code::Hole::<8>::new(relocation.at);
        let offset = u64::from_le_bytes(cell.read(memory));
        cell.fill(memory, (base as u64 + offset).to_le_bytes());
    }
}

/// A function in code memory, usable as long as the memory is borrowed.
#[derive(Debug)]
pub struct Symbol<'memory, F> {
    function: F,
    memory: PhantomData<&'memory ()>,
}

impl<F: Function> Symbol<'_, F> {
    /// The only place where an address becomes a function.
    ///
    /// # Safety
    /// 1. At `address` is machine code of type `F`, mapped and executable for the
    ///    life that the caller gives the symbol.
    unsafe fn at(address: usize) -> Self {
        const { assert!(size_of::<F>() == size_of::<usize>()) }
        // SAFETY: a function pointer is an address (psABI, 3.1.2), and this one
        // is of an `F` by duty 1.
        let function = unsafe { mem::transmute_copy(&address) };
        Self { function, memory: PhantomData }
    }
}

impl<F> Deref for Symbol<'_, F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.function
    }
}

/// Types of functions that generated code can have: `extern "sysv64"` with up to
/// six arguments.
pub trait Function: Copy + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! functions {
    ($($argument:ident)*) => {
        impl<R, $($argument),*> sealed::Sealed for extern "sysv64" fn($($argument),*) -> R {}
        impl<R, $($argument),*> Function for extern "sysv64" fn($($argument),*) -> R {}
        impl<R, $($argument),*> sealed::Sealed for unsafe extern "sysv64" fn($($argument),*) -> R {}
        impl<R, $($argument),*> Function for unsafe extern "sysv64" fn($($argument),*) -> R {}
    };
}
functions!();
functions!(A);
functions!(A B);
functions!(A B C);
functions!(A B C D);
functions!(A B C D E);
functions!(A B C D E G);
