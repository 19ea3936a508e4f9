//! `[bulk]`: digests of what was seen before, here and at other sites.
//!
//! ```toml
//! [[bulk.feed]]
//! key = "ed25519:…"          # as `postern bulk key` prints it at the other site
//! file = "partner.digests"   # absent: what `postern bulk import` has put in place
//! ```

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

/// `[bulk]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bulk {
    /// Texts are digested and counted; true unless given.
    pub enabled: bool,
    /// Texts that are remembered; 50,000 unless given. 1,000 take about half a MiB.
    pub entries: usize,
    /// Different recipients of a text that make it bulk; 5 unless given.
    pub recipients: u32,
    /// Different networks that one text comes from before that is noted; 5 unless given.
    pub networks: u32,
    /// Digests from other sites; none unless given.
    pub feed: Vec<BulkFeed>,
}

impl Default for Bulk {
    fn default() -> Bulk {
        Bulk { enabled: true, entries: 50_000, recipients: 5, networks: 5, feed: Vec::new() }
    }
}

/// `[[bulk.feed]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BulkFeed {
    /// Whose signature it must bear.
    pub key: FeedKey,
    /// Where it lies; it is read again when it changes. Absent: where `postern bulk import`
    /// puts it.
    pub file: Option<PathBuf>,
    /// What it is worth beside what was reported here, from 0 to 1; 0.7 unless given.
    #[serde(default = "feed_weight")]
    pub weight: f32,
}

fn feed_weight() -> f32 {
    0.7
}

/// A public key, `ed25519:` and 32 octets in base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct FeedKey(pub [u8; 32]);

/// The text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key: it must be as `postern bulk key` prints it, ed25519:…")]
pub struct BadFeedKey;

impl FeedKey {
    /// A short name, fit for a file: the first octets in hexadecimal.
    pub fn short(&self) -> String {
        self.0.iter().take(8).map(|octet| format!("{octet:02x}")).collect()
    }
}

impl FromStr for FeedKey {
    type Err = BadFeedKey;

    fn from_str(text: &str) -> Result<FeedKey, BadFeedKey> {
        let encoded = text.trim().strip_prefix("ed25519:").ok_or(BadFeedKey)?;
        let octets = BASE64_STANDARD.decode(encoded).map_err(|_| BadFeedKey)?;
        octets.try_into().map(FeedKey).map_err(|_| BadFeedKey)
    }
}

impl TryFrom<String> for FeedKey {
    type Error = BadFeedKey;

    fn try_from(text: String) -> Result<FeedKey, BadFeedKey> {
        text.parse()
    }
}

impl fmt::Display for FeedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ed25519:{}", BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for FeedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_written() {
        let key = FeedKey([7; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.short(), "0707070707070707");
        for text in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "AAAA"] {
            assert!(text.parse::<FeedKey>().is_err(), "{text}");
        }
    }
}
