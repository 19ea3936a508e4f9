//! The resolver that asks real servers, over hickory-resolver.
//!
//! In: `[dns]`. Out: [`DnsResolver`], which keeps a cache and can be shared. Names are always
//! asked as they are: no search domain is ever appended. `/etc/hosts` is heeded. Which servers
//! those are is the matter of [`Servers`].
//!
//! Fails at start with a [`ResolverError`] when the system names no servers; later only with
//! [`DnsTrouble`].

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::pulse::Pulse;
use super::servers::Servers;
use super::{
    ANSWER_ENTRIES, Answering, DnsTrouble, Kind, MxAnswer, RECORDS, Record, Resolve, mx_answer,
    shuffle,
};
use crate::config::Dns;
use crate::mail::Domain;

/// Where the system names its servers.
const SYSTEM: &str = "/etc/resolv.conf";
const PORT: u16 = 53;

/// The administrator is to blame, or the system's configuration.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// `/etc/resolv.conf` cannot be used and `dns.servers` is empty.
    #[error("the system names no DNS servers ({0}); give `dns.servers`")]
    System(String),
    /// The resolver cannot be set up.
    #[error("the resolver cannot be set up: {0}")]
    Setup(String),
}

/// Asks DNS.
#[derive(Debug, Clone)]
pub struct DnsResolver {
    servers: Arc<Servers>,
    pulse: Arc<Pulse>,
}

impl DnsResolver {
    /// A resolver with its own cache. Must be called within the runtime.
    pub fn new(dns: &Dns) -> Result<DnsResolver, ResolverError> {
        Servers::fixed(dns, Path::new(SYSTEM)).map(DnsResolver::over)
    }

    /// The same for a program that runs on: where the configuration names no servers, those that
    /// the system names are followed, and there may be none yet.
    pub fn following(dns: &Dns) -> Result<DnsResolver, ResolverError> {
        DnsResolver::at(dns, Path::new(SYSTEM), PORT)
    }

    pub(super) fn at(dns: &Dns, file: &Path, port: u16) -> Result<DnsResolver, ResolverError> {
        Servers::followed(dns, file, port).map(DnsResolver::over)
    }

    fn over(servers: Servers) -> DnsResolver {
        DnsResolver { servers: Arc::new(servers), pulse: Arc::default() }
    }

    /// The answer's records; empty when the name exists without any of the kind.
    async fn ask(&self, name: Name, kind: RecordType) -> Result<Vec<RData>, DnsTrouble> {
        if self.pulse.is_lost() {
            return Err(DnsTrouble::Temporary("the name servers do not answer".into()));
        }
        let asked = self.servers.current();
        let question = asked.resolver.lookup(name, kind);
        let answer = tokio::time::timeout(asked.patience, question).await;
        match &answer {
            Ok(Err(error)) if response_code(error).is_none() => self.note_silence(),
            Ok(_) => self.pulse.answered(),
            Err(_) => self.note_silence(),
        }
        match answer {
            Ok(Ok(lookup)) => Ok(records(&lookup)),
            Ok(Err(error)) => trouble(&error),
            Err(_) => Err(DnsTrouble::Temporary("no answer in time".into())),
        }
    }

    /// A question had no answer from any server: perhaps there is none.
    fn note_silence(&self) {
        let servers = Arc::clone(&self.servers);
        self.pulse.silent(move || {
            let asked = servers.current();
            async move {
                // A top-level name that does not exist, each time another: no cache knows it.
                let name = format!("postern-{:x}.", getrandom::u64().unwrap_or_default());
                let Ok(name) = Name::from_ascii(name) else { return true };
                let question = asked.resolver.lookup(name, RecordType::A);
                match tokio::time::timeout(asked.patience, question).await {
                    Ok(Ok(_)) => true,
                    Ok(Err(error)) => response_code(&error).is_some(),
                    Err(_) => false,
                }
            }
        });
    }

    async fn ask_mx(&self, domain: &Domain) -> Result<MxAnswer, DnsTrouble> {
        let answer = self.ask(absolute(domain)?, RecordType::MX).await?;
        let mut records = Vec::new();
        let mut unusable = 0usize;
        for record in answer {
            let RData::MX(mx) = record else { continue };
            match (mx.exchange.is_root(), domain_of(&mx.exchange)) {
                (true, _) => records.push((mx.preference, None)),
                (false, Some(exchange)) => records.push((mx.preference, Some(exchange))),
                (false, None) => unusable += 1,
            }
        }
        // RFC 5321 section 5.1: where MX records exist, the domain's own address is not meant.
        match records.is_empty() && unusable > 0 {
            true => Err(DnsTrouble::Temporary("its MX records name no usable host".into())),
            false => Ok(mx_answer(records)),
        }
    }

    async fn ask_addresses(&self, host: &Domain) -> Result<Vec<IpAddr>, DnsTrouble> {
        let name = absolute(host)?;
        let (four, six) =
            tokio::join!(self.ask(name.clone(), RecordType::A), self.ask(name, RecordType::AAAA));
        merge(four.map(addresses_in), six.map(addresses_in))
    }

