//! The client in front of an own relay, as the relay's Received field names it.
//!
//! In: header, and the client that delivered to this box. Out: the [`Origin`] that SPF and
//! reverse names are about, and the [`Arrival`] that lists in DNS, history and manners judge.
//! A Received field is believed only when a trusted client put it on top, and only in the
//! forms that servers write, because its HELO is the stranger's word:
//! `from HELO (NAME [ADDRESS])` and `from NAME ([ADDRESS] helo=HELO)`. What is not understood
//! leaves the origin unknown.

use std::net::IpAddr;

use bytes::Bytes;

use crate::config::Authentication;
use crate::mail::{Facts, Manners, Role};
use crate::message::{Head, Oddities};

/// Own relays in a row.
const RELAYS: usize = 10;

/// From where a mail came to the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The client, and what it called itself.
    Client { address: IpAddr, helo: String },
    /// An own relay brought it and does not say from where.
    Unknown,
}

/// How a mail came to the house, for the stages that judge strangers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arrival {
    /// As the facts say.
    Direct,
    /// Through own relays: the facts as they are of the client in front of them.
    Relayed(Facts),
    /// An own relay brought it and does not say from where.
    Unknown,
}

impl Arrival {
    /// Of a mail with these facts. Looks at the message only when a relay brought it.
    pub(super) fn of(config: &Authentication, octets: &Bytes, facts: &Facts) -> Arrival {
        if facts.role != Role::Inbound || !config.is_relay(facts.client) {
            return Arrival::Direct;
        }
        let (head, _) = Head::split(octets, &mut Oddities::default());
        match origin(config, &head, facts.client, &facts.helo) {
            Origin::Client { address, helo } => Arrival::Relayed(Facts {
                client: address,
                helo,
                // How the relay behaves and encrypts says nothing of who is in front of it.
                manners: Manners::default(),
                tls: None,
                ..facts.clone()
            }),
            Origin::Unknown => Arrival::Unknown,
        }
    }

    /// The facts that are to be judged. Where the origin is unknown they are the relay's,
    /// which nothing speaks for or against.
    pub(super) fn facts<'a>(&'a self, observed: &'a Facts) -> &'a Facts {
        match self {
            Arrival::Relayed(facts) => facts,
            Arrival::Direct | Arrival::Unknown => observed,
        }
    }
}

pub(super) fn origin(config: &Authentication, head: &Head, client: IpAddr, helo: &str) -> Origin {
    let mut address = client;
    let mut helo = helo.to_owned();
    let mut received = head.all("received").map(|field| head.value(field));
    for hop in 0..RELAYS {
        // A relay that handed the mail to itself, as to a content filter, wrote the next
        // field as well.
        let is_itself = hop > 0 && address.is_loopback();
        if !is_itself && !config.is_relay(address) {
            return Origin::Client { address, helo };
        }
        match received.next().and_then(from_clause) {
            Some((behind, name)) => (address, helo) = (behind, name),
            None => return Origin::Unknown,
        }
    }
    Origin::Unknown
}

/// RFC 5321, section 4.4, as Postfix, Sendmail, Exim and Postern write it.
fn from_clause(value: &[u8]) -> Option<(IpAddr, String)> {
    let value = value.get(..value.len().min(1_000))?;
    let text = std::str::from_utf8(value).ok()?;
    let text = text.trim_start();
    let rest = text
        .get(..5)
        .filter(|word| word.eq_ignore_ascii_case("from "))
        .and_then(|_| text.get(5..))?;
    let (helo, rest) = rest.trim_start().split_once(char::is_whitespace)?;
    let inside = rest.trim_start().strip_prefix('(')?.split_once(')')?.0.trim();
    if let Some(literal) = inside.strip_prefix('[') {
        let (address, more) = literal.split_once(']')?;
        let named = more.split_whitespace().find_map(|word| word.strip_prefix("helo="));
        return Some((address_of(address)?, named.unwrap_or(helo).to_owned()));
    }
    // The address stands last, behind the name that the relay found for it.
    let (name, literal) = inside.strip_suffix(']')?.rsplit_once('[')?;
    let plain = !name.contains(['[', ']', '(', ';']) && name.split_whitespace().count() <= 1;
    plain.then(|| Some((address_of(literal)?, helo.to_owned())))?
}

