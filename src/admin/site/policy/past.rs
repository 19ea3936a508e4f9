//! A draft of rules asked about past mail, as a page.
//!
//! In: a draft and a number of days. Out: the same changes as `postern policy replay` lists, as
//! they are found: the page is sent piece by piece, so that a month of mail needs no waiting
//! for the first row. So many changes are shown one by one, all are counted.

use bytes::Bytes;
use http_body_util::BodyExt;
use maud::{Markup, PreEscaped, html};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Sheet, editor, tabs, text_in_force, without_file};
use crate::admin::lines;
use crate::admin::past::{DecisionRow, ReplayLine, ReplayRequest, ReplayRow, ReplaySummary};
use crate::admin::people::Right;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, pieces};
use crate::web::Answer;

/// Changes that are shown one by one.
const SHOWN: u64 = 1_000;
const DAYS: u32 = 3_650;
/// Pieces of the page that wait for a slow reader.
const WAITING: usize = 16;
/// Where the rows go; no text of a page holds it, for texts are escaped.
const ROWS: &str = "<!--rows-->";
const SUMMARY: &str = "<!--summary-->";

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let content = match text_in_force(&call).await? {
        None => without_file(&call),
        Some(text) => html! {
            p {
                "Change the rules below, and see what they would have decided otherwise about \
                 mail that has come. Nothing is changed by that."
            }
            form.card method="post" action="/policy/replay" {
                (frame::mark(&call))
                input type="hidden" name="base" value=(text.mark);
                div.field {
                    label for="text" { "Draft of rules" }
                    textarea #text name="text" rows="16" spellcheck="false"
                        data-checks="/policy/check" data-shows="checked" { "\n" (text.text) }
                }
                div #checked aria-live="polite" {}
                div.field {
                    label for="days" { "Days of past mail" }
                    input #days name="days" type="number" min="1" max="3650" value="7" required;
                }
                button type="submit" { "Ask past mail" }
            }
        },
    };
    let content = html! { (tabs("replay")) (content) };
    Ok(frame::page(&call, Section::Policy, "Ask past mail", &content))
}

pub(super) async fn run(call: Call) -> Result<Answer, Refusal> {
    // What is shown are others' mails.
    if !call.may(Right::SeeMail) {
        return Err(Refusal::Forbidden);
    }
    let sheet = Sheet::of(&call);
    let days = call.form.filled("days").and_then(|days| days.parse::<u32>().ok());
    let Some(days) = days.filter(|days| (1..=DAYS).contains(days)) else {
        let words = format!("days: a whole number from 1 to {DAYS}");
        return editor(&call, Refusal::bad("").status(), &sheet, Some(&words)).await;
    };
    let request = ReplayRequest { draft: sheet.text.clone(), file: "the text".into(), days };
    let desk = call.desk();
    let begun = call.blocking(move || Ok(desk.replayed(request)?)).await;
    let rows = match begun {
        Ok(rows) => rows,
        Err(refusal @ (Refusal::Bad(_) | Refusal::Conflict(_))) => {
            return editor(&call, refusal.status(), &sheet, Some(&refusal.to_string())).await;
        }
        Err(refusal) => return Err(refusal),
    };
    let page = frame::page(&call, Section::Policy, "Ask past mail", &around(&call, &sheet, days));
    let page = page.into_body().collect().await;
    let page = page.map_err(|error| Refusal::Broken(error.to_string()))?.to_bytes();
    let (sender, receiver) = channel(WAITING);
    tokio::spawn(send(page, rows, sender));
    Ok(lines::streamed(receiver, "text/html; charset=utf-8"))
}

/// The page without what is yet to be found.
fn around(call: &Call, sheet: &Sheet, days: u32) -> Markup {
    html! {
        (tabs("replay"))
        p { "What the draft would have decided otherwise about the mail of the last " (days) " days:" }
        div.scroll tabindex="0" role="region" aria-label="Changes" {
            table.stack {
                caption.visually-hidden { "Changes" }
                thead { tr {
                    th scope="col" { "Mail" } th scope="col" { "From" } th scope="col" { "For" }
                    th scope="col" { "Subject" } th scope="col" { "Now" }
                    th scope="col" { "By the draft" }
                } }
                tbody { (PreEscaped(ROWS)) }
            }
        }
        (PreEscaped(SUMMARY))
        form.card method="post" action="/policy/text" {
            (frame::mark(call))
            (sheet.hidden())
            p { button.plain type="submit" { "Back to the draft" } }
            @if call.may(Right::Policy) {
                div.field {
                    label for="reason" { "Reason" }
                    input #reason name="reason" maxlength="1000" value=(sheet.reason);
                }
                button type="submit" formaction="/policy/publish" { "Publish these rules" }
            }
        }
    }
}

