//! The ways into executable memory that barejit itself does not use: each obtains
//! a place for code and knows how to rewrite it there.
//!
//! They run in a trial's process, so what they map is never unmapped and a
//! careless address harms nobody else. The ways that barejit uses are exec's.

use super::trial::Record;
use super::{Fresh, Step};
use barejit_asm::{Asm, Baked, EAX, Hole, bake};
use barejit_sys::{Errno, Error, Fd, MapFlags, OwnedFd, Prot, Sysno, linux as base, linux::trial as linux};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// What the code returns before and after it is rewritten.
pub(super) const TOKENS: [u32; 2] = [0x0BA1_E142, 0x0BA1_E143];

const PAGE: usize = 4096;
const RW: Prot = Prot::READ_WRITE;
pub(super) const RX: Prot = Prot::READ_EXECUTE;

// ANCHOR: stub
/// Returns a token: `endbr64; mov eax, token; ret`, and `int3` up to 16 bytes.
const fn stub(a: &mut Asm<'_>) -> Hole<4> {
    a.endbr64().mov_ri(EAX, TOKENS[0] as i64);
    let hole = a.hole();
    a.ret();
    while a.offset() < 16 {
        a.int3();
    }
    hole
}
// ANCHOR_END: stub

const STUB: Baked<16, Hole<4>> = bake!(stub);

/// The code that returns `token`.
#[inline(never)]
pub(super) fn code(token: u32) -> [u8; 16] {
    let mut bytes = STUB.bytes;
    STUB.with.fill(&mut bytes, token.to_le_bytes());
    bytes
}

/// A page of the trial's own stack.
#[repr(C, align(4096))]
pub(super) struct Scratch(MaybeUninit<[u8; PAGE]>);

/// Where the code of a trial is called, and what is mapped there, if that is a
/// file. What it is made from stays open and mapped until the process ends.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) run: NonNull<u8>,
    pub(super) file: Fd<'static>,
}

impl Place {
    /// Makes a rewrite visible that was not; `true` if the kernel let it.
    pub(super) fn refresh(&mut self, fresh: Fresh) -> bool {
        if fresh == Fresh::Reprotect {
            // Among the code and the data of barejit this is EINVAL, and must be: the
            // page could be the one that runs or is written to.
            return protect(self.run, Prot::READ).and_then(|()| protect(self.run, RX)).is_ok();
        }
        if self.file == Fd::NONE {
            return false;
        }
        let fixed = if fresh == Fresh::Remap { Some(self.run) } else { None };
        let view = map(fixed, PAGE, RX, MapFlags::SHARED, self.file);
        self.run = view.unwrap_or(self.run);
        view.is_ok()
    }
}

/// An address as a pointer.
pub(super) fn address(address: usize) -> NonNull<u8> {
    NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling())
}

/// Stores code, 16 bytes in two pieces that the compiler does not see through.
///
/// # Safety
/// 1. Sixteen bytes at `at`, on a multiple of 8, are the trial's to write.
#[inline(never)]
unsafe fn store(at: NonNull<u8>, token: u32) {
    let code = u128::from_le_bytes(code(token));
    let words = at.as_ptr().cast::<u64>();
    // SAFETY: duty 1 of the caller.
    unsafe { words.write_volatile(code as u64) };
    // SAFETY: likewise, the second half.
    unsafe { words.wrapping_add(1).write_volatile((code >> 64) as u64) };
}

/// Maps pages of a file, or of none, in place of those at `fixed` or wherever
/// there is room.
#[inline(never)]
fn map(
    fixed: Option<NonNull<u8>>,
    size: usize,
    prot: Prot,
    mut flags: MapFlags,
    file: Fd,
) -> Result<NonNull<u8>, Error> {
    if file == Fd::NONE {
        flags = flags.union(MapFlags::ANONYMOUS);
    }
    if fixed.is_some() {
        flags = flags.union(MapFlags::FIXED);
    }
    let at = fixed.map_or(0, |fixed| fixed.as_ptr() as usize);
    // SAFETY: (1) a fixed mapping replaces the trial's own.
    unsafe { base::mmap(at, size, prot, flags, file, 0) }
}

/// A private page for `prot`.
#[inline(never)]
pub(super) fn page(record: &Record, prot: Prot) -> NonNull<u8> {
    record.need(map(None, PAGE, prot, MapFlags::PRIVATE, Fd::NONE))
}

#[inline(never)]
fn protect(page: NonNull<u8>, prot: Prot) -> Result<(), Error> {
    // SAFETY: (1) the page is the trial's own.
    unsafe { base::mprotect(page, PAGE, prot) }
}

