//! A set of spots that is cheap to walk and to empty, however many spots there are.
//!
//! In: spots. Out: whether one is new, and all of them, ascending. One bit a spot, and one bit
//! for each word of these: a message that hits ten of ten thousand spots pays for ten.

/// A set of numbers below a bound.
#[derive(Debug, Default)]
pub(super) struct SpotSet {
    words: Vec<u64>,
    /// Which words are not zero.
    used: Vec<u64>,
}

impl SpotSet {
    /// For spots below this number.
    pub(super) fn new(spots: usize) -> SpotSet {
        let words = vec![0; spots.div_ceil(64)];
        SpotSet { used: vec![0; words.len().div_ceil(64)], words }
    }

    /// Whether it was not there before. What is out of bounds never is new.
    pub(super) fn insert(&mut self, spot: u32) -> bool {
        let at = spot as usize / 64;
        let (Some(word), Some(used)) = (self.words.get_mut(at), self.used.get_mut(at / 64)) else {
            return false;
        };
        let bit = 1 << (spot % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        *used |= 1 << (at % 64);
        is_new
    }

    pub(super) fn contains(&self, spot: u32) -> bool {
        let word = self.words.get(spot as usize / 64).copied().unwrap_or_default();
        word >> (spot % 64) & 1 == 1
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        bits(&self.used).flat_map(|at| {
            let word = self.words.get(at as usize).copied().unwrap_or_default();
            ones(word).map(move |bit| at * 64 + bit)
        })
    }

    /// Takes all out.
    pub(super) fn clear(&mut self) {
        for at in bits(&self.used) {
            if let Some(word) = self.words.get_mut(at as usize) {
                *word = 0;
            }
        }
        self.used.fill(0);
    }
}

fn bits(words: &[u64]) -> impl Iterator<Item = u32> {
    (0..).step_by(64).zip(words).flat_map(|(first, word)| ones(*word).map(move |bit| first + bit))
}

fn ones(mut left: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = left.trailing_zeros();
        left &= left.checked_sub(1)?;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_are_kept_in_order_and_taken_out() {
        let mut set = SpotSet::new(10_000);
        for spot in [9_999, 0, 63, 64, 4_096, 64, 10_111] {
            let is_new = !set.contains(spot) && spot < 10_000;
            assert_eq!(set.insert(spot), is_new, "{spot}");
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 4_096, 9_999]);
        assert!(set.contains(4_096) && !set.contains(4_095));
        set.clear();
        assert_eq!(set.iter().count(), 0);
        assert!(set.insert(64) && !set.insert(64));
        assert!(!SpotSet::default().insert(0));
    }
}
