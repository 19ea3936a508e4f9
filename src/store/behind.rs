//! Trees whose writes nobody waits for: changes gather in memory and reach the database within
//! a second, and again on close.
//!
//! In: keys that are digests, and values that fade. Out: the newest value, whether it is in
//! memory or in the tree. A kill loses the changes of the last second or two; the users of
//! this file are built so that this costs a retry or a grain of reputation, never mail.
//!
//! Invariants: the buffer and the tree are bounded; while the disk is short of room nothing is
//! written, for a database that once failed to write serves nobody any more, and accounts lie
//! in the same one. A value that cannot be read counts as absent. Fails with [`StoreError`];
//! callers on the way of mail go on without what they asked for.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// Keys that may wait for the disk at once, in each tree; about 10 MB.
const WAITING_KEYS: usize = 50_000;
/// Free space below which nothing is written here. The spool stops taking mail earlier.
const RESERVE_OCTETS: u64 = 16 << 20;

/// A digest of what is remembered: no text of strangers decides over the length of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// Of some parts, each set apart from the next.
    pub fn of(parts: &[&[u8]]) -> Key {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut octets = [0; 16];
        let digest = context.finish();
        octets.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Key(octets)
    }

    /// For a part of another key.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(out, "{octet:02x}"))
    }
}

/// A value that is worth less with time.
pub trait Fading:
    Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Seconds since 1970 after which nobody needs it; what ends first goes first when there
    /// are too many.
    fn keep_until_s(&self) -> u64;
}

/// What becomes of a new key when the tree is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surplus {
    /// It is taken; the next sweep forgets what is worth least.
    Forgets,
    /// It is not taken; what waits in the tree keeps its place.
    Refuses,
}

/// What the keeper does to a tree from time to time.
pub(super) trait Chores: fmt::Debug + Send + Sync {
    /// Writes what waits.
    fn write(&self) -> Result<(), StoreError>;
    /// Forgets what has faded and what is too many.
    fn sweep(&self, now_s: u64) -> Result<(), StoreError>;
    /// Whether a sweep should not wait for its hour.
    fn is_overfull(&self) -> bool;
}

/// One tree.
#[derive(Debug)]
pub struct Behind<V> {
    tree: sled::Tree,
    folder: PathBuf,
    limit: usize,
    surplus: Surplus,
    buffers: Mutex<Buffers<V>>,
    /// Held while waiting changes are written, so that two writers do not cross.
    writing: Mutex<()>,
    /// Keys in the tree; exact after the first sweep.
    count: AtomicUsize,
    is_short: AtomicBool,
}

#[derive(Debug)]
struct Buffers<V> {
    /// Changed since the last write; none means forgotten.
    fresh: HashMap<Key, Option<V>>,
    /// On their way into the tree.
    leaving: Arc<HashMap<Key, Option<V>>>,
}

impl<V: Fading> Behind<V> {
    /// Opens a tree of at most about `limit` keys. `folder` is where the database lies.
    pub(super) fn open(
        db: &sled::Db,
        folder: &Path,
        name: &str,
        limit: usize,
        surplus: Surplus,
    ) -> Result<Behind<V>, StoreError> {
        let buffers = Buffers { fresh: HashMap::new(), leaving: Arc::default() };
        Ok(Behind {
            tree: db.open_tree(name)?,
            folder: folder.to_owned(),
            limit,
            surplus,
            buffers: Mutex::new(buffers),
            writing: Mutex::new(()),
            count: AtomicUsize::new(0),
            is_short: AtomicBool::new(false),
        })
    }

    /// The newest value.
    pub fn find(&self, key: &Key) -> Result<Option<V>, StoreError> {
        let buffers = self.buffers();
        self.newest(&buffers, key)
    }

    /// Replaces a value by what `change` makes of it; none forgets it. False when there is no
    /// room to remember it.
    pub fn change(
        &self,
        key: Key,
        change: impl FnOnce(Option<V>) -> Option<V>,
    ) -> Result<bool, StoreError> {
        let mut buffers = self.buffers();
        let old = self.newest(&buffers, &key)?;
        let is_new = old.is_none();
        let new = change(old);
        if new.is_none() && is_new {
            return Ok(true);
        }
        let is_buffered = buffers.fresh.contains_key(&key);
        let is_full = is_new
            && self.surplus == Surplus::Refuses
            && self.count.load(Ordering::Relaxed) + buffers.fresh.len() >= self.limit;
        if is_full || (!is_buffered && buffers.fresh.len() >= WAITING_KEYS) {
            return Ok(false);
        }
        buffers.fresh.insert(key, new);
        Ok(true)
    }

