//! What waits: how much in which state, for which destinations, and why.
//!
//! In: filters in the URL. Out: entries oldest first, page by page, and the first of them by
//! destination. Callers for some domains see mail that concerns these, and counts of it only.

pub(super) mod acts;
mod entry;

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::frame::{self, Section};
use super::paging::{LONG_PATIENCE, PAGE, PATIENCE};
use super::routes::route;
use super::{Call, Refusal, Route, bulk, pieces, seen};
use crate::admin::Desk;
use crate::admin::api::QueueRow;
use crate::admin::desk::queue_row;
use crate::admin::people::{Right, Scope};
use crate::mail::MailId;
use crate::spool::{QueueCounts, QueueEntry, QueuePage, QueueState};
use crate::web::{Answer, Pairs};

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/queue", Right(SeeMail), list),
    route!(POST "/queue/act", Right(Queue), acts::act),
    route!(GET "/queue/{id}", Right(SeeMail), entry::show),
];

/// Entries that are looked at for the list of destinations and for counts of some domains.
const COUNTED: usize = 500;

const STATES: &[(&str, &str)] = &[
    ("", "any"),
    ("active", "active"),
    ("deferred", "waits for its next attempt"),
    ("hold", "held"),
];

/// What is to be shown.
#[derive(Debug, Default)]
struct Wanted {
    states: &'static [QueueState],
    sender: Option<String>,
    recipient: Option<String>,
    destination: Option<String>,
    why: Option<String>,
    /// A part of the reverse-path or of a forward-path.
    any: Option<String>,
    after: Option<MailId>,
}

impl Wanted {
    fn of(pairs: &Pairs) -> Result<Wanted, Refusal> {
        let text = |name: &str| pairs.filled(name).map(str::to_lowercase);
        let states: &'static [QueueState] = match pairs.filled("state") {
            None => &[],
            Some("active") => &[QueueState::Active],
            Some("deferred") => &[QueueState::Deferred],
            Some("hold") => &[QueueState::Hold, QueueState::Unscanned],
            Some(_) => return Err(Refusal::bad("state: active, deferred or hold")),
        };
        let after = pairs.filled("after").map(seen::id).transpose()?;
        Ok(Wanted {
            states,
            sender: text("sender"),
            recipient: text("recipient"),
            destination: text("destination"),
            why: text("why"),
            any: text("any"),
            after,
        })
    }

    fn admits(&self, scope: &Scope, entry: &QueueEntry) -> bool {
        let has = |text: &str, part: &String| text.to_lowercase().contains(part.as_str());
        let paths = || waiting(scope, entry);
        let is_from = |part: &String| has(&entry.envelope.reverse_path.to_string(), part);
        let is_for = |part: &String| paths().iter().any(|path| has(path, part));
        scope.sees(&entry.envelope)
            && self.sender.as_ref().is_none_or(is_from)
            && self.any.as_ref().is_none_or(|part| is_from(part) || is_for(part))
            && self.recipient.as_ref().is_none_or(is_for)
            && self.destination.as_ref().is_none_or(|one| destinations(scope, entry).contains(one))
            && self.why.as_ref().is_none_or(|part| has(&reason(scope, entry), part))
    }
}

/// Recipients that wait and that the caller may see.
fn waiting(scope: &Scope, entry: &QueueEntry) -> Vec<String> {
    let own = seen::recipients(scope, &entry.envelope);
    let open = entry.pending.iter().filter(|at| own.contains(at));
    open.filter_map(|at| entry.envelope.recipients.get(usize::from(*at)))
        .map(|one| one.forward_path.to_string())
        .collect()
}

