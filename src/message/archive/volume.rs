//! Parts of archives that are cut into several files.
//!
//! In: a file of unknown nature. Out: it is closed as incomplete when its name says that it
//! is one of several: `.r00`, `.z01`, `.001`, `.part2.rar`, `.c00`, `.a01`. Its begin lies in
//! another file, so that nothing in it can be read.

use bytes::Bytes;

use crate::message::contents::{Closed, Exhausted, Opening};

/// Closes what is one volume of several.
pub(in crate::message) fn open(
    _octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if is_volume(opening.name()) {
        opening.closed(Closed::Elsewhere, "one volume of several");
    }
    Ok(())
}

/// Whether the name ends in a number of three digits: `a.7z.001`.
pub(super) fn is_numbered(name: &str) -> bool {
    let extension = extension(name);
    extension.len() == 3 && extension.bytes().all(|letter| letter.is_ascii_digit())
}

/// Whether the name is one that archivers give to volumes.
pub(super) fn is_volume(name: &str) -> bool {
    let extension = extension(name).to_ascii_lowercase();
    let numbered = |letters: &[u8]| {
        let mut octets = extension.bytes();
        let first = octets.next();
        first.is_some_and(|first| letters.contains(&first))
            && extension.len() == 3
            && octets.all(|octet| octet.is_ascii_digit())
    };
    // `.rev` mends volumes of RAR.
    is_numbered(name) || numbered(b"rszacj") || extension == "rev"
}

fn extension(name: &str) -> &str {
    name.trim_end_matches(['.', ' ']).rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::is_volume;

    #[test]
    fn volumes_are_known_by_their_names() {
        for name in ["a.r00", "a.R17", "a.z01", "a.7z.001", "a.s00", "a.a02", "a.c00", "a.J01 "] {
            assert!(is_volume(name), "{name}");
        }
        for name in ["a.rar", "r00", "a.z0x", "a.0001", "a.zip", "a.01", "a.q01", ""] {
            assert!(!is_volume(name), "{name}");
        }
    }
}
