//! A [`Machine`](bf::Machine) for tests: generated code in this process, faults as values,
//! output and input in memory.

use super::interpreter::{End, Outcome};
use super::{Options, TAPE};
use barejit::front::bf::abi::{self, Cursor, ENDED, FAILED, FILLED, GUARD};
use barejit::front::bf::{self, Called, Program, Runner};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

std::arch::global_asm!(
    // guarded(rdi entry, rsi pointer, rdx context) -> rax
    ".globl bf_guarded",
    "bf_guarded:",
    "push rbp; push rbx; push r12; push r13; push r14; push r15; sub rsp, 8",
    "mov [rip + BF_STACK], rsp",
    "mov rax, rdi; mov rdi, rsi; mov rsi, rdx",
    "call rax",
    ".globl bf_recover",
    "bf_recover:",
    "mov rsp, [rip + BF_STACK]",
    "add rsp, 8; pop r15; pop r14; pop r13; pop r12; pop rbx; pop rbp",
    "ret",
);

unsafe extern "sysv64" {
    fn bf_guarded(entry: u64, pointer: u64, context: u64) -> u64;
    fn bf_recover();
}

#[unsafe(no_mangle)]
static BF_STACK: AtomicU64 = AtomicU64::new(0);
static CODE: AtomicU64 = AtomicU64::new(0);
static FAULT: AtomicU64 = AtomicU64::new(0);
static ADDRESS: AtomicU64 = AtomicU64::new(0);
/// Program under test, for a message when it never ends.
static RUNNING: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static ONE: Mutex<()> = Mutex::new(());

/// RAX after a fault.
const FAULTED: u64 = u64::MAX;
/// Room for code.
const CODE_SIZE: usize = 1 << 20;
/// Output beyond which a program is wrong.
const OUTPUT: usize = 1 << 20;

/// The program's output and input behind the cursors.
struct Streams {
    to: Vec<u8>,
    from: Vec<u8>,
    taken: usize,
    buffer: *mut u8,
}

type Context<'a> = abi::Context<'a, Cursor, Cursor, Streams>;

extern "sysv64" fn flush(context: &mut Context<'_>) -> u64 {
    let (cursor, streams) = (&mut *context.output, &mut context.state);
    let used = cursor.next as usize - streams.buffer as usize;
    // SAFETY: generated code wrote so many bytes to the buffer.
    streams.to.extend_from_slice(unsafe { std::slice::from_raw_parts(streams.buffer, used) });
    cursor.next = streams.buffer;
    if streams.to.len() > OUTPUT { FAILED } else { FILLED }
}

/// At most three bytes at a time, so that programs come here often.
extern "sysv64" fn fill(context: &mut Context<'_>) -> u64 {
    let (cursor, streams) = (&mut *context.input, &mut context.state);
    let count = (streams.from.len() - streams.taken).min(3);
    cursor.next = streams.from[streams.taken..].as_mut_ptr();
    cursor.end = cursor.next.wrapping_add(count);
    streams.taken += count;
    if count == 0 { ENDED } else { FILLED }
}

extern "C" fn on_fault(_: i32, info: *mut libc::siginfo_t, ucontext: *mut libc::c_void) {
    let ucontext = ucontext.cast::<libc::ucontext_t>();
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO.
    let ucontext = unsafe { &mut *ucontext };
    let registers = &mut ucontext.uc_mcontext.gregs;
    let rip = registers[libc::REG_RIP as usize] as u64;
    let code = CODE.load(Relaxed);
    if rip.wrapping_sub(code) >= CODE_SIZE as u64 {
        std::process::abort();
    }
    FAULT.store(rip - code, Relaxed);
    // SAFETY: as above.
    let info = unsafe { &*info };
    // SAFETY: SIGSEGV comes with an address.
    ADDRESS.store(unsafe { info.si_addr() } as u64, Relaxed);
    registers[libc::REG_RIP as usize] = bf_recover as *const () as i64;
    registers[libc::REG_RAX as usize] = FAULTED as i64;
}

extern "C" fn on_alarm(_: i32) {
    if let Ok(program) = RUNNING.try_lock() {
        eprintln!("never ends: {}", String::from_utf8_lossy(&program));
    }
    std::process::abort();
}

/// Code memory and a tape between guards.
pub(crate) struct Machine {
    code: *mut u8,
    tape: *mut u8,
    _one: MutexGuard<'static, ()>,
}

