//! What was seen before, found by likeness: a table of fixed size.
//!
//! In: sketches. Out: the nearest entry, or a new one. Near copies meet in an index of
//! neighbouring bins, four entries a bucket; what the index says is checked against the
//! sketch, so that an old reference does no harm. When the table is full, of some entries in
//! a row the one goes that is worth least: unlabelled, seen once, longest ago.
//!
//! Memory: about 350 octets an entry and up to 256 for its references in the index; 50,000 entries
//! take less than 30 MiB. Time: 32 look-ups and at most 128 comparisons a sketch.

use super::counts::{Crowd, Windows};
use super::sketch::{BINS, Sketch};
use crate::store::KeptDigest;

/// Entries in one bucket of the index.
const BUCKET: usize = 4;
/// Keys of one sketch.
const KEYS: usize = BINS / 2;
/// Entries among which the one to go is chosen.
const VICTIMS: usize = 64;
/// A report is worth a place for so long.
const LABEL_S: u64 = 30 * 86_400;
/// So is having been seen more than once.
const REPEATED_S: u64 = 7 * 86_400;
const NOBODY: u32 = u32::MAX;

/// What somebody said of a text or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Judged to be spam, quarantined as such, or reported.
    Spam,
    /// Found to be malware.
    Malware,
    /// Released from quarantine, or reported as good.
    Ham,
}

/// Reports of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Labels {
    pub(super) spam: u32,
    pub(super) malware: u32,
    pub(super) ham: u32,
}

impl Labels {
    pub(super) fn add(&mut self, label: Label) {
        let count = match label {
            Label::Spam => &mut self.spam,
            Label::Malware => &mut self.malware,
            Label::Ham => &mut self.ham,
        };
        *count = count.saturating_add(1);
    }

    pub(super) fn merge(&mut self, other: Labels) {
        self.spam = self.spam.saturating_add(other.spam);
        self.malware = self.malware.saturating_add(other.malware);
        self.ham = self.ham.saturating_add(other.ham);
    }

    /// More said so than said otherwise.
    pub(super) fn is_bad(&self) -> bool {
        self.spam.saturating_add(self.malware) > self.ham
    }

    pub(super) fn is_good(&self) -> bool {
        self.ham > 0 && !self.is_bad()
    }

    fn is_any(&self) -> bool {
        *self != Labels::default()
    }
}

/// One text or file with all its near copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Entry {
    pub(super) sketch: Sketch,
    pub(super) windows: Windows,
    pub(super) networks: Crowd,
    pub(super) domains: Crowd,
    pub(super) recipients: Crowd,
    pub(super) labels: Labels,
    pub(super) seen: u32,
    pub(super) first_s: u64,
    pub(super) last_s: u64,
    /// Has changed since it was written to the store.
    pub(super) is_dirty: bool,
    /// Lies in the store.
    pub(super) is_kept: bool,
}

impl Entry {
    fn new(sketch: Sketch, now_s: u64) -> Entry {
        Entry {
            sketch,
            windows: Windows::default(),
            networks: Crowd::default(),
            domains: Crowd::default(),
            recipients: Crowd::default(),
            labels: Labels::default(),
            seen: 0,
            first_s: now_s,
            last_s: now_s,
            is_dirty: true,
            is_kept: false,
        }
    }

    /// Greater stays longer.
    fn worth(&self, now_s: u64) -> (bool, bool, u64) {
        let age_s = now_s.saturating_sub(self.last_s);
        let labelled = self.labels.is_any() && age_s < LABEL_S;
        (labelled, self.seen > 1 && age_s < REPEATED_S, self.last_s)
    }

    /// What was seen once and never reported is not worth a write.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.seen > 1 || self.labels.is_any()
    }

    pub(super) fn to_kept(self) -> KeptDigest {
        let crowd = |crowd: Crowd| (crowd.day, crowd.bits);
        KeptDigest {
            bins: self.sketch.octets(),
            shingles: self.sketch.shingles,
            sha256: None,
            windows: self.windows.buckets.to_vec(),
            crowds: [self.networks, self.domains, self.recipients].map(crowd).to_vec(),
            labels: [self.labels.spam, self.labels.malware, self.labels.ham],
            seen: self.seen,
            first_s: self.first_s,
            last_s: self.last_s,
        }
    }

    pub(super) fn of_kept(kept: &KeptDigest) -> Option<Entry> {
        let sketch = Sketch::of_octets(&kept.bins, kept.shingles)?;
        let mut entry = Entry::new(sketch, kept.first_s);
        entry.windows.buckets = kept.windows.as_slice().try_into().ok()?;
        let [networks, domains, recipients] = kept.crowds.as_slice() else { return None };
        let crowd = |(day, bits): &(u32, [u64; 4])| Crowd { day: *day, bits: *bits };
        (entry.networks, entry.domains) = (crowd(networks), crowd(domains));
        entry.recipients = crowd(recipients);
        let [spam, malware, ham] = kept.labels;
        entry.labels = Labels { spam, malware, ham };
        (entry.seen, entry.last_s) = (kept.seen, kept.last_s);
        (entry.is_dirty, entry.is_kept) = (false, true);
        Some(entry)
    }
}

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    entries: Vec<Entry>,
    index: Vec<[u32; BUCKET]>,
    capacity: usize,
    hand: usize,
}

impl Table {
    pub(super) fn new(capacity: usize) -> Table {
        let buckets = (capacity * KEYS / BUCKET).next_power_of_two().max(64);
        let index = vec![[NOBODY; BUCKET]; buckets];
        Table { entries: Vec::new(), index, capacity: capacity.max(1), hand: 0 }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    pub(super) fn at(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)
    }

