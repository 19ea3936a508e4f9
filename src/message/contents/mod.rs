//! Everything that a message carries: the files in its parts, the files in these, and so on
//! down, within limits.
//!
//! In: an [`Anatomy`]. Out: [`Contents`]: what each file is and where it lies, what was
//! remarkable about it; the texts found are given to a reader on the way. The walk goes depth
//! first: a file is opened, what it holds is walked, and only then its next member is
//! unpacked, so that no more than one file a level lies in memory, but for those that are
//! kept for the virus scanner. Names within archives are words shown to people; they never
//! reach a file system or a shell, and nothing is executed.
//!
//! An opener is a function in `archive/` or `document/` that takes the octets of a file apart
//! and tells its [`Opening`] what it found. It cannot fail: what it cannot read becomes a
//! remark. It stops when the purse is empty ([`Exhausted`]), which is a remark of the whole
//! message. A reader's panic is the caller's to catch.

mod open;
mod opening;
mod purse;
#[cfg(test)]
mod tests;

pub use opening::{Closed, Opening, Unpacked};
pub use purse::{Exhausted, Limits, Purse, RATIO_FREE_OCTETS};

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use bytes::Bytes;
use ring::digest;

use super::archive::embedded::{self, Met};
use super::archive::zip;
use super::nature::{self, Nature};
use super::text::Zone;
use super::{Anatomy, Part};
use crate::mail::Family;

/// A file that a message carries.
#[derive(Debug, Clone)]
pub struct Item {
    /// The names from the outermost file to this one, joined by `/`; what has no name is
    /// called by its number. For people only.
    pub path: String,
    /// Its own name as its reader sees it, of several the most dangerous; empty when it has
    /// none.
    pub name: String,
    /// Further names that some reader gives it.
    pub other_names: Vec<String>,
    /// It is text of the message that is shown where it stands, and no file.
    pub is_shown: bool,
    /// The number of the message's part that it came with.
    pub part: usize,
    /// The number of the item that holds it.
    pub parent: Option<usize>,
    /// How many files it lies in.
    pub depth: u8,
    /// What it is.
    pub nature: Nature,
    /// The type that its container or header claims, in lower case, where one does.
    pub declared: Option<String>,
    /// Its size in octets; of one that cannot be read, what its container says.
    pub octets: u64,
    /// Why it could not be read, if so.
    pub closed: Option<Closed>,
    /// Its octets, where they are kept: files of the message's own parts that are more than
    /// text, and unpacked files, as far as the limit goes.
    pub content: Option<Bytes>,
}

impl Item {
    /// Every name that some reader gives it; none when it has none.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = std::iter::once(&self.name).chain(&self.other_names);
        names.map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// Something remarkable about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The name of its finding, which `rules/weights/` knows.
    pub name: &'static str,
    /// The number of the file.
    pub item: usize,
    /// Where in the file and what, in a few words.
    pub detail: String,
    /// How many times it was seen in this file.
    pub times: u32,
}

/// All that a message carries.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// A file stands behind the one that holds it.
    pub items: Vec<Item>,
    /// Each name at most once a file.
    pub remarks: Vec<Remark>,
    /// The limit that ended the walk, if one did: there is more than was looked at.
    pub exhausted: Option<Exhausted>,
}

impl Contents {
    /// Walks through all that a message carries, and gives the texts in it to `reader`.
    pub fn of(anatomy: &Anatomy, limits: Limits, reader: &mut dyn FnMut(Zone, &str)) -> Contents {
        let mut walk = Walk::new(limits, reader);
        let mut known = Known::of(anatomy);
        for (number, part) in anatomy.parts.iter().enumerate() {
            if !part.is_leaf() || !known.is_new(part) {
                continue;
            }
            let file = File::of(part);
            if walk.contents.exhausted.is_some() {
                walk.list(file, number);
                continue;
            }
            let walked = walk.visit(file, number, None);
            if let Err(exhausted) = walked.and_then(|()| walk.visit_hidden_text(part, number)) {
                walk.contents.exhausted = Some(exhausted);
                walk.remark_limit(exhausted);
            }
        }
        walk.remark_wrappings();
        walk.contents
    }

    /// The texts of the files in one part of a message, as far as `most_octets`, one behind the
    /// other.
    pub fn text_of(part: &Part, limits: Limits, most_octets: usize) -> String {
        let mut texts = String::new();
        let mut reader = |_: Zone, text: &str| {
            let room = most_octets.saturating_sub(texts.len());
            let end = text.floor_char_boundary(room.min(text.len()));
            texts.push_str(text.get(..end).unwrap_or_default());
            texts.push('\n');
        };
        // What lies beyond a limit is left away; the walk of the whole message tells of it.
        Walk::new(limits, &mut reader).visit(File::of(part), 0, None).ok();
        texts
    }

