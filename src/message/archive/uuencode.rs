//! Uuencoded files in a text (POSIX `uuencode`, with the `begin-base64` form), and xxencoded
//! ones.
//!
//! In: a text. Out: each file that begins in it, with its name; several in one text, and such
//! without an end. Lenient as mail programs are: the file mode may be absent when there are two
//! blanks instead, lines that are none of the encoding are skipped, blanks at the end of lines
//! may have been lost, a check character may follow. Where decoders differ in what characters
//! they take, each of their files comes out. Never fails; linear; a file is at most three quarters of its text.

use std::iter;

use bytes::Bytes;

use super::intext::{line_at, lines_with};
use crate::message::contents::{Exhausted, Opening};
use crate::message::{charset, transfer};

/// Where a file begins.
pub(super) struct Start {
    /// Where its first line lies.
    body: usize,
    name: String,
    base64: bool,
}

/// The files that begin in a text.
pub(super) fn starts(text: &[u8]) -> impl Iterator<Item = Start> + '_ {
    lines_with(text, b"begin").filter_map(|at| {
        let (line, body) = line_at(text, at);
        let (name, base64) = read_begin(line)?;
        // Prose may begin so; its next lines are not of the encoding.
        is_encoded(text, body, base64).then_some(Start { body, name, base64 })
    })
}

/// `begin 644 name`, `begin-base64 644 name`, and `begin  name`.
fn read_begin(line: &[u8]) -> Option<(String, bool)> {
    let rest = line.strip_prefix(b"begin")?;
    let (rest, base64) = match rest.strip_prefix(b"-base64") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let text = rest.trim_ascii_start();
    let blanks = rest.len() - text.len();
    let digits = text.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let after_mode = text.get(digits..).unwrap_or_default();
    let has_mode = (1..=6).contains(&digits)
        && (after_mode.is_empty() || after_mode.starts_with(b" ") || after_mode.starts_with(b"\t"));
    let name = match has_mode {
        true => after_mode,
        false if blanks >= 2 => text,
        false => return None,
    };
    (blanks > 0).then(|| (charset::guess(name.trim_ascii()).into_owned(), base64))
}

/// Whether one of the next lines is of the encoding.
fn is_encoded(text: &[u8], body: usize, base64: bool) -> bool {
    const LINES: usize = 4;
    let mut at = body;
    for _ in 0..LINES {
        let (line, next) = line_at(text, at);
        let fits = match base64 {
            true => line.len() >= 2 && transfer::base64_start(line).len() == line.len(),
            false => UU.fits(line).is_some() || XX.fits(line).is_some(),
        };
        if fits && !line.is_empty() {
            return true;
        }
        at = next;
    }
    false
}

/// Takes the uuencoded files out of a text.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let (mut starts, mut end) = (starts(octets), 0);
    // A line of a file that was read is none that begins another.
    while let Some(start) = starts.find(|start| start.body >= end) {
        opening.pay_time()?;
        opening.remark("TEXT_UUENCODED", start.name.as_str());
        end = match start.base64 {
            true => open_base64(octets, &start, opening)?,
            false => open_lines(octets, &start, opening)?,
        };
    }
    Ok(())
}

fn open_base64(
    text: &[u8],
    start: &Start,
    opening: &mut Opening<'_, '_>,
) -> Result<usize, Exhausted> {
    let mut at = start.body;
    let mut ended = false;
    while at < text.len() && !ended {
        let (line, next) = line_at(text, at);
        if line.trim_ascii() == b"====" {
            ended = true;
        } else {
            at = next;
        }
    }
    let body = text.get(start.body..at).unwrap_or_default();
    give(transfer::decode_base64(body).0, ended, &start.name, opening)?;
    Ok(at)
}

