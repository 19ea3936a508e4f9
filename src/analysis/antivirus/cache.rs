//! Verdicts by the SHA-256 of what was scanned, as long as the signatures stay the same.
//!
//! In: digests and verdicts with the version of the signatures that they were found with. Out:
//! the same verdict again, for [`Cache`]'s patience at most. Bounded: two halves, of which the
//! older is dropped when the younger is full; what is asked for moves to the younger. Another
//! version empties it. A poisoned lock is taken over: what is in it is whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Scan;
use crate::telemetry::metrics::{Counter, Gauge, registry};

/// SHA-256.
pub type Digest = [u8; 32];

#[derive(Debug)]
struct Halves {
    version: Arc<str>,
    young: HashMap<Digest, (Scan, Instant)>,
    old: HashMap<Digest, (Scan, Instant)>,
}

impl Halves {
    fn of(version: &str) -> Halves {
        Halves { version: version.into(), young: HashMap::new(), old: HashMap::new() }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Cache {
    half: usize,
    patience: Duration,
    halves: Mutex<Halves>,
    hits: Arc<Counter>,
    misses: Arc<Counter>,
    entries: Arc<Gauge>,
}

impl Cache {
    /// For so many verdicts, each for so long; none when either is nothing.
    pub fn new(entries: usize, patience: Duration) -> Cache {
        let counted = |result| {
            let help = "Scans that a remembered verdict saved, or did not.";
            registry().counter("postern_antivirus_cache_total", help, &[("result", result)])
        };
        let half = if patience.is_zero() { 0 } else { entries.div_ceil(2) };
        Cache {
            half,
            patience,
            halves: Mutex::new(Halves::of("")),
            hits: counted("hit"),
            misses: counted("miss"),
            entries: registry().gauge(
                "postern_antivirus_cache_entries",
                "Verdicts that are remembered.",
                &[],
            ),
        }
    }

    /// What counts from now on; forgets everything when that is new.
    pub fn set_version(&self, version: &str) {
        let mut halves = self.lock();
        if *halves.version != *version {
            *halves = Halves::of(version);
            self.entries.set(0);
        }
    }

    /// What counts now; a scan that begins now is remembered under it.
    pub fn version(&self) -> Arc<str> {
        Arc::clone(&self.lock().version)
    }

    /// The verdict on these octets, if it is known and still counts.
    pub fn find(&self, digest: &Digest, now: Instant) -> Option<Scan> {
        let mut halves = self.lock();
        let is_fresh =
            |(_, at): &(Scan, Instant)| now.saturating_duration_since(*at) < self.patience;
        let found = match halves.young.get(digest) {
            Some(known) => Some(known.clone()),
            None => halves.old.remove(digest),
        };
        let found = found.filter(is_fresh);
        match &found {
            Some(known) => {
                self.hits.add_one();
                self.insert(&mut halves, *digest, known.clone());
            }
            None => self.misses.add_one(),
        }
        found.map(|(scan, _)| scan)
    }

    /// Remembers a verdict that was found with signatures of this version.
    pub fn remember(&self, digest: Digest, scan: &Scan, version: &str, now: Instant) {
        let mut halves = self.lock();
        if self.half > 0 && *halves.version == *version && *scan != Scan::TooLarge {
            self.insert(&mut halves, digest, (scan.clone(), now));
        }
    }

    fn insert(&self, halves: &mut Halves, digest: Digest, known: (Scan, Instant)) {
        halves.young.insert(digest, known);
        if halves.young.len() >= self.half.max(1) {
            halves.old = std::mem::take(&mut halves.young);
        }
        let entries = halves.young.len() + halves.old.len();
        self.entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    fn lock(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u32) -> Digest {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn verdicts_count_until_the_signatures_change() {
        let (cache, now) = (Cache::new(100, Duration::from_secs(60)), Instant::now());
        cache.set_version("1");
        let infected = Scan::Infected("x".into());
        cache.remember(digest(1), &Scan::Clean, "1", now);
        cache.remember(digest(2), &infected, "1", now);
        cache.remember(digest(3), &Scan::Clean, "0", now);
        cache.remember(digest(4), &Scan::TooLarge, "1", now);
        assert_eq!(cache.find(&digest(1), now), Some(Scan::Clean));
        assert_eq!(cache.find(&digest(2), now), Some(infected));
        assert_eq!(cache.find(&digest(3), now), None, "found with older signatures");
        assert_eq!(cache.find(&digest(4), now), None, "a limit is not a verdict");
        cache.set_version("1");
        assert!(cache.find(&digest(1), now).is_some());
        cache.set_version("2");
        assert!(cache.find(&digest(1), now).is_none() && cache.find(&digest(2), now).is_none());
    }

    #[test]
    fn verdicts_grow_old() {
        let (cache, now) = (Cache::new(100, Duration::from_secs(60)), Instant::now());
        cache.remember(digest(1), &Scan::Clean, "", now);
        assert!(cache.find(&digest(1), now + Duration::from_secs(59)).is_some());
        // To be asked for does not make a verdict younger.
        assert!(cache.find(&digest(1), now + Duration::from_secs(60)).is_none());
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_asked_for() {
        let (cache, now) = (Cache::new(100, Duration::from_secs(60)), Instant::now());
        cache.remember(digest(0), &Scan::Clean, "", now);
        for number in 1..10_000 {
            cache.remember(digest(number), &Scan::Clean, "", now);
            if number % 20 == 0 {
                assert!(cache.find(&digest(0), now).is_some(), "{number}");
            }
            let halves = cache.lock();
            assert!(halves.young.len() + halves.old.len() <= 100);
        }
        let none = Cache::new(0, Duration::from_secs(60));
        none.remember(digest(1), &Scan::Clean, "", now);
        assert!(none.find(&digest(1), now).is_none());
    }
}
