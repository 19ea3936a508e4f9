//! Octets of risky files that were delivered, in a folder of their own, so that they can be
//! scanned again: named by their SHA-256, each once.
//!
//! In: octets and their digest. Out: the same octets, checked against the digest. Bounded in
//! octets: the oldest go first; what is older than its time goes, too. Nothing hangs on it:
//! what cannot be written or read back is as if it had never been kept. Files are private to
//! the box's own user and are never executed or given a name by strangers.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};

/// SHA-256.
pub type Sha256 = [u8; 32];

#[derive(Debug, Default)]
struct Index {
    by_age: BTreeSet<(u64, Sha256)>,
    by_digest: HashMap<Sha256, (u64, u64)>,
    octets: u64,
}

impl Index {
    fn insert(&mut self, sum: Sha256, added_us: u64, octets: u64) {
        self.by_age.insert((added_us, sum));
        self.by_digest.insert(sum, (added_us, octets));
        self.octets = self.octets.saturating_add(octets);
    }

    fn remove(&mut self, sum: &Sha256) {
        if let Some((added_us, octets)) = self.by_digest.remove(sum) {
            self.by_age.remove(&(added_us, *sum));
            self.octets = self.octets.saturating_sub(octets);
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Vault {
    dir: PathBuf,
    index: Mutex<Index>,
}

impl Vault {
    /// Opens the folder, makes it when absent, and sees what is in it. Blocks.
    pub fn open(data_dir: &Path) -> io::Result<Vault> {
        let dir = data_dir.join("delivered");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let mut index = Index::default();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(sum) = sum_of_hex(name.as_encoded_bytes()) else {
                // Half a file of a box that was killed.
                let _ = fs::remove_file(entry.path());
                continue;
            };
            let known = entry.metadata()?;
            let added = known.modified().unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH);
            index.insert(sum, added.unwrap_or_default().as_micros() as u64, known.len());
        }
        Ok(Vault { dir, index: Mutex::new(index) })
    }

    /// Keeps octets under their digest; makes room by letting the oldest go. Blocks.
    pub fn keep(&self, sum: &Sha256, octets: &[u8], most_octets: u64) -> io::Result<()> {
        let size = octets.len() as u64;
        if size > most_octets / 4 {
            // One file must not push out all others.
            return Ok(());
        }
        let is_known = {
            let mut index = self.lock();
            // What comes again is as fresh as the mail that brought it.
            let known = index.by_digest.get(sum).map(|(_, octets)| *octets);
            if let Some(octets) = known {
                index.remove(sum);
                index.insert(*sum, now_us(), octets);
            }
            known.is_some()
        };
        if is_known {
            // For the next start; without it the file only goes sooner.
            let touched = OpenOptions::new().write(true).open(self.path(sum));
            let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
            return Ok(());
        }
        self.make_room(most_octets.saturating_sub(size));
        let beside = self.dir.join(format!("{}.new", hex_of(sum)));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        let written = file.write_all(octets).and_then(|()| fs::rename(&beside, self.path(sum)));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written?;
        self.lock().insert(*sum, now_us(), size);
        Ok(())
    }

    /// What is kept under a digest, if it is whole. Blocks.
    pub fn read(&self, sum: &Sha256) -> Option<Vec<u8>> {
        let octets = fs::read(self.path(sum)).ok();
        let octets = octets.filter(|octets| digest(&SHA256, octets).as_ref() == sum);
        if octets.is_none() {
            self.forget(sum);
        }
        octets
    }

    /// Lets what was kept before this moment go, and the oldest beyond so many octets. Blocks.
    pub fn expire(&self, before_s: u64, most_octets: u64) {
        let before_us = before_s.saturating_mul(1_000_000);
        loop {
            let oldest = self.lock().by_age.first().copied();
            match oldest {
                Some((added_us, sum)) if added_us < before_us => self.forget(&sum),
                _ => break,
            }
        }
        self.make_room(most_octets);
    }

    /// Everything that is kept, the newest first.
    pub fn all(&self) -> Vec<Sha256> {
        self.lock().by_age.iter().rev().map(|(_, sum)| *sum).collect()
    }

    /// Octets that are kept.
    pub fn octets(&self) -> u64 {
        self.lock().octets
    }

    fn make_room(&self, most_octets: u64) {
        while self.octets() > most_octets {
            let Some((_, oldest)) = self.lock().by_age.first().copied() else { return };
            self.forget(&oldest);
        }
    }

    fn forget(&self, sum: &Sha256) {
        self.lock().remove(sum);
        if let Err(error) = fs::remove_file(self.path(sum))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a kept file cannot be removed");
        }
    }

    fn path(&self, sum: &Sha256) -> PathBuf {
        self.dir.join(hex_of(sum))
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}

fn hex_of(sum: &Sha256) -> String {
    sum.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn sum_of_hex(hex: &[u8]) -> Option<Sha256> {
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut sum = [0; 32];
    if hex.len() != 2 * sum.len() {
        return None;
    }
    for (octet, pair) in sum.iter_mut().zip(hex.chunks_exact(2)) {
        *octet = digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(octets: &[u8]) -> Sha256 {
        digest(&SHA256, octets).as_ref().try_into().unwrap()
    }

    #[test]
    fn what_is_kept_survives_a_restart_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let file = |number: u8| vec![number; 100];
        {
            let vault = Vault::open(dir.path()).unwrap();
            for number in 0..8 {
                vault.keep(&sum(&file(number)), &file(number), 450).unwrap();
                assert!(vault.octets() <= 450);
            }
            vault.keep(&sum(&file(7)), &file(7), 450).unwrap();
            vault.keep(&sum(&[9; 200]), &[9; 200], 450).unwrap();
            assert_eq!(vault.all().len(), 4, "too large for a quarter of the room");
        }
        fs::write(dir.path().join("delivered/half.new"), b"x").unwrap();
        let vault = Vault::open(dir.path()).unwrap();
        assert_eq!((vault.all().len(), vault.octets()), (4, 400));
        assert_eq!(vault.read(&sum(&file(7))), Some(file(7)));
        assert_eq!(vault.read(&sum(&file(0))), None);
        fs::write(vault.path(&sum(&file(7))), b"changed").unwrap();
        assert_eq!(vault.read(&sum(&file(7))), None, "damaged");
        vault.expire(u64::MAX, 450);
        assert_eq!((vault.all().len(), vault.octets()), (0, 0));
        assert_eq!(fs::read_dir(dir.path().join("delivered")).unwrap().count(), 0);
    }
}
