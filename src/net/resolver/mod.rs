//! Names: what delivery and analysis ask of DNS, and typed answers.
//!
//! In: a [`Domain`] or an address. Out: [`MxAnswer`], addresses, names; or a [`DnsTrouble`]
//! that says whether asking again may help. [`DnsResolver`] asks real servers,
//! [`mock::MockResolver`] a table.
//!
//! Standards: RFC 5321 section 5.1 (MX), RFC 7505 (null MX), RFC 8020 (NXDOMAIN).

mod dns;
pub mod mock;
mod pulse;
mod servers;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use crate::mail::Domain;

pub use dns::{DnsResolver, ResolverError};

/// Hosts and addresses of one answer that are looked at; what is beyond is ignored.
const ANSWER_ENTRIES: usize = 64;
/// Records of one answer that are looked at when they are asked for as they are. More is what
/// an answer over TCP could hold, but nobody publishes so many in good faith.
const RECORDS: usize = 512;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsTrouble {
    /// NXDOMAIN: asking again will not help.
    #[error("no such domain")]
    NoSuchDomain,
    /// The servers did not answer, refused, or answered nonsense.
    #[error("DNS does not answer for the moment: {0}")]
    Temporary(String),
}

/// Where the mail of a domain goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MxAnswer {
    /// In the order in which they are to be tried: by preference, equal ones shuffled. Never
    /// empty.
    Hosts(Vec<MxHost>),
    /// The domain takes no mail (RFC 7505).
    NullMx,
    /// No MX records: the domain's own addresses are meant (RFC 5321 section 5.1).
    NoMx,
}

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxHost {
    /// Lower is tried earlier; a host that finds itself in the list must ignore all that are
    /// not lower than its own.
    pub preference: u16,
    /// Which host.
    pub exchange: Domain,
}

/// Types of records that can be asked for as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// Names of an address, asked under its name in `in-addr.arpa` or `ip6.arpa`.
    Ptr,
    /// Texts.
    Txt,
}

/// What one record says. Names are as the answer has them, without the last dot; `.` is the
/// root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A or AAAA; an IPv4 address that is mapped into IPv6 stays so.
    Address(IpAddr),
    /// MX: preference and exchange.
    Exchange(u16, String),
    /// PTR.
    Name(String),
    /// TXT, its strings put together; what is not UTF-8 is U+FFFD.
    Text(String),
}

/// A question under way.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, DnsTrouble>> + Send + 'a>>;

/// Who answers questions about names.
pub trait Resolve: Send + Sync + 'static {
    /// Where the mail of a domain goes.
    fn mx<'a>(&'a self, domain: &'a Domain) -> Answering<'a, MxAnswer>;

    /// All IPv4 and IPv6 addresses of a host, each family shuffled, IPv4 first. Empty when
    /// the name exists without any.
    fn addresses<'a>(&'a self, host: &'a Domain) -> Answering<'a, Vec<IpAddr>>;

    /// The IPv4 addresses of a name and nothing else, as they are, in any order: a list in DNS
    /// (RFC 5782) answers with codes that only look like addresses.
    fn ipv4<'a>(&'a self, name: &'a Domain) -> Answering<'a, Vec<Ipv4Addr>> {
        Box::pin(async move {
            let records = self.records(name.as_str(), Kind::A).await?;
            let codes = records.into_iter().filter_map(|record| match record {
                Record::Address(IpAddr::V4(address)) => Some(address),
                _ => None,
            });
            Ok(codes.collect())
        })
    }

    /// The names that an address claims (PTR). Empty when it claims none.
    fn reverse<'a>(&'a self, address: IpAddr) -> Answering<'a, Vec<Domain>>;

    /// The records of a name that need not be one of a host: any octets may stand in its
    /// labels. Empty when the name exists without any of the kind. What cannot be a name in
    /// DNS does not exist.
    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answering<'a, Vec<Record>>;

    /// The texts of a name (TXT), each with its strings put together.
    fn txt<'a>(&'a self, name: &'a Domain) -> Answering<'a, Vec<String>> {
        Box::pin(async move {
            let records = self.records(name.as_str(), Kind::Txt).await?;
            let texts = records.into_iter().filter_map(|record| match record {
                Record::Text(text) => Some(text),
                _ => None,
            });
            Ok(texts.collect())
        })
    }
}

/// Turns the records of an answer into an [`MxAnswer`]; `None` stands for the root.
fn mx_answer(mut records: Vec<(u16, Option<Domain>)>) -> MxAnswer {
    if records.is_empty() {
        return MxAnswer::NoMx;
    }
    shuffle(&mut records);
    records.sort_by_key(|(preference, _)| *preference);
    let hosts = records.into_iter().filter_map(|(preference, exchange)| {
        exchange.map(|exchange| MxHost { preference, exchange })
    });
    let hosts: Vec<MxHost> = hosts.take(ANSWER_ENTRIES).collect();
    // RFC 7505 section 3: beside other records a null MX means nothing.
    if hosts.is_empty() { MxAnswer::NullMx } else { MxAnswer::Hosts(hosts) }
}

/// Fisher and Yates. Without randomness the order stays, which costs only fairness.
fn shuffle<T>(items: &mut [T]) {
    for end in (1..items.len()).rev() {
        let Ok(drawn) = getrandom::u64() else { return };
        let other = usize::try_from(drawn % (end as u64 + 1)).unwrap_or(0);
        items.swap(end, other);
    }
}

#[cfg(test)]
mod tests;
