//! Stubs for the 32 exceptions of x86-64, baked, with the address of the handler as a
//! hole: what a kernel copies into a page and points its interrupt table to.
//!
//! It builds for `x86_64-unknown-none`, too, where nothing but `core` exists, by rustc,
//! since Cargo would build what the tests need:
//!
//! ```text
//! cargo build -p barejit-asm --target x86_64-unknown-none
//! rustc --edition 2024 --target x86_64-unknown-none -C panic=abort \
//!     --extern barejit_asm=target/x86_64-unknown-none/debug/libbarejit_asm.rlib \
//!     crates/asm/examples/interrupt_stubs.rs
//! ```
#![cfg_attr(target_os = "none", no_std, no_main)]

use barejit_asm::*;

/// A stub has this many bytes, so that the address of one is that of the first plus 16
/// times its vector.
const STUB: usize = 16;

/// Exceptions that push an error code (SDM vol. 3A, table 6-1).
const WITH_CODE: u32 = 1 << 8 | 0b111_1100 << 8 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;

/// The caller-saved registers, which the handler may destroy (psABI, 3.2.1).
const SAVED: [Gpr64; 9] = [RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11];

/// Stack of a stub at `common`: vector, error code, and what the processor pushed: RIP,
/// CS, RFLAGS, RSP, SS. `handler(vector, frame)` gets the vector and where RIP is.
const fn stubs(a: &mut Asm<'_>) -> Hole<8> {
    let common = a.label();
    let mut vector = 0;
    while vector < 32 {
        if WITH_CODE >> vector & 1 == 0 {
            a.push_i(0);
        }
        a.push_i(vector).jmp(common).align_code(STUB);
        vector += 1;
    }
    a.bind(common);
    let mut i = 0;
    while i < SAVED.len() {
        a.push_r(SAVED[i]);
        i += 1;
    }
    let above = 8 * SAVED.len() as i32;
    a.mov_rm(RDI, qword(RSP).disp(above)).lea(RSI, address(RSP).disp(above + 16));
    // The processor aligned the stack to 16 bytes and pushed five words, the stub two.
    a.cld().mov_r64_imm64(RAX, 0);
    let handler = a.hole();
    a.call_r(RAX);
    while i > 0 {
        i -= 1;
        a.pop_r(SAVED[i]);
    }
    a.add_ri(RSP, 16).iretq();
    handler
}

bake! {
    /// 32 stubs, then what they share.
    static STUBS: Hole<8> = stubs;
}

/// Puts the stubs into `page` for this handler.
///
/// # Panics
/// If they do not fit.
fn install(page: &mut [u8], handler: u64) {
    let (room, _) = page.split_at_mut(STUBS.bytes.len());
    room.copy_from_slice(&STUBS.bytes);
    STUBS.with.fill(room, handler.to_le_bytes());
}

#[cfg(not(target_os = "none"))]
fn main() {
    let mut page = [0xCC; 4096];
    install(&mut page, 0xFFFF_FFFF_8000_1000);
    println!("{} bytes of stubs, the handler's address at {}", STUBS.bytes.len(), STUBS.with.at());
    assert_eq!(STUBS.with.read(&page), 0xFFFF_FFFF_8000_1000_u64.to_le_bytes());
    // Vector 14, the page fault, has an error code; vector 3, the breakpoint, has none.
    assert_eq!(page[14 * STUB..14 * STUB + 2], [0x6A, 14]);
    assert_eq!(page[3 * STUB..3 * STUB + 4], [0x6A, 0, 0x6A, 3]);
}

#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    static mut PAGE: [u8; 4096] = [0xCC; 4096];
    // SAFETY: this runs once, and nothing else knows the page.
    let page = unsafe { &mut *core::ptr::addr_of_mut!(PAGE) };
    install(page, 0xFFFF_FFFF_8000_1000);
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
