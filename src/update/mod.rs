//! A new version of the box: one signed file, written to the slot that is not running, tried,
//! and kept only when mail goes through.
//!
//! In: a bundle ([`bundle`]), the two slots and the boot partition ([`Places`]). Out: the other
//! slot holds the new version and the boot loader tries it three times; [`Places::bless`] keeps
//! it. Nothing is written before the whole bundle is verified; the running slot is never
//! written to. A power cut at any moment leaves the running version bootable: its entry is not
//! touched, and the new entry appears, whole, as the last act.

mod apply;
pub mod bundle;
mod entry;
#[cfg(test)]
mod tests;
mod version;

use std::path::{Path, PathBuf};

pub use apply::{Applied, Downgrade};
pub use entry::{Entry, Slot, Tries};
pub use version::{BadVersion, Version};

/// Why an update did not happen.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// A file or device.
    #[error("{}: {error}", place.display())]
    Io {
        /// Which.
        place: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is no bundle, or only a part of one.
    #[error("this is no whole update: {0}")]
    Malformed(String),
    /// Somebody else made it, or changed it.
    #[error("the signature of the update is wrong: it was not made for this box, or was changed")]
    Signature,
    /// A part is not what the signed list says.
    #[error("the update is damaged: {0} is not what was signed")]
    Damaged(&'static str),
    /// It is not newer.
    #[error("version {new} is not newer than {running}; the owner may override this")]
    Downgrade {
        /// What the bundle holds.
        new: Version,
        /// What runs.
        running: Version,
    },
    /// For another kind of machine.
    #[error("the update is for {0}")]
    OtherMachine(String),
    /// What runs has not proven itself.
    #[error("the running version is still on trial; wait until it is blessed")]
    OnTrial,
    /// It does not fit.
    #[error("{} has {room} octets, the update needs {needed}", place.display())]
    TooLarge {
        /// Which slot.
        place: PathBuf,
        /// What it holds.
        room: u64,
        /// What is needed.
        needed: u64,
    },
    /// What was written reads back otherwise.
    #[error("{}: what was written reads back otherwise; the disk is failing", .0.display())]
    ReadBack(PathBuf),
    /// This is no box.
    #[error("this machine is no box of this kind: {0}")]
    NoBox(String),
}

impl UpdateError {
    pub(crate) fn at(place: &Path) -> impl FnOnce(std::io::Error) -> UpdateError {
        move |error| UpdateError::Io { place: place.to_owned(), error }
    }
}

/// The parts of a box that an update concerns; plain files and folders in tests.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder of the boot partition with the kernels, `EFI/Linux`.
    pub kernels: PathBuf,
    /// The partition of slot A.
    pub slot_a: PathBuf,
    /// The partition of slot B.
    pub slot_b: PathBuf,
    /// The slot that runs.
    pub running: Slot,
    /// The version that runs.
    pub version: Version,
    /// The owner's key, Ed25519.
    pub key: [u8; 32],
    /// The kind of machine, as in bundles.
    pub machine: String,
}

const COMMAND_LINE: &str = "/proc/cmdline";
const RELEASE: &str = "/usr/lib/os-release";
const KEY: &str = "/usr/lib/postern/update.pub";
const MACHINE: &str = "postern-x86_64";

impl Places {
    /// Those of the box that this runs on.
    pub fn of_this_box() -> Result<Places, UpdateError> {
        let line = read(Path::new(COMMAND_LINE))?;
        let running = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("postern.slot="))
            .and_then(Slot::named)
            .ok_or_else(|| UpdateError::NoBox("the kernel was not told its slot".into()))?;
        let release = read(Path::new(RELEASE))?;
        let version = release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_ID="))
            .and_then(|text| text.trim_matches('"').parse().ok())
            .ok_or_else(|| UpdateError::NoBox("the system does not tell its version".into()))?;
        Ok(Places {
            kernels: "/efi/EFI/Linux".into(),
            slot_a: "/dev/disk/by-partlabel/postern-root-a".into(),
            slot_b: "/dev/disk/by-partlabel/postern-root-b".into(),
            running,
            version,
            key: key(&read(Path::new(KEY))?)?,
            machine: MACHINE.into(),
        })
    }

    /// The partition of a slot.
    pub fn partition(&self, slot: Slot) -> &Path {
        match slot {
            Slot::A => &self.slot_a,
            Slot::B => &self.slot_b,
        }
    }

    /// What the boot loader may start, the first choice first.
    pub fn entries(&self) -> Result<Vec<Entry>, UpdateError> {
        entry::list(&self.kernels)
    }

    /// The entry that runs: the newest of the running slot.
    pub fn running_entry(&self) -> Result<Option<Entry>, UpdateError> {
        Ok(self.entries()?.into_iter().find(|entry| entry.slot == self.running))
    }

    /// Keeps the running version: the boot loader counts it no more. False when it was kept
    /// before.
    pub fn bless(&self) -> Result<bool, UpdateError> {
        let missing = || UpdateError::NoBox("no entry of the running slot".into());
        let entry = self.running_entry()?.ok_or_else(missing)?;
        if entry.tries.is_none() {
            return Ok(false);
        }
        let blessed = Entry { tries: None, ..entry.clone() };
        let (old, new) = (self.kernels.join(entry.name()), self.kernels.join(blessed.name()));
        std::fs::rename(&old, &new).map_err(UpdateError::at(&old))?;
        entry::sync(&self.kernels)?;
        Ok(true)
    }
}

fn read(path: &Path) -> Result<String, UpdateError> {
    std::fs::read_to_string(path).map_err(UpdateError::at(path))
}

/// 32 octets in base64, on one line.
fn key(text: &str) -> Result<[u8; 32], UpdateError> {
    use base64::Engine;
    let wrong = || UpdateError::NoBox("the owner's key cannot be read".into());
    let octets = base64::engine::general_purpose::STANDARD.decode(text.trim());
    octets.ok().and_then(|octets| octets.try_into().ok()).ok_or_else(wrong)
}
