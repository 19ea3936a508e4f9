//! What the box remembers of a sender: its network, the domains that vouch, the author, and
//! the author with each recipient.
//!
//! In: how the mail came, its author, who vouches. Out: sightings and an [`Acquaintance`]. After
//! judgement [`History::record`] adds what became of it. An author counts as itself only when
//! somebody vouches for its domain; otherwise it is that author *from that network*, so that
//! who forges an address inherits nothing. What cannot be vouched for never earns a negative
//! score but by the long record of its network.
//!
//! What history adds to a score is left out when it learns, or one mistake would feed the
//! next. Mail from exempt networks and from own people is not looked at; own mail that goes
//! out makes its recipients known. A store that fails is as one that remembers nothing.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Authenticated, Look, Passage, Sighting};
use crate::config::{Config, History as Settings, Limits};
use crate::mail::{
    Address, Class, Disposition, Envelope, Judgement, MailId, ReversePath, Role, Verdict,
};
use crate::message::Authorship;
use crate::net::registrable;
use crate::store::behind::Key;
use crate::store::history::{Kind, Push, Standing};
use crate::store::{Store, StoreError};

/// Recipients of one mail that are looked up; a mail for more is nobody's letter.
const RECIPIENTS: usize = 20;
/// Recipients of own mail that become known by it.
const CORRESPONDENTS: usize = 50;
/// Vouching domains that are looked up.
const DOMAINS: usize = 3;
/// What good history may take away, PAIR_KNOWN included.
const GOOD_AT_MOST: f32 = 3.0;
/// What bad history may add.
const BAD_AT_MOST: f32 = 3.0;
/// Below this grade bad history is not worth a word.
const NOTICED: f32 = 0.1;
/// Beyond this grade history speaks clearly.
const CLEAR: f32 = 0.3;

/// One mail that nothing speaks against: trust grows slowly.
const GOOD_MAIL: Push = Push { good: 0.5, suspicious: 0.0, bad: 0.0 };
const SUSPICIOUS_MAIL: Push = Push { good: 0.0, suspicious: 0.5, bad: 0.0 };
const BAD_MAIL: Push = Push { good: 0.0, suspicious: 0.0, bad: 1.0 };
/// The operator looked at it.
const WANTED_MAIL: Push = Push { good: 4.0, suspicious: 0.0, bad: 0.0 };
const UNWANTED_MAIL: Push = Push { good: 0.0, suspicious: 0.0, bad: 4.0 };

/// Findings that are not learned from.
const OWN: [&str; 6] =
    ["HISTORY_GOOD", "HISTORY_BAD", "SENDER_NEW", "PAIR_KNOWN", "SENDER_TRUSTED", "SENDER_BLOCKED"];

/// How well the box knows who sent a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acquaintance {
    /// From outside, and so to be known or not; all else is false when this is.
    pub is_stranger_possible: bool,
    /// No good mail from this author was seen here, or it cannot be told who the author is.
    pub is_new_sender: bool,
    /// The author, proven, has brought good mail to every recipient, or each wrote to it.
    pub pair_known: bool,
    /// The author's domain vouches and has brought good mail.
    pub is_known_domain: bool,
    /// An own user among the recipients wrote to this author; the author is proven.
    pub is_correspondent: bool,
    /// The author, a domain that vouches or the network has a clearly good record.
    pub has_good_history: bool,
    /// The author, a domain that vouches or the network has a clearly bad record.
    pub has_bad_history: bool,
    /// The box has watched for long enough to call somebody new.
    pub is_settled: bool,
}

impl Acquaintance {
    /// Whether the author is new to the box; none where that cannot be said: of own and exempt
    /// mail, and as long as everybody is new.
    pub fn newness(&self) -> Option<bool> {
        (self.is_stranger_possible && self.is_settled).then_some(self.is_new_sender)
    }
}

