//! One kept mail: why it is here, what is in it, and what can be done.

use bytes::Bytes;
use maud::{Markup, html};

use super::preview;
use crate::admin::api::FindingRow;
use crate::admin::people::Right;
use crate::admin::site::frame::{self, Section};
use crate::admin::site::tracking::finding_row;
use crate::admin::site::{Call, Refusal, pieces, seen};
use crate::journal::FindingNote;
use crate::message::contents::Item;
use crate::quarantine::{APPROVAL_AREA, Held, HeldFilter, Waiting};
use crate::web::Answer;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let id = seen::id(call.part(0))?;
    let desk = call.desk();
    let may_read = call.may(Right::SeeContent);
    let scope = call.caller.scope.clone();
    let (held, waiting, files, until_ms) = call
        .blocking(move || {
            let broken = |error: &dyn std::fmt::Display| Refusal::Broken(error.to_string());
            let held = desk.quarantine.load(id).map_err(|error| broken(&error))?;
            let held = held.filter(|held| scope.sees(&held.envelope)).ok_or(Refusal::NotFound)?;
            let waiting = desk.quarantine.waiting(id).map_err(|error| broken(&error))?;
            let files = match may_read {
                true => {
                    let octets: Bytes = held.content.read_all().map_err(|error| broken(&error))?;
                    preview::files(&octets)
                }
                false => Vec::new(),
            };
            let filter = HeldFilter { mail_id: Some(held.mail_id), ..HeldFilter::default() };
            let listed = desk.quarantine.list(&filter, usize::MAX).into_iter();
            let until_ms =
                listed.filter(|entry| entry.id == id).map(|entry| entry.expires_ms).next();
            Ok((held, waiting, files, until_ms))
        })
        .await?;
    let analysis = call.desk().ruling.in_force().analysis;
    let title = pieces::subject(&held.judgement.summary.subject);
    let mut findings: Vec<FindingRow> =
        held.judgement.findings.iter().map(FindingRow::from).collect();
    seen::veil(&call.caller.scope, &held.envelope, &mut findings);
    let mut findings: Vec<FindingNote> = findings.into_iter().map(note).collect();
    findings.sort_by(|one, other| other.score.abs().total_cmp(&one.score.abs()));
    let content = html! {
        (facts(&call, &held, waiting.as_ref(), until_ms))
        @if call.may(Right::Quarantine) { (acts(&call, &held, waiting.as_ref())) }
        @if may_read {
            h2 { "What is in it" }
            iframe title="The message, without anything that acts or loads" sandbox="" loading="lazy"
                referrerpolicy="no-referrer" src=(format!("/quarantine/{id}/preview")) {}
            (listed(&files))
            p { a href=(format!("/tracking/{}/source", held.mail_id)) { "Show the source" } }
        }
        h2 { "Why it is here" }
        div.scroll { table.stack {
            caption { "Findings, the heaviest first" }
            thead { tr {
                th.num scope="col" { "Points" } th scope="col" { "Finding" }
                th scope="col" { "What it means" } th scope="col" { "Where and what" }
            } }
            tbody { @for note in &findings { (finding_row(note, &analysis)) } }
        } }
    };
    Ok(frame::page(&call, Section::Quarantine, &title, &content))
}

fn note(finding: FindingRow) -> FindingNote {
    FindingNote { name: finding.name, score: finding.score, detail: finding.detail }
}

fn facts(call: &Call, held: &Held, waiting: Option<&Waiting>, until_ms: Option<u64>) -> Markup {
    let paths = seen::forward_paths(&call.caller.scope, &held.envelope);
    html! {
        section.card aria-label="Envelope" {
            dl.facts {
                dt { "Verdict" }
                dd { (pieces::verdict(&held.judgement.verdict.to_string())) " score " (format!("{:.1}", held.judgement.score)) }
                dt { "Area" } dd { (held.area) }
                dt { "From" } dd { (pieces::reverse_path(&held.envelope.reverse_path.to_string())) }
                dt { "Author" } dd { (pieces::harmless(&held.judgement.summary.author)) }
                dt { "To" } dd { @for path in &paths { (pieces::harmless(path)) br; } }
                dt { "Came" }
                dd { (pieces::time(held.facts.received_ms)) " from " (held.facts.client) ", which called itself " (pieces::harmless(&held.facts.helo)) }
                dt { "Kept since" } dd { (pieces::time(held.stored_ms)) }
                @if let (Some(until_ms), None) = (until_ms, waiting) {
                    dt { "Until" } dd { (pieces::time(until_ms)) "; then it is deleted, and the story says so" }
                }
                dt { "Size" } dd { (pieces::size(held.content.len())) }
                dt { "Story" } dd { a href=(format!("/tracking/{}", held.mail_id)) { code { (held.mail_id) } } }
                @if let Some(waiting) = waiting {
                    dt { "Approval" }
                    dd { (waiting.approver) " is asked by rule " (waiting.rule) " until " (pieces::time(u64::from(waiting.until_s) * 1_000)) }
                }
            }
        }
    }
}

fn acts(call: &Call, held: &Held, waiting: Option<&Waiting>) -> Markup {
    let paths = seen::forward_paths(&call.caller.scope, &held.envelope);
    let is_asked = waiting.is_some() || held.area == APPROVAL_AREA;
    html! {
        form method="post" action="/quarantine/act" {
            (frame::mark(call))
            input type="hidden" name="id" value=(held.id);
            div.row {
                button type="submit" name="act" value="release" {
                    @if is_asked { "Approve: release" } @else { "Release to all" }
                }
                @if is_asked { button.danger type="submit" name="act" value="refuse" { "Refuse" } }
                @else { button.danger type="submit" name="act" value="delete" data-confirm="Delete this mail for good?" { "Delete" } }
                button.plain type="submit" name="act" value="spam" { "Learn as spam" }
                button.plain type="submit" name="act" value="ham" { "Learn as not spam" }
            }
            @if paths.len() > 1 && !is_asked {
                details {
                    summary { "Release to some of them only" }
                    fieldset {
                        legend { "Who gets it" }
                        @for path in &paths {
                            label.check { input type="checkbox" name="to" value=(path); (pieces::harmless(path)) }
                        }
                        button type="submit" name="act" value="release-some" { "Release to the ticked" }
                    }
                }
            }
        }
    }
}

fn listed(files: &[Item]) -> Markup {
    html! {
        @if !files.is_empty() {
            div.scroll { table.stack {
                caption { "Files, and what they are by their content" }
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "Is" } th scope="col" { "Claims to be" }
                    th.num scope="col" { "Size" } th scope="col" { "Remark" }
                } }
                tbody {
                    @for file in files {
                        tr {
                            td data-name="Name" { (pieces::harmless(&file.path)) }
                            td data-name="Is" { (file.nature.words()) }
                            td data-name="Claims to be" { (pieces::harmless(file.declared.as_deref().unwrap_or(""))) }
                            td.num data-name="Size" { (pieces::size(file.octets)) }
                            td data-name="Remark" { @if let Some(closed) = file.closed { (format!("{closed:?}").to_lowercase()) } }
                        }
                    }
                }
            } }
        }
    }
}