/// Keeps a descriptor open until the process ends.
#[inline(never)]
pub(super) fn keep(record: &Record, file: Result<OwnedFd, Error>) -> Fd<'static> {
    record.need(file).leak()
}

/// A way: how code comes into memory, up to [`Step::Run`], and how other code
/// comes there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    take: [Do; 7],
    patch: [Do; 4],
}

/// A step of a way, in two bytes. Where memory comes into view, that is what is run
/// from then on, and the first of a trial is what is written, too.
#[derive(Clone, Copy, Debug)]
enum Do {
    /// There is no more.
    End,
    /// The next part of the trial begins.
    Enter(Step),
    /// A private page in place of the last one, a copy of the file if there is one.
    Private(Bits),
    /// A page that can be seen twice: the file, if there is one.
    Shared(Bits),
    /// 256 MiB of address space.
    Reserve,
    /// mremap(2): the memory there is, once more.
    Alias,
    /// The segment, with these flags times SHM_RDONLY.
    Attach(u8),
    /// The end of the heap.
    Break,
    /// Data.
    Bss,
    /// The stack.
    Stack,
    /// The code of barejit.
    Text,
    /// A private page for RW under READ_IMPLIES_EXEC.
    Implied,
    /// A private page whose first touch userfaultfd(2) answers.
    Watch,
    /// What is run is written instead, and the other way round.
    Swap,
    /// mprotect(2) of what is run.
    Protect(Bits),
    /// pkey_mprotect(2) of what is run.
    Tag,
    /// memfd_create(2) with these flags, one page.
    Memfd(u8),
    /// A file without a name in the working directory, one page.
    Nameless,
    /// The memory of the process as a file. Opened in the trial, for a descriptor
    /// from before the fork would show the parent.
    OwnMemory,
    /// shmget(2)
    Segment,
    /// shmctl(2): the segment goes with its last view.
    Remove,
    /// The code is stored.
    Store,
    /// pwrite(2) of the code to the beginning of the file.
    Fill,
    /// The same to where it is run.
    Poke,
    /// The watched page is as if never touched.
    Forget,
    /// A watched page that was never touched is filled from what is written.
    Supply,
    /// close(2)
    Close,
}
use Do::*;

/// Protections, in a byte.
#[derive(Clone, Copy, Debug)]
enum Bits {
    None = 0,
    Rw = 3,
    Rx = 5,
    Rwx = 7,
}
use Bits::{Rw, Rwx, Rx};

const W: Do = Enter(Step::Write);
const P: Do = Enter(Step::Protect);
const MFD_EXEC: u8 = 16;
const NOEXEC_SEAL: u8 = base::NOEXEC_SEAL as u8;
/// SHM_RDONLY and SHM_EXEC.
const READ_EXECUTE: u8 = 0o11;

/// Code is replaced by a store, in place or through the writable view.
const STORED: &[Do] = &[Store];
/// RX → RW, a store, RW → RX.
const FLIPPED: &[Do] = &[Protect(Rw), Store, Protect(Rx)];

const fn way(take: &[Do], patch: &[Do]) -> Way {
    let mut way = Way { take: [End; 7], patch: [End; 4] };
    way.take.split_at_mut(take.len()).0.copy_from_slice(take);
    way.patch.split_at_mut(patch.len()).0.copy_from_slice(patch);
    way
}

pub(super) const CONTROL: Way = way(&[Private(Rw), W, Store], STORED);
pub(super) const ANON_RWX: Way = way(&[Private(Rwx), W, Store], STORED);
pub(super) const RESERVE_COMMIT: Way = way(&[Reserve, Protect(Rw), W, Store, P, Protect(Rx)], FLIPPED);
pub(super) const PKEY_MPROTECT: Way = way(&[Private(Rw), W, Store, P, Tag], FLIPPED);
pub(super) const MEMFD_DUAL_EXEC: Way = way(&[Memfd(MFD_EXEC), Shared(Rw), Shared(Rx), W, Store], STORED);
pub(super) const MEMFD_DUAL_NOEXEC_SEAL: Way =
    way(&[Memfd(NOEXEC_SEAL), Shared(Rw), Shared(Rx), W, Store], STORED);
pub(super) const MEMFD_MPROTECT: Way =
    way(&[Memfd(0), Shared(Rw), Shared(Bits::None), W, Store, P, Protect(Rx)], STORED);
pub(super) const MEMFD_PRIVATE: Way =
    way(&[Memfd(0), W, Fill, P, Private(Rx), Close], &[Memfd(0), Fill, Private(Rx), Close]);
