//! What the archive writes into its log. Every head begins with the version of its form; what
//! is added later stands behind the rest.

use serde::{Deserialize, Serialize};

use crate::mail::{Envelope, Facts, Judgement, Manners};

/// A mail in a class, with its content as body.
pub(super) const STORED: u8 = 1;
/// The obituary.
pub(super) const END: u8 = 2;

const VERSION: u8 = 1;

/// The head of a stored record. What replay needs comes first.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored<E, F, J> {
    pub(super) entry: EntryFacts,
    pub(super) envelope: E,
    pub(super) facts: F,
    pub(super) judgement: J,
}

/// In which class a mail is and since when; an end record says the class only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryFacts {
    pub(super) class: String,
    /// Seconds since 1970.
    pub(super) stored_s: u32,
}

/// As it is read.
pub(super) type StoredMail = Stored<Envelope, Facts, Judgement>;

/// A stored record's head on the disk.
pub(super) fn stored_head(stored: &Stored<&Envelope, &Facts, &Judgement>) -> Vec<u8> {
    // Only a type that postcard cannot express fails, and these are expressible.
    postcard::to_extend(&stored.facts.manners, head_of(stored)).unwrap_or_default()
}

/// What such a head says; `None` when another version wrote it.
pub(super) fn read_stored(head: &[u8]) -> Option<StoredMail> {
    let (version, rest) = head.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (mut stored, added): (StoredMail, _) = postcard::take_from_bytes(rest).ok()?;
    if !added.is_empty() {
        let (manners, _): (Manners, _) = postcard::take_from_bytes(added).ok()?;
        stored.facts.manners = manners;
    }
    Some(stored)
}

/// A head on the disk.
pub(super) fn head_of(value: &impl Serialize) -> Vec<u8> {
    // Only a type that postcard cannot express fails, and these are expressible.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

/// What the beginning of a head says; `None` when another version wrote it.
pub(super) fn read<'a, T: Deserialize<'a>>(head: &'a [u8]) -> Option<T> {
    let (version, rest) = head.split_first()?;
    (*version == VERSION).then(|| postcard::take_from_bytes(rest).ok().map(|(value, _)| value))?
}
