//! Bodies of fuzz targets for the openers of office documents.

use bytes::Bytes;

use crate::message::contents::{Contents, Limits};
use crate::message::{Anatomy, Limits as AnatomyLimits};

/// Walks through a file of a name; octets of text and items seen.
fn walk(name: &str, signature: &[u8], data: &[u8]) -> usize {
    if data.is_empty() {
        return 0;
    }
    let mut message = b"Content-Type: application/octet-stream\r\n\
        Content-Transfer-Encoding: binary\r\nContent-Disposition: attachment; filename="
        .to_vec();
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(b"\r\n\r\n");
    // Most octets are spent behind the signature, which is given if it is not there.
    if !data.starts_with(signature) {
        message.extend_from_slice(signature);
    }
    message.extend_from_slice(data);
    let anatomy = Anatomy::of(&Bytes::from(message), AnatomyLimits::default());
    let mut octets = 0;
    let contents = Contents::of(&anatomy, Limits::default(), &mut |_, text| octets += text.len());
    octets + contents.items.len()
}

/// A compound file: Word, Excel, PowerPoint 97, VBA projects.
pub fn ole(data: &[u8]) -> usize {
    walk("a.doc", super::ole::compound::SIGNATURE, data)
}

/// A package of XML parts.
pub fn ooxml(data: &[u8]) -> usize {
    walk("a.docx", b"PK\x03\x04", data)
}

/// Rich text.
pub fn rtf(data: &[u8]) -> usize {
    walk("a.rtf", b"{\\rt", data)
}
