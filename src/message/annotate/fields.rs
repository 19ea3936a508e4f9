//! The header fields of a part, when its body gets another charset or encoding, or becomes a
//! part of something larger.
//!
//! In: the head of a part. Out: edits of whole fields; every other field keeps its octets. A
//! field that is there twice, or that cannot be read in one way only, yields nothing (RFC 2045
//! sections 4 to 6).

use bytes::Bytes;

use super::outline::{Form, Node};
use crate::mail::Edit;
use crate::message::head::{Field, Head, trim_line_end};
use crate::message::media::Media;
use crate::message::oddity::Oddities;

/// What the fields are to say.
pub(super) struct Said {
    /// The transfer encoding.
    pub(super) encoding: &'static str,
    /// Another charset.
    pub(super) charset: Option<&'static str>,
}

/// The fields of a part that say something else of its body.
pub(super) fn restate(node: &Node, said: &Said, eol: &str) -> Option<Vec<Edit>> {
    let octets = node.head.octets();
    // The last line of a header that nothing follows may lack its end.
    let is_ended = octets.is_empty() || octets.ends_with(b"\n");
    if !is_ended || node.ambiguous || node.form != Form::Whole {
        return None;
    }
    let mut edits = Vec::new();
    let mut fresh = String::new();
    let head = &node.head;
    if head.first("mime-version").is_none() && node.parent.is_none() {
        fresh.push_str(&format!("MIME-Version: 1.0{eol}"));
    }
    if let Some(charset) = said.charset {
        match only(head, "content-type")? {
            Some(field) => {
                let value = with_charset(head.value(field), charset)?;
                let written = [name_and_colon(head, field), &value].concat();
                is_read_so(&written, node, charset).then_some(())?;
                edits.push(replace(node, field, written));
            }
            None => fresh.push_str(&format!("Content-Type: text/plain; charset={charset}{eol}")),
        }
    }
    let line = format!("Content-Transfer-Encoding: {}{eol}", said.encoding);
    match only(head, "content-transfer-encoding")? {
        Some(field) => edits.push(replace(node, field, line.into_bytes())),
        None => fresh.push_str(&line),
    }
    edits.push(insert(node, fresh.into_bytes()));
    Some(edits)
}

/// The field of a name, or that there is none; nothing when there are several.
fn only<'h>(head: &'h Head, name: &'h str) -> Option<Option<&'h Field>> {
    let mut all = head.all(name);
    let first = all.next();
    all.next().is_none().then_some(first)
}

fn name_and_colon<'h>(head: &'h Head, field: &Field) -> &'h [u8] {
    head.octets().get(field.start()..field.value_start()).unwrap_or_default()
}

fn replace(node: &Node, field: &Field, with: Vec<u8>) -> Edit {
    let place = node.start + field.start() as u64..node.start + field.end() as u64;
    Edit { place, with }
}

/// New fields go behind the others, before the blank line if there is one.
fn insert(node: &Node, with: Vec<u8>) -> Edit {
    let octets = node.head.octets();
    let behind = match node.is_separated() {
        true => trim_line_end(octets).len(),
        false => octets.len(),
    };
    let at = node.start + behind as u64;
    Edit { place: at..at, with }
}

/// Whether a rewritten field is read as it is meant.
fn is_read_so(field: &[u8], node: &Node, charset: &str) -> bool {
    let (head, _) = Head::split(&Bytes::copy_from_slice(field), &mut Oddities::default());
    let readings = Media::readings(&head, ("text", "plain"), &mut Oddities::default());
    let [media] = readings.as_slice() else { return false };
    media.charset.as_deref() == Some(charset)
        && media.is(&node.media.main, &node.media.subtype)
        && media.names == node.media.names
}

/// The value of a Content-Type with another charset (RFC 2045 section 5.1).
fn with_charset(value: &[u8], charset: &str) -> Option<Vec<u8>> {
    let end = value.trim_ascii_end().len();
    let mut found = None;
    let mut at = 0;
    let mut name_start = None;
    while at < end {
        match value.get(at)? {
            b'(' => at = skip_comment(value, at)?,
            b'"' => at = skip_quoted(value, at)?,
            b';' => {
                name_start = Some(at + 1);
                at += 1;
            }
            b'=' => {
                let name = value.get(name_start.take()?..at)?.trim_ascii().to_ascii_lowercase();
                let from = at + 1 + blank_octets(value.get(at + 1..end)?);
                let to = value_end(value, from, end)?;
                if name.starts_with(b"charset") {
                    let is_first = name == b"charset" && found.is_none();
                    found = Some(is_first.then_some(from..to)?);
                }
                at = to;
            }
            _ => at += 1,
        }
    }
    let (before, written, after) = match found {
        Some(place) => (value.get(..place.start)?, charset.to_owned(), value.get(place.end..)?),
        None => {
            let before = value.get(..end)?;
            let lead = if before.ends_with(b";") { " " } else { "; " };
            (before, format!("{lead}charset={charset}"), value.get(end..)?)
        }
    };
    Some([before, written.as_bytes(), after].concat())
}

