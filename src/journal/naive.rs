//! The answers of indexes and summaries, found by reading every event: what those must agree
//! with.
//!
//! In: all segments. Out: [`Found`], [`Flow`], [`Top`], [`ActsFound`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::acts::{ActCriteria, ActFound, ActQuery, ActsFound};
use super::event::Event;
use super::flow::{Flow, FlowBucket, HOUR_MS, Span, Tally, Top, TopRow, Topping, Ways};
use super::frame::Entry;
use super::marks::{domain_of, folded};
use super::query::{
    Criteria, Direction, Home, TrackQuery, first_id_at, rules_of, scope_of, viruses_of,
};
use super::search::Found;
use super::segment::Books;
use super::story::Story;
use crate::mail::MailId;

fn all(books: &Books) -> Vec<Entry> {
    let mut entries = Vec::new();
    for view in books.views().iter().rev() {
        books.scan(view, &mut |entry| entries.push(entry));
    }
    entries
}

pub(super) fn search(books: &Books, query: &TrackQuery) -> Found {
    let criteria = Criteria::of(query).unwrap();
    let limit = if query.limit == 0 { 100 } else { query.limit };
    let mut mails: BTreeMap<MailId, Vec<(u64, Event)>> = BTreeMap::new();
    for entry in all(books) {
        mails.entry(entry.mail_id).or_default().push((entry.at_ms, entry.event));
    }
    let mut stories = Vec::new();
    for (mail_id, mut events) in mails.into_iter().rev() {
        events.sort_by_key(|(at_ms, _)| *at_ms);
        let story = Story::new(mail_id, events).unwrap();
        if criteria.are_met(&story, &books.home.load()) {
            stories.push(story);
        }
    }
    let is_complete = stories.len() <= limit;
    stories.truncate(limit);
    Found { stories, is_complete, older_than: None }
}

pub(super) fn acts(books: &Books, query: &ActQuery) -> ActsFound {
    let criteria = ActCriteria::of(query);
    let limit = if query.limit == 0 { 100 } else { query.limit };
    let mut acts: Vec<ActFound> = Vec::new();
    for Entry { mail_id, at_ms, event } in all(books) {
        let Event::Administered(note) = event else { continue };
        let is_within = query.since_ms.is_none_or(|since| note.act_id >= first_id_at(since))
            && query.until_ms.is_none_or(|until| note.act_id < first_id_at(until))
            && query.before.is_none_or(|before| note.act_id < before);
        if is_within && criteria.are_met(mail_id, &note) {
            let mail_id = (mail_id != note.act_id).then_some(mail_id);
            acts.push(ActFound { at_ms, mail_id, note: *note });
        }
    }
    acts.sort_by_key(|one| std::cmp::Reverse(one.note.act_id));
    let is_more = acts.len() > limit;
    acts.truncate(limit);
    let older_than = acts.last().filter(|_| is_more).map(|one| one.note.act_id);
    ActsFound { acts, older_than }
}

/// Shows each event with the direction of its mail and whether it is within the scope, by what
/// was known of the mail when it happened.
fn events(
    books: &Books,
    domains: Option<&[String]>,
    show: &mut dyn FnMut(&Entry, Option<Direction>),
) {
    let home: &Home = &books.home.load();
    let scope = domains.map(scope_of);
    let mut known: HashMap<MailId, (Option<Direction>, BTreeSet<String>)> = HashMap::new();
    for entry in all(books) {
        let one = known.entry(entry.mail_id).or_default();
        one.0 = home.direction(&entry.event).or(one.0);
        if let Some((reverse_path, forward_paths)) = entry.event.envelope() {
            let paths = forward_paths.iter().map(String::as_str).chain([reverse_path]);
            one.1.extend(paths.filter_map(domain_of).filter(|one| home.holds(one)));
        }
        let is_within = |scope: &Vec<String>| scope.iter().any(|domain| one.1.contains(domain));
        if scope.as_ref().is_none_or(is_within) {
            show(&entry, one.0);
        }
    }
}

pub(super) fn flow(books: &Books, span: Span, domains: Option<&[String]>, now_ms: u64) -> Flow {
    let since_ms = span.since_ms(now_ms);
    let start =
        |step| FlowBucket { start_ms: since_ms + step * span.step_ms(), ways: Ways::default() };
    let mut buckets: Vec<FlowBucket> = (0..span.steps()).map(start).collect();
    let mut total = Ways::default();
    events(books, domains, &mut |entry, direction| {
        let Some(at) = entry.at_ms.checked_sub(since_ms) else { return };
        let Some(bucket) = buckets.get_mut((at / span.step_ms()) as usize) else { return };
        let mut tally = Tally::default();
        tally.count(&entry.event);
        let mut ways = Ways::default();
        *ways.place(direction.unwrap_or_default()) = tally;
        bucket.ways += ways;
        total += ways;
    });
    Flow { span, step_ms: span.step_ms(), buckets, total, is_complete: true }
}

pub(super) fn top(
    books: &Books,
    (span, topping): (Span, Topping),
    limit: usize,
    domains: Option<&[String]>,
    now_ms: u64,
) -> Top {
    let since_ms = span.since_ms(now_ms) / HOUR_MS * HOUR_MS;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    events(books, domains, &mut |entry, _| {
        if entry.at_ms < since_ms {
            return;
        }
        let names: BTreeSet<String> = match (topping, &entry.event) {
            (Topping::Senders, Event::Received { reverse_path, .. }) => {
                let name = if reverse_path.is_empty() { "<>" } else { reverse_path };
                BTreeSet::from([folded(name)])
            }
            (Topping::Recipients, Event::Received { forward_paths, .. }) => {
                forward_paths.iter().map(|path| folded(path)).collect()
            }
            (Topping::Rules, event) => rules_of(event).into_iter().collect(),
            (Topping::Viruses, event) => viruses_of(event).map(str::to_owned).collect(),
            (Topping::Findings, Event::Judged { findings, .. }) => {
                findings.iter().map(|note| note.name.clone()).collect()
            }
            _ => BTreeSet::new(),
        };
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    });
    let mut rows: Vec<TopRow> =
        counts.into_iter().map(|(name, count)| TopRow { name, count }).collect();
    rows.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name)));
    rows.truncate(limit);
    Top { topping, since_ms, rows, short_by: 0, is_complete: true }
}
