//! A session: the state that lines work on, what they are called, and the way back.
//!
//! Nothing here prints or reads. A line of code is assembled for the pages it will lie
//! in, sealed there, run by a [`Runner`] and released, unless it has defined labels that
//! later lines may call.

use super::{
    change::{self, Bytes, Difference},
    line::{self, Code, Outcome, Runner, Stop},
    memory::Space,
};
use crate::front::assembly::{self, Assembled, Mistake, Semicolon};
use crate::run::step::Printer;
use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use barejit_asm as asm;
use barejit_exec::{Executable, Guard, Memory, PageSize, State, Strategy};
use barejit_sys::Error;

/// States that can be gone back to.
const UNDO: usize = 1000;

/// The most memory that the way back may take, in bytes.
const UNDO_BYTES: usize = 4 << 20;

/// `int3`, which ends a line: the state is taken from its trap.
const END: u8 = 0xCC;

/// Ways into executable memory, in the order in which they are tried. None leaves a view
/// that a line could write to: a child's write to a private mapping changes its own copy, and
/// a sealed file cannot be written. The views of the others are shared, so they come last.
const STRATEGIES: [Strategy; 4] =
    [Strategy::WriteThenExecute, Strategy::SealedFile, Strategy::TwoViews, Strategy::UnlinkedFile];

/// A name and its address.
#[derive(Clone, Debug)]
pub struct Label {
    /// The name.
    pub name: String,
    /// Its address or value.
    pub address: usize,
}

/// Why a line did nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It is not what the assembler takes.
    Mistake(Mistake),
    /// The data do not fit what is left of the session's memory.
    NoRoom,
    /// A syscall was refused.
    System(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::System(error)
    }
}

/// The effect of a line of code or data.
#[derive(Debug)]
pub struct Done {
    /// The bytes, and where they lie.
    pub assembled: Assembled,
    /// How the run ended; `None` for data, which do not run.
    pub outcome: Option<Outcome>,
    /// The stretches of memory that have changed, ascending, if the line counts.
    pub memory: Option<Vec<Bytes>>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Session {
    /// The processor's state.
    pub state: Box<State>,
    /// The state before the last line.
    pub previous: Box<State>,
    /// Stack and data.
    pub space: Space,
    runner: Runner,
    /// The way into executable memory, and whether code has run by it.
    strategy: Strategy,
    is_proved: bool,
    /// Where code has lain last: probably the next lies there, too.
    likely: usize,
    labels: Vec<Label>,
    /// The lines that count.
    lines: Vec<String>,
    /// Bytes of data that are in use.
    data_used: usize,
    /// Code with labels, which stays.
    kept: Vec<Memory<Executable>>,
    past: VecDeque<Moment>,
    /// Bytes that it takes.
    past_size: usize,
    future: Vec<Moment>,
}

/// A moment to go to from the one next to it.
#[derive(Debug)]
struct Moment {
    difference: Difference,
    labels: Tail<Label>,
    lines: Tail<String>,
    data_used: usize,
}

/// The end of a list that was another one at another moment.
#[derive(Debug)]
struct Tail<T> {
    /// So many are the same.
    same: usize,
    /// The others.
    rest: Vec<T>,
}

impl<T> Tail<T> {
    /// The moment before something is added to `list`.
    fn before(list: &[T]) -> Self {
        Self { same: list.len(), rest: Vec::new() }
    }

    /// Makes `list` what it was, and becomes the way back.
    fn exchange(&mut self, list: &mut Vec<T>) {
        let rest = list.split_off(self.same);
        list.append(&mut self.rest);
        self.rest = rest;
    }
}

impl Session {
    /// A fresh session, whose lines `runner` runs.
    ///
    /// # Errors
    /// The syscall that refused its memory.
    pub fn new(runner: Runner) -> Result<Self, Error> {
        let space = Space::new()?;
        let mut session = Self {
            state: Box::new(State::INITIAL),
            previous: Box::new(State::INITIAL),
            likely: space.data(),
            space,
            runner,
            strategy: STRATEGIES[0],
            is_proved: false,
            labels: Vec::new(),
            lines: Vec::new(),
            data_used: 0,
            kept: Vec::new(),
            past: VecDeque::new(),
            past_size: 0,
            future: Vec::new(),
        };
        session.reset();
        Ok(session)
    }