    /// Walks through one file that came with no message, and gives the texts in it to `reader`.
    pub fn of_loose_file(
        name: &str,
        octets: &Bytes,
        limits: Limits,
        reader: &mut dyn FnMut(Zone, &str),
    ) -> Contents {
        let mut walk = Walk::new(limits, reader);
        let file = File::named(name, None, octets.clone());
        if let Err(exhausted) = walk.visit(file, 0, None) {
            walk.contents.exhausted = Some(exhausted);
            walk.remark_limit(exhausted);
        }
        walk.contents
    }

    /// Walks through one file as if it were of this nature, whatever its octets say.
    pub(in crate::message) fn of_file(
        nature: Nature,
        name: &str,
        octets: &Bytes,
        limits: Limits,
        reader: &mut dyn FnMut(Zone, &str),
    ) -> Contents {
        let mut walk = Walk::new(limits, reader);
        let number = walk.note(name, None, octets.len() as u64, 0, None);
        if let Some(item) = walk.contents.items.get_mut(number) {
            item.nature = nature;
        }
        let file = File::named(name, None, octets.clone());
        if let Err(exhausted) = walk.open(&[nature], &file, number) {
            walk.contents.exhausted = Some(exhausted);
            walk.remark_limit(exhausted);
        }
        walk.contents
    }

    /// Lets go of the octets of all files; what they are stays known.
    pub fn forget_octets(&mut self) {
        self.items.iter_mut().for_each(|item| item.content = None);
    }

    /// Whether a remark of this name stands beside every file that it was made of. It does not
    /// when there were too many to tell of, nor when it is about what was not walked through.
    pub fn tells_all(&self, name: &str) -> bool {
        let files = self.remarks.iter().filter(|remark| remark.name == name).count();
        files < REMARKS_A_NAME && name != "ARCHIVE_LIMIT"
    }

    /// `path: detail`, as findings show it.
    pub fn place(&self, remark: &Remark) -> String {
        let path = self.items.get(remark.item).map_or("", |item| item.path.as_str());
        let times = match remark.times {
            0 | 1 => String::new(),
            times => format!(" ({times} times)"),
        };
        match remark.detail.is_empty() {
            true => format!("{path}{times}"),
            false => format!("{path}: {}{times}", remark.detail),
        }
    }
}

/// The files of the usual reading, where there are others: readings that differ in the type
/// alone hold the same file, which is walked through once, unless the type decides what opens
/// it.
struct Known {
    /// Empty when there is one reading only.
    files: Option<(RandomState, HashSet<u64>)>,
}

impl Known {
    fn of(anatomy: &Anatomy) -> Known {
        let has_others = anatomy.parts.iter().any(|part| !part.is_main());
        Known { files: has_others.then(Default::default) }
    }

    fn is_new(&mut self, part: &Part) -> bool {
        let Some((hasher, files)) = &mut self.files else { return true };
        let octets: &[u8] = &part.decoded();
        let name = part.media.worst_name();
        let kind = match name.is_empty() && !part.is_shown() {
            true => nature::extension_of(&part.declared()),
            false => "",
        };
        let key = hasher.hash_one((octets, name, kind));
        files.insert(key) || part.is_main()
    }
}

/// A file that is to be walked through.
pub(super) struct File {
    pub(super) name: String,
    pub(super) other_names: Vec<String>,
    pub(super) declared: Option<String>,
    pub(super) is_shown: bool,
    pub(super) octets: Bytes,
}

impl File {
    fn of(part: &Part) -> File {
        // Under whichever name it is most dangerous.
        let name = part.media.worst_name().to_owned();
        let other_names = part.media.names.iter().filter(|other| **other != name).cloned();
        File {
            other_names: other_names.collect(),
            name,
            declared: Some(part.declared()),
            is_shown: part.is_shown(),
            octets: part.content(),
        }
    }

    /// One that is no part of a message; what has no name in its container is not opened.
    fn named(name: &str, declared: Option<String>, octets: Bytes) -> File {
        File {
            name: name.to_owned(),
            other_names: Vec::new(),
            declared,
            is_shown: name.trim().is_empty(),
            octets,
        }
    }

    fn label(&self) -> nature::Label<'_> {
        let declared = self.declared.as_deref().unwrap_or_default();
        nature::Label { name: &self.name, declared, is_shown: self.is_shown }
    }
}

