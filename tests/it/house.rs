//! The house keeps its own rules: which room may know which.

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The room of a source file: the first part of its path under src.
fn room(path: &Path) -> String {
    let first = path.strip_prefix("src").expect("under src").components().next().expect("a part");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string()
}

#[test]
fn arrows_between_rooms_go_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("code", &[]),
        ("asm", &["code"]),
        ("front", &["asm", "code"]),
        ("sys", &[]),
        ("exec", &["code", "sys"]),
        ("fault", &["code", "sys"]),
        ("debug", &["code", "sys"]),
        ("host", &["fault", "sys"]),
        ("probe", &["asm", "code", "exec", "fault", "sys"]),
        ("run", &["code", "debug", "exec", "fault", "host", "sys"]),
    ];
    let mut wrong = Vec::new();
    for path in sources(Path::new("src")) {
        let Some((_, targets)) = allowed.iter().find(|(name, _)| *name == room(&path)) else { continue };
        let text = std::fs::read_to_string(&path).expect("text");
        for (number, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices("crate::") {
                let target = line[at + 7..]
                    .split(|c: char| !c.is_alphanumeric() && c != '_')
                    .next()
                    .unwrap_or_default();
                let known = allowed.iter().any(|(name, _)| *name == target);
                if known && target != room(&path) && !targets.contains(&target) {
                    wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
                }
            }
            if (line.contains("syscalls::") || line.contains("syscall!(")) && room(&path) != "sys" {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that ARCHITECTURE.md does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_owns() {
    for path in sources(Path::new("src")).into_iter().chain(sources(Path::new("tests"))) {
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.starts_with("//!"), "{} opens without a word", path.display());
    }
}
