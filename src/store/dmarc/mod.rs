//! What DMARC aggregate reports are made of and what becomes of them (RFC 9990; RFC 7489
//! appendix C): observations of mail received here, reports that others sent, and which of our
//! own were sent.
//!
//! In: plain data, without the types of any parser. Out: the same, by day and domain. Each of
//! the three keeps to bounds of its own; nothing here waits for the disk but what
//! [`SentReports`] acknowledges. Fails with a [`StoreError`].

mod observed;
mod received;
mod sent;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::mail::Domain;

pub use observed::{DAYS_KEPT, Observed, Observing, Period};
pub use received::{Receipt, ReceivedReports, StoredReport, Totals};
pub use sent::{Sending, SentReports, Stage};

/// A day has so many milliseconds; UTC has no other days here (POSIX time).
pub const DAY_MS: u64 = 86_400_000;

/// A day of universal time, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub u32);

impl Day {
    /// The day of a moment.
    pub fn of_ms(at_ms: u64) -> Day {
        Day(u32::try_from(at_ms / DAY_MS).unwrap_or(u32::MAX))
    }

    /// Its first second, since 1970.
    pub fn begin_s(self) -> u64 {
        u64::from(self.0) * 86_400
    }

    /// Its last second, since 1970.
    pub fn end_s(self) -> u64 {
        self.begin_s() + 86_399
    }

    /// So many days before.
    pub fn before(self, days: u32) -> Day {
        Day(self.0.saturating_sub(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_s = i64::try_from(self.begin_s()).unwrap_or_default();
        let at = jiff::Timestamp::from_second(at_s).unwrap_or_default();
        out.pad(&at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d").to_string())
    }
}

/// What a domain asks for (RFC 9989 section 4.7: `p`, `sp`, `np`). The order is that of
/// strictness.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// Nothing.
    #[default]
    None,
    /// Treat with suspicion.
    Quarantine,
    /// Refuse.
    Reject,
}

/// What was done to a mail because of DMARC (RFC 9990, ActionDispositionType).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    /// It passed, under a policy that asks for something.
    Pass,
    /// Nothing.
    #[default]
    None,
    /// Kept from its recipients or marked.
    Quarantine,
    /// Refused.
    Reject,
}

/// How close an identifier must be (`adkim`, `aspf`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alignment {
    /// The same organisation.
    Relaxed,
    /// The same domain.
    Strict,
}

/// How the policy was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Discovery {
    /// By the public suffix list, RFC 7489.
    Psl,
    /// By the tree walk of RFC 9989 section 4.10.
    TreeWalk,
}

/// The policy as it was published; what was not said is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublishedPolicy {
    /// The domain whose record it is.
    pub domain: String,
    /// `p`.
    pub p: Asked,
    /// `sp`.
    pub sp: Option<Asked>,
    /// `np`.
    pub np: Option<Asked>,
    /// `adkim`.
    pub adkim: Option<Alignment>,
    /// `aspf`.
    pub aspf: Option<Alignment>,
    /// `t`.
    pub testing: Option<bool>,
    /// `pct` of RFC 7489.
    pub pct: Option<u8>,
    /// `fo`.
    pub fo: Option<String>,
    /// How it was found.
    pub discovery: Option<Discovery>,
}

/// Why something else was done than the policy asks for (RFC 9990, PolicyOverrideType, and
/// what RFC 7489 had beside).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverrideKind {
    /// The receiver's own rules.
    LocalPolicy,
    /// It came by a mailing list.
    MailingList,
    /// The record says `t=y`.
    PolicyTestMode,
    /// A forwarder that the receiver trusts vouches for it, as by ARC.
    TrustedForwarder,
    /// It seems to have been forwarded; RFC 7489 only.
    Forwarded,
    /// `pct` let it pass; RFC 7489 only.
    SampledOut,
    /// Anything else.
    Other,
}

/// The reason with words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Override {
    /// Of which kind.
    pub kind: OverrideKind,
    /// In words; may be empty.
    pub comment: String,
}

/// Outcome of one check (RFC 8601 sections 2.7.1 and 2.7.2; DKIM has no soft failure, SPF no
/// `policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckResult {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It probably does not.
    SoftFail,
    /// The domain says nothing.
    Neutral,
    /// There is nothing to check.
    None,
    /// It holds, but local rules do not take it.
    Policy,
    /// DNS gave no answer.
    TempError,
    /// The record or signature cannot be used.
    PermError,
}

/// One DKIM signature.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Signature {
    /// `d=`.
    pub domain: String,
    /// `s=`.
    pub selector: String,
    /// What became of it.
    pub result: CheckResult,
}

