//! A sketch of a set, by which the likeness of two texts or files is told without them.
//!
//! In: words or octets. Out: [`Sketch`]: 64 minima of hashes of shingles, 16 bits each, and
//! how many shingles there were. MinHash with one permutation: each shingle is hashed once and
//! falls into one of 64 bins, whose least hash is kept. The share of equal bins estimates the
//! Jaccard index with a standard error of 6 %. A bin keeps 16 of 58 bits: each value stands
//! for countless shingles, so that a sketch gives no word of the text away.

use super::words::{stir, words};

/// Bins of a sketch.
pub(super) const BINS: usize = 64;
/// Words of a shingle.
const SHINGLE_WORDS: usize = 3;
/// Words of a text that are looked at.
const TEXT_WORDS: usize = 20_000;
/// Fewer shingles say too little: everybody writes "thank you, see you tomorrow".
const TEXT_SHINGLES: u32 = 20;
/// The same for chunks of a file.
const FILE_CHUNKS: u32 = 8;
/// Octets of a file that are looked at.
const FILE_OCTETS: usize = 4 << 20;

/// What makes two texts near copies of each other.
#[derive(Debug, Clone, Copy)]
struct Measure {
    /// The Jaccard index that is enough by itself.
    alike: f32,
    /// The share of the shorter text that the longer one holds …
    held: f32,
    /// … unless the longer one is mostly something else.
    held_alike: f32,
}

/// Measured on pairs of copies with a tenth of the words changed, or with as many random words
/// appended as there were before, against different issues of one newsletter.
const LONG: Measure = Measure { alike: 0.55, held: 0.75, held_alike: 0.28 };
/// A short newsletter is mostly its frame.
const SHORT: Measure = Measure { alike: 0.65, held: 0.92, held_alike: 0.35 };
/// Shingles of the shorter text that make both long.
const LONG_SHINGLES: u32 = 100;
/// With fewer there is nothing to be held.
const HELD_SHINGLES: u32 = 40;
/// So many equal bins are no chance.
const EQUAL_BINS: u32 = 8;

/// A text's or a file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sketch {
    /// 0 stands for a bin into which nothing fell.
    pub(super) bins: [u16; BINS],
    /// Different shingles, estimated.
    pub(super) shingles: u32,
}

impl Sketch {
    /// Of a text; `None` when it says too little.
    pub fn of_text(text: &str) -> Option<Sketch> {
        let mut sketcher = Sketcher::default();
        let mut window = [0u64; SHINGLE_WORDS];
        let mut count = 0usize;
        words(text, TEXT_WORDS, &mut |word| {
            window.rotate_left(1);
            if let Some(last) = window.last_mut() {
                *last = word;
            }
            count += 1;
            if count >= SHINGLE_WORDS {
                sketcher.add(shingle(window));
            }
        });
        sketcher.finish(TEXT_SHINGLES)
    }

    /// Of a file, by chunks that its content delimits; `None` when it is too short.
    pub fn of_file(octets: &[u8]) -> Option<Sketch> {
        let mut sketcher = Sketcher::default();
        for chunk in chunks(octets.get(..FILE_OCTETS).unwrap_or(octets)) {
            sketcher.add(hash_octets(chunk));
        }
        sketcher.finish(FILE_CHUNKS)
    }

    /// The Jaccard index of the two sets, estimated.
    pub fn likeness(&self, other: &Sketch) -> f32 {
        let (equal, used) = self.compare(other);
        equal as f32 / used.max(1) as f32
    }

    fn compare(&self, other: &Sketch) -> (u32, u32) {
        let (mut equal, mut used) = (0, 0);
        for (one, other) in self.bins.iter().zip(&other.bins) {
            used += u32::from(one | other != 0);
            equal += u32::from(one == other && *one != 0);
        }
        (equal, used)
    }

    /// Whether one is a near copy of the other, or is held by it nearly whole.
    pub fn is_near(&self, other: &Sketch) -> bool {
        let (equal, used) = self.compare(other);
        if equal < EQUAL_BINS {
            return false;
        }
        let likeness = equal as f32 / used.max(1) as f32;
        let smaller = self.shingles.min(other.shingles);
        let measure = if smaller < LONG_SHINGLES { SHORT } else { LONG };
        let cannot_hold = likeness < measure.held_alike || smaller < HELD_SHINGLES;
        if likeness >= measure.alike || cannot_hold {
            return likeness >= measure.alike;
        }
        // |A ∩ B| = J (|A| + |B|) / (1 + J).
        let sum = self.shingles as f32 + other.shingles as f32;
        let shared = likeness / (1.0 + likeness) * sum;
        shared / smaller as f32 >= measure.held
    }

