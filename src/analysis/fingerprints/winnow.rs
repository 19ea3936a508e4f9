//! Text → fingerprints: hashes of runs of words, of which few are kept and still every longer
//! passage keeps some.
//!
//! In: text. Out: one hash for each run of [`RUN_WORDS`] words, with its place; for a document
//! the smallest hash of every [`WINDOW_RUNS`] neighbouring ones (winnowing: Schleimer, Wilkerson
//! and Aiken, SIGMOD 2003). Two texts that share [`GUARANTEED_WORDS`] words in a row share a
//! fingerprint, whatever surrounds them. Case, accents, punctuation, line ends, quote marks at
//! the beginning of lines and words divided at the end of a line do not count. Letters of scripts
//! without spaces are taken three by three. Runs of nothing but numbers and letters of one or two characters stand
//! in everything and are left out. Linear, in bounded memory.

use std::collections::VecDeque;

use crate::analysis::exact::keyed::{Key, Sip};
use crate::analysis::exact::words::{Accents, Gap, Word, Words};

/// Words of one run.
pub const RUN_WORDS: usize = 5;
/// Runs of which one at least is kept.
pub const WINDOW_RUNS: usize = 8;
/// So many words in a row that two texts share give them a fingerprint in common.
pub const GUARANTEED_WORDS: usize = RUN_WORDS + WINDOW_RUNS - 1;

/// Runs of words that are all so short are calendars, numbered lines and rows of noughts.
const SHORT_OCTETS: usize = 2;

/// An odd number without a pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
/// `FACTOR` to the power of `RUN_WORDS`.
const DEPARTING: u64 = {
    let mut power = 1_u64;
    let mut times = 0;
    while times < RUN_WORDS {
        power = power.wrapping_mul(FACTOR);
        times += 1;
    }
    power
};

/// Gives the hash of each run of words, with the number of its first word. Returns how many words
/// there are.
pub(super) fn runs(key: &Key, text: &str, sink: &mut dyn FnMut(u64, usize)) -> usize {
    let mut runner = Runner {
        sip: key.purpose("fingerprint words"),
        open: String::new(),
        alone: [0; 2],
        recent: VecDeque::with_capacity(RUN_WORDS + 1),
        since_telling: RUN_WORDS,
        rolling: 0,
        count: 0,
        sink,
    };
    Words::in_batches(text, Accents::Folded, |words, new| {
        for word in words.words().iter().take(new) {
            runner.word(words, word);
        }
    });
    runner.close();
    runner.count
}

struct Runner<'s> {
    sip: Sip,
    /// The word that is read; a second half may follow.
    open: String,
    /// The two letters before this one that are words by themselves.
    alone: [u64; 2],
    recent: VecDeque<u64>,
    /// How many words ago one was read that is more than a number or letter or two.
    since_telling: usize,
    rolling: u64,
    count: usize,
    sink: &'s mut dyn FnMut(u64, usize),
}

impl Runner<'_> {
    fn word(&mut self, words: &Words, word: &Word) {
        if word.stands_alone {
            self.close();
            let letter = self.sip.hash(words.form(word).as_bytes());
            let [first, second] = self.alone;
            self.alone = [second, letter];
            let three = first.rotate_left(42) ^ second.rotate_left(21) ^ letter;
            self.since_telling = 0;
            return self.push(three);
        }
        if word.gap != Gap::Divided {
            self.close();
        }
        self.open.push_str(words.form(word));
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.alone = [0; 2];
            let hash = self.sip.hash(self.open.as_bytes());
            self.since_telling = match self.open.len() {
                ..=SHORT_OCTETS => self.since_telling.saturating_add(1),
                _ => 0,
            };
            self.open.clear();
            self.push(hash);
        }
    }

    fn push(&mut self, word: u64) {
        self.count += 1;
        self.recent.push_back(word);
        self.rolling = self.rolling.wrapping_mul(FACTOR).wrapping_add(word);
        if self.recent.len() > RUN_WORDS
            && let Some(departing) = self.recent.pop_front()
        {
            self.rolling = self.rolling.wrapping_sub(departing.wrapping_mul(DEPARTING));
        }
        if self.recent.len() == RUN_WORDS && self.since_telling < RUN_WORDS {
            (self.sink)(stir(self.rolling), self.count - RUN_WORDS);
        }
    }
}

