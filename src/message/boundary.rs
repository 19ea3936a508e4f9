//! The delimiter lines of a multipart (RFC 2046 section 5.1.1), as strict and as lenient readers
//! find them.
//!
//! In: a body and its boundary. Out: [`Delimiters`]: where the lines are, in one way of looking
//! for them, and what would make other readers see more or fewer. One pass, linear.

use bytes::Bytes;
use memchr::memmem::Finder;

use super::cut;
use super::head::trim_line_end;

/// How delimiter lines are told from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Strictness {
    /// RFC 2046: a line of its own, white space behind it.
    #[default]
    Usual,
    /// No white space behind it.
    Strict,
    /// The line only begins so.
    Prefix,
    /// A line may be indented, and end in a bare CR.
    AnyLine,
    /// Both.
    AnyLinePrefix,
}

impl Strictness {
    fn is_any_line(self) -> bool {
        matches!(self, Strictness::AnyLine | Strictness::AnyLinePrefix)
    }

    fn is_prefix(self) -> bool {
        matches!(self, Strictness::Prefix | Strictness::AnyLinePrefix)
    }
}

/// A delimiter line: where it begins with the line end before it, where it ends with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delimiter {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) closing: bool,
}

/// What was found in a body.
#[derive(Debug, Default)]
pub(super) struct Delimiters {
    pub(super) lines: Vec<Delimiter>,
    /// Lines that only begin like one, without the dashes; bounded.
    pub(super) suspects: Vec<Bytes>,
    /// Some are indented, or stand beside a bare CR.
    pub(super) any_line: bool,
    /// White space stands behind some.
    pub(super) blank_behind: bool,
}

/// Suspects beyond this are left away: one is enough for the finding.
const SUSPECTS: usize = 64;

/// Finds the delimiter lines of a boundary, as far as `most_lines`: what follows belongs to the
/// part behind the last one.
pub(super) fn find(
    body: &Bytes,
    boundary: &[u8],
    strictness: Strictness,
    most_lines: usize,
) -> Delimiters {
    let mut dashed = b"--".to_vec();
    dashed.extend_from_slice(match strictness {
        Strictness::Strict => boundary,
        _ => boundary.trim_ascii_end(),
    });
    let mut found = Delimiters::default();
    for at in Finder::new(&dashed).find_iter(body) {
        if found.lines.len() >= most_lines {
            break;
        }
        let before = body.get(..at).unwrap_or_default();
        if !begins_line(before, strictness, &mut found) {
            continue;
        }
        let rest = body.get(at..).unwrap_or_default();
        let (line, line_octets) = line_of(rest, strictness);
        let tail = line.get(dashed.len()..).unwrap_or_default();
        let Some(closing) = is_closing(tail, strictness, &mut found) else {
            if found.suspects.len() < SUSPECTS {
                let end = at + line.trim_ascii_end().len();
                found.suspects.push(cut(body, at + 2..end));
            }
            continue;
        };
        // The line end before the delimiter belongs to the delimiter.
        let start = match strictness.is_any_line() {
            true => trim_line_end(before.trim_ascii_end_of(b" \t")).len(),
            false => trim_line_end(before).len(),
        };
        found.lines.push(Delimiter { start, end: at + line_octets, closing });
    }
    found
}

/// Trims octets of a set from the end.
trait TrimEnd {
    fn trim_ascii_end_of(&self, set: &[u8]) -> &[u8];
}

impl TrimEnd for [u8] {
    fn trim_ascii_end_of(&self, set: &[u8]) -> &[u8] {
        let kept = self.iter().rposition(|octet| !set.contains(octet)).map_or(0, |at| at + 1);
        self.get(..kept).unwrap_or_default()
    }
}

