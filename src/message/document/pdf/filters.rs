//! Filters of streams (ISO 32000-1 section 7.4), within the purse.
//!
//! In: the octets of a stream as they are written and its dictionary. Out: the octets behind
//! all filters, and what went wrong; what came before a fault is kept. Pictures' own formats
//! end the chain.

use bytes::Bytes;
use flate2::read::{DeflateDecoder, ZlibDecoder};

use super::lexer::{Dictionary, Value};
use crate::message::contents::{Closed, Exhausted, Opening, RATIO_FREE_OCTETS};
use crate::message::fixed::slice;

/// Longer chains are there to exhaust.
const FILTERS: usize = 12;
/// How many times larger the plain filters may make a stream; theirs are bounded by nature.
const RATIO: u64 = 250;

/// What filters made of a stream.
pub(super) struct Decoded {
    pub(super) octets: Bytes,
    /// Why it is not whole.
    pub(super) trouble: Option<Closed>,
    /// A picture's format was met; the octets are in it.
    pub(super) is_picture: bool,
}

/// Applies the filters that the dictionary names.
pub(super) fn decode(
    raw: Bytes,
    filters: &[Vec<u8>],
    parameters: &[Option<Dictionary>],
    opening: &mut Opening<'_, '_>,
) -> Result<Decoded, Exhausted> {
    let mut decoded = Decoded { octets: raw, trouble: None, is_picture: false };
    for (number, filter) in filters.iter().enumerate() {
        if number >= FILTERS {
            decoded.trouble = Some(Closed::TooDeep);
            break;
        }
        let packed = decoded.octets.len() as u64;
        let most =
            packed.saturating_mul(RATIO).max(RATIO_FREE_OCTETS).min(opening.member_limit_octets());
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let input = decoded.octets.clone();
        match filter.as_slice() {
            b"FlateDecode" | b"Fl" => {
                let (octets, trouble) = inflate(&input, opening)?;
                decoded.octets = octets;
                decoded.trouble = decoded.trouble.or(trouble);
            }
            b"LZWDecode" | b"LZW" => {
                let early = parameters
                    .get(number)
                    .and_then(Option::as_ref)
                    .and_then(|own| own.number(b"EarlyChange"));
                let change = if early == Some(0.0) { 0 } else { 1 };
                decoded.take(lzw(&input, change, most), most, opening)?;
            }
            b"ASCIIHexDecode" | b"AHx" => decoded.take(hexadecimal(&input), most, opening)?,
            b"ASCII85Decode" | b"A85" => decoded.take(ascii85(&input), most, opening)?,
            b"RunLengthDecode" | b"RL" => decoded.take(run_length(&input, most), most, opening)?,
            b"Crypt" => {}
            b"DCTDecode" | b"DCT" | b"JPXDecode" | b"CCITTFaxDecode" | b"CCF" | b"JBIG2Decode" => {
                decoded.is_picture = true;
                break;
            }
            _ => {
                decoded.trouble = Some(Closed::Unsupported);
                break;
            }
        }
        if let Some(own) = parameters.get(number).and_then(Option::as_ref) {
            decoded.octets = predicted(&decoded.octets, own).map_or(decoded.octets, Bytes::from);
        }
    }
    Ok(decoded)
}

impl Decoded {
    fn take(
        &mut self,
        octets: Vec<u8>,
        most: usize,
        opening: &mut Opening<'_, '_>,
    ) -> Result<(), Exhausted> {
        opening.pay_octets(octets.len() as u64)?;
        if octets.len() >= most {
            self.trouble = Some(Closed::TooLarge);
        }
        self.octets = octets.into();
        Ok(())
    }
}

