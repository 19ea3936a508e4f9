//! The operator's part of the archive and of approvals.

use super::Desk;
use super::api::{Acted, ApprovalRow, ArchiveRow};
use super::desk::{DeskError, parse_id, rfc3339};
use crate::action::errands::Decision;
use crate::archive::{ArchiveFilter, ArchivedEntry};
use crate::mail::Expiry;
use crate::quarantine::Waiting;

impl Desk {
    /// What is archived, newest first. Blocks.
    pub(super) fn archived(
        &self,
        filter: &ArchiveFilter,
        limit: usize,
    ) -> Result<Vec<ArchiveRow>, DeskError> {
        Ok(self.archive.list(filter, limit).iter().map(archive_row).collect())
    }

    /// A message as it came, octet for octet. Blocks.
    pub(super) fn exported(&self, id: &str, class: Option<&str>) -> Result<Vec<u8>, DeskError> {
        let archived = self.archive.load(parse_id(id)?, class)?;
        let unknown = || DeskError::Unknown(format!("no mail {id} in the archive"));
        Ok(archived.ok_or_else(unknown)?.content.read_all()?.to_vec())
    }

    /// What waits for somebody's approval, the next to expire first. Blocks.
    pub(super) fn approvals(&self, limit: usize) -> Result<Vec<ApprovalRow>, DeskError> {
        Ok(self.approvals.list(limit).iter().map(approval_row).collect())
    }

    /// Answers in the approver's place.
    pub(super) async fn decide(&self, id: &str, act: &str) -> Result<Acted, DeskError> {
        let decision = match act {
            "release" => Decision::Release,
            "refuse" => Decision::Refuse,
            _ => return Err(DeskError::Unknown(format!("no such act: {act}"))),
        };
        let entry = parse_id(id)?;
        self.approvals.decide(entry, decision, &self.by).await?;
        let done = decision.word().to_owned();
        Ok(Acted { mail_id: entry.to_string(), done, lesson: None })
    }
}

fn archive_row(entry: &ArchivedEntry) -> ArchiveRow {
    let recipients = entry.envelope.recipients.iter();
    let summary = &entry.judgement.summary;
    ArchiveRow {
        mail_id: entry.mail_id.to_string(),
        class: entry.class.clone(),
        reverse_path: entry.envelope.reverse_path.to_string(),
        forward_paths: recipients.map(|one| one.forward_path.to_string()).collect(),
        subject: summary.subject.clone(),
        message_id: summary.message_id.clone(),
        archived: rfc3339(entry.stored_ms),
        keep_until: rfc3339(entry.keep_until_ms),
        verdict: entry.judgement.verdict.to_string(),
        size_octets: entry.content_octets,
    }
}

fn approval_row(waiting: &Waiting) -> ApprovalRow {
    let held = &waiting.held;
    let recipients = held.envelope.recipients.iter();
    let summary = &held.judgement.summary;
    ApprovalRow {
        mail_id: held.id.to_string(),
        of_mail: held.mail_id.to_string(),
        reverse_path: held.envelope.reverse_path.to_string(),
        forward_paths: recipients.map(|one| one.forward_path.to_string()).collect(),
        subject: summary.subject.clone(),
        message_id: summary.message_id.clone(),
        approver: waiting.approver.to_string(),
        rule: waiting.rule.clone(),
        held_since: rfc3339(held.stored_ms),
        expires: rfc3339(u64::from(waiting.until_s) * 1_000),
        on_expiry: match waiting.on_expiry {
            Expiry::Refuse => "refuse".into(),
            Expiry::Release => "release".into(),
        },
        size_octets: held.content.len(),
    }
}
