//! Where in a segment a mail, an address or a Message-ID occurs.
//!
//! In: the entries of one segment. Out: offsets of frames. While the segment grows the index
//! is in memory ([`Growing`]); when it is closed it is written beside it ([`write`]) and read
//! from there ([`Sealed`]).
//!
//! It has two parts. Fingerprints of tokens (MailId, sender, recipient, Message-ID) with the
//! offset of the frame, sorted; a table over their first ten bits leads to the few that must
//! be read. And a dictionary of the distinct addresses in lower case, in which any part of an
//! address is searched; what it finds leads to fingerprints. Fingerprints may collide:
//! readers check what they find.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::event::Event;
use super::frame::Entry;
use crate::mail::MailId;

const HEAD: [u8; 16] = *b"POSTERNJINDEX\x00\x00\x01";
const FANOUT_BITS: u32 = 10;
const FANOUT: usize = 1 << FANOUT_BITS;
const FINGERPRINT_OCTETS: usize = 12;
/// The `u64`s between the head and the table.
const NUMBERS: usize = 5;
/// Head, numbers, the fan-out table, the checksum of all that.
const FIXED_OCTETS: usize = HEAD.len() + NUMBERS * 8 + FANOUT * 4 + 4;
/// Where more addresses than this match, reading the whole table is cheaper.
const SINGLE_LOOKUPS: usize = 512;

/// What is looked for in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Every event of a mail.
    Mail(MailId),
    /// The event in which a mail begins.
    Beginning,
    /// The judgement that names this Message-ID.
    MessageId(&'a str),
    /// Beginnings whose sender holds this text.
    SenderPart(&'a str),
    /// Beginnings of which a recipient holds this text.
    RecipientPart(&'a str),
}

const SENDER: u8 = b's';
const RECIPIENT: u8 = b'r';
/// How the null reverse-path is searched for.
const NULL_SENDER: &str = "<>";

/// FNV-1a, then mixed so that the first bits are as good as the last. It must never change:
/// indexes on disk hold it.
fn fingerprint(kind: u8, text: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325u64;
    let step = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3);
    let mut hash = text.iter().fold(step(start, &kind), step);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The form in which addresses are kept and searched: lower case, one line.
pub(super) fn folded(address: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '?' } else { letter };
    address.to_lowercase().chars().map(plain).collect()
}

fn bucket(fingerprint: u64) -> usize {
    usize::try_from(fingerprint >> (u64::BITS - FANOUT_BITS)).unwrap_or(0)
}

/// The index of the segment that still grows.
#[derive(Debug, Default)]
pub(super) struct Growing {
    fingerprints: Vec<(u64, u32)>,
    /// Lines: the kind's letter, the address.
    addresses: HashSet<Box<str>>,
    pub(super) first_ms: u64,
    pub(super) last_ms: u64,
}

impl Growing {
    /// Notes an entry and the offset of its frame.
    pub(super) fn note(&mut self, offset: u32, entry: &Entry) {
        if self.fingerprints.is_empty() {
            self.first_ms = entry.at_ms;
        }
        self.first_ms = self.first_ms.min(entry.at_ms);
        self.last_ms = self.last_ms.max(entry.at_ms);
        self.put(b'i', entry.mail_id.octets(), offset);
        match &entry.event {
            Event::Received { reverse_path, forward_paths, .. }
            | Event::Originated { reverse_path, forward_paths, .. }
            | Event::TurnedAway { reverse_path, forward_paths, .. } => {
                self.put(b'b', b"", offset);
                let sender = match reverse_path.as_str() {
                    "" => NULL_SENDER,
                    path => path,
                };
                self.put_address(SENDER, sender, offset);
                for path in forward_paths {
                    self.put_address(RECIPIENT, path, offset);
                }
            }
            Event::Judged { message_id, .. } if !message_id.is_empty() => {
                self.put(b'm', message_id.as_bytes(), offset);
            }
            _ => {}
        }
    }

    fn put(&mut self, kind: u8, text: &[u8], offset: u32) {
        self.fingerprints.push((fingerprint(kind, text), offset));
    }

    fn put_address(&mut self, kind: u8, address: &str, offset: u32) {
        let mut line = folded(address);
        self.put(kind, line.as_bytes(), offset);
        line.insert(0, char::from(kind));
        if !self.addresses.contains(line.as_str()) {
            self.addresses.insert(line.into_boxed_str());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// Offsets of the frames in which the token may occur.
    pub(super) fn offsets(&self, token: &Token<'_>) -> Vec<u32> {
        let wanted: HashSet<u64> = match part_of(token) {
            Some((kind, part)) => {
                let lines = self.addresses.iter().filter_map(|line| line_of(kind, part, line));
                lines.map(|address| fingerprint(kind, address.as_bytes())).collect()
            }
            None => HashSet::from([fingerprint_of(token)]),
        };
        let found = self.fingerprints.iter().filter(|(print, _)| wanted.contains(print));
        found.map(|(_, offset)| *offset).collect()
    }
}

fn part_of<'a>(token: &Token<'a>) -> Option<(u8, &'a str)> {
    match token {
        Token::SenderPart(part) => Some((SENDER, part)),
        Token::RecipientPart(part) => Some((RECIPIENT, part)),
        _ => None,
    }
}

fn fingerprint_of(token: &Token<'_>) -> u64 {
    match token {
        Token::Mail(mail_id) => fingerprint(b'i', mail_id.octets()),
        Token::Beginning => fingerprint(b'b', b""),
        Token::MessageId(id) => fingerprint(b'm', id.as_bytes()),
        Token::SenderPart(part) => fingerprint(SENDER, part.as_bytes()),
        Token::RecipientPart(part) => fingerprint(RECIPIENT, part.as_bytes()),
    }
}

fn line_of<'a>(kind: u8, part: &str, line: &'a str) -> Option<&'a str> {
    let address = line.strip_prefix(char::from(kind))?;
    address.contains(part).then_some(address)
}

