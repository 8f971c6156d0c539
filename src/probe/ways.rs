//! The ways into executable memory that barejit itself does not use: each obtains
//! a place for code and knows how to rewrite it there.
//!
//! They run in a trial's process, so what they map is never unmapped and a
//! careless address harms nobody else. The ways that barejit uses are exec's.

use super::trial::Record;
use super::{Fresh, Step};
use crate::asm::{Asm, Baked, EAX};
use crate::bake;
use crate::code::Hole;
use crate::sys::linux::trial as linux;
use crate::sys::{Errno, Error, Fd, MapFlags, OwnedFd, Prot, Sysno, linux as base};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// What the code returns before and after it is rewritten.
pub(super) const TOKENS: [u32; 2] = [0x0BA1_E142, 0x0BA1_E143];

const PAGE: usize = 4096;
const RW: Prot = Prot::READ.union(Prot::WRITE);
pub(super) const RX: Prot = Prot::READ.union(Prot::EXEC);

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

impl Scratch {
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    fn address(&mut self) -> NonNull<u8> {
        NonNull::from(&mut self.0).cast()
    }
}

/// Where the code of a trial is, and how to get at it. What it is made from stays
/// open and mapped until the process ends.
pub(super) struct Place {
    /// Where it is called.
    pub(super) run: NonNull<u8>,
    patch: Patch,
    /// What the executable mapping shows, if that is a file.
    file: Option<Fd>,
}

/// How code is rewritten.
enum Patch {
    /// By a store, in place or through the writable view.
    Store(NonNull<u8>),
    /// RX → RW, a store, RW → RX.
    Flip,
    /// A new file in a new private mapping at the same address.
    Renew,
    /// pwrite(2) to /proc/self/mem.
    Memory(Fd),
    /// The page is forgotten and comes back by userfaultfd(2) from another.
    Fault(Fd, NonNull<u8>),
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

impl Place {
    const fn new(run: NonNull<u8>, patch: Patch) -> Self {
        Self { run, patch, file: None }
    }

    /// Rewrites the code.
    pub(super) fn rewrite(&self, record: &Record, token: u32) {
        match self.patch {
            // SAFETY: (1) the place was made for it.
            Patch::Store(at) => unsafe { store(at, token) },
            Patch::Flip => {
                record.need(protect(self.run, RW));
                // SAFETY: (1) the page is writable now.
                unsafe { store(self.run, token) };
                record.need(protect(self.run, RX));
            }
            Patch::Renew => {
                let file = memfd(record, 0);
                record.need(linux::pwrite(file, &code(token), 0));
                let at = self.run.as_ptr() as usize;
                record.need(view(at, RX, MapFlags::PRIVATE.union(MapFlags::FIXED), file));
                let _ = base::close(file);
            }
            Patch::Memory(memory) => {
                record.need(linux::pwrite(memory, &code(token), self.run.as_ptr() as usize));
            }
            Patch::Fault(watch, source) => {
                // SAFETY: (1) the page is the trial's own and about to be
                // replaced.
                record.need(unsafe { linux::forget(self.run, PAGE) });
                // SAFETY: (1) the source is a page of the trial's.
                unsafe { store(source, token) };
                record.need(supply(watch, self.run, source));
            }
        }
    }

