//! `probe -- COMMAND`: real programs that are refused executable memory, in regimes that
//! the test sets. The report must name the call, its answer, who asked, the cause and
//! what became of the program; the program must print and end as without the tracer.

use crate::support::{
    Need, Run, command, finish,
    json::Json,
    lacks,
    regime::{self, Answer},
    scratch, tool,
};
use std::{fs, process::Command};

/// A watched run of a program, and the report about it.
struct Watched {
    run: Run,
    report: Json,
}

/// A command of these words, as a plain run has it.
fn plain(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// `barejit probe OPTION… -- WORD…`.
fn probe(options: &[&str], words: &[&str]) -> Command {
    let mut probe = command(&["probe"]);
    probe.args(options).arg("--").args(words);
    probe
}

impl Watched {
    /// Runs the words twice in a regime, plainly and watched. Output and status must be
    /// the same; numbers of processes and addresses in messages may differ.
    #[track_caller]
    fn of(words: &[&str], set: impl Fn(&mut Command)) -> Self {
        let mut alone = plain(words);
        set(&mut alone);
        let alone = finish(alone);
        let watched = Self::alone(&[], words, set);
        assert_eq!(watched.run.text(), alone.text(), "standard output of {words:?}");
        assert_eq!(watched.run.status, alone.status, "status of {words:?}: {}", watched.run.stderr);
        let (ours, theirs) = (masked(&watched.run.stderr), masked(&alone.stderr));
        assert_eq!(ours, theirs, "standard error of {words:?}");
        watched
    }

    /// Runs the words watched.
    #[track_caller]
    fn alone(options: &[&str], words: &[&str], set: impl Fn(&mut Command)) -> Self {
        let path = scratch("report");
        let mut command = command(&["probe", "--json", "--output"]);
        command.arg(&path).args(options).arg("--").args(words);
        set(&mut command);
        let run = finish(command);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: no report of {run:?}"));
        fs::remove_file(&path).expect("there");
        let report = Json::parse(text.trim_end());
        report.check(&Json::parse(include_str!("../watch.schema.json")), "report");
        Self { run, report }
    }

    fn refusals(&self) -> &[Json] {
        self.report.get("refusals").items()
    }

    /// The refusals in the words of these members each.
    fn words(&self, members: &[&str]) -> Vec<String> {
        let of = |refusal: &Json| {
            let words: Vec<&str> = members.iter().map(|member| refusal.get(member).text()).collect();
            words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
        };
        self.refusals().iter().map(of).collect()
    }

    /// Panics unless the first refusal is this: call, errno or signal, strategy, cause,
    /// engine.
    #[track_caller]
    fn expect_first(&self, expected: &str) {
        let words = self.words(&["call", "errno", "by_signal", "strategy", "cause", "engine"]);
        assert_eq!(words.first().map(String::as_str), Some(expected), "{words:#?}\n{:?}", self.run);
    }

    /// Panics unless nothing was refused.
    #[track_caller]
    fn expect_fine(&self) {
        assert_eq!(self.words(&["text", "errno", "evidence"]), [""; 0], "{:?}", self.run);
    }

    fn strings(&self, member: &str) -> Vec<&str> {
        self.report.get(member).items().iter().map(Json::text).collect()
    }
}

/// Text without what differs from run to run: numbers of two digits and more.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != 'x') {
        let end = word.trim_end_matches(|c: char| !c.is_ascii_hexdigit() && c != 'x').len();
        let number = end > 1 && word.starts_with(|c: char| c.is_ascii_digit());
        masked.push_str(if number { "N" } else { &word[..end] });
        masked.push_str(&word[end..]);
    }
    masked
}

const LOOP: &str = "local x = 0 for i = 1, 100000 do x = x + i % 7 end print(x)";
const CALLBACK: &str = "
import ctypes
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
print(compare(41))
";

fn like_systemd(answer: Answer) -> impl Fn(&mut Command) {
    move |command| regime::deny_execution(command, answer)
}

