//! The modules of a package and which of them names which, read from the sources as text.
//!
//! A module is a file. A path leads to the file that defines its name: one that a parent only
//! re-exports leads to where the name comes from. Parents and children are parts of each
//! other, so an arrow between them counts as none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Name = Vec<String>;

/// The modules of one package.
pub(super) struct Modules {
    /// Source text without comments and tests.
    text: BTreeMap<Name, String>,
    /// The imports of a module: the name in it, and the path.
    imports: BTreeMap<Name, BTreeMap<String, Name>>,
}

impl Modules {
    /// The modules below `folder`, a package's `src`.
    pub(super) fn new(folder: &Path) -> Self {
        let mut text = BTreeMap::new();
        for path in super::sources(folder) {
            let source = std::fs::read_to_string(&path).expect("text");
            text.insert(module(path.strip_prefix(folder).expect("below")), plain(&source));
        }
        let tests: Vec<Name> = text.iter().flat_map(|(name, text)| test_modules(name, text)).collect();
        text.retain(|name, _| !tests.iter().any(|test| name.starts_with(test)));
        let mut modules = Self { text, imports: BTreeMap::new() };
        let names: Vec<Name> = modules.text.keys().cloned().collect();
        for name in &names {
            let uses = modules.uses(name).into_iter();
            let last = |path: Name| path.last().cloned().map(|last| (last, path));
            modules.imports.insert(name.clone(), uses.filter_map(last).collect());
        }
        modules
    }

    /// Circles of two modules or more: each module leads to the next, and the last to the first.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let arrows: BTreeMap<&Name, BTreeSet<Name>> =
            self.text.keys().map(|name| (name, self.arrows(name))).collect();
        let reach = |from: &Name| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(next) = open.pop() {
                for to in arrows.get(&next).into_iter().flatten() {
                    if seen.insert(to.clone()) {
                        open.push(to.clone());
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<&Name, BTreeSet<Name>> =
            arrows.keys().map(|name| (*name, reach(name))).collect();
        let mut circles = BTreeSet::new();
        for (name, there) in &reached {
            let back = |other: &&Name| there.contains(*other) && reached[*other].contains(*name);
            let circle: Vec<String> =
                reached.keys().copied().filter(back).map(|name| name.join("::")).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// The modules that `name` names, but for its parents and children.
    fn arrows(&self, name: &Name) -> BTreeSet<Name> {
        let mut paths = self.uses(name);
        for word in paths_in(&self.text[name]) {
            paths.extend(self.resolve(name, word));
        }
        let mut found = BTreeSet::new();
        for path in paths {
            let target = self.definition(path, 0);
            if !target.starts_with(name) && !name.starts_with(&target) {
                found.insert(target);
            }
        }
        found
    }

    /// The paths of its `use` declarations, from the root of the package.
    fn uses(&self, name: &Name) -> Vec<Name> {
        let mut found = Vec::new();
        for part in self.text[name].split("use ").skip(1) {
            let Some((tree, _)) = part.split_once(';') else { continue };
            let mut paths = Vec::new();
            expand(tree.trim(), &[], &mut paths);
            found.extend(paths.into_iter().filter_map(|path| self.resolve(name, path)));
        }
        found
    }

    /// A path as it is written in a module, from the root of the package; `None` if it leads
    /// to another package.
    fn resolve(&self, name: &Name, path: Name) -> Option<Name> {
        let mut from = name.clone();
        let mut path = path.into_iter().peekable();
        match path.peek().map(String::as_str)? {
            "crate" | "barejit" => {
                path.next();
                from.clear();
            }
            "self" => drop(path.next()),
            "super" => {
                while path.next_if(|part| part == "super").is_some() {
                    from.pop();
                }
            }
            child => {
                let child: Name = from.iter().cloned().chain([child.to_string()]).collect();
                if !self.text.contains_key(&child) {
                    return None;
                }
            }
        }
        Some(from.into_iter().chain(path).collect())
    }

    /// The module that defines what the path names.
    fn definition(&self, path: Name, depth: usize) -> Name {
        let mut module = path.clone();
        while !module.is_empty() && !self.text.contains_key(&module) {
            module.pop();
        }
        let imported = path.get(module.len()).and_then(|name| self.imports.get(&module)?.get(name));
        match imported {
            // Only re-exports of children lead on; other imports are the module's own.
            Some(from) if from.starts_with(&module) && *from != path && depth < 8 => {
                self.definition(from.clone(), depth + 1)
            }
            _ => module,
        }
    }
}

/// The name of the module in the file at this path below `src`.
fn module(path: &Path) -> Name {
    let mut name: Name =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if name == ["lib"] || name == ["main"] {
        name.clear();
    }
    name
}

/// The source without comments, and without a module of tests at its end.
fn plain(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Modules that only tests have.
fn test_modules(name: &Name, text: &str) -> Vec<Name> {
    let parts = text.split("#[cfg(test)]").skip(1);
    let named = parts.filter_map(|part| part.trim_start().strip_prefix("mod ")?.split(';').next());
    named.map(|child| name.iter().cloned().chain([child.to_string()]).collect()).collect()
}

/// The paths of a `use` tree.
fn expand(tree: &str, before: &[String], found: &mut Vec<Name>) {
    let tree = tree.trim();
    let Some((head, list)) = tree.split_once('{') else {
        let tree = tree.split(" as ").next().unwrap_or_default();
        let parts = tree.split("::").map(|part| part.trim().to_string());
        found.push(before.iter().cloned().chain(parts.filter(|part| part != "self")).collect());
        return;
    };
    let parts = head.split("::").map(|part| part.trim().to_string()).filter(|part| !part.is_empty());
    let before: Vec<String> = before.iter().cloned().chain(parts).collect();
    let (mut depth, mut start) = (0, 0);
    let list = list.trim_end().strip_suffix('}').unwrap_or(list);
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 && c == ',' {
            if !list[start..at].trim().is_empty() {
                expand(&list[start..at], &before, found);
            }
            start = at + 1;
        }
    }
}

/// The paths of two names or more in a text.
fn paths_in(text: &str) -> Vec<Name> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let paths = words.filter(|word| word.contains("::") && !word.starts_with(':'));
    paths.map(|word| word.split("::").filter(|part| !part.is_empty()).map(String::from).collect()).collect()
}
