//! Hosts that deny memory for code, or lie about it: the fall-back, the message, and that
//! nothing false is printed.

use crate::support::{
    regime::{Answer, deny_execution, limit, mdwe, noexec_mounts},
    *,
};
use std::process::Command;

/// One use of each command that runs code, and what it prints.
const COMMANDS: [(&[&str], &str, i32); 7] = [
    (&["hello"], "Hello World!", 0),
    (&["ret", "7"], "", 7),
    (&["call"], "Hello, JIT!\n", 0),
    (&["run", "b82a000000c3"], "42 0x2a\n", 0),
    (&["bf", "-e", "++++++++[>++++++++<-]>+."], "A", 0),
    (&["chain", "-e", "+2", "--start", "0", "--terms", "1", "--last"], "Term 1: 2\n", 0),
    (&["rpn", "-e", "(1) ~", "--start", "1", "--terms", "1", "--last"], "1: -1\n", 0),
];

/// Runs the executable after `regime` has prepared the process.
fn under(regime: impl Fn(&mut Command), args: &[&str], more: &[&str]) -> Run {
    let mut command = command(args);
    // Options go before what a command may take as its own.
    command.args(more);
    regime(&mut command);
    finish(command)
}

#[test]
fn default_falls_back_to_two_views_where_protection_cannot_change() {
    let regimes: [fn(&mut Command); 2] =
        [|c| mdwe(c), |c| deny_execution(c, Answer::Errno(libc::EPERM as u16))];
    for (regime, errno) in
        regimes.into_iter().zip(["EACCES (Permission denied)", "EPERM (Operation not permitted)"])
    {
        for (args, stdout, status) in COMMANDS {
            under(regime, args, &[]).expect(stdout, "", status);
            let said = format!("barejit: {}: wx: mprotect: {errno}; falling back to dual\n", args[0]);
            under(regime, args, &["--verbose"]).expect(stdout, &said, status);
        }
    }
}

#[test]
fn an_explicit_map_never_falls_back() {
    for (args, stdout, status) in COMMANDS {
        for (map, call) in [("wx", "mprotect"), ("rwx", "mmap")] {
            let said = format!("barejit: {}: {call}: EACCES (Permission denied)\n", args[0]);
            under(mdwe, args, &["--map", map]).expect("", &said, 1);
        }
        for map in ["dual", "sealed", "file"] {
            under(mdwe, args, &["--map", map]).expect(stdout, "", status);
        }
    }
}

#[test]
fn a_program_break_that_does_not_move_is_replaced_by_mappings() {
    if lacks(Need::Tracing) {
        return;
    }
    // More labels than one region holds.
    let file = scratch("labels.s");
    let lines: String = (0..20_000).map(|n| format!("a{n}: db 1\n")).collect();
    std::fs::write(&file, lines).expect("written");
    let file = file.to_str().expect("text");
    let commands: [&[&str]; 5] = [
        &["asm", "--hex", file],
        &["bf", "-e", "++++++++[>++++++++<-]>+."],
        &["chain", "-e", "+2", "--start", "0", "--terms", "9"],
        &["rpn", "-e", "(1) 2 *", "--start", "1", "--terms", "9"],
        &["probe", "--list"],
    ];
    for args in commands {
        let expected = finish(command(args));
        assert_eq!(expected.status, 0, "{args:?}: {expected:?}");
        // Always, at the first growth, at the second one.
        for when in ["1+", "2+", "3+"] {
            let refused = inject(&format!("brk:retval=4096:when={when}"), args);
            assert_eq!(refused, expected, "{args:?}, brk {when}");
        }
    }
    std::fs::remove_file(file).expect("was there");
}

#[test]
fn a_lying_kernel_is_found_out_or_explained() {
    let lie = |c: &mut Command| deny_execution(c, Answer::Errno(0));
    // Guarded: the first strategy faults at once and the next is tried.
    under(lie, &["run", "b82a000000c3"], &[]).expect("42 0x2a\n", "", 0);
    under(lie, &["run", "b82a000000c3"], &["--map", "wx"]).expect(
        "",
        "barejit: run: generated code at 0x0 [b8 2a 00 00 00] mov eax, 42: SIGSEGV (the page is not executable)\n",
        3,
    );
    // The fixed call lists have no handler: death, but nothing false printed.
    for (args, ..) in &COMMANDS[..3] {
        under(lie, args, &[]).expect("", "", -libc::SIGSEGV);
    }
    // Writable and executable at once: the lie is an address of 0.
    for (args, ..) in COMMANDS {
        let said = format!("barejit: {}: mmap: claimed success without effect\n", args[0]);
        under(lie, args, &["--map", "rwx"]).expect("", &said, 1);
    }
}

