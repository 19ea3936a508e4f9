//! A file that is there to be deleted: the store needs some room to open, and a box that is
//! started on a full disk must open it all the same to deliver what fills the disk.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::store::{Store, StoreError};

const OCTETS: usize = 8 << 20;
static PORTION: [u8; 64 << 10] = [0; 64 << 10];

/// Opens the store; on a full disk with the room that the ballast gives up.
pub(super) fn open_store(data_dir: &Path) -> Result<Store, StoreError> {
    let file = data_dir.join("ballast");
    let store = match Store::open(data_dir) {
        Err(error) if error.is_for_want_of_space() && std::fs::remove_file(&file).is_ok() => {
            tracing::warn!("the disk is full: the ballast was given up to open the store");
            Store::open(data_dir)
        }
        opened => opened,
    }?;
    if let Err(error) = take_on(&file) {
        tracing::warn!(%error, "no ballast: the box may not start again on a full disk");
    }
    Ok(store)
}

/// Writes the file unless it is there. Zeros are written, not promised: a hole would give no
/// room when it goes.
fn take_on(file: &Path) -> std::io::Result<()> {
    if std::fs::metadata(file).is_ok_and(|there| there.len() >= OCTETS as u64) {
        return Ok(());
    }
    let draft: PathBuf = file.with_extension("new");
    let written = write(&draft).and_then(|()| std::fs::rename(&draft, file));
    if written.is_err() {
        // Half a ballast would only take room; that it cannot be removed was just said.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

fn write(draft: &Path) -> std::io::Result<()> {
    let mut out: File = OpenOptions::new().create(true).truncate(true).write(true).open(draft)?;
    for _ in 0..OCTETS / PORTION.len() {
        out.write_all(&PORTION)?;
    }
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballast_is_taken_on_once_and_half_a_ballast_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ballast");
        std::fs::write(&file, b"half").unwrap();
        drop(open_store(dir.path()).unwrap());
        assert_eq!(std::fs::metadata(&file).unwrap().len(), OCTETS as u64);
        assert!(!file.with_extension("new").exists());
    }
}
