//! Reads replies of a server (RFC 5321 section 4.2) out of octets that come in any portions.
//!
//! In: octets. Out: whole [`Reply`]s. Bounded: a line, the lines of one reply and the octets
//! held are limited, so a server that never ends a line or a reply costs a few kilobytes and
//! then the connection. A line may end with LF alone: what a server says is never relayed as
//! protocol, and old servers do it.

use memchr::memchr;

use crate::mail::{EnhancedCode, Reply};

/// RFC 5321 section 4.5.3.1.5 allows 512; servers exceed it in their explanations.
const LINE_OCTETS: usize = 2_048;
/// No honest reply comes near it.
const LINES: usize = 100;

/// What a server said that is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// Not three digits in 200 to 599, then space, hyphen or the end of line.
    #[error("the server sent a line that is no reply")]
    Syntax,
    /// The codes of the lines differ.
    #[error("the server sent one reply with two codes")]
    Codes,
    /// Too long a line or too many of them.
    #[error("the server sent an endless reply")]
    Endless,
}

/// Takes octets, gives replies.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    held: Vec<u8>,
    /// Octets at the front of `held` that are used up.
    used: usize,
    code: u16,
    lines: Vec<String>,
}

impl ReplyReader {
    /// Takes in what arrived.
    pub(super) fn push(&mut self, octets: &[u8]) {
        if self.used > 0 {
            self.held.drain(..self.used);
            self.used = 0;
        }
        self.held.extend_from_slice(octets);
    }

    /// Whether octets are held that no reply has used, whole or in part.
    pub(super) fn is_empty(&self) -> bool {
        self.used == self.held.len() && self.lines.is_empty()
    }

    /// The next whole reply, if it is there.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, BadReply> {
        loop {
            let rest = self.held.get(self.used..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest) else {
                return match rest.len() > LINE_OCTETS {
                    true => Err(BadReply::Endless),
                    false => Ok(None),
                };
            };
            if end > LINE_OCTETS || self.lines.len() >= LINES {
                return Err(BadReply::Endless);
            }
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (code, more, text) = split(line).ok_or(BadReply::Syntax)?;
            if !self.lines.is_empty() && code != self.code {
                return Err(BadReply::Codes);
            }
            let text = String::from_utf8_lossy(text).into_owned();
            self.used += end + 1;
            self.code = code;
            self.lines.push(text);
            if !more {
                return Ok(Some(reply(code, std::mem::take(&mut self.lines))));
            }
        }
    }
}

/// Code, whether more lines follow, text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = std::str::from_utf8(digits).ok()?.parse::<u16>().ok()?;
    if !digits.iter().all(u8::is_ascii_digit) || !(200..600).contains(&code) {
        return None;
    }
    match rest.split_first() {
        // RFC 5321 section 4.2: a client is to take a code without text as well.
        None => Some((code, false, rest)),
        Some((b' ', text)) => Some((code, false, text)),
        Some((b'-', text)) => Some((code, true, text)),
        Some(_) => None,
    }
}

fn reply(code: u16, mut lines: Vec<String>) -> Reply {
    let enhanced = lines.first().and_then(|line| enhanced_code(code, line));
    if let Some(first) = enhanced {
        // RFC 2034 section 4: every line carries the same code.
        for line in lines.iter_mut().filter(|line| enhanced_code(code, line) == Some(first)) {
            line.drain(..first.1);
            if line.starts_with(' ') {
                line.remove(0);
            }
        }
    }
    let mut reply = Reply::plain(code, lines);
    reply.enhanced = enhanced.map(|(enhanced, _)| enhanced);
    reply
}

/// The enhanced code at the start of a text, when its class fits the reply code.
fn enhanced_code(code: u16, text: &str) -> Option<(EnhancedCode, usize)> {
    let word = text.split(' ').next()?;
    let mut parts = word.split('.');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        let fits = !part.is_empty() && part.len() <= digits;
        (fits && part.bytes().all(|octet| octet.is_ascii_digit())).then_some(part)
    };
    let class = number(1)?.parse::<u8>().ok()?;
    let subject = number(3)?.parse().ok()?;
    let detail = number(3)?.parse().ok()?;
    let whole = parts.next().is_none() && u16::from(class) == code / 100;
    whole.then_some((EnhancedCode(class, subject, detail), word.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a [u8], &'a [Result<&'a str, BadReply>]);

    fn read(wire: &[u8], portion: usize) -> Vec<Result<String, BadReply>> {
        let mut reader = ReplyReader::default();
        let mut seen = Vec::new();
        for octets in wire.chunks(portion) {
            reader.push(octets);
            loop {
                match reader.next() {
                    Ok(Some(reply)) => seen.push(Ok(reply.to_string())),
                    Ok(None) => break,
                    Err(bad) => {
                        seen.push(Err(bad));
                        return seen;
                    }
                }
            }
        }
        seen
    }

    #[test]
    fn replies_are_read_whole_and_octet_by_octet() {
        let table: [Row<'_>; 14] = [
            (b"220 mx ready\r\n", &[Ok("220 mx ready")]),
            (b"250\r\n", &[Ok("250 ")]),
            (b"250-a\r\n250-b\r\n250 c\r\n", &[Ok("250 a b c")]),
            (b"250 2.1.0 ok\r\n550 5.1.1 no\r\n", &[Ok("250 2.1.0 ok"), Ok("550 5.1.1 no")]),
            (b"550-5.7.1 a\r\n550 5.7.1 b\r\n", &[Ok("550 5.7.1 a b")]),
            (b"550 4.7.1 class differs\r\n", &[Ok("550 4.7.1 class differs")]),
            (b"250 ok\n", &[Ok("250 ok")]),
            (b"250 a\0b\rc\x1b\r\n", &[Ok("250 a?b?c?")]),
            (b"250 \xff\r\n", &[Ok("250 \u{fffd}")]),
            (b"250-a\r\n251 b\r\n", &[Err(BadReply::Codes)]),
            (b"199 a\r\n", &[Err(BadReply::Syntax)]),
            (b"+25 a\r\n", &[Err(BadReply::Syntax)]),
            (b"250x\r\n", &[Err(BadReply::Syntax)]),
            (b"\r\n", &[Err(BadReply::Syntax)]),
        ];
        for (wire, expected) in table {
            let expected: Vec<_> = expected.iter().map(|seen| seen.map(str::to_owned)).collect();
            for portion in [1, 2, 3, 7, wire.len()] {
                assert_eq!(read(wire, portion), expected, "{}", wire.escape_ascii());
            }
        }
    }

    #[test]
    fn an_enhanced_code_is_one_only_when_its_class_fits() {
        let mut reader = ReplyReader::default();
        reader.push(b"550 4.7.1 x\r\n550 5.7.1\r\n550 5.7.1.2 x\r\n550 5.7777.1 x\r\n");
        let mut codes = Vec::new();
        while let Some(reply) = reader.next().unwrap() {
            codes.push(reply.enhanced);
        }
        assert_eq!(codes, [None, Some(EnhancedCode(5, 7, 1)), None, None]);
    }

    #[test]
    fn endless_replies_are_cut() {
        assert_eq!(read(&[b'2'; LINE_OCTETS + 2], 100), [Err(BadReply::Endless)]);
        assert_eq!(read(&b"250-more\r\n".repeat(LINES + 1), 100), [Err(BadReply::Endless)]);
        assert_eq!(read(&b"250-more\r\n".repeat(LINES), 64), []);
    }
}