/// Which identity SPF checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfScope {
    /// The reverse-path, or the name that stands in for a null one.
    #[default]
    Mfrom,
    /// HELO; RFC 7489 only.
    Helo,
}

/// One check of SPF.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpfCheck {
    /// Whose record was used.
    pub domain: String,
    /// Which identity.
    pub scope: SpfScope,
    /// What it said.
    pub result: CheckResult,
}

/// All that tells one row of a report from another: mails that agree in it are counted
/// together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    /// The client.
    pub source: IpAddr,
    /// What was done because of DMARC.
    pub disposition: Applied,
    /// DKIM passed in alignment.
    pub aligned_dkim: bool,
    /// SPF passed in alignment.
    pub aligned_spf: bool,
    /// Why that differs from what was asked.
    pub reasons: Vec<Override>,
    /// The author's domain.
    pub header_from: String,
    /// The domain of the reverse-path; empty when it is null, absent when not said.
    pub envelope_from: Option<String>,
    /// The domain of the forward-path; only in what others report.
    pub envelope_to: Option<String>,
    /// Signatures, the most telling first.
    pub dkim: Vec<Signature>,
    /// Checks of SPF.
    pub spf: Vec<SpfCheck>,
}

impl Row {
    /// Whether DMARC passed: one aligned identifier is enough (RFC 9989 section 5.3.5).
    pub fn passes(&self) -> bool {
        self.aligned_dkim || self.aligned_spf
    }
}

/// A row and how many mails it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// What they have in common.
    pub row: Row,
    /// How many.
    pub count: u64,
}

/// What one mail showed of a domain that publishes a policy. The stage that authenticates
/// makes it; when the mail's fate is known it is [`concluded`](Observation::concluded) and
/// recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Where the policy record was found.
    pub policy_domain: Domain,
    /// The record.
    pub policy: PublishedPolicy,
    /// Its `rua` as published, URIs in their order; nothing is recorded without one.
    pub rua: Vec<String>,
    /// What the record asks for this mail, `sp`, `np` and `t` heeded.
    pub asked: Asked,
    /// The row that the mail belongs to; `disposition` counts only after
    /// [`concluded`](Observation::concluded).
    pub row: Row,
}

impl Observation {
    /// Fills in what was done. `done` is the strictest that any recipient's copy met with,
    /// for whatever reason; as DMARC's doing counts no more than the domain asked for.
    pub fn concluded(mut self, done: Asked) -> Observation {
        let row = &mut self.row;
        row.disposition = match (row.passes(), self.asked.min(done)) {
            (true, _) if self.asked == Asked::None => Applied::None,
            (true, _) => Applied::Pass,
            (false, Asked::None) => Applied::None,
            (false, Asked::Quarantine) => Applied::Quarantine,
            (false, Asked::Reject) => Applied::Reject,
        };
        // RFC 9990 section 3.1.1.7: a failure that is treated otherwise than asked has a reason.
        if !row.passes() && done < self.asked && row.reasons.is_empty() {
            row.reasons.push(Override { kind: OverrideKind::LocalPolicy, comment: String::new() });
        }
        self
    }
}

fn read<T: DeserializeOwned>(value: &[u8], what: &'static str) -> Result<T, StoreError> {
    postcard::from_bytes(value).map_err(|_| StoreError::Damaged(what))
}

fn write<T: Serialize>(value: &T, what: &'static str) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(value).map_err(|_| StoreError::Damaged(what))
}

/// The first octets of SHA-256: enough that nobody finds two that collide.
fn digest(octets: &[u8]) -> [u8; 16] {
    let full = ring::digest::digest(&ring::digest::SHA256, octets);
    let mut short = [0; 16];
    short.iter_mut().zip(full.as_ref()).for_each(|(to, from)| *to = *from);
    short
}

/// At most so many octets, cut at a letter.
pub(super) fn shortened(text: &mut String, octets: usize) {
    if text.len() > octets {
        let end = (0..=octets).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

/// The three parts together.
#[derive(Debug, Clone)]
pub struct DmarcReports {
    observed: Observed,
    received: ReceivedReports,
    sent: SentReports,
}

impl DmarcReports {
    pub(super) fn open(db: &sled::Db) -> Result<DmarcReports, StoreError> {
        Ok(DmarcReports {
            observed: Observed::open(db)?,
            received: ReceivedReports::open(db)?,
            sent: SentReports::open(db)?,
        })
    }

    /// What is to be reported to others.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// What others reported.
    pub fn received(&self) -> &ReceivedReports {
        &self.received
    }

    /// What was reported to others.
    pub fn sent(&self) -> &SentReports {
        &self.sent
    }
}