pub(super) struct Walk<'r> {
    contents: Contents,
    purse: Purse,
    reader: &'r mut dyn FnMut(Zone, &str),
    /// Where the remark of an item and a name stands.
    remarked: HashMap<(usize, &'static str), usize>,
    /// How many files have the remark of a name, and where the last of them stands.
    named: HashMap<&'static str, (usize, usize)>,
    /// The items that were opened, by their content.
    opened: HashMap<(Content, Nature), usize>,
    /// Where in memory the files lie that are being walked through.
    stack: Vec<Range<usize>>,
    /// What decompressors yield to, one step at a time.
    step: Vec<u8>,
    /// All files that were walked through.
    begun: Vec<Begun>,
}

/// Where a file lies in memory, and its first octets.
struct Begun {
    place: Range<usize>,
    head: Head,
}

/// So many octets tell one archive from another: sizes and checksums stand in them.
type Head = [u8; 32];

/// The first half of a SHA-256, and the length: what is equal in both is the same file.
type Content = ([u8; 16], usize);

/// Characters of one name in a path.
const NAME_CHARS: usize = 120;

/// Files that the same remark is made of; of more it is only counted. So no flood of one
/// remark hides another.
const REMARKS_A_NAME: usize = 50;

/// Opens a file without a message and without recognition, for fuzzing and tests of one
/// opener.
pub(super) fn open_with(
    octets: &Bytes,
    limits: Limits,
    opener: fn(&Bytes, &mut Opening<'_, '_>) -> Result<(), Exhausted>,
) -> Contents {
    let mut reader = |_: Zone, _: &str| {};
    let mut walk = Walk::new(limits, &mut reader);
    let number = walk.note("file", None, octets.len() as u64, 0, None);
    if let Err(exhausted) = opener(octets, &mut Opening::new(&mut walk, number)) {
        walk.contents.exhausted = Some(exhausted);
        walk.remark_limit(exhausted);
    }
    walk.contents
}

impl<'r> Walk<'r> {
    fn new(limits: Limits, reader: &'r mut dyn FnMut(Zone, &str)) -> Walk<'r> {
        Walk {
            contents: Contents::default(),
            purse: Purse::new(limits),
            reader,
            remarked: HashMap::new(),
            named: HashMap::new(),
            opened: HashMap::new(),
            stack: Vec::new(),
            step: Vec::new(),
            begun: Vec::new(),
        }
    }
}

impl Walk<'_> {
    /// Walks through the text of a part in whose charset plain letters stand for others: its
    /// octets do not show what is written in it.
    fn visit_hidden_text(&mut self, part: &Part, number: usize) -> Result<(), Exhausted> {
        let Some(text) = part.hidden_text() else { return Ok(()) };
        self.purse.pay_octets(text.len() as u64)?;
        self.visit(File { octets: text.into(), ..File::of(part) }, number, None)
    }

    /// Notes a file, opens it and walks through what it holds.
    fn visit(
        &mut self,
        mut file: File,
        part: usize,
        parent: Option<usize>,
    ) -> Result<(), Exhausted> {
        if let Err(exhausted) = self.purse.pay_member() {
            if parent.is_none() {
                self.list(file, part);
            }
            return Err(exhausted);
        }
        self.begun.push(Begun { place: place_of(&file.octets), head: head_of(&file.octets) });
        let readings: Vec<Nature> = nature::readings_as(&file.octets, file.label()).collect();
        let nature = readings.first().copied().unwrap_or(Nature::Unknown);
        let declared = file.declared.take();
        let number = self.note(&file.name, declared, file.octets.len() as u64, part, parent);
        let depth = self.contents.items.get(number).map_or(0, |item| item.depth);
        let twin = if is_opened(nature) { self.twin(number, nature, &file.octets) } else { None };
        let is_own_text = parent.is_none() && matches!(nature, Nature::Text | Nature::Html);
        // A twin's octets are kept with the first of its kind, or were too many then.
        let kept = twin.is_none() && !is_own_text && self.purse.keep(file.octets.len());
        let Some(item) = self.contents.items.get_mut(number) else { return Ok(()) };
        item.nature = nature;
        item.other_names = std::mem::take(&mut file.other_names);
        item.is_shown = file.is_shown;
        if kept {
            item.content = Some(file.octets.clone());
        }
        if let Some(twin) = twin {
            let first = self.contents.items.get(twin);
            let (content, closed) =
                first.map_or((None, None), |first| (first.content.clone(), first.closed));
            if let Some(item) = self.contents.items.get_mut(number) {
                item.content = content;
                item.closed = closed;
            }
            return Ok(());
        }
        if depth >= self.purse.limits().depth {
            if readings.iter().any(|nature| open::holds_files(*nature)) {
                self.remark(number, "ARCHIVE_TOO_DEEP", String::new());
                self.close(number, Closed::TooDeep);
            }
            return Ok(());
        }
        let place = place_of(&file.octets);
        // A slice of the file that it lies in takes no memory of its own.
        let is_slice = self
            .stack
            .last()
            .is_some_and(|above| above.start <= place.start && place.end <= above.end);
        let held = if kept || is_slice { 0 } else { file.octets.len() as u64 };
        self.purse.hold(held);
        self.stack.push(place);
        let walked = self.open(&readings, &file, number);
        self.stack.pop();
        self.purse.release(held);
        walked
    }