#[test]
fn programs_that_are_fine_are_not_reported() {
    if lacks(Need::Tracing) {
        return;
    }
    tool("luajit", "luajit");
    for words in [
        &["luajit", "-e", LOOP][..],
        &["grep", "-oP", "a(?=b)", "/etc/passwd"],
        &["/usr/bin/python3", "-c", CALLBACK],
        &["php", "-r", "echo preg_match('/a+b/', 'aab'), \"\\n\";"],
        &["node", "-e", "console.log([3, 1, 2].sort())"],
        &["sh", "-c", "echo a; echo b >&2; exit 3"],
    ] {
        let watched = Watched::of(words, |_| {});
        watched.expect_fine();
        let plainly = finish(plain(words));
        let silent = finish(probe(&[], words));
        assert_eq!(
            (masked(&silent.stderr), silent.status),
            (masked(&plainly.stderr), plainly.status),
            "{words:?}"
        );
    }
}

#[test]
fn luajit_under_mdwe() {
    if lacks(Need::Tracing) {
        return;
    }
    tool("luajit", "luajit");
    let watched = Watched::of(&["luajit", "-e", LOOP], regime::mdwe);
    watched.expect_first("mprotect EACCES anon-wx mdwe LuaJIT");
    let refusal = &watched.refusals()[0];
    assert!(refusal.get("module").text().contains("luajit"), "{refusal:?}");
    assert_eq!(refusal.get("evidence").text(), "prctl(PR_GET_MDWE) = 1, inherited");
    assert_eq!(refusal.get("setting").text(), "-joff");
}

#[test]
fn luajit_under_filters() {
    if lacks(Need::Tracing) {
        return;
    }
    tool("luajit", "luajit");
    let words = &["luajit", "-e", LOOP];
    let errno = Watched::of(words, like_systemd(Answer::Errno(libc::EPERM as u16)));
    errno.expect_first("mprotect EPERM anon-wx seccomp LuaJIT");
    let evidence = errno.refusals()[0].get("evidence").text().to_string();
    assert!(evidence.starts_with("Seccomp: 2, 1 filter; "), "{evidence}");
    for answer in [Answer::Kill, Answer::Trap] {
        let killed = Watched::of(words, like_systemd(answer));
        killed.expect_first("mprotect SIGSYS anon-wx seccomp LuaJIT");
        assert_eq!(killed.run.status, -libc::SIGSYS, "{answer:?}");
        assert_eq!(killed.report.get("signal").text(), "SIGSYS", "{answer:?}");
        let refusal = &killed.refusals()[0];
        assert!(refusal.get("module").text().contains("luajit"), "{answer:?}: {refusal:?}");
    }
    // The engine jumps into memory that no call made executable.
    let lied = Watched::of(words, like_systemd(Answer::Errno(0)));
    lied.expect_first("mprotect anon-wx seccomp LuaJIT");
    assert_eq!(lied.words(&["answer", "signal"])[0], "no effect SIGSEGV");
}

#[test]
fn grep_under_every_refusal_goes_on_or_dies() {
    if lacks(Need::Tracing) {
        return;
    }
    let words = &["sh", "-c", "echo ab | grep -oP 'a(?=b)'"];
    let went_on = Watched::of(words, regime::mdwe);
    went_on.expect_first("mmap EACCES anon-rwx mdwe PCRE2");
    assert_eq!(went_on.run.text(), "a\n");
    assert_eq!(went_on.refusals()[0].get("status"), &Json::Number(0));
    assert!(went_on.refusals()[0].get("program").text().ends_with("grep"), "not the shell");
    let killed = Watched::of(words, like_systemd(Answer::Kill));
    killed.expect_first("mmap SIGSYS anon-rwx seccomp PCRE2");
    // A mapping at address 0, which the library takes for one.
    let lied = Watched::of(words, like_systemd(Answer::Errno(0)));
    lied.expect_first("mmap anon-rwx seccomp PCRE2");
    assert_eq!(lied.words(&["answer"])[0], "no effect");
}

