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

/// Where the section .relr.dyn has relocations, of what `readelf -rW` prints: the address
/// alone on its line until binutils 2.42; from 2.43 on the entry of the bit map before it,
/// on the first line of each, and what it stands for behind it.
fn relocated(printed: &str) -> Vec<u64> {
    let address = |word: &str| (word.len() == 16).then(|| u64::from_str_radix(word, 16).ok())?;
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [only] => address(only),
            [index, _, place, ..] if index.ends_with(':') => address(place),
            [place, ..] => address(place),
            [] => None,
        }
    };
    printed.lines().filter_map(of_line).collect()
}

#[test]
fn relocations_are_read_as_both_forms_of_readelf_print_them() {
    let before = "
Relocation section '.relr.dyn' at offset 0x2a8 contains 7 entries:
  145 offsets
0000000000030000
0000000000030030
";
    let since = "
Relocation section '.relr.dyn' at offset 0x2a8 contains 7 entries which relocate 145 locations:
Index: Entry            Address           Symbolic Address
0000:  0000000000030000 0000000000030000  .data + 0x1000
0001:  4f1c43f38f9c71c1 0000000000030030  .data + 0x1030
                        0000000000030038  .data + 0x1038
";
    assert_eq!(relocated(before), [0x30000, 0x30030]);
    assert_eq!(relocated(since), [0x30000, 0x30030, 0x30038]);
}

/// Each page that it writes to is copied, at every start. Unoptimised, there is more.
#[test]
#[cfg(not(debug_assertions))]
fn relocates_itself_within_one_page() {
    let relocations = readelf(&["-rW"]);
    let places = relocated(&relocations);
    assert!(places.len() > 100, "{relocations}");
    assert!(places.iter().all(|place| place / 4096 == places[0] / 4096), "{relocations}");
}

#[test]
fn is_loaded_at_another_address_each_time() {
    if lacks(Need::Tracing) {
        return;
    }
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
