//! Which name servers are asked: those of the configuration, or those that the system names.
//!
//! In: `[dns]`, and a file like `/etc/resolv.conf`. Out: [`Servers::current`]. The system's
//! servers change while the program runs (a network that comes up late, DHCP that gives others),
//! so the file is looked at again; a file that names none for a moment leaves those in force that
//! it named before. As long as it has named none at all, 127.0.0.1 is asked, as resolv.conf(5)
//! has it. Servers that only a neighbour can reach (fe80::/10) are left out: the file says by
//! which port, the resolver cannot.
//!
//! Fails at start only, with a [`ResolverError`].

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;

use super::ResolverError;
use crate::config::Dns;

/// Questions to one server, the first included.
const ATTEMPTS: usize = 2;
/// A name that did not exist a moment ago may exist now.
const NEGATIVE_TTL: Duration = Duration::from_secs(300);
const POSITIVE_TTL: Duration = Duration::from_secs(86_400);
/// Questions under way over one connection to a server.
const QUESTIONS: usize = 512;
/// Between two looks at the system's file.
const LOOK: Duration = Duration::from_secs(1);
/// What is longer is no list of servers.
const FILE_OCTETS: u64 = 1 << 20;

/// Servers with their cache.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) resolver: TokioResolver,
    /// For one question in all, with every server tried.
    pub(super) patience: Duration,
}

/// Shared by all who ask.
#[derive(Debug)]
pub(super) enum Servers {
    Fixed(Arc<Asked>),
    Followed(Box<Followed>),
}

/// The system's servers.
#[derive(Debug)]
pub(super) struct Followed {
    dns: Dns,
    file: PathBuf,
    port: u16,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    looked: Instant,
    /// Of the file: another one has another.
    stamp: Option<Stamp>,
    named: Vec<IpAddr>,
    asked: Arc<Asked>,
}

/// Device, number, length and time of change of a file.
type Stamp = (u64, u64, u64, i64, i64);

impl Servers {
    /// Those of the configuration; without any, those that the file names now.
    pub(super) fn fixed(dns: &Dns, file: &Path) -> Result<Servers, ResolverError> {
        if !dns.servers.is_empty() {
            return asked(dns, &dns.servers).map(Servers::Fixed);
        }
        let named = named_in(file)?;
        asked(dns, &at_port(&named, 53)).map(Servers::Fixed)
    }

    /// Those of the configuration; without any, those that the file names at any time.
    pub(super) fn followed(dns: &Dns, file: &Path, port: u16) -> Result<Servers, ResolverError> {
        if !dns.servers.is_empty() {
            return asked(dns, &dns.servers).map(Servers::Fixed);
        }
        let stamp = stamp(file);
        let named = named_in(file).unwrap_or_else(|error| {
            tracing::warn!(%error, "no name servers are known: 127.0.0.1 is asked until there are");
            vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]
        });
        let asked = asked(dns, &at_port(&named, port))?;
        let seen = Mutex::new(Seen { looked: Instant::now(), stamp, named, asked });
        let followed = Followed { dns: dns.clone(), file: file.to_owned(), port, seen };
        Ok(Servers::Followed(Box::new(followed)))
    }

    /// Those to ask now.
    pub(super) fn current(&self) -> Arc<Asked> {
        match self {
            Servers::Fixed(asked) => Arc::clone(asked),
            Servers::Followed(followed) => followed.current(),
        }
    }
}

impl Followed {
    fn current(&self) -> Arc<Asked> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.looked.elapsed() >= LOOK {
            seen.looked = Instant::now();
            let stamp = stamp(&self.file);
            if stamp != seen.stamp {
                seen.stamp = stamp;
                self.look(&mut seen);
            }
        }
        Arc::clone(&seen.asked)
    }

    fn look(&self, seen: &mut Seen) {
        let named = match named_in(&self.file) {
            Ok(named) => named,
            Err(error) => return tracing::warn!(%error, "the name servers of before are asked"),
        };
        if named == seen.named {
            return;
        }
        match asked(&self.dns, &at_port(&named, self.port)) {
            Ok(asked) => {
                tracing::info!(servers = ?named, "the system names other name servers");
                seen.named = named;
                seen.asked = asked;
            }
            Err(error) => tracing::error!(%error, "the name servers of before are asked"),
        }
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let seen = std::fs::metadata(file).ok()?;
    Some((seen.dev(), seen.ino(), seen.len(), seen.mtime(), seen.mtime_nsec()))
}

