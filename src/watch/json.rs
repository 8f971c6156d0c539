//! The report as one line of JSON, in the schema of `tests/watch.schema.json`.

use super::cause::Answer;
use super::finding::{End, Findings, Refusal};
use super::report::Subject;
use crate::probe::{self, Strategy, json::Json};
use alloc::string::String;
use barejit_sys::{described, signal::Signal};

/// Prints the report, with a newline.
pub(super) fn print(subject: &Subject, findings: &Findings, text: &mut String) {
    let mut json = Json::new(text);
    json.open(concat!("{\"schema\":1,\"version\":\"", env!("CARGO_PKG_VERSION"), "\""));
    json.close("");
    json.member("command", &subject.command, "\"");
    end(subject.end, &mut json);
    json.number("threads", Some(findings.threads));
    json.number("watched_calls", Some(findings.calls));
    json.number("more_refusals", Some(findings.more));
    json.open("\"refusals\":[");
    for refusal in &findings.refusals {
        print_refusal(refusal, &mut json);
    }
    json.close("]");
    for (key, sentences) in [("restrictions", &findings.restrictions), ("caveats", &findings.caveats)] {
        json.array(key, sentences);
    }
    json.close("}\n");
}

/// The members that tell an end.
fn end(end: Option<End>, json: &mut Json<'_>) {
    let (status, signal) = match end {
        Some(End::Exited(status)) => (Some(u64::from(status)), String::new()),
        Some(End::Killed(signal)) => (None, signal_name(signal)),
        None => (None, String::new()),
    };
    json.number("status", status);
    json.member("signal", &signal, "\"");
}

fn signal_name(signal: u8) -> String {
    String::from("SIG") + Signal::new(signal).name()
}

fn print_refusal(refusal: &Refusal, json: &mut Json<'_>) {
    let number = |number: i32| Some(number as u64);
    let mut call = String::new();
    refusal.call.print(&mut call);
    let (answer, errno, signal) = match refusal.answer {
        Answer::Errno(errno) => {
            let name = described(errno).split(' ').next().unwrap_or_default();
            ("errno", name, String::new())
        }
        Answer::Signal(signal) => ("signal", "", signal_name(signal)),
        Answer::NoEffect => ("no effect", "", String::new()),
    };
    let asker = refusal.asker.as_ref();
    let symbol = asker.and_then(|asker| asker.symbol.as_ref());
    let engine = refusal.engine.as_ref();
    let (setting, price) = refusal.cure().unwrap_or_default();
    json.strings(
        "call text answer errno by_signal program module symbol found_by strategy cause evidence remedy engine \
         engine_file setting price then",
        &[
            refusal.call.name(),
            &call,
            answer,
            errno,
            &signal,
            &refusal.program,
            asker.map_or("", |asker| &asker.module),
            symbol.map_or("", |symbol| &symbol.name),
            asker.map_or("", |asker| asker.method.name()),
            refusal.strategy.map_or("", Strategy::name),
            refusal.cause.name,
            &refusal.cause.evidence,
            probe::remedy(refusal.cause.name).unwrap_or_default(),
            engine.map_or("", |(name, _)| name),
            engine.map_or("", |(_, file)| file),
            setting,
            price,
            refusal.then.map_or("", Strategy::name),
        ],
    );
    let numbers = [
        ("size", refusal.call.memory().map(|[_, size]| size)),
        ("count", Some(refusal.count)),
        ("process", number(refusal.process.number())),
        ("thread", number(refusal.tid.number())),
        ("module_offset", asker.map(|asker| asker.offset)),
        ("symbol_offset", symbol.map(|symbol| symbol.offset)),
    ];
    for (key, value) in numbers {
        json.number(key, value);
    }
    end(refusal.end, json);
    json.close("}");
}
