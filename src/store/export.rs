//! The whole store as one stream of octets, for a backup: out of a running box, into a new one.
//!
//! Form, little-endian: magic (8); for each tree the length of its name (4) and the name, then
//! for each entry the length of the key (4), the key, the length of the value (4), the value;
//! an end of the tree and of the file is a length of 2^32 − 1; then CRC-32C of all before (4).
//! Entries that change meanwhile are in it as they were or as they are. What is cut short or
//! damaged is refused before anything is written.

use std::io::{self, Read, Write};
use std::path::Path;

use super::{Store, StoreError, open_database};

const MAGIC: [u8; 8] = *b"PSTNSTO1";
const END: u32 = u32::MAX;
/// Longest key or value that is read back; ours are far smaller.
const LONGEST_OCTETS: u32 = 64 << 20;
/// Entries written at once.
const BATCH: usize = 1_000;

impl Store {
    /// Writes every tree. Blocks.
    pub fn export(&self, out: &mut impl Write) -> Result<(), StoreError> {
        let mut out = Summed { inner: out, crc: 0 };
        out.write_all(&MAGIC)?;
        for name in self.db.tree_names() {
            let tree = self.db.open_tree(&name)?;
            put(&mut out, &name)?;
            for entry in tree.iter() {
                let (key, value) = entry?;
                put(&mut out, &key)?;
                put(&mut out, &value)?;
            }
            out.write_all(&END.to_le_bytes())?;
        }
        out.write_all(&END.to_le_bytes())?;
        let crc = out.crc;
        out.inner.write_all(&crc.to_le_bytes())?;
        out.inner.flush()?;
        Ok(())
    }

    /// Makes `data_dir/store` of what [`Store::export`] wrote. There must be no store yet.
    /// Blocks.
    pub fn import(data_dir: &Path, export: &Path) -> Result<(), StoreError> {
        if super::exists(data_dir) {
            return Err(StoreError::NotEmpty);
        }
        read(export, &mut |_, _| Ok(()))?;
        let (_lock, db) = open_database(data_dir)?;
        let mut batch = sled::Batch::default();
        let mut open: Option<(sled::Tree, usize)> = None;
        let mut entry = |tree: &[u8], pair: Option<(Vec<u8>, Vec<u8>)>| {
            let (known, waiting) = match &mut open {
                Some((known, waiting)) => (known, waiting),
                none => {
                    let (known, waiting) = none.insert((db.open_tree(tree)?, 0));
                    (known, waiting)
                }
            };
            let is_last = pair.is_none();
            if let Some((key, value)) = pair {
                batch.insert(key, value);
                *waiting += 1;
            }
            if is_last || *waiting >= BATCH {
                known.apply_batch(std::mem::take(&mut batch))?;
                *waiting = 0;
            }
            if is_last {
                open = None;
            }
            Ok(())
        };
        read(export, &mut entry)?;
        db.flush()?;
        Ok(())
    }
}

/// Gives each entry of each tree, and nothing at a tree's end.
type EachEntry<'e> = dyn FnMut(&[u8], Option<(Vec<u8>, Vec<u8>)>) -> Result<(), StoreError> + 'e;

fn read(export: &Path, each: &mut EachEntry<'_>) -> Result<(), StoreError> {
    let file = io::BufReader::with_capacity(1 << 16, std::fs::File::open(export)?);
    let mut input = Summed { inner: file, crc: 0 };
    if input.take(MAGIC.len())? != MAGIC {
        return Err(StoreError::BadExport("it does not begin like one"));
    }
    while let Some(tree) = input.piece()? {
        while let Some(key) = input.piece()? {
            let value = input.piece()?.ok_or(StoreError::BadExport("a key has no value"))?;
            each(&tree, Some((key, value)))?;
        }
        each(&tree, None)?;
    }
    let crc = input.crc.to_le_bytes();
    match input.take(crc.len())? == crc {
        true => Ok(()),
        false => Err(StoreError::BadExport("its checksum is wrong")),
    }
}

fn put(out: &mut impl Write, piece: &[u8]) -> Result<(), StoreError> {
    let length = u32::try_from(piece.len()).unwrap_or(END);
    if length > LONGEST_OCTETS {
        return Err(StoreError::Damaged("entry: too long"));
    }
    out.write_all(&length.to_le_bytes())?;
    out.write_all(piece)?;
    Ok(())
}

/// Counts a checksum of what passes.
struct Summed<T> {
    inner: T,
    crc: u32,
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.inner.write_all(octets)?;
        self.crc = crc32c::crc32c_append(self.crc, octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Summed<T> {
    fn take(&mut self, octets: usize) -> Result<Vec<u8>, StoreError> {
        // Grows as octets come: a length that lies costs no memory.
        let mut piece = Vec::new();
        self.inner.by_ref().take(octets as u64).read_to_end(&mut piece)?;
        if piece.len() != octets {
            return Err(StoreError::BadExport("it is cut short"));
        }
        self.crc = crc32c::crc32c_append(self.crc, &piece);
        Ok(piece)
    }

    /// The next piece; none at an end.
    fn piece(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let length = self.take(4)?.try_into().map_or(END, u32::from_le_bytes);
        match length {
            END => Ok(None),
            length if length > LONGEST_OCTETS => Err(StoreError::BadExport("a length is wrong")),
            length => Ok(Some(self.take(length as usize)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.accounts().add("ann", "long enough, ann", Vec::new()).unwrap();
        let other = store.db.open_tree("numbers").unwrap();
        for number in 0..2_500u32 {
            other.insert(number.to_be_bytes(), vec![7; (number % 90) as usize]).unwrap();
        }
        (dir, store)
    }

    #[test]
    fn what_goes_out_comes_in_again() {
        let (dir, store) = filled();
        let export = dir.path().join("export");
        store.export(&mut std::fs::File::create(&export).unwrap()).unwrap();
        let new = tempfile::tempdir().unwrap();
        Store::import(new.path(), &export).unwrap();
        assert!(matches!(Store::import(new.path(), &export), Err(StoreError::NotEmpty)));
        let again = Store::open(new.path()).unwrap();
        assert!(again.accounts().find("ann").unwrap().is_some());
        let (before, after) =
            (store.db.open_tree("numbers").unwrap(), again.db.open_tree("numbers").unwrap());
        assert_eq!(before.checksum().unwrap(), after.checksum().unwrap());
    }

    #[test]
    fn damage_is_found_before_anything_is_written() {
        let (dir, store) = filled();
        let mut whole = Vec::new();
        store.export(&mut whole).unwrap();
        let file = dir.path().join("export");
        let new = tempfile::tempdir().unwrap();
        let step = whole.len() / 60;
        let cut = (0..whole.len()).step_by(step).map(|at| whole[..at].to_vec());
        let changed = (0..whole.len()).step_by(step).map(|at| {
            let mut octets = whole.clone();
            octets[at] ^= 0x55;
            octets
        });
        for octets in cut.chain(changed) {
            std::fs::write(&file, octets).unwrap();
            let refused = Store::import(new.path(), &file);
            assert!(matches!(refused, Err(StoreError::BadExport(_))), "{refused:?}");
            assert!(!super::super::exists(new.path()));
        }
    }
}
