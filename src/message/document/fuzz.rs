//! Bodies of fuzz targets for documents: any octets may be given to them.

use crate::message::contents::{Contents, Limits};
use crate::message::fuzz::attached;
use crate::message::{Anatomy, anatomy};

/// Walks through a message with one file of this name; returns items and octets of text.
pub(super) fn with_file(data: &[u8], name: &str) -> usize {
    let anatomy = Anatomy::of(&attached(name, data), anatomy::Limits::default());
    let mut octets = 0;
    let contents = Contents::of(&anatomy, Limits::default(), &mut |_, text| octets += text.len());
    assert!(contents.remarks.iter().all(|remark| remark.item < contents.items.len()));
    contents.items.len() + octets
}

/// Takes any octets apart as a PDF.
pub fn pdf(data: &[u8]) -> usize {
    match data.starts_with(b"%PDF-") {
        true => with_file(data, "a.pdf"),
        false => with_file(&[b"%PDF-1.7\n", data].concat(), "a.pdf"),
    }
}

/// Takes any octets apart as the file that their first octet chooses.
pub fn document(data: &[u8]) -> usize {
    const NAMES: [&str; 20] = [
        "a.html",
        "a.svg",
        "a.js",
        "a.vbs",
        "a.ps1",
        "a.bat",
        "a.hta",
        "a.lnk",
        "a.url",
        "a.one",
        "a.ics",
        "a.vcf",
        "a.exe",
        "a.png",
        "a.p7m",
        "a.pgp",
        "a.library-ms",
        "a.rdp",
        "a.msc",
        "a",
    ];
    let Some((first, rest)) = data.split_first() else { return 0 };
    let name = NAMES.get(usize::from(*first) % NAMES.len()).copied().unwrap_or("a");
    with_file(rest, name)
}

/// The same behind a signature, which is given if it is not there: so most octets are spent
/// behind it.
fn signed(data: &[u8], signature: &[u8], name: &str) -> usize {
    match data.starts_with(signature) {
        _ if data.is_empty() => 0,
        true => with_file(data, name),
        false => with_file(&[signature, data].concat(), name),
    }
}

/// A compound file: Word, Excel, PowerPoint 97, VBA projects.
pub fn ole(data: &[u8]) -> usize {
    signed(data, super::ole::compound::SIGNATURE, "a.doc")
}

/// A package of XML parts.
pub fn ooxml(data: &[u8]) -> usize {
    signed(data, b"PK\x03\x04", "a.docx")
}

/// Rich text.
pub fn rtf(data: &[u8]) -> usize {
    signed(data, b"{\\rt", "a.rtf")
}
