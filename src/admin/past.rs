//! What is asked and answered about mail of the past: a draft of rules over the journal, and
//! the rules in force over what is still kept. The answers are lines, each a JSON object.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::mail::{Class, ContentHit};

/// A draft of rules to be tried on past mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayRequest {
    /// The text.
    pub draft: String,
    /// Names it in errors.
    #[serde(default = "draft")]
    pub file: String,
    /// Mail of the last so many days.
    pub days: u32,
}

fn draft() -> String {
    "draft".into()
}

/// What rules order for one (mail, recipient).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// The final order; `none` where no rule has one.
    pub order: String,
    /// The rule that it is from.
    pub rule: Option<String>,
    /// What goes beside.
    pub orders: Vec<String>,
}

/// One (mail, recipient) that a draft decides otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayRow {
    /// The mail.
    pub mail_id: String,
    /// When it came, RFC 3339.
    pub received: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Whose copy.
    pub recipient: String,
    /// Decoded.
    pub subject: String,
    /// Whose mail it is: the recipient's where it came from outside, else the sender's.
    pub user: String,
    /// What became of how many copies then, terms and lists included.
    pub became: String,
    /// By the rules in force.
    pub before: DecisionRow,
    /// By the draft.
    pub after: DecisionRow,
    /// Something that rules ask is not known of this mail.
    pub uncertain: bool,
    /// What that is.
    pub unknown: Vec<String>,
}

/// What a draft changes about one rule, in (mail, recipient)s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCountRow {
    /// It acts and did not.
    pub newly: u64,
    /// It acted and does not.
    pub no_more: u64,
    /// It orders something else.
    pub otherwise: u64,
}

/// What all changes of a draft come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaySummary {
    /// The beginning of the time, RFC 3339.
    pub since: String,
    /// Mails that rules were asked about.
    pub mails: u64,
    /// (mail, recipient)s.
    pub recipients: u64,
    /// Mails with a change for some recipient.
    pub changed_mails: u64,
    /// (mail, recipient)s with a change.
    pub changed: u64,
    /// Mails of which something that rules ask is not known.
    pub uncertain_mails: u64,
    /// Mails that were never judged, or of whose judgement the journal does not know.
    pub unreadable_mails: u64,
    /// By the rule's name.
    pub rules: BTreeMap<String, RuleCountRow>,
    /// Changes by user.
    pub users: BTreeMap<String, u64>,
    /// Changes of users beyond those that are counted one by one.
    pub other_users: u64,
}

/// One line of the answer to a draft.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReplayLine {
    /// A change.
    Change(Box<ReplayRow>),
    /// How far it is.
    Progress {
        /// Mails so far.
        mails: u64,
        /// When the last of them came, RFC 3339.
        until: String,
    },
    /// At the end.
    Summary(ReplaySummary),
    /// In its place when the search broke off.
    Failure {
        /// Why.
        error: String,
    },
}

/// Past mail to be looked into again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InspectRequest {
    /// `archive`, `quarantine`, `spool`; archive and quarantine unless given.
    pub areas: Vec<String>,
    /// What was put there in the last so many days; all unless given.
    pub days: Option<u32>,
    /// Only mail on which one of these rules, of content or policy, hits.
    pub rules: Vec<String>,
    /// Only mail on which a content rule of one of these classes hits.
    pub classes: Vec<Class>,
}

/// A rule of policy that would act on a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActingRow {
    /// Its name.
    pub rule: String,
    /// What it orders.
    pub orders: Vec<String>,
    /// For how many recipients.
    pub recipients: usize,
}

/// A kept mail on which rules hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectRow {
    /// `archive`, `quarantine` or `spool`.
    pub area: String,
    /// The class of the archive, or the area of the quarantine.
    pub within: String,
    /// The mail, or the entry of the quarantine.
    pub mail_id: String,
    /// When it came, RFC 3339.
    pub received: String,
    /// Empty for the null reverse-path.
    pub reverse_path: String,
    /// Whom it is for.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Content rules that hit.
    pub content: Vec<ContentHit>,
    /// Protective markings.
    pub markings: Vec<String>,
    /// Rules of policy that would act on it now.
    pub policy: Vec<ActingRow>,
}

/// What all kept mail comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InspectSummary {
    /// Mails that were looked into.
    pub mails: u64,
    /// Those on which rules hit, as asked for.
    pub hit: u64,
    /// Those that could not be read.
    pub unreadable_mails: u64,
    /// Mails by content rule.
    pub content: BTreeMap<String, u64>,
    /// Mails by class of content rules.
    pub classes: BTreeMap<String, u64>,
    /// Mails by marking.
    pub markings: BTreeMap<String, u64>,
    /// Mails by rule of policy.
    pub policy: BTreeMap<String, u64>,
    /// Mails that were found, by user: recipients of mail from outside, else the sender.
    pub users: BTreeMap<String, u64>,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InspectLine {
    /// A mail.
    Mail(Box<InspectRow>),
    /// How far it is.
    Progress {
        /// Mails so far.
        mails: u64,
        /// Of so many.
        of: u64,
    },
    /// At the end.
    Summary(InspectSummary),
}
