//! Files of a Macintosh in one stream of octets: AppleSingle and AppleDouble (RFC 1740) and
//! MacBinary. Mail programs take the wrapping off, and their users see the file in it.
//!
//! In: the octets of a file. Out: its data fork under the name that it had, its resource fork
//! beside it. MacBinary has no magic: a header counts when it says what it has to and its forks
//! fit into the file. Forks that are cut are said to be damaged. Never fails; linear.

use bytes::Bytes;

use crate::message::charset;
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{be16, be32, rest, slice};

/// RFC 1740 appendix A: AppleSingle, and AppleDouble, which leaves the data fork out.
const MAGICS: [u32; 2] = [0x0005_1600, 0x0005_1607];

/// Identifiers of entries.
const DATA_FORK: u32 = 1;
const RESOURCE_FORK: u32 = 2;
const REAL_NAME: u32 = 3;

/// Where the entries of AppleSingle begin, and how long one is.
const ENTRIES_AT: usize = 26;
const ENTRY_OCTETS: usize = 12;

/// The header of MacBinary, and what its forks are rounded up to.
const BLOCK: u64 = 128;

/// Whether a file is such a wrapping.
pub(in crate::message) fn is_wrapped(octets: &[u8]) -> bool {
    is_single(octets) || MacBinary::read(octets).is_some()
}

/// Takes the forks out.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if is_single(octets) {
        return open_single(octets, opening);
    }
    let Some(header) = MacBinary::read(octets) else { return Ok(()) };
    let data_at = BLOCK + padded(header.secondary);
    let resource_at = data_at + padded(header.data);
    give(octets, &header.name, data_at, header.data, opening)?;
    let name = format!("{}.rsrc", header.name);
    give(octets, &name, resource_at, header.resource, opening)
}

fn is_single(octets: &[u8]) -> bool {
    be32(octets, 0).is_some_and(|magic| MAGICS.contains(&magic))
}

struct Entry {
    kind: u32,
    at: u64,
    octets: u64,
}

fn entries(octets: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let count = usize::from(be16(octets, 24).unwrap_or_default());
    rest(octets, ENTRIES_AT).chunks_exact(ENTRY_OCTETS).take(count).filter_map(|entry| {
        let kind = be32(entry, 0)?;
        Some(Entry { kind, at: u64::from(be32(entry, 4)?), octets: u64::from(be32(entry, 8)?) })
    })
}

