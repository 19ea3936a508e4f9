//! What can happen to a mail.
//!
//! In: plain facts from the rooms that act. Out: [`Event`], small, self-contained, and
//! limited in size ([`Event::limit`]) before it is kept. Variants are kept by their position
//! in the journal's files: new ones go to the end, fields of old ones stay as they are.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::acts::ActNote;
use super::inspection::Inspection;
use crate::mail::{Disposition, Envelope, Facts, Judgement, MailId, Role, TlsFacts, Verdict};
use crate::telemetry::escape::cut;

const ADDRESS_OCTETS: usize = 512;
const TEXT_OCTETS: usize = 1_024;
const RECIPIENTS: usize = 10_000;
const FINDINGS: usize = 100;

/// One finding as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingNote {
    /// For example `SPF_FAIL`.
    pub name: String,
    /// Its part in the sum.
    #[serde(serialize_with = "crate::mail::two_decimals")]
    pub score: f32,
    /// Where and what.
    pub detail: String,
}

/// One transition of one mail. Texts are as strangers sent them: whoever shows them escapes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It came in whole.
    Received {
        /// By which kind of listener.
        role: Role,
        /// From whom.
        client: IpAddr,
        /// What the client called itself.
        helo: String,
        /// Empty when null.
        reverse_path: String,
        /// Whom it is for.
        forward_paths: Vec<String>,
        /// Of the message.
        size_octets: u64,
        /// When it came encrypted.
        tls: Option<TlsFacts>,
        /// When the client authenticated.
        account: Option<String>,
    },
    /// It was analysed and policy decided.
    Judged {
        /// What it is.
        verdict: Verdict,
        /// Sum of the findings.
        #[serde(serialize_with = "crate::mail::two_decimals")]
        score: f32,
        /// Why.
        findings: Vec<FindingNote>,
        /// Decoded.
        subject: String,
        /// Without angle brackets; empty when the message has none.
        message_id: String,
        /// What becomes of how many copies, for example `deliver 2, quarantine spam 1`.
        dispositions: String,
    },
    /// The sender was told no; nothing was kept.
    Refused {
        /// What the sender read.
        reply: String,
        /// Where on its way it was, for example `policy` or `commit`.
        stage: String,
    },
    /// It is durable and the sender was told so.
    Committed,
    /// A next hop took responsibility for a copy.
    Delivered {
        /// Whose copy.
        recipient: String,
        /// Who took it.
        hop: String,
        /// What it said.
        reply: String,
        /// When the copy went encrypted.
        tls: Option<TlsFacts>,
    },
    /// A copy must wait.
    Deferred {
        /// Whose copy.
        recipient: String,
        /// Why.
        reply: String,
        /// Milliseconds since 1970.
        next_attempt_ms: u64,
    },
    /// A copy cannot be delivered.
    Failed {
        /// Whose copy.
        recipient: String,
        /// Why.
        reply: String,
    },
    /// A report about it was sent to its sender.
    Reported {
        /// The report, a mail of its own.
        report: MailId,
    },
    /// Copies are kept from their recipients.
    Quarantined {
        /// Where.
        area: String,
        /// Whose copies.
        recipients: Vec<String>,
    },
    /// Somebody let it go on.
    Released {
        /// Who.
        by: String,
    },
    /// Somebody stopped it.
    Held {
        /// Who.
        by: String,
    },
    /// Somebody asked for another attempt now.
    Retried {
        /// Who.
        by: String,
    },
    /// Somebody removed it.
    Removed {
        /// Who.
        by: String,
    },
    /// Accepted and dropped by policy.
    Discarded,
    /// It was kept for as long as it may be.
    Expired,
    /// It was found in the spool after a restart.
    Recovered,
    /// The box wrote it: a report or a notice.
    Originated {
        /// The mail that it speaks of.
        about: Option<MailId>,
        /// Empty when null.
        reverse_path: String,
        /// Whom it is for.
        forward_paths: Vec<String>,
        /// Its subject.
        subject: String,
        /// Of the message.
        size_octets: u64,
    },
    /// The transaction came to no mail, or not to one for these recipients.
    TurnedAway {
        /// From whom.
        client: IpAddr,
        /// Empty when null.
        reverse_path: String,
        /// Whom it was for, as far as they were named.
        forward_paths: Vec<String>,
        /// What the sender read, or why there was nothing to read.
        reply: String,
        /// Where on its way it was, for example `RCPT`.
        stage: String,
    },
    /// A session was refused, or something in it that belongs to no mail. Its name is the
    /// session's.
    VisitRefused {
        /// From whom.
        client: IpAddr,
        /// What the client read.
        reply: String,
        /// What it had come to, for example `connection` or `AUTH`.
        stage: String,
    },
    /// The mail as it came is kept beside copies that go out changed.
    OriginalKept {
        /// Where.
        area: String,
        /// Whose copies were changed.
        recipients: Vec<String>,
    },
    /// It was delivered before it was known to carry malware.
    FoundLater {
        /// Which file; empty for the whole message.
        path: String,
        /// `signature X` or `digest list X`.
        what: String,
        /// What the scanners knew then.
        version: String,
    },
    /// It is in the archive, as it came.
    Archived {
        /// In which class.
        class: String,
    },
    /// Copies went to others instead of their recipients.
    Redirected {
        /// Whose copies.
        recipients: Vec<String>,
        /// Who has them.
        forward_paths: Vec<String>,
        /// The mail that they became.
        becomes: MailId,
    },
    /// Others have a copy as well.
    Copied {
        /// Who.
        forward_paths: Vec<String>,
        /// The copy, a mail of its own.
        becomes: MailId,
    },
    /// Somebody was sent a notice about it.
    Notified {
        /// Who.
        forward_path: String,
        /// The notice, a mail of its own.
        notice: MailId,
    },
    /// Something that was ordered was not done.
    Withheld {
        /// `copy`, `redirect` or `notice`.
        order: String,
        /// For whom it would have been.
        forward_path: String,
        /// Why it was not done.
        why: String,
    },
    /// Somebody was asked whether it may go on.
    ApprovalAsked {
        /// The entry of the quarantine.
        entry: MailId,
        /// Who.
        approver: String,
        /// The rule that asks.
        rule: String,
        /// Milliseconds since 1970.
        expires_ms: u64,
        /// The question, a mail of its own.
        question: MailId,
    },
    /// The question has its answer.
    ApprovalDecided {
        /// The entry of the quarantine.
        entry: MailId,
        /// Who answered; `expiry` when nobody did.
        by: String,
        /// `released` or `refused`.
        decision: String,
    },
    /// There were more of its kind than a limit lets through.
    RateLimited {
        /// The limit.
        limit: String,
        /// Whose mails are counted together.
        counted: String,
        /// What becomes of it: what the sender read, or where it is kept.
        consequence: String,
    },
    /// What rules of policy could ask of it when it was judged; told after the judgement.
    Inspected(Box<Inspection>),
    /// An administrator did something: to it, or to what is no mail; then the name is the
    /// act's.
    Administered(Box<ActNote>),
    /// Copies that were kept go on to their recipients as a mail of its own.
    GoesOn {
        /// Whose copies.
        forward_paths: Vec<String>,
        /// The mail that they became.
        becomes: MailId,
    },
    /// The beginning of such a mail.
    Continued {
        /// The mail that was kept.
        about: MailId,
        /// By which kind of listener that came.
        role: Role,
        /// Empty when null.
        reverse_path: String,
        /// Whom it is for.
        forward_paths: Vec<String>,
        /// Its subject.
        subject: String,
        /// Without angle brackets; empty when the message has none.
        message_id: String,
        /// Of the message.
        size_octets: u64,
    },
}

