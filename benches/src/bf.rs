//! `barejit bf` next to C, to its own plain translation and to anybody else.
//!
//! Processor time of whole processes, compile included; that of gcc is not counted.

use crate::measure::{BAREJIT, Row, Scratch, medians, try_run};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const ROUNDS: usize = 5;
/// Seconds of processor time after which a program counts as too slow.
const PATIENCE: u64 = 120;

/// A program with what it reads and what it must print.
struct Program {
    source: PathBuf,
    input: Option<PathBuf>,
    output: Option<Vec<u8>>,
}

impl Program {
    /// PROGRAM.b reads PROGRAM.in and prints PROGRAM.out, where there are such files.
    fn new(source: PathBuf) -> Self {
        let input = Some(source.with_extension("in")).filter(|path| path.exists());
        let output = std::fs::read(source.with_extension("out")).ok();
        Self { source, input, output }
    }

    fn all(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let mut sources: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        sources.retain(|path| path.extension().is_some_and(|extension| extension == "b"));
        sources.sort();
        sources.into_iter().map(Self::new).collect()
    }

    fn name(&self) -> String {
        self.source.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The naive translation, one statement a command.
    fn c(&self) -> String {
        let text = std::fs::read_to_string(&self.source).expect("text");
        let body: String = text
            .chars()
            .map(|command| match command {
                '>' => "p++;",
                '<' => "p--;",
                '+' => "++*p;",
                '-' => "--*p;",
                '[' => "while(*p){",
                ']' => "}",
                '.' => "putchar(*p);",
                ',' => "if((c=getchar())!=EOF)*p=c;",
                '\n' => "\n",
                _ => "",
            })
            .collect();
        format!(
            "#include <stdio.h>\nstatic unsigned char tape[1<<22];\n\
             int main(void) {{ unsigned char *p = tape; int c; {body} }}\n"
        )
    }

    /// Processor seconds of each command, which runs the program at its `{}`, or why
    /// there are none. What the first prints, all must print.
    fn times(&self, commands: &[&str], scratch: &Scratch) -> Vec<Result<f64, &'static str>> {
        let path = self.source.to_str().expect("a path in UTF-8");
        let stdin = self.input.as_deref().unwrap_or(Path::new("/dev/null"));
        let command = |words: &str| {
            let mut words = words.split_whitespace().map(|word| word.replace("{}", path));
            let mut command = Command::new(words.next().expect("a command"));
            command.args(words).stderr(Stdio::null());
            command.stdin(File::open(stdin).expect("input"));
            command
        };
        let mut expected = self.output.clone();
        let mut why: Vec<_> = commands
            .iter()
            .map(|words| match scratch.try_run(&mut command(words)) {
                Err(why) => Err(why),
                Ok(run) if run.output == *expected.get_or_insert(run.output.clone()) => Ok(f64::NAN),
                Ok(_) => Err("wrong"),
            })
            .collect();
        let able = commands.iter().zip(&why).filter(|(_, why)| why.is_ok()).map(|(words, _)| *words);
        let shot = |words| -> crate::Shot<'_> {
            Box::new(move || {
                let mut command = command(words);
                try_run(command.stdout(Stdio::null())).map_or(f64::NAN, |run| run.cpu)
            })
        };
        let times = medians(ROUNDS, &mut able.map(shot).collect::<Vec<_>>());
        for (slot, time) in why.iter_mut().filter(|why| why.is_ok()).zip(times) {
            *slot = Ok(time);
        }
        why
    }
}

/// Blocks that count, copy, multiply, clear and print, two million bytes of them.
fn generated(scratch: &Scratch) -> Program {
    let (mut text, mut random) = (String::from(","), 1u64);
    while text.len() < 2_000_000 {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let many = (random >> 40) as usize % 30 + 1;
        match random >> 61 {
            0 | 1 => text += &"+".repeat(many),
            2 => text += &format!(">{}<", "-".repeat(many)),
            3 => text += "[->>+++>+<<<]",
            4 => text += ">>[-<+<+>>]<<",
            5 => text += ">[>+<[-]]<",
            6 => text += ">>>[-]<<<",
            _ => text += ".\n",
        }
    }
    let path = scratch.path().with_extension("b");
    std::fs::write(&path, text).expect("written");
    Program::new(path)
}

/// The programs of this repository.
pub fn rows(scratch: &Scratch) -> Vec<Row> {
    let ours = format!("{BAREJIT} bf {{}}");
    let plain = format!("{BAREJIT} bf --opt 0 {{}}");
    let mut rows = Vec::new();
    let mut compare = |program: Program, what: &str, peers: &[(&str, &str)]| {
        let mut commands = vec![ours.as_str()];
        commands.extend(peers.iter().map(|(_, command)| *command));
        let times = program.times(&commands, scratch);
        let times: Vec<f64> =
            times.into_iter().map(|time| time.unwrap_or_else(|why| panic!("{what}: {why}"))).collect();
        for ((peer, _), time) in peers.iter().zip(&times[1..]) {
            rows.push(Row::times("bf", what, times[0], peer, *time));
        }
    };
    for program in Program::all(Path::new("benches/bf")) {
        let c = scratch.c(&program.c(), &["-O3"]).to_str().expect("a path in UTF-8").to_string();
        let what = format!("`{}.b`", program.name());
        compare(program, &what, &[("gcc -O3", &c), ("itself, --opt 0", &plain)]);
    }
    compare(generated(scratch), "2 MB of generated source", &[("itself, --opt 0", &plain)]);
    rows
}

/// The programs of a folder, by everybody: milliseconds, and the ratio to the first.
pub fn side_by_side(folder: &str, peers: &[&str], scratch: &Scratch) {
    let limit = libc::rlimit { rlim_cur: PATIENCE, rlim_max: PATIENCE };
    // SAFETY: the limit is a whole one; those that are started inherit it.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_CPU, &limit) }, 0);
    let split = |peer: &&str| match peer.split_once('=') {
        Some((name, command)) if command.contains("{}") => (name.to_string(), command.to_string()),
        Some((name, command)) => (name.to_string(), format!("{command} {{}}")),
        None => panic!("{peer}: a peer is NAME=COMMAND"),
    };
    let (names, commands): (Vec<_>, Vec<_>) = peers.iter().map(split).unzip();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let line = |title: &str, cells: Vec<String>| {
        println!("{title:16}{}", cells.iter().map(|cell| format!("{cell:>20}")).collect::<String>());
    };
    line("", names);
    let mut logarithms = vec![Vec::new(); peers.len()];
    for program in Program::all(Path::new(folder)) {
        let times = program.times(&commands, scratch);
        let cell = |(i, time): (usize, &Result<f64, &str>)| match (time, &times[0]) {
            (Ok(time), Ok(first)) => {
                logarithms[i].push((time / first).ln());
                format!("{:.1} {:6.2}x", time * 1e3, time / first)
            }
            (Ok(time), Err(_)) => format!("{:.1}        ", time * 1e3),
            (Err(why), _) => why.to_string(),
        };
        line(&program.name(), times.iter().enumerate().map(cell).collect());
    }
    let mean = |all: &Vec<f64>| format!("{:.2}x", (all.iter().sum::<f64>() / all.len() as f64).exp());
    line("geometric mean", logarithms.iter().map(mean).collect());
}
