//! What is said of a text or file by what is known of it.
//!
//! In: an entry of the table, what other sites say, the form of the message. Out: sightings,
//! graded. Pure.
//!
//! Newsletters and lists are bulk and wanted: that a text is bulk weighs little. The same text
//! from many networks in the names of many domains is what botnets send; invitations that a
//! calendar writes are alike as well and do not count.

use super::counts::CROWD_MOST;
use super::digest::FileDigest;
use super::feeds::Hearsay;
use super::table::{Entry, Label};
use crate::analysis::Sighting;
use crate::config::Bulk as Settings;
use crate::message::Anatomy;

/// Domains of reverse-paths without which many networks are one sender's.
const DOMAINS: u32 = 3;
/// Strengths go up to these.
const BULK_STRENGTH_MOST: f32 = 5.0;
const SENDERS_STRENGTH_MOST: f32 = 1.5;
/// A file that is only like a bad one.
const NEAR_FILE_STRENGTH: f32 = 0.6;
/// A file that came with spam, against one that is malware.
const SPAM_FILE_STRENGTH: f32 = 0.4;

/// What the message is beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Form {
    /// It says that it comes from a list (RFC 2919, RFC 2369).
    pub(super) is_list: bool,
    /// A calendar wrote it.
    pub(super) is_invitation: bool,
}

impl Form {
    pub(super) fn of(anatomy: &Anatomy) -> Form {
        let has = |name| anatomy.head().is_some_and(|head| head.first(name).is_some());
        Form {
            is_list: has("list-id") || has("list-unsubscribe"),
            is_invitation: anatomy.parts.iter().any(|part| part.media.is("text", "calendar")),
        }
    }
}

/// A text and all that is known of it.
pub(super) struct Case<'c> {
    pub(super) entry: Option<Entry>,
    pub(super) hearsay: Option<Hearsay>,
    pub(super) form: Form,
    pub(super) settings: &'c Settings,
    pub(super) now_s: u64,
}

impl Case<'_> {
    pub(super) fn sightings(&self) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        if let Some(entry) = &self.entry {
            sightings.extend(self.spread(entry));
        }
        sightings.extend(self.said());
        sightings
    }

    /// How far the text has spread.
    fn spread(&self, entry: &Entry) -> Option<Sighting> {
        let networks = entry.networks.estimate(self.now_s);
        let domains = entry.domains.estimate(self.now_s);
        let recipients = entry.recipients.estimate(self.now_s);
        let [ten_minutes, hour, day, week] = entry.windows.counts(self.now_s);
        let detail = format!(
            "near copies: {ten_minutes} in 10 minutes, {hour} in an hour, {day} in a day, {week} \
             in a week; to {} recipients, from {} networks and {} domains",
            about(recipients),
            about(networks),
            about(domains)
        );
        let many = networks >= self.settings.networks && domains >= DOMAINS;
        if many && !self.form.is_invitation && !entry.labels.is_good() {
            let times = networks as f32 / self.settings.networks as f32;
            let strength = (0.5 + times.log2() / 2.0).min(SENDERS_STRENGTH_MOST);
            return Some(Sighting::strong("BULK_MANY_SENDERS", strength, detail));
        }
        let spread = recipients.max(domains);
        if spread < self.settings.recipients {
            return None;
        }
        let times = spread as f32 / self.settings.recipients as f32;
        let strength = (1.0 + times.log2()).min(BULK_STRENGTH_MOST);
        let name = if self.form.is_list { "BULK_LIST_SEEN" } else { "BULK_SEEN" };
        Some(Sighting::strong(name, strength, detail))
    }

    /// What was said of it, here before elsewhere.
    fn said(&self) -> Option<Sighting> {
        let labels = self.entry.map(|entry| entry.labels).unwrap_or_default();
        if labels.is_bad() {
            let bad = labels.spam.saturating_add(labels.malware);
            let detail = match labels.ham {
                0 => format!("{bad} reports here"),
                ham => format!("{bad} reports here, {ham} to the contrary"),
            };
            return Some(Sighting::new("NEAR_SPAM", detail));
        }
        if labels.is_good() {
            let detail = format!("{} reports here as good mail", labels.ham);
            return Some(Sighting::new("NEAR_HAM", detail));
        }
        let said = self.hearsay.as_ref()?;
        let detail = format!("reported at {}", said.site);
        Some(Sighting::strong("NEAR_SPAM", said.weight, detail))
    }
}

fn about(estimate: u32) -> String {
    match estimate {
        CROWD_MOST => format!("{CROWD_MOST} or more"),
        exact if exact < 5 => exact.to_string(),
        more => format!("about {more}"),
    }
}

/// A file that was reported here.
pub(super) fn of_file(file: &FileDigest, is_malware: bool, is_exact: bool) -> Sighting {
    let likeness = if is_exact { "is" } else { "is nearly" };
    let what = if is_malware { "was found to be malware" } else { "came with spam" };
    let detail = format!("{:?} {likeness} a file that {what} here", file.name);
    Sighting::strong("ATTACHMENT_KNOWN_BAD", strength(is_malware, is_exact), detail)
}

/// A file that was reported elsewhere.
pub(super) fn of_file_elsewhere(file: &FileDigest, said: &Hearsay, is_exact: bool) -> Sighting {
    let likeness = if is_exact { "is" } else { "is nearly" };
    let detail = format!("{:?} {likeness} a file that was reported at {}", file.name, said.site);
    let strength = said.weight * strength(said.label == Label::Malware, is_exact);
    Sighting::strong("ATTACHMENT_KNOWN_BAD", strength, detail)
}

fn strength(is_malware: bool, is_exact: bool) -> f32 {
    let of_kind = if is_malware { 1.0 } else { SPAM_FILE_STRENGTH };
    of_kind * if is_exact { 1.0 } else { NEAR_FILE_STRENGTH }
}
