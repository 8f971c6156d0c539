//! What only a build script can do: linker arguments of the freestanding
//! executable, and telling the assembler what it is optimised for. The arguments
//! go to the binary only: tests, examples and this script link against the C
//! library as usual.

use std::env;

fn main() {
    // For speed the encoder of src/asm.rs is folded into every call; else there
    // is one for all, and a call costs its arguments.
    println!("cargo::rustc-check-cfg=cfg(compact)");
    if !matches!(env::var("OPT_LEVEL").as_deref(), Ok("2" | "3")) {
        println!("cargo::rustc-cfg=compact");
    }

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/linker.ld");
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
        // Exactly the segments that the picture draws.
        "-Wl,-z,norelro",
        "-Wl,-z,noexecstack",
        // The image is small; page-sized alignment is all the kernel asks for.
        "-Wl,-z,max-page-size=4096",
        // A section that the picture forgets is an error, not a surprise.
        "-Wl,--orphan-handling=error",
        // Nothing reads it in a static executable.
        "-Wl,--build-id=none",
        "-Wl,--hash-style=sysv",
    ];
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rerun-if-changed={script}");
    println!("cargo::rerun-if-changed=build.rs");
}
