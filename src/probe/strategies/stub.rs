//! The code that a trial runs, where it is put, and the course of a trial: run it,
//! rewrite it, run it again.
//!
//! Trials are processes of their own, so what they map is never unmapped and a careless
//! address harms nobody else.

use crate::probe::outcome::{Fresh, Step};
use crate::probe::runner::Record;
use barejit_asm::{Asm, Baked, EAX, Hole, bake};
use barejit_exec::Callable;
use barejit_sys::linux::nanoseconds;
use barejit_sys::{Error, Fd, MapFlags, OwnedFd, Prot, linux};
use core::ptr::NonNull;

/// The results of the code before and after it is rewritten.
pub(in crate::probe) const TOKENS: [u32; 2] = [0x0BA1_E142, 0x0BA1_E143];

pub(super) const PAGE: usize = 4096;
pub(super) const RW: Prot = Prot::READ_WRITE;
pub(super) const RX: Prot = Prot::READ_EXECUTE;
pub(super) const RWX: Prot = Prot::all();

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
pub(super) fn code(token: u32) -> [u8; 16] {
    let mut bytes = STUB.bytes;
    STUB.with.fill(&mut bytes, token.to_le_bytes());
    bytes
}

/// Where the code of a trial is called, and what is mapped there, if that is a
/// file. What it is made from stays open and mapped until the process ends.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) run: NonNull<u8>,
    pub(super) file: Fd<'static>,
}

impl Place {
    /// Memory of no file.
    pub(super) fn anonymous(run: NonNull<u8>) -> Self {
        Self { run, file: Fd::NONE }
    }

    /// Makes a rewrite visible that was not; `true` if the kernel let it.
    fn refresh(&mut self, fresh: Fresh) -> bool {
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

    /// Calls the stub.
    pub(super) fn call(self) -> u32 {
        // SAFETY: (1) the stub is there, or memory that faults, which ends the trial.
        let function = unsafe { Callable::<extern "sysv64" fn() -> u32>::at(self.run.as_ptr() as usize) };
        function.call()
    }
}

/// A trial under way.
pub(super) struct Trial<'a> {
    pub(super) record: &'a Record,
    /// Whether to measure what a rewrite costs, too.
    pub(super) bench: bool,
}

