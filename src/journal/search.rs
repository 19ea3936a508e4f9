//! Finding mails in the journal, and acts.
//!
//! In: a [`TrackQuery`] or an [`ActQuery`]. Out: [`Found`]: the stories of mails that meet all
//! criteria, in the order of their names from the newest on; or [`ActsFound`].
//!
//! Segments are asked from the newest on. Each proposes rows; a mail is looked at when no
//! segment that was not asked yet can have a newer one, which the greatest name in each
//! segment tells. Its story is put together, from the last segment that has it back to the
//! first, and checked against all criteria.
//!
//! Bounded by the query's limit and by [`PATIENCE`]; what was not looked through is said, and
//! where to go on.

use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::acts::{ActCriteria, ActFound, ActQuery, ActsFound};
use super::event::Event;
use super::frame::Entry;
use super::index::{Lookup, select, select_acts};
use super::mend::STORY_EVENTS;
use super::query::{Criteria, TrackQuery, first_id_at};
use super::segment::{Books, View};
use super::story::{Story, maybe_as_text, maybe_from_text};
use crate::mail::MailId;

/// A question is answered with what was found by then.
const PATIENCE: Duration = Duration::from_secs(10);
const LIMIT: usize = 100;
/// How far the clock may have stepped between naming an act and noting it.
const ACT_SLACK_MS: u64 = 3_600_000;
/// Names of mails that are read at once.
const IDS_AT_ONCE: usize = 128;

/// What was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Newest first.
    pub stories: Vec<Story>,
    /// Whether everything was looked through, as against the limit or the time having ended
    /// the search.
    pub is_complete: bool,
    /// What to ask for as `before` to go on; none when everything was looked through.
    #[serde(serialize_with = "maybe_as_text", deserialize_with = "maybe_from_text")]
    pub older_than: Option<MailId>,
}

/// What one segment proposes.
struct Batch {
    view: usize,
    /// In ascending order; those whose names were not read yet.
    rows: Vec<u32>,
    /// In ascending order; all are greater than those of the rows.
    ids: Vec<MailId>,
}

impl Batch {
    fn of(view: usize, index: &dyn Lookup, criteria: &Criteria) -> std::io::Result<Batch> {
        let rows = select(index, criteria)?.list();
        let mut batch = Batch { view, rows, ids: Vec::new() };
        batch.refill(index)?;
        Ok(batch)
    }

    fn refill(&mut self, index: &dyn Lookup) -> std::io::Result<()> {
        let from = match index.is_ordered() {
            true => self.rows.len().saturating_sub(IDS_AT_ONCE),
            false => 0,
        };
        self.ids = index.ids(&self.rows.split_off(from))?;
        self.ids.sort_unstable();
        Ok(())
    }
}

/// A search that is under way.
struct Search<'b> {
    books: &'b Books,
    views: Vec<View>,
    /// For each view the greatest name in it and in all older ones.
    bounds: Vec<Option<MailId>>,
    /// How many views were asked.
    asked: usize,
    batches: Vec<Batch>,
    /// The greatest name in each batch, and the batch; the newest segment's first.
    heads: BinaryHeap<(MailId, std::cmp::Reverse<usize>)>,
    deadline: Instant,
}

/// What comes next.
enum Next {
    /// This mail, which the view knows all of.
    Mail(MailId, usize),
    /// Nothing more.
    End,
    /// There was no time to ask the other segments.
    Late,
}