fn begins_line(before: &[u8], strictness: Strictness, found: &mut Delimiters) -> bool {
    if before.is_empty() || before.ends_with(b"\n") {
        return true;
    }
    const INDENT_OCTETS: usize = 80;
    let window = before.get(before.len().saturating_sub(INDENT_OCTETS)..).unwrap_or_default();
    let outdented = window.trim_ascii_end_of(b" \t\0\x0b\x0c");
    let begins = outdented.ends_with(b"\n")
        || outdented.ends_with(b"\r")
        || (outdented.is_empty() && window.len() == before.len());
    found.any_line |= begins;
    begins && strictness.is_any_line()
}

/// The line without its end, and its length with it.
fn line_of(rest: &[u8], strictness: Strictness) -> (&[u8], usize) {
    let end = match strictness.is_any_line() {
        true => memchr::memchr2(b'\n', b'\r', rest),
        false => memchr::memchr(b'\n', rest),
    };
    let Some(end) = end else { return (rest, rest.len()) };
    let octets = match rest.get(end..end + 2) {
        Some(b"\r\n") => end + 2,
        _ => end + 1,
    };
    (trim_line_end(rest.get(..end + 1).unwrap_or_default()), octets)
}

/// What follows the boundary on its line decides whether it is one.
fn is_closing(tail: &[u8], strictness: Strictness, found: &mut Delimiters) -> Option<bool> {
    let trimmed = match strictness {
        Strictness::Strict => tail,
        _ => tail.trim_ascii_end(),
    };
    found.blank_behind |= trimmed.len() < tail.len();
    match trimmed {
        b"" => Some(false),
        b"--" => Some(true),
        tail if strictness.is_prefix() => Some(tail.starts_with(b"--") && tail.len() == 2),
        tail => {
            let piece = tail.split(|octet| matches!(octet, b'\r' | b'\0')).next();
            let piece = piece.unwrap_or_default().trim_ascii_end();
            let is_cut = memchr::memchr2(b'\r', b'\0', tail).is_some();
            found.any_line |= is_cut && matches!(piece, b"" | b"--");
            None
        }
    }
}

/// Whether a boundary has characters that none may have, RFC 2046 section 5.1.1.
pub(super) fn is_odd(boundary: &[u8]) -> bool {
    let is_allowed = |octet: &u8| octet.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(octet);
    !boundary.iter().all(is_allowed)
}

/// RFC 2046 section 5.1.1.
pub(super) const BOUNDARY_OCTETS: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_found_as_readers_find_them() {
        use Strictness::{AnyLine, AnyLinePrefix, Prefix, Strict, Usual};
        let table: [(&str, Strictness, usize, bool, usize); 14] = [
            ("--b\r\nx\r\n--b--\r\n", Usual, 2, false, 0),
            ("--b \r\nx\r\n--b--\t\r\n", Usual, 2, false, 0),
            ("--b \r\nx\r\n--b--\r\n", Strict, 1, false, 1),
            ("--bc\r\nx\r\n--b--\r\n", Usual, 1, false, 1),
            ("--bc\r\nx\r\n--b--\r\n", Prefix, 2, false, 0),
            ("x --b\r\n", AnyLine, 0, false, 0),
            ("x\r--b\ry", Usual, 0, true, 0),
            ("x\r--b\ry", AnyLine, 1, true, 0),
            ("x\n  --b\ny", Usual, 0, true, 0),
            ("x\n  --b\ny", AnyLine, 1, true, 0),
            (" --b\ny", AnyLine, 1, true, 0),
            ("x\n--b\ry\n", Usual, 0, true, 1),
            ("x\r--bc\ry\n", AnyLinePrefix, 1, true, 0),
            ("--", AnyLine, 0, false, 0),
        ];
        for (body, strictness, lines, any_line, suspects) in table {
            let found = find(&Bytes::from(body.to_owned()), b"b", strictness, 9);
            let seen = (found.lines.len(), found.any_line, found.suspects.len());
            assert_eq!(seen, (lines, any_line, suspects), "{body:?} {strictness:?}");
        }
        let many = Bytes::from("--b\n".repeat(1_000_000));
        assert_eq!(find(&many, b"b", Usual, 9).lines.len(), 9);
    }
}
