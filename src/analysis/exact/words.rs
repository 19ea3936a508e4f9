//! A text as a row of words in the one form in which values are compared.
//!
//! In: text in UTF-8, as written or in normal form. Out: words in small letters, compatibility
//! forms resolved (Unicode UAX #15, NFKD), accents removed or kept, with their places in
//! characters and what stands between them. Letters of scripts that are written without spaces,
//! and Hangul syllables, to which particles are joined, are words by themselves. An apostrophe
//! within a word does not count, and neither does a possessive `'s`. Linear; a long text comes
//! in batches, so that memory is bounded.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::message::is_hidden;

/// Longer words are machines' and equal no value.
pub const WORD_OCTETS: usize = 64;
/// A value has so many words at most.
pub const VALUE_WORDS: usize = 16;
/// Between two words of a value stand so many characters at most, a run of white space being
/// one.
const NEAR_CHARS: u32 = 4;
/// The same within a number.
const GROUP_CHARS: u32 = 3;
/// Words in one batch.
const BATCH_WORDS: usize = 32 << 10;

/// What becomes of accents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accents {
    /// `é` is `e`, `ß` is `ss`.
    #[default]
    Folded,
    /// Letters with and without are different ones.
    Kept,
}

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// More than words of one value can be apart.
    Far,
    /// Few characters.
    Near,
    /// Few characters, and such as are put between the groups of a number.
    Group,
    /// A hyphen and white space, as where a word was divided at the end of a line; small
    /// letters follow.
    Divided,
}

/// One word of a row.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    begin: u32,
    end: u32,
    /// Where it begins in the text, in characters.
    pub from_char: u32,
    /// Where it ends.
    pub to_char: u32,
    /// What stands before it.
    pub gap: Gap,
    /// It holds a digit.
    pub has_digit: bool,
    /// A letter of a script that is written without spaces.
    pub stands_alone: bool,
    /// It is cut and equals nothing.
    pub is_overlong: bool,
}

impl Word {
    /// Its length in the row's form.
    pub fn octets(&self) -> usize {
        self.end.saturating_sub(self.begin) as usize
    }
}

/// Words one behind the other.
#[derive(Debug, Default)]
pub struct Words {
    /// The words, one space between them.
    form: String,
    words: Vec<Word>,
}

impl Words {
    /// All words of a short text.
    pub fn of(text: &str, accents: Accents) -> Words {
        let mut all = Words::default();
        Reader::new(text, accents, &mut all).read(usize::MAX);
        all
    }

    /// Gives the words of a text batch by batch: with each a number of words that were not
    /// given before, behind which stand some more that begin the next batch.
    pub fn in_batches(text: &str, accents: Accents, mut look: impl FnMut(&Words, usize)) {
        let mut batch = Words::default();
        let mut reader = Reader::new(text, accents, &mut batch);
        while reader.read(BATCH_WORDS) == Progress::Paused {
            let new = reader.row.words.len().saturating_sub(VALUE_WORDS);
            look(reader.row, new);
            reader.row.forget(new);
        }
        let rest = batch.words.len();
        look(&batch, rest);
    }

    /// The words.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// One word as it is compared.
    pub fn form(&self, word: &Word) -> &str {
        self.form.get(word.begin as usize..word.end as usize).unwrap_or_default()
    }

    /// The words from `first` to `last`, with one space between them.
    pub fn stretch(&self, first: &Word, last: &Word) -> &str {
        self.form.get(first.begin as usize..last.end as usize).unwrap_or_default()
    }

