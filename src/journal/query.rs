//! What may be asked of the journal about mails, and whether a story answers it.
//!
//! In: a [`TrackQuery`] as a person or a program put it. Out: [`Criteria`], the same in the
//! form in which it is compared, and [`Criteria::are_met`], which decides about a [`Story`].
//! The index only proposes mails; this decides, also about whose mail may be seen.
//!
//! Fails with [`JournalError::Query`] on what can not be understood; it names the criterion.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::event::Event;
use super::index::{fingerprint, is_listed};
use super::marks::{domain_of, folded, rule_of, virus_of, words_of};
use super::story::{Story, maybe_as_text, maybe_from_text};
use super::summary::copies_in;
use crate::mail::{MailId, Role, Verdict};

/// Words of a subject that are asked for; more make no question more telling.
const WORDS: usize = 16;

/// Which way a mail went.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From outside.
    #[default]
    In,
    /// From the organisation to others, also when some recipients are its own.
    Out,
    /// From the organisation to its own people alone.
    Internal,
    /// Written by the box itself: reports and notices.
    Own,
}

impl Direction {
    /// Every direction, in the order of the enumeration.
    pub const ALL: [Direction; 4] =
        [Direction::In, Direction::Out, Direction::Internal, Direction::Own];
}

/// What happened to a mail, or to some copy of it, at some time. A mail may have met several:
/// one that had to wait and was delivered later has met `deferred` and `delivered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // Named like the events.
pub enum State {
    Accepted,
    Delivered,
    Deferred,
    Failed,
    Quarantined,
    Refused,
    TurnedAway,
    VisitRefused,
    Discarded,
    Expired,
    Released,
    Removed,
    Held,
    Redirected,
    Archived,
    RateLimited,
    FoundLater,
    ApprovalAsked,
    Received,
}

impl State {
    /// Every state, in the order of the enumeration.
    pub const ALL: [State; 19] = [
        State::Accepted,
        State::Delivered,
        State::Deferred,
        State::Failed,
        State::Quarantined,
        State::Refused,
        State::TurnedAway,
        State::VisitRefused,
        State::Discarded,
        State::Expired,
        State::Released,
        State::Removed,
        State::Held,
        State::Redirected,
        State::Archived,
        State::RateLimited,
        State::FoundLater,
        State::ApprovalAsked,
        State::Received,
    ];

    /// What an event says of its mail.
    pub fn of(event: &Event) -> Option<State> {
        Some(match event {
            Event::Committed | Event::Recovered => State::Accepted,
            Event::Delivered { .. } => State::Delivered,
            Event::Deferred { .. } => State::Deferred,
            Event::Failed { .. } => State::Failed,
            Event::Quarantined { .. } => State::Quarantined,
            Event::Refused { .. } => State::Refused,
            Event::TurnedAway { .. } => State::TurnedAway,
            Event::VisitRefused { .. } => State::VisitRefused,
            Event::Discarded => State::Discarded,
            Event::Expired => State::Expired,
            Event::Released { .. } => State::Released,
            Event::Removed { .. } => State::Removed,
            Event::Held { .. } => State::Held,
            Event::Redirected { .. } => State::Redirected,
            Event::Archived { .. } => State::Archived,
            Event::RateLimited { .. } => State::RateLimited,
            Event::FoundLater { .. } => State::FoundLater,
            Event::ApprovalAsked { .. } => State::ApprovalAsked,
            Event::Received { .. } => State::Received,
            _ => return None,
        })
    }

    /// In snake case, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Delivered => "delivered",
            State::Deferred => "deferred",
            State::Failed => "failed",
            State::Quarantined => "quarantined",
            State::Refused => "refused",
            State::TurnedAway => "turned_away",
            State::VisitRefused => "visit_refused",
            State::Discarded => "discarded",
            State::Expired => "expired",
            State::Released => "released",
            State::Removed => "removed",
            State::Held => "held",
            State::Redirected => "redirected",
            State::Archived => "archived",
            State::RateLimited => "rate_limited",
            State::FoundLater => "found_later",
            State::ApprovalAsked => "approval_asked",
            State::Received => "received",
        }
    }
}

