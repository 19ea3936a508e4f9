//! The headers of RAR archives, 1.5 to 7, read without unpacking.
//!
//! In: octets that begin with the signature. Out: [`Listing`]: the files with their names,
//! where they lie and what bars the way to them. Formats: technote.txt of RAR 4 and the
//! "RAR 5.0 archive format" note of rarlab.com. Headers are read as far as they are whole.

use std::ops::Range;

use super::super::label;
use crate::message::cursor::Cursor;

/// The signature of RAR 1.5 to 4.
pub(super) const SIGNATURE_4: &[u8] = b"Rar!\x1a\x07\x00";
/// The signature of RAR 5 and later.
pub(super) const SIGNATURE_5: &[u8] = b"Rar!\x1a\x07\x01\x00";
/// The signature of the first RAR archives.
pub(super) const SIGNATURE_1: &[u8] = b"RE\x7e\x5e";

/// A file that is listed.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Its packed octets within the archive.
    pub(super) packed: Range<usize>,
    /// Its size once unpacked, as is said.
    pub(super) octets: u64,
    pub(super) stored: bool,
    pub(super) encrypted: bool,
    pub(super) folder: bool,
    /// A part of it lies in another volume.
    pub(super) split: bool,
    /// Leads to another file instead of having octets.
    pub(super) link: bool,
    /// A hidden stream of the file before it (NTFS).
    pub(super) stream: bool,
    /// The name of the hidden stream.
    pub(super) stream_name: Option<String>,
    /// Its packed octets are not all there.
    pub(super) cut: bool,
}

/// What the headers say.
#[derive(Debug, Clone, Default)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// The headers themselves are encrypted from some place on.
    pub(super) headers_encrypted: bool,
    /// Files follow in another volume.
    pub(super) continues: bool,
    /// A file needs those before it.
    pub(super) solid: bool,
    /// Headers end before the archive does.
    pub(super) broken: bool,
    /// Where the archive's comment lies, when it is stored.
    pub(super) comment: Option<Range<usize>>,
}

/// More files than any purse allows.
const ENTRIES: usize = 100_000;

/// Reads the headers; nothing when the signature is another one.
pub(super) fn read(octets: &[u8]) -> Option<Listing> {
    let mut listing = Listing::default();
    let read = if octets.starts_with(SIGNATURE_5) {
        read_5(octets, &mut listing)
    } else if octets.starts_with(SIGNATURE_4) {
        read_4(octets, &mut listing)
    } else {
        return None;
    };
    listing.broken |= read.is_none();
    Some(listing)
}

/// RAR 1.5 to 4: blocks of type, flags, size and, for some, octets that follow.
fn read_4(octets: &[u8], listing: &mut Listing) -> Option<()> {
    let mut at = SIGNATURE_4.len();
    while at < octets.len() && listing.entries.len() < ENTRIES {
        let mut head = Cursor::begin(octets, at as u64)?;
        head.skip(2)?;
        let kind = head.u8()?;
        let flags = head.u16_le()?;
        let head_size = usize::from(head.u16_le()?);
        let block = octets.get(at..at.checked_add(head_size)?)?;
        let mut packed = 0_u64;
        let mut body = Cursor::begin(block, 7)?;
        if flags & 0x8000 != 0 || matches!(kind, 0x74 | 0x7a) {
            packed = u64::from(body.u32_le()?);
        }
        let data = at + head_size;
        match kind {
            0x73 => {
                listing.solid |= flags & 0x0008 != 0;
                if flags & 0x0080 != 0 {
                    listing.headers_encrypted = true;
                    return Some(());
                }
            }
            0x74 | 0x7a => {
                let (entry, high) = entry_4(body, flags)?;
                packed |= u64::from(high) << 32;
                let entry = placed(entry, data, packed, octets.len());
                note(listing, entry, kind == 0x7a);
            }
            0x7b => {
                listing.continues |= flags & 0x0001 != 0;
                return Some(());
            }
            0x75..=0x79 => {}
            _ => return None,
        }
        // A header of no size would be read forever.
        at = data.checked_add(usize::try_from(packed).ok()?).filter(|next| *next > at)?;
        if at > octets.len() {
            return None;
        }
    }
    // Not all writers write an end.
    Some(())
}

fn entry_4(mut body: Cursor<'_>, flags: u16) -> Option<(Entry, u32)> {
    let mut size = u64::from(body.u32_le()?);
    // Host, checksum and time.
    body.skip(9)?;
    let _version = body.u8()?;
    let method = body.u8()?;
    let name_size = usize::from(body.u16_le()?);
    let _attributes = body.u32_le()?;
    let mut packed_high = 0;
    if flags & 0x0100 != 0 {
        packed_high = body.u32_le()?;
        size |= u64::from(body.u32_le()?) << 32;
    }
    let name = body.take(name_size)?;
    let entry = Entry {
        name: match flags & 0x0200 != 0 {
            true => unicode_name(name),
            false => label::of_octets(name),
        },
        octets: size,
        stored: method == 0x30,
        encrypted: flags & 0x0004 != 0,
        folder: flags & 0x00e0 == 0x00e0,
        split: flags & 0x0003 != 0,
        ..Entry::default()
    };
    Some((entry, packed_high))
}

