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

/// The entry is being refused.
pub(super) const REFUSING: u8 = 4;

/// Copies of some recipients were released, or are being released.
pub(super) const PART: u8 = 5;

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

/// The head of a releasing or refusing record.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReleasingHead {
    /// The mail that the entry becomes, or the one that tells of the refusal.
    pub(super) becomes: MailId,
    pub(super) by: String,
}

/// The head of a part record. Numbers are those of recipients in the entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartHead {
    /// Those whose copies are in the spool, or went on from there.
    pub(super) done: Vec<u16>,
    /// Those whose copies are on the way there.
    pub(super) begun: Option<Begun>,
    /// Who released them.
    pub(super) by: String,
}

/// A release for some that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// The mail that these copies become.
    pub(super) becomes: MailId,
    pub(super) recipients: Vec<u16>,
}

/// The head of an end record, for whoever reads the log by hand.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum End {
    Released { becomes: MailId },
    Deleted { by: String },
    Expired,
    Refused { by: String },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{ReversePath, Role, Summary, Verdict};

    /// Both ways: what was written before there were manners, and what is written now by a
    /// box to which an upgrade was taken back.
    #[test]
    fn entries_of_before_and_after_are_read() {
        let envelope = Envelope {
            reverse_path: ReversePath::Null,
            recipients: Vec::new(),
            body: Default::default(),
            smtputf8: false,
            dsn_return: None,
            envelope_id: None,
        };
        let manners = Manners { early_talker: true, unknown_recipients: 7, ..Manners::default() };
        let facts = Facts {
            role: Role::Inbound,
            client: [192, 0, 2, 1].into(),
            helo: "mail.sender.test".into(),
            extended: true,
            tls: None,
            account: None,
            received_ms: 1,
            manners,
        };
        let judgement = Judgement {
            verdict: Verdict::Clean,
            score: 0.5,
            findings: Vec::new(),
            summary: Summary::default(),
            dispositions: Vec::new(),
            orders: Vec::new(),
        };
        let entry = EntryFacts {
            mail_id: MailId::from_octets([1; 12]),
            stored_s: 9,
            area: "spam".into(),
            recipients: vec![0],
        };
        let stored = Stored { entry, envelope, facts: &facts, judgement };
        let now = stored_head(&stored);
        assert_eq!(read_stored(&now).unwrap().facts.manners, manners);
        let before = head_of(&stored);
        assert!(now.starts_with(&before) && now.len() > before.len());
        assert_eq!(read_stored(&before).unwrap().facts.manners, Manners::default());
        assert_eq!(read::<StoredEntry>(&now).unwrap().judgement.score, 0.5);
        assert!(read_stored(&[VERSION + 1, 0]).is_none());
    }
}
