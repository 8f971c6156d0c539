//! Reports of many hosts, one line of JSON each, in a few lines: how many hosts,
//! what works where, grouped by cause.
//!
//! Lines come from anywhere: logs put words before them, and some are no report
//! at all. Such lines are counted, not trusted. Of JSON the scanner sees brackets
//! and strings, which is enough for a report that another program has reformatted; it knows no recursion, so nesting cannot exhaust the stack.

use super::causes::MOST;
use super::out::{Out, Text, all, fill, number};
use super::strategies::{Purpose, Set, Strategy};
use alloc::vec::Vec;
use barejit_sys::piece;

/// The report of one host.
struct Line<'a> {
    /// The strategies that it tried, and those that work there.
    tried: Set,
    works: Set,
    causes: [&'a [u8]; MOST],
}

/// The report in a line, if it is whole.
fn read(line: &[u8]) -> Option<Line<'_>> {
    let mut result = Line { tried: Set::default(), works: Set::default(), causes: [b""; MOST] };
    let mut causes = result.causes.iter_mut();
    let (mut section, mut key): (&[u8], &[u8]) = (b"", b"");
    // The members of the object at hand about a strategy, in any order.
    let (mut strategy, mut verdict) = (None, None);
    let (mut depth, mut schema) = (0u32, false);
    let mut rest = line;
    loop {
        let (first, after) = rest.split_first()?;
        rest = after;
        match first {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                match (depth, verdict) {
                    (0, _) => break,
                    (2, Some(works)) => {
                        if let Some(strategy) = strategy {
                            result.tried.insert(strategy);
                            if works {
                                result.works.insert(strategy);
                            }
                        }
                        (strategy, verdict) = (None, None);
                    }
                    _ => {}
                }
            }
            b'"' => {
                let text;
                (text, rest) = string(after)?;
                if let Some(value) = rest.trim_ascii_start().strip_prefix(b":") {
                    key = text;
                    if depth == 1 {
                        section = text;
                        schema |= text == b"schema" && is_known(value.trim_ascii_start());
                    }
                } else if depth == 3 {
                    if section == b"strategies" && key == b"name" {
                        strategy = Strategy::find(text);
                    } else if section == b"strategies" && key == b"verdict" {
                        verdict = Some(text == b"works");
                    } else if section == b"causes" && key == b"cause" {
                        *causes.next()? = text;
                    }
                }
            }
            _ => {}
        }
    }
    let whole = rest.trim_ascii_start().is_empty();
    Some(result).filter(|result| whole && schema && !result.tried.is_empty())
}

/// Whether `text` begins with the number of a schema whose strategies and causes are read
/// here: 1 or 2.
fn is_known(text: &[u8]) -> bool {
    matches!(text, [b'1' | b'2', b',' | b'}' | b' ' | b'\t' | b'\r', ..])
}

/// The string that begins `text`, with its escapes, and what comes behind its
/// closing quote.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

impl Line<'_> {
    /// The causes in the order of the alphabet, each once.
    fn title(&self) -> Text<120> {
        let mut title = Text::EMPTY;
        let mut last: &[u8] = b"";
        while let Some(next) = self.causes.iter().filter(|cause| **cause > last).min() {
            let separator = if title.is_empty() { "" } else { " + " };
            title.append(separator.as_bytes());
            title.append(next);
            last = next;
        }
        title
    }
}

/// Two numbers for each strategy.
#[derive(Debug)]
struct Counts([[u32; 2]; Strategy::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([[0; 2]; Strategy::ALL.len()])
    }
}

/// Hosts with the same causes.
#[derive(Default, Debug)]
struct Group {
    title: Text<120>,
    hosts: u32,
    usable: u32,
    /// By strategy: how many tried it, and how many of them it works for.
    counts: Counts,
}

impl Group {
    fn add(&mut self, line: &Line<'_>) {
        let mut usable = false;
        for (strategy, [tried, works]) in Strategy::ALL.into_iter().zip(&mut self.counts.0) {
            let worked = line.works.contains(strategy);
            *tried += u32::from(line.tried.contains(strategy));
            *works += u32::from(worked);
            usable |= worked && strategy.purpose() == Purpose::Wx;
        }
        self.hosts += 1;
        self.usable += u32::from(usable);
    }

    fn print(&self, title: &str, out: &mut dyn Out) {
        let count = |count: u32| number(count.into());
        let noun = if self.hosts == 1 { " host" } else { " hosts" };
        let (hosts, usable) = (count(self.hosts), count(self.usable));
        fill(out, "~: ~~, a W^X strategy on ~\n", &[title, hosts.text(), noun, usable.text()]);
        for share in 0..3 {
            let heading = piece("works|works on some|fails", b'|', share);
            let mut any = false;
            for (strategy, &[tried, works]) in Strategy::ALL.into_iter().zip(&self.counts.0) {
                let its_share = if works == 0 { 2 } else { usize::from(works < tried) };
                if strategy.purpose() == Purpose::Control || tried == 0 || its_share != share {
                    continue;
                }
                if !any {
                    fill(out, "  ~:", &[heading]);
                }
                any = true;
                fill(out, " ~", &[strategy.name()]);
                if works != 0 && works < tried {
                    fill(out, " ~/~", &[count(works).text(), count(tried).text()]);
                }
            }
            out.put(if any { "\n" } else { "" });
        }
    }
}

/// The summary of many reports.
#[derive(Default, Debug)]
pub struct Summary {
    all: Group,
    groups: Vec<Group>,
    /// Places in `groups`, in the order of their titles.
    order: Vec<usize>,
    skipped: u32,
}

