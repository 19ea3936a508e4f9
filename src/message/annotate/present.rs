//! Whether a message has an annotation already, most often in what it quotes; and whether its
//! text is signed or encrypted as text.
//!
//! In: the annotation, a text that is shown. Out: yes or no. Programs that answer mail drop
//! comments of HTML, quote and break lines anew; so beside the mark in the HTML the words
//! themselves are looked for, without what such programs change. Linear.

use memchr::memmem;

use super::markup;
use crate::message::html::{Attributes, HtmlReader, is_block, read_html};
use crate::message::normal::is_hidden;

/// Words of fewer letters could stand in any text; they are looked for as whole lines.
const LETTERS: usize = 32;

/// What an annotation is known by.
pub(super) struct Tell {
    mark: String,
    /// Letters and digits alone, of long annotations.
    letters: Vec<String>,
    /// What is printed, of short ones, between line ends.
    lines: Vec<String>,
}

/// The name of an annotation as it stands in a comment of HTML.
pub(super) fn mark(key: &str) -> String {
    let plain = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || letter == '.' || letter == '_' => letter,
        _ => '.',
    };
    let key: String = key.chars().take(100).map(plain).collect();
    format!("<!-- postern:{key} -->")
}

impl Tell {
    /// Of a text and its HTML; without a key any number of them may stand in a thread.
    pub(super) fn of(key: &str, text: &str, html: &str) -> Option<Tell> {
        if key.is_empty() {
            return None;
        }
        let mut tell = Tell { mark: mark(key), letters: Vec::new(), lines: Vec::new() };
        for said in [text.to_owned(), markup_text(html)] {
            let letters = letters_of(&said);
            match letters.chars().count() {
                0 => {}
                count if count >= LETTERS => tell.letters.push(letters),
                _ => tell.lines.push(lines_of(&said)),
            }
        }
        Some(tell)
    }

    /// Whether it stands in a plain text.
    pub(super) fn is_in_text(&self, text: &str) -> bool {
        let contains = |hay: &str, needle: &String| memmem::find(hay.as_bytes(), needle.as_bytes());
        if !self.letters.is_empty() {
            let hay = letters_of(text);
            if self.letters.iter().any(|needle| contains(&hay, needle).is_some()) {
                return true;
            }
        }
        if self.lines.is_empty() {
            return false;
        }
        let hay = lines_of(text);
        self.lines.iter().any(|needle| contains(&hay, needle).is_some())
    }

    /// Whether it stands in HTML.
    pub(super) fn is_in_html(&self, html: &str) -> bool {
        memmem::find(html.as_bytes(), self.mark.as_bytes()).is_some()
            || self.is_in_text(&markup_text(html))
    }
}

/// Letters and digits in small letters.
fn letters_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| letter.is_alphanumeric()) {
        match letter.is_ascii() {
            true => out.push(letter.to_ascii_lowercase()),
            false => out.extend(letter.to_lowercase()),
        }
    }
    out
}

/// Lines without the signs of quoting, each between line ends, and without empty ones.
fn lines_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\n');
    for line in text.lines() {
        let is_lead = |letter: char| letter.is_whitespace() || matches!(letter, '>' | '|');
        let mut words = line.trim_start_matches(is_lead).split_whitespace().peekable();
        if words.peek().is_none() {
            continue;
        }
        for (at, word) in words.enumerate() {
            if at > 0 {
                out.push(' ');
            }
            out.extend(word.chars().filter(|letter| !is_hidden(*letter)));
        }
        out.push('\n');
    }
    out
}

/// The words of HTML, without the targets of its links.
struct Words(String);

impl HtmlReader for Words {
    fn text(&mut self) -> &mut String {
        &mut self.0
    }

    fn open(&mut self, element: &str, _: Attributes<'_>) {
        if is_block(element) {
            self.0.push('\n');
        }
    }

    fn close(&mut self, element: &str) {
        if is_block(element) {
            self.0.push('\n');
        }
    }
}

/// The words of HTML, line by line.
pub(super) fn markup_text(html: &str) -> String {
    let mut words = Words(String::with_capacity(html.len() / 2));
    read_html(html, &mut words);
    words.0
}

/// Whether a text holds a signed or encrypted text of its own (RFC 9580 section 6.2); one that
/// is quoted is none any more.
pub(super) fn is_sealed(text: &str, is_html: bool) -> Option<super::Why> {
    const BEGIN: &[u8] = b"-----BEGIN PGP ";
    for at in memmem::find_iter(text.as_bytes(), BEGIN) {
        let (before, rest) = text.split_at_checked(at)?;
        let begins_line = matches!(before.as_bytes().last(), None | Some(b'\n' | b'\r'));
        if !begins_line && !is_html && !before.ends_with('\u{feff}') {
            continue;
        }
        let what = rest.get(BEGIN.len()..).unwrap_or_default();
        if what.starts_with("SIGNED MESSAGE-----") {
            return Some(super::Why::Signed);
        }
        if what.starts_with("MESSAGE") {
            return Some(super::Why::Encrypted);
        }
    }
    None
}

/// The HTML of an annotation, made of the text where none is given; in ASCII.
pub(super) fn html_of(text: &str, html: Option<&str>) -> String {
    let given = html.map(markup::fragment).filter(|html| !html.is_empty());
    markup::in_ascii(&match given {
        Some(html) => html.to_owned(),
        None => markup::of_text(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str =
        "This message is confidential. If you are not its\r\nrecipient, delete it – now.";

    #[test]
    fn an_annotation_is_known_again() {
        let tell = Tell::of("legal", LONG, &markup::of_text(LONG)).unwrap();
        let quoted = "> > This message is\n> > confidential. If you are *not* its recipient,\n>> delete it - now.\n";
        assert!(tell.is_in_text(quoted));
        assert!(!tell.is_in_text("This message is confidential."));
        assert!(tell.is_in_html("<p>x</p><!-- postern:legal -->"));
        assert!(!tell.is_in_html("<p>x</p><!-- postern:other -->"));
        assert!(tell.is_in_html(
            "<blockquote>This message is&nbsp;confidential. If you are not its <b>recipient</b>, delete it &ndash; now."
        ));
        let short = Tell::of("tag", "[EXTERNAL]", "<b>[EXTERNAL]</b>").unwrap();
        assert!(short.is_in_text("a\r\n> [EXTERNAL]\r\nb"));
        assert!(!short.is_in_text("an external [EXTERNAL] line"));
        assert!(!short.is_in_text("external"));
        assert!(short.is_in_html("<p>[EXTERNAL]</p>"));
        assert!(Tell::of("", "x", "x").is_none());
    }

    #[test]
    fn armour_is_seen() {
        use super::super::Why::{Encrypted, Signed};
        let table = [
            ("a\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n", false, Some(Signed)),
            ("-----BEGIN PGP MESSAGE-----\r\n", false, Some(Encrypted)),
            ("> -----BEGIN PGP MESSAGE-----\r\n", false, None),
            ("<p>-----BEGIN PGP MESSAGE-----<br>", true, Some(Encrypted)),
            ("-----BEGIN PGP PUBLIC KEY BLOCK-----\r\n", false, None),
        ];
        for (text, is_html, why) in table {
            assert_eq!(is_sealed(text, is_html), why, "{text}");
        }
    }
}
