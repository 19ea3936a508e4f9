//! What is kept from its recipients: list with filters, acts on many at once.
//!
//! In: filters in the URL. Out: entries newest first, page by page. Callers for some domains
//! see entries that concern these, and of them only their own recipients.

pub(super) mod acts;
mod entry;
pub(super) mod preview;
mod waiting;

use maud::{Markup, html};

use super::frame::{self, Section};
use super::paging::{LONG_PATIENCE, PAGE, PATIENCE};
use super::routes::route;
use super::{Call, Refusal, Route, bulk, pieces, seen};
use crate::admin::api::QuarantineRow;
use crate::admin::held;
use crate::admin::people::{Right, Scope};
use crate::mail::MailId;
use crate::quarantine::{HeldEntry, HeldPage};
use crate::web::{Answer, Pairs};

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/quarantine", Right(SeeMail), list),
    route!(GET "/quarantine/waiting", Right(SeeMail), waiting::show),
    route!(POST "/quarantine/act", Right(Quarantine), acts::act),
    route!(GET "/quarantine/{id}", Right(SeeMail), entry::show),
    route!(GET "/quarantine/{id}/preview", Right(SeeContent), preview::show),
];

const DAY_S: u64 = 86_400;

const VERDICTS: &[(&str, &str)] = &[
    ("", "any"),
    ("spam", "spam"),
    ("malicious", "malicious"),
    ("ambiguous", "ambiguous"),
    ("unscannable", "unscannable"),
    ("policy", "policy"),
    ("clean", "clean"),
];

/// What is to be shown.
#[derive(Debug, Default)]
struct Wanted {
    area: Option<String>,
    verdict: Option<String>,
    sender: Option<String>,
    recipient: Option<String>,
    text: Option<String>,
    /// A part of the reverse-path or of a forward-path.
    any: Option<String>,
    score: Option<f32>,
    younger_days: Option<u64>,
    older_days: Option<u64>,
    after: Option<(u32, MailId)>,
}

impl Wanted {
    fn of(pairs: &Pairs) -> Result<Wanted, Refusal> {
        let text = |name: &str| pairs.filled(name).map(str::to_lowercase);
        let days = |name: &'static str| {
            let days = pairs.filled(name).map(str::parse::<u64>).transpose();
            days.map_err(|_| Refusal::Bad(format!("{name}: a number of days")))
        };
        let score = pairs.filled("score").map(str::parse::<f32>).transpose();
        let after = pairs.filled("after").map(|place| {
            let (at_s, id) = place.split_once('-')?;
            Some((at_s.parse().ok()?, id.parse().ok()?))
        });
        Ok(Wanted {
            area: pairs.filled("area").map(str::to_owned),
            verdict: text("verdict"),
            sender: text("sender"),
            recipient: text("recipient"),
            text: text("text"),
            any: text("any"),
            score: score.map_err(|_| Refusal::bad("score: a number of points"))?,
            younger_days: days("younger")?,
            older_days: days("older")?,
            after: match after {
                Some(None) => return Err(Refusal::NotFound),
                after => after.flatten(),
            },
        })
    }

    fn admits(&self, scope: &Scope, entry: &HeldEntry) -> bool {
        let has = |text: &str, part: &String| text.to_lowercase().contains(part.as_str());
        let (envelope, judgement) = (&entry.envelope, &entry.judgement);
        let any_recipient = |part: &String| {
            let own = seen::forward_paths(scope, envelope);
            own.iter().any(|path| has(path, part))
        };
        let is_from = |part: &String| has(&envelope.reverse_path.to_string(), part);
        scope.sees(envelope)
            && self.area.as_ref().is_none_or(|area| *area == entry.area)
            && self.verdict.as_ref().is_none_or(|one| *one == judgement.verdict.to_string())
            && self.sender.as_ref().is_none_or(is_from)
            && self.any.as_ref().is_none_or(|part| is_from(part) || any_recipient(part))
            && self.recipient.as_ref().is_none_or(any_recipient)
            && self.text.as_ref().is_none_or(|part| has(&judgement.summary.subject, part))
            && self.score.is_none_or(|least| judgement.score >= least)
    }

    /// The seconds between which an entry was stored.
    fn stored_s(&self, now_s: u64) -> std::ops::RangeInclusive<u32> {
        let ago = |days: u64| now_s.saturating_sub(days.saturating_mul(DAY_S));
        let second = |at_s: u64| u32::try_from(at_s).unwrap_or(u32::MAX);
        let first = self.younger_days.map_or(0, |days| second(ago(days)));
        let last = self.older_days.map_or(u32::MAX, |days| second(ago(days)));
        first..=last
    }
}

/// Entries that fit and that the caller may see, the newest first.
pub(super) async fn page_of(call: &Call, filter: &Pairs, most: usize) -> Result<HeldPage, Refusal> {
    let wanted = Wanted::of(filter)?;
    let (desk, scope) = (call.desk(), call.caller.scope.clone());
    let now_s = call.now_ms() / 1_000;
    call.blocking(move || {
        let bounds = (most, PATIENCE);
        let mut admits = |entry: &HeldEntry| wanted.admits(&scope, entry);
        Ok(desk.quarantine.page(wanted.after, wanted.stored_s(now_s), bounds, &mut admits))
    })
    .await
}

/// An entry as programs are told of it, as far as it concerns somebody.
pub(super) fn told(scope: &Scope, entry: &HeldEntry) -> QuarantineRow {
    let forward_paths = seen::forward_paths(scope, &entry.envelope);
    QuarantineRow { forward_paths, ..held::row(entry) }
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let page = page_of(&call, &call.ask.query, PAGE).await?;
    let waiting = call.site.desk.quarantine.waiting_count();
    let content = html! {
        @if waiting > 0 {
            p { a href="/quarantine/waiting" { "Waiting for approval" } ": " (waiting) }
        }
        (filters(&call.ask.query))
        (found(&call, &page))
    };
    Ok(frame::page(&call, Section::Quarantine, "Quarantine", &content))
}

