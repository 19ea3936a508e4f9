//! What a directory server sends, measured before it is read (RFC 4511 section 5.1).
//!
//! In: octets. Out: whole LDAP messages whose framing holds together. The reader behind it
//! follows nesting with its stack, takes memory as a length asks for it, and expects the parts
//! of a message where they belong; so what is too long, too deep, of indefinite length or not
//! framed as a message ends the connection here.

/// A group with 100,000 members is as long as this.
const MESSAGE_OCTETS: usize = 16 << 20;
/// An entry's values lie six deep.
const DEPTH: usize = 12;
/// In answer to one question; a page of 10,000 entries has 1,600 octets for each.
const ANSWER_OCTETS: u64 = 256 << 20;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const CONSTRUCTED: u8 = 0x20;
const LONG_TAG: u8 = 0x1f;

/// The server is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMessage {
    #[error("octets that are no LDAP message")]
    NotFramed,
    #[error("a message that is too long")]
    TooLong,
    #[error("an answer that does not end")]
    Endless,
}

/// Collects messages.
#[derive(Debug, Default)]
pub(super) struct Guard {
    waiting: Vec<u8>,
    answered_octets: u64,
}

impl Guard {
    /// A question goes out: its answer begins.
    pub(super) fn asked(&mut self) {
        self.answered_octets = 0;
    }

    /// Takes in octets; gives those of whole messages.
    pub(super) fn push(&mut self, octets: &[u8]) -> Result<Vec<u8>, BadMessage> {
        self.answered_octets += octets.len() as u64;
        if self.answered_octets > ANSWER_OCTETS {
            return Err(BadMessage::Endless);
        }
        self.waiting.extend_from_slice(octets);
        let mut end = 0;
        while let Some(whole) = whole(self.waiting.get(end..).unwrap_or_default())? {
            end += whole;
        }
        let rest = self.waiting.split_off(end);
        Ok(std::mem::replace(&mut self.waiting, rest))
    }
}

/// The length of the first message, when it is there to its end.
pub(super) fn whole(octets: &[u8]) -> Result<Option<usize>, BadMessage> {
    let Some(element) = Element::read(octets)? else { return Ok(None) };
    if element.tag != SEQUENCE {
        return Err(BadMessage::NotFramed);
    }
    if element.end > MESSAGE_OCTETS {
        return Err(BadMessage::TooLong);
    }
    let Some(inner) = octets.get(element.begin..element.end) else { return Ok(None) };
    let tags = elements(inner, 1)?;
    match tags.as_slice() {
        // messageID, protocolOp and perhaps controls.
        [INTEGER, _] | [INTEGER, _, _] => Ok(Some(element.end)),
        _ => Err(BadMessage::NotFramed),
    }
}

struct Element {
    tag: u8,
    begin: usize,
    end: usize,
}

impl Element {
    /// The head of an element; none while it is not there to its end.
    fn read(octets: &[u8]) -> Result<Option<Element>, BadMessage> {
        let (Some(tag), Some(first)) = (octets.first().copied(), octets.get(1).copied()) else {
            return Ok(None);
        };
        if tag & LONG_TAG == LONG_TAG {
            return Err(BadMessage::NotFramed);
        }
        let (begin, length) = match first {
            0..=0x7f => (2, usize::from(first)),
            // RFC 4511 section 5.1: only the definite form; four octets are plenty.
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let Some(digits) = octets.get(2..2 + count) else { return Ok(None) };
                let length = digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
                (2 + count, length)
            }
            _ => return Err(BadMessage::NotFramed),
        };
        if length > MESSAGE_OCTETS {
            return Err(BadMessage::TooLong);
        }
        Ok(Some(Element { tag, begin, end: begin + length }))
    }
}

/// The tags of the elements that fill these octets, each looked into.
fn elements(mut octets: &[u8], depth: usize) -> Result<Vec<u8>, BadMessage> {
    if depth > DEPTH {
        return Err(BadMessage::NotFramed);
    }
    let mut tags = Vec::new();
    while !octets.is_empty() {
        let element = Element::read(octets)?.ok_or(BadMessage::NotFramed)?;
        let inner = octets.get(element.begin..element.end).ok_or(BadMessage::NotFramed)?;
        if element.tag & CONSTRUCTED != 0 {
            elements(inner, depth + 1)?;
        }
        // Only the first few are asked for.
        if tags.len() < 4 {
            tags.push(element.tag);
        }
        octets = octets.get(element.end..).unwrap_or_default();
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bind response: success.
    const DONE: [u8; 14] = [0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0];

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let mut stream = DONE.to_vec();
        stream.extend_from_slice(&[0x30, 0x81, 5, 2, 1, 2, 0x42, 0]);
        for size in 1..stream.len() {
            let mut guard = Guard::default();
            let mut passed = Vec::new();
            for piece in stream.chunks(size) {
                let now = guard.push(piece).unwrap();
                assert!(now.is_empty() || whole(&now).unwrap().is_some());
                passed.extend(now);
            }
            assert_eq!(passed, stream);
            assert!(guard.waiting.is_empty());
        }
    }

    #[test]
    fn what_is_no_message_ends_the_connection() {
        let mut deep = vec![];
        for _ in 0..40 {
            let mut outer = vec![0x30, u8::try_from(deep.len()).unwrap()];
            outer.extend(&deep);
            deep = outer;
        }
        let mut deep_message = vec![0x30, u8::try_from(deep.len() + 3).unwrap(), 2, 1, 1];
        deep_message.extend(&deep);
        let table: [(&[u8], BadMessage); 9] = [
            (b"HTTP/1.1 400", BadMessage::NotFramed),
            (&[0x30, 0x80, 2, 1, 1], BadMessage::NotFramed),
            (&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], BadMessage::TooLong),
            (&[0x30, 0x85, 0, 0, 0, 0, 1], BadMessage::NotFramed),
            (&[0x30, 3, 2, 1, 1], BadMessage::NotFramed),
            (&[0x30, 5, 4, 1, 1, 0x61, 0], BadMessage::NotFramed),
            // An inner element that is longer than the one around it.
            (&[0x30, 5, 2, 1, 1, 0x61, 9], BadMessage::NotFramed),
            (&[0x30, 6, 2, 1, 1, 0x7f, 1, 0], BadMessage::NotFramed),
            (&deep_message, BadMessage::NotFramed),
        ];
        for (octets, error) in table {
            assert_eq!(Guard::default().push(octets), Err(error), "{octets:02x?}");
        }
    }

    #[test]
    fn endless_answers_end() {
        let mut guard = Guard { answered_octets: ANSWER_OCTETS - 10, ..Guard::default() };
        assert_eq!(guard.push(&DONE), Err(BadMessage::Endless));
        let mut guard = Guard { answered_octets: ANSWER_OCTETS - 10, ..Guard::default() };
        guard.asked();
        assert!(guard.push(&DONE).is_ok());
    }
}
