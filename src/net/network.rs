//! Whom an address stands for, where strangers are counted.
//!
//! In: an address. Out: the [`Client`] that it is (an IPv4 address; an IPv6 /64, which one
//! host has to itself) and the [`Network`] that it is in (an IPv4 /24; an IPv6 /48, which one
//! customer may have to himself). An IPv4-mapped address is its IPv4 address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Client {
    /// The address.
    V4([u8; 4]),
    /// The first 64 bits.
    V6([u8; 8]),
}

impl Client {
    /// Who has this address.
    pub fn of(address: IpAddr) -> Client {
        match address.to_canonical() {
            IpAddr::V4(v4) => Client::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Client::V6([a, b, c, d, e, f, g, h])
            }
        }
    }

    /// Where the client is.
    pub fn network(self) -> Network {
        match self {
            Client::V4([a, b, c, _]) => Network::V4([a, b, c]),
            Client::V6([a, b, c, d, e, f, ..]) => Network::V6([a, b, c, d, e, f]),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Client::V4(octets) => write!(out, "{}", Ipv4Addr::from(octets)),
            Client::V6(octets) => {
                let first = u128::from(u64::from_be_bytes(octets)) << 64;
                write!(out, "{}/64", Ipv6Addr::from_bits(first))
            }
        }
    }
}

/// The neighbours of a client, which are often the same people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// The first 24 bits.
    V4([u8; 3]),
    /// The first 48 bits.
    V6([u8; 6]),
}

impl Network {
    /// Where this address is.
    pub fn of(address: IpAddr) -> Network {
        Client::of(address).network()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_named_by_what_they_have_to_themselves() {
        for (address, name) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(Client::of(address.parse().unwrap()).to_string(), name);
        }
    }

    #[test]
    fn who_is_whose_neighbour() {
        // Two addresses, whether they are one client, whether they are in one network.
        let table = [
            ("192.0.2.1", "192.0.2.1", true, true),
            ("192.0.2.1", "::ffff:192.0.2.1", true, true),
            ("192.0.2.1", "192.0.2.254", false, true),
            ("192.0.2.1", "192.0.3.1", false, false),
            ("2001:db8::1", "2001:db8::ffff:1", true, true),
            ("2001:db8::1", "2001:db8:0:1::1", false, true),
            ("2001:db8::1", "2001:db8:1::1", false, false),
            ("192.0.2.1", "2001:db8::1", false, false),
        ];
        for (one, other, client, network) in table {
            let of = |text: &str| -> IpAddr { text.parse().unwrap() };
            assert_eq!(Client::of(of(one)) == Client::of(of(other)), client, "{one} {other}");
            assert_eq!(Network::of(of(one)) == Network::of(of(other)), network, "{one} {other}");
        }
    }
}
