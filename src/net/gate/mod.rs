//! What the box remembers of clients that talk to it, and what that permits them: rates,
//! harvested addresses, failed log-ins, who waited for its greeting, who is being delayed.
//!
//! In: who does what, and the time. Out: yes, or an [`Excess`] that names the limit. Shared by
//! all sessions; `[limits] exempt` networks are not counted and not limited.
//!
//! Invariants: memory is bounded by constants whoever comes; names and domains of strangers
//! are kept as keyed hashes, so that nobody can choose what collides. Nothing survives a
//! restart. Fails never: what cannot be remembered is not limited.

mod harvest;
mod logins;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ipnet::IpNet;

use super::network::{Client, Network};
use super::rates::{Buckets, Rate, Remembered};
use crate::config::{Door, Limits};
use crate::mail::{ReversePath, Role};
use harvest::Harvest;
use logins::Logins;

/// Keys remembered in each table; about 40 octets each.
const REMEMBERED: usize = 65_536;
/// How many times as much as a client a network may do wrong.
const NEIGHBOURS: u32 = 4;

/// A limit that somebody is above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Messages from one network.
    NetworkMessages,
    /// Recipients named by one network.
    NetworkRecipients,
    /// Messages from one sender.
    SenderMessages,
    /// Recipients named by one sender.
    SenderRecipients,
    /// Messages from one account.
    AccountMessages,
    /// Recipients named by one account.
    AccountRecipients,
    /// Recipients that do not exist.
    Harvest,
    /// Failed log-ins from one place.
    ClientLogins,
    /// Failed log-ins to one account.
    AccountLogins,
}

impl Limit {
    /// A word for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Limit::NetworkMessages => "network_messages",
            Limit::NetworkRecipients => "network_recipients",
            Limit::SenderMessages => "sender_messages",
            Limit::SenderRecipients => "sender_recipients",
            Limit::AccountMessages => "account_messages",
            Limit::AccountRecipients => "account_recipients",
            Limit::Harvest => "harvest",
            Limit::ClientLogins => "client_logins",
            Limit::AccountLogins => "account_logins",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Limit::NetworkMessages => "too many messages from your network",
            Limit::NetworkRecipients => "too many recipients from your network",
            Limit::SenderMessages => "too many messages from this sender",
            Limit::SenderRecipients => "too many recipients from this sender",
            Limit::AccountMessages => "too many messages from this account",
            Limit::AccountRecipients => "too many recipients from this account",
            Limit::Harvest => "too many unknown recipients from your network",
            Limit::ClientLogins => "too many failed log-ins from your network",
            Limit::AccountLogins => "too many failed log-ins to this account",
        })
    }
}

/// Somebody is above a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit}")]
pub struct Excess {
    /// Which.
    pub limit: Limit,
    /// How long to wait at least.
    pub wait: Duration,
}

/// Who sends.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Of the listener.
    pub role: Role,
    /// From where.
    pub client: IpAddr,
    /// As whom, when authenticated.
    pub account: Option<&'a str>,
    /// `MAIL FROM`.
    pub reverse_path: &'a ReversePath,
}

/// The parts of the configuration that are in force.
#[derive(Debug)]
struct Terms {
    exempt: Vec<IpNet>,
    door: Door,
}

impl Terms {
    fn of(limits: &Limits, door: &Door) -> Terms {
        Terms { exempt: limits.exempt.clone(), door: door.clone() }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|network| network.contains(&address))
    }
}

/// Everything that is remembered.
#[derive(Debug)]
struct Memory {
    messages: Buckets<u64>,
    recipients: Buckets<u64>,
    harvest: Harvest,
    logins: Logins,
    /// Clients that waited for their greeting.
    patient: Remembered<Client>,
}

/// Remembers clients. Shared by all listeners.
#[derive(Debug)]
pub struct Gate {
    terms: ArcSwap<Terms>,
    memory: Mutex<Memory>,
    detained: Arc<AtomicUsize>,
    hashes: RandomState,
}

/// A place among the sessions that are being delayed; free again when this is dropped.
#[derive(Debug)]
pub struct Detained(Arc<AtomicUsize>);

