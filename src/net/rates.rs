//! Token buckets for many keys in bounded memory. No clock: time is an argument.
//!
//! In: a key, a [`Rate`], what it costs, the time. Out: yes, or how long to wait. A bucket is
//! kept as one moment, that at which it will be full again (the virtual scheduling form of the
//! generic cell rate algorithm, ITU-T I.371): whatever is full needs no memory at all, and
//! a rate may change between two questions.
//!
//! Invariants: within any window a key gets at most twice its rate's count, and in the long
//! run no more than the rate; what is refused costs nothing; a clock that steps back gives
//! nothing away. Memory is bounded: under pressure full buckets go first, then those that are
//! nearest to full. So to make the box forget one debt, somebody must run up a larger one
//! under each of as many other keys as are remembered.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// So many in so long; the bucket holds as many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    window: Duration,
}

impl Rate {
    /// So many a minute; none, which is no limit, for 0.
    pub fn a_minute(count: u32) -> Option<Rate> {
        Rate::within(count, Duration::from_secs(60))
    }

    /// So many an hour; none, which is no limit, for 0.
    pub fn an_hour(count: u32) -> Option<Rate> {
        Rate::within(count, Duration::from_secs(3_600))
    }

    /// So many in this time; none for 0.
    pub fn within(count: u32, window: Duration) -> Option<Rate> {
        (count > 0 && !window.is_zero()).then_some(Rate { count, window })
    }

    /// How many.
    pub fn count(self) -> u32 {
        self.count
    }

    /// How long so many take to come back.
    fn price(self, cost: u32) -> Duration {
        let nanoseconds = self.window.as_nanos().saturating_mul(u128::from(cost));
        let price = nanoseconds.div_ceil(u128::from(self.count));
        Duration::from_nanos(u64::try_from(price).unwrap_or(u64::MAX))
    }
}

/// Keys with the moment at which each may be forgotten.
#[derive(Debug)]
pub struct Remembered<K> {
    until: HashMap<K, Instant>,
    most: usize,
}

impl<K: Eq + Hash> Remembered<K> {
    /// Remembers at most so many.
    pub fn new(most: usize) -> Remembered<K> {
        Remembered { until: HashMap::new(), most: most.max(4) }
    }

    /// Until when the key is remembered, when that is still to come.
    pub fn until(&self, key: &K, now: Instant) -> Option<Instant> {
        self.until.get(key).copied().filter(|until| *until > now)
    }

    /// Remembers a key; a moment that is past forgets it.
    pub fn set(&mut self, key: K, until: Instant, now: Instant) {
        if until <= now {
            self.until.remove(&key);
            return;
        }
        if self.until.len() >= self.most && !self.until.contains_key(&key) {
            self.make_room(now);
        }
        self.until.insert(key, until);
    }

    /// Forgets a key.
    pub fn forget(&mut self, key: &K) {
        self.until.remove(key);
    }

    /// How many are remembered, of which some may be past.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// At least a quarter goes, so that the next sweep is far.
    fn make_room(&mut self, now: Instant) {
        self.until.retain(|_, until| *until > now);
        let surplus = self.until.len().saturating_sub(self.most / 4 * 3);
        if surplus == 0 {
            return;
        }
        let mut moments: Vec<Instant> = self.until.values().copied().collect();
        let (_, &mut last_to_go, _) = moments.select_nth_unstable(surplus - 1);
        let mut to_go = surplus;
        self.until.retain(|_, until| {
            let goes = to_go > 0 && *until <= last_to_go;
            to_go -= usize::from(goes);
            !goes
        });
    }
}

/// One bucket a key.
#[derive(Debug)]
pub struct Buckets<K> {
    full_at: Remembered<K>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// Remembers at most so many buckets that are not full.
    pub fn new(most: usize) -> Buckets<K> {
        Buckets { full_at: Remembered::new(most) }
    }