fn map(size: usize, protection: i32) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new anonymous mapping touches nothing that exists.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
    assert!(at != libc::MAP_FAILED, "no memory");
    at.cast()
}

fn protect(at: *mut u8, size: usize, protection: i32) {
    // SAFETY: the range is one of this file's own mappings.
    assert!(unsafe { libc::mprotect(at.cast(), size, protection) } == 0, "mprotect refuses");
}

impl Machine {
    pub(crate) fn new() -> Self {
        let one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let handlers = [
            (libc::SIGSEGV, on_fault as *const () as usize, libc::SA_SIGINFO | libc::SA_NODEFER),
            (libc::SIGALRM, on_alarm as *const () as usize, 0),
        ];
        for (signal, handler, flags) in handlers {
            // SAFETY: all zeros is a valid `sigaction`.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = handler;
            action.sa_flags = flags;
            // SAFETY: the handler has the signature that its flags ask for.
            unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
        }
        let code = map(CODE_SIZE, libc::PROT_NONE);
        let around = map(2 * GUARD + 4 * TAPE, libc::PROT_NONE);
        CODE.store(code as u64, Relaxed);
        Self { code, tape: around.wrapping_add(GUARD), _one: one }
    }

    pub(crate) fn run(&mut self, program: &[u8], input: &[u8], options: &Options) -> Outcome {
        if let Ok(mut running) = RUNNING.lock() {
            running.clear();
            running.extend_from_slice(program);
        }
        let size = TAPE * options.cells.bytes();
        protect(self.tape, 4 * TAPE, libc::PROT_NONE);
        protect(self.tape, size, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the range was just made writable.
        unsafe { self.tape.write_bytes(0, size) };
        let mut buffer = [0; 7];
        let range = buffer.as_mut_ptr_range();
        let mut output = Cursor { next: range.start, end: range.end };
        let mut read = Cursor { next: range.start, end: range.start };
        let streams = Streams { to: Vec::new(), from: input.to_vec(), taken: 0, buffer: range.start };
        let context = Context::new(&mut output, &mut read, flush, fill, self.tape as u64, streams);
        let mut runner =
            Runner::new(program, options, &mut |_, _| {}).expect("the generator balances brackets");
        let mut call = Call { code: self.code, context };
        let end = match runner.run(&mut call).expect("small programs") {
            bf::End::Done => End::Done,
            bf::End::OutOfBounds { position, cell } => End::Outside { position, cell },
            end => panic!("{end:?} of {}", String::from_utf8_lossy(program)),
        };
        flush(&mut call.context);
        Outcome { output: std::mem::take(&mut call.context.state.to), end }
    }
}

/// One run of a program.
struct Call<'a> {
    code: *mut u8,
    context: Context<'a>,
}

impl bf::Machine for Call<'_> {
    fn tape(&self) -> u64 {
        self.context.tape()
    }

    fn call(&mut self, program: &Program, pointer: u64) -> Called {
        let code = program.code();
        let bytes = code.bytes();
        assert!(bytes.len() <= CODE_SIZE, "{} bytes of code", bytes.len());
        let pages = bytes.len().next_multiple_of(4096);
        protect(self.code, pages, libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the range was just made writable and is large enough.
        unsafe { self.code.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        protect(self.code, pages, libc::PROT_READ | libc::PROT_EXEC);
        let entry = self.code as u64 + code.entry() as u64;
        // SAFETY: an alarm has no effect but its signal.
        unsafe { libc::alarm(20) };
        // SAFETY: the code is a function of a pointer and a context, with a tape
        // between guards; its faults come back as a value.
        let status = unsafe { bf_guarded(entry, pointer, &raw mut self.context as u64) };
        // SAFETY: as above.
        unsafe { libc::alarm(0) };
        match status {
            FAULTED => Called::Faulted { code: FAULT.load(Relaxed) as u32, address: ADDRESS.load(Relaxed) },
            _ => Called::Returned { status, pointer: self.context.pointer() },
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: the mappings are this machine's own.
        unsafe { libc::munmap(self.code.cast(), CODE_SIZE) };
        // SAFETY: as above.
        unsafe { libc::munmap(self.tape.wrapping_sub(GUARD).cast(), 2 * GUARD + 4 * TAPE) };
    }
}
