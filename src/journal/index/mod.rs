//! Which mails of a segment have what somebody looks for.
//!
//! In: the entries of one segment. Out: rows, one a mail, and for each term or name the rows
//! that have it. While the segment grows the index is in memory ([`Growing`]); when it is
//! closed it is written beside it ([`sealed::write`]) and read from there ([`Sealed`]).
//!
//! Terms (Message-ID, words of subjects, verdicts, states, rules, findings, domains) are kept as
//! fingerprints, which may collide: readers check what they find. Names of which any part may
//! be asked for (addresses, viruses, objects of acts) and clients, which are asked for by
//! network, stand in dictionaries that are searched through.
//!
//! Invariant: the last segment in which a mail occurs knows all terms and names that the mail
//! has in any segment, because what earlier segments know of it is carried over when it occurs
//! again ([`Earlier`]). So a question with several criteria is answered segment by segment, by
//! intersecting rows, and no segment needs another one.
//!
//! Why not a library for full text: the questions are exact, the postings short, and a segment
//! is closed once and never merged. None was measured beside it; what it costs by itself is
//! what `benches/admin.rs` prints.

mod growing;
mod sealed;

use std::io;

pub(super) use growing::Growing;
pub(super) use sealed::{Sealed, write};

use super::event::Event;
use super::frame::Entry;
use super::marks::{domain_of, folded, words_of};
use super::query::{
    Criteria, Direction, Network, State, client_of, number_of, rules_of, viruses_of,
};
use crate::mail::{MailId, Role};

/// How the null reverse-path is searched for.
const NULL_SENDER: &str = "<>";

/// A dictionary of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sender,
    Recipient,
    Virus,
    /// Addresses of clients, as 32 hexadecimal digits.
    Client,
    /// Objects of acts. Leads to frames instead of rows.
    Object,
    /// Who acted, and what was done. Leads to frames as well.
    Act,
}

const KINDS: usize = 6;

impl Kind {
    /// Whether its names lead to frames instead of rows.
    fn leads_to_frames(kind: usize) -> bool {
        kind >= Kind::Object as usize
    }
}

/// What earlier segments know of a mail.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    /// The number of the last of them.
    pub(super) segment: u32,
    pub(super) entries: Vec<Entry>,
}

/// FNV-1a, then mixed so that the first bits are as good as the last. It must never change:
/// indexes on disk hold it.
pub(super) fn fingerprint(kind: u8, text: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325u64;
    let step = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3);
    let mut hash = text.iter().fold(step(start, &kind), step);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// One thing by which an entry may be found.
