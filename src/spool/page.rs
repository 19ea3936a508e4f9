//! The queue page by page, for lists of any length.
//!
//! In: a state, where to go on, and what is to be shown. Out: [`QueuePage`]: what fits, oldest
//! first, and whether that was all. Bounded by the number of entries and by a time: entries are
//! read from the log one by one.

use std::time::{Duration, Instant};

use super::{QueueEntry, QueueFilter, QueueState, Spool};
use crate::mail::MailId;

/// Some of the queue.
#[derive(Debug, Clone, Default)]
pub struct QueuePage {
    /// Oldest first.
    pub entries: Vec<QueueEntry>,
    /// Behind which mail to go on; none when there is no more.
    pub next: Option<MailId>,
    /// Whether the time ended the search before the page was full.
    pub is_cut: bool,
}

impl Spool {
    /// Queued mail behind `after` that is admitted. Blocks on the disk.
    pub fn page(
        &self,
        states: &[QueueState],
        after: Option<MailId>,
        limit: usize,
        patience: Duration,
        admits: &mut dyn FnMut(&QueueEntry) -> bool,
    ) -> QueuePage {
        let deadline = Instant::now() + patience;
        let ids = self.matching(&QueueFilter::default());
        let from = after.map_or(0, |after| ids.partition_point(|id| *id <= after));
        let mut page = QueuePage::default();
        let mut last = None;
        for id in ids.into_iter().skip(from) {
            page.is_cut = Instant::now() > deadline;
            if page.entries.len() >= limit || page.is_cut {
                page.next = last;
                return page;
            }
            last = Some(id);
            match self.queue_entry(id) {
                Ok(Some(entry)) => {
                    if (states.is_empty() || states.contains(&entry.state)) && admits(&entry) {
                        page.entries.push(entry);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(mail_id = %id, %error, "a queued mail cannot be listed");
                }
            }
        }
        page
    }
}
