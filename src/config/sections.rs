//! The sections of the file, one struct each. Durations carry their unit in the name.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;

use super::NextHop;
use crate::mail::{Address, Class, Domain, LocalPart, Role};

/// `[system]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// The name in banner, Received and HELO.
    pub hostname: Domain,
    /// All state lies below it.
    pub data_dir: PathBuf,
    /// Who gets mail for `<Postmaster>` and double bounces.
    pub postmaster: Address,
}

/// `[[listen]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Who may send what here.
    pub role: Role,
    /// Address and port.
    pub address: SocketAddr,
    /// The clients that are served; must be given for `outbound`, absent means all elsewhere.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// `starttls` unless given.
    #[serde(default)]
    pub tls: ListenTls,
    /// Load balancers that must begin with a PROXY protocol v2 header; others are refused.
    #[serde(default)]
    pub proxy_networks: Vec<IpNet>,
}

/// `tls = "starttls" | "implicit" | "none"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListenTls {
    /// In clear until the client asks.
    #[default]
    StartTls,
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// Never.
    None,
}

/// `[[domain]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectedDomain {
    /// The domain itself; sub-domains are named apart.
    pub name: Domain,
    /// Where its mail goes, the first that answers.
    pub next_hop: Vec<NextHop>,
    /// How a forward-path is checked.
    #[serde(default)]
    pub recipients: RecipientCheck,
    /// The addresses of `recipients = "list"`; a bare local part or a whole address.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// A file with more of them: one a line, or CSV with a column of addresses.
    pub addresses_file: Option<PathBuf>,
    /// The directory of `recipients = "ldap"`; may be left out where there is only one.
    pub directory: Option<String>,
    /// Stands between a mailbox and a tag that is the mailbox's own business (RFC 5233).
    pub subaddress: Option<Subaddress>,
    /// Other addresses of a mailbox are replaced with the one that the directory names first.
    #[serde(default)]
    pub rewrite: bool,
    /// The keys of `addresses` and of the file.
    #[serde(skip)]
    pub listed: Arc<HashSet<String>>,
}

/// `subaddress = "+"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Subaddress(char);

/// The text separates no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} separates no tag: one of + - _ = # . is expected")]
pub struct BadSubaddress(String);

impl TryFrom<String> for Subaddress {
    type Error = BadSubaddress;

    fn try_from(text: String) -> Result<Subaddress, BadSubaddress> {
        let mut letters = text.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if "+-_=#.".contains(letter) => Ok(Subaddress(letter)),
            _ => Err(BadSubaddress(text)),
        }
    }
}

impl Subaddress {
    /// The mailbox of an address with a tag; none when it has none.
    pub fn without_tag(self, address: &Address) -> Option<Address> {
        let (mailbox, _) = address.local_part().split_once(self.0)?;
        let mailbox = LocalPart::parse(mailbox).ok()?;
        Some(Address::new(mailbox, address.host().clone()))
    }
}

/// `recipients = "any" | "list" | "ldap" | "callout"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientCheck {
    /// Every local part is taken.
    #[default]
    Any,
    /// Those in `addresses`.
    List,
    /// Those that a directory knows.
    Ldap,
    /// Those that the next hop takes.
    Callout,
}

/// `[tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM chain; absent: a self-signed one is made in the data directory.
    pub certificate: Option<PathBuf>,
    /// PEM key.
    pub key: Option<PathBuf>,
}

/// `[dns]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Absent: the system's.
    pub servers: Vec<SocketAddr>,
    /// For one question to one server.
    pub timeout_s: u64,
    /// Answers kept.
    pub cache_entries: u64,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns { servers: Vec::new(), timeout_s: 5, cache_entries: 32_768 }
    }
}

/// `[delivery]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Takes all mail that leaves; absent: MX look-up.
    pub smart_host: Option<NextHop>,
    /// TLS towards next hops.
    pub tls: DeliveryTls,
    /// Port of MX hosts; other than 25 only in tests.
    pub mx_port: u16,
    /// Connections at once to one destination.
    pub connections_per_destination: u32,
    /// Connections at once in all.
    pub connections: u32,
    /// How long an idle connection is kept for the next mail.
    pub keep_alive_s: u64,
    /// Mails over one connection before it is closed.
    pub mails_per_connection: u32,
    /// To connect.
    pub connect_timeout_s: u64,
    /// For replies to commands, RFC 5321 section 4.5.3.2.
    pub command_timeout_s: u64,
    /// For the reply to end of data.
    pub data_timeout_s: u64,
    /// Before the second attempt; doubles with each further one.
    pub retry_first_s: u64,
    /// Between attempts at most.
    pub retry_max_s: u64,
    /// A delay warning is sent after this.
    pub warn_after_s: u64,
    /// Undelivered mail is returned after this.
    pub expire_after_s: u64,
    /// The same for mail with a null reverse-path.
    pub expire_null_after_s: u64,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery {
            smart_host: None,
            tls: DeliveryTls::Opportunistic,
            mx_port: 25,
            connections_per_destination: 20,
            connections: 2_000,
            keep_alive_s: 5,
            mails_per_connection: 1_000,
            connect_timeout_s: 30,
            command_timeout_s: 300,
            data_timeout_s: 600,
            retry_first_s: 300,
            retry_max_s: 14_400,
            warn_after_s: 14_400,
            expire_after_s: 432_000,
            expire_null_after_s: 86_400,
        }
    }
}

