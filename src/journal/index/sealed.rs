//! The index of a closed segment as a file.
//!
//! In: a [`Growing`] that will not grow any more. Out: the file, written whole or not at all,
//! and [`Sealed`], which has the file's head in memory and reads the rest when asked.
//!
//! The head: what it is and the version of the form; the lengths of all sections, the times
//! of the segment, its size and the checksum of the body; a table by the first ten bits of
//! fingerprints; the head's own checksum. The body, little-endian: names of mails in order;
//! a row each; offsets of frames; terms by fingerprint; their postings; and for each dictionary
//! its lines in order, where each begins, where its postings begin, the postings.
//!
//! A file of another version, of a segment of another size, or with a checksum that does not
//! fit is no index: it is made again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Growing, KINDS, Kind, Lookup, RowSet, Wanted};
use crate::mail::MailId;

const HEAD: [u8; 16] = *b"POSTERNJINDEX\x00\x00\x03";
const FANOUT_BITS: u32 = 10;
const FANOUT: usize = 1 << FANOUT_BITS;
const ID_OCTETS: usize = 12;
const ROW_OCTETS: usize = 8;
const TERM_OCTETS: usize = 12;
/// Names, rows, frames, terms, postings; four sections for each dictionary.
const SECTIONS: usize = 5 + 4 * KINDS;
/// First and last time, size of the segment, checksum of the body.
const NUMBERS: usize = SECTIONS + 4;
const FIXED_OCTETS: usize = HEAD.len() + NUMBERS * 8 + FANOUT * 4 + 4;
/// Names of mails that are read at once when one is looked for.
const IDS_AT_ONCE: u64 = 256;
/// Names of rows that lie further apart, in the mean, are read one by one.
const SPARSE: usize = 32;

#[derive(Debug, Clone, Copy)]
enum Section {
    Ids,
    Rows,
    Frames,
    Terms,
    Postings,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Text,
    Lines,
    Starts,
    Postings,
}

