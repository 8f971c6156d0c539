//! The features of the processor.

use core::arch::x86_64::__cpuid_count;

/// Whether it does AVX2 and the kernel saves its registers.
pub fn has_avx2() -> bool {
    const AVX: u32 = 1 << 28 | 1 << 27;
    const AVX2: u32 = 1 << 5;
    const SSE_AND_AVX_STATE: u32 = 0b110;
    if __cpuid_count(0, 0).eax < 7 || __cpuid_count(1, 0).ecx & AVX != AVX {
        return false;
    }
    let state: u32;
    // SAFETY: the bit for OSXSAVE says that XGETBV exists (SDM vol. 1, 13.2).
    unsafe {
        core::arch::asm!("xgetbv", in("ecx") 0, out("eax") state, out("edx") _, options(nomem, nostack));
    }
    state & SSE_AND_AVX_STATE == SSE_AND_AVX_STATE && __cpuid_count(7, 0).ebx & AVX2 != 0
}

/// The name that a hypervisor or an emulator gives itself (CPUID leaf 0x40000000), or
/// whatever the processor answers to that leaf if there is none.
pub fn hypervisor() -> [u8; 12] {
    let leaf = core::arch::x86_64::__cpuid(0x4000_0000);
    let mut name = [0; 12];
    name.as_chunks_mut::<4>().0.copy_from_slice(&[leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes));
    name
}
