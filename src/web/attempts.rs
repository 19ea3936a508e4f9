//! Back-off after wrong secrets.
//!
//! In: under which [`Key`]s somebody tries a secret, before it is looked at, and whether it was
//! right. Out: for how long the next one is refused unheard. The wait doubles with every failure
//! after the first few, up to a quarter of an hour, and is forgotten an hour after the last.
//! Bounded: when the table is full the key that failed longest ago makes room.
//!
//! Invariants: an attempt counts as failed from its beginning until it is known to be right, so
//! that many at once are no way around it; failures under [`Key::Everywhere`] make nobody wait
//! who has not failed themselves, so that strangers keep nobody out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wrong ones that cost nothing: people mistype.
const FREE: u32 = 4;
/// After so many everywhere no wrong one is free.
const MANY: u32 = 20;
const LONGEST: Duration = Duration::from_secs(900);
const FORGOTTEN: Duration = Duration::from_secs(3_600);
const KEYS: usize = 20_000;

/// Under what failures are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Who tries, whatever they try: a right secret forgives no wrong ones.
    Client(String),
    /// What is tried, by one client: forgiven when it was right, or when the secret is another.
    Secret(String, Print),
    /// What is tried, by all together: makes the free ones fewer.
    Everywhere(String, Print),
}

/// Tells a secret from the one before it.
pub type Print = u64;

impl Key {
    /// Under which a log-in is counted: of somebody with this secret, by this client.
    pub fn of_log_in(name: &str, client: &str, secret: Print) -> [Key; 3] {
        [
            Key::Client(format!("client {client}")),
            Key::Secret(format!("name {name} by {client}"), secret),
            Key::Everywhere(format!("everywhere {name}"), secret),
        ]
    }

    fn name(&self) -> &str {
        match self {
            Key::Client(name) | Key::Secret(name, _) | Key::Everywhere(name, _) => name,
        }
    }

    fn secret(&self) -> Print {
        match self {
            Key::Client(_) => 0,
            Key::Secret(_, secret) | Key::Everywhere(_, secret) => *secret,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
    secret: Print,
}

impl Record {
    fn wait(self, free: u32, now: Instant) -> Duration {
        let whole = match self.failures.saturating_sub(free) {
            0 => Duration::ZERO,
            over => Duration::from_secs(1 << over.min(10)).min(LONGEST),
        };
        whole.saturating_sub(now.saturating_duration_since(self.last))
    }
}

/// Failures by key.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, Record>>);

/// One that has begun, and counts as failed as long as nothing else is said of it.
#[derive(Debug)]
#[must_use = "a right secret is to be forgiven"]
pub struct Attempt<'a> {
    of: &'a Attempts,
    at: Instant,
    /// With the last failure before.
    keys: Vec<(Key, Instant)>,
}

impl Attempts {
    /// Begins one, or says how long it has to wait.
    pub fn begin(&self, keys: &[Key], now: Instant) -> Result<Attempt<'_>, Duration> {
        let mut records = self.records();
        let known = |key: &Key| records.get(key.name()).copied();
        let counts = |key: &Key, record: &Record| {
            record.secret == key.secret() && now.saturating_duration_since(record.last) < FORGOTTEN
        };
        let is_renewed = |key: &Key| {
            matches!(key, Key::Secret(..))
                && known(key).is_some_and(|record| record.secret != key.secret())
        };
        let failed = |key: &Key| known(key).filter(|record| counts(key, record));
        let is_tried_by_many = keys.iter().any(|key| {
            matches!(key, Key::Everywhere(..))
                && failed(key).is_some_and(|record| record.failures >= MANY)
        });
        let wait = keys.iter().filter_map(|key| {
            let free = match key {
                Key::Client(_) => FREE,
                Key::Secret(..) if is_tried_by_many => 0,
                Key::Secret(..) => FREE,
                Key::Everywhere(..) => return None,
            };
            failed(key).map(|record| record.wait(free, now))
        });
        let wait = wait.max().unwrap_or_default();
        // Whoever was given another secret is heard once, whatever they did with the old one.
        if !wait.is_zero() && !keys.iter().any(is_renewed) {
            return Err(wait);
        }
        let mut begun = Vec::with_capacity(keys.len());
        for key in keys {
            let before = records.get(key.name()).filter(|record| counts(key, record)).copied();
            make_room(&mut records, key.name(), now);
            let failures = before.map_or(0, |record| record.failures).saturating_add(1);
            let record = Record { failures, last: now, secret: key.secret() };
            records.insert(key.name().to_owned(), record);
            begun.push((key.clone(), before.map_or(now, |record| record.last)));
        }
        Ok(Attempt { of: self, at: now, keys: begun })
    }

    fn records(&self) -> MutexGuard<'_, HashMap<String, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(records: &mut HashMap<String, Record>, key: &str, now: Instant) {
    if records.len() < KEYS || records.contains_key(key) {
        return;
    }
    records.retain(|_, one| now.saturating_duration_since(one.last) < FORGOTTEN);
    if records.len() < KEYS {
        return;
    }
    let oldest = records.iter().min_by_key(|(_, one)| one.last);
    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
        records.remove(&oldest);
    }
}

