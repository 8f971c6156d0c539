//! Files of /proc about a process: its status, its limits, its mappings and the files
//! that they are of. Everything in them is foreign text, and may be missing.

use alloc::{ffi::CString, format, string::String, vec::Vec};
use barejit_sys::{
    Fd, OwnedFd,
    linux::{
        self,
        tracing::{self, Memory, Tid},
    },
};
use core::fmt::Arguments;

/// The longest file of /proc that is read: some 500,000 mappings.
const LONGEST: usize = 64 << 20;

/// A C string that names `path`.
fn c_string(path: impl Into<Vec<u8>>) -> Option<CString> {
    CString::new(path).ok()
}

/// The file `name` of /proc/PID.
pub(super) fn file(process: i32, name: &str) -> Vec<u8> {
    whole(format_args!("/proc/{}/{name}", i64::from(process)))
}

/// The same of this process itself.
pub(super) fn file_of_self(name: &str) -> Vec<u8> {
    whole(format_args!("/proc/self/{name}"))
}

/// Everything in a file, or nothing if it cannot be read.
fn whole(path: Arguments<'_>) -> Vec<u8> {
    let file = c_string(format!("{path}")).and_then(|path| linux::open(&path).ok());
    file.and_then(|file| read_all(file.fd())).unwrap_or_default()
}

fn read_all(fd: Fd) -> Option<Vec<u8>> {
    const STEP: usize = 32 << 10;
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST {
        let used = bytes.len();
        bytes.resize(used + STEP, 0);
        let read = barejit_sys::read_some(fd, bytes.get_mut(used..)?).ok()?;
        bytes.truncate(used + read);
        if read == 0 {
            break;
        }
    }
    Some(bytes)
}

/// A file with one number in it, of /proc/sys.
pub(super) fn level(path: &str) -> Option<u64> {
    decimal(whole(format_args!("/proc/sys/{path}")).trim_ascii())
}

/// The number that `digits` are.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    barejit_sys::utf8(digits)?.parse().ok()
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(barejit_sys::utf8(digits)?, 16).ok()
}

/// The text behind `key` in its line, without blanks around.
pub(super) fn value<'a>(lines: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut lines = lines.split(|byte| *byte == b'\n');
    lines.find_map(|line| line.strip_prefix(key.as_bytes())).map(<[u8]>::trim_ascii)
}

/// The number that follows `key` in its line, as the first word.
pub(super) fn number(lines: &[u8], key: &str) -> Option<u64> {
    let value = value(lines, key)?;
    decimal(value.split(|byte| byte.is_ascii_whitespace()).next()?)
}

/// The soft limit of the resource that /proc/PID/limits calls `name`; `None` if there is
/// no limit.
pub(super) fn limit(process: i32, name: &str) -> Option<u64> {
    number(&file(process, "limits"), name)
}

/// Where a link of /proc/PID leads to.
pub(super) fn link(process: i32, name: &str) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let path = c_string(format!("/proc/{}/{name}", i64::from(process)));
    let target = path.and_then(|path| tracing::readlink(&path, &mut buffer).ok().map(<[u8]>::to_vec));
    target.unwrap_or_default()
}

/// The security context of a process.
pub(super) fn context(process: i32) -> String {
    let context = file(process, "attr/current");
    clean(context.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii())
}

/// The string at an address of a stopped thread.
pub(super) fn string(tid: Tid, address: u64) -> Option<Vec<u8>> {
    let mut buffer = [0; 4096];
    let read = Memory::open(tid).ok()?.read(address, &mut buffer)?;
    let mut parts = buffer.get(..read)?.split(|byte| *byte == 0);
    parts.next().map(<[u8]>::to_vec)
}

/// The flags of the mount that a file of /proc/PID is on (statfs(2)).
pub(super) fn mount_flags(process: i32, name: &[u8]) -> Option<u64> {
    let mut path = format!("/proc/{}/", i64::from(process)).into_bytes();
    path.extend_from_slice(name);
    linux::trial::statfs(&c_string(path)?).ok().map(|[_, flags]| flags)
}

/// Opens a file as the process sees it, if it is a regular one.
pub(super) fn open_seen(process: i32, path: &[u8]) -> Option<(OwnedFd, tracing::Stat)> {
    let mut seen = format!("/proc/{}/root", i64::from(process)).into_bytes();
    seen.extend_from_slice(path);
    let file = tracing::open_unblocked(&c_string(seen)?).ok()?;
    let stat = tracing::fstat(file.fd()).ok()?;
    stat.is_regular().then_some((file, stat))
}

