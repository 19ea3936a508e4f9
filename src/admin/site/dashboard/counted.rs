//! What the journal says of a span, counted once for all who look.
//!
//! In: a span and the caller's domains. Out: [`Counted`]. Weeks and months are counted from
//! millions of mails and change little in a minute, so their counts are kept for that long; an
//! hour and a day are counted for each page. Bounded: so many are kept. Blocks; fails as the
//! journal does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{NAMES, TOPPINGS};
use crate::journal::{Flow, Journal, JournalError, Span, Top, Topping};

/// How long counts of weeks and months are shown.
const KEPT_MS: u64 = 60_000;
/// Spans of callers for different domains.
const KEPT: usize = 200;

/// Counts of a span.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) flow: Flow,
    /// In the order of [`TOPPINGS`].
    pub(super) tops: Vec<Top>,
    /// When they were counted, where they may be a little old.
    pub(super) kept_since_ms: Option<u64>,
}

type Asked = (&'static str, Option<Vec<String>>);

/// Counts that are kept.
#[derive(Debug, Default)]
pub(in crate::admin::site) struct Counts(Mutex<HashMap<Asked, Arc<Counted>>>);

impl Counts {
    /// What there is of a span in the mail of these domains, or in all.
    pub(super) fn of(
        &self,
        journal: &Journal,
        span: Span,
        domains: Option<Vec<String>>,
        now_ms: u64,
    ) -> Result<Arc<Counted>, JournalError> {
        let long = match span {
            Span::Hour | Span::Day => None,
            Span::Week => Some("week"),
            Span::Month => Some("month"),
        };
        let Some(name) = long else {
            return Ok(Arc::new(count(journal, span, domains.as_deref())?));
        };
        let asked = (name, domains);
        let is_fresh = |known: &Counted| {
            let since = |kept_ms| now_ms.saturating_sub(kept_ms) < KEPT_MS;
            known.flow.is_complete && known.kept_since_ms.is_some_and(since)
        };
        let known = self.kept().get(&asked).filter(|known| is_fresh(known)).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let counted = count(journal, span, asked.1.as_deref())?;
        let counted = Arc::new(Counted { kept_since_ms: Some(now_ms), ..counted });
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.retain(|_, known| is_fresh(known));
        }
        if kept.len() < KEPT {
            kept.insert(asked, Arc::clone(&counted));
        }
        Ok(counted)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<Asked, Arc<Counted>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(
    journal: &Journal,
    span: Span,
    domains: Option<&[String]>,
) -> Result<Counted, JournalError> {
    journal.flush();
    let flow = journal.flow(span, domains)?;
    let top = |(topping, ..): &(Topping, _, _)| journal.top(span, *topping, NAMES, domains);
    let tops = TOPPINGS.iter().map(top).collect::<Result<Vec<_>, _>>()?;
    Ok(Counted { flow, tops, kept_since_ms: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::journal::Event;
    use crate::mail::{MailId, Role};

    #[test]
    fn weeks_are_counted_once_a_minute_and_days_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&config::Journal::default(), folder.path()).unwrap();
        let counts = Counts::default();
        let now_ms = jiff::Timestamp::now().as_millisecond() as u64;
        let seen = |span, later_ms| {
            let counted = counts.of(&journal, span, None, now_ms + later_ms).unwrap();
            counted.flow.total.all().received
        };
        assert_eq!((seen(Span::Day, 0), seen(Span::Week, 0), seen(Span::Month, 0)), (0, 0, 0));
        let event = Event::Received {
            role: Role::Inbound,
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            helo: String::new(),
            reverse_path: "ann@sender.test".into(),
            forward_paths: vec!["bob@own.test".into()],
            size_octets: 1,
            tls: None,
            account: None,
        };
        journal.record(MailId::mint(), event);
        assert_eq!((seen(Span::Day, 1_000), seen(Span::Hour, 1_000)), (1, 1));
        assert_eq!((seen(Span::Week, 59_000), seen(Span::Month, 59_000)), (0, 0));
        assert_eq!((seen(Span::Week, 60_000), seen(Span::Month, 60_000)), (1, 1));
        let others = counts.of(&journal, Span::Week, Some(vec!["other.test".into()]), now_ms);
        assert_eq!(others.unwrap().flow.total.all().received, 0);
    }
}
