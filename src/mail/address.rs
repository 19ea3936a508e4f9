//! Mailbox addresses as the envelope carries them (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
//!
//! In: text without the angle brackets. Out: [`Address`], whose domain is lower-case ASCII
//! (A-labels) and whose local part is kept unquoted; [`std::fmt::Display`] quotes it again
//! where the grammar asks for it. What cannot be said in the grammar is an [`AddressError`].

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// RFC 5321 section 4.5.3.1.1.
const LOCAL_PART_OCTETS: usize = 64;
/// RFC 1035 section 2.3.4, without the root's dot.
const DOMAIN_OCTETS: usize = 253;
const LABEL_OCTETS: usize = 63;

/// Why a text is not an address. The words are fit for the peer that sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@` outside quotes.
    #[error("no domain in address")]
    NoDomain,
    /// The local part is empty, too long or holds what its grammar forbids.
    #[error("bad local part in address")]
    LocalPart,
    /// The domain is empty, too long or not made of LDH or IDNA labels.
    #[error("bad domain in address")]
    Domain,
    /// The address literal is neither IPv4 nor `IPv6:`.
    #[error("bad address literal")]
    Literal,
}

/// A domain name in lower-case ASCII (A-labels), without a trailing dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads ASCII or internationalised text (IDNA 2008 with UTS 46 mapping).
    pub fn parse(text: &str) -> Result<Domain, AddressError> {
        let ascii = match text.is_ascii() {
            true => text.to_ascii_lowercase(),
            false => idna::domain_to_ascii(text).map_err(|_| AddressError::Domain)?,
        };
        let fits = !ascii.is_empty() && ascii.len() <= DOMAIN_OCTETS;
        match fits && ascii.split('.').all(is_label) {
            true => Ok(Domain(ascii.into_boxed_str())),
            false => Err(AddressError::Domain),
        }
    }

    /// The name in lower-case ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is `parent` or lies below it.
    pub fn is_within(&self, parent: &Domain) -> bool {
        match self.0.strip_suffix(&*parent.0) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

/// Letters, digits and inner hyphens; the underscore is not a host name but is seen in mail.
fn is_label(label: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    !label.is_empty()
        && label.len() <= LABEL_OCTETS
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(allowed)
}

/// What stands behind the `@`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name that DNS or the configuration routes.
    Domain(Domain),
    /// An address literal, RFC 5321 section 4.1.3.
    Literal(IpAddr),
}

/// What stands before the `@`, without its quotes. Case is kept: only the final host may
/// interpret it (RFC 5321 section 2.4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// The local part without quotes and quoted pairs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads a dot-string or a quoted string, RFC 5321 section 4.1.2.
    pub fn parse(text: &str) -> Result<LocalPart, AddressError> {
        let bare = match text.strip_prefix('"') {
            Some(rest) => unquote(rest.strip_suffix('"').ok_or(AddressError::LocalPart)?)?,
            None if is_dot_string(text) => text.to_owned(),
            None => return Err(AddressError::LocalPart),
        };
        match bare.is_empty() || bare.len() > LOCAL_PART_OCTETS {
            true => Err(AddressError::LocalPart),
            false => Ok(LocalPart(bare.into_boxed_str())),
        }
    }
}

/// A mailbox: local part and host.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local_part: LocalPart,
    host: Host,
}

impl Address {
    /// Puts together what was already parsed.
    pub fn new(local_part: LocalPart, host: Host) -> Address {
        Address { local_part, host }
    }

    /// What stands before the `@`, unquoted.
    pub fn local_part(&self) -> &str {
        self.local_part.as_str()
    }

    /// What stands behind the `@`.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The domain, unless the host is an address literal.
    pub fn domain(&self) -> Option<&Domain> {
        match &self.host {
            Host::Domain(domain) => Some(domain),
            Host::Literal(_) => None,
        }
    }

    /// Whether the address can only be passed on with SMTPUTF8 (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.local_part.0.is_ascii()
    }

    /// The form under which addresses are compared and looked up: local part in lower case,
    /// as every host in use treats it.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local_part.0.to_lowercase(), self.host)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let at = find_at(text).ok_or(AddressError::NoDomain)?;
        let (local, host) = text.split_at(at);
        let local_part = LocalPart::parse(local)?;
        let host = host.strip_prefix('@').ok_or(AddressError::NoDomain)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => Host::Literal(parse_literal(rest)?),
            None => Host::Domain(Domain::parse(host)?),
        };
        Ok(Address { local_part, host })
    }
}

/// The `@` that ends the local part: the first one outside a quoted string.
fn find_at(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'@' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn parse_literal(rest: &str) -> Result<IpAddr, AddressError> {
    let inner = rest.strip_suffix(']').ok_or(AddressError::Literal)?;
    let tagged = inner.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    match tagged {
        true => {
            let text = inner.get(5..).unwrap_or_default();
            text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| AddressError::Literal)
        }
        false => inner.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| AddressError::Literal),
    }
}

/// RFC 5322 atext with the UTF8-non-ascii of RFC 6531 section 3.3.
fn is_atext(letter: char) -> bool {
    match letter.is_ascii() {
        true => letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter),
        false => !letter.is_control(),
    }
}

