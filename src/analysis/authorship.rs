//! Whether a message shows every reader the same author, and whether the name beside the
//! author's address claims to be another address.
//!
//! In: a message taken apart and its author; then who vouches. Out: sightings; those of class
//! `equivocal` refuse the mail by default, because what authentication verifies would not be
//! what is read (RFC 9989 section 11). A name that is somebody else's address is one of them,
//! until somebody answers for the author ([`settle`]). Linear in the header; nothing fails.

mod claims;

use super::{Authenticated, Sighting};
use crate::mail::{Address, Domain};
use crate::message::{Anatomy, Authorship, Head, Mailbox, doubt};
use crate::net::registrable::is_same_organisation;

/// The name is somebody else's address, and nobody answers for the author …
pub(super) const IS_ADDRESS: &str = "AUTHOR_NAME_IS_ADDRESS";
/// The name holds one beside other words.
pub(super) const HOLDS_ADDRESS: &str = "AUTHOR_NAME_HOLDS_ADDRESS";
/// … or somebody does.
const OTHER_ADDRESS: &str = "AUTHOR_NAME_OTHER_ADDRESS";
/// Runs of white space in a name longer than this push the address out of sight.
const PADDING: usize = 20;
/// Names longer than this do, too.
const NAME_CHARS: usize = 200;

/// Looks at who is shown as the author.
pub fn look(anatomy: &Anatomy, author: &Authorship) -> Vec<Sighting> {
    let Some(head) = anatomy.head() else { return Vec::new() };
    let mut seen = Vec::new();
    match author {
        Authorship::Absent => {}
        Authorship::Unclear(why) => seen.push(unclear(why, head)),
        Authorship::One(mailbox) => look_at_name(anatomy, mailbox, &mut seen),
        Authorship::Several(mailboxes) => {
            seen.push(several(anatomy, mailboxes));
            for mailbox in mailboxes {
                look_at_name(anatomy, mailbox, &mut seen);
            }
        }
    }
    seen.extend(stand_in(anatomy, author));
    seen.extend(unreadable(anatomy, head));
    seen.extend(split_fields(head));
    seen.extend(cut_fields(head));
    // Several mailboxes may show the same.
    seen.dedup_by(|one, other| one.name == other.name);
    seen
}

/// The sight that a doubt is; the field stands beside it.
fn unclear(why: &'static str, head: &Head) -> Sighting {
    let name = match why {
        doubt::NO_ADDRESS => "AUTHOR_WITHOUT_ADDRESS",
        doubt::LONG_LOCAL => "AUTHOR_ADDRESS_TOO_LONG",
        doubt::SEVERAL_FIELDS => "AUTHOR_FIELDS_DIFFER",
        doubt::HIDDEN_FIELD | doubt::SPACE_BEFORE_COLON | doubt::BEHIND_STRAY => {
            "AUTHOR_FIELD_HIDDEN"
        }
        doubt::CONTROL | doubt::BLANK_FOLD => "AUTHOR_CUT_OFF",
        doubt::ENCODED_ADDRESS | doubt::ENCODED_SYNTAX | doubt::ENCODED_CONTROL => "AUTHOR_ENCODED",
        doubt::ROUTE | doubt::RELAYED => "AUTHOR_ROUTED",
        doubt::DECEPTIVE_LETTERS | doubt::OCTETS | doubt::TRAILING_DOT => "AUTHOR_DISGUISED",
        doubt::GROUP => "AUTHOR_GROUP",
        doubt::UNREADABLE => "AUTHOR_UNREADABLE",
        // Quotes, brackets, comments, spaces, length.
        _ => "AUTHOR_EQUIVOCAL",
    };
    let value = head.first("from").unwrap_or_default();
    Sighting::new(name, format!("{why}: {}", quoted(value)))
}

