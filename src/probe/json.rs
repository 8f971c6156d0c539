//! The report as one line of JSON, in the schema of `tests/probe.schema.json`.

use super::advice::advise;
use super::engines::{self, COUNT, Engine, Prospect};
use super::findings::Report;
use super::host::{DIRECTORIES, FACTS, Host, LIMITS, NAMES};
use super::out::{Out, Text, all, fill, number, word};
use super::outcome::{Fresh, Step, errno_name, signal_name};
use super::report::in_qemu;
use alloc::string::String;

/// Writes objects and arrays.
pub(crate) struct Json<'a> {
    out: &'a mut dyn Out,
    /// Whether one is due before what comes next.
    comma: bool,
}

/// Text put into it goes into a string: escapes what that cannot hold (RFC
/// 8259, 7). Texts have no control characters.
impl Out for Json<'_> {
    fn put(&mut self, text: &str) {
        let mut start = 0;
        for (at, byte) in text.bytes().enumerate() {
            if matches!(byte, b'"' | b'\\') {
                all(self.out, &[text.get(start..at).unwrap_or_default(), "\\"]);
                start = at;
            }
        }
        self.out.put(text.get(start..).unwrap_or_default());
    }
}

impl<'a> Json<'a> {
    /// A writer to `out`.
    pub(crate) fn new(out: &'a mut dyn Out) -> Self {
        Self { out, comma: false }
    }

    /// Begins a member, an element, or what is in there.
    pub(crate) fn open(&mut self, start: &str) {
        all(self.out, &[if self.comma { "," } else { "" }, start]);
        self.comma = false;
    }

    pub(crate) fn close(&mut self, end: &str) {
        self.out.put(end);
        self.comma = true;
    }

    /// Ends an object or an array, and begins a member behind it.
    fn next(&mut self, start: &str) {
        self.close(start);
        self.comma = false;
    }

    /// A member between quotes, which are empty for a number or a truth value.
    /// Nothing is null.
    pub(crate) fn member(&mut self, key: &str, value: &str, quote: &str) {
        let (value, quote) = if value.is_empty() { ("null", "") } else { (value, quote) };
        self.open("");
        fill(self.out, "\"~\":~", &[key, quote]);
        self.put(value);
        self.close(quote);
    }

    /// Begins an object with strings.
    pub(crate) fn strings(&mut self, keys: &str, values: &[&str]) {
        self.open("{");
        for (i, value) in values.iter().enumerate() {
            self.member(word(keys, i), value, "\"");
        }
    }

    pub(crate) fn number(&mut self, key: &str, value: Option<u64>) {
        self.member(key, value.map_or(Text::EMPTY, number).text(), "");
    }

    /// A member that is an array of strings.
    pub(crate) fn array(&mut self, key: &str, values: &[String]) {
        self.open("");
        fill(self.out, "\"~\":[", &[key]);
        for value in values {
            self.open("\"");
            self.put(value);
            self.close("\"");
        }
        self.close("]");
    }

    fn flag(&mut self, key: &str, flags: Option<u64>, mask: u64) {
        let value = flags.map_or("", |flags| if flags & mask != 0 { "true" } else { "false" });
        self.member(key, value, "");
    }
}

/// Begins a report with the calls that trials cannot do without: each is named before it is
/// made, so that the last name of a line that was cut is the call that killed.
pub fn begin(out: &mut dyn Out) {
    out.put(concat!("{\"schema\":2,\"version\":\"", env!("CARGO_PKG_VERSION"), "\",\"trials_need\":["));
}

/// Names one more of these calls, the first or not.
pub fn announce(first: bool, call: &str, out: &mut dyn Out) {
    fill(out, "~\"~\"", &[if first { "" } else { "," }, call]);
}

/// Prints the rest of the report, without a newline.
pub fn print(report: &Report<'_>, out: &mut dyn Out) {
    let mut json = Json::new(out);
    json.open("],\"host\":{");
    host(report.host, &mut json);
    json.next("]},\"strategies\":[");
    for (strategy, outcome) in report.outcomes.tried() {
        json.strings(
            "name verdict step errno signal fresh_after",
            &[
                strategy.name(),
                outcome.verdict.name(),
                outcome.step.map_or("", Step::name),
                outcome.error.map_or("", |error| errno_name(error.errno())),
                outcome.signal.map_or(Text::EMPTY, signal_name).text(),
                outcome.fresh_after.map_or("", Fresh::name),
            ],
        );
        json.number("repatch_ns", outcome.repatch_ns);
        json.close("}");
    }
    json.next("],\"causes\":[");
    for found in report.causes.iter() {
        let mut evidence = Text::<250>::EMPTY;
        found.evidence(&report.outcomes, &mut evidence);
        json.strings("cause evidence", &[found.cause.name(), evidence.text()]);
        json.close("}");
    }
    json.next("],\"advice\":\"");
    advise(report, &mut json);
    json.next("\",\"engines\":[");
    for place in 0..COUNT {
        let engine = engines::engine(place);
        if let Some(prospect) = engine.prospect(&report.outcomes, in_qemu(report)) {
            self::engine(&engine, prospect, &mut json);
        }
    }
    json.close("]}");
}

fn engine(engine: &Engine, prospect: Prospect, json: &mut Json<'_>) {
    let (message, sign, setting, price) = match prospect {
        Prospect::Works => ("", "", "", ""),
        Prospect::Degrades(sign) => ("", sign, "", ""),
        Prospect::Needs(setting, message) => (message, "", setting.name, setting.price),
        Prospect::Fails(message) => (message, "", "", ""),
    };
    json.strings(
        "engine measured verdict message sign setting price",
        &[engine.name, engine.version, prospect.name(), message, sign, setting, price],
    );
    json.close("}");
}

/// The members of the host, and of its last array all elements.
fn host(host: &Host, json: &mut Json<'_>) {
    for (i, name) in host.names.iter().enumerate() {
        json.member(word(NAMES, i), name.text(), "\"");
    }
    for (i, fact) in host.facts.iter().enumerate() {
        json.number(word(FACTS, i), *fact);
    }
    json.member("confined", host.no_fork.map_or("", |error| errno_name(error.errno())), "\"");
    json.open("\"limits\":{");
    for (i, limit) in host.limits.iter().enumerate() {
        json.number(word(LIMITS, i), *limit);
    }
    json.next("},\"directories\":[");
    for (i, flags) in host.directories.iter().enumerate() {
        json.strings("path", &[word(DIRECTORIES, i)]);
        json.flag("read_only", *flags, Host::READ_ONLY);
        json.flag("noexec", *flags, Host::NOEXEC);
        json.close("}");
    }
}