    fn buffers(&self) -> MutexGuard<'_, Buffers<V>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self, buffers: &Buffers<V>, key: &Key) -> Result<Option<V>, StoreError> {
        if let Some(value) = buffers.fresh.get(key).or_else(|| buffers.leaving.get(key)) {
            return Ok(value.clone());
        }
        let octets = self.tree.get(key.0)?;
        Ok(octets.and_then(|octets| postcard::from_bytes(&octets).ok()))
    }

    fn write_all(&self, leaving: &HashMap<Key, Option<V>>) -> Result<(), StoreError> {
        for (key, value) in leaving {
            let old = match value {
                Some(value) => {
                    let octets = postcard::to_stdvec(value);
                    let octets = octets.map_err(|_| StoreError::Damaged("remembered value"))?;
                    let old = self.tree.insert(key.0, octets)?;
                    if old.is_none() {
                        self.count.fetch_add(1, Ordering::Relaxed);
                    }
                    continue;
                }
                None => self.tree.remove(key.0)?,
            };
            if old.is_some() {
                self.count_less(1);
            }
        }
        Ok(())
    }

    fn count_less(&self, by: usize) {
        let less = |count: usize| Some(count.saturating_sub(by));
        // Never fails: the closure always answers.
        let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Whether the disk has room; says so once when that changes.
    fn has_room(&self) -> bool {
        let free = nix::sys::statvfs::statvfs(&self.folder)
            .map_or(u64::MAX, |disk| disk.blocks_available() * disk.fragment_size());
        let is_short = free < RESERVE_OCTETS;
        if is_short != self.is_short.swap(is_short, Ordering::Relaxed) {
            tracing::warn!(is_short, free, "room for what is remembered of senders");
        }
        !is_short
    }

    /// Forgets what ended, and counts what stays by the hour of its end.
    fn forget_ended(&self, now_s: u64) -> Result<BTreeMap<u64, usize>, StoreError> {
        let mut ends: BTreeMap<u64, usize> = BTreeMap::new();
        for entry in self.tree.iter() {
            let (key, octets) = entry?;
            match postcard::from_bytes::<V>(&octets) {
                Ok(value) if value.keep_until_s() >= now_s => {
                    *ends.entry(value.keep_until_s() / 3_600).or_default() += 1;
                }
                _ => {
                    self.tree.remove(key)?;
                }
            }
        }
        Ok(ends)
    }

    /// Forgets so many, those first whose end is nearest.
    fn forget_least(
        &self,
        ends: &BTreeMap<u64, usize>,
        mut surplus: usize,
    ) -> Result<(), StoreError> {
        let mut through = 0;
        let mut seen = 0;
        for (hour, count) in ends {
            (through, seen) = (*hour, seen + count);
            if seen >= surplus {
                break;
            }
        }
        for entry in self.tree.iter() {
            let (key, octets) = entry?;
            let value = postcard::from_bytes::<V>(&octets);
            if surplus > 0 && value.is_ok_and(|value| value.keep_until_s() / 3_600 <= through) {
                self.tree.remove(key)?;
                surplus -= 1;
            }
        }
        Ok(())
    }
}

