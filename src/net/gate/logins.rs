//! Who tries passwords out.
//!
//! A stranger's failure counts against his client, against its network and against the
//! account. Who has logged in to the account from the same client before is no stranger: his
//! failures count on their own, so that nobody can lock him out by failing under his name, and
//! his telephone with last year's password does not lock out his colleagues.

use std::time::{Duration, Instant};

use super::{Excess, Limit, NEIGHBOURS};
use crate::config::SubmissionRates;
use crate::net::network::{Client, Network};
use crate::net::rates::{Buckets, Rate, Remembered};

/// How long a client is no stranger to an account.
const ACQUAINTED: Duration = Duration::from_secs(30 * 24 * 3_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Party {
    Client(Client),
    Network(Network),
    Account(u64),
    Acquainted(Client, u64),
}

#[derive(Debug)]
pub(super) struct Logins {
    failed: Buckets<Party>,
    acquainted: Remembered<(Client, u64)>,
}

impl Logins {
    pub(super) fn new(most: usize) -> Logins {
        Logins { failed: Buckets::new(most), acquainted: Remembered::new(most) }
    }

    fn parties(
        &self,
        rates: &SubmissionRates,
        client: Client,
        account: u64,
        now: Instant,
    ) -> Vec<(Limit, Party, Rate)> {
        let of_client = rates.failed_logins_per_hour_per_client;
        let of_network = of_client.saturating_mul(NEIGHBOURS);
        let of_account = rates.failed_logins_per_hour_per_account;
        let own = [(Limit::ClientLogins, Party::Acquainted(client, account), of_client)];
        let strange = [
            (Limit::ClientLogins, Party::Client(client), of_client),
            (Limit::ClientLogins, Party::Network(client.network()), of_network),
            (Limit::AccountLogins, Party::Account(account), of_account),
        ];
        let is_acquainted = self.acquainted.until(&(client, account), now).is_some();
        let parties = if is_acquainted { &own[..] } else { &strange[..] };
        let rated = |(limit, party, count): &(Limit, Party, u32)| {
            Rate::an_hour(*count).map(|rate| (*limit, *party, rate))
        };
        parties.iter().filter_map(rated).collect()
    }

    /// Counts an attempt as failed, or says that there may be none.
    pub(super) fn attempt(
        &mut self,
        rates: &SubmissionRates,
        client: Client,
        account: u64,
        now: Instant,
    ) -> Result<(), Excess> {
        let parties = self.parties(rates, client, account, now);
        for (limit, party, rate) in &parties {
            if let Some(wait) = self.failed.wait(party, 1, *rate, now) {
                return Err(Excess { limit: *limit, wait });
            }
        }
        for (_, party, rate) in parties {
            // It was in there a moment ago.
            let _: Result<(), Duration> = self.failed.take(party, 1, rate, now);
        }
        Ok(())
    }

    /// An attempt did not fail after all.
    pub(super) fn undo(
        &mut self,
        rates: &SubmissionRates,
        client: Client,
        account: u64,
        now: Instant,
    ) {
        for (_, party, rate) in self.parties(rates, client, account, now) {
            self.failed.give_back(party, 1, rate, now);
        }
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(
        &mut self,
        rates: &SubmissionRates,
        client: Client,
        account: u64,
        now: Instant,
    ) {
        self.undo(rates, client, account, now);
        self.failed.forgive(&Party::Acquainted(client, account));
        if let Some(until) = now.checked_add(ACQUAINTED) {
            self.acquainted.set((client, account), until, now);
        }
    }
}
