//! The values of a list that stand in a text.
//!
//! In: a text, or a row of words. Out: [`Hit`]s in the order of their places. A window goes over
//! the words: where one may be the first of a value (a small filter says so), as many words as
//! values have are digested and looked up; where a number may begin, its groups are put together
//! as long as they are grouped like a number's. The work is linear in the text: a word begins at
//! most as many windows as a value has words. What goes beyond [`MOST_HITS`] is left out, and
//! that is said.

use super::ExactList;
use super::table::bit_of;
use super::values::{Form, is_group, joins_groups};
use super::words::{Gap, VALUE_WORDS, WORD_OCTETS, Word, Words};

/// Of one text.
pub const MOST_HITS: usize = 500_000;

/// A value of a list in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Its number in the list.
    pub(super) value: u32,
    /// Where it begins, in characters.
    pub from_char: u32,
    /// Where it ends.
    pub to_char: u32,
    /// The number of its first word in the text.
    pub(super) from_word: u32,
    /// That of the first word behind it.
    pub(super) to_word: u32,
}

/// What was found in one text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    pub(super) found: Vec<Hit>,
    /// There was more than is looked at.
    pub is_cut: bool,
    /// Words of the text in batches before.
    words_before: u32,
}

impl Hits {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    fn push(&mut self, hit: Hit) {
        match self.found.len() < MOST_HITS {
            true => self.found.push(hit),
            false => self.is_cut = true,
        }
    }
}

/// Where values are looked for.
struct Place<'h> {
    first: &'h Word,
    from_word: u32,
    hits: &'h mut Hits,
}

impl ExactList {
    /// The values that stand in a text.
    pub fn hits(&self, text: &str) -> Hits {
        let mut hits = Hits::default();
        Words::in_batches(text, self.head.accents(), |words, new| {
            self.look(words, new, &mut hits);
        });
        hits
    }

    /// Adds the values that begin with the first `new` words.
    pub fn look(&self, words: &Words, new: usize, hits: &mut Hits) {
        for (at, word) in words.words().iter().enumerate().take(new) {
            if word.is_overlong {
                continue;
            }
            let row = words.words().get(at..).unwrap_or_default();
            let from_word = hits.words_before.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
            let mut place = Place { first: word, from_word, hits: &mut *hits };
            if self.head.word_counts != 0 {
                self.names(words, row, &mut place);
            }
            if self.head.code_octets != 0 && is_group(words, word) {
                self.codes(words, row, &mut place);
            }
        }
        let new = u32::try_from(new).unwrap_or(u32::MAX);
        hits.words_before = hits.words_before.saturating_add(new);
    }

    /// Values of words that begin with the first of `row`.
    fn names(&self, words: &Words, row: &[Word], place: &mut Place<'_>) {
        let first = place.first;
        let hash = self.digesters.first.hash(words.form(first).as_bytes());
        let lengths = self.table.beginning(hash);
        if lengths == 0 {
            return;
        }
        for (last, count) in row.iter().zip(1..=VALUE_WORDS) {
            if count > 1 && (last.gap == Gap::Far || last.is_overlong) {
                return;
            }
            if self.head.word_counts >> (count - 1) == 0 {
                return;
            }
            let may_be =
                lengths & bit_of(count) != 0 && self.head.word_counts & (1 << (count - 1)) != 0;
            if may_be {
                let text = words.stretch(first, last).as_bytes();
                let digest = self.digesters.digest(Form::Words, text);
                self.found(digest, last, count, place);
            }
        }
    }

    /// Numbers that begin with the first of `row`.
    fn codes(&self, words: &Words, row: &[Word], place: &mut Place<'_>) {
        let lengths = self.head.code_octets;
        let mut code = [0_u8; WORD_OCTETS];
        let mut length = 0;
        let mut has_digit = false;
        for (last, count) in row.iter().zip(1..=VALUE_WORDS) {
            if count > 1 && !(joins_groups(last.gap) && is_group(words, last)) {
                return;
            }
            let group = words.form(last).as_bytes();
            let Some(room) = code.get_mut(length..length + group.len()) else { return };
            room.copy_from_slice(group);
            length += group.len();
            has_digit |= last.has_digit;
            let longer = lengths.checked_shr(u32::try_from(length - 1).unwrap_or(u32::MAX));
            let Some(longer) = longer.filter(|longer| *longer != 0) else { return };
            if has_digit && longer & 1 == 1 {
                let text = code.get(..length).unwrap_or_default();
                let digest = self.digesters.digest(Form::Code, text);
                if self.table.may_be_code(digest) {
                    self.found(digest, last, count, place);
                }
            }
        }
    }

    fn found(&self, digest: u64, last: &Word, words: usize, place: &mut Place<'_>) {
        if let Some(value) = self.table.find(digest) {
            let (from_char, to_char) = (place.first.from_char, last.to_char);
            let from_word = place.from_word;
            let to_word = from_word.saturating_add(u32::try_from(words).unwrap_or(u32::MAX));
            place.hits.push(Hit { value, from_char, to_char, from_word, to_word });
        }
    }
}
