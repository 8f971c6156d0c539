//! The report as people read it: the news first, and with everything a table as wide as
//! the terminal.

use super::advice::advise;
use super::causes::Cause;
use super::engines::{self, Answer, COUNT, Engine, Need, Prospect};
use super::findings::Report;
use super::host::Name;
use super::out::{Out, all, blanks, fill, number};
use super::outcome::{Outcome, Verdict};
use super::strategies::{Purpose, Strategy};
use barejit_sys::piece;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Colours for verdicts.
    pub colour: bool,
    /// Columns; `None` is as many as it takes.
    pub width: Option<u16>,
    /// Everything, or the news alone.
    pub everything: bool,
}

/// The middle column.
fn verdict(strategy: Strategy, outcome: &Outcome, out: &mut dyn Out) {
    match (strategy.purpose(), outcome.verdict) {
        (Purpose::Control, Verdict::Denied) => out.put("does not run, as it must"),
        (Purpose::Control, Verdict::Works) => out.put("runs, and should not"),
        (_, Verdict::Works) => out.put("works"),
        (_, Verdict::Stale) => {
            out.put("stale");
            if let Some(fresh) = outcome.fresh_after {
                fill(out, " until ~", &[fresh.name()]);
            }
        }
        (_, verdict) => {
            if outcome.error.is_some() || outcome.signal.is_some() {
                all(out, &[verdict.name(), " "]);
            }
            outcome.describe(out);
        }
    }
    if let Some(nanoseconds) = outcome.repatch_ns {
        fill(out, ", ~ ns", &[number(nanoseconds).text()]);
    }
}

/// SGR parameters (ECMA-48): red, green, yellow, faint.
const fn colour(strategy: Strategy, outcome: &Outcome) -> &'static str {
    match (strategy.purpose(), outcome.verdict) {
        (Purpose::Control, Verdict::Denied) | (_, Verdict::Unavailable) => "2",
        (Purpose::Control, _) => "31",
        (_, Verdict::Works) => "32",
        (_, Verdict::Stale) => "33",
        _ => "31",
    }
}

/// The screen: breaks paragraphs between words and cuts cells, so that lines fit.
struct Screen<'a> {
    out: &'a mut dyn Out,
    style: Style,
    width: usize,
    /// Where lines after the first begin, if they may be broken.
    indent: Option<usize>,
    column: usize,
}

impl Out for Screen<'_> {
    fn put(&mut self, mut text: &str) {
        while !text.is_empty() {
            let size = text.bytes().position(|byte| byte == b' ').unwrap_or(text.len());
            let (word, rest) = text.split_at_checked(size + 1).unwrap_or((text, ""));
            text = rest;
            if let Some(indent) = self.indent
                && self.column > indent
                && self.column + size > self.width
            {
                self.out.put("\n");
                blanks(self.out, indent);
                self.column = indent;
            }
            let room = self.width.saturating_sub(self.column);
            let shown = match self.indent {
                // The blank behind the last word of a line has no room.
                Some(_) if word.len() > room => word.trim_end_matches(' '),
                Some(_) => word,
                None => word.get(..room).unwrap_or(word),
            };
            self.out.put(shown);
            self.column += shown.len();
        }
    }
}

impl Screen<'_> {
    fn end(&mut self) {
        self.out.put("\n");
        self.column = 0;
        self.indent = None;
    }

    /// Switches the colour on, or with nothing off.
    fn colour(&mut self, code: &str) {
        if self.style.colour {
            fill(self.out, "\x1b[~m", &[code]);
        }
    }

    fn to(&mut self, column: usize) {
        while self.column < column.min(self.width) {
            self.put(" ");
        }
    }

    /// Begins a paragraph.
    fn paragraph(&mut self, title: &str) {
        self.put(title);
        self.indent = Some(self.column);
    }
}

/// Counts.
struct Width(usize);

impl Out for Width {
    fn put(&mut self, text: &str) {
        self.0 += text.len();
    }
}

const NAME: usize = 24;

/// Names a call that trials cannot do without, before it is made: if a filter kills for it,
/// it is the last word.
pub fn announce(first: bool, call: &str, out: &mut dyn Out) {
    fill(out, "~~", &[if first { "Needs " } else { ", " }, call]);
}

