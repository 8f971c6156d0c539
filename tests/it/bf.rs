//! Brainfuck: compiled programs against a plain interpreter, in this process.
//!
//! `BF_PROGRAMS` says how many random programs to try, `BF_SEED` where to start.

mod generator;
mod interpreter;
mod machine;

use crate::random::Random;
use crate::support::{command, feed, finish, run, scratch, tool};
use barejit::front::bf::{Cells, Eof, Options, Passes};
use interpreter::{End, Outcome, interpret};
use machine::Machine;

/// Cells on the tape: few, so that programs find its ends, and a whole number of
/// pages at every width.
pub(crate) const TAPE: usize = 4096;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn check(machine: &mut Machine, program: &[u8], input: &[u8], options: &Options) -> bool {
    let expected = interpret(program, input, options);
    if expected.end == End::Endless {
        return false;
    }
    for (passes, avx2) in PASSES {
        let options = Options { passes, avx2, ..*options };
        let actual = machine.run(program, input, &options);
        assert!(
            actual == expected,
            "program: {}\ninput: {input:?}\noptions: {options:?}\nexpected: {expected:?}\nactual: {actual:?}",
            String::from_utf8_lossy(program)
        );
    }
    true
}

/// No pass, the first one, which the others build on, each of them alone, then all
/// of them together but for one that they can do without, without AVX2 and with it.
const PASSES: [(Passes, bool); 13] = {
    let motion = Passes { motion: true, ..Passes::PLAIN };
    [
        (Passes::PLAIN, false),
        (motion, false),
        (Passes { idioms: true, ..motion }, false),
        (Passes { values: true, ..motion }, false),
        (Passes { unrolling: true, ..motion }, false),
        (Passes { registers: true, ..motion }, false),
        (Passes { placement: true, ..motion }, true),
        (Passes::CHEAP, false),
        (Passes { unrolling: false, ..Passes::FULL }, true),
        (Passes { registers: false, ..Passes::FULL }, true),
        (Passes { placement: false, ..Passes::FULL }, true),
        (Passes::FULL, false),
        (Passes::FULL, true),
    ]
};

const CELLS: [Cells; 3] = [Cells::Eight, Cells::Sixteen, Cells::ThirtyTwo];
const EOFS: [Eof; 3] = [Eof::Unchanged, Eof::Zero, Eof::MinusOne];

fn options(cells: Cells, eof: Eof) -> Options {
    Options { cells, eof, passes: Passes::FULL, tape: TAPE as u64, avx2: false, lines: false, explain: false }
}

/// One random program, for fuzzing.
pub(crate) fn try_one(seed: u64) {
    let mut source = Random(seed);
    let (program, input) = source.program();
    check(&mut Machine::new(), &program, &input, &options(source.of(&CELLS), source.of(&EOFS)));
}

#[test]
fn random_programs_do_what_an_interpreter_does() {
    let mut machine = Machine::new();
    let mut source = Random(variable("BF_SEED", 1));
    // `make test` comes here twice, and without optimisation it takes its time.
    let wanted = variable("BF_PROGRAMS", if cfg!(debug_assertions) { 1_000 } else { 20_000 });
    let (mut tried, mut outside, mut ended) = (0, 0, 0);
    while tried < wanted {
        let (program, input) = source.program();
        let options = options(source.of(&CELLS), source.of(&EOFS));
        ended += check(&mut machine, &program, &input, &options) as u64;
        outside += matches!(interpret(&program, &input, &options).end, End::Outside { .. }) as u64;
        tried += 1;
    }
    println!("{tried} programs, {ended} ended, {outside} of them outside the tape");
    assert!(ended * 2 > tried, "most programs must end to prove anything");
}

#[test]
fn random_programs_do_the_same_on_an_emulated_processor() {
    let programs = if cfg!(debug_assertions) { "200" } else { "2000" };
    let mut qemu = tool("qemu-x86_64", "qemu-user");
    qemu.args(["-cpu", "max"]).arg(std::env::current_exe().expect("it has a path"));
    qemu.args(["--exact", "bf::random_programs_do_what_an_interpreter_does", "--nocapture"]);
    qemu.env("BF_PROGRAMS", programs).env("BF_SEED", "2");
    let run = finish(qemu);
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status == 0 && said.contains(&format!("{programs} programs, ")), "{said}\n{}", run.stderr);
}

