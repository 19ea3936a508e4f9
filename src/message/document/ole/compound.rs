//! OLE compound files: a small file system in a file (Word 97, Excel 97, Outlook messages,
//! VBA projects, embedded objects).
//!
//! In: the octets of such a file. Out: [`Compound`]: its storages and streams as a flat list
//! ([`Compound::entries`]) with parents, and the octets of each stream
//! ([`Compound::stream`]). Standard: MS-CFB; the sections named below are its sections.
//!
//! How to use it: `let Some(file) = Compound::read(octets, opening)? else { damaged };`, then
//! `file.child(parent, "name")` or a loop over `file.entries()`, then `file.stream(n, opening)?`.
//! An entry without parent that is not the root is an orphan: in the directory, but not in its
//! tree; Office does not see it, others do, so it is listed.
//!
//! Invariants: a chain is followed for at most as many steps as the file has sectors, whatever
//! loops it has; no size that the file claims is allocated before the octets are there; a
//! stream in one run of sectors is a slice of the file, any other is paid for. Readers differ
//! in how much they forgive, so this one forgives all: wrong counts, missing ends, unknown
//! versions. What could not be followed to its end says so ([`Stream::is_whole`]), and so does
//! what another reader may find elsewhere ([`Stream::is_sound`], [`Compound::is_sound`]).

use bytes::Bytes;

use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{le16, le32, le64, place, slice, utf16_le};

/// The first eight octets of every compound file.
pub(in crate::message) const SIGNATURE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// Section 2.1: the largest number that names a sector.
const LAST_SECTOR: u32 = 0xffff_fffa;
/// Section 2.1: what stands in place of the sector behind the last.
const END_OF_CHAIN: u32 = 0xffff_fffe;
/// Section 2.2: entries of the DIFAT in the header, and where they begin.
const HEADER_DIFAT: usize = 109;
const HEADER_DIFAT_AT: usize = 76;
/// Section 2.6: octets of a directory entry.
const ENTRY_OCTETS: usize = 128;
/// A directory of honest files has some hundreds.
const ENTRIES: usize = 65_536;
/// Steps between two looks at the clock.
const STEPS: usize = 4_096;

/// What an entry of the directory is (section 2.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message) enum EntryKind {
    /// The root, which also holds the small streams.
    Root,
    /// A folder.
    Storage,
    /// A file.
    Stream,
}

/// An entry of the directory.
#[derive(Debug, Clone)]
pub(in crate::message) struct Entry {
    pub(in crate::message) name: String,
    pub(in crate::message) kind: EntryKind,
    /// The class of the object that a storage holds, as it lies in the file.
    pub(in crate::message) class: [u8; 16],
    /// The size that it claims.
    pub(in crate::message) octets: u64,
    /// The number of the storage that holds it; none for the root and for orphans.
    pub(in crate::message) parent: Option<usize>,
    start: u32,
    left: u32,
    right: u32,
    child: u32,
}

/// The octets of a stream.
pub(in crate::message) struct Stream {
    pub(in crate::message) octets: Bytes,
    /// Whether as many octets were there as its entry claims.
    pub(in crate::message) is_whole: bool,
    /// Whether its chain also ends where it ends; one that goes on or loops is not its own.
    pub(in crate::message) is_sound: bool,
}

/// A compound file.
pub(in crate::message) struct Compound {
    octets: Bytes,
    sector_octets: usize,
    mini_octets: usize,
    cutoff: u64,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    mini: Bytes,
    entries: Vec<Entry>,
    /// Parents and their children, sorted.
    families: Vec<(usize, usize)>,
    is_sound: bool,
}

