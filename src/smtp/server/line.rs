//! Command lines out of octets: a line ends in CRLF (RFC 5321 section 2.3.8) and holds no
//! other CR or LF.
//!
//! Keeps at most one unfinished line of the permitted length. Of a longer one only the
//! number of octets is kept; when that passes a bound too, the client is not worth waiting for.

use std::borrow::Cow;

use memchr::memchr2;

/// How many times the permitted length is skipped before the session ends.
const PATIENCE: usize = 16;

/// What was found in the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'i> {
    /// A line without its CRLF.
    Whole(Cow<'i, [u8]>),
    /// A line that was longer than permitted, skipped to its end.
    TooLong,
    /// A line that is so long that its end was not waited for.
    Endless,
    /// A bare CR or LF; nothing after it may be read.
    Bare,
    /// The input is used up.
    Partial,
}

/// Keeps what was read of an unfinished line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of the line, a CR at its end included. No allocation while empty.
    kept: Vec<u8>,
    /// Octets of a line that is too long already.
    skipped_octets: usize,
    /// The last octet was a CR (kept or skipped).
    after_cr: bool,
}

impl Lines {
    /// Whether a line has begun and not ended.
    pub(super) fn is_within_line(&self) -> bool {
        !self.kept.is_empty() || self.skipped_octets > 0
    }

    /// Octets held.
    pub(super) fn kept_octets(&self) -> usize {
        self.kept.len()
    }

    /// Takes one line, `limit_octets` long at most with its CRLF.
    pub(super) fn next<'i>(&mut self, input: &mut &'i [u8], limit_octets: usize) -> Line<'i> {
        let octets = *input;
        if octets.is_empty() {
            return Line::Partial;
        }
        if self.after_cr {
            let Some((b'\n', rest)) = octets.split_first() else { return Line::Bare };
            *input = rest;
            return self.end(&[], limit_octets);
        }
        let Some(at) = memchr2(b'\r', b'\n', octets) else {
            *input = &[];
            return self.keep(octets, limit_octets);
        };
        match (octets.get(at), octets.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => {
                *input = octets.get(at + 2..).unwrap_or_default();
                self.end(octets.get(..at + 1).unwrap_or_default(), limit_octets)
            }
            (Some(b'\r'), None) => {
                *input = &[];
                self.after_cr = true;
                self.keep(octets, limit_octets)
            }
            _ => Line::Bare,
        }
    }

    /// The line ends: `last` is its last part, CR included, of which nothing was kept yet.
    fn end<'i>(&mut self, last: &'i [u8], limit_octets: usize) -> Line<'i> {
        self.after_cr = false;
        let kept = std::mem::take(&mut self.kept);
        let skipped = std::mem::take(&mut self.skipped_octets);
        let total = kept.len() + skipped + last.len();
        if total > limit_octets.saturating_mul(PATIENCE) {
            return Line::Endless;
        }
        // One more for the LF.
        if skipped > 0 || total + 1 > limit_octets {
            return Line::TooLong;
        }
        let mut line = match kept.is_empty() {
            true => Cow::Borrowed(last),
            false => {
                let mut whole = kept;
                whole.extend_from_slice(last);
                Cow::Owned(whole)
            }
        };
        match &mut line {
            Cow::Borrowed(octets) => {
                *octets = octets.strip_suffix(b"\r").unwrap_or(octets);
            }
            Cow::Owned(octets) => drop(octets.pop()),
        }
        Line::Whole(line)
    }

    fn keep(&mut self, octets: &[u8], limit_octets: usize) -> Line<'static> {
        // With only the LF to come the line may be one octet short of the limit.
        let total = self.kept.len() + self.skipped_octets + octets.len();
        match total < limit_octets && self.skipped_octets == 0 {
            true => self.kept.extend_from_slice(octets),
            false => {
                self.kept = Vec::new();
                self.skipped_octets = total;
            }
        }
        match total > limit_octets.saturating_mul(PATIENCE) {
            true => Line::Endless,
            false => Line::Partial,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(wire: &[u8], chunk: usize, limit_octets: usize) -> Vec<String> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for part in wire.chunks(chunk) {
            let mut input = part;
            loop {
                match lines.next(&mut input, limit_octets) {
                    Line::Partial => break,
                    Line::Whole(line) => found.push(String::from_utf8_lossy(&line).into_owned()),
                    Line::TooLong => found.push("too long".into()),
                    Line::Bare => {
                        found.push("bare".into());
                        return found;
                    }
                    Line::Endless => {
                        found.push("endless".into());
                        return found;
                    }
                }
                assert!(lines.kept_octets() <= limit_octets);
            }
        }
        found
    }

    #[test]
    fn lines_are_found_however_they_are_split() {
        let table: &[(&[u8], &[&str])] = &[
            (b"NOOP\r\nQUIT\r\n", &["NOOP", "QUIT"]),
            (b"\r\n\r\n", &["", ""]),
            (b"NOOP", &[]),
            (b"12345678\r\nx\r\n", &["12345678", "x"]),
            (b"123456789\r\nx\r\n", &["too long", "x"]),
            (b"12345678901234567890\r\nx\r\n", &["too long", "x"]),
            (b"a\nb\r\n", &["bare"]),
            (b"a\rb\r\n", &["bare"]),
            (b"a\r\r\n", &["bare"]),
            (b"\n", &["bare"]),
            (b"12345678901234567890\nx\r\n", &["bare"]),
            (b"12345678901234567890\rx\r\n", &["bare"]),
        ];
        for (wire, expected) in table {
            for chunk in 1..=wire.len() {
                let found = lines(wire, chunk, 10);
                assert_eq!(found, *expected, "{:?} by {chunk}", String::from_utf8_lossy(wire));
            }
        }
        let mut endless = vec![b'x'; 400];
        endless.extend_from_slice(b"\r\nNOOP\r\n");
        for chunk in [1, 7, 400, 500] {
            assert_eq!(lines(&endless, chunk, 10), ["endless"]);
        }
    }
}
