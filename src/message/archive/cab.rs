//! Cabinet archives ([MS-CAB]).
//!
//! In: a cabinet, which may stand behind a program. Out: its files as members. Folders are
//! unpacked once each and cut into files; blocks that are stored or MSZIP are read here, LZX
//! through the crate `cab`, given one folder at a time in a cabinet made for it, so that no
//! field of the original but its blocks reaches it. Quantum is closed as unsupported; files
//! that begin or end in another cabinet are closed as incomplete. Checksums are not asked:
//! what is damaged is looked at all the same.

use std::io::{self, ErrorKind, Read};

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::guard::{Guarded, guarded};
use super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::fixed::u32_at;

const SIGNATURE: &[u8] = b"MSCF";

#[cfg(test)]
mod tests;

/// Octets that a block may yield ([MS-CAB] section 2.4).
const BLOCK_OCTETS: usize = 32 << 10;

/// The same for damaged and odd ones: what a field of 16 bits says.
const MOST_BLOCK_OCTETS: usize = 64 << 10;

/// Blocks of one folder packed together.
#[derive(Debug, Clone, Copy)]
struct Folder {
    offset: u64,
    blocks: u16,
    method: u16,
}

/// A file within a folder.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    octets: u64,
    offset: u64,
    folder: u16,
}

/// What the header says.
#[derive(Debug, Default)]
struct Listing {
    folders: Vec<Folder>,
    entries: Vec<Entry>,
    /// Octets kept for others before each block's data.
    reserved: u64,
    /// The list ends too early.
    broken: bool,
}

/// Takes a cabinet apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some(begin) = memchr::memmem::find(octets, SIGNATURE) else {
        opening.closed(Closed::Damaged, "no signature");
        return Ok(());
    };
    let octets = octets.slice(begin..);
    let Some(listing) = read(&octets, opening)? else {
        opening.closed(Closed::Damaged, "the header is broken");
        return Ok(());
    };
    if listing.broken {
        opening.closed(Closed::Damaged, "the list of files is broken");
    }
    for (number, folder) in listing.folders.iter().enumerate() {
        opening.pay_time()?;
        let mut entries: Vec<&Entry> =
            listing.entries.iter().filter(|entry| usize::from(entry.folder) == number).collect();
        entries.sort_by_key(|entry| entry.offset);
        walk_folder(&octets, listing.reserved, *folder, &entries, opening)?;
    }
    for entry in listing.entries.iter() {
        let why = match usize::from(entry.folder) {
            folder if folder < listing.folders.len() => continue,
            // Continued from the previous cabinet, to the next, both (section 2.3).
            0xfffd..=0xffff => Closed::Elsewhere,
            _ => Closed::Damaged,
        };
        opening.closed_member(&entry.name, entry.octets, why)?;
    }
    Ok(())
}

/// Reads the header and the lists of folders and files (sections 2.1 to 2.3).
fn read(octets: &[u8], opening: &Opening<'_, '_>) -> Result<Option<Listing>, Exhausted> {
    let mut listing = Listing::default();
    let Some((files_at, files)) = read_folders(octets, &mut listing) else { return Ok(None) };
    let Some(mut cursor) = Cursor::begin(octets, files_at) else { return Ok(None) };
    for _ in 0..files {
        opening.pay_time()?;
        match read_entry(&mut cursor) {
            Some(entry) => listing.entries.push(entry),
            None => {
                listing.broken = true;
                break;
            }
        }
    }
    Ok(Some(listing))
}

fn read_folders(octets: &[u8], listing: &mut Listing) -> Option<(u64, u16)> {
    const PREVIOUS: u16 = 1;
    const NEXT: u16 = 2;
    const RESERVED: u16 = 4;
    let files_at = u64::from(u32_at(octets, 16));
    let mut cursor = Cursor::begin(octets, 26)?;
    let folders = cursor.u16_le()?;
    let files = cursor.u16_le()?;
    let flags = cursor.u16_le()?;
    // The number of the set and of the cabinet in it.
    cursor.skip(4)?;
    let mut folder_reserved = 0;
    if flags & RESERVED != 0 {
        let own = cursor.u16_le()?;
        folder_reserved = u64::from(cursor.u8()?);
        listing.reserved = u64::from(cursor.u8()?);
        cursor.skip(u64::from(own))?;
    }
    for flag in [PREVIOUS, NEXT] {
        if flags & flag != 0 {
            // The other cabinet and its disk.
            cursor.until_nul()?;
            cursor.until_nul()?;
        }
    }
    for _ in 0..folders {
        let folder = Folder {
            offset: u64::from(cursor.u32_le()?),
            blocks: cursor.u16_le()?,
            method: cursor.u16_le()?,
        };
        cursor.skip(folder_reserved)?;
        listing.folders.push(folder);
    }
    Some((files_at, files))
}

