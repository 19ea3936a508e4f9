//! What a draft changes, all mails together.

use std::collections::BTreeMap;

use super::{Change, Replayed};

/// Users that are counted one by one.
const USERS: usize = 10_000;

/// What a draft changes about one rule, in (mail, recipient)s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleCount {
    /// It acts and did not.
    pub newly: u64,
    /// It acted and does not.
    pub no_more: u64,
    /// It does something else.
    pub otherwise: u64,
}

/// Sums.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Mails that rules were asked about.
    pub mails: u64,
    /// (mail, recipient)s.
    pub recipients: u64,
    /// Mails with a change for some recipient.
    pub changed_mails: u64,
    /// (mail, recipient)s with a change.
    pub changed: u64,
    /// Mails of which something that was asked is not known.
    pub uncertain_mails: u64,
    /// By the rule's name.
    pub rules: BTreeMap<String, RuleCount>,
    /// Changes by the user whose mail it is.
    pub users: BTreeMap<String, u64>,
    /// Changes of users beyond those that are counted one by one.
    pub other_users: u64,
}

impl Tally {
    /// Counts one mail.
    pub fn add(&mut self, replayed: &Replayed) {
        self.mails += 1;
        self.recipients += replayed.recipients as u64;
        self.changed_mails += u64::from(!replayed.changes.is_empty());
        self.uncertain_mails += u64::from(!replayed.unknown.is_empty());
        for change in &replayed.changes {
            self.changed += 1;
            self.count_rules(change);
            match self.users.len() < USERS || self.users.contains_key(&change.user) {
                true => *self.users.entry(change.user.clone()).or_default() += 1,
                false => self.other_users += 1,
            }
        }
    }

    fn count_rules(&mut self, change: &Change) {
        let (before, after) = (&change.before.by_rule, &change.after.by_rule);
        for (name, orders) in after {
            match before.get(name) {
                None => self.rules.entry(name.clone()).or_default().newly += 1,
                Some(old) if old != orders => {
                    self.rules.entry(name.clone()).or_default().otherwise += 1;
                }
                Some(_) => {}
            }
        }
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.rules.entry(name.clone()).or_default().no_more += 1;
        }
    }
}