/// Where its copies go: what an administrator has said, or the domains of those who wait.
fn destinations(scope: &Scope, entry: &QueueEntry) -> Vec<String> {
    if let Some(route) = &entry.route {
        return vec![route.to_lowercase()];
    }
    let domain = |path: String| path.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
    let mut all: Vec<String> = waiting(scope, entry).into_iter().filter_map(domain).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// In place of what was said when copies were tried of which some are others'.
const TRIED: &str = "was tried and has to wait; its story says why";

/// Why it waits, without what was said of copies that are not for the caller to see.
fn reason(scope: &Scope, entry: &QueueEntry) -> String {
    match (entry.state, &entry.held_for) {
        (QueueState::Unscanned, Some(what)) => format!("outbreak hold: {what}"),
        (QueueState::Unscanned, None) => "waits for the virus scanner".into(),
        _ if entry.is_in_delivery => "is being delivered now".into(),
        (QueueState::Hold, _) if entry.last_reason.is_empty() => "held".into(),
        (QueueState::Active, _) if entry.last_reason.is_empty() => {
            "waits for its first attempt".into()
        }
        _ => last_reason(scope, entry),
    }
}

/// Why the last attempt failed. What the queue has of it is one sentence for all copies.
fn last_reason(scope: &Scope, entry: &QueueEntry) -> String {
    match entry.last_reason.is_empty() || seen::is_whole(scope, &entry.envelope) {
        true => entry.last_reason.clone(),
        false => TRIED.to_owned(),
    }
}

fn state(entry: &QueueEntry) -> Markup {
    let (kind, words) = match entry.state {
        QueueState::Active if entry.is_in_delivery => ("badge good", "in delivery"),
        QueueState::Active => ("badge good", "active"),
        QueueState::Deferred => ("badge warn", "waits"),
        QueueState::Hold => ("badge", "held"),
        QueueState::Unscanned => ("badge warn", "held unscanned"),
    };
    html! { span class=(kind) { (words) } }
}

/// Mail and what is counted of it.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// By state.
    pub(super) counts: QueueCounts,
    /// Destination, mails, and the reason of one of them.
    pub(super) destinations: Vec<(String, u64, String)>,
    /// More mail waits than was looked at.
    pub(super) is_part: bool,
}

/// Mails that fit and that the caller may see, the oldest first.
pub(super) async fn page_of(
    call: &Call,
    filter: &Pairs,
    most: usize,
) -> Result<QueuePage, Refusal> {
    let wanted = Wanted::of(filter)?;
    let desk = call.desk();
    desk.catch_up().await;
    let scope = call.caller.scope.clone();
    call.blocking(move || {
        let mut admits = |entry: &QueueEntry| wanted.admits(&scope, entry);
        Ok(desk.spool.page(wanted.states, wanted.after, most, PATIENCE, &mut admits))
    })
    .await
}

/// What waits, by state and destination, as far as the caller may see it.
pub(super) async fn counted(call: &Call) -> Result<Counted, Refusal> {
    let (desk, scope) = (call.desk(), call.caller.scope.clone());
    call.blocking(move || {
        let mut sees = |entry: &QueueEntry| scope.sees(&entry.envelope);
        let first = desk.spool.page(&[], None, COUNTED, PATIENCE, &mut sees);
        let of_site = (scope == Scope::Site).then(|| desk.spool.counts());
        Ok(count(&scope, &first, of_site))
    })
    .await
}

/// A mail as programs are told of it, as far as it concerns somebody.
pub(super) fn told(scope: &Scope, entry: &QueueEntry) -> QueueRow {
    let row = queue_row(entry);
    let reason = match entry.state {
        QueueState::Unscanned => row.reason,
        _ => last_reason(scope, entry),
    };
    QueueRow { forward_paths: waiting(scope, entry), reason, ..row }
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let page = page_of(&call, &call.ask.query, PAGE).await?;
    let counted = counted(&call).await?;
    let content = html! {
        (overview(&counted))
        (filters(&call.ask.query))
        (found(&call, &page))
    };
    Ok(frame::page(&call, Section::Queue, "Queue", &content))
}

/// Mails that fit a filter, and whether there are more than one act takes.
pub(super) async fn fitting(call: &Call, filter: &Pairs) -> Result<(Vec<String>, bool), Refusal> {
    let wanted = Wanted::of(filter)?;
    let desk = call.desk();
    desk.catch_up().await;
    let scope = call.caller.scope.clone();
    call.blocking(move || {
        let mut admits = |entry: &QueueEntry| wanted.admits(&scope, entry);
        let page = desk.spool.page(wanted.states, None, bulk::FITTING, LONG_PATIENCE, &mut admits);
        let ids = page.entries.iter().map(|entry| entry.mail_id.to_string()).collect();
        Ok((ids, page.next.is_some()))
    })
    .await
}

