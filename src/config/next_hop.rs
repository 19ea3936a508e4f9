//! Where mail goes next: `smtp://host:25`, `lmtp://host:24`, `lmtp:/path/socket`,
//! `maildir:/path`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::mail::Domain;

/// One place that takes mail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// A mail server by SMTP.
    Smtp {
        /// Which host.
        host: SmtpHost,
        /// 25 unless given.
        port: u16,
    },
    /// A mail store by LMTP over TCP (RFC 2033).
    Lmtp {
        /// Which host.
        host: SmtpHost,
        /// 24 unless given.
        port: u16,
    },
    /// A mail store by LMTP over a Unix socket.
    LmtpSocket(PathBuf),
    /// A Maildir on this box.
    Maildir(PathBuf),
}

/// A host by address or by name; the name's addresses are looked up, never its MX.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SmtpHost {
    /// An address.
    Ip(IpAddr),
    /// A name.
    Name(Domain),
}

/// The text names no next hop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a next hop: {0:?} (expected smtp://host[:port], lmtp://host[:port], lmtp:/socket or maildir:/path)"
)]
pub struct NextHopError(String);

impl NextHop {
    pub(super) fn resolve_path(&mut self, folder: &Path) {
        if let NextHop::LmtpSocket(path) | NextHop::Maildir(path) = self {
            *path = folder.join(&*path);
        }
    }
}

impl FromStr for NextHop {
    type Err = NextHopError;

    fn from_str(text: &str) -> Result<NextHop, NextHopError> {
        let wrong = || NextHopError(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(wrong)?;
        match (scheme, rest.strip_prefix("//").filter(|place| !place.starts_with('/'))) {
            ("smtp", Some(place)) => {
                parse_place(place, 25).map(|(host, port)| NextHop::Smtp { host, port })
            }
            ("lmtp", Some(place)) => {
                parse_place(place, 24).map(|(host, port)| NextHop::Lmtp { host, port })
            }
            ("lmtp", None) => parse_path(rest).map(NextHop::LmtpSocket),
            ("maildir", None) => parse_path(rest).map(NextHop::Maildir),
            _ => None,
        }
        .ok_or_else(wrong)
    }
}

fn parse_path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    (!path.is_empty()).then(|| path.into())
}

pub(super) fn parse_place(place: &str, default_port: u16) -> Option<(SmtpHost, u16)> {
    let place = place.strip_suffix('/').unwrap_or(place);
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (inner, tail) = rest.split_once(']')?;
            let port = if tail.is_empty() { None } else { Some(tail.strip_prefix(':')?) };
            (SmtpHost::Ip(IpAddr::V6(inner.parse().ok()?)), port)
        }
        None => {
            let (name, port) = match place.rsplit_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (place, None),
            };
            match name.parse() {
                Ok(v4) => (SmtpHost::Ip(IpAddr::V4(v4)), port),
                Err(_) => (SmtpHost::Name(Domain::parse(name).ok()?), port),
            }
        }
    };
    let port = port.map_or(Some(default_port), |digits| digits.parse().ok())?;
    (port != 0).then_some((host, port))
}

impl fmt::Display for SmtpHost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SmtpHost::Ip(IpAddr::V4(v4)) => write!(out, "{v4}"),
            SmtpHost::Ip(IpAddr::V6(v6)) => write!(out, "[{v6}]"),
            SmtpHost::Name(name) => write!(out, "{name}"),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextHop::Smtp { host, port } => write!(out, "smtp://{host}:{port}"),
            NextHop::Lmtp { host, port } => write!(out, "lmtp://{host}:{port}"),
            NextHop::LmtpSocket(path) => write!(out, "lmtp:{}", path.display()),
            NextHop::Maildir(path) => write!(out, "maildir:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for NextHop {
    fn deserialize<D: Deserializer<'de>>(text: D) -> Result<NextHop, D::Error> {
        String::deserialize(text)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_are_read_and_written() {
        let table = [
            ("smtp://10.0.0.5:25", Some("smtp://10.0.0.5:25")),
            ("smtp://10.0.0.5", Some("smtp://10.0.0.5:25")),
            ("smtp://mail.example.org:2525", Some("smtp://mail.example.org:2525")),
            ("smtp://[2001:db8::1]", Some("smtp://[2001:db8::1]:25")),
            ("lmtp://127.0.0.1", Some("lmtp://127.0.0.1:24")),
            ("lmtp:/run/lmtp.sock", Some("lmtp:/run/lmtp.sock")),
            ("maildir:/var/mail/x", Some("maildir:/var/mail/x")),
            ("maildir:///var/mail/x", Some("maildir:/var/mail/x")),
            ("maildir:var/mail", Some("maildir:var/mail")),
            ("smtp:10.0.0.5", None),
            ("smtp://", None),
            ("smtp://a:0", None),
            ("smtp://a:70000", None),
            ("smtp://a b", None),
            ("http://a", None),
            ("maildir:", None),
            ("", None),
        ];
        for (text, written) in table {
            let read = text.parse::<NextHop>().map(|hop| hop.to_string());
            assert_eq!(read.as_deref().ok(), written, "{text}");
        }
    }
}
