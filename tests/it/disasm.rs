//! `disasm`: bytes, files and ELF files, judged by objdump and iced-x86; hostile files.

use crate::support::*;

/// A file of its own with these bytes.
fn file(bytes: &[u8]) -> std::path::PathBuf {
    let path = scratch("disasm");
    std::fs::write(&path, bytes).expect("written");
    path
}

#[test]
fn bytes_are_listed_with_labels() {
    run(&["disasm", "48 8d 04 37 eb fa 0f 0b 06 48 8d 05 f0 ff ff ff c3"]).expect(
        "L0:\n\
         0000  48 8d 04 37           lea rax, [rdi+rsi*1]\n\
         0004  eb fa                 jmp 0x0                         ; L0\n\
         0006  0f 0b                 ud2\n\
         0008  06                    db 0x06\n\
         0009  48 8d 05 f0 ff ff ff  lea rax, [rip-16]               ; 0x0 L0\n\
         0010  c3                    ret\n",
        "",
        0,
    );
    run(&["disasm", "--at", "0x401000", "e8 00 00 00 00 c3"]).expect(
        "401000  e8 00 00 00 00  call 0x401005                   ; L0\nL0:\n401005  c3              ret\n",
        "",
        0,
    );
    run(&["disasm", "--json", "eb fe 06"]).expect(
        "[\n{\"address\":0,\"bytes\":\"ebfe\",\"text\":\"jmp 0x0\",\"label\":\"L0\",\"target\":0},\n\
         {\"address\":2,\"bytes\":\"06\",\"text\":\"db 0x06\",\"data\":true}\n]\n",
        "",
        0,
    );
}

#[test]
fn labels_of_the_listing_differ_from_those_of_the_text() {
    for (label, other) in [("L0", "L_0"), ("L_12", "L__0"), ("l0", "L0"), ("L0x", "L0")] {
        let text = format!("{label}: jmp {label}\njmp 5\nnop\nnop");
        let expected = format!(
            "{label}:\n\
             0000  eb fe  jmp 0x0                         ; {label}\n\
             0002  eb 01  jmp 0x5                         ; {other}\n\
             0004  90     nop\n\
             {other}:\n\
             0005  90     nop\n"
        );
        assert_eq!(run(&["asm", &text]).text(), expected);
    }
}

/// `asm` lists as `disasm` does, with the labels of the text where `disasm` invents some;
/// only the assembler knows data from instructions.
#[test]
fn text_is_listed_as_its_bytes_are() {
    let text = "jmp done; 1: lea rax, [table]; dec rdi; jnz 1b; done: also: call table; table: dq 0xc3; \
        db \"far\"; end: ";
    let listing = run(&["asm", text]);
    listing.expect(
        "0000  eb 0c                    jmp 0xe                         ; done\n\
         L0:\n\
         0002  48 8d 05 0a 00 00 00     lea rax, [rip+10]               ; 0x13 table\n\
         0009  48 ff cf                 dec rdi\n\
         000c  75 f4                    jne 0x2                         ; L0\n\
         done:\n\
         also:\n\
         000e  e8 00 00 00 00           call 0x13                       ; table\n\
         table:\n\
         0013  c3 00 00 00 00 00 00 00  db 0xc3, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00\n\
         001b  66 61 72                 db \"far\"\n\
         end:\n",
        "",
        0,
    );
    // Without data and names they are the same, and either can be run or read again.
    let text = "mov rax, rdi; 1: add rax, 3; mov r10, 0x1122334455667788; dec rdi; jnz 1b; ret";
    let hex = run(&["asm", "--hex", text]).text();
    let listing = run(&["asm", text]).text();
    assert_eq!(listing, run(&["disasm", hex.trim()]).text());
    assert_eq!(listing, run(&["run", "--listing", hex.trim()]).text().replace("barejit_run:\n", ""));
    assert_eq!(run(&["disasm", &listing]).text(), listing);
    // Each text assembles to its bytes again.
    for line in listing.lines().filter(|line| line.contains("  ")) {
        let (bytes, text) = line[6..].split_at(line[6..].find("  ").expect("columns"));
        let text = text.split(';').next().expect("one").trim();
        // A branch has its address from 0 on.
        let again = run(&["asm", "--hex", text]).text();
        assert!(text.starts_with('j') || again.trim() == bytes, "{line}: {again}");
    }
}

