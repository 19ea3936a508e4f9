//! The few things that the log asks of a disk, as a trait, so that tests can put a disk in
//! its place that loses, tears and refuses writes.
//!
//! In: names and octets. Out: durable files. A name or a cut is durable only after
//! [`Disk::sync_names`] or [`DiskFile::cut`] returned, written octets only after
//! [`DiskFile::sync`]. Fails with the kernel's error; nothing is retried here.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::mail::Content;

/// A directory of segment files.
pub(super) trait Disk: Send + Sync + fmt::Debug {
    /// Names of the files, without those in subdirectories.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a file, or empties the one of this name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name.
    fn rename(&self, old: &str, new: &str) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes all creations, renamings and removals durable.
    fn sync_names(&self) -> io::Result<()>;
    /// What an unprivileged process can still write.
    fn free_octets(&self) -> io::Result<u64>;
}

/// One file.
pub(super) trait DiskFile: Send + Sync + fmt::Debug {
    /// Writes all octets.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Reads some octets; 0 at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Its length.
    fn octets(&self) -> io::Result<u64>;
    /// Cuts it to a length, durably.
    fn cut(&self, octets: u64) -> io::Result<()>;
    /// Makes the written octets durable (`fdatasync`).
    fn sync(&self) -> io::Result<()>;
    /// A part of it as the content of a mail.
    fn content(&self, offset: u64, octets: u64) -> io::Result<Content>;
}

/// A directory of a real file system.
#[derive(Debug)]
pub(super) struct RealDisk {
    dir: PathBuf,
}

impl RealDisk {
    /// Opens a directory and makes it, and `corrupt/` in it, if need be.
    pub(super) fn new(dir: &Path) -> io::Result<RealDisk> {
        std::fs::create_dir_all(dir.join("corrupt"))?;
        let disk = RealDisk { dir: dir.to_owned() };
        // The new directory's own name must be durable too.
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        disk.sync_names()?;
        Ok(disk)
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = how.open(self.dir.join(name))?;
        Ok(Arc::new(RealFile { file: Arc::new(file) }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.dir.join(name))?;
        Ok(Arc::new(RealFile { file: Arc::new(file) }))
    }

    fn rename(&self, old: &str, new: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(old), self.dir.join(new))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.dir.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(self.dir.join("corrupt"))?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    fn free_octets(&self) -> io::Result<u64> {
        let stat = nix::sys::statvfs::statvfs(&self.dir)?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }
}

#[derive(Debug)]
struct RealFile {
    file: Arc<File>,
}

impl DiskFile for RealFile {
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.file.write_all_at(octets, offset)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn octets(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn cut(&self, octets: u64) -> io::Result<()> {
        self.file.set_len(octets)?;
        self.file.sync_all()
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn content(&self, offset: u64, octets: u64) -> io::Result<Content> {
        Ok(Content::in_file(Arc::clone(&self.file), offset, octets))
    }
}

/// Reads until the buffer is full or the file ends; returns how many octets.
pub(super) fn read_full(file: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0usize;
    while let Some(window) = buffer.get_mut(filled..).filter(|window| !window.is_empty()) {
        match file.read_at(offset + filled as u64, window)? {
            0 => break,
            octets => filled += octets,
        }
    }
    Ok(filled)
}
