//! A session: the state that lines work on, what they are called, and the way back.
//!
//! Nothing here prints or reads. A line of code is assembled for the pages it will lie
//! in, sealed there, run by a [`Runner`] and released, unless it has defined labels that
//! later lines may call.

use super::{
    change::Snapshot,
    line::{Code, Outcome, Runner, Stop},
    memory::Space,
};
use crate::front::assembly::{self, Assembled, Mistake, Semicolon};
use crate::run::step::Printer;
use alloc::{boxed::Box, string::String, vec::Vec};
use barejit_asm as asm;
use barejit_exec::{Executable, Guard, Memory, PageSize, State, Strategy, fault};
use barejit_sys::{Errno, Error, Fd, Sysno, linux::job::Modes};

/// States that can be gone back to.
const UNDO: usize = 1000;

/// The most memory that old pages may take, in pages.
const UNDO_PAGES: usize = 1024;

/// `int3`, which ends a line: the state is taken from its trap.
const END: u8 = 0xCC;

/// Ways into executable memory, in the order in which they are tried. None leaves a view
/// that a line could write to: pages of a private mapping change for the child alone, and
/// a sealed file for nobody; the views of the others are shared, so they come last.
const STRATEGIES: [Strategy; 4] =
    [Strategy::WriteThenExecute, Strategy::SealedFile, Strategy::TwoViews, Strategy::UnlinkedFile];

