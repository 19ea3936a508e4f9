//! What people may do, and the roles that stand for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that somebody may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// See what happened to mail: dashboard, tracking, queue and quarantine lists.
    SeeMail,
    /// Read what is in it: preview, source.
    SeeContent,
    /// Retry, hold, release, reroute, bounce, remove in the queue; resend.
    Queue,
    /// Release, delete and train in the quarantine; decide on approvals.
    Quarantine,
    /// Trust and block senders.
    Senders,
    /// See the rules and try drafts.
    SeePolicy,
    /// Publish rules.
    Policy,
    /// See the configuration and how the box is.
    SeeSettings,
    /// Change it.
    Settings,
    /// Manage people, their roles and sessions.
    People,
    /// See what administrators did.
    Audit,
}

/// All there are.
pub const ALL_RIGHTS: &[Right] = &[
    Right::SeeMail,
    Right::SeeContent,
    Right::Queue,
    Right::Quarantine,
    Right::Senders,
    Right::SeePolicy,
    Right::Policy,
    Right::SeeSettings,
    Right::Settings,
    Right::People,
    Right::Audit,
];

/// Those that mean something for a part of the site's domains only.
const OF_DOMAINS: Rights = Rights::of(&[
    Right::SeeMail,
    Right::SeeContent,
    Right::Queue,
    Right::Quarantine,
    Right::Senders,
]);

impl Right {
    /// In plain words.
    pub fn words(self) -> &'static str {
        match self {
            Right::SeeMail => "see what happened to mail",
            Right::SeeContent => "read kept mail",
            Right::Queue => "act on the queue",
            Right::Quarantine => "act on the quarantine",
            Right::Senders => "trust and block senders",
            Right::SeePolicy => "see rules and try drafts",
            Right::Policy => "publish rules",
            Right::SeeSettings => "see the configuration",
            Right::Settings => "change the configuration",
            Right::People => "manage people",
            Right::Audit => "see what administrators did",
        }
    }

    /// As JSON and forms write it.
    pub fn name(self) -> &'static str {
        match self {
            Right::SeeMail => "see-mail",
            Right::SeeContent => "see-content",
            Right::Queue => "queue",
            Right::Quarantine => "quarantine",
            Right::Senders => "senders",
            Right::SeePolicy => "see-policy",
            Right::Policy => "policy",
            Right::SeeSettings => "see-settings",
            Right::Settings => "settings",
            Right::People => "people",
            Right::Audit => "audit",
        }
    }
}

/// A set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u32);

impl Rights {
    /// These.
    pub const fn of(rights: &[Right]) -> Rights {
        let mut bits = 0;
        let mut rest = rights;
        while let [first, after @ ..] = rest {
            bits |= 1 << (*first as u32);
            rest = after;
        }
        Rights(bits)
    }

    /// Whether it is among them.
    pub fn has(self, right: Right) -> bool {
        self.0 & Rights::of(&[right]).0 != 0
    }

    /// Those in both.
    pub fn both(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }

    /// Those that are left when only some domains are concerned.
    pub fn of_domains(self) -> Rights {
        self.both(OF_DOMAINS)
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        ALL_RIGHTS.iter().copied().filter(move |right| self.has(*right))
    }
}

/// What somebody is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May do everything.
    Owner,
    /// Everything but manage people.
    Administrator,
    /// Rules.
    Policy,
    /// What is kept back.
    Quarantine,
    /// Answers "where is my mail?", releases what was kept wrongly; reads no mail.
    Helpdesk,
    /// Sees everything but mail's content, changes nothing.
    Auditor,
}

/// All there are.
pub const ROLES: &[Role] = &[
    Role::Owner,
    Role::Administrator,
    Role::Policy,
    Role::Quarantine,
    Role::Helpdesk,
    Role::Auditor,
];

impl Role {
    /// What it may do.
    pub fn rights(self) -> Rights {
        match self {
            Role::Owner => Rights::of(ALL_RIGHTS),
            Role::Administrator => Rights::of(&[
                Right::SeeMail,
                Right::SeeContent,
                Right::Queue,
                Right::Quarantine,
                Right::Senders,
                Right::SeePolicy,
                Right::Policy,
                Right::SeeSettings,
                Right::Settings,
                Right::Audit,
            ]),
            Role::Policy => Rights::of(&[Right::SeeMail, Right::SeePolicy, Right::Policy]),
            Role::Quarantine => {
                Rights::of(&[Right::SeeMail, Right::SeeContent, Right::Quarantine, Right::Senders])
            }
            Role::Helpdesk => {
                Rights::of(&[Right::SeeMail, Right::Queue, Right::Quarantine, Right::Senders])
            }
            Role::Auditor => {
                Rights::of(&[Right::SeeMail, Right::SeePolicy, Right::SeeSettings, Right::Audit])
            }
        }
    }

    /// As JSON and forms write it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Administrator => "administrator",
            Role::Policy => "policy",
            Role::Quarantine => "quarantine",
            Role::Helpdesk => "helpdesk",
            Role::Auditor => "auditor",
        }
    }

    /// The role of that name.
    pub fn named(name: &str) -> Option<Role> {
        ROLES.iter().copied().find(|role| role.name() == name)
    }
}
