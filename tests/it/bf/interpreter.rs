//! The language as plainly as it can be said.

use super::TAPE;
use barejit::front::bf::{Cells, Eof, Options};

/// How a program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Done,
    /// The command at this byte touched this cell.
    Outside {
        position: u32,
        cell: i64,
    },
    /// Not within the steps that a test has patience for.
    Endless,
}

/// The observable result of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) output: Vec<u8>,
    pub(crate) end: End,
}

/// Commands, counted one by one, after which a program counts as endless.
const PATIENCE: u64 = 60_000;

pub(crate) fn interpret(program: &[u8], input: &[u8], options: &Options) -> Outcome {
    let mask = match options.cells {
        Cells::Eight => 0xFF,
        Cells::Sixteen => 0xFFFF,
        Cells::ThirtyTwo => u32::MAX,
    };
    let mut partner = vec![0u32; program.len()];
    let mut open = Vec::new();
    for (i, &command) in program.iter().enumerate() {
        match command {
            b'[' => open.push(i),
            b']' => {
                let start = open.pop().expect("the generator balances brackets");
                partner[start] = i as u32;
                partner[i] = start as u32;
            }
            _ => {}
        }
    }
    let mut outcome = Outcome::EMPTY;
    let mut input = input.iter();
    let mut tape = [0u32; TAPE];
    let (mut pointer, mut at, mut steps) = (0i64, 0, 0);
    while let Some(&command) = program.get(at) {
        match command {
            b'>' => pointer += 1,
            b'<' => pointer -= 1,
            b'+' | b'-' | b'.' | b',' | b'[' | b']' => {
                steps += 1;
                if steps > PATIENCE {
                    outcome.end = End::Endless;
                    return outcome;
                }
                let Some(cell) = usize::try_from(pointer).ok().and_then(|i| tape.get_mut(i)) else {
                    outcome.end = End::Outside { position: at as u32, cell: pointer };
                    return outcome;
                };
                match command {
                    b'+' => *cell = cell.wrapping_add(1) & mask,
                    b'-' => *cell = cell.wrapping_sub(1) & mask,
                    b'.' => outcome.output.push(*cell as u8),
                    b',' => match (input.next(), options.eof) {
                        (Some(&byte), _) => *cell = byte as u32,
                        (None, Eof::Unchanged) => {}
                        (None, Eof::Zero) => *cell = 0,
                        (None, Eof::MinusOne) => *cell = mask,
                    },
                    b'[' if *cell == 0 => at = partner[at] as usize,
                    b']' if *cell != 0 => at = partner[at] as usize,
                    _ => {}
                }
            }
            _ => {}
        }
        at += 1;
    }
    outcome
}
