//! A text as a row of words in which what differs between copies is made the same.
//!
//! In: text in UTF-8. Out: one hash a word, given to a sink: numbers, addresses and links are
//! one and the same word each and a row of them is one; case, punctuation, white space and
//! invisible characters do not count; the name behind a greeting is left out. Scripts without
//! spaces give one word a letter. Linear, bounded by the caller.

use unicode_normalization::UnicodeNormalization;

/// Longer words are made by machines and differ from copy to copy.
const WORD_CHARS: usize = 24;
/// A name behind a greeting has so many words at most.
const NAME_WORDS: usize = 4;

/// Words that stand for many.
const NUMBER: u64 = 0x6e75_6d62_6572_0001;
const LINK: u64 = 0x6c69_6e6b_0000_0002;
const MAILBOX: u64 = 0x6d61_696c_626f_7803;

/// Words after which the reader's name stands, in languages that much mail is written in.
const GREETINGS: [&str; 22] = [
    "dear",
    "hi",
    "hello",
    "hey",
    "hallo",
    "liebe",
    "lieber",
    "geehrte",
    "geehrter",
    "bonjour",
    "cher",
    "chere",
    "hola",
    "estimado",
    "estimada",
    "caro",
    "cara",
    "ciao",
    "beste",
    "hej",
    "attn",
    "attention",
];
/// The hashes of [`GREETINGS`].
const GREETING_HASHES: [u64; GREETINGS.len()] = hashes_of(GREETINGS);
/// A greeting is among the first words of a line.
const GREETING_WORDS: usize = 3;

/// Gives the words of a text to `sink`, at most `limit` of them.
pub(super) fn words(text: &str, limit: usize, sink: &mut impl FnMut(u64)) {
    let mut row = Row { sink, left: limit, last: 0, in_line: 0, greeted: false, name: Vec::new() };
    for line in text.split('\n') {
        row.line_end();
        for chunk in line.split_ascii_whitespace() {
            if row.left == 0 {
                return;
            }
            row.chunk(chunk);
        }
    }
    row.line_end();
}

struct Row<'s, S> {
    sink: &'s mut S,
    left: usize,
    /// The word before, to make one of a row of numbers or links.
    last: u64,
    /// Words of this line so far.
    in_line: usize,
    /// A greeting was read; what follows may be a name.
    greeted: bool,
    name: Vec<u64>,
}

impl<S: FnMut(u64)> Row<'_, S> {
    fn chunk(&mut self, chunk: &str) {
        let octets = chunk.as_bytes();
        let (mut colon, mut at, mut dot, mut foreign) = (false, false, false, false);
        for octet in octets {
            colon |= *octet == b':';
            at |= *octet == b'@';
            dot |= *octet == b'.';
            foreign |= *octet >= 128;
        }
        if (colon || dot) && is_link(octets) {
            return self.push(LINK);
        }
        if at && is_mailbox(octets) {
            return self.push(MAILBOX);
        }
        match foreign {
            true => self.foreign_chunk(chunk),
            false => self.ascii_chunk(octets),
        }
    }

    fn ascii_chunk(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let mut hash = Hash::new();
            let mut has_digit = false;
            let mut length = 0;
            for octet in rest {
                if !octet.is_ascii_alphanumeric() {
                    break;
                }
                has_digit |= octet.is_ascii_digit();
                hash.octet(octet.to_ascii_lowercase());
                length += 1;
            }
            let after = rest.get(length..).unwrap_or_default();
            if length > 0 {
                let varies = has_digit || length > WORD_CHARS;
                self.hashed(if varies { NUMBER } else { hash.end() });
            }
            if let Some((punctuation, after)) = after.split_first() {
                self.between(*punctuation);
                rest = after;
            } else {
                rest = &[];
            }
        }
    }

    fn foreign_chunk(&mut self, chunk: &str) {
        let mut rest = chunk;
        while let Some(begin) = rest.find(is_of_word) {
            let (before, from) = rest.split_at_checked(begin).unwrap_or((rest, ""));
            before.bytes().for_each(|octet| self.between(octet));
            let end = from.find(|letter| !is_of_word(letter)).unwrap_or(from.len());
            let (word, after) = from.split_at_checked(end).unwrap_or((from, ""));
            self.foreign(word);
            rest = after;
        }
        rest.bytes().for_each(|octet| self.between(octet));
    }

    /// Punctuation ends the name behind a greeting.
    fn between(&mut self, punctuation: u8) {
        if self.greeted && matches!(punctuation, b',' | b'!' | b':' | b';') {
            self.forget_name();
        }
    }

    fn line_end(&mut self) {
        self.in_line = 0;
        if self.greeted {
            self.forget_name();
        }
    }

    fn forget_name(&mut self) {
        self.name.clear();
        self.greeted = false;
    }

    /// Without marks and compatibility forms; letters of scripts without spaces by themselves.
    fn foreign(&mut self, word: &str) {
        let mut plain = String::with_capacity(word.len());
        for letter in word.nfkd().flat_map(char::to_lowercase).take(4 * WORD_CHARS) {
            if stands_alone(letter) {
                self.plain(&plain);
                plain.clear();
                let mut hash = Hash::new();
                let mut octets = [0; 4];
                letter.encode_utf8(&mut octets).bytes().for_each(|octet| hash.octet(octet));
                self.hashed(hash.end());
            } else if letter.is_alphanumeric() {
                plain.push(letter);
            }
        }
        self.plain(&plain);
    }

    fn plain(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        let mut hash = Hash::new();
        word.bytes().for_each(|octet| hash.octet(octet));
        let varies = word.chars().any(char::is_numeric) || word.len() > 2 * WORD_CHARS;
        self.hashed(if varies { NUMBER } else { hash.end() });
    }

    fn hashed(&mut self, word: u64) {
        self.in_line += 1;
        if !self.greeted {
            self.push(word);
            self.greeted = self.in_line <= GREETING_WORDS && GREETING_HASHES.contains(&word);
            return;
        }
        self.name.push(word);
        if self.name.len() > NAME_WORDS {
            // No name, but a sentence that begins like a greeting.
            self.greeted = false;
            for word in std::mem::take(&mut self.name) {
                self.push(word);
            }
        }
    }

    fn push(&mut self, word: u64) {
        let repeats = matches!(word, NUMBER | LINK | MAILBOX) && word == self.last;
        self.last = word;
        if !repeats && self.left > 0 {
            self.left -= 1;
            (self.sink)(word);
        }
    }
}

