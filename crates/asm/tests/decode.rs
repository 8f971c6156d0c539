//! The decoder, judged by iced-x86: the same length and the same text, for random bytes
//! and for all the code of installed programs.

use barejit_asm::{NoInstruction, decode};
use iced_x86::{Decoder, DecoderOptions, EncodingKind, Formatter, Instruction, IntelFormatter, OpKind};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Both readings of bytes.
struct Judge {
    signed: IntelFormatter,
    unsigned: IntelFormatter,
}

impl Judge {
    fn new() -> Self {
        let formatter = |signed| {
            let mut formatter = IntelFormatter::new();
            let options = formatter.options_mut();
            options.set_space_after_operand_separator(true);
            options.set_number_base(iced_x86::NumberBase::Decimal);
            options.set_signed_immediate_operands(signed);
            options.set_rip_relative_addresses(true);
            options.set_memory_size_options(iced_x86::MemorySizeOptions::Always);
            options.set_always_show_scale(true);
            options.set_use_pseudo_ops(false);
            formatter
        };
        Self { signed: formatter(true), unsigned: formatter(false) }
    }

    /// iced's text, with branch targets in hexadecimal and bytes that stand for
    /// themselves without a sign.
    fn text(&mut self, instruction: &Instruction) -> String {
        let mut text = String::new();
        let bytes = (0..instruction.op_count()).any(|i| {
            matches!(
                instruction.op_kind(i),
                OpKind::Immediate8 | OpKind::Immediate8_2nd | OpKind::Immediate16
            )
        });
        let operand = (0..instruction.op_count()).find(|i| instruction.op_kind(*i) == OpKind::Immediate8);
        let arithmetic = operand.is_some() && is_arithmetic(instruction);
        let words = instruction.op_count() > 1
            && instruction.mnemonic() != iced_x86::Mnemonic::Enter
            && (1..instruction.op_count()).any(|i| instruction.op_kind(i) == OpKind::Immediate16);
        let formatter = if bytes && !arithmetic && !words { &mut self.unsigned } else { &mut self.signed };
        formatter.format(instruction, &mut text);
        if let (true, Some((head, _))) =
            (matches!(instruction.op_kind(0), OpKind::NearBranch64), text.rsplit_once(' '))
        {
            let head = head.trim_end_matches(" short");
            return format!("{head} {:#x}", instruction.near_branch64());
        }
        text
    }
}

/// Whether an immediate byte is a number as wide as the other operand.
fn is_arithmetic(instruction: &Instruction) -> bool {
    use iced_x86::Mnemonic::{Adc, Add, And, Cmp, Mov, Or, Sbb, Sub, Test, Xor};
    [Adc, Add, And, Cmp, Mov, Or, Sbb, Sub, Test, Xor].contains(&instruction.mnemonic())
}

/// Instructions of groups that are left out.
fn is_left_out(instruction: &Instruction) -> bool {
    use iced_x86::CpuidFeature as F;
    let encoding = instruction.code().op_code().encoding();
    let features = instruction.code().cpuid_features();
    let mnemonic = format!("{:?}", instruction.mnemonic());
    [EncodingKind::EVEX, EncodingKind::XOP, EncodingKind::D3NOW, EncodingKind::MVEX].contains(&encoding)
        || mnemonic.starts_with("Reservednop")
        || instruction.code() == iced_x86::Code::Xbegin_rel16
        || features.iter().any(|feature| {
            let name = format!("{feature:?}");
            ["AMX", "KL", "AESKLE", "WIDE_KL", "PADLOCK", "KNC"].iter().any(|group| name.starts_with(group))
                || [F::MPX, F::TSE, F::XOP].contains(feature)
        })
}

#[derive(Default)]
struct Count {
    total: usize,
    same: usize,
    invalid: usize,
    left_out: BTreeMap<String, usize>,
    wrong: BTreeMap<String, (usize, String)>,
    /// Codes of iced that came out the same.
    codes: BTreeSet<String>,
}

