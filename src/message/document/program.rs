//! Programs and pictures with something behind them or in them: archives that unpack
//! themselves, and files that are appended to a picture.
//!
//! In: octets of a program (PE, ELF, Mach-O) or a picture. Out: compound files, cut zip
//! archives and programs found behind their end or in their resources, as members. Whole zip
//! archives are found by their own reading, which begins at the end of the file, and other
//! archives by [`embedded`](crate::message::archive::embedded) in any file.

use bytes::Bytes;

use crate::message::archive::zip::listing;
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{find, le16, le32, place, rest, slice};

/// Files carved out of one.
const CARVED: usize = 16;

/// Archives by their beginnings: long enough to be no accident.
const ARCHIVES: [(&[u8], &str); 2] =
    [(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "appended.ole"), (b"PK\x03\x04", "appended.zip")];

/// Takes a program apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if is_dotnet(octets) {
        opening.remark("PROGRAM_DOTNET", "");
    }
    // Self-extracting archives keep theirs behind the last section, installers in a resource.
    carve(octets, 64, "PROGRAM_ARCHIVE", opening)?;
    Ok(())
}

/// Looks behind and into a picture.
pub(in crate::message) fn open_picture(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let carved = carve(octets, 4, "PICTURE_APPENDED", opening)?;
    let end = picture_end(octets).unwrap_or(octets.len());
    let behind = rest(octets, end);
    if behind.len() >= 64 && is_program(behind) {
        opening.remark("PICTURE_APPENDED", "program");
        opening.member("appended.exe", octets.slice(end..))?;
    } else if carved == 0
        && behind.len() >= 48
        && !behind.iter().all(|octet| *octet == 0 || octet.is_ascii_whitespace())
    {
        let printable = behind
            .iter()
            .take(4_096)
            .filter(|octet| matches!(octet, 9 | 10 | 13 | 32..=126))
            .count();
        if printable * 10 >= behind.len().min(4_096) * 9 {
            opening.member("appended.txt", octets.slice(end..))?;
        }
    }
    Ok(())
}

fn is_program(octets: &[u8]) -> bool {
    octets.starts_with(b"MZ")
        && le32(octets, 0x3c).is_some_and(|at| slice(octets, place(at), 4) == b"PE\0\0")
        || octets.starts_with(b"\x7fELF")
}

fn carve(
    octets: &Bytes,
    from: usize,
    remark: &'static str,
    opening: &mut Opening<'_, '_>,
) -> Result<usize, Exhausted> {
    let mut carved = 0;
    let zip_is_read = listing::has_directory(octets);
    for (signature, name) in ARCHIVES {
        if name.ends_with("zip") && zip_is_read {
            continue;
        }
        let Some(at) = find(rest(octets, from), signature).map(|at| at + from) else { continue };
        if !is_plausible(rest(octets, at)) || carved >= CARVED {
            continue;
        }
        carved += 1;
        opening.remark(remark, name);
        opening.member(name, octets.slice(at..))?;
    }
    Ok(carved)
}

/// Whether the header behind a signature can be one: programs hold bare signatures as well,
/// to compare with.
fn is_plausible(octets: &[u8]) -> bool {
    match octets {
        [b'P', ..] => {
            le16(octets, 4).is_some_and(|version| version < 100)
                && le16(octets, 26).is_some_and(|length| (1..512).contains(&length))
        }
        _ => octets.len() > 512 && le16(octets, 28) == Some(0xfffe),
    }
}

/// PE format, optional header: the fifteenth data directory is that of the common runtime.
fn is_dotnet(octets: &[u8]) -> bool {
    let Some(at) = le32(octets, 0x3c).map(place) else { return false };
    if slice(octets, at, 4) != b"PE\0\0" {
        return false;
    }
    let optional = at + 24;
    let directories = match le16(octets, optional) {
        Some(0x10b) => optional + 96,
        Some(0x20b) => optional + 112,
        _ => return false,
    };
    le32(octets, directories + 14 * 8).is_some_and(|address| address != 0)
}

/// Where a picture ends by its own format.
fn picture_end(octets: &[u8]) -> Option<usize> {
    match octets {
        [0x89, b'P', b'N', b'G', ..] => find(octets, b"IEND\xae\x42\x60\x82").map(|at| at + 8),
        [0xff, 0xd8, ..] => memchr::memmem::rfind(octets, b"\xff\xd9").map(|at| at + 2),
        [b'G', b'I', b'F', ..] => gif_end(octets),
        [b'B', b'M', ..] => {
            le32(octets, 2).map(place).filter(|end| *end >= 26 && *end <= octets.len())
        }
        _ => None,
    }
}

/// GIF89a, section 18 ff.: blocks to the trailer.
fn gif_end(octets: &[u8]) -> Option<usize> {
    let table = |flags: u8| if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0_usize };
    let mut at = 13 + table(*octets.get(10)?);
    loop {
        match octets.get(at)? {
            0x3b => return Some(at + 1),
            0x21 => at += 2,
            0x2c => at += 11 + table(*octets.get(at + 9)?),
            _ => return None,
        }
        loop {
            let size = usize::from(*octets.get(at)?);
            at += size + 1;
            if size == 0 {
                break;
            }
        }
    }
}
