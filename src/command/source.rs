//! Where `run` and `disasm` have their bytes from: digits on the command line, a file, or
//! standard input.

use crate::cli::{Cli, Lossy};
use alloc::vec::Vec;
use barejit::{
    front::{hex, image::Image, text::Position},
    host,
};
use barejit_asm::parse;
use barejit_sys::{self as sys, Fd};

/// The most code that is read from a file: an endless one would fill the memory.
const LIMIT: usize = 1 << 28;

/// The source that the argument `HEX|FILE|-` names.
pub(super) enum Source {
    /// Bytes that were spelled out.
    Spelled(Vec<u8>),
    /// The bytes of a file that holds no text.
    Raw(Vec<u8>),
    /// An ELF file.
    Image(Vec<u8>),
}

/// Reads `word`: digits first, then the file of this name. A file of text spells bytes,
/// too.
pub(super) fn read(cli: &Cli, word: &'static [u8]) -> Source {
    let spelled = hex::parse(word);
    let contents = match spelled {
        Ok(bytes) => return Source::Spelled(bytes),
        Err(_) if word == b"-" => {
            host::read_to_end(Fd::STDIN, LIMIT).unwrap_or_else(|error| cli.refused(error))
        }
        Err(hex::Error { reason: hex::Reason::Empty, .. }) => cli.usage(format_args!("no machine code")),
        Err(error) => match host::read_file(word, LIMIT) {
            Ok(contents) => contents,
            Err(_) if is_spelled(word, error.reason) => refuse(cli, None, word, &error),
            Err(error) => cli.refused_for(word, error),
        },
    };
    if contents.is_empty() {
        no_code(cli, word)
    }
    if Image::is_one(&contents) {
        return Source::Image(contents);
    }
    if !hex::is_text(&contents) {
        return Source::Raw(contents);
    }
    match hex::parse(&contents) {
        Ok(bytes) => Source::Spelled(bytes),
        Err(error) => refuse(cli, Some(word), &contents, &error),
    }
}

/// The first word of a text, if it is a mnemonic of Intel's or AT&T's: assembly text.
pub(super) fn mnemonic(text: &[u8]) -> Option<&str> {
    let word = text.trim_ascii_start().split(|byte| byte.is_ascii_whitespace() || *byte == b';').next()?;
    sys::utf8(word).filter(|word| parse::is_mnemonic(word) || parse::is_att_mnemonic(word))
}

/// Whether a word that names no file is meant as digits: it has what names seldom have.
fn is_spelled(word: &[u8], reason: hex::Reason) -> bool {
    mnemonic(word).is_some()
        || !word.starts_with(b"/")
            && (reason != hex::Reason::NotHexadecimal
                || word.iter().any(|byte| b" \n\t,;\\{}[]\"'".contains(byte)))
}

/// Says what is wrong with a text, and ends.
fn refuse(cli: &Cli, file: Option<&[u8]>, text: &[u8], error: &hex::Error<'_>) -> ! {
    let place = Position::of(text, error.at);
    // Binary input shows as much as fits a line.
    let group = error.group.get(..40).unwrap_or(error.group);
    // A word that is a mnemonic is text, even if its letters are digits: add, dec.
    let instruction = mnemonic(text).or(mnemonic(error.group));
    let (group, reason) = (Lossy(group), error.reason);
    if let Some(word) = instruction.filter(|_| reason != hex::Reason::Empty) {
        let (before, after) = if file.is_some() { (": ", "FILE") } else { ("", "TEXT") };
        cli.usage(format_args!(
            "{}{before}'{word}' is an instruction, not hexadecimal; `barejit run -a {after}` runs text, \
             `barejit asm {after}` assembles it",
            Lossy(file.unwrap_or_default()),
        ))
    }
    match file {
        Some(file) if reason == hex::Reason::Empty => no_code(cli, file),
        Some(file) => cli.usage(format_args!("{}: {place}: '{group}': {reason}", Lossy(file))),
        None => cli.usage(format_args!("{place}: '{group}': {reason}")),
    }
}

fn no_code(cli: &Cli, file: &[u8]) -> ! {
    cli.usage(format_args!("{}: no machine code", Lossy(file)))
}