    /// Takes from the key's bucket, or says how long until so much is in it. A cost above the
    /// rate's count counts as all of it.
    pub fn take(&mut self, key: K, cost: u32, rate: Rate, now: Instant) -> Result<(), Duration> {
        let debt = self.debt(&key, now).saturating_add(rate.price(cost.min(rate.count)));
        match debt.checked_sub(rate.window).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(wait),
            None => {
                self.owe(key, debt, now);
                Ok(())
            }
        }
    }

    /// How long until so much is in the key's bucket; none when it is.
    pub fn wait(&self, key: &K, cost: u32, rate: Rate, now: Instant) -> Option<Duration> {
        let debt = self.debt(key, now).saturating_add(rate.price(cost.min(rate.count)));
        debt.checked_sub(rate.window).filter(|wait| !wait.is_zero())
    }

    /// Puts back into the key's bucket, until it is full.
    pub fn give_back(&mut self, key: K, cost: u32, rate: Rate, now: Instant) {
        let debt = self.debt(&key, now);
        if !debt.is_zero() {
            self.owe(key, debt.saturating_sub(rate.price(cost)), now);
        }
    }

    /// Empties the key's bucket, and keeps it empty for exactly so long: then there is one in
    /// it, however slowly it fills.
    pub fn drain(&mut self, key: K, rate: Rate, hold: Duration, now: Instant) {
        let debt = rate.window.saturating_add(hold).saturating_sub(rate.price(1));
        self.owe(key, debt, now);
    }

    /// Fills the key's bucket.
    pub fn forgive(&mut self, key: &K) {
        self.full_at.forget(key);
    }

    /// How many buckets are remembered.
    pub fn len(&self) -> usize {
        self.full_at.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.full_at.is_empty()
    }

    fn debt(&self, key: &K, now: Instant) -> Duration {
        let full_at = self.full_at.until(key, now);
        full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now))
    }

    fn owe(&mut self, key: K, debt: Duration, now: Instant) {
        // No clock goes so far.
        if let Some(full_at) = now.checked_add(debt) {
            self.full_at.set(key, full_at, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_bucket_empties_and_fills() {
        let rate = Rate::a_minute(6).unwrap();
        let mut buckets = Buckets::new(10);
        let start = Instant::now();
        for _ in 0..6 {
            assert_eq!(buckets.take("a", 1, rate, start), Ok(()));
        }
        assert_eq!(buckets.take("a", 1, rate, start), Err(Duration::from_secs(10)));
        assert_eq!(buckets.take("b", 6, rate, start), Ok(()), "others have their own");
        let table = [(9_999, false), (10_000, true), (10_001, false), (60_000, true)];
        for (ms, given) in table {
            assert_eq!(buckets.take("a", 1, rate, after(start, ms)).is_ok(), given, "{ms}");
        }
        // More than there ever is waits for a full bucket, not for ever.
        assert!(buckets.take("b", 100, rate, after(start, 30_000)).is_err());
        assert!(buckets.take("b", 100, rate, after(start, 60_000)).is_ok());
        // A clock that steps back gives nothing away.
        assert!(buckets.take("b", 1, rate, start).is_err());
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rate = Rate::an_hour(3).unwrap();
        let mut buckets = Buckets::new(10);
        let now = Instant::now();
        buckets.give_back("a", 5, rate, now);
        assert!(buckets.is_empty(), "a full bucket takes nothing more");
        buckets.take("a", 3, rate, now).unwrap();
        buckets.give_back("a", 1, rate, now);
        assert_eq!(buckets.wait(&"a", 1, rate, now), None);
        buckets.take("a", 1, rate, now).unwrap();
        assert!(buckets.wait(&"a", 1, rate, now).is_some());
        buckets.forgive(&"a");
        assert_eq!(buckets.wait(&"a", 3, rate, now), None);
    }

    #[test]
    fn a_drained_bucket_stays_empty_for_its_time() {
        let rate = Rate::a_minute(60).unwrap();
        let mut buckets = Buckets::new(10);
        let start = Instant::now();
        buckets.drain("a", rate, Duration::from_secs(600), start);
        assert!(buckets.take("a", 1, rate, after(start, 599_999)).is_err());
        assert!(buckets.take("a", 1, rate, after(start, 600_000)).is_ok());
        assert!(buckets.take("a", 1, rate, after(start, 600_000)).is_err(), "there was one");
        // A bucket that fills slowly is no longer empty than it was told to be.
        let slow = Rate::an_hour(8).unwrap();
        buckets.take("b", 8, slow, start).unwrap();
        buckets.drain("b", slow, Duration::from_secs(10), start);
        assert!(buckets.wait(&"b", 1, slow, after(start, 9_999)).is_some());
        assert_eq!(buckets.wait(&"b", 1, slow, after(start, 10_000)), None);
    }

    /// Somebody spends a little under many keys: who is in debt stays remembered.
    #[test]
    fn nobody_is_made_to_forget_a_debt() {
        let rate = Rate::an_hour(100).unwrap();
        let mut buckets = Buckets::new(1_000);
        let now = Instant::now();
        buckets.take(u64::MAX, 100, rate, now).unwrap();
        for key in 0..100_000 {
            buckets.take(key, 99, rate, now).unwrap();
            assert!(buckets.len() <= 1_000);
        }
        assert!(buckets.take(u64::MAX, 1, rate, now).is_err());
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Rate::a_minute(0), None);
        assert_eq!(Rate::within(5, Duration::ZERO), None);
    }

    proptest! {
        /// Against the definition: in any window no more than twice the count, and after a
        /// refusal exactly the time that was named is enough.
        #[test]
        fn a_rate_is_kept_whatever_happens(
            count in 1u32..50,
            window_ms in 10u64..10_000,
            steps in prop::collection::vec((0u8..3, 1u32..5, 0u64..500), 1..200)
        ) {
            let rate = Rate::within(count, Duration::from_millis(window_ms)).unwrap();
            let mut buckets = Buckets::new(100);
            let mut now = Instant::now();
            let mut taken: Vec<(u8, u32, Instant)> = Vec::new();
            for (key, cost, pause_ms) in steps {
                now += Duration::from_millis(pause_ms);
                let cost = cost.min(count);
                match buckets.take(key, cost, rate, now) {
                    Ok(()) => taken.push((key, cost, now)),
                    Err(wait) => {
                        prop_assert!(buckets.wait(&key, cost, rate, now + wait).is_none());
                        let sooner = now + wait - Duration::from_nanos(1);
                        prop_assert!(buckets.wait(&key, cost, rate, sooner).is_some());
                    }
                }
                let recent = taken.iter().filter(|(whose, _, at)| {
                    *whose == key && now.duration_since(*at) < Duration::from_millis(window_ms)
                });
                prop_assert!(recent.map(|(_, cost, _)| cost).sum::<u32>() <= 2 * count);
            }
        }

        #[test]
        fn what_is_remembered_is_bounded_and_the_longest_stay(
            keys in prop::collection::vec((any::<u16>(), 1u64..1_000), 1..2_000)
        ) {
            let now = Instant::now();
            let mut remembered = Remembered::new(64);
            remembered.set(None, now + Duration::from_secs(10_000), now);
            for (key, seconds) in keys {
                remembered.set(Some(key), now + Duration::from_secs(seconds), now);
                prop_assert!(remembered.len() <= 64);
                prop_assert!(remembered.until(&Some(key), now).is_some());
            }
            prop_assert!(remembered.until(&None, now).is_some());
        }
    }
}
