//! Answers for the dashboard, from the summaries of all segments.
//!
//! In: a [`Span`], and the domains that somebody may see. Out: [`Flow`] and [`Top`]. No event is
//! read, but where a summary is missing: then it is made again, for a short time at most, and
//! what is still missing is said.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::flow::{Flow, FlowBucket, HOUR_MS, Span, Top, TopRow, Topping, Ways};
use super::marks::domain_of;
use super::query::scope_of;
use super::segment::Books;

/// How long a question may wait for summaries that are made again.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whose counts are asked for.
struct Scope(Option<Vec<String>>);

impl Scope {
    fn of(domains: Option<&[String]>) -> Scope {
        Scope(domains.map(scope_of))
    }

    /// Whether an address is within.
    fn holds(&self, address: &str) -> bool {
        self.0.as_ref().is_none_or(|scope| {
            domain_of(address).is_some_and(|domain| scope.binary_search(&domain).is_ok())
        })
    }

    /// For each group whether it is within.
    fn within(&self, groups: &[Vec<String>]) -> Vec<bool> {
        let is_within = |group: &Vec<String>| match &self.0 {
            Some(scope) => group.iter().any(|one| scope.binary_search(one).is_ok()),
            None => true,
        };
        groups.iter().map(is_within).collect()
    }
}

pub(super) fn flow(books: &Books, span: Span, domains: Option<&[String]>, now_ms: u64) -> Flow {
    let (since_ms, step_ms) = (span.since_ms(now_ms), span.step_ms());
    let start =
        |step: u64| FlowBucket { start_ms: since_ms + step * step_ms, ..Default::default() };
    let mut flow = Flow {
        span,
        step_ms,
        buckets: (0..span.steps()).map(start).collect(),
        total: Ways::default(),
        is_complete: true,
    };
    let scope = Scope::of(domains);
    let deadline = Instant::now() + PATIENCE;
    let mut add = |at_ms: u64, ways: Ways| {
        let Some(after_ms) = at_ms.checked_sub(since_ms) else { return };
        let step = usize::try_from(after_ms / step_ms).unwrap_or(usize::MAX);
        if let Some(bucket) = flow.buckets.get_mut(step) {
            bucket.ways += ways;
        }
    };
    let is_complete = books.summaries(since_ms, deadline, &mut |source| {
        let within = scope.within(source.groups());
        source.steps(since_ms, &mut |step, group, ways| {
            if within.get(group as usize) == Some(&true) {
                add(step, ways);
            }
        })
    });
    flow.is_complete = is_complete;
    for bucket in &mut flow.buckets {
        bucket.ways = bucket.ways.at_least_none();
        flow.total += bucket.ways;
    }
    flow
}

pub(super) fn top(
    books: &Books,
    (span, topping): (Span, Topping),
    limit: usize,
    domains: Option<&[String]>,
    now_ms: u64,
) -> Top {
    let since_ms = span.since_ms(now_ms) / HOUR_MS * HOUR_MS;
    let scope = Scope::of(domains);
    let deadline = Instant::now() + PATIENCE;
    let mut counts: HashMap<Box<str>, u64> = HashMap::new();
    let mut short_by = 0;
    let is_complete = books.summaries(since_ms, deadline, &mut |source| {
        let within = scope.within(source.groups());
        source.lists(topping, since_ms, &mut |group, floor, names| {
            if within.get(group as usize) != Some(&true) {
                return;
            }
            short_by += floor;
            for (name, count) in names {
                if topping == Topping::Recipients && !scope.holds(name) {
                    continue;
                }
                match counts.get_mut(*name) {
                    Some(sum) => *sum += count,
                    None => {
                        counts.insert((*name).into(), *count);
                    }
                }
            }
        })
    });
    let mut rows: Vec<(Box<str>, u64)> = counts.into_iter().collect();
    let order = |one: &(Box<str>, u64), other: &(Box<str>, u64)| {
        other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0))
    };
    // Most of a long list is not shown and needs no order.
    if limit > 0 && limit < rows.len() {
        rows.select_nth_unstable_by(limit - 1, order);
    }
    rows.truncate(limit);
    rows.sort_unstable_by(order);
    let rows = rows.into_iter().map(|(name, count)| TopRow { name: name.into(), count }).collect();
    Top { topping, since_ms, rows, short_by, is_complete }
}
