//! What the classifier looks at: a message taken apart, as plain data.
//!
//! In: a message's octets, or parts that another reader of messages took. Out: [`Sample`].
//! Texts are cut to a bound; nothing here fails: octets that are no message are one text.

use std::borrow::Cow;

use mail_parser::{Address, Message, MessageParser, MimeHeaders, PartType};

use super::tokens::head;

/// Octets of plain text, and of HTML source, looked into.
const TEXT_OCTETS: usize = 100_000;
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
    /// Takes a message apart.
    pub fn read(message: &[u8]) -> Sample<'_> {
        let mut sample = Sample::default();
        let Some(parsed) = MessageParser::default().parse(message) else {
            add(&mut sample.plain, &String::from_utf8_lossy(message));
            return sample;
        };
        for field in parsed.headers().iter().take(MOST_FIELDS) {
            let octets = |start: u32, end: u32| {
                String::from_utf8_lossy(message.get(start as usize..end as usize).unwrap_or(b""))
            };
            let name = match octets(field.offset_field, field.offset_start) {
                Cow::Borrowed(name) => Cow::Borrowed(name.trim_end_matches([':', ' ', '\t'])),
                Cow::Owned(name) => Cow::Owned(name.trim_end_matches([':', ' ', '\t']).to_owned()),
            };
            let value = match octets(field.offset_start, field.offset_end) {
                Cow::Borrowed(value) => Cow::Borrowed(value.trim()),
                Cow::Owned(value) => Cow::Owned(value.trim().to_owned()),
            };
            sample.fields.push((name, value));
        }
        sample.subject =
            parsed.subject().map(|text| head(text, 1000).to_owned()).unwrap_or_default();
        sample.author = first(parsed.from());
        sample.reply_address = first(parsed.reply_to()).1;
        let named = [parsed.to(), parsed.cc()].into_iter().flatten().flat_map(Address::iter);
        for recipient in named.take(MOST_RECIPIENTS) {
            let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or("").to_owned();
            sample.recipients.push((text(&recipient.name), text(&recipient.address)));
        }
        walk(&parsed, &mut sample, 0);
        sample
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

fn walk(message: &Message<'_>, sample: &mut Sample<'_>, depth: u8) {
    for part in &message.parts {
        if sample.parts.len() >= MOST_PARTS {
            return;
        }
        let mut shape = PartShape {
            encoding: small(part.content_transfer_encoding()),
            disposition: small(part.content_disposition().map(|field| field.ctype())),
            file_name: head(part.attachment_name().unwrap_or(""), 200).to_owned(),
            depth,
            octets: part.offset_end.saturating_sub(part.offset_body) as usize,
            ..PartShape::default()
        };
        if let Some(media) = part.content_type() {
            shape.media = small(Some(media.ctype())) + "/" + &small(media.subtype());
            shape.charset = small(media.attribute("charset"));
        }
        sample.parts.push(shape);
        match &part.body {
            PartType::Text(text) => add(&mut sample.plain, text),
            PartType::Html(source) => add(&mut sample.html, source),
            PartType::Message(inner) if depth < NESTING => walk(inner, sample, depth + 1),
            _ => {}
        }
    }
}

fn small(text: Option<&str>) -> String {
    head(text.unwrap_or(""), 60).to_ascii_lowercase()
}
