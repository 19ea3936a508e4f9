//! Finding mails in the journal.
//!
//! In: a [`TrackQuery`]. Out: [`Found`]: the stories of mails that meet all its criteria,
//! newest first. The most telling criterion finds candidates by the indexes, segment by
//! segment from the newest; each candidate's story is put together and checked against all.
//!
//! Bounded by the query's limit and by [`PATIENCE`]; what was not looked through is said.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::frame::Entry;
use super::index::{Token, folded};
use super::segment::{Books, View};
use super::story::Story;
use crate::mail::MailId;

/// A question is answered with what was found by then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events of one story; what happened after so many is left out.
const STORY_EVENTS: usize = 20_000;
/// How far the clock may have stepped back between minting a MailId and its events.
const CLOCK_SLACK_MS: u64 = 3_600_000;

/// What is known of the mail that is looked for. Criteria that are absent are met by all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackQuery {
    /// Any part of the reverse-path, in any case; `<>` for the null one.
    pub sender: Option<String>,
    /// Any part of a forward-path, in any case.
    pub recipient: Option<String>,
    /// With or without angle brackets.
    pub message_id: Option<String>,
    /// The name that the box gave it.
    pub mail_id: Option<MailId>,
    /// Stories at most; 0 means 100.
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Found {
    /// Newest first.
    pub stories: Vec<Story>,
    /// Whether everything was looked through, as against the limit or the time having ended
    /// the search.
    pub is_complete: bool,
}

/// The criteria in the form in which they are compared.
struct Criteria {
    sender: Option<String>,
    recipient: Option<String>,
    message_id: Option<String>,
    mail_id: Option<MailId>,
}

impl Criteria {
    fn of(query: &TrackQuery) -> Criteria {
        let address = |text: &String| folded(bare(text));
        Criteria {
            sender: query.sender.as_ref().map(address),
            recipient: query.recipient.as_ref().map(address),
            message_id: query.message_id.as_ref().map(|id| bare(id).to_owned()),
            mail_id: query.mail_id,
        }
    }

    fn token(&self) -> Token<'_> {
        match (self.mail_id, &self.message_id, &self.sender, &self.recipient) {
            (Some(mail_id), _, _, _) => Token::Mail(mail_id),
            (_, Some(id), _, _) => Token::MessageId(id),
            // A recipient is asked for more often in full than a sender.
            (_, _, _, Some(part)) => Token::RecipientPart(part),
            (_, _, Some(part), _) => Token::SenderPart(part),
            (None, None, None, None) => Token::Beginning,
        }
    }

    fn are_met(&self, story: &Story) -> bool {
        let sender = match story.reverse_path.as_str() {
            "" => "<>".to_owned(),
            path => folded(path),
        };
        let is_for = |part: &String| story.forward_paths.iter().any(|to| folded(to).contains(part));
        self.sender.as_ref().is_none_or(|part| sender.contains(part))
            && self.recipient.as_ref().is_none_or(is_for)
            && self.message_id.as_ref().is_none_or(|id| *id == story.message_id)
            && self.mail_id.is_none_or(|id| id == story.mail_id)
    }
}

/// Without the angle brackets and spaces around it, unless nothing would be left.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    if inner.is_empty() { text } else { inner }
}

pub(super) fn search(books: &Books, query: &TrackQuery) -> Result<Found, JournalError> {
    let criteria = Criteria::of(query);
    let limit = if query.limit == 0 { 100 } else { query.limit };
    let deadline = Instant::now() + PATIENCE;
    let views = books.views();
    let token = criteria.token();
    let mut seen = HashSet::new();
    let mut found = Found { stories: Vec::new(), is_complete: false };
    for view in &views {
        let (number, offsets) = books.offsets(view, &token)?;
        // A few at a time: most questions are answered by the newest.
        for some in offsets.chunks(64) {
            for candidate in books.read(number, some) {
                if found.stories.len() >= limit || Instant::now() > deadline {
                    return Ok(found);
                }
                if !seen.insert(candidate.mail_id) {
                    continue;
                }
                let story = assemble(books, &views, candidate.mail_id)?;
                found.stories.extend(story.filter(|story| criteria.are_met(story)));
            }
            if criteria.mail_id.is_some_and(|mail_id| seen.contains(&mail_id)) {
                break;
            }
        }
    }
    found.is_complete = true;
    Ok(found)
}

/// All events of a mail, in order.
fn assemble(books: &Books, views: &[View], mail_id: MailId) -> Result<Option<Story>, JournalError> {
    let since_ms = mail_id.minted_at_ms().saturating_sub(CLOCK_SLACK_MS);
    let mut entries: Vec<Entry> = Vec::new();
    for view in views.iter().rev().filter(|view| Books::last_ms(view) >= since_ms) {
        let (number, mut offsets) = books.offsets(view, &Token::Mail(mail_id))?;
        offsets.reverse();
        offsets.truncate(STORY_EVENTS.saturating_sub(entries.len()));
        entries.extend(books.read(number, &offsets));
    }
    // A fingerprint may be another mail's as well.
    entries.retain(|entry| entry.mail_id == mail_id);
    entries.sort_by_key(|entry| entry.at_ms);
    let events = entries.into_iter().map(|entry| (entry.at_ms, entry.event)).collect();
    Ok(Story::new(mail_id, events))
}