#[test]
fn a_filter_that_traps_counts_as_a_refusal_where_signals_are_handled() {
    let trap = |c: &mut Command| deny_execution(c, Answer::Trap);
    under(trap, &["run", "b82a000000c3"], &["--verbose"]).expect(
        "42 0x2a\n",
        "barejit: run: wx: mprotect: EPERM (Operation not permitted); falling back to dual\n",
        0,
    );
    under(trap, &["hello"], &[]).expect("", "", -libc::SIGSYS);
}

#[test]
fn a_filter_that_kills_leaves_nothing_false_behind() {
    for (args, stdout, status) in COMMANDS {
        let kill = |c: &mut Command| deny_execution(c, Answer::Kill);
        under(kill, args, &[]).expect("", "", -libc::SIGSYS);
        under(kill, args, &["--map", "dual"]).expect(stdout, "", status);
    }
}

#[test]
fn a_file_limit_of_nothing_is_a_refusal_and_no_signal() {
    for (args, stdout, status) in COMMANDS {
        under(|c| limit(c, libc::RLIMIT_FSIZE, 0), args, &[]).expect(stdout, "", status);
        let both = |c: &mut Command| {
            limit(c, libc::RLIMIT_FSIZE, 0);
            mdwe(c);
        };
        let said = format!(
            "barejit: {}: no executable memory: wx: mprotect: EACCES (Permission denied); \
             dual: ftruncate: EFBIG (File too large); sealed: ftruncate: EFBIG (File too large); \
             file: fallocate: EFBIG (File too large)\n",
            args[0]
        );
        under(both, args, &[]).expect("", &said, 1);
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_answer_and_no_signal() {
    let directory = scratch("limit");
    std::fs::create_dir(&directory).expect("made");
    let full = |args: &[&str]| {
        let mut command = command(args);
        command.current_dir(&directory).stderr(std::process::Stdio::piped());
        command.stdout(std::fs::File::create(directory.join("output")).expect("made"));
        limit(&mut command, libc::RLIMIT_FSIZE, 0);
        let child = command.spawn().expect("started");
        let map = format!("/tmp/perf-{}.map", child.id());
        let run = Run::new(child.wait_with_output().expect("it ends"));
        // Only one of them has made it.
        let _ = std::fs::remove_file(map);
        run
    };
    let because = "write: EFBIG (File too large)\n";
    for (args, what) in [
        (&["ret", "7", "--raw", "raw"][..], "raw: "),
        (&["call", "--perf", "map"], "--perf: "),
        (&["hello", "--perf", "jitdump"], "--perf: "),
        (&["chain", "-e", "+2", "--start", "0", "--terms", "1"], ""),
        (&["rpn", "-e", "(1)", "--start", "0", "--terms", "1"], ""),
        (&["bf", "-e", "+."], ""),
    ] {
        full(args).expect("", &format!("barejit: {}: {what}{because}", args[0]), 1);
    }
    let said = full(&["run", "b82a000000c3"]);
    assert_eq!((said.status, said.stderr.ends_with(because)), (1, true), "{said:?}");
    std::fs::remove_dir_all(directory).expect("was there");
}

#[test]
fn little_memory_is_success_or_one_clear_line() {
    for (resource, (args, stdout, status)) in
        [libc::RLIMIT_AS, libc::RLIMIT_DATA].into_iter().flat_map(|r| COMMANDS.map(|c| (r, c)))
    {
        // Until there is room for the executable itself the kernel kills it.
        let (mut loaded, mut done) = (false, false);
        for kibibytes in (0..1024).step_by(16).chain((1024..=16384).step_by(1024)) {
            let mut command = command(args);
            limit(&mut command, resource, kibibytes * 1024);
            let Ok(output) = command.output() else { continue };
            let run = Run::new(output);
            done = run.status == status && run.text() == stdout && run.stderr.is_empty();
            let refused = run.status == 1
                && run.stdout.is_empty()
                && run.stderr.starts_with("barejit: ")
                && run.stderr.contains(": ENOMEM (")
                && run.stderr.lines().count() == 1;
            let killed = run.status < 0 && run.stdout.is_empty() && run.stderr.is_empty();
            assert!(done || refused || (killed && !loaded), "{args:?} in {kibibytes} KiB: {run:?}");
            loaded |= !killed;
        }
        assert!(done, "{args:?} does not do with 16 MiB");
    }
}

#[test]
fn a_noexec_mount_refuses_nameless_files() {
    if lacks(Need::Mounts) {
        return;
    }
    for (args, ..) in COMMANDS {
        let said = format!("barejit: {}: mmap: EPERM (Operation not permitted)\n", args[0]);
        under(noexec_mounts, args, &["--map", "file"]).expect("", &said, 1);
    }
}

#[test]
fn memory_files_that_may_not_be_programs_still_hold_code() {
    if lacks(Need::MemfdPolicy) {
        return;
    }
    for level in ["1", "2"] {
        for map in ["dual", "sealed"] {
            let mut outer = tool("unshare", "util-linux");
            outer.args(["--pid", "--fork", "--mount-proc", "sh", "-c"]);
            outer.arg(format!("echo {level} > /proc/sys/vm/memfd_noexec && exec \"$@\"")).arg("sh");
            outer.args([BAREJIT, "hello", "--map", map]);
            finish(outer).expect("Hello World!", "", 0);
        }
    }
}

#[test]
fn each_refused_fallback_is_named_with_its_step() {
    if lacks(Need::Tracing) {
        return;
    }
    let log = ["-e", "inject=mprotect:error=EACCES", "-e", "inject=memfd_create:error=ENOSYS"];
    let (run, _) = strace(&[&log[..], &["-e", "inject=fallocate:error=ENOSPC"]].concat(), &["hello"]);
    run.expect(
        "",
        "barejit: hello: no executable memory: wx: mprotect: EACCES (Permission denied); \
         dual: memfd_create: ENOSYS (Invalid system call number); \
         sealed: memfd_create: ENOSYS (Invalid system call number); \
         file: fallocate: ENOSPC (No space left on device)\n",
        1,
    );
}

#[test]
fn old_kernels_without_the_newer_flags_still_serve() {
    if lacks(Need::Tracing) {
        return;
    }
    for map in ["dual", "sealed"] {
        inject("memfd_create:error=EINVAL:when=1", &["hello", "--map", map]).expect("Hello World!", "", 0);
    }
    inject("fcntl:error=EINVAL:when=1", &["hello", "--map", "sealed"]).expect("Hello World!", "", 0);
    inject("fallocate:error=EOPNOTSUPP", &["hello", "--map", "file"]).expect("Hello World!", "", 0);
    for errno in ["EISDIR", "EOPNOTSUPP"] {
        let (run, calls) =
            strace(&["-e", &format!("inject=open:error={errno}:when=1")], &["hello", "--map", "file"]);
        run.expect("Hello World!", "", 0);
        assert!(calls.iter().any(|call| call.name == "unlink"), "{calls:?}");
    }
}

/// The contents of the files on descriptors 0 to 2 before the process starts.
const HELD: &str = "0123456789 these bytes belong to somebody else\n";

/// Files on descriptors 0, 1 and 2, each readable and writable.
struct Descriptors([std::path::PathBuf; 3]);

impl Descriptors {
    fn new() -> Self {
        let paths = ["stdin", "stdout", "stderr"].map(scratch);
        for path in &paths {
            std::fs::write(path, HELD).expect("written");
        }
        Self(paths)
    }

    fn give(&self, command: &mut Command) {
        // Output is appended to the contents.
        let open = |path| std::fs::File::options().read(true).append(true).open(path).expect("was written");
        let [stdin, stdout, stderr] = &self.0;
        command.stdin(open(stdin)).stdout(open(stdout)).stderr(open(stderr));
    }

    /// Returns the text added to standard output and to standard error; panics if anything
    /// else was changed.
    #[track_caller]
    fn printed(self, what: &str) -> [String; 2] {
        let [stdin, stdout, stderr] = self.0.map(|path| {
            let text = String::from_utf8_lossy(&std::fs::read(&path).expect("is there")).into_owned();
            std::fs::remove_file(path).expect("is there");
            text
        });
        assert_eq!(stdin, HELD, "{what}: standard input was written to");
        [stdout, stderr].map(|text| {
            let behind = text.strip_prefix(HELD);
            behind.unwrap_or_else(|| panic!("{what}: '{text}' was '{HELD}'")).to_string()
        })
    }
}

/// The calls of `args` that make a descriptor or a segment, with the process under
/// strace and three files as its descriptors.
fn makers(directory: &std::path::Path, args: &[&str]) -> Vec<(&'static str, usize)> {
    let log = scratch("makers");
    let mut command = tool("strace", "strace");
    command.args(["-qq", "-f", "-o"]).arg(&log).arg(BAREJIT).args(args).current_dir(directory);
    let files = Descriptors::new();
    files.give(&mut command);
    command.status().expect("strace");
    files.printed("plain");
    let text = std::fs::read_to_string(&log).expect("a log");
    std::fs::remove_file(log).expect("is there");
    let count = |call: &str| text.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    let calls = ["memfd_create", "open", "userfaultfd", "shmget"].map(|call| (call, count(call)));
    calls.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn no_byte_is_written_through_a_descriptor_that_was_not_made() {
    let directory = scratch("makers");
    std::fs::create_dir(&directory).expect("made");
    std::fs::write(directory.join("source"), "+++.").expect("written");
    let mut cases: Vec<Vec<&str>> = Vec::new();
    for map in ["dual", "sealed", "file"] {
        for (args, ..) in COMMANDS {
            cases.push([&args[..1], &["--map", map], &args[1..]].concat());
        }
    }
    cases.push(vec!["bf", "source"]);
    for tool in [&["--perf", "map"][..], &["--perf", "jitdump"], &["--raw", "raw"], &["--trace"]] {
        cases.push([&["ret", "7"], tool].concat());
    }
    let list = run(&["probe", "--list"]).text();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in &names {
        cases.push(vec!["probe", "--json", "--strategy", name]);
    }
    let (mut lies, mut lied) = (0, 0);
    for args in &cases {
        for (call, count) in makers(&directory, args) {
            // A trial is a process of its own, where strace counts anew.
            // The probe opens many files of /proc, all by one function: one case is enough.
            let each = if args[0] == "probe" && call == "open" { 0 } else { count };
            for when in (1..=each).map(|when| when.to_string()).chain(["1+".into()]) {
                for answer in ["0", "1", "2", "1000"] {
                    let what = format!("{call}:retval={answer}:when={when}");
                    let mut command = tool("strace", "strace");
                    command.args(["-qq", "-f", "-o", "/dev/null", "-e", &format!("inject={what}")]);
                    command.arg(BAREJIT).args(args).current_dir(&directory);
                    let files = Descriptors::new();
                    files.give(&mut command);
                    let status = command.status().expect("strace");
                    let what = format!("{args:?} {what}");
                    let [stdout, stderr] = files.printed(&what);
                    lies += 1;
                    lied += usize::from(stdout.contains("\"lied\"") || stderr.contains("without effect"));
                    assert!(status.code().is_some_and(|status| status < 8), "{what}: {status} {stderr}");
                    assert!(!stderr.contains("bug"), "{what}: {stderr}");
                }
            }
        }
    }
    std::fs::remove_dir_all(directory).expect("was there");
    assert!(lies >= 400 && lied >= 200, "{lied} of {lies} lies were noticed");
}

/// A tracer can answer mmap(2) with an aligned address at which nothing is mapped. Where
/// faults are handled, code memory is mapped between guards at an address of its own, which
/// the kernel can only confirm or not.
#[test]
fn an_address_where_nothing_is_mapped_is_no_memory_for_code() {
    if place::lacks(Need::Tracing) {
        return;
    }
    for map in ["wx", "dual", "sealed", "file"] {
        let words = ["run", "--map", map, "b82a000000c3"];
        let calls = strace(&["-e", "trace=mmap"], &words).1.len();
        assert!(calls >= 8, "{map}: {calls}");
        for call in 1..=calls {
            let run = inject(&format!("mmap:retval=0x70000000:when={call}"), &words);
            let without_effect = "barejit: run: mmap: claimed success without effect\n";
            match run.status {
                0 => run.expect("42 0x2a\n", "", 0),
                _ => run.expect("", without_effect, 1),
            }
        }
    }
}