/// What a person says of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// Released from quarantine, or reported as no spam.
    Wanted,
    /// Reported as spam.
    Unwanted,
}

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Counts as several mails, for everything that the mail touches.
    Operator,
    /// Counts as one mail, for the author and its recipients only: what one user wants says
    /// nothing of a domain or a network.
    User,
}

/// The network that stands for a client: IPv4 /24, IPv6 /48, what one site is given at most.
pub fn network_of(client: IpAddr) -> IpNet {
    let client = client.to_canonical();
    let length = if client.is_ipv4() { 24 } else { 48 };
    IpNet::new(client, length).map_or(IpNet::from(client), |network| network.trunc())
}

/// The registrable part of a domain, or all of it when it has none.
pub(in crate::analysis) fn organisational(domain: &str) -> &str {
    registrable::organisational(domain).unwrap_or(domain)
}

/// How good a record is, from 0 to 1: enough mail, for long enough, with hardly any harm.
pub(in crate::analysis) fn good_grade(standing: &Standing, now_s: u64, ripe_days: f32) -> f32 {
    let harm = standing.suspicious + 2.0 * standing.bad;
    let harm_share = harm / (standing.good + harm).max(f32::MIN_POSITIVE);
    let purity = (1.0 - harm_share / 0.2).max(0.0);
    let volume = standing.good / (standing.good + 8.0);
    let age_days = now_s.saturating_sub(standing.first_s) as f32 / 86_400.0;
    purity * volume * (age_days / ripe_days).min(1.0)
}

/// How bad a record is, from 0 to 1: more harm than good, and more than once.
pub(in crate::analysis) fn bad_grade(standing: &Standing) -> f32 {
    let harm = 0.5 * standing.suspicious + standing.bad;
    let share = harm / (standing.good + harm).max(f32::MIN_POSITIVE);
    ((share - 0.5) / 0.5).max(0.0) * (harm / (harm + 3.0))
}

/// What the box remembers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    settings: Settings,
    limits: Limits,
    store: Arc<Store>,
}

/// The standings that a mail touches, under their keys.
struct Keys {
    network: Key,
    /// Organisational domains that vouch; the first may be the author's own.
    domains: Vec<(String, Key)>,
    /// The author's domain is among those that vouch.
    is_proven: bool,
    author: Option<(Address, Key)>,
}

/// Grades of one mail's standings.
#[derive(Default)]
struct Grades {
    is_known_domain: bool,
    good: f32,
    good_of: String,
    bad: f32,
    bad_of: String,
}

impl Grades {
    fn note_good(&mut self, grade: f32, what: impl FnOnce() -> String) {
        if grade > self.good {
            (self.good, self.good_of) = (grade, what());
        }
    }

    fn note_bad(&mut self, grade: f32, what: impl FnOnce() -> String) {
        if grade > self.bad {
            (self.bad, self.bad_of) = (grade, what());
        }
    }
}

impl History {
    /// None when it is switched off or there is no store.
    pub fn new(config: &Config, store: Option<&Arc<Store>>) -> Option<History> {
        let store = store.filter(|_| config.history.enabled)?;
        let (settings, limits) = (config.history.clone(), config.limits_of_clients());
        Some(History { settings, limits, store: Arc::clone(store) })
    }

    /// Whether a mail comes from outside, and not from an exempt network.
    pub fn is_subject(&self, passage: Passage<'_>) -> bool {
        passage.facts.role == Role::Inbound && !self.limits.is_exempt(passage.facts.client)
    }

    /// Looks up who sent a mail.
    pub fn look(
        &self,
        passage: Passage<'_>,
        author: &Authorship,
        authenticated: &Authenticated,
        now_s: u64,
    ) -> (Vec<Sighting>, Acquaintance) {
        if !self.is_subject(passage) {
            return (Vec::new(), Acquaintance::default());
        }
        self.try_look(passage, author, authenticated, now_s).unwrap_or_else(|error| {
            tracing::warn!(%error, "what is remembered of senders cannot be read");
            (Vec::new(), Acquaintance::default())
        })
    }

