//! Files and programs' data embedded as OLE objects: the stream `\1Ole10Native`, the objects
//! of RTF and of Word 2, and what their classes mean.
//!
//! In: octets of such an object. Out: the file in it as a member under the name that its reader
//! sees, and remarks about its class. Standard: MS-OLEDS 2.2 and 2.3.6; the layout of a package
//! is not published (label, path, path of a temporary copy, octets).

use bytes::Bytes;

use crate::message::contents::{Exhausted, Opening};
use crate::message::document::code_page;
use crate::message::document::fields::{Load, judge_target, tell};
use crate::message::fixed::{find_from, le16, le32, place, slice, utf16_le, zero_ended};

/// Classes by the first octets of their identifiers as they lie in a file, and their remarks.
#[rustfmt::skip]
const CLASSES: [(&[u8], &str, &str); 16] = [
    (b"\x02\xce\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "OBJECT_EQUATION", "Equation.3"),
    (b"\x03\xce\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "OBJECT_EQUATION", "Equation"),
    (b"\xc3\x2a\xb2\xea\xc1\x30\xcf\x11", "OBJECT_RISKY", "Shell.Explorer"),
    (b"\x90\xfd\x8a\xc0\xa1\xf2\xd1\x11", "OBJECT_RISKY", "ShellBrowserWindow"),
    (b"\x72\x59\xa0\x9b\xa8\xf6\xcf\x11", "OBJECT_RISKY", "ShellWindows"),
    (b"\x20\x69\x33\x25\xf9\x03\xcf\x11", "OBJECT_RISKY", "htmlfile"),
    (b"\xd3\x0b\x29\x06\xaa\x48\xd2\x11", "OBJECT_RISKY", "script moniker"),
    (b"\x3d\x03\x8a\xa0\x75\x1a\xb6\x4a", "OBJECT_RISKY", "otkloadr"),
    (b"\x4b\xf0\xd1\xbd\x8b\x85\xd1\x11", "OBJECT_RISKY", "MSComctlLib.ListView"),
    (b"\xb6\x90\x41\xc7\x89\x85\xd1\x11", "OBJECT_RISKY", "MSComctlLib.TreeView"),
    (b"\x66\xa6\x9d\xdd\x94\x85\xd1\x11", "OBJECT_RISKY", "MSComctlLib.ImageCombo"),
    (b"\x5f\xdc\x81\x91\x7d\xe0\x8a\x41", "OBJECT_RISKY", "MSComctlLib.TreeView"),
    (b"\xe0\xf5\x6b\x99\x44\x80\x50\x46", "OBJECT_RISKY", "MSComctlLib.ListView"),
    (b"\x6e\xdb\x7c\xd2\x6d\xae\xcf\x11", "OBJECT_RISKY", "ShockwaveFlash"),
    (b"\xe0\xc9\xea\x79\xf9\xba\xce\x11", "OBJECT_EXTERNAL", "address"),
    (b"\xc7\xb0\xab\xec\x19\x7f\xd2\x11", "OBJECT_RISKY", "SOAP moniker"),
];
/// The class of the moniker of a web address, whole.
const URL_MONIKER: &[u8] = b"\xe0\xc9\xea\x79\xf9\xba\xce\x11\x8c\x82\x00\xaa\x00\x4b\xa9\x0b";

/// Names of classes whose objects are risky, as RTF and XML give them.
const NAMES: [(&str, &str); 9] = [
    ("equation", "OBJECT_EQUATION"),
    ("shell.explorer", "OBJECT_RISKY"),
    ("otkloadr", "OBJECT_RISKY"),
    ("mscomctllib.", "OBJECT_RISKY"),
    ("htmlfile", "OBJECT_RISKY"),
    ("script", "OBJECT_RISKY"),
    ("shockwaveflash", "OBJECT_RISKY"),
    ("ole2link", "OBJECT_EXTERNAL"),
    ("rtfjunk.", "OBJECT_RISKY"),
];

/// Remarks what the class of a storage means.
pub(in crate::message::document) fn look_at_class(class: &[u8], opening: &mut Opening<'_, '_>) {
    let known = CLASSES.iter().find(|(octets, ..)| class.starts_with(octets));
    if let Some((_, remark, name)) = known {
        opening.remark(remark, *name);
    }
}

/// Remarks what the name of a class means.
pub(in crate::message::document) fn look_at_name(name: &str, opening: &mut Opening<'_, '_>) {
    let lower = name.trim().to_lowercase();
    if let Some((_, remark)) = NAMES.iter().find(|(known, _)| lower.starts_with(known)) {
        opening.remark(remark, name.trim());
    }
}

/// The address that a linked object loads, in the stream `\1Ole` or in an object's data.
pub(in crate::message::document) fn look_for_moniker(octets: &[u8], opening: &mut Opening<'_, '_>) {
    let Some(at) = find_from(octets, URL_MONIKER, 0) else { return };
    let target = utf16_le(slice(octets, at + URL_MONIKER.len() + 4, 4_096));
    tell(judge_target(Load::Object, &target), opening);
    opening.text(&target);
}

/// The stream `\1Ole10Native`: its length, then a package, or another program's data.
pub(in crate::message::document) fn open_native(
    name: &str,
    stream: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let data = stream.slice(4.min(stream.len())..);
    // Writers of hostile files leave the length or the type wrong; some readers forgive it.
    for candidate in [&data, stream] {
        if open_package(candidate, opening)? {
            return Ok(());
        }
    }
    opening.member(name, data)
}

/// A package. False: these octets are none.
fn open_package(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result<bool, Exhausted> {
    let Some(package) = read_package(octets) else { return Ok(false) };
    let name = [&package.label, &package.path]
        .into_iter()
        .map(|name| base_name(name))
        .find(|name| !name.is_empty())
        .unwrap_or_default()
        .to_owned();
    let path_name = base_name(&package.path).to_owned();
    let ends = |name: &str| name.rsplit_once('.').map(|(_, end)| end.to_lowercase());
    if !path_name.is_empty() && ends(&path_name) != ends(&name) {
        // The label is shown, the path's extension decides what runs.
        opening.remark("OBJECT_NAME_DIFFERS", format!("{name} is {path_name}"));
    }
    opening.remark("OBJECT_PACKAGE", name.clone());
    let shown = if path_name.is_empty() { name } else { path_name };
    opening.member(&shown, package.octets)?;
    Ok(true)
}

struct Package {
    label: String,
    path: String,
    octets: Bytes,
}

fn read_package(octets: &Bytes) -> Option<Package> {
    let (label, at) = zero_ended(octets, 2)?;
    let (path, at) = zero_ended(octets, at)?;
    if le16(octets, 0)? > 0xff || label.len() > 1_024 || path.len() > 1_024 {
        return None;
    }
    // Two numbers: 0, and 3 for an embedded file; then the temporary path.
    let kind = le16(octets, at + 2)?;
    if !matches!(kind, 1 | 3) {
        return None;
    }
    let temporary = place(le32(octets, at + 4)?);
    let at = at.checked_add(8)?.checked_add(temporary)?;
    let size = place(le32(octets, at)?);
    let start = at + 4;
    let end = start.saturating_add(size).min(octets.len());
    let text = |octets: &[u8]| code_page::decode(octets, 1252).into_owned();
    Some(Package { label: text(label), path: text(path), octets: octets.slice(start..end) })
}

fn base_name(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

/// MS-OLEDS 2.2.4 and 2.2.5: an object as RTF and old Word hold it.
pub(in crate::message::document) fn open_object(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    look_for_moniker(octets, opening);
    let Some(object) = read_object(octets) else {
        // Not what it should be: a compound file may begin anywhere within.
        return open_anything(octets, opening);
    };
    look_at_name(&object.class, opening);
    if object.is_link {
        opening.remark("OBJECT_EXTERNAL", format!("link {}", object.topic));
        tell(judge_target(Load::Object, &object.topic), opening);
    }
    if object.class.eq_ignore_ascii_case("package") && open_package(&object.octets, opening)? {
        return Ok(());
    }
    if open_package(&object.octets, opening)? {
        return Ok(());
    }
    open_anything(&object.octets, opening)
}

/// A file whose first octets were tampered with, found by its signature.
fn open_anything(octets: &Bytes, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
    match find_from(octets, super::compound::SIGNATURE, 1) {
        Some(at) if !octets.starts_with(super::compound::SIGNATURE) => {
            opening.member("object", octets.slice(at..))
        }
        _ if octets.is_empty() => Ok(()),
        _ => opening.member("object", octets.clone()),
    }
}

struct Object {
    class: String,
    topic: String,
    is_link: bool,
    octets: Bytes,
}

fn read_object(octets: &Bytes) -> Option<Object> {
    // The version is not looked at by Word, so hostile files fill it with rubbish.
    let format = le32(octets, 4)?;
    let (class, at) = sized_text(octets, 8)?;
    let (topic, at) = sized_text(octets, at)?;
    let (_, at) = sized_text(octets, at)?;
    let is_link = format == 1;
    let at = if is_link { at + 4 } else { at };
    let size = le32(octets, at).map_or(0, place);
    let start = at.saturating_add(4).min(octets.len());
    let end = start.saturating_add(size).min(octets.len());
    Some(Object { class, topic, is_link, octets: octets.slice(start..end) })
}

/// MS-OLEDS 2.1.4: a length and as many octets, the last of them zero.
fn sized_text(octets: &[u8], at: usize) -> Option<(String, usize)> {
    let length = place(le32(octets, at)?);
    if length > 4_096 {
        return None;
    }
    let text = octets.get(at + 4..(at + 4).checked_add(length)?)?;
    let text = text.split(|octet| *octet == 0).next().unwrap_or_default();
    Some((code_page::decode(text, 1252).into_owned(), at + 4 + length))
}

/// A package, as tests need it.
#[cfg(test)]
pub(in crate::message) fn package_of(label: &str, path: &str, content: &[u8]) -> Vec<u8> {
    let mut package = vec![2, 0];
    for name in [label, path] {
        package.extend_from_slice(name.as_bytes());
        package.push(0);
    }
    package.extend_from_slice(&[0, 0, 3, 0]);
    package.extend_from_slice(&(path.len() as u32 + 1).to_le_bytes());
    package.extend_from_slice(path.as_bytes());
    package.push(0);
    package.extend_from_slice(&(content.len() as u32).to_le_bytes());
    package.extend_from_slice(content);
    package
}

/// An object, as tests need it.
#[cfg(test)]
pub(in crate::message) fn object_of(class: &str, native: &[u8]) -> Vec<u8> {
    let mut object = b"\x01\x05\0\0\x02\0\0\0".to_vec();
    object.extend_from_slice(&(class.len() as u32 + 1).to_le_bytes());
    object.extend_from_slice(class.as_bytes());
    object.push(0);
    object.extend_from_slice(&[0; 8]);
    object.extend_from_slice(&(native.len() as u32).to_le_bytes());
    object.extend_from_slice(native);
    object
}
