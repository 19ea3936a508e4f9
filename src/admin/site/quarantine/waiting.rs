//! What waits for somebody's approval, the next to expire first.
//!
//! In: nothing. Out: the mails, who is asked about each and until when; who may act on the
//! quarantine answers here in the approver's place. Callers for some domains see what concerns
//! these.

use maud::{Markup, html};

use super::frame::{self, Section};
use crate::admin::people::Right;
use crate::admin::site::{Call, Refusal, pieces, seen};
use crate::mail::Expiry;
use crate::quarantine::Waiting;
use crate::web::Answer;

/// Those that are read from the disk, and those of them that are shown.
const LOOKED_AT: usize = 2_000;
const SHOWN: usize = 200;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let (desk, scope) = (call.desk(), call.caller.scope.clone());
    let mut all = call
        .blocking(move || {
            let mut all = desk.approvals.list(LOOKED_AT);
            all.retain(|one| scope.sees(&one.held.envelope));
            Ok(all)
        })
        .await?;
    let count = all.len();
    all.truncate(SHOWN);
    let content = html! {
        p { a href="/quarantine" { "All that is kept" } }
        @if all.is_empty() {
            p { "Nothing waits for an approval." }
        } @else {
            @if count > all.len() {
                div.notice.warn role="status" { (count) " wait; these are the first to expire." }
            }
            div.scroll { table.stack {
                caption { "The next to expire first" }
                thead { tr {
                    th scope="col" { "Until" } th scope="col" { "Then" } th scope="col" { "Asked" }
                    th scope="col" { "Rule" } th scope="col" { "From" } th scope="col" { "To" }
                    th scope="col" { "Subject" }
                    @if call.may(Right::Quarantine) { th scope="col" { "Answer" } }
                } }
                tbody { @for one in &all { (row(&call, one)) } }
            } }
        }
    };
    Ok(frame::page(&call, Section::Quarantine, "Waiting for approval", &content))
}

fn row(call: &Call, waiting: &Waiting) -> Markup {
    let held = &waiting.held;
    let subject = pieces::subject(&held.judgement.summary.subject);
    let paths = seen::forward_paths(&call.caller.scope, &held.envelope);
    let then = match waiting.on_expiry {
        Expiry::Refuse => "refused",
        Expiry::Release => "delivered",
    };
    html! {
        tr {
            td.when data-name="Until" { (pieces::time(u64::from(waiting.until_s) * 1_000)) }
            td data-name="Then" { (then) }
            td data-name="Asked" { (waiting.approver) }
            td data-name="Rule" { (waiting.rule) }
            td data-name="From" { (pieces::reverse_path(&held.envelope.reverse_path.to_string())) }
            td data-name="To" { (pieces::addresses(&paths)) }
            td data-name="Subject" { a href=(format!("/quarantine/{}", held.id)) { (subject) } }
            @if call.may(Right::Quarantine) {
                td data-name="Answer" {
                    form method="post" action="/quarantine/act" {
                        (frame::mark(call))
                        input type="hidden" name="id" value=(held.id);
                        input type="hidden" name="next" value="/quarantine/waiting";
                        button type="submit" name="act" value="release" { "Release" }
                        button.danger type="submit" name="act" value="refuse" { "Refuse" }
                    }
                }
            }
        }
    }
}
