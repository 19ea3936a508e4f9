//! Mail that is held for newer signatures: when its time comes, and what is remembered of its
//! sender then.
//!
//! In: a queued mail. Out: how long it still waits. The time is counted from reception by the
//! configuration in force, so that a restart and a reload come to the same.

use std::time::{Duration, SystemTime};

use super::pipeline::Judging;
use crate::analysis::antivirus::outbreak::OUTBREAK_HOLD;
use crate::analysis::{Look, Passage};
use crate::delivery::outcome::ms_since_1970;
use crate::mail::{Disposition, Judgement, Mail};
use crate::spool::Spooled;

/// Whether a judgement holds its mail for newer signatures.
pub(super) fn is_held(judgement: &Judgement) -> bool {
    judgement.dispositions.contains(&Disposition::HoldUnscanned)
        && judgement.findings.iter().any(|finding| finding.name == OUTBREAK_HOLD)
}

/// How long a mail is still held; none when it may be scanned again.
pub(super) fn left(judging: &Judging, mail: &Mail<Spooled>) -> Option<Duration> {
    if !is_held(mail.stage().judgement()) {
        return None;
    }
    let settings = judging.analysis.antivirus()?.settings();
    let until_ms = settings.outbreak.until_ms(mail.facts.received_ms);
    let left = until(until_ms);
    (settings.holds_outbreaks() && !left.is_zero()).then_some(left)
}

/// From now to then.
pub(super) fn until(until_ms: u64) -> Duration {
    Duration::from_millis(until_ms.saturating_sub(ms_since_1970(SystemTime::now())))
}

/// History learns of a held mail only now: before, it was not known what it is, and the next
/// one of the same sender would not have waited.
pub(super) fn remember(
    judging: &Judging,
    mail: &Mail<Spooled>,
    look: &Look,
    judgement: &Judgement,
) {
    if let Some(history) = judging.analysis.history().filter(|_| look.held_until_ms.is_none()) {
        let facts = look.relayed.as_ref().unwrap_or(&mail.facts);
        let passage = Passage { facts, envelope: &mail.envelope };
        history.record(passage, look, judgement, mail.facts.received_ms / 1_000);
    }
}
