//! Emits a function whose size is known at run time only, and prints its listing: a sum
//! of array elements, unrolled as often as the first argument says.

use barejit_asm::{Asm, RAX, RDI, Record, Tables, qword};

/// `sum(array)`, with RDI at the array.
fn sum(a: &mut Asm<'_>, count: i32) {
    a.comment("no element yet").xor_rr(RAX, RAX);
    for i in 0..count {
        a.add_rm(RAX, qword(RDI).disp(8 * i));
    }
    a.ret();
}

fn main() {
    let count = std::env::args().nth(1).map_or(4, |word| word.parse().expect("a number of elements"));
    // Past the end of its slices an assembler counts on: so the first run measures.
    let mut a = Asm::new(&mut [], Tables::none());
    sum(&mut a, count);
    let needs = a.needs();
    // A comment and two instructions besides the additions.
    let (mut bytes, mut records) = (vec![0; needs.bytes], vec![Record::EMPTY; count as usize + 3]);
    let mut a = Asm::new(&mut bytes, Tables { records: &mut records, ..Tables::none() });
    sum(&mut a, count);
    let code = a.finish().expect("what was measured is enough");
    for line in code.lines() {
        println!("{:04x}  {line}", line.offset());
    }
    assert_eq!(code.bytes().last(), Some(&0xC3));
}
