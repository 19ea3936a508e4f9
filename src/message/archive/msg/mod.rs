//! Outlook messages (MS-OXMSG).
//!
//! In: a compound file. Out: subject and bodies as texts, the HTML and RTF bodies also as
//! members, since scripts and objects lie in them; attachments as members with their long
//! names, attached messages with all that they hold. Where a property stands several times,
//! in Unicode and not, all are read. Streams that lie outside of the tree, or whose names are
//! none of this format, are members too; a file whose tables or directory are broken is
//! ARCHIVE_DAMAGED, whatever was found in it.

#[cfg(test)]
pub(super) mod tests;

use bytes::Bytes;

use super::{compressed_rtf, label};
use crate::message::contents::{Closed, Exhausted, Opening, Unpacked};
use crate::message::document::ole::compound::{Compound, Entry, EntryKind};
use crate::message::html_to_text;

/// Messages in messages that are followed within one file.
const DEPTH: usize = 16;

/// Properties (MS-OXPROPS).
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

/// How the streams of properties are named.
const STREAM: &str = "__substg1.0_";

/// Takes an Outlook message apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let Some(file) = Compound::read(octets, opening)? else {
        opening.closed(Closed::Damaged, "no directory");
        return Ok(());
    };
    let read = vec![false; file.entries().len()];
    let mut message = Message { file: &file, read, is_damaged: !file.is_sound() };
    if let Some(root) = file.root() {
        message.walk(root, "", 0, opening)?;
    }
    message.walk_rest(opening)?;
    if message.is_damaged {
        opening.closed(Closed::Damaged, "compound file");
    }
    Ok(())
}

struct Message<'c> {
    file: &'c Compound,
    /// Streams, by their numbers.
    read: Vec<bool>,
    is_damaged: bool,
}

impl<'c> Message<'c> {
    /// Walks through a message; `label` stands before the names of what it holds.
    fn walk(
        &mut self,
        storage: usize,
        label: &str,
        depth: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        for property in [SUBJECT, BODY] {
            for text in self.texts(storage, property, opening)? {
                opening.text(&text);
            }
        }
        for html in self.properties(storage, HTML, opening)? {
            opening.text(&html_to_text(&label::of_octets_whole(&html)));
            opening.member(&label::within(label, "body.html"), html)?;
        }
        for packed in self.properties(storage, RTF, opening)? {
            compressed_rtf::open(&label::within(label, "body.rtf"), &packed, opening)?;
        }
        for (number, entry) in self.entries(storage) {
            opening.pay_time()?;
            if entry.kind != EntryKind::Stream && begins(&entry.name, "__attach_version1.0") {
                self.walk_attachment(number, label, depth, opening)?;
            }
        }
        Ok(())
    }

    fn walk_attachment(
        &mut self,
        storage: usize,
        label: &str,
        depth: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        let mut name = String::new();
        for property in [LONG_NAME, SHORT_NAME, DISPLAY_NAME] {
            if name.is_empty() {
                name =
                    self.texts(storage, property, opening)?.into_iter().next().unwrap_or_default();
            }
        }
        if !name.contains('.')
            && let Some(extension) = self.texts(storage, EXTENSION, opening)?.first()
        {
            name = format!("{name}.{}", extension.trim_start_matches('.'));
        }
        let name = label::within(label, &name);
        let declared = self.texts(storage, MEDIA_TYPE, opening)?.into_iter().next();
        let declared = declared.map(|kind| kind.to_ascii_lowercase());
        for (number, entry) in self.entries(storage) {
            if !entry.name.contains(DATA) {
                continue;
            }
            if entry.kind == EntryKind::Stream {
                let content = self.read(number, opening)?;
                opening.typed_unpacked_member(&name, declared.clone(), content)?;
            } else {
                self.walk_object(number, &name, depth, opening)?;
            }
        }
        Ok(())
    }