#[test]
fn known_programs_do_what_an_interpreter_does() {
    let mut machine = Machine::new();
    let right = |command: &str| ">".repeat(TAPE) + command;
    let programs = [
        "".into(),
        "+.".into(),
        "<+".into(),
        "<[]".into(),
        "<,".into(),
        "<.".into(),
        "<>+.".into(),
        "+.<-".into(),
        "+[<]".into(),
        "+[>+]".into(),
        "+[<+]".into(),
        "+[>>>+]".into(),
        "[<+>]+.".into(),
        "+[-<+>]".into(),
        "+++[->++>+++<<]>.>.".into(),
        ",[.,]".into(),
        ",[->+++[->+++++[->+>+<<]<]<]>>>.>.".into(),
        "++++[>++++[>++++<-]<-]>>.".into(),
        "+[>,.]".into(),
        // What one round sets to 3 the next adds to.
        ">>>>>>++>>+>>+++>>+>>++>>+>>+[<[-]+++>>+>[-<+>]<<<<]>.>.>.>.>.>.>.>.".into(),
        // What a loop leaves zero may be anything before, or another cell.
        ">+++++<++[>.[-]<-]>.".into(),
        format!("++[{}+.{}[-]<-]", ">".repeat(65), "<".repeat(64)),
        "+>>+++[<<[->+<]>[-<+>]>-]<<.>.".into(),
        // Nor may it be cleared only now and then, however deep.
        format!(",{}>+.>[<[-]>[-]]<<-{}>.", "[".repeat(300), "]".repeat(300)),
        // Copied, cleared and brought back, or not quite.
        ",[->+>+<<]>[-<+>]<.>.>.".into(),
        ",[->+>+<<]>>[-<<+>>]<<.>.>.".into(),
        ",[->+>+<<]+>[-<+>]<.>.>.".into(),
        ",[->+>+<<]>+[-<+>]<.>.>.".into(),
        ",[->+>++<<]>>[-<<+>>]<<.>.>.".into(),
        ",[->+<],>[-<+>]<.>.".into(),
        ",[->+++++<]>[-<+>]<.>.".into(),
        format!(",[->{0}<]>[-<{0}>]<.>.", "+".repeat(16)),
        ",[->+++<]>[-<--->]<.[.>+<-]>.".into(),
        ",>,<[->>+++<<]>>[-<<+++++>>]<<[->+++>+<<]>.>.".into(),
        ",>+++<[->+<]>[-<+>]<.>.".into(),
        format!(",[->+<]+++{}+{}[-]>[-<+>]<.>.", ">".repeat(32), "<".repeat(32)),
        // Runs of output, one longer than an operation takes.
        ",[..>...<-]>..<<..".into(),
        format!("+{}", ".".repeat(40_000)),
        right(""),
        right("+"),
        right("<+[>+]"),
    ];
    for program in programs {
        for cells in CELLS {
            for eof in EOFS {
                for input in [&b""[..], b"\0", b"a", b"\x05\x00\xffz"] {
                    check(&mut machine, program.as_bytes(), input, &options(cells, eof));
                }
            }
        }
    }
}

#[test]
fn scans_stop_where_they_should() {
    let mut machine = Machine::new();
    for length in [0, 1, 7, 8, 9, 10, 31, 32, 33, 40, 64, 65, 100, 130] {
        for stride in [1, 2, 3, 4, 8, 9, 16, 32, 33] {
            // A row of cells that are not zero, then to either end of it.
            let right = ">".repeat(stride);
            let left = "<".repeat(stride);
            let row = format!("+{right}").repeat(length);
            let inside = format!(">>>{right}{row}{left}[{left}]{right}[{right}]+.{left}[{left}].");
            let beyond_left = format!(">{row}{left}[{left}]");
            let size = (length * stride).min(TAPE);
            let start = ">".repeat(TAPE - size);
            let beyond_right = format!("{start}{row}{}[{right}]", "<".repeat(size.saturating_sub(1)));
            for program in [inside, beyond_left, beyond_right] {
                for cells in CELLS {
                    check(&mut machine, program.as_bytes(), b"", &options(cells, Eof::Unchanged));
                }
            }
        }
    }
}

#[test]
fn no_guard_can_be_jumped_over() {
    let mut machine = Machine::new();
    let (there, back) = (">".repeat(1_200_000), "<".repeat(1_200_000));
    let programs = [
        there.clone() + ".",
        back.clone() + ".",
        format!("+.[{there}+]"),
        format!("+.[{back}]"),
        format!(">+{there}{back}.>-<<+[{back}[-]{there}]"),
    ];
    for program in programs {
        for cells in [Cells::Eight, Cells::ThirtyTwo] {
            check(&mut machine, program.as_bytes(), b"", &options(cells, Eof::Unchanged));
        }
    }
}