    /// Notes a part of the message once there is nothing left to open it with: what is known of
    /// it without is known, and the virus scanner is given it.
    fn list(&mut self, file: File, part: usize) {
        let nature = nature::readings_as(&file.octets, file.label()).next();
        let nature = nature.unwrap_or(Nature::Unknown);
        let octets = file.octets.len();
        let number = self.note(&file.name, file.declared, octets as u64, part, None);
        let kept = !matches!(nature, Nature::Text | Nature::Html) && self.purse.keep(octets);
        if let Some(item) = self.contents.items.get_mut(number) {
            item.nature = nature;
            item.other_names = file.other_names;
            item.is_shown = file.is_shown;
            item.content = kept.then_some(file.octets);
            item.closed = open::holds_files(nature).then_some(Closed::TooLarge);
        }
    }

    /// Another program may read another thing in a file, so every reading is opened.
    fn open(&mut self, readings: &[Nature], file: &File, number: usize) -> Result<(), Exhausted> {
        let begun = self.begun.len();
        // To a reader of zip archives, what stands before one does not matter.
        let before = readings.iter().copied().find(|nature| *nature != Nature::Zip);
        let appended = before.filter(|nature| zip::is_appended(*nature, &file.name, &file.octets));
        for nature in readings {
            if appended.is_none() || *nature != Nature::Zip {
                open::open(*nature, &file.octets, &mut Opening::new(self, number))?;
            }
        }
        if let Some(nature) = appended {
            zip::open_appended(nature, &file.octets, &mut Opening::new(self, number))?;
        }
        self.open_embedded(readings, file, number, begun)
    }

    /// Opens the first archive that begins within a file and is none of the files in it; what
    /// stands behind it is looked for in it.
    fn open_embedded(
        &mut self,
        readings: &[Nature],
        file: &File,
        number: usize,
        begun: usize,
    ) -> Result<(), Exhausted> {
        let place = place_of(&file.octets);
        for met in embedded::search(&file.octets) {
            self.purse.pay_time()?;
            let (at, kind) = match met {
                Met::Archive(at, kind) => (at, kind),
                Met::TooMany => {
                    self.remark(number, "ARCHIVE_POLYGLOT", "begins like many archives".into());
                    return Ok(());
                }
            };
            let archive = file.octets.slice(at..);
            let head = head_of(&archive);
            let address = place.start.saturating_add(at);
            let members = self.begun.get(begun..).unwrap_or_default();
            let holds = |one: &Begun| one.place.contains(&address);
            // Its place tells where it lies as it is, its beginning where it was unpacked. What
            // goes on to the end is no member but what stands behind.
            let is_member = |one: &Begun| match holds(one) {
                true => one.place.end < place.end,
                false => one.head == head,
            };
            if members.iter().any(is_member) {
                continue;
            }
            let is_open = members.iter().any(holds);
            let nature = readings.first().copied().unwrap_or(Nature::Unknown);
            let (name, detail) = match nature.family() {
                Family::Executable => ("PROGRAM_ARCHIVE", kind.name().to_owned()),
                Family::Image => ("PICTURE_APPENDED", kind.name().to_owned()),
                _ => ("ARCHIVE_POLYGLOT", format!("{} and {}", nature.words(), kind.words())),
            };
            self.remark(number, name, detail);
            return match is_open {
                true => Ok(()),
                false => Opening::new(self, number).member(kind.name(), archive),
            };
        }
        Ok(())
    }

    /// An item with the same octets that was opened already, no deeper than this one: what
    /// lies in it has been seen as far down as it would be here.
    fn twin(&mut self, number: usize, nature: Nature, octets: &Bytes) -> Option<usize> {
        let digest = digest::digest(&digest::SHA256, octets);
        let half = digest.as_ref().first_chunk::<16>()?;
        let items = &self.contents.items;
        let depth = |number: usize| items.get(number).map_or(0, |item| item.depth);
        let first = self.opened.entry(((*half, octets.len()), nature)).or_insert(number);
        if *first != number && depth(*first) <= depth(number) {
            return Some(*first);
        }
        *first = number;
        None
    }

