//! The key by which the box knows its own marks again.
//!
//! In: the data directory. Out: a [`Secret`] that signs. Made once, readable by the box's own
//! user only, durable before it is used: a mark that was sent must be known after a power cut.
//! Each use has a name of its own, so that a mark made for one purpose is none for another.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::hmac;

/// Octets of the key.
const KEY_OCTETS: usize = 32;

/// Signs.
pub struct Secret(hmac::Key);

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret")
    }
}

impl Secret {
    /// The key of this box, made when there is none. Blocks.
    pub fn open(data_dir: &Path) -> io::Result<Secret> {
        let file = data_dir.join("orders.key");
        match read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir, &file),
            read => read,
        }
    }

    /// A key that is known beforehand.
    pub fn of(octets: &[u8]) -> Secret {
        Secret(hmac::Key::new(hmac::HMAC_SHA256, octets))
    }

    /// The signature of these parts for a purpose.
    pub(super) fn sign(&self, purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
        hmac::sign(&self.0, &joined(purpose, parts)).as_ref().to_vec()
    }
}

/// No two lists of parts are joined to the same octets.
pub(super) fn joined(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

fn read(file: &Path) -> io::Result<Secret> {
    let mut octets = Vec::new();
    File::open(file)?.take(KEY_OCTETS as u64 + 1).read_to_end(&mut octets)?;
    match octets.len() == KEY_OCTETS {
        true => Ok(Secret::of(&octets)),
        false => {
            let what = format!("{} is not a key of {KEY_OCTETS} octets", file.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        }
    }
}

fn make(data_dir: &Path, file: &Path) -> io::Result<Secret> {
    let mut octets = [0; KEY_OCTETS];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    let new = data_dir.join("orders.key.new");
    let mut out =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    out.write_all(&octets)?;
    out.sync_all()?;
    std::fs::rename(&new, file)?;
    File::open(data_dir)?.sync_all()?;
    Ok(Secret::of(&octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_purposes_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let tag = Secret::open(dir.path()).unwrap().sign("one", &[b"ab", b"c"]);
        let again = Secret::open(dir.path()).unwrap();
        assert_eq!(again.sign("one", &[b"ab", b"c"]), tag);
        assert_ne!(again.sign("other", &[b"ab", b"c"]), tag);
        assert_ne!(again.sign("one", &[b"a", b"bc"]), tag);
        let file = dir.path().join("orders.key");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, b"short").unwrap();
        assert!(Secret::open(dir.path()).is_err());
    }
}