#[test]
fn an_elf_file_is_listed_by_start_section_and_symbol() {
    let (source, object) = (scratch("listed.c"), scratch("listed"));
    std::fs::write(&source, "int twice(int a) { return a + a; }\nint main(void) { return twice(21); }\n")
        .expect("written");
    let mut gcc = tool("gcc", "gcc");
    gcc.args(["-O0", "-fcf-protection=none", "-o"]).arg(&object).arg(&source);
    assert_eq!(finish(gcc).status, 0);
    let name = object.to_str().expect("text");
    let listing = run(&["disasm", name, "--symbol", "twice"]).text();
    assert!(listing.starts_with("twice:\n") && listing.contains("push rbp") && listing.ends_with("ret\n"));
    // The bytes of the section are those that objcopy takes out, and come back.
    let text = run(&["disasm", name, "--section", ".text"]);
    let bare = scratch("listed.bin");
    let mut objcopy = tool("objcopy", "binutils");
    objcopy.args(["-O", "binary", "-j", ".text"]).arg(&object).arg(&bare);
    assert_eq!(finish(objcopy).status, 0);
    let bytes = std::fs::read(&bare).expect("there");
    let listing = text.text();
    for label in ["_start:\n", "main:\n", "twice:\n", "; twice\n"] {
        assert!(listing.contains(label), "{label:?} is missing in\n{listing}");
    }
    let shown: usize = listing
        .lines()
        .filter(|line| !line.ends_with(':'))
        .map(|line| {
            let column = line.split("  ").nth(1).expect("bytes");
            column.split(' ').filter(|pair| pair.len() == 2).count()
        })
        .sum();
    assert_eq!(shown, bytes.len(), "{listing}");
    assert!(run(&["disasm", name]).text().starts_with("_start:\n"));
    for (arguments, why) in [
        (["--symbol", "nosuch"], "nosuch: the file has nothing of this name"),
        (["--section", ".bss"], ".bss: it has no bytes in the file"),
        (["--section", ".nosuch"], ".nosuch: the file has nothing of this name"),
    ] {
        let run = run(&[&["disasm", name][..], &arguments].concat());
        run.expect("", &format!("barejit: disasm: {name}: {why}\n"), 2);
    }
    for path in [source, object, bare] {
        std::fs::remove_file(path).expect("was there");
    }
}

#[test]
fn elf_files_that_lie_are_refused_or_listed() {
    let whole = std::fs::read(BAREJIT).expect("there");
    let start = &whole[..whole.len().min(1 << 16)];
    let answer = |bytes: &[u8], what: &str| {
        let path = file(bytes);
        let name = path.to_str().expect("text");
        for more in [&[][..], &["--section", ".text"], &["--symbol", "main"]] {
            let run = run(&[&["disasm", name][..], more].concat());
            let documented = match run.status {
                0 => run.stderr.is_empty(),
                2 => run.stderr.starts_with("barejit: disasm: ") && run.stderr.lines().count() == 1,
                _ => false,
            };
            assert!(documented, "{what} {more:?}: {} {}", run.status, run.stderr);
        }
        std::fs::remove_file(path).expect("was there");
    };
    answer(b"\x7FELF", "the magic alone");
    answer(&start[..63], "half a header");
    answer(start, "a cut file");
    // Every field of the header in turn says the greatest number, or nothing.
    for at in (16..64).step_by(2) {
        for value in [0, 0xFF] {
            let mut bytes = start.to_vec();
            bytes[at..at + 2].fill(value);
            answer(&bytes, &format!("header bytes {at} are {value}"));
        }
    }
}

#[test]
fn disasm_refuses_what_is_no_code() {
    run(&["disasm"]).expect("", "Usage: barejit disasm [OPTION…] HEX|FILE|-\n", 2);
    run(&["disasm", "c3", "--symbol", "main"]).expect(
        "",
        "barejit: disasm: c3: not an ELF file, so it has no names\n",
        2,
    );
    run(&["disasm", "c3", "--at", "x"]).expect("", "barejit: disasm: --at: 'x' is not an address\n", 2);
}
