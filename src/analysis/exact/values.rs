//! The one form of a value of a list, under which it is digested and looked for.
//!
//! In: the text of a cell. Out: its forms, and whether it tells anybody by itself; or why it
//! cannot be looked for. A number with or without letters (`943 476 5919`, `AB 12 34 56 C`) is
//! one row of characters, however it is grouped in the list or in a mail; everything else is a
//! row of words, so that `the rapist` is no `therapist`. A name written `Smith, John` is looked
//! for as `John Smith`, too.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::{Accents, Gap, VALUE_WORDS, WORD_OCTETS, Word, Words};

/// Groups of letters in a number have so many letters at most.
const GROUP_LETTERS: usize = 4;
/// Numbers of fewer characters stand in every other mail.
const CODE_CHARS: usize = 5;
/// Words of fewer letters as well.
const WORD_CHARS: usize = 4;
/// The same for letters that are words by themselves.
const ALONE_CHARS: usize = 2;

/// How a value is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As words, with one space between them.
    Words,
    /// As characters without anything between them.
    Code,
}

/// Why a value tells nobody by itself: it counts only beside another value of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// Too short.
    Short,
    /// A word of everyday mail.
    Ordinary,
}

/// Why a value cannot be looked for at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Neither letters nor digits.
    Signs,
    /// More words than a value has.
    ManyWords,
    /// A word of more characters than a word has.
    LongWord,
    /// Its words lie further apart than words of one value do.
    Scattered,
}

/// A value ready to be digested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What is digested.
    pub text: String,
    /// How it is looked for.
    pub form: Form,
    /// Its words; in a code 1.
    pub words: usize,
    /// The octets of the first one.
    pub first_octets: usize,
    /// Whether it may count alone.
    pub weakness: Option<Weakness>,
    /// Several words, all of them everyday ones.
    pub is_ordinary_phrase: bool,
}

impl Value {
    /// The first word.
    pub fn first(&self) -> &str {
        self.text.get(..self.first_octets).unwrap_or_default()
    }

    /// The forms of a cell that is not empty.
    pub fn of(cell: &str, accents: Accents) -> Result<Vec<Value>, Refusal> {
        let words = Words::of(cell, accents);
        check(&words)?;
        if let Some(code) = Value::code(&words) {
            return Ok(vec![code]);
        }
        let mut values: Vec<Value> = Value::words(&words).into_iter().collect();
        values.extend(turned(cell).and_then(|turned| {
            let words = Words::of(&turned, accents);
            check(&words).ok().and_then(|()| Value::words(&words))
        }));
        Ok(values)
    }

    fn code(words: &Words) -> Option<Value> {
        let row = words.words();
        let has_digit = row.iter().any(|word| word.has_digit);
        let is_grouped = row.iter().skip(1).all(|word| joins_groups(word.gap));
        if !has_digit || !is_grouped || !row.iter().all(|word| is_group(words, word)) {
            return None;
        }
        let text: String = row.iter().map(|word| words.form(word)).collect();
        if text.len() > WORD_OCTETS {
            return None;
        }
        let weakness = (text.chars().count() < CODE_CHARS).then_some(Weakness::Short);
        let first_octets = text.len();
        Some(Value {
            text,
            form: Form::Code,
            words: 1,
            first_octets,
            weakness,
            is_ordinary_phrase: false,
        })
    }

    fn words(words: &Words) -> Option<Value> {
        let row = words.words();
        let (first, last) = (row.first()?, row.last()?);
        let text = words.stretch(first, last).to_owned();
        let chars = text.chars().filter(|letter| *letter != ' ').count();
        let few = if row.iter().all(|word| word.stands_alone) { ALONE_CHARS } else { WORD_CHARS };
        let all_ordinary = row.iter().all(|word| is_ordinary(words.form(word)));
        let weakness = match row.len() {
            _ if chars < few => Some(Weakness::Short),
            1 if all_ordinary => Some(Weakness::Ordinary),
            _ => None,
        };
        Some(Value {
            text,
            form: Form::Words,
            words: row.len(),
            first_octets: first.octets(),
            weakness,
            is_ordinary_phrase: row.len() > 1 && all_ordinary,
        })
    }
}

