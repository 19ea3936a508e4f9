//! Tar archives: v7, ustar, pax, GNU; several of them one after the other.
//!
//! In: the octets of a file. Out: its members, as slices of it; sparse ones are put together.
//! Readers part over where the next header is: a size may be told twice (header and pax
//! record), a link or folder may be followed by data or not, and two blocks of zeros end the
//! archive to some. Each place at which a reader could go on is gone on from, each header once
//! (ARCHIVE_HEADER_MISMATCH where they part). A header with a wrong checksum is read when it
//! looks like one otherwise (ARCHIVE_CHECKSUM).

mod header;
mod pax;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::Read;

use bytes::Bytes;

use super::names::{self, Outside};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::fixed::slice;
use header::{BLOCK, Header, Run};
use pax::Extended;

/// Octets of a long name or of extended headers that are read.
const EXTENDED_OCTETS: usize = 1 << 20;

/// Walks through all members.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut reading = Reading {
        file: octets,
        opening,
        starts: vec![0],
        read: HashSet::new(),
        extended: Extended::default(),
        long_name: None,
        long_link: None,
    };
    while let Some(at) = reading.starts.pop() {
        reading.read_from(at)?;
    }
    if reading.read.is_empty() {
        opening.closed(Closed::Damaged, "no header");
    }
    Ok(())
}

/// What a member is, by its type flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Sparse,
    Link,
    /// Folders, devices, pipes: they have no data, whatever size they claim.
    Empty,
    LongName,
    LongLink,
    Extended,
    Label,
    /// The rest of a file from another volume.
    Rest,
}

fn kind_of(header: &Header) -> Kind {
    match header.kind {
        b'1' | b'2' => Kind::Link,
        b'3'..=b'6' => Kind::Empty,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        b'x' | b'X' | b'g' => Kind::Extended,
        b'S' => Kind::Sparse,
        b'V' => Kind::Label,
        b'M' => Kind::Rest,
        // In the v7 format only the name tells a folder.
        0 | b'0' if header.name.ends_with(b"/") => Kind::Empty,
        // POSIX: unknown types are read as files.
        _ => Kind::File,
    }
}