#[test]
fn ctypes_falls_back_to_a_memory_file() {
    if lacks(Need::Tracing) {
        return;
    }
    let watched = Watched::of(&["/usr/bin/python3", "-c", CALLBACK], regime::mdwe);
    watched.expect_first("mmap EACCES anon-rwx mdwe libffi closures");
    assert_eq!(watched.run.text(), "42\n");
    assert_eq!(watched.refusals()[0].get("then").text(), "memfd-dual");
    let text = finish({
        let mut probe = probe(&[], &["/usr/bin/python3", "-c", CALLBACK]);
        regime::mdwe(&mut probe);
        probe
    });
    let then = "    then:     it got executable memory by memfd-dual, and ended with status 0\n";
    assert!(text.stderr.ends_with(then), "{}", text.stderr);
}

#[test]
fn node_and_java_and_php_are_recognised() {
    if lacks(Need::Tracing) {
        return;
    }
    let node = Watched::alone(&[], &["node", "-e", "console.log(1)"], regime::mdwe);
    node.expect_first("mprotect EACCES reserve-rwx mdwe Node.js");
    assert_eq!(node.refusals()[0].get("setting").text(), "NODE_OPTIONS=--jitless");
    let symbol = node.refusals()[0].get("symbol").text().to_string();
    assert_eq!(symbol, "v8::base::OS::SetPermissions");
    let java = Watched::alone(&[], &["java", "-version"], regime::mdwe);
    java.expect_first("mprotect EACCES anon-mprotect-rwx mdwe HotSpot");
    assert_eq!(java.refusals()[0].get("setting"), &Json::Null);
    assert!(java.refusals()[0].get("module").text().ends_with("libjvm.so"));
    let php = Watched::alone(&[], &["php", "-r", "echo preg_match('/a+b/', 'aab');"], regime::mdwe);
    php.expect_first("mmap EACCES anon-rwx mdwe PHP preg");
}

/// A library and a program on a mount that lets nothing be executed.
#[test]
fn a_mount_is_told_with_its_file() {
    if lacks(Need::Tracing) || lacks(Need::Mounts) {
        return;
    }
    // The directories of the regime are empty: the files are made inside.
    let load = "cp /usr/lib/x86_64-linux-gnu/libz.so.1 /var/tmp/library && cp /bin/echo /var/tmp/echo &&
        /usr/bin/python3 -c 'import ctypes; ctypes.CDLL(\"/var/tmp/library\")'; /var/tmp/echo";
    let probe = |options: &[&str]| {
        let mut command = command(&["probe"]);
        command.args(options).args(["--", "sh", "-c", load]);
        regime::noexec_mounts(&mut command);
        finish(command)
    };
    let run = probe(&["--json"]);
    assert_eq!(run.status, 126, "{run:?}");
    let line = run.stderr.lines().find(|line| line.starts_with('{')).expect("a report");
    let watched = Watched { report: Json::parse(line), run: run.clone() };
    assert_eq!(
        watched.words(&["call", "errno", "cause", "evidence", "engine", "strategy"]),
        [
            "mmap EPERM noexec /var/tmp/library is on a file system mounted noexec",
            "execve EACCES noexec /var/tmp/echo is on a file system mounted noexec"
        ]
    );
    assert!(run.stderr.contains("failed to map segment from shared object"), "{run:?}");
}

#[test]
fn a_limit_is_told_with_its_numbers() {
    if lacks(Need::Tracing) {
        return;
    }
    let limit = |command: &mut Command| regime::limit(command, libc::RLIMIT_AS, 512 << 20);
    let watched = Watched::alone(&[], &["node", "-e", "console.log(1)"], limit);
    let words = watched.words(&["call", "errno", "cause", "engine"]);
    assert_eq!(words[0], "mmap ENOMEM limits Node.js", "{words:?}");
    let evidence = watched.refusals()[0].get("evidence").text();
    assert!(evidence.starts_with("RLIMIT_AS = 536870912, "), "{evidence}");
}

#[test]
fn a_filter_of_the_program_itself_is_seen() {
    if lacks(Need::Tracing) {
        return;
    }
    let script = scratch("own-filter.py");
    fs::write(&script, OWN_FILTER).expect("written");
    let watched = Watched::of(&["/usr/bin/python3", script.to_str().expect("UTF-8")], |_| {});
    fs::remove_file(&script).expect("there");
    watched.expect_first("mmap EPERM anon-rwx seccomp libffi closures");
    let evidence = watched.refusals()[0].get("evidence").text();
    assert!(evidence.contains("1 filter, 1 of them installed since the command began"), "{evidence}");
    let restrictions = watched.strings("restrictions");
    assert!(restrictions[0].ends_with("put a seccomp filter on itself; every call is watched from then on"));
}