impl Count {
    /// Decodes one instruction both ways; gives its size, as iced has it.
    fn compare(&mut self, judge: &mut Judge, bytes: &[u8], address: u64) -> usize {
        let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
        let theirs = decoder.decode();
        let ours = decode(bytes);
        self.total += 1;
        if theirs.is_invalid() {
            let truncated = decoder.last_error() == iced_x86::DecoderError::NoMoreBytes;
            let expected = if truncated { NoInstruction::Truncated } else { NoInstruction::Invalid };
            match ours {
                Err(_) => self.invalid += 1,
                Ok(ours) => self.blame(
                    &format!("invalid {}", ours.at(address).to_string().split(' ').next().unwrap()),
                    bytes,
                    &ours.at(address).to_string(),
                    &format!("{expected}"),
                ),
            }
            return 1;
        }
        let text = judge.text(&theirs);
        match ours {
            Ok(ours) if ours.size() == theirs.len() && ours.at(address).to_string() == text => {
                self.same += 1;
                if ours.rip_distance().is_some() {
                    let offset = decoder.get_constant_offsets(&theirs).displacement_offset();
                    assert_eq!(ours.rip_distance_at(), offset, "{text}: {bytes:02x?}");
                }
                self.codes.insert(format!("{:?}", theirs.code()));
            }
            Err(_) if is_left_out(&theirs) => {
                let code = theirs.code().op_code();
                *self.left_out.entry(format!("{:?}", code.encoding())).or_default() += 1;
            }
            Ok(ours) => {
                let ours = format!("{} ({} bytes)", ours.at(address), ours.size());
                self.blame(
                    &format!("{:?}", theirs.code()),
                    bytes,
                    &ours,
                    &format!("{text} ({} bytes)", theirs.len()),
                );
            }
            Err(error) => self.blame(&format!("{:?}", theirs.code()), bytes, &error.to_string(), &text),
        }
        theirs.len()
    }

    fn blame(&mut self, code: &str, bytes: &[u8], ours: &str, theirs: &str) {
        let bytes = bytes.get(..15).unwrap_or(bytes);
        let text = format!("{bytes:02x?}\n  ours:     {ours}\n  iced-x86: {theirs}");
        self.wrong.entry(code.into()).or_insert((0, text)).0 += 1;
    }

