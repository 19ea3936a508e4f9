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
    use Nature as N;
    match nature {
        N::Apk | N::Appx | N::BrowserExtension | N::Ipa => archive::zip::open(octets, opening),
        N::Bzip2 => archive::stream::open_bzip2(octets, opening),
        N::Compress => archive::stream::open_compress(octets, opening),
        N::Gzip => archive::stream::open_gzip(octets, opening),
        N::Jar | N::Zip => archive::zip::open(octets, opening),
        N::Lz4 => archive::stream::open_lz4(octets, opening),
        N::Lzip => archive::stream::open_lzip(octets, opening),
        N::Lzma => archive::stream::open_lzma(octets, opening),
        N::Tar => archive::tar::open(octets, opening),
        N::Xz => archive::stream::open_xz(octets, opening),
        N::Zstd => archive::stream::open_zstd(octets, opening),
        N::Ace => archive::old::ace::open(octets, opening),
        N::Alz => archive::old::alz::open(octets, opening),
        N::Arc => archive::old::arc::open(octets, opening),
        N::Arj => archive::old::arj::open(octets, opening),
        N::Cab => archive::cab::open(octets, opening),
        N::Cpio => archive::cpio::open(octets, opening),
        N::Deb | N::UnixArchive => archive::ar::open(octets, opening),
        N::Dmg | N::Help | N::Qcow | N::Vhdx | N::Vmdk | N::Wim => {
            archive::sealed::open(octets, opening)
        }
        N::DosProgram | N::ElfProgram | N::WindowsProgram => {
            archive::self_extracting::open(octets, opening)
        }
        N::Iso | N::Udf => archive::iso::open(octets, opening),
        N::Lha => archive::old::lha::open(octets, opening),
        N::OutlookMessage => archive::msg::open(octets, opening),
        N::Rar => archive::rar::open(octets, opening),
        N::RawDisk => archive::disk::open_raw(octets, opening),
        N::Rpm => archive::rpm::open(octets, opening),
        N::SevenZip => archive::seven_zip::open(octets, opening),
        N::StuffIt => archive::old::stuffit::open(octets, opening),
        N::Unknown => archive::volume::open(octets, opening),
        N::Vhd => archive::disk::open_vhd(octets, opening),
        N::Xar => archive::xar::open(octets, opening),
        N::Zoo => archive::old::zoo::open(octets, opening),
        _ => Ok(()),
    }
}

/// Whether a file of this nature holds others, so that not opening it leaves something unseen.
pub(super) fn holds_files(nature: Nature) -> bool {
    matches!(nature.family(), Family::Archive | Family::DiskImage)
        || matches!(nature, Nature::Jar | Nature::Apk | Nature::OutlookMessage | Nature::Mail)
}
