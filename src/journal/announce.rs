//! One `tracing` event for each event of the journal, with its plain fields.
//!
//! In: a MailId and an [`Event`]. Out: an event of target `postern::journal` whose message is
//! the event's name. Lists are cut to a few entries; the journal keeps them whole.

use std::net::IpAddr;

use tracing::info;

use super::event::{Event, FindingNote};
use crate::mail::{MailId, TlsFacts};
use crate::telemetry::escape::cut;

const TARGET: &str = "postern::journal";
const TEXT_OCTETS: usize = 300;
const LISTED: usize = 10;

/// Tells telemetry; costs next to nothing when nobody listens.
pub(super) fn announce(mail_id: MailId, event: &Event) {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return;
    }
    let name = event.name();
    let id = tracing::field::display(mail_id);
    match event {
        Event::Received { reverse_path, forward_paths, size_octets, tls, account, .. } => {
            let (role, client, helo) = origin(event);
            info!(target: TARGET, mail_id = id, event = name, role, client, helo,
                reverse_path = short(reverse_path), forward_paths = listed(forward_paths),
                size_octets, tls = tls_words(tls.as_ref()), account = account.as_deref(),
                "received");
        }
        Event::Judged { verdict, score, findings, subject, message_id, dispositions } => {
            info!(target: TARGET, mail_id = id, event = name, verdict = %verdict, score,
                findings = noted(findings), subject = short(subject),
                message_id = short(message_id), dispositions = short(dispositions), "judged");
        }
        Event::Refused { reply, stage } => {
            info!(target: TARGET, mail_id = id, event = name, reply = short(reply),
                stage = short(stage), "refused");
        }
        Event::Delivered { recipient, hop, reply, tls } => {
            info!(target: TARGET, mail_id = id, event = name, recipient = short(recipient),
                hop = short(hop), reply = short(reply), tls = tls_words(tls.as_ref()),
                "delivered");
        }
        Event::Deferred { recipient, reply, next_attempt_ms } => {
            info!(target: TARGET, mail_id = id, event = name, recipient = short(recipient),
                reply = short(reply), next_attempt_ms, "deferred");
        }
        Event::Failed { recipient, reply } => {
            info!(target: TARGET, mail_id = id, event = name, recipient = short(recipient),
                reply = short(reply), "failed");
        }
        Event::Reported { report } => {
            info!(target: TARGET, mail_id = id, event = name, report = %report, "reported");
        }
        Event::Quarantined { area, recipients } => {
            info!(target: TARGET, mail_id = id, event = name, area = short(area),
                recipients = listed(recipients), "quarantined");
        }
        Event::OriginalKept { area, recipients } => {
            info!(target: TARGET, mail_id = id, event = name, area = short(area),
                recipients = listed(recipients), "{name}");
        }
        Event::Released { by }
        | Event::Held { by }
        | Event::Retried { by }
        | Event::Removed { by } => {
            info!(target: TARGET, mail_id = id, event = name, by = short(by), "{name}");
        }
        Event::Originated { about, reverse_path, forward_paths, subject, size_octets } => {
            info!(target: TARGET, mail_id = id, event = name,
                about = about.map(tracing::field::display), reverse_path = short(reverse_path),
                forward_paths = listed(forward_paths), subject = short(subject), size_octets,
                "originated");
        }
        Event::VisitRefused { client, reply, stage } => {
            info!(target: TARGET, mail_id = id, event = name, client = %client,
                reply = short(reply), stage = short(stage), "session refused");
        }
        Event::TurnedAway { client, reverse_path, forward_paths, reply, stage } => {
            info!(target: TARGET, mail_id = id, event = name, client = %client,
                reverse_path = short(reverse_path), forward_paths = listed(forward_paths),
                reply = short(reply), stage = short(stage), "turned away");
        }
        Event::FoundLater { path, what, version } => {
            info!(target: TARGET, mail_id = id, event = name, path = short(path),
                what = short(what), version = short(version), "found later");
        }
        Event::Committed | Event::Discarded | Event::Expired | Event::Recovered => {
            info!(target: TARGET, mail_id = id, event = name, "{name}");
        }
        ordered => announce_order(mail_id, ordered),
    }
}