    /// Makes a rewrite visible that was not; `true` if the kernel let it.
    pub(super) fn refresh(&mut self, fresh: Fresh) -> bool {
        let at = self.run.as_ptr() as usize;
        match (fresh, self.file) {
            (Fresh::Reprotect, _) => {
                protect(self.run, Prot::READ).and_then(|()| protect(self.run, RX)).is_ok()
            }
            (Fresh::Remap, Some(file)) => view(at, RX, MapFlags::SHARED.union(MapFlags::FIXED), file).is_ok(),
            (Fresh::NewView, Some(file)) => {
                let view = view(0, RX, MapFlags::SHARED, file);
                self.run = view.unwrap_or(self.run);
                view.is_ok()
            }
            (_, None) => false,
        }
    }
}

/// Maps anonymous pages.
fn anonymous(record: &Record, size: usize, prot: Prot, flags: MapFlags) -> NonNull<u8> {
    // SAFETY: (1) the mapping is not fixed.
    record.need(unsafe { base::mmap(0, size, prot, flags.union(MapFlags::ANONYMOUS), Fd::NONE, 0) })
}

/// A private page for `prot`.
pub(super) fn page(record: &Record, prot: Prot) -> NonNull<u8> {
    anonymous(record, PAGE, prot, MapFlags::PRIVATE)
}

/// Maps the first page of a file.
fn view(at: usize, prot: Prot, flags: MapFlags, fd: Fd) -> Result<NonNull<u8>, Error> {
    // SAFETY: (1) a fixed mapping replaces the trial's own.
    let place = unsafe { base::mmap(at, PAGE, prot, flags, fd, 0) }?;
    if at != 0 && place.as_ptr() as usize != at {
        return Err(Error::without_effect(Sysno::mmap));
    }
    Ok(place)
}

/// Maps a view wherever there is room.
fn shared(record: &Record, prot: Prot, fd: Fd) -> NonNull<u8> {
    record.need(view(0, prot, MapFlags::SHARED, fd))
}

#[inline(never)]
fn protect(at: NonNull<u8>, prot: Prot) -> Result<(), Error> {
    // SAFETY: (1) the page is the trial's own.
    unsafe { base::mprotect(at, PAGE, prot) }
}

/// Keeps a descriptor open until the process ends.
pub(super) fn keep(record: &Record, file: Result<OwnedFd, Error>) -> Fd {
    let file = record.need(file);
    let fd = file.fd();
    core::mem::forget(file);
    fd
}

const MFD_EXEC: u32 = 16;

/// A file in memory with one page.
fn memfd(record: &Record, flags: u32) -> Fd {
    sized(record, base::memfd_create(c"barejit-probe", flags))
}

fn sized(record: &Record, file: Result<OwnedFd, Error>) -> Fd {
    let file = keep(record, file);
    record.need(base::ftruncate(file, PAGE));
    file
}

/// The code goes to `write`, which `run` shows.
#[inline(never)]
fn two_views(record: &Record, write: NonNull<u8>, run: NonNull<u8>) -> Place {
    record.enter(Step::Write);
    // SAFETY: (1) the page is mapped for it.
    unsafe { store(write, TOKENS[0]) };
    Place::new(run, Patch::Store(write))
}

/// A file with a writable and an executable view.
fn dual(record: &Record, file: Fd) -> Place {
    let write = shared(record, RW, file);
    let run = shared(record, RX, file);
    Place { file: Some(file), ..two_views(record, write, run) }
}

/// The ways, as values that need no relocating.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Control,
    ReserveCommit,
    PkeyMprotect,
    MemfdDualExec,
    MemfdDualNoexecSeal,
    MemfdMprotect,
    MemfdPrivate,
    OtmpfileDual,
    SelfMem,
    MremapRxToRw,
    MremapRwToRx,
    SysvShm,
    Brk,
    Bss,
    Stack,
    Text,
    Userfault,
    ReadImpliesExec,
}

impl Way {
    /// Begins at [`Step::Obtain`] and ends before [`Step::Run`].
    pub(super) fn take(self, record: &Record, scratch: &mut Scratch) -> Place {
        match self {
            Self::Control => control(record),
            Self::ReserveCommit => reserve_commit(record),
            Self::PkeyMprotect => pkey_mprotect(record),
            Self::MemfdDualExec => memfd_dual_exec(record),
            Self::MemfdDualNoexecSeal => memfd_dual_noexec_seal(record),
            Self::MemfdMprotect => memfd_mprotect(record),
            Self::MemfdPrivate => memfd_private(record),
            Self::OtmpfileDual => otmpfile_dual(record),
            Self::SelfMem => self_mem(record),
            Self::MremapRxToRw => mremap_rx_to_rw(record),
            Self::MremapRwToRx => mremap_rw_to_rx(record),
            Self::SysvShm => sysv_shm(record),
            Self::Brk => brk(record),
            Self::Bss => bss(record),
            Self::Stack => stack(record, scratch),
            Self::Text => text(record),
            Self::Userfault => userfault(record, scratch),
            Self::ReadImpliesExec => read_implies_exec(record),
        }
    }
}

