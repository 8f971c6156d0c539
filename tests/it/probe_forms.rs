//! How the probe is asked and how it answers: table, JSON, list, status, costs,
//! and the summary of many hosts.

use crate::support::{command, feed, finish, json::Json, place, regime, run, scratch, tool};

#[test]
fn the_list_has_every_name_that_strategy_takes() {
    let list = run(&["probe", "--list"]);
    assert_eq!((list.stderr.as_str(), list.status), ("", 0));
    let text = list.text();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in "anon-rwx anon-wx anon-repatch reserve-commit memfd-dual memfd-dual-exec \
        memfd-dual-noexec-seal memfd-mprotect memfd-private memfd-sealed tmp-dual shm-dual vartmp-dual \
        otmpfile-dual self-mem mremap-rx-to-rw mremap-rw-to-rx sysv-shm brk bss stack text userfaultfd \
        ptrace-poke read-implies-exec pkey-mprotect execveat-memfd control reserve-rwx reserve-512m reserve-1g \
        reserve-4g anon-mprotect-rwx home-dual file-modified"
        .split_whitespace()
    {
        assert!(names.contains(&name), "{name} is not in the list");
    }
    let denied = place::denied_rows();
    // TMPDIR may not be set.
    for name in names.into_iter().filter(|name| *name != "tmpdir-dual" && !denied.contains(name)) {
        let works = name != "control";
        run(&["probe", "--quiet", "--strategy", name]).expect("", "", if works { 0 } else { 4 });
    }
}

#[test]
fn one_strategy_is_one_row() {
    // The filter of a place is a cause of its own, which changes what is told.
    if !place::denied_rows().is_empty() {
        return;
    }
    let report = Json::parse(&run(&["probe", "--json", "--strategy=memfd-dual"]).text());
    assert_eq!(report.get("strategies").items().len(), 1);
    assert_eq!(report.get("engines").items().len(), 0);
    let table = run(&["probe", "--strategy", "memfd-dual"]).text();
    assert!(table.lines().count() == 3 && table.contains("\nmemfd-dual              works"), "{table}");
    let mut denied = command(&["probe", "--strategy", "anon-wx"]);
    regime::mdwe(&mut denied);
    let denied = finish(denied);
    assert_eq!(denied.status, 4);
    assert!(denied.text().contains("denied EACCES at protect (mprotect)"), "{denied:?}");
    // A line about HotSpot needs the results of other strategies, too.
    let mut denied = command(&["probe", "--strategy", "anon-rwx"]);
    regime::mdwe(&mut denied);
    let denied = finish(denied).text();
    assert!(denied.contains("PCRE2") && !denied.contains("HotSpot"), "{denied}");
}

#[test]
fn unknown_facts_leave_no_gap() {
    let mut nameless = command(&["probe", "--strategy", "anon-wx"]);
    regime::deny(&mut nameless, libc::SYS_uname as u32, regime::Answer::Errno(libc::EPERM as u16));
    let text = finish(nameless).text();
    let host = text.lines().nth(1).unwrap_or_default();
    assert!(host.starts_with(|first: char| first.is_ascii_alphanumeric()), "{text}");
}

#[test]
fn usage() {
    run(&["probe", "--strategy", "anon"]).expect(
        "",
        "barejit: probe: --strategy: 'anon' is in no row of --list\n",
        2,
    );
    run(&["probe", "--jsn"]).expect(
        "",
        "barejit: probe: unknown option '--jsn', did you mean '--json'?\n",
        2,
    );
    run(&["probe", "x"]).expect("", "barejit: probe: unexpected argument 'x'\n", 2);
    run(&["probe", "--summary"]).expect("", "barejit: probe: --summary needs a FILE\n", 2);
    run(&["probe", "--summary", "/no/such"]).expect(
        "",
        "barejit: probe: /no/such: open: ENOENT (No such file or directory)\n",
        1,
    );
    run(&["probe", "--summary", "/dev/null", "--json"]).expect(
        "",
        "barejit: probe: --json, --list, --quiet and --summary exclude each other\n",
        2,
    );
    run(&["probe", "/dev/null", "--summary"]).expect(
        "",
        "barejit: probe: --summary: no report in there\n",
        2,
    );
}

