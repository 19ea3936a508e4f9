//! What is remembered of senders: counts of good, suspicious and bad mail that fade, for
//! networks, domains, senders and pairs of sender and recipient; whom own users wrote to; and
//! of which mails somebody spoke.
//!
//! In: pushes with a time. Out: [`Standing`]s as of their last push, or faded to a time. What
//! a key stands for is decided by who asks.
//!
//! Invariants (against poisoning): one push moves a count by what it says and no more; one
//! standing moves by at most [`GOOD_PER_DAY`] and [`BAD_PER_DAY`] a day; what comes from one
//! network moves another's standing by at most [`PER_NETWORK_PER_DAY`] a day. Trees are
//! bounded: what was seen least and longest ago is forgotten first.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::behind::{Behind, Chores, Fading, Key, Surplus};

/// How far good mail moves one standing in a day: a reputation takes weeks, not an afternoon.
pub const GOOD_PER_DAY: f32 = 10.0;
/// How far bad mail moves one standing in a day.
pub const BAD_PER_DAY: f32 = 20.0;
/// How far all mail from one network moves the standing of one domain, sender or pair in a
/// day.
pub const PER_NETWORK_PER_DAY: f32 = 5.0;

/// Keys in each tree; some 100 octets each on disk.
const ENTRIES: usize = 500_000;
/// Mails of which it is remembered that somebody spoke of them.
const STATEMENTS: usize = 100_000;
const DAY_S: u64 = 86_400;
/// What was not seen for so long is a stranger again.
const KEPT_DAYS: u64 = 180;
/// A standing with much mail behind it outlasts one with little by up to so many days when
/// room is short.
const WEIGHT_DAYS: f32 = 90.0;
/// Networks × standings whose movement is counted at once; about 5 MB.
const COUNTED_MOVES: usize = 100_000;
const SINCE_KEY: &[u8] = b"history-since";

/// What a standing is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An IPv4 /24 or IPv6 /48.
    Network,
    /// An organisational domain that vouched.
    Domain,
    /// An author.
    Sender,
    /// An author and one recipient.
    Pair,
}

/// How far a mail moves a standing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Push {
    /// Towards good.
    pub good: f32,
    /// Towards suspicious.
    pub suspicious: f32,
    /// Towards bad.
    pub bad: f32,
}

/// Counts as of the last push.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Mail that nothing spoke against.
    pub good: f32,
    /// Mail that something spoke against.
    pub suspicious: f32,
    /// Mail that was kept back or refused.
    pub bad: f32,
    /// Seconds since 1970.
    pub first_s: u64,
    /// Seconds since 1970; the counts are of this time.
    pub last_s: u64,
    /// How far it moved on the day of `last_s`.
    good_today: f32,
    bad_today: f32,
}

impl Standing {
    /// The counts as they have faded by a time. A clock that went back fades nothing.
    pub fn faded(&self, now_s: u64, half_life_s: u64) -> Standing {
        let age_s = now_s.saturating_sub(self.last_s);
        let factor = (-(age_s as f64) / half_life_s.max(1) as f64).exp2() as f32;
        Standing {
            good: self.good * factor,
            suspicious: self.suspicious * factor,
            bad: self.bad * factor,
            ..*self
        }
    }

    /// The standing after a push, within what a day may move.
    pub fn pushed(old: Option<Standing>, push: Push, now_s: u64, half_life_s: u64) -> Standing {
        let fresh = Standing { first_s: now_s, last_s: now_s, ..Standing::default() };
        let old = old.unwrap_or(fresh);
        let mut new = old.faded(now_s, half_life_s);
        if now_s / DAY_S > old.last_s / DAY_S {
            (new.good_today, new.bad_today) = (0.0, 0.0);
        }
        new.last_s = old.last_s.max(now_s);
        let good = within(push.good, GOOD_PER_DAY - new.good_today);
        let suspicious = within(push.suspicious, BAD_PER_DAY - new.bad_today);
        let bad = within(push.bad, BAD_PER_DAY - new.bad_today - suspicious);
        new.good += good;
        new.good_today += good;
        new.suspicious += suspicious;
        new.bad += bad;
        new.bad_today += suspicious + bad;
        new
    }
}

fn within(push: f32, room: f32) -> f32 {
    // A room below nothing is none; NaN is none either.
    if push > 0.0 && room > 0.0 { push.min(room) } else { 0.0 }
}

impl Fading for Standing {
    fn keep_until_s(&self) -> u64 {
        let weight = (self.good + self.suspicious + self.bad).clamp(0.0, WEIGHT_DAYS);
        self.last_s + KEPT_DAYS * DAY_S + weight as u64 * DAY_S
    }
}

/// An own user wrote to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Wrote {
    last_s: u64,
}

impl Fading for Wrote {
    fn keep_until_s(&self) -> u64 {
        self.last_s + 2 * KEPT_DAYS * DAY_S
    }
}

/// Somebody said something of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    at_s: u64,
}

impl Fading for Said {
    fn keep_until_s(&self) -> u64 {
        self.at_s + KEPT_DAYS * DAY_S
    }
}