enum Mark<'t> {
    Term(u8, &'t [u8]),
    Name(Kind, &'t str),
}

const LISTED: u8 = b'l';
const MESSAGE_ID: u8 = b'm';
const WORD: u8 = b'w';
const RULE: u8 = b'p';
const FINDING: u8 = b'f';
const VERDICT: u8 = b'v';
const STATE: u8 = b't';
const WAY: u8 = b'r';
const DOMAIN: u8 = b'd';
/// Begins names of kind [`Kind::Act`]: every act, by whom, what.
const ACT: &str = "every";
const ACT_WHO: &str = "who:";
const ACT_WHAT: &str = "what:";

/// Everything by which the mail of an entry is to be found.
fn marks(entry: &Entry, put: &mut dyn FnMut(Mark<'_>)) {
    let event = &entry.event;
    if let Some(state) = State::of(event) {
        put(Mark::Term(STATE, state.name().as_bytes()));
    }
    if let Some(client) = client_of(event) {
        put(Mark::Name(Kind::Client, &format!("{:032x}", number_of(client))));
    }
    if is_listed(event) {
        put(Mark::Term(LISTED, b""));
    }
    if let Some((reverse_path, forward_paths)) = event.envelope() {
        mark_paths(reverse_path, forward_paths, put);
    }
    match event {
        Event::Received { role, .. } => put(Mark::Term(WAY, way_of(*role))),
        Event::Originated { subject, .. } => {
            put(Mark::Term(WAY, b"own"));
            words_of(subject).iter().for_each(|word| put(Mark::Term(WORD, word.as_bytes())));
        }
        Event::Continued { role, subject, message_id, .. } => {
            put(Mark::Term(WAY, way_of(*role)));
            words_of(subject).iter().for_each(|word| put(Mark::Term(WORD, word.as_bytes())));
            if !message_id.is_empty() {
                put(Mark::Term(MESSAGE_ID, message_id.as_bytes()));
            }
        }
        Event::Judged { verdict, findings, subject, message_id, .. } => {
            put(Mark::Term(VERDICT, verdict.to_string().as_bytes()));
            for note in findings {
                put(Mark::Term(FINDING, folded(&note.name).as_bytes()));
            }
            words_of(subject).iter().for_each(|word| put(Mark::Term(WORD, word.as_bytes())));
            if !message_id.is_empty() {
                put(Mark::Term(MESSAGE_ID, message_id.as_bytes()));
            }
        }
        _ => {}
    }
    for rule in rules_of(event) {
        put(Mark::Term(RULE, folded(&rule).as_bytes()));
    }
    viruses_of(event).for_each(|virus| put(Mark::Name(Kind::Virus, &folded(virus))));
}

fn mark_paths(reverse_path: &str, forward_paths: &[String], put: &mut dyn FnMut(Mark<'_>)) {
    let sender = if reverse_path.is_empty() { NULL_SENDER } else { reverse_path };
    put(Mark::Name(Kind::Sender, &folded(sender)));
    let mut last = domain_of(reverse_path);
    if let Some(domain) = &last {
        put(Mark::Term(DOMAIN, domain.as_bytes()));
    }
    for path in forward_paths {
        put(Mark::Name(Kind::Recipient, &folded(path)));
        let domain = domain_of(path);
        if let Some(domain) = domain.as_ref().filter(|_| domain != last) {
            put(Mark::Term(DOMAIN, domain.as_bytes()));
        }
        last = domain;
    }
}

fn way_of(role: Role) -> &'static [u8] {
    if role == Role::Inbound { b"in" } else { b"house" }
}

/// The same for acts: what leads to the frame itself.
fn act_marks(entry: &Entry, put: &mut dyn FnMut(Mark<'_>)) {
    let Event::Administered(note) = &entry.event else { return };
    put(Mark::Name(Kind::Act, ACT));
    put(Mark::Name(Kind::Act, &format!("{ACT_WHO}{}", folded(&note.act.who))));
    let what = folded(&note.act.what);
    let dots = what.match_indices('.').map(|(at, _)| at);
    for end in dots.chain([what.len()]) {
        let what = what.get(..end).unwrap_or_default();
        put(Mark::Name(Kind::Act, &format!("{ACT_WHAT}{what}")));
    }
    put(Mark::Name(Kind::Object, &folded(&note.act.object)));
    if entry.mail_id != note.act_id {
        put(Mark::Name(Kind::Object, &folded(&entry.mail_id.to_string())));
    }
}

/// Whether a mail is a mail and not a session or an act by itself.
pub(super) fn is_listed(event: &Event) -> bool {
    event.envelope().is_some() || matches!(event, Event::Judged { .. })
}

/// A name that is looked for in a dictionary.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'q> {
    Part(&'q str),
    /// Lines from the first to the last, both included; dictionaries on disk are sorted.
    Between(&'q str, &'q str),
}

impl Wanted<'_> {
    fn holds(&self, line: &str) -> bool {
        match self {
            Wanted::Part(part) => line.contains(part),
            Wanted::Between(first, last) => (*first..=*last).contains(&line),
        }
    }
}

/// An index that can be asked, in memory or on disk.
pub(super) trait Lookup {
    /// How many mails.
    fn rows(&self) -> usize;
    /// Rows of the mails between two names; the second is out.
    fn between(&self, low: Option<MailId>, high: Option<MailId>) -> io::Result<RowSet>;
    /// Rows, or frames, with a term; in any order.
    fn term(&self, print: u64) -> io::Result<Vec<u32>>;
    /// Rows, or frames, with a name; in any order.
    fn named(&self, kind: Kind, wanted: Wanted<'_>) -> io::Result<Vec<u32>>;
    /// Whether rows are in the order of the names of mails.
    fn is_ordered(&self) -> bool;
    /// The mails of rows that are given in ascending order.
    fn ids(&self, rows: &[u32]) -> io::Result<Vec<MailId>>;
    /// Frames of a mail in this segment in their order, and the segment in which it occurred
    /// before; 0 is none.
    fn frames(&self, mail_id: MailId) -> io::Result<Option<(Vec<u32>, u32)>>;
}

/// A set of rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RowSet(Vec<u64>);

impl RowSet {
    pub(super) fn empty(rows: usize) -> RowSet {
        RowSet(vec![0; rows.div_ceil(64)])
    }

    pub(super) fn put(&mut self, row: u32) {
        if let Some(word) = self.0.get_mut(row as usize / 64) {
            *word |= 1 << (row % 64);
        }
    }

    fn of(rows: usize, list: Vec<u32>) -> RowSet {
        let mut set = RowSet::empty(rows);
        list.into_iter().for_each(|row| set.put(row));
        set
    }

    fn keep(&mut self, others: &RowSet) {
        let others = others.0.iter().copied().chain(std::iter::repeat(0));
        self.0.iter_mut().zip(others).for_each(|(own, other)| *own &= other);
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The rows, in ascending order.
    pub(super) fn list(&self) -> Vec<u32> {
        let mut list = Vec::new();
        for (at, word) in self.0.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                list.push(u32::try_from(at * 64).unwrap_or(u32::MAX) + rest.trailing_zeros());
                rest &= rest - 1;
            }
        }
        list
    }
}

/// Rows of mails that may meet all criteria: all that do, and perhaps some more.
pub(super) fn select(index: &dyn Lookup, criteria: &Criteria) -> io::Result<RowSet> {
    let rows = index.rows();
    let mut kept = index.between(criteria.low, criteria.high)?;
    let mut terms: Vec<Vec<u64>> = Vec::new();
    let one = |kind: u8, text: &str| vec![fingerprint(kind, text.as_bytes())];
    terms.extend(criteria.message_id.as_ref().map(|id| one(MESSAGE_ID, id)));
    terms.extend(criteria.rule.as_ref().map(|rule| one(RULE, rule)));
    terms.extend(criteria.finding.as_ref().map(|finding| one(FINDING, finding)));
    terms.extend(criteria.words.iter().map(|word| one(WORD, word)));
    terms.extend(criteria.domains.as_ref().map(|domains| {
        domains.iter().map(|domain| fingerprint(DOMAIN, domain.as_bytes())).collect()
    }));
    terms.extend(criteria.state.map(|state| one(STATE, state.name())));
    terms.extend(criteria.verdict.map(|verdict| one(VERDICT, &verdict.to_string())));
    terms.extend(criteria.direction.map(|direction| {
        one(
            WAY,
            match direction {
                Direction::In => "in",
                Direction::Out | Direction::Internal => "house",
                Direction::Own => "own",
            },
        )
    }));
    if !criteria.asks_more_than_mails() {
        terms.push(one(LISTED, ""));
    }
    for prints in terms {
        if kept.is_empty() {
            return Ok(kept);
        }
        let mut with = RowSet::empty(rows);
        for print in prints {
            index.term(print)?.into_iter().for_each(|row| with.put(row));
        }
        kept.keep(&with);
    }
    select_named(index, criteria, kept)
}

fn select_named(index: &dyn Lookup, criteria: &Criteria, mut kept: RowSet) -> io::Result<RowSet> {
    let rows = index.rows();
    let network = criteria
        .client
        .map(|Network { first, last }| (format!("{first:032x}"), format!("{last:032x}")));
    if let Some((first, last)) = network.filter(|_| !kept.is_empty()) {
        kept.keep(&RowSet::of(rows, index.named(Kind::Client, Wanted::Between(&first, &last))?));
    }
    for (kinds, part) in [
        (&[Kind::Virus][..], &criteria.virus),
        (&[Kind::Sender], &criteria.sender),
        (&[Kind::Recipient], &criteria.recipient),
        (&[Kind::Sender, Kind::Recipient], &criteria.any),
    ] {
        let Some(part) = part.as_ref().filter(|_| !kept.is_empty()) else { continue };
        let mut with = RowSet::empty(rows);
        for kind in kinds {
            let found = index.named(*kind, Wanted::Part(part))?;
            found.into_iter().for_each(|row| with.put(row));
        }
        kept.keep(&with);
    }
    Ok(kept)
}

/// Frames of acts that may meet the criteria, in ascending order.
pub(super) fn select_acts(
    index: &dyn Lookup,
    criteria: &super::acts::ActCriteria,
) -> io::Result<Vec<u32>> {
    let mut lists = Vec::new();
    let mut find = |name: &str| {
        index.named(Kind::Act, Wanted::Between(name, name)).map(|list| lists.push(list))
    };
    match (&criteria.who, &criteria.what) {
        (None, None) => find(ACT)?,
        (who, what) => {
            who.iter().try_for_each(|who| find(&format!("{ACT_WHO}{who}")))?;
            what.iter().try_for_each(|what| find(&format!("{ACT_WHAT}{what}")))?;
        }
    }
    if let Some(part) = criteria.object.as_ref().filter(|_| lists.iter().all(|one| !one.is_empty()))
    {
        lists.push(index.named(Kind::Object, Wanted::Part(part))?);
    }
    for list in &mut lists {
        list.sort_unstable();
        list.dedup();
    }
    let mut lists = lists.into_iter();
    let first = lists.next().unwrap_or_default();
    Ok(lists.fold(first, |mut kept, other| {
        kept.retain(|frame| other.binary_search(frame).is_ok());
        kept
    }))
}