    pub(super) fn at_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.entries.get_mut(number as usize)
    }

    fn bucket(&self, key: u64) -> usize {
        // The number of buckets is a power of two.
        key as usize & (self.index.len() - 1)
    }

    /// The nearest of the entries that are near.
    pub(super) fn find(&self, sketch: &Sketch) -> Option<u32> {
        let mut compared: Vec<u32> = Vec::with_capacity(16);
        let mut best: Option<(f32, u32)> = None;
        for key in sketch.keys() {
            for number in self.index.get(self.bucket(key)).into_iter().flatten() {
                if *number == NOBODY || compared.contains(number) {
                    continue;
                }
                compared.push(*number);
                let Some(entry) = self.at(*number) else { continue };
                if !entry.sketch.is_near(sketch) {
                    continue;
                }
                let likeness = entry.sketch.likeness(sketch);
                if best.is_none_or(|(known, _)| likeness > known) {
                    best = Some((likeness, *number));
                }
            }
        }
        best.map(|(_, number)| number)
    }

    /// The nearest entry, or a new one, which takes another's place when the table is full.
    pub(super) fn find_or_add(&mut self, sketch: &Sketch, now_s: u64) -> u32 {
        match self.find(sketch) {
            Some(number) => number,
            None => self.add(Entry::new(*sketch, now_s), now_s),
        }
    }

    /// Puts an entry where there is room.
    pub(super) fn add(&mut self, mut entry: Entry, now_s: u64) -> u32 {
        let number = match self.entries.len() < self.capacity {
            true => {
                self.entries.push(entry);
                self.entries.len() - 1
            }
            false => {
                let number = self.victim(now_s);
                if let Some(old) = self.entries.get_mut(number) {
                    // The store's copy under this number is another's until it is overwritten.
                    entry.is_kept |= old.is_kept;
                    *old = entry;
                }
                number
            }
        };
        let number = u32::try_from(number).unwrap_or(NOBODY);
        for key in entry.sketch.keys() {
            let at = self.bucket(key);
            if let Some(bucket) = self.index.get_mut(at)
                && !bucket.contains(&number)
            {
                bucket.rotate_right(1);
                let [first, ..] = bucket;
                *first = number;
            }
        }
        number
    }

    fn victim(&mut self, now_s: u64) -> usize {
        let count = self.entries.len().max(1);
        let begin = self.hand;
        self.hand = (begin + VICTIMS) % count;
        let numbers = (0..VICTIMS.min(count)).map(|step| (begin + step) % count);
        let worth = |number: &usize| self.entries.get(*number).map(|entry| entry.worth(now_s));
        numbers.min_by_key(worth).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some hundred words that hang on the seed.
    fn text(seed: u64, words: u64) -> String {
        (0..words)
            .map(|at| super::super::words::stir(seed << 32 | at))
            .map(|word| format!("{} ", word_of(word)))
            .collect()
    }

    fn word_of(mut number: u64) -> String {
        let mut word = String::new();
        for _ in 0..5 {
            word.push(char::from(b'a' + (number % 26) as u8));
            number /= 26;
        }
        word
    }

    fn sketch(seed: u64) -> Sketch {
        Sketch::of_text(&text(seed, 200)).unwrap()
    }

    #[test]
    fn near_copies_share_an_entry() {
        let mut table = Table::new(100);
        let numbers: Vec<u32> = (0..50).map(|seed| table.find_or_add(&sketch(seed), 0)).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<u32>>());
        for seed in 0..50 {
            let copy = format!("Dear Ann, {} {}", text(seed, 200), text(seed + 1_000, 60));
            let copy = Sketch::of_text(&copy).unwrap();
            assert_eq!(table.find(&copy), Some(seed as u32));
        }
    }

    #[test]
    fn a_full_table_keeps_what_is_worth_most() {
        let mut table = Table::new(200);
        for seed in 0..200 {
            let number = table.find_or_add(&sketch(seed), seed);
            let entry = table.at_mut(number).unwrap();
            entry.last_s = seed;
            match seed % 10 {
                0 => entry.labels.add(Label::Spam),
                1 => entry.seen = 2,
                _ => {}
            }
        }
        for seed in 1_000..1_100 {
            table.find_or_add(&sketch(seed), seed);
        }
        assert_eq!(table.entries().len(), 200);
        for seed in 0..200 {
            if seed % 10 < 2 {
                assert!(table.find(&sketch(seed)).is_some(), "{seed}");
            }
        }
        // Months later reports no longer hold a place.
        let later = 1_000 + 90 * 86_400;
        for seed in 2_000..2_400 {
            table.find_or_add(&sketch(seed), later);
        }
        assert_eq!(table.entries().len(), 200);
        assert!((0..200).all(|seed| table.find(&sketch(seed)).is_none()));
    }

    #[test]
    fn entries_survive_the_store() {
        let mut entry = Entry::new(sketch(1), 5);
        entry.windows.add(10, 3);
        entry.networks.add(10, 77);
        entry.recipients.add(10, 78);
        entry.labels.add(Label::Ham);
        (entry.seen, entry.last_s) = (9, 10);
        (entry.is_dirty, entry.is_kept) = (false, true);
        assert_eq!(Entry::of_kept(&entry.to_kept()), Some(entry));
        assert_eq!(Entry::of_kept(&KeptDigest::default()), None);
    }
}
