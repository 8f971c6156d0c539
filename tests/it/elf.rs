//! The executable file, as readelf sees it.

use crate::support::*;

fn readelf(options: &[&str]) -> String {
    let mut readelf = tool("readelf", "binutils");
    readelf.args(options).arg(BAREJIT);
    finish(readelf).text()
}

#[test]
fn is_a_static_position_independent_executable_with_nothing_to_resolve() {
    let header = readelf(&["-hW"]);
    assert!(header.contains("DYN (Position-Independent Executable file)"), "{header}");
    let segments = readelf(&["-lW"]);
    assert!(!segments.contains("INTERP"), "{segments}");
    let dynamic = readelf(&["-dW"]);
    assert!(!dynamic.contains("NEEDED"), "{dynamic}");
    let symbols = readelf(&["-sW", "--dyn-syms"]);
    let undefined: Vec<&str> = symbols
        .lines()
        .filter(|line| line.split_whitespace().nth(6) == Some("UND") && line.split_whitespace().count() > 7)
        .collect();
    assert!(undefined.is_empty(), "undefined: {undefined:?}");
}

#[test]
fn no_segment_is_writable_and_executable_and_the_stack_is_not_executable() {
    let segments = readelf(&["-lW"]);
    let mut loads = 0;
    for line in segments.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = words.get(6..).map(|rest| rest[..rest.len().saturating_sub(1)].concat());
        match (words.first().copied(), flags) {
            (Some("LOAD"), Some(flags)) => {
                loads += 1;
                // What is zero is in the file, for else it would be a mapping of its own.
                assert_eq!(words[4], words[5], "{line}");
                assert!(!(flags.contains('W') && flags.contains('E')), "{line}");
            }
            (Some("GNU_STACK"), Some(flags)) => assert_eq!(flags, "RW", "{line}"),
            _ => {}
        }
    }
    assert_eq!(loads, 2, "{segments}");
    assert!(segments.contains("GNU_STACK"), "{segments}");
}

#[test]
fn relocates_itself_by_a_table_that_has_room_for_relative_relocations_only() {
    let relocations = readelf(&["-rW"]);
    assert!(relocations.contains("'.relr.dyn'"), "{relocations}");
    assert!(!relocations.contains("R_X86_64_"), "{relocations}");
}

/// Each page that it writes to is copied, at every start. Unoptimised, there is more.
#[test]
#[cfg(not(debug_assertions))]
fn relocates_itself_within_one_page() {
    let relocations = readelf(&["-rW"]);
    let hexadecimal = |word| u64::from_str_radix(word, 16).ok();
    let places =
        relocations.lines().filter(|line| line.split_whitespace().count() == 1).filter_map(hexadecimal);
    let places: Vec<u64> = places.collect();
    assert!(places.len() > 100, "{relocations}");
    assert!(places.iter().all(|place| place / 4096 == places[0] / 4096), "{relocations}");
}

#[test]
fn is_loaded_at_another_address_each_time() {
    let addresses: std::collections::BTreeSet<String> = (0..8)
        .map(|_| {
            let log = scratch("aslr");
            let mut strace = tool("strace", "strace");
            strace.args(["-i", "-e", "trace=exit_group", "-o"]).arg(&log).arg(BAREJIT);
            finish(strace);
            let text = std::fs::read_to_string(&log).expect("a log");
            std::fs::remove_file(&log).expect("was there");
            text.split(']').next().unwrap_or_default().to_string()
        })
        .collect();
    assert!(addresses.len() > 1, "always at {addresses:?}");
}