    fn try_look(
        &self,
        passage: Passage<'_>,
        author: &Authorship,
        authenticated: &Authenticated,
        now_s: u64,
    ) -> Result<(Vec<Sighting>, Acquaintance), StoreError> {
        let keys = Keys::of(passage, author, authenticated);
        let grades = self.grades(&keys, passage, now_s)?;
        let is_new_sender = match &keys.author {
            Some((_, key)) => {
                let known = self.standing(Kind::Sender, key, now_s)?;
                !known.is_some_and(|known| known.good > known.bad && known.good > 0.1)
            }
            None => true,
        };
        let (pair, is_correspondent) = self.pair(&keys, passage.envelope, now_s)?;
        // A few letters to one recipient do not make up for what the same sender did elsewhere.
        // That an own user wrote first, no sender can bring about.
        let is_good = grades.good > 0.0 && grades.bad < NOTICED;
        let pair = if is_good || is_correspondent { pair } else { 0.0 };
        let is_settled = now_s >= self.store.history().since_s() + self.settings.settle_s();
        let acquaintance = Acquaintance {
            is_stranger_possible: true,
            is_new_sender: is_new_sender && !is_correspondent,
            pair_known: pair > 0.0,
            is_known_domain: grades.is_known_domain,
            is_correspondent,
            has_good_history: grades.good >= CLEAR,
            has_bad_history: grades.bad >= CLEAR,
            is_settled,
        };
        Ok((sightings(&grades, pair, &acquaintance, &keys), acquaintance))
    }

    fn standing(&self, kind: Kind, key: &Key, now_s: u64) -> Result<Option<Standing>, StoreError> {
        let known = self.store.history().standing(kind, key)?;
        Ok(known.map(|known| known.faded(now_s, self.settings.half_life_s())))
    }

    fn grades(&self, keys: &Keys, passage: Passage<'_>, now_s: u64) -> Result<Grades, StoreError> {
        let mut grades = Grades::default();
        if let Some(network) = self.standing(Kind::Network, &keys.network, now_s)? {
            let shown = || format!("network {}", network_of(passage.facts.client));
            // Only a long record: networks change hands, and nobody vouches for what is in
            // the header.
            grades.note_good(good_grade(&network, now_s, 60.0) / 3.0, shown);
            grades.note_bad(bad_grade(&network), shown);
        }
        let mut own_domain = 0.0;
        for (at, (name, key)) in keys.domains.iter().enumerate() {
            let Some(domain) = self.standing(Kind::Domain, key, now_s)? else { continue };
            let good = good_grade(&domain, now_s, 14.0);
            match keys.is_proven && at == 0 {
                true => {
                    own_domain = good / 2.0;
                    grades.is_known_domain = domain.good >= 1.0 && bad_grade(&domain) == 0.0;
                }
                // A service that sends for many vouches for none of them.
                false => grades.note_good(good / 6.0, || format!("domain {name}")),
            }
            grades.note_bad(bad_grade(&domain), || format!("domain {name}"));
        }
        if let Some((author, key)) = &keys.author
            && let Some(sender) = self.standing(Kind::Sender, key, now_s)?
        {
            // A forged author from the same network has its own record only.
            grades.note_bad(bad_grade(&sender), || format!("author {author}"));
            if keys.is_proven {
                let good = good_grade(&sender, now_s, 14.0) / 2.0;
                grades.note_good(own_domain + good, || format!("author {author}"));
            }
        }
        grades.note_good(own_domain, || {
            format!("domain {}", keys.domains.first().map_or("", |(name, _)| name))
        });
        Ok(grades)
    }

