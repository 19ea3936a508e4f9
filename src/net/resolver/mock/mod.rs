//! A resolver that answers from a table, for tests without a network.
//!
//! In: text with one record a line. Out: [`MockResolver`], which answers in the process, or
//! [`MockServer`], which answers over UDP and TCP on loopback.
//!
//! ```text
//! example.test MX 10 mx.example.test
//! mx.example.test A 192.0.2.1
//! mx.example.test AAAA 2001:db8::1
//! null.test MX 0 .
//! 192.0.2.1 PTR mx.example.test
//! example.test TXT "v=spf1 mx " "-all"
//! www.example.test CNAME example.test
//! *.list.test A 127.0.0.2
//! broken.test TEMPORARY
//! half.test TEMPORARY TXT
//! slow.test TIMEOUT
//! empty.test EXISTS
//! ```
//!
//! A name without a line does not exist unless names below it do; with lines of other types
//! only, it has no records of the asked one. `TEMPORARY` makes every question about a name
//! fail for now (the server says SERVFAIL), or those of one type; to `TIMEOUT` there is never
//! an answer. Strings are quoted, `\"`, `\\` and `\DDD` (an octet, decimal) stand for what
//! cannot be written; a name with spaces is quoted too. A name that begins with `*.` stands for all names below that have no
//! lines of their own.

mod serve;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Answering, DnsTrouble, Kind, MxAnswer, Record, Resolve, mx_answer, shuffle};
use crate::mail::Domain;

pub use serve::{MockServer, serve};

/// Aliases of aliases that are followed.
const ALIASES: usize = 8;

/// A line that is not understood; the test is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not understood: {text}")]
pub struct BadLine {
    line: usize,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// `.` stands for the root.
    Mx(u16, String),
    Address(IpAddr),
    Name(String),
    Text(Vec<Vec<u8>>),
    Alias(String),
    /// For one type, or for all.
    Temporary(Option<Kind>),
    Timeout(Option<Kind>),
    Exists,
}

impl Entry {
    fn kind(&self) -> Option<Kind> {
        match self {
            Entry::Mx(..) => Some(Kind::Mx),
            Entry::Address(IpAddr::V4(_)) => Some(Kind::A),
            Entry::Address(IpAddr::V6(_)) => Some(Kind::Aaaa),
            Entry::Name(_) => Some(Kind::Ptr),
            Entry::Text(_) => Some(Kind::Txt),
            Entry::Alias(_) | Entry::Temporary(_) | Entry::Timeout(_) | Entry::Exists => None,
        }
    }
}

/// What the table says to a question.
enum Said<'t> {
    /// The aliases that were followed, and the records of the name that they lead to.
    Records {
        aliases: Vec<String>,
        entries: Vec<&'t Entry>,
    },
    /// The name, or the one that its aliases lead to, does not exist.
    Absent,
    Broken,
    Silent,
}

/// Answers from a table.
#[derive(Debug, Clone, Default)]
pub struct MockResolver {
    entries: HashMap<String, Vec<Entry>>,
    /// Names that exist because names below them do (RFC 8020).
    above: HashSet<String>,
}

impl MockResolver {
    /// Reads a table; empty lines and lines that begin with `#` are skipped.
    pub fn parse(table: &str) -> Result<MockResolver, BadLine> {
        let mut mock = MockResolver::default();
        for (at, text) in table.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let bad = || BadLine { line: at + 1, text: text.to_owned() };
            let (name, entry) = parse_line(text).ok_or_else(bad)?;
            let mut rest = name.as_str();
            while let Some((_, parent)) = rest.split_once('.') {
                mock.above.insert(parent.to_owned());
                rest = parent;
            }
            mock.entries.entry(name).or_default().push(entry);
        }
        Ok(mock)
    }

    /// The lines about a name, or about the nearest star above it.
    fn lines(&self, name: &str) -> Option<&[Entry]> {
        if let Some(entries) = self.entries.get(name) {
            return Some(entries);
        }
        if self.above.contains(name) {
            return Some(&[]);
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(entries) = self.entries.get(&format!("*.{parent}")) {
                return Some(entries);
            }
            rest = parent;
        }
        None
    }

    fn ask(&self, name: &str, kind: Kind) -> Said<'_> {
        let mut owner = reversed(name).unwrap_or_else(|| name.to_ascii_lowercase());
        let mut aliases = Vec::new();
        loop {
            let Some(lines) = self.lines(&owner) else { return Said::Absent };
            let meant = |of: &Option<Kind>| of.is_none_or(|of| of == kind);
            if lines.iter().any(|line| matches!(line, Entry::Timeout(of) if meant(of))) {
                return Said::Silent;
            }
            if lines.iter().any(|line| matches!(line, Entry::Temporary(of) if meant(of))) {
                return Said::Broken;
            }
            let alias = lines.iter().find_map(|line| match line {
                Entry::Alias(target) => Some(target.clone()),
                _ => None,
            });
            let Some(target) = alias.filter(|_| aliases.len() < ALIASES) else {
                let entries = lines.iter().filter(|line| line.kind() == Some(kind)).collect();
                return Said::Records { aliases, entries };
            };
            aliases.push(target.clone());
            owner = target;
        }
    }

    /// The entries of one kind, as an answer.
    fn entries(&self, name: &str, kind: Kind) -> Option<Result<Vec<&Entry>, DnsTrouble>> {
        match self.ask(name, kind) {
            Said::Records { entries, .. } => Some(Ok(entries)),
            Said::Absent => Some(Err(DnsTrouble::NoSuchDomain)),
            Said::Broken => Some(Err(DnsTrouble::Temporary("the table says so".into()))),
            Said::Silent => None,
        }
    }

    fn answer<'a, T: Send + 'a>(
        &self,
        name: &str,
        kind: Kind,
        read: impl FnOnce(Vec<&Entry>) -> T,
    ) -> Answering<'a, T> {
        match self.entries(name, kind) {
            Some(entries) => Box::pin(std::future::ready(entries.map(read))),
            None => Box::pin(std::future::pending()),
        }
    }

    fn addresses_of(&self, host: &str) -> Option<Result<Vec<IpAddr>, DnsTrouble>> {
        let mut addresses = Vec::new();
        for kind in [Kind::A, Kind::Aaaa] {
            match self.entries(host, kind)? {
                Ok(entries) => addresses.extend(entries.into_iter().filter_map(address_in)),
                Err(trouble) => return Some(Err(trouble)),
            }
        }
        shuffle(&mut addresses);
        addresses.sort_by_key(IpAddr::is_ipv6);
        Some(Ok(addresses))
    }
}

