//! Whom a message shows as its author, and the mailboxes of its other address fields.
//!
//! In: a message taken apart. Out: [`Authorship`] and [`Mailbox`]es. Address lists are read by
//! RFC 5322 section 3.4 with its obsolete forms (section 4.4), RFC 6532 and RFC 6854, over the
//! octets of the field.
//!
//! What is verified must be what the reader sees: another reader may unfold, decode, cut or
//! quote otherwise than this one (DMARC's weak spot, RFC 9989 section 11). So the author is
//! [`Authorship::One`] only when the form leaves no doubt *and* every careless way of reading
//! that is in use comes to the same address; else it is [`Authorship::Unclear`] with one of
//! [`doubt`]'s reasons. Time is linear in the header; nothing here fails.

pub mod doubt;
mod list;
mod readers;
mod spec;

use std::borrow::Cow;

use super::anatomy::Anatomy;
use super::head::Head;
use super::words;
use crate::mail::{Address, Domain};
use list::{Entry, List};

/// Longer From fields are not looked into: no author needs them.
const AUTHOR_OCTETS: usize = 8 << 10;
/// Mailboxes of one field beyond this are left away.
const MAILBOXES: usize = 2_000;

/// A mailbox as an address field shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name beside the address, decoded, or the comment that stands for it.
    pub display_name: String,
    /// Where mail for it goes.
    pub address: Address,
}

/// Whom the reader of a message sees as its author.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Authorship {
    /// There is no From field.
    #[default]
    Absent,
    /// Every reader sees this mailbox.
    One(Mailbox),
    /// Every reader sees these, two at least.
    Several(Vec<Mailbox>),
    /// Two readers could see two authors, or none can be told; one of [`doubt`]'s reasons.
    Unclear(&'static str),
}

impl Anatomy {
    /// The author of the message, RFC 5322 section 3.6.2.
    pub fn author(&self) -> Authorship {
        let Some(head) = self.head() else { return Authorship::Absent };
        author_of(head)
    }

    /// The domains of authors whose local part is longer than is allowed: everything else of
    /// the address is clear, and every reader shows it.
    pub fn domains_of_long_authors(&self, author: &Authorship) -> Vec<Domain> {
        let is_long = *author == Authorship::Unclear(doubt::LONG_LOCAL);
        let Some(value) = self.head().filter(|_| is_long).and_then(|head| head.first("from"))
        else {
            return Vec::new();
        };
        let line = unfold(value);
        let domain = |entry: &Entry<'_>| {
            let raw = entry.address_text()?;
            let at = memchr::memrchr(b'@', &raw)?;
            let host = std::str::from_utf8(raw.get(at + 1..)?).ok()?;
            Domain::parse(host.trim()).ok()
        };
        List::read(&line).entries.iter().filter_map(domain).collect()
    }

    /// Whom readers show when From names nobody: the mailboxes of Sender. Empty when there is an
    /// author, or something that may be one.
    pub fn stand_ins(&self, author: &Authorship) -> Vec<Mailbox> {
        match author {
            Authorship::Absent | Authorship::Unclear(doubt::NO_ADDRESS) => self.mailboxes("sender"),
            Authorship::One(_) | Authorship::Several(_) | Authorship::Unclear(_) => Vec::new(),
        }
    }

    /// The mailboxes of all fields of a name, those of groups among them. What cannot be read
    /// is left away, as is what lies beyond a generous limit.
    pub fn mailboxes(&self, field: &str) -> Vec<Mailbox> {
        let Some(head) = self.head() else { return Vec::new() };
        let mut mailboxes = Vec::new();
        for value in head.all(field).map(|found| head.value(found)) {
            let line = unfold(value);
            let left = MAILBOXES.saturating_sub(mailboxes.len());
            let entries = List::read(&line).entries;
            mailboxes.extend(entries.iter().filter_map(mailbox).take(left));
        }
        mailboxes
    }
}