fn address_of(literal: &str) -> Option<IpAddr> {
    let bare = literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let bare = bare.and_then(|_| literal.get(5..)).unwrap_or(literal);
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn only_what_a_relay_wrote_is_believed() {
        let table = [
            (
                "from mail.x.test (host.x.test [192.0.2.7])\r\n\tby relay",
                Some(("192.0.2.7", "mail.x.test")),
            ),
            ("from [192.0.2.9] (unknown [192.0.2.7]) by relay", Some(("192.0.2.7", "[192.0.2.9]"))),
            ("FROM x (y [IPv6:2001:db8::1]) by relay", Some(("2001:db8::1", "x"))),
            ("from y ([192.0.2.7] helo=x) by relay", Some(("192.0.2.7", "x"))),
            ("from x ([192.0.2.7]) by relay", Some(("192.0.2.7", "x"))),
            ("from x ([192.0.2.9] (y [192.0.2.7])) by relay", Some(("192.0.2.9", "x"))),
            ("from x[192.0.2.9] by relay (y [192.0.2.7])", None),
            ("from x by relay", None),
            ("from (y [192.0.2.7]) by relay", None),
            ("from x (y [192.0.2.9] [192.0.2.7]) by relay", None),
            ("by relay with local", None),
            ("from x (y [192.0.2.300]) by relay", None),
        ];
        for (value, expected) in table {
            let found = from_clause(value.as_bytes());
            let expected =
                expected.map(|(address, helo)| (address.parse().unwrap(), helo.to_owned()));
            assert_eq!(found, expected, "{value}");
        }
    }

    fn config() -> Authentication {
        let text = "[system]\nhostname = 'mx.own.test'\ndata_dir = '.'\npostmaster = 'p@own.test'\n\
                    [authentication]\ntrusted_relays = ['10.0.0.0/29', '2001:db8::/64']\n";
        Config::parse(text, "test".as_ref(), "/".as_ref()).unwrap().authentication
    }

    fn arrival(client: &str, role: Role, received: &[&str]) -> Arrival {
        let facts = Facts {
            role,
            client: client.parse().unwrap(),
            helo: "door".into(),
            extended: true,
            tls: None,
            account: None,
            received_ms: 1,
            manners: Manners { early_talker: true, ..Manners::default() },
        };
        let fields: String = received.iter().map(|one| format!("Received: {one}\r\n")).collect();
        let message = format!("{fields}From: ann@x.test\r\n\r\nbody\r\n");
        Arrival::of(&config(), &Bytes::from(message), &facts)
    }

    fn origin_of(arrival: Arrival) -> Option<(String, String)> {
        match arrival {
            Arrival::Relayed(facts) => {
                assert_eq!(facts.manners, Manners::default(), "they are the relay's");
                Some((facts.client.to_string(), facts.helo))
            }
            Arrival::Direct | Arrival::Unknown => None,
        }
    }

    #[test]
    fn the_first_stranger_is_judged_and_nobody_behind_it() {
        const STRANGER: &str = "from mail.x.test (host.x.test [192.0.2.7]) by relay";
        const FORGED: &str = "from bank.test (mx.bank.test [198.51.100.1]) by door.own.test";
        const FORGED_RELAY: &str = "from relay (relay.own.test [10.0.0.2]) by door.own.test";
        let seven = Some(("192.0.2.7", "mail.x.test"));
        let table: [(&str, &[&str], Option<(&str, &str)>); 8] = [
            ("10.0.0.1", &[STRANGER], seven),
            // What the stranger wrote below is a story, own relays in it or not.
            ("10.0.0.1", &[STRANGER, FORGED], seven),
            ("10.0.0.1", &[STRANGER, FORGED_RELAY, FORGED], seven),
            ("::ffff:10.0.0.1", &[STRANGER], seven),
            // Two relays in a row, and one with a filter behind it.
            ("10.0.0.1", &["from a (a [10.0.0.2]) by b", STRANGER, FORGED], seven),
            ("10.0.0.1", &["from localhost (localhost [127.0.0.1]) by b", STRANGER], seven),
            ("10.0.0.1", &[], None),
            // A chain without an end.
            ("10.0.0.1", &[FORGED_RELAY; 40], None),
        ];
        for (client, received, expected) in table {
            let found = origin_of(arrival(client, Role::Inbound, received));
            let expected = expected.map(|(address, helo)| (address.to_owned(), helo.to_owned()));
            assert_eq!(found, expected, "{client} {received:?}");
        }
        assert_eq!(arrival("10.0.0.1", Role::Inbound, &["by relay"]), Arrival::Unknown);
    }

    #[test]
    fn a_stranger_is_no_relay_whatever_it_writes() {
        let forged = ["from a (a [10.0.0.2]) by b", "from x (x [198.51.100.1]) by a"];
        // 127.0.0.1 as the connection is no relay either.
        for client in ["192.0.2.7", "10.0.0.8", "127.0.0.1"] {
            assert_eq!(arrival(client, Role::Inbound, &forged), Arrival::Direct, "{client}");
        }
        assert_eq!(arrival("10.0.0.1", Role::Outbound, &forged), Arrival::Direct);
    }
}
