//! Configuration: TOML text → typed, cross-checked [`Config`]. What cannot be said is an error
//! with line, column and the nearest known name; the running box keeps what it has.
//!
//! In: a file. Out: [`Config`], immutable; a reload makes a new one. Relative paths are meant
//! from the folder of the file. Every section is optional but `system`.

mod antivirus;
mod attachments;
mod authentication;
mod bulk;
mod check;
mod directory;
mod dmarc_reports;
mod door;
pub mod edit;
mod error;
pub mod file;
mod filter;
mod group;
mod history;
mod impersonation;
pub mod keys;
mod learning;
mod limits;
mod listed;
mod lists;
mod next_hop;
mod orders;
mod reputation;
mod restart;
mod sections;
mod versions;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use antivirus::{
    Antivirus, ClamdAddress, CommandEngine, IcapEngine, IcapUrl, OnFailure, Outbreak, Rescan,
    RiskyType, SecondEngine,
};
pub use attachments::{AttachmentOrder, AttachmentRule, Attachments, FileState, UnpackLimits};
pub use authentication::{Authentication, DmarcConsequences, DmarcOverride, OnTemperror};
pub use bulk::{BadFeedKey, Bulk, BulkFeed, FeedKey};
pub use directory::{
    BadLdapServer, Callout, Directory, DirectoryKind, DirectoryTls, GroupSource, LdapServer,
    OnUnverified, Submission,
};
pub use dmarc_reports::{DmarcReports, KeepReportMail, ReportReversePath};
pub use door::{Door, EarlyTalker, InboundRates, OutboundRates, SubmissionRates};
pub use error::{ConfigError, NOT_UTF8, Place};
pub use filter::{BadFilter, Filter};
pub use group::{BadParty, Group, Party};
pub use history::{Greylist, GreylistMode, History};
pub use impersonation::{BrandText, Impersonation, Person};
pub use learning::{Learning, Shadow};
pub use limits::Limits;
pub use listed::smtp_address;
pub use lists::{BadSenderEntry, DomainLists, Lists, SenderEntry, UserLists};
pub use next_hop::{NextHop, NextHopError, SmtpHost};
pub use orders::{Archive, Orders, RateLimited};
pub use reputation::{BadCodePattern, CodePattern, DnsList, ListKind, Reputation};
pub use sections::{
    Admin, Consequence, ConsequenceOf, ContentRules, DeadlinePolicy, Delivery, DeliveryTls, Dns,
    DomainPolicy, Journal, Listen, ListenTls, Policy, PolicyTerms, Portal, ProtectedDomain,
    Quarantine, RecipientCheck, SpoolSettings, Subaddress, System, Telemetry, TelemetryTarget, Tls,
};
pub use versions::{Version, VersionError, Versions};

/// Everything the box is told. Field names are the names in the file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who the box is.
    pub system: System,
    /// Where it takes mail.
    #[serde(default)]
    pub listen: Vec<Listen>,
    /// Whose mail it protects.
    #[serde(default)]
    pub domain: Vec<ProtectedDomain>,
    /// Its certificate.
    #[serde(default)]
    pub tls: Tls,
    /// Whom it asks for names.
    #[serde(default)]
    pub dns: Dns,
    /// How mail goes out.
    #[serde(default)]
    pub delivery: Delivery,
    /// How much is too much.
    #[serde(default)]
    pub limits: Limits,
    /// The virus scanner; absent means none.
    pub antivirus: Option<Antivirus>,
    /// Content patterns.
    #[serde(default)]
    pub content: ContentRules,
    /// How senders are authenticated.
    #[serde(default)]
    pub authentication: Authentication,
    /// Lists in DNS.
    #[serde(default)]
    pub reputation: Reputation,
    /// What is remembered of senders.
    #[serde(default)]
    pub history: History,
    /// Trusted and blocked senders.
    #[serde(default)]
    pub lists: Lists,
    /// Whom attackers pretend to be.
    #[serde(default)]
    pub impersonation: Impersonation,
    /// What clients may do before they bring mail.
    #[serde(default)]
    pub door: Door,
    /// How the classifier learns.
    #[serde(default)]
    pub learning: Learning,
    /// Names for sets of own people.
    #[serde(default)]
    pub group: Vec<Group>,
    /// Directories that know mailboxes, groups and passwords.
    #[serde(default)]
    pub directory: Vec<Directory>,
    /// Next hops that are asked for recipients.
    #[serde(default)]
    pub callout: Callout,
    /// Who may submit, beside the box's own accounts.
    #[serde(default)]
    pub submission: Submission,
    /// Files that messages carry.
    #[serde(default)]
    pub attachments: Attachments,
    /// Digests of what was seen before.
    #[serde(default)]
    pub bulk: Bulk,
    /// What becomes of what was found.
    #[serde(default)]
    pub policy: Policy,
    /// The durable log of mail in transit.
    #[serde(default)]
    pub spool: SpoolSettings,
    /// The record of what happened.
    #[serde(default)]
    pub journal: Journal,
    /// What is kept from its recipients.
    #[serde(default)]
    pub quarantine: Quarantine,
    /// How orders of the policy are carried out.
    #[serde(default)]
    pub orders: Orders,
    /// How long the archive keeps what.
    #[serde(default)]
    pub archive: Archive,
    /// Where events go.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// The administrator's address.
    pub admin: Option<Admin>,
    /// The site for outside recipients.
    pub portal: Option<Portal>,
}

