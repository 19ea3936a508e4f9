//! Archives octet by octet, right and wrong.

use std::io::Write;

use bytes::Bytes;

use crate::message::contents::{Contents, Limits};
use crate::message::{Anatomy, Limits as AnatomyLimits};

/// What is found in a file that is attached to a message.
pub(in crate::message::archive) fn walk_file(name: &str, octets: &[u8]) -> Contents {
    walk_file_within(name, octets, Limits::default())
}

pub(in crate::message::archive) fn walk_file_within(
    name: &str,
    octets: &[u8],
    limits: Limits,
) -> Contents {
    let head = format!(
        "From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
         Content-Disposition: attachment; filename=\"{name}\"\r\n\
         Content-Transfer-Encoding: binary\r\n\r\n"
    );
    let message = [head.as_bytes(), octets].concat();
    let anatomy = Anatomy::of(&Bytes::from(message), AnatomyLimits::default());
    Contents::of(&anatomy, limits, &mut |_, _| {})
}

/// A member of a zip archive, each field of which can be made wrong.
#[derive(Debug, Clone)]
pub(in crate::message::archive) struct Entry {
    pub name: Vec<u8>,
    pub central_name: Option<Vec<u8>>,
    pub method: u16,
    pub central_method: Option<u16>,
    pub flags: u16,
    pub central_flags: Option<u16>,
    pub crc: u32,
    pub data: Vec<u8>,
    pub unpacked: u32,
    /// Sizes as the local and the central header tell them: packed, unpacked.
    pub local_sizes: Option<(u32, u32)>,
    pub central_sizes: Option<(u32, u32)>,
    pub local_extra: Vec<u8>,
    pub central_extra: Vec<u8>,
    pub descriptor: bool,
    pub mode: u16,
    pub offset: Option<u32>,
    pub in_directory: bool,
    pub has_local: bool,
}

impl Entry {
    pub fn packed(name: &str, method: u16, content: &[u8], data: Vec<u8>) -> Entry {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Entry {
            name: name.into(),
            central_name: None,
            method,
            central_method: None,
            flags: 0,
            central_flags: None,
            crc: crc.sum(),
            data,
            unpacked: content.len() as u32,
            local_sizes: None,
            central_sizes: None,
            local_extra: Vec::new(),
            central_extra: Vec::new(),
            descriptor: false,
            mode: 0o100_644,
            offset: None,
            in_directory: true,
            has_local: true,
        }
    }

    pub fn stored(name: &str, content: &[u8]) -> Entry {
        Entry::packed(name, 0, content, content.to_vec())
    }

    pub fn deflated(name: &str, content: &[u8]) -> Entry {
        Entry::packed(name, 8, content, deflate(content))
    }

    /// Sizes and checksum behind the data.
    pub fn streamed(mut self) -> Entry {
        self.flags |= 8;
        self.local_sizes = Some((0, 0));
        self.descriptor = true;
        self
    }

    fn sizes(&self) -> (u32, u32) {
        (self.data.len() as u32, self.unpacked)
    }

    pub fn local(&self) -> Vec<u8> {
        let (packed, unpacked) = self.local_sizes.unwrap_or(self.sizes());
        let crc = if self.descriptor { 0 } else { self.crc };
        let mut out = b"PK\x03\x04\x14\x00".to_vec();
        out.extend(self.flags.to_le_bytes());
        out.extend(self.method.to_le_bytes());
        out.extend([0, 0, 0x21, 0x5a]);
        for number in [crc, packed, unpacked] {
            out.extend(number.to_le_bytes());
        }
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend((self.local_extra.len() as u16).to_le_bytes());
        out.extend(&self.name);
        out.extend(&self.local_extra);
        out
    }

    pub fn central(&self, offset: u32) -> Vec<u8> {
        let name = self.central_name.as_ref().unwrap_or(&self.name);
        let (packed, unpacked) = self.central_sizes.unwrap_or(self.sizes());
        let mut out = b"PK\x01\x02\x14\x03\x14\x00".to_vec();
        out.extend(self.central_flags.unwrap_or(self.flags).to_le_bytes());
        out.extend(self.central_method.unwrap_or(self.method).to_le_bytes());
        out.extend([0, 0, 0x21, 0x5a]);
        for number in [self.crc, packed, unpacked] {
            out.extend(number.to_le_bytes());
        }
        out.extend((name.len() as u16).to_le_bytes());
        out.extend((self.central_extra.len() as u16).to_le_bytes());
        out.extend([0; 6]);
        out.extend((u32::from(self.mode) << 16).to_le_bytes());
        out.extend(self.offset.unwrap_or(offset).to_le_bytes());
        out.extend(name);
        out.extend(&self.central_extra);
        out
    }
}

/// An archive that is told in full: what stands before it, its members, its comment.
pub(in crate::message::archive) fn zip_of(entries: &[Entry]) -> Vec<u8> {
    zip_with(entries, b"", b"")
}

/// Offsets in it count from the beginning of the archive, not of what stands before.
pub(in crate::message::archive) fn zip_with(
    entries: &[Entry],
    before: &[u8],
    comment: &[u8],
) -> Vec<u8> {
    let mut out = before.to_vec();
    let mut directory = Vec::new();
    let mut count = 0;
    for entry in entries {
        let offset = (out.len() - before.len()) as u32;
        if entry.has_local {
            out.extend(entry.local());
            out.extend(&entry.data);
        }
        if entry.descriptor {
            out.extend(b"PK\x07\x08");
            for number in [entry.crc, entry.data.len() as u32, entry.unpacked] {
                out.extend(number.to_le_bytes());
            }
        }
        if entry.in_directory {
            directory.extend(entry.central(offset));
            count += 1;
        }
    }
    let offset = (out.len() - before.len()) as u32;
    out.extend(&directory);
    out.extend(end_record(count, directory.len() as u32, offset, comment));
    out
}

pub(in crate::message::archive) fn end_record(
    entries: u16,
    octets: u32,
    offset: u32,
    comment: &[u8],
) -> Vec<u8> {
    let mut out = b"PK\x05\x06\0\0\0\0".to_vec();
    out.extend(entries.to_le_bytes());
    out.extend(entries.to_le_bytes());
    out.extend(octets.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend((comment.len() as u16).to_le_bytes());
    out.extend(comment);
    out
}

pub(in crate::message::archive) fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::message::archive) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::message::archive) fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}
