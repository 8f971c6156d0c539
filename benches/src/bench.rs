//! barejit next to others: how long it takes to start, to emit, to compute, to print
//! and to probe. What is compared runs in turn and must give the same; a figure is
//! the median.
//!
//! ```text
//! bench                         everything, written to docs/figures
//! bench emission                the assemblers only
//! bench text                    text to instructions and back only
//! bench playing                 the prompt and the stepper only
//! bench relations SEED COUNT    that many random relations of each kind
//! bench bf DIR NAME=COMMAND…    the programs of a folder, by anybody
//! ```
//!
//! `make bench` and `make bench-bf` build the executable first. gcc and clang must be in
//! the path.

mod bf;
mod chart;
mod dispatch;
mod emission;
mod functions;
mod measure;
mod playing;
mod relations;
mod start;
mod text;

use measure::{BAREJIT, Row, Scratch, Shot, medians, run, silent};
use std::process::Command;

/// How long `probe` takes to try everything.
fn probe() -> Row {
    let mut command = silent(BAREJIT, &["probe", "--quiet"]);
    let shot: Shot<'_> = Box::new(move || run(&mut command).wall);
    Row::alone("probe", "every way into executable memory", medians(21, &mut [shot])[0])
}

/// Names the machine and the compilers that are measured.
fn machine() -> String {
    let says = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().expect("runs").stdout;
        String::from_utf8(output).expect("text").lines().next().unwrap_or_default().to_string()
    };
    let processors = std::fs::read_to_string("/proc/cpuinfo").expect("a list of processors");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!(
        "{} × {}, Linux {}, gcc {}, {}, {}, {}",
        std::thread::available_parallelism().map_or(1, usize::from),
        model.map_or("unknown processor", |model| model.1),
        says("uname", &["-r"]),
        says("gcc", &["-dumpfullversion"]),
        format_args!("clang {}", says("clang", &["-dumpversion"])),
        says("rustc", &["--version"]).split(" (").next().unwrap_or_default(),
        says("date", &["-u", "+%F"]),
    )
}

fn everything(scratch: &Scratch) {
    let mut rows = start::rows(scratch);
    rows.extend(emission::rows());
    rows.extend(relations::rows(scratch));
    rows.extend(bf::rows(scratch));
    rows.extend(text::rows(scratch));
    rows.extend(playing::rows(scratch));
    rows.push(probe());
    let page = format!(
        "# barejit next to others\n\n{}\n\n{}\n{}",
        machine(),
        "`make bench` measures this anew. A ratio is barejit's time over the other's: below 1, \
         barejit is faster.\n",
        measure::markdown(&rows),
    );
    print!("{page}");
    std::fs::write("docs/figures/bench.svg", chart::chart(&page)).expect("written");
    std::fs::write("docs/figures/bench.md", page).expect("written");
}

fn main() {
    // Cargo adds a word of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Wherever Cargo starts us, paths are a reader's.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).expect("the repository");
    let scratch = Scratch::new();
    match words[..] {
        [] => everything(&scratch),
        ["emission"] => print!("{}", measure::markdown(&emission::rows())),
        ["text"] => print!("{}", measure::markdown(&text::rows(&scratch))),
        ["playing"] => print!("{}", measure::markdown(&playing::rows(&scratch))),
        ["relations", seed, count] => {
            let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("{word} is no number"));
            let rows = relations::random(number(seed), number(count) as usize, &scratch);
            print!("{}", measure::markdown(&rows));
        }
        ["bf", folder, ref peers @ ..] => bf::side_by_side(folder, peers, &scratch),
        _ => panic!("see the head of benches/src/bench.rs"),
    }
}