impl Summary {
    /// Takes the reports of a file, one a line; a report begins with the first brace.
    pub fn read(&mut self, bytes: &[u8]) {
        for line in bytes.split(|byte| *byte == b'\n') {
            let start = line.iter().position(|byte| *byte == b'{').unwrap_or(line.len());
            if let Some(read) = read(line.get(start..).unwrap_or_default()) {
                self.all.add(&read);
                self.group(read.title()).add(&read);
            } else if !line.trim_ascii_start().is_empty() {
                self.skipped += 1;
            }
        }
    }

    /// The group with this title.
    fn group(&mut self, title: Text<120>) -> &mut Group {
        let Self { groups, order, .. } = self;
        let place = order.binary_search_by_key(&title.bytes(), |&group| groups[group].title.bytes());
        let group = place.map(|place| order[place]).unwrap_or_else(|place| {
            order.insert(place, groups.len());
            groups.push(Group { title, ..Group::default() });
            groups.len() - 1
        });
        &mut groups[group]
    }

    /// How many hosts reported.
    pub fn hosts(&self) -> u32 {
        self.all.hosts
    }

    /// Prints the summary, the largest group first.
    pub fn print(&self, out: &mut dyn Out) {
        let mut size = self.all.hosts;
        if size > 0 {
            self.all.print("all", out);
        }
        while size > 0 {
            let mut smaller = 0;
            for group in &self.groups {
                if group.hosts == size {
                    let title = group.title.text();
                    group.print(if title.is_empty() { "no cause" } else { title }, out);
                } else if group.hosts < size {
                    smaller = smaller.max(group.hosts);
                }
            }
            size = smaller;
        }
        if self.skipped > 0 {
            let noun = if self.skipped == 1 { " line is no report\n" } else { " lines are no reports\n" };
            all(out, &[number(self.skipped.into()).text(), noun]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString};

    fn printed(text: &str) -> String {
        let mut summary = Summary::default();
        summary.read(text.as_bytes());
        let mut out = String::new();
        summary.print(&mut out);
        out
    }

    fn host(rows: &[(&str, &str)], causes: &[&str]) -> String {
        let rows: Vec<String> =
            rows.iter().map(|(n, v)| format!(r#"{{"name":"{n}","verdict":"{v}","step":null}}"#)).collect();
        let causes: Vec<String> =
            causes.iter().map(|c| format!(r#"{{"cause":"{c}","evidence":"a \"b\" {{"}}"#)).collect();
        format!(
            r#"{{"schema":1,"host":{{"node":"a","limits":{{"AS":null}}}},"strategies":[{}],"causes":[{}],"advice":"x"}}"#,
            rows.join(","),
            causes.join(",")
        )
    }

    #[test]
    fn groups_by_cause() {
        let lines = [
            host(&[("anon-wx", "works"), ("memfd-dual", "works")], &[]),
            host(&[("anon-wx", "denied"), ("memfd-dual", "works")], &["mdwe"]),
            host(&[("anon-wx", "denied")], &["noexec"]),
            host(&[("anon-wx", "denied")], &["limits"]),
            host(&[("anon-wx", "denied")], &["noexec"]),
            "pod/x ".to_string() + &host(&[("anon-wx", "denied"), ("memfd-dual", "stale")], &["mdwe"]),
            "nonsense".to_string(),
        ];
        assert_eq!(
            printed(&lines.join("\r\n")),
            "all: 6 hosts, a W^X strategy on 2\n  works on some: anon-wx 1/6 memfd-dual 2/3\n\
             mdwe: 2 hosts, a W^X strategy on 1\n  works on some: memfd-dual 1/2\n  fails: anon-wx\n\
             noexec: 2 hosts, a W^X strategy on 0\n  fails: anon-wx\n\
             no cause: 1 host, a W^X strategy on 1\n  works: anon-wx memfd-dual\n\
             limits: 1 host, a W^X strategy on 0\n  fails: anon-wx\n\
             1 line is no report\n"
        );
    }

    #[test]
    fn members_may_stand_in_any_order() {
        let line = r#"{"strategies":[{"verdict":"works","name":"anon-wx"},{"step":null,"verdict":"denied","name":"memfd-dual"}],"causes":[],"schema":1}"#;
        assert_eq!(
            printed(line),
            "all: 1 host, a W^X strategy on 1\n  works: anon-wx\n  fails: memfd-dual\n\
             no cause: 1 host, a W^X strategy on 1\n  works: anon-wx\n  fails: memfd-dual\n"
        );
    }

    #[test]
    fn what_is_no_report_is_counted() {
        for line in [
            "{",
            "}",
            "{}",
            "[]",
            "]{",
            "{\"",
            "{\"schema\":1}",
            "{\"schema\":1}x",
            "{\"a\":[}",
            "{\"a\\",
            "{\"a\\\"",
            "nul",
            &host(&[("anon-wx", "works")], &[])[..60],
            &(host(&[("anon-wx", "works")], &[]) + "x"),
            &host(&[("no-such-row", "works")], &[]),
            &host(&[("anon-wx", "works")], &[]).replace("\"schema\":1", "\"schema\":17"),
        ] {
            assert_eq!(printed(line).lines().last(), Some("1 line is no report"), "{line}");
        }
        let deep = "{\"a\":".repeat(1_000_000);
        assert!(printed(&deep).ends_with("1 line is no report\n"));
    }
}