    /// A storage as an attachment: a message, or an object of some program, whose streams are
    /// members.
    fn walk_object(
        &mut self,
        storage: usize,
        label: &str,
        depth: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        if depth >= DEPTH {
            return opening.closed_member(label, 0, Closed::TooDeep);
        }
        if self.entries(storage).any(|(_, entry)| begins(&entry.name, "__properties")) {
            return self.walk(storage, label, depth + 1, opening);
        }
        for (number, entry) in self.entries(storage) {
            let name = label::within(label, &entry.name);
            if entry.kind == EntryKind::Stream {
                let content = self.read(number, opening)?;
                opening.unpacked_member(&name, content)?;
            } else {
                self.walk_object(number, &name, depth + 1, opening)?;
            }
        }
        Ok(())
    }

    /// Streams that the walk did not come to: the directory's tree does not lead there, or what
    /// led there has a name that it should not have.
    fn walk_rest(&mut self, opening: &mut Opening<'_, '_>) -> Result<(), Exhausted> {
        for (number, entry) in self.file.entries().iter().enumerate() {
            let is_read = self.read.get(number).copied().unwrap_or_default();
            if is_read || entry.kind != EntryKind::Stream || entry.octets == 0 {
                continue;
            }
            let is_orphan = entry.parent.is_none();
            self.is_damaged |= is_orphan;
            if is_orphan || !is_passive(&entry.name) {
                let content = self.read(number, opening)?;
                opening.unpacked_member(&self.file.path(number), content)?;
            }
        }
        Ok(())
    }

    /// What lies in a storage.
    fn entries(&self, storage: usize) -> impl Iterator<Item = (usize, &'c Entry)> + use<'c> {
        let file = self.file;
        file.children(storage).filter_map(|number| Some((number, file.entry(number)?)))
    }

    fn read(
        &mut self,
        number: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Unpacked, Exhausted> {
        opening.pay_time()?;
        if let Some(read) = self.read.get_mut(number) {
            *read = true;
        }
        let stream = self.file.stream(number, opening)?;
        self.is_damaged |= !stream.is_sound;
        let trouble = (!stream.is_sound).then_some(Closed::Damaged);
        Ok(Unpacked { octets: stream.octets, trouble })
    }

    /// The octets of a property, of each type that it is there in, text in UTF-8.
    fn properties(
        &mut self,
        storage: usize,
        property: &str,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Vec<Bytes>, Exhausted> {
        let mut found = Vec::new();
        for (number, entry) in self.entries(storage) {
            let Some((tag, kind)) = tag_of(&entry.name) else { continue };
            if entry.kind != EntryKind::Stream || !tag.eq_ignore_ascii_case(property) {
                continue;
            }
            let octets = self.read(number, opening)?.octets;
            found.push(match kind.eq_ignore_ascii_case("001F") {
                true => label::of_utf16_le_whole(&octets).into(),
                false => octets,
            });
        }
        Ok(found)
    }

    /// The texts of a property that are not empty.
    fn texts(
        &mut self,
        storage: usize,
        property: &str,
        opening: &mut Opening<'_, '_>,
    ) -> Result<Vec<String>, Exhausted> {
        let octets = self.properties(storage, property, opening)?;
        let text = |octets: Bytes| {
            let text = label::of_octets_whole(&octets);
            text.trim_end_matches('\0').to_owned()
        };
        Ok(octets.into_iter().map(text).filter(|text| !text.is_empty()).collect())
    }
}

/// Property and type in the name of a stream: `__substg1.0_` and four digits each (section
/// 2.1.3).
fn tag_of(name: &str) -> Option<(&str, &str)> {
    let tag = name.get(STREAM.len()..).filter(|_| begins(name, STREAM))?;
    tag.split_at_checked(4)
}

/// Whether a stream of this name holds only what a message says of itself and its recipients.
fn is_passive(name: &str) -> bool {
    let is_property = |(tag, kind): (&str, &str)| {
        let is_number = |text: &str| text.chars().all(|letter| letter.is_ascii_hexdigit());
        is_number(tag) && kind.get(..4).is_some_and(is_number) && tag != DATA
    };
    begins(name, "__properties_version1.0") || tag_of(name).is_some_and(is_property)
}

/// MS-CFB section 2.6.4: case does not matter in names.
fn begins(name: &str, wanted: &str) -> bool {
    name.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
}
