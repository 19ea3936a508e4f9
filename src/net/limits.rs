//! How many connections a client may have and open, and how many there may be in all.
//!
//! In: a client's address and the time. Out: an [`Admission`] that gives the place back when
//! dropped, or a [`Refusal`]. Counted are clients and their networks (see `network`). Exempt
//! networks have no limits of their own but count towards the total.
//!
//! Invariant: memory is bounded. Clients are forgotten when they have nothing open and a
//! full allowance, and under pressure those idle for longest are forgotten first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ipnet::IpNet;

use super::network::{Client, Network};
use crate::config::Limits;

/// Clients remembered, unless more than that have connections open.
const REMEMBERED_CLIENTS: usize = 65_536;
/// What one connection costs in a client's allowance; a connection a minute earns one unit
/// each microsecond, so the arithmetic is exact.
const COST: u64 = 60_000_000;

/// Why a connection is not served; the peer reads `421`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The box serves as many connections as it may.
    #[error("too many connections in all")]
    Total,
    /// The client has as many open as it may.
    #[error("too many connections from this client")]
    Concurrency,
    /// The client and its neighbours have as many open as they may.
    #[error("too many connections from this network")]
    Network,
    /// The client opened too many within a minute.
    #[error("too many connections from this client within a minute")]
    Rate,
}

#[derive(Debug)]
struct Tally {
    open: usize,
    allowance: u64,
    counted_at: Instant,
}

/// The part of `[limits]` that is in force.
#[derive(Debug)]
struct Terms {
    exempt: Vec<IpNet>,
    total: usize,
    per_client: usize,
    per_network: usize,
    per_minute: u64,
}

impl Terms {
    fn of(limits: &Limits) -> Terms {
        Terms {
            exempt: limits.exempt.clone(),
            total: limits.connections,
            per_client: limits.connections_per_client,
            // A network holds at least as much as one client in it.
            per_network: match limits.connections_per_network {
                0 => 0,
                shared => shared.max(limits.connections_per_client),
            },
            per_minute: u64::from(limits.connections_per_client_per_minute),
        }
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(&address))
    }

    fn full_allowance(&self) -> u64 {
        self.per_minute * COST
    }

    fn earn(&self, tally: &mut Tally, now: Instant) {
        let elapsed = now.saturating_duration_since(tally.counted_at);
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let earned = elapsed_us.saturating_mul(self.per_minute);
        tally.allowance = tally.allowance.saturating_add(earned).min(self.full_allowance());
        tally.counted_at = tally.counted_at.max(now);
    }
}

#[derive(Debug)]
struct Table {
    terms: Terms,
    open: usize,
    clients: HashMap<Client, Tally>,
    /// Connections open, where there are any.
    networks: HashMap<Network, usize>,
}

/// Counts connections. Shared by all listeners.
#[derive(Debug)]
pub struct ClientLimiter {
    table: Mutex<Table>,
}

/// The right to serve one connection; the place is free again when this is dropped.
#[derive(Debug)]
pub struct Admission {
    limiter: Arc<ClientLimiter>,
    client: Option<Client>,
}

impl ClientLimiter {
    /// A limiter with these limits. A limit of 0 for a client's connections at once or a
    /// minute means none.
    pub fn new(limits: &Limits) -> Arc<ClientLimiter> {
        let table = Table {
            terms: Terms::of(limits),
            open: 0,
            clients: HashMap::new(),
            networks: HashMap::new(),
        };
        Arc::new(ClientLimiter { table: Mutex::new(table) })
    }

    /// Puts other limits in force for connections to come.
    pub fn reload(&self, limits: &Limits) {
        self.table().terms = Terms::of(limits);
    }

    /// Connections open at the moment.
    pub fn open(&self) -> usize {
        self.table().open
    }

