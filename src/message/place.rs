//! Where a part lies in its message, so that it can be cut out of it.
//!
//! In: a message and a part that was read from it. Out: [`Place`], or nothing for a part that
//! does not lie in the message as it is written, because what holds it is encoded.

use std::ops::Range;

use bytes::Bytes;

use super::anatomy::Part;

/// Offsets in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Header and body of the part, without the line end that belongs to the delimiter.
    pub whole: Range<u64>,
    /// The body alone.
    pub body: Range<u64>,
}

impl Part {
    /// Where the part lies in the message that it was read from.
    pub fn place_in(&self, message: &Bytes) -> Option<Place> {
        let head = offsets(message, self.head.octets());
        // An empty body lies behind its header.
        let empty = head.as_ref().map(|head| head.end..head.end);
        let body = match self.body.is_empty() {
            true => empty?,
            false => offsets(message, &self.body)?,
        };
        // A part may have no header at all.
        let start = head.map_or(body.start, |head| head.start.min(body.start));
        Some(Place { whole: start..body.end, body })
    }
}

/// Where a slice of `message` begins and ends in it. Slices share the memory of what they are
/// cut from, so the distance of their first octets says it.
fn offsets(message: &Bytes, slice: &Bytes) -> Option<Range<u64>> {
    if slice.is_empty() {
        return None;
    }
    let start = (slice.as_ptr() as usize).checked_sub(message.as_ptr() as usize)?;
    let end = start.checked_add(slice.len())?;
    (message.get(start..end)? == slice).then_some(start as u64..end as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Anatomy, Limits};

    #[test]
    fn parts_know_where_they_lie() {
        let text = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\n\r\nfirst\r\n--b\r\nContent-Type: a/b\r\n\r\nsecond\r\n--b--\r\n";
        let message = Bytes::from_static(text.as_bytes());
        let anatomy = Anatomy::of(&message, Limits::default());
        let cut = |range: Range<u64>| &text[range.start as usize..range.end as usize];
        let place = |part: usize| anatomy.parts[part].place_in(&message).unwrap();
        assert_eq!(cut(place(1).body), "first");
        assert_eq!(cut(place(2).whole), "Content-Type: a/b\r\n\r\nsecond");
        assert_eq!(cut(place(0).whole), text);
        let empty = Bytes::from_static(b"Content-Type: a/b\r\n\r\n");
        let place = Anatomy::of(&empty, Limits::default()).parts[0].place_in(&empty);
        assert_eq!(place, Some(Place { whole: 0..21, body: 21..21 }));
        let elsewhere = Bytes::copy_from_slice(text.as_bytes());
        assert_eq!(anatomy.parts[1].place_in(&elsewhere), None);
    }
}
