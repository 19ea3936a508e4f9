//! The files of a message: what they are, what is remarkable about them, and what their names
//! pretend.
//!
//! In: the [`Contents`] of a message. Out: sightings whose detail begins with the path of the
//! file (`invoice.zip/docs/readme.docx: …`). Linear in the number of files. Whether a file may
//! come in is for the policy to say; here it is only seen.

mod names;
mod password;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::Sighting;
use crate::config::UnpackLimits;
use crate::mail::Family;
use crate::message::contents::{Closed, Contents, Item, Limits};
use crate::message::{Anatomy, Kind, Nature, Part, Place, Zone, html_to_text};

/// Octets of text that stand in the place of a file.
const SAFE_COPY_OCTETS: usize = 1 << 20;
/// Sightings of one name; the rest is counted.
const SAME_NAME: usize = 8;

/// The files of a message, and what is needed to take them out of it.
#[derive(Debug, Clone, Default)]
pub struct Enclosures {
    /// What they are.
    pub contents: Arc<Contents>,
    /// Where each part lies, by its number; none where it cannot be cut out.
    pub places: Vec<Option<Place>>,
    /// The texts of parts for safe copies, by number; only where rules may ask for them.
    pub texts: BTreeMap<usize, String>,
    /// The numbers of the parts that sign what stands before them.
    signatures: BTreeSet<usize>,
}

/// The last of the two parts of `multipart/signed`, RFC 1847 section 2.1.
fn signs(anatomy: &Anatomy, at: usize, part: &Part) -> bool {
    const TYPES: [&str; 3] = ["pkcs7-signature", "x-pkcs7-signature", "pgp-signature"];
    let Some(holder) = part.parent else { return false };
    let is_signed = anatomy.parts.get(holder).is_some_and(|holder| {
        (&*holder.media.main, &*holder.media.subtype) == ("multipart", "signed")
    });
    let of_holder = || (0..).zip(&anatomy.parts).filter(|(_, one)| one.parent == Some(holder));
    is_signed
        && part.media.main == "application"
        && TYPES.contains(&&*part.media.subtype)
        && of_holder().nth(1).is_some_and(|(second, _): (usize, _)| second == at)
        && of_holder().nth(2).is_none()
}

impl Enclosures {
    /// Puts together what is known of the files of a message.
    pub fn of(message: &Bytes, anatomy: &Anatomy, contents: Arc<Contents>) -> Enclosures {
        // What only another reading shows lies across the parts of the usual one.
        let place = |part: &Part| part.place_in(message).filter(|_| part.is_main());
        let places = anatomy.parts.iter().map(place).collect();
        let parts = (0..).zip(&anatomy.parts);
        let signatures = parts.filter(|(at, part)| signs(anatomy, *at, part)).map(|(at, _)| at);
        let signatures = signatures.collect();
        Enclosures { contents, places, texts: BTreeMap::new(), signatures }
    }

    /// Whether an item is the signature of a signed mail, and nothing but that.
    pub fn is_signature(&self, number: usize) -> bool {
        let items = &self.contents.items;
        let is_one = |item: &Item| {
            item.parent.is_none()
                && self.signatures.contains(&item.part)
                && matches!(item.nature, Nature::Cms | Nature::PgpSignature)
        };
        items.get(number).is_some_and(is_one)
            && !items.iter().any(|item| item.parent == Some(number))
    }

    /// Gathers the texts of all files, for rules that put them in the place of the files.
    pub fn gather_texts(&mut self, anatomy: &Anatomy, limits: Limits) {
        for (number, part) in anatomy.parts.iter().enumerate().filter(|(_, part)| part.is_leaf()) {
            let text = match part.kind {
                Kind::Text => part.text(),
                Kind::Html => html_to_text(&part.text()),
                _ => Contents::text_of(part, limits, SAFE_COPY_OCTETS),
            };
            let end = text.floor_char_boundary(SAFE_COPY_OCTETS.min(text.len()));
            self.texts.insert(number, text.get(..end).unwrap_or_default().to_owned());
        }
    }
}

