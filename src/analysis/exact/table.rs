//! The digests of a list: sorted, so that a look-up takes one or two cache lines, and small
//! filters before them, so that hardly a word of ordinary mail comes that far.
//!
//! In: digests with the cells that they stand in. Out: which value a digest is, and the cells of
//! a value. No value can be read from it. Invariants: digests ascend strictly, each has at least
//! one cell, the cells of one value ascend.

use super::words::VALUE_WORDS;

/// Places of the filter a first word.
const PLACES_A_WORD: usize = 8;
const MOST_PLACES: usize = 1 << 24;
/// Values of one bucket, about.
const BUCKET_VALUES: usize = 4;
/// Words in excess of these share the last bit of the filter.
const TOLD_APART: usize = 8;

/// What the tables are made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::analysis) struct Parts {
    /// Ascending.
    pub(in crate::analysis) digests: Vec<u64>,
    /// Where the cells of each value begin in `cells`; one more than there are values.
    pub(in crate::analysis) starts: Vec<u32>,
    /// `row * columns + column`.
    pub(in crate::analysis) cells: Vec<u32>,
    /// One bit a value: it counts only beside another one.
    pub(in crate::analysis) weak: Vec<u64>,
    /// By hash of a first word, how many words values have that begin so.
    pub(in crate::analysis) beginnings: Vec<u8>,
    /// First words and numbers, to turn away what is neither.
    pub(in crate::analysis) sieve: Sieve,
}

/// A set that is sometimes wrong and never forgets (Bloom, 1970): [`SIEVE_BITS`] bits in one
/// word each, so that asking costs one look into memory that is small enough to stay near.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::analysis) struct Sieve(pub(in crate::analysis) Vec<u64>);

/// Bits of the sieve for one entry that are set.
const SIEVE_BITS: u32 = 3;
/// Entries that share a word of 64 bits, about.
const SIEVE_ENTRIES: usize = 5;

impl Sieve {
    /// The sieve for entries that are hashes.
    pub(in crate::analysis) fn of(entries: &[u64]) -> Sieve {
        let words = (entries.len() / SIEVE_ENTRIES).next_power_of_two().max(1);
        let mut sieve = vec![0_u64; words];
        for entry in entries {
            if let Some(word) = sieve.get_mut(place_of(*entry >> 20, words)) {
                *word |= sieve_mask(*entry);
            }
        }
        Sieve(sieve)
    }

    /// Whether an entry may be in it.
    #[inline]
    pub(in crate::analysis) fn may_hold(&self, entry: u64) -> bool {
        let mask = sieve_mask(entry);
        let word = self.0.get(place_of(entry >> 20, self.0.len()));
        word.is_some_and(|word| word & mask == mask)
    }
}

#[inline]
fn sieve_mask(entry: u64) -> u64 {
    (0..SIEVE_BITS).fold(0, |mask, bit| mask | 1 << (entry >> (6 * bit) & 63))
}

/// Digests, ready to be asked.
#[derive(Debug)]
pub(in crate::analysis) struct Table {
    parts: Parts,
    /// By the first bits of a digest, where such digests begin.
    buckets: Vec<u32>,
    shift: u32,
}

/// Collects values.
#[derive(Debug, Default)]
pub(in crate::analysis) struct Gatherer {
    values: Vec<(u64, u32)>,
    weak: Vec<u64>,
    beginnings: Vec<(u64, u8)>,
    /// Digests of numbers.
    codes: Vec<u64>,
}

impl Gatherer {
    /// A value that stands in a cell.
    pub(in crate::analysis) fn push(&mut self, digest: u64, cell: u32) {
        self.values.push((digest, cell));
    }

    /// A value that tells nobody by itself.
    pub(in crate::analysis) fn push_weak(&mut self, digest: u64) {
        self.weak.push(digest);
    }

    /// The first word of a value of so many words.
    pub(in crate::analysis) fn push_beginning(&mut self, hash: u64, words: usize) {
        self.beginnings.push((hash, bit_of(words)));
    }

