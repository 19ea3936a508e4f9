//! The files of a message as scanners and lists of digests see them.
//!
//! In: an anatomy and its [`Contents`]. Out: [`Carried`]: each file with its SHA-256 and its
//! octets where they are kept, and whether clamd can have come to it by itself. Linear in the
//! octets; runs where the message is taken apart.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::cache::Digest;
use super::sha256;
use crate::mail::Family;
use crate::message::contents::{Closed, Contents, Item};
use crate::message::{Anatomy, Nature};

/// A file of a message.
#[derive(Debug, Clone)]
pub struct Subject {
    /// `invoice.zip/docs/a.exe`.
    pub path: String,
    /// SHA-256.
    pub digest: Digest,
    /// Absent for a text of the message itself, which is scanned with it.
    pub octets: Option<Bytes>,
    /// How many files it lies in.
    pub depth: u8,
    /// Everything that it lies in is of a kind that clamd opens.
    pub is_reached: bool,
    /// What cannot do any harm by itself.
    pub is_plain: bool,
    /// Worth a second scan when signatures are newer.
    pub is_risky: bool,
}

impl Subject {
    /// A file of one of the message's own parts.
    pub fn is_own_file(&self) -> bool {
        self.depth == 0 && self.octets.is_some()
    }

    /// What is kept of a delivered mail: the outermost files, which an engine opens again, and
    /// what it could not come to.
    pub fn is_kept(&self) -> bool {
        self.is_risky && self.octets.is_some() && (self.depth == 0 || !self.is_reached)
    }
}

/// All that a message carries, for scanners.
#[derive(Debug, Default)]
pub struct Carried {
    /// The outer before the inner.
    pub subjects: Vec<Subject>,
    /// Paths of files that were not kept for want of room and that clamd cannot reach.
    pub missed: Vec<String>,
    /// What the octets take of the memory that all messages share.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Memory for the files of all messages that wait for a scanner or to be kept, in KiB.
const ROOM_KIB: usize = 256 << 10;

/// A room for all messages together.
pub(in crate::analysis) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(ROOM_KIB))
}

impl Carried {
    /// Of a message that was taken apart.
    pub fn of(anatomy: &Anatomy, contents: &Contents) -> Carried {
        let is_odd = anatomy.oddities.sights().next().is_some();
        let mut carried = Carried::default();
        let mut reached: Vec<bool> = Vec::with_capacity(contents.items.len());
        for item in &contents.items {
            // A message that can be read in two ways is read in another one by clamd, too.
            let is_reached = match item.parent {
                None => !is_odd,
                Some(parent) => {
                    let above = contents.items.get(parent).map(|item| item.nature);
                    above.is_some_and(is_opened_by_clamd)
                        && reached.get(parent).copied().unwrap_or(false)
                }
            };
            reached.push(is_reached);
            carried.add(anatomy, item, is_reached);
        }
        carried
    }

    /// Waits until there is memory for the octets, and holds it as long as they are held.
    pub(in crate::analysis) async fn take_room(&mut self, room: &Arc<Semaphore>) {
        let kib = self.octets_kib();
        if kib > 0 {
            // Closed it never is.
            self.room = Arc::clone(room).acquire_many_owned(kib).await.ok();
        }
    }

    /// Lets go of the octets that nobody wants any more.
    pub(in crate::analysis) fn keep_only(&mut self, is_wanted: impl Fn(&Subject) -> bool) {
        for subject in self.subjects.iter_mut().filter(|one| !is_wanted(one)) {
            subject.octets = None;
        }
        let needed = usize::try_from(self.octets_kib()).unwrap_or(usize::MAX);
        if let Some(room) = &mut self.room {
            drop(room.split(room.num_permits().saturating_sub(needed)));
        }
    }

