//! The linker arguments of the freestanding executable, and where its link map lies. The
//! arguments go to the binary only: tests, examples and this script link against the C
//! library as usual.

use std::env;

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/linker.ld");
    let map = format!("{}/barejit.map", env::var("OUT_DIR").expect("cargo sets it"));
    let arguments = [
        // There is no C run-time to start from: src/rt brings `_start`.
        "-nostartfiles",
        // No C library and no libgcc either: src/rt brings memcpy and its family.
        "-nostdlib",
        // Position-independent, so that the kernel can randomise the address,
        // and static, so that it needs no interpreter. It relocates itself.
        "-static-pie",
        // Our own memory picture.
        &format!("-Wl,-T,{script}"),
        // tests/it/elf.rs reads which sections each pattern of the script matched.
        &format!("-Wl,-Map={map}"),
        // Debuggers find generated code by these two, which stripping must not
        // remove: it leaves the dynamic symbol table alone.
        "-Wl,--export-dynamic-symbol=__jit_debug_descriptor",
        "-Wl,--export-dynamic-symbol=__jit_debug_register_code",
        // Exactly the segments that the picture draws.
        "-Wl,-z,norelro",
        // No dynamic linker comes to write to it. GNU ld warns that it does not know this,
        // and puts it where the picture says all the same.
        "-Wl,-z,rodynamic",
        "-Wl,-z,noexecstack",
        // The image is small; page-sized alignment is all the kernel asks for.
        "-Wl,-z,max-page-size=4096",
        // Relocations as a bit map, a tenth of the size of a table of entries.
        "-Wl,-z,pack-relative-relocs",
        // A section that the picture forgets is an error, not a surprise.
        "-Wl,--orphan-handling=error",
        // Nothing reads it in a static executable.
        "-Wl,--build-id=none",
        // One hash table of the two exported symbols, not two.
        "-Wl,--hash-style=sysv",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-env=LINK_MAP={map}");
    println!("cargo::rerun-if-changed={script}");
    println!("cargo::rerun-if-changed=build.rs");
}
