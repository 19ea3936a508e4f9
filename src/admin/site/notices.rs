//! What a page has to say about the act before it; and how often one address may ask.
//!
//! In memory only, bounded: a notice that nobody fetches makes room for later ones.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::net::network::Client;
use crate::net::rates::{Buckets, Rate};

const KEPT: usize = 1_000;
const ADDRESSES: usize = 20_000;

/// How something went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether it was done.
    pub went_well: bool,
    /// In words.
    pub words: String,
}

/// Notices by session, and requests by address.
#[derive(Debug)]
pub struct Notices {
    waiting: Mutex<VecDeque<(String, Notice)>>,
    requests: Mutex<Buckets<Client>>,
    rate: Option<Rate>,
}

impl Notices {
    /// With this rate of requests for one address.
    pub fn new(rate: Option<Rate>) -> Notices {
        Notices { waiting: Mutex::default(), requests: Mutex::new(Buckets::new(ADDRESSES)), rate }
    }

    /// For the next page of a session.
    pub fn put(&self, session: &str, notice: Notice) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= KEPT {
            waiting.pop_front();
        }
        waiting.push_back((session.to_owned(), notice));
    }

    /// Those of a session, once.
    pub fn take(&self, session: &str) -> Vec<Notice> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (own, others) =
            std::mem::take(&mut *waiting).into_iter().partition(|(of, _)| of == session);
        *waiting = others;
        let own: VecDeque<(String, Notice)> = own;
        own.into_iter().map(|(_, notice)| notice).collect()
    }

    /// Whether an address may ask now, or how long it is to wait.
    pub fn admit(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.take(Client::of(address), 1, rate, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_read_once_by_its_own_session() {
        let notices = Notices::new(Rate::a_minute(2));
        let notice = Notice { went_well: true, words: "done".into() };
        notices.put("a", notice.clone());
        assert!(notices.take("b").is_empty());
        assert_eq!(notices.take("a"), [notice]);
        assert!(notices.take("a").is_empty());
        let (one, now) = ("192.0.2.1".parse().unwrap(), Instant::now());
        assert!(notices.admit(one, now).is_ok() && notices.admit(one, now).is_ok());
        assert!(notices.admit(one, now).is_err());
    }
}
