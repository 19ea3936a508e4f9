//! A resolver that answers from a table, for tests without a network.
//!
//! In: text with one record a line. Out: [`MockResolver`].
//!
//! ```text
//! example.test MX 10 mx.example.test
//! mx.example.test A 192.0.2.1
//! mx.example.test AAAA 2001:db8::1
//! null.test MX 0 .
//! 192.0.2.1 PTR mx.example.test
//! broken.test TEMPORARY
//! empty.test EXISTS
//! ```
//!
//! A name without a line does not exist; with lines of other types only, it has no records
//! of the asked one. `TEMPORARY` makes every question about a name fail for now.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{Answering, DnsTrouble, MxAnswer, Resolve, mx_answer, shuffle};
use crate::mail::Domain;

/// A line that is not understood; the test is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not understood: {text}")]
pub struct BadLine {
    line: usize,
    text: String,
}

#[derive(Debug, Clone)]
enum Entry {
    Mx(u16, Option<Domain>),
    Address(IpAddr),
    Name(Domain),
    Temporary,
    Exists,
}

/// Answers from a table.
#[derive(Debug, Clone, Default)]
pub struct MockResolver {
    entries: HashMap<String, Vec<Entry>>,
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
            mock.entries.entry(name).or_default().push(entry);
        }
        Ok(mock)
    }

    fn look_up(&self, name: &str) -> Result<&[Entry], DnsTrouble> {
        let entries = self.entries.get(name).ok_or(DnsTrouble::NoSuchDomain)?;
        match entries.iter().any(|entry| matches!(entry, Entry::Temporary)) {
            true => Err(DnsTrouble::Temporary("the table says so".into())),
            false => Ok(entries),
        }
    }
}

fn parse_line(text: &str) -> Option<(String, Entry)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let host = |name: &str| match name {
        "." => Some(None),
        name => Domain::parse(name).ok().map(Some),
    };
    let (name, entry) = match words.as_slice() {
        [name, "MX", preference, exchange] => {
            (name, Entry::Mx(preference.parse().ok()?, host(exchange)?))
        }
        [name, "A" | "AAAA", address] => (name, Entry::Address(address.parse().ok()?)),
        [name, "PTR", target] => (name, Entry::Name(host(target)??)),
        [name, "TEMPORARY"] => (name, Entry::Temporary),
        [name, "EXISTS"] => (name, Entry::Exists),
        _ => return None,
    };
    Some((name.to_lowercase(), entry))
}

fn ready<'a, T: Send + 'a>(answer: Result<T, DnsTrouble>) -> Answering<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Resolve for MockResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Answering<'a, MxAnswer> {
        ready(self.look_up(domain.as_str()).map(|entries| {
            let records = entries.iter().filter_map(|entry| match entry {
                Entry::Mx(preference, exchange) => Some((*preference, exchange.clone())),
                _ => None,
            });
            mx_answer(records.collect())
        }))
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Answering<'a, Vec<IpAddr>> {
        ready(self.look_up(host.as_str()).map(|entries| {
            let addresses = entries.iter().filter_map(|entry| match entry {
                Entry::Address(address) => Some(*address),
                _ => None,
            });
            let mut addresses: Vec<IpAddr> = addresses.collect();
            shuffle(&mut addresses);
            addresses.sort_by_key(IpAddr::is_ipv6);
            addresses
        }))
    }

    fn ipv4<'a>(&'a self, name: &'a Domain) -> Answering<'a, Vec<Ipv4Addr>> {
        ready(self.look_up(name.as_str()).map(|entries| {
            let addresses = entries.iter().filter_map(|entry| match entry {
                Entry::Address(IpAddr::V4(address)) => Some(*address),
                _ => None,
            });
            addresses.collect()
        }))
    }

    fn reverse<'a>(&'a self, address: IpAddr) -> Answering<'a, Vec<Domain>> {
        ready(self.look_up(&address.to_string()).map(|entries| {
            let names = entries.iter().filter_map(|entry| match entry {
                Entry::Name(name) => Some(name.clone()),
                _ => None,
            });
            names.collect()
        }))
    }
}
