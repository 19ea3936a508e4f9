//! How often, and from and for how many: counters of fixed size.
//!
//! In: seconds since 1970 and hashes. Out: estimates. [`Windows`] counts over sliding windows
//! with two buckets each; [`Crowd`] counts different things of today and yesterday with a
//! bitmap (linear counting), well up to some hundred and at most [`CROWD_MOST`].

/// Widths in seconds: ten minutes, an hour, a day, a week.
pub(super) const WIDTHS_S: [u64; 4] = [600, 3_600, 86_400, 604_800];
const DAY_S: u64 = 86_400;
/// What a full bitmap stands for.
pub(super) const CROWD_MOST: u32 = 621;

/// Counts over [`WIDTHS_S`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Windows {
    /// Epoch, count in it, count in the one before.
    pub(super) buckets: [[u32; 3]; 4],
}

impl Windows {
    pub(super) fn add(&mut self, now_s: u64, count: u32) {
        for (bucket, width_s) in self.buckets.iter_mut().zip(WIDTHS_S) {
            roll(bucket, now_s, width_s);
            let [_, current, _] = bucket;
            *current = current.saturating_add(count);
        }
    }

    /// As if the window before had been filled evenly.
    pub(super) fn counts(&self, now_s: u64) -> [u32; 4] {
        let mut counts = [0; 4];
        for ((count, bucket), width_s) in counts.iter_mut().zip(&self.buckets).zip(WIDTHS_S) {
            let mut bucket = *bucket;
            roll(&mut bucket, now_s, width_s);
            let [_, current, previous] = bucket;
            let still = width_s - now_s % width_s;
            let of_previous = u64::from(previous) * still / width_s;
            *count = current.saturating_add(u32::try_from(of_previous).unwrap_or(u32::MAX));
        }
        counts
    }
}

/// A clock that was put back counts on in the newer bucket.
fn roll(bucket: &mut [u32; 3], now_s: u64, width_s: u64) {
    let now = u32::try_from(now_s / width_s).unwrap_or(u32::MAX);
    let [epoch, current, previous] = bucket;
    if now > *epoch {
        *previous = if now == *epoch + 1 { *current } else { 0 };
        *current = 0;
        *epoch = now;
    }
}

/// How many different ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Crowd {
    pub(super) day: u32,
    /// Today's 128 bits, then yesterday's.
    pub(super) bits: [u64; 4],
}

impl Crowd {
    pub(super) fn add(&mut self, now_s: u64, hash: u64) {
        self.roll(now_s);
        let [low, high, ..] = &mut self.bits;
        let bit = 1 << (hash & 63);
        match hash & 64 {
            0 => *low |= bit,
            _ => *high |= bit,
        }
    }

    fn roll(&mut self, now_s: u64) {
        let now = u32::try_from(now_s / DAY_S).unwrap_or(u32::MAX);
        let [low, high, ..] = self.bits;
        if now > self.day {
            self.bits = if now == self.day + 1 { [0, 0, low, high] } else { [0; 4] };
            self.day = now;
        }
    }

    /// Of today and yesterday.
    pub(super) fn estimate(&self, now_s: u64) -> u32 {
        let mut crowd = *self;
        crowd.roll(now_s);
        let [a, b, c, d] = crowd.bits;
        let unset = (a | c).count_zeros() + (b | d).count_zeros();
        if unset == 0 {
            return CROWD_MOST;
        }
        let estimate = 128.0 * (128.0 / f64::from(unset)).ln();
        (estimate.round() as u32).min(CROWD_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::stir;
    use super::*;

    #[test]
    fn windows_slide() {
        let mut windows = Windows::default();
        let start = 604_800 * 100;
        for second in 0..60 {
            windows.add(start + second * 10, 1);
        }
        let table = [
            (590, [60, 60, 60, 60]),
            (600, [60, 60, 60, 60]),
            (900, [30, 60, 60, 60]),
            (1_200, [0, 60, 60, 60]),
            (3_600 + 1_800, [0, 30, 60, 60]),
            (86_400 + 43_200, [0, 0, 30, 60]),
            (604_800 + 302_400, [0, 0, 0, 30]),
            (604_800 * 3, [0, 0, 0, 0]),
        ];
        for (after, expected) in table {
            assert_eq!(windows.counts(start + after), expected, "{after}");
        }
        // A clock that was put back.
        windows.add(start - 50_000, 1);
        assert_eq!(windows.counts(start + 590), [61, 61, 61, 61]);
    }

    #[test]
    fn crowds_are_estimated() {
        for count in [0u32, 1, 2, 5, 10, 50, 200] {
            let mut crowd = Crowd::default();
            for member in 0..count {
                crowd.add(1_000_000, stir(u64::from(member) + 1));
                crowd.add(1_000_000, stir(u64::from(member) + 1));
            }
            let estimate = crowd.estimate(1_000_000);
            let allowed = 1 + count / 6;
            assert!(estimate.abs_diff(count) <= allowed, "{count}: {estimate}");
            assert_eq!(crowd.estimate(1_000_000 + DAY_S), estimate);
            assert_eq!(crowd.estimate(1_000_000 + 2 * DAY_S), 0);
        }
        let full = Crowd { day: 11, bits: [u64::MAX; 4] };
        assert_eq!(full.estimate(1_000_000), CROWD_MOST);
    }
}
