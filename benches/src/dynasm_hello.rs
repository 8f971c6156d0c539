//! The same stub as `barejit hello`, made with dynasm-rs and the standard library.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm, x64::Assembler};

fn main() {
    let mut ops = Assembler::new().expect("memory");
    dynasm!(ops
        ; .arch x64
        ; mov rax, 1
        ; mov rdi, 1
        ; mov rdx, 12
        ; lea rsi, [->text]
        ; syscall
        ; ret
        ; ->text:
        ; .bytes b"Hello World!"
    );
    let code = ops.finalize().expect("assembles");
    // SAFETY: the entry is the first byte; the code is a function by the System V ABI
    // and `code` lives on.
    let hello: extern "sysv64" fn() = unsafe { std::mem::transmute(code.ptr(dynasmrt::AssemblyOffset(0))) };
    hello();
}
