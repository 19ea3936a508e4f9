//! DMARC aggregate reports that arrive by mail (RFC 9990; RFC 7489 appendix C).
//!
//! In: a message that came to the address for reports. Out: [`Report`], plain and bounded, or
//! why there is none: [`Broken::Absent`] is no fault, all else is `DMARC_REPORT_BROKEN`, and
//! the mail goes its way. Anybody can send such a mail, so all of it is hostile: what is
//! packed is unpacked within [`unpack::XML_OCTETS`], XML is read without entities or document
//! types, and records, texts and depth have limits. A panic in a decoder is caught.

mod read;
#[cfg(test)]
mod tests;
mod unpack;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::{Authenticated, Passage, Sighting};
use crate::config::{DmarcReports, KeepReportMail};
use crate::mail::{Address, Domain, Role};
use crate::message::{Anatomy, Limits};
use crate::net::registrable::is_same_organisation;
use crate::store::dmarc::{PublishedPolicy, StoredReport, Tally, Totals};

/// A clock may be wrong by so much.
const AHEAD_S: u64 = 2 * 86_400;

/// Why no report could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Nothing in the message looks like one.
    #[error("there is no report in it")]
    Absent,
    /// It cannot be unpacked.
    #[error("the {0} cannot be unpacked: {1}")]
    Packed(&'static str, String),
    /// It unpacks to more than anybody reports.
    #[error("the {0} unpacks to more than {1} octets, or grows beyond all measure")]
    Bomb(&'static str, u64),
    /// Its octets are in no charset that XML may name.
    #[error("its charset {0:?} is not known, or is not what is in it")]
    Charset(String),
    /// It is no XML.
    #[error("the XML is broken: {0}")]
    Xml(String),
    /// Entities could make a small file large, and no report needs them.
    #[error("the XML has a document type or entities of its own")]
    Entities,
    /// There is more of something than a report has.
    #[error("it has too many {0}")]
    TooMany(&'static str),
    /// A part that every report has is missing or makes no sense.
    #[error("{0} is missing or makes no sense")]
    Missing(&'static str),
    /// A decoder failed on it.
    #[error("reading it failed")]
    Failed,
}

/// A report as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Who reports.
    pub org_name: String,
    /// An address, and whatever else they say of themselves.
    pub contact: String,
    /// What they call the report.
    pub report_id: String,
    /// First second of the period, since 1970.
    pub begin_s: u64,
    /// Last second of the period.
    pub end_s: u64,
    /// What the domain published, in the reporter's eyes.
    pub policy: PublishedPolicy,
    /// What the reporter could not make sense of, and what of the report made none here.
    pub errors: Vec<String>,
    /// Its records.
    pub rows: Vec<Tally>,
}

impl Report {
    /// As it is stored, apart from its rows.
    pub fn into_stored(
        self,
        received_ms: u64,
        authenticated: &Authenticated,
    ) -> (StoredReport, Vec<Tally>) {
        let stored = StoredReport {
            org_name: self.org_name,
            report_id: self.report_id,
            contact: self.contact,
            begin_s: self.begin_s,
            end_s: self.end_s,
            policy: self.policy,
            errors: self.errors,
            received_ms,
            author_domain: authenticated.author_domain.as_ref().map(ToString::to_string),
            vouched: authenticated.speaks_for_author(),
            totals: Totals::default(),
            rows: 0,
            rows_left_out: 0,
        };
        (stored, self.rows)
    }
}

/// A report on its way to the store.
#[derive(Debug)]
pub struct Incoming {
    /// What was read, until somebody takes it: the mail that brought it lives on in the queue.
    report: Mutex<Option<Report>>,
    /// The address that it came to.
    pub inbox: Address,
    /// What becomes of the mail once the report is stored.
    pub keep: KeepReportMail,
}

impl Incoming {
    /// The report, once.
    pub fn take(&self) -> Option<Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whether a mail came to the address for reports.
pub fn is_for_reports(settings: &DmarcReports, passage: &Passage<'_>) -> bool {
    let Some(inbox) = settings.inbox().filter(|_| passage.facts.role == Role::Inbound) else {
        return false;
    };
    let key = inbox.key();
    passage.envelope.recipients.iter().any(|recipient| recipient.forward_path.key() == key)
}

/// Reads the report out of a message that [`is_for_reports`]. Takes up to a second of CPU.
pub fn look(
    settings: &DmarcReports,
    own: &[Domain],
    octets: &Bytes,
    now_ms: u64,
) -> (Option<Sighting>, Option<Arc<Incoming>>) {
    let Some(inbox) = settings.inbox() else { return (None, None) };
    let read =
        catch_unwind(AssertUnwindSafe(|| receive(&Anatomy::of(octets, Limits::default()), now_ms)));
    match read.unwrap_or(Err(Broken::Failed)) {
        Ok(report) => {
            let what = format!("{} on {}", report.org_name, report.policy.domain);
            if !is_on_own(&report.policy.domain, own) {
                return (Some(Sighting::new("DMARC_REPORT_FOREIGN", what)), None);
            }
            let report = Mutex::new(Some(report));
            let incoming = Incoming { report, inbox: inbox.clone(), keep: settings.keep };
            (Some(Sighting::new("DMARC_REPORT", what)), Some(Arc::new(incoming)))
        }
        Err(Broken::Absent) => (None, None),
        Err(broken) => (Some(Sighting::new("DMARC_REPORT_BROKEN", broken.to_string())), None),
    }
}

/// Whether a report is on a protected domain, one below it, or the organisation's name above.
fn is_on_own(reported: &str, own: &[Domain]) -> bool {
    let Ok(reported) = Domain::parse(reported) else { return false };
    own.iter()
        .any(|own| reported.is_within(own) || is_same_organisation(reported.as_str(), own.as_str()))
}

/// The report in a message. With several attachments the first that can be read counts.
pub fn receive(anatomy: &Anatomy, now_ms: u64) -> Result<Report, Broken> {
    let mut broken = Broken::Absent;
    for xml in unpack::attachments(anatomy) {
        match xml.and_then(|xml| read::report(&xml)) {
            Ok(report) => return plausible(report, now_ms / 1000),
            Err(error) if broken == Broken::Absent => broken = error,
            Err(_) => {}
        }
    }
    Err(broken)
}

/// A report speaks of a time that has been.
fn plausible(report: Report, now_s: u64) -> Result<Report, Broken> {
    match report.begin_s <= report.end_s && report.end_s <= now_s.saturating_add(AHEAD_S) {
        true => Ok(report),
        false => Err(Broken::Missing("date_range")),
    }
}
