//! Generated code run by the test itself.

use barejit_asm::Code;
use barejit_exec::{Executable, Guard, Memory, PageSize, Strategy};

type Function = extern "sysv64" fn(u64, u64, u64, u64, u64, u64) -> u64;

/// Code in memory.
pub(crate) struct Loaded {
    memory: Memory<Executable>,
    entry: u32,
}

impl Loaded {
    pub(crate) fn new(code: &Code<'_>) -> Self {
        let size = PageSize::covering(code.bytes().len()).expect("not that large");
        let memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::None);
        let mut memory = memory.expect("memory");
        memory.load(code);
        Self { memory: memory.seal().expect("executable memory"), entry: code.entry() }
    }

    pub(crate) fn call(&self, args: [u64; 6]) -> u64 {
        // SAFETY: (1, 2) the front end under test says so, and that is what is tested.
        let function = unsafe { self.memory.function::<Function>(self.entry) };
        let [a, b, c, d, e, f] = args;
        function.call(a, b, c, d, e, f)
    }
}

/// Loads `code`, calls it and releases it.
pub(crate) fn call(code: &Code<'_>, args: [u64; 6]) -> u64 {
    Loaded::new(code).call(args)
}

/// Collects what a series hands over.
pub(crate) struct Collector {
    words: Vec<u64>,
    first: usize,
    pub(crate) terms: Vec<u64>,
}

extern "sysv64" fn collect(collector: &mut Collector, count: u64) -> u64 {
    let batch = &collector.words[collector.first..][..count as usize];
    collector.terms.extend_from_slice(batch);
    0
}

/// Runs a series and gives its terms.
pub(crate) fn series(code: &Code<'_>, words: usize, history: &[u64], index: u64, count: u64) -> Vec<u64> {
    let mut memory = vec![0; words];
    memory[..history.len()].copy_from_slice(history);
    let mut collector = Collector { words: memory, first: history.len(), terms: Vec::new() };
    let terms = collector.words[history.len()..].as_mut_ptr() as u64;
    let cookie = std::ptr::from_mut(&mut collector) as u64;
    let status = call(code, [terms, count, index, collect as *const () as u64, cookie, 0]);
    assert_eq!(status, 0);
    collector.terms
}

/// Runs code that gives the last term of a series only.
pub(crate) fn last(code: &Code<'_>, words: usize, history: &[u64], index: u64, count: u64) -> u64 {
    let mut memory = vec![0; words];
    memory[..history.len()].copy_from_slice(history);
    let terms = memory[history.len()..].as_mut_ptr() as u64;
    call(code, [terms, count, index, 0, 0, 0])
}