/// From names nobody and Sender does: some readers show it as the author, others show nothing.
fn stand_in(anatomy: &Anatomy, author: &Authorship) -> Option<Sighting> {
    let stand_ins = anatomy.stand_ins(author);
    let first = stand_ins.first()?;
    Some(Sighting::new("SENDER_WITHOUT_AUTHOR", first.address.to_string()))
}

/// RFC 5322 section 3.6.2: several authors need a Sender.
fn several(anatomy: &Anatomy, mailboxes: &[Mailbox]) -> Sighting {
    const SHOWN: usize = 3;
    let addresses: Vec<String> =
        mailboxes.iter().take(SHOWN).map(|mailbox| mailbox.address.to_string()).collect();
    let detail = addresses.join(", ");
    match anatomy.mailboxes("sender").len() {
        1 => Sighting::new("AUTHORS_WITH_SENDER", detail),
        _ => Sighting::new("AUTHORS_WITHOUT_SENDER", detail),
    }
}

/// The name beside an author's address.
fn look_at_name(anatomy: &Anatomy, mailbox: &Mailbox, seen: &mut Vec<Sighting>) {
    let name = mailbox.display_name.as_str();
    if claims::is_deceptive(name) || is_padded(name) {
        seen.push(Sighting::new("AUTHOR_NAME_DECEPTIVE", quoted(name.as_bytes())));
    }
    let own = mailbox.address.host().to_string();
    let is_foreign = |claim: &&Address| {
        claim.domain().is_some_and(|domain| !is_same_organisation(domain.as_str(), &own))
    };
    let claimed = claims::addresses_in(name);
    if claimed.found.is_empty() && anatomy.head().is_some_and(has_bare_at) {
        seen.push(Sighting::new("AUTHOR_NAME_AT_SIGN", quoted(name.as_bytes())));
    }
    let Some(claim) = claimed.found.iter().find(is_foreign) else { return };
    let detail = format!("{claim} beside {}", mailbox.address);
    let sight = match () {
        () if is_explained(anatomy, claim, &mailbox.address) => "AUTHOR_NAME_EXPLAINED",
        () if claimed.is_whole => IS_ADDRESS,
        () => HOLDS_ADDRESS,
    };
    seen.push(Sighting::new(sight, detail));
}

/// What a name that is somebody else's address comes to, now that it is known who vouches: it
/// stays a refusal where nobody answers for the author, and where the name is an address of
/// the house, which no stranger shows in good faith. Otherwise the reader can be deceived
/// about the name only, as by any name, and it is one more finding: web forms and ticket
/// systems write such mail. `is_ours` knows the domains of the house.
pub(super) fn settle(
    author: &Authorship,
    authenticated: &Authenticated,
    is_ours: impl Fn(&str) -> bool,
) -> Option<Sighting> {
    let Authorship::One(mailbox) = author else { return None };
    let own = mailbox.address.domain()?.as_str();
    let claimed = claims::addresses_in(&mailbox.display_name);
    let is_deceit = |claim: &Address| {
        !is_ours(own) && claim.domain().is_some_and(|domain| is_ours(domain.as_str()))
    };
    // Whole or with a name before it, it is what programs show of somebody's mailbox.
    if let Some(claim) = claimed.found.first().filter(|claim| is_deceit(claim)) {
        let detail = format!("{claim}, of this house, beside {}", mailbox.address);
        return claimed.is_mailbox.then(|| Sighting::new(IS_ADDRESS, detail));
    }
    let vouches = |domain: &Domain| is_same_organisation(domain.as_str(), own);
    if !authenticated.speaks_for_author() && !authenticated.vouching.iter().any(vouches) {
        return None;
    }
    let claim = claimed.found.first().filter(|_| claimed.is_whole)?;
    Some(Sighting::new(OTHER_ADDRESS, format!("{claim} beside {}", mailbox.address)))
}