impl Trial<'_> {
    /// The value of `result`. A refusal ends the trial here.
    pub(super) fn need<T>(&self, result: Result<T, Error>) -> T {
        self.record.need(result)
    }

    /// Says what is tried next. Once the code has run, the step is the rewrite's.
    pub(super) fn enter(&self, step: Step) {
        if !self.record.has_run() {
            self.record.enter(step);
        }
    }

    /// Keeps a descriptor open until the process ends.
    pub(super) fn keep(&self, file: Result<OwnedFd, Error>) -> Fd<'static> {
        self.need(file).leak()
    }

    /// The same of a file, and gives it one page.
    pub(super) fn one_page(&self, file: Result<OwnedFd, Error>) -> Fd<'static> {
        let file = self.keep(file);
        self.need(linux::ftruncate(file, PAGE));
        file
    }

    /// A private page.
    pub(super) fn page(&self, prot: Prot) -> NonNull<u8> {
        self.need(map(None, PAGE, prot, MapFlags::PRIVATE, Fd::NONE))
    }

    /// A view of a page of `file`, or of a shared page of no file.
    pub(super) fn shared(&self, prot: Prot, file: Fd<'_>) -> NonNull<u8> {
        self.need(map(None, PAGE, prot, MapFlags::SHARED, file))
    }

    /// Changes the protection of a page.
    pub(super) fn protect(&self, page: NonNull<u8>, prot: Prot) {
        self.need(protect(page, prot));
    }

    /// Stores code, 16 bytes in two pieces that the compiler does not see through.
    pub(super) fn store(&self, at: NonNull<u8>, token: u32) {
        let code = u128::from_le_bytes(code(token));
        let words = at.as_ptr().cast::<u64>();
        // SAFETY: the trial has made 16 bytes there writable, on a multiple of 8, or memory
        // that faults, which ends the trial.
        unsafe { words.write_volatile(code as u64) };
        // SAFETY: likewise, the second half.
        unsafe { words.wrapping_add(1).write_volatile((code >> 64) as u64) };
    }

    /// The whole course, of code that is replaced by a store to `write` and called in
    /// `place`, which may be another view of it.
    pub(super) fn stored(&self, write: NonNull<u8>, place: Place) {
        self.course(&mut |token| {
            self.enter(Step::Write);
            self.store(write, token);
            place
        });
    }

    /// The whole course, of code that is stored to `write` before `page` becomes executable
    /// with `prot`, which it keeps for the rewrite.
    pub(super) fn stored_then_protected(
        &self,
        write: NonNull<u8>,
        page: NonNull<u8>,
        prot: Prot,
        place: Place,
    ) {
        self.course(&mut |token| {
            self.enter(Step::Write);
            self.store(write, token);
            if !self.record.has_run() {
                self.enter(Step::Protect);
                self.protect(page, prot);
            }
            place
        });
    }

    /// The whole course, of code in a page that is RW, which `seal` makes RX; for a rewrite it
    /// is made RW again.
    pub(super) fn flipped(&self, page: NonNull<u8>, seal: &dyn Fn(NonNull<u8>) -> Result<(), Error>) {
        self.course(&mut |token| {
            if self.record.has_run() {
                self.protect(page, RW);
            }
            self.enter(Step::Write);
            self.store(page, token);
            self.enter(Step::Protect);
            self.need(seal(page));
            Place::anonymous(page)
        });
    }

    /// The whole course: `write` puts code there, and then other code in its place.
    pub(super) fn course(&self, write: &mut dyn FnMut(u32) -> Place) {
        let record = self.record;
        let place = write(TOKENS[0]);
        record.enter(Step::Run);
        record.token(0, place.call());
        record.enter(Step::Rewrite);
        let mut place = write(TOKENS[1]);
        record.enter(Step::Rerun);
        let token = place.call();
        record.token(1, token);
        record.finish();
        if token == TOKENS[0] {
            for fresh in Fresh::ALL {
                if place.refresh(fresh) && place.call() == TOKENS[1] {
                    record.freshened(fresh);
                    break;
                }
            }
        }
        if self.bench {
            self.measure(write);
        }
    }

    /// Times rewrites until there are enough of them or a millisecond is over.
    fn measure(&self, write: &mut dyn FnMut(u32) -> Place) {
        const BATCH: u64 = 64;
        let start = nanoseconds();
        let (mut done, mut elapsed) = (0, 0);
        while elapsed < 1_000_000 && done < 64 * BATCH {
            for i in 0..BATCH {
                write(TOKENS[i as usize % 2]);
            }
            done += BATCH;
            elapsed = nanoseconds().wrapping_sub(start);
        }
        // A clock that stands still tells nothing.
        if elapsed > 0 {
            self.record.cost((elapsed / done).max(1));
        }
    }
}

/// An address as a pointer.
pub(super) fn address(address: usize) -> NonNull<u8> {
    NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling())
}

/// Maps pages of a file, or of none, in place of those at `fixed` or wherever
/// there is room.
pub(super) fn map(
    fixed: Option<NonNull<u8>>,
    size: usize,
    prot: Prot,
    mut flags: MapFlags,
    file: Fd<'_>,
) -> Result<NonNull<u8>, Error> {
    if file == Fd::NONE {
        flags = flags.union(MapFlags::ANONYMOUS);
    }
    if fixed.is_some() {
        flags = flags.union(MapFlags::FIXED);
    }
    let at = fixed.map_or(0, |fixed| fixed.as_ptr() as usize);
    // SAFETY: (1) a fixed mapping replaces the trial's own.
    unsafe { linux::mmap(at, size, prot, flags, file, 0) }
}

/// mprotect(2) of the page of `at`.
pub(super) fn protect(at: NonNull<u8>, prot: Prot) -> Result<(), Error> {
    // SAFETY: (1) the page is the trial's own.
    unsafe { linux::mprotect(at, PAGE, prot) }
}
