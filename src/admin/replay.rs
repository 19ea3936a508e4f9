//! A draft of rules over the journal, and over what is still kept of its mail.
//!
//! In: a [`ReplayRequest`]. Out: [`ReplayLine`]s: each change as it is found, from time to time
//! how far it is, at last what all come to. One search of this kind runs at a time, on a thread
//! of its own; it ends when its reader has gone.
//!
//! A wrong draft is refused with file, line and column before anything is searched.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use tokio::sync::mpsc::Receiver;
use warp::reply::Response as Answer;

use super::desk::{Desk, DeskError, rfc3339};
use super::lines::{self, Lines};
use super::past::{DecisionRow, ReplayLine, ReplayRequest, ReplayRow, ReplaySummary, RuleCountRow};
use super::ruling::InForce;
use crate::analysis::header_and_author;
use crate::journal::{JournalError, Story};
use crate::mail::{Content, MailId};
use crate::policy::replay::{Change, Decision, Recalled, Replay, Replayed, Tally};
use crate::policy::rules::RuleBook;

/// Between two words on how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);
const DAY_MS: u64 = 86_400_000;
/// Larger messages are not read for their header: nobody keeps such a header section.
const READ_OCTETS: u64 = 64 << 20;

impl Desk {
    /// Whoever goes through all mail does so alone.
    pub(super) fn search_alone(&self) -> Result<OwnedMutexGuard<()>, DeskError> {
        let busy = || DeskError::Unfit("another search through past mail is under way".into());
        Arc::clone(&self.searching).try_lock_owned().map_err(|_| busy())
    }

    /// Begins to answer what a draft would have changed.
    pub(super) fn replay(self: Arc<Self>, order: ReplayRequest) -> Result<Answer, DeskError> {
        self.replayed(order).map(|rows| lines::streamed(rows, "application/x-ndjson"))
    }

    /// The same, for whoever makes something else of the [`ReplayLine`]s.
    pub(super) fn replayed(
        self: Arc<Self>,
        order: ReplayRequest,
    ) -> Result<Receiver<Bytes>, DeskError> {
        let alone = self.search_alone()?;
        let InForce { policy: now, groups, .. } = self.ruling.in_force();
        let draft = RuleBook::parse(&order.draft, &order.file, &groups)
            .map_err(|error| DeskError::Misspoken(error.to_string()))?;
        let replay = Replay::new(now, Arc::new(draft));
        let since_ms = since(order.days);
        let (lines, rows) = lines::rows();
        tokio::task::spawn_blocking(move || {
            Search::new(&self, &replay, &lines, since_ms).run();
            drop(alone);
        });
        Ok(rows)
    }

    /// The message itself, where archive or quarantine still have it.
    fn kept(&self, mail_id: MailId) -> Option<Content> {
        let archived = self.archive.load(mail_id, None).ok().flatten();
        if let Some(archived) = archived {
            return Some(archived.content);
        }
        let held = self.quarantine.load(mail_id).ok().flatten();
        held.filter(|held| held.mail_id == mail_id).map(|held| held.content)
    }
}

/// Milliseconds since 1970, so many days ago.
pub(super) fn since(days: u32) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    now_ms.saturating_sub(u64::from(days).saturating_mul(DAY_MS))
}

/// One search.
struct Search<'s> {
    desk: &'s Desk,
    replay: &'s Replay,
    lines: &'s Lines,
    since_ms: u64,
    tally: Tally,
    unreadable: u64,
    told: Instant,
}

impl<'s> Search<'s> {
    fn new(desk: &'s Desk, replay: &'s Replay, lines: &'s Lines, since_ms: u64) -> Search<'s> {
        let (tally, told) = (Tally::default(), Instant::now());
        Search { desk, replay, lines, since_ms, tally, unreadable: 0, told }
    }

    fn run(mut self) {
        let journal = Arc::clone(&self.desk.journal);
        let walked = journal.walk(self.since_ms, &mut |story| self.see(&story));
        let _ = match walked {
            Ok(()) => self.lines.put_blocking(&ReplayLine::Summary(self.summary())),
            Err(error) => self.fail(&error),
        };
    }

    fn fail(&self, error: &JournalError) -> Result<(), lines::Gone> {
        tracing::error!(%error, "the journal cannot be searched");
        self.lines.put_blocking(&ReplayLine::Failure { error: error.to_string() })
    }

    fn see(&mut self, story: &Story) -> ControlFlow<()> {
        let Some(mut mail) = Recalled::of(story) else {
            self.unreadable += 1;
            return ControlFlow::Continue(());
        };
        if self.replay.would_read(&mail) {
            self.read(&mut mail);
        }
        let replayed = self.replay.ask(&mail);
        self.tally.add(&replayed);
        for change in &replayed.changes {
            let line = ReplayLine::Change(Box::new(row(&mail, &replayed, change)));
            if self.lines.put_blocking(&line).is_err() {
                return ControlFlow::Break(());
            }
        }
        self.tell(&mail)
    }

    /// Takes from the mail itself what the journal does not hold.
    fn read(&self, mail: &mut Recalled) {
        let content = self.desk.kept(mail.mail_id);
        let content = content.filter(|content| content.len() <= READ_OCTETS);
        if let Some(Ok(octets)) = content.map(|content| content.read_all())
            && let Some((header, author)) = header_and_author(&octets)
        {
            mail.read(header, &author);
        }
    }

    fn tell(&mut self, mail: &Recalled) -> ControlFlow<()> {
        if self.told.elapsed() < TELL_EVERY {
            return ControlFlow::Continue(());
        }
        self.told = Instant::now();
        let (mails, until) = (self.tally.mails, rfc3339(mail.received_ms));
        match self.lines.put_blocking(&ReplayLine::Progress { mails, until }) {
            Ok(()) => ControlFlow::Continue(()),
            Err(lines::Gone) => ControlFlow::Break(()),
        }
    }

    fn summary(&self) -> ReplaySummary {
        let tally = &self.tally;
        let rules = tally.rules.iter().map(|(name, count)| {
            let (newly, no_more, otherwise) = (count.newly, count.no_more, count.otherwise);
            (name.clone(), RuleCountRow { newly, no_more, otherwise })
        });
        ReplaySummary {
            since: rfc3339(self.since_ms),
            mails: tally.mails,
            recipients: tally.recipients,
            changed_mails: tally.changed_mails,
            changed: tally.changed,
            uncertain_mails: tally.uncertain_mails,
            unreadable_mails: self.unreadable,
            rules: rules.collect(),
            users: tally.users.clone(),
            other_users: tally.other_users,
        }
    }
}

fn row(mail: &Recalled, replayed: &Replayed, change: &Change) -> ReplayRow {
    let decision = |one: &Decision| DecisionRow {
        order: one.order.clone(),
        rule: one.rule.clone(),
        orders: one.orders.clone(),
    };
    ReplayRow {
        mail_id: mail.mail_id.to_string(),
        received: rfc3339(mail.received_ms),
        reverse_path: mail.reverse_path.clone(),
        recipient: mail.forward_paths.get(change.recipient).cloned().unwrap_or_default(),
        subject: mail.subject.clone(),
        user: change.user.clone(),
        became: mail.dispositions.clone(),
        before: decision(&change.before),
        after: decision(&change.after),
        uncertain: !replayed.unknown.is_empty(),
        unknown: replayed.unknown.clone(),
    }
}
