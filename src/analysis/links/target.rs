//! Where a link leads, read as a browser reads it (the URL standard of WHATWG, sections 3 and
//! 4), because what a reader clicks on is opened by one.
//!
//! In: the text of a link, character references decoded. Out: [`Target`]: scheme, user, host,
//! port, the rest, and what disguises were used. Tabs and line ends are dropped, backslashes
//! are slashes, hosts are percent-decoded, mapped and brought to A-labels, IPv4 addresses are
//! read in all their forms. Nothing fails: a host that no browser would open is none.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// A longer target is cut: no reader opens it, and what decides stands at its beginning.
const TARGET_OCTETS: usize = 4_096;
/// RFC 1035 section 2.3.4; some more because percent-encoding and mapping shorten names.
const HOST_OCTETS: usize = 1_024;

/// Who is asked for what the link promises.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A name in lower-case ASCII (A-labels), without a trailing dot.
    Name(String),
    /// An address, however it was written.
    Address(IpAddr),
}

impl std::fmt::Display for Host {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Host::Name(name) => out.write_str(name),
            Host::Address(address) => write!(out, "{address}"),
        }
    }
}

/// What kind of thing is linked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, `ws`.
    Http,
    /// `https`, `wss`.
    Https,
    /// `ftp`.
    Ftp,
    /// `mailto`.
    Mailto,
    /// `data`.
    Data,
    /// `javascript`, `vbscript` and the like: a program.
    Script,
    /// `file`, or a share in a Windows network.
    File,
    /// A place in the document itself, or beside it.
    Relative,
    /// `cid`, `tel` and whatever else.
    Other,
}

impl Scheme {
    /// Whether a browser goes to a host for it.
    pub fn is_web(self) -> bool {
        matches!(self, Scheme::Http | Scheme::Https | Scheme::Ftp)
    }

    fn usual_port(self) -> Option<u16> {
        match self {
            Scheme::Http => Some(80),
            Scheme::Https => Some(443),
            Scheme::Ftp => Some(21),
            _ => None,
        }
    }
}

/// Ways to write a host that no honest writer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disguises {
    /// An address in octal, hexadecimal, or as fewer than four numbers.
    pub address_form: bool,
    /// Letters of the host are percent-encoded.
    pub escaped_host: bool,
    /// Backslashes or missing slashes before the host.
    pub slashes: bool,
    /// Characters in the host that a browser drops or maps to plain ASCII.
    pub mapped_host: bool,
}

impl Disguises {
    /// Whether there is any.
    pub fn any(self) -> bool {
        self.address_form || self.escaped_host || self.slashes || self.mapped_host
    }
}

/// A link's target taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What kind of thing it is.
    pub scheme: Scheme,
    /// What stands before the `@` of the authority; empty when there is none.
    pub user: String,
    /// Absent for schemes without one and for what no browser opens.
    pub host: Option<Host>,
    /// The port, unless it is the scheme's own.
    pub port: Option<u16>,
    /// Path, query and fragment; for schemes without a host all that follows the colon.
    pub rest: String,
    /// How the host was hidden.
    pub disguises: Disguises,
}