    /// Drops the first words.
    fn forget(&mut self, count: usize) {
        let Some(first) = self.words.get(count).map(|word| word.begin) else { return };
        self.words.drain(..count);
        self.form.drain(..first as usize);
        for word in &mut self.words {
            word.begin -= first;
            word.end -= first;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Paused,
    Ended,
}

/// What was read since the last word ended.
#[derive(Debug, Clone, Copy)]
struct Between {
    chars: u32,
    /// Only what is put between groups of a number.
    groups: bool,
    /// How far it looks like the division of a word.
    division: Division,
    /// The last character was white space.
    white: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Division {
    Possible,
    Hyphen,
    Line,
    No,
}

impl Between {
    const NOTHING: Between =
        Between { chars: 0, groups: true, division: Division::Possible, white: false };

    fn push(&mut self, letter: char) {
        let white = letter.is_whitespace();
        if !(white && self.white) {
            self.chars = self.chars.saturating_add(1);
        }
        self.white = white;
        self.groups &= white || separates_groups(letter);
        self.division = match (self.division, letter) {
            (Division::Possible, '-' | '\u{2010}') => Division::Hyphen,
            (Division::Hyphen | Division::Line, _) if white => Division::Line,
            _ => Division::No,
        };
    }

    fn gap(self, first: char) -> Gap {
        match () {
            () if self.division == Division::Line && first.is_lowercase() => Gap::Divided,
            () if self.groups && self.chars <= GROUP_CHARS => Gap::Group,
            () if self.chars <= NEAR_CHARS => Gap::Near,
            () => Gap::Far,
        }
    }
}

fn separates_groups(letter: char) -> bool {
    matches!(
        letter,
        '-' | '.' | '/' | '_' | '(' | ')' | '+' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{b7}'
    )
}

/// A word that is being read.
struct Open {
    begin: usize,
    from_char: u32,
    gap: Gap,
    has_digit: bool,
    chars: u32,
    is_overlong: bool,
}

struct Reader<'t, 'w> {
    text: &'t str,
    at: usize,
    chars: u32,
    accents: Accents,
    between: Option<Between>,
    open: Option<Open>,
    row: &'w mut Words,
}

impl<'t, 'w> Reader<'t, 'w> {
    fn new(text: &'t str, accents: Accents, row: &'w mut Words) -> Reader<'t, 'w> {
        Reader { text, at: 0, chars: 0, accents, between: None, open: None, row }
    }

    fn octet(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Reads on until there are so many words.
    fn read(&mut self, most: usize) -> Progress {
        while let Some(octet) = self.octet(self.at) {
            match octet {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.run(),
                b'\'' | b'`' => self.apostrophe('\'', 1),
                0..=127 => self.separator(char::from(octet), 1),
                _ => self.foreign(),
            }
            if self.row.words.len() >= most {
                return Progress::Paused;
            }
        }
        self.end();
        Progress::Ended
    }

    /// A run of ASCII letters and digits.
    fn run(&mut self) {
        let from = self.at;
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        let length = rest.iter().position(|octet| !octet.is_ascii_alphanumeric());
        let length = length.unwrap_or(rest.len());
        let run = self.text.get(from..from + length).unwrap_or_default();
        let first = run.chars().next().unwrap_or_default();
        self.begin(first);
        let chars = u32::try_from(length).unwrap_or(u32::MAX);
        let Some(open) = &mut self.open else { return };
        open.chars = open.chars.saturating_add(chars);
        let room = WORD_OCTETS.saturating_sub(self.row.form.len() - open.begin);
        open.is_overlong |= length > room;
        let run = run.get(..room.min(length)).unwrap_or_default();
        open.has_digit |= run.bytes().any(|letter| letter.is_ascii_digit());
        let from = self.row.form.len();
        self.row.form.push_str(run);
        if let Some(new) = self.row.form.get_mut(from..) {
            new.make_ascii_lowercase();
        }
        self.at += length;
        self.chars = self.chars.saturating_add(chars);
    }

    fn begin(&mut self, first: char) {
        if self.open.is_some() {
            return;
        }
        let gap = self.between.take().map_or(Gap::Far, |between| between.gap(first));
        if !self.row.form.is_empty() {
            self.row.form.push(' ');
        }
        self.open = Some(Open {
            begin: self.row.form.len(),
            from_char: self.chars,
            gap,
            has_digit: false,
            chars: 0,
            is_overlong: false,
        });
    }

    /// Ends the word that is open.
    fn end(&mut self) {
        self.end_as(false);
    }

    fn end_as(&mut self, stands_alone: bool) {
        let Some(open) = self.open.take() else { return };
        if self.accents == Accents::Kept {
            // Marks may have come behind their letters.
            let composed = self.row.form.get(open.begin..).filter(|form| !form.is_ascii());
            if let Some(composed) = composed.map(|form| form.nfkc().collect::<String>()) {
                self.row.form.truncate(open.begin);
                self.row.form.push_str(&composed);
            }
        }
        let end = self.row.form.len();
        if end == open.begin {
            // Nothing but marks.
            if end > 0 {
                self.row.form.pop();
            }
            return;
        }
        let octets = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        self.row.words.push(Word {
            begin: octets(open.begin),
            end: octets(end),
            from_char: open.from_char,
            to_char: self.chars,
            gap: open.gap,
            has_digit: open.has_digit,
            stands_alone,
            is_overlong: open.is_overlong,
        });
        self.between = Some(Between::NOTHING);
    }

    fn separator(&mut self, letter: char, octets: usize) {
        self.end();
        if let Some(between) = &mut self.between {
            between.push(letter);
        }
        self.skip(octets);
    }

    fn skip(&mut self, octets: usize) {
        self.at += octets;
        self.chars = self.chars.saturating_add(1);
    }

    /// `O'Neil` is one word, `Smith's` is `Smith`.
    fn apostrophe(&mut self, letter: char, octets: usize) {
        let after = self.text.get(self.at + octets..).unwrap_or_default();
        let mut after = after.chars();
        let next = after.next().filter(|next| next.is_alphanumeric());
        match (&self.open, next) {
            (Some(open), Some('s' | 'S')) if open.chars > 1 => {
                if after.next().is_some_and(char::is_alphanumeric) {
                    return self.skip(octets);
                }
                self.separator(letter, octets);
                // The `s` is of nobody's name.
                self.separator('s', 1);
            }
            (Some(_), Some(_)) => self.skip(octets),
            _ => self.separator(letter, octets),
        }
    }

    /// A character beyond ASCII.
    fn foreign(&mut self) {
        let Some(letter) = self.text.get(self.at..).and_then(|rest| rest.chars().next()) else {
            self.at += 1;
            return;
        };
        let octets = letter.len_utf8();
        match letter {
            '\u{2018}' | '\u{2019}' | '\u{2bc}' | '\u{2b9}' | '\u{2032}' | '\u{201b}' => {
                self.apostrophe(letter, octets);
            }
            _ if is_hidden(letter) => self.skip(octets),
            _ if is_combining_mark(letter) => self.mark(letter, octets),
            _ if stands_alone(letter) => {
                self.end();
                self.letter(letter, octets);
                self.end_as(true);
            }
            _ if letter.is_alphanumeric() => self.letter(letter, octets),
            _ => self.separator(letter, octets),
        }
    }

    fn mark(&mut self, mark: char, octets: usize) {
        if self.accents == Accents::Kept && self.open.is_some() {
            self.push(mark);
        }
        self.skip(octets);
    }

    fn letter(&mut self, letter: char, octets: usize) {
        self.begin(letter);
        for plain in std::iter::once(letter).nfkd() {
            if is_combining_mark(plain) && self.accents == Accents::Folded {
                continue;
            }
            if let Some(digit) = digit(plain) {
                if let Some(open) = &mut self.open {
                    open.has_digit = true;
                }
                self.push(digit);
                continue;
            }
            for small in plain.to_lowercase() {
                match (self.accents, spelled(small)) {
                    (Accents::Folded, Some(spelled)) => {
                        spelled.chars().for_each(|one| self.push(one))
                    }
                    (Accents::Folded, None) if is_combining_mark(small) => {}
                    _ => self.push(small),
                }
            }
        }
        if let Some(open) = &mut self.open {
            open.chars = open.chars.saturating_add(1);
        }
        self.skip(octets);
    }

    fn push(&mut self, letter: char) {
        let Some(open) = &mut self.open else { return };
        if self.row.form.len() - open.begin + letter.len_utf8() > WORD_OCTETS {
            open.is_overlong = true;
            return;
        }
        self.row.form.push(letter);
    }
}

/// The digit that a character of another script is; each block of ten begins with zero.
fn digit(letter: char) -> Option<char> {
    const ZEROS: [u32; 20] = [
        0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
        0xe50, 0xed0, 0xf20, 0x1040, 0x17e0, 0x1810, 0x30,
    ];
    let code = u32::from(letter);
    let value =
        ZEROS.iter().filter_map(|zero| code.checked_sub(*zero)).find(|value| *value < 10)?;
    char::from_digit(value, 10)
}

/// Small letters of Latin and Greek that no decomposition takes apart.
fn spelled(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

/// Thai, Lao, Burmese, Khmer, Japanese, Chinese; Korean.
fn stands_alone(letter: char) -> bool {
    matches!(letter,
        '\u{e00}'..='\u{e4f}' | '\u{e80}'..='\u{ecf}' | '\u{1000}'..='\u{103f}'
        | '\u{1780}'..='\u{17d3}' | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
        && letter.is_alphabetic()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, accents: Accents) -> String {
        let words = Words::of(text, accents);
        words.words().iter().map(|word| words.form(word)).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn one_form_for_many_writings() {
        let table = [
            ("John SMITH", "john|smith"),
            ("  O'Neil, O\u{2019}NEIL o`neil", "oneil|oneil|oneil"),
            ("Smith's James\u{2019}s Jones' 's", "smith|james|jones|s"),
            ("D'Souza's", "dsouza"),
            ("Zo\u{eb} Zoe\u{308} ZOE\u{308}", "zoe|zoe|zoe"),
            ("Stra\u{df}e \u{141}\u{f3}d\u{17a}", "strasse|lodz"),
            ("\u{ff21}\u{ff42} \u{fb01}sh", "ab|fish"),
            ("pass\u{ad}word a\u{200b}b", "password|ab"),
            ("\u{661}\u{662}\u{663} \u{ff11}2", "123|12"),
            ("\u{5f20}\u{4f1f}123", "\u{5f20}|\u{4f1f}|123"),
            ("Smith-Jones_x.y@z", "smith|jones|x|y|z"),
            ("\u{301} a", "a"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(row(text, Accents::Folded), expected, "{text}");
        }
        assert_eq!(row("Zoe\u{308} ZO\u{cb}", Accents::Kept), "zo\u{eb}|zo\u{eb}");
    }

    #[test]
    fn what_stands_between_is_told() {
        let gaps = |text: &str| {
            let words = Words::of(text, Accents::Folded);
            words.words().iter().skip(1).map(|word| word.gap).collect::<Vec<_>>()
        };
        use Gap::{Divided, Far, Group, Near};
        let table = [
            ("a b", vec![Group]),
            ("a \r\n\t b", vec![Group]),
            ("943-476 5919", vec![Group, Group]),
            ("1, 2", vec![Near]),
            ("a\n> b", vec![Near]),
            ("a ----- b", vec![Far]),
            ("infor- mation", vec![Divided]),
            ("infor-\r\nmation", vec![Divided]),
            ("Smith- Jones", vec![Group]),
            ("well-known", vec![Group]),
            ("Smith's bag", vec![Near]),
        ];
        for (text, expected) in table {
            assert_eq!(gaps(text), expected, "{text}");
        }
    }

    #[test]
    fn places_are_in_characters() {
        let words = Words::of("\u{e9}\u{e9} ab", Accents::Folded);
        let places: Vec<_> =
            words.words().iter().map(|word| (word.from_char, word.to_char)).collect();
        assert_eq!(places, [(0, 2), (3, 5)]);
        assert_eq!(words.stretch(&words.words()[0], &words.words()[1]), "ee ab");
    }

    #[test]
    fn batches_hold_every_word_once() {
        let text: String = (0..100_000).map(|number| format!("w{number} ")).collect();
        let mut next = 0;
        let mut batches = 0;
        Words::in_batches(&text, Accents::Folded, |words, new| {
            batches += 1;
            for word in &words.words()[..new] {
                assert_eq!(words.form(word), format!("w{next}"));
                next += 1;
            }
        });
        assert_eq!(next, 100_000);
        assert!(batches > 2);
        let long = "x".repeat(1_000_000);
        let words = Words::of(&long, Accents::Folded);
        assert!(words.words()[0].is_overlong && words.words()[0].octets() == WORD_OCTETS);
    }
}
