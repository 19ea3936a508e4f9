//! Where the members of a zip archive are: by each central directory, and by what lies between
//! what these name.
//!
//! In: the file. Out: each member's headers, given to [`member`](super::member). The end
//! record is looked for as readers do, from the end; of several, each that leads to a
//! directory is followed, unless it lies in the data of a member that all readers agree on
//! (then it is the end of an archive in the archive). A directory is where the end record
//! says, or right before it: both are followed where they differ. What no directory covers
//! is searched for headers at last, as a reader does that goes by local headers.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use bytes::Bytes;

use super::Visitor;
use super::cover::Cover;
use super::records::{CENTRAL, Claim, END, END_OCTETS, End, Header, LOCAL, signatures};
use crate::message::archive::packing::Packing;
use crate::message::contents::{Closed, Exhausted, Opening};

/// Octets from the end in which an end record is looked for: its longest comment, and some
/// that were added by others.
const TAIL_OCTETS: usize = END_OCTETS + u16::MAX as usize + 4_096;

/// End records that are looked at from either side of the tail.
const ENDS: usize = 16;

/// Octets that may be unpacked from data that were unpacked already.
const SPARE_OCTETS: u64 = 8 << 20;

/// A reading of an archive that is under way.
pub(super) struct Reading<'o, 'w, 'r, 'v, 'f> {
    pub(super) file: &'f Bytes,
    pub(super) opening: &'o mut Opening<'w, 'r>,
    pub(super) visitor: &'o mut Visitor<'v>,
    /// What headers and data were found to cover.
    pub(super) covered: Cover,
    /// Data of members.
    pub(super) data: Cover,
    /// Data of members about which central and local headers agree.
    pub(super) agreed: BTreeMap<usize, usize>,
    /// What was unpacked, by its beginning, its method and, if stored, its length.
    pub(super) unpacked: HashSet<(usize, Packing, usize)>,
    /// What is left of [`SPARE_OCTETS`].
    pub(super) spare_octets: u64,
}

/// Where a central directory may begin, and what is to be added to the offsets in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) at: usize,
    pub(super) base: i64,
    /// A header is there, or nothing is claimed to be.
    pub(super) is_sound: bool,
    claim: Claim,
}

