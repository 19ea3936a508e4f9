//! Message text as it comes in: lines that end in CRLF, and after `DATA` the dots of
//! RFC 5321 section 4.5.2.
//!
//! In: octets, split anywhere. Out: slices of the same octets with the stuffed dots left out,
//! and the end. The end is CRLF `.` CRLF and nothing else (RFC 5321 section 4.1.1.4): a CR
//! without LF or a LF without CR is never a line's end and never kept, it refuses the message
//! ([`Piece::Bare`]). So no two servers can disagree about where the message ends.

use memchr::memchr2;

/// Whether dots at the beginning of lines are doubled and one alone ends the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After `DATA`.
    Dots,
    /// Within `BDAT`, where the length says where the text ends.
    Counted,
}

/// Where in the text the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    InLine,
    /// After a CR, which has been passed on.
    Cr,
    /// After the dot that begins a line, which has not.
    Dot,
    /// After that dot and a CR.
    DotCr,
}

/// What the next octets are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'i> {
    /// Text of the message.
    Octets(&'i [u8]),
    /// Nothing is left to read.
    Hungry,
    /// The line with only a dot was read.
    End,
    /// A bare CR or a bare LF was met; nothing after it may be read.
    Bare,
}

/// Reads text. Cheap to keep between reads.
#[derive(Debug)]
pub(super) struct Text {
    framing: Framing,
    at: At,
    line_octets: u64,
    longest_line_octets: u64,
}

impl Text {
    pub(super) fn new(framing: Framing) -> Text {
        Text { framing, at: At::LineStart, line_octets: 0, longest_line_octets: 0 }
    }

    /// The longest line so far with its CRLF, an unfinished one included.
    pub(super) fn longest_line_octets(&self) -> u64 {
        self.longest_line_octets.max(self.line_octets)
    }

    /// Whether the text could end here without leaving a CR alone.
    pub(super) fn may_end(&self) -> bool {
        self.at != At::Cr
    }

    /// Takes octets from `input` up to the next event.
    pub(super) fn next<'i>(&mut self, input: &mut &'i [u8]) -> Piece<'i> {
        loop {
            let Some((first, rest)) = input.split_first() else { return Piece::Hungry };
            match (self.at, *first) {
                (At::LineStart, b'.') if self.framing == Framing::Dots => {
                    *input = rest;
                    self.at = At::Dot;
                }
                (At::Dot, b'\r') => {
                    *input = rest;
                    self.at = At::DotCr;
                }
                (At::DotCr, b'\n') => {
                    *input = rest;
                    return Piece::End;
                }
                (At::DotCr, _) => return Piece::Bare,
                (At::Dot, b'\n') => return Piece::Bare,
                // RFC 5321 section 4.5.2: the dot that was put before the line is gone.
                (At::Dot, _) => self.at = At::InLine,
                (At::LineStart | At::InLine | At::Cr, _) => return self.lines(input),
            }
        }
    }

    /// Takes lines until one begins with a dot that matters, or nothing is left.
    fn lines<'i>(&mut self, input: &mut &'i [u8]) -> Piece<'i> {
        let octets = *input;
        let mut taken = 0;
        if self.at == At::Cr {
            if octets.first() != Some(&b'\n') {
                return Piece::Bare;
            }
            self.line_octets += 1;
            self.end_line();
            taken = 1;
        }
        loop {
            let rest = octets.get(taken..).unwrap_or_default();
            match rest.first() {
                Some(b'.') if self.at == At::LineStart && self.framing == Framing::Dots => break,
                Some(_) => {}
                None => break,
            }
            let Some(end) = memchr2(b'\r', b'\n', rest) else {
                self.line_octets += rest.len() as u64;
                self.at = At::InLine;
                taken = octets.len();
                break;
            };
            match (rest.get(end), rest.get(end + 1)) {
                (Some(b'\r'), Some(b'\n')) => {
                    self.line_octets += end as u64 + 2;
                    self.end_line();
                    taken += end + 2;
                }
                (Some(b'\r'), None) => {
                    self.line_octets += end as u64 + 1;
                    self.at = At::Cr;
                    taken = octets.len();
                    break;
                }
                _ => return Piece::Bare,
            }
        }
        let (lines, rest) = octets.split_at_checked(taken).unwrap_or((octets, &[]));
        *input = rest;
        Piece::Octets(lines)
    }

    fn end_line(&mut self) {
        self.longest_line_octets = self.longest_line_octets.max(self.line_octets);
        self.line_octets = 0;
        self.at = At::LineStart;
    }
}

/// Counts the `Received` fields of the header section while it streams by
/// (RFC 5321 section 6.3).
#[derive(Debug, Default)]
pub(super) struct Hops {
    count: usize,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// At the beginning of a line or so many letters into `received`.
    Name(usize),
    /// Behind the name, where obsolete syntax allows white space before the colon.
    Colon,
    /// In the rest of a line.
    Rest,
    /// Past the empty line.
    Body,
}

impl Default for Place {
    fn default() -> Place {
        Place::Name(0)
    }
}

