//! What lists are asked: names made of addresses and domains, and which of them.
//!
//! In: how the mail came, hosts of its links, the author's domain. Out: questions, bounded.
//!
//! Standards: RFC 5782 sections 2.1 (IPv4 by octets), 2.4 (IPv6 by nibbles), 2.2 (names).

use std::fmt::Write;
use std::net::IpAddr;

use crate::analysis::Passage;
use crate::config::{DnsList, ListKind};
use crate::mail::Domain;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// Its octets or nibbles in reverse.
    Address(IpAddr),
    /// As it is.
    Name(Domain),
}

/// One question to a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// What is asked about.
    pub(super) subject: Subject,
    /// What it is to the mail, in plain words.
    pub(super) role: &'static str,
}

/// Everything about a mail that a list may be asked about.
#[derive(Debug, Clone, Default)]
pub(super) struct Topics {
    client: Option<IpAddr>,
    senders: Vec<(Domain, &'static str)>,
    hosts: Vec<Host>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name { whole: Domain, organisational: Domain },
    Address(IpAddr),
}

/// What is never asked about.
#[derive(Debug, Clone, Default)]
pub(super) struct Discretion {
    /// With all below them.
    pub(super) domains: Vec<Domain>,
    /// Private addresses may be asked about.
    pub(super) ask_private: bool,
    /// Hosts of one message.
    pub(super) hosts: usize,
}

impl Discretion {
    fn allows_address(&self, address: IpAddr) -> bool {
        self.ask_private || !is_private(address)
    }

    fn allows_name(&self, name: &Domain) -> bool {
        !self.domains.iter().any(|known| name.is_within(known))
    }
}

impl Topics {
    pub(super) fn of(
        passage: Option<Passage<'_>>,
        hosts: &[String],
        author: Option<&Domain>,
        discretion: &Discretion,
    ) -> Topics {
        let mut topics = Topics { hosts: pick(hosts, discretion), ..Topics::default() };
        let mut sender = |name: Option<Domain>, role| {
            let name = name.filter(|name| name.as_str().contains('.'));
            let Some(name) = name.filter(|name| discretion.allows_name(name)) else { return };
            if !topics.senders.iter().any(|(known, _)| *known == name) {
                topics.senders.push((name, role));
            }
        };
        if let Some(Passage { facts, envelope }) = passage {
            let reverse_path = envelope.reverse_path.address();
            sender(reverse_path.and_then(|path| path.domain().cloned()), "reverse-path");
            sender(Domain::parse(&facts.helo).ok().filter(is_no_address), "HELO");
            let client = facts.client.to_canonical();
            topics.client = Some(client).filter(|client| discretion.allows_address(*client));
        }
        sender(author.cloned(), "author");
        topics
    }

    /// What this list is asked. Lists of addresses of hosts are asked about names here, whose
    /// addresses are looked up first.
    pub(super) fn questions(&self, list: &DnsList) -> Vec<Question> {
        match list.kind {
            ListKind::Client | ListKind::ClientAllow => {
                let about = |client| Question { subject: Subject::Address(client), role: "client" };
                self.client.map(about).into_iter().collect()
            }
            ListKind::Sender => {
                let names = self.senders.iter().flat_map(|(name, role)| {
                    let parent = organisational(name);
                    names(name, &parent, list.whole_names).map(|name| (name, *role))
                });
                distinct(names)
            }
            ListKind::Host => distinct(self.hosts.iter().flat_map(|host| match host {
                Host::Name { whole, organisational } => {
                    let names = names(whole, organisational, list.whole_names);
                    names.map(|name| (name, "link")).collect::<Vec<_>>()
                }
                Host::Address(address) if list.addresses => {
                    vec![(Subject::Address(*address), "link")]
                }
                Host::Address(_) => Vec::new(),
            })),
            ListKind::HostAddress => distinct(self.hosts.iter().map(|host| match host {
                Host::Name { whole, .. } => (Subject::Name(whole.clone()), "link"),
                Host::Address(address) => (Subject::Address(*address), "link"),
            })),
        }
    }
}

fn names(
    whole: &Domain,
    organisational: &Domain,
    with_whole: bool,
) -> impl Iterator<Item = Subject> + use<> {
    let whole = (with_whole && whole != organisational).then(|| whole.clone());
    [Some(organisational.clone()), whole].into_iter().flatten().map(Subject::Name)
}

fn distinct(all: impl Iterator<Item = (Subject, &'static str)>) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for (subject, role) in all {
        if !questions.iter().any(|known| known.subject == subject) {
            questions.push(Question { subject, role });
        }
    }
    questions
}

/// Hosts beyond this are not even compared.
const HOSTS_READ: usize = 1_000;

/// The hosts that are asked about, one an organisational domain. When there are too many, half
/// of them are taken from the beginning and half from the end, so that a row of harmless
/// links before the one that matters does not hide it.
fn pick(hosts: &[String], discretion: &Discretion) -> Vec<Host> {
    let cut = hosts.len().saturating_sub(HOSTS_READ / 2).max(HOSTS_READ / 2).min(hosts.len());
    let (front, back) =
        (hosts.iter().take(HOSTS_READ / 2), hosts.get(cut..).unwrap_or_default().iter());
    let mut seen = std::collections::HashSet::new();
    let mut picked: Vec<Host> = Vec::new();
    for host in front.chain(back).filter_map(|text| host_of(text)) {
        let (key, allowed) = match &host {
            Host::Name { organisational, .. } => {
                (organisational.as_str().to_owned(), discretion.allows_name(organisational))
            }
            Host::Address(address) => (address.to_string(), discretion.allows_address(*address)),
        };
        if allowed && seen.insert(key) {
            picked.push(host);
        }
    }
    if picked.len() > discretion.hosts {
        let front = discretion.hosts.div_ceil(2);
        let back = picked.split_off(picked.len() - (discretion.hosts - front));
        picked.truncate(front);
        picked.extend(back);
    }
    picked
}

fn host_of(text: &str) -> Option<Host> {
    let bare = text.trim_matches(['[', ']']).trim_end_matches('.');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Host::Address(address.to_canonical()));
    }
    let whole = Domain::parse(bare).ok().filter(|name| name.as_str().contains('.'))?;
    let organisational = organisational(&whole);
    Some(Host::Name { whole, organisational })
}

