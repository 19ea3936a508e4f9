//! One mail that waits: for whom, why, until when, which way; and what can be done.

use maud::html;

use super::{acts_on, reason, state, waiting};
use crate::admin::people::Right;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, pieces, seen};
use crate::spool::{Origin, QueueFilter};
use crate::web::Answer;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let id = seen::id(call.part(0))?;
    let desk = call.desk();
    desk.catch_up().await;
    let filter = QueueFilter { mail_id: Some(id), ..QueueFilter::default() };
    let entry = call.blocking(move || Ok(desk.spool.list(&filter, 1).pop())).await?;
    let entry = entry.ok_or(Refusal::NotFound)?;
    seen::check(&call, &entry.envelope)?;
    let open = waiting(&call.caller.scope, &entry);
    let all = seen::recipients(&call.caller.scope, &entry.envelope).len();
    let title = pieces::subject(&entry.summary.subject);
    let content = html! {
        section.card aria-label="Mail" {
            dl.facts {
                dt { "State" } dd { (state(&entry)) " " (pieces::harmless(&reason(&call.caller.scope, &entry))) }
                dt { "From" } dd { (pieces::reverse_path(&entry.envelope.reverse_path.to_string())) }
                dt { "Waits for" }
                dd {
                    @for path in open.iter().take(100) { (pieces::harmless(path)) br; }
                    @if open.len() > 100 { "and " (open.len() - 100) " more" br; }
                    @if all > open.len() { span.soft { (all - open.len()) " others are done" } }
                }
                dt { "Since" } dd { (pieces::time(entry.received_ms)) }
                dt { "Attempts" } dd { (entry.attempts) }
                @if entry.next_attempt_ms > 0 { dt { "Next attempt" } dd { (pieces::time(entry.next_attempt_ms)) } }
                dt { "Way" }
                dd {
                    @match &entry.route {
                        Some(route) => { "rerouted to " (route) },
                        None => "as routes and policy have it",
                    }
                }
                dt { "Verdict" } dd { (pieces::verdict(&entry.verdict.to_string())) }
                dt { "Size" } dd { (pieces::size(entry.content_octets)) }
                dt { "Came" } dd { (origin(entry.origin)) }
                dt { "Story" } dd { a href=(format!("/tracking/{id}")) { code { (id) } } }
            }
        }
        @if call.may(Right::Queue) {
            form method="post" action="/queue/act" {
                (frame::mark(&call))
                input type="hidden" name="id" value=(id);
                input type="hidden" name="next" value=(format!("/tracking/{id}"));
                (acts_on("it"))
            }
        }
    };
    Ok(frame::page(&call, Section::Queue, &title, &content))
}

fn origin(origin: Origin) -> String {
    match origin {
        Origin::Received => "from a client".into(),
        Origin::Own { about: Some(about) } => format!("written by this box about {about}"),
        Origin::Own { about: None } => "written by this box".into(),
        Origin::Released { held } => format!("out of quarantine, entry {held}"),
        Origin::Copied { of } => format!("a copy of {of}"),
        Origin::Redirected { of } => format!("redirected, was {of}"),
    }
}