/// The trees.
#[derive(Debug)]
pub struct SenderHistory {
    networks: Arc<Behind<Standing>>,
    domains: Arc<Behind<Standing>>,
    senders: Arc<Behind<Standing>>,
    pairs: Arc<Behind<Standing>>,
    wrote: Arc<Behind<Wrote>>,
    said: Arc<Behind<Said>>,
    since_s: u64,
    moves: Mutex<Moves>,
}

/// What each network has moved today; forgotten on restart, which costs one day's bound.
#[derive(Debug, Default)]
struct Moves {
    day: u64,
    by_network: HashMap<(Key, Key), f32>,
}

impl SenderHistory {
    pub(super) fn open(db: &sled::Db, folder: &Path) -> Result<SenderHistory, StoreError> {
        let standings =
            |name| Behind::open(db, folder, name, ENTRIES, Surplus::Forgets).map(Arc::new);
        let wrote = Behind::open(db, folder, "history-wrote", ENTRIES, Surplus::Forgets)?;
        let said = Behind::open(db, folder, "history-said", STATEMENTS, Surplus::Forgets)?;
        Ok(SenderHistory {
            networks: standings("history-networks")?,
            domains: standings("history-domains")?,
            senders: standings("history-senders")?,
            pairs: standings("history-pairs")?,
            wrote: Arc::new(wrote),
            said: Arc::new(said),
            since_s: since_s(db)?,
            moves: Mutex::default(),
        })
    }

    pub(super) fn chores(&self) -> Vec<Arc<dyn Chores>> {
        let standings = [&self.networks, &self.domains, &self.senders, &self.pairs];
        let mut chores: Vec<Arc<dyn Chores>> =
            standings.into_iter().map(|tree| Arc::clone(tree) as Arc<dyn Chores>).collect();
        chores.push(Arc::clone(&self.wrote) as Arc<dyn Chores>);
        chores.push(Arc::clone(&self.said) as Arc<dyn Chores>);
        chores
    }

    /// When this box began to remember, in seconds since 1970.
    pub fn since_s(&self) -> u64 {
        self.since_s
    }

    /// The standing as of its last push.
    pub fn standing(&self, kind: Kind, key: &Key) -> Result<Option<Standing>, StoreError> {
        self.tree(kind).find(key)
    }

    /// Moves a standing, because of mail from `network`.
    pub fn push(
        &self,
        kind: Kind,
        key: Key,
        network: &Key,
        push: Push,
        now_s: u64,
        half_life_s: u64,
    ) -> Result<(), StoreError> {
        let push = match kind {
            Kind::Network => push,
            Kind::Domain | Kind::Sender | Kind::Pair => self.allowed(&key, network, push, now_s),
        };
        self.tree(kind)
            .change(key, |old| Some(Standing::pushed(old, push, now_s, half_life_s)))
            .map(|_| ())
    }

    /// An own user wrote to somebody.
    pub fn wrote(&self, key: Key, now_s: u64) -> Result<(), StoreError> {
        self.wrote.change(key, |_| Some(Wrote { last_s: now_s })).map(|_| ())
    }

    /// Whether an own user wrote to somebody within a year.
    pub fn has_written(&self, key: &Key, now_s: u64) -> Result<bool, StoreError> {
        Ok(self.wrote.find(key)?.is_some_and(|wrote| wrote.keep_until_s() >= now_s))
    }

    /// Whether something is said for the first time; from now on it was said.
    pub fn is_said_first(&self, key: Key, now_s: u64) -> Result<bool, StoreError> {
        let mut is_first = false;
        let is_kept = self.said.change(key, |known| {
            is_first = known.is_none_or(|said| said.keep_until_s() < now_s);
            known.filter(|_| !is_first).or(Some(Said { at_s: now_s }))
        })?;
        // What cannot be remembered could be said for ever.
        Ok(is_first && is_kept)
    }

    fn tree(&self, kind: Kind) -> &Behind<Standing> {
        match kind {
            Kind::Network => &self.networks,
            Kind::Domain => &self.domains,
            Kind::Sender => &self.senders,
            Kind::Pair => &self.pairs,
        }
    }

    /// The part of a push that the network may still make today.
    fn allowed(&self, key: &Key, network: &Key, push: Push, now_s: u64) -> Push {
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let day = now_s / DAY_S;
        if moves.day != day || moves.by_network.len() >= COUNTED_MOVES {
            *moves = Moves { day, by_network: HashMap::new() };
        }
        let moved = moves.by_network.entry((*key, *network)).or_default();
        let whole = push.good + push.suspicious + push.bad;
        let part = within(whole, PER_NETWORK_PER_DAY - *moved);
        *moved += part;
        let share = if whole > 0.0 { part / whole } else { 0.0 };
        Push { good: push.good * share, suspicious: push.suspicious * share, bad: push.bad * share }
    }
}

/// The time of the first opening, kept for good.
fn since_s(db: &sled::Db) -> Result<u64, StoreError> {
    if let Some(octets) = db.get(SINCE_KEY)?
        && let Ok(octets) = octets.as_ref().try_into()
    {
        return Ok(u64::from_be_bytes(octets));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    db.insert(SINCE_KEY, &now.to_be_bytes())?;
    Ok(now)
}

#[cfg(test)]
mod tests;
