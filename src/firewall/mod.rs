//! The box's packet filter, made from what the box is told: everything is closed but what the
//! configuration opens.
//!
//! In: [`Config`] and the next hops that rules of policy name. Out: a ruleset for `nft -f`,
//! which takes the place of whatever was in force in one step. Pure; does not fail.
//!
//! Invariants: input, output and forward drop what no rule accepts; a listener is open to its
//! own clients only; the administrator's site is open to management networks only; nothing
//! goes out but mail to where mail goes, names, time, signatures and configured servers.
//! A next hop that is named and not numbered opens its port to everywhere: names change.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::config::{ClamdAddress, Config, NextHop, SecondEngine, SmtpHost};

/// Who may reach the administrator's site when no networks are named: those that the Internet
/// does not route.
const PRIVATE: [&str; 5] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"];

/// Programs of the box that ask the name servers of the network (DHCP, console), whatever servers
/// the mail firewall was given: clamav for signatures, systemd-timesync for the time. As numbers,
/// for the filter is made before anything could look names up.
const ASKING_USERS: [u32; 2] = [993, 992];

/// Where something may go: to everywhere, or to one address.
type Destination = (Option<IpAddr>, u16);

/// The ruleset, as a file for `nft -f`.
pub fn ruleset(config: &Config, routes: &[NextHop]) -> String {
    let mut text = String::from(HEAD);
    for rule in listeners(config) {
        let _ = writeln!(text, "\t\t{rule}");
    }
    text.push_str(MIDDLE);
    for rule in destinations(config, routes) {
        let _ = writeln!(text, "\t\t{rule}");
    }
    text.push_str(TAIL);
    text
}

const HEAD: &str = "\
# Made by `postern firewall` from the configuration; changes here are lost.
flush ruleset
table inet postern {
\tchain forward {
\t\ttype filter hook forward priority filter; policy drop;
\t}
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\tiifname \"lo\" accept
\t\tct state established,related accept
\t\tct state invalid drop
\t\ticmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } limit rate 50/second accept
\t\ticmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } limit rate 50/second accept
\t\tip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
\t\tip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
";

const MIDDLE: &str = "\
\t}
\tchain output {
\t\ttype filter hook output priority filter; policy drop;
\t\toifname \"lo\" accept
\t\tct state established,related accept
\t\ticmp type { echo-request, destination-unreachable, time-exceeded } accept
\t\ticmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept
\t\tudp sport 68 udp dport 67 accept comment \"an address from DHCP\"
\t\tudp sport 546 udp dport 547 accept comment \"an address from DHCPv6\"
\t\tudp dport 123 accept comment \"time\"
\t\ttcp dport 443 accept comment \"signatures of the virus scanner\"
";

const TAIL: &str = "\
\t\tlimit rate 6/minute log prefix \"postern-egress: \"
\t\tmeta l4proto tcp reject with tcp reset
\t\treject with icmpx admin-prohibited
\t}
}
";

/// What comes in: one rule a listener and family of clients.
fn listeners(config: &Config) -> Vec<String> {
    let mut rules = Vec::new();
    for listen in &config.listen {
        // Behind a load balancer the peer is the balancer, whoever the client is.
        let peers = match listen.proxy_networks.is_empty() {
            true => &listen.networks,
            false => &listen.proxy_networks,
        };
        rules.extend(opening(listen.address, peers, &listen.role.to_string()));
    }
    if let Some(admin) = &config.admin {
        let private = || PRIVATE.iter().filter_map(|network| network.parse().ok()).collect();
        let networks: Vec<IpNet> = match admin.networks.is_empty() {
            true => private(),
            false => admin.networks.clone(),
        };
        rules.extend(opening(admin.address, &networks, "management"));
    }
    if let Some(portal) = &config.portal {
        rules.extend(opening(portal.address, &[], "portal"));
    }
    rules
}

