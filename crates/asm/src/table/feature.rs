//! CPU features that an instruction needs, and the bits of CPUID that tell of them.

use crate::code::spec::same;

/// A feature of the CPU, beyond those that every x86-64 has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Feature(u8);

/// The bit of CPUID that is set if the processor has a feature (SDM vol. 2A, CPUID; APM
/// vol. 3, appendix E).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cpuid {
    /// EAX before CPUID.
    pub leaf: u32,
    /// ECX before CPUID.
    pub subleaf: u32,
    /// The register with the bit: 0 EAX, 1 EBX, 2 ECX, 3 EDX.
    pub register: usize,
    /// The number of the bit.
    pub bit: u32,
}

/// The features, by their numbers; 0 is none. Behind a colon: leaf, subleaf, register and
/// bit of CPUID. Features of the kernel only, and those that iced-x86 groups, have none.
/// One string, since each of a hundred would be a relocation of a program's start.
const FEATURES: &str = "- FPU:1.0.d.0 MMX:1.0.d.23 SSE:1.0.d.25 SSE2:1.0.d.26 SSE3:1.0.c.0 SSSE3:1.0.c.9 \
    SSE4_1:1.0.c.19 SSE4_2:1.0.c.20 SSE4A:80000001.0.c.6 CMPXCHG16B:1.0.c.13 POPCNT:1.0.c.23 \
    LZCNT:80000001.0.c.5 MOVBE:1.0.c.22 BMI1:7.0.b.3 BMI2:7.0.b.8 ADX:7.0.b.19 AES:1.0.c.25 \
    PCLMULQDQ:1.0.c.1 SHA:7.0.b.29 GFNI:7.0.c.8 F16C:1.0.c.29 FMA:1.0.c.12 FMA4:80000001.0.c.16 \
    AVX:1.0.c.28 AVX2:7.0.b.5 VAES:7.0.c.9 VPCLMULQDQ:7.0.c.10 AVX_VNNI:7.1.a.4 AVX_VNNI_INT8:7.1.d.4 \
    AVX_VNNI_INT16:7.1.d.10 AVX_IFMA:7.1.a.23 AVX_NE_CONVERT:7.1.d.5 SHA512:7.1.a.0 SM3:7.1.a.1 \
    SM4:7.1.a.2 CMPCCXADD:7.1.a.7 AVX512F:7.0.b.16 AVX512BW:7.0.b.30 AVX512DQ:7.0.b.17 RDRAND:1.0.c.30 \
    RDSEED:7.0.b.18 RDPID:7.0.c.22 RDTSCP:80000001.0.d.27 RDPRU:80000008.0.b.4 FSGSBASE:7.0.b.0 \
    XSAVE:1.0.c.26 XSAVEC:D.1.a.1 XSAVEOPT:D.1.a.0 XSAVES:D.1.a.3 PKU:7.0.c.3 SMAP:7.0.b.20 \
    INVPCID:7.0.b.10 INVLPGB:80000008.0.b.3 CET_IBT:7.0.d.20 CET_SS:7.0.c.7 RTM:7.0.b.11 HLE_or_RTM \
    CLFLUSHOPT:7.0.b.23 CLWB:7.0.b.24 CLZERO:80000008.0.b.0 CLDEMOTE:7.0.c.25 PREFETCHW:80000001.0.c.8 \
    PREFETCHWT1:7.0.c.0 PREFETCHITI:7.1.d.14 MONITOR:1.0.c.3 MONITORX:80000001.0.c.29 WAITPKG:7.0.c.5 \
    MOVDIRI:7.0.c.27 MOVDIR64B:7.0.c.28 ENQCMD:7.0.c.29 SERIALIZE:7.0.d.14 TSXLDTRK:7.0.d.16 \
    UINTR:7.0.d.5 PTWRITE:14.0.b.4 VMX:1.0.c.5 INVEPT INVVPID SVM:80000001.0.c.2 SKINIT_or_SVM SEV_ES \
    SEV_SNP SGX1 SMX:1.0.c.6 SMM TDX PCONFIG:7.0.d.18 WBNOINVD:80000008.0.b.9 WRMSRNS:7.1.a.19 \
    MSRLIST:7.1.a.27 LKGS:7.1.a.18 FRED:7.1.a.17 HRESET:7.1.a.22 RAO_INT:7.1.a.3 MCOMMIT:80000008.0.b.8 \
    PCOMMIT RMPQUERY OSS UDBG FPU287 FPU387 D3NOW:80000001.0.d.31 TSE";

impl Feature {
    /// Vectors of 512 bits, which the table has only under opmask instructions.
    pub const AVX512F: Self = Self::parse(b"AVX512F");

    /// Its name and its bit, as the list has them.
    fn entry(self) -> (&'static str, &'static str) {
        let entry = FEATURES.split(' ').nth(usize::from(self.0)).unwrap_or("");
        entry.split_once(':').unwrap_or((entry, ""))
    }

    /// Its name, as iced-x86 has it; nothing for what every x86-64 has.
    pub fn name(self) -> &'static str {
        if self.0 == 0 { "" } else { self.entry().0 }
    }

    /// The bit of CPUID that tells of it, unless it is one that a user's program need not ask.
    ///
    /// ```
    /// use barejit_asm::decode;
    /// // vpaddd ymm0, ymm1, ymm2
    /// let instruction = decode(&[0xC5, 0xF5, 0xFE, 0xC2])?;
    /// let [feature, _] = instruction.row().features(instruction.width());
    /// let bit = feature.cpuid().expect("AVX2 has a bit");
    /// assert_eq!((feature.name(), bit.leaf, bit.register, bit.bit), ("AVX2", 7, 1, 5));
    /// # Ok::<(), barejit_asm::NoInstruction>(())
    /// ```
    pub fn cpuid(self) -> Option<Cpuid> {
        let mut fields = self.entry().1.split('.');
        let leaf = u32::from_str_radix(fields.next()?, 16).ok()?;
        let subleaf = fields.next()?.parse().ok()?;
        let register = usize::from(fields.next()?.bytes().next()? - b'a');
        Some(Cpuid { leaf, subleaf, register, bit: fields.next()?.parse().ok()? })
    }

    /// No feature beyond those of every x86-64.
    pub(super) const NONE: Self = Self(0);

    const fn parse(name: &[u8]) -> Self {
        if name.is_empty() {
            return Self::NONE;
        }
        let all = FEATURES.as_bytes();
        let (mut start, mut number) = (0, 0);
        while start < all.len() {
            let mut end = start;
            while end < all.len() && all[end] != b' ' && all[end] != b':' {
                end += 1;
            }
            // Length and first letter first: a call is what takes the compiler time.
            if end - start == name.len()
                && all[start] == name[0]
                && same(all.split_at(end).0.split_at(start).1, name)
            {
                return Self(number);
            }
            while end < all.len() && all[end] != b' ' {
                end += 1;
            }
            start = end + 1;
            number += 1;
        }
        panic!("no such feature")
    }
}

/// Two features at most with `+` between them, and behind a `/` that for 256 bits.
pub(super) const fn features(text: &str) -> [Feature; 3] {
    let mut features = [Feature::NONE; 3];
    let mut rest = text.as_bytes();
    let mut at = 0;
    loop {
        let mut end = 0;
        while end < rest.len() && rest[end] != b'+' && rest[end] != b'/' {
            end += 1;
        }
        features[at] = Feature::parse(rest.split_at(end).0);
        match rest.split_at(end).1 {
            [separator, more @ ..] => {
                at = if *separator == b'/' { 2 } else { 1 };
                rest = more;
            }
            [] => return features,
        }
    }
}
