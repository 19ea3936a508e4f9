//! The page of one mail: who, to whom, what happened when, why, and what can be done.

use maud::{Markup, html};

use super::kept::{Kept, Place};
use super::{copies, rows};
use crate::admin::people::{Right, Scope};
use crate::admin::site::frame::{self, Section};
use crate::admin::site::{Call, Refusal, pieces, seen};
use crate::analysis::Analysis;
use crate::journal::{Event, FindingNote, Story};
use crate::mail::{Address, Order, TlsFacts};
use crate::web::Answer;

/// Events on one page; a mail that bounces between states for weeks has more.
const EVENTS: usize = 500;

pub(super) async fn show(call: Call) -> Result<Answer, Refusal> {
    let mail_id = seen::id(call.part(0))?;
    let story = super::story(&call, mail_id).await?;
    let kept = Kept::seen(&call, mail_id).await?;
    let analysis = call.desk().ruling.in_force().analysis;
    let title = pieces::subject(&story.subject);
    let content = html! {
        (verdict(&story, &analysis))
        (acts(&call, &story, &kept))
        (copies::shown(&story))
        (envelope(&story, &kept))
        (findings(&story, &analysis))
        (policy(&story))
        h2 { "What happened" }
        (timeline(&story))
        (deliveries(&story))
        @if call.caller.scope == Scope::Site { @for one in &kept { (orders_of(one)) } }
    };
    Ok(frame::page(&call, Section::Tracking, &title, &content))
}

/// What became of it and why, before everything else.
fn verdict(story: &Story, analysis: &Analysis) -> Markup {
    let meaning = |name: &str| match analysis.meaning_of(name) {
        Some(meaning) => meaning.to_owned(),
        None => name.to_owned(),
    };
    html! {
        p.lead {
            @match rows::judged(story) {
                Some((verdict, score)) => {
                    (pieces::verdict(&verdict.to_string())) " score " (format!("{score:.1}"))
                },
                None => span.badge { "not judged" },
            }
            " · " (rows::became_badge(story))
        }
        @if let Some(why) = copies::why(story, &meaning) { p { (pieces::harmless(&why)) " " a.small href="#why" { "All findings" } } }
    }
}

fn envelope(story: &Story, kept: &[Kept]) -> Markup {
    let received = story.events.iter().find_map(|(_, event)| match event {
        Event::Received { role, client, helo, size_octets, tls, account, .. } => {
            Some((role, client, helo, size_octets, tls, account))
        }
        _ => None,
    });
    let before = story.events.iter().find_map(|(_, event)| match event {
        Event::Continued { about, .. } => Some(*about),
        _ => None,
    });
    html! {
        h2 { "Envelope" }
        section.card aria-label="Envelope" {
            dl.facts {
                dt { "From" } dd { (pieces::reverse_path(&story.reverse_path)) }
                dt { "To" }
                dd {
                    @for path in story.forward_paths.iter().take(50) { (pieces::harmless(path)) br; }
                    @if story.forward_paths.len() > 50 { "and " (story.forward_paths.len() - 50) " more" }
                    @if story.forward_paths.is_empty() { span.soft { "nobody" } }
                }
                dt { "Message-ID" }
                dd { @if story.message_id.is_empty() { span.soft { "none" } } @else { (pieces::harmless(&story.message_id)) } }
                dt { "MailId" } dd { code { (story.mail_id) } }
                @if let Some((role, client, helo, size, tls, account)) = received {
                    dt { "Came" }
                    dd {
                        (pieces::time(rows::began_ms(story))) ", " (role) ", from "
                        a href=(format!("/tracking?client={client}")) { (client) }
                        ", which called itself " (pieces::harmless(helo)) ", " (secrecy(tls.as_ref()))
                        @if let Some(account) = account { ", logged in as " (pieces::harmless(account)) }
                    }
                    dt { "Size" } dd { (pieces::size(*size)) }
                }
                @if let Some(before) = before {
                    dt { "Came" }
                    dd { "out of quarantine, where it was kept as mail " a href=(format!("/tracking/{before}")) { code { (before) } } }
                }
                dt { "Kept" }
                dd {
                    @if kept.is_empty() { span.soft { "its text is not here any more" } }
                    @for one in kept { (place(story, one)) " " }
                }
            }
        }
    }
}

