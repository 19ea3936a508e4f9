//! Texts as they look: a marking with an invisible or a look-alike letter is still one.
//!
//! In: a text, lines and all. Out: the same without invisible characters, in compatibility form
//! (Unicode NFKC), words of look-alike letters of other scripts in Latin; letters that stand
//! apart (`S E C R E T`) are one word. ASCII is given back as it is, but for such lines. Linear.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use crate::message::{is_hidden, latin_look};

/// A text as its reader sees it.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || text.chars().all(is_ordinary) {
        return Cow::Borrowed(text);
    }
    let composed: String = text.chars().filter(|letter| !is_hidden(*letter)).nfkc().collect();
    let mut plain = String::with_capacity(composed.len());
    for piece in composed.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let word = piece.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        match in_latin(word) {
            Some(latin) => {
                plain.push_str(&latin);
                plain.push_str(piece.get(word.len()..).unwrap_or_default());
            }
            None => plain.push_str(piece),
        }
    }
    Cow::Owned(plain)
}

/// Letters and signs that disguise nothing, of which most texts are made: a cheap look before
/// the real one.
fn is_ordinary(letter: char) -> bool {
    letter.is_ascii()
        || matches!(letter,
            '\u{a0}'..='\u{ac}' | '\u{ae}'..='\u{17f}' | '\u{2010}'..='\u{2027}' | '\u{20ac}'
            | '\u{3000}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

/// A word of which every letter looks like a Latin one, in Latin.
fn in_latin(word: &str) -> Option<String> {
    if word.is_ascii() {
        return None;
    }
    let look = |letter: char| match letter.is_ascii() {
        true => Some(letter),
        false => latin_look(letter).map(|latin| match letter.is_uppercase() {
            true => latin.to_ascii_uppercase(),
            false => latin,
        }),
    };
    word.chars().map(look).collect()
}

/// A line of letters that stand apart, as one word: `S E C R E T`; wider gaps part words.
pub(super) fn joined(line: &str) -> Option<String> {
    const LEAST: usize = 4;
    let is_apart = |word: &str| {
        let mut letters = word.split(' ');
        letters.all(|letter| letter.chars().count() == 1)
    };
    let words: Vec<&str> =
        line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    let letters = line.chars().filter(|letter| letter.is_alphabetic()).count();
    let holds =
        letters >= LEAST && line.len() <= 4 * letters && words.iter().all(|word| is_apart(word));
    holds.then(|| words.iter().map(|word| word.replace(' ', "")).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguised_words_are_plain() {
        for (text, wanted) in [
            ("REST\u{200b}RICTED", "RESTRICTED"),
            ("ＲＥＳＴＲＩＣＴＥＤ", "RESTRICTED"),
            ("R\u{415}STRICTED plan", "RESTRICTED plan"),
            ("\u{405}\u{415}\u{421}R\u{415}\u{422}", "SECRET"),
            ("Привет, Zoë", "Привет, Zoë"),
            ("a\nb\u{ad}c\n", "a\nbc\n"),
            ("SECRET", "SECRET"),
        ] {
            assert_eq!(plain(text), wanted, "{text}");
        }
    }

    #[test]
    fn letters_that_stand_apart_are_words() {
        for (line, wanted) in [
            ("S E C R E T", Some("SECRET")),
            ("T O P  S E C R E T", Some("TOP SECRET")),
            ("a b c", None),
            ("SECRET", None),
            ("1 2 3 4", None),
            ("", None),
        ] {
            assert_eq!(joined(line).as_deref(), wanted, "{line}");
        }
    }
}