pub(super) const OTMPFILE_DUAL: Way = way(&[Nameless, Shared(Rw), Shared(Rx), W, Store], STORED);
pub(super) const SELF_MEM: Way = way(&[Private(Rx), OwnMemory, W, Poke], &[Poke]);
pub(super) const MREMAP_RX_TO_RW: Way = way(&[Shared(Rx), Alias, P, Protect(Rw), Swap, W, Store], STORED);
pub(super) const MREMAP_RW_TO_RX: Way = way(&[Shared(Rw), Alias, W, Store, P, Protect(Rx)], STORED);
pub(super) const SYSV_SHM: Way = way(&[Segment, Attach(0), Attach(READ_EXECUTE), Remove, W, Store], STORED);
pub(super) const BRK: Way = way(&[Break, W, Store, P, Protect(Rwx)], STORED);
pub(super) const BSS: Way = way(&[Bss, W, Store, P, Protect(Rwx)], STORED);
pub(super) const STACK: Way = way(&[Stack, W, Store, P, Protect(Rwx)], STORED);
pub(super) const TEXT: Way = way(&[Text, P, Protect(Rwx), W, Store], STORED);
pub(super) const USERFAULT: Way = way(&[Stack, Watch, W, Store, Supply], &[Forget, Store, Supply]);
pub(super) const READ_IMPLIES_EXEC: Way = way(&[Implied, W, Store], STORED);