impl Config {
    /// The limits for clients. Own relays are exempt like the networks of `limits.exempt`:
    /// what is wrong with the mail they bring is not their doing.
    pub fn limits_of_clients(&self) -> Limits {
        let mut limits = self.limits.clone();
        limits.exempt.extend(&self.authentication.trusted_relays);
        limits
    }

    /// Reads and checks a file.
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { file: file.to_owned(), error };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let full = file.canonicalize().map_err(unreadable)?;
        let folder = full.parent().unwrap_or(Path::new("/"));
        Config::parse(&text, file, folder)
    }

    /// Checks a text; `file` names it in errors, relative paths are meant from `folder`.
    pub fn parse(text: &str, file: &Path, folder: &Path) -> Result<Config, ConfigError> {
        let mut config: Config =
            toml::from_str(text).map_err(|error| error::from_toml(&error, text, file))?;
        config.resolve_paths(folder);
        check::check(&config).map_err(|wrong| error::from_check(wrong, text, file))?;
        listed::read(&mut config)?;
        Ok(config)
    }

    /// The protected domain that an address belongs to.
    pub fn protected(&self, domain: &crate::mail::Domain) -> Option<&ProtectedDomain> {
        self.domain.iter().find(|protected| protected.name == *domain)
    }

    /// The directory that knows the mailboxes of a domain.
    pub fn directory_of(&self, domain: &ProtectedDomain) -> Option<&Directory> {
        match &domain.directory {
            Some(name) => self.directory.iter().find(|one| one.name == *name),
            None => self.directory.first().filter(|_| self.directory.len() == 1),
        }
    }

    fn resolve_paths(&mut self, folder: &Path) {
        let resolve = |path: &mut PathBuf| *path = folder.join(&*path);
        resolve(&mut self.system.data_dir);
        self.tls.certificate.iter_mut().for_each(resolve);
        self.tls.key.iter_mut().for_each(resolve);
        self.content.dirs.iter_mut().for_each(resolve);
        self.policy.file.iter_mut().for_each(resolve);
        if let Some(shadow) = &mut self.learning.shadow {
            let files = shadow.model.iter_mut().chain(&mut shadow.weights);
            files.chain(&mut shadow.rules).for_each(resolve);
        }
        let of_antivirus = self.antivirus.iter_mut();
        of_antivirus.flat_map(|antivirus| &mut antivirus.digests).for_each(resolve);
        self.bulk.feed.iter_mut().filter_map(|feed| feed.file.as_mut()).for_each(resolve);
        self.group.iter_mut().filter_map(|group| group.file.as_mut()).for_each(resolve);
        self.domain.iter_mut().filter_map(|own| own.addresses_file.as_mut()).for_each(resolve);
        for directory in &mut self.directory {
            directory.ca.iter_mut().chain(&mut directory.bind_password_file).for_each(resolve);
        }
        let of_domains = self.domain.iter_mut().flat_map(|domain| &mut domain.next_hop);
        for hop in of_domains.chain(&mut self.delivery.smart_host) {
            hop.resolve_path(folder);
        }
    }
}

#[cfg(test)]
mod tests;
