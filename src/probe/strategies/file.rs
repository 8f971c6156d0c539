//! Strategies that need a file of the kernel's own or of a directory's, seen twice or
//! mapped where the code is to run.

use super::stub::{PAGE, Place, RW, RX, Trial, code, map, protect};
use crate::probe::outcome::Step;
use barejit_sys::linux::trial as linux;
use barejit_sys::{Errno, Error, Fd, MapFlags, OwnedFd, Prot, Sysno, linux as base, process};
use core::ffi::CStr;

/// memfd_create(2) with these flags besides those for sealing and close-on-exec.
fn memfd(flags: u32) -> Result<OwnedFd, Error> {
    base::memfd_create(c"barejit-probe", flags)
}

/// A memory file, one view to write and one to run (AsmJit, libffi).
pub(super) fn memfd_dual(trial: &Trial<'_>, flags: u32) {
    two_views(trial, memfd(flags));
}

/// The flag MFD_EXEC.
pub(super) const MFD_EXEC: u32 = 16;
/// The flag MFD_NOEXEC_SEAL.
pub(super) const MFD_NOEXEC_SEAL: u32 = base::NOEXEC_SEAL;

/// A memory file whose second view becomes executable later (.NET).
pub(super) fn memfd_mprotect(trial: &Trial<'_>) {
    let file = trial.one_page(memfd(0));
    let write = trial.shared(RW, file);
    let run = trial.shared(Prot::empty(), file);
    trial.stored_then_protected(write, run, RX, Place { run, file });
}

/// A memory file that is written and mapped privately, as a loader does; for a rewrite a
/// new one takes its place.
pub(super) fn memfd_private(trial: &Trial<'_>) {
    let mut last = None;
    trial.course(&mut |token| {
        let file = trial.need(memfd(0));
        trial.need(base::ftruncate(file.fd(), PAGE));
        trial.enter(Step::Write);
        trial.need(linux::pwrite(file.fd(), &code(token), 0));
        trial.enter(Step::Protect);
        let run = trial.need(map(last, PAGE, RX, MapFlags::PRIVATE, file.fd()));
        last = Some(run);
        Place::anonymous(run)
    });
}

/// A nameless file in the working directory.
pub(super) fn otmpfile_dual(trial: &Trial<'_>) {
    two_views(trial, base::open_nameless(c"."));
}

/// A nameless file in the directory that an environment variable names (libffi).
pub(super) fn directory_dual(trial: &Trial<'_>, variable: &[u8]) {
    // No heap: a path that does not fit here is too long.
    let mut path = [0; 1024];
    let directory = process::variable(variable).unwrap_or_default();
    let room = path.len() - 1;
    let missing = if directory.len() > room { Errno::ENAMETOOLONG } else { Errno::ENOENT };
    let fits = directory.len() <= room && !directory.is_empty();
    if fits {
        path[..directory.len()].copy_from_slice(directory);
    }
    let path = CStr::from_bytes_until_nul(&path).ok().filter(|_| fits);
    let missing = Error::new(Sysno::open, missing);
    two_views(trial, path.ok_or(missing).and_then(base::open_nameless));
}

/// A private mapping of the executable that was written to and becomes executable, which
/// SELinux calls execmod.
pub(super) fn file_modified(trial: &Trial<'_>) {
    let file = trial.keep(base::open(c"/proc/self/exe"));
    let page = trial.need(map(None, PAGE, RW, MapFlags::PRIVATE, file));
    trial.flipped(page, &|page| protect(page, RX));
}

/// A page for execution, written through the memory of the process as a file (Julia).
pub(super) fn self_mem(trial: &Trial<'_>) {
    let run = trial.page(RX);
    // Opened in the trial: a descriptor from before the fork would show the parent.
    let memory = trial.keep(linux::open_for_writing(c"/proc/self/mem"));
    trial.course(&mut |token| {
        trial.enter(Step::Write);
        trial.need(linux::pwrite(memory, &code(token), run.as_ptr() as usize));
        Place { run, file: Fd::NONE }
    });
}

/// One view of `file` to write and one to run.
fn two_views(trial: &Trial<'_>, file: Result<OwnedFd, Error>) {
    let file = trial.one_page(file);
    let write = trial.shared(RW, file);
    let run = trial.shared(RX, file);
    trial.stored(write, Place { run, file });
}
