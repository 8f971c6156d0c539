//! Generated code that calls back into Rust: a loop that counts down and shows
//! each number.

use barejit_asm::{Asm, Cond, R12, RAX, RBX, RDI, RSI, RSP, Slot, Tables};
use barejit_exec::{Error, Guard, Memory, PageSize, Strategy};

/// The code calls this. A panic here would have no way through generated code
/// and ends the process, as it does in any `extern "sysv64"` function.
extern "sysv64" fn show(number: u64) {
    println!("{number}…");
}

/// `countdown(from, show)`. Stack at the calls: the caller's return address and
/// RBX and R12, then 8 bytes, which align it to 16.
fn countdown(a: &mut Asm<'_>) {
    a.push_r(RBX).push_r(R12).sub_ri(RSP, 8);
    a.mov_rr(RBX, RDI).mov_rr(R12, RSI);
    let next = a.here();
    a.mov_rr(RDI, RBX).call_r(R12);
    a.dec_r(RBX).jcc(Cond::Ne, next);
    a.mov_rr(RAX, RBX).add_ri(RSP, 8).pop_r(R12).pop_r(RBX).ret();
}

fn main() -> Result<(), Error> {
    let (mut bytes, mut slots) = ([0; 64], [Slot::EMPTY; 2]);
    let mut a = Asm::new(&mut bytes, Tables::slots(&mut slots));
    countdown(&mut a);
    let code = a.finish().expect("64 bytes are enough");

    let size = PageSize::needed(code.bytes().len())?;
    let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::None)?;
    memory.load(&code);
    let memory = memory.seal()?;
    type Countdown = extern "sysv64" fn(u64, extern "sysv64" fn(u64)) -> u64;
    // SAFETY: (1) the bytes are the function above, which keeps to the ABI, takes
    // a number and a function that it calls, and returns a number.
    let function = unsafe { memory.function::<Countdown>(code.entry()) };
    assert_eq!(function.call(3, show), 0);
    memory.release()
}

#[test]
fn runs() -> Result<(), Error> {
    main()
}
