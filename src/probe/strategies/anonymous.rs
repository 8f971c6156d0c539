//! Strategies that need no file: pages of the process's own change what they may be used
//! for, or are seen twice.

use super::stub::{PAGE, Place, RW, RWX, RX, Trial, address, map, protect};
use crate::probe::outcome::Step;
use barejit_sys::linux::trial::{self as linux, Segment};
use barejit_sys::{Errno, Error, Fd, MapFlags, Prot, Sysno, linux as base};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// A page that is never made executable: its code must not run.
pub(super) fn control(trial: &Trial<'_>) {
    let page = trial.page(RW);
    trial.stored(page, Place::anonymous(page));
}

/// One mapping for everything (sljit, JavaScriptCore).
pub(super) fn anon_rwx(trial: &Trial<'_>) {
    let page = trial.page(RWX);
    trial.stored(page, Place::anonymous(page));
}

/// A page becomes writable and executable at once (HotSpot, PHP opcache).
pub(super) fn anon_mprotect_rwx(trial: &Trial<'_>) {
    let page = trial.page(RW);
    trial.stored_then_protected(page, page, RWX, Place::anonymous(page));
}

/// Address space is reserved, and part of it becomes RWX (V8).
pub(super) fn reserve_rwx(trial: &Trial<'_>) {
    let page = reserve(trial, 256 << 20);
    trial.enter(Step::Protect);
    trial.protect(page, RWX);
    trial.stored(page, Place::anonymous(page));
}

/// Address space of `size` bytes is reserved, and a page of it is committed and flipped.
pub(super) fn reserve_commit(trial: &Trial<'_>, size: usize) {
    let page = reserve(trial, size);
    trial.protect(page, RW);
    trial.flipped(page, &|page| protect(page, RX));
}

/// As mprotect(2), with the key that is none.
pub(super) fn pkey_mprotect(trial: &Trial<'_>) {
    let page = trial.page(RW);
    // SAFETY: (1) the page is the trial's own.
    trial.flipped(page, &|page| unsafe { linux::pkey_mprotect(page, PAGE, RX) });
}

/// Pages for reading and writing under READ_IMPLIES_EXEC.
pub(super) fn read_implies_exec(trial: &Trial<'_>) {
    const READ_IMPLIES_EXEC: u32 = 0x0040_0000;
    // SAFETY: (1) it asks.
    let persona = trial.need(unsafe { linux::personality(u32::MAX) });
    // SAFETY: (1) one page is mapped, for this trial.
    trial.need(unsafe { linux::personality(persona | READ_IMPLIES_EXEC) });
    let page = trial.page(RW);
    // It is of no consequence in a process of the trial's own.
    // SAFETY: (1) it is as it was.
    let _ = unsafe { linux::personality(persona) };
    trial.stored(page, Place::anonymous(page));
}

/// A shared RX page, and an alias of it that becomes RW.
pub(super) fn mremap_rx_to_rw(trial: &Trial<'_>) {
    let run = trial.shared(RX, Fd::NONE);
    // SAFETY: (1) the page is the trial's own.
    let alias = trial.need(unsafe { linux::mremap_alias(run, PAGE) });
    trial.enter(Step::Protect);
    trial.protect(alias, RW);
    trial.stored(alias, Place::anonymous(run));
}

/// A shared RW page, and an alias of it that becomes RX.
pub(super) fn mremap_rw_to_rx(trial: &Trial<'_>) {
    let write = trial.shared(RW, Fd::NONE);
    // SAFETY: (1) the page is the trial's own.
    let alias = trial.need(unsafe { linux::mremap_alias(write, PAGE) });
    trial.stored_then_protected(write, alias, RX, Place::anonymous(alias));
}

/// A System V segment attached twice. It goes with its last view.
pub(super) fn sysv_shm(trial: &Trial<'_>) {
    const SHM_RDONLY_EXEC: u32 = 0o110_000;
    let segment = trial.need(Segment::create(PAGE));
    trial.record.owns_segment(Some(segment));
    // SAFETY: (1) only the trial has the segment.
    let write = trial.need(unsafe { segment.attach(0) });
    // SAFETY: (1) only the trial has the segment.
    let run = trial.need(unsafe { segment.attach(SHM_RDONLY_EXEC) });
    trial.need(segment.remove());
    trial.record.owns_segment(None);
    trial.stored(write, Place::anonymous(run));
}

