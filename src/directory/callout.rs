//! Next hops as directories: whether they take a recipient, asked by SMTP and kept.
//!
//! In: an address of a domain with `recipients = "callout"`, and somebody who can ask its next
//! hop ([`NextHops`]). Out: [`Called`]. A yes, a no and neither are kept for times of their own.
//! A next hop that takes an address that cannot exist takes any: it is left alone for a while.
//!
//! Invariants: so many questions at once to the next hops of one domain; a deadline for each;
//! what the next hop puts off (4xx, greylisting) is never taken for a no.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::cache::{Cache, Lives, Look};
use super::now_ms;
use crate::config::{Callout, Config, RecipientCheck};
use crate::mail::{Address, Domain, LocalPart};

/// What a next hop says of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Called {
    /// It takes it.
    Known,
    /// It does not.
    Unknown,
    /// It does not say, and why.
    Unclear(String),
}

/// A question under way.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Called> + Send + 'a>>;

/// Asks the next hop of an address, with a null reverse-path and without sending a mail.
pub trait NextHops: fmt::Debug + Send + Sync {
    /// Whether it would take it.
    fn take<'a>(&'a self, forward_path: &'a Address) -> Calling<'a>;
}

#[derive(Debug)]
struct Memory {
    answers: Cache<()>,
    unclear: Cache<String>,
    takes_any: Cache<bool>,
}

/// The callouts of all domains.
#[derive(Debug)]
pub struct Callouts {
    settings: Callout,
    next_hops: Arc<dyn NextHops>,
    turns: HashMap<Domain, Semaphore>,
    memory: Arc<Mutex<Memory>>,
}

impl Callouts {
    /// As configured; what was known before stays known.
    pub fn new(
        config: &Config,
        next_hops: Arc<dyn NextHops>,
        before: Option<&Callouts>,
    ) -> Callouts {
        let settings = config.callout.clone();
        let asked =
            |domain: &&crate::config::ProtectedDomain| domain.recipients == RecipientCheck::Callout;
        let turn = |domain: &crate::config::ProtectedDomain| {
            (domain.name.clone(), Semaphore::new(settings.connections))
        };
        let turns = config.domain.iter().filter(asked).map(turn).collect();
        let (answers, unclear, takes_any) = lives(&settings);
        let most = settings.cache_entries;
        let memory = match before {
            Some(before) => Arc::clone(&before.memory),
            None => Arc::new(Mutex::new(Memory {
                answers: Cache::new(answers, most),
                unclear: Cache::new(unclear, most),
                takes_any: Cache::new(takes_any, most),
            })),
        };
        let callouts = Callouts { settings, next_hops, turns, memory };
        let mut memory = callouts.memory();
        memory.answers.set_terms(answers, most);
        memory.unclear.set_terms(unclear, most);
        memory.takes_any.set_terms(takes_any, most);
        drop(memory);
        callouts
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its section.
    pub fn settings(&self) -> &Callout {
        &self.settings
    }

    /// Addresses that are known to exist, and not to.
    pub fn counts(&self) -> (usize, usize) {
        self.memory().answers.counts()
    }

    /// Domains whose next hops take any recipient.
    pub fn takers_of_any(&self) -> Vec<String> {
        let memory = self.memory();
        let any = memory.takes_any.all().filter(|(_, any, _)| **any);
        any.map(|(domain, _, _)| domain.clone()).collect()
    }

    /// What is known of an address, or what its next hop says.
    pub async fn ask(&self, address: &Address) -> Called {
        let key = address.key();
        let Some((domain, turns)) =
            address.domain().and_then(|domain| Some((domain, self.turns.get(domain)?)))
        else {
            return Called::Unclear("its next hop is not asked".into());
        };
        let (kept, is_known) = self.kept(&key, domain);
        if let Some(called) = kept {
            return called;
        }
        let limit = Duration::from_secs(self.settings.timeout_s);
        let asked = timeout(limit, async {
            match turns.acquire().await {
                // Somebody else may have asked while this one waited.
                Ok(_turn) => match self.kept(&key, domain).0 {
                    Some(called) => called,
                    None => self.next_hops.take(address).await,
                },
                Err(_) => Called::Unclear("the box is going down".into()),
            }
        });
        let called = asked.await.unwrap_or_else(|_| Called::Unclear("no answer in time".into()));
        self.remember(&key, &called);
        match called {
            Called::Known => {
                self.try_any(domain, turns).await;
                Called::Known
            }
            // It did before, and now it does not say.
            Called::Unclear(_) if is_known => Called::Known,
            other => other,
        }
    }

    /// A kept answer that may be used at once; and whether there is an old yes.
    fn kept(&self, key: &str, domain: &Domain) -> (Option<Called>, bool) {
        let (memory, now) = (self.memory(), now_ms());
        let answer = memory.answers.look(key, now);
        let is_known = matches!(answer, Look::Fresh(()) | Look::Stale(()));
        let kept = match (answer, memory.takes_any.look(domain.as_str(), now)) {
            (Look::Fresh(()), _) | (_, Look::Fresh(true)) => Some(Called::Known),
            (Look::Absent, _) => Some(Called::Unknown),
            _ => match memory.unclear.look(key, now) {
                Look::Fresh(_) if is_known => Some(Called::Known),
                Look::Fresh(why) => Some(Called::Unclear(why)),
                _ => None,
            },
        };
        (kept, is_known)
    }

    fn remember(&self, key: &str, called: &Called) {
        let (mut memory, now) = (self.memory(), now_ms());
        match called {
            Called::Known => memory.answers.present(key, (), now),
            Called::Unknown => memory.answers.absent(key, now),
            Called::Unclear(why) => memory.unclear.present(key, why.clone(), now),
        }
    }

    /// Asks for an address that cannot exist, unless that was done lately.
    async fn try_any(&self, domain: &Domain, turns: &Semaphore) {
        if self.memory().takes_any.look(domain.as_str(), now_ms()) != Look::Nothing {
            return;
        }
        let Some(nobody) = nobody_at(domain) else { return };
        let limit = Duration::from_secs(self.settings.timeout_s);
        let asked = timeout(limit, async {
            let _turn = turns.acquire().await;
            self.next_hops.take(&nobody).await
        });
        let takes_any = match asked.await {
            Ok(Called::Known) => true,
            Ok(Called::Unknown) => false,
            Ok(Called::Unclear(_)) | Err(_) => return,
        };
        if takes_any {
            tracing::warn!(%domain, "the next hop takes any recipient: callouts say nothing");
        }
        self.memory().takes_any.present(domain.as_str(), takes_any, now_ms());
    }
}

fn lives(settings: &Callout) -> (Lives, Lives, Lives) {
    let of = |fresh_s: u64, negative_s: u64, stale_s: u64| Lives {
        fresh_ms: fresh_s * 1_000,
        negative_ms: negative_s * 1_000,
        stale_ms: stale_s.max(fresh_s) * 1_000,
    };
    (
        of(settings.positive_s, settings.negative_s, settings.stale_h * 3_600),
        of(settings.unclear_s, 0, 0),
        of(settings.catch_all_s, 0, 0),
    )
}

/// An address that nobody has.
fn nobody_at(domain: &Domain) -> Option<Address> {
    let mut octets = [0; 12];
    getrandom::fill(&mut octets).ok()?;
    let random: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let local_part = LocalPart::parse(&format!("nobody-{random}")).ok()?;
    Some(Address::new(local_part, crate::mail::Host::Domain(domain.clone())))
}