    fn note(
        &mut self,
        name: &str,
        declared: Option<String>,
        octets: u64,
        part: usize,
        parent: Option<usize>,
    ) -> usize {
        let number = self.contents.items.len();
        let above = parent.and_then(|parent| self.contents.items.get(parent));
        let shown = shown(name);
        let own = if shown.is_empty() { format!("#{part}") } else { shown };
        let (path, depth) = match above {
            Some(above) => (format!("{}/{own}", above.path), above.depth.saturating_add(1)),
            None => (own, 0),
        };
        let item = Item {
            path,
            name: name.to_owned(),
            other_names: Vec::new(),
            is_shown: false,
            part,
            parent,
            depth,
            nature: Nature::Unknown,
            declared,
            octets,
            closed: None,
            content: None,
        };
        self.contents.items.push(item);
        number
    }

    fn remark(&mut self, item: usize, name: &'static str, detail: String) {
        let remarks = &mut self.contents.remarks;
        let (files, last) = self.named.entry(name).or_default();
        let same = self.remarked.get(&(item, name)).copied();
        let at = same.or((*files >= REMARKS_A_NAME).then_some(*last));
        if let Some(same) = at.and_then(|at| remarks.get_mut(at)) {
            same.times = same.times.saturating_add(1);
            return;
        }
        *files += 1;
        *last = remarks.len();
        self.remarked.insert((item, name), remarks.len());
        remarks.push(Remark { name, item, detail: shown(&detail), times: 1 });
    }

    /// That a limit ended the walk, said of the file that it ended in.
    fn remark_limit(&mut self, exhausted: Exhausted) {
        let last = self.contents.items.len().saturating_sub(1);
        self.remark(last, "ARCHIVE_LIMIT", exhausted.to_string());
    }

    /// Archives of one file that are wrapped in archives of one file: done by hand or by a
    /// program, to get the innermost past those who look.
    fn remark_wrappings(&mut self) {
        let items = &self.contents.items;
        let mut children = vec![0_usize; items.len()];
        for parent in items.iter().filter_map(|item| item.parent) {
            if let Some(count) = children.get_mut(parent) {
                *count += 1;
            }
        }
        // How many archives that hold nothing else a file lies in, one in the other. Compressed
        // files always hold one, so they do not count.
        let mut wrappings = vec![0_u32; items.len()];
        let mut wrapped = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let Some(parent) = item.parent else { continue };
            let is_single = children.get(parent) == Some(&1);
            let holder = items.get(parent).map_or(Nature::Unknown, |item| item.nature);
            let above = wrappings.get(parent).copied().unwrap_or_default();
            let count = match is_single {
                true if wraps(holder) => above + 1,
                true if holder.family() == Family::Archive => above,
                _ => 0,
            };
            if let Some(own) = wrappings.get_mut(number) {
                *own = count;
            }
            if count == WRAPPINGS && above < WRAPPINGS {
                wrapped.push(number);
            }
        }
        for number in wrapped {
            self.remark(number, "ARCHIVE_NESTED_SINGLE", String::new());
        }
    }

    fn close(&mut self, item: usize, why: Closed) {
        if let Some(item) = self.contents.items.get_mut(item) {
            item.closed.get_or_insert(why);
        }
    }
}

fn place_of(octets: &[u8]) -> Range<usize> {
    let start = octets.as_ptr() as usize;
    start..start.saturating_add(octets.len())
}

fn head_of(octets: &[u8]) -> Head {
    let mut head = Head::default();
    head.iter_mut().zip(octets).for_each(|(into, from)| *into = *from);
    head
}

/// Archives around one file that honest senders do not make.
const WRAPPINGS: u32 = 3;

/// Archives that hold one file only if someone made them so.
fn wraps(nature: Nature) -> bool {
    use Nature as N;
    matches!(
        nature,
        N::Zip | N::SevenZip | N::Rar | N::Cab | N::Arj | N::Lha | N::Ace | N::Iso | N::Udf
    )
}

/// Whether a file of this nature may be taken apart, so that its content is worth comparing.
fn is_opened(nature: Nature) -> bool {
    match nature.family() {
        Family::Image => nature == Nature::Svg,
        Family::Audio | Family::Video | Family::Data => false,
        _ => true,
    }
}

/// A name as it can be shown: bounded, and without what a terminal would obey.
fn shown(name: &str) -> String {
    let plain = |letter: char| match letter {
        letter if letter.is_control() || super::is_hidden(letter) => '?',
        letter => letter,
    };
    name.trim().chars().take(NAME_CHARS).map(plain).collect()
}
