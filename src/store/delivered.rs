//! What was delivered in the last days: digests of each message and its files with their
//! names, and what was found in them later.
//!
//! In: a [`DeliveredMail`] under its MailId, and a [`FoundLater`] when something in it turns
//! out to be malware. Out: the same, in order of time. Bounded in age and in number by
//! [`Delivered::expire`]. Nobody waits for the disk: a power cut takes half a second of it.

use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::mail::MailId;

const MAILS: &str = "delivered";
const FOUND: &str = "delivered-found";
const MARKS: &str = "delivered-marks";
/// Findings that are kept.
const MOST_FOUND: usize = 10_000;

/// A mail that went out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredMail {
    /// Empty when null.
    pub reverse_path: String,
    /// Whom it was for; the first ones.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// SHA-256 and path; the whole message has an empty path.
    pub files: Vec<([u8; 32], String)>,
}

/// Malware in a mail that was delivered before it was known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundLater {
    /// The mail.
    pub mail_id: MailId,
    /// Milliseconds since 1970.
    pub found_ms: u64,
    /// Empty when null.
    pub reverse_path: String,
    /// Whom it was for; the first ones.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Which file; empty for the whole message.
    pub path: String,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
    /// `signature X` or `digest list X`.
    pub what: String,
    /// What the scanner knew then.
    pub version: String,
}

/// The trees.
#[derive(Debug, Clone)]
pub struct Delivered {
    mails: sled::Tree,
    found: sled::Tree,
    marks: sled::Tree,
}

impl Delivered {
    pub(super) fn open(db: &sled::Db) -> Result<Delivered, StoreError> {
        Ok(Delivered {
            mails: db.open_tree(MAILS)?,
            found: db.open_tree(FOUND)?,
            marks: db.open_tree(MARKS)?,
        })
    }

    /// Remembers a mail.
    pub fn remember(&self, id: MailId, mail: &DeliveredMail) -> Result<(), StoreError> {
        self.mails.insert(id.octets(), encoded(mail)?)?;
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.mails.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.mails.is_empty()
    }

    /// Every mail, the oldest first; damaged ones are dropped. Blocks.
    pub fn each(&self, mut visit: impl FnMut(MailId, DeliveredMail)) -> Result<(), StoreError> {
        for row in self.mails.iter() {
            let (key, value) = row?;
            let id = key.as_ref().try_into().map(MailId::from_octets).ok();
            match id.zip(postcard::from_bytes(&value).ok()) {
                Some((id, mail)) => visit(id, mail),
                None => {
                    self.mails.remove(key)?;
                }
            }
        }
        Ok(())
    }

    /// Forgets mail from before this moment, and the oldest beyond so many. Blocks.
    pub fn expire(&self, before_ms: u64, most: usize) -> Result<(), StoreError> {
        let mut surplus = self.mails.len().saturating_sub(most);
        for row in self.mails.iter() {
            let (key, _) = row?;
            let id = key.as_ref().try_into().map(MailId::from_octets);
            let is_old = id.map_or(true, |id| id.minted_at_ms() < before_ms);
            if !is_old && surplus == 0 {
                break;
            }
            surplus = surplus.saturating_sub(1);
            self.mails.remove(key)?;
        }
        let surplus = self.found.len().saturating_sub(MOST_FOUND);
        for row in self.found.iter().take(surplus) {
            self.found.remove(row?.0)?;
        }
        Ok(())
    }

    /// Notes what was found; says whether that is new. On disk when it returns.
    pub fn note(&self, found: &FoundLater) -> Result<bool, StoreError> {
        let key = [found.mail_id.octets().as_slice(), found.digest.as_slice()].concat();
        let is_new = self.found.insert(key, encoded(found)?)?.is_none();
        self.found.flush()?;
        Ok(is_new)
    }

    /// What was found, the latest first; damaged entries are left out. Blocks.
    pub fn found(&self, limit: usize) -> Result<Vec<FoundLater>, StoreError> {
        let mut all: Vec<FoundLater> = Vec::new();
        for row in self.found.iter() {
            all.extend(postcard::from_bytes(&row?.1).ok());
        }
        all.sort_by_key(|found: &FoundLater| std::cmp::Reverse(found.found_ms));
        all.truncate(limit);
        Ok(all)
    }

    /// What was noted under a name, such as the signatures that were last scanned with.
    pub fn mark(&self, name: &str) -> Result<Option<String>, StoreError> {
        let value = self.marks.get(name)?;
        Ok(value.map(|value| String::from_utf8_lossy(&value).into_owned()))
    }

    /// Notes it.
    pub fn set_mark(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.marks.insert(name, value)?;
        Ok(())
    }
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|_| StoreError::Damaged("delivered mail"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn mail(subject: &str) -> DeliveredMail {
        DeliveredMail {
            reverse_path: "a@x.test".into(),
            forward_paths: vec!["b@y.test".into()],
            subject: subject.into(),
            files: vec![([7; 32], "a.zip".into())],
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let delivered = store.delivered();
        let ids: Vec<MailId> = (0..10).map(|_| MailId::mint()).collect();
        for (at, id) in ids.iter().enumerate() {
            delivered.remember(*id, &mail(&at.to_string())).unwrap();
        }
        delivered.expire(0, 4).unwrap();
        let mut left = Vec::new();
        delivered.each(|id, mail| left.push((id, mail.subject))).unwrap();
        assert_eq!(left.len(), 4);
        assert_eq!(left[0], (ids[6], "6".into()));
        delivered.mails.insert(ids[7].octets(), b"\xff").unwrap();
        delivered.mails.insert(b"short", b"\xff").unwrap();
        let mut left = 0;
        delivered.each(|_, _| left += 1).unwrap();
        assert_eq!((left, delivered.len()), (3, 3));
        delivered.expire(u64::MAX, 100).unwrap();
        assert!(delivered.is_empty());
    }

    #[test]
    fn what_is_found_is_new_once() {
        let dir = tempfile::tempdir().unwrap();
        let found = |what: &str, found_ms| FoundLater {
            mail_id: MailId::from_octets([1; 12]),
            found_ms,
            reverse_path: String::new(),
            forward_paths: Vec::new(),
            subject: "s".into(),
            path: "a.zip".into(),
            digest: [what.len() as u8; 32],
            what: what.into(),
            version: "1".into(),
        };
        {
            let store = Store::open(dir.path()).unwrap();
            assert!(store.delivered().note(&found("one", 1)).unwrap());
            assert!(!store.delivered().note(&found("one", 2)).unwrap());
            assert!(store.delivered().note(&found("other", 3)).unwrap());
            store.delivered().set_mark("signatures", "7").unwrap();
        }
        let store = Store::open(dir.path()).unwrap();
        let all = store.delivered().found(10).unwrap();
        assert_eq!(all, [found("other", 3), found("one", 2)]);
        assert_eq!(store.delivered().mark("signatures").unwrap().as_deref(), Some("7"));
        assert_eq!(store.delivered().mark("digests").unwrap(), None);
    }
}
