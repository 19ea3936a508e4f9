//! What the sessions of one listener go by. Made anew at every reload: running sessions keep
//! theirs, new ones get the new ones.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::{
    Config, Door, Limits, Listen, ListenTls, ProtectedDomain, RecipientCheck, Subaddress,
};
use crate::mail::{Address, Domain, Role};
use crate::smtp::server::{StartTls, Terms};

/// The mailboxes of a protected domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mailboxes {
    /// Every local part is taken.
    Any,
    /// These, in the form of [`Address::key`].
    Listed(Listed),
    /// Those that the gatekeeper knows.
    Asked,
}

/// Mailboxes by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    keys: Arc<HashSet<String>>,
    subaddress: Option<Subaddress>,
}

impl Listed {
    /// Whether an address, or the mailbox that it is a tag of, is listed.
    pub(super) fn has(&self, address: &Address) -> bool {
        let mailbox = || self.subaddress?.without_tag(address);
        self.keys.contains(&address.key())
            || mailbox().is_some_and(|mailbox| self.keys.contains(&mailbox.key()))
    }
}

/// Everything about a listener that a session asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub(super) terms: Arc<Terms>,
    pub(super) role: Role,
    pub(super) networks: Vec<IpNet>,
    pub(super) proxy_networks: Vec<IpNet>,
    pub(super) tls: ListenTls,
    pub(super) limits: Limits,
    pub(super) door: Door,
    pub(super) hostname: Domain,
    pub(super) postmaster: Address,
    pub(super) domains: HashMap<Domain, Mailboxes>,
    pub(super) spill_dir: Arc<Path>,
}

impl Settings {
    /// The settings of one listener. Content that is too large for memory goes to files
    /// without names in the data directory.
    pub fn new(config: &Config, listen: &Listen) -> Settings {
        let limits = &config.limits;
        let starttls = match listen.tls {
            ListenTls::StartTls => StartTls::Offered,
            ListenTls::Implicit | ListenTls::None => StartTls::NotOffered,
        };
        let terms = Terms {
            hostname: config.system.hostname.clone(),
            role: listen.role,
            starttls,
            message_octets: limits.message_octets,
            recipients: limits.recipients,
            mails: limits.mails_per_connection,
            command_octets: limits.command_octets,
            text_line_octets: limits.text_line_octets,
            errors: limits.errors,
            idle_commands: limits.idle_commands,
            hops: limits.hops,
        };
        let mailboxes = |domain: &ProtectedDomain| (domain.name.clone(), mailboxes(domain));
        Settings {
            terms: Arc::new(terms),
            role: listen.role,
            networks: listen.networks.clone(),
            proxy_networks: listen.proxy_networks.clone(),
            tls: listen.tls,
            limits: limits.clone(),
            door: config.door.clone(),
            hostname: config.system.hostname.clone(),
            postmaster: config.system.postmaster.clone(),
            domains: config.domain.iter().map(mailboxes).collect(),
            spill_dir: Arc::from(config.system.data_dir.as_path()),
        }
    }

    /// Whether the listener serves this client at all.
    pub(super) fn serves(&self, client: IpAddr) -> bool {
        match self.role {
            // Never without its networks, whatever the configuration let pass.
            Role::Outbound => holds(&self.networks, client),
            Role::Inbound | Role::Submission => {
                self.networks.is_empty() || holds(&self.networks, client)
            }
        }
    }
}

pub(super) fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

fn mailboxes(domain: &ProtectedDomain) -> Mailboxes {
    match domain.recipients {
        RecipientCheck::List => Mailboxes::Listed(Listed {
            keys: Arc::clone(&domain.listed),
            subaddress: domain.subaddress,
        }),
        RecipientCheck::Any => Mailboxes::Any,
        RecipientCheck::Ldap | RecipientCheck::Callout => Mailboxes::Asked,
    }
}
