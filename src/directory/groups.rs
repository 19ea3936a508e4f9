//! The groups of an entry, found in a directory.
//!
//! In: an entry's name, `uid` and address. Out: the names of its groups, and of the groups
//! that these are members of. By Active Directory's rule for chains in one question; elsewhere
//! by walking from group to group, each once, to a depth and a number that are limited, so that
//! groups that contain each other end nowhere.

use std::collections::HashSet;

use ldap3::{Ldap, Scope};

use super::dn;
use super::entry::Person;
use super::search::{self, Failure, Question};
use crate::config::{self, GroupSource};

/// Of one person; more are cut, and said to be.
const GROUPS: usize = 2_000;
/// Groups asked about in one question.
const AT_ONCE: usize = 20;

/// A walk that is to be made.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    settings: config::Directory,
    dn: String,
    uid: String,
    address: String,
    member_of: Vec<String>,
}

impl Walk {
    pub(super) fn of(settings: &config::Directory, person: &Person) -> Walk {
        Walk {
            settings: settings.clone(),
            dn: person.dn.clone(),
            uid: person.uid.clone().unwrap_or_default(),
            address: person.addresses.first().map(ToString::to_string).unwrap_or_default(),
            member_of: person.member_of.clone(),
        }
    }

    /// All groups, as the directory writes their names.
    pub(super) async fn run(self, mut ldap: Ldap) -> Result<Vec<String>, Failure> {
        let mut found = Found::default();
        let mut frontier = match self.settings.groups() {
            GroupSource::None => return Ok(Vec::new()),
            GroupSource::Search => {
                let values = [
                    ("dn", self.dn.as_str()),
                    ("uid", self.uid.as_str()),
                    ("address", self.address.as_str()),
                ];
                let filter = self.settings.group_filter().with(&values);
                found.new_ones(self.groups_by(&mut ldap, filter).await?)
            }
            GroupSource::MemberOf => found.new_ones(self.member_of.clone()),
        };
        if self.settings.groups() == GroupSource::Search && self.settings.follows_chains() {
            return Ok(found.names);
        }
        for _ in 0..self.settings.nested_depth {
            let mut next = Vec::new();
            for some in frontier.chunks(AT_ONCE) {
                let names = match self.settings.groups() {
                    GroupSource::MemberOf => self.member_of(&mut ldap, some).await?,
                    GroupSource::Search | GroupSource::None => {
                        let one =
                            |name: &String| self.settings.group_filter().with(&[("dn", name)]);
                        let filters: String = some.iter().map(one).collect();
                        self.groups_by(&mut ldap, format!("(|{filters})")).await?
                    }
                };
                next.extend(found.new_ones(names));
            }
            if next.is_empty() || found.names.len() >= GROUPS {
                break;
            }
            frontier = next;
        }
        if found.names.len() >= GROUPS {
            tracing::warn!(dn = %self.dn, "more than {GROUPS} groups: some are not seen");
        }
        Ok(found.names)
    }

    async fn groups_by(&self, ldap: &mut Ldap, filter: String) -> Result<Vec<String>, Failure> {
        let question = Question {
            base: self.settings.group_base().to_owned(),
            scope: Scope::Subtree,
            filter,
            attributes: vec!["cn".into()],
        };
        let mut names = Vec::new();
        let page = self.settings.page_entries;
        search::all(ldap, &question, page, GROUPS, |entry| names.push(entry.dn)).await?;
        Ok(names)
    }

    async fn member_of(&self, ldap: &mut Ldap, groups: &[String]) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for group in groups {
            let question = Question {
                base: group.clone(),
                scope: Scope::Base,
                filter: "(objectClass=*)".into(),
                attributes: vec!["memberOf".into()],
            };
            for entry in search::few(ldap, &question, 1).await? {
                names.extend(entry.values("memberOf").map(str::to_owned));
            }
        }
        Ok(names)
    }
}

#[derive(Debug, Default)]
struct Found {
    keys: HashSet<String>,
    names: Vec<String>,
}

impl Found {
    /// Those that were not known yet.
    fn new_ones(&mut self, names: Vec<String>) -> Vec<String> {
        let mut fresh = Vec::new();
        for name in names {
            if self.names.len() < GROUPS && self.keys.insert(dn::key(&name)) {
                self.names.push(name.clone());
                fresh.push(name);
            }
        }
        fresh
    }
}
