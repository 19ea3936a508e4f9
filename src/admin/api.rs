//! What goes over the control socket: one JSON object a row, the same objects that the command
//! line prints with `--json`.

use serde::{Deserialize, Serialize};

use crate::analysis::classifier::{Record, Standing};

/// The header that says that a search ended before it had looked everywhere.
pub const INCOMPLETE: &str = "x-postern-incomplete";

/// One queued mail.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueRow {
    /// The mail's name.
    pub mail_id: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Those that still wait.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Without angle brackets.
    pub message_id: String,
    /// `active`, `deferred` or `hold`.
    pub state: String,
    /// RFC 3339.
    pub queued_since: String,
    /// RFC 3339; absent while held.
    pub next_attempt: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// Why it waits, in the words of the last attempt.
    pub reason: String,
    /// `clean`, `spam`, …
    pub verdict: String,
    /// Length of the content.
    pub size_octets: u64,
}

/// One mail in quarantine.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// The mail's name.
    pub mail_id: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Those whose copies are kept.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Without angle brackets.
    pub message_id: String,
    /// The area of the quarantine.
    pub area: String,
    /// RFC 3339.
    pub held_since: String,
    /// `spam`, `malicious`, …
    pub verdict: String,
    /// Sum of the findings' scores.
    #[serde(serialize_with = "crate::mail::two_decimals")]
    pub score: f32,
    /// Length of the content.
    pub size_octets: u64,
}

/// One mail in one class of the archive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArchiveRow {
    /// The mail's name.
    pub mail_id: String,
    /// Its class.
    pub class: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// All its recipients.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Without angle brackets.
    pub message_id: String,
    /// RFC 3339.
    pub archived: String,
    /// RFC 3339: not forgotten before.
    pub keep_until: String,
    /// `spam`, `malicious`, …
    pub verdict: String,
    /// Length of the content.
    pub size_octets: u64,
}

/// One mail that waits for somebody's approval.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// The entry of the quarantine.
    pub mail_id: String,
    /// The mail that it was in; usually the same.
    pub of_mail: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Those whose copies wait.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Without angle brackets.
    pub message_id: String,
    /// Who is asked.
    pub approver: String,
    /// The rule that asks.
    pub rule: String,
    /// RFC 3339.
    pub held_since: String,
    /// RFC 3339.
    pub expires: String,
    /// `refuse` or `release`.
    pub on_expiry: String,
    /// Length of the content.
    pub size_octets: u64,
}

/// One finding of a mail.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingRow {
    /// Upper snake case.
    pub name: String,
    /// Its part of the score.
    #[serde(serialize_with = "crate::mail::two_decimals")]
    pub score: f32,
    /// In plain words.
    pub detail: String,
}

impl From<&crate::mail::Finding> for FindingRow {
    fn from(finding: &crate::mail::Finding) -> FindingRow {
        FindingRow {
            name: finding.name.to_string(),
            score: finding.score,
            detail: finding.detail.clone(),
        }
    }
}

/// What a mail in the queue or in quarantine is about, whole.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail<Row> {
    /// As in the list.
    #[serde(flatten)]
    pub row: Row,
    /// Why.
    pub findings: Vec<FindingRow>,
    /// Whom it came from.
    pub client: String,
    /// What the client called itself.
    pub helo: String,
    /// The header section as received, decoded leniently.
    pub header: String,
}

/// The answer to an act of the operator.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acted {
    /// Which mail.
    pub mail_id: String,
    /// `retried`, `held`, `released`, `removed`, `deleted`.
    pub done: String,
    /// What the classifier made of it, when it was to be learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<String>,
}

/// What a report, or an order to the classifier, did.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LessonRow {
    /// `learned as spam`, `not learned: …`, `saved`.
    pub done: String,
    /// Log-odds before.
    pub before: Option<f64>,
    /// Log-odds after.
    pub after: Option<f64>,
}

/// A model of the classifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Of the features that it is made of.
    pub features_version: u16,
    /// Spam that it knows.
    pub spam: u32,
    /// Ham that it knows.
    pub ham: u32,
    /// When it was trained from files, RFC 3339; absent when it never was.
    pub trained_at: Option<String>,
    /// Spam and ham that it was trained from.
    pub trained: [u32; 2],
    /// Lessons of spam and ham by operators since.
    pub by_operators: [u32; 2],
    /// By users.
    pub by_users: [u32; 2],
    /// By the box itself.
    pub automatic: [u32; 2],
    /// When the last lesson was taken, RFC 3339.
    pub last_lesson_at: Option<String>,
    /// Another model lies in the data directory, which the box has not read yet.
    #[serde(default)]
    pub waiting: bool,
}

