//! Times of shots and of whole processes, and the lines that they make in the table.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

/// The executable, seen from the top of the repository; it must have been built.
pub const BAREJIT: &str = "target/release/barejit";

/// Something that can be done again and again, each time telling how long it took.
pub type Shot<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// Takes all shots `rounds` times and gives the median of each. The caches
/// depend on the shot before, so each shot follows every other equally often (Williams,
/// "Experimental designs balanced for the estimation of residual effects of treatments",
/// 1949): in each round the order is zigzag, one further on than in the last, and every
/// other run of rounds takes it backwards, which an odd number of shots needs.
pub fn medians(rounds: usize, shots: &mut [Shot<'_>]) -> Vec<f64> {
    let count = shots.len();
    let zigzag: Vec<usize> = (0..count).map(|i| if i % 2 == 1 { i / 2 + 1 } else { count - i / 2 }).collect();
    let mut times = vec![Vec::with_capacity(rounds); count];
    for round in 0..rounds {
        let backwards = round / count % 2 == 1;
        for i in 0..count {
            let who = (zigzag[if backwards { count - 1 - i } else { i }] + round) % count;
            times[who].push(shots[who]());
        }
    }
    times.iter_mut().map(|times| median(times)).collect()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The times of a whole process in seconds, and its output.
pub struct Process {
    /// Processor time, as the kernel counted it.
    pub cpu: f64,
    /// From before it was started until it was gone.
    pub wall: f64,
    pub output: Vec<u8>,
}

/// A folder for what is compiled and printed here; it goes with its owner.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("barejit-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for what is compiled");
        Self(folder)
    }

    /// A path that nobody else has.
    pub fn path(&self) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        self.0.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// A C program, compiled by gcc.
    pub fn c(&self, source: &str, flags: &[&str]) -> PathBuf {
        self.compiled("gcc", source, flags)
    }

    /// A C program, compiled by that compiler.
    pub fn compiled(&self, compiler: &str, source: &str, flags: &[&str]) -> PathBuf {
        let program = self.path();
        let text = program.with_extension("c");
        std::fs::write(&text, source).expect("a file for the C source");
        let built = Command::new(compiler).args(flags).args(["-w", "-o"]).arg(&program).arg(&text).status();
        assert!(built.unwrap_or_else(|error| panic!("{compiler}: {error}")).success(), "{source}");
        program
    }

    /// Runs `command` and returns its output.
    pub fn run(&self, command: &mut Command) -> Process {
        self.try_run(command).unwrap_or_else(|why| panic!("{command:?}: {why}"))
    }

    /// The same, or why not.
    pub fn try_run(&self, command: &mut Command) -> Result<Process, &'static str> {
        let output = self.0.join("output");
        command.stdout(File::create(&output).expect("a file for the output"));
        let process = try_run(command)?;
        Ok(Process { output: std::fs::read(&output).expect("the output"), ..process })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the folder is ours");
    }
}

/// Runs `command`; what it prints goes where the command says.
pub fn run(command: &mut Command) -> Process {
    try_run(command).unwrap_or_else(|why| panic!("{command:?}: {why}"))
}

/// The same, or why not.
pub fn try_run(command: &mut Command) -> Result<Process, &'static str> {
    let start = Instant::now();
    let child = command.spawn().map_err(|_| "absent")?;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    let mut status = 0;
    // SAFETY: the child is ours, and there is room for what the kernel writes.
    let waited = unsafe { libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr()) };
    let wall = start.elapsed().as_secs_f64();
    assert_eq!(waited, child.id() as i32);
    // SAFETY: written by the kernel.
    let usage = unsafe { usage.assume_init() };
    match status {
        0 => {}
        libc::SIGXCPU | libc::SIGKILL => return Err("slow"),
        _ => return Err("failed"),
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    Ok(Process { cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime), wall, output: Vec::new() })
}

/// The processor time of `command`, again and again.
pub fn cpu<'a>(mut command: Command) -> Shot<'a> {
    Box::new(move || run(&mut command).cpu)
}

/// `program` with nothing to read and nobody to print to.
pub fn silent(program: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A line of the table: what barejit takes, what somebody else takes, and how many
/// times as much barejit takes.
pub struct Row(pub [String; 6]);

impl Row {
    pub const TITLES: [&str; 6] = ["", "what", "barejit", "next to", "takes", "ratio"];

    /// Times in seconds.
    pub fn times(group: &str, what: &str, ours: f64, peer: &str, theirs: f64) -> Self {
        let ratio = ratio(ours / theirs);
        Self([group.into(), what.into(), duration(ours), peer.into(), duration(theirs), ratio])
    }

    /// Bytes of files.
    pub fn sizes(group: &str, what: &str, ours: u64, peer: &str, theirs: u64) -> Self {
        let kib = |bytes: u64| format!("{:.1} KiB", bytes as f64 / 1024.0);
        let ratio = ratio(ours as f64 / theirs as f64);
        Self([group.into(), what.into(), kib(ours), peer.into(), kib(theirs), ratio])
    }

    /// A ratio that no single time stands for.
    pub fn ratio(group: &str, what: &str, peer: &str, value: f64) -> Self {
        Self([group.into(), what.into(), "".into(), peer.into(), "".into(), ratio(value)])
    }

    /// Why there is nothing to compare.
    pub fn none(group: &str, what: &str, peer: &str) -> Self {
        Self([group.into(), what.into(), "".into(), peer.into(), "".into(), "".into()])
    }

    /// A time that has nothing next to it.
    pub fn alone(group: &str, what: &str, ours: f64) -> Self {
        Self([group.into(), what.into(), duration(ours), "".into(), "".into(), "".into()])
    }
}

fn ratio(value: f64) -> String {
    if value < 0.1 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// Three digits and a unit.
fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

/// The table in Markdown, columns aligned.
pub fn markdown(rows: &[Row]) -> String {
    let titles = Row::TITLES.map(String::from);
    let width = |i: usize| {
        let cells = rows.iter().map(|row| &row.0[i]).chain([&titles[i]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let right = |i: usize| matches!(i, 2 | 4 | 5);
    let line = |cells: &[String; 6]| {
        let padded = cells.iter().enumerate().map(|(i, cell)| {
            let space = " ".repeat(width(i) - cell.chars().count());
            if right(i) { format!(" {space}{cell} |") } else { format!(" {cell}{space} |") }
        });
        format!("|{}\n", padded.collect::<String>())
    };
    let rule = (0..6).map(|i| {
        let end = if right(i) { ":" } else { "-" };
        format!("{}{end}|", "-".repeat(width(i) + 1))
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    [line(&titles), rule].into_iter().chain(rows.iter().map(|row| line(&row.0))).collect()
}