/// Sends the page, with the rows in their place as they come. Ends when nobody reads any more,
/// and the search with it.
async fn send(page: Bytes, mut rows: Receiver<Bytes>, sender: Sender<Bytes>) {
    let page = String::from_utf8_lossy(&page).into_owned();
    let (head, rest) = page.split_once(ROWS).unwrap_or((&page, ""));
    let (middle, tail) = rest.split_once(SUMMARY).unwrap_or((rest, ""));
    let put = async |text: String| sender.send(text.into()).await.is_ok();
    if !put(head.to_owned()).await {
        return;
    }
    let (mut changes, mut end) = (0, None);
    while let Some(line) = rows.recv().await {
        match serde_json::from_slice(&line) {
            Ok(ReplayLine::Change(row)) => {
                changes += 1;
                if changes <= SHOWN && !put(change(&row).into_string()).await {
                    return;
                }
            }
            Ok(ReplayLine::Summary(sums)) => end = Some(summary(&sums, changes)),
            Ok(ReplayLine::Failure { error }) => {
                end = Some(
                    html! { div.notice.bad role="alert" { "The search broke off: " (error) } },
                );
            }
            Ok(ReplayLine::Progress { .. }) => {}
            Err(error) => tracing::error!(%error, "a line of a replay cannot be read"),
        }
    }
    let end =
        end.unwrap_or_else(|| html! { div.notice.bad role="alert" { "The search broke off." } });
    let _ = put(format!("{middle}{}{tail}", end.into_string())).await;
}

fn change(row: &ReplayRow) -> Markup {
    html! {
        tr {
            td data-name="Mail" {
                a href={ "/tracking/" (row.mail_id) } { (pieces::time_of(&row.received)) }
                @if row.uncertain {
                    div { span.badge.warn { "uncertain" } " "
                        span.soft.small { "not known: " (row.unknown.join(", ")) } }
                }
            }
            td data-name="From" { (pieces::reverse_path(&row.reverse_path)) }
            td data-name="For" { (row.recipient) }
            td data-name="Subject" { (row.subject) }
            td data-name="Now" { (decision(&row.before)) }
            td data-name="By the draft" { (decision(&row.after)) }
        }
    }
}

fn decision(row: &DecisionRow) -> Markup {
    html! {
        strong { (row.order) }
        @if let Some(rule) = &row.rule { " by " (rule) }
        @if !row.orders.is_empty() { div.soft.small { (row.orders.join(", ")) } }
    }
}

fn summary(sums: &ReplaySummary, changes: u64) -> Markup {
    html! {
        @if changes > SHOWN {
            p { "Only the first " (pieces::count(SHOWN)) " changes are shown; all are counted." }
        }
        h2 { "All in all" }
        p role="status" {
            "Asked about " (pieces::count(sums.mails)) " mails since " (pieces::time_of(&sums.since))
            ": " (pieces::count(sums.changed_mails)) " would have been decided otherwise, for "
            (pieces::count(sums.changed)) " of " (pieces::count(sums.recipients)) " copies."
        }
        @if sums.uncertain_mails > 0 {
            p { "Of " (pieces::count(sums.uncertain_mails))
                " mails something that the rules ask is not known any more." }
        }
        @if sums.unreadable_mails > 0 {
            p { (pieces::count(sums.unreadable_mails)) " mails were never judged, or the journal \
                 does not know how." }
        }
        @if !sums.rules.is_empty() {
            table.stack {
                caption { "By rule, in copies" }
                thead { tr {
                    th scope="col" { "Rule" } th.num scope="col" { "Acts newly" }
                    th.num scope="col" { "No more" } th.num scope="col" { "Otherwise" }
                } }
                tbody {
                    @for (name, count) in &sums.rules {
                        tr {
                            td data-name="Rule" { (name) }
                            td.num data-name="Acts newly" { (pieces::count(count.newly)) }
                            td.num data-name="No more" { (pieces::count(count.no_more)) }
                            td.num data-name="Otherwise" { (pieces::count(count.otherwise)) }
                        }
                    }
                }
            }
        }
    }
}
