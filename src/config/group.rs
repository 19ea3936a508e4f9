//! `[[group]]`: names for sets of own people, for rules to speak of.
//!
//! ```toml
//! [[group]]
//! name = "finance"
//! members = ["ann@example.org", "@accounts.example.org"]
//! ```

use std::str::FromStr;

use serde::Deserialize;

use crate::mail::{Address, Domain};

/// `[[group]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// As rules name it, behind `group:`.
    pub name: String,
    /// Addresses, and `@domain` for everybody there.
    pub members: Vec<Party>,
}

/// Some of the house's people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Party {
    /// One address.
    Address(Address),
    /// `@domain`: everybody there.
    Domain(Domain),
    /// `group:name`.
    Group(String),
}

/// The text names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names nobody: an address, @domain, or group:name")]
pub struct BadParty(String);

impl FromStr for Party {
    type Err = BadParty;

    fn from_str(text: &str) -> Result<Party, BadParty> {
        let bad = || BadParty(text.to_owned());
        if let Some(name) = text.strip_prefix("group:") {
            return (!name.is_empty()).then(|| Party::Group(name.to_owned())).ok_or_else(bad);
        }
        match text.strip_prefix('@') {
            Some(domain) => Domain::parse(domain).map(Party::Domain).map_err(|_| bad()),
            None => text.parse().map(Party::Address).map_err(|_| bad()),
        }
    }
}

impl TryFrom<String> for Party {
    type Error = BadParty;

    fn try_from(text: String) -> Result<Party, BadParty> {
        text.parse()
    }
}

impl Party {
    /// Whether somebody belongs to it. Groups within groups are not followed.
    pub fn has(&self, address: &Address, groups: &[Group]) -> bool {
        match self {
            Party::Address(own) => own.key() == address.key(),
            Party::Domain(domain) => address.domain() == Some(domain),
            Party::Group(name) => groups.iter().filter(|group| group.name == *name).any(|group| {
                let members = group.members.iter();
                members
                    .filter(|one| !matches!(one, Party::Group(_)))
                    .any(|one| one.has(address, &[]))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_have_their_people() {
        let finance = Group {
            name: "finance".into(),
            members: vec!["Ann@x.test".parse().unwrap(), "@pay.x.test".parse().unwrap()],
        };
        let table = [
            ("ann@x.test", "ann@x.test", true),
            ("ann@x.test", "bob@x.test", false),
            ("@x.test", "bob@x.test", true),
            ("@x.test", "bob@y.x.test", false),
            ("group:finance", "ann@x.test", true),
            ("group:finance", "any@pay.x.test", true),
            ("group:finance", "bob@x.test", false),
            ("group:other", "ann@x.test", false),
        ];
        for (party, address, expected) in table {
            let party: Party = party.parse().unwrap();
            let has = party.has(&address.parse().unwrap(), std::slice::from_ref(&finance));
            assert_eq!(has, expected, "{party:?} {address}");
        }
        for text in ["", "group:", "@", "nobody at all"] {
            assert!(text.parse::<Party>().is_err(), "{text}");
        }
    }
}
