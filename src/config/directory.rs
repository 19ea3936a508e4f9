//! `[[directory]]`: an LDAP directory (RFC 4510) that knows mailboxes, aliases, groups and
//! passwords.
//!
//! ```toml
//! [[directory]]
//! name = "staff"
//! kind = "active_directory"
//! servers = ["ldaps://dc1.example.org", "ldaps://dc2.example.org"]
//! bind_dn = "cn=postern,ou=services,dc=example,dc=org"
//! bind_password_file = "staff.password"
//! base = "dc=example,dc=org"
//! ```
//!
//! In: the section. Out: [`Directory`], whose filters are well formed. What goes over the wire
//! in clear is refused unless it stays on this machine or is asked for by name.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::filter::Filter;
use super::{Config, SmtpHost};

/// `[[directory]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// As `[[domain]]`, `[[group]]` and `[submission]` name it.
    pub name: String,
    /// What attributes and filters are unless given.
    #[serde(default)]
    pub kind: DirectoryKind,
    /// Tried in this order.
    pub servers: Vec<LdapServer>,
    /// How `ldap://` servers are spoken to; `starttls` unless given.
    pub tls: Option<DirectoryTls>,
    /// Passwords and answers may cross the network in clear.
    #[serde(default)]
    pub allow_clear: bool,
    /// PEM file with the authorities that the servers' certificates come from; absent: those
    /// of the system.
    pub ca: Option<PathBuf>,
    /// As whom the box binds; absent: as nobody.
    pub bind_dn: Option<String>,
    /// Holds the password for it, on one line.
    pub bind_password_file: Option<PathBuf>,
    /// Below which entry everything is searched.
    pub base: String,
    /// The same for groups; absent: `base`.
    pub group_base: Option<String>,
    /// Finds the entry of an address.
    pub recipient_filter: Option<Filter>,
    /// Finds every entry with an address.
    pub sync_filter: Option<Filter>,
    /// Finds the entry of a name that logs in.
    pub login_filter: Option<Filter>,
    /// Finds the groups that an entry is a direct member of.
    pub group_filter: Option<Filter>,
    /// Finds entries that only point to other addresses.
    pub alias_filter: Option<Filter>,
    /// Of such an entry: where it points.
    #[serde(default = "alias_attribute")]
    pub alias_attribute: String,
    /// Attributes with addresses; the first that has one names the mailbox itself.
    pub address_attributes: Option<Vec<String>>,
    /// How groups are found; by kind unless given.
    pub groups: Option<GroupSource>,
    /// Groups within groups are followed so deep; 0: not at all.
    #[serde(default = "nested_depth")]
    pub nested_depth: u8,
    /// Entries in one page of a long answer (RFC 2696).
    #[serde(default = "page_entries")]
    pub page_entries: u16,
    /// To connect, TLS included.
    #[serde(default = "connect_timeout_s")]
    pub connect_timeout_s: u64,
    /// For one question, whatever is tried meanwhile.
    #[serde(default = "timeout_s")]
    pub timeout_s: u64,
    /// For a whole list of addresses.
    #[serde(default = "sync_timeout_s")]
    pub sync_timeout_s: u64,
    /// Questions at once.
    #[serde(default = "questions")]
    pub questions: usize,
    /// How long an answer is used without asking again.
    #[serde(default = "fresh_s")]
    pub fresh_s: u64,
    /// The same for "there is no such address".
    #[serde(default = "negative_s")]
    pub negative_s: u64,
    /// How long answers are used while the directory is down.
    #[serde(default = "stale_h")]
    pub stale_h: u64,
    /// Answers kept.
    #[serde(default = "cache_entries")]
    pub cache_entries: usize,
    /// How often all addresses are fetched; 0: never.
    #[serde(default = "sync_minutes")]
    pub sync_minutes: u64,
    /// When more of the known addresses than this are missing, the directory is not believed.
    #[serde(default = "shrink_percent")]
    pub shrink_percent: u8,
    /// What a recipient is told that neither directory nor cache can say anything of.
    #[serde(default)]
    pub on_failure: OnUnverified,
}

fn alias_attribute() -> String {
    "rfc822MailMember".into()
}

fn nested_depth() -> u8 {
    10
}

fn page_entries() -> u16 {
    500
}

fn connect_timeout_s() -> u64 {
    5
}

fn timeout_s() -> u64 {
    10
}

fn sync_timeout_s() -> u64 {
    300
}

fn questions() -> usize {
    32
}

