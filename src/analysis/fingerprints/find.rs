//! Which documents a text takes from.
//!
//! In: a text. Out: [`Seen`], which several texts of one message can share, and from it one
//! [`DocumentMatch`] a document. A fingerprint alone proves nothing, for people use the same turns
//! of phrase: [`PASSAGE_PRINTS`] different ones of one document within [`PASSAGE_WORDS`] words are
//! a passage, and only passages count. Common fingerprints are passed over.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Prints;
use super::winnow::{GUARANTEED_WORDS, RUN_WORDS, WINDOW_RUNS, runs};

/// Different fingerprints of one document that make a passage.
pub const PASSAGE_PRINTS: usize = 4;
/// They stand within so many words of a text.
pub const PASSAGE_WORDS: usize = 64;
/// So many words in a row always hold a passage: each [`WINDOW_RUNS`] runs keep one fingerprint.
pub const SURE_WORDS: usize = PASSAGE_PRINTS * WINDOW_RUNS + RUN_WORDS - 1;
/// Fingerprints in one text that are looked at, counted once for each document that has them.
const MOST_FOUND: usize = 1_000_000;

/// How much of a document is too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ask {
    /// So much of the document, in percent; above 100 it never is.
    pub share_percent: f32,
    /// Or so many words that come from it; absent means that the share alone decides.
    pub words: Option<usize>,
}

/// A document that a text takes from.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentMatch {
    /// Its name.
    pub document: String,
    /// How much of it was found, in percent.
    pub share_percent: f32,
    /// How much of the text comes from it, in percent.
    pub text_percent: f32,
    /// How many words of the text come from it, about.
    pub words: usize,
    /// Its fingerprints that were found.
    pub prints: usize,
}

impl DocumentMatch {
    /// Whether it is too much.
    pub fn meets(&self, ask: &Ask) -> bool {
        self.share_percent >= ask.share_percent || ask.words.is_some_and(|most| self.words >= most)
    }
}

/// What was seen in the texts of a message.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// By document: its fingerprints, and the words that come from it.
    documents: BTreeMap<u32, (BTreeSet<u32>, usize)>,
    /// Words in all.
    words: usize,
    /// There was more than is looked at.
    pub is_cut: bool,
}

impl Seen {
    /// Adds what was seen in another text.
    pub fn join(&mut self, other: Seen) {
        self.words += other.words;
        self.is_cut |= other.is_cut;
        for (document, (prints, words)) in other.documents {
            let known = self.documents.entry(document).or_default();
            known.0.extend(prints);
            known.1 += words;
        }
    }
}

impl Prints {
    /// The documents that a text takes from, the one of which most was found first.
    pub fn matches(&self, text: &str) -> Vec<DocumentMatch> {
        self.matched(&self.look(text))
    }

    /// The documents that a text takes too much of.
    pub fn above(&self, text: &str, ask: &Ask) -> Vec<DocumentMatch> {
        let mut matches = self.matches(text);
        matches.retain(|one| one.meets(ask));
        matches
    }

    /// Looks into a text.
    pub fn look(&self, text: &str) -> Seen {
        let mut seen = Seen::default();
        let mut found: HashMap<u32, Vec<(usize, u32)>> = HashMap::new();
        let mut left = MOST_FOUND;
        seen.words = runs(&self.key, text, &mut |hash, at| {
            if !self.table.may_be_code(hash) {
                return;
            }
            let Some(print) = self.table.find(hash).filter(|print| !self.table.is_weak(*print))
            else {
                return;
            };
            for document in self.table.cells(print) {
                match left.checked_sub(1) {
                    Some(less) => {
                        left = less;
                        found.entry(*document).or_default().push((at, print));
                    }
                    None => seen.is_cut = true,
                }
            }
        });
        for (document, places) in found {
            let places = passages(&places);
            if !places.is_empty() {
                let words = words_of(&places);
                let prints = places.into_iter().map(|(_, print)| print).collect();
                seen.documents.insert(document, (prints, words));
            }
        }
        seen
    }

    /// What was seen, by document.
    pub fn matched(&self, seen: &Seen) -> Vec<DocumentMatch> {
        let mut matches: Vec<DocumentMatch> = seen
            .documents
            .iter()
            .filter_map(|(document, (prints, words))| {
                let about = self.documents.get(*document as usize)?;
                Some(DocumentMatch {
                    document: about.name.clone(),
                    share_percent: percent(prints.len(), about.own_prints() as usize),
                    text_percent: percent(*words, seen.words),
                    words: *words,
                    prints: prints.len(),
                })
            })
            .collect();
        matches.sort_by(|one, other| {
            let shares = other.share_percent.total_cmp(&one.share_percent);
            let words = || other.words.cmp(&one.words);
            shares.then_with(words).then_with(|| one.document.cmp(&other.document))
        });
        matches
    }
}

fn percent(part: usize, whole: usize) -> f32 {
    match whole {
        0 => 0.0,
        whole => (part as f32 * 100.0 / whole as f32).min(100.0),
    }
}

/// The fingerprints that stand close enough to others of the same document. `places` ascend.
fn passages(places: &[(usize, u32)]) -> Vec<(usize, u32)> {
    let mut in_window: HashMap<u32, usize> = HashMap::new();
    let mut kept = Vec::new();
    // Of the places, those before this are kept or given up.
    let mut settled = 0;
    let mut first = 0;
    for (last, (at, print)) in places.iter().enumerate() {
        *in_window.entry(*print).or_default() += 1;
        while let Some((begin, old)) =
            places.get(first).filter(|(begin, _)| begin + PASSAGE_WORDS < at + RUN_WORDS)
        {
            debug_assert!(begin < at);
            if let Some(count) = in_window.get_mut(old) {
                *count -= 1;
                if *count == 0 {
                    in_window.remove(old);
                }
            }
            first += 1;
        }
        if in_window.len() >= PASSAGE_PRINTS {
            let from = settled.max(first);
            kept.extend(places.get(from..=last).unwrap_or_default());
            settled = last + 1;
        }
    }
    kept
}

/// The words that passages cover; between fingerprints of one passage nothing is missing.
fn words_of(places: &[(usize, u32)]) -> usize {
    let mut words = 0;
    let mut covered_to = 0;
    for (at, _) in places {
        let end = at + RUN_WORDS;
        let joined = covered_to > 0 && *at <= covered_to + GUARANTEED_WORDS;
        words += if joined { end.saturating_sub(covered_to) } else { RUN_WORDS };
        covered_to = end;
    }
    words
}
