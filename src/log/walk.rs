//! Walks over the records of one segment and finds its way again after damage.
//!
//! In: a segment file. Out: a [`Step`] at a time: a good record, a stretch of damage, or the
//! end. Every octet of the segment belongs to exactly one record, one stretch of damage, the
//! padding of a batch (zeros up to a page boundary) or the zeros at the end; nothing is
//! skipped without one of these names.
//!
//! Damage to a payload loses that record only, because the header gives its length. Damage
//! to a header loses all up to the next place where the segment's mark stands before a good
//! header.

use memchr::memmem;

use super::disk::{DiskFile, read_full};
use super::format::{HEADER_OCTETS, Mark, RecordHeader, page_after};

/// Octets read ahead when whole records are read.
const WINDOW_OCTETS: usize = 1 << 20;
/// Octets read ahead when bodies are jumped over.
const HEADERS_WINDOW_OCTETS: usize = 64 << 10;

/// How much of each record is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Headers and heads; bodies are jumped over.
    Heads,
    /// Everything, against its CRC.
    Everything,
}

/// What stands next in the segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A good record at this offset.
    Record(u64, RecordHeader),
    /// Octets that are no record: from, to.
    Damage(u64, u64),
    /// Only zeros, or nothing, behind this offset.
    End(u64),
}

/// A walk over one segment.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    file: &'a dyn DiskFile,
    mark: Mark,
    offset: u64,
    end: u64,
    depth: Depth,
    window: Vec<u8>,
    window_start: u64,
}