    async fn ask_reverse(&self, address: IpAddr) -> Result<Vec<Domain>, DnsTrouble> {
        let mut name = Name::from(address.to_canonical());
        name.set_fqdn(true);
        let answer = self.ask(name, RecordType::PTR).await?;
        let names = answer.iter().filter_map(|record| match record {
            RData::PTR(target) => domain_of(target),
            _ => None,
        });
        Ok(names.take(ANSWER_ENTRIES).collect())
    }
}

/// A name whose labels hold the octets of the text as they are.
fn raw_name(text: &str) -> Result<Name, DnsTrouble> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let name = Name::from_labels(text.split('.').map(str::as_bytes));
    // What is too long for DNS cannot exist there.
    let mut name = name.map_err(|_| DnsTrouble::NoSuchDomain)?;
    name.set_fqdn(true);
    Ok(name)
}

/// The octets of the labels as they are; a dot within one becomes U+FFFD, which no name has.
fn plain_name(name: &Name) -> String {
    if name.is_root() {
        return ".".to_owned();
    }
    let label = |label: &[u8]| String::from_utf8_lossy(label).replace('.', "\u{fffd}");
    name.iter().map(label).collect::<Vec<String>>().join(".")
}

fn record(data: RData) -> Option<Record> {
    Some(match data {
        RData::A(address) => Record::Address(IpAddr::V4(address.0)),
        RData::AAAA(address) => Record::Address(IpAddr::V6(address.0)),
        RData::MX(mx) => Record::Exchange(mx.preference, plain_name(&mx.exchange)),
        RData::PTR(name) => Record::Name(plain_name(&name)),
        RData::TXT(text) => {
            Record::Text(String::from_utf8_lossy(&text.txt_data.concat()).into_owned())
        }
        _ => return None,
    })
}

fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Ptr => RecordType::PTR,
        Kind::Txt => RecordType::TXT,
    }
}

fn absolute(domain: &Domain) -> Result<Name, DnsTrouble> {
    // What the grammar of names forbids cannot exist.
    let mut name = Name::from_ascii(domain.as_str()).map_err(|_| DnsTrouble::NoSuchDomain)?;
    name.set_fqdn(true);
    Ok(name)
}

fn domain_of(name: &Name) -> Option<Domain> {
    let text = name.to_ascii();
    Domain::parse(text.strip_suffix('.').unwrap_or(&text)).ok()
}

fn records(lookup: &Lookup) -> Vec<RData> {
    lookup.answers().iter().map(|record| record.data.clone()).collect()
}

fn addresses_in(records: Vec<RData>) -> Vec<IpAddr> {
    let addresses = records.iter().filter_map(|record| match record {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0).to_canonical()),
        _ => None,
    });
    let mut addresses: Vec<IpAddr> = addresses.take(ANSWER_ENTRIES).collect();
    shuffle(&mut addresses);
    addresses
}

/// One family's addresses are enough; without any, trouble with either may have hidden some.
pub(super) fn merge(
    four: Result<Vec<IpAddr>, DnsTrouble>,
    six: Result<Vec<IpAddr>, DnsTrouble>,
) -> Result<Vec<IpAddr>, DnsTrouble> {
    let found = |answer: &Result<Vec<IpAddr>, DnsTrouble>| answer.clone().unwrap_or_default();
    let all: Vec<IpAddr> = found(&four).into_iter().chain(found(&six)).collect();
    match (four, six) {
        _ if !all.is_empty() => Ok(all),
        (Err(DnsTrouble::Temporary(why)), _) | (_, Err(DnsTrouble::Temporary(why))) => {
            Err(DnsTrouble::Temporary(why))
        }
        // A server that knows the name for one family only still says that it exists.
        (Ok(_), _) | (_, Ok(_)) => Ok(all),
        (Err(DnsTrouble::NoSuchDomain), Err(DnsTrouble::NoSuchDomain)) => {
            Err(DnsTrouble::NoSuchDomain)
        }
    }
}

/// What a server said, if it was one that ended the question.
fn response_code(error: &NetError) -> Option<ResponseCode> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Some(none.response_code),
        NetError::Dns(DnsError::ResponseCode(code)) => Some(*code),
        _ => None,
    }
}

/// An error of hickory's is either an answer without records or trouble.
fn trouble(error: &NetError) -> Result<Vec<RData>, DnsTrouble> {
    match response_code(error) {
        Some(ResponseCode::NoError) => Ok(Vec::new()),
        Some(ResponseCode::NXDomain) => Err(DnsTrouble::NoSuchDomain),
        Some(code) => Err(DnsTrouble::Temporary(format!("the server answers {code}"))),
        None => Err(DnsTrouble::Temporary(error.to_string())),
    }
}

impl Resolve for DnsResolver {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Answering<'a, MxAnswer> {
        Box::pin(self.ask_mx(domain))
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Answering<'a, Vec<IpAddr>> {
        Box::pin(self.ask_addresses(host))
    }

    fn reverse<'a>(&'a self, address: IpAddr) -> Answering<'a, Vec<Domain>> {
        Box::pin(self.ask_reverse(address))
    }

    fn records<'a>(&'a self, name: &'a str, kind: Kind) -> Answering<'a, Vec<Record>> {
        Box::pin(async move {
            let answer = self.ask(raw_name(name)?, record_type(kind)).await?;
            Ok(answer.into_iter().filter_map(record).take(RECORDS).collect())
        })
    }
}
