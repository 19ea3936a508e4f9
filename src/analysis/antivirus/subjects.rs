//! The files of a message as scanners and lists of digests see them.
//!
//! In: an anatomy and its [`Contents`]. Out: [`Carried`]: each file with its SHA-256 and its
//! octets, and whether clamd can have come to it by itself. Linear in the octets; runs where
//! the message is taken apart.
//!
//! clamd has a reader of mail of its own, and it is not ours: it takes other lines for
//! boundaries, and decodes otherwise. So each part of the message goes to it as it is decoded
//! here, whatever its type; but for a text without a name that stands in the message as it
//! is, and so is scanned with it. Where both read alike that costs little: clamd knows what it
//! has seen already.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::cache::Digest;
use super::sha256;
use crate::mail::Family;
use crate::message::contents::{Closed, Contents, Item};
use crate::message::{Anatomy, Nature, Part};

/// A file of a message.
#[derive(Debug, Clone)]
pub struct Subject {
    /// `invoice.zip/docs/a.exe`.
    pub path: String,
    /// SHA-256.
    pub digest: Digest,
    /// Absent where there was no room for them.
    pub octets: Option<Bytes>,
    /// How many files it lies in.
    pub depth: u8,
    /// It lies in what is scanned, and only in what clamd opens; or it is a part of a message
    /// with nothing odd about its form.
    pub is_reached: bool,
    /// A picture, sound or film.
    pub is_plain: bool,
    /// One of the message's own texts, rather than a file.
    pub is_own_text: bool,
    /// A text without a name that stands in the message as it is.
    pub is_bare: bool,
    /// Worth a second scan when signatures are newer.
    pub is_risky: bool,
}

impl Subject {
    /// What is kept of a delivered mail: the outermost files, which an engine opens again, and
    /// what it could not come to.
    pub fn is_kept(&self) -> bool {
        let is_file = self.octets.is_some() && !self.is_own_text;
        self.is_risky && is_file && (self.depth == 0 || !self.is_reached)
    }
}

/// All that a message carries, for scanners.
#[derive(Debug, Default)]
pub struct Carried {
    /// The outer before the inner.
    pub subjects: Vec<Subject>,
    /// Paths of files that were not kept for want of room and that clamd may not have reached.
    pub missed: Vec<String>,
    /// What the octets take of the memory that all messages share.
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Octets of other readings of a message that are scanned by themselves.
const OTHERWISE_OCTETS: usize = 32 << 20;

/// Memory for the files of all messages that wait for a scanner or to be kept, in KiB.
const ROOM_KIB: usize = 256 << 10;

/// A room for all messages together.
pub(in crate::analysis) fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(ROOM_KIB))
}

impl Carried {
    /// Of a message that was taken apart.
    pub fn of(message: &Bytes, anatomy: &Anatomy, contents: &Contents) -> Carried {
        let mut carried = Carried::default();
        let mut ways = Ways::new(contents);
        let mut otherwise_octets = 0;
        let form = Way::from(anatomy.oddities.sights().next().is_none());
        for item in &contents.items {
            let Some(parent) = item.parent else {
                let part = anatomy.parts.get(item.part);
                let way = part.map_or(Way::Barred, |part| {
                    carried.add_own(message, part, item, form, &mut otherwise_octets)
                });
                ways.to.push(way);
                continue;
            };
            let way = ways.through(parent, contents);
            ways.to.push(Way::from(way == Way::Open || item.content.is_some()));
            carried.add_inner(item, way);
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

    /// A part of the message; the way to it is open when it is scanned.
    fn add_own(
        &mut self,
        message: &Bytes,
        part: &Part,
        item: &Item,
        form: Way,
        otherwise_octets: &mut usize,
    ) -> Way {
        let octets = item.content.clone().unwrap_or_else(|| part.content());
        let stands_in_message = is_slice(&octets, message);
        let digest = sha256(&octets);
        let is_own_text = matches!(item.nature, Nature::Text | Nature::Html);
        // The usual reading is no larger than the message; of others there may be many.
        if !part.is_main() && !stands_in_message {
            *otherwise_octets = otherwise_octets.saturating_add(octets.len());
        }
        let is_held = *otherwise_octets <= OTHERWISE_OCTETS;
        if !is_held {
            self.missed.push(item.path.clone());
        }
        self.subjects.push(Subject {
            path: item.path.clone(),
            digest,
            octets: is_held.then_some(octets),
            depth: 0,
            is_reached: form == Way::Open && part.is_main(),
            is_plain: is_plain(item.nature),
            is_own_text,
            is_bare: stands_in_message && item.nature == Nature::Text && item.name.is_empty(),
            is_risky: is_risky(item.nature),
        });
        Way::from(is_held)
    }

    /// A file in a file.
    fn add_inner(&mut self, item: &Item, way: Way) {
        let is_reached = way == Way::Open;
        let is_unread = item.closed.is_some_and(|closed| closed != Closed::TooDeep);
        let Some(octets) = &item.content else {
            // What cannot be read has a finding of its own.
            if !is_unread && !is_reached {
                self.missed.push(item.path.clone());
            }
            return;
        };
        self.subjects.push(Subject {
            path: item.path.clone(),
            digest: sha256(octets),
            octets: Some(octets.clone()),
            depth: item.depth,
            is_reached,
            is_plain: is_plain(item.nature),
            is_own_text: false,
            is_bare: false,
            is_risky: is_risky(item.nature),
        });
    }
}

/// Whether clamd comes to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    Barred,
}

impl From<bool> for Way {
    fn from(is_open: bool) -> Way {
        match is_open {
            true => Way::Open,
            false => Way::Barred,
        }
    }
}

/// Whether clamd comes to files through those that they lie in.
struct Ways {
    /// By the number of the item: open where it is scanned by itself or lies in what is.
    to: Vec<Way>,
    /// Items about whose structure something was remarked: clamd may see another one.
    odd: HashSet<usize>,
    /// So much was remarked that not every item is named.
    is_crowded: bool,
}

/// Archives that anything is remarked of, above which none is trusted.
const ODD_ARCHIVES: usize = 40;

impl Ways {
    fn new(contents: &Contents) -> Ways {
        let remarks = contents.remarks.iter();
        let odd: HashSet<usize> = remarks
            .filter(|remark| remark.name.starts_with("ARCHIVE_"))
            .map(|remark| remark.item)
            .collect();
        let is_crowded = odd.len() > ODD_ARCHIVES;
        Ways { to: Vec::with_capacity(contents.items.len()), odd, is_crowded }
    }

