//! Random input for everything that reads input, in this process where that is
//! possible. A second of it belongs to every test run; `make fuzz SECONDS=` does
//! more. A failure prints its target and seed; `TARGET=` and `SEED=` repeat it.

mod number;
mod prompt;
pub(crate) mod relation;
mod report;

use crate::random::Random;
use crate::support::*;
use barejit::front::hex;
use barejit_asm::{Asm, Cond, EAX, Error, Label, Mem, Needs, R9, RAX, RBX, Slot, Tables};
use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// A target of the fuzzer: its name, and the function for one round.
type Target = (&'static str, fn(&mut Random));

const TARGETS: [Target; 19] = [
    ("images", images),
    ("statements", statements),
    ("hexadecimal", hexadecimal),
    ("integers", number::integers),
    ("decimals", number::decimals),
    ("printing", number::printing),
    ("assembler", assembler),
    ("greetings", report::greetings),
    ("chain", relation::chains),
    ("chain-documented", relation::documented_chains),
    ("chain-lines", relation::chain_lines),
    ("rpn", relation::polish),
    ("rpn-lines", relation::polish_lines),
    ("brackets", brackets),
    ("brainfuck", |random| crate::bf::try_one(random.next())),
    ("summaries", report::summaries),
    ("code", machine_code),
    ("arguments", arguments),
    ("prompt", prompt::lines),
];

/// The round that runs: an index into [`TARGETS`] and a seed.
static RUNNING: (AtomicUsize, AtomicU64) = (AtomicUsize::new(0), AtomicU64::new(0));

/// Feeds each target for its share of the time; `TARGET=` names the only one.
fn fuzz(time: Duration) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let only = std::env::var("TARGET").ok();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let first = seed.unwrap_or_else(|| clock.map_or(1, |now| now.as_nanos() as u64));
    let chosen = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let share = time / TARGETS.iter().filter(|(name, _)| chosen(name)).count().max(1) as u32;
    for (place, (name, target)) in TARGETS.iter().enumerate().filter(|(_, (name, _))| chosen(name)) {
        let (start, mut rounds) = (Instant::now(), 0);
        RUNNING.0.store(place, Relaxed);
        while start.elapsed() < share {
            let guard = Blame { target: name, seed: first.wrapping_add(rounds) };
            RUNNING.1.store(guard.seed, Relaxed);
            target(&mut Random(guard.seed));
            rounds += 1;
            if seed.is_some() {
                break;
            }
        }
        println!("{name}: {rounds} rounds from seed {first}");
    }
}

/// Says what was running when a panic passes.
struct Blame {
    target: &'static str,
    seed: u64,
}

impl Drop for Blame {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("TARGET={} SEED={}", self.target, self.seed);
        }
    }
}

/// Says what was running when generated code took the process with it.
extern "C" fn on_crash(signal: i32) {
    let (place, seed) = (RUNNING.0.load(Relaxed), RUNNING.1.load(Relaxed));
    eprintln!("signal {signal}: TARGET={} SEED={seed}", TARGETS[place].0);
    std::process::exit(1);
}

/// Has crashes and rounds that never end told.
fn watch() {
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT] {
        // SAFETY: the handler takes a signal.
        unsafe { libc::signal(signal, on_crash as *const () as usize) };
    }
    std::thread::spawn(|| {
        loop {
            let seed = RUNNING.1.load(Relaxed);
            std::thread::sleep(Duration::from_secs(60));
            if RUNNING.1.load(Relaxed) == seed {
                on_crash(libc::SIGALRM);
            }
        }
    });
}

/// Feeds one target so many times, from seed 0 on.
pub(crate) fn rounds(name: &str, count: u64) {
    let (name, target) = TARGETS.iter().find(|target| target.0 == name).expect("a target");
    for seed in 0..count {
        let guard = Blame { target: name, seed };
        target(&mut Random(guard.seed));
    }
}

#[test]
fn a_second_of_random_input_does_no_harm() {
    fuzz(Duration::from_secs(1));
}

