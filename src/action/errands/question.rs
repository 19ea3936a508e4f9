//! The question whether a mail may go on.
//!
//! A question is a mail to the approver with what the mail is about and one link, to the page
//! where it is answered; nothing is decided by opening it. Where the box serves no site that a
//! link could lead to, the question says how to answer instead.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::Answering;
use super::heading::mark_of;
use super::notice::{harmless, letter_to};
use super::{Errands, derived_id};
use crate::journal::Event;
use crate::mail::{About, Address, Expiry, MailId};

const QUESTION: &str = "approval";
/// Findings that a question names.
const FINDINGS: usize = 10;

/// What is asked of whom.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The entry of the quarantine.
    pub entry: MailId,
    /// Who is asked.
    pub approver: &'a Address,
    /// The rule that asks.
    pub rule: &'a str,
    /// Until when, seconds since 1970.
    pub until_s: u32,
    /// What becomes of it then.
    pub on_expiry: Expiry,
    /// Whose copies.
    pub recipients: &'a [u16],
}

/// An answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is delivered.
    Release,
    /// It is not.
    Refuse,
}

impl Decision {
    /// In a story and a path.
    pub fn word(self) -> &'static str {
        match self {
            Decision::Release => "released",
            Decision::Refuse => "refused",
        }
    }
}

impl Errands {
    /// Asks the approver. Asked once more about the same entry, the same mail is found.
    pub async fn ask(&self, about: About<'_>, question: Question<'_>) -> Result<(), String> {
        let terms = self.terms();
        let Question { entry, approver, until_s, .. } = question;
        let id = derived_id(entry, QUESTION, &[approver.key().as_bytes()]);
        let subject = format!("Approval needed: {}", about.judgement.summary.subject);
        let how = match &terms.answering {
            Answering::Link(base) => {
                let tickets = self.tickets.clone();
                let issuing = tokio::task::spawn_blocking(move || tickets.issue(entry, until_s));
                let issued = issuing.await.map_err(|error| error.to_string())?;
                how_by_link(base, &issued.map_err(|error| error.to_string())?)
            }
            Answering::Site => format!("{ON_THE_SITE}{}", by_command(entry)),
            Answering::Command => by_command(entry),
        };
        let text = words(about, question, &how);
        let message_id = format!("{id}@{}", terms.settings.hostname);
        let mark = mark_of(&self.secret, QUESTION, approver, &message_id);
        let own = letter_to(&terms.settings, approver, id, about.id, (&subject, &text), &mark);
        let question_id = self.commit(own, about.id).await?;
        let event = Event::ApprovalAsked {
            entry,
            approver: approver.to_string(),
            rule: question.rule.to_owned(),
            expires_ms: u64::from(until_s) * 1_000,
            question: question_id,
        };
        self.chronicle.note(about.id, event);
        Ok(())
    }
}

fn words(about: About<'_>, question: Question<'_>, how: &str) -> String {
    let Question { entry, rule, until_s, on_expiry, recipients, .. } = question;
    let until = Timestamp::from_second(i64::from(until_s)).unwrap_or_default();
    let sender = about.envelope.reverse_path.to_string();
    let mut out = String::from("A message waits for your approval.\n\n");
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "{name:<12}{}", harmless(value));
    };
    row("From", if sender.is_empty() { "<>" } else { &sender });
    row("To", &about.names(recipients).join(", "));
    row("Subject", &about.judgement.summary.subject);
    row("Size", &format!("{} octets", about.content.len()));
    row("Rule", rule);
    let names = about.judgement.findings.iter().filter(|finding| finding.score > 0.0);
    let names: Vec<&str> = names.take(FINDINGS).map(|finding| finding.name.as_ref()).collect();
    if !names.is_empty() {
        row("Findings", &names.join(", "));
    }
    row("Reference", &entry.to_string());
    let then = match on_expiry {
        Expiry::Refuse => "refused",
        Expiry::Release => "delivered",
    };
    let _ = writeln!(out, "\nWithout an answer by {until} it is {then}.\n");
    out.push_str(how);
    out
}

/// Where the box has a site and the link to it would lead nowhere.
const ON_THE_SITE: &str =
    "Answer it on the box's own site, page Quarantine, Waiting for approval. ";

fn how_by_link(base: &str, secret: &str) -> String {
    format!(
        "See it, and have it delivered or refused:\n{base}/approval/{secret}\n\n\
         Opening the link decides nothing yet. It is good for one answer and needs no log-in:\n\
         do not pass this message on.\n"
    )
}

fn by_command(entry: MailId) -> String {
    format!(
        "The administrator can answer for you:\n\
         postern approval release {entry}\npostern approval refuse {entry}\n"
    )
}
