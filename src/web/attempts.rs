//! Back-off after wrong secrets.
//!
//! In: whether a log-in failed, under a key (a name, an address). Out: for how long the next one
//! is refused unheard. The wait doubles with every failure after the first few, up to a quarter
//! of an hour, and is forgotten an hour after the last. Bounded: when the table is full the key
//! that failed longest ago makes room.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong ones that cost nothing: people mistype.
const FREE: u32 = 4;
const LONGEST: Duration = Duration::from_secs(900);
const FORGOTTEN: Duration = Duration::from_secs(3_600);
const KEYS: usize = 20_000;

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
}

impl Record {
    fn wait(self) -> Duration {
        let over = self.failures.saturating_sub(FREE);
        match over {
            0 => Duration::ZERO,
            over => Duration::from_secs(1 << over.min(10)).min(LONGEST),
        }
    }
}

/// Failures by key.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, Record>>);

impl Attempts {
    /// How long a key has to wait yet; zero when it may try.
    pub fn wait(&self, key: &str, now: Instant) -> Duration {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = records.get(key) else { return Duration::ZERO };
        record.wait().saturating_sub(now.saturating_duration_since(record.last))
    }

    /// It was wrong.
    pub fn failed(&self, key: &str, now: Instant) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= KEYS && !records.contains_key(key) {
            records.retain(|_, one| now.saturating_duration_since(one.last) < FORGOTTEN);
            if records.len() >= KEYS {
                let oldest = records.iter().min_by_key(|(_, one)| one.last);
                if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                    records.remove(&oldest);
                }
            }
        }
        let record = records.entry(key.to_owned()).or_insert(Record { failures: 0, last: now });
        if now.saturating_duration_since(record.last) >= FORGOTTEN {
            record.failures = 0;
        }
        record.failures = record.failures.saturating_add(1);
        record.last = now;
    }

    /// It was right: a name's failures are forgotten.
    pub fn succeeded(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_is_forgotten() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..16 {
            attempts.failed("ann", now);
            waits.push(attempts.wait("ann", now).as_secs());
        }
        assert_eq!(waits, [0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(attempts.wait("bob", now), Duration::ZERO);
        assert_eq!(attempts.wait("ann", now + Duration::from_secs(890)).as_secs(), 10);
        attempts.failed("ann", now + FORGOTTEN);
        assert_eq!(attempts.wait("ann", now + FORGOTTEN), Duration::ZERO);
        attempts.succeeded("ann");
        assert_eq!(attempts.wait("ann", now), Duration::ZERO);
    }

    #[test]
    fn many_keys_take_bounded_room() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for at in 0..KEYS + 100 {
            attempts.failed(&at.to_string(), now);
        }
        assert_eq!(attempts.0.lock().unwrap().len(), KEYS);
    }
}
