//! Tells the assembler what it is optimised for: a build script sees the level, the
//! source does not.

use std::env;

fn main() {
    // For speed the encoder is folded into every call; else each method and the encoder
    // are there once, and a call costs its arguments.
    println!("cargo::rustc-check-cfg=cfg(compact)");
    if !matches!(env::var("OPT_LEVEL").as_deref(), Ok("2" | "3")) {
        println!("cargo::rustc-cfg=compact");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
