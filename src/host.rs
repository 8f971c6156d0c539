//! Buffered output and input and whole files, for commands and generated code.
//!
//! [`Output`] and [`Input`] begin with a cursor and an end, in that order: generated code
//! writes or reads a byte with a compare and a move, and calls back only at the end of the
//! buffer. Nothing here knows the generated code.

pub mod callback;
pub mod number;
pub mod series;

use alloc::vec::Vec;
pub use barejit_exec::fault::call_back;

use barejit_exec::fault;
use barejit_sys::{self as sys, Errno, Error, Fd, Sysno, linux};
use core::marker::PhantomData;

/// Bytes on their way to a descriptor. They leave when the buffer is full, on
/// [`flush`](Self::flush) and, if the descriptor is a terminal, at newlines.
///
/// Invariant: `start` ≤ `next` ≤ `end`, all of one borrowed buffer.
#[derive(Debug)]
#[repr(C)]
pub struct Output<'a> {
    /// Where the next byte goes.
    next: *mut u8,
    /// The end of the buffer.
    end: *mut u8,
    start: *mut u8,
    fd: Fd<'a>,
    terminal: bool,
    buffer: PhantomData<&'a mut [u8]>,
}

impl<'a> Output<'a> {
    /// Offset of the cursor in this structure, in bytes, for generated code.
    pub const NEXT: i32 = core::mem::offset_of!(Output<'_>, next) as i32;
    /// Offset of the end of the buffer.
    pub const END: i32 = core::mem::offset_of!(Output<'_>, end) as i32;

    /// Output to `fd` through `buffer`.
    pub fn new(fd: Fd<'a>, buffer: &'a mut [u8]) -> Self {
        let range = buffer.as_mut_ptr_range();
        let terminal = linux::is_terminal(fd);
        Self { next: range.start, end: range.end, start: range.start, fd, terminal, buffer: PhantomData }
    }

    fn left(&self) -> usize {
        self.end as usize - self.next as usize
    }

    /// Room for `size` more bytes or more, to be taken with [`advance`](Self::advance).
    ///
    /// # Panics
    /// If the buffer is smaller than `size`.
    ///
    /// # Errors
    /// The error of write(2), if the buffer had to be emptied.
    fn room(&mut self, size: usize) -> Result<&mut [u8], Error> {
        if self.left() < size {
            self.flush()?;
            assert!(self.left() >= size, "a piece larger than the buffer");
        }
        // SAFETY: the `left` bytes from `next` on are inside the buffer, which is borrowed
        // through `self`.
        Ok(unsafe { core::slice::from_raw_parts_mut(self.next, self.left()) })
    }

    /// Keeps the first `size` bytes of the room just given.
    fn advance(&mut self, size: usize) {
        self.next = self.next.wrapping_add(size.min(self.left()));
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// The error of write(2).
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        let ends_line = self.terminal && bytes.contains(&b'\n');
        while !bytes.is_empty() {
            let room = self.room(1)?;
            let size = bytes.len().min(room.len());
            let (now, later) = bytes.split_at(size);
            room[..size].copy_from_slice(now);
            self.advance(size);
            bytes = later;
        }
        if ends_line { self.flush() } else { Ok(()) }
    }

    /// Writes out what is there. After an error nothing is kept: the same bytes
    /// are never offered twice.
    ///
    /// # Errors
    /// The error of write(2).
    #[inline(never)] // A syscall costs more than the call.
    pub fn flush(&mut self) -> Result<(), Error> {
        let used = self.next as usize - self.start as usize;
        // SAFETY: the first `used` bytes of the buffer were written through
        // `room` or by generated code, which keeps the invariant.
        let bytes = unsafe { core::slice::from_raw_parts(self.start, used) };
        // A signal that comes in between finds all of it or none.
        fault::defer_termination(|| {
            let result = sys::write_all(self.fd, bytes);
            self.next = self.start;
            result
        })
    }

    /// Whether the descriptor is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }
}

/// Bytes from a descriptor, read in blocks.
///
/// Invariant: `next` ≤ `end`, both of one borrowed buffer.
#[derive(Debug)]
#[repr(C)]
pub struct Input<'a> {
    next: *const u8,
    end: *const u8,
    start: *mut u8,
    size: usize,
    fd: Fd<'a>,
    /// Whether the end has been read, and stays.
    ended: bool,
    buffer: PhantomData<&'a mut [u8]>,
}

impl<'a> Input<'a> {
    /// Offset of the cursor in this structure, in bytes, for generated code.
    pub const NEXT: i32 = core::mem::offset_of!(Input<'_>, next) as i32;
    /// Offset of the end of what was read.
    pub const END: i32 = core::mem::offset_of!(Input<'_>, end) as i32;

    /// Input from `fd` through `buffer`.
    pub fn new(fd: Fd<'a>, buffer: &'a mut [u8]) -> Self {
        let start = buffer.as_mut_ptr();
        let size = buffer.len();
        Self { next: start, end: start, start, size, fd, ended: false, buffer: PhantomData }
    }

    /// Input that begins with `first` and goes on with `fd`, through a buffer
    /// that holds `first` already.
    pub fn continuing(fd: Fd<'a>, buffer: &'a mut [u8], first: core::ops::Range<usize>) -> Self {
        let range = buffer[first].as_ptr_range();
        Self { next: range.start, end: range.end, ..Self::new(fd, buffer) }
    }

    /// The next byte, or `None` at the end of the input.
    ///
    /// # Errors
    /// The error of read(2).
    pub fn byte(&mut self) -> Result<Option<u8>, Error> {
        if self.next == self.end && self.fill()? == 0 {
            return Ok(None);
        }
        // SAFETY: `next` is before `end`, inside what was read.
        let byte = unsafe { self.next.read() };
        self.next = self.next.wrapping_add(1);
        Ok(Some(byte))
    }

    /// Reads the next block, if the last one is used up, and says how many
    /// bytes there are; 0 is the end of the input. The end is read once, unless the
    /// descriptor is a terminal: there more can follow.
    ///
    /// # Errors
    /// The error of read(2).
    pub fn fill(&mut self) -> Result<usize, Error> {
        if self.next == self.end && !self.ended {
            // SAFETY: `size` bytes at `start` are the buffer, borrowed by `self`.
            let buffer = unsafe { core::slice::from_raw_parts_mut(self.start, self.size) };
            let read = sys::read_some(self.fd, buffer)?;
            self.next = self.start;
            self.end = self.start.wrapping_add(read);
            self.ended = read == 0 && !linux::is_terminal(self.fd);
        }
        Ok(self.end as usize - self.next as usize)
    }

    /// Whether the end has been read, and no read will be made again.
    pub fn has_ended(&self) -> bool {
        self.ended && self.next == self.end
    }
}

/// Everything that can be read from `fd`.
///
/// # Errors
/// The error of read(2); EFBIG if there are more than `limit` bytes.
pub fn read_to_end(fd: Fd<'_>, limit: usize) -> Result<Vec<u8>, Error> {
    read_until(fd, limit, &mut |_| false)
}

/// The same up to the block for which `enough` says so.
pub fn read_until(fd: Fd<'_>, limit: usize, enough: &mut dyn FnMut(&[u8]) -> bool) -> Result<Vec<u8>, Error> {
    const STEP: usize = 64 * 1024;
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let used = bytes.len();
        if used > limit {
            return Err(Error::new(Sysno::read, Errno::EFBIG));
        }
        // The end of a small file is found without more room.
        if bytes.capacity() - used < STEP / 16 {
            bytes.reserve(used.max(STEP));
        }
        let room = bytes.spare_capacity_mut();
        let size = room.len().min(16 * STEP);
        let read = sys::read_new(fd, &mut room[..size])?;
        // SAFETY: there was room for that many bytes, and they have been read.
        unsafe { bytes.set_len(used + read) };
        if read == 0 || enough(&bytes[used..]) {
            return Ok(bytes);
        }
    }
}

/// Everything in the file at `path`.
///
/// # Errors
/// The error of open(2) or read(2); EFBIG if there are more than `limit` bytes.
pub fn read_file(path: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    let file = sys::at(path, &linux::open)?;
    read_to_end(file.fd(), limit)
}