#[test]
#[ignore = "make fuzz SECONDS= says for how long"]
fn fuzz_for_seconds() {
    watch();
    let seconds = std::env::var("SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    fuzz(Duration::from_secs(seconds.unwrap_or(60)));
}

/// The reader of `run`, against the obvious one for bare groups, and with bytes in every
/// spelling.
fn hexadecimal(random: &mut Random) {
    let text = random.text(&[b"0", b"f0", b"C3", b" ", b"\n", b"9"], 40);
    let mut groups = text.split(u8::is_ascii_whitespace).filter(|group| !group.is_empty());
    // Zeros that begin a line may be the offset of a dump.
    let bare = text.iter().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace());
    if bare && !text.starts_with(b"0") && !text.windows(2).any(|two| two == b"\n0") {
        let expected = match groups.clone().find(|group| group.len() % 2 == 1) {
            Some(odd) => Err((odd, hex::Reason::OddDigits)),
            None if groups.next().is_none() => Err((&b""[..], hex::Reason::Empty)),
            None => {
                let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_hexdigit).collect();
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16);
                Ok(digits.chunks(2).map(|pair| byte(pair).expect("two")).collect())
            }
        };
        let actual = hex::parse(&text).map_err(|error| (error.group, error.reason));
        assert_eq!(actual, expected, "{:?}", String::from_utf8_lossy(&text));
    }
    let bytes: Vec<u8> = (0..1 + random.below(40)).map(|_| random.next() as u8).collect();
    let spell = |before: &str, between: &str, after: &str, number: &dyn Fn(&u8) -> String| {
        let numbers: Vec<String> = bytes.iter().map(number).collect();
        format!("{before}{}{after}", numbers.join(between))
    };
    let prefixed = |byte: &u8| format!("{byte:#x}");
    let text = match random.below(6) {
        0 => spell("", " ", "", &|byte| format!("{byte:02X}")),
        1 => spell("{", ",", "}", &prefixed),
        2 => spell("let x = [", ",\n", "];", &prefixed),
        3 => spell("\"", "", "\"", &|byte| format!("\\x{byte:02x}")),
        4 => spell("", ", ", "", &|byte| format!("0{byte:x}h")),
        _ => format!("b\"{}\"", bytes.escape_ascii()),
    };
    let escaped = text.contains('\\') || !text.starts_with('b');
    assert!(!escaped || hex::parse(text.as_bytes()) == Ok(bytes), "{text}");
    // Text of all shapes together is answered.
    let pieces: &[&[u8]] = &[
        b"0000000 ",
        b"  401000:\t",
        b"=> 0x1 <a+4>:\t",
        b"00000010  ",
        b"|..|",
        b"b8 ",
        b"0x",
        b"0x2a, ",
        b"\\x90",
        b"\"",
        b"'",
        b"/*",
        b"*/",
        b"//",
        b"#",
        b";",
        b"*\n",
        b"...",
        b"\n",
        b"x = ",
        b"{",
        b"[",
        b"]",
        b"3",
        b"h ",
        b"L0:\n",
        b"\xFF",
        b"\t",
        b"  ",
        b"2ab8 ",
        b"\\",
    ];
    let text = random.text(pieces, 30);
    if let Err(error) = hex::parse(&text) {
        assert_eq!(text.get(error.at..error.at + error.group.len()), Some(error.group));
    }
}