fn blank_octets(text: &[u8]) -> usize {
    text.len() - text.trim_ascii_start().len()
}

fn value_end(value: &[u8], from: usize, end: usize) -> Option<usize> {
    if value.get(from) == Some(&b'"') {
        return skip_quoted(value, from);
    }
    let rest = value.get(from..end)?;
    let ends = |octet: &u8| octet.is_ascii_whitespace() || b";(".contains(octet);
    Some(from + rest.iter().position(ends).unwrap_or(rest.len()))
}

fn skip_quoted(value: &[u8], at: usize) -> Option<usize> {
    let mut escaped = false;
    for (offset, octet) in value.get(at + 1..)?.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + offset + 2),
            _ => {}
        }
    }
    None
}

/// RFC 5322 section 3.2.2: comments nest.
fn skip_comment(value: &[u8], at: usize) -> Option<usize> {
    let (mut open, mut escaped) = (0usize, false);
    for (offset, octet) in value.get(at..)?.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => open += 1,
            b')' if open == 1 => return Some(at + offset + 1),
            b')' => open -= 1,
            _ => {}
        }
    }
    None
}

/// The fields that speak of the body and go with it when it becomes a part (RFC 2045 section 3:
/// all whose name begins with `Content-`).
pub(super) fn of_body(head: &Head) -> Vec<&Field> {
    let speaks = |field: &&Field| {
        head.name(field).get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
    };
    head.fields().iter().filter(speaks).collect()
}

/// Edits that take away what states a digest of a body that changes (RFC 1864).
pub(super) fn without_digest(node: &Node) -> Vec<Edit> {
    node.head.all("content-md5").map(|field| replace(node, field, Vec::new())).collect()
}

/// Edits that take the fields of the body out of a header and put others in their place; and
/// the octets that were taken out.
pub(super) fn exchange(node: &Node, fresh: &str, eol: &str) -> (Vec<Edit>, Vec<u8>) {
    let mut edits = Vec::new();
    let mut taken = Vec::new();
    for field in of_body(&node.head) {
        let octets = node.head.octets().get(field.start()..field.end()).unwrap_or_default();
        taken.extend_from_slice(octets);
        if !octets.ends_with(b"\n") {
            taken.extend_from_slice(eol.as_bytes());
        }
        edits.push(replace(node, field, Vec::new()));
    }
    let mut fresh = fresh.to_owned();
    if node.head.first("mime-version").is_none() {
        fresh.insert_str(0, &format!("MIME-Version: 1.0{eol}"));
    }
    if node.is_separated() {
        edits.push(insert(node, fresh.into_bytes()));
    } else {
        // A header without a body: it may lack the end of its last line too.
        let octets = node.head.octets();
        let last = node.head.fields().last().map(Field::start);
        let is_taken = of_body(&node.head).last().map(|field| field.start()) == last;
        let is_ended = octets.is_empty() || octets.ends_with(b"\n") || is_taken;
        let lead = if is_ended { "" } else { eol };
        let with = format!("{lead}{fresh}{eol}").into_bytes();
        edits.push(Edit { place: node.body.start..node.body.start, with });
    }
    (edits, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_exchanged() {
        let table = [
            (" text/plain\r\n", Some(" text/plain; charset=utf-8\r\n")),
            (" text/plain;\r\n", Some(" text/plain; charset=utf-8\r\n")),
            (" text/plain; charset=x; a=b\r\n", Some(" text/plain; charset=utf-8; a=b\r\n")),
            (" text/plain;\r\n CharSet = \"x\"\r\n", Some(" text/plain;\r\n CharSet = utf-8\r\n")),
            (
                " text/plain; a=\"charset=y\" (charset=z)\r\n",
                Some(" text/plain; a=\"charset=y\" (charset=z); charset=utf-8\r\n"),
            ),
            (" text/plain; charset=x; charset=y\r\n", None),
            (" text/plain; charset*=us-ascii''x\r\n", None),
            (" text/plain; a=\"open\r\n", None),
            (" text/plain; (open\r\n", None),
        ];
        for (value, expected) in table {
            let written = with_charset(value.as_bytes(), "utf-8");
            let written = written.map(|octets| String::from_utf8(octets).unwrap());
            assert_eq!(written.as_deref(), expected, "{value:?}");
        }
    }
}
