//! What the quarantine writes into its log. Every head begins with the version of its form;
//! what was added to the form later stands behind the rest, where an older program does not
//! read and a newer one may find nothing.

use serde::{Deserialize, Serialize};

use crate::mail::{Envelope, Facts, Judgement, MailId, Manners};

/// An entry, with its content as body.
pub(super) const STORED: u8 = 1;
/// The entry is becoming a mail.
pub(super) const RELEASING: u8 = 2;
/// The obituary.
pub(super) const END: u8 = 3;

const VERSION: u8 = 1;

/// The head of a stored record. Facts of the entry come first, so that replay need not read
/// more.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored<E, F, J> {
    pub(super) entry: EntryFacts,
    pub(super) envelope: E,
    pub(super) facts: F,
    pub(super) judgement: J,
}

/// What distinguishes an entry from others of the same mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryFacts {
    pub(super) mail_id: MailId,
    pub(super) stored_s: u32,
    pub(super) area: String,
    /// Numbers in the mail's own envelope, ascending.
    pub(super) recipients: Vec<u16>,
}

/// As it is read; the envelope holds the entry's recipients only.
pub(super) type StoredEntry = Stored<Envelope, Facts, Judgement>;

/// A stored record's head on the disk.
pub(super) fn stored_head(stored: &Stored<Envelope, &Facts, Judgement>) -> Vec<u8> {
    // Only a type that postcard cannot express fails, and these are expressible.
    postcard::to_extend(&stored.facts.manners, head_of(stored)).unwrap_or_default()
}

/// What such a head says; `None` when another version wrote it.
pub(super) fn read_stored(head: &[u8]) -> Option<StoredEntry> {
    let (version, rest) = head.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (mut stored, added): (StoredEntry, _) = postcard::take_from_bytes(rest).ok()?;
    if !added.is_empty() {
        let (manners, _): (Manners, _) = postcard::take_from_bytes(added).ok()?;
        stored.facts.manners = manners;
    }
    Some(stored)
}

/// The head of a releasing record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReleasingHead {
    pub(super) becomes: MailId,
    pub(super) by: String,
}

/// The head of an end record, for whoever reads the log by hand.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum End {
    Released { becomes: MailId },
    Deleted { by: String },
    Expired,
}

/// A head on the disk.
pub(super) fn head_of(value: &impl Serialize) -> Vec<u8> {
    // Only a type that postcard cannot express fails, and these are expressible.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

/// What a head says; `None` when another version wrote it.
pub(super) fn read<'a, T: Deserialize<'a>>(head: &'a [u8]) -> Option<T> {
    let (version, rest) = head.split_first()?;
    (*version == VERSION).then(|| postcard::take_from_bytes(rest).ok().map(|(value, _)| value))?
}