/// Entries that fit a filter, and whether there are more than one act takes.
pub(super) async fn fitting(call: &Call, filter: &Pairs) -> Result<(Vec<String>, bool), Refusal> {
    let wanted = Wanted::of(filter)?;
    let (desk, scope) = (call.desk(), call.caller.scope.clone());
    let now_s = call.now_ms() / 1_000;
    call.blocking(move || {
        let bounds = (bulk::FITTING, LONG_PATIENCE);
        let mut admits = |entry: &HeldEntry| wanted.admits(&scope, entry);
        let page = desk.quarantine.page(None, wanted.stored_s(now_s), bounds, &mut admits);
        let ids = page.entries.iter().map(|entry| entry.id.to_string()).collect();
        Ok((ids, page.next.is_some()))
    })
    .await
}

fn filters(pairs: &Pairs) -> Markup {
    let value = |name: &str| pairs.first(name).unwrap_or_default();
    let field = |name: &str, words: &str, kind: &str| {
        html! {
            div.field {
                label for=(name) { (words) }
                input type=(kind) id=(name) name=(name) value=(value(name)) step=[(kind == "number").then_some("any")];
            }
        }
    };
    html! {
        form.card method="get" action="/quarantine" role="search" aria-label="Filter" {
            div.row {
                (field("sender", "Sender", "text"))
                (field("recipient", "Recipient", "text"))
                (field("text", "In the subject", "text"))
                (field("area", "Area", "text"))
                div.field { label for="verdict" { "Verdict" } (pieces::select("verdict", "verdict", value("verdict"), VERDICTS)) }
                (field("score", "Score at least", "number"))
                (field("younger", "Younger than, days", "number"))
                (field("older", "Older than, days", "number"))
            }
            div.row { button type="submit" { "Filter" } a href="/quarantine" { "Show all" } }
        }
    }
}

fn found(call: &Call, page: &HeldPage) -> Markup {
    let here = own_address(call);
    html! {
        @if page.is_cut {
            div.notice.warn role="status" { "The search took too long and was cut short: go on with the next page, or narrow it." }
        }
        @if page.entries.is_empty() {
            div.card {
                @if call.ask.query.iter().all(|(_, value)| value.is_empty()) {
                    p { b { "Nothing is kept." } " No mail was quarantined, or all of it was released, deleted or has expired." }
                } @else {
                    p { b { "Nothing is kept that fits." } " " a href="/quarantine" { "Show all that is kept" } }
                }
            }
        } @else {
            form method="post" action="/quarantine/act" {
                (frame::mark(call))
                input type="hidden" name="next" value=(here);
                div.scroll { table.stack {
                    caption { "Kept mail, newest first" }
                    thead { tr {
                        @if call.may(Right::Quarantine) {
                            th.tick scope="col" { input type="checkbox" data-ticks="id" aria-label="Tick all on this page"; }
                        }
                        th scope="col" { "Kept since" } th scope="col" { "Verdict" } th.num scope="col" { "Score" }
                        th scope="col" { "Area" } th scope="col" { "From" } th scope="col" { "To" }
                        th scope="col" { "Subject" } th scope="col" { "Until" }
                    } }
                    tbody { @for entry in &page.entries { (row(call, entry)) } }
                } }
                @if call.may(Right::Quarantine) {
                    div.card {
                        @if page.next.is_some() || call.ask.query.filled("after").is_some() { (bulk::choice(call)) }
                        (acts_on_ticked())
                    }
                }
            }
        }
        @if let Some((at_s, id)) = page.next {
            (pieces::further(&call.ask.query, "/quarantine", "after", &format!("{at_s}-{id}"), "Older entries"))
        }
    }
}

fn acts_on_ticked() -> Markup {
    html! {
        div.row {
            button type="submit" name="act" value="release" { "Release the ticked" }
            button.plain type="submit" name="act" value="spam" { "Learn as spam" }
            button.plain type="submit" name="act" value="ham" { "Learn as not spam" }
            button.danger type="submit" name="act" value="delete" data-confirm="Delete the ticked mails for good?" { "Delete the ticked" }
        }
    }
}

fn row(call: &Call, entry: &HeldEntry) -> Markup {
    let subject = pieces::subject(&entry.judgement.summary.subject);
    let paths = seen::forward_paths(&call.caller.scope, &entry.envelope);
    html! {
        tr {
            @if call.may(Right::Quarantine) {
                td.tick { input type="checkbox" name="id" value=(entry.id) aria-label=(format!("Tick {subject}")); }
            }
            td.when data-name="Kept since" { (pieces::time(entry.stored_ms)) }
            td data-name="Verdict" { (pieces::verdict(&entry.judgement.verdict.to_string())) }
            td.num data-name="Score" { (format!("{:.1}", entry.judgement.score)) }
            td data-name="Area" { (entry.area) }
            td data-name="From" { (pieces::reverse_path(&entry.envelope.reverse_path.to_string())) }
            td data-name="To" { (pieces::addresses(&paths)) }
            td data-name="Subject" { a href=(format!("/quarantine/{}", entry.id)) { (subject) } }
            td.when data-name="Until" { (pieces::time(entry.expires_ms)) }
        }
    }
}

/// This page, to come back to.
pub(super) fn own_address(call: &Call) -> String {
    match call.ask.query.to_query() {
        query if query.is_empty() => call.ask.path.clone(),
        query => format!("{}?{query}", call.ask.path),
    }
}