/// With its zlib header, or without where that is broken, as viewers do.
fn inflate(
    input: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(Bytes, Option<Closed>), Exhausted> {
    let blank = input.iter().take_while(|octet| octet.is_ascii_whitespace()).take(4).count();
    let packed = input.len() as u64;
    let whole = opening.unpack(ZlibDecoder::new(input.as_ref()), packed)?;
    if whole.trouble.is_none() || !whole.octets.is_empty() {
        // Many makers leave the checksum away.
        let trouble =
            whole.trouble.filter(|why| *why == Closed::TooLarge || whole.octets.is_empty());
        return Ok((whole.octets, trouble));
    }
    for start in [2, 0, blank + 2] {
        let bare = opening.unpack(DeflateDecoder::new(slice(input, start, input.len())), packed)?;
        if !bare.octets.is_empty() {
            return Ok((bare.octets, bare.trouble.filter(|why| *why == Closed::TooLarge)));
        }
    }
    Ok((whole.octets, whole.trouble))
}

/// Section 7.4.2.
fn hexadecimal(input: &[u8]) -> Vec<u8> {
    let digits: Vec<u32> = input
        .iter()
        .take_while(|octet| **octet != b'>')
        .filter_map(|octet| char::from(*octet).to_digit(16))
        .collect();
    let pair = |pair: &[u32]| match pair {
        [high, low] => (high * 16 + low) as u8,
        [high] => (high * 16) as u8,
        _ => 0,
    };
    digits.chunks(2).map(pair).collect()
}

/// Section 7.4.3.
fn ascii85(input: &[u8]) -> Vec<u8> {
    let input = input.strip_prefix(b"<~").unwrap_or(input);
    let mut out = Vec::with_capacity(input.len() / 5 * 4 + 4);
    let mut group = 0_u32;
    let mut count = 0;
    for octet in input {
        match octet {
            b'~' => break,
            b'z' if count == 0 => out.extend_from_slice(&[0; 4]),
            b'!'..=b'u' => {
                group = group.wrapping_mul(85).wrapping_add(u32::from(octet - b'!'));
                count += 1;
                if count == 5 {
                    out.extend_from_slice(&group.to_be_bytes());
                    (group, count) = (0, 0);
                }
            }
            _ => {}
        }
    }
    if count > 1 {
        for _ in count..5 {
            group = group.wrapping_mul(85).wrapping_add(84);
        }
        out.extend(group.to_be_bytes().iter().take(count - 1));
    }
    out
}

/// Section 7.4.5.
fn run_length(input: &[u8], most: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(length) = input.get(at).copied().filter(|length| *length != 128) {
        let length = usize::from(length);
        if out.len() >= most {
            break;
        }
        match length {
            0..=127 => {
                out.extend_from_slice(slice(input, at + 1, length + 1));
                at += length + 2;
            }
            _ => {
                let Some(octet) = input.get(at + 1) else { break };
                out.resize(out.len() + 257 - length, *octet);
                at += 2;
            }
        }
    }
    out
}

/// Section 7.4.4: codes of 9 to 12 bits, the first bit first. Each entry of the table is the
/// place in the output where its octets stand, and how many they are.
fn lzw(input: &[u8], early_change: usize, most: usize) -> Vec<u8> {
    const CLEAR: usize = 256;
    const END: usize = 257;
    let mut out: Vec<u8> = Vec::new();
    let mut table: Vec<(usize, usize)> = Vec::new();
    let mut width = 9;
    let mut previous: Option<(usize, usize)> = None;
    let mut bits = 0_u32;
    let mut held = 0;
    for octet in input {
        bits = bits << 8 | u32::from(*octet);
        held += 8;
        if held < width {
            continue;
        }
        held -= width;
        let code = (bits >> held) as usize & ((1 << width) - 1);
        bits &= (1 << held) - 1;
        if code == CLEAR {
            table.clear();
            (width, previous) = (9, None);
            continue;
        }
        if code == END || out.len() >= most {
            break;
        }
        if let Some((at, length)) = previous
            && table.len() < 4_096 - 258
        {
            // What came before and the first octet of this one, which stands right behind it,
            // even when this code means the very entry that is made here.
            table.push((at, length + 1));
        }
        let start = out.len();
        if code < CLEAR {
            out.push(code as u8);
        } else if let Some((at, length)) = table.get(code - 258).copied() {
            for place in at..at + length {
                let octet = out.get(place).copied().unwrap_or(0);
                out.push(octet);
            }
        } else {
            break;
        }
        previous = Some((start, out.len() - start));
        width = match table.len() + 258 + early_change {
            0..=511 => 9,
            512..=1_023 => 10,
            1_024..=2_047 => 11,
            _ => 12,
        };
    }
    out
}

/// Section 7.4.4.4: PNG predictors; TIFF's for octets.
fn predicted(octets: &[u8], parameters: &Dictionary) -> Option<Vec<u8>> {
    let number = |key: &[u8], usual: usize| {
        parameters.number(key).map_or(usual, |number| (number.max(0.0) as usize).min(1 << 20))
    };
    let predictor = number(b"Predictor", 1);
    if predictor < 2 {
        return None;
    }
    let bits = number(b"BitsPerComponent", 8).saturating_mul(number(b"Colors", 1));
    let step = bits.div_ceil(8).max(1);
    let row = bits.saturating_mul(number(b"Columns", 1)).div_ceil(8).max(1);
    let mut out: Vec<u8> = Vec::with_capacity(octets.len());
    if predictor == 2 {
        for line in octets.chunks(row) {
            let start = out.len();
            for (at, octet) in line.iter().enumerate() {
                let left =
                    if at < step { 0 } else { out.get(start + at - step).copied().unwrap_or(0) };
                out.push(octet.wrapping_add(left));
            }
        }
        return Some(out);
    }
    for line in octets.chunks(row.saturating_add(1)) {
        let Some((kind, line)) = line.split_first() else { break };
        let start = out.len();
        for (at, octet) in line.iter().enumerate() {
            let before = |back: usize| {
                (start + at)
                    .checked_sub(back)
                    .and_then(|place| out.get(place))
                    .copied()
                    .unwrap_or(0)
            };
            let left = if at < step { 0 } else { before(step) };
            let up = if start == 0 { 0 } else { before(row) };
            let corner = if at < step || start == 0 { 0 } else { before(row + step) };
            let add = match kind {
                1 => left,
                2 => up,
                3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                4 => paeth(left, up, corner),
                _ => 0,
            };
            out.push(octet.wrapping_add(add));
        }
    }
    Some(out)
}

/// PNG section 9.4.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(up) - i16::from(corner);
    let far = |known: u8| (guess - i16::from(known)).abs();
    match () {
        () if far(left) <= far(up) && far(left) <= far(corner) => left,
        () if far(up) <= far(corner) => up,
        () => corner,
    }
}

