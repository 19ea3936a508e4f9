//! Octets and a name → a nature.

use super::Nature;

/// What a file is. `name` is its name as its reader sees it, or empty.
pub fn recognize(octets: &[u8], name: &str) -> Nature {
    if octets.is_empty() {
        return Nature::Empty;
    }
    by_signature(octets).unwrap_or_else(|| by_name(name))
}

fn by_signature(octets: &[u8]) -> Option<Nature> {
    const SIGNATURES: [(&[u8], Nature); 10] = [
        (b"PK\x03\x04", Nature::Zip),
        (b"PK\x05\x06", Nature::Zip),
        (b"\x1f\x8b\x08", Nature::Gzip),
        (b"BZh", Nature::Bzip2),
        (b"\xfd7zXZ\x00", Nature::Xz),
        (b"\x28\xb5\x2f\xfd", Nature::Zstd),
        (b"7z\xbc\xaf\x27\x1c", Nature::SevenZip),
        (b"%PDF-", Nature::Pdf),
        (b"\x78\x9f\x3e\x22", Nature::Tnef),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Nature::Compound),
    ];
    let begins = |(signature, _): &&(&[u8], Nature)| octets.starts_with(signature);
    SIGNATURES.iter().find(begins).map(|(_, nature)| *nature)
}

fn by_name(name: &str) -> Nature {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    extension
        .and_then(|extension| Nature::of_extension(&extension).next())
        .unwrap_or(Nature::Unknown)
}
