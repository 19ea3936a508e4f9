//! Opener of OLE compound files: Word, Excel and PowerPoint 97, VBA projects, embedded
//! objects, encrypted packages, and whatever else lies in such a file.
//!
//! In: the octets. Out: texts of the documents, properties, remarks, and each stream that is
//! not one of the format's own as a member; streams of the format's own are members too when
//! their octets say that they are something else, so that nothing can hide under their names.
//! A file whose directory is broken is searched for macros and is ARCHIVE_DAMAGED.

mod aes;
pub(in crate::message) mod compound;
pub(super) mod native;
mod password;
pub(super) mod properties;

use bytes::Bytes;

use self::compound::{Compound, EntryKind};
use super::fields::{Load, judge_target, tell};
use super::old::{excel, slides, word};
use super::vba;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::nature::{self, Nature};

/// Takes a compound file apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some(file) = Compound::read(octets, opening)? else {
        vba::carve(octets, opening)?;
        opening.closed(Closed::Damaged, "no directory");
        return Ok(());
    };
    let mut read = vba::open(&file, opening)?;
    let mut is_damaged = false;
    for number in 0..file.entries().len() {
        let Some(entry) = file.entry(number) else { continue };
        if entry.kind != EntryKind::Stream {
            native::look_at_class(&entry.class, opening);
            continue;
        }
        if entry.octets == 0 || read.contains(&number) {
            continue;
        }
        let stream = file.stream(number, opening)?;
        is_damaged |= !stream.is_whole;
        open_stream(&file, number, &stream.octets, &mut read, opening)?;
    }
    if is_damaged {
        opening.closed(Closed::Damaged, "a stream ends early");
    }
    Ok(())
}

/// Streams that belong to the format and hold nothing to be read here.
const OWN_STREAMS: [&str; 19] = [
    "\u{1}CompObj",
    "\u{3}ObjInfo",
    "\u{3}LinkInfo",
    "\u{3}EPRINT",
    "\u{3}OCXNAME",
    "\u{3}META",
    "\u{3}PICT",
    "\u{3}ACCESSOBJSITEDATA",
    "0Table",
    "1Table",
    "Data",
    "Current User",
    "_VBA_PROJECT",
    "PROJECT",
    "PROJECTwm",
    "PROJECTlk",
    "dir",
    "\u{1}Ole",
    "CompObj",
];

fn open_stream(
    file: &Compound,
    number: usize,
    octets: &Bytes,
    read: &mut Vec<usize>,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some(entry) = file.entry(number) else { return Ok(()) };
    let name = entry.name.as_str();
    match name.to_ascii_lowercase().as_str() {
        "\u{1}ole10native" => native::open_native(name, octets, opening),
        "package" | "contents" | "embeddedodf" | "mso" => {
            opening.member(name.trim_start_matches(char::is_control), octets.clone())
        }
        "equation native" => {
            opening.remark("OBJECT_EQUATION", "");
            opening.member(name, octets.clone())
        }
        "encryptedpackage" => open_encrypted(file, number, octets, opening),
        "encryptedsummary" => {
            closed_by_password(opening);
            Ok(())
        }
        "encryptioninfo" => Ok(()),
        _ if file.path(number).starts_with('\u{6}') => look_beneath(name, octets, opening),
        "\u{5}summaryinformation" | "\u{5}documentsummaryinformation" => {
            open_properties(octets, opening)
        }
        "worddocument" => open_word(file, number, octets, opening),
        "workbook" | "book" => {
            if excel::open(octets, opening)? {
                closed_by_password(opening);
            }
            Ok(())
        }
        "powerpoint document" => {
            if slides::open(octets, opening)? {
                closed_by_password(opening);
            }
            Ok(())
        }
        // Controls of forms: macros keep there what they put together.
        "o" | "f" | "x" => {
            opening.text(&words_in(octets).join("\n"));
            look_beneath(name, octets, opening)
        }
        lower if lower == "\u{1}ole" || lower.starts_with("\u{3}link") => {
            native::look_for_moniker(octets, opening);
            look_beneath(name, octets, opening)
        }
        lower
            if OWN_STREAMS.iter().any(|own| own.eq_ignore_ascii_case(lower))
                || lower.starts_with("__srp_") =>
        {
            look_beneath(name, octets, opening)
        }
        _ => {
            read.push(number);
            opening.member(&file.path(number), octets.clone())
        }
    }
}

/// A stream of the format's own is no member, unless it is not what its name says.
fn look_beneath(
    name: &str,
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    match nature::recognize(octets, "") {
        Nature::Unknown | Nature::Empty => Ok(()),
        _ => opening.member(name.trim_start_matches(char::is_control), octets.clone()),
    }
}

/// Runs of letters that may be words.
fn words_in(octets: &[u8]) -> Vec<String> {
    octets
        .split(|octet| !matches!(octet, b' '..=b'~'))
        .filter(|run| run.len() >= 5)
        .take(4_096)
        .map(|run| String::from_utf8_lossy(run).into_owned())
        .collect()
}

fn closed_by_password(opening: &mut Opening<'_, '_>) {
    opening.remark("DOCUMENT_ENCRYPTED", "");
    opening.close(Closed::Encrypted);
}

/// A package under the password that Excel tries by itself is as good as open.
fn open_encrypted(
    file: &Compound,
    number: usize,
    package: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let folder = file.entry(number).and_then(|entry| entry.parent).or_else(|| file.root());
    let info = folder.and_then(|folder| file.child(folder, "EncryptionInfo"));
    let info = match info {
        Some(info) => file.stream(info, opening)?.octets,
        None => Bytes::new(),
    };
    match password::open(&info, package, opening)? {
        Some(plain) => {
            opening.remark("DOCUMENT_DEFAULT_PASSWORD", "");
            let name = opening.name().to_owned();
            opening.member(&name, plain)
        }
        None => {
            closed_by_password(opening);
            Ok(())
        }
    }
}

fn open_word(
    file: &Compound,
    number: usize,
    document: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if word::is_encrypted(document) {
        closed_by_password(opening);
        return Ok(());
    }
    let folder = file.entry(number).and_then(|entry| entry.parent).or_else(|| file.root());
    let tables = folder.and_then(|folder| file.child(folder, word::table_name(document)));
    let table = match tables {
        Some(table) => file.stream(table, opening)?.octets,
        None => Bytes::new(),
    };
    word::open(document, &table, opening)
}

fn open_properties(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    opening.pay_time()?;
    let lines = properties::lines(octets);
    for line in &lines {
        if let Some(template) = line.strip_prefix("Template: ") {
            tell(judge_target(Load::Template, template), opening);
        }
    }
    opening.text(&lines.join("\n"));
    Ok(())
}

/// A compound file of streams under paths, as tests need it.
#[cfg(test)]
pub(in crate::message) fn compound_of(streams: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::{Cursor, Write};
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("a file");
    for (path, octets) in streams {
        let folder = std::path::Path::new(path).parent().expect("a folder");
        file.create_storage_all(folder).expect("a storage");
        file.create_stream(path).expect("a stream").write_all(octets).expect("octets");
    }
    file.into_inner().into_inner()
}
