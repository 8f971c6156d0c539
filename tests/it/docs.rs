//! Checks the Markdown files: commands in ```` ```console ```` blocks are
//! run and their output compared, code below a `<!-- code FILE ANCHOR -->` comment is
//! what stands between `ANCHOR:` and `ANCHOR_END:` in that file, the table below a
//! `<!-- rows FILE GROUP… -->` comment has the rows of that file's table that begin with
//! a GROUP, pictures show what is so, and links lead somewhere. With `BLESS=1` in the
//! environment the Markdown files are written anew.

#[path = "../../benches/src/chart.rs"]
mod chart;

use crate::support::*;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// README.md, ARCHITECTURE.md, CONTRIBUTING.md and everything in docs.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(PathBuf::from).into();
    for entry in std::fs::read_dir("docs").expect("docs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// Runs a command line as a reader would, from the top of the repository with
/// `barejit` in the path, and gives everything it prints.
fn transcript(line: &str) -> String {
    let folder = Path::new(BAREJIT).parent().expect("a folder").display();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1 3>&-; {line}")]).env_clear();
    shell.env("PATH", format!("{folder}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"));
    // Shown as installed, whatever folder it was built in; and a flag younger than
    // some straces.
    let text = finish(shell).text().replace(&folder.to_string(), "/usr/local/bin");
    let text = text.replace("|0x8)", "|MFD_NOEXEC_SEAL)");
    text.lines().map(mask_line).collect::<Vec<_>>().join("\n")
}

/// Masks addresses, which differ from run to run: 0x and at least nine digits, and
/// the twelve digits that /proc/PID/maps has.
fn mask_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let word = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (token, after) =
            rest.split_at(if word == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { word });
        let digits = token.strip_prefix("0x").unwrap_or(token);
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let address = token.len() > digits.len() && digits.len() >= 9
            || digits.len() == 12 && ["7e", "7f", "55", "56"].iter().any(|start| digits.starts_with(start));
        out.push_str(if hexadecimal && address { "ADDRESS" } else { token });
        rest = after;
    }
    out
}

/// The lines between the anchors of that name, without their common indent.
fn anchored(file: &str, anchor: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let ends = |line: &str, mark: &str| line.trim_end().ends_with(&format!("{mark}: {anchor}"));
    let mut lines = text.lines().skip_while(|line| !ends(line, "ANCHOR")).skip(1).peekable();
    assert!(lines.peek().is_some(), "{file} has no anchor {anchor}");
    let lines: Vec<&str> =
        lines.take_while(|line| !ends(line, "ANCHOR_END")).filter(|line| !line.contains("ANCHOR")).collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = lines.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    lines.iter().map(|line| line.get(common..).unwrap_or_default().to_string()).collect()
}

/// The head of the table in that file, and its rows that begin with one of `groups`.
fn rows(file: &str, groups: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let table = text.lines().filter(|line| line.starts_with('|')).enumerate();
    let of = |line: &str| groups.split(' ').any(|group| line.split('|').nth(1).map(str::trim) == Some(group));
    table.filter(|(number, line)| *number < 2 || of(line)).map(|(_, line)| line.into()).collect()
}

/// Whether a command line needs ptrace(2).
fn traces(command: &str) -> bool {
    ["strace", "gdb"].contains(&command.split(' ').next().unwrap_or_default())
}

/// The page as it should be. Where ptrace(2) is denied, transcripts of strace and gdb stay.
fn renewed(page: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut lines = page.lines().peekable();
    let mut code: Option<(String, String)> = None;
    while let Some(line) = lines.next() {
        out.push(line.into());
        if let Some(words) = line.strip_prefix("<!-- code ").and_then(|rest| rest.strip_suffix(" -->")) {
            code = words.split_once(' ').map(|(file, anchor)| (file.into(), anchor.into()));
        } else if let Some(words) = line.strip_prefix("<!-- rows ").and_then(|rest| rest.strip_suffix(" -->"))
        {
            let (file, groups) = words.split_once(' ').expect("a file and groups");
            while lines.next_if(|line| line.starts_with('|')).is_some() {}
            out.extend(rows(file, groups));
        } else if line.starts_with("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            if let Some((file, anchor)) = code.take() {
                out.extend(anchored(&file, &anchor));
            } else if line == "```console" {
                for part in block.chunk_by(|_, next| !next.starts_with("$ ")) {
                    let command = part[0].strip_prefix("$ ").expect("a command before its output");
                    if traces(command) && place::missing(Need::Tracing).is_some() {
                        out.extend(part.iter().map(|line| line.to_string()));
                        continue;
                    }
                    out.push(format!("$ {command}"));
                    out.extend(transcript(command).lines().map(String::from));
                }
            } else {
                out.extend(block.iter().map(|line| line.to_string()));
            }
            out.push("```".into());
        }
    }
    out.join("\n") + "\n"
}

