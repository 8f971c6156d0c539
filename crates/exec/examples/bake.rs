//! Bakes a function at compile time and calls it: at run time nothing is
//! assembled, only copied, sealed and called.

// ANCHOR: life
use barejit_asm::{Asm, Baked, Code, RAX, RDI};
use barejit_exec::{Error, Guard, Memory, PageSize, Strategy};

/// Twice the argument, plus one.
const fn twice_plus_one(a: &mut Asm<'_>) {
    a.mov_rr(RAX, RDI).add_rr(RAX, RAX).add_ri(RAX, 1).ret();
}

static CODE: Baked<11, ()> = barejit_asm::bake!(twice_plus_one);

fn main() -> Result<(), Error> {
    let code = Code::new(&CODE.bytes);
    let size = PageSize::needed(code.bytes().len())?;
    let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::None)?;
    memory.load(&code);
    let memory = memory.seal()?;
    // SAFETY: (1) the bytes are the function above, which keeps to the ABI, takes
    // one integer and returns one.
    let function = unsafe { memory.function::<extern "sysv64" fn(i64) -> i64>(code.entry()) };
    println!("{}", function.call(20));
    assert_eq!(function.call(20), 41);
    memory.release()
}
// ANCHOR_END: life

#[test]
fn runs() -> Result<(), Error> {
    main()
}
