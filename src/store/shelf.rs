//! Records by name: the people of the site, their sessions, keys of its API.
//!
//! In: records of one kind, each under a name. Out: the same. They are kept as JSON, so that a
//! record of an older program can still be read when a field has come to it (with a default).
//!
//! Invariant: what [`Shelf::put`], [`Shelf::change`] and [`Shelf::remove`] acknowledge is on
//! disk. Fails with [`StoreError`]; a record that cannot be read is [`StoreError::Damaged`].

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// The records of one kind.
pub struct Shelf<T> {
    tree: sled::Tree,
    what: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Shelf<T> {
        Shelf { tree: self.tree.clone(), what: self.what, of: PhantomData }
    }
}

impl<T> std::fmt::Debug for Shelf<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Shelf").field(&self.what).finish()
    }
}

impl<T: Serialize + DeserializeOwned> Shelf<T> {
    /// `what` names the tree, and the record in errors.
    pub(super) fn open(db: &sled::Db, what: &'static str) -> Result<Shelf<T>, StoreError> {
        Ok(Shelf { tree: db.open_tree(what)?, what, of: PhantomData })
    }

    /// One that is gone with the test.
    #[cfg(test)]
    pub(crate) fn temporary(what: &'static str) -> Shelf<T> {
        let db = sled::Config::new().temporary(true).open().unwrap();
        Shelf::open(&db, what).unwrap()
    }

    /// One record.
    pub fn find(&self, name: &str) -> Result<Option<T>, StoreError> {
        self.tree.get(name.as_bytes())?.map(|value| self.read(&value)).transpose()
    }

    /// All of them, by name.
    pub fn list(&self) -> Result<Vec<(String, T)>, StoreError> {
        let rows = self.tree.iter().map(|row| {
            let (name, value) = row?;
            Ok((String::from_utf8_lossy(&name).into_owned(), self.read(&value)?))
        });
        rows.collect()
    }

    /// Whether there is none. Costs one look at the tree, however large it is.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Keeps a record, in place of one of the same name. Blocks.
    pub fn put(&self, name: &str, record: &T) -> Result<(), StoreError> {
        self.tree.insert(name.as_bytes(), self.written(record)?)?;
        self.flushed()
    }

    /// Keeps a record where there is none of that name; fails with [`StoreError::Exists`]
    /// otherwise. Blocks.
    pub fn add(&self, name: &str, record: &T) -> Result<(), StoreError> {
        let absent: Option<&[u8]> = None;
        let written = self.written(record)?;
        match self.tree.compare_and_swap(name.as_bytes(), absent, Some(written))? {
            Ok(()) => self.flushed(),
            Err(_) => Err(StoreError::Exists(name.to_owned())),
        }
    }

    /// Changes a record, as one step; `change` may be called more than once. What it returns is
    /// returned; [`StoreError::Unknown`] when there is no such record. Blocks.
    pub fn change<R>(
        &self,
        name: &str,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<R, StoreError> {
        loop {
            let Some(old) = self.tree.get(name.as_bytes())? else {
                return Err(StoreError::Unknown(name.to_owned()));
            };
            let mut record = self.read(&old)?;
            let done = change(&mut record);
            let new = self.written(&record)?;
            if self.tree.compare_and_swap(name.as_bytes(), Some(old), Some(new))?.is_ok() {
                self.flushed()?;
                return Ok(done);
            }
        }
    }

    /// Takes a record away; whether there was one. Blocks.
    pub fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let was_there = self.tree.remove(name.as_bytes())?.is_some();
        self.flushed()?;
        Ok(was_there)
    }

    fn flushed(&self) -> Result<(), StoreError> {
        self.tree.flush()?;
        Ok(())
    }

    fn read(&self, value: &[u8]) -> Result<T, StoreError> {
        serde_json::from_slice(value).map_err(|_| StoreError::Damaged(self.what))
    }

    fn written(&self, record: &T) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(record).map_err(|_| StoreError::Damaged(self.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_added_changed_listed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        {
            let db = sled::open(folder.path()).unwrap();
            let shelf: Shelf<u32> = Shelf::open(&db, "numbers").unwrap();
            shelf.add("one", &1).unwrap();
            assert!(matches!(shelf.add("one", &2), Err(StoreError::Exists(_))));
            assert_eq!(shelf.change("one", |number| std::mem::replace(number, 3)).unwrap(), 1);
            assert!(matches!(shelf.change("two", |_| ()), Err(StoreError::Unknown(_))));
            shelf.put("two", &2).unwrap();
            assert!(shelf.remove("two").unwrap() && !shelf.remove("two").unwrap());
        }
        let db = sled::open(folder.path()).unwrap();
        let shelf: Shelf<u32> = Shelf::open(&db, "numbers").unwrap();
        assert_eq!(shelf.list().unwrap(), [("one".to_owned(), 3)]);
        let texts: Shelf<String> = Shelf::open(&db, "numbers").unwrap();
        assert!(matches!(texts.find("one"), Err(StoreError::Damaged("numbers"))));
    }
}
