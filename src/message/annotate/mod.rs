//! A text of the house in a message: a disclaimer, a warning.
//!
//! In: the octets of a message and an [`Annotation`]. Out: edits of the message as it is, which
//! put the annotation where every reader sees it, once in a thread; or [`NotAnnotated`], with
//! the reason. Whatever is signed or encrypted, and every part but those that take the
//! annotation in, keeps its octets; so does the rest of those, unless their charset or their
//! encoding cannot carry it, when they are written anew without loss, or else the annotation
//! becomes a part of its own (RFC 2045, 2046, 2049 section 3). Nothing but the texts that are
//! shown is read whole or decoded. Linear. Fails with the disk alone.

mod aim;
mod carry;
pub(super) mod encode;
mod fields;
mod layout;
mod markup;
mod outline;
mod own;
mod present;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;

use bytes::Bytes;

use super::charset;
use super::head::trim_line_end;
use super::media::Encoding;
use super::transfer;
use crate::mail::{AnnotationPlace, Content, Edit};
use carry::{Carrier, Splice};
use fields::Said;
use layout::Flow;
use outline::{Form, Node, Outline};
use present::Tell;

/// What is put into a message.
#[derive(Debug, Clone, Copy)]
pub struct Annotation<'a> {
    /// For plain text.
    pub text: &'a str,
    /// For HTML; made of the text when absent.
    pub html: Option<&'a str>,
    /// Where.
    pub place: AnnotationPlace,
    /// Names it, so that a thread has it once; empty when every message is to have it.
    pub key: &'a str,
}

/// A message stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not annotated: {why}")]
pub struct NotAnnotated {
    /// For what reason.
    pub why: Why,
}

/// Why a message stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The annotation says nothing.
    Empty,
    /// It has the annotation already.
    Present,
    /// Another octet would break a signature.
    Signed,
    /// Nothing can be put into what is encrypted.
    Encrypted,
    /// A report that programs read.
    Report,
    /// An invitation that programs read, without a text.
    Calendar,
    /// A fragment of a message, or a pointer to one.
    Fragment,
    /// Its structure is broken.
    Broken(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Why::Empty => "the annotation is empty",
            Why::Present => "the annotation is there already",
            Why::Signed => "the message is signed",
            Why::Encrypted => "the message is encrypted",
            Why::Report => "the message is a report for programs",
            Why::Calendar => "the message is an invitation without a text",
            Why::Fragment => "the message is a fragment or lies elsewhere",
            Why::Broken(what) => return write!(out, "the message is broken: {what}"),
        })
    }
}

/// The edits that annotate a message. Blocks on the disk when it lies in a file.
pub fn annotate(
    content: &Content,
    annotation: &Annotation<'_>,
) -> io::Result<Result<Vec<Edit>, NotAnnotated>> {
    Ok(edits(content, annotation)?.map_err(|why| NotAnnotated { why }))
}

fn edits(content: &Content, annotation: &Annotation<'_>) -> io::Result<Result<Vec<Edit>, Why>> {
    let html = present::html_of(annotation.text, annotation.html);
    let words = match annotation.text.trim().is_empty() {
        true => present::markup_text(&html),
        false => annotation.text.to_owned(),
    };
    if words.trim().is_empty() {
        return Ok(Err(Why::Empty));
    }
    let annotation = &Annotation { text: &words, ..*annotation };
    let outline = Outline::of(content)?;
    if outline.node(0).is_none_or(|node| node.form == Form::Endless) {
        return Ok(Err(Why::Broken("a header without an end")));
    }
    let aim = match aim::aim(&outline) {
        Ok(aim) => aim,
        Err(why) => return Ok(Err(why)),
    };
    let tell = Tell::of(annotation.key, annotation.text, &html);
    let eol = own::eol_of(&outline);
    let mut bodies = Vec::new();
    for number in &aim.shown {
        let Some(node) = outline.node(*number) else { continue };
        let body = Body::of(content, node, *number)?;
        if let Some(why) = body.refuses(tell.as_ref()) {
            return Ok(Err(why));
        }
        if aim.leaves.contains(number) {
            bodies.push((node, body));
        }
    }
    let mut edits = Vec::new();
    for (node, body) in &bodies {
        let above = outline.delimiters_above(body.number);
        let writer = Writer { node, body, annotation, html: &html, eol, above: &above };
        let Some(more) = writer.edits() else {
            return own::add(content, &outline, &aim, annotation.place, annotation.text, eol);
        };
        edits.extend(more);
    }
    match edits.is_empty() {
        true => own::add(content, &outline, &aim, annotation.place, annotation.text, eol),
        false => Ok(Ok(edits)),
    }
}