/// A name with its Unicode form packed behind a NUL (technote.txt does not tell how; the
/// form is that of the freely given unrar).
fn unicode_name(octets: &[u8]) -> String {
    let Some(nul) = memchr::memchr(0, octets) else { return label::of_octets(octets) };
    let (plain, packed) = octets.split_at(nul);
    let mut packed = Cursor::new(packed.get(1..).unwrap_or_default());
    let mut units: Vec<u16> = Vec::new();
    let high = packed.u8().map_or(0, |octet| u16::from(octet) << 8);
    let plain_at = |at: usize| plain.get(at).copied().unwrap_or_default();
    let mut kinds = (0_u8, 0_u32);
    while packed.left() > 0 && units.len() < octets.len().saturating_mul(2) {
        if kinds.1 == 0 {
            kinds = (packed.u8().unwrap_or_default(), 4);
        }
        let kind = kinds.0 >> 6;
        kinds = (kinds.0 << 2, kinds.1 - 1);
        match kind {
            0 => units.extend(packed.u8().map(u16::from)),
            1 => units.extend(packed.u8().map(|low| u16::from(low) | high)),
            2 => units.extend(packed.u16_le()),
            _ => {
                let Some(length) = packed.u8() else { break };
                let shift = match length & 0x80 != 0 {
                    true => packed.u8(),
                    false => None,
                };
                for _ in 0..usize::from(length & 0x7f) + 2 {
                    let octet = plain_at(units.len());
                    units.push(match shift {
                        Some(shift) => u16::from(octet.wrapping_add(shift)) | high,
                        None => u16::from(octet),
                    });
                }
            }
        }
    }
    match units.is_empty() {
        true => label::of_octets(plain),
        false => String::from_utf16_lossy(&units),
    }
}

fn placed(mut entry: Entry, data: usize, packed: u64, total: usize) -> Entry {
    let end = usize::try_from(packed).ok().and_then(|packed| data.checked_add(packed));
    let end = end.unwrap_or(usize::MAX);
    entry.cut = end > total;
    entry.packed = data.min(total)..end.min(total);
    entry
}

/// Puts a file into the listing; of service blocks only what a reader can see.
fn note(listing: &mut Listing, mut entry: Entry, service: bool) {
    if service {
        match entry.name.as_str() {
            "CMT" if entry.stored && !entry.encrypted => {
                listing.comment = Some(entry.packed);
                return;
            }
            "STM" => {
                entry.stream = true;
                entry.name = entry.stream_name.take().unwrap_or(entry.name);
            }
            // Rights, owners, recovery records, quick open.
            _ => return,
        }
    }
    listing.entries.push(entry);
}

/// A number of seven bits an octet, the lowest first.
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let octet = cursor.u8()?;
        value |= u64::from(octet & 0x7f).checked_shl(shift).unwrap_or_default();
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// RAR 5: blocks of checksum, size, type, flags, extra area and octets that follow.
fn read_5(octets: &[u8], listing: &mut Listing) -> Option<()> {
    let mut at = SIGNATURE_5.len();
    while at < octets.len() && listing.entries.len() < ENTRIES {
        let mut head = Cursor::begin(octets, at as u64)?;
        head.skip(4)?;
        let head_size = number(&mut head)?;
        let mut body = Cursor::new(head.take_u64(head_size)?);
        let data = head.at();
        let kind = number(&mut body)?;
        let flags = number(&mut body)?;
        let extra_size = if flags & 1 != 0 { number(&mut body)? } else { 0 };
        let packed = if flags & 2 != 0 { number(&mut body)? } else { 0 };
        let extra_at = head_size.checked_sub(extra_size)?;
        match kind {
            1 => listing.solid |= number(&mut body)? & 4 != 0,
            2 | 3 => {
                let whole = octets.get(data.checked_sub(usize::try_from(head_size).ok()?)?..data);
                let extra = Cursor::begin(whole?, extra_at)?;
                let mut entry = entry_5(body)?;
                entry.split = flags & 0x18 != 0;
                let mut entry = placed(entry, data, packed, octets.len());
                read_extra(extra, &mut entry, kind == 3);
                note(listing, entry, kind == 3);
            }
            4 => {
                listing.headers_encrypted = true;
                return Some(());
            }
            5 => {
                listing.continues |= number(&mut body)? & 1 != 0;
                return Some(());
            }
            // Unknown blocks are skipped by all readers.
            _ => {}
        }
        at = data.checked_add(usize::try_from(packed).ok()?)?;
        if at > octets.len() {
            return None;
        }
    }
    // There is no end, which all of them have.
    None
}

fn entry_5(mut body: Cursor<'_>) -> Option<Entry> {
    let flags = number(&mut body)?;
    let octets = number(&mut body)?;
    let _attributes = number(&mut body)?;
    if flags & 2 != 0 {
        body.skip(4)?;
    }
    if flags & 4 != 0 {
        body.skip(4)?;
    }
    let method = number(&mut body)?;
    let _host = number(&mut body)?;
    let name_size = number(&mut body)?;
    let name = body.take_u64(name_size)?;
    Some(Entry {
        name: label::of_octets(name),
        octets,
        stored: (method >> 7) & 7 == 0,
        folder: flags & 1 != 0,
        ..Entry::default()
    })
}

/// Records of the extra area: encryption, links, the name of a hidden stream.
fn read_extra(mut extra: Cursor<'_>, entry: &mut Entry, service: bool) -> Option<()> {
    while extra.left() > 0 {
        let size = number(&mut extra)?;
        let mut record = Cursor::new(extra.take_u64(size)?);
        match number(&mut record)? {
            1 => entry.encrypted = true,
            5 if !service => entry.link = true,
            // Service data: of a hidden stream its name, with a colon before it.
            7 if service => entry.stream_name = Some(label::of_octets(record.rest())),
            _ => {}
        }
    }
    Some(())
}