impl Compound {
    /// Reads header, tables and directory. None: there is no directory to be found.
    pub(in crate::message) fn read(
        octets: &Bytes,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Option<Compound>, Exhausted> {
        if !octets.starts_with(SIGNATURE) {
            return Ok(None);
        }
        let field = |at| le32(octets, at).unwrap_or(LAST_SECTOR);
        // Section 2.2: version 4 has sectors of 4096 octets, version 3 of 512.
        let shift = match (le16(octets, 30), le16(octets, 26)) {
            (Some(shift @ 7..=16), _) => shift,
            (_, Some(4)) => 12,
            _ => 9,
        };
        let mini_shift = le16(octets, 32).filter(|shift| (2..=12).contains(shift)).unwrap_or(6);
        let mut file = Compound {
            octets: octets.clone(),
            sector_octets: 1 << shift,
            mini_octets: 1 << mini_shift,
            cutoff: u64::from(le32(octets, 56).unwrap_or(4_096)),
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini: Bytes::new(),
            entries: Vec::new(),
            families: Vec::new(),
            is_sound: true,
        };
        file.read_fat(field(68), opening)?;
        let directory = file.follow_table(field(48), 1, opening)?;
        file.read_directory(&directory, le16(octets, 26) == Some(4));
        if file.entries.is_empty() {
            return Ok(None);
        }
        let mini_fat = file.follow_table(field(60), 0, opening)?;
        file.mini_fat = mini_fat.chunks_exact(4).filter_map(|four| le32(four, 0)).collect();
        if let Some(root) = file.root().and_then(|root| file.entry(root)) {
            let (start, octets) = (root.start, root.octets);
            file.mini = file.follow_table(start, octets, opening)?;
        }
        file.find_parents();
        Ok(Some(file))
    }

    /// Whether tables and directory agree with each other. If not, entries may be missing, or
    /// streams may hold what is not theirs.
    pub(in crate::message) fn is_sound(&self) -> bool {
        self.is_sound && !self.has_shared_sectors()
    }

    /// Whether a sector belongs to two streams, or to one twice.
    fn has_shared_sectors(&self) -> bool {
        let (mut seen, mut seen_small) =
            (vec![false; self.fat.len()], vec![false; self.mini_fat.len()]);
        for entry in self.entries.iter().filter(|entry| entry.octets > 0) {
            let is_small = entry.kind == EntryKind::Stream && entry.octets < self.cutoff;
            let (table, seen) = match is_small {
                true => (&self.mini_fat, &mut seen_small),
                false => (&self.fat, &mut seen),
            };
            let mut sector = entry.start;
            while let Some(seen) = seen.get_mut(place(sector)) {
                if std::mem::replace(seen, true) {
                    return true;
                }
                sector = table.get(place(sector)).copied().unwrap_or(LAST_SECTOR);
            }
        }
        false
    }

    /// All entries, in the order of the directory.
    pub(in crate::message) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// An entry by its number.
    pub(in crate::message) fn entry(&self, number: usize) -> Option<&Entry> {
        self.entries.get(number)
    }

    /// The number of the root.
    pub(in crate::message) fn root(&self) -> Option<usize> {
        self.entries.iter().position(|entry| entry.kind == EntryKind::Root)
    }

    /// The numbers of the entries that lie in a storage.
    pub(in crate::message) fn children(&self, parent: usize) -> impl Iterator<Item = usize> + '_ {
        let from = self.families.partition_point(|(of, _)| *of < parent);
        let families = self.families.get(from..).unwrap_or_default();
        families.iter().take_while(move |(of, _)| *of == parent).map(|(_, child)| *child)
    }

    /// The entry of a name in a storage; case does not matter (section 2.6.4).
    pub(in crate::message) fn child(&self, parent: usize, name: &str) -> Option<usize> {
        let is_named = |number: &usize| {
            self.entry(*number).is_some_and(|entry| entry.name.eq_ignore_ascii_case(name))
        };
        self.children(parent).find(is_named)
    }

    /// The names from the root to an entry, joined by `/`, the root's own left out.
    pub(in crate::message) fn path(&self, number: usize) -> String {
        let mut names = Vec::new();
        let mut at = self.entry(number);
        // No tree is deeper than its entries are many; honest ones have three levels.
        for _ in 0..64 {
            let Some(entry) = at.filter(|entry| entry.kind != EntryKind::Root) else { break };
            names.push(entry.name.as_str());
            at = entry.parent.and_then(|parent| self.entry(parent));
        }
        names.reverse();
        names.join("/")
    }