fn read_entry(cursor: &mut Cursor<'_>) -> Option<Entry> {
    let octets = u64::from(cursor.u32_le()?);
    let offset = u64::from(cursor.u32_le()?);
    let folder = cursor.u16_le()?;
    // Date, time and attributes.
    cursor.skip(6)?;
    let name = label::of_octets(cursor.until_nul()?);
    Some(Entry { name, octets, offset, folder })
}

fn walk_folder(
    octets: &Bytes,
    reserved: u64,
    folder: Folder,
    entries: &[&Entry],
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let packed_octets = octets.len() as u64;
    let blocks = Blocks { octets, at: folder.offset, left: folder.blocks, reserved };
    let mut cabinet;
    let reader: Box<dyn Read + '_> = match folder.method & 0x0f {
        0 => Box::new(Unpacked::new(blocks, Method::Stored)),
        1 => Box::new(Unpacked::new(blocks, Method::MsZip)),
        3 => {
            cabinet = lzx(blocks, folder.method, opening)?;
            let reader =
                guarded(|| cabinet.as_mut().and_then(|cabinet| cabinet.read_file(LZX_FILE).ok()));
            match reader.flatten() {
                Some(reader) => Box::new(Guarded::new(reader)),
                None => return close(entries, Closed::Damaged, opening),
            }
        }
        _ => return close(entries, Closed::Unsupported, opening),
    };
    let mut folder = Window { reader, octets: Vec::new(), begins: 0, trouble: None };
    for entry in entries {
        folder.forget(entry.offset);
        folder.walk(entry, packed_octets, opening)?;
    }
    Ok(())
}

fn close(entries: &[&Entry], why: Closed, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    for entry in entries {
        opening.closed_member(&entry.name, entry.octets, why)?;
    }
    Ok(())
}

/// A folder's octets as far as they are needed: files stand in the order of their offsets,
/// and may overlap.
struct Window<'a> {
    reader: Box<dyn Read + 'a>,
    octets: Vec<u8>,
    /// The offset of the first octet that is kept.
    begins: u64,
    /// Why there is no more.
    trouble: Option<Closed>,
}

impl Window<'_> {
    /// Drops what lies before an offset.
    fn forget(&mut self, offset: u64) {
        let before = offset.saturating_sub(self.begins).min(self.octets.len() as u64);
        self.octets.drain(..usize::try_from(before).unwrap_or_default());
        self.begins += before;
    }

    /// Hands out a file.
    fn walk(
        &mut self,
        entry: &Entry,
        packed_octets: u64,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let most = opening.unpacked_limit_octets(packed_octets);
        let wanted = entry.octets.min(most);
        let end = entry.offset.saturating_add(wanted);
        self.fill(entry.offset, end, opening)?;
        let from = usize::try_from(entry.offset.saturating_sub(self.begins)).unwrap_or(usize::MAX);
        let length = usize::try_from(wanted).unwrap_or(usize::MAX);
        let rest = self.octets.get(from..).unwrap_or_default();
        let content = Bytes::copy_from_slice(rest.get(..length).unwrap_or(rest));
        // Paid for here and not where it is unpacked: files may overlap.
        opening.pay_octets(content.len() as u64)?;
        let why = match content.len() as u64 == entry.octets {
            true => return opening.member(&entry.name, content),
            false if wanted < entry.octets && content.len() == length => Closed::TooLarge,
            false => self.trouble.unwrap_or(Closed::Damaged),
        };
        opening.broken_member(&entry.name, content, why)
    }

    /// Unpacks up to `end`; keeps nothing before `from`.
    fn fill(
        &mut self,
        from: u64,
        end: u64,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let mut step = vec![0; BLOCK_OCTETS];
        while self.trouble.is_none() && self.begins + (self.octets.len() as u64) < end {
            match self.reader.read(&mut step) {
                Ok(0) => self.trouble = Some(Closed::Damaged),
                Ok(count) => {
                    opening.pay_time()?;
                    self.octets.extend_from_slice(step.get(..count).unwrap_or_default());
                    self.forget(from);
                }
                Err(_) => self.trouble = Some(Closed::Damaged),
            }
        }
        Ok(())
    }
}

/// The data blocks of a folder (section 2.4).
struct Blocks<'a> {
    octets: &'a [u8],
    at: u64,
    left: u16,
    reserved: u64,
}

impl<'a> Iterator for Blocks<'a> {
    /// What is packed, and how much it yields.
    type Item = (&'a [u8], usize);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut cursor = Cursor::begin(self.octets, self.at)?;
        cursor.skip(4)?;
        let packed = usize::from(cursor.u16_le()?);
        let octets = usize::from(cursor.u16_le()?);
        cursor.skip(self.reserved)?;
        // A cut block is taken as far as it goes.
        let data = cursor.rest();
        let data = data.get(..packed).unwrap_or(data);
        self.at = (cursor.at() + packed) as u64;
        Some((data, octets))
    }
}

/// How blocks are packed that are unpacked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Stored,
    /// Deflate, each block by itself but with the window of the one before ([MS-MCI]).
    MsZip,
}

