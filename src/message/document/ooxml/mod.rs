//! Opener of Office Open XML (Word, Excel, PowerPoint, Visio, XPS) and of OpenDocument: zip
//! packages of XML parts, and both in one XML file.
//!
//! In: the octets. Out: text of every XML part ([`part`](super::part)), remarks, and each
//! member that is no XML of the format's own as an item: VBA projects, objects, pictures,
//! whole documents. Standards: ECMA-376 part 2, ODF 1.3 part 2. The zip archive is read by
//! [`zip`](crate::message::archive::zip) in all the ways in which it can be read.

mod binary;

#[cfg(test)]
pub(in crate::message) use binary::part_of;

use bytes::Bytes;

use super::part::{self, Seen};
use super::xml;
use crate::mail::Family;
use crate::message::archive::zip::{Then, for_each_member};
use crate::message::contents::{Exhausted, Opening};
use crate::message::nature::{self, Nature};

/// Takes a package apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if xml::is_xml(octets) {
        return open_flat(octets, opening);
    }
    let mut seen = Seen::default();
    for_each_member(octets, opening, &mut |name, unpacked, opening| {
        let octets = &unpacked.octets;
        if name.eq_ignore_ascii_case("mimetype") && octets.len() < 256 {
            return Ok(Then::Done);
        }
        let nature = nature::recognize(octets, "");
        let lower = name.to_ascii_lowercase();
        // What looks like a web page may still be a part that the document is made of.
        let is_named_part = [".xml", ".rels", ".vml"].iter().any(|end| lower.ends_with(end));
        let is_page = matches!(nature, Nature::Html | Nature::Mhtml | Nature::Svg);
        if xml::is_xml(octets) && (is_named_part || !is_page) {
            part::read(name, &xml::text_of(octets), &mut seen, opening)?;
            if is_own(nature, octets, name) {
                return Ok(Then::Done);
            }
        }
        if lower.ends_with(".bin") && nature == Nature::Unknown {
            binary::read(&lower, octets, &mut seen, opening)?;
        }
        Ok(Then::Walk)
    })?;
    seen.tell(opening);
    Ok(())
}

/// Whether XML is an office document in one file: its beginning names what only such have.
pub(in crate::message) fn is_flat(octets: &[u8]) -> bool {
    let head = xml::text_of(octets.get(..octets.len().min(4_096)).unwrap_or_default());
    [
        "mso-application",
        "pkg:package",
        "wordDocument",
        "office:document",
        "urn:schemas-microsoft-com:office",
    ]
    .iter()
    .any(|mark| head.contains(mark))
}

/// Takes a document apart that is one XML file.
pub(in crate::message) fn open_flat(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let mut seen = Seen::default();
    part::read("", &xml::text_of(octets), &mut seen, opening)?;
    seen.tell(opening);
    Ok(())
}

/// Whether XML is a part of the format, not a file that it embeds, such as a web page: by its
/// content, and by its name only where that makes it a script.
fn is_own(by_content: Nature, octets: &[u8], name: &str) -> bool {
    let is_plain =
        matches!(by_content, Nature::Xml | Nature::Unknown | Nature::OfficeXml | Nature::Text);
    let by_name = nature::recognize(octets, name).family();
    is_plain && !matches!(by_name, Family::Script | Family::Shortcut | Family::Executable)
}