fn address_in(entry: &Entry) -> Option<IpAddr> {
    match entry {
        Entry::Address(address) => Some(*address),
        _ => None,
    }
}

/// The address whose reverse name this is, as the table writes it.
fn reversed(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let turned: Vec<&str> = octets.rsplit('.').collect();
        return turned.join(".").parse::<Ipv4Addr>().ok().map(|address| address.to_string());
    }
    let nibbles: String = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    let octets = u128::from_str_radix(&nibbles, 16).ok().filter(|_| nibbles.len() == 32)?;
    Some(Ipv6Addr::from_bits(octets).to_string())
}

/// Hosts of the wild have names that no host may have.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "A" => Kind::A,
        "AAAA" => Kind::Aaaa,
        "MX" => Kind::Mx,
        "PTR" => Kind::Ptr,
        "TXT" => Kind::Txt,
        _ => return None,
    })
}

fn parse_line(text: &str) -> Option<(String, Entry)> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(text) => text.split_once('"')?,
        None => text.split_once(char::is_whitespace)?,
    };
    let name = match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            reversed(&name).unwrap_or(name)
        }
    };
    if let Some(strings) = rest.trim_start().strip_prefix("TXT ") {
        return Some((name, Entry::Text(parse_strings(strings)?)));
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let host = |name: &str| match name {
        "." => Some(".".to_owned()),
        name => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            (!name.is_empty() && name.split('.').all(is_label)).then_some(name)
        }
    };
    let entry = match words.as_slice() {
        ["MX", preference, exchange] => Entry::Mx(preference.parse().ok()?, host(exchange)?),
        ["A", address] => Entry::Address(IpAddr::V4(address.parse().ok()?)),
        ["AAAA", address] => Entry::Address(IpAddr::V6(address.parse().ok()?)),
        ["PTR", target] => Entry::Name(host(target).filter(|target| target != ".")?),
        ["CNAME", target] => Entry::Alias(host(target)?),
        ["TEMPORARY"] => Entry::Temporary(None),
        ["TEMPORARY", kind] => Entry::Temporary(Some(kind_of(kind)?)),
        ["TIMEOUT"] => Entry::Timeout(None),
        ["TIMEOUT", kind] => Entry::Timeout(Some(kind_of(kind)?)),
        ["EXISTS"] => Entry::Exists,
        _ => return None,
    };
    Some((name, entry))
}

/// Quoted strings with escapes, as in a zone file (RFC 1035 section 5.1). One that is longer
/// than a string of DNS can be becomes several.
fn parse_strings(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let mut octets = Vec::new();
        let mut letters = rest.strip_prefix('"')?.bytes().enumerate();
        let end = loop {
            match letters.next()? {
                (at, b'"') => break at,
                (_, b'\\') => match letters.next()?.1 {
                    digit @ b'0'..=b'2' => {
                        let digits = [digit, letters.next()?.1, letters.next()?.1];
                        octets.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
                    }
                    octet => octets.push(octet),
                },
                (_, octet) => octets.push(octet),
            }
        };
        match octets.is_empty() {
            true => strings.push(Vec::new()),
            false => strings.extend(octets.chunks(255).map(<[u8]>::to_vec)),
        }
        rest = rest.get(end + 2..)?.trim_start();
    }
    (!strings.is_empty()).then_some(strings)
}

fn record(entry: &Entry) -> Option<Record> {
    Some(match entry {
        Entry::Mx(preference, exchange) => Record::Exchange(*preference, exchange.clone()),
        Entry::Address(address) => Record::Address(*address),
        Entry::Name(name) => Record::Name(name.clone()),
        Entry::Text(strings) => Record::Text(String::from_utf8_lossy(&strings.concat()).into()),
        _ => return None,
    })
}

impl Resolve for MockResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Answering<'a, MxAnswer> {
        self.answer(domain.as_str(), Kind::Mx, |entries| {
            let records = entries.into_iter().filter_map(|entry| match entry {
                Entry::Mx(preference, exchange) => {
                    Some((*preference, Domain::parse(exchange).ok()))
                }
                _ => None,
            });
            mx_answer(records.collect())
        })
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Answering<'a, Vec<IpAddr>> {
        match self.addresses_of(host.as_str()) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => Box::pin(std::future::pending()),
        }
    }

    fn reverse<'a>(&'a self, address: IpAddr) -> Answering<'a, Vec<Domain>> {
        self.answer(&address.to_string(), Kind::Ptr, |entries| {
            let names = entries.into_iter().filter_map(|entry| match entry {
                Entry::Name(name) => Domain::parse(name).ok(),
                _ => None,
            });
            names.collect()
        })
    }

    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answering<'a, Vec<Record>> {
        self.answer(name.trim_end_matches('.'), kind, |entries| {
            entries.into_iter().filter_map(record).collect()
        })
    }
}