/// Writes the index of a closed segment, whole or not at all.
pub(super) fn write(growing: &mut Growing, segment_octets: u64, file: &Path) -> io::Result<()> {
    growing.fingerprints.sort_unstable();
    let mut table = [0u32; FANOUT];
    for (print, _) in &growing.fingerprints {
        if let Some(count) = table.get_mut(bucket(*print)) {
            *count += 1;
        }
    }
    let mut body = Vec::with_capacity(growing.fingerprints.len() * FINGERPRINT_OCTETS);
    for (print, offset) in &growing.fingerprints {
        body.extend(print.to_le_bytes());
        body.extend(offset.to_le_bytes());
    }
    let mut lines: Vec<&str> = growing.addresses.iter().map(|line| &**line).collect();
    lines.sort_unstable();
    for line in lines {
        body.extend(line.as_bytes());
        body.push(b'\n');
    }
    let dictionary_octets = body.len() - growing.fingerprints.len() * FINGERPRINT_OCTETS;
    let mut head = HEAD.to_vec();
    let numbers: [u64; NUMBERS] = [
        growing.fingerprints.len() as u64,
        dictionary_octets as u64,
        growing.last_ms,
        segment_octets,
        u64::from(crc32c::crc32c(&body)),
    ];
    head.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    head.extend(table.iter().flat_map(|count| count.to_le_bytes()));
    head.extend(crc32c::crc32c(&head).to_le_bytes());
    let draft = file.with_extension("idx-draft");
    let mut options = std::fs::OpenOptions::new();
    let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    open.write_all(&head)?;
    open.write_all(&body)?;
    std::fs::rename(&draft, file)
}

/// The index of a closed segment: its head in memory, the rest on disk.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Number of the first fingerprint of each bucket, and their count at the end.
    starts: Box<[u32]>,
    fingerprints: u64,
    dictionary_octets: u64,
    pub(super) last_ms: u64,
    segment_octets: u64,
    body_sum: u32,
    is_verified: AtomicBool,
}

impl Sealed {
    /// Reads the head. `None` when it is not the undamaged index of a segment of this size.
    pub(super) fn open(file: &Path, segment_octets: u64) -> io::Result<Option<Sealed>> {
        let open = File::open(file)?;
        let mut head = vec![0; FIXED_OCTETS];
        if open.metadata()?.len() < FIXED_OCTETS as u64 {
            return Ok(None);
        }
        open.read_exact_at(&mut head, 0)?;
        let Some(sealed) = parse_head(&head) else { return Ok(None) };
        let fits = sealed.segment_octets == segment_octets
            && open.metadata()?.len() == FIXED_OCTETS as u64 + sealed.body_octets();
        Ok(fits.then_some(sealed))
    }

    fn body_octets(&self) -> u64 {
        self.fingerprints * FINGERPRINT_OCTETS as u64 + self.dictionary_octets
    }

