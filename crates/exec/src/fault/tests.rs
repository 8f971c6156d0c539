//! Guarded calls from inside: what the caller's registers hold afterwards. One
//! test, because there is one record.

use super::*;

/// Ruins every register that a function must preserve, and the control words,
/// then does what its argument says.
#[unsafe(naked)]
extern "sysv64" fn ruin(what: u64, _: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    naked_asm!(
        "push 0",
        "mov dword ptr [rsp], 0x9F80", // MXCSR: flush to zero
        "ldmxcsr [rsp]",
        "mov dword ptr [rsp], 0x027F", // x87: 53 bits
        "fldcw [rsp]",
        "fldz", // and a register in use
        "mov rbx, -1",
        "mov rbp, -1",
        "mov r12, -1",
        "mov r13, -1",
        "mov r14, -1",
        "mov r15, -1",
        "std",
        "cmp rdi, 0",
        "je 2f",
        "cmp rdi, 1",
        "je 3f",
        "add rsp, 8",
        "mov eax, 7",
        "ret",
        "2:",
        "ud2",
        "3:",
        "cld",
        "call {panics}",
        "ud2",
        panics = sym panics,
    )
}

/// Acts like the panic handler of the executable.
extern "sysv64" fn panics() {
    call_back(|| {
        assert!(in_call_back());
        // SAFETY: (1) asserted.
        unsafe { escape() }
    })
}

/// Fills the preserved registers, runs [`trial`] and counts those that changed.
#[unsafe(naked)]
extern "sysv64" fn registers_lost(what: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov ebx, 11",
        "mov ebp, 12",
        "mov r12d, 13",
        "mov r13d, 14",
        "mov r14d, 15",
        "mov r15d, 16",
        "call {trial}",
        "xor eax, eax",
        "cmp rbx, 11",
        "setne al",
        "cmp rbp, 12",
        "setne cl",
        "add al, cl",
        "cmp r12, 13",
        "setne cl",
        "add al, cl",
        "cmp r13, 14",
        "setne cl",
        "add al, cl",
        "cmp r14, 15",
        "setne cl",
        "add al, cl",
        "cmp r15, 16",
        "setne cl",
        "add al, cl",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        trial = sym trial,
    )
}

extern "sysv64" fn trial(what: u64) {
    let start = ruin as *const () as usize;
    // SAFETY: (1) what it breaks is the subject; (2) nothing else; (3) nothing; (4) it
    // is code of this test; (5) it leaves them; (6) this thread installs.
    let ending = unsafe { call(ruin, &[what, 0, 0, 0, 0, 0], start..start + 256) }.expect("no other call");
    match (what, ending) {
        (0, Ending::Faulted(fault)) => {
            assert_eq!(fault.signal, Signal::ILL);
            assert!(matches!(fault.place, Place::Code(1..256)), "{fault:?}");
        }
        (1, Ending::Panicked) | (2, Ending::Returned(7)) => {}
        _ => panic!("{what} ended in {ending:?}"),
    }
}

fn control_words() -> (u32, u16) {
    let (mut mxcsr, mut x87) = (0u32, 0u16);
    // SAFETY: both instructions store to a place of our own.
    unsafe {
        core::arch::asm!("stmxcsr [{}]", "fnstcw [{}]", in(reg) &raw mut mxcsr, in(reg) &raw mut x87);
    }
    // The low bits of MXCSR are flags of past results.
    (mxcsr & !0x3F, x87)
}

#[test]
fn the_caller_keeps_its_registers_however_the_code_ends() {
    install().expect("no syscall is refused");
    let before = control_words();
    for what in [0, 1, 2, 0, 1, 2] {
        assert_eq!(registers_lost(what), 0, "after ending {what}");
        assert_eq!(control_words(), before, "after ending {what}");
    }
}
