//! Words that are written `l i k e  t h i s`.
//!
//! In: a text. Out: the words, each behind a space. A look at whole blocks of octets finds out
//! that there are none, as in nearly every text; only then letters are read one by one.

use crate::message::fixed::{rest, slice};

/// Single letters with one and the same separator between them are one word from here on.
const SPACED_LETTERS: usize = 4;

fn is_separator(letter: char) -> bool {
    matches!(letter, ' ' | '.' | '-' | '_' | '*' | '|' | '/' | '~' | NO_BREAK)
}

/// Whether the same separator stands three times with one letter or digit of ASCII between,
/// which a word of [`SPACED_LETTERS`] cannot do without.
pub(super) fn has_single_letters(octets: &[u8]) -> bool {
    const STEP: usize = 8;
    let word = |at: usize| rest(octets, at).first_chunk::<STEP>().copied().map(u64::from_le_bytes);
    let mut at = 0;
    // Eight places in one step: nearly nowhere three octets, each two apart, are the same.
    while let (Some(mark), Some(after), Some(last)) = (word(at), word(at + 2), word(at + 4)) {
        if has_zero((mark ^ after) | (mark ^ last))
            && slice(octets, at, STEP + 4).windows(5).any(are_single)
        {
            return true;
        }
        at += STEP;
    }
    rest(octets, at).windows(5).any(are_single)
}

/// Whether an octet of eight is zero.
#[inline]
fn has_zero(word: u64) -> bool {
    const LOW: u64 = u64::MAX / 255;
    word.wrapping_sub(LOW) & !word & (LOW << 7) != 0
}

/// Two letters between three equal separators.
fn are_single(octets: &[u8]) -> bool {
    let &[mark, first, after, second, last] = octets else { return false };
    let letters = first.is_ascii_alphanumeric() && second.is_ascii_alphanumeric();
    letters && mark == after && mark == last && is_separator(char::from(mark))
}

const NO_BREAK: char = '\u{a0}';

/// Whether one letter stands between no-break spaces.
fn has_letter_between(stretch: &str) -> bool {
    let letters = || stretch.chars();
    // Two octets a space and two a letter at least.
    stretch.len() > 5
        && letters().zip(letters().skip(1)).zip(letters().skip(2)).any(
            |((before, letter), after)| {
                before == NO_BREAK && letter != NO_BREAK && after == NO_BREAK
            },
        )
}

/// Notes letters beyond ASCII that stand apart, stretch by stretch.
#[derive(Debug, Default)]
pub(super) struct Wide {
    /// The last stretch was one letter between two equal separators.
    was_single: bool,
    /// The last stretch ended with a no-break space.
    was_no_break: bool,
    /// Enough for a closer look.
    found: bool,
}

impl Wide {
    /// Takes what is not ASCII, and the ASCII around it.
    pub(super) fn stretch(&mut self, before: &[u8], stretch: &str, after: &[u8]) {
        let single = before.last().filter(|mark| after.first() == Some(mark));
        let single = single.filter(|mark| is_separator(char::from(**mark)));
        let is_letter = |octet: Option<&u8>| octet.is_some_and(u8::is_ascii_alphanumeric);
        let was_single = std::mem::take(&mut self.was_single);
        let goes_on = self.was_no_break && before.len() == 1 && stretch.starts_with(NO_BREAK);
        self.was_no_break = stretch.ends_with(NO_BREAK);
        self.found |= goes_on || has_letter_between(stretch);
        let Some(mark) = single.filter(|_| stretch.chars().nth(1).is_none()) else { return };
        self.was_single = true;
        self.found |= match (before, after) {
            ([_], _) if was_single => true,
            ([.., first, letter, _], _) if first == mark && is_letter(Some(letter)) => true,
            (_, [_, letter, last, ..]) => last == mark && is_letter(Some(letter)),
            _ => false,
        };
    }

    /// Whether words of single letters may be there that are not all of ASCII.
    pub(super) fn found(&self) -> bool {
        self.found
    }
}

/// Appends the words of a text to `extras`.
pub(super) fn push_words(text: &str, extras: &mut String) {
    let mut run = Run::default();
    for letter in text.chars() {
        match (letter.is_alphanumeric(), is_separator(letter)) {
            (true, _) => run.letter(letter, extras),
            (_, true) => run.separator(letter, extras),
            _ => run.end(extras),
        }
    }
    run.end(extras);
}

/// Letters that stand apart from each other, so far.
#[derive(Default)]
struct Run {
    word: String,
    letters: usize,
    separator: Option<char>,
    after_letter: bool,
    /// In a word of several letters, until its end.
    in_word: bool,
}

impl Run {
    fn letter(&mut self, letter: char, extras: &mut String) {
        if self.in_word {
            return;
        }
        if self.after_letter {
            // The letter before was the first of a longer word.
            self.word.pop();
            self.letters = self.letters.saturating_sub(1);
            self.end(extras);
            self.in_word = true;
            return;
        }
        self.word.push(letter);
        self.letters += 1;
        self.after_letter = true;
    }

    fn separator(&mut self, letter: char, extras: &mut String) {
        let goes_on = self.after_letter && self.separator.is_none_or(|known| known == letter);
        if !goes_on {
            self.end(extras);
            return;
        }
        self.separator = Some(letter);
        self.after_letter = false;
    }

    fn end(&mut self, extras: &mut String) {
        if self.letters >= SPACED_LETTERS {
            extras.push(' ');
            extras.push_str(&self.word);
        }
        self.word.clear();
        self.letters = 0;
        self.separator = None;
        self.after_letter = false;
        self.in_word = false;
    }
}

#[cfg(test)]
mod tests {
    use crate::message::normal::Normaliser;

    #[test]
    fn words_of_letters_that_stand_apart_are_found_wherever_they_stand() {
        let table = [
            ("", ""),
            ("a b c", ""),
            ("a b c d", " abcd"),
            ("is a big i do", ""),
            ("x.y.z.w", " xyzw"),
            ("a - b - c - d", ""),
            ("a b.c d e", ""),
            ("п р и в е т", " привет"),
            ("v i а g r а", " viаgrа"),
            ("д\u{a0}о\u{a0}м\u{a0}а", " дома"),
            ("d\u{a0}o\u{a0}m\u{a0}a", " doma"),
            ("中 文 字 符", " 中文字符"),
            ("a 中 б d", " a中бd"),
            ("и в доме – я и он", ""),
            ("- - - - -", ""),
        ];
        for (text, words) in table {
            // Wherever steps of several octets begin and end.
            for (before, after) in (0..20).map(|before| (before, 20 - before)) {
                let behind = "y".repeat(after);
                let long = format!("{}\n{text}\n{behind}", "x".repeat(before));
                let mut form = String::new();
                Normaliser { limit_octets: 1_000 }.append(&long, &mut form);
                let words = format!("{behind}{words}");
                assert!(form.ends_with(&words), "{text:?} behind {before}: {form}");
            }
        }
    }
}
