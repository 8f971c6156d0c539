//! Shapes of text that are bytes, and those that are refused.

use super::*;
use std::{string::String, vec};

/// mov eax, 42; ret
const CODE: [u8; 6] = [0xB8, 0x2A, 0, 0, 0, 0xC3];

#[track_caller]
fn same(texts: &[&str]) {
    for text in texts {
        assert_eq!(parse(text.as_bytes()), Ok(CODE.to_vec()), "{text}");
    }
}

/// The group that is wrong, and why.
fn refused(text: &str) -> (String, Reason) {
    let error = parse(text.as_bytes()).expect_err(text);
    assert_eq!(text.as_bytes().get(error.at..error.at + error.group.len()), Some(error.group), "{text}");
    (String::from_utf8_lossy(error.group).into_owned(), error.reason)
}

#[test]
fn digits_make_bytes() {
    same(&[
        "B8 2a 0000\n00C3",
        "b82a000000c3",
        "0xb82a000000c3",
        "0xb8, 0x2a, 0x0, 0, 0x00, 0xC3",
        "0xb8 0x2A 0x00 0x00 0x00 0xc3",
        r"\xb8\x2a\x00\x00\x00\xc3",
        r#""\xb8\x2a\x00" "\x00\x00\xc3""#,
        r"b'\xb8*\x00\x00\x00\xc3'",
        r#"b"\xb8\x2a\0\0\0\xc3""#,
        r"$'\xb8\x2a\x00\000\x00\303'",
        r#"'b82a 0000 00c3'"#,
        "{ 0xb8, 0x2a, 0, 0, 0, 0xc3 };",
        "[0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3]",
        "vec![0xb8u8, 0x2a, 0x00, 0x00, 0x00, 0xc3_u8]",
        "0b8h, 2ah, 0h, 00h, 000h, 0c3h",
        "db 0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3",
        ".byte 0xb8,0x2a,0,0,0,0xc3",
        "b8 2a 00 00 00 # mov eax, 42\nc3 ; ret",
        "b8 2a 00 00 00 // mov\nc3 /* ret */",
        "b8 2a /* 42 */ 00 00 /* and */ 00 c3",
        "/* two\nlines */ b8 2a 00 00 00\nc3",
    ]);
}

#[test]
fn declarations_of_arrays_and_strings_are_bytes() {
    same(&[
        "unsigned char code[] = {\n  0xb8, 0x2a, 0x00,\n  0x00, 0x00, 0xc3\n};\nunsigned int code_len = 6;\n",
        "static const uint8_t code[6] = { 0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3 };",
        "const CODE: [u8; 6] = [0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3];",
        "let code: &[u8] = &[0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3]; // mov, ret",
        "char code[] =\n\"\\xb8\\x2a\\x00\"\n\"\\x00\\x00\\xc3\";",
        "buf =  b\"\"\nbuf += b\"\\xb8\\x2a\\x00\"\nbuf += b\"\\x00\\x00\\xc3\"\n",
        "byte[] buf = new byte[6] {0xb8,0x2a,0x00,0x00,0x00,0xc3};",
        "code = 'b82a000000c3'",
    ]);
}