    /// Asks for a place. A refused connection costs the client no allowance.
    pub fn admit(self: &Arc<Self>, client: IpAddr, now: Instant) -> Result<Admission, Refusal> {
        let address = client.to_canonical();
        let mut table = self.table();
        if table.open >= table.terms.total {
            return Err(Refusal::Total);
        }
        let client = match table.terms.is_exempt(address) {
            true => None,
            false => Some(table.count(Client::of(address), now)?),
        };
        table.open += 1;
        Ok(Admission { limiter: Arc::clone(self), client })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // The table holds only counters: what a panic elsewhere left behind is still usable.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&mut self, client: Client, now: Instant) -> Result<Client, Refusal> {
        if self.clients.len() >= REMEMBERED_CLIENTS && !self.clients.contains_key(&client) {
            self.forget_idle(now);
        }
        let terms = &self.terms;
        let neighbours = self.networks.get(&client.network()).copied().unwrap_or(0);
        let fresh = || Tally { open: 0, allowance: terms.full_allowance(), counted_at: now };
        let tally = self.clients.entry(client).or_insert_with(fresh);
        terms.earn(tally, now);
        if terms.per_client > 0 && tally.open >= terms.per_client {
            return Err(Refusal::Concurrency);
        }
        if terms.per_network > 0 && neighbours >= terms.per_network {
            return Err(Refusal::Network);
        }
        if terms.per_minute > 0 {
            tally.allowance = tally.allowance.checked_sub(COST).ok_or(Refusal::Rate)?;
        }
        tally.open += 1;
        *self.networks.entry(client.network()).or_default() += 1;
        Ok(client)
    }

    /// First those about whom nothing is worth remembering; when that frees too little, the
    /// half of the idle ones that were counted longest ago.
    fn forget_idle(&mut self, now: Instant) {
        let terms = &self.terms;
        self.clients.retain(|_, tally| {
            terms.earn_preview(tally, now) < terms.full_allowance() || tally.open > 0
        });
        if self.clients.len() < REMEMBERED_CLIENTS / 4 * 3 {
            return;
        }
        let idle = self.clients.values().filter(|tally| tally.open == 0);
        let mut ages: Vec<Instant> = idle.map(|tally| tally.counted_at).collect();
        if ages.is_empty() {
            return;
        }
        let middle = ages.len() / 2;
        let (_, &mut oldest_kept, _) = ages.select_nth_unstable(middle);
        let mut spare = middle + 1;
        self.clients.retain(|_, tally| {
            let goes = spare > 0 && tally.open == 0 && tally.counted_at <= oldest_kept;
            spare -= usize::from(goes);
            !goes
        });
    }
}