/// What is known of the mail that is looked for. Criteria that are absent are met by all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackQuery {
    /// Any part of the reverse-path, in any case; all of it in angle brackets; `<>` for the null
    /// one.
    pub sender: Option<String>,
    /// Any part of a forward-path, in any case; all of it in angle brackets.
    pub recipient: Option<String>,
    /// With or without angle brackets.
    pub message_id: Option<String>,
    /// The name that the box gave it.
    pub mail_id: Option<MailId>,
    /// Stories at most; 0 means 100.
    pub limit: usize,
    /// Any part of the reverse-path or of a forward-path, in any case.
    pub any: Option<String>,
    /// Words that the subject holds, all of them, in any order and case; accents do not count.
    pub subject: Option<String>,
    /// An address, or a network as `192.0.2.0/24`, that the client came from.
    pub client: Option<String>,
    /// The last verdict, by its name: `spam`.
    pub verdict: Option<String>,
    /// A rule of policy that acted on it, by its name in any case.
    pub rule: Option<String>,
    /// A finding of its last judgement, by its name in any case: `SPF_FAIL`.
    pub finding: Option<String>,
    /// Any part of the name of a virus that was found in it, in any case; all of it in angle
    /// brackets.
    pub virus: Option<String>,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// What happened to it, or to a copy of it, at some time; with `domains` to a copy of theirs.
    pub state: Option<State>,
    /// Its MailId was given at this time or later, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Its MailId was given before this time.
    pub until_ms: Option<u64>,
    /// Only mails older than this one: [`Found::older_than`](super::Found) of the page before.
    #[serde(serialize_with = "maybe_as_text", deserialize_with = "maybe_from_text")]
    pub before: Option<MailId>,
    /// Only mails whose reverse-path or a forward-path is in one of these domains. An empty
    /// list finds nothing. For administrators of some domains: whoever asks sets it, not they.
    pub domains: Option<Vec<String>>,
}

/// A query in the form in which it is compared.
#[derive(Debug, Default)]
pub(super) struct Criteria {
    pub(super) sender: Option<String>,
    pub(super) recipient: Option<String>,
    pub(super) any: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) mail_id: Option<MailId>,
    pub(super) words: Vec<String>,
    pub(super) client: Option<Network>,
    pub(super) verdict: Option<Verdict>,
    pub(super) rule: Option<String>,
    pub(super) finding: Option<String>,
    pub(super) virus: Option<String>,
    pub(super) direction: Option<Direction>,
    pub(super) state: Option<State>,
    pub(super) domains: Option<Vec<String>>,
    /// Of those above that are parts: those that are meant as they are.
    pub(super) whole: Whole,
    /// The first MailId that counts.
    pub(super) low: Option<MailId>,
    /// The first that does not any more.
    pub(super) high: Option<MailId>,
}

/// What is asked for in angle brackets.
#[derive(Debug, Default)]
pub(super) struct Whole {
    sender: Option<String>,
    recipient: Option<String>,
    virus: Option<String>,
}

impl Whole {
    fn of(query: &TrackQuery) -> Whole {
        let inner = |text: &Option<String>| {
            let text = text.as_deref()?.trim();
            let inner = text.strip_prefix('<')?.strip_suffix('>')?;
            (!inner.is_empty()).then(|| folded(inner))
        };
        Whole {
            sender: inner(&query.sender),
            recipient: inner(&query.recipient),
            virus: inner(&query.virus),
        }
    }

    fn is_met(&self, story: &Story) -> bool {
        let virus = |wanted: &String| {
            let names = story.events.iter().flat_map(|(_, event)| viruses_of(event));
            names.map(folded).any(|name| name == *wanted)
        };
        self.sender.as_ref().is_none_or(|sender| folded(&story.reverse_path) == *sender)
            && self.recipient.as_ref().is_none_or(|recipient| {
                story.forward_paths.iter().any(|path| folded(path) == *recipient)
            })
            && self.virus.as_ref().is_none_or(virus)
    }
}

