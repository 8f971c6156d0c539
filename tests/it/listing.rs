//! `--listing` and `--raw`: the text agrees with an outside disassembler's of the bytes, and
//! nothing runs.

use crate::support::*;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, MemorySizeOptions, NumberBase, OpKind};
use std::collections::BTreeMap;

/// A row of a listing: the bytes and the text at one offset.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row {
    bytes: Vec<u8>,
    text: String,
}

/// Rows of a listing by offset; of two stages, the left or the right one.
fn rows(listing: &str, right: bool) -> BTreeMap<usize, Row> {
    let mut rows = BTreeMap::new();
    let two = listing.starts_with("; left: ");
    for line in listing.lines() {
        let Some((offset, rest)) = line.split_once("  ") else { continue };
        let Ok(offset) = usize::from_str_radix(offset, 16) else { continue };
        let stage = match rest.split_once(" | ").filter(|_| two) {
            Some((_, stage)) if right => stage,
            Some((stage, _)) => stage,
            None => rest,
        };
        let (bytes, text) = stage.trim().split_once("  ").unwrap_or((stage.trim(), ""));
        let bytes = bytes.split(' ').map(|byte| u8::from_str_radix(byte, 16).expect("a byte")).collect();
        let text =
            if text.trim().starts_with("db ") { text } else { text.split(" ; ").next().unwrap_or(text) };
        rows.insert(offset, Row { bytes, text: text.trim().into() });
    }
    rows
}

fn formatter() -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_number_base(NumberBase::Decimal);
    options.set_signed_immediate_operands(true);
    options.set_rip_relative_addresses(true);
    options.set_memory_size_options(MemorySizeOptions::Always);
    options.set_always_show_scale(true);
    options.set_use_pseudo_ops(false);
    formatter
}

/// Asks iced what the bytes of each row mean, data excepted, and gives all bytes.
#[track_caller]
fn judge(listing: &str, right: bool) -> Vec<u8> {
    let rows = rows(listing, right);
    let mut all = Vec::new();
    for (offset, row) in &rows {
        assert_eq!(*offset, all.len(), "a gap or an overlap:\n{listing}");
        all.extend_from_slice(&row.bytes);
    }
    for (offset, row) in rows.iter().filter(|(_, row)| !row.text.starts_with("db ") && !row.text.is_empty()) {
        let mut decoder = Decoder::with_ip(64, &all[*offset..], *offset as u64, DecoderOptions::NONE);
        let (instruction, mut text) = (decoder.decode(), String::new());
        if instruction.op0_kind() == OpKind::NearBranch64 {
            text = format!("{:?} 0x{:x}", instruction.mnemonic(), instruction.near_branch_target())
                .to_lowercase();
        } else {
            formatter().format(&instruction, &mut text);
        }
        // The two-byte no-operation is an exchange by its bits (SDM vol. 2B, NOP).
        if row.bytes == [0x66, 0x90] {
            text = "nop".into();
        }
        assert_eq!(row.text, text, "at {offset:#x}, bytes {:02X?}, in\n{listing}", row.bytes);
    }
    all
}

/// Every command that assembles code, in ways that differ.
const COMMANDS: &[&[&str]] = &[
    &["hello"],
    &["hello", "--layout", "words"],
    &["ret", "42"],
    &["ret", "-1"],
    &["call"],
    &["call", "--as-documented"],
    &["call", "a \"quoted\" näïve text; longer | than a row"],
    &["chain", "-e", "+2 *3 -5 ^9 <3", "--start", "1", "--terms", "9"],
    &["chain", "-e", "*3 +7 %11 /5", "--start", "1", "--terms", "9", "--last"],
    &["chain", "-e", "+2 *3 /5", "--start", "1", "--terms", "9", "--as-documented"],
    &["rpn", "-e", "(1) 3.7 * 1 (1) - *", "--start", "0.3", "--terms", "9"],
    &["rpn", "-e", "(1) (2) - n Q * ~", "--start", "0.3,2", "--terms", "9", "--last"],
    &["rpn", "-e", "(9) 2 /", "--start", "1,2,3,4,5,6,7,8,9", "--terms", "30", "--last"],
    &["bf", "-e", BF],
    &["bf", "-e", BF, "--opt", "0"],
    &["bf", "-e", BF, "--opt", "1", "--cells", "16", "--eof", "zero"],
    &["bf", "-e", BF, "--cells", "32", "--eof", "minus-one", "--tape", "9"],
];