fn place(story: &Story, kept: &Kept) -> Markup {
    html! {
        @match kept.place {
            Place::Queue => a.badge href=(format!("/queue/{}", story.mail_id)) { "in the queue" },
            Place::Quarantine(entry) => a.badge href=(format!("/quarantine/{entry}")) { "in quarantine" },
            Place::Archive => span.badge { "in the archive" },
        }
    }
}

fn secrecy(tls: Option<&TlsFacts>) -> String {
    tls.map_or("in clear".into(), |tls| format!("{} {}", tls.version, tls.cipher))
}

fn acts(call: &Call, story: &Story, kept: &[Kept]) -> Markup {
    let here = format!("/tracking/{}", story.mail_id);
    let queued = kept.iter().any(|one| one.place == Place::Queue);
    let is_archived = kept.iter().all(|one| one.place == Place::Archive) && !kept.is_empty();
    let entries: Vec<_> = kept
        .iter()
        .filter_map(|one| match one.place {
            Place::Quarantine(entry) => Some(entry),
            _ => None,
        })
        .collect();
    let has_sender = story.reverse_path.contains('@');
    html! {
        div.row {
            @if queued && call.may(Right::Queue) {
                form.row method="post" action="/queue/act" {
                    (frame::mark(call))
                    input type="hidden" name="id" value=(story.mail_id);
                    input type="hidden" name="next" value=(here);
                    button type="submit" name="act" value="retry" { "Deliver now" }
                    button.plain type="submit" name="act" value="release" { "Release" }
                }
            }
            @if call.may(Right::Quarantine) {
                @for entry in &entries {
                    form.row method="post" action="/quarantine/act" {
                        (frame::mark(call))
                        input type="hidden" name="id" value=(entry);
                        input type="hidden" name="next" value=(here);
                        button type="submit" name="act" value="release" { "Release from quarantine" }
                    }
                }
            }
            @if is_archived && call.may(Right::Queue) {
                form.row method="post" action=(format!("{here}/resend")) {
                    (frame::mark(call))
                    button type="submit" data-confirm="Send a copy to the same recipients again?" { "Send again" }
                }
            }
            @if !kept.is_empty() && call.may(Right::Quarantine) {
                form.row method="post" action=(format!("{here}/report")) {
                    (frame::mark(call))
                    button.plain type="submit" name="label" value="spam" { "This is spam" }
                    button.plain type="submit" name="label" value="ham" { "This is not spam" }
                }
            }
            @if !kept.is_empty() && call.may(Right::SeeContent) {
                a.button.plain href=(format!("{here}/source")) { "Show the source" }
            }
        }
        @if has_sender && call.may(Right::Senders) { (listing(call, story, &here)) }
    }
}

fn listing(call: &Call, story: &Story, here: &str) -> Markup {
    let domain = story.reverse_path.rsplit_once('@').map_or("", |(_, domain)| domain);
    html! {
        details {
            summary { "Trust or block the sender" }
            form.card.row method="post" action=(format!("{here}/sender")) {
                (frame::mark(call))
                div {
                    label for="whole" { "Who" }
                    select #whole name="whole" {
                        option value="address" { (pieces::harmless(&story.reverse_path)) }
                        option value="domain" { "everybody at " (pieces::harmless(domain)) }
                    }
                }
                @if let Scope::Domains(own) = &call.caller.scope {
                    div {
                        label for="list" { "For recipients at" }
                        select #list name="list" { @for name in own { option value=(name) { (name) } } }
                    }
                }
                button.plain type="submit" name="act" value="trust" { "Trust" }
                button.danger type="submit" name="act" value="block" { "Block" }
                button.plain type="submit" name="act" value="forget" { "In no list" }
            }
        }
    }
}

fn timeline(story: &Story) -> Markup {
    html! {
        ol.story {
            // What rules could ask is kept for the rules.
            @for (at_ms, event) in story.events.iter().filter(|(_, event)| !matches!(event, Event::Inspected(_))).take(EVENTS) {
                li { (pieces::time(*at_ms)) " " (event.in_plain_words()) (related(event)) }
            }
            @if story.events.len() > EVENTS {
                li { "and " (story.events.len() - EVENTS) " more events, which "
                    code { "postern track" } " tells" }
            }
        }
    }
}

