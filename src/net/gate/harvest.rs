//! Who tries addresses out to learn which exist.
//!
//! Every recipient that does not exist takes from a bucket of the client and from a larger one
//! of its network; mail that is taken puts some back, so that a list with a few dead addresses
//! is not held for an attack. An empty bucket is kept empty for a while, and as long as it is
//! the answer to every recipient is the same.

use std::time::{Duration, Instant};

use super::{Excess, Limit, NEIGHBOURS};
use crate::config::Door;
use crate::net::network::{Client, Network};
use crate::net::rates::{Buckets, Rate};

/// A mail makes up for at most so many unknown recipients: where every local part is taken, a
/// mail to a thousand invented ones is easily sent.
const MADE_UP: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Party {
    Client(Client),
    Network(Network),
}

#[derive(Debug)]
pub(super) struct Harvest {
    unknown: Buckets<Party>,
}

fn parties(door: &Door, client: Client) -> Vec<(Party, Rate)> {
    let count = door.unknown_recipients_per_hour;
    let own = Rate::an_hour(count).map(|rate| (Party::Client(client), rate));
    let shared = Rate::an_hour(count.saturating_mul(NEIGHBOURS));
    let shared = shared.map(|rate| (Party::Network(client.network()), rate));
    own.into_iter().chain(shared).collect()
}

impl Harvest {
    pub(super) fn new(most: usize) -> Harvest {
        Harvest { unknown: Buckets::new(most) }
    }

    pub(super) fn check(&self, door: &Door, client: Client, now: Instant) -> Result<(), Excess> {
        let waits = parties(door, client).into_iter();
        let waits = waits.filter_map(|(party, rate)| self.unknown.wait(&party, 1, rate, now));
        let longest: Option<Duration> = waits.max();
        longest.map_or(Ok(()), |wait| Err(Excess { limit: Limit::Harvest, wait }))
    }

    pub(super) fn unknown(&mut self, door: &Door, client: Client, now: Instant) {
        for (party, rate) in parties(door, client) {
            let is_spent = self.unknown.take(party, 1, rate, now).is_err()
                || self.unknown.wait(&party, 1, rate, now).is_some();
            if is_spent {
                self.unknown.drain(party, rate, door.harvest_block(), now);
            }
        }
    }

    pub(super) fn known(&mut self, door: &Door, client: Client, count: usize, now: Instant) {
        // A mail that was under way when its client was found out buys nothing.
        if self.check(door, client, now).is_err() {
            return;
        }
        let count = u32::try_from(count.min(MADE_UP)).unwrap_or(0);
        for (party, rate) in parties(door, client) {
            self.unknown.give_back(party, count, rate, now);
        }
    }
}
