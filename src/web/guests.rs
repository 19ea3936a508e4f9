//! Who is connected, so that nobody keeps others out.
//!
//! In: addresses of connections as they begin and end. Out: whether one more is let in, and,
//! when there is no room, which one has to go: among those that have not asked for anything yet
//! the oldest of whoever has most of these. Counted is by [`Client`], as for mail.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::net::network::Client;

/// One client cannot have all connections.
const OF_ONE: usize = 48;

/// Everybody who is connected.
#[derive(Debug, Default)]
pub(super) struct Guests(Mutex<Crowd>);

#[derive(Debug, Default)]
struct Crowd {
    connections: HashMap<Client, usize>,
    /// In the order in which they came.
    silent: BTreeMap<u64, (Client, Arc<Notify>)>,
    next: u64,
}

/// One connection; gone when dropped.
#[derive(Debug)]
pub(super) struct Guest {
    of: Arc<Guests>,
    client: Client,
    number: u64,
    leave: Arc<Notify>,
}

impl Guests {
    /// Lets one in, who has not asked for anything yet; none when there are too many of theirs.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let client = Client::of(address);
        let mut crowd = self.crowd();
        let count = crowd.connections.entry(client).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        crowd.next += 1;
        let (number, leave) = (crowd.next, Arc::new(Notify::new()));
        crowd.silent.insert(number, (client, Arc::clone(&leave)));
        Some(Guest { of: Arc::clone(self), client, number, leave })
    }

    /// Tells one to leave that has not asked for anything yet, other than this one.
    pub(super) fn send_away(&self, but: &Guest) {
        let mut crowd = self.crowd();
        let mut counts: HashMap<Client, usize> = HashMap::new();
        let others = || crowd.silent.iter().filter(|(number, _)| **number != but.number);
        for (_, (client, _)) in others() {
            *counts.entry(*client).or_default() += 1;
        }
        let count = |client: &Client| counts.get(client).copied().unwrap_or(0);
        let chosen = others()
            .min_by_key(|(number, (client, _))| (std::cmp::Reverse(count(client)), **number));
        let number = chosen.map(|(number, _)| *number);
        let told = number.and_then(|number| crowd.silent.remove(&number));
        told.inspect(|(_, leave)| leave.notify_one());
    }

    fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// They have asked for something: they may stay.
    pub(super) fn has_asked(&self) {
        self.of.crowd().silent.remove(&self.number);
    }

    /// Waits until they have to leave.
    pub(super) async fn sent_away(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut crowd = self.of.crowd();
        crowd.silent.remove(&self.number);
        if let Some(count) = crowd.connections.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                crowd.connections.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_has_so_many_connections_and_they_are_given_back() {
        let guests = Arc::new(Guests::default());
        // Addresses of one client, one of another.
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ] {
            let held: Vec<_> = (0..OF_ONE).map(|_| guests.admit(address(one)).unwrap()).collect();
            assert!(guests.admit(address(same)).is_none(), "{same}");
            assert!(guests.admit(address(other)).is_some(), "{other}");
            drop(held);
            assert!(guests.admit(address(same)).is_some(), "{same}");
        }
        let crowd = guests.crowd();
        assert!(crowd.connections.is_empty() && crowd.silent.is_empty());
    }

    #[tokio::test]
    async fn who_has_most_that_say_nothing_makes_room() {
        let guests = Arc::new(Guests::default());
        let [single, asks, many] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
        let single = guests.admit(single).unwrap();
        let busy: Vec<_> = (0..9).map(|_| guests.admit(asks).unwrap()).collect();
        busy.iter().for_each(Guest::has_asked);
        let crowd: Vec<_> = (0..3).map(|_| guests.admit(many).unwrap()).collect();
        let newest = guests.admit(many).unwrap();
        let is_told = |guest: &Guest| {
            let waiting = tokio::time::timeout(std::time::Duration::ZERO, guest.sent_away());
            futures_util::FutureExt::now_or_never(waiting).is_some_and(|told| told.is_ok())
        };
        guests.send_away(&newest);
        guests.send_away(&newest);
        assert!(crowd.iter().map(is_told).eq([true, true, false]), "the oldest of these");
        // Of those that have as many the oldest, which is the first.
        guests.send_away(&newest);
        assert!(is_told(&single) && !is_told(&newest));
        guests.send_away(&newest);
        assert!(is_told(&crowd[2]));
        guests.send_away(&newest);
        assert!(!is_told(&newest) && !busy.iter().any(is_told), "nobody is left who can go");
    }
}