/// A way to the mail that an event speaks of.
fn related(event: &Event) -> Markup {
    let other = match event {
        Event::Reported { report } => Some(*report),
        Event::Originated { about, .. } => *about,
        Event::Continued { about, .. } => Some(*about),
        Event::Redirected { becomes, .. }
        | Event::Copied { becomes, .. }
        | Event::GoesOn { becomes, .. } => Some(*becomes),
        Event::Notified { notice, .. } => Some(*notice),
        Event::ApprovalAsked { question, .. } => Some(*question),
        _ => None,
    };
    html! { @if let Some(other) = other { " " a href=(format!("/tracking/{other}")) { "see that mail" } } }
}

fn deliveries(story: &Story) -> Markup {
    let rows: Vec<_> = story
        .events
        .iter()
        .filter_map(|(at_ms, event)| match event {
            Event::Delivered { recipient, hop, reply, tls } => {
                Some((*at_ms, "delivered", recipient, hop.as_str(), reply, secrecy(tls.as_ref())))
            }
            Event::Deferred { recipient, reply, .. } => {
                Some((*at_ms, "waits", recipient, "", reply, String::new()))
            }
            Event::Failed { recipient, reply } => {
                Some((*at_ms, "failed", recipient, "", reply, String::new()))
            }
            _ => None,
        })
        .collect();
    html! {
        @if !rows.is_empty() {
            h2 { "Deliveries" }
            div.scroll { table.stack {
                caption { "What the next hops said" }
                thead { tr {
                    th scope="col" { "Time" } th scope="col" { "Recipient" } th scope="col" { "Result" }
                    th scope="col" { "Next hop" } th scope="col" { "It said" } th scope="col" { "Encryption" }
                } }
                tbody {
                    @for (at_ms, result, recipient, hop, reply, tls) in rows.iter().take(EVENTS) {
                        tr {
                            td.when data-name="Time" { (pieces::time(*at_ms)) }
                            td data-name="Recipient" { (pieces::harmless(recipient)) }
                            td data-name="Result" {
                                span class=(match *result { "delivered" => "badge good", "failed" => "badge bad", _ => "badge warn" }) { (result) }
                            }
                            td data-name="Next hop" { (hop) }
                            td data-name="It said" { (pieces::harmless(reply)) }
                            td data-name="Encryption" { (tls) }
                        }
                    }
                }
            } }
        }
    }
}

fn findings(story: &Story, analysis: &Analysis) -> Markup {
    let judged = story.events.iter().rev().find_map(|(_, event)| match event {
        Event::Judged { findings, score, .. } => Some((findings, *score)),
        _ => None,
    });
    let Some((notes, score)) = judged else { return html! {} };
    let mut notes: Vec<&FindingNote> = notes.iter().collect();
    notes.sort_by(|one, other| other.score.abs().total_cmp(&one.score.abs()));
    html! {
        h2 #why { "Why" }
        @if notes.is_empty() {
            p { "Nothing was found that speaks for or against it." }
        } @else {
            div.scroll { table.stack {
                caption { "Findings of the last judgement, the heaviest first; together " (format!("{score:+.1}")) " points" }
                thead { tr {
                    th.num scope="col" { "Points" } th scope="col" { "Finding" }
                    th scope="col" { "What it means" } th scope="col" { "Where and what" }
                } }
                tbody { @for note in notes { (finding(note, analysis)) } }
            } }
        }
    }
}

/// One finding, with its meaning apart from what was seen in this mail.
pub(in crate::admin::site) fn finding(note: &FindingNote, analysis: &Analysis) -> Markup {
    let meaning = analysis.meaning_of(&note.name).unwrap_or_default();
    let detail = note.detail.strip_prefix(meaning).unwrap_or(&note.detail);
    let detail = if meaning.is_empty() { note.detail.as_str() } else { detail };
    html! {
        tr {
            td.num data-name="Points" { (points(note.score)) }
            td data-name="Finding" { a href=(format!("/tracking?{}", query("finding", &note.name))) { code { (note.name) } } }
            td data-name="What it means" { @if meaning.is_empty() { span.soft { "a finding of an earlier version" } } @else { (meaning) } }
            td data-name="Where and what" { (pieces::harmless(detail.trim_start_matches(": "))) }
        }
    }
}

