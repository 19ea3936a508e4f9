//! `[reputation]`: lists in DNS of clients and of hosts in links (RFC 5782).
//!
//! No list is asked unless it is named here: a question tells the list's operator who writes
//! to whom, and most operators want an account.
//!
//! ```toml
//! [[reputation.list]]
//! zone = "blocked.example.net"
//! kind = "client"
//! weights = { "127.0.0.2" = 4.0, "127.0.0.4/30" = 3.0, "127.0.0.0/8" = 1.0 }
//!
//! [[reputation.list]]
//! zone = "hosts.example.net"
//! kind = "host"
//! weights = { "127.0.0.0/24 & 2" = 3.0, "127.0.0.0/24 & 64" = 1.5 }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde::Deserialize;

use crate::mail::Domain;

/// `[reputation]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reputation {
    /// The lists that are asked; none unless given.
    pub list: Vec<DnsList>,
    /// Clients whose mail no list is asked about; absent: `limits.exempt`.
    pub exempt: Option<Vec<IpNet>>,
    /// Private, loopback and other addresses that nobody can list are asked about too; false
    /// unless given.
    pub ask_private: bool,
    /// Domains that are never asked about, with all below them, beside the protected ones.
    pub ignore: Vec<Domain>,
    /// Domains and addresses of links that are asked about in one message; 12 unless given.
    pub hosts_per_message: usize,
    /// For all lists together, in milliseconds; 4000 unless given.
    pub timeout_ms: u64,
    /// Between two checks of a list's test points, in seconds; 300 unless given.
    pub check_every_s: u64,
    /// Time-outs and server failures in a row after which a list is left alone; 5 unless given.
    pub failures: u32,
    /// How long it is left alone at first, in seconds; 30 unless given. Each failing trial
    /// doubles it.
    pub pause_first_s: u64,
    /// How long at most, in seconds; 3600 unless given.
    pub pause_max_s: u64,
}

impl Default for Reputation {
    fn default() -> Reputation {
        Reputation {
            list: Vec::new(),
            exempt: None,
            ask_private: false,
            ignore: Vec::new(),
            hosts_per_message: 12,
            timeout_ms: 4_000,
            check_every_s: 300,
            failures: 5,
            pause_first_s: 30,
            pause_max_s: 3_600,
        }
    }
}

impl Reputation {
    /// For all lists together.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// `[[reputation.list]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsList {
    /// Below which name it is asked.
    pub zone: Domain,
    /// What it lists.
    pub kind: ListKind,
    /// The customer's label, asked as `….KEY.ZONE`; never shown in findings or events.
    pub key: Option<Domain>,
    /// What its return codes are worth in points; `127.0.0.0/8` for one point unless given.
    #[serde(default = "one_point")]
    pub weights: BTreeMap<CodePattern, f32>,
    /// Return codes that mean trouble and not a listing, beside 127.255.255.0/24.
    #[serde(default)]
    pub errors: Vec<Ipv4Addr>,
    /// For one question, in milliseconds; 1500 unless given.
    #[serde(default = "question_ms")]
    pub timeout_ms: u64,
    /// Of a list of hosts: addresses in links are asked about too; false unless given.
    #[serde(default)]
    pub addresses: bool,
    /// Of lists of hosts and senders: whole names are asked about beside organisational
    /// domains; false unless given.
    #[serde(default)]
    pub whole_names: bool,
    /// The list has test points (RFC 5782 section 5); true unless given.
    #[serde(default = "yes")]
    pub test_points: bool,
    /// The name that must be listed, without the zone, when it is not that of RFC 5782.
    pub test_listed: Option<Domain>,
    /// The name that must not be listed, likewise.
    pub test_unlisted: Option<Domain>,
}

fn one_point() -> BTreeMap<CodePattern, f32> {
    BTreeMap::from([(CodePattern { network: ALL_CODES, mask: None }, 1.0)])
}

fn question_ms() -> u64 {
    1_500
}

fn yes() -> bool {
    true
}

