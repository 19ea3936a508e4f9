//! Where mail goes next (RFC 5321 section 5.1).
//!
//! In: a forward-path, the configuration, a resolver. Out: a [`Destination`], by which mails
//! share connections, and for it the [`Target`]s in the order in which they are tried.
//!
//! Protected domains go to their next hops and nowhere else, other domains to the smart host
//! or to their MX hosts. Invariants: this box never delivers to itself by MX: its own place in
//! the list, and every host not preferred to it, is cut; what DNS cannot say for the moment is
//! never a permanent failure. Fails with [`NoRoute`], whose reply is 4xx or 5xx accordingly.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{Config, NextHop, SmtpHost};
use crate::mail::{Address, Domain, EnhancedCode, Host, Reply};
use crate::net::resolver::{DnsTrouble, MxAnswer, MxHost, Resolve};
use crate::smtp::client::Dialect;

/// Addresses tried for one mail at most; each may cost a whole connect time-out.
const TARGETS: usize = 10;

/// What mails have in common that can share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Configured hops, in order.
    Hops(Arc<[NextHop]>),
    /// The MX hosts of a domain.
    Mx(Domain),
    /// An address literal.
    Literal(IpAddr),
}

/// One place to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A server.
    Server {
        /// What it speaks.
        dialect: Dialect,
        /// By which name it is known.
        host: Host,
        /// Where it listens.
        address: SocketAddr,
        /// How it was found.
        found: Found,
    },
    /// A mail store on this box.
    LmtpSocket(PathBuf),
    /// A Maildir, or many: the path may hold `{local}` and `{domain}`.
    Maildir(PathBuf),
}

/// How a server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The administrator named it.
    Configured,
    /// DNS or the forward-path named it: it might be this box.
    Looked,
}

/// There is nowhere to go, for now (4xx) or at all (5xx).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoRoute(pub Reply);

/// The routing part of the configuration.
#[derive(Debug)]
pub struct Routes {
    hostname: Domain,
    protected: HashMap<Domain, Arc<[NextHop]>>,
    smart_host: Option<Arc<[NextHop]>>,
    mx_port: u16,
    listeners: Vec<SocketAddr>,
}

impl std::fmt::Display for Destination {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Destination::Hops(hops) => {
                for (at, hop) in hops.iter().enumerate() {
                    write!(out, "{}{hop}", if at > 0 { " " } else { "" })?;
                }
                Ok(())
            }
            Destination::Mx(domain) => write!(out, "{domain}"),
            Destination::Literal(address) => write!(out, "{}", Host::Literal(*address)),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Server { host: Host::Domain(name), address, .. } => {
                write!(out, "{name} ({address})")
            }
            Target::Server { address, .. } => write!(out, "{address}"),
            Target::LmtpSocket(path) => write!(out, "lmtp:{}", path.display()),
            Target::Maildir(path) => write!(out, "maildir:{}", path.display()),
        }
    }
}

impl Routes {
    /// As configured.
    pub fn new(config: &Config) -> Routes {
        let hops = |hops: &[NextHop]| -> Arc<[NextHop]> { hops.into() };
        Routes {
            hostname: config.system.hostname.clone(),
            protected: config
                .domain
                .iter()
                .map(|domain| (domain.name.clone(), hops(&domain.next_hop)))
                .collect(),
            smart_host: config
                .delivery
                .smart_host
                .as_ref()
                .map(|hop| hops(std::slice::from_ref(hop))),
            mx_port: config.delivery.mx_port,
            listeners: config.listen.iter().map(|listen| listen.address).collect(),
        }
    }

    /// Where a forward-path belongs.
    pub fn destination(&self, forward_path: &Address) -> Destination {
        let protected = forward_path.domain().and_then(|domain| self.protected.get(domain));
        match (protected.or(self.smart_host.as_ref()), forward_path.host()) {
            (Some(hops), _) => Destination::Hops(Arc::clone(hops)),
            (None, Host::Domain(domain)) => Destination::Mx(domain.clone()),
            (None, Host::Literal(address)) => Destination::Literal(*address),
        }
    }

