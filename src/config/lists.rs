//! `[lists]`: trusted and blocked senders of the site, its domains and its users.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mail::{Address, Domain};

/// `[lists]`: of the site.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lists {
    /// Senders whose mail is not taken for spam.
    pub trusted: Vec<SenderEntry>,
    /// Senders whose mail is refused.
    pub blocked: Vec<SenderEntry>,
    /// Whether a trusted address or domain counts for mail that nobody vouches for; false, or
    /// who forges it has the door open.
    pub trust_unauthenticated: bool,
    /// Clients whose word about the sender is taken without proof, such as a backup MX.
    pub networks: Vec<IpNet>,
    /// `[[lists.domain]]`.
    pub domain: Vec<DomainLists>,
    /// `[[lists.user]]`.
    pub user: Vec<UserLists>,
}

/// `[[lists.domain]]`: wins over the site's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainLists {
    /// The protected domain.
    pub name: Domain,
    /// As of the site.
    #[serde(default)]
    pub trusted: Vec<SenderEntry>,
    /// As of the site.
    #[serde(default)]
    pub blocked: Vec<SenderEntry>,
}

/// `[[lists.user]]`: wins over the domain's and the site's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserLists {
    /// The recipient.
    pub address: Address,
    /// As of the site.
    #[serde(default)]
    pub trusted: Vec<SenderEntry>,
    /// As of the site.
    #[serde(default)]
    pub blocked: Vec<SenderEntry>,
}

/// Whom an entry names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SenderEntry {
    /// One address, its local part in lower case.
    Address(Address),
    /// `@domain`: every address of it.
    Domain(Domain),
    /// `@.domain`: every address of it and of its sub-domains.
    DomainTree(Domain),
    /// Clients.
    Network(IpNet),
}

/// Why a text names no sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no sender: {why}")]
pub struct BadSenderEntry {
    text: String,
    why: String,
}

impl SenderEntry {
    /// The entry that names an address and nothing else.
    pub fn of_address(address: &Address) -> Option<SenderEntry> {
        address.to_string().to_lowercase().parse().ok().map(SenderEntry::Address)
    }

    /// Why trusting it would be a slip of the pen: it names more than one organisation.
    pub fn too_wide_to_trust(&self) -> Option<String> {
        let (domain, is_tree) = match self {
            SenderEntry::Domain(domain) => (domain.as_str(), false),
            SenderEntry::DomainTree(domain) => (domain.as_str(), true),
            SenderEntry::Address(_) | SenderEntry::Network(_) => return None,
        };
        match () {
            () if !domain.contains('.') => {
                Some(format!("{self} would trust a whole top-level domain"))
            }
            // Mail from a registry's own name is one organisation's, what lies below is not.
            () if is_tree && is_open_suffix(domain) => Some(format!(
                "{self} would trust everybody who has a name below {domain}, which anybody can get"
            )),
            () => None,
        }
    }

    /// The entry for a network of this length around a client.
    pub fn of_client(client: IpAddr, prefix_len: u8) -> Option<SenderEntry> {
        IpNet::new(client, prefix_len).ok().map(|network| SenderEntry::Network(network.trunc()))
    }
}

impl FromStr for SenderEntry {
    type Err = BadSenderEntry;

