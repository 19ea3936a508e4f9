//! The box at a glance: mail flow, who and what stands out, and how the box itself is.
//!
//! In: a span in the URL. Out: a page whose every number leads to the mails behind it. Callers
//! for some domains see counts of these domains' mail, and nothing of the box itself.

mod certificate;
mod chart;
pub(super) mod counted;
mod flow;
pub(super) mod health;
pub(super) mod live;

use maud::{Markup, html};

use super::frame::{self, Section};
use super::routes::route;
use super::tracking::written;
use super::{Call, Refusal, Route, pieces};
use crate::admin::people::{Right, Scope};
use crate::journal::{Flow, Span, Top, Topping};
use crate::web::{Answer, Pairs};

pub(super) const ROUTES: &[Route] =
    &[route!(GET "/", Right(SeeMail), show), route!(GET "/events", Right(SeeMail), live::events)];

/// Rows of a list of names.
const NAMES: usize = 8;

const SPANS: &[(Span, &str, &str)] = &[
    (Span::Hour, "hour", "Last hour"),
    (Span::Day, "day", "Last day"),
    (Span::Week, "week", "Last week"),
    (Span::Month, "month", "Last month"),
];

/// Mails that came in whole, as against what goes on under another name.
const CAME: (&str, &str) = ("state", "received");

const TOPPINGS: &[(Topping, &str, &str)] = &[
    (Topping::Senders, "Senders", "No mail came in."),
    (Topping::Recipients, "Recipients", "No mail came in."),
    (Topping::Rules, "Rules of policy", "No rule acted."),
    (Topping::Viruses, "Viruses", "None was found."),
];

async fn show(call: Call) -> Result<Answer, Refusal> {
    let span = match call.ask.query.filled("span") {
        None => Span::Day,
        Some(name) => {
            let known = SPANS.iter().find(|(_, known, _)| *known == name);
            known
                .map(|(span, _, _)| *span)
                .ok_or_else(|| Refusal::bad("span: hour, day, week or month"))?
        }
    };
    let (desk, site, now_ms) = (call.desk(), call.site.clone(), call.now_ms());
    let domains = call.caller.scope.domains();
    let seen = call
        .blocking(move || {
            let counted = site.counts.of(&desk.journal, span, domains, now_ms);
            counted.map_err(|error| Refusal::Broken(error.to_string()))
        })
        .await?;
    let (attention, health) = match sees_box(&call) && call.may(Right::SeeSettings) {
        true => health::shown(&call).await?,
        false => Default::default(),
    };
    let content = html! {
        (attention)
        (spans(span))
        @if !seen.flow.is_complete {
            div.notice.warn role="status" { "Some counts are being made again: numbers may be too small for the moment." }
        }
        (totals(&seen.flow))
        p.soft.small {
            "Of the mail that came in this time. Copies and attempts count each: a number of these "
            "leads to the mails that had them."
        }
        @if let Some(at_ms) = seen.kept_since_ms {
            p.soft { "Counted at " (pieces::time(at_ms)) "; counted anew a minute later." }
        }
        (flow::charts(&seen.flow))
        (live::counters(&call))
        h2 { "Most frequent" }
        div.cards { @for ((_, title, none), top) in TOPPINGS.iter().zip(&seen.tops) { (names(title, none, top)) } }
        (health)
    };
    Ok(frame::page(&call, Section::Dashboard, "Dashboard", &content))
}

fn spans(present: Span) -> Markup {
    html! {
        nav aria-label="Time" {
            ul.tabs {
                @for (span, name, words) in SPANS {
                    li { a href=(format!("/?span={name}")) aria-current=[(*span == present).then_some("page")] { (words) } }
                }
            }
        }
    }
}

