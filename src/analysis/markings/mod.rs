//! Protective markings and sensitivity labels of a message: in its Subject, on lines of its
//! text and of its attachments, in header fields and in properties of documents.
//!
//! In: [`Anatomy`], and the texts of files as [`Contents`](crate::message::contents::Contents)
//! gives them, lines and all. Out: [`Marking`]s, each once a place, the highest level first;
//! policy compares levels and names. Linear in the texts; at most [`MARKINGS`] are kept, of
//! which the highest always is one. Nothing here fails.
//!
//! Invariant: a word within a sentence is no marking, however strong the word.

mod asked;
mod fields;
mod forms;
mod plain;
mod quoted;
mod subject;

#[cfg(test)]
mod tests;

pub use asked::Asked;
use fields::Gathered;
use forms::{Found, Setting};
use plain::plain;
use quoted::{Blocks, Quoted};

use crate::mail::{Marking, MarkingLevel, MarkingPlace};
use crate::message::{Anatomy, Head, Kind, Part, html_to_text, is_hidden};

/// Different markings of one message that are kept.
const MARKINGS: usize = 64;
/// Longer lines are no marking.
const LINE_OCTETS: usize = 240;

/// Gathers the markings of one message.
#[derive(Debug, Clone, Default)]
pub struct Seeker {
    found: Vec<Marking>,
}

impl Seeker {
    /// Looks into the header and the texts of a message.
    pub fn message(&mut self, anatomy: &Anatomy) {
        if let Some(head) = anatomy.head() {
            self.head(head, MarkingPlace::Subject, MarkingPlace::Header);
        }
        for part in &anatomy.parts {
            self.attached_head(anatomy, part);
            let place = match part.media.attachment {
                true => MarkingPlace::Attachment,
                false => MarkingPlace::Body,
            };
            match part.kind {
                Kind::Text => self.lines(&part.text(), place),
                Kind::Html => {
                    let source = part.text();
                    // Taking HTML apart costs far more than looking for the words.
                    if may_mark(&source) || may_hide(&source) {
                        self.lines(&html_to_text(&source), place);
                    }
                }
                _ => {}
            }
        }
    }

    /// The header of a message that is attached to this one.
    fn attached_head(&mut self, anatomy: &Anatomy, part: &Part) {
        let holder = part.parent.and_then(|parent| anatomy.parts.get(parent));
        if holder.is_none_or(|holder| holder.kind != Kind::Message) {
            return;
        }
        self.head(&part.head, MarkingPlace::Attachment, MarkingPlace::Attachment);
    }

    fn head(&mut self, head: &Head, of_subject: MarkingPlace, of_fields: MarkingPlace) {
        let mut labels = Gathered::default();
        for field in head.fields() {
            let name = String::from_utf8_lossy(head.name(field));
            if name.eq_ignore_ascii_case("subject") {
                self.subject_in(&head.decoded(field), of_subject);
            } else if fields::is_field(&name) {
                self.field_in(&name, &head.decoded(field), of_fields, &mut labels);
            }
        }
        self.labels(&labels, of_fields);
    }

    fn labels(&mut self, labels: &Gathered, place: MarkingPlace) {
        for found in labels.labels() {
            self.note(found, place);
        }
    }

    /// Looks into a decoded Subject.
    pub fn subject(&mut self, subject: &str) {
        self.subject_in(subject, MarkingPlace::Subject);
    }

    fn subject_in(&mut self, subject: &str, place: MarkingPlace) {
        for found in subject::markings(&plain(subject)) {
            self.note(found, place);
        }
    }

    /// Looks into a header field that may be there for a marking.
    pub fn field(&mut self, name: &str, value: &str) {
        let mut labels = Gathered::default();
        self.field_in(name, value, MarkingPlace::Header, &mut labels);
        self.labels(&labels, MarkingPlace::Header);
    }

    fn field_in(&mut self, name: &str, value: &str, place: MarkingPlace, labels: &mut Gathered) {
        let value = plain(value);
        if labels.field(name, &value) || !fields::is_field(name) {
            return;
        }
        for found in fields::of_field(name, &value) {
            self.note(found, place);
        }
    }

    /// Looks into the text of a file, properties of documents among its lines.
    pub fn file(&mut self, text: &str) {
        let text = &*plain(text);
        self.lines(text, MarkingPlace::Attachment);
        let mut labels = Gathered::default();
        for line in text.lines() {
            if labels.property(line) || !line.contains(':') {
                continue;
            }
            for found in fields::of_property(line) {
                self.note(found, MarkingPlace::Property);
            }
        }
        self.labels(&labels, MarkingPlace::Property);
    }

    /// Looks into a file that is HTML.
    pub fn page(&mut self, source: &str) {
        if may_mark(source) || may_hide(source) {
            self.file(&html_to_text(source));
        }
    }

    /// The markings that were seen, the highest level first.
    pub fn finish(mut self) -> Vec<Marking> {
        self.found.sort_by(|one, other| {
            other.level.cmp(&one.level).then_with(|| one.place.cmp(&other.place))
        });
        self.found
    }

    fn lines(&mut self, text: &str, place: MarkingPlace) {
        let text = &*plain(text);
        let shown = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        if !may_mark(text) && !has_letters_apart(text) {
            return;
        }
        let (mut blocks, mut labels) = (Blocks::default(), Gathered::default());
        let last = shown().next_back().map(str::as_ptr);
        for (number, line) in shown().enumerate() {
            if line.len() > LINE_OCTETS {
                continue;
            }
            match blocks.line(line) {
                Some(Quoted::Subject(subject)) => self.subject_in(subject, place),
                Some(Quoted::Field(name, value)) => {
                    self.field_in(name, value, place, &mut labels);
                }
                None => {}
            }
            let is_edge = number == 0 || Some(line.as_ptr()) == last;
            let apart = plain::joined(line);
            for found in of_line(apart.as_deref().unwrap_or(line), is_edge) {
                self.note(found, place);
            }
        }
        self.labels(&labels, place);
    }

