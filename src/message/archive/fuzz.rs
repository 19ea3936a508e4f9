//! Body of a fuzz target: any octets, given to each opener of archives.

use bytes::Bytes;

use super::{single, tar, zip};
use crate::message::contents::{self, Exhausted, Limits, Opening};

/// Takes the octets apart as each kind of archive; returns how many files were found.
pub fn archive(data: &[u8]) -> usize {
    type Opener = fn(&Bytes, &mut Opening<'_, '_>) -> Result<(), Exhausted>;
    let openers: [Opener; 10] = [
        zip::open,
        tar::open,
        single::open_gzip,
        single::open_bzip2,
        single::open_xz,
        single::open_lzma,
        single::open_lzip,
        single::open_zstd,
        single::open_lz4,
        single::open_compress,
    ];
    let octets = Bytes::copy_from_slice(data);
    let limits = Limits::default();
    let mut files = zip::listing::list(data, 100).len();
    for opener in openers {
        let contents = contents::open_with(&octets, limits, opener);
        assert!(contents.items.len() <= limits.members + 1);
        assert!(contents.items.iter().skip(1).all(|item| item.parent.is_some()));
        let kept: usize =
            contents.items.iter().map(|item| item.content.as_ref().map_or(0, Bytes::len)).sum();
        // Twins share what they keep.
        assert!(kept <= limits.kept_octets.saturating_mul(contents.items.len()));
        files += contents.items.len() - 1;
    }
    files
}
