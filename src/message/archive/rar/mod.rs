//! RAR archives, 1.3 to 7.
//!
//! In: an archive, which may stand behind a program that unpacks it. Out: its files as
//! members. The headers are read here ([`listing`]); stored files are slices of the archive,
//! packed ones are unpacked by the crate `rars` with limits on memory, dictionary and output
//! ([`unpacking`]). Encrypted files are closed with their names, encrypted headers close the
//! archive, files that are split over volumes are closed as incomplete. Hidden streams
//! (NTFS), which WinRAR puts where their names say, are members and remarked.

mod listing;
#[cfg(test)]
mod tests;
mod unpacking;

use bytes::Bytes;

use self::listing::{Entry, Listing};
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cut;

/// How far into a file the signature is looked for, as by unrar: a program may stand before.
const BEFORE_OCTETS: usize = 4 << 20;

/// Takes a RAR archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some(begin) = begin(octets) else {
        match super::volume::is_volume(opening.name()) {
            true => opening.closed(Closed::Elsewhere, "one volume of several"),
            false => opening.closed(Closed::Damaged, "no signature"),
        }
        return Ok(());
    };
    let archive = octets.slice(begin..);
    let Some(listing) = listing::read(&archive) else {
        return unpacking::walk(&archive, &[], false, opening);
    };
    remark(&listing, opening);
    if let Some(comment) = listing.comment.clone() {
        let comment = cut(&archive, comment);
        opening.text(&super::label::of_octets(&comment));
    }
    let (direct, packed): (Vec<&Entry>, Vec<&Entry>) =
        listing.entries.iter().partition(|entry| is_direct(entry));
    for entry in direct {
        opening.pay_time()?;
        walk_direct(&archive, entry, opening)?;
    }
    match packed.is_empty() {
        true => Ok(()),
        false => unpacking::walk(&archive, &packed, listing.solid, opening),
    }
}

/// Where the archive begins.
fn begin(octets: &[u8]) -> Option<usize> {
    let begins = |at: &usize| {
        octets.get(*at..).is_some_and(|rest| {
            rest.starts_with(listing::SIGNATURE_4) || rest.starts_with(listing::SIGNATURE_5)
        })
    };
    if octets.starts_with(listing::SIGNATURE_1) {
        return Some(0);
    }
    let before = octets.get(..BEFORE_OCTETS).unwrap_or(octets);
    memchr::memmem::find_iter(before, b"Rar!\x1a\x07").find(begins)
}

/// What the headers say of the archive as a whole.
fn remark(listing: &Listing, opening: &mut Opening<'_, '_>) {
    if listing.headers_encrypted {
        opening.closed(Closed::Encrypted, "even the names are encrypted");
    }
    if listing.continues || listing.entries.iter().any(|entry| entry.split) {
        opening.closed(Closed::Elsewhere, "one volume of several");
    }
    if listing.entries.is_empty() && !listing.headers_encrypted {
        opening.closed(Closed::Damaged, "no files");
    }
    if listing.broken {
        opening.closed(Closed::Damaged, "headers end too early");
    }
    for entry in listing.entries.iter().filter(|entry| entry.stream) {
        // WinRAR before 7.13 wrote such a stream wherever its name led (CVE-2025-8088).
        let name = match entry.name.contains(['/', '\\']) {
            true => "RAR_STREAM_ESCAPES",
            false => "RAR_HIDDEN_STREAM",
        };
        opening.remark(name, entry.name.clone());
    }
}

/// Whether nothing needs to be unpacked for it.
fn is_direct(entry: &Entry) -> bool {
    entry.stored || entry.folder || entry.link || entry.encrypted || entry.split || entry.stream
}

fn walk_direct(
    archive: &Bytes,
    entry: &Entry,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let why = match entry {
        entry if entry.folder || entry.link => return Ok(()),
        entry if entry.encrypted => Closed::Encrypted,
        entry if entry.split && !entry.stored => Closed::Elsewhere,
        entry if !entry.stored => Closed::Unsupported,
        _ => {
            // What a volume or a cut archive has of it is looked at too.
            let content = cut(archive, entry.packed.clone());
            return match (entry.split, entry.cut) {
                (true, _) => opening.broken_member(&entry.name, content, Closed::Elsewhere),
                (_, true) => opening.broken_member(&entry.name, content, Closed::Damaged),
                _ => opening.member(&entry.name, content),
            };
        }
    };
    opening.closed_member(&entry.name, entry.octets, why)
}