impl ModelRow {
    /// Of a model.
    pub fn of(features_version: u16, learned: (u32, u32), record: &Record) -> ModelRow {
        let time = |at_s: u64| (at_s > 0).then(|| super::desk::rfc3339(at_s.saturating_mul(1000)));
        ModelRow {
            features_version,
            spam: learned.0,
            ham: learned.1,
            trained_at: time(record.trained_s),
            trained: record.trained,
            by_operators: record.lessons_of(Standing::Operator),
            by_users: record.lessons_of(Standing::User),
            automatic: record.lessons_of(Standing::Automatic),
            last_lesson_at: time(record.last_lesson_s),
            waiting: false,
        }
    }
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRow {
    /// Its name; `callout` for the next hops that are asked.
    pub name: String,
    /// Its servers, in the order in which they are tried.
    pub servers: Vec<DirectoryServerRow>,
    /// Why it is not believed; absent when it is.
    pub doubt: Option<String>,
    /// Addresses of the list in force.
    pub listed: usize,
    /// When that list was fetched, RFC 3339; absent when none was.
    pub listed_at: Option<String>,
    /// What came of the last attempt to fetch one.
    pub last_list: Option<String>,
    /// Addresses that are known to exist.
    pub present: usize,
    /// Addresses that are known not to.
    pub absent: usize,
    /// Domains whose next hops take any recipient, so that asking them is of no use.
    pub takers_of_any: Vec<String>,
}

/// A directory's list was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTaken {
    /// Which directory.
    pub directory: String,
    /// Addresses that are in force.
    pub addresses: usize,
}

/// One server of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryServerRow {
    /// Its address.
    pub server: String,
    /// It is asked; otherwise it is left alone for a while.
    pub in_use: bool,
    /// The last that went wrong, until something goes right.
    pub last_failure: Option<String>,
}

/// The virus scanners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AntivirusRow {
    /// Each clamd.
    pub clamds: Vec<ClamdRow>,
    /// What all engines together know; empty as long as none answers.
    pub version: String,
    /// The newest signatures are older than `stale_hours`.
    pub stale: bool,
    /// Digests on the lists in force.
    pub digests: usize,
    /// Delivered mail that is remembered.
    pub delivered: usize,
    /// Octets of delivered files that are kept to be scanned again.
    pub kept_octets: u64,
    /// Past deliveries are being looked at.
    pub rescanning: bool,
    /// When they were last, RFC 3339; absent when they were not since the start.
    pub last_rescan: Option<String>,
}

/// One clamd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClamdRow {
    /// As in the configuration.
    pub address: String,
    /// It told its version when it was last asked.
    pub answers: bool,
    /// Its name and version.
    pub engine: String,
    /// Number of its signatures; absent where there is no daily database.
    pub signatures: Option<u32>,
    /// When they were made, RFC 3339.
    pub built: Option<String>,
}

/// Malware in a mail that was delivered before it was known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRow {
    /// The mail.
    pub mail_id: String,
    /// When it was found, RFC 3339.
    pub found: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Whom it was delivered to; the first ones.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Which file; empty for the whole message.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// `signature X` or `digest list X`.
    pub what: String,
    /// What the scanners knew then.
    pub version: String,
}

/// RFC 3339 with seconds, in UTC.
pub fn time_of(at_ms: u64) -> String {
    super::desk::rfc3339(at_ms)
}

/// Where an export lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// For whoever asked to take away.
    pub file: std::path::PathBuf,
}

/// One DMARC report that somebody sent about an own domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportRow {
    /// The name under which it is kept.
    pub id: String,
    /// Who reports.
    pub org_name: String,
    /// What they call it.
    pub report_id: String,
    /// Whom to ask.
    pub contact: String,
    /// The domain that it is about.
    pub domain: String,
    /// Its policy as the reporter saw it: `none`, `quarantine` or `reject`.
    pub policy: String,
    /// Beginning of the period, RFC 3339.
    pub begin: String,
    /// Its end.
    pub end: String,
    /// When it came.
    pub received: String,
    /// The author's domain of the mail that brought it.
    pub author_domain: Option<String>,
    /// Whether that domain was authenticated.
    pub vouched: bool,
    /// What the reporter, or this box, could not make sense of.
    pub errors: Vec<String>,
    /// Mails in all.
    pub messages: u64,
    /// DMARC passed.
    pub passed: u64,
    /// DKIM passed in alignment.
    pub aligned_dkim: u64,
    /// SPF passed in alignment.
    pub aligned_spf: u64,
    /// Kept back because of DMARC.
    pub quarantined: u64,
    /// Refused because of DMARC.
    pub rejected: u64,
    /// Rows that are kept.
    pub rows: u32,
    /// Rows that found no room.
    pub rows_left_out: u32,
}

