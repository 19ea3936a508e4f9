//! Whole words: plain text that stands alone.
//!
//! In: a term of a lexicon, or a pattern that is nothing but a word between boundaries. Out: a
//! literal for the engine, and a [`Word`] that says what may stand beside it. Boundaries are
//! looked at where the literal is reported: in the pattern they would make the engine's
//! compiler a hundred times slower, and its scan no faster.

use super::form::Flags;

/// What makes a literal text a whole word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Word {
    /// Its length.
    pub(super) characters: u32,
    /// Before it.
    pub(super) before: Boundary,
    /// Behind it.
    pub(super) behind: Boundary,
}

/// What may stand beside a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Boundary {
    /// Anything: the word ends in a sign.
    Open,
    /// No letter, digit or underscore of ASCII, as `\b` has it.
    Ascii,
    /// No letter or digit of any script.
    AnyScript,
}

impl Word {
    /// What a term asks for. `\b` knows ASCII only, so at other letters the boundary is that of
    /// all scripts.
    pub(super) fn of(term: &str) -> Word {
        Word {
            characters: u32::try_from(term.chars().count()).unwrap_or(u32::MAX),
            before: Boundary::of(term.chars().next()),
            behind: Boundary::of(term.chars().next_back()),
        }
    }
}

impl Boundary {
    /// The boundary that a letter at the edge of a word asks for.
    pub(super) fn of(letter: Option<char>) -> Boundary {
        match letter {
            Some(letter) if letter.is_ascii_alphanumeric() || letter == '_' => Boundary::Ascii,
            Some(letter) if letter.is_alphanumeric() => Boundary::AnyScript,
            _ => Boundary::Open,
        }
    }

    /// Whether it lies between the word and this letter.
    pub(super) fn allows(self, letter: Option<char>) -> bool {
        let Some(letter) = letter else { return true };
        match self {
            Boundary::Open => true,
            Boundary::Ascii => !(letter.is_ascii_alphanumeric() || letter == '_'),
            Boundary::AnyScript => !letter.is_alphanumeric(),
        }
    }
}

/// A pattern for a literal text.
pub(super) fn literal(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 16);
    for letter in word.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && letter != ' ' {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

/// The literal and the word that a pattern is, when it is nothing else: `\bproject heron\b`.
/// In doubt it is not.
pub(super) fn of_pattern(pattern: &str, flags: Flags) -> Option<(String, Word)> {
    if flags.unicode || !pattern.is_ascii() {
        return None;
    }
    let (rest, begins) = match pattern.strip_prefix(r"\b") {
        Some(rest) => (rest, true),
        None => (pattern, flags.words),
    };
    let (rest, ends) = match rest.strip_suffix(r"\b") {
        // The second of two backslashes.
        Some(rest) if rest.ends_with('\\') => return None,
        Some(rest) => (rest, true),
        None => (rest, flags.words),
    };
    let mut plain = String::with_capacity(rest.len());
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(letters.next().filter(char::is_ascii_punctuation)?),
            _ if letter.is_ascii_alphanumeric() || " _-,:;@%&\"'/<>=!~".contains(letter) => {
                plain.push(letter);
            }
            _ => return None,
        }
    }
    let Word { characters, before, behind } = Word::of(&plain);
    let edge = |wanted: bool, boundary: Boundary| match (wanted, boundary) {
        (true, Boundary::Ascii) => Some(Boundary::Ascii),
        // A boundary at a sign wants a letter beside it.
        (true, _) => None,
        (false, _) => Some(Boundary::Open),
    };
    let word = Word { characters, before: edge(begins, before)?, behind: edge(ends, behind)? };
    // Without boundaries the engine does it all, and need not report twice.
    let is_bounded = begins || ends;
    (is_bounded && !plain.is_empty()).then(|| (literal(&plain), word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_taken_for_such() {
        let plain = Flags { caseless: true, ..Flags::default() };
        let words = Flags { words: true, ..plain };
        let unicode = Flags { unicode: true, ..plain };
        let table = [
            (r"\bproject heron\b", plain, Some("project heron")),
            (r"\bheron", plain, Some("heron")),
            (r"heron\b", plain, Some("heron")),
            (r"\ba\.b-c\b", plain, Some(r"a\.b\-c")),
            ("heron", words, Some("heron")),
            (r"\bheron\b", words, Some("heron")),
            ("heron", plain, None),
            ("heron|crane", words, None),
            (r"\bheron\b", unicode, None),
            (r"\bherons?\b", plain, None),
            (r"\bher.n\b", plain, None),
            (r"\b\d\b", plain, None),
            (r"\bheron\\b", plain, None),
            (r"\b%heron\b", plain, None),
            ("%heron", words, None),
            (r"\bgrün\b", plain, None),
            (r"\b\b", plain, None),
            ("", words, None),
            (r"\b", plain, None),
            (r"\ba{2}\b", plain, None),
            (r"\ba\", plain, None),
        ];
        for (pattern, flags, wanted) in table {
            let found = of_pattern(pattern, flags).map(|(text, _)| text);
            assert_eq!(found.as_deref(), wanted, "{pattern}");
        }
        let (_, word) = of_pattern(r"heron\b", plain).unwrap();
        assert_eq!((word.before, word.behind), (Boundary::Open, Boundary::Ascii));
    }
}
