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
                // Zeros are in the file: a .bss would be a mapping of its own.
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

/// Whether `name` is what `pattern` says, in which `*` stands for any text.
#[cfg(not(debug_assertions))]
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, rest)) => name
            .strip_prefix(before)
            .is_some_and(|name| name.char_indices().any(|(at, _)| fits(rest, &name[at..])) || fits(rest, "")),
    }
}

/// linker.ld names the sections of what every start runs through and writes to, by names as
/// rustc mangles them. One that fits nothing any more changes no behaviour, only the pages
/// that a start touches.
#[test]
#[cfg(not(debug_assertions))]
fn every_pattern_of_the_linker_script_fits_a_section() {
    let script = std::fs::read_to_string("linker.ld").expect("text");
    // Without comments.
    let script: String = script.split("/*").map(|part| part.split("*/").last().unwrap_or("")).collect();
    let map = std::fs::read_to_string(env!("LINK_MAP")).expect("the linker's map");
    // GNU ld lists what it removed first, and each pattern before what fits it.
    let map = map.split("Linker script and memory map").last().expect("a map");
    let lines = map.lines().filter(|line| !line.trim_start().starts_with("*("));
    let words = lines.flat_map(|line| line.split([' ', '\t', '(', ')']));
    let sections: Vec<&str> = words.filter(|word| word.starts_with('.') && !word.contains('*')).collect();
    assert!(sections.len() > 100, "{map}");
    let patterns = script.split(|c: char| c.is_whitespace() || "()".contains(c));
    let named = |pattern: &&str| {
        [".text.", ".bss."].iter().any(|start| pattern.strip_prefix(start).is_some_and(|rest| rest != "*"))
    };
    let patterns: Vec<&str> = patterns.filter(named).filter(|pattern| *pattern != ".text.rest").collect();
    assert!(patterns.len() > 10, "{script}");
    let useless: Vec<_> =
        patterns.iter().filter(|pattern| !sections.iter().any(|name| fits(pattern, name))).collect();
    assert!(useless.is_empty(), "no section is named like these patterns of linker.ld: {useless:?}");
}