impl<V: Fading> Chores for Behind<V> {
    fn write(&self) -> Result<(), StoreError> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.buffers().fresh.is_empty() || !self.has_room() {
            return Ok(());
        }
        let leaving = {
            let mut buffers = self.buffers();
            buffers.leaving = Arc::new(std::mem::take(&mut buffers.fresh));
            Arc::clone(&buffers.leaving)
        };
        let written = self.write_all(&leaving);
        self.buffers().leaving = Arc::default();
        written
    }

    fn sweep(&self, now_s: u64) -> Result<(), StoreError> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.has_room() {
            return Ok(());
        }
        let ends = self.forget_ended(now_s)?;
        let count: usize = ends.values().sum();
        let kept = match count > self.limit && self.surplus == Surplus::Forgets {
            // Some room, so that the next key does not make another sweep.
            true => self.limit - self.limit / 10,
            false => count,
        };
        self.forget_least(&ends, count - kept)?;
        self.count.store(kept, Ordering::Relaxed);
        Ok(())
    }

    fn is_overfull(&self) -> bool {
        self.surplus == Surplus::Forgets && self.count.load(Ordering::Relaxed) > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Until(u64);

    impl Fading for Until {
        fn keep_until_s(&self) -> u64 {
            self.0
        }
    }

    fn key(at: u64) -> Key {
        Key::of(&[b"test", &at.to_be_bytes()])
    }

    fn open(dir: &Path, limit: usize, surplus: Surplus) -> Behind<Until> {
        let db = sled::open(dir.join("db")).unwrap();
        Behind::open(&db, dir, "tree", limit, surplus).unwrap()
    }

    fn put(behind: &Behind<Until>, at: u64, until: u64) -> bool {
        behind.change(key(at), |_| Some(Until(until))).unwrap()
    }

    #[test]
    fn parts_of_a_key_are_set_apart() {
        assert_ne!(Key::of(&[b"ab", b"c"]), Key::of(&[b"a", b"bc"]));
        assert_eq!(Key::of(&[b"a"]), Key::of(&[b"a"]));
    }

    #[test]
    fn the_newest_value_is_seen_before_and_after_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let behind = open(dir.path(), 10, Surplus::Forgets);
        assert_eq!(behind.find(&key(1)).unwrap(), None);
        assert!(put(&behind, 1, 5));
        assert_eq!(behind.find(&key(1)).unwrap(), Some(Until(5)));
        behind.write().unwrap();
        assert_eq!(behind.find(&key(1)).unwrap(), Some(Until(5)));
        behind.change(key(1), |old| old.map(|Until(until)| Until(until + 1))).unwrap();
        assert_eq!(behind.find(&key(1)).unwrap(), Some(Until(6)));
        behind.change(key(1), |_| None).unwrap();
        assert_eq!(behind.find(&key(1)).unwrap(), None);
        behind.write().unwrap();
        assert_eq!(behind.find(&key(1)).unwrap(), None);
    }

    #[test]
    fn a_sweep_forgets_what_ended_and_what_is_worth_least() {
        let dir = tempfile::tempdir().unwrap();
        let behind = open(dir.path(), 10, Surplus::Forgets);
        for at in 0..30u64 {
            put(&behind, at, 3_600 * (100 + at));
        }
        behind.write().unwrap();
        assert!(behind.is_overfull());
        behind.sweep(3_600 * 105).unwrap();
        let kept: Vec<u64> =
            (0..30).filter(|at| behind.find(&key(*at)).unwrap().is_some()).collect();
        assert_eq!(kept, (21..30).collect::<Vec<_>>());
        behind.sweep(u64::MAX).unwrap();
        assert_eq!(behind.tree.len(), 0);
    }

    #[test]
    fn a_flood_within_one_hour_is_bounded_too() {
        let dir = tempfile::tempdir().unwrap();
        let behind = open(dir.path(), 100, Surplus::Forgets);
        for at in 0..1_000 {
            put(&behind, at, 7_200);
        }
        behind.write().unwrap();
        behind.sweep(0).unwrap();
        assert_eq!(behind.tree.len(), 90);
    }

    #[test]
    fn a_full_tree_that_refuses_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let behind = open(dir.path(), 3, Surplus::Refuses);
        let taken: Vec<bool> = (0..5).map(|at| put(&behind, at, 1)).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        behind.write().unwrap();
        assert!(put(&behind, 2, 2) && !put(&behind, 9, 2));
    }

    #[test]
    fn a_damaged_value_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let behind = open(dir.path(), 3, Surplus::Forgets);
        behind.tree.insert(key(1).0, &[0xff; 11]).unwrap();
        assert_eq!(behind.find(&key(1)).unwrap(), None);
        assert!(put(&behind, 1, 7));
        assert_eq!(behind.find(&key(1)).unwrap(), Some(Until(7)));
    }
}