fn bucket(print: u64) -> usize {
    usize::try_from(print >> (u64::BITS - FANOUT_BITS)).unwrap_or(0)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Writes the index of a closed segment, whole or not at all.
pub(in crate::journal) fn write(
    growing: &Growing,
    segment_octets: u64,
    file: &Path,
) -> io::Result<()> {
    let mut order: Vec<u32> = (0..number(growing.rows.len())).collect();
    order.sort_unstable_by_key(|row| growing.rows.get(*row as usize).map(|row| row.mail_id));
    let mut place = vec![0u32; order.len()];
    for (at, row) in (0..).zip(&order) {
        if let Some(place) = place.get_mut(*row as usize) {
            *place = at;
        }
    }
    let moved = |row: &u32| place.get(*row as usize).copied().unwrap_or(u32::MAX);
    let mut sections = rows_out(growing, &order);
    let mut table = [0u32; FANOUT];
    let (terms, postings) = terms_out(growing, &mut table, &moved);
    sections.extend([terms, postings]);
    for (kind, names) in growing.names.iter().enumerate() {
        let is_frames = Kind::leads_to_frames(kind);
        sections.extend(names_out(names, &|at| if is_frames { *at } else { moved(at) }));
    }
    let sum = sections.iter().fold(0, |sum, one| crc32c::crc32c_append(sum, one));
    let mut head = HEAD.to_vec();
    let lengths = sections.iter().map(|section| section.len() as u64);
    let numbers = [growing.first_ms, growing.last_ms, segment_octets, u64::from(sum)];
    head.extend(lengths.chain(numbers).flat_map(u64::to_le_bytes));
    head.extend(table.iter().flat_map(|count| count.to_le_bytes()));
    head.extend(crc32c::crc32c(&head).to_le_bytes());
    let draft = file.with_extension("idx-draft");
    let mut options = std::fs::OpenOptions::new();
    let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    open.write_all(&head)?;
    sections.iter().try_for_each(|section| open.write_all(section))?;
    std::fs::rename(&draft, file)
}

fn rows_out(growing: &Growing, order: &[u32]) -> Vec<Vec<u8>> {
    let (mut ids, mut rows, mut frames) = (Vec::new(), Vec::new(), Vec::new());
    for row in order.iter().filter_map(|row| growing.rows.get(*row as usize)) {
        ids.extend(row.mail_id.octets());
        rows.extend(row.previous.to_le_bytes());
        rows.extend(number(frames.len() / 4).to_le_bytes());
        frames.extend(row.frames.iter().flat_map(|frame| frame.to_le_bytes()));
    }
    vec![ids, rows, frames]
}

fn terms_out(
    growing: &Growing,
    table: &mut [u32; FANOUT],
    moved: &dyn Fn(&u32) -> u32,
) -> (Vec<u8>, Vec<u8>) {
    let mut sorted: Vec<(&u64, &Vec<u32>)> = growing.terms.iter().collect();
    sorted.sort_unstable_by_key(|(print, _)| **print);
    let (mut terms, mut postings) = (Vec::new(), Vec::new());
    for (print, list) in sorted {
        if let Some(count) = table.get_mut(bucket(*print)) {
            *count += 1;
        }
        terms.extend(print.to_le_bytes());
        terms.extend(number(postings.len() / 4).to_le_bytes());
        postings_out(list, moved, &mut postings);
    }
    (terms, postings)
}

fn postings_out(list: &[u32], moved: &dyn Fn(&u32) -> u32, postings: &mut Vec<u8>) {
    let mut list: Vec<u32> = list.iter().map(moved).collect();
    list.sort_unstable();
    list.dedup();
    postings.extend(list.iter().flat_map(|place| place.to_le_bytes()));
}

fn names_out(names: &HashMap<Box<str>, Vec<u32>>, moved: &dyn Fn(&u32) -> u32) -> [Vec<u8>; 4] {
    let mut sorted: Vec<(&Box<str>, &Vec<u32>)> = names.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| &***name);
    let (mut text, mut lines, mut starts, mut postings) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, list) in sorted {
        lines.extend(number(text.len()).to_le_bytes());
        starts.extend(number(postings.len() / 4).to_le_bytes());
        text.extend(name.as_bytes());
        text.push(b'\n');
        postings_out(list, moved, &mut postings);
    }
    [text, lines, starts, postings]
}

/// The index of a closed segment: its head in memory, the rest on disk.
#[derive(Debug)]
pub(in crate::journal) struct Sealed {
    /// Where each section begins, and where the last one ends.
    starts: Box<[u64]>,
    /// Number of the first term of each bucket, and their count at the end.
    terms: Box<[u32]>,
    pub(in crate::journal) first_ms: u64,
    pub(in crate::journal) last_ms: u64,
    /// The greatest name of a mail in it, and the least.
    pub(in crate::journal) newest: Option<MailId>,
    pub(in crate::journal) oldest: Option<MailId>,
    segment_octets: u64,
    body_sum: u32,
    is_verified: AtomicBool,
}

impl Sealed {
    /// Reads the head. `None` when it is not the undamaged index of a segment of this size.
    pub(in crate::journal) fn open(file: &Path, segment_octets: u64) -> io::Result<Option<Sealed>> {
        let open = File::open(file)?;
        let octets = open.metadata()?.len();
        if octets < FIXED_OCTETS as u64 {
            return Ok(None);
        }
        let mut head = vec![0; FIXED_OCTETS];
        open.read_exact_at(&mut head, 0)?;
        let fits = |sealed: &Sealed| {
            sealed.segment_octets == segment_octets && sealed.starts.last() == Some(&octets)
        };
        let Some(mut sealed) = parse_head(&head).filter(fits) else { return Ok(None) };
        if let Some(last) = sealed.rows().checked_sub(1) {
            let reading = Reading { sealed: &sealed, open };
            let (oldest, newest) = (reading.id_at(0)?, reading.id_at(last as u64)?);
            (sealed.oldest, sealed.newest) = (Some(oldest), Some(newest));
        }
        Ok(Some(sealed))
    }

