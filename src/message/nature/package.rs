//! What a zip package is, by the names of its members (APPNOTE 4.3; OPC: ECMA-376 part 2;
//! OpenDocument part 2, section 3.3).
//!
//! In: octets of a zip. Out: what the names of its members say, and the beginnings of those
//! that tell its type; both bounded.

use super::Nature;
use crate::message::archive::zip::listing::{Listed, beginning, list};
use crate::message::fixed::find;

/// Names looked at.
const NAMES: usize = 4_096;
/// Octets of a member that is looked into.
const LOOK_OCTETS: u64 = 256 << 10;

/// What a zip is; a plain one is [`Nature::Zip`].
pub(super) fn refine(octets: &[u8]) -> Nature {
    let members = list(octets, NAMES);
    let names = Names(members.iter().map(|member| member.name.to_ascii_lowercase()).collect());
    if names.has("[content_types].xml")
        && let Some(nature) = office(octets, &members, &names)
    {
        return nature;
    }
    let kind = members.iter().find(|member| member.name == b"mimetype");
    if let Some(nature) = kind
        .and_then(|kind| beginning(octets, kind, LOOK_OCTETS))
        .and_then(|text| of_mimetype(&text))
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
fn office(octets: &[u8], members: &[Listed<'_>], names: &Names) -> Option<Nature> {
    let is_types = |member: &&Listed<'_>| member.name.eq_ignore_ascii_case(b"[Content_Types].xml");
    let types = members.iter().find(is_types);
    let types = types.and_then(|types| beginning(octets, types, LOOK_OCTETS));
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