/// A network in the addresses of IPv6, where those of IPv4 are mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) first: u128,
    pub(super) last: u128,
}

/// An address of either family as a number; IPv4 is mapped into IPv6.
pub(super) fn number_of(client: IpAddr) -> u128 {
    match client {
        IpAddr::V4(client) => client.to_ipv6_mapped().to_bits(),
        IpAddr::V6(client) => client.to_bits(),
    }
}

impl Network {
    fn read(text: &str) -> Option<Network> {
        let text = text.trim().trim_start_matches('[').trim_end_matches(']');
        if let Ok(client) = text.parse::<IpAddr>() {
            let number = number_of(client);
            return Some(Network { first: number, last: number });
        }
        let network: ipnet::IpNet = text.parse().ok()?;
        let last = match network {
            ipnet::IpNet::V4(network) => number_of(network.broadcast().into()),
            ipnet::IpNet::V6(network) => number_of(network.broadcast().into()),
        };
        Some(Network { first: number_of(network.network()), last })
    }

    pub(super) fn holds(&self, client: IpAddr) -> bool {
        (self.first..=self.last).contains(&number_of(client))
    }
}

fn unfit(criterion: &'static str, why: &str) -> JournalError {
    JournalError::Query { criterion, why: why.to_owned() }
}

impl Criteria {
    pub(super) fn of(query: &TrackQuery) -> Result<Criteria, JournalError> {
        let address = |text: &String| folded(bare(text));
        let plain = |text: &String| folded(text.trim());
        let client = query.client.as_deref().map(|text| {
            Network::read(text).ok_or_else(|| unfit("client", "neither an address nor a network"))
        });
        let verdict = query.verdict.as_deref().map(|text| {
            verdict_of(text).ok_or_else(|| unfit("verdict", "there is no verdict of this name"))
        });
        let words = query.subject.as_deref().map(words_of).unwrap_or_default();
        if words.is_empty() && query.subject.as_deref().is_some_and(|text| !text.trim().is_empty())
        {
            return Err(unfit("subject", "no word in it that can be searched for"));
        }
        let until = query.until_ms.map(first_id_at);
        Ok(Criteria {
            sender: query.sender.as_ref().map(address),
            recipient: query.recipient.as_ref().map(address),
            any: query.any.as_ref().map(address),
            message_id: query.message_id.as_ref().map(|id| bare(id).to_owned()),
            mail_id: query.mail_id,
            words: words.into_iter().take(WORDS).collect(),
            client: client.transpose()?,
            verdict: verdict.transpose()?,
            rule: query.rule.as_ref().map(plain),
            finding: query.finding.as_ref().map(plain),
            virus: query.virus.as_ref().map(address),
            direction: query.direction,
            state: query.state,
            domains: query.domains.as_ref().map(|domains| scope_of(domains)),
            whole: Whole::of(query),
            low: query.since_ms.map(first_id_at),
            high: [until, query.before].into_iter().flatten().min(),
        })
    }

    /// Whether sessions are asked for as well, and not only mails.
    pub(super) fn asks_more_than_mails(&self) -> bool {
        self.mail_id.is_some() || self.client.is_some() || self.state.is_some()
    }

    /// Whether the mail of this name is within the times that are asked for.
    pub(super) fn cover(&self, mail_id: MailId) -> bool {
        self.low.is_none_or(|low| mail_id >= low)
            && self.high.is_none_or(|high| mail_id < high)
            && self.mail_id.is_none_or(|id| id == mail_id)
    }