fn open_lines(
    text: &[u8],
    start: &Start,
    opening: &mut Opening<'_, '_>,
) -> Result<usize, Exhausted> {
    let mut decoders = [&UU, &XX].map(Decoder::new).to_vec();
    let mut is_odd = false;
    let mut at = start.body;
    let mut ended = false;
    for count in 1usize.. {
        if at >= text.len() {
            break;
        }
        let (line, next) = line_at(text, at);
        if count.is_multiple_of(1_000) {
            opening.pay_time()?;
        }
        if line.trim_ascii() == b"end" {
            ended = true;
            at = next;
            break;
        }
        // Another file begins: this one has no end.
        if read_begin(line).is_some_and(|(_, base64)| is_encoded(text, next, base64)) {
            break;
        }
        at = next;
        let taken = decoders.iter_mut().filter_map(|decoder| decoder.take(line)).count();
        is_odd |= taken == 0 && MASKED.fits(line).is_some();
    }
    if is_odd {
        decoders.push(open_masked(text.get(start.body..at).unwrap_or_default()));
    }
    // A text in the one alphabet has lines that fit another by chance.
    let most = decoders.iter().map(|decoder| decoder.fitting).max().unwrap_or_default();
    let mut given: Vec<Vec<u8>> = Vec::new();
    for decoder in decoders {
        let fits = decoder.fitting > 0 && decoder.fitting * 2 >= most;
        if fits && !given.contains(&decoder.out) {
            given.push(decoder.out);
        }
    }
    if given.is_empty() {
        given.push(Vec::new());
    }
    for octets in given {
        give(octets, ended, &start.name, opening)?;
    }
    Ok(at)
}

/// What those decoders make of the lines that take any character.
fn open_masked(body: &[u8]) -> Decoder {
    let mut masked = Decoder::new(&MASKED);
    let mut at = 0;
    while at < body.len() {
        let (line, next) = line_at(body, at);
        if line.trim_ascii() != b"end" {
            masked.take(line);
        }
        at = next;
    }
    masked
}

fn give(
    octets: Vec<u8>,
    ended: bool,
    name: &str,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if !ended {
        opening.remark("TEXT_FILE_CUT", name);
    }
    opening.pay_octets(octets.len() as u64)?;
    opening.member(name, octets.into())
}

/// What a character of the encoding stands for.
struct Alphabet {
    value: fn(u8) -> Option<u8>,
}

const UU: Alphabet = Alphabet { value: uu_value };
const XX: Alphabet = Alphabet { value: xx_value };
/// As decoders have it that do not look whether a character is one of the alphabet.
const MASKED: Alphabet = Alphabet { value: masked_value };

/// From blank to `_`, and the backtick that stands for a blank.
fn uu_value(octet: u8) -> Option<u8> {
    (32..=96).contains(&octet).then_some((octet.wrapping_sub(32)) & 63)
}

fn masked_value(octet: u8) -> Option<u8> {
    (octet >= 32).then_some(octet.wrapping_sub(32) & 63)
}

fn xx_value(octet: u8) -> Option<u8> {
    Some(match octet {
        b'+' => 0,
        b'-' => 1,
        b'0'..=b'9' => octet - b'0' + 2,
        b'A'..=b'Z' => octet - b'A' + 12,
        b'a'..=b'z' => octet - b'a' + 38,
        _ => return None,
    })
}

impl Alphabet {
    /// The number of octets that a line holds, if it is one of this encoding: its first
    /// character says how many, and so many must fit.
    fn fits(&self, line: &[u8]) -> Option<usize> {
        let (first, data) = line.split_first()?;
        let octets = usize::from((self.value)(*first)?);
        let letters = octets.div_ceil(3) * 4;
        let exact = (octets * 4).div_ceil(3);
        // What follows is a check character, or blanks, and may be any.
        let known = data.iter().take(letters).all(|octet| (self.value)(*octet).is_some());
        // Blanks at the end may be lost, but not half of the line.
        let fits = data.len() <= letters + 2 && (data.len() >= exact || data.len() * 2 > exact);
        (known && fits).then_some(octets)
    }
}

#[derive(Clone)]
struct Decoder {
    alphabet: &'static Alphabet,
    out: Vec<u8>,
    fitting: usize,
}

impl Decoder {
    fn new(alphabet: &'static Alphabet) -> Decoder {
        Decoder { alphabet, out: Vec::new(), fitting: 0 }
    }

    /// Takes a line; nothing when it is none of the encoding.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let octets = self.alphabet.fits(line).filter(|octets| *octets > 0)?;
        self.fitting += 1;
        let mut left = octets;
        let values = line.iter().skip(1).map(|octet| (self.alphabet.value)(*octet).unwrap_or(0));
        let mut values = values.chain(iter::repeat(0));
        while left > 0 {
            let mut bits = 0u32;
            for _ in 0..4 {
                bits = (bits << 6) | u32::from(values.next().unwrap_or(0));
            }
            let [_, group @ ..] = bits.to_be_bytes();
            self.out.extend(group.iter().take(left));
            left = left.saturating_sub(3);
        }
        Some(())
    }
}
