//! Zip archives (APPNOTE.TXT 6.3.10), read in every way that a reader could read them.
//!
//! In: the octets of a file. Out: its members, each walked through or remarked. For openers
//! of formats that are zip archives (OOXML, ODF, jar, …):
//!
//! - [`for_each_member`] unpacks member after member and asks the caller what is to be done
//!   with each: [`Then::Walk`] makes it an item of its own and walks through it, [`Then::Done`]
//!   leaves it to the caller, who has seen its name and octets. Encrypted, broken and too
//!   large members are remarked here in either case. A member that no caller wants is walked,
//!   so that nothing stays unseen.
//! - [`listing`] names members, cheaply and without a purse, for recognition.
//! - [`is_appended`] and [`open_appended`] find an archive behind other data.
//!
//! Readers find a zip's members by the central directory, by one of several, or by the local
//! headers in order, and believe the central or the local header where they differ. All of
//! these are walked ([`directory`]), each run of data once by each method; that they differ is
//! the remark ARCHIVE_HEADER_MISMATCH. Overlapping data are unpacked again only within a
//! small allowance, so that an overlapping bomb costs what it weighs.

mod cover;
mod directory;
pub(in crate::message) mod listing;
mod member;
mod records;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::mail::Family;
use crate::message::contents::{Exhausted, Opening, Unpacked};
use crate::message::nature::Nature;
use directory::Reading;
use records::CENTRAL;

/// What is to be done with a member that the caller has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message) enum Then {
    /// It becomes an item and is walked through.
    Walk,
    /// It has been dealt with.
    Done,
}

/// What is asked about each member: its name, its octets, and the opening of the archive.
pub(in crate::message) type Visitor<'v> =
    dyn FnMut(&str, &Unpacked, &mut Opening<'_, '_>) -> Result<Then, Exhausted> + 'v;

/// Walks through all members.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    for_each_member(octets, opening, &mut |_, _, _| Ok(Then::Walk))
}

/// Unpacks all members, in the order of the central directory, and asks about each.
pub(in crate::message) fn for_each_member(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
    visitor: &mut Visitor<'_>,
) -> Result<(), Exhausted> {
    Reading::new(octets, opening, visitor).read_all()
}

/// Whether a file that is no zip archive by its beginning is one by its end, as programs that
/// unpack themselves are, and files made to be two things at once.
pub(in crate::message) fn is_appended(nature: Nature, name: &str, octets: &[u8]) -> bool {
    if is_package(nature) {
        return false;
    }
    // The last file in an uncompressed archive or document may well be a zip archive: there
    // it counts only at the very end.
    let anywhere = nature.family() == Family::Executable || has_package_name(name);
    let begins = |at: usize| octets.get(at..).is_some_and(|rest| rest.starts_with(CENTRAL));
    directory::tail_ends(octets)
        .iter()
        .filter(|end| anywhere || end.end == octets.len())
        .any(|end| directory::starts(octets, end).iter().any(|start| begins(start.at)))
}

/// Walks through an archive behind other data.
pub(in crate::message) fn open_appended(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match nature.family() {
        Family::Executable | Family::Script => opening.remark("ARCHIVE_SELF_EXTRACTING", ""),
        _ => opening.remark("ARCHIVE_POLYGLOT", format!("{} and zip archive", nature.words())),
    }
    open(octets, opening)
}

/// Natures that are zip archives themselves.
fn is_package(nature: Nature) -> bool {
    use Nature as N;
    matches!(
        nature,
        N::Zip
            | N::Jar
            | N::Apk
            | N::Ipa
            | N::Appx
            | N::BrowserExtension
            | N::Word
            | N::WordMacro
            | N::Excel
            | N::ExcelMacro
            | N::ExcelBinary
            | N::PowerPoint
            | N::PowerPointMacro
            | N::Visio
            | N::Xps
            | N::OpenText
            | N::OpenSheet
            | N::OpenSlides
            | N::OpenOther
            | N::Epub
            | N::OfficeEncrypted
    )
}

fn has_package_name(name: &str) -> bool {
    let Some((_, extension)) = name.rsplit_once('.') else { return false };
    Nature::of_extension(&extension.to_lowercase()).any(is_package)
}