/// The pages of the image that a run accesses, and how, as valgrind's lackey sees it: I is a
/// fetch; L, S and M are a load, a store and both.
#[cfg(not(debug_assertions))]
fn accessed(args: &[&str]) -> std::collections::BTreeMap<u64, Vec<String>> {
    let log = scratch("lackey");
    let mut valgrind = tool("valgrind", "valgrind");
    valgrind.args(["--tool=lackey", "--trace-mem=yes"]).arg(format!("--log-file={}", log.display()));
    valgrind.arg(BAREJIT).args(args);
    finish(valgrind);
    let trace = std::fs::read_to_string(&log).expect("a log");
    std::fs::remove_file(&log).expect("was there");
    let header = readelf(&["-hW"]);
    let entry = header.lines().find_map(|line| line.trim().strip_prefix("Entry point address:"));
    let entry = entry.and_then(|text| u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    let accesses = trace.lines().filter_map(|line| {
        let (kind, rest) = line.trim().split_once(' ')?;
        let kind = ["I", "L", "S", "M"].contains(&kind).then_some(kind)?;
        Some((kind, u64::from_str_radix(rest.trim().split(',').next()?, 16).ok()?))
    });
    let accesses: Vec<(&str, u64)> = accesses.collect();
    // The first fetch is from the entry point.
    let base = accesses[0].1 - entry.expect("an entry point");
    let mut pages = std::collections::BTreeMap::<u64, Vec<String>>::new();
    for (kind, address) in accesses {
        if (base..base + (1 << 20)).contains(&address) {
            let kinds = pages.entry((address - base) / 4096).or_default();
            if !kinds.iter().any(|known| known == kind) {
                kinds.push(kind.into());
            }
        }
    }
    pages
}

/// The first page of the data segment.
#[cfg(not(debug_assertions))]
fn first_data_page() -> u64 {
    let segments = readelf(&["-lW"]);
    let data = segments.lines().rfind(|line| line.trim().starts_with("LOAD")).expect("two of them");
    let address = data.split_whitespace().nth(2).expect("an address");
    u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("hexadecimal") / 4096
}

/// The kernel maps a file in windows of 64 KiB, each for a page fault, and copies each page
/// that is written to.
#[test]
#[cfg(not(debug_assertions))]
fn hello_touches_few_pages_of_the_image() {
    /// Pages of code and constants, and the first to the last of them.
    const TEXT: usize = 9;
    const SPAN: u64 = 14;
    let (pages, data) = (accessed(&["hello"]), first_data_page());
    let text: Vec<u64> = pages.keys().copied().filter(|page| *page < data).collect();
    let span = text.last().expect("code") + 1 - text[0];
    assert!(text.len() <= TEXT && span <= SPAN, "{} pages, a span of {span}: {pages:?}", text.len());
    assert_eq!(pages.len() - text.len(), 1, "pages of data: {pages:?}");
}

/// Behind the page of `hello` is the one that every start writes to, then those with words
/// that `rt::relocate` adds the load address to. Without it they hold link addresses.
#[test]
#[cfg(not(debug_assertions))]
fn plain_commands_touch_no_word_that_is_relocated_late() {
    let late = first_data_page() + 2;
    let relocations = readelf(&["-rW"]);
    let places = relocated(&relocations);
    let early: Vec<_> = places.iter().filter(|place| **place / 4096 < late).collect();
    // memcpy and its family, and what else the compiler calls by address.
    assert!(early.len() < 16 && places.len() > 100, "{early:x?} of {} are early", places.len());
    for args in [&["hello"][..], &[], &["ret", "7"], &["call"], &["call", "text"]] {
        let pages = accessed(args);
        assert!(pages.keys().all(|page| *page < late), "{args:?}, late from page {late} on: {pages:?}");
    }
}

/// The same six syscalls in assembly.
#[cfg(not(debug_assertions))]
const ASSEMBLY: &str = "
.globl _start
_start:
    mov $9, %eax; xor %edi, %edi; mov $4096, %esi; mov $3, %edx; mov $0x22, %r10d; mov $-1, %r8
    xor %r9d, %r9d; syscall
    mov %rax, %rbx; movb $0xC3, (%rbx)
    mov $10, %eax; mov %rbx, %rdi; mov $4096, %esi; mov $5, %edx; syscall
    call *%rbx
    mov $1, %eax; mov $1, %edi; lea text(%rip), %rsi; mov $12, %edx; syscall
    mov $11, %eax; mov %rbx, %rdi; mov $4096, %esi; syscall
    mov $231, %eax; xor %edi, %edi; syscall
text: .ascii \"Hello World!\"
";

/// The fewest page faults of many starts of `program`: where the kernel puts image and stack
/// adds one or two.
#[cfg(not(debug_assertions))]
#[expect(clippy::zombie_processes, reason = "wait4 waits for it and tells what it used")]
fn fewest_faults(program: &std::path::Path) -> i64 {
    let starts = (0..200).map(|_| {
        let mut command = std::process::Command::new(program);
        command.env_clear().stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        let child = command.spawn().expect("started");
        // SAFETY: all zeroes are a usage.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the child has not been waited for, and the usage is written.
        let ended = unsafe { libc::wait4(child.id() as i32, std::ptr::null_mut(), 0, &mut usage) };
        assert_eq!(ended, child.id() as i32);
        usage.ru_minflt
    });
    starts.min().expect("some")
}

#[test]
#[cfg(not(debug_assertions))]
fn hello_takes_one_page_fault_more_than_assembly() {
    let (source, object, program) = (scratch("hello.s"), scratch("hello.o"), scratch("hello"));
    std::fs::write(&source, ASSEMBLY).expect("written");
    let mut assembler = tool("as", "binutils");
    assembler.arg("-o").arg(&object).arg(&source);
    finish(assembler).expect("", "", 0);
    let mut linker = tool("ld", "binutils");
    linker.arg("-o").arg(&program).arg(&object);
    finish(linker).expect("", "", 0);
    let (assembly, hello) = (fewest_faults(&program), fewest_faults(std::path::Path::new(BAREJIT)));
    for path in [source, object, program] {
        std::fs::remove_file(path).expect("was there");
    }
    assert!(hello <= assembly + 1, "hello {hello}, assembly {assembly}");
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
