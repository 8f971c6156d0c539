//! `barejit probe --pid`: what can be known of a process that runs already, from outside
//! and without touching it.

use super::engine;
use super::proc::{self, Maps};
use crate::probe;
use alloc::{format, string::String};
use barejit_sys::{Errno, Error, Sysno, piece};
use core::fmt::{self, Write};

/// The limits that refuse memory or files, by their names in /proc/PID/limits, a bar
/// between each two.
const LIMITS: &str = "Max address space|Max data size|Max file size";
/// The same as getrlimit(2) has them, a blank between each two.
const LIMIT_NAMES: &str = "RLIMIT_AS RLIMIT_DATA RLIMIT_FSIZE";

/// The directories for files that hold code, as the process sees them.
const DIRECTORIES: &str = "/tmp /dev/shm /var/tmp";

/// Describes a process in lines.
///
/// # Errors
/// ESRCH if there is none, or if this process may not see it.
pub fn describe(process: i32) -> Result<String, Error> {
    let status = proc::file(process, "status");
    if status.is_empty() {
        return Err(Error::new(Sysno::kill, Errno::ESRCH));
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(process, &status, &mut text);
    Ok(text)
}

fn write(process: i32, status: &[u8], text: &mut String) -> fmt::Result {
    let word = |key| proc::clean(proc::value(status, key).unwrap_or(b"unknown"));
    let program = proc::link(process, "exe");
    let program = if program.is_empty() { word("Name:") } else { proc::clean(&program) };
    writeln!(text, "process {}: {program}", i64::from(process))?;
    let filters = match (proc::number(status, "Seccomp:"), proc::number(status, "Seccomp_filters:")) {
        (Some(0), _) => String::from("none"),
        (Some(1), _) => String::from("strict mode: read, write, exit and sigreturn only"),
        (Some(_), Some(count)) => format!("{count}; which calls they refuse is not told from outside"),
        (Some(_), None) => String::from("some; which calls they refuse is not told from outside"),
        (None, _) => String::from("unknown"),
    };
    writeln!(text, "  seccomp filters: {filters}")?;
    writeln!(text, "  no_new_privs:    {}", word("NoNewPrivs:"))?;
    let context = proc::context(process);
    writeln!(text, "  context:         {}", if context.is_empty() { "none" } else { &context })?;
    if let Some(flags) = proc::value(status, "PaX:") {
        writeln!(text, "  PaX:             {}", proc::clean(flags))?;
    }
    text.push_str("  limits:          ");
    for place in 0..3 {
        let name = piece(LIMITS, b'|', place);
        let limit = proc::limit(process, name).map_or(String::from("none"), |limit| format!("{limit}"));
        let comma = if place > 0 { ", " } else { "" };
        write!(text, "{comma}{} {limit}", piece(LIMIT_NAMES, b' ', place))?;
    }
    text.push('\n');
    mounts(process, text)?;
    mappings(process, text)?;
    writeln!(
        text,
        "  not told:        MDWE (prctl(PR_GET_MDWE) answers the process itself alone), Landlock"
    )?;
    inside(process, text)
}

/// The mount flags of directories in the mount namespace of the process.
fn mounts(process: i32, text: &mut String) -> fmt::Result {
    const READ_ONLY: u64 = 1;
    const NOEXEC: u64 = 8;
    text.push_str("  mounts:          ");
    for place in 0..3 {
        let directory = piece(DIRECTORIES, b' ', place);
        let flags = proc::mount_flags(process, format!("root{directory}").as_bytes());
        let how = match flags {
            None => "unknown",
            Some(flags) if flags & NOEXEC != 0 => "noexec",
            Some(flags) if flags & READ_ONLY != 0 => "read-only",
            Some(_) => "exec",
        };
        let comma = if place > 0 { ", " } else { "" };
        write!(text, "{comma}{directory} {how}")?;
    }
    text.push('\n');
    Ok(())
}

/// The executable mappings of the process, and its engine.
fn mappings(process: i32, text: &mut String) -> fmt::Result {
    let maps = Maps::of(process);
    if maps.len() == 0 {
        return writeln!(text, "  mappings:        unknown; /proc/PID/maps cannot be read");
    }
    let (mut both, mut made) = ([0, 0], [0, 0]);
    for mapping in maps.iter().filter(|mapping| mapping.is_executable()) {
        let kib = (mapping.end - mapping.start) / 1024;
        // The kernel's own are no memory for new code.
        let own = mapping.path.starts_with(b"[v");
        let library = mapping.is_file() && !mapping.path.starts_with(b"/memfd:") && !mapping.is_shared();
        for (counts, count) in [(&mut both, mapping.is_writable()), (&mut made, !own && !library)] {
            if count {
                *counts = [counts[0] + 1, counts[1] + kib];
            }
        }
    }
    let [[both, both_kib], [made, made_kib]] = [both, made];
    writeln!(
        text,
        "  mappings:        {made} executable for generated code ({made_kib} KiB), {both} writable and \
         executable at once ({both_kib} KiB)"
    )?;
    let Some((engine, file)) = engine::recognise(None, &maps) else {
        return writeln!(text, "  engine:          none that is known");
    };
    write!(text, "  engine:          {engine}, by {}", proc::clean(file))?;
    match probe::cure(engine, false) {
        Some((setting, price)) => writeln!(text, "; without executable memory: {setting} ({price})"),
        None => writeln!(text),
    }
}

/// How to run the probe where the process runs: by the unit or the container that
/// /proc/PID/cgroup names.
fn inside(process: i32, text: &mut String) -> fmt::Result {
    let cgroup = proc::file(process, "cgroup");
    let path = cgroup.trim_ascii().rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let unit = path.rsplit(|byte| *byte == b'/').find(|part| part.ends_with(b".service"));
    let is = |name: &str| path.windows(name.len()).any(|part| part == name.as_bytes());
    text.push_str("  to get inside:   ");
    if is("kubepods") {
        return writeln!(text, "kubectl debug with the security context of the container (docs/probe.md)");
    }
    if is("docker") || is("libpod") {
        return writeln!(
            text,
            "docker run with the options of the container and -v …:/barejit (docs/probe.md)"
        );
    }
    if let Some(unit) = unit {
        return writeln!(
            text,
            "systemctl show -p MemoryDenyWriteExecute -p SystemCallFilter {}, and systemd-run with the same \
             -p (docs/probe.md)",
            proc::clean(unit)
        );
    }
    writeln!(text, "start it anew as barejit probe -- COMMAND; nsenter takes no filter along (docs/probe.md)")
}
