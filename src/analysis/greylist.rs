//! Greylisting: strangers whose mail is doubtful are asked to come back, as mail servers do.
//!
//! In: who comes, with what, and the time. Out: a `451 4.7.1`, or nothing. [`step`] is the
//! whole decision, a pure function of what is known of an attempt.
//!
//! Invariants: nobody is refused for good. Whoever comes back between delay and window is let
//! in; whoever comes back at other times is let in at the [`ATTEMPTS`]th attempt that lies a
//! delay apart, whatever network it comes from. A store that fails, is full, or was killed
//! lets in, or asks once more. Who came back once is let in for weeks: its network with the
//! domain of its reverse-path, and with each domain that vouches for it; such a domain with
//! good history from anywhere. Without history (`history.enabled = false`) nobody is known but
//! by having come back. Known authors,
//! networks with good records, correspondents, trusted senders, own people and exempt
//! networks do not wait. The null reverse-path is never refused at RCPT, where it is most
//! often another server that verifies an address.

use std::net::IpAddr;
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use super::history::{History, network_of, organisational, reverse_organisation};
use super::{Acquaintance, Authenticated, Dmarc, Listed, Look, Passage};
use crate::config::{Config, Greylist as Settings, GreylistMode, Limits};
use crate::mail::{
    Address, Content, Disposition, EnhancedCode, Judgement, Reply, ReversePath, Role,
};
use crate::store::behind::Key;
use crate::store::greylist::Wait;
use crate::store::{Store, StoreError};

/// Attempts, a delay apart, after which nobody waits any more: some services retry from a
/// hundred networks, some servers once a week.
pub const ATTEMPTS: u32 = 4;
/// How much of a body tells two messages without a Message-ID apart.
const BODY_OCTETS: usize = 64 << 10;
/// Vouching domains that stand for the network.
const DOMAINS: usize = 2;
/// How long an attempt that was repeated is remembered.
const REPEATED_S: u64 = 14 * 86_400;

/// What becomes of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Not now: so many seconds are left.
    Wait(u64),
    /// Let in.
    Pass,
}

/// How an attempt is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bond {
    /// By who sends: coming back once is enough.
    Sender,
    /// By the mail alone, from anywhere: only the number of attempts counts.
    Mail,
}

/// Decides on an attempt, and what is to be remembered of it.
pub fn step(
    known: Option<Wait>,
    bond: Bond,
    delay_s: u64,
    window_s: u64,
    now_s: u64,
) -> (Step, Wait) {
    let Some(known) = known else {
        let until_s = now_s.saturating_add(window_s);
        let wait = Wait { first_s: now_s, last_s: now_s, tries: 1, until_s };
        return (Step::Wait(delay_s), wait);
    };
    // A clock that went back: the attempt begins anew, but what was counted stays counted.
    let first_s = known.first_s.min(now_s);
    let last_s = known.last_s.min(now_s);
    let is_counted = now_s - last_s >= delay_s;
    let tries = known.tries.saturating_add(u32::from(is_counted));
    let age_s = now_s - first_s;
    let is_over = age_s > window_s;
    let wait = Wait {
        first_s: if is_over { now_s } else { first_s },
        last_s: if is_counted { now_s } else { last_s },
        tries,
        until_s: now_s.saturating_add(window_s.max(REPEATED_S)),
    };
    let came_back = bond == Bond::Sender && age_s >= delay_s && !is_over;
    match came_back || tries >= ATTEMPTS {
        true => (Step::Pass, wait),
        false if is_over => (Step::Wait(delay_s), wait),
        false => (Step::Wait(delay_s.saturating_sub(age_s).max(1)), wait),
    }
}

/// The greylist of the box. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Greylist {
    settings: Settings,
    limits: Limits,
    history: Option<History>,
    store: Arc<Store>,
}

impl Greylist {
    /// None when it is off or there is no store.
    pub fn new(
        config: &Config,
        history: Option<History>,
        store: Option<&Arc<Store>>,
    ) -> Option<Greylist> {
        let settings = config.history.greylist.clone();
        let store = store.filter(|_| settings.mode != GreylistMode::Off)?;
        let (limits, store) = (config.limits_of_clients(), Arc::clone(store));
        Some(Greylist { settings, limits, history, store })
    }