/// Each bit of the result hangs on each bit of the input.
fn stir(mut word: u64) -> u64 {
    word ^= word >> 31;
    word = word.wrapping_mul(0x7fb5_d329_728e_a185);
    word ^= word >> 27;
    word = word.wrapping_mul(0x81da_def4_bc2d_d44d);
    word ^ (word >> 33)
}

/// The fingerprints of a document, ascending and each once, and how many words it has.
pub(super) fn winnow(key: &Key, text: &str) -> (Vec<u64>, usize) {
    let mut prints = Vec::new();
    // Ascending hashes of the window; the first is the smallest.
    let mut window: VecDeque<(u64, usize)> = VecDeque::new();
    let mut last = None;
    let mut seen = 0;
    let words = runs(key, text, &mut |hash, at| {
        seen += 1;
        // Of equal ones the last is kept.
        while window.back().is_some_and(|(known, _)| *known >= hash) {
            window.pop_back();
        }
        window.push_back((hash, at));
        while window.front().is_some_and(|(_, first)| first + WINDOW_RUNS <= at) {
            window.pop_front();
        }
        if seen >= WINDOW_RUNS
            && let Some(least) = window.front().filter(|least| last != Some(**least))
        {
            last = Some(*least);
            prints.push(least.0);
        }
    });
    if seen < WINDOW_RUNS {
        prints.extend(window.front().map(|(hash, _)| *hash));
    }
    prints.sort_unstable();
    prints.dedup();
    (prints, words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(key: &Key, text: &str) -> Vec<u64> {
        let mut all = Vec::new();
        runs(key, text, &mut |hash, _| all.push(hash));
        all
    }

    #[test]
    fn form_does_not_count() {
        let key = Key::random().unwrap();
        let table = [
            ("One two three, four five!", "ONE \"two\" three -- four FIVE"),
            ("one two three four five", "> one two\r\n> > three\r\n> four   five"),
            ("the information is with us", "the infor-\r\nmation is with us"),
            ("caf\u{e9} na\u{ef}ve r\u{f4}le to play", "cafe naive role to play"),
        ];
        for (one, other) in table {
            assert_eq!(all(&key, one), all(&key, other), "{one}");
        }
        let days: Vec<String> = (1..=31).map(|day| day.to_string()).collect();
        assert!(all(&key, &days.join(" ")).is_empty());
        assert_eq!(all(&key, "1 2 3 4 5 May 1 2 3 4 5").len(), 5);
        assert_ne!(all(&key, "one two three four five"), all(&key, "two one three four five"));
        assert!(all(&key, "one two three four").is_empty());
        assert_eq!(all(&key, "\u{6211}\u{662f}\u{738b}\u{5c0f}\u{660e}").len(), 1);
    }

    #[test]
    fn a_run_does_not_depend_on_what_stood_before() {
        let key = Key::random().unwrap();
        let text: Vec<String> = (0..100).map(|number| format!("word{number}")).collect();
        let whole = all(&key, &text.join(" "));
        assert_eq!(whole.len(), 96);
        assert_eq!(all(&key, &text[40..].join(" ")), whole[40..]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_shared_passage_keeps_a_fingerprint(
            before in proptest::collection::vec("[a-z]{1,3}", 0..30),
            shared in proptest::collection::vec("[a-z]{3,8}", GUARANTEED_WORDS..40),
            after in proptest::collection::vec("[a-z]{1,3}", 0..30),
        ) {
            let key = Key::random().unwrap();
            let document = [before, shared.clone(), after].concat().join(" ");
            let (prints, words) = winnow(&key, &document);
            prop_assert_eq!(words, document.split(' ').count());
            let runs = all(&key, &shared.join(" "));
            prop_assert!(runs.iter().any(|run| prints.binary_search(run).is_ok()));
        }
    }
}