    /// Whether the body is undamaged; read once, then believed.
    pub(in crate::journal) fn verify(&self, file: &Path) -> io::Result<bool> {
        if self.is_verified.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let mut open = File::open(file)?;
        let mut chunk = vec![0; 1 << 18];
        open.read_exact(chunk.get_mut(..FIXED_OCTETS).unwrap_or_default())?;
        let mut sum = 0;
        loop {
            let count = open.read(&mut chunk)?;
            match chunk.get(..count) {
                Some([]) | None => break,
                Some(octets) => sum = crc32c::crc32c_append(sum, octets),
            }
        }
        self.is_verified.store(sum == self.body_sum, Ordering::Relaxed);
        Ok(sum == self.body_sum)
    }

    /// Has the file verified again before it is believed.
    pub(in crate::journal) fn doubt(&self) {
        self.is_verified.store(false, Ordering::Relaxed);
    }

    /// Opens the file for questions.
    pub(in crate::journal) fn reading(&self, file: &Path) -> io::Result<Reading<'_>> {
        let open = File::open(file)?;
        // Another one by now, made again in another thread.
        let fits = self.starts.last() == Some(&open.metadata()?.len());
        if fits { Ok(Reading { sealed: self, open }) } else { Err(damaged()) }
    }

    fn section(&self, section: usize) -> Range<u64> {
        let at = |at: usize| self.starts.get(at).copied().unwrap_or(0);
        at(section)..at(section + 1)
    }

    fn rows(&self) -> usize {
        let ids = self.section(Section::Ids as usize);
        usize::try_from(ids.end - ids.start).unwrap_or(0) / ID_OCTETS
    }
}

/// An index file that is being asked.
#[derive(Debug)]
pub(in crate::journal) struct Reading<'s> {
    sealed: &'s Sealed,
    open: File,
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not as it was written")
}

fn numbers(octets: &[u8]) -> Vec<u32> {
    let (numbers, _) = octets.as_chunks::<4>();
    numbers.iter().map(|octets| u32::from_le_bytes(*octets)).collect()
}