struct Reading<'f, 'o, 'w, 'r> {
    file: &'f Bytes,
    opening: &'o mut Opening<'w, 'r>,
    /// Where a reader could go on.
    starts: Vec<usize>,
    /// Headers that were read.
    read: HashSet<usize>,
    /// What was said of the next member.
    extended: Extended,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Reading<'_, '_, '_, '_> {
    /// Reads headers and data, block by block, to the end of the file.
    fn read_from(&mut self, start: usize) -> Result<(), Exhausted> {
        let mut at = start;
        let mut is_lost = false;
        let mut zeros = 0;
        while at < self.file.len() && !self.read.contains(&at) {
            self.opening.pay_time()?;
            let block = slice(self.file, at, BLOCK);
            if block.iter().all(|octet| *octet == 0) {
                zeros += 1;
                at = at.saturating_add(BLOCK);
                continue;
            }
            let Some(header) = Header::read(block) else {
                // Readers that repair look for the next header.
                if !is_lost && zeros < 2 {
                    self.opening.closed(Closed::Damaged, format!("no header at {at}"));
                } else if !is_lost {
                    self.opening.remark("ARCHIVE_TRAILING_DATA", format!("from {at} on"));
                }
                is_lost = true;
                at = at.saturating_add(BLOCK);
                continue;
            };
            if zeros >= 2 {
                self.mismatch("members behind the end of the archive");
            }
            zeros = 0;
            is_lost = false;
            self.read.insert(at);
            at = self.read_member(at, &header)?;
        }
        Ok(())
    }

    /// Reads what a header stands for; returns where the next one is.
    fn read_member(&mut self, at: usize, header: &Header) -> Result<usize, Exhausted> {
        if !header.has_right_checksum {
            self.opening.remark("ARCHIVE_CHECKSUM", String::from_utf8_lossy(&header.name));
        }
        let data = at.saturating_add(BLOCK);
        let kind = kind_of(header);
        if matches!(kind, Kind::LongName | Kind::LongLink | Kind::Extended) {
            let length = usize::try_from(header.size).unwrap_or(usize::MAX);
            let text = slice(self.file, data, length.min(EXTENDED_OCTETS)).to_vec();
            match kind {
                Kind::LongName => self.long_name = Some(up_to_nul(text)),
                Kind::LongLink => self.long_link = Some(up_to_nul(text)),
                _ => self.extended.add(&text),
            }
            if length > EXTENDED_OCTETS {
                self.opening.closed(Closed::TooLarge, "extended header");
            }
            return Ok(behind(data, header.size));
        }
        let extended = std::mem::take(&mut self.extended);
        let long_name = self.long_name.take();
        let long_link = self.long_link.take();
        let said: Vec<&[u8]> =
            [&long_name, &extended.path].into_iter().flatten().map(Vec::as_slice).collect();
        let mut candidates = Vec::new();
        for name in said.iter().copied().chain([header.name.as_slice()]) {
            candidates.extend(names::readings(name, false, &[]));
        }
        // The name that everyone sees who knows the extensions, unless another is worse.
        let (name, _) = names::worst(&candidates);
        let name = name.to_owned();
        if let Some(outside) = candidates.iter().find_map(|name| names::outside(name)) {
            self.opening.remark(outside.remark(), name.clone());
        }
        let link = long_link.or_else(|| extended.link.clone()).unwrap_or(header.link.clone());
        let sizes = self.sizes(header, &extended, &name);
        let Some(size) = sizes.first().copied() else { return Ok(data) };
        for other in sizes.iter().skip(1) {
            self.starts.push(behind(data, *other));
            self.file_member(&name, data, *other)?;
        }
        match kind {
            Kind::Link => self.remark_link(header.kind, &name, &link),
            Kind::Rest => self.opening.closed(Closed::Elsewhere, name.clone()),
            Kind::Sparse => return self.sparse_member(at, &name, size),
            _ => {}
        }
        if matches!(kind, Kind::Link | Kind::Empty | Kind::Label) {
            return self.empty_member(&name, data, size);
        }
        if extended.has_map_in_data || !extended.runs.is_empty() {
            self.pax_sparse_member(&name, data, size, &extended)?;
        } else {
            self.file_member(&name, data, size)?;
        }
        Ok(behind(data, size))
    }

    /// The sizes that a reader could believe in, the extended one first.
    fn sizes(&mut self, header: &Header, extended: &Extended, name: &str) -> Vec<u64> {
        match extended.size {
            Some(size) if size != header.size => {
                // What does not fit into the header's field is zero there, or cut.
                if header.size != 0 && size < 1 << 33 {
                    self.mismatch(format!("{name}: sizes {size} and {}", header.size));
                    return vec![size, header.size];
                }
                vec![size]
            }
            _ => vec![header.size],
        }
    }

    fn mismatch(&mut self, detail: impl Into<String>) {
        self.opening.remark("ARCHIVE_HEADER_MISMATCH", detail);
    }

    fn remark_link(&mut self, kind: u8, name: &str, link: &[u8]) {
        let target = String::from_utf8_lossy(link);
        // A hard link names a member, by its name from the root of the archive.
        let outside = match kind {
            b'1' => names::outside(&target),
            _ => names::link_outside(name, &target),
        };
        let remark = outside.map_or("ARCHIVE_LINK", Outside::remark);
        self.opening.remark(remark, format!("{name} -> {target}"));
    }

    fn file_member(&mut self, name: &str, data: usize, size: u64) -> Result<(), Exhausted> {
        let left = self.file.len().saturating_sub(data);
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        if length > left {
            self.opening.closed(Closed::Damaged, format!("{name}: cut"));
        }
        let start = data.min(self.file.len());
        self.opening.member(name, self.file.slice(start..start + length.min(left)))
    }

    /// What should have no data. Some readers skip what it claims to have, others do not.
    fn empty_member(&mut self, name: &str, data: usize, size: u64) -> Result<usize, Exhausted> {
        if size == 0 {
            return Ok(data);
        }
        let next_is_header = Header::read(slice(self.file, data, BLOCK)).is_some();
        if next_is_header {
            // A reader that does not skip is at the next header already.
            self.mismatch(format!("{name}: no file, but {size} octets"));
        }
        self.starts.push(behind(data, size));
        if !next_is_header {
            self.file_member(name, data, size)?;
            return Ok(behind(data, size));
        }
        Ok(data)
    }

    /// A sparse file of the old GNU format.
    fn sparse_member(&mut self, at: usize, name: &str, size: u64) -> Result<usize, Exhausted> {
        let (runs, blocks, whole) = header::sparse(self.file, at);
        let data = at.saturating_add((blocks + 1).saturating_mul(BLOCK));
        self.spread(name, data, size, &runs, whole)?;
        Ok(behind(data, size))
    }

    fn pax_sparse_member(
        &mut self,
        name: &str,
        data: usize,
        size: u64,
        extended: &Extended,
    ) -> Result<(), Exhausted> {
        let (runs, map_octets) = match extended.has_map_in_data {
            true => pax::map_in_data(slice(self.file, data, EXTENDED_OCTETS)),
            false => (extended.runs.clone(), 0),
        };
        let size = size.saturating_sub(map_octets as u64);
        let data = data.saturating_add(map_octets);
        let whole = extended.whole_size.unwrap_or(size);
        self.spread(name, data, size, &runs, whole)
    }

    /// Puts a sparse file together, zeros between its runs. As its reader sees it without the
    /// map, it is walked as well.
    fn spread(
        &mut self,
        name: &str,
        data: usize,
        size: u64,
        runs: &[Run],
        whole: u64,
    ) -> Result<(), Exhausted> {
        self.file_member(name, data, size)?;
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        let source = Runs { data: slice(self.file, data, length), runs, at: 0, whole };
        let packed_octets = source.data.len() as u64;
        self.opening.unpack_member(name, source, packed_octets)
    }
}

/// Long names of the GNU format end with a NUL.
fn up_to_nul(mut text: Vec<u8>) -> Vec<u8> {
    text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
    text
}

/// Where the block behind some data begins.
fn behind(data: usize, size: u64) -> usize {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let padded = size.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
    data.saturating_add(padded)
}

/// A sparse file as its reader sees it.
struct Runs<'f> {
    /// The data of runs that have not been read.
    data: &'f [u8],
    runs: &'f [Run],
    at: u64,
    whole: u64,
}

impl Read for Runs<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let room = u64::try_from(into.len()).unwrap_or(u64::MAX);
        // Runs that end before here are done; they are in order, or the file is broken.
        while let Some(((offset, octets), rest)) = self.runs.split_first() {
            if offset.saturating_add(*octets) > self.at {
                break;
            }
            self.runs = rest;
        }
        let (end, is_hole) = match self.runs.first() {
            Some((offset, _)) if *offset > self.at => ((*offset).min(self.whole), true),
            Some((offset, octets)) => (offset.saturating_add(*octets).min(self.whole), false),
            None => (self.whole, true),
        };
        let count = usize::try_from(end.saturating_sub(self.at).min(room)).unwrap_or_default();
        let Some(into) = into.get_mut(..count) else { return Ok(0) };
        match is_hole {
            true => into.fill(0),
            false => self.data.read_exact(into)?,
        }
        self.at += count as u64;
        Ok(count)
    }
}