    /// How well author and recipients know each other, and whether one of them wrote first.
    fn pair(
        &self,
        keys: &Keys,
        envelope: &Envelope,
        now_s: u64,
    ) -> Result<(f32, bool), StoreError> {
        let Some((author, author_key)) = &keys.author else { return Ok((0.0, false)) };
        if !keys.is_proven || envelope.recipients.len() > RECIPIENTS {
            return Ok((0.0, false));
        }
        let mut least = f32::INFINITY;
        let mut is_correspondent = false;
        for recipient in &envelope.recipients {
            let own = &recipient.forward_path;
            if self.store.history().has_written(&correspondence(own, author), now_s)? {
                is_correspondent = true;
                least = least.min(2.0);
                continue;
            }
            let pair = self.standing(Kind::Pair, &pair_key(author_key, own), now_s)?;
            let known = pair.filter(|pair| bad_grade(pair) == 0.0).map_or(0.0, |pair| pair.good);
            // The third good mail makes them known.
            least = least.min(if known >= 1.0 { known / (known + 1.0) } else { 0.0 });
        }
        Ok((if least.is_finite() { least } else { 0.0 }, is_correspondent))
    }

    /// Whether a network has a clearly good record, for who knows nothing else yet.
    pub fn is_good_network(&self, client: IpAddr, now_s: u64) -> bool {
        let known = self.standing(Kind::Network, &network_key(client), now_s);
        known.ok().flatten().is_some_and(|known| good_grade(&known, now_s, 60.0) >= 2.0 * CLEAR)
    }

    /// Whether a domain that vouches has a clearly good record, and no bad one.
    pub(in crate::analysis) fn is_good_domain(&self, domain: &str, now_s: u64) -> bool {
        let known = self.standing(Kind::Domain, &domain_key(organisational(domain)), now_s);
        known.ok().flatten().is_some_and(|known| {
            good_grade(&known, now_s, 14.0) >= CLEAR && bad_grade(&known) == 0.0
        })
    }

    /// Whether an own user wrote to this address, for who knows the envelope only.
    pub fn has_written(&self, own: &Address, other: &Address, now_s: u64) -> bool {
        self.store.history().has_written(&correspondence(own, other), now_s).unwrap_or(false)
    }

    /// Remembers what became of a mail. To be called once for a mail that was accepted or
    /// refused for good, never for one that is to come again.
    pub fn record(&self, passage: Passage<'_>, look: &Look, judgement: &Judgement, now_s: u64) {
        let recorded = match passage.facts.role {
            Role::Inbound if self.is_subject(passage) => match self.outcome(judgement) {
                Some(push) => {
                    let keys = Keys::of(passage, &look.author, &look.authenticated);
                    let delivered = judgement.dispositions.as_slice();
                    self.push_all(&keys, passage.envelope, delivered, push, now_s)
                }
                None => Ok(()),
            },
            Role::Inbound => Ok(()),
            Role::Outbound | Role::Submission => {
                self.record_own(passage, &look.author, judgement, now_s)
            }
        };
        if let Err(error) = recorded {
            tracing::warn!(%error, "what became of a mail cannot be remembered");
        }
    }

