//! "Where is that message?": search, results, export.
//!
//! In: a query in the URL, so that a search can be sent to somebody. Out: mails newest first,
//! page by page, and whether the search was cut short. Callers for some domains find their
//! domains' mail only.

pub(super) mod acts;
mod copies;
pub(super) mod criteria;
mod export;
pub(super) mod kept;
mod message;
mod rows;
mod source;

use maud::{Markup, html};
use warp::http::StatusCode;

use super::frame::{self, Section};
use super::routes::route;
use super::{Call, Refusal, Route, pieces, seen};
use crate::journal::{Found, Story, TrackQuery};
use crate::mail::MailId;
use crate::web::Pairs;
use crate::web::answer::{self, Answer};
pub(super) use criteria::written;
use criteria::{PAGE, Wrong};
pub(super) use message::{finding as finding_row, query as one_pair};

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/tracking", Right(SeeMail), list),
    route!(GET "/tracking/find", Right(SeeMail), find),
    route!(GET "/tracking/export", Right(SeeMail), export),
    route!(GET "/tracking/{id}", Right(SeeMail), message::show),
    route!(GET "/tracking/{id}/source", Right(SeeContent), source::show),
    route!(GET "/tracking/{id}/message.eml", Right(SeeContent), source::download),
    route!(POST "/tracking/{id}/resend", Right(Queue), acts::resend),
    route!(POST "/tracking/{id}/report", Right(Quarantine), acts::report),
    route!(POST "/tracking/{id}/sender", Right(Senders), acts::sender),
];

/// Lines of an export.
const EXPORTED: usize = 10_000;

async fn list(call: Call) -> Result<Answer, Refusal> {
    let query = match criteria::query(&call.ask.query, &call.caller.scope) {
        Ok(query) => query,
        Err(wrong) => return Ok(page(&call, Err(wrong))),
    };
    let found = search(&call, query).await?;
    Ok(page(&call, found))
}

/// One field for all: to the mail itself when its name was typed, else to the search that the
/// text means.
async fn find(call: Call) -> Result<Answer, Refusal> {
    let text = call.ask.query.first("text").unwrap_or_default().trim();
    if let Ok(id) = text.parse::<MailId>() {
        return Ok(answer::see_other(&format!("/tracking/{id}")));
    }
    let asked = match criteria::meant(text) {
        Some(field) => format!("/tracking?{}", one_pair(field, text)),
        None => "/tracking".to_owned(),
    };
    Ok(answer::see_other(&asked))
}

/// Looks in the journal; what the journal does not understand is told to who asks.
pub(super) async fn search(
    call: &Call,
    query: TrackQuery,
) -> Result<Result<Found, Wrong>, Refusal> {
    let (desk, caller) = (call.desk(), call.caller.clone());
    // What is looked for is found in what is shown: a search that knew more would tell it.
    let shown = move |story| seen::story(&caller, story);
    call.blocking(move || match desk.journal.search_as(&query, &shown) {
        Ok(found) => Ok(Ok(found)),
        Err(error @ crate::journal::JournalError::Query { .. }) => Ok(Err(error.into())),
        Err(error) => Err(Refusal::Broken(error.to_string())),
    })
    .await
}

/// The story of one mail, as far as it concerns the caller.
pub(super) async fn story(call: &Call, mail_id: MailId) -> Result<Story, Refusal> {
    let query = TrackQuery {
        mail_id: Some(mail_id),
        domains: call.caller.scope.domains(),
        limit: 1,
        ..TrackQuery::default()
    };
    let found = search(call, query).await?.ok();
    found.and_then(|found| found.stories.into_iter().next()).ok_or(Refusal::NotFound)
}

fn page(call: &Call, found: Result<Found, Wrong>) -> Answer {
    let pairs = &call.ask.query;
    let (status, wrong) = match &found {
        Ok(_) => (StatusCode::OK, None),
        Err(wrong) => (StatusCode::BAD_REQUEST, Some(wrong)),
    };
    let content = html! {
        @if let Some(wrong) = wrong {
            div.notice.bad role="alert" {
                "The search was not made: "
                @if !wrong.field.is_empty() { b { (wrong.field) } ": " }
                (wrong.why)
            }
        }
        (criteria::form(pairs, wrong))
        (quick())
        @if let Ok(found) = &found { (results(found, pairs)) }
    };
    frame::shown(call, status, Section::Tracking, "Tracking", &content)
}