fn check(words: &Words) -> Result<(), Refusal> {
    let row = words.words();
    match () {
        () if row.is_empty() => Err(Refusal::Signs),
        () if row.len() > VALUE_WORDS => Err(Refusal::ManyWords),
        () if row.iter().any(|word| word.is_overlong) => Err(Refusal::LongWord),
        () if row.iter().skip(1).any(|word| word.gap == Gap::Far) => Err(Refusal::Scattered),
        () => Ok(()),
    }
}

/// `Smith, John` → `John Smith`.
fn turned(cell: &str) -> Option<String> {
    let (last, first) = cell.split_once(',')?;
    let is_name = |part: &str| part.chars().any(char::is_alphanumeric);
    (is_name(first) && is_name(last) && !first.contains(',')).then(|| format!("{first} {last}"))
}

/// Whether a word can be a group of a number.
pub(super) fn is_group(words: &Words, word: &Word) -> bool {
    let is_short =
        || word.octets() <= GROUP_LETTERS || words.form(word).chars().count() <= GROUP_LETTERS;
    !word.is_overlong && (word.has_digit || is_short())
}

/// Whether two groups of a number may stand so far apart.
pub(super) fn joins_groups(gap: Gap) -> bool {
    matches!(gap, Gap::Group | Gap::Divided)
}

/// Whether a word stands in everyday mail.
pub fn is_ordinary(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
        let lines = include_str!("../../../rules/lists/ordinary_words.txt").lines();
        lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
    });
    word.len() < WORD_CHARS || WORDS.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_one_form() {
        let table: [(&str, &[(&str, Form)]); 15] = [
            ("943 476 5919", &[("9434765919", Form::Code)]),
            ("943-476-5919", &[("9434765919", Form::Code)]),
            ("ab 12 34 56 C", &[("ab123456c", Form::Code)]),
            ("GB82 WEST 1234 5698 7654 32", &[("gb82west12345698765432", Form::Code)]),
            ("+44 (0)20 7946 0018", &[("4402079460018", Form::Code)]),
            ("LS1 4AP", &[("ls14ap", Form::Code)]),
            ("C-00123456", &[("c00123456", Form::Code)]),
            ("Smith", &[("smith", Form::Words)]),
            ("  Mary-Jane   O'Neil ", &[("mary jane oneil", Form::Words)]),
            ("Smith, John Q.", &[("smith john q", Form::Words), ("john q smith", Form::Words)]),
            ("12 Oxford Street", &[("12 oxford street", Form::Words)]),
            ("ann7@example.org", &[("ann7 example org", Form::Words)]),
            ("12, 34", &[("12 34", Form::Words), ("34 12", Form::Words)]),
            ("\u{5f20}\u{4f1f}", &[("\u{5f20} \u{4f1f}", Form::Words)]),
            ("Zo\u{eb}", &[("zoe", Form::Words)]),
        ];
        for (cell, expected) in table {
            let values = Value::of(cell, Accents::Folded).unwrap();
            let found: Vec<_> =
                values.iter().map(|value| (value.text.as_str(), value.form)).collect();
            assert_eq!(found, expected, "{cell}");
        }
    }

    #[test]
    fn what_tells_nobody_is_known() {
        use Weakness::{Ordinary, Short};
        let table = [
            ("Li", Some(Short)),
            ("Ann", Some(Short)),
            ("A B", Some(Short)),
            ("1234", Some(Short)),
            ("2/3", Some(Short)),
            ("12345", None),
            ("Will", Some(Ordinary)),
            ("summer", Some(Ordinary)),
            ("Okonkwo", None),
            ("Mark Young", None),
            ("\u{5f20}", Some(Short)),
            ("\u{5f20}\u{4f1f}", None),
        ];
        for (cell, expected) in table {
            let values = Value::of(cell, Accents::Folded).unwrap();
            assert_eq!(values[0].weakness, expected, "{cell}");
        }
        let phrase = |cell| Value::of(cell, Accents::Folded).unwrap()[0].is_ordinary_phrase;
        assert!(phrase("Mark Young") && !phrase("Mark Okonkwo") && !phrase("Mark"));
    }

    #[test]
    fn what_cannot_be_looked_for_is_refused() {
        let table = [
            ("--", Refusal::Signs),
            (&"word ".repeat(17), Refusal::ManyWords),
            (&"x".repeat(65), Refusal::LongWord),
            ("John ((((( Smith", Refusal::Scattered),
        ];
        for (cell, expected) in table {
            assert_eq!(Value::of(cell, Accents::Folded).unwrap_err(), expected, "{cell}");
        }
    }
}
