//! Message text as it goes over the wire after `354`: CRLF line ends, leading dots doubled,
//! `CRLF.CRLF` at the end (RFC 5321 section 4.5.2).
//!
//! In: portions of a message, split anywhere. Out: octets for the wire. Invariant: whatever
//! goes in, the output holds no bare CR and no bare LF, and the sequence that ends the data
//! only where [`Stuffing::finish`] puts it; so nothing that this box relays can smuggle a
//! second message.

use memchr::memchr2;

/// Where in a line the text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Inside,
    /// A CR was read and not written yet.
    AfterCr,
}

/// Encodes one message.
#[derive(Debug)]
pub struct Stuffing {
    at: At,
}

impl Default for Stuffing {
    fn default() -> Stuffing {
        Stuffing { at: At::LineStart }
    }
}

impl Stuffing {
    /// Encodes the next portion. A line end that is not CRLF becomes CRLF.
    pub fn push(&mut self, mut text: &[u8], wire: &mut Vec<u8>) {
        wire.reserve(text.len() + 64);
        while let Some(first) = text.first() {
            match self.at {
                At::AfterCr => {
                    // The CR was half of a CRLF or bare; both are written as CRLF.
                    wire.extend_from_slice(b"\r\n");
                    self.at = At::LineStart;
                    if *first == b'\n' {
                        text = text.get(1..).unwrap_or_default();
                    }
                    continue;
                }
                At::LineStart if *first == b'.' => wire.push(b'.'),
                At::LineStart | At::Inside => {}
            }
            let Some(end) = memchr2(b'\r', b'\n', text) else {
                wire.extend_from_slice(text);
                self.at = At::Inside;
                return;
            };
            let (line, rest) = text.split_at(end);
            wire.extend_from_slice(line);
            match rest.split_first() {
                Some((b'\r', after)) => {
                    self.at = At::AfterCr;
                    text = after;
                }
                Some((_, after)) => {
                    wire.extend_from_slice(b"\r\n");
                    self.at = At::LineStart;
                    text = after;
                }
                None => return,
            }
        }
    }

    /// Ends the message: the last line is ended if it was not, then the lone dot.
    pub fn finish(self, wire: &mut Vec<u8>) {
        if self.at != At::LineStart {
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode<'a>(portions: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
        let mut wire = Vec::new();
        let mut stuffing = Stuffing::default();
        portions.into_iter().for_each(|portion| stuffing.push(portion, &mut wire));
        stuffing.finish(&mut wire);
        wire
    }

    #[test]
    fn text_is_stuffed_and_ended() {
        let table: [(&[u8], &[u8]); 14] = [
            (b"", b".\r\n"),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".", b"..\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a.b\r\n..c\r\n", b"a.b\r\n...c\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\n.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\r\n.\r\n", b"a\r\n\r\n..\r\n.\r\n"),
            (b"\r", b"\r\n.\r\n"),
            (b"\n\r", b"\r\n\r\n.\r\n"),
            (b"a\r\n\r\n", b"a\r\n\r\n.\r\n"),
        ];
        for (text, wire) in table {
            for portion in 1..=text.len().max(1) {
                assert_eq!(
                    encode(text.chunks(portion)).escape_ascii().to_string(),
                    wire.escape_ascii().to_string(),
                    "{} by {portion}",
                    text.escape_ascii()
                );
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_on_the_wire_ends_early(
            text in proptest::collection::vec(prop::sample::select(b"a.\r\n\0".to_vec()), 0..60),
            portion in 1usize..20,
        ) {
            let wire = encode(text.chunks(portion));
            for (at, octet) in wire.iter().enumerate() {
                match octet {
                    b'\n' => prop_assert!(at > 0 && wire[at - 1] == b'\r'),
                    b'\r' => prop_assert_eq!(wire.get(at + 1), Some(&b'\n')),
                    _ => {}
                }
            }
            let ends = wire.windows(3).enumerate().filter(|(at, window)| {
                *window == b".\r\n" && (*at == 0 || wire[..*at].ends_with(b"\r\n"))
            });
            prop_assert_eq!(ends.count(), 1);
            prop_assert!(wire.ends_with(b".\r\n"));
        }
    }
}
