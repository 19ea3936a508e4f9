//! `[[group]]`: names for sets of own people, for rules to speak of.
//!
//! ```toml
//! [[group]]
//! name = "finance"
//! members = ["ann@example.org", "@accounts.example.org"]
//! file = "finance.csv"                 # more of them
//!
//! [[group]]
//! name = "board"
//! directory = "staff"                  # whose group it is
//! dn = "cn=Board,ou=Groups,dc=example,dc=org"
//! ```

use std::collections::HashSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;

use crate::mail::{Address, Domain};

/// `[[group]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// As rules name it, behind `group:`.
    pub name: String,
    /// Addresses, and `@domain` for everybody there.
    #[serde(default)]
    pub members: Vec<Party>,
    /// A file with more addresses: one a line, or CSV with a column of addresses and, where it
    /// holds several groups, a column `group`.
    pub file: Option<PathBuf>,
    /// Everybody in this group of a directory, too.
    pub dn: Option<String>,
    /// Which directory; may be left out where there is only one.
    pub directory: Option<String>,
    /// The keys of the addresses of `members` and `file`.
    #[serde(skip)]
    pub listed: Arc<HashSet<String>>,
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

impl Group {
    /// Whether somebody is named here or in the file, whatever a directory says.
    pub fn lists(&self, address: &Address) -> bool {
        let named = |one: &Party| !matches!(one, Party::Group(_)) && one.has(address, &[]);
        self.listed.contains(&address.key()) || self.members.iter().any(named)
    }
}

impl Party {
    /// Whether somebody belongs to it. Groups within groups are not followed.
    pub fn has(&self, address: &Address, groups: &[Group]) -> bool {
        match self {
            Party::Address(own) => own.key() == address.key(),
            Party::Domain(domain) => address.domain() == Some(domain),
            Party::Group(name) => {
                groups.iter().filter(|group| group.name == *name).any(|group| group.lists(address))
            }
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
            file: None,
            dn: None,
            directory: None,
            listed: Arc::default(),
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