    fn from_str(text: &str) -> Result<SenderEntry, BadSenderEntry> {
        let text = text.trim();
        let bad = |why: &str| BadSenderEntry { text: text.to_owned(), why: why.to_owned() };
        if text.contains('*') {
            return Err(bad("no wildcards; @domain is a domain, @.domain one with sub-domains"));
        }
        if let Some(domain) = text.strip_prefix("@.") {
            let domain = Domain::parse(domain).map_err(|error| bad(&error.to_string()))?;
            return Ok(SenderEntry::DomainTree(domain));
        }
        if let Some(domain) = text.strip_prefix('@') {
            let domain = Domain::parse(domain).map_err(|error| bad(&error.to_string()))?;
            return Ok(SenderEntry::Domain(domain));
        }
        if let Ok(client) = text.parse::<IpAddr>() {
            return Ok(SenderEntry::Network(IpNet::from(client.to_canonical())));
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return match is_too_wide(network) {
                true => Err(bad("wider than /8 (IPv4) or /16 (IPv6)")),
                false => Ok(SenderEntry::Network(network.trunc())),
            };
        }
        match text.parse::<Address>() {
            Ok(address) => SenderEntry::of_address(&address).ok_or_else(|| bad("bad address")),
            Err(_) if Domain::parse(text).is_ok() => Err(bad("a domain is written @domain")),
            Err(error) => Err(bad(&error.to_string())),
        }
    }
}

/// Registries that give names only to those of their kind, such as `nhs.uk` and `gov.au`.
const CLOSED: [&str; 11] =
    ["gov", "gob", "gouv", "govt", "mil", "mod", "nhs", "police", "ac", "edu", "parliament"];

/// Below which strangers hold names: a public suffix (publicsuffix.org), of a registry or of
/// somebody who hosts others.
fn is_open_suffix(domain: &str) -> bool {
    let is_suffix = psl::suffix_str(domain) == Some(domain);
    is_suffix && !domain.split('.').next().is_some_and(|label| CLOSED.contains(&label))
}

/// A list for half of the Internet is a slip of the pen.
fn is_too_wide(network: IpNet) -> bool {
    network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 16 }
}

impl fmt::Display for SenderEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SenderEntry::Address(address) => write!(out, "{address}"),
            SenderEntry::Domain(domain) => write!(out, "@{domain}"),
            SenderEntry::DomainTree(domain) => write!(out, "@.{domain}"),
            SenderEntry::Network(network) => write!(out, "{network}"),
        }
    }
}

impl Serialize for SenderEntry {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SenderEntry {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<SenderEntry, D::Error> {
        String::deserialize(text)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_and_written() {
        let table = [
            ("Ann@Partner.test", "ann@partner.test"),
            ("\"Ann B\"@partner.test", "\"ann b\"@partner.test"),
            ("@partner.test", "@partner.test"),
            ("@.PARTNER.test", "@.partner.test"),
            ("@b\u{fc}cher.test", "@xn--bcher-kva.test"),
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("2001:db8::1/48", "2001:db8::/48"),
        ];
        for (text, shown) in table {
            let entry: SenderEntry = text.parse().unwrap();
            assert_eq!(entry.to_string(), shown);
            assert_eq!(shown.parse(), Ok(entry));
        }
    }

    #[test]
    fn what_names_strangers_is_not_trusted() {
        let table = [
            ("@com", true),
            ("@.com", true),
            ("@.de", true),
            ("@.co.uk", true),
            ("@.github.io", true),
            ("@github.io", false),
            ("@.nhs.uk", false),
            ("@.ac.uk", false),
            ("@.example.co.uk", false),
            ("@partner.test", false),
            ("ann@partner.test", false),
            ("10.0.0.0/8", false),
        ];
        for (text, refused) in table {
            let entry: SenderEntry = text.parse().unwrap();
            assert_eq!(entry.too_wide_to_trust().is_some(), refused, "{text}");
        }
    }

    #[test]
    fn what_names_nobody_or_everybody_is_refused() {
        let table = [
            ("", ""),
            ("*", "no wildcards"),
            ("*@x.test", "no wildcards"),
            ("@*.x.test", "no wildcards"),
            ("partner.test", "written @domain"),
            ("@", "bad domain"),
            ("@.", "bad domain"),
            ("0.0.0.0/0", "wider than"),
            ("10.0.0.0/7", "wider than"),
            ("::/0", "wider than"),
            ("a b@x.test", "bad local part"),
        ];
        for (text, why) in table {
            let error = text.parse::<SenderEntry>().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