impl Target {
    /// Takes the text of a link apart.
    pub fn parse(text: &str) -> Target {
        let text = text.get(..text.floor_char_boundary(TARGET_OCTETS)).unwrap_or_default();
        let trimmed = text.trim_matches(|letter: char| letter <= ' ');
        let line: Cow<'_, str> = match trimmed.contains(['\t', '\n', '\r']) {
            true => trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect(),
            false => Cow::Borrowed(trimmed),
        };
        let (scheme, after) = split_scheme(&line);
        match scheme {
            scheme if scheme.is_web() => {
                // Without a scheme slashes may be missing too: mail readers see to it.
                let bare = after.len() == line.len();
                let mut target = Target::web(scheme, after);
                target.disguises.slashes &= !bare;
                target
            }
            _ => Target {
                scheme,
                user: String::new(),
                host: None,
                port: None,
                rest: after.to_owned(),
                disguises: Disguises::default(),
            },
        }
    }

    /// The host's name, when it is one.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Some(Host::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// Where `target`, which this was read from, leads in a document with this base: none when
    /// it is not relative, or the base is none that a browser goes to.
    pub(super) fn resolved(&self, target: &str, base: &str) -> Option<String> {
        if self.scheme != Scheme::Relative || target.trim().is_empty() {
            return None;
        }
        let base: String = base.chars().filter(|letter| !letter.is_control()).collect();
        let base = base.trim().replace('\\', "/");
        let parsed = Target::parse(&base);
        if !parsed.scheme.is_web() || parsed.host.is_none() {
            return None;
        }
        let slashes = base.find(':').map_or(0, |colon| colon + 1);
        let after = base.get(slashes..)?;
        let authority = slashes + (after.len() - after.trim_start_matches('/').len());
        let path = base.get(authority..)?.find(['/', '?', '#']);
        let path = path.map_or(base.len(), |at| authority + at);
        let (site, path) = base.split_at_checked(path)?;
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let target = target.trim();
        Some(match target.chars().next()? {
            '/' | '\\' => format!("{site}{target}"),
            '?' => format!("{site}{path}{target}"),
            _ => format!("{site}{folder}/{target}"),
        })
    }

    /// What stands between `?` and `#`.
    pub fn query(&self) -> &str {
        let before = self.rest.split('#').next().unwrap_or_default();
        before.split_once('?').map_or("", |(_, query)| query)
    }

    /// What stands before `?` and `#`.
    pub fn path(&self) -> &str {
        self.rest.split(['?', '#']).next().unwrap_or_default()
    }

    /// What stands behind `#`.
    pub fn fragment(&self) -> &str {
        self.rest.split_once('#').map_or("", |(_, fragment)| fragment)
    }

    /// `after` is what follows the scheme's colon.
    fn web(scheme: Scheme, after: &str) -> Target {
        let is_slash = |letter: char| matches!(letter, '/' | '\\');
        let authority_on = after.trim_start_matches(is_slash);
        let slashes = after.get(..after.len() - authority_on.len()).unwrap_or_default();
        let end = authority_on.find(['/', '\\', '?', '#']).unwrap_or(authority_on.len());
        let (authority, rest) = authority_on.split_at_checked(end).unwrap_or((authority_on, ""));
        // Browsers take the last `@`.
        let (user, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = split_port(place);
        let mut disguises = Disguises { slashes: slashes != "//", ..Disguises::default() };
        let host = port.is_ok().then(|| read_host(host, &mut disguises)).flatten();
        let port = port.ok().flatten().filter(|port| Some(*port) != scheme.usual_port());
        Target {
            scheme,
            user: user.to_owned(),
            host,
            port,
            rest: rest.replace('\\', "/"),
            disguises,
        }
    }
}

/// The scheme and what follows its colon.
fn split_scheme(line: &str) -> (Scheme, &str) {
    if line.starts_with("\\\\") {
        // A share to Windows programs, whatever it is to a browser.
        return (Scheme::File, line);
    }
    if line.starts_with("//") {
        // Relative to a document that has no address of its own.
        return (Scheme::Https, line);
    }
    let named = line.split_once(':').filter(|(name, _)| is_scheme(name));
    let Some((name, after)) = named else {
        // Mail readers make a link of it, against the standard.
        let is_www = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
        return match is_www {
            true => (Scheme::Http, line),
            false => (Scheme::Relative, line),
        };
    };
    let scheme = match name.to_ascii_lowercase().as_str() {
        "http" | "ws" => Scheme::Http,
        "https" | "wss" => Scheme::Https,
        "ftp" => Scheme::Ftp,
        "mailto" => Scheme::Mailto,
        "data" => Scheme::Data,
        "javascript" | "vbscript" | "livescript" | "mocha" => Scheme::Script,
        "file" | "smb" | "search-ms" | "ms-msdt" => Scheme::File,
        // `www.x.test:8080/` and `localhost:25` are hosts, if not to the standard.
        _ if name.contains('.') && after.starts_with(|c: char| c.is_ascii_digit()) => {
            return (Scheme::Http, line);
        }
        _ => Scheme::Other,
    };
    (scheme, after)
}

fn is_scheme(name: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    name.len() <= 40
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name.bytes().all(allowed)
}

/// Host and port; an error when the port is no number.
fn split_port(place: &str) -> (&str, Result<Option<u16>, ()>) {
    let (host, digits) = match place.rsplit_once(':') {
        // The colon is inside of an IPv6 address.
        Some((_, after)) if after.contains(']') => return (place, Ok(None)),
        Some((host, digits)) => (host, digits),
        None => return (place, Ok(None)),
    };
    match digits {
        "" => (host, Ok(None)),
        digits if digits.bytes().all(|octet| octet.is_ascii_digit()) => {
            (host, digits.parse().map(Some).map_err(|_| ()))
        }
        _ => (host, Err(())),
    }
}

