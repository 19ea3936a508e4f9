//! The other ways in which a part can be read: where its header ends, how its body is decoded,
//! what a text is that looks like a message.
//!
//! In: a part in its usual reading and what is odd about it. Out: what other readers would make
//! of it, as heads and bodies that the walk of [`super::anatomy`] goes on with. Nothing comes
//! out for ordinary mail, at the cost of a few searches. Every function is linear and yields a
//! bounded number of readings.

use bytes::Bytes;
use memchr::{memchr, memmem};

use super::anatomy::Part;
use super::cut;
use super::head::{Head, decides_reading, trim_line_end};
use super::media::Encoding;
use super::oddity::{Oddities, Oddity};
use super::transfer::{self, Flaws};

/// A head and a body as another reader separates them.
pub(super) struct Parted {
    pub(super) head: Head,
    pub(super) body: Bytes,
}

/// Other ways in which an entity falls into header and body. `octets` is the whole entity,
/// `head` and `body` its usual reading, `odd` what was noticed in the header.
pub(super) fn headers(octets: &Bytes, head: &Head, body: &Bytes, odd: &Oddities) -> Vec<Parted> {
    let mut found = Vec::new();
    let head_octets = head.octets();
    if let Some(after) = octets.strip_prefix(b"\xef\xbb\xbf") {
        found.push(part(&cut(octets, octets.len() - after.len()..octets.len())));
    }
    if let Some(stray) = head.stray_offset() {
        found.push(end_at(octets, stray, stray));
    }
    if odd.has(Oddity::HeaderBlankFold)
        && let Some((start, end)) = blank_line(head_octets)
    {
        found.push(end_at(octets, start, end));
    }
    if odd.has(Oddity::HeaderContinuation) {
        found.push(end_at(octets, 0, 0));
    }
    if odd.has(Oddity::HeaderBareCr) {
        found.push(rewritten(with_line_ends(head_octets), body));
    }
    if odd.has(Oddity::HeaderNul) {
        let without = head_octets.iter().copied().filter(|octet| *octet != 0).collect();
        found.push(rewritten(without, body));
        found.push(rewritten(cut_at_nuls(head_octets), body));
    }
    if odd.has(Oddity::HeaderSpaceColonMime) {
        found.push(rewritten(without_spaced(head), body));
    }
    if head.fields().is_empty() {
        let start = octets.len() - octets.trim_ascii_start().len();
        if start > 0 && begins_like_part(octets.trim_ascii_start()) {
            found.push(part(&cut(octets, start..octets.len())));
        }
    }
    found
}

/// Whether a header has neither an empty line behind it nor a body.
pub(super) fn is_unended(head: &Head, body: &Bytes) -> bool {
    let octets = head.octets();
    body.is_empty()
        && !octets.trim_ascii().is_empty()
        && !octets.ends_with(b"\n\r\n")
        && !octets.ends_with(b"\n\n")
}

fn part(octets: &Bytes) -> Parted {
    let (head, body) = Head::split(octets, &mut Oddities::default());
    Parted { head, body }
}

/// The header ends before `start`, the body begins at `body_start`.
fn end_at(octets: &Bytes, start: usize, body_start: usize) -> Parted {
    let (head, _) = Head::split(&cut(octets, 0..start), &mut Oddities::default());
    Parted { head, body: cut(octets, body_start..octets.len()) }
}

/// Another header before the same body; what lies behind its end is body as well.
fn rewritten(head: Vec<u8>, body: &Bytes) -> Parted {
    let (head, rest) = Head::split(&Bytes::from(head), &mut Oddities::default());
    if rest.is_empty() {
        return Parted { head, body: body.clone() };
    }
    let mut whole = rest.to_vec();
    whole.extend_from_slice(body);
    Parted { head, body: whole.into() }
}

/// Where the first line of white space only lies, with its line end.
fn blank_line(head: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(rest) = head.get(at..).filter(|rest| !rest.is_empty()) {
        let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let line = trim_line_end(rest.get(..end).unwrap_or_default());
        if !line.is_empty() && line.iter().all(|octet| matches!(octet, b' ' | b'\t')) {
            return Some((at, at + end));
        }
        at += end;
    }
    None
}

