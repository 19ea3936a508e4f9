//! RPM packages (rpm.org, "Package format").
//!
//! In: a package. Out: its payload as a member, which is a compressed cpio archive and is
//! taken apart as what it is.

use bytes::Bytes;

use crate::mail::Family;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::{cut, recognize};

/// Takes a package apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match payload(octets) {
        Some(at) => {
            let payload = cut(octets, at..octets.len());
            if recognize(&payload, "").family() != Family::Archive {
                opening.closed(Closed::Damaged, "its payload is no archive");
            }
            opening.member("payload", payload)
        }
        None => {
            opening.closed(Closed::Damaged, "a header is broken");
            Ok(())
        }
    }
}

/// Where the payload begins: behind the lead, the signature header and the main header.
fn payload(octets: &[u8]) -> Option<usize> {
    const LEAD_OCTETS: u64 = 96;
    let mut cursor = Cursor::begin(octets, LEAD_OCTETS)?;
    header(&mut cursor)?;
    // The signature is filled up to a multiple of eight.
    let beyond = cursor.at() as u64 % 8;
    cursor.skip((8 - beyond) % 8)?;
    header(&mut cursor)?;
    Some(cursor.at())
}

fn header(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.take(3)? != [0x8e, 0xad, 0xe8] {
        return None;
    }
    cursor.skip(5)?;
    let entries = u64::from(cursor.u32_be()?);
    let octets = u64::from(cursor.u32_be()?);
    cursor.skip(entries * 16 + octets)
}
