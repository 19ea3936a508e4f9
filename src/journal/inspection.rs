//! What rules of policy may ask of a judged mail, as the journal keeps it.
//!
//! In: facts that [`Event::Received`](super::Event) and [`Event::Judged`](super::Event) do not
//! hold: classes, hits of content rules, markings, files, authors, some of the header, groups.
//! Out: [`Inspection`], a few kilobytes at most, from which the same rules can be asked again.
//!
//! Invariant: nothing is kept in part that a rule could mistake for the whole. A field, file or
//! name that finds no room is left out, and what was left out is said, so that whoever asks
//! again knows of which answers to be unsure.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::FileState;
use crate::mail::{Class, ContentHit, Family, HeaderField};

/// Hits, files and findings.
const NOTES: usize = 100;
/// Octets of the names of files, and of those of their types.
const FILE_OCTETS: usize = 8_192;
/// Octets of one file's name.
const NAME_OCTETS: usize = 255;
const MARKINGS: usize = 50;
const AUTHORS: usize = 50;
const WORD_OCTETS: usize = 512;
/// Octets of the fields that are kept.
const HEADER_OCTETS: usize = 2_048;
/// Octets of the names of those that are not.
const ABSENT_OCTETS: usize = 1_024;
/// Octets of the names of groups.
const GROUP_OCTETS: usize = 16_384;

/// The fields that are kept while there is room, the most telling first; behind them those
/// whose names begin with `X-`.
const FIELDS: [&str; 14] = [
    "subject",
    "from",
    "sender",
    "reply-to",
    "sensitivity",
    "msip_labels",
    "importance",
    "priority",
    "precedence",
    "auto-submitted",
    "list-id",
    "to",
    "cc",
    "content-type",
];

/// A kind of facts that rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // Named like the facts.
pub enum Topic {
    Findings,
    Classes,
    Content,
    Markings,
    Files,
    Authors,
    Header,
    Subject,
    Groups,
}

impl fmt::Display for Topic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Topic::Findings => "findings",
            Topic::Classes => "classes",
            Topic::Content => "content",
            Topic::Markings => "markings",
            Topic::Files => "files",
            Topic::Authors => "authors",
            Topic::Header => "header",
            Topic::Subject => "subject",
            Topic::Groups => "groups",
        })
    }
}

/// A file that the mail carried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    /// Names of its type.
    pub types: Vec<String>,
    /// What it is, by its octets.
    pub family: Family,
    /// The last extension of its name.
    pub extension: Option<String>,
    /// Its name in small letters.
    pub name: String,
    /// What is the matter with it.
    pub states: Vec<FileState>,
    /// Its size.
    pub octets: u64,
}

/// The client in front of an own relay, which rules are asked about in the relay's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayNote {
    /// Its address.
    pub client: IpAddr,
    /// Its account.
    pub account: Option<String>,
    /// The version of TLS by which it came, when it came encrypted.
    pub tls: Option<String>,
}

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// End of data, milliseconds since 1970.
    pub received_ms: u64,
    /// The sum that rules were asked with.
    #[serde(serialize_with = "crate::mail::two_decimals")]
    pub score: f32,
    /// Classes of the findings that rules were asked with: the first ones of the judgement,
    /// whose others came from rules.
    pub classes: Vec<Class>,
    /// Content rules that hit.
    pub content: Vec<ContentHit>,
    /// Protective markings by the names under which policy knows them.
    pub markings: Vec<String>,
    /// Files, those within files included.
    pub files: Vec<FileNote>,
    /// Keys of the mailboxes that readers may see as authors.
    pub authors: Vec<String>,
    /// Fields that are kept, in the message's order.
    pub header: Vec<HeaderField>,
    /// Names, in small letters, of fields that are there and not kept.
    pub fields_left_out: Vec<String>,
    /// Groups of the sender that directories know of.
    pub sender_groups: Vec<String>,
    /// The same of each recipient, in the envelope's order; the last ones may be missing.
    pub recipient_groups: Vec<Vec<String>>,
    /// The client in front of an own relay.
    pub relayed: Option<RelayNote>,
    /// Of what there was more than is kept, or what nobody asked for.
    pub left_out: Vec<Topic>,
}

