//! What goes over the control socket: one JSON object a row, the same objects that the command
//! line prints with `--json`.

use serde::{Deserialize, Serialize};

/// The header that says that a search ended before it had looked everywhere.
pub const INCOMPLETE: &str = "x-postern-incomplete";

/// One queued mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub score: f32,
    /// Length of the content.
    pub size_octets: u64,
}

/// One finding of a mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindingRow {
    /// Upper snake case.
    pub name: String,
    /// Its part of the score.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acted {
    /// Which mail.
    pub mail_id: String,
    /// `retried`, `held`, `released`, `removed`, `deleted`.
    pub done: String,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    /// The name to log in with.
    pub name: String,
    /// Reverse-paths the account may use.
    pub addresses: Vec<String>,
}

/// Digests for other sites, as `postern bulk export` writes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignedFeed {
    /// The whole file.
    pub text: String,
}

/// The box at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
