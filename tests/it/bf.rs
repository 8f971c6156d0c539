//! Brainfuck: compiled programs against a plain interpreter, in this process.
//!
//! `BF_PROGRAMS` says how many random programs to try, `BF_SEED` where to start. With
//! `BF_SAMPLE` each is compiled by all passes and by one more of [`PASSES`], not by each of
//! them: four times as many programs in the same time.

mod generator;
mod interpreter;
mod machine;
mod passes;

use crate::random::Random;
use crate::support::{command, feed, finish, run, scratch, tool};
use barejit::front::bf::{self, Cells, Eof, Options, Passes, Runner, SourceMap};
use barejit_asm::Source;
use interpreter::{End, Outcome, interpret};
use machine::Machine;

/// Cells on the tape: few, so that programs find its ends, and a whole number of
/// pages at every width.
pub(crate) const TAPE: usize = 4096;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Runs the program by each choice of passes; false if it does not end.
fn check(machine: &mut Machine, program: &[u8], input: &[u8], options: &Options) -> bool {
    check_passes(machine, program, input, options, &PASSES).is_some()
}

/// How the program ends, by each of the `choices`; `None` if it does not.
fn check_passes(
    machine: &mut Machine,
    program: &[u8],
    input: &[u8],
    options: &Options,
    choices: &[(Passes, bool)],
) -> Option<End> {
    let expected = interpret(program, input, options);
    if expected.end == End::Endless {
        return None;
    }
    for &(passes, avx2) in choices {
        let options = Options { passes, avx2, ..*options };
        let actual = machine.run(program, input, &options);
        assert!(
            actual == expected,
            "program: {}\ninput: {input:?}\noptions: {options:?}\nexpected: {expected:?}\nactual: {actual:?}",
            String::from_utf8_lossy(program)
        );
    }
    Some(expected.end)
}