impl Inspection {
    /// Of a mail that came at this time, with nothing in it yet.
    pub fn at(received_ms: u64, score: f32) -> Inspection {
        Inspection {
            received_ms,
            score,
            classes: Vec::new(),
            content: Vec::new(),
            markings: Vec::new(),
            files: Vec::new(),
            authors: Vec::new(),
            header: Vec::new(),
            fields_left_out: Vec::new(),
            sender_groups: Vec::new(),
            recipient_groups: Vec::new(),
            relayed: None,
            left_out: Vec::new(),
        }
    }

    /// Notes that something is not known whole.
    pub fn leave_out(&mut self, topic: Topic) {
        if !self.left_out.contains(&topic) {
            self.left_out.push(topic);
        }
    }

    /// Takes out what only who may read the message is to know.
    pub fn leave_out_content(&mut self) {
        self.header.clear();
        self.fields_left_out.clear();
        self.files.clear();
        self.authors.clear();
        for topic in [Topic::Header, Topic::Files, Topic::Authors] {
            self.leave_out(topic);
        }
    }

    /// Takes over what there is room for of a header, and the names of the rest.
    pub fn keep_header(&mut self, header: &[HeaderField]) {
        let rank = |name: &str| {
            let known = FIELDS.iter().position(|field| *field == name);
            known.or_else(|| name.starts_with("x-").then_some(FIELDS.len()))
        };
        let names: Vec<String> = header.iter().map(|field| field.name.to_lowercase()).collect();
        let ranked = names.iter().enumerate();
        let mut order: Vec<(usize, usize)> =
            ranked.filter_map(|(at, name)| Some((rank(name)?, at))).collect();
        order.sort_unstable();
        let mut room = HEADER_OCTETS;
        let mut kept = Vec::new();
        for (_, at) in order {
            let octets = header.get(at).map_or(0, |field| field.name.len() + field.value.len());
            if let Some(rest) = room.checked_sub(octets) {
                room = rest;
                kept.push(at);
            }
        }
        kept.sort_unstable();
        self.header = kept.iter().filter_map(|at| header.get(*at)).cloned().collect();
        let others = names.into_iter().enumerate();
        let mut others: Vec<String> = others
            .filter(|(at, _)| kept.binary_search(at).is_err())
            .map(|(_, name)| name)
            .collect();
        others.sort_unstable();
        others.dedup();
        self.fields_left_out = others;
    }

    /// Cuts what is more than anybody needs, and says so.
    pub(super) fn limit(&mut self) {
        let mut cut = Vec::new();
        let mut shorten = |is_cut: bool, topic| {
            if is_cut {
                cut.push(topic);
            }
        };
        shorten(keep_words(&mut self.markings, MARKINGS), Topic::Markings);
        shorten(keep_words(&mut self.authors, AUTHORS), Topic::Authors);
        let is_cut = keep(&mut self.classes, NOTES);
        shorten(is_cut, Topic::Findings);
        shorten(is_cut, Topic::Classes);
        let hits = self.content.len();
        self.content.retain(|hit| hit.rule.len() <= WORD_OCTETS);
        self.content.truncate(NOTES);
        shorten(self.content.len() < hits, Topic::Content);
        let mut room = FILE_OCTETS;
        let files = self.files.len();
        self.files.truncate(NOTES);
        self.files.retain(|file| {
            let fits = file.name.len() <= NAME_OCTETS && file.octets_kept() <= room;
            room = room.saturating_sub(if fits { file.octets_kept() } else { 0 });
            fits
        });
        shorten(self.files.len() < files, Topic::Files);
        let mut room = HEADER_OCTETS;
        let fields = self.header.len();
        self.header.retain(|field| take(&mut room, field.name.len() + field.value.len()));
        let mut absent = ABSENT_OCTETS;
        let names = self.fields_left_out.len();
        self.fields_left_out.retain(|name| take(&mut absent, name.len() + 1));
        let is_cut = self.header.len() < fields || self.fields_left_out.len() < names;
        shorten(is_cut, Topic::Header);
        shorten(self.limit_groups(), Topic::Groups);
        let relay = self.relayed.iter_mut();
        relay.for_each(|relay| {
            relay.account.iter_mut().for_each(|one| super::event::limit(one, WORD_OCTETS));
            relay.tls.iter_mut().for_each(|one| super::event::limit(one, WORD_OCTETS));
        });
        cut.into_iter().for_each(|topic| self.leave_out(topic));
    }