    /// Remembers what a person said of a mail, once for each mail, within the day's bounds.
    pub fn record_feedback(
        &self,
        (mail_id, passage): (MailId, Passage<'_>),
        author: &Authorship,
        authenticated: &Authenticated,
        (speaker, feedback): (Speaker, Feedback),
        now_s: u64,
    ) {
        if !self.is_subject(passage) {
            return;
        }
        let recorded = (|| {
            let said = (speaker == Speaker::Operator, feedback == Feedback::Wanted);
            let said = [u8::from(said.0), u8::from(said.1)];
            let key = Key::of(&[b"said", mail_id.to_string().as_bytes(), &said]);
            if !self.store.history().is_said_first(key, now_s)? {
                return Ok(());
            }
            let keys = Keys::of(passage, author, authenticated);
            match (speaker, feedback) {
                (Speaker::Operator, Feedback::Wanted) => {
                    self.push_all(&keys, passage.envelope, &[], WANTED_MAIL, now_s)
                }
                (Speaker::Operator, Feedback::Unwanted) => {
                    self.push_all(&keys, passage.envelope, &[], UNWANTED_MAIL, now_s)
                }
                (Speaker::User, Feedback::Wanted) => {
                    self.push_author(&keys, passage.envelope, &[], GOOD_MAIL, now_s)
                }
                (Speaker::User, Feedback::Unwanted) => {
                    self.push_author(&keys, passage.envelope, &[], BAD_MAIL, now_s)
                }
            }
        })();
        if let Err(error) = recorded {
            let error: StoreError = error;
            tracing::warn!(%error, "what was said of a mail cannot be remembered");
        }
    }

    /// What a judgement says of the sender; none when it says nothing.
    fn outcome(&self, judgement: &Judgement) -> Option<Push> {
        let learned = || judgement.findings.iter().filter(|one| !OWN.contains(&one.name.as_ref()));
        let has = |class: Class| learned().any(|one| one.class == class);
        let score: f32 = learned().map(|one| one.score).sum();
        match () {
            () if has(Class::Malware) || score >= self.settings.bad_from => Some(BAD_MAIL),
            () if score >= self.settings.suspicious_from => Some(SUSPICIOUS_MAIL),
            // What could not be looked into, and what the house forbids, speaks of the mail.
            () if [Class::Ambiguous, Class::Unscannable, Class::Policy].into_iter().any(has) => {
                None
            }
            () if score < self.settings.good_below => Some(GOOD_MAIL),
            () => None,
        }
    }

    fn push_all(
        &self,
        keys: &Keys,
        envelope: &Envelope,
        dispositions: &[Disposition],
        push: Push,
        now_s: u64,
    ) -> Result<(), StoreError> {
        self.push(Kind::Network, keys.network, keys, push, now_s)?;
        for (_, key) in &keys.domains {
            self.push(Kind::Domain, *key, keys, push, now_s)?;
        }
        self.push_author(keys, envelope, dispositions, push, now_s)
    }

    fn push(
        &self,
        kind: Kind,
        key: Key,
        keys: &Keys,
        push: Push,
        now_s: u64,
    ) -> Result<(), StoreError> {
        let half_life_s = self.settings.half_life_s();
        self.store.history().push(kind, key, &keys.network, push, now_s, half_life_s)
    }

    /// Author, and author with each recipient.
    fn push_author(
        &self,
        keys: &Keys,
        envelope: &Envelope,
        dispositions: &[Disposition],
        push: Push,
        now_s: u64,
    ) -> Result<(), StoreError> {
        let one = |kind, key| self.push(kind, key, keys, push, now_s);
        let Some((_, author)) = &keys.author else { return Ok(()) };
        one(Kind::Sender, *author)?;
        if !keys.is_proven || envelope.recipients.len() > RECIPIENTS {
            return Ok(());
        }
        for (at, recipient) in envelope.recipients.iter().enumerate() {
            // Who was refused it does not know the sender by it.
            let refused = !matches!(dispositions.get(at), None | Some(Disposition::Deliver));
            if push.good > 0.0 && refused {
                continue;
            }
            one(Kind::Pair, pair_key(author, &recipient.forward_path))?;
        }
        Ok(())
    }

    /// Own mail makes its recipients known to its sender.
    fn record_own(
        &self,
        passage: Passage<'_>,
        author: &Authorship,
        judgement: &Judgement,
        now_s: u64,
    ) -> Result<(), StoreError> {
        let envelope = passage.envelope;
        // A stolen account that writes to thousands makes no friends.
        if judgement.verdict != Verdict::Clean || envelope.recipients.len() > CORRESPONDENTS {
            return Ok(());
        }
        let mut own: Vec<&Address> = envelope.reverse_path.address().into_iter().collect();
        if let Authorship::One(mailbox) = author {
            own.push(&mailbox.address);
        }
        own.dedup_by_key(|address| address.key());
        for recipient in &envelope.recipients {
            for sender in &own {
                let key = correspondence(sender, &recipient.forward_path);
                self.store.history().wrote(key, now_s)?;
            }
        }
        Ok(())
    }
}

impl Keys {
    fn of(passage: Passage<'_>, author: &Authorship, authenticated: &Authenticated) -> Keys {
        let network = network_key(passage.facts.client);
        let author = match author {
            Authorship::One(mailbox) => Some(&mailbox.address),
            Authorship::Absent | Authorship::Several(_) | Authorship::Unclear(_) => None,
        };
        let own = author.and_then(Address::domain).map(|domain| organisational(domain.as_str()));
        let mut names: Vec<&str> =
            authenticated.vouching.iter().map(|domain| organisational(domain.as_str())).collect();
        let by_dmarc = authenticated.speaks_for_author()
            && author.and_then(Address::domain) == authenticated.author_domain.as_ref();
        let is_proven = own.is_some_and(|own| by_dmarc || names.contains(&own));
        if let Some(own) = own.filter(|_| is_proven) {
            names.retain(|name| *name != own);
            names.insert(0, own);
        }
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(*name));
        names.truncate(DOMAINS);
        let domains = names.into_iter().map(|name| (name.to_owned(), domain_key(name))).collect();
        let author = author.map(|address| {
            let text = address.key();
            let key = match is_proven {
                true => Key::of(&[b"author", text.as_bytes()]),
                false => Key::of(&[b"author said", text.as_bytes(), network.octets()]),
            };
            (address.clone(), key)
        });
        Keys { network, domains, is_proven, author }
    }
}

