//! What a zip package is, by the names of its members (APPNOTE 4.3; OPC: ECMA-376 part 2;
//! OpenDocument part 2, section 3.3).
//!
//! In: octets. Out: whether a directory of a zip lies at their end, and what its names say.
//! Names are read from the central directory and, for what hides there, from local headers;
//! both bounded.

use std::io::Read;

use flate2::read::DeflateDecoder;

use super::Nature;
use crate::message::fixed::{find, le16, le32, place, rest, slice};

/// Names looked at.
const NAMES: usize = 4_096;
/// Octets of a member that is looked into.
const LOOK_OCTETS: u64 = 256 << 10;
/// The end of central directory with the longest comment (APPNOTE 4.3.16).
const END_OCTETS: usize = 22 + 65_535;

/// Whether a central directory ends within reach of the end of the octets.
pub(in crate::message) fn has_directory(octets: &[u8]) -> bool {
    directory(octets).is_some()
}

/// Where the central directory begins.
fn directory(octets: &[u8]) -> Option<usize> {
    let from = octets.len().saturating_sub(END_OCTETS);
    for at in memchr::memmem::rfind_iter(rest(octets, from), b"PK\x05\x06").take(64) {
        let end = from + at;
        let Some(size) = le32(octets, end + 12).map(place) else { continue };
        if size == 0 {
            continue;
        }
        // What lies before the archive shifts its offsets, so the size is the surer guide;
        // behind the directory of a zip64 archive stand 76 octets more.
        let starts = [end.checked_sub(size), end.checked_sub(size.saturating_add(76))];
        let claimed = le32(octets, end + 16).map(place);
        let found = starts.into_iter().chain([claimed]).flatten();
        for start in found {
            if slice(octets, start, 4) == b"PK\x01\x02" {
                return Some(start);
            }
        }
        if size == usize::MAX || size == 0xffff_ffff {
            return find(octets, b"PK\x01\x02");
        }
    }
    None
}

struct Member<'o> {
    name: &'o [u8],
    /// Its local header.
    at: usize,
}

fn members(octets: &[u8]) -> Vec<Member<'_>> {
    let mut members = Vec::new();
    if let Some(mut at) = directory(octets) {
        while members.len() < NAMES && slice(octets, at, 4) == b"PK\x01\x02" {
            let lengths =
                [28, 30, 32].map(|field| usize::from(le16(octets, at + field).unwrap_or(0)));
            let [name, extra, comment] = lengths;
            let local = le32(octets, at + 42).map_or(usize::MAX, place);
            members.push(Member { name: slice(octets, at + 46, name), at: local });
            at += 46 + name + extra + comment;
        }
    }
    if members.is_empty() {
        for at in memchr::memmem::find_iter(octets, b"PK\x03\x04").take(NAMES) {
            let name = usize::from(le16(octets, at + 26).unwrap_or(0));
            members.push(Member { name: slice(octets, at + 30, name), at });
        }
    }
    members
}

/// The beginning of a member, as far as it can be read.
fn look_into(octets: &[u8], member: &Member<'_>) -> Option<Vec<u8>> {
    if slice(octets, member.at, 4) != b"PK\x03\x04" {
        return None;
    }
    let [name, extra] =
        [26, 28].map(|field| le16(octets, member.at + field).map_or(0, usize::from));
    let data = rest(octets, member.at + 30 + name + extra);
    let size = le32(octets, member.at + 18).map_or(0, place);
    match le16(octets, member.at + 8)? {
        0 => Some(slice(data, 0, size.min(LOOK_OCTETS as usize)).to_vec()),
        8 => {
            let mut text = Vec::new();
            // A broken end does not hide the beginning.
            let _ = DeflateDecoder::new(data).take(LOOK_OCTETS).read_to_end(&mut text);
            Some(text)
        }
        _ => None,
    }
}