impl Reading<'_> {
    /// Octets of a section; what reaches beyond it is damage.
    fn octets(&self, section: usize, range: Range<u64>) -> io::Result<Vec<u8>> {
        let whole = self.sealed.section(section);
        let at = whole.start + range.start;
        let count = range.end.checked_sub(range.start).ok_or_else(damaged)?;
        if at + count > whole.end {
            return Err(damaged());
        }
        let mut octets = vec![0; usize::try_from(count).map_err(|_| damaged())?];
        self.open.read_exact_at(&mut octets, at)?;
        Ok(octets)
    }

    fn whole(&self, section: usize) -> io::Result<Vec<u8>> {
        let range = self.sealed.section(section);
        self.octets(section, 0..range.end - range.start)
    }

    fn numbers(&self, section: usize, range: Range<u64>) -> io::Result<Vec<u32>> {
        Ok(numbers(&self.octets(section, range.start * 4..range.end * 4)?))
    }

    fn count(&self, section: usize) -> u64 {
        let range = self.sealed.section(section);
        (range.end - range.start) / 4
    }

    fn ids_of(&self, range: Range<u64>) -> io::Result<Vec<MailId>> {
        let octet = |row: u64| row * ID_OCTETS as u64;
        let octets = self.octets(Section::Ids as usize, octet(range.start)..octet(range.end))?;
        let (ids, _) = octets.as_chunks::<ID_OCTETS>();
        Ok(ids.iter().copied().map(MailId::from_octets).collect())
    }

    fn id_at(&self, row: u64) -> io::Result<MailId> {
        self.ids_of(row..row + 1)?.first().copied().ok_or_else(damaged)
    }

    /// How many mails stand before this name.
    fn rank(&self, mail_id: MailId) -> io::Result<u64> {
        let (mut start, mut end) = (0, self.sealed.rows() as u64);
        while end - start > IDS_AT_ONCE {
            let middle = start.midpoint(end);
            if self.id_at(middle)? < mail_id {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        let before = self.ids_of(start..end)?.partition_point(|one| *one < mail_id);
        Ok(start + before as u64)
    }

    /// Postings from one start to the next one, in a dictionary or of terms.
    fn postings(&self, section: usize, start: u64, next: Option<u64>) -> io::Result<Vec<u32>> {
        let end = next.unwrap_or_else(|| self.count(section));
        self.numbers(section, start..end)
    }
}

/// Where more names than this match, reading all postings at once is cheaper.
const SINGLE_LOOKUPS: usize = 64;

fn section_of(kind: Kind, part: Part) -> usize {
    Section::Postings as usize + 1 + 4 * kind as usize + part as usize
}

/// Numbers of the lines that hold a text.
fn lines_with(text: &[u8], lines: &[u32], part: &str) -> Vec<usize> {
    let finder = memchr::memmem::Finder::new(part);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(hit) = text.get(at..).and_then(|rest| finder.find(rest)) {
        let hit = number(at + hit);
        let next = lines.partition_point(|start| *start <= hit);
        found.extend(next.checked_sub(1));
        match lines.get(next) {
            Some(start) => at = *start as usize,
            None => break,
        }
    }
    found
}

/// Numbers of the lines between two, both included.
fn lines_between(text: &[u8], lines: &[u32], (first, last): (&str, &str)) -> Vec<usize> {
    let line = |start: &u32| {
        let rest = text.get(*start as usize..).unwrap_or_default();
        rest.get(..memchr::memchr(b'\n', rest).unwrap_or(rest.len())).unwrap_or_default()
    };
    let start = lines.partition_point(|start| line(start) < first.as_bytes());
    let end = lines.partition_point(|start| line(start) <= last.as_bytes());
    (start..end).collect()
}

impl Lookup for Reading<'_> {
    fn rows(&self) -> usize {
        self.sealed.rows()
    }

    fn between(&self, low: Option<MailId>, high: Option<MailId>) -> io::Result<RowSet> {
        let rows = self.sealed.rows();
        let mut set = RowSet::empty(rows);
        let start = low.map_or(Ok(0), |low| self.rank(low))?;
        let end = high.map_or(Ok(rows as u64), |high| self.rank(high))?;
        let row = |rank: u64| u32::try_from(rank).unwrap_or(u32::MAX);
        (row(start)..row(end)).for_each(|row| set.put(row));
        Ok(set)
    }

    fn term(&self, print: u64) -> io::Result<Vec<u32>> {
        let bucket = bucket(print);
        let at = |number: usize| self.sealed.terms.get(number).copied().map_or(0, u64::from);
        let (start, end) = (at(bucket), at(bucket + 1));
        if start == end {
            return Ok(Vec::new());
        }
        // With the term behind the last one, whose postings begin where those of that end.
        let all = at(FANOUT);
        let range = start * TERM_OCTETS as u64..(end + 1).min(all) * TERM_OCTETS as u64;
        let octets = self.octets(Section::Terms as usize, range)?;
        let (terms, _) = octets.as_chunks::<TERM_OCTETS>();
        let start_of =
            |[.., a, b, c, d]: &[u8; TERM_OCTETS]| u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        let wanted = print.to_le_bytes();
        let Some(found) = terms.iter().position(|term| term.starts_with(&wanted)) else {
            return Ok(Vec::new());
        };
        let start = terms.get(found).map(start_of).ok_or_else(damaged)?;
        self.postings(Section::Postings as usize, start, terms.get(found + 1).map(start_of))
    }

    fn named(&self, kind: Kind, wanted: Wanted<'_>) -> io::Result<Vec<u32>> {
        let text = self.whole(section_of(kind, Part::Text))?;
        let lines = || {
            let lines = section_of(kind, Part::Lines);
            self.numbers(lines, 0..self.count(lines))
        };
        let found = match wanted {
            // Most segments have nothing of what is rare.
            Wanted::Part(part) if memchr::memmem::find(&text, part.as_bytes()).is_none() => {
                return Ok(Vec::new());
            }
            Wanted::Part("") => (0..lines()?.len()).collect(),
            Wanted::Part(part) => lines_with(&text, &lines()?, part),
            Wanted::Between(first, last) => lines_between(&text, &lines()?, (first, last)),
        };
        let postings = section_of(kind, Part::Postings);
        let starts = section_of(kind, Part::Starts);
        let starts = self.numbers(starts, 0..self.count(starts))?;
        let range = |line: usize| {
            let next = starts.get(line + 1).map(|next| u64::from(*next));
            starts.get(line).map(|start| (u64::from(*start), next)).ok_or_else(damaged)
        };
        let mut list = Vec::new();
        if found.len() <= SINGLE_LOOKUPS {
            for line in found {
                let (start, next) = range(line)?;
                list.extend(self.postings(postings, start, next)?);
            }
            return Ok(list);
        }
        let all = self.numbers(postings, 0..self.count(postings))?;
        for line in found {
            let (start, next) = range(line)?;
            let end = next.map_or(all.len(), |next| usize::try_from(next).unwrap_or(usize::MAX));
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            list.extend_from_slice(all.get(start..end).ok_or_else(damaged)?);
        }
        Ok(list)
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn ids(&self, rows: &[u32]) -> io::Result<Vec<MailId>> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(Vec::new());
        };
        if (last - first) as usize > rows.len() * SPARSE {
            return rows.iter().map(|row| self.id_at(u64::from(*row))).collect();
        }
        let ids = self.ids_of(u64::from(*first)..u64::from(*last) + 1)?;
        Ok(rows.iter().filter_map(|row| ids.get((row - first) as usize).copied()).collect())
    }

    fn frames(&self, mail_id: MailId) -> io::Result<Option<(Vec<u32>, u32)>> {
        let row = self.rank(mail_id)?;
        let rows = self.sealed.rows() as u64;
        if row >= rows || self.id_at(row)? != mail_id {
            return Ok(None);
        }
        let octet = |row: u64| row * ROW_OCTETS as u64;
        let octets = self.octets(Section::Rows as usize, octet(row)..octet((row + 2).min(rows)))?;
        let numbers = numbers(&octets);
        let (Some(previous), Some(start)) = (numbers.first(), numbers.get(1)) else {
            return Err(damaged());
        };
        let next = numbers.get(3).map(|next| u64::from(*next));
        let frames = self.postings(Section::Frames as usize, u64::from(*start), next)?;
        Ok(Some((frames, *previous)))
    }
}

fn parse_head(head: &[u8]) -> Option<Sealed> {
    let (checked, sum) = head.split_last_chunk::<4>()?;
    let (magic, rest) = checked.split_first_chunk::<16>()?;
    if *magic != HEAD || crc32c::crc32c(checked) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (numbers, table) = rest.split_at_checked(NUMBERS * 8)?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|octets| u64::from_le_bytes(*octets));
    let mut starts = vec![FIXED_OCTETS as u64];
    for length in numbers.by_ref().take(SECTIONS) {
        starts.push(starts.last()?.checked_add(length)?);
    }
    let (table, _) = table.as_chunks::<4>();
    let mut total = 0u32;
    let counts = table.iter().map(|octets| {
        let start = total;
        total = total.saturating_add(u32::from_le_bytes(*octets));
        start
    });
    let mut terms: Vec<u32> = counts.collect();
    terms.push(total);
    Some(Sealed {
        starts: starts.into_boxed_slice(),
        terms: terms.into_boxed_slice(),
        first_ms: numbers.next()?,
        last_ms: numbers.next()?,
        newest: None,
        oldest: None,
        segment_octets: numbers.next()?,
        body_sum: u32::try_from(numbers.next()?).ok()?,
        is_verified: AtomicBool::new(false),
    })
}