    /// At RCPT, from a client that has not authenticated; only with `mode = "all"`.
    pub fn at_recipient(
        &self,
        role: Role,
        client: IpAddr,
        reverse_path: &ReversePath,
        forward_path: &Address,
        now_s: u64,
    ) -> Option<Reply> {
        let sender = reverse_path.address()?;
        let is_subject = self.settings.mode == GreylistMode::All
            && role == Role::Inbound
            && !self.limits.is_exempt(client);
        let is_known = || {
            self.history.as_ref().is_some_and(|history| {
                history.is_good_network(client, now_s)
                    || history.has_written(forward_path, sender, now_s)
            })
        };
        if !is_subject || is_known() {
            return None;
        }
        let network = network_of(client).to_string();
        let (sender, own) = (sender.key(), forward_path.key());
        let door = self.door_key(&network, &reverse_organisation(reverse_path));
        let bonds = [
            (
                Bond::Sender,
                Key::of(&[b"rcpt", network.as_bytes(), sender.as_bytes(), own.as_bytes()]),
            ),
            (Bond::Mail, Key::of(&[b"rcpt anywhere", sender.as_bytes(), own.as_bytes()])),
        ];
        self.decide(&[door], &bonds, now_s).map(later)
    }

    /// After judgement, for a mail that would be accepted: a doubtful one from a stranger is
    /// to come again. Reads the content when the message has no Message-ID.
    pub fn at_end_of_data(
        &self,
        passage: Passage<'_>,
        look: &Look,
        judgement: &Judgement,
        content: &Content,
        now_s: u64,
    ) -> Option<Reply> {
        if !self.is_doubtful(passage, look, judgement) {
            return None;
        }
        let (facts, envelope) = (passage.facts, passage.envelope);
        let network = network_of(facts.client).to_string();
        let organisation = reverse_organisation(&envelope.reverse_path);
        let vouching = vouching(&look.authenticated);
        let mut doors = vec![self.door_key(&network, &organisation)];
        doors.extend(vouching.iter().map(|domain| self.door_of_domain(domain, &network, now_s)));
        let reverse_path = envelope.reverse_path.address().map(Address::key).unwrap_or_default();
        let mut own: Vec<String> =
            envelope.recipients.iter().map(|one| one.forward_path.key()).collect();
        own.sort();
        let own = own.join(" ");
        let mail = mail_mark(judgement, content);
        let mut bonds =
            vec![(Bond::Mail, Key::of(&[b"mail anywhere", organisation.as_bytes(), &mail]))];
        for place in vouching.iter().copied().chain([network.as_str()]) {
            let (place, path) = (place.as_bytes(), reverse_path.as_bytes());
            bonds.push((Bond::Sender, Key::of(&[b"envelope", place, path, own.as_bytes()])));
            bonds.push((Bond::Sender, Key::of(&[b"mail", place, &mail])));
        }
        self.decide(&doors, &bonds, now_s).map(later)
    }

    /// Whether this mail is one that strangers are asked to bring again.
    fn is_doubtful(&self, passage: Passage<'_>, look: &Look, judgement: &Judgement) -> bool {
        let facts = passage.facts;
        let is_subject = facts.role == Role::Inbound
            && facts.account.is_none()
            && !self.limits.is_exempt(facts.client);
        let delivers = |one: &Disposition| matches!(one, Disposition::Deliver);
        let waits = |one: &Disposition| {
            matches!(one, Disposition::HoldUnscanned | Disposition::Defer { .. })
        };
        is_subject
            && judgement.score >= self.settings.from_score
            && judgement.dispositions.iter().any(delivers)
            && !judgement.dispositions.iter().any(waits)
            && !look.listed.contains(&Listed::Trusted)
            && !is_known(&look.acquaintance, &look.authenticated)
    }

