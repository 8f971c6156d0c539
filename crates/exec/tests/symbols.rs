//! A program that uses code memory links beside another JIT: the two symbols of GDB's
//! interface are there only if the feature `gdb` is asked for.

use std::process::Command;

#[test]
fn no_symbols_for_debuggers_unless_they_are_asked_for() {
    for (features, expected) in [("", 0), ("gdb", 2)] {
        let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/alone");
        let mut cargo = Command::new(env!("CARGO"));
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        cargo.args(["build", "--offline", "--lib", "--manifest-path", manifest, "--target-dir", target]);
        let built = cargo.args(["--features", features]).output().expect("cargo runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut nm = Command::new("nm");
        let symbols = nm.arg("--defined-only").arg(format!("{target}/debug/libbarejit_exec.rlib")).output();
        let symbols = symbols.unwrap_or_else(|error| panic!("nm: {error}; run: apt-get install -y binutils"));
        let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
        let found = symbols
            .lines()
            .filter(|line| {
                [" __jit_debug_descriptor", " __jit_debug_register_code"]
                    .iter()
                    .any(|name| line.ends_with(name))
            })
            .count();
        assert_eq!(found, expected, "--features '{features}':\n{symbols}");
    }
}