    /// Files that are the same share their octets.
    fn octets_kib(&self) -> u32 {
        let mut seen = HashSet::new();
        let own = self.subjects.iter().filter(|one| seen.insert(one.digest));
        let kib = own.filter_map(|one| one.octets.as_ref()).map(|octets| octets.len() / 1_024 + 1);
        // A larger one has the room for itself.
        u32::try_from(kib.sum::<usize>().min(ROOM_KIB)).unwrap_or(u32::MAX)
    }

    fn add(&mut self, anatomy: &Anatomy, item: &Item, is_reached: bool) {
        let is_unread = item.closed.is_some_and(|closed| closed != Closed::TooDeep);
        let digest = match (&item.content, item.parent) {
            (Some(octets), _) => sha256(octets),
            (None, None) => {
                let part = anatomy.parts.get(item.part);
                let Some(part) = part else { return };
                sha256(&part.decoded())
            }
            // What cannot be read has a finding of its own.
            (None, Some(_)) if is_unread || is_reached => return,
            (None, Some(_)) => return self.missed.push(item.path.clone()),
        };
        self.subjects.push(Subject {
            path: item.path.clone(),
            digest,
            octets: item.content.clone(),
            depth: item.depth,
            is_reached,
            is_plain: is_plain(item.nature),
            is_risky: is_risky(item.nature),
        });
    }
}

/// The files that are scanned by themselves, those first that only this way are scanned at
/// all, and the paths of those that would have to be but are too many.
pub(super) fn choose(carried: &Carried, most: usize) -> (Vec<&Subject>, Vec<String>) {
    let mut seen = HashSet::new();
    let wanted = |one: &&Subject| {
        let is_unreached = !one.is_reached && (one.depth > 0 || !one.is_plain);
        one.octets.is_some() && (is_unreached || (one.depth > 0 && !one.is_plain))
    };
    let mut wanted: Vec<&Subject> = carried.subjects.iter().filter(wanted).collect();
    wanted.sort_by_key(|one| (one.is_reached, !one.is_risky));
    wanted.retain(|one| seen.insert(one.digest));
    let (chosen, left) = wanted.split_at_checked(most).unwrap_or((&wanted, &[]));
    let left = left.iter().filter(|one| !one.is_reached).map(|one| one.path.clone());
    let missed = carried.missed.iter().cloned().chain(left).collect();
    (chosen.to_vec(), missed)
}

/// Containers that clamd opens by itself, in the versions that are still supported.
fn is_opened_by_clamd(nature: Nature) -> bool {
    use Nature::{
        Apk, Arj, Bzip2, Cab, Excel, ExcelMacro, Gzip, Iso, Jar, Mail, OldExcel, OldPowerPoint,
        OldWord, PowerPoint, PowerPointMacro, Rar, SevenZip, Tar, Word, WordMacro, Xz, Zip,
    };
    matches!(
        nature,
        Apk | Arj
            | Bzip2
            | Cab
            | Excel
            | ExcelMacro
            | Gzip
            | Iso
            | Jar
            | Mail
            | OldExcel
            | OldPowerPoint
            | OldWord
            | PowerPoint
            | PowerPointMacro
            | Rar
            | SevenZip
            | Tar
            | Word
            | WordMacro
            | Xz
            | Zip
    )
}

fn is_plain(nature: Nature) -> bool {
    matches!(nature.family(), Family::Image | Family::Audio | Family::Video)
        || matches!(
            nature,
            Nature::Empty | Nature::Text | Nature::Css | Nature::Json | Nature::Xml | Nature::Font
        )
}

fn is_risky(nature: Nature) -> bool {
    use Family::{
        Archive, DiskImage, Document, Executable, Office, Presentation, Script, Shortcut,
        Spreadsheet, Unknown,
    };
    matches!(
        nature.family(),
        Archive
            | DiskImage
            | Document
            | Executable
            | Office
            | Presentation
            | Script
            | Shortcut
            | Spreadsheet
            | Unknown
    ) || matches!(nature, Nature::Html | Nature::Mhtml | Nature::Svg | Nature::Mail)
}