/// Blocks unpacked one after another.
struct Unpacked<'a> {
    blocks: Blocks<'a>,
    method: Method,
    deflate: Decompress,
    /// The last block, which the next one may copy from.
    block: Vec<u8>,
    given: usize,
}

impl<'a> Unpacked<'a> {
    fn new(blocks: Blocks<'a>, method: Method) -> Unpacked<'a> {
        let deflate = Decompress::new(false);
        Unpacked { blocks, method, deflate, block: Vec::new(), given: 0 }
    }

    /// Unpacks a block into `self.block`; says whether it is whole.
    fn unpack(&mut self, data: &[u8], octets: usize) -> io::Result<()> {
        self.given = 0;
        if self.method == Method::Stored {
            self.block.clear();
            self.block.extend_from_slice(data);
            return Ok(());
        }
        let packed = data.strip_prefix(b"CK").ok_or(ErrorKind::InvalidData)?;
        let history = std::mem::take(&mut self.block);
        self.deflate.reset(false);
        let history = history.get(history.len().saturating_sub(BLOCK_OCTETS)..).unwrap_or_default();
        // A stored deflate block puts the history into the fresh window (RFC 1951 section
        // 3.2.4); its yield is thrown away.
        let mut stored = Vec::with_capacity(history.len() + 5);
        if let Ok(length) = u16::try_from(history.len()) {
            stored.push(0);
            stored.extend_from_slice(&length.to_le_bytes());
            stored.extend_from_slice(&(!length).to_le_bytes());
            stored.extend_from_slice(history);
        }
        let mut output = Vec::with_capacity(history.len() + octets.min(MOST_BLOCK_OCTETS) + 1);
        let mut step = |octets: &[u8], output: &mut Vec<u8>, flush| {
            self.deflate.decompress_vec(octets, output, flush)
        };
        step(&stored, &mut output, FlushDecompress::None)?;
        let before = output.len();
        let status = step(packed, &mut output, FlushDecompress::Finish);
        output.drain(..before.min(output.len()));
        output.truncate(octets);
        let whole = matches!(status, Ok(Status::StreamEnd)) || output.len() == octets;
        self.block = output;
        if self.block.is_empty() && !whole {
            return Err(ErrorKind::InvalidData.into());
        }
        if !whole {
            // What came before the damage is still given out.
            self.blocks.left = 0;
        }
        Ok(())
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.block.len() {
            let Some((data, octets)) = self.blocks.next() else { return Ok(0) };
            self.unpack(data, octets)?;
        }
        let rest = self.block.get(self.given..).unwrap_or_default();
        let count = { rest }.read(buffer)?;
        self.given += count;
        Ok(count)
    }
}

/// The name of the one file in a cabinet made here.
const LZX_FILE: &str = "f";

type LzxCabinet = cab::Cabinet<io::Cursor<Vec<u8>>>;

/// An LZX folder as a cabinet of one folder and one file, which the crate `cab` reads.
fn lzx(
    blocks: Blocks<'_>,
    method: u16,
    opening: &Opening<'_, '_>,
) -> Result<Option<LzxCabinet>, Exhausted> {
    let mut data = Vec::new();
    let mut count = 0_u16;
    let mut total = 0_u32;
    for (packed, octets) in blocks {
        opening.pay_time()?;
        let (Ok(packed_octets), Ok(octets)) = (u16::try_from(packed.len()), u16::try_from(octets))
        else {
            break;
        };
        // A checksum of 0 is none.
        data.extend_from_slice(&[0; 4]);
        data.extend_from_slice(&packed_octets.to_le_bytes());
        data.extend_from_slice(&octets.to_le_bytes());
        data.extend_from_slice(packed);
        count = count.saturating_add(1);
        total = total.saturating_add(u32::from(octets));
    }
    const HEADER: u32 = 36;
    const FOLDER: u32 = 8;
    const ENTRY: u32 = 16 + 2;
    let begin = HEADER + FOLDER + ENTRY;
    let size = u32::try_from(data.len()).unwrap_or(u32::MAX).saturating_add(begin);
    let mut cabinet = Vec::with_capacity(data.len() + begin as usize);
    cabinet.extend_from_slice(SIGNATURE);
    for field in [0, size, 0, HEADER + FOLDER, 0] {
        cabinet.extend_from_slice(&field.to_le_bytes());
    }
    // Version 1.3, one folder, one file, no flags, no set.
    cabinet.extend_from_slice(&[3, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    cabinet.extend_from_slice(&begin.to_le_bytes());
    cabinet.extend_from_slice(&count.to_le_bytes());
    cabinet.extend_from_slice(&method.to_le_bytes());
    cabinet.extend_from_slice(&total.to_le_bytes());
    cabinet.extend_from_slice(&[0; 12]);
    cabinet.extend_from_slice(LZX_FILE.as_bytes());
    cabinet.push(0);
    cabinet.extend_from_slice(&data);
    Ok(guarded(|| cab::Cabinet::new(io::Cursor::new(cabinet)).ok()).flatten())
}