/// Prints the report.
pub fn print(report: &Report<'_>, style: Style, out: &mut dyn Out) {
    let width = style.width.map_or(usize::MAX, |width| usize::from(width).max(40));
    let screen = &mut Screen { out, style, width, indent: Some(2), column: 0 };
    let table = style.everything || !report.is_complete();
    if table {
        host(report, screen);
        rows(report, screen);
    } else if report.is_plain() {
        plain(report, screen);
        return;
    } else {
        news(report, screen);
    }
    causes(report, screen);
    if report.is_complete() {
        screen.paragraph("advice:  ");
        advise(report, screen);
        screen.end();
    }
    for engine in (0..COUNT).map(engines::engine) {
        if let Some(prospect) = engine.prospect(&report.outcomes, in_qemu(report))
            && (table || !matches!(prospect, Prospect::Works))
        {
            engine_line(&engine, prospect, screen);
        }
    }
    if !table {
        working(report, screen);
    }
}

/// Whether this is QEMU's user mode.
pub(super) fn in_qemu(report: &Report<'_>) -> bool {
    report.causes.iter().any(|found| matches!(found.cause, Cause::Qemu(_)))
}

/// The machine, in a line.
fn host(report: &Report<'_>, screen: &mut Screen<'_>) {
    for (i, name) in report.host.names.iter().enumerate().take(Name::Nspid as usize) {
        if i != Name::Version as usize && !name.is_empty() {
            let before = if screen.column == 0 { "" } else { piece("|: Linux || |, |, ", b'|', i) };
            all(screen, &[before, name.text()]);
        }
    }
    screen.end();
}

/// The table. The description of a strategy is the last column, and is cut if it does not fit.
fn rows(report: &Report<'_>, screen: &mut Screen<'_>) {
    let mut widest = 0;
    for (strategy, outcome) in report.outcomes.tried() {
        let mut width = Width(0);
        verdict(strategy, outcome, &mut width);
        widest = widest.max(width.0);
    }
    for (strategy, outcome) in report.outcomes.tried() {
        screen.put(strategy.name());
        screen.to(NAME);
        screen.colour(colour(strategy, outcome));
        verdict(strategy, outcome, screen);
        screen.colour("");
        let how = NAME + widest + 2;
        if how + 12 < screen.width {
            screen.to(how);
            screen.put(strategy.how());
        }
        screen.end();
    }
}

/// That all is well, in a line.
fn plain(report: &Report<'_>, screen: &mut Screen<'_>) {
    let tried = number(report.outcomes.tried().count() as u64);
    screen.paragraph("");
    fill(screen, "Nothing is denied: ~ strategies do here what they do everywhere", &[tried.text()]);
    let prospects = (0..COUNT).map(|place| engines::engine(place).prospect(&report.outcomes, false));
    let all_work = prospects.flatten().all(|prospect| matches!(prospect, Prospect::Works));
    screen.put(if all_work { ", and so do the engines.  --all lists them." } else { ".  --all lists them." });
    screen.end();
}

/// The strategies that fail, those that end alike together.
fn news(report: &Report<'_>, screen: &mut Screen<'_>) {
    let alike = |a: &Outcome, b: &Outcome| {
        (a.verdict, a.step, a.error, a.signal, a.fresh_after)
            == (b.verdict, b.step, b.error, b.signal, b.fresh_after)
    };
    let bad = |(strategy, outcome): &(Strategy, &Outcome)| {
        let as_it_should = strategy.purpose() == Purpose::Control && outcome.verdict == Verdict::Denied;
        !outcome.works() && !as_it_should
    };
    for (first, outcome) in report.outcomes.tried().filter(bad) {
        let mut group = report.outcomes.tried().filter(bad).filter(|(_, other)| alike(outcome, other));
        if group.next().is_none_or(|(strategy, _)| strategy != first) {
            continue;
        }
        screen.paragraph("fails:   ");
        screen.colour(colour(first, outcome));
        verdict(first, outcome, screen);
        screen.colour("");
        fill(screen, ": ~", &[first.name()]);
        for (strategy, _) in group {
            fill(screen, " ~", &[strategy.name()]);
        }
        screen.end();
    }
}