    /// A value that is a number.
    pub(in crate::analysis) fn push_code(&mut self, digest: u64) {
        self.codes.push(digest);
    }

    pub(in crate::analysis) fn parts(mut self) -> Parts {
        self.values.sort_unstable();
        self.values.dedup();
        self.weak.sort_unstable();
        self.weak.dedup();
        let mut parts = Parts::default();
        let mut weak = self.weak.iter().peekable();
        for (digest, cell) in self.values {
            if parts.digests.last() != Some(&digest) {
                let at = parts.digests.len();
                if at % 64 == 0 {
                    parts.weak.push(0);
                }
                while weak.next_if(|weak| **weak < digest).is_some() {}
                if weak.next_if(|weak| **weak == digest).is_some()
                    && let Some(bits) = parts.weak.last_mut()
                {
                    *bits |= 1 << (at % 64);
                }
                parts.digests.push(digest);
                parts.starts.push(count(parts.cells.len()));
            }
            parts.cells.push(cell);
        }
        parts.starts.push(count(parts.cells.len()));
        let mut sifted = self.codes;
        sifted.extend(self.beginnings.iter().map(|(hash, _)| *hash));
        sifted.sort_unstable();
        sifted.dedup();
        parts.sieve = Sieve::of(&sifted);
        parts.beginnings = filter(self.beginnings);
        parts
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn filter(mut beginnings: Vec<(u64, u8)>) -> Vec<u8> {
    if beginnings.is_empty() {
        return Vec::new();
    }
    beginnings.sort_unstable();
    beginnings.dedup();
    let words = beginnings.chunk_by(|one, other| one.0 == other.0).count();
    let places = (words * PLACES_A_WORD).next_power_of_two().clamp(64, MOST_PLACES);
    let mut filter = vec![0_u8; places];
    for (hash, bit) in beginnings {
        if let Some(place) = filter.get_mut(place_of(hash, places)) {
            *place |= bit;
        }
    }
    filter
}

#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn place_of(hash: u64, places: usize) -> usize {
    hash as usize & places.wrapping_sub(1)
}

/// The bit of the filter for a value of so many words.
pub(in crate::analysis) fn bit_of(words: usize) -> u8 {
    1 << (words.clamp(1, TOLD_APART) - 1)
}

impl Table {
    /// Nothing when the parts do not fit together; `cells` is how many cells the list has.
    pub(in crate::analysis) fn of(parts: Parts, cells: u64) -> Option<Table> {
        let Parts { digests, starts, weak, beginnings, .. } = &parts;
        let sound = starts.len() == digests.len() + 1
            && weak.len() == digests.len().div_ceil(64)
            && parts.sieve.0.len().is_power_of_two()
            && (beginnings.is_empty() || beginnings.len().is_power_of_two())
            && digests.is_sorted_by(|one, other| one < other)
            && starts.is_sorted_by(|one, other| one < other)
            && starts.first() == Some(&0)
            && starts.last().is_some_and(|end| *end as usize == parts.cells.len())
            && parts.cells.iter().all(|cell| u64::from(*cell) < cells);
        if !sound {
            return None;
        }
        let wanted = (digests.len() / BUCKET_VALUES).next_power_of_two().max(2);
        let shift = 64 - wanted.trailing_zeros();
        let mut buckets = Vec::with_capacity(wanted + 1);
        for (at, digest) in digests.iter().enumerate() {
            while buckets.len() as u64 <= digest >> shift {
                buckets.push(count(at));
            }
        }
        buckets.resize(wanted + 1, count(digests.len()));
        Some(Table { parts, buckets, shift })
    }

    /// Without a value.
    pub(in crate::analysis) fn empty() -> Table {
        let parts = Gatherer::default().parts();
        Table { parts, buckets: vec![0, 0, 0], shift: 63 }
    }

