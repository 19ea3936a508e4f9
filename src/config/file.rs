//! Files that are replaced whole: either the old content is there or the new one.
//!
//! In: a path and content. Out: the content is on the disk, folder included, when the call
//! returns. The file keeps its mode and, where the process may give it, its owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells the drafts apart that one process writes at the same time.
static TURN: AtomicU64 = AtomicU64::new(0);

/// Only the box's own user reads it.
pub const PRIVATE: u32 = 0o600;

/// Puts content in the place of a file; a new one gets `mode`. A link is followed. Blocks.
pub fn replace(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let file = match fs::canonicalize(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => file.to_owned(),
        found => found?,
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let draft = folder.join(format!(".new.{}.{turn}", std::process::id()));
    let written = write(&file, &draft, content, mode).and_then(|()| fs::rename(&draft, &file));
    if let Err(error) = written {
        // It may not be there; the error that counts is the first one.
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn write(file: &Path, draft: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let old = match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        old => Some(old?),
    };
    let mut options = OpenOptions::new();
    let mut out = options.write(true).create_new(true).mode(PRIVATE).open(draft)?;
    out.write_all(content)?;
    let mode = old.as_ref().map_or(mode, |old| old.mode() & 0o7777);
    out.set_permissions(fs::Permissions::from_mode(mode))?;
    if let Some(old) = old {
        let own = out.metadata()?;
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            // Only root may give files away; whoever else writes owns what is written.
            let _ = std::os::unix::fs::fchown(&out, Some(old.uid()), Some(old.gid()));
        }
    }
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_content_is_there_with_the_old_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.toml"), folder.path().join("link"));
        replace(&file, b"one", PRIVATE).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"two", PRIVATE).unwrap();
        assert_eq!((fs::read(&file).unwrap().as_slice(), mode(&file)), (&b"two"[..], 0o640));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(replace(&folder.path().join("no/such"), b"", PRIVATE).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    }
}
