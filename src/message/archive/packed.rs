//! The archives and images of this room whose readers are more than a stream, under one roof
//! for fuzzing and for the tests that all of them must pass.

use bytes::Bytes;

use crate::message::Nature;
use crate::message::contents::{Contents, Limits};

#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(super) mod tests;

/// What the octets of a fuzz run are opened as.
const NATURES: [Nature; 22] = [
    Nature::SevenZip,
    Nature::Rar,
    Nature::Cab,
    Nature::Iso,
    Nature::RawDisk,
    Nature::Vhd,
    Nature::Lha,
    Nature::Arj,
    Nature::Ace,
    Nature::Zoo,
    Nature::Arc,
    Nature::Alz,
    Nature::StuffIt,
    Nature::Xar,
    Nature::UnixArchive,
    Nature::Cpio,
    Nature::Rpm,
    Nature::OutlookMessage,
    Nature::WindowsProgram,
    Nature::Wim,
    Nature::Udf,
    Nature::Unknown,
];

/// Opens octets as the archive that the first of them chooses; returns how many files were
/// found. Whatever was found is named and has a parent before it.
pub fn packed(data: &[u8]) -> usize {
    let Some((kind, octets)) = data.split_first() else { return 0 };
    let nature = NATURES.get(usize::from(*kind) % NATURES.len()).copied();
    let octets = Bytes::copy_from_slice(octets);
    let nature = nature.unwrap_or(Nature::Unknown);
    let contents = Contents::of_file(nature, "a", &octets, Limits::default(), &mut |_, _| {});
    for (number, item) in contents.items.iter().enumerate() {
        assert!(item.parent.is_none_or(|parent| parent < number), "{}", item.path);
        assert!(item.path.chars().count() < 4_000, "{}", item.path);
    }
    contents.items.len()
}