/// ELF files with bytes that lie: each part is code of the file, or an error.
fn images(random: &mut Random) {
    use barejit::front::image::Image;
    let file = {
        static FILE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        FILE.get_or_init(|| std::fs::read("/bin/true").expect("there"))
    };
    let mut bytes = file.clone();
    let sections = u64::from_le_bytes(bytes[40..48].try_into().expect("eight")) as usize;
    for _ in 0..random.below(6) {
        // In the header, in the section headers, or anywhere.
        let at = match random.below(3) {
            0 => random.below(64),
            1 => sections + random.below(bytes.len() - sections),
            _ => random.below(bytes.len()),
        };
        let any = random.next() as u8;
        bytes[at] = random.of(&[0, 1, 0x7F, 0x80, 0xFF, any]);
    }
    bytes.truncate(if random.below(4) == 0 { random.below(bytes.len()) } else { bytes.len() });
    let Ok(image) = Image::new(&bytes) else { return };
    for piece in [image.entry_code(), image.section(b".text"), image.section(b".init"), image.symbol(b"main")]
    {
        let Ok(piece) = piece else { continue };
        let range = bytes.as_ptr_range();
        let inside = piece.bytes.as_ptr_range();
        assert!(range.start <= inside.start && inside.end <= range.end && !piece.bytes.is_empty());
        let _ = image.names(&piece, &mut |address, name| {
            assert!(address.wrapping_sub(piece.address) < piece.bytes.len() as u64 && !name.is_empty());
        });
    }
}

/// Assembly text of all shapes together: bytes with a line for each, or a mistake in the text.
fn statements(random: &mut Random) {
    use barejit::front::assembly::{Semicolon, assemble, optimise};
    let pieces: &[&[u8]] = &[
        b"mov ",
        b"lea ",
        b"push ",
        b"jmp ",
        b"jnz ",
        b"call ",
        b"rep ",
        b"lock ",
        b"vpaddd ",
        b"imul ",
        b"db ",
        b"dq ",
        b"align ",
        b"equ ",
        b"x",
        b"x: ",
        b"1: ",
        b"1b",
        b"1f",
        b"rax",
        b"ecx",
        b"r9b",
        b"ymm4",
        b"xmm1",
        b"st(1)",
        b"fs:",
        b"[",
        b"]",
        b"rip",
        b"+",
        b"-",
        b"*",
        b"2",
        b"4",
        b"0x7fffffff",
        b"-1",
        b"18446744073709551615",
        b"'ab'",
        b"\"",
        b"byte ptr ",
        b"qword ",
        b"short ",
        b", ",
        b"(",
        b")",
        b"$",
        b"%",
        b";",
        b"#",
        b"\n",
        b"\t",
        b"<<",
        b"/",
        b"0",
        "\u{e4}".as_bytes(),
    ];
    let text = String::from_utf8_lossy(&random.text(pieces, 40)).into_owned();
    let semicolon = random.of(&[Semicolon::Separates, Semicolon::Comments]);
    let result = match random.below(3) {
        0 => optimise(&text, semicolon),
        1 => assemble(&text, semicolon, 0, &|_| None),
        _ => assemble(&text, semicolon, usize::MAX - 99, &|_| Some(7)),
    };
    match result {
        Ok(assembled) => {
            let listed: usize = assembled.listing.iter().map(|line| line.size).sum();
            assert_eq!(listed, assembled.bytes.len(), "{text:?}");
        }
        Err(mistake) => {
            let line = text.lines().nth(mistake.line).unwrap_or_else(|| panic!("{text:?}: {mistake:?}"));
            assert!(mistake.column <= line.len() && !mistake.message.is_empty(), "{text:?}: {mistake:?}");
        }
    }
}

/// The parser and every pass of `bf`, on text that is hardly a program.
fn brackets(random: &mut Random) {
    use barejit::front::bf::{Cells, Eof, Options, Passes, compile};
    let source = random.text(&[b"[", b"]", b"[-]", b"[->+<]", b"+", b">", b"<", b",", b".", b"\n"], 60);
    let options = Options {
        cells: random.of(&[Cells::Eight, Cells::Sixteen, Cells::ThirtyTwo]),
        eof: random.of(&[Eof::Unchanged, Eof::Zero, Eof::MinusOne]),
        passes: random.of(&[Passes::BASELINE, Passes::CHEAP, Passes::FULL]),
        tape: random.of(&[4096, 1 << 20, 1 << 40]),
        avx2: random.below(2) == 0,
        lines: random.below(2) == 0,
        explain: random.below(2) == 0,
    };
    let mut depth = 0i32;
    let balanced = source.iter().all(|byte| {
        depth += i32::from(*byte == b'[') - i32::from(*byte == b']');
        depth >= 0
    });
    match compile(&source, &options, &mut |_, _| ()) {
        Ok(program) => {
            assert!(balanced && depth == 0, "{source:?}");
            assert!(!program.code().bytes().is_empty());
        }
        Err(_) => assert!(!balanced || depth != 0, "{source:?}"),
    }
}