    fn note(&mut self, found: Found, place: MarkingPlace) {
        let marking = Marking { level: found.level, words: found.words, place };
        let is_known = self
            .found
            .iter()
            .any(|known| known.place == place && known.words.eq_ignore_ascii_case(&marking.words));
        if is_known {
            return;
        }
        if self.found.len() < MARKINGS {
            self.found.push(marking);
            return;
        }
        let lowest = self.found.iter_mut().min_by_key(|known| known.level);
        if let Some(lowest) = lowest.filter(|known| known.level < marking.level) {
            *lowest = marking;
        }
    }
}

/// The markings of a message and of texts that lay in its files.
pub fn of(anatomy: &Anatomy, files: &[&str]) -> Vec<Marking> {
    let mut seeker = Seeker::default();
    seeker.message(anatomy);
    files.iter().for_each(|text| seeker.file(text));
    seeker.finish()
}

/// The names under which policy knows the markings of a message: those of their levels, and
/// their own words; each once.
pub fn names(markings: &[Marking]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let levels = markings.iter().map(|marking| marking.level.words().to_owned());
    let own = markings.iter().map(|marking| marking.words.clone());
    for name in levels.chain(own) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            names.push(name);
        }
    }
    names
}

/// The highest level of a message's markings.
pub fn highest(markings: &[Marking]) -> Option<MarkingLevel> {
    markings.iter().map(|marking| marking.level).max()
}

/// Markings in a text of which only one line is there: a Subject, a field, a paragraph. For
/// rules that look for a marking by its name.
pub fn in_line(line: &str) -> Vec<(MarkingLevel, String)> {
    of_line(line.trim(), true).into_iter().map(|found| (found.level, found.words)).collect()
}

/// The marking that a line is, or that its columns are.
fn of_line(line: &str, is_edge: bool) -> Vec<Found> {
    let quoted = line.trim_start_matches(['>', ' ']);
    let bare = quoted
        .trim_matches(|letter: char| "*_=#-~|.!\"'\u{2022}\u{2013}\u{2014} \t".contains(letter));
    let is_bracketed =
        bare.starts_with(['[', '(', '{', '<']) && bare.ends_with([']', ')', '}', '>']);
    let is_decorated = quoted.len() >= bare.len() + 4 && !quoted.starts_with(['-', '\u{2022}']);
    let setting = match is_edge || is_bracketed || is_decorated {
        true => Setting::Prominent,
        false => Setting::Line,
    };
    let whole = forms::of_phrase(bare, setting);
    if whole.is_some() {
        return whole.into_iter().collect();
    }
    // A header or footer: columns with tabs, bars or wide gaps between them.
    if !bare.contains(['\t', '|']) && !bare.contains("   ") {
        return Vec::new();
    }
    let columns = bare.split(['\t', '|']).flat_map(|column| column.split("   "));
    let is_own = |column: &&str| forms::are_capitals(&forms::words(column));
    columns
        .map(str::trim)
        .filter(is_own)
        .filter_map(|column| forms::of_phrase(column, Setting::Line))
        .collect()
}

/// Whether the source of a page may hold a word of a marking that only shows when it is taken
/// apart: with characters by number, invisible ones or those of other scripts.
fn may_hide(source: &str) -> bool {
    let by_name = source.contains("&zw") || source.contains("&shy");
    by_name || numbered_letters(source) || (!source.is_ascii() && may_mark(&plain(source)))
}

/// Whether letters, digits or invisible characters are written by number: `&#82;`, `&#x200b;`.
fn numbered_letters(source: &str) -> bool {
    source.split("&#").skip(1).any(|rest| {
        let (digits, radix) = match rest.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (rest, 10),
        };
        let end = digits.find(|own: char| !own.is_digit(radix)).unwrap_or(digits.len());
        let number = u32::from_str_radix(digits.get(..end).unwrap_or_default(), radix).ok();
        let letter = number.and_then(char::from_u32);
        letter.is_some_and(|letter| letter.is_alphanumeric() || is_hidden(letter))
    })
}

/// Whether a line may be one of letters that stand apart.
fn has_letters_apart(text: &str) -> bool {
    text.as_bytes().windows(7).any(|window| {
        window.iter().enumerate().all(|(at, octet)| match at % 2 {
            0 => octet.is_ascii_uppercase(),
            _ => *octet == b' ',
        })
    })
}

/// Whether a text holds a word of a marking at all, in any case.
fn may_mark(text: &str) -> bool {
    const STEMS: [&[u8]; 14] = [
        b"official",
        b"secret",
        b"restricted",
        b"confiden",
        b"protect",
        b"privat",
        b"privileg",
        b"internal",
        b"msip_label_",
        b"classif",
        b"unclassified",
        b"sensitiv",
        b"commercial",
        b"personal",
    ];
    let octets = text.as_bytes();
    let mut in_word = false;
    for (at, octet) in octets.iter().enumerate() {
        let begins = !in_word;
        in_word = octet.is_ascii_alphabetic();
        if !begins || !in_word || !b"oOsSrRcCpPiImMuU".contains(octet) {
            continue;
        }
        let rest = octets.get(at..).unwrap_or_default();
        let holds =
            |stem: &&[u8]| rest.get(..stem.len()).is_some_and(|own| own.eq_ignore_ascii_case(stem));
        if STEMS.iter().any(holds) {
            return true;
        }
    }
    false
}
