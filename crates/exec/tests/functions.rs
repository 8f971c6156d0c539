//! Functions of generated code by type: either name of the ABI, safe or not, any number of
//! arguments, references of any lifetime; and memory that is never for writing and executing
//! at once, whatever safe code asks for.

use barejit_exec::{Executable, Guard, Memory, PageSize, Strategy};
use barejit_sys::{Contents, Errno, Prot, Region, Sysno};

fn load(code: &[u8]) -> Memory<Executable> {
    let size = PageSize::needed(code.len()).expect("it is small");
    let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::None).expect("memory");
    memory.bytes()[..code.len()].copy_from_slice(code);
    memory.seal().expect("sealed")
}

macro_rules! calls {
    ($memory:ident, $expected:expr, ($($type:ty),*), ($($value:expr),*)) => {{
        // SAFETY: (1, 2) it adds what it is given in registers and on the stack.
        let sysv = unsafe { $memory.function::<extern "sysv64" fn($($type),*) -> u64>(0) };
        assert_eq!(sysv.call($($value),*), $expected);
        // SAFETY: likewise.
        let c = unsafe { $memory.function::<extern "C" fn($($type),*) -> u64>(0) };
        assert_eq!(c.call($($value),*), $expected);
        // SAFETY: likewise.
        let raw = unsafe { $memory.function::<unsafe extern "sysv64" fn($($type),*) -> u64>(0) };
        // SAFETY: (1) any numbers will do.
        assert_eq!(unsafe { raw.call($($value),*) }, $expected);
        // SAFETY: likewise.
        let raw = unsafe { $memory.function::<unsafe extern "C" fn($($type),*) -> u64>(0) };
        // SAFETY: (1) any numbers will do.
        assert_eq!(unsafe { raw.call($($value),*) }, $expected);
    }};
}

#[test]
fn functions_take_any_number_of_arguments_by_either_abi() {
    // mov eax, 9; ret
    let nine = load(&[0xB8, 9, 0, 0, 0, 0xC3]);
    calls!(nine, 9, (), ());
    // mov rax, rdi; ret
    let first = load(&[0x48, 0x89, 0xF8, 0xC3]);
    calls!(first, 1, (u64), (1));
    // mov rax, rsi, rdx, rcx, r8, r9, [rsp+8], [rsp+16]; ret: the last argument
    let second = load(&[0x48, 0x89, 0xF0, 0xC3]);
    calls!(second, 2, (u64, u64), (1, 2));
    let third = load(&[0x48, 0x89, 0xD0, 0xC3]);
    calls!(third, 3, (u64, u64, u64), (1, 2, 3));
    let fourth = load(&[0x48, 0x89, 0xC8, 0xC3]);
    calls!(fourth, 4, (u64, u64, u64, u64), (1, 2, 3, 4));
    let fifth = load(&[0x4C, 0x89, 0xC0, 0xC3]);
    calls!(fifth, 5, (u64, u64, u64, u64, u64), (1, 2, 3, 4, 5));
    let sixth = load(&[0x4C, 0x89, 0xC8, 0xC3]);
    calls!(sixth, 6, (u64, u64, u64, u64, u64, u64), (1, 2, 3, 4, 5, 6));
    let seventh = load(&[0x48, 0x8B, 0x44, 0x24, 8, 0xC3]);
    calls!(seventh, 7, (u64, u64, u64, u64, u64, u64, u64), (1, 2, 3, 4, 5, 6, 7));
    let eighth = load(&[0x48, 0x8B, 0x44, 0x24, 16, 0xC3]);
    calls!(eighth, 8, (u64, u64, u64, u64, u64, u64, u64, u64), (1, 2, 3, 4, 5, 6, 7, 8));
}

#[repr(C)]
struct Context {
    count: u64,
}

#[test]
fn a_reference_of_any_lifetime_is_an_argument() {
    type Count = for<'a> extern "sysv64" fn(&'a mut Context) -> u64;
    // inc qword [rdi]; mov rax, [rdi]; ret
    let memory = load(&[0x48, 0xFF, 0x07, 0x48, 0x8B, 0x07, 0xC3]);
    // SAFETY: (1, 2) it counts.
    let count = unsafe { memory.function::<Count>(0) };
    for start in 0..3 {
        let mut context = Context { count: start };
        assert_eq!(count.call(&mut context), start + 1);
        assert_eq!(context.count, start + 1);
    }
}

#[test]
fn no_region_is_for_writing_and_executing_at_once() {
    let size = PageSize::needed(1).expect("a page");
    for guard in [Guard::None, Guard::PAGE] {
        let refused = Region::map(size, guard, Contents::Anonymous, Prot::all()).expect_err("both");
        assert_eq!((refused.name(), refused.errno()), (Sysno::mmap.name(), Errno::EACCES));
    }
    let mut region = Region::reserve(size, Guard::PAGE).expect("reserved");
    let both = Prot::WRITE.union(Prot::EXEC);
    assert!(region.fill(Contents::Anonymous, both).is_err());
}