fn domain_key(organisation: &str) -> Key {
    Key::of(&[b"domain", organisation.as_bytes()])
}

fn network_key(client: IpAddr) -> Key {
    Key::of(&[b"network", network_of(client).to_string().as_bytes()])
}

fn pair_key(author: &Key, recipient: &Address) -> Key {
    Key::of(&[b"pair", author.octets(), recipient.key().as_bytes()])
}

/// An own user wrote to somebody.
fn correspondence(own: &Address, other: &Address) -> Key {
    Key::of(&[b"wrote", own.key().as_bytes(), other.key().as_bytes()])
}

fn sightings(
    grades: &Grades,
    pair: f32,
    acquaintance: &Acquaintance,
    keys: &Keys,
) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    if pair > 0.0 {
        let how = match acquaintance.is_correspondent {
            true => "a recipient wrote to it before",
            false => "it wrote before",
        };
        sightings.push(Sighting::strong("PAIR_KNOWN", pair, how));
    }
    let good = (3.0 * grades.good).min(GOOD_AT_MOST - pair);
    // Who has both records, a network that changed hands for example, has neither.
    if good >= 0.1 && grades.bad < CLEAR {
        sightings.push(Sighting::strong("HISTORY_GOOD", good, &*grades.good_of));
    }
    let bad = (BAD_AT_MOST * grades.bad).min(BAD_AT_MOST);
    if grades.bad >= NOTICED {
        sightings.push(Sighting::strong("HISTORY_BAD", bad, &*grades.bad_of));
    }
    if acquaintance.newness() == Some(true) {
        let who = keys.author.as_ref().map_or("no single author".to_owned(), |(author, _)| {
            let said = if keys.is_proven { "" } else { ", not proven" };
            format!("{author}{said}")
        });
        sightings.push(Sighting::new("SENDER_NEW", who));
    }
    sightings
}

/// The organisational domain that a reverse-path belongs to; empty when it is null.
pub(in crate::analysis) fn reverse_organisation(reverse_path: &ReversePath) -> String {
    let domain = reverse_path.address().and_then(Address::domain);
    domain.map(|domain| organisational(domain.as_str()).to_owned()).unwrap_or_default()
}

#[cfg(test)]
pub(in crate::analysis) mod tests;