    /// The places to try, best first; never empty.
    pub async fn targets(
        &self,
        destination: &Destination,
        resolver: &dyn Resolve,
    ) -> Result<Vec<Target>, NoRoute> {
        let mut targets = match destination {
            Destination::Hops(hops) => hop_targets(hops, resolver).await?,
            Destination::Mx(domain) => self.mx_targets(domain, resolver).await?,
            Destination::Literal(address) if self.is_self(*address) => {
                return Err(loops(&Host::Literal(*address).to_string()));
            }
            Destination::Literal(address) => {
                vec![self.looked_up(Host::Literal(*address), *address)]
            }
        };
        targets.truncate(TARGETS);
        Ok(targets)
    }

    async fn mx_targets(
        &self,
        domain: &Domain,
        resolver: &dyn Resolve,
    ) -> Result<Vec<Target>, NoRoute> {
        let mut hosts =
            match resolver.mx(domain).await.map_err(|trouble| no_domain(domain, &trouble))? {
                // RFC 7505 section 4.1.
                MxAnswer::NullMx => {
                    return Err(refuse(556, 1, 10, format!("{domain} takes no mail")));
                }
                MxAnswer::NoMx => vec![MxHost { preference: 0, exchange: domain.clone() }],
                MxAnswer::Hosts(hosts) => hosts,
            };
        let mut own =
            hosts.iter().find(|host| host.exchange == self.hostname).map(|host| host.preference);
        hosts.retain(|host| own.is_none_or(|own| host.preference < own));
        let mut found: Vec<(u16, Target)> = Vec::new();
        let mut trouble = None;
        for host in hosts {
            // Enough, and whether this box comes later in the list is of no matter then.
            if found.len() >= TARGETS || own.is_some_and(|own| host.preference >= own) {
                break;
            }
            let addresses = match resolver.addresses(&host.exchange).await {
                Ok(addresses) => addresses,
                Err(DnsTrouble::NoSuchDomain) => continue,
                Err(temporary) => {
                    trouble = Some(temporary);
                    continue;
                }
            };
            if addresses.iter().any(|address| self.is_self(*address)) {
                // RFC 5321 section 5.1: itself and all that are not preferred to itself.
                own = Some(host.preference);
                found.retain(|(preference, _)| *preference < host.preference);
                break;
            }
            let usable = addresses.into_iter().filter(|address| is_host_address(*address));
            found.extend(interleaved(usable.collect()).into_iter().map(|address| {
                (host.preference, self.looked_up(Host::Domain(host.exchange.clone()), address))
            }));
        }
        match (found.is_empty(), trouble, own) {
            (false, _, _) => Ok(found.into_iter().map(|(_, target)| target).collect()),
            (true, Some(trouble), _) => Err(no_domain(domain, &trouble)),
            (true, None, Some(_)) => Err(loops(domain.as_str())),
            (true, None, None) => {
                Err(refuse(550, 4, 4, format!("no mail host of {domain} has an address")))
            }
        }
    }

    fn looked_up(&self, host: Host, address: IpAddr) -> Target {
        let address = SocketAddr::new(address, self.mx_port);
        Target::Server { dialect: Dialect::Smtp, host, address, found: Found::Looked }
    }

    /// Whether a connection to this address, at the port of MX hosts, would reach this box.
    fn is_self(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.listeners.iter().filter(|listener| listener.port() == self.mx_port).any(|listener| {
            let ip = listener.ip().to_canonical();
            ip == address || (ip.is_unspecified() && is_local(address))
        })
    }
}

/// Whether an address belongs to this machine: only then can a socket be bound to it.
fn is_local(address: IpAddr) -> bool {
    address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok()
}

fn is_host_address(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !broadcast
}

/// Families by turns, IPv6 first: one that does not work costs one attempt, not all.
fn interleaved(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let all = addresses.len();
    let (six, four): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.into_iter().partition(|address| address.is_ipv6());
    let (mut six, mut four) = (six.into_iter(), four.into_iter());
    let mut turns = Vec::with_capacity(all);
    while turns.len() < all {
        turns.extend(six.next());
        turns.extend(four.next());
    }
    turns
}