/// An at sign in a name that is not in quotes: RFC 5322 section 3.2.3 forbids it there, and
/// whoever reads on knows that it is no address.
fn has_bare_at(head: &Head) -> bool {
    let value = head.first("from").unwrap_or_default();
    let end = value.iter().rposition(|octet| *octet == b'<').unwrap_or_default();
    let mut is_quoted = false;
    value.get(..end).unwrap_or_default().iter().any(|octet| {
        is_quoted ^= *octet == b'"';
        *octet == b'@' && !is_quoted
    })
}

/// Lists, forms and services speak for somebody and say so: answers go to the address that
/// the name shows, the address itself holds it, or it is a list's.
fn is_explained(anatomy: &Anatomy, claim: &Address, address: &Address) -> bool {
    let key = claim.key();
    let answers = anatomy.mailboxes("reply-to");
    let is_list = || anatomy.head().is_some_and(|head| head.first("list-id").is_some());
    answers.iter().any(|mailbox| mailbox.address.key() == key)
        || holds(address.local_part(), claim)
        || is_list()
}

/// `bob=x.test@list.test`, `bob.x.test@list.test` and the like.
fn holds(local_part: &str, claim: &Address) -> bool {
    let local_part = local_part.to_lowercase();
    let domain = claim.host().to_string();
    let bare = domain.split('.').next().unwrap_or_default();
    local_part.contains(&claim.local_part().to_lowercase())
        && (local_part.contains(&domain) || (bare.len() > 2 && local_part.contains(bare)))
}

fn is_padded(name: &str) -> bool {
    let mut run = 0;
    let mut longest = 0;
    let mut letters = 0;
    for letter in name.chars() {
        letters += 1;
        run = if letter.is_whitespace() { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest >= PADDING || letters > NAME_CHARS
}

/// Fields that name who sends or who gets the answer, and name nobody.
fn unreadable(anatomy: &Anatomy, head: &Head) -> Option<Sighting> {
    ["reply-to", "sender"].into_iter().find_map(|name| {
        let value = head.first(name)?;
        let says_something = !value.trim_ascii().is_empty();
        (says_something && anatomy.mailboxes(name).is_empty()).then(|| {
            Sighting::new("REPLY_OR_SENDER_UNREADABLE", format!("{name}: {}", quoted(value)))
        })
    })
}

/// `Subject` on one line and its colon on the next: a field to some readers, the end of the
/// header to others. From is looked at where the author is read.
fn split_fields(head: &Head) -> Option<Sighting> {
    const SHOWN: [&str; 6] = ["subject", "date", "sender", "reply-to", "to", "cc"];
    let stray = head.stray()?;
    let mut lines = stray.split(|octet| *octet == b'\n').peekable();
    while let Some(line) = lines.next() {
        let name = line.trim_ascii();
        let is_shown = SHOWN.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        let mut colon_follows =
            || lines.peek().is_some_and(|next| next.trim_ascii().starts_with(b":"));
        if is_shown && colon_follows() {
            return Some(Sighting::new("HEADER_FOLD_BEFORE_COLON", quoted(name)));
        }
    }
    None
}

/// A field that is shown and goes on behind a line of white space only: to some readers the
/// header ends there.
fn cut_fields(head: &Head) -> Option<Sighting> {
    const SHOWN: [&str; 5] = ["subject", "sender", "reply-to", "to", "cc"];
    SHOWN.into_iter().find_map(|name| {
        let is_cut = |value: &[u8]| {
            let mut lines = value.trim_ascii().split(|octet| *octet == b'\n').skip(1);
            lines.any(|line| line.trim_ascii().is_empty())
        };
        let cut = head.all(name).any(|field| is_cut(head.value(field)));
        cut.then(|| Sighting::new("HEADER_SHOWN_CUT_OFF", name))
    })
}

/// The beginning of what the sender wrote, on one line.
fn quoted(octets: &[u8]) -> String {
    const QUOTED_OCTETS: usize = 120;
    let octets = octets.trim_ascii();
    let start = octets.get(..QUOTED_OCTETS.min(octets.len())).unwrap_or_default();
    String::from_utf8_lossy(start).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