    /// Makes registers, flags and memory what they were at the start. Labels of code stay
    /// mapped but are forgotten; this cannot be undone.
    pub fn reset(&mut self) {
        *self.state = State::INITIAL;
        self.space.clear();
        // A `ret` with nothing on the stack ends the line.
        let top = self.space.stack_end() - 16;
        self.state.general[4] = top as u64;
        let back = line::return_address().to_le_bytes();
        self.space.bytes_mut(top, back.len()).expect("the stack has 16 bytes").copy_from_slice(&back);
        self.labels.clear();
        self.lines.clear();
        self.data_used = 0;
        self.past.clear();
        self.past_size = 0;
        self.future.clear();
    }

    /// The address of a label.
    pub fn label(&self, name: &str) -> Option<usize> {
        self.labels.iter().rev().find(|label| label.name == name).map(|label| label.address)
    }

    /// All labels, the newest last.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The lines that count, the newest last.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The last line's effect is gone. Whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some(moment) = self.past.pop_back() else { return false };
        self.past_size -= moment.difference.size();
        let now = self.exchange(moment);
        self.future.push(now);
        true
    }

    /// The line that was undone last is done again. Whether there was one.
    pub fn redo(&mut self) -> bool {
        let Some(moment) = self.future.pop() else { return false };
        let now = self.exchange(moment);
        self.past_size += now.difference.size();
        self.past.push_back(now);
        true
    }

    fn exchange(&mut self, mut moment: Moment) -> Moment {
        moment.difference.exchange(&mut self.state, &mut self.space);
        moment.labels.exchange(&mut self.labels);
        moment.lines.exchange(&mut self.lines);
        core::mem::swap(&mut self.data_used, &mut moment.data_used);
        moment
    }

    /// Counts a line that has changed this memory, and adds labels.
    fn count(&mut self, text: &str, memory: &[Bytes], added: &Assembled) {
        self.future.clear();
        let difference = Difference::back(&self.previous, &self.state, memory);
        self.past_size += difference.size();
        self.past.push_back(Moment {
            difference,
            labels: Tail::before(&self.labels),
            lines: Tail::before(&self.lines),
            data_used: self.data_used,
        });
        while self.past.len() > UNDO || self.past_size > UNDO_BYTES {
            self.past_size -= self.past.pop_front().map_or(0, |moment| moment.difference.size());
        }
        self.lines.push(text.into());
        for (name, offset) in &added.labels {
            self.labels.push(Label { name: name.clone(), address: added.origin + offset });
        }
    }

