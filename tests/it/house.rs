//! The house keeps its own rules: which room may know which.

mod modules;

use modules::Modules;
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

/// All source files, those of the packages below the executable included.
fn all_sources() -> Vec<PathBuf> {
    let packages = ["src", "crates/asm/src", "crates/exec/src", "crates/sys/src"];
    packages.iter().flat_map(|folder| sources(Path::new(folder))).collect()
}

/// The room of a source file: its package below `crates`, else the first part of its path
/// under src. The command line and the commands are parts of `main`.
fn room(path: &Path) -> String {
    let second = path.components().nth(1).expect("a part");
    let name = second.as_os_str().to_string_lossy().trim_end_matches(".rs").to_string();
    if ["cli", "command"].contains(&name.as_str()) { "main".into() } else { name }
}

/// The rooms that `text` names: the part behind `crate::` or `barejit::`, alone or in
/// braces, and the packages.
fn named(text: &str) -> Vec<String> {
    let first = |text: &str| {
        let word = text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next();
        word.unwrap_or_default().to_string()
    };
    let mut found = Vec::new();
    for (at, _) in text.match_indices("barejit_") {
        found.push(first(&text[at + "barejit_".len()..]));
    }
    for path in ["crate::", "barejit::"] {
        for (at, _) in text.match_indices(path) {
            let rest = &text[at + path.len()..];
            let Some(list) = rest.strip_prefix('{') else {
                found.push(first(rest));
                continue;
            };
            let (mut depth, mut start) = (1, 0);
            for (i, c) in list.char_indices() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                if depth == 0 || depth == 1 && c == ',' {
                    found.push(first(&list[start..i]));
                    start = i + 1;
                }
                if depth == 0 {
                    break;
                }
            }
        }
    }
    found
}

#[test]
fn arrows_between_rooms_go_one_way() {
    let allowed: &[(&str, &[&str])] = &[
        ("asm", &[]),
        ("sys", &[]),
        ("exec", &["asm", "sys"]),
        ("front", &["asm"]),
        ("host", &["exec", "sys"]),
        ("probe", &["asm", "exec", "sys"]),
        ("run", &["asm", "exec", "host", "sys"]),
        ("watch", &["probe", "sys"]),
        ("repl", &["asm", "exec", "front", "run", "sys"]),
        ("main", &["asm", "front", "host", "probe", "repl", "run", "sys", "watch"]),
        ("rt", &["exec", "main", "sys"]),
    ];
    let (mut seen, mut wrong) = (Vec::new(), Vec::new());
    for path in all_sources() {
        let room = room(&path);
        let Some((_, targets)) = allowed.iter().find(|(name, _)| *name == room) else {
            assert_eq!(room, "lib", "a room that is in no list");
            continue;
        };
        let text = std::fs::read_to_string(&path).expect("text");
        for target in named(&text) {
            let known = allowed.iter().any(|(name, _)| *name == target);
            if known && target != room && !targets.contains(&target.as_str()) {
                wrong.push(format!("{}: {target}", path.display()));
            }
            seen.push((room.clone(), target));
        }
        if (text.contains("syscalls::") || text.contains("syscall!(")) && room != "sys" {
            wrong.push(format!("{}: syscalls", path.display()));
        }
    }
    assert!(wrong.is_empty(), "arrows that ARCHITECTURE.md does not allow:\n{}", wrong.join("\n"));
    for (room, targets) in allowed {
        for target in *targets {
            let used = seen.iter().any(|(from, to)| from == room && to == target);
            assert!(used, "no file of {room} names {target}");
        }
    }
}

#[test]
fn no_two_files_of_a_package_name_each_other() {
    for folder in ["src", "crates/asm/src", "crates/exec/src", "crates/sys/src"] {
        let circles = Modules::new(Path::new(folder)).circles();
        assert!(circles.is_empty(), "circles in {folder}: {circles:#?}");
    }
}

#[test]
fn every_file_opens_with_what_it_owns() {
    for path in all_sources().into_iter().chain(sources(Path::new("tests"))) {
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.starts_with("//!"), "{} opens without a word", path.display());
    }
}

/// The Debian packages in the Makefile: the words behind a colon in its lists.
fn packages_of_the_makefile() -> Vec<String> {
    let text = std::fs::read_to_string("Makefile").expect("text").replace("\\\n", " ");
    let list = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        let pairs = line.split_once('=').expect("a list").1.split_whitespace();
        pairs.flat_map(|pair| pair.split(':').nth(1).expect("COMMAND:PACKAGE").split(',')).collect::<Vec<_>>()
    };
    [list("LINKER"), list("TOOLS")].concat().into_iter().map(String::from).collect()
}

#[test]
fn makefile_readme_and_contributing_name_the_same_packages() {
    let packages = packages_of_the_makefile();
    let unique: std::collections::BTreeSet<_> = packages.iter().collect();
    assert_eq!(unique.len(), packages.len(), "twice in the Makefile: {packages:?}");
    for page in ["README.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(page).expect("text");
        let named = |word: &str| text.split(|c: char| !c.is_alphanumeric() && c != '-').any(|w| w == word);
        let needed = packages.iter().map(String::as_str).chain(["make", "git"]);
        let missing: Vec<_> = needed.filter(|word| !named(word)).collect();
        assert!(missing.is_empty(), "{page} does not name {missing:?}");
    }
}

/// The walks through the files, in docs/walks.md: a path in backquotes, a comma or the
/// next column, and the name of a function in backquotes.
#[test]
fn stops_of_the_walks_are_functions_of_their_files() {
    let walks = std::fs::read_to_string("docs/walks.md").expect("text").replace('\n', " ");
    let mut stops = 0;
    let words: Vec<&str> = walks.split('`').map(str::trim).collect();
    for stop in words.windows(3) {
        let [path, "," | "|", function] = stop else { continue };
        if !path.ends_with(".rs") {
            continue;
        }
        let file = std::fs::read_to_string(path).expect("text");
        let name = function.rsplit("::").next().expect("a name");
        let declared = [format!("fn {name}("), format!("fn {name}<")];
        assert!(declared.iter().any(|text| file.contains(text)), "{path} has no function {function}");
        stops += 1;
    }
    assert!(stops >= 25, "{stops} stops");
}
