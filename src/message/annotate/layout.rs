//! The annotation as lines of plain text.
//!
//! In: the text of the annotation, the text that it joins, where. Out: the octets' place and
//! what stands there, set off by an empty line. In text that readers reflow, the lines are made
//! so that they are not joined with what stands beside them (RFC 3676 sections 4.1 to 4.4).

use crate::mail::AnnotationPlace as Place;
use crate::message::head::Head;
use crate::message::parameters;

/// RFC 5322 section 2.1.1 allows 998 octets; room is left for what an encoding adds.
const LINE_OCTETS: usize = 900;
/// RFC 3676 section 4.2.
const FLOWED_CHARS: usize = 72;

/// How readers treat the line ends of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// As they stand.
    Fixed,
    /// RFC 3676; the space at a soft line end belongs to the text.
    Flowed,
    /// RFC 3676 with `delsp=yes`; that space does not.
    FlowedDeleting,
}

impl Flow {
    /// What the Content-Type says of it.
    pub(super) fn of(head: &Head) -> Flow {
        let value = head.first("content-type").unwrap_or_default();
        let readings = parameters::readings(value.get(..8 << 10).unwrap_or(value));
        let Some((_, parameters)) = readings.first() else { return Flow::Fixed };
        let is = |name: &str, value: &str| {
            parameters.texts(name).first().is_some_and(|one| one.trim().eq_ignore_ascii_case(value))
        };
        match (is("format", "flowed"), is("delsp", "yes")) {
            (false, _) => Flow::Fixed,
            (true, false) => Flow::Flowed,
            (true, true) => Flow::FlowedDeleting,
        }
    }
}

/// The lines of an annotation, without line ends.
pub(super) fn lines(text: &str, flow: Flow) -> Vec<String> {
    let clean = |letter: char| letter == '\t' || letter == '\n' || !letter.is_control();
    let text: String = text.replace("\r\n", "\n").chars().filter(|one| clean(*one)).collect();
    let mut lines = Vec::new();
    for line in text.trim_matches('\n').split('\n') {
        let line = line.trim_end();
        match flow {
            Flow::Fixed => fold(line, LINE_OCTETS, &mut lines),
            Flow::Flowed | Flow::FlowedDeleting => flowed(line, flow, &mut lines),
        }
    }
    lines
}

/// Breaks a line at spaces where it would be too long.
fn fold(line: &str, most: usize, lines: &mut Vec<String>) {
    let mut rest = line;
    while rest.len() > most {
        let end = rest.floor_char_boundary(most);
        let (start, after) = rest.split_at(end);
        let (start, after) = match start.rfind(' ').filter(|space| *space > 0) {
            Some(space) => rest.split_at(space),
            None => (start, after),
        };
        lines.push(start.trim_end().to_owned());
        rest = after.trim_start();
    }
    lines.push(rest.to_owned());
}

/// RFC 3676 section 4.2: a line that ends in a space goes on in the next.
fn flowed(line: &str, flow: Flow, lines: &mut Vec<String>) {
    let mut pieces = Vec::new();
    // Section 4.3: the line before a signature is never flowed, and a paragraph in one line
    // needs no break.
    match line.chars().count() > FLOWED_CHARS {
        true => fold(line, FLOWED_CHARS, &mut pieces),
        false => pieces.push(line.to_owned()),
    }
    let last = pieces.len().saturating_sub(1);
    for (at, piece) in pieces.into_iter().enumerate() {
        let mut written = String::new();
        // Section 4.4: what begins like a quote or a separator is stuffed.
        if piece.starts_with([' ', '>']) || piece.starts_with("From ") {
            written.push(' ');
        }
        written.push_str(&piece);
        if at < last {
            written.push(' ');
            if flow == Flow::FlowedDeleting {
                written.push(' ');
            }
        }
        lines.push(written);
    }
}

/// Where in a text the annotation stands, and what stands there.
pub(super) fn lay(existing: &[u8], lines: &[String], place: Place, eol: &str) -> (usize, String) {
    let said = lines.join(eol);
    let mark = if existing.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let is_empty = existing.get(mark..).unwrap_or_default().is_empty();
    match place {
        _ if is_empty => (mark, format!("{said}{eol}")),
        Place::Above => (mark, format!("{said}{eol}{eol}")),
        Place::Below => {
            let is_ended = existing.ends_with(b"\n");
            let is_blank = existing.ends_with(b"\n\n") || existing.ends_with(b"\n\r\n");
            let written = match (is_ended, is_blank) {
                (true, true) => format!("{said}{eol}"),
                (true, false) => format!("{eol}{said}{eol}"),
                // A last line without an end keeps being the form of the text.
                (false, _) => format!("{eol}{eol}{said}"),
            };
            (existing.len(), written)
        }
    }
}

/// How lines end in a text; `fallback` when it has one line.
pub(super) fn eol_of(octets: &[u8], fallback: &'static str) -> &'static str {
    match memchr::memchr(b'\n', octets) {
        Some(0) => "\n",
        Some(at) if octets.get(at - 1) == Some(&b'\r') => "\r\n",
        Some(_) => "\n",
        None => fallback,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_laid_beside_text() {
        let table = [
            ("", Place::Below, "X\r\n"),
            ("a", Place::Below, "a\r\n\r\nX"),
            ("a\r\n", Place::Below, "a\r\n\r\nX\r\n"),
            ("a\r\n\r\n", Place::Below, "a\r\n\r\nX\r\n"),
            ("a \r\n", Place::Below, "a \r\n\r\nX\r\n"),
            ("a", Place::Above, "X\r\n\r\na"),
            ("", Place::Above, "X\r\n"),
            ("\u{feff}a", Place::Above, "\u{feff}X\r\n\r\na"),
        ];
        for (existing, place, expected) in table {
            let (at, said) = lay(existing.as_bytes(), &["X".to_owned()], place, "\r\n");
            let whole = format!("{}{said}{}", &existing[..at], &existing[at..]);
            assert_eq!(whole, expected, "{existing:?} {place:?}");
        }
    }

    #[test]
    fn lines_are_made_for_their_readers() {
        assert_eq!(lines("\r\na \r\nb\x07\r\n\r\n", Flow::Fixed), ["a", "b"]);
        assert_eq!(lines("> a\n From b", Flow::Flowed), [" > a", "  From b"]);
        let long = "word ".repeat(30);
        let flowed = lines(&long, Flow::Flowed);
        assert!(flowed.iter().all(|line| line.len() <= 78));
        assert_eq!(flowed.concat(), long.trim_end());
        let deleting = lines(&long, Flow::FlowedDeleting);
        let last = deleting.len() - 1;
        let joined: String = deleting
            .iter()
            .enumerate()
            .map(|(at, line)| if at < last { &line[..line.len() - 1] } else { line.as_str() })
            .collect();
        assert_eq!(joined, long.trim_end());
        assert!(lines(&"x".repeat(5_000), Flow::Fixed).iter().all(|line| line.len() <= 900));
        assert_eq!(
            lines(&"word ".repeat(900), Flow::Fixed).join(" "),
            "word ".repeat(900).trim_end()
        );
    }
}