/// The strategies that work, in a line.
fn working(report: &Report<'_>, screen: &mut Screen<'_>) {
    screen.paragraph("works:  ");
    for (strategy, _) in report.outcomes.tried().filter(|(_, outcome)| outcome.works()) {
        fill(screen, " ~", &[strategy.name()]);
    }
    screen.put(".  --all shows the table, --engine NAME one engine.");
    screen.end();
}

/// An engine and what it will do.
fn engine_line(engine: &Engine, prospect: Prospect, screen: &mut Screen<'_>) {
    screen.paragraph("engine:  ");
    all(screen, &[engine.name]);
    screen.to(NAME + 6);
    let code = match prospect {
        Prospect::Works => "32",
        Prospect::Degrades(_) | Prospect::Needs(..) => "33",
        Prospect::Fails(_) => "31",
    };
    if screen.column > NAME + 6 {
        screen.put(" ");
    }
    screen.colour(code);
    screen.put(prospect.name());
    screen.colour("");
    match prospect {
        Prospect::Works => {}
        Prospect::Degrades(sign) => fill(screen, ": ~", &[sign]),
        Prospect::Needs(setting, message) => fill(screen, " ~ (else: ~)", &[setting.name, message]),
        Prospect::Fails(message) => fill(screen, ": ~", &[message]),
    }
    screen.end();
}

/// Prints one engine: its calls in order, their answers here, its end, the setting that cures
/// it and the price of that.
pub fn print_engine(report: &Report<'_>, engine: &Engine, style: Style, out: &mut dyn Out) {
    let width = style.width.map_or(usize::MAX, |width| usize::from(width).max(40));
    let screen = &mut Screen { out, style, width, indent: Some(2), column: 0 };
    fill(screen, "~ (~)", &[engine.name, engine.version]);
    screen.end();
    for (place, way) in engine.ways().enumerate() {
        for (i, need) in way.needs().enumerate() {
            let before = match (place, i) {
                (0, 0) => "asks for ",
                (_, 0) => "else for ",
                _ => "then for ",
            };
            screen.paragraph(before);
            needed(report, need, screen);
            screen.end();
        }
    }
    if let Some(prospect) = engine.prospect(&report.outcomes, in_qemu(report)) {
        engine_line(engine, prospect, screen);
    }
    for setting in engine.settings() {
        screen.paragraph("setting: ");
        fill(screen, "~: ~", &[setting.name, setting.price]);
        screen.end();
    }
    causes(report, screen);
}

/// The causes, each with its evidence.
fn causes(report: &Report<'_>, screen: &mut Screen<'_>) {
    for found in report.causes.iter() {
        screen.paragraph("because: ");
        fill(screen, "~: ", &[found.cause.name()]);
        found.evidence(&report.outcomes, screen);
        screen.end();
    }
}

/// The calls that are needed, and their answers here.
fn needed(report: &Report<'_>, need: Need, screen: &mut Screen<'_>) {
    let strategy = need.strategy();
    let only = match need {
        Need::Runs(_) => "",
        Need::Claims(_) => "the calls of ",
        Need::Survives(_) => "no kill for ",
        Need::Obtains(_) => "the beginning of ",
        Need::NoMemfd => "ENOSYS instead of ",
    };
    fill(screen, "~~ (~): ", &[only, strategy.how(), strategy.name()]);
    match (need, need.answer(&report.outcomes), report.outcomes.of(strategy)) {
        (Need::Runs(_), _, Some(outcome)) => verdict(strategy, outcome, screen),
        (_, Some(Answer::Granted), _) => screen.put("granted"),
        (.., Some(outcome)) => verdict(strategy, outcome, screen),
        (.., None) => screen.put("not tried, for the variable is not set"),
    }
}

/// Prints the table of what can be tried.
pub fn list(out: &mut dyn Out) {
    for strategy in Strategy::ALL {
        out.put(strategy.name());
        blanks(out, NAME - strategy.name().len());
        all(out, &[strategy.how(), "\n"]);
    }
}