impl Attempt<'_> {
    /// It was wrong.
    pub fn failed(self) {}

    /// It was right: what the same client did wrong with the same secret is forgiven.
    pub fn succeeded(self) {
        self.take_back(|key| matches!(key, Key::Secret(..)));
    }

    /// Nobody looked at it.
    pub fn unheard(self) {
        self.take_back(|_| false);
    }

    fn take_back(self, is_forgiven: impl Fn(&Key) -> bool) {
        let mut records = self.of.records();
        for (key, before) in &self.keys {
            let Some(record) = records.get_mut(key.name()) else { continue };
            if record.secret != key.secret() {
                continue;
            }
            record.failures = record.failures.saturating_sub(1);
            if record.last == self.at {
                record.last = *before;
            }
            // Remembered without failures, so that another secret is known for another one.
            if is_forgiven(key) {
                record.failures = 0;
            } else if record.failures == 0 {
                records.remove(key.name());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the next one waits after one more that is wrong.
    fn wrong(attempts: &Attempts, keys: &[Key], now: Instant) -> u64 {
        attempts.begin(keys, now).unwrap().failed();
        wait(attempts, keys, now)
    }

    fn wait(attempts: &Attempts, keys: &[Key], now: Instant) -> u64 {
        match attempts.begin(keys, now) {
            Ok(attempt) => {
                attempt.unheard();
                0
            }
            Err(wait) => wait.as_secs(),
        }
    }

    fn by(client: &str) -> [Key; 3] {
        Key::of_log_in("ann", client, 1)
    }

    #[test]
    fn the_wait_doubles_and_is_forgotten() {
        let (attempts, mut now) = (Attempts::default(), Instant::now());
        let ann = [Key::Client("ann".into())];
        let mut waits = Vec::new();
        for _ in 0..16 {
            let wait = wrong(&attempts, &ann, now);
            waits.push(wait);
            now += Duration::from_secs(wait);
        }
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        let last = now - Duration::from_secs(900);
        assert_eq!(wait(&attempts, &ann, last + Duration::from_secs(890)), 10);
        assert_eq!(wait(&attempts, &[Key::Client("bob".into())], last), 0);
        assert_eq!(wrong(&attempts, &ann, last + FORGOTTEN), 0);
    }

    #[test]
    fn many_at_once_are_as_many_one_after_the_other() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let heard: Vec<_> = (0..36).filter_map(|_| attempts.begin(&by("one"), now).ok()).collect();
        assert_eq!(heard.len(), 5);
        heard.into_iter().for_each(Attempt::failed);
        // What nobody looked at, or was right, is taken back.
        let attempts = Attempts::default();
        for _ in 0..10 {
            attempts.begin(&by("one"), now).unwrap().unheard();
        }
        assert!(attempts.records().is_empty());
        for _ in 0..10 {
            attempts.begin(&by("one"), now).unwrap().succeeded();
        }
        assert!(attempts.records().values().all(|record| record.failures == 0));
    }

    #[test]
    fn a_right_one_forgives_the_name_and_not_the_client() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let own = Key::of_log_in("eve", "one", 7);
        let mut heard = 0;
        for victim in 0..20 {
            let keys = Key::of_log_in(&format!("victim {victim}"), "one", 1);
            if let Ok(attempt) = attempts.begin(&keys, now) {
                attempt.failed();
                heard += 1;
            }
            if let Ok(attempt) = attempts.begin(&own, now) {
                attempt.succeeded();
            }
        }
        assert_eq!(heard, 5);
        (0..4).for_each(|_| attempts.begin(&by("two"), now).unwrap().failed());
        attempts.begin(&by("two"), now).unwrap().succeeded();
        let records = attempts.records();
        assert_eq!(records["everywhere ann"].failures, 4, "others' are not hers to forgive");
        assert_eq!(records["name ann by two"].failures, 0);
    }

    #[test]
    fn strangers_keep_nobody_out_and_get_fewer_free_ones() {
        let (attempts, mut now) = (Attempts::default(), Instant::now());
        let mut heard = 0;
        for round in 0..50 {
            for stranger in 0..40 {
                let begun = attempts.begin(&by(&format!("stranger {stranger}")), now);
                heard += usize::from(begun.map(Attempt::failed).is_ok());
            }
            assert_eq!(wait(&attempts, &by("home"), now), 0, "{round}");
            now += Duration::from_millis(10);
        }
        // 40 that could try five times each; after the twentieth failure once each.
        assert!((40..=60).contains(&heard), "{heard}");
        assert_eq!(wrong(&attempts, &by("home"), now), 2);
    }

    #[test]
    fn another_secret_is_heard_at_once() {
        let (attempts, mut now) = (Attempts::default(), Instant::now());
        for _ in 0..14 {
            now += Duration::from_secs(wrong(&attempts, &by("one"), now));
        }
        attempts.begin(&by("one"), now).unwrap().failed();
        assert_eq!(wait(&attempts, &by("one"), now), 900);
        let fresh = Key::of_log_in("ann", "one", 2);
        let attempt = attempts.begin(&fresh, now).unwrap();
        assert!(attempts.begin(&fresh, now).is_err(), "the client's own failures still count");
        attempt.succeeded();
        assert_eq!(wait(&attempts, &Key::of_log_in("ann", "two", 2), now), 0);
    }

    #[test]
    fn many_keys_take_bounded_room() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for at in 0..KEYS + 100 {
            attempts.begin(&[Key::Client(at.to_string())], now).unwrap().failed();
        }
        assert_eq!(attempts.records().len(), KEYS);
    }
}