impl Drop for Detained {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One bucket to take from.
struct Charge {
    limit: Limit,
    key: u64,
    rate: Rate,
}

impl Gate {
    /// Remembers nobody yet.
    pub fn new(limits: &Limits, door: &Door) -> Arc<Gate> {
        let memory = Memory {
            messages: Buckets::new(REMEMBERED),
            recipients: Buckets::new(REMEMBERED),
            harvest: Harvest::new(REMEMBERED),
            logins: Logins::new(REMEMBERED),
            patient: Remembered::new(REMEMBERED),
        };
        Arc::new(Gate {
            terms: ArcSwap::from_pointee(Terms::of(limits, door)),
            memory: Mutex::new(memory),
            detained: Arc::default(),
            hashes: RandomState::new(),
        })
    }

    /// Puts other limits in force. What is remembered stays.
    pub fn reload(&self, limits: &Limits, door: &Door) {
        self.terms.store(Arc::new(Terms::of(limits, door)));
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Only counters: what a panic elsewhere left behind is still usable.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A mail begins: takes from the buckets of whoever it counts for.
    pub fn begin_mail(&self, sender: Sender<'_>, now: Instant) -> Result<(), Excess> {
        let terms = self.terms.load();
        if terms.is_exempt(sender.client) {
            return Ok(());
        }
        let charges = self.of_messages(&terms.door, sender);
        take_all(&mut self.memory().messages, &charges, now)
    }

    /// A recipient is named. Who harvested addresses reads the same whatever he names.
    pub fn name_recipient(&self, sender: Sender<'_>, now: Instant) -> Result<(), Excess> {
        let terms = self.terms.load();
        if terms.is_exempt(sender.client) {
            return Ok(());
        }
        let charges = self.of_recipients(&terms.door, sender);
        let mut memory = self.memory();
        if sender.role == Role::Inbound {
            memory.harvest.check(&terms.door, Client::of(sender.client), now)?;
        }
        take_all(&mut memory.recipients, &charges, now)
    }

    /// The recipient does not exist.
    pub fn unknown_recipient(&self, client: IpAddr, now: Instant) {
        let terms = self.terms.load();
        if !terms.is_exempt(client) {
            self.memory().harvest.unknown(&terms.door, Client::of(client), now);
        }
    }

    /// A mail for so many recipients was taken.
    pub fn mail_taken(&self, client: IpAddr, recipients: usize, now: Instant) {
        let terms = self.terms.load();
        if !terms.is_exempt(client) {
            self.memory().harvest.known(&terms.door, Client::of(client), recipients, now);
        }
    }

    /// May this client try a password for this account? Counts the attempt as failed until
    /// [`Gate::logged_in`] or [`Gate::log_in_undecided`] says otherwise, so that many at once
    /// have no more attempts than one after the other.
    pub fn log_in(&self, client: IpAddr, name: &str, now: Instant) -> Result<(), Excess> {
        let terms = self.terms.load();
        match terms.is_exempt(client) {
            true => Ok(()),
            false => {
                let account = self.account(name);
                let client = Client::of(client);
                self.memory().logins.attempt(&terms.door.submission, client, account, now)
            }
        }
    }

    /// The password was right.
    pub fn logged_in(&self, client: IpAddr, name: &str, now: Instant) {
        let terms = self.terms.load();
        if !terms.is_exempt(client) {
            let (client, account) = (Client::of(client), self.account(name));
            self.memory().logins.succeeded(&terms.door.submission, client, account, now);
        }
    }

    /// Nobody could say whether the password was right.
    pub fn log_in_undecided(&self, client: IpAddr, name: &str, now: Instant) {
        let terms = self.terms.load();
        if !terms.is_exempt(client) {
            let (client, account) = (Client::of(client), self.account(name));
            self.memory().logins.undo(&terms.door.submission, client, account, now);
        }
    }

    /// How long a client waits for its greeting; not at all when it has shown that it can.
    pub fn greeting_delay(&self, client: IpAddr, now: Instant) -> Duration {
        let terms = self.terms.load();
        let delay = terms.door.greeting_delay();
        if delay.is_zero() || terms.is_exempt(client) {
            return Duration::ZERO;
        }
        match self.memory().patient.until(&Client::of(client), now) {
            Some(_) => Duration::ZERO,
            None => delay,
        }
    }

    /// The client waited for its greeting, as it should.
    pub fn waited(&self, client: IpAddr, now: Instant) {
        let until = now.checked_add(self.terms.load().door.greeting_remembered());
        if let Some(until) = until {
            self.memory().patient.set(Client::of(client), until, now);
        }
    }

    /// A place among those that are delayed; none for an exempt client, or when all are taken.
    pub fn detain(&self, client: IpAddr) -> Option<Detained> {
        let terms = self.terms.load();
        if terms.is_exempt(client) {
            return None;
        }
        let one_more =
            |taken: usize| (taken < terms.door.tarpit_sessions).then_some(taken.saturating_add(1));
        self.detained.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Detained(Arc::clone(&self.detained)))
    }

