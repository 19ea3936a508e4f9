//! How an event stands in a segment.
//!
//! In: MailId, time and [`Event`]; or the octets of a segment. Out: a frame; or its entries,
//! and what between them is damaged.
//!
//! A segment begins with [`SEGMENT_HEAD`]. A frame is the mark, the payload's length, the
//! CRC-32C of length and payload (both little-endian `u32`), and the payload: twelve octets
//! of MailId, milliseconds since 1970 (`u64`), the schema's number, the event in postcard.
//!
//! The mark holds octets that UTF-8 forbids, so no text that a stranger sent can look like a
//! frame when damage makes a reader look for the next one.

use std::ops::Range;

use super::event::Event;
use crate::mail::MailId;

/// The first octets of a segment: what it is and the version of the form.
pub(super) const SEGMENT_HEAD: [u8; 16] = *b"POSTERNJOURNAL\x00\x01";
const MARK: [u8; 4] = [0xff, b'P', b'J', 0xfe];
/// Mark, length, checksum.
pub(super) const FRAME_HEAD_OCTETS: usize = 12;
const FIXED_OCTETS: usize = 12 + 8 + 1;
/// No event is larger; a length beyond it is damage.
const PAYLOAD_OCTETS: usize = 16 << 20;
const SCHEMA: u8 = 1;

/// One event, when, and of which mail.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) mail_id: MailId,
    pub(super) at_ms: u64,
    pub(super) event: Event,
}

/// Appends the frame of an entry. An event that cannot be written leaves no trace.
pub(super) fn write(entry: &Entry, out: &mut Vec<u8>) -> Result<(), postcard::Error> {
    let event = postcard::to_stdvec(&entry.event)?;
    let length = u32::try_from(FIXED_OCTETS + event.len()).unwrap_or(u32::MAX).to_le_bytes();
    let parts: [&[u8]; 4] = [entry.mail_id.octets(), &entry.at_ms.to_le_bytes(), &[SCHEMA], &event];
    let sum =
        parts.iter().fold(crc32c::crc32c(&length), |sum, part| crc32c::crc32c_append(sum, part));
    out.extend(MARK);
    out.extend(length);
    out.extend(sum.to_le_bytes());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Ok(())
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}

/// The length that a frame's head promises, head included.
pub(super) fn promised_octets(head: &[u8]) -> Option<usize> {
    let (mark, rest) = head.split_first_chunk::<4>()?;
    let (length, _) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let fits = *mark == MARK && (FIXED_OCTETS..=PAYLOAD_OCTETS).contains(&length);
    fits.then_some(FRAME_HEAD_OCTETS + length)
}

/// The payload of the frame at the beginning of `octets`, when it is whole and undamaged.
fn payload(octets: &[u8]) -> Option<&[u8]> {
    let frame = octets.get(..promised_octets(octets)?)?;
    let (head, payload) = frame.split_first_chunk::<FRAME_HEAD_OCTETS>()?;
    let [_, _, _, _, l0, l1, l2, l3, s0, s1, s2, s3] = *head;
    let is_whole = checksum([l0, l1, l2, l3], payload) == u32::from_le_bytes([s0, s1, s2, s3]);
    is_whole.then_some(payload)
}

/// The entry of the frame at the beginning of `octets`.
pub(super) fn read(octets: &[u8]) -> Option<Entry> {
    decode(payload(octets)?)
}

fn decode(payload: &[u8]) -> Option<Entry> {
    let (mail_id, rest) = payload.split_first_chunk::<12>()?;
    let (at_ms, rest) = rest.split_first_chunk::<8>()?;
    let (schema, event) = rest.split_first()?;
    if *schema != SCHEMA {
        return None;
    }
    let event = postcard::from_bytes(event).ok()?;
    let mail_id = MailId::from_octets(*mail_id);
    Some(Entry { mail_id, at_ms: u64::from_le_bytes(*at_ms), event })
}

/// What a segment holds beside its entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Where the last good frame ends: beyond it is the torn tail.
    pub(super) end: usize,
    /// What is damaged before that.
    pub(super) damaged: Vec<Range<usize>>,
}

/// Goes through a segment, head included. `seen` gets each entry and its offset.
pub(super) fn scan(octets: &[u8], seen: &mut dyn FnMut(usize, Entry)) -> Scan {
    let mark = memchr::memmem::Finder::new(&MARK);
    let mut scan = Scan { end: SEGMENT_HEAD.len().min(octets.len()), damaged: Vec::new() };
    let mut at = scan.end;
    while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
        match payload(rest) {
            Some(payload) => {
                if scan.end < at {
                    scan.damaged.push(scan.end..at);
                }
                let next = at + FRAME_HEAD_OCTETS + payload.len();
                match decode(payload) {
                    Some(entry) => seen(at, entry),
                    // Whole, but of a schema that this program does not know.
                    None => scan.damaged.push(at..next),
                }
                at = next;
                scan.end = next;
            }
            None => {
                let further = rest.get(1..).and_then(|rest| mark.find(rest));
                let Some(further) = further else { break };
                at += 1 + further;
            }
        }
    }
    scan
}