    #[track_caller]
    fn finish(&self) {
        println!(
            "{} byte strings: {} the same, of {} codes, {} invalid to both, left out {:?}",
            self.total,
            self.same,
            self.codes.len(),
            self.invalid,
            self.left_out
        );
        let mut wrong: Vec<_> = self.wrong.iter().collect();
        wrong.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (code, (count, text)) in wrong.iter().take(40) {
            println!("{code}: {count} times, first {text}");
        }
        assert!(wrong.is_empty(), "{} codes differ", wrong.len());
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// This CPU's features as the standard library detects them, by their names in the table.
#[cfg(target_arch = "x86_64")]
fn detected() -> BTreeMap<&'static str, bool> {
    macro_rules! detected {
        ($($name:literal $feature:tt),* $(,)?) => {
            BTreeMap::from([$(($name, std::is_x86_feature_detected!($feature))),*])
        };
    }
    detected! {
        "SSE3" "sse3", "SSSE3" "ssse3", "SSE4_1" "sse4.1", "SSE4_2" "sse4.2", "SSE4A" "sse4a",
        "CMPXCHG16B" "cmpxchg16b", "POPCNT" "popcnt", "LZCNT" "lzcnt", "MOVBE" "movbe",
        "BMI1" "bmi1", "BMI2" "bmi2", "ADX" "adx", "AES" "aes", "PCLMULQDQ" "pclmulqdq",
        "SHA" "sha", "GFNI" "gfni", "F16C" "f16c", "FMA" "fma", "AVX" "avx", "AVX2" "avx2",
        "VAES" "vaes", "VPCLMULQDQ" "vpclmulqdq", "AVX512F" "avx512f", "AVX512BW" "avx512bw",
        "AVX512DQ" "avx512dq", "RDRAND" "rdrand", "RDSEED" "rdseed", "XSAVE" "xsave",
        "XSAVEC" "xsavec", "XSAVEOPT" "xsaveopt", "XSAVES" "xsaves", "RTM" "rtm",
        "AVX_VNNI" "avxvnni", "AVX_VNNI_INT8" "avxvnniint8", "AVX_VNNI_INT16" "avxvnniint16",
        "AVX_IFMA" "avxifma", "AVX_NE_CONVERT" "avxneconvert", "SHA512" "sha512",
        "SM3" "sm3", "SM4" "sm4",
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_bits_of_cpuid_say_what_the_standard_library_says() {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    let mut unseen = detected();
    for feature in barejit_asm::table::TABLE.iter().flat_map(|row| [row.features(0), row.features(256)]) {
        for feature in feature {
            let Some(expected) = unseen.remove(feature.name()) else { continue };
            let bit = feature.cpuid().expect("a feature that can be asked for");
            let there = __cpuid(bit.leaf & 0x8000_0000).eax >= bit.leaf;
            let words = __cpuid_count(bit.leaf, bit.subleaf);
            let word = [words.eax, words.ebx, words.ecx, words.edx][bit.register];
            assert_eq!(there && word >> bit.bit & 1 != 0, expected, "{}: {bit:?}", feature.name());
        }
    }
    assert!(unseen.is_empty(), "no row needs {unseen:?}");
}

#[test]
fn random_bytes_decode_as_iced_decodes_them() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(200_000);
    let mut state = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1u64);
    let (mut judge, mut count) = (Judge::new(), Count::default());
    for _ in 0..rounds {
        let mut bytes: Vec<u8> =
            next(&mut state).to_le_bytes().into_iter().chain(next(&mut state).to_le_bytes()).collect();
        // Half of them begin with a prefix, an escape, or both.
        let choice = next(&mut state);
        let pick = |from: &[u8], n: u64| from[n as usize % from.len()];
        let mut at = 0;
        for bit in 0..3 {
            if choice >> bit & 1 != 0 {
                bytes[at] = pick(
                    &[0x66, 0xF2, 0xF3, 0xF0, 0x67, 0x2E, 0x3E, 0x64, 0x40, 0x41, 0x48, 0x4F],
                    choice >> (8 * bit + 8),
                );
                at += 1;
            }
        }
        match choice >> 3 & 7 {
            0 | 1 => bytes[at] = 0x0F,
            2 => bytes[at..at + 2].copy_from_slice(&[0x0F, 0x38]),
            3 => bytes[at..at + 2].copy_from_slice(&[0x0F, 0x3A]),
            4 => bytes[0] = 0xC5,
            5 => {
                bytes[0] = 0xC4;
                bytes[1] = bytes[1] & 0xE0 | (1 + (choice >> 40) as u8 % 3);
            }
            _ => {}
        }
        bytes.truncate(if choice >> 60 == 0 { (choice >> 50) as usize % 16 } else { 16 });
        if !bytes.is_empty() {
            count.compare(&mut judge, &bytes, 0x1000);
        }
    }
    count.finish();
}

/// The bytes and the address of the code of an installed program.
fn code(path: &str) -> (Vec<u8>, u64) {
    let run = |tool: &str, args: &[&str]| {
        let output = Command::new(tool).args(args).output();
        let output = output.unwrap_or_else(|error| panic!("{tool}: {error}; apt-get install -y binutils"));
        assert!(output.status.success(), "{tool} {args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let bare = std::env::temp_dir().join(format!("barejit-{}-text", std::process::id()));
    let bare = bare.to_str().expect("text");
    run("objcopy", &["-O", "binary", "-j", ".text", path, bare]);
    let bytes = std::fs::read(bare).expect("written");
    std::fs::remove_file(bare).expect("was there");
    let sections = run("objdump", &["-h", "-j", ".text", path]);
    let row = sections.lines().find(|line| line.contains(" .text ")).expect("a section");
    let address = row.split_whitespace().nth(3).expect("an address");
    (bytes, u64::from_str_radix(address, 16).expect("hexadecimal"))
}

#[test]
fn the_code_of_programs_decodes_as_iced_decodes_it() {
    let libraries = "/lib/x86_64-linux-gnu";
    let programs = std::env::var("PROGRAMS").unwrap_or_else(|_| {
        format!(
            "/bin/bash /usr/bin/git {libraries}/libc.so.6 {libraries}/libm.so.6 /lib64/ld-linux-x86-64.so.2"
        )
    });
    let mut judge = Judge::new();
    let mut all = Count::default();
    for path in programs.split(' ').filter(|path| std::fs::exists(path).is_ok_and(|is| is)) {
        let mut count = Count::default();
        let (bytes, address) = code(path);
        let mut at = 0;
        // A debug build takes a sample of long code.
        let end = if cfg!(debug_assertions) { bytes.len().min(300_000) } else { bytes.len() };
        while at < end {
            at += count.compare(&mut judge, &bytes[at..], address + at as u64);
        }
        let left_out: usize = count.left_out.values().sum();
        let share = 100.0 * count.same as f64 / (count.same + left_out) as f64;
        println!("{path}: {} instructions, {} bytes no code, {share:.3} %", count.same, count.invalid);
        assert!(share >= 99.0, "{path}: {:?}", count.left_out);
        all.wrong.append(&mut count.wrong);
        all.same += count.same;
        all.total += count.total;
    }
    assert!(all.total > 100_000, "no program is installed");
    all.finish();
}
