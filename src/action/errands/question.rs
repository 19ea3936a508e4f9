//! The question whether a mail may go on, and the news that it may not.
//!
//! A question is a mail to the approver with what the mail is about and two links, one for
//! each answer. A link holds the entry, the answer and the end of its time, signed; it is good
//! once, because the entry is gone with the first answer.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::super::secret::{Secret, TAG_OCTETS};
use super::heading::mark_of;
use super::notice::{harmless, letter_to};
use super::{About, Errands, derived_id};
use crate::journal::Event;
use crate::mail::{Address, Expiry, MailId};

const QUESTION: &str = "approval";
/// Entry, answer, end.
const CLAIM_OCTETS: usize = 12 + 1 + 4;
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

    fn octet(self) -> u8 {
        match self {
            Decision::Release => 1,
            Decision::Refuse => 2,
        }
    }
}

/// What a link says, when its signature is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The entry of the quarantine.
    pub entry: MailId,
    /// The answer that it gives.
    pub decision: Decision,
    /// Until when it is good, seconds since 1970.
    pub until_s: u32,
}

impl Claim {
    /// The text that stands in a link.
    pub fn token(&self, secret: &Secret) -> String {
        let mut octets = self.octets();
        let tag = secret.sign(QUESTION, &[&octets]);
        octets.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// What such a text says; nothing when it was not written here.
    pub fn read(secret: &Secret, token: &str) -> Option<Claim> {
        if token.len() > (CLAIM_OCTETS + TAG_OCTETS) * 2 {
            return None;
        }
        let octets = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (claim, tag) = octets.split_at_checked(CLAIM_OCTETS)?;
        if !secret.knows(QUESTION, &[claim], tag) {
            return None;
        }
        let (entry, rest) = claim.split_first_chunk::<12>()?;
        let (answer, until) = rest.split_first()?;
        let decision = match answer {
            1 => Decision::Release,
            2 => Decision::Refuse,
            _ => return None,
        };
        let until_s = u32::from_be_bytes(*until.first_chunk::<4>()?);
        Some(Claim { entry: MailId::from_octets(*entry), decision, until_s })
    }

    fn octets(&self) -> Vec<u8> {
        let mut octets = self.entry.octets().to_vec();
        octets.push(self.decision.octet());
        octets.extend_from_slice(&self.until_s.to_be_bytes());
        octets
    }
}

impl Errands {
    /// Asks the approver. Asked once more about the same entry, the same mail is found.
    pub async fn ask(&self, about: About<'_>, question: Question<'_>) -> Result<(), String> {
        let terms = self.terms();
        let Question { entry, approver, until_s, .. } = question;
        let id = derived_id(entry, QUESTION, &[approver.key().as_bytes()]);
        let subject = format!("Approval needed: {}", about.judgement.summary.subject);
        let text = self.words(about, question, terms.approval_base.as_deref());
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

    fn words(&self, about: About<'_>, question: Question<'_>, base: Option<&str>) -> String {
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
        match base {
            Some(base) => {
                let link = |decision: Decision| {
                    let claim = Claim { entry, decision, until_s };
                    format!("{base}/approval/{}", claim.token(&self.secret))
                };
                let _ = writeln!(out, "Deliver it:\n{}\n", link(Decision::Release));
                let _ = writeln!(out, "Refuse it:\n{}\n", link(Decision::Refuse));
                out.push_str("Each link is good once. Do not pass this message on.\n");
            }
            None => {
                let _ = writeln!(
                    out,
                    "The administrator can answer for you:\n\
                     postern approval release {entry}\npostern approval refuse {entry}"
                );
            }
        }
        out
    }
}
