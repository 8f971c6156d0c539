//! Input that nobody should give: whatever it is, an answer and no crash.

use crate::support::*;
use std::{
    ffi::OsString,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Commands that read a file. Those that run its bytes as code do so in the sandbox.
const READERS: [&[&str]; 5] = [
    &["run", "--sandbox"],
    &["bf", "--sandbox"],
    &["chain", "--sandbox"],
    &["rpn", "--sandbox"],
    &["probe", "--summary"],
];

/// Runs `command`, which must end by itself with a documented status, and if that is a
/// failure with one line. The kernel ends code that runs for ever by its processor time,
/// which load does not change: unoptimised, 10 million loops take 30 s.
fn answer(mut command: Command) -> Run {
    regime::limit(&mut command, libc::RLIMIT_CPU, 100);
    command.stdout(std::process::Stdio::null());
    let run = finish(command);
    let documented = match run.status {
        0 => run.stderr.is_empty(),
        1..=3 => run.stderr.starts_with("barejit: ") && run.stderr.lines().count() == 1,
        _ => false,
    };
    assert!(documented, "{run:?}");
    run
}

fn read(reader: &[&str], path: &Path) -> Run {
    let mut command = command(reader);
    command.arg(path);
    answer(command)
}

fn file(bytes: &[u8]) -> PathBuf {
    let path = scratch("hostile");
    std::fs::write(&path, bytes).expect("written");
    path
}

#[test]
fn any_bytes_are_answered() {
    let deep = |byte: u8| vec![byte; 10_000_000];
    let inputs: [(&str, Vec<u8>); 10] = [
        ("nothing", vec![]),
        ("a NUL byte", vec![0]),
        ("no text", (0..=255).collect()),
        ("64 MiB of zeros", vec![0; 64 << 20]),
        ("10 million brackets", deep(b'[')),
        ("10 million brackets, closed", [deep(b'['), deep(b']')].concat()),
        ("10 million parentheses", deep(b'(')),
        ("10 million digits", deep(b'9')),
        ("other line ends", b"+1\r\n0 5\r\n".to_vec()),
        ("no line end", b"\xC3".to_vec()),
    ];
    for reader in READERS {
        for (what, bytes) in &inputs {
            let path = file(bytes);
            println!("{reader:?} {what}: {:?}", read(reader, &path));
            std::fs::remove_file(path).expect("was there");
        }
    }
}

#[test]
fn directories_devices_and_unreadable_files_are_refused() {
    // Root may read what it may not, and nobody may not run what lies in a private folder.
    // SAFETY: it asks and changes nothing.
    let root = unsafe { libc::geteuid() } == 0;
    let another = !root || !lacks(Need::AnotherUser);
    let barejit = place::public_copy("hostile-reader");
    let folder = scratch("folder");
    std::fs::create_dir(&folder).expect("made");
    let secret = file(b"\xC3");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).expect("hidden");
    for reader in READERS {
        let name = reader[0];
        let said = |path: &Path, why: &str| format!("barejit: {name}: {}: {why}\n", path.display());
        let run = read(reader, &folder);
        assert_eq!((run.status, run.stderr), (1, said(&folder, "read: EISDIR (Is a directory)")));
        let missing = folder.join("missing");
        let run = read(reader, &missing);
        assert_eq!((run.status, run.stderr), (1, said(&missing, "open: ENOENT (No such file or directory)")));
        let endless = Path::new("/dev/zero");
        let run = read(reader, endless);
        assert_eq!((run.status, run.stderr), (1, said(endless, "read: EFBIG (File too large)")));
        let nothing = read(reader, Path::new("/dev/null"));
        assert!(nothing.status == 2 || name != "run", "{nothing:?}");
        if another {
            let mut hidden = Command::new(&barejit);
            hidden.args(reader).arg(&secret).current_dir("/");
            if root {
                regime::nobody(&mut hidden);
            }
            let denied = said(&secret, "open: EACCES (Permission denied)");
            assert_eq!(answer(hidden).stderr, denied);
        }
        let long = PathBuf::from(format!("/{}", "x".repeat(5000)));
        assert_eq!(read(reader, &long).status, 1);
        let odd = PathBuf::from(OsString::from(std::ffi::OsStr::from_bytes(b"/\xFF\n\x1B")));
        assert_eq!(read(reader, &odd).status, 1);
    }
    std::fs::remove_dir(folder).expect("was there");
    std::fs::remove_file(secret).expect("was there");
    std::fs::remove_file(barejit).expect("was there");
}

#[test]
fn a_named_pipe_is_waited_for() {
    let path = scratch("fifo");
    let name = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    // SAFETY: a path that ends.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    for (reader, pieces, output) in [
        ("run", [&b"\xB8\x2A\x00\x00\x00"[..], b"\xC3"], "42 0x2a\n"),
        ("bf", [b"++++++++[>++++++++", b"<-]>+."], "A"),
        ("chain", [b"+2\n0 ", b"1\n"], "Term 0: 0\nTerm 1: 2\n"),
        ("rpn", [b"(1)\n0:5", b"\n1"], "0: 5\n1: 5\n"),
    ] {
        let writer = {
            let path = path.clone();
            std::thread::spawn(move || {
                let mut pipe = std::fs::OpenOptions::new().write(true).open(path).expect("somebody reads");
                for piece in pieces {
                    std::thread::sleep(Duration::from_millis(20));
                    pipe.write_all(piece).expect("it still reads");
                }
            })
        };
        run(&[reader, path.to_str().expect("text")]).expect(output, "", 0);
        writer.join().expect("it was read");
    }
    std::fs::remove_file(path).expect("was there");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_answered() {
    for reader in READERS {
        let path = file(&vec![b'+'; 32 << 20]);
        let shrinker = {
            let path = path.clone();
            std::thread::spawn(move || {
                for size in (0..32u64).rev() {
                    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("there");
                    file.set_len(size << 20).expect("shorter");
                }
            })
        };
        read(reader, &path);
        shrinker.join().expect("it shrank");
        std::fs::remove_file(path).expect("was there");
    }
}
