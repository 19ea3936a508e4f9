//! The quarantine page by page, for lists of any length.
//!
//! In: where to go on and what is to be shown. Out: [`HeldPage`]: what fits, newest first, and
//! whether that was all. Bounded by the number of entries and by a time: entries are read from
//! the log one by one.

use std::time::{Duration, Instant};

use super::{HeldEntry, Quarantine};
use crate::mail::MailId;

/// Some of the quarantine.
#[derive(Debug, Clone, Default)]
pub struct HeldPage {
    /// Newest first.
    pub entries: Vec<HeldEntry>,
    /// Behind which second and entry to go on; none when there is no more.
    pub next: Option<(u32, MailId)>,
    /// Whether the time ended the search before the page was full.
    pub is_cut: bool,
}

impl Quarantine {
    /// Entries behind `after`, kept at least and at most since these seconds since 1970, that
    /// are admitted. Blocks on the disk.
    pub fn page(
        &self,
        after: Option<(u32, MailId)>,
        stored_s: std::ops::RangeInclusive<u32>,
        (limit, patience): (usize, Duration),
        admits: &mut dyn FnMut(&HeldEntry) -> bool,
    ) -> HeldPage {
        let deadline = Instant::now() + patience;
        let mut places: Vec<(u32, MailId)> = {
            let state = self.state();
            let places = state.items.iter().map(|(id, item)| (item.stored_s, *id));
            places.filter(|(at_s, _)| stored_s.contains(at_s)).collect()
        };
        places.sort_unstable_by(|one, other| other.cmp(one));
        let from = after.map_or(0, |after| places.partition_point(|place| *place >= after));
        let mut page = HeldPage::default();
        let mut last = None;
        for place in places.into_iter().skip(from) {
            page.is_cut = Instant::now() > deadline;
            if page.entries.len() >= limit || page.is_cut {
                page.next = last;
                return page;
            }
            last = Some(place);
            match self.load(place.1) {
                Ok(Some(held)) => {
                    let entry = self.listed(held);
                    if admits(&entry) {
                        page.entries.push(entry);
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(mail_id = %place.1, %error, "a quarantined mail cannot be listed");
                }
            }
        }
        page
    }
}
