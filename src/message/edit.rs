//! Edits to a mail that goes out.
//!
//! In: content and the policy's orders for one copy, carried out one after the other,
//! annotations last. Out: a new header, and from where on the content follows it. Of the body
//! only the places that an order replaces or annotates are touched, and nothing of it is
//! copied. Added fields
//! are folded at 78 octets, in ASCII (RFC 2047 where the text is not), and hold no CR, LF or
//! NUL of their own, so no text can forge a field. Every octet of the header that no order
//! speaks of is kept. Fails when the content cannot be read, and when a place that is to be
//! replaced lies in the header: half an edit must not go out.

use std::io;

use bytes::Bytes;

use super::annotate::{Annotation, NotAnnotated, annotate};
use super::cut;
use super::head::{Head, is_mbox_line, trim_line_end};
use super::oddity::Oddities;
use super::results::AuthenticationResults;
use super::words;
use crate::mail::{Content, Edit, Order};

/// A header is looked for in so many octets; fields beyond are passed on as they are.
const WINDOW_OCTETS: usize = 1 << 20;
/// RFC 5322 section 2.1.1, without the line end.
const LINE_OCTETS: usize = 78;
/// What a line must not exceed, with room for what stands before it.
const WORD_OCTETS: usize = 900;

/// What goes out: `head`, then the octets of `rest` from `rest_offset` on.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The edited header, or nothing when there was nothing to edit.
    pub head: Bytes,
    /// The content as it was received.
    pub rest: Content,
    /// Where the part of it begins that follows `head`.
    pub rest_offset: u64,
}

