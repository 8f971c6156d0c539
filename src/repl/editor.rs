//! A line typed at a terminal: editing, history, completion, pasting.
//!
//! The terminal is in raw mode while a line is typed and in its own modes otherwise. A
//! line is shown in one row, scrolled sideways where it is longer; the width is asked for
//! at each redraw, so that a resized terminal needs no signal. Control sequences are those
//! of ECMA-48 that every terminal has; pastes come in brackets (`ESC [ 200 ~`).

use alloc::{format, string::String, vec::Vec};
use barejit_exec::fault::FlushOnTermination;
use barejit_sys::{
    Error, Fd,
    linux::{
        self,
        job::{self, Modes},
    },
    read_some,
    signal::Signal,
    write_all,
};
use core::fmt::Write;

/// Lines that are remembered.
const HISTORY: usize = 500;

/// The most that one line or paste may have, in bytes.
const LIMIT: usize = 1 << 20;

/// The width of a terminal that tells none.
const WIDTH: usize = 80;

/// One input of the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Typed {
    /// A line, without its end, or several lines that were pasted at once.
    Line(String),
    /// ^C: the line is given up.
    Cancelled,
    /// ^D on an empty line, or the terminal is gone.
    End,
}

/// A key, or what counts as one.
enum Key {
    Char(char),
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    KillToEnd,
    KillToStart,
    KillWord,
    Clear,
    Cancel,
    Suspend,
    EndOfInput,
    Search,
    Paste,
    Unknown,
    Gone,
}

/// Words that complete what was typed.
pub trait Complete {
    /// Calls `found` with every word that begins with `prefix`; `first` says that nothing
    /// but blanks is before it.
    fn complete(&self, prefix: &str, first: bool, found: &mut dyn FnMut(&str));
}

/// An editor on a terminal.
#[derive(Debug)]
pub struct Editor {
    input: Fd<'static>,
    output: Fd<'static>,
    own: Modes,
    history: Vec<String>,
    /// Bytes that were read and are not used yet.
    ahead: [u8; 256],
    next: usize,
    end: usize,
    line: String,
    /// Where the next character goes: an offset into `line`.
    cursor: usize,
    /// The first character that is shown.
    shown_from: usize,
}

impl Editor {
    /// An editor on the terminal behind `input` and `output`, which has these modes.
    pub fn new(input: Fd<'static>, output: Fd<'static>, own: Modes) -> Self {
        Self {
            input,
            output,
            own,
            history: Vec::new(),
            ahead: [0; 256],
            next: 0,
            end: 0,
            line: String::new(),
            cursor: 0,
            shown_from: 0,
        }
    }

    /// Lets the user type one line behind `prompt`.
    ///
    /// # Errors
    /// The errors of write(2) and ioctl(2).
    pub fn read(&mut self, prompt: &str, words: &dyn Complete) -> Result<Typed, Error> {
        self.line.clear();
        (self.cursor, self.shown_from) = (0, 0);
        // SAFETY: (1) the editor lives as long as this, and the function only reads its
        // descriptors and modes, which never change.
        let registered =
            unsafe { FlushOnTermination::register(core::ptr::from_mut(self).cast(), restore_modes) };
        self.raw()?;
        let typed = self.edit(prompt, words);
        self.cooked()?;
        drop(registered);
        let typed = typed?;
        if let Typed::Line(line) = &typed
            && !line.trim().is_empty()
            && self.history.last() != Some(line)
        {
            self.history.push(line.clone());
            if self.history.len() > HISTORY {
                self.history.remove(0);
            }
        }
        Ok(typed)
    }

    fn raw(&self) -> Result<(), Error> {
        job::set_modes(self.input, &self.own.raw())?;
        self.put("\x1b[?2004h")
    }

    fn cooked(&self) -> Result<(), Error> {
        self.put("\x1b[?2004l")?;
        job::set_modes(self.input, &self.own)
    }