/// Questions that are asked every day.
fn quick() -> Markup {
    let asked = [
        ("state=deferred", "Had to wait"),
        ("state=failed", "Could not be delivered"),
        ("state=quarantined", "Quarantined"),
        ("state=refused", "Refused"),
        ("state=turned_away", "Turned away"),
        ("verdict=malicious", "Malicious"),
        ("direction=out", "Sent to others"),
    ];
    html! {
        nav.quick aria-label="Searches of every day" {
            span.soft { "Show:" }
            @for (query, words) in asked { a href=(format!("/tracking?{query}")) { (words) } }
            a href="/senders" { "Trusted and blocked senders" }
        }
    }
}

fn results(found: &Found, pairs: &Pairs) -> Markup {
    let is_cut = !found.is_complete && found.stories.len() < PAGE;
    let export = format!("/tracking/export?{}", pairs.clone().with("before", "").to_query());
    html! {
        @if is_cut {
            div.notice.warn role="status" {
                "The search took too long and was cut short: there may be older mails that fit. "
                "A time, a whole address or a MailId makes it quick."
            }
        }
        @if found.stories.is_empty() {
            div.card {
                p { b { "No mail was found that fits." } }
                p.soft {
                    "A shorter part of an address finds more. The journal forgets after the days \
                     that the settings name, and who was turned away at the connection has sent \
                     no address yet: search by their client address."
                }
            }
        } @else {
            div.scroll { table.stack {
                caption { "Mails, newest first" }
                thead { tr {
                    th scope="col" { "Time" } th scope="col" { "Verdict" } th scope="col" { "From" }
                    th scope="col" { "To" } th scope="col" { "Subject" } th scope="col" { "What became of it" }
                } }
                tbody { @for story in &found.stories { (row(story)) } }
            } }
            p { a href=(export) { "Export as CSV" } span.soft { " (up to " (pieces::count(EXPORTED as u64)) " mails)" } }
        }
        @if let Some(older) = found.older_than {
            (pieces::further(pairs, "/tracking", "before", &older.to_string(), "Older mails"))
        }
    }
}

fn row(story: &Story) -> Markup {
    let verdict = rows::judged(story).map(|(verdict, _)| verdict.to_string());
    html! {
        tr {
            td.when data-name="Time" { (pieces::time(rows::began_ms(story))) }
            td data-name="Verdict" {
                @match verdict { Some(verdict) => (pieces::verdict(&verdict)), None => span.soft { "none" } }
            }
            td data-name="From" { (pieces::reverse_path(&story.reverse_path)) }
            td data-name="To" { (pieces::addresses(&story.forward_paths)) }
            td data-name="Subject" {
                a href=(format!("/tracking/{}", story.mail_id)) {
                    (pieces::subject(&story.subject))
                }
            }
            td data-name="Became" { (rows::became_badge(story)) }
        }
    }
}

async fn export(call: Call) -> Result<Answer, Refusal> {
    let bad = |wrong: Wrong| Refusal::Bad(format!("{}: {}", wrong.field, wrong.why));
    let query = criteria::query(&call.ask.query, &call.caller.scope).map_err(bad)?;
    table(&call, query).await
}

/// All that fit, so many at most, as a file that spreadsheets read.
pub(super) async fn table(call: &Call, query: TrackQuery) -> Result<Answer, Refusal> {
    let query = TrackQuery { limit: EXPORTED, ..query };
    let found = search(call, query).await?;
    let found = found.map_err(|wrong| Refusal::Bad(format!("{}: {}", wrong.field, wrong.why)))?;
    let table = export::csv(&found.stories, found.is_complete);
    Ok(answer::attachment("text/csv; charset=utf-8", "mails.csv", table))
}
