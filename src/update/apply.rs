//! Writes a verified bundle to the slot that does not run.
//!
//! In: a file and the [`Places`]. Out: the other slot holds the bundle's root, the boot
//! partition a new entry with three tries. Order of acts: verify everything; take the other
//! slot's entries away, for what they start is about to be overwritten; write the root and
//! read it back; write the kernel under a name that the boot loader does not see; rename it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::bundle::{Bundle, PartName, digest};
use super::entry::{self, Entry, Slot, Tries};
use super::{Places, UpdateError, Version};

/// Starts of a new version before the boot loader gives it up.
const TRIES: u32 = 3;

/// Whether the owner wants an older version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downgrade {
    /// Only what is newer.
    Refuse,
    /// The owner says so.
    OwnerOverride,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// What the slot holds now.
    pub version: Version,
    /// Which slot.
    pub slot: Slot,
    /// The boot loader's entry.
    pub entry: Entry,
}

impl Places {
    /// Installs a bundle beside what runs. The next start tries it.
    pub fn apply(&self, file: &Path, downgrade: Downgrade) -> Result<Applied, UpdateError> {
        let mut bundle = Bundle::open(file, &self.key)?;
        self.is_welcome(&bundle, downgrade)?;
        bundle.verify()?;
        let slot = self.running.other();
        let partition = self.partition(slot);
        has_room(partition, bundle.manifest.root.octets)?;
        let generation = self.retire(slot)?;
        write_root(&mut bundle, partition)?;
        let entry = Entry { generation, slot, tries: Some(Tries { left: TRIES, done: 0 }) };
        self.write_kernel(&mut bundle, &entry)?;
        Ok(Applied { version: bundle.manifest.version.clone(), slot, entry })
    }

    fn is_welcome(&self, bundle: &Bundle, downgrade: Downgrade) -> Result<(), UpdateError> {
        let manifest = &bundle.manifest;
        if manifest.machine != self.machine {
            let shown = manifest.machine.chars().filter(|one| !one.is_control()).take(40);
            return Err(UpdateError::OtherMachine(shown.collect()));
        }
        if downgrade == Downgrade::Refuse && manifest.version <= self.version {
            let (new, running) = (manifest.version.clone(), self.version.clone());
            return Err(UpdateError::Downgrade { new, running });
        }
        match self.running_entry()? {
            // The other slot is the way back until the running one is blessed.
            Some(entry) if entry.tries.is_some() => Err(UpdateError::OnTrial),
            Some(_) => Ok(()),
            None => Err(UpdateError::NoBox("no entry of the running slot".into())),
        }
    }

    /// Takes the entries of a slot away and tells the next generation.
    fn retire(&self, slot: Slot) -> Result<u32, UpdateError> {
        let entries = self.entries()?;
        let newest = entries.iter().map(|entry| entry.generation).max().unwrap_or(0);
        for entry in entries.iter().filter(|entry| entry.slot == slot) {
            let path = self.kernels.join(entry.name());
            std::fs::remove_file(&path).map_err(UpdateError::at(&path))?;
        }
        entry::sync(&self.kernels)?;
        Ok(newest + 1)
    }

    fn write_kernel(&self, bundle: &mut Bundle, entry: &Entry) -> Result<(), UpdateError> {
        let name = match entry.slot {
            Slot::A => PartName::KernelA,
            Slot::B => PartName::KernelB,
        };
        let path = self.kernels.join(entry.name());
        let unseen = self.kernels.join("postern.new");
        let mut file = File::create(&unseen).map_err(UpdateError::at(&unseen))?;
        bundle.copy(name, &mut |piece| file.write_all(piece).map_err(UpdateError::at(&unseen)))?;
        file.sync_all().map_err(UpdateError::at(&unseen))?;
        std::fs::rename(&unseen, &path).map_err(UpdateError::at(&path))?;
        entry::sync(&self.kernels)
    }
}

fn has_room(partition: &Path, needed: u64) -> Result<(), UpdateError> {
    let mut device = File::open(partition).map_err(UpdateError::at(partition))?;
    let room = device.seek(SeekFrom::End(0)).map_err(UpdateError::at(partition))?;
    match room >= needed {
        true => Ok(()),
        false => Err(UpdateError::TooLarge { place: partition.to_owned(), room, needed }),
    }
}

fn write_root(bundle: &mut Bundle, partition: &Path) -> Result<(), UpdateError> {
    let at = || UpdateError::at(partition);
    let mut device = OpenOptions::new().read(true).write(true).open(partition).map_err(at())?;
    bundle.copy(PartName::Root, &mut |piece| device.write_all(piece).map_err(at()))?;
    device.sync_all().map_err(at())?;
    device.seek(SeekFrom::Start(0)).map_err(at())?;
    let part = bundle.part(PartName::Root).clone();
    let written = digest(&mut device.take(part.octets), partition, &mut |_| Ok(()))?;
    match written == part.sha256 {
        true => Ok(()),
        false => Err(UpdateError::ReadBack(partition.to_owned())),
    }
}