/// One step of a random function.
#[derive(Clone, Copy, Debug)]
enum Step {
    Move(i64),
    Add,
    Jump(usize),
    JumpIf(Cond, usize),
    Short(usize),
    Call(usize),
    Address(usize),
    Bind(usize),
    Nop(u8),
    Align(usize),
}

/// Runs the steps and gives the offsets at which branches end.
fn assemble(a: &mut Asm<'_>, steps: &[Step], labels: usize) -> Vec<Label> {
    let labels: Vec<Label> = (0..labels).map(|_| a.label()).collect();
    for step in steps {
        match *step {
            Step::Move(value) => {
                a.mov_ri(RAX, value);
            }
            Step::Add => {
                a.add_rr(RBX, R9);
            }
            Step::Jump(label) => {
                a.jmp(labels[label]);
            }
            Step::JumpIf(cond, label) => {
                a.jcc(cond, labels[label]);
            }
            Step::Short(label) => {
                a.jmp_short(labels[label]);
            }
            Step::Call(label) => {
                a.call(labels[label]);
            }
            Step::Address(label) => {
                a.lea(RAX, Mem::label(labels[label]));
            }
            Step::Bind(label) => {
                a.bind(labels[label]);
            }
            Step::Nop(size) => {
                a.nop(size);
            }
            Step::Align(to) => {
                a.align_code(to);
            }
        }
    }
    a.mov_ri(EAX, 1).ret();
    labels
}

/// Labels and fixups: every branch must lead where its label is, by the word of
/// an independent decoder, and a slice that is too short must be an error.
fn assembler(random: &mut Random) {
    const LABELS: usize = 6;
    let mut steps = Vec::new();
    for _ in 0..random.below(120) {
        let label = random.below(LABELS);
        steps.push(match random.below(9) {
            0 => Step::Move(random.next() as i64 >> random.below(64)),
            1 => Step::Jump(label),
            2 => Step::JumpIf(random.of(&Cond::ALL), label),
            3 if random.below(8) == 0 => Step::Short(label),
            4 => Step::Call(label),
            5 => Step::Address(label),
            6 => Step::Nop(1 + random.below(9) as u8),
            7 if random.below(4) == 0 => Step::Align(1 << random.below(6)),
            _ => Step::Add,
        });
    }
    for label in 0..LABELS {
        steps.insert(random.below(steps.len() + 1), Step::Bind(label));
    }
    let mut measure = Asm::new(&mut [], Tables::none());
    assemble(&mut measure, &steps, LABELS);
    let needs = measure.needs();
    let run = |needs: Needs| {
        let (mut bytes, mut slots) = (vec![0; needs.bytes], vec![Slot::EMPTY; needs.slots]);
        let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
        let labels = assemble(&mut a, &steps, LABELS);
        let places: Vec<Option<u32>> = labels.iter().map(|label| a.bound(*label)).collect();
        a.finish().map(|code| (code.bytes().to_vec(), places))
    };
    match run(needs) {
        Ok((bytes, places)) => branches_lead_to(&bytes, &places, &steps),
        Err(Error::OutOfReach(_)) => {
            assert!(steps.iter().any(|step| matches!(step, Step::Short(_))), "{steps:?}");
        }
        Err(error) => panic!("{error:?} from {steps:?}"),
    }
    // Less room is an error that says how much is needed, or was not needed.
    let less = Needs { bytes: random.below(needs.bytes), slots: random.below(needs.slots + 1), ..needs };
    if let Err(Error::Full(more)) = run(less) {
        assert!(more.bytes <= needs.bytes && more.slots <= needs.slots, "{more:?} of {needs:?}");
    }
}