/// Installs a filter that answers EPERM to mmap(2) with PROT_WRITE and PROT_EXEC, and then
/// makes a call-back.
const OWN_FILTER: &str = "
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def op(code, jt, jf, k): return struct.pack('HBBI', code, jt, jf, k)
program = b''.join([
    op(0x20, 0, 0, 0), op(0x15, 0, 4, 9), op(0x20, 0, 0, 32), op(0x54, 0, 0, 6),
    op(0x15, 0, 1, 6), op(0x06, 0, 0, 0x50001), op(0x06, 0, 0, 0x7fff0000)])
memory = ctypes.create_string_buffer(program)
class Program(ctypes.Structure): _fields_ = [('size', ctypes.c_ushort), ('at', ctypes.c_void_p)]
argument = Program(7, ctypes.addressof(memory))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(argument), 0, 0) == 0
call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1)
print(call(41))
";

/// Calls mprotect(2) by the C library, or by itself.
const ASKER: &str = "
#include <sys/mman.h>
static char page[4096] __attribute__((aligned(4096)));
__attribute__((noinline)) int the_asker(int deep) {
    volatile char room[64] = {0};
#ifdef DIRECT
    long result;
    __asm__ volatile(\"syscall\" : \"=a\"(result) : \"0\"(10), \"D\"(page), \"S\"(4096), \"d\"(7) : \"rcx\", \"r11\", \"memory\");
#else
    long result = mprotect(page, 4096, 7);
#endif
    return room[deep] + (result != 0);
}
int main(int argc, char **argv) { return the_asker(argc) + 10; }
";

/// With and without frame pointers, statically and dynamically linked, without the C
/// library: the function is found, and by what is said.
#[test]
fn the_function_that_asked_is_found() {
    if lacks(Need::Tracing) {
        return;
    }
    let source = scratch("asker.c");
    fs::write(&source, ASKER).expect("written");
    for (options, found_by) in [
        (&["-O2", "-fno-omit-frame-pointer"][..], "frame pointers"),
        (&["-O2", "-fomit-frame-pointer"], "frame pointers"),
        (&["-O2", "-static"], "frame pointers"),
        (&["-O0", "-static", "-DDIRECT"], "instruction pointer"),
        (&["-O2", "-no-pie", "-DDIRECT"], "instruction pointer"),
    ] {
        let program = scratch("asker");
        let mut compiler = tool("cc", "gcc");
        let status = compiler.args(options).arg("-o").arg(&program).arg(&source).status();
        assert!(status.expect("a compiler").success(), "{options:?}");
        let path = program.to_str().expect("UTF-8");
        let watched = Watched::of(&[path], regime::mdwe);
        fs::remove_file(&program).expect("there");
        watched.expect_first("mprotect EACCES bss mdwe");
        let words = watched.words(&["symbol", "found_by", "module"]);
        assert_eq!(words[0], format!("the_asker {found_by} {path}"), "{options:?}");
        assert_eq!(watched.run.status, 11, "{options:?}");
    }
    fs::remove_file(source).expect("there");
}

/// A program that does not give up: each call is counted, and the first is looked into.
#[test]
fn refusals_in_a_loop_are_counted() {
    if lacks(Need::Tracing) {
        return;
    }
    let text = "
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_long
print(sum(libc.mmap(None, 4096, 7, 0x22, -1, 0) for _ in range(3000)))
";
    let watched = Watched::of(&["/usr/bin/python3", "-c", text], regime::mdwe);
    assert_eq!(watched.run.text(), "-3000\n");
    let refusals = watched.refusals();
    let count: i64 = refusals
        .iter()
        .map(|refusal| if let Json::Number(count) = refusal.get("count") { *count } else { 0 })
        .sum();
    assert_eq!((refusals.len(), count), (1, 3000), "{refusals:?}");
}
