//! Answers on disk, so that a box that is started while its directory is down still knows its
//! recipients.
//!
//! In: what is known. Out: one file for each directory below `data_dir/directory`, replaced as
//! a whole, readable by its owner only. A file that is damaged, of another version or of a
//! directory with other settings is passed over: it is a cache.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entry::Person;
use super::trust::Trust;

const VERSION: u8 = 1;
/// Beyond what any directory within the limits comes to.
const FILE_OCTETS: u64 = 2 << 30;

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u8,
    /// Of the settings by which it was found.
    fingerprint: String,
    pub(super) trust: Trust,
    /// Key, person, when.
    pub(super) people: Vec<(String, Arc<Person>, u64)>,
}

impl Kept {
    pub(super) fn new(
        fingerprint: &str,
        trust: Trust,
        people: Vec<(String, Arc<Person>, u64)>,
    ) -> Kept {
        Kept { version: VERSION, fingerprint: fingerprint.to_owned(), trust, people }
    }

    /// Blocks.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let octets = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let sum = crc32c::crc32c(&octets).to_be_bytes();
        let fresh = file.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh);
        let mut out = opened?;
        out.write_all(&octets)?;
        out.write_all(&sum)?;
        out.sync_all()?;
        fs::rename(&fresh, file)
    }

    /// What the file holds, when it is of this directory. Blocks.
    pub(super) fn read(file: &Path, fingerprint: &str) -> Option<Kept> {
        if fs::metadata(file).ok()?.len() > FILE_OCTETS {
            return None;
        }
        let mut octets = fs::read(file).ok()?;
        let sum = octets.split_off(octets.len().checked_sub(4)?);
        if crc32c::crc32c(&octets).to_be_bytes() != *sum {
            tracing::warn!(file = %file.display(), "answers of a directory are damaged: passed over");
            return None;
        }
        let kept: Kept = postcard::from_bytes(&octets).ok()?;
        (kept.version == VERSION && kept.fingerprint == fingerprint).then_some(kept)
    }
}

/// Where the answers of a directory lie; its name is checked by the configuration.
pub(super) fn place(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join("directory").join(format!("{name}.cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_again_or_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = place(dir.path(), "staff");
        let person = Person {
            dn: "cn=ann".into(),
            uid: None,
            addresses: vec!["ann@x.test".parse().unwrap()],
            alias_of: Vec::new(),
            member_of: Vec::new(),
        };
        let people = vec![("ann@x.test".to_owned(), Arc::new(person), 7)];
        Kept::new("f", Trust::default(), people.clone()).write(&file).unwrap();
        assert_eq!(Kept::read(&file, "f").unwrap().people, people);
        assert!(Kept::read(&file, "other").is_none());
        let mut octets = fs::read(&file).unwrap();
        for at in [0, octets.len() / 2, octets.len() - 1] {
            octets[at] ^= 1;
            fs::write(&file, &octets).unwrap();
            assert!(Kept::read(&file, "f").is_none());
            octets[at] ^= 1;
        }
        for short in [0, 3, 10] {
            fs::write(&file, &octets[..short]).unwrap();
            assert!(Kept::read(&file, "f").is_none());
        }
    }
}
