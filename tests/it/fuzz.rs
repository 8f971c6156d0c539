//! Random input for everything that reads input, in this process where that is
//! possible. A second of it belongs to every test run; `make fuzz SECONDS=` does
//! more. A failure prints its target and seed; `SEED=` repeats it.

use crate::support::*;
use barejit::{
    asm::{Asm, Cond, EAX, Error, Label, Mem, Needs, R9, RAX, RBX, Slot, Tables},
    front::raw,
};
use std::time::{Duration, Instant};

/// Random numbers, repeatable.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64 (Steele, Lea, Flood, 2014).
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Bytes, each from the `words` three times in four.
    fn text(&mut self, words: &[&[u8]], pieces: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..self.below(pieces) {
            match self.below(4) {
                0 => text.push(self.next() as u8),
                _ => text.extend_from_slice(self.of(words)),
            }
        }
        text
    }
}

/// What is fed: a name and one round.
type Target = (&'static str, fn(&mut Random));

const TARGETS: [Target; 6] = [
    ("hexadecimal", hexadecimal),
    ("assembler", assembler),
    ("brackets", brackets),
    ("brainfuck", |random| crate::bf::try_one(random.next())),
    ("code", machine_code),
    ("arguments", arguments),
];

fn fuzz(time: Duration) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let first = seed.unwrap_or_else(|| clock.map_or(1, |now| now.as_nanos() as u64));
    for (name, target) in TARGETS {
        let (start, mut rounds) = (Instant::now(), 0);
        while start.elapsed() < time / TARGETS.len() as u32 {
            let guard = Blame { target: name, seed: first + rounds };
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
            eprintln!("target {}, SEED={}", self.target, self.seed);
        }
    }
}

#[test]
fn a_second_of_random_input_does_no_harm() {
    fuzz(Duration::from_secs(1));
}

#[test]
#[ignore = "make fuzz SECONDS= says for how long"]
fn fuzz_for_seconds() {
    let seconds = std::env::var("SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    fuzz(Duration::from_secs(seconds.unwrap_or(60)));
}

/// The parser of `run`, against the obvious one.
fn hexadecimal(random: &mut Random) {
    let text = random.text(&[b"0", b"f0", b"C3", b" ", b"\n", b"9"], 40);
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let wrong = text.iter().position(|byte| !byte.is_ascii_whitespace() && !byte.is_ascii_hexdigit());
    let expected = match wrong {
        Some(at) => Err(raw::Error::NotHexadecimal(at)),
        None if digits.len() % 2 == 1 => Err(raw::Error::OddDigits),
        None if digits.is_empty() => Err(raw::Error::Empty),
        None => Ok(digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("two"))
            .collect()),
    };
    assert_eq!(raw::parse(&text), expected, "{:?}", String::from_utf8_lossy(&text));
}

/// The parser and every pass of `bf`, on text that is hardly a program.
fn brackets(random: &mut Random) {
    use barejit::front::bf::{Cells, Draft, Eof, Level, Options};
    let source = random.text(&[b"[", b"]", b"[-]", b"[->+<]", b"+", b">", b"<", b",", b".", b"\n"], 60);
    let options = Options {
        cells: random.of(&[Cells::Eight, Cells::Sixteen, Cells::ThirtyTwo]),
        eof: random.of(&[Eof::Unchanged, Eof::Zero, Eof::MinusOne]),
        level: random.of(&[Level::Plain, Level::Cheap, Level::Full]),
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
    match Draft::parse(&source, &options) {
        Ok(mut draft) => {
            assert!(balanced && depth == 0, "{source:?}");
            draft.optimise(&mut |_| ());
            let program = draft.emit().expect("it is small");
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

/// Arguments that make no sense.
fn arguments(random: &mut Random) {
    const WORDS: [&str; 25] = [
        "hello",
        "bf",
        "-e",
        "[->+<].",
        "ret",
        "call",
        "run",
        "--map",
        "wx",
        "none",
        "inplace",
        "--layout",
        "words",
        "--verbose",
        "--help",
        "--",
        "-",
        "-5",
        "0x10",
        "c3",
        "0f0b",
        "--panic",
        "--as-documented",
        "",
        "\u{7F}\u{FFFD}",
    ];
    let mut words: Vec<&str> = (0..random.below(5)).map(|_| random.of(&WORDS)).collect();
    if random.below(4) != 0 {
        words.insert(0, random.of(&["hello", "ret", "call", "run", "bf"]));
    }
    let run = run(&words);
    let returned = words.first() == Some(&"ret") && run.stderr.is_empty();
    let documented = match run.status {
        0 => run.stderr.is_empty() || words.contains(&"--verbose"),
        1..=3 => run.stderr.lines().count() == 1,
        _ => false,
    };
    assert!(documented || returned, "{words:?}: {run:?}");
}