/// A text part, decoded.
struct Body {
    number: usize,
    encoded: Bytes,
    decoded: Bytes,
    /// As a lenient reader shows it.
    text: String,
    is_html: bool,
    is_flawed: bool,
}

impl Body {
    fn of(content: &Content, node: &Node, number: usize) -> io::Result<Body> {
        let encoded = outline::read(content, node.body.clone())?;
        let (decoded, flaws) = match node.media.encoding {
            Encoding::Identity => (encoded.clone(), transfer::Flaws::default()),
            Encoding::Base64 => {
                let (octets, flaws) = transfer::decode_base64(&encoded);
                (octets.into(), flaws)
            }
            Encoding::QuotedPrintable => {
                let (octets, flaws) = transfer::decode_quoted_printable(&encoded);
                (octets.into(), flaws)
            }
        };
        let text = charset::decode(&decoded, node.media.charset.as_deref()).text.into_owned();
        let is_html = node.media.is("text", "html");
        let is_flawed = node.media.encoding == Encoding::Base64 && flaws != Default::default();
        Ok(Body { number, encoded, decoded, text, is_html, is_flawed })
    }

    fn refuses(&self, tell: Option<&Tell>) -> Option<Why> {
        if let Some(why) = present::is_sealed(&self.text, self.is_html) {
            return Some(why);
        }
        let is_told = |tell: &Tell| match self.is_html {
            true => tell.is_in_html(&self.text),
            false => tell.is_in_text(&self.text),
        };
        tell.is_some_and(is_told).then_some(Why::Present)
    }
}

/// Puts the annotation into one part.
struct Writer<'w> {
    node: &'w Node,
    body: &'w Body,
    annotation: &'w Annotation<'w>,
    html: &'w str,
    eol: &'static str,
    /// Boundaries of what holds the part.
    above: &'w [Vec<u8>],
}

/// What is put into a text, and where.
struct Insertion {
    at: usize,
    text: String,
    /// What it may be filled up with.
    filler: &'static str,
}