fn open_single(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    let stored = entries(octets).find(|entry| entry.kind == REAL_NAME).map(|entry| {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        charset::guess(slice(octets, place(entry.at), place(entry.octets))).into_owned()
    });
    let name = stored.filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| opening.name().trim_start_matches("._").to_owned());
    for entry in entries(octets) {
        opening.pay_time()?;
        match entry.kind {
            DATA_FORK => give(octets, &name, entry.at, entry.octets, opening)?,
            RESOURCE_FORK => {
                give(octets, &format!("{name}.rsrc"), entry.at, entry.octets, opening)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn give(
    file: &Bytes,
    name: &str,
    at: u64,
    octets: u64,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match octets {
        0 => Ok(()),
        octets => opening.stored_member(name, file, at, octets),
    }
}

fn padded(octets: u64) -> u64 {
    octets.next_multiple_of(BLOCK)
}

/// The header of MacBinary in its three versions.
struct MacBinary {
    name: String,
    /// A second header, which nobody uses.
    secondary: u64,
    data: u64,
    resource: u64,
}

impl MacBinary {
    fn read(octets: &[u8]) -> Option<MacBinary> {
        let header = octets.get(..128)?;
        let zeros = [0, 74].iter().all(|at| header.get(*at) == Some(&0));
        let name = slice(header, 2, usize::from(*header.get(1)?).min(63));
        let is_name = !name.is_empty() && name.iter().all(|octet| *octet >= 32 && *octet != 127);
        let data = u64::from(be32(header, 83)?);
        let resource = u64::from(be32(header, 87)?);
        if !zeros || !is_name || data + resource == 0 {
            return None;
        }
        let secondary = u64::from(be16(header, 120)?);
        let is_checked = be16(header, 124) == Some(checksum(slice(header, 0, 124)));
        // The first version has neither checksum nor second header, but zeros in their place.
        let is_first = slice(header, 99, 29).iter().all(|octet| *octet == 0);
        let forks = BLOCK + padded(secondary) + padded(data) + resource;
        let fits = forks <= octets.len() as u64 || resource == 0 && data <= rest_octets(octets);
        let is_header = is_checked || fits && (is_first || header.get(82) == Some(&0));
        let name = charset::guess(name).into_owned();
        is_header.then_some(MacBinary { name, secondary, data, resource })
    }
}

/// What stands behind the header; the last fork may come without its padding.
fn rest_octets(octets: &[u8]) -> u64 {
    (octets.len() as u64).saturating_sub(BLOCK)
}

/// CRC with the polynomial of CCITT, begun with 0.
fn checksum(octets: &[u8]) -> u16 {
    octets.iter().fold(0, |sum, octet| {
        (0..8).fold(sum ^ u16::from(*octet) << 8, |sum, _| match sum & 0x8000 {
            0 => sum << 1,
            _ => sum << 1 ^ 0x1021,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::contents::{Limits, open_with};

    fn paths(octets: Vec<u8>) -> Vec<(String, u64)> {
        let contents = open_with(&octets.into(), Limits::default(), open);
        contents.items.iter().skip(1).map(|item| (item.name.clone(), item.octets)).collect()
    }

    fn single(magic: u32, forks: &[(u32, &[u8])]) -> Vec<u8> {
        let mut file = magic.to_be_bytes().to_vec();
        file.extend(0x0002_0000_u32.to_be_bytes());
        file.extend([0; 16]);
        file.extend((forks.len() as u16).to_be_bytes());
        let mut at = ENTRIES_AT + forks.len() * ENTRY_OCTETS;
        for (kind, octets) in forks {
            for number in [*kind, at as u32, octets.len() as u32] {
                file.extend(number.to_be_bytes());
            }
            at += octets.len();
        }
        forks.iter().for_each(|(_, octets)| file.extend_from_slice(octets));
        file
    }

    fn mac_binary(name: &[u8], data: &[u8], resource: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 128];
        file[1] = name.len() as u8;
        file[2..2 + name.len()].copy_from_slice(name);
        file[83..87].copy_from_slice(&(data.len() as u32).to_be_bytes());
        file[87..91].copy_from_slice(&(resource.len() as u32).to_be_bytes());
        for fork in [data, resource] {
            file.extend_from_slice(fork);
            file.resize(file.len().next_multiple_of(128), 0);
        }
        file
    }

    #[test]
    fn forks_come_out_under_their_name() {
        let named: &[(u32, &[u8])] = &[(3, b"a.exe"), (9, b"info"), (2, b"rsrc"), (1, b"data!")];
        let table = [
            (single(0x0005_1600, named), vec![("a.exe.rsrc", 4), ("a.exe", 5)]),
            (single(0x0005_1600, &[(1, b"data")]), vec![("file", 4)]),
            (single(0x0005_1607, &[(2, b"rsrc")]), vec![("file.rsrc", 4)]),
            (single(0x0005_1607, &[(2, b"")]), vec![]),
            (mac_binary(b"a.exe", b"data!", b"rsrc"), vec![("a.exe", 5), ("a.exe.rsrc", 4)]),
            (mac_binary(b"a.exe", b"data!", b""), vec![("a.exe", 5)]),
            // Without the padding of the last fork.
            (mac_binary(b"a.exe", b"data!", b"")[..133].to_vec(), vec![("a.exe", 5)]),
            (mac_binary(b"a\x01exe", b"data!", b""), vec![]),
            (mac_binary(b"", b"data!", b""), vec![]),
            (mac_binary(b"a.exe", b"", b""), vec![]),
            // No checksum, and less than the header says.
            (mac_binary(b"a.exe", b"data!", b"")[..130].to_vec(), vec![]),
        ];
        for (number, (file, expected)) in table.into_iter().enumerate() {
            let expected: Vec<(String, u64)> =
                expected.into_iter().map(|(name, octets)| (name.to_owned(), octets)).collect();
            assert_eq!(paths(file), expected, "row {number}");
        }
    }

    #[test]
    fn a_checksum_makes_a_cut_file_a_damaged_one() {
        let mut file = mac_binary(b"a.exe", &[7; 300], b"");
        let sum = checksum(&file[..124]);
        file[124..126].copy_from_slice(&sum.to_be_bytes());
        file.truncate(200);
        assert_eq!(paths(file.clone()), [("a.exe".to_owned(), 72)]);
        let contents = open_with(&file.into(), Limits::default(), open);
        assert!(contents.remarks.iter().any(|remark| remark.name == "ARCHIVE_DAMAGED"));
        let lie = single(0x0005_1600, &[(1, b"data")]);
        let contents = open_with(&lie[..40].to_vec().into(), Limits::default(), open);
        assert!(contents.remarks.iter().any(|remark| remark.name == "ARCHIVE_DAMAGED"));
    }
}