/// Kept copies on their way: the mail that they become.
#[derive(Debug, Clone, Copy)]
pub struct Continuation<'m> {
    /// The mail that was kept.
    pub about: MailId,
    /// Its name from now on.
    pub becomes: MailId,
    /// Whom it is from and for now.
    pub envelope: &'m Envelope,
    /// As they were when it came.
    pub facts: &'m Facts,
    /// What it was judged to be.
    pub judgement: &'m Judgement,
    /// Of the message.
    pub size_octets: u64,
}

impl Event {
    /// What session knows when a mail is whole.
    pub fn received(envelope: &Envelope, facts: &Facts, size_octets: u64) -> Event {
        Event::Received {
            role: facts.role,
            client: facts.client,
            helo: facts.helo.clone(),
            reverse_path: envelope.reverse_path.to_string(),
            forward_paths: forward_paths(envelope),
            size_octets,
            tls: facts.tls.clone(),
            account: facts.account.clone(),
        }
    }

    /// What policy made of a mail.
    pub fn judged(judgement: &Judgement) -> Event {
        let findings = judgement.findings.iter().take(FINDINGS).map(|finding| FindingNote {
            name: finding.name.to_string(),
            score: finding.score,
            detail: cut(&finding.detail, TEXT_OCTETS).to_owned(),
        });
        Event::Judged {
            verdict: judgement.verdict,
            score: judgement.score,
            findings: findings.collect(),
            subject: judgement.summary.subject.clone(),
            message_id: judgement.summary.message_id.clone(),
            dispositions: counted(&judgement.dispositions),
        }
    }

