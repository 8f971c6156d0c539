//! Emits a function at run time and calls it: the power to raise to comes from
//! the command line and is unrolled into multiplications.

use barejit_asm::{Asm, RAX, RDI, Tables};
use barejit_exec::{Error, Guard, Memory, PageSize, Strategy};

fn power(a: &mut Asm<'_>, exponent: u32) {
    a.mov_ri(RAX, 1);
    for _ in 0..exponent {
        a.imul_rr(RAX, RDI);
    }
    a.ret();
}

fn main() -> Result<(), Error> {
    let exponent = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    // The first run only counts, so the second one has room.
    let mut counter = Asm::new(&mut [], Tables::none());
    power(&mut counter, exponent);
    let mut bytes = vec![0; counter.needs().bytes];
    let mut a = Asm::new(&mut bytes, Tables::none());
    power(&mut a, exponent);
    let code = a.finish().expect("what was counted is enough");

    let size = PageSize::needed(code.bytes().len())?;
    let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::None)?;
    memory.load(&code);
    let memory = memory.seal()?;
    // SAFETY: (1) the bytes are the function above, which keeps to the ABI, takes
    // one integer and returns one.
    let function = unsafe { memory.function::<extern "sysv64" fn(i64) -> i64>(code.entry()) };
    println!("3^{exponent} = {}", function.call(3));
    assert_eq!(function.call(3), 3_i64.wrapping_pow(exponent));
    memory.release()
}

#[test]
fn runs() -> Result<(), Error> {
    main()
}