/// What a zip is; a plain one is [`Nature::Zip`].
pub(super) fn refine(octets: &[u8]) -> Nature {
    let members = members(octets);
    let names = Names(members.iter().map(|member| member.name.to_ascii_lowercase()).collect());
    if names.has("[content_types].xml")
        && let Some(nature) = office(octets, &members, &names)
    {
        return nature;
    }
    let kind = members.iter().find(|member| member.name == b"mimetype");
    if let Some(nature) =
        kind.and_then(|kind| look_into(octets, kind)).and_then(|text| of_mimetype(&text))
    {
        return nature;
    }
    match () {
        // LibreOffice goes by the manifest, or by the name, where there is no such member.
        () if names.has("meta-inf/manifest.xml") || names.has("content.xml") => Nature::OpenOther,
        () if names.any(|name| name.starts_with(b"basic/") && name.ends_with(b".xml")) => {
            Nature::OpenOther
        }
        () if names.has("androidmanifest.xml")
            || names.has("base/manifest/androidmanifest.xml") =>
        {
            Nature::Apk
        }
        () if names.has("appxmanifest.xml") || names.has("appxmetadata/appxbundlemanifest.xml") => {
            Nature::Appx
        }
        () if names.any(|name| name.starts_with(b"payload/") && find(name, b".app/").is_some()) => {
            Nature::Ipa
        }
        () if names.has("manifest.json")
            && (names.has("meta-inf/mozilla.rsa")
                || names.has("_metadata/verified_contents.json")) =>
        {
            Nature::BrowserExtension
        }
        () if names.has("install.rdf") && names.has("chrome.manifest") => Nature::BrowserExtension,
        () if names.has("meta-inf/container.xml") && names.any(|name| name.ends_with(b".opf")) => {
            Nature::Epub
        }
        () if names.has("meta-inf/manifest.xml") && names.has("content.xml") => Nature::OpenOther,
        () if names.any(|name| name.ends_with(b".fdseq")) => Nature::Xps,
        () if names.has("meta-inf/manifest.mf") || names.any(|name| name.ends_with(b".class")) => {
            Nature::Jar
        }
        () if names.any(|name| name.starts_with(b"word/document")) => Nature::Word,
        () if names.any(|name| name.starts_with(b"xl/workbook")) => Nature::Excel,
        () if names.any(|name| name.starts_with(b"ppt/presentation")) => Nature::PowerPoint,
        () => Nature::Zip,
    }
}

struct Names(Vec<Vec<u8>>);

impl Names {
    /// Back slashes are what careless makers write, and office programs accept them.
    fn has(&self, wanted: &str) -> bool {
        self.any(|name| {
            let same =
                |(left, right): (&u8, u8)| *left == right || (*left == b'\\' && right == b'/');
            name.len() == wanted.len() && name.iter().zip(wanted.bytes()).all(same)
        })
    }

    fn any(&self, test: impl Fn(&[u8]) -> bool) -> bool {
        self.0.iter().any(|name| test(name))
    }

    fn under(&self, folder: &str) -> bool {
        self.any(|name| {
            name.starts_with(folder.as_bytes())
                && matches!(name.get(folder.len()), Some(b'/' | b'\\'))
        })
    }
}

/// ECMA-376 part 1, annex on content types: they tell a file that can hold macros.
fn office(octets: &[u8], members: &[Member<'_>], names: &Names) -> Option<Nature> {
    let is_types = |member: &&Member<'_>| member.name.eq_ignore_ascii_case(b"[Content_Types].xml");
    let types = members.iter().find(is_types).and_then(|types| look_into(octets, types));
    let types = types.unwrap_or_default().to_ascii_lowercase();
    let says = |wanted: &[u8]| find(&types, wanted).is_some();
    let macros = says(b"macroenabled")
        || says(b"vbaproject")
        || names.any(|name| name.ends_with(b"vbaproject.bin"))
        || names.under("xl/macrosheets");
    let either = |plain, with_macros| Some(if macros { with_macros } else { plain });
    match () {
        () if names.has("appxmanifest.xml") || names.has("appxmetadata/appxbundlemanifest.xml") => {
            Some(Nature::Appx)
        }
        () if says(b"wordprocessingml") || says(b"ms-word") || names.under("word") => {
            either(Nature::Word, Nature::WordMacro)
        }
        () if says(b"sheet.binary") || names.has("xl/workbook.bin") => Some(Nature::ExcelBinary),
        () if says(b"spreadsheetml") || says(b"ms-excel") || names.under("xl") => {
            either(Nature::Excel, Nature::ExcelMacro)
        }
        () if says(b"presentationml") || says(b"ms-powerpoint") || names.under("ppt") => {
            either(Nature::PowerPoint, Nature::PowerPointMacro)
        }
        () if says(b"ms-visio") || names.under("visio") => Some(Nature::Visio),
        () if says(b"xps") || names.any(|name| name.ends_with(b".fdseq")) => Some(Nature::Xps),
        () => None,
    }
}

fn of_mimetype(text: &[u8]) -> Option<Nature> {
    let kind = text.trim_ascii();
    if kind.starts_with(b"application/epub+zip") {
        return Some(Nature::Epub);
    }
    let open = kind
        .strip_prefix(b"application/vnd.oasis.opendocument.")
        .or_else(|| kind.strip_prefix(b"application/vnd.sun.xml."))?;
    Some(match () {
        () if open.starts_with(b"text") || open.starts_with(b"writer") => Nature::OpenText,
        () if open.starts_with(b"spreadsheet") || open.starts_with(b"calc") => Nature::OpenSheet,
        () if open.starts_with(b"presentation") || open.starts_with(b"impress") => {
            Nature::OpenSlides
        }
        () => Nature::OpenOther,
    })
}