fn fresh_s() -> u64 {
    300
}

fn negative_s() -> u64 {
    60
}

fn stale_h() -> u64 {
    72
}

fn cache_entries() -> usize {
    200_000
}

fn sync_minutes() -> u64 {
    60
}

fn shrink_percent() -> u8 {
    25
}

/// `kind = "active_directory" | "ldap"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryKind {
    /// Of Microsoft, or Samba's.
    ActiveDirectory,
    /// Any other.
    #[default]
    Ldap,
}

/// `tls = "ldaps" | "starttls" | "none"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectoryTls {
    /// From the first octet: every server is `ldaps://`.
    Ldaps,
    /// RFC 4511 section 4.14.
    StartTls,
    /// In clear.
    None,
}

/// `groups = "search" | "member_of" | "none"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupSource {
    /// Groups are searched by their members; nested ones of Active Directory in one question.
    Search,
    /// Entries say what they are members of, in `memberOf`.
    MemberOf,
    /// Nobody asks.
    None,
}

/// `on_failure = "accept" | "defer" | "refuse"`: what is done with a recipient that cannot be
/// verified for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnverified {
    /// Taken.
    Accept,
    /// 451, come again.
    #[default]
    Defer,
    /// 550.
    Refuse,
}

impl Directory {
    /// The entry of an address, when the site does not say how to find it.
    pub fn recipient_filter(&self) -> Filter {
        self.recipient_filter.clone().unwrap_or_else(|| {
            Filter::shipped(match self.kind {
                DirectoryKind::ActiveDirectory => {
                    "(|(mail={address})(proxyAddresses=smtp:{address}))"
                }
                DirectoryKind::Ldap => "(|(mail={address})(mailAlternateAddress={address}))",
            })
        })
    }

    /// Every entry with an address: what the filter for recipients finds, whoever is asked for.
    pub fn sync_filter(&self) -> Filter {
        let own = || self.recipient_filter().for_anything();
        self.sync_filter.clone().unwrap_or_else(own)
    }

    /// The entry of a name that logs in.
    pub fn login_filter(&self) -> Filter {
        self.login_filter.clone().unwrap_or_else(|| {
            Filter::shipped(match self.kind {
                DirectoryKind::ActiveDirectory => {
                    "(&(objectCategory=person)(objectClass=user)\
                     (|(sAMAccountName={name})(userPrincipalName={name})(mail={name})))"
                }
                DirectoryKind::Ldap => "(|(uid={name})(mail={name}))",
            })
        })
    }

    /// The groups of an entry: direct ones, or with Active Directory's rule for chains all.
    pub fn group_filter(&self) -> Filter {
        self.group_filter.clone().unwrap_or_else(|| {
            Filter::shipped(match (self.kind, self.nested_depth) {
                // [MS-ADTS] section 3.1.1.3.4.4.3: LDAP_MATCHING_RULE_TRANSITIVE_EVAL.
                (DirectoryKind::ActiveDirectory, 1..) => "(member:1.2.840.113556.1.4.1941:={dn})",
                (DirectoryKind::ActiveDirectory, 0) => "(member={dn})",
                (DirectoryKind::Ldap, _) => "(|(member={dn})(uniqueMember={dn})(memberUid={uid}))",
            })
        })
    }

    /// Whether one question for groups gives nested ones as well.
    pub fn follows_chains(&self) -> bool {
        self.group_filter().text().contains(":1.2.840.113556.1.4.1941:")
    }

    /// Attributes with addresses.
    pub fn address_attributes(&self) -> Vec<String> {
        let shipped: &[&str] = match self.kind {
            DirectoryKind::ActiveDirectory => &["mail", "proxyAddresses"],
            DirectoryKind::Ldap => &["mail", "mailAlternateAddress"],
        };
        let shipped = || shipped.iter().map(ToString::to_string).collect();
        self.address_attributes.clone().unwrap_or_else(shipped)
    }

    /// How groups are found.
    pub fn groups(&self) -> GroupSource {
        self.groups.unwrap_or(GroupSource::Search)
    }

    /// Below which groups are searched.
    pub fn group_base(&self) -> &str {
        self.group_base.as_deref().unwrap_or(&self.base)
    }

    /// How a server is spoken to.
    pub fn security_of(&self, server: &LdapServer) -> DirectoryTls {
        match (server.is_ldaps, self.tls) {
            (true, _) => DirectoryTls::Ldaps,
            (false, Some(DirectoryTls::None)) => DirectoryTls::None,
            (false, _) => DirectoryTls::StartTls,
        }
    }