/// What waits that somebody may see. Blocks.
pub(super) fn counts(desk: &Desk, scope: &Scope) -> QueueCounts {
    if *scope == Scope::Site {
        return desk.spool.counts();
    }
    let mut sees = |entry: &QueueEntry| scope.sees(&entry.envelope);
    let all = desk.spool.page(&[], None, bulk::FITTING, PATIENCE, &mut sees);
    count(scope, &all, None).counts
}

fn count(scope: &Scope, first: &QueuePage, of_site: Option<QueueCounts>) -> Counted {
    let mut counts = QueueCounts::default();
    let mut all: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for entry in &first.entries {
        *match entry.state {
            QueueState::Active => &mut counts.active,
            QueueState::Deferred => &mut counts.deferred,
            QueueState::Hold => &mut counts.hold,
            QueueState::Unscanned => &mut counts.unscanned,
        } += 1;
        for name in destinations(scope, entry) {
            let place = all.entry(name).or_default();
            place.0 += 1;
            place.1 = reason(scope, entry);
        }
    }
    let mut destinations: Vec<_> =
        all.into_iter().map(|(name, (mails, why))| (name, mails, why)).collect();
    destinations.sort_by_key(|(_, mails, _)| std::cmp::Reverse(*mails));
    destinations.truncate(25);
    Counted { counts: of_site.unwrap_or(counts), destinations, is_part: first.next.is_some() }
}

fn overview(counted: &Counted) -> Markup {
    let held = counted.counts.hold + counted.counts.unscanned;
    html! {
        ul.figures aria-label="Mail that waits" {
            @for (state, kind, words, count) in [
                ("active", "", "on their way now", counted.counts.active),
                ("deferred", "warn", "wait for their next attempt", counted.counts.deferred),
                ("hold", "warn", "held until somebody releases them", held),
            ] {
                li class=(if count == 0 { "none" } else { kind }) {
                    a href=(format!("/queue?state={state}")) { b { (pieces::count(count)) } (words) }
                }
            }
        }
        @if !counted.destinations.is_empty() {
            h2 { "By destination" }
            div.scroll { table.stack {
                caption {
                    "Where mail waits to go"
                    @if counted.is_part { ", of the oldest " (COUNTED) " mails" }
                }
                thead { tr { th scope="col" { "Destination" } th.num scope="col" { "Mails" } th scope="col" { "Why one of them waits" } } }
                tbody { @for (name, mails, why) in &counted.destinations {
                    tr {
                        td data-name="Destination" { a href=(format!("/queue?{}", super::tracking::one_pair("destination", name))) { (name) } }
                        td.num data-name="Mails" { (pieces::count(*mails)) }
                        td data-name="Why" { (pieces::harmless(why)) }
                    }
                } }
            } }
        }
    }
}

fn filters(pairs: &Pairs) -> Markup {
    let value = |name: &str| pairs.first(name).unwrap_or_default();
    let field = |name: &str, words: &str| {
        html! {
            div.field { label for=(name) { (words) } input type="text" id=(name) name=(name) value=(value(name)); }
        }
    };
    html! {
        h2 { "Mails" }
        form.card method="get" action="/queue" role="search" aria-label="Filter" {
            div.row {
                div.field { label for="state" { "State" } (pieces::select("state", "state", value("state"), STATES)) }
                (field("sender", "Sender")) (field("recipient", "Recipient"))
                (field("destination", "Destination")) (field("why", "Why it waits"))
                button type="submit" { "Filter" }
                a href="/queue" { "Show all" }
            }
        }
    }
}