    /// A mail that the box wrote itself.
    pub fn originated(
        envelope: &Envelope,
        about: Option<MailId>,
        subject: &str,
        size_octets: u64,
    ) -> Event {
        Event::Originated {
            about,
            reverse_path: envelope.reverse_path.to_string(),
            forward_paths: forward_paths(envelope),
            subject: subject.to_owned(),
            size_octets,
        }
    }

    /// Kept copies go on: for the story of the mail that they become.
    pub fn continued(on: Continuation<'_>) -> Event {
        Event::Continued {
            about: on.about,
            role: on.facts.role,
            reverse_path: on.envelope.reverse_path.to_string(),
            forward_paths: forward_paths(on.envelope),
            subject: on.judgement.summary.subject.clone(),
            message_id: on.judgement.summary.message_id.clone(),
            size_octets: on.size_octets,
        }
    }

    /// The same for the story of the mail that was kept.
    pub(super) fn goes_on(on: Continuation<'_>) -> Event {
        Event::GoesOn { forward_paths: forward_paths(on.envelope), becomes: on.becomes }
    }

    /// Reverse-path, empty when null, and forward-paths, where the event tells of both.
    pub(super) fn envelope(&self) -> Option<(&str, &[String])> {
        match self {
            Event::Received { reverse_path, forward_paths, .. }
            | Event::Originated { reverse_path, forward_paths, .. }
            | Event::Continued { reverse_path, forward_paths, .. }
            | Event::TurnedAway { reverse_path, forward_paths, .. } => {
                Some((reverse_path, forward_paths))
            }
            _ => None,
        }
    }

