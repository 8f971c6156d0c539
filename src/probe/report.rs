//! The report as people read it: a table as wide as the terminal, causes, advice
//! and engines.

use super::host::Name;
use super::out::{Out, Text, all, blanks, fill, number, word};
use super::{ENGINES, Outcome, Prospect, ROWS, Report, Use, Verdict, advice};
use barejit_sys::{Errno, described, piece, signal::Signal};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Colours for verdicts.
    pub colour: bool,
    /// Columns; `None` is as many as it takes.
    pub width: Option<u16>,
}

/// The name of an errno; 0, a success without effect, has none.
#[inline(never)]
pub(super) fn errno_name(errno: Errno) -> &'static str {
    word(described(errno), 0)
}

/// The name of a signal, with SIG.
pub(super) fn signal_name(signal: u8) -> Text<12> {
    let mut name = Text::EMPTY;
    name.append(b"SIG");
    name.append(Signal::new(signal).name().as_bytes());
    name
}

/// Errno, signal or verdict, the step and the call.
pub(super) fn ending(outcome: &Outcome, out: &mut dyn Out) {
    match (outcome.error, outcome.signal) {
        (Some(error), _) if error.errno().into_raw() == 0 => out.put("no effect"),
        (Some(error), _) => out.put(errno_name(error.errno())),
        (_, Some(signal)) => out.put(signal_name(signal).text()),
        _ => out.put(outcome.verdict.name()),
    }
    if let Some(step) = outcome.step {
        fill(out, " at ~", &[step.name()]);
    }
    if let Some(error) = outcome.error {
        fill(out, " (~)", &[error.name()]);
    }
}

/// The middle column.
#[inline(never)]
fn verdict(outcome: &Outcome, out: &mut dyn Out) {
    match (outcome.row.purpose, outcome.verdict) {
        (Use::Control, Verdict::Denied) => out.put("does not run, as it must"),
        (Use::Control, Verdict::Works) => out.put("runs, and should not"),
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
            ending(outcome, out);
        }
    }
    if let Some(nanoseconds) = outcome.repatch_ns {
        fill(out, ", ~ ns", &[number(nanoseconds).text()]);
    }
}

/// SGR parameters (ECMA-48): red, green, yellow, faint.
#[inline(never)]
const fn colour(outcome: &Outcome) -> &'static str {
    match (outcome.row.purpose, outcome.verdict) {
        (Use::Control, Verdict::Denied) | (_, Verdict::Unavailable) => "2",
        (Use::Control, _) => "31",
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
    #[inline(never)]
    fn end(&mut self) {
        self.out.put("\n");
        self.column = 0;
        self.indent = None;
    }

    /// Switches the colour on, or with nothing off.
    #[inline(never)]
    fn colour(&mut self, code: &str) {
        if self.style.colour {
            fill(self.out, "\x1b[~m", &[code]);
        }
    }

    #[inline(never)]
    fn to(&mut self, column: usize) {
        while self.column < column.min(self.width) {
            self.put(" ");
        }
    }

    /// Begins a paragraph.
    #[inline(never)]
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

/// Prints the report.
pub fn print(report: &Report<'_>, style: Style, out: &mut dyn Out) {
    let width = style.width.map_or(usize::MAX, |width| usize::from(width).max(40));
    let mut screen = Screen { out, style, width, indent: Some(2), column: 0 };
    for (i, name) in report.host.names.iter().enumerate().take(Name::Nspid as usize) {
        if i != Name::Version as usize && !name.is_empty() {
            let before = if screen.column == 0 { "" } else { piece("|: Linux || |, |, ", b'|', i) };
            all(&mut screen, &[before, name.text()]);
        }
    }
    screen.end();
    // What a row does goes last, and is cut first if it does not fit.
    let mut widest = 0;
    for outcome in report.tried() {
        let mut width = Width(0);
        verdict(outcome, &mut width);
        widest = widest.max(width.0);
    }
    for outcome in report.tried() {
        screen.put(outcome.row.name());
        screen.to(NAME);
        screen.colour(colour(outcome));
        verdict(outcome, &mut screen);
        screen.colour("");
        let how = NAME + widest + 2;
        if how + 12 < width {
            screen.to(how);
            screen.put(outcome.row.how());
        }
        screen.end();
    }
    for cause in report.causes.iter() {
        screen.paragraph("because: ");
        fill(&mut screen, "~: ~", &[cause.name, cause.evidence.text()]);
        screen.end();
    }
    if report.is_complete() {
        screen.paragraph("advice:  ");
        advice(report, &mut screen);
        screen.end();
    }
    for engine in &ENGINES {
        let Some(prospect) = engine.prospect(report) else { continue };
        all(&mut screen, &["engine:  ", engine.name()]);
        screen.to(NAME + 6);
        let (code, word, more) = match prospect {
            Prospect::Works => ("32", "works", ""),
            Prospect::Needs(setting) => ("33", "needs ", setting),
            Prospect::Fails(step) => ("31", "will fail at ", step.name()),
        };
        screen.colour(code);
        screen.put(word);
        screen.colour("");
        screen.put(more);
        screen.end();
    }
}

/// Prints the table of what can be tried.
pub fn list(out: &mut dyn Out) {
    for row in &ROWS {
        out.put(row.name());
        blanks(out, NAME - row.name().len());
        all(out, &[row.how(), "\n"]);
    }
}