    /// To an item through the one that holds it.
    fn through(&self, parent: usize, contents: &Contents) -> Way {
        let Some(above) = contents.items.get(parent) else { return Way::Barred };
        let is_sound = !self.is_crowded && !self.odd.contains(&parent);
        let is_open = self.to.get(parent) == Some(&Way::Open);
        Way::from(is_sound && is_open && is_opened_by_clamd(above.nature))
    }
}

/// Whether octets are a part of others in memory, rather than equal to one.
fn is_slice(octets: &Bytes, whole: &Bytes) -> bool {
    let begin = |bytes: &Bytes| bytes.as_ptr() as usize;
    let end = |bytes: &Bytes| begin(bytes).saturating_add(bytes.len());
    begin(whole) <= begin(octets) && end(octets) <= end(whole)
}

/// What is scanned by itself.
#[derive(Debug, Default)]
pub(super) struct Chosen<'c> {
    /// At once: clamd may not come to it with the message.
    pub(super) unreached: Vec<&'c Subject>,
    /// After the message: most of it clamd then knows already.
    pub(super) reached: Vec<&'c Subject>,
    /// Paths of those that would have to be scanned and cannot be.
    pub(super) missed: Vec<String>,
}

/// Chooses what is scanned by itself: each part of the message, and of the unpacked files
/// `most`, those first that only this way are scanned at all.
pub(super) fn choose(carried: &Carried, most: usize) -> Chosen<'_> {
    let is_wanted = |one: &&Subject| match (&one.octets, one.depth) {
        (None, _) => false,
        (Some(octets), 0) => !one.is_bare && !octets.is_empty(),
        (Some(_), _) => !one.is_reached || !one.is_plain,
    };
    let mut seen = HashSet::new();
    let mut wanted: Vec<&Subject> = carried.subjects.iter().filter(is_wanted).collect();
    wanted.sort_by_key(|one| (one.depth > 0, one.is_reached, !one.is_risky));
    wanted.retain(|one| seen.insert(one.digest));
    let mut chosen = Chosen { missed: carried.missed.clone(), ..Chosen::default() };
    let mut left = most;
    for one in wanted {
        let is_own = one.depth == 0;
        match (is_own || left > 0, one.is_reached) {
            (true, true) => chosen.reached.push(one),
            (true, false) => chosen.unreached.push(one),
            (false, true) => {}
            (false, false) => chosen.missed.push(one.path.clone()),
        }
        left = left.saturating_sub(usize::from(!is_own));
    }
    chosen
}

/// The texts that are scanned with the message, for when it is too large to be.
pub(super) fn bare(carried: &Carried) -> Vec<&Subject> {
    carried.subjects.iter().filter(|one| one.is_bare && one.octets.is_some()).collect()
}

/// Containers that clamd opens by itself, in the versions that are still supported. Messages
/// are none: it reads them otherwise; nor are formats in which packed files may follow each
/// other (gzip, bzip2, xz), of which it takes the first.
fn is_opened_by_clamd(nature: Nature) -> bool {
    use Nature::{
        Apk, Arj, Cab, Excel, ExcelMacro, Iso, Jar, OldExcel, OldPowerPoint, OldWord, PowerPoint,
        PowerPointMacro, Rar, SevenZip, Tar, Word, WordMacro, Zip,
    };
    matches!(
        nature,
        Apk | Arj
            | Cab
            | Excel
            | ExcelMacro
            | Iso
            | Jar
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
            | Zip
    )
}

/// What is shown or played. In archives that clamd opens there may be much of it.
fn is_plain(nature: Nature) -> bool {
    let is_media = matches!(nature.family(), Family::Image | Family::Audio | Family::Video);
    (is_media && nature != Nature::Svg) || matches!(nature, Nature::Empty | Nature::Font)
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