/// The servers that a file like `/etc/resolv.conf` names; never none.
fn named_in(file: &Path) -> Result<Vec<IpAddr>, ResolverError> {
    let wrong = |why: String| ResolverError::System(why);
    let length = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if length > FILE_OCTETS {
        return Err(wrong("/etc/resolv.conf is too long".into()));
    }
    let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let (system, _) = parse_resolv_conf(text).map_err(|error| wrong(error.to_string()))?;
    let named = system.name_servers().iter().map(|server| server.ip);
    let named: Vec<IpAddr> = named.filter(|ip| !is_of_neighbours(*ip)).collect();
    match named.is_empty() {
        true => Err(wrong("/etc/resolv.conf holds none".into())),
        false => Ok(named),
    }
}

fn is_of_neighbours(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn at_port(named: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    named.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

fn asked(dns: &Dns, servers: &[SocketAddr]) -> Result<Arc<Asked>, ResolverError> {
    let rounds = u32::try_from(ATTEMPTS * servers.len().min(3) + 1).unwrap_or(u32::MAX);
    let servers = servers.iter().map(|server| name_server(*server)).collect();
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let timeout = Duration::from_secs(dns.timeout_s.max(1));
    let mut options = ResolverOpts::default();
    options.timeout = timeout;
    options.attempts = ATTEMPTS;
    options.cache_size = dns.cache_entries;
    options.max_active_requests = QUESTIONS;
    options.positive_max_ttl = Some(POSITIVE_TTL);
    options.negative_max_ttl = Some(NEGATIVE_TTL);
    options.use_hosts_file = ResolveHosts::Always;
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    *builder.options_mut() = options;
    let resolver = builder.build().map_err(|error| ResolverError::Setup(error.to_string()))?;
    Ok(Arc::new(Asked { resolver, patience: timeout.saturating_mul(rounds) }))
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = server.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port).to_vec();
    NameServerConfig::new(server.ip(), true, connections)
}

#[cfg(test)]
mod tests {
    use super::super::{DnsResolver, Resolve, mock};
    use super::*;
    use crate::mail::Domain;

    #[tokio::test]
    async fn the_systems_servers_are_followed() {
        let server = mock::serve("a.test A 192.0.2.1\n").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        let dns = Dns { servers: Vec::new(), timeout_s: 1, cache_entries: 64 };
        let name = Domain::parse("a.test").unwrap();
        // Not there yet, then without servers, then with one that is dead.
        assert!(matches!(Servers::fixed(&dns, &file), Err(ResolverError::System(_))));
        let resolver = DnsResolver::at(&dns, &file, server.address.port()).unwrap();
        assert!(resolver.addresses(&name).await.is_ok(), "127.0.0.1 is asked");
        for text in ["# none\n", "nameserver fe80::1%2\n", "nameserver 127.0.0.1\n"] {
            std::fs::write(&file, text).unwrap();
            tokio::time::sleep(LOOK).await;
            assert!(resolver.addresses(&name).await.is_ok(), "{text}");
        }
        std::fs::write(&file, "nameserver 127.1.2.3\n").unwrap();
        tokio::time::sleep(LOOK).await;
        assert!(resolver.addresses(&name).await.is_err(), "the cache is another server's");
        std::fs::write(&file, "search x.test\nnameserver fe80::1%2\nnameserver 127.0.0.1\n")
            .unwrap();
        tokio::time::sleep(LOOK).await;
        assert!(resolver.addresses(&name).await.is_ok());
    }
}
