//! Which groups somebody is in, by the configuration.
//!
//! In: `[[group]]`. Out: names, found by address and by domain rather than by asking every
//! group. What a directory knows of groups comes in beside, as names.

use std::collections::{BTreeSet, HashMap};

use crate::config::{Group, Party};
use crate::mail::{Address, Domain};

/// Groups of a configuration, turned round.
#[derive(Debug, Clone, Default)]
pub(super) struct Memberships {
    by_key: HashMap<String, BTreeSet<String>>,
    by_domain: HashMap<Domain, BTreeSet<String>>,
}

/// The groups of sender and recipients that directories know of, for whoever evaluates policy to
/// fetch beforehand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartyGroups {
    /// Of the reverse-path.
    pub sender: Vec<String>,
    /// One a recipient, in the envelope's order; missing ones are in none.
    pub recipients: Vec<Vec<String>>,
}

impl Memberships {
    pub(super) fn new(groups: &[Group]) -> Memberships {
        let mut memberships = Memberships::default();
        for group in groups {
            for member in &group.members {
                let names = match member {
                    Party::Address(address) => memberships.by_key.entry(address.key()).or_default(),
                    Party::Domain(domain) => {
                        memberships.by_domain.entry(domain.clone()).or_default()
                    }
                    Party::Group(_) => continue,
                };
                names.insert(group.name.clone());
            }
        }
        memberships
    }

    /// The groups of somebody, with those that are known from elsewhere.
    pub(super) fn of(&self, address: Option<&Address>, known: Option<&Vec<String>>) -> Vec<String> {
        let mut names: BTreeSet<&String> = known.into_iter().flatten().collect();
        if let Some(address) = address {
            let by_domain = address.domain().and_then(|domain| self.by_domain.get(domain));
            names.extend(self.by_key.get(&address.key()).into_iter().flatten());
            names.extend(by_domain.into_iter().flatten());
        }
        names.into_iter().cloned().collect()
    }
}