/// Reads a host as section 3.5 of the standard says; `None` is what it calls failure.
fn read_host(text: &str, disguises: &mut Disguises) -> Option<Host> {
    if text.is_empty() || text.len() > HOST_OCTETS {
        return None;
    }
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner.parse::<Ipv6Addr>().ok().map(|address| Host::Address(address.into()));
    }
    let decoded = percent_decode(text);
    disguises.escaped_host = matches!(decoded, Cow::Owned(_));
    let ascii = to_ascii(&decoded)?;
    // Letters of other scripts become A-labels; those that become plain ASCII were a trick.
    disguises.mapped_host = !decoded.is_ascii() && is_mapped(&decoded);
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    match ends_in_number(name) {
        true => {
            let (address, plain) = read_ipv4(name)?;
            disguises.address_form = !plain;
            Some(Host::Address(IpAddr::V4(address)))
        }
        false if name.is_empty() || name.split('.').any(str::is_empty) => None,
        false => Some(Host::Name(name.to_owned())),
    }
}

/// Unicode TS 46 as browsers use it; ASCII without A-labels takes a fast way.
fn to_ascii(text: &str) -> Option<Cow<'_, str>> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
    let has_a_label =
        memchr::memchr2_iter(b'x', b'X', text.as_bytes()).any(|at| is_a_label(text, at));
    if !has_a_label && text.bytes().all(plain) {
        let lower = match text.bytes().any(|octet| octet.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
        return Some(lower);
    }
    Uts46::new()
        .to_ascii(text.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::Ignore)
        .ok()
}

/// RFC 5890 section 2.3.2.1: a label that begins so is decoded, and may be wrong.
fn is_a_label(text: &str, at: usize) -> bool {
    text.get(at..at + 4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"))
}

/// Whether a label has characters beyond ASCII and none is left of them, or the dots are not
/// plain ones.
fn is_mapped(text: &str) -> bool {
    let is_odd_dot = |letter: char| matches!(letter, '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    let is_compatible = |letter: char| {
        matches!(letter,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
            | '\u{2100}'..='\u{214f}' | '\u{2460}'..='\u{24ff}' | '\u{ff01}'..='\u{ff5e}'
            | '\u{1d400}'..='\u{1d7ff}' | '\u{1f100}'..='\u{1f1ff}' | '\u{fe00}'..='\u{fe0f}')
    };
    text.chars().any(|letter| is_odd_dot(letter) || is_compatible(letter))
}

fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let hex = |at: usize| after.get(at).and_then(|octet| char::from(*octet).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                octets.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => octets.push(*first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&octets).into_owned())
}

/// The text with `%xx` decoded once, as a reader of query parameters does.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    percent_decode(text)
}

/// The "ends in a number checker" of the standard.
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = |rest: &str| rest.bytes().all(|octet| octet.is_ascii_hexdigit());
    match last.strip_prefix("0x") {
        Some(rest) => is_hex(rest),
        None => !last.is_empty() && last.bytes().all(|octet| octet.is_ascii_digit()),
    }
}

/// The "IPv4 parser" of the standard; whether it was written as four decimal numbers.
fn read_ipv4(name: &str) -> Option<(Ipv4Addr, bool)> {
    let mut numbers = Vec::with_capacity(4);
    let mut plain = true;
    for part in name.split('.') {
        if numbers.len() == 4 || part.is_empty() {
            return None;
        }
        let (digits, radix) = match part.strip_prefix("0x") {
            Some(hex) => (hex, 16),
            None if part.len() > 1 && part.starts_with('0') => (part.get(1..)?, 8),
            None => (part, 10),
        };
        plain &= radix == 10;
        let number = match digits {
            "" => 0,
            digits => u64::from_str_radix(digits, radix).ok()?,
        };
        numbers.push(number);
    }
    plain &= numbers.len() == 4;
    let (last, first) = numbers.split_last()?;
    let room = 256_u64.pow(4_u32.checked_sub(first.len() as u32)?);
    if *last >= room || first.iter().any(|number| *number > 255) {
        return None;
    }
    let high = first.iter().enumerate().fold(0_u64, |sum, (at, number)| {
        let shift = 8 * (3_u32.saturating_sub(at as u32));
        sum | (number << shift)
    });
    Some((Ipv4Addr::from(u32::try_from(high | last).ok()?), plain))
}
