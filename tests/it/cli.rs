//! The command line: help, versions, and wrong usage of every kind.

use crate::support::*;
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, os::unix::process::CommandExt};

#[test]
fn help_and_version_go_to_standard_output() {
    for args in [&["--help"][..], &["-h"], &["help"]] {
        let help = run(args);
        assert_eq!((help.status, help.stderr.as_str()), (0, ""), "{args:?}");
        assert!(help.text().starts_with("Usage: barejit COMMAND"), "{}", help.text());
    }
    let help = run(&["hello", "--help"]);
    assert!(help.status == 0 && help.text().starts_with("Usage: barejit hello"), "{help:?}");
    run(&["--version"]).expect(concat!("barejit ", env!("CARGO_PKG_VERSION"), "\n"), "", 0);
}

#[test]
fn mistakes_are_answered_with_the_nearest_right_word() {
    for (args, message) in [
        (&["helo"][..], "unknown command 'helo', did you mean 'hello'?"),
        (&["foo"], "unknown command 'foo', try --help"),
        (&["x"], "unknown command 'x', try --help"),
        (&["--xyzzy"], "unknown command '--xyzzy', try --help"),
        (&["hello", "--xyzzy"], "hello: unknown option '--xyzzy', try --help"),
        (&["--hepl"], "unknown command '--hepl', did you mean '--help'?"),
        (&["hello", "--lay"], "hello: unknown option '--lay', did you mean '--layout'?"),
        (&["hello", "--mpa", "wx"], "hello: unknown option '--mpa', did you mean '--map'?"),
        (&["hello", "-x"], "hello: unknown option '-x'"),
        (&["hello", "world"], "hello: unexpected argument 'world'"),
        (&["hello", "-5"], "hello: unexpected argument '-5'"),
        (&["hello", "--map"], "hello: --map needs a value"),
        (&["hello", "--map", "-1"], "hello: --map: '-1' is none of wx rwx dual sealed file inplace none"),
        (&["bf", "-e", "+", "-e", "-"], "bf: '-' is a second source"),
        (&["bf", "-e", "+", "x.b"], "bf: 'x.b' is a second source"),
        (&["chain", "-e", "+1", "-e", "+2"], "chain: '+2' is a second source"),
        (&["rpn", "file", "-e", "n", "--terms", "1"], "rpn: 'file' is a second source"),
        (&["chain", "file", "other"], "chain: 'other' is a second source"),
        (&["hello", "--map=xw"], "hello: --map: 'xw' is none of wx rwx dual sealed file inplace none"),
    ] {
        run(args).expect("", &format!("barejit: {message}\n"), 2);
    }
}

#[test]
fn arguments_that_are_not_text_do_no_harm() {
    let odd = OsStr::from_bytes(b"\xFF\xFEhel\n\x1b[31mlo");
    finish(command(&[odd])).expect(
        "",
        "barejit: unknown command '\u{FFFD}\u{FFFD}hel??[31mlo', try --help\n",
        2,
    );
    let run = finish(command(&[OsStr::new("hello"), odd]));
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1), "{run:?}");
    let long = "x".repeat(100_000);
    let run = finish(command(&[long.as_str()]));
    assert_eq!((run.status, run.stderr.lines().count()), (2, 1));
}

#[test]
fn no_argument_at_all_not_even_a_name_is_hello() {
    // argc = 0 cannot be had from a shell; the kernel then passes one empty
    // string (since Linux 5.18), which is as good as a name.
    let mut nameless = command::<&str>(&[]);
    nameless.arg0("");
    finish(nameless).expect("Hello World!", "", 0);
}

#[test]
fn output_that_cannot_be_written_is_an_error_of_its_command() {
    let commands: [&[&str]; 9] = [
        &["--help"],
        &["--version"],
        &["run", "--help"],
        &["asm", "nop"],
        &["disasm", "90"],
        &["run", "-a", "ret"],
        &["chain", "-e", "+1", "--start", "0", "--terms", "1"],
        &["bf", "-e", "."],
        &["probe", "--list"],
    ];
    for args in commands {
        let mut full = command(args);
        full.stdout(std::fs::File::options().write(true).open("/dev/full").expect("/dev/full"));
        let line = format!("barejit: {}: write: ENOSPC (No space left on device)\n", args[0]);
        finish(full).expect("", &line, 1);
    }
}
