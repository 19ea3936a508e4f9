//! Who waits to be let in, and who came back: the state of greylisting.
//!
//! In: keys and a step to take. Out: what the step decided. The step itself is a pure function
//! of the asker. A kill loses a second of it, which costs one more retry; a full tree takes
//! no new entry and says so, and then nobody is made to wait.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::behind::{Behind, Chores, Fading, Key, Surplus};

/// Attempts that are remembered at once; several keys each. Some 60 octets a key on disk.
const WAITING: usize = 1_000_000;
/// Networks with domains that came back.
const PASSED: usize = 500_000;

/// Attempts at one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The first attempt of this window, in seconds since 1970.
    pub first_s: u64,
    /// The last attempt that was counted.
    pub last_s: u64,
    /// Attempts that were counted: those that lie a delay apart.
    pub tries: u32,
    /// When to forget it, in seconds since 1970.
    pub until_s: u64,
}

impl Fading for Wait {
    fn keep_until_s(&self) -> u64 {
        self.until_s
    }
}

/// Somebody who came back as mail servers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Passed {
    until_s: u64,
}

impl Fading for Passed {
    fn keep_until_s(&self) -> u64 {
        self.until_s
    }
}

/// The trees.
#[derive(Debug)]
pub struct WaitingRoom {
    waiting: Arc<Behind<Wait>>,
    passed: Arc<Behind<Passed>>,
}

impl WaitingRoom {
    pub(super) fn open(db: &sled::Db, folder: &Path) -> Result<WaitingRoom, StoreError> {
        let waiting = Behind::open(db, folder, "greylist-waiting", WAITING, Surplus::Refuses)?;
        let passed = Behind::open(db, folder, "greylist-passed", PASSED, Surplus::Forgets)?;
        Ok(WaitingRoom { waiting: Arc::new(waiting), passed: Arc::new(passed) })
    }

    pub(super) fn chores(&self) -> Vec<Arc<dyn Chores>> {
        vec![
            Arc::clone(&self.waiting) as Arc<dyn Chores>,
            Arc::clone(&self.passed) as Arc<dyn Chores>,
        ]
    }

    /// Takes a step from what is known of an attempt. False when it cannot be remembered.
    pub fn step(
        &self,
        key: Key,
        step: impl FnOnce(Option<Wait>) -> Wait,
    ) -> Result<bool, StoreError> {
        self.waiting.change(key, |known| Some(step(known)))
    }

    /// What is known of an attempt.
    pub fn wait(&self, key: &Key) -> Result<Option<Wait>, StoreError> {
        self.waiting.find(key)
    }

    /// The mail was let in: nothing waits any more.
    pub fn forget(&self, key: Key) -> Result<(), StoreError> {
        self.waiting.change(key, |_| None).map(|_| ())
    }

    /// Whether somebody came back before and is let in at once.
    pub fn has_passed(&self, key: &Key, now_s: u64) -> Result<bool, StoreError> {
        Ok(self.passed.find(key)?.is_some_and(|passed| passed.until_s >= now_s))
    }

    /// Lets somebody in at once until then.
    pub fn pass(&self, key: Key, until_s: u64) -> Result<(), StoreError> {
        let later = |known: Option<Passed>| {
            let until_s = known.map_or(until_s, |known| known.until_s.max(until_s));
            Some(Passed { until_s })
        };
        self.passed.change(key, later).map(|_| ())
    }
}
