//! How much mail went which way, and who and what stood out: what a dashboard shows.
//!
//! In: a [`Span`] and, for administrators of some domains, these. Out: [`Flow`], counts by
//! step of time, and [`Top`], the most frequent names. [`Totals`] are the same counts since the
//! start, for pages that show them live.
//!
//! Counts are of what became of the mails that came in a time, so that each leads to these: a
//! search for mails of the same time finds them. A mail counts once, by its last verdict;
//! `delivered`, `deferred`, `failed` and `quarantined` count copies and attempts, of which a mail
//! may have several. Administrators of some domains see counts of their own mails and copies.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::query::Direction;
use crate::mail::Verdict;

/// Counts are kept by steps of this length.
pub(super) const STEP_MS: u64 = 300_000;
pub(super) const HOUR_MS: u64 = 3_600_000;
pub(super) const DAY_MS: u64 = 86_400_000;

/// How far back.
#[derive(
    schemars::JsonSchema,
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// Twelve steps of five minutes.
    Hour,
    /// 24 hours.
    #[default]
    Day,
    /// 28 steps of six hours.
    Week,
    /// 30 days.
    Month,
}

impl Span {
    /// Every span, the shortest first.
    pub const ALL: [Span; 4] = [Span::Hour, Span::Day, Span::Week, Span::Month];

    /// How long one bucket is.
    pub fn step_ms(self) -> u64 {
        match self {
            Span::Hour => STEP_MS,
            Span::Day => HOUR_MS,
            Span::Week => 6 * HOUR_MS,
            Span::Month => DAY_MS,
        }
    }

    /// How many buckets it has; the last one is that of now.
    pub fn steps(self) -> u64 {
        match self {
            Span::Hour => 12,
            Span::Day => 24,
            Span::Week => 28,
            Span::Month => 30,
        }
    }

    /// The beginning of the first bucket.
    pub fn since_ms(self, now_ms: u64) -> u64 {
        let step_ms = self.step_ms();
        (now_ms - now_ms % step_ms).saturating_sub((self.steps() - 1) * step_ms)
    }
}

/// What is counted.
#[derive(
    schemars::JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize,
)]
#[serde(default)]
pub struct Tally {
    /// Mails that came in whole, or that the box wrote.
    pub received: u64,
    /// Their size.
    pub octets: u64,
    /// Judgements: nothing against it.
    pub clean: u64,
    /// Judgements: unwanted.
    pub spam: u64,
    /// Judgements: malware.
    pub malicious: u64,
    /// Judgements: can be read in more than one way.
    pub ambiguous: u64,
    /// Judgements: could not be looked into.
    pub unscannable: u64,
    /// Judgements: a rule forbids it.
    pub policy: u64,
    /// Mails that were refused after they had come in whole.
    pub refused: u64,
    /// Transactions that were refused before that, whole or for some recipients.
    pub turned_away: u64,
    /// Sessions, or commands that belong to no mail, that were refused.
    pub visits_refused: u64,
    /// Copies that a next hop took.
    pub delivered: u64,
    /// Attempts after which a copy must wait.
    pub deferred: u64,
    /// Copies that could not be delivered.
    pub failed: u64,
    /// Copies that were kept from their recipients.
    pub quarantined: u64,
    /// Mails that were let go on by somebody.
    pub released: u64,
    /// Mails that were accepted and dropped by policy.
    pub discarded: u64,
}

impl Tally {
    /// The judgements of one verdict.
    pub fn of(&self, verdict: Verdict) -> u64 {
        let mut copy = *self;
        *copy.place(verdict)
    }

    pub(super) fn place(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Clean => &mut self.clean,
            Verdict::Spam => &mut self.spam,
            Verdict::Malicious => &mut self.malicious,
            Verdict::Ambiguous => &mut self.ambiguous,
            Verdict::Unscannable => &mut self.unscannable,
            Verdict::Policy => &mut self.policy,
        }
    }
}

impl Tally {
    /// All counts, in the order in which summaries keep them; new ones go to the end.
    pub(super) fn places(&mut self) -> [&mut u64; 17] {
        [
            &mut self.received,
            &mut self.octets,
            &mut self.clean,
            &mut self.spam,
            &mut self.malicious,
            &mut self.ambiguous,
            &mut self.unscannable,
            &mut self.policy,
            &mut self.refused,
            &mut self.turned_away,
            &mut self.visits_refused,
            &mut self.delivered,
            &mut self.deferred,
            &mut self.failed,
            &mut self.quarantined,
            &mut self.released,
            &mut self.discarded,
        ]
    }
}

impl AddAssign for Tally {
    /// Wraps: what is taken back may stand elsewhere than what was counted.
    fn add_assign(&mut self, mut other: Tally) {
        for (own, other) in self.places().into_iter().zip(other.places()) {
            *own = own.wrapping_add(*other);
        }
    }
}