impl Outgoing {
    /// Octets in all.
    pub fn len(&self) -> u64 {
        self.head.len() as u64 + self.rest.len().saturating_sub(self.rest_offset)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same in one content; nothing is copied but the header.
    fn into_content(self) -> Content {
        match self.rest_offset {
            0 if self.head.is_empty() => self.rest,
            offset => self.rest.spliced(vec![Edit { place: 0..offset, with: self.head.into() }]),
        }
    }
}

/// Carries out the orders. Blocks on the disk when the content lies in a file.
pub fn rewrite(content: &Content, orders: &[Order]) -> io::Result<Outgoing> {
    carry_out(content, orders).map(|(outgoing, _)| outgoing)
}

/// The same, and why the mail stays without an annotation that was ordered.
pub fn carry_out(content: &Content, orders: &[Order]) -> io::Result<(Outgoing, Vec<NotAnnotated>)> {
    let mut outgoing = restructure(content, orders)?;
    let mut refusals = Vec::new();
    for order in orders {
        let Order::Annotate { text, html, place, key } = order else { continue };
        let annotation = Annotation { text, html: html.as_deref(), place: *place, key };
        // What the other orders made of the mail is annotated: a text that stands in the place
        // of a file as well.
        let whole = outgoing.into_content();
        let edits = match annotate(&whole, &annotation)? {
            Ok(edits) => edits,
            Err(refusal) => {
                refusals.push(refusal);
                Vec::new()
            }
        };
        let rest = if edits.is_empty() { whole } else { whole.spliced(edits) };
        outgoing = Outgoing { head: Bytes::new(), rest, rest_offset: 0 };
    }
    Ok((outgoing, refusals))
}

/// Carries out the orders but annotations.
fn restructure(content: &Content, orders: &[Order]) -> io::Result<Outgoing> {
    let is_annotation = |order: &Order| matches!(order, Order::Annotate { .. });
    if orders.iter().all(is_annotation) {
        return Ok(Outgoing { head: Bytes::new(), rest: content.clone(), rest_offset: 0 });
    }
    let window = read_window(content)?;
    let mut draft = Draft::of(&window, content.len());
    for order in orders {
        draft.carry_out(order);
    }
    let (head, taken) = draft.finish();
    let rest = replaced(content, orders, taken as u64)?;
    Ok(Outgoing { head: head.into(), rest, rest_offset: taken as u64 })
}

/// The content with other octets in places of its body.
fn replaced(content: &Content, orders: &[Order], body_offset: u64) -> io::Result<Content> {
    let mut edits = Vec::new();
    for order in orders {
        let Order::Replace { start, end, with } = order else { continue };
        if *start < body_offset || end < start {
            let why = "a place to be replaced lies in the header";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        edits.push(Edit { place: *start..*end, with: with.clone() });
    }
    Ok(if edits.is_empty() { content.clone() } else { content.spliced(edits) })
}

/// The header of a content. Blocks on the disk when the content lies in a file.
pub fn head_of(content: &Content) -> io::Result<Head> {
    let window = read_window(content)?;
    Ok(Head::split(&window, &mut Oddities::default()).0)
}

/// The header and perhaps more.
fn read_window(content: &Content) -> io::Result<Bytes> {
    if let Some(octets) = content.in_memory() {
        return Ok(cut(octets, 0..WINDOW_OCTETS));
    }
    let mut window = Vec::new();
    let mut chunk = vec![0; 32 << 10];
    while window.len() < WINDOW_OCTETS {
        let octets = content.read_at(window.len() as u64, &mut chunk)?;
        let searched = window.len().saturating_sub(3);
        window.extend_from_slice(chunk.get(..octets).unwrap_or_default());
        let fresh = window.get(searched..).unwrap_or_default();
        let ends = |blank: &[u8]| memchr::memmem::find(fresh, blank).is_some();
        if octets == 0 || ends(b"\n\n") || ends(b"\n\r\n") || window.starts_with(b"\r\n") {
            break;
        }
    }
    Ok(window.into())
}

/// A field, or octets between fields.
struct Piece {
    /// In lower case; empty for octets that are no field.
    name: String,
    octets: Bytes,
    /// Where the value begins in `octets`.
    value: usize,
}

struct Draft {
    /// What stands before the first field.
    lead: Bytes,
    pieces: Vec<Piece>,
    /// Octets of the content that are in `lead` and `pieces`.
    taken: usize,
    /// The content has no field: what it has is its body.
    bodily: bool,
}

impl Draft {
    /// `window` is the beginning of a content of `content_octets`.
    fn of(window: &Bytes, content_octets: u64) -> Draft {
        let (head, rest) = Head::split(window, &mut Oddities::default());
        let octets = head.octets();
        let Some(first) = head.fields().first() else {
            // An empty header is followed by its separator, which then serves the new fields.
            let separated = octets.starts_with(b"\r\n") || octets.starts_with(b"\n");
            return Draft {
                lead: Bytes::new(),
                pieces: Vec::new(),
                taken: 0,
                bodily: !separated && !window.is_empty(),
            };
        };
        let mut pieces = Vec::with_capacity(2 * head.fields().len() + 1);
        let lead = lead_octets(octets.get(..first.start()).unwrap_or_default());
        let mut at = lead;
        for field in head.fields() {
            let (start, end) = (field.start(), field.end());
            pieces.push(Piece { name: String::new(), octets: cut(octets, at..start), value: 0 });
            let name = String::from_utf8_lossy(head.name(field)).to_ascii_lowercase();
            let value = field.value_start() - start;
            pieces.push(Piece { name, octets: cut(octets, start..end), value });
            at = end;
        }
        let mut taken = octets.len();
        pieces.push(Piece { name: String::new(), octets: cut(octets, at..taken), value: 0 });
        if (window.len() as u64) < content_octets && rest.is_empty() {
            // The window ends in the header: its last field may go on behind it.
            let lost: usize = pieces
                .drain(pieces.len().saturating_sub(2)..)
                .map(|piece| piece.octets.len())
                .sum();
            taken -= lost;
        }
        Draft { lead: cut(octets, 0..lead), pieces, taken, bodily: false }
    }

    fn carry_out(&mut self, order: &Order) {
        match order {
            Order::TagSubject(tag) => self.tag_subject(tag),
            Order::AddHeader { name, value } => self.add(name, value),
            Order::RemoveHeader(name) => {
                let name = name.to_ascii_lowercase();
                self.pieces.retain(|piece| piece.name != name || name.is_empty());
            }
            Order::RemoveResults(authserv_id) => {
                self.pieces.retain(|piece| !claims_results(piece, authserv_id));
            }
            // The body's, and the whole structure's.
            Order::Replace { .. } | Order::Annotate { .. } => {}
            // The executor's.
            Order::KeepOriginal { .. }
            | Order::Redirect { .. }
            | Order::Copy { .. }
            | Order::Notify { .. }
            | Order::RouteVia(_)
            | Order::Archive { .. } => {}
            // Done before the mail was accepted.
            Order::RateLimit { .. } => {}
            // Whoever has orders for single copies asks for those of a copy first.
            Order::For { .. } => {}
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        // RFC 5322 section 2.2.
        let name: String =
            name.chars().filter(|letter| letter.is_ascii_graphic() && *letter != ':').collect();
        if name.is_empty() {
            return;
        }
        let octets = fold(&name, value);
        let piece =
            Piece { value: name.len() + 1, name: name.to_ascii_lowercase(), octets: octets.into() };
        self.pieces.insert(0, piece);
    }

    /// Tags every Subject, since readers differ in which of several they show.
    fn tag_subject(&mut self, tag: &str) {
        let tag = clean(tag);
        let tag = tag.trim();
        if tag.is_empty() {
            return;
        }
        let mut found = false;
        for piece in self.pieces.iter_mut().filter(|piece| piece.name == "subject") {
            found = true;
            if let Some(tagged) = tagged(piece, tag) {
                piece.octets = tagged.into();
            }
        }
        if !found {
            self.add("Subject", tag);
        }
    }

    fn finish(self) -> (Vec<u8>, usize) {
        let mut head = Vec::with_capacity(self.taken + 256);
        head.extend_from_slice(&self.lead);
        for piece in &self.pieces {
            head.extend_from_slice(&piece.octets);
        }
        if self.bodily && !head.is_empty() {
            head.extend_from_slice(b"\r\n");
        }
        (head, self.taken)
    }
}

/// RFC 8601, section 5: results that only this box may claim.
fn claims_results(piece: &Piece, authserv_id: &str) -> bool {
    let value = piece.octets.get(piece.value..).unwrap_or_default();
    piece.name == "authentication-results" && AuthenticationResults::claims(value, authserv_id)
}

/// What must stay on top: a line of an mbox file, and continuation lines, which would
/// otherwise continue an added field.
fn lead_octets(before_fields: &[u8]) -> usize {
    let stays = |(at, line): &(usize, &[u8])| {
        matches!(line.first(), Some(b' ' | b'\t')) || (*at == 0 && is_mbox_line(line))
    };
    let lines = before_fields.split_inclusive(|octet| *octet == b'\n').enumerate();
    lines.take_while(stays).map(|(_, line)| line.len()).sum()
}

/// The Subject with the tag before it; nothing when it is there already.
fn tagged(piece: &Piece, tag: &str) -> Option<Vec<u8>> {
    let (name, value) = piece.octets.split_at_checked(piece.value)?;
    if words::decode(value).starts_with(tag) {
        return None;
    }
    let blank = value.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    let rest = value.get(blank..).unwrap_or_default();
    let mut field = name.to_vec();
    field.push(b' ');
    // RFC 2047 section 6.2: the space between two encoded words would not be shown.
    let before_word = rest.trim_ascii_start().starts_with(b"=?");
    let tag = match (tag.is_ascii(), before_word) {
        (true, _) => tag.to_owned(),
        (false, true) => encode_words(&format!("{tag} ")).join("\r\n "),
        (false, false) => encode_words(tag).join("\r\n "),
    };
    field.extend_from_slice(tag.as_bytes());
    let first_line = rest.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let first_line = trim_line_end(first_line);
    if !first_line.is_empty() {
        let fits = field.len() + 1 + first_line.len() <= LINE_OCTETS;
        field.extend_from_slice(if fits { b" " } else { b"\r\n " });
    }
    field.extend_from_slice(rest);
    Some(field)
}

/// Without controls, which become spaces.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// `Name: value` with its line end, folded at spaces (RFC 5322 section 2.2.3), without
/// controls, in ASCII (RFC 2047).
pub fn fold(name: &str, value: &str) -> Vec<u8> {
    let value = clean(value);
    let words: Vec<String> = match value.is_ascii() {
        true => value.split(' ').filter(|word| !word.is_empty()).flat_map(pieces_of).collect(),
        false => encode_words(value.trim()),
    };
    let mut field = format!("{name}:");
    let mut line_octets = field.len();
    for (at, word) in words.iter().enumerate() {
        // Never right behind the name: a line of white space only must not arise.
        if at > 0 && line_octets + 1 + word.len() > LINE_OCTETS {
            field.push_str("\r\n");
            line_octets = 0;
        }
        field.push(' ');
        field.push_str(word);
        line_octets += 1 + word.len();
    }
    field.push_str("\r\n");
    field.into_bytes()
}

/// A word that no line could hold is broken.
fn pieces_of(word: &str) -> Vec<String> {
    let octets: Vec<char> = word.chars().collect();
    octets.chunks(WORD_OCTETS).map(|chunk| chunk.iter().collect()).collect()
}

/// RFC 2047 section 2: encoded words of at most 75 octets, whole characters in each.
pub fn encode_words(text: &str) -> Vec<String> {
    use base64::Engine;
    const CHUNK_OCTETS: usize = 45;
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(CHUNK_OCTETS));
        let encoded = base64::engine::general_purpose::STANDARD.encode(chunk);
        words.push(format!("=?utf-8?B?{encoded}?="));
        rest = after;
    }
    words
}