/// Memory that must not run: a page readable and writable.
fn control(record: &Record) -> Place {
    let page = page(record, RW);
    two_views(record, page, page)
}

/// Writes to a page that will be flipped to be rewritten, and makes it
/// executable.
fn seal(record: &Record, page: NonNull<u8>, protect: fn(NonNull<u8>, Prot) -> Result<(), Error>) -> Place {
    record.enter(Step::Write);
    // SAFETY: (1) the page is mapped for it.
    unsafe { store(page, TOKENS[0]) };
    record.enter(Step::Protect);
    record.need(protect(page, RX));
    Place::new(page, Patch::Flip)
}

fn reserve_commit(record: &Record) -> Place {
    const RESERVE: usize = 256 << 20;
    let page = anonymous(record, RESERVE, Prot::empty(), MapFlags::PRIVATE.union(MapFlags::NORESERVE));
    record.need(protect(page, RW));
    seal(record, page, protect)
}

fn pkey_mprotect(record: &Record) -> Place {
    let page = page(record, RW);
    seal(record, page, |page, prot| {
        // SAFETY: (1) the page is the trial's own.
        unsafe { linux::pkey_mprotect(page, PAGE, prot) }
    })
}

fn memfd_dual_exec(record: &Record) -> Place {
    dual(record, memfd(record, MFD_EXEC))
}

fn memfd_dual_noexec_seal(record: &Record) -> Place {
    dual(record, memfd(record, base::NOEXEC_SEAL))
}

fn memfd_mprotect(record: &Record) -> Place {
    let file = memfd(record, 0);
    let write = shared(record, RW, file);
    let run = shared(record, Prot::empty(), file);
    let place = two_views(record, write, run);
    record.enter(Step::Protect);
    record.need(protect(run, RX));
    Place { file: Some(file), ..place }
}

fn memfd_private(record: &Record) -> Place {
    let file = memfd(record, 0);
    record.enter(Step::Write);
    record.need(linux::pwrite(file, &code(TOKENS[0]), 0));
    record.enter(Step::Protect);
    Place::new(record.need(view(0, RX, MapFlags::PRIVATE, file)), Patch::Renew)
}

/// A file without a name in the working directory, with two views.
fn otmpfile_dual(record: &Record) -> Place {
    dual(record, sized(record, base::open_nameless(c".")))
}

fn self_mem(record: &Record) -> Place {
    let run = page(record, RX);
    // Opened here: a descriptor from before the fork would show the parent.
    let memory = keep(record, linux::open_for_writing(c"/proc/self/mem"));
    let place = Place::new(run, Patch::Memory(memory));
    record.enter(Step::Write);
    place.rewrite(record, TOKENS[0]);
    place
}

fn mremap_rx_to_rw(record: &Record) -> Place {
    let run = anonymous(record, PAGE, RX, MapFlags::SHARED);
    let write = record.need(linux::mremap_alias(run, PAGE));
    record.enter(Step::Protect);
    record.need(protect(write, RW));
    two_views(record, write, run)
}

fn mremap_rw_to_rx(record: &Record) -> Place {
    let write = anonymous(record, PAGE, RW, MapFlags::SHARED);
    let run = record.need(linux::mremap_alias(write, PAGE));
    let place = two_views(record, write, run);
    record.enter(Step::Protect);
    record.need(protect(run, RX));
    place
}

fn sysv_shm(record: &Record) -> Place {
    const SHM_RDONLY_EXEC: u32 = 0o10_000 | 0o100_000;
    let segment = record.need(linux::shm_create(PAGE));
    record.owns_segment(Some(segment));
    let write = record.need(linux::shmat(segment, 0));
    let run = record.need(linux::shmat(segment, SHM_RDONLY_EXEC));
    record.need(linux::shm_remove(segment));
    record.owns_segment(None);
    two_views(record, write, run)
}

/// Data of the process, made executable where it is.
fn unprotect(record: &Record, page: NonNull<u8>) -> Place {
    let place = two_views(record, page, page);
    record.enter(Step::Protect);
    record.need(protect(page, Prot::all()));
    place
}

