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
        N::Bzip2 => archive::single::open_bzip2(octets, opening),
        N::Compress => archive::single::open_compress(octets, opening),
        N::Gzip => archive::single::open_gzip(octets, opening),
        N::Jar | N::Zip => archive::zip::open(octets, opening),
        N::Lz4 => archive::single::open_lz4(octets, opening),
        N::Lzip => archive::single::open_lzip(octets, opening),
        N::Lzma => archive::single::open_lzma(octets, opening),
        N::Tar => archive::tar::open(octets, opening),
        N::Xz => archive::single::open_xz(octets, opening),
        N::Zstd => archive::single::open_zstd(octets, opening),
        _ => Ok(()),
    }
}

/// Whether a file of this nature holds others, so that not opening it leaves something unseen.
pub(super) fn holds_files(nature: Nature) -> bool {
    matches!(nature.family(), Family::Archive | Family::DiskImage)
        || matches!(nature, Nature::Jar | Nature::Apk | Nature::OutlookMessage | Nature::Mail)
}