fn branches_lead_to(bytes: &[u8], places: &[Option<u32>], steps: &[Step]) {
    use iced_x86::{Decoder, DecoderOptions};
    let expected: Vec<u64> = steps
        .iter()
        .filter_map(|step| match *step {
            Step::Jump(label)
            | Step::JumpIf(_, label)
            | Step::Short(label)
            | Step::Call(label)
            | Step::Address(label) => Some(u64::from(places[label].expect("bound"))),
            _ => None,
        })
        .collect();
    let mut decoder = Decoder::with_ip(64, bytes, 0, DecoderOptions::NONE);
    let mut actual = Vec::new();
    let mut decoded = 0;
    while decoder.can_decode() {
        let inst = decoder.decode();
        assert!(!inst.is_invalid(), "at {decoded:#x} of {bytes:02X?}");
        decoded += inst.len();
        if inst.near_branch_target() != 0 || matches!(inst.op0_kind(), iced_x86::OpKind::NearBranch64) {
            actual.push(inst.near_branch_target());
        } else if inst.is_ip_rel_memory_operand() {
            actual.push(inst.ip_rel_memory_address());
        }
    }
    assert_eq!((actual, decoded), (expected, bytes.len()), "{steps:?}");
}

/// Bytes that are no code, run as if they were.
fn machine_code(random: &mut Random) {
    let bytes: Vec<u8> = (0..1 + random.below(64)).map(|_| random.next() as u8).collect();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut command = command(&["run", "--sandbox", &hex]);
    // Code that never ends is ended, and no fault of ours.
    regime::limit(&mut command, libc::RLIMIT_CPU, 1);
    let run = finish(command);
    let caught = run.status == 3 && run.stderr.lines().count() == 1 && run.stdout.is_empty();
    let returned = run.status == 0 && run.stderr.is_empty();
    assert!(caught || returned || run.status == -libc::SIGKILL, "{hex}: {run:?}");
}

/// Arguments that make no sense, or some.
fn arguments(random: &mut Random) {
    const COMMANDS: [&str; 8] = ["hello", "ret", "call", "run", "bf", "chain", "rpn", "probe"];
    const WORDS: &str = "-e [->+<]. ,. +[<+] +2 *3 /0 n (1) -5 0x10 c3 0f0b 1,2 64 99999999999999999999 \
        --map wx dual none inplace --layout words --verbose --help -h --version -- - --panic \
        --as-documented --sandbox --listing --raw - --gdb --start --terms --last --precision --cells --eof \
        zero --tape --opt --stats --list --strategy text --summary --jsn --mpa --=x -- --map=wx --map= -ex \
        \u{7F}\u{FFFD}";
    const WORDY: [&str; 3] = ["--verbose", "--stats", "--list"];
    let mut words: Vec<&str> = Vec::new();
    if random.below(8) != 0 {
        words.push(random.of(&COMMANDS));
    }
    let choices: Vec<&str> = WORDS.split(' ').chain([""]).collect();
    words.extend((0..random.below(7)).map(|_| random.of(&choices)));
    if words.first() == Some(&"probe") && words.len() < 2 {
        // A whole probe takes seconds, and this target is about arguments.
        words.push("--list");
    }
    // `--raw` leaves files of any name.
    let directory = scratch("arguments");
    std::fs::create_dir(&directory).expect("made");
    let mut command = command(&words);
    command.current_dir(&directory);
    let run = finish(command);
    std::fs::remove_dir_all(directory).expect("was there");
    let returned = words.contains(&"ret") && run.stderr.is_empty();
    let wordy = words.iter().any(|word| WORDY.contains(word));
    let documented = match run.status {
        0 => run.stderr.is_empty() || wordy,
        1..=4 => run.stderr.lines().count() == 1 || wordy || run.status == 4,
        // The status of a command that probe could not start, as a shell has it.
        126 | 127 => words.first() == Some(&"probe") && run.stderr.lines().count() == 1,
        _ => false,
    };
    assert!(documented || returned, "{words:?}: {run:?}");
}