    /// For one question.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    fn complaint(&self) -> Option<(String, String)> {
        let name = &self.name;
        let said =
            |near: &str, what: String| Some((near.to_owned(), format!("directory {name}: {what}")));
        if name.is_empty()
            || !name.chars().all(|one| one.is_ascii_alphanumeric() || "-_.".contains(one))
        {
            return said(name, "a name is made of letters, digits, `-`, `_` and `.`".into());
        }
        if self.servers.is_empty() {
            return said(name, "no `servers`".into());
        }
        for server in &self.servers {
            let url = server.to_string();
            if self.tls == Some(DirectoryTls::Ldaps) && !server.is_ldaps {
                return said(&url, format!("{url} is not ldaps, and `tls` says it is"));
            }
            let is_clear = self.security_of(server) == DirectoryTls::None;
            if is_clear && !self.allow_clear && !server.is_loopback() {
                let what = format!(
                    "{url} in clear shows passwords to the network; \
                                    `allow_clear = true` allows it"
                );
                return said(&url, what);
            }
        }
        if self.bind_dn.is_some() != self.bind_password_file.is_some() {
            return said("bind_", "`bind_dn` and `bind_password_file` go together".into());
        }
        if self.base.trim().is_empty() {
            return said("base", "`base` is empty".into());
        }
        let empty = self.address_attributes.as_ref().is_some_and(|given| {
            given.is_empty()
                || given.iter().any(|one| one.is_empty() || one.contains(['(', ')', '*']))
        });
        if empty {
            return said("address_attributes", "`address_attributes` names no attribute".into());
        }
        self.out_of_bounds().or_else(|| self.wrong_placeholder())
    }

    fn out_of_bounds(&self) -> Option<(String, String)> {
        let bounds: [(&str, u64, u64, u64); 12] = [
            ("nested_depth", u64::from(self.nested_depth), 0, 32),
            ("page_entries", u64::from(self.page_entries), 1, 10_000),
            ("connect_timeout_s", self.connect_timeout_s, 1, 60),
            ("timeout_s", self.timeout_s, 1, 120),
            ("sync_timeout_s", self.sync_timeout_s, 1, 3_600),
            ("questions", self.questions as u64, 1, 1_000),
            ("fresh_s", self.fresh_s, 0, 86_400),
            ("negative_s", self.negative_s, 0, 86_400),
            ("stale_h", self.stale_h, 0, 8_760),
            ("cache_entries", self.cache_entries as u64, 100, 5_000_000),
            ("sync_minutes", self.sync_minutes, 0, 10_080),
            ("shrink_percent", u64::from(self.shrink_percent), 0, 100),
        ];
        let off = bounds.iter().find(|(_, given, least, most)| given < least || given > most)?;
        let (name, _, least, most) = off;
        let what = format!("directory {}: `{name}` goes from {least} to {most}", self.name);
        Some(((*name).to_owned(), what))
    }

    fn wrong_placeholder(&self) -> Option<(String, String)> {
        let given: [(&str, &Option<Filter>, &[&str]); 5] = [
            ("recipient_filter", &self.recipient_filter, &["address", "local", "domain"]),
            ("sync_filter", &self.sync_filter, &[]),
            ("login_filter", &self.login_filter, &["name"]),
            ("group_filter", &self.group_filter, &["dn", "uid", "address"]),
            ("alias_filter", &self.alias_filter, &["address", "local", "domain"]),
        ];
        for (name, filter, known) in given {
            let Some(filter) = filter else { continue };
            let names = filter.placeholders();
            if let Some(odd) = names.iter().find(|one| !known.contains(&one.as_str())) {
                let what = format!("directory {}: `{name}` does not know {{{odd}}}", self.name);
                return Some((name.to_owned(), what));
            }
            if names.is_empty() && !known.is_empty() {
                let what = format!(
                    "directory {}: `{name}` asks the same whoever is looked for; write {{{}}}",
                    self.name,
                    known.first().copied().unwrap_or_default()
                );
                return Some((name.to_owned(), what));
            }
        }
        None
    }
}