async fn hop_targets(hops: &[NextHop], resolver: &dyn Resolve) -> Result<Vec<Target>, NoRoute> {
    let mut targets = Vec::new();
    let mut trouble = None;
    for hop in hops {
        let (dialect, host, port) = match hop {
            NextHop::Smtp { host, port } => (Dialect::Smtp, host, *port),
            NextHop::Lmtp { host, port } => (Dialect::Lmtp, host, *port),
            NextHop::LmtpSocket(path) => {
                targets.push(Target::LmtpSocket(path.clone()));
                continue;
            }
            NextHop::Maildir(path) => {
                targets.push(Target::Maildir(path.clone()));
                continue;
            }
        };
        let (host, addresses) = match host {
            SmtpHost::Ip(address) => (Host::Literal(*address), vec![*address]),
            SmtpHost::Name(name) => match resolver.addresses(name).await {
                Ok(addresses) => (Host::Domain(name.clone()), interleaved(addresses)),
                Err(error) => {
                    trouble = Some((name.clone(), error));
                    continue;
                }
            },
        };
        targets.extend(addresses.into_iter().map(|address| Target::Server {
            dialect,
            host: host.clone(),
            address: SocketAddr::new(address, port),
            found: Found::Configured,
        }));
    }
    match (targets.is_empty(), trouble) {
        (false, _) => Ok(targets),
        // A configured name that does not exist is the box's fault, never the sender's.
        (true, Some((name, why))) => Err(defer(format!("next hop {name}: {why}"))),
        (true, None) => Err(defer("no next hop has an address".into())),
    }
}

fn no_domain(domain: &Domain, trouble: &DnsTrouble) -> NoRoute {
    match trouble {
        DnsTrouble::NoSuchDomain => refuse(550, 1, 2, format!("domain {domain} does not exist")),
        DnsTrouble::Temporary(_) => defer(format!("{domain}: {trouble}")),
    }
}

fn loops(name: &str) -> NoRoute {
    refuse(554, 4, 6, format!("mail for {name} would come back to this box"))
}

fn refuse(code: u16, subject: u16, detail: u16, text: String) -> NoRoute {
    NoRoute(Reply::new(code, EnhancedCode(5, subject, detail), text))
}