/// What performs the steps of a way.
pub(super) struct Machine<'a> {
    record: &'a Record,
    stack: NonNull<u8>,
    write: NonNull<u8>,
    place: Place,
    segment: Option<linux::Segment>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(record: &'a Record, scratch: &'a mut MaybeUninit<Scratch>) -> Self {
        let place = Place { run: NonNull::dangling(), file: Fd::NONE };
        Self { record, stack: NonNull::from(scratch).cast(), write: place.run, place, segment: None }
    }

    /// Puts code there for the first time, or other code in its place.
    pub(super) fn write(&mut self, way: &Way, token: u32) -> Place {
        let first = self.place.run == NonNull::dangling();
        for step in if first { &way.take[..] } else { &way.patch[..] } {
            if matches!(step, End) {
                break;
            }
            self.perform(*step, token);
        }
        self.place
    }

    #[inline(never)]
    fn perform(&mut self, step: Do, token: u32) {
        let record = self.record;
        let Place { run, file } = self.place;
        let result = match step {
            End => Ok(()),
            Enter(step) => {
                record.enter(step);
                Ok(())
            }
            Private(bits) => {
                let last = Some(run).filter(|run| *run != NonNull::dangling());
                self.see(map(last, PAGE, prot(bits), MapFlags::PRIVATE, file))
            }
            Shared(bits) => self.see(map(None, PAGE, prot(bits), MapFlags::SHARED, file)),
            Reserve => {
                let flags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);
                self.see(map(None, 256 << 20, Prot::empty(), flags, file))
            }
            // SAFETY: (1) the page is the trial's own.
            Alias => self.see(unsafe { linux::mremap_alias(run, PAGE) }),
            Attach(flags) => {
                let segment = self.segment.ok_or(Error::without_effect(Sysno::shmget));
                // SAFETY: (1) only the trial has the segment.
                self.see(segment.and_then(|segment| unsafe { segment.attach(u32::from(flags) << 12) }))
            }
            Break => {
                // SAFETY: (1, 2) it moves nothing.
                let page = unsafe { base::brk(0) }.next_multiple_of(PAGE);
                // SAFETY: (1, 2) it moves up, and nothing is allocated in a trial.
                let grown = page != 0 && unsafe { base::brk(page + PAGE) } >= page + PAGE;
                self.see(if grown { Ok(address(page)) } else { Err(Error::new(Sysno::brk, Errno::ENOMEM)) })
            }
            Bss => self.see(Ok(address(DATA.1.get() as usize))),
            Stack => self.see(Ok(self.stack)),
            Text => self.see(Ok(address(room as *const () as usize))),
            Implied => {
                const READ_IMPLIES_EXEC: u32 = 0x0040_0000;
                // SAFETY: (1) it asks.
                let persona = record.need(unsafe { linux::personality(u32::MAX) });
                // SAFETY: (1) one page is mapped, for this trial.
                record.need(unsafe { linux::personality(persona | READ_IMPLIES_EXEC) });
                let page = map(None, PAGE, RW, MapFlags::PRIVATE, file);
                // Of no consequence in a process of the trial's own.
                // SAFETY: (1) it is as it was.
                let _ = unsafe { linux::personality(persona) };
                self.see(page)
            }
            Watch => self.watch(),
            Swap => {
                core::mem::swap(&mut self.write, &mut self.place.run);
                Ok(())
            }
            Protect(bits) => protect(address(run.as_ptr() as usize & !(PAGE - 1)), prot(bits)),
            // SAFETY: (1) the page is the trial's own.
            Tag => unsafe { linux::pkey_mprotect(run, PAGE, RX) },
            Memfd(flags) => self.sized(base::memfd_create(c"barejit-probe", flags.into())),
            Nameless => self.sized(base::open_nameless(c".")),
            OwnMemory => {
                self.place.file = keep(record, linux::open_for_writing(c"/proc/self/mem"));
                Ok(())
            }
            Segment => linux::Segment::create(PAGE).map(|segment| {
                record.owns_segment(Some(segment));
                self.segment = Some(segment);
            }),
            Remove => {
                record.segment().map_or(Ok(()), linux::Segment::remove).map(|()| record.owns_segment(None))
            }
            Store => {
                // SAFETY: (1) the steps before have made it writable.
                unsafe { store(self.write, token) };
                Ok(())
            }
            Fill | Poke => {
                let place = if matches!(step, Fill) { 0 } else { run.as_ptr() as usize };
                linux::pwrite(file, &code(token), place)
            }
            // SAFETY: (1) the page is the trial's own and about to be replaced.
            Forget => unsafe { linux::discard(run, PAGE) },
            Supply => {
                let copy = &mut [run.as_ptr() as u64, self.write.as_ptr() as u64, PAGE as u64, 0, 0];
                // SAFETY: (1) uffdio_copy: to, from, length, mode, copied; both are
                // pages of the trial's.
                unsafe { linux::ioctl(file, UFFDIO_COPY, copy) }
            }
            Close => {
                // SAFETY: (1) the trial opened it, and forgets it here.
                let _ = unsafe { base::close(file) };
                self.place.file = Fd::NONE;
                Ok(())
            }
        };
        record.need(result);
    }

    /// Takes memory that has come into view.
    #[inline(never)]
    fn see(&mut self, memory: Result<NonNull<u8>, Error>) -> Result<(), Error> {
        self.place.run = memory?;
        if self.write == NonNull::dangling() {
            self.write = self.place.run;
        }
        Ok(())
    }

    /// Takes a file and gives it one page.
    fn sized(&mut self, file: Result<OwnedFd, Error>) -> Result<(), Error> {
        self.place.file = keep(self.record, file);
        base::ftruncate(self.place.file, PAGE)
    }

    /// Maps a page whose first touch is answered through the file.
    fn watch(&mut self) -> Result<(), Error> {
        const O_CLOEXEC: u32 = 0o2_000_000;
        const USER_MODE_ONLY: u32 = 1;
        const MISSING: u64 = 1;
        let watch = match linux::userfaultfd(O_CLOEXEC | USER_MODE_ONLY) {
            Err(error) if error.is(Errno::EINVAL) => linux::userfaultfd(O_CLOEXEC),
            result => result,
        };
        let watch = keep(self.record, watch);
        // SAFETY: (1) uffdio_api: api, features, ioctls.
        unsafe { linux::ioctl(watch, UFFDIO_API, &mut [0xAA, 0, 0]) }?;
        self.place = Place { run: page(self.record, RX), file: watch };
        let range = &mut [self.place.run.as_ptr() as u64, PAGE as u64, MISSING, 0];
        // SAFETY: (1) uffdio_register: start, length, mode, ioctls; the range is
        // the page just mapped.
        unsafe { linux::ioctl(watch, UFFDIO_REGISTER, range) }
    }
}

const fn prot(bits: Bits) -> Prot {
    Prot::from_bits_truncate(bits as u32)
}

/// Room for code among the data of barejit, in one page wherever it lies but never at
/// its beginning: see [`Place::refresh`].
#[repr(C, align(32))]
struct Data([u8; 16], UnsafeCell<[u8; 16]>);

// SAFETY: only a trial's one thread touches it, through a raw pointer.
unsafe impl Sync for Data {}

static DATA: Data = Data([0; 16], UnsafeCell::new([0; 16]));

/// Room for code among the code of barejit.
#[unsafe(naked)]
unsafe extern "sysv64" fn room() {
    core::arch::naked_asm!(".p2align 4", "2: .fill 16, 1, 0xCC")
}

const UFFDIO_API: u32 = 0xC018_AA3F;
const UFFDIO_REGISTER: u32 = 0xC020_AA00;
const UFFDIO_COPY: u32 = 0xC028_AA03;