/// The rules for one listening socket; none when only this machine can reach it anyway.
fn opening(address: SocketAddr, networks: &[IpNet], why: &str) -> Vec<String> {
    let ip = address.ip();
    let port = address.port();
    if ip.is_loopback() {
        return Vec::new();
    }
    // A socket on `::` takes IPv6 only (`net::listen`).
    let family = if ip.is_ipv4() { "ip" } else { "ip6" };
    let here = match ip.is_unspecified() {
        true => String::new(),
        false => format!("{family} daddr {ip} "),
    };
    if networks.is_empty() {
        let every = match (ip.is_unspecified(), ip.is_ipv4()) {
            (false, _) => "",
            (true, true) => "meta nfproto ipv4 ",
            (true, false) => "meta nfproto ipv6 ",
        };
        return vec![format!("{here}{every}tcp dport {port} accept comment \"{why}\"")];
    }
    let of_family = |network: &&IpNet| matches!(network, IpNet::V4(_)) == ip.is_ipv4();
    let peers: Vec<IpNet> = networks.iter().filter(of_family).map(IpNet::trunc).collect();
    if peers.is_empty() {
        return Vec::new();
    }
    // Networks within networks would be refused.
    let peers: Vec<String> = IpNet::aggregate(&peers).iter().map(ToString::to_string).collect();
    let peers = peers.join(", ");
    vec![format!("{family} saddr {{ {peers} }} {here}tcp dport {port} accept comment \"{why}\"")]
}

/// What goes out, beside what every box needs.
fn destinations(config: &Config, routes: &[NextHop]) -> Vec<String> {
    let mut tcp: BTreeSet<Destination> = BTreeSet::new();
    let mut hops: Vec<&NextHop> = routes.iter().collect();
    hops.extend(config.domain.iter().flat_map(|domain| &domain.next_hop));
    match &config.delivery.smart_host {
        Some(host) => hops.push(host),
        // Mail exchangers are anywhere; 465 is for those that take mail over TLS only.
        None => tcp.extend([(None, config.delivery.mx_port), (None, 465)]),
    }
    tcp.extend(hops.into_iter().filter_map(place));
    for directory in &config.directory {
        tcp.extend(directory.servers.iter().map(|one| (numbered(&one.host), one.port)));
    }
    if let Some(antivirus) = &config.antivirus {
        tcp.extend(antivirus.clamd.iter().filter_map(|address| match address {
            ClamdAddress::Tcp(authority) => authority_of(authority),
            ClamdAddress::Unix(_) => None,
        }));
        if let Some(SecondEngine::Icap(icap)) = &antivirus.second {
            tcp.extend(authority_of(&icap.url.authority));
        }
    }
    let names: BTreeSet<Destination> = match config.dns.servers.is_empty() {
        true => BTreeSet::from([(None, 53)]),
        false => config.dns.servers.iter().map(|one| (Some(one.ip()), one.port())).collect(),
    };
    let mut rules = written(&names, "udp");
    if !names.contains(&(None, 53)) {
        let users = ASKING_USERS.map(|user| user.to_string()).join(", ");
        rules.extend(["udp", "tcp"].map(|protocol| {
            format!("meta skuid {{ {users} }} {protocol} dport 53 accept comment \"names\"")
        }));
    }
    tcp.extend(names);
    rules.extend(written(&tcp, "tcp"));
    rules
}

fn written(destinations: &BTreeSet<Destination>, protocol: &str) -> Vec<String> {
    let is_reached = |(ip, port): &&Destination| match ip {
        // The loopback is open already; so is a port that is open to everywhere.
        Some(ip) => !ip.is_loopback() && !destinations.contains(&(None, *port)),
        None => true,
    };
    let rule = |(ip, port): &Destination| match ip {
        Some(IpAddr::V4(ip)) => format!("ip daddr {ip} {protocol} dport {port} accept"),
        Some(IpAddr::V6(ip)) => format!("ip6 daddr {ip} {protocol} dport {port} accept"),
        None => format!("{protocol} dport {port} accept"),
    };
    destinations.iter().filter(is_reached).map(rule).collect()
}

fn place(hop: &NextHop) -> Option<Destination> {
    match hop {
        NextHop::Smtp { host, port } | NextHop::Lmtp { host, port } => {
            Some((numbered(host), *port))
        }
        NextHop::LmtpSocket(_) | NextHop::Maildir(_) => None,
    }
}

fn numbered(host: &SmtpHost) -> Option<IpAddr> {
    match host {
        SmtpHost::Ip(ip) => Some(*ip),
        SmtpHost::Name(_) => None,
    }
}

/// `host:port` or `[v6]:port`.
fn authority_of(text: &str) -> Option<Destination> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.parse().ok(), port.parse().ok()?))
}