/// What a finding weighs: against the mail, for it, or nothing.
fn points(score: f32) -> Markup {
    html! {
        @if score >= 0.05 { span.badge.warn { (format!("+{score:.1}")) } }
        @else if score <= -0.05 { span.badge.good { (format!("\u{2212}{:.1}", -score)) } }
        @else { span.soft { "0" } }
    }
}

/// One pair of a query.
pub(in crate::admin::site) fn query(name: &str, value: &str) -> String {
    crate::web::Pairs::default().with(name, value).to_query()
}

fn policy(story: &Story) -> Markup {
    let judged: Vec<_> = story
        .events
        .iter()
        .filter_map(|(at_ms, event)| match event {
            Event::Judged { dispositions, findings, .. } => {
                let acted = findings.iter().filter(|note| is_of_policy(note)).collect::<Vec<_>>();
                Some((*at_ms, dispositions, acted))
            }
            _ => None,
        })
        .collect();
    let orders: Vec<_> = story.events.iter().filter(|(_, event)| is_order(event)).collect();
    html! {
        h2 { "What policy decided" }
        @if judged.is_empty() && orders.is_empty() { p { "Policy was not asked." } }
        ol.story {
            @for (at_ms, dispositions, acted) in &judged {
                li {
                    (pieces::time(*at_ms)) " decided: " b { (dispositions) }
                    @if acted.is_empty() { ", by the score and the classes of its findings; no rule acted" }
                    @for note in acted { br; code { (note.name) } " " (pieces::harmless(&note.detail)) }
                }
            }
            @for (at_ms, event) in &orders { li { (pieces::time(*at_ms)) " " (event.in_plain_words()) } }
        }
    }
}

/// What is still to be done to what goes out.
fn orders_of(kept: &Kept) -> Markup {
    html! {
        @if !kept.judgement.orders.is_empty() {
            details {
                summary { "Orders for its copies (" (kept.judgement.orders.len()) ")" }
                ul { @for order in kept.judgement.orders.iter().take(100) { li { (pieces::harmless(&order_words(order))) } } }
            }
        }
    }
}

/// An order in plain words.
fn order_words(order: &Order) -> String {
    let all = |paths: &[Address]| {
        let paths: Vec<String> = paths.iter().take(10).map(ToString::to_string).collect();
        paths.join(", ")
    };
    match order {
        Order::TagSubject(tag) => format!("put {tag:?} before the subject"),
        Order::AddHeader { name, value } => format!("add the field {name}: {value}"),
        Order::RemoveHeader(name) => format!("remove every field {name}"),
        Order::RemoveResults(server) => format!("remove results that claim to be {server}'s"),
        Order::Replace { start, end, with } => {
            format!("replace octets {start} to {end} by {} others", with.len())
        }
        Order::KeepOriginal { area } => format!("keep the original in {area}"),
        Order::For { recipients, order } => {
            format!("for {} of the recipients: {}", recipients.len(), order_words(order))
        }
        Order::Annotate { key, .. } => format!("put the text {key} into the body"),
        Order::Redirect { to } => format!("send it to {} instead", all(to)),
        Order::Copy { to } => format!("send a copy to {}", all(to)),
        Order::Notify { to, .. } => format!("send a notice to {}", all(to)),
        Order::RouteVia(hops) => format!("send it by {hops}"),
        Order::Archive { class } => format!("archive it, class {class}"),
        Order::RateLimit { name, count, per_s, .. } => {
            format!("let no more than {count} through in {per_s} s (limit {name})")
        }
    }
}

pub(super) fn is_of_policy(note: &FindingNote) -> bool {
    ["POLICY_RULE", "ATTACHMENT_RULE", "SENDER_TRUSTED", "SENDER_BLOCKED"]
        .contains(&note.name.as_str())
}

fn is_order(event: &Event) -> bool {
    matches!(
        event,
        Event::Archived { .. }
            | Event::Redirected { .. }
            | Event::Copied { .. }
            | Event::Notified { .. }
            | Event::Withheld { .. }
            | Event::ApprovalAsked { .. }
            | Event::ApprovalDecided { .. }
            | Event::RateLimited { .. }
            | Event::OriginalKept { .. }
    )
}