/// What contradicts something in the sections about directories.
pub(super) fn complaint(config: &Config) -> Option<(String, String)> {
    for (at, directory) in config.directory.iter().enumerate() {
        let twice = config.directory.iter().take(at).any(|other| other.name == directory.name);
        if twice {
            let what = format!("directory {} is given twice", directory.name);
            return Some((directory.name.clone(), what));
        }
        if let Some(complaint) = directory.complaint() {
            return Some(complaint);
        }
    }
    let of_groups = config.group.iter().filter_map(|group| group.directory.as_ref());
    let of_domains = config.domain.iter().filter_map(|domain| domain.directory.as_ref());
    let mut named = of_groups.chain(of_domains).chain(&config.submission.directory);
    let missing = named.find(|name| !config.directory.iter().any(|one| one.name == **name))?;
    Some((missing.clone(), format!("there is no [[directory]] {missing:?}")))
}

/// `[submission]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Submission {
    /// The directory that knows passwords beside the box's own accounts.
    pub directory: Option<String>,
}

/// `[callout]`: next hops that are asked whether they know a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Callout {
    /// How long a yes is used without asking again.
    pub positive_s: u64,
    /// The same for a no.
    pub negative_s: u64,
    /// The same for neither.
    pub unclear_s: u64,
    /// How long a yes is used while the next hop does not say.
    pub stale_h: u64,
    /// How long a next hop that takes any recipient is not asked again.
    pub catch_all_s: u64,
    /// For one question, connecting included.
    pub timeout_s: u64,
    /// Questions at once to one domain's next hops.
    pub connections: usize,
    /// Answers kept.
    pub cache_entries: usize,
    /// What a recipient is told when the next hop does not say: down, slow or greylisting.
    pub on_unclear: OnUnverified,
}

impl Default for Callout {
    fn default() -> Callout {
        Callout {
            positive_s: 86_400,
            negative_s: 900,
            unclear_s: 60,
            stale_h: 168,
            catch_all_s: 21_600,
            timeout_s: 30,
            connections: 4,
            cache_entries: 200_000,
            on_unclear: OnUnverified::Defer,
        }
    }
}

impl Callout {
    /// What is out of bounds.
    pub(super) fn complaint(&self) -> Option<(String, String)> {
        const WEEK_S: u64 = 604_800;
        let bounds: [(&str, u64, u64, u64); 8] = [
            ("positive_s", self.positive_s, 0, WEEK_S),
            ("negative_s", self.negative_s, 0, WEEK_S),
            ("unclear_s", self.unclear_s, 0, 3_600),
            ("stale_h", self.stale_h, 0, 8_760),
            ("catch_all_s", self.catch_all_s, 1, WEEK_S),
            ("timeout_s", self.timeout_s, 1, 120),
            ("connections", self.connections as u64, 1, 100),
            ("cache_entries", self.cache_entries as u64, 100, 5_000_000),
        ];
        let off = bounds.iter().find(|(_, given, least, most)| given < least || given > most)?;
        let (name, _, least, most) = off;
        Some(((*name).to_owned(), format!("`{name}` of [callout] goes from {least} to {most}")))
    }
}

/// `ldap://host[:port]` or `ldaps://host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LdapServer {
    /// TLS from the first octet.
    pub is_ldaps: bool,
    /// Which host.
    pub host: SmtpHost,
    /// 389 or 636 unless given.
    pub port: u16,
}

/// The text names no server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no LDAP server: write ldaps://host[:port] or ldap://host[:port]")]
pub struct BadLdapServer(String);

impl LdapServer {
    /// Whether nothing leaves this machine.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            SmtpHost::Ip(address) => address.to_canonical().is_loopback(),
            SmtpHost::Name(name) => name.as_str() == "localhost",
        }
    }
}

impl FromStr for LdapServer {
    type Err = BadLdapServer;

    fn from_str(text: &str) -> Result<LdapServer, BadLdapServer> {
        let bad = || BadLdapServer(text.to_owned());
        let (scheme, place) = text.split_once("://").ok_or_else(bad)?;
        let (is_ldaps, port) = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => (false, 389),
            "ldaps" => (true, 636),
            _ => return Err(bad()),
        };
        let (host, port) = super::next_hop::parse_place(place, port).ok_or_else(bad)?;
        Ok(LdapServer { is_ldaps, host, port })
    }
}

impl TryFrom<String> for LdapServer {
    type Error = BadLdapServer;

    fn try_from(text: String) -> Result<LdapServer, BadLdapServer> {
        text.parse()
    }
}

impl fmt::Display for LdapServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_ldaps { "ldaps" } else { "ldap" };
        write!(out, "{scheme}://{}:{}", self.host, self.port)
    }
}
