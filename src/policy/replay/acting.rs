//! Which rules act on a mail that lies somewhere, if it came now.
//!
//! In: a [`Case`], what a look into it brought, the rules in force. Out: each rule that acts,
//! what it orders, and for how many recipients.

use std::collections::BTreeMap;

use super::Decision;
use crate::analysis::Look;
use crate::policy::asked::Asked;
use crate::policy::attachments::Files;
use crate::policy::{Case, PolicySet};

/// A rule that acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acting {
    /// Its name.
    pub rule: String,
    /// What it orders, for whichever recipient.
    pub orders: Vec<String>,
    /// For so many recipients.
    pub recipients: usize,
}

/// The rules that act, by name.
pub fn acting(case: &Case<'_>, look: &Look, policy: &PolicySet) -> Vec<Acting> {
    let mut found: BTreeMap<String, Acting> = BTreeMap::new();
    if policy.rules.is_empty() {
        return Vec::new();
    }
    let files = Files::of(&look.enclosures);
    let asked = Asked::of(case, look, &files, policy);
    for (at, recipient) in case.envelope.recipients.iter().enumerate() {
        let forward_path = &recipient.forward_path;
        let groups = policy.memberships.of(Some(forward_path), case.groups.recipients.get(at));
        let outcome = policy.rules.evaluate(&asked.circumstances(forward_path, &groups, policy));
        for (rule, orders) in Decision::of(&outcome).by_rule {
            let known = found.entry(rule.clone()).or_insert_with(|| {
                let orders = Vec::new();
                Acting { rule, orders, recipients: 0 }
            });
            known.recipients += 1;
            for order in orders {
                if !known.orders.contains(&order) {
                    known.orders.push(order);
                }
            }
        }
    }
    found.into_values().collect()
}