/// The author that a header names.
fn author_of(head: &Head) -> Authorship {
    let mut values = head.all("from").map(|field| (head.name(field), head.value(field)));
    let sightings = readers::author_fields(head);
    let Some((_, first)) = values.next() else {
        return match sightings.hidden {
            true => Authorship::Unclear(doubt::HIDDEN_FIELD),
            false => Authorship::Absent,
        };
    };
    if sightings.hidden {
        return Authorship::Unclear(doubt::HIDDEN_FIELD);
    }
    if sightings.spaced {
        return Authorship::Unclear(doubt::SPACE_BEFORE_COLON);
    }
    if sightings.behind_stray {
        return Authorship::Unclear(doubt::BEHIND_STRAY);
    }
    let author = author_in(first);
    for (_, value) in values {
        // Octets that differ may still name the same address.
        if value != first && !same_addresses(&author, &author_in(value)) {
            return Authorship::Unclear(doubt::SEVERAL_FIELDS);
        }
    }
    author
}

fn same_addresses(one: &Authorship, other: &Authorship) -> bool {
    match (one, other) {
        (Authorship::One(one), Authorship::One(other)) => one.address.key() == other.address.key(),
        _ => one == other,
    }
}

/// The author that the value of one From field names.
fn author_in(value: &[u8]) -> Authorship {
    if value.len() > AUTHOR_OCTETS {
        return Authorship::Unclear(doubt::TOO_LONG);
    }
    if let Some(why) = readers::doubt_of_octets(value) {
        return Authorship::Unclear(why);
    }
    let line = unfold(value);
    let list = List::read(&line);
    let mailboxes = match read_strictly(&list) {
        Ok(mailboxes) => mailboxes,
        Err(doubt::NO_ADDRESS) if readers::shows_address(&line) => {
            return Authorship::Unclear(doubt::UNREADABLE);
        }
        Err(why) => return Authorship::Unclear(why),
    };
    if let Some(why) = readers::dissent(&line, &list, &mailboxes) {
        return Authorship::Unclear(why);
    }
    let mut mailboxes = mailboxes;
    match mailboxes.len() {
        0 => Authorship::Unclear(doubt::NO_ADDRESS),
        1 => mailboxes.pop().map_or(Authorship::Absent, Authorship::One),
        _ => Authorship::Several(mailboxes),
    }
}

/// The mailboxes of a list whose form leaves no doubt.
fn read_strictly(list: &List<'_>) -> Result<Vec<Mailbox>, &'static str> {
    if let Some(why) = list.doubt {
        return Err(why);
    }
    let mut mailboxes = Vec::new();
    // `Brook, Ann <ann@x.test>`: the comma should have been quoted, and every reader knows.
    let mut waiting: Vec<Cow<'_, [u8]>> = Vec::new();
    for entry in &list.entries {
        let Some(raw) = entry.address_text() else {
            waiting.extend(entry.name_octets());
            continue;
        };
        let address = spec::read(&raw)?;
        if entry.scattered {
            return Err(doubt::SCATTERED);
        }
        let name = match waiting.is_empty() {
            true => entry.name(),
            false => {
                waiting.extend(entry.name_octets());
                let name = words::decode(&waiting.join(&b", "[..])).into_owned();
                waiting.clear();
                name
            }
        };
        mailboxes.push(Mailbox { display_name: name, address });
    }
    // A name behind the last address belongs to nobody: `<a@b> x` is left alone, `a@b, x` too.
    match mailboxes.is_empty() {
        true => Err(doubt::NO_ADDRESS),
        false => Ok(mailboxes),
    }
}

/// What a tolerant reader makes of an entry.
fn mailbox(entry: &Entry<'_>) -> Option<Mailbox> {
    let raw = entry.address_text()?;
    let address = spec::read_tolerantly(&raw)?;
    Some(Mailbox { display_name: entry.name(), address })
}

/// The value on one line: line ends are taken out, the white space behind them stays (RFC
/// 5322 section 2.2.3).
fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    match memchr::memchr2(b'\n', b'\r', value) {
        None => Cow::Borrowed(value),
        Some(_) => {
            let keeps = |octet: &u8| !matches!(octet, b'\r' | b'\n');
            Cow::Owned(value.iter().copied().filter(keeps).collect())
        }
    }
}
