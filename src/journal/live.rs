//! Counts since the start, for pages that show them live.
//!
//! In: what each event added. Out: [`Totals`] for whoever watches, published by the writer's
//! thread a few times a second at most, whoever watches or not: it costs a copy of a few
//! hundred octets and of one entry a group.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::flow::{Totals, Ways};

const EVERY: Duration = Duration::from_millis(250);
/// Groups that are counted by themselves.
const GROUPS: usize = 1_000;

#[derive(Debug)]
pub(super) struct Live {
    events: u64,
    ways: Ways,
    groups: BTreeMap<Vec<String>, Ways>,
    published: Option<(Instant, u64)>,
    sender: watch::Sender<Totals>,
}

impl Default for Live {
    fn default() -> Live {
        let (sender, _) = watch::channel(Totals::default());
        Live { events: 0, ways: Ways::default(), groups: BTreeMap::new(), published: None, sender }
    }
}

impl Live {
    /// Counts what one event added to mail of these protected domains.
    pub(super) fn add(&mut self, domains: &[String], ways: Ways) {
        self.events += 1;
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
            self.sender.send_replace(Totals { events: self.events, ways: self.ways, groups });
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Totals> {
        self.sender.subscribe()
    }
}
