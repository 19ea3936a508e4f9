//! What the operator sees of the virus scanners.

use std::fmt;

use super::api::{AntivirusRow, FoundRow, time_of};
use super::desk::{Desk, DeskError};
use crate::analysis::antivirus::outbreak::OUTBREAK_HOLD;
use crate::mail::Disposition;
use crate::spool::Act;
use crate::store::delivered::FoundLater;

/// Knows how the virus scanners are.
pub trait Watchful: fmt::Debug + Send + Sync {
    /// As they were when they were last asked.
    fn standing(&self) -> AntivirusRow;
}

impl Desk {
    /// How the virus scanners are. Blocks.
    pub(super) fn antivirus(&self) -> Result<AntivirusRow, DeskError> {
        Ok(self.watchful.standing())
    }

    /// What was delivered before it was known to be malware, the latest first. Blocks.
    pub(super) fn found_later(&self, limit: usize) -> Result<Vec<FoundRow>, DeskError> {
        let found = self.store.delivered().found(limit)?;
        Ok(found.into_iter().map(FoundRow::from).collect())
    }

    /// Lets a mail go that waits for newer signatures: it was scanned once, and the operator
    /// answers for it.
    pub(super) async fn release_held(&self, id: crate::mail::MailId) -> Result<Act, DeskError> {
        let mail = self.spool.load(id)?;
        let Some(mail) = mail else { return Ok(Act::Unknown) };
        let mut judgement = (**mail.stage().judgement()).clone();
        let has = |name: &str| judgement.findings.iter().any(|finding| finding.name == name);
        // What no scanner has seen yet stays where it is.
        if !has(OUTBREAK_HOLD) || has("AV_UNAVAILABLE") || has("ANALYSIS_TIMEOUT") {
            return Ok(Act::Unfit);
        }
        for disposition in &mut judgement.dispositions {
            if *disposition == Disposition::HoldUnscanned {
                *disposition = Disposition::Deliver;
            }
        }
        Ok(self.spool.rejudge(id, judgement).await?)
    }
}

impl From<FoundLater> for FoundRow {
    fn from(found: FoundLater) -> FoundRow {
        let digest = found.digest.iter().map(|octet| format!("{octet:02x}")).collect();
        FoundRow {
            mail_id: found.mail_id.to_string(),
            found: time_of(found.found_ms),
            reverse_path: found.reverse_path,
            forward_paths: found.forward_paths,
            subject: found.subject,
            path: found.path,
            sha256: digest,
            what: found.what,
            version: found.version,
        }
    }
}