    /// Whether the body is undamaged; read once, then believed.
    pub(super) fn verify(&self, file: &Path) -> io::Result<bool> {
        if self.is_verified.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let mut reader = BufReader::with_capacity(1 << 18, File::open(file)?);
        let mut chunk = vec![0; 1 << 18];
        reader.read_exact(chunk.get_mut(..FIXED_OCTETS).unwrap_or_default())?;
        let mut sum = 0;
        loop {
            let count = reader.read(&mut chunk)?;
            match chunk.get(..count) {
                Some([]) | None => break,
                Some(octets) => sum = crc32c::crc32c_append(sum, octets),
            }
        }
        self.is_verified.store(sum == self.body_sum, Ordering::Relaxed);
        Ok(sum == self.body_sum)
    }

    /// Offsets of the frames in which the token may occur.
    pub(super) fn offsets(&self, file: &Path, token: &Token<'_>) -> io::Result<Vec<u32>> {
        let open = File::open(file)?;
        let Some((kind, part)) = part_of(token) else {
            return self.with_fingerprint(&open, fingerprint_of(token));
        };
        let wanted = self.in_dictionary(&open, kind, part)?;
        if wanted.len() > SINGLE_LOOKUPS {
            let wanted: HashSet<u64> = wanted.into_iter().collect();
            return self.in_range(&open, 0, self.fingerprints, |print| wanted.contains(&print));
        }
        let mut offsets = Vec::new();
        for print in wanted {
            offsets.extend(self.with_fingerprint(&open, print)?);
        }
        Ok(offsets)
    }

    fn with_fingerprint(&self, open: &File, wanted: u64) -> io::Result<Vec<u32>> {
        let bucket = bucket(wanted);
        let at = |number: usize| self.starts.get(number).copied().map_or(0, u64::from);
        self.in_range(open, at(bucket), at(bucket + 1), |print| print == wanted)
    }

    fn in_range(
        &self,
        open: &File,
        start: u64,
        end: u64,
        is_wanted: impl Fn(u64) -> bool,
    ) -> io::Result<Vec<u32>> {
        let count = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        let mut octets = vec![0; count * FINGERPRINT_OCTETS];
        let at = FIXED_OCTETS as u64 + start * FINGERPRINT_OCTETS as u64;
        open.read_exact_at(&mut octets, at)?;
        let (entries, _) = octets.as_chunks::<FINGERPRINT_OCTETS>();
        let pairs = entries.iter().map(|[a, b, c, d, e, f, g, h, offset @ ..]| {
            let print = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (print, u32::from_le_bytes(*offset))
        });
        Ok(pairs.filter(|(print, _)| is_wanted(*print)).map(|(_, offset)| offset).collect())
    }

    fn in_dictionary(&self, open: &File, kind: u8, part: &str) -> io::Result<Vec<u64>> {
        let mut octets = vec![0; usize::try_from(self.dictionary_octets).unwrap_or(0)];
        let at = FIXED_OCTETS as u64 + self.fingerprints * FINGERPRINT_OCTETS as u64;
        open.read_exact_at(&mut octets, at)?;
        let text = String::from_utf8_lossy(&octets);
        let mut found = Vec::new();
        let finder = memchr::memmem::Finder::new(part);
        let mut at = 0;
        while let Some(hit) = text.as_bytes().get(at..).and_then(|rest| finder.find(rest)) {
            let hit = at + hit;
            let start =
                text.get(..hit).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
            let rest = text.get(start..).unwrap_or_default();
            let line = rest.split('\n').next().unwrap_or_default();
            let address = line_of(kind, part, line);
            found.extend(address.map(|address| fingerprint(kind, address.as_bytes())));
            at = start + line.len() + 1;
        }
        Ok(found)
    }
}

fn parse_head(head: &[u8]) -> Option<Sealed> {
    let (checked, sum) = head.split_last_chunk::<4>()?;
    let (magic, rest) = checked.split_first_chunk::<16>()?;
    if *magic != HEAD || crc32c::crc32c(checked) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (numbers, table) = rest.split_at_checked(NUMBERS * 8)?;
    let (numbers, _) = numbers.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|octets| u64::from_le_bytes(*octets));
    let (table, _) = table.as_chunks::<4>();
    let mut total = 0u32;
    let counts = table.iter().map(|octets| {
        let start = total;
        total = total.saturating_add(u32::from_le_bytes(*octets));
        start
    });
    let mut starts: Vec<u32> = counts.collect();
    starts.push(total);
    Some(Sealed {
        starts: starts.into_boxed_slice(),
        fingerprints: numbers.next().filter(|count| *count == u64::from(total))?,
        dictionary_octets: numbers.next()?,
        last_ms: numbers.next()?,
        segment_octets: numbers.next()?,
        body_sum: u32::try_from(numbers.next()?).ok()?,
        is_verified: AtomicBool::new(false),
    })
}