/// `delivery.tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryTls {
    /// When the next hop offers it, any certificate; in clear when TLS fails.
    #[default]
    Opportunistic,
    /// No mail without TLS.
    Required,
    /// Never.
    None,
}

/// `[content]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContentRules {
    /// Folders with the site's own rule files, beside those that the box ships.
    pub dirs: Vec<PathBuf>,
    /// Identifiers of rules that are switched off.
    pub disabled: Vec<String>,
    /// Shipped packs of policy rules that are switched on, by name: `uk-health`.
    pub packs: Vec<String>,
}

/// What to do when analysis does not finish in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadlinePolicy {
    /// `451`.
    #[default]
    Defer,
    /// Accept, scan from the spool later.
    Hold,
}

/// `[policy]`: for each role the terms, and per domain what differs from them.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// For mail from the Internet.
    pub inbound: PolicyTerms,
    /// For mail from own servers.
    pub outbound: PolicyTerms,
    /// For mail from own people.
    pub submission: PolicyTerms,
    /// What differs for a domain: the recipient's inbound, the sender's otherwise.
    pub domain: Vec<DomainPolicy>,
    /// Put `X-Postern-*` header fields on what is delivered.
    pub headers: bool,
    /// The site's own rules, a text of its own; absent: none.
    pub file: Option<PathBuf>,
}

/// `[[policy.domain]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainPolicy {
    /// Which domain.
    pub name: Domain,
    /// For which role; absent means all.
    pub role: Option<Role>,
    /// What differs.
    #[serde(default)]
    pub terms: PolicyTerms,
}

/// Thresholds and what each class leads to; what is absent falls back to the role's terms
/// and then to what the box ships.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyTerms {
    /// From this score the subject is tagged.
    pub tag: Option<f32>,
    /// From this score the mail is quarantined.
    pub quarantine: Option<f32>,
    /// From this score it is refused.
    pub reject: Option<f32>,
    /// Put before the subject when tagging.
    pub tag_subject: Option<String>,
    /// By class of finding, whatever the score.
    pub classes: ConsequenceOf,
}

/// Class of finding → what it leads to.
pub type ConsequenceOf = BTreeMap<Class, Consequence>;

/// What a class leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consequence {
    /// Nothing by itself.
    Deliver,
    /// The subject is tagged.
    Tag,
    /// Kept from the recipient.
    Quarantine,
    /// Accepted and dropped.
    Discard,
    /// Refused.
    Reject,
}

/// `[spool]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolSettings {
    /// A segment is closed when it has grown to this.
    pub segment_octets: u64,
    /// Free space below which new mail is refused with 452.
    pub reserve_octets: u64,
    /// Content of queued mail kept in memory for the first attempt.
    pub cache_octets: u64,
}

impl Default for SpoolSettings {
    fn default() -> SpoolSettings {
        SpoolSettings {
            segment_octets: 64 << 20,
            reserve_octets: 256 << 20,
            cache_octets: 128 << 20,
        }
    }
}

/// `[journal]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// Events older than this are forgotten.
    pub keep_days: u32,
    /// What rules of policy can ask of a mail is kept as well, so that a draft of rules can be
    /// tried on past mail; a kilobyte or two a mail. True unless given.
    pub inspections: bool,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal { keep_days: 90, inspections: true }
    }
}

/// `[quarantine]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quarantine {
    /// Mail kept longer is deleted.
    pub keep_days: u32,
}

impl Default for Quarantine {
    fn default() -> Quarantine {
        Quarantine { keep_days: 30 }
    }
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// `auto`: journald when started by systemd, otherwise the terminal.
    pub target: TelemetryTarget,
    /// A `tracing` filter, for example `info` or `info,postern::smtp=debug`.
    pub level: String,
}

impl Default for Telemetry {
    fn default() -> Telemetry {
        Telemetry { target: TelemetryTarget::Auto, level: "info".into() }
    }
}

/// `telemetry.target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TelemetryTarget {
    /// Decide by the environment.
    #[default]
    Auto,
    /// journald's socket.
    Journald,
    /// Standard error.
    Terminal,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where the administrator's site and API listen.
    #[serde(default = "Admin::everywhere")]
    pub address: SocketAddr,
    /// Without a request a session lasts so long.
    #[serde(default = "Admin::idle_minutes")]
    pub idle_minutes: u32,
    /// In any case a session lasts so long.
    #[serde(default = "Admin::session_hours")]
    pub session_hours: u32,
    /// Who may reach it; absent: networks that the Internet does not route. The box's packet
    /// filter sees to it.
    #[serde(default)]
    pub networks: Vec<IpNet>,
}

impl Admin {
    fn everywhere() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 8443))
    }

    fn idle_minutes() -> u32 {
        30
    }

    fn session_hours() -> u32 {
        12
    }
}

impl Default for Admin {
    fn default() -> Admin {
        Admin {
            address: Admin::everywhere(),
            idle_minutes: Admin::idle_minutes(),
            session_hours: Admin::session_hours(),
            networks: Vec::new(),
        }
    }
}

/// `[portal]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portal {
    /// Where the site for outside recipients listens.
    pub address: SocketAddr,
    /// The address that notices name.
    pub url: String,
}
