//! Versions: numbers with points between, compared number by number; a missing one is 0.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const NUMBERS: usize = 4;

/// `1.4.0` or `1.4.0.17`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version([u32; NUMBERS]);

/// The text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no version: one to four numbers with points between are expected")]
pub struct BadVersion(String);

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Version, BadVersion> {
        let bad = || BadVersion(text.chars().take(40).collect());
        let mut numbers = [0; NUMBERS];
        let mut places = numbers.iter_mut();
        for part in text.split('.') {
            if part.is_empty() || part.len() > 9 || !part.bytes().all(|one| one.is_ascii_digit()) {
                return Err(bad());
            }
            *places.next().ok_or_else(bad)? = part.parse().map_err(|_| bad())?;
        }
        Ok(Version(numbers))
    }
}

impl TryFrom<String> for Version {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Version, BadVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch, build] = self.0;
        write!(out, "{major}.{minor}.{patch}")?;
        if build > 0 { write!(out, ".{build}") } else { Ok(()) }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.0.cmp(&other.0)
    }
}