    /// The event's name, as in JSON and telemetry.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Received { .. } => "received",
            Event::Judged { .. } => "judged",
            Event::Refused { .. } => "refused",
            Event::Committed => "committed",
            Event::Delivered { .. } => "delivered",
            Event::Deferred { .. } => "deferred",
            Event::Failed { .. } => "failed",
            Event::Reported { .. } => "reported",
            Event::Quarantined { .. } => "quarantined",
            Event::Released { .. } => "released",
            Event::Held { .. } => "held",
            Event::Retried { .. } => "retried",
            Event::Removed { .. } => "removed",
            Event::Discarded => "discarded",
            Event::Expired => "expired",
            Event::Recovered => "recovered",
            Event::Originated { .. } => "originated",
            Event::TurnedAway { .. } => "turned_away",
            Event::VisitRefused { .. } => "visit_refused",
            Event::OriginalKept { .. } => "original_kept",
            Event::FoundLater { .. } => "found_later",
            Event::Archived { .. } => "archived",
            Event::Redirected { .. } => "redirected",
            Event::Copied { .. } => "copied",
            Event::Notified { .. } => "notified",
            Event::Withheld { .. } => "withheld",
            Event::ApprovalAsked { .. } => "approval_asked",
            Event::ApprovalDecided { .. } => "approval_decided",
            Event::RateLimited { .. } => "rate_limited",
            Event::Inspected(_) => "inspected",
            Event::Administered(_) => "administered",
            Event::GoesOn { .. } => "goes_on",
            Event::Continued { .. } => "continued",
        }
    }

    /// About how much memory the event takes while it waits.
    pub(super) fn weight_octets(&self) -> usize {
        let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 24).sum::<usize>();
        let of_variant = match self {
            Event::Received { helo, reverse_path, forward_paths, .. } => {
                helo.len() + reverse_path.len() + texts(forward_paths)
            }
            Event::Judged { findings, subject, message_id, .. } => {
                let notes = findings.iter().map(|note| note.name.len() + note.detail.len() + 56);
                notes.sum::<usize>() + subject.len() + message_id.len()
            }
            Event::Originated { forward_paths, subject, .. } => {
                subject.len() + texts(forward_paths)
            }
            Event::TurnedAway { forward_paths, reply, stage, .. } => {
                reply.len() + stage.len() + texts(forward_paths)
            }
            Event::Quarantined { recipients, .. } | Event::OriginalKept { recipients, .. } => {
                texts(recipients)
            }
            Event::Delivered { recipient, reply, .. }
            | Event::Deferred { recipient, reply, .. }
            | Event::Failed { recipient, reply } => recipient.len() + reply.len(),
            Event::Refused { reply, .. } | Event::VisitRefused { reply, .. } => reply.len(),
            Event::FoundLater { path, what, version } => path.len() + what.len() + version.len(),
            Event::Archived { class: text } | Event::Notified { forward_path: text, .. } => {
                text.len()
            }
            Event::Redirected { recipients, forward_paths, .. } => {
                texts(recipients) + texts(forward_paths)
            }
            Event::Copied { forward_paths, .. } | Event::GoesOn { forward_paths, .. } => {
                texts(forward_paths)
            }
            Event::Continued { forward_paths, subject, message_id, .. } => {
                subject.len() + message_id.len() + texts(forward_paths)
            }
            Event::Withheld { forward_path, why, .. } => forward_path.len() + why.len(),
            Event::ApprovalAsked { approver, rule, .. } => approver.len() + rule.len(),
            Event::ApprovalDecided { by, .. } => by.len(),
            Event::RateLimited { limit, counted, consequence } => {
                limit.len() + counted.len() + consequence.len()
            }
            Event::Inspected(inspection) => inspection.weight_octets(),
            Event::Administered(note) => note.act.weight_octets(),
            _ => 0,
        };
        of_variant + size_of::<Event>() + 64
    }

    /// Cuts what is longer than anybody needs, so that no event is large.
    pub(super) fn limit(&mut self) {
        match self {
            Event::Received { helo, reverse_path, forward_paths, account, .. } => {
                limit(helo, ADDRESS_OCTETS);
                limit(reverse_path, ADDRESS_OCTETS);
                limit_all(forward_paths);
                account.iter_mut().for_each(|account| limit(account, ADDRESS_OCTETS));
            }
            Event::Judged { findings, subject, message_id, dispositions, .. } => {
                findings.truncate(FINDINGS);
                for note in findings {
                    limit(&mut note.name, ADDRESS_OCTETS);
                    limit(&mut note.detail, TEXT_OCTETS);
                }
                limit(subject, TEXT_OCTETS);
                limit(message_id, TEXT_OCTETS);
                limit(dispositions, TEXT_OCTETS);
            }
            Event::Refused { reply, stage } | Event::VisitRefused { reply, stage, .. } => {
                limit(reply, TEXT_OCTETS);
                limit(stage, ADDRESS_OCTETS);
            }
            Event::Delivered { recipient, hop, reply, .. } => {
                limit(recipient, ADDRESS_OCTETS);
                limit(hop, ADDRESS_OCTETS);
                limit(reply, TEXT_OCTETS);
            }
            Event::Deferred { recipient, reply, .. } | Event::Failed { recipient, reply } => {
                limit(recipient, ADDRESS_OCTETS);
                limit(reply, TEXT_OCTETS);
            }
            Event::Quarantined { area, recipients } | Event::OriginalKept { area, recipients } => {
                limit(area, ADDRESS_OCTETS);
                limit_all(recipients);
            }
            Event::Released { by }
            | Event::Held { by }
            | Event::Retried { by }
            | Event::Removed { by } => limit(by, ADDRESS_OCTETS),
            Event::Originated { reverse_path, forward_paths, subject, .. } => {
                limit(reverse_path, ADDRESS_OCTETS);
                limit_all(forward_paths);
                limit(subject, TEXT_OCTETS);
            }
            Event::TurnedAway { reverse_path, forward_paths, reply, stage, .. } => {
                limit(reverse_path, ADDRESS_OCTETS);
                limit_all(forward_paths);
                limit(reply, TEXT_OCTETS);
                limit(stage, ADDRESS_OCTETS);
            }
            Event::FoundLater { path, what, version } => {
                limit(path, TEXT_OCTETS);
                limit(what, TEXT_OCTETS);
                limit(version, TEXT_OCTETS);
            }
            Event::Archived { class: text }
            | Event::Notified { forward_path: text, .. }
            | Event::ApprovalDecided { by: text, .. } => limit(text, ADDRESS_OCTETS),
            Event::Redirected { recipients, forward_paths, .. } => {
                limit_all(recipients);
                limit_all(forward_paths);
            }
            Event::Copied { forward_paths, .. } | Event::GoesOn { forward_paths, .. } => {
                limit_all(forward_paths);
            }
            Event::Continued { reverse_path, forward_paths, subject, message_id, .. } => {
                limit(reverse_path, ADDRESS_OCTETS);
                limit_all(forward_paths);
                limit(subject, TEXT_OCTETS);
                limit(message_id, TEXT_OCTETS);
            }
            Event::Withheld { forward_path, why, .. } => {
                limit(forward_path, ADDRESS_OCTETS);
                limit(why, TEXT_OCTETS);
            }
            Event::ApprovalAsked { approver, rule, .. } => {
                limit(approver, ADDRESS_OCTETS);
                limit(rule, ADDRESS_OCTETS);
            }
            Event::RateLimited { limit: name, counted, consequence } => {
                limit(name, ADDRESS_OCTETS);
                limit(counted, ADDRESS_OCTETS);
                limit(consequence, TEXT_OCTETS);
            }
            Event::Inspected(inspection) => inspection.limit(),
            Event::Administered(note) => note.act.limit(),
            Event::Committed
            | Event::Reported { .. }
            | Event::Discarded
            | Event::Expired
            | Event::Recovered => {}
        }
    }
}