    /// Whether the story meets every criterion; `home` are the protected domains.
    pub(super) fn are_met(&self, story: &Story, home: &Home) -> bool {
        let is_mail = || story.events.iter().any(|(_, event)| is_listed(event));
        self.cover(story.mail_id)
            && (self.asks_more_than_mails() || is_mail())
            && self.meets_addresses(story)
            && self.whole.is_met(story)
            && self.meets_judgement(story)
            && self.client.is_none_or(|network| clients_of(story).any(|one| network.holds(one)))
            && self.direction.is_none_or(|wanted| home.direction_of(story) == Some(wanted))
            && self.state.is_none_or(|wanted| {
                story.events.iter().any(|(_, event)| {
                    State::of(event) == Some(wanted) && self.concerns(story, event)
                })
            })
            && self.virus.as_ref().is_none_or(|part| {
                story.events.iter().any(|(_, event)| {
                    viruses_of(event).any(|name| folded(name).contains(part.as_str()))
                })
            })
            && self.rule.as_ref().is_none_or(|wanted| {
                let rules = story.events.iter().flat_map(|(_, event)| rules_of(event));
                rules.into_iter().any(|name| folded(&name) == *wanted)
            })
    }

    fn meets_addresses(&self, story: &Story) -> bool {
        // Who was turned away before naming a sender had none, not even the null one.
        let sender = match story.reverse_path.as_str() {
            "" if story.has_envelope() => "<>".to_owned(),
            path => folded(path),
        };
        let is_for = |part: &String| {
            story.forward_paths.iter().any(|path| folded(path).contains(part.as_str()))
        };
        let is_from = |part: &String| sender.contains(part.as_str());
        let is_within = |domains: &Vec<String>| {
            let paths = std::iter::once(&story.reverse_path).chain(&story.forward_paths);
            paths.filter_map(|path| domain_of(path)).any(|domain| domains.contains(&domain))
        };
        self.sender.as_ref().is_none_or(is_from)
            && self.recipient.as_ref().is_none_or(is_for)
            && self.any.as_ref().is_none_or(|part| is_from(part) || is_for(part))
            && self.domains.as_ref().is_none_or(is_within)
    }

    /// Whether an event is about the mail of whoever asks: about a copy of theirs where it is
    /// about copies.
    fn concerns(&self, story: &Story, event: &Event) -> bool {
        let Some(domains) = &self.domains else { return true };
        let is_theirs = |path: &String| {
            domain_of(path).is_some_and(|domain| domains.binary_search(&domain).is_ok())
        };
        if is_theirs(&story.reverse_path) {
            return true;
        }
        match (event, copies_in(event)) {
            (_, Some((paths, _))) if !paths.is_empty() => paths.iter().any(is_theirs),
            // Whom the mail came in for without them knows nothing of it.
            (Event::TurnedAway { forward_paths, .. }, _) => {
                let known: Vec<_> =
                    story.forward_paths.iter().map(|path| domain_of(path)).collect();
                let is_known = |path: &&String| known.contains(&domain_of(path));
                forward_paths.iter().filter(is_known).any(is_theirs)
            }
            _ => true,
        }
    }

    fn meets_judgement(&self, story: &Story) -> bool {
        let has_words = || {
            let words = words_of(&story.subject);
            self.words.iter().all(|word| words.contains(word))
        };
        if !(self.message_id.as_ref().is_none_or(|id| *id == story.message_id)
            && (self.words.is_empty() || has_words()))
        {
            return false;
        }
        if self.verdict.is_none() && self.finding.is_none() {
            return true;
        }
        let judged = story.events.iter().rev().find_map(|(_, event)| match event {
            Event::Judged { verdict, findings, .. } => Some((*verdict, findings)),
            _ => None,
        });
        let Some((verdict, findings)) = judged else { return false };
        self.verdict.is_none_or(|wanted| wanted == verdict)
            && self
                .finding
                .as_ref()
                .is_none_or(|wanted| findings.iter().any(|note| folded(&note.name) == *wanted))
    }
}

/// The protected domains, in the form in which they are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Home(Vec<String>);

impl Home {
    pub(super) fn of(domains: &[String]) -> Home {
        Home(scope_of(domains))
    }

    pub(super) fn holds(&self, domain: &str) -> bool {
        self.0.binary_search_by(|one| one.as_str().cmp(domain)).is_ok()
    }

