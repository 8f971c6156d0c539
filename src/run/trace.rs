//! The trace of a run: reserve, write, patch, seal, jump, return, release, each with the
//! line of /proc/self/maps for the memory at that moment.
//!
//! Tracing changes one thing: code with a hole is written first as it was before the hole
//! was filled, so that the patch can be seen.

use crate::host::Input;
use barejit_asm::{Code, Hexadecimal, Hole};
use barejit_exec::{Strategy, fault::Ending};
use barejit_sys::{self as sys, Error, linux};
use core::fmt::{self, Display as _};

/// Writes the trace, if it is on.
#[derive(Clone, Copy)]
pub(super) struct Trace {
    on: bool,
    /// Whether /proc cannot be seen from the jump on.
    sandbox: bool,
}

impl Trace {
    pub(super) fn new(on: bool, sandbox: bool) -> Self {
        Self { on, sandbox }
    }

    /// Traces one step on the memory at `address`.
    pub(super) fn step(self, step: &str, address: usize) {
        self.tell(format_args!("{step}"), address);
    }

    fn tell(self, step: fmt::Arguments<'_>, address: usize) {
        if self.on {
            sys::report(format_args!("{step}: {}", fmt::from_fn(|f| mapping(f, address))));
        }
    }

    /// Tells that the memory at `address` has been sealed by this strategy.
    pub(super) fn sealed(self, strategy: Strategy, address: usize) {
        if self.on {
            self.tell(format_args!("seal ({})", strategy.name()), address);
        }
    }

    /// Tells that `entry`, in the memory at `address`, is jumped to.
    pub(super) fn jump(self, entry: usize, address: usize) {
        self.tell(format_args!("jump to {entry:#x}"), address);
    }

    /// Tells that memory which runs at `address` and is written at `view` has
    /// been reserved.
    pub(super) fn reserved(self, size: usize, address: usize, view: usize) {
        self.tell(format_args!("reserve {size} bytes"), address);
        if view != address {
            self.step("reserve a view to write through", view);
        }
    }

    /// Loads `code`, which will run at `address` and is written at `view`.
    pub(super) fn load(self, code: &Code<'_>, address: usize, view: usize, mut load: impl FnMut(&Code<'_>)) {
        if self.on { self.load_told(code, address, view, &mut load) } else { load(code) }
    }

    /// Loads the code as it was before its hole was filled, then as it is, and traces both.
    fn load_told(self, code: &Code<'_>, address: usize, view: usize, load: &mut dyn FnMut(&Code<'_>)) {
        let before = code.before().map_or(code.bytes(), |before| before.bytes);
        load(&Code::new(before));
        self.tell(format_args!("write {} bytes", before.len()), view);
        load(code);
        if let Some(before) = code.before() {
            let hole = before.at as usize..(before.at + before.size) as usize;
            let old = &before.bytes[hole.clone()];
            self.patched(before.at.into(), old, &code.bytes()[hole], view);
        }
        for relocation in code.relocations() {
            let old = Hole::<8>::new(relocation.at).read(code.bytes());
            let new = u64::from_le_bytes(old).wrapping_add(address as u64);
            self.patched(relocation.at.into(), &old, &new.to_le_bytes(), view);
        }
    }

    fn patched(self, at: u64, old: &[u8], new: &[u8], view: usize) {
        let (old, new) = (Hexadecimal(old), Hexadecimal(new));
        self.tell(format_args!("patch {at:#x} from {old} to {new}"), view);
    }

    /// Tells how a call of the code at `address` ended.
    pub(super) fn ended(self, ending: &Ending, address: usize) {
        let how = fmt::from_fn(|f| match ending {
            Ending::Returned(value) => write!(f, "return {} ({value:#x})", value.cast_signed()),
            Ending::Faulted(fault) => write!(f, "no return but SIG{}", fault.signal.name()),
            Ending::Panicked => f.write_str("no return but a panic"),
        });
        self.late(format_args!("{how}"), address);
    }

    /// Tells that the memory at `address` has been given back.
    pub(super) fn released(self, address: usize) {
        self.late(format_args!("release"), address);
    }

    /// A step after the jump, when a sandbox hides /proc.
    fn late(self, step: fmt::Arguments<'_>, address: usize) {
        if self.sandbox && self.on {
            sys::report(format_args!("{step}: the sandbox hides /proc"));
        } else {
            self.tell(step, address);
        }
    }
}

/// Writes the line of /proc/self/maps that covers `address`.
fn mapping(f: &mut fmt::Formatter<'_>, address: usize) -> fmt::Result {
    // A long path is cut.
    let mut line = [0; 256];
    match find(address, &mut line) {
        Err(error) => write!(f, "/proc/self/maps: {error}"),
        Ok(0) => f.write_str("nothing is mapped there"),
        Ok(used) => sys::Lossy(line[..used].trim_ascii_end()).fmt(f),
    }
}

/// Finds that line, puts it into `line` without the spaces that align paths, and
/// says how long it is.
fn find(address: usize, line: &mut [u8]) -> Result<usize, Error> {
    let maps = linux::open(c"/proc/self/maps")?;
    // On the stack: the heap would map memory, and change what is to be seen.
    let mut buffer = [0; 512];
    let mut input = Input::new(maps.fd(), &mut buffer);
    // `START-END …`: the number that is read, and the one before the dash.
    let (mut number, mut start, mut range) = (0, 0, true);
    let mut used = 0;
    while let Some(byte) = input.byte()? {
        match (byte, char::from(byte).to_digit(16)) {
            (b'\n', _) => {
                if (start..number).contains(&address) {
                    return Ok(used);
                }
                (number, used, range) = (0, 0, true);
                continue;
            }
            (b'-', _) if range => (start, number) = (number, 0),
            (_, Some(digit)) if range => number = number << 4 | digit as usize,
            _ => range = false,
        }
        if byte != b' ' || !line[..used].ends_with(b" ") {
            line[used] = byte;
            used = (used + 1).min(line.len() - 1);
        }
    }
    Ok(0)
}