/// A search for mails of a time; pairs with an empty value are left out.
fn behind<T: AsRef<str>>(since_ms: u64, until_ms: Option<u64>, pairs: &[(&str, T)]) -> String {
    let mut query = Pairs::default().with("since", &written(since_ms));
    if let Some(until_ms) = until_ms {
        query = query.with("until", &written(until_ms));
    }
    let pairs = pairs.iter().map(|(name, value)| (name, value.as_ref()));
    for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
        query = query.with(name, value);
    }
    format!("/tracking?{}", query.to_query())
}

/// A search for exactly this address or name.
fn exactly(topping: Topping, name: &str) -> Vec<(&'static str, String)> {
    let whole = match name {
        // The null reverse-path has them.
        "<>" => name.to_owned(),
        name => format!("<{name}>"),
    };
    let came = ("state", "received".to_owned());
    match topping {
        Topping::Senders => vec![("sender", whole), came],
        Topping::Recipients => vec![("recipient", whole), came],
        Topping::Viruses => vec![("virus", whole)],
        Topping::Rules => vec![("rule", name.to_owned())],
        Topping::Findings => vec![("finding", name.to_owned())],
    }
}

fn totals(flow: &Flow) -> Markup {
    let since_ms = flow.buckets.first().map_or(0, |bucket| bucket.start_ms);
    let (all, total) = (flow.total.all(), &flow.total);
    let copies =
        |count: u64, words: &str| format!("{} {words}", pieces::word_for(count, "copy", "copies"));
    let attempts = pieces::word_for(all.deferred, "attempt", "attempts");
    let figure = |kind: &str, count: u64, words: &str, pairs: &[(&str, &str)]| {
        let kind = if count == 0 { "none" } else { kind };
        html! {
            li class=(kind) { a href=(behind(since_ms, None, pairs)) { b { (pieces::count(count)) } (words) } }
        }
    };
    html! {
        ul.figures aria-label="Mail in this time" {
            (figure("", total.inbound.received, "came from outside", &[("direction", "in"), CAME]))
            (figure("", total.outbound.received, "went to others", &[("direction", "out"), CAME]))
            (figure("", total.internal.received, "stayed in the house", &[("direction", "internal"), CAME]))
            (figure("", total.own.received, "written by this box", &[("direction", "own")]))
            (figure("warn", all.spam, "judged spam", &[("verdict", "spam")]))
            (figure("bad", all.malicious, "judged malicious", &[("verdict", "malicious")]))
            (figure("", all.turned_away, "turned away at the door", &[("state", "turned_away")]))
            (figure("", all.refused, "refused after scanning", &[("state", "refused")]))
            (figure("warn", all.quarantined, &copies(all.quarantined, "quarantined"), &[("state", "quarantined")]))
            (figure("", all.delivered, &copies(all.delivered, "delivered"), &[("state", "delivered")]))
            (figure("warn", all.deferred, &format!("{attempts} to be repeated"), &[("state", "deferred")]))
            (figure("bad", all.failed, &copies(all.failed, "not deliverable"), &[("state", "failed")]))
        }
    }
}

fn names(title: &str, none: &str, top: &Top) -> Markup {
    html! {
        section.card aria-label=(title) {
            h3 { (title) }
            @if top.rows.is_empty() { p.soft { (none) } } @else {
                table {
                    caption.visually-hidden { (title) ", the most frequent first" }
                    thead.visually-hidden { tr { th scope="col" { "Name" } th.num scope="col" { "Mails" } } }
                    tbody { @for row in &top.rows {
                        @let there = behind(top.since_ms, None, &exactly(top.topping, &row.name));
                        tr {
                            td { a href=(there) { (row.name) } }
                            td.num {
                                a href=(there) {
                                    (pieces::count(row.count))
                                    span.visually-hidden { " " (pieces::word_for(row.count, "mail", "mails")) " of " (row.name) }
                                }
                            }
                        }
                    } }
                }
                @if top.short_by > 0 { p.soft.small { "Each may be too small by up to " (pieces::count(top.short_by)) "." } }
            }
        }
    }
}

/// Whether somebody may see what concerns all domains.
fn sees_box(call: &Call) -> bool {
    call.caller.scope == Scope::Site
}
