//! One person, as the store keeps them and as a form describes them.

use serde::{Deserialize, Serialize};

use super::caller::Scope;
use super::rights::{Rights, Role};
use super::second::Second;
use crate::mail::Domain;

/// Somebody who may use the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Folded.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// Only these domains concern them; empty means the whole site.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Argon2id in PHC form.
    pub(super) password_hash: String,
    /// Present when a second factor is in force.
    #[serde(default)]
    pub(super) second: Option<Second>,
    /// May not log in.
    #[serde(default)]
    pub is_disabled: bool,
    /// Milliseconds since 1970.
    pub created_ms: u64,
}

/// What a form says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// As typed.
    pub name: String,
    /// What they are to be.
    pub role: Role,
    /// Empty means the whole site.
    pub domains: Vec<Domain>,
    /// May not log in.
    pub is_disabled: bool,
}

impl Draft {
    /// For the whole site.
    pub fn of(name: &str, role: Role) -> Draft {
        Draft { name: name.to_owned(), role, domains: Vec::new(), is_disabled: false }
    }

    pub(super) fn is_able_owner(&self) -> bool {
        self.role == Role::Owner && self.domains.is_empty() && !self.is_disabled
    }
}

impl Person {
    pub(super) fn new(name: String, draft: &Draft, hash: String, now_ms: u64) -> Person {
        let mut person = Person {
            name,
            role: draft.role,
            domains: Vec::new(),
            password_hash: hash,
            second: None,
            is_disabled: false,
            created_ms: now_ms,
        };
        person.apply(draft);
        person
    }

    pub(super) fn apply(&mut self, draft: &Draft) {
        self.role = draft.role;
        self.domains = draft.domains.iter().map(ToString::to_string).collect();
        self.is_disabled = draft.is_disabled;
    }

    /// Whether they are an owner of the whole site who can log in.
    pub fn is_able_owner(&self) -> bool {
        self.role == Role::Owner && self.domains.is_empty() && !self.is_disabled
    }

    /// Whether a code is asked for beside the password.
    pub fn has_second(&self) -> bool {
        self.second.is_some()
    }

    /// Recovery codes that have not been used.
    pub fn recovery_left(&self) -> usize {
        self.second.as_ref().map_or(0, |second| second.recovery.len())
    }

    /// What they may do.
    pub fn rights(&self) -> Rights {
        let rights = self.role.rights();
        match self.domains.is_empty() {
            true => rights,
            false => rights.of_domains(),
        }
    }

    /// Whose mail concerns them.
    pub fn scope(&self) -> Scope {
        match self.domains.is_empty() {
            true => Scope::Site,
            // A name that is no domain any more concerns no mail.
            false => Scope::Domains(
                self.domains.iter().filter_map(|name| Domain::parse(name).ok()).collect(),
            ),
        }
    }
}
