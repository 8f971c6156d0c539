//! The lengths of what the parser encodes beside those of GNU as without -O: for texts of
//! every row of the table and of the code of installed programs. Each difference is of a
//! kind that [`explanation`] has.

use barejit_asm::{
    decode,
    parse::{self, Place},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// SplitMix64 (Steele, Lea, Flood, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The text of the instruction that `bytes` begin with, and its length, unless it depends on
/// an address.
fn text(bytes: &[u8]) -> Option<(String, usize)> {
    let instruction = decode(bytes).ok()?;
    let fixed = instruction.distance().is_none() && instruction.rip_distance().is_none();
    fixed.then(|| (instruction.at(0).to_string(), instruction.size()))
}

/// Texts of every row at every width, as random bytes lead to them.
fn texts_of_rows() -> BTreeSet<String> {
    const EACH: u32 = 3;
    let (mut texts, mut seen, mut state) = (BTreeSet::new(), BTreeMap::new(), 7);
    for _ in 0..if cfg!(debug_assertions) { 100_000 } else { 2_000_000 } {
        let (low, high) = (next(&mut state).to_le_bytes(), next(&mut state).to_le_bytes());
        let mut bytes: Vec<u8> = low.into_iter().chain(high).take(15).collect();
        match next(&mut state) % 8 {
            0 => bytes[0] = 0x0F,
            1 => (bytes[0], bytes[1]) = (0x48, 0x0F),
            2 => (bytes[0], bytes[1]) = (0x66, 0x0F),
            3 => (bytes[0], bytes[1]) = (0xF3, 0x0F),
            4 => bytes[0] = 0xC5,
            5 => (bytes[0], bytes[1]) = (0xC4, bytes[1] & 0xE0 | 2),
            6 => (bytes[0], bytes[1]) = (0xC4, bytes[1] & 0xE0 | 3),
            _ => {}
        }
        let Ok(instruction) = decode(&bytes) else { continue };
        let Some((text, _)) = text(&bytes) else { continue };
        let key = (std::ptr::from_ref(instruction.row()), instruction.width(), text.contains('['));
        let count: &mut u32 = seen.entry(key).or_default();
        if *count < EACH && !is_odd(&text) {
            *count += 1;
            texts.insert(text);
        }
    }
    texts
}

/// Prefixes that disassemblers print where they mean nothing.
fn is_odd(text: &str) -> bool {
    let prefixes =
        ["hint-", "addr32", "data16", "data64", "xacquire", "xrelease", "bnd ", "notrack ", "es:", "fpu"];
    prefixes.iter().any(|prefix| text.contains(prefix)) || text.starts_with("rep")
}

/// The bytes of the `.text` of an installed program.
fn code(path: &str) -> Vec<u8> {
    let bare = scratch("gas.text");
    let status = Command::new("objcopy").args(["-O", "binary", "-j", ".text", path]).arg(&bare).status();
    assert!(status.expect("objcopy; apt-get install -y binutils").success());
    let bytes = std::fs::read(&bare).expect("written");
    std::fs::remove_file(bare).expect("was there");
    bytes
}

fn texts_of_programs() -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for path in ["/bin/bash", "/usr/bin/git", "/usr/bin/python3"] {
        if !Path::new(path).exists() {
            continue;
        }
        let (bytes, mut at) = (code(path), 0);
        let end = if cfg!(debug_assertions) { bytes.len().min(50_000) } else { bytes.len() };
        while at < end {
            texts.extend(text(&bytes[at..]).map(|(text, _)| text).filter(|text| !is_odd(text)));
            at += decode(&bytes[at..]).map_or(1, |instruction| instruction.size());
        }
    }
    texts
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("barejit-{}-{name}", std::process::id()))
}