/// The baseline tier; deferred motion, which the other passes build on, and each of them
/// alone with it; all of them without one; all of them, without AVX2 and with it.
const PASSES: [(Passes, bool); 13] = {
    let motion = Passes { motion: true, ..Passes::BASELINE };
    [
        (Passes::BASELINE, false),
        (motion, false),
        (Passes { idioms: true, ..motion }, false),
        (Passes { propagation: true, ..motion }, false),
        (Passes { unrolling: true, ..motion }, false),
        (Passes { registers: true, ..motion }, false),
        (Passes { layout: true, ..motion }, true),
        (Passes::CHEAP, false),
        (Passes { unrolling: false, ..Passes::FULL }, true),
        (Passes { registers: false, ..Passes::FULL }, true),
        (Passes { layout: false, ..Passes::FULL }, true),
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
    let sample = std::env::var_os("BF_SAMPLE").is_some();
    let (mut tried, mut outside, mut ended) = (0, 0, 0);
    while tried < wanted {
        let (program, input) = source.program();
        let options = options(source.of(&CELLS), source.of(&EOFS));
        let sampled = [PASSES[source.below(PASSES.len())], PASSES[PASSES.len() - 1]];
        let choices = if sample { &sampled[..] } else { &PASSES };
        let end = check_passes(&mut machine, &program, &input, &options, choices);
        ended += u64::from(end.is_some());
        outside += u64::from(matches!(end, Some(End::Outside { .. })));
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

/// Programs by what they try, for every width, end of input and pass.
fn known_programs() -> Vec<(&'static str, String)> {
    let right = |command: &str| ">".repeat(TAPE) + command;
    vec![
        ("the empty program", "".into()),
        ("output", "+.".into()),
        ("addition left of the tape", "<+".into()),
        ("loop test left of the tape", "<[]".into()),
        ("input left of the tape", "<,".into()),
        ("output left of the tape", "<.".into()),
        ("motion left of the tape and back", "<>+.".into()),
        ("output, then addition left of the tape", "+.<-".into()),
        ("scan that leaves the tape at once", "+[<]".into()),
        ("dead loops, and one left of the tape", "[,]+[-][.]<[]".into()),
        (
            "loops in more than 256 others, over a cell each",
            format!("+{}.[-]{}+.", "[>+".repeat(300), "<-]".repeat(300)),
        ),
        (
            "loops in more than 256 others, over two cells",
            format!("+{}[-]>[-]<{}+.", "[>+[<+".repeat(150), ">]<]".repeat(150)),
        ),
        ("unbalanced loop to the right end", "+[>+]".into()),
        ("unbalanced loop to the left end", "+[<+]".into()),
        ("unbalanced loop with a stride", "+[>>>+]".into()),
        ("loop that does not run would leave the tape", "[<+>]+.".into()),
        ("multiply-add left of the tape", "+[-<+>]".into()),
        ("two multiply-adds", "+++[->++>+++<<]>.>.".into()),
        ("copying input to output", ",[.,]".into()),
        ("nested loops with a product", ",[->+++[->+++++[->+>+<<]<]<]>>>.>.".into()),
        ("nested counting loops", "++++[>++++[>++++<-]<-]>>.".into()),
        ("unbalanced loop with input and output", "+[>,.]".into()),
        (
            "unrolled loop that adds to what the last iteration set",
            ">>>>>>++>>+>>+++>>+>>++>>+>>+[<[-]+++>>+>[-<+>]<<<<]>.>.>.>.>.>.>.>.".into(),
        ),
        ("cell that is not zero before the loop that leaves it zero", ">+++++<++[>.[-]<-]>.".into()),
        (
            "two cells with one bit in the set of zeros",
            format!("++[{}+.{}[-]<-]", ">".repeat(65), "<".repeat(64)),
        ),
        ("loop-invariant zero beside one that is not", "+>>+++[<<[->+<]>[-<+>]>-]<<.>.".into()),
        (
            "cell that is cleared now and then, deeper than the analysis looks",
            format!(",{}>+.>[<[-]>[-]]<<-{}>.", "[".repeat(300), "]".repeat(300)),
        ),
        ("copy back", ",[->+>+<<]>[-<+>]<.>.>.".into()),
        ("copy back from the second copy", ",[->+>+<<]>>[-<<+>>]<<.>.>.".into()),
        ("copy back to a cell that was set", ",[->+>+<<]+>[-<+>]<.>.>.".into()),
        ("copy back of a copy that was changed", ",[->+>+<<]>+[-<+>]<.>.>.".into()),
        ("copy back of a multiple", ",[->+>++<<]>>[-<<+>>]<<.>.>.".into()),
        ("copy back after input", ",[->+<],>[-<+>]<.>.".into()),
        ("copy back of an odd multiple", ",[->+++++<]>[-<+>]<.>.".into()),
        ("copy back whose multiple is zero in 8 bits", format!(",[->{0}<]>[-<{0}>]<.>.", "+".repeat(16))),
        ("copy back by subtraction", ",[->+++<]>[-<--->]<.[.>+<-]>.".into()),
        ("copy back through another cell", ",>,<[->>+++<<]>>[-<<+++++>>]<<[->+++>+<<]>.>.".into()),
        ("copy back to an operand", ",>+++<[->+<]>[-<+>]<.>.".into()),
        (
            "copy back with colliding cells in the table of stores",
            format!(",[->+<]+++{}+{}[-]>[-<+>]<.>.", ">".repeat(32), "<".repeat(32)),
        ),
        ("runs of output", ",[..>...<-]>..<<..".into()),
        ("run of output longer than an operation takes", format!("+{}", ".".repeat(40_000))),
        ("motion beyond the right end", right("")),
        ("addition right of the tape", right("+")),
        ("unbalanced loop from the last cell", right("<+[>+]")),
    ]
}

#[test]
fn known_programs_do_what_an_interpreter_does() {
    let mut machine = Machine::new();
    for (name, program) in known_programs() {
        for cells in CELLS {
            for eof in EOFS {
                for input in [&b""[..], b"\0", b"a", b"\x05\x00\xffz"] {
                    println!("{name}");
                    check(&mut machine, program.as_bytes(), input, &options(cells, eof));
                }
            }
        }
    }
}

#[test]
fn a_distance_beyond_the_limit_leads_to_baseline_code_without_registers() {
    // One cell is farther from the data pointer than an operation can say; so the
    // optimising tier gives way to the baseline tier as a whole.
    let far = (1 << 27) + 1;
    let source = scratch("far");
    std::fs::write(&source, ">".repeat(far) + "+.>.>,.<.").expect("written");
    let mut command = command(&["bf", "--tape", &(far + 4096).to_string()]);
    command.arg(&source);
    let run = feed(command, b"Q");
    std::fs::remove_file(&source).expect("was there");
    assert_eq!((run.stdout.as_slice(), run.status), (&b"\x01\0Q\0"[..], 0), "{}", run.stderr);
}

#[test]
fn a_scan_ends_at_the_first_zero_cell_or_the_end_of_the_tape() {
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
fn an_access_beyond_a_guard_is_checked_first() {
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
fn a_cold_path_that_ends_beyond_the_tape_deoptimises() {
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
fn recorded_programs_print_their_recorded_output() {
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
fn a_mark_at_the_code_of_another_describes_its_own_commands() {
    // The addition is the bounds check of the region behind the scan, so both begin with one
    // instruction.
    let (source, name) = ("+[>]<<+++.", "program");
    let options = Options { explain: true, ..options(Cells::Eight, Eof::Unchanged) };
    let runner = Runner::new(source.as_bytes(), &options, &mut |_, _| {}).expect("it compiles");
    let map = SourceMap::new(runner.program(), source.as_bytes(), name);
    let code = runner.program().code();
    let addition = *code.marks().iter().find(|mark| mark.source == 6).expect("a mark of the addition");
    let together = code.marks().iter().filter(|mark| mark.code == addition.code).count();
    let described = std::fmt::from_fn(|f| map.describe(addition, f)).to_string();
    assert_eq!((together, described.as_str()), (2, "1:7 +++"));
}

/// A machine whose calls return a status that generated code does not know.
struct Foreign;

impl bf::Machine for Foreign {
    fn tape(&self) -> u64 {
        0
    }

    fn call(&mut self, _: &bf::Program, pointer: u64) -> bf::Called {
        bf::Called::Returned { status: 7, pointer }
    }
}

#[test]
fn an_unknown_status_is_no_deoptimisation() {
    // The code has a deopt point of number 0, which such a status could be taken for.
    let source = format!(",[{}.]", ">".repeat(300_000));
    let options = options(Cells::ThirtyTwo, Eof::Unchanged);
    let mut runner = Runner::new(source.as_bytes(), &options, &mut |_, _| {}).expect("it compiles");
    assert_eq!(runner.run(&mut Foreign).expect("it compiles"), bf::End::Otherwise);
}

/// The pieces of source that the marks of the program's code describe, in the order of the code.
fn described(source: &str) -> Vec<String> {
    let options = Options { explain: true, ..options(Cells::Eight, Eof::Unchanged) };
    let runner = Runner::new(source.as_bytes(), &options, &mut |_, _| {}).expect("it compiles");
    let map = SourceMap::new(runner.program(), source.as_bytes(), "program");
    let code = runner.program().code();
    code.marks().iter().map(|mark| std::fmt::from_fn(|f| map.describe(*mark, f)).to_string()).collect()
}

#[test]
fn a_mark_describes_the_commands_up_to_those_of_the_next_code() {
    // The code of the inner loop's body stands behind that of the outer loop, whose last
    // command is described alone: the code of earlier commands comes next.
    let main = ["1:1 ,", "1:2 [", "1:3 .>", "1:3 .>", "1:5 ,", "1:6 [[-]>[-]]", "1:15 >", "1:16 ,", "1:17 ]"];
    let behind = ["1:7 [-]>", "1:7 [-]>", "1:11 [-]", "1:14 ]>,]", "1:18 +", "1:19 ."];
    assert_eq!(described(",[.>,[[-]>[-]]>,]+."), [&main[..], &behind].concat());
}

#[test]
fn a_mark_of_code_behind_the_program_describes_the_loop_of_its_check() {
    // The last code is that of the predicated check of the cell left of the counter.
    assert_eq!(described("+[>],[-<+>]"), ["1:1 +[>", "1:4 ]", "1:5 ,[", "1:7 -<+>]", "1:7 -<+>]"]);
}

#[test]
fn a_huge_program_gets_the_cheap_passes_only() {
    // Each loop goes on to the next cell if there is a byte in its own, which there is not. Four
    // operations, three around them.
    let source = |loops: usize| ">+[->]<".repeat(loops) + "+++.";
    let passes = |loops: usize| {
        let (mut names, mut operations) = (Vec::new(), 0);
        let source = source(loops);
        let options = options(Cells::Eight, Eof::Zero);
        let runner = Runner::new(source.as_bytes(), &options, &mut |name, ir| {
            if names.is_empty() {
                operations = ir.operations();
            }
            names.push(name);
        });
        drop(runner.expect("it compiles"));
        (operations, names)
    };
    let (cheap, full) = (passes(262_144), passes(262_143));
    assert_eq!((full.0, cheap.0), (1_048_574, 1_048_578));
    assert_eq!(cheap.1, ["parse", "bounds-check hoisting", "loop idiom recognition"]);
    assert_eq!(full.1[..3], cheap.1);
    assert!(full.1.contains(&"loop unrolling") && full.1.contains(&"register promotion"), "{full:?}");
    let path = scratch("huge");
    std::fs::write(&path, source(262_144)).expect("written");
    let run = finish({
        let mut command = command(&["bf"]);
        command.arg(&path);
        command
    });
    std::fs::remove_file(&path).expect("was there");
    assert_eq!((run.stdout.as_slice(), run.status), (&b"\x03"[..], 0), "{}", run.stderr);
}

#[test]
fn code_is_the_same_with_a_record_of_it() {
    // A jump back goes to a label or to an offset, and a record takes the slow way.
    let source = std::fs::read("benches/bf/primes.b").expect("it is there");
    for cells in [Cells::Eight, Cells::Sixteen, Cells::ThirtyTwo] {
        let code = |explain| {
            let options = Options { explain, ..options(cells, Eof::Zero) };
            let runner = Runner::new(&source, &options, &mut |_, _| {}).expect("it compiles");
            runner.program().code().bytes().to_vec()
        };
        assert!(code(true) == code(false));
    }
}

#[test]
fn of_too_many_scans_those_behind_the_first_65536_are_plain_loops() {
    let scans = |count: usize| format!(",[{}[-]]", ">+[>]<[-]<".repeat(count));
    let bytes = |count: usize| {
        let (source, options) = (scans(count), options(Cells::Eight, Eof::Zero));
        let runner = Runner::new(source.as_bytes(), &options, &mut |_, _| {}).expect("it compiles");
        runner.program().code().bytes().len()
    };
    assert!(bytes(70_000) - bytes(69_000) < (bytes(2_000) - bytes(1_000)) * 3 / 4);
    // The last scan is long enough for vectors.
    let found = scans(70_000) + &">+".repeat(100) + "[<]>++.";
    let left = scans(70_000) + "+[<]";
    for (program, output, status) in [(found, "\x03", 0), (left, "", 3)] {
        let source = scratch("scans");
        std::fs::write(&source, program).expect("written");
        let outcome = |level: &str| {
            let mut command = command(&["bf", "--opt", level]);
            command.arg(&source);
            let run = finish(command);
            (run.stdout, run.stderr, run.status)
        };
        let (plain, all) = (outcome("0"), outcome("2"));
        std::fs::remove_file(&source).expect("was there");
        assert_eq!((&all.0[..], all.2), (output.as_bytes(), status), "{}", all.1);
        assert_eq!(all, plain);
    }
}

#[test]
fn stats_leave_out_the_time_if_a_sandbox_hides_the_clock() {
    let run = run(&["bf", "--stats", "--sandbox", "-e", "+"]);
    assert!(
        run.status == 0 && run.stderr.contains("bf: emit: ") && !run.stderr.contains("bf: run: "),
        "{run:?}"
    );
}

#[test]
fn the_input_can_follow_the_program_on_standard_input() {
    feed(command(&["bf", "-"]), b"[!],.,.!ok").expect("ok", "", 0);
    feed(command(&["bf", "-", "--eof", "minus-one", "--cells", "16"]), b",+[-.,+]!yes").expect("yes", "", 0);
}

#[test]
fn an_unmatched_bracket_is_reported_with_its_position() {
    run(&["bf", "-e", "+[\n[-]"]).expect("", "barejit: bf: -e:1:2: unclosed '['\n", 2);
    run(&["bf", "-e", "+.\n +]."]).expect("", "barejit: bf: -e:2:3: unexpected ']'\n", 2);
}

#[test]
fn an_access_outside_the_tape_is_reported_with_its_command() {
    for level in ["0", "1", "2"] {
        let left = "++++++++[>++++++++<-]>+.\n<<-";
        let said = "barejit: bf: -e:2:3: '-' touches cell -1, left of the tape\n";
        run(&["bf", "--opt", level, "-e", left]).expect("A", said, 3);
        let right = "+[>+]";
        let said = "barejit: bf: -e:1:4: '+' touches cell 4096, right of the tape\n";
        run(&["bf", "--opt", level, "--tape", "1", "-e", right]).expect("", said, 3);
    }
}

impl Outcome {
    const EMPTY: Self = Self { output: Vec::new(), end: End::Done };
}
