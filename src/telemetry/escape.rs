//! Text from strangers, made harmless to look at.
//!
//! In: any text. Out: the same text in which everything that could move the cursor, end the
//! line, change colours or turn the direction of writing stands as an escape.

use std::fmt::{self, Write};

/// Whether a letter acts on a terminal instead of being seen.
pub fn is_active(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            // Line and paragraph separators; marks, embeddings and isolates of direction.
            '\u{2028}' | '\u{2029}' | '\u{061c}' | '\u{200e}' | '\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// A writer that escapes what is written through it.
#[derive(Debug)]
pub struct Escaping<'a, W: ?Sized>(pub &'a mut W);

impl<W: Write + ?Sized> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_active) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut letters = from.chars();
            if let Some(letter) = letters.next() {
                write!(self.0, "{}", letter.escape_default())?;
            }
            rest = letters.as_str();
        }
        self.0.write_str(rest)
    }
}

/// The text, escaped, and cut to so many octets with an ellipsis where it is longer.
pub fn shown(text: &str, octets: usize) -> String {
    let mut out = String::with_capacity(text.len().min(octets));
    let cut = cut(text, octets);
    // Writing into a string cannot fail.
    let _ = Escaping(&mut out).write_str(cut);
    if cut.len() < text.len() {
        out.push('…');
    }
    out
}

/// The text cut to so many octets at most, between two letters.
pub fn cut(text: &str, octets: usize) -> &str {
    text.get(..text.floor_char_boundary(octets)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        let table = [
            ("plain täxt", "plain täxt"),
            ("a\r\nb", "a\\r\\nb"),
            ("\x1b[31mred\x1b]0;title\x07", "\\u{1b}[31mred\\u{1b}]0;title\\u{7}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("a\u{2028}b\0", "a\\u{2028}b\\u{0}"),
        ];
        for (text, seen) in table {
            assert_eq!(shown(text, 1_000), seen);
        }
        assert_eq!(shown("äää", 3), "ä…");
        assert_eq!(shown("", 0), "");
    }
}