    fn limit_groups(&mut self) -> bool {
        while self.recipient_groups.last().is_some_and(Vec::is_empty) {
            self.recipient_groups.pop();
        }
        let mut room = GROUP_OCTETS;
        let mut is_cut = false;
        let mut fit = |names: &mut Vec<String>| {
            // The list itself takes an octet as well.
            let before = names.len();
            let _ = take(&mut room, 1);
            names.retain(|name| take(&mut room, name.len() + 1));
            is_cut |= names.len() < before;
        };
        fit(&mut self.sender_groups);
        self.recipient_groups.iter_mut().for_each(&mut fit);
        while self.recipient_groups.last().is_some_and(Vec::is_empty) {
            self.recipient_groups.pop();
        }
        is_cut
    }

    /// About how much memory it takes.
    pub(super) fn weight_octets(&self) -> usize {
        let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
        let fields = self.header.iter().map(|field| field.name.len() + field.value.len() + 48);
        let files = self.files.iter().map(|file| file.octets_kept() + size_of::<FileNote>());
        let hits = self.content.iter().map(|hit| hit.rule.len() + size_of::<ContentHit>());
        let groups = self.recipient_groups.iter().map(|names| texts(names) + 24);
        size_of::<Inspection>()
            + self.classes.len()
            + fields.sum::<usize>()
            + files.sum::<usize>()
            + hits.sum::<usize>()
            + groups.sum::<usize>()
            + texts(&self.markings)
            + texts(&self.authors)
            + texts(&self.fields_left_out)
            + texts(&self.sender_groups)
    }
}

impl FileNote {
    fn octets_kept(&self) -> usize {
        let types = self.types.iter().map(|one| one.len() + 1).sum::<usize>();
        types + self.name.len() + self.extension.as_ref().map_or(0, String::len)
    }
}

/// Takes room for so many octets, if there is as much.
fn take(room: &mut usize, octets: usize) -> bool {
    let rest = room.checked_sub(octets);
    *room = rest.unwrap_or(*room);
    rest.is_some()
}

fn keep<T>(list: &mut Vec<T>, most: usize) -> bool {
    let is_cut = list.len() > most;
    list.truncate(most);
    is_cut
}

fn keep_words(words: &mut Vec<String>, most: usize) -> bool {
    let before = words.len();
    words.retain(|word| word.len() <= WORD_OCTETS);
    words.truncate(most);
    words.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: impl Into<String>) -> HeaderField {
        HeaderField { name: name.to_owned(), value: value.into() }
    }

    #[test]
    fn telling_fields_are_kept_whole_and_the_others_by_name() {
        let mut inspection = Inspection::at(1, 0.0);
        inspection.keep_header(&[
            field("Received", "from a by b"),
            field("X-Large", "x".repeat(3_000)),
            field("To", "bob@own.test"),
            field("X-Mailer", "Mail 1.0"),
            field("Subject", "hello"),
            field("DKIM-Signature", "v=1"),
        ]);
        let kept: Vec<&str> = inspection.header.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(kept, ["To", "X-Mailer", "Subject"]);
        assert_eq!(inspection.fields_left_out, ["dkim-signature", "received", "x-large"]);
        inspection.limit();
        assert!(inspection.left_out.is_empty());
    }

    #[test]
    fn what_finds_no_room_is_said() {
        let mut inspection = Inspection::at(1, 0.0);
        inspection.classes = vec![Class::Spam; 200];
        inspection.markings = vec!["m".repeat(600)];
        inspection.authors = vec!["a@own.test".into(); 60];
        let file = FileNote {
            types: vec!["pdf".into()],
            family: Family::Document,
            extension: Some("pdf".into()),
            name: "n".repeat(250),
            states: Vec::new(),
            octets: 5,
        };
        inspection.files = vec![file; 99];
        let hit = ContentHit {
            rule: "R".into(),
            class: Class::Policy,
            severity: Default::default(),
            count: 1,
        };
        inspection.content = vec![hit; 101];
        inspection.recipient_groups = vec![vec!["finance".into(); 100]; 100];
        let names = (0..1_000).map(|number| field(&format!("Name-{number:04}"), ""));
        inspection.keep_header(&names.collect::<Vec<_>>());
        inspection.limit();
        use Topic::*;
        let all = [Findings, Classes, Content, Markings, Files, Authors, Header, Groups];
        let mut said = inspection.left_out.clone();
        said.sort_unstable();
        assert_eq!(said, all);
        assert!(postcard::to_stdvec(&inspection).unwrap().len() < 40_000);
        let limited = inspection.clone();
        inspection.limit();
        assert_eq!(inspection, limited);
    }
}