fn defer(text: String) -> NoRoute {
    NoRoute(Reply::new(451, EnhancedCode(4, 4, 3), text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::resolver::mock::MockResolver;
    use std::path::Path;

    const ZONE: &str = "
        two.test MX 10 a.test
        two.test MX 20 b.test
        a.test A 192.0.2.1
        a.test AAAA 2001:db8::1
        b.test A 192.0.2.2
        implicit.test A 192.0.2.3
        null.test MX 0 .
        broken.test TEMPORARY
        half.test MX 10 broken.test
        half.test MX 20 b.test
        lame.test MX 10 broken.test
        nowhere.test MX 10 gone.test
        empty.test EXISTS
        any.test MX 10 zero.test
        zero.test A 0.0.0.0
        backup.test MX 10 a.test
        backup.test MX 20 mx.own.test
        backup.test MX 30 b.test
        mx.own.test A 192.0.2.99
        primary.test MX 10 mx.own.test
        primary.test MX 20 a.test
        byaddress.test MX 10 a.test
        byaddress.test MX 20 alias.test
        byaddress.test MX 20 b.test
        alias.test A 192.0.2.99
        hidden.test MX 5 alias.test
        selfsame.test A 192.0.2.99
        many.test MX 1 crowd.test
        crowd.test A 192.0.2.10
        crowd.test A 192.0.2.11
        crowd.test AAAA 2001:db8::10
        crowd.test AAAA 2001:db8::11";

    fn routes(extra: &str) -> Routes {
        let text = format!(
            "[system]\nhostname = \"mx.own.test\"\ndata_dir = \"d\"\npostmaster = \"p@own.test\"\n\
             [[listen]]\nrole = \"inbound\"\naddress = \"192.0.2.99:25\"\n{extra}"
        );
        Routes::new(&Config::parse(&text, Path::new("t"), Path::new("/t")).unwrap())
    }

    async fn told(routes: &Routes, address: &str) -> String {
        let resolver = MockResolver::parse(ZONE).unwrap();
        let destination = routes.destination(&address.parse().unwrap());
        match routes.targets(&destination, &resolver).await {
            Ok(targets) => {
                let words = targets.iter().map(|target| match target {
                    Target::Server { dialect, address, .. } => format!("{dialect:?} {address}"),
                    other => other.to_string(),
                });
                words.collect::<Vec<String>>().join(", ")
            }
            Err(NoRoute(reply)) => reply.to_string(),
        }
    }

    #[tokio::test]
    async fn other_domains_go_to_their_mail_hosts() {
        let routes = routes("");
        let two = "Smtp [2001:db8::1]:25, Smtp 192.0.2.1:25, Smtp 192.0.2.2:25";
        let table = [
            ("u@two.test", two),
            ("u@implicit.test", "Smtp 192.0.2.3:25"),
            ("u@null.test", "556 5.1.10 null.test takes no mail"),
            ("u@gone.test", "550 5.1.2 domain gone.test does not exist"),
            (
                "u@broken.test",
                "451 4.4.3 broken.test: DNS does not answer for the moment: the table says so",
            ),
            ("u@half.test", "Smtp 192.0.2.2:25"),
            (
                "u@lame.test",
                "451 4.4.3 lame.test: DNS does not answer for the moment: the table says so",
            ),
            ("u@nowhere.test", "550 5.4.4 no mail host of nowhere.test has an address"),
            ("u@empty.test", "550 5.4.4 no mail host of empty.test has an address"),
            ("u@any.test", "550 5.4.4 no mail host of any.test has an address"),
            ("u@[192.0.2.7]", "Smtp 192.0.2.7:25"),
            ("u@[IPv6:2001:db8::7]", "Smtp [2001:db8::7]:25"),
        ];
        for (address, targets) in table {
            assert_eq!(told(&routes, address).await, targets, "{address}");
        }
    }

    #[tokio::test]
    async fn the_box_never_delivers_to_itself() {
        let routes = routes("");
        let preferred = "Smtp [2001:db8::1]:25, Smtp 192.0.2.1:25";
        let looping = |name: &str| format!("554 5.4.6 mail for {name} would come back to this box");
        let table = [
            ("u@backup.test", preferred.to_owned()),
            ("u@primary.test", looping("primary.test")),
            ("u@byaddress.test", preferred.to_owned()),
            ("u@hidden.test", looping("hidden.test")),
            ("u@selfsame.test", looping("selfsame.test")),
            ("u@[192.0.2.99]", looping("[192.0.2.99]")),
        ];
        for (address, targets) in table {
            assert_eq!(told(&routes, address).await, targets, "{address}");
        }
        let everywhere = Routes { listeners: vec!["0.0.0.0:25".parse().unwrap()], ..routes };
        assert!(everywhere.is_self("127.0.0.1".parse().unwrap()));
        assert!(everywhere.is_self("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!everywhere.is_self("192.0.2.1".parse().unwrap()));
    }

    #[tokio::test]
    async fn families_take_turns() {
        let told = told(&routes(""), "u@many.test").await;
        let six: Vec<bool> = told.split(", ").map(|target| target.contains('[')).collect();
        assert_eq!(six, [true, false, true, false]);
    }

    #[tokio::test]
    async fn protected_domains_go_to_their_hops_and_others_to_the_smart_host() {
        let routes = routes(
            "[[domain]]\nname = \"own.test\"\n\
             next_hop = [\"smtp://a.test:26\", \"lmtp://10.0.0.1\", \"lmtp:/s\", \"maildir:/m\"]\n\
             [[domain]]\nname = \"same.test\"\n\
             next_hop = [\"smtp://a.test:26\", \"lmtp://10.0.0.1\", \"lmtp:/s\", \"maildir:/m\"]\n\
             [[domain]]\nname = \"bad.test\"\nnext_hop = [\"smtp://gone.test\"]\n\
             [delivery]\nsmart_host = \"smtp://b.test:587\"\n",
        );
        let own = "Smtp [2001:db8::1]:26, Smtp 192.0.2.1:26, Lmtp 10.0.0.1:24, lmtp:/s, maildir:/m";
        let table = [
            ("u@own.test", own),
            ("u@sub.own.test", "Smtp 192.0.2.2:587"),
            ("u@two.test", "Smtp 192.0.2.2:587"),
            ("u@[192.0.2.7]", "Smtp 192.0.2.2:587"),
            ("u@bad.test", "451 4.4.3 next hop gone.test: no such domain"),
        ];
        for (address, targets) in table {
            assert_eq!(told(&routes, address).await, targets, "{address}");
        }
        let destination = |address: &str| routes.destination(&address.parse().unwrap());
        assert_eq!(destination("a@own.test"), destination("b@same.test"));
    }
}
