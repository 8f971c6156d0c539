//! A report of `barejit probe --json`, and what must be in it.

use crate::support::{Run, command, finish, json::Json, place};
use std::{collections::BTreeMap, path::Path, process::Command};

/// A report that the schema admits.
pub(super) struct Report(pub(super) Json, pub(super) Run);

impl Report {
    #[track_caller]
    pub(super) fn of(run: Run) -> Self {
        let schema = Json::parse(include_str!("../../probe.schema.json"));
        let text = run.text();
        let line = text.lines().rfind(|line| line.starts_with('{'));
        let report = Json::parse(line.unwrap_or_else(|| panic!("no report in {run:?}")));
        report.check(&schema, "report");
        Self(report, run)
    }

    /// Every row in the words of the expected tables.
    pub(super) fn rows(&self) -> BTreeMap<String, String> {
        let word = |row: &Json, key: &str| row.get(key).text().to_string();
        let rows = self.0.get("strategies").items().iter();
        rows.map(|row| {
            let words = ["verdict", "step", "errno", "signal", "fresh_after"].map(|key| word(row, key));
            (word(row, "name"), words.join(" ").split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
    }

    pub(super) fn causes(&self) -> Vec<&str> {
        self.0.get("causes").items().iter().map(|cause| cause.get("cause").text()).collect()
    }

    pub(super) fn evidence(&self, cause: &str) -> String {
        let causes = self.0.get("causes").items().iter().filter(|item| item.get("cause").text() == cause);
        causes.map(|item| item.get("evidence").text()).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn engine(&self, name: &str) -> String {
        let engines = self.0.get("engines").items();
        let engine = engines.iter().find(|engine| engine.get("engine").text() == name).expect(name);
        let words = ["verdict", "setting"].map(|key| engine.get(key).text());
        words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Panics unless the rows are these: a line for each that does not simply
    /// work, `NAME… = OUTCOME`. All differences are shown.
    #[track_caller]
    pub(super) fn expect(&self, table: &str, causes: &[&str], status: i32) {
        let mut expected: BTreeMap<String, String> =
            self.rows().into_keys().map(|name| (name, "works".to_string())).collect();
        expected.insert("control".into(), "denied run SIGSEGV".into());
        for line in table.lines().filter(|line| !line.trim().is_empty()) {
            let (names, outcome) = line.split_once(" = ").expect("NAME… = OUTCOME");
            for name in names.split_whitespace() {
                let known = expected.insert(name.into(), outcome.trim().into());
                assert!(known.is_some(), "{name} is no row");
            }
        }
        let mut actual = self.rows();
        for row in place::denied_rows() {
            actual.remove(row);
        }
        let differences: Vec<String> = actual
            .iter()
            .filter(|(name, outcome)| expected[*name] != **outcome)
            .map(|(name, outcome)| format!("{name}: expected '{}', found '{outcome}'", expected[name]))
            .collect();
        assert!(differences.is_empty(), "{}\n{:?}", differences.join("\n"), self.0.get("causes"));
        self.expect_causes(causes);
        assert_eq!(self.1.status, status, "{:?}", self.1.stderr);
    }

    /// Panics unless the causes are these. The filter of the place itself is one more if it
    /// denies a row.
    #[track_caller]
    pub(super) fn expect_causes(&self, causes: &[&str]) {
        let mut actual = self.causes();
        if place::is_filtered() && !causes.contains(&"seccomp") && !place::denied_rows().is_empty() {
            actual.retain(|cause| *cause != "seccomp");
        }
        assert_eq!(actual, causes, "{:?}", self.0.get("causes"));
    }
}

pub(super) fn probe(set: impl FnOnce(&mut Command)) -> Report {
    let mut command = command(&["probe", "--json"]);
    set(&mut command);
    Report::of(finish(command))
}

/// Probes under another program.
pub(super) fn probe_under(mut outer: Command, barejit: &Path) -> Report {
    outer.arg(barejit).args(["probe", "--json"]);
    Report::of(finish(outer))
}
