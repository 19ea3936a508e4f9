//! Outlook messages ([MS-OXMSG]).
//!
//! In: a compound file. Out: subject and bodies as texts, the HTML and RTF bodies also as
//! members, since scripts and objects lie in them; attachments as members with their long
//! names, attached messages with all that they hold. The compound file is read by the crate
//! `cfb` behind a guard against panics; each stream is read within the limits.

#[cfg(test)]
pub(super) mod tests;

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cfb::CompoundFile;

use super::compressed_rtf;
use super::guard::{Guarded, guarded};
use super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::html_to_text;

type Compound = CompoundFile<Cursor<Bytes>>;

/// Messages in messages that are followed within one file.
const DEPTH: usize = 16;

/// Properties ([MS-OXPROPS]).
const SUBJECT: &str = "0037";
const BODY: &str = "1000";
const RTF: &str = "1009";
const HTML: &str = "1013";
const DATA: &str = "3701";
const EXTENSION: &str = "3703";
const SHORT_NAME: &str = "3704";
const LONG_NAME: &str = "3707";
const MEDIA_TYPE: &str = "370E";
const DISPLAY_NAME: &str = "3001";

/// Takes an Outlook message apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let file = Cursor::new(octets.clone());
    match guarded(|| CompoundFile::open(file).ok()).flatten() {
        Some(mut compound) => {
            let packed = octets.len() as u64;
            Message { compound: &mut compound, packed }.walk(Path::new("/"), "", 0, opening)
        }
        None => {
            opening.closed(Closed::Damaged, "not a compound file");
            Ok(())
        }
    }
}

/// A stream or storage.
struct Entry {
    name: String,
    path: PathBuf,
    is_stream: bool,
}

struct Message<'c> {
    compound: &'c mut Compound,
    packed: u64,
}

impl Message<'_> {
    /// Walks through a message; `label` stands before the names of what it holds.
    fn walk(
        &mut self,
        storage: &Path,
        label: &str,
        depth: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let entries = self.entries(storage, opening)?;
        for name in [SUBJECT, BODY] {
            if let Some(text) = self.text(&entries, name, opening)? {
                opening.text(&text);
            }
        }
        if let Some(html) = self.octets(&entries, HTML, opening)? {
            opening.text(&html_to_text(&label::of_octets_whole(&html)));
            opening.member(&label::within(label, "body.html"), html)?;
        }
        if let Some(packed) = self.octets(&entries, RTF, opening)? {
            let name = label::within(label, "body.rtf");
            compressed_rtf::open(&name, &packed, opening)?;
        }
        for entry in entries.iter().filter(|entry| !entry.is_stream) {
            opening.pay_time()?;
            if entry.name.starts_with("__attach_version1.0") {
                self.walk_attachment(&entry.path, label, depth, opening)?;
            }
        }
        Ok(())
    }

    fn walk_attachment(
        &mut self,
        storage: &Path,
        label: &str,
        depth: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let entries = self.entries(storage, opening)?;
        let mut name = None;
        for property in [LONG_NAME, SHORT_NAME, DISPLAY_NAME] {
            if name.is_none() {
                let text = self.text(&entries, property, opening)?;
                name = text.filter(|text| !text.is_empty());
            }
        }
        let mut name = name.unwrap_or_default();
        if !name.contains('.')
            && let Some(extension) = self.text(&entries, EXTENSION, opening)?
        {
            name = format!("{name}.{}", extension.trim_start_matches('.'));
        }
        let name = label::within(label, &name);
        let declared = self.text(&entries, MEDIA_TYPE, opening)?;
        let data = entries.iter().filter(|entry| entry.name.contains(DATA));
        for entry in data {
            match entry.is_stream {
                true => {
                    let (content, trouble) = self.read(&entry.path, opening)?;
                    let declared = declared.clone().map(|kind| kind.to_ascii_lowercase());
                    match trouble {
                        None => opening.typed_member(&name, declared, content)?,
                        Some(why) => opening.broken_member(&name, content, why)?,
                    }
                }
                false if depth >= DEPTH => opening.closed_member(&name, 0, Closed::TooDeep)?,
                false => self.walk_object(&entry.path, &name, depth, opening)?,
            }
        }
        Ok(())
    }

    /// A storage as an attachment: a message, or an object of some program, whose streams are
    /// members.
    fn walk_object(
        &mut self,
        storage: &Path,
        label: &str,
        depth: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let entries = self.entries(storage, opening)?;
        if entries.iter().any(|entry| entry.name.starts_with("__properties")) {
            return self.walk(storage, label, depth + 1, opening);
        }
        for entry in &entries {
            let name = label::within(label, &entry.name);
            if entry.is_stream {
                let (content, trouble) = self.read(&entry.path, opening)?;
                match trouble {
                    None => opening.member(&name, content)?,
                    Some(why) => opening.broken_member(&name, content, why)?,
                }
            } else if depth < DEPTH {
                self.walk_object(&entry.path, &name, depth + 1, opening)?;
            }
        }
        Ok(())
    }

    fn entries(
        &mut self,
        storage: &Path,
        opening: &Opening<'_, '_>,
    ) -> Result<Vec<Entry>, Exhausted> {
        opening.pay_time()?;
        let compound = &*self.compound;
        let listed = guarded(|| {
            let entries = compound.read_storage(storage).ok()?;
            let entry = |entry: cfb::Entry| Entry {
                name: entry.name().to_owned(),
                path: entry.path().to_owned(),
                is_stream: entry.is_stream(),
            };
            Some(entries.map(entry).collect())
        });
        Ok(listed.flatten().unwrap_or_default())
    }

    fn read(
        &mut self,
        path: &Path,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(Bytes, Option<Closed>), Exhausted> {
        let compound = &mut *self.compound;
        match guarded(|| compound.open_stream(path).ok()).flatten() {
            Some(stream) => {
                let length = stream.len();
                let reader = Guarded::new(stream.take(length));
                let unpacked = opening.unpack(reader, self.packed)?;
                Ok((unpacked.octets, unpacked.trouble))
            }
            None => Ok((Bytes::new(), Some(Closed::Damaged))),
        }
    }

    /// The octets of a property, whatever its type.
    fn octets(
        &mut self,
        entries: &[Entry],
        property: &str,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Option<Bytes>, Exhausted> {
        let Some((entry, kind)) = find(entries, property) else { return Ok(None) };
        let (octets, _) = self.read(&entry.path, opening)?;
        Ok(Some(match kind {
            "001F" => label::of_utf16_le_whole(&octets).into(),
            _ => octets,
        }))
    }

    /// The text of a property.
    fn text(
        &mut self,
        entries: &[Entry],
        property: &str,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Option<String>, Exhausted> {
        let octets = self.octets(entries, property, opening)?;
        let text = octets.map(|octets| label::of_octets_whole(&octets));
        Ok(text.map(|text| text.trim_end_matches('\0').to_owned()))
    }
}

/// The stream of a property, and its type: `__substg1.0_` and four digits each.
fn find<'e>(entries: &'e [Entry], property: &str) -> Option<(&'e Entry, &'e str)> {
    entries.iter().filter(|entry| entry.is_stream).find_map(|entry| {
        let tag = entry.name.strip_prefix("__substg1.0_")?;
        let (number, kind) = tag.split_at_checked(4)?;
        number.eq_ignore_ascii_case(property).then_some((entry, kind))
    })
}
