//! Where an approver answers: the page that the link in a question leads to.
//!
//! In: the secret of the link. Out: what the mail is about, why it waits, and two buttons. No
//! log-in: whoever holds the secret answers in the approver's name, and stays nobody otherwise.
//! GET and HEAD change nothing, so that programs that try the links of a mail decide nothing; POST
//! decides, once, and is journalled with the approver and the address it came from.
//!
//! Unknown, used and expired secrets are answered alike (404), and so is a path that holds none.
//! Requests are limited by address. The secret stands in no log and in no journal.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use maud::{Markup, html};
use warp::http::StatusCode;

use super::frame::{self, Section};
use super::routes::route;
use super::{Call, Refusal, Route, noted, pieces};
use crate::action::approval::ApprovalError;
use crate::action::errands::Decision;
use crate::journal::Act;
use crate::mail::Expiry;
use crate::net::network::Client;
use crate::net::rates::{Buckets, Rate};
use crate::quarantine::Waiting;
use crate::web::Answer;

pub(super) const ROUTES: &[Route] = &[
    route!(GET "/approval/{secret}", Token, show),
    route!(POST "/approval/{secret}", Token, decide, ANSWER_OCTETS),
];

/// Before the secret.
pub(super) const PATH: &str = "/approval/";
/// A form with one field.
const ANSWER_OCTETS: usize = 4 << 10;
/// Of one address. A person needs two; the secret is beyond guessing in any case.
const A_MINUTE: u32 = 60;
const ADDRESSES: usize = 20_000;
/// Findings that are named.
const FINDINGS: usize = 20;

/// How often an address may come.
#[derive(Debug)]
pub(super) struct Knocks(Mutex<Buckets<Client>>);

impl Default for Knocks {
    fn default() -> Knocks {
        Knocks(Mutex::new(Buckets::new(ADDRESSES)))
    }
}

impl Knocks {
    fn admit(&self, address: IpAddr, now: Instant) -> Result<(), Refusal> {
        let Some(rate) = Rate::a_minute(A_MINUTE) else { return Ok(()) };
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = |wait: Duration| Refusal::TooMany(wait.as_secs() + 1);
        buckets.take(Client::of(address), 1, rate, now).map_err(wait)
    }
}

/// A path that may be written into a log.
pub(super) fn without_secret(path: &str) -> &str {
    if path.starts_with(PATH) { "/approval/…" } else { path }
}

fn refusal(error: ApprovalError) -> Refusal {
    match error {
        ApprovalError::BadLink => Refusal::NotFound,
        error => Refusal::Broken(error.to_string()),
    }
}

async fn show(call: Call) -> Result<Answer, Refusal> {
    call.site.knocks.admit(call.ask.client.ip(), Instant::now())?;
    let (approvals, secret) = (call.site.desk.approvals.clone(), call.part(0).to_owned());
    let waiting = call.blocking(move || approvals.asked_by(&secret).map_err(refusal)).await?;
    let content = html! {
        p { (waiting.approver) ", you are asked whether this message may go on." }
        (facts(&waiting))
        form method="post" action=(call.ask.path) {
            div.row {
                button type="submit" name="answer" value="release" { "Deliver it" }
                button.danger type="submit" name="answer" value="refuse" { "Refuse it" }
            }
        }
        p.soft { "Nothing is decided before you press one of the buttons." }
    };
    Ok(page(&call, "A message waits for your approval", &content))
}

/// The secret must not leave in a `Referer`, and the page is nobody's to find.
fn page(call: &Call, title: &str, content: &Markup) -> Answer {
    let mut page = frame::shown(call, StatusCode::OK, Section::Elsewhere, title, content);
    let name = warp::http::HeaderName::from_static("x-robots-tag");
    page.headers_mut().insert(name, warp::http::HeaderValue::from_static("noindex, nofollow"));
    page
}

fn facts(waiting: &Waiting) -> Markup {
    let (held, judgement) = (&waiting.held, &waiting.held.judgement);
    let subject = pieces::subject(&judgement.summary.subject);
    let findings = judgement.findings.iter().filter(|finding| finding.score > 0.0);
    let findings: Vec<_> = findings.take(FINDINGS).collect();
    let then = match waiting.on_expiry {
        Expiry::Refuse => "it is refused",
        Expiry::Release => "it is delivered",
    };
    html! {
        section.card aria-label="The message" {
            dl.facts {
                dt { "From" }
                dd { (pieces::reverse_path(&held.envelope.reverse_path.to_string())) }
                dt { "Author" } dd { (judgement.summary.author) }
                dt { "To" }
                dd { @for one in &held.envelope.recipients { (pieces::harmless(&one.forward_path.to_string())) br; } }
                dt { "Subject" } dd { (subject) }
                dt { "Size" } dd { (pieces::size(held.content.len())) }
                dt { "Came" } dd { (pieces::time(held.facts.received_ms)) }
                dt { "Held by rule" } dd { (waiting.rule) }
                @if !findings.is_empty() {
                    dt { "Because of" }
                    dd { @for one in &findings { code { (one.name) } " " (one.detail) br; } }
                }
                dt { "Answer until" }
                dd { (pieces::time(u64::from(waiting.until_s) * 1_000)) "; without an answer " (then) }
                dt { "Reference" } dd { code { (held.id) } }
            }
        }
    }
}

async fn decide(call: Call) -> Result<Answer, Refusal> {
    call.site.knocks.admit(call.ask.client.ip(), Instant::now())?;
    let (approvals, secret) = (call.site.desk.approvals.clone(), call.part(0).to_owned());
    let decision = match call.form.filled("answer") {
        Some("release") => Decision::Release,
        Some("refuse") => Decision::Refuse,
        // Who holds no secret does not learn what is missing.
        _ => {
            call.blocking(move || approvals.asked_by(&secret).map_err(refusal)).await?;
            return Err(Refusal::bad("answer: release or refuse"));
        }
    };
    let waiting = approvals.answer(&secret, decision).await.map_err(refusal)?;
    let act = Act::of(format!("approval.{}", decision.word()), waiting.held.id.to_string());
    noted::note_by(&call, &waiting.approver.to_string(), Some(waiting.held.mail_id), act);
    let (title, words) = match decision {
        Decision::Release => ("Delivered", "The message is on its way to its recipients."),
        Decision::Refuse => (
            "Refused",
            "The message is not delivered. Its sender is told, or, where it came from outside, \
             its recipients.",
        ),
    };
    let content = html! {
        div.notice role="status" { p { (words) } }
        (facts(&waiting))
        p.soft { "The link is used up; you can close this page." }
    };
    Ok(page(&call, title, &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_reach_logs() {
        assert_eq!(without_secret("/approval/abc"), "/approval/…");
        assert_eq!(without_secret("/approvals"), "/approvals");
    }

    #[test]
    fn an_address_comes_so_often_a_minute() {
        let (knocks, now) = (Knocks::default(), Instant::now());
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..A_MINUTE {
            knocks.admit(one, now).unwrap();
        }
        assert!(matches!(knocks.admit(one, now), Err(Refusal::TooMany(1 | 2))));
        knocks.admit("192.0.2.2".parse().unwrap(), now).unwrap();
        knocks.admit(one, now + Duration::from_secs(60)).unwrap();
    }
}