/// The page behind the program break.
pub(super) fn brk(trial: &Trial<'_>) {
    // SAFETY: (1, 2) it moves nothing.
    let page = unsafe { base::brk(0) }.next_multiple_of(PAGE);
    // SAFETY: (1, 2) it moves up, and nothing is allocated in a trial.
    if page == 0 || unsafe { base::brk(page + PAGE) } < page + PAGE {
        trial.record.refuse(Error::new(Sysno::brk, Errno::ENOMEM));
    }
    trial.stored_then_protected(address(page), address(page), RWX, Place::anonymous(address(page)));
}

/// Room for code among the data of barejit, in one page wherever it lies but never at
/// its beginning: see [`Place`].
#[repr(C, align(32))]
struct Data([u8; 16], UnsafeCell<[u8; 16]>);

// SAFETY: only a trial's one thread touches it, through a raw pointer.
unsafe impl Sync for Data {}

static DATA: Data = Data([0; 16], UnsafeCell::new([0; 16]));

/// The process's own data.
pub(super) fn bss(trial: &Trial<'_>) {
    let at = address(DATA.1.get() as usize);
    trial.stored_then_protected(at, page_of(at), RWX, Place::anonymous(at));
}

/// A page of the trial's own stack.
#[repr(C, align(4096))]
struct Scratch(MaybeUninit<[u8; PAGE]>);

/// The process's own stack.
pub(super) fn stack(trial: &Trial<'_>) {
    let mut scratch = MaybeUninit::<Scratch>::uninit();
    let page = NonNull::from(&mut scratch).cast();
    trial.stored_then_protected(page, page, RWX, Place::anonymous(page));
}

/// Room for code among the code of barejit.
#[unsafe(naked)]
unsafe extern "sysv64" fn room() {
    core::arch::naked_asm!(".p2align 4", "2: .fill 16, 1, 0xCC")
}

/// The process's own code.
pub(super) fn text(trial: &Trial<'_>) {
    let at = address(room as *const () as usize);
    trial.enter(Step::Protect);
    trial.protect(page_of(at), RWX);
    trial.stored(at, Place::anonymous(at));
}

/// A page whose first touch is answered from another one, by userfaultfd(2).
pub(super) fn userfaultfd(trial: &Trial<'_>) {
    const O_CLOEXEC: u32 = 0o2_000_000;
    const USER_MODE_ONLY: u32 = 1;
    const UFFDIO_API: u32 = 0xC018_AA3F;
    const UFFDIO_REGISTER: u32 = 0xC020_AA00;
    const UFFDIO_COPY: u32 = 0xC028_AA03;
    const MISSING: u64 = 1;
    let mut scratch = MaybeUninit::<Scratch>::uninit();
    let source: NonNull<u8> = NonNull::from(&mut scratch).cast();
    let faults = trial.keep(match linux::userfaultfd(O_CLOEXEC | USER_MODE_ONLY) {
        Err(error) if error.is(Errno::EINVAL) => linux::userfaultfd(O_CLOEXEC),
        result => result,
    });
    // SAFETY: (1) uffdio_api: api, features, ioctls.
    trial.need(unsafe { linux::ioctl(faults, UFFDIO_API, &mut [0xAA, 0, 0]) });
    let page = trial.page(RX);
    let range = &mut [page.as_ptr() as u64, PAGE as u64, MISSING, 0];
    // SAFETY: (1) uffdio_register: start, length, mode, ioctls; the range is the page just
    // mapped.
    trial.need(unsafe { linux::ioctl(faults, UFFDIO_REGISTER, range) });
    trial.course(&mut |token| {
        if trial.record.has_run() {
            // SAFETY: (1) the page is the trial's own and about to be replaced.
            trial.need(unsafe { linux::discard(page, PAGE) });
        }
        trial.enter(Step::Write);
        trial.store(source, token);
        let copy = &mut [page.as_ptr() as u64, source.as_ptr() as u64, PAGE as u64, 0, 0];
        // SAFETY: (1) uffdio_copy: to, from, length, mode, copied; both are pages of the
        // trial's.
        trial.need(unsafe { linux::ioctl(faults, UFFDIO_COPY, copy) });
        Place::anonymous(page)
    });
}

/// Address space that nothing may touch yet.
fn reserve(trial: &Trial<'_>, size: usize) -> NonNull<u8> {
    let flags = MapFlags::PRIVATE.union(MapFlags::NORESERVE);
    trial.need(map(None, size, Prot::empty(), flags, Fd::NONE))
}

/// The beginning of the page of `at`.
fn page_of(at: NonNull<u8>) -> NonNull<u8> {
    address(at.as_ptr() as usize & !(PAGE - 1))
}