/// Whether the name of a file ends in a trusted extension and one that does something.
pub fn is_double(item: &Item) -> bool {
    item.names().any(|name| names::double_extension(name).is_some())
}

/// Whether a file that does something pretends to be harmless.
pub fn is_hidden_type(item: &Item) -> bool {
    names::pretended(item).is_some()
}

/// The limits of the walk by the configuration.
pub fn limits(configured: &UnpackLimits) -> Limits {
    Limits {
        depth: configured.depth,
        members: configured.members,
        octets: configured.octets,
        member_octets: configured.member_octets,
        ratio: configured.ratio,
        time: configured.time(),
        ..Limits::default()
    }
}

/// The names of all files that came in files, one a line, and whether there are any: content
/// rules look for names there, too.
pub fn inner_names(contents: &Contents) -> Option<String> {
    let inner = contents.items.iter().filter(|item| item.parent.is_some());
    let names: Vec<&str> = inner.map(|item| item.path.as_str()).collect();
    (!names.is_empty()).then(|| Zone::Filename.normal_form(&names.join("\n")))
}

/// Says what is remarkable about the files of a message.
pub fn look(anatomy: &Anatomy, contents: &Contents) -> Vec<Sighting> {
    let mut seen = Seen::default();
    for remark in &contents.remarks {
        seen.add(remark.name, 1.0, contents.place(remark));
    }
    for item in &contents.items {
        look_at(item, &mut seen);
    }
    if contents.items.iter().any(|item| item.closed == Some(Closed::Encrypted))
        && let Some(words) = password::told_in_text(anatomy)
    {
        seen.add("ARCHIVE_PASSWORD_TOLD", 1.0, words);
    }
    seen.finish()
}

fn look_at(item: &Item, seen: &mut Seen) {
    let family = item.nature.family();
    let name = match family {
        Family::Executable => Some("FILE_EXECUTABLE"),
        Family::Script => Some("FILE_SCRIPT"),
        Family::Shortcut => Some("FILE_SHORTCUT"),
        Family::DiskImage => Some("FILE_DISK_IMAGE"),
        _ => None,
    };
    let place = |what: &str| format!("{}: {what}", item.path);
    if let Some(name) = name {
        // In an archive it is meant to be unseen.
        let strength = if item.depth > 0 { 1.5 } else { 1.0 };
        seen.add(name, strength, place(item.nature.words()));
    }
    if let Some(pretended) = names::pretended(item) {
        seen.add("FILE_TYPE_HIDDEN", 1.0, place(&pretended));
    }
    if let Some(shown) = item.names().find_map(names::double_extension) {
        seen.add("FILE_DOUBLE_EXTENSION", 1.0, place(&shown));
    }
    if item.names().any(names::is_padded) {
        seen.add("FILE_NAME_PADDED", 1.0, place("spaces push its extension out of sight"));
    }
}

/// Sightings, a few of each name.
#[derive(Default)]
struct Seen {
    sightings: Vec<Sighting>,
    times: HashMap<&'static str, usize>,
}

impl Seen {
    fn add(&mut self, name: &'static str, strength: f32, detail: String) {
        let times = self.times.entry(name).or_default();
        *times += 1;
        if *times == 1 {
            self.sightings.push(Sighting::strong(name, strength, detail));
        } else if *times <= SAME_NAME {
            // Named, but not weighed again: ten programs are no worse than one.
            self.sightings.push(Sighting::strong(name, 0.0, detail));
        }
    }

    fn finish(mut self) -> Vec<Sighting> {
        for (name, times) in self.times {
            let more = times.saturating_sub(SAME_NAME);
            let first = self.sightings.iter_mut().find(|one| one.name == name);
            if let Some(first) = first.filter(|_| more > 0) {
                first.detail.push_str(&format!(" (and {more} more)"));
            }
        }
        self.sightings
    }
}