    fn key(&self, limit: Limit, whom: impl Hash) -> u64 {
        self.hashes.hash_one((limit, whom))
    }

    fn account(&self, name: &str) -> u64 {
        self.hashes.hash_one(name.to_lowercase())
    }

    fn of_messages(&self, door: &Door, sender: Sender<'_>) -> Vec<Charge> {
        let charge = |limit, key, rate: Option<Rate>| rate.map(|rate| Charge { limit, key, rate });
        let of_sender = Limit::SenderMessages;
        let charges = match sender.role {
            Role::Inbound => {
                let network = Network::of(sender.client);
                let rates = &door.inbound;
                let rate = Rate::a_minute(rates.messages_per_minute_per_network);
                let of_network = Limit::NetworkMessages;
                let whole = charge(of_network, self.key(of_network, network), rate);
                let rate = Rate::a_minute(rates.messages_per_minute_per_sender);
                // A null reverse-path names nobody.
                let domain = sender.reverse_path.address().map(|address| address.host());
                let part = domain.and_then(|domain| {
                    charge(of_sender, self.key(of_sender, (domain.to_string(), network)), rate)
                });
                [whole, part]
            }
            Role::Outbound => {
                let rate = Rate::a_minute(door.outbound.messages_per_minute_per_sender);
                [charge(of_sender, self.sender(of_sender, sender), rate), None]
            }
            Role::Submission => {
                let rate = Rate::a_minute(door.submission.messages_per_minute_per_account);
                let limit = Limit::AccountMessages;
                [charge(limit, self.key(limit, sender.account), rate), None]
            }
        };
        charges.into_iter().flatten().collect()
    }

    fn of_recipients(&self, door: &Door, sender: Sender<'_>) -> Vec<Charge> {
        let (limit, key, rate) = match sender.role {
            Role::Inbound => {
                let rate = Rate::a_minute(door.inbound.recipients_per_minute_per_network);
                let limit = Limit::NetworkRecipients;
                (limit, self.key(limit, Network::of(sender.client)), rate)
            }
            Role::Outbound => {
                let rate = Rate::an_hour(door.outbound.recipients_per_hour_per_sender);
                let limit = Limit::SenderRecipients;
                (limit, self.sender(limit, sender), rate)
            }
            Role::Submission => {
                let rate = Rate::an_hour(door.submission.recipients_per_hour_per_account);
                let limit = Limit::AccountRecipients;
                (limit, self.key(limit, sender.account), rate)
            }
        };
        rate.map(|rate| Charge { limit, key, rate }).into_iter().collect()
    }

    /// A reverse-path, or the client where that is null.
    fn sender(&self, limit: Limit, sender: Sender<'_>) -> u64 {
        match sender.reverse_path.address() {
            Some(address) => self.key(limit, address.key()),
            None => self.key(limit, Client::of(sender.client)),
        }
    }
}

/// From every bucket or from none.
fn take_all(buckets: &mut Buckets<u64>, charges: &[Charge], now: Instant) -> Result<(), Excess> {
    for charge in charges {
        if let Some(wait) = buckets.wait(&charge.key, 1, charge.rate, now) {
            return Err(Excess { limit: charge.limit, wait });
        }
    }
    for charge in charges {
        // It was in there a moment ago.
        let _: Result<(), Duration> = buckets.take(charge.key, 1, charge.rate, now);
    }
    Ok(())
}