#[test]
fn pages_show_what_is_so() {
    if let Some(why) = place::missing(Need::Tracing) {
        untested(&format!("the transcripts of strace and gdb: {why}"));
    }
    let denies_rows = !place::denied_rows().is_empty();
    for path in pages() {
        let kept = std::fs::read_to_string(&path).expect("text");
        let made = renewed(&kept);
        // A row that the place denies has more to say, so that columns are wider.
        let folded = |page: &str| page.split_whitespace().collect::<Vec<_>>().join(" ");
        if kept == made || denies_rows && folded(&kept) == folded(&made) {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, made).expect("written");
            continue;
        }
        let (number, (kept, made)) = kept
            .lines()
            .chain(["(the end)"])
            .zip(made.lines().chain(["(the end)"]))
            .enumerate()
            .find(|(_, (kept, made))| kept != made)
            .expect("they differ");
        panic!("{}:{} shows\n  {kept}\nbut it is\n  {made}\nrun: make book", path.display(), number + 1);
    }
}

#[test]
fn links_lead_somewhere() {
    for path in pages() {
        let text = std::fs::read_to_string(&path).expect("text");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !link.is_empty() && !link.contains("://") {
                let target = path.parent().expect("a folder").join(link);
                assert!(target.exists(), "{} links to {link}", path.display());
            }
        }
    }
}

/// Pages name tests as evidence, `FILE::TEST` in backticks, or `FILE::*` for all of them.
#[test]
fn tests_that_pages_name_exist() {
    let mut named = 0;
    for path in pages() {
        let text = std::fs::read_to_string(&path).expect("text");
        for code in text.split('`').skip(1).step_by(2) {
            let Some((file, test)) = code.split_once("::") else { continue };
            let Ok(source) = std::fs::read_to_string(format!("tests/it/{file}.rs")) else { continue };
            assert!(test == "*" || source.contains(&format!("\nfn {test}()")), "{}: {code}", path.display());
            named += 1;
        }
    }
    assert!(named > 5, "only {named}");
}

#[test]
fn commands_of_make_are_targets() {
    let makefile = std::fs::read_to_string("Makefile").expect("text");
    for path in pages() {
        let text = std::fs::read_to_string(&path).expect("text");
        let code = text.split('`').filter_map(|code| code.strip_prefix("make "));
        let blocks = text.lines().filter_map(|line| line.strip_prefix("make "));
        for target in code.chain(blocks).filter_map(|rest| rest.split(' ').next()) {
            assert!(makefile.contains(&format!("\n{target}:")), "{}: make {target}", path.display());
        }
    }
}

#[test]
fn the_chart_is_drawn_from_the_table() {
    let read = |path: &str| std::fs::read_to_string(path).expect("text");
    let drawn = chart::chart(&read("docs/figures/bench.md"));
    assert_eq!(read("docs/figures/bench.svg"), drawn, "run: make bench");
}

/// The texts of the picture's elements of this class, in the order of the file.
fn shown(picture: &str, class: &str) -> Vec<String> {
    let class = format!("class=\"{class}\"");
    let texts =
        picture.split(&class).skip(1).filter_map(|rest| Some(rest.split_once('>')?.1.split_once('<')?.0));
    texts.map(|text| text.replace("&lt;", "<").replace("&gt;", ">")).collect()
}

#[test]
fn the_picture_of_the_pipeline_shows_what_is_so() {
    if lacks(Need::Tracing) {
        return;
    }
    let picture = std::fs::read_to_string("docs/figures/pipeline.svg").expect("text");
    let (_, calls) = strace(&[], &["hello"]);
    let mut calls: Vec<String> = calls.into_iter().map(|call| call.name).collect();
    assert_eq!(calls.pop().as_deref(), Some("exit_group"));
    assert_eq!(shown(&picture, "call"), calls);
    let types = shown(&picture, "type");
    assert!(types.len() > 3, "{types:?}");
    for name in types {
        let phase = name.strip_prefix("Memory<").and_then(|rest| rest.strip_suffix('>'));
        let (file, declared) = match phase {
            Some(phase) => ("crates/exec/src/memory.rs", format!("pub struct {phase}(")),
            None => ("crates/asm/src/code.rs", format!("pub struct {name}<")),
        };
        assert!(std::fs::read_to_string(file).expect("text").contains(&declared), "{file} has no {name}");
    }
}
