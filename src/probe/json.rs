//! The report as one line of JSON, in the schema of `tests/probe.schema.json`.

use super::host::{DIRECTORIES, FACTS, Host, LIMITS, NAMES};
use super::out::{Out, all, number};
use super::report::{errno_name, signal_name};
use super::{ENGINES, Prospect, ROWS, Report, advice};

/// A JSON value without parts.
enum Value<'a> {
    /// A string; without anything in it, null.
    Text(&'a str),
    /// A number, or null.
    Number(Option<u64>),
    /// `true` or `false`, or null.
    Flag(Option<bool>),
}
use Value::{Flag, Number, Text};

/// Writes objects and arrays: knows whether a comma is due.
struct Json<'a> {
    out: &'a mut dyn Out,
    first: bool,
}

/// What is put into it goes into a string: escapes what that cannot hold (RFC
/// 8259, 7). Texts have no control characters.
impl Out for Json<'_> {
    fn put(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(['"', '\\']) {
            let (plain, special) = rest.split_at_checked(at).unwrap_or_default();
            let (special, after) = special.split_at_checked(1).unwrap_or_default();
            all(self.out, &[plain, "\\", special]);
            rest = after;
        }
        self.out.put(rest);
    }
}

impl Json<'_> {
    #[inline(never)]
    fn open(&mut self, bracket: &str) {
        if !self.first {
            self.out.put(",");
        }
        self.first = true;
        self.out.put(bracket);
    }

    #[inline(never)]
    fn close(&mut self, bracket: &str) {
        self.first = false;
        self.out.put(bracket);
    }

    #[inline(never)]
    fn key(&mut self, key: &str) {
        self.open("\"");
        self.out.put(key);
        self.out.put("\":");
    }

    #[inline(never)]
    fn value(&mut self, value: &Value<'_>) {
        match value {
            Text("") | Number(None) | Flag(None) => self.out.put("null"),
            Text(text) => {
                self.out.put("\"");
                self.put(text);
                self.out.put("\"");
            }
            Number(Some(value)) => self.out.put(number(*value).text()),
            Flag(Some(flag)) => self.out.put(if *flag { "true" } else { "false" }),
        }
        self.first = false;
    }

    /// Members of an object, their keys with a blank between each two.
    fn members(&mut self, keys: &str, values: &[Value<'_>]) {
        for (key, value) in keys.split(' ').zip(values) {
            self.key(key);
            self.value(value);
        }
    }

    fn object(&mut self, keys: &str, values: &[Value<'_>]) {
        self.open("{");
        self.members(keys, values);
        self.close("}");
    }

    fn array(&mut self, key: &str, body: impl FnOnce(&mut Self)) {
        self.key(key);
        self.open("[");
        body(self);
        self.close("]");
    }
}

/// Prints the report, without a newline.
pub fn print(report: &Report, out: &mut dyn Out) {
    let mut json = Json { out, first: true };
    json.open("{");
    json.members("schema version", &[Number(Some(1)), Text(env!("CARGO_PKG_VERSION"))]);
    host(report.host, &mut json);
    json.array("strategies", |json| {
        for (row, outcome) in ROWS.iter().zip(&report.outcomes) {
            let Some(outcome) = outcome else { continue };
            let signal = outcome.signal.map_or(super::out::Text::EMPTY, signal_name);
            json.object(
                "name verdict step errno signal fresh_after repatch_ns",
                &[
                    Text(row.name()),
                    Text(outcome.verdict.name()),
                    Text(outcome.step.map_or("", |step| step.name())),
                    Text(outcome.errno.map_or("", errno_name)),
                    Text(signal.text()),
                    Text(outcome.fresh_after.map_or("", |fresh| fresh.name())),
                    Number(outcome.repatch_ns),
                ],
            );
        }
    });
    json.array("causes", |json| {
        for cause in report.causes.iter() {
            json.object("cause evidence", &[Text(cause.name), Text(cause.evidence.text())]);
        }
    });
    json.key("advice");
    json.out.put("\"");
    advice(report, &mut json);
    json.close("\"");
    json.array("engines", |json| {
        for engine in &ENGINES {
            let Some(prospect) = engine.prospect(report) else { continue };
            let (verdict, step, setting) = match prospect {
                Prospect::Works => ("works", "", ""),
                Prospect::Needs(setting) => ("needs", "", setting),
                Prospect::Fails(step) => ("fails", step.name(), ""),
            };
            let values = [Text(engine.name()), Text(verdict), Text(step), Text(setting)];
            json.object("engine verdict step setting", &values);
        }
    });
    json.close("}");
}

fn host(host: &Host, json: &mut Json<'_>) {
    json.key("host");
    json.first = true;
    json.open("{");
    for (key, name) in NAMES.split(' ').zip(&host.names) {
        json.members(key, &[Text(name.text())]);
    }
    for (key, fact) in FACTS.split(' ').zip(host.facts) {
        json.members(key, &[Number(fact)]);
    }
    json.members("confined", &[Text(host.confined.map_or("", |error| errno_name(error.errno())))]);
    json.key("limits");
    json.first = true;
    json.object(LIMITS, &host.limits.map(Number));
    json.array("directories", |json| {
        for (directory, flags) in DIRECTORIES.split(' ').zip(host.directories) {
            json.object(
                "path read_only noexec",
                &[
                    Text(directory),
                    Flag(flags.map(|flags| flags & Host::READ_ONLY != 0)),
                    Flag(flags.map(|flags| flags & Host::NOEXEC != 0)),
                ],
            );
        }
    });
    json.close("}");
}