/// Names of filters, of one or several.
pub(super) fn names(value: Option<&Value>) -> Vec<Vec<u8>> {
    match value {
        Some(Value::Name(name)) => vec![name.to_vec()],
        Some(Value::Array(names)) => {
            names.iter().filter_map(|name| name.as_name().map(<[u8]>::to_vec)).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_filters_decode() {
        assert_eq!(hexadecimal(b"48 65 6c6C 6f7>"), b"Hellop");
        assert_eq!(ascii85(b"<~87cURD]j7BEbo7~>"), b"Hello world");
        assert_eq!(ascii85(b"z!!~>"), b"\0\0\0\0\0");
        assert_eq!(run_length(b"\x02abc\xfex\x80zzz", 1_000), b"abcxxx");
        assert_eq!(run_length(&[0x81, b'x'].repeat(100), 500).len(), 512);
        // The example of section 7.4.4.2.
        let codes = b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01";
        assert_eq!(lzw(codes, 1, 1_000), [45, 45, 45, 45, 45, 65, 45, 45, 45, 66]);
    }

    #[test]
    fn predictors_are_undone() {
        let own = |predictor: f64| {
            Dictionary(Box::new([
                (b"Predictor".as_slice().into(), Value::Number(predictor)),
                (b"Columns".as_slice().into(), Value::Number(3.0)),
            ]))
        };
        let rows = b"\x02abc\x02\x01\x01\x01";
        assert_eq!(predicted(rows, &own(12.0)).unwrap(), b"abcbcd");
        assert_eq!(predicted(b"\x01a\x01\x01", &own(15.0)).unwrap(), b"abc");
        assert_eq!(predicted(b"a\x01\x01", &own(2.0)).unwrap(), b"abc");
        assert_eq!(predicted(b"abc", &own(1.0)), None);
    }
}
