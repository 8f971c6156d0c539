//! The text that `call` has printed, and the reports that `probe --summary` reads.

use crate::native;
use crate::random::Random;
use barejit::front::call::Greeting;
use barejit::probe::{Out, Strategy, summary::Summary};
use std::cell::RefCell;

thread_local! {
    static PRINTED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

extern "sysv64" fn print(text: *const u8, size: u64) -> u8 {
    // SAFETY: the code under test says that so many bytes are there; if not, that
    // is what is found out.
    let text = unsafe { std::slice::from_raw_parts(text, size as usize) };
    PRINTED.with_borrow_mut(|printed| printed.extend_from_slice(text));
    0
}

/// Any bytes as the text of a greeting.
pub(super) fn greetings(random: &mut Random) {
    let size = random.of(&[8, 8, 100, 5000]);
    let text = random.text(&[b"\0", b"\n", b"\xC3", b"Hello", "ä".as_bytes()], size);
    let mut room = vec![0; Greeting::room(Some(&text))];
    let greeting = Greeting::new(Some(&text), true, print as *const () as u64, &mut room);
    PRINTED.with_borrow_mut(Vec::clear);
    let answer = native::call(&greeting.code(), [0; 6]);
    let printed = PRINTED.take();
    assert_eq!((answer as u8, printed), (0, [&text[..], b"\n"].concat()));
}

struct Page(String);

impl Out for Page {
    fn put(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

fn line(random: &mut Random) -> String {
    let mut line = String::from(random.of(&["", "pod/a ", "2026 "]));
    line += random.of(&["{\"schema\":1,", "{ \"schema\" : 1 , \"host\":{\"node\":\"}\\\"\"},"]);
    line += "\"strategies\":[";
    for place in 0..1 + random.below(4) {
        let (name, verdict) = (
            Strategy::ALL[random.below(Strategy::ALL.len())].name(),
            random.of(&["works", "denied", "stale"]),
        );
        line += if place > 0 { "," } else { "" };
        line += &format!("{{\"name\":\"{name}\",\"verdict\":\"{verdict}\"}}");
    }
    line += "],\"causes\":[";
    for place in 0..random.below(5) {
        line += if place > 0 { "," } else { "" };
        line += &format!("{{\"cause\":\"{}\"}}", random.of(&["mdwe", "seccomp", "no\\\\exec", "x"]));
    }
    line + "]}"
}

/// Lines that are reports, were reports, or never were: each is counted once.
pub(super) fn summaries(random: &mut Random) {
    let (mut text, mut whole, mut all) = (Vec::new(), 0, 0);
    for _ in 0..random.below(6) {
        let line = line(random).into_bytes();
        let broken = random.below(3) == 0;
        let words: [&[u8]; 6] = [b"{", b"}", b"\"", b"\\", b"[", b"\"cause\":\""];
        let line = if broken { random.mutated(line, &words) } else { line };
        whole += u32::from(!broken);
        let lines = line.split(|byte| *byte == b'\n');
        all += lines.filter(|line| !line.trim_ascii().is_empty()).count() as u32;
        text.extend(line);
        text.push(b'\n');
    }
    let mut summary = Summary::default();
    summary.read(&text);
    let said = String::from_utf8_lossy(&text);
    assert!(
        (whole..=all).contains(&summary.hosts()),
        "{} of {whole} to {all} hosts: {said}",
        summary.hosts()
    );
    let mut page = Page(String::new());
    summary.print(&mut page);
    let last = page.0.lines().last().unwrap_or_default();
    let skipped = match all - summary.hosts() {
        0 => return,
        1 => "1 line is no report".into(),
        more => format!("{more} lines are no reports"),
    };
    assert_eq!(last, skipped, "{said}");
}
