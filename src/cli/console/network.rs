//! What is typed about a network port → a file for systemd-networkd.
//!
//! Pure. Nothing that is typed gets into the file but as an address, so no line can be smuggled
//! in.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;

/// What a port is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) port: String,
    pub(super) address: Option<IpNet>,
    pub(super) gateway: Option<IpAddr>,
    pub(super) servers: Vec<IpAddr>,
}

const SERVERS: usize = 4;

impl Interface {
    /// Reads port, address, gateway and name servers.
    pub(super) fn read(ports: &[String], answers: &[String]) -> Result<Interface, String> {
        let answer = |at: usize| answers.get(at).map_or("", String::as_str).trim();
        let port = ports.iter().find(|port| *port == answer(0)).ok_or("there is no such port")?;
        let port = port.clone();
        if answer(1) == "auto" {
            return Ok(Interface { port, address: None, gateway: None, servers: Vec::new() });
        }
        let address: IpNet = answer(1).parse().map_err(|_| "that is no address with a prefix")?;
        if address.addr().is_unspecified() || address.addr().is_multicast() {
            return Err("that is no address for a port".into());
        }
        let gateway: Option<IpAddr> = match answer(2) {
            "" => None,
            text => Some(text.parse().map_err(|_| "the gateway is no address")?),
        };
        let is_reached = |gateway: IpAddr| address.contains(&gateway) && gateway != address.addr();
        if gateway.is_some_and(|gateway| !is_reached(gateway)) {
            return Err("the gateway is not in the network of the address".into());
        }
        let servers: Result<Vec<IpAddr>, _> =
            answer(3).split_whitespace().map(str::parse).collect();
        let servers = servers.map_err(|_| "a name server is no address")?;
        match servers.len() > SERVERS {
            true => Err("at most four name servers".into()),
            false => Ok(Interface { port, address: Some(address), gateway, servers }),
        }
    }

    /// The name of its file; a later answer for a port takes the place of an earlier one.
    pub(super) fn file(&self) -> String {
        format!("20-{}.network", self.port)
    }

    /// The text of its file.
    pub(super) fn text(&self) -> String {
        let mut text =
            format!("[Match]\nName={}\n[Network]\nLLMNR=no\nMulticastDNS=no\n", self.port);
        match self.address {
            None => text.push_str("DHCP=yes\n"),
            Some(address) => {
                let _ = writeln!(text, "DHCP=no\nAddress={address}");
            }
        }
        if let Some(gateway) = self.gateway {
            let _ = writeln!(text, "Gateway={gateway}");
        }
        for server in &self.servers {
            let _ = writeln!(text, "DNS={server}");
        }
        text
    }
}

/// Letters, digits and hyphens with points between; at least two labels.
pub(super) fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|one| one.is_ascii_alphanumeric() || one == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // The kernel's limit for host names is 64.
    name.len() <= 64 && name.contains('.') && name.split('.').all(is_label)
}