impl<'b> Search<'b> {
    fn new(books: &'b Books) -> Search<'b> {
        let views = books.views();
        let mut bounds = Vec::with_capacity(views.len());
        let mut bound = None;
        for view in views.iter().rev() {
            bound = match view {
                View::Open(_) => Some(MailId::from_octets([0xff; 12])),
                View::Closed(closed) => closed.index.load().newest.max(bound),
            };
            bounds.push(bound);
        }
        bounds.reverse();
        Search {
            books,
            views,
            bounds,
            asked: 0,
            batches: Vec::new(),
            heads: BinaryHeap::new(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// The greatest name that a view not asked yet may have.
    fn bound(&self) -> Option<MailId> {
        self.bounds.get(self.asked).copied().flatten()
    }

    fn next(&mut self, criteria: &Criteria) -> Result<Next, JournalError> {
        loop {
            if Instant::now() > self.deadline {
                return Ok(Next::Late);
            }
            let head = self.heads.peek().copied();
            match head {
                Some((mail_id, std::cmp::Reverse(batch))) if self.bound() < Some(mail_id) => {
                    self.heads.pop();
                    self.advance(batch)?;
                    let view = self.batches.get(batch).map_or(0, |batch| batch.view);
                    return Ok(Next::Mail(mail_id, view));
                }
                // Whatever is older is out of the times that are asked for.
                _ if self.bound() < criteria.low => match head {
                    Some(_) => self.asked = self.views.len(),
                    None => return Ok(Next::End),
                },
                None if self.asked >= self.views.len() => return Ok(Next::End),
                _ => self.ask(criteria)?,
            }
        }
    }

    /// Asks the next view.
    fn ask(&mut self, criteria: &Criteria) -> Result<(), JournalError> {
        let at = self.asked;
        self.asked += 1;
        let Some(view) = self.views.get(at) else { return Ok(()) };
        let batch = self.books.ask(view, &mut |index| Batch::of(at, index, criteria))?;
        if let Some(batch) = batch {
            self.batches.push(batch);
            self.head(self.batches.len() - 1);
        }
        Ok(())
    }

    fn head(&mut self, batch: usize) {
        let newest = self.batches.get_mut(batch).and_then(|batch| batch.ids.pop());
        self.heads.extend(newest.map(|mail_id| (mail_id, std::cmp::Reverse(batch))));
    }

    /// Puts the next mail of a batch into the row.
    fn advance(&mut self, at: usize) -> Result<(), JournalError> {
        if let Some(batch) = self.batches.get_mut(at)
            && batch.ids.is_empty()
            && !batch.rows.is_empty()
            && let Some(view) = self.views.get(batch.view)
        {
            let mut rest = std::mem::take(&mut batch.rows);
            let ids = self.books.ask(view, &mut |index| {
                let mut more = Batch { view: 0, rows: rest.clone(), ids: Vec::new() };
                more.refill(index)?;
                rest = std::mem::take(&mut more.rows);
                Ok(more.ids)
            })?;
            (batch.rows, batch.ids) = (rest, ids.unwrap_or_default());
        }
        self.head(at);
        Ok(())
    }
}

pub(super) fn search(
    books: &Books,
    query: &TrackQuery,
    seen: &dyn Fn(Story) -> Option<Story>,
) -> Result<Found, JournalError> {
    let criteria = Criteria::of(query)?;
    let home = books.home.load_full();
    let fitting =
        |story: Option<Story>| story.and_then(seen).filter(|story| criteria.are_met(story, &home));
    let limit = if query.limit == 0 { LIMIT } else { query.limit };
    let mut found = Found::default();
    let mut search = Search::new(books);
    if let Some(mail_id) = criteria.mail_id {
        let story = whole_story(books, &search.views, mail_id)?;
        found.stories.extend(fitting(story));
        found.is_complete = true;
        return Ok(found);
    }
    let mut last = None;
    loop {
        match search.next(&criteria)? {
            Next::End => {
                found.is_complete = true;
                return Ok(found);
            }
            Next::Late => {
                // All that is greater than the bound was looked at, if nothing waits.
                found.older_than = last.or_else(|| search.bound().map(successor));
                return Ok(found);
            }
            // Known from a later segment, which knows more of it.
            Next::Mail(mail_id, _) if last == Some(mail_id) => {}
            Next::Mail(mail_id, view) => {
                if found.stories.len() >= limit {
                    found.older_than = last;
                    return Ok(found);
                }
                last = Some(mail_id);
                let story = assemble(books, &search.views, view, mail_id)?;
                found.stories.extend(fitting(story));
            }
        }
    }
}

fn successor(mail_id: MailId) -> MailId {
    let mut octets = *mail_id.octets();
    for octet in octets.iter_mut().rev() {
        let (next, is_over) = octet.overflowing_add(1);
        *octet = next;
        if !is_over {
            return MailId::from_octets(octets);
        }
    }
    mail_id
}

/// All events of a mail, wherever it occurs.
fn whole_story(
    books: &Books,
    views: &[View],
    mail_id: MailId,
) -> Result<Option<Story>, JournalError> {
    for (at, view) in views.iter().enumerate() {
        let may_have = match view {
            View::Open(_) => true,
            View::Closed(closed) => closed.index.load().newest >= Some(mail_id),
        };
        if may_have && let Some(Some(_)) = books.ask(view, &mut |index| index.frames(mail_id))? {
            return assemble(books, views, at, mail_id);
        }
    }
    Ok(None)
}

/// All events of a mail, in order, from the last segment that has it back to the first.
fn assemble(
    books: &Books,
    views: &[View],
    last: usize,
    mail_id: MailId,
) -> Result<Option<Story>, JournalError> {
    let mut parts: Vec<Vec<Entry>> = Vec::new();
    let mut room = STORY_EVENTS;
    let mut view = views.get(last);
    while let Some(one) = view {
        let frames = books.ask(one, &mut |index| index.frames(mail_id))?.flatten();
        let Some((mut offsets, previous)) = frames else { break };
        offsets.truncate(room);
        room -= offsets.len();
        parts.push(books.read(one.number(), &offsets));
        // Newest first, and only ever further back, whatever an index says.
        let at = views.binary_search_by(|view| previous.cmp(&view.number()));
        view = at.ok().and_then(|at| views.get(at)).filter(|next| next.number() < one.number());
    }
    let entries = parts.into_iter().rev().flatten();
    let mut entries: Vec<Entry> = entries.filter(|entry| entry.mail_id == mail_id).collect();
    entries.sort_by_key(|entry| entry.at_ms);
    let events = entries.into_iter().map(|entry| (entry.at_ms, entry.event)).collect();
    Ok(Story::new(mail_id, events))
}

/// Acts, newest first.
pub(super) fn acts(books: &Books, query: &ActQuery) -> Result<ActsFound, JournalError> {
    let criteria = ActCriteria::of(query);
    let limit = if query.limit == 0 { LIMIT } else { query.limit };
    let is_within = |act_id: MailId| {
        query.since_ms.is_none_or(|since| act_id >= first_id_at(since))
            && query.until_ms.is_none_or(|until| act_id < first_id_at(until))
            && query.before.is_none_or(|before| act_id < before)
    };
    let deadline = Instant::now() + PATIENCE;
    let mut found = ActsFound::default();
    let before_ms = query.before.map(|before| before.minted_at_ms());
    let end_ms = [query.until_ms, before_ms].into_iter().flatten().min();
    for view in &books.views() {
        let (first_ms, last_ms) = Books::times_ms(view);
        if query.since_ms.is_some_and(|since| last_ms < since.saturating_sub(ACT_SLACK_MS))
            || end_ms.is_some_and(|end| first_ms > end.saturating_add(ACT_SLACK_MS))
        {
            continue;
        }
        let frames = books.ask(view, &mut |index| select_acts(index, &criteria))?;
        let frames = frames.unwrap_or_default();
        for some in frames.rchunks(64) {
            for entry in books.read(view.number(), some).into_iter().rev() {
                let Entry { mail_id, at_ms, event: Event::Administered(note) } = entry else {
                    continue;
                };
                if !is_within(note.act_id) || !criteria.are_met(mail_id, &note) {
                    continue;
                }
                if found.acts.len() >= limit || Instant::now() > deadline {
                    found.older_than = found.acts.last().map(|one| one.note.act_id);
                    return Ok(found);
                }
                let mail_id = (mail_id != note.act_id).then_some(mail_id);
                found.acts.push(ActFound { at_ms, mail_id, note: *note });
            }
        }
    }
    Ok(found)
}