impl DnsList {
    /// For one question.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// `kind = "client" | "client-allow" | "host" | "host-address" | "sender"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// Addresses of clients that send what nobody wants (DNSBL).
    Client,
    /// Addresses of clients that are known to be good (DNSWL).
    ClientAllow,
    /// Domains, and where `addresses` says so addresses, in links (URIBL).
    Host,
    /// A list of addresses that is asked for the addresses of hosts in links.
    HostAddress,
    /// Domains of the reverse-path, the HELO and the author (RHSBL).
    Sender,
}

impl ListKind {
    /// Whether the list holds addresses, not names.
    pub fn is_of_addresses(self) -> bool {
        matches!(self, ListKind::Client | ListKind::ClientAllow | ListKind::HostAddress)
    }
}

/// RFC 5782 section 2.1: codes lie in 127.0.0.0/8.
const ALL_CODES: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);

/// Return codes of one meaning: `127.0.0.2`, `127.0.0.4/30`, or with a bit mask over the last
/// octet `127.0.0.0/24 & 2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct CodePattern {
    /// Which codes.
    pub network: Ipv4Net,
    /// Bits of the last octet of which one must be set.
    pub mask: Option<u8>,
}

/// The text is no pattern of return codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no return code: write 127.0.0.2, 127.0.0.4/30 or, for bits, 127.0.0.0/24 & 2; all \
     within 127.0.0.0/8"
)]
pub struct BadCodePattern(String);

impl CodePattern {
    /// Whether the code is one of these.
    pub fn covers(&self, code: Ipv4Addr) -> bool {
        let [.., last] = code.octets();
        self.network.contains(&code) && self.mask.is_none_or(|mask| last & mask != 0)
    }
}

impl FromStr for CodePattern {
    type Err = BadCodePattern;

    fn from_str(text: &str) -> Result<CodePattern, BadCodePattern> {
        let bad = || BadCodePattern(text.to_owned());
        let (codes, mask) = match text.split_once('&') {
            Some((codes, mask)) => (codes, Some(mask.trim().parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let codes = codes.trim();
        let network = match codes.contains('/') {
            true => codes.parse::<Ipv4Net>().map_err(|_| bad())?.trunc(),
            false => Ipv4Net::from(codes.parse::<Ipv4Addr>().map_err(|_| bad())?),
        };
        match ALL_CODES.contains(&network) && mask != Some(0) {
            true => Ok(CodePattern { network, mask }),
            false => Err(bad()),
        }
    }
}

impl TryFrom<String> for CodePattern {
    type Error = BadCodePattern;

    fn try_from(text: String) -> Result<CodePattern, BadCodePattern> {
        text.parse()
    }
}

impl fmt::Display for CodePattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network.prefix_len(), self.mask) {
            (32, None) => write!(out, "{}", self.network.addr()),
            (_, None) => write!(out, "{}", self.network),
            (_, Some(mask)) => write!(out, "{} & {mask}", self.network),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_matched() {
        let table = [
            ("127.0.0.2", "127.0.0.2", "127.0.0.3"),
            ("127.0.0.4/30", "127.0.0.7", "127.0.0.8"),
            ("127.0.0.5/30", "127.0.0.4", "127.0.0.8"),
            ("127.0.0.0/24 & 2", "127.0.0.6", "127.0.0.5"),
            ("127.0.0.0/24&66", "127.0.0.64", "127.0.1.2"),
            ("127.0.0.0/8", "127.9.9.9", "128.0.0.1"),
        ];
        for (text, inside, outside) in table {
            let pattern: CodePattern = text.parse().unwrap();
            assert!(pattern.covers(inside.parse().unwrap()), "{text}");
            assert!(!pattern.covers(outside.parse().unwrap()), "{text}");
            assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        for text in [
            "",
            "2",
            "127.0.0.256",
            "128.0.0.1",
            "0.0.0.0/0",
            "127.0.0.0/24 & 0",
            "127.0.0.0/24 & 256",
            "127.0.0.2 &",
            "::1",
        ] {
            assert!(text.parse::<CodePattern>().is_err(), "{text}");
        }
    }
}
