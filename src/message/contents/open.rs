//! Which opener takes a nature apart.

use bytes::Bytes;

use super::{Exhausted, Opening};
use crate::message::archive;
use crate::message::nature::{Family, Nature};

/// Takes a file apart by its nature; what has no opener holds nothing that is looked for.
pub(super) fn open(
    nature: Nature,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match nature {
        Nature::Ace => archive::old::ace::open(octets, opening),
        Nature::Alz => archive::old::alz::open(octets, opening),
        Nature::Arc => archive::old::arc::open(octets, opening),
        Nature::Arj => archive::old::arj::open(octets, opening),
        Nature::Cab => archive::cab::open(octets, opening),
        Nature::Cpio => archive::cpio::open(octets, opening),
        Nature::Deb | Nature::UnixArchive => archive::ar::open(octets, opening),
        Nature::Dmg | Nature::Help | Nature::Qcow | Nature::Vhdx | Nature::Vmdk | Nature::Wim => {
            archive::sealed::open(octets, opening)
        }
        Nature::DosProgram | Nature::ElfProgram | Nature::WindowsProgram => {
            archive::self_extracting::open(octets, opening)
        }
        Nature::Iso | Nature::Udf => archive::iso::open(octets, opening),
        Nature::Lha => archive::old::lha::open(octets, opening),
        Nature::OutlookMessage => archive::msg::open(octets, opening),
        Nature::Rar => archive::rar::open(octets, opening),
        Nature::RawDisk => archive::disk::open_raw(octets, opening),
        Nature::Rpm => archive::rpm::open(octets, opening),
        Nature::SevenZip => archive::seven_zip::open(octets, opening),
        Nature::StuffIt => archive::old::stuffit::open(octets, opening),
        Nature::Unknown => archive::volume::open(octets, opening),
        Nature::Vhd => archive::disk::open_vhd(octets, opening),
        Nature::Xar => archive::xar::open(octets, opening),
        Nature::Zoo => archive::old::zoo::open(octets, opening),
        _ => Ok(()),
    }
}

/// Whether a file of this nature holds others, so that not opening it leaves something unseen.
pub(super) fn holds_files(nature: Nature) -> bool {
    matches!(nature.family(), Family::Archive | Family::DiskImage)
        || matches!(nature, Nature::Jar | Nature::Apk | Nature::OutlookMessage | Nature::Mail)
}