/// Mails from one source address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRow {
    /// The address.
    pub source: String,
    /// Mails in all.
    pub messages: u64,
    /// DMARC passed.
    pub passed: u64,
    /// It did not.
    pub failed: u64,
    /// DKIM passed in alignment.
    pub aligned_dkim: u64,
    /// SPF passed in alignment.
    pub aligned_spf: u64,
    /// Kept back because of DMARC.
    pub quarantined: u64,
    /// Refused because of DMARC.
    pub rejected: u64,
    /// Of all these, mails in reports whose sender was not authenticated: anybody could have
    /// written them.
    pub unauthenticated: u64,
}

/// A report with its sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportDetail {
    /// As in the list.
    #[serde(flatten)]
    pub row: ReportRow,
    /// Those with the most mails first.
    pub sources: Vec<SourceRow>,
}

/// Mail of one domain on one day, as this box saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedRow {
    /// `2026-11-21`, in universal time.
    pub day: String,
    /// The policy's domain.
    pub domain: String,
    /// `none`, `quarantine` or `reject`.
    pub policy: String,
    /// Where reports are wanted.
    pub rua: Vec<String>,
    /// Mails that count.
    pub messages: u64,
    /// Mails that found no room.
    pub left_out: u64,
    /// Who was sent the report.
    pub sent_to: Vec<String>,
    /// Why somebody was not.
    pub remark: String,
    /// Only when the domain was asked for.
    pub sources: Vec<SourceRow>,
}

/// One report that was due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentRow {
    /// `2026-11-21`, in universal time.
    pub day: String,
    /// The policy's domain.
    pub domain: String,
    /// Mails that it speaks of.
    pub messages: u64,
    /// Who was sent it now.
    pub sent_to: Vec<String>,
    /// Why somebody was not.
    pub remark: String,
}

/// The answer to an order to send reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportTurn {
    /// Those that were due.
    pub reports: Vec<SentRow>,
}

/// Why a request was refused.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// One line for the operator.
    pub error: String,
}

/// An account to be made or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountOrder {
    /// The name to log in with.
    pub name: String,
    /// In clear: it comes over a socket that only the box's own user can open.
    pub password: String,
    /// Reverse-paths the account may use: addresses, or `@domain`.
    pub addresses: Vec<String>,
}

/// One account.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    /// The name to log in with.
    pub name: String,
    /// Reverse-paths the account may use.
    pub addresses: Vec<String>,
}

/// Somebody who got another password for the site. The password is shown once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResetRow {
    /// The name to log in with.
    pub name: String,
    /// To be changed after the log-in.
    pub password: String,
    /// May not log in all the same.
    pub is_disabled: bool,
}

/// What the box remembers of a text or file, before it is weighed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SightingRow {
    /// `NEAR_SPAM` and the like.
    pub name: String,
    /// By which its weight is multiplied.
    pub strength: f32,
    /// What and where.
    pub detail: String,
}

/// Digests for other sites, as `postern bulk export` writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignedFeed {
    /// The whole file.
    pub text: String,
}

/// The box at a glance.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of the program.
    pub version: String,
    /// Of the process.
    pub uptime_s: u64,
    /// Mails that wait for an attempt or are under way.
    pub active: u64,
    /// Mails that wait for another attempt.
    pub deferred: u64,
    /// Mails that wait for the operator or for a scanner.
    pub hold: u64,
    /// Octets of mail in reception now.
    pub reception_octets: u64,
    /// New mail is refused for want of disk space.
    pub full: bool,
}

/// A sender to be trusted, blocked or forgotten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SenderOrder {
    /// `trust`, `block` or `forget`.
    pub act: String,
    /// An address, `@domain`, `@.domain` or a network.
    pub entry: String,
    /// In the list of this protected domain; absent with `user` for the site's.
    pub domain: Option<String>,
    /// In the list of this recipient.
    pub user: Option<String>,
}

/// One entry in a list of senders.
#[derive(schemars::JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SenderRow {
    /// `site`, `@domain` or the recipient's address.
    pub list: String,
    /// Whom it names.
    pub entry: String,
    /// `trusted` or `blocked`; in the answer to `forget`, what it was.
    pub side: String,
    /// `command` for what was given at run time, `file` for the configuration's.
    pub origin: String,
    /// Who gave it; empty for the configuration's.
    pub by: String,
    /// RFC 3339; empty for the configuration's.
    pub since: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_two_decimals() {
        let table = [(4.7_f32, "4.7"), (0.1 + 0.2, "0.3"), (-0.001, "0.0"), (1.005, "1.0")];
        for (score, shown) in table {
            let row = FindingRow { name: "X".into(), score, detail: String::new() };
            let value = serde_json::to_value(&row).unwrap();
            assert_eq!(value["score"].to_string(), shown);
            assert!(serde_json::to_string(&row).unwrap().contains(&format!(":{shown},")));
        }
    }
}
