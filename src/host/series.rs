//! The terms of a relation between generated code and the output: the memory that the code
//! fills, and the call-back that prints a batch. It knows no relation.

use super::Output;
use super::number::{Counter, Digits, Format, LONGEST, copy};
use barejit_exec::fault;
use barejit_sys::{Error, Guard, PageSize, Region};

/// Zeroed words between pages that fault when touched: history, batch and scratch, as the
/// front end laid them out.
#[derive(Debug)]
struct Words {
    /// Room for them.
    pages: Region,
    count: usize,
    /// The first word of the batch.
    first: usize,
}

impl Words {
    /// The words before the batch, and the others.
    fn split(&mut self) -> (&mut [u64], &mut [u64]) {
        // SAFETY: so many words are there as long as the pages live, any bits are a word, and only
        // `self` leads to them.
        let words = unsafe { core::slice::from_raw_parts_mut(self.pages.base().as_ptr().cast(), self.count) };
        words.split_at_mut(self.first)
    }
}

/// A series that is being printed, one line a term.
#[derive(Debug)]
pub struct Series<'a, 'b> {
    output: &'a mut Output<'b>,
    words: Words,
    counter: Counter,
    format: Format,
    silent: bool,
    /// How many terms were taken from batches.
    taken: u64,
    error: Option<Error>,
}

impl<'a, 'b> Series<'a, 'b> {
    /// Zeroed memory of so many `words`, the batch at word `first`. `counter` begins the
    /// first line; `silent` prints no line of a batch.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn new(
        output: &'a mut Output<'b>,
        words: usize,
        first: usize,
        counter: Counter,
        format: Format,
        silent: bool,
    ) -> Result<Self, Error> {
        let size = PageSize::needed(words.saturating_mul(size_of::<u64>()))?;
        let words = Words { pages: Region::zeroed(size, Guard::PAGE)?, count: words, first };
        Ok(Self { output, words, counter, format, silent, taken: 0, error: None })
    }

    /// Where the lines go.
    pub fn output(&mut self) -> &mut Output<'b> {
        self.output
    }

    /// The last terms before the batch, the latest at the end.
    pub fn history(&mut self) -> &mut [u64] {
        self.words.split().0
    }

    /// Everything from the batch on, scratch included.
    pub fn batch(&mut self) -> &mut [u64] {
        self.words.split().1
    }

    /// Address of the batch, for generated code, which may write to all the words.
    pub fn address(&mut self) -> u64 {
        self.batch().as_mut_ptr() as u64
    }

    /// Prints one term.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn line(&mut self, bits: u64) -> Result<(), Error> {
        lines(self.output, &mut self.counter, &[bits], self.format)
    }

    /// Prints the first `count` terms of the batch, or all of it.
    ///
    /// # Errors
    /// Those of write(2).
    pub fn take(&mut self, count: usize) -> Result<(), Error> {
        let (_, batch) = self.words.split();
        let terms = batch.get(..count).unwrap_or(batch);
        self.taken += terms.len() as u64;
        if self.silent {
            return Ok(());
        }
        lines(self.output, &mut self.counter, terms, self.format)?;
        if self.output.is_terminal() { self.output.flush() } else { Ok(()) }
    }

    /// How many terms were taken from batches.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// The error of a write that [`call_back`] reported with 1.
    pub fn refusal(&self) -> Option<Error> {
        self.error
    }
}

/// Takes a batch of `count` terms; answers 0, or 1 if a write was refused.
pub extern "sysv64" fn call_back(series: &mut Series<'_, '_>, count: u64) -> u64 {
    fault::call_back(|| match series.take(count as usize) {
        Ok(()) => 0,
        Err(error) => {
            series.error = Some(error);
            1
        }
    })
}

/// The longest line.
const LINE: usize = Counter::WIDTH + LONGEST + 1;

/// How many lines are written between looks at the room that is left.
const PIECE: usize = 64;

fn lines(output: &mut Output<'_>, counter: &mut Counter, terms: &[u64], format: Format) -> Result<(), Error> {
    let mut digits = Digits::new();
    for terms in terms.chunks(PIECE) {
        let room = output.room(PIECE * LINE)?;
        let mut at = 0;
        for &bits in terms {
            let line = &mut room[at..at + LINE];
            let start = counter.write(line);
            let end = start + copy(&mut line[start..], digits.text(bits, format));
            line[end] = b'\n';
            at += end + 1;
        }
        output.advance(at);
    }
    Ok(())
}