fn found(call: &Call, page: &QueuePage) -> Markup {
    let may_act = call.may(Right::Queue);
    html! {
        @if page.is_cut {
            div.notice.warn role="status" { "The search took too long and was cut short: go on with the next page, or narrow it." }
        }
        @if page.entries.is_empty() {
            div.card {
                @if call.ask.query.iter().all(|(_, value)| value.is_empty()) {
                    p { b { "Nothing waits." } " All mail that was accepted has gone on." }
                } @else {
                    p { b { "No mail waits that fits." } " " a href="/queue" { "Show all that waits" } }
                }
                p.soft { "What went where is in the " a href="/tracking" { "tracking" } ", what is kept back in the " a href="/quarantine" { "quarantine" } "." }
            }
        } @else {
            form method="post" action="/queue/act" {
                (frame::mark(call))
                input type="hidden" name="next" value=(super::quarantine::own_address(call));
                div.scroll { table.stack {
                    caption { "Mail that waits, oldest first" }
                    thead { tr {
                        @if may_act { th.tick scope="col" { input type="checkbox" data-ticks="id" aria-label="Tick all on this page"; } }
                        th scope="col" { "State" } th scope="col" { "Since" } th scope="col" { "From" } th scope="col" { "Waits for" }
                        th scope="col" { "Subject" } th scope="col" { "Why" } th.num scope="col" { "Attempts" } th scope="col" { "Next attempt" }
                    } }
                    tbody { @for entry in &page.entries { (row(call, entry, may_act)) } }
                } }
                @if may_act {
                    div.card {
                        @if page.next.is_some() || !call.ask.query.filled("after").unwrap_or_default().is_empty() { (bulk::choice(call)) }
                        (acts_on("the ticked"))
                    }
                }
            }
        }
        @if let Some(next) = page.next {
            (pieces::further(&call.ask.query, "/queue", "after", &next.to_string(), "Further"))
        }
    }
}

/// Buttons for one mail or many, with a word for which.
fn acts_on(whom: &str) -> Markup {
    html! {
        div.row {
            button type="submit" name="act" value="retry" { "Try " (whom) " now" }
            button.plain type="submit" name="act" value="hold" { "Hold" }
            button.plain type="submit" name="act" value="release" { "Release" }
            button.danger type="submit" name="act" value="remove" data-confirm="Remove these mails for good? Nobody is told." { "Remove" }
        }
        details {
            summary { "Reroute or return" }
            div.row {
                div { label for="hops" { "Other next hop" } input #hops type="text" name="hops" placeholder="host:25" spellcheck="false"; }
                button.plain type="submit" name="act" value="reroute" { "Reroute there" }
                button.plain type="submit" name="act" value="normal" { "Back to the normal way" }
            }
            div.row {
                div { label for="reason" { "What the sender is told" } input #reason type="text" name="reason" maxlength="300"; }
                button.danger type="submit" name="act" value="bounce" data-confirm="Return these mails to their senders?" { "Return to the sender" }
            }
        }
    }
}

fn row(call: &Call, entry: &QueueEntry, may_act: bool) -> Markup {
    let subject = pieces::subject(&entry.summary.subject);
    let is_held = matches!(entry.state, QueueState::Hold | QueueState::Unscanned);
    html! {
        tr {
            @if may_act { td.tick { input type="checkbox" name="id" value=(entry.mail_id) aria-label=(format!("Tick {subject}")); } }
            td data-name="State" { (state(entry)) }
            td.when data-name="Since" { (pieces::time(entry.received_ms)) }
            td data-name="From" { (pieces::reverse_path(&entry.envelope.reverse_path.to_string())) }
            td data-name="Waits for" { (pieces::addresses(&waiting(&call.caller.scope, entry))) }
            td data-name="Subject" { a href=(format!("/queue/{}", entry.mail_id)) { (subject) } }
            td data-name="Why" { (pieces::harmless(&reason(&call.caller.scope, entry))) }
            td.num data-name="Attempts" { (entry.attempts) }
            td.when data-name="Next attempt" {
                @if is_held || entry.next_attempt_ms == 0 { span.soft { @if is_held { "none" } @else { "now" } } }
                @else { (pieces::time(entry.next_attempt_ms)) }
            }
        }
    }
}