impl<'a> Walk<'a> {
    /// From `offset` up to `end`.
    pub(super) fn new(
        file: &'a dyn DiskFile,
        mark: Mark,
        offset: u64,
        end: u64,
        depth: Depth,
    ) -> Walk<'a> {
        Walk { file, mark, offset, end, depth, window: Vec::new(), window_start: 0 }
    }

    /// The next step; after [`Step::End`] the same again.
    pub(super) fn step(&mut self) -> Step {
        loop {
            let at = self.offset;
            let mark = self.mark;
            let header = RecordHeader::decode(self.view(at, HEADER_OCTETS), mark);
            let after = |header: &RecordHeader| at.checked_add(header.octets()?);
            let ends = header.as_ref().and_then(after).filter(|ends| *ends <= self.end);
            if let (Some(header), Some(ends)) = (header, ends) {
                self.offset = ends;
                return match self.is_sound(at, &header) {
                    true => Step::Record(at, header),
                    false => Step::Damage(at, ends),
                };
            }
            let boundary = page_after(at).min(self.end);
            if boundary > at && self.zeros_to(at, boundary) == boundary {
                self.offset = boundary;
                continue;
            }
            return self.step_over_damage(at);
        }
    }

    /// The head of the record that the last step returned; `None` when its CRC is wrong.
    pub(super) fn head(&mut self, at: u64, header: &RecordHeader) -> Option<&[u8]> {
        let octets = header.head_octets as usize;
        let head = self.view(at + HEADER_OCTETS as u64, octets);
        (head.len() == octets && crc32c::crc32c(head) == header.head_crc).then_some(head)
    }

    /// At `at` there is no record and it is not padding either.
    fn step_over_damage(&mut self, at: u64) -> Step {
        let zeros = self.zeros_to(at, self.end);
        if zeros == self.end {
            return Step::End(at);
        }
        let next = self.find_record(at + 1);
        self.offset = next;
        Step::Damage(at, next)
    }

    fn is_sound(&mut self, at: u64, header: &RecordHeader) -> bool {
        if self.head(at, header).is_none() {
            return false;
        }
        if self.depth == Depth::Heads {
            return true;
        }
        let mut place = at + HEADER_OCTETS as u64 + u64::from(header.head_octets);
        let mut rest = header.body_octets;
        let mut crc = 0;
        while rest > 0 {
            let chunk = usize::try_from(rest).unwrap_or(usize::MAX).min(WINDOW_OCTETS);
            let body = self.view(place, chunk);
            if body.is_empty() {
                return false;
            }
            crc = crc32c::crc32c_append(crc, body);
            place += body.len() as u64;
            rest -= body.len() as u64;
        }
        crc == header.body_crc
    }

    /// The first offset in `from..to` that does not hold a zero, otherwise `to`.
    fn zeros_to(&mut self, from: u64, to: u64) -> u64 {
        let mut at = from;
        while at < to {
            let chunk = usize::try_from(to - at).unwrap_or(usize::MAX).min(WINDOW_OCTETS);
            let octets = self.view(at, chunk);
            if octets.is_empty() {
                return to;
            }
            if let Some(place) = octets.iter().position(|octet| *octet != 0) {
                return at + place as u64;
            }
            at += octets.len() as u64;
        }
        to
    }

    /// The next good record header at or behind `from`, otherwise the end.
    fn find_record(&mut self, from: u64) -> u64 {
        let mark = self.mark;
        let finder = memmem::Finder::new(&mark).into_owned();
        let mut at = from;
        while at < self.end {
            let rest = usize::try_from(self.end - at).unwrap_or(usize::MAX);
            let octets = self.view(at, rest.min(WINDOW_OCTETS));
            if octets.len() < HEADER_OCTETS {
                break;
            }
            let Some(place) = finder.find(octets) else {
                // A mark may begin in the last octets of this window.
                at += (octets.len() - (mark.len() - 1)) as u64;
                continue;
            };
            let candidate = at + place as u64;
            if RecordHeader::decode(self.view(candidate, HEADER_OCTETS), mark).is_some() {
                return candidate;
            }
            at = candidate + 1;
        }
        self.end
    }

    /// Octets at `offset`, as many as asked for unless the segment ends before.
    fn view(&mut self, offset: u64, octets: usize) -> &[u8] {
        let rest = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let octets = octets.min(rest);
        let window_end = self.window_start + self.window.len() as u64;
        if offset < self.window_start || offset + octets as u64 > window_end {
            let ahead = match self.depth {
                Depth::Heads => HEADERS_WINDOW_OCTETS,
                Depth::Everything => WINDOW_OCTETS,
            };
            self.window.resize(octets.max(ahead.min(rest)), 0);
            let read = read_patiently(self.file, offset, &mut self.window);
            self.window.truncate(read);
            self.window_start = offset;
        }
        let from = usize::try_from(offset - self.window_start).unwrap_or(usize::MAX);
        let rest = self.window.get(from..).unwrap_or_default();
        rest.get(..octets).unwrap_or(rest)
    }
}

/// Stands for octets that the disk does not give back; it cannot pass for padding.
const UNREADABLE: u8 = 0xEE;

/// Reads what can be read. A page that the disk does not give back is filled with
/// [`UNREADABLE`], so that it counts as damage and the records around it are still found.
/// Returns how many octets there are before the file ends.
pub(super) fn read_patiently(file: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> usize {
    if let Ok(octets) = read_full(file, offset, buffer) {
        return octets;
    }
    let known = file.octets().unwrap_or(u64::MAX).saturating_sub(offset);
    let there = buffer.len().min(usize::try_from(known).unwrap_or(usize::MAX));
    let mut at = offset;
    let mut rest = buffer.get_mut(..there).unwrap_or_default();
    while !rest.is_empty() {
        let to_boundary = usize::try_from(page_after(at + 1) - at).unwrap_or(usize::MAX);
        let (page, behind) = rest.split_at_mut(to_boundary.min(rest.len()));
        if let Err(error) = read_full(file, at, page) {
            tracing::error!(offset = at, %error, "a page of a log segment cannot be read");
            page.fill(UNREADABLE);
        }
        at += page.len() as u64;
        rest = behind;
    }
    there
}
