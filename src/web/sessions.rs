//! Log-in sessions: who has shown who they are, from where, and for how long that counts.
//!
//! In: a name. Out: a secret for the cookie; later the [`Session`] that belongs to it. Only the
//! secret's digest is kept. A session ends by [`Lifetimes::idle`] without a request, by
//! [`Lifetimes::whole`] in any case, when its owner or an administrator ends it, or when its
//! person's password changes.
//!
//! Invariant: a session that was ended is on disk as ended when the call returns.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::store::token::{self, NoRandomness};
use crate::store::{Shelf, Store, StoreError};

/// Of one person; the oldest makes room.
const MOST_OF_ONE: usize = 20;
/// The last request of a session is written down this often at most.
const SEEN_EVERY_MS: u64 = 60_000;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Without a request.
    pub idle: Duration,
    /// In any case.
    pub whole: Duration,
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Who.
    pub person: String,
    /// Milliseconds since 1970.
    pub begun_ms: u64,
    /// The last request, to the minute.
    pub seen_ms: u64,
    /// From where it was begun.
    pub client: String,
    /// The browser, as it calls itself.
    pub agent: String,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No secret can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// All sessions of one site.
#[derive(Debug, Clone)]
pub struct Sessions {
    shelf: Shelf<Session>,
    lifetimes: Lifetimes,
}

impl Sessions {
    /// Those of the tree `what`.
    pub fn open(
        store: &Store,
        what: &'static str,
        lifetimes: Lifetimes,
    ) -> Result<Sessions, StoreError> {
        Ok(Sessions { shelf: store.shelf(what)?, lifetimes })
    }

    /// Begins one; returns the secret. Blocks.
    pub fn begin(
        &self,
        person: &str,
        client: &str,
        agent: &str,
        now_ms: u64,
    ) -> Result<String, SessionError> {
        let mut own = self.of(person, now_ms)?;
        own.sort_by_key(|(_, session)| session.seen_ms);
        let too_many = (own.len() + 1).saturating_sub(MOST_OF_ONE);
        for (name, _) in own.iter().take(too_many) {
            self.shelf.remove(name)?;
        }
        let secret = token::fresh()?;
        let session = Session {
            person: person.to_owned(),
            begun_ms: now_ms,
            seen_ms: now_ms,
            client: client.to_owned(),
            agent: agent.chars().take(200).collect(),
        };
        self.shelf.put(&token::digest_of(&secret), &session)?;
        Ok(secret)
    }

    /// The session that a secret belongs to, when it still lasts, and its name. Now and then
    /// writes down that it was seen: may block.
    pub fn resume(
        &self,
        secret: &str,
        now_ms: u64,
    ) -> Result<Option<(String, Session)>, StoreError> {
        let name = token::digest_of(secret);
        let Some(mut session) = self.shelf.find(&name)? else { return Ok(None) };
        if !self.lasts(&session, now_ms) {
            self.shelf.remove(&name)?;
            return Ok(None);
        }
        if now_ms.saturating_sub(session.seen_ms) >= SEEN_EVERY_MS {
            session.seen_ms = now_ms;
            match self.shelf.change(&name, |kept: &mut Session| kept.seen_ms = now_ms) {
                Ok(()) => {}
                // Ended at this very moment.
                Err(StoreError::Unknown(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some((name, session)))
    }

    /// Those of a person that still last, by name.
    pub fn of(&self, person: &str, now_ms: u64) -> Result<Vec<(String, Session)>, StoreError> {
        let all = self.shelf.list()?.into_iter();
        Ok(all
            .filter(|(_, session)| session.person == person && self.lasts(session, now_ms))
            .collect())
    }

    /// Ends one of a person; whether there was one. Blocks.
    pub fn end(&self, person: &str, name: &str) -> Result<bool, StoreError> {
        match self.shelf.find(name)? {
            Some(session) if session.person == person => self.shelf.remove(name),
            _ => Ok(false),
        }
    }

    /// Ends all of a person, but one perhaps. Blocks.
    pub fn end_all(&self, person: &str, but: Option<&str>) -> Result<usize, StoreError> {
        let mut ended = 0;
        for (name, session) in self.shelf.list()? {
            if session.person == person && but != Some(name.as_str()) {
                ended += usize::from(self.shelf.remove(&name)?);
            }
        }
        Ok(ended)
    }

    /// Forgets those that have ended by themselves. Blocks.
    pub fn sweep(&self, now_ms: u64) -> Result<(), StoreError> {
        for (name, session) in self.shelf.list()? {
            if !self.lasts(&session, now_ms) {
                self.shelf.remove(&name)?;
            }
        }
        Ok(())
    }

    fn lasts(&self, session: &Session, now_ms: u64) -> bool {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        now_ms.saturating_sub(session.seen_ms) < ms(self.lifetimes.idle)
            && now_ms.saturating_sub(session.begun_ms) < ms(self.lifetimes.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_last_as_long_as_they_may_and_end_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let lifetimes =
            Lifetimes { idle: Duration::from_secs(600), whole: Duration::from_secs(3_600) };
        let sessions = Sessions::open(&store, "sessions", lifetimes).unwrap();
        let secret = sessions.begin("ann", "192.0.2.1", "x", 0).unwrap();
        assert!(sessions.resume(&secret, 599_999).unwrap().is_some());
        assert!(sessions.resume(&secret, 1_199_998).unwrap().is_some(), "it was seen meanwhile");
        assert!(sessions.resume("other", 1).unwrap().is_none());
        for minute in (20..60).step_by(5) {
            assert!(sessions.resume(&secret, minute * 60_000).unwrap().is_some(), "{minute}");
        }
        assert!(sessions.resume(&secret, 3_600_000).unwrap().is_none(), "its time is over");
        let (one, two) = (
            sessions.begin("ann", "a", "", 0).unwrap(),
            sessions.begin("bob", "b", "", 0).unwrap(),
        );
        let (name, _) = sessions.resume(&one, 1).unwrap().unwrap();
        assert!(!sessions.end("bob", &name).unwrap(), "not bob's");
        assert!(sessions.end("ann", &name).unwrap());
        assert!(sessions.resume(&one, 1).unwrap().is_none());
        assert_eq!(sessions.end_all("bob", None).unwrap(), 1);
        assert!(sessions.resume(&two, 1).unwrap().is_none());
    }

    #[test]
    fn nobody_has_more_than_so_many() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let lifetimes = Lifetimes { idle: Duration::MAX, whole: Duration::MAX };
        let sessions = Sessions::open(&store, "sessions", lifetimes).unwrap();
        let first = sessions.begin("ann", "a", "", 0).unwrap();
        for at in 1..=20 {
            sessions.begin("ann", "a", "", at).unwrap();
        }
        assert_eq!(sessions.of("ann", 30).unwrap().len(), 20);
        assert!(sessions.resume(&first, 30).unwrap().is_none(), "the oldest made room");
    }
}