    pub(in crate::analysis) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// How many words values have that may begin with the word of this hash, as bits.
    #[inline]
    pub(in crate::analysis) fn beginning(&self, hash: u64) -> u8 {
        if !self.parts.sieve.may_hold(hash) {
            return 0;
        }
        let filter = &self.parts.beginnings;
        filter.get(place_of(hash, filter.len())).copied().unwrap_or(0)
    }

    /// Whether there may be a number with this digest.
    #[inline]
    pub(in crate::analysis) fn may_be_code(&self, digest: u64) -> bool {
        self.parts.sieve.may_hold(digest)
    }

    /// The number of the value with this digest.
    #[inline]
    pub(in crate::analysis) fn find(&self, digest: u64) -> Option<u32> {
        let bucket = usize::try_from(digest >> self.shift).ok()?;
        let from = *self.buckets.get(bucket)?;
        let to = *self.buckets.get(bucket + 1)?;
        let digests = self.parts.digests.get(from as usize..to as usize)?;
        let at = match digests.len() {
            0..=8 => digests.iter().position(|known| *known == digest)?,
            _ => digests.binary_search(&digest).ok()?,
        };
        Some(from + count(at))
    }

    /// The cells of a value, ascending.
    pub(in crate::analysis) fn cells(&self, value: u32) -> &[u32] {
        let at = value as usize;
        let starts = &self.parts.starts;
        match (starts.get(at), starts.get(at + 1)) {
            (Some(from), Some(to)) => {
                self.parts.cells.get(*from as usize..*to as usize).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Whether a value counts only beside another one.
    pub(in crate::analysis) fn is_weak(&self, value: u32) -> bool {
        let at = value as usize;
        self.parts.weak.get(at / 64).is_some_and(|bits| bits >> (at % 64) & 1 == 1)
    }
}

const _: () = assert!(VALUE_WORDS > TOLD_APART, "else each number of words has its own bit");

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: &[(u64, u32)]) -> Table {
        let mut gatherer = Gatherer::default();
        values.iter().for_each(|(digest, cell)| gatherer.push(*digest, *cell));
        gatherer.push_weak(7);
        gatherer.push_code(7);
        gatherer.push_beginning(99, 2);
        gatherer.push_beginning(99, 12);
        Table::of(gatherer.parts(), 1_000_000).unwrap()
    }

    #[test]
    fn what_was_put_in_is_found() {
        let spread = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let values: Vec<(u64, u32)> =
            (0..5_000).map(|number| (spread(u64::from(number)), number)).collect();
        let found = table(&values);
        for (digest, cell) in &values {
            assert_eq!(found.cells(found.find(*digest).unwrap()), [*cell]);
            assert_eq!(found.find(digest ^ 1), None);
        }
        let few = table(&[(7, 3), (7, 1), (7, 3), (u64::MAX, 2), (0, 5)]);
        let seven = few.find(7).unwrap();
        assert_eq!((few.cells(seven), few.is_weak(seven)), (&[1, 3][..], true));
        assert!(!few.is_weak(few.find(0).unwrap()));
        assert_eq!(few.cells(few.find(u64::MAX).unwrap()), [2]);
        assert_eq!((few.beginning(99), few.beginning(100)), (0b1000_0010, 0));
        assert!(few.may_be_code(7));
        assert_eq!(table(&[]).find(7), None);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let parts = || table(&[(7, 3), (9, 1)]).parts;
        assert!(Table::of(parts(), 4).is_some());
        assert!(Table::of(parts(), 3).is_none());
        let spoilt: [fn(&mut Parts); 6] = [
            |parts| parts.digests.reverse(),
            |parts| parts.starts = vec![0, 0, 2],
            |parts| parts.starts = vec![0, 1, 3],
            |parts| parts.starts.truncate(1),
            |parts| parts.weak.clear(),
            |parts| parts.beginnings.push(0),
        ];
        for spoil in spoilt {
            let mut bad = parts();
            spoil(&mut bad);
            assert!(Table::of(bad, 4).is_none());
        }
    }
}