/// The lengths that GNU as gives these statements; nothing for those that it refuses.
fn gas(texts: &[String]) -> Vec<Option<usize>> {
    let (source, object) = (scratch("gas.s"), scratch("gas.o"));
    let mut refused = BTreeSet::new();
    loop {
        let mut all = String::from(".intel_syntax noprefix\n");
        for (n, text) in texts.iter().enumerate() {
            let text = if refused.contains(&n) { "" } else { text };
            writeln!(all, "t{n}: {text}").expect("a string");
        }
        writeln!(all, "t{}:", texts.len()).expect("a string");
        std::fs::write(&source, all).expect("written");
        let output = Command::new("as").args(["--64", "-o"]).arg(&object).arg(&source).output();
        let output = output.expect("as; apt-get install -y binutils");
        if output.status.success() {
            break;
        }
        let before = refused.len();
        let name = format!("{}:", source.display());
        for line in String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.contains("Error")) {
            let number = line.strip_prefix(&name).and_then(|rest| rest.split(':').next());
            let number: usize = number.and_then(|number| number.parse().ok()).expect("a line number");
            refused.insert(number - 2);
        }
        assert!(refused.len() > before, "{}", String::from_utf8_lossy(&output.stderr));
    }
    let output = Command::new("nm").arg("-n").arg(&object).output().expect("nm");
    let mut places = vec![0; texts.len() + 1];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (address, name) = (line.split(' ').next(), line.rsplit(" t").next());
        if let (Some(address), Some(Ok(n))) = (address, name.map(str::parse::<usize>)) {
            places[n] = usize::from_str_radix(address, 16).expect("an address");
        }
    }
    for path in [source, object] {
        std::fs::remove_file(path).expect("was there");
    }
    let size = |n: usize| (!refused.contains(&n)).then(|| places[n + 1] - places[n]);
    (0..texts.len()).map(size).collect()
}

fn ours(text: &str) -> Option<usize> {
    let place = Place { address: 0, short: true, optimise: false, symbols: &|_| None, constants: &|_| None };
    let mut size = 0;
    parse::parse(text, &place, &mut |bytes| size += bytes.len()).ok().map(|_| size)
}

/// Why GNU as takes another length than ours; chapter 9 of the book lists the same.
fn explanation(text: &str, ours: usize, theirs: usize) -> Option<&'static str> {
    let (mnemonic, operands) = text.split_once(' ').unwrap_or((text, ""));
    let both = ["vpdpbus", "vpdpwss", "vpmadd52", "vcvtneps2bf16"];
    let segment = |word: &str| ["es", "cs", "ss", "ds", "fs", "gs"].contains(&word);
    // `[rcx*1-8]`: nothing but a displacement follows.
    let lone_index = operands.split_once('[').is_some_and(|(_, inside)| {
        inside.get(2..).is_some_and(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric()).starts_with("*1")
        })
    });
    match mnemonic {
        _ if both.iter().any(|stem| mnemonic.starts_with(stem)) && ours < theirs => {
            Some("VEX, where GNU as prefers EVEX")
        }
        _ if lone_index && ours + 1 == theirs => Some("an index with the factor 1 and no base is a base"),
        "iret" | "pushf" | "popf" if ours == theirs + 1 => Some("iret, pushf and popf are those of 16 bits"),
        "mov" if ours == theirs + 1 && operands.rsplit(' ').next().is_some_and(segment) => {
            Some("32 bits of a system register for 64")
        }
        // lar and lsl since binutils 2.44.
        "sldt" | "str" | "smsw" | "lar" | "lsl" if ours == theirs + 1 => {
            Some("32 bits of a system register for 64")
        }
        "ret" if operands.starts_with("far") => Some("far is a label"),
        _ => None,
    }
}

#[test]
fn lengths_are_those_of_gnu_as() {
    let mut texts = texts_of_rows();
    let rows = texts.len();
    texts.extend(texts_of_programs());
    let texts: Vec<String> = texts.into_iter().collect();
    let theirs = gas(&texts);
    let (mut same, mut refused) = (0, BTreeMap::<&str, (usize, &str)>::new());
    let (mut explained, mut wrong) = (BTreeMap::new(), BTreeMap::<String, (usize, String)>::new());
    for (text, theirs) in texts.iter().zip(theirs) {
        let mnemonic = text.split(' ').next().expect("a word");
        let Some(theirs) = theirs else {
            refused.entry(mnemonic).or_insert((0, text.as_str())).0 += 1;
            continue;
        };
        let ours = ours(text).unwrap_or_else(|| panic!("{text} does not assemble"));
        match explanation(text, ours, theirs) {
            _ if ours == theirs => same += 1,
            Some(why) => *explained.entry(why).or_insert(0) += 1,
            None => {
                let kind = format!("{mnemonic} {ours} {theirs}");
                wrong.entry(kind).or_insert((0, text.clone())).0 += 1;
            }
        }
    }
    println!("{rows} texts of rows, {} in all: {same} as long, {explained:?}", texts.len());
    println!("GNU as refuses {}: {refused:?}", refused.values().map(|(count, _)| count).sum::<usize>());
    assert!(wrong.is_empty(), "not explained, ours and theirs: {wrong:#?}");
    assert!(same * 100 > texts.len() * 95, "{same} of {}", texts.len());
}
