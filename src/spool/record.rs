//! What the spool writes into the log. Values in, heads of records out, and back.
//!
//! An accept record begins with a few octets that replay needs, so that it decodes no more
//! than it must; the rest is postcard. Every record begins with the version of its form: what
//! an unknown version wrote is kept and reported, never guessed at. What was added to the form
//! later stands behind the rest: an older program does not read so far, a newer one finds
//! nothing there in an old record and takes the default. So a box may be upgraded, and the
//! upgrade taken back, with mail in its queue.

use serde::{Deserialize, Serialize};

use crate::mail::{Envelope, Facts, Judgement, MailId, Manners};

/// A mail, with its content as body.
pub(super) const ACCEPT: u8 = 1;
/// All that changed since.
pub(super) const STATE: u8 = 2;
/// A judgement in the place of the first.
pub(super) const JUDGEMENT: u8 = 3;
/// The obituary.
pub(super) const END: u8 = 4;

const VERSION: u8 = 1;
const UNSCANNED: u8 = 1;

/// How a mail came into the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Origin {
    /// From a client.
    #[default]
    Received,
    /// The box wrote it.
    Own {
        /// The mail that it speaks of.
        about: Option<MailId>,
    },
    /// Out of quarantine.
    Released {
        /// The entry of the quarantine.
        held: MailId,
    },
    /// A copy of another mail, for others beside its recipients.
    Copied {
        /// Of which.
        of: MailId,
    },
    /// Another mail, for others instead of its recipients.
    Redirected {
        /// Which.
        of: MailId,
    },
}

/// The head of an accept record, after its prefix.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Accept<E, F, J> {
    pub(super) envelope: E,
    pub(super) facts: F,
    pub(super) judgement: J,
    pub(super) origin: Origin,
}

/// As it is read.
pub(super) type Accepted = Accept<Envelope, Facts, Judgement>;

/// What replay needs of an accept record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) recipients: u16,
    pub(super) is_unscanned: bool,
}

/// The head of a state record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) attempts: u32,
    pub(super) next_attempt_s: u32,
    pub(super) held: bool,
    pub(super) unscanned: bool,
    pub(super) warned: bool,
    /// A bit a recipient.
    pub(super) done: Vec<u64>,
    /// Why the last attempt failed, or who held it.
    pub(super) why: String,
    /// The outcome that this record was written for.
    pub(super) outcome: Option<(u16, Outcome)>,
    /// What was ordered beside delivery is done. Stands behind the rest on the disk.
    #[serde(skip)]
    pub(super) errands_done: bool,
    /// Next hops that an administrator has given; empty for none. Stands behind that.
    #[serde(skip)]
    pub(super) route: String,
}

/// The final outcome for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A next hop took it.
    Delivered {
        /// Which.
        hop: String,
        /// What it said.
        reply: String,
    },
    /// It was refused for good; the sender was told, or nobody was to be told.
    Failed {
        /// What the next hop said.
        reply: String,
    },
    /// It is in the quarantine.
    Quarantined {
        /// Where there.
        area: String,
    },
    /// It was dropped, as policy ordered.
    Discarded,
    /// An administrator took it out.
    Removed {
        /// Who.
        by: String,
    },
    /// It could not be delivered in time; the sender was told, or nobody was to be told.
    Expired,
    /// It went to others instead.
    Redirected {
        /// As this mail.
        becomes: MailId,
    },
}

/// The head of an end record: the last outcome, for whoever reads the log by hand.
pub(super) type End = Option<(u16, Outcome)>;

/// The head of an accept record.
pub(super) fn accept_head(
    envelope: &Envelope,
    facts: &Facts,
    judgement: &Judgement,
    origin: Origin,
    prefix: Prefix,
) -> Option<Vec<u8>> {
    let flags = if prefix.is_unscanned { UNSCANNED } else { 0 };
    let [low, high] = prefix.recipients.to_le_bytes();
    let head = Vec::with_capacity(512);
    let mut head = postcard::to_extend(&[VERSION, flags, low, high], head).ok()?;
    head = postcard::to_extend(&Accept { envelope, facts, judgement, origin }, head).ok()?;
    head = postcard::to_extend(&facts.manners, head).ok()?;
    Some(head)
}

/// The prefix of an accept record; `None` when another version wrote it.
pub(super) fn prefix(head: &[u8]) -> Option<Prefix> {
    let [version, flags, low, high] = *head.first_chunk::<4>()?;
    let recipients = u16::from_le_bytes([low, high]);
    (version == VERSION).then_some(Prefix { recipients, is_unscanned: flags & UNSCANNED != 0 })
}

