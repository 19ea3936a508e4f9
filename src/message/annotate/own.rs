//! An annotation as a part of its own, where no part can take it in.
//!
//! In: an outline. Out: edits that put a text part into the multipart that the message is, or
//! that make the message a multipart with what it was as one of its parts, whose octets stay
//! (RFC 2046 section 5.1). The boundary of that stands nowhere in the message.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use memchr::memmem;

use super::aim::Aim;
use super::encode;
use super::layout::{self, Flow};
use super::outline::{Form, Node, Outline, read};
use super::{Why, fields};
use crate::mail::{AnnotationPlace as Place, Content, Edit};
use crate::message::head::trim_line_end;

/// A content in a file is searched in windows of this size.
const WINDOW_OCTETS: u64 = 256 << 10;
/// Boundaries that are tried.
const BOUNDARIES: u32 = 16;

/// A text part: header, blank line and text, which ends its last line.
fn part(text: &str, eol: &str) -> Vec<u8> {
    let lines = layout::lines(text, Flow::Fixed);
    let text = lines.join(eol) + eol;
    // No line may look like a delimiter of what the part is put into.
    let is_plain = text.is_ascii() && !lines.iter().any(|line| line.starts_with("--"));
    let (encoding, body) = match is_plain {
        true => ("7bit", text.into_bytes()),
        false => ("quoted-printable", encode::quoted_printable(text.as_bytes(), eol)),
    };
    let head = format!(
        "Content-Type: text/plain; charset=utf-8{eol}Content-Transfer-Encoding: {encoding}{eol}\
         Content-Disposition: inline{eol}{eol}"
    );
    [head.as_bytes(), &body].concat()
}

/// Edits that add the part; before what is shown unless it belongs behind a text.
pub(super) fn add(
    content: &Content,
    outline: &Outline,
    aim: &Aim,
    place: Place,
    text: &str,
    eol: &'static str,
) -> io::Result<Result<Vec<Edit>, Why>> {
    let Some(message) = outline.node(0) else { return Ok(Err(Why::Broken("no header"))) };
    let beside = aim.leaves.last().map(|leaf| child_with(outline, *leaf));
    let is_mixed = message.media.subtype == "mixed" && !message.children.is_empty();
    let is_behind = place == Place::Below && beside.is_some();
    let part = part(text, eol);
    if let Some(delimiter) = message.delimiter().filter(|_| is_mixed) {
        let beside = beside.flatten().filter(|_| is_behind);
        let number = beside.or_else(|| message.children.first().copied());
        let Some(node) = number.and_then(|number| outline.node(number)) else {
            return Ok(Err(Why::Broken("a multipart without parts")));
        };
        let line = [b"--", delimiter, eol.as_bytes()].concat();
        let edit = match (is_behind, node.closed) {
            (false, _) => inserted(node.opened, [&line[..], &part].concat()),
            (true, Some(closed)) => inserted(closed, [&line[..], &part].concat()),
            (true, None) => inserted(node.body.end, [eol.as_bytes(), &line, &part].concat()),
        };
        return Ok(Ok(vec![edit]));
    }
    let first = if is_behind { First::Message } else { First::Annotation };
    wrap(content, message, &part, first, eol)
}

/// What stands before the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Annotation,
    Message,
}

/// Edits that make the message a multipart of the part and of what it was.
fn wrap(
    content: &Content,
    message: &Node,
    part: &[u8],
    first: First,
    eol: &'static str,
) -> io::Result<Result<Vec<Edit>, Why>> {
    if message.form != Form::Whole {
        return Ok(Err(Why::Broken("a line of the header is no field")));
    }
    let Some(boundary) = boundary(content, message.head.octets(), part)? else {
        return Ok(Err(Why::Broken("every boundary stands in it")));
    };
    let mut fresh = format!("Content-Type: multipart/mixed;{eol} boundary=\"{boundary}\"{eol}");
    // RFC 2045 section 6.4: what holds eight bits says so.
    let encoding = message.head.text("content-transfer-encoding").unwrap_or_default();
    let encoding = encoding.trim().to_ascii_lowercase();
    if matches!(encoding.as_str(), "8bit" | "binary") {
        fresh.push_str(&format!("Content-Transfer-Encoding: {encoding}{eol}"));
    }
    let (mut edits, moved) = fields::exchange(message, &fresh, eol);
    let line = format!("--{boundary}{eol}");
    let mut before = Vec::new();
    if first == First::Annotation {
        before.extend_from_slice(line.as_bytes());
        before.extend_from_slice(part);
    }
    before.extend_from_slice(line.as_bytes());
    before.extend_from_slice(&moved);
    before.extend_from_slice(eol.as_bytes());
    // The line end before a delimiter belongs to it.
    let mut after = eol.as_bytes().to_vec();
    if first == First::Message {
        after.extend_from_slice(line.as_bytes());
        after.extend_from_slice(part);
    }
    after.extend_from_slice(format!("--{boundary}--{eol}").as_bytes());
    edits.push(inserted(message.body.start, before));
    edits.push(inserted(message.body.end, after));
    Ok(Ok(edits))
}

fn inserted(at: u64, with: Vec<u8>) -> Edit {
    Edit { place: at..at, with }
}

/// The part of the message that holds a leaf.
fn child_with(outline: &Outline, leaf: usize) -> Option<usize> {
    let mut number = leaf;
    while let Some(parent) = outline.node(number)?.parent {
        if parent == 0 {
            return Some(number);
        }
        number = parent;
    }
    None
}

/// A boundary that stands nowhere in the message nor in the part. What is made of the header
/// alone is the same whenever the mail is sent again.
fn boundary(content: &Content, head: &[u8], part: &[u8]) -> io::Result<Option<String>> {
    for attempt in 0..BOUNDARIES {
        let mut hasher = DefaultHasher::new();
        (head, attempt, content.len()).hash(&mut hasher);
        // RFC 2045 section 6.7: this occurs in no quoted-printable.
        let boundary = format!("=_postern_{:016x}", hasher.finish());
        let is_free = memmem::find(part, boundary.as_bytes()).is_none();
        if is_free && !contains(content, boundary.as_bytes())? {
            return Ok(Some(boundary));
        }
    }
    Ok(None)
}

fn contains(content: &Content, needle: &[u8]) -> io::Result<bool> {
    let finder = memmem::Finder::new(needle);
    if let Some(octets) = content.in_memory() {
        return Ok(finder.find(octets).is_some());
    }
    let mut at = 0;
    while at < content.len() {
        let window = read(content, at..at + WINDOW_OCTETS + needle.len() as u64)?;
        if finder.find(&window).is_some() {
            return Ok(true);
        }
        at += WINDOW_OCTETS;
    }
    Ok(false)
}

/// How the lines of a message end.
pub(super) fn eol_of(outline: &Outline) -> &'static str {
    let head = outline.node(0).map(|node| node.head.octets().as_ref()).unwrap_or_default();
    let first = memchr::memchr(b'\n', head).and_then(|end| head.get(..end + 1));
    match first {
        Some(line) if line.len() - trim_line_end(line).len() == 1 => "\n",
        _ => "\r\n",
    }
}
