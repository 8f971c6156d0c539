//! How long the prompt takes, for a session and for a line in it, next to making a process in
//! C; and how long `--step` takes for an instruction.

use crate::measure::{BAREJIT, Row, Scratch, Shot, medians, run, silent};
use crate::start::installed;
use std::process::Stdio;

const ROUNDS: usize = 201;

/// Lines of a session, and processes that are made one after another.
const LINES: u32 = 1000;

/// Instructions that `--step` shows.
const STEPS: u32 = 100_000;

/// fork(2), exit and wait alone.
const FORKS: &str = r#"
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words) {
    for (int i = atoi(words[1]); i > 0; i--) {
        pid_t child = fork();
        if (child < 0) return 1;
        if (child == 0) _exit(0);
        if (waitpid(child, NULL, 0) != child) return 1;
    }
    return 0;
}
"#;

pub fn rows(scratch: &Scratch) -> [Row; 3] {
    let barejit = installed(scratch, BAREJIT);
    let session = |lines: u32| -> Shot<'_> {
        let path = scratch.path();
        std::fs::write(&path, "inc rax\n".repeat(lines as usize)).expect("written");
        let mut command = silent(&barejit, &["repl", path.to_str().expect("text")]);
        Box::new(move || run(&mut command).wall)
    };
    let forks = scratch.c(FORKS, &["-O2", "-static"]);
    let mut forks = silent(installed(scratch, forks), &[&LINES.to_string()]);
    let forks: Shot<'_> = Box::new(move || run(&mut forks).wall);
    let one = medians(ROUNDS, &mut [session(1)])[0];
    let many = medians(21, &mut [session(LINES), forks]).into_iter().map(|time| time / f64::from(LINES));
    let [line, fork] = many.collect::<Vec<_>>()[..] else { panic!("two shots") };
    [
        Row::alone("repl", "a session of one line", one),
        Row::times("repl", "a line of a session", line, "fork, exit and wait, C, static", fork),
        Row::alone("step", "an instruction shown by --step", step()),
    ]
}

fn step() -> f64 {
    let count = format!("mov ecx, {}; 1: dec ecx; jnz 1b; ret", STEPS / 2);
    let mut steps = silent(BAREJIT, &["run", "--step", "-a", &count]);
    steps.stderr(Stdio::null());
    let steps: Shot<'_> = Box::new(move || run(&mut steps).wall / f64::from(STEPS));
    medians(21, &mut [steps])[0]
}
