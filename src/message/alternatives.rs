//! What the further readings of a message may cost, and which of them say something new.
//!
//! In: readings that wait, parts that come out of them. Out: the readings in turn, as far as the
//! limits go, and whether a part was there before. When a limit is reached that is told
//! (`left_out`), and the message is not clean.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::anatomy::{Part, Source, Waiting};
use super::boundary::Strictness;
use super::head::Head;
use super::parameters;

/// Readings that are gone through.
const READINGS: usize = 100;
/// Readings of readings.
const GENERATIONS: u8 = 4;
/// Octets that readings may have beyond the message, counted again in each.
const OCTETS: usize = 64 << 20;
/// Parts that may come out of all of them.
const PARTS: usize = 500;

/// The readings that wait.
#[derive(Default)]
pub(super) struct Ledger {
    waiting: VecDeque<Waiting>,
    taken: usize,
    searches: usize,
    octets: usize,
    parts: usize,
    /// There are more readings than were gone through.
    pub(super) left_out: bool,
    hasher: RandomState,
    seen: HashSet<u64>,
}

impl Ledger {
    /// Whether the message has one reading only.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.left_out
    }

    /// Whether a search through the rest of the message may be made.
    pub(super) fn pay_search(&mut self) -> bool {
        const SEARCHES: usize = 64;
        self.searches += 1;
        self.left_out |= self.searches > SEARCHES;
        self.searches <= SEARCHES
    }

    /// Takes up a reading.
    pub(super) fn add(&mut self, waiting: Waiting) {
        let octets = match &waiting.source {
            Source::Entity { octets, .. } => octets.len(),
            Source::Parted { body, .. } | Source::Typed { body, .. } => body.len(),
        };
        let within = waiting.generation <= GENERATIONS
            && self.taken < READINGS
            && self.octets.saturating_add(octets) <= OCTETS;
        if !within {
            self.left_out = true;
            return;
        }
        self.taken += 1;
        self.octets += octets;
        self.waiting.push_back(waiting);
    }

    /// Remembers what the usual reading holds.
    pub(super) fn begin(&mut self, parts: &[Part]) {
        for part in parts.iter().filter(|part| part.is_leaf()) {
            let key = self.key(part);
            self.seen.insert(key);
        }
    }

    /// The next reading.
    pub(super) fn next(&mut self) -> Option<Waiting> {
        self.waiting.pop_front()
    }

    /// Whether a part holds something that was not there before, and there is room for it.
    pub(super) fn is_new(&mut self, part: &Part) -> bool {
        let key = self.key(part);
        self.is_first(key)
    }

    /// The same for a part that holds others.
    pub(super) fn is_new_composite(&mut self, part: &Part, waiting: &Waiting) -> bool {
        let media = &part.media;
        let place = (part.body.as_ptr() as usize, part.body.len());
        let Waiting { strictness, fallback, .. } = waiting;
        let usual = matches!(strictness, Strictness::Usual);
        let key = self.hasher.hash_one((
            place,
            (part.kind, &media.delimiter, media.encoding),
            (usual, format!("{strictness:?}"), fallback, media.subtype == "digest"),
        ));
        self.is_first(key)
    }

    /// Whether no more parts are taken.
    pub(super) fn is_full(&self) -> bool {
        self.parts >= PARTS
    }

    fn is_first(&mut self, key: u64) -> bool {
        if !self.seen.insert(key) {
            return false;
        }
        if self.is_full() {
            self.left_out = true;
            return false;
        }
        self.parts += 1;
        true
    }

    /// Two parts are the same when their octets, their kind, their charset and their name are.
    fn key(&self, part: &Part) -> u64 {
        let octets: &[u8] = &part.decode_body().0;
        let charset = part.media.charset.as_deref().map(str::to_ascii_lowercase);
        self.hasher.hash_one((octets, part.kind, charset, part.media.worst_name()))
    }
}

/// Where the body of `message/external-body` lies, RFC 2046 section 5.2.3 and RFC 2017.
pub(super) fn external_place(head: &Head) -> String {
    let value = head.first("content-type").unwrap_or_default();
    let readings = parameters::readings(value.get(..8 << 10).unwrap_or(value));
    let Some((_, parameters)) = readings.first() else { return String::new() };
    let names = ["access-type", "url", "server", "site", "directory", "name"];
    let values = names.iter().filter_map(|name| parameters.texts(name).into_iter().next());
    values.collect::<Vec<String>>().join(" ")
}