/// Loops, scans, products, input and output.
const BF: &str = ",[>+>++<<-]>[>[->+>+<<]>>[-<<+>>]<<<-]>>[>>>]+[<]>.,[.,]<<[[-]>+++[>+++<-]]>[<<]>[-.]";

#[test]
fn every_listing_says_what_an_outside_disassembler_says() {
    for args in COMMANDS {
        let path = scratch("raw");
        let both = [args, &["--listing", "--raw", path.to_str().expect("text")][..]].concat();
        let listing = run(&both);
        assert_eq!((listing.stderr.as_str(), listing.status), ("", 0), "{args:?}");
        let raw = std::fs::read(&path).expect("written");
        std::fs::remove_file(&path).expect("was there");
        assert_eq!(judge(&listing.text(), true), raw, "{args:?}:\n{}", listing.text());
        judge(&listing.text(), false);
        let name = format!(
            "barejit_{}:
",
            args[0]
        );
        assert!(raw.len() > 5 && listing.text().contains(&name), "{args:?}");
    }
}

/// The comment of each row with a branch, and the labels where it leads.
fn branches(listing: &str) -> Vec<(String, Vec<String>)> {
    let rows = rows(listing, true);
    let mut labels: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut next: u64 = 0;
    let mut comments = BTreeMap::new();
    for line in listing.lines() {
        if let Some(label) = line.strip_suffix(':').filter(|label| label.starts_with('L')) {
            labels.entry(next).or_default().push(label.into());
        } else if let Some((offset, _)) = line.split_once("  ")
            && let Ok(offset) = usize::from_str_radix(offset, 16)
        {
            next = (offset + rows[&offset].bytes.len()) as u64;
            comments.insert(offset, line.split_once(" ; ").map_or("", |(_, comment)| comment));
        }
    }
    let branch = |(offset, comment): (usize, &str)| {
        let instruction =
            Decoder::with_ip(64, &rows[&offset].bytes, offset as u64, DecoderOptions::NONE).decode();
        let branches =
            instruction.op0_kind() == OpKind::NearBranch64 && !rows[&offset].text.starts_with("db ");
        let there = labels.get(&instruction.near_branch_target()).cloned().unwrap_or_default();
        branches.then(|| (comment.into(), there))
    };
    comments.into_iter().filter_map(branch).collect()
}

