//! Counts since the start, for pages that show them live.
//!
//! In: what each event added to mail that came since then. Out: [`Totals`] for whoever watches,
//! published by the writer's thread a few times a second at most, whoever watches or not: it
//! costs a copy of a few hundred octets and of one entry a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::flow::{Totals, Ways};
use crate::mail::MailId;

const EVERY: Duration = Duration::from_millis(250);
/// Groups that are counted by themselves.
const GROUPS: usize = 1_000;

#[derive(Debug)]
pub(super) struct Live {
    since_ms: u64,
    events: u64,
    ways: Ways,
    groups: BTreeMap<Vec<String>, Ways>,
    published: Option<(Instant, u64)>,
    sender: watch::Sender<Totals>,
}

impl Default for Live {
    fn default() -> Live {
        let since_ms = super::now_ms();
        let (sender, _) = watch::channel(Totals { since_ms, ..Totals::default() });
        let (ways, groups) = (Ways::default(), BTreeMap::new());
        Live { since_ms, events: 0, ways, groups, published: None, sender }
    }
}

impl Live {
    /// Counts an event.
    pub(super) fn happened(&mut self) {
        self.events += 1;
    }

    /// Counts what an event of a mail added for these protected domains.
    pub(super) fn add(&mut self, mail_id: MailId, domains: &[String], ways: Ways) {
        // A search for mails since then finds no older ones.
        if mail_id.minted_at_ms() < self.since_ms {
            return;
        }
        self.ways += ways;
        let count = self.groups.len();
        match self.groups.get_mut(domains) {
            Some(group) => *group += ways,
            None if count < GROUPS => {
                self.groups.insert(domains.to_vec(), ways);
            }
            None => {}
        }
    }

    /// Tells those who watch, when there is something to tell and the last time is a while ago.
    pub(super) fn publish(&mut self, now: Instant) {
        let is_due = self.published.is_none_or(|(at, events)| {
            events != self.events && now.saturating_duration_since(at) >= EVERY
        });
        if is_due {
            self.published = Some((now, self.events));
            let groups = Arc::new(self.groups.clone());
            let (since_ms, events, ways) = (self.since_ms, self.events, self.ways);
            self.sender.send_replace(Totals { since_ms, events, ways, groups });
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Totals> {
        self.sender.subscribe()
    }
}
