//! Who asks, as far as that was shown.

use super::rights::{Right, Rights};
use crate::mail::{Address, Domain, Envelope};

/// Whose mail somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    Site,
    /// That from and to these domains.
    Domains(Vec<Domain>),
}

impl Scope {
    /// Whether mail of this envelope is among it.
    pub fn sees(&self, envelope: &Envelope) -> bool {
        let paths = envelope.recipients.iter().map(|one| &one.forward_path);
        self.sees_any(envelope.reverse_path.address().into_iter().chain(paths))
    }

    /// Whether one of these addresses is of a domain that concerns them.
    pub fn sees_any<'a>(&self, mut addresses: impl Iterator<Item = &'a Address>) -> bool {
        match self {
            Scope::Site => true,
            Scope::Domains(own) => {
                addresses.any(|address| address.domain().is_some_and(|domain| own.contains(domain)))
            }
        }
    }

    /// The same for addresses as texts.
    pub fn sees_texts<'a>(&self, mut addresses: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Scope::Site => true,
            Scope::Domains(own) => addresses.any(|address| {
                let domain = address.rsplit_once('@').map(|(_, domain)| domain);
                domain
                    .and_then(|domain| Domain::parse(domain).ok())
                    .is_some_and(|domain| own.contains(&domain))
            }),
        }
    }

    /// The domains' names; `None` for the whole site.
    pub fn domains(&self) -> Option<Vec<String>> {
        match self {
            Scope::Site => None,
            Scope::Domains(own) => Some(own.iter().map(ToString::to_string).collect()),
        }
    }
}

/// How somebody has shown who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Not at all.
    Nothing,
    /// By a log-in.
    Session {
        /// The session's name.
        session: String,
        /// What forms must bring.
        csrf: String,
    },
    /// By a key of the API.
    Key {
        /// Its name.
        key: String,
    },
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Empty for nobody.
    pub name: String,
    /// What they may do here and now.
    pub rights: Rights,
    /// Whose mail concerns them.
    pub scope: Scope,
    /// How that is known.
    pub via: Via,
}

impl Caller {
    /// Who has shown nothing.
    pub fn nobody() -> Caller {
        Caller {
            name: String::new(),
            rights: Rights::default(),
            scope: Scope::Domains(Vec::new()),
            via: Via::Nothing,
        }
    }

    /// Whether they have shown who they are.
    pub fn is_known(&self) -> bool {
        self.via != Via::Nothing
    }

    /// Whether they may.
    pub fn may(&self, right: Right) -> bool {
        self.rights.has(right)
    }

    /// For the journal.
    pub fn signature(&self) -> String {
        match &self.via {
            Via::Key { key } => format!("{} (key {key})", self.name),
            _ => self.name.clone(),
        }
    }
}
