//! Links by which an approver answers without a log-in.
//!
//! In: an entry of the quarantine and the end of its time. Out: a secret of 256 bits for one
//! link, and later the [`Ticket`] that belongs to it. Only the secret's SHA-256 is kept: who reads
//! the store, or a copy of it, can answer nothing.
//!
//! Invariants: a ticket is on disk before its secret is given away. It says nothing of whether the
//! question is still open: that is the quarantine's to know, so that a ticket is good once without
//! being written again. Asked about the same entry twice (a crash in between), there are two, for
//! nobody knows which of the secrets was sent. [`Tickets::sweep`] forgets those whose time is over.
//! Fails with [`TicketError`].

use serde::{Deserialize, Serialize};

use crate::mail::MailId;
use crate::store::token::{self, NoRandomness};
use crate::store::{Shelf, Store, StoreError};

/// Letters of its text in a link.
const SECRET_LETTERS: usize = 43;
/// The tree.
const TREE: &str = "approvals";

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum TicketError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No secret can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// What a link is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The entry, as text.
    entry: String,
    /// Until when it is good, seconds since 1970.
    pub until_s: u32,
}

impl Ticket {
    /// The entry of the quarantine.
    pub fn entry(&self) -> Option<MailId> {
        self.entry.parse().ok()
    }
}

/// All tickets of the box.
#[derive(Debug, Clone)]
pub struct Tickets(Shelf<Ticket>);

impl Tickets {
    /// Those in the store.
    pub fn open(store: &Store) -> Result<Tickets, StoreError> {
        Ok(Tickets(store.shelf(TREE)?))
    }

    /// Those of a test.
    #[cfg(test)]
    pub(super) fn temporary() -> Tickets {
        Tickets(Shelf::temporary(TREE))
    }

    /// A fresh ticket; returns its secret. Blocks on the disk.
    pub fn issue(&self, entry: MailId, until_s: u32) -> Result<String, TicketError> {
        let secret = token::fresh()?;
        let ticket = Ticket { entry: entry.to_string(), until_s };
        self.0.put(&token::digest_of(&secret), &ticket)?;
        Ok(secret)
    }

    /// The ticket of a secret. Looked up by digest, so that no comparison's time tells anything.
    pub fn find(&self, secret: &str) -> Result<Option<Ticket>, StoreError> {
        if secret.len() != SECRET_LETTERS {
            return Ok(None);
        }
        self.0.find(&token::digest_of(secret))
    }

    /// Forgets those whose time is over; how many. Blocks on the disk.
    pub fn sweep(&self, now_s: u32) -> Result<usize, StoreError> {
        let mut forgotten = 0;
        for (name, ticket) in self.0.list()? {
            if ticket.until_s <= now_s {
                forgotten += usize::from(self.0.remove(&name)?);
            }
        }
        Ok(forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_finds_its_ticket_and_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let entry = MailId::from_octets([7; 12]);
        let (one, two) = {
            let store = Store::open(dir.path()).unwrap();
            let tickets = Tickets::open(&store).unwrap();
            (tickets.issue(entry, 100).unwrap(), tickets.issue(entry, 200).unwrap())
        };
        assert_eq!((one.len(), one == two), (SECRET_LETTERS, false));
        let store = Store::open(dir.path()).unwrap();
        let tickets = Tickets::open(&store).unwrap();
        let found = tickets.find(&one).unwrap().unwrap();
        assert_eq!((found.entry(), found.until_s), (Some(entry), 100));
        let mut other = one.clone().into_bytes();
        other[5] = if other[5] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        for wrong in [other.as_str(), "", &one[1..], &"A".repeat(100_000), &token::digest_of(&one)]
        {
            assert_eq!(tickets.find(wrong).unwrap(), None);
        }
        for (name, ticket) in tickets.0.list().unwrap() {
            let kept = format!("{name} {ticket:?}");
            assert!(!kept.contains(&one) && !kept.contains(&two), "{kept}");
        }
        assert_eq!(tickets.sweep(99).unwrap(), 0);
        assert_eq!(tickets.sweep(100).unwrap(), 1);
        assert_eq!(tickets.find(&one).unwrap(), None);
        assert!(tickets.find(&two).unwrap().is_some());
    }
}