impl Terms {
    fn earn_preview(&self, tally: &Tally, now: Instant) -> u64 {
        let mut preview =
            Tally { open: 0, allowance: tally.allowance, counted_at: tally.counted_at };
        self.earn(&mut preview, now);
        preview.allowance
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut table = self.limiter.table();
        table.open = table.open.saturating_sub(1);
        let Some(client) = self.client else { return };
        if let Some(tally) = table.clients.get_mut(&client) {
            tally.open = tally.open.saturating_sub(1);
        }
        if let Entry::Occupied(mut neighbours) = table.networks.entry(client.network()) {
            match neighbours.get().saturating_sub(1) {
                0 => drop(neighbours.remove()),
                fewer => *neighbours.get_mut() = fewer,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn limiter(total: usize, per_client: usize, per_minute: u32) -> Arc<ClientLimiter> {
        ClientLimiter::new(&Limits {
            connections: total,
            connections_per_client: per_client,
            connections_per_network: 0,
            connections_per_client_per_minute: per_minute,
            ..Limits::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_given_back() {
        let limiter = limiter(3, 2, 100);
        let now = Instant::now();
        let first = limiter.admit(ip("192.0.2.1"), now).unwrap();
        let second = limiter.admit(ip("::ffff:192.0.2.1"), now).unwrap();
        assert_eq!(limiter.admit(ip("192.0.2.1"), now).unwrap_err(), Refusal::Concurrency);
        let third = limiter.admit(ip("127.0.0.1"), now).unwrap();
        assert_eq!(limiter.admit(ip("127.0.0.1"), now).unwrap_err(), Refusal::Total);
        assert_eq!(limiter.open(), 3);
        drop((first, second, third));
        assert_eq!(limiter.open(), 0);
        assert!(limiter.admit(ip("192.0.2.1"), now).is_ok());
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let limiter = limiter(10, 1, 100);
        let now = Instant::now();
        let _held = limiter.admit(ip("2001:db8:0:1::1"), now).unwrap();
        let same = limiter.admit(ip("2001:db8:0:1:ffff::2"), now);
        assert_eq!(same.unwrap_err(), Refusal::Concurrency);
        assert!(limiter.admit(ip("2001:db8:0:2::1"), now).is_ok());
    }

    #[test]
    fn neighbours_are_counted_together() {
        let limits =
            Limits { connections_per_client: 2, connections_per_network: 3, ..Limits::default() };
        let limiter = ClientLimiter::new(&limits);
        let now = Instant::now();
        let table = [
            ("192.0.2.1", true),
            ("192.0.2.2", true),
            ("192.0.2.2", true),
            ("192.0.2.3", false),
            ("192.0.3.3", true),
            ("127.0.0.1", true),
        ];
        let mut held = Vec::new();
        for (client, is_let_in) in table {
            let admission = limiter.admit(ip(client), now);
            assert_eq!(admission.is_ok(), is_let_in, "{client}");
            held.extend(admission);
        }
        assert_eq!(limiter.admit(ip("192.0.2.1"), now).unwrap_err(), Refusal::Network);
        held.remove(0);
        assert!(limiter.admit(ip("192.0.2.3"), now).is_ok());
        drop(held);
        assert!(limiter.table().networks.is_empty(), "what is empty takes no memory");
    }

    #[test]
    fn the_rate_recovers_with_time() {
        let limiter = limiter(10, 5, 6);
        let start = Instant::now();
        for _ in 0..6 {
            drop(limiter.admit(ip("192.0.2.1"), start).unwrap());
        }
        let at = |ms| start + Duration::from_millis(ms);
        let table = [(0, false), (9_999, false), (10_000, true), (10_001, false), (19_999, false)];
        for (ms, admitted) in table {
            assert_eq!(limiter.admit(ip("192.0.2.1"), at(ms)).is_ok(), admitted, "{ms}");
        }
        assert!(limiter.admit(ip("192.0.2.1"), at(20_000)).is_ok());
        // A clock that steps back neither panics nor gives anything away.
        assert_eq!(limiter.admit(ip("192.0.2.1"), start).unwrap_err(), Refusal::Rate);
    }

    #[test]
    fn memory_is_bounded_whoever_connects() {
        let limiter = limiter(10, 5, 600);
        let now = Instant::now();
        let held = limiter.admit(ip("192.0.2.1"), now).unwrap();
        for client in 0..300_000u32 {
            let address = IpAddr::V6(Ipv6Addr::from(u128::from(client) << 64));
            let at = now + Duration::from_micros(u64::from(client));
            drop(limiter.admit(address, at).unwrap());
        }
        assert!(limiter.table().clients.len() <= REMEMBERED_CLIENTS);
        // Who has a connection open is not forgotten.
        assert_eq!(limiter.table().clients[&Client::of(ip("192.0.2.1"))].open, 1);
        drop(held);
    }

    #[test]
    fn zero_means_no_limit_of_a_client() {
        let limiter = limiter(1_000, 0, 0);
        let now = Instant::now();
        let held: Vec<_> = (0..1_000).map(|_| limiter.admit(ip("192.0.2.1"), now)).collect();
        assert!(held.iter().all(Result::is_ok));
    }

    proptest! {
        #[test]
        fn the_limits_hold_whatever_happens(
            steps in prop::collection::vec((0u8..4, any::<bool>(), 0u64..5_000), 1..300)
        ) {
            let limiter = limiter(6, 3, 20);
            let mut now = Instant::now();
            let mut held: Vec<(u8, Admission)> = Vec::new();
            for (client, arrives, pause_ms) in steps {
                now += Duration::from_millis(pause_ms);
                if !arrives {
                    held.pop();
                } else if let Ok(place) = limiter.admit(IpAddr::from([192, 0, 2, client]), now) {
                    held.push((client, place));
                }
                prop_assert_eq!(limiter.open(), held.len());
                prop_assert!(held.len() <= 6);
                for one in 0..4 {
                    prop_assert!(held.iter().filter(|(who, _)| *who == one).count() <= 3);
                }
            }
            drop(held);
            prop_assert_eq!(limiter.open(), 0);
        }
    }
}