/// The name itself when it is a public suffix.
fn organisational(name: &Domain) -> Domain {
    psl::domain_str(name.as_str())
        .and_then(|parent| Domain::parse(parent).ok())
        .unwrap_or_else(|| name.clone())
}

fn is_no_address(name: &Domain) -> bool {
    !name.as_str().rsplit('.').next().is_some_and(|top| top.bytes().all(|o| o.is_ascii_digit()))
}

impl Subject {
    /// The name that is looked up; `None` when it would be too long to exist.
    pub(super) fn name_at(&self, list: &DnsList) -> Option<Domain> {
        let mut name = match self {
            Subject::Address(address) => reversed(*address),
            Subject::Name(name) => name.as_str().to_owned(),
        };
        for label in list.key.iter().chain([&list.zone]) {
            name.push('.');
            name.push_str(label.as_str());
        }
        Domain::parse(&name).ok()
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subject::Address(address) => write!(out, "{address}"),
            Subject::Name(name) => write!(out, "{name}"),
        }
    }
}

/// RFC 5782 sections 2.1 and 2.4.
fn reversed(address: IpAddr) -> String {
    let mut name = String::with_capacity(64);
    // Writing to a string cannot fail.
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            let _ = write!(name, "{d}.{c}.{b}.{a}");
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                let dot = if name.is_empty() { "" } else { "." };
                let _ = write!(name, "{dot}{:x}.{:x}", octet & 15, octet >> 4);
            }
        }
    }
    name
}

/// Addresses that no list can know anything of.
pub(super) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || first == 0
                // Multicast and reserved.
                || first >= 224
                // RFC 6598.
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => {
            let [first, ..] = address.segments();
            address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(kind: &str, more: &str) -> DnsList {
        toml::from_str(&format!("zone = \"l.test\"\nkind = \"{kind}\"\n{more}")).unwrap()
    }

    fn hosts(words: &str) -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn names_are_those_of_rfc_5782() {
        let table = [
            ("192.0.2.99", "", "99.2.0.192.l.test"),
            ("192.0.2.99", "key = \"abc\"", "99.2.0.192.abc.l.test"),
            (
                "2001:db8:1:2:3:4:567:89ab",
                "",
                "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.l.test",
            ),
        ];
        for (address, more, expected) in table {
            let subject = Subject::Address(address.parse().unwrap());
            assert_eq!(subject.name_at(&list("client", more)).unwrap().as_str(), expected);
        }
        let long = Domain::parse("a23456789.".repeat(25).trim_end_matches('.')).unwrap();
        assert_eq!(Subject::Name(long).name_at(&list("host", "")), None);
    }

    #[test]
    fn hosts_are_asked_once_an_organisation() {
        let discretion = Discretion {
            domains: vec![Domain::parse("own.test").unwrap()],
            ask_private: false,
            hosts: 4,
        };
        let about = |text: &str, kind: &str, more: &str| {
            let topics = Topics::of(None, &hosts(text), None, &discretion);
            let questions = topics.questions(&list(kind, more));
            questions.iter().map(|q| q.subject.to_string()).collect::<Vec<_>>().join(" ")
        };
        let table = [
            ("www.a.test a.test x.y.a.test b.co.uk", "host", "", "a.test b.co.uk"),
            ("www.own.test own.test c.test", "host", "", "c.test"),
            ("www.a.test a.test", "host", "whole_names = true", "a.test www.a.test"),
            ("192.0.2.1 10.0.0.1 [2001:db8::1]", "host", "", ""),
            (
                "192.0.2.1 10.0.0.1 [2001:db8::1]",
                "host",
                "addresses = true",
                "192.0.2.1 2001:db8::1",
            ),
            ("localhost com -bad-.test", "host", "", ""),
            (
                "a.test b.test c.test d.test e.test f.test",
                "host",
                "",
                "a.test b.test e.test f.test",
            ),
            ("www.a.test 192.0.2.1", "host-address", "", "www.a.test 192.0.2.1"),
            ("www.a.test 192.0.2.1", "client", "", ""),
        ];
        for (text, kind, more, expected) in table {
            assert_eq!(about(text, kind, more), expected, "{text} {kind}");
        }
        let many: Vec<String> = (0..100_000).map(|n| format!("h{n}.test")).collect();
        let topics = Topics::of(None, &many, None, &discretion);
        let questions = topics.questions(&list("host", ""));
        let last = questions.last().unwrap().subject.to_string();
        assert_eq!((questions.len(), last.as_str()), (4, "h99999.test"));
    }

    #[test]
    fn private_addresses_are_known() {
        let private = "10.1.2.3 127.0.0.1 192.168.1.1 172.31.0.1 169.254.1.1 100.64.0.1 0.0.0.0 \
                       224.0.0.1 255.255.255.255 ::1 :: fe80::1 fd00::1 ff02::1";
        let public = "192.0.2.1 172.32.0.1 100.128.0.1 8.8.8.8 2001:db8::1";
        assert!(private.split_whitespace().all(|text| is_private(text.parse().unwrap())));
        assert!(public.split_whitespace().all(|text| !is_private(text.parse().unwrap())));
    }
}