fn is_of_word(letter: char) -> bool {
    match letter.is_ascii() {
        true => letter.is_ascii_alphanumeric(),
        // Marks and invisible characters belong to the word that they stand in.
        false => letter.is_alphanumeric() || is_invisible(letter) || is_mark(letter),
    }
}

fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

/// Thai, Lao, Burmese, Khmer, Japanese and Chinese are written without spaces.
fn stands_alone(letter: char) -> bool {
    letter.is_alphabetic()
        && matches!(letter,
            '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}')
}

fn is_link(chunk: &[u8]) -> bool {
    let begins = chunk.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"www."));
    begins || chunk.windows(3).any(|window| window == b"://")
}

fn is_mailbox(chunk: &[u8]) -> bool {
    memchr::memchr(b'@', chunk).is_some_and(|at| at > 0 && at + 1 < chunk.len())
}

/// FNV-1a with a last stir. Public on purpose: sites that share digests must hash alike.
#[derive(Clone, Copy)]
struct Hash(u64);

impl Hash {
    const fn new() -> Hash {
        Hash(0xcbf2_9ce4_8422_2325)
    }

    const fn octet(&mut self, octet: u8) {
        self.0 = (self.0 ^ octet as u64).wrapping_mul(0x0000_0100_0000_01b3);
    }

    const fn end(self) -> u64 {
        stir(self.0)
    }
}

#[expect(clippy::indexing_slicing, reason = "a constant: an index out of bounds fails to compile")]
const fn hashes_of<const COUNT: usize>(words: [&str; COUNT]) -> [u64; COUNT] {
    let mut hashes = [0; COUNT];
    let mut at = 0;
    while at < COUNT {
        let octets = words[at].as_bytes();
        let mut hash = Hash::new();
        let mut place = 0;
        while place < octets.len() {
            hash.octet(octets[place]);
            place += 1;
        }
        hashes[at] = hash.end();
        at += 1;
    }
    hashes
}

/// Of something that only has to be told from others.
pub(super) fn hash_of(octets: &[u8]) -> u64 {
    let mut hash = Hash::new();
    octets.iter().for_each(|octet| hash.octet(*octet));
    hash.end()
}

/// Each bit of the result hangs on each bit of the input.
pub(super) const fn stir(mut word: u64) -> u64 {
    word ^= word >> 32;
    word = word.wrapping_mul(0xd6e8_feb8_6659_fd93);
    word ^= word >> 29;
    word = word.wrapping_mul(0x9fb2_1c65_1e98_df25);
    word ^ (word >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> Vec<u64> {
        let mut row = Vec::new();
        words(text, usize::MAX, &mut |word| row.push(word));
        row
    }

    #[test]
    fn what_differs_between_copies_is_the_same() {
        let table = [
            ("Your code is 1234.", "your CODE is 99,871.20"),
            ("See https://a.test/x?id=1 now", "see http://b.test/ now"),
            ("mail a@b.test today", "mail\tsomebody.else@c.example   today"),
            ("Dear John Smith, we write", "Dear Ann, we write"),
            ("Hello Ann!\nwe write", "Hello J. R. Doe\nwe write"),
            ("pass\u{200b}word", "password"),
            ("caf\u{e9} na\u{ef}ve", "cafe\u{301} naive"),
            ("\u{ff28}\u{ff45}llo there", "hello there"),
            ("ref 12 34 56 end", "ref 9 end"),
            ("id dGhpcyBpcyBhIGxvbmcgcmFuZG9tIHdvcmQ end", "id 4 end"),
        ];
        for (one, other) in table {
            assert_eq!(row(one), row(other), "{one}");
        }
    }

    #[test]
    fn what_is_said_differs() {
        let table = [
            ("buy apples", "buy pears"),
            ("one two", "two one"),
            ("Hello world this is no greeting", "Hello this is no greeting"),
            ("日本語", "日本"),
        ];
        for (one, other) in table {
            assert_ne!(row(one), row(other), "{one}");
        }
        assert_eq!(row("日本語 ab").len(), 4);
        assert_eq!(row(""), Vec::<u64>::new());
        assert_eq!(row("Dear").len(), 1);
    }

    #[test]
    fn the_limit_holds() {
        let mut count = 0;
        words(&"word ".repeat(100_000), 1_000, &mut |_| count += 1);
        assert_eq!(count, 1_000);
    }
}
