//! The text of a file that is text: scripts, markup, settings.
//!
//! In: octets in any charset. Out: text, by its byte order mark, the zeros of UTF-16, or a
//! guess. Bounded: what is longer than any script is cut.

use crate::message::charset;
use crate::message::contents::Opening;
use crate::message::fixed::slice;
use crate::message::html::html_to_text;

/// Longer texts are looked at in part.
pub(super) const SOURCE_OCTETS: usize = 16 << 20;

/// Octets as text.
pub(super) fn decode(octets: &[u8]) -> String {
    let octets = slice(octets, 0, SOURCE_OCTETS);
    let label = match octets {
        [0xff, 0xfe, ..] => Some("utf-16le"),
        [0xfe, 0xff, ..] => Some("utf-16be"),
        _ => wide(slice(octets, 0, 512)),
    };
    let text = charset::decode(octets, label).text;
    text.trim_start_matches('\u{feff}').replace('\0', "")
}

/// The text of a file, which its reader is shown as it is.
pub(super) fn read(octets: &[u8], opening: &mut Opening<'_, '_>) -> String {
    let source = decode(octets);
    if !opening.is_read_as_part() {
        opening.text(&source);
    }
    source
}

/// The text of a file in HTML or the like.
pub(super) fn read_markup(octets: &[u8], opening: &mut Opening<'_, '_>) -> String {
    let source = decode(octets);
    if !opening.is_read_as_part() {
        opening.text(&html_to_text(&source));
    }
    source
}

fn wide(sample: &[u8]) -> Option<&'static str> {
    let zeros =
        |offset: usize| sample.iter().skip(offset).step_by(2).filter(|octet| **octet == 0).count();
    let pairs = sample.len() / 2;
    match () {
        () if pairs < 4 => None,
        () if zeros(1) * 10 >= pairs * 7 => Some("utf-16le"),
        () if zeros(0) * 10 >= pairs * 7 => Some("utf-16be"),
        () => None,
    }
}

/// How many of these words occur.
pub(super) fn count(text: &str, words: &[&str]) -> usize {
    words.iter().filter(|word| has(text, word)).count()
}

/// Whether one of these words occurs.
pub(super) fn any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| has(text, word))
}

/// Whether a word occurs.
pub(super) fn has(text: &str, word: &str) -> bool {
    memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some()
}

/// How often a word occurs.
pub(super) fn times(text: &str, word: &str) -> usize {
    memchr::memmem::find_iter(text.as_bytes(), word.as_bytes()).count()
}