/// What was ordered beside delivery.
fn announce_order(mail_id: MailId, event: &Event) {
    let name = event.name();
    let id = tracing::field::display(mail_id);
    match event {
        Event::Archived { class } => {
            info!(target: TARGET, mail_id = id, event = name, class = short(class), "archived");
        }
        Event::Redirected { recipients, forward_paths, becomes } => {
            info!(target: TARGET, mail_id = id, event = name, recipients = listed(recipients),
                forward_paths = listed(forward_paths), becomes = %becomes, "redirected");
        }
        Event::Copied { forward_paths, becomes } => {
            info!(target: TARGET, mail_id = id, event = name,
                forward_paths = listed(forward_paths), becomes = %becomes, "copied");
        }
        Event::GoesOn { forward_paths, becomes } => {
            info!(target: TARGET, mail_id = id, event = name,
                forward_paths = listed(forward_paths), becomes = %becomes, "goes on");
        }
        Event::Continued { about, reverse_path, forward_paths, subject, size_octets, .. } => {
            info!(target: TARGET, mail_id = id, event = name, about = %about,
                reverse_path = short(reverse_path), forward_paths = listed(forward_paths),
                subject = short(subject), size_octets, "let out of quarantine");
        }
        Event::Notified { forward_path, notice } => {
            info!(target: TARGET, mail_id = id, event = name, forward_path = short(forward_path),
                notice = %notice, "notified");
        }
        Event::Withheld { order, forward_path, why } => {
            info!(target: TARGET, mail_id = id, event = name, order = short(order),
                forward_path = short(forward_path), why = short(why), "withheld");
        }
        Event::ApprovalAsked { entry, approver, rule, expires_ms, question } => {
            info!(target: TARGET, mail_id = id, event = name, entry = %entry,
                approver = short(approver), rule = short(rule), expires_ms,
                question = %question, "approval asked");
        }
        Event::ApprovalDecided { entry, by, decision } => {
            info!(target: TARGET, mail_id = id, event = name, entry = %entry, by = short(by),
                decision = short(decision), "approval decided");
        }
        Event::RateLimited { limit, counted, consequence } => {
            info!(target: TARGET, mail_id = id, event = name, limit = short(limit),
                counted = short(counted), consequence = short(consequence), "rate limited");
        }
        Event::Administered(note) => {
            let act = &note.act;
            info!(target: TARGET, mail_id = id, event = name, who = short(&act.who),
                what = short(&act.what), object = short(&act.object),
                client = act.client.map(tracing::field::display), via = short(&act.via),
                refusal = short(&act.refusal), "administered");
        }
        // For rules; the journal keeps it, and the judgement beside it was told.
        Event::Inspected(_) => {}
        _ => info!(target: TARGET, mail_id = id, event = name, "{name}"),
    }
}

fn origin(event: &Event) -> (Option<String>, Option<String>, Option<&str>) {
    let Event::Received { role, client, helo, .. } = event else { return (None, None, None) };
    (Some(role.to_string()), Some(IpAddr::to_string(client)), Some(short(helo)))
}

fn short(text: &str) -> &str {
    cut(text, TEXT_OCTETS)
}

fn tls_words(tls: Option<&TlsFacts>) -> Option<String> {
    tls.map(|tls| format!("{} {}", tls.version, tls.cipher))
}

fn listed(texts: &[String]) -> String {
    let mut list = texts.iter().take(LISTED).map(|text| short(text)).collect::<Vec<_>>().join(", ");
    if texts.len() > LISTED {
        list.push_str(&format!(" and {} more", texts.len() - LISTED));
    }
    list
}

fn noted(findings: &[FindingNote]) -> String {
    let notes = findings.iter().take(LISTED * 2);
    let notes = notes.map(|note| format!("{} {:.1}", short(&note.name), note.score));
    notes.collect::<Vec<_>>().join(", ")
}
