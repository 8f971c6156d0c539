//! Writes the names of errors, which the crate `syscalls` has as code, as text.

use std::env;

/// The largest errno of Linux, EHWPOISON.
const LAST_ERRNO: i32 = 133;

/// Writes what every errno is called and means, a line a number: one string for
/// the executable, where a table would need code or relocations for each entry.
fn errnos() {
    let lines = (1..=LAST_ERRNO).map(|number| {
        let known = syscalls::Errno::new(number).name_and_description();
        known.map_or("\n".into(), |(name, description)| format!("{name} ({description})\n"))
    });
    let folder = env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(std::path::Path::new(&folder).join("errnos"), lines.collect::<String>())
        .expect("the folder is writable");
}

fn main() {
    errnos();
    println!("cargo::rerun-if-changed=build.rs");
}
