//! Archives that begin somewhere within a file of another kind.
//!
//! In: the octets of any file. Out: where an archive begins behind its first octet: 7z, RAR 1.5
//! to 7, cabinets, ARJ, LHA. Their readers look for the beginning: WinRAR and 7-Zip open what
//! a picture, a page or a program stands before. Zip archives are found from their ends, by
//! their own reader.
//!
//! One pass over the file for all of them. What a few octets promise is believed when the
//! header behind them is one, by its checksum where the format has one, so that programs that
//! know archives and texts about them are none. The work for that is bounded; where it ends
//! too early, that is told.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Match, packed};
use delharc::LhaHeader;
use flate2::Crc;

use super::guard::guarded;
use crate::message::cursor::Cursor;
use crate::message::fixed::{exactly, octet, rest, slice, u16_at, u32_at, u64_at};

/// What begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message) enum Kind {
    /// 7z.
    SevenZip,
    /// RAR 1.5 to 4, or 5 to 7.
    Rar,
    /// Cabinet.
    Cab,
    /// ARJ.
    Arj,
    /// LHA and LZH.
    Lha,
}

impl Kind {
    /// The name that the archive is given.
    pub(in crate::message) fn name(self) -> &'static str {
        match self {
            Kind::SevenZip => "appended.7z",
            Kind::Rar => "appended.rar",
            Kind::Cab => "appended.cab",
            Kind::Arj => "appended.arj",
            Kind::Lha => "appended.lzh",
        }
    }

    /// For people.
    pub(in crate::message) fn words(self) -> &'static str {
        match self {
            Kind::SevenZip => "7z archive",
            Kind::Rar => "RAR archive",
            Kind::Cab => "cabinet",
            Kind::Arj => "ARJ archive",
            Kind::Lha => "LHA archive",
        }
    }
}

/// What is met on the way through a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message) enum Met {
    /// An archive begins here.
    Archive(usize, Kind),
    /// There are more promises than are looked into.
    TooMany,
}

/// Octets, how far behind the beginning of the archive they stand, and of which kind. The
/// methods of LHA stand in its headers.
#[rustfmt::skip]
const MARKS: [(&[u8], usize, Kind); 30] = [
    (b"7z\xbc\xaf\x27\x1c", 0, Kind::SevenZip),
    (b"Rar!\x1a\x07", 0, Kind::Rar),
    (b"MSCF\0\0\0\0", 0, Kind::Cab),
    (b"\x60\xea", 0, Kind::Arj),
    (b"-lh0-", 2, Kind::Lha), (b"-lh1-", 2, Kind::Lha), (b"-lh2-", 2, Kind::Lha),
    (b"-lh3-", 2, Kind::Lha), (b"-lh4-", 2, Kind::Lha), (b"-lh5-", 2, Kind::Lha),
    (b"-lh6-", 2, Kind::Lha), (b"-lh7-", 2, Kind::Lha), (b"-lh8-", 2, Kind::Lha),
    (b"-lh9-", 2, Kind::Lha), (b"-lha-", 2, Kind::Lha), (b"-lhb-", 2, Kind::Lha),
    (b"-lhc-", 2, Kind::Lha), (b"-lhd-", 2, Kind::Lha), (b"-lhe-", 2, Kind::Lha),
    (b"-lhx-", 2, Kind::Lha), (b"-lzs-", 2, Kind::Lha), (b"-lz2-", 2, Kind::Lha),
    (b"-lz3-", 2, Kind::Lha), (b"-lz4-", 2, Kind::Lha), (b"-lz5-", 2, Kind::Lha),
    (b"-lz7-", 2, Kind::Lha), (b"-pm0-", 2, Kind::Lha), (b"-pm1-", 2, Kind::Lha),
    (b"-pm2-", 2, Kind::Lha), (b"-pms-", 2, Kind::Lha),
];

/// By vectors of octets, which is many times as fast as an automaton; where the processor has
/// none, by that. Both are there, which a test asks.
#[derive(Debug)]
struct Searcher {
    vectors: Option<packed::Searcher>,
    automaton: Option<AhoCorasick>,
}

static SEARCHER: LazyLock<Searcher> = LazyLock::new(|| {
    let marks = MARKS.map(|(mark, _, _)| mark);
    Searcher { vectors: packed::Searcher::new(marks), automaton: AhoCorasick::new(marks).ok() }
});

type Matches<'f> = Box<dyn Iterator<Item = Match> + 'f>;

/// Octets of headers that are summed up for one file.
const CHECKED_OCTETS: usize = 8 << 20;
/// What looking at a mark costs beside, in such octets.
const MARK_OCTETS: usize = 8;
/// The largest header that is looked at.
const HEADER_OCTETS: usize = 8 << 10;

/// A way through a file; an iterator over what is met.
pub(in crate::message) struct Search<'f> {
    file: &'f [u8],
    marks: Option<Matches<'f>>,
    checked_octets: usize,
    /// It is an LHA archive itself: each of its headers looks like the first.
    is_lha: bool,
}