#[test]
fn a_branch_is_listed_with_the_label_it_leads_to() {
    let mut seen = 0;
    for args in COMMANDS {
        let listing = run(&[args, &["--listing"][..]].concat()).text();
        for (comment, labels) in branches(&listing) {
            let named = comment.split(' ').next().unwrap_or("");
            assert!(labels.iter().any(|label| label == named), "{comment:?}, not {labels:?}, in\n{listing}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen} branches only");
}

#[test]
fn hello_shows_the_placeholder_beside_what_it_became() {
    for (layout, displacement) in [("listing", 3), ("words", 4)] {
        let listing = run(&["hello", "--listing", "--layout", layout]).text();
        let (left, right) = (rows(&listing, false), rows(&listing, true));
        for (offset, row) in &left {
            if *offset == 0x15 {
                assert_eq!((row.text.as_str(), row.bytes[3]), ("lea rsi, [rip]", 0), "{listing}");
                let patched = &right[offset];
                assert_eq!(patched.text, format!("lea rsi, [rip+{displacement}]"), "{listing}");
                assert_eq!(patched.bytes[3], displacement, "{listing}");
            } else {
                assert_eq!(*row, right[offset], "{listing}");
            }
        }
    }
}

#[test]
fn the_source_stands_between_the_code_it_became() {
    let listing = run(&["bf", "--listing", "--opt", "0", "-e", "say +\n >>,[-.\n]"]).text();
    let sources: Vec<&str> = listing.lines().filter_map(|line| line.strip_prefix("; ")).collect();
    assert_eq!(sources, ["1:5 +", "2:2 >>", "2:4 ,", "2:5 [", "2:6 -", "2:7 .", "3:1 ]"], "{listing}");
    let (_, input) = listing.split_once("; 2:4 ,\n").expect("the input");
    assert!(input.lines().nth(1).is_some_and(|line| line.contains(" call 0x")), "{listing}");
}

/// The pieces of source in a listing, each with the first words of the instructions
/// up to the next.
fn pieces(listing: &str) -> Vec<(String, Vec<String>)> {
    let mut pieces: Vec<(String, Vec<String>)> = Vec::new();
    let rows = rows(listing, true);
    for line in listing.lines() {
        let offset = line.split_once("  ").and_then(|(offset, _)| usize::from_str_radix(offset, 16).ok());
        if let Some(source) = line.strip_prefix("; ") {
            pieces.push((source.into(), Vec::new()));
        } else if let (Some(row), Some(piece)) = (offset.and_then(|at| rows.get(&at)), pieces.last_mut()) {
            piece.1.push(row.text.split(' ').next().unwrap_or_default().into());
        }
    }
    pieces
}

#[test]
fn the_term_of_a_relation_stands_above_its_instructions() {
    let chain = ["chain", "--start", "1", "--terms", "9", "--listing"];
    let rpn = ["rpn", "--start", "0.3", "--terms", "9", "--listing"];
    let last = [&chain[..], &["--last"]].concat();
    for (args, relation, expected) in [
        // Three operators that became one operation, and two that share a loop.
        (&last, "+2 *3 -5", &[("1:1 +2 *3 -5", "mov mov shr jae")][..]),
        (
            &last,
            " *31 +70000 %1000003 \t ^5",
            &[("1:2 *31 +70000", ""), ("1:13 %1000003", "mov imul add mul"), ("1:24 ^5", "xor")],
        ),
        // The last operator, which the first one was joined to.
        (
            &last,
            "+7 ^5 +3",
            &[("1:1 +7", "add"), ("loop", "dec je"), ("1:4 ^5", "xor"), ("1:7 +3", ""), ("1:1 +7", "add")],
        ),
        (
            &chain.to_vec(),
            "^9\n|4 +1",
            &[("1:1 ^9 |4", "and xor"), ("2:4 +1", "add"), ("loop", "mov add dec jne")],
        ),
        (
            &rpn.to_vec(),
            "(1) 3.7 * 1 (1) - *",
            &[("1:1 (1) 3.7 *", "movapd mulsd"), ("1:11 1 (1) -", "movsd subsd"), ("1:19 *", "mulsd movapd")],
        ),
    ] {
        let listing = run(&[&args[..], &["-e", relation]].concat()).text();
        let pieces = pieces(&listing);
        let is_here = |at: usize| {
            expected.iter().zip(&pieces[at..]).all(|((text, words), piece)| {
                let padded = piece.1.iter().filter(|word| *word != "nop");
                let actual = padded.map(String::as_str).collect::<Vec<_>>().join(" ");
                *text == piece.0 && actual.starts_with(words)
            })
        };
        let places = pieces.len().saturating_sub(expected.len() - 1);
        assert!((0..places).any(is_here), "{relation}: {expected:?} is not in\n{listing}");
    }
}

#[test]
fn objdump_reads_the_raw_bytes_alike() {
    for (args, start) in [(&["hello"][..], 0), (&["ret", "7"], 0), (&["call", "--as-documented"], 12)] {
        let path = scratch("raw");
        let listing = run(&[args, &["--listing", "--raw", path.to_str().expect("text")]].concat()).text();
        let mut objdump = tool("objdump", "binutils");
        objdump.args(["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "-w"]);
        let dump = finish({
            objdump.arg(format!("--start-address={start}")).arg(&path);
            objdump
        });
        std::fs::remove_file(&path).expect("was there");
        let mut compared = 0;
        for (offset, row) in rows(&listing, true).iter().filter(|(_, row)| !row.text.starts_with("db ")) {
            let mnemonic = row.text.split(' ').next().expect("a word");
            let dump = dump.text();
            let found = dump.lines().find_map(|line| {
                let (at, rest) = line.trim().split_once(":\t")?;
                let (bytes, text) = rest.split_once('\t')?;
                (usize::from_str_radix(at, 16).ok()? == *offset)
                    .then(|| (bytes.to_string(), text.to_string()))
            });
            let (bytes, text) = found.unwrap_or_else(|| panic!("nothing at {offset:#x} in\n{dump}"));
            let ours: Vec<String> = row.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(bytes.trim(), ours.join(" "), "{args:?} at {offset:#x}\n{dump}");
            // GNU calls a move of 64 immediate bits movabs.
            let theirs = text.split(' ').next().expect("a word").replace("movabs", "mov");
            assert_eq!(theirs, mnemonic, "{args:?} at {offset:#x}\n{dump}");
            compared += 1;
        }
        assert!(compared >= 2, "{args:?}");
    }
}

#[test]
fn code_of_the_users_own_is_disassembled() {
    let expected = "barejit_run:\n\
                    0000  48 8d 04 3f  lea rax, [rdi+rdi*1]\n\
                    0004  75 fa        jne 0x0                         ; barejit_run\n\
                    0006  06           db 0x06\n\
                    L0:\n\
                    0007  c3           ret\n\
                    0008  eb fd        jmp 0x7                         ; L0\n";
    run(&["run", "--listing", "48 8d 04 3f 75 fa 06 c3 eb fd"]).expect(expected, "", 0);
}

#[test]
fn nothing_runs_and_nothing_becomes_executable() {
    if lacks(Need::Tracing) {
        return;
    }
    for args in [&["hello", "--listing"][..], &["ret", "--raw", "-", "3"], &["call", "--listing"]] {
        let (run, calls) = strace(&[], args);
        assert_eq!(run.status, 0, "{run:?}");
        let executable: Vec<_> = calls.iter().filter(|call| call.line.contains("PROT_EXEC")).collect();
        assert!(executable.is_empty(), "{executable:?}");
    }
    run(&["ret", "--raw=-", "65"])
        .stdout
        .iter()
        .eq([0xB8, 65, 0, 0, 0, 0xC3].iter())
        .then_some(())
        .expect("ret");
}

#[test]
fn raw_bytes_can_be_run() {
    let path = scratch("raw");
    let shown = path.to_str().expect("text");
    run(&["ret", "--raw", shown, "-42"]).expect("", "", 0);
    run(&["run", shown]).expect("4294967254 0xffffffd6\n", "", 0);
    std::fs::remove_file(&path).expect("was there");
}

#[test]
fn a_failed_write_is_an_error() {
    for (path, reason) in [
        ("/nonexistent/file", "open: ENOENT (No such file or directory)"),
        ("/", "open: EISDIR (Is a directory)"),
        ("/dev/full", "write: ENOSPC (No space left on device)"),
    ] {
        run(&["hello", "--raw", path]).expect("", &format!("barejit: hello: {path}: {reason}\n"), 1);
    }
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "exec \"$0\" hello --listing >/dev/full", BAREJIT]);
    finish(shell).expect("", "barejit: hello: write: ENOSPC (No space left on device)\n", 1);
    run(&["hello", "--raw"]).expect("", "barejit: hello: --raw needs a value\n", 2);
    run(&["hello", "--listin"]).expect(
        "",
        "barejit: hello: unknown option '--listin', did you mean '--listing'?\n",
        2,
    );
}

#[test]
fn rounds_of_an_unrolled_loop_stand_under_their_commands_alone() {
    let listing = run(&["bf", "--listing", "-e", "+>+>+>,[-<+>[-]+<<]>>+."]).text();
    let sources: Vec<&str> = listing.lines().filter(|line| line.starts_with("; 1:")).collect();
    let ends = sources.iter().filter(|line| line.ends_with(" ]")).count();
    let last = sources.iter().filter(|line| line.ends_with("]>>")).count();
    assert_eq!((ends, last), (3, 1), "{listing}");
}

#[test]
fn a_body_that_stands_aside_takes_no_registers_from_loops_behind_it() {
    let program = ">>>>,[>,[[-]>,[>,.<-]]>>>,[>,.<-]>,]>,[>,.<-]";
    let listing = run(&["bf", "--listing", "-e", program]).text();
    let marked = |column: &str| listing.find(&format!("\n; 1:{column} ")).expect("a command of its own");
    for (input, end) in [("29", "33"), ("41", "45")] {
        let body = &listing[marked(input)..marked(end)];
        assert!(!body.contains("[rbx"), "cells of the loop at 1:{input} are in memory:\n{listing}");
    }
}