#[test]
fn costs() {
    let costs = || {
        let report = Json::parse(&run(&["probe", "--json", "--bench"]).text());
        ["memfd-dual", "anon-repatch", "control"].map(|name| {
            let rows = report.get("strategies").items();
            let row = rows.iter().find(|row| row.get("name").text() == name).expect(name);
            if let Json::Number(nanoseconds) = row.get("repatch_ns") { *nanoseconds } else { 0 }
        })
    };
    // The least of several runs: any of them can be interrupted.
    let least = (0..5).map(|_| costs()).reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].min(b[2])]);
    let [store, calls, control] = least.expect("runs");
    // A store against two system calls.
    assert!(0 < store && store < calls, "{store} ns against {calls} ns");
    assert_eq!(control, 0);
}

/// The table as a terminal shows it.
fn on_a_terminal(environment: &str, columns: u16) -> String {
    let mut script = tool("script", "bsdutils");
    let barejit = crate::support::BAREJIT;
    let inner = format!("stty cols {columns}; {environment} {barejit} probe --all");
    script.args(["-qec", &inner, "/dev/null"]);
    script.env_remove("NO_COLOR").env("TERM", "xterm");
    finish(script).text()
}

#[test]
fn colour_is_for_terminals_of_people_who_want_it() {
    assert!(!run(&["probe"]).text().contains('\x1b'));
    assert!(on_a_terminal("", 100).contains("\x1b[32mworks\x1b[m"));
    assert!(on_a_terminal("NO_COLOR=", 100).contains("\x1b[32m"), "an empty NO_COLOR is none");
    assert!(!on_a_terminal("NO_COLOR=1", 100).contains('\x1b'));
    assert!(!on_a_terminal("TERM=dumb", 100).contains('\x1b'));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for columns in [40, 60, 80, 120] {
        let screen = on_a_terminal("NO_COLOR=1", columns);
        for line in screen.lines() {
            let width = line.trim_end_matches('\r').len();
            assert!(width <= columns.into(), "{width} of {columns}: {line}");
        }
        assert!(screen.contains("anon-wx"));
    }
}

#[test]
fn a_full_disk_is_said() {
    for form in ["--json", "--list"] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
        let mut command = command(&["probe", form]);
        command.stdout(full);
        let output = command.output().expect("the probe");
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(message, "barejit: probe: write: ENOSPC (No space left on device)\n");
    }
}

#[test]
fn many_hosts_are_summed_up() {
    // The filter of a place is a cause of its own, which changes what is told.
    if !place::denied_rows().is_empty() {
        return;
    }
    let plain = run(&["probe", "--json"]).text();
    let mut denied = command(&["probe", "--json"]);
    regime::mdwe(&mut denied);
    let denied = finish(denied).text();
    let path = scratch("hosts");
    std::fs::write(&path, format!("{plain}{plain}\nweb-3 | {denied}cut off: {}\n", &plain[..200]))
        .expect("a file");
    let (file, path) = (path.to_str().expect("UTF-8").to_string(), path);
    let summary = feed(command(&["probe", "--summary", &file, "-"]), denied.as_bytes());
    std::fs::remove_file(path).expect("the file");
    assert_eq!((summary.stderr.as_str(), summary.status), ("", 0));
    let text = summary.text();
    let headings: Vec<&str> = text.lines().filter(|line| !line.starts_with("  ")).collect();
    assert_eq!(
        headings,
        [
            "all: 4 hosts, a W^X strategy on 4",
            "no cause: 2 hosts, a W^X strategy on 2",
            "mdwe: 2 hosts, a W^X strategy on 2",
            "1 line is no report",
        ]
    );
    assert!(text.contains("  works on some: anon-wx 2/4 anon-repatch 2/4"), "{text}");
    assert!(text.contains("  fails: anon-wx anon-repatch reserve-commit"), "{text}");
}