    /// The bins, little-endian.
    pub(super) fn octets(&self) -> Vec<u8> {
        self.bins.iter().flat_map(|bin| bin.to_le_bytes()).collect()
    }

    /// As [`Sketch::octets`] wrote it.
    pub(super) fn of_octets(octets: &[u8], shingles: u32) -> Option<Sketch> {
        if octets.len() != 2 * BINS || shingles == 0 {
            return None;
        }
        let mut bins = [0; BINS];
        for (bin, pair) in bins.iter_mut().zip(octets.as_chunks::<2>().0) {
            *bin = u16::from_le_bytes(*pair);
        }
        Some(Sketch { bins, shingles })
    }

    /// Keys under which near copies meet: two neighbouring bins each.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.bins.chunks_exact(2).enumerate().filter_map(|(band, pair)| match pair {
            [0, 0] => None,
            [one, other] => {
                let bins = u64::from(*one) << 16 | u64::from(*other);
                Some(stir((band as u64) << 32 | bins))
            }
            _ => None,
        })
    }
}

fn shingle(window: [u64; SHINGLE_WORDS]) -> u64 {
    let joined = window
        .iter()
        .fold(0u64, |hash, word| (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    stir(joined)
}

/// Bits of the table by which different shingles are counted.
const COUNTER_BITS: usize = 1 << 15;

struct Sketcher {
    least: [u64; BINS],
    seen: Box<[u64; COUNTER_BITS / 64]>,
}

impl Default for Sketcher {
    fn default() -> Sketcher {
        Sketcher { least: [u64::MAX; BINS], seen: Box::new([0; COUNTER_BITS / 64]) }
    }
}

impl Sketcher {
    fn add(&mut self, hash: u64) {
        let bin = (hash >> 58) as usize;
        if let Some(least) = self.least.get_mut(bin) {
            *least = (*least).min(hash);
        }
        let bit = (hash as usize >> 16) % COUNTER_BITS;
        if let Some(word) = self.seen.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    fn finish(self, fewest: u32) -> Option<Sketch> {
        let set: u32 = self.seen.iter().map(|word| word.count_ones()).sum();
        // Linear counting: some of the bits were hit more than once.
        let unset = (COUNTER_BITS as f64 - f64::from(set)).max(1.0);
        let count = COUNTER_BITS as f64 * (COUNTER_BITS as f64 / unset).ln();
        let shingles = count.round() as u32;
        if shingles < fewest {
            return None;
        }
        let bins = self.least.map(|least| match least {
            u64::MAX => 0,
            least => (least as u16).max(1),
        });
        Some(Sketch { bins, shingles })
    }
}

/// Chunks end where a rolling hash over the last octets says so: the same octets give the same
/// chunks, whatever stands before them.
fn chunks(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    /// One octet in so many ends a chunk.
    const MEAN_OCTETS: u32 = 64;
    const LONGEST_OCTETS: usize = 512;
    let mut rest = octets;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut rolling = 0u32;
        let end = rest.iter().take(LONGEST_OCTETS).position(|octet| {
            // Each octet is shifted out after 32 steps.
            rolling = (rolling << 1).wrapping_add(gear(*octet));
            rolling >> (32 - MEAN_OCTETS.ilog2()) == 0
        });
        let end = end.map_or(LONGEST_OCTETS.min(rest.len()), |at| at + 1);
        let (chunk, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = after;
        Some(chunk)
    })
}

fn gear(octet: u8) -> u32 {
    (u32::from(octet) + 1).wrapping_mul(0x9e37_79b1).rotate_left(11).wrapping_mul(0x85eb_ca6b)
}

fn hash_octets(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<8>();
    let mut hash = 0x5bd1_e995_u64 ^ octets.len() as u64;
    let mut tail = [0u8; 8];
    for (to, octet) in tail.iter_mut().zip(rest) {
        *to = *octet;
    }
    for word in words.iter().chain([&tail]) {
        hash =
            (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    stir(hash)
}