impl Writer<'_> {
    /// Nothing when the part cannot take it in.
    fn edits(&self) -> Option<Vec<Edit>> {
        let is_plain = self.node.media.encoding == Encoding::Identity;
        // Where the body of a torn part begins, readers differ; where it ends, they do not.
        let is_sound = match self.node.form {
            Form::Whole => true,
            Form::Torn => is_plain,
            Form::Endless => false,
        };
        if self.node.ambiguous || self.body.is_flawed || !is_sound {
            return None;
        }
        let mut edits = match self.node.is_separated() {
            true => self.in_place().or_else(|| self.anew())?,
            false => self.behind_header()?,
        };
        edits.extend(fields::without_digest(self.node));
        Some(edits)
    }

    fn label(&self) -> Option<&str> {
        self.node.media.charset.as_deref()
    }

    /// What is said in a text of these octets, in which markup is ASCII.
    fn insertion(&self, octets: &[u8], label: Option<&str>) -> Insertion {
        let eol = layout::eol_of(octets, self.eol);
        let place = self.annotation.place;
        if self.body.is_html {
            let spot = markup::spot(&markup::masked(octets, label), place);
            let mark = present::mark(self.annotation.key);
            let mark = if self.annotation.key.is_empty() { "" } else { mark.as_str() };
            let html = self.html.replace("\r\n", "\n").replace('\n', eol);
            let text = format!("{}{eol}{mark}<div>{html}</div>{eol}", spot.before);
            return Insertion { at: spot.at, text, filler: " " };
        }
        let lines = layout::lines(self.annotation.text, Flow::of(&self.node.head));
        let (at, text) = layout::lay(octets, &lines, place, eol);
        Insertion { at, text, filler: eol }
    }

    /// Every other octet of the body stays.
    fn in_place(&self) -> Option<Vec<Edit>> {
        let decoded: &[u8] = &self.body.decoded;
        let insertion = self.insertion(decoded, self.label());
        let mut octets = encode::write(self.label(), &insertion.text)?;
        if self.node.media.encoding == Encoding::Base64 && insertion.at < decoded.len() {
            carry::fill_group(&mut octets, insertion.filler.as_bytes());
        }
        // No octet of the text changes its meaning by what stands beside it.
        let written = Splice { place: insertion.at..insertion.at, with: octets.clone() };
        if !self.is_kept(&insertion, &octets, &written.apply(decoded)) {
            return None;
        }
        let carrier = Carrier {
            encoding: self.node.media.encoding,
            encoded: &self.body.encoded,
            decoded,
            eol: self.eol,
        };
        match carrier.insert(insertion.at, &octets) {
            Some(splice) if !self.collides(&splice.with) => Some(vec![self.edit(splice)]),
            // The charset can say it and the encoding cannot.
            _ if self.node.media.encoding == Encoding::Identity => {
                self.encoded_anew(&written.apply(decoded), None)
            }
            _ => None,
        }
    }

    /// Whether a text reads as before with octets put in.
    fn is_kept(&self, insertion: &Insertion, octets: &[u8], whole: &[u8]) -> bool {
        let read = |octets: &[u8]| charset::decode(octets, self.label()).text.into_owned();
        let Some((before, after)) = self.body.decoded.split_at_checked(insertion.at) else {
            return false;
        };
        let (before, said, after) = (read(before), read(octets), read(after));
        self.body.text == [before.as_str(), &after].concat()
            && read(whole) == [before, said, after].concat()
    }

    /// The whole part in UTF-8, when nothing of it is lost.
    fn anew(&self) -> Option<Vec<Edit>> {
        if encode::is_utf8(self.label()) {
            return None;
        }
        let decoded = match self.node.media.encoding {
            // RFC 2045 section 6.7, rule 3: it is no text, and would become one.
            Encoding::QuotedPrintable => {
                transfer::decode_quoted_printable(&without_padding(&self.body.encoded)).0.into()
            }
            _ => self.body.decoded.clone(),
        };
        let text = encode::read_exactly(self.label(), &decoded)?;
        let insertion = self.insertion(text.as_bytes(), None);
        let (before, after) = text.split_at_checked(insertion.at)?;
        let whole = [before, &insertion.text, after].concat();
        self.encoded_anew(whole.as_bytes(), Some("utf-8"))
    }

    fn encoded_anew(&self, octets: &[u8], charset: Option<&'static str>) -> Option<Vec<Edit>> {
        let beyond_ascii = octets.iter().filter(|octet| !octet.is_ascii()).count();
        let is_dense = beyond_ascii > octets.len() / 4;
        let (encoding, body) = match self.node.media.encoding == Encoding::Base64 || is_dense {
            true => ("base64", encode::base64(octets, self.eol)),
            false => ("quoted-printable", encode::quoted_printable(octets, self.eol)),
        };
        let mut edits = fields::restate(self.node, &Said { encoding, charset }, self.eol)?;
        edits.push(Edit { place: self.node.body.clone(), with: body });
        Some(edits)
    }

    /// A part whose header nothing follows, not even the blank line (RFC 2046 section 5.1).
    fn behind_header(&self) -> Option<Vec<Edit>> {
        let head = self.node.head.octets();
        let insertion = self.insertion(b"", self.label());
        let written = encode::write(self.label(), &insertion.text);
        if let Some(octets) = &written
            && self.node.media.encoding == Encoding::Identity
            && octets.is_ascii()
            && !self.collides(octets)
        {
            let lead = if head.is_empty() || head.ends_with(b"\n") { "" } else { self.eol };
            let with = [lead.as_bytes(), self.eol.as_bytes(), octets].concat();
            return Some(vec![Edit { place: self.node.body.clone(), with }]);
        }
        let charset = written.is_none().then_some("utf-8");
        let octets = written.unwrap_or_else(|| insertion.text.into_bytes());
        let said = Said { encoding: "quoted-printable", charset };
        let mut edits = fields::restate(self.node, &said, self.eol)?;
        let body = encode::quoted_printable(&octets, self.eol);
        let with = [self.eol.as_bytes(), &body].concat();
        edits.push(Edit { place: self.node.body.clone(), with });
        Some(edits)
    }

    fn edit(&self, splice: Splice) -> Edit {
        let start = self.node.body.start;
        let place = start + splice.place.start as u64..start + splice.place.end as u64;
        Edit { place, with: splice.with }
    }

    /// Whether a line would be taken for a delimiter (RFC 2046 section 5.1.1).
    fn collides(&self, octets: &[u8]) -> bool {
        let mut lines = octets.split(|octet| *octet == b'\n');
        lines.any(|line| {
            let dashed = line.strip_prefix(b"--");
            dashed.is_some_and(|line| self.above.iter().any(|one| line.starts_with(one)))
        })
    }
}

/// Quoted-printable without the white space that transport left at the end of lines.
fn without_padding(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    for line in encoded.split_inclusive(|octet| *octet == b'\n') {
        let text = trim_line_end(line);
        let padding = text.iter().rev().take_while(|octet| b" \t".contains(octet)).count();
        out.extend_from_slice(text.get(..text.len() - padding).unwrap_or_default());
        out.extend_from_slice(line.get(text.len()..).unwrap_or_default());
    }
    out
}