#[test]
fn dumps_lose_their_columns() {
    same(&[
        "00000000: b82a 0000 00c3                           .*....\n",
        "00000000: b8 2a 00 00 00 c3                                .*....\n",
        "00000000  b8 2a 00 00 00 c3                                 |.*....|\n00000006\n",
        "0000000 b8 2a 00 00 00 c3\n0000006\n",
        "0000000 2ab8 0000 c300\n0000006\n",
        "0000000    2ab8    0000    c300\n0000006\n",
        "000000 b8 2a 00 00 00 c3\n000006\n",
        "  401000:\tb8 2a 00 00 00       \tmov    $0x2a,%eax\n  401005:\tc3                   \tret\n",
        "  401000: b8 2a 00 00 00        mov    eax,0x2a\n  401005: c3                    ret\n",
        "\na.o:     file format elf64-x86-64\n\n\nDisassembly of section .text:\n\n\
         0000000000000000 <f>:\n   0:\tb8 2a 00 00 00       \tmov    eax,0x2a\n   5:\tc3                   \tret\n",
        "Dump of assembler code for function f:\n=> 0x0000000000001129 <+0>:\tb8 2a 00 00 00\tmov    \
         eax,0x2a\n   0x000000000000112e <+5>:\tc3\tret\nEnd of assembler dump.\n",
        "0x401000 <f>:\t0xb8\t0x2a\t0x00\t0x00\n0x401004 <f+4>:\t0x00\t0xc3\n",
        "0x401000 <f>:\t0x00002ab8\n0x401004 <f+4>:\t0xc300\n",
        "f:\n0000  B8 2A 00 00 00  mov eax, 42\n0005  C3              ret\n",
        "0x00000000  b82a 0000 00c3                           .*....\n",
    ]);
}

#[test]
fn data_of_a_listing_keeps_to_its_bytes() {
    let listing = "0000  0F 0B                    ud2\nL0:\n0002  48 65 6C 6C 6F 20 57 6F  db \"Hello Wo\"\n";
    assert_eq!(parse(listing.as_bytes()), Ok(b"\x0F\x0BHello Wo".to_vec()));
    let od = "0000000 b8 2a 00 00 00 c3 90 90 90 90 90 90 90 90 90 90\n0000020 c3\n0000021\n";
    assert_eq!(parse(od.as_bytes()).map(|bytes| bytes.len()), Ok(17));
    let odd = "0000000 2ab8 0000 00c3\n0000005\n";
    assert_eq!(parse(odd.as_bytes()), Ok(vec![0xB8, 0x2A, 0, 0, 0xC3]));
}

#[test]
fn doubtful_groups_are_named() {
    for (text, group, reason) in [
        ("", "", Reason::Empty),
        (" \n", "", Reason::Empty),
        ("{ }", "", Reason::Empty),
        ("c", "c", Reason::OddDigits),
        ("b8 2 00 00 00 c3", "2", Reason::OddDigits),
        ("b82 a000000c3", "b82", Reason::OddDigits),
        ("0xb8, 0x2a0", "0x2a0", Reason::OddDigits),
        (r"\xb8\x2", r"\x2", Reason::OddDigits),
        (r#""\xb8\x2""#, r"\x2", Reason::OddDigits),
        ("c3 ret", "ret", Reason::NotHexadecimal),
        ("0x", "0x", Reason::NotHexadecimal),
        ("0xb8, 42", "42", Reason::Unprefixed),
        ("{184, 42, 0}", "184", Reason::OddDigits),
        ("0x00002ab8, 0xc3", "0x00002ab8", Reason::Wide),
        ("b8 2a ; 00 c3", "; 00 c3", Reason::Commented),
        ("0000000 00 00\n*\n0000020\n", "*", Reason::Elided),
        ("  0:\tc3 \tret\n\t...\n", "\t...", Reason::Elided),
        ("\"c3", "\"c3", Reason::OpenString),
        (r#""\q""#, r"\q", Reason::Escape),
        (r#""\777""#, r"\777", Reason::Escape),
        ("0x401000:\tmov eax, 1", "mov", Reason::NotHexadecimal),
    ] {
        assert_eq!(refused(text), (group.into(), reason), "{text:?}: {reason}");
    }
}

#[test]
fn a_byte_that_reads_as_a_directive_is_a_byte() {
    assert_eq!(parse(b"db e3\n9c db"), Ok(vec![0xDB, 0xE3, 0x9C, 0xDB]));
}

#[test]
fn code_that_ends_with_ret_is_no_text() {
    assert!(is_text(b"b8 2a\n") && is_text("# größer\nc3".as_bytes()));
    assert!(!is_text(&CODE) && !is_text(b"") && !is_text(b"X\xC3") && !is_text(b"\x1b"));
}