/// A name and its address.
#[derive(Clone, Debug)]
pub struct Label {
    /// The name.
    pub name: String,
    /// What it stands for.
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

/// What a line of code or data did.
#[derive(Debug)]
pub struct Done {
    /// The bytes, and where they lie.
    pub assembled: Assembled,
    /// How the run ended; `None` for data, which do not run.
    pub outcome: Option<Outcome>,
    /// The moment before, if the line counts.
    pub before: Option<Snapshot>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Session {
    /// The processor's state.
    pub state: Box<State>,
    /// Stack and data.
    pub space: Space,
    runner: Runner,
    strategy: Strategy,
    labels: Vec<Label>,
    /// Bytes of data that are in use.
    data_used: usize,
    /// Code with labels, which stays.
    kept: Vec<Memory<Executable>>,
    past: Vec<Moment>,
    future: Vec<Moment>,
}

/// What undoing a line brings back.
#[derive(Debug)]
struct Moment {
    snapshot: Snapshot,
    labels: Vec<Label>,
    data_used: usize,
}

impl Session {
    /// A fresh session. Lines may take `patience` milliseconds, and use `terminal`.
    ///
    /// # Errors
    /// The syscall that refused what a session cannot be without.
    pub fn new(terminal: Option<(Fd<'static>, Modes)>, patience: u64) -> Result<Self, Error> {
        let space = Space::new()?;
        let runner = Runner::new(terminal, patience)?;
        let mut session = Self {
            state: Box::new(State::INITIAL),
            space,
            runner,
            strategy: STRATEGIES[0],
            labels: Vec::new(),
            data_used: 0,
            kept: Vec::new(),
            past: Vec::new(),
            future: Vec::new(),
        };
        session.reset();
        session.choose_strategy()?;
        Ok(session)
    }

    /// Finds the first way into executable memory that works: nothing but the end is run.
    fn choose_strategy(&mut self) -> Result<(), Error> {
        let mut last = Error::new(Sysno::mprotect, Errno::EACCES);
        for strategy in STRATEGIES {
            self.strategy = strategy;
            match self.execute(&[]) {
                Ok((Outcome::Stopped { stop: Stop::End, .. }, ..)) => return Ok(()),
                Ok(_) => last = Error::without_effect(Sysno::mprotect),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Makes registers, flags and memory what they were at the start. Labels of code stay
    /// mapped but are forgotten; this cannot be undone.
    pub fn reset(&mut self) {
        *self.state = State::INITIAL;
        for n in 0..super::memory::PAGES {
            self.space.page_mut(n).fill(0);
        }
        // A `ret` with nothing on the stack ends the line.
        let top = self.space.stack_end() - 16;
        self.state.general[4] = top as u64;
        let back = fault::return_address().to_le_bytes();
        if self.space.write(top, &back).is_err() {
            unreachable!("the stack has 16 bytes");
        }
        self.labels.clear();
        self.data_used = 0;
        self.past.clear();
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

    /// The last line's effect is gone. Whether there was one.
    pub fn undo(&mut self) -> bool {
        let Some(moment) = self.past.pop() else { return false };
        let now = self.exchange(moment);
        self.future.push(now);
        true
    }

    /// What was undone last is done again. Whether there was something.
    pub fn redo(&mut self) -> bool {
        let Some(moment) = self.future.pop() else { return false };
        let now = self.exchange(moment);
        self.past.push(now);
        true
    }

    fn exchange(&mut self, moment: Moment) -> Moment {
        let labels = core::mem::replace(&mut self.labels, moment.labels);
        let data_used = core::mem::replace(&mut self.data_used, moment.data_used);
        let snapshot = moment.snapshot.exchange(&mut self.state, &mut self.space);
        Moment { snapshot, labels, data_used }
    }

    fn remember(&mut self, moment: Moment) {
        self.future.clear();
        self.past.push(moment);
        let mut pages: usize = self.past.iter().map(|moment| moment.snapshot.pages.len()).sum();
        while self.past.len() > UNDO || pages > UNDO_PAGES {
            pages -= self.past.remove(0).snapshot.pages.len();
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
    pub unsafe fn enter(&mut self, text: &str, printer: Option<&mut Printer>) -> Result<Done, Refusal> {
        let data = self.space.data() + self.data_used;
        let first = self.assemble(text, data).map_err(Refusal::Mistake)?;
        if first.is_data {
            return self.place(first, data);
        }
        let (memory, assembled) = self.load(text, first.bytes.len())?;
        let start = memory.address();
        let end = start + assembled.bytes.len();
        let mut state = self.state.clone();
        state.rip = start as u64;
        let code = Code { entry: start, range: start..end + 1, end, has_syscall: assembled.has_syscall };
        let mut printer = printer;
        if let Some(printer) = printer.as_mut() {
            printer.place(start..end);
        }
        // SAFETY: (1) the caller's.
        let (outcome, pages) = unsafe { self.runner.run(&mut state, &mut self.space, &code, printer) }?;
        let counts = matches!(outcome, Outcome::Stopped { stop: Stop::End | Stop::Returned, .. });
        let before = counts.then(|| {
            core::mem::swap(&mut self.state, &mut state);
            Snapshot { state, pages }
        });
        if let Some(snapshot) = &before {
            let labels = self.labels.clone();
            self.remember(Moment { snapshot: snapshot.clone(), labels, data_used: self.data_used });
        }
        if counts && !assembled.labels.is_empty() {
            self.name(&assembled);
            self.kept.push(memory);
        } else {
            memory.release()?;
        }
        Ok(Done { assembled, outcome: Some(outcome), before })
    }

    /// Puts data into the session's memory.
    fn place(&mut self, assembled: Assembled, at: usize) -> Result<Done, Refusal> {
        if assembled.bytes.len() > self.space.data_size() - self.data_used {
            return Err(Refusal::NoRoom);
        }
        let pages = self.space.old_pages(at, assembled.bytes.len());
        let snapshot = Snapshot { state: self.state.clone(), pages };
        let labels = self.labels.clone();
        self.remember(Moment { snapshot: snapshot.clone(), labels, data_used: self.data_used });
        if self.space.write(at, &assembled.bytes).is_err() {
            return Err(Refusal::NoRoom);
        }
        self.name(&assembled);
        self.data_used += assembled.bytes.len();
        Ok(Done { assembled, outcome: None, before: Some(snapshot) })
    }

    fn name(&mut self, assembled: &Assembled) {
        for (name, offset) in &assembled.labels {
            self.labels.push(Label { name: name.clone(), address: assembled.origin + offset });
        }
    }

    /// Gets code into memory, assembled for where it lies.
    fn load(&self, text: &str, size: usize) -> Result<(Memory<Executable>, Assembled), Refusal> {
        // Where it lies decides which displacements are short, so it may be longer there.
        const SLACK: usize = 64;
        let pages = PageSize::needed(size + size / 8 + SLACK)?;
        let mut memory = Memory::obtain(self.strategy, pages, Guard::None)?;
        let assembled = self.assemble(text, memory.address()).map_err(Refusal::Mistake)?;
        let mut bytes = assembled.bytes.clone();
        bytes.push(END);
        if bytes.len() > memory.size().bytes() {
            return Err(Refusal::NoRoom);
        }
        memory.load(&asm::Code::new(&bytes));
        Ok((memory.seal()?, assembled))
    }

    /// Runs `bytes` and forgets what they did.
    fn execute(&mut self, bytes: &[u8]) -> Result<(Outcome, State), Error> {
        let mut memory = Memory::obtain(self.strategy, PageSize::needed(bytes.len() + 1)?, Guard::None)?;
        let mut whole = bytes.to_vec();
        whole.push(END);
        memory.load(&asm::Code::new(&whole));
        let memory = memory.seal()?;
        let start = memory.address();
        let end = start + bytes.len();
        let mut state = self.state.clone();
        state.rip = start as u64;
        let code = Code { entry: start, range: start..end + 1, end, has_syscall: false };
        // SAFETY: (1) nothing but a trap, or bytes that this program has chosen.
        let (outcome, _) = unsafe { self.runner.run(&mut state, &mut self.space, &code, None) }?;
        memory.release()?;
        Ok((outcome, *state))
    }
}
