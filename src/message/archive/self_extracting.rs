//! Programs that carry an archive behind them and unpack it.
//!
//! In: a program. Out: the archives in it as members: 7z, RAR, cabinets. Programs of honest
//! vendors look like that, so that nothing is remarked, and nothing is closed when none is
//! found. What is found must look like an archive and not like text that names one.

use bytes::Bytes;

use super::cab;
use crate::message::contents::{Exhausted, Opening};
use crate::message::fixed::{octet, u64_at};

/// Takes the archive out of a program.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let found = [
        ("archive.7z", seven_zip(octets)),
        ("archive.rar", rar(octets)),
        ("archive.cab", cab::begin(octets)),
    ];
    for (name, begin) in found {
        if let Some(begin) = begin.filter(|begin| *begin > 0) {
            opening.member(name, octets.slice(begin.min(octets.len())..))?;
        }
    }
    Ok(())
}

/// A 7z archive: its header must lie within the file.
fn seven_zip(octets: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(octets, b"7z\xbc\xaf\x27\x1c").find(|at| {
        let rest = octets.get(*at..).unwrap_or_default();
        let end = u64_at(rest, 12).saturating_add(u64_at(rest, 20)).saturating_add(32);
        octet(rest, 6) == 0 && end > 32 && end <= rest.len() as u64
    })
}

/// A RAR archive: its first block must be a main header, or one of encryption.
fn rar(octets: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(octets, b"Rar!\x1a\x07").find(|at| {
        let rest = octets.get(*at..).unwrap_or_default();
        match octet(rest, 6) {
            0 => octet(rest, 9) == 0x73,
            // Behind the checksum and a size of one or two octets.
            1 => octet(rest, 7) == 0 && (12..=15).any(|at| matches!(octet(rest, at), 1 | 4)),
            _ => false,
        }
    })
}