    fn put(&self, text: &str) -> Result<(), Error> {
        write_all(self.output, text.as_bytes())
    }

    fn edit(&mut self, prompt: &str, words: &dyn Complete) -> Result<Typed, Error> {
        // The place in the history; its end is the line that is typed.
        let mut place = self.history.len();
        let mut typed = String::new();
        // The key that has ended a search.
        let mut pressed = None;
        loop {
            self.show(prompt)?;
            match pressed.take().unwrap_or_else(|| self.key()) {
                Key::Enter => {
                    self.put("\n")?;
                    return Ok(Typed::Line(core::mem::take(&mut self.line)));
                }
                Key::Paste => {
                    if self.paste() {
                        self.show(prompt)?;
                        self.put("\n")?;
                        return Ok(Typed::Line(core::mem::take(&mut self.line)));
                    }
                }
                Key::Cancel => {
                    self.put("^C\n")?;
                    return Ok(Typed::Cancelled);
                }
                Key::Gone => return Ok(Typed::End),
                Key::EndOfInput if self.line.is_empty() => {
                    self.put("\n")?;
                    return Ok(Typed::End);
                }
                Key::Suspend => {
                    self.cooked()?;
                    let _ = linux::kill_self(Signal::TSTP);
                    self.raw()?;
                }
                Key::Clear => self.put("\x1b[H\x1b[2J")?,
                Key::Tab => self.complete(words)?,
                Key::Search => pressed = Some(self.search()?),
                key @ (Key::Up | Key::Down) => {
                    let next = if let Key::Up = key { place.checked_sub(1) } else { Some(place + 1) };
                    if let Some(next) = next.filter(|next| *next <= self.history.len()) {
                        if place == self.history.len() {
                            typed.clone_from(&self.line);
                        }
                        place = next;
                        self.line.clone_from(self.history.get(place).unwrap_or(&typed));
                        (self.cursor, self.shown_from) = (self.line.len(), 0);
                    }
                }
                key => self.change(&key),
            }
        }
    }

    /// Searches the history, newest line first, for the text that is typed. ^R goes on to
    /// older lines, ^C brings back the line from before; any other key ends the search, and
    /// is given.
    fn search(&mut self) -> Result<Key, Error> {
        let (before, mut wanted) = (self.line.clone(), String::new());
        let mut place = self.history.len();
        loop {
            self.show(&format!("(search '{wanted}') "))?;
            let older_than = match self.key() {
                Key::Char(c) => {
                    wanted.push(c);
                    place + 1
                }
                Key::Backspace => {
                    wanted.pop();
                    self.history.len()
                }
                Key::Search => place,
                Key::Cancel => {
                    (self.cursor, self.shown_from) = (before.len(), 0);
                    self.line = before;
                    return Ok(Key::Unknown);
                }
                key => return Ok(key),
            };
            let mut older = self.history.iter().enumerate().take(older_than).rev();
            let found = older.find_map(|(n, line)| Some((n, line.find(&wanted)?)));
            if let Some((n, at)) = found {
                place = n;
                self.line.clone_from(&self.history[n]);
                (self.cursor, self.shown_from) = (at, 0);
            }
        }
    }

