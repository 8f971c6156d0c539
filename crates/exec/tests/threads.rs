//! Guarded calls in a process with threads: one at a time, and no answer is another's.

use barejit_exec::{
    Executable, Guard, Memory, PageSize, Strategy,
    fault::{self, Args, Busy, Ending, Entry},
};
use std::{
    ops::Range,
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};

fn load(code: &[u8]) -> (Memory<Executable>, Range<usize>) {
    let size = PageSize::needed(code.len()).expect("it is small");
    let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::PAGE).expect("memory");
    memory.bytes()[..code.len()].copy_from_slice(code);
    let memory = memory.seal().expect("sealed");
    let start = memory.address();
    (memory, start..start + code.len())
}

/// Calls the code at the beginning of `memory`, which must be such a function and keep to
/// the duties of [`fault::call`].
fn call(memory: &Memory<Executable>, args: &Args, code: Range<usize>) -> Result<Ending, Busy> {
    // SAFETY: (1, 2) the codes here are functions of six integers at most.
    let function = unsafe { memory.function::<Entry>(0) };
    // SAFETY: (1) it is called while the memory is borrowed.
    let entry = unsafe { function.pointer() };
    // SAFETY: (1, 2) as above, or they fault; (3) no call-back panics; (4) the memory lives;
    // (5) none touches FS or GS; (6) the threads are the standard library's.
    unsafe { fault::call(entry, args, code) }
}

/// mov eax, 50; dec eax; jnz to it; mov rax, rdi; ret
const IDENTITY: [u8; 13] = [0xB8, 50, 0, 0, 0, 0xFF, 0xC8, 0x75, 0xFC, 0x48, 0x89, 0xF8, 0xC3];

#[test]
fn a_second_caller_is_told_and_no_answer_is_anothers() {
    const THREADS: u64 = 4;
    let (memory, code) = load(&IDENTITY);
    let (answered, busy) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (memory, code, answered, busy) = (&memory, &code, &answered, &busy);
            scope.spawn(move || {
                for round in 0..200_000 {
                    let argument = round * THREADS + number;
                    match call(memory, &[argument, 0, 0, 0, 0, 0], code.clone()) {
                        Ok(ending) => {
                            assert_eq!(ending, Ending::Returned(argument));
                            answered.fetch_add(1, Relaxed);
                        }
                        Err(Busy) => {
                            busy.fetch_add(1, Relaxed);
                            // On one processor nobody else would get on.
                            thread::yield_now();
                        }
                    }
                }
            });
        }
    });
    let (answered, busy) = (answered.into_inner(), busy.into_inner());
    assert!(answered > 0 && busy > 0, "{answered} answered, {busy} busy");
    assert_eq!(answered + busy, THREADS * 200_000);
}

#[test]
fn memory_is_sent_to_a_thread_that_calls_it() {
    let (memory, code) = load(&IDENTITY);
    let thread = thread::spawn(move || {
        loop {
            if let Ok(ending) = call(&memory, &[7, 0, 0, 0, 0, 0], code.clone()) {
                break ending;
            }
        }
    });
    assert_eq!(thread.join().expect("no panic"), Ending::Returned(7));
}

#[test]
fn a_call_back_that_calls_is_told() {
    extern "sysv64" fn again() -> u64 {
        fault::call_back(|| {
            let (memory, code) = load(&IDENTITY);
            u64::from(call(&memory, &[7, 0, 0, 0, 0, 0], code) == Err(Busy))
        })
    }
    // jmp rdi
    let (memory, code) = load(&[0xFF, 0xE7]);
    loop {
        let args = [again as *const () as u64, 0, 0, 0, 0, 0];
        if let Ok(ending) = call(&memory, &args, code.clone()) {
            assert_eq!(ending, Ending::Returned(1));
            return;
        }
    }
}

/// Set in the environment of the process that is to die.
const VICTIM: &str = "BAREJIT_EXEC_VICTIM";

#[test]
fn a_fault_on_another_thread_is_not_taken_for_generated_codes() {
    static RUNS: AtomicBool = AtomicBool::new(false);
    if std::env::var_os(VICTIM).is_none() {
        let mut victim = Command::new(std::env::current_exe().expect("this test"));
        let name = "a_fault_on_another_thread_is_not_taken_for_generated_codes";
        victim.args(["--exact", name, "--nocapture"]).env(VICTIM, "1");
        let output = victim.output().expect("it runs");
        let (status, stderr) = (output.status, String::from_utf8_lossy(&output.stderr));
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        // Another thread can take the signal, later than this one exits.
        let died = signal == Some(libc::SIGILL) || status.code() == Some(128 + libc::SIGILL);
        assert!(died, "{status}: {stderr}");
        assert!(stderr.contains("SIGILL in barejit itself at 0x"), "{stderr}");
        return;
    }
    fault::install().expect("handlers");
    // mov byte [rdi], 1; jmp to itself
    let (memory, code) = load(&[0xC6, 0x07, 1, 0xEB, 0xFE]);
    thread::spawn(|| {
        while !RUNS.load(Relaxed) {
            thread::yield_now();
        }
        // SAFETY: it ends the process.
        unsafe { std::arch::asm!("ud2") };
    });
    let ending = call(&memory, &[RUNS.as_ptr() as u64, 0, 0, 0, 0, 0], code);
    panic!("the code ended by itself: {ending:?}");
}
