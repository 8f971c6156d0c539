//! `--trace`: the life of the code, told with what /proc/self/maps says at each
//! step.

use crate::support::*;

/// A step of `--trace`: its name, its text, and the mapping, as its range, its rights and the
/// line.
#[derive(Debug)]
struct Step {
    name: String,
    line: String,
    range: Option<std::ops::Range<u64>>,
    rights: String,
}

fn steps(stderr: &str) -> Vec<Step> {
    let parse = |line: &str| {
        let told = line.strip_prefix("barejit: ")?;
        let (step, mapping) = told.rsplit_once(": ")?;
        let name = step.split(' ').next()?.to_string();
        let mut words = mapping.split(' ');
        let range = words.next()?.split_once('-').and_then(|(start, end)| {
            Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
        });
        let rights = words.next().filter(|_| range.is_some()).unwrap_or_default().to_string();
        Some(Step { name, line: line.into(), range, rights })
    };
    stderr.lines().filter_map(parse).collect()
}

/// Names and rights, one step after the other.
fn summary(stderr: &str) -> String {
    let steps: Vec<_> = steps(stderr).iter().map(|step| format!("{} {}", step.name, step.rights)).collect();
    steps.join(", ").replace(" ,", ",").trim_end().to_string()
}

#[test]
fn every_step_is_told_with_the_rights_of_the_memory() {
    let cases = [
        ("wx", "reserve rw-p, write rw-p, patch rw-p, seal r-xp, jump r-xp, return r-xp, release"),
        ("rwx", "reserve rwxp, write rwxp, patch rwxp, seal rwxp, jump rwxp, return rwxp"),
        (
            "dual",
            "reserve r-xs, reserve rw-s, write rw-s, patch rw-s, seal r-xs, jump r-xs, return r-xs, release",
        ),
        (
            "sealed",
            "reserve ---p, reserve rw-s, write rw-s, patch rw-s, seal r-xp, jump r-xp, return r-xp, release",
        ),
        ("inplace", "reserve rw-p, seal r-xp, jump r-xp, return r-xp"),
    ];
    for (map, expected) in cases {
        let told = run(&["hello", "--trace", "--map", map]);
        assert_eq!((told.text().as_str(), told.status), ("Hello World!", 0), "--map {map}: {told:?}");
        assert_eq!(summary(&told.stderr), expected, "--map {map}:\n{}", told.stderr);
    }
    let told = run(&["hello", "--trace", "--map", "none"]);
    assert_eq!(
        summary(&told.stderr).split(", hello").next(),
        Some("reserve rw-p, jump rw-p, no rw-p"),
        "{told:?}"
    );
}

#[test]
fn the_jump_leads_into_the_mapping_that_is_told() {
    for args in [&["hello", "--trace"][..], &["ret", "--trace", "0"], &["call", "--trace"]] {
        let told = run(args);
        assert_eq!(told.status, 0, "{told:?}");
        let steps = steps(&told.stderr);
        let jump = steps.iter().find(|step| step.name == "jump").expect("a jump");
        let entry = jump.line.split("0x").nth(1).and_then(|rest| rest.split(':').next()).expect("an address");
        let entry = u64::from_str_radix(entry, 16).expect("hexadecimal");
        assert!(jump.range.as_ref().is_some_and(|range| range.contains(&entry)), "{}", told.stderr);
        let release = steps.last().expect("a release");
        assert!(release.range.as_ref().is_none_or(|range| !range.contains(&entry)), "{}", told.stderr);
    }
}

#[test]
fn the_patch_is_told_with_what_was_there() {
    for (args, patch) in [
        (&["hello", "--trace"][..], "patch 0x18 from 00 00 00 00 to 03 00 00 00: "),
        (&["hello", "--trace", "--layout", "words"], "patch 0x18 from 00 00 00 00 to 04 00 00 00: "),
        (&["ret", "--trace", "0x1234"], "patch 0x1 from 00 00 00 00 to 34 12 00 00: "),
        (&["call", "--trace"], "patch 0x27 from 00 00 00 00 00 00 00 00 to "),
        (&["call", "--trace", "hi"], "patch 0x1e from 00 00 00 00 00 00 00 00 to "),
    ] {
        let told = run(args);
        assert!(told.stderr.contains(patch), "{args:?}:\n{}", told.stderr);
        assert!(qemu(args).stderr.contains(patch), "{args:?} under qemu");
    }
}

#[test]
fn ends_other_than_a_return_are_told() {
    let told = run(&["run", "--trace", "31C9F7F1C3"]);
    assert!(told.stderr.contains("barejit: no return but SIGFPE: "), "{}", told.stderr);
    assert!(told.stderr.contains("barejit: release: "), "{}", told.stderr);
    let told = run(&["call", "--trace", "--panic"]);
    assert!(told.stderr.contains("barejit: no return but a panic: "), "{}", told.stderr);
    let told = run(&["ret", "--trace", "--", "-7"]);
    assert!(
        told.stderr.contains("barejit: return 4294967289 (0xfffffff9): ") && told.status == 249,
        "{told:?}"
    );
}

#[test]
fn a_refusal_is_told_before_the_next_attempt() {
    if lacks(Need::Tracing) {
        return;
    }
    let told = inject("mprotect:error=EACCES", &["hello", "--trace"]);
    assert!(told.text() == "Hello World!" && told.status == 0, "{told:?}");
    let refused = "barejit: hello: wx: mprotect: EACCES (Permission denied); falling back to dual\n";
    let (before, after) = told.stderr.split_once(refused).expect("the refusal");
    assert_eq!(summary(before), "reserve rw-p, write rw-p, patch rw-p", "{}", told.stderr);
    assert!(summary(after).ends_with("jump r-xs, return r-xs, release"), "{}", told.stderr);
}

#[test]
fn in_a_sandbox_what_cannot_be_seen_is_not_claimed() {
    let told = run(&["hello", "--trace", "--sandbox"]);
    assert!(told.text() == "Hello World!" && told.status == 0, "{told:?}");
    assert!(told.stderr.contains("barejit: return 12 (0xc): the sandbox hides /proc\n"), "{}", told.stderr);
}

#[test]
fn without_proc_the_steps_are_told_all_the_same() {
    if lacks(Need::Tracing) {
        return;
    }
    let told = inject("open:error=ENOENT", &["hello", "--trace"]);
    assert!(told.text() == "Hello World!" && told.status == 0, "{told:?}");
    let line = "barejit: write 43 bytes: /proc/self/maps: open: ENOENT (No such file or directory)\n";
    assert!(told.stderr.contains(line), "{}", told.stderr);
}