    /// Tells lists of domains apart.
    pub(super) fn print(&self) -> u64 {
        fingerprint(b'h', self.0.join("\n").as_bytes())
    }

    /// Which way a mail goes, by the event in which it begins. One whose recipients are all
    /// in the sender's domain stays in the house, whatever is configured.
    pub(super) fn direction(&self, beginning: &Event) -> Option<Direction> {
        let (reverse_path, forward_paths) = match beginning {
            Event::Received { role: Role::Inbound, .. }
            | Event::Continued { role: Role::Inbound, .. } => return Some(Direction::In),
            Event::Originated { .. } => return Some(Direction::Own),
            Event::Received { reverse_path, forward_paths, .. }
            | Event::Continued { reverse_path, forward_paths, .. } => (reverse_path, forward_paths),
            _ => return None,
        };
        let own = domain_of(reverse_path);
        let is_own = |domain: &String| self.holds(domain) || own.as_ref() == Some(domain);
        let stays =
            forward_paths.iter().all(|path| domain_of(path).is_some_and(|one| is_own(&one)));
        Some(if stays && !forward_paths.is_empty() { Direction::Internal } else { Direction::Out })
    }

    fn direction_of(&self, story: &Story) -> Option<Direction> {
        story.events.iter().rev().find_map(|(_, event)| self.direction(event))
    }
}

/// Domains in the form in which they are compared, sorted.
pub(super) fn scope_of(domains: &[String]) -> Vec<String> {
    let plain = |domain: &String| {
        let domain = domain.trim().trim_start_matches('@').trim_end_matches('.');
        idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_lowercase())
    };
    let mut scope: Vec<String> = domains.iter().map(plain).filter(|one| !one.is_empty()).collect();
    scope.sort_unstable();
    scope.dedup();
    scope
}

/// The first MailId that could be given at a time.
pub(super) fn first_id_at(at_ms: u64) -> MailId {
    let at_ms = at_ms.min((1 << 48) - 1);
    let mut octets = [0; 12];
    let [_, _, when @ ..] = at_ms.to_be_bytes();
    for (place, octet) in octets.iter_mut().zip(when) {
        *place = octet;
    }
    MailId::from_octets(octets)
}

pub(super) fn verdict_of(text: &str) -> Option<Verdict> {
    let text = text.trim().to_lowercase();
    Verdict::ALL.into_iter().find(|verdict| verdict.to_string() == text)
}

/// Where a mail or a session came from.
fn clients_of(story: &Story) -> impl Iterator<Item = IpAddr> {
    story.events.iter().filter_map(|(_, event)| client_of(event))
}

/// Where what an event tells of came from.
pub(super) fn client_of(event: &Event) -> Option<IpAddr> {
    match event {
        Event::Received { client, .. }
        | Event::TurnedAway { client, .. }
        | Event::VisitRefused { client, .. } => Some(*client),
        Event::Inspected(inspection) => inspection.relayed.as_ref().map(|relay| relay.client),
        _ => None,
    }
}

/// Names of viruses that an event tells of.
pub(super) fn viruses_of(event: &Event) -> impl Iterator<Item = &str> {
    let (notes, later) = match event {
        Event::Judged { findings, .. } => (findings.as_slice(), None),
        Event::FoundLater { what, .. } => (&[][..], virus_of("FOUND_LATER", what)),
        _ => (&[][..], None),
    };
    notes.iter().filter_map(|note| virus_of(&note.name, &note.detail)).chain(later)
}

/// Names of rules of policy that an event tells of.
pub(super) fn rules_of(event: &Event) -> Vec<String> {
    match event {
        Event::Judged { findings, .. } => {
            findings.iter().filter_map(|note| rule_of(&note.name, &note.detail)).collect()
        }
        Event::ApprovalAsked { rule, .. } => vec![rule.clone()],
        _ => Vec::new(),
    }
}

/// Without the angle brackets and spaces around it, unless nothing would be left.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    if inner.is_empty() { text } else { inner }
}
