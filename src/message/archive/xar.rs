//! Xar archives, such as macOS installer packages (github.com/mackyle/xar, "xarformat").
//!
//! In: an archive. Out: its files as members: a table of contents in compressed XML tells
//! where they lie in the heap behind it. Encodings that are not known close a file as
//! unsupported.

use bytes::Bytes;
use bzip2::read::BzDecoder;
use flate2::read::ZlibDecoder;
use lzma_rust2::XzReader;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::guard::Guarded;
use super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::cut;
use crate::message::fixed::exactly;

/// Folders in folders that are followed.
const DEPTH: usize = 64;

/// Files of one archive; more than any purse allows.
const FILES: usize = 10_000;
/// Octets of one name.
const NAME_OCTETS: usize = 1_024;

/// A file of the table of contents.
#[derive(Debug, Default, Clone)]
struct File {
    name: String,
    offset: u64,
    packed: u64,
    octets: u64,
    encoding: String,
    has_data: bool,
}

/// Takes a xar archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some((table, heap_at)) = head(octets) else {
        opening.closed(Closed::Damaged, "the header is broken");
        return Ok(());
    };
    let unpacked = opening.unpack(Guarded::new(ZlibDecoder::new(table)), table.len() as u64)?;
    if let Some(why) = unpacked.trouble {
        opening.closed(why, "the table of contents is broken");
    }
    let text = String::from_utf8_lossy(&unpacked.octets);
    let (files, whole) = read_table(&text, opening)?;
    if !whole {
        opening.closed(Closed::Damaged, "the table of contents is broken");
    }
    for file in files {
        opening.pay_time()?;
        walk_file(octets, heap_at, &file, opening)?;
    }
    Ok(())
}

/// The compressed table, and where the heap begins.
fn head(octets: &[u8]) -> Option<(&[u8], u64)> {
    let mut cursor = Cursor::begin(octets, 4)?;
    let head_octets = u64::from(cursor.u16_be()?);
    let _version = cursor.u16_be()?;
    let table_octets = cursor.u64_be()?;
    let table = exactly(octets, head_octets, table_octets)?;
    Some((table, head_octets + table_octets))
}

/// Reads the table; says whether it could be read to its end.
fn read_table(text: &str, opening: &Opening<'_, '_>) -> Result<(Vec<File>, bool), Exhausted> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    let mut found = Vec::new();
    let mut open: Vec<File> = Vec::new();
    let mut elements: Vec<String> = Vec::new();
    loop {
        opening.pay_time()?;
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                if elements.len() >= 4 * DEPTH || found.len() >= FILES {
                    return Ok((found, false));
                }
                elements.push(element.local_name().as_ref().to_owned());
                begin(&element, &elements, &mut open);
            }
            Ok(Event::Empty(element)) => {
                elements.push(element.local_name().as_ref().to_owned());
                begin(&element, &elements, &mut open);
                elements.pop();
            }
            Ok(Event::Text(text)) => {
                if let Some(file) = open.last_mut() {
                    note(file, &elements, &text);
                }
            }
            Ok(Event::GeneralRef(reference)) => {
                if let Some(file) = open.last_mut() {
                    note(file, &elements, entity(&reference));
                }
            }
            Ok(Event::End(element)) => {
                if element.local_name().as_ref() == "file"
                    && let Some(file) = open.pop()
                    && file.has_data
                {
                    let path: Vec<&str> = open.iter().map(|file| file.name.as_str()).collect();
                    let name = label::within(&path.join("/"), &file.name);
                    found.push(File { name, ..file });
                }
                elements.pop();
            }
            Ok(Event::Eof) => return Ok((found, open.is_empty())),
            Ok(_) => {}
            Err(_) => {
                found.append(&mut open);
                return Ok((found, false));
            }
        }
    }
}

fn begin(element: &BytesStart<'_>, elements: &[String], open: &mut Vec<File>) {
    if is(elements, &["file"]) {
        open.push(File::default());
    } else if is(elements, &["file", "data"])
        && let Some(file) = open.last_mut()
    {
        file.has_data = true;
    } else if is(elements, &["file", "data", "encoding"])
        && let Some(file) = open.last_mut()
        && let Ok(Some(style)) = element.try_get_attribute("style")
    {
        file.encoding = style.value.into_owned();
    }
}

/// Whether the open elements end in these.
fn is(elements: &[String], names: &[&str]) -> bool {
    let last = elements.len().checked_sub(names.len()).and_then(|from| elements.get(from..));
    last.is_some_and(|last| last.iter().zip(names).all(|(a, b)| a == b))
}

fn note(file: &mut File, elements: &[String], value: &str) {
    let number = || value.trim().parse().unwrap_or(u64::MAX);
    if is(elements, &["file", "name"]) {
        // A name with entities comes in pieces.
        if file.name.len() + value.len() <= NAME_OCTETS {
            file.name.push_str(value);
        }
    } else if is(elements, &["file", "data", "offset"]) {
        file.offset = number();
    } else if is(elements, &["file", "data", "length"]) {
        file.packed = number();
    } else if is(elements, &["file", "data", "size"]) {
        file.octets = number();
    }
}

/// The letter of an entity; a question mark for one that XML does not have by itself.
fn entity(name: &str) -> &'static str {
    match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "?",
    }
}

fn walk_file(
    archive: &Bytes,
    heap_at: u64,
    file: &File,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let begin = heap_at.saturating_add(file.offset);
    let end = begin.saturating_add(file.packed);
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let packed = cut(archive, place(begin)..place(end));
    let packed_octets = packed.len() as u64;
    let octets = packed.as_ref();
    match file.encoding.as_str() {
        "application/octet-stream" | "" => {
            opening.stored_member(&file.name, archive, begin, file.packed)
        }
        // Called so, and a zlib stream.
        "application/x-gzip" => {
            let reader = Guarded::new(ZlibDecoder::new(octets));
            opening.unpack_member(&file.name, reader, packed_octets)
        }
        "application/x-bzip2" => {
            let reader = Guarded::new(BzDecoder::new(octets));
            opening.unpack_member(&file.name, reader, packed_octets)
        }
        "application/x-xz" => {
            let reader = XzReader::new_mem_limit(octets, true, 48 << 10);
            opening.unpack_member(&file.name, Guarded::new(reader), packed_octets)
        }
        _ => opening.closed_member(&file.name, file.octets, Closed::Unsupported),
    }
}