fn is_dot_string(text: &str) -> bool {
    text.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn unquote(inner: &str) -> Result<String, AddressError> {
    let mut bare = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            '\\' => letters.next().filter(|next| (' '..='~').contains(next)),
            '"' => None,
            _ if letter.is_control() => None,
            _ => Some(letter),
        };
        bare.push(plain.ok_or(AddressError::LocalPart)?);
    }
    Ok(bare)
}

impl fmt::Display for LocalPart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.0) {
            return out.write_str(&self.0);
        }
        out.write_str("\"")?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                out.write_str("\\")?;
            }
            write!(out, "{letter}")?;
        }
        out.write_str("\"")
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Domain(domain) => fmt::Display::fmt(domain, out),
            Host::Literal(IpAddr::V4(v4)) => write!(out, "[{v4}]"),
            Host::Literal(IpAddr::V6(v6)) => write!(out, "[IPv6:{v6}]"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}", self.local_part, self.host)
    }
}

/// Where failures are reported to: `MAIL FROM:<…>`; null for reports themselves.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`: nobody is to be told of a failure.
    Null,
    /// The mailbox that is told.
    Mailbox(Address),
}

impl ReversePath {
    /// The mailbox, unless the path is null.
    pub fn address(&self) -> Option<&Address> {
        match self {
            ReversePath::Null => None,
            ReversePath::Mailbox(address) => Some(address),
        }
    }
}

/// Whom a mail is for, as `RCPT TO` names it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, RFC 5321 section 4.5.1.
    Postmaster,
    /// A mailbox.
    Mailbox(Address),
}

impl fmt::Display for ReversePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReversePath::Null => Ok(()),
            ReversePath::Mailbox(address) => fmt::Display::fmt(address, out),
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardPath::Postmaster => out.write_str("Postmaster"),
            ForwardPath::Mailbox(address) => fmt::Display::fmt(address, out),
        }
    }
}

macro_rules! debug_as_displayed {
    ($($name:ty => $open:literal $close:literal),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!($open, "{}", $close), self)
            }
        }
    )+};
}
debug_as_displayed!(
    Domain => "" "", Host => "" "", LocalPart => "" "", Address => "" "",
    ReversePath => "<" ">", ForwardPath => "<" ">"
);

impl Serialize for Domain {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Domain, D::Error> {
        let text = String::deserialize(text)?;
        Domain::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<Address, D::Error> {
        let text = String::deserialize(text)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        let table = [
            ("a@b.example", "a@b.example"),
            ("A.b+c@EXAMPLE.Org", "A.b+c@example.org"),
            (r#""a b"@x.test"#, r#""a b"@x.test"#),
            (r#""plain"@x.test"#, "plain@x.test"),
            (r#""a\"b\\c"@x.test"#, r#""a\"b\\c"@x.test"#),
            (r#""a@b"@x.test"#, r#""a@b"@x.test"#),
            ("a@[192.0.2.1]", "a@[192.0.2.1]"),
            ("a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
            ("grün@bücher.example", "grün@xn--bcher-kva.example"),
            ("a@localhost", "a@localhost"),
        ];
        for (text, written) in table {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), written);
            assert_eq!(written.parse::<Address>().as_ref(), Ok(&address));
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        let long_local = format!("{}@x.test", "a".repeat(65));
        let long_domain = format!("a@{}.test", "abcdefg.".repeat(32));
        let table = [
            ("", AddressError::NoDomain),
            ("a", AddressError::NoDomain),
            ("@x.test", AddressError::LocalPart),
            ("a..b@x.test", AddressError::LocalPart),
            (".a@x.test", AddressError::LocalPart),
            ("a b@x.test", AddressError::LocalPart),
            ("a\0b@x.test", AddressError::LocalPart),
            ("\"a\0\"@x.test", AddressError::LocalPart),
            (r#""a@x.test"#, AddressError::NoDomain),
            (r#""a"b"@x.test"#, AddressError::NoDomain),
            (r#"""@x.test"#, AddressError::LocalPart),
            ("a@", AddressError::Domain),
            ("a@x..test", AddressError::Domain),
            ("a@-x.test", AddressError::Domain),
            ("a@x.test.", AddressError::Domain),
            ("a@b@x.test", AddressError::Domain),
            ("a@x y.test", AddressError::Domain),
            ("a@[192.0.2.256]", AddressError::Literal),
            ("a@[2001:db8::1]", AddressError::Literal),
            ("a@[192.0.2.1", AddressError::Literal),
            (long_local.as_str(), AddressError::LocalPart),
            (long_domain.as_str(), AddressError::Domain),
        ];
        for (text, why) in table {
            assert_eq!(text.parse::<Address>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_domain_is_within_itself_and_its_parents_only() {
        let domain = |text| Domain::parse(text).expect(text);
        assert!(domain("a.example").is_within(&domain("a.example")));
        assert!(domain("b.a.example").is_within(&domain("a.example")));
        assert!(!domain("ba.example").is_within(&domain("a.example")));
        assert!(!domain("example").is_within(&domain("a.example")));
    }
}