/// CR without LF becomes a line end.
fn with_line_ends(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + 64);
    for (at, octet) in octets.iter().enumerate() {
        out.push(*octet);
        if *octet == b'\r' && octets.get(at + 1) != Some(&b'\n') {
            out.push(b'\n');
        }
    }
    out
}

/// Every line ends at its first NUL.
fn cut_at_nuls(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        match memchr(0, line) {
            Some(end) => {
                out.extend_from_slice(line.get(..end).unwrap_or_default());
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// Without the fields that decide how the message is read and have a space before the colon.
fn without_spaced(head: &Head) -> Vec<u8> {
    let octets = head.octets();
    let mut out = Vec::with_capacity(octets.len());
    let mut at = 0;
    for field in head.fields() {
        let name = head.name(field);
        let is_spaced = field.start() + name.len() + 1 < field.value_start();
        if is_spaced && decides_reading(name) {
            out.extend_from_slice(octets.get(at..field.start()).unwrap_or_default());
            at = field.end();
        }
    }
    out.extend_from_slice(octets.get(at..).unwrap_or_default());
    out
}

/// What other decoders make of a body in base64 or quoted-printable, decoded; the usual one is
/// `usual`. Beyond the readings that are tried there are more when the last value says so.
pub(super) fn decodings(part: &Part, usual: &[u8], flaws: &Flaws) -> (Vec<Bytes>, bool) {
    let body = &part.body;
    let mut found: Vec<Bytes> = Vec::new();
    let mut more = false;
    let mut add = |octets: Bytes| {
        if !octets.is_empty() && octets != usual && !found.contains(&octets) {
            found.push(octets);
        }
    };
    match part.media.encoding {
        Encoding::Identity => {}
        Encoding::QuotedPrintable => {
            // A text is shown the same with blanks at its line ends and without.
            if !part.is_shown_text() || flaws.bad_escapes > 0 {
                let others = transfer::quoted_printable_otherwise(body);
                others.into_iter().for_each(|octets| add(octets.into()));
            }
            if flaws.bad_escapes > 0 {
                add(transfer::decode_quoted_printable_dropping(body).into());
            }
        }
        Encoding::Base64 => {
            if flaws.after_padding {
                let (runs, left_out) = transfer::base64_runs(body);
                more = left_out;
                for run in &runs {
                    add(transfer::decode_base64(run).0.into());
                }
                let unpadded: Vec<u8> =
                    body.iter().copied().filter(|octet| *octet != b'=').collect();
                add(transfer::decode_base64(&unpadded).0.into());
            }
            if flaws.foreign > 0 {
                add(body.clone());
                add(transfer::decode_base64(transfer::base64_start(body)).0.into());
                add(transfer::decode_base64(&transfer::clean_base64_lines(body)).0.into());
                add(transfer::decode_base64(&transfer::from_url_alphabet(body)).0.into());
            }
        }
    }
    (found, more)
}

/// What a text is that looks like parts of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// A multipart of this boundary.
    Multipart(Vec<u8>),
    /// A part, which begins here.
    Part(usize),
}

/// How many lines of dashes are looked behind.
const DASH_LINES: usize = 200;
/// How many different boundaries a text may show.
const BOUNDARIES: usize = 4;

/// Looks for parts in a text: a line of dashes and a boundary with a MIME field behind it, or
/// MIME fields where it begins.
pub(super) fn sniff(text: &[u8]) -> Vec<Sniffed> {
    let mut found = Vec::new();
    let start = text.trim_ascii_start();
    if begins_like_part(start) {
        found.push(Sniffed::Part(text.len() - start.len()));
    }
    let first = start.starts_with(b"--").then_some(text.len() - start.len());
    let dashes = memmem::find_iter(text, b"\n--").map(|at| at + 1);
    for at in first.into_iter().chain(dashes).take(DASH_LINES) {
        let rest = text.get(at..).unwrap_or_default();
        let Some(end) = memchr(b'\n', rest) else { break };
        let line = rest.get(..end).unwrap_or_default().trim_ascii_end();
        let boundary = line.get(2..).unwrap_or_default();
        let after = rest.get(end + 1..).unwrap_or_default();
        if boundary.is_empty() || boundary.len() > 200 || !has_mime_field(after) {
            continue;
        }
        let sniffed = Sniffed::Multipart(boundary.to_vec());
        if found.len() < BOUNDARIES && !found.contains(&sniffed) {
            found.push(sniffed);
        }
    }
    found
}

/// Whether a MIME field stands in the header that begins here.
fn has_mime_field(octets: &[u8]) -> bool {
    const LINES: usize = 12;
    let lines = octets.split(|octet| *octet == b'\n').take(LINES);
    for line in lines {
        if line.trim_ascii().is_empty() {
            return false;
        }
        if is_mime_field(line) {
            return true;
        }
    }
    false
}

/// Whether octets begin with a header field, whichever.
pub(super) fn begins_like_field(octets: &[u8]) -> bool {
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let colon = memchr(b':', line).unwrap_or_default();
    let name = line.get(..colon).unwrap_or_default();
    trim_line_end(octets).is_empty()
        || super::head::is_mbox_line(line)
        || (!name.is_empty() && name.iter().all(u8::is_ascii_graphic))
}

/// Whether octets begin with a MIME field.
pub(super) fn begins_like_part(octets: &[u8]) -> bool {
    is_mime_field(octets)
}

fn is_mime_field(line: &[u8]) -> bool {
    let begins = |name: &[u8]| {
        let start = line.get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    begins(b"content-type") || begins(b"content-transfer-") || begins(b"content-dispos")
}

/// RFC 3462 section 2 and RFC 6533 section 6: the header of a message that is not sent back.
/// What has a body as well is looked at like any text.
pub(super) fn is_header_alone(part: &Part) -> bool {
    let is_header =
        part.media.is("text", "rfc822-headers") || part.media.is("message", "global-headers");
    is_header && {
        let (_, body) = Head::split(&part.content(), &mut Oddities::default());
        body.trim_ascii().is_empty()
    }
}

pub(super) fn looks_like_message(part: &Part) -> bool {
    let octets = part.decode_body().0.trim_ascii_start();
    begins_like_part(octets) || begins_like_message(octets)
}

/// Whether octets begin with the header of a message: a few fields, one of which messages have.
pub(super) fn begins_like_message(octets: &[u8]) -> bool {
    const LINES: usize = 60;
    const KNOWN: [&str; 14] = [
        "from",
        "to",
        "subject",
        "date",
        "received",
        "message-id",
        "mime-version",
        "return-path",
        "content-type",
        "content-transfer-encoding",
        "reply-to",
        "sender",
        "delivered-to",
        "cc",
    ];
    let mut known = 0;
    for (at, line) in octets.split(|octet| *octet == b'\n').take(LINES).enumerate() {
        let line = trim_line_end(line);
        if at == 0 && super::head::is_mbox_line(line) {
            continue;
        }
        match line.first() {
            None => break,
            Some(b' ' | b'\t') if at > 0 => continue,
            Some(_) => {}
        }
        let Some(colon) = memchr(b':', line) else { return false };
        let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return false;
        }
        known += usize::from(KNOWN.iter().any(|one| name.eq_ignore_ascii_case(one.as_bytes())));
        if known >= 2 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_look_like_messages_are_told() {
        let multipart = |boundary: &str| vec![Sniffed::Multipart(boundary.into())];
        let table: [(&str, Vec<Sniffed>); 8] = [
            ("Hello\r\n-- \r\nJohn\r\n", Vec::new()),
            ("--b\r\nContent-Type: a/b\r\n\r\nx", multipart("b")),
            ("x\n--b\nX: y\ncontent-TYPE: a/b\n\nx", multipart("b")),
            ("x\n--b\n\nContent-Type: a/b\n\nx", Vec::new()),
            ("x\n---- Original Message ----\nFrom: x\n", Vec::new()),
            ("\r\nContent-Type: a/b\r\n\r\nx", vec![Sniffed::Part(2)]),
            ("x\n--", Vec::new()),
            ("", Vec::new()),
        ];
        for (text, expected) in table {
            assert_eq!(sniff(text.as_bytes()), expected, "{text:?}");
        }
        assert!(begins_like_message(b"From: a\r\nSubject: b\r\n\r\n"));
        assert!(!begins_like_message(b"Dear Sir: we\r\nwrite\r\n"));
        assert!(!begins_like_message(b"From: a\r\n\r\n"));
    }
}
