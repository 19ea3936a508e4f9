//! Digests that go from site to site: a signed text.
//!
//! In: entries and the site's key, or a text and the key that it must bear. Out: the text, or
//! [`Feed`]. One line a thing, LF at its end, ASCII:
//!
//! ```text
//! postern-digests 1
//! site: mx.example.org
//! key: ed25519:BASE64            the public key that signs, RFC 8032
//! created: 1800000000            seconds since 1970
//! expires: 1800604800
//! entries: 2
//! text spam 1799990000 12 345 BASE64
//! file malware 1799990000 1 HEX 220 BASE64
//! signature: BASE64              over every octet before this line
//! ```
//!
//! A `text` has label (`spam` or `malware`), when it was first seen, how often, the number of
//! its shingles and the 64 minima of 16 bits, little-endian. A `file` has its SHA-256 before
//! the last two, which may be `0 -`. The algorithms behind the minima are those of
//! `words.rs` and `sketch.rs` in this version; another version would be another first line.
//!
//! Refused whole: what is too long, cut off, not signed by the key, expired, from the future,
//! older than one that was accepted before, or not of this form. A minimum is 16 bits of a
//! hash, so an entry tells whether a text is like one that the reader has, but not its words.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::key::SiteKey;
use super::sketch::Sketch;
use super::table::Label;
use crate::config::FeedKey;

/// Longer feeds are refused.
pub const FEED_OCTETS: u64 = 32 << 20;
/// Entries of one feed.
pub(super) const FEED_ENTRIES: usize = 100_000;
const MAGIC: &str = "postern-digests 1";
const SIGNATURE: &str = "signature: ";
/// Clocks differ.
const FUTURE_S: u64 = 3_600;

/// Why a feed is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// More than [`FEED_OCTETS`].
    #[error("it is longer than {} MiB", FEED_OCTETS >> 20)]
    TooLong,
    /// No digests, or of another version.
    #[error("it is no feed of digests that this version knows")]
    Foreign,
    /// Its end is missing.
    #[error("it is cut off: its signature is missing")]
    CutOff,
    /// It names another key.
    #[error("it is signed by {found}, not by {expected}")]
    OtherKey {
        /// In the feed.
        found: String,
        /// In the configuration.
        expected: FeedKey,
    },
    /// It was changed, or not signed by that key.
    #[error("its signature is wrong: it was changed on the way or forged")]
    Forged,
    /// It is too old.
    #[error("it has expired ({seconds} s ago)")]
    Expired {
        /// Since when.
        seconds: u64,
    },
    /// Its clock or ours is wrong.
    #[error("it was made {seconds} s from now: a clock is wrong")]
    FromTheFuture {
        /// How far.
        seconds: u64,
    },
    /// A newer one was accepted.
    #[error("it is older ({found}) than one that was accepted before ({known}): rolled back")]
    RolledBack {
        /// When it was made.
        found: u64,
        /// When that was made.
        known: u64,
    },
    /// It is signed but not of the form.
    #[error("line {line} is not understood")]
    Line {
        /// Counted from 1.
        line: usize,
    },
    /// Fewer or more entries than it says.
    #[error("it has {found} entries and says {said}")]
    Count {
        /// In it.
        found: usize,
        /// In its header.
        said: usize,
    },
}

/// One digest with what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// What it is.
    pub label: Label,
    /// Seconds since 1970.
    pub first_s: u64,
    /// How often it was seen.
    pub count: u32,
    /// Of a file; absent for a text.
    pub sha256: Option<[u8; 32]>,
    /// Always there for a text.
    pub sketch: Option<Sketch>,
}

/// A feed that was made, or read and found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Who made it.
    pub site: String,
    /// Seconds since 1970.
    pub created_s: u64,
    /// Seconds since 1970.
    pub expires_s: u64,
    /// Bad texts and files.
    pub entries: Vec<FeedEntry>,
}