    /// The seconds that are left, or none to let in.
    fn decide(&self, doors: &[Key], bonds: &[(Bond, Key)], now_s: u64) -> Option<u64> {
        self.try_decide(doors, bonds, now_s).unwrap_or_else(|error| {
            tracing::warn!(%error, "the greylist cannot be read: nobody waits");
            None
        })
    }

    fn try_decide(
        &self,
        doors: &[Key],
        bonds: &[(Bond, Key)],
        now_s: u64,
    ) -> Result<Option<u64>, StoreError> {
        let waiting = self.store.waiting();
        let open_until_s = now_s.saturating_add(self.settings.allow_s());
        for door in doors {
            if waiting.has_passed(door, now_s)? {
                waiting.pass(*door, open_until_s)?;
                return Ok(None);
            }
        }
        let mut left_s = u64::MAX;
        let mut is_remembered = true;
        for (bond, key) in bonds {
            let mut decided = Step::Pass;
            is_remembered &= waiting.step(*key, |known| {
                let (delay_s, window_s) = (self.settings.delay_s, self.settings.window_s);
                let (step, wait) = step(known, *bond, delay_s, window_s, now_s);
                decided = step;
                wait
            })?;
            left_s = left_s.min(match decided {
                Step::Pass => 0,
                Step::Wait(left_s) => left_s,
            });
        }
        // Who cannot be remembered could come back for ever.
        if left_s > 0 && is_remembered {
            return Ok(Some(left_s));
        }
        for (_, key) in bonds {
            waiting.forget(*key)?;
        }
        if is_remembered {
            for door in doors {
                waiting.pass(*door, open_until_s)?;
            }
        }
        Ok(None)
    }

    /// A domain that vouches is let in from anywhere only when it is known for good mail: a
    /// provider vouches for whoever has an account there.
    fn door_of_domain(&self, domain: &str, network: &str, now_s: u64) -> Key {
        let is_good =
            self.history.as_ref().is_some_and(|history| history.is_good_domain(domain, now_s));
        let place = if is_good { "anywhere" } else { network };
        Key::of(&[b"door of", domain.as_bytes(), place.as_bytes()])
    }

    /// Who came back: a network with a domain.
    fn door_key(&self, place: &str, organisation: &str) -> Key {
        Key::of(&[b"door", place.as_bytes(), organisation.as_bytes()])
    }
}

/// Whether history speaks for a mail so clearly that it need not come twice.
fn is_known(acquaintance: &Acquaintance, authenticated: &Authenticated) -> bool {
    let is_known_sender = acquaintance.is_stranger_possible && !acquaintance.is_new_sender;
    is_known_sender
        || acquaintance.pair_known
        || acquaintance.is_correspondent
        || (authenticated.dmarc == Dmarc::Pass && acquaintance.is_known_domain)
        || (acquaintance.has_good_history && !acquaintance.has_bad_history)
}

/// The organisations that vouch; they send from many networks and are one sender.
fn vouching(authenticated: &Authenticated) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for domain in &authenticated.vouching {
        let name = organisational(domain.as_str());
        if names.len() < DOMAINS && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What tells this message from others: its Message-ID, or the beginning of its body.
fn mail_mark(judgement: &Judgement, content: &Content) -> Vec<u8> {
    let message_id = &judgement.summary.message_id;
    if !message_id.is_empty() {
        return message_id.as_bytes().to_vec();
    }
    let mut head = vec![0; BODY_OCTETS];
    let read = content.read_at(0, &mut head).unwrap_or_default();
    let head = head.get(..read).unwrap_or_default();
    // Trace fields above differ from attempt to attempt.
    let body = memchr::memmem::find(head, b"\r\n\r\n").and_then(|at| head.get(at..));
    digest(&SHA256, body.unwrap_or(head)).as_ref().to_vec()
}

/// RFC 5321 section 4.2.1, RFC 3463 section 3.8. The session adds the reference.
fn later(left_s: u64) -> Reply {
    let text = format!("greylisted: not known here yet, try again in {left_s} seconds");
    Reply::new(451, EnhancedCode(4, 7, 1), text)
}

#[cfg(test)]
mod tests;