#[test]
fn what_stands_aside_may_end_beyond_the_tape() {
    let mut machine = Machine::new();
    let go = |cells: i32| (if cells < 0 { "<" } else { ">" }).repeat(cells.unsigned_abs() as usize);
    for start in [0, 1, 2, 3, 5, 8].into_iter().flat_map(|cells| [cells, TAPE as i32 - 1 - cells]) {
        for (held, moved, used) in (0..7 * 9 * 7).map(|n| (n % 7 - 3, n / 7 % 9 - 4, n / 63 - 3)) {
            // A loop changes a cell, may move elsewhere, and changes one again.
            let program = format!(
                "{},[{}+{}>,[[-]{}[-]]{}+{},]",
                go(start),
                go(held),
                go(-held),
                go(moved),
                go(used),
                go(-used)
            );
            check(
                &mut machine,
                program.as_bytes(),
                b"\x01\0\x01\x01\x01\0\x01\x01\0",
                &options(Cells::Eight, Eof::Zero),
            );
        }
    }
}

#[test]
fn programs_print_what_they_should() {
    let programs = [
        (&include_bytes!("../bf/triangle.b")[..], &b""[..], &include_bytes!("../bf/triangle.out")[..]),
        (include_bytes!("../bf/there-and-back.b"), b"", include_bytes!("../bf/there-and-back.out")),
        (
            include_bytes!("../bf/upper.b"),
            include_bytes!("../bf/upper.in"),
            include_bytes!("../bf/upper.out"),
        ),
    ];
    for (program, input, output) in programs {
        let source = std::str::from_utf8(program).expect("programs are text");
        for level in ["0", "1", "2"] {
            let run = feed(command(&["bf", "--eof", "zero", "--opt", level, "-e", source]), input);
            assert_eq!((run.stdout.as_slice(), run.status), (output, 0), "{source}\n{}", run.stderr);
        }
    }
}

#[test]
fn more_loops_than_are_unrolled_do_the_same() {
    // Each goes on to the next cell if there is a byte in its own, which there is not.
    let source = scratch("loops");
    std::fs::write(&source, ">+[->]<".repeat(70_000) + "+++.").expect("written");
    let run = finish({
        let mut command = command(&["bf", "--stats"]);
        command.arg(&source);
        command
    });
    std::fs::remove_file(&source).expect("was there");
    let counted = |pass: &str| -> usize {
        let (_, rest) = run.stderr.split_once(&format!("{pass}: ")).expect("a pass");
        rest.split(' ').next().expect("a number").parse().expect("a number")
    };
    assert_eq!((run.stdout.as_slice(), run.status), (&b"\x03"[..], 0), "{}", run.stderr);
    // Three rounds more, each of a subtraction and its way out.
    assert_eq!(counted("unrolling") - counted("values"), 65_536 * 3 * 2, "{}", run.stderr);
}

#[test]
fn times_that_a_sandbox_hides_are_not_told() {
    let run = run(&["bf", "--stats", "--sandbox", "-e", "+"]);
    assert!(
        run.status == 0 && run.stderr.contains("bf: emit: ") && !run.stderr.contains("bf: run: "),
        "{run:?}"
    );
}

#[test]
fn the_input_can_follow_the_program() {
    feed(command(&["bf", "-"]), b"[!],.,.!ok").expect("ok", "", 0);
    feed(command(&["bf", "-", "--eof", "minus-one", "--cells", "16"]), b",+[-.,+]!yes").expect("yes", "", 0);
}

#[test]
fn brackets_must_match() {
    run(&["bf", "-e", "+[\n[-]"]).expect("", "barejit: bf: -e:1:2: unclosed '['\n", 2);
    run(&["bf", "-e", "+.\n +]."]).expect("", "barejit: bf: -e:2:3: unexpected ']'\n", 2);
}

#[test]
fn a_cell_that_is_not_there_is_an_error_with_a_place() {
    for level in ["0", "1", "2"] {
        let left = "++++++++[>++++++++<-]>+.\n<<-";
        let said = "barejit: bf: -e:2:3: '-' touches cell -1, left of the tape\n";
        run(&["bf", "--opt", level, "-e", left]).expect("A", said, 3);
        let right = "+[>+]";
        let said = "barejit: bf: -e:1:4: '+' touches cell 4096, right of the tape\n";
        run(&["bf", "--opt", level, "--tape", "1", "-e", right]).expect("", said, 3);
    }
}

/// What happens when a program is run.
impl Outcome {
    const EMPTY: Self = Self { output: Vec::new(), end: End::Done };
}