    /// Assembles `text` without running it.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn assemble(&self, text: &str, origin: usize) -> Result<Assembled, Mistake> {
        assembly::assemble(text, Semicolon::Separates, origin, &|name| {
            self.label(name).map(|address| address as u64)
        })
    }

    /// Takes a line or a block: puts data into memory, or runs code, shown by `printer` if there
    /// is one.
    ///
    /// # Safety
    /// 1. As [`Runner::run`].
    ///
    /// # Errors
    /// Why nothing was done.
    pub unsafe fn enter(&mut self, text: &str, mut printer: Option<&mut Printer>) -> Result<Done, Refusal> {
        let first = self.assemble(text, self.likely).map_err(Refusal::Mistake)?;
        if first.is_data {
            return self.place(text);
        }
        loop {
            let (memory, assembled) = match self.load(text, &first) {
                Err(Refusal::System(error)) if self.next_strategy() => {
                    let _: Error = error;
                    continue;
                }
                loaded => loaded?,
            };
            let start = memory.address();
            self.likely = start;
            let code = Code {
                entry: start,
                end: start + assembled.bytes.len(),
                is_confined: is_confined(&assembled),
            };
            self.state.rip = start as u64;
            self.previous.clone_from(&self.state);
            if let Some(printer) = printer.as_mut() {
                printer.place(start..code.end);
            }
            // SAFETY: (1) the caller's.
            let ran =
                unsafe { self.runner.run(&mut self.state, &mut self.space, &code, printer.as_deref_mut()) };
            let (outcome, old) = ran?;
            if let Outcome::Stopped { stop: Stop::Fault(crash), .. } = &outcome
                && crash.not_executable
                && self.next_strategy()
            {
                memory.release()?;
                continue;
            }
            self.is_proved = true;
            let counts = matches!(outcome, Outcome::Stopped { stop: Stop::End | Stop::Returned, .. });
            let memory_changes = counts.then(|| change::memory(&old, &self.space));
            if let Some(changes) = &memory_changes {
                self.count(text, changes, &assembled);
            }
            if counts && !assembled.labels.is_empty() {
                self.kept.push(memory);
            } else {
                memory.release()?;
            }
            return Ok(Done { assembled, outcome: Some(outcome), memory: memory_changes });
        }
    }

    /// Goes to the next way into executable memory, unless this one has worked before or is
    /// the last.
    fn next_strategy(&mut self) -> bool {
        let next = STRATEGIES.iter().skip_while(|strategy| **strategy != self.strategy).nth(1);
        match next {
            Some(next) if !self.is_proved => {
                self.strategy = *next;
                true
            }
            _ => false,
        }
    }

    /// Puts data into the session's memory.
    fn place(&mut self, text: &str) -> Result<Done, Refusal> {
        let at = self.space.data() + self.data_used;
        let assembled = self.assemble(text, at).map_err(Refusal::Mistake)?;
        let size = assembled.bytes.len();
        if size > self.space.data_size() - self.data_used {
            return Err(Refusal::NoRoom);
        }
        let memory = self.space.bytes_mut(at, size).expect("there is room");
        let bytes = Bytes { address: at, old: memory.to_vec(), new: assembled.bytes.clone() };
        memory.copy_from_slice(&assembled.bytes);
        let changes = if bytes.old == bytes.new { Vec::new() } else { alloc::vec![bytes] };
        self.previous.clone_from(&self.state);
        self.count(text, &changes, &assembled);
        self.data_used += size;
        Ok(Done { assembled, outcome: None, memory: Some(changes) })
    }

    /// Gets code into memory, assembled for where it lies; `first` is the same for another
    /// place.
    fn load(&self, text: &str, first: &Assembled) -> Result<(Memory<Executable>, Assembled), Refusal> {
        // Where it lies decides which displacements are short, so it may be longer there.
        const SLACK: usize = 64;
        let size = first.bytes.len();
        let pages = PageSize::needed(size + size / 8 + SLACK)?;
        let mut memory = Memory::obtain(self.strategy, pages, Guard::None)?;
        let assembled = match memory.address() {
            address if address == first.origin => first.clone(),
            address => self.assemble(text, address).map_err(Refusal::Mistake)?,
        };
        let mut bytes = assembled.bytes.clone();
        bytes.push(END);
        if bytes.len() > memory.size().bytes() {
            return Err(Refusal::NoRoom);
        }
        memory.load(&asm::Code::new(&bytes));
        Ok((memory.seal()?, assembled))
    }
}

/// Whether nothing in this code calls the kernel or leads out of the code: each instruction
/// is known, is no `syscall`, `sysenter` or `int`, no return and no indirect branch, and
/// branches lead to instructions.
fn is_confined(assembled: &Assembled) -> bool {
    let begins = |at: i64| {
        let is = |line: &assembly::Listed| line.offset as i64 == at;
        at == assembled.bytes.len() as i64 || assembled.listing.iter().any(is)
    };
    assembled.listing.iter().all(|line| {
        let bytes = &assembled.bytes[line.offset..line.offset + line.size];
        let Ok(instruction) = asm::decode(bytes) else { return false };
        if let Some(distance) = instruction.distance() {
            return begins((line.offset + line.size) as i64 + distance);
        }
        // By the opcode (SDM vol. 2D, appendix A).
        let leaves = match bytes[instruction.opcode_at()..] {
            [0x0F, 0x05 | 0x34, ..] | [0xC2 | 0xC3 | 0xCA..=0xCF, ..] => true,
            // ModRM.reg: CALL and JMP, near and far.
            [0xFF, modrm, ..] => (2..=5).contains(&(modrm >> 3 & 7)),
            _ => false,
        };
        instruction.size() == line.size && !leaves
    })
}