impl Hops {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn feed(&mut self, mut octets: &[u8]) {
        const NAME: &[u8] = b"received";
        loop {
            match self.place {
                Place::Body => return,
                Place::Rest => {
                    let Some(end) = memchr::memchr(b'\n', octets) else { return };
                    octets = octets.get(end + 1..).unwrap_or_default();
                    self.place = Place::Name(0);
                }
                Place::Name(0) if octets.first() == Some(&b'\r') => self.place = Place::Body,
                Place::Name(matched) => {
                    let Some((octet, rest)) = octets.split_first() else { return };
                    let is_next = NAME.get(matched) == Some(&octet.to_ascii_lowercase());
                    self.place = match is_next {
                        true if matched + 1 == NAME.len() => Place::Colon,
                        true => Place::Name(matched + 1),
                        false => Place::Rest,
                    };
                    if is_next {
                        octets = rest;
                    }
                }
                Place::Colon => {
                    let Some((octet, rest)) = octets.split_first() else { return };
                    match octet {
                        b' ' | b'\t' => octets = rest,
                        b':' => {
                            self.count += 1;
                            self.place = Place::Rest;
                        }
                        _ => self.place = Place::Rest,
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text without its dots, whether it ended, what was left; or that it was bare.
    fn decode(framing: Framing, wire: &[u8], chunk: usize) -> Result<(Vec<u8>, bool, usize), ()> {
        let mut text = Text::new(framing);
        let mut plain = Vec::new();
        let mut read = 0;
        for part in wire.chunks(chunk) {
            let mut input = part;
            loop {
                match text.next(&mut input) {
                    Piece::Octets(octets) => plain.extend_from_slice(octets),
                    Piece::Hungry => break,
                    Piece::Bare => return Err(()),
                    Piece::End => {
                        return Ok((plain, true, wire.len() - read - part.len() + input.len()));
                    }
                }
            }
            read += part.len();
        }
        Ok((plain, false, 0))
    }

    #[test]
    fn dots_and_ends() {
        type Expected = Result<(&'static [u8], bool, usize), ()>;
        let table: &[(&[u8], Expected)] = &[
            (b".\r\n", Ok((b"", true, 0))),
            (b".\r\nQUIT\r\n", Ok((b"", true, 6))),
            (b"a\r\n.\r\n", Ok((b"a\r\n", true, 0))),
            (b"a\r\n..\r\n.\r\n", Ok((b"a\r\n.\r\n", true, 0))),
            (b"..\r\n...\r\n.a\r\n.\r\nX", Ok((b".\r\n..\r\na\r\n", true, 1))),
            (b"a.\r\n", Ok((b"a.\r\n", false, 0))),
            (b"\r\n\r\n.\r\n", Ok((b"\r\n\r\n", true, 0))),
            (b"a\r\n\0.\r\n", Ok((b"a\r\n\0.\r\n", false, 0))),
            (b"a\r\n.\0\r\n", Ok((b"a\r\n\0\r\n", false, 0))),
            (b"a\r\n. \r\n", Ok((b"a\r\n \r\n", false, 0))),
            (b"a\n", Err(())),
            (b"\n", Err(())),
            (b"a\rb", Err(())),
            (b"\r\r\n", Err(())),
            (b"a\r\n.\n", Err(())),
            (b"a\r\n.\rb", Err(())),
            (b"a\r\n.\r\r\n", Err(())),
            (b"a\n.\r\n", Err(())),
            (b"a\r.\r\n", Err(())),
        ];
        for (wire, expected) in table {
            for chunk in 1..=wire.len() {
                let found = decode(Framing::Dots, wire, chunk);
                let expected = expected.map(|(plain, ended, left)| (plain.to_vec(), ended, left));
                assert_eq!(found, expected, "{:?} by {chunk}", String::from_utf8_lossy(wire));
            }
        }
    }

    #[test]
    fn counted_text_keeps_its_dots() {
        for chunk in 1..8 {
            let wire = b".\r\n..\r\nx";
            assert_eq!(decode(Framing::Counted, wire, chunk), Ok((wire.to_vec(), false, 0)));
            assert_eq!(decode(Framing::Counted, b"x\n", chunk), Err(()));
        }
        let mut text = Text::new(Framing::Counted);
        assert_eq!(text.next(&mut &b"a\r"[..]), Piece::Octets(b"a\r"));
        assert!(!text.may_end());
    }

    #[test]
    fn lines_are_measured() {
        for chunk in 1..20 {
            let mut text = Text::new(Framing::Dots);
            for part in b"abc\r\nabcdefg\r\n.abcdefghi\r\nx".chunks(chunk) {
                let mut input = part;
                while text.next(&mut input) != Piece::Hungry {}
            }
            assert_eq!(text.longest_line_octets(), 11, "by {chunk}");
        }
    }

    #[test]
    fn hops_are_the_received_fields_of_the_header() {
        let table: &[(&[u8], usize)] = &[
            (b"", 0),
            (b"Received: a\r\nreceived: b\r\nRECEIVED : c\r\n\r\nReceived: body\r\n", 3),
            (b"Received-SPF: pass\r\nX-Received: a\r\nReceive: x\r\n\r\n", 0),
            (b"Subject: a\r\n Received: folded\r\nReceived:\r\n", 1),
            (b"\r\nReceived: body\r\n", 0),
        ];
        for (text, expected) in table {
            for chunk in 1..=text.len().max(1) {
                let mut hops = Hops::default();
                text.chunks(chunk).for_each(|part| hops.feed(part));
                assert_eq!(hops.count(), *expected, "{:?}", String::from_utf8_lossy(text));
            }
        }
    }
}
