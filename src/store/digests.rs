//! Digests of texts and files with their counts, so that a restart keeps the picture, and
//! which feeds of other sites were accepted last.
//!
//! In and out: [`KeptDigest`]s under their numbers. Bounded by the caller, who has so many
//! numbers and no more. Nobody waits for the disk here: what a power cut takes is some minutes
//! of counting; only an accepted feed's date is flushed, for it bars older feeds.

use serde::{Deserialize, Serialize};

use super::StoreError;

const TREE: &str = "digests";
const FEEDS: &str = "digest-feeds";

/// What is remembered of one text or file. Fields mean what their namesakes in the analysis
/// mean; here they are only carried.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptDigest {
    /// Minima, little-endian.
    pub bins: Vec<u8>,
    /// Different shingles.
    pub shingles: u32,
    /// SHA-256, when it is a file's.
    pub sha256: Option<[u8; 32]>,
    /// Epochs, current and previous counts of the windows.
    pub windows: Vec<[u32; 3]>,
    /// Day, today's and yesterday's bits of networks, domains of reverse-paths, recipients.
    pub crowds: Vec<(u32, [u64; 4])>,
    /// Reports as spam, as malware, as good.
    pub labels: [u32; 3],
    /// How often in all.
    pub seen: u32,
    /// Seconds since 1970.
    pub first_s: u64,
    /// Seconds since 1970.
    pub last_s: u64,
}

/// Which table a digest belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestKind {
    /// Texts.
    Text,
    /// Files.
    File,
}

impl DigestKind {
    fn prefix(self) -> u8 {
        match self {
            DigestKind::Text => b't',
            DigestKind::File => b'f',
        }
    }
}

/// The trees.
#[derive(Debug, Clone)]
pub struct DigestStore {
    tree: sled::Tree,
    feeds: sled::Tree,
}

impl DigestStore {
    pub(super) fn open(db: &sled::Db) -> Result<DigestStore, StoreError> {
        Ok(DigestStore { tree: db.open_tree(TREE)?, feeds: db.open_tree(FEEDS)? })
    }

    /// Writes digests under their numbers; `None` removes. Does not wait for the disk.
    pub fn put(
        &self,
        kind: DigestKind,
        digests: impl IntoIterator<Item = (u32, Option<KeptDigest>)>,
    ) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for (number, digest) in digests {
            let key = key(kind, number);
            match digest {
                None => batch.remove(&key),
                Some(digest) => {
                    let value =
                        postcard::to_stdvec(&digest).map_err(|_| StoreError::Damaged("digest"))?;
                    batch.insert(&key, value);
                }
            }
        }
        self.tree.apply_batch(batch)?;
        Ok(())
    }

    /// All digests of a kind; damaged ones are dropped, for they can be counted anew.
    pub fn all(&self, kind: DigestKind) -> Result<Vec<(u32, KeptDigest)>, StoreError> {
        let mut all = Vec::new();
        for row in self.tree.scan_prefix([kind.prefix()]) {
            let (key, value) = row?;
            let number = key.get(1..).and_then(|octets| octets.try_into().ok());
            let digest = postcard::from_bytes(&value).ok();
            match number.map(u32::from_be_bytes).zip(digest) {
                Some(row) => all.push(row),
                None => {
                    self.tree.remove(key)?;
                }
            }
        }
        Ok(all)
    }

    /// When the newest feed was made that was accepted under this key, in seconds since 1970.
    pub fn accepted(&self, feed_key: &[u8; 32]) -> Result<Option<u64>, StoreError> {
        let Some(value) = self.feeds.get(feed_key)? else { return Ok(None) };
        let octets = value.as_ref().try_into();
        octets
            .map(|octets| Some(u64::from_be_bytes(octets)))
            .map_err(|_| StoreError::Damaged("feed"))
    }

    /// Remembers that; on disk when it returns.
    pub fn accept(&self, feed_key: &[u8; 32], created_s: u64) -> Result<(), StoreError> {
        if self.accepted(feed_key)?.is_none_or(|known| known < created_s) {
            self.feeds.insert(feed_key, &created_s.to_be_bytes())?;
            self.feeds.flush()?;
        }
        Ok(())
    }
}

fn key(kind: DigestKind, number: u32) -> [u8; 5] {
    let [a, b, c, d] = number.to_be_bytes();
    [kind.prefix(), a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn digests_are_kept_and_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let digest = KeptDigest { bins: vec![1, 2], seen: 7, ..KeptDigest::default() };
        {
            let store = Store::open(dir.path()).unwrap();
            let rows = [(1, Some(digest.clone())), (2, Some(digest.clone()))];
            store.digests().put(DigestKind::Text, rows).unwrap();
            store.digests().put(DigestKind::Text, [(1, None)]).unwrap();
            store.digests().accept(&[9; 32], 50).unwrap();
            store.digests().accept(&[9; 32], 40).unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.digests().all(DigestKind::Text).unwrap(), [(2, digest)]);
        assert_eq!(store.digests().all(DigestKind::File).unwrap(), []);
        assert_eq!(store.digests().accepted(&[9; 32]).unwrap(), Some(50));
        assert_eq!(store.digests().accepted(&[8; 32]).unwrap(), None);
    }

    #[test]
    fn damaged_digests_are_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.digests().tree.insert(b"t\0\0\0\x01", b"\xff\xff").unwrap();
        store.digests().tree.insert(b"tx", b"").unwrap();
        assert_eq!(store.digests().all(DigestKind::Text).unwrap(), []);
        assert!(store.digests().tree.is_empty());
    }
}
