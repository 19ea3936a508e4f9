//! The client in front of an own relay, as the relay's Received field names it.
//!
//! In: header, and the client that delivered to this box. Out: the [`Origin`] that SPF and
//! reverse names are about. A Received field is believed only when a trusted client put it on
//! top, and only in the forms that servers write, because its HELO is the stranger's word:
//! `from HELO (NAME [ADDRESS])` and `from NAME ([ADDRESS] helo=HELO)`. What is not understood
//! leaves the origin unknown.

use std::net::IpAddr;

use crate::config::Authentication;
use crate::message::Head;

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

pub(super) fn origin(config: &Authentication, head: &Head, client: IpAddr, helo: &str) -> Origin {
    let mut address = client;
    let mut helo = helo.to_owned();
    let mut received = head.all("received").map(|field| head.value(field));
    for _ in 0..RELAYS {
        if !config.is_relay(address) {
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
}