/// Tallies by direction.
#[derive(
    schemars::JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize,
)]
pub struct Ways {
    /// From outside.
    pub inbound: Tally,
    /// To others.
    pub outbound: Tally,
    /// Among own people.
    pub internal: Tally,
    /// Written by the box.
    pub own: Tally,
}

impl Ways {
    /// Of one direction.
    pub fn of(&self, direction: Direction) -> Tally {
        let mut copy = *self;
        *copy.place(direction)
    }

    /// Of all directions together.
    pub fn all(&self) -> Tally {
        let mut all = self.inbound;
        all += self.outbound;
        all += self.internal;
        all += self.own;
        all
    }

    /// What undoes these counts when it is added.
    pub(super) fn taken_back(self) -> Ways {
        self.each(u64::wrapping_neg)
    }

    /// Without what was taken back from counts that are not there, because they have expired or
    /// cannot be read.
    pub(super) fn at_least_none(self) -> Ways {
        self.each(|count| if count > u64::MAX / 2 { 0 } else { count })
    }

    fn each(mut self, change: impl Fn(u64) -> u64) -> Ways {
        let tallies = [&mut self.inbound, &mut self.outbound, &mut self.internal, &mut self.own];
        let counts = tallies.into_iter().flat_map(Tally::places);
        counts.for_each(|count| *count = change(*count));
        self
    }

    pub(super) fn place(&mut self, direction: Direction) -> &mut Tally {
        match direction {
            Direction::In => &mut self.inbound,
            Direction::Out => &mut self.outbound,
            Direction::Internal => &mut self.internal,
            Direction::Own => &mut self.own,
        }
    }
}

impl AddAssign for Ways {
    fn add_assign(&mut self, other: Ways) {
        self.inbound += other.inbound;
        self.outbound += other.outbound;
        self.internal += other.internal;
        self.own += other.own;
    }
}

/// One step of time.
#[derive(
    schemars::JsonSchema, Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize,
)]
pub struct FlowBucket {
    /// Its beginning, in milliseconds since 1970.
    pub start_ms: u64,
    /// What happened in it.
    #[serde(flatten)]
    pub ways: Ways,
}

/// Mail over a time.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// How far back.
    pub span: Span,
    /// How long a bucket is.
    pub step_ms: u64,
    /// In their order, empty ones included; the last is that of now.
    pub buckets: Vec<FlowBucket>,
    /// All of them together.
    pub total: Ways,
    /// Whether every summary could be read; what can not is being made again.
    pub is_complete: bool,
}

/// Whose or which frequency is asked for.
#[derive(
    schemars::JsonSchema,
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Topping {
    /// Reverse-paths of mails that came in whole; `<>` is the null one.
    Senders,
    /// Forward-paths of such mails; administrators of some domains see those in these.
    Recipients,
    /// Rules of policy that acted.
    Rules,
    /// Viruses that were found, also later.
    Viruses,
    /// Findings of judgements.
    Findings,
}

impl Topping {
    /// All of them, in the order of the enumeration.
    pub const ALL: [Topping; 5] = [
        Topping::Senders,
        Topping::Recipients,
        Topping::Rules,
        Topping::Viruses,
        Topping::Findings,
    ];
}

/// A name and how often it occurred.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopRow {
    /// As strangers may have written it, in lower case where it is an address.
    pub name: String,
    /// Mails.
    pub count: u64,
}

/// The most frequent names of a time, the most frequent first.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Top {
    /// Whose or which.
    pub topping: Topping,
    /// From when on they are counted: a full hour, at the span's beginning or before it.
    pub since_ms: u64,
    /// The names.
    pub rows: Vec<TopRow>,
    /// What a count may be too small by at most, because rare names of busy hours are not
    /// kept.
    pub short_by: u64,
    /// Whether every summary could be read; what can not is being made again.
    pub is_complete: bool,
}

/// Counts since the start of the box, for pages that show them live.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Mails are counted that came at this time or later, in milliseconds since 1970.
    pub since_ms: u64,
    /// Events that were journalled.
    pub events: u64,
    /// All mail.
    pub ways: Ways,
    /// By the protected domains that a mail touches.
    pub(super) groups: Arc<BTreeMap<Vec<String>, Ways>>,
}

impl Totals {
    /// What concerns these domains; each mail counts once. None stands for all mail.
    pub fn within(&self, domains: Option<&[String]>) -> Ways {
        let Some(domains) = domains else { return self.ways };
        let scope = super::query::scope_of(domains);
        let mut sum = Ways::default();
        for (group, ways) in self.groups.iter() {
            if group.iter().any(|domain| scope.contains(domain)) {
                sum += *ways;
            }
        }
        sum
    }
}
