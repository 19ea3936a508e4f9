//! Whether a file is still the one that was read.
//!
//! In: a path. Out: a [`FileMark`] to compare with the one before; files of the box are
//! replaced by renaming, so that a new one has another inode at least.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileMark {
    inode: u64,
    octets: u64,
    changed_ns: i128,
}

impl FileMark {
    /// As it is now; none when it cannot be seen.
    pub(super) fn of(file: &Path) -> Option<FileMark> {
        let about = std::fs::metadata(file).ok()?;
        let changed_ns = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        Some(FileMark { inode: about.ino(), octets: about.len(), changed_ns })
    }
}