impl Feed {
    /// The signed text.
    pub fn signed(&self, key: &SiteKey) -> String {
        let mut text = String::with_capacity(256 * (self.entries.len() + 2));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{MAGIC}\nsite: {}\nkey: {}\ncreated: {}\nexpires: {}\nentries: {}",
            self.site,
            key.public(),
            self.created_s,
            self.expires_s,
            self.entries.len()
        );
        for entry in &self.entries {
            entry.write(&mut text);
        }
        let signature = BASE64_STANDARD.encode(key.sign(text.as_bytes()));
        let _ = writeln!(text, "{SIGNATURE}{signature}");
        text
    }

    /// When a feed says that it was made, believed without its signature.
    pub fn created(octets: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(octets).ok()?;
        text.lines().nth(3)?.strip_prefix("created: ")?.parse().ok()
    }

    /// Reads a text that must be signed by `key` and be no older than `newest_s`, the date of
    /// the newest one that was accepted.
    pub fn read(
        octets: &[u8],
        key: &FeedKey,
        now_s: u64,
        newest_s: Option<u64>,
    ) -> Result<Feed, FeedError> {
        if octets.len() as u64 > FEED_OCTETS {
            return Err(FeedError::TooLong);
        }
        let text = std::str::from_utf8(octets).map_err(|_| FeedError::Foreign)?;
        if text.split('\n').next() != Some(MAGIC) {
            return Err(FeedError::Foreign);
        }
        let signed = verified(text, key)?;
        let mut lines = signed.lines().enumerate().skip(1);
        let mut field = |name: &str| {
            let (at, line) = lines.next().ok_or(FeedError::CutOff)?;
            let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": "));
            value.map(str::to_owned).ok_or(FeedError::Line { line: at + 1 })
        };
        let (site, _key) = (field("site")?, field("key")?);
        let mut number =
            |name: &str, line| field(name)?.parse::<u64>().map_err(|_| FeedError::Line { line });
        let (created_s, expires_s) = (number("created", 4)?, number("expires", 5)?);
        let said = usize::try_from(number("entries", 6)?).unwrap_or(usize::MAX);
        in_time(created_s, expires_s, now_s, newest_s)?;
        let mut entries = Vec::with_capacity(said.min(FEED_ENTRIES));
        for (at, line) in lines {
            if entries.len() >= FEED_ENTRIES {
                return Err(FeedError::TooLong);
            }
            entries.push(FeedEntry::read(line).ok_or(FeedError::Line { line: at + 1 })?);
        }
        match entries.len() == said {
            true => Ok(Feed { site, created_s, expires_s, entries }),
            false => Err(FeedError::Count { found: entries.len(), said }),
        }
    }
}

/// The part of the text that is signed, once the signature was found right.
fn verified<'t>(text: &'t str, key: &FeedKey) -> Result<&'t str, FeedError> {
    let named = text.lines().nth(2).and_then(|line| line.strip_prefix("key: "));
    let named = named.ok_or(FeedError::CutOff)?;
    if named.parse() != Ok(*key) {
        let found = named.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(FeedError::OtherKey { found, expected: *key });
    }
    let at = text.rfind("\nsignature: ").ok_or(FeedError::CutOff)?;
    let (signed, rest) = text.split_at_checked(at + 1).ok_or(FeedError::CutOff)?;
    let encoded = rest.strip_prefix(SIGNATURE).and_then(|rest| rest.strip_suffix('\n'));
    let signature = BASE64_STANDARD.decode(encoded.ok_or(FeedError::CutOff)?);
    let signature = signature.map_err(|_| FeedError::CutOff)?;
    let known = UnparsedPublicKey::new(&ED25519, key.0);
    match known.verify(signed.as_bytes(), &signature) {
        Ok(()) => Ok(signed),
        Err(_) => Err(FeedError::Forged),
    }
}

fn in_time(
    created_s: u64,
    expires_s: u64,
    now_s: u64,
    newest_s: Option<u64>,
) -> Result<(), FeedError> {
    if now_s >= expires_s {
        return Err(FeedError::Expired { seconds: now_s - expires_s });
    }
    if created_s > now_s + FUTURE_S {
        return Err(FeedError::FromTheFuture { seconds: created_s - now_s });
    }
    match newest_s.filter(|newest| created_s < *newest) {
        Some(known) => Err(FeedError::RolledBack { found: created_s, known }),
        None => Ok(()),
    }
}

impl FeedEntry {
    fn write(&self, text: &mut String) {
        let label = match self.label {
            Label::Malware => "malware",
            Label::Spam => "spam",
            // What is good is nobody else's business.
            Label::Ham => return,
        };
        let _ = match &self.sha256 {
            None => write!(text, "text {label} {} {} ", self.first_s, self.count),
            Some(sha256) => {
                let hex: String = sha256.iter().map(|octet| format!("{octet:02x}")).collect();
                write!(text, "file {label} {} {} {hex} ", self.first_s, self.count)
            }
        };
        let _ = match &self.sketch {
            Some(sketch) => {
                let bins = BASE64_STANDARD.encode(sketch.octets());
                writeln!(text, "{} {bins}", sketch.shingles)
            }
            None => writeln!(text, "0 -"),
        };
    }

    fn read(line: &str) -> Option<FeedEntry> {
        let mut words = line.split(' ');
        let is_file = match words.next()? {
            "text" => false,
            "file" => true,
            _ => return None,
        };
        let label = match words.next()? {
            "spam" => Label::Spam,
            "malware" => Label::Malware,
            _ => return None,
        };
        let first_s = words.next()?.parse().ok()?;
        let count = words.next()?.parse().ok()?;
        let sha256 = if is_file { Some(octets_of_hex(words.next()?)?) } else { None };
        let shingles = words.next()?.parse().ok()?;
        let sketch = match words.next()? {
            "-" if is_file => None,
            bins => Some(Sketch::of_octets(&BASE64_STANDARD.decode(bins).ok()?, shingles)?),
        };
        let entry = FeedEntry { label, first_s, count, sha256, sketch };
        words.next().is_none().then_some(entry)
    }
}

fn octets_of_hex(hex: &str) -> Option<[u8; 32]> {
    let mut octets = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(octets)
}