    /// Keys that move the cursor or change the line.
    fn change(&mut self, key: &Key) {
        let (before, after) = self.line.split_at(self.cursor);
        let left = before.chars().next_back().map_or(0, char::len_utf8);
        let right = after.chars().next().map_or(0, char::len_utf8);
        let word_start = {
            let trimmed = before.trim_end();
            trimmed.rfind(char::is_whitespace).map_or(0, |at| at + 1)
        };
        let word_end = {
            let blanks = after.len() - after.trim_start().len();
            let rest = &after[blanks..];
            self.cursor + blanks + rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        match key {
            Key::Char(c) if self.line.len() < LIMIT => {
                self.line.insert(self.cursor, *c);
                self.cursor += c.len_utf8();
            }
            Key::Backspace => {
                self.cursor -= left;
                self.line.drain(self.cursor..self.cursor + left);
            }
            Key::Delete | Key::EndOfInput => {
                self.line.drain(self.cursor..self.cursor + right);
            }
            Key::Left => self.cursor -= left,
            Key::Right => self.cursor += right,
            Key::WordLeft => self.cursor = word_start,
            Key::WordRight => self.cursor = word_end,
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.line.len(),
            Key::KillToEnd => self.line.truncate(self.cursor),
            Key::KillToStart => {
                self.line.drain(..self.cursor);
                self.cursor = 0;
            }
            Key::KillWord => {
                self.line.drain(word_start..self.cursor);
                self.cursor = word_start;
            }
            _ => {}
        }
    }

    /// Takes a paste up to its closing bracket; whether it had the end of a line, which
    /// ends the typing.
    fn paste(&mut self) -> bool {
        const CLOSE: &str = "\x1b[201~";
        let mut bytes = Vec::new();
        while let Some(byte) = self.byte() {
            bytes.push(byte);
            if bytes.ends_with(CLOSE.as_bytes()) {
                bytes.truncate(bytes.len() - CLOSE.len());
                break;
            }
            if bytes.len() > LIMIT {
                break;
            }
        }
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n").replace('\r', "\n");
        self.line.insert_str(self.cursor, &text);
        self.cursor += text.len();
        text.contains('\n')
    }

    /// Completes the word before the cursor as far as all candidates agree, and lists
    /// them where they do not.
    fn complete(&mut self, words: &dyn Complete) -> Result<(), Error> {
        let before = &self.line[..self.cursor];
        let start = before
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '.')))
            .map_or(0, |at| at + 1);
        let (prefix, first) = (&before[start..], before[..start].trim().is_empty());
        let mut found: Vec<String> = Vec::new();
        words.complete(prefix, first, &mut |word| {
            if !found.iter().any(|known| known == word) {
                found.push(word.into());
            }
        });
        let Some(one) = found.first() else { return Ok(()) };
        let mut common = one.len();
        for word in &found {
            let same = word.bytes().zip(one.bytes()).take_while(|(a, b)| a == b).count();
            common = common.min(same);
        }
        let mut insert: String = one[prefix.len()..common].into();
        if found.len() == 1 {
            insert.push(' ');
        } else if insert.is_empty() {
            const SHOWN: usize = 60;
            let mut text = String::from("\r\n");
            for word in found.iter().take(SHOWN) {
                text.push_str(word);
                text.push(' ');
            }
            if found.len() > SHOWN {
                let _ = write!(text, "… {} more", found.len() - SHOWN);
            }
            text.push_str("\r\n");
            self.put(&text)?;
        }
        self.line.insert_str(self.cursor, &insert);
        self.cursor += insert.len();
        Ok(())
    }

    /// Draws prompt and line, and puts the terminal's cursor where the next character
    /// goes.
    fn show(&mut self, prompt: &str) -> Result<(), Error> {
        let columns = linux::terminal_width(self.output).map_or(WIDTH, usize::from);
        let room = columns.saturating_sub(width(prompt) + 1).max(1);
        if self.cursor < self.shown_from {
            self.shown_from = self.cursor;
        }
        while width(&self.line[self.shown_from..self.cursor]) > room {
            self.shown_from += self.line[self.shown_from..].chars().next().map_or(1, char::len_utf8);
        }
        let mut text = String::from("\r");
        text.push_str(prompt);
        let mut used = 0;
        for c in self.line[self.shown_from..].chars() {
            used += columns_of(c);
            if used > room {
                break;
            }
            text.push(match c {
                '\n' => '⏎',
                c if c.is_control() => '?',
                c => c,
            });
        }
        text.push_str("\x1b[K\r");
        let column = width(prompt) + width(&self.line[self.shown_from..self.cursor]);
        if column > 0 {
            let _ = write!(text, "\x1b[{column}C");
        }
        self.put(&text)
    }

    fn byte(&mut self) -> Option<u8> {
        if self.next == self.end {
            // A terminal that is gone answers EIO.
            self.end = read_some(self.input, &mut self.ahead).ok().filter(|size| *size > 0)?;
            self.next = 0;
        }
        self.next += 1;
        Some(self.ahead[self.next - 1])
    }

    fn key(&mut self) -> Key {
        let Some(byte) = self.byte() else { return Key::Gone };
        match byte {
            b'\r' | b'\n' => Key::Enter,
            b'\t' => Key::Tab,
            0x7F | 0x08 => Key::Backspace,
            0x01 => Key::Home,
            0x02 => Key::Left,
            0x03 => Key::Cancel,
            0x04 => Key::EndOfInput,
            0x05 => Key::End,
            0x06 => Key::Right,
            0x0B => Key::KillToEnd,
            0x0C => Key::Clear,
            0x0E => Key::Down,
            0x10 => Key::Up,
            0x12 => Key::Search,
            0x15 => Key::KillToStart,
            0x17 => Key::KillWord,
            0x1A => Key::Suspend,
            0x1B => self.escape(),
            0x20..0x7F => Key::Char(char::from(byte)),
            0xC2.. => self.wide(byte),
            _ => Key::Unknown,
        }
    }

    /// A character of several bytes (UTF-8, RFC 3629).
    fn wide(&mut self, first: u8) -> Key {
        let mut bytes = [first, 0, 0, 0];
        let size = match first {
            0xF0.. => 4,
            0xE0.. => 3,
            _ => 2,
        };
        for byte in &mut bytes[1..size] {
            match self.byte() {
                Some(next) => *byte = next,
                None => return Key::Gone,
            }
        }
        let text = core::str::from_utf8(&bytes[..size]).ok();
        text.and_then(|text| text.chars().next()).map_or(Key::Unknown, Key::Char)
    }

    /// A control sequence: `ESC [` or `ESC O`, parameters, a final byte.
    fn escape(&mut self) -> Key {
        match self.byte() {
            Some(b'b') => Key::WordLeft,
            Some(b'f') => Key::WordRight,
            Some(b'[' | b'O') => {
                let mut parameters = String::new();
                loop {
                    match self.byte() {
                        None => return Key::Gone,
                        Some(byte @ (b'0'..=b'9' | b';')) if parameters.len() < 16 => {
                            parameters.push(char::from(byte));
                        }
                        Some(last) => return sequence(&parameters, last),
                    }
                }
            }
            None => Key::Gone,
            _ => Key::Unknown,
        }
    }
}