/// The rest of an accept record.
pub(super) fn accepted(head: &[u8]) -> Option<Accepted> {
    prefix(head)?;
    let (mut accepted, added): (Accepted, _) = postcard::take_from_bytes(head.get(4..)?).ok()?;
    if !added.is_empty() {
        let (manners, _): (Manners, _) = postcard::take_from_bytes(added).ok()?;
        accepted.facts.manners = manners;
    }
    Some(accepted)
}

/// The head of a state record.
pub(super) fn state_head(state: &State) -> Vec<u8> {
    let head = postcard::to_extend(&state.errands_done, head_of(state)).unwrap_or_default();
    match state.route.is_empty() {
        true => head,
        false => postcard::to_extend(&state.route, head).unwrap_or_default(),
    }
}

/// What such a head says.
pub(super) fn read_state(head: &[u8]) -> Option<State> {
    let (version, rest) = head.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (mut state, added): (State, _) = postcard::take_from_bytes(rest).ok()?;
    if !added.is_empty() {
        let (errands_done, added) = postcard::take_from_bytes(added).ok()?;
        state.errands_done = errands_done;
        if !added.is_empty() {
            state.route = postcard::take_from_bytes(added).ok()?.0;
        }
    }
    Some(state)
}

/// The head of any other record.
pub(super) fn head_of(value: &impl Serialize) -> Vec<u8> {
    // Only a type that postcard cannot express fails, and these are expressible.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

/// What such a head says; `None` when another version wrote it.
pub(super) fn read<T: for<'de> Deserialize<'de>>(head: &[u8]) -> Option<T> {
    let (version, rest) = head.split_first()?;
    (*version == VERSION).then(|| postcard::from_bytes(rest).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Disposition, Recipient, Role, Summary, TlsFacts, Verdict};

    /// As the first version of the box wrote it, before there were manners.
    const FIRST: &str = "\
        01000100010f616e6e4073656e6465722e746573740110626f62406578616d706c652e7465737400\
        00000000010265310000c0000201106d61696c2e73656e6465722e74657374010107544c5376312e\
        3301580080d095ffbc31000000c03f0000000001000000";

    fn parts() -> (Envelope, Facts, Judgement, Prefix) {
        let envelope = Envelope {
            reverse_path: "ann@sender.test".parse().map(crate::mail::ReversePath::Mailbox).unwrap(),
            recipients: vec![Recipient::plain("bob@example.test".parse().unwrap())],
            body: Default::default(),
            smtputf8: false,
            dsn_return: None,
            envelope_id: Some("e1".into()),
        };
        let tls = TlsFacts { version: "TLSv1.3".into(), cipher: "X".into() };
        let facts = Facts {
            role: Role::Inbound,
            client: [192, 0, 2, 1].into(),
            helo: "mail.sender.test".into(),
            extended: true,
            tls: Some(tls),
            account: None,
            received_ms: 1_700_000_000_000,
            manners: Manners::default(),
        };
        let judgement = Judgement {
            verdict: Verdict::Clean,
            score: 1.5,
            findings: Vec::new(),
            summary: Summary::default(),
            dispositions: vec![Disposition::Deliver],
            orders: Vec::new(),
        };
        (envelope, facts, judgement, Prefix { recipients: 1, is_unscanned: false })
    }

    fn octets(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
        digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
    }

    #[test]
    fn what_the_first_version_wrote_is_read() {
        let (envelope, facts, judgement, expected) = parts();
        let head = octets(FIRST);
        assert_eq!(prefix(&head), Some(expected));
        let read = accepted(&head).unwrap();
        assert_eq!((read.envelope, read.facts), (envelope, facts));
        assert_eq!((read.judgement.score, read.origin), (judgement.score, Origin::Received));
    }

    /// It reads so far and no further: an upgrade can be taken back with mail in the queue.
    #[test]
    fn what_is_written_now_begins_as_the_first_version_wrote_it() {
        let (envelope, mut facts, judgement, prefix) = parts();
        facts.manners = Manners {
            early_talker: true,
            pipelined_unasked: false,
            unknown_recipients: 300,
            errors: 1,
        };
        let head = accept_head(&envelope, &facts, &judgement, Origin::Received, prefix).unwrap();
        assert_eq!(accepted(&head).unwrap().facts, facts);
        assert!(head.starts_with(&octets(FIRST)));
        let first: Accepted = postcard::from_bytes(&head[4..]).unwrap();
        assert_eq!(first.facts.manners, Manners::default());
    }
}
