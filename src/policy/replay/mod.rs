//! A draft of rules over mail of the past: what it would have changed.
//!
//! In: the rules in force and a draft, and mail as the journal keeps it ([`Recalled`]). Out:
//! for each (mail, recipient) whose final order or other orders differ a [`Change`], and what
//! all of them come to ([`Tally`]). Pure.
//!
//! Rules are asked about the mail as it was; scopes and conditions about groups are asked by
//! what directories said then and by the groups that are configured now. Facts that the journal
//! does not hold, and about which one of the two texts asks, make a mail uncertain.

mod acting;
mod recall;
mod tally;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use acting::{Acting, acting};
pub use recall::Recalled;
pub use tally::{RuleCount, Tally};
pub use words::Decision;

use super::PolicySet;
use super::rules::atom::Atom;
use super::rules::{Direction, Outcome, RuleBook};
use crate::journal::Topic;

/// One (mail, recipient) that a draft decides otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The number of the recipient.
    pub recipient: usize,
    /// Whose mail it is: the recipient's where it came from outside, else the sender's.
    pub user: String,
    /// By the rules in force.
    pub before: Decision,
    /// By the draft.
    pub after: Decision,
}

/// What a draft makes of one mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replayed {
    /// In the order of the recipients.
    pub changes: Vec<Change>,
    /// What was asked and is not known, in words.
    pub unknown: Vec<String>,
    /// Recipients that rules were asked about.
    pub recipients: usize,
}

/// Two texts of rules, ready to be asked one beside the other.
#[derive(Debug)]
pub struct Replay {
    now: PolicySet,
    draft: Arc<RuleBook>,
    asks: Asks,
}

/// What rules want to know that may not be known of old mail.
#[derive(Debug, Default)]
struct Asks {
    topics: BTreeSet<Topic>,
    /// In small letters.
    fields: BTreeSet<String>,
}

impl Asks {
    fn add(&mut self, book: &RuleBook) {
        for (_, atom) in book.atoms.iter() {
            let topic = match atom {
                Atom::Header(name, _) => {
                    self.fields.insert(name.to_string());
                    continue;
                }
                Atom::Subject(_) => Topic::Subject,
                Atom::Author(_) => Topic::Authors,
                Atom::Class(_) => Topic::Classes,
                Atom::Finding(_) | Atom::Authentication(..) => Topic::Findings,
                Atom::Content(_) => Topic::Content,
                Atom::Attachment(_) => Topic::Files,
                Atom::Marking(_) => Topic::Markings,
                Atom::SenderGroup(_)
                | Atom::RecipientGroup(_)
                | Atom::Scope(super::rules::Scope::Group(_)) => Topic::Groups,
                _ => continue,
            };
            self.topics.insert(topic);
        }
    }
}

impl Replay {
    /// The rules in force, and a draft.
    pub fn new(now: PolicySet, draft: Arc<RuleBook>) -> Replay {
        let mut asks = Asks::default();
        asks.add(&now.rules);
        asks.add(&draft);
        Replay { now, draft, asks }
    }

    /// What is asked about a mail and not known.
    fn unknown(&self, mail: &Recalled) -> Vec<String> {
        let topics = self.asks.topics.iter().filter(|topic| mail.lacks(**topic));
        let fields = self.asks.fields.iter().filter(|name| mail.lacks_field(name));
        let topics = topics.map(ToString::to_string);
        topics.chain(fields.map(|name| format!("header {name}"))).collect()
    }

    /// Whether the mail itself, if it is still somewhere, could tell what is not known.
    pub fn would_read(&self, mail: &Recalled) -> bool {
        let asks_authors = self.asks.topics.contains(&Topic::Authors) && mail.lacks(Topic::Authors);
        let asks_subject = self.asks.topics.contains(&Topic::Subject) && mail.lacks(Topic::Subject);
        asks_authors || asks_subject || self.asks.fields.iter().any(|name| mail.lacks_field(name))
    }

    /// Asks both about one mail.
    pub fn ask(&self, mail: &Recalled) -> Replayed {
        let mut replayed = Replayed { unknown: self.unknown(mail), ..Replayed::default() };
        mail.with(&self.now, |recipient, circumstances| {
            replayed.recipients += 1;
            let before = self.now.rules.evaluate(circumstances);
            let after = self.draft.evaluate(circumstances);
            if is_same(&before, &after) {
                return;
            }
            let parties = &circumstances.parties;
            let user = match (parties.direction, parties.reverse_path) {
                (Direction::Inbound, _) | (_, None) => parties.forward_path,
                (_, Some(sender)) => sender,
            };
            replayed.changes.push(Change {
                recipient,
                user: user.key(),
                before: Decision::of(&before),
                after: Decision::of(&after),
            });
        });
        replayed
    }
}

/// Whether the same is done, by whatever rules.
fn is_same(before: &Outcome<'_>, after: &Outcome<'_>) -> bool {
    let last = |outcome: &Outcome<'_>| outcome.final_order.map(|(_, order)| order.clone());
    let orders = before.orders.iter().map(|(_, order)| order);
    last(before) == last(after) && orders.eq(after.orders.iter().map(|(_, order)| order))
}