    /// The octets of a stream; nothing for what is no stream.
    pub(in crate::message) fn stream(
        &self,
        number: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Stream, Exhausted> {
        let Some(entry) = self.entry(number).filter(|entry| entry.kind == EntryKind::Stream) else {
            return Ok(Stream { octets: Bytes::new(), is_whole: false, is_sound: false });
        };
        if entry.octets < self.cutoff {
            // Section 2.4: small streams lie in the root's stream, in small sectors.
            let chain = Chain { table: &self.mini_fat, unit: self.mini_octets, offset: 0 };
            chain.follow(&self.mini, entry.start, entry.octets, opening)
        } else {
            self.follow(entry.start, entry.octets, opening)
        }
    }

    fn follow(
        &self,
        start: u32,
        octets: u64,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Stream, Exhausted> {
        let unit = self.sector_octets;
        // Section 2.1: sector 0 follows the header, which takes a whole sector.
        let chain = Chain { table: &self.fat, unit, offset: unit };
        chain.follow(&self.octets, start, octets, opening)
    }

    /// A stream of the format's own, which is all that its chain holds, at least so many octets.
    fn follow_table(
        &mut self,
        start: u32,
        least: u64,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Bytes, Exhausted> {
        let table = self.follow(start, u64::MAX, opening)?;
        self.is_sound &= table.is_sound && table.octets.len() as u64 >= least;
        Ok(table.octets)
    }

    /// Section 2.5: which sectors hold the FAT stands in the header and, for large files, in a
    /// chain of sectors of its own.
    fn read_fat(&mut self, difat_start: u32, opening: &Opening<'_, '_>) -> Result<(), Exhausted> {
        let sectors = self.octets.len() / self.sector_octets + 1;
        let numbers = |octets: &[u8]| -> Vec<u32> {
            octets.chunks_exact(4).filter_map(|four| le32(four, 0)).collect()
        };
        let mut holders = numbers(slice(&self.octets, HEADER_DIFAT_AT, HEADER_DIFAT * 4));
        let mut next = difat_start;
        for _ in 0..sectors {
            if next >= LAST_SECTOR || holders.len() > sectors {
                break;
            }
            opening.pay_time()?;
            let mut more = numbers(self.sector(next));
            next = more.pop().unwrap_or(LAST_SECTOR);
            holders.append(&mut more);
        }
        for (step, holder) in holders.into_iter().enumerate() {
            if self.fat.len() > sectors {
                break;
            }
            if step % 64 == 0 {
                opening.pay_time()?;
            }
            if holder < LAST_SECTOR {
                let more = numbers(self.sector(holder));
                self.fat.extend(more);
            }
        }
        Ok(())
    }

    fn sector(&self, number: u32) -> &[u8] {
        let at = place(number).saturating_add(1).saturating_mul(self.sector_octets);
        slice(&self.octets, at, self.sector_octets)
    }

    /// Section 2.6.1: the entries.
    fn read_directory(&mut self, directory: &[u8], is_large: bool) {
        for entry in directory.chunks_exact(ENTRY_OCTETS).take(ENTRIES) {
            let field = |at| le32(entry, at).unwrap_or(u32::MAX);
            let kind = match entry.get(66) {
                Some(5) => EntryKind::Root,
                Some(1) => EntryKind::Storage,
                Some(2) => EntryKind::Stream,
                // A hole keeps its number: others point past it.
                _ => {
                    self.entries.push(Entry::hole());
                    continue;
                }
            };
            let octets = le64(entry, 120).unwrap_or(0);
            self.entries.push(Entry {
                name: utf16_le(slice(entry, 0, 64)),
                kind,
                class: slice(entry, 80, 16).try_into().unwrap_or_default(),
                // Old writers leave rubbish in the upper half.
                octets: if is_large { octets } else { octets & 0xffff_ffff },
                parent: None,
                start: field(116),
                left: field(68),
                right: field(72),
                child: field(76),
            });
        }
    }

    /// Section 2.6.4: the entries of a storage are a tree of siblings. Each entry gets the
    /// first parent that reaches it; loops end there.
    fn find_parents(&mut self) {
        let Some(root) = self.root() else {
            self.is_sound = false;
            return;
        };
        let mut seen = vec![false; self.entries.len()];
        if let Some(seen) = seen.get_mut(root) {
            *seen = true;
        }
        let mut todo = vec![(root, self.entry(root).map_or(u32::MAX, |root| root.child))];
        while let Some((parent, link)) = todo.pop() {
            let number = place(link);
            let entry = self.entries.get_mut(number).filter(|entry| !entry.name.is_empty());
            let (Some(entry), Some(seen)) = (entry, seen.get_mut(number)) else {
                // Above that are marks; a number that leads nowhere has lost its entry.
                self.is_sound &= link >= LAST_SECTOR;
                continue;
            };
            if std::mem::replace(seen, true) {
                continue;
            }
            // Section 2.6.1: what a storage, and a stream that is empty, have of sectors.
            self.is_sound &= match entry.kind {
                EntryKind::Storage => entry.octets == 0,
                _ => entry.octets > 0 || entry.start == 0 || entry.start >= LAST_SECTOR,
            };
            entry.parent = Some(parent);
            self.families.push((parent, number));
            todo.push((parent, entry.left));
            todo.push((parent, entry.right));
            if entry.kind != EntryKind::Stream {
                todo.push((number, entry.child));
            }
        }
        self.families.sort_unstable();
    }
}

impl Entry {
    fn hole() -> Entry {
        Entry {
            name: String::new(),
            kind: EntryKind::Stream,
            class: [0; 16],
            octets: 0,
            parent: None,
            start: LAST_SECTOR,
            left: u32::MAX,
            right: u32::MAX,
            child: u32::MAX,
        }
    }
}

/// A table of which sector follows which, and where the sectors lie.
struct Chain<'c> {
    table: &'c [u32],
    unit: usize,
    offset: usize,
}

impl Chain<'_> {
    fn follow(
        &self,
        source: &Bytes,
        start: u32,
        octets: u64,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Stream, Exhausted> {
        let wanted = usize::try_from(octets).unwrap_or(usize::MAX);
        let mut pieces: Vec<std::ops::Range<usize>> = Vec::new();
        let (mut gathered, mut sector) = (0usize, start);
        for step in 0..=self.table.len() {
            if sector >= LAST_SECTOR || gathered >= wanted {
                break;
            }
            if step % STEPS == 0 {
                opening.pay_time()?;
            }
            let at = place(sector).saturating_mul(self.unit).saturating_add(self.offset);
            let end = at.saturating_add(self.unit.min(wanted - gathered)).min(source.len());
            if at >= end {
                break;
            }
            gathered += end - at;
            match pieces.last_mut().filter(|last| last.end == at) {
                Some(last) => last.end = end,
                None => pieces.push(at..end),
            }
            sector = self.table.get(place(sector)).copied().unwrap_or(LAST_SECTOR);
        }
        let is_whole = octets == u64::MAX || gathered == wanted;
        let is_empty = wanted == 0 || (octets == u64::MAX && start >= LAST_SECTOR);
        let is_sound = is_whole && (is_empty || sector == END_OF_CHAIN);
        let octets = match pieces.as_slice() {
            [] => Bytes::new(),
            [one] => source.slice(one.clone()),
            several => {
                opening.pay_octets(gathered as u64)?;
                let mut octets = Vec::with_capacity(gathered);
                for range in several {
                    octets.extend_from_slice(source.get(range.clone()).unwrap_or_default());
                }
                octets.into()
            }
        };
        Ok(Stream { octets, is_whole, is_sound })
    }
}
