//! The table of modules of a VBA project, and whether a password keeps people from it.
//!
//! In: the unpacked `dir` stream (MS-OVBA 2.3.4.2) and the `PROJECT` stream (2.3.1). Out:
//! code page, modules with their streams and offsets, and the password's presence. Records of
//! unknown kinds are skipped by their sizes; what is cut off ends the list.

use std::borrow::Cow;

use crate::message::document::code_page;
use crate::message::fixed::{le16, le32, place, slice, utf16_le};

/// A module as the table names it.
#[derive(Debug, Default, Clone)]
pub(super) struct Module {
    pub(super) name: String,
    /// The names that its stream may have, most likely first.
    pub(super) streams: Vec<String>,
    /// Where in its stream the source begins; before it stands compiled code.
    pub(super) source_at: usize,
}

/// What the table says.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) code_page: u32,
    pub(super) modules: Vec<Module>,
}

/// More modules than any program has.
const MODULES: usize = 4_096;

/// Section 2.3.4.2: records of kind, size and data.
pub(super) fn read_table(dir: &[u8]) -> Table {
    let mut table = Table { code_page: 1252, modules: Vec::new() };
    let mut at = 0;
    while let (Some(kind), Some(size)) = (le16(dir, at), le32(dir, at + 2)) {
        // Section 2.3.4.2.1.11: the version has two octets more than it says.
        let size = if kind == 0x0009 { 6 } else { place(size) };
        let data = slice(dir, at + 6, size);
        let code_page = table.code_page;
        let text = || code_page::decode(data, code_page).into_owned();
        let modules = table.modules.len();
        match (kind, table.modules.last_mut()) {
            (0x0003, _) => table.code_page = le16(data, 0).map_or(1252, u32::from),
            (0x0019, _) if modules < MODULES => {
                let name = text();
                let streams = vec![name.clone()];
                table.modules.push(Module { name, streams, source_at: 0 });
            }
            (0x001a, _) => {
                let name = text();
                if let Some(module) = table.modules.last_mut() {
                    module.streams.insert(0, name);
                }
            }
            (0x0032, Some(module)) => module.streams.insert(0, utf16_le(data)),
            (0x0047, Some(module)) => module.streams.push(utf16_le(data)),
            (0x0031, Some(module)) => module.source_at = le32(data, 0).map_or(0, place),
            _ => {}
        }
        at = at.saturating_add(6).saturating_add(size);
    }
    table
}

/// Section 2.3.1.16: whether the field `DPB` of the PROJECT stream holds a password.
pub(super) fn has_password(project: &[u8]) -> bool {
    let text: Cow<'_, str> = String::from_utf8_lossy(project);
    let field = text.lines().find_map(|line| line.trim().strip_prefix("DPB="));
    let Some(data) = field.and_then(|field| decrypt(field.trim().trim_matches('"'))) else {
        return false;
    };
    data.iter().any(|octet| *octet != 0)
}

/// Section 2.4.3.3: the obfuscation of such fields; the data without its length.
fn decrypt(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks_exact(2).take(512);
    let octets: Option<Vec<u8>> =
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let octets = octets?;
    let (seed, rest) = octets.split_first()?;
    let (version, rest) = rest.split_first()?;
    let (key, rest) = rest.split_first()?;
    let (mut plain, mut last, mut before) = (seed ^ key, *key, *version);
    let mut data = Vec::new();
    for octet in rest {
        plain = octet ^ before.wrapping_add(plain);
        (before, last) = (last, *octet);
        data.push(plain);
    }
    let ignored = usize::from((seed & 6) / 2);
    data.get(ignored + 4..).map(<[u8]>::to_vec)
}

/// A table of modules, as tests need it: names and offsets.
#[cfg(test)]
pub(in crate::message) fn table_of(modules: &[(&str, u32)]) -> Vec<u8> {
    let mut dir = Vec::new();
    let mut record = |kind: u16, data: &[u8]| {
        dir.extend_from_slice(&kind.to_le_bytes());
        dir.extend_from_slice(&(data.len() as u32).to_le_bytes());
        dir.extend_from_slice(data);
    };
    record(0x0001, &1u32.to_le_bytes());
    record(0x0003, &1252u16.to_le_bytes());
    for (name, source_at) in modules {
        record(0x0019, name.as_bytes());
        record(0x001a, name.as_bytes());
        record(0x0031, &source_at.to_le_bytes());
        record(0x0021, b"");
        record(0x002b, b"");
    }
    dir
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let mut dir = b"\x09\0\x04\0\0\0\x01\x02\x03\x04\x05\x06".to_vec();
        dir.extend(table_of(&[("ThisDocument", 77), ("Module1", 0)]));
        let table = read_table(&dir);
        let names: Vec<&str> = table.modules.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["ThisDocument", "Module1"]);
        assert_eq!(table.modules[0].source_at, 77);
        for end in 0..dir.len() {
            read_table(&dir[..end]);
        }
        assert!(read_table(b"\x19\0\xff\xff\xff\xff").modules.len() <= 1);
    }

    #[test]
    fn passwords_are_seen() {
        // The example of MS-OVBA 3.1.1: no password.
        assert!(!has_password(b"ID=\"{0}\"\r\nDPB=\"0705D8E3D8EDDBF1DBF1DBF1DBF1\"\r\n"));
        assert!(has_password(
            b"DPB=\"8A88A1B1C0DEC0DEC0DE11223344556677889900AABBCCDDEEFF00112233445566778899\""
        ));
        assert!(!has_password(b"DPB=\"zz\"") && !has_password(b"DPB=") && !has_password(b""));
    }
}