/// Text from outside for people: characters that are not printable become `?`.
pub(super) fn clean(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            text.push(if character.is_control() { '?' } else { character });
        }
        if !chunk.invalid().is_empty() {
            text.push('?');
        }
    }
    text
}

/// A line of /proc/PID/maps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    /// `rwxp`, with `-` for what it is not.
    pub(super) flags: [u8; 4],
    /// Where in the file it begins.
    pub(super) offset: u64,
    pub(super) inode: u64,
    /// The file, or a name in brackets, or nothing.
    pub(super) path: Vec<u8>,
}

impl Mapping {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.splitn(6, |byte| *byte == b' ');
        let range = words.next()?;
        let dash = range.iter().position(|byte| *byte == b'-')?;
        let (start, end) = (hexadecimal(range.get(..dash)?)?, hexadecimal(range.get(dash + 1..)?)?);
        let flags = words.next()?.try_into().ok()?;
        let offset = hexadecimal(words.next()?)?;
        let inode = decimal(words.nth(1)?)?;
        let path = words.next().unwrap_or_default().trim_ascii_start().to_vec();
        (start < end).then_some(Self { start, end, flags, offset, inode, path })
    }

    pub(super) fn is_writable(&self) -> bool {
        self.flags[1] == b'w'
    }

    pub(super) fn is_executable(&self) -> bool {
        self.flags[2] == b'x'
    }

    pub(super) fn is_shared(&self) -> bool {
        self.flags[3] == b's'
    }

    /// Whether nothing may be done with it.
    pub(super) fn is_reserved(&self) -> bool {
        self.flags.starts_with(b"---")
    }

    /// Whether it is of a file that has or had a name.
    pub(super) fn is_file(&self) -> bool {
        self.path.first() == Some(&b'/')
    }

    /// The last part of its path.
    pub(super) fn name(&self) -> &[u8] {
        self.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }
}

/// The mappings of a process, sorted by address.
pub(super) struct Maps(Vec<Mapping>);

impl Maps {
    pub(super) fn of(process: i32) -> Self {
        Self::parse(&file(process, "maps"))
    }

    fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(Mapping::parse).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The mapping that holds `address`.
    pub(super) fn at(&self, address: u64) -> Option<&Mapping> {
        let place = self.0.partition_point(|mapping| mapping.end <= address);
        self.0.get(place).filter(|mapping| mapping.start <= address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps_are_taken_apart() {
        let text = b"00400000-0040b000 r-xp 00001000 fe:00 1234       /usr/bin/a name (deleted)\n\
            7f00deadb000-7f00deadc000 rw-s 00000000 00:01 5 /memfd:x (deleted)\n\
            7fff00000000-7fff00021000 rw-p 00000000 00:00 0 [stack]\n\
            7fff10000000-7fff10001000 ---p 00000000 00:00 0 \nnonsense\n9-1 r--p 0 0 0\n";
        let maps = Maps::parse(text);
        assert_eq!(maps.len(), 4);
        let first = maps.at(0x40_0000).expect("the first page");
        assert_eq!((first.name(), first.offset, first.inode), (&b"a name (deleted)"[..], 0x1000, 1234));
        assert!(first.is_executable() && !first.is_writable() && first.is_file() && !first.is_shared());
        assert!(maps.at(0x40_b000).is_none() && maps.at(0).is_none() && maps.at(u64::MAX).is_none());
        assert!(maps.at(0x7F00_DEAD_B123).expect("the second").is_shared());
        assert!(maps.at(0x7FFF_1000_0FFF).expect("the fourth").is_reserved());
    }

    #[test]
    fn limits_and_numbers_are_found_in_their_lines() {
        let status = b"Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\nTgid:\t 17 \n";
        assert_eq!(number(status, "Seccomp:"), Some(2));
        assert_eq!(number(status, "Seccomp_filters:"), Some(3));
        assert_eq!(number(status, "Tgid:"), Some(17));
        assert_eq!(number(status, "NoNewPrivs:"), None);
        assert_eq!(
            number(b"Max address space         unlimited  unlimited bytes", "Max address space"),
            None
        );
        assert_eq!(number(b"Max address space         4096  8192 bytes", "Max address space"), Some(4096));
    }
}