/// Gives the terminal back when a signal ends the process.
///
/// # Safety
/// 1. `editor` is the address of an [`Editor`].
unsafe fn restore_modes(editor: *mut ()) {
    // SAFETY: (1) the caller's.
    let editor = unsafe { &*editor.cast::<Editor>() };
    let _ = editor.cooked();
}

/// The key that a control sequence stands for.
fn sequence(parameters: &str, last: u8) -> Key {
    match (parameters, last) {
        ("200", b'~') => Key::Paste,
        ("3", b'~') => Key::Delete,
        ("1" | "7", b'~') | (_, b'H') => Key::Home,
        ("4" | "8", b'~') | (_, b'F') => Key::End,
        ("1;5" | "1;3", b'D') => Key::WordLeft,
        ("1;5" | "1;3", b'C') => Key::WordRight,
        (_, b'A') => Key::Up,
        (_, b'B') => Key::Down,
        (_, b'C') => Key::Right,
        (_, b'D') => Key::Left,
        _ => Key::Unknown,
    }
}

/// Columns that a text takes.
fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Columns that a character takes: none for combining marks, two for the wide ones of
/// East Asia and for pictures (Unicode, UAX 11).
fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200F | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF => 2,
        0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 => 2,
        0x1F300..=0x1FAFF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}
