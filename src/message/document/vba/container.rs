//! The compression of VBA modules and of their table (MS-OVBA 2.4.1).
//!
//! In: a compressed container. Out: as much as could be read of it, and whether that was all.
//! A chunk of three octets can become 4096, so the caller says how much it will have at most.

use crate::message::fixed::le16;

/// Section 2.4.1.1.1: the first octet of a container.
const SIGNATURE: u8 = 1;
/// Section 2.4.1.1.4: the most octets of an unpacked chunk.
const CHUNK_OCTETS: usize = 4_096;

/// What a container holds.
pub(super) struct Unpacked {
    pub(super) octets: Vec<u8>,
    /// Whether it could be read to its end.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what there is of a broken one is read like a whole one")
    )]
    pub(super) is_whole: bool,
}

/// Unpacks a container, to at most `most` octets. None: it is none.
pub(super) fn unpack(container: &[u8], most: usize) -> Option<Unpacked> {
    let (signature, mut rest) = container.split_first()?;
    if *signature != SIGNATURE {
        return None;
    }
    let mut octets = Vec::new();
    let mut is_whole = true;
    while let Some(header) = le16(rest, 0) {
        // Section 2.4.1.1.5: size less three, the number 3 in three bits, whether packed.
        let size = usize::from(header & 0x0fff) + 3;
        if header & 0x7000 != 0x3000 || octets.len() >= most {
            is_whole = false;
            break;
        }
        let chunk = rest.get(2..size.min(rest.len())).unwrap_or_default();
        if header & 0x8000 == 0 {
            octets.extend_from_slice(chunk);
        } else if !unpack_chunk(chunk, &mut octets) {
            is_whole = false;
        }
        rest = rest.get(size..).unwrap_or_default();
    }
    (!octets.is_empty()).then_some(Unpacked { octets, is_whole })
}

/// Section 2.4.1.3.2 and .5: eight tokens after each octet of flags. False: it is damaged.
fn unpack_chunk(mut chunk: &[u8], octets: &mut Vec<u8>) -> bool {
    let start = octets.len();
    while let Some((flags, rest)) = chunk.split_first() {
        chunk = rest;
        for bit in 0..8 {
            if chunk.is_empty() || octets.len() - start >= CHUNK_OCTETS {
                break;
            }
            if flags & (1 << bit) == 0 {
                octets.extend(chunk.first());
                chunk = chunk.get(1..).unwrap_or_default();
                continue;
            }
            let Some(token) = le16(chunk, 0) else { return false };
            chunk = chunk.get(2..).unwrap_or_default();
            // Section 2.4.1.3.19.1: how the token's bits are shared depends on the place.
            let behind = octets.len() - start;
            let offset_bits = (4..=12).find(|bits| (1usize << bits) >= behind).unwrap_or(12);
            let length_mask = 0xffffu16 >> offset_bits;
            let length = usize::from(token & length_mask) + 3;
            let offset = usize::from(token >> (16 - offset_bits)) + 1;
            if offset > behind {
                return false;
            }
            let room = CHUNK_OCTETS.saturating_sub(behind);
            for _ in 0..length.min(room) {
                let Some(octet) = octets.get(octets.len() - offset).copied() else { return false };
                octets.push(octet);
            }
        }
    }
    true
}

/// A container of literals only, as tests need it.
#[cfg(test)]
pub(in crate::message) fn pack(text: &[u8]) -> Vec<u8> {
    let mut container = vec![SIGNATURE];
    for chunk in text.chunks(3_600) {
        let mut packed = Vec::new();
        for eight in chunk.chunks(8) {
            packed.push(0);
            packed.extend_from_slice(eight);
        }
        let header = 0xb000 | (packed.len() as u16 - 1);
        container.extend_from_slice(&header.to_le_bytes());
        container.extend_from_slice(&packed);
    }
    container
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_unpacked() {
        // MS-OVBA 3.2.1 to 3.2.3.
        let normal = b"\x01\x2f\xb0\x00\x23\x61\x61\x61\x62\x63\x64\x65\x82\x66\x00\x70\x61\x67\
            \x68\x69\x6a\x01\x38\x08\x61\x6b\x6c\x00\x30\x6d\x6e\x6f\x70\x06\x71\x02\x70\x04\x10\
            \x72\x73\x74\x75\x76\x10\x77\x78\x79\x7a\x00\x3c";
        let long = b"\x01\x03\xb0\x02\x61\x45\x00";
        let table: [(&[u8], &[u8]); 3] = [
            (normal, b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"),
            (long, &[b'a'; 73]),
            (&pack(b"Sub AutoOpen()"), b"Sub AutoOpen()"),
        ];
        for (packed, plain) in table {
            let unpacked = unpack(packed, 1 << 20).expect("a container");
            assert_eq!(String::from_utf8_lossy(&unpacked.octets), String::from_utf8_lossy(plain));
            assert!(unpacked.is_whole);
        }
        assert!(unpack(b"\x02\x03\xb0\x02aE\0", 99).is_none());
        assert!(!unpack(b"\x01\x03\xb0\x02aE\xff\xff\xff", 99).expect("a part").is_whole);
        // Refers to what lies before the chunk.
        assert!(unpack(b"\x01\x02\xb0\x01\x00\x10", 99).is_none());
    }

    #[test]
    fn a_bomb_stops_at_what_the_caller_takes() {
        let bomb: Vec<u8> = [1].into_iter().chain(b"\x03\xb0\x02a\xff\x0f".repeat(9_000)).collect();
        assert!(unpack(&bomb, 1 << 20).expect("a part").octets.len() < (1 << 20) + CHUNK_OCTETS);
    }
}