pub(super) fn limit(text: &mut String, octets: usize) {
    if text.len() > octets {
        text.truncate(text.floor_char_boundary(octets));
    }
}

fn limit_all(texts: &mut Vec<String>) {
    texts.truncate(RECIPIENTS);
    texts.iter_mut().for_each(|text| limit(text, ADDRESS_OCTETS));
}

fn forward_paths(envelope: &Envelope) -> Vec<String> {
    envelope.recipients.iter().map(|recipient| recipient.forward_path.to_string()).collect()
}

/// `deliver 2, quarantine spam 1`.
fn counted(dispositions: &[Disposition]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for disposition in dispositions {
        let name = match disposition {
            Disposition::Deliver => "deliver".to_owned(),
            Disposition::Quarantine { area } => format!("quarantine {area}"),
            Disposition::Reject { .. } => "reject".to_owned(),
            Disposition::Defer { .. } => "defer".to_owned(),
            Disposition::HoldUnscanned => "hold".to_owned(),
            Disposition::Discard => "discard".to_owned(),
            Disposition::Approval { .. } => "approval".to_owned(),
        };
        *counts.entry(name).or_default() += 1;
    }
    let parts = counts.iter().map(|(name, count)| format!("{name} {count}"));
    parts.collect::<Vec<_>>().join(", ")
}
