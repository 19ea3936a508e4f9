//! Archives and images that are recognised and not read: WIM, VHDX, VMDK, QCOW, DMG,
//! compiled help and others.
//!
//! In: a file of such a nature. Out: it is closed as unsupported, and as incomplete where its
//! own header says that it is one part of several.

use bytes::Bytes;

use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::fixed::u16_at;

/// Closes a file that cannot be read here.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    // A WIM's part number and how many there are.
    let parts = u16_at(octets, 42);
    match octets.starts_with(b"MSWIM\0\0\0") && parts > 1 {
        true => opening.closed(Closed::Elsewhere, "one part of several"),
        false => opening.closed(Closed::Unsupported, ""),
    }
    Ok(())
}
