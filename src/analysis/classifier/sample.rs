//! What the classifier looks at: a message taken apart, as plain data.
//!
//! In: the [`Anatomy`] that the content rules read too: no second reader that could see other
//! parts, and its limits on depth and number hold here. Out: [`Sample`]. Texts are cut to a
//! bound; nothing here fails: octets that are no message are one text.

use std::borrow::Cow;

use mail_parser::{Address, MessageParser};

use super::tokens::head;
use crate::message::{Anatomy, Kind, Part};

/// Octets of plain text, and of HTML source, looked into.
const TEXT_OCTETS: usize = 100_000;
/// Octets of the header that subject and addresses are read from.
const HEAD_OCTETS: usize = 64 << 10;
/// Nested messages looked into.
const NESTING: u8 = 3;
/// Header fields, and parts, looked into.
const MOST_FIELDS: usize = 400;
const MOST_PARTS: usize = 60;
/// Recipients looked into.
const MOST_RECIPIENTS: usize = 50;

/// Form of one MIME part.
#[derive(Debug, Clone, Default)]
pub struct PartShape {
    /// `type/subtype` in small letters; empty when none is written.
    pub media: String,
    /// Charset in small letters; empty when none is written.
    pub charset: String,
    /// Content-Transfer-Encoding in small letters; empty when none is written.
    pub encoding: String,
    /// Content-Disposition's first word in small letters; empty when none is written.
    pub disposition: String,
    /// File name; empty when none is written.
    pub file_name: String,
    /// How many messages it is nested in.
    pub depth: u8,
    /// Length as transferred.
    pub octets: usize,
}

/// A message taken apart for the classifier.
#[derive(Debug, Clone, Default)]
pub struct Sample<'a> {
    /// Header fields of the message as written, in order: name, value.
    pub fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Decoded Subject.
    pub subject: String,
    /// Display name and address of the first author.
    pub author: (String, String),
    /// Address that answers go to; empty when none is written.
    pub reply_address: String,
    /// Display names and addresses of To and Cc.
    pub recipients: Vec<(String, String)>,
    /// Decoded text of the plain text parts.
    pub plain: String,
    /// Decoded source of the HTML parts.
    pub html: String,
    /// Form of each part, in order.
    pub parts: Vec<PartShape>,
}

impl Sample<'_> {
    /// Gathers what counts from a message that was taken apart.
    pub fn of(anatomy: &Anatomy) -> Sample<'_> {
        let mut sample = Sample::default();
        if let Some(head) = anatomy.head() {
            for field in head.fields().iter().take(MOST_FIELDS) {
                sample.fields.push((trimmed(head.name(field)), trimmed(head.value(field))));
            }
            people(head.octets(), &mut sample);
        }
        parts(anatomy, &mut sample);
        sample
    }
}

fn trimmed(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets.trim_ascii())
}

/// Subject and addresses. Only a header is read here, never a body, so nothing can nest.
fn people(head_octets: &[u8], sample: &mut Sample<'_>) {
    let head_octets = head_octets.get(..HEAD_OCTETS).unwrap_or(head_octets);
    let Some(parsed) = MessageParser::default().parse_headers(head_octets) else { return };
    sample.subject = parsed.subject().map(|text| head(text, 1000).to_owned()).unwrap_or_default();
    sample.author = first(parsed.from());
    sample.reply_address = first(parsed.reply_to()).1;
    let named = [parsed.to(), parsed.cc()].into_iter().flatten().flat_map(Address::iter);
    for recipient in named.take(MOST_RECIPIENTS) {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or("").to_owned();
        sample.recipients.push((text(&recipient.name), text(&recipient.address)));
    }
}

fn first(address: Option<&Address<'_>>) -> (String, String) {
    let Some(first) = address.and_then(Address::first) else { return Default::default() };
    let text = |text: &Option<Cow<'_, str>>| head(text.as_deref().unwrap_or(""), 500).to_owned();
    (text(&first.name), text(&first.address))
}

fn add(to: &mut String, text: &str) {
    to.push_str(head(text, TEXT_OCTETS.saturating_sub(to.len())));
    to.push('\n');
}

/// Form and text of the parts.
fn parts(anatomy: &Anatomy, sample: &mut Sample<'_>) {
    let mut depths: Vec<u8> = Vec::with_capacity(anatomy.parts.len());
    for part in &anatomy.parts {
        let parent = part.parent.and_then(|parent| {
            Some((anatomy.parts.get(parent)?.kind, depths.get(parent).copied()?))
        });
        let depth = match parent {
            Some((Kind::Message, depth)) => depth.saturating_add(1),
            Some((_, depth)) => depth,
            None => 0,
        };
        depths.push(depth);
        if depth > NESTING || sample.parts.len() >= MOST_PARTS {
            continue;
        }
        sample.parts.push(shape(part, depth));
        match part.kind {
            Kind::Text => add_text(&mut sample.plain, part),
            Kind::Html => add_text(&mut sample.html, part),
            Kind::Multipart | Kind::Message | Kind::Other => {}
        }
    }
}

fn add_text(to: &mut String, part: &Part) {
    if to.len() < TEXT_OCTETS {
        add(to, &part.text());
    }
}

fn shape(part: &Part, depth: u8) -> PartShape {
    let media = &part.media;
    let written = |name: &str| {
        let value = trimmed(part.head.first(name).unwrap_or_default());
        small(Some(value.split(';').next().unwrap_or_default().trim()))
    };
    let typed = part.head.first("content-type").is_some();
    PartShape {
        media: match typed {
            true => small(Some(&media.main)) + "/" + &small(Some(&media.subtype)),
            false => String::new(),
        },
        charset: small(media.charset.as_deref()),
        encoding: written("content-transfer-encoding"),
        disposition: written("content-disposition"),
        file_name: head(media.filename.as_deref().unwrap_or(""), 200).to_owned(),
        depth,
        octets: part.body.len(),
    }
}

fn small(text: Option<&str>) -> String {
    head(text.unwrap_or(""), 60).to_ascii_lowercase()
}
