//! Dumps as the programs that make them print them: the bytes come back.

use crate::support::*;
use barejit::front::hex;
use std::path::Path;

/// Runs the tool `name` of the Debian `package` with these arguments and returns its output.
#[track_caller]
fn output(name: &str, package: &str, args: &[&str]) -> Vec<u8> {
    let mut command = tool(name, package);
    command.args(args);
    let run = finish(command);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{name} {args:?}");
    run.stdout
}

#[track_caller]
fn same(text: &[u8], bytes: &[u8], what: &str) {
    let text = String::from_utf8_lossy(text);
    assert_eq!(hex::parse(text.as_bytes()).as_deref(), Ok(bytes), "{what}:\n{text}");
}

#[test]
fn dumps_of_any_bytes_come_back() {
    let path = scratch("dumped");
    let name = path.to_str().expect("text");
    // Sizes around a row, and an odd one; repeated rows are shown in full.
    for size in [1, 2, 7, 15, 16, 17, 33, 300] {
        let bytes: Vec<u8> = (0..size).map(|i: u32| (i * i * 7 + i / 3) as u8).collect();
        std::fs::write(&path, &bytes).expect("written");
        for (tool, package, args) in [
            ("xxd", "xxd", &[][..]),
            ("xxd", "xxd", &["-g1", "-u"]),
            ("xxd", "xxd", &["-p"]),
            ("xxd", "xxd", &["-i"]),
            ("od", "coreutils", &["-v", "-tx1"]),
            ("od", "coreutils", &["-v", "-An", "-tx1"]),
            ("od", "coreutils", &["-v", "-Ax", "-tx1z"]),
            ("od", "coreutils", &["-v", "-x"]),
            ("od", "coreutils", &["-v", "-tx4"]),
            ("hexdump", "bsdextrautils", &["-v"]),
            ("hexdump", "bsdextrautils", &["-v", "-C"]),
            ("hexdump", "bsdextrautils", &["-v", "-x"]),
            ("objdump", "binutils", &["-z", "-D", "-b", "binary", "-m", "i386:x86-64"]),
            ("objdump", "binutils", &["-z", "-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "-w"]),
        ] {
            // Only one row and no other to count by: six digits might be bytes.
            if args.contains(&"-Ax") && size < 16 {
                continue;
            }
            let text = output(tool, package, &[args, &[name]].concat());
            same(&text, &bytes, &format!("{tool} {args:?} of {size} bytes"));
        }
    }
    std::fs::remove_file(path).expect("was there");
}

/// Compiles two functions and gives the path of the object file.
fn object() -> std::path::PathBuf {
    let (source, object) = (scratch("pasted.c"), scratch("pasted.o"));
    let text = "int f(int a, int b) { return a / (b - 3) + 42; }\n\
                double g(double *p, int n) { double s = 0; while (n--) s += *p++; return s; }\n";
    std::fs::write(&source, text).expect("written");
    let (from, to) = (source.to_str().expect("text"), object.to_str().expect("text"));
    output("gcc", "gcc", &["-O1", "-c", "-o", to, from]);
    std::fs::remove_file(source).expect("was there");
    object
}

/// The bytes of one section of the file at `path`.
fn section(path: &Path) -> Vec<u8> {
    let bare = scratch("pasted.bin");
    let (from, to) = (path.to_str().expect("text"), bare.to_str().expect("text"));
    output("objcopy", "binutils", &["-O", "binary", "-j", ".text", from, to]);
    let bytes = std::fs::read(&bare).expect("there");
    std::fs::remove_file(bare).expect("was there");
    bytes
}

#[test]
fn listings_of_objdump_and_gdb_come_back() {
    let object = object();
    let name = object.to_str().expect("text");
    let bytes = section(&object);
    assert!(bytes.len() > 40, "{bytes:02X?}");
    same(&output("objdump", "binutils", &["-d", name]), &bytes, "objdump -d");
    same(&output("objdump", "binutils", &["-d", "-M", "intel", name]), &bytes, "objdump -d -M intel");
    let gdb = |command: &str| output("gdb", "gdb", &["-nx", "-q", "-batch", "-ex", command, name]);
    let size = bytes.len();
    same(&gdb(&format!("disassemble /r 0,{size}")), &bytes, "disassemble /r");
    same(&gdb(&format!("x/{size}xb 0")), &bytes, "x/xb");
    same(&gdb(&format!("x/{}xw 0", size / 4)), &bytes[..size / 4 * 4], "x/xw");
    same(&gdb(&format!("x/{}xg 0", size / 8)), &bytes[..size / 8 * 8], "x/xg");
    std::fs::remove_file(object).expect("was there");
}

#[test]
fn a_listing_of_barejit_comes_back() {
    for args in [&["hello", "--layout", "words"][..], &["bf", "-e", "+[->++[>+<-]<]>."], &["ret", "7"]] {
        let raw = run(&[args, &["--raw", "-"]].concat());
        let listing = run(&[args, &["--listing"]].concat());
        if !listing.text().contains('|') {
            same(&listing.stdout, &raw.stdout, &format!("{args:?}"));
        }
    }
}