/// Looks for archives behind the first octet of a file.
pub(in crate::message) fn search(file: &[u8]) -> Search<'_> {
    let marks = match (&SEARCHER.vectors, &SEARCHER.automaton) {
        (Some(vectors), _) => Some(Box::new(vectors.find_iter(file)) as Matches<'_>),
        (None, Some(automaton)) => Some(Box::new(automaton.find_iter(file)) as Matches<'_>),
        (None, None) => None,
    };
    Search { file, marks, checked_octets: 0, is_lha: is_lha(file).0 }
}

impl Iterator for Search<'_> {
    type Item = Met;

    fn next(&mut self) -> Option<Met> {
        loop {
            let mark = self.marks.as_mut()?.next()?;
            let (_, before, kind) = MARKS.get(mark.pattern().as_usize())?;
            let Some(at) = mark.start().checked_sub(*before).filter(|at| *at > 0) else { continue };
            if self.is_lha && *kind == Kind::Lha {
                continue;
            }
            let (is_archive, octets) = check(rest(self.file, at), *kind);
            if is_archive {
                return Some(Met::Archive(at, *kind));
            }
            self.checked_octets += octets + MARK_OCTETS;
            if self.checked_octets > CHECKED_OCTETS {
                self.marks = None;
                return Some(Met::TooMany);
            }
        }
    }
}

/// Whether an archive begins here, and the octets that had to be summed up to tell.
fn check(octets: &[u8], kind: Kind) -> (bool, usize) {
    match kind {
        Kind::SevenZip => (is_seven_zip(octets), 0),
        Kind::Rar => (is_rar(octets).unwrap_or(false), 0),
        Kind::Cab => (is_cab(octets), 0),
        Kind::Arj => is_arj(octets),
        Kind::Lha => is_lha(octets),
    }
}

fn crc_32(octets: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(octets);
    sum.sum()
}

/// 7zFormat.txt, signature header: the checksum of where the end header stands, or the end
/// header stands within the file.
fn is_seven_zip(octets: &[u8]) -> bool {
    let Some(start) = exactly(octets, 12, 20) else { return false };
    let end = u64_at(octets, 12).saturating_add(u64_at(octets, 20)).saturating_add(32);
    let is_inside = octet(octets, 7) <= 4 && end > 32 && end <= octets.len() as u64;
    octet(octets, 6) == 0 && (crc_32(start) == u32_at(octets, 8) || is_inside)
}

/// The first block is a main header or, from RAR 5 on, one of encryption. Its checksum is not
/// asked: readers mend archives in which it is wrong.
fn is_rar(octets: &[u8]) -> Option<bool> {
    match octet(octets, 6) {
        0 => {
            let size = usize::from(u16_at(octets, 12));
            Some(octet(octets, 9) == 0x73 && size >= 13 && size + 7 <= octets.len())
        }
        1 if octet(octets, 7) == 0 => {
            let mut head = Cursor::begin(octets, 12)?;
            let size = number(&mut head)?;
            let block = head.take_u64(size)?;
            let kind = number(&mut Cursor::new(block))?;
            Some(block.len() <= HEADER_OCTETS && matches!(kind, 1 | 4))
        }
        _ => None,
    }
}

/// A number of at most three octets of seven bits, as sizes and types of headers are.
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut value = 0;
    for shift in [0, 7, 14] {
        let octet = cursor.u8()?;
        value |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// \[MS-CAB\] section 2.1: what is reserved is 0, the version is 1.3, and the list of files
/// stands within the cabinet.
fn is_cab(octets: &[u8]) -> bool {
    let (size, files_at) = (u32_at(octets, 8), u32_at(octets, 16));
    let is_reserved = u32_at(octets, 12) == 0 && u32_at(octets, 20) == 0;
    let (folders, files, flags) = (u16_at(octets, 26), u16_at(octets, 28), u16_at(octets, 30));
    is_reserved
        && slice(octets, 24, 2) == [3, 1]
        && size > 36
        && (36..size).contains(&files_at)
        && folders > 0
        && files > 0
        && flags <= 7
}

/// The main header: its size, its type and its checksum.
fn is_arj(octets: &[u8]) -> (bool, usize) {
    let size = u16_at(octets, 2);
    let is_sane = (30..=2_600).contains(&size)
        && octet(octets, 4 + 6) == 2
        && (30..=size).contains(&u16::from(octet(octets, 4)));
    let head = exactly(octets, 4, u64::from(size)).filter(|_| is_sane);
    let Some(head) = head else { return (false, 0) };
    (crc_32(head) == u32_at(octets, 4 + head.len()), head.len())
}

/// A method, a header whose sums are right, and behind the file the next header or the end.
fn is_lha(octets: &[u8]) -> (bool, usize) {
    let is_method =
        |octets: &[u8]| matches!(octets, [b'-', _, _, b'0'..=b'9' | b'd' | b's' | b'x', b'-']);
    if !is_method(slice(octets, 2, 5)) || octet(octets, 20) > 3 {
        return (false, 0);
    }
    let start = slice(octets, 0, HEADER_OCTETS);
    let mut left = start;
    let header = guarded(|| LhaHeader::read(&mut left).ok().flatten()).flatten();
    let read = start.len() - left.len();
    let end = header
        .and_then(|header| usize::try_from(header.compressed_size).ok())
        .map(|packed| read.saturating_add(packed));
    let is_archive = end.is_some_and(|end| {
        octet(octets, end) == 0 || is_method(slice(octets, end.saturating_add(2), 5))
    });
    (is_archive, read.max(1 << 10))
}