impl<'o, 'w, 'r, 'v, 'f> Reading<'o, 'w, 'r, 'v, 'f> {
    pub(super) fn new(
        file: &'f Bytes,
        opening: &'o mut Opening<'w, 'r>,
        visitor: &'o mut Visitor<'v>,
    ) -> Reading<'o, 'w, 'r, 'v, 'f> {
        Reading {
            file,
            opening,
            visitor,
            covered: Cover::default(),
            data: Cover::default(),
            agreed: BTreeMap::new(),
            unpacked: HashSet::new(),
            spare_octets: SPARE_OCTETS,
        }
    }

    pub(super) fn read_all(mut self) -> Result<(), Exhausted> {
        let mut directories: Vec<(usize, i64)> = Vec::new();
        let mut main_end = None;
        for end in ends(self.file) {
            if self.is_agreed_data(end.at) {
                continue;
            }
            let starts = starts(self.file, &end);
            if !starts.iter().any(|start| start.is_sound) {
                // Not an end record at all, or one whose directory is not to be read.
                if main_end.is_none() && end.end == self.file.len() {
                    main_end = Some(end.end);
                    self.remark_unread_directory(&end, &starts);
                }
                continue;
            }
            main_end.get_or_insert(end.end);
            self.covered.add(end.at..end.end);
            for start in starts.iter().filter(|start| start.is_sound) {
                if !directories.contains(&(start.at, start.base)) {
                    directories.push((start.at, start.base));
                    self.read_directory(start)?;
                }
            }
        }
        let read: HashSet<usize> =
            directories.iter().map(|(at, _)| *at).filter(|at| self.has_central(*at)).collect();
        if read.len() > 1 {
            self.mismatch(format!("{} central directories", read.len()));
        }
        self.read_gaps(!directories.is_empty())?;
        if main_end.is_none() {
            self.opening.closed(Closed::Damaged, "no central directory");
        }
        self.read_trailer(main_end)
    }

    fn has_central(&self, at: usize) -> bool {
        self.file.get(at..).is_some_and(|rest| rest.starts_with(CENTRAL))
    }

    fn is_agreed_data(&self, at: usize) -> bool {
        self.agreed.range(..=at).next_back().is_some_and(|(_, end)| at < *end)
    }

    /// Why the directory of the last end record cannot be read.
    fn remark_unread_directory(&mut self, end: &End, starts: &[Start]) {
        // What an archive of several volumes holds lies mostly in the others.
        let is_volume = end.is_later_volume;
        // [4.3.14, 7.3]: what stands in place of an encrypted directory has no signature.
        let is_hidden = starts
            .iter()
            .any(|start| start.claim.octets > 0 && start.at.saturating_add(4) < start.claim.record);
        match (is_volume, is_hidden) {
            (true, _) => self.opening.closed(Closed::Elsewhere, "a later volume"),
            (false, true) => self.opening.closed(Closed::Encrypted, "central directory"),
            (false, false) => self.opening.closed(Closed::Damaged, "central directory"),
        }
    }

    fn read_directory(&mut self, start: &Start) -> Result<(), Exhausted> {
        let mut at = start.at;
        let mut count: u64 = 0;
        while let Some(header) = Header::central(self.file, at) {
            self.opening.pay_time()?;
            at = header.place.end;
            count += 1;
            self.covered.add(header.place.clone());
            self.central_member(&header, start.base)?;
        }
        // Without zip64 the count wraps.
        let claimed = start.claim.entries & 0xffff;
        if count & 0xffff == claimed || count == start.claim.entries {
            return Ok(());
        }
        match count < start.claim.entries {
            true => {
                let claimed = start.claim.entries;
                let detail = format!("{count} of {claimed} entries in the central directory");
                self.opening.closed(Closed::Damaged, detail);
            }
            false => self.mismatch(format!("{count} entries, {claimed} by the end record")),
        }
        Ok(())
    }

    /// Headers where no directory leads: members that only a reader of local headers finds,
    /// remains of a directory.
    fn read_gaps(&mut self, has_directory: bool) -> Result<(), Exhausted> {
        let mut at = 0;
        while let Some(gap) = self.covered.gap_from(at, self.file.len()) {
            self.opening.pay_time()?;
            let Some(header) = self.first_header(gap.clone()) else {
                at = gap.end;
                continue;
            };
            at = header.place.start + 1;
            self.covered.add(header.place.clone());
            if self.has_local(header.place.start) {
                if has_directory {
                    self.mismatch("member only in local headers");
                }
                self.local_member(&header, has_directory)?;
            } else {
                if has_directory {
                    self.mismatch("entry outside of the central directory");
                }
                self.central_member(&header, 0)?;
            }
        }
        Ok(())
    }

    /// The first header in a gap that looks like one.
    fn first_header(&self, gap: Range<usize>) -> Option<Header> {
        let part = self.file.get(gap.clone()).unwrap_or_default();
        memchr::memmem::find_iter(part, b"PK").map(|at| gap.start + at).find_map(|at| {
            let header = Header::local(self.file, at).or_else(|| Header::central(self.file, at))?;
            self.is_plausible(&header).then_some(header)
        })
    }

    /// Program code holds signatures by chance, or because it unpacks archives.
    fn is_plausible(&self, header: &Header) -> bool {
        let name = self.file.get(header.name.clone()).unwrap_or_default();
        let has_known_method = matches!(header.method, 0..=20 | 93..=99);
        let has_name = !name.is_empty() && name.len() <= 1_024;
        has_known_method && has_name && !name.iter().any(|octet| (1..0x20).contains(octet))
    }

    /// What stands behind the archive: to other readers it may be the file.
    fn read_trailer(&mut self, end: Option<usize>) -> Result<(), Exhausted> {
        let Some(rest) = end.and_then(|end| self.file.get(end..)) else { return Ok(()) };
        if rest.len() < 16 || rest.iter().all(|octet| matches!(octet, 0 | b' ' | b'\r' | b'\n')) {
            return Ok(());
        }
        self.opening.remark("ARCHIVE_TRAILING_DATA", format!("{} octets", rest.len()));
        let start = self.file.len() - rest.len();
        self.opening.member("behind the archive", self.file.slice(start..))
    }

    /// That two readers would see two archives.
    pub(super) fn mismatch(&mut self, detail: impl Into<String>) {
        self.opening.remark("ARCHIVE_HEADER_MISMATCH", detail);
    }

    pub(super) fn has_local(&self, at: usize) -> bool {
        self.file.get(at..).is_some_and(|rest| rest.starts_with(LOCAL))
    }
}

/// End records, the last first: those in the tail of the file, or the last one anywhere.
pub(super) fn ends(file: &[u8]) -> Vec<End> {
    let ends = tail_ends(file);
    if !ends.is_empty() {
        return ends;
    }
    let last = signatures(file, 0..file.len(), END).last();
    last.and_then(|at| End::read(file, at)).into_iter().collect()
}

/// Those in the tail.
pub(super) fn tail_ends(file: &[u8]) -> Vec<End> {
    let tail = file.len().saturating_sub(TAIL_OCTETS)..file.len();
    let mut places: Vec<usize> = Vec::new();
    for at in signatures(file, tail, END) {
        // Readers go by the last or by the first; those in the middle are no one's.
        if places.len() == 2 * ENDS {
            places.remove(ENDS);
        }
        places.push(at);
    }
    places.iter().rev().filter_map(|at| End::read(file, *at)).collect()
}

/// Where the directory of an end record may begin: right before it, and where it is said to
/// be. What stands before the archive shifts the one from the other.
pub(super) fn starts(file: &[u8], end: &End) -> Vec<Start> {
    let mut starts: Vec<Start> = Vec::new();
    for claim in &end.claims {
        let beside =
            usize::try_from(claim.octets).ok().and_then(|octets| claim.record.checked_sub(octets));
        let said = usize::try_from(claim.offset).ok();
        for at in [beside, said].into_iter().flatten() {
            let has_header = file.get(at..).is_some_and(|rest| rest.starts_with(CENTRAL));
            let is_empty = claim.entries == 0 && claim.octets == 0;
            let base = match i64::try_from(claim.offset) {
                Ok(offset) if Some(at) == beside && has_header => at as i64 - offset,
                _ => 0,
            };
            let start = Start { at, base, is_sound: has_header || is_empty, claim: *claim };
            if !starts.iter().any(|known| known.at == at && known.base == base) {
                starts.push(start);
            }
        }
    }
    starts
}