fn brk(record: &Record) -> Place {
    let page = base::brk(0).next_multiple_of(PAGE);
    let refused = Error::new(Sysno::brk, Errno::ENOMEM);
    let grown = NonNull::new(page as *mut u8).filter(|_| base::brk(page + PAGE) >= page + PAGE);
    unprotect(record, record.need(grown.ok_or(refused)))
}

struct Bss(UnsafeCell<[u8; 2 * PAGE]>);

// SAFETY: only a trial's one thread touches it, through a raw pointer.
unsafe impl Sync for Bss {}

/// A whole page is in there wherever it lies. Aligned to one, it would move all
/// other data apart, and every start would touch a page more.
static BSS: Bss = Bss(UnsafeCell::new([0; 2 * PAGE]));

fn bss(record: &Record) -> Place {
    let first: NonNull<u8> = NonNull::from(&BSS.0).cast();
    let gap = first.align_offset(PAGE);
    // SAFETY: at most a page ahead, and there are two.
    unprotect(record, unsafe { first.add(gap) })
}

fn stack(record: &Record, scratch: &mut Scratch) -> Place {
    unprotect(record, scratch.address())
}

/// Room for code among the code of barejit.
#[unsafe(naked)]
unsafe extern "sysv64" fn room() {
    core::arch::naked_asm!(".p2align 4", "2: .fill 16, 1, 0xCC")
}

fn text(record: &Record) -> Place {
    let room = room as *const () as usize;
    let pointer = |address: usize| NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling());
    let (page, room) = (pointer(room & !(PAGE - 1)), pointer(room));
    record.enter(Step::Protect);
    record.need(protect(page, Prot::all()));
    two_views(record, room, room)
}

const UFFDIO_API: u32 = 0xC018_AA3F;
const UFFDIO_REGISTER: u32 = 0xC020_AA00;
const UFFDIO_COPY: u32 = 0xC028_AA03;

fn userfault(record: &Record, scratch: &mut Scratch) -> Place {
    const O_CLOEXEC: u32 = 0o2_000_000;
    const USER_MODE_ONLY: u32 = 1;
    const MISSING: u64 = 1;
    let watch = match linux::userfaultfd(O_CLOEXEC | USER_MODE_ONLY) {
        Err(error) if error.is(Errno::EINVAL) => linux::userfaultfd(O_CLOEXEC),
        result => result,
    };
    let watch = keep(record, watch);
    // SAFETY: (1) uffdio_api: api, features, ioctls.
    record.need(unsafe { linux::ioctl(watch, UFFDIO_API, &mut [0xAA, 0, 0]) });
    let run = page(record, RX);
    let range = &mut [run.as_ptr() as u64, PAGE as u64, MISSING, 0];
    // SAFETY: (1) uffdio_register: start, length, mode, ioctls; the range is
    // the page just mapped.
    record.need(unsafe { linux::ioctl(watch, UFFDIO_REGISTER, range) });
    record.enter(Step::Write);
    let source = scratch.address();
    // SAFETY: (1) the scratch page is the trial's.
    unsafe { store(source, TOKENS[0]) };
    record.need(supply(watch, run, source));
    Place::new(run, Patch::Fault(watch, source))
}

/// Fills a watched page that was never touched.
fn supply(watch: Fd, page: NonNull<u8>, source: NonNull<u8>) -> Result<(), Error> {
    let copy = &mut [page.as_ptr() as u64, source.as_ptr() as u64, PAGE as u64, 0, 0];
    // SAFETY: (1) uffdio_copy: to, from, length, mode, copied; both are pages
    // of the trial's.
    unsafe { linux::ioctl(watch, UFFDIO_COPY, copy) }
}

fn read_implies_exec(record: &Record) -> Place {
    const READ_IMPLIES_EXEC: u32 = 0x0040_0000;
    let persona = record.need(linux::personality(u32::MAX));
    record.need(linux::personality(persona | READ_IMPLIES_EXEC));
    // SAFETY: (1) the mapping is not fixed.
    let flags = MapFlags::PRIVATE.union(MapFlags::ANONYMOUS);
    // SAFETY: (1) the mapping is not fixed.
    let page = unsafe { base::mmap(0, PAGE, RW, flags, Fd::NONE, 0) };
    // Of no consequence in a process of the trial's own.
    let _ = linux::personality(persona);
    let page = record.need(page);
    two_views(record, page, page)
}
