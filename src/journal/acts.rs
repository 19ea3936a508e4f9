//! What administrators did: who, what, to what, how it was before and is now.
//!
//! In: an [`Act`] of a site, an API or a console. Out: [`ActsFound`] for the auditor's page,
//! the newest first. An act that concerns a mail stands in the mail's story as well.
//!
//! Texts are kept as they came: whoever shows them escapes. Secrets do not belong into them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::event::limit;
use super::marks::folded;
use super::story::{as_text, from_text, maybe_as_text, maybe_from_text};
use crate::mail::MailId;

const NAME_OCTETS: usize = 512;
const TEXT_OCTETS: usize = 8_192;

/// One act of an administrator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Act {
    /// The account; `unknown` where nobody is logged in.
    pub who: String,
    /// What was done, for example `quarantine.release` or `login.failed`.
    pub what: String,
    /// To what, for example an address, a rule's name, a key of the configuration.
    pub object: String,
    /// How it was.
    pub before: Option<String>,
    /// How it is now.
    pub after: Option<String>,
    /// From where.
    pub client: Option<IpAddr>,
    /// By which door: `site`, `api`, `console`.
    pub via: String,
    /// What the administrator gave as reason.
    pub reason: String,
    /// Empty when it was done; else why it was not.
    pub refusal: String,
}

impl Act {
    /// An act without its particulars.
    pub fn of(what: impl Into<String>, object: impl Into<String>) -> Act {
        Act { what: what.into(), object: object.into(), ..Act::default() }
    }

    pub(super) fn limit(&mut self) {
        for name in [&mut self.who, &mut self.what, &mut self.object, &mut self.via] {
            limit(name, NAME_OCTETS);
        }
        let texts = [&mut self.before, &mut self.after].into_iter().flatten();
        texts
            .chain([&mut self.reason, &mut self.refusal])
            .for_each(|text| limit(text, TEXT_OCTETS));
    }

    pub(super) fn weight_octets(&self) -> usize {
        let texts = [&self.who, &self.what, &self.object, &self.via, &self.reason, &self.refusal];
        let sides = [&self.before, &self.after].into_iter().flatten();
        size_of::<Act>() + texts.into_iter().chain(sides).map(String::len).sum::<usize>()
    }
}

/// An act as it stands in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActNote {
    /// Its own name; later ones have greater names.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub act_id: MailId,
    /// What was done.
    pub act: Act,
}

/// Which acts are looked for. Criteria that are absent are met by all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ActQuery {
    /// The account, whole, in any case.
    pub who: Option<String>,
    /// What was done: whole, or its beginning up to a dot: `quarantine`.
    pub what: Option<String>,
    /// Any part of the object, or the mail's name in full; in any case.
    pub object: Option<String>,
    /// At this time or later, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Before this time.
    pub until_ms: Option<u64>,
    /// Only acts older than this one: [`ActsFound::older_than`] of the page before.
    #[serde(serialize_with = "maybe_as_text", deserialize_with = "maybe_from_text")]
    pub before: Option<MailId>,
    /// Acts at most; 0 means 100.
    pub limit: usize,
}

/// One act that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActFound {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The mail that it concerns; else none.
    #[serde(serialize_with = "maybe_as_text", deserialize_with = "maybe_from_text")]
    pub mail_id: Option<MailId>,
    /// What was done.
    #[serde(flatten)]
    pub note: ActNote,
}

/// Acts, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ActsFound {
    /// The acts.
    pub acts: Vec<ActFound>,
    /// What to ask for as `before` to get the next page; none when there are no older ones.
    #[serde(serialize_with = "maybe_as_text", deserialize_with = "maybe_from_text")]
    pub older_than: Option<MailId>,
}

/// A query in the form in which it is compared.
#[derive(Debug)]
pub(super) struct ActCriteria {
    pub(super) who: Option<String>,
    pub(super) what: Option<String>,
    pub(super) object: Option<String>,
}

impl ActCriteria {
    pub(super) fn of(query: &ActQuery) -> ActCriteria {
        let plain = |text: &String| folded(text.trim());
        ActCriteria {
            who: query.who.as_ref().map(plain),
            what: query.what.as_ref().map(plain),
            object: query.object.as_ref().map(plain),
        }
    }

    /// Whether the act of this mail, or of none, meets them.
    pub(super) fn are_met(&self, mail_id: MailId, note: &ActNote) -> bool {
        let act = &note.act;
        self.who.as_ref().is_none_or(|who| folded(&act.who) == *who)
            && self.what.as_ref().is_none_or(|what| {
                let done = folded(&act.what);
                let rest = done.strip_prefix(what.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            && self.object.as_ref().is_none_or(|part| {
                folded(&act.object).contains(part.as_str())
                    || (mail_id != note.act_id && folded(&mail_id.to_string()) == *part)
            })
    }
}
