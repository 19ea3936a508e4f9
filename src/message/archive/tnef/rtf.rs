//! Compressed RTF (MS-OXRTFCP).
//!
//! In: the value of a property. Out: RTF, at most eight times as long and within a limit; and
//! whether its checksum is right. Never fails: what is broken ends where it breaks.

use crate::message::contents::Closed;

/// MS-OXRTFCP section 2.1.3.1.1.
const COMPRESSED: &[u8] = b"LZFu";
const UNCOMPRESSED: &[u8] = b"MELA";
const HEADER_OCTETS: usize = 16;
const WINDOW_OCTETS: usize = 4_096;

/// What the window holds before the first octet, MS-OXRTFCP section 2.1.2.1.
const BEFORE: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}\
{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArial\
Times New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// RTF as far as it could be read.
pub(super) struct Unpacked {
    pub(super) octets: Vec<u8>,
    pub(super) trouble: Option<Closed>,
    /// The checksum is right, or there is none.
    pub(super) matches: bool,
}

/// Unpacks compressed RTF to at most `limit` octets.
pub(super) fn unpack(packed: &[u8], limit: usize) -> Unpacked {
    let field = |at: usize| {
        let octets = packed.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(octets))
    };
    let body = packed.get(HEADER_OCTETS..).unwrap_or_default();
    let length = field(4).and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    match packed.get(8..12) {
        Some(UNCOMPRESSED) => {
            let octets = body.get(..length.min(body.len())).unwrap_or_default().to_vec();
            let trouble = (octets.len() < length).then_some(Closed::Damaged);
            Unpacked { octets, trouble, matches: true }
        }
        Some(COMPRESSED) => {
            // MS-OXRTFCP section 2.1.3.2: begun with 0 and not inverted at the end.
            let matches = field(12).is_none_or(|sum| sum == plain_crc(body));
            let (octets, trouble) = decode(body, limit);
            Unpacked { octets, trouble, matches }
        }
        _ => Unpacked { octets: Vec::new(), trouble: Some(Closed::Unsupported), matches: true },
    }
}

/// The usual CRC-32 without its inversions.
fn plain_crc(octets: &[u8]) -> u32 {
    let mut sum = 0u32;
    for octet in octets {
        sum ^= u32::from(*octet);
        for _ in 0..8 {
            sum = match sum & 1 {
                0 => sum >> 1,
                _ => (sum >> 1) ^ 0xedb8_8320,
            };
        }
    }
    sum
}

/// Runs of eight, each announced by a bit: an octet, or a place in the window and a length.
fn decode(body: &[u8], limit: usize) -> (Vec<u8>, Option<Closed>) {
    let mut window = [b' '; WINDOW_OCTETS];
    for (slot, octet) in window.iter_mut().zip(BEFORE) {
        *slot = *octet;
    }
    let mut write = BEFORE.len();
    let mut out = Vec::new();
    let mut octets = body.iter().copied();
    while let Some(control) = octets.next() {
        for bit in 0..8 {
            if out.len() >= limit {
                return (out, Some(Closed::TooLarge));
            }
            if control >> bit & 1 == 0 {
                let Some(octet) = octets.next() else { return (out, Some(Closed::Damaged)) };
                put(&mut window, &mut write, octet);
                out.push(octet);
                continue;
            }
            let (Some(high), Some(low)) = (octets.next(), octets.next()) else {
                return (out, Some(Closed::Damaged));
            };
            let place = usize::from(high) << 4 | usize::from(low >> 4);
            // A reference to where it stands ends the text.
            if place == write {
                return (out, None);
            }
            for step in 0..usize::from(low & 15) + 2 {
                let octet = window.get((place + step) % WINDOW_OCTETS).copied().unwrap_or(b' ');
                put(&mut window, &mut write, octet);
                out.push(octet);
            }
        }
    }
    (out, Some(Closed::Damaged))
}

fn put(window: &mut [u8; WINDOW_OCTETS], write: &mut usize, octet: u8) {
    if let Some(slot) = window.get_mut(*write) {
        *slot = octet;
    }
    *write = (*write + 1) % WINDOW_OCTETS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_begins_as_the_standard_says() {
        assert_eq!(BEFORE.len(), 207);
    }

    /// The example of MS-OXRTFCP section 3.1.
    #[test]
    fn compressed_rtf_is_unpacked() {
        let packed = b"\x2d\x00\x00\x00\x2b\x00\x00\x00LZFu\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\
            rcpg125\x42\x32\x0a\xf3\x20hel\x09\x00\x20bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        let unpacked = unpack(packed, 1_000);
        assert_eq!(unpacked.octets, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert!(unpacked.matches && unpacked.trouble.is_none());
        for end in 0..packed.len() {
            assert!(unpack(&packed[..end], 1_000).octets.len() < 1_100);
        }
        let mut bomb = packed[..16].to_vec();
        bomb.extend(b"\xff\x00\x0f".repeat(10_000));
        assert!(unpack(&bomb, 5_000).octets.len() < 5_100);
    }
}
